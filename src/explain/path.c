/* SPDX-License-Identifier: MIT
 *
 * path.c - gradients at many points around each sample, and their weighted sum. Points lie in the
 * scaled columns, or in the raw input of encoded data. */
#include "explain/path.h"

#include "core/vmath.h"
#include "encode/encoded.h"
#include "explain/baseline.h"
#include "explain/faults.h"

#include <math.h>
#include <string.h>

/* Heads always take so many points, some of them empty, and each has its place among them: what
 * comes out for one does not depend on how many go through the encoder together. */
#define POINTS 32
/* Points that one thread takes through an encoder at a time: activations of more leave its caches.
 * Threads that wait for each other in every layer lose far more. */
#define PART 2
/* ... or all threads together, where there is no memory for a point in each. */
#define TOGETHER 8

/* Some of the points at hand, and what one thread needs to take them through. */
typedef struct part {
    struct path *path;
    mucmm_ctx ctx;
    mucmm_status status;
    mucmm__samples at;     /* the sample, for each of POINTS */
    int64_t place, n;      /* of the first among POINTS */
    float *points, *grads; /* [n, cols] of the path's */
    float *h, *dh;         /* [POINTS, p] */
} part;

typedef struct path {
    const mucmm__samples *s;
    mucmm__baselines baselines;
    int64_t n, batch;      /* points; how many at a time */
    int64_t each, n_parts; /* of them in a part */
    part *parts;
    double *node, *weight; /* [n]: where on the way from the baseline (0) to the sample (1) */
    int64_t i;             /* of the sample */
    double sigma;          /* of the noise */
    uint64_t key;
    float *x, *base;       /* [cols]        */
    float *points, *grads; /* [batch, cols] */
    double *sum;           /* [cols]        */
    int64_t rows[POINTS];
} path;

static bool integrates(const mucmm__samples *s)
{
    return s->p->map == MUCMM_MAP_INTEGRATED_GRADIENTS;
}

/* ---- Gauss-Legendre ---------------------------------------------------------------- */

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

/* ---- points ------------------------------------------------------------------------ */

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

SIMD_CLONES static void interpolate(double node, const float *x, const float *base, int64_t first,
                                    int64_t last, float *out)
{
#pragma omp simd
    for (int64_t j = first; j < last; j++)
        out[j] = (float)((double)base[j] + node * ((double)x[j] - (double)base[j]));
}

static void go_to_node(void *arg, int64_t first, int64_t last)
{
    const point_task *t = arg;

    interpolate(t->p->node[t->point], t->p->x, t->p->base, first, last, t->out);
}

static void make_point(mucmm_ctx *ctx, const path *p, int64_t point, float *out)
{
    mucmm__parallel_range(ctx, p->s->cols, 4096, integrates(p->s) ? go_to_node : add_noise,
                          &(point_task){p, point, out});
}

/* Scores [POINTS] and gradients of what stands in t->h, which is emptied where no point is. */
static mucmm_status score_heads(mucmm_ctx *ctx, part *t, double *scores)
{
    int64_t width = t->at.m->view[t->at.view].p, end = t->place + t->n;

    memset(t->h, 0, (size_t)(t->place * width) * sizeof *t->h);
    memset(t->h + end * width, 0, (size_t)((POINTS - end) * width) * sizeof *t->h);
    return mucmm__samples_score(ctx, &t->at, 0, POINTS, t->h, scores, t->dh);
}

static mucmm_status scale_features(mucmm_ctx *ctx, const part *t, const float *features)
{
    const mucmm__view_info *v = &t->at.m->view[t->at.view];
    float *h = t->h + t->place * v->p;

    memcpy(h, features, (size_t)(t->n * v->p) * sizeof *h);
    return mucmm__scale_features(ctx, v, t->at.data[t->at.view], t->path->rows, t->n, h);
}

static mucmm_status cotangents(mucmm_ctx *ctx, void *user, int64_t n, const float *features,
                               float *out)
{
    mucmm_status status = MUCMM_OK;
    part *t = user;
    const mucmm__view_info *v = &t->at.m->view[t->at.view];
    double scores[POINTS];

    TRY(scale_features(ctx, t, features));
    TRY(score_heads(ctx, t, scores));
    TRY(mucmm__features_vjp(ctx, v, t->at.data[t->at.view], t->path->rows, n,
                            t->h + t->place * v->p, t->dh + t->place * v->p, out));
done:
    return status;
}

/* t->grads of t->points. */
static mucmm_status gradients(mucmm_ctx *ctx, part *t)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = &t->at;
    size_t bytes = (size_t)(t->n * s->cols) * sizeof *t->grads;
    double scores[POINTS];

    if (s->encoded)
        return mucmm__encoded_gradient(ctx, s->data[s->view], t->path->rows, t->n, t->points,
                                       cotangents, t, t->grads);
    memcpy(t->h + t->place * s->cols, t->points, bytes);
    TRY(score_heads(ctx, t, scores));
    memcpy(t->grads, t->dh + t->place * s->cols, bytes);
done:
    return status;
}

