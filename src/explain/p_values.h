/* SPDX-License-Identifier: MIT
 *
 * p_values.h - p-values of statistics from those of models in which there is nothing. */
#ifndef MUCMM_EXPLAIN_P_VALUES_H
#define MUCMM_EXPLAIN_P_VALUES_H

#include "core/core.h"

/* p-values [units] of statistics t [1 + N, units], not negative, the first observed. A unit whose
 * null is zero throughout has no scale: its p-value is 1 if it is zero itself, else the least. */
mucmm_status mucmm__p_values(mucmm_ctx *ctx, const double *t, int64_t models, int64_t units,
                             mucmm_p_kind kind, double *p);

#endif
