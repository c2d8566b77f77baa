/* SPDX-License-Identifier: MIT
 *
 * Files of several views: what is asked of one of them alone, rows that have names, samples that
 * stand in columns. */
#include "model/open_views.h"

#include <inttypes.h>
#include <string.h>

/* ---- lists of names ------------------------------------------------------------------ */

/* What stands behind "view:", of an item for this view; "" of one for another. */
static const char *item_for(const char *item, const char *const *names, int32_t n, int32_t view)
{
    const char *colon = strchr(item, ':');

    for (int32_t i = 0; colon && i < n; i++)
        if (strlen(names[i]) == (size_t)(colon - item) &&
            strncmp(names[i], item, (size_t)(colon - item)) == 0)
            return i == view ? colon + 1 : "";
    return item;
}

/* The list of one view, item i in the place of item i; *out NULL if it has none. */
static mucmm_status list_for(mucmm_ctx *ctx, const char *list, const char *const *names, int32_t n,
                             int32_t view, char **out)
{
    mucmm_status status = MUCMM_OK;
    char item[MUCMM__ITEM];
    bool any = false;
    int64_t items = 0;

    *out = NULL;
    if (!list)
        return MUCMM_OK;
    while (mucmm__list_item(list, items, item))
        items++;
    TRY(mucmm__alloc(ctx, items * (MUCMM__ITEM + 1) + 1, 1, out));
    for (int64_t i = 0; mucmm__list_item(list, i, item); i++) {
        const char *own = item_for(item, names, n, view);
        any = any || own[0];
        strcat(strcat(*out, own), i + 1 < items ? "," : "");
    }
done:
    if (!any) {
        mucmm__free(*out);
        *out = NULL;
    }
    return status;
}

mucmm_status mucmm__open_view(mucmm_ctx *ctx, const char *const *names, const char *const *paths,
                              int32_t n, int32_t view, const mucmm_data_params *p, uint64_t used[3],
                              mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data_params own = *p;
    char *list[3] = {NULL, NULL, NULL};

    *out = NULL;
    TRY(list_for(ctx, p->columns, names, n, view, &list[0]));
    TRY(list_for(ctx, p->ignore, names, n, view, &list[1]));
    TRY(list_for(ctx, p->categories, names, n, view, &list[2]));
    own.columns = list[0];
    own.ignore = list[1];
    own.categories = list[2];
    if (p->transpose && mucmm__list_find(p->transpose, names[view], NULL) < 0)
        own.transpose = NULL;
    TRY(mucmm__data_open(ctx, paths[view], &own, out));
    for (int k = 0; k < 3; k++)
        used[k] |= (*out)->table.used[k];
done:
    for (int k = 0; k < 3; k++)
        mucmm__free(list[k]);
    return status;
}

/* ---- names of rows ------------------------------------------------------------------- */

static const char *row_name(const void *arg, int64_t i)
{
    return mucmm_data_key(arg, i);
}

static bool has_row_names(const mucmm_data *d)
{
    return mucmm__data_base(d)->table.row_names && d->n > 0;
}

/* How many names of a's rows are those of b's; *same: of the same rows, in the same order. */
static mucmm_status count_shared(mucmm_ctx *ctx, const mucmm_data *a, const mucmm_data *b,
                                 int64_t *shared, bool *same)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};

    *same = a->n == b->n;
    *shared = a->n;
    for (int64_t i = 0; *same && i < a->n; i++)
        *same = strcmp(row_name(a, i), row_name(b, i)) == 0;
    if (*same)
        return MUCMM_OK;
    *shared = 0;
    TRY(mucmm__index_init(ctx, &index, b->n, row_name, b));
    for (int64_t i = 0; i < b->n; i++)
        mucmm__index_insert(&index, i);
    for (int64_t i = 0; i < a->n; i++)
        *shared += mucmm__index_find(&index, row_name(a, i)) >= 0;
done:
    mucmm__index_drop(&index);
    return status;
}

