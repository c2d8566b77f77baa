/* SPDX-License-Identifier: MIT
 *
 * sheet.h - a sheet of panels, for the files that draw on it. */
#ifndef MUCMM_SHEET_H
#define MUCMM_SHEET_H

#include "core/core.h"
#include "present/canvas.h"

/* All in pixels. */
enum {
    MUCMM__SHEET_COLUMN = 160, /* least width of a column: room for the labels of a colour bar */
    MUCMM__SHEET_PAD = 8       /* around words and bars                                        */
};

/* A mark at an edge of a panel. */
typedef struct mucmm__tick {
    double at; /* cells from the left or the top */
    char text[24];
} mucmm__tick;

/* [height, width] cells of zoom * zoom pixels; rgb NULL: nothing has been drawn there. */
typedef struct mucmm__panel {
    unsigned char *rgb;
    int64_t height, width, zoom;
    float scale; /* of a map; 0 for what needs no colour bar */
    char *caption;
    mucmm__tick *ticks; /* n_x below, then n_y on the left */
    int32_t n_x, n_y;
    mucmm__strokes strokes; /* what rgb was drawn by; none: it is a picture */
} mucmm__panel;

struct mucmm_sheet {
    int64_t cols, rows;
    int64_t height, width, zoom;       /* of a panel, in cells                       */
    int64_t panel_height, panel_width; /* in pixels, without the frame               */
    int64_t column;                    /* the width of a column of panels, in pixels */
    char *title;
    mucmm__panel *panels; /* [rows, cols] */
};

extern const unsigned char mucmm__sheet_white[3], mucmm__sheet_ink[3], mucmm__sheet_axis[3];

mucmm_status mucmm__sheet_place(mucmm_ctx *ctx, const mucmm_sheet *s, int64_t col, int64_t row);
mucmm_status mucmm__sheet_scale(mucmm_ctx *ctx, float scale);
mucmm_status mucmm__sheet_named(mucmm_ctx *ctx, const char *what, const float *values,
                                const char *const *names, int64_t n);
mucmm_status mucmm__panel_init(mucmm_ctx *ctx, int64_t height, int64_t width, int64_t zoom,
                               const char *caption, mucmm__panel *p);
void mucmm__panel_drop(mucmm__panel *p);
/* To draw on the panel, whose zoom is 1. */
mucmm__canvas mucmm__panel_canvas(mucmm_ctx *ctx, mucmm__panel *p);
/* Puts *p in its place on the sheet, and what was there into *p. ENOMEM: a stroke was lost. */
mucmm_status mucmm__panel_swap(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                               mucmm__panel *p);
/* Two digits (three from 100 on, against 1e+02) and a sign, with a point whatever the locale. */
void mucmm__sheet_number(double value, char out[32]);

#endif
