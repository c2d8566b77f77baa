/* SPDX-License-Identifier: MIT
 *
 * scene.h - one operator called by itself, dense and in blocked layouts, forward and backward. */
#ifndef MUCMM_TEST_SCENE_H
#define MUCMM_TEST_SCENE_H

#include "graph/graph.h"
#include "harness.h"

#define MAX_IN 5
#define MAX_OUT 3
#define MAX_FLOATS 65536

/* A call of one operator, its inputs dense. */
typedef struct scene {
    mucmm_ctx *ctx;
    mucmm__node node;
    int32_t n_in, n_out; /* one output at first */
    mucmm__desc in[MAX_IN];
    const void *known[MAX_IN]; /* numbers of an input instead of x, known to the planner */
    float *x[MAX_IN], *y[MAX_OUT], *dy, *dx[MAX_IN];
} scene;

static mucmm_ctx *context(int32_t threads)
{
    mucmm_ctx *ctx = NULL;
    mucmm_ctx_params p;

    mucmm_ctx_params_init(&p);
    p.threads = threads;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    return ctx;
}

static float *floats(uint64_t seed, float low, float high)
{
    uint64_t key = mucmm__rng_key(seed, 0);
    float *x = calloc(MAX_FLOATS, sizeof *x);

    assert_non_null(x);
    for (int64_t i = 0; i < MAX_FLOATS; i++)
        x[i] = low + (high - low) * (float)mucmm__rng_uniform(key, (uint64_t)i);
    return x;
}

/* Memory place of element i (row-major) of a tensor. */
static int64_t place_of(const mucmm__desc *d, int64_t i)
{
    int64_t space, channel, b = d->block;

    if (b == 1)
        return i;
    space = mucmm__desc_product(d, 2, d->rank);
    channel = i / space % d->shape[1];
    return ((i / space / d->shape[1] * ((d->shape[1] + b - 1) / b) + channel / b) * space +
            i % space) *
               b +
           channel % b;
}

/* A copy in the layout of d, its padding zero. */
static float *packed(const mucmm__desc *d, const float *x)
{
    float *out = calloc(MAX_FLOATS, sizeof *out);

    assert_non_null(out);
    assert_true(mucmm__desc_bytes(d) <= (int64_t)(MAX_FLOATS * sizeof *out));
    for (int64_t i = 0; i < mucmm__desc_count(d); i++)
        out[place_of(d, i)] = x[i];
    return out;
}

/* Fails unless `got` in the layout of d is `want`, which is dense, with zeros as padding. */
static void check_same(const char *what, const mucmm__desc *d, const float *got, const float *want)
{
    float *expected = packed(d, want);

    for (int64_t i = 0; i < mucmm__desc_bytes(d) / 4; i++)
        if (!(fabsf(got[i] - expected[i]) <= 1e-5f * (1 + fabsf(expected[i]))))
            fail_msg("%s, block %d: place %lld is %.9g, should be %.9g", what, d->block,
                     (long long)i, (double)got[i], (double)expected[i]);
    free(expected);
}

static void scene_open(scene *s, mucmm_ctx *ctx, const char *type, int32_t opset, int32_t n_in,
                       const mucmm__desc *in, float low, float high)
{
    bool known_type;

    *s = (scene){.ctx = ctx, .n_in = n_in, .n_out = 1};
    s->node.name = "n";
    s->node.opset = opset;
    s->node.op = mucmm__op_find(type, opset, &known_type);
    if (!s->node.op)
        s->node.op = mucmm__op_internal(type);
    assert_non_null(s->node.op);
    for (int32_t i = 0; i < n_in; i++) {
        s->in[i] = in[i];
        s->x[i] = floats(7 + (uint64_t)i, low, high);
        s->dx[i] = calloc(MAX_FLOATS, sizeof(float));
    }
    for (int32_t i = 0; i < MAX_OUT; i++)
        s->y[i] = calloc(MAX_FLOATS, sizeof(float));
    s->dy = floats(99, -1, 1);
}

static void scene_drop(scene *s)
{
    for (int32_t i = 0; i < s->n_in; i++) {
        free(s->x[i]);
        free(s->dx[i]);
    }
    for (int32_t i = 0; i < MAX_OUT; i++)
        free(s->y[i]);
    free(s->dy);
}

