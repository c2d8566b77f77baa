/* SPDX-License-Identifier: MIT
 *
 * Matrix products of any rank, forward and backward. */
#include "graph/ops/product.h"
#include "core/vmath.h"
#include "graph/dnnl.h"
#include "linalg/linalg.h"

#include <stdatomic.h>

#define GRAIN 32768 /* numbers that a task handles */

static int64_t grain_of(int64_t numbers_each)
{
    return numbers_each >= GRAIN ? 1 : GRAIN / (numbers_each > 0 ? numbers_each : 1);
}

/* ---- batches ----------------------------------------------------------------------- */

typedef struct place {
    int64_t a, b, c;
} place;

static bool is_summed(const mucmm__batch_axis *x)
{
    return x->c_step == 0 && x->size != 1;
}

static int64_t places(const mucmm__products *p, bool summed)
{
    int64_t n = 1;

    for (int32_t k = 0; k < p->axes; k++)
        n *= is_summed(&p->axis[k]) == summed ? p->axis[k].size : 1;
    return n;
}

/* Place i among the axes that are summed, or among the others, added to `from`. */
static place find_place(const mucmm__products *p, bool summed, int64_t i, place from)
{
    for (int32_t k = p->axes - 1; k >= 0; k--) {
        const mucmm__batch_axis *x = &p->axis[k];
        if (is_summed(x) != summed || x->size < 2)
            continue;
        from.a += i % x->size * x->a_step;
        from.b += i % x->size * x->b_step;
        from.c += i % x->size * x->c_step;
        i /= x->size;
    }
    return from;
}

typedef struct batch_job {
    mucmm_ctx *ctx;
    const mucmm__products *p;
    mucmm_dtype t;
    int64_t sums;
    float alpha;
    const void *a, *b;
    void *c;
    _Atomic int failed;
} batch_job;

static void multiply_place(void *arg, int64_t i)
{
    batch_job *j = arg;
    const mucmm__products *p = j->p;
    place at = find_place(p, false, i, (place){0, 0, 0});
    mucmm_status s = MUCMM_OK;

    for (int64_t q = 0; s == MUCMM_OK && q < (j->sums > 0 ? j->sums : 1); q++) {
        place term = find_place(p, true, q, at);
        s = mucmm__gemm(j->ctx, p->trans_a, p->trans_b, p->m, p->n, j->sums > 0 ? p->k : 0,
                        j->alpha, (const float *)j->a + term.a, p->lda,
                        (const float *)j->b + term.b, p->ldb, q == 0 ? 0.0f : 1.0f,
                        (float *)j->c + at.c, p->ldc);
    }
    if (s != MUCMM_OK)
        atomic_store(&j->failed, (int)s);
}

mucmm_status mucmm__products_run(mucmm_ctx *ctx, const mucmm__products *p, float alpha,
                                 const float *a, const float *b, float *c)
{
    int64_t n = places(p, false);
    batch_job j = {ctx, p, MUCMM_F32, places(p, true), alpha, a, b, c, MUCMM_OK};

    /* Many products: a thread each. Few: all threads for each in turn. */
    if (n >= 2 * (int64_t)ctx->threads)
        mucmm__parallel(ctx, n, multiply_place, &j);
    else
        for (int64_t i = 0; i < n; i++)
            multiply_place(&j, i);
    return (mucmm_status)atomic_load(&j.failed);
}

