/* SPDX-License-Identifier: MIT
 *
 * A sheet keeps its panels as cells and is laid out when it is written: only then is known
 * which rows have captions and which panels need a colour bar of their own. */
#include "present/sheet.h"

#include "core/palette.h"
#include "present/figure.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SIDE 1000000           /* pixels; readers of PNG refuse more */
#define MAX_PIXELS (INT32_MAX / 3) /* libpng's simplified interface holds 2 GB */

/* All in pixels. */
enum {
    AUTO_WIDTH = 240, /* what zoom 0 aims at */
    MARGIN = 28,
    COLUMN_GAP = 22,
    ROW_GAP = 24,
    TITLE_GAP = 16,
    TITLE_MAX = 900, /* a longer title does not widen the page */
    CAPTION_GAP = 5,
    BAR_GAP = 9,
    BAR_HEIGHT = 12,
    TICK = 4,
    LINE = 20,    /* of a table of bars */
    COLORS = 512, /* of a colour bar, at a time */
    PAD = MUCMM__SHEET_PAD
};

const unsigned char mucmm__sheet_white[3] = {255, 255, 255}, mucmm__sheet_ink[3] = {34, 34, 34},
                    mucmm__sheet_axis[3] = {90, 90, 90};
static const unsigned char FRAME[3] = {140, 140, 140};

/* How a value becomes a colour: grey from lo to hi, or a map from -hi to hi, over the picture
 * `under` [rows, cols, 3] if there is one. */
typedef struct shade {
    bool diverging;
    float lo, hi;
    const unsigned char *under;
} shade;

/* ---- creation ---------------------------------------------------------------------- */

void mucmm__panel_drop(mucmm__panel *p)
{
    mucmm__free(p->rgb);
    mucmm__free(p->caption);
    mucmm__free(p->ticks);
    mucmm__strokes_drop(&p->strokes);
    *p = (mucmm__panel){0};
}

