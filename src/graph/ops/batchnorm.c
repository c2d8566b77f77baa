/* SPDX-License-Identifier: MIT
 *
 * batchnorm.c - BatchNormalization as in inference: a factor and an addend for each channel.
 *   y = a x + b,  a = scale / sqrt(var + epsilon),  b = shift - a mean
 * Runs on blocked tensors too; the channels that fill a block up have a = b = 0. */
#include "core/vmath.h"
#include "graph/graph.h"

#include <inttypes.h>

#define GRAIN 16384 /* numbers that a task handles */

static int64_t channels(const mucmm__desc *d)
{
    return d->rank > 1 ? d->shape[1] : 1;
}

static mucmm_status infer(mucmm__call *c)
{
    int64_t n = channels(c->in[0]);
    mucmm_status status = MUCMM_OK;

    if (c->in[0]->rank == 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input is a single number");
    for (int32_t i = 0; i < 5; i++) {
        TRY(mucmm__check_type(c, i, MUCMM__TYPES_FLOAT));
        if (i > 0 && (c->in[i]->rank != 1 || c->in[i]->shape[0] != n))
            return mucmm__op_fail(
                c, MUCMM_ESHAPE,
                "input %d must have one number for each of the %" PRId64 " channels", i, n);
    }
    if (mucmm__attr_int(c->node, "training_mode", 0) != 0 ||
        mucmm__attr_int(c->node, "spatial", 1) == 0)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "training_mode=1 and spatial=0 are not supported");
    for (int32_t i = 1; i < c->n_out; i++)
        if (mucmm__has_out(c, i))
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                                  "output %d is of training, which is not supported", i);
    return mucmm__out_like(c, 0, 0);
done:
    return status;
}

static void layout(mucmm__call *c)
{
    if (c->in[0]->dtype == MUCMM_F32)
        c->want[0] = c->out[0]->block = c->in[0]->block;
}

typedef struct job {
    int64_t planes, length, block; /* planes of `length` places of `block` channels side by side */
    int64_t per_sample;            /* planes */
    const float *a, *b, *x;
    float *y;
} job;

static int64_t padded(const mucmm__desc *d)
{
    return (channels(d) + d->block - 1) / d->block * d->block;
}

static mucmm_status prepare(mucmm__call *c)
{
    int64_t n = padded(c->in[0]) * (int64_t)sizeof(float);

    c->scratch = 2 * n;
    c->vjp_scratch = 2 * n;
    return MUCMM_OK;
}

static double number(const mucmm__call *c, int32_t input, int64_t i)
{
    return mucmm__number_get(c->in[input]->dtype, c->x[input], i);
}

static double inverse_deviation(const mucmm__call *c, int64_t i)
{
    return 1 / sqrt(number(c, 4, i) + (double)mucmm__attr_float(c->node, "epsilon", 1e-5f));
}

static void find_lines(const mucmm__call *c, float *a, float *b)
{
    int64_t n = channels(c->in[0]), all = padded(c->in[0]);

    for (int64_t i = 0; i < all; i++) {
        double factor = i < n ? number(c, 1, i) * inverse_deviation(c, i) : 0;
        a[i] = (float)factor;
        if (b)
            b[i] = i < n ? (float)(number(c, 2, i) - factor * number(c, 3, i)) : 0;
    }
}

/* ---- float32 ----------------------------------------------------------------------- */

SIMD_CLONES static void plane_line(int64_t n, const float *x, float a, float b, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = a * x[i] + b;
}

SIMD_CLONES static void block_lines(int64_t n, int64_t block, const float *x, const float *a,
                                    const float *b, float *y)
{
    for (int64_t i = 0; i < n; i++) {
#pragma omp simd
        for (int64_t l = 0; l < block; l++)
            y[i * block + l] = a[l] * x[i * block + l] + b[l];
    }
}

static void lines(void *arg, int64_t first, int64_t last)
{
    const job *j = arg;

    for (int64_t p = first; p < last; p++) {
        int64_t at = p * j->length * j->block, c = p % j->per_sample * j->block;
        if (j->block == 1)
            plane_line(j->length, j->x + at, j->a[c], j->b[c], j->y + at);
        else
            block_lines(j->length, j->block, j->x + at, j->a + c, j->b + c, j->y + at);
    }
}