/* One element of C, summed over k and over the summed axes. */
static void element_of_type(const batch_job *j, place at, int64_t row, int64_t col)
{
    const mucmm__products *p = j->p;
    int64_t a_step = p->trans_a ? p->lda : 1, b_step = p->trans_b ? 1 : p->ldb;
    int64_t to = at.c + row * p->ldc + col;
    uint64_t whole = 0;
    double sum = 0;

    for (int64_t q = 0; q < j->sums; q++) {
        place term = find_place(p, true, q, at);
        int64_t x = term.a + row * (p->trans_a ? 1 : p->lda);
        int64_t y = term.b + col * (p->trans_b ? p->ldb : 1);
        for (int64_t k = 0; k < p->k; k++, x += a_step, y += b_step)
            if (mucmm__dtype_is_float(j->t))
                sum += mucmm__number_get(j->t, j->a, x) * mucmm__number_get(j->t, j->b, y);
            else
                whole += (uint64_t)mucmm__integer_get(j->t, j->a, x) *
                         (uint64_t)mucmm__integer_get(j->t, j->b, y);
    }
    if (mucmm__dtype_is_float(j->t))
        mucmm__number_put(j->t, j->c, to, sum);
    else
        mucmm__integer_put(j->t, j->c, to, (int64_t)whole);
}

/* Rows of all places, counted through. */
static void rows_of_type(void *arg, int64_t first, int64_t last)
{
    const batch_job *j = arg;

    for (int64_t i = first; i < last; i++) {
        place at = find_place(j->p, false, i / j->p->m, (place){0, 0, 0});
        for (int64_t col = 0; col < j->p->n; col++)
            element_of_type(j, at, i % j->p->m, col);
    }
}

void mucmm__products_run_type(mucmm_ctx *ctx, const mucmm__products *p, mucmm_dtype t,
                              const void *a, const void *b, void *c)
{
    batch_job j = {ctx, p, t, places(p, true), 1, a, b, c, MUCMM_OK};

    mucmm__parallel_range(ctx, places(p, false) * p->m, grain_of(j.sums * p->n * p->k),
                          rows_of_type, &j);
}

/* With C = A B:  dA = dC B', dB = A' dC; stored transposed, dA' = B dC', dB' = dC' A. */
void mucmm__products_vjp(const mucmm__products *p, bool of_b, mucmm__products *out, bool *dc_first)
{
    bool stored = of_b ? p->trans_b : p->trans_a;

    *out = *p;
    *dc_first = of_b == stored;
    if (!of_b)
        out->m = stored ? p->k : p->m, out->n = stored ? p->m : p->k, out->k = p->n;
    else
        out->m = stored ? p->n : p->k, out->n = stored ? p->k : p->n, out->k = p->m;
    out->ldc = of_b ? p->ldb : p->lda;
    out->lda = *dc_first ? p->ldc : of_b ? p->lda : p->ldb;
    out->ldb = *dc_first ? (of_b ? p->lda : p->ldb) : p->ldc;
    out->trans_a = *dc_first ? of_b : of_b ? !p->trans_a : p->trans_b;
    out->trans_b = *dc_first ? (of_b ? p->trans_a : !p->trans_b) : !of_b;
    for (int32_t k = 0; k < p->axes; k++) {
        const mucmm__batch_axis *x = &p->axis[k];
        int64_t other = of_b ? x->a_step : x->b_step;
        out->axis[k].a_step = *dc_first ? x->c_step : other;
        out->axis[k].b_step = *dc_first ? other : x->c_step;
        out->axis[k].c_step = of_b ? x->b_step : x->a_step;
    }
}

/* ---- constant weights -------------------------------------------------------------- */

/* As a convolution with a kernel of size 1 over m pixels whose channels lie side by side: oneDNN's
 * code for it, with the weights in blocks, is faster than its matrix product, which packs them
 * each time: from two rows on (measured: 20 to 100 % faster). One row reads them once anyway. */

#define NARROW 8 /* columns and rows of weights that are not worth it */

struct mucmm__linear {
    mucmm__prim *prim;
    const void *packed; /* the graph's */
    float *bias;
};

typedef struct packing {
    const mucmm__linear_params *p;
    mucmm__prim *copy;
} packing;

