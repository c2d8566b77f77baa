/* SPDX-License-Identifier: MIT
 *
 * mel.c - sound in time and frequency. With the sine window w, w_t^2 = sin^2(pi (t + 1/2) / N), and
 * a hop of N/4, the squares of the windows over a sample add up to 2. So with X_f, G_f the Fourier
 * transforms of the windowed frames of x and g,
 *   sum_t x_t g_t = 1/(2N) sum_f sum_k Re(conj(G_fk) X_fk),
 * and bands whose weights at every bin add up to 1 keep the sum. Scaling the part of x in one cell
 * by 1 + e changes <g, x> by e times the cell: the cell is the derivative with respect to the
 * logarithm of its amplitude. */
#include "encode/mel.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846
#define MOST_WINDOW 65536
#define MOST_BANDS 512
#define SHOWN_FRAMES 240
#define SILENCE 1e-20 /* power of -200 decibels */

/* Of parameters that are checked, or made by init. */
static int64_t frames_of(const mucmm_mel_params *p, int64_t samples)
{
    int64_t parts = (samples - 1) / (p->window / 4) + 4, group = p->hop / (p->window / 4);

    return (parts + group - 1) / group;
}

void mucmm_mel_params_init_sized(mucmm_mel_params *out, size_t size, double rate, int64_t samples)
{
    mucmm_mel_params p = {.rate = rate, .window = 16, .bands = 48};

    while (p.window < MOST_WINDOW && (double)p.window * 1.414 < 0.032 * rate)
        p.window *= 2;
    p.hop = p.window / 4;
    if (samples > 0) /* as many quarters as leave at most SHOWN_FRAMES */
        p.hop *= (frames_of(&p, samples) + SHOWN_FRAMES - 1) / SHOWN_FRAMES;
    mucmm__params_init(out, size, &p, sizeof p);
}

static bool is_mel(const mucmm_mel_params *p)
{
    return isfinite(p->rate) && p->rate > 0 && p->window >= 16 && p->window <= MOST_WINDOW &&
           (p->window & (p->window - 1)) == 0 && p->hop >= 1 && p->hop % (p->window / 4) == 0 &&
           p->bands >= 1 && p->bands <= MOST_BANDS;
}

/* An own copy of what a caller gives; false: it is none. */
static bool take_mel(const mucmm_mel_params *given, mucmm_mel_params *own)
{
    mucmm_mel_params_init(own, 16000, 1);
    return given && mucmm__params_copy(given, own, sizeof *own) && is_mel(own);
}

int64_t mucmm_mel_frames(const mucmm_mel_params *p, int64_t samples)
{
    mucmm_mel_params own;

    return take_mel(p, &own) && samples > 0 ? frames_of(&own, samples) : 0;
}

static double mel_of(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

double mucmm_mel_hertz(const mucmm_mel_params *p, double band)
{
    mucmm_mel_params own;

    if (!take_mel(p, &own))
        return NAN;
    return 700 * (pow(10, band / (double)own.bands * mel_of(own.rate / 2) / 2595) - 1);
}

/* ---- the transform ----------------------------------------------------------------- */

void mucmm__fourier(double *z, int64_t n)
{
    for (int64_t i = 1, j = 0; i < n; i++) {
        int64_t bit = n >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j)
            for (int c = 0; c < 2; c++) {
                double t = z[2 * i + c];
                z[2 * i + c] = z[2 * j + c];
                z[2 * j + c] = t;
            }
    }
    for (int64_t half = 1; half < n; half *= 2)
        for (int64_t k = 0; k < half; k++) {
            double re = cos(PI * (double)k / (double)half),
                   im = -sin(PI * (double)k / (double)half);
            for (int64_t i = k; i < n; i += 2 * half) {
                double *a = z + 2 * i, *b = a + 2 * half;
                double x = b[0] * re - b[1] * im, y = b[0] * im + b[1] * re;
                b[0] = a[0] - x;
                b[1] = a[1] - y;
                a[0] += x;
                a[1] += y;
            }
        }
}

void mucmm__mel_bins(const mucmm_mel_params *p, mucmm__mel_bin *bins)
{
    for (int64_t k = 0; k <= p->window / 2; k++) {
        double at = mel_of((double)k * p->rate / (double)p->window) / mel_of(p->rate / 2) *
                        (double)p->bands -
                    0.5; /* in bands, from the centre of the first */
        int64_t band = (int64_t)floor(at);

        if (band < 0 || band >= p->bands - 1) {
            band = band < 0 ? 0 : p->bands - 1;
            at = (double)band;
        }
        bins[k] = (mucmm__mel_bin){band, 1 - (at - (double)band)};
    }
}

