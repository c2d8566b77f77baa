/* SPDX-License-Identifier: MIT
 *
 * Results for programs: the table of scores as csv, summaries as JSON. */
#include "core/json.h"
#include "core/text.h"
#include "model/cross_fit_json.h"
#include "model/model_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(17))

/* ---- csv --------------------------------------------------------------------------- */

static void put_header(mucmm__text *t, const mucmm_model *m)
{
    mucmm__text_format(t, "sample,common,common_percentile,match,match_percentile");
    for (int32_t v = 0; v < m->n_views; v++) {
        mucmm__text_format(t, ",%s.common_energy", m->view[v].name);
        mucmm__text_format(t, ",%s.individual", m->view[v].name);
    }
    mucmm__text_format(t, ",row\n");
}

/* The name, quoted where csv asks for it, or the number of the row. */
static void put_sample(mucmm__text *t, const char *name, int64_t row)
{
    if (!name) {
        mucmm__text_format(t, "%" PRId64, row);
        return;
    }
    if (!strpbrk(name, ",\"\r\n")) {
        mucmm__text_add(t, name, strlen(name));
        return;
    }
    mucmm__text_add(t, "\"", 1);
    for (; *name; name++)
        mucmm__text_add(t, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
    mucmm__text_add(t, "\"", 1);
}

/* With a point, whatever the program's locale has there. */
static void put_number(mucmm__text *t, double x)
{
    char s[64], *rest;
    size_t point;

    snprintf(s, sizeof s, "%.17g", x);
    rest = s + strspn(s, "-0123456789");
    mucmm__text_add(t, s, (size_t)(rest - s));
    point = strcspn(rest, "0123456789ein");
    mucmm__text_add(t, ".", point > 0);
    mucmm__text_add(t, rest + point, strlen(rest + point));
}

/* An empty cell where a view is missing. */
static void put_cell(mucmm__text *t, const double *scores, int64_t i)
{
    mucmm__text_add(t, ",", 1);
    if (scores && !isnan(scores[i]))
        put_number(t, scores[i]);
}

/* By mucmm_row_kind; unknown of a model that knows no rows. */
static const char *const row_words[] = {"new", "fitted", "held-out"};

static const char *row_word(const mucmm_scores *s, int64_t i)
{
    return mucmm_scores_recognition(s) == MUCMM_RECOGNITION_NO_DIGEST
               ? ""
               : row_words[mucmm_scores_row(s, i)];
}

static void put_rows(mucmm__text *t, const mucmm_scores *s, const mucmm_views *views)
{
    const mucmm_model *m = mucmm_scores_model(s);

    for (int64_t i = 0; i < mucmm_scores_rows(s); i++) {
        put_sample(t, views ? mucmm_views_sample(views, i, NULL) : NULL, i);
        put_cell(t, mucmm_scores_common(s), i);
        put_cell(t, mucmm_scores_common_percentile(s), i);
        put_cell(t, mucmm_scores_match(s), i);
        put_cell(t, mucmm_scores_match_percentile(s), i);
        for (int32_t v = 0; v < m->n_views; v++) {
            put_cell(t, mucmm_scores_common_energy(s, v), i);
            put_cell(t, mucmm_scores_individual(s, v), i);
        }
        mucmm__text_format(t, ",%s\n", row_word(s, i));
    }
}

mucmm_status mucmm_scores_csv(mucmm_ctx *ctx, const mucmm_scores *s, const mucmm_views *views,
                              char **text)
{
    mucmm__text t = {.ctx = ctx};

    *text = NULL;
    if (views && mucmm_views_rows(views) != mucmm_scores_rows(s))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "the scores are of %" PRId64 " rows, the views have %" PRId64,
                           mucmm_scores_rows(s), mucmm_views_rows(views));
    put_header(&t, mucmm_scores_model(s));
    put_rows(&t, s, views);
    return mucmm__text_done(&t, text);
}

/* ---- JSON of a summary ------------------------------------------------------------- */

/* A summary of a model, as JSON under construction. */
typedef struct job {
    mucmm__json_build *b;
    const mucmm_model *m;
    const mucmm_summary *s;
} job;

enum { PAIR_NAME = 2 * 64 + 2 };

static const char *pair_name(const job *j, int32_t v, int32_t w, char out[PAIR_NAME])
{
    snprintf(out, PAIR_NAME, "%s,%s", j->m->view[v].name, j->m->view[w].name);
    return out;
}

/* Neither of significant components nor individual; NaN where nothing was tested. */
static double unshared(const mucmm_summary *s, int32_t v)
{
    if (s->components == 0 || isnan(s->p_values[0]))
        return NAN;
    return 1 - (isnan(s->shared_share[v]) ? 0 : s->shared_share[v]) - s->individual_share[v];
}

