/* SPDX-License-Identifier: MIT
 *
 * p-values of coupling maps: what models of permuted pairs make of the same samples. */
#include "present/coupling.h"

#include "explain/null_models.h"
#include "explain/p_values.h"
#include "explain/quiet.h"

#include <inttypes.h>
#include <math.h>

/* What a null model makes of the samples: factors [n] of both sides, and its weights. */
typedef struct null_factors {
    mucmm__coupled *of[2];
    double *weight; /* [k] */
} null_factors;

static void null_factors_drop(null_factors *f, int64_t n)
{
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; f->of[side] && i < n; i++)
            mucmm__coupled_drop(&f->of[side][i]);
        mucmm__free(f->of[side]);
    }
    mucmm__free(f->weight);
}

static mucmm_status null_factors_fill(mucmm_ctx *ctx, const mucmm_coupling *c, const mucmm_model *m,
                                      const mucmm_data *const *data, const mucmm_explain_params *p,
                                      null_factors *f)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(m, c->representation);
    mucmm__attribution a = {0};

    TRY(mucmm__alloc(ctx, c->k, sizeof *f->weight, &f->weight));
    for (int64_t j = 0; j < c->k; j++)
        f->weight[j] = rep->rho[j];
    for (int side = 0; side < 2; side++) {
        const mucmm__coupling_side *s = &c->side[side];
        TRY(mucmm__alloc(ctx, c->n, sizeof *f->of[side], &f->of[side]));
        TRY(mucmm__attribute(ctx, m, rep, data, s->view, c->rows, c->n, &p[side], NULL, &a));
        for (int64_t i = 0; i < c->n; i++)
            TRY(mucmm__coupling_gather(ctx, s, &a, i, &f->of[side][i]));
        mucmm__attribution_drop(&a);
    }
done:
    mucmm__attribution_drop(&a);
    return status;
}

/* t [n of a, n of b]: the share that each pair has of the matrix. */
static void shares(const double *w, int64_t k, const mucmm__coupled *a, const mucmm__coupled *b,
                   float *row, double *t)
{
    double sum = 0;

    for (int64_t y = 0; y < a->n; y++) {
        mucmm__coupling_row(w, k, a, y, b, row);
        for (int64_t x = 0; x < b->n; x++) {
            t[y * b->n + x] = fabs((double)row[x]);
            sum += (double)row[x] * (double)row[x];
        }
    }
    for (int64_t j = 0; j < a->n * b->n; j++)
        t[j] = sum > 0 ? t[j] / sqrt(sum) : 0;
}

static mucmm_status sample_p_values(mucmm_ctx *ctx, const mucmm_coupling *c, const null_factors *f,
                                    int64_t models, int64_t i, float *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__coupled *a = &c->side[0].of[i], *b = &c->side[1].of[i];
    int64_t size = a->n * b->n;
    double *t = NULL, *p = NULL;
    float *row = NULL;

    for (int64_t j = 0; j < size; j++)
        out[j] = NAN;
    if (!mucmm_coupling_has_matrix(c, i))
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, (1 + models) * size, sizeof *t, &t));
    TRY(mucmm__alloc(ctx, size, sizeof *p, &p));
    TRY(mucmm__alloc(ctx, b->n, sizeof *row, &row));
    shares(c->weight, c->k, a, b, row, t);
    for (int64_t m = 0; m < models; m++)
        shares(f[m].weight, c->k, &f[m].of[0][i], &f[m].of[1][i], row, t + (1 + m) * size);
    TRY(mucmm__p_values(ctx, t, models, size, MUCMM_P_POOLED, p));
    for (int64_t j = 0; j < size; j++)
        out[j] = (float)p[j];
done:
    mucmm__free(t);
    mucmm__free(p);
    mucmm__free(row);
    return status;
}

static mucmm_status check_sizes(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t models)
{
    for (int64_t i = 0; i < c->n; i++) {
        double all = (double)c->side[0].of[i].n * (double)c->side[1].of[i].n * (double)(1 + models);
        if (all > MUCMM_COUPLING_MOST_P)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "coupling: p-values of %" PRId64 " x %" PRId64 " cells with %" PRId64
                               " null models take %.0f numbers, at most %d "
                               "can be had; take fewer cells (`side`), columns or null models",
                               c->side[0].of[i].n, c->side[1].of[i].n, models, all,
                               MUCMM_COUPLING_MOST_P);
    }
    return MUCMM_OK;
}

static mucmm_status fill_factors(mucmm_ctx *ctx, const mucmm_coupling *c, const mucmm_null *null,
                                 const mucmm_data *const *data, const mucmm_explain_params *p,
                                 null_factors *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__quiet w;

    mucmm__quiet_begin(ctx, &w, "couplings of null models", null->models);
    for (int64_t b = 0; b < null->models; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(null_factors_fill(ctx, c, null->model[b], data, p, &f[b]));
    }
    TRY(mucmm__quiet_at(ctx, &w, null->models));
done:
    mucmm__quiet_end(ctx, &w);
    return status;
}

mucmm_status mucmm__coupling_p_values(mucmm_ctx *ctx, mucmm_coupling *c, const mucmm_null *null,
                                      const mucmm_data *const *data, const mucmm_explain_params *p)
{
    mucmm_status status = MUCMM_OK;
    null_factors *f = NULL;

    TRY(check_sizes(ctx, c, null->models));
    TRY(mucmm__alloc(ctx, null->models, sizeof *f, &f));
    TRY(fill_factors(ctx, c, null, data, p, f));
    TRY(mucmm__alloc(ctx, c->n, sizeof *c->p_values, &c->p_values));
    for (int64_t i = 0; i < c->n; i++) {
        int64_t size = c->side[0].of[i].n * c->side[1].of[i].n;
        TRY(mucmm__alloc(ctx, size, sizeof **c->p_values, &c->p_values[i]));
        TRY(sample_p_values(ctx, c, f, null->models, i, c->p_values[i]));
    }
    TRY(mucmm__warn_fitted(ctx, c->m, "coupling", data, c->rows, c->n));
done:
    for (int64_t b = 0; f && b < null->models; b++)
        null_factors_drop(&f[b], c->n);
    mucmm__free(f);
    return status;
}
