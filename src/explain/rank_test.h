/* SPDX-License-Identifier: MIT
 *
 * rank_test.h - how alike the orders are in which maps of several models put the cells. */
#ifndef MUCMM_EXPLAIN_RANK_TEST_H
#define MUCMM_EXPLAIN_RANK_TEST_H

#include "core/core.h"

/* maps [1 + count, n, cols], the first of the model that is checked. Ties: mean ranks; the
 * correlation with a map that is the same everywhere is 0. */
mucmm_status mucmm__rank_test(mucmm_ctx *ctx, const float *maps, int64_t count, int64_t n,
                              int64_t cols, mucmm_rank_test *out);

#endif
