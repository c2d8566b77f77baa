/* SPDX-License-Identifier: MIT
 *
 * data.c - the rows of one view, wherever they lie: a mapped file, a parsed table, the
 * caller's memory, or rows of another data object. They become float when read. */
#include "io/arrays.h"
#include "io/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

void mucmm_data_params_init_sized(mucmm_data_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_data_params){.missing_row = .5, .missing_column = .5},
                       sizeof *p);
}

/* ---- making and freeing ------------------------------------------------------------ */

mucmm_status mucmm__data_create(mucmm_ctx *ctx, const char *label, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *d = NULL;

    TRY(mucmm__alloc(ctx, 1, sizeof *d, &d));
    atomic_init(&d->references, 1);
    if (label)
        TRY(mucmm__strdup(ctx, label, &d->label));
    *out = d;
    d = NULL;
done:
    mucmm_data_free(d);
    return status;
}

mucmm_data *mucmm__data_keep(const mucmm_data *d)
{
    mucmm_data *kept = (mucmm_data *)(uintptr_t)d;

    atomic_fetch_add(&(kept->owner ? kept->owner : kept)->references, 1);
    return kept;
}

void mucmm_data_free(mucmm_data *d)
{
    d = d && d->owner ? d->owner : d; /* what was selected of it lives as long */
    if (!d || atomic_fetch_sub(&d->references, 1) > 1)
        return;
    for (mucmm_data *s = d->selected, *next; s; s = next) {
        next = s->next;
        s->owner = s->base = NULL; /* its base is d's */
        mucmm_data_free(s);
    }
    if (d->encoded)
        d->encoded_free(d->encoded);
    if (d->shown)
        d->shown_free(d->shown);
    mucmm_data_free(d->base);
    mucmm_table_free(d->covariates);
    mucmm__map_close(&d->map);
    mucmm__table_drop(&d->table);
    mucmm__free(d->owned);
    mucmm__free(d->missing);
    mucmm__free(d->empty);
    mucmm_data_free(d->before);
    mucmm__free(d->column_at);
    mucmm__free(d->rows);
    mucmm__free(d->columns);
    mucmm__free(d->label);
    mucmm__free(d->raw_mean);
    if (d->release)
        d->release(d->release_user);
    mucmm__free(d);
}

/* Takes over t. */
static void set_table(mucmm_data *d, const mucmm__table *t)
{
    d->table = *t;
    d->n = t->rows;
    d->cols = d->shape[0] = t->cols;
    d->rank = 1;
    d->values = (const unsigned char *)t->values;
    d->type = MUCMM_F64;
    d->column_step = sizeof *t->values;
    d->row_step = t->cols * d->column_step;
}

/* First axis = rows. In Fortran order the other axes have to be looked up column by column. */
static mucmm_status set_array(mucmm_ctx *ctx, mucmm_data *d, const mucmm__array *a)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = mucmm__number_types[a->type].size, bytes = 0;

    mucmm__array_bytes(a, &bytes);
    if (a->rank == 0 || bytes == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: %s; rows and at least one column are needed",
                           d->label, a->rank ? "no values (a dimension is 0)" : "a single number");
    d->n = a->shape[0];
    d->cols = bytes / size / d->n;
    d->rank = a->rank > 1 ? a->rank - 1 : 1;
    d->shape[0] = 1;
    memcpy(d->shape, a->shape + 1, (size_t)(a->rank - 1) * sizeof *d->shape);
    d->values = a->data;
    d->type = a->type;
    d->swap = a->swap;
    d->row_step = a->fortran ? size : d->cols * size;
    d->column_step = a->fortran ? d->n * size : size;
    if (a->fortran && a->rank > 2) {
        TRY(mucmm__alloc(ctx, d->cols, sizeof *d->column_at, &d->column_at));
        for (int64_t j = 0; j < d->cols; j++)
            d->column_at[j] = mucmm__array_offset(a, 1, j);
    }
