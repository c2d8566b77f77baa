/* SPDX-License-Identifier: MIT
 *
 * Significance in a small sample: exact permutation of the closed form, the splits of trained
 * heads combined, and the classical tests. */
#include "model/cross_work.h"

#include "correlate/classical.h"
#include "correlate/refit_test.h"
#include "model/adjust.h"
#include "model/represent.h"

#include <math.h>
#include <stdlib.h>

/* Multiplications of the permutations of a component. */
#define MOST_TEST_WORK 4e10
/* Of the random numbers: as STREAM_SPLIT of fit_rows.c. */
enum { PERMUTATIONS = MUCMM__CROSS_PERMUTATIONS, STREAM_REFIT = 61 };

static int compare_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, compare_ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Meinshausen, Meier and Buehlmann (2009): twice the median of the p-values of all splits is one,
 * however these depend on each other. */
mucmm_status mucmm__cross_combine_splits(mucmm__fit *f, const mucmm__cross *x,
                                         const mucmm__cross_part *p, mucmm_cross_fit *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t splits = (int64_t)x->repeats * x->folds;
    double *one = NULL;

    TRY(mucmm__alloc(f->ctx, splits, sizeof *one, &one));
    for (int64_t j = 0; j < x->k; j++) {
        for (int64_t s = 0; s < splits; s++)
            one[s] = p->split_p[s * x->k + j];
        r->p_values[j] = fmin(1, 2 * median(one, splits));
    }
done:
    mucmm__free(one);
    return status;
}

/* x[m] [n, p] = scaled features of these rows. */
static mucmm_status read_blocks(mucmm__fit *f, const int64_t *rows, int64_t n, mucmm__block *x)
{
    mucmm_status status = MUCMM_OK;
    float *h = NULL;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p;
        x[m] = (mucmm__block){NULL, n, p};
        TRY(mucmm__alloc(f->ctx, n * p, sizeof(double), &x[m].data));
        TRY(mucmm__alloc(f->ctx, n * p, sizeof *h, &h));
        TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], rows, n, h));
        mucmm__to_double(h, n * p, x[m].data);
        mucmm__free(h);
        h = NULL;
    }
done:
    mucmm__free(h);
    return status;
}

/* Rows without covariates are not exchangeable: as others, which are; those of groups, which stay
 * together, as residuals. */
static mucmm_status take_covariates_out(mucmm__fit *f, const int64_t *rows, int64_t n,
                                        bool exchangeable, mucmm__block *x)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__adjust *a = f->model->adjust;
    mucmm__block *blocks[MUCMM_MAX_VIEWS];
    int64_t unknown = 0, left;
    double *z = NULL;

    if (!a)
        return MUCMM_OK;
    TRY(mucmm__alloc(f->ctx, n * a->d, sizeof *z, &z));
    TRY(mucmm__adjust_design(f->ctx, a, mucmm_data_covariates(f->data[0]), rows, n, &unknown, z));
    for (int32_t m = 0; m < f->model->n_views; m++)
        blocks[m] = &x[m];
    TRY(mucmm__residual_rows(f->ctx, n, a->d, z, blocks, f->model->n_views,
                             exchangeable ? &left : NULL));
done:
    mucmm__free(z);
    return status;
}

/* The exact test of the closed form, of all rows that have all views; of groups, of those that are
 * exchanged for others. */
mucmm_status mucmm__cross_exact_test(mucmm__fit *f, int64_t components, bool stop, double *p_values,
                                     int64_t *made)
{
    mucmm_status status = MUCMM_OK;
    int64_t columns[MUCMM_MAX_VIEWS], n = f->n_train, *rows = NULL, *group = NULL;
    uint64_t key = mucmm__rng_key(f->p->seed, STREAM_REFIT);
    mucmm__exchange *exchange = NULL;
    mucmm__block x[MUCMM_MAX_VIEWS] = {{0}};
    mucmm__refit how = {.ridge = f->ridge_asked,
                        .columns = columns,
                        .permutations = PERMUTATIONS,
                        .most_work = MOST_TEST_WORK,
                        .seed = key,
                        .stop = stop};

    TRY(mucmm__alloc(f->ctx, n, sizeof *rows, &rows));
    TRY(mucmm__groups_of(f->ctx, f->p->groups, f->train, n, &group));
    TRY(mucmm__exchange_create(f->ctx, group, n, key, &exchange));
    how.exchange = exchange;
    if (!mucmm__exchange_enough(exchange))
        how.permutations = 0;
    n = exchange ? exchange->n : n;
    for (int64_t i = 0; i < n; i++)
        rows[i] = f->train[exchange ? exchange->row[i] : i];
    for (int32_t m = 0; m < f->model->n_views; m++)
        columns[m] = f->model->view[m].p;
    TRY(read_blocks(f, rows, n, x));
    TRY(take_covariates_out(f, rows, n, !exchange, x));
    TRY(mucmm__refit_test(f->ctx, f->model->n_views, x, &how, components, p_values, made));
done:
    mucmm__exchange_free(exchange);
    mucmm__free(group);
    mucmm__free(rows);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(x[m].data);
    return status;
}

double mucmm__cross_held_out_p(const mucmm_cross_fit *r, int64_t j)
{
    double z = mucmm__fisher_z(r->correlations[j]), low = mucmm__fisher_z(r->low[j]);

    return z > low ? .5 * erfc(MUCMM__NORMAL_975 * z / (z - low) / sqrt(2)) : NAN;
}

void mucmm__cross_later_components(mucmm_cross_fit *r)
{
    for (int64_t j = 1; j < r->components; j++) {
        double held_out = mucmm__cross_held_out_p(r, j);
        if (isfinite(r->p_values[j]) && isfinite(held_out))
            r->p_values[j] = fmax(r->p_values[j], fmax(r->p_values[j - 1], held_out));
    }
}

/* Rows less those that the covariates cost. */
static int64_t free_rows(const mucmm__fit *f)
{
    return f->n_train - (f->model->adjust ? f->model->adjust->d : 0);
}

/* min(p_1, p_2) where the classical tests hold, else 0. */
int64_t mucmm__cross_classical_count(const mucmm__fit *f)
{
    const mucmm__view_info *v = f->model->view;

    if (f->model->n_views != 2 || f->ridge_asked != 0 || f->some || f->p->groups ||
        free_rows(f) <= v[0].p + v[1].p + 1)
        return 0;
    return v[0].p < v[1].p ? v[0].p : v[1].p;
}

mucmm_status mucmm__cross_classical(mucmm__fit *f, mucmm_cross_fit *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = f->model->view;
    const char *names[] = {v[0].name, v[1].name};
    const int64_t p[] = {v[0].p, v[1].p};
    double *weights[2] = {0}, *rho = NULL;

    if (r->n_classical == 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(f->ctx, r->n_classical, sizeof *rho, &rho));
    for (int m = 0; m < 2; m++)
        TRY(mucmm__alloc(f->ctx, p[m], sizeof **weights, &weights[m]));
    TRY(mucmm__closed_form_common(f->ctx, 2, p, names, f->cov[0], 0, 1, r->n_classical, rho,
                                  weights));
    mucmm__classical_tests(free_rows(f), p[0], p[1], rho, r->classical);
done:
    mucmm__free(rho);
    mucmm__free(weights[0]);
    mucmm__free(weights[1]);
    return status;
}
