/* SPDX-License-Identifier: MIT
 *
 * A sample as a page: the input beside the map on it, words, or bars. */
#include "present/display_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Pixels that a panel should have, and bars at most. */
enum { PANEL_WIDTH = 300, SOUND_WIDTH = 520, WORDS_WIDTH = 520, BARS_WIDTH = 460, SHOWN_BARS = 15 };

const char *mucmm__sample_words(const mucmm_display *d, int64_t i, char *out, size_t size)
{
    const char *key = mucmm_data_key(d->data, i);

    if (key && *key)
        snprintf(out, size, "sample %s", key);
    else
        snprintf(out, size, "sample %" PRId64, d->rows[i]);
    return out;
}

/* `panels` of them beside or, of sounds, below each other; in cells. */
static mucmm_status new_sheet(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, int64_t panels,
                              int64_t height, int64_t width, mucmm_sheet **out)
{
    bool sound = d->look == MUCMM_LOOK_SOUND;
    int64_t wanted = sound ? SOUND_WIDTH : PANEL_WIDTH;
    char title[320], sample[MUCMM__SAMPLE];
    mucmm_sheet_params p;

    mucmm_sheet_params_init(&p);
    mucmm__sample_words(d, i, sample, sizeof sample);
    if (d->score)
        snprintf(title, sizeof title, "%s, %s: %s score %.3g, %s", d->title, sample, d->score,
                 d->scores[i], d->map);
    else
        snprintf(title, sizeof title, "%s, %s", d->title, sample);
    p.title = title;
    p.rows = sound ? panels : 1;
    p.cols = sound ? 1 : panels;
    p.height = height;
    p.width = width;
    p.zoom = width < wanted ? wanted / width : 1;
    return mucmm_sheet_create(ctx, &p, out);
}

/* What a map is called, in out; of a masked one what the mask kept, and would keep of a map in
 * which there is nothing. NULL: nothing is to be said. */
static const char *map_caption(const mucmm_display *d, int64_t i, const char *what, char *out,
                               size_t size)
{
    if (isnan(d->mask))
        return what;
    snprintf(out, size, "%s%scells with p <= %.3g: %.3g %% kept, %.3g %% by chance",
             what ? what : "", what ? ", " : "", d->mask, 100 * mucmm__display_kept(d, i),
             100 * d->mask);
    return out;
}

/* The map over the paled input, which stands beside it; of a sound above it. */
static mucmm_status draw_cells(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, mucmm_sheet **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows, cols;
    const float *cells = mucmm_display_cells(d, i, &rows, &cols);
    const mucmm_cmat map = {cells, rows, cols, cols};
    bool sound = d->look == MUCMM_LOOK_SOUND;
    unsigned char *rgb = NULL;
    char caption[120];

    TRY(mucmm__alloc(ctx, 3 * rows * cols, 1, &rgb));
    TRY(mucmm_display_picture(ctx, d, i, rgb));
    TRY(new_sheet(ctx, d, i, cells ? 2 : 1, rows, cols, out));
    TRY(mucmm_sheet_picture(ctx, *out, 0, 0, rgb, rows, cols,
                            sound ? "log-mel spectrogram, 70 dB" : "input"));
    if (cells)
        TRY(mucmm_sheet_overlay(ctx, *out, !sound, sound, &map, d->scale, rgb,
                                map_caption(d, i, d->local_sd > 0 ? "map, local sums" : "map",
                                            caption, sizeof caption)));
    for (int64_t row = 0; sound && row < (cells ? 2 : 1); row++)
        TRY(mucmm_sheet_ticks(ctx, *out, 0, row, d->ticks, d->n_ticks[0], d->ticks + d->n_ticks[0],
                              d->n_ticks[1]));
done:
    mucmm__free(rgb);
    return status;
}

static mucmm_status draw_bars(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, mucmm_sheet **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__labels *bars = &d->labels[i];
    int64_t n = bars->n < SHOWN_BARS ? bars->n : SHOWN_BARS;
    char caption[120];

    TRY(new_sheet(ctx, d, i, 1, 20 * (n > 2 ? n : 2) + 20, BARS_WIDTH, out));
    TRY(mucmm_sheet_bars(ctx, *out, 0, 0, bars->value, bars->shown, n, d->scale,
                         map_caption(d, i, NULL, caption, sizeof caption)));
done:
    return status;
}

static mucmm_status draw_words(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, mucmm_sheet **out)
{
    static const char *const none[] = {"(no words)"};
    static const float zero[] = {0};
    mucmm_status status = MUCMM_OK;
    const mucmm__labels *words = &d->labels[i];
    const char *const *shown = words->n > 0 ? words->shown : none;
    const float *values = words->n > 0 ? words->value : zero;
    int64_t n = words->n > 0 ? words->n : 1;
    int64_t height = mucmm_sheet_words_height(shown, values, n, WORDS_WIDTH);
    char caption[120];

    TRY(new_sheet(ctx, d, i, 1, height, WORDS_WIDTH, out));
    TRY(mucmm_sheet_words(ctx, *out, 0, 0, shown, values, n, d->scale,
                          map_caption(d, i, NULL, caption, sizeof caption)));
done:
    return status;
}

static mucmm_status draw_parts(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, mucmm_sheet **out)
{
    char title[320], sample[MUCMM__SAMPLE];

    mucmm__sample_words(d, i, sample, sizeof sample);
    snprintf(title, sizeof title, "%s, %s", d->title, sample);
    return mucmm__display_parts_sheet(ctx, d, i, title, out);
}

mucmm_status mucmm_display_sheet(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                 mucmm_sheet **out)
{
    mucmm_status status = MUCMM_OK;

    *out = NULL;
    TRY(mucmm__display_check(ctx, d, i));
    if (d->parts)
        TRY(draw_parts(ctx, d, i, out));
    else if (d->values && !mucmm_display_has_map(d, i))
        TRY(mucmm__fail(ctx, MUCMM_ENUMERIC, "display: sample %" PRId64 " has no map", d->rows[i]));
    else if (d->cell_rows > 0)
        TRY(draw_cells(ctx, d, i, out));
    else if (!d->labels)
        TRY(mucmm__fail(ctx, MUCMM_EARG, "display: a sheet of %s needs values",
                        mucmm_data_label(d->data)));
    else if (d->look == MUCMM_LOOK_WORDS)
        TRY(draw_words(ctx, d, i, out));
    else
        TRY(draw_bars(ctx, d, i, out));
done:
    if (status != MUCMM_OK) {
        mucmm_sheet_free(*out);
        *out = NULL;
    }
    return status;
}

/* ---- files ------------------------------------------------------------------------- */

typedef struct sheet_files {
    const mucmm_display *d;
    const char *const *paths;
} sheet_files;

static mucmm_status write_sheet(mucmm_ctx *ctx, void *arg, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    const sheet_files *files = arg;
    mucmm_sheet *sheet = NULL;

    if (files->d->values && !mucmm_display_has_map(files->d, i))
        return MUCMM_OK;
    TRY(mucmm_display_sheet(ctx, files->d, i, &sheet));
    TRY(mucmm_sheet_write(ctx, sheet, files->paths[i]));
done:
    mucmm_sheet_free(sheet);
    return status;
}

mucmm_status mucmm_display_write(mucmm_ctx *ctx, const mucmm_display *d, const char *const *paths)
{
    sheet_files files = {d, paths};

    return mucmm__parallel_try(ctx, d->n, write_sheet, &files);
}
