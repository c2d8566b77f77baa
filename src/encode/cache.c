/* SPDX-License-Identifier: MIT
 *
 * cache.c - features in a file that an interrupted run can go on with. NAME.npy is there only
 * when it is whole; before that NAME.npy.part grows, and NAME.npy.json says what both were made
 * from and how many rows are safe on the disk. */
#include "encode/encode.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FORMAT 1
#define SAVE_EVERY_SECONDS 2.0

/* ---- hashes ------------------------------------------------------------------------ */

/* Eight bytes at a time through the mixer of the random numbers. */
uint64_t mucmm__hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t word;

    for (; size > 0; p += sizeof word) {
        size_t n = size < sizeof word ? size : sizeof word;
        word = 0;
        memcpy(&word, p, n);
        hash = mucmm__rng_bits(hash ^ word, n);
        size -= n;
    }
    return hash;
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

/* ---- the file beside it ------------------------------------------------------------ */

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static mucmm_status save_side(mucmm_ctx *ctx, mucmm__cache *c)
{
    mucmm_status status = MUCMM_OK;
    json_t *o = json_object(), *bad = json_array();
    char *text = NULL, print[24];

    if (c->fd >= 0 && fdatasync(c->fd) != 0)
        TRY(mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: %s", c->part, strerror(errno)));
    snprintf(print, sizeof print, "%016" PRIx64, c->fingerprint);
    for (int64_t i = 0; i < c->done; i++)
        if (c->bad[i])
            json_array_append_new(bad, json_integer(i));
    json_object_set_new(o, "format", json_integer(FORMAT));
    json_object_set_new(o, "fingerprint", json_string(print));
    json_object_set_new(o, "rows", json_integer(c->n));
    json_object_set_new(o, "done", json_integer(c->done));
    json_object_set(o, "bad", bad);
    TRY(mucmm__json_text(ctx, o, &text));
    TRY(mucmm_file_write(ctx, c->side, text, strlen(text)));
    c->saved = now();
    c->saved_done = c->done;
done:
    json_decref(bad);
    json_decref(o);
    mucmm__free(text);
    return status;
}

/* Rows that are done by the side file, if it is of these features; else 0. */
static void load_side(mucmm__cache *c)
{
    json_error_t error;
    json_t *o = json_load_file(c->side, JSON_REJECT_DUPLICATES, &error), *bad;
    const char *print = json_string_value(json_object_get(o, "fingerprint"));
    char want[24];
    int64_t done;

    snprintf(want, sizeof want, "%016" PRIx64, c->fingerprint);
    done = json_integer_value(json_object_get(o, "done"));
    if (print && strcmp(print, want) == 0 &&
        json_integer_value(json_object_get(o, "format")) == FORMAT &&
        json_integer_value(json_object_get(o, "rows")) == c->n && done > 0 && done <= c->n) {
        c->done = c->saved_done = done;
        bad = json_object_get(o, "bad");
        for (size_t i = 0; i < json_array_size(bad); i++) {
            int64_t row = json_integer_value(json_array_get(bad, i));
            if (row >= 0 && row < done)
                c->bad[row] = true;
        }
    }
    json_decref(o);
}

/* ---- opening ----------------------------------------------------------------------- */

static int64_t bytes_of(const mucmm__cache *c, int64_t rows)
{
    return c->header + rows * c->cols * (int64_t)sizeof(float);
}

static int64_t file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
}

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

/* The part, with the rows that are done, or with none. */
static mucmm_status open_part(mucmm_ctx *ctx, mucmm__cache *c, const char *header)
{
    mucmm_status status = MUCMM_OK;

    if (file_size(c->part) < bytes_of(c, c->done)) {
        c->done = c->saved_done = 0;
        memset(c->bad, 0, (size_t)c->n * sizeof *c->bad);
    }
    c->fd = open(c->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (c->fd < 0)
        return fail_write(ctx, c);
    if (flock(c->fd, LOCK_EX | LOCK_NB) != 0)
        return mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: another run is writing it", c->part);
    if (ftruncate(c->fd, (off_t)bytes_of(c, c->done)) != 0)
        return fail_write(ctx, c);
    TRY(write_at(ctx, c, header, (size_t)c->header, 0));
    if (c->done == 0)
        TRY(save_side(ctx, c));
done:
    return status;
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
    char header[MUCMM__NPY_HEADER];
    int64_t whole[MUCMM_MAX_RANK] = {n}, size;

    *c = (mucmm__cache){.fingerprint = fingerprint, .n = n, .cols = 1, .fd = -1};
    for (int32_t i = 0; i < rank; i++) {
        whole[i + 1] = shape[i];
        c->cols *= shape[i];
    }
    if (!mucmm__mul(n, c->cols, &size) || !mucmm__mul(size, sizeof(float), &size))
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: too many features", path);
    c->header = (int64_t)mucmm__npy_header(header, sizeof header, whole, rank + 1);
    TRY(name_files(ctx, c, path));
    TRY(mucmm__alloc(ctx, n, sizeof *c->bad, &c->bad));
    load_side(c);
    if (c->done < n || file_size(path) != bytes_of(c, n))
        TRY(open_part(ctx, c, header));
done:
    if (status != MUCMM_OK)
        mucmm__cache_drop(ctx, c);
    return status;
}

/* ---- writing ----------------------------------------------------------------------- */

mucmm_status mucmm__cache_put(mucmm_ctx *ctx, mucmm__cache *c, const float *features, int64_t rows)
{
    mucmm_status status = MUCMM_OK;

    TRY(write_at(ctx, c, features, (size_t)(rows * c->cols) * sizeof *features,
                 bytes_of(c, c->done)));
    c->done += rows;
    if (now() - c->saved > SAVE_EVERY_SECONDS)
        TRY(save_side(ctx, c));
done:
    return status;
}

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
    char message[sizeof ctx->message];

    if (c->fd >= 0 && c->done > c->saved_done) {
        memcpy(message, ctx->message, sizeof message);
        save_side(ctx, c);
        memcpy(ctx->message, message, sizeof message);
    }
    if (c->fd >= 0)
        close(c->fd);
    mucmm__free(c->path);
    mucmm__free(c->side);
    mucmm__free(c->part);
    mucmm__free(c->bad);
    *c = (mucmm__cache){.fd = -1};
}
