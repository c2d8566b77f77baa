/* SPDX-License-Identifier: MIT
 *
 * writer.c - files that are there whole or not at all: a temporary file beside the
 * target, sync, rename. Where the file system can, the temporary file has no name until it is
 * whole, so that a process that is killed leaves nothing. Devices and pipes are written directly.
 */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536

struct mucmm__writer {
    int fd;
    char *path;            /* as given, for messages                             */
    char *target;          /* path with symbolic links followed                  */
    char folder[PATH_MAX]; /* that holds the target                                 */
    /* Beside the target, but not made of its name: one as long as a name may be is fine. */
    char temporary[PATH_MAX + 32];
    bool is_device; /* written directly */
    bool temporary_exists, failed, may_be_lost;
    bool in_memory; /* instead of a file: memory [size], of room bytes     */
    unsigned char *memory;
    size_t size, room;
    size_t used;
    unsigned char buffer[BUFFER];
};

static mucmm_status fail_write(mucmm_ctx *ctx, mucmm__writer *w, int error)
{
    w->failed = true;
    return mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: %s", w->path, strerror(error));
}

/* The folder that holds the file: ".", or what stands before the last slash. */
static bool folder_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');

    if (slash && slash - path >= PATH_MAX)
        return false;
    snprintf(out, PATH_MAX, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (!out[0])
        snprintf(out, PATH_MAX, "/");
    return true;
}

static void name_descriptor(int fd, char out[32])
{
    snprintf(out, 32, "/proc/self/fd/%d", fd);
}

/* A file without a name, which ends with the process; -1: not here. It gets its name in commit. */
static int open_nameless(const char *folder)
{
    char link[32];
    int fd = open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    name_descriptor(fd, link);
    if (access(link, F_OK) == 0) /* without /proc it could never be named */
        return fd;
    close(fd);
    return -1;
}

/* Calls make with names until one is free: the clock and the address make a second try rare. */
static int make_temporary(mucmm__writer *w, int (*make)(mucmm__writer *w))
{
    struct timespec now;
    uint64_t key;
    int result = -1;

    clock_gettime(CLOCK_MONOTONIC, &now);
    key = mucmm__rng_key((uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32, (uint64_t)(uintptr_t)w);
    for (uint64_t i = 0; i < 100; i++) {
        snprintf(w->temporary, sizeof w->temporary, "%s/.mucmm-%08llx.tmp", w->folder,
                 (unsigned long long)(mucmm__rng_bits(key, i) & 0xffffffff));
        result = make(w);
        if (result >= 0 || errno != EEXIST)
            break;
    }
    w->temporary_exists = result >= 0;
    return result;
}

static int open_named(mucmm__writer *w) /* O_EXCL makes the name ours */
{
    return open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int name_file(mucmm__writer *w)
{
    char link[32];

    name_descriptor(w->fd, link);
    return linkat(AT_FDCWD, link, AT_FDCWD, w->temporary, AT_SYMLINK_FOLLOW);
}

/* The mode goes through the umask as in any open; a file that is replaced hands on its own. */
static mucmm_status open_temporary(mucmm_ctx *ctx, mucmm__writer *w, const struct stat *old)
{
    if (!folder_of(w->target, w->folder))
        return fail_write(ctx, w, ENAMETOOLONG);
    w->fd = open_nameless(w->folder);
    if (w->fd < 0)
        w->fd = make_temporary(w, open_named);
    if (w->fd < 0)
        return fail_write(ctx, w, errno);
    if (old && fchmod(w->fd, old->st_mode & 0777) != 0)
        return fail_write(ctx, w, errno);
    return MUCMM_OK;
}

static mucmm_status open_target(mucmm_ctx *ctx, mucmm__writer *w)
{
    char real[PATH_MAX];
    struct stat st;
    bool exists = w->path[0] && stat(w->path, &st) == 0;
    mucmm_status status;

    if (!exists && (!w->path[0] || errno != ENOENT))
        return fail_write(ctx, w, w->path[0] ? errno : ENOENT);
    if (exists && S_ISDIR(st.st_mode))
        return fail_write(ctx, w, EISDIR);
    if (exists && !S_ISREG(st.st_mode)) {
        w->is_device = true;
        w->fd = open(w->path, O_WRONLY | O_CLOEXEC);
        return w->fd < 0 ? fail_write(ctx, w, errno) : MUCMM_OK;
    }
    if (exists && !realpath(w->path, real))
        return fail_write(ctx, w, errno);
    status = mucmm__strdup(ctx, exists ? real : w->path, &w->target);
    return status == MUCMM_OK ? open_temporary(ctx, w, exists ? &st : NULL) : status;
}

mucmm_status mucmm__writer_create(mucmm_ctx *ctx, const char *path, mucmm__writer **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__writer *w = NULL;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *w, &w));
    w->fd = -1;
    TRY(mucmm__strdup(ctx, path, &w->path));
    TRY(open_target(ctx, w));
    *out = w;
    w = NULL;
done:
    mucmm__writer_free(w);
    return status;
}

