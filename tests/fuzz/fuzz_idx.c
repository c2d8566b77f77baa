/* SPDX-License-Identifier: MIT
 *
 * fuzz_idx.c - any bytes as an IDX file, plain or compressed. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = {"x.idx", "x-idx3-ubyte.gz"};
    mucmm_ctx *ctx = fuzz_ctx();

    for (int i = 0; i < 2; i++) {
        mucmm_data *d;
        if (mucmm__data_open_memory(ctx, names[i], NULL, bytes, size, &d) == MUCMM_OK)
            fuzz_read(ctx, d);
        mucmm_data_free(d);
    }
    mucmm_ctx_free(ctx);
    return 0;
}
