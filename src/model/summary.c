/* SPDX-License-Identifier: MIT
 *
 * What a set of rows shows under a model: correlations, variance shares
 * (section 5 of the method), and the scores of single samples. */
#include "model/summary.h"

#include "model/adjust.h"
#include "model/represent.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Of the random numbers. */
enum { STREAM_EXCHANGE = 82 };
/* Fewer rows than that and twice what covariates take are not tested on what these leave. */

/* ---- its arrays -------------------------------------------------------------------- */

/* Every array of a summary but those of sharing.c, how many numbers it has, and whether they are
 * unknown before they are computed. What allocates, frees or moves a summary goes by this list. */
static const struct {
    size_t offset;
    mucmm__extent extent;
    bool unknown;
} arrays[] = {
    {offsetof(mucmm_summary, correlations), MUCMM__PER_COMPONENT, true},
    {offsetof(mucmm_summary, p_values), MUCMM__PER_COMPONENT, true},
    {offsetof(mucmm_summary, null_95), MUCMM__PER_COMPONENT, true},
    {offsetof(mucmm_summary, harmonic), MUCMM__PER_COMPONENT, true},
    {offsetof(mucmm_summary, common_share), MUCMM__PER_VIEW, false},
    {offsetof(mucmm_summary, individual_share), MUCMM__PER_VIEW, false},
    {offsetof(mucmm_summary, rest_share), MUCMM__PER_VIEW, false},
    {offsetof(mucmm_summary, leakage_linear), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, leakage_linear_chance), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, leakage_linear_p), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, leakage_kernel), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, leakage_kernel_p), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, leakage_individual), MUCMM__PER_PAIR, true},
    {offsetof(mucmm_summary, leakage_individual_chance), MUCMM__PER_PAIR, true},
    {offsetof(mucmm_summary, leakage_individual_p), MUCMM__PER_PAIR, true},
    {offsetof(mucmm_summary, completeness_linear), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, completeness_nonlinear), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, effective_rank), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, shared_share), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, redundancy), MUCMM__PER_VIEW, true},
    {offsetof(mucmm_summary, retrieval_1), MUCMM__PER_PAIR, false},
    {offsetof(mucmm_summary, retrieval_10), MUCMM__PER_PAIR, false},
};

double **mucmm__summary_array(mucmm_summary *s, size_t i, mucmm__extent *extent)
{
    if (i >= sizeof arrays / sizeof *arrays)
        return NULL;
    *extent = arrays[i].extent;
    return (double **)(void *)((char *)s + arrays[i].offset);
}

mucmm_status mucmm__summary_create(mucmm_ctx *ctx, int64_t k, int64_t n_views, mucmm_summary **out)
{
    mucmm_status status = MUCMM_OK;
    const int64_t sizes[] = {k, n_views, n_views * n_views}; /* by mucmm__extent */
    mucmm_summary *s = NULL;
    mucmm__extent extent;
    double **array;

    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    s->components = k;
    s->views = n_views;
    s->total_correlation = NAN;
    for (size_t i = 0; (array = mucmm__summary_array(s, i, &extent)); i++) {
        TRY(mucmm__alloc(ctx, sizes[extent], sizeof **array, array));
        for (int64_t j = 0; j < sizes[extent] && arrays[i].unknown; j++)
            (*array)[j] = NAN;
    }
    TRY(mucmm__sharing_alloc(ctx, s));
    *out = s;
    s = NULL;
done:
    mucmm__summary_free(s);
    return status;
}

void mucmm__summary_free(mucmm_summary *s)
{
    mucmm__extent extent;
    double **array;

    if (!s)
        return;
    for (size_t i = 0; (array = mucmm__summary_array(s, i, &extent)); i++)
        mucmm__free(*array);
    mucmm__sharing_drop(s);
    mucmm__free(s);
}

mucmm_status mucmm__summary_unknown(mucmm_ctx *ctx, int64_t k, int64_t n_views, mucmm_summary **out)
{
    mucmm_status status = MUCMM_OK;
    const int64_t sizes[] = {k, n_views, n_views * n_views}; /* by mucmm__extent */
    mucmm__extent extent;
    double **array;

    TRY(mucmm__summary_create(ctx, k, n_views, out));
    for (size_t i = 0; (array = mucmm__summary_array(*out, i, &extent)); i++)
        for (int64_t j = 0; j < sizes[extent]; j++)
            (*array)[j] = NAN;
done:
    return status;
}

