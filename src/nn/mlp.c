/* SPDX-License-Identifier: MIT
 *
 * A head: a multilayer perceptron over one flat vector of parameters. */
#include "nn/mlp.h"
#include "nn/layers.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define CHUNK 1024 /* rows of inference at a time, at most */

static int64_t chunk_of(int64_t rows)
{
    return rows < CHUNK ? rows : CHUNK;
}

/* ---- layout ------------------------------------------------------------------------ */

/* Takes `count` places behind *n and returns the first; the caller has checked the sum. */
static int64_t take(int64_t *n, int64_t count)
{
    int64_t at = *n;
    *n += count;
    return at;
}

static mucmm_status check_sizes(mucmm_ctx *ctx, int64_t in, const int64_t *hidden, int32_t n_hidden,
                                int64_t out, bool deep, bool skip)
{
    int64_t most = INT64_MAX / 64, limit; /* of one matrix: all of them still add up */

    if (!deep && !skip)
        return mucmm__fail(ctx, MUCMM_EARG, "a network needs layers, a skip, or both");
    if (in < 1 || out < 1)
        return mucmm__fail(
            ctx, MUCMM_ESHAPE,
            "a network from %" PRId64 " to %" PRId64 " columns: both must be positive", in, out);
    if (n_hidden < 0 || n_hidden > MUCMM_MAX_HIDDEN)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId32 " hidden layers: there may be 0 to %d",
                           n_hidden, MUCMM_MAX_HIDDEN);
    for (int32_t l = 0; l <= n_hidden; l++) {
        int64_t from = l ? hidden[l - 1] : in, to = l < n_hidden ? hidden[l] : out;
        if (to < 1)
            return mucmm__fail(
                ctx, MUCMM_EARG,
                "hidden layer %" PRId32 " has width %" PRId64 "; it must be positive", l + 1, to);
        if (!mucmm__mul(from + 5, to, &limit) || limit > most)
            return mucmm__fail(ctx, MUCMM_ENOMEM,
                               "out of memory: a layer from %" PRId64 " to %" PRId64 " columns",
                               from, to);
    }
    return MUCMM_OK;
}

mucmm_status mucmm__mlp_layout(mucmm_ctx *ctx, int64_t in, const int64_t *hidden, int32_t n_hidden,
                               int64_t out, bool deep, bool skip, mucmm__mlp *net)
{
    mucmm_status status = check_sizes(ctx, in, hidden, deep ? n_hidden : 0, out, deep, skip);

    memset(net, 0, sizeof *net);
    if (status != MUCMM_OK)
        return status;
    net->in = in;
    net->out = out;
    net->n_layers = deep ? n_hidden + 1 : 0;
    for (int32_t l = 0; l < net->n_layers; l++) {
        mucmm__mlp_layer *layer = &net->layers[l];
        bool last = l == n_hidden;
        layer->in = l ? hidden[l - 1] : in;
        layer->out = last ? out : hidden[l];
        layer->weight = take(&net->n_params, layer->in * layer->out);
        layer->bias = take(&net->n_params, layer->out);
        layer->gamma = last ? -1 : take(&net->n_params, layer->out);
        layer->beta = last ? -1 : take(&net->n_params, layer->out);
        layer->mean = last ? -1 : take(&net->n_stats, layer->out);
        layer->var = last ? -1 : take(&net->n_stats, layer->out);
    }
    net->skip = skip ? take(&net->n_params, in * out) : -1;
    return MUCMM_OK;
}

static void fill(float *x, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
}

void mucmm__mlp_init(const mucmm__mlp *net, uint64_t rng_key, float *params, float *stats)
{
    for (int32_t l = 0; l < net->n_layers; l++) {
        const mucmm__mlp_layer *layer = &net->layers[l];
        double bound = 1 / sqrt((double)layer->in);
        /* the bias lies right behind the weights */
        for (int64_t i = layer->weight; i < layer->bias + layer->out; i++)
            params[i] = (float)(bound * (2 * mucmm__rng_uniform(rng_key, (uint64_t)i) - 1));
        if (layer->gamma >= 0) {
            fill(params + layer->gamma, layer->out, 1);
            fill(params + layer->beta, layer->out, 0);
            fill(stats + layer->mean, layer->out, 0);
            fill(stats + layer->var, layer->out, 1);
        }
    }
    if (net->skip >= 0)
        fill(params + net->skip, net->in * net->out, 0);
}

void mucmm__mlp_init_zero(const mucmm__mlp *net, uint64_t rng_key, float *params, float *stats)
{
    mucmm__mlp_init(net, rng_key, params, stats);
    if (net->n_layers > 0) {
        const mucmm__mlp_layer *last = &net->layers[net->n_layers - 1];
        fill(params + last->weight, (last->in + 1) * last->out, 0); /* the bias lies behind them */
    }
}

