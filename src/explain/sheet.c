/* SPDX-License-Identifier: MIT
 *
 * A sheet keeps its panels as cells and is laid out when it is written: only then is known
 * which rows have captions and which panels need a colour bar of their own. */
#include "core/core.h"
#include "explain/canvas.h"
#include "core/colormap.h"
#include "io/io.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SIDE 1000000           /* pixels; readers of PNG refuse more */
#define MAX_PIXELS (INT32_MAX / 3) /* libpng's simplified interface holds 2 GB */

/* All in pixels. */
enum {
    AUTO_WIDTH = 240, /* what zoom 0 aims at */
    MIN_COLUMN = 160, /* room for the three labels of a colour bar */
    MARGIN = 28,
    COLUMN_GAP = 22,
    ROW_GAP = 24,
    TITLE_GAP = 16,
    TITLE_MAX = 900, /* a longer title does not widen the page */
    CAPTION_GAP = 5,
    BAR_GAP = 9,
    BAR_HEIGHT = 12,
    TICK = 4,
    LINE = 20, /* of a table of bars */
    PAD = 8
};

static const unsigned char WHITE[3] = {255, 255, 255}, INK[3] = {34, 34, 34},
                           FRAME[3] = {140, 140, 140}, AXIS[3] = {90, 90, 90};

/* [height, width] cells of zoom * zoom pixels; rgb NULL: nothing has been drawn there. */
typedef struct panel {
    unsigned char *rgb;
    int64_t height, width, zoom;
    float scale; /* of a map; 0 for what needs no colour bar */
    char *caption;
} panel;

struct mucmm_sheet {
    int64_t cols, rows;
    int64_t height, width, zoom;       /* of a panel, in cells                       */
    int64_t panel_height, panel_width; /* in pixels, without the frame               */
    int64_t column;                    /* the width of a column of panels, in pixels */
    char *title;
    panel *panels; /* [rows, cols] */
};

/* How a value becomes a colour: grey from lo to hi, or a map from -hi to hi. */
typedef struct shade {
    bool diverging;
    float lo, hi;
} shade;

/* ---- creation ------------------------------------------------------------------------ */

static void panel_drop(panel *p)
{
    mucmm__free(p->rgb);
    mucmm__free(p->caption);
    *p = (panel){0};
}

void mucmm_sheet_params_init(mucmm_sheet_params *p)
{
    *p = (mucmm_sheet_params){
        .struct_size = sizeof *p, .cols = 1, .rows = 1, .height = 1, .width = 1};
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

    if (!p || p->struct_size != sizeof *p)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: params is missing or was not initialized with "
                           "mucmm_sheet_params_init");
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

static int64_t title_space(const mucmm_sheet *s)
{
    return s->title ? mucmm__font_height(MUCMM__FONT_TITLE) + TITLE_GAP : 0;
}

static int64_t grid_width(const mucmm_sheet *s)
{
    return s->cols * (s->column + COLUMN_GAP) - COLUMN_GAP;
}

static int64_t page_width(const mucmm_sheet *s)
{
    int64_t title = s->title ? mucmm__text_width(MUCMM__FONT_TITLE, s->title) : 0;

    return max64(grid_width(s), min64(title, TITLE_MAX)) + 2 * MARGIN;
}

/* Refuses at creation what could not be written in the end: every row with caption and bar. */
static mucmm_status check_page(mucmm_ctx *ctx, const mucmm_sheet *s)
{
    int64_t row = s->panel_height + 2 + caption_space() + bar_space() + ROW_GAP;
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
    mucmm_sheet *s = NULL;

    *out = NULL;
    TRY(check_params(ctx, params));
    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    s->cols = params->cols;
    s->rows = params->rows;
    s->height = params->height;
    s->width = params->width;
    s->zoom = params->zoom ? params->zoom : max64(1, AUTO_WIDTH / params->width);
    s->panel_height = s->height * s->zoom;
    s->panel_width = s->width * s->zoom;
    s->column = max64(s->panel_width + 2, MIN_COLUMN);
    if (params->title)
        TRY(mucmm__strdup(ctx, params->title, &s->title));
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
        panel_drop(&s->panels[i]);
    mucmm__free(s->panels);
    mucmm__free(s->title);
    mucmm__free(s);
}

