/* SPDX-License-Identifier: MIT
 *
 * study_file.c - the JSON file of a study: the table, the split and the views, all checked. Every
 * message names file, line and key. */
#include "encode/study.h"

#include <string.h>

/* ---- where in the file ------------------------------------------------------------- */

/* Behind the key "name": at or after `from`, or NULL. */
static const char *find_key(const char *from, const char *name)
{
    char quoted[MUCMM__QUOTE + 3];
    const char *at = from;

    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    while (at && (at = strstr(at, quoted))) {
        const char *after = at + strlen(quoted);
        if (after[strspn(after, " \t\r\n")] == ':')
            return after;
        at = after;
    }
    return NULL;
}

mucmm_status mucmm__study_locate(mucmm_ctx *ctx, mucmm_status status, const mucmm_study *s,
                                 const char *parent, const char *view, const char *key)
{
    const char *at = s->text, *found;
    int line = 1;

    if (parent && (found = find_key(at, parent)))
        at = found;
    if (view && (found = find_key(at, view)))
        at = found;
    if (key[0] && (found = find_key(at, key)))
        at = found;
    for (const char *c = s->text; c < at; c++)
        line += *c == '\n';
    if (view)
        return mucmm__prefix(ctx, status, "%s:%d: view '%s'", s->path, line, view);
    return mucmm__prefix(ctx, status, "%s:%d", s->path, line);
}

/* ---- reading the file -------------------------------------------------------------- */

static mucmm_status read_text(mucmm_ctx *ctx, mucmm_study *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {0};
    int line = 1;

    TRY(mucmm__map_open(ctx, s->path, &map));
    TRY(mucmm__alloc(ctx, (int64_t)map.size + 1, 1, &s->text));
    if (map.size)
        memcpy(s->text, map.data, map.size);
    status = mucmm__json_parse(ctx, s->text, map.size, &line, &s->root);
    if (status != MUCMM_OK)
        TRY(mucmm__prefix(ctx, status, "%s:%d", s->path, line));
    if (!json_is_object(s->root))
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s:1: a study is a JSON object: {\"views\": ...}",
                        s->path));
done:
    mucmm__map_close(&map);
    return status;
}

/* The folder that holds the file: what stands before the last slash. */
static mucmm_status find_folder(mucmm_ctx *ctx, mucmm_study *s)
{
    const char *slash = strrchr(s->path, '/');
    mucmm_status status = mucmm__strdup(ctx, slash ? s->path : ".", &s->folder);

    if (status == MUCMM_OK && slash)
        s->folder[slash == s->path ? 1 : slash - s->path] = '\0';
    return status;
}

static mucmm_status read_table(mucmm_ctx *ctx, mucmm_study *s, mucmm__description *d)
{
    mucmm_status status = MUCMM_OK;
    const char *name = NULL;
    mucmm__map map = {0};

    TRY(mucmm__get_string(ctx, d, s->root, "table", &name));
    if (!name)
        return MUCMM_OK;
    mucmm__quote(d->bad_key, "table");
    TRY(mucmm__path_join(ctx, s->folder, name, &s->table_path));
    TRY(mucmm__map_open(ctx, s->table_path, &map));
    TRY(mucmm__strings_parse(ctx, s->table_path, map.data, map.size, MUCMM_HEADER_AUTO, &s->table));
    s->n = s->table.rows;
    d->bad_key[0] = '\0';
done:
    mucmm__map_close(&map);
    return status;
}

/* A column of the table, or EARG with the nearest. */
mucmm_status mucmm__study_column(mucmm_ctx *ctx, const mucmm_study *s, mucmm__description *d,
                                 const char *key, const char *name, int64_t *out)
{
    mucmm_status status = MUCMM_OK;
    const char **words = NULL, *near;

    if (!s->table_path)
        return mucmm__key_fail(ctx, d, key, "is given, but the study has no 'table'");
    *out = mucmm__strings_column(&s->table, name);
    if (*out >= 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, s->table.cols, sizeof *words, &words));
    for (int64_t j = 0; j < s->table.cols; j++)
        words[j] = mucmm__strings_cell(&s->table, -1, j);
    near = mucmm_nearest_word(name, words, s->table.cols);
    status = mucmm__key_fail(ctx, d, key, "is '%.64s', but %s has no column of that name%s%s%s",
                             name, s->table_path, near ? "; did you mean '" : "", near ? near : "",
                             near ? "'?" : "");
done:
    mucmm__free(words);
    return status;
}

