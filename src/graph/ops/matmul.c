/* SPDX-License-Identifier: MIT
 *
 * matmul.c - MatMul and Gemm. Both compute
 *   y = activation(scale_j (alpha op(A) op(B) + beta C) + shift_j + residual);
 * what stands outside the product is Gemm's C and what the planner has put on top. */
#include "graph/ops/product.h"

#include <string.h>

#define TYPES                                                                                      \
    (MUCMM__TYPES_FLOAT | 1u << MUCMM_I32 | 1u << MUCMM_I64 | 1u << MUCMM_U32 | 1u << MUCMM_U64)

typedef struct state {
    mucmm__products p;
    float alpha, beta;
    int64_t c_row, c_column;       /* steps of Gemm's C */
    mucmm__linear *forward, *to_x; /* with constant B; NULL = the general product */
    bool finished;                 /* the linear product does all the rest too */
} state;

static void drop(void *s)
{
    state *st = s;

    if (!st)
        return;
    mucmm__linear_free(st->forward);
    mucmm__linear_free(st->to_x);
    mucmm__free(st);
}

/* All batches counted as rows. */
static int64_t rows(const mucmm__call *c, const state *s)
{
    return s->p.n > 0 ? mucmm__desc_count(c->out[0]) / s->p.n : 0;
}

/* ---- MatMul: shapes ---------------------------------------------------------------- */

/* 1-d operands are a row on the left, a column on the right. */
static mucmm__desc as_matrix(const mucmm__desc *d, bool left)
{
    mucmm__desc m = *d;

    if (d->rank == 1) {
        m.rank = 2;
        m.shape[0] = left ? 1 : d->shape[0];
        m.shape[1] = left ? d->shape[0] : 1;
    }
    return m;
}

static mucmm_status check_types(mucmm__call *c)
{
    mucmm_status status = mucmm__check_type(c, 0, TYPES);

    for (int32_t i = 1; status == MUCMM_OK && i < c->n_in; i++)
        if (c->in[i] && c->in[i]->dtype != c->in[0]->dtype)
            return mucmm__op_fail(c, MUCMM_EARG, "input 0 is %s and input %d is %s",
                                  mucmm_dtype_name(c->in[0]->dtype), i,
                                  mucmm_dtype_name(c->in[i]->dtype));
    return status;
}

static mucmm_status inner_mismatch(const mucmm__call *c)
{
    char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];

    return mucmm__op_fail(c, MUCMM_ESHAPE, "shapes %s and %s cannot be multiplied",
                          mucmm__shape_text(a, c->in[0]), mucmm__shape_text(b, c->in[1]));
}

static mucmm_status matmul_infer(mucmm__call *c)
{
    mucmm__desc a, b;
    int64_t shape[MUCMM_MAX_RANK + 2];
    int32_t rank = 0;
    mucmm_status status = check_types(c);

    if (status != MUCMM_OK)
        return status;
    if (c->in[0]->rank == 0 || c->in[1]->rank == 0)
        return inner_mismatch(c);
    a = as_matrix(c->in[0], true);
    b = as_matrix(c->in[1], false);
    if (a.shape[a.rank - 1] != b.shape[b.rank - 2])
        return inner_mismatch(c);
    a.rank -= 2;
    b.rank -= 2;
    status = mucmm__broadcast(c, &a, &b, &rank, shape);
    if (status != MUCMM_OK)
        return status;
    if (c->in[0]->rank > 1)
        shape[rank++] = a.shape[a.rank];
    if (c->in[1]->rank > 1)
        shape[rank++] = b.shape[b.rank + 1];
    return mucmm__out(c, 0, c->in[0]->dtype, rank, shape);
}

/* Batch axes from the last to the first. With a plain matrix on the right, all rows are one
 * product's. */
static void matmul_products(const mucmm__call *c, mucmm__products *p)
{
    mucmm__desc a = as_matrix(c->in[0], true), b = as_matrix(c->in[1], false);
    int32_t batch = (a.rank > b.rank ? a.rank : b.rank) - 2;
    int64_t a_step, b_step, c_step;

    p->m = a.shape[a.rank - 2];
    p->k = a.shape[a.rank - 1];
    p->n = b.shape[b.rank - 1];
    p->lda = p->k;
    p->ldb = p->ldc = p->n;
    if (b.rank == 2) {
        p->m = mucmm__desc_product(&a, 0, a.rank - 1);
        return;
    }
    a_step = p->m * p->k;
    b_step = p->k * p->n;
    c_step = p->m * p->n;
    for (int32_t k = 0; k < batch; k++) {
        int64_t m = k < a.rank - 2 ? a.shape[a.rank - 3 - k] : 1,
                n = k < b.rank - 2 ? b.shape[b.rank - 3 - k] : 1, size = m == 1 ? n : m;
        p->axis[batch - 1 - k] =
            (mucmm__batch_axis){size, m == 1 ? 0 : a_step, n == 1 ? 0 : b_step, c_step};
        a_step *= m;
        b_step *= n;
        c_step *= size;
    }
    p->axes = batch;
}

