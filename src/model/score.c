/* SPDX-License-Identifier: MIT
 *
 * Scores of single samples, and summaries of rows of all the views of a model or some of them
 * (section 5 of the method).
 * */
#include "model/match.h"
#include "model/represent.h"
#include "model/summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct mucmm_scores {
    int64_t n;
    int32_t n_views;
    mucmm_model *model;
    double *common, *energy[MUCMM_MAX_VIEWS], *individual[MUCMM_MAX_VIEWS];
    mucmm__match match;
    mucmm_summary *summary[2];   /* by mucmm_representation */
    mucmm_summary *in_sample[2]; /* likewise; NULL: no row was fitted to */
    bool shared;                 /* those of [1] are those of [0] */
    unsigned char *kind;         /* [n] */
    mucmm_recognition recognition;
};

void mucmm_score_params_init_sized(mucmm_score_params *p, size_t size)
{
    const mucmm_score_params defaults = {.permutations = 1000, .seed = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

void mucmm_scores_free(mucmm_scores *s)
{
    if (!s)
        return;
    mucmm__free(s->common);
    mucmm__match_drop(&s->match);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(s->energy[m]);
        mucmm__free(s->individual[m]);
    }
    for (int r = 0; r < (s->shared ? 1 : 2); r++) {
        mucmm__summary_free(s->summary[r]);
        mucmm__summary_free(s->in_sample[r]);
    }
    mucmm__free(s->kind);
    mucmm_model_free(s->model);
    mucmm__free(s);
}

const mucmm_model *mucmm_scores_model(const mucmm_scores *s)
{
    return s->model;
}

int64_t mucmm_scores_rows(const mucmm_scores *s)
{
    return s->n;
}

const double *mucmm_scores_common(const mucmm_scores *s)
{
    return s->common;
}

const double *mucmm_scores_common_percentile(const mucmm_scores *s)
{
    return s->match.common_percentile;
}

const double *mucmm_scores_match(const mucmm_scores *s)
{
    return s->match.score;
}

const double *mucmm_scores_match_percentile(const mucmm_scores *s)
{
    return s->match.score_percentile;
}

const double *mucmm_scores_common_energy(const mucmm_scores *s, int32_t view)
{
    return view >= 0 && view < s->n_views ? s->energy[view] : NULL;
}

const double *mucmm_scores_individual(const mucmm_scores *s, int32_t view)
{
    return view >= 0 && view < s->n_views ? s->individual[view] : NULL;
}

const mucmm_summary *mucmm_scores_summary(const mucmm_scores *s,
                                          mucmm_representation representation)
{
    return representation == MUCMM_HEADS || representation == MUCMM_LINEAR
               ? s->summary[representation]
               : NULL;
}

const mucmm_summary *mucmm_scores_in_sample(const mucmm_scores *s,
                                            mucmm_representation representation)
{
    return representation == MUCMM_HEADS || representation == MUCMM_LINEAR
               ? s->in_sample[representation]
               : NULL;
}

mucmm_row_kind mucmm_scores_row(const mucmm_scores *s, int64_t i)
{
    return i >= 0 && i < s->n ? (mucmm_row_kind)s->kind[i] : MUCMM_ROW_NEW;
}

int64_t mucmm_scores_count(const mucmm_scores *s, mucmm_row_kind kind)
{
    int64_t n = 0;

    for (int64_t i = 0; i < s->n; i++)
        n += s->kind[i] == kind;
    return n;
}

int64_t mucmm_scores_fitted(const mucmm_scores *s)
{
    return mucmm_scores_count(s, MUCMM_ROW_FITTED);
}

mucmm_recognition mucmm_scores_recognition(const mucmm_scores *s)
{
    return s->recognition;
}

const char *mucmm_scores_note(const mucmm_scores *s, char *out, size_t size)
{
    long long n = s->n, fitted = mucmm_scores_fitted(s), others = n - fitted;
    long long held_out = mucmm_scores_count(s, MUCMM_ROW_HELD_OUT);
    char held[64] = "";

    if (held_out > 0 && held_out == others)
        snprintf(held, sizeof held, ", which the fit held out,");
    else if (held_out > 0)
        snprintf(held, sizeof held, " (%lld of them held out by the fit)", held_out);
    if (s->recognition == MUCMM_RECOGNITION_NO_DIGEST)
        snprintf(out, size,
                 "The model is of an earlier version and does not know which rows it was fitted "
                 "to: if these\nare among them, their p-values say nothing.");
    else if (fitted == n)
        snprintf(out, size,
                 "The model was fitted to all of these rows: what they show is in-sample and says "
                 "nothing of\nother rows. There are no p-values of them.");
    else if (fitted > 0)
        snprintf(out, size,
                 "The model was fitted to %lld of the %lld rows, whose numbers are in-sample and "
                 "say nothing of\nother rows. The %lld other%s%s testif%s.",
                 fitted, n, others, others == 1 ? "" : "s", held, others == 1 ? "ies" : "y");
    else if (s->recognition == MUCMM_RECOGNITION_REPEATED)
        snprintf(out, size,
                 "Rows of these views repeat the values of others, so that rows the model was "
                 "fitted to are\nrecognized only if all of them are there.");
    else if (held_out > 0)
        snprintf(out, size, "%lld of the %lld rows were held out by the fit.", held_out, n);
    else
        snprintf(out, size, "%s", "");
    return out;
}

static double half_energy(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t j = 0; j < n; j++)
        sum += (double)x[j] * (double)x[j];
    return sum / 2;
}

