/* SPDX-License-Identifier: MIT
 *
 * The conditional transport of a view's residual: section 3 of the method. */
#include "model/transport.h"

#include <math.h>

/* ---- one row ----------------------------------------------------------------------- */

/* Entries of a row of L beside the diagonal, at most: of many columns the leading ones alone, so
 * that there are not many more than WIDEST^2 in all. */
enum { WIDEST = 64 };

static int64_t beside(int64_t q, int64_t row)
{
    int64_t most = q <= WIDEST ? q : WIDEST * WIDEST / q;

    return row < most ? row : most;
}

int64_t mucmm__transport_width(int64_t q)
{
    int64_t width = 2 * q;

    for (int64_t i = 0; i < q; i++)
        width += beside(q, i);
    return width;
}

/* Few numbers: a conditional density is learned by heart soon. */
mucmm_status mucmm__transport_layout(mucmm_ctx *ctx, int64_t k, int64_t q, mucmm__mlp *net)
{
    static const int64_t hidden[] = {64, 64};

    return mucmm__mlp_layout(ctx, k, hidden, 2, mucmm__transport_width(q), true, false, net);
}

double mucmm__transport_row(int64_t q, const float *o, const float *r, float *t)
{
    const float *l = o + q;
    double log_det = 0;

    for (int64_t i = 0; i < q; i++) { /* L'(r - m) */
        int64_t n = beside(q, i);
        double log_scale = tanh((double)l[n] / 2);
        float d = r[i] - o[i];
        for (int64_t j = 0; j < n; j++)
            t[j] += l[j] * d;
        t[i] = (float)exp(log_scale) * d;
        log_det += 2 * log_scale;
        l += n + 1;
    }
    for (int64_t i = q - 1; i >= 0; i--) { /* L times that, from the last row on in its place */
        int64_t n = beside(q, i);
        float sum = (float)exp(tanh((double)*--l / 2)) * t[i];
        l -= n;
        for (int64_t j = 0; j < n; j++)
            sum += l[j] * t[j];
        t[i] = sum;
    }
    return log_det;
}

/* y = L'd, dy = L'dt; dL = dt y' + d dy', d_m = -L dy. */
void mucmm__transport_row_vjp(int64_t q, const float *o, const float *r, const float *dt,
                              double log_det, float *d_o, float *dr)
{
    const float *l = o + q;
    float *dl = d_o + q, *y = dr, *dy = d_o;

    for (int64_t i = 0; i < q; i++) {
        int64_t n = beside(q, i);
        float scale = (float)exp(tanh((double)l[n] / 2));
        for (int64_t j = 0; j < n; j++) {
            y[j] += l[j] * (r[i] - o[i]);
            dy[j] += l[j] * dt[i];
        }
        y[i] = scale * (r[i] - o[i]);
        dy[i] = scale * dt[i];
        l += n + 1;
    }
    for (int64_t i = 0; i < q; i++) {
        int64_t n = beside(q, i);
        float d = r[i] - o[i];
        for (int64_t j = 0; j < n; j++)
            dl[j] = dt[i] * y[j] + d * dy[j];
        l = o + (dl - d_o);
        double half = tanh((double)l[n] / 2);
        dl[n] = (float)(((double)(dt[i] * y[i] + d * dy[i]) * exp(half) / 2 + log_det) *
                        (1 - half * half));
        dl += n + 1;
    }
    l = o + mucmm__transport_width(q);
    for (int64_t i = q - 1; i >= 0; i--) {
        int64_t n = beside(q, i);
        float sum = (float)exp(tanh((double)*--l / 2)) * dy[i];
        l -= n;
        for (int64_t j = 0; j < n; j++)
            sum += l[j] * dy[j];
        dr[i] = sum;
        d_o[i] = -sum;
    }
}

/* ---- rows -------------------------------------------------------------------------- */

mucmm_status mucmm__transport_alloc(mucmm_ctx *ctx, int64_t q, int64_t k, mucmm__transport *t)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, q * k, sizeof *t->mix, &t->mix));
    TRY(mucmm__alloc(ctx, q * q, sizeof *t->out, &t->out));
done:
    return status;
}

void mucmm__transport_drop(mucmm__transport *t)
{
    mucmm__head_drop(&t->residual);
    mucmm__head_drop(&t->net);
    mucmm__free(t->mix);
    mucmm__free(t->out);
    *t = (mucmm__transport){0};
}

typedef struct rows_args {
    int64_t q, width;
    const float *o, *r, *dt;
    float *t, *d_o, *dr;
} rows_args;

