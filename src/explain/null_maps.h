/* SPDX-License-Identifier: MIT
 *
 * null_maps.h - what maps of a score would be if there were nothing to show. */
#ifndef MUCMM_EXPLAIN_NULL_MAPS_H
#define MUCMM_EXPLAIN_NULL_MAPS_H

#include "explain/null_models.h"

/* maps [1 + N, n, cols]: the statistic that is observed, then that of each null model. */
mucmm_status mucmm__null_maps(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s,
                              float *maps);

/* As mucmm_explanation_p_values, without a word on rows that the model was fitted to. */
mucmm_status mucmm__explanation_p_values(mucmm_ctx *ctx, const mucmm_explanation *e,
                                         const mucmm_null *null, mucmm_p_kind kind,
                                         const mucmm_mat *p_values);

#endif
