/* SPDX-License-Identifier: MIT
 *
 * cache.c - features in a file that an interrupted run can go on with. NAME.npy.part grows and
 * becomes NAME.npy when it is whole; NAME.npy.json says what features were made from, how many rows
 * are safe on the disk, and the hash of these rows. The three files change one after another, and a
 * run may end between any two changes (or the files be copied, or another run have made one of
 * them): so neither NAME.npy nor NAME.npy.part is believed before its rows have that hash. */
#include "core/json.h"
#include "encode/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FORMAT 2
#define SAVE_EVERY_SECONDS 2.0

/* Size and time of a file; a missing one counts as such. */
void mucmm__hash_stat(const char *path, uint64_t *hash)
{
    struct stat st;
    int64_t facts[3] = {-1, -1, -1};

    if (stat(path, &st) == 0) {
        facts[0] = st.st_size;
        facts[1] = st.st_mtim.tv_sec;
        facts[2] = st.st_mtim.tv_nsec;
    }
    *hash = mucmm__hash(*hash, facts, sizeof facts);
}

mucmm_status mucmm__hash_file(mucmm_ctx *ctx, const char *path, uint64_t *hash)
{
    mucmm__map map;
    mucmm_status status = mucmm__map_open(ctx, path, &map);

    if (status == MUCMM_OK)
        *hash = mucmm__hash(*hash, map.data, map.size);
    mucmm__map_close(&map);
    return status;
}

/* ---- the file beside it ------------------------------------------------------------ */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static const char *print_hash(char out[24], uint64_t hash)
{
    snprintf(out, 24, "%016" PRIx64, hash);
    return out;
}

static mucmm_status describe(mucmm_ctx *ctx, const mucmm__cache *c, char **text)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {false};
    json_t *o = json_object(), *bad = json_array();
    char print[24];

    mucmm__json_set(&b, o, "format", json_integer(FORMAT));
    mucmm__json_set(&b, o, "fingerprint", json_string(print_hash(print, c->fingerprint)));
    mucmm__json_set(&b, o, "rows", json_integer(c->n));
    mucmm__json_set(&b, o, "done", json_integer(c->done));
    mucmm__json_set(&b, o, "content", json_string(print_hash(print, c->content)));
    for (int64_t i = 0; i < c->done; i++)
        if (c->bad[i])
            mucmm__json_add(&b, bad, json_integer(i));
    mucmm__json_set(&b, o, "bad", bad);
    TRY(mucmm__json_done(ctx, &b, o));
    TRY(mucmm__json_text(ctx, o, text));
done:
    json_decref(o);
    return status;
}

