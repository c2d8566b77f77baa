/* SPDX-License-Identifier: MIT
 *
 * Rows of pixels as cells and as colours. */
#include "present/display.h"

#include "explain/local_sums.h"

#include <math.h>
#include <string.h>

/* Means over blocks of cells and over channels first .. last. */
static void reduce(const mucmm_display *d, const float *row, int64_t first, int64_t last,
                   float *out)
{
    const mucmm__layout *l = &d->layout;

    for (int64_t i = 0; i < d->cell_rows; i++)
        for (int64_t j = 0; j < d->cell_cols; j++) {
            double sum = 0;
            for (int64_t y = i * d->step; y < (i + 1) * d->step; y++)
                for (int64_t x = j * d->step; x < (j + 1) * d->step; x++)
                    for (int64_t c = first; c < last; c++)
                        sum += (double)row[(y * l->width + x) * l->cell + c * l->plane];
            out[i * d->cell_cols + j] = (float)(sum / (double)(d->step * d->step * (last - first)));
        }
}

/* ---- local sums -------------------------------------------------------------------- */

mucmm_status mucmm__picture_cells(mucmm_ctx *ctx, const mucmm_display *d, const float *row,
                                  float *cells)
{
    reduce(d, row, 0, d->layout.channels, cells);
    return d->local_sd > 0 ? mucmm__local_sums(ctx, d->cell_rows, d->cell_cols, d->local_sd, cells)
                           : MUCMM_OK;
}

bool mucmm__picture_kept(const mucmm_display *d, const float *p_values, int64_t cell)
{
    const mucmm__layout *l = &d->layout;
    int64_t top = cell / d->cell_cols * d->step, left = cell % d->cell_cols * d->step;

    for (int64_t y = top; y < top + d->step; y++)
        for (int64_t x = left; x < left + d->step; x++)
            if ((double)p_values[(y * l->width + x) * l->cell] <= d->mask)
                return true;
    return false;
}

/* ---- colours ----------------------------------------------------------------------- */

/* The picture of an encoder's input as the user knows it; not *known if there is none of the size
 * of the raw row, which may be inside the network. */
static mucmm_status encoded_picture(mucmm_ctx *ctx, const mucmm_display *d, int64_t row,
                                    unsigned char *rgb, bool *known)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__layout *l = &d->layout;
    int64_t height = 0, width = 0;
    unsigned char *whole = NULL;

    *known = false;
    TRY(mucmm_data_picture(ctx, d->data, row, &height, &width, NULL));
    if (height != l->height || width != l->width)
        goto done;
    TRY(mucmm__alloc(ctx, 3 * height * width, 1, &whole));
    TRY(mucmm_data_picture(ctx, d->data, row, &height, &width, whole));
    for (int64_t i = 0; i < d->cell_rows; i++)
        for (int64_t j = 0; j < d->cell_cols; j++)
            for (int c = 0; c < 3; c++) {
                int64_t sum = 0;
                for (int64_t y = i * d->step; y < (i + 1) * d->step; y++)
                    for (int64_t x = j * d->step; x < (j + 1) * d->step; x++)
                        sum += whole[(y * width + x) * 3 + c];
                rgb[(i * d->cell_cols + j) * 3 + c] = (unsigned char)(sum / (d->step * d->step));
            }
    *known = true;
done:
    mucmm__free(whole);
    return status;
}

/* A row of numbers as a picture. */
static mucmm_status row_picture(mucmm_ctx *ctx, const mucmm_display *d, int64_t row,
                                unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    float *raw = NULL, *cells = NULL, lo = d->lo, hi = d->hi;
    int64_t n = d->cell_rows * d->cell_cols, colours = d->layout.channels >= 3 ? 3 : 1;

    TRY(mucmm__alloc(ctx, d->cols, sizeof *raw, &raw));
    TRY(mucmm__alloc(ctx, 3 * n, sizeof *cells, &cells));
    TRY(mucmm_data_read_raw(ctx, d->data, &row, 1, &(mucmm_mat){raw, 1, d->cols, d->cols}));
    for (int64_t c = 0; c < colours; c++)
        reduce(d, raw, c, c + 1, cells + c * n);
    if (!(hi > lo))
        mucmm__range(cells, colours * n, &lo, &hi);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < 3; c++) {
            double t = hi > lo ? (double)((cells[(c % colours) * n + i] - lo) / (hi - lo)) : 0.5;
            rgb[3 * i + c] = (unsigned char)lround(255 * fmin(fmax(t, 0), 1));
        }
done:
    mucmm__free(raw);
    mucmm__free(cells);
    return status;
}

mucmm_status mucmm__picture_colours(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                    unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    bool known = false;

    if (mucmm_data_source_kind(d->data) == MUCMM_SOURCE_IMAGE)
        TRY(encoded_picture(ctx, d, i, rgb, &known));
    if (!known)
        TRY(row_picture(ctx, d, i, rgb));
done:
    return status;
}
