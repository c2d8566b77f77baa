/* SPDX-License-Identifier: MIT
 *
 * audio.c - a window of a sound at the rate an encoder takes, by libsamplerate. */
#include "encode/source.h"

#include <inttypes.h>
#include <math.h>
#include <samplerate.h>
#include <string.h>

#define MAX_SAMPLES ((int64_t)1 << 28)
#define MARGIN 64 /* zero crossings of the filter on either side, and a few more */

void mucmm__audio_params_init(mucmm__audio_params *p)
{
    *p = (mucmm__audio_params){.rate = 16000, .scale = 1};
}

mucmm_status mucmm__audio_check(mucmm_ctx *ctx, const mucmm__audio_params *p)
{
    if (p->rate < 100 || p->rate > 768000)
        return mucmm__fail(ctx, MUCMM_EARG, "a rate of %" PRId64 " Hz; it must be 100 to 768000",
                           p->rate);
    if (p->samples < 1 || p->samples > MAX_SAMPLES)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "a window of %" PRId64 " samples; it must have 1 to %" PRId64,
                           p->samples, MAX_SAMPLES);
    if (!(p->offset >= 0 && p->offset <= 1e9))
        return mucmm__fail(ctx, MUCMM_EARG, "an offset of %g seconds; it must be 0 to 1e9",
                           p->offset);
    if (!(isfinite(p->scale) && p->scale != 0))
        return mucmm__fail(ctx, MUCMM_EARG, "a scale of %g; it must be a number other than 0",
                           p->scale);
    return MUCMM_OK;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Resamples from where both rates have a sample at the same time, `lead` samples of the new rate
 * before the window, so far that the filter has settled. */
static mucmm_status convert(mucmm_ctx *ctx, const mucmm__audio_params *p, const mucmm__sound *in,
                            int64_t start, float *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t g = common_divisor(in->rate, p->rate), in_step = in->rate / g, out_step = p->rate / g;
    double ratio = (double)p->rate / (double)in->rate;
    int64_t margin = (int64_t)ceil(MARGIN * (ratio > 1 ? ratio : 1));
    int64_t block = start > margin ? (start - margin) / out_step : 0;
    int64_t lead = start - block * out_step, from = block * in_step;
    int64_t n_out = lead + p->samples + margin;
    int64_t n_in = smaller(in->n - from, (int64_t)ceil((double)n_out / ratio) + 1);
    float *buffer = NULL;
    SRC_DATA data;
    int error;

    TRY(mucmm__alloc(ctx, n_out, sizeof *buffer, &buffer));
    data = (SRC_DATA){.data_in = in->samples + from,
                      .data_out = buffer,
                      .input_frames = n_in,
                      .output_frames = n_out,
                      .src_ratio = ratio};
    error = src_simple(&data, SRC_SINC_MEDIUM_QUALITY, 1);
    if (error)
        TRY(mucmm__fail(ctx, MUCMM_EBACKEND, "resampling from %" PRId64 " to %" PRId64 " Hz: %s",
                        in->rate, p->rate, src_strerror(error)));
    memcpy(out, buffer + lead, (size_t)p->samples * sizeof *out);
done:
    mucmm__free(buffer);
    return status;
}

mucmm_status mucmm__audio_prepare(mucmm_ctx *ctx, const mucmm__audio_params *p,
                                  const mucmm__sound *in, float *out)
{
    double seconds = (double)in->n / (double)in->rate;
    int64_t start = (int64_t)llround(p->offset * (double)p->rate);
    mucmm_status status = MUCMM_OK;

    if (p->offset >= seconds)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "the sound lasts %g seconds; the window begins at %g", seconds,
                           p->offset);
    if (!src_is_valid_ratio((double)p->rate / (double)in->rate))
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "a sound at %" PRId64 " Hz cannot be brought to %" PRId64
                           " Hz: the factor must be below 256",
                           in->rate, p->rate);
    memset(out, 0, (size_t)p->samples * sizeof *out);
    if (in->rate != p->rate)
        status = convert(ctx, p, in, start, out);
    else if (start < in->n)
        memcpy(out, in->samples + start, (size_t)smaller(p->samples, in->n - start) * sizeof *out);
    for (int64_t i = 0; i < p->samples && p->scale != 1; i++)
        out[i] *= (float)p->scale;
    return status;
}
