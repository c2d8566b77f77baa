/* SPDX-License-Identifier: MIT
 *
 * model.h - what a fitted model is, and the parts fit is made of. */
#ifndef MUCMM_MODEL_H
#define MUCMM_MODEL_H

#include "correlate/correlate.h"
#include "io/io.h"
#include "nn/nn.h"

/* Rows that are read, scaled and pushed through a network at a time. */
#define MUCMM__CHUNK 1024

/* Covariance of the scaled features is kept in the model for views of at most so many columns. */
#define MUCMM__COVARIANCE_MAX 2048

/* Fewer training rows than so many times the columns of a view are a small sample. */
#define MUCMM__SMALL_SAMPLE 5

/* A network and what is added to its output: y = net(h) + offset. */
typedef struct mucmm__head {
    mucmm__mlp net;
    float *params; /* [net.n_params], BatchNorms folded */
    float *offset; /* [net.out]                         */
} mucmm__head;

/* Variates that a later stage found, behind those of the stages before it, c_before:
 *   c = head(h) - psi(c_before) weights. */
typedef struct mucmm__deflated {
    mucmm__head head;
    mucmm__psi psi;
    double *weights; /* [width of psi, head.net.out] */
} mucmm__deflated;

/* Stages after the first, at most. */
#define MUCMM__LATER 4
/* Attempts at another beta, at most. */
#define MUCMM__TUNED 2

/* From the scaled features h [p] of one view to its canonical variates:
 *   c = [common(h), later[0], later[1], ...] [k],   u = individual(h) + mix c [q]. */
typedef struct mucmm__view_heads {
    mucmm__head common, individual;
    float *mix; /* [q, k], or NULL for none */
    int32_t n_later;
    mucmm__deflated later[MUCMM__LATER];
} mucmm__view_heads;

/* What views that are there say of one that is missing: moments of the common variates of all
 * views side by side, w = M k of them. NULL in files of earlier versions and for w above
 * MUCMM__COVARIANCE_MAX. */
typedef struct mucmm__joint {
    double *mean;     /* [w] on the training rows                                      */
    double *train;    /* [w, w] covariance there                                       */
    double *held_out; /* [w, w] mean products of deviations from that mean, held-out rows */
} mucmm__joint;

/* One way to represent all views (trained heads, or the closed form). */
typedef struct mucmm__solution {
    mucmm__view_heads view[MUCMM_MAX_VIEWS];
    double *rho;      /* [k], correlations on the training rows: the weights of the common score */
    double *harmonic; /* [k], R2 as in mucmm_summary; NaN if not known */
    mucmm__joint joint;
    mucmm_summary *summary[2];  /* by mucmm_rows */
    mucmm_stability *stability; /* NULL if not asked for */
} mucmm__solution;

typedef struct mucmm__view_info {
    char *name;
    int64_t p, q;
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK];
    double *mean, *scale; /* [p]: h = (x - mean) / scale, of the training rows */
    float *covariance;    /* [p, p] of h on the training rows, or NULL         */
    double variance;      /* trace of that covariance                          */
    double ridge;         /* of the closed form                                */
    int64_t rows;         /* training rows that have the view; 0 in the first files */
    char *description;    /* how the rows were encoded (JSON), or NULL         */
} mucmm__view_info;

/* One line of the training history. */
typedef struct mucmm__epoch {
    int32_t stage; /* of mucmm__stage */
    int64_t epoch;
    double loss, held_out;
} mucmm__epoch;

/* What the held-out rows said of the numbers of dimensions, where these were not given. */
typedef struct mucmm__dimensions {
    int64_t candidates, common; /* components looked at, 0 = k was given; leading ones found */
    double level;
    double *correlations, *null_95, *p_values; /* [candidates], held out */
    int64_t chosen[MUCMM_MAX_VIEWS];           /* individual ones of a view */
    /* [n_errors]: share of the view's squares that is not rebuilt with so many of them; 0 = q was
     * given */
    double *error[MUCMM_MAX_VIEWS];
    int64_t n_errors[MUCMM_MAX_VIEWS];
} mucmm__dimensions;

/* What the held-out rows have chosen of a model. */
typedef enum mucmm__chose {
    MUCMM__CHOSE_DIMENSIONS = 1,
    MUCMM__CHOSE_RIDGE = 2,
    MUCMM__CHOSE_EPOCH = 4 /* and the start, and beta */
} mucmm__chose;