static mucmm_status pack_weights(mucmm_ctx *ctx, void *arg, void *bytes)
{
    const packing *k = arg;
    const mucmm__linear_params *p = k->p;
    const void *tensors[MUCMM__SLOTS] = {NULL};
    mucmm_status status = MUCMM_OK;
    void *work = NULL;
    float *w = NULL;

    TRY(mucmm__alloc(ctx, p->n * p->k, sizeof *w, &w));
    TRY(mucmm__alloc(ctx, mucmm__prim_scratch(k->copy), 1, &work));
    for (int64_t j = 0; j < p->n; j++) {
        float factor = p->alpha * (p->scale ? p->scale[j] : 1.0f);
        for (int64_t i = 0; i < p->k; i++)
            w[j * p->k + i] = factor * p->w[i * p->row_step + j * p->column_step];
    }
    tensors[MUCMM__SLOT_X] = w;
    tensors[MUCMM__SLOT_Y] = bytes;
    TRY(mucmm__prim_run(ctx, k->copy, tensors, work));
done:
    mucmm__free(w);
    mucmm__free(work);
    return status;
}

/* The weights of a node may be computed from shapes, so the key holds a digest of them. */
static uint64_t digest(const float *x, int64_t n, uint64_t h)
{
    uint64_t lane[4] = {h, h + 1, h + 2, h + 3}, word;
    int64_t i = 0;

    for (; i + 8 <= n; i += 8)
        for (int64_t l = 0; l < 4; l++) {
            memcpy(&word, x + i + 2 * l, sizeof word);
            lane[l] = (lane[l] ^ word) * 0x9E3779B97F4A7C15u;
            lane[l] ^= lane[l] >> 29;
        }
    for (; i < n; i++)
        lane[0] = (lane[0] ^ bits_of_float(x[i])) * 0xbf58476d1ce4e5b9u;
    for (int64_t l = 1; l < 4; l++)
        lane[0] = (lane[0] ^ lane[l] ^ lane[0] >> 31) * 0x94d049bb133111ebu;
    return lane[0] ^ lane[0] >> 31;
}

static mucmm_status find_packed(mucmm_ctx *ctx, mucmm_graph *graph, const mucmm__node *node,
                                const mucmm__linear_params *p, const mucmm__conv *shape,
                                mucmm__linear *l)
{
    struct {
        const mucmm__node *node;
        uint64_t digest[2];
        int64_t row_step, column_step;
        float alpha;
        unsigned char layout[1024];
    } key;
    packing k = {p, NULL};
    size_t bytes = 0;
    const void *layout = mucmm__prim_weights_layout(l->prim, &bytes);
    mucmm_status status = MUCMM_OK;

    memset(&key, 0, sizeof key);
    if (bytes > sizeof key.layout)
        return mucmm__fail(ctx, MUCMM_EBACKEND, "oneDNN describes a layout in %zu bytes", bytes);
    key.node = node;
    key.digest[0] = digest(p->w, p->n * p->k, 1);
    key.digest[1] = p->scale ? digest(p->scale, p->n, 2) : 0;
    key.row_step = p->row_step;
    key.column_step = p->column_step;
    key.alpha = p->alpha;
    memcpy(key.layout, layout, bytes);
    TRY(mucmm__weights_copy_make(ctx, shape, l->prim, false, &k.copy));
    TRY(mucmm__graph_pack(ctx, graph, &key, sizeof key, mucmm__prim_bytes(l->prim, MUCMM__SLOT_W),
                          pack_weights, &k, &l->packed));
done:
    mucmm__prim_free(k.copy);
    return status;
}

