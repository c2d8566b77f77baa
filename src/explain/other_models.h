/* SPDX-License-Identifier: MIT
 *
 * other_models.h - maps of other models at the same samples. */
#ifndef MUCMM_EXPLAIN_OTHER_MODELS_H
#define MUCMM_EXPLAIN_OTHER_MODELS_H

#include "explain/samples.h"

/* out [count, n, cols]: the map of every model, whose views are those of s->m. A pattern takes the
 * covariance of s->m (or of the training rows) for all of them, in one pass. stage: for the
 * progress. */
mucmm_status mucmm__other_maps(mucmm_ctx *ctx, const mucmm__samples *s,
                               const mucmm_model *const *models, int64_t count, const char *stage,
                               float *out);

/* The same for `count` times s->m with heads of random weights. */
mucmm_status mucmm__random_maps(mucmm_ctx *ctx, const mucmm__samples *s, int64_t count,
                                uint64_t seed, float *out);

#endif
