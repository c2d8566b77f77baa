/* SPDX-License-Identifier: MIT
 *
 * fuzz_safetensors.c - any bytes as the container of tensors that models and checkpoints are. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx *ctx = fuzz_ctx();
    mucmm__safetensors *s;
    mucmm_model *m;

    if (mucmm__safetensors_open_memory(ctx, "x", bytes, size, &s) == MUCMM_OK) {
        const mucmm__tensor *t = mucmm__safetensors_find(s, "a");
        const char *text = mucmm__safetensors_metadata(s, "format");
        FUZZ_REQUIRE(!t || (t->rank >= 0 && t->rank <= MUCMM_MAX_RANK));
        FUZZ_REQUIRE(!text || strlen(text) <= size);
    }
    mucmm__safetensors_free(s);
    mucmm_model_load(ctx, fuzz_file(bytes, size), &m);
    mucmm_model_free(m);
    mucmm_ctx_free(ctx);
    return 0;
}
