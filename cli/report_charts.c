/* SPDX-License-Identifier: MIT
 *
 * Charts of mucmm report: Vega-Lite, a template and its rows. Series differ in shape, dashes or
 * lightness, not in colour alone.
 */
#include "report.h"

#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Adds the chart unless it has no rows; consumes values. */
static int add_chart(const report_page *p, const char *title, const char *caption,
                     const char *template, json_t *values)
{
    json_t *spec = json_loads(template, 0, NULL);
    char *text = NULL;
    int code = 0;

    if (json_array_size(values) == 0)
        goto done;
    json_object_set_new(spec, "data", json_pack("{s:O}", "values", values));
    text = json_dumps(spec, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!text)
        TRY(fail(EXIT_RUN, "out of memory"));
    ADD(mucmm_report_chart(p->s->ctx, p->r, title, caption, text));
done:
    free(text);
    json_decref(spec);
    json_decref(values);
    return code;
}

static const char *representation_name(const report_page *p, int representation)
{
    return representation == MUCMM_LINEAR || !p->trained ? "closed form (linear)" : "trained heads";
}

int64_t count_harmonics(const mucmm_summary *s)
{
    int64_t n = 0;

    for (int64_t j = 0; j < s->components; j++)
        n += s->harmonic[j] >= MUCMM_HARMONIC_R2 && s->p_values[j] <= 0.05;
    return n;
}

int chart_spectrum(const report_page *p)
{
    static const char template[] =
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
    json_t *values = json_array();
    const mucmm_summary *s = mucmm_scores_summary(p->scores, MUCMM_HEADS);
    char caption[500], found[120], yardstick[80] = "", harmonics[120] = "";
    bool tested = s->components > 0 && isfinite(s->p_values[0]);

    for (int representation = MUCMM_HEADS;
         representation <= (p->trained ? MUCMM_LINEAR : MUCMM_HEADS); representation++) {
        const mucmm_summary *of =
            mucmm_scores_summary(p->scores, (mucmm_representation)representation);
        for (int64_t j = 0; j < of->components; j++)
            json_array_append_new(
                values, json_pack("{s:I, s:s, s:o, s:o, s:o, s:b, s:b}", "component", (json_int_t)j,
                                  "representation", representation_name(p, representation),
                                  "correlation", number_json(of->correlations[j]), "chance (95 %)",
                                  number_json(of->null_95[j]), "p", number_json(of->p_values[j]),
                                  "harmonic", of->harmonic[j] >= MUCMM_HARMONIC_R2, "first",
                                  representation == MUCMM_HEADS));
    }
    if (p->trained)
        snprintf(yardstick, sizeof yardstick, ", the linear yardstick to %.2f",
                 mucmm_scores_summary(p->scores, MUCMM_LINEAR)->total_correlation);
    if (count_harmonics(s) > 0)
        snprintf(harmonics, sizeof harmonics,
                 " A ring marks a harmonic, a curve of components before "
                 "it that adds no dimension.");
    if (tested)
        snprintf(found, sizeof found,
                 "%" PRId64 " of %" PRId64
                 " components correlate more than chance would (p <= 0.05); all",
                 s->significant, s->components);
    snprintf(caption, sizeof caption, "%s add up to %.2f%s.%s%s",
             tested ? found : "Not tested against chance (--permutations 0). The components",
             s->total_correlation, yardstick,
             tested ? " The grey band is what wrong pairings reach (95 %)." : "", harmonics);
    return add_chart(p, "Correlation of each component", caption, template, values);
}

