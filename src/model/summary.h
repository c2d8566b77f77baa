/* SPDX-License-Identifier: MIT
 *
 * summary.h - what a set of rows shows under a model. */
#ifndef MUCMM_SUMMARY_H
#define MUCMM_SUMMARY_H

#include "model/model.h"

/* What an array of a summary has a number for. */
typedef enum mucmm__extent {
    MUCMM__PER_COMPONENT,
    MUCMM__PER_VIEW,
    MUCMM__PER_PAIR /* of views, [M * M] */
} mucmm__extent;

mucmm_status mucmm__summary_create(mucmm_ctx *ctx, int64_t k, int64_t n_views, mucmm_summary **out);
/* Of no rows: everything NaN. */
mucmm_status mucmm__summary_unknown(mucmm_ctx *ctx, int64_t k, int64_t n_views,
                                    mucmm_summary **out);
void mucmm__summary_free(mucmm_summary *s);
/* Array number i of a summary, where its pointer is; NULL after the last. */
double **mucmm__summary_array(mucmm_summary *s, size_t i, mucmm__extent *extent);
/* What r says of its components, into a summary of its rows. */
void mucmm__summary_harmonics(const mucmm__solution *r, mucmm_summary *s);
/* permutations 0: no p-values. groups: of each of all rows of the
 * data; NULL: each its own. c[m], u[m] (float, of the rows): the variates already computed. */
mucmm_status mucmm__summarize(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_data *const *data,
                              const int64_t *rows, int64_t n, const int64_t *groups,
                              float *const *c, float *const *u, const double *rho,
                              int64_t permutations, uint64_t seed, mucmm_summary **out);

/* sharing.c: the fields of a summary of more than two views that say which of them carry a
 * component; nothing for two. c[m] [rows, k]; permutations 0: the correlations alone. */
mucmm_status mucmm__sharing_alloc(mucmm_ctx *ctx, mucmm_summary *s);
void mucmm__sharing_drop(mucmm_summary *s);
mucmm_status mucmm__sharing(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                            const mucmm__exchange *e, int64_t permutations, uint64_t seed,
                            mucmm_summary *s);

/* leakage.c: the summary's leakage_* of c[m] [n, k] and u[m] [n, q_m]; permutations 0: no p-values.
 */
mucmm_status mucmm__leakage(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                            const mucmm__block *u, const mucmm__exchange *e, int64_t permutations,
                            uint64_t seed, mucmm_summary *s);

/* completeness.c: the summary's completeness_* and effective_rank, of the rows summarized. */
mucmm_status mucmm__completeness(mucmm_ctx *ctx, const mucmm_model *m,
                                 const mucmm_data *const *data, const int64_t *rows, int64_t n,
                                 const int64_t *groups, float *const *c, float *const *u,
                                 uint64_t seed, mucmm_summary *s);

/* Warns of individual parts that hold nearly nothing, or have far fewer directions than variates,
 * by the held-out rows if those are enough. All summaries of m are there. */
void mucmm__completeness_warn(mucmm_ctx *ctx, const mucmm_model *m);

/* retrieval.c: recall [n_views, n_views] among the 1 and 10 nearest, as mucmm_summary says. */
mucmm_status mucmm__retrieval(mucmm_ctx *ctx, int32_t n_views, float *const *c, int64_t n,
                              int64_t k, const double *rho, double *recall_1, double *recall_10);

/* tables.c: the 95 % interval of correlation j of m's rows: of cross-fitted rows by their
 * bootstrap; of two views and rows that are independent of each other and of the fit, Fisher's z.
 * Else, and of rows that were fitted to, NaN. */
void mucmm__component_interval(const mucmm_model *m, const mucmm_summary *s, bool fitted, int64_t j,
                               double *low, double *high);

#endif