/* After the rows that it tells of are on the disk. */
static mucmm_status save_side(mucmm_ctx *ctx, mucmm__cache *c)
{
    mucmm_status status = MUCMM_OK;
    char *text = NULL;

    if (c->fd >= 0 && fdatasync(c->fd) != 0)
        TRY(mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: %s", c->part, strerror(errno)));
    TRY(describe(ctx, c, &text));
    TRY(mucmm_file_write(ctx, c->side, text, strlen(text)));
    c->saved = now();
    c->saved_done = c->done;
done:
    mucmm__free(text);
    return status;
}

static void forget_rows(mucmm__cache *c)
{
    c->done = c->saved_done = 0;
    c->content = MUCMM__HASH_START;
    memset(c->bad, 0, (size_t)c->n * sizeof *c->bad);
}

static bool says(const json_t *o, const char *key, uint64_t hash)
{
    const char *text = json_string_value(json_object_get(o, key));
    char print[24];

    return text && strcmp(text, print_hash(print, hash)) == 0;
}

/* Is the side file of these features? Then what it says of them. */
static bool read_side(mucmm__cache *c, const json_t *o)
{
    const json_t *bad = json_object_get(o, "bad");
    const char *content = json_string_value(json_object_get(o, "content"));
    int64_t done = json_integer_value(json_object_get(o, "done"));
    int used = 0;

    if (!says(o, "fingerprint", c->fingerprint) ||
        json_integer_value(json_object_get(o, "format")) != FORMAT ||
        json_integer_value(json_object_get(o, "rows")) != c->n || done < 1 || done > c->n)
        return false;
    if (!content || sscanf(content, "%16" SCNx64 "%n", &c->content, &used) != 1 || content[used])
        return false;
    for (size_t i = 0; i < json_array_size(bad); i++) {
        int64_t row = json_integer_value(json_array_get(bad, i));
        if (row < 0 || row >= done)
            return false;
        c->bad[row] = true;
    }
    c->done = c->saved_done = done;
    return true;
}

/* A side file that is not there, damaged, or of other features tells nothing: 0 rows are done. */
static mucmm_status load_side(mucmm_ctx *ctx, mucmm__cache *c)
{
    mucmm__map map = {NULL, 0};
    json_t *o = NULL;
    mucmm_ctx quiet;
    mucmm_status status;

    mucmm__ctx_alone(ctx, &quiet);
    forget_rows(c);
    status = mucmm__map_open(&quiet, c->side, &map);
    if (status == MUCMM_OK)
        status = mucmm__json_parse(&quiet, map.data, map.size, NULL, &o);
    if (status == MUCMM_OK && !read_side(c, o))
        forget_rows(c);
    json_decref(o);
    mucmm__map_close(&map);
    return status == MUCMM_ENOMEM ? mucmm__fail(ctx, status, "%s", quiet.message) : MUCMM_OK;
}

/* ---- what the files hold ----------------------------------------------------------- */

static size_t row_bytes(const mucmm__cache *c)
{
    return (size_t)c->cols * sizeof(float);
}

static int64_t bytes_of(const mucmm__cache *c, int64_t rows)
{
    return c->header_size + rows * (int64_t)row_bytes(c);
}

/* Row by row, so that it does not depend on the pieces in which they come. */
static uint64_t hash_rows(const mucmm__cache *c, uint64_t hash, const void *rows, int64_t n)
{
    const unsigned char *p = rows;

    for (int64_t i = 0; i < n; i++, p += row_bytes(c))
        hash = mucmm__hash(hash, p, row_bytes(c));
    return hash;
}

/* Does the file begin with the rows that the side file tells of, and, if it is to be whole, hold
 * nothing else? */
static bool holds_rows(mucmm_ctx *ctx, const mucmm__cache *c, const char *path, bool whole)
{
    mucmm__map map;
    mucmm_ctx quiet;
    size_t need = (size_t)bytes_of(c, c->done);
    bool same;

    mucmm__ctx_alone(ctx, &quiet);
    if (mucmm__map_open(&quiet, path, &map) != MUCMM_OK)
        return false;
    same = (whole ? map.size == need : map.size >= need) &&
           memcmp(map.data, c->header, (size_t)c->header_size) == 0 &&
           hash_rows(c, MUCMM__HASH_START, map.data + c->header_size, c->done) == c->content;
    mucmm__map_close(&map);
    return same;
}

static bool is_whole(mucmm_ctx *ctx, const mucmm__cache *c)
{
    return c->done == c->n && holds_rows(ctx, c, c->path, true);
}

/* ---- opening ----------------------------------------------------------------------- */

static mucmm_status fail_write(mucmm_ctx *ctx, const mucmm__cache *c)
{
    return mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: %s", c->part, strerror(errno));
}

static mucmm_status write_at(mucmm_ctx *ctx, mucmm__cache *c, const void *data, size_t size,
                             int64_t at)
{
    const unsigned char *p = data;

    while (size > 0) {
        ssize_t k = pwrite(c->fd, p, size < (1u << 30) ? size : 1u << 30, (off_t)at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return fail_write(ctx, c);
        p += k;
        at += k;
        size -= (size_t)k;
    }
    return MUCMM_OK;
}

/* The lock is of a file, not of its name: a run that has just finished may have renamed the file
 * between our open and our lock, and then it is no part any more. */
static mucmm_status lock_part(mucmm_ctx *ctx, mucmm__cache *c)
{
    struct stat ours, named;

    for (int tries = 0; tries < 100; tries++) {
        c->fd = open(c->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (c->fd < 0)
            return fail_write(ctx, c);
        if (flock(c->fd, LOCK_EX | LOCK_NB) != 0)
            break;
        if (fstat(c->fd, &ours) == 0 && stat(c->part, &named) == 0 && ours.st_dev == named.st_dev &&
            ours.st_ino == named.st_ino)
            return MUCMM_OK;
        close(c->fd);
        c->fd = -1;
    }
    return mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: another run is writing it", c->part);
}

/* The part, with the rows that are done, or with none. */
static mucmm_status open_part(mucmm_ctx *ctx, mucmm__cache *c)
{
    mucmm_status status = MUCMM_OK;

    TRY(lock_part(ctx, c));
    TRY(load_side(ctx, c)); /* another run may have changed it before we had the lock */
    if (is_whole(ctx, c)) {
        unlink(c->part);
        close(c->fd);
        c->fd = -1;
        return MUCMM_OK;
    }
    if (!holds_rows(ctx, c, c->part, false))
        forget_rows(c);
    if (ftruncate(c->fd, (off_t)bytes_of(c, c->done)) != 0)
        return fail_write(ctx, c);
    TRY(write_at(ctx, c, c->header, (size_t)c->header_size, 0));
    if (c->done == 0)
        TRY(save_side(ctx, c));
done:
    return status;
}

/* A cache is written in place and renamed: a link would send that to another file, which a folder
 * from elsewhere could bring along, and a device or pipe would be replaced. */
static mucmm_status check_files(mucmm_ctx *ctx, const mucmm__cache *c)
{
    const char *const files[] = {c->path, c->side, c->part};
    struct stat found;

    for (int i = 0; i < 3; i++)
        if (lstat(files[i], &found) == 0 && !S_ISREG(found.st_mode))
            return mucmm__fail(ctx, MUCMM_EIO,
                               "cannot write features to %s: it is a %s, and must be a file of its "
                               "own or not there",
                               files[i],
                               S_ISLNK(found.st_mode)   ? "symbolic link"
                               : S_ISDIR(found.st_mode) ? "folder"
                                                        : "device or pipe");
    return MUCMM_OK;
}

static mucmm_status name_files(mucmm_ctx *ctx, mucmm__cache *c, const char *path)
{
    mucmm_status status = MUCMM_OK;
    size_t size = strlen(path) + 8;

    TRY(mucmm__strdup(ctx, path, &c->path));
    TRY(mucmm__alloc(ctx, (int64_t)size, 1, &c->side));
    TRY(mucmm__alloc(ctx, (int64_t)size, 1, &c->part));
    snprintf(c->side, size, "%s.json", path);
    snprintf(c->part, size, "%s.part", path);
done:
    return status;
}

mucmm_status mucmm__cache_open(mucmm_ctx *ctx, const char *path, uint64_t fingerprint, int64_t n,
                               const int64_t *shape, int32_t rank, mucmm__cache *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t whole[MUCMM_MAX_RANK] = {n}, size;

    *c = (mucmm__cache){.fingerprint = fingerprint, .n = n, .cols = 1, .fd = -1};
    for (int32_t i = 0; i < rank; i++) {
        whole[i + 1] = shape[i];
        c->cols *= shape[i];
    }
    if (!mucmm__mul(n, c->cols, &size) || !mucmm__mul(size, sizeof(float), &size))
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: too many features", path);
    c->header_size = (int64_t)mucmm__npy_header(c->header, sizeof c->header, whole, rank + 1);
    TRY(name_files(ctx, c, path));
    TRY(mucmm__alloc(ctx, n, sizeof *c->bad, &c->bad));
    TRY(check_files(ctx, c));
    TRY(load_side(ctx, c));
    if (!is_whole(ctx, c))
        TRY(open_part(ctx, c));
done:
    if (status != MUCMM_OK)
        mucmm__cache_drop(ctx, c);
    return status;
}

/* ---- writing ----------------------------------------------------------------------- */

mucmm_status mucmm__cache_put(mucmm_ctx *ctx, mucmm__cache *c, const float *features, int64_t rows)
{
    mucmm_status status = MUCMM_OK;

    TRY(write_at(ctx, c, features, (size_t)rows * row_bytes(c), bytes_of(c, c->done)));
    c->content = hash_rows(c, c->content, features, rows);
    c->done += rows;
    if (now() - c->saved > SAVE_EVERY_SECONDS)
        TRY(save_side(ctx, c));
done:
    return status;
}

/* Between the two steps the side file tells of rows that NAME.npy does not hold yet, and after them
 * NAME.npy.part is gone: the next run finds them where they are. */
mucmm_status mucmm__cache_finish(mucmm_ctx *ctx, mucmm__cache *c)
{
    mucmm_status status = MUCMM_OK;

    if (c->fd < 0)
        return MUCMM_OK;
    TRY(save_side(ctx, c));
    if (rename(c->part, c->path) != 0)
        TRY(mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: %s", c->path, strerror(errno)));
    close(c->fd);
    c->fd = -1;
done:
    return status;
}

/* What a run that fails or is stopped has done is kept; that run's message stands. */
void mucmm__cache_drop(mucmm_ctx *ctx, mucmm__cache *c)
{
    mucmm_ctx quiet;

    mucmm__ctx_alone(ctx, &quiet);
    if (c->fd >= 0 && c->done > c->saved_done)
        save_side(&quiet, c);
    if (c->fd >= 0)
        close(c->fd);
    mucmm__free(c->path);
    mucmm__free(c->side);
    mucmm__free(c->part);
    mucmm__free(c->bad);
    *c = (mucmm__cache){.fd = -1};
}
