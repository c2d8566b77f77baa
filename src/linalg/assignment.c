/* SPDX-License-Identifier: MIT
 *
 * assignment.c - the one-to-one assignment with the largest sum (Kuhn 1955), by shortest
 * augmenting paths (Jonker and Volgenant 1987): O(n^3). */
#include "linalg/linalg.h"

#include <math.h>

/* Potentials u, v keep -gain[i][j] - u[i] - v[j] >= 0, with 0 on what is assigned; row 0 and column
 * 0 stand for "none", so real ones count from 1. */
typedef struct assignment {
    double *u, *v, *least; /* [n + 1] */
    int64_t *row, *way;    /* [n + 1]: the row of a column; the column before it on the path */
    bool *used;            /* [n + 1] */
} assignment;

/* The free column that the shortest path from the used ones reaches next. */
static int64_t next_column(const assignment *a, int64_t n, const double *gain, int64_t from)
{
    int64_t i = a->row[from], next = 0;
    double delta = INFINITY;

    a->used[from] = true;
    for (int64_t l = 1; l <= n; l++) {
        if (a->used[l])
            continue;
        double left = -gain[(i - 1) * n + l - 1] - a->u[i] - a->v[l];
        if (left < a->least[l]) {
            a->least[l] = left;
            a->way[l] = from;
        }
        if (a->least[l] < delta) {
            delta = a->least[l];
            next = l;
        }
    }
    for (int64_t l = 0; l <= n; l++)
        if (a->used[l]) {
            a->u[a->row[l]] += delta;
            a->v[l] -= delta;
        } else {
            a->least[l] -= delta;
        }
    return next;
}

/* Assigns row `first`, moving those assigned before where that is better. */
static void augment(const assignment *a, int64_t n, const double *gain, int64_t first)
{
    int64_t j = 0;

    a->row[0] = first;
    for (int64_t l = 0; l <= n; l++) {
        a->least[l] = INFINITY;
        a->used[l] = false;
    }
    do
        j = next_column(a, n, gain, j);
    while (a->row[j] != 0);
    for (; j != 0; j = a->way[j])
        a->row[j] = a->row[a->way[j]];
}

mucmm_status mucmm__assign(mucmm_ctx *ctx, int64_t n, const double *gain, int64_t *column)
{
    mucmm_status status = MUCMM_OK;
    assignment a = {0};

    for (int64_t i = 0; i < n * n; i++)
        if (!isfinite(gain[i]))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "a similarity of two components is not finite; nothing can be "
                               "assigned");
    TRY(mucmm__alloc(ctx, n + 1, sizeof *a.u, &a.u));
    TRY(mucmm__alloc(ctx, n + 1, sizeof *a.v, &a.v));
    TRY(mucmm__alloc(ctx, n + 1, sizeof *a.least, &a.least));
    TRY(mucmm__alloc(ctx, n + 1, sizeof *a.row, &a.row));
    TRY(mucmm__alloc(ctx, n + 1, sizeof *a.way, &a.way));
    TRY(mucmm__alloc(ctx, n + 1, sizeof *a.used, &a.used));
    for (int64_t i = 1; i <= n; i++)
        augment(&a, n, gain, i);
    for (int64_t j = 1; j <= n; j++)
        column[a.row[j] - 1] = j - 1;
done:
    mucmm__free(a.u);
    mucmm__free(a.v);
    mucmm__free(a.least);
    mucmm__free(a.row);
    mucmm__free(a.way);
    mucmm__free(a.used);
    return status;
}