done:
    return status;
}

static mucmm_status fail_empty_rows(mucmm_ctx *ctx, const mucmm_data *d, int64_t n, int64_t first)
{
    char place[64];

    if (n == d->n)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: no row holds a value", d->label);
    snprintf(place, sizeof place, d->table.line ? "in line %" PRId64 : "row %" PRId64,
             d->table.line ? d->table.line[first] : first);
    return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                       "%s: %" PRId64 " of %" PRId64
                       " rows hold no value (the first is %s); remove "
                       "or drop them (`missing` drop), or allow rows that lack a view (`missing` "
                       "allow)",
                       d->label, n, d->n, place);
}

/* The table of a file, which may be compressed or have its samples in columns. */
static mucmm_status parse_csv(mucmm_ctx *ctx, const mucmm__map *file, const mucmm_data_params *p,
                              const char *label, mucmm__table *table)
{
    mucmm_status status = MUCMM_OK;
    unsigned char *plain = NULL, *turned = NULL;
    const unsigned char *bytes = file->data;
    size_t size = file->size;

    if (mucmm__is_gzip(bytes, size)) {
        TRY(mucmm__gunzip(ctx, label, bytes, size, &plain, &size));
        bytes = plain;
    }
    if (p->transpose) {
        TRY(mucmm__csv_transpose(ctx, label, bytes, size, &turned, &size));
        bytes = turned;
    }
    TRY(mucmm__csv_parse(ctx, label, bytes, size, p, table));
done:
    mucmm__free(plain);
    mucmm__free(turned);
    return status;
}

static mucmm_status parse_text(mucmm_ctx *ctx, const mucmm__map *file, const mucmm_data_params *p,
                               mucmm_data *d)
{
    mucmm__table table;
    int64_t first = 0;
    mucmm_status status = parse_csv(ctx, file, p, d->label, &table);

    if (status != MUCMM_OK)
        return status;
    set_table(d, &table);
    if (p && p->missing)
        return mucmm__data_mark_empty(ctx, d, p);
    if (table.hole[0])
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "%s:%s is a missing value, and the row has others: fill it in, or allow "
                           "empty cells (`missing` allow), or drop such rows (`missing` drop)",
                           d->label, table.hole);
    if (table.n_empty == 0)
        return MUCMM_OK;
    while (!table.empty[first])
        first++;
    return fail_empty_rows(ctx, d, table.n_empty, first);
}

static void read_row(const mucmm_data *d, int64_t row, const double *origin, float *out);

/* How many rows of a file hold nothing but NaN, and the first of them. x [cols] is room for a row.
 */
static int64_t find_empty_rows(const mucmm_data *d, float *x, int64_t *first)
{
    int64_t empty = 0;

    for (int64_t i = 0; i < d->n; i++) {
        int64_t j = 0;
        read_row(d, i, NULL, x);
        while (j < d->cols && isnan(x[j]))
            j++;
        if (j < d->cols)
            continue;
        *first = empty++ > 0 ? *first : i;
    }
    return empty;
}

/* empty [n] and filled [cols]: cells without a value of each row, and rows that have one in each
 * column, of rows with no more than `most` cells empty; returns how many of these there are. */
static int64_t count_empty(const mucmm_data *d, float *x, int64_t most, int32_t *empty,
                           int64_t *filled)
{
    int64_t rows = 0;

    for (int64_t i = 0; i < d->n; i++) {
        read_row(d, i, NULL, x);
        empty[i] = 0;
        for (int64_t j = 0; j < d->cols; j++)
            empty[i] += isnan(x[j]) != 0;
        if (empty[i] > most)
            continue;
        rows++;
        for (int64_t j = 0; j < d->cols; j++)
            filled[j] += !isnan(x[j]);
    }
    return rows;
}

