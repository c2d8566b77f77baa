/* SPDX-License-Identifier: MIT
 *
 * harness.h - what the test programs share: cmocka, checks that a NaN fails, and the
 * reference values, which a user's checkout does not have (such a test skips and says so). */
#ifndef MUCMM_TEST_HARNESS_H
#define MUCMM_TEST_HARNESS_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"

/* Written so that a NaN on either side fails. */
#define CHECK_CLOSE(got, want, tolerance)                                                          \
    do {                                                                                           \
        double got_ = (got), want_ = (want), tol_ = (tolerance);                                   \
        if (!(fabs(got_ - want_) <= tol_))                                                         \
            fail_msg("%s = %.17g, %s = %.17g, difference %.3g > %.3g", #got, got_, #want, want_,   \
                     fabs(got_ - want_), tol_);                                                    \
    } while (0)

/* The status is checked and its message shown. */
#define CHECK_OK(ctx, call)                                                                        \
    do {                                                                                           \
        mucmm_status status_ = (call);                                                             \
        if (status_ != MUCMM_OK)                                                                   \
            fail_msg("%s: %s: %s", #call, mucmm_status_text(status_), mucmm_ctx_message(ctx));     \
    } while (0)

/* Folder of the reference values, ../shared/<name> beside the checkout unless MUCMM_SHARED says
 * otherwise. */
static inline void shared_path(char *out, size_t size, const char *name)
{
    const char *root = getenv("MUCMM_SHARED");
    snprintf(out, size, "%s/%s", root ? root : "../shared", name);
}

/* Reads shared file `name` as doubles, or skips the test with the reason. Freed with mucmm__free.
 */
static inline double *shared_npy(mucmm_ctx *ctx, const char *name, int64_t shape[MUCMM_MAX_RANK])
{
    char path[1024];
    double *data = NULL;
    int32_t rank;

    shared_path(path, sizeof path, name);
    if (access(path, R_OK) != 0) {
        print_message("# skipped: %s is not there\n", path);
        skip();
    }
    CHECK_OK(ctx, mucmm__npy_read_double(ctx, path, &data, shape, &rank));
    return data;
}

static inline double *golden(mucmm_ctx *ctx, const char *folder, const char *name,
                             int64_t shape[MUCMM_MAX_RANK])
{
    char path[512];
    snprintf(path, sizeof path, "golden/%s/%s.npy", folder, name);
    return shared_npy(ctx, path, shape);
}

static inline mucmm_ctx *new_ctx(void)
{
    mucmm_ctx *ctx = NULL;
    assert_int_equal(mucmm_ctx_create(NULL, &ctx), MUCMM_OK);
    return ctx;
}

/* An allocator whose call number fail_at fails. */
typedef struct failing_heap {
    int64_t calls, fail_at, live;
} failing_heap;

static inline void *failing_alloc(void *user, size_t align, size_t size)
{
    failing_heap *h = user;
    void *p = NULL;

    if (h->calls++ == h->fail_at || posix_memalign(&p, align, size) != 0)
        return NULL;
    h->live++;
    return p;
}

static inline void failing_release(void *user, void *p)
{
    failing_heap *h = user;

    h->live -= p != NULL;
    free(p);
}

#endif
