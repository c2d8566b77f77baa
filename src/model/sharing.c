/* SPDX-License-Identifier: MIT
 *
 * Which views carry a component, where there are more than two (section 5 of the method). */
#include "model/summary.h"

#include <math.h>
#include <string.h>

/* Of a component's strongest pair: what a pair must have to carry it too. */
#define PAIR_SHARE 0.3

mucmm_status mucmm__sharing_alloc(mucmm_ctx *ctx, mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t pairs = s->components * s->views * s->views;

    if (s->views < 3)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, pairs, sizeof(double), &s->pair_correlations));
    TRY(mucmm__alloc(ctx, pairs, sizeof(double), &s->pair_p_values));
    TRY(mucmm__alloc(ctx, s->components * s->views, sizeof(double), &s->carried));
    for (int64_t i = 0; i < pairs; i++)
        s->pair_correlations[i] = s->pair_p_values[i] = NAN;
    for (int64_t i = 0; i < s->components * s->views; i++)
        s->carried[i] = NAN;
done:
    return status;
}

void mucmm__sharing_drop(mucmm_summary *s)
{
    mucmm__free(s->pair_correlations);
    mucmm__free(s->pair_p_values);
    mucmm__free(s->carried);
    s->pair_correlations = s->pair_p_values = s->carried = NULL;
}

/* ---- the pairs as components of one test ------------------------------------------- */

/* Columns pair * k + j of left and right [n, pairs k] are the variates j of its two views. */
static mucmm_status pair_blocks(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                                mucmm__block both[2])
{
    mucmm_status status = MUCMM_OK;
    int64_t n = c[0].rows, k = c[0].cols, at = 0;

    for (int side = 0; side < 2; side++) {
        both[side] = (mucmm__block){NULL, n, k * n_views * (n_views - 1) / 2};
        TRY(mucmm__alloc(ctx, n * both[side].cols, sizeof(double), &both[side].data));
    }
    for (int32_t m = 0; m < n_views; m++)
        for (int32_t l = m + 1; l < n_views; l++, at += k)
            for (int side = 0; side < 2; side++)
                for (int64_t i = 0; i < n; i++)
                    memcpy(both[side].data + i * both[side].cols + at, c[side ? l : m].data + i * k,
                           (size_t)k * sizeof(double));
done:
    return status;
}

/* Value j of a pair into both of its places in an array [k, M, M]. */
static void put_pair(const mucmm_summary *s, int64_t m, int64_t l, const double *from, double *to)
{
    for (int64_t j = 0; j < s->components; j++)
        to[(j * s->views + m) * s->views + l] = to[(j * s->views + l) * s->views + m] = from[j];
}

/* One family of pairs and components, so that the chance of any false one is at most the level. */
static mucmm_status test_pairs(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                               const mucmm__exchange *e, int64_t permutations, uint64_t seed,
                               mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = s->components, at = 0;
    mucmm__block both[2] = {{0}};
    double *r = NULL, *p = NULL;

    TRY(pair_blocks(ctx, n_views, c, both));
    TRY(mucmm__alloc(ctx, both[0].cols, sizeof *r, &r));
    TRY(mucmm__alloc(ctx, both[0].cols, sizeof *p, &p));
    TRY(mucmm__exchange_test(ctx, e, 2, both, permutations, seed, r, p, NULL));
    for (int32_t m = 0; m < n_views; m++)
        for (int32_t l = m + 1; l < n_views; l++, at += k) {
            put_pair(s, m, l, r + at, s->pair_correlations);
            put_pair(s, m, l, p + at, s->pair_p_values);
        }
done:
    mucmm__free(both[0].data);
    mucmm__free(both[1].data);
    mucmm__free(r);
    mucmm__free(p);
    return status;
}

/* Without p-values, pair by pair: the training rows may be many. */
static mucmm_status correlate_pairs(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                                    mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;
    double *r = NULL;

    TRY(mucmm__alloc(ctx, s->components, sizeof *r, &r));
    for (int32_t m = 0; m < n_views; m++)
        for (int32_t l = m + 1; l < n_views; l++) {
            mucmm__block both[2] = {c[m], c[l]};
            TRY(mucmm__permutation_test(ctx, 2, both, 0, 0, r, NULL, NULL));
            put_pair(s, m, l, r, s->pair_correlations);
        }
done:
    mucmm__free(r);
    return status;
}

/* ---- names ------------------------------------------------------------------------- */

/* The strongest pair of component j that is beyond chance; NULL if none is. */
static const double *strongest_pair(const mucmm_summary *s, int64_t j)
{
    int64_t size = s->views * s->views;
    const double *r = s->pair_correlations + j * size, *p = s->pair_p_values + j * size;
    const double *best = NULL;

    for (int64_t i = 0; i < size; i++)
        if (p[i] <= MUCMM_SIGNIFICANT && (!best || r[i] > *best))
            best = r + i;
    return best;
}

/* The views that carrying pairs connect with the strongest one. */
static void connect_views(mucmm_summary *s, int64_t j, const double *strongest)
{
    int64_t views = s->views, first = j * views * views;
    const double *r = s->pair_correlations + first, *p = s->pair_p_values + first;
    double *carried = s->carried + j * views;

    carried[(strongest - r) / views] = 1;
    for (int64_t round = 1; round < views; round++)
        for (int64_t i = 0; i < views * views; i++)
            if (carried[i / views] == 1 && p[i] <= MUCMM_SIGNIFICANT &&
                r[i] >= PAIR_SHARE * *strongest)
                carried[i % views] = 1;
}

mucmm_status mucmm__sharing(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                            const mucmm__exchange *e, int64_t permutations, uint64_t seed,
                            mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;

    if (n_views < 3 || s->rows < 3)
        return MUCMM_OK;
    if (permutations == 0)
        return correlate_pairs(ctx, n_views, c, s);
    TRY(test_pairs(ctx, n_views, c, e, permutations, seed, s));
    for (int64_t j = 0; j < s->components; j++) {
        const double *strongest = strongest_pair(s, j);
        for (int64_t m = 0; m < s->views; m++)
            s->carried[j * s->views + m] = 0;
        if (strongest)
            connect_views(s, j, strongest);
    }
done:
    return status;
}
