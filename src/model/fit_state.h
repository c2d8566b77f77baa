/* SPDX-License-Identifier: MIT
 *
 * fit_state.h - the run of one fit, and what its stages share. */
#ifndef MUCMM_FIT_STATE_H
#define MUCMM_FIT_STATE_H

#include "model/adjust.h"
#include "model/model.h"
#include "model/trainer.h"

/* Which rows of a fit: those that train weights; those that choose between what was trained (start,
 * epoch, ridge, dimensions, candidates), none where nothing is chosen; and those that decide
 * nothing and so may testify. What a fit keeps by this number is of the first two. */
typedef enum mucmm__rows {
    MUCMM__TRAINING = 0,
    MUCMM__CHOOSING = 1,
    MUCMM__HELD_OUT = 2
} mucmm__rows;

/* Rows of a view of which covariates are taken out (fit_adjust.c). */
typedef struct mucmm__adjusted {
    int64_t d, p;
    double *z;            /* [all rows, d]; of rows that lack the view nothing is read */
    const double *slopes; /* [d, p], the model's, or a fold's own */
    mucmm_data *data;
} mucmm__adjusted;

typedef struct mucmm__cross mucmm__cross;

/* A fit inside a fit: on these rows, which have all views, of this model's dimensions (NULL: those
 * of the parameters), and how much of it is done. */
typedef struct mucmm__given {
    const int64_t *rows;
    int64_t n;
    const mucmm_model *like;
    bool only_dimensions; /* nothing after these */
} mucmm__given;

/* Such a fit, bare: without summaries, checkpoints and what a file needs, and with the ridge and
 * the heads that params ask for. No row is held out. */
typedef mucmm_status (*mucmm__inner_fit)(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                                         const mucmm_fit_params *params, const mucmm__given *given,
                                         mucmm_model **out);

/* The run of one fit. */
typedef struct mucmm__fit {
    mucmm_ctx *ctx;
    const mucmm_fit_params *p;
    mucmm_model *model;
    const mucmm_data *given[MUCMM_MAX_VIEWS];
    const mucmm_data
        *data[MUCMM_MAX_VIEWS];           /* mapped and adjusted already, where that is asked for */
    mucmm_data *centred[MUCMM_MAX_VIEWS]; /* less their origins */
    mucmm_data *filled[MUCMM_MAX_VIEWS];  /* empty cells by what is expected of them */
    mucmm_data *mapped[MUCMM_MAX_VIEWS];  /* by robust maps */
    mucmm__adjusted adjusted[MUCMM_MAX_VIEWS];
    int64_t n_train, n_choosing, n_held_out, batch;
    int64_t *train, *choosing, *held_out; /* numbers of rows that have all views; train ascending,
                                             the others shuffled */
    int64_t n_some, *some;               /* rows of train and those that lack views, ascending; NULL
                                            if there are none                        */
    double lacking_ridge;                /* of the regressions for what rows lack */
    double *weights[MUCMM_MAX_VIEWS];    /* [dims, k] common ones of the closed form, of z or h */
    double *cov[2];                      /* [P, P] joint covariance of h, by mucmm__rows; of the
                                            choosing rows NULL where no ridge is chosen there */
    int64_t offset[MUCMM_MAX_VIEWS + 1]; /* of each view's columns in cov           */
    /* In a small sample cov is that of the coordinates z = basis h; basis [dims, p] is NULL where
     * they are h itself. */
    bool small_sample;
    double *basis[MUCMM_MAX_VIEWS];
    mucmm__block z[MUCMM_MAX_VIEWS]; /* [n_train, dims] */
    mucmm__trainer stage[MUCMM__STAGES];
    int64_t start_width;          /* outputs of the starts, of which the k leading components are
                                     kept, where trained heads found k; 0: k, from all starts */
    int32_t stage_now;            /* the first stage that is not finished */
    uint64_t asked;               /* fingerprint of what is known before a row is read */
    uint64_t fingerprint;         /* of the fit; 0 until its moments are known */
    double last_save, save_every; /* seconds */
    /* Small samples (cross_fit.h). */
    const mucmm__given *inside; /* NULL: all rows of the views */
    int32_t folds;              /* 0: none */
    double ridge_asked;         /* as the parameters of the fit had it */
    mucmm__cross *cross;        /* NULL: none */
    mucmm__inner_fit inner;
    bool unjudged; /* nothing testifies where every row trains */
} mucmm__fit;

/* A network inside a trainer's flat vectors. */
typedef struct mucmm__part {
    mucmm__mlp net;
    int64_t params, stats; /* where it begins */
} mucmm__part;

/* Numbers of these rows. */
const int64_t *mucmm__rows_of(const mucmm__fit *f, mucmm__rows part, int64_t *n);
/* Scaled features of a batch (rows: numbers into the training rows), without and with noise; noisy
 * may be NULL. */
mucmm_status mucmm__batch_features(mucmm__fit *f, int32_t view, const int64_t *rows, int64_t n,
                                   mucmm__stage stage, int64_t step, float *clean, float *noisy);
/* The best network of a finished stage, BatchNorms folded, as a head of its own. */
mucmm_status mucmm__part_head(mucmm__fit *f, const mucmm__part *part, const float *params,
                              const float *stats, mucmm__head *head);

mucmm_status mucmm__add_epoch(mucmm_ctx *ctx, mucmm_model *m, mucmm__epoch e);

#endif