static mucmm_status fail_all_rows(mucmm_ctx *ctx, const mucmm_data *d)
{
    bool some = false;

    for (int64_t i = 0; i < d->n; i++)
        some = some || d->empty[i] < d->cols;
    return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: no row %s", d->label,
                       !some       ? "holds a value"
                       : d->allows ? "has values in enough of its cells (`missing_row`)"
                                   : "is without an empty cell");
}

static mucmm_status check_columns(mucmm_ctx *ctx, const mucmm_data *d, const mucmm_data_params *p,
                                  const int64_t *filled, int64_t rows)
{
    char quoted[MUCMM__QUOTE], name[MUCMM__QUOTE + 8] = "";

    for (int64_t j = 0; j < d->cols; j++) {
        if ((double)(rows - filled[j]) <= p->missing_column * (double)rows)
            continue;
        if (mucmm_data_column(d, j))
            snprintf(name, sizeof name, " ('%s')", mucmm__quote(quoted, mucmm_data_column(d, j)));
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "%s: column %" PRId64 "%s is empty in %" PRId64 " of %" PRId64
                           " rows; a share of %g may be (`missing_column`): leave it out, or raise "
                           "the limit",
                           d->label, j, name, rows - filled[j], rows, p->missing_column);
    }
    return MUCMM_OK;
}

/* Of a file that is not only NaN, the rows with more than most empty cells lack the view. */
static mucmm_status mark_rows(mucmm_ctx *ctx, mucmm_data *d, int64_t most, int64_t rows)
{
    mucmm_status status = MUCMM_OK;
    bool some = false;

    if (rows < d->n)
        TRY(mucmm__alloc(ctx, d->n, sizeof *d->missing, &d->missing));
    for (int64_t i = 0; i < d->n; i++)
        if (d->empty[i] > most) {
            d->missing[i] = true;
            d->sparse += d->empty[i] < d->cols;
        } else
            some = some || d->empty[i] > 0;
    if (some)
        goto done;
    mucmm__free(d->empty);
    d->empty = NULL;
done:
    return status;
}

mucmm_status mucmm__data_mark_empty(mucmm_ctx *ctx, mucmm_data *d, const mucmm_data_params *p)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows, most, *filled = NULL;
    float *x = NULL;

    if (!(p->missing_row >= 0 && p->missing_row <= 1 && p->missing_column >= 0 &&
          p->missing_column <= 1))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: missing_row %g and missing_column %g are not "
                           "shares from 0 to 1",
                           d->label, p->missing_row, p->missing_column);
    d->allows = p->missing == MUCMM_MISSING_ALLOW;
    if (!mucmm__number_types[d->type].is_float)
        return MUCMM_OK;
    most = d->allows ? (int64_t)(p->missing_row * (double)d->cols) : 0;
    most = most < d->cols ? most : d->cols - 1;
    TRY(mucmm__alloc(ctx, d->cols, sizeof *x, &x));
    TRY(mucmm__alloc(ctx, d->cols, sizeof *filled, &filled));
    TRY(mucmm__alloc(ctx, d->n, sizeof *d->empty, &d->empty));
    rows = count_empty(d, x, most, d->empty, filled);
    if (rows == 0)
        TRY(fail_all_rows(ctx, d));
    if (d->allows)
        TRY(check_columns(ctx, d, p, filled, rows));
    TRY(mark_rows(ctx, d, most, rows));
done:
    mucmm__free(filled);
    mucmm__free(x);
    return status;
}

static mucmm_status fail_no_keys(mucmm_ctx *ctx, const mucmm_data *d)
{
    return mucmm__fail(ctx, MUCMM_EARG,
                       "%s: has no key column; only .csv, .tsv and .h5ad files have keys",
                       d->label);
}

static mucmm_status take_array(mucmm_ctx *ctx, const mucmm__array *a, const mucmm_data_params *p,
                               mucmm_data *d)
{
    mucmm_status status = set_array(ctx, d, a);

    if (status != MUCMM_OK)
        return status;
    d->table.keyed = p->key && d->table.key_at;
    if (p->key && !d->table.keyed)
        return fail_no_keys(ctx, d);
    return p->missing ? mucmm__data_mark_empty(ctx, d, p) : MUCMM_OK;
}