/* ---- Gemm: shapes ------------------------------------------------------------------ */

static mucmm_status gemm_infer(mucmm__call *c)
{
    bool trans_a = mucmm__attr_int(c->node, "transA", 0) != 0,
         trans_b = mucmm__attr_int(c->node, "transB", 0) != 0;
    mucmm__desc y = {.rank = 2};
    mucmm_status status = check_types(c);
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = 0;

    if (status != MUCMM_OK)
        return status;
    if (c->in[0]->rank != 2 || c->in[1]->rank != 2 ||
        c->in[0]->shape[trans_a ? 0 : 1] != c->in[1]->shape[trans_b ? 1 : 0])
        return inner_mismatch(c);
    y.shape[0] = c->in[0]->shape[trans_a ? 1 : 0];
    y.shape[1] = c->in[1]->shape[trans_b ? 0 : 1];
    if (mucmm__has_in(c, 2)) {
        status = mucmm__broadcast(c, &y, c->in[2], &rank, shape);
        if (status == MUCMM_OK && (rank != 2 || memcmp(shape, y.shape, sizeof shape[0] * 2) != 0))
            status = mucmm__op_fail(c, MUCMM_ESHAPE, "C is larger than the product");
    }
    return status == MUCMM_OK ? mucmm__out(c, 0, c->in[0]->dtype, 2, y.shape) : status;
}

static void gemm_products(const mucmm__call *c, state *s)
{
    mucmm__products *p = &s->p;

    p->trans_a = mucmm__attr_int(c->node, "transA", 0) != 0;
    p->trans_b = mucmm__attr_int(c->node, "transB", 0) != 0;
    p->m = c->out[0]->shape[0];
    p->n = p->ldc = c->out[0]->shape[1];
    p->k = c->in[0]->shape[p->trans_a ? 0 : 1];
    p->lda = c->in[0]->shape[1];
    p->ldb = c->in[1]->shape[1];
    s->alpha = mucmm__attr_float(c->node, "alpha", 1.0f);
    s->beta = mucmm__attr_float(c->node, "beta", 1.0f);
    if (mucmm__has_in(c, 2)) {
        const mucmm__desc *d = c->in[2];
        int64_t wide = d->rank > 0 ? d->shape[d->rank - 1] : 1;
        s->c_column = wide > 1;
        s->c_row = d->rank > 1 && d->shape[0] > 1 ? wide : 0;
    }
}

/* ---- preparing --------------------------------------------------------------------- */

/* The addend of C and the shift on top of it for each column, if they are the same in all rows and
 * known. *out NULL: there is none. */
static mucmm_status column_bias(mucmm__call *c, const state *s, bool *same, float **out)
{
    const mucmm__fused *f = c->fused;
    const float *addend = mucmm__has_in(c, 2) && !(f && f->residual == 2) ? c->known[2] : NULL;
    bool has_addend = mucmm__has_in(c, 2) && !(f && f->residual == 2);
    mucmm_status status = MUCMM_OK;

    *out = NULL;
    *same = !has_addend || (addend && s->c_row == 0);
    if (!*same || (!addend && !(f && f->shift)))
        return MUCMM_OK;
    status = mucmm__alloc(c->ctx, s->p.n, sizeof **out, out);
    for (int64_t j = 0; status == MUCMM_OK && j < s->p.n; j++) {
        float scale = f && f->scale ? f->scale[j] : 1.0f;
        (*out)[j] = (addend ? scale * s->beta * addend[j * s->c_column] : 0.0f) +
                    (f && f->shift ? f->shift[j] : 0.0f);
    }
    return status;
}