void mucmm_sheet_params_init_sized(mucmm_sheet_params *p, size_t size)
{
    const mucmm_sheet_params defaults = {.cols = 1, .rows = 1, .height = 1, .width = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

static mucmm_status check_count(mucmm_ctx *ctx, const char *name, int64_t value, int64_t lo)
{
    if (value < lo || value > MAX_SIDE)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: %s is %" PRId64 "; it must be %" PRId64 " to %d", name, value,
                           lo, MAX_SIDE);
    return MUCMM_OK;
}

static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_sheet_params *p)
{
    mucmm_status status = MUCMM_OK;

    TRY(check_count(ctx, "cols", p->cols, 1));
    TRY(check_count(ctx, "rows", p->rows, 1));
    TRY(check_count(ctx, "height", p->height, 1));
    TRY(check_count(ctx, "width", p->width, 1));
    TRY(check_count(ctx, "zoom", p->zoom, 0));
done:
    return status;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* The space a row takes beside its panels, when it has a caption, a colour bar. */
static int64_t caption_space(void)
{
    return mucmm__font_height(MUCMM__FONT_BODY) + CAPTION_GAP;
}

static int64_t bar_space(void)
{
    return BAR_GAP + BAR_HEIGHT + TICK + mucmm__font_height(MUCMM__FONT_BODY);
}

static int64_t tick_space(void)
{
    return TICK + mucmm__font_height(MUCMM__FONT_BODY);
}

static int64_t title_space(const mucmm_sheet *s)
{
    return s->title ? mucmm__font_height(MUCMM__FONT_TITLE) + TITLE_GAP : 0;
}

/* What the ticks on the left of the panels take from a column. */
static int64_t left_space(const mucmm_sheet *s)
{
    int64_t widest = 0;

    for (int64_t i = 0; s->panels && i < s->rows * s->cols; i++) {
        const mucmm__panel *p = &s->panels[i];
        for (int32_t t = p->n_x; t < p->n_x + p->n_y; t++)
            widest = max64(widest, mucmm__text_width(MUCMM__FONT_BODY, p->ticks[t].text));
    }
    return widest > 0 ? widest + 2 * TICK : 0;
}

static int64_t column_width(const mucmm_sheet *s)
{
    return left_space(s) + s->column;
}

static int64_t grid_width(const mucmm_sheet *s)
{
    return s->cols * (column_width(s) + COLUMN_GAP) - COLUMN_GAP;
}

static int64_t page_width(const mucmm_sheet *s)
{
    int64_t title = s->title ? mucmm__text_width(MUCMM__FONT_TITLE, s->title) : 0;

    return max64(grid_width(s), min64(title, TITLE_MAX)) + 2 * MARGIN;
}

/* Refuses at creation what could not be written in the end: every row with caption and bar. */
static mucmm_status check_page(mucmm_ctx *ctx, const mucmm_sheet *s)
{
    int64_t row = s->panel_height + 2 + caption_space() + tick_space() + bar_space() + ROW_GAP;
    int64_t width = page_width(s), height = 2 * MARGIN + title_space(s) + s->rows * row;

    if (width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: %" PRId64 " x %" PRId64
                           " pixels; a PNG may have %d on a side and "
                           "%d in all: use a smaller zoom or fewer panels",
                           width, height, MAX_SIDE, MAX_PIXELS);
    if ((uint64_t)(width * height * 3) > ctx->max_alloc)
        return mucmm__fail(ctx, MUCMM_ENOMEM,
                           "sheet: %" PRId64 " x %" PRId64 " pixels exceed the limit of %" PRIu64
                           " bytes",
                           width, height, ctx->max_alloc);
    return MUCMM_OK;
}

mucmm_status mucmm_sheet_create(mucmm_ctx *ctx, const mucmm_sheet_params *params, mucmm_sheet **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_sheet_params own, *p = &own;
    mucmm_sheet *s = NULL;

    *out = NULL;
    mucmm_sheet_params_init(p);
    TRY(mucmm__params_take(ctx, "mucmm_sheet_params", params, p, sizeof *p));
    TRY(check_params(ctx, p));
    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    s->cols = p->cols;
    s->rows = p->rows;
    s->height = p->height;
    s->width = p->width;
    s->zoom = p->zoom ? p->zoom : max64(1, AUTO_WIDTH / p->width);
    s->panel_height = s->height * s->zoom;
    s->panel_width = s->width * s->zoom;
    s->column = max64(s->panel_width + 2, MUCMM__SHEET_COLUMN);
    if (p->title)
        TRY(mucmm__strdup(ctx, p->title, &s->title));
    TRY(check_page(ctx, s));
    TRY(mucmm__alloc(ctx, s->rows * s->cols, sizeof *s->panels, &s->panels));
    *out = s;
    s = NULL;
done:
    mucmm_sheet_free(s);
    return status;
}

void mucmm_sheet_free(mucmm_sheet *s)
{
    if (!s)
        return;
    for (int64_t i = 0; s->panels && i < s->rows * s->cols; i++)
        mucmm__panel_drop(&s->panels[i]);
    mucmm__free(s->panels);
    mucmm__free(s->title);
    mucmm__free(s);
}

/* ---- panels of cells --------------------------------------------------------------- */

static void cell_color(const shade *how, float value, int64_t cell, unsigned char rgb[3])
{
    double range = (double)how->hi - how->lo,
           t = range > 0 ? ((double)value - how->lo) / range : 0.5;

    if (how->diverging)
        mucmm__map_color((double)value / how->hi, how->under ? how->under + 3 * cell : NULL, rgb);
    else
        memset(rgb, (int)lround(255 * fmin(fmax(t, 0), 1)), 3);
}

mucmm_status mucmm__sheet_place(mucmm_ctx *ctx, const mucmm_sheet *s, int64_t col, int64_t row)
{
    if (!s)
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: the sheet is NULL");
    if (col < 0 || col >= s->cols || row < 0 || row >= s->rows)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: there is no panel at column %" PRId64 ", row %" PRId64
                           " (both from 0) of %" PRId64 " columns and %" PRId64 " rows",
                           col, row, s->cols, s->rows);
    return MUCMM_OK;
}