/* ---- panels of cells ------------------------------------------------------------------- */

static const unsigned char *diverging_color(double t)
{
    return colormap[127 + lround(127 * fmin(fmax(t, -1), 1))];
}

static void cell_color(const shade *how, float value, unsigned char rgb[3])
{
    double range = (double)how->hi - how->lo,
           t = range > 0 ? ((double)value - how->lo) / range : 0.5;

    if (how->diverging)
        memcpy(rgb, diverging_color((double)value / how->hi), 3);
    else
        memset(rgb, (int)lround(255 * fmin(fmax(t, 0), 1)), 3);
}

static mucmm_status check_place(mucmm_ctx *ctx, const mucmm_sheet *s, int64_t col, int64_t row)
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

static mucmm_status check_picture(mucmm_ctx *ctx, const mucmm_sheet *s, const mucmm_cmat *m)
{
    if (!m || !m->data || m->rows < 1 || m->cols < 1 || m->stride < m->cols)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: the picture is NULL, empty, or its stride is "
                           "smaller than its columns");
    if (m->rows > s->height || m->cols > s->width)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "sheet: a picture of %" PRId64 " x %" PRId64
                           " cells; panels have %" PRId64 " x %" PRId64,
                           m->rows, m->cols, s->height, s->width);
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t j = 0; j < m->cols; j++)
            if (!isfinite(m->data[i * m->stride + j]))
                return mucmm__fail(ctx, MUCMM_ENUMERIC,
                                   "sheet: the value at row %" PRId64 ", column %" PRId64
                                   " of the picture is not finite",
                                   i, j);
    return MUCMM_OK;
}

static mucmm_status panel_init(mucmm_ctx *ctx, int64_t height, int64_t width, int64_t zoom,
                               const char *caption, panel *p)
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

/* Puts *p in its place on the sheet, and what was there into *p. */
static void panel_swap(mucmm_sheet *s, int64_t col, int64_t row, panel *p)
{
    panel old = s->panels[row * s->cols + col];

    s->panels[row * s->cols + col] = *p;
    *p = old;
}

static mucmm_status draw_cells(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                               const mucmm_cmat *picture, const shade *how, const char *caption)
{
    mucmm_status status = MUCMM_OK;
    panel p = {0};
    int64_t zoom;

    TRY(check_picture(ctx, s, picture));
    zoom = min64(s->panel_height / picture->rows, s->panel_width / picture->cols);
    TRY(panel_init(ctx, picture->rows, picture->cols, zoom, caption, &p));
    for (int64_t i = 0; i < p.height; i++)
        for (int64_t j = 0; j < p.width; j++)
            cell_color(how, picture->data[i * picture->stride + j], p.rgb + (i * p.width + j) * 3);
    p.scale = how->diverging ? how->hi : 0;
    panel_swap(s, col, row, &p);
done:
    panel_drop(&p);
    return status;
}

mucmm_status mucmm_sheet_grey(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                              const mucmm_cmat *picture, float lo, float hi, const char *caption)
{
    mucmm_status status = MUCMM_OK;

    TRY(check_place(ctx, s, col, row));
    if (!isfinite(lo) || !isfinite(hi) || lo > hi)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "sheet: grey from %g to %g; both must be finite, in this order",
                           (double)lo, (double)hi);
    TRY(draw_cells(ctx, s, col, row, picture, &(shade){false, lo, hi}, caption));
done:
    return status;
}

static mucmm_status check_scale(mucmm_ctx *ctx, float scale)
{
    if (!isfinite(scale) || !(scale > 0))
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: scale is %g; it must be positive and finite",
                           (double)scale);
    return MUCMM_OK;
}

