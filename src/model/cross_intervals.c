/* SPDX-License-Identifier: MIT
 *
 * Held-out correlations of cross-fitted variates, and their intervals. */
#include "model/cross_work.h"

#include <math.h>

enum { DRAWS = 2000 }; /* of the bootstrap */

/* Fisher's z of component j on these n rows, mean over repeats. */
static double pooled_z(const mucmm__cross *x, const mucmm__cross_part *p, int64_t j,
                       const int64_t *rows, int64_t n)
{
    double sum = 0;

    for (int32_t r = 0; r < x->repeats; r++)
        sum += mucmm__cross_correlation(x, p->c, r, j, rows, n) / x->repeats;
    return mucmm__fisher_z(sum);
}

typedef struct draws {
    const mucmm__cross *x;
    const mucmm__cross_part *p;
    uint64_t key;
    int64_t lanes;
    double *z; /* [k, DRAWS] */
} draws;

/* Replicate b: as many groups of rows as there are, drawn with replacement, into rows [most], *n of
 * them. */
static void draw_rows(const draws *d, int64_t b, int64_t most, int64_t *rows, int64_t *n)
{
    const mucmm__cross *x = d->x;
    uint64_t key = mucmm__rng_key(d->key, (uint64_t)b);

    *n = 0;
    for (int64_t i = 0; i < x->n_groups; i++) {
        int64_t g = (int64_t)(mucmm__rng_uniform(key, (uint64_t)i) * (double)x->n_groups);
        g = g < x->n_groups ? g : x->n_groups - 1;
        for (int64_t at = x->begin[g]; at < x->begin[g + 1] && *n < most; at++)
            rows[(*n)++] = x->order[at];
    }
}

static mucmm_status run_draws(mucmm_ctx *own, void *arg, int64_t lane)
{
    mucmm_status status = MUCMM_OK;
    const draws *d = arg;
    int64_t *rows = NULL, n, most = d->x->group ? 2 * d->x->n : d->x->n;

    TRY(mucmm__alloc(own, most, sizeof *rows, &rows));
    for (int64_t b = lane; b < DRAWS; b += d->lanes) {
        draw_rows(d, b, most, rows, &n);
        for (int64_t j = 0; j < d->x->k; j++)
            d->z[j * DRAWS + b] = pooled_z(d->x, d->p, j, rows, n);
    }
done:
    mucmm__free(rows);
    return status;
}

/* The bootstrap of rows takes the models as they are, so its variance is too small; the jackknife
 * estimates too large a one (Efron and Stein 1981). The interval goes by their mean. */
static void take_interval(double z, const double *drawn, double jackknife, mucmm_cross_fit *r,
                          int64_t j)
{
    double mean = 0, square = 0, spread;

    for (int64_t b = 0; b < DRAWS; b++)
        mean += drawn[b] / DRAWS;
    for (int64_t b = 0; b < DRAWS; b++)
        square += pow(drawn[b] - mean, 2) / (DRAWS - 1);
    spread = sqrt(jackknife > square ? (square + jackknife) / 2 : square);
    r->correlations[j] = tanh(z);
    r->standard_errors[j] = spread * (1 - tanh(z) * tanh(z));
    r->low[j] = tanh(z - MUCMM__NORMAL_975 * spread);
    r->high[j] = tanh(z + MUCMM__NORMAL_975 * spread);
}

mucmm_status mucmm__cross_correlations(mucmm__fit *f, const mucmm__cross *x,
                                       const mucmm__cross_part *p, mucmm_cross_fit *r)
{
    mucmm_status status = MUCMM_OK;
    draws d = {.x = x,
               .p = p,
               .key = mucmm__rng_key(f->p->seed, MUCMM__STREAM_DRAWS),
               .lanes = f->ctx->threads};
    int64_t *all = NULL;

    r->folds = x->folds;
    r->repeats = x->repeats;
    TRY(mucmm__alloc(f->ctx, x->n, sizeof *all, &all));
    TRY(mucmm__alloc(f->ctx, x->k * DRAWS, sizeof *d.z, &d.z));
    for (int64_t i = 0; i < x->n; i++)
        all[i] = i;
    TRY(mucmm__parallel_try(f->ctx, d.lanes, run_draws, &d));
    for (int64_t j = 0; j < x->k; j++)
        take_interval(pooled_z(x, p, j, all, x->n), d.z + j * DRAWS, p->variance[j] / x->repeats, r,
                      j);
done:
    mucmm__free(all);
    mucmm__free(d.z);
    return status;
}
