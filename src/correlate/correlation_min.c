/* SPDX-License-Identifier: MIT
 *
 * correlation_min.c - the dependence K between two blocks of columns, its
 * cross-fitted form, and their gradients. a [n, d], b or c [n, e]. */
#include "correlate/whitened.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static mucmm_status check_pair(mucmm_ctx *ctx, const mucmm__block *a, const mucmm__block *b,
                               const char *names[2], int64_t least_rows, double ridge)
{
    if (a->rows != b->rows)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s has %" PRId64 " rows and %s has %" PRId64
                           "; they must be paired row by row",
                           names[0], a->rows, names[1], b->rows);
    if (a->cols < 1 || b->cols < 1)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s has %" PRId64 " columns and %s has %" PRId64
                           "; both need at least one",
                           names[0], a->cols, names[1], b->cols);
    if (a->rows < least_rows)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "a batch of %" PRId64 " rows; at least %" PRId64 " are needed", a->rows,
                           least_rows);
    if (!(ridge >= 0 && isfinite(ridge)))
        return mucmm__fail(ctx, MUCMM_EARG, "ridge = %g; it must be 0 or more", ridge);
    return MUCMM_OK;
}

/* ---- K(a, b) ----------------------------------------------------------------------- */

/* One side of the pair: its centred columns [n, d], covariance, Cholesky factor [d, d]. */
typedef struct side {
    int64_t d;
    double *centered, *cov, *factor;
} side;

static void side_drop(side *s)
{
    mucmm__free(s->centered);
    mucmm__free(s->cov);
    mucmm__free(s->factor);
}

static mucmm_status side_init(mucmm_ctx *ctx, side *s, const mucmm__block *x, const char *name,
                              double divisor, double ridge)
{
    mucmm_status status = MUCMM_OK;

    s->d = x->cols;
    TRY(mucmm__alloc(ctx, x->rows * s->d, sizeof *s->centered, &s->centered));
    TRY(mucmm__alloc(ctx, s->d * s->d, sizeof *s->cov, &s->cov));
    TRY(mucmm__alloc(ctx, s->d * s->d, sizeof *s->factor, &s->factor));
    TRY(mucmm__center(ctx, 1, x, &name, s->centered));
    TRY(mucmm__covariance(ctx, x->rows, s->d, s->centered, divisor, s->cov));
    TRY(mucmm__factor_covariance(ctx, name, s->d, s->cov, s->d, ridge, s->factor));
done:
    return status;
}

/* grad [n, d] = scale (b - a R) N', with R = A^-1 X the regression of b on a and N = A^-1 X B^-1:
 * section 3's formula with its common factor taken out.   r [d, e], nt = N' [e, d] */
static mucmm_status residual_gradient(mucmm_ctx *ctx, int64_t n, const side *a, const side *b,
                                      double scale, const double *r, const double *nt, double *grad)
{
    int64_t d = a->d, e = b->d;
    double *rest = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, n * e, sizeof *rest, &rest));
    memcpy(rest, b->centered, (size_t)(n * e) * sizeof *rest);
    TRY(mucmm__dgemm(ctx, false, false, n, e, d, -1, a->centered, d, r, e, 1, rest, e));
    TRY(mucmm__dgemm(ctx, false, false, n, d, e, scale, rest, e, nt, d, 0, grad, d));
done:
    mucmm__free(rest);
    return status;
}

/* X = S_ab [d, e] and its solutions: r = A^-1 X [d, e], nt = B^-1 X' A^-1 [e, d]. */
typedef struct cross {
    double *x, *r, *nt;
} cross;

static void cross_drop(cross *c)
{
    mucmm__free(c->x);
    mucmm__free(c->r);
    mucmm__free(c->nt);
}

static mucmm_status cross_init(mucmm_ctx *ctx, cross *c, int64_t n, const side *a, const side *b)
{
    int64_t d = a->d, e = b->d;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, d * e, sizeof *c->x, &c->x));
    TRY(mucmm__alloc(ctx, d * e, sizeof *c->r, &c->r));
    TRY(mucmm__alloc(ctx, d * e, sizeof *c->nt, &c->nt));
    TRY(mucmm__dgemm(ctx, true, false, d, e, n, 1 / (double)(n - 1), a->centered, d, b->centered, e,
                     0, c->x, e));
    memcpy(c->r, c->x, (size_t)(d * e) * sizeof *c->r);
    TRY(mucmm__solve_spd(ctx, d, e, a->factor, c->r));
    mucmm__transpose(d, e, c->r, e, c->nt);
    TRY(mucmm__solve_spd(ctx, e, d, b->factor, c->nt));
done:
    return status;
}

/* The gradient for b is that of a with the roles exchanged: regression B^-1 X' [e, d], and N [d,
 * e]. */
