/* SPDX-License-Identifier: MIT
 *
 * Charts of a model's report: Vega-Lite, a template and its rows. Series differ in shape, dashes or
 * lightness, not in colour alone. */
#include "present/report_page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- templates --------------------------------------------------------------------- */

static const char spectrum_chart[] =
    "{\"height\": 240, \"encoding\": {\"x\": {\"field\": \"component\", \"type\": "
    "\"quantitative\", "
    "\"title\": \"component\", \"scale\": {\"nice\": false}, \"axis\": {\"tickMinStep\": 1, "
    "\"format\": \"d\", \"labelExpr\": \"datum.value % 1 ? '' : datum.label\"}}}, \"layer\": "
    "[{\"mark\": {\"type\": \"area\", \"color\": \"#888\", "
    "\"opacity\": 0.3, \"line\": {\"color\": \"#888\", \"strokeDash\": [2, 3]}}, \"encoding\": "
    "{\"y\": {\"field\": \"chance (95 %)\", \"type\": \"quantitative\", \"title\": "
    "\"correlation\"}}, \"transform\": [{\"filter\": \"datum.first\"}]}, {\"mark\": {\"type\": "
    "\"line\", \"point\": {\"size\": 55, \"filled\": true}}, \"encoding\": {\"y\": {\"field\": "
    "\"correlation\", \"type\": \"quantitative\"}, \"color\": {\"field\": \"representation\", "
    "\"type\": \"nominal\", \"title\": null, \"sort\": null, \"scale\": {\"range\": "
    "[\"#c2452d\", "
    "\"#5b8fd6\"]}, \"legend\": {\"symbolType\": \"stroke\"}}, \"strokeDash\": {\"field\": "
    "\"representation\", \"type\": \"nominal\", \"sort\": null, \"title\": null}}}, "
    "{\"mark\": {\"type\": \"point\", \"shape\": \"circle\", \"size\": 190, \"filled\": false, "
    "\"color\": \"#333\", \"strokeWidth\": 1.5}, \"encoding\": {\"y\": {\"field\": "
    "\"correlation\", \"type\": \"quantitative\"}}, \"transform\": [{\"filter\": "
    "\"datum.harmonic\"}]}]}";

static const char candidates_chart[] =
    "{\"height\": 200, \"encoding\": {\"x\": {\"field\": \"component\", \"type\": "
    "\"quantitative\", \"title\": \"candidate component\", \"scale\": {\"nice\": false}, "
    "\"axis\": {\"tickMinStep\": 1, \"format\": \"d\", \"labelExpr\": \"datum.value % 1 ? '' : "
    "datum.label\"}}}, \"layer\": [{\"mark\": {\"type\": "
    "\"area\", \"color\": \"#888\", \"opacity\": 0.3, \"line\": {\"color\": \"#888\", "
    "\"strokeDash\": [2, 3]}}, \"encoding\": {\"y\": {\"field\": \"chance (95 %)\", \"type\": "
    "\"quantitative\", \"title\": \"correlation\"}}}, {\"mark\": {\"type\": \"line\", "
    "\"point\": true}, \"encoding\": {\"y\": {\"field\": \"correlation\", \"type\": "
    "\"quantitative\"}, \"tooltip\": [{\"field\": \"component\"}, {\"field\": "
    "\"correlation\", \"format\": \".3f\"}, {\"field\": \"chance (95 %)\", \"format\": "
    "\".3f\"}, {\"field\": \"p\", \"type\": \"nominal\"}]}}]}";