static json_t *views_json(const job *j)
{
    json_t *views = json_object();
    bool nothing = j->s->significant == 0 && j->s->components > 0 && !isnan(j->s->p_values[0]);

    for (int32_t v = 0; v < j->m->n_views; v++) {
        json_t *o = json_object();
        /* what the variates of chance explain is no share that is common */
        mucmm__json_set(j->b, o, "common_share",
                        mucmm__json_real(nothing ? NAN : j->s->common_share[v]));
        mucmm__json_set(j->b, o, "shared_share", mucmm__json_real(j->s->shared_share[v]));
        mucmm__json_set(j->b, o, "redundancy", mucmm__json_real(j->s->redundancy[v]));
        mucmm__json_set(j->b, o, "individual_share", mucmm__json_real(j->s->individual_share[v]));
        /* what is null adds nothing: common, individual and rest are 1 */
        mucmm__json_set(
            j->b, o, "rest_share",
            mucmm__json_real(nothing ? 1 - j->s->individual_share[v] : j->s->rest_share[v]));
        mucmm__json_set(j->b, o, "unshared_share", mucmm__json_real(unshared(j->s, v)));
        mucmm__json_set(j->b, views, j->m->view[v].name, o);
    }
    return views;
}

/* {view: x[view]} */
static json_t *by_view(const job *j, const double *x)
{
    json_t *o = json_object();

    for (int32_t v = 0; v < j->m->n_views; v++)
        mucmm__json_set(j->b, o, j->m->view[v].name, mucmm__json_real(x[v]));
    return o;
}

/* {"view,view": x[view, view]}, each pair once */
static json_t *by_pair(const job *j, const double *x)
{
    json_t *o = json_object();
    char name[PAIR_NAME];

    for (int32_t v = 0; v < j->m->n_views; v++)
        for (int32_t w = v + 1; w < j->m->n_views; w++)
            mucmm__json_set(j->b, o, pair_name(j, v, w, name),
                            mucmm__json_real(x[(int64_t)v * j->m->n_views + w]));
    return o;
}

static json_t *leakage_json(const job *j)
{
    const mucmm_summary *s = j->s;
    json_t *o = json_object();

    mucmm__json_set(j->b, o, "linear", by_view(j, s->leakage_linear));
    mucmm__json_set(j->b, o, "linear_chance", by_view(j, s->leakage_linear_chance));
    mucmm__json_set(j->b, o, "linear_p", by_view(j, s->leakage_linear_p));
    mucmm__json_set(j->b, o, "kernel", by_view(j, s->leakage_kernel));
    mucmm__json_set(j->b, o, "kernel_p", by_view(j, s->leakage_kernel_p));
    mucmm__json_set(j->b, o, "individual", by_pair(j, s->leakage_individual));
    mucmm__json_set(j->b, o, "individual_chance", by_pair(j, s->leakage_individual_chance));
    mucmm__json_set(j->b, o, "individual_p", by_pair(j, s->leakage_individual_p));
    mucmm__json_set(j->b, o, "permutations", json_integer(s->leakage_permutations));
    return o;
}

static json_t *completeness_json(const job *j)
{
    json_t *o = json_object();

    mucmm__json_set(j->b, o, "linear", by_view(j, j->s->completeness_linear));
    mucmm__json_set(j->b, o, "nonlinear", by_view(j, j->s->completeness_nonlinear));
    mucmm__json_set(j->b, o, "effective_rank", by_view(j, j->s->effective_rank));
    return o;
}

/* [low, high] of a rate of the rows. */
static json_t *interval_json(const job *j, double rate)
{
    double ends[2];

    mucmm_rate_interval(rate, j->s->rows, &ends[0], &ends[1]);
    return mucmm__json_numbers(j->b, ends, 2);
}

/* From each view to each other. */
static json_t *retrieval_json(const job *j)
{
    json_t *all = json_object();
    char name[PAIR_NAME];

    for (int32_t v = 0; v < j->m->n_views; v++)
        for (int32_t w = 0; w < j->m->n_views; w++) {
            int64_t i = (int64_t)v * j->m->n_views + w;
            json_t *o;
            if (v == w)
                continue;
            o = json_object();
            mucmm__json_set(j->b, o, "1", mucmm__json_real(j->s->retrieval_1[i]));
            mucmm__json_set(j->b, o, "10", mucmm__json_real(j->s->retrieval_10[i]));
            mucmm__json_set(j->b, o, "1_interval", interval_json(j, j->s->retrieval_1[i]));
            mucmm__json_set(j->b, o, "10_interval", interval_json(j, j->s->retrieval_10[i]));
            mucmm__json_set(j->b, all, pair_name(j, v, w, name), o);
        }
    return all;
}

