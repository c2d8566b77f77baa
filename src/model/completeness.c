/* SPDX-License-Identifier: MIT
 *
 * How much of what c leaves of a view (c, u) rebuilds on rows that were not used for it, and how
 * many directions u has (section 5 of the method). n rows, p columns of h, w features of (c, u). */
#include "correlate/whitened.h"
#include "model/represent.h"
#include "model/summary.h"

#include <math.h>
#include <string.h>

/* Regressions are fitted on one half of the rows and judged on the other; quarters choose the
 * ridges within a half. */
enum { QUARTERS = 4, FEWEST = 40, KERNEL_ROWS = 100 };

/* Columns beyond so many are added up with random signs: lengths stay as they are on average. */
enum { MOST_COLUMNS = 2048 };

/* Rows that are taken: n w p multiplications at most, but so many rows. */
#define MOST_WORK 2e9
enum { LEAST_ROWS = 1000 };

/* Nonlinear features: at most so many of c and of (c, u), and a tenth of the rows. */
enum { OF_COMMON = 60, OF_BOTH = 160 };

#define NOTHING_LEFT                                                                               \
    1e-9 /* share of the variance that c leaves, below which nothing is to rebuild */

/* Shares rebuilt below which a view's individual part is called empty: absolute, and of the closed
 * form's; effective rank below which q is called too large, of q. */
#define EMPTY 0.01
#define EMPTIER 0.25
#define LOW_RANK 0.5

enum { STREAM_ROWS = 91, STREAM_COMMON = 92, STREAM_BOTH = 93, STREAM_SKETCH = 94 };

/* Ridges of standardized features, a row. */
static const double linear_ridges[] = {1e-6, 1e-3, 1e-1};
static const double nonlinear_ridges[] = {1e-2, 1e-1, 1};
enum { N_RIDGES = 3 };

/* ---- features of (c, u) ------------------------------------------------------------ */

/* What a column of z is. */
typedef enum part { CONSTANT, COMMON, COMMON_NONLINEAR, INDIVIDUAL, BOTH_NONLINEAR, PARTS } part;

typedef struct rebuild {
    int64_t n, p, columns;   /* rows taken, columns of h, of these after they were added up */
    int64_t w, count[PARTS]; /* features, of each part */
    int64_t *row;            /* [n] places among the rows given, ascending in each quarter */
    int64_t first[QUARTERS + 1];
    mucmm__block z;                    /* [n, w] standardized, the parts in their order */
    double *g[QUARTERS];               /* [w, w] z'z */
    double *x[QUARTERS];               /* [w, columns] z'h */
    double t[QUARTERS];                /* |h|^2 */
    double *cross[QUARTERS][QUARTERS]; /* [w, w] x_i x_j', i <= j */
    double *m, *a, *b, *s;             /* [w, w] scratch */
} rebuild;

static void rebuild_drop(rebuild *r)
{
    mucmm__free(r->row);
    mucmm__free(r->z.data);
    for (int i = 0; i < QUARTERS; i++) {
        mucmm__free(r->g[i]);
        mucmm__free(r->x[i]);
        for (int j = 0; j < QUARTERS; j++)
            mucmm__free(r->cross[i][j]);
    }
    mucmm__free(r->m);
    mucmm__free(r->a);
    mucmm__free(r->b);
    mucmm__free(r->s);
}

/* Which of n rows, and in which quarter: at random, groups as wholes. */
static mucmm_status take_rows(mucmm_ctx *ctx, rebuild *r, int64_t n, const int64_t *group,
                              uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    int64_t *order = NULL;

    TRY(mucmm__alloc(ctx, n, sizeof *order, &order));
    TRY(mucmm__alloc(ctx, r->n, sizeof *r->row, &r->row));
    TRY(mucmm__group_order(ctx, group, n, mucmm__rng_key(seed, STREAM_ROWS), order));
    memcpy(r->row, order, (size_t)r->n * sizeof *order);
    for (int i = 0; i < QUARTERS; i++) {
        r->first[i + 1] =
            mucmm__group_cut(group, order, r->first[i], r->n, r->n * (i + 1) / QUARTERS);
        mucmm__sort_rows(r->row + r->first[i], r->first[i + 1] - r->first[i]);
    }
done:
    mucmm__free(order);
    return status;
}