static mucmm_status check_size(mucmm_ctx *ctx, const mucmm_sheet *s, int64_t height, int64_t width)
{
    if (height < 1 || width < 1 || height > s->height || width > s->width)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "sheet: a picture of %" PRId64 " x %" PRId64
                           " cells; panels have %" PRId64 " x %" PRId64,
                           height, width, s->height, s->width);
    return MUCMM_OK;
}

static mucmm_status check_picture(mucmm_ctx *ctx, const mucmm_sheet *s, const mucmm_cmat *m)
{
    if (!m || !m->data || m->rows < 1 || m->cols < 1 || m->stride < m->cols)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: the picture is NULL, empty, or its stride is "
                           "smaller than its columns");
    if (check_size(ctx, s, m->rows, m->cols) != MUCMM_OK)
        return MUCMM_ESHAPE;
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t j = 0; j < m->cols; j++)
            if (!isfinite(m->data[i * m->stride + j]))
                return mucmm__fail(ctx, MUCMM_ENUMERIC,
                                   "sheet: the value at row %" PRId64 ", column %" PRId64
                                   " of the picture is not finite",
                                   i, j);
    return MUCMM_OK;
}

mucmm_status mucmm__panel_init(mucmm_ctx *ctx, int64_t height, int64_t width, int64_t zoom,
                               const char *caption, mucmm__panel *p)
{
    mucmm_status status = MUCMM_OK;

    p->height = height;
    p->width = width;
    p->zoom = zoom;
    if (caption)
        TRY(mucmm__strdup(ctx, caption, &p->caption));
    TRY(mucmm__alloc(ctx, height * width, 3, &p->rgb));
done:
    return status;
}

mucmm__canvas mucmm__panel_canvas(mucmm_ctx *ctx, mucmm__panel *p)
{
    return (mucmm__canvas){ctx, p->rgb, p->width, p->height, &p->strokes, NULL};
}

mucmm_status mucmm__panel_swap(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                               mucmm__panel *p)
{
    mucmm__panel old = s->panels[row * s->cols + col];

    if (p->strokes.lost)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory for what is drawn on a sheet");
    s->panels[row * s->cols + col] = *p;
    *p = old;
    return MUCMM_OK;
}

static mucmm_status draw_cells(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                               const mucmm_cmat *picture, const shade *how, const char *caption)
{
    mucmm_status status = MUCMM_OK;
    mucmm__panel p = {0};
    int64_t zoom;

    TRY(check_picture(ctx, s, picture));
    zoom = min64(s->panel_height / picture->rows, s->panel_width / picture->cols);
    TRY(mucmm__panel_init(ctx, picture->rows, picture->cols, zoom, caption, &p));
    for (int64_t i = 0; i < p.height; i++)
        for (int64_t j = 0; j < p.width; j++)
            cell_color(how, picture->data[i * picture->stride + j], i * p.width + j,
                       p.rgb + (i * p.width + j) * 3);
    p.scale = how->diverging ? how->hi : 0;
    TRY(mucmm__panel_swap(ctx, s, col, row, &p));
done:
    mucmm__panel_drop(&p);
    return status;
}

mucmm_status mucmm_sheet_grey(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                              const mucmm_cmat *picture, float lo, float hi, const char *caption)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__sheet_place(ctx, s, col, row));
    if (!isfinite(lo) || !isfinite(hi) || lo > hi)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: grey from %g to %g; both must be finite, in this order",
                           (double)lo, (double)hi);
    TRY(draw_cells(ctx, s, col, row, picture, &(shade){false, lo, hi, NULL}, caption));
done:
    return status;
}

mucmm_status mucmm__sheet_scale(mucmm_ctx *ctx, float scale)
{
    if (!isfinite(scale) || !(scale > 0))
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: scale is %g; it must be positive and finite",
                           (double)scale);
    return MUCMM_OK;
}