/* The names of the views that carry each component; null without p-values. */
static json_t *carried_json(const job *j)
{
    json_t *all = json_array();

    for (int64_t i = 0; i < j->s->components; i++) {
        const double *carried = j->s->carried + i * j->s->views;
        json_t *names = isnan(carried[0]) ? json_null() : json_array();
        for (int32_t v = 0; v < j->s->views; v++)
            if (carried[v] == 1)
                mucmm__json_add(j->b, names, mucmm__json_string(j->m->view[v].name));
        mucmm__json_add(j->b, all, names);
    }
    return all;
}

/* x [k, M, M] of one pair of views. */
static json_t *of_pair(const job *j, const double *x, int32_t v, int32_t w)
{
    json_t *list = json_array();

    for (int64_t i = 0; i < j->s->components; i++)
        mucmm__json_add(j->b, list, mucmm__json_real(x[(i * j->s->views + v) * j->s->views + w]));
    return list;
}

/* Correlation and p-value of every component in every pair of views. */
static json_t *pairs_json(const job *j)
{
    json_t *all = json_object();
    char name[PAIR_NAME];

    for (int32_t v = 0; v < j->s->views; v++)
        for (int32_t w = v + 1; w < j->s->views; w++) {
            json_t *o = json_object();
            mucmm__json_set(j->b, o, "correlations", of_pair(j, j->s->pair_correlations, v, w));
            mucmm__json_set(j->b, o, "p_values", of_pair(j, j->s->pair_p_values, v, w));
            mucmm__json_set(j->b, all, pair_name(j, v, w, name), o);
        }
    return all;
}

static json_t *summary_json(mucmm__json_build *b, const mucmm_model *m, const mucmm_summary *s)
{
    const job j = {b, m, s};
    json_t *o = json_object();

    mucmm__json_set(b, o, "correlations", mucmm__json_numbers(b, s->correlations, s->components));
    mucmm__json_set(b, o, "p_values", mucmm__json_numbers(b, s->p_values, s->components));
    mucmm__json_set(b, o, "significant", json_integer(s->significant));
    mucmm__json_set(b, o, "permutations", json_integer(s->permutations));
    mucmm__json_set(b, o, "harmonic", mucmm__json_numbers(b, s->harmonic, s->components));
    mucmm__json_set(b, o, "dimensions", json_integer(s->dimensions));
    mucmm__json_set(b, o, "total_correlation", mucmm__json_real(s->total_correlation));
    mucmm__json_set(b, o, "leakage", leakage_json(&j));
    mucmm__json_set(b, o, "completeness", completeness_json(&j));
    mucmm__json_set(b, o, "retrieval", retrieval_json(&j));
    mucmm__json_set(b, o, "views", views_json(&j));
    if (s->groups > 0) {
        mucmm__json_set(b, o, "groups", json_integer(s->groups));
        mucmm__json_set(b, o, "tested_rows", json_integer(s->tested_rows));
    }
    if (s->carried) {
        mucmm__json_set(b, o, "carried_by", carried_json(&j));
        mucmm__json_set(b, o, "pairs", pairs_json(&j));
    }
    return o;
}

static json_t *both_json(mucmm__json_build *b, const mucmm_model *m, const mucmm_summary *heads,
                         const mucmm_summary *linear)
{
    json_t *o = summary_json(b, m, heads);

    mucmm__json_set(b, o, "linear", summary_json(b, m, linear));
    return o;
}

/* Consumes root. */
static mucmm_status finish(mucmm_ctx *ctx, const mucmm__json_build *b, json_t *root, char **text)
{
    mucmm_status status = MUCMM_OK;

    *text = NULL;
    TRY(mucmm__json_done(ctx, b, root));
    TRY(mucmm__json_dump(ctx, root, FLAGS, text));
done:
    json_decref(root);
    return status;
}

/* How many rows are what; new ones are all that were not fitted to. */
static json_t *rows_json(mucmm__json_build *b, const mucmm_scores *s)
{
    static const char *const told[] = {"sure", "no digest", "repeated values"};
    int64_t n = mucmm_scores_rows(s), fitted = mucmm_scores_fitted(s);
    json_t *o = json_object();

    mucmm__json_set(b, o, "given", json_integer(n));
    mucmm__json_set(b, o, "new", json_integer(n - fitted));
    mucmm__json_set(b, o, "held_out", json_integer(mucmm_scores_count(s, MUCMM_ROW_HELD_OUT)));
    mucmm__json_set(b, o, "fitted", json_integer(fitted));
    mucmm__json_set(b, o, "recognition", mucmm__json_string(told[mucmm_scores_recognition(s)]));
    return o;
}

