/* SPDX-License-Identifier: MIT
 *
 * log_mel.c - features of sound without a network. Frames are the windows of mel.c, so that the
 * squares in all bands and frames add up to those of the samples. With X_k the transform of a frame
 * w x, a_k = 1 for the first and the last bin and 2 between them, and s_bk the share of band b,
 *   P_bf = sum over the windows i of frame f of sum_k s_bk a_k |X_ik|^2 / (2N), per sample,
 *   feature_bf = log(floor + P_bf),
 *   dP_bf / dx_t = sum_i w_t 2 Re(sum_k s_bk a_k X_ik e^(2 pi i k t / N)) / (2N).
 * The floor keeps it smooth: in silence the gradient is 0. */
#include "encode/mel.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define FLOOR 1e-7 /* of samples in [-1, 1]: -70 decibels */

enum { BANDS = 40, MOST_BANDS = 512, MOST_FRAMES = 32 };

static int64_t windows_of(const mucmm__log_mel *p)
{
    return (p->samples - 1) / (p->mel.window / 4) + 4;
}

mucmm_status mucmm__log_mel_init(mucmm_ctx *ctx, double rate, int64_t samples, double scale,
                                 int64_t bands, int64_t frames, mucmm__log_mel *out)
{
    int64_t windows;

    mucmm_mel_params_init(&out->mel, rate, 0);
    out->mel.bands = bands > 0 ? bands : BANDS;
    out->samples = samples;
    out->floor = FLOOR * scale * scale;
    windows = windows_of(out);
    out->frames = frames > 0 ? frames : windows < MOST_FRAMES ? windows : MOST_FRAMES;
    if (out->mel.bands > MOST_BANDS || out->frames > windows)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "log-mel of %" PRId64 " bands and %" PRId64 " frames; %" PRId64
                           " samples have 1 to %d bands and 1 to %" PRId64 " frames",
                           out->mel.bands, out->frames, samples, MOST_BANDS, windows);
    return MUCMM_OK;
}

/* Room for one sound. */
typedef struct work {
    mucmm__mel_bin *bins; /* [window/2 + 1] */
    double *z;            /* [2 window]     */
    double *shape;        /* [window] of the window */
    double *power;        /* [bands, frames] */
} work;

static void work_drop(work *w)
{
    mucmm__free(w->bins);
    mucmm__free(w->z);
    mucmm__free(w->shape);
    mucmm__free(w->power);
}

static mucmm_status work_alloc(mucmm_ctx *ctx, const mucmm__log_mel *p, work *w)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = p->mel.window;

    TRY(mucmm__alloc(ctx, n / 2 + 1, sizeof *w->bins, &w->bins));
    TRY(mucmm__alloc(ctx, 2 * n, sizeof *w->z, &w->z));
    TRY(mucmm__alloc(ctx, n, sizeof *w->shape, &w->shape));
    TRY(mucmm__alloc(ctx, p->mel.bands * p->frames, sizeof *w->power, &w->power));
    mucmm__mel_bins(&p->mel, w->bins);
    for (int64_t t = 0; t < n; t++)
        w->shape[t] = sin(PI * ((double)t + 0.5) / (double)n);
done:
    return status;
}

/* Windows [first, last) of frame f; *per: 1 / (2N) / samples. */
static void windows_of_frame(const mucmm__log_mel *p, int64_t f, int64_t *first, int64_t *last,
                             double *per)
{
    int64_t windows = windows_of(p), n = p->mel.window;

    *first = f * windows / p->frames;
    *last = (f + 1) * windows / p->frames;
    *per = 1 / (2 * (double)n * (double)((*last - *first) * (n / 4)));
}

