/* SPDX-License-Identifier: MIT
 *
 * window.h - a window that slides over 1 to 3 spatial axes: what convolutions and poolings read
 * from their attributes. Along each axis, output o sees the inputs
 *   o stride - before + k dilation,  0 <= k < kernel. */
#ifndef MUCMM_GRAPH_WINDOW_H
#define MUCMM_GRAPH_WINDOW_H

#include "graph/graph.h"

typedef struct mucmm__window {
    int32_t axes;
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3];
    int64_t before[3], after[3]; /* padding; after may be cut by what no window reaches */
} mucmm__window;

/* Reads strides, dilations, pads, auto_pad and ceil_mode for input 0 of rank 3 to 5. The kernel is
 * given (from the weights) or, if NULL, the attribute. Everything is checked; each number of
 * the result is below 2^31, and so is every product kernel * dilation. */
mucmm_status mucmm__window_read(const mucmm__call *c, const int64_t *kernel, mucmm__window *w);
/* Only kernel, strides, dilations and pads (not auto_pad); in is set, out is not. */
mucmm_status mucmm__window_attributes(const mucmm__call *c, const int64_t *kernel,
                                      mucmm__window *w);
static inline int64_t mucmm__window_extent(const mucmm__window *w, int32_t axis)
{
    return (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}
/* Splits a total padding as SAME_UPPER (the odd one at the end) or SAME_LOWER does. */
void mucmm__window_split(mucmm__window *w, int32_t axis, int64_t total, bool upper);

typedef enum mucmm__auto_pad {
    MUCMM__PAD_NOTSET,
    MUCMM__PAD_VALID,
    MUCMM__PAD_SAME_UPPER,
    MUCMM__PAD_SAME_LOWER
} mucmm__auto_pad;
mucmm_status mucmm__window_auto_pad(const mucmm__call *c, mucmm__auto_pad *out);

#endif
