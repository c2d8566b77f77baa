/* SPDX-License-Identifier: MIT
 *
 * canvas.h - rectangles and text on a picture of 8-bit RGB. Whatever falls outside the
 * canvas is not drawn. The font is part of the library, so that the same sheet has the same
 * bytes on every machine and no font file, environment or cache is touched. */
#ifndef MUCMM_CANVAS_H
#define MUCMM_CANVAS_H

#include <stdint.h>

typedef struct mucmm__canvas {
    unsigned char *rgb; /* [height, width, 3], owned by whoever made it */
    int64_t width, height;
} mucmm__canvas;

typedef enum mucmm__font { MUCMM__FONT_BODY, MUCMM__FONT_TITLE } mucmm__font;
typedef enum mucmm__align { MUCMM__LEFT, MUCMM__CENTER, MUCMM__RIGHT } mucmm__align;

/* From the top of a line of text to the top of the next. */
int64_t mucmm__font_height(mucmm__font font);

/* (x, y) is the top left pixel; sizes that are not positive draw nothing. */
void mucmm__canvas_fill(mucmm__canvas *c, int64_t x, int64_t y, int64_t width, int64_t height,
                        const unsigned char rgb[3]);
/* n pixels rgb [n, 3] from (x, y) to the right, each drawn zoom times; nothing if they do not fit.
 */
void mucmm__canvas_row(mucmm__canvas *c, int64_t x, int64_t y, const unsigned char *rgb, int64_t n,
                       int64_t zoom);
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
