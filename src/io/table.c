/* SPDX-License-Identifier: MIT
 *
 * table.c - tables of mixed columns: numbers, categories, and cells that are missing. */
#include "io/table.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct column {
    const char *name;
    double *numbers; /* [n], NULL: categories                             */
    int64_t *codes;  /* [n]                                               */
    const char **levels;
    int64_t n_levels;
} column;

struct mucmm_table {
    _Atomic int64_t references;
    mucmm_table *base; /* subset: whose names, levels and keys these are; else NULL */
    char *label;
    mucmm__strings text; /* only without base */
    int64_t n, n_columns;
    column *columns;   /* [n_columns] */
    const char **keys; /* [n], or NULL */
    bool keyed;
};

void mucmm_table_params_init_sized(mucmm_table_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_table_params){.struct_size = 0}, sizeof *p);
}

mucmm_table *mucmm__table_keep(const mucmm_table *t)
{
    mucmm_table *kept = (mucmm_table *)(uintptr_t)t;

    atomic_fetch_add(&kept->references, 1);
    return kept;
}

void mucmm_table_free(mucmm_table *t)
{
    if (!t || atomic_fetch_sub(&t->references, 1) > 1)
        return;
    for (int64_t j = 0; t->columns && j < t->n_columns; j++) {
        mucmm__free(t->columns[j].numbers);
        mucmm__free(t->columns[j].codes);
        if (!t->base)
            mucmm__free(t->columns[j].levels);
    }
    mucmm__free(t->columns);
    mucmm__free(t->keys);
    mucmm__strings_drop(&t->text);
    mucmm__free(t->label);
    mucmm_table_free(t->base);
    mucmm__free(t);
}

static mucmm_status create(mucmm_ctx *ctx, const char *label, int64_t n, int64_t n_columns,
                           mucmm_table **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_table *t = NULL;

    TRY(mucmm__alloc(ctx, 1, sizeof *t, &t));
    atomic_init(&t->references, 1);
    t->n = n;
    TRY(mucmm__strdup(ctx, label, &t->label));
    TRY(mucmm__alloc(ctx, n_columns, sizeof *t->columns, &t->columns));
    t->n_columns = n_columns;
    *out = t;
    t = NULL;
done:
    mucmm_table_free(t);
    return status;
}

/* ---- keys -------------------------------------------------------------------------- */

static const char *key_name(const void *arg, int64_t i)
{
    return ((const mucmm_table *)arg)->keys[i];
}

static mucmm_status take_keys(mucmm_ctx *ctx, mucmm_table *t, const mucmm__strings *text,
                              int64_t from)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};
    char quoted[MUCMM__QUOTE];

    TRY(mucmm__alloc(ctx, t->n, sizeof *t->keys, &t->keys));
    TRY(mucmm__index_init(ctx, &index, t->n, key_name, t));
    for (int64_t i = 0; i < t->n; i++) {
        int64_t before;
        t->keys[i] = mucmm__strings_cell(text, i, from);
        if (!t->keys[i][0])
            TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s:%" PRId64 ": the row has no key", t->label,
                            text->line[i]));
        before = mucmm__index_insert(&index, i);
        if (before >= 0)
            TRY(mucmm__fail(
                ctx, MUCMM_EFORMAT,
                "%s:%" PRId64 ": key '%s' stands already in line %" PRId64 "; a key must be unique",
                t->label, text->line[i], mucmm__quote(quoted, t->keys[i]), text->line[before]));
    }
done:
    mucmm__index_drop(&index);
    return status;
}

/* ---- columns ----------------------------------------------------------------------- */

/* Cells of a column, without the spaces around them. */
typedef struct cells {
    const mucmm__strings *text;
    int64_t column;
} cells;

static char *cell_at(const cells *c, int64_t row)
{
    return mucmm__trim(c->text->text + c->text->at[(row + 1) * c->text->cols + c->column]);
}

static const char *cell_name(const void *arg, int64_t i)
{
    return cell_at(arg, i);
}

static mucmm_status take_levels(mucmm_ctx *ctx, const cells *from, int64_t n, column *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};
    int64_t room = 0;

    TRY(mucmm__alloc(ctx, n, sizeof *c->codes, &c->codes));
    TRY(mucmm__index_init(ctx, &index, n, cell_name, from));
    for (int64_t i = 0; i < n; i++) {
        int64_t before;
        c->codes[i] = -1;
        if (mucmm__is_missing(cell_at(from, i)))
            continue;
        before = mucmm__index_insert(&index, i);
        c->codes[i] = before >= 0 ? c->codes[before] : c->n_levels;
        if (before >= 0)
            continue;
        if (c->n_levels == room) {
            room = 2 * room + 8;
            TRY(mucmm__realloc(ctx, c->n_levels, room, sizeof *c->levels, &c->levels));
        }
        c->levels[c->n_levels++] = cell_at(from, i);
    }
