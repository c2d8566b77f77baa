/* SPDX-License-Identifier: MIT
 *
 * Groups of rows: random orders of whole groups, and the permutations that exchange them.
 * n rows, G groups. */
#include "correlate/exchange.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Correlation within a group of the products of two views that the choice of classes assumes: a
 * group of m rows tells as much as m / (1 + (m - 1) WITHIN) independent ones. */
#define WITHIN 0.1

/* Of the random numbers: groups and their places. */
enum { STREAM_PLACES = 1, STREAM_CLASS = 2 };

/* ---- groups ------------------------------------------------------------------------ */

typedef struct member {
    int64_t group, row;
} member;

/* Rows by group, and where each group begins in them. */
typedef struct grouping {
    int64_t n, count;
    member *by_group; /* [n] */
    int64_t *begin;   /* [count + 1] */
} grouping;

static void grouping_drop(grouping *g)
{
    mucmm__free(g->by_group);
    mucmm__free(g->begin);
}

static int compare_members(const void *a, const void *b)
{
    const member *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static mucmm_status grouping_init(mucmm_ctx *ctx, const int64_t *group, int64_t n, grouping *g)
{
    mucmm_status status = MUCMM_OK;

    *g = (grouping){.n = n};
    TRY(mucmm__alloc(ctx, n, sizeof *g->by_group, &g->by_group));
    TRY(mucmm__alloc(ctx, n + 1, sizeof *g->begin, &g->begin));
    for (int64_t i = 0; i < n; i++)
        g->by_group[i] = (member){group[i], i};
    qsort(g->by_group, (size_t)n, sizeof *g->by_group, compare_members);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || g->by_group[i].group != g->by_group[i - 1].group)
            g->begin[g->count++] = i;
    g->begin[g->count] = n;
done:
    return status;
}

static int64_t group_size(const grouping *g, int64_t i)
{
    return g->begin[i + 1] - g->begin[i];
}

mucmm_status mucmm__groups_of(mucmm_ctx *ctx, const int64_t *groups, const int64_t *rows, int64_t n,
                              int64_t **group)
{
    mucmm_status status = MUCMM_OK;

    *group = NULL;
    if (!groups)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n, sizeof **group, group));
    for (int64_t i = 0; i < n; i++)
        (*group)[i] = groups[rows ? rows[i] : i];
done:
    return status;
}

mucmm_status mucmm__group_count(mucmm_ctx *ctx, const int64_t *group, int64_t n, int64_t *count)
{
    mucmm_status status = MUCMM_OK;
    grouping g = {0};

    *count = n;
    if (!group)
        return MUCMM_OK;
    TRY(grouping_init(ctx, group, n, &g));
    *count = g.count;
done:
    grouping_drop(&g);
    return status;
}

mucmm_status mucmm__group_order(mucmm_ctx *ctx, const int64_t *group, int64_t n, uint64_t key,
                                int64_t *order)
{
    mucmm_status status = MUCMM_OK;
    grouping g = {0};
    int64_t *perm = NULL, at = 0;

    if (!group) {
        mucmm__rng_permutation(key, order, n);
        return MUCMM_OK;
    }
    TRY(grouping_init(ctx, group, n, &g));
    TRY(mucmm__alloc(ctx, g.count, sizeof *perm, &perm));
    mucmm__rng_permutation(key, perm, g.count);
    for (int64_t i = 0; i < g.count; i++)
        for (int64_t j = g.begin[perm[i]]; j < g.begin[perm[i] + 1]; j++)
            order[at++] = g.by_group[j].row;
done:
    mucmm__free(perm);
    grouping_drop(&g);
    return status;
}

int64_t mucmm__group_cut(const int64_t *group, const int64_t *order, int64_t least, int64_t most,
                         int64_t at)
{
    int64_t before = at, after = at;

    if (!group || at <= least || at >= most)
        return at < least ? least : at > most ? most : at;
    while (before > least && group[order[before - 1]] == group[order[before]])
        before--;
    while (after < most && group[order[after - 1]] == group[order[after]])
        after++;
    return at - before <= after - at ? before : after;
}

/* ---- classes of like size ---------------------------------------------------------- */

