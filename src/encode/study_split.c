/* SPDX-License-Identifier: MIT
 *
 * study_split.c - which rows of a study are for training and which for the test, by groups. */
#include "encode/study.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_SPLIT 7

typedef struct group {
    int64_t first, rows; /* row that stands for the group; how many it has */
    uint64_t order;
} group;

static int compare_groups(const void *a, const void *b)
{
    const group *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static const char *split_cell(const void *arg, int64_t i)
{
    const mucmm_study *s = arg;

    return mucmm__strings_cell(&s->table, i, s->split_column);
}

/* leader [n]: the first row of each row's group. */
static mucmm_status find_groups(mucmm_ctx *ctx, const mucmm_study *s, int64_t *leader,
                                group *groups, int64_t *n_groups)
{
    mucmm_status status = MUCMM_OK;
    uint64_t key = mucmm__rng_key((uint64_t)s->split_seed, STREAM_SPLIT), hash;
    mucmm__index index = {0};
    bool grouped = s->split_column >= 0;

    if (grouped)
        TRY(mucmm__index_init(ctx, &index, s->n, split_cell, s));
    *n_groups = 0;
    for (int64_t i = 0; i < s->n; i++) {
        int64_t before = grouped ? mucmm__index_insert(&index, i) : -1;
        const char *cell = grouped ? split_cell(s, i) : "";
        leader[i] = before < 0 ? i : before;
        groups[i].rows = 0;
        if (before < 0) {
            hash = grouped ? mucmm__hash(MUCMM__HASH_START, cell, strlen(cell)) : (uint64_t)i;
            groups[i].first = i;
            groups[i].order = mucmm__rng_bits(key, hash);
            ++*n_groups;
        }
        groups[leader[i]].rows++;
    }
done:
    mucmm__index_drop(&index);
    return status;
}

/* Whole groups, in an order that depends on the seed and their names alone, go to the test part
 * until it has its share; at least one stays for training. */
mucmm_status mucmm__study_split(mucmm_ctx *ctx, mucmm_study *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t *leader = NULL, n_groups, taken = 0, k = 0;
    group *groups = NULL;

    TRY(mucmm__alloc(ctx, s->n, sizeof *s->test, &s->test));
    TRY(mucmm__alloc(ctx, s->n, sizeof *leader, &leader));
    TRY(mucmm__alloc(ctx, s->n, sizeof *groups, &groups));
    TRY(find_groups(ctx, s, leader, groups, &n_groups));
    if (n_groups < 2)
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE,
                        "%s: 'split': all rows are in one group; at least two "
                        "are needed",
                        s->path));
    for (int64_t i = 0; i < s->n; i++)
        if (groups[i].rows > 0)
            groups[k++] = groups[i];
    qsort(groups, (size_t)n_groups, sizeof *groups, compare_groups);
    for (k = 0; k + 1 < n_groups && (double)taken < s->split_test * (double)s->n; k++) {
        s->test[groups[k].first] = true;
        taken += groups[k].rows;
    }
    for (int64_t i = 0; i < s->n; i++)
        s->test[i] = s->test[leader[i]];
done:
    mucmm__free(leader);
    mucmm__free(groups);
    return status;
}

mucmm_status mucmm__study_list_rows(mucmm_ctx *ctx, mucmm_study *s)
{
    mucmm_status status = MUCMM_OK;

    for (int part = 0; part < 3; part++)
        TRY(mucmm__alloc(ctx, s->n, sizeof *s->rows[part], &s->rows[part]));
    for (int64_t i = 0; i < s->n; i++) {
        int part = s->has_split && s->test[i] ? MUCMM_PART_TEST : MUCMM_PART_TRAIN;
        if (s->bad[i]) {
            s->skipped++;
            continue;
        }
        s->rows[MUCMM_PART_ALL][s->n_rows[MUCMM_PART_ALL]++] = i;
        if (s->has_split)
            s->rows[part][s->n_rows[part]++] = i;
    }
    if (s->skipped)
        mucmm__warn(ctx, "%s: %" PRId64 " of %" PRId64 " rows cannot be read and are left out",
                    s->path, s->skipped, s->n);
done:
    return status;
}