/* std [n, cols]: the columns of c and u, or of c alone, leading ones of both first. */
static mucmm_status joined(mucmm_ctx *ctx, const rebuild *r, const float *c, const float *u,
                           int64_t k, int64_t q, mucmm__block *std)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block raw = {NULL, r->n, k + q};
    double *sd = NULL;

    *std = (mucmm__block){NULL, r->n, k + q};
    TRY(mucmm__alloc(ctx, r->n * (k + q), sizeof(double), &raw.data));
    TRY(mucmm__alloc(ctx, r->n * (k + q), sizeof(double), &std->data));
    TRY(mucmm__alloc(ctx, k + q, sizeof *sd, &sd));
    for (int64_t i = 0; i < r->n; i++) {
        double *to = raw.data + i * (k + q);
        for (int64_t j = 0; j < (k > q ? k : q); j++) {
            if (j < k)
                *to++ = c[r->row[i] * k + j];
            if (j < q)
                *to++ = u[r->row[i] * q + j];
        }
    }
    mucmm__standardize(&raw, std->data, sd);
done:
    mucmm__free(raw.data);
    mucmm__free(sd);
    return status;
}

/* Columns `from` on of x [n, cols], standardized, to those at `at` of z; none without cols. */
static mucmm_status put_columns(mucmm_ctx *ctx, rebuild *r, const mucmm__block *x, int64_t from,
                                int64_t at)
{
    mucmm_status status = MUCMM_OK;
    double *std = NULL, *sd = NULL;

    TRY(mucmm__alloc(ctx, x->rows * x->cols, sizeof *std, &std));
    TRY(mucmm__alloc(ctx, x->cols, sizeof *sd, &sd));
    mucmm__standardize(x, std, sd);
    for (int64_t i = 0; i < x->rows; i++)
        memcpy(r->z.data + i * r->w + at, std + i * x->cols + from,
               (size_t)(x->cols - from) * sizeof *std);
done:
    mucmm__free(std);
    mucmm__free(sd);
    return status;
}

/* The features of psi but its own variates, of c or of (c, u), to the columns at `at`. */
static mucmm_status put_nonlinear(mucmm_ctx *ctx, rebuild *r, const mucmm__block *std,
                                  const mucmm__psi *psi, int64_t at)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block x = {NULL, r->n, mucmm__psi_width(psi)};

    TRY(mucmm__alloc(ctx, x.rows * x.cols, sizeof(double), &x.data));
    TRY(mucmm__psi_forward(ctx, psi, std, x.data));
    TRY(put_columns(ctx, r, &x, psi->in, at));
done:
    mucmm__free(x.data);
    return status;
}

static int64_t before(const rebuild *r, part end)
{
    int64_t at = 0;

    for (int i = 0; i < (int)end; i++)
        at += r->count[i];
    return at;
}

static mucmm_status make_features(mucmm_ctx *ctx, rebuild *r, const float *c, const float *u,
                                  const mucmm__psi *of_common, const mucmm__psi *of_both)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = r->count[COMMON], q = r->count[INDIVIDUAL];
    mucmm__block common = {0}, both = {0}, own = {0};

    r->z = (mucmm__block){NULL, r->n, r->w};
    TRY(mucmm__alloc(ctx, r->n * r->w, sizeof(double), &r->z.data));
    TRY(joined(ctx, r, c, u, k, 0, &common));
    TRY(joined(ctx, r, c, u, 0, q, &own));
    TRY(joined(ctx, r, c, u, k, q, &both));
    for (int64_t i = 0; i < r->n; i++)
        r->z.data[i * r->w] = 1;
    TRY(put_columns(ctx, r, &common, 0, before(r, COMMON)));
    TRY(put_columns(ctx, r, &own, 0, before(r, INDIVIDUAL)));
    if (r->count[BOTH_NONLINEAR] > 0) {
        TRY(put_nonlinear(ctx, r, &common, of_common, before(r, COMMON_NONLINEAR)));
        TRY(put_nonlinear(ctx, r, &both, of_both, before(r, BOTH_NONLINEAR)));
    }
done:
    mucmm__free(common.data);
    mucmm__free(own.data);
    mucmm__free(both.data);
    return status;
}

