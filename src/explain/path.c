/* SPDX-License-Identifier: MIT
 *
 * path.c - gradients at many points around each sample, and their weighted sum. Points lie in the
 * scaled columns, or in the raw input of encoded data. */
#include "explain/path.h"

#include "encode/encoded.h"
#include "explain/baseline.h"

#include <math.h>
#include <string.h>

/* Heads always take so many points, some of them empty, and each has its place among them: what
 * comes out for one does not depend on how many go through the encoder together. */
#define POINTS 32
/* Through an encoder: activations of more points leave the caches. */
#define ENCODED_POINTS 8

typedef struct path {
    const mucmm__samples *s;
    mucmm__samples at; /* the sample, for each of POINTS */
    mucmm__baselines baselines;
    int64_t n, batch;      /* points; how many at a time */
    double *node, *weight; /* [n]: where on the way from the baseline (0) to the sample (1) */
    int64_t i;             /* of the sample */
    double sigma;          /* of the noise */
    uint64_t key;
    float *x, *base;       /* [cols]        */
    float *points, *grads; /* [batch, cols] */
    double *sum;           /* [cols]        */
    int64_t place;         /* of the first point at hand among POINTS */
    float *h, *dh;         /* [POINTS, p]   */
    int64_t rows[POINTS];
} path;

static bool integrates(const mucmm__samples *s)
{
    return s->p->map == MUCMM_MAP_INTEGRATED_GRADIENTS;
}

/* ---- Gauss-Legendre -----------------------------------------------------------------------------
 */

/* Value and derivative of the Legendre polynomial of degree n. */
static double legendre(int64_t n, double x, double *slope)
{
    double before = 1, now = x;

    for (int64_t k = 2; k <= n; k++) {
        double next = ((double)(2 * k - 1) * x * now - (double)(k - 1) * before) / (double)k;
        before = now;
        now = next;
    }
    *slope = (double)n * (x * now - before) / (x * x - 1);
    return now;
}

/* Nodes in (0, 1), ascending, and weights of sum 1: Newton's method from the usual first guess. */
static void gauss_legendre(int64_t n, double *node, double *weight)
{
    for (int64_t i = 0; i < n; i++) {
        double x = -cos(acos(-1) * ((double)i + 0.75) / ((double)n + 0.5)), slope = 1;
        for (int k = 0; k < 8; k++) {
            double value = legendre(n, x, &slope);
            x -= value / slope;
        }
        legendre(n, x, &slope);
        node[i] = (1 + x) / 2;
        weight[i] = 1 / ((1 - x * x) * slope * slope);
    }
}

/* ---- points ------------------------------------------------------------------------------------
 */

typedef struct point_task {
    const path *p;
    int64_t point;
    float *out;
} point_task;

static void add_noise(void *arg, int64_t first, int64_t last)
{
    const point_task *t = arg;
    uint64_t offset = (uint64_t)t->point * (uint64_t)t->p->s->cols;

    for (int64_t j = first; j < last; j++)
        t->out[j] = (float)((double)t->p->x[j] +
                            t->p->sigma * mucmm__rng_normal(t->p->key, offset + (uint64_t)j));
}

static void go_to_node(void *arg, int64_t first, int64_t last)
{
    const point_task *t = arg;
    double node = t->p->node[t->point];

    for (int64_t j = first; j < last; j++) {
        double base = (double)t->p->base[j];
        t->out[j] = (float)(base + node * ((double)t->p->x[j] - base));
    }
}

static void make_point(mucmm_ctx *ctx, const path *p, int64_t point, float *out)
{
    mucmm__parallel_range(ctx, p->s->cols, 4096, integrates(p->s) ? go_to_node : add_noise,
                          &(point_task){p, point, out});
}

/* Scores [POINTS] and gradients of what stands in p->h, which is emptied where no point is. */
static mucmm_status score_heads(mucmm_ctx *ctx, path *p, int64_t n, double *scores)
{
    int64_t width = p->s->m->view[p->s->view].p, end = p->place + n;

    memset(p->h, 0, (size_t)(p->place * width) * sizeof *p->h);
    memset(p->h + end * width, 0, (size_t)((POINTS - end) * width) * sizeof *p->h);
    return mucmm__samples_score(ctx, &p->at, 0, POINTS, p->h, scores, p->dh);
}

