/* SPDX-License-Identifier: MIT
 *
 * The paired rows of several views: from memory, from files, from a study; in a model's order; and
 * what tells one row from another. */
#include "encode/encode.h"
#include "io/table.h"
#include "model/open_views.h"
#include "model/represent.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct mucmm_views {
    int32_t n;
    mucmm_view list[MUCMM_MAX_VIEWS]; /* their names are owned */
    mucmm_data *data[MUCMM_MAX_VIEWS];
    mucmm_study *study; /* NULL: the rows are none of a study */
    mucmm_part part;
    mucmm_table *table; /* what was attached, of all rows; or NULL */
    int64_t dropped;    /* rows that were left out as they lack a view or a cell */
};

/* ---- making and freeing ------------------------------------------------------------ */

void mucmm_views_free(mucmm_views *v)
{
    if (!v)
        return;
    for (int32_t i = 0; i < v->n; i++) {
        mucmm__free(v->list[i].name);
        mucmm_data_free(v->data[i]);
    }
    mucmm_study_free(v->study);
    mucmm_table_free(v->table);
    mucmm__free(v);
}

mucmm_status mucmm__check_view_names(mucmm_ctx *ctx, const mucmm_view *views, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        if (!mucmm__good_name(views[i].name))
            return mucmm__fail(ctx, MUCMM_EARG,
                               "view name '%s': use 1 to 64 letters, digits, '_' and '-'",
                               views[i].name ? views[i].name : "");
        for (int32_t j = 0; j < i; j++)
            if (strcmp(views[i].name, views[j].name) == 0)
                return mucmm__fail(ctx, MUCMM_EARG, "view '%s' is given twice", views[i].name);
    }
    return MUCMM_OK;
}

static mucmm_status check_rows(mucmm_ctx *ctx, const mucmm_views *v)
{
    const mucmm_view *a = &v->list[0];

    for (int32_t i = 1; i < v->n; i++) {
        const mucmm_view *b = &v->list[i];
        if (mucmm_data_rows(a->data) != mucmm_data_rows(b->data))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "view '%s' (%s) has %" PRId64 " rows and view '%s' (%s) has %" PRId64
                               "; views are paired row by row",
                               a->name, mucmm_data_label(a->data), mucmm_data_rows(a->data),
                               b->name, mucmm_data_label(b->data), mucmm_data_rows(b->data));
    }
    return MUCMM_OK;
}

/* The next view; data is taken over also on failure. */
static mucmm_status add(mucmm_ctx *ctx, mucmm_views *v, const char *name, mucmm_data *data)
{
    char *own = NULL;
    mucmm_status status = mucmm__strdup(ctx, name, &own);

    if (status != MUCMM_OK) {
        mucmm_data_free(data);
        return status;
    }
    v->data[v->n] = data;
    v->list[v->n++] = (mucmm_view){own, data};
    return MUCMM_OK;
}

static mucmm_status check_number(mucmm_ctx *ctx, int32_t n)
{
    if (n < 1 || n > MUCMM_MAX_VIEWS)
        return mucmm__fail(ctx, MUCMM_EARG, "%d views are given; there may be 1 to %d", n,
                           MUCMM_MAX_VIEWS);
    return MUCMM_OK;
}

mucmm_status mucmm_views_create(mucmm_ctx *ctx, const mucmm_view *views, int32_t n,
                                mucmm_views **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_views *v = NULL;

    *out = NULL;
    TRY(check_number(ctx, n));
    TRY(mucmm__check_view_names(ctx, views, n));
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    for (int32_t i = 0; i < n; i++) {
        if (!views[i].data)
            TRY(mucmm__fail(ctx, MUCMM_EARG, "view '%s' has no data", views[i].name));
        TRY(add(ctx, v, views[i].name, mucmm__data_keep(views[i].data)));
    }
    TRY(check_rows(ctx, v));
    *out = v;
    v = NULL;
done:
    mucmm_views_free(v);
    return status;
}

/* Rows in the order of the first view's keys, or one row for every key. */
static mucmm_status pair_by_key(mucmm_ctx *ctx, mucmm_views *v, bool all)
{
    mucmm_status status =
        all ? mucmm_data_pair_all(ctx, v->data, v->n) : mucmm_data_pair(ctx, v->data, v->n);

    for (int32_t i = 0; i < v->n; i++)
        v->list[i].data = v->data[i];
    return status;
}

