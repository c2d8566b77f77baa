/* SPDX-License-Identifier: MIT
 *
 * conv_route.h - from one tensor to another by a convolution or its transpose, made fast. oneDNN
 * has generated code for most shapes in blocked layouts; where it has none, a detour often leads
 * there:
 *
 *   merge    groups with fewer channels than a block has places, m at a time, with zeros in the
 *            weights between channels of different groups
 *   pad      the padding is written into a copy of the input
 *   shuffle  a transposed convolution of stride s is one of stride 1 to s times the channels an
 *            axis, each then put in its place
 *   widen    a few channels are filled up to a block with zero weights
 *   copies   from and to the layouts that the caller has */
#ifndef MUCMM_GRAPH_CONV_ROUTE_H
#define MUCMM_GRAPH_CONV_ROUTE_H

#include "graph/dnnl.h"

typedef struct mucmm__route {
    mucmm__conv given;     /* the caller's: x_block and y_block are those of its tensors  */
    mucmm__conv shape;     /* of the primitive                                             */
    mucmm__conv_kind kind; /* FORWARD: x -> y, BACK_DATA: y -> x                       */
    bool pad, shuffle;
    mucmm__prim *conv, *weights_copy, *in_copy, *out_copy;
    const float *scale;  /* of the channels of the operator's output; NULL = 1          */
    bool scale_inner;    /* those are c (ConvTranspose), not k                          */
    const float *packed; /* weights that are known; else they are made in each run      */
    float *owned;        /* the same, if they are not the graph's                       */
    int64_t expand_at, packed_at, in_at, out_at; /* places in the work space           */
} mucmm__route;

/* Chooses shape, pad, shuffle for given, kind. may_copy: also layouts other than the given ones.
 * false: nothing is fast; the route is the plain one. */
bool mucmm__route_find(mucmm_ctx *ctx, mucmm__route *r, const mucmm__conv_post *post,
                       bool may_copy);
/* Makes the primitives of a route that was found. w: the known weights, or NULL. *scratch grows by
 * the work space of a run, which must then start at c->work. EUNSUPPORTED: not with this post. */
mucmm_status mucmm__route_make(mucmm__call *c, mucmm__route *r, const mucmm__conv_post *post,
                               const float *w, int64_t *scratch);
/* Are the node's weights (input 1) a constant of the graph? */
bool mucmm__weights_constant(const mucmm__call *c);
/* w: the weights, read only if they were not known. */
mucmm_status mucmm__route_run(mucmm__call *c, const mucmm__route *r, const float *w,
                              const float *in, float *out, const float *bias,
                              const float *residual);
void mucmm__route_drop(mucmm__route *r);

/* 64-bit hashes of n numbers, two of them: for keys of what is packed. */
void mucmm__hash_numbers(const float *w, int64_t n, uint64_t hash[2]);
/* A place of the given bytes, and *total after it. */
int64_t mucmm__place(int64_t *total, int64_t bytes);

#endif
