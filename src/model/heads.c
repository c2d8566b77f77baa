/* SPDX-License-Identifier: MIT
 *
 * The networks of one view: from scaled features to canonical variates, and back.
 * */
#include "model/heads.h"

#include <math.h>
#include <string.h>

/* Random numbers of the later stages of random heads; the other heads have those from 0 on. */
#define STREAM_LATER ((uint64_t)1 << 40)

/* ---- the networks of a view --------------------------------------------------------- */

void mucmm__deflated_drop(mucmm__deflated *d)
{
    mucmm__head_drop(&d->head);
    mucmm__psi_drop(&d->psi);
    mucmm__free(d->weights);
    *d = (mucmm__deflated){0};
}

void mucmm__heads_drop_common(mucmm__view_heads *v)
{
    for (int32_t t = 0; t < v->n_later; t++)
        mucmm__deflated_drop(&v->later[t]);
    v->n_later = 0;
    mucmm__head_drop(&v->common);
}

void mucmm__heads_drop(mucmm__view_heads *v)
{
    mucmm__heads_drop_common(v);
    mucmm__head_drop(&v->individual);
    mucmm__free(v->mix);
    v->mix = NULL;
    mucmm__transport_drop(&v->transport);
}

/* ---- the stages of the common variates: forward, and its vector-Jacobian product ---- */

int64_t mucmm__common_width(const mucmm__view_heads *v)
{
    int64_t k = v->common.net.out;

    for (int32_t t = 0; t < v->n_later; t++)
        k += v->later[t].head.net.out;
    return k;
}

/* Columns first .. first + cols of to [n, k] = from [n, cols]. */
static void put_columns(int64_t n, int64_t k, int64_t first, int64_t cols, const float *from,
                        float *to)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * k + first, from + i * cols, (size_t)cols * sizeof *to);
}

static void get_columns(int64_t n, int64_t k, int64_t first, int64_t cols, const float *from,
                        float *to)
{
    for (int64_t i = 0; i < n; i++)
        memcpy(to + i * cols, from + i * k + first, (size_t)cols * sizeof *to);
}

static mucmm_status common_forward(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                                   const float *h, float *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), before = v->common.net.out;
    float *y = NULL;

    if (v->n_later == 0)
        return mucmm__head_forward(ctx, &v->common, n, h, c);
    TRY(mucmm__alloc(ctx, n * k, sizeof *y, &y));
    TRY(mucmm__head_forward(ctx, &v->common, n, h, y));
    put_columns(n, k, 0, before, y, c);
    for (int32_t t = 0; t < v->n_later; t++) {
        const mucmm__deflated *d = &v->later[t];
        int64_t cols = d->head.net.out;
        TRY(mucmm__head_forward(ctx, &d->head, n, h, y));
        TRY(mucmm__psi_subtract(ctx, &d->psi, d->weights, n, c, k, cols, y));
        put_columns(n, k, before, cols, y, c);
        before += cols;
    }
done:
    mucmm__free(y);
    return status;
}

/* dc [n, k] -= J' (dy weights') in the columns of c before a stage, J the Jacobian of psi. */
static mucmm_status psi_pull(mucmm_ctx *ctx, const mucmm__deflated *d, int64_t n, int64_t k,
                             const float *c, const float *dy, float *dc)
{
    mucmm_status status = MUCMM_OK;
    int64_t in = d->psi.in, cols = d->head.net.out, width = mucmm__psi_width(&d->psi);
    mucmm__block x = {NULL, n, in};
    double *g = NULL, *dpsi = NULL, *dx = NULL;

    TRY(mucmm__alloc(ctx, n * in, sizeof(double), &x.data));
    TRY(mucmm__alloc(ctx, n * in, sizeof *dx, &dx));
    TRY(mucmm__alloc(ctx, n * cols, sizeof *g, &g));
    TRY(mucmm__alloc(ctx, n * width, sizeof *dpsi, &dpsi));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < in; j++)
            x.data[i * in + j] = c[i * k + j];
    for (int64_t i = 0; i < n * cols; i++)
        g[i] = dy[i];
    TRY(mucmm__dgemm(ctx, false, true, n, width, cols, 1, g, cols, d->weights, cols, 0, dpsi,
                     width));
    TRY(mucmm__psi_vjp(ctx, &d->psi, &x, dpsi, dx));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < in; j++)
            dc[i * k + j] -= (float)dx[i * in + j];
done:
    mucmm__free(x.data);
    mucmm__free(dx);
    mucmm__free(g);
    mucmm__free(dpsi);
    return status;
}

/* dh [n, p] += what dc [n, k] leaves there; dc is used up. */
static mucmm_status common_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                               const float *h, float *dc, float *dh)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), p = v->common.net.in, at = k;
    float *c = NULL, *dy = NULL, *part = NULL;

    TRY(mucmm__alloc(ctx, n * k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, n * k, sizeof *dy, &dy));
    TRY(mucmm__alloc(ctx, n * p, sizeof *part, &part));
    if (v->n_later > 0)
        TRY(common_forward(ctx, v, n, h, c));
    for (int32_t t = v->n_later; t >= 0; t--) {
        const mucmm__head *head = t > 0 ? &v->later[t - 1].head : &v->common;
        at -= head->net.out;
        get_columns(n, k, at, head->net.out, dc, dy);
        TRY(mucmm__mlp_vjp(ctx, &head->net, head->params, n, h, dy, part));
        for (int64_t i = 0; i < n * p; i++)
            dh[i] += part[i];
        if (t > 0)
            TRY(psi_pull(ctx, &v->later[t - 1], n, k, c, dy, dc));
    }