static mucmm_status sample_scores(mucmm_ctx *ctx, const mucmm_model *m, const double *rho,
                                  float *const *c, float *const *u, mucmm_scores *s)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, s->n, sizeof(double), &s->common));
    for (int64_t i = 0; i < s->n; i++)
        s->common[i] = mucmm__common_score(m->n_views, m->k, rho, c, i);
    for (int32_t v = 0; v < m->n_views; v++) {
        int64_t q = m->view[v].q;
        TRY(mucmm__alloc(ctx, s->n, sizeof(double), &s->energy[v]));
        TRY(mucmm__alloc(ctx, s->n, sizeof(double), &s->individual[v]));
        for (int64_t i = 0; i < s->n; i++) {
            s->energy[v][i] = half_energy(c[v] + i * m->k, m->k);
            s->individual[v][i] = isnan(c[v][i * m->k]) ? NAN : half_energy(u[v] + i * q, q);
        }
    }
done:
    return status;
}

/* ---- some of the views ------------------------------------------------------------- */

/* Rows of some views are summed up as if the model had no others; then the numbers go where they
 * belong among all views, and NaN stays where a view that is not given would be needed. */

typedef struct some_views {
    int32_t n, at[MUCMM_MAX_VIEWS]; /* which views of the model */
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    int64_t n_complete, *complete; /* rows that have all of them and were not fitted to; NULL = all
                                      rows                                                       */
    int64_t n_fitted, *fitted;     /* rows that have all of them and were                        */
} some_views;

/* from [n] or, for pairs, [n, n] of the views given; to [views] or [views, views]. The diagonal is
 * the same for all views. */
static void spread(const some_views *g, int64_t views, bool pairs, const double *from, double *to)
{
    for (int64_t i = 0; i < (pairs ? views * views : views); i++)
        to[i] = pairs && i / views == i % views ? from[0] : NAN;
    for (int32_t a = 0; a < g->n; a++)
        if (!pairs)
            to[g->at[a]] = from[a];
        else
            for (int32_t b = 0; b < g->n; b++)
                to[g->at[a] * views + g->at[b]] = from[a * g->n + b];
}

/* A summary of the views given becomes one of all views. */
static mucmm_status spread_summary(mucmm_ctx *ctx, const some_views *g, int32_t n_views,
                                   mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__extent extent;
    double **array;

    for (size_t i = 0; g->n < n_views && (array = mucmm__summary_array(s, i, &extent)); i++) {
        bool pair = extent == MUCMM__PER_PAIR;
        double *all = NULL;
        if (extent == MUCMM__PER_COMPONENT)
            continue;
        TRY(mucmm__alloc(ctx, pair ? n_views * n_views : n_views, sizeof *all, &all));
        spread(g, n_views, pair, *array, all);
        mucmm__free(*array);
        *array = all;
    }
    if (g->n < n_views)
        mucmm__sharing_drop(s); /* who carries a component takes all views */
    s->views = n_views;
done:
    return status;
}

/* The model without the views that are not given; it borrows everything. */
static mucmm_model view_of(const mucmm_model *m, const some_views *g)
{
    mucmm_model part = *m;

    part.n_views = g->n;
    for (int32_t i = 0; i < g->n; i++)
        part.view[i] = m->view[g->at[i]];
    return part;
}

