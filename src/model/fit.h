/* SPDX-License-Identifier: MIT
 *
 * fit.h - a fit whose checkpoints can be watched. */
#ifndef MUCMM_FIT_H
#define MUCMM_FIT_H

#include "core/core.h"

/* mucmm_fit with checkpoints inside a stage at least save_every seconds apart (0: after every
 * epoch). */
mucmm_status mucmm__fit_saving(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                               const mucmm_fit_params *params, double save_every,
                               mucmm_model **out);

/* mucmm_fit for a model whose correlations nobody asks for: where every row trains, nothing
 * testifies. */
mucmm_status mucmm__fit_unjudged(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                                 const mucmm_fit_params *params, mucmm_model **out);

#endif