/* r of view v, n rows given: how many features and rows there will be, and the features. */
static mucmm_status rebuild_init(mucmm_ctx *ctx, rebuild *r, const mucmm__view_info *v, int64_t k,
                                 int64_t n, const int64_t *group, const float *c, const float *u,
                                 uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    mucmm__psi common = {0}, both = {0};
    int64_t q = v->q, room = n >= KERNEL_ROWS ? n / 10 : 0, most;

    r->p = v->p;
    r->columns = v->p < MOST_COLUMNS ? v->p : MOST_COLUMNS;
    TRY(mucmm__psi_create(ctx, mucmm__rng_key(seed, STREAM_COMMON), k,
                          k + (room < OF_COMMON ? room : OF_COMMON), &common));
    TRY(mucmm__psi_create(ctx, mucmm__rng_key(seed, STREAM_BOTH), k + q,
                          k + q + (room < OF_BOTH ? room : OF_BOTH), &both));
    r->count[CONSTANT] = 1;
    r->count[COMMON] = k;
    r->count[COMMON_NONLINEAR] = mucmm__psi_width(&common) - k;
    r->count[INDIVIDUAL] = q;
    r->count[BOTH_NONLINEAR] = mucmm__psi_width(&both) - k - q;
    r->w = before(r, PARTS);
    most = (int64_t)(MOST_WORK / ((double)r->w * (double)r->columns));
    most = most < LEAST_ROWS ? LEAST_ROWS : most;
    r->n = n < most ? n : most;
    TRY(take_rows(ctx, r, n, group, seed));
    TRY(make_features(ctx, r, c, u, &common, &both));
done:
    mucmm__psi_drop(&common);
    mucmm__psi_drop(&both);
    return status;
}

/* ---- products with h --------------------------------------------------------------- */

/* to [n, columns] from h [n, p]: as they are, or added up with random signs. */
static void narrow(const rebuild *r, uint64_t key, int64_t n, const float *h, double *to)
{
    if (r->columns == r->p) {
        mucmm__to_double(h, n * r->p, to);
        return;
    }
    memset(to, 0, (size_t)(n * r->columns) * sizeof *to);
    for (int64_t j = 0; j < r->p; j++) {
        uint64_t bits = mucmm__rng_bits(key, (uint64_t)j);
        int64_t at = (int64_t)((bits >> 1) % (uint64_t)r->columns);
        double sign = bits & 1 ? 1 : -1;
        for (int64_t i = 0; i < n; i++)
            to[i * r->columns + at] += sign * h[i * r->p + j];
    }
}

/* g, x and t of the rows first .. first + n of those taken. */
static mucmm_status add_rows(mucmm_ctx *ctx, rebuild *r, int quarter, int64_t first, int64_t n,
                             const double *h)
{
    mucmm_status status = MUCMM_OK;
    const double *z = r->z.data + first * r->w;

    TRY(mucmm__dgemm(ctx, true, false, r->w, r->w, n, 1, z, r->w, z, r->w, 1, r->g[quarter], r->w));
    TRY(mucmm__dgemm(ctx, true, false, r->w, r->columns, n, 1, z, r->w, h, r->columns, 1,
                     r->x[quarter], r->columns));
    for (int64_t i = 0; i < n * r->columns; i++)
        r->t[quarter] += h[i] * h[i];
done:
    return status;
}

static mucmm_status read_rows(mucmm_ctx *ctx, rebuild *r, const mucmm__view_info *v,
                              const mucmm_data *data, const int64_t *rows, uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    int64_t chunk[MUCMM__CHUNK];
    float *h = NULL;
    double *narrowed = NULL;

    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * r->p, sizeof *h, &h));
    TRY(mucmm__alloc(ctx, MUCMM__CHUNK * r->columns, sizeof *narrowed, &narrowed));
    for (int i = 0; i < QUARTERS; i++)
        for (int64_t at = r->first[i]; at < r->first[i + 1]; at += MUCMM__CHUNK) {
            int64_t left = r->first[i + 1] - at, n = left < MUCMM__CHUNK ? left : MUCMM__CHUNK;
            for (int64_t j = 0; j < n; j++)
                chunk[j] = rows ? rows[r->row[at + j]] : r->row[at + j];
            TRY(mucmm__features(ctx, v, data, chunk, n, h));
            narrow(r, mucmm__rng_key(seed, STREAM_SKETCH), n, h, narrowed);
            TRY(add_rows(ctx, r, i, at, n, narrowed));
        }
done:
    mucmm__free(h);
    mucmm__free(narrowed);
    return status;
}