/* Both kinds of cells: the power of x, or with g the products. z [2 window] is of the frame
 * w (x + i g); Z_k = X_k + i G_k and its mirror give X and G of real frames. */
static void add_frame(const mucmm_mel_params *p, const mucmm__mel_bin *bins, const double *z,
                      bool map, double *cells)
{
    int64_t n = p->window;

    for (int64_t k = 0; k <= n / 2; k++) {
        int64_t m = (n - k) % n;
        double xr = (z[2 * k] + z[2 * m]) / 2, xi = (z[2 * k + 1] - z[2 * m + 1]) / 2;
        double gr = (z[2 * k + 1] + z[2 * m + 1]) / 2, gi = (z[2 * m] - z[2 * k]) / 2;
        double value = map ? gr * xr + gi * xi : xr * xr + xi * xi;

        value *= (k == 0 || k == n / 2 ? 1.0 : 2.0) / (2 * (double)n);
        cells[bins[k].band] += bins[k].share * value;
        if (bins[k].share < 1)
            cells[bins[k].band + 1] += (1 - bins[k].share) * value;
    }
}

static mucmm_status check_mel(mucmm_ctx *ctx, const mucmm_mel_params *p, int64_t samples,
                              const mucmm_mat *out)
{
    if (!is_mel(p))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "mel bands: rate %g, window %" PRId64 ", hop %" PRId64 ", bands %" PRId64
                           "; the window must be a power of 2 from 16 to %d, "
                           "the hop a multiple of its quarter, and there may be 1 to %d bands",
                           p->rate, p->window, p->hop, p->bands, MOST_WINDOW, MOST_BANDS);
    if (samples < 1 || out->rows != p->bands || out->cols != frames_of(p, samples))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "mel bands of %" PRId64 " samples are %" PRId64 " x %" PRId64
                           ", not %" PRId64 " x %" PRId64,
                           samples, p->bands, samples < 1 ? 0 : frames_of(p, samples), out->rows,
                           out->cols);
    return MUCMM_OK;
}

/* out [bands, frames]: power, or with g the map. Part i begins at sample (i - 3) N/4, so that four
 * parts lie over every sample. */
static mucmm_status cells_of(mucmm_ctx *ctx, const mucmm_mel_params *params, const float *x,
                             const float *g, int64_t samples, const mucmm_mat *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_mel_params own, *p = &own;
    double *z = NULL, *cells = NULL;
    mucmm__mel_bin *bins = NULL;

    mucmm_mel_params_init(p, 16000, 1);
    TRY(mucmm__params_take(ctx, "mucmm_mel_params", params, p, sizeof *p));
    TRY(check_mel(ctx, p, samples, out));
    TRY(mucmm__alloc(ctx, 2 * p->window, sizeof *z, &z));
    TRY(mucmm__alloc(ctx, p->bands, sizeof *cells, &cells));
    TRY(mucmm__alloc(ctx, p->window / 2 + 1, sizeof *bins, &bins));
    mucmm__mel_bins(p, bins);
    const int64_t step = p->window / 4, group = p->hop / step;
    for (int64_t f = 0; f < out->cols; f++) {
        memset(cells, 0, (size_t)p->bands * sizeof *cells);
        for (int64_t i = f * group; i < (f + 1) * group; i++) {
            for (int64_t t = 0; t < p->window; t++) {
                int64_t at = (i - 3) * step + t;
                bool inside = at >= 0 && at < samples;
                double w = sin(PI * ((double)t + 0.5) / (double)p->window);
                z[2 * t] = inside ? w * (double)x[at] : 0;
                z[2 * t + 1] = inside && g ? w * (double)g[at] : 0;
            }
            mucmm__fourier(z, p->window);
            add_frame(p, bins, z, g != NULL, cells);
        }
        for (int64_t b = 0; b < p->bands; b++)
            out->data[b * out->stride + f] =
                (float)(g ? cells[b] : 10 * log10(fmax(cells[b], SILENCE)));
    }
done:
    mucmm__free(z);
    mucmm__free(cells);
    mucmm__free(bins);
    return status;
}

mucmm_status mucmm_mel_power(mucmm_ctx *ctx, const mucmm_mel_params *p, const float *x,
                             int64_t samples, const mucmm_mat *out)
{
    return cells_of(ctx, p, x, NULL, samples, out);
}

mucmm_status mucmm_mel_map(mucmm_ctx *ctx, const mucmm_mel_params *p, const float *x,
                           const float *gradient, int64_t samples, const mucmm_mat *out)
{
    return cells_of(ctx, p, x, gradient, samples, out);
}
