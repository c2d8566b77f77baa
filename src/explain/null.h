/* SPDX-License-Identifier: MIT
 *
 * null.h - what maps of a score would be if there were nothing to show. */
#ifndef MUCMM_EXPLAIN_NULL_H
#define MUCMM_EXPLAIN_NULL_H

#include "explain/stack.h"

/* EARG if the null was not made for a question about m. */
mucmm_status mucmm__null_check(mucmm_ctx *ctx, const mucmm_null *null, const mucmm_model *m,
                               const mucmm__question *q);
int64_t mucmm__null_models(const mucmm_null *null);
/* maps [1 + N, n, cols]: the statistic that is observed, then that of each null model. */
mucmm_status mucmm__null_maps(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__question *q,
                              float *maps);

/* p-values [units] of statistics t [1 + N, units], not negative, the first observed. A unit whose
 * null is zero throughout has no scale: its p-value is 1 if it is zero itself, else the least. */
mucmm_status mucmm__p_values(mucmm_ctx *ctx, const double *t, int64_t models, int64_t units,
                             mucmm_p_kind kind, double *p);

#endif