done:
    mucmm__free(c);
    mucmm__free(dy);
    mucmm__free(part);
    return status;
}

mucmm_status mucmm__heads_forward(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                                  const float *h, float *c, float *u)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), q = v->individual.net.out;

    TRY(common_forward(ctx, v, n, h, c));
    if (u && q > 0) {
        TRY(mucmm__head_forward(ctx, &v->individual, n, h, u));
        if (v->mix)
            TRY(mucmm__gemm(ctx, false, true, n, q, k, 1, c, k, v->mix, k, 1, u, q));
        if (v->transport.out)
            TRY(mucmm__transport_forward(ctx, &v->transport, n, k, h, c, u));
    }
done:
    return status;
}

/* dh [n, p] and dc [n, k] += what du [n, q] leaves there. */
static mucmm_status individual_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n,
                                   const float *h, const float *du, float *dh, float *dc)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), q = v->individual.net.out;
    float *c = NULL;

    TRY(mucmm__head_vjp_add(ctx, &v->individual, n, h, du, dh));
    if (v->mix)
        TRY(mucmm__gemm(ctx, false, false, n, k, q, 1, du, q, v->mix, k, 1, dc, k));
    if (v->transport.out) {
        TRY(mucmm__alloc(ctx, n * k, sizeof *c, &c));
        TRY(common_forward(ctx, v, n, h, c));
        TRY(mucmm__transport_vjp(ctx, &v->transport, n, k, h, c, du, dh, dc));
    }
done:
    mucmm__free(c);
    return status;
}

mucmm_status mucmm__heads_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n, const float *h,
                              const float *dc, const float *du, float *dh)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), p = v->common.net.in;
    bool individual = du && v->individual.net.out > 0;
    float *total = NULL;

    memset(dh, 0, (size_t)(n * p) * sizeof *dh);
    TRY(mucmm__alloc(ctx, n * k, sizeof *total, &total));
    if (dc)
        memcpy(total, dc, (size_t)(n * k) * sizeof *total);
    if (individual)
        TRY(individual_vjp(ctx, v, n, h, du, dh, total));
    if (dc || (individual && (v->mix || v->transport.out)))
        TRY(common_vjp(ctx, v, n, h, total, dh));
done:
    mucmm__free(total);
    return status;
}

/* ---- heads of random weights ------------------------------------------------------- */

/* Weights as before training; the skip, which training starts from zero, is random too. */
static mucmm_status random_head(mucmm_ctx *ctx, const mucmm__head *like, uint64_t key,
                                mucmm__head *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__mlp *net = &like->net;
    double bound = 1 / sqrt((double)(net->in > 0 ? net->in : 1));
    float *stats = NULL;

    TRY(mucmm__head_alloc(ctx, net, out));
    TRY(mucmm__alloc(ctx, net->n_stats, sizeof *stats, &stats));
    mucmm__mlp_init(net, key, out->params, stats);
    mucmm__mlp_fold(net, out->params, stats);
    for (int64_t i = 0; net->skip >= 0 && i < net->in * net->out; i++)
        out->params[net->skip + i] =
            (float)(bound * (2 * mucmm__rng_uniform(key, (uint64_t)(net->n_params + i)) - 1));
done:
    mucmm__free(stats);
    return status;
}

/* What a later stage takes out of its variates was found by a regression on those before it; among
 * random ones there is nothing to find, and nothing is taken out. */
static mucmm_status random_deflated(mucmm_ctx *ctx, const mucmm__deflated *like, uint64_t key,
                                    mucmm__deflated *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = mucmm__psi_width(&like->psi), waves = like->psi.in * like->psi.waves;

    TRY(random_head(ctx, &like->head, key, &out->head));
    TRY(mucmm__psi_alloc(ctx, like->psi.in, like->psi.pairs, like->psi.waves, &out->psi));
    memcpy(out->psi.omega, like->psi.omega, (size_t)waves * sizeof *out->psi.omega);
    memcpy(out->psi.phase, like->psi.phase, (size_t)like->psi.waves * sizeof *out->psi.phase);
    TRY(mucmm__alloc(ctx, width * like->head.net.out, sizeof *out->weights, &out->weights));
done:
    return status;
}

mucmm_status mucmm__heads_random(mucmm_ctx *ctx, const mucmm__view_heads *like, uint64_t seed,
                                 uint64_t stream, mucmm__view_heads *out)
{
    mucmm_status status = MUCMM_OK;

    *out = (mucmm__view_heads){0};
    TRY(random_head(ctx, &like->common, mucmm__rng_key(seed, 2 * stream), &out->common));
    TRY(random_head(ctx, &like->individual, mucmm__rng_key(seed, 2 * stream + 1),
                    &out->individual));
    for (int32_t t = 0; t < like->n_later; t++) {
        uint64_t key = mucmm__rng_key(seed, STREAM_LATER + stream * MUCMM__LATER + (uint64_t)t);
        out->n_later = t + 1; /* what is there of it is dropped with the others */
        TRY(random_deflated(ctx, &like->later[t], key, &out->later[t]));
    }
done:
    return status;
}
