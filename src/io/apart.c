/* SPDX-License-Identifier: MIT
 *
 * apart.c - HDF5 files are read by a process of its own: their library follows what a damaged file
 * says beyond its own memory, and then that process ends and not the program. Numbers and names
 * come back through memory that both have, and are checked as if they were a file's. */
#include "io/arrays.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the other process says. */
typedef struct reply {
    bool done; /* it came to its end */
    mucmm_status status;
    char message[sizeof((mucmm_ctx *)0)->message];
    mucmm__array array;
    bool keys, columns;
} reply;

typedef struct helper {
    const mucmm__found *f;
    reply *says;
    int numbers, names; /* files in memory */
} helper;

/* ---- the other process ------------------------------------------------------------- */

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);
        if (n <= 0)
            return false;
        text += n;
        size -= (size_t)n;
    }
    return true;
}

/* Names lie one behind the other, those of the rows first. */
static bool send_names(const helper *h, const mucmm__table *t, const mucmm__array *a)
{
    const int64_t *last = t->column_at ? &t->column_at[a->shape[1] - 1]
                          : t->key_at  ? &t->key_at[a->shape[0] - 1]
                                       : NULL;

    h->says->keys = t->key_at != NULL;
    h->says->columns = t->column_at != NULL;
    return !last || write_all(h->names, t->text, (size_t)*last + strlen(t->text + *last) + 1);
}

/* Crashes are the system's to see, not those of handlers that the program has; nothing is said of
 * them, and no file is left. */
static void be_quiet(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    int null = open("/dev/null", O_WRONLY);

    for (size_t k = 0; k < sizeof crashes / sizeof *crashes; k++)
        signal(crashes[k], SIG_DFL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
}

static void be_helper(mucmm_ctx *ctx, const helper *h)
{
    reply *says = h->says;
    mucmm__table names = {0};

    be_quiet();
    says->status = mucmm__hdf5_read(ctx, h->f, h->numbers, &says->array, &names);
    if (says->status == MUCMM_OK && !send_names(h, &names, &says->array))
        says->status = mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory for names", h->f->label);
    memcpy(says->message, ctx->message, sizeof says->message);
    says->done = true;
}

/* ---- what it has sent -------------------------------------------------------------- */

static mucmm_status fail_damaged(mucmm_ctx *ctx, const helper *h)
{
    return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the HDF5 library fails on it; it is damaged",
                       h->f->label);
}

/* A file in memory, whole. */
static mucmm_status map_back(mucmm_ctx *ctx, const helper *h, int fd, mucmm__map *out)
{
    struct stat st;
    void *p;

    *out = (mucmm__map){NULL, 0};
    if (fstat(fd, &st) != 0 || st.st_size < 0)
        return fail_damaged(ctx, h);
    if (st.st_size == 0)
        return MUCMM_OK;
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory for its numbers", h->f->label);
    *out = (mucmm__map){p, (size_t)st.st_size};
    return MUCMM_OK;
}

static mucmm_status take_numbers(mucmm_ctx *ctx, const helper *h, mucmm__map *numbers,
                                 mucmm__array *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t bytes = 0;

    *out = h->says->array;
    TRY(map_back(ctx, h, h->numbers, numbers));
    for (int32_t k = 0; k < MUCMM_MAX_RANK; k++)
        if (out->rank < 1 || out->rank > MUCMM_MAX_RANK || (k < out->rank && out->shape[k] < 0))
            return fail_damaged(ctx, h);
    if (mucmm__number_type_of(out->type)->size == 0 || !mucmm__array_bytes(out, &bytes) ||
        (uint64_t)bytes != numbers->size)
        return fail_damaged(ctx, h);
    out->data = numbers->data;
    out->swap = out->fortran = false;
done:
    return status;
}

/* The next n names into *at [n]; *used: where they begin in the text, and where they end. */
static mucmm_status split_names(mucmm_ctx *ctx, const helper *h, const char *text, int64_t size,
                                int64_t n, int64_t *used, int64_t **at)
{
    mucmm_status status = MUCMM_OK;

    if (n > size)
        return fail_damaged(ctx, h);
    TRY(mucmm__alloc(ctx, n, sizeof **at, at));
    for (int64_t i = 0; i < n; i++) {
        if (*used >= size)
            return fail_damaged(ctx, h);
        (*at)[i] = *used;
        *used += (int64_t)strlen(text + *used) + 1;
    }
done:
    return status;
}

static mucmm_status take_names(mucmm_ctx *ctx, const helper *h, const mucmm__array *a,
                               mucmm__table *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {NULL, 0};
    int64_t used = 0;

    if (!h->says->keys && !h->says->columns)
        return MUCMM_OK;
    TRY(map_back(ctx, h, h->names, &map));
    TRY(mucmm__alloc(ctx, (int64_t)map.size + 1, 1, &t->text)); /* ends with a NUL */
    if (map.size > 0)
        memcpy(t->text, map.data, map.size);
    if (h->says->keys)
        TRY(split_names(ctx, h, t->text, (int64_t)map.size, a->shape[0], &used, &t->key_at));
    if (h->says->columns)
        TRY(split_names(ctx, h, t->text, (int64_t)map.size, a->rank > 1 ? a->shape[1] : 1, &used,
                        &t->column_at));
done:
    mucmm__map_close(&map);
    return status;
}

/* ---- both -------------------------------------------------------------------------- */

static mucmm_status start(mucmm_ctx *ctx, helper *h)
{
    void *p =
        mmap(NULL, sizeof *h->says, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    h->says = p == MAP_FAILED ? NULL : p;
    h->numbers = memfd_create("numbers", MFD_CLOEXEC);
    h->names = memfd_create("names", MFD_CLOEXEC);
    if (!h->says || h->numbers < 0 || h->names < 0)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory for reading it: %s", h->f->label,
                           strerror(errno));
    return MUCMM_OK;
}

static void drop(helper *h)
{
    if (h->says)
        munmap(h->says, sizeof *h->says);
    if (h->numbers >= 0)
        close(h->numbers);
    if (h->names >= 0)
        close(h->names);
}

/* Runs it to its end, which is a signal, so that nothing of the program's is done once more. */
static mucmm_status run(mucmm_ctx *ctx, const helper *h)
{
    pid_t child = fork();

    if (child < 0)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory for reading it: %s", h->f->label,
                           strerror(errno));
    if (child == 0) {
        be_helper(ctx, h);
        for (;;)
            kill(getpid(), SIGKILL);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (!h->says->done)
        return fail_damaged(ctx, h);
    h->says->message[sizeof h->says->message - 1] = '\0';
    if (h->says->status != MUCMM_OK)
        return mucmm__fail(ctx, h->says->status, "%s", h->says->message);
    return MUCMM_OK;
}

mucmm_status mucmm__hdf5_read_apart(mucmm_ctx *ctx, const mucmm__found *f, mucmm__map *numbers,
                                    mucmm__array *out, mucmm__table *names)
{
    mucmm_status status = MUCMM_OK;
    helper h = {.f = f, .numbers = -1, .names = -1};

    TRY(start(ctx, &h));
    TRY(run(ctx, &h));
    TRY(take_numbers(ctx, &h, numbers, out));
    TRY(take_names(ctx, &h, out, names));
done:
    drop(&h);
    return status;
}