mucmm_status mucmm_sheet_map(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                             const mucmm_cmat *map, float scale, const char *caption)
{
    return mucmm_sheet_overlay(ctx, s, col, row, map, scale, NULL, caption);
}

mucmm_status mucmm_sheet_overlay(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                 const mucmm_cmat *map, float scale, const unsigned char *rgb,
                                 const char *caption)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__sheet_place(ctx, s, col, row));
    TRY(mucmm__sheet_scale(ctx, scale));
    TRY(draw_cells(ctx, s, col, row, map, &(shade){true, 0, scale, rgb}, caption));
done:
    return status;
}

mucmm_status mucmm_sheet_picture(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                                 const unsigned char *rgb, int64_t height, int64_t width,
                                 const char *caption)
{
    mucmm_status status = MUCMM_OK;
    mucmm__panel p = {0};

    TRY(mucmm__sheet_place(ctx, s, col, row));
    if (!rgb)
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: the picture is NULL");
    TRY(check_size(ctx, s, height, width));
    TRY(mucmm__panel_init(ctx, height, width,
                          min64(s->panel_height / height, s->panel_width / width), caption, &p));
    memcpy(p.rgb, rgb, (size_t)(3 * height * width));
    TRY(mucmm__panel_swap(ctx, s, col, row, &p));
done:
    mucmm__panel_drop(&p);
    return status;
}

/* ---- ticks ------------------------------------------------------------------------- */

mucmm_status mucmm_sheet_ticks(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                               const mucmm_tick *x, int32_t n_x, const mucmm_tick *y, int32_t n_y)
{
    mucmm_status status = MUCMM_OK;
    mucmm__tick *ticks = NULL;
    mucmm__panel *p;

    TRY(mucmm__sheet_place(ctx, s, col, row));
    p = &s->panels[row * s->cols + col];
    if (!p->rgb || n_x < 0 || n_y < 0 || (n_x > 0 && !x) || (n_y > 0 && !y))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: ticks need a panel that has been drawn, and no NULL");
    TRY(mucmm__alloc(ctx, (int64_t)n_x + n_y, sizeof *ticks, &ticks));
    for (int32_t i = 0; i < n_x + n_y; i++) {
        const mucmm_tick *t = i < n_x ? &x[i] : &y[i - n_x];
        double most = (double)(i < n_x ? p->width : p->height);

        if (!t->text || !(t->at >= 0 && t->at <= most))
            TRY(mucmm__fail(ctx, MUCMM_EARG,
                            "sheet: a tick at %g; it must have a text and be "
                            "from 0 to %g",
                            t->at, most));
        ticks[i].at = t->at;
        snprintf(ticks[i].text, sizeof ticks[i].text, "%s", t->text);
    }
    mucmm__free(p->ticks);
    p->ticks = ticks;
    p->n_x = n_x;
    p->n_y = n_y;
    ticks = NULL;
done:
    mucmm__free(ticks);
    return status;
}

/* ---- tables of bars ---------------------------------------------------------------- */

void mucmm__sheet_number(double value, char out[32])
{
    char raw[32];
    size_t k = 0;

    snprintf(raw, sizeof raw, value > 0 || value < 0 ? "%+.*g" : "%.*g", fabs(value) < 99 ? 2 : 3,
             value > 0 || value < 0 ? value : 0.0);
    for (const char *p = raw; *p; p++) {
        bool plain = strchr("0123456789+-e", *p) != NULL;

        if (plain || out[k - 1] != '.') /* a number never begins with its point */
            out[k++] = plain ? *p : '.';
    }
    out[k] = '\0';
}

/* What a table shows: its k strongest values, and the width of its columns in pixels. */
typedef struct table {
    const float *values;
    const char *const *names;
    int64_t n, k;
    int64_t *order; /* [k], the strongest first, ties as they came */
    int64_t name_width, number_width;
    double scale;
} table;

