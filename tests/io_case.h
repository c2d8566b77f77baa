/* SPDX-License-Identifier: MIT
 *
 * io_case.h - what the tests of files share: a folder of their own, files made of bytes, the
 * allocator that fails. */
#ifndef MUCMM_TEST_IO_CASE_H
#define MUCMM_TEST_IO_CASE_H

#include "harness.h"

#include <dirent.h>

static char folder[64] = "/tmp/mucmm-test-XXXXXX";
static mucmm_ctx *ctx;

/* A path in the folder; four at a time. */
static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline void put_file(const char *name, const void *bytes, size_t size)
{
    FILE *f = fopen(in_folder(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline size_t get_file(const char *name, char *out, size_t size)
{
    FILE *f = fopen(in_folder(name), "rb");
    size_t n;

    assert_non_null(f);
    n = fread(out, 1, size, f);
    fclose(f);
    return n;
}

static inline int count_files(void)
{
    DIR *d = opendir(folder);
    int n = -2; /* . and .. */

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static inline void check_message(mucmm_status got, mucmm_status want, const char *fragment)
{
    const char *message = mucmm_ctx_message(ctx);

    if (got != want)
        fail_msg("status %s (%s), expected %s: %s", mucmm_status_text(got), message,
                 mucmm_status_text(want), fragment);
    if (!strstr(message, fragment))
        fail_msg("message \"%s\" lacks \"%s\"", message, fragment);
}

static inline mucmm_status open_bytes(const char *name, const char *key, const void *bytes,
                                      size_t size, mucmm_data **out)
{
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    p.key = key;
    return mucmm__data_open_memory(ctx, name, &p, bytes, size, out);
}

static inline void check_values(const mucmm_data *d, const float *want, int64_t n, int64_t cols)
{
    float *got = calloc((size_t)(n * cols), sizeof *got);

    assert_int_equal(mucmm_data_rows(d), n);
    assert_int_equal(mucmm_data_cols(d), cols);
    CHECK_OK(ctx, mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){got, n, cols, cols}));
    for (int64_t i = 0; i < n * cols; i++)
        CHECK_CLOSE(got[i], want[i], 0);
    free(got);
}

#define HEADER(descr, shape) "{'descr': " descr ", 'fortran_order': False, 'shape': " shape ", }"

/* A .npy in out; returns its size. */
static inline size_t make_npy(unsigned char *out, int version, const char *header, const void *data,
                              size_t data_size)
{
    size_t n = strlen(header), prefix = version == 1 ? 10 : 12;

    memcpy(out, "\x93NUMPY", 6);
    memset(out + 6, 0, 6);
    out[6] = (unsigned char)version;
    out[8] = (unsigned char)(n & 255);
    out[9] = (unsigned char)(n >> 8);
    memcpy(out + prefix, header, n);
    memcpy(out + prefix + n, data, data_size);
    return prefix + n + data_size;
}

/* The k-th allocation fails, k = 0, 1, ... until none is left to fail. */
static inline void sweep(mucmm_status (*run)(mucmm_ctx *))
{
    for (int64_t k = 0;; k++) {
        failing_heap heap = {.fail_at = -1};
        mucmm_ctx_params p;
        mucmm_ctx *low;
        mucmm_status status;

        mucmm_ctx_params_init(&p);
        p.threads = 1;
        p.allocator = (mucmm_allocator){failing_alloc, failing_release, &heap};
        assert_int_equal(mucmm_ctx_create(&p, &low), MUCMM_OK);
        heap.calls = 0;
        heap.fail_at = k;
        status = run(low);
        assert_int_equal(heap.live, 1);
        if (status != MUCMM_OK && status != MUCMM_ENOMEM)
            fail_msg("allocation %d: %s", (int)k, mucmm_ctx_message(low));
        assert_true(status == MUCMM_OK || strstr(mucmm_ctx_message(low), "out of memory"));
        mucmm_ctx_free(low);
        if (status == MUCMM_OK) {
            assert_true(k > 0 && heap.calls <= k);
            return;
        }
    }
}

static inline int set_up(void **state)
{
    (void)state;
    ctx = new_ctx();
    return mkdtemp(folder) ? 0 : -1;
}

static inline int tear_down(void **state)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    (void)state;
    while ((e = readdir(d)))
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    mucmm_ctx_free(ctx);
    return rmdir(folder);
}

#endif