/* With constant B of one matrix. */
static mucmm_status prepare_linear(mucmm__call *c, state *s)
{
    const mucmm__fused *f = c->fused;
    const mucmm__products *p = &s->p;
    mucmm__linear_params q = {.m = p->m,
                              .n = p->n,
                              .k = p->k,
                              .w = c->known[1],
                              .row_step = p->trans_b ? 1 : p->ldb,
                              .column_step = p->trans_b ? p->ldb : 1,
                              .alpha = s->alpha};
    mucmm__linear_params back = q;
    mucmm_status status = MUCMM_OK;
    float *bias = NULL;

    TRY(column_bias(c, s, &s->finished, &bias));
    if (s->finished) {
        q.scale = f ? f->scale : NULL;
        q.bias = bias;
        q.residual = f && f->residual >= 0;
        q.activation = f ? f->activation : MUCMM__ACT_NONE;
        q.act_alpha = f ? f->alpha : 0;
        q.act_beta = f ? f->beta : 0;
        q.tail = f && mucmm__has_tail(f);
        q.floor = f ? f->floor : 0;
        q.out_scale = f ? f->out_scale : 1;
        q.out_shift = f ? f->out_shift : 0;
    }
    TRY(mucmm__linear_create(c->ctx, c->graph, c->node, &q, &s->forward));
    s->finished = s->finished && s->forward;
    back.n = p->k;
    back.k = p->n;
    back.row_step = q.column_step;
    back.column_step = q.row_step;
    if (c->differentiable)
        TRY(mucmm__linear_create(c->ctx, c->graph, c->node, &back, &s->to_x));
done:
    mucmm__free(bias);
    return status;
}

/* Bytes in vjp for the gradient before the activation and the scale; the rest is oneDNN's. */
static int64_t slope_bytes(const mucmm__call *c)
{
    bool needed = c->fused && (c->fused->activation != MUCMM__ACT_NONE || c->fused->scale);
    return needed ? (mucmm__desc_bytes(c->out[0]) + 63) / 64 * 64 : 0;
}

static mucmm_status prepare(mucmm__call *c)
{
    bool gemm = strcmp(c->node->op->type, "Gemm") == 0;
    mucmm_status status = MUCMM_OK;
    state *s = NULL;

    TRY(mucmm__alloc(c->ctx, 1, sizeof *s, &s));
    c->state = s;
    s->alpha = s->beta = 1.0f;
    if (gemm)
        gemm_products(c, s);
    else
        matmul_products(c, &s->p);
    if (c->in[0]->dtype == MUCMM_F32 && c->known[1] && !c->known[0] && s->p.axes == 0 &&
        !s->p.trans_a)
        TRY(prepare_linear(c, s));
    c->scratch = mucmm__linear_scratch(s->forward);
    c->vjp_scratch = slope_bytes(c) + mucmm__linear_scratch(s->to_x);
done:
    return status;
}

/* ---- forward ----------------------------------------------------------------------- */

/* Gemm's C, unless the planner's residual has its place. */
static const void *addend(const mucmm__call *c)
{
    bool taken = c->fused && c->fused->residual == 2;
    return mucmm__has_in(c, 2) && !taken ? c->x[2] : NULL;
}

static mucmm__finish what_follows(const mucmm__call *c, const state *s)
{
    mucmm__finish f = {.m = rows(c, s), .n = s->p.n, .c_row = s->c_row, .c_column = s->c_column};

    f.beta = s->beta;
    if (c->fused) {
        f.scale = c->fused->scale;
        f.shift = c->fused->shift;
        f.activation = c->fused->activation;
        f.act_alpha = c->fused->alpha;
        f.act_beta = c->fused->beta;
        f.tail = mucmm__has_tail(c->fused);
        f.floor = c->fused->floor;
        f.out_scale = c->fused->out_scale;
        f.out_shift = c->fused->out_shift;
    }
    return f;
}

/* Types other than float32: C is added and alpha multiplied in double unless they are whole. */
static mucmm_status forward_type(mucmm__call *c, const state *s)
{
    mucmm_dtype t = c->in[0]->dtype;
    const void *add = addend(c);
    void *y = c->y[0];

    mucmm__products_run_type(c->ctx, &s->p, t, c->x[0], c->x[1], y);
    if (!add && s->alpha == 1)
        return MUCMM_OK;
    for (int64_t i = 0, n = mucmm__desc_count(c->out[0]); i < n; i++) {
        int64_t at = add ? i / s->p.n * s->c_row + i % s->p.n * s->c_column : 0;
        if (s->alpha == 1 && s->beta == 1 && !mucmm__dtype_is_float(t))
            mucmm__integer_put(t, y, i,
                               (int64_t)((uint64_t)mucmm__integer_get(t, y, i) +
                                         (uint64_t)mucmm__integer_get(t, add, at)));
        else
            mucmm__number_put(t, y, i,
                              (double)s->alpha * mucmm__number_get(t, y, i) +
                                  (add ? (double)s->beta * mucmm__number_get(t, add, at) : 0));
    }
    return MUCMM_OK;
}

