/* SPDX-License-Identifier: MIT
 *
 * local_sums.h - cells added over their neighbourhoods: behind a network single pixels of a map
 * alternate in sign, and only such sums can be read. */
#ifndef MUCMM_EXPLAIN_LOCAL_SUMS_H
#define MUCMM_EXPLAIN_LOCAL_SUMS_H

#include "core/core.h"

/* Standard deviation of the neighbourhood in pictures of maps, as a part of the longer side. */
#define MUCMM__LOCAL_PART 24

/* In place, x [rows, cols]: sums with the weights of a Gaussian of sd cells, which add up to 1;
 * reflected at the edges, so that the total stays. */
mucmm_status mucmm__local_sums(mucmm_ctx *ctx, int64_t rows, int64_t cols, double sd, float *x);

#endif