static void scale_features(const path *p, int64_t n, const float *features)
{
    const mucmm__view_info *v = &p->s->m->view[p->s->view];
    float *h = p->h + p->place * v->p;

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < v->p; j++)
            h[i * v->p + j] = (float)(((double)features[i * v->p + j] - v->mean[j]) / v->scale[j]);
}

static mucmm_status cotangents(mucmm_ctx *ctx, void *user, int64_t n, const float *features,
                               float *out)
{
    mucmm_status status = MUCMM_OK;
    path *p = user;
    const mucmm__view_info *v = &p->s->m->view[p->s->view];
    double scores[POINTS];

    scale_features(p, n, features);
    TRY(score_heads(ctx, p, n, scores));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < v->p; j++)
            out[i * v->p + j] = (float)((double)p->dh[(p->place + i) * v->p + j] / v->scale[j]);
done:
    return status;
}

/* p->grads of the first n of p->points. */
static mucmm_status gradients(mucmm_ctx *ctx, path *p, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    size_t bytes = (size_t)(n * s->cols) * sizeof *p->grads;
    double scores[POINTS];

    if (s->encoded)
        return mucmm__encoded_gradient(ctx, s->data[s->view], p->rows, n, p->points, cotangents, p,
                                       p->grads);
    memcpy(p->h + p->place * s->cols, p->points, bytes);
    TRY(score_heads(ctx, p, n, scores));
    memcpy(p->grads, p->dh + p->place * s->cols, bytes);
done:
    return status;
}

typedef struct sum_task {
    path *p;
    int64_t first, n; /* points */
} sum_task;

static void add_gradients(void *arg, int64_t first, int64_t last)
{
    const sum_task *t = arg;
    path *p = t->p;

    for (int64_t a = 0; a < t->n; a++)
        for (int64_t j = first; j < last; j++)
            p->sum[j] += p->weight[t->first + a] * (double)p->grads[a * p->s->cols + j];
}

static mucmm_status sum_gradients(mucmm_ctx *ctx, path *p)
{
    mucmm_status status = MUCMM_OK;
    const char *stage = integrates(p->s) ? "integrated gradients" : "smoothgrad";
    int64_t cols = p->s->cols;

    memset(p->sum, 0, (size_t)cols * sizeof *p->sum);
    for (int64_t k = 0; k < p->n; k += p->batch) {
        int64_t b = p->n - k < p->batch ? p->n - k : p->batch;
        TRY(mucmm__progress(ctx, stage, p->i * p->n + k, p->s->n * p->n, NULL));
        for (int64_t a = 0; a < b; a++)
            make_point(ctx, p, k + a, p->points + a * cols);
        p->place = k % POINTS;
        TRY(gradients(ctx, p, b));
        mucmm__parallel_range(ctx, cols, 4096, add_gradients, &(sum_task){p, k, b});
    }
done:
    return status;
}

/* ---- samples -----------------------------------------------------------------------------------
 */

static mucmm_status score_baseline(mucmm_ctx *ctx, path *p, double *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    int64_t width = s->m->view[s->view].p;
    double scores[POINTS];
    float *features = NULL;

    p->place = 0;
    if (s->encoded) {
        TRY(mucmm__alloc(ctx, width, sizeof *features, &features));
        TRY(mucmm__encoded_features(ctx, s->data[s->view], p->rows, 1, p->base, features));
        scale_features(p, 1, features);
    } else
        memcpy(p->h, p->base, (size_t)width * sizeof *p->h);
    TRY(score_heads(ctx, p, 1, scores));
    *out = scores[0];
done:
    mucmm__free(features);
    return status;
}

static void find_noise(path *p)
{
    float lo = p->x[0], hi = p->x[0];

    for (int64_t j = 0; j < p->s->cols; j++) {
        lo = fminf(lo, p->x[j]);
        hi = fmaxf(hi, p->x[j]);
    }
    p->sigma = p->s->p->noise * (p->s->encoded ? (double)hi - (double)lo : 1);
    p->key = mucmm__rng_key(p->s->p->seed, (uint64_t)p->s->rows[p->i]);
}

