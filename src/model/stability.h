/* SPDX-License-Identifier: MIT
 *
 * stability.h - which components come back in another fit. */
#ifndef MUCMM_STABILITY_H
#define MUCMM_STABILITY_H

#include "correlate/correlate.h"

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
    int64_t *pair;                /* [k] of the last one: the other fit's component ... */
    double *sign;                 /* ... and its sign */
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

#endif
