/* SPDX-License-Identifier: MIT
 *
 * A figure of loadings: views below each other, components beside each other, of each the columns
 * of the largest loadings as bars from -1 to 1. */
#include "core/palette.h"
#include "model/loadings_table.h"
#include "model/summary.h"
#include "present/figure.h"
#include "present/sheet.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* All in pixels. */
enum {
    MARGIN = 24,
    LINE = 20, /* from bar to bar */
    BAR = 11,
    PLOT = 241, /* from -1 to 1 */
    LEAST_LABEL = 40,
    MOST_LABEL = 200,
    GAP = 12,
    COLUMN_GAP = 34,
    TICK = 4
};
/* Components, and bars of each: what can be read. */
enum { MOST_COMPONENTS = 6, USUAL_BARS = 10, MOST_BARS = 60 };

static const unsigned char GRID[3] = {226, 226, 226};

typedef struct figure {
    const mucmm_loadings *l;
    const mucmm_summary *held_out; /* of the representation; or NULL */
    mucmm_representation representation;
    int32_t n_views, view[MUCMM_MAX_VIEWS];
    int64_t n, component[MOST_COMPONENTS], all; /* shown ones, of all */
    bool tested, none;                          /* by p-values; which none is beyond */
    bool intervals;
    int64_t bars, label; /* at most so many bars; the width of names */
} figure;

static const char *column_word(const mucmm_loadings *l, const mucmm_loading *a, char number[40])
{
    const char *name = mucmm_loadings_column(l, a->view, a->column);

    snprintf(number, 40, "column %" PRId64, a->column);
    return name ? name : number;
}

/* The bars of a variate in the list: from the one returned on, *n of them. */
static const mucmm_loading *bars_of(const figure *f, int32_t view, int64_t component, int64_t *n)
{
    const mucmm_loading *list = f->l->list, *first = NULL;

    *n = 0;
    for (int64_t i = 0; i < f->l->n && *n < f->bars; i++) {
        const mucmm_loading *a = &list[i];
        if (a->representation != f->representation || a->view != view || a->individual ||
            a->component != component || isnan(a->loading))
            continue;
        first = first ? first : a;
        ++*n;
    }
    return first;
}

static int64_t view_bars(const figure *f, int32_t view)
{
    int64_t most = 1, n;

    for (int64_t j = 0; j < f->n; j++) {
        bars_of(f, view, f->component[j], &n);
        most = n > most ? n : most;
    }
    return most;
}

/* ---- what is shown ----------------------------------------------------------------- */

/* The components that are beyond chance, where they were tested. */
static void choose_components(figure *f)
{
    const mucmm_summary *s = f->held_out;

    f->all = f->l->model->k;
    f->tested = s && s->components > 0 && !isnan(s->p_values[0]);
    for (int64_t j = 0; j < f->all && f->n < MOST_COMPONENTS; j++)
        if (!f->tested || s->p_values[j] <= MUCMM_SIGNIFICANT)
            f->component[f->n++] = j;
    f->none = f->n == 0;
    if (f->none)
        f->n = 1; /* the first one */
}

static void measure(figure *f)
{
    f->label = LEAST_LABEL;
    for (int32_t v = 0; v < f->n_views; v++)
        for (int64_t j = 0, n; j < f->n; j++) {
            const mucmm_loading *a = bars_of(f, f->view[v], f->component[j], &n);
            for (int64_t i = 0; i < n; i++) {
                char number[40];
                int64_t width =
                    mucmm__text_width(MUCMM__FONT_BODY, column_word(f->l, &a[i], number));
                f->label = width > f->label ? width : f->label;
                f->intervals |= !isnan(a[i].low);
            }
        }
    f->label = f->label < MOST_LABEL ? f->label : MOST_LABEL;
}

static void lay_out(const mucmm_loadings *l, figure *f)
{
    const mucmm_model *m = l->model;
    bool there[MUCMM_MAX_VIEWS] = {false};

    f->l = l;
    f->representation = l->list[0].representation;
    f->bars = l->top > 0 ? l->top : USUAL_BARS;
    f->bars = f->bars < MOST_BARS ? f->bars : MOST_BARS;
    for (int64_t i = 0; i < l->n; i++)
        there[l->list[i].view] |= l->list[i].representation == f->representation;
    for (int32_t v = 0; v < m->n_views; v++)
        if (there[v])
            f->view[f->n_views++] = v;
    f->held_out = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, f->representation);
    if (f->held_out && f->held_out->rows == 0)
        f->held_out = NULL;
    choose_components(f);
    measure(f);
}

