/* SPDX-License-Identifier: MIT
 *
 * train.h - the loop that every trained stage shares. */
#ifndef MUCMM_TRAIN_H
#define MUCMM_TRAIN_H

#include "model/fit_state.h"

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
    double rate;   /* times the learning rate */
    double decay;  /* times the weight decay; 0: 1 */
    int64_t batch; /* rows of a step; 0: as the fit's */
} mucmm__problem;

/* Trains t from its epoch to problem->epochs, with checkpoints. */
mucmm_status mucmm__train(mucmm__fit *f, int32_t stage, const mucmm__problem *problem);

#endif
