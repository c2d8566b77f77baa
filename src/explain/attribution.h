/* SPDX-License-Identifier: MIT
 *
 * attribution.h - which units of the raw input each common variate of a view comes from, complete:
 * what coupling maps are made of. */
#ifndef MUCMM_EXPLAIN_ATTRIBUTION_H
#define MUCMM_EXPLAIN_ATTRIBUTION_H

#include "explain/samples.h"
#include "explain/units.h"

/* Units are pixels, tokens, samples of time or columns. */
typedef struct mucmm__attribution {
    int64_t n, k, units;
    float *of;    /* [n, k, units]: with base they add up to at */
    double *at;   /* [n, k] variates of the samples */
    double *base; /* [n, k] of their baselines */
    double *gap;  /* [n, k] what the rule of integration left over, and was spread over `of` */
} mucmm__attribution;

/* told: NULL, or the context that is warned of rows that have none (of is NaN there).
 * Of rows [n] of a view of m under rep: k integrated gradients from the baseline of p (which is
 * resolved, and whose score and component do not count). The closed form of rows that are not
 * encoded takes one step, which is exact. Dropped also after a failure. */
mucmm_status mucmm__attribute(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *rep,
                              const mucmm_data *const *data, int32_t view, const int64_t *rows,
                              int64_t n, const mucmm_explain_params *p, mucmm_ctx *told,
                              mucmm__attribution *out);
void mucmm__attribution_drop(mucmm__attribution *a);

#endif
