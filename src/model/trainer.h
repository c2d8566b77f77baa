/* SPDX-License-Identifier: MIT
 *
 * trainer.h - the stages of training, and the state of one. */
#ifndef MUCMM_TRAINER_H
#define MUCMM_TRAINER_H

#include "model/heads.h"

/* Attempts at another weight of the penalty, in the history of models of versions before 0.2. */
#define MUCMM__TUNED 2

typedef enum mucmm__stage {
    MUCMM__STAGE_SKIP = 0,    /* common heads, started at the linear solution */
    MUCMM__STAGE_SCRATCH = 1, /* common heads, started at random              */
    MUCMM__STAGE_RESTART = 2, /* the first of MUCMM_MAX_RESTARTS more of these */
    MUCMM__STAGE_LATER = MUCMM__STAGE_RESTART + MUCMM_MAX_RESTARTS, /* the first of MUCMM__LATER
                                                                       deflated stages */
    MUCMM__STAGE_TRANSPORT = MUCMM__STAGE_LATER + MUCMM__LATER,     /* of the residuals */
    MUCMM__STAGE_INDIVIDUAL,
    MUCMM__STAGE_TUNED, /* the first of MUCMM__TUNED attempts; none is made any more */
    MUCMM__STAGES = MUCMM__STAGE_TUNED + MUCMM__TUNED
} mucmm__stage;

/* Random numbers of a stage: streams from here on, a million of them. In the order in which the
 * kinds of stages came to be, so that none of them changes the others: 1 and 2, 3 the individual
 * heads, 4 to 7 the later stages, 8 the transport, 9 and 10 the attempts at another beta, 11 and
 * above the restarts. */
static inline uint64_t mucmm__stream(int32_t stage)
{
    int32_t number = stage + 1;

    if (stage >= MUCMM__STAGE_TUNED)
        number = 9 + stage - MUCMM__STAGE_TUNED;
    else if (stage == MUCMM__STAGE_INDIVIDUAL)
        number = 3;
    else if (stage == MUCMM__STAGE_TRANSPORT)
        number = 8;
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
    double best; /* value on the choosing rows, higher is better */
    int64_t epoch;
    float *grads, *mask; /* not saved */
    int64_t step;        /* = epoch * steps_per_epoch at epoch boundaries */
} mucmm__trainer;

mucmm_status mucmm__trainer_create(mucmm_ctx *ctx, int64_t n_params, int64_t n_stats,
                                   mucmm__trainer *t);
void mucmm__trainer_drop(mucmm__trainer *t);
/* Of a stage that is over: gives back what only training needs. */
void mucmm__trainer_settle(mucmm__trainer *t);

#endif
