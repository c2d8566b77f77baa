/* SPDX-License-Identifier: MIT
 *
 * Gradients against differences of the score. Directions of each sample: its own gradient, random
 * Gaussian ones, and the gradient's largest coordinates alone. */
#include "explain/gradient_check.h"

#include "encode/encoded.h"
#include "explain/explanation.h"
#include "explain/faults.h"
#include "explain/tell.h"

#include <math.h>
#include <string.h>

#define RANDOM_DIRECTIONS 4
#define COORDINATES 2

/* What the checks of a sample work with: point and gradient [cols], and room. */
typedef struct point {
    const mucmm__samples *s;
    int64_t i;
    const float *x, *g;
    double score, norm; /* of the gradient */
    double *direction;  /* [cols]          */
    float *shifted;     /* [POINTS, cols]  */
    float *grads;       /* [PATH, cols]    */
    float *h, *dh;      /* [POINTS, p]     */
} point;

/* Of a path: its two ends, and PATH points between them. */
enum { PATH = 16, POINTS = PATH + 2 };

static void choose_direction(const float *g, int64_t p, int64_t which, uint64_t key, double *d)
{
    double norm = 0;

    memset(d, 0, (size_t)p * sizeof *d);
    if (which == 0)
        for (int64_t j = 0; j < p; j++)
            d[j] = g[j];
    else if (which <= RANDOM_DIRECTIONS)
        for (int64_t j = 0; j < p; j++)
            d[j] = mucmm__rng_normal(key, (uint64_t)(which * p + j));
    else {
        int64_t best = 0;
        for (int64_t j = which - RANDOM_DIRECTIONS - 1; j < p; j += COORDINATES)
            best = fabsf(g[j]) >= fabsf(g[best]) || j == which - RANDOM_DIRECTIONS - 1 ? j : best;
        d[best] = 1;
    }
    for (int64_t j = 0; j < p; j++)
        norm += d[j] * d[j];
    for (int64_t j = 0; j < p && norm > 0; j++)
        d[j] /= sqrt(norm);
}

/* |numeric - analytic| / (|numeric| + |analytic| + a tenth of the gradient's norm) */
static double error_of(const point *p, double numeric, double analytic)
{
    return fabs(numeric - analytic) / (fabs(numeric) + fabs(analytic) + 0.1 * p->norm + 1e-12);
}

/* shifted[k] = x + t d as floats. */
static void shift_point(const point *p, int64_t k, double t)
{
    for (int64_t j = 0; j < p->s->cols; j++)
        p->shifted[k * p->s->cols + j] = (float)((double)p->x[j] + t * p->direction[j]);
}

/* The way from point 1 to point 0 along d, after rounding. */
static double way(const point *p)
{
    int64_t cols = p->s->cols;
    double sum = 0;

    for (int64_t j = 0; j < cols; j++)
        sum += ((double)p->shifted[j] - (double)p->shifted[cols + j]) * p->direction[j];
    return sum;
}

/* ---- columns ----------------------------------------------------------------------- */

/* (s(x + t d) - s(x - t d)) / 2t */
static mucmm_status central_difference(mucmm_ctx *ctx, const point *p, double step, double *out)
{
    mucmm_status status = MUCMM_OK;
    double side[2];

    shift_point(p, 0, step);
    shift_point(p, 1, -step);
    for (int k = 0; k < 2; k++)
        TRY(mucmm__samples_score(ctx, p->s, p->i, 1, p->shifted + k * p->s->cols, &side[k], NULL));
    *out = (side[0] - side[1]) / way(p);
done:
    return status;
}

/* A difference of float32 scores is rounded at about 1e-7 of the score, so the step is large (1e-2
 * of a standard deviation) and two steps are extrapolated (Richardson). */