mucmm_status mucmm__linear_create(mucmm_ctx *ctx, mucmm_graph *graph, const mucmm__node *node,
                                  const mucmm__linear_params *p, mucmm__linear **out)
{
    mucmm__conv shape = {
        .n = 1,
        .groups = 1,
        .c = p->k,
        .k = p->n,
        .x_block = MUCMM__CHANNELS_LAST,
        .y_block = MUCMM__CHANNELS_LAST,
        .window = {
            .axes = 1, .in = {p->m}, .out = {p->m}, .kernel = {1}, .stride = {1}, .dilation = {1}}};
    mucmm__conv_post post = {.bias = p->bias != NULL,
                             .residual = p->residual,
                             .activation = p->activation,
                             .alpha = p->act_alpha,
                             .beta = p->act_beta,
                             .tail = p->tail,
                             .floor = p->floor,
                             .out_scale = p->out_scale,
                             .out_shift = p->out_shift};
    mucmm_status status = MUCMM_OK;
    mucmm__linear *l = NULL;

    *out = NULL;
    if (p->m < 2 || p->n < NARROW || p->k < NARROW || p->m > INT32_MAX / p->k ||
        p->m > INT32_MAX / p->n || p->n > INT32_MAX / p->k ||
        !mucmm__conv_fast(ctx, MUCMM__CONV_FORWARD, &shape, &post))
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, 1, sizeof *l, &l));
    TRY(mucmm__conv_make(ctx, MUCMM__CONV_FORWARD, &shape, &post, &l->prim));
    TRY(mucmm__alloc(ctx, p->bias ? p->n : 0, sizeof *l->bias, &l->bias));
    if (p->bias)
        memcpy(l->bias, p->bias, (size_t)p->n * sizeof *l->bias);
    TRY(find_packed(ctx, graph, node, p, &shape, l));
    *out = l;
    l = NULL;
done:
    mucmm__linear_free(l);
    return status;
}

void mucmm__linear_free(mucmm__linear *l)
{
    if (!l)
        return;
    mucmm__prim_free(l->prim);
    mucmm__free(l->bias);
    mucmm__free(l);
}

int64_t mucmm__linear_scratch(const mucmm__linear *l)
{
    return l ? mucmm__prim_scratch(l->prim) : 0;
}

mucmm_status mucmm__linear_run(mucmm_ctx *ctx, const mucmm__linear *l, const float *x,
                               const float *residual, float *y, void *work)
{
    const void *tensors[MUCMM__SLOTS] = {NULL};

    tensors[MUCMM__SLOT_X] = x;
    tensors[MUCMM__SLOT_W] = l->packed;
    tensors[MUCMM__SLOT_BIAS] = l->bias;
    tensors[MUCMM__SLOT_Y] = y;
    tensors[MUCMM__SLOT_RESIDUAL] = residual;
    return mucmm__prim_run(ctx, l->prim, tensors, work);
}

/* ---- after a product --------------------------------------------------------------- */

SIMD_CLONES static void scale_row(int64_t n, const float *scale, float *y)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        y[j] *= scale[j];
}

SIMD_CLONES static void add_row(int64_t n, float factor, const float *x, float *y)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        y[j] += factor * x[j];
}

SIMD_CLONES static void add_number(int64_t n, float x, float *y)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        y[j] += x;
}

VMATH float clip(float x, float low, float high)
{
    float v = x < low ? low : x;
    return v > high ? high : v;
}

#define ACTIVATION_MAP(X)                                                                          \
    X(RELU, x < 0.0f ? 0.0f : x)                                                                   \
    X(CLIP, clip(x, alpha, beta))                                                                  \
    X(LEAKY, x < 0.0f ? alpha * x : x)                                                             \
    X(SIGMOID, sigmoid(x))                                                                         \
    X(TANH, tanh_any(x))                                                                           \
    X(HARDSWISH, x *clip(x + 3.0f, 0.0f, 6.0f) * (1.0f / 6.0f))                                    \
    X(HARDSIGMOID, clip(alpha *x + beta, 0.0f, 1.0f))                                              \
    X(GELU, gelu(x))                                                                               \
    X(SILU, x *sigmoid(x))

#define X(id, value)                                                                               \
    SIMD_CLONES static void activate_##id(int64_t n, float alpha, float beta, float *y)            \
    {                                                                                              \
        (void)alpha, (void)beta;                                                                   \
        _Pragma("omp simd") for (int64_t j = 0; j < n; j++)                                        \
        {                                                                                          \
            float x = y[j];                                                                        \
            y[j] = value;                                                                          \
        }                                                                                          \
    }