static mucmm_status forward(mucmm__call *c)
{
    const state *s = c->state;
    int32_t r = c->fused ? c->fused->residual : -1;
    mucmm__finish f = what_follows(c, s);
    mucmm_status status = MUCMM_OK;

    if (c->in[0]->dtype != MUCMM_F32)
        return forward_type(c, s);
    f.residual = r >= 0 ? c->x[r] : NULL;
    f.c = addend(c);
    if (s->forward)
        status = mucmm__linear_run(c->ctx, s->forward, c->x[0], f.residual, c->y[0], c->work);
    else
        status = mucmm__products_run(c->ctx, &s->p, s->alpha, c->x[0], c->x[1], c->y[0]);
    if (status == MUCMM_OK && !s->finished)
        mucmm__finish_run(c->ctx, &f, c->y[0]);
    return status;
}

/* ---- gradient ---------------------------------------------------------------------- */

/* With dz = dy activation'(y):
 *   dresidual = dz,  dC = beta sum of scale dz over what C is repeated along,
 *   dA = alpha (scale dz) B',  dB = alpha A' (scale dz). */

static void scale_columns(const state *s, int64_t m, const float *scale, const float *from,
                          float *to)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < s->p.n; j++)
            to[i * s->p.n + j] = from[i * s->p.n + j] * scale[j];
}

static void addend_vjp(const mucmm__call *c, const state *s, const float *dz, float *dc)
{
    memset(dc, 0, (size_t)mucmm__desc_bytes(c->in[2]));
    for (int64_t i = 0; i < s->p.m; i++)
        for (int64_t j = 0; j < s->p.n; j++)
            dc[i * s->c_row + j * s->c_column] += s->beta * dz[i * s->p.n + j];
}

static mucmm_status factor_vjp(mucmm__call *c, const state *s, bool of_b, const float *dz,
                               float *dx)
{
    mucmm__products p;
    bool dz_first;
    const float *other = c->x[of_b ? 0 : 1];

    if (!of_b && s->to_x)
        return mucmm__linear_run(c->ctx, s->to_x, dz, NULL, dx, (char *)c->work + slope_bytes(c));
    mucmm__products_vjp(&s->p, of_b, &p, &dz_first);
    return mucmm__products_run(c->ctx, &p, s->alpha, dz_first ? dz : other, dz_first ? other : dz,
                               dx);
}

static mucmm_status vjp(mucmm__call *c)
{
    const state *s = c->state;
    mucmm__finish f = what_follows(c, s);
    int32_t r = c->fused ? c->fused->residual : -1;
    const float *dz = c->dy[0];
    mucmm_status status = MUCMM_OK;

    for (int32_t i = 0; !dz && i < c->n_in; i++)
        if (c->dx[i])
            memset(c->dx[i], 0, (size_t)mucmm__desc_bytes(c->in[i]));
    if (!dz)
        return MUCMM_OK;
    if (f.activation != MUCMM__ACT_NONE) {
        mucmm__finish_vjp(c->ctx, &f, c->y[0], dz, c->work);
        dz = c->work;
    }
    if (r >= 0 && c->dx[r])
        memcpy(c->dx[r], dz, (size_t)mucmm__desc_bytes(c->out[0]));
    if (f.scale) {
        scale_columns(s, f.m, f.scale, dz, c->work);
        dz = c->work;
    }
    if (c->n_in > 2 && r != 2 && c->dx[2])
        addend_vjp(c, s, dz, c->dx[2]);
    if (c->dx[0])
        TRY(factor_vjp(c, s, false, dz, c->dx[0]));
    if (c->dx[1])
        TRY(factor_vjp(c, s, true, dz, c->dx[1]));
done:
    return status;
}

const mucmm__op mucmm__ops_matmul[] = {
    {"MatMul", 7, 0, 2, 2, 1, 1, matmul_infer, forward, vjp, 3, 3, 0,
     MUCMM__FUSES | MUCMM__BILINEAR, NULL, prepare, drop},
    {"Gemm", 7, 10, 3, 3, 1, 1, gemm_infer, forward, vjp, 7, 3, 0, MUCMM__FUSES | MUCMM__BILINEAR,
     NULL, prepare, drop},
    {"Gemm", 11, 0, 2, 3, 1, 1, gemm_infer, forward, vjp, 7, 3, 0, MUCMM__FUSES | MUCMM__BILINEAR,
     NULL, prepare, drop},
    {0},
};
