/* SPDX-License-Identifier: MIT
 *
 * path.h - maps that take gradients at many points around a sample: smoothgrad and integrated
 * gradients. */
#ifndef MUCMM_EXPLAIN_PATH_H
#define MUCMM_EXPLAIN_PATH_H

#include "explain/samples.h"

/* maps [n, cols] of samples with these scores [n]; gaps as in mucmm__samples_maps. */
mucmm_status mucmm__path_maps(mucmm_ctx *ctx, const mucmm__samples *s, const double *scores,
                              float *maps, double *gaps);

#endif
