/* SPDX-License-Identifier: MIT
 *
 * cross_work.h - cross-fitting at work, and what its files share. n rows, k components, R repeats
 * of K folds. */
#ifndef MUCMM_CROSS_WORK_H
#define MUCMM_CROSS_WORK_H

#include "model/cross_fit.h"

/* Of a test; folds of a jackknife at most. */
enum { MUCMM__CROSS_PERMUTATIONS = 999, MUCMM__MOST_JACKKNIFE = 10 };
/* Of the random numbers: as STREAM_SPLIT of fit_rows.c. */
enum { MUCMM__STREAM_DRAWS = 62 };

/* What there is of one representation. */
typedef struct mucmm__cross_part {
    float *ref[MUCMM_MAX_VIEWS];  /* [n, k] variates of the model of all rows */
    float *refu[MUCMM_MAX_VIEWS]; /* [n, q] */
    float *c[MUCMM_MAX_VIEWS];    /* [R, n, k] cross-fitted, aligned with these */
    float *u[MUCMM_MAX_VIEWS];    /* [n, q] of the first repeat */
    double *split_p;              /* [R, K, k] of each fold's own rows */
    float *less[MUCMM_MAX_VIEWS]; /* [K, n, k] of a repeat: cross-fitted without one more fold */
    double *variance;             /* [k] of Fisher's z, the sum over repeats */
    mucmm_cross_fit *result;
} mucmm__cross_part;

struct mucmm__cross {
    int32_t folds, repeats, n_views;
    bool jackknife;      /* of the folds, where they are not too many, and nothing is trained */
    int64_t n, k, alike; /* alike: leading components that are told from chance */
    int64_t *group;      /* [n] of rows, or NULL: each is its own */
    int64_t n_groups, *begin;         /* [n_groups + 1] where they begin in order */
    int64_t *order;                   /* [n] rows, those of a group side by side */
    int64_t cut[MUCMM_MAX_FOLDS + 1]; /* where the folds of a repeat begin in perm */
    int64_t *rows, *perm;             /* [n] shuffled; [n] of a repeat: a fold is a stretch of it */
    mucmm__cross_part part[2];        /* linear, heads */
};

/* One repeat, whose folds are fitted at the same time. */
typedef struct mucmm__cross_repeat {
    const mucmm__fit *f;
    mucmm__cross *x;
    const mucmm_fit_params *p; /* of the models of the folds; of those with one fold less, whose */
    const mucmm_fit_params *p_less; /* ridge is given */
    const mucmm_model *model;       /* of all rows */
    mucmm_view view[MUCMM_MAX_VIEWS];
    int32_t number;
} mucmm__cross_repeat;

/* Of which variates part `which` is. */
const mucmm__solution *mucmm__cross_solution(const mucmm_model *m, int which);
/* Are n rows enough for the closed form of so many columns that p asks for? */
bool mucmm__cross_enough_rows(const mucmm_fit_params *p, double ridge, int64_t n, int64_t widest);

/* Of the model's dimensions, but fitted on whatever rows are given. */
void mucmm__cross_fold_params(const mucmm__fit *f, const mucmm_model *model, mucmm_fit_params *p);
/* A model of some of the rows. */
typedef struct mucmm__cross_fold {
    int64_t *trained, n; /* [n] of them, numbers into x->rows */
    mucmm_model *model;
    const mucmm_data *data[MUCMM_MAX_VIEWS]; /* all rows, as they are to it */
    mucmm__adjusted adjusted[MUCMM_MAX_VIEWS];
} mucmm__cross_fold;

/* The model of all rows but those of folds a and b (the same: of one). Covariates are taken out by
 * the regressions of the rows that it is fitted on. *fold: to be dropped even after a failure. */
mucmm_status mucmm__cross_fit_without(mucmm_ctx *own, const mucmm__cross_repeat *t, int64_t a,
                                      int64_t b, mucmm__cross_fold *fold);
void mucmm__cross_fold_drop(mucmm__cross_fold *fold);
/* Variates c [n, k] and u [n, q] (either may be NULL) of every row, by a model. */
mucmm_status mucmm__cross_all_variates(mucmm_ctx *ctx, const mucmm_data *const *data,
                                       const mucmm__cross *x, const mucmm_model *model, int which,
                                       float *const *c, float *const *u);

/* cross_folds.c: all folds of all repeats, for a model of all rows, whose `alike` leading
 * components are told from chance. *out has to be dropped even after a failure. */
mucmm_status mucmm__cross_run_folds(mucmm__fit *f, const mucmm_model *model, int64_t alike,
                                    mucmm__cross **out);
/* A fit on all rows that prepares for the one that is kept, and says nothing itself. */
mucmm_status mucmm__cross_fit_before(mucmm__fit *f, const mucmm_fit_params *p, bool only_dimensions,
                                     mucmm_model **model);
/* cross_align.c: which of a fold's variates is number j of the model's, and with which sign. */
mucmm_status mucmm__cross_align(mucmm_ctx *ctx, int32_t n_views, float *const *c, float *const *ref,
                                int64_t k, int64_t alike, const int64_t *rows, int64_t n,
                                int64_t *column, double *sign);
/* These rows of out [n, k] from c, columns and signs changed. */
void mucmm__cross_place(const float *c, int64_t k, const int64_t *column, const double *sign,
                        const int64_t *rows, int64_t n, float *out);
/* Correlation of component j of variates c[m] [.., n, k], number `at`, on these of their rows: mean
 * over pairs of views. */
double mucmm__cross_correlation(const mucmm__cross *x, float *const *c, int64_t at, int64_t j,
                                const int64_t *rows, int64_t n);
/* Fisher's z of a correlation; finite. */
double mucmm__fisher_z(double correlation);

/* cross_jackknife.c: adds to part[0].variance what a repeat says of it. */
mucmm_status mucmm__cross_jackknife(mucmm__fit *f, const mucmm__cross_repeat *t);

/* cross_intervals.c: correlations, standard errors and intervals of r. */
mucmm_status mucmm__cross_correlations(mucmm__fit *f, const mucmm__cross *x,
                                       const mucmm__cross_part *p, mucmm_cross_fit *r);

/* cross_tests.c: p-values of trained heads, by all splits. */
mucmm_status mucmm__cross_combine_splits(mucmm__fit *f, const mucmm__cross *x,
                                         const mucmm__cross_part *p, mucmm_cross_fit *r);
/* The exact test of the closed form, of all rows that have all views; of groups, of those that are
 * exchanged for others. p_values [components]; stop: as in mucmm__refit. */
mucmm_status mucmm__cross_exact_test(mucmm__fit *f, int64_t components, bool stop, double *p_values,
                                     int64_t *made);
/* That the held-out correlation j is not above 0, by the normal law of the interval of its Fisher
 * z, one-sided. NaN without an interval. */
double mucmm__cross_held_out_p(const mucmm_cross_fit *r, int64_t j);
/* p-values of all components but the strongest: no less than that, nor than of the one before. Only
 * the strongest has its exact law: with a ridge, what earlier ones leave behind is no chance, and a
 * test of later ones answers to that. */
void mucmm__cross_later_components(mucmm_cross_fit *r);
/* min(p_1, p_2) where the classical tests hold, else 0; and r->classical. */
int64_t mucmm__cross_classical_count(const mucmm__fit *f);
mucmm_status mucmm__cross_classical(mucmm__fit *f, mucmm_cross_fit *r);

#endif