mucmm_status mucmm__writer_create_memory(mucmm_ctx *ctx, mucmm__writer **out)
{
    mucmm_status status = mucmm__alloc(ctx, 1, sizeof **out, out);

    if (status == MUCMM_OK) {
        (*out)->fd = -1;
        (*out)->in_memory = true;
    }
    return status;
}

static mucmm_status append(mucmm_ctx *ctx, mucmm__writer *w, const unsigned char *p, size_t n)
{
    size_t room = w->room;

    if (n > room - w->size) {
        room = w->size + n > 2 * room ? w->size + n : 2 * room;
        mucmm_status status = mucmm__realloc(ctx, (int64_t)w->room, (int64_t)room, 1, &w->memory);
        if (status != MUCMM_OK)
            return status;
        w->room = room;
    }
    memcpy(w->memory + w->size, p, n);
    w->size += n;
    return MUCMM_OK;
}

static mucmm_status write_all(mucmm_ctx *ctx, mucmm__writer *w, const unsigned char *p, size_t n)
{
    if (w->in_memory)
        return n > 0 ? append(ctx, w, p, n) : MUCMM_OK;
    while (n > 0) {
        ssize_t k = write(w->fd, p, n < (1u << 30) ? n : 1u << 30);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return fail_write(ctx, w, errno);
        p += k;
        n -= (size_t)k;
    }
    return MUCMM_OK;
}

static mucmm_status flush(mucmm_ctx *ctx, mucmm__writer *w)
{
    size_t n = w->used;

    w->used = 0;
    return write_all(ctx, w, w->buffer, n);
}

mucmm_status mucmm__writer_put(mucmm_ctx *ctx, mucmm__writer *w, const void *data, size_t size)
{
    mucmm_status status = MUCMM_OK;

    if (size == 0)
        return MUCMM_OK;
    if (size > BUFFER - w->used)
        TRY(flush(ctx, w));
    if (size >= BUFFER)
        return write_all(ctx, w, data, size);
    memcpy(w->buffer + w->used, data, size);
    w->used += size;
done:
    return status;
}

mucmm_status mucmm__writer_take(mucmm_ctx *ctx, mucmm__writer *w, void **bytes, size_t *size)
{
    mucmm_status status = flush(ctx, w);

    if (status != MUCMM_OK)
        return status;
    *bytes = w->memory;
    *size = w->size;
    w->memory = NULL;
    w->size = w->room = 0;
    return MUCMM_OK;
}

/* Makes the rename itself durable. Best effort: some file systems cannot. */
static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

mucmm_status mucmm__writer_commit(mucmm_ctx *ctx, mucmm__writer *w)
{
    mucmm_status status = MUCMM_OK;
    int closed;

    if (w->failed) /* an earlier failure that the caller passed over; its message stands */
        return MUCMM_EIO;
    TRY(flush(ctx, w));
    if (!w->is_device && !w->may_be_lost && fsync(w->fd) != 0)
        return fail_write(ctx, w, errno);
    if (!w->is_device && !w->temporary_exists && make_temporary(w, name_file) < 0)
        return fail_write(ctx, w, errno);
    closed = close(w->fd);
    w->fd = -1;
    if (closed != 0)
        return fail_write(ctx, w, errno);
    if (w->is_device)
        return MUCMM_OK;
    if (rename(w->temporary, w->target) != 0)
        return fail_write(ctx, w, errno);
    w->temporary_exists = false;
    if (!w->may_be_lost)
        sync_folder(w->folder);
done:
    return status;
}

void mucmm__writer_free(mucmm__writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->temporary_exists)
        unlink(w->temporary);
    mucmm__free(w->path);
    mucmm__free(w->target);
    mucmm__free(w->memory);
    mucmm__free(w);
}

static mucmm_status write_file(mucmm_ctx *ctx, const char *path, const void *data, size_t size,
                               bool may_be_lost)
{
    mucmm_status status = MUCMM_OK;
    mucmm__writer *w = NULL;

    TRY(mucmm__writer_create(ctx, path, &w));
    w->may_be_lost = may_be_lost;
    TRY(mucmm__writer_put(ctx, w, data, size));
    TRY(mucmm__writer_commit(ctx, w));
done:
    mucmm__writer_free(w);
    return status;
}

/* A pipe is not opened: whoever reads it would see its end. */
mucmm_status mucmm_file_check(mucmm_ctx *ctx, const char *path)
{
    mucmm_status status = MUCMM_OK;
    mucmm__writer *w = NULL;
    struct stat st;

    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        if (access(path, W_OK) != 0)
            return mucmm__fail(ctx, MUCMM_EIO, "cannot write %s: %s", path, strerror(errno));
        return MUCMM_OK;
    }
    status = mucmm__writer_create(ctx, path, &w);
    mucmm__writer_free(w);
    return status;
}

mucmm_status mucmm_file_write(mucmm_ctx *ctx, const char *path, const void *data, size_t size)
{
    return write_file(ctx, path, data, size, false);
}

mucmm_status mucmm__file_write_unsynced(mucmm_ctx *ctx, const char *path, const void *data,
                                        size_t size)
{
    return write_file(ctx, path, data, size, true);
}
