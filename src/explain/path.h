/* SPDX-License-Identifier: MIT
 *
 * path.h - maps that take gradients at many points around a sample: smoothgrad and integrated
 * gradients. */
#ifndef MUCMM_EXPLAIN_PATH_H
#define MUCMM_EXPLAIN_PATH_H

#include "explain/samples.h"

/* maps [n, cols] of samples at scaled features h [n, p] with these scores [n]; sets the gaps of
 * the parameters if they are asked for. */
mucmm_status mucmm__path_maps(mucmm_ctx *ctx, const mucmm__samples *s, const float *h,
                              const double *scores, float *maps);

#endif