/* Everything that errors are made of; after it no number of columns of h matters. */
static mucmm_status make_products(mucmm_ctx *ctx, rebuild *r, const mucmm__view_info *v,
                                  const mucmm_data *data, const int64_t *rows, uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    int64_t w = r->w;
    double **scratch[] = {&r->m, &r->a, &r->b, &r->s};

    for (int i = 0; i < QUARTERS; i++) {
        TRY(mucmm__alloc(ctx, w * w, sizeof(double), &r->g[i]));
        TRY(mucmm__alloc(ctx, w * r->columns, sizeof(double), &r->x[i]));
        TRY(mucmm__alloc(ctx, w * w, sizeof(double), scratch[i]));
    }
    TRY(read_rows(ctx, r, v, data, rows, seed));
    for (int i = 0; i < QUARTERS; i++)
        for (int j = i; j < QUARTERS; j++) {
            TRY(mucmm__alloc(ctx, w * w, sizeof(double), &r->cross[i][j]));
            TRY(mucmm__dgemm(ctx, false, true, w, w, r->columns, 1, r->x[i], r->columns, r->x[j],
                             r->columns, 0, r->cross[i][j], w));
        }
done:
    return status;
}

/* ---- errors ------------------------------------------------------------------------ */

/* A regression on some of the parts, with ridges of what is linear in (c, u) and what is not. */
typedef struct regression {
    bool individual, nonlinear;
    double ridge, nonlinear_ridge;
} regression;

static bool takes(const regression *f, part of)
{
    return (f->individual || of <= COMMON_NONLINEAR) &&
           (f->nonlinear || of == CONSTANT || of == COMMON || of == INDIVIDUAL);
}

/* to [width, width] += the rows and columns of from [w, w] that f takes, transposed or not; the
 * width. */
static int64_t add_taken(const rebuild *r, const regression *f, const double *from, bool transposed,
                         double *to)
{
    int64_t width = 0, i = 0, n = 0;

    for (int a = 0; a < PARTS; a++)
        width += takes(f, (part)a) ? r->count[a] : 0;
    for (int a = 0, at_a = 0; a < PARTS; at_a += (int)r->count[a++])
        for (int64_t y = at_a; takes(f, (part)a) && y < at_a + r->count[a]; y++, i++)
            for (int b = 0, at_b = 0; b < PARTS; at_b += (int)r->count[b++])
                for (int64_t x = at_b; takes(f, (part)b) && x < at_b + r->count[b]; x++)
                    to[n++] += from[transposed ? x * r->w + y : y * r->w + x];
    return width;
}

/* to = the sum over quarters i of `of` and j of `with` of x_i x_j'; g: of z_i'z_i instead. */
static int64_t gather(const rebuild *r, const regression *f, uint32_t of, uint32_t with, bool g,
                      double *to)
{
    int64_t width = 0;

    memset(to, 0, (size_t)(r->w * r->w) * sizeof *to);
    for (int i = 0; i < QUARTERS; i++)
        for (int j = 0; j < QUARTERS; j++) {
            if (!(of >> i & 1) || !(with >> j & 1) || (g && i != j))
                continue;
            width = g       ? add_taken(r, f, r->g[i], false, to)
                    : i > j ? add_taken(r, f, r->cross[j][i], true, to)
                            : add_taken(r, f, r->cross[i][j], false, to);
        }
    return width;
}

/* m [width, width] = (Z'Z + R)^-1 of the quarters in on. */
static mucmm_status solve(mucmm_ctx *ctx, rebuild *r, const regression *f, uint32_t on,
                          int64_t *width)
{
    mucmm_status status = MUCMM_OK;
    int64_t d = *width = gather(r, f, on, on, true, r->s), at = 0, n = 0;

    for (int i = 0; i < QUARTERS; i++)
        n += on >> i & 1 ? r->first[i + 1] - r->first[i] : 0;
    for (int a = 0; a < PARTS; a++)
        for (int64_t i = 0; takes(f, (part)a) && i < r->count[a]; i++, at++) {
            bool linear = a == CONSTANT || a == COMMON || a == INDIVIDUAL;
            r->s[at * (d + 1)] += (double)n * (a == CONSTANT ? 1e-9
                                               : linear      ? f->ridge
                                                             : f->nonlinear_ridge);
        }
    memset(r->m, 0, (size_t)(d * d) * sizeof *r->m);
    for (int64_t i = 0; i < d; i++)
        r->m[i * (d + 1)] = 1;
    TRY(mucmm__cholesky(ctx, d, r->s, "the covariance of the variates"));
    TRY(mucmm__solve_spd(ctx, d, d, r->s, r->m));
done:
    return status;
}

