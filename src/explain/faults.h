/* SPDX-License-Identifier: MIT
 *
 * faults.h - maps that cannot be: what is not finite, and what lets no gradient pass. */
#ifndef MUCMM_EXPLAIN_FAULTS_H
#define MUCMM_EXPLAIN_FAULTS_H

#include "encode/encoded.h"
#include "explain/samples.h"

typedef enum mucmm__map_state {
    MUCMM__MAP_NONE, /* a number that is not finite */
    MUCMM__MAP_ZERO, /* 0 everywhere                */
    MUCMM__MAP_SOME
} mucmm__map_state;

mucmm__map_state mucmm__state_of_map(const float *map, int64_t cols);

/* What is not finite about sample i at the raw values, or, if they are NULL, at its own; behind an
 * encoder alone. */
mucmm_status mucmm__samples_fault(mucmm_ctx *ctx, const mucmm__samples *s, int64_t i,
                                  const float *raw, mucmm__fault *out);
/* EUNSUPPORTED if maps [n, cols] of gradients are all 0 because a node of the network lets none
 * pass, for any row. */
mucmm_status mucmm__gradient_passes(mucmm_ctx *ctx, const mucmm__samples *s, const float *maps);
#endif
