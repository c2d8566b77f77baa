/* SPDX-License-Identifier: MIT
 *
 * pattern.h - covariance times gradient: what goes with a score, instead of what moves it. */
#ifndef MUCMM_EXPLAIN_PATTERN_H
#define MUCMM_EXPLAIN_PATTERN_H

#include "explain/samples.h"

/* EARG, ESHAPE unless what a pattern takes is there: loadings or the covariance in the model or, of
 * encoded data always, s->p->training. */
mucmm_status mucmm__pattern_check(mucmm_ctx *ctx, const mucmm__samples *s);
/* Loadings of the variates, of columns that are the view's own: the pattern is these, weighted by
 * the slopes of the score. */
bool mucmm__pattern_has_loadings(const mucmm__samples *s);
/* out [n, p] = Cov(h, z) ds/dz, z = u or c: in units of the scaled features. */
mucmm_status mucmm__pattern_of_loadings(mucmm_ctx *ctx, const mucmm__samples *s, float *out);
/* In place: n gradients [n, p] in units of the scaled features -> patterns in the same units, by
 * the covariance of s->p->training or that in the model. */
mucmm_status mucmm__pattern(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n, float *g);
/* Before an encoder: y [rows, stride], from column `first` on, of every training row what the
 * slopes [n, d] make of its variates, z' slopes_i. The pattern of sample i is the covariance of the
 * raw inputs with that, Cov(x, z) slopes_i. */
mucmm_status mucmm__pattern_project(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n,
                                    const float *slopes, int64_t first, int64_t stride, float *y);
/* The same with the slopes of the samples' own scores. */
mucmm_status mucmm__pattern_project_scores(mucmm_ctx *ctx, const mucmm__samples *s, int64_t first,
                                           int64_t stride, float *y);
/* maps [n, cols] of encoded samples. */
mucmm_status mucmm__pattern_before_encoder(mucmm_ctx *ctx, const mucmm__samples *s, float *maps);
/* maps [n, cols]: Cov(x, z_j) of components[0..n) of the variates of the score, of encoded samples.
 */
mucmm_status mucmm__pattern_components(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n,
                                       const int64_t *components, float *maps);

#endif
