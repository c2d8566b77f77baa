/* SPDX-License-Identifier: MIT
 *
 * Do views share what linear heads cannot show? A permutation test of nonlinear features of their
 * leading principal components (section 5 of the method), where no component is significant. */
#include "model/beyond_linear.h"

#include "correlate/exchange.h"
#include "linalg/blas.h"
#include "model/cross_fit.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define RIDGE 0.1           /* of standardized features */
#define LEAST_VARIANCE 0.01 /* of the largest component's */
#define MOST_WORK 1e9       /* multiplications of the permutations */
#define MOST_CELLS 2e7      /* of a view */
enum { COMPONENTS = 8, WAVES = 32, LEAST_ROWS = 50, MOST_ROWS = 1500, PERMUTATIONS = 999 };

/* Of the random numbers: as STREAM_SPLIT of fit.c. */
enum { STREAM_WAVES = 90, STREAM_TEST = 91, STREAM_EXCHANGE = 92 };

/* The leading components of h [n, p] that vary, standardized; scores->data is the caller's. What
 * they are is the matter of one view, so the pairing of the rows stays free to be permuted. */
static mucmm_status components(mucmm_ctx *ctx, int64_t n, int64_t p, const double *h,
                               mucmm__block *scores)
{
    mucmm_status status = MUCMM_OK;
    bool wide = p > n;
    int64_t side = wide ? n : p, most = side < COMPONENTS ? side : COMPONENTS, d = 0;
    double *gram = NULL, *values = NULL, *v = NULL, *raw = NULL, *sd = NULL;

    TRY(mucmm__alloc(ctx, side * side, sizeof *gram, &gram));
    TRY(mucmm__alloc(ctx, most, sizeof *values, &values));
    TRY(mucmm__alloc(ctx, side * most, sizeof *v, &v));
    TRY(mucmm__alloc(ctx, n * most, sizeof *raw, &raw));
    TRY(mucmm__alloc(ctx, most, sizeof *sd, &sd));
    TRY(mucmm__dgemm(ctx, !wide, wide, side, side, wide ? p : n, 1, h, p, h, p, 0, gram, side));
    TRY(mucmm__eigen(ctx, side, gram, most, values, v));
    while (d < most && values[d] > LEAST_VARIANCE * values[0])
        d++;
    *scores = (mucmm__block){NULL, n, d};
    TRY(mucmm__alloc(ctx, n * d, sizeof(double), &scores->data));
    if (wide)
        for (int64_t i = 0; i < n; i++)
            memcpy(raw + i * d, v + i * most, (size_t)d * sizeof *raw);
    else
        TRY(mucmm__dgemm(ctx, false, false, n, d, p, 1, h, p, v, most, 0, raw, d));
    mucmm__standardize(&(mucmm__block){raw, n, d}, scores->data, sd);
done:
    mucmm__free(gram);
    mucmm__free(values);
    mucmm__free(v);
    mucmm__free(raw);
    mucmm__free(sd);
    return status;
}

/* psi of the components of view m, standardized; phi->data is the caller's. */
static mucmm_status view_features(mucmm_ctx *ctx, const mucmm__fit *f, int32_t m,
                                  const int64_t *rows, int64_t n, mucmm__block *phi)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = f->model->view[m].p;
    mucmm__block scores = {0};
    mucmm__psi psi = {0};
    float *h = NULL;
    double *x = NULL, *sd = NULL;

    TRY(mucmm__alloc(ctx, n * p, sizeof *h, &h));
    TRY(mucmm__alloc(ctx, n * p, sizeof *x, &x));
    TRY(mucmm__features(ctx, &f->model->view[m], f->data[m], rows, n, h));
    mucmm__to_double(h, n * p, x);
    for (int64_t j = 0; j < p; j++) {
        double mean = 0;
        for (int64_t i = 0; i < n; i++)
            mean += x[i * p + j] / (double)n;
        for (int64_t i = 0; i < n; i++)
            x[i * p + j] -= mean;
    }
    TRY(components(ctx, n, p, x, &scores));
    TRY(mucmm__psi_alloc(ctx, scores.cols, scores.cols, WAVES, &psi));
    mucmm__fourier_draw(mucmm__rng_key(f->p->seed, STREAM_WAVES), scores.cols, WAVES, psi.omega,
                        psi.phase);
    *phi = (mucmm__block){NULL, n, mucmm__psi_width(&psi)};
    TRY(mucmm__alloc(ctx, n * phi->cols, sizeof(double), &phi->data));
    TRY(mucmm__alloc(ctx, phi->cols, sizeof *sd, &sd));
    mucmm__free(x);
    TRY(mucmm__alloc(ctx, n * phi->cols, sizeof *x, &x));
    TRY(mucmm__psi_forward(ctx, &psi, &scores, x));
    mucmm__standardize(&(mucmm__block){x, n, phi->cols}, phi->data, sd);
