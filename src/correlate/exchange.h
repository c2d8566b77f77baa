/* SPDX-License-Identifier: MIT
 *
 * exchange.h - groups of rows (a subject, a site, a video): rows of one are not independent of each
 * other, so that splits draw whole groups, and a permutation exchanges whole groups of one size. */
#ifndef MUCMM_EXCHANGE_H
#define MUCMM_EXCHANGE_H

#include "core/core.h"

/* order [n]: the rows 0..n-1 at random, each group's rows side by side and ascending. group [n] of
 * each row; NULL: every row its own. */
mucmm_status mucmm__group_order(mucmm_ctx *ctx, const int64_t *group, int64_t n, uint64_t key,
                                int64_t *order);
/* The place in an order nearest to `at` where a group begins or all end, of those from `least` on
 * to `most`, which are such places; at itself without groups. */
int64_t mucmm__group_cut(const int64_t *group, const int64_t *order, int64_t least, int64_t most,
                         int64_t at);
/* Of rows[0..n) (NULL: the first n) the groups, of those of all rows; *group is NULL if groups is,
 * else the caller's to free. */
mucmm_status mucmm__groups_of(mucmm_ctx *ctx, const int64_t *groups, const int64_t *rows, int64_t n,
                              int64_t **group);
/* How many groups there are; n without. */
mucmm_status mucmm__group_count(mucmm_ctx *ctx, const int64_t *group, int64_t n, int64_t *count);

/* The permutations under which n rows of independent views are distributed as they are: whole
 * groups of one size for each other, rows of a group in their order (multi-level block permutation:
 * Winkler et al. 2015, NeuroImage 123:253-268). Groups of different sizes are gathered into classes
 * of like size, and tested by as many of their first rows as the smallest group of the class has:
 * that is exact too. The classes are those that keep most of the information. */
typedef struct mucmm__exchange {
    int64_t rows, groups;     /* given */
    int64_t n, *row;          /* [n] rows that are tested, groups in random order */
    int64_t n_blocks, *begin; /* [n_blocks] where groups begin in row, those of a class together */
    int64_t n_classes, *class_at; /* [n_classes + 1] into begin */
    int64_t *size;                /* [n_classes] rows of a group */
    double log_ways;              /* of the number of permutations */
} mucmm__exchange;

/* Fewer permutations than this have no p <= 0.05. */
#define MUCMM__LEAST_WAYS 20

/* group NULL: *out = NULL, which all below take for rows that are exchanged freely. */
mucmm_status mucmm__exchange_create(mucmm_ctx *ctx, const int64_t *group, int64_t n, uint64_t key,
                                    mucmm__exchange **out);
void mucmm__exchange_free(mucmm__exchange *e);
/* Are there permutations enough for a test? If not, row has all rows. */
bool mucmm__exchange_enough(const mucmm__exchange *e);
/* perm [n] of the tested rows; n = e->n if there is e. A function of the key. */
void mucmm__exchange_draw(const mucmm__exchange *e, uint64_t key, int64_t *perm, int64_t n);
/* What is exchanged, in a sentence without a full stop. */
#define MUCMM__EXCHANGE_NOTE 256
const char *mucmm__exchange_note(const mucmm__exchange *e, char out[MUCMM__EXCHANGE_NOTE]);

#endif
