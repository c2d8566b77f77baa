/* SPDX-License-Identifier: MIT
 *
 * fit.h - the run of one fit. */
#ifndef MUCMM_FIT_H
#define MUCMM_FIT_H

#include "model/model.h"

/* Fewer training rows than so many times the columns of a view are a small sample. */
#define MUCMM__SMALL_SAMPLE 5

/* Attempts at another beta, at most. */
#define MUCMM__TUNED 2

/* ---- fit: what its stages share ---------------------------------------------------- */

typedef enum mucmm__stage {
    MUCMM__STAGE_SKIP = 0,    /* common heads, started at the linear solution */
    MUCMM__STAGE_SCRATCH = 1, /* common heads, started at random              */
    MUCMM__STAGE_RESTART = 2, /* the first of MUCMM_MAX_RESTARTS more of these */
    MUCMM__STAGE_LATER = MUCMM__STAGE_RESTART + MUCMM_MAX_RESTARTS, /* the first of MUCMM__LATER
                                                                       deflated stages */
    MUCMM__STAGE_INDIVIDUAL = MUCMM__STAGE_LATER + MUCMM__LATER,
    MUCMM__STAGE_TUNED, /* the first of MUCMM__TUNED attempts at another beta */
    MUCMM__STAGES = MUCMM__STAGE_TUNED + MUCMM__TUNED
} mucmm__stage;

/* Random numbers of a stage: streams from here on, a million of them. In the order in which the
 * kinds of stages came to be, so that none of them changes the others: 1 and 2, 3 the individual
 * heads, 4 to 7 the later stages, 9 and 10 the attempts at another beta, 11 and above the restarts.
 */
static inline uint64_t mucmm__stream(int32_t stage)
{
    int32_t number = stage + 1;

    if (stage >= MUCMM__STAGE_TUNED)
        number = 9 + stage - MUCMM__STAGE_TUNED;
    else if (stage == MUCMM__STAGE_INDIVIDUAL)
        number = 3;
    else if (stage >= MUCMM__STAGE_LATER)
        number = 4 + stage - MUCMM__STAGE_LATER;
    else if (stage >= MUCMM__STAGE_RESTART)
        number = 11 + stage - MUCMM__STAGE_RESTART;
    return (uint64_t)number * 1000000;
}

/* Flat state of one training stage; everything a resumed run needs. */
typedef struct mucmm__trainer {
    int64_t n_params, n_stats;
    float *params, *first, *second, *stats; /* optimizer state, BatchNorm statistics */
    float *best_params, *best_stats;
    double best; /* held-out value, higher is better */
    int64_t epoch;
    float *grads, *mask; /* not saved */
    int64_t step;        /* = epoch * steps_per_epoch at epoch boundaries */
} mucmm__trainer;

mucmm_status mucmm__trainer_create(mucmm_ctx *ctx, int64_t n_params, int64_t n_stats,
                                   mucmm__trainer *t);
void mucmm__trainer_drop(mucmm__trainer *t);
/* Of a stage that is over: gives back what only training needs. */
void mucmm__trainer_settle(mucmm__trainer *t);

/* The run of one fit. */
typedef struct mucmm__fit {
    mucmm_ctx *ctx;
    const mucmm_fit_params *p;
    mucmm_model *model;
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    int64_t n_train, n_held_out, batch;
    int64_t *train, *held_out;           /* numbers of rows that have all views; train ascending */
    int64_t n_some, *some;               /* rows of train and those that lack views, ascending; NULL
                                            if there are none                        */
    double lacking_ridge;                /* of the regressions for what rows lack */
    double *weights[MUCMM_MAX_VIEWS];    /* [dims, k] common ones of the closed form, of z or h */
    double *cov[2];                      /* [P, P] joint covariance of h, by mucmm_rows */
    int64_t offset[MUCMM_MAX_VIEWS + 1]; /* of each view's columns in cov           */
    /* In a small sample cov is that of the coordinates z = basis h; basis [dims, p] is NULL where
     * they are h itself. */
    bool small_sample;
    double *basis[MUCMM_MAX_VIEWS];
    mucmm__block z[2][MUCMM_MAX_VIEWS]; /* [rows, dims], by mucmm_rows */
    mucmm__trainer stage[MUCMM__STAGES];
    int32_t stage_now; /* the first stage that is not finished */
    uint64_t fingerprint;
    double last_save, save_every; /* seconds */
} mucmm__fit;

