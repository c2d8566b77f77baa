/* SPDX-License-Identifier: MIT
 *
 * What a forward pass keeps for the backward pass. */
#include "nn/layers.h"
#include "nn/mlp.h"

#include <inttypes.h>
#include <string.h>

/* z and a of the hidden layers are kept; all else is cheaper to compute again than to read. */
struct mucmm__tape {
    int64_t capacity, rows;
    const float *x;                  /* [rows, in], the caller's       */
    float *z[MUCMM_MAX_HIDDEN];      /* [capacity, width] x W'         */
    float *a[MUCMM_MAX_HIDDEN];      /* [capacity, width] gelu(...)    */
    float *center[MUCMM_MAX_HIDDEN]; /* [width] batch mean of z        */
    float *inv_sd[MUCMM_MAX_HIDDEN]; /* [width]                        */
    float *block[2];                 /* [capacity, widest] derivatives */
    float *partial;                  /* [row blocks, 2 widest or out]  */
    float *memory;
};

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Places of `count` floats, each a multiple of 64 bytes; memory NULL only counts. */
static float *take(float *memory, int64_t *used, int64_t count)
{
    float *p = memory ? memory + *used : NULL;
    *used += (count + 15) / 16 * 16;
    return p;
}

/* Cuts t->memory up and returns the number of floats it takes. */
static int64_t carve(mucmm__tape *t, const mucmm__mlp *net)
{
    int64_t used = 0, n = t->capacity, widest = mucmm__mlp_widest(net);

    for (int32_t l = 0; l + 1 < net->n_layers; l++) {
        int64_t w = net->layers[l].out;
        t->z[l] = take(t->memory, &used, n * w);
        t->a[l] = take(t->memory, &used, n * w);
        t->center[l] = take(t->memory, &used, w);
        t->inv_sd[l] = take(t->memory, &used, w);
    }
    t->block[0] = take(t->memory, &used, n * widest);
    t->block[1] = take(t->memory, &used, n * widest);
    t->partial = take(t->memory, &used, mucmm__row_blocks(n) * max64(2 * widest, net->out));
    return used;
}

mucmm_status mucmm__tape_create(mucmm_ctx *ctx, const mucmm__mlp *net, int64_t rows,
                                mucmm__tape **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__tape *t = NULL;
    int64_t widest = max64(mucmm__mlp_widest(net), net->out), limit;

    *out = NULL;
    if (rows < 0)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "a tape for %" PRId64 " rows", rows);
    if (rows == INT64_MAX || !mucmm__mul(rows + 1, 4 * (MUCMM_MAX_HIDDEN + 1), &limit) ||
        !mucmm__mul(limit, widest + 16, &limit))
        return mucmm__fail(ctx, MUCMM_ENOMEM,
                           "out of memory: activations of %" PRId64 " rows of %" PRId64 " columns",
                           rows, widest);
    TRY(mucmm__alloc(ctx, 1, sizeof *t, &t));
    t->capacity = rows;
    TRY(mucmm__alloc(ctx, carve(t, net), sizeof *t->memory, &t->memory));
    carve(t, net);
    *out = t;
    t = NULL;
done:
    mucmm__tape_free(t);
    return status;
}

void mucmm__tape_free(mucmm__tape *t)
{
    if (!t)
        return;
    mucmm__free(t->memory);
    mucmm__free(t);
}

static mucmm__norm batch_norm(const mucmm__mlp *net, const float *params, const mucmm__tape *t,
                              int32_t l)
{
    const mucmm__mlp_layer *layer = &net->layers[l];

    return (mucmm__norm){.rows = t->rows,
                         .w = layer->out,
                         .gamma = params + layer->gamma,
                         .beta = params + layer->beta,
                         .center = t->center[l],
                         .inv_sd = t->inv_sd[l],
                         .partial = t->partial};
}