static void strongest_first(table *t)
{
    int64_t held = 0;

    for (int64_t i = 0; i < t->n; i++) {
        float size = fabsf(t->values[i]);
        int64_t at = held;

        while (at > 0 && fabsf(t->values[t->order[at - 1]]) < size)
            at--;
        if (at == t->k)
            continue;
        if (held < t->k)
            held++;
        memmove(t->order + at + 1, t->order + at, sizeof *t->order * (size_t)(held - at - 1));
        t->order[at] = i;
    }
}

static void measure_table(table *t, int64_t width)
{
    char number[32];

    for (int64_t i = 0; i < t->k; i++) {
        mucmm__sheet_number((double)t->values[t->order[i]], number);
        t->number_width = max64(t->number_width, mucmm__text_width(MUCMM__FONT_BODY, number));
        t->name_width =
            max64(t->name_width, mucmm__text_width(MUCMM__FONT_BODY, t->names[t->order[i]]));
    }
    t->name_width = min64(t->name_width, (width - t->number_width - 4 * PAD) / 2);
}

static void draw_bar(mucmm__canvas *c, const table *t, int64_t i, int64_t y)
{
    double value = (double)t->values[t->order[i]];
    int64_t left = 2 * PAD + t->name_width, right = c->width - 2 * PAD - t->number_width;
    int64_t half = (right - left) / 2, axis = left + half;
    int64_t length = lround((double)half * fmin(fabs(value) / t->scale, 1));
    unsigned char color[3];
    char number[32];

    mucmm__map_color(value < 0 ? -0.85 : 0.85, NULL, color);
    mucmm__sheet_number(value, number);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, PAD, y + 1, t->name_width,
                       mucmm__sheet_ink, t->names[t->order[i]]);
    mucmm__canvas_fill(c, value < 0 ? axis - length : axis, y + 3, length, LINE - 6, color);
    mucmm__canvas_fill(c, axis, y, 1, LINE, mucmm__sheet_axis);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, right + PAD, y + 1, t->number_width,
                       mucmm__sheet_ink, number);
}

static void draw_table(mucmm__canvas *c, const table *t)
{
    char more[64];

    mucmm__canvas_fill(c, 0, 0, c->width, c->height, mucmm__sheet_white);
    for (int64_t i = 0; i < t->k; i++)
        draw_bar(c, t, i, PAD + i * LINE);
    if (t->k == t->n)
        return;
    snprintf(more, sizeof more, "and %" PRId64 " more, weaker", t->n - t->k);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, PAD, PAD + t->k * LINE + 1,
                       c->width - 2 * PAD, mucmm__sheet_axis, more);
}

mucmm_status mucmm__sheet_named(mucmm_ctx *ctx, const char *what, const float *values,
                                const char *const *names, int64_t n)
{
    if (n < 1 || !values || !names)
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: %ss need values and names, at least one", what);
    for (int64_t i = 0; i < n; i++) {
        if (!names[i])
            return mucmm__fail(ctx, MUCMM_EARG, "sheet: the name of %s %" PRId64 " is NULL", what,
                               i);
        if (!isfinite(values[i]))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "sheet: the value of %s %" PRId64 " (%s) is not finite", what, i,
                               names[i]);
    }
    return MUCMM_OK;
}

static mucmm_status check_bars(mucmm_ctx *ctx, const mucmm_sheet *s, const float *values,
                               const char *const *names, int64_t n)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__sheet_named(ctx, "bar", values, names, n));
    if (s->panel_width < MUCMM__SHEET_COLUMN || s->panel_height < 2 * LINE + 2 * PAD)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "sheet: panels of %" PRId64 " x %" PRId64
                           " pixels; bars need a height of %d and a width of %d",
                           s->panel_height, s->panel_width, 2 * LINE + 2 * PAD,
                           MUCMM__SHEET_COLUMN);
done:
    return status;
}

