/* SPDX-License-Identifier: MIT
 *
 * Robust maps of the columns of a fit, and a warning where a few rows carry a component. */
#include "model/fit_robust.h"

#include "model/represent.h"
#include "model/robust.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows that maps are learnt from, at most; fewer of wide views: so many numbers, 1000 rows at
 * least. */
enum { MOST_ROWS = 20000, MOST_NUMBERS = 20000000, LEAST_ROWS = 1000 };
#define STREAM_ROBUST 31
/* Of the variance of a variate, in a hundredth of the rows: .08 where it is normal, .3 where it is
 * exponential. */
#define TOO_MUCH 0.5

/* ---- maps -------------------------------------------------------------------------- */

static void map_row(const void *arg, int64_t row, float *x)
{
    (void)row;
    mucmm__robust_row(arg, x);
}

/* rows [*n]: of the training rows a sample that seed and number decide. */
static mucmm_status sample_rows(mucmm__fit *f, int64_t p, int64_t **rows, int64_t *n)
{
    mucmm_status status = MUCMM_OK;
    int64_t most = MOST_NUMBERS / p;

    most = most < LEAST_ROWS ? LEAST_ROWS : most > MOST_ROWS ? MOST_ROWS : most;
    TRY(mucmm__alloc(f->ctx, f->n_train, sizeof **rows, rows));
    *n = f->n_train < most ? f->n_train : most;
    if (*n == f->n_train) {
        memcpy(*rows, f->train, (size_t)*n * sizeof **rows);
        goto done;
    }
    mucmm__rng_permutation(mucmm__rng_key(f->p->seed, STREAM_ROBUST), *rows, f->n_train);
    for (int64_t i = 0; i < *n; i++)
        (*rows)[i] = f->train[(*rows)[i]];
    mucmm__sort_rows(*rows, *n);
done:
    return status;
}

static mucmm_status map_view(mucmm__fit *f, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];
    int64_t *rows = NULL, n = 0;
    float *x = NULL;

    TRY(sample_rows(f, v->p, &rows, &n));
    TRY(mucmm__alloc(f->ctx, n * v->p, sizeof *x, &x));
    TRY(mucmm_data_read(f->ctx, f->data[m], rows, n, &(mucmm_mat){x, n, v->p, v->p}));
    TRY(mucmm__robust_learn(f->ctx, f->p->robust, n, v->p, x, &v->robust));
    TRY(mucmm__data_changed(f->ctx, f->data[m], map_row, v->robust, &f->mapped[m]));
    f->data[m] = f->mapped[m];
done:
    mucmm__free(rows);
    mucmm__free(x);
    return status;
}

mucmm_status mucmm__fit_robust(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < f->model->n_views && f->p->robust != MUCMM_ROBUST_NONE; m++)
        TRY(map_view(f, m));
done:
    return status;
}

void mucmm__fit_robust_drop(mucmm__fit *f)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm_data_free(f->mapped[m]);
}

/* ---- rows that carry too much ------------------------------------------------------ */

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* The share of column j's variance in its `few` largest rows; *largest: the first of them. square
 * [n]. */
static double share_of_few(int64_t n, int64_t k, const float *c, int64_t j, int64_t few,
                           double *square, int64_t *largest)
{
    double mean = 0, total = 0, part = 0;

    *largest = 0;
    for (int64_t i = 0; i < n; i++)
        mean += (double)c[i * k + j] / (double)n;
    for (int64_t i = 0; i < n; i++) {
        square[i] = pow((double)c[i * k + j] - mean, 2);
        total += square[i];
        *largest = square[i] > square[*largest] ? i : *largest;
    }
    qsort(square, (size_t)n, sizeof *square, descending);
    for (int64_t i = 0; i < few; i++)
        part += square[i];
    return total > 0 ? part / total : 0;
}

mucmm_status mucmm__warn_few_rows(mucmm__fit *f, float *const *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = f->n_train, k = f->model->k, few = n < 200 ? 1 : n / 100, largest;
    int64_t component = 0, row = 0;
    double *square = NULL, worst = 0;
    int32_t view = 0;

    TRY(mucmm__alloc(f->ctx, n, sizeof *square, &square));
    for (int32_t m = 0; m < f->model->n_views; m++)
        for (int64_t j = 0; j < k; j++) {
            double share = share_of_few(n, k, c[m], j, few, square, &largest);
            if (share <= worst)
                continue;
            worst = share;
            component = j;
            view = m;
            row = f->train[largest];
        }
    if (worst > TOO_MUCH)
        mucmm__warn(
            f->ctx,
            "component %" PRId64 " is carried by few rows: %" PRId64 " of %" PRId64
            " training rows hold %.0f %% of its variance in view '%s' (most of it row %" PRId64
            "); look at them, or give `robust` winsor or rank",
            component, few, n, 100 * worst, f->model->view[view].name, row);
done:
    mucmm__free(square);
    return status;
}