struct mucmm_model {
    _Atomic int64_t keepers; /* who hold it besides its first owner */
    int32_t n_views;
    int64_t k;
    mucmm__dimensions dimensions; /* empty in a model that was loaded: it is in its JSON */
    uint32_t held_out_chose;      /* of mucmm__chose; likewise */
    mucmm__view_info view[MUCMM_MAX_VIEWS];
    mucmm__solution linear, heads; /* heads is empty when the head is linear */
    mucmm_fit_params params;       /* as used; checkpoint NULL               */
    double ridge;           /* of the closed form, or MUCMM_RIDGE_LEDOIT_WOLF: each view's own */
    int64_t rows[2];        /* training, held-out                     */
    int32_t start;          /* stage whose common heads were kept, -1: the closed form */
    bool individual_closed; /* its individual heads too; not in a model that was loaded */
    mucmm__epoch *history;
    int64_t n_history;
    char *json;
};

const mucmm__solution *mucmm__model_solution(const mucmm_model *m,
                                             mucmm_representation representation);

/* ---- model.c: views by name, scaling, networks ------------------------------------- */

/* The same model, which now lives until each who holds it has called mucmm_model_free. Only the
 * count changes, which is no part of what const promises. */
mucmm_model *mucmm__model_keep(const mucmm_model *m);

/* data[m] of the model's views, from views in any order; NULL for those that are not given.
 * ESHAPE / EARG name the view. */
mucmm_status mucmm__match_given(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                int32_t n_views, const mucmm_data **data);
/* The same; all have to be given. */
mucmm_status mucmm__match_views(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                int32_t n_views, const mucmm_data **data);
/* Scaled features h [n, p] of rows[0..n) (NULL: 0..n). */
mucmm_status mucmm__features(mucmm_ctx *ctx, const mucmm__view_info *v, const mucmm_data *data,
                             const int64_t *rows, int64_t n, float *h);
mucmm_status mucmm__head_alloc(mucmm_ctx *ctx, const mucmm__mlp *net, mucmm__head *head);
mucmm_status mucmm__head_copy(mucmm_ctx *ctx, const mucmm__head *from, mucmm__head *to);
/* A head of no outputs, for a view without individual dimensions: no network at all. */
mucmm_status mucmm__head_empty(mucmm_ctx *ctx, int64_t in, mucmm__head *head);
void mucmm__head_drop(mucmm__head *head);
/* The common heads of all views. */
void mucmm__common_drop(mucmm__solution *r);
void mucmm__solution_drop(mucmm__solution *r);
mucmm_status mucmm__head_forward(mucmm_ctx *ctx, const mucmm__head *head, int64_t n, const float *h,
                                 float *y);
void mucmm__deflated_drop(mucmm__deflated *d);
/* Common variates of all stages: k once a fit is done. */
int64_t mucmm__common_width(const mucmm__view_heads *v);
/* c [n, k] always, u [n, q] unless NULL. */
mucmm_status mucmm__heads_forward(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                                  const float *h, float *c, float *u);
/* dh [n, p] from dc [n, k] and du [n, q]; either may be NULL. */
mucmm_status mucmm__heads_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n, const float *h,
                              const float *dc, const float *du, float *dh);
/* y <- (y - mean) A on the head's output: A [out, new_out], new_out <= out. Replaces *head. */
mucmm_status mucmm__head_affine(mucmm_ctx *ctx, mucmm__head *head, const double *mean,
                                const double *a, int64_t new_out);
/* All rows given: c [n, common width], u [n, q] as floats. */
mucmm_status mucmm__represent(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                              int32_t view, const mucmm_data *data, const int64_t *rows, int64_t n,
                              float *c, float *u);

/* All rows of data, NaN for those that lack the view. */
mucmm_status mucmm__represent_all(mucmm_ctx *ctx, const mucmm_model *m, const mucmm__solution *r,
                                  int32_t view, const mucmm_data *data, float *c, float *u);

/* ---- summary.c --------------------------------------------------------------------- */

mucmm_status mucmm__summary_create(mucmm_ctx *ctx, int64_t k, int64_t n_views, mucmm_summary **out);
void mucmm__summary_free(mucmm_summary *s);
/* What r says of its components, into a summary of its rows. */
void mucmm__summary_harmonics(const mucmm__solution *r, mucmm_summary *s);
/* permutations 0: no p-values. c[m], u[m] (float, of the rows): the variates already computed. */
mucmm_status mucmm__summarize(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_data *const *data,
                              const int64_t *rows, int64_t n, float *const *c, float *const *u,
                              const double *rho, int64_t permutations, uint64_t seed,
                              mucmm_summary **out);

/* predict.c: for the variates c[m] [n, k] of the training rows, then of the held-out ones. */
mucmm_status mucmm__joint_keep(mucmm_ctx *ctx, const mucmm_model *m, mucmm_rows rows, int64_t n,
                               float *const *c, mucmm__joint *joint);
