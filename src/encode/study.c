/* SPDX-License-Identifier: MIT
 *
 * study.c - a JSON file that names a table, how its rows are split and the views, opened as data.
 * Every message names file, line and key. */
#include "encode/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STREAM_SPLIT 7

typedef struct study_view {
    const char *name; /* belongs to root */
    char *description;
    mucmm__description d; /* root is borrowed */
    mucmm_source *source; /* while the study is being opened */
    mucmm_encoder *encoder;
    mucmm_data *data; /* all rows, once opened */
} study_view;

struct mucmm_study {
    _Atomic int64_t keepers; /* who hold it besides its first owner */
    char *path, *folder;
    char *text; /* of the file, for line numbers */
    json_t *root;
    char *table_path; /* NULL = there is no table */
    mucmm__strings table;
    bool has_split;
    int64_t split_column; /* -1 = every row on its own */
    double split_test;
    int64_t split_seed;
    int32_t n_views;
    study_view view[MUCMM_MAX_VIEWS];
    bool opened;
    int64_t n, skipped;
    bool *bad, *test;            /* [n] */
    int64_t *rows[3], n_rows[3]; /* by mucmm_part */
};

void mucmm_study_params_init_sized(mucmm_study_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_study_params){.struct_size = 0}, sizeof *p);
}

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

/* "study.json:7: " in front, and the view; the line is that of the key. */
static mucmm_status locate(mucmm_ctx *ctx, mucmm_status status, const mucmm_study *s,
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
    TRY(mucmm__strings_parse(ctx, s->table_path, map.data, map.size, &s->table));
    s->n = s->table.rows;
    d->bad_key[0] = '\0';
done:
    mucmm__map_close(&map);
    return status;
}

/* A column of the table, or EARG with the nearest. */
static mucmm_status find_column(mucmm_ctx *ctx, const mucmm_study *s, mucmm__description *d,
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
        TRY(find_column(ctx, s, d, "column", column, &s->split_column));
    s->has_split = true;
done:
    return status;
}

/* ---- views ------------------------------------------------------------------------- */

/* "column": a name, or for texts a list of names. */
static mucmm_status check_columns(mucmm_ctx *ctx, const mucmm_study *s, study_view *v)
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
        TRY(find_column(ctx, s, &v->d, "column", json_string_value(one), &column));
    }
done:
    return status;
}

static mucmm_status read_view(mucmm_ctx *ctx, mucmm_study *s, const char *name, json_t *root)
{
    mucmm_status status = MUCMM_OK;
    study_view *v = &s->view[s->n_views++];
    const char *file = NULL;

    *v = (study_view){.name = name, .d = {.root = root, .folder = s->folder}};
    if (!mucmm__good_name(name))
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "the name of a view has 1 to 64 letters, digits, '_' and '-'"));
    TRY(mucmm__description_check(ctx, &v->d));
    if (v->d.kind != MUCMM_SOURCE_ROWS) {
        TRY(check_columns(ctx, s, v));
    } else {
        TRY(mucmm__get_string(ctx, &v->d, root, "file", &file));
        if (!file)
            TRY(mucmm__key_fail(ctx, &v->d, "file", "is missing: a .npy, .csv, .tsv or .idx file"));
    }
    TRY(mucmm__json_text(ctx, root, &v->description));
done:
    if (status != MUCMM_OK)
        locate(ctx, status, s, "views", name, v->d.bad_key);
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
        locate(ctx, status, s, NULL, NULL, d.bad_key);
    return status;
}

mucmm_status mucmm_study_load(mucmm_ctx *ctx, const char *path, mucmm_study **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_study *s = NULL;

    *out = NULL;
    if (!path)
        return mucmm__fail(ctx, MUCMM_EARG, "no file name");
    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    TRY(mucmm__strdup(ctx, path, &s->path));
    TRY(find_folder(ctx, s));
    TRY(read_text(ctx, s));
    TRY(read_top(ctx, s));
    TRY(read_views(ctx, s));
    *out = s;
    s = NULL;
done:
    mucmm_study_free(s);
    return status;
}

