/* SPDX-License-Identifier: MIT
 *
 * represent.h - rows in and variates out. */
#ifndef MUCMM_REPRESENT_H
#define MUCMM_REPRESENT_H

#include "model/model.h"

/* The names of the model's views, for messages: "left, right". */
void mucmm__list_views(const mucmm_model *m, char *out, size_t size);
/* paired_views.c: EARG if one is no name of a view (mucmm__good_name), or stands twice. */
mucmm_status mucmm__check_view_names(mucmm_ctx *ctx, const mucmm_view *views, int32_t n);

/* data[m] of the model's views, from views in any order; NULL for those that are not given.
 * ESHAPE / EARG name the view. */
mucmm_status mucmm__match_given(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                int32_t n_views, const mucmm_data **data);
/* The same; all have to be given. */
mucmm_status mucmm__match_views(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                int32_t n_views, const mucmm_data **data);

/* Were the rows encoded as the model's view was? The message names the view. */
mucmm_status mucmm__match_source(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                 const mucmm_data *data);
/* The columns that the model's view was fitted on, of data: mucmm__data_select. */
mucmm_status mucmm__model_select(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                 const mucmm_data *data, const mucmm_data **out);

/* Bit m: the row has view m. */
uint32_t mucmm__row_views(int32_t n_views, const mucmm_data *const *data, int64_t row);
/* Ascending, so that a pass over the rows reads a file from front to back. */
void mucmm__sort_rows(int64_t *rows, int64_t n);

/* Scaled features h [n, p] of rows[0..n) (NULL: 0..n). */
mucmm_status mucmm__features(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                             const int64_t *rows, int64_t n, float *h);
/* h [n, p] of features x [n, p] in the place of those of the rows, whose covariates they have. */
mucmm_status mucmm__scale_features(mucmm_ctx *ctx, const mucmm__view_info *v,
                                   const mucmm_data *data, const int64_t *rows, int64_t n,
                                   float *h);

/* dx [n, p] = dh / scale, times the slopes of a robust map: what a gradient at the features h [n,
 * p] of rows[0..n) is by their columns. dx may be dh. */
mucmm_status mucmm__features_vjp(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                                 const int64_t *rows, int64_t n, const float *h, const float *dh,
                                 float *dx);

/* The trained heads, or the closed form: for either if the head is linear. */
const mucmm__solution *mucmm__model_solution(const mucmm_model *m,
                                             mucmm_representation representation);

/* All rows given: c [n, common width], u [n, q] as floats. */
mucmm_status mucmm__represent(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                              int32_t view, const mucmm_data *data, const int64_t *rows, int64_t n,
                              float *c, float *u);

/* All rows of data, NaN for those that lack the view. */
mucmm_status mucmm__represent_all(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                                  int32_t view, const mucmm_data *data, float *c, float *u);

#endif
