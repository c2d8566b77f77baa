/* SPDX-License-Identifier: MIT
 *
 * Scores while cells are taken away or put back in the order of a map. */
#include "explain/deletion.h"

#include "encode/encoded.h"
#include "explain/baseline.h"
#include "explain/faults.h"
#include "explain/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STEPS (MUCMM_CURVE_POINTS - 1)
#define RANDOM_ORDERS 5

typedef struct keyed {
    double key;
    int64_t place, unit; /* place in a random order: ties do not follow the columns */
} keyed;

/* The way of one sample from itself to its baseline. */
typedef struct removal {
    const mucmm__samples *s;
    mucmm__samples at; /* the sample, for each point */
    mucmm__baselines baselines;
    mucmm__units units;
    float *x, *base;   /* [cols]               */
    float *points, *h; /* [POINTS, cols], [, p] */
    double *sums;      /* [units.n] of the map */
    keyed *order;      /* [units.n]            */
    int64_t *perm;     /* [units.n]            */
    int64_t *step;     /* [units.n] at which a unit is replaced, from 1 */
    double end[2];     /* score of the sample, of the baseline          */
    int64_t rows[MUCMM_CURVE_POINTS];
} removal;

static mucmm_status removal_alloc(mucmm_ctx *ctx, removal *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = r->s;
    int64_t units = r->units.n;

    TRY(mucmm__alloc(ctx, s->cols, sizeof *r->x, &r->x));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *r->base, &r->base));
    TRY(mucmm__alloc(ctx, MUCMM_CURVE_POINTS * s->cols, sizeof *r->points, &r->points));
    TRY(mucmm__alloc(ctx, MUCMM_CURVE_POINTS * s->m->view[s->view].p, sizeof *r->h, &r->h));
    TRY(mucmm__alloc(ctx, units, sizeof *r->sums, &r->sums));
    TRY(mucmm__alloc(ctx, units, sizeof *r->order, &r->order));
    TRY(mucmm__alloc(ctx, units, sizeof *r->perm, &r->perm));
    TRY(mucmm__alloc(ctx, units, sizeof *r->step, &r->step));
    if (s->others)
        TRY(mucmm__alloc(ctx, MUCMM_CURVE_POINTS * s->m->k, sizeof *r->at.others, &r->at.others));
done:
    return status;
}

static void removal_drop(removal *r)
{
    mucmm__baselines_drop(&r->baselines);
    mucmm__free(r->at.others);
    mucmm__free(r->x);
    mucmm__free(r->base);
    mucmm__free(r->points);
    mucmm__free(r->h);
    mucmm__free(r->sums);
    mucmm__free(r->order);
    mucmm__free(r->perm);
    mucmm__free(r->step);
}

/* ---- scores ------------------------------------------------------------------------ */

static mucmm_status score_points(mucmm_ctx *ctx, removal *r, int64_t n, double *scores)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = r->s;
    const mucmm__view_info *v = &s->m->view[s->view];

    if (s->encoded) {
        TRY(mucmm__encoded_features(ctx, s->data[s->view], r->rows, n, r->points, r->h));
        TRY(mucmm__scale_features(ctx, v, s->data[s->view], r->rows, n, r->h));
    } else
        memcpy(r->h, r->points, (size_t)(n * s->cols) * sizeof *r->h);
    TRY(mucmm__samples_score(ctx, &r->at, 0, n, r->h, scores, NULL));
done:
    return status;
}

static mucmm_status enter_sample(mucmm_ctx *ctx, removal *r, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = r->s;
    size_t bytes = (size_t)s->cols * sizeof *r->x;
    int64_t k = s->m->k;

    for (int64_t t = 0; t < MUCMM_CURVE_POINTS; t++) {
        r->rows[t] = s->rows[i];
        if (s->others)
            memcpy(r->at.others + t * k, s->others + i * k, (size_t)k * sizeof *s->others);
    }
    if (s->encoded)
        TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows + i, 1,
                                &(mucmm_mat){r->x, 1, s->cols, s->cols}));
    else
        memcpy(r->x, s->h + i * s->cols, bytes);
    TRY(mucmm__baseline(ctx, &r->baselines, i, r->x, r->base));
    memcpy(r->points, r->x, bytes);
    memcpy(r->points + s->cols, r->base, bytes);
    TRY(score_points(ctx, r, 2, r->end));
done:
    return status;
}

/* ---- orders ------------------------------------------------------------------------ */

static int compare_keyed(const void *a, const void *b)
{
    const keyed *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? 1 : -1;
    return (x->place > y->place) - (x->place < y->place);
}