static void close_views(mucmm_study *s)
{
    for (int32_t i = 0; i < s->n_views; i++) {
        mucmm_data_free(s->view[i].data);
        s->view[i].data = NULL;
    }
    for (int part = 0; part < 3; part++) {
        mucmm__free(s->rows[part]);
        s->rows[part] = NULL;
        s->n_rows[part] = 0;
    }
    mucmm__free(s->bad);
    mucmm__free(s->test);
    s->bad = s->test = NULL;
    s->n = s->table.rows;
    s->skipped = 0;
}

mucmm_study *mucmm__study_keep(mucmm_study *s)
{
    atomic_fetch_add(&s->keepers, 1);
    return s;
}

void mucmm_study_free(mucmm_study *s)
{
    if (!s || atomic_fetch_sub(&s->keepers, 1) > 0)
        return;
    close_views(s);
    for (int32_t i = 0; i < s->n_views; i++)
        mucmm__free(s->view[i].description);
    mucmm__strings_drop(&s->table);
    json_decref(s->root);
    mucmm__free(s->table_path);
    mucmm__free(s->text);
    mucmm__free(s->folder);
    mucmm__free(s->path);
    mucmm__free(s);
}

/* ---- opening a view ---------------------------------------------------------------- */

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
static mucmm_status open_items(mucmm_ctx *ctx, mucmm_study *s, study_view *v, mucmm_source **out)
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
        locate(ctx, status, s, "views", v->name, v->d.bad_key);
        mucmm_source_free(*out);
        *out = NULL;
    }
    mucmm__free(columns);
    mucmm__free(text);
    mucmm__free(items);
    return status;
}

static mucmm_status open_file(mucmm_ctx *ctx, mucmm_study *s, study_view *v, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    const char *file = json_string_value(json_object_get(v->d.root, "file"));
    char *path = NULL;

    TRY(mucmm__path_join(ctx, s->folder, file, &path));
    TRY(mucmm_data_open(ctx, path, NULL, out));
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
        locate(ctx, status, s, "views", v->name, "file");
        mucmm_data_free(*out);
        *out = NULL;
    }
    mucmm__free(path);
    return status;
}

