/* SPDX-License-Identifier: MIT
 *
 * vector.h - a page of rectangles, pictures and texts as SVG or PDF, drawn by cairo. One unit is
 * one pixel of the PNG of the same page. What fails is told in the end. */
#ifndef MUCMM_VECTOR_H
#define MUCMM_VECTOR_H

#include "core/core.h"
#include "io/io.h"

typedef struct mucmm__vector mucmm__vector;

/* Is it a name that ends in .svg or .pdf? */
bool mucmm__vector_named(const char *path);
/* What is drawn goes to out as it comes. title: of the document; or NULL. */
mucmm_status mucmm__vector_create(mucmm_ctx *ctx, bool pdf, int64_t width, int64_t height,
                                  const char *title, mucmm__writer *writer, mucmm__vector **out);
/* Everything drawn from now on is moved by (x, y). */
void mucmm__vector_origin(mucmm__vector *v, int64_t x, int64_t y);
void mucmm__vector_fill(mucmm__vector *v, int64_t x, int64_t y, int64_t width, int64_t height,
                        const unsigned char rgb[3]);
/* Around the middle of the pixel at (x, y). */
void mucmm__vector_disc(mucmm__vector *v, int64_t x, int64_t y, double radius,
                        const unsigned char rgb[3]);
/* rgb [rows, cols, 3], each a rectangle of zoom_x x zoom_y. */
void mucmm__vector_image(mucmm__vector *v, int64_t x, int64_t y, const unsigned char *rgb,
                         int64_t rows, int64_t cols, int64_t zoom_x, int64_t zoom_y);
/* The first n bytes of text, and then `more`, so that they take width from x on. size: of the
 * font, in pixels. */
void mucmm__vector_text(mucmm__vector *v, bool bold, double size, int64_t x, int64_t baseline,
                        int64_t width, const unsigned char rgb[3], const char *text, size_t n,
                        const char *more);
/* The rest of the file. EIO, ENOMEM. */
mucmm_status mucmm__vector_finish(mucmm_ctx *ctx, mucmm__vector *v);
void mucmm__vector_free(mucmm__vector *v);
/* cairo numbers pictures through the life of the process: here in their order in an SVG text, which
 * gets no longer, so that the same figure has the same bytes. */
mucmm_status mucmm__vector_renumber(mucmm_ctx *ctx, char *svg, size_t *size);

#endif