/* Groups by size, and the classes of neighbouring sizes: of those that end before size i the best
 * are worth value[i], and the last of them begins at size from[i]. */
typedef struct sizes {
    const grouping *g;
    int64_t *by_size;      /* [G] groups, ascending; of one size at random */
    int64_t n, *at, *from; /* [n + 1] where each size begins in by_size; */
    double *value;         /* [n + 1] */
} sizes;

static void sizes_drop(sizes *s)
{
    mucmm__free(s->by_size);
    mucmm__free(s->at);
    mucmm__free(s->from);
    mucmm__free(s->value);
}

static mucmm_status sizes_init(mucmm_ctx *ctx, const grouping *g, sizes *s)
{
    mucmm_status status = MUCMM_OK;
    member *order = NULL;

    s->g = g;
    TRY(mucmm__alloc(ctx, g->count, sizeof *order, &order));
    TRY(mucmm__alloc(ctx, g->count, sizeof *s->by_size, &s->by_size));
    TRY(mucmm__alloc(ctx, g->count + 1, sizeof *s->at, &s->at));
    TRY(mucmm__alloc(ctx, g->count + 1, sizeof *s->from, &s->from));
    TRY(mucmm__alloc(ctx, g->count + 1, sizeof *s->value, &s->value));
    for (int64_t i = 0; i < g->count; i++)
        order[i] = (member){group_size(g, i), i};
    qsort(order, (size_t)g->count, sizeof *order, compare_members);
    for (int64_t i = 0; i < g->count; i++) {
        s->by_size[i] = order[i].row;
        if (i == 0 || order[i].group != order[i - 1].group)
            s->at[s->n++] = i;
    }
    s->at[s->n] = g->count;
done:
    mucmm__free(order);
    return status;
}

/* A class of b groups of m rows has b - 1 groups' worth of freedom; one group alone has none. Few
 * sizes or many: n^2 / 2 sums, and sizes are at most sqrt(2 rows). */
static void choose_classes(sizes *s)
{
    for (int64_t last = 1; last <= s->n; last++) {
        s->value[last] = -1;
        for (int64_t first = 0; first < last; first++) {
            double m = (double)group_size(s->g, s->by_size[s->at[first]]);
            double freedom = (double)(s->at[last] - s->at[first] - 1);
            double value = s->value[first] + freedom * m / (1 + (m - 1) * WITHIN);
            if (value > s->value[last]) {
                s->value[last] = value;
                s->from[last] = first;
            }
        }
    }
}

/* ---- the permutations -------------------------------------------------------------- */

void mucmm__exchange_free(mucmm__exchange *e)
{
    if (!e)
        return;
    mucmm__free(e->row);
    mucmm__free(e->begin);
    mucmm__free(e->class_at);
    mucmm__free(e->size);
    mucmm__free(e);
}

/* The classes, largest groups first; begin holds numbers of groups for now. A group alone in its
 * class takes no part. */
static void take_classes(mucmm__exchange *e, const sizes *s)
{
    for (int64_t last = s->n; last > 0; last = s->from[last]) {
        int64_t first = s->at[s->from[last]], end = s->at[last];
        if (end - first < 2)
            continue;
        e->size[e->n_classes] = group_size(s->g, s->by_size[first]);
        for (int64_t i = first; i < end; i++)
            e->begin[e->n_blocks++] = s->by_size[i];
        e->class_at[++e->n_classes] = e->n_blocks;
        e->log_ways += lgamma((double)(end - first) + 1);
    }
}

/* Rows of the groups in begin, which becomes their places, in random order. */
static mucmm_status place_rows(mucmm_ctx *ctx, mucmm__exchange *e, const grouping *g, uint64_t key)
{
    mucmm_status status = MUCMM_OK;
    int64_t *perm = NULL, *class = NULL;

    TRY(mucmm__alloc(ctx, e->n_blocks, sizeof *perm, &perm));
    TRY(mucmm__alloc(ctx, e->n_blocks, sizeof *class, &class));
    for (int64_t c = 0; c < e->n_classes; c++)
        for (int64_t b = e->class_at[c]; b < e->class_at[c + 1]; b++)
            class[b] = c;
    mucmm__rng_permutation(mucmm__rng_key(key, STREAM_PLACES), perm, e->n_blocks);
    for (int64_t i = 0; i < e->n_blocks; i++) {
        int64_t first = g->begin[e->begin[perm[i]]];
        e->begin[perm[i]] = e->n;
        for (int64_t j = 0; j < e->size[class[perm[i]]]; j++)
            e->row[e->n++] = g->by_group[first + j].row;
    }
done:
    mucmm__free(perm);
    mucmm__free(class);
    return status;
}