/* FOLDER/STUDY.VIEW.npy; the folder is made. */
static mucmm_status cache_path(mucmm_ctx *ctx, const mucmm_study *s, const study_view *v,
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

static mucmm_status encode_view(mucmm_ctx *ctx, mucmm_study *s, study_view *v,
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
        locate(ctx, status, s, "views", v->name, "");
    TRY(status);
    for (int64_t i = 0; i < s->n; i++)
        s->bad[i] = s->bad[i] || bad[i];
done:
    mucmm__free(path);
    mucmm__free(bad);
    return status;
}

/* Everything that can fail before the work: files, networks, rows that are not there. */
static mucmm_status open_view(mucmm_ctx *ctx, mucmm_study *s, study_view *v, bool skip_bad)
{
    mucmm_status status = MUCMM_OK;

    if (v->d.kind == MUCMM_SOURCE_ROWS) {
        TRY(open_file(ctx, s, v, &v->data));
        if (!json_object_get(v->d.root, "encoder"))
            return MUCMM_OK;
        TRY(mucmm_source_wrap(ctx, v->data, &v->source));
        mucmm_data_free(v->data);
        v->data = NULL;
    } else
        TRY(open_items(ctx, s, v, &v->source));
    status = mucmm__encoder_describe(ctx, &v->d, &v->encoder);
    if (status != MUCMM_OK)
        TRY(locate(ctx, status, s, "views", v->name, v->d.bad_key));
    if (!skip_bad)
        TRY(mucmm__source_check(ctx, v->source));
done:
    return status;
}

static void drop_encoder(study_view *v)
{
    mucmm_source_free(v->source);
    mucmm_encoder_free(v->encoder);
    v->source = NULL;
    v->encoder = NULL;
}

/* ---- the split --------------------------------------------------------------------- */

typedef struct group {
    int64_t first, rows; /* row that stands for the group; how many it has */
    uint64_t order;
} group;

static int compare_groups(const void *a, const void *b)
{
    const group *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static const char *split_cell(const void *arg, int64_t i)
{
    const mucmm_study *s = arg;

    return mucmm__strings_cell(&s->table, i, s->split_column);
}

/* leader [n]: the first row of each row's group. */
static mucmm_status find_groups(mucmm_ctx *ctx, const mucmm_study *s, int64_t *leader,
                                group *groups, int64_t *n_groups)
{
    mucmm_status status = MUCMM_OK;
    uint64_t key = mucmm__rng_key((uint64_t)s->split_seed, STREAM_SPLIT), hash;
    mucmm__index index = {0};
    bool grouped = s->split_column >= 0;

    if (grouped)
        TRY(mucmm__index_init(ctx, &index, s->n, split_cell, s));
    *n_groups = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t before = grouped ? mucmm__index_insert(&index, i) : -1;
        const char *cell = grouped ? split_cell(s, i) : "";
        leader[i] = before < 0 ? i : before;
        groups[i].rows = 0;
        if (before < 0) {
            hash = grouped ? mucmm__hash(MUCMM__HASH_START, cell, strlen(cell)) : (uint64_t)i;
            groups[i].first = i;
            groups[i].order = mucmm__rng_bits(key, hash);
            ++*n_groups;
        }
        groups[leader[i]].rows++;
    }
done:
    mucmm__index_drop(&index);
    return status;
}

/* Whole groups, in an order that depends on the seed and their names alone, go to the test part
 * until it has its share; at least one stays for training. */
static mucmm_status split_rows(mucmm_ctx *ctx, mucmm_study *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t *leader = NULL, n_groups, taken = 0, k = 0;
    group *groups = NULL;

    TRY(mucmm__alloc(ctx, s->n, sizeof *s->test, &s->test));
    TRY(mucmm__alloc(ctx, s->n, sizeof *leader, &leader));
    TRY(mucmm__alloc(ctx, s->n, sizeof *groups, &groups));
    TRY(find_groups(ctx, s, leader, groups, &n_groups));
    if (n_groups < 2)
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE,
                        "%s: 'split': all rows are in one group; at least two "
                        "are needed",
                        s->path));
    for (int64_t i = 0; i < s->n; i++)
        if (groups[i].rows > 0)
            groups[k++] = groups[i];
    qsort(groups, (size_t)n_groups, sizeof *groups, compare_groups);
    for (k = 0; k + 1 < n_groups && (double)taken < s->split_test * (double)s->n; k++) {
        s->test[groups[k].first] = true;
        taken += groups[k].rows;
    }
    for (int64_t i = 0; i < s->n; i++)
        s->test[i] = s->test[leader[i]];
done:
    mucmm__free(leader);
    mucmm__free(groups);
    return status;
}

/* Row numbers of the parts, without those that are bad. */
static mucmm_status list_rows(mucmm_ctx *ctx, mucmm_study *s)
{
    mucmm_status status = MUCMM_OK;

    for (int part = 0; part < 3; part++)
        TRY(mucmm__alloc(ctx, s->n, sizeof *s->rows[part], &s->rows[part]));
    for (int64_t i = 0; i < s->n; i++) {
        int part = s->has_split && s->test[i] ? MUCMM_PART_TEST : MUCMM_PART_TRAIN;
        if (s->bad[i]) {
            s->skipped++;
            continue;
        }
        s->rows[MUCMM_PART_ALL][s->n_rows[MUCMM_PART_ALL]++] = i;
        if (s->has_split)
            s->rows[part][s->n_rows[part]++] = i;
    }
    if (s->skipped)
        mucmm__warn(ctx, "%s: %" PRId64 " of %" PRId64 " rows cannot be read and are left out",
                    s->path, s->skipped, s->n);
done:
    return status;
}