done:
    mucmm__index_drop(&index);
    return status;
}

static bool all_numbers(const column *c)
{
    for (int64_t l = 0; l < c->n_levels; l++)
        if (!mucmm__is_decimal(c->levels[l]) && !mucmm__is_infinite(c->levels[l]))
            return false;
    return true;
}

static mucmm_status take_numbers(mucmm_ctx *ctx, const mucmm_table *t, const mucmm__strings *text,
                                 locale_t c_locale, column *c)
{
    mucmm_status status = MUCMM_OK;
    char name[MUCMM__QUOTE], quoted[MUCMM__QUOTE];

    TRY(mucmm__alloc(ctx, t->n, sizeof *c->numbers, &c->numbers));
    for (int64_t i = 0; i < t->n; i++) {
        const char *cell = c->codes[i] < 0 ? NULL : c->levels[c->codes[i]];
        c->numbers[i] = cell ? strtod_l(cell, NULL, c_locale) : NAN;
        if (cell && !isfinite(c->numbers[i]))
            TRY(mucmm__fail(ctx, MUCMM_ENUMERIC,
                            "%s:%" PRId64 ": column '%s': '%s' is not finite; every number must be",
                            t->label, text->line[i], mucmm__quote(name, c->name),
                            mucmm__quote(quoted, cell)));
    }
done:
    return status;
}

static mucmm_status take_columns(mucmm_ctx *ctx, mucmm_table *t, int64_t key)
{
    mucmm_status status = MUCMM_OK;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    int64_t at = 0;

    if (!c_locale)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory: no C locale", t->label);
    for (int64_t j = 0; j < t->text.cols; j++) {
        cells from = {&t->text, j};
        const char *name = mucmm__strings_cell(&t->text, -1, j);
        column *c = &t->columns[at];
        if (j == key || !name[0]) /* names of rows beside a key that was asked for */
            continue;
        at++;
        c->name = name;
        TRY(take_levels(ctx, &from, t->n, c));
        if (all_numbers(c))
            TRY(take_numbers(ctx, t, &t->text, c_locale, c));
    }
    t->n_columns = at;
done:
    freelocale(c_locale);
    return status;
}

/* ---- opening ----------------------------------------------------------------------- */

static mucmm_status fail_no_column(mucmm_ctx *ctx, const mucmm_table *t, const char *name)
{
    char list[600] = "", quoted[MUCMM__QUOTE];
    size_t used = 0;

    for (int64_t j = 0; j < t->n_columns && used < sizeof list - MUCMM__QUOTE - 16; j++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s'%s'", j ? ", " : "",
                                 mucmm__quote(quoted, t->columns[j].name));
    if (used >= sizeof list - MUCMM__QUOTE - 16)
        snprintf(list + used, sizeof list - used, ", ...");
    return mucmm__fail(ctx, MUCMM_EARG, "%s: no column is named '%s'; the columns are %s", t->label,
                       mucmm__quote(quoted, name), list);
}

mucmm_status mucmm_table_open_memory(mucmm_ctx *ctx, const void *text, size_t size,
                                     const char *label, const mucmm_table_params *params,
                                     mucmm_table **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_table_params p;
    mucmm__strings parsed = {0};
    mucmm_table *t = NULL;
    unsigned char *plain = NULL;
    int64_t key;

    *out = NULL;
    label = label ? label : "table";
    mucmm_table_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_table_params", params, &p, sizeof p));
    if (mucmm__is_gzip(text, size) && mucmm__is_table_name(label)) {
        TRY(mucmm__gunzip(ctx, label, text, size, &plain, &size));
        text = plain;
    }
    if (mucmm__is_npy(text, size) || mucmm__is_idx(text, size) || mucmm__is_gzip(text, size))
        TRY(mucmm__fail(ctx, MUCMM_EUNSUPPORTED, "%s: not a table of text (.csv, .tsv)", label));
    TRY(mucmm__strings_parse(ctx, label, text, size, (mucmm_header)p.header, &parsed));
    TRY(create(ctx, label, parsed.rows, parsed.cols, &t));
    t->text = parsed;
    parsed = (mucmm__strings){0};
    key = mucmm__strings_column(&t->text, p.key ? p.key : "");
    TRY(take_columns(ctx, t, key));
    if (p.key && key < 0)
        TRY(fail_no_column(ctx, t, p.key));
    t->keyed = p.key != NULL;
    if (key >= 0)
        TRY(take_keys(ctx, t, &t->text, key));
    if (t->n_columns == 0)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s:1: no column beside the key", label));
    *out = t;
    t = NULL;
done:
    mucmm__free(plain);
    mucmm__strings_drop(&parsed);
    mucmm_table_free(t);
    return status;
}

