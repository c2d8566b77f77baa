/* SPDX-License-Identifier: MIT
 *
 * maps.h - the map of each sample, of the kind that its parameters name. */
#ifndef MUCMM_EXPLAIN_MAPS_H
#define MUCMM_EXPLAIN_MAPS_H

#include "explain/samples.h"

static inline bool mucmm__is_measured(mucmm_map_kind map)
{
    return map == MUCMM_MAP_INPUT_X_GRADIENT || map == MUCMM_MAP_INTEGRATED_GRADIENTS ||
           map == MUCMM_MAP_LCMV;
}

/* EARG for what is wrong with the map's kind and the parameters of it. */
mucmm_status mucmm__map_check_params(mucmm_ctx *ctx, const mucmm_explain_params *p);
/* maps [n, cols]. gaps [n] or NULL, of integrated gradients and lcmv, as mucmm_explanation_gaps. */
mucmm_status mucmm__samples_maps(mucmm_ctx *ctx, const mucmm__samples *s, float *maps,
                                 double *gaps);
/* out [n, cols]: raw input less baseline. */
mucmm_status mucmm__samples_differences(mucmm_ctx *ctx, const mucmm__samples *s,
                                        const mucmm_mat *out);

#endif
