/* SPDX-License-Identifier: MIT
 *
 * shown.c - what stands for the rows of a study's view that are numbers alone: its key "show". */
#include "encode/study.h"

#include "io/data.h"

#include <string.h>

/* Of pictures, in pixels, where the description says nothing else. */
enum { SIDE = 160 };

struct mucmm__shown {
    int64_t n;
    char **text;            /* [n] the cells; of pictures their files' names */
    mucmm_source *pictures; /* NULL: texts */
};

void mucmm__shown_free(mucmm__shown *s)
{
    if (!s)
        return;
    for (int64_t i = 0; s->text && i < s->n; i++)
        mucmm__free(s->text[i]);
    mucmm__free(s->text);
    mucmm_source_free(s->pictures);
    mucmm__free(s);
}

/* "show": "COLUMN" is a text; else {"kind": "image" or "text", "column": ...}. A new reference. */
static mucmm_status describe(mucmm_ctx *ctx, mucmm__description *of, json_t *show, json_t **out)
{
    const char *kind;

    *out = json_is_string(show) ? json_pack("{s:s, s:O}", "kind", "text", "column", show)
                                : json_deep_copy(show);
    if (!*out)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory for what a study shows");
    kind = json_string_value(json_object_get(*out, "kind"));
    if (!kind || (strcmp(kind, "image") != 0 && strcmp(kind, "text") != 0) ||
        !json_is_string(json_object_get(*out, "column")))
        return mucmm__key_fail(ctx, of, "show",
                               "must be the name of a column of texts, or {\"kind\": \"image\" or "
                               "\"text\", \"column\": NAME}");
    if (strcmp(kind, "image") != 0 || json_object_get(*out, "size"))
        return MUCMM_OK;
    if (json_object_set_new(*out, "size", json_integer(SIDE)) != 0 ||
        (!json_object_get(*out, "fit") && json_object_set_new(*out, "fit", json_string("pad"))))
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory for what a study shows");
    return MUCMM_OK;
}

static mucmm_status open_pictures(mucmm_ctx *ctx, mucmm_study *s, mucmm__description *d,
                                  const char *column, mucmm__shown *shown)
{
    mucmm_status status = MUCMM_OK;
    const char **items = NULL;

    TRY(mucmm__description_check(ctx, d));
    TRY(mucmm__alloc(ctx, shown->n, sizeof *items, &items));
    for (int64_t i = 0; i < shown->n; i++)
        items[i] = shown->text[i];
    TRY(mucmm__source_describe(ctx, d, items, shown->n, &shown->pictures));
    TRY(mucmm__source_origin(ctx, shown->pictures, s->table_path, column, s->table.line));
    TRY(mucmm__source_check(ctx, shown->pictures));
done:
    mucmm__free(items);
    return status;
}

mucmm_status mucmm__study_show(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v)
{
    mucmm_status status = MUCMM_OK;
    json_t *show = json_object_get(v->d.root, "show");
    mucmm__description d = {.folder = s->folder};
    mucmm__shown *shown = NULL;
    const char *column;
    int64_t j;

    if (!show)
        return MUCMM_OK;
    TRY(describe(ctx, &v->d, show, &d.root));
    column = json_string_value(json_object_get(d.root, "column"));
    TRY(mucmm__study_column(ctx, s, &v->d, "show", column, &j));
    TRY(mucmm__alloc(ctx, 1, sizeof *shown, &shown));
    TRY(mucmm__alloc(ctx, s->n, sizeof *shown->text, &shown->text));
    shown->n = s->n;
    for (int64_t i = 0; i < s->n; i++)
        TRY(mucmm__strdup(ctx, mucmm__strings_cell(&s->table, i, j), &shown->text[i]));
    if (strcmp(json_string_value(json_object_get(d.root, "kind")), "image") == 0)
        TRY(open_pictures(ctx, s, &d, column, shown));
    v->shown = shown;
    shown = NULL;
done:
    mucmm__description_drop(&d);
    mucmm__shown_free(shown);
    return status == MUCMM_OK || status == MUCMM_EIO
               ? status
               : mucmm__study_locate(ctx, status, s, "views", v->name, "show");
}

/* ---- of data ----------------------------------------------------------------------- */

static const mucmm__shown *shown_of(const mucmm_data *d, int64_t row)
{
    int64_t i = row >= 0 && row < d->n ? mucmm__data_row(d, row) : -1;
    const mucmm__shown *s = mucmm__data_base(d)->shown;

    return s && i >= 0 && i < s->n ? s : NULL;
}

const char *mucmm_data_shown(const mucmm_data *d, int64_t row)
{
    const mucmm__shown *s = shown_of(d, row);

    return s ? s->text[mucmm__data_row(d, row)] : NULL;
}

mucmm_status mucmm_data_shown_picture(mucmm_ctx *ctx, const mucmm_data *d, int64_t row,
                                      int64_t *height, int64_t *width, unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__shown *s = shown_of(d, row);
    mucmm__picture picture = {0};

    *height = *width = 0;
    if (!s || !s->pictures)
        return MUCMM_OK;
    *height = s->pictures->image.height;
    *width = s->pictures->image.width;
    if (!rgb)
        return MUCMM_OK;
    TRY(mucmm__source_picture(ctx, s->pictures, mucmm__data_row(d, row), &picture));
    memcpy(rgb, picture.rgb, (size_t)(3 * *height * *width));
done:
    mucmm__picture_drop(&picture);
    return status;
}