/* ---- correlations ------------------------------------------------------------------ */

static mucmm_status correlations(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                                 const mucmm__exchange *e, int64_t permutations, uint64_t seed,
                                 mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;

    if (s->rows < 3 || n_views < 2)
        return MUCMM_OK;
    TRY(mucmm__exchange_test(ctx, e, n_views, c, permutations, seed, s->correlations,
                             permutations > 0 ? s->p_values : NULL, s->null_95));
    s->total_correlation = 0;
    for (int64_t j = 0; j < s->components; j++) {
        s->total_correlation += s->correlations[j];
        s->significant += s->p_values[j] <= MUCMM_SIGNIFICANT;
        if (!isnan(s->p_values[j]))
            s->permutations = permutations;
    }
done:
    return status;
}

void mucmm__summary_harmonics(const mucmm__solution *r, mucmm_summary *s)
{
    s->dimensions = 0;
    for (int64_t j = 0; j < s->components; j++) {
        s->harmonic[j] = r->harmonic ? r->harmonic[j] : NAN;
        s->dimensions +=
            s->p_values[j] <= MUCMM_SIGNIFICANT && !(s->harmonic[j] >= MUCMM_HARMONIC_R2);
    }
}

const char *mucmm_p_text(double p, int64_t permutations, char out[MUCMM_P_TEXT])
{
    double all = (double)(permutations > 0 ? permutations : 0) + 1;
    int digits = permutations > 0 ? (int)fmin(ceil(log10(all)), 12) : 4;

    if (isnan(p))
        snprintf(out, MUCMM_P_TEXT, "-");
    else if (permutations > 0 && p * all < 1.5)
        snprintf(out, MUCMM_P_TEXT, "<= 1/%.0f", all);
    else if (permutations <= 0 && p < 1e-4)
        snprintf(out, MUCMM_P_TEXT, "< 0.0001");
    else
        snprintf(out, MUCMM_P_TEXT, "%.*f", digits, p);
    return out;
}

/* ---- variance shares --------------------------------------------------------------- */

/* With z = [c, u], Cov(z) = L L' and Y = L^-1 Cov(z, h): the first k rows of Y hold what the best
 * linear prediction from c explains, the others what u adds to it. On training rows of two views
 * Cov(z) = I, and the shares are |Cov(h, c)|_F^2 / tr Cov(h) and |Cov(h, u)|_F^2 / tr Cov(h). */

static mucmm_status shares_from_moments(mucmm_ctx *ctx, int64_t p, int64_t k, int64_t q,
                                        double *cov, const double *cross, double variance,
                                        double *common, double *individual)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = k + q;
    double *y = NULL, parts[2] = {0, 0}, largest = 1;

    TRY(mucmm__alloc(ctx, width * p, sizeof *y, &y));
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < width; j++)
            y[j * p + i] = cross[i * width + j];
    for (int64_t j = 0; j < width; j++)
        largest = fmax(largest, cov[j * (width + 1)]);
    for (int64_t j = 0; j < width; j++)
        cov[j * (width + 1)] += 1e-9 * largest;
    TRY(mucmm__cholesky(ctx, width, cov, "the covariance of the variates"));
    TRY(mucmm__solve_lower(ctx, false, width, p, cov, y));
    for (int64_t j = 0; j < width; j++)
        for (int64_t i = 0; i < p; i++)
            parts[j >= k] += y[j * p + i] * y[j * p + i];
    *common = parts[0] / variance;
    *individual = parts[1] / variance;
done:
    mucmm__free(y);
    return status;
}

static mucmm_status push_features(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                                  const int64_t *rows, int64_t n, const float *z, int64_t width,
                                  mucmm__moments *cross)
{
    mucmm_status status = MUCMM_OK;
    int64_t chunk[MUCMM__CHUNK];
    float *h = NULL;

    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * v->p, sizeof *h, &h));
    for (int64_t i = 0; i < n; i += MUCMM__CHUNK) {
        int64_t b = n - i < MUCMM__CHUNK ? n - i : MUCMM__CHUNK;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = rows ? rows[i + j] : i + j;
        TRY(mucmm__features(ctx, v, data, chunk, b, h));
        TRY(mucmm__moments_push(ctx, cross, &(mucmm_cmat){h, b, v->p, v->p},
                                &(mucmm_cmat){z + i * width, b, width, width}));
    }