/* Of what --common auto and --individual auto looked at; nothing where the numbers were given. */
int chart_dimensions(const report_page *p)
{
    static const char correlation[] =
        "{\"height\": 200, \"encoding\": {\"x\": {\"field\": \"component\", \"type\": "
        "\"quantitative\", \"title\": \"candidate component\", \"scale\": {\"nice\": false}, "
        "\"axis\": {\"tickMinStep\": 1, \"format\": \"d\", \"labelExpr\": \"datum.value % 1 ? '' : "
        "datum.label\"}}}, \"layer\": [{\"mark\": {\"type\": "
        "\"area\", \"color\": \"#888\", \"opacity\": 0.3, \"line\": {\"color\": \"#888\", "
        "\"strokeDash\": [2, 3]}}, \"encoding\": {\"y\": {\"field\": \"chance (95 %)\", \"type\": "
        "\"quantitative\", \"title\": \"held-out correlation\"}}}, {\"mark\": {\"type\": \"line\", "
        "\"point\": true}, \"encoding\": {\"y\": {\"field\": \"correlation\", \"type\": "
        "\"quantitative\"}, \"tooltip\": [{\"field\": \"component\"}, {\"field\": "
        "\"correlation\", \"format\": \".3f\"}, {\"field\": \"chance (95 %)\", \"format\": "
        "\".3f\"}, {\"field\": \"p\", \"format\": \".3g\"}]}}]}";
    static const char rebuilt[] =
        "{\"height\": 200, \"mark\": {\"type\": \"line\", \"point\": true}, \"encoding\": {\"x\": "
        "{\"field\": \"individual dimensions\", \"type\": \"quantitative\", \"axis\": "
        "{\"tickMinStep\": 1, \"format\": \"d\", \"labelExpr\": \"datum.value % 1 ? '' : "
        "datum.label\"}}, \"y\": {\"field\": \"error\", \"type\": "
        "\"quantitative\", \"title\": \"share of variance not rebuilt\", \"scale\": {\"zero\": "
        "false}}, "
        "\"color\": {\"field\": \"view\", \"type\": \"nominal\", \"title\": null}, \"strokeDash\": "
        "{\"field\": \"view\", \"type\": \"nominal\", \"title\": null}}}";
    const json_t *found = json_object_get(p->about, "dimensions");
    const json_t *common = json_object_get(found, "common"), *view, *x;
    json_t *components = json_array(), *errors = json_array();
    char caption[256];
    size_t i, j;
    int code;

    json_array_foreach(json_object_get(common, "correlations"), j, x) json_array_append_new(
        components,
        json_pack("{s:i, s:O, s:O, s:O}", "component", (int)j, "correlation", x, "chance (95 %)",
                  json_array_get(json_object_get(common, "null_95"), j), "p",
                  json_array_get(json_object_get(common, "p_values"), j)));
    json_array_foreach(json_object_get(found, "individual"), i,
                       view) json_array_foreach(json_object_get(view, "error"), j, x)
        json_array_append_new(errors, json_pack("{s:i, s:O, s:O}", "individual dimensions", (int)j,
                                                "error", x, "view", json_object_get(view, "view")));
    snprintf(caption, sizeof caption,
             "The closed form's components on the held-out rows of the fit. %" PRId64
             " leading ones hold all that are significant (p <= %g).",
             (int64_t)json_integer_value(json_object_get(common, "found")),
             json_number_value(json_object_get(common, "level")));
    code = add_chart(p, "How many common dimensions?", caption, correlation, components);
    if (code == 0)
        return add_chart(
            p, "How many individual dimensions?",
            "Error of rebuilding columns that were not seen, on the held-out rows of the "
            "fit. A view's number is the smallest whose error is not significantly above the "
            "lowest "
            "point of its line; all views get the largest of these numbers.",
            rebuilt, errors);
    json_decref(errors);
    return code;
}

int chart_shares(const report_page *p)
{
    static const char template[] =
        "{\"height\": {\"step\": 26}, \"mark\": {\"type\": \"bar\", \"stroke\": \"currentColor\", "
        "\"strokeWidth\": 0.5}, \"encoding\": {\"y\": {\"field\": \"view\", \"type\": \"nominal\", "
        "\"title\": null, \"sort\": null}, \"x\": {\"field\": \"share\", \"type\": "
        "\"quantitative\", \"stack\": \"zero\", \"title\": \"share of variance\", "
        "\"axis\": {\"format\": \".0%\"}, \"scale\": {\"nice\": false}}, \"color\": {\"field\": "
        "\"part\", \"type\": \"nominal\", "
        "\"title\": null, \"sort\": null, \"scale\": {\"domain\": [\"common\", \"individual\", "
        "\"rest\"], \"range\": [\"#7c2a1e\", \"#e8a33d\", \"#e9e9ec\"]}}, \"order\": {\"field\": "
        "\"order\", \"type\": \"quantitative\"}}}";
    static const char *const parts[] = {"common", "individual", "rest"};
    json_t *values = json_array();
    char name[MAX_NAME + 40];

    for (int32_t v = 0; v < mucmm_model_views(p->m); v++)
        for (int representation = MUCMM_HEADS;
             representation <= (p->trained ? MUCMM_LINEAR : MUCMM_HEADS); representation++) {
            const mucmm_summary *s =
                mucmm_scores_summary(p->scores, (mucmm_representation)representation);
            const double share[] = {s->common_share[v], s->individual_share[v], s->rest_share[v]};
            snprintf(name, sizeof name, "%s%s", mucmm_model_view_name(p->m, v),
                     !p->trained                      ? ""
                     : representation == MUCMM_LINEAR ? ", linear"
                                                      : ", trained");
            for (int i = 0; i < 3; i++)
                if (isfinite(share[i]))
                    json_array_append_new(values,
                                          json_pack("{s:s, s:s, s:f, s:i}", "view", name, "part",
                                                    parts[i], "share", share[i], "order", i));
        }
    return add_chart(
        p, "What the variance of each view is made of",
        "Bars from left to right: the common part, what is individual to the view, and "
        "the rest that neither describes.",
        template, values);
}