/* Points first .. first + t->n. */
static mucmm_status run_part(mucmm_ctx *ctx, part *t, int64_t first)
{
    int64_t cols = t->path->s->cols;

    t->place = first % POINTS;
    for (int64_t a = 0; a < t->n; a++)
        make_point(ctx, t->path, first + a, t->points + a * cols);
    return gradients(ctx, t);
}

typedef struct parts_task {
    path *p;
    int64_t first;
} parts_task;

static void run_one_part(void *arg, int64_t i)
{
    const parts_task *task = arg;
    part *t = &task->p->parts[i];

    t->status = run_part(&t->ctx, t, task->first + i * task->p->each);
}

/* Gradients at points first .. first + n: each part in a thread, or all threads in the only one. */
static mucmm_status run_parts(mucmm_ctx *ctx, path *p, int64_t first, int64_t n)
{
    int64_t parts = (n + p->each - 1) / p->each;

    for (int64_t i = 0; i < parts; i++)
        p->parts[i].n = i < parts - 1 ? p->each : n - i * p->each;
    if (p->n_parts == 1)
        return run_part(ctx, &p->parts[0], first);
    mucmm__parallel(ctx, parts, run_one_part, &(parts_task){p, first});
    for (int64_t i = 0; i < parts; i++)
        if (p->parts[i].status != MUCMM_OK)
            return mucmm__fail(ctx, p->parts[i].status, "%s", p->parts[i].ctx.message);
    return MUCMM_OK;
}

typedef struct sum_task {
    path *p;
    int64_t first, n; /* points */
} sum_task;

SIMD_CLONES static void add_weighted(double weight, const float *x, int64_t first, int64_t last,
                                     double *sum)
{
#pragma omp simd
    for (int64_t j = first; j < last; j++)
        sum[j] += weight * (double)x[j];
}

static void add_gradients(void *arg, int64_t first, int64_t last)
{
    const sum_task *t = arg;
    const path *p = t->p;

    for (int64_t a = 0; a < t->n; a++)
        add_weighted(p->weight[t->first + a], p->grads + a * p->s->cols, first, last, p->sum);
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
        TRY(run_parts(ctx, p, k, b));
        mucmm__parallel_range(ctx, cols, 4096, add_gradients, &(sum_task){p, k, b});
    }
done:
    return status;
}

/* ---- samples ----------------------------------------------------------------------- */

static mucmm_status score_baseline(mucmm_ctx *ctx, path *p, double *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    int64_t width = s->m->view[s->view].p;
    part *t = &p->parts[0];
    double scores[POINTS];
    float *features = NULL;

    t->place = 0;
    t->n = 1;
    if (s->encoded) {
        TRY(mucmm__alloc(ctx, width, sizeof *features, &features));
        TRY(mucmm__encoded_features(ctx, s->data[s->view], p->rows, 1, p->base, features));
        TRY(scale_features(ctx, t, features));
    } else
        memcpy(t->h, p->base, (size_t)width * sizeof *t->h);
    TRY(score_heads(ctx, t, scores));
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

/* Points of sample i start from here. */
static mucmm_status enter_sample(mucmm_ctx *ctx, path *p, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    int64_t k = s->m->k;

    p->i = i;
    for (int64_t t = 0; s->filter && t < p->n_parts; t++) {
        p->parts[t].at.filter = s->filter + i * s->filter_step;
        p->parts[t].at.filter_step = 0;
    }
    for (int64_t a = 0; a < POINTS; a++) {
        p->rows[a] = s->rows[i];
        for (int64_t t = 0; s->others && t < p->n_parts; t++)
            memcpy(p->parts[t].at.others + a * k, s->others + i * k, (size_t)k * sizeof *s->others);
    }
    if (s->encoded)
        TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows + i, 1,
                                &(mucmm_mat){p->x, 1, s->cols, s->cols}));
    else
        memcpy(p->x, s->h + i * s->cols, (size_t)s->cols * sizeof *p->x);
    if (integrates(s))
        TRY(mucmm__baseline(ctx, &p->baselines, i, p->x, p->base));
    else
        find_noise(p);
done:
    return status;
}

static mucmm_status map_sample(mucmm_ctx *ctx, path *p, double score, float *map, double *gap)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    double total = 0, base = 0;

    TRY(sum_gradients(ctx, p));
    for (int64_t j = 0; j < s->cols; j++) {
        double value = p->sum[j];
        if (integrates(s))
            value *= (double)p->x[j] - (double)p->base[j];
        map[j] = (float)value;
        total += value;
    }
    if (!integrates(s) && !s->encoded)
        TRY(mucmm__features_vjp(ctx, &s->m->view[s->view], s->data[s->view], s->rows + p->i, 1,
                                p->x, map, map));
    if (integrates(s) && gap) {
        TRY(score_baseline(ctx, p, &base));
        *gap = total - (score - base);
    }
done:
    return status;
}