static mucmm_status check_rows(mucmm_ctx *ctx, const mucmm__mlp *net, int64_t rows,
                               const mucmm__tape *tape)
{
    if (rows < 0 || rows > tape->capacity)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%" PRId64 " rows do not fit a tape of %" PRId64 " rows", rows,
                           tape->capacity);
    if (net->n_layers > 1 && rows < 2)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "batch statistics need at least 2 rows, the batch has %" PRId64, rows);
    return MUCMM_OK;
}

/* The bias of a hidden layer moves only the running mean: the batch mean takes it away again. */
mucmm_status mucmm__mlp_forward_train(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                      float *stats, int64_t rows, const float *x, mucmm__tape *tape,
                                      float *y)
{
    mucmm_status status = MUCMM_OK;
    const float *a = x;

    TRY(check_rows(ctx, net, rows, tape));
    tape->rows = rows;
    tape->x = x;
    for (int32_t l = 0; l + 1 < net->n_layers; l++) {
        const mucmm__mlp_layer *layer = &net->layers[l];
        mucmm__norm norm = batch_norm(net, params, tape, l);
        TRY(mucmm__mlp_linear(ctx, layer, params, rows, a, tape->z[l]));
        mucmm__norm_measure(ctx, &norm, tape->z[l], params + layer->bias, stats + layer->mean,
                            stats + layer->var);
        mucmm__norm_gelu(ctx, &norm, tape->z[l], tape->a[l]);
        a = tape->a[l];
    }
    TRY(mucmm__mlp_output(ctx, net, params, rows, x, a, y));
done:
    return status;
}

/* dW [out, in] = dz' a of one layer: dz [rows, out], a [rows, in]. */
static mucmm_status weight_grad(mucmm_ctx *ctx, int64_t rows, int64_t out, int64_t in,
                                const float *dz, const float *a, float *grad)
{
    return mucmm__gemm(ctx, true, false, out, in, rows, 1, dz, out, a, in, 0, grad, in);
}

/* Through layer l > 0 and the normalization before it: dz_l [rows, out] -> dz_{l-1} in *d. */
static mucmm_status layer_vjp(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                              mucmm__tape *t, int32_t l, const float **d, float *grads)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__mlp_layer *layer = &net->layers[l], *before = layer - 1;
    mucmm__norm norm = batch_norm(net, params, t, l - 1);
    float *da = t->block[l & 1];

    TRY(mucmm__gemm(ctx, false, false, t->rows, layer->in, layer->out, 1, *d, layer->out,
                    params + layer->weight, layer->in, 0, da, layer->in));
    mucmm__norm_gelu_vjp(ctx, &norm, t->z[l - 1], da, grads + before->gamma, grads + before->beta);
    /* exactly zero, where a sum of rounding errors would set AdamW adrift */
    memset(grads + before->bias, 0, (size_t)before->out * sizeof *grads);
    *d = da;
done:
    return status;
}

mucmm_status mucmm__mlp_backward(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                 mucmm__tape *tape, const float *dy, float *grads, float *dx)
{
    mucmm_status status = MUCMM_OK;
    const float *d = dy;

    if (net->n_layers > 0)
        mucmm__column_sums(ctx, tape->rows, net->out, dy, tape->partial,
                           grads + net->layers[net->n_layers - 1].bias);
    for (int32_t l = net->n_layers - 1; l >= 0; l--) {
        const mucmm__mlp_layer *layer = &net->layers[l];
        TRY(weight_grad(ctx, tape->rows, layer->out, layer->in, d, l ? tape->a[l - 1] : tape->x,
                        grads + layer->weight));
        if (l > 0)
            TRY(layer_vjp(ctx, net, params, tape, l, &d, grads));
    }
    if (net->skip >= 0)
        TRY(weight_grad(ctx, tape->rows, net->out, net->in, dy, tape->x, grads + net->skip));
    if (dx)
        TRY(mucmm__mlp_input_vjp(ctx, net, params, tape->rows, d, dy, dx));
done:
    return status;
}