void mucmm__mlp_decay_mask(const mucmm__mlp *net, float *mask)
{
    fill(mask, net->n_params, 0);
    for (int32_t l = 0; l < net->n_layers; l++)
        fill(mask + net->layers[l].weight, net->layers[l].in * net->layers[l].out, 1);
    if (net->skip >= 0)
        fill(mask + net->skip, net->in * net->out, 1);
}

/* ---- parts of a forward pass ------------------------------------------------------- */

int64_t mucmm__mlp_widest(const mucmm__mlp *net)
{
    int64_t widest = 0;

    for (int32_t l = 0; l + 1 < net->n_layers; l++)
        widest = net->layers[l].out > widest ? net->layers[l].out : widest;
    return widest;
}

mucmm_status mucmm__mlp_linear(mucmm_ctx *ctx, const mucmm__mlp_layer *layer, const float *params,
                               int64_t rows, const float *x, float *z)
{
    return mucmm__gemm(ctx, false, true, rows, layer->out, layer->in, 1, x, layer->in,
                       params + layer->weight, layer->in, 0, z, layer->out);
}

mucmm_status mucmm__mlp_output(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                               int64_t rows, const float *x, const float *a, float *y)
{
    mucmm_status status = MUCMM_OK;
    bool deep = net->n_layers > 0;

    if (deep) {
        const mucmm__mlp_layer *last = &net->layers[net->n_layers - 1];
        for (int64_t i = 0; i < rows; i++)
            memcpy(y + i * net->out, params + last->bias, (size_t)net->out * sizeof *y);
        TRY(mucmm__gemm(ctx, false, true, rows, net->out, last->in, 1, a, last->in,
                        params + last->weight, last->in, 1, y, net->out));
    }
    if (net->skip >= 0)
        TRY(mucmm__gemm(ctx, false, true, rows, net->out, net->in, 1, x, net->in,
                        params + net->skip, net->in, deep ? 1 : 0, y, net->out));
done:
    return status;
}

mucmm_status mucmm__mlp_input_vjp(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                  int64_t rows, const float *dz, const float *dy, float *dx)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__mlp_layer *first = &net->layers[0];
    bool deep = net->n_layers > 0;

    if (deep)
        TRY(mucmm__gemm(ctx, false, false, rows, net->in, first->out, 1, dz, first->out,
                        params + first->weight, first->in, 0, dx, net->in));
    if (net->skip >= 0)
        TRY(mucmm__gemm(ctx, false, false, rows, net->in, net->out, 1, dy, net->out,
                        params + net->skip, net->in, deep ? 1 : 0, dx, net->in));
done:
    return status;
}

/* ---- inference --------------------------------------------------------------------- */

/* W <- s W,  b <- s (b - mean) + beta,  s = gamma / sqrt(var + eps), row by row of W. */
void mucmm__mlp_fold(const mucmm__mlp *net, float *params, float *stats)
{
    for (int32_t l = 0; l + 1 < net->n_layers; l++) {
        const mucmm__mlp_layer *layer = &net->layers[l];
        float *gamma = params + layer->gamma, *beta = params + layer->beta;
        float *bias = params + layer->bias, *mean = stats + layer->mean, *var = stats + layer->var;
        for (int64_t j = 0; j < layer->out; j++) {
            double s = (double)gamma[j] / sqrt((double)var[j] + (double)MUCMM__BN_EPS);
            float *w = params + layer->weight + j * layer->in;
            for (int64_t i = 0; i < layer->in; i++)
                w[i] = (float)(s * (double)w[i]);
            bias[j] = (float)(s * ((double)bias[j] - (double)mean[j]) + (double)beta[j]);
        }
        fill(gamma, layer->out, 1);
        fill(beta, layer->out, 0);
        fill(mean, layer->out, 0);
        fill(var, layer->out, 1 - MUCMM__BN_EPS);
    }
}

/* What normalizes hidden layer l of a network that is not folded, z without its bias:
 * center = mean - bias and inv_sd, in scale [2, out]. */
static mucmm__norm running_norm(const mucmm__mlp_layer *layer, const float *params,
                                const float *stats, int64_t rows, float *scale)
{
    mucmm__norm norm = {.rows = rows,
                        .w = layer->out,
                        .gamma = params + layer->gamma,
                        .beta = params + layer->beta,
                        .center = scale,
                        .inv_sd = scale + layer->out};

    for (int64_t j = 0; j < layer->out; j++) {
        norm.center[j] = stats[layer->mean + j] - params[layer->bias + j];
        norm.inv_sd[j] = (float)(1 / sqrt((double)stats[layer->var + j] + (double)MUCMM__BN_EPS));
    }
    return norm;
}