/* |h - Z B|^2 on the quarters in judged, B = m X of those in on: with the X X' of either it is
 * |h|^2 - 2 sum m o X_on X_judged' + sum (m Z'Z m) o X_on X_on'. */
static mucmm_status judge(mucmm_ctx *ctx, rebuild *r, const regression *f, uint32_t on,
                          uint32_t judged, double *error)
{
    mucmm_status status = MUCMM_OK;
    int64_t d;

    *error = 0;
    TRY(solve(ctx, r, f, on, &d));
    for (int i = 0; i < QUARTERS; i++)
        *error += judged >> i & 1 ? r->t[i] : 0;
    gather(r, f, on, judged, false, r->s);
    for (int64_t i = 0; i < d * d; i++)
        *error -= 2 * r->m[i] * r->s[i];
    gather(r, f, judged, judged, true, r->s);
    TRY(mucmm__dgemm(ctx, false, false, d, d, d, 1, r->m, d, r->s, d, 0, r->a, d));
    TRY(mucmm__dgemm(ctx, false, false, d, d, d, 1, r->a, d, r->m, d, 0, r->b, d));
    gather(r, f, on, on, false, r->s);
    for (int64_t i = 0; i < d * d; i++)
        *error += r->b[i] * r->s[i];
done:
    return status;
}

/* Ridges of f by what each quarter of a half says of the other one. */
static mucmm_status choose(mucmm_ctx *ctx, rebuild *r, uint32_t one, uint32_t other,
                           const double *ridges, double *ridge, regression *f, double *least)
{
    mucmm_status status = MUCMM_OK;
    double best = ridges[0];

    *least = INFINITY;
    for (int i = 0; i < N_RIDGES; i++) {
        double errors[2];
        *ridge = ridges[i];
        TRY(judge(ctx, r, f, one, other, &errors[0]));
        TRY(judge(ctx, r, f, other, one, &errors[1]));
        if (errors[0] + errors[1] < *least) {
            *least = errors[0] + errors[1];
            best = ridges[i];
        }
    }
    *ridge = best;
done:
    return status;
}

/* Errors of both halves, each from the other: from c, or from (c, u); linear, and with nonlinear
 * features where those serve within the half that is fitted. */
static mucmm_status crossfit(mucmm_ctx *ctx, rebuild *r, bool individual, double *linear,
                             double *nonlinear)
{
    mucmm_status status = MUCMM_OK;

    *linear = *nonlinear = 0;
    for (int half = 0; half < 2; half++) {
        uint32_t one = half ? 4 : 1, other = one << 1, on = one | other;
        regression f = {.individual = individual};
        double least, error;
        TRY(choose(ctx, r, one, other, linear_ridges, &f.ridge, &f, &least));
        TRY(judge(ctx, r, &f, on, 15 ^ on, &error));
        *linear += error;
        if (r->count[BOTH_NONLINEAR] > 0) {
            regression g = f;
            double with;
            g.nonlinear = true;
            TRY(choose(ctx, r, one, other, nonlinear_ridges, &g.nonlinear_ridge, &g, &with));
            if (with < least)
                TRY(judge(ctx, r, &g, on, 15 ^ on, &error));
        }
        *nonlinear += error;
    }
done:
    return status;
}

static mucmm_status of_view(mucmm_ctx *ctx, const mucmm__view_info *v, int64_t k,
                            const mucmm_data *data, const int64_t *rows, int64_t n,
                            const int64_t *groups, const float *c, const float *u, uint64_t seed,
                            double *linear, double *nonlinear)
{
    mucmm_status status = MUCMM_OK;
    int64_t *group = NULL;
    rebuild r = {0};
    double left[2], rest[2], all;

    TRY(mucmm__groups_of(ctx, groups, rows, n, &group));
    TRY(rebuild_init(ctx, &r, v, k, n, group, c, u, seed));
    TRY(make_products(ctx, &r, v, data, rows, seed));
    TRY(crossfit(ctx, &r, false, &left[0], &left[1]));
    TRY(crossfit(ctx, &r, true, &rest[0], &rest[1]));
    all = r.t[0] + r.t[1] + r.t[2] + r.t[3];
    if (left[0] > NOTHING_LEFT * all)
        *linear = 1 - rest[0] / left[0];
    if (r.count[BOTH_NONLINEAR] > 0 && left[1] > NOTHING_LEFT * all)
        *nonlinear = 1 - rest[1] / left[1];
done:
    mucmm__free(group);
    rebuild_drop(&r);
    return status;
}

