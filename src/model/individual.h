/* SPDX-License-Identifier: MIT
 *
 * individual.h - the individual variates: their candidates, the training of these, their canonical
 * form. */
#ifndef MUCMM_INDIVIDUAL_H
#define MUCMM_INDIVIDUAL_H

#include "model/fit_state.h"

/* The outputs of one candidate, before the canonical form:
 *   v = head(h) + T(r; c), T by net; without outputs, head adds nothing, and T leaves r as it is.
 */
typedef struct mucmm__individual_heads {
    mucmm__head head[MUCMM_MAX_VIEWS], net[MUCMM_MAX_VIEWS], decoder[MUCMM_MAX_VIEWS];
} mucmm__individual_heads;

typedef struct mucmm__individual {
    mucmm__part head[MUCMM_MAX_VIEWS], net[MUCMM_MAX_VIEWS], decoder[MUCMM_MAX_VIEWS];
    mucmm__transport base[MUCMM_MAX_VIEWS]; /* its residual and mix alone */
    /* by mucmm__rows: [rows, k], [rows, q] */
    float *c_all[2][MUCMM_MAX_VIEWS], *r_all[2][MUCMM_MAX_VIEWS];
    /* of one batch of at most `rows` rows */
    int64_t rows, features;
    mucmm__tape *head_tape[MUCMM_MAX_VIEWS], *net_tape[MUCMM_MAX_VIEWS],
        *decoder_tape[MUCMM_MAX_VIEWS];
    float *h[MUCMM_MAX_VIEWS], *x[MUCMM_MAX_VIEWS]; /* [rows, p]: clean, noisy */
    float *c32[MUCMM_MAX_VIEWS], *r[MUCMM_MAX_VIEWS], *o[MUCMM_MAX_VIEWS]; /* [rows, k], [rows, q],
                                                                              [rows, width] */
    float *raw, *t, *d_o;          /* [rows, q], [rows, width] */
    float *joint[MUCMM_MAX_VIEWS]; /* [rows, k + q]: c beside u */
    float *rebuilt, *d_joint;      /* [rows, p], [rows, k + q] */
    mucmm__block c[MUCMM_MAX_VIEWS], u[MUCMM_MAX_VIEWS], du[MUCMM_MAX_VIEWS];
    /* [rows, e]: what every reader is denied: the mean over the views of c, and psi of it. K_x is a
     * mean over columns; scaled so, it is the sum of its values for either block. */
    mucmm__block shared;
    mucmm__psi psi;
    double *mean_c, *psi_raw, *psi_sd; /* [rows, k], [rows, e], [e] */
    mucmm__block denied; /* [rows, e + q of the other views], for one view at a time */
    double *d_denied;
    /* [q], [q, q] of the raw outputs: what whitens them, by this batch or by training rows */
    double *mean[MUCMM_MAX_VIEWS], *inverse[MUCMM_MAX_VIEWS];
    mucmm__kernel_penalty *kernel;
    double *omega, *phase, *phi, *phi_std, *phi_sd, *d_u, *d_other;
    double beta; /* of the training that is under way */
    /* of the last judging: held-out K_x of each view, its standard deviation if there is no leak,
     * and the sum of the views' reconstruction */
    double leak[MUCMM_MAX_VIEWS], leak_sd[MUCMM_MAX_VIEWS], unexplained;
} mucmm__individual;

/* For batches of f; *n_params and *n_stats of heads, nets and decoders. *w, zero before, has to be
 * dropped even after a failure. */
mucmm_status mucmm__individual_create(mucmm__fit *f, mucmm__individual *w, int64_t *n_params,
                                      int64_t *n_stats);
void mucmm__individual_drop(mucmm__individual *w);
/* In t: heads that add nothing, and nets as those of from, whose parts are laid out as in nets. */
void mucmm__individual_start(mucmm__fit *f, const mucmm__individual *w, const mucmm__part *nets,
                             const mucmm__trainer *from, mucmm__trainer *t);
void mucmm__individual_heads_drop(mucmm__individual_heads *g);

/* individual_canonical.c: base[m] of w: the q leading directions of what c leaves of h, variance 1
 * each; of more than two views behind the closed form its own, which lose every view's c. */
mucmm_status mucmm__individual_residual(mucmm__fit *f, mucmm__individual *w, int32_t m);

/* fit_transport.c: the nets of all views by maximum likelihood, in the trainer of their stage;
 * parts: where each lies in it. */
mucmm_status mucmm__fit_transport(mucmm__fit *f, mucmm__individual *w,
                                  mucmm__part parts[MUCMM_MAX_VIEWS]);

/* Of mucmm__problem; arg: a mucmm__individual. */
mucmm_status mucmm__individual_step(mucmm__fit *f, mucmm__trainer *t, void *arg,
                                    const int64_t *rows, double *loss);
mucmm_status mucmm__individual_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value);
/* Minus the loss on the held-out rows, in blocks of at most a batch, with the same Fourier
 * features every time so that epochs compare. Without decoders the reconstruction is not taken. */
mucmm_status mucmm__individual_judge(mucmm__fit *f, mucmm__individual *w,
                                     const mucmm__individual_heads *g, double *value);
/* v [n, q] of view m, from h [n, p], c [n, k] and r [n, q]. */
mucmm_status mucmm__individual_outputs(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                       const mucmm__individual_heads *g, int64_t n, const float *h,
                                       const float *c, const float *r, float *v);

/* The candidate becomes view m's individual part in out, in canonical form. head and net of g are
 * used up. */
mucmm_status mucmm__individual_canonical(mucmm__fit *f, mucmm__individual *w, int32_t m,
                                         mucmm__individual_heads *g, mucmm__view_heads *out);

#endif