static mucmm_status pair_rows(mucmm_ctx *ctx, mucmm_views *v, const mucmm_data_params *p)
{
    mucmm_status status = p->key ? pair_by_key(ctx, v, p->missing)
                                 : mucmm__pair_row_names(ctx, v->data, v->n, p->missing);

    for (int32_t i = 0; i < v->n; i++)
        v->list[i].data = v->data[i];
    if (status == MUCMM_OK)
        status = check_rows(ctx, v);
    return status == MUCMM_OK || status == MUCMM_ENOMEM
               ? status
               : mucmm__say_turned(ctx, v->list, v->n, status);
}

static void say_missing(mucmm_ctx *ctx, const mucmm_views *v)
{
    mucmm_missing_counts c = mucmm_views_missing(v);

    if (c.dropped > 0)
        mucmm__warn(ctx,
                    "%" PRId64 " rows lack a view or a cell and are dropped; %" PRId64 " are left",
                    c.dropped, mucmm_views_rows(v));
    if (c.cells > 0)
        mucmm__warn(ctx,
                    "%" PRId64 " cells in %" PRId64 " rows of the views are empty and are "
                    "filled by what the model expects of them",
                    c.cells, c.rows);
    if (c.sparse > 0 && c.dropped == 0)
        mucmm__warn(ctx,
                    "%" PRId64 " rows of a view have too many empty cells (`missing_row`) and "
                    "count as rows that lack it",
                    c.sparse);
}

/* Only the rows that have all views. */
static mucmm_status drop_rows(mucmm_ctx *ctx, mucmm_views *v)
{
    mucmm_status status = MUCMM_OK;
    uint32_t whole = ((uint32_t)1 << v->n) - 1;
    int64_t n = mucmm_views_rows(v), kept = 0, *rows = NULL;
    mucmm_data *data;

    TRY(mucmm__alloc(ctx, n, sizeof *rows, &rows));
    for (int64_t i = 0; i < n; i++) {
        rows[kept] = i;
        kept += mucmm__row_views(v->n, (const mucmm_data *const *)v->data, i) == whole;
    }
    v->dropped = n - kept;
    if (kept == 0)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                        "every one of %" PRId64
                        " rows lacks a view or a cell; nothing is left when "
                        "they are dropped",
                        n));
    for (int32_t m = 0; m < v->n && kept < n; m++) {
        TRY(mucmm_data_subset(ctx, v->data[m], rows, kept, &data));
        mucmm_data_free(v->data[m]);
        v->list[m].data = v->data[m] = data;
    }
done:
    mucmm__free(rows);
    return status;
}

mucmm_status mucmm_views_open(mucmm_ctx *ctx, const char *const *names, const char *const *paths,
                              int32_t n, const mucmm_data_params *params, mucmm_views **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_view named[MUCMM_MAX_VIEWS] = {{NULL, NULL}};
    mucmm_data_params p;
    mucmm_views *v = NULL;
    mucmm_data *data;
    uint64_t used[3] = {0, 0, 0};

    *out = NULL;
    TRY(check_number(ctx, n));
    mucmm_data_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_data_params", params, &p, sizeof p));
    for (int32_t i = 0; i < n; i++)
        named[i].name = names[i];
    TRY(mucmm__check_view_names(ctx, named, n));
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    for (int32_t i = 0; i < n; i++) {
        TRY(mucmm__open_view(ctx, names, paths, n, i, &p, used, &data));
        TRY(add(ctx, v, names[i], data));
    }
    TRY(mucmm__check_used(ctx, &p, v->data[0], used));
    TRY(pair_rows(ctx, v, &p));
    if (p.missing == MUCMM_MISSING_DROP)
        TRY(drop_rows(ctx, v));
    say_missing(ctx, v);
    *out = v;
    v = NULL;
done:
    mucmm_views_free(v);
    return status;
}

mucmm_status mucmm_views_of_study(mucmm_ctx *ctx, const mucmm_study *study, mucmm_part part,
                                  mucmm_views **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_views *v = NULL;
    mucmm_data *data;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    v->study = mucmm__study_keep(study);
    v->part = part;
    for (int32_t i = 0; i < mucmm_study_views(study); i++) {
        TRY(mucmm_study_view(ctx, study, i, part, &data));
        TRY(add(ctx, v, mucmm_study_view_name(study, i), data));
    }
    v->dropped = mucmm__study_dropped(study);
    say_missing(ctx, v);
    *out = v;
    v = NULL;
done:
    mucmm_views_free(v);
    return status;
}

