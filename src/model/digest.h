/* SPDX-License-Identifier: MIT
 *
 * digest.h - hashes of the rows of a fit, by which a model knows them again (section 5 of the
 * method). */
#ifndef MUCMM_DIGEST_H
#define MUCMM_DIGEST_H

#include "core/core.h"

/* The rows that trained or chose something, then those that were held out. */
typedef struct mucmm__digest {
    int64_t fitted, held_out; /* fitted 0: not known, in files of earlier versions */
    /* [fitted + held_out]: a hash of a row's values, 0 if it lacks the view; a sum of its scaled
     * values, for rows that were rounded; a hash of its key, NULL if there are none. */
    uint32_t *view[MUCMM_MAX_VIEWS];
    float *sketch[MUCMM_MAX_VIEWS];
    uint32_t *key;
    int64_t n_groups; /* of the fitted rows; 0: they were not given */
    uint32_t *group;  /* [2 n_groups] their numbers, high and low half, ascending */
    bool counting;    /* the keys only count: 1, 2, 3 or s01, s02, s03 */
} mucmm__digest;

/* How a view is scaled: h = (x - origin - mean) / scale, [p]; origin NULL = 0. */
typedef struct mucmm__scaling {
    const double *mean, *scale, *origin;
} mucmm__scaling;

/* Of rows fitted [n_fitted] and held_out [n_held_out] of the views of a fit. *d has to be dropped
 * even after a failure. */
mucmm_status mucmm__digest_make(mucmm_ctx *ctx, int32_t n_views, const mucmm_data *const *data,
                                const mucmm__scaling *scaling, const int64_t *fitted,
                                int64_t n_fitted, const int64_t *held_out, int64_t n_held_out,
                                mucmm__digest *d);
/* And of their groups [all rows]; NULL: none. */
mucmm_status mucmm__digest_groups(mucmm_ctx *ctx, const int64_t *groups, const int64_t *fitted,
                                  int64_t n_fitted, mucmm__digest *d);
/* Is that one of them? */
bool mucmm__digest_has_group(const mucmm__digest *d, int64_t group);
void mucmm__digest_drop(mucmm__digest *d);

/* What each of the rows of data [n_views] (NULL: a view that is not given) is: kind [n] of
 * mucmm_row_kind. Warns of keys that speak against the values. */
mucmm_status mucmm__digest_recognize(mucmm_ctx *ctx, const mucmm__digest *d, int32_t n_views,
                                     const mucmm__scaling *scaling, const mucmm_data *const *data,
                                     int64_t n, unsigned char *kind, mucmm_recognition *how);

#endif