static void forward_rows(void *arg, int64_t first, int64_t last)
{
    const rows_args *a = arg;

    for (int64_t i = first; i < last; i++)
        mucmm__transport_row(a->q, a->o + i * a->width, a->r + i * a->q, a->t + i * a->q);
}

static void vjp_rows(void *arg, int64_t first, int64_t last)
{
    const rows_args *a = arg;

    for (int64_t i = first; i < last; i++)
        mucmm__transport_row_vjp(a->q, a->o + i * a->width, a->r + i * a->q, a->dt + i * a->q, 0,
                                 a->d_o + i * a->width, a->dr + i * a->q);
}

void mucmm__transport_rows(mucmm_ctx *ctx, int64_t q, int64_t n, const float *o, const float *r,
                           float *t)
{
    rows_args args = {.q = q, .width = mucmm__transport_width(q), .o = o, .r = r, .t = t};

    mucmm__parallel_range(ctx, n, 64, forward_rows, &args);
}

void mucmm__transport_rows_vjp(mucmm_ctx *ctx, int64_t q, int64_t n, const float *o, const float *r,
                               const float *dt, float *d_o, float *dr)
{
    rows_args args = {q, mucmm__transport_width(q), o, r, dt, NULL, d_o, dr};

    mucmm__parallel_range(ctx, n, 64, vjp_rows, &args);
}

mucmm_status mucmm__transport_residual(mucmm_ctx *ctx, const mucmm__transport *t, int64_t n,
                                       int64_t k, const float *h, const float *c, float *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t q = t->residual.net.out;

    TRY(mucmm__head_forward(ctx, &t->residual, n, h, r));
    TRY(mucmm__gemm(ctx, false, true, n, q, k, 1, c, k, t->mix, k, 1, r, q));
done:
    return status;
}

mucmm_status mucmm__transport_forward(mucmm_ctx *ctx, const mucmm__transport *t, int64_t n,
                                      int64_t k, const float *h, const float *c, float *y)
{
    mucmm_status status = MUCMM_OK;
    int64_t q = t->residual.net.out, width = mucmm__transport_width(q);
    float *r = NULL, *o = NULL, *u = NULL;

    TRY(mucmm__alloc(ctx, n * q, sizeof *r, &r));
    TRY(mucmm__alloc(ctx, n * q, sizeof *u, &u));
    TRY(mucmm__alloc(ctx, n * width, sizeof *o, &o));
    TRY(mucmm__transport_residual(ctx, t, n, k, h, c, r));
    TRY(mucmm__head_forward(ctx, &t->net, n, c, o));
    mucmm__transport_rows(ctx, q, n, o, r, u);
    TRY(mucmm__gemm(ctx, false, true, n, q, q, 1, u, q, t->out, q, 1, y, q));
done:
    mucmm__free(r);
    mucmm__free(o);
    mucmm__free(u);
    return status;
}

mucmm_status mucmm__transport_vjp(mucmm_ctx *ctx, const mucmm__transport *t, int64_t n, int64_t k,
                                  const float *h, const float *c, const float *dy, float *dh,
                                  float *dc)
{
    mucmm_status status = MUCMM_OK;
    int64_t q = t->residual.net.out, width = mucmm__transport_width(q);
    float *r = NULL, *o = NULL, *dt = NULL, *d_o = NULL, *dr = NULL;

    TRY(mucmm__alloc(ctx, n * q, sizeof *r, &r));
    TRY(mucmm__alloc(ctx, n * q, sizeof *dt, &dt));
    TRY(mucmm__alloc(ctx, n * q, sizeof *dr, &dr));
    TRY(mucmm__alloc(ctx, n * width, sizeof *o, &o));
    TRY(mucmm__alloc(ctx, n * width, sizeof *d_o, &d_o));
    TRY(mucmm__transport_residual(ctx, t, n, k, h, c, r));
    TRY(mucmm__head_forward(ctx, &t->net, n, c, o));
    TRY(mucmm__gemm(ctx, false, false, n, q, q, 1, dy, q, t->out, q, 0, dt, q));
    mucmm__transport_rows_vjp(ctx, q, n, o, r, dt, d_o, dr);
    TRY(mucmm__head_vjp_add(ctx, &t->residual, n, h, dr, dh));
    TRY(mucmm__head_vjp_add(ctx, &t->net, n, c, d_o, dc));
    TRY(mucmm__gemm(ctx, false, false, n, k, q, 1, dr, q, t->mix, k, 1, dc, k));
done:
    mucmm__free(r);
    mucmm__free(o);
    mucmm__free(dt);
    mucmm__free(d_o);
    mucmm__free(dr);
    return status;
}