/* ---- in a model's order ------------------------------------------------------------ */

mucmm_status mucmm_model_match_names(mucmm_ctx *ctx, const mucmm_model *m, const char *const *names,
                                     int32_t n, int32_t all)
{
    bool seen[MUCMM_MAX_VIEWS] = {false};
    char views[MUCMM_MAX_VIEWS * 68];
    int32_t view;

    mucmm__list_views(m, views, sizeof views);
    for (int32_t i = 0; i < n; i++) {
        view = names[i] ? mucmm_model_view_index(m, names[i]) : -1;
        if (view < 0)
            return mucmm__fail(ctx, MUCMM_EARG, "the model has no view '%s'; its views are: %s",
                               names[i] ? names[i] : "", views);
        seen[view] = true;
    }
    for (int32_t i = 0; i < m->n_views; i++)
        if (all && !seen[i])
            return mucmm__fail(ctx, MUCMM_EARG,
                               "view '%s' of the model is not given; its views are: %s",
                               m->view[i].name, views);
    return MUCMM_OK;
}

mucmm_status mucmm_views_match(mucmm_ctx *ctx, const mucmm_views *from, const mucmm_model *m,
                               int32_t all, mucmm_views **out)
{
    mucmm_status status = MUCMM_OK;
    const char *names[MUCMM_MAX_VIEWS];
    const mucmm_data *data;
    mucmm_views *v = NULL;

    *out = NULL;
    for (int32_t i = 0; i < from->n; i++)
        names[i] = from->list[i].name;
    TRY(mucmm_model_match_names(ctx, m, names, from->n, all));
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    v->part = from->part;
    v->dropped = from->dropped;
    v->study = from->study ? mucmm__study_keep(from->study) : NULL;
    v->table = from->table ? mucmm__table_keep(from->table) : NULL;
    for (int32_t view = 0; view < m->n_views; view++)
        for (int32_t i = 0; i < from->n; i++)
            if (mucmm_model_view_index(m, names[i]) == view) {
                TRY(mucmm__match_source(ctx, m, view, from->data[i]));
                TRY(mucmm__model_select(ctx, m, view, from->data[i], &data));
                TRY(add(ctx, v, names[i], mucmm__data_keep(data)));
            }
    *out = v;
    v = NULL;
done:
    mucmm_views_free(v);
    return status;
}

/* ---- what is known of the rows beside them ------------------------------------------ */

static const char *views_key(const mucmm_views *v, int64_t row)
{
    const char *key = NULL;

    for (int32_t i = 0; i < v->n && !key; i++)
        key = mucmm_data_key(v->data[i], row);
    return key;
}

static const char *table_key(const void *arg, int64_t i)
{
    return mucmm_table_key(arg, i);
}

static mucmm_status match_by_key(mucmm_ctx *ctx, const mucmm_table *t, const mucmm_views *v,
                                 int64_t *rows)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_views_rows(v), found = 0;
    mucmm__index index = {0};
    char quoted[MUCMM__QUOTE];

    TRY(mucmm__index_init(ctx, &index, mucmm_table_rows(t), table_key, t));
    for (int64_t i = 0; i < mucmm_table_rows(t); i++)
        if (mucmm_table_key(t, i))
            mucmm__index_insert(&index, i);
    for (int64_t i = 0; i < n; i++) {
        const char *key = views_key(v, i);
        rows[i] = key ? mucmm__index_find(&index, key) : -1;
        found += rows[i] >= 0;
    }
    if (found == 0)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                        "%s: none of its keys is a key of the views' rows, such as '%s'",
                        mucmm_table_label(t), mucmm__quote(quoted, views_key(v, 0))));
done:
    mucmm__index_drop(&index);
    return status;
}