/* Points of sample i start from here. h [p] are its scaled features. */
static mucmm_status enter_sample(mucmm_ctx *ctx, path *p, int64_t i, const float *h)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    int64_t k = s->m->k;

    p->i = i;
    for (int64_t a = 0; a < POINTS; a++) {
        p->rows[a] = s->rows[i];
        if (s->others)
            memcpy(p->at.others + a * k, s->others + i * k, (size_t)k * sizeof *s->others);
    }
    if (s->encoded)
        TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows + i, 1,
                                &(mucmm_mat){p->x, 1, s->cols, s->cols}));
    else
        memcpy(p->x, h, (size_t)s->cols * sizeof *h);
    if (integrates(s)) {
        TRY(mucmm__baseline(ctx, &p->baselines, p->x, p->base));
        mucmm__samples_difference(s, i, p->x, p->base);
    } else
        find_noise(p);
done:
    return status;
}

static mucmm_status map_sample(mucmm_ctx *ctx, path *p, double score, float *map)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    const double *scale = s->m->view[s->view].scale;
    double total = 0, base = 0;

    TRY(sum_gradients(ctx, p));
    for (int64_t j = 0; j < s->cols; j++) {
        double value = p->sum[j];
        if (integrates(s))
            value *= (double)p->x[j] - (double)p->base[j];
        else if (!s->encoded)
            value /= scale[j];
        map[j] = (float)value;
        total += value;
    }
    if (integrates(s) && s->p->gaps) {
        TRY(score_baseline(ctx, p, &base));
        s->p->gaps[p->i] = total - (score - base);
    }
done:
    return status;
}

static mucmm_status path_alloc(mucmm_ctx *ctx, path *p)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    int64_t width = s->m->view[s->view].p;

    TRY(mucmm__alloc(ctx, p->n, sizeof *p->node, &p->node));
    TRY(mucmm__alloc(ctx, p->n, sizeof *p->weight, &p->weight));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *p->x, &p->x));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *p->base, &p->base));
    TRY(mucmm__alloc(ctx, p->batch * s->cols, sizeof *p->points, &p->points));
    TRY(mucmm__alloc(ctx, p->batch * s->cols, sizeof *p->grads, &p->grads));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *p->sum, &p->sum));
    TRY(mucmm__alloc(ctx, POINTS * width, sizeof *p->h, &p->h));
    TRY(mucmm__alloc(ctx, POINTS * width, sizeof *p->dh, &p->dh));
    if (s->others)
        TRY(mucmm__alloc(ctx, POINTS * s->m->k, sizeof *p->at.others, &p->at.others));
done:
    return status;
}

static void path_drop(path *p)
{
    mucmm__baselines_drop(&p->baselines);
    mucmm__free(p->at.others);
    mucmm__free(p->node);
    mucmm__free(p->weight);
    mucmm__free(p->x);
    mucmm__free(p->base);
    mucmm__free(p->points);
    mucmm__free(p->grads);
    mucmm__free(p->sum);
    mucmm__free(p->h);
    mucmm__free(p->dh);
}

mucmm_status mucmm__path_maps(mucmm_ctx *ctx, const mucmm__samples *s, const float *h,
                              const double *scores, float *maps)
{
    mucmm_status status = MUCMM_OK;
    int64_t room = s->encoded ? mucmm__encoded_batch(s->data[s->view]) : POINTS;
    int64_t most = s->encoded && room > ENCODED_POINTS ? ENCODED_POINTS : room;
    int64_t width = s->m->view[s->view].p;
    path p = {.s = s, .at = *s};

    p.at.others = NULL;
    p.n = integrates(s) ? s->p->steps : s->p->samples;
    p.batch = POINTS;
    while (p.batch > most)
        p.batch /= 2;
    TRY(path_alloc(ctx, &p));
    if (integrates(s)) {
        TRY(mucmm__baselines_start(ctx, s, &p.baselines));
        gauss_legendre(p.n, p.node, p.weight);
    } else
        for (int64_t k = 0; k < p.n; k++)
            p.weight[k] = 1 / (double)p.n;
    for (int64_t i = 0; i < s->n; i++) {
        TRY(enter_sample(ctx, &p, i, h + i * width));
        TRY(map_sample(ctx, &p, scores[i], maps + i * s->cols));
    }
    TRY(mucmm__progress(ctx, integrates(s) ? "integrated gradients" : "smoothgrad", s->n * p.n,
                        s->n * p.n, NULL));
done:
    path_drop(&p);
    return status;
}
