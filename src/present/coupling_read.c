/* SPDX-License-Identifier: MIT
 *
 * The matrix behind the factors: whole, a row, its sums, its strongest pairs; does it add up? */
#include "present/coupling.h"

#include <inttypes.h>
#include <math.h>

enum { CHECKED_ROWS = 1000 };

mucmm_status mucmm__coupling_place(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                   int64_t cell)
{
    if (i < 0 || i >= c->n)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "coupling: sample %" PRId64 " asked for, the samples are 0 to %" PRId64,
                           i, c->n - 1);
    if (side != 0 && side != 1)
        return mucmm__fail(ctx, MUCMM_EARG, "coupling: side %d; it is 0 (first) or 1 (second)",
                           side);
    if (cell < 0 || cell >= c->side[side].of[i].n)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "coupling: cell %" PRId64 " asked for; '%s' of sample %" PRId64
                           " has 0 to %" PRId64,
                           cell, mucmm_coupling_name(c, side), i, c->side[side].of[i].n - 1);
    return MUCMM_OK;
}

/* Row `cell` of the matrix of a sample, from `side` to the other, masked. */
static void masked_row(const mucmm_coupling *c, int64_t i, int32_t side, int64_t cell, float *out)
{
    const mucmm__coupled *a = &c->side[side].of[i], *b = &c->side[1 - side].of[i];
    const float *p = mucmm_coupling_p_values(c, i);

    mucmm__coupling_row(c->weight, c->k, a, cell, b, out);
    for (int64_t x = 0; p && !isnan(c->mask) && x < b->n; x++)
        if (!((double)p[side == 0 ? cell * b->n + x : x * a->n + cell] <= c->mask) &&
            !isnan(out[x]))
            out[x] = 0;
}

mucmm_status mucmm_coupling_map(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                int64_t cell, float *out)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__coupling_place(ctx, c, i, side, cell));
    masked_row(c, i, side, cell, out);
done:
    return status;
}

mucmm_status mucmm_coupling_matrix(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                   const mucmm_mat *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows, cols;

    TRY(mucmm__coupling_place(ctx, c, i, 0, 0));
    rows = c->side[0].of[i].n;
    cols = c->side[1].of[i].n;
    if ((double)rows * (double)cols > MUCMM_COUPLING_MOST)
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "coupling: a matrix of %" PRId64 " x %" PRId64
                        " cells, at most %d numbers can be had whole; ask for rows, columns, the "
                        "strongest pairs or the factors",
                        rows, cols, MUCMM_COUPLING_MOST));
    if (out->rows != rows || out->cols != cols || out->stride < cols)
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE,
                        "coupling: the matrix of sample %" PRId64 " is [%" PRId64 ", %" PRId64 "]",
                        i, rows, cols));
    for (int64_t y = 0; y < rows; y++)
        masked_row(c, i, 0, y, out->data + y * out->stride);
done:
    return status;
}

/* Without a mask the sums of rows are those with the sum of the other factor. */
static mucmm_status plain_totals(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                 float *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__coupled *a = &c->side[side].of[i], *b = &c->side[1 - side].of[i];
    double *sum = NULL;

    TRY(mucmm__alloc(ctx, c->k, sizeof *sum, &sum));
    for (int64_t x = 0; x < b->n; x++)
        for (int64_t j = 0; j < c->k; j++)
            sum[j] += c->weight[j] * (double)b->factor[x * c->k + j];
    for (int64_t y = 0; y < a->n; y++) {
        double total = 0;
        for (int64_t j = 0; j < c->k; j++)
            total += sum[j] * (double)a->factor[y * c->k + j];
        out[y] = (float)total;
    }
done:
    mucmm__free(sum);
    return status;
}

mucmm_status mucmm_coupling_totals(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                   float *out)
{
    mucmm_status status = MUCMM_OK;
    float *row = NULL;

    TRY(mucmm__coupling_place(ctx, c, i, side, 0));
    if (isnan(c->mask))
        return plain_totals(ctx, c, i, side, out);
    int64_t n = c->side[1 - side].of[i].n;
    TRY(mucmm__alloc(ctx, n, sizeof *row, &row));
    for (int64_t y = 0; y < c->side[side].of[i].n; y++) {
        double total = 0;
        masked_row(c, i, side, y, row);
        for (int64_t x = 0; x < n; x++)
            total += (double)row[x];
        out[y] = (float)total;
    }
done:
    mucmm__free(row);
    return status;
}

