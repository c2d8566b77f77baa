/* SPDX-License-Identifier: MIT
 *
 * whitened.c - batches to covariances, covariances to the leading correlations. */
#include "correlate/whitened.h"

#include "linalg/blas.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- centring ---------------------------------------------------------------------- */

typedef struct centering {
    const mucmm__block *blocks;
    int64_t stride;
    double *out;  /* [rows, stride] */
    double *mean; /* [stride] */
} centering;

static int64_t offset_of(const mucmm__block *blocks, int64_t b)
{
    int64_t at = 0;

    for (int64_t i = 0; i < b; i++)
        at += blocks[i].cols;
    return at;
}

/* One block: a value that is not finite leaves a mean that is not. */
static void center_block(void *arg, int64_t b)
{
    const centering *c = arg;
    const mucmm__block *x = c->blocks + b;
    int64_t at = offset_of(c->blocks, b);
    double *mean = c->mean + at;

    for (int64_t i = 0; i < x->rows; i++) {
        const double *row = x->data + i * x->cols;
#pragma omp simd
        for (int64_t j = 0; j < x->cols; j++)
            mean[j] += row[j];
    }
    for (int64_t j = 0; j < x->cols; j++)
        mean[j] /= (double)x->rows;
    for (int64_t i = 0; i < x->rows; i++) {
        const double *row = x->data + i * x->cols;
        double *out = c->out + i * c->stride + at;
#pragma omp simd
        for (int64_t j = 0; j < x->cols; j++)
            out[j] = row[j] - mean[j];
    }
}

static mucmm_status refuse_column(mucmm_ctx *ctx, const mucmm__block *x, const char *name,
                                  int64_t column)
{
    for (int64_t i = 0; i < x->rows; i++)
        if (!isfinite(x->data[i * x->cols + column]))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "%s has a value that is not finite in row %" PRId64
                               ", column %" PRId64,
                               name, i, column);
    return mucmm__fail(ctx, MUCMM_ENUMERIC,
                       "%s, column %" PRId64 ": the values are too large to be added up", name,
                       column);
}

mucmm_status mucmm__center(mucmm_ctx *ctx, int32_t n_blocks, const mucmm__block *blocks,
                           const char *const *names, double *out)
{
    centering c = {blocks, offset_of(blocks, n_blocks), out, NULL};
    mucmm_status status = MUCMM_OK;
    int64_t at = 0;

    TRY(mucmm__alloc(ctx, c.stride, sizeof *c.mean, &c.mean));
    mucmm__parallel(ctx, n_blocks, center_block, &c);
    for (int32_t b = 0; b < n_blocks; at += blocks[b++].cols)
        for (int64_t j = 0; j < blocks[b].cols; j++)
            if (!isfinite(c.mean[at + j]))
                TRY(refuse_column(ctx, blocks + b, names[b], j));
done:
    mucmm__free(c.mean);
    return status;
}

/* ---- covariance of a batch --------------------------------------------------------- */

/* Panels of columns; a pair of them is a task, whatever the number of threads. */
enum { PANEL = 64 };

typedef struct gram {
    int64_t n, p;
    const double *x;
    double scale;
    double *s;
} gram;

/* Task i is the i-th pair (row panel >= column panel) of the lower triangle. */
static void multiply_panels(void *arg, int64_t i)
{
    const gram *g = arg;
    int64_t row = 0, rows, cols, p = g->p;
    double *s;

    while (i > row)
        i -= ++row;
    rows = least(PANEL, p - row * PANEL);
    cols = least(PANEL, p - i * PANEL);
    s = g->s + row * PANEL * p + i * PANEL;
    mucmm__dgemm_tile(rows, cols, g->n, g->x + row * PANEL, p, g->x + i * PANEL, p, s, p);
    for (int64_t a = 0; a < rows; a++)
        for (int64_t b = 0; b < cols; b++)
            s[a * p + b] *= g->scale;
}

mucmm_status mucmm__covariance(mucmm_ctx *ctx, int64_t n, int64_t p, const double *x,
                               double divisor, double *s)
{
    gram g = {n, p, x, 1 / divisor, s};
    int64_t panels = (p + PANEL - 1) / PANEL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__blas_size(ctx, "rows of a batch", n));
    TRY(mucmm__blas_size(ctx, "columns of a batch", p));
    mucmm__blas_begin();
    mucmm__parallel(ctx, panels * (panels + 1) / 2, multiply_panels, &g);
    mucmm__blas_end();
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < i; j++)
            s[j * p + i] = s[i * p + j];
done:
    return status;
}

void mucmm__transpose(int64_t rows, int64_t cols, const double *x, int64_t ld, double *out)
{
    enum { EDGE = 16 };
    for (int64_t ib = 0; ib < rows; ib += EDGE)
        for (int64_t jb = 0; jb < cols; jb += EDGE)
            for (int64_t i = ib; i < least(rows, ib + EDGE); i++)
                for (int64_t j = jb; j < least(cols, jb + EDGE); j++)
                    out[j * rows + i] = x[i * ld + j];
}