static mucmm_status gradient_b(mucmm_ctx *ctx, int64_t n, const side *a, const side *b,
                               double scale, const cross *c, double *grad)
{
    int64_t d = a->d, e = b->d;
    double *r = NULL, *nt = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, d * e, sizeof *r, &r));
    TRY(mucmm__alloc(ctx, d * e, sizeof *nt, &nt));
    mucmm__transpose(d, e, c->x, e, r);
    TRY(mucmm__solve_spd(ctx, e, d, b->factor, r));
    mucmm__transpose(e, d, c->nt, d, nt);
    TRY(residual_gradient(ctx, n, b, a, scale, r, nt, grad));
done:
    mucmm__free(r);
    mucmm__free(nt);
    return status;
}

mucmm_status mucmm__correlation_min(mucmm_ctx *ctx, const mucmm__block *a, const mucmm__block *b,
                                    double ridge, double *value, double *grad_a, double *grad_b)
{
    const char *names[2] = {"a", "b"};
    int64_t n = a->rows, d = a->cols, e = b->cols;
    double least = (double)(d < e ? d : e), scale = 2 / ((double)(n - 1) * least), sum = 0;
    side sa = {0}, sb = {0};
    cross c = {0};
    mucmm_status status = MUCMM_OK;

    TRY(check_pair(ctx, a, b, names, 2, ridge));
    TRY(side_init(ctx, &sa, a, names[0], (double)(n - 1), ridge));
    TRY(side_init(ctx, &sb, b, names[1], (double)(n - 1), ridge));
    TRY(cross_init(ctx, &c, n, &sa, &sb));
    if (grad_a)
        TRY(residual_gradient(ctx, n, &sa, &sb, scale, c.r, c.nt, grad_a));
    if (grad_b)
        TRY(gradient_b(ctx, n, &sa, &sb, scale, &c, grad_b));
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < e; j++)
            sum += c.x[i * e + j] * c.nt[j * d + i];
    *value = sum / least;
done:
    cross_drop(&c);
    side_drop(&sa);
    side_drop(&sb);
    return status;
}

/* ---- cross-fitted ------------------------------------------------------------------ */

/* Halves A and B of h = n/2 rows, X_A = a_A'c_A/h, X_B likewise, c centred on each half (so that a
 * needs no second centring), A = a'a/n + r I, P_A = A^-1 X_A, P_B = A^-1 X_B: K_x  = tr(P_A X_B')/e
 *   grad = [T_B T_A] [P_A P_B]'/e,   T_A = c_A/h (rows of A) - a P_A/n,   T_B = c_B/h (rows of B) -
 * a P_B/n */
typedef struct crossfit {
    int64_t n, h, d, e;
    double *c; /* [2h, e] */
    double *x; /* [d, 2e]: X_A, X_B */
    double *p; /* [d, 2e]: P_A, P_B */
    double *t; /* [n, 2e]: T_B, T_A */
} crossfit;

static void crossfit_drop(crossfit *f)
{
    mucmm__free(f->c);
    mucmm__free(f->x);
    mucmm__free(f->p);
    mucmm__free(f->t);
}

static mucmm_status crossfit_init(mucmm_ctx *ctx, crossfit *f, const mucmm__block *c)
{
    const char *name = "c";
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, 2 * f->h * f->e, sizeof *f->c, &f->c));
    TRY(mucmm__alloc(ctx, f->d * 2 * f->e, sizeof *f->x, &f->x));
    TRY(mucmm__alloc(ctx, f->d * 2 * f->e, sizeof *f->p, &f->p));
    TRY(mucmm__alloc(ctx, f->n * 2 * f->e, sizeof *f->t, &f->t));
    for (int64_t half = 0; half < 2; half++) {
        int64_t at = half * f->h * f->e;
        mucmm__block rows = {c->data + at, f->h, f->e};
        TRY(mucmm__center(ctx, 1, &rows, &name, f->c + at));
    }
done:
    return status;
}

static mucmm_status crossfit_value(mucmm_ctx *ctx, const crossfit *f, const side *a, double *value)
{
    int64_t h = f->h, d = f->d, e = f->e;
    mucmm_status status = MUCMM_OK;
    double sum = 0;

    for (int64_t half = 0; half < 2; half++)
        TRY(mucmm__dgemm(ctx, true, false, d, e, h, 1 / (double)h, a->centered + half * h * d, d,
                         f->c + half * h * e, e, 0, f->x + half * e, 2 * e));
    memcpy(f->p, f->x, (size_t)(d * 2 * e) * sizeof *f->p);
    TRY(mucmm__solve_spd(ctx, d, 2 * e, a->factor, f->p));
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < e; j++)
            sum += f->p[i * 2 * e + j] * f->x[i * 2 * e + e + j];
    *value = sum / (double)e;
done:
    return status;
}

static mucmm_status crossfit_gradient(mucmm_ctx *ctx, const crossfit *f, const side *a,
                                      double *grad)
{
    int64_t n = f->n, d = f->d, e = f->e;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__dgemm(ctx, false, false, n, 2 * e, d, -1 / (double)n, a->centered, d, f->p, 2 * e, 0,
                     f->t, 2 * e));
    for (int64_t i = 0; i < n; i++) {
        double *t = f->t + i * 2 * e;
        for (int64_t j = 0; j < e; j++) {
            double part = t[j];
            t[j] = t[e + j];
            t[e + j] = part;
        }
        for (int64_t j = 0; i < 2 * f->h && j < e; j++)
            t[i < f->h ? e + j : j] += f->c[i * e + j] / (double)f->h;
    }
    TRY(mucmm__dgemm(ctx, false, true, n, d, 2 * e, 1 / (double)e, f->t, 2 * e, f->p, 2 * e, 0,
                     grad, d));
