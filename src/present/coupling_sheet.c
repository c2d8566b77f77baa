/* SPDX-License-Identifier: MIT
 *
 * A coupling as a page: above the input and the totals, then a row for each word, column or spot
 * with what of the other view goes with it. */
#include "present/coupling.h"

#include "core/palette.h"
#include "present/sheet.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rows at most, and how many stand beside each other at most; pixels that a panel should have. */
enum {
    MOST_WORDS = 36,
    MOST_COLUMNS = 8,
    MOST_SPOTS = 5,
    MOST_BESIDE = 3,
    PANEL_WIDTH = 220,
    WIDE_PANEL = 420,
    SHOWN_BARS = 8,
    NAME = MUCMM__NAME_SIZE
};

/* What is drawn of one sample. */
typedef struct drawing {
    const mucmm_coupling *c;
    int64_t i;
    int32_t side; /* of the rows */
    int64_t cells[MOST_WORDS], n;
    char (*names)[NAME]; /* [n] */
    const char **shown;  /* [n] names */
    float *totals;       /* [n] */
    float *maps;         /* [n, cells of the other side] */
    float scale, total_scale;
    char (*other_names)[NAME]; /* of bars and words: [cells of the other side] */
    const char **other_shown;
    int64_t beside, first; /* how many rows stand beside each other; 1: the input comes first */
} drawing;

static int32_t other(const drawing *d)
{
    return 1 - d->side;
}

static int64_t other_cells(const drawing *d)
{
    return d->c->side[other(d)].of[d->i].n;
}

static void drawing_drop(drawing *d)
{
    mucmm__free(d->names);
    mucmm__free(d->shown);
    mucmm__free(d->totals);
    mucmm__free(d->maps);
    mucmm__free(d->other_names);
    mucmm__free(d->other_shown);
}

/* ---- what is drawn ----------------------------------------------------------------- */

static mucmm_status name_cells(mucmm_ctx *ctx, const drawing *d, int32_t side, const int64_t *cells,
                               int64_t n, char (**names)[NAME], const char ***shown)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, n, sizeof **names, names));
    TRY(mucmm__alloc(ctx, n, sizeof **shown, shown));
    for (int64_t a = 0; a < n; a++)
        (*shown)[a] = mucmm_coupling_cell(d->c, d->i, side, cells ? cells[a] : a, (*names)[a],
                                          sizeof **names);
done:
    return status;
}

static mucmm_status find_totals(mucmm_ctx *ctx, drawing *d)
{
    mucmm_status status = MUCMM_OK;
    float *all = NULL;

    TRY(mucmm__alloc(ctx, d->c->side[d->side].of[d->i].n, sizeof *all, &all));
    TRY(mucmm_coupling_totals(ctx, d->c, d->i, d->side, all));
    for (int64_t a = 0; a < d->n; a++)
        d->totals[a] = all[d->cells[a]];
    d->total_scale = mucmm__largest(d->totals, d->n);
    d->total_scale = d->total_scale > 0 ? d->total_scale : 1;
done:
    mucmm__free(all);
    return status;
}

static bool has_names(mucmm_look look)
{
    return look == MUCMM_LOOK_WORDS || look == MUCMM_LOOK_BARS;
}

static int64_t most_rows(mucmm_look look)
{
    return look == MUCMM_LOOK_WORDS  ? MOST_WORDS
           : look == MUCMM_LOOK_BARS ? MOST_COLUMNS
                                     : MOST_SPOTS;
}

static mucmm_status prepare(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, drawing *d)
{
    mucmm_status status = MUCMM_OK;
    int64_t cols;

    *d = (drawing){.c = c, .i = i, .side = mucmm__coupling_row_side(c)};
    cols = other_cells(d);
    TRY(mucmm__coupling_pick(ctx, c, i, d->side, most_rows(c->side[d->side].look->look), d->cells,
                             &d->n));
    TRY(name_cells(ctx, d, d->side, d->cells, d->n, &d->names, &d->shown));
    TRY(mucmm__alloc(ctx, d->n, sizeof *d->totals, &d->totals));
    TRY(find_totals(ctx, d));
    TRY(mucmm__alloc(ctx, d->n * cols, sizeof *d->maps, &d->maps));
    for (int64_t a = 0; a < d->n; a++)
        TRY(mucmm_coupling_map(ctx, c, i, d->side, d->cells[a], d->maps + a * cols));
    if (has_names(c->side[other(d)].look->look)) {
        TRY(name_cells(ctx, d, other(d), NULL, cols, &d->other_names, &d->other_shown));
        d->scale = mucmm__largest(d->maps, d->n * cols);
        d->scale = d->scale > 0 ? d->scale : 1;
    } else
        TRY(mucmm_map_scale(ctx, d->maps, d->n * cols, &d->scale));
    d->first = has_names(c->side[other(d)].look->look) ? 0 : 1;
    d->beside = d->n + d->first <= 5 ? 1 : d->n + d->first <= 12 ? 2 : MOST_BESIDE;
done:
    return status;
}