/* The kind by the first bytes, else by the name. */
static mucmm_status parse(mucmm_ctx *ctx, const mucmm__found *f, const mucmm_data_params *p,
                          mucmm_data *d)
{
    mucmm_status status = MUCMM_OK;
    mucmm__array a;

    if (f->size == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the file is empty", d->label);
    if (f->name || mucmm__holds_array(f)) {
        if (p->transpose)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "%s: cannot be transposed; only .csv and .tsv files are", d->label);
        if (p->key && !mucmm__is_hdf5(f->bytes, f->size))
            return fail_no_keys(ctx, d);
        TRY(mucmm__array_parse(ctx, f, &d->owned, &d->map, &a, &d->table));
        return take_array(ctx, &a, p, d);
    }
    if (mucmm__is_table_name(d->label))
        return parse_text(ctx, &(mucmm__map){f->bytes, f->size}, p, d);
    return mucmm__kind_fail(ctx, d->label);
done:
    return status;
}

/* A map that the values lie in moves into the data object: *map becomes empty. */
static mucmm_status open_file(mucmm_ctx *ctx, const mucmm__found *f,
                              const mucmm_data_params *params, mucmm__map *map, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *d = NULL;
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_data_params", params, &p, sizeof p));
    if (p.header < MUCMM_HEADER_AUTO || p.header > MUCMM_HEADER_NO ||
        p.decimal < MUCMM_DECIMAL_AUTO || p.decimal > MUCMM_DECIMAL_COMMA)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: `header` %d and `decimal` %d are 0, 1 or 2",
                           f->label, p.header, p.decimal);
    TRY(mucmm__data_create(ctx, f->label, &d));
    TRY(parse(ctx, f, &p, d));
    if (map && !d->owned && !d->map.data && !d->table.values) {
        d->map = *map;
        *map = (mucmm__map){NULL, 0};
    }
    *out = d;
    d = NULL;
done:
    mucmm_data_free(d);
    return status;
}

static mucmm_status open_shards(mucmm_ctx *ctx, const char *path, const mucmm_data_params *params,
                                mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *d = NULL;
    mucmm_data_params p;
    mucmm__array a;

    mucmm_data_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_data_params", params, &p, sizeof p));
    TRY(mucmm__data_create(ctx, path, &d));
    TRY(mucmm__shards_read(ctx, path, &d->owned, &a));
    TRY(take_array(ctx, &a, &p, d));
    *out = d;
    d = NULL;
done:
    mucmm_data_free(d);
    return status;
}

mucmm_status mucmm__data_open_memory(mucmm_ctx *ctx, const char *name,
                                     const mucmm_data_params *params, const void *bytes,
                                     size_t size, mucmm_data **out)
{
    *out = NULL;
    return open_file(ctx, &(mucmm__found){.bytes = bytes, .size = size, .label = name}, params,
                     NULL, out);
}

mucmm_status mucmm__data_open(mucmm_ctx *ctx, const char *path, const mucmm_data_params *params,
                              mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {NULL, 0};
    mucmm__found f = {.label = path};
    char *file = NULL;

    *out = NULL;
    if (!path)
        return mucmm__fail(ctx, MUCMM_EARG, "no file name");
    if (mucmm__is_shards(path))
        return open_shards(ctx, path, params, out);
    TRY(mucmm__strdup(ctx, path, &file));
    f.name = mucmm__array_name(path);
    if (f.name)
        file[f.name - path - 1] = '\0';
    f.path = file;
    TRY(mucmm__map_open(ctx, file, &map));
    f.bytes = map.data;
    f.size = map.size;
    TRY(open_file(ctx, &f, params, &map, out));
done:
    mucmm__map_close(&map);
    mucmm__free(file);
    return status;
}

