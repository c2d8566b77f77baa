/* SPDX-License-Identifier: MIT
 *
 * joint.h - the joint moments of the common variates of all views. */
#ifndef MUCMM_JOINT_H
#define MUCMM_JOINT_H

#include "core/core.h"

/* What views that are there say of one that is missing: moments of the common variates of all
 * views side by side, w = M k of them. NULL in files of earlier versions and for w above
 * MUCMM__COVARIANCE_MAX. */
typedef struct mucmm__joint {
    double *mean;     /* [w] on the training rows                                      */
    double *train;    /* [w, w] covariance there                                       */
    double *held_out; /* [w, w] mean products of deviations from that mean, held-out rows */
    /* The variates of some rows, by mucmm_rows [sampled, w]: errors of predictions and scores of
     * new rows are compared with theirs. None in files of earlier versions. */
    int64_t sampled[2];
    float *sample[2];
} mucmm__joint;

/* Rows of either kind, at most, and numbers in them. */
enum { MUCMM__MOST_SAMPLED = 1000, MUCMM__MOST_SAMPLED_NUMBERS = 200000 };

mucmm_status mucmm__joint_alloc(mucmm_ctx *ctx, int64_t w, mucmm__joint *joint);
void mucmm__joint_drop(mucmm__joint *joint);

/* For the variates c[m] [n, k] of the training rows, then of the held-out ones. */
mucmm_status mucmm__joint_keep(mucmm_ctx *ctx, const mucmm_model *m, mucmm_rows rows, int64_t n,
                               float *const *c, mucmm__joint *joint);

#endif