/* ---- panels ------------------------------------------------------------------------ */

/* A box in the middle of a panel: the name on the colour of its total, and a line below. */
static mucmm_status draw_box(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                             const char *name, double t, const char *what, double value)
{
    mucmm_status status = MUCMM_OK;
    int64_t line = mucmm__font_height(MUCMM__FONT_TITLE), width = s->column - 2;
    unsigned char colour[3];
    mucmm__panel p = {0};
    char number[32], below[48];

    TRY(mucmm__panel_init(ctx, 2 * line + 3 * MUCMM__SHEET_PAD, width, 1, NULL, &p));
    mucmm__map_color(t, NULL, colour);
    bool dark = 0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2] < 120;
    mucmm__canvas c = mucmm__panel_canvas(ctx, &p);
    mucmm__canvas_fill(&c, 0, 0, c.width, c.height, mucmm__sheet_white);
    mucmm__canvas_fill(&c, 0, 0, c.width, line + 2 * MUCMM__SHEET_PAD, colour);
    mucmm__canvas_text(&c, MUCMM__FONT_TITLE, MUCMM__CENTER, MUCMM__SHEET_PAD, MUCMM__SHEET_PAD,
                       width - 2 * MUCMM__SHEET_PAD, dark ? mucmm__sheet_white : mucmm__sheet_ink,
                       name);
    mucmm__sheet_number(value, number);
    snprintf(below, sizeof below, "%s %s", what, number);
    mucmm__canvas_text(&c, MUCMM__FONT_BODY, MUCMM__CENTER, 0, line + 2 * MUCMM__SHEET_PAD + 2,
                       width, mucmm__sheet_axis, below);
    TRY(mucmm__panel_swap(ctx, s, col, row, &p));
done:
    mucmm__panel_drop(&p);
    return status;
}

/* Values of cells of a side, as a map of what is drawn of it: the moments of a sound go over all
 * bands. out [cell_rows, cell_cols]. */
static void spread(const mucmm__coupling_side *s, const float *values, float *out)
{
    const mucmm_display *d = s->look;
    double half = .375 * (double)d->mel.window, hop = (double)d->mel.hop;

    for (int64_t y = 0; y < d->cell_rows; y++)
        for (int64_t x = 0; x < d->cell_cols; x++) {
            int64_t moment = x;
            if (d->look == MUCMM_LOOK_SOUND) {
                double t = ((double)x + .5) * hop - half;
                moment = (int64_t)floor(t * (double)s->cols / (double)d->cols);
                moment = moment < 0 ? 0 : moment >= s->cols ? s->cols - 1 : moment;
            }
            out[y * d->cell_cols + x] =
                values[d->look == MUCMM_LOOK_SOUND ? moment : y * s->cols + x];
        }
}

/* A map over the picture or the spectrogram of a side; values NULL: the input alone. */
static mucmm_status draw_over(mucmm_ctx *ctx, const mucmm__coupling_side *side, int64_t i,
                              mucmm_sheet *s, int64_t col, int64_t row, const float *values,
                              float scale, const char *caption)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_display *d = side->look;
    int64_t rows = d->cell_rows, cols = d->cell_cols;
    unsigned char *rgb = NULL;
    float *map = NULL;

    TRY(mucmm__alloc(ctx, 3 * rows * cols, 1, &rgb));
    TRY(mucmm_display_picture(ctx, d, i, rgb));
    if (values) {
        TRY(mucmm__alloc(ctx, rows * cols, sizeof *map, &map));
        spread(side, values, map);
        TRY(mucmm_sheet_overlay(ctx, s, col, row, &(mucmm_cmat){map, rows, cols, cols}, scale, rgb,
                                caption));
    } else
        TRY(mucmm_sheet_picture(ctx, s, col, row, rgb, rows, cols, caption));
    if (d->look == MUCMM_LOOK_SOUND && !values)
        TRY(mucmm_sheet_ticks(ctx, s, col, row, d->ticks, d->n_ticks[0], NULL, 0));
done:
    mucmm__free(map);
    mucmm__free(rgb);
    return status;
}

/* The cell of a row: a spot is marked in its picture. */
static mucmm_status draw_row_name(mucmm_ctx *ctx, const drawing *d, mucmm_sheet *s, int64_t col,
                                  int64_t row, int64_t a)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__coupling_side *side = &d->c->side[d->side];
    int64_t reach = (side->rows > side->cols ? side->rows : side->cols) / 24;
    float *mark = NULL;
    char number[32], caption[96];

    if (has_names(side->look->look))
        return draw_box(ctx, s, col, row, d->names[a], (double)(d->totals[a] / d->total_scale),
                        "in all", (double)d->totals[a]);
    TRY(mucmm__alloc(ctx, side->of[d->i].n, sizeof *mark, &mark));
    for (int64_t j = 0; j < side->of[d->i].n; j++) {
        int64_t dy = j / side->cols - d->cells[a] / side->cols;
        int64_t dx = j % side->cols - d->cells[a] % side->cols;
        mark[j] = dy * dy + dx * dx <= reach * reach ? 1 : 0;
    }
    mucmm__sheet_number((double)d->totals[a], number);
    snprintf(caption, sizeof caption, "spot %" PRId64 ", in all %s", a + 1, number);
    TRY(draw_over(ctx, side, d->i, s, col, row, mark, 1, caption));
    s->panels[row * s->cols + col].scale = 0; /* a mark needs no colour bar */
