/* SPDX-License-Identifier: MIT
 *
 * shards.c - rows that lie in several .npy files, in a folder or by a pattern, as one array. */
#include "io/arrays.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct shards {
    mucmm_ctx *ctx;
    const char *path;
    char **names; /* [n] */
    int64_t n, room;
    mucmm__array all; /* of the first; shape[0] grows */
    unsigned char *bytes;
} shards;

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool mucmm__is_shards(const char *path)
{
    struct stat st;

    return is_folder(path) || (strpbrk(path, "*?[") && stat(path, &st) != 0);
}

/* ---- which ------------------------------------------------------------------------- */

static mucmm_status add_name(shards *s, const char *name)
{
    mucmm_status status = MUCMM_OK;

    if (s->n == s->room) {
        TRY(mucmm__realloc(s->ctx, s->n, 2 * s->room + 16, sizeof *s->names, &s->names));
        s->room = 2 * s->room + 16;
    }
    TRY(mucmm__strdup(s->ctx, name, &s->names[s->n]));
    s->n++;
done:
    return status;
}

static mucmm_status list_folder(shards *s)
{
    mucmm_status status = MUCMM_OK;
    struct dirent *entry;
    DIR *d = opendir(s->path);
    char path[4096];

    if (!d)
        return mucmm__fail(s->ctx, errno == ENOMEM ? MUCMM_ENOMEM : MUCMM_EIO, "cannot read %s: %s",
                           s->path, strerror(errno));
    while ((entry = readdir(d))) {
        if (entry->d_name[0] == '.' || !mucmm__ends_with(entry->d_name, ".npy"))
            continue;
        snprintf(path, sizeof path, "%s/%s", s->path, entry->d_name);
        TRY(add_name(s, path));
    }
done:
    closedir(d);
    return status;
}

static mucmm_status list_pattern(shards *s)
{
    mucmm_status status = MUCMM_OK;
    glob_t g = {0};
    int code = glob(s->path, GLOB_NOSORT, NULL, &g);

    if (code == GLOB_NOSPACE)
        status = mucmm__fail(s->ctx, MUCMM_ENOMEM, "%s: out of memory", s->path);
    for (size_t i = 0; code == 0 && i < g.gl_pathc; i++)
        TRY(add_name(s, g.gl_pathv[i]));
done:
    globfree(&g);
    return status;
}

/* part-2 before part-10. */
static int compare(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* ---- their numbers ----------------------------------------------------------------- */

static mucmm_status check_same(const shards *s, const char *name, const mucmm__array *a)
{
    const mucmm__array *b = &s->all;
    bool same = a->rank == b->rank && a->rank > 0;

    if (a->type != b->type)
        return mucmm__fail(s->ctx, MUCMM_ESHAPE, "%s is %s and %s is %s; shards are of one type",
                           s->names[0], mucmm_dtype_name(b->type), name, mucmm_dtype_name(a->type));
    for (int32_t k = 1; same && k < a->rank; k++)
        same = a->shape[k] == b->shape[k];
    if (!same)
        return mucmm__fail(s->ctx, MUCMM_ESHAPE,
                           "%s has rows of another shape than %s; shards agree but for the number "
                           "of their rows",
                           name, s->names[0]);
    return MUCMM_OK;
}

/* In C order and this machine's, behind those that are there: `used` bytes. */
static mucmm_status append(shards *s, const mucmm__array *a, int64_t *used)
{
    mucmm_status status = MUCMM_OK;
    int64_t n, size = mucmm__number_types[a->type].size, total;

    mucmm__array_bytes(a, &n);
    if (__builtin_add_overflow(*used, n, &total))
        return mucmm__fail(s->ctx, MUCMM_ENOMEM, "%s: out of memory: too many values", s->path);
    TRY(mucmm__realloc(s->ctx, *used, total, 1, &s->bytes));
    if (!a->fortran && !a->swap && n > 0)
        memcpy(s->bytes + *used, a->data, (size_t)n);
    else
        for (int64_t i = 0; i < n; i += size)
            for (int64_t b = 0; b < size; b++)
                s->bytes[*used + i + b] =
                    a->data[mucmm__array_offset(a, 0, i / size) + (a->swap ? size - 1 - b : b)];
    *used = total;
done:
    return status;
}

static mucmm_status read_shard(shards *s, int64_t i, int64_t *used)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {NULL, 0};
    mucmm__array a;
    int64_t rows = s->all.shape[0];

    TRY(mucmm__map_open(s->ctx, s->names[i], &map));
    if (!mucmm__is_npy(map.data, map.size))
        TRY(mucmm__fail(s->ctx, MUCMM_EFORMAT, "%s: not a .npy file, as shards are", s->names[i]));
    TRY(mucmm__npy_parse(s->ctx, s->names[i], map.data, map.size, &a));
    if (i == 0) {
        s->all = a;
        rows = 0;
    }
    TRY(check_same(s, s->names[i], &a));
    TRY(append(s, &a, used));
    s->all.shape[0] = rows + a.shape[0];
done:
    mucmm__map_close(&map);
    return status;
}

mucmm_status mucmm__shards_read(mucmm_ctx *ctx, const char *path, unsigned char **owned,
                                mucmm__array *out)
{
    mucmm_status status = MUCMM_OK;
    shards s = {.ctx = ctx, .path = path};
    bool folder = is_folder(path);
    int64_t used = 0;

    TRY(folder ? list_folder(&s) : list_pattern(&s));
    if (s.n == 0)
        TRY(mucmm__fail(ctx, MUCMM_EIO, "cannot read %s: %s", path,
                        folder ? "it is a folder without .npy files"
                               : "no file fits this pattern"));
    qsort(s.names, (size_t)s.n, sizeof *s.names, compare);
    for (int64_t i = 0; i < s.n; i++)
        TRY(read_shard(&s, i, &used));
    s.all.data = *owned = s.bytes;
    s.all.fortran = s.all.swap = false;
    *out = s.all;
    s.bytes = NULL;
done:
    for (int64_t i = 0; i < s.n; i++)
        mucmm__free(s.names[i]);
    mucmm__free(s.names);
    mucmm__free(s.bytes);
    return status;
}