mucmm_status mucmm__joint_alloc(mucmm_ctx *ctx, int64_t w, mucmm__joint *joint);
void mucmm__joint_drop(mucmm__joint *joint);

/* sharing.c: the fields of a summary of more than two views that say which of them carry a
 * component; nothing for two. c[m] [rows, k]; permutations 0: the correlations alone. */
mucmm_status mucmm__sharing_alloc(mucmm_ctx *ctx, mucmm_summary *s);
void mucmm__sharing_drop(mucmm_summary *s);
mucmm_status mucmm__sharing(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                            int64_t permutations, uint64_t seed, mucmm_summary *s);

/* leakage.c: the summary's leakage_* of c[m] [n, k] and u[m] [n, q_m]; permutations 0: no p-values.
 */
mucmm_status mucmm__leakage_create(mucmm_ctx *ctx, int64_t n_views, mucmm_summary *s);
void mucmm__leakage_drop(mucmm_summary *s);
mucmm_status mucmm__leakage(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                            const mucmm__block *u, int64_t permutations, uint64_t seed,
                            mucmm_summary *s);

/* ---- stability.c: which components come back in another fit ------------------------ */

/* All numbers 0; mucmm__stability_count sets what follows from them. */
mucmm_status mucmm__stability_create(mucmm_ctx *ctx, int64_t k, mucmm_stability **out);
void mucmm__stability_free(mucmm_stability *s);
void mucmm__stability_count(mucmm_stability *s);
/* Its arrays [k], by number, in the order of the declaration. */
#define MUCMM__STABILITY_FIELDS 7
double **mucmm__stability_field(mucmm_stability *s, int i);

/* Comparisons of one fit with others, n so far. */
typedef struct mucmm__comparisons {
    int32_t n_views;
    int64_t k, room, n;
    double *similarity, *subspace,
        *correlation;             /* [room, k], in the order of the fit's components */
    int64_t rows;                 /* all that may be compared on */
    double *sum[MUCMM_MAX_VIEWS]; /* [rows, k] of the others' variates, paired */
    int64_t *times;               /* [rows] comparisons that had the row */
} mucmm__comparisons;

mucmm_status mucmm__comparisons_create(mucmm_ctx *ctx, int32_t n_views, int64_t k, int64_t room,
                                       int64_t rows, mucmm__comparisons *c);
void mucmm__comparisons_drop(mucmm__comparisons *c);
/* The fit's own variates are averaged with the others' on rows[0..n). */
void mucmm__include(mucmm__comparisons *c, const int64_t *rows, const mucmm__block *fit);
/* Adds another fit: fit[m] and other[m] [n, k] are the variates of both on rows[0..n), at least 3.
 */
mucmm_status mucmm__compare(mucmm_ctx *ctx, mucmm__comparisons *c, const int64_t *rows,
                            const mucmm__block *fit, const mucmm__block *other);
/* Intervals leave out a share `tail` on each side. c->n >= 1. */
mucmm_status mucmm__stability_make(mucmm_ctx *ctx, const mucmm__comparisons *c, double tail,
                                   mucmm_stability **out);

/* retrieval.c: recall [n_views, n_views] among the 1 and 10 nearest, as mucmm_summary says. */
mucmm_status mucmm__retrieval(mucmm_ctx *ctx, int32_t n_views, float *const *c, int64_t n,
                              int64_t k, const double *rho, double *recall_1, double *recall_10);

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
void mucmm__dimensions_drop(mucmm__dimensions *d);
/* fit.c: the most common dimensions that the batch has room for. */
int64_t mucmm__batch_dimensions(const mucmm__fit *f);
mucmm_status mucmm__fit_linear(mucmm__fit *f);
/* A head that is one matrix: y = weights' h, weights [in, out]. */
mucmm_status mucmm__linear_head(mucmm_ctx *ctx, int64_t in, int64_t out, const double *weights,
                                mucmm__head *head);
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
/* Bit m: the row has view m. */
uint32_t mucmm__row_views(int32_t n_views, const mucmm_data *const *data, int64_t row);

/* `steps` steps of training common heads from scratch on f's rows, after one that is not counted.
 */
mucmm_status mucmm__time_common_steps(mucmm__fit *f, int64_t steps, double *seconds, double *flops);

/* Ascending, so that a pass over the rows reads a file from front to back. */
void mucmm__sort_rows(int64_t *rows, int64_t n);

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

mucmm_status mucmm__model_make_json(mucmm_ctx *ctx, mucmm_model *m);

#endif