typedef mucmm_status (*mucmm__step_fn)(mucmm__fit *f, mucmm__trainer *t, void *arg,
                                       const int64_t *rows, double *loss);
typedef mucmm_status (*mucmm__evaluate_fn)(mucmm__fit *f, mucmm__trainer *t, void *arg,
                                           double *value);

typedef struct mucmm__problem {
    const char *name;
    int64_t epochs;
    mucmm__step_fn step; /* writes t->grads for the batch's rows (numbers into the training rows) */
    mucmm__evaluate_fn evaluate; /* held-out value of t->params, higher is better */
    void *arg;
    double rate; /* times the learning rate */
} mucmm__problem;

/* mucmm_fit with checkpoints inside a stage at least save_every seconds apart (0: after every
 * epoch). */
mucmm_status mucmm__fit_saving(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                               const mucmm_fit_params *params, double save_every,
                               mucmm_model **out);

/* Trains t from its epoch to problem->epochs, with checkpoints. */
mucmm_status mucmm__train(mucmm__fit *f, int32_t stage, const mucmm__problem *problem);

mucmm_status mucmm__checkpoint_save(mucmm__fit *f);
/* Restores f->stage and f->stage_now if the file exists. */
mucmm_status mucmm__checkpoint_load(mucmm__fit *f);
/* EFORMAT if a stage that was restored is of networks of another size, or one that is over is not
 * there. */
mucmm_status mucmm__check_restored(mucmm__fit *f, int32_t stage, int64_t n_params, int64_t n_stats);

/* Mean, and scale of the columns, of view m from those of its raw training rows: mean [p], variance
 * [p] with a stride. */
mucmm_status mucmm__set_scaling(mucmm__fit *f, int32_t m, const double *mean,
                                const double *variance, int64_t stride);
/* What the pattern map needs of view m, from the covariance [p, p] of its scaled training rows: the
 * covariance, unless it is too large, and the trace for the shares. */
mucmm_status mucmm__keep_covariance(mucmm__fit *f, int32_t m, const double *cov, int64_t stride);

/* small_sample.c: scaling, coordinates and their covariances of all views. */
mucmm_status mucmm__small_sample(mucmm__fit *f);
void mucmm__small_sample_drop(mucmm__fit *f);
/* Joint mean [P] and covariance [P, P] (either may be NULL) of the coordinates of rows[0..n) of a
 * part's rows (NULL: all n). */
mucmm_status mucmm__coordinate_moments(mucmm__fit *f, mucmm_rows part, const int64_t *rows,
                                       int64_t n, double *mean, double *cov);
/* weights [p, k] of h from those of view m's coordinates, a [dims, k]. */
mucmm_status mucmm__from_coordinates(mucmm__fit *f, int32_t m, int64_t k, const double *a,
                                     double *weights);

/* Mean [P] (raw) and covariance [P, P] (scaled) of rows[0..n), which may lack views if training
 * rows do, and come more than once. */
mucmm_status mucmm__scaled_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                   double *cov);
/* bootstrap.c: the stability of the closed form, f->p->bootstrap replicates. */
mucmm_status mucmm__bootstrap(mucmm__fit *f);

/* fit_ridge.c: rho [k] and the common weights[m] [dims, k] of a covariance like f->cov, for the
 * ridge of each view. */
mucmm_status mucmm__solve_own(mucmm__fit *f, const double *cov, double *rho,
                              double *const *weights);
/* fit_ridge.c: the model's ridge, and with it rho [k] and the common weights[m] [dims, k]. */
mucmm_status mucmm__choose_ridge(mucmm__fit *f, double *rho, double *const *weights);
/* dimensions.c: p->common, p->individual and the model's k where they are MUCMM_AUTO, from the
 * covariances and the held-out rows. */