mucmm_status mucmm_table_open(mucmm_ctx *ctx, const char *path, const mucmm_table_params *params,
                              mucmm_table **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {NULL, 0};

    *out = NULL;
    if (!path)
        return mucmm__fail(ctx, MUCMM_EARG, "no file name");
    TRY(mucmm__map_open(ctx, path, &map));
    if (map.size == 0)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the file is empty", path));
    TRY(mucmm_table_open_memory(ctx, map.data, map.size, path, params, out));
done:
    mucmm__map_close(&map);
    return status;
}

static mucmm_status pick_column(mucmm_ctx *ctx, const column *from, const int64_t *rows, int64_t n,
                                column *to)
{
    mucmm_status status = MUCMM_OK;

    to->name = from->name;
    to->levels = from->levels;
    to->n_levels = from->n_levels;
    TRY(mucmm__alloc(ctx, n, sizeof *to->codes, &to->codes));
    if (from->numbers)
        TRY(mucmm__alloc(ctx, n, sizeof *to->numbers, &to->numbers));
    for (int64_t i = 0; i < n; i++) {
        to->codes[i] = rows[i] < 0 ? -1 : from->codes[rows[i]];
        if (from->numbers)
            to->numbers[i] = rows[i] < 0 ? NAN : from->numbers[rows[i]];
    }
done:
    return status;
}

mucmm_status mucmm__table_subset(mucmm_ctx *ctx, const mucmm_table *t, const int64_t *rows,
                                 int64_t n, mucmm_table **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_table *own = NULL;

    *out = NULL;
    TRY(create(ctx, t->label, n, t->n_columns, &own));
    own->base = mucmm__table_keep(t->base ? t->base : t);
    own->keyed = t->keyed;
    for (int64_t j = 0; j < t->n_columns; j++)
        TRY(pick_column(ctx, &t->columns[j], rows, n, &own->columns[j]));
    if (t->keys) {
        TRY(mucmm__alloc(ctx, n, sizeof *own->keys, &own->keys));
        for (int64_t i = 0; i < n; i++)
            own->keys[i] = rows[i] < 0 ? NULL : t->keys[rows[i]];
    }
    *out = own;
    own = NULL;
done:
    mucmm_table_free(own);
    return status;
}

/* ---- looking ----------------------------------------------------------------------- */

static const column *column_at(const mucmm_table *t, int64_t j)
{
    static const column none = {NULL, NULL, NULL, NULL, 0};

    return j >= 0 && j < t->n_columns ? &t->columns[j] : &none;
}

int64_t mucmm_table_rows(const mucmm_table *t)
{
    return t->n;
}

int64_t mucmm_table_columns(const mucmm_table *t)
{
    return t->n_columns;
}

const char *mucmm_table_label(const mucmm_table *t)
{
    return t->label;
}

const char *mucmm_table_key(const mucmm_table *t, int64_t row)
{
    return t->keys && row >= 0 && row < t->n ? t->keys[row] : NULL;
}

bool mucmm__table_keyed(const mucmm_table *t)
{
    return t->keyed;
}

const char *mucmm_table_column(const mucmm_table *t, int64_t j)
{
    return column_at(t, j)->name;
}

int64_t mucmm_table_find(const mucmm_table *t, const char *name)
{
    for (int64_t j = 0; j < t->n_columns; j++)
        if (strcmp(t->columns[j].name, name) == 0)
            return j;
    return -1;
}

mucmm_status mucmm_table_require(mucmm_ctx *ctx, const mucmm_table *t, const char *name,
                                 int64_t *out)
{
    *out = mucmm_table_find(t, name);
    return *out < 0 ? fail_no_column(ctx, t, name) : MUCMM_OK;
}

const double *mucmm_table_numbers(const mucmm_table *t, int64_t j)
{
    return column_at(t, j)->numbers;
}

const int64_t *mucmm_table_codes(const mucmm_table *t, int64_t j)
{
    return column_at(t, j)->codes;
}

int64_t mucmm_table_levels(const mucmm_table *t, int64_t j)
{
    return column_at(t, j)->n_levels;
}

const char *mucmm_table_level(const mucmm_table *t, int64_t j, int64_t level)
{
    const column *c = column_at(t, j);

    return level >= 0 && level < c->n_levels ? c->levels[level] : NULL;
}
