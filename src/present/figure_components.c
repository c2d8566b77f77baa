/* SPDX-License-Identifier: MIT
 *
 * A figure of components: the correlation of each as a dot with its interval, over what chance
 * reaches. */
#include "model/summary.h"
#include "present/figure.h"
#include "present/sheet.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* All in pixels. */
enum { MARGIN = 24, GAP = 12, PLOT = 301, LEAST_PLOT = 320, LEAST_SLOT = 12, MOST_SLOT = 100 };
enum { TICK = 4, NUMBERS = 34, MOST_COMPONENTS = 60 };

static const unsigned char GRID[3] = {226, 226, 226}, CHANCE[3] = {208, 208, 208},
                           CHANCE_END[3] = {140, 140, 140};
/* Of trained heads and of the closed form, as in the report; they differ in shape too. */
static const unsigned char COLORS[2][3] = {{194, 69, 45}, {58, 104, 176}};

/* Correlations of a representation on rows. */
typedef struct series {
    const mucmm_summary *s;
    mucmm_representation representation;
} series;

typedef struct figure {
    const mucmm_model *m;
    const char *rows;
    bool fitted; /* the rows trained */
    series list[2];
    int n_series;
    int64_t shown, all, slot;
    double lo, hi; /* of the axis, multiples of 1/5 */
    bool tested, chance, intervals;
} figure;

/* ---- what is shown ----------------------------------------------------------------- */

static void add_series(figure *f, const mucmm_summary *s, int32_t representation)
{
    double low, high;

    if (!s || s->rows == 0)
        return;
    f->list[f->n_series++] = (series){s, (mucmm_representation)representation};
    f->all = s->components;
    for (int64_t j = 0; j < s->components && j < MOST_COMPONENTS; j++) {
        mucmm__component_interval(f->m, s, f->fitted, j, &low, &high);
        f->intervals |= !isnan(low);
        f->tested |= !isnan(s->p_values[j]);
        f->chance |= s->null_95 && !isnan(s->null_95[j]);
        low = fmin(isnan(low) ? 0 : low, isnan(s->correlations[j]) ? 0 : s->correlations[j]);
        f->lo = fmin(f->lo, floor(low * 5) / 5);
    }
}

static mucmm_status lay_out(mucmm_ctx *ctx, figure *f)
{
    if (f->n_series == 0 || f->all == 0)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "there is no component whose correlation could be drawn");
    f->shown = f->all < MOST_COMPONENTS ? f->all : MOST_COMPONENTS;
    f->slot = LEAST_PLOT / f->shown;
    f->slot = f->slot < MOST_SLOT ? f->slot : MOST_SLOT;
    f->slot = f->slot > 2 * LEAST_SLOT ? f->slot : f->n_series * LEAST_SLOT;
    f->lo = fmax(f->lo, -1);
    f->hi = 1;
    return MUCMM_OK;
}

/* ---- words ------------------------------------------------------------------------- */

enum { NOTES = 4, NOTE = 200 };

static const char TITLE[] = "Correlations of the components";

static int notes(const figure *f, char out[NOTES][NOTE])
{
    int n = 0;

    snprintf(out[n++], NOTE, "%" PRId64 " %s rows.%s", f->list[0].s->rows, f->rows,
             f->intervals ? " Lines: 95 % intervals." : "");
    if (f->chance)
        snprintf(out[n++], NOTE, "Grey: what wrong pairings reach (95 %%).");
    if (f->tested)
        snprintf(out[n++], NOTE, "Filled: beyond chance (p <= 0.05).");
    if (f->shown < f->all)
        snprintf(out[n++], NOTE, "The first %" PRId64 " of %" PRId64 " components.", f->shown,
                 f->all);
    return n;
}

static const char *series_word(const figure *f, int i)
{
    return f->list[i].representation == MUCMM_HEADS ? "trained heads" : "closed form (linear)";
}

/* ---- drawing ----------------------------------------------------------------------- */

static int64_t plot_width(const figure *f)
{
    return f->shown * f->slot;
}

/* The pixel of a correlation, from the top of the plot. */
static int64_t at(const figure *f, double r)
{
    return lround((f->hi - fmin(fmax(r, f->lo), f->hi)) / (f->hi - f->lo) * (PLOT - 1));
}

static int64_t body(void)
{
    return mucmm__font_height(MUCMM__FONT_BODY);
}

