/* SPDX-License-Identifier: MIT
 *
 * small_sample.h - few rows for so many columns. */
#ifndef MUCMM_SMALL_SAMPLE_H
#define MUCMM_SMALL_SAMPLE_H

#include "model/fit_state.h"

/* Fewer training rows than so many times the columns of a view are a small sample. */
#define MUCMM__SMALL_SAMPLE 5

/* Scaling, coordinates and their covariances of all views. */
mucmm_status mucmm__small_sample(mucmm__fit *f);
void mucmm__small_sample_drop(mucmm__fit *f);
/* Joint mean [P] and covariance [P, P] (either may be NULL) of the coordinates of rows[0..n) of a
 * part's rows (NULL: all n). */
mucmm_status mucmm__coordinate_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                       double *cov);
/* weights [p, k] of h from those of view m's coordinates, a [dims, k]. */
mucmm_status mucmm__from_coordinates(mucmm__fit *f, int32_t m, int64_t k, const double *a,
                                     double *weights);

#endif