/* ---- factors ----------------------------------------------------------------------- */

static bool all_finite(int64_t n, const double *x)
{
    double zero = 0;

#pragma omp simd reduction(+ : zero)
    for (int64_t i = 0; i < n; i++)
        zero += x[i] * 0; /* NaN for infinities too */
    return zero == 0;
}

mucmm_status mucmm__factor_covariance(mucmm_ctx *ctx, const char *name, int64_t p, const double *s,
                                      int64_t ld, double ridge, double *factor)
{
    mucmm_status status;

    for (int64_t i = 0; i < p; i++) {
        memcpy(factor + i * p, s + i * ld, (size_t)p * sizeof *s);
        factor[i * p + i] += ridge;
    }
    if (!all_finite(p * p, factor))
        return mucmm__fail(ctx, MUCMM_ENUMERIC,
                           "the covariance of %s has a value that is not finite", name);
    status = mucmm__cholesky(ctx, p, factor, name);
    if (status == MUCMM_ENUMERIC)
        return mucmm__fail(ctx, status,
                           "the covariance of %s (%" PRId64
                           " columns) with ridge %g is not positive definite; raise the ridge",
                           name, p, ridge);
    return status;
}

mucmm_status mucmm__solve_spd(mucmm_ctx *ctx, int64_t n, int64_t m, const double *l, double *b)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__solve_lower(ctx, false, n, m, l, b));
    TRY(mucmm__solve_lower(ctx, true, n, m, l, b));
done:
    return status;
}

/* ---- several views ----------------------------------------------------------------- */

static int64_t view_offset(const mucmm__whitened *v, int32_t m)
{
    int64_t at = 0;

    for (int32_t i = 0; i < m; i++)
        at += v->dims[i];
    return at;
}

mucmm_status mucmm__whitened_factor(mucmm_ctx *ctx, mucmm__whitened *v)
{
    mucmm_status status = MUCMM_OK;

    v->total = view_offset(v, v->n);
    for (int32_t m = 0; m < v->n; m++) {
        int64_t d = v->dims[m], at = view_offset(v, m);
        TRY(mucmm__alloc(ctx, d * d, sizeof **v->factor, &v->factor[m]));
        TRY(mucmm__factor_covariance(ctx, v->names[m], d, v->cov + at * v->total + at, v->total,
                                     v->ridge, v->factor[m]));
    }
done:
    return status;
}

void mucmm__whitened_drop(mucmm__whitened *v)
{
    for (int32_t m = 0; m < v->n; m++)
        mucmm__free(v->factor[m]);
}

/* out [d_m, d_l] = L_m^-1 S_ml L_l'^-1; scratch [d_l, d_m]. */
static mucmm_status whiten_pair(mucmm_ctx *ctx, const mucmm__whitened *v, int32_t m, int32_t l,
                                double *scratch, double *out)
{
    int64_t dm = v->dims[m], dl = v->dims[l];
    const double *s = v->cov + view_offset(v, m) * v->total + view_offset(v, l);
    mucmm_status status = MUCMM_OK;

    mucmm__transpose(dm, dl, s, v->total, scratch);
    if (!all_finite(dm * dl, scratch))
        return mucmm__fail(ctx, MUCMM_ENUMERIC,
                           "the covariance of %s with %s has a value that is not finite",
                           v->names[m], v->names[l]);
    TRY(mucmm__solve_lower(ctx, false, dl, dm, v->factor[l], scratch));
    mucmm__transpose(dl, dm, scratch, dm, out);
    TRY(mucmm__solve_lower(ctx, false, dm, dl, v->factor[m], out));
done:
    return status;
}

/* C [p, q] -> its k leading singular values s [k] and vectors u [p, k], w [q, k], p <= q when
 * !flip; flip: C is given transposed, [q, p]. The eigenvectors U0 of CC' span the same space; the
 * exact values come from the thin C'U0 = W diag(s) Z', so none is the root of a rounded square, and
 * W stays orthonormal where s = 0. */
static mucmm_status leading_singular(mucmm_ctx *ctx, bool flip, int64_t p, int64_t q, int64_t k,
                                     const double *c, double *s, double *u, double *w)
{
    double *square = NULL, *u0 = NULL, *thin = NULL, *z = NULL;
    int64_t ld = flip ? p : q;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, p * p, sizeof *square, &square));
    TRY(mucmm__alloc(ctx, p * k, sizeof *u0, &u0));
    TRY(mucmm__alloc(ctx, q * k, sizeof *thin, &thin));
    TRY(mucmm__alloc(ctx, k * k, sizeof *z, &z));
    TRY(mucmm__dgemm(ctx, flip, !flip, p, p, q, 1, c, ld, c, ld, 0, square, p));
    TRY(mucmm__eigen(ctx, p, square, k, s, u0));
    TRY(mucmm__dgemm(ctx, !flip, false, q, k, p, 1, c, ld, u0, k, 0, thin, k));
    TRY(mucmm__svd(ctx, q, k, thin, w, s, z));
    TRY(mucmm__dgemm(ctx, false, true, p, k, k, 1, u0, k, z, k, 0, u, k));
