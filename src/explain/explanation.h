/* SPDX-License-Identifier: MIT
 *
 * explanation.h - the object behind all that is asked of a score at some samples. */
#ifndef MUCMM_EXPLAIN_EXPLANATION_H
#define MUCMM_EXPLAIN_EXPLANATION_H

#include "explain/samples.h"

/* Keeps what its samples borrow. */
struct mucmm_explanation {
    mucmm__samples s; /* s.p = &p */
    mucmm_explain_params p;
    mucmm_model *m;
    mucmm_data *data[MUCMM_MAX_VIEWS], *training;
    int64_t *rows;  /* [n] */
    double *scores; /* [n] */
};

/* ESHAPE, with the name of the argument, unless it is [n, cols]. */
mucmm_status mucmm__explanation_fits(mucmm_ctx *ctx, const mucmm_explanation *e, const char *name,
                                     int64_t rows, int64_t cols, int64_t stride);

#endif
