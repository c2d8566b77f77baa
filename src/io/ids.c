/* SPDX-License-Identifier: MIT
 *
 * ids.c - columns that can be no measurements: numbers of the rows, identifiers, the same column in
 * two views. They are what all views share, and say nothing of it. */
#include "io/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    SPREAD = 512, /* rows that every column is asked about */
    FEWEST = 12,  /* rows, fewer could be so by chance     */
    VARYING = 3   /* rows that differ from the most frequent value of a column */
};

/* The rows that are asked about: i of n, spread over all that both have. */
static int64_t spread_row(int64_t i, int64_t n, int64_t rows)
{
    return n == rows ? i : i * (rows - 1) / (n - 1);
}

/* "id", "Sample_ID", "Unnamed: 0": letters alone are compared. */
static bool is_id_name(const char *name)
{
    static const char *const ids[] = {
        "id",       "ids",       "index",     "idx",           "key",
        "no",       "nr",        "number",    "row",           "sample",
        "subject",  "patient",   "unnamed0",  "participant",   "rownames",
        "sampleid", "subjectid", "patientid", "participantid", "rowid"};
    char plain[24];
    size_t n = 0;

    for (; name && *name && n + 1 < sizeof plain; name++)
        if (!strchr("_-.: ", *name))
            plain[n++] = *name;
    plain[n] = '\0';
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (strcasecmp(plain, ids[i]) == 0)
            return true;
    return false;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* NaN: row i lacks the view. */
static double number_of(const mucmm_data *d, int64_t i, int64_t j)
{
    int64_t row = mucmm__data_row(d, i);

    return row < 0 ? NAN : mucmm__data_number(d, row, j);
}

/* Values of column j in n of the rows, into x; NaN where a row lacks the view. */
static void take_column(const mucmm_data *d, int64_t j, int64_t n, double *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = number_of(d, spread_row(i, n, d->n), j);
}

/* Does it grow by one from row to row? */
static bool counts_rows(const mucmm_data *d, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != x[0] + (double)spread_row(i, n, d->n) || x[i] != rint(x[i]))
            return false;
    return true;
}

/* Whole numbers, no two of which are the same? Sorts x. */
static bool tells_rows(double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != rint(x[i])) /* also NaN */
            return false;
    qsort(x, (size_t)n, sizeof *x, compare_numbers);
    for (int64_t i = 1; i < n; i++)
        if (x[i] == x[i - 1])
            return false;
    return true;
}

/* Are there rows that differ from the most frequent value? Sorts x. */
static bool varies(double *x, int64_t n)
{
    int64_t most = 0, run = 1;

    qsort(x, (size_t)n, sizeof *x, compare_numbers);
    for (int64_t i = 1; i < n; i++) {
        run = x[i] == x[i - 1] ? run + 1 : 1;
        most = run > most ? run : most;
    }
    return n - most >= VARYING;
}

static mucmm_status fail_id(mucmm_ctx *ctx, const mucmm_view *v, int64_t j, const char *what)
{
    const char *name = mucmm_data_column(v->data, j);
    char quoted[MUCMM__QUOTE];

    return mucmm__fail(ctx, MUCMM_EARG,
                       "%s: view '%s': column %" PRId64 "%s%s%s %s: no measurement, but views that "
                       "have it share it. If it names the rows, give it as `key`; else leave it "
                       "out (`ignore`); if it is one, say so (`allow_ids`)",
                       mucmm_data_label(v->data), v->name, j, name ? " ('" : "",
                       name ? mucmm__quote(quoted, name) : "", name ? "')" : "", what);
}

/* x [all rows] is room. */
static mucmm_status check_column(mucmm_ctx *ctx, const mucmm_view *v, int64_t j, double *x)
{
    const mucmm_data *d = v->data;
    int64_t n = d->n < SPREAD ? d->n : SPREAD;

    take_column(d, j, n, x);
    if (counts_rows(d, x, n)) {
        take_column(d, j, d->n, x);
        if (counts_rows(d, x, d->n))
            return fail_id(ctx, v, j, "counts the rows");
    }
    if (is_id_name(mucmm_data_column(d, j)) && tells_rows(x, n)) {
        take_column(d, j, d->n, x);
        if (tells_rows(x, d->n))
            return fail_id(ctx, v, j,
                           "holds whole numbers, another in every row, and its name says "
                           "that it tells rows apart");
    }
    return MUCMM_OK;
}

/* ---- the same in two views ----------------------------------------------------------- */

typedef struct hashed {
    uint64_t hash;
    int32_t view;
    int64_t column;
} hashed;

static int compare_hashes(const void *a, const void *b)
{
    const hashed *x = a, *y = b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->view != y->view)
        return x->view < y->view ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

static bool same_columns(const mucmm_data *a, int64_t i, const mucmm_data *b, int64_t j)
{
    for (int64_t r = 0; r < a->n; r++) {
        double x = number_of(a, r, i), y = number_of(b, r, j);
        if (x != y && !(isnan(x) && isnan(y)))
            return false;
    }
    return true;
}

static mucmm_status check_pair(mucmm_ctx *ctx, const mucmm_view *views, const hashed *a,
                               const hashed *b, double *x)
{
    const mucmm_view *v = &views[a->view], *w = &views[b->view];
    const char *name = mucmm_data_column(w->data, b->column);
    char what[MUCMM__QUOTE + 96], quoted[MUCMM__QUOTE];
    int64_t n = v->data->n < SPREAD ? v->data->n : SPREAD;

    take_column(v->data, a->column, n, x);
    if (!varies(x, n) || !same_columns(v->data, a->column, w->data, b->column))
        return MUCMM_OK;
    snprintf(what, sizeof what, "is column %" PRId64 "%s%s%s of view '%.64s' again", b->column,
             name ? " ('" : "", name ? mucmm__quote(quoted, name) : "", name ? "')" : "", w->name);
    return fail_id(ctx, v, a->column, what);
}

static mucmm_status check_twins(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views, double *x)
{
    mucmm_status status = MUCMM_OK;
    int64_t all = 0, at = 0, n = views[0].data->n < SPREAD ? views[0].data->n : SPREAD;
    hashed *h = NULL;

    for (int32_t v = 0; v < n_views; v++)
        all += mucmm__data_base(views[v].data)->encoded ? 0 : views[v].data->cols;
    TRY(mucmm__alloc(ctx, all + 1, sizeof *h, &h));
    for (int32_t v = 0; v < n_views; v++)
        for (int64_t j = 0; !mucmm__data_base(views[v].data)->encoded && j < views[v].data->cols;
             j++) {
            take_column(views[v].data, j, n, x);
            h[at++] = (hashed){mucmm__hash(MUCMM__HASH_START, x, (size_t)n * sizeof *x), v, j};
        }
    qsort(h, (size_t)at, sizeof *h, compare_hashes);
    for (int64_t i = 1; i < at; i++)
        if (h[i].hash == h[i - 1].hash && h[i].view != h[i - 1].view)
            TRY(check_pair(ctx, views, &h[i - 1], &h[i], x));
done:
    mucmm__free(h);
    return status;
}

mucmm_status mucmm__check_ids(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows = views[0].data->n;
    double *x = NULL;

    if (rows < FEWEST)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, rows, sizeof *x, &x));
    for (int32_t v = 0; v < n_views; v++)
        for (int64_t j = 0; !mucmm__data_base(views[v].data)->encoded && j < views[v].data->cols;
             j++)
            TRY(check_column(ctx, &views[v], j, x));
    TRY(check_twins(ctx, views, n_views, x));
done:
    mucmm__free(x);
    return status;
}