done:
    mucmm__free(h);
    return status;
}

/* c [n, k], u [n, q]; q = 0 and u NULL: none. */
static mucmm_status variance_shares(mucmm_ctx *ctx, const mucmm__view_info *v, int64_t k, int64_t q,
                                    const mucmm_data *data, const int64_t *rows, int64_t n,
                                    const float *c, const float *u, double *common,
                                    double *individual)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = k + q;
    mucmm__moments *own = NULL, *cross = NULL;
    double *cov = NULL, *x = NULL, *var = NULL, total = 0;
    float *z = NULL;

    TRY(mucmm__alloc(ctx, n * width, sizeof *z, &z));
    for (int64_t i = 0; i < n; i++) {
        memcpy(z + i * width, c + i * k, (size_t)k * sizeof *z);
        if (q > 0)
            memcpy(z + i * width + k, u + i * q, (size_t)q * sizeof *z);
    }
    TRY(mucmm__alloc(ctx, width * width, sizeof *cov, &cov));
    TRY(mucmm__alloc(ctx, v->p * width, sizeof *x, &x));
    TRY(mucmm__alloc(ctx, v->p, sizeof *var, &var));
    TRY(mucmm__moments_create(ctx, width, 0, &own));
    TRY(mucmm__moments_create(ctx, v->p, width, &cross));
    TRY(mucmm__moments_push(ctx, own, &(mucmm_cmat){z, n, width, width}, NULL));
    TRY(push_features(ctx, v, data, rows, n, z, width, cross));
    TRY(mucmm__moments_get(ctx, own, NULL, NULL, cov, NULL, NULL));
    TRY(mucmm__moments_get(ctx, cross, NULL, NULL, x, var, NULL));
    for (int64_t j = 0; j < v->p; j++)
        total += var[j];
    if (!(total > 0))
        *common = *individual = NAN;
    else
        TRY(shares_from_moments(ctx, v->p, k, q, cov, x, total, common, individual));
done:
    mucmm__moments_free(own);
    mucmm__moments_free(cross);
    mucmm__free(cov);
    mucmm__free(x);
    mucmm__free(var);
    mucmm__free(z);
    return status;
}

/* The significant variates of view v, or of all others, side by side: out [n, *width]. */
static void gather_significant(const mucmm_summary *s, int32_t v, bool others, int64_t n,
                               float *const *c, float *out, int64_t *width)
{
    int64_t at = 0, k = s->components;

    *width = s->significant * (others ? s->views - 1 : 1);
    for (int32_t w = 0; w < s->views; w++)
        for (int64_t j = 0; j < k && (w != v) == others; j++) {
            if (!(s->p_values[j] <= MUCMM_SIGNIFICANT))
                continue;
            for (int64_t i = 0; i < n; i++)
                out[i * *width + at] = c[w][i * k + j];
            at++;
        }
}

/* s->shared_share and s->redundancy. A share that w variates explain of n rows is 1 - (1 - share)
 * (n - 1)/(n - w - 1) where they know nothing of these rows. */
static mucmm_status significant_shares(mucmm_ctx *ctx, const mucmm_model *m,
                                       const mucmm_data *const *data, const int64_t *rows,
                                       int64_t n, float *const *c, mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;
    double none, share;
    float *z = NULL;

    if (s->significant == 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n * s->significant * (s->views - 1), sizeof *z, &z));
    for (int32_t v = 0; v < m->n_views; v++)
        for (int others = 0; others < 2; others++) {
            double *out = others ? &s->redundancy[v] : &s->shared_share[v];
            int64_t width;
            gather_significant(s, v, others, n, c, z, &width);
            if (n <= width + 2)
                continue;
            TRY(variance_shares(ctx, &m->view[v], width, 0, data[v], rows, n, z, NULL, &share,
                                &none));
            *out = fmax(0, 1 - (1 - share) * (double)(n - 1) / (double)(n - width - 1));
            *out = isnan(share) ? NAN : *out;
        }
done:
    mucmm__free(z);
    return status;
}

/* ---- together ---------------------------------------------------------------------- */

