/* SPDX-License-Identifier: MIT
 *
 * path.h - maps that take gradients at many points around a sample: smoothgrad and integrated
 * gradients. */
#ifndef MUCMM_EXPLAIN_PATH_H
#define MUCMM_EXPLAIN_PATH_H

#include "encode/encoded.h"
#include "explain/samples.h"

/* maps [n, cols] of samples with these scores [n]; gaps as in mucmm__samples_maps. */
mucmm_status mucmm__path_maps(mucmm_ctx *ctx, const mucmm__samples *s, const double *scores,
                              float *maps, double *gaps);
/* What is not finite about sample i of an encoded view, at the baseline or a point of its path: the
 * first fault that is found, or none. */
mucmm_status mucmm__path_fault(mucmm_ctx *ctx, const mucmm__samples *s, int64_t i,
                               mucmm__fault *out);

#endif
