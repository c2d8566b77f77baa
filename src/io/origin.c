/* SPDX-License-Identifier: MIT
 *
 * origin.c - numbers of a large offset and a small spread: what is taken off them in double, before
 * they become floats. */
#include "io/data.h"

#include <float.h>
#include <math.h>

/* Standard deviations that a mean is away from 0: below, a float keeps 16 bits of a deviation, and
 * what is lost adds less than 1e-10 of the variance. */
#define FAR 256
/* The same, above: no deviation but the rounding of doubles. */
#define TOO_FAR (1 / (8 * DBL_EPSILON))

mucmm_status mucmm__data_centred(mucmm_ctx *ctx, const mucmm_data *from, const double *origin,
                                 mucmm_data **out)
{
    mucmm_status status = mucmm_data_subset(ctx, from, NULL, from->n, out);

    if (status == MUCMM_OK)
        (*out)->origin = origin;
    return status;
}

/* ---- where floats would lose digits ------------------------------------------------------- */

typedef struct search {
    const mucmm_data *data;
    const int64_t *rows; /* [n] of its base */
    int64_t n;
    double *origin;
} search;

/* About a first number, so that no digits are lost either. */
typedef struct column_sums {
    double first, sum, squares;
    int64_t n;
} column_sums;

static void add_number(column_sums *s, double x)
{
    if (isnan(x))
        return;
    if (s->n++ == 0)
        s->first = x;
    s->sum += x - s->first;
    s->squares += (x - s->first) * (x - s->first);
}

static double origin_of(const column_sums *s)
{
    double n = (double)(s->n > 0 ? s->n : 1), shift = s->sum / n, mean = s->first + shift;
    double deviation = sqrt(fmax(s->squares / n - shift * shift, 0));

    return fabs(mean) > FAR * deviation && fabs(mean) < TOO_FAR * deviation && isfinite(mean) ? mean
                                                                                              : 0;
}

enum { COLUMNS = 64 }; /* at a time: rows are read in their order */

static void search_columns(void *arg, int64_t first, int64_t last)
{
    const search *s = arg;

    for (int64_t at = first; at < last; at += COLUMNS) {
        column_sums sums[COLUMNS] = {{0}};
        int64_t n = last - at < COLUMNS ? last - at : COLUMNS;
        for (int64_t i = 0; i < s->n; i++)
            for (int64_t j = 0; j < n; j++)
                add_number(&sums[j], mucmm__data_number(s->data, s->rows[i], at + j));
        for (int64_t j = 0; j < n; j++)
            s->origin[at + j] = origin_of(&sums[j]);
    }
}

/* Types whose numbers are all floats. */
static bool is_exact(mucmm_dtype t)
{
    return mucmm__number_types[t].size < 4 || t == MUCMM_F32;
}

mucmm_status mucmm__data_origin(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows, int64_t n,
                                double **origin)
{
    mucmm_status status = MUCMM_OK;
    int64_t *own = NULL, j = 0;
    search s = {.data = d};

    *origin = NULL;
    if (is_exact(mucmm__data_base(d)->type))
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n, sizeof *own, &own));
    TRY(mucmm__alloc(ctx, d->cols, sizeof *s.origin, &s.origin));
    for (int64_t i = 0; i < n; i++)
        if (mucmm_data_has(d, rows[i]))
            own[s.n++] = mucmm__data_row(d, rows[i]);
    s.rows = own;
    mucmm__parallel_range(ctx, d->cols, COLUMNS, search_columns, &s);
    while (j < d->cols && s.origin[j] == 0)
        j++;
    if (j < d->cols) {
        *origin = s.origin;
        s.origin = NULL;
    }
done:
    mucmm__free(own);
    mucmm__free(s.origin);
    return status;
}
