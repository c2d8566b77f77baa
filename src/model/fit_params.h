/* SPDX-License-Identifier: MIT
 *
 * fit_params.h - the ranges of the parameters of a fit. */
#ifndef MUCMM_FIT_PARAMS_H
#define MUCMM_FIT_PARAMS_H

#include "core/core.h"

/* EARG names the parameter that is out of range. */
mucmm_status mucmm__fit_params_check(mucmm_ctx *ctx, const mucmm_fit_params *p);

#endif