static void find_given(const mucmm_model *m, const mucmm_data *const *data, some_views *g)
{
    *g = (some_views){0};
    for (int32_t v = 0; v < m->n_views; v++)
        if (data[v]) {
            g->at[g->n] = v;
            g->data[g->n++] = data[v];
        }
}

/* The two kinds of rows that are summed up. */
static mucmm_status sort_rows(mucmm_ctx *ctx, const unsigned char *kind, some_views *g)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_data_rows(g->data[0]);
    bool some = false;

    for (int64_t i = 0; i < n; i++)
        some = some || kind[i] == MUCMM_ROW_FITTED;
    for (int32_t v = 0; v < g->n; v++)
        some = some || mucmm_data_missing(g->data[v]) > 0;
    g->n_complete = n;
    if (!some)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n, sizeof *g->complete, &g->complete));
    TRY(mucmm__alloc(ctx, n, sizeof *g->fitted, &g->fitted));
    g->n_complete = 0;
    for (int64_t i = 0; i < n; i++)
        if (mucmm__row_views(g->n, g->data, i) != ((uint32_t)1 << g->n) - 1)
            continue;
        else if (kind[i] == MUCMM_ROW_FITTED)
            g->fitted[g->n_fitted++] = i;
        else
            g->complete[g->n_complete++] = i;
done:
    return status;
}

/* The rows listed of x [., cols]. */
static mucmm_status pick_rows(mucmm_ctx *ctx, const float *x, int64_t cols, const int64_t *rows,
                              int64_t n, float **out)
{
    mucmm_status status = mucmm__alloc(ctx, n * cols, sizeof **out, out);

    for (int64_t i = 0; i < n && status == MUCMM_OK; i++)
        memcpy(*out + i * cols, x + rows[i] * cols, (size_t)cols * sizeof *x);
    return status;
}

/* Where the scores of the views given stand among all views; NULL for the others. */
static void spread_scores(const some_views *g, mucmm_scores *s)
{
    for (int32_t i = g->n - 1; i >= 0; i--) {
        int32_t v = g->at[i];
        double *energy = s->energy[i], *individual = s->individual[i];
        s->energy[i] = s->individual[i] = NULL;
        s->energy[v] = energy;
        s->individual[v] = individual;
    }
}

/* Of no rows: nothing is known. */
static void forget_all(mucmm_summary *s)
{
    const int64_t sizes[] = {s->components, s->views, s->views * s->views}; /* by extent */
    mucmm__extent extent;
    double **array;

    for (size_t i = 0; (array = mucmm__summary_array(s, i, &extent)); i++)
        for (int64_t j = 0; j < sizes[extent]; j++)
            (*array)[j] = NAN;
}

/* What rows [n] (NULL: all) show, of variates c[v], u[v] of all rows. */
static mucmm_status summarize_rows(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *rep,
                                   const some_views *g, const int64_t *rows, int64_t n,
                                   float *const *c, float *const *u, const mucmm_score_params *p,
                                   mucmm_summary **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_model part = view_of(m, g);
    float *own_c[MUCMM_MAX_VIEWS] = {0}, *own_u[MUCMM_MAX_VIEWS] = {0};

    for (int32_t v = 0; v < g->n && rows; v++) {
        TRY(pick_rows(ctx, c[v], m->k, rows, n, &own_c[v]));
        TRY(pick_rows(ctx, u[v], part.view[v].q, rows, n, &own_u[v]));
    }
    if (n > 0)
        TRY(mucmm__summarize(ctx, &part, g->data, rows, n, p->groups, rows ? own_c : c,
                             rows ? own_u : u, rep->rho, p->permutations, p->seed, out));
    else {
        TRY(mucmm__summary_create(ctx, m->k, g->n, out));
        forget_all(*out);
    }
    TRY(spread_summary(ctx, g, m->n_views, *out));
    mucmm__summary_harmonics(rep, *out);
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(own_c[v]);
        mucmm__free(own_u[v]);
    }
    return status;
}