/* ---- effective rank ---------------------------------------------------------------- */

/* exp of the entropy of the eigenvalues of Cov(u), as shares of their sum. */
static mucmm_status effective_rank(mucmm_ctx *ctx, int64_t n, int64_t q, const float *u,
                                   double *rank)
{
    mucmm_status status = MUCMM_OK;
    mucmm__moments *moments = NULL;
    double *cov = NULL, *values = NULL, sum = 0, entropy = 0;

    TRY(mucmm__alloc(ctx, q * q, sizeof *cov, &cov));
    TRY(mucmm__alloc(ctx, q, sizeof *values, &values));
    TRY(mucmm__moments_create(ctx, q, 0, &moments));
    TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){u, n, q, q}, NULL));
    TRY(mucmm__moments_get(ctx, moments, NULL, NULL, cov, NULL, NULL));
    TRY(mucmm__eigen(ctx, q, cov, q, values, NULL));
    for (int64_t j = 0; j < q; j++)
        sum += fmax(values[j], 0);
    for (int64_t j = 0; j < q; j++)
        if (values[j] > 0)
            entropy -= values[j] / sum * log(values[j] / sum);
    *rank = sum > 0 ? exp(entropy) : 0;
done:
    mucmm__moments_free(moments);
    mucmm__free(cov);
    mucmm__free(values);
    return status;
}

mucmm_status mucmm__completeness(mucmm_ctx *ctx, const mucmm_model *m,
                                 const mucmm_data *const *data, const int64_t *rows, int64_t n,
                                 const int64_t *groups, float *const *c, float *const *u,
                                 uint64_t seed, mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t v = 0; v < m->n_views; v++) {
        int64_t q = m->view[v].q;
        if (q == 0) {
            s->completeness_linear[v] = s->completeness_nonlinear[v] = s->effective_rank[v] = 0;
            continue;
        }
        if (n > q + 1)
            TRY(effective_rank(ctx, n, q, u[v], &s->effective_rank[v]));
        if (n >= FEWEST && n > 2 * (m->k + q + 1))
            TRY(of_view(ctx, &m->view[v], m->k, data[v], rows, n, groups, c[v], u[v], seed,
                        &s->completeness_linear[v], &s->completeness_nonlinear[v]));
    }
done:
    return status;
}

/* ---- warnings ---------------------------------------------------------------------- */

/* The better of both figures; NaN if neither is known. */
static double share_rebuilt(const mucmm_summary *s, int32_t v)
{
    return fmax(s->completeness_linear[v], s->completeness_nonlinear[v]);
}

void mucmm__completeness_warn(mucmm_ctx *ctx, const mucmm_model *m)
{
    const mucmm__solution *of = m->heads.rho ? &m->heads : &m->linear;

    for (int32_t v = 0; v < m->n_views; v++) {
        int rows = isnan(share_rebuilt(of->summary[MUCMM_ROWS_HELD_OUT], v)) ? MUCMM_ROWS_TRAIN
                                                                             : MUCMM_ROWS_HELD_OUT;
        const mucmm_summary *s = of->summary[rows];
        double share = share_rebuilt(s, v), yardstick = share_rebuilt(m->linear.summary[rows], v);
        double q = (double)m->view[v].q, rank = s->effective_rank[v];
        char closed_form[64] = "";

        if (of == &m->heads)
            snprintf(closed_form, sizeof closed_form, ", the closed form's %.1f %%",
                     100 * yardstick);
        if (q > 0 && (share < EMPTY || share < EMPTIER * yardstick))
            mucmm__warn(ctx,
                        "view '%s': its individual variates rebuild %.1f %% of what the common "
                        "ones leave%s: they are nearly empty, and a small leakage of them says "
                        "nothing; give %s, or more rows",
                        m->view[v].name, 100 * share, closed_form,
                        of == &m->heads ? "a smaller `independence`" : "a larger `individual`");
        if ((double)s->rows >= 4 * q && rank < LOW_RANK * q)
            mucmm__warn(ctx,
                        "view '%s': its individual variates have an effective rank of %.1f of "
                        "%.0f on the %s rows; give a smaller `individual`",
                        m->view[v].name, rank, q,
                        rows == MUCMM_ROWS_TRAIN ? "training" : "held-out");
    }
}
