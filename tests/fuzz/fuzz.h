/* SPDX-License-Identifier: MIT
 *
 * fuzz.h - what the fuzz targets share. A target is one LLVMFuzzerTestOneInput: any bytes are an
 * input, any status is an answer, and nothing else may happen. replay.c runs a target over the
 * seeds in `make test`; `make fuzz` links it to libFuzzer. */
#ifndef MUCMM_FUZZ_H
#define MUCMM_FUZZ_H

#include "io/io.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
/* Once before the first input, where a target has something to prepare. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FUZZ_MEMORY (64 << 20) /* largest block an input may ask for */
#define FUZZ_NUMBERS (1 << 16) /* numbers of an output that are worth reading */

/* What must never be false. */
#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A call that must succeed; its message is shown. */
#define FUZZ_OK(ctx, call)                                                                         \
    do {                                                                                           \
        if ((call) != MUCMM_OK) {                                                                  \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, mucmm_ctx_message(ctx)); \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline mucmm_ctx *fuzz_ctx(void)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;

    mucmm_ctx_params_init(&p);
    p.max_alloc = FUZZ_MEMORY;
    p.threads = 1;
    FUZZ_REQUIRE(mucmm_ctx_create(&p, &ctx) == MUCMM_OK);
    return ctx;
}

/* A copy of exactly that size: reading behind its end is seen. */
static inline uint8_t *fuzz_copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    FUZZ_REQUIRE(copy != NULL);
    if (size)
        memcpy(copy, bytes, size);
    return copy;
}

/* Cuts the next part off at a NUL byte; the last one is all that is left. A copy with a NUL behind
 * it, to be freed. */
static inline char *fuzz_part(const uint8_t **bytes, size_t *size, size_t *length)
{
    const uint8_t *end = *size ? memchr(*bytes, 0, *size) : NULL;
    size_t n = end ? (size_t)(end - *bytes) : *size;
    char *part = malloc(n + 1);

    FUZZ_REQUIRE(part != NULL);
    if (n)
        memcpy(part, *bytes, n);
    part[n] = '\0';
    *bytes += end ? n + 1 : n;
    *size -= end ? n + 1 : n;
    if (length)
        *length = n;
    return part;
}

/* The bytes as a file; the path is good until the next call. */
static inline const char *fuzz_file(const void *bytes, size_t size)
{
    static char path[64];
    static int file = -1;

    if (file < 0) {
        file = memfd_create("fuzz", 0);
        FUZZ_REQUIRE(file >= 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    FUZZ_REQUIRE(ftruncate(file, 0) == 0);
    FUZZ_REQUIRE(pwrite(file, bytes, size, 0) == (ssize_t)size);
    return path;
}

/* Reads what there is to read of the rows of any data. */
static inline void fuzz_read(mucmm_ctx *ctx, const mucmm_data *d)
{
    static float out[FUZZ_NUMBERS];
    int64_t cols = mucmm_data_cols(d), n = mucmm_data_rows(d), numbers;
    int64_t shape[MUCMM_MAX_RANK];

    FUZZ_REQUIRE(cols >= 0 && n >= 0);
    FUZZ_REQUIRE(mucmm_data_shape(d, shape) <= MUCMM_MAX_RANK);
    FUZZ_REQUIRE(mucmm_data_missing(d) >= 0 && mucmm_data_missing(d) <= n);
    n = n < 64 ? n : 64;
    if (mucmm__mul(n, cols, &numbers) && numbers <= FUZZ_NUMBERS)
        mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){out, n, cols, cols});
    for (int64_t j = 0; j < cols && j < 64; j++)
        mucmm_data_column(d, j);
    for (int64_t i = 0; i < n; i++) {
        mucmm_data_key(d, i);
        mucmm_data_has(d, i);
    }
}

#endif