/* w->z: the transform of window i of the sound. */
static void transform(const mucmm__log_mel *p, const work *w, const float *x, int64_t i)
{
    int64_t n = p->mel.window;

    for (int64_t t = 0; t < n; t++) {
        int64_t at = (i - 3) * (n / 4) + t;
        w->z[2 * t] = at >= 0 && at < p->samples ? w->shape[t] * (double)x[at] : 0;
        w->z[2 * t + 1] = 0;
    }
    mucmm__fourier(w->z, n);
}

static double times(int64_t k, int64_t n)
{
    return k == 0 || k == n / 2 ? 1 : 2;
}

static void find_power(const mucmm__log_mel *p, const work *w, const float *x)
{
    int64_t n = p->mel.window, first, last;
    double per;

    for (int64_t f = 0; f < p->frames; f++) {
        windows_of_frame(p, f, &first, &last, &per);
        for (int64_t i = first; i < last; i++) {
            transform(p, w, x, i);
            for (int64_t k = 0; k <= n / 2; k++) {
                const mucmm__mel_bin *b = &w->bins[k];
                double *power = w->power + b->band * p->frames + f;
                double square = w->z[2 * k] * w->z[2 * k] + w->z[2 * k + 1] * w->z[2 * k + 1];
                square *= per * times(k, n);
                power[0] += b->share * square;
                if (b->share < 1)
                    power[p->frames] += (1 - b->share) * square;
            }
        }
    }
}

mucmm_status mucmm__log_mel_forward(mucmm_ctx *ctx, const mucmm__log_mel *p, const float *x,
                                    float *features)
{
    mucmm_status status = MUCMM_OK;
    work w = {0};

    TRY(work_alloc(ctx, p, &w));
    find_power(p, &w, x);
    for (int64_t j = 0; j < p->mel.bands * p->frames; j++)
        features[j] = (float)log(p->floor + w.power[j]);
done:
    work_drop(&w);
    return status;
}

/* Adds what window i of frame f, transformed, hands back; slope [bands, frames] of the powers. */
static void add_back(const mucmm__log_mel *p, const work *w, const double *slope, int64_t f,
                     int64_t i, double per, double *sum)
{
    int64_t n = p->mel.window;

    for (int64_t k = 0; k < n; k++) {
        double weight = 0;
        if (k <= n / 2) {
            const mucmm__mel_bin *b = &w->bins[k];
            const double *s = slope + b->band * p->frames + f;
            weight = per * times(k, n) *
                     (b->share * s[0] + (b->share < 1 ? (1 - b->share) * s[p->frames] : 0));
        }
        w->z[2 * k] *= weight;
        w->z[2 * k + 1] *= -weight; /* conjugated: the transform then goes back */
    }
    mucmm__fourier(w->z, n);
    for (int64_t t = 0; t < n; t++) {
        int64_t at = (i - 3) * (n / 4) + t;
        if (at >= 0 && at < p->samples)
            sum[at] += 2 * w->shape[t] * w->z[2 * t];
    }
}

mucmm_status mucmm__log_mel_vjp(mucmm_ctx *ctx, const mucmm__log_mel *p, const float *x,
                                const float *cotangents, float *grads)
{
    mucmm_status status = MUCMM_OK;
    work w = {0};
    double *sum = NULL, per;
    int64_t first, last;

    TRY(work_alloc(ctx, p, &w));
    TRY(mucmm__alloc(ctx, p->samples, sizeof *sum, &sum));
    find_power(p, &w, x);
    for (int64_t j = 0; j < p->mel.bands * p->frames; j++)
        w.power[j] = (double)cotangents[j] / (p->floor + w.power[j]);
    for (int64_t f = 0; f < p->frames; f++) {
        windows_of_frame(p, f, &first, &last, &per);
        for (int64_t i = first; i < last; i++) {
            transform(p, &w, x, i);
            add_back(p, &w, w.power, f, i, per, sum);
        }
    }
    for (int64_t t = 0; t < p->samples; t++)
        grads[t] = (float)sum[t];
done:
    work_drop(&w);
    mucmm__free(sum);
    return status;
}