/* Scores of the rows, in their order: null where a view is missing. */
static json_t *samples_json(mucmm__json_build *b, const mucmm_scores *s)
{
    const struct {
        const char *name;
        const double *value;
    } all[] = {
        {"common", mucmm_scores_common(s)},
        {"common_percentile", mucmm_scores_common_percentile(s)},
        {"match", mucmm_scores_match(s)},
        {"match_percentile", mucmm_scores_match_percentile(s)},
    };
    json_t *o = json_object();

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mucmm__json_set(
            b, o, all[i].name,
            mucmm__json_numbers(b, all[i].value, all[i].value ? mucmm_scores_rows(s) : 0));
    return o;
}

mucmm_status mucmm_scores_json(mucmm_ctx *ctx, const mucmm_scores *s, char **text)
{
    mucmm__json_build b = {0};
    const mucmm_model *m = mucmm_scores_model(s);
    json_t *root = both_json(&b, m, mucmm_scores_summary(s, MUCMM_HEADS),
                             mucmm_scores_summary(s, MUCMM_LINEAR));

    mucmm__json_set(&b, root, "rows", rows_json(&b, s));
    mucmm__json_set(&b, root, "samples", samples_json(&b, s));
    if (mucmm_scores_in_sample(s, MUCMM_HEADS))
        mucmm__json_set(&b, root, "in_sample",
                        both_json(&b, m, mucmm_scores_in_sample(s, MUCMM_HEADS),
                                  mucmm_scores_in_sample(s, MUCMM_LINEAR)));
    if (mucmm_scores_summary(s, MUCMM_HEADS)->rows == 0 &&
        mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS))
        mucmm__json_set(&b, root, "held_out",
                        both_json(&b, m, mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS),
                                  mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR)));
    return finish(ctx, &b, root, text);
}

/* ---- JSON of a fit ----------------------------------------------------------------- */

static json_t *one_stability(mucmm__json_build *b, const mucmm_stability *s)
{
    json_t *o = mucmm__stability_json(b, s), *back = json_array();

    for (int64_t j = 0; j < s->components; j++)
        mucmm__json_add(b, back, json_boolean(s->comes_back[j]));
    mucmm__json_set(b, o, "comes_back", back);
    return o;
}

static json_t *stability_json(mucmm__json_build *b, const mucmm_model *m)
{
    const mucmm_stability *linear = mucmm_model_stability(m, MUCMM_LINEAR);
    const mucmm_stability *heads = mucmm_model_stability(m, MUCMM_HEADS);
    json_t *o = json_object();

    if (heads && heads != linear)
        mucmm__json_set(b, o, "heads", one_stability(b, heads));
    if (linear)
        mucmm__json_set(b, o, "linear", one_stability(b, linear));
    return o;
}

mucmm_status mucmm_model_results_json(mucmm_ctx *ctx, const mucmm_model *m, char **text)
{
    static const char *const parts[] = {"train", "held_out"}; /* by mucmm_rows */
    mucmm__json_build build = {0}, *b = &build;
    json_t *root = json_object();

    for (int i = 0; i < 2; i++) {
        const mucmm_summary *heads = mucmm_model_summary(m, (mucmm_rows)i, MUCMM_HEADS);
        json_t *part = both_json(b, m, heads, mucmm_model_summary(m, (mucmm_rows)i, MUCMM_LINEAR));
        mucmm__json_set(b, part, "rows", json_integer(heads->rows));
        mucmm__json_set(b, root, parts[i], part);
    }
    mucmm__json_set(b, root, "common", json_integer(m->k));
    mucmm__json_set(b, root, "dimensions", mucmm__dimensions_json(b, m));
    if (m->beyond_linear_p <= 1) /* tested */
        mucmm__json_set(b, root, "beyond_linear_p", mucmm__json_real(m->beyond_linear_p));
    mucmm__json_set(b, root, "held_out_chose", mucmm__chose_json(b, m));
    mucmm__json_set(b, root, "choosing_rows", json_integer(m->choosing_rows));
    mucmm__json_set(b, root, "closed_form_kept", mucmm__kept_json(b, m));
    if (m->cross_fit)
        mucmm__json_set(b, root, "cross_fit", mucmm__cross_fit_json(b, m->cross_fit));
    if (m->n_front > 0)
        mucmm__json_set(b, root, "front", mucmm__front_json(b, m));
    if (mucmm_model_stability(m, MUCMM_LINEAR) || mucmm_model_stability(m, MUCMM_HEADS))
        mucmm__json_set(b, root, "stability", stability_json(b, m));
    return finish(ctx, b, root, text);
}
