/* SPDX-License-Identifier: MIT
 *
 * null_models.h - models of permuted pairs. */
#ifndef MUCMM_EXPLAIN_NULL_MODELS_H
#define MUCMM_EXPLAIN_NULL_MODELS_H

#include "correlate/exchange.h"
#include "explain/samples.h"

struct mucmm_null {
    mucmm_model *m; /* kept */
    mucmm_representation representation;
    int64_t models, rows;
    uint64_t seed;
    int64_t *group;                        /* [rows] of each row; NULL: each its own   */
    mucmm__exchange *exchange;             /* of the rows, in its order; NULL: freely */
    mucmm_model **model;                   /* [models] fitted to permuted pairs   */
    mucmm_data *training[MUCMM_MAX_VIEWS]; /* in the order of the model's views */
};

/* EARG if the null was not made for the model and the representation of s. */
mucmm_status mucmm__null_check(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s);

/* How many of rows [n] of data [M] (NULL: a view that is not given) m was fitted to. */
mucmm_status mucmm__count_fitted(mucmm_ctx *ctx, const mucmm_model *m,
                                 const mucmm_data *const *data, const int64_t *rows, int64_t n,
                                 int64_t *fitted);
/* Warns if there are any: p-values of their maps are in-sample. */
mucmm_status mucmm__warn_fitted(mucmm_ctx *ctx, const mucmm_model *m, const char *what,
                                const mucmm_data *const *data, const int64_t *rows, int64_t n);

#endif