/* ---- words ------------------------------------------------------------------------- */

enum { NOTES = 3, NOTE = 200 };

static void title_text(const figure *f, char out[NOTE])
{
    snprintf(out, NOTE, "Loadings, %s",
             f->representation == MUCMM_HEADS ? "trained heads" : "closed form (linear)");
}

/* Returns how many. */
static int notes(const figure *f, char out[NOTES][NOTE])
{
    int n = 0;

    snprintf(out[n++], NOTE,
             "%" PRId64 " %s rows. Loading: the correlation of a column with the "
             "component.",
             f->l->rows, f->l->given ? "given" : "training");
    if (f->intervals)
        snprintf(out[n++], NOTE, "Thin lines: 95 %% intervals over the bootstrap.");
    if (f->none)
        snprintf(out[n++], NOTE, "No component is beyond chance (p <= 0.05); the first is shown.");
    else if (f->n < f->all)
        snprintf(out[n++], NOTE, "%" PRId64 " of %" PRId64 " components%s.", f->n, f->all,
                 f->tested && f->n < MOST_COMPONENTS ? ": those beyond chance (p <= 0.05)"
                 : f->tested ? ": the first of those beyond chance (p <= 0.05)"
                             : "");
    return n;
}

/* "component 0, r = 0.94, comes back" */
static void component_text(const figure *f, int64_t j, char out[NOTE])
{
    const mucmm_stability *s = mucmm_model_stability(f->l->model, f->representation);
    double r = f->held_out ? f->held_out->correlations[f->component[j]] : NAN;
    char correlation[40] = "";

    if (!isnan(r))
        snprintf(correlation, sizeof correlation, ", held-out r = %s%d.%02d", r < 0 ? "-" : "",
                 (int)lround(fabs(r) * 100) / 100, (int)lround(fabs(r) * 100) % 100);
    snprintf(out, NOTE, "component %" PRId64 "%s%s", f->component[j], correlation,
             !s                               ? ""
             : s->comes_back[f->component[j]] ? ", comes back"
                                              : ", does not come back");
}

/* ---- drawing ----------------------------------------------------------------------- */

static int64_t at(double loading)
{
    return lround((loading + 1) / 2 * (PLOT - 1));
}

static void draw_axis(mucmm__canvas *c, int64_t x, int64_t y, int64_t height)
{
    for (int i = -2; i <= 2; i++) {
        int64_t u = x + at(i / 2.0), half = 20;
        static const char *const words[] = {"-1", "-0.5", "0", "0.5", "1"};
        mucmm__canvas_fill(c, u, y, 1, height, i == 0 ? mucmm__sheet_axis : GRID);
        mucmm__canvas_fill(c, u, y + height, 1, TICK, mucmm__sheet_axis);
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, u - half, y + height + TICK,
                           2 * half, mucmm__sheet_ink, words[i + 2]);
    }
    mucmm__canvas_fill(c, x, y + height, PLOT, 1, mucmm__sheet_axis);
}

/* The zero is at x, the line of the bar at y. */
static void draw_bar(mucmm__canvas *c, const mucmm_loading *a, int64_t x, int64_t y)
{
    int64_t zero = x + at(0), end = x + at(a->loading), middle = y + LINE / 2;
    unsigned char rgb[3];

    mucmm__map_color(a->loading < 0 ? -.62 : .62, NULL, rgb);
    mucmm__canvas_fill(c, end < zero ? end : zero, middle - BAR / 2,
                       end < zero ? zero - end : end - zero + 1, BAR, rgb);
    mucmm__canvas_fill(c, zero, middle - BAR / 2, 1, BAR, mucmm__sheet_axis);
    if (isnan(a->low) || isnan(a->high))
        return;
    mucmm__canvas_fill(c, x + at(a->low), middle, at(a->high) - at(a->low) + 1, 1,
                       mucmm__sheet_ink);
    mucmm__canvas_fill(c, x + at(a->low), middle - 2, 1, 5, mucmm__sheet_ink);
    mucmm__canvas_fill(c, x + at(a->high), middle - 2, 1, 5, mucmm__sheet_ink);
}

