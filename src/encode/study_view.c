/* SPDX-License-Identifier: MIT
 *
 * study_view.c - one view of a study: its items and its network opened, its rows encoded. */
#include "encode/study.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

/* Cells of the columns, joined by a space. items [n] point into text. */
static mucmm_status join_cells(mucmm_ctx *ctx, const mucmm_study *s, const int64_t *columns,
                               size_t n_columns, char **text, const char ***items)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = 0, used = 0;

    for (int64_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < n_columns; k++)
            size += (int64_t)strlen(mucmm__strings_cell(&s->table, i, columns[k])) + 1;
    TRY(mucmm__alloc(ctx, size + 1, 1, text));
    TRY(mucmm__alloc(ctx, s->n, sizeof **items, items));
    for (int64_t i = 0; i < s->n; i++) {
        (*items)[i] = *text + used;
        for (size_t k = 0; k < n_columns; k++) {
            const char *cell = mucmm__strings_cell(&s->table, i, columns[k]);
            size_t n = strlen(cell);
            memcpy(*text + used, cell, n);
            used += (int64_t)n;
            (*text)[used++] = k + 1 < n_columns ? ' ' : '\0';
        }
    }
done:
    return status;
}

/* Pictures, texts or sounds that the table's column names. */
static mucmm_status open_items(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v,
                               mucmm_source **out)
{
    mucmm_status status = MUCMM_OK;
    json_t *value = json_object_get(v->d.root, "column");
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    int64_t *columns = NULL;
    char *text = NULL;
    const char **items = NULL, *name = "";

    TRY(mucmm__alloc(ctx, (int64_t)n, sizeof *columns, &columns));
    for (size_t i = 0; i < n; i++) {
        name = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        columns[i] = mucmm__strings_column(&s->table, name);
    }
    TRY(join_cells(ctx, s, columns, n, &text, &items));
    TRY(mucmm__source_describe(ctx, &v->d, items, s->n, out));
    TRY(mucmm__source_origin(ctx, *out, s->table_path, name, s->table.line));
done:
    if (status != MUCMM_OK) {
        mucmm__study_locate(ctx, status, s, "views", v->name, v->d.bad_key);
        mucmm_source_free(*out);
        *out = NULL;
    }
    mucmm__free(columns);
    mucmm__free(text);
    mucmm__free(items);
    return status;
}

static mucmm_status open_file(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v,
                              const mucmm_study_params *params, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data_params p;
    const char *file = json_string_value(json_object_get(v->d.root, "file"));
    char *path = NULL;

    TRY(mucmm__path_join(ctx, s->folder, file, &path));
    mucmm_data_params_init(&p);
    p.missing_row = params->missing_row;
    p.missing_column = params->missing_column;
    if (!json_object_get(v->d.root, "encoder")) /* of a network all inputs are needed */
        p.missing = params->missing;
    TRY(mucmm_data_open(ctx, path, &p, out));
    if (s->n == 0)
        s->n = mucmm_data_rows(*out);
    if (mucmm_data_rows(*out) != s->n)
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE,
                        "%s has %" PRId64 " rows, and %s has %" PRId64
                        "; the rows of a study are paired by position",
                        path, mucmm_data_rows(*out),
                        s->table_path ? s->table_path : "the first view", s->n));
done:
    if (status != MUCMM_OK) {
        mucmm__study_locate(ctx, status, s, "views", v->name, "file");
        mucmm_data_free(*out);
        *out = NULL;
    }
    mucmm__free(path);
    return status;
}

/* FOLDER/STUDY.VIEW.npy; the folder is made. */
static mucmm_status cache_path(mucmm_ctx *ctx, const mucmm_study *s, const mucmm__study_view *v,
                               const char *cache, char **out)
{
    mucmm_status status = MUCMM_OK;
    const char *slash = strrchr(s->path, '/'), *name = slash ? slash + 1 : s->path;
    size_t stem = strlen(name) - (mucmm__ends_with(name, ".json") ? 5 : 0);
    char *folder = NULL;
    size_t size;

    if (cache)
        TRY(mucmm__strdup(ctx, cache, &folder));
    else
        TRY(mucmm__path_join(ctx, s->folder, ".mucmm-cache", &folder));
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        TRY(mucmm__fail(ctx, MUCMM_EIO, "cannot create folder %s: %s", folder, strerror(errno)));
    size = strlen(folder) + strlen(name) + strlen(v->name) + 8;
    TRY(mucmm__alloc(ctx, (int64_t)size, 1, out));
    snprintf(*out, size, "%s/%.*s.%s.npy", folder, (int)stem, name, v->name);
done:
    mucmm__free(folder);
    return status;
}

/* Does the message begin with a line of the table? */
static bool names_row(const mucmm_ctx *ctx, const mucmm_study *s)
{
    return s->table_path && strncmp(ctx->message, s->table_path, strlen(s->table_path)) == 0;
}

mucmm_status mucmm__study_view_encode(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v,
                                      const mucmm_study_params *params)
{
    mucmm_status status = MUCMM_OK;
    mucmm_encode_params p;
    char stage[MUCMM__QUOTE + 16], *path = NULL;
    bool *bad = NULL;

    mucmm_encode_params_init(&p);
    TRY(cache_path(ctx, s, v, params->cache, &path));
    TRY(mucmm__alloc(ctx, s->n, sizeof *bad, &bad));
    p.cache = path;
    p.memory = params->memory;
    p.skip_bad = params->skip_bad;
    snprintf(stage, sizeof stage, "encode %s", v->name);
    status = mucmm__encode_all(ctx, stage, v->source, v->encoder, &p, bad, &v->data);
    if (status != MUCMM_OK && status != MUCMM_ECANCELED && !names_row(ctx, s))
        mucmm__study_locate(ctx, status, s, "views", v->name, "");
    TRY(status);
    for (int64_t i = 0; i < s->n; i++)
        s->bad[i] = s->bad[i] || bad[i];
done:
    mucmm__free(path);
    mucmm__free(bad);
    return status;
}

mucmm_status mucmm__study_view_open(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v,
                                    const mucmm_study_params *params)
{
    mucmm_status status = MUCMM_OK;

    if (v->d.kind == MUCMM_SOURCE_ROWS) {
        TRY(open_file(ctx, s, v, params, &v->data));
        TRY(mucmm__study_show(ctx, s, v));
        if (!json_object_get(v->d.root, "encoder"))
            return MUCMM_OK;
        TRY(mucmm_source_wrap(ctx, v->data, &v->source));
        mucmm_data_free(v->data);
        v->data = NULL;
    } else
        TRY(open_items(ctx, s, v, &v->source));
    status = mucmm__encoder_describe(ctx, &v->d, &v->encoder);
    if (status != MUCMM_OK)
        TRY(mucmm__study_locate(ctx, status, s, "views", v->name, v->d.bad_key));
    if (!params->skip_bad)
        TRY(mucmm__source_check(ctx, v->source));
done:
    return status;
}

void mucmm__study_view_drop(mucmm__study_view *v)
{
    mucmm_source_free(v->source);
    mucmm_encoder_free(v->encoder);
    mucmm__shown_free(v->shown);
    v->shown = NULL;
    v->source = NULL;
    v->encoder = NULL;
}

mucmm_status mucmm__study_view_fit(mucmm_ctx *ctx, mucmm_study *s, mucmm__study_view *v)
{
    mucmm_status status = v->source ? mucmm__source_fit(ctx, v->source, s->test) : MUCMM_OK;

    return status == MUCMM_OK ? status
                              : mucmm__study_locate(ctx, status, s, "views", v->name, "tokenizer");
}