static mucmm_status score_representation(mucmm_ctx *ctx, const mucmm_model *m,
                                         mucmm_representation representation, const some_views *g,
                                         const mucmm_score_params *p, mucmm_scores *s)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(m, representation);
    const mucmm_model part = view_of(m, g);
    mucmm_score_params untested = *p;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};

    untested.permutations = 0;
    for (int32_t v = 0; v < g->n; v++) {
        TRY(mucmm__alloc(ctx, s->n * m->k, sizeof **c, &c[v]));
        TRY(mucmm__alloc(ctx, s->n * part.view[v].q, sizeof **u, &u[v]));
        TRY(mucmm__represent_all(ctx, m, rep, g->at[v], g->data[v], c[v], u[v]));
    }
    if (representation == MUCMM_HEADS) {
        status = sample_scores(ctx, &part, rep->rho, c, u, s);
        spread_scores(g, s);
        TRY(status);
        TRY(mucmm__match_scores(ctx, m, rep, g->n, g->at, c, s->n, s->common, &s->match));
    }
    TRY(summarize_rows(ctx, m, rep, g, g->complete, g->n_complete, c, u, p,
                       &s->summary[representation]));
    if (g->n_fitted > 0)
        TRY(summarize_rows(ctx, m, rep, g, g->fitted, g->n_fitted, c, u, &untested,
                           &s->in_sample[representation]));
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(c[v]);
        mucmm__free(u[v]);
    }
    return status;
}

/* ---- rows of the fit --------------------------------------------------------------- */

mucmm_status mucmm_model_recognize(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                   int32_t n_views, mucmm_row_kind *kinds, mucmm_recognition *how)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    unsigned char *kind = NULL;
    int64_t n;

    *how = MUCMM_RECOGNITION_NO_DIGEST;
    TRY(mucmm__match_given(ctx, m, views, n_views, data));
    n = mucmm_data_rows(views[0].data);
    TRY(mucmm__alloc(ctx, n, 1, &kind));
    TRY(mucmm__model_recognize(ctx, m, data, n, kind, how));
    for (int64_t i = 0; i < n; i++)
        kinds[i] = (mucmm_row_kind)kind[i];
done:
    mucmm__free(kind);
    return status;
}

/* Other rows of a group that was fitted to are not independent of the fit. */
static void recognize_groups(mucmm_ctx *ctx, const mucmm_model *m, const int64_t *groups,
                             mucmm_scores *s)
{
    long long n = 0;

    if (m->digest.n_groups > 0 && !groups && mucmm_scores_fitted(s) < s->n)
        mucmm__warn(ctx,
                    "the model was fitted to groups of rows, and the groups of these rows are not "
                    "known: give `groups`, or p-values take the rows of a group for independent");
    for (int64_t i = 0; i < s->n && groups; i++)
        if (s->kind[i] == MUCMM_ROW_NEW && mucmm__digest_has_group(&m->digest, groups[i])) {
            s->kind[i] = MUCMM_ROW_FITTED;
            n++;
        }
    if (n > 0)
        mucmm__warn(ctx,
                    "%lld rows are not of the fit, but of groups that it was fitted to: they are "
                    "not independent of it and count as fitted rows",
                    n);
}

mucmm_status mucmm_score(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                         int32_t n_views, const mucmm_score_params *params, mucmm_scores **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    some_views given = {0};
    mucmm_score_params p;
    mucmm_scores *s = NULL;

    *out = NULL;
    mucmm_score_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_score_params", params, &p, sizeof p));
    if (p.permutations < 0 || p.permutations > 1000000)
        return mucmm__fail(ctx, MUCMM_EARG, "permutations must be from 0 to 1000000");
    TRY(mucmm__match_given(ctx, m, views, n_views, data));
    find_given(m, data, &given);
    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    s->n = mucmm_data_rows(given.data[0]);
    s->n_views = m->n_views;
    s->model = mucmm__model_keep(m);
    TRY(mucmm__alloc(ctx, s->n, 1, &s->kind));
    TRY(mucmm__model_recognize(ctx, m, data, s->n, s->kind, &s->recognition));
    recognize_groups(ctx, m, p.groups, s);
    TRY(sort_rows(ctx, s->kind, &given));
    TRY(score_representation(ctx, m, MUCMM_HEADS, &given, &p, s));
    s->shared = !m->heads.rho;
    if (s->shared) {
        s->summary[MUCMM_LINEAR] = s->summary[MUCMM_HEADS];
        s->in_sample[MUCMM_LINEAR] = s->in_sample[MUCMM_HEADS];
    } else
        TRY(score_representation(ctx, m, MUCMM_LINEAR, &given, &p, s));
    *out = s;
    s = NULL;
done:
    mucmm__free(given.complete);
    mucmm__free(given.fitted);
    mucmm_scores_free(s);
    return status;
}
