/* SPDX-License-Identifier: MIT
 *
 * fit_params.h - the ranges of the parameters of a fit. */
#ifndef MUCMM_FIT_PARAMS_H
#define MUCMM_FIT_PARAMS_H

#include "core/core.h"

/* EARG names the parameter that is out of range. */
mucmm_status mucmm__fit_params_check(mucmm_ctx *ctx, const mucmm_fit_params *p);
/* p->individual from the list of the views, if there is one: MUCMM_AUTO if any of them is, else the
 * largest. ESHAPE if it is not one of so many views. */
mucmm_status mucmm__individual_list(mucmm_ctx *ctx, mucmm_fit_params *p, int32_t n_views);

#endif