static mucmm_status match_by_position(mucmm_ctx *ctx, const mucmm_table *t, const mucmm_views *v,
                                      int64_t *rows)
{
    int64_t n = mucmm_views_rows(v), all = n;

    if (v->study)
        all = mucmm_study_rows(v->study, MUCMM_PART_ALL) + mucmm_study_skipped(v->study);
    if (mucmm_table_rows(t) != all)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s has %" PRId64 " rows and the views have %" PRId64
                           "; without keys in both they belong together row by row",
                           mucmm_table_label(t), mucmm_table_rows(t), all);
    for (int64_t i = 0; i < n; i++)
        rows[i] = v->study ? mucmm_study_row(v->study, v->part, i) : i;
    return MUCMM_OK;
}

mucmm_status mucmm_table_match(mucmm_ctx *ctx, const mucmm_table *t, const mucmm_views *views,
                               mucmm_table **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm_views_rows(views), *rows = NULL;
    bool keys = mucmm_table_key(t, 0) && n > 0 && views_key(views, 0);

    *out = NULL;
    if (mucmm__table_keyed(t) && !keys)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s has keys, and the rows of the views have none: name the key column "
                           "of both, or of neither",
                           mucmm_table_label(t));
    TRY(mucmm__alloc(ctx, n, sizeof *rows, &rows));
    TRY(keys ? match_by_key(ctx, t, views, rows) : match_by_position(ctx, t, views, rows));
    TRY(mucmm__table_subset(ctx, t, rows, n, out));
done:
    mucmm__free(rows);
    return status;
}

mucmm_status mucmm_views_attach(mucmm_ctx *ctx, const mucmm_views *from, const mucmm_table *t,
                                mucmm_views **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_table *matched = NULL;
    mucmm_views *v = NULL;
    mucmm_data *data;

    *out = NULL;
    TRY(mucmm_table_match(ctx, t, from, &matched));
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    v->part = from->part;
    v->dropped = from->dropped;
    v->study = from->study ? mucmm__study_keep(from->study) : NULL;
    v->table = mucmm__table_keep(t);
    for (int32_t i = 0; i < from->n; i++) {
        TRY(mucmm_data_attach(ctx, from->data[i], matched, &data));
        TRY(add(ctx, v, from->list[i].name, data));
    }
    *out = v;
    v = NULL;
done:
    mucmm_table_free(matched);
    mucmm_views_free(v);
    return status;
}

mucmm_status mucmm_views_complete(mucmm_ctx *ctx, const mucmm_views *from, mucmm_views **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_views *v = NULL;

    *out = NULL;
    if (from->study)
        return mucmm__fail(
            ctx, MUCMM_EUNSUPPORTED,
            "rows of a study cannot be left out here; give the study `missing` drop");
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    v->part = from->part;
    v->table = from->table ? mucmm__table_keep(from->table) : NULL;
    for (int32_t i = 0; i < from->n; i++)
        TRY(add(ctx, v, from->list[i].name, mucmm__data_keep(from->data[i])));
    TRY(drop_rows(ctx, v));
    if (v->dropped > 0)
        mucmm__warn(ctx, "%" PRId64 " rows lack a view and are left out; %" PRId64 " are left",
                    v->dropped, mucmm_views_rows(v));
    v->dropped += from->dropped;
    *out = v;
    v = NULL;
done:
    mucmm_views_free(v);
    return status;
}

/* The cells of a column of the table's rows, which are those of the views, or of the study's. */
static const char *group_cell(const mucmm_views *v, const mucmm_table *t, int64_t column,
                              const char *name, int64_t row)
{
    int64_t code;

    if (!t)
        return mucmm_views_cell(v, row, name);
    code = mucmm_table_codes(t, column)[row];
    return code < 0 ? NULL : mucmm_table_level(t, column, code);
}

mucmm_status mucmm_views_groups(mucmm_ctx *ctx, const mucmm_views *views, const mucmm_table *t,
                                const char *name, int64_t *groups)
{
    mucmm_status status = MUCMM_OK;
    mucmm_table *matched = NULL;
    int64_t column = -1;
    char quoted[MUCMM__QUOTE];

    if (t) {
        TRY(mucmm_table_require(ctx, t, name, &column));
        TRY(mucmm_table_match(ctx, t, views, &matched));
    } else if (!mucmm_views_cell(views, 0, name))
        return mucmm__fail(ctx, MUCMM_EARG, "column '%s' of groups is in no table of a study",
                           mucmm__quote(quoted, name));
    for (int64_t i = 0; i < mucmm_views_rows(views); i++) {
        const char *cell = group_cell(views, matched, column, name, i);
        if (!cell || mucmm__is_missing(cell))
            TRY(mucmm__fail(ctx, MUCMM_EARG,
                            "row %" PRId64 " of the views has no cell in column '%s' of %s: every "
                            "row needs its group",
                            i, mucmm__quote(quoted, name),
                            t ? mucmm_table_label(t) : "the study's table"));
        groups[i] = (int64_t)(mucmm__hash(MUCMM__HASH_START, cell, strlen(cell)) >> 1);
    }
done:
    mucmm_table_free(matched);
    return status;
}

