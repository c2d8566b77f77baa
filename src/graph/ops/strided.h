/* SPDX-License-Identifier: MIT
 *
 * strided.h - copies between arrays with any strides on both sides: what Transpose, Slice, Pad,
 * Expand, Tile, Concat and Split have in common, forward and backward. */
#ifndef MUCMM_GRAPH_STRIDED_H
#define MUCMM_GRAPH_STRIDED_H

#include "graph/graph.h"

/* Two axes for each of a tensor (Tile), and those of a block. */
#define MUCMM__WALK_RANK (2 * MUCMM_MAX_RANK + 2)

/* The pairs of places (i . from, i . to) for all indices i of a shape. Strides are in elements and
 * may be negative or 0. {0} is one pair; each axis is added with mucmm__walk_axis. */
typedef struct mucmm__walk {
    int32_t rank;
    int64_t shape[MUCMM__WALK_RANK], from[MUCMM__WALK_RANK], to[MUCMM__WALK_RANK];
} mucmm__walk;

void mucmm__walk_axis(mucmm__walk *w, int64_t n, int64_t from, int64_t to);
/* The same pairs the other way round. */
mucmm__walk mucmm__walk_back(const mucmm__walk *w);

/* y[i . to] = x[i . from], elements of 1, 2, 4 or 8 bytes. All places in y must differ. */
void mucmm__strided_copy(mucmm_ctx *ctx, const mucmm__walk *w, int64_t size, const void *x,
                         void *y);
/* y[i . to] += x[i . from]. Places in y may be the same only along axes with to = 0. The order of
 * the sums does not depend on the number of threads. */
void mucmm__strided_add(mucmm_ctx *ctx, const mucmm__walk *w, const float *x, float *y);
/* y[0..n) = *value. */
void mucmm__fill(mucmm_ctx *ctx, int64_t n, int64_t size, const void *value, void *y);

/* The dense array that a tensor is in memory: dims [rank + 1] = [N, ceil(C / b), ..., b], the last
 * one 1 for a dense tensor; axes stay where they were. Returns rank + 1. */
int32_t mucmm__physical(const mucmm__desc *d, int64_t dims[MUCMM_MAX_RANK + 1]);
/* Row-major strides of dims. */
void mucmm__strides(int32_t rank, const int64_t *dims, int64_t *strides);

/* Do the channels fill their blocks (block > 1)? */
bool mucmm__whole_blocks(const mucmm__desc *d, int32_t block);
/* All bytes of a tensor, gaps included, become 0. */
void mucmm__zero(mucmm_ctx *ctx, const mucmm__desc *d, void *y);
/* Rows of so many elements that are worth a block of a parallel loop. */
int64_t mucmm__row_grain(int64_t row);

#endif
