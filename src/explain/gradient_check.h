/* SPDX-License-Identifier: MIT
 *
 * gradient_check.h - gradients against differences of the score. */
#ifndef MUCMM_EXPLAIN_GRADIENT_CHECK_H
#define MUCMM_EXPLAIN_GRADIENT_CHECK_H

#include "explain/samples.h"

/* *worst as mucmm_explanation_check_gradient says. */
mucmm_status mucmm__gradient_error(mucmm_ctx *ctx, const mucmm__samples *s, double *worst);

#endif
