/* SPDX-License-Identifier: MIT
 *
 * Rows of two views as vectors whose product says whether they belong together. Of standardized
 * variates a, b that are Gaussian with correlation rho in each component,
 *   log p(a, b) - log p(a) - log p(b) =
 *     sum_j (rho_j a_j b_j - rho_j^2 (a_j^2 + b_j^2)/2) / (1 - rho_j^2) - log(1 - rho_j^2)/2. */
#include "model/match_rows.h"

#include "model/represent.h"

#include <math.h>

/* Correlations of fewer rows weigh worse than those that trained. */
#define LEAST_ROWS 20
/* A correlation of 1 would leave nothing but its own component. */
#define MOST 0.99

/* ---- weights ----------------------------------------------------------------------- */

/* Of component j between two views, on rows that did not train where there are enough. */
static double component_weight(const mucmm__match_index *x, int64_t j)
{
    const mucmm_summary *s = x->r->summary[MUCMM_ROWS_HELD_OUT];
    int64_t pair = (j * x->m->n_views + x->view[0]) * x->m->n_views + x->view[1];
    double rho = x->r->rho[j];

    if (s->rows >= LEAST_ROWS && s->pair_correlations && isfinite(s->pair_correlations[pair]))
        rho = s->pair_correlations[pair];
    else if (s->rows >= LEAST_ROWS && isfinite(s->correlations[j]))
        rho = s->correlations[j];
    return fmin(fmax(rho, 0), MOST);
}

/* Mean 0 and standard deviation 1, where the model holds no joint moments. */
static void take_scale(mucmm__match_index *x, int side)
{
    const mucmm__joint *joint = &x->r->joint;
    int64_t w = x->m->n_views * x->k;

    for (int64_t j = 0; j < x->k; j++) {
        int64_t at = x->view[side] * x->k + j;
        double variance = joint->mean ? joint->train[at * (w + 1)] : 1;
        x->mean[side][j] = joint->mean ? joint->mean[at] : 0;
        x->sd[side][j] = variance > 0 ? sqrt(variance) : 1;
    }
}

mucmm_status mucmm__match_index_make(mucmm_ctx *ctx, const mucmm_model *m,
                                     const mucmm_match_params *p, const int32_t view[2],
                                     mucmm__match_index *x)
{
    mucmm_status status = MUCMM_OK;

    *x = (mucmm__match_index){.measure = p->measure,
                              .m = m,
                              .r = mucmm__model_solution(m, p->representation),
                              .k = m->k,
                              .view = {view[0], view[1]}};
    TRY(mucmm__alloc(ctx, x->k, sizeof *x->rho, &x->rho));
    for (int side = 0; side < 2; side++) {
        TRY(mucmm__alloc(ctx, x->k, sizeof(double), &x->mean[side]));
        TRY(mucmm__alloc(ctx, x->k, sizeof(double), &x->sd[side]));
        take_scale(x, side);
    }
    for (int64_t j = 0; j < x->k; j++)
        x->rho[j] = component_weight(x, j);
done:
    return status;
}

void mucmm__match_index_drop(mucmm__match_index *x)
{
    mucmm__free(x->rho);
    for (int side = 0; side < 2; side++) {
        mucmm__free(x->mean[side]);
        mucmm__free(x->sd[side]);
    }
}

/* ---- vectors ----------------------------------------------------------------------- */

/* Of length 1, each variate times the root of its correlation. */
static void cosine_vector(const mucmm__match_index *x, int side, float *c)
{
    double square = 0;

    for (int64_t j = 0; j < x->k; j++) {
        double z = ((double)c[j] - x->mean[side][j]) / x->sd[side][j] * sqrt(x->rho[j]);
        c[j] = (float)z;
        square += z * z;
    }
    for (int64_t j = 0; j < x->k && square > 0; j++)
        c[j] = (float)((double)c[j] / sqrt(square));
}

/* The query has the factor of the product and the constant. */
static void likelihood_vector(const mucmm__match_index *x, int side, float *c, float *bias)
{
    double sum = 0;

    for (int64_t j = 0; j < x->k; j++) {
        double z = ((double)c[j] - x->mean[side][j]) / x->sd[side][j], rho = x->rho[j];
        double left = 1 - rho * rho;
        sum -= rho * rho * z * z / (2 * left);
        sum -= side == 0 ? log(left) / 2 : 0;
        c[j] = (float)(side == 0 ? rho / left * z : z);
    }
    *bias = (float)sum;
}

mucmm_status mucmm__match_vectors(mucmm_ctx *ctx, const mucmm__match_index *x, int side,
                                  const mucmm_data *data, const int64_t *rows, int64_t n,
                                  float *vector, float *bias)
{
    mucmm_status status =
        mucmm__represent(ctx, x->m, x->r, x->view[side], data, rows, n, vector, NULL);

    for (int64_t i = 0; i < n && status == MUCMM_OK; i++)
        if (x->measure == MUCMM_MATCH_COSINE)
            cosine_vector(x, side, vector + i * x->k);
        else
            likelihood_vector(x, side, vector + i * x->k, bias + i);
    return status;
}