/* ---- looking ----------------------------------------------------------------------- */

int32_t mucmm_views_count(const mucmm_views *v)
{
    return v->n;
}

mucmm_missing_counts mucmm_views_missing(const mucmm_views *v)
{
    mucmm_missing_counts c = {.dropped = v->dropped};

    for (int32_t m = 0; m < v->n; m++) {
        for (int64_t i = 0; i < mucmm_views_rows(v); i++) {
            c.cells += mucmm_data_empty(v->data[m], i);
            c.rows += mucmm_data_empty(v->data[m], i) > 0;
        }
        c.sparse += mucmm__data_base(v->data[m])->sparse;
    }
    return c;
}

int64_t mucmm_views_rows(const mucmm_views *v)
{
    return mucmm_data_rows(v->data[0]);
}

const mucmm_view *mucmm_views_list(const mucmm_views *v)
{
    return v->list;
}

const mucmm_study *mucmm_views_study(const mucmm_views *v)
{
    return v->study;
}

mucmm_part mucmm_views_part(const mucmm_views *v)
{
    return v->part;
}

const char *mucmm_views_cell(const mucmm_views *v, int64_t row, const char *column)
{
    return v->study && column
               ? mucmm_study_cell(v->study, mucmm_study_row(v->study, v->part, row), column)
               : NULL;
}

/* The file of a picture or a sound; else a text. */
static const char *find_item(const mucmm_views *v, int64_t row, bool text)
{
    const char *item = NULL;

    for (int32_t i = 0; i < v->n && !item; i++)
        if ((mucmm_data_source_kind(v->data[i]) == MUCMM_SOURCE_TEXT) == text)
            item = mucmm_data_item(v->data[i], row);
    return item;
}

const char *mucmm_views_sample(const mucmm_views *v, int64_t row, const char *column)
{
    const char *name = mucmm_views_cell(v, row, column);

    for (int32_t i = 0; i < v->n && !name; i++)
        name = mucmm_data_key(v->data[i], row);
    name = name ? name : find_item(v, row, false);
    return name ? name : find_item(v, row, true);
}

/* Is it the name of a file that a view's row was read from? */
static bool is_file(const mucmm_views *v, int64_t row, const char *name)
{
    for (int32_t i = 0; i < v->n; i++)
        if (mucmm_data_source_kind(v->data[i]) != MUCMM_SOURCE_TEXT &&
            name == mucmm_data_item(v->data[i], row))
            return true;
    return false;
}

const char *mucmm_views_label(const mucmm_views *v, int64_t row, const char *column, char *out,
                              size_t size)
{
    const char *name = mucmm_views_sample(v, row, column), *slash;

    if (name && is_file(v, row, name) && (slash = strrchr(name, '/')))
        name = slash + 1;
    if (name)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "sample %" PRId64, row);
    return out;
}

mucmm_status mucmm_views_training(mucmm_ctx *ctx, const mucmm_views *v, const char *view,
                                  mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_views *rows = NULL, *with = NULL;
    int32_t i = 0;

    *out = NULL;
    while (v->study && i < mucmm_study_views(v->study) &&
           strcmp(mucmm_study_view_name(v->study, i), view) != 0)
        i++;
    if (!v->study || i == mucmm_study_views(v->study))
        return MUCMM_OK;
    TRY(mucmm_views_of_study(
        ctx, v->study, mucmm_study_has_split(v->study) ? MUCMM_PART_TRAIN : MUCMM_PART_ALL, &rows));
    if (v->table)
        TRY(mucmm_views_attach(ctx, rows, v->table, &with));
    *out = mucmm__data_keep((with ? with : rows)->data[i]);
done:
    mucmm_views_free(rows);
    mucmm_views_free(with);
    return status;
}
