/* SPDX-License-Identifier: MIT
 *
 * match_rows.h - the rows of one view that go with those of another. */
#ifndef MUCMM_MATCH_ROWS_H
#define MUCMM_MATCH_ROWS_H

#include "model/model.h"

struct mucmm_matches {
    char *query_name, *gallery_name; /* of the views */
    mucmm_match_measure measure;
    int64_t n, gallery, top; /* rows of query and gallery */
    mucmm_match_hit *hits;   /* [n, top] */
    int64_t *partner, *rank; /* [n] */
    mucmm_recall recall;
};

/* match_index.c: rows as vectors whose product is the similarity,
 *   s(a, b) = a . b + bias_a + bias_b. */
typedef struct mucmm__match_index {
    mucmm_match_measure measure;
    const mucmm_model *m;
    const mucmm__solution *r;
    int64_t k;
    double *rho;             /* [k], in [0, 1) */
    double *mean[2], *sd[2]; /* [k] of the two views' variates on the training rows */
    int32_t view[2];         /* query, gallery */
} mucmm__match_index;

mucmm_status mucmm__match_index_make(mucmm_ctx *ctx, const mucmm_model *m,
                                     const mucmm_match_params *p, const int32_t view[2],
                                     mucmm__match_index *x);
void mucmm__match_index_drop(mucmm__match_index *x);
/* vector [n, k] and bias [n] of rows[0..n) of side 0 (query) or 1 (gallery). */
mucmm_status mucmm__match_vectors(mucmm_ctx *ctx, const mucmm__match_index *x, int side,
                                  const mucmm_data *data, const int64_t *rows, int64_t n,
                                  float *vector, float *bias);

#endif