static const char rebuilt_chart[] =
    "{\"height\": 200, \"mark\": {\"type\": \"line\", \"point\": true}, \"encoding\": {\"x\": "
    "{\"field\": \"individual dimensions\", \"type\": \"quantitative\", \"axis\": "
    "{\"tickMinStep\": 1, \"format\": \"d\", \"labelExpr\": \"datum.value % 1 ? '' : "
    "datum.label\"}}, \"y\": {\"field\": \"error\", \"type\": "
    "\"quantitative\", \"title\": \"share of variance not rebuilt\", \"scale\": {\"zero\": "
    "false}}, "
    "\"color\": {\"field\": \"view\", \"type\": \"nominal\", \"title\": null}, \"strokeDash\": "
    "{\"field\": \"view\", \"type\": \"nominal\", \"title\": null}}}";

static const char shares_chart[] =
    "{\"height\": {\"step\": 26}, \"mark\": {\"type\": \"bar\", \"stroke\": \"currentColor\", "
    "\"strokeWidth\": 0.5}, \"encoding\": {\"y\": {\"field\": \"view\", \"type\": \"nominal\", "
    "\"title\": null, \"sort\": null}, \"x\": {\"field\": \"share\", \"type\": "
    "\"quantitative\", \"stack\": \"zero\", \"title\": \"share of variance\", "
    "\"axis\": {\"format\": \".0%\"}, \"scale\": {\"nice\": false}}, \"color\": {\"field\": "
    "\"part\", \"type\": \"nominal\", "
    "\"title\": null, \"sort\": null, \"scale\": {\"domain\": [\"common\", \"individual\", "
    "\"rest\"], \"range\": [\"#7c2a1e\", \"#e8a33d\", \"#e9e9ec\"]}}, \"order\": {\"field\": "
    "\"order\", \"type\": \"quantitative\"}}}";

static const char training_chart[] =
    "{\"height\": 200, \"mark\": {\"type\": \"line\"}, \"encoding\": {\"x\": {\"field\": "
    "\"epoch\", \"type\": \"quantitative\"}, \"y\": {\"field\": \"not trained\", \"type\": "
    "\"quantitative\", \"scale\": {\"zero\": false}}, \"color\": {\"field\": \"stage\", "
    "\"type\": \"nominal\", \"title\": null}, \"strokeDash\": {\"field\": \"stage\", \"type\": "
    "\"nominal\", \"title\": null}}}";

static const char bars_chart[] =
    "{\"height\": 180, \"mark\": {\"type\": \"bar\", \"color\": \"#5b8fd6\", \"stroke\": "
    "\"currentColor\", \"strokeWidth\": 0.4}, \"encoding\": {\"x\": {\"field\": \"score\", "
    "\"type\": \"quantitative\", \"bin\": {\"binned\": true}, \"title\": \"common score\"}, "
    "\"x2\": {\"field\": \"to\"}, \"y\": {\"field\": \"samples\", \"type\": "
    "\"quantitative\"}}}";

static const char lines_chart[] =
    "{\"height\": 180, \"mark\": {\"type\": \"line\", \"interpolate\": \"step-after\"}, "
    "\"encoding\": {\"x\": {\"field\": \"score\", \"type\": \"quantitative\", \"title\": "
    "\"individual score\"}, \"y\": {\"field\": \"samples\", \"type\": \"quantitative\"}, "
    "\"color\": {\"field\": \"view\", \"type\": \"nominal\", \"title\": null}, \"strokeDash\": "
    "{\"field\": \"view\", \"type\": \"nominal\", \"title\": null}}}";

/* ---- what the views share ---------------------------------------------------------- */

/* Rows of a chart while they are gathered. */
typedef struct rows {
    mucmm__json_build build;
    json_t *list, *row; /* the last one */
} rows;

static rows rows_start(void)
{
    return (rows){.list = json_array()};
}

static void row_start(rows *r)
{
    r->row = json_object();
    mucmm__json_add(&r->build, r->list, r->row);
    if (r->build.failed) /* the list may not have taken it, and it is gone */
        r->row = NULL;
}

static void row_real(rows *r, const char *key, double x)
{
    mucmm__json_set(&r->build, r->row, key, mucmm__json_real(x));
}