/* The first two views whose rows have names that are not the same; *b -1: none. */
static mucmm_status find_unlike(mucmm_ctx *ctx, mucmm_data *const *data, int32_t n, int32_t *a,
                                int32_t *b, int64_t *shared)
{
    mucmm_status status = MUCMM_OK;

    *a = *b = -1;
    for (int32_t i = 0; i < n && *b < 0; i++) {
        bool same = true;
        if (!has_row_names(data[i]))
            continue;
        if (*a < 0)
            *a = i;
        else
            TRY(count_shared(ctx, data[*a], data[i], shared, &same));
        *b = same ? -1 : i;
    }
done:
    return status;
}

mucmm_status mucmm__pair_row_names(mucmm_ctx *ctx, mucmm_data **data, int32_t n, bool all)
{
    mucmm_status status = MUCMM_OK;
    int64_t shared = 0;
    int32_t a, b;

    TRY(find_unlike(ctx, data, n, &a, &b, &shared));
    if (b < 0)
        return MUCMM_OK;
    if (shared == 0) {
        mucmm__warn(ctx, "%s and %s: no name of a row is in both, so rows are paired by position",
                    mucmm_data_label(data[a]), mucmm_data_label(data[b]));
        return MUCMM_OK;
    }
    for (int32_t i = 0; i < n; i++)
        if (!has_row_names(data[i]))
            return mucmm__fail(
                ctx, MUCMM_EFORMAT,
                "%s and %s have the names of rows in another order, and %s has none: "
                "bring the rows of all files into one order",
                mucmm_data_label(data[a]), mucmm_data_label(data[b]), mucmm_data_label(data[i]));
    for (int32_t i = 0; i < n; i++)
        data[i]->table.keyed = true;
    mucmm__warn(ctx,
                "%s: the names of rows stand in another order than in %s, or are others: rows are "
                "paired by them",
                mucmm_data_label(data[b]), mucmm_data_label(data[a]));
    status = all ? mucmm_data_pair_all(ctx, data, n) : mucmm_data_pair(ctx, data, n);
done:
    return status;
}

/* ---- samples in columns -------------------------------------------------------------- */

static const char *column_name(const void *arg, int64_t j)
{
    return mucmm_data_column(arg, j);
}

/* Are half of the names of d's columns names of other's rows, or of its columns? */
static mucmm_status looks_turned(mucmm_ctx *ctx, const mucmm_data *d, const mucmm_data *other,
                                 bool *turned)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};
    int64_t rows = 0, columns = 0;

    *turned = d->cols == other->n && other->cols != other->n;
    if (*turned || !mucmm_data_column(d, 0))
        return MUCMM_OK;
    TRY(mucmm__index_init(ctx, &index, d->cols, column_name, d));
    for (int64_t j = 0; j < d->cols; j++)
        mucmm__index_insert(&index, j);
    for (int64_t i = 0; i < other->n && mucmm_data_key(other, i); i++)
        rows += mucmm__index_find(&index, mucmm_data_key(other, i)) >= 0;
    for (int64_t j = 0; j < other->cols && mucmm_data_column(other, j); j++)
        columns += mucmm__index_find(&index, mucmm_data_column(other, j)) >= 0;
    *turned = 2 * rows >= d->cols || (2 * columns >= d->cols && d->cols > 2);
done:
    mucmm__index_drop(&index);
    return status;
}

mucmm_status mucmm__say_turned(mucmm_ctx *ctx, const mucmm_view *views, int32_t n,
                               mucmm_status failed)
{
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < n; j++) {
            const mucmm_data *d = views[i].data;
            bool turned = false;
            if (i == j || d->n == views[j].data->n || !mucmm__data_base(d)->table.line)
                continue;
            if (looks_turned(ctx, d, views[j].data, &turned) != MUCMM_OK)
                return MUCMM_ENOMEM;
            if (turned)
                return mucmm__prefix(
                    ctx, failed,
                    "%s seems to have samples in columns, features in rows; if so, "
                    "say it of view '%s' (`transpose`)",
                    mucmm_data_label(d), views[i].name);
        }
    return failed;
}
