/* SPDX-License-Identifier: MIT
 *
 * broadcast.h - walking up to three operands of NumPy-style broadcasting together with the result:
 * forward in segments that vectorize, backward as sums over the axes an operand was repeated on.
 *
 * All works on memory shapes: a blocked tensor [N, C, ...] is the dense [N, C/b, ..., b]. */
#ifndef MUCMM_GRAPH_BROADCAST_H
#define MUCMM_GRAPH_BROADCAST_H

#include "graph/graph.h"

#define MUCMM__WALK_MAX 3

/* Axes that no operand tells apart are one axis, the last is the innermost. Steps are elements; 0 =
 * repeated. The result is contiguous. */
typedef struct mucmm__walk {
    int32_t rank, n; /* rank >= 1; operands         */
    int64_t count;   /* elements of the result      */
    int64_t shape[MUCMM_MAX_RANK];
    int64_t out_step[MUCMM_MAX_RANK];
    int64_t step[MUCMM__WALK_MAX][MUCMM_MAX_RANK];
} mucmm__walk;

/* rows x n elements of the result from place `out` on, contiguous; operand k's element (r, i) is at
 * at[k] + r row_step[k] + i step[k], step 0 or 1. */
typedef struct mucmm__segment {
    int64_t rows, n, out;
    int64_t at[MUCMM__WALK_MAX], step[MUCMM__WALK_MAX], row_step[MUCMM__WALK_MAX];
} mucmm__segment;

typedef void (*mucmm__segment_fn)(void *arg, const mucmm__segment *s);
/* Writes the contributions of a segment to an operand's gradient: g [rows, n]. */
typedef void (*mucmm__factor_fn)(void *arg, const mucmm__segment *s, float *g);

/* The operands must be broadcastable to out, in the layouts mucmm__broadcast_layout gives. */
void mucmm__walk_make(mucmm__walk *w, const mucmm__desc *out, int32_t n,
                      const mucmm__desc *const *in);
/* Calls fn for segments that make up the result, in parallel. */
void mucmm__walk_run(mucmm_ctx *ctx, const mucmm__walk *w, mucmm__segment_fn fn, void *arg);
/* dx[j] = sum of the contributions of all places of the result at which operand i is at j. The same
 * bytes for any number of threads. */
void mucmm__walk_sum(mucmm_ctx *ctx, const mucmm__walk *w, int32_t i, mucmm__factor_fn fn,
                     void *arg, float *dx);

/* A `layout` function for any number of float32 operands: all in the block of the first blocked
 * operand of the result's shape, if the others can be walked beside it; else dense. A result whose
 * channels do not fill the last block needs mucmm__zero_padding afterwards. */
void mucmm__broadcast_layout(mucmm__call *c);
/* A `layout` function for one input: its output 0 takes the layout it comes in. */
void mucmm__layout_through(mucmm__call *c);
/* Zeroes the channels beyond C of a blocked tensor of float32. No-op for a dense one. */
void mucmm__zero_padding(const mucmm__desc *d, float *x);

#endif