static mucmm_status as_block(mucmm_ctx *ctx, const float *x, int64_t n, int64_t cols,
                             mucmm__block *out)
{
    mucmm_status status = mucmm__alloc(ctx, n * cols, sizeof(double), &out->data);

    out->rows = n;
    out->cols = cols;
    for (int64_t i = 0; i < n * cols && status == MUCMM_OK; i++)
        out->data[i] = x[i];
    return status;
}

/* How the rows of s may be exchanged, and how many of them are. */
static mucmm_status exchange_rows(mucmm_ctx *ctx, const int64_t *groups, const int64_t *rows,
                                  mucmm_summary *s, int64_t permutations, uint64_t seed,
                                  mucmm__exchange **e)
{
    mucmm_status status = MUCMM_OK;
    int64_t *group = NULL;
    char note[MUCMM__EXCHANGE_NOTE];

    TRY(mucmm__groups_of(ctx, groups, rows, s->rows, &group));
    TRY(mucmm__exchange_create(ctx, group, s->rows, mucmm__rng_key(seed, STREAM_EXCHANGE), e));
    if (*e) {
        s->groups = (*e)->groups;
        s->tested_rows = mucmm__exchange_enough(*e) ? (*e)->n : 0;
        if (permutations > 0 && !mucmm__exchange_enough(*e))
            mucmm__warn(ctx, "%s", mucmm__exchange_note(*e, note));
    }
done:
    mucmm__free(group);
    return status;
}

/* Of a model that takes covariates out: the variates without what is left of these in the rows. */
static mucmm_status take_covariates_out(mucmm_ctx *ctx, const mucmm_model *m,
                                        const mucmm_data *const *data, const int64_t *rows,
                                        int64_t n, bool exchangeable, mucmm__block *c,
                                        mucmm__block *u)
{
    mucmm__block *blocks[2 * MUCMM_MAX_VIEWS];

    for (int32_t v = 0; v < m->n_views; v++) {
        blocks[2 * v] = &c[v];
        blocks[2 * v + 1] = &u[v];
    }
    return mucmm__covariates_out(ctx, m->adjust, mucmm_data_covariates(data[0]), rows, n,
                                 exchangeable, blocks, 2 * m->n_views, NULL);
}

mucmm_status mucmm__summarize(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_data *const *data,
                              const int64_t *rows, int64_t n, const int64_t *groups,
                              float *const *c, float *const *u, const double *rho,
                              int64_t permutations, uint64_t seed, mucmm_summary **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block cb[MUCMM_MAX_VIEWS] = {{0}}, ub[MUCMM_MAX_VIEWS] = {{0}};
    mucmm_summary *s = NULL;
    mucmm__exchange *e = NULL;

    TRY(mucmm__summary_create(ctx, m->k, m->n_views, &s));
    s->rows = n;
    TRY(exchange_rows(ctx, groups, rows, s, permutations, seed, &e));
    for (int32_t v = 0; v < m->n_views; v++) {
        TRY(as_block(ctx, c[v], n, m->k, &cb[v]));
        TRY(as_block(ctx, u[v], n, m->view[v].q, &ub[v]));
        s->common_share[v] = s->individual_share[v] = NAN;
        if (n > m->k + m->view[v].q + 1)
            TRY(variance_shares(ctx, &m->view[v], m->k, m->view[v].q, data[v], rows, n, c[v], u[v],
                                &s->common_share[v], &s->individual_share[v]));
        s->rest_share[v] = 1 - s->common_share[v] - s->individual_share[v];
    }
    TRY(take_covariates_out(ctx, m, data, rows, n, !e, cb, ub));
    TRY(mucmm__leakage(ctx, m->n_views, cb, ub, e, permutations, seed, s));
    TRY(correlations(ctx, m->n_views, cb, e, permutations, seed, s));
    TRY(significant_shares(ctx, m, data, rows, n, c, s));
    TRY(mucmm__sharing(ctx, m->n_views, cb, e, permutations, seed, s));
    TRY(mucmm__completeness(ctx, m, data, rows, n, groups, c, u, seed, s));
    TRY(mucmm__retrieval(ctx, m->n_views, c, n, m->k, rho, s->retrieval_1, s->retrieval_10));
    *out = s;
    s = NULL;
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(cb[v].data);
        mucmm__free(ub[v].data);
    }
    mucmm__exchange_free(e);
    mucmm__summary_free(s);
    return status;
}
