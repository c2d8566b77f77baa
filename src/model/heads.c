/* SPDX-License-Identifier: MIT
 *
 * The networks of one view: from scaled features to canonical variates, and back.
 * */
#include "model/heads.h"

#include <math.h>
#include <string.h>

/* Random numbers of the later stages of random heads; the other heads have those from 0 on. */
#define STREAM_LATER ((uint64_t)1 << 40)

/* ---- one network ------------------------------------------------------------------- */

mucmm_status mucmm__head_alloc(mucmm_ctx *ctx, const mucmm__mlp *net, mucmm__head *head)
{
    mucmm_status status = MUCMM_OK;

    *head = (mucmm__head){.net = *net};
    TRY(mucmm__alloc(ctx, net->n_params, sizeof *head->params, &head->params));
    TRY(mucmm__alloc(ctx, net->out, sizeof *head->offset, &head->offset));
done:
    if (status != MUCMM_OK)
        mucmm__head_drop(head);
    return status;
}

mucmm_status mucmm__head_copy(mucmm_ctx *ctx, const mucmm__head *from, mucmm__head *to)
{
    mucmm_status status = mucmm__head_alloc(ctx, &from->net, to);

    if (status == MUCMM_OK) {
        memcpy(to->params, from->params, (size_t)from->net.n_params * sizeof *to->params);
        memcpy(to->offset, from->offset, (size_t)from->net.out * sizeof *to->offset);
    }
    return status;
}

mucmm_status mucmm__head_empty(mucmm_ctx *ctx, int64_t in, mucmm__head *head)
{
    return mucmm__head_alloc(ctx, &(mucmm__mlp){.in = in, .skip = -1}, head);
}

mucmm_status mucmm__linear_head(mucmm_ctx *ctx, int64_t in, int64_t out, const double *weights,
                                mucmm__head *head)
{
    mucmm_status status = MUCMM_OK;
    mucmm__mlp net;

    TRY(mucmm__mlp_layout(ctx, in, NULL, 0, out, false, true, &net));
    TRY(mucmm__head_alloc(ctx, &net, head));
    for (int64_t i = 0; i < in; i++)
        for (int64_t j = 0; j < out; j++)
            head->params[net.skip + j * in + i] = (float)weights[i * out + j];
done:
    return status;
}

void mucmm__head_drop(mucmm__head *head)
{
    mucmm__free(head->params);
    mucmm__free(head->offset);
    *head = (mucmm__head){0};
}

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
}

mucmm_status mucmm__head_forward(mucmm_ctx *ctx, const mucmm__head *head, int64_t n, const float *h,
                                 float *y)
{
    int64_t out = head->net.out;
    mucmm_status status = mucmm__mlp_forward(ctx, &head->net, head->params, NULL, n, h, y);

    if (status != MUCMM_OK)
        return status;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < out; j++)
            y[i * out + j] += head->offset[j];
    return MUCMM_OK;
}

/* out [new_out, in] = A' w, w [old_out, in]: a weight matrix behind the affine map. */
static void map_rows(int64_t new_out, int64_t old_out, int64_t in, const double *a, const float *w,
                     float *out)
{
    for (int64_t i = 0; i < new_out; i++)
        for (int64_t j = 0; j < in; j++) {
            double sum = 0;
            for (int64_t l = 0; l < old_out; l++)
                sum += a[l * new_out + i] * (double)w[l * in + j];
            out[i * in + j] = (float)sum;
        }
}

mucmm_status mucmm__head_affine(mucmm_ctx *ctx, mucmm__head *head, const double *mean,
                                const double *a, int64_t new_out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__mlp *old = &head->net;
    int64_t hidden[MUCMM_MAX_HIDDEN], out = old->out;
    int32_t last = old->n_layers - 1;
    mucmm__head fresh = {0};
    mucmm__mlp net;

    for (int32_t i = 0; i < last; i++)
        hidden[i] = old->layers[i].out;
    TRY(mucmm__mlp_layout(ctx, old->in, hidden, last < 0 ? 0 : last, new_out, last >= 0,
                          old->skip >= 0, &net));
    TRY(mucmm__head_alloc(ctx, &net, &fresh));
    if (last >= 0) {
        const mucmm__mlp_layer *from = &old->layers[last], *to = &net.layers[last];
        /* hidden layers lie first and do not change */
        memcpy(fresh.params, head->params, (size_t)from->weight * sizeof *fresh.params);
        map_rows(new_out, out, from->in, a, head->params + from->weight, fresh.params + to->weight);
        map_rows(new_out, out, 1, a, head->params + from->bias, fresh.params + to->bias);
    }
    if (old->skip >= 0)
        map_rows(new_out, out, old->in, a, head->params + old->skip, fresh.params + net.skip);
    for (int64_t i = 0; i < new_out; i++) {
        double sum = 0;
        for (int64_t l = 0; l < out; l++)
            sum += a[l * new_out + i] * ((double)head->offset[l] - mean[l]);
        fresh.offset[i] = (float)sum;
    }
    mucmm__head_drop(head);
    *head = fresh;
    fresh = (mucmm__head){0};
done:
    mucmm__head_drop(&fresh);
    return status;
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
    }
done:
    return status;
}

mucmm_status mucmm__heads_vjp(mucmm_ctx *ctx, const mucmm__view_heads *v, int64_t n, const float *h,
                              const float *dc, const float *du, float *dh)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = mucmm__common_width(v), q = v->individual.net.out, p = v->common.net.in;
    bool through_mix = du && v->mix && q > 0;
    float *total = NULL, *part = NULL;

    memset(dh, 0, (size_t)(n * p) * sizeof *dh);
    if (dc || through_mix) {
        TRY(mucmm__alloc(ctx, n * k, sizeof *total, &total));
        if (dc)
            memcpy(total, dc, (size_t)(n * k) * sizeof *total);
        if (through_mix)
            TRY(mucmm__gemm(ctx, false, false, n, k, q, 1, du, q, v->mix, k, 1, total, k));
        TRY(common_vjp(ctx, v, n, h, total, dh));
    }
    if (du && q > 0) {
        TRY(mucmm__alloc(ctx, n * p, sizeof *part, &part));
        TRY(mucmm__mlp_vjp(ctx, &v->individual.net, v->individual.params, n, h, du, part));
        for (int64_t i = 0; i < n * p; i++)
            dh[i] += part[i];
    }
done:
    mucmm__free(total);
    mucmm__free(part);
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
