/* SPDX-License-Identifier: MIT
 *
 * local_scale.h - how far predictions err, depending on what is predicted. */
#ifndef MUCMM_LOCAL_SCALE_H
#define MUCMM_LOCAL_SCALE_H

#include "core/core.h"

/* The share of errors that an interval is to hold, and its half width in standard deviations. */
#define MUCMM__COVERAGE 0.95
#define MUCMM__COVERAGE_SD 1.959963984540054
/* Rows with fewer errors have no local scale. */
#define MUCMM__LEAST_LOCAL 40

/* Of one variate: the local 95 % quantile of |error| as a function of two features of a prediction,
 * on a grid between whose nodes it is interpolated. */
enum { MUCMM__SCALE_NODES = 16 };
typedef struct mucmm__local_scale {
    double node[2][MUCMM__SCALE_NODES]; /* ascending */
    double value[MUCMM__SCALE_NODES * MUCMM__SCALE_NODES];
} mucmm__local_scale;

/* features [2, n], absolute errors [n] of n >= MUCMM__LEAST_LOCAL rows: at every node the quantile
 * of the errors with the weights exp(-d^2/h^2), d the distance in standard deviations of the
 * features and h that of the (n/6)th nearest row, but of no fewer than 30. */
mucmm_status mucmm__local_scale_fit(mucmm_ctx *ctx, int64_t n, const double *features,
                                    const double *errors, mucmm__local_scale *s);
double mucmm__local_scale_at(const mucmm__local_scale *s, double first, double second);

/* The factor by which scales are multiplied, so that of exchangeable rows at least 95 % have an
 * error within (split conformal prediction): the ceil(.95 (n + 1))th smallest of error/scale [n],
 * which are sorted. INFINITY if n is too small (below 19). */
double mucmm__conformal_factor(int64_t n, double *ratios);

#endif
