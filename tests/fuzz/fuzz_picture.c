/* SPDX-License-Identifier: MIT
 *
 * fuzz_picture.c - any bytes as a picture, made to fit an encoder in every way. */
#include "encode/source.h"
#include "fuzz.h"

static void try_fits(mucmm_ctx *ctx, const mucmm__picture *in)
{
    static float values[3 * 9 * 14];
    mucmm__image_params p;
    mucmm__picture out;

    mucmm__image_params_init(&p);
    p.height = 9;
    p.width = 14;
    for (int i = 0; i < 6; i++) {
        p.fit = (mucmm__framing)(i % 3);
        p.filter = i < 3 ? MUCMM__FILTER_BILINEAR : MUCMM__FILTER_BICUBIC;
        p.layout = i & 1 ? MUCMM__AXES_NHWC : MUCMM__AXES_NCHW;
        if (mucmm__image_fit(ctx, &p, in, &out) == MUCMM_OK) {
            FUZZ_REQUIRE(out.height == 9 && out.width == 14);
            mucmm__picture_drop(&out);
        }
        mucmm__image_prepare(ctx, &p, in, values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const unsigned char grey[3] = {90, 90, 90};
    mucmm_ctx *ctx = fuzz_ctx();
    mucmm__picture in;

    for (int i = 0; i < 2; i++)
        if (mucmm__picture_decode(ctx, "x", bytes, size, i ? grey : NULL, &in) == MUCMM_OK) {
            FUZZ_REQUIRE(in.height > 0 && in.width > 0);
            if (in.height * in.width < 1 << 20)
                try_fits(ctx, &in);
            mucmm__picture_drop(&in);
        }
    mucmm_ctx_free(ctx);
    return 0;
}
