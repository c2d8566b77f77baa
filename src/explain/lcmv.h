/* SPDX-License-Identifier: MIT
 *
 * lcmv.h - maps of linearly constrained minimum variance filters on the features: section 6 of the
 * method. */
#ifndef MUCMM_EXPLAIN_LCMV_H
#define MUCMM_EXPLAIN_LCMV_H

#include "explain/samples.h"

/* Are there loadings: in the representation, or rows to take them from? */
bool mucmm__lcmv_possible(const mucmm__samples *s);
/* Filters w [n, p] of the samples, whose score is s->p->score, for the features hb [n, p] of their
 * baselines. EARG without loadings. ENUMERIC: the covariance is singular and nothing is loaded. */
mucmm_status mucmm__lcmv_filters(mucmm_ctx *ctx, const mucmm__samples *s, const float *hb,
                                 float *w);
/* As mucmm__samples_maps. A baseline that is left open is the one that suits these maps. */
mucmm_status mucmm__lcmv_maps(mucmm_ctx *ctx, const mucmm__samples *s, float *maps, double *gaps);

#endif