static void row_integer(rows *r, const char *key, int64_t x)
{
    mucmm__json_set(&r->build, r->row, key, json_integer(x));
}

static void row_text(rows *r, const char *key, const char *text)
{
    mucmm__json_set(&r->build, r->row, key, mucmm__json_string(text));
}

static mucmm_status show(const mucmm__page *p, const char *title, const char *caption,
                         const char *template, rows *r)
{
    json_t *list = r->list;

    r->list = NULL;
    return mucmm__page_chart(p, title, caption, template, &r->build, list);
}

/* The heads and, where they are trained, the yardstick. */
static int32_t representations(const mucmm__page *p)
{
    return p->trained ? 2 : 1;
}

static const mucmm_summary *summary_of(const mucmm__page *p, int32_t representation)
{
    return representation == MUCMM_LINEAR ? p->linear : p->heads;
}

static void spectrum_rows(const mucmm__page *p, int32_t representation, rows *r)
{
    const mucmm_summary *s = summary_of(p, representation);
    char text[MUCMM_P_TEXT];

    for (int64_t j = 0; j < s->components; j++) {
        row_start(r);
        row_integer(r, "component", j);
        row_text(r, "representation",
                 representation == MUCMM_LINEAR || !p->trained ? "closed form (linear)"
                                                               : "trained heads");
        row_real(r, "correlation", s->correlations[j]);
        row_real(r, "chance (95 %)", s->null_95[j]);
        row_text(r, "p", mucmm_p_text(s->p_values[j], s->permutations, text));
        mucmm__json_set(&r->build, r->row, "harmonic",
                        json_boolean(s->harmonic[j] >= MUCMM_HARMONIC_R2));
        mucmm__json_set(&r->build, r->row, "first", json_boolean(representation == MUCMM_HEADS));
    }
}

static void spectrum_caption(const mucmm__page *p, char *out, size_t size)
{
    const mucmm_summary *s = p->heads;
    char found[160], yardstick[80] = "", harmonics[120] = "";
    bool tested = s->components > 0 && isfinite(s->p_values[0]);

    if (!isfinite(s->total_correlation)) {
        snprintf(out, size, "There are too few rows to say how the components correlate.");
        return;
    }
    if (tested)
        snprintf(found, sizeof found,
                 "%" PRId64 " of %" PRId64
                 " components correlate more than chance would (p <= %.2f); all",
                 s->significant, s->components, MUCMM_SIGNIFICANT);
    else
        snprintf(found, sizeof found, "Not tested against chance (%s). The components",
                 p->params->untested_word);
    if (p->trained)
        snprintf(yardstick, sizeof yardstick, ", the linear yardstick to %.2f",
                 p->linear->total_correlation);
    if (mucmm__page_harmonics(s) > 0)
        snprintf(harmonics, sizeof harmonics,
                 " A ring marks a harmonic, a curve of components before it that adds no "
                 "dimension.");
    snprintf(out, size, "%s add up to %.2f%s.%s%s", found, s->total_correlation, yardstick,
             tested && isfinite(s->null_95[0])
                 ? " The grey band is what wrong pairings reach (95 %)."
                 : "",
             harmonics);
}

mucmm_status mucmm__chart_spectrum(const mucmm__page *p)
{
    rows r = rows_start();
    char caption[600];

    for (int32_t i = 0; i < representations(p); i++)
        spectrum_rows(p, i, &r);
    spectrum_caption(p, caption, sizeof caption);
    return show(p, "Correlation of each component", caption, spectrum_chart, &r);
}

/* ---- how many dimensions ----------------------------------------------------------- */