mucmm_status mucmm_sheet_map(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                             const mucmm_cmat *map, float scale, const char *caption)
{
    mucmm_status status = MUCMM_OK;

    TRY(check_place(ctx, s, col, row));
    TRY(check_scale(ctx, scale));
    TRY(draw_cells(ctx, s, col, row, map, &(shade){true, 0, scale}, caption));
done:
    return status;
}

/* ---- tables of bars ------------------------------------------------------------------------ */

/* Two digits (three from 100 on, against 1e+02) and a sign, with a point whatever the locale. */
static void format_number(double value, char out[32])
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
        format_number((double)t->values[t->order[i]], number);
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
    char number[32];

    format_number(value, number);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, PAD, y + 1, t->name_width, INK,
                       t->names[t->order[i]]);
    mucmm__canvas_fill(c, value < 0 ? axis - length : axis, y + 3, length, LINE - 6,
                       diverging_color(value < 0 ? -0.85 : 0.85));
    mucmm__canvas_fill(c, axis, y, 1, LINE, AXIS);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__RIGHT, right + PAD, y + 1, t->number_width, INK,
                       number);
}

static void draw_table(mucmm__canvas *c, const table *t)
{
    char more[64];

    mucmm__canvas_fill(c, 0, 0, c->width, c->height, WHITE);
    for (int64_t i = 0; i < t->k; i++)
        draw_bar(c, t, i, PAD + i * LINE);
    if (t->k == t->n)
        return;
    snprintf(more, sizeof more, "and %" PRId64 " more, weaker", t->n - t->k);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, PAD, PAD + t->k * LINE + 1,
                       c->width - 2 * PAD, AXIS, more);
}

static mucmm_status check_bars(mucmm_ctx *ctx, const mucmm_sheet *s, const float *values,
                               const char *const *names, int64_t n)
{
    if (n < 1 || !values || !names)
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: bars need values and names, at least one");
    for (int64_t i = 0; i < n; i++) {
        if (!names[i])
            return mucmm__fail(ctx, MUCMM_EARG, "sheet: the name of bar %" PRId64 " is NULL", i);
        if (!isfinite(values[i]))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "sheet: the value of bar %" PRId64 " (%s) is not finite", i,
                               names[i]);
    }
    if (s->panel_width < MIN_COLUMN || s->panel_height < 2 * LINE + 2 * PAD)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "sheet: panels of %" PRId64 " x %" PRId64
                           " pixels; bars need a height of %d and a width of %d",
                           s->panel_height, s->panel_width, 2 * LINE + 2 * PAD, MIN_COLUMN);
    return MUCMM_OK;
}

mucmm_status mucmm_sheet_bars(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                              const float *values, const char *const *names, int64_t n, float scale,
                              const char *caption)
{
    mucmm_status status = MUCMM_OK;
    table t = {.values = values, .names = names, .n = n, .scale = (double)scale};
    panel p = {0};
    int64_t lines;

    TRY(check_place(ctx, s, col, row));
    TRY(check_scale(ctx, scale));
    TRY(check_bars(ctx, s, values, names, n));
    lines = (s->panel_height - 2 * PAD) / LINE;
    t.k = n <= lines ? n : lines - 1;
    TRY(mucmm__alloc(ctx, t.k, sizeof *t.order, &t.order));
    strongest_first(&t);
    measure_table(&t, s->panel_width);
    TRY(panel_init(ctx, s->panel_height, s->panel_width, 1, caption, &p));
    draw_table(&(mucmm__canvas){p.rgb, p.width, p.height}, &t);
    panel_swap(s, col, row, &p);
done:
    mucmm__free(t.order);
    panel_drop(&p);
    return status;
}

/* ---- the page ------------------------------------------------------------------------------- */

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

static int64_t row_height(const mucmm_sheet *s, int64_t row)
{
    return row_caption_space(s, row) + s->panel_height + 2 + row_bar_space(s, row);
}