static void draw_y_axis(mucmm__canvas *c, const figure *f, int64_t x, int64_t y)
{
    char number[32];

    for (int i = (int)lround(f->lo * 5); i <= 5; i++) {
        int64_t v = y + at(f, i / 5.0);
        snprintf(number, sizeof number, "%s%d.%d", i < 0 ? "-" : "", abs(i) / 5, abs(i) % 5 * 2);
        mucmm__canvas_fill(c, x, v, plot_width(f), 1, i == 0 ? mucmm__sheet_axis : GRID);
        mucmm__canvas_fill(c, x - TICK, v, TICK, 1, mucmm__sheet_axis);
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, x - TICK - 4 - NUMBERS,
                           v - body() / 2, NUMBERS, mucmm__sheet_ink, number);
    }
    mucmm__canvas_fill(c, x, y, 1, PLOT, mucmm__sheet_axis);
}

/* Every 1, 2, 5 or 10 components a number, as there is room. */
static void draw_x_axis(mucmm__canvas *c, const figure *f, int64_t x, int64_t y)
{
    const int64_t steps[] = {1, 2, 5, 10}, room = 26;
    int64_t step = steps[3], width = plot_width(f);
    char number[32];

    for (int i = 3; i >= 0; i--)
        step = steps[i] * f->slot >= room ? steps[i] : step;
    for (int64_t j = 0; j < f->shown; j += step) {
        int64_t u = x + j * f->slot + f->slot / 2;
        snprintf(number, sizeof number, "%" PRId64, j);
        mucmm__canvas_fill(c, u, y + PLOT, 1, TICK, mucmm__sheet_axis);
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, u - room, y + PLOT + TICK, 2 * room,
                           mucmm__sheet_ink, number);
    }
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, x, y + PLOT + TICK + body(), width,
                       mucmm__sheet_ink, "component");
}

static void draw_chance(mucmm__canvas *c, const figure *f, int64_t x, int64_t y)
{
    for (int i = f->n_series - 1; i >= 0; i--) /* of the first series, where it knows */
        for (int64_t j = 0; j < f->shown; j++) {
            const double *r = f->list[i].s->null_95;
            int64_t top, zero = at(f, 0);
            if (!r || isnan(r[j]) || i > 0)
                continue;
            top = at(f, r[j]);
            mucmm__canvas_fill(c, x + j * f->slot + 1, y + top, f->slot - 1, zero - top, CHANCE);
            mucmm__canvas_fill(c, x + j * f->slot + 1, y + top, f->slot - 1, 1, CHANCE_END);
        }
}

/* A disc of trained heads, a square of the closed form; empty: not beyond chance. */
static void draw_mark(mucmm__canvas *c, mucmm_representation representation, bool empty, int64_t x,
                      int64_t y)
{
    const unsigned char *rgb = COLORS[representation];

    if (representation == MUCMM_HEADS) {
        mucmm__canvas_disc(c, x, y, 4.5, rgb);
        if (empty)
            mucmm__canvas_disc(c, x, y, 3, mucmm__sheet_white);
    } else {
        mucmm__canvas_fill(c, x - 4, y - 4, 9, 9, rgb);
        if (empty)
            mucmm__canvas_fill(c, x - 2, y - 2, 5, 5, mucmm__sheet_white);
    }
}

static void draw_component(mucmm__canvas *c, const figure *f, int i, int64_t j, int64_t x,
                           int64_t y)
{
    const series *of = &f->list[i];
    double low, high, r = of->s->correlations[j], p = of->s->p_values[j];
    int64_t apart = f->slot / 4 < 10 ? f->slot / 4 : 10;

    if (isnan(r))
        return;
    x += j * f->slot + f->slot / 2 + (f->n_series > 1 ? (2 * i - 1) * apart : 0);
    mucmm__component_interval(f->m, of->s, f->fitted, j, &low, &high);
    if (!isnan(low)) {
        mucmm__canvas_fill(c, x, y + at(f, high), 1, at(f, low) - at(f, high) + 1,
                           COLORS[of->representation]);
        mucmm__canvas_fill(c, x - 3, y + at(f, high), 7, 1, COLORS[of->representation]);
        mucmm__canvas_fill(c, x - 3, y + at(f, low), 7, 1, COLORS[of->representation]);
    }
    draw_mark(c, of->representation, f->tested && !(p <= MUCMM_SIGNIFICANT), x, y + at(f, r));
}

