/* SPDX-License-Identifier: MIT
 *
 * fuzz_sound.c - any bytes as a sound, and the windows an encoder takes of it. */
#include "encode/source.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static float window[512];
    mucmm_ctx *ctx = fuzz_ctx();
    mucmm__audio_params p;
    mucmm__sound s;

    mucmm__audio_params_init(&p);
    p.samples = 512;
    if (mucmm__sound_decode(ctx, "x", bytes, size, &s) == MUCMM_OK) {
        FUZZ_REQUIRE(s.n > 0 && s.rate > 0);
        for (p.rate = 8000; p.rate <= 32000; p.rate *= 2) {
            p.offset = (double)p.rate / 1e6;
            if (s.n < FUZZ_NUMBERS)
                mucmm__audio_prepare(ctx, &p, &s, window);
        }
        mucmm__sound_drop(&s);
    }
    mucmm_ctx_free(ctx);
    return 0;
}