mucmm_status mucmm__check_used(mucmm_ctx *ctx, const mucmm_data_params *p, const mucmm_data *d,
                               const uint64_t used[3])
{
    const char *lists[] = {p->columns, p->ignore, p->categories};
    static const char *const names[] = {"columns", "ignore", "categories"};
    char item[MUCMM__ITEM], quoted[MUCMM__QUOTE];

    for (int k = 0; k < 3; k++)
        for (int64_t i = 0; i < 64 && mucmm__list_item(lists[k], i, item); i++)
            if (item[0] && !(used[k] >> i & 1))
                return mucmm__fail(
                    ctx, MUCMM_EARG,
                    "%s: no column is '%s', which `%s` names; columns have the names "
                    "of the table's header, without one the numbers 1, 2, ..",
                    mucmm_data_label(d), mucmm__quote(quoted, item), names[k]);
    return MUCMM_OK;
}

mucmm_status mucmm_data_open(mucmm_ctx *ctx, const char *path, const mucmm_data_params *params,
                             mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data_params p;

    *out = NULL;
    mucmm_data_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_data_params", params, &p, sizeof p));
    TRY(mucmm__data_open(ctx, path, &p, out));
    TRY(mucmm__check_used(ctx, &p, *out, (*out)->table.used));
done:
    if (status != MUCMM_OK) {
        mucmm_data_free(*out);
        *out = NULL;
    }
    return status;
}

/* least: 0, or -1 where a row may be missing. */
static mucmm_status check_rows(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows, int64_t n,
                               int64_t least)
{
    if (n < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: %" PRId64 " rows asked for", mucmm_data_label(d),
                           n);
    if (!rows && n > d->n)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: %" PRId64 " rows asked for, it has %" PRId64,
                           mucmm_data_label(d), n, d->n);
    for (int64_t i = 0; rows && i < n; i++)
        if (rows[i] < least || rows[i] >= d->n)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "%s: row %" PRId64 " asked for, the rows are 0 to %" PRId64,
                               mucmm_data_label(d), rows[i], d->n - 1);
    return MUCMM_OK;
}

/* Of the same rows; what is known of a row is known of it although it lacks this view. */
static mucmm_status subset_covariates(mucmm_ctx *ctx, const mucmm_data *from, const int64_t *rows,
                                      int64_t n, mucmm_data *to)
{
    mucmm_status status = MUCMM_OK;
    int64_t *all = NULL;

    if (!rows) {
        TRY(mucmm__alloc(ctx, n, sizeof *all, &all));
        for (int64_t i = 0; i < n; i++)
            all[i] = i;
    }
    TRY(mucmm__table_subset(ctx, from->covariates, rows ? rows : all, n, &to->covariates));
done:
    mucmm__free(all);
    return status;
}

mucmm_status mucmm_data_subset(mucmm_ctx *ctx, const mucmm_data *from, const int64_t *rows,
                               int64_t n, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *d = NULL;

    *out = NULL;
    TRY(check_rows(ctx, from, rows, n, -1));
    TRY(mucmm__data_create(ctx, NULL, &d));
    TRY(mucmm__alloc(ctx, n, sizeof *d->rows, &d->rows));
    for (int64_t i = 0; i < n; i++)
        d->rows[i] = rows && rows[i] < 0 ? -1 : mucmm__data_row(from, rows ? rows[i] : i);
    d->n = n;
    d->cols = from->cols;
    d->rank = from->rank;
    memcpy(d->shape, from->shape, sizeof d->shape);
    d->base = mucmm__data_keep(mucmm__data_base(from));
    d->names = from->names;
    if (from->columns) {
        TRY(mucmm__alloc(ctx, from->cols, sizeof *d->columns, &d->columns));
        memcpy(d->columns, from->columns, (size_t)from->cols * sizeof *d->columns);
    }
    if (from->covariates)
        TRY(subset_covariates(ctx, from, rows, n, d));
    *out = d;
    d = NULL;
done:
    mucmm_data_free(d);
    return status;
}

