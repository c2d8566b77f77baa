/* SPDX-License-Identifier: MIT
 *
 * One network of a view: made, copied, run, and followed by an affine map. */
#include "model/head.h"

#include <string.h>

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

mucmm_status mucmm__head_vjp_add(mucmm_ctx *ctx, const mucmm__head *head, int64_t n, const float *x,
                                 const float *dy, float *dx)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = n * head->net.in;
    float *part = NULL;

    TRY(mucmm__alloc(ctx, size, sizeof *part, &part));
    TRY(mucmm__mlp_vjp(ctx, &head->net, head->params, n, x, dy, part));
    for (int64_t i = 0; i < size; i++)
        dx[i] += part[i];
done:
    mucmm__free(part);
    return status;
}