static int64_t page_height(const mucmm_sheet *s)
{
    int64_t height = 2 * MARGIN + title_space(s) + (s->rows - 1) * ROW_GAP;

    for (int64_t row = 0; row < s->rows; row++)
        height += row_height(s, row);
    return height;
}

/* The cells in a frame, in the middle of the column and of the panel's height from y. */
static void draw_panel(mucmm__canvas *c, const mucmm_sheet *s, const panel *p, int64_t x, int64_t y)
{
    int64_t width = p->width * p->zoom, height = p->height * p->zoom;

    x += (s->column - width) / 2;
    y += 1 + (s->panel_height - height) / 2;
    mucmm__canvas_frame(c, x - 1, y - 1, width + 2, height + 2, FRAME);
    for (int64_t i = 0; i < p->height; i++)
        for (int64_t j = 0; j < p->width; j++)
            mucmm__canvas_fill(c, x + j * p->zoom, y + i * p->zoom, p->zoom, p->zoom,
                               p->rgb + (i * p->width + j) * 3);
}

static void draw_color_bar(mucmm__canvas *c, float scale, int64_t x, int64_t y, int64_t width)
{
    int64_t label = y + BAR_HEIGHT + TICK;
    char number[32];

    for (int64_t u = 0; u < width; u++)
        mucmm__canvas_fill(c, x + u, y, 1, BAR_HEIGHT,
                           diverging_color(2 * (double)u / (double)(width - 1) - 1));
    mucmm__canvas_frame(c, x, y, width, BAR_HEIGHT, FRAME);
    for (int i = 0; i < 3; i++) {
        static const mucmm__align align[] = {MUCMM__LEFT, MUCMM__CENTER, MUCMM__RIGHT};

        mucmm__canvas_fill(c, x + i * (width - 1) / 2, y + BAR_HEIGHT, 1, TICK, AXIS);
        format_number((i - 1) * (double)scale, number);
        mucmm__canvas_text(c, MUCMM__FONT_BODY, align[i], x, label, width, INK, number);
    }
}

static void draw_row(mucmm__canvas *c, const mucmm_sheet *s, int64_t row, int64_t y)
{
    int64_t x = (c->width - grid_width(s)) / 2, top = y + row_caption_space(s, row);

    for (int64_t col = 0; col < s->cols; col++, x += s->column + COLUMN_GAP) {
        const panel *p = &s->panels[row * s->cols + col];

        if (p->caption)
            mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, x, y, s->column, INK,
                               p->caption);
        if (p->rgb)
            draw_panel(c, s, p, x, top);
        if (needs_color_bar(s, col, row))
            draw_color_bar(c, p->scale, x, top + s->panel_height + 2 + BAR_GAP, s->column);
    }
}

mucmm_status mucmm_sheet_write_png(mucmm_ctx *ctx, const mucmm_sheet *s, const char *path)
{
    mucmm_status status = MUCMM_OK;
    mucmm__canvas c = {0};
    int64_t y;

    if (!s || !path)
        return mucmm__fail(ctx, MUCMM_EARG, "sheet: the sheet or the path is NULL");
    c.width = page_width(s);
    c.height = page_height(s);
    TRY(mucmm__alloc(ctx, c.width * c.height, 3, &c.rgb));
    mucmm__canvas_fill(&c, 0, 0, c.width, c.height, WHITE);
    if (s->title)
        mucmm__canvas_text(&c, MUCMM__FONT_TITLE, MUCMM__CENTER, MARGIN, MARGIN,
                           c.width - 2 * MARGIN, INK, s->title);
    y = MARGIN + title_space(s);
    for (int64_t row = 0; row < s->rows; row++) {
        draw_row(&c, s, row, y);
        y += row_height(s, row) + ROW_GAP;
    }
    TRY(mucmm__png_write(ctx, path, c.width, c.height, c.rgb));
done:
    mucmm__free(c.rgb);
    return status;
}