mucmm_status mucmm__choose_dimensions(mucmm__fit *f, mucmm_fit_params *p);
/* fit.c: the most common dimensions that the batch has room for. */
int64_t mucmm__batch_dimensions(const mucmm__fit *f);
mucmm_status mucmm__fit_linear(mucmm__fit *f);
/* fit_common.c: one stage of k common dimensions, trained unless the checkpoint has it. */
mucmm_status mucmm__train_common(mucmm__fit *f, mucmm__stage stage, int64_t k);
/* The same, and its best heads in canonical form, found[m].head, rho [k]; of a later stage also the
 * rest of found[m], which is zero before. kept: they may be the model's, and are warned of. After a
 * failure found has to be dropped too. */
mucmm_status mucmm__common_heads(mucmm__fit *f, mucmm__stage stage, int64_t k, bool kept,
                                 mucmm__deflated *found, double *rho);
/* Numbers of the training or the held-out rows. */
const int64_t *mucmm__rows_of(const mucmm__fit *f, mucmm_rows part, int64_t *n);
/* Training rows, at most, on which projections and regressions are fixed before they are judged on
 * the held-out ones. */
#define MUCMM__EVALUATION_ROWS 5000
/* fit_stages.c: the stages, and what is kept. */
mucmm_status mucmm__fit_common(mucmm__fit *f);
/* r->harmonic, from training and held-out rows. */
mucmm_status mucmm__mark_harmonics(mucmm__fit *f, mucmm__solution *r);
mucmm_status mucmm__fit_individual(mucmm__fit *f);

/* Sum over k components of the mean correlation over pairs of views, of fixed weights[m] [p_m, k]
 * under a joint covariance cov [P, P]; offset[m] is where view m begins, offset[n_views] = P. */
mucmm_status mucmm__fixed_correlation(mucmm_ctx *ctx, int32_t n_views, const int64_t *offset,
                                      const double *cov, int64_t k, double *const *weights,
                                      double *total);

/* Joint mean [P] and covariance [P, P] of the raw inputs of all views on rows[0..n) (NULL: 0..n),
 * in one pass; offset as above. */
mucmm_status mucmm__joint_moments(mucmm_ctx *ctx, int32_t n_views, const mucmm_data *const *data,
                                  const int64_t *offset, const int64_t *rows, int64_t n,
                                  double *mean, double *cov);

/* incomplete.c: the same from rows that may lack views, the Gaussian maximum likelihood estimate;
 * ridge in units of a view's mean variance. EUNSUPPORTED if they lack them in too many ways. */
mucmm_status mucmm__incomplete_moments(mucmm_ctx *ctx, int32_t n_views,
                                       const mucmm_data *const *data, const int64_t *offset,
                                       const int64_t *rows, int64_t n, double ridge, double *mean,
                                       double *cov);
/* In a small sample: the numbers of dimensions that are MUCMM_AUTO, then p->ridge, from the rows
 * with all views, as if there were no others. */
mucmm_status mucmm__choose_on_complete_rows(mucmm__fit *f, mucmm_fit_params *p);

/* `steps` steps of training common heads from scratch on f's rows, after one that is not counted.
 */
mucmm_status mucmm__time_common_steps(mucmm__fit *f, int64_t steps, double *seconds, double *flops);

/* Seconds on a clock that never goes back. */
double mucmm__now(void);

/* A network inside a trainer's flat vectors. */
typedef struct mucmm__part {
    mucmm__mlp net;
    int64_t params, stats; /* where it begins */
} mucmm__part;

/* Scaled features of a batch (rows: numbers into the training rows), without and with noise; noisy
 * may be NULL. */
mucmm_status mucmm__batch_features(mucmm__fit *f, int32_t view, const int64_t *rows, int64_t n,
                                   mucmm__stage stage, int64_t step, float *clean, float *noisy);
/* The best network of a finished stage, BatchNorms folded, as a head of its own. */
mucmm_status mucmm__part_head(mucmm__fit *f, const mucmm__part *part, const float *params,
                              const float *stats, mucmm__head *head);

#endif