mucmm_status mucmm_data_attach(mucmm_ctx *ctx, const mucmm_data *from, const mucmm_table *t,
                               mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *d = NULL;

    *out = NULL;
    if (mucmm_table_rows(t) != from->n)
        return mucmm__fail(
            ctx, MUCMM_ESHAPE,
            "%s has %" PRId64 " rows and %s %" PRId64 "; row by row they must belong together",
            mucmm_table_label(t), mucmm_table_rows(t), mucmm_data_label(from), from->n);
    TRY(mucmm_data_subset(ctx, from, NULL, from->n, &d));
    mucmm_table_free(d->covariates);
    d->covariates = mucmm__table_keep(t);
    *out = d;
    d = NULL;
done:
    mucmm_data_free(d);
    return status;
}

mucmm_status mucmm__data_changed(mucmm_ctx *ctx, const mucmm_data *from,
                                 void (*change)(const void *arg, int64_t row, float *x),
                                 const void *arg, mucmm_data **out)
{
    mucmm_status status = mucmm_data_subset(ctx, from, NULL, from->n, out);

    if (status == MUCMM_OK) {
        (*out)->before = from->change ? mucmm__data_keep(from) : NULL;
        (*out)->change = change;
        (*out)->origin = from->origin;
        (*out)->change_arg = arg;
    }
    return status;
}

const mucmm_table *mucmm_data_covariates(const mucmm_data *d)
{
    return d->covariates;
}

/* ---- looking ----------------------------------------------------------------------- */

int64_t mucmm_data_rows(const mucmm_data *d)
{
    return d->n;
}

int64_t mucmm_data_cols(const mucmm_data *d)
{
    return d->cols;
}

/* Which column of the base is d's j-th; -1 = none, it is 0 everywhere. */
static int64_t column_of(const mucmm_data *d, int64_t j)
{
    return d->columns ? d->columns[j] : j;
}

/* Byte of a base's row where column j lies. */
static int64_t column_offset(const mucmm_data *d, int64_t j)
{
    return d->column_at ? d->column_at[j] : j * d->column_step;
}

const char *mucmm_data_label(const mucmm_data *d)
{
    return mucmm__data_base(d)->label;
}

int32_t mucmm_data_shape(const mucmm_data *d, int64_t shape[MUCMM_MAX_RANK])
{
    memcpy(shape, d->shape, (size_t)d->rank * sizeof *shape);
    return d->rank;
}

const char *mucmm_data_column(const mucmm_data *d, int64_t j)
{
    const mucmm__table *t = &mucmm__data_base(d)->table;
    int64_t at = j >= 0 && j < d->cols ? column_of(d, j) : -1;
    return t->column_at && at >= 0 ? t->text + t->column_at[at] : NULL;
}

const char *mucmm_data_key(const mucmm_data *d, int64_t i)
{
    const mucmm__table *t = &mucmm__data_base(d)->table;
    int64_t row = i >= 0 && i < d->n ? mucmm__data_row(d, i) : -1;
    return t->key_at && row >= 0 ? t->text + t->key_at[row] : NULL;
}

int32_t mucmm_data_has(const mucmm_data *d, int64_t i)
{
    const bool *missing = mucmm__data_base(d)->missing;
    int64_t row = i >= 0 && i < d->n ? mucmm__data_row(d, i) : -1;
    return row >= 0 && !(missing && missing[row]);
}

int64_t mucmm_data_empty(const mucmm_data *d, int64_t i)
{
    const int32_t *empty = mucmm__data_base(d)->empty;

    return empty && mucmm_data_has(d, i) ? empty[mucmm__data_row(d, i)] : 0;
}

