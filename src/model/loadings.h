/* SPDX-License-Identifier: MIT
 *
 * loadings.h - covariances of a view's features with its variates: where in them these show. */
#ifndef MUCMM_LOADINGS_H
#define MUCMM_LOADINGS_H

#include "model/model.h"

/* out [p, k + q] = Cov(h, [c u]) of rows[0..n) (NULL: 0..n), n >= 2; deviations [p + k + q] (NULL:
 * not asked for) the standard deviations of h and of [c u]. c [n, k] and u [n, q] of these rows;
 * NULL: they are computed in the same pass. */
mucmm_status mucmm__loadings(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                             int32_t view, const mucmm_data *data, const int64_t *rows, int64_t n,
                             const float *c, const float *u, float *out, double *deviations);

#endif
