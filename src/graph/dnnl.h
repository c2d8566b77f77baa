/* SPDX-License-Identifier: MIT
 *
 * dnnl.h - all of the graph's calls of oneDNN: convolutions and the copies between layouts. */
#ifndef MUCMM_GRAPH_DNNL_H
#define MUCMM_GRAPH_DNNL_H

#include "graph/ops/window.h"

/* A block of a tensor that a product uses: x as [n, in..., c]. */
#define MUCMM__CHANNELS_LAST 0

/* y = conv(x, w):  x [n, c, in...], w [k, c / groups, kernel...], y [n, k, out...]. */
typedef struct mucmm__conv {
    mucmm__window window;
    int64_t n, groups, c, k;
    int32_t x_block, y_block;
} mucmm__conv;

typedef enum mucmm__conv_kind {
    MUCMM__CONV_FORWARD,     /* x, w, bias, residual -> y                    */
    MUCMM__CONV_BACK_DATA,   /* y, w -> x: also what ConvTranspose computes  */
    MUCMM__CONV_BACK_WEIGHTS /* x, y -> w                                    */
} mucmm__conv_kind;

/* What a forward convolution does on its way out: y = activation(conv + bias + residual); then,
 * with a tail, out_scale max(y, floor) + out_shift. */
typedef struct mucmm__conv_post {
    bool bias, residual;
    mucmm__activation activation;
    float alpha, beta;
    bool tail;
    float floor, out_scale, out_shift;
} mucmm__conv_post;

/* The tensors of a primitive. A copy goes from X to Y. */
typedef enum mucmm__slot {
    MUCMM__SLOT_X,
    MUCMM__SLOT_W,
    MUCMM__SLOT_BIAS,
    MUCMM__SLOT_Y,
    MUCMM__SLOT_RESIDUAL,
    MUCMM__SLOTS
} mucmm__slot;

/* A compiled primitive. It may be run by several threads at once. */
typedef struct mucmm__prim mucmm__prim;

/* Would oneDNN use code generated for this shape in these layouts? */
bool mucmm__conv_fast(mucmm_ctx *ctx, mucmm__conv_kind kind, const mucmm__conv *s,
                      const mucmm__conv_post *post);
/* EUNSUPPORTED if oneDNN has no such convolution. post: NULL = nothing. */
mucmm_status mucmm__conv_make(mucmm_ctx *ctx, mucmm__conv_kind kind, const mucmm__conv *s,
                              const mucmm__conv_post *post, mucmm__prim **out);
/* Copies dense weights [k, c / groups, kernel...] into the layout that conv prefers, or back. */
mucmm_status mucmm__weights_copy_make(mucmm_ctx *ctx, const mucmm__conv *s, const mucmm__prim *conv,
                                      bool back, mucmm__prim **out);
/* Copies a float32 tensor from one block to another; the padding of the new one is zeroed. */
mucmm_status mucmm__tensor_copy_make(mucmm_ctx *ctx, const mucmm__desc *d, int32_t from_block,
                                     int32_t to_block, mucmm__prim **out);
void mucmm__prim_free(mucmm__prim *p);

/* Bytes of a tensor of the primitive in its layout, and of the work space for a run. */
int64_t mucmm__prim_bytes(const mucmm__prim *p, mucmm__slot slot);
int64_t mucmm__prim_scratch(const mucmm__prim *p);
/* The layout of the weights as bytes, for keys: the same bytes, the same layout. */
const void *mucmm__prim_weights_layout(const mucmm__prim *p, size_t *bytes);

/* Runs on the threads that OpenMP gives the calling thread. tensors: by slot; those that the
 * primitive does not use are ignored. work: mucmm__prim_scratch bytes, 64-byte aligned. */
mucmm_status mucmm__prim_run(mucmm_ctx *ctx, mucmm__prim *p,
                             const void *const tensors[MUCMM__SLOTS], void *work);

#endif
