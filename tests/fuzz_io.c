/* SPDX-License-Identifier: MIT
 *
 * fuzz_io.c - any bytes to every parser of src/io, with memory capped at 64 MB.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc \
 *       tests/fuzz_io.c src/io/[a-z]*.c src/core/core.c -lpng -lz -ljansson -lgomp -lm -o fuzz_io
 *   ./fuzz_io -max_total_time=300 corpus/ */
#include "io/io.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_rows(mucmm_ctx *ctx, mucmm_data *d)
{
    int64_t cols = mucmm_data_cols(d), n = mucmm_data_rows(d);
    float *out = NULL;

    if (n > 64)
        n = 64;
    if (n * cols < 1 << 20 && mucmm__alloc(ctx, n * cols, sizeof *out, &out) == MUCMM_OK)
        mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){out, n, cols, cols});
    mucmm__free(out);
}

static void try_data(mucmm_ctx *ctx, const char *name, const char *key, const uint8_t *bytes,
                     size_t size)
{
    mucmm_data_params p;
    mucmm_data *d[2];

    mucmm_data_params_init(&p);
    p.key = key;
    if (mucmm__data_open_memory(ctx, name, &p, bytes, size, &d[0]) != MUCMM_OK)
        return;
    read_rows(ctx, d[0]);
    if (key && mucmm__data_open_memory(ctx, name, &p, bytes, size, &d[1]) == MUCMM_OK) {
        mucmm_data_pair(ctx, d, 2);
        read_rows(ctx, d[1]);
        mucmm_data_free(d[1]);
    }
    mucmm_data_free(d[0]);
}

static void try_safetensors(mucmm_ctx *ctx, const uint8_t *bytes, size_t size)
{
    mucmm__safetensors *s;

    if (mucmm__safetensors_open_memory(ctx, "x.safetensors", bytes, size, &s) != MUCMM_OK)
        return;
    mucmm__safetensors_find(s, "a");
    mucmm__safetensors_metadata(s, "a");
    mucmm__safetensors_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx;

    mucmm_ctx_params_init(&p);
    p.max_alloc = 64 << 20;
    p.threads = 1;
    if (mucmm_ctx_create(&p, &ctx) != MUCMM_OK)
        abort();
    try_data(ctx, "x.csv", NULL, bytes, size);
    try_data(ctx, "x.csv", "", bytes, size);
    try_data(ctx, "x.tsv", "id", bytes, size);
    try_safetensors(ctx, bytes, size);
    mucmm_ctx_free(ctx);
    return 0;
}