static void draw_legend(mucmm__canvas *c, const figure *f, int64_t y)
{
    int64_t x = MARGIN + 6;

    for (int i = 0; i < f->n_series; i++) {
        int64_t width = mucmm__text_width(MUCMM__FONT_BODY, series_word(f, i));
        draw_mark(c, f->list[i].representation, false, x, y + body() / 2);
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, x + 10, y, width, mucmm__sheet_ink,
                           series_word(f, i));
        x += 10 + width + 24;
    }
}

static int64_t head_height(const figure *f)
{
    char lines[NOTES][NOTE];

    return mucmm__font_height(MUCMM__FONT_TITLE) + 6 + notes(f, lines) * (body() + 2) + body() +
           2 * GAP;
}

static void draw_figure(mucmm__canvas *c, const void *figure_)
{
    const figure *f = figure_;
    int64_t x = MARGIN + NUMBERS + TICK + 4, y = MARGIN, width = c->width - 2 * MARGIN;
    char lines[NOTES][NOTE];
    int n = notes(f, lines);

    mucmm__canvas_text(c, MUCMM__FONT_TITLE, MUCMM__LEFT, MARGIN, y, width, mucmm__sheet_ink,
                       TITLE);
    y += mucmm__font_height(MUCMM__FONT_TITLE) + 6;
    for (int i = 0; i < n; i++, y += body() + 2)
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, MARGIN, y, width, mucmm__sheet_axis,
                           lines[i]);
    draw_legend(c, f, y + GAP / 2);
    y = MARGIN + head_height(f);
    draw_chance(c, f, x, y);
    draw_y_axis(c, f, x, y);
    draw_x_axis(c, f, x, y);
    for (int i = 0; i < f->n_series; i++)
        for (int64_t j = 0; j < f->shown; j++)
            draw_component(c, f, i, j, x, y);
}

static int64_t page_width(const figure *f)
{
    int64_t width = plot_width(f) + NUMBERS + TICK + 4, line;
    char lines[NOTES][NOTE];
    int n = notes(f, lines);

    for (int i = 0; i < n; i++) {
        line = mucmm__text_width(MUCMM__FONT_BODY, lines[i]);
        width = line > width ? line : width;
    }
    line = mucmm__text_width(MUCMM__FONT_TITLE, TITLE);
    return (line > width ? line : width) + 2 * MARGIN;
}

static mucmm_status write_figure(mucmm_ctx *ctx, figure *f, const char *path)
{
    mucmm_status status = MUCMM_OK;

    TRY(lay_out(ctx, f));
    TRY(mucmm__figure_write(ctx, path, TITLE, page_width(f),
                            2 * MARGIN + head_height(f) + PLOT + TICK + 2 * body(), draw_figure,
                            f));
done:
    return status;
}

mucmm_status mucmm_model_components_figure(mucmm_ctx *ctx, const mucmm_model *m, const char *path)
{
    figure f = {.m = m};
    const mucmm_summary *held_out =
        m ? mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR) : 0;
    mucmm_rows rows = held_out && held_out->rows > 0 ? MUCMM_ROWS_HELD_OUT : MUCMM_ROWS_TRAIN;

    if (!m || !path)
        return mucmm__fail(ctx, MUCMM_EARG, "components: the model or the path is NULL");
    f.fitted = rows == MUCMM_ROWS_TRAIN;
    f.rows = f.fitted ? "training" : m->cross_fit ? "cross-fitted" : "held-out";
    for (int32_t r = m->heads.rho ? MUCMM_HEADS : MUCMM_LINEAR; r <= MUCMM_LINEAR; r++)
        add_series(&f, mucmm_model_summary(m, rows, (mucmm_representation)r), r);
    return write_figure(ctx, &f, path);
}

mucmm_status mucmm_scores_components_figure(mucmm_ctx *ctx, const mucmm_scores *s, const char *path)
{
    const mucmm_summary *fresh = s ? mucmm_scores_summary(s, MUCMM_LINEAR) : NULL;
    figure f = {.rows = "new"};

    if (!s || !path)
        return mucmm__fail(ctx, MUCMM_EARG, "components: the scores or the path is NULL");
    f.m = mucmm_scores_model(s);
    f.fitted = !fresh || fresh->rows == 0;
    f.rows = f.fitted ? "training" : "new";
    for (int32_t r = f.m->heads.rho ? MUCMM_HEADS : MUCMM_LINEAR; r <= MUCMM_LINEAR; r++)
        add_series(&f,
                   f.fitted ? mucmm_scores_in_sample(s, (mucmm_representation)r)
                            : mucmm_scores_summary(s, (mucmm_representation)r),
                   r);
    return write_figure(ctx, &f, path);
}