done:
    mucmm__free(square);
    mucmm__free(u0);
    mucmm__free(thin);
    mucmm__free(z);
    return status;
}

/* The same from all singular values; c [p, q] is destroyed. */
static mucmm_status all_singular(mucmm_ctx *ctx, int64_t p, int64_t q, int64_t k, double *c,
                                 double *s, double *u, double *w)
{
    int64_t r = least(p, q);
    double *full_u = NULL, *full_s = NULL, *full_vt = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, p * r, sizeof *full_u, &full_u));
    TRY(mucmm__alloc(ctx, r, sizeof *full_s, &full_s));
    TRY(mucmm__alloc(ctx, r * q, sizeof *full_vt, &full_vt));
    TRY(mucmm__svd(ctx, p, q, c, full_u, full_s, full_vt));
    memcpy(s, full_s, (size_t)k * sizeof *s);
    for (int64_t i = 0; i < p; i++)
        memcpy(u + i * k, full_u + i * r, (size_t)k * sizeof *u);
    mucmm__transpose(k, q, full_vt, q, w);
done:
    mucmm__free(full_u);
    mucmm__free(full_s);
    mucmm__free(full_vt);
    return status;
}

/* Two views: lambda = 1 +- s, z = [u; w]/sqrt 2 with the singular pairs of L_1^-1 S_12 L_2'^-1.
 * Small problems, and those that want many values, take the whole decomposition. */
static mucmm_status solve_two(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k, double *rho,
                              double *z)
{
    int64_t p = v->dims[0], q = v->dims[1], r = least(p, q);
    double *c = NULL, *scratch = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, p * q, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, p * q, sizeof *scratch, &scratch));
    TRY(whiten_pair(ctx, v, 0, 1, scratch, c));
    if (r <= 128 || 4 * k > r)
        TRY(all_singular(ctx, p, q, k, c, rho, z, z + p * k));
    else if (p <= q)
        TRY(leading_singular(ctx, false, p, q, k, c, rho, z, z + p * k));
    else
        TRY(leading_singular(ctx, true, q, p, k, c, rho, z + p * k, z));
    for (int64_t i = 0; i < (p + q) * k; i++)
        z[i] *= sqrt(0.5);
done:
    mucmm__free(c);
    mucmm__free(scratch);
    return status;
}

/* t [P, P] += the whitened pair (m, l) and its transpose. */
static mucmm_status place_pair(mucmm_ctx *ctx, const mucmm__whitened *v, int32_t m, int32_t l,
                               double *t)
{
    int64_t dm = v->dims[m], dl = v->dims[l], total = v->total;
    int64_t row = view_offset(v, m), col = view_offset(v, l);
    double *c = NULL, *scratch = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, dm * dl, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, dm * dl, sizeof *scratch, &scratch));
    TRY(whiten_pair(ctx, v, m, l, scratch, c));
    for (int64_t i = 0; i < dm; i++)
        for (int64_t j = 0; j < dl; j++)
            t[(row + i) * total + col + j] = t[(col + j) * total + row + i] = c[i * dl + j];
done:
    mucmm__free(c);
    mucmm__free(scratch);
    return status;
}

/* More views: eigenvectors of L^-1 (S + r I) L'^-1, whose diagonal blocks are the identity; without
 * them the eigenvalues are lambda - 1. */
static mucmm_status solve_many(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k, double *rho,
                               double *z)
{
    double *t = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, v->total * v->total, sizeof *t, &t));
    for (int32_t m = 0; m < v->n; m++)
        for (int32_t l = m + 1; l < v->n; l++)
            TRY(place_pair(ctx, v, m, l, t));
    TRY(mucmm__eigen(ctx, v->total, t, k, rho, z));
    for (int64_t j = 0; j < k; j++)
        rho[j] /= v->n - 1;
done:
    mucmm__free(t);
    return status;
}

mucmm_status mucmm__whitened_solve(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k, double *rho,
                                   double *z)
{
    return v->n == 2 ? solve_two(ctx, v, k, rho, z) : solve_many(ctx, v, k, rho, z);
}

mucmm_status mucmm__whitened_unwhiten(mucmm_ctx *ctx, const mucmm__whitened *v, int64_t k,
                                      double *z)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < v->n; m++)
        TRY(mucmm__solve_lower(ctx, true, v->dims[m], k, v->factor[m], z + view_offset(v, m) * k));
done:
    return status;
}