done:
    mucmm__free(mark);
    return status;
}

/* What of the other view goes with it. */
static mucmm_status draw_map(mucmm_ctx *ctx, const drawing *d, mucmm_sheet *s, int64_t col,
                             int64_t row, int64_t a)
{
    const mucmm__coupling_side *to = &d->c->side[other(d)];
    int64_t n = other_cells(d);
    const float *map = d->maps + a * n;

    switch (to->look->look) {
    case MUCMM_LOOK_WORDS:
        return mucmm_sheet_words(ctx, s, col, row, d->other_shown, map, n, d->scale, NULL);
    case MUCMM_LOOK_BARS:
        return mucmm_sheet_bars(ctx, s, col, row, map, d->other_shown, n, d->scale, NULL);
    case MUCMM_LOOK_PICTURE:
    case MUCMM_LOOK_SOUND:
        break;
    }
    return draw_over(ctx, to, d->i, s, col, row, map, d->scale, NULL);
}

/* ---- the sheet --------------------------------------------------------------------- */

static void panel_size(const drawing *d, mucmm_sheet_params *p)
{
    const mucmm_display *to = d->c->side[other(d)].look;
    int64_t wanted = to->look == MUCMM_LOOK_SOUND ? WIDE_PANEL : PANEL_WIDTH, n = other_cells(d);

    p->zoom = 1;
    p->width = WIDE_PANEL;
    if (to->look == MUCMM_LOOK_WORDS)
        p->height = mucmm_sheet_words_height(d->other_shown, d->maps, n, WIDE_PANEL);
    else if (to->look == MUCMM_LOOK_BARS)
        p->height = 20 * (n < 2 ? 2 : n < SHOWN_BARS ? n : SHOWN_BARS) + 20;
    else {
        p->height = to->cell_rows;
        p->width = to->cell_cols;
        p->zoom = p->width < wanted ? wanted / p->width : 1;
    }
    if (!has_names(d->c->side[d->side].look->look)) { /* spots stand in a picture of their own */
        const mucmm_display *from = d->c->side[d->side].look;
        p->height = from->cell_rows > p->height ? from->cell_rows : p->height;
        p->width = from->cell_cols > p->width ? from->cell_cols : p->width;
        p->zoom = p->width < wanted ? wanted / p->width : 1;
    }
}

static mucmm_status new_sheet(mucmm_ctx *ctx, const drawing *d, mucmm_sheet **out)
{
    const mucmm_coupling *c = d->c;
    const mucmm__coupled *of = &c->side[d->side].of[d->i];
    mucmm_sheet_params p;
    char title[440], rest[72] = "", sample[MUCMM__SAMPLE];

    mucmm_sheet_params_init(&p);
    panel_size(d, &p);
    mucmm__sample_words(c->side[d->side].look, d->i, sample, sizeof sample);
    if (d->n < of->n && c->side[d->side].look->look == MUCMM_LOOK_WORDS)
        snprintf(rest, sizeof rest, " (%" PRId64 " of %" PRId64 " words)", d->n, of->n);
    snprintf(title, sizeof title, "What of %s goes with what of %s, %s: score %.3g%s",
             mucmm_coupling_name(c, other(d)), mucmm_coupling_name(c, d->side), sample,
             c->scores[d->i], rest);
    p.title = title;
    p.cols = 2 * d->beside;
    p.rows = (d->n + d->first + d->beside - 1) / d->beside;
    return mucmm_sheet_create(ctx, &p, out);
}

mucmm_status mucmm_coupling_sheet(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                  mucmm_sheet **out)
{
    mucmm_status status = MUCMM_OK;
    drawing d = {0};

    *out = NULL;
    TRY(mucmm__coupling_place(ctx, c, i, 0, 0));
    TRY(prepare(ctx, c, i, &d));
    TRY(new_sheet(ctx, &d, out));
    if (d.first > 0) {
        TRY(draw_box(ctx, *out, 0, 0, mucmm_coupling_name(c, other(&d)), 0, "score", c->scores[i]));
        TRY(draw_over(ctx, &c->side[other(&d)], i, *out, 1, 0, NULL, 1, NULL));
    }
    for (int64_t a = 0; a < d.n; a++) {
        int64_t at = a + d.first, col = 2 * (at % d.beside), row = at / d.beside;
        TRY(draw_row_name(ctx, &d, *out, col, row, a));
        TRY(draw_map(ctx, &d, *out, col + 1, row, a));
    }
done:
    drawing_drop(&d);
    if (status != MUCMM_OK) {
        mucmm_sheet_free(*out);
        *out = NULL;
    }
    return status;
}
