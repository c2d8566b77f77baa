/* SPDX-License-Identifier: MIT
 *
 * What the empty cells of a fit are filled with, from the training rows of the same view. */
#include "model/fit_impute.h"

#include "io/data.h"
#include "model/impute.h"
#include "model/represent.h"

#include <string.h>

/* Rows to learn from, at most; fewer of wide views: so many numbers, LEAST_ROWS at least. */
enum { MOST_ROWS = 5000, MOST_NUMBERS = 2000000, LEAST_ROWS = 100 };
#define STREAM_IMPUTE 37

static void fill_row(const void *arg, int64_t row, float *x)
{
    (void)row;
    mucmm__impute_row(arg, x);
}

/* rows [*n]: those of the training rows that have the view, or a sample of them. */
static mucmm_status rows_to_learn(mucmm__fit *f, int32_t m, int64_t **rows, int64_t *n,
                                  int64_t *all_rows, int64_t *empty)
{
    mucmm_status status = MUCMM_OK;
    const int64_t *from = f->some ? f->some : f->train;
    int64_t n_from = f->some ? f->n_some : f->n_train, *perm = NULL, *has = NULL, all = 0;
    int64_t most = MOST_NUMBERS / f->model->view[m].p;

    most = most < LEAST_ROWS ? LEAST_ROWS : most > MOST_ROWS ? MOST_ROWS : most;
    TRY(mucmm__alloc(f->ctx, n_from, sizeof *has, &has));
    *empty = 0;
    for (int64_t i = 0; i < n_from; i++)
        if (mucmm_data_has(f->data[m], from[i])) {
            has[all++] = from[i];
            *empty += mucmm_data_empty(f->data[m], from[i]);
        }
    *all_rows = all;
    *n = all < most ? all : most;
    TRY(mucmm__alloc(f->ctx, all, sizeof *perm, &perm));
    mucmm__rng_permutation(mucmm__rng_key(f->p->seed, STREAM_IMPUTE), perm, all);
    TRY(mucmm__alloc(f->ctx, *n, sizeof **rows, rows));
    for (int64_t i = 0; i < *n; i++)
        (*rows)[i] = *n < all ? has[perm[i]] : has[i];
    mucmm__sort_rows(*rows, *n);
done:
    mucmm__free(has);
    mucmm__free(perm);
    return status;
}

static mucmm_status impute_view(mucmm__fit *f, int32_t m)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];
    int64_t *rows = NULL, n = 0, all = 0, empty = 0;
    float *x = NULL;

    TRY(rows_to_learn(f, m, &rows, &n, &all, &empty));
    TRY(mucmm__alloc(f->ctx, n * v->p, sizeof *x, &x));
    TRY(mucmm_data_read(f->ctx, f->data[m], rows, n, &(mucmm_mat){x, n, v->p, v->p}));
    TRY(mucmm__imputer_learn(f->ctx, n, v->p, x, mucmm__rng_key(f->p->seed, (uint64_t)m),
                             &v->imputer));
    v->imputer->rows = all;
    v->imputer->empty = empty;
    TRY(mucmm__data_changed(f->ctx, f->data[m], fill_row, v->imputer, &f->filled[m]));
    f->data[m] = f->filled[m];
done:
    mucmm__free(rows);
    mucmm__free(x);
    return status;
}

mucmm_status mucmm__fit_impute(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < f->model->n_views; m++)
        if (mucmm__data_base(f->data[m])->allows && !f->data[m]->change) /* else filled already */
            TRY(impute_view(f, m));
done:
    return status;
}

void mucmm__fit_impute_drop(mucmm__fit *f)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm_data_free(f->filled[m]);
}