/* x [rows, in] -> y [rows, out]; work: scale [2, widest], then two blocks [rows, widest]. */
static mucmm_status forward_chunk(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                  const float *stats, int64_t rows, const float *x, float *work,
                                  float *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t widest = mucmm__mlp_widest(net);
    float *block[2] = {work + 2 * widest, work + (2 + rows) * widest};
    const float *a = x;

    for (int32_t l = 0; l + 1 < net->n_layers; l++) {
        const mucmm__mlp_layer *layer = &net->layers[l];
        float *z = block[l & 1];
        TRY(mucmm__mlp_linear(ctx, layer, params, rows, a, z));
        if (stats) {
            mucmm__norm norm = running_norm(layer, params, stats, rows, work);
            mucmm__norm_gelu(ctx, &norm, z, z);
        } else {
            mucmm__bias_gelu(ctx, rows, layer->out, params + layer->bias, z, z);
        }
        a = z;
    }
    TRY(mucmm__mlp_output(ctx, net, params, rows, x, a, y));
done:
    return status;
}

mucmm_status mucmm__mlp_forward(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                                const float *stats, int64_t rows, const float *x, float *y)
{
    mucmm_status status = MUCMM_OK;
    float *work = NULL;
    int64_t size;

    if (!mucmm__mul(mucmm__mlp_widest(net), 2 * chunk_of(rows) + 2, &size))
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: a layer is too wide");
    TRY(mucmm__alloc(ctx, size, sizeof *work, &work));
    for (int64_t i = 0, n; i < rows; i += n) {
        n = chunk_of(rows - i);
        TRY(forward_chunk(ctx, net, params, stats, n, x + i * net->in, work, y + i * net->out));
    }
done:
    mucmm__free(work);
    return status;
}

/* ---- vector-Jacobian product of the folded network --------------------------------- */

/* Workspace of one chunk: z_l [chunk, width] of each hidden layer, two blocks [chunk, widest]. */
typedef struct vjp_work {
    float *memory, *z[MUCMM_MAX_HIDDEN], *block[2];
} vjp_work;

static mucmm_status vjp_work_init(mucmm_ctx *ctx, const mucmm__mlp *net, int64_t chunk, vjp_work *w)
{
    mucmm_status status;
    int64_t columns = 2 * mucmm__mlp_widest(net), size;
    float *at;

    for (int32_t l = 0; l + 1 < net->n_layers; l++)
        columns += net->layers[l].out;
    if (!mucmm__mul(columns, chunk, &size))
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: a layer is too wide");
    status = mucmm__alloc(ctx, size, sizeof *at, &w->memory);
    if (status != MUCMM_OK)
        return status;
    at = w->memory;
    for (int32_t l = 0; l + 1 < net->n_layers; l++) {
        w->z[l] = at;
        at += chunk * net->layers[l].out;
    }
    w->block[0] = at;
    w->block[1] = at + chunk * mucmm__mlp_widest(net);
    return MUCMM_OK;
}

static mucmm_status vjp_chunk(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                              int64_t rows, const float *x, const float *dy, vjp_work *w, float *dx)
{
    mucmm_status status = MUCMM_OK;
    const float *a = x, *d = dy;

    for (int32_t l = 0; l + 1 < net->n_layers; l++) {
        const mucmm__mlp_layer *layer = &net->layers[l];
        TRY(mucmm__mlp_linear(ctx, layer, params, rows, a, w->z[l]));
        if (l + 2 < net->n_layers) /* the last one's activations are not needed */
            mucmm__bias_gelu(ctx, rows, layer->out, params + layer->bias, w->z[l], w->block[0]);
        a = w->block[0];
    }
    for (int32_t l = net->n_layers - 1; l > 0; l--) {
        const mucmm__mlp_layer *layer = &net->layers[l], *before = layer - 1;
        float *da = w->block[l & 1];
        TRY(mucmm__gemm(ctx, false, false, rows, layer->in, layer->out, 1, d, layer->out,
                        params + layer->weight, layer->in, 0, da, layer->in));
        mucmm__bias_gelu_vjp(ctx, rows, before->out, params + before->bias, w->z[l - 1], da);
        d = da;
    }
    TRY(mucmm__mlp_input_vjp(ctx, net, params, rows, d, dy, dx));
done:
    return status;
}

mucmm_status mucmm__mlp_vjp(mucmm_ctx *ctx, const mucmm__mlp *net, const float *params,
                            int64_t rows, const float *x, const float *dy, float *dx)
{
    mucmm_status status = MUCMM_OK;
    vjp_work w = {0};

    TRY(vjp_work_init(ctx, net, chunk_of(rows), &w));
    for (int64_t i = 0, n; i < rows; i += n) {
        n = chunk_of(rows - i);
        TRY(vjp_chunk(ctx, net, params, n, x + i * net->in, dy + i * net->out, &w,
                      dx + i * net->in));
    }
done:
    mucmm__free(w.memory);
    return status;
}