static mucmm_status check_column_direction(mucmm_ctx *ctx, const point *p, double analytic,
                                           double *error)
{
    mucmm_status status = MUCMM_OK;
    double step = 2e-2, coarse, fine;

    TRY(central_difference(ctx, p, step, &coarse));
    TRY(central_difference(ctx, p, step / 2, &fine));
    *error = error_of(p, (4 * fine - coarse) / 3, analytic);
done:
    return status;
}

/* ---- raw inputs -------------------------------------------------------------------- */

/* A network has so many kinks (ReLU, max-pooling) that any step long enough for float32 crosses
 * some, where a difference is no gradient. But over a path s(b) - s(a) is the integral of the
 * gradient, kinks or not: so the difference is held against the mean of the analytic gradient at
 * points of the path (midpoint rule). */

static mucmm_status path_slopes(mucmm_ctx *ctx, const point *p, double step, double *numeric,
                                double *analytic)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    const mucmm__view_info *v = &s->m->view[s->view];
    int64_t rows[POINTS];
    double score[POINTS];

    for (int k = 0; k < POINTS; k++) {
        rows[k] = s->rows[p->i];
        shift_point(p, k, k == 0 ? step : k == 1 ? -step : step * ((2 * k - 3.0) / PATH - 1));
    }
    TRY(mucmm__encoded_features(ctx, s->data[s->view], rows, POINTS, p->shifted, p->h));
    TRY(mucmm__scale_features(ctx, v, s->data[s->view], rows, POINTS, p->h));
    for (int k = 0; k < POINTS; k++)
        TRY(mucmm__samples_score(ctx, s, p->i, 1, p->h + k * v->p, &score[k],
                                 k < 2 ? NULL : p->dh + (k - 2) * v->p));
    TRY(mucmm__samples_raw_gradient(ctx, s, rows, PATH, p->shifted + 2 * s->cols, p->h + 2 * v->p,
                                    p->dh, p->grads));
    *numeric = (score[0] - score[1]) / way(p);
    *analytic = 0;
    for (int64_t j = 0; j < PATH * s->cols; j++)
        *analytic += p->direction[j % s->cols] * (double)p->grads[j] / PATH;
done:
    return status;
}

/* The longest path changes the score by about a tenth (canonical variates have unit variance).
 * Where a shorter one agrees better it counts: no length makes a wrong gradient right. */
#define PATHS 4
#define GOOD_ERROR 1e-3

static mucmm_status check_raw_direction(mucmm_ctx *ctx, const point *p, double slope, double *error)
{
    mucmm_status status = MUCMM_OK;
    double steep = fabs(slope) + 0.01 * p->norm; /* 0 for a variate of no columns */
    double step = steep > 0 ? 0.05 * (fabs(p->score) + 1) / (steep + 1e-30) : 0.05;
    double numeric, analytic;

    *error = INFINITY;
    for (int k = 0; k<PATHS && * error> GOOD_ERROR; k++, step /= 4) {
        TRY(path_slopes(ctx, p, step, &numeric, &analytic));
        *error = fmin(*error, error_of(p, numeric, analytic));
    }
done:
    return status;
}

/* ---- samples ----------------------------------------------------------------------- */

static mucmm_status check_sample(mucmm_ctx *ctx, point *p, double *worst)
{
    mucmm_status status = MUCMM_OK;
    int64_t cols = p->s->cols;
    uint64_t key = mucmm__rng_key(1, (uint64_t)p->s->rows[p->i]);
    double norm = 0;

    for (int64_t j = 0; j < cols; j++)
        norm += (double)p->g[j] * (double)p->g[j];
    p->norm = sqrt(norm);
    for (int64_t which = 0; which < 1 + RANDOM_DIRECTIONS + COORDINATES; which++) {
        double analytic = 0, error;
        if (which == 0 && !(norm > 0))
            continue; /* a variate of no columns: there is no such direction */
        if (p->s->encoded && (which > 1 && which != RANDOM_DIRECTIONS + 1))
            continue; /* an encoder takes its time: one of each kind */
        if (which > RANDOM_DIRECTIONS + cols)
            break;
        choose_direction(p->g, cols, which, key, p->direction);
        for (int64_t j = 0; j < cols; j++)
            analytic += p->direction[j] * (double)p->g[j];
        if (p->s->encoded)
            TRY(check_raw_direction(ctx, p, analytic, &error));
        else
            TRY(check_column_direction(ctx, p, analytic, &error));
        if (!(error <= *worst))
            *worst = error;
    }
done:
    return status;
}