mucmm_status mucmm_sheet_bars(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                              const float *values, const char *const *names, int64_t n, float scale,
                              const char *caption)
{
    mucmm_status status = MUCMM_OK;
    table t = {.values = values, .names = names, .n = n, .scale = (double)scale};
    mucmm__panel p = {0};
    mucmm__canvas c;
    int64_t lines;

    TRY(mucmm__sheet_place(ctx, s, col, row));
    TRY(mucmm__sheet_scale(ctx, scale));
    TRY(check_bars(ctx, s, values, names, n));
    lines = (s->panel_height - 2 * PAD) / LINE;
    t.k = n <= lines ? n : lines - 1;
    TRY(mucmm__alloc(ctx, t.k, sizeof *t.order, &t.order));
    strongest_first(&t);
    measure_table(&t, s->panel_width);
    TRY(mucmm__panel_init(ctx, s->panel_height, s->panel_width, 1, caption, &p));
    c = mucmm__panel_canvas(ctx, &p);
    draw_table(&c, &t);
    TRY(mucmm__panel_swap(ctx, s, col, row, &p));
done:
    mucmm__free(t.order);
    mucmm__panel_drop(&p);
    return status;
}

/* ---- the page ---------------------------------------------------------------------- */

/* A map has a colour bar below it unless the next map further down explains itself by the same. */
static bool needs_color_bar(const mucmm_sheet *s, int64_t col, int64_t row)
{
    float scale = s->panels[row * s->cols + col].scale;

    for (int64_t r = row + 1; scale > 0 && r < s->rows; r++) {
        float next = s->panels[r * s->cols + col].scale;

        if (next > 0)
            return next < scale || next > scale;
    }
    return scale > 0;
}

static int64_t row_caption_space(const mucmm_sheet *s, int64_t row)
{
    for (int64_t col = 0; col < s->cols; col++)
        if (s->panels[row * s->cols + col].caption)
            return caption_space();
    return 0;
}

static int64_t row_bar_space(const mucmm_sheet *s, int64_t row)
{
    for (int64_t col = 0; col < s->cols; col++)
        if (needs_color_bar(s, col, row))
            return bar_space();
    return 0;
}

static int64_t row_tick_space(const mucmm_sheet *s, int64_t row)
{
    for (int64_t col = 0; col < s->cols; col++)
        if (s->panels[row * s->cols + col].n_x > 0)
            return tick_space();
    return 0;
}

static int64_t row_height(const mucmm_sheet *s, int64_t row)
{
    return row_caption_space(s, row) + s->panel_height + 2 + row_tick_space(s, row) +
           row_bar_space(s, row);
}

static int64_t page_height(const mucmm_sheet *s)
{
    int64_t height = 2 * MARGIN + title_space(s) + (s->rows - 1) * ROW_GAP;

    for (int64_t row = 0; row < s->rows; row++)
        height += row_height(s, row);
    return height;
}

/* (x, y) is the top left pixel inside the frame. */
static void draw_ticks(mucmm__canvas *c, const mucmm__panel *p, int64_t x, int64_t y)
{
    int64_t bottom = y + p->height * p->zoom + 1, half = mucmm__font_height(MUCMM__FONT_BODY) / 2;

    for (int32_t t = 0; t < p->n_x + p->n_y; t++) {
        int64_t at = lround(p->ticks[t].at * (double)p->zoom);
        int64_t width = mucmm__text_width(MUCMM__FONT_BODY, p->ticks[t].text);

        if (t < p->n_x) {
            mucmm__canvas_fill(c, x + at, bottom, 1, TICK, mucmm__sheet_axis);
            mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, x + at - width / 2 - 1,
                               bottom + TICK, width + 2, mucmm__sheet_ink, p->ticks[t].text);
        } else {
            mucmm__canvas_fill(c, x - 1 - TICK, y + at, TICK, 1, mucmm__sheet_axis);
            mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, x - 1 - 2 * TICK - width,
                               y + at - half, width, mucmm__sheet_ink, p->ticks[t].text);
        }
    }
}