int chart_training(const report_page *p)
{
    static const char template[] =
        "{\"height\": 200, \"mark\": {\"type\": \"line\"}, \"encoding\": {\"x\": {\"field\": "
        "\"epoch\", \"type\": \"quantitative\"}, \"y\": {\"field\": \"held out\", \"type\": "
        "\"quantitative\", \"scale\": {\"zero\": false}}, \"color\": {\"field\": \"stage\", "
        "\"type\": \"nominal\", \"title\": null}, \"strokeDash\": {\"field\": \"stage\", \"type\": "
        "\"nominal\", \"title\": null}}}";
    json_t *common = json_array(), *individual = json_array(), *entry;
    size_t i;
    int code = 0;

    json_array_foreach(json_object_get(p->about, "history"), i, entry)
    {
        const char *stage = json_string_value(json_object_get(entry, "stage"));
        json_array_append_new(stage && strncmp(stage, "individual", 10) == 0 ? individual : common,
                              json_pack("{s:O, s:s, s:O, s:O}", "epoch",
                                        json_object_get(entry, "epoch"), "stage",
                                        stage ? stage : "", "loss", json_object_get(entry, "loss"),
                                        "held out", json_object_get(entry, "held_out")));
    }
    if (json_array_size(common) + json_array_size(individual) == 0)
        ADD(mucmm_report_text(p->s->ctx, p->r,
                              "Nothing was trained step by step: this model is the closed form."));
    code = add_chart(p, "Common heads: held-out total correlation",
                     "Higher is better. Training starts from the closed form and from scratch; the "
                     "better one is kept, if it says more than the closed form.",
                     template, common);
    common = NULL;
    if (code == 0) {
        code = add_chart(p, "Individual heads: held-out objective",
                         "Lower is better: what the individual part misses, and what of the common "
                         "part leaks into it.",
                         template, individual);
        individual = NULL;
    }
done:
    json_decref(common);
    json_decref(individual);
    return code;
}

enum { BINS = 36 };

/* Rows {score, samples, view} of a histogram between the extremes. */
static void add_bins(json_t *values, const char *view, const double *x, int64_t n, double lo,
                     double hi)
{
    int64_t filled[BINS] = {0};
    double width = hi > lo ? (hi - lo) / BINS : 1;

    for (int64_t i = 0; i < n; i++) {
        double bin = floor((x[i] - lo) / width);
        filled[(int)fmin(fmax(bin, 0), BINS - 1)]++;
    }
    for (int b = 0; b < BINS; b++)
        json_array_append_new(values, json_pack("{s:f, s:f, s:I, s:s}", "score", lo + b * width,
                                                "to", lo + (b + 1) * width, "samples",
                                                (json_int_t)filled[b], "view", view));
}

static void extend_range(const double *x, int64_t n, double *lo, double *hi)
{
    for (int64_t i = 0; i < n; i++) {
        *lo = fmin(*lo, x[i]);
        *hi = fmax(*hi, x[i]);
    }
}

int chart_scores(const report_page *p)
{
    static const char bars[] =
        "{\"height\": 180, \"mark\": {\"type\": \"bar\", \"color\": \"#5b8fd6\", \"stroke\": "
        "\"currentColor\", \"strokeWidth\": 0.4}, \"encoding\": {\"x\": {\"field\": \"score\", "
        "\"type\": \"quantitative\", \"bin\": {\"binned\": true}, \"title\": \"common score\"}, "
        "\"x2\": {\"field\": \"to\"}, \"y\": {\"field\": \"samples\", \"type\": "
        "\"quantitative\"}}}";
    static const char lines[] =
        "{\"height\": 180, \"mark\": {\"type\": \"line\", \"interpolate\": \"step-after\"}, "
        "\"encoding\": {\"x\": {\"field\": \"score\", \"type\": \"quantitative\", \"title\": "
        "\"individual score\"}, \"y\": {\"field\": \"samples\", \"type\": \"quantitative\"}, "
        "\"color\": {\"field\": \"view\", \"type\": \"nominal\", \"title\": null}, \"strokeDash\": "
        "{\"field\": \"view\", \"type\": \"nominal\", \"title\": null}}}";
    json_t *common = json_array(), *individual = json_array();
    int64_t n = mucmm_scores_rows(p->scores);
    double lo = INFINITY, hi = -INFINITY;
    int code;

    extend_range(mucmm_scores_common(p->scores), n, &lo, &hi);
    add_bins(common, "all", mucmm_scores_common(p->scores), n, lo, hi);
    lo = INFINITY, hi = -INFINITY;
    for (int32_t v = 0; v < p->in->n; v++)
        extend_range(mucmm_scores_individual(p->scores, v), n, &lo, &hi);
    for (int32_t v = 0; v < p->in->n; v++)
        add_bins(individual, mucmm_model_view_name(p->m, v), mucmm_scores_individual(p->scores, v),
                 n, lo, hi);
    code = add_chart(p, "Common score of the samples",
                     "How many samples have which score. To the right: views that agree more than "
                     "usual; below zero: views that contradict each other.",
                     bars, common);
    if (code == 0)
        return add_chart(
            p, "Individual score of the samples",
            "How far the individual part of a sample is from the average one, by view.", lines,
            individual);
    json_decref(individual);
    return code;
}