done:
    return status;
}

/* K_x depends on c through X_A = a_A'c_A/h and X_B: on the rows of A the gradient is a P_B/(h e),
 * on those of B a P_A/(h e), each centred as c was. */
static mucmm_status crossfit_gradient_c(mucmm_ctx *ctx, const crossfit *f, const side *a,
                                        double *grad)
{
    int64_t h = f->h, d = f->d, e = f->e;
    mucmm_status status = MUCMM_OK;
    const char *name = "the gradient for c";

    memset(grad, 0, (size_t)(f->n * e) * sizeof *grad); /* an odd last row */
    for (int64_t half = 0; half < 2; half++) {
        mucmm__block rows = {grad + half * h * e, h, e};
        TRY(mucmm__dgemm(ctx, false, false, h, e, d, 1 / (double)(h * e),
                         a->centered + half * h * d, d, f->p + (1 - half) * e, 2 * e, 0, rows.data,
                         e));
        TRY(mucmm__center(ctx, 1, &rows, &name, rows.data));
    }
done:
    return status;
}

mucmm_status mucmm__correlation_min_crossfit(mucmm_ctx *ctx, const mucmm__block *a,
                                             const mucmm__block *c, double ridge, double *value,
                                             double *grad_a, double *grad_c)
{
    const char *names[2] = {"a", "c"};
    crossfit f = {.n = a->rows, .h = a->rows / 2, .d = a->cols, .e = c->cols};
    side s = {0};
    mucmm_status status = MUCMM_OK;

    TRY(check_pair(ctx, a, c, names, 4, ridge));
    TRY(side_init(ctx, &s, a, names[0], (double)f.n, ridge));
    TRY(crossfit_init(ctx, &f, c));
    TRY(crossfit_value(ctx, &f, &s, value));
    if (grad_a)
        TRY(crossfit_gradient(ctx, &f, &s, grad_a));
    if (grad_c)
        TRY(crossfit_gradient_c(ctx, &f, &s, grad_c));
done:
    crossfit_drop(&f);
    side_drop(&s);
    return status;
}

/* m [d, d] = A^-1 S_half, S_half = a'a/h of the half's rows, each column of a centred on the half.
 */
static mucmm_status smooth_half(mucmm_ctx *ctx, const crossfit *f, const side *a, int64_t half,
                                double *m)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block rows = {a->centered + half * f->h * f->d, f->h, f->d};
    const char *name = "a";
    double *centered = NULL;

    TRY(mucmm__alloc(ctx, f->h * f->d, sizeof *centered, &centered));
    TRY(mucmm__center(ctx, 1, &rows, &name, centered));
    TRY(mucmm__covariance(ctx, f->h, f->d, centered, (double)f->h, m));
    TRY(mucmm__solve_spd(ctx, f->d, f->d, a->factor, m));
done:
    mucmm__free(centered);
    return status;
}

mucmm_status mucmm__crossfit_null_sd(mucmm_ctx *ctx, const mucmm__block *a, const mucmm__block *c,
                                     double ridge, double *sd)
{
    const char *names[2] = {"a", "c"};
    crossfit f = {.n = a->rows, .h = a->rows / 2, .d = a->cols, .e = c->cols};
    side s = {0};
    mucmm_status status = MUCMM_OK;
    double *cov = NULL, *m[2] = {NULL, NULL}, smooth = 0, square = 0;

    TRY(check_pair(ctx, a, c, names, 4, ridge));
    TRY(side_init(ctx, &s, a, names[0], (double)f.n, ridge));
    TRY(crossfit_init(ctx, &f, c));
    TRY(mucmm__alloc(ctx, f.e * f.e, sizeof *cov, &cov));
    TRY(mucmm__covariance(ctx, 2 * f.h, f.e, f.c, (double)(2 * f.h - 2), cov));
    for (int64_t i = 0; i < f.e * f.e; i++)
        square += cov[i] * cov[i];
    for (int64_t half = 0; half < 2; half++) {
        TRY(mucmm__alloc(ctx, f.d * f.d, sizeof *m[half], &m[half]));
        TRY(smooth_half(ctx, &f, &s, half, m[half]));
    }
    for (int64_t i = 0; i < f.d; i++)
        for (int64_t j = 0; j < f.d; j++)
            smooth += m[0][i * f.d + j] * m[1][j * f.d + i];
    *sd = sqrt(fmax(smooth, 0) * square) / ((double)f.h * (double)f.e);
done:
    mucmm__free(cov);
    mucmm__free(m[0]);
    mucmm__free(m[1]);
    crossfit_drop(&f);
    side_drop(&s);
    return status;
}