static void draw_variate(mucmm__canvas *c, const figure *f, int32_t view, int64_t j, int64_t x,
                         int64_t y)
{
    int64_t n, height = view_bars(f, view) * LINE;
    const mucmm_loading *a = bars_of(f, view, f->component[j], &n);
    char number[40];

    draw_axis(c, x + f->label + GAP, y, height);
    for (int64_t i = 0; i < n; i++) {
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, x, y + i * LINE + 1, f->label,
                           mucmm__sheet_ink, column_word(f->l, &a[i], number));
        draw_bar(c, &a[i], x + f->label + GAP, y + i * LINE);
    }
    if (n == 0)
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, x, y, f->label + GAP + PLOT,
                           mucmm__sheet_ink, "constant: no loadings");
}

static int64_t panel_width(const figure *f)
{
    int64_t width = f->label + GAP + PLOT, line;
    char text[NOTE];

    for (int64_t j = 0; j < f->n; j++) {
        component_text(f, j, text);
        line = mucmm__text_width(MUCMM__FONT_BODY, text);
        width = line > width ? line : width;
    }
    return width;
}

static int64_t view_height(const figure *f, int32_t view)
{
    const int64_t text = mucmm__font_height(MUCMM__FONT_BODY);

    return 2 * (text + 4) + view_bars(f, view) * LINE + TICK + text + GAP;
}

static void draw_view(mucmm__canvas *c, const figure *f, int32_t view, int64_t y)
{
    const int64_t line = mucmm__font_height(MUCMM__FONT_BODY) + 4, width = panel_width(f);
    char text[NOTE];

    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, MARGIN, y, c->width - 2 * MARGIN,
                       mucmm__sheet_ink, f->l->model->view[view].name);
    for (int64_t j = 0; j < f->n; j++) {
        int64_t x = MARGIN + j * (width + COLUMN_GAP);
        component_text(f, j, text);
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, x, y + line, width, mucmm__sheet_ink,
                           text);
        draw_variate(c, f, view, j, x + width - (f->label + GAP + PLOT), y + 2 * line);
    }
}

static int64_t head_height(const figure *f)
{
    char lines[NOTES][NOTE];

    return mucmm__font_height(MUCMM__FONT_TITLE) + 6 +
           notes(f, lines) * (mucmm__font_height(MUCMM__FONT_BODY) + 2) + GAP;
}

static void draw_figure(mucmm__canvas *c, const void *figure_)
{
    const figure *f = figure_;
    int64_t y = MARGIN, width = c->width - 2 * MARGIN;
    char title[NOTE], lines[NOTES][NOTE];
    int n = notes(f, lines);

    title_text(f, title);
    mucmm__canvas_text(c, MUCMM__FONT_TITLE, MUCMM__LEFT, MARGIN, y, width, mucmm__sheet_ink,
                       title);
    y += mucmm__font_height(MUCMM__FONT_TITLE) + 6;
    for (int i = 0; i < n; i++, y += mucmm__font_height(MUCMM__FONT_BODY) + 2)
        mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, MARGIN, y, width, mucmm__sheet_axis,
                           lines[i]);
    y += GAP;
    for (int32_t v = 0; v < f->n_views; v++) {
        draw_view(c, f, f->view[v], y);
        y += view_height(f, f->view[v]) + GAP;
    }
}

static int64_t page_width(const figure *f)
{
    int64_t width = f->n * panel_width(f) + (f->n - 1) * COLUMN_GAP, line;
    char lines[NOTES][NOTE];
    int n = notes(f, lines);

    for (int i = 0; i < n; i++) {
        line = mucmm__text_width(MUCMM__FONT_BODY, lines[i]);
        width = line > width ? line : width;
    }
    return width + 2 * MARGIN;
}

mucmm_status mucmm_loadings_figure(mucmm_ctx *ctx, const mucmm_loadings *l, const char *path)
{
    figure f = {0};
    int64_t height;
    char title[NOTE];

    if (!l || !path)
        return mucmm__fail(ctx, MUCMM_EARG, "loadings: the list or the path is NULL");
    lay_out(l, &f);
    title_text(&f, title);
    height = 2 * MARGIN + head_height(&f) - GAP;
    for (int32_t v = 0; v < f.n_views; v++)
        height += view_height(&f, f.view[v]) + GAP;
    return mucmm__figure_write(ctx, path, title, page_width(&f), height, draw_figure, &f);
}