/* r->step of the order in which the map puts the units, by magnitude: with signs, what raises the
 * score would be taken away before what lowers it, and the curve would say how much cancels. map
 * NULL: in random order. */
static void choose_order(removal *r, const float *map, uint64_t key)
{
    int64_t n = r->units.n;

    mucmm__rng_permutation(key, r->perm, n);
    if (map)
        mucmm__unit_sums(&r->units, map, r->sums);
    for (int64_t i = 0; i < n; i++) {
        r->order[i] = (keyed){map ? fabs(r->sums[i]) : 0, r->perm[i], i};
    }
    qsort(r->order, (size_t)n, sizeof *r->order, compare_keyed);
    for (int64_t i = 0; i < n; i++) /* step t replaces the units below t n / STEPS */
        r->step[r->order[i].unit] = i * STEPS / n + 1;
}

/* Adds the sample's curve to value [MUCMM_CURVE_POINTS]. */
static mucmm_status add_curve(mucmm_ctx *ctx, removal *r, bool insert, double *value)
{
    mucmm_status status = MUCMM_OK;
    int64_t cols = r->s->cols;
    const float *from = insert ? r->base : r->x, *to = insert ? r->x : r->base;
    double scores[MUCMM_CURVE_POINTS], sign = r->end[0] < r->end[1] ? -1 : 1;

    for (int64_t t = 0; t < MUCMM_CURVE_POINTS; t++)
        for (int64_t j = 0; j < cols; j++)
            r->points[t * cols + j] = (r->step[mucmm__unit(&r->units, j)] <= t ? to : from)[j];
    TRY(score_points(ctx, r, MUCMM_CURVE_POINTS, scores));
    for (int64_t t = 0; t < MUCMM_CURVE_POINTS; t++)
        value[t] += sign * (scores[t] - r->end[1]);
done:
    return status;
}

/* Trapezoids. */
static double area_of(const double *value)
{
    double sum = (value[0] + value[STEPS]) / 2;

    for (int64_t t = 1; t < STEPS; t++)
        sum += value[t];
    return sum / STEPS;
}

static void finish_curve(mucmm_curve *c, double *random, double total)
{
    for (int64_t t = 0; t < MUCMM_CURVE_POINTS; t++) {
        c->value[t] = total > 0 ? c->value[t] / total : NAN;
        random[t] = total > 0 ? random[t] / (total * RANDOM_ORDERS) : NAN;
    }
    c->area = area_of(c->value);
    c->random = area_of(random);
}

mucmm_status mucmm__deletion(mucmm_ctx *ctx, const mucmm__samples *s, const mucmm_cmat *maps,
                             uint64_t seed, mucmm_curve *deletion, mucmm_curve *insertion)
{
    mucmm_status status = MUCMM_OK;
    removal r = {.s = s, .at = *s, .units = mucmm__units_of(s->data[s->view])};
    double random[2][MUCMM_CURVE_POINTS] = {{0}}, total = 0;
    mucmm_curve *curve[2] = {deletion, insertion};

    r.at.others = NULL;
    *deletion = *insertion = (mucmm_curve){.area = 0};
    TRY(removal_alloc(ctx, &r));
    TRY(mucmm__baselines_start(ctx, s, &r.baselines));
    for (int64_t i = 0; i < s->n; i++) {
        uint64_t key = mucmm__rng_key(seed, (uint64_t)s->rows[i]);
        TRY(mucmm__progress(ctx, "deletion and insertion", i, s->n, NULL));
        TRY(enter_sample(ctx, &r, i));
        if (mucmm__state_of_map(maps->data + i * maps->stride, s->cols) == MUCMM__MAP_NONE ||
            !isfinite(r.end[0]) || !isfinite(r.end[1]))
            continue; /* no order, or no way */
        total += fabs(r.end[0] - r.end[1]);
        choose_order(&r, maps->data + i * maps->stride, key);
        for (int c = 0; c < 2; c++)
            TRY(add_curve(ctx, &r, c == 1, curve[c]->value));
        for (uint64_t o = 1; o <= RANDOM_ORDERS; o++) {
            choose_order(&r, NULL, mucmm__rng_key(key, o));
            for (int c = 0; c < 2; c++)
                TRY(add_curve(ctx, &r, c == 1, random[c]));
        }
    }
    for (int c = 0; c < 2; c++)
        finish_curve(curve[c], random[c], total);
    TRY(mucmm__progress(ctx, "deletion and insertion", s->n, s->n, NULL));
done:
    removal_drop(&r);
    return status;
}
