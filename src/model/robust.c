/* SPDX-License-Identifier: MIT
 *
 * Maps of columns that take the weight from outliers. */
#include "model/robust.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Standard deviations, and how many of them a median absolute deviation is where rows are normal.
 */
#define KEPT 3.0
#define MAD_SD 1.4826
/* Values are floats that were scaled and back: so near to an outermost knot they are at it. */
#define ROUNDING 1e-5

mucmm_status mucmm__robust_alloc(mucmm_ctx *ctx, int64_t p, int64_t knots, mucmm__robust **out)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, 1, sizeof **out, out));
    (*out)->p = p;
    (*out)->knots = knots;
    TRY(mucmm__alloc(ctx, p * knots, sizeof(float), &(*out)->at));
    TRY(mucmm__alloc(ctx, p * knots, sizeof(float), &(*out)->to));
done:
    return status;
}

void mucmm__robust_free(mucmm__robust *r)
{
    if (!r)
        return;
    mucmm__free(r->at);
    mucmm__free(r->to);
    mucmm__free(r);
}

mucmm_status mucmm__robust_check(mucmm_ctx *ctx, const char *view, const mucmm__robust *r)
{
    for (int64_t i = 0; i < r->p * r->knots; i++)
        if (i % r->knots > 0 && !(r->at[i] >= r->at[i - 1] && r->to[i] >= r->to[i - 1]))
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%s.robust.at' or '%s.robust.to' is not ascending in column "
                               "%" PRId64,
                               view, view, i / r->knots);
    return MUCMM_OK;
}

/* ---- learning ---------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Of sorted values [n]. */
static double median(int64_t n, const float *x)
{
    return ((double)x[(n - 1) / 2] + (double)x[n / 2]) / 2;
}

/* sorted [n], scratch [n]. */
static void learn_winsor(int64_t n, const float *sorted, float *scratch, float *at, float *to)
{
    double middle = median(n, sorted), wide;

    for (int64_t i = 0; i < n; i++)
        scratch[i] = (float)fabs((double)sorted[i] - middle);
    qsort(scratch, (size_t)n, sizeof *scratch, ascending);
    wide = KEPT * MAD_SD * median(n, scratch);
    at[0] = (float)(middle - wide);
    at[1] = (float)(middle + wide);
    if (!(wide > 0)) { /* every value stays, and none is at the end of the map */
        wide = (double)sorted[n - 1] - (double)sorted[0];
        at[0] = (float)((double)sorted[0] - (wide > 0 ? wide : 1));
        at[1] = (float)((double)sorted[n - 1] + (wide > 0 ? wide : 1));
    }
    to[0] = at[0];
    to[1] = at[1];
}

/* Phi^-1: Newton's method on erfc from a logistic guess. */
static double normal_quantile(double p)
{
    double z = log(p / (1 - p)) / 1.702;

    for (int i = 0; i < 20; i++) {
        double error = erfc(-z / sqrt(2)) / 2 - p, slope = exp(-z * z / 2) / sqrt(2 * acos(-1));
        double step = error / slope;
        z -= fmin(fmax(step, -1), 1);
        if (fabs(step) < 1e-12)
            break;
    }
    return z;
}

/* Knots at the values of equally spaced ranks, at each value once. */
static void learn_rank(int64_t n, const float *sorted, float *at, float *to)
{
    int64_t used = 0;

    for (int64_t k = 0; k < MUCMM__MOST_KNOTS; k++) {
        int64_t i = k * (n - 1) / (MUCMM__MOST_KNOTS - 1), first = i, last = i;
        if (used > 0 && sorted[i] == at[used - 1])
            continue;
        while (first > 0 && sorted[first - 1] == sorted[i])
            first--;
        while (last < n - 1 && sorted[last + 1] == sorted[i])
            last++;
        at[used] = sorted[i];
        to[used++] = (float)normal_quantile(((double)(first + last) / 2 + .5) / (double)n);
    }
    for (; used < MUCMM__MOST_KNOTS; used++) {
        at[used] = at[used - 1];
        to[used] = to[used - 1];
    }
}

mucmm_status mucmm__robust_learn(mucmm_ctx *ctx, mucmm_robust kind, int64_t n, int64_t p,
                                 const float *x, mucmm__robust **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t knots = kind == MUCMM_ROBUST_WINSOR ? 2 : MUCMM__MOST_KNOTS;
    float *sorted = NULL, *scratch = NULL;

    TRY(mucmm__robust_alloc(ctx, p, knots, out));
    TRY(mucmm__alloc(ctx, n, sizeof *sorted, &sorted));
    TRY(mucmm__alloc(ctx, n, sizeof *scratch, &scratch));
    for (int64_t j = 0; j < p; j++) {
        float *at = (*out)->at + j * knots, *to = (*out)->to + j * knots;
        for (int64_t i = 0; i < n; i++)
            sorted[i] = x[i * p + j];
        qsort(sorted, (size_t)n, sizeof *sorted, ascending);
        if (kind == MUCMM_ROBUST_WINSOR)
            learn_winsor(n, sorted, scratch, at, to);
        else
            learn_rank(n, sorted, at, to);
    }
done:
    mucmm__free(sorted);
    mucmm__free(scratch);
    return status;
}

/* ---- applying ---------------------------------------------------------------------- */

/* The last i with knot[i] <= x, knot[0] <= x < knot[knots - 1]. */
static int64_t find_knot(int64_t knots, const float *knot, double x)
{
    int64_t low = 0, high = knots - 1;

    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if ((double)knot[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

double mucmm__robust_value(const mucmm__robust *r, int64_t j, double x)
{
    const float *at = r->at + j * r->knots, *to = r->to + j * r->knots;
    int64_t last = r->knots - 1, i;

    if (x <= (double)at[0])
        return (double)to[0];
    if (x >= (double)at[last])
        return (double)to[last];
    if (last == 1) /* between two knots it stays as it is */
        return x;
    i = find_knot(r->knots, at, x);
    return (double)to[i] + (x - (double)at[i]) / ((double)at[i + 1] - (double)at[i]) *
                               ((double)to[i + 1] - (double)to[i]);
}

void mucmm__robust_row(const mucmm__robust *r, float *x)
{
    for (int64_t j = 0; j < r->p; j++)
        x[j] = (float)mucmm__robust_value(r, j, (double)x[j]);
}

double mucmm__robust_slope(const mucmm__robust *r, int64_t j, double y)
{
    const float *at = r->at + j * r->knots, *to = r->to + j * r->knots;
    int64_t last = r->knots - 1, i;
    double near = ROUNDING * ((double)to[last] - (double)to[0]);

    if (!(y > (double)to[0] + near && y < (double)to[last] - near))
        return 0;
    i = find_knot(r->knots, to, y);
    return at[i + 1] > at[i]
               ? ((double)to[i + 1] - (double)to[i]) / ((double)at[i + 1] - (double)at[i])
               : 0;
}