/* Planes of a single number: channels side by side. */
static void run_lines(mucmm_ctx *ctx, const mucmm__desc *d, job *j)
{
    int64_t each;

    j->block = d->block;
    j->length = mucmm__desc_product(d, 2, d->rank);
    j->per_sample = padded(d) / d->block;
    if (j->length == 1 && j->block == 1) {
        j->block = j->per_sample;
        j->per_sample = 1;
    }
    j->planes = d->shape[0] * j->per_sample;
    each = j->length * j->block;
    mucmm__parallel_range(ctx, j->planes, each > 0 && each < GRAIN ? GRAIN / each : 1, lines, j);
}

/* ---- the operator ------------------------------------------------------------------ */

static mucmm_status forward(mucmm__call *c)
{
    const mucmm__desc *d = c->in[0];
    int64_t length = d->rank > 2 ? mucmm__desc_product(d, 2, d->rank) : 1, n = channels(d);
    float *a = c->work, *b = a + padded(d);
    job j = {.a = a, .b = b, .x = c->x[0], .y = c->y[0]};

    if (d->dtype == MUCMM_F32) {
        find_lines(c, a, b);
        run_lines(c->ctx, d, &j);
        return MUCMM_OK;
    }
    for (int64_t i = 0, all = mucmm__desc_count(d); i < all; i++) {
        int64_t k = i / length % n;
        mucmm__number_put(d->dtype, c->y[0], i,
                          (mucmm__number_get(d->dtype, c->x[0], i) - number(c, 3, k)) *
                                  inverse_deviation(c, k) * number(c, 1, k) +
                              number(c, 2, k));
    }
    return MUCMM_OK;
}

/* dscale = sum dy (x - mean) / sqrt(var + epsilon), dshift = sum dy; x and dy blocked alike. */
static void weights_vjp(const mucmm__call *c, float *dscale, float *dshift)
{
    const mucmm__desc *d = c->in[0];
    const float *x = c->x[0], *dy = c->dy[0];
    int64_t length = d->rank > 2 ? mucmm__desc_product(d, 2, d->rank) : 1, block = d->block;
    int64_t blocks = padded(d) / block;

    for (int64_t k = 0; k < channels(d); k++) {
        double with_x = 0, plain = 0;
        for (int64_t n = 0; n < d->shape[0]; n++) {
            int64_t at = (n * blocks + k / block) * length * block + k % block;
            for (int64_t i = 0; i < length; i++, at += block) {
                with_x += (double)dy[at] * ((double)x[at] - number(c, 3, k));
                plain += (double)dy[at];
            }
        }
        if (dscale)
            dscale[k] = (float)(with_x * inverse_deviation(c, k));
        if (dshift)
            dshift[k] = (float)plain;
    }
}

static mucmm_status vjp(mucmm__call *c)
{
    const mucmm__desc *d = c->in[0];
    float *a = c->work, *zero = a + padded(d);
    job j = {.a = a, .b = zero, .x = c->dy[0], .y = c->dx[0]};

    for (int32_t i = 0; !c->dy[0] && i < 3; i++)
        if (c->dx[i])
            memset(c->dx[i], 0, (size_t)mucmm__desc_bytes(c->in[i]));
    if (!c->dy[0])
        return MUCMM_OK;
    if (c->dx[0]) {
        find_lines(c, a, NULL);
        memset(zero, 0, (size_t)padded(d) * sizeof *zero);
        run_lines(c->ctx, d, &j);
    }
    if (c->dx[1] || c->dx[2])
        weights_vjp(c, c->dx[1], c->dx[2]);
    return MUCMM_OK;
}

#define ROW(since, until, max_out)                                                                 \
    {                                                                                              \
        "BatchNormalization", since, until, 5, 5, 1, max_out, infer, forward, vjp, 7, 27, 0, 0,    \
            layout, prepare, NULL                                                                  \
    }

const mucmm__op mucmm__ops_batchnorm[] = {
    ROW(7, 8, 5), ROW(9, 13, 5), ROW(14, 14, 3), ROW(15, 0, 3), {0},
};