static mucmm_status candidates(const mucmm__page *p, const mucmm_dimensions *d)
{
    rows r = rows_start();
    char caption[256], text[MUCMM_P_TEXT];

    for (int64_t j = 0; j < d->candidates; j++) {
        row_start(&r);
        row_integer(&r, "component", j);
        row_real(&r, "correlation", d->correlations[j]);
        row_real(&r, "chance (95 %)", d->null_95[j]);
        row_text(&r, "p", mucmm_p_text(d->p_values[j], 0, text));
    }
    if (d->standard_errors)
        snprintf(caption, sizeof caption,
                 "The closed form's components, each row judged by a model that did not see it. "
                 "%" PRId64 " count: those before the first one with p > %g, the pairing of all "
                 "rows permuted.",
                 d->common, d->level);
    else
        snprintf(caption, sizeof caption,
                 "The closed form's components on the rows of the fit that chose. %" PRId64
                 " count: those before the first one with p > %g, or those that trained heads "
                 "found.",
                 d->common, d->level);
    return show(p, "How many common dimensions?", caption, candidates_chart, &r);
}

static mucmm_status rebuilt(const mucmm__page *p, const mucmm_dimensions *d)
{
    rows r = rows_start();

    for (int32_t v = 0; v < p->n_views; v++)
        for (int64_t j = 0; j < d->n_errors[v]; j++) {
            row_start(&r);
            row_integer(&r, "individual dimensions", j);
            row_real(&r, "error", d->error[v][j]);
            row_text(&r, "view", p->view[v].name);
        }
    return show(
        p, "How many individual dimensions?",
        "Error of rebuilding columns that were not seen, on the rows of the fit that chose. "
        "A view's number is the smallest whose error is not significantly above the "
        "lowest point of its line; all views get the largest of these numbers.",
        rebuilt_chart, &r);
}

/* What a search for the numbers of dimensions looked at; nothing where they were given. */
mucmm_status mucmm__chart_dimensions(const mucmm__page *p)
{
    const mucmm_dimensions *d = mucmm_model_dimensions(p->m);
    mucmm_status status = MUCMM_OK;

    TRY(candidates(p, d));
    TRY(rebuilt(p, d));
done:
    return status;
}

/* ---- shares of variance ------------------------------------------------------------ */

static void share_rows(const mucmm__page *p, int32_t v, int32_t representation, rows *r)
{
    static const char *const parts[] = {"common", "individual", "rest"};
    const char *suffix = !p->trained                      ? ""
                         : representation == MUCMM_LINEAR ? ", linear"
                                                          : ", trained";
    const mucmm_summary *s = summary_of(p, representation);
    const double common = s->significant > 0 ? s->shared_share[v] : s->common_share[v];
    const double share[] = {common, s->individual_share[v], 1 - common - s->individual_share[v]};
    char name[128];

    snprintf(name, sizeof name, "%s%s", p->view[v].name, suffix);
    for (int i = 0; i < 3; i++) {
        if (!isfinite(share[i]))
            continue;
        row_start(r);
        row_text(r, "view", name);
        row_text(r, "part", parts[i]);
        row_real(r, "share", share[i]);
        row_integer(r, "order", i);
    }
}

mucmm_status mucmm__report_shares(const mucmm__page *p)
{
    rows r;

    if (mucmm__page_nothing_found(p->heads))
        return mucmm__page_say(p,
                               "No component is beyond chance, so no variance of a view is known "
                               "to be common.");
    r = rows_start();
    for (int32_t v = 0; v < p->n_views; v++)
        for (int32_t i = 0; i < representations(p); i++)
            share_rows(p, v, i, &r);
    return show(p, "What the variance of each view is made of",
                p->heads->significant > 0
                    ? "Bars from left to right: the common part, of the components that are beyond "
                      "chance; what is individual to the view; and the rest."
                    : "Bars from left to right: the common part, what is individual to the view, "
                      "and the rest that neither describes.",
                shares_chart, &r);
}

/* ---- training ---------------------------------------------------------------------- */