/* What is learnt of a view is learnt from the training part. */
static mucmm_status fit_view(mucmm_ctx *ctx, mucmm_study *s, study_view *v)
{
    mucmm_status status = v->source ? mucmm__source_fit(ctx, v->source, s->test) : MUCMM_OK;

    return status == MUCMM_OK ? status : locate(ctx, status, s, "views", v->name, "tokenizer");
}

mucmm_status mucmm_study_encode(mucmm_ctx *ctx, mucmm_study *s, const mucmm_study_params *params)
{
    mucmm_status status = MUCMM_OK;
    mucmm_study_params p;

    mucmm_study_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_study_params", params, &p, sizeof p));
    if (s->opened)
        return MUCMM_OK;
    for (int32_t i = 0; i < s->n_views; i++)
        TRY(open_view(ctx, s, &s->view[i], p.skip_bad));
    TRY(mucmm__alloc(ctx, s->n, sizeof *s->bad, &s->bad));
    if (s->has_split)
        TRY(split_rows(ctx, s));
    for (int32_t i = 0; i < s->n_views; i++)
        TRY(fit_view(ctx, s, &s->view[i]));
    for (int32_t i = 0; i < s->n_views; i++)
        if (s->view[i].encoder)
            TRY(encode_view(ctx, s, &s->view[i], &p));
    TRY(list_rows(ctx, s));
    s->opened = true;
done:
    for (int32_t i = 0; i < s->n_views; i++)
        drop_encoder(&s->view[i]);
    if (status != MUCMM_OK)
        close_views(s);
    return status;
}

/* ---- looking ----------------------------------------------------------------------- */

int32_t mucmm_study_views(const mucmm_study *s)
{
    return s->n_views;
}

const char *mucmm_study_view_name(const mucmm_study *s, int32_t view)
{
    return view >= 0 && view < s->n_views ? s->view[view].name : NULL;
}

const char *mucmm_study_description(const mucmm_study *s, int32_t view)
{
    return view >= 0 && view < s->n_views ? s->view[view].description : NULL;
}

const char *mucmm_study_folder(const mucmm_study *s)
{
    return s->folder;
}

int32_t mucmm_study_has_split(const mucmm_study *s)
{
    return s->has_split;
}

int64_t mucmm_study_rows(const mucmm_study *s, mucmm_part part)
{
    return s->opened && part >= MUCMM_PART_ALL && part <= MUCMM_PART_TEST ? s->n_rows[part] : 0;
}

int64_t mucmm_study_skipped(const mucmm_study *s)
{
    return s->skipped;
}

int64_t mucmm_study_row(const mucmm_study *s, mucmm_part part, int64_t i)
{
    return i >= 0 && i < mucmm_study_rows(s, part) ? s->rows[part][i] : -1;
}

const char *mucmm_study_cell(const mucmm_study *s, int64_t row, const char *column)
{
    int64_t j = s->table_path ? mucmm__strings_column(&s->table, column) : -1;

    return j >= 0 && row >= 0 && row < s->table.rows ? mucmm__strings_cell(&s->table, row, j)
                                                     : NULL;
}

mucmm_status mucmm_study_view(mucmm_ctx *ctx, const mucmm_study *s, int32_t view, mucmm_part part,
                              mucmm_data **out)
{
    static const char *const names[] = {"all", "train", "test"};

    *out = NULL;
    if (!s->opened)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: call mucmm_study_encode first", s->path);
    if (view < 0 || view >= s->n_views || part < MUCMM_PART_ALL || part > MUCMM_PART_TEST)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: no view %d or no part %d", s->path, view,
                           (int)part);
    if (part != MUCMM_PART_ALL && !s->has_split)
        return mucmm__fail(ctx, MUCMM_EARG, "%s has no 'split', so there is no part '%s'", s->path,
                           names[part]);
    if (s->n_rows[part] == 0)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s: no rows are left in part '%s'", s->path,
                           names[part]);
    return mucmm_data_subset(ctx, s->view[view].data, s->rows[part], s->n_rows[part], out);
}