static mucmm_status read_split(mucmm_ctx *ctx, mucmm_study *s, mucmm__description *d)
{
    static const mucmm__key keys[] = {{"column", ~0u}, {"test", ~0u}, {"seed", ~0u}, {NULL, 0}};
    mucmm_status status = MUCMM_OK;
    json_t *o = json_object_get(s->root, "split");
    const char *column = NULL;

    s->split_column = -1;
    s->split_test = 0.2;
    s->split_seed = 1;
    if (!o)
        return MUCMM_OK;
    if (!json_is_object(o))
        return mucmm__key_fail(ctx, d, "split",
                               "must be an object: {\"column\": ..., \"test\": 0.2}");
    TRY(mucmm__check_keys(ctx, d, o, keys, MUCMM_SOURCE_ROWS));
    TRY(mucmm__get_string(ctx, d, o, "column", &column));
    TRY(mucmm__get_number(ctx, d, o, "test", &s->split_test));
    TRY(mucmm__get_integer(ctx, d, o, "seed", 0, INT64_MAX, &s->split_seed));
    if (!(s->split_test > 0 && s->split_test < 1))
        return mucmm__key_fail(ctx, d, "test", "must be a share of the rows between 0 and 1");
    if (column)
        TRY(mucmm__study_column(ctx, s, d, "column", column, &s->split_column));
    s->has_split = true;
done:
    return status;
}

/* ---- views ------------------------------------------------------------------------- */

/* "column": a name, or for texts a list of names. */
static mucmm_status check_columns(mucmm_ctx *ctx, const mucmm_study *s, mucmm__study_view *v)
{
    mucmm_status status = MUCMM_OK;
    const json_t *value = json_object_get(v->d.root, "column");
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    int64_t column;

    if (!value)
        return mucmm__key_fail(ctx, &v->d, "column",
                               "is missing: the table's column with the files or texts");
    if (json_is_array(value) && (v->d.kind != MUCMM_SOURCE_TEXT || n == 0))
        return mucmm__key_fail(ctx, &v->d, "column", "must be the name of one column");
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        if (!json_is_string(one))
            return mucmm__key_fail(ctx, &v->d, "column", "must be the name of a column");
        TRY(mucmm__study_column(ctx, s, &v->d, "column", json_string_value(one), &column));
    }
done:
    return status;
}

static mucmm_status read_view(mucmm_ctx *ctx, mucmm_study *s, const char *name, json_t *root)
{
    mucmm_status status = MUCMM_OK;
    mucmm__study_view *v = &s->view[s->n_views++];
    const char *file = NULL;

    *v = (mucmm__study_view){.name = name, .d = {.root = root, .folder = s->folder}};
    if (!mucmm__good_name(name))
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "the name of a view has 1 to 64 letters, digits, '_' and '-'"));
    TRY(mucmm__description_check(ctx, &v->d));
    if (v->d.kind != MUCMM_SOURCE_ROWS) {
        TRY(check_columns(ctx, s, v));
    } else {
        TRY(mucmm__get_string(ctx, &v->d, root, "file", &file));
        if (!file)
            TRY(mucmm__key_fail(ctx, &v->d, "file",
                                "is missing: a .npy, .csv, .npz or other file of rows"));
    }
    TRY(mucmm__json_text(ctx, root, &v->description));
done:
    if (status != MUCMM_OK)
        mucmm__study_locate(ctx, status, s, "views", name, v->d.bad_key);
    return status;
}

static mucmm_status read_views(mucmm_ctx *ctx, mucmm_study *s)
{
    mucmm_status status = MUCMM_OK;
    json_t *views = json_object_get(s->root, "views"), *root;
    const char *name;

    if (!json_is_object(views) || json_object_size(views) < 1 ||
        json_object_size(views) > MUCMM_MAX_VIEWS)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: 'views' must hold 1 to %d views: {\"NAME\": {\"kind\": ...}}",
                           s->path, MUCMM_MAX_VIEWS);
    json_object_foreach(views, name, root)
    {
        TRY(read_view(ctx, s, name, root));
    }
done:
    return status;
}

static mucmm_status read_top(mucmm_ctx *ctx, mucmm_study *s)
{
    static const mucmm__key keys[] = {{"table", ~0u}, {"split", ~0u}, {"views", ~0u}, {NULL, 0}};
    mucmm_status status = MUCMM_OK;
    mucmm__description d = {0};

    TRY(mucmm__check_keys(ctx, &d, s->root, keys, MUCMM_SOURCE_ROWS));
    TRY(read_table(ctx, s, &d));
    TRY(read_split(ctx, s, &d));
done:
    if (status != MUCMM_OK)
        mucmm__study_locate(ctx, status, s, NULL, NULL, d.bad_key);
    return status;
}

mucmm_status mucmm__study_read(mucmm_ctx *ctx, mucmm_study *s)
{
    mucmm_status status = MUCMM_OK;

    TRY(find_folder(ctx, s));
    TRY(read_text(ctx, s));
    TRY(read_top(ctx, s));
    TRY(read_views(ctx, s));
done:
    return status;
}