done:
    mucmm__free(scores.data);
    mucmm__psi_drop(&psi);
    mucmm__free(h);
    mucmm__free(x);
    mucmm__free(sd);
    return status;
}

/* The smallest p of all pairs of views, each already adjusted for the others; NaN if none. */
static mucmm_status test(mucmm_ctx *ctx, const mucmm__fit *f, const mucmm__exchange *e,
                         const int64_t *rows, int64_t n, double *p)
{
    mucmm_status status = MUCMM_OK;
    int32_t views = f->model->n_views, pairs = 0;
    mucmm__block phi[MUCMM_MAX_VIEWS] = {{0}};
    mucmm__dependence pair[MUCMM_MAX_VIEWS * MUCMM_MAX_VIEWS] = {{0}};
    mucmm__dependence *all[MUCMM_MAX_VIEWS * MUCMM_MAX_VIEWS];
    int64_t made;

    for (int32_t m = 0; m < views; m++)
        TRY(view_features(ctx, f, m, rows, n, &phi[m]));
    for (int32_t m = 0; m < views; m++)
        for (int32_t l = 0; l < m; l++) {
            mucmm__dependence *s = all[pairs] = &pair[pairs];
            pairs++;
            TRY(mucmm__dependence_init(ctx, &phi[m], &phi[l], RIDGE, s));
            s->mover_left = m;
            s->mover_right = l;
        }
    TRY(mucmm__dependence_test(ctx, e, pairs, all, PERMUTATIONS,
                               mucmm__rng_key(f->p->seed, STREAM_TEST), MOST_WORK, &made));
    for (int32_t i = 0; i < pairs; i++)
        *p = isnan(*p) || pair[i].p < *p ? pair[i].p : *p;
done:
    for (int32_t m = 0; m < views; m++)
        mucmm__free(phi[m].data);
    for (int32_t i = 0; i < pairs; i++)
        mucmm__dependence_drop(&pair[i]);
    return status;
}

/* Rows that did not train, or all where folds testify; as many of them as are little work. */
static mucmm_status take_rows(const mucmm__fit *f, int64_t **rows, int64_t *n)
{
    mucmm_status status = MUCMM_OK;
    int64_t cross = 0, most = MOST_ROWS, from_held_out;
    const int64_t *held_out = f->cross ? mucmm__cross_rows(f, &cross) : f->held_out;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t fit = (int64_t)(MOST_CELLS / (double)f->model->view[m].p);
        most = fit < most ? fit : most;
    }
    from_held_out = f->cross ? cross : f->n_held_out;
    *n = from_held_out + (f->cross ? 0 : f->n_choosing);
    *n = *n < most ? *n : most;
    from_held_out = from_held_out < *n ? from_held_out : *n;
    TRY(mucmm__alloc(f->ctx, *n, sizeof **rows, rows));
    memcpy(*rows, held_out, (size_t)from_held_out * sizeof **rows);
    if (*n > from_held_out)
        memcpy(*rows + from_held_out, f->choosing, (size_t)(*n - from_held_out) * sizeof **rows);
done:
    return status;
}

/* The rows that e tests, in its order, in the place of all. */
static mucmm_status keep_tested(mucmm_ctx *ctx, const mucmm__exchange *e, int64_t **rows,
                                int64_t *n)
{
    mucmm_status status = MUCMM_OK;
    int64_t *kept = NULL;

    if (!e)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, e->n, sizeof *kept, &kept));
    for (int64_t i = 0; i < e->n; i++)
        kept[i] = (*rows)[e->row[i]];
    mucmm__free(*rows);
    *rows = kept;
    *n = e->n;
done:
    return status;
}

mucmm_status mucmm__beyond_linear(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    const mucmm_summary *s = model->linear.summary[MUCMM_ROWS_HELD_OUT];
    bool linear = !model->heads.rho || model->start < 0;
    int64_t *rows = NULL, *group = NULL, n;
    mucmm__exchange *e = NULL;

    model->beyond_linear_p = NAN;
    if (!linear || !s || s->components == 0 || s->significant > 0 || isnan(s->p_values[0]))
        return MUCMM_OK;
    TRY(take_rows(f, &rows, &n));
    TRY(mucmm__groups_of(f->ctx, f->p->groups, rows, n, &group));
    TRY(mucmm__exchange_create(f->ctx, group, n, mucmm__rng_key(f->p->seed, STREAM_EXCHANGE), &e));
    TRY(keep_tested(f->ctx, e, &rows, &n));
    if (n < LEAST_ROWS || !mucmm__exchange_enough(e))
        goto done;
    TRY(test(f->ctx, f, e, rows, n, &model->beyond_linear_p));
    if (model->beyond_linear_p <= MUCMM_SIGNIFICANT)
        mucmm__warn(f->ctx,
                    "the views share something that linear heads cannot show (p = %.2g); `head` "
                    "mlp or auto looks for it",
                    model->beyond_linear_p);
done:
    mucmm__free(rows);
    mucmm__free(group);
    mucmm__exchange_free(e);
    return status;
}