mucmm_status mucmm__exchange_create(mucmm_ctx *ctx, const int64_t *group, int64_t n, uint64_t key,
                                    mucmm__exchange **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__exchange *e = NULL;
    grouping g = {0};
    sizes s = {0};

    *out = NULL;
    if (!group)
        return MUCMM_OK;
    TRY(grouping_init(ctx, group, n, &g));
    TRY(sizes_init(ctx, &g, &s));
    choose_classes(&s);
    TRY(mucmm__alloc(ctx, 1, sizeof *e, &e));
    e->rows = n;
    e->groups = g.count;
    TRY(mucmm__alloc(ctx, n, sizeof *e->row, &e->row));
    TRY(mucmm__alloc(ctx, g.count, sizeof *e->begin, &e->begin));
    TRY(mucmm__alloc(ctx, s.n + 1, sizeof *e->class_at, &e->class_at));
    TRY(mucmm__alloc(ctx, s.n, sizeof *e->size, &e->size));
    take_classes(e, &s);
    if (mucmm__exchange_enough(e))
        TRY(place_rows(ctx, e, &g, key));
    else
        TRY(mucmm__group_order(ctx, group, e->n = n, key, e->row));
    *out = e;
    e = NULL;
done:
    mucmm__exchange_free(e);
    sizes_drop(&s);
    grouping_drop(&g);
    return status;
}

bool mucmm__exchange_enough(const mucmm__exchange *e)
{
    return !e || e->log_ways > log(MUCMM__LEAST_WAYS - 0.5);
}

/* Fisher-Yates of each class, whole groups at a time. */
void mucmm__exchange_draw(const mucmm__exchange *e, uint64_t key, int64_t *perm, int64_t n)
{
    if (!e) {
        mucmm__rng_permutation(key, perm, n);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        perm[i] = i;
    key = mucmm__rng_key(key, STREAM_CLASS);
    for (int64_t c = 0; c < e->n_classes; c++)
        for (int64_t b = e->class_at[c + 1] - 1; b > e->class_at[c]; b--) {
            int64_t within = b - e->class_at[c];
            int64_t j = (int64_t)(mucmm__rng_uniform(key, (uint64_t)b) * (double)(within + 1));
            int64_t *one = perm + e->begin[b], *other = perm + e->begin[e->class_at[c] + j];
            for (int64_t i = 0; i < e->size[c]; i++) {
                int64_t t = one[i];
                one[i] = other[i];
                other[i] = t;
            }
        }
}

const char *mucmm__exchange_note(const mucmm__exchange *e, char out[MUCMM__EXCHANGE_NOTE])
{
    int64_t least = e->n_classes > 0 ? e->size[e->n_classes - 1] : 0;

    if (!mucmm__exchange_enough(e))
        snprintf(out, MUCMM__EXCHANGE_NOTE,
                 "%" PRId64 " groups of rows can be exchanged for others of their size in %.0f "
                 "ways; a p-value needs at least %d: there is no test",
                 e->groups, exp(e->log_ways), MUCMM__LEAST_WAYS);
    else if (e->n == e->rows && e->n_classes == 1)
        snprintf(out, MUCMM__EXCHANGE_NOTE,
                 "%" PRId64 " groups of %" PRId64 " rows are exchanged for each other", e->groups,
                 least);
    else
        snprintf(out, MUCMM__EXCHANGE_NOTE,
                 "%" PRId64 " of %" PRId64 " groups are exchanged for others of like size (%" PRId64
                 " sizes, %" PRId64 " to %" PRId64 " rows), by %" PRId64 " of %" PRId64 " rows",
                 e->n_blocks, e->groups, e->n_classes, least, e->size[0], e->n, e->rows);
    return out;
}