/* How many points at a time, and how many of them in a thread. */
static void divide(const mucmm_ctx *ctx, path *p)
{
    const mucmm_data *data = p->s->data[p->s->view];
    int64_t most = p->s->encoded ? mucmm__encoded_batch(data) : POINTS, wanted = POINTS;

    p->each = POINTS;
    if (p->s->encoded) {
        bool apart = most >= ctx->threads && mucmm__encoded_parallel(data);
        p->each = !apart ? TOGETHER : most >= PART * ctx->threads ? PART : 1;
        wanted = apart ? 2 * p->each * ctx->threads : p->each; /* threads that are late may be */
    }
    for (p->batch = POINTS; p->batch > most || (p->batch > p->each && p->batch / 2 >= wanted);)
        p->batch /= 2;
    p->each = p->each < p->batch ? p->each : p->batch;
    p->n_parts = p->batch / p->each;
}

static mucmm_status part_alloc(mucmm_ctx *ctx, path *p, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;
    int64_t width = s->m->view[s->view].p, first = i * p->each * s->cols;
    part *t = &p->parts[i];

    *t = (part){.path = p, .at = *s, .points = p->points + first, .grads = p->grads + first};
    t->at.others = NULL;
    mucmm__ctx_alone(ctx, &t->ctx);
    TRY(mucmm__alloc(ctx, POINTS * width, sizeof *t->h, &t->h));
    TRY(mucmm__alloc(ctx, POINTS * width, sizeof *t->dh, &t->dh));
    if (s->others)
        TRY(mucmm__alloc(ctx, POINTS * s->m->k, sizeof *t->at.others, &t->at.others));
done:
    return status;
}

static mucmm_status path_alloc(mucmm_ctx *ctx, path *p)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = p->s;

    TRY(mucmm__alloc(ctx, p->n, sizeof *p->node, &p->node));
    TRY(mucmm__alloc(ctx, p->n, sizeof *p->weight, &p->weight));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *p->x, &p->x));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *p->base, &p->base));
    TRY(mucmm__alloc(ctx, p->batch * s->cols, sizeof *p->points, &p->points));
    TRY(mucmm__alloc(ctx, p->batch * s->cols, sizeof *p->grads, &p->grads));
    TRY(mucmm__alloc(ctx, s->cols, sizeof *p->sum, &p->sum));
    TRY(mucmm__alloc(ctx, p->n_parts, sizeof *p->parts, &p->parts));
    for (int64_t i = 0; i < p->n_parts; i++)
        TRY(part_alloc(ctx, p, i));
done:
    return status;
}

static void path_drop(path *p)
{
    for (int64_t i = 0; p->parts && i < p->n_parts; i++) {
        mucmm__free(p->parts[i].at.others);
        mucmm__free(p->parts[i].h);
        mucmm__free(p->parts[i].dh);
    }
    mucmm__baselines_drop(&p->baselines);
    mucmm__free(p->parts);
    mucmm__free(p->node);
    mucmm__free(p->weight);
    mucmm__free(p->x);
    mucmm__free(p->base);
    mucmm__free(p->points);
    mucmm__free(p->grads);
    mucmm__free(p->sum);
}

/* Points, and for integrated gradients baselines and where on the way they lie. */
static mucmm_status path_start(mucmm_ctx *ctx, const mucmm__samples *s, path *p)
{
    mucmm_status status = MUCMM_OK;

    *p = (path){.s = s, .n = integrates(s) ? s->p->steps : s->p->samples};
    divide(ctx, p);
    TRY(path_alloc(ctx, p));
    if (integrates(s)) {
        TRY(mucmm__baselines_start(ctx, s, &p->baselines));
        gauss_legendre(p->n, p->node, p->weight);
    } else
        for (int64_t k = 0; k < p->n; k++)
            p->weight[k] = 1 / (double)p->n;
done:
    return status;
}

mucmm_status mucmm__path_maps(mucmm_ctx *ctx, const mucmm__samples *s, const double *scores,
                              float *maps, double *gaps)
{
    mucmm_status status = MUCMM_OK;
    path p = {.s = s};

    TRY(path_start(ctx, s, &p));
    for (int64_t i = 0; i < s->n; i++) {
        TRY(enter_sample(ctx, &p, i));
        TRY(map_sample(ctx, &p, scores[i], maps + i * s->cols, gaps ? gaps + i : NULL));
    }
    TRY(mucmm__progress(ctx, integrates(s) ? "integrated gradients" : "smoothgrad", s->n * p.n,
                        s->n * p.n, NULL));
done:
    path_drop(&p);
    return status;
}

mucmm_status mucmm__path_fault(mucmm_ctx *ctx, const mucmm__samples *s, int64_t i,
                               mucmm__fault *out)
{
    mucmm_status status = MUCMM_OK;
    path p = {.s = s};

    *out = (mucmm__fault){{0}, {0}};
    TRY(path_start(ctx, s, &p));
    TRY(enter_sample(ctx, &p, i));
    if (integrates(s))
        TRY(mucmm__samples_fault(ctx, s, i, p.base, out));
    for (int64_t k = 0; k < p.n && !out->features[0] && !out->gradient[0]; k++) {
        make_point(ctx, &p, k, p.points);
        TRY(mucmm__samples_fault(ctx, s, i, p.points, out));
    }
done:
    path_drop(&p);
    return status;
}
