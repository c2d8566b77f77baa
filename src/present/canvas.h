/* SPDX-License-Identifier: MIT
 *
 * canvas.h - rectangles and text on a picture of 8-bit RGB, or on a vector page. Whatever falls
 * outside a picture is not drawn. Its font is part of the library, so that the same sheet has the
 * same bytes on every machine and no font file, environment or cache is touched. */
#ifndef MUCMM_CANVAS_H
#define MUCMM_CANVAS_H

#include "present/vector.h"

typedef enum mucmm__font { MUCMM__FONT_BODY, MUCMM__FONT_TITLE } mucmm__font;
typedef enum mucmm__align { MUCMM__LEFT, MUCMM__CENTER, MUCMM__RIGHT } mucmm__align;

/* What has been drawn on a picture, so that it can be drawn on a vector page: rectangles and texts
 * in their order. Zero is an empty one. */
typedef struct mucmm__strokes {
    struct mucmm__stroke *list;
    int64_t n, room;
    bool lost; /* memory ran out */
} mucmm__strokes;

typedef struct mucmm__canvas {
    mucmm_ctx *ctx;     /* of memory for strokes; NULL without */
    unsigned char *rgb; /* [height, width, 3], owned by whoever made it; NULL with vector */
    int64_t width, height;
    mucmm__strokes *strokes; /* where to keep what is drawn; or NULL */
    mucmm__vector *vector;   /* instead of rgb; or NULL */
} mucmm__canvas;

void mucmm__strokes_drop(mucmm__strokes *s);
/* Draws them again. */
void mucmm__canvas_strokes(mucmm__canvas *c, const mucmm__strokes *s);

/* From the top of a line of text to the top of the next. */
int64_t mucmm__font_height(mucmm__font font);

/* (x, y) is the top left pixel; sizes that are not positive draw nothing. */
void mucmm__canvas_fill(mucmm__canvas *c, int64_t x, int64_t y, int64_t width, int64_t height,
                        const unsigned char rgb[3]);
/* Pixels rgb [rows, cols, 3], the first at (x, y), each zoom_x x zoom_y large; a row that does not
 * fit is left out. They are no strokes. */
void mucmm__canvas_image(mucmm__canvas *c, int64_t x, int64_t y, const unsigned char *rgb,
                         int64_t rows, int64_t cols, int64_t zoom_x, int64_t zoom_y);
/* A disc around (x, y), the middle of that pixel; no stroke. */
void mucmm__canvas_disc(mucmm__canvas *c, int64_t x, int64_t y, double radius,
                        const unsigned char rgb[3]);
/* One pixel wide, just inside the rectangle. */
void mucmm__canvas_frame(mucmm__canvas *c, int64_t x, int64_t y, int64_t width, int64_t height,
                         const unsigned char rgb[3]);

/* In pixels. text is UTF-8; what is neither Latin, Greek nor Cyrillic, nor common punctuation, is
 * shown as '?', one a character. */
int64_t mucmm__text_width(mucmm__font font, const char *text);
/* In the box [x, x + width) whose top is y; a text that is wider ends in "...". */
void mucmm__canvas_text(mucmm__canvas *c, mucmm__font font, mucmm__align align, int64_t x,
                        int64_t y, int64_t width, const unsigned char rgb[3], const char *text);

#endif
