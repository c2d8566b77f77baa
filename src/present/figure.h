/* SPDX-License-Identifier: MIT
 *
 * figure.h - a page that is drawn on a canvas becomes a file; axes that figures share. */
#ifndef MUCMM_FIGURE_H
#define MUCMM_FIGURE_H

#include "present/canvas.h"

/* Draws on a white page. */
typedef void mucmm__draw(mucmm__canvas *c, const void *what);

/* .svg and .pdf by the ending of path, else PNG. title: of the document, or NULL; sizes in pixels,
 * at least 1. */
mucmm_status mucmm__figure_write(mucmm_ctx *ctx, const char *path, const char *title, int64_t width,
                                 int64_t height, mucmm__draw *draw, const void *what);

#endif
