/* SPDX-License-Identifier: MIT
 *
 * layout.h - what the numbers of a raw row are: pixels and their channels, tokens and their width,
 * samples of time, or columns of a table. */
#ifndef MUCMM_ENCODE_LAYOUT_H
#define MUCMM_ENCODE_LAYOUT_H

#include "core/core.h"

typedef enum mucmm__layout_kind {
    MUCMM__LAYOUT_COLUMNS,
    MUCMM__LAYOUT_PICTURE,
    MUCMM__LAYOUT_TOKENS,
    MUCMM__LAYOUT_TIME
} mucmm__layout_kind;

typedef struct mucmm__layout {
    mucmm__layout_kind kind;
    /* picture: channel c of pixel (y, x) is number (y width + x) cell + c plane of the row */
    int64_t height, width, channels, cell, plane;
    int64_t tokens, features; /* tokens: [tokens, features] */
} mucmm__layout;

/* Of rows of this shape from a source of that kind. Pictures are [h, w], [3 or 4, h, w] and
 * [h, w, 3 or 4], planes if both could be; axes of length 1 are nothing. */
mucmm__layout mucmm__layout_of(mucmm_source_kind kind, const int64_t *shape, int32_t rank);
/* Of the raw rows of data. */
mucmm__layout mucmm__layout_of_data(const mucmm_data *d);

#endif