static rows history_rows(const mucmm__page *p, bool individual)
{
    int64_t n = 0;
    const mucmm_epoch *history = mucmm_model_history(p->m, &n);
    char stage[MUCMM_STAGE_TEXT];
    rows r = rows_start();

    for (int64_t i = 0; i < n; i++) {
        mucmm_stage_text(history[i].stage, stage);
        if ((strncmp(stage, "individual", 10) == 0) != individual)
            continue;
        row_start(&r);
        row_integer(&r, "epoch", history[i].epoch);
        row_text(&r, "stage", stage);
        row_real(&r, "loss", history[i].loss);
        row_real(&r, "not trained", history[i].held_out);
    }
    return r;
}

mucmm_status mucmm__report_training(const mucmm__page *p)
{
    rows common = history_rows(p, false), individual = history_rows(p, true);
    mucmm_status status = MUCMM_OK;

    if (json_array_size(common.list) + json_array_size(individual.list) == 0)
        TRY(mucmm__page_say(p, "Nothing was trained step by step: this model is the closed form."));
    TRY(show(p, "Common heads: total correlation of rows that did not train",
             "Higher is better. Training starts from the closed form and from scratch; the better "
             "one is kept, if it says more than the closed form.",
             training_chart, &common));
    TRY(show(p, "Individual heads: objective on rows that did not train",
             "Lower is better: what the individual part misses, and what of the common part leaks "
             "into it.",
             training_chart, &individual));
done:
    json_decref(common.list);
    json_decref(individual.list);
    return status;
}

/* ---- scores of the samples --------------------------------------------------------- */

enum { BINS = 36 };

/* A histogram between the extremes. */
static void bin_rows(rows *r, const char *view, const double *x, int64_t n, double lo, double hi)
{
    int64_t filled[BINS] = {0};
    double width = hi > lo ? (hi - lo) / BINS : 1;

    for (int64_t i = 0; i < n; i++) {
        double bin = floor((x[i] - lo) / width);
        filled[(int)fmin(fmax(bin, 0), BINS - 1)]++;
    }
    for (int b = 0; b < BINS; b++) {
        row_start(r);
        row_real(r, "score", lo + b * width);
        row_real(r, "to", lo + (b + 1) * width);
        row_integer(r, "samples", filled[b]);
        row_text(r, "view", view);
    }
}

static void extend_range(const double *x, int64_t n, double *lo, double *hi)
{
    for (int64_t i = 0; i < n; i++) {
        *lo = fmin(*lo, x[i]);
        *hi = fmax(*hi, x[i]);
    }
}

static mucmm_status common_scores(const mucmm__page *p)
{
    const double *x = mucmm_scores_common(p->scores);
    double lo = INFINITY, hi = -INFINITY;
    rows r = rows_start();

    extend_range(x, p->rows, &lo, &hi);
    bin_rows(&r, "all", x, p->rows, lo, hi);
    return show(p, "Common score of the samples",
                p->fitted > 0
                    ? "How many samples have which score, also those that the model was fitted to "
                      "(in-sample). To the right: views that agree more than usual; below zero: "
                      "views that contradict each other."
                    : "How many samples have which score. To the right: views that agree more than "
                      "usual; below zero: views that contradict each other.",
                bars_chart, &r);
}

static mucmm_status individual_scores(const mucmm__page *p)
{
    double lo = INFINITY, hi = -INFINITY;
    rows r = rows_start();

    for (int32_t v = 0; v < p->n_views; v++)
        extend_range(mucmm_scores_individual(p->scores, v), p->rows, &lo, &hi);
    for (int32_t v = 0; v < p->n_views; v++)
        bin_rows(&r, p->view[v].name, mucmm_scores_individual(p->scores, v), p->rows, lo, hi);
    return show(p, "Individual score of the samples",
                "How far the individual part of a sample is from the average one, by view.",
                lines_chart, &r);
}

mucmm_status mucmm__report_scores(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;

    TRY(common_scores(p));
    TRY(individual_scores(p));
done:
    return status;
}