int64_t mucmm_data_missing(const mucmm_data *d)
{
    int64_t n = 0;

    if (d->rows || mucmm__data_base(d)->missing)
        for (int64_t i = 0; i < d->n; i++)
            n += !mucmm_data_has(d, i);
    return n;
}

/* ---- reading ----------------------------------------------------------------------- */

typedef struct read_job {
    const mucmm_data *data, *base;
    const int64_t *rows;
    const double *origin; /* or NULL */
    mucmm_mat out;
    _Atomic int64_t first_bad; /* smallest i whose row holds a value that is not finite */
} read_job;

/* A row that is missing has no values to read. */
static mucmm_status check_present(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                  int64_t n)
{
    if (!d->rows && !mucmm__data_base(d)->missing)
        return MUCMM_OK;
    for (int64_t i = 0; i < n; i++)
        if (!mucmm_data_has(d, rows ? rows[i] : i))
            return mucmm__fail(ctx, MUCMM_EARG,
                               "%s: row %" PRId64 " lacks this view; it cannot be read",
                               mucmm_data_label(d), rows ? rows[i] : i);
    return MUCMM_OK;
}

static int64_t source_row(const read_job *job, int64_t i)
{
    return mucmm__data_row(job->data, job->rows ? job->rows[i] : i);
}

/* 1 for NaN and infinity, whose exponent is all ones. */
static uint32_t is_bad(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return (bits & 0x7f800000) == 0x7f800000;
}

/* In pieces of a fixed length, which the compiler vectorizes at -O2. */
static bool all_finite(const float *x, int64_t n)
{
    enum { PIECE = 16 };
    uint32_t bad[PIECE] = {0};
    int64_t j = 0;

    for (; j + PIECE <= n; j += PIECE)
        for (int k = 0; k < PIECE; k++)
            bad[k] |= is_bad(x[j + k]);
    for (; j < n; j++)
        bad[0] |= is_bad(x[j]);
    for (int k = 1; k < PIECE; k++)
        bad[0] |= bad[k];
    return !bad[0];
}

/* No infinity, and no NaN where no cell may be empty. */
static bool all_good(const float *x, int64_t n, bool allows)
{
    if (!allows)
        return all_finite(x, n);
    for (int64_t j = 0; j < n; j++)
        if (isinf(x[j]))
            return false;
    return true;
}

double mucmm__data_number(const mucmm_data *d, int64_t row, int64_t j)
{
    const mucmm_data *base = mucmm__data_base(d);
    int64_t column = column_of(d, j);

    return column < 0
               ? 0
               : mucmm__number_types[base->type].load(
                     base->values + row * base->row_step + column_offset(base, column), base->swap);
}

/* A row of the base into the columns of d. */
static void read_row(const mucmm_data *d, int64_t row, const double *origin, float *out)
{
    const mucmm_data *base = mucmm__data_base(d);
    const mucmm__number_type *number = &mucmm__number_types[base->type];
    const unsigned char *p = base->values + row * base->row_step;

    if (origin)
        for (int64_t j = 0; j < d->cols; j++)
            out[j] = (float)(mucmm__data_number(d, row, j) - origin[j]);
    else if (d->columns)
        for (int64_t j = 0; j < d->cols; j++)
            if (d->columns[j] < 0)
                out[j] = 0;
            else
                number->convert(p + column_offset(base, d->columns[j]), 0, base->swap, 1, out + j);
    else if (base->column_at)
        for (int64_t j = 0; j < d->cols; j++)
            number->convert(p + base->column_at[j], 0, base->swap, 1, out + j);
    else if (base->type == MUCMM_F32 && !base->swap && base->column_step == sizeof *out)
        memcpy(out, p, (size_t)d->cols * sizeof *out);
    else
        number->convert(p, base->column_step, base->swap, d->cols, out);
}

