/* SPDX-License-Identifier: MIT
 *
 * Scores of single samples, and summaries of rows of all the views of a model or some of them
 * (section 5 of the method).
 * */
#include "model/represent.h"
#include "model/summary.h"

#include <math.h>
#include <string.h>

struct mucmm_scores {
    int64_t n;
    int32_t n_views;
    mucmm_model *model;
    double *common, *energy[MUCMM_MAX_VIEWS], *individual[MUCMM_MAX_VIEWS];
    mucmm_summary *summary[2]; /* by mucmm_representation */
    bool shared;               /* summary[1] is summary[0] */
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
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(s->energy[m]);
        mucmm__free(s->individual[m]);
    }
    mucmm__summary_free(s->summary[MUCMM_HEADS]);
    mucmm__summary_free(s->shared ? NULL : s->summary[MUCMM_LINEAR]);
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

/* s_C = 2/(M(M-1)) sum_{m<l} sum_j rho_j c_mj c_lj, of the views that the row has. */
static double common_score(const mucmm_model *m, const double *rho, float *const *c, int64_t i)
{
    double sum = 0;
    int32_t n = 0;

    for (int32_t a = 0; a < m->n_views; a++) {
        if (isnan(c[a][i * m->k]))
            continue;
        n++;
        for (int32_t b = 0; b < a; b++)
            for (int64_t j = 0; j < m->k && !isnan(c[b][i * m->k]); j++)
                sum += rho[j] * (double)c[a][i * m->k + j] * (double)c[b][i * m->k + j];
    }
    return n < 2 ? NAN : sum * 2 / (n * (n - 1));
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
        s->common[i] = common_score(m, rho, c, i);
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
    int64_t n_complete, *complete; /* rows that have all of them; NULL = all rows */
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

static mucmm_status find_given(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_data *const *data,
                               some_views *g)
{
    mucmm_status status = MUCMM_OK;
    bool missing = false;

    *g = (some_views){0};
    for (int32_t v = 0; v < m->n_views; v++)
        if (data[v]) {
            g->at[g->n] = v;
            g->data[g->n++] = data[v];
            missing = missing || mucmm_data_missing(data[v]) > 0;
        }
    g->n_complete = mucmm_data_rows(g->data[0]);
    if (!missing)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, g->n_complete, sizeof *g->complete, &g->complete));
    g->n_complete = 0;
    for (int64_t i = 0; i < mucmm_data_rows(g->data[0]); i++)
        if (mucmm__row_views(g->n, g->data, i) == ((uint32_t)1 << g->n) - 1)
            g->complete[g->n_complete++] = i;
done:
    return status;
}

/* The rows listed, ascending, to the front of x [., cols]. */
static void move_forward(float *x, int64_t cols, const int64_t *rows, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        memmove(x + i * cols, x + rows[i] * cols, (size_t)cols * sizeof *x);
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

static mucmm_status score_representation(mucmm_ctx *ctx, const mucmm_model *m,
                                         mucmm_representation representation, const some_views *g,
                                         const mucmm_score_params *p, mucmm_scores *s)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(m, representation);
    const mucmm_model part = view_of(m, g);
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};

    for (int32_t v = 0; v < g->n; v++) {
        TRY(mucmm__alloc(ctx, s->n * m->k, sizeof **c, &c[v]));
        TRY(mucmm__alloc(ctx, s->n * part.view[v].q, sizeof **u, &u[v]));
        TRY(mucmm__represent_all(ctx, m, rep, g->at[v], g->data[v], c[v], u[v]));
    }
    if (representation == MUCMM_HEADS) {
        status = sample_scores(ctx, &part, rep->rho, c, u, s);
        spread_scores(g, s);
        TRY(status);
    }
    for (int32_t v = 0; v < g->n && g->complete; v++) {
        move_forward(c[v], m->k, g->complete, g->n_complete);
        move_forward(u[v], part.view[v].q, g->complete, g->n_complete);
    }
    TRY(mucmm__summarize(ctx, &part, g->data, g->complete, g->n_complete, p->groups, c, u, rep->rho,
                         p->permutations, p->seed, &s->summary[representation]));
    TRY(spread_summary(ctx, g, m->n_views, s->summary[representation]));
    mucmm__summary_harmonics(rep, s->summary[representation]);
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(c[v]);
        mucmm__free(u[v]);
    }
    return status;
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
    TRY(find_given(ctx, m, data, &given));
    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    s->n = mucmm_data_rows(given.data[0]);
    s->n_views = m->n_views;
    s->model = mucmm__model_keep(m);
    TRY(score_representation(ctx, m, MUCMM_HEADS, &given, &p, s));
    s->shared = !m->heads.rho;
    if (s->shared)
        s->summary[MUCMM_LINEAR] = s->summary[MUCMM_HEADS];
    else
        TRY(score_representation(ctx, m, MUCMM_LINEAR, &given, &p, s));
    *out = s;
    s = NULL;
done:
    mucmm__free(given.complete);
    mucmm_scores_free(s);
    return status;
}
