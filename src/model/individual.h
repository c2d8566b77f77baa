/* SPDX-License-Identifier: MIT
 *
 * individual.h - training of the individual heads: its state, its loss, and their canonical form.
 */
#ifndef MUCMM_INDIVIDUAL_H
#define MUCMM_INDIVIDUAL_H

#include "model/fit_state.h"

/* Finished networks, to be judged. */
typedef struct mucmm__individual_heads {
    mucmm__head head[MUCMM_MAX_VIEWS], decoder[MUCMM_MAX_VIEWS];
} mucmm__individual_heads;

typedef struct mucmm__individual {
    mucmm__part head[MUCMM_MAX_VIEWS], decoder[MUCMM_MAX_VIEWS];
    float *c_train[MUCMM_MAX_VIEWS], *c_held_out[MUCMM_MAX_VIEWS]; /* [rows, k] */
    /* of one batch of at most `rows` rows */
    int64_t rows, features;
    mucmm__tape *head_tape[MUCMM_MAX_VIEWS], *decoder_tape[MUCMM_MAX_VIEWS];
    float *h[MUCMM_MAX_VIEWS], *x[MUCMM_MAX_VIEWS]; /* [rows, p]: clean, noisy */
    float *raw;                                     /* [rows, q] */
    float *joint[MUCMM_MAX_VIEWS];                  /* [rows, k + q]: c beside u */
    float *rebuilt, *d_joint;                       /* [rows, p], [rows, k + q] */
    mucmm__block c[MUCMM_MAX_VIEWS], u[MUCMM_MAX_VIEWS], du[MUCMM_MAX_VIEWS];
    mucmm__block shared; /* mean over views of c */
    mucmm__block denied; /* [rows, k + q of the other views], for one view at a time */
    double *d_denied;
    double *sd[MUCMM_MAX_VIEWS]; /* [q] of the raw outputs on this batch */
    double *omega, *phase, *phi, *phi_std, *phi_sd, *d_phi, *d_phi_std, *d_u, *d_other;
    double beta; /* of the training that is under way */
    /* of the last judging: held-out K_x of each view, its standard deviation if there is no leak,
     * and the sum of the views' reconstruction */
    double leak[MUCMM_MAX_VIEWS], leak_sd[MUCMM_MAX_VIEWS], unexplained;
} mucmm__individual;

/* For batches of f; *n_params and *n_stats of heads and decoders. *w, zero before, has to be
 * dropped even after a failure. */
mucmm_status mucmm__individual_create(mucmm__fit *f, mucmm__individual *w, int64_t *n_params,
                                      int64_t *n_stats);
void mucmm__individual_drop(mucmm__individual *w);
/* Random weights, in t. */
void mucmm__individual_start(mucmm__fit *f, const mucmm__individual *w, mucmm__trainer *t);
void mucmm__individual_heads_drop(mucmm__individual_heads *g);

/* Of mucmm__problem; arg: a mucmm__individual. */
mucmm_status mucmm__individual_step(mucmm__fit *f, mucmm__trainer *t, void *arg,
                                    const int64_t *rows, double *loss);
mucmm_status mucmm__individual_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value);
/* Minus the loss on the held-out rows, in blocks of at most a batch, with the same Fourier
 * features every time so that epochs compare. */
mucmm_status mucmm__individual_judge(mucmm__fit *f, mucmm__individual *w,
                                     const mucmm__individual_heads *g, double *value);

typedef struct mucmm__canonical_moments {
    int64_t k, q;
    double *mean, *cov; /* of [c, v]: [k + q], [k + q, k + q] */
    double *mean_h;     /* [p] */
    double *cross;      /* Cov(h, [c, v]) [p, k + q] */
} mucmm__canonical_moments;

void mucmm__canonical_moments_drop(mucmm__canonical_moments *c);
/* Of the common variates and the outputs of a head of view m, on the training rows. */
mucmm_status mucmm__individual_moments(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                       const mucmm__head *head, mucmm__canonical_moments *c);
/* out->individual, the raw head, is brought into canonical form, with out->mix. */
mucmm_status mucmm__individual_canonical(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                         mucmm__view_heads *out);

#endif