/* Puts a pair into its place among the *found largest. */
static void enter(mucmm_coupled_pair pair, int64_t n, mucmm_coupled_pair *out, int64_t *found)
{
    int64_t at = *found < n ? (*found)++ : n;

    for (; at > 0 && fabsf(pair.value) > fabsf(out[at - 1].value); at--)
        if (at < n)
            out[at] = out[at - 1];
    if (at < n)
        out[at] = pair;
}

mucmm_status mucmm_coupling_strongest(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int64_t n,
                                      mucmm_coupled_pair *out, int64_t *found)
{
    mucmm_status status = MUCMM_OK;
    float *row = NULL;
    int64_t cols;

    *found = 0;
    TRY(mucmm__coupling_place(ctx, c, i, 0, 0));
    if (n < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "coupling: %" PRId64 " pairs cannot be had", n);
    cols = c->side[1].of[i].n;
    TRY(mucmm__alloc(ctx, cols, sizeof *row, &row));
    for (int64_t y = 0; n > 0 && y < c->side[0].of[i].n; y++) {
        TRY(mucmm__progress(ctx, "strongest pairs", y, c->side[0].of[i].n, NULL));
        masked_row(c, i, 0, y, row);
        for (int64_t x = 0; x < cols; x++)
            if (*found < n || fabsf(row[x]) > fabsf(out[n - 1].value))
                enter((mucmm_coupled_pair){y, x, row[x]}, n, out, found);
    }
done:
    mucmm__free(row);
    return status;
}

/* ---- does it add up? --------------------------------------------------------------- */

void mucmm_coupling_sums_init_sized(mucmm_coupling_sums *s, size_t size)
{
    const mucmm_coupling_sums nothing = {.range = NAN, .sum = NAN, .gap = NAN};

    mucmm__params_init(s, size, &nothing, sizeof nothing);
}

/* Largest less smallest score of the pair among the first rows. */
static mucmm_status find_range(mucmm_ctx *ctx, const mucmm_coupling *c, double *range)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(c->m, c->representation);
    int64_t all = mucmm_data_rows(c->side[0].data), n = all < CHECKED_ROWS ? all : CHECKED_ROWS;
    double lo = INFINITY, hi = -INFINITY;
    mucmm_data *first = NULL;
    float *v[2] = {NULL, NULL};
    int64_t *rows = NULL;

    TRY(mucmm__alloc(ctx, n, sizeof *rows, &rows));
    for (int64_t i = 0; i < n; i++)
        rows[i] = i;
    for (int side = 0; side < 2; side++) {
        TRY(mucmm__alloc(ctx, n * c->k, sizeof *v[side], &v[side]));
        TRY(mucmm_data_subset(ctx, c->side[side].data, rows, n, &first));
        TRY(mucmm__represent_all(ctx, c->m, rep, c->side[side].view, first, v[side], NULL));
        mucmm_data_free(first);
        first = NULL;
    }
    for (int64_t i = 0; i < n; i++) {
        double s = 0;
        for (int64_t j = 0; j < c->k; j++)
            s += c->weight[j] * (double)v[0][i * c->k + j] * (double)v[1][i * c->k + j];
        lo = s < lo ? s : lo; /* rows that lack a view are NaN */
        hi = s > hi ? s : hi;
    }
    *range = hi > lo ? hi - lo : 1;
done:
    mucmm_data_free(first);
    mucmm__free(v[0]);
    mucmm__free(v[1]);
    mucmm__free(rows);
    return status;
}

/* The sum over all pairs of cells. */
static double matrix_sum(const mucmm_coupling *c, int64_t i)
{
    double sum = 0;

    for (int64_t j = 0; j < c->k; j++) {
        double of[2] = {0, 0};
        for (int side = 0; side < 2; side++)
            for (int64_t a = 0; a < c->side[side].of[i].n; a++)
                of[side] += (double)c->side[side].of[i].factor[a * c->k + j];
        sum += c->weight[j] * of[0] * of[1];
    }
    return sum;
}

mucmm_status mucmm_coupling_check(mucmm_ctx *ctx, const mucmm_coupling *c, mucmm_coupling_sums *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_coupling_sums s = {.struct_size = sizeof s};

    TRY(find_range(ctx, c, &s.range));
    for (int64_t i = 0; i < c->n; i++) {
        s.sum = fmax(s.sum, fabs(matrix_sum(c, i) - c->scores[i]) / s.range);
        s.gap = fmax(s.gap, fabs(c->gaps[i]) / s.range);
    }
    if (!mucmm__params_give(&s, sizeof s, out))
        status = mucmm__fail(ctx, MUCMM_EARG, "mucmm_coupling_sums was not set up with its init");
done:
    return status;
}
