/* SPDX-License-Identifier: MIT
 *
 * Local scales of prediction errors and their calibration (section 5 of the method). */
#include "model/local_scale.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_NEAR = 30, NEAR_SHARE = 6, NODES = MUCMM__SCALE_NODES };

typedef struct sized {
    double size;
    int64_t row;
} sized;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int largest_first(const void *a, const void *b)
{
    const sized *x = a, *y = b;

    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x->row > y->row) - (x->row < y->row);
}

/* ---- the grid ---------------------------------------------------------------------- */

typedef struct errors {
    int64_t n;
    const double *feature[2];
    double scale[2]; /* 1 / standard deviation; 0 for a feature that is the same in every row */
    sized *error;    /* [n], the largest first */
    double *distance, *sorted;
} errors;

/* Nodes at the quantiles of a feature. */
static void place_nodes(errors *e, int f, double *node)
{
    double mean = 0, square = 0, n = (double)e->n;

    for (int64_t i = 0; i < e->n; i++)
        mean += e->feature[f][i] / n;
    for (int64_t i = 0; i < e->n; i++)
        square += pow(e->feature[f][i] - mean, 2) / n;
    e->scale[f] = square > 1e-20 * mean * mean + 1e-200 ? 1 / sqrt(square) : 0;
    memcpy(e->sorted, e->feature[f], (size_t)e->n * sizeof *e->sorted);
    qsort(e->sorted, (size_t)e->n, sizeof *e->sorted, ascending);
    for (int64_t a = 0; a < NODES; a++)
        node[a] = e->sorted[a * (e->n - 1) / (NODES - 1)];
}

/* The weighted quantile of the errors about one node. */
static double node_value(errors *e, double first, double second)
{
    int64_t near = e->n / NEAR_SHARE < LEAST_NEAR ? LEAST_NEAR : e->n / NEAR_SHARE;
    double width, total = 0, above = 0;

    for (int64_t i = 0; i < e->n; i++)
        e->distance[i] = e->sorted[i] = pow((e->feature[0][i] - first) * e->scale[0], 2) +
                                        pow((e->feature[1][i] - second) * e->scale[1], 2);
    qsort(e->sorted, (size_t)e->n, sizeof *e->sorted, ascending);
    width = e->sorted[near - 1] > 0 ? e->sorted[near - 1] : 1;
    for (int64_t i = 0; i < e->n; i++)
        total += e->distance[i] = exp(-e->distance[i] / width);
    for (int64_t i = 0; i < e->n; i++) {
        above += e->distance[e->error[i].row];
        if (above > (1 - MUCMM__COVERAGE) * total)
            return e->error[i].size;
    }
    return e->error[e->n - 1].size;
}

mucmm_status mucmm__local_scale_fit(mucmm_ctx *ctx, int64_t n, const double *features,
                                    const double *absolute, mucmm__local_scale *s)
{
    mucmm_status status = MUCMM_OK;
    errors e = {.n = n, .feature = {features, features + n}};
    double least;

    TRY(mucmm__alloc(ctx, n, sizeof *e.error, &e.error));
    TRY(mucmm__alloc(ctx, n, sizeof *e.distance, &e.distance));
    TRY(mucmm__alloc(ctx, n, sizeof *e.sorted, &e.sorted));
    for (int64_t i = 0; i < n; i++)
        e.error[i] = (sized){absolute[i], i};
    qsort(e.error, (size_t)n, sizeof *e.error, largest_first);
    least = fmax(1e-6 * e.error[0].size, 1e-300); /* ratios are taken */
    for (int f = 0; f < 2; f++)
        place_nodes(&e, f, s->node[f]);
    for (int64_t a = 0; a < NODES; a++)
        for (int64_t b = 0; b < NODES; b++)
            s->value[a * NODES + b] = fmax(node_value(&e, s->node[0][a], s->node[1][b]), least);
done:
    mucmm__free(e.error);
    mucmm__free(e.distance);
    mucmm__free(e.sorted);
    return status;
}

/* The node before x, and how far x is on the way to the next. */
static int64_t find_node(const double *node, double x, double *part)
{
    int64_t at = 0;

    while (at < NODES - 2 && node[at + 1] <= x)
        at++;
    *part = node[at + 1] > node[at] ? (x - node[at]) / (node[at + 1] - node[at]) : 0;
    *part = fmin(fmax(*part, 0), 1);
    return at;
}

double mucmm__local_scale_at(const mucmm__local_scale *s, double first, double second)
{
    double u, v;
    int64_t a = find_node(s->node[0], first, &u), b = find_node(s->node[1], second, &v);
    const double *at = s->value + a * NODES + b;

    return (1 - u) * ((1 - v) * at[0] + v * at[1]) + u * ((1 - v) * at[NODES] + v * at[NODES + 1]);
}

/* ---- calibration ------------------------------------------------------------------- */

double mucmm__conformal_factor(int64_t n, double *ratios)
{
    int64_t place = (int64_t)ceil(MUCMM__COVERAGE * (double)(n + 1) - 1e-9);

    if (place > n)
        return INFINITY;
    qsort(ratios, (size_t)n, sizeof *ratios, ascending);
    return ratios[place - 1];
}
