/* SPDX-License-Identifier: MIT
 *
 * gradient_check.h - gradients against differences of the score. */
#ifndef MUCMM_EXPLAIN_GRADIENT_CHECK_H
#define MUCMM_EXPLAIN_GRADIENT_CHECK_H

#include "explain/samples.h"

/* *worst as mucmm_explanation_check_gradient says, of the samples whose gradient is finite; told:
 * of the others warnings, and NaN. EUNSUPPORTED: no gradient gets to the raw input. */
mucmm_status mucmm__gradient_error(mucmm_ctx *ctx, const mucmm__samples *s, bool told,
                                   double *worst);

#endif