ACTIVATION_MAP(X)
#undef X

SIMD_CLONES static void add_tail(int64_t n, float floor, float scale, float shift, float *y)
{
#pragma omp simd
    for (int64_t j = 0; j < n; j++)
        y[j] = (y[j] > floor ? y[j] : floor) * scale + shift;
}

static void activate(const mucmm__finish *f, int64_t n, float *y)
{
    switch (f->activation) {
    case MUCMM__ACT_NONE:
        break;
#define X(id, value)                                                                               \
    case MUCMM__ACT_##id:                                                                          \
        activate_##id(n, f->act_alpha, f->act_beta, y);                                            \
        break;
        ACTIVATION_MAP(X)
#undef X
    }
}

typedef struct finish_job {
    const mucmm__finish *f;
    const float *y_in, *dy;
    float *y;
} finish_job;

static void finish_rows(void *arg, int64_t first, int64_t last)
{
    const finish_job *job = arg;
    const mucmm__finish *f = job->f;

    for (int64_t i = first; i < last; i++) {
        float *y = job->y + i * f->n;
        if (f->c && f->c_column)
            add_row(f->n, f->beta, f->c + i * f->c_row, y);
        else if (f->c)
            add_number(f->n, f->beta * f->c[i * f->c_row], y);
        if (f->scale)
            scale_row(f->n, f->scale, y);
        if (f->shift)
            add_row(f->n, 1.0f, f->shift, y);
        if (f->residual)
            add_row(f->n, 1.0f, f->residual + i * f->n, y);
        activate(f, f->n, y);
        if (f->tail)
            add_tail(f->n, f->floor, f->out_scale, f->out_shift, y);
    }
}

void mucmm__finish_run(mucmm_ctx *ctx, const mucmm__finish *f, float *y)
{
    finish_job job = {f, NULL, NULL, y};

    if (f->c || f->scale || f->shift || f->residual || f->activation != MUCMM__ACT_NONE || f->tail)
        mucmm__parallel_range(ctx, f->m, grain_of(f->n), finish_rows, &job);
}

/* From the value y of the activation. */
#define SLOPE_MAP(X)                                                                               \
    X(RELU, y > 0.0f ? 1.0f : 0.0f)                                                                \
    X(CLIP, y > alpha && y < beta ? 1.0f : 0.0f)                                                   \
    X(LEAKY, y > floor ? (y < 0.0f ? alpha : 1.0f) : 0.0f)                                         \
    X(SIGMOID, y *(1.0f - y))                                                                      \
    X(TANH, 1.0f - y * y)

#define X(id, value)                                                                               \
    SIMD_CLONES static void slope_##id(int64_t n, float alpha, float beta, float floor,            \
                                       const float *out, const float *dy, float *dz)               \
    {                                                                                              \
        (void)alpha, (void)beta, (void)floor;                                                      \
        _Pragma("omp simd") for (int64_t j = 0; j < n; j++)                                        \
        {                                                                                          \
            float y = out[j];                                                                      \
            dz[j] = dy[j] * (value);                                                               \
        }                                                                                          \
    }
SLOPE_MAP(X)
#undef X

static void slope_range(void *arg, int64_t first, int64_t last)
{
    const finish_job *job = arg;
    const mucmm__finish *f = job->f;

#define X(id, value)                                                                               \
    if (f->activation == MUCMM__ACT_##id)                                                          \
        slope_##id(last - first, f->act_alpha, f->act_beta, f->tail ? f->floor : -INFINITY,        \
                   job->y_in + first, job->dy + first, job->y + first);
    SLOPE_MAP(X)
#undef X
}

void mucmm__finish_vjp(mucmm_ctx *ctx, const mucmm__finish *f, const float *y, const float *dy,
                       float *dz)
{
    finish_job job = {f, y, dy, dz};
    mucmm__parallel_range(ctx, f->m * f->n, GRAIN, slope_range, &job);
}
