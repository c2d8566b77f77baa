/* SPDX-License-Identifier: MIT
 *
 * The jackknife of folds: what held-out correlations owe to the models that they are of. */
#include "model/cross_work.h"

#include <math.h>
#include <string.h>

/* The same without folds a < b, number `pair` of them: what of b is known without a, and the other
 * way round. */
static mucmm_status run_pair(mucmm_ctx *own, void *arg, int64_t pair)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross_repeat *t = arg;
    const mucmm__cross *x = t->x;
    const mucmm__cross_part *p = &x->part[0];
    int64_t a = 0, b, k = x->k, *column = NULL;
    float *c[MUCMM_MAX_VIEWS] = {0};
    double *sign = NULL;
    mucmm__cross_fold without = {0};

    for (; pair >= x->folds - 1 - a; a++)
        pair -= x->folds - 1 - a;
    b = a + 1 + pair;
    TRY(mucmm__alloc(own, k, sizeof *column, &column));
    TRY(mucmm__alloc(own, k, sizeof *sign, &sign));
    for (int32_t m = 0; m < x->n_views; m++)
        TRY(mucmm__alloc(own, x->n * k, sizeof **c, &c[m]));
    TRY(mucmm__cross_fit_without(own, t, a, b, &without));
    TRY(mucmm__cross_all_variates(own, without.data, x, without.model, 0, c, NULL));
    TRY(mucmm__cross_align(own, x->n_views, c, p->ref, k, x->alike, without.trained, without.n,
                           column, sign));
    for (int32_t m = 0; m < x->n_views; m++)
        for (int way = 0; way < 2; way++) {
            int64_t known = way ? a : b, first = x->cut[known];
            mucmm__cross_place(c[m], k, column, sign, x->perm + first, x->cut[known + 1] - first,
                               p->less[m] + (way ? b : a) * x->n * k);
        }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(c[m]);
    mucmm__cross_fold_drop(&without);
    mucmm__free(column);
    mucmm__free(sign);
    return status;
}

/* The jackknife of folds: with one less, and models that knew it as little as the row that they
 * judge, z is z_(g); (K - 1)/K sum_g (z_(g) - mean)^2 estimates its variance, that of the models
 * included. */
mucmm_status mucmm__cross_jackknife(mucmm__fit *f, const mucmm__cross_repeat *t)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    const mucmm__cross_part *p = &x->part[0];
    int64_t *rows = NULL, folds = x->folds;
    double z[MUCMM__MOST_JACKKNIFE];

    TRY(mucmm__alloc(f->ctx, x->n, sizeof *rows, &rows));
    TRY(mucmm__parallel_try(f->ctx, folds * (folds - 1) / 2, run_pair, (void *)t));
    for (int64_t j = 0; j < x->k; j++) {
        double mean = 0;
        for (int64_t g = 0; g < folds; g++) {
            int64_t begin = x->cut[g], end = x->cut[g + 1];
            memcpy(rows, x->perm, (size_t)begin * sizeof *rows);
            memcpy(rows + begin, x->perm + end, (size_t)(x->n - end) * sizeof *rows);
            z[g] = mucmm__fisher_z(
                mucmm__cross_correlation(x, p->less, g, j, rows, x->n - (end - begin)));
            mean += z[g] / (double)folds;
        }
        for (int64_t g = 0; g < folds; g++)
            p->variance[j] += (double)(folds - 1) / (double)folds * pow(z[g] - mean, 2);
    }
done:
    mucmm__free(rows);
    return status;
}