/* Points [n, cols] and gradients of all samples in the space where they are checked: the scaled
 * columns, or the raw input. */
static mucmm_status points_and_gradients(mucmm_ctx *ctx, const mucmm__samples *s, double *values,
                                         float *x, float *g)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = s->m->view[s->view].p;
    float *dh = NULL;

    TRY(mucmm__alloc(ctx, s->n * p, sizeof *dh, &dh));
    TRY(mucmm__samples_score(ctx, s, 0, s->n, s->h, values, dh));
    if (s->encoded) {
        TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows, s->n,
                                &(mucmm_mat){x, s->n, s->cols, s->cols}));
        TRY(mucmm__samples_raw_gradient(ctx, s, s->rows, s->n, NULL, s->h, dh, g));
    } else {
        memcpy(x, s->h, (size_t)(s->n * p) * sizeof *x);
        memcpy(g, dh, (size_t)(s->n * p) * sizeof *g);
    }
done:
    mucmm__free(dh);
    return status;
}

static mucmm_status point_alloc(mucmm_ctx *ctx, point *at)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = at->s;
    int64_t p = s->m->view[s->view].p;

    TRY(mucmm__alloc(ctx, POINTS * s->cols, sizeof *at->shifted, &at->shifted));
    TRY(mucmm__alloc(ctx, PATH * s->cols, sizeof *at->grads, &at->grads));
    TRY(mucmm__alloc(ctx, POINTS * p, sizeof *at->h, &at->h));
    TRY(mucmm__alloc(ctx, POINTS * p, sizeof *at->dh, &at->dh));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *at->direction, &at->direction));
done:
    return status;
}

static void point_drop(point *at)
{
    mucmm__free(at->shifted);
    mucmm__free(at->grads);
    mucmm__free(at->h);
    mucmm__free(at->dh);
    mucmm__free(at->direction);
}

mucmm_status mucmm__gradient_error(mucmm_ctx *ctx, const mucmm__samples *s, bool told,
                                   double *worst)
{
    mucmm_status status = MUCMM_OK;
    point at = {.s = s};
    float *x = NULL, *g = NULL;
    double *values = NULL;
    int64_t unknown = 0;

    TRY(mucmm__alloc(ctx, s->n * s->cols, sizeof *x, &x));
    TRY(mucmm__alloc(ctx, s->n * s->cols, sizeof *g, &g));
    TRY(mucmm__alloc(ctx, s->n, sizeof *values, &values));
    TRY(point_alloc(ctx, &at));
    TRY(points_and_gradients(ctx, s, values, x, g));
    TRY(mucmm__gradient_passes(ctx, s, g));
    *worst = 0;
    for (int64_t i = 0; i < s->n; i++) {
        if (mucmm__state_of_map(g + i * s->cols, s->cols) == MUCMM__MAP_NONE) {
            unknown++;
            continue;
        }
        at.i = i;
        at.x = x + i * s->cols;
        at.g = g + i * s->cols;
        at.score = values[i];
        TRY(check_sample(ctx, &at, worst));
    }
    if (told)
        TRY(mucmm__samples_tell(ctx, s, g));
    if (unknown == s->n || (told && unknown > 0))
        *worst = NAN;
done:
    mucmm__free(x);
    mucmm__free(g);
    mucmm__free(values);
    point_drop(&at);
    return status;
}

mucmm_status mucmm_explanation_check_gradient(mucmm_ctx *ctx, const mucmm_explanation *e,
                                              double *worst)
{
    *worst = 0;
    return mucmm__gradient_error(ctx, &e->s, true, worst);
}