static void read_block(void *arg, int64_t first, int64_t last)
{
    read_job *job = arg;
    const mucmm_data *d = job->base;
    int64_t cols = job->data->cols;
    bool check = mucmm__number_types[d->type].is_float || job->origin;

    for (int64_t i = first; i < last; i++) {
        float *out = job->out.data + i * job->out.stride;
        int64_t seen;

        read_row(job->data, source_row(job, i), job->origin, out);
        if (!check || all_good(out, cols, d->empty))
            continue;
        seen = atomic_load(&job->first_bad);
        while (i < seen && !atomic_compare_exchange_weak(&job->first_bad, &seen, i))
            ;
        return;
    }
}

static void change_row(const mucmm_data *d, int64_t row, float *x)
{
    if (d->before)
        change_row(d->before, row, x);
    d->change(d->change_arg, row, x);
}

static void change_block(void *arg, int64_t first, int64_t last)
{
    const read_job *job = arg;

    for (int64_t i = first; i < last; i++)
        change_row(job->data, job->rows ? job->rows[i] : i, job->out.data + i * job->out.stride);
}

static mucmm_status fail_nonfinite(mucmm_ctx *ctx, const read_job *job)
{
    const mucmm_data *d = job->base;
    float *x = job->out.data + job->first_bad * job->out.stride;
    int64_t row = source_row(job, job->first_bad), j = 0, first = 0, cols = job->data->cols;
    char place[64], quoted[MUCMM__QUOTE], column[MUCMM__QUOTE + 32];
    double value;

    while (j < cols && isnan(x[j]))
        j++;
    if (j == cols && !job->data->columns) {
        int64_t empty = find_empty_rows(d, x, &first);
        return fail_empty_rows(ctx, d, empty, first);
    }
    j = 0;
    while (isfinite(x[j]) || (d->empty && isnan(x[j])))
        j++;
    value = mucmm__data_number(job->data, row, j);
    j = column_of(job->data, j);
    snprintf(place, sizeof place, d->table.line ? ":%" PRId64 : ": row %" PRId64,
             d->table.line ? d->table.line[row] : row);
    snprintf(column, sizeof column, "column %" PRId64, j);
    if (mucmm_data_column(d, j))
        snprintf(column, sizeof column, "column %" PRId64 " ('%s')", j,
                 mucmm__quote(quoted, mucmm_data_column(d, j)));
    return mucmm__fail(ctx, MUCMM_ENUMERIC, "%s%s, %s: %g %s; every value must be finite", d->label,
                       place, column, value,
                       isfinite(value) ? "is beyond the range of float" : "is not finite");
}

mucmm_status mucmm_data_read(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows, int64_t n,
                             const mucmm_mat *out)
{
    return mucmm__data_read_less(ctx, d, NULL, rows, n, out);
}

mucmm_status mucmm__data_read_less(mucmm_ctx *ctx, const mucmm_data *d, const double *origin,
                                   const int64_t *rows, int64_t n, const mucmm_mat *out)
{
    mucmm_status status = MUCMM_OK;
    read_job job = {.data = d,
                    .base = mucmm__data_base(d),
                    .rows = rows,
                    .origin = origin ? origin : d->origin,
                    .out = *out};

    if (out->rows < n || out->cols != d->cols || out->stride < out->cols)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: %" PRId64 " rows of %" PRId64 " columns do not fit a matrix of "
                           "%" PRId64 " x %" PRId64 ", stride %" PRId64,
                           mucmm_data_label(d), n, d->cols, out->rows, out->cols, out->stride);
    TRY(check_rows(ctx, d, rows, n, 0));
    TRY(check_present(ctx, d, rows, n));
    atomic_init(&job.first_bad, INT64_MAX);
    mucmm__parallel_range(ctx, n, (1 << 18) / d->cols + 1, read_block, &job);
    if (job.first_bad != INT64_MAX)
        TRY(fail_nonfinite(ctx, &job));
    if (d->change)
        mucmm__parallel_range(ctx, n, (1 << 16) / d->cols + 1, change_block, &job);
done:
    return status;
}