/* The arrays of one play. */
typedef struct stage {
    mucmm__desc d[MAX_IN], out[MAX_OUT];
    const mucmm__desc *in[MAX_IN];
    mucmm__desc *outs[MAX_OUT];
    const void *x[MAX_IN], *dy[MAX_OUT];
    void *y[MAX_OUT], *dx[MAX_IN];
    int32_t want[MAX_IN];
} stage;

static void stage_fill(stage *t, scene *s, bool reference)
{
    for (int32_t i = 0; i < s->n_in; i++) {
        t->d[i].block = t->want[i];
        t->x[i] = s->known[i] ? s->known[i] : packed(&t->d[i], s->x[i]);
        t->dx[i] = s->known[i] ? NULL : reference ? s->dx[i] : calloc(MAX_FLOATS, sizeof(float));
        if (t->dx[i]) /* NaN where nothing is written */
            memset(t->dx[i], 0xff, (size_t)mucmm__desc_bytes(&t->d[i]));
    }
    for (int32_t i = 0; i < s->n_out; i++) {
        t->y[i] = reference ? s->y[i] : calloc(MAX_FLOATS, sizeof(float));
        memset(t->y[i], 0xff, (size_t)mucmm__desc_bytes(&t->out[i]));
        t->dy[i] = t->out[i].dtype == MUCMM_F32 ? packed(&t->out[i], s->dy + i) : NULL;
    }
}

/* Compares with the dense results in the scene. */
static void stage_check(const stage *t, const scene *s)
{
    const char *type = s->node.op->type;

    for (int32_t i = 0; i < s->n_out; i++)
        check_same(type, &t->out[i], t->y[i], s->y[i]);
    for (int32_t i = 0; i < s->n_in; i++)
        if (s->node.op->vjp && t->dx[i])
            check_same(type, &t->d[i], t->dx[i], s->dx[i]);
}

static void stage_drop(stage *t, const scene *s, bool reference)
{
    for (int32_t i = 0; i < s->n_in; i++) {
        if (!s->known[i])
            free((void *)(uintptr_t)t->x[i]);
        if (!reference)
            free(t->dx[i]);
    }
    for (int32_t i = 0; i < s->n_out; i++) {
        free((void *)(uintptr_t)t->dy[i]);
        if (!reference)
            free(t->y[i]);
    }
}

/* Infers, lays out with input `blocked` in a block (1 = dense), runs forward and vjp. Dense results
 * stay in the scene; those of a block are compared with them. Returns the first result's block. */
static int32_t play(scene *s, int32_t blocked, int32_t block)
{
    stage t = {.out = {{0}}};
    mucmm__call c = {.ctx = s->ctx,
                     .node = &s->node,
                     .n_in = s->n_in,
                     .n_out = s->n_out,
                     .in = t.in,
                     .out = t.outs,
                     .known = s->known,
                     .want = t.want,
                     .x = t.x,
                     .y = t.y,
                     .dy = t.dy,
                     .dx = t.dx,
                     .differentiable = true};

    for (int32_t i = 0; i < s->n_in; i++) {
        t.d[i] = s->in[i];
        t.in[i] = &t.d[i];
        t.want[i] = t.d[i].block = 1;
    }
    for (int32_t i = 0; i < s->n_out; i++)
        t.outs[i] = &t.out[i];
    CHECK_OK(s->ctx, s->node.op->infer(&c));
    t.d[blocked].block = block;
    if (s->node.op->layout)
        s->node.op->layout(&c);
    stage_fill(&t, s, block == 1);
    if (s->node.op->prepare)
        CHECK_OK(s->ctx, s->node.op->prepare(&c));
    c.work = aligned_alloc(64, MAX_FLOATS * sizeof(float));
    assert_true(c.scratch <= (int64_t)(MAX_FLOATS * sizeof(float)) &&
                c.vjp_scratch <= (int64_t)(MAX_FLOATS * sizeof(float)));
    CHECK_OK(s->ctx, s->node.op->forward(&c));
    if (s->node.op->vjp)
        CHECK_OK(s->ctx, s->node.op->vjp(&c));
    if (block != 1)
        stage_check(&t, s);
    if (s->node.op->drop && c.state)
        s->node.op->drop(c.state);
    stage_drop(&t, s, block == 1);
    free(c.work);
    return t.out[0].block;
}

static mucmm__desc desc(int32_t rank, int64_t a, int64_t b, int64_t c, int64_t e)
{
    return (mucmm__desc){MUCMM_F32, rank, {a, b, c, e}, 1};
}

#endif