/* The cells in a frame, in the middle of the column and of the panel's height from y. */
static void draw_panel(mucmm__canvas *c, const mucmm_sheet *s, const mucmm__panel *p, int64_t x,
                       int64_t y)
{
    int64_t width = p->width * p->zoom, height = p->height * p->zoom;

    x += (s->column - width) / 2;
    y += 1 + (s->panel_height - height) / 2;
    mucmm__canvas_frame(c, x - 1, y - 1, width + 2, height + 2, FRAME);
    if (c->vector && p->strokes.n > 0) {
        mucmm__vector_origin(c->vector, x, y);
        mucmm__canvas_strokes(c, &p->strokes);
        mucmm__vector_origin(c->vector, 0, 0);
    } else
        mucmm__canvas_image(c, x, y, p->rgb, p->height, p->width, p->zoom, p->zoom);
    draw_ticks(c, p, x, y);
}

static void draw_color_bar(mucmm__canvas *c, float scale, int64_t x, int64_t y, int64_t width)
{
    int64_t label = y + BAR_HEIGHT + TICK;
    unsigned char colors[3 * COLORS];
    char number[32];

    for (int64_t from = 0; from < width; from += COLORS) {
        int64_t n = min64(width - from, COLORS);
        for (int64_t u = 0; u < n; u++)
            mucmm__map_color(2 * (double)(from + u) / (double)(width - 1) - 1, NULL,
                             colors + 3 * u);
        mucmm__canvas_image(c, x + from, y, colors, 1, n, 1, BAR_HEIGHT);
    }
    mucmm__canvas_frame(c, x, y, width, BAR_HEIGHT, FRAME);
    for (int i = 0; i < 3; i++) {
        static const mucmm__align align[] = {MUCMM__LEFT, MUCMM__CENTER, MUCMM__RIGHT};

        mucmm__canvas_fill(c, x + i * (width - 1) / 2, y + BAR_HEIGHT, 1, TICK, mucmm__sheet_axis);
        mucmm__sheet_number((i - 1) * (double)scale, number);
        mucmm__canvas_text(c, MUCMM__FONT_BODY, align[i], x, label, width, mucmm__sheet_ink,
                           number);
    }
}

static void draw_row(mucmm__canvas *c, const mucmm_sheet *s, int64_t row, int64_t y)
{
    int64_t x = (c->width - grid_width(s)) / 2 + left_space(s), top = y + row_caption_space(s, row);
    int64_t bar = top + s->panel_height + 2 + row_tick_space(s, row) + BAR_GAP;

    for (int64_t col = 0; col < s->cols; col++, x += column_width(s) + COLUMN_GAP) {
        const mucmm__panel *p = &s->panels[row * s->cols + col];

        if (p->caption)
            mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, x, y, s->column,
                               mucmm__sheet_ink, p->caption);
        if (p->rgb)
            draw_panel(c, s, p, x, top);
        if (needs_color_bar(s, col, row))
            draw_color_bar(c, p->scale, x, bar, s->column);
    }
}

static void draw_page(mucmm__canvas *c, const void *sheet)
{
    const mucmm_sheet *s = sheet;
    int64_t y = MARGIN + title_space(s);

    if (s->title)
        mucmm__canvas_text(c, MUCMM__FONT_TITLE, MUCMM__CENTER, MARGIN, MARGIN,
                           c->width - 2 * MARGIN, mucmm__sheet_ink, s->title);
    for (int64_t row = 0; row < s->rows; row++) {
        draw_row(c, s, row, y);
        y += row_height(s, row) + ROW_GAP;
    }
}

mucmm_status mucmm_sheet_write(mucmm_ctx *ctx, const mucmm_sheet *s, const char *path)
{
    mucmm_status status = MUCMM_OK;

    if (!s || !path)
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: the sheet or the path is NULL");
    TRY(check_page(ctx, s)); /* ticks have widened it */
    TRY(mucmm__figure_write(ctx, path, s->title, page_width(s), page_height(s), draw_page, s));
done:
    return status;
}
