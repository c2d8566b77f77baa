/* SPDX-License-Identifier: MIT
 *
 * mel.h - what mel bands are made of, and log-mel features with their gradients. */
#ifndef MUCMM_ENCODE_MEL_H
#define MUCMM_ENCODE_MEL_H

#include "core/core.h"

/* ---- mel.c ------------------------------------------------------------------------- */

/* What bin k = 0 .. window/2 gives to bands: `share` to `band` and the rest to the next. The
 * centres of the bands are in the middle between their edges; outside of the first and the last a
 * bin is all theirs. */
typedef struct mucmm__mel_bin {
    int64_t band;
    double share;
} mucmm__mel_bin;

void mucmm__mel_bins(const mucmm_mel_params *p, mucmm__mel_bin *bins); /* [window/2 + 1] */
/* In place, z [2 n]: the Fourier transform of n complex numbers; n a power of 2. */
void mucmm__fourier(double *z, int64_t n);

/* ---- log_mel.c --------------------------------------------------------------------- */

typedef struct mucmm__log_mel {
    mucmm_mel_params mel; /* window, bands, rate */
    int64_t samples;      /* of a sound          */
    int64_t frames;       /* at most that many quarters of a window lie over it */
    double floor;         /* > 0, in units of the mean square */
} mucmm__log_mel;

/* bands and frames: 0 = 40, and as many as there are quarters of a window, at most 32. EARG: more
 * frames than that, or bands out of range. */
mucmm_status mucmm__log_mel_init(mucmm_ctx *ctx, double rate, int64_t samples, double scale,
                                 int64_t bands, int64_t frames, mucmm__log_mel *out);
/* features [bands, frames] = log(floor + mean square of x [samples] in the band and the frame). */
mucmm_status mucmm__log_mel_forward(mucmm_ctx *ctx, const mucmm__log_mel *p, const float *x,
                                    float *features);
/* grads [samples] = cotangents [bands, frames] times d features / d x. */
mucmm_status mucmm__log_mel_vjp(mucmm_ctx *ctx, const mucmm__log_mel *p, const float *x,
                                const float *cotangents, float *grads);

#endif
