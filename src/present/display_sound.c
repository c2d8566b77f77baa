/* SPDX-License-Identifier: MIT
 *
 * Sounds and maps on them in time and frequency, the highest band first. */
#include "present/display.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_DECIBELS = 70 };

/* ---- marks at the edges ------------------------------------------------------------ */

/* Times are multiples of a step that gives at most TIME_TICKS - 1 of them. */
static void add_times(mucmm_display *d)
{
    static const double steps[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 1200};
    double seconds = (double)d->cols / d->mel.rate, step = 3600;

    for (size_t i = sizeof steps / sizeof *steps; i-- > 0;)
        if (seconds / steps[i] <= MUCMM__TIME_TICKS - 1)
            step = steps[i];
    for (int32_t n = 0; n < MUCMM__TIME_TICKS && n * step <= seconds * 1.000001; n++) {
        double at = (n * step * d->mel.rate + 0.375 * (double)d->mel.window) / (double)d->mel.hop;
        snprintf(d->tick_text[n], sizeof d->tick_text[n], "%.4g s", n * step);
        d->ticks[n] = (mucmm_tick){fmin(at, (double)d->cell_cols), d->tick_text[n]};
        d->n_ticks[0] = n + 1;
    }
}

static void add_frequencies(mucmm_display *d)
{
    static const double hertz[MUCMM__HERTZ_TICKS] = {250, 500, 1000, 2000, 4000, 8000};
    int32_t band = 0, first = d->n_ticks[0];

    for (int32_t n = 0; n < MUCMM__HERTZ_TICKS && hertz[n] <= d->mel.rate / 2; n++) {
        char *word = d->tick_text[first + n];
        while (band < d->cell_rows && mucmm_mel_hertz(&d->mel, band + 1) < hertz[n])
            band++;
        double lo = mucmm_mel_hertz(&d->mel, band), hi = mucmm_mel_hertz(&d->mel, band + 1);
        double at = fmin(band + (hertz[n] - lo) / (hi - lo), (double)d->cell_rows);
        snprintf(word, sizeof d->tick_text[0], "%g Hz", hertz[n]);
        d->ticks[first + n] = (mucmm_tick){(double)d->cell_rows - at, word};
        d->n_ticks[1] = n + 1;
    }
}

void mucmm__sound_start(mucmm_display *d)
{
    d->look = MUCMM_LOOK_SOUND;
    mucmm_mel_params_init(&d->mel, mucmm_data_rate(d->data), d->cols);
    d->cell_rows = d->mel.bands;
    d->cell_cols = mucmm_mel_frames(&d->mel, d->cols);
    add_times(d);
    add_frequencies(d);
}

/* ---- cells ------------------------------------------------------------------------- */

static void flip_rows(float *cells, int64_t rows, int64_t cols)
{
    for (int64_t i = 0; i < rows / 2; i++)
        for (int64_t j = 0; j < cols; j++) {
            float *a = &cells[i * cols + j], *b = &cells[(rows - 1 - i) * cols + j], t = *a;
            *a = *b;
            *b = t;
        }
}

/* The field whose product with x over a sample is spread over time and frequency: of maps that
 * are such products already, the map divided by the difference that it was multiplied with. */
mucmm_status mucmm__sound_cells(mucmm_ctx *ctx, const mucmm_display *d, const float *raw,
                                const float *map, const float *difference, float *cells)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_mat out = {cells, d->cell_rows, d->cell_cols, d->cell_cols};
    float *field = NULL;

    if (difference) {
        TRY(mucmm__alloc(ctx, d->cols, sizeof *field, &field));
        for (int64_t t = 0; t < d->cols; t++)
            field[t] = difference[t] < 0 || difference[t] > 0 ? map[t] / difference[t] : 0;
        raw = difference;
        map = field;
    }
    TRY(mucmm_mel_map(ctx, &d->mel, raw, map, d->cols, &out));
    flip_rows(cells, d->cell_rows, d->cell_cols);
done:
    mucmm__free(field);
    return status;
}

mucmm_status mucmm__sound_colours(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                  unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = d->cell_rows * d->cell_cols;
    float *raw = NULL, *cells = NULL, lo, hi;

    TRY(mucmm__alloc(ctx, d->cols, sizeof *raw, &raw));
    TRY(mucmm__alloc(ctx, n, sizeof *cells, &cells));
    TRY(mucmm_data_read_raw(ctx, d->data, &i, 1, &(mucmm_mat){raw, 1, d->cols, d->cols}));
    TRY(mucmm_mel_power(ctx, &d->mel, raw, d->cols,
                        &(mucmm_mat){cells, d->cell_rows, d->cell_cols, d->cell_cols}));
    flip_rows(cells, d->cell_rows, d->cell_cols);
    mucmm__range(cells, n, &lo, &hi);
    for (int64_t j = 0; j < 3 * n; j++)
        rgb[j] = (unsigned char)lround(
            255 * fmin((double)(hi - cells[j / 3]) / (double)SHOWN_DECIBELS, 1));
done:
    mucmm__free(raw);
    mucmm__free(cells);
    return status;
}
