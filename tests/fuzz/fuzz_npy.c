/* SPDX-License-Identifier: MIT
 *
 * fuzz_npy.c - any bytes as an .npy file: as rows of data, and as a whole array of any type. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const mucmm_dtype wanted[] = {0, MUCMM_F32, MUCMM_I64, MUCMM_U8, MUCMM_BOOL, MUCMM_BF16};
    mucmm_ctx *ctx = fuzz_ctx();

    for (int32_t missing = 0; missing < 2; missing++) {
        mucmm_data_params p;
        mucmm_data *d;
        mucmm_data_params_init(&p);
        p.missing = missing;
        if (mucmm__data_open_memory(ctx, "x.npy", &p, bytes, size, &d) == MUCMM_OK)
            fuzz_read(ctx, d);
        mucmm_data_free(d);
    }
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        mucmm_tensor t;
        if (mucmm_npy_read(ctx, fuzz_file(bytes, size), wanted[i], &t) == MUCMM_OK)
            mucmm_tensor_free(&t);
    }
    mucmm_ctx_free(ctx);
    return 0;
}
