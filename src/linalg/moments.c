/* SPDX-License-Identifier: MIT
 *
 * moments.c - means and covariances of rows that arrive in chunks.
 *
 * Rows are gathered into blocks of R. A full block is centred by its own mean, so that
 * neither a large mean nor a drift cancels digits, multiplied by itself, and merged into
 * the totals (Chan, Golub & LeVeque 1983), all sums in double:
 *   delta = mean_block - mean,   n' = n + R,   mean += delta R / n'
 *   M += sum_block (x - mean_block)(y - mean_block)' + n R / n' delta_x delta_y'
 * A mean is kept as the column's first value and an offset from it: delta would otherwise lose
 * the digits of a large mean, and a constant column would not be exactly constant.
 * With many columns the block's product is float32. Every column is then also scaled by the power
 * of two that brings it to unit size, which is exact and keeps the products from overflow and
 * underflow whatever the unit of the data.
 *
 *   p, q   columns of x and of y;   cols = p + q
 *   width  columns of M: q, or p when q = 0, where only tiles on and above the diagonal are kept */
#include "linalg/blas.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    BLOCK_ROWS = 1024, /* R, fewer for very wide rows */
    BLOCK_ITEMS = 1 << 25,
    STRIPE = 64, /* columns centred by one task: R of them stay in a core's cache */
    TILE = 128   /* largest edge of a tile of M */
};

/* Versions of a loop for several instruction sets, chosen when the library is loaded. Elements are
 * independent and products are not fused with sums, so all give the same bytes. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) &&                 \
    !defined(MUCMM_NO_CLONES)
#define VECTOR __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define VECTOR
#endif

typedef struct totals {
    int64_t n;
    double *origin, *offset; /* [cols], mean = origin + offset, see above */
    double *square;          /* [cols], sum of squares about the mean */
    double *product;         /* [p, width] */
} totals;

struct mucmm__moments {
    int64_t p, q, cols, width, block_rows;
    int64_t edge_x, edge_y; /* of a tile of M */
    totals total;
    /* rows not yet in the totals: [filled, cols], of the kind last pushed */
    int64_t filled;
    bool filled_double;
    float *rows_float;
    double *rows_double;
    /* of the block being merged; unit: what a centred column has been divided by */
    double *origin, *offset, *square, *unit, *delta; /* [cols] */
    float *centred_float;                            /* [block_rows, cols] */
    double *centred_double;
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pieces(int64_t n, int64_t size)
{
    return (n + size - 1) / size;
}

/* Equal tiles rather than a thin last one; whole vector registers. */
static int64_t tile_edge(int64_t n)
{
    int64_t edge = pieces(n, pieces(n, TILE) > 0 ? pieces(n, TILE) : 1);
    return n > 0 ? least(TILE, pieces(edge, 16) * 16) : 1;
}

/* ---- life -------------------------------------------------------------------------- */

static void totals_drop(totals *t)
{
    mucmm__free(t->origin);
    mucmm__free(t->offset);
    mucmm__free(t->square);
    mucmm__free(t->product);
}

static mucmm_status totals_init(mucmm_ctx *ctx, const mucmm__moments *m, totals *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t items = 0;

    if (!mucmm__mul(m->p, m->width, &items))
        return mucmm__fail(ctx, MUCMM_ENOMEM,
                           "out of memory: covariance of %" PRId64 " x %" PRId64 " columns", m->p,
                           m->width);
    TRY(mucmm__alloc(ctx, m->cols, sizeof *t->origin, &t->origin));
    TRY(mucmm__alloc(ctx, m->cols, sizeof *t->offset, &t->offset));
    TRY(mucmm__alloc(ctx, m->cols, sizeof *t->square, &t->square));
    TRY(mucmm__alloc(ctx, items, sizeof *t->product, &t->product));
done:
    return status;
}

static void totals_copy(const mucmm__moments *m, const totals *from, totals *to)
{
    size_t bytes = (size_t)m->cols * sizeof(double);

    to->n = from->n;
    memcpy(to->origin, from->origin, bytes);
    memcpy(to->offset, from->offset, bytes);
    memcpy(to->square, from->square, bytes);
    memcpy(to->product, from->product, (size_t)(m->p * m->width) * sizeof *to->product);
}

mucmm_status mucmm__moments_create(mucmm_ctx *ctx, int64_t p, int64_t q, mucmm__moments **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__moments *m = NULL;

    *out = NULL;
    TRY(mucmm__blas_size(ctx, "columns of a covariance", p));
    TRY(mucmm__blas_size(ctx, "columns of a covariance", q));
    TRY(mucmm__blas_size(ctx, "columns of two views", p + q));
    TRY(mucmm__alloc(ctx, 1, sizeof *m, &m));
    m->p = p;
    m->q = q;
    m->cols = p + q;
    m->width = q > 0 ? q : p;
    m->block_rows = m->cols > BLOCK_ITEMS / BLOCK_ROWS ? BLOCK_ITEMS / m->cols : BLOCK_ROWS;
    m->block_rows = m->block_rows < 64 ? 64 : m->block_rows;
    m->edge_x = tile_edge(p);
    m->edge_y = tile_edge(m->width);
    TRY(totals_init(ctx, m, &m->total));
    TRY(mucmm__alloc(ctx, m->cols, sizeof *m->origin, &m->origin));
    TRY(mucmm__alloc(ctx, m->cols, sizeof *m->offset, &m->offset));
    TRY(mucmm__alloc(ctx, m->cols, sizeof *m->square, &m->square));
    TRY(mucmm__alloc(ctx, m->cols, sizeof *m->unit, &m->unit));
    TRY(mucmm__alloc(ctx, m->cols, sizeof *m->delta, &m->delta));
    *out = m;
    m = NULL;
done:
    mucmm__moments_free(m);
    return status;
}

void mucmm__moments_free(mucmm__moments *m)
{
    if (!m)
        return;
    totals_drop(&m->total);
    mucmm__free(m->rows_float);
    mucmm__free(m->rows_double);
    mucmm__free(m->origin);
    mucmm__free(m->offset);
    mucmm__free(m->square);
    mucmm__free(m->unit);
    mucmm__free(m->delta);
    mucmm__free(m->centred_float);
    mucmm__free(m->centred_double);
    mucmm__free(m);
}

int64_t mucmm__moments_block(const mucmm__moments *m)
{
    return m->block_rows;
}

int64_t mucmm__moments_rows(const mucmm__moments *m)
{
    return m->total.n + m->filled;
}

/* ---- one block into the totals ----------------------------------------------------- */

/* Rows of a block: either doubles [rows, cols], or floats of x and y with a stride each. */
typedef struct block {
    int64_t rows;
    const double *both;
    const float *view[2];
    int64_t stride[2];
} block;

typedef struct fold_job {
    mucmm__moments *m;
    totals *t;
    const block *b;
    double weight; /* n R / n' */
    int failed;    /* a mucmm_status */
} fold_job;

/* Where the columns of a stripe are and go. x [rows, cols] with stride. */
typedef struct stripe {
    int64_t rows, cols, stride, out_stride;
    double *restrict origin, *restrict offset, *restrict square, *restrict unit;
} stripe;

/* Power of two u with 1/2 <= standard deviation / u < 1; 1 for a constant column. */
static double unit_of(double square, int64_t rows)
{
    double deviation = sqrt(square / (double)rows);
    int exponent = 0;

    if (!(deviation > 0) || !isfinite(deviation))
        return 1;
    frexp(deviation, &exponent);
    return ldexp(1, exponent);
}

/* The sum of squares about the first row gives the size of a column well enough to choose its unit
 * before the second pass. */
VECTOR static void centre_float(const stripe *s, const float *restrict x, float *restrict out)
{
    double sum[STRIPE] = {0}, rough[STRIPE] = {0}, scale[STRIPE];
    double *restrict origin = s->origin, *restrict offset = s->offset, *restrict square = s->square;
    double rows = (double)s->rows;

    for (int64_t j = 0; j < s->cols; j++)
        origin[j] = (double)x[j];
    for (int64_t i = 0; i < s->rows; i++) {
#pragma omp simd
        for (int64_t j = 0; j < s->cols; j++) {
            double d = (double)x[i * s->stride + j] - origin[j];
            sum[j] += d;
            rough[j] += d * d;
        }
    }
    for (int64_t j = 0; j < s->cols; j++) {
        offset[j] = sum[j] / rows;
        square[j] = 0;
        s->unit[j] = unit_of(rough[j] - sum[j] * offset[j], s->rows);
        scale[j] = 1 / s->unit[j];
    }
    for (int64_t i = 0; i < s->rows; i++) {
#pragma omp simd
        for (int64_t j = 0; j < s->cols; j++) {
            double d = (double)x[i * s->stride + j] - origin[j] - offset[j];
            square[j] += d * d;
            out[i * s->out_stride + j] = (float)(d * scale[j]);
        }
    }
}

VECTOR static void centre_double(const stripe *s, const double *restrict x, double *restrict out)
{
    double *restrict origin = s->origin, *restrict offset = s->offset, *restrict square = s->square;
    double sum[STRIPE] = {0};

    memcpy(origin, x, (size_t)s->cols * sizeof *x);
    for (int64_t i = 0; i < s->rows; i++) {
#pragma omp simd
        for (int64_t j = 0; j < s->cols; j++)
            sum[j] += x[i * s->stride + j] - origin[j];
    }
    for (int64_t j = 0; j < s->cols; j++) {
        offset[j] = sum[j] / (double)s->rows;
        square[j] = 0;
        s->unit[j] = 1;
    }
    for (int64_t i = 0; i < s->rows; i++) {
#pragma omp simd
        for (int64_t j = 0; j < s->cols; j++) {
            double d = x[i * s->stride + j] - origin[j] - offset[j];
            square[j] += d * d;
            out[i * s->out_stride + j] = d;
        }
    }
}

/* Stripes of x come first, then those of y. */
static void centre_stripe(void *arg, int64_t i)
{
    const fold_job *job = arg;
    const mucmm__moments *m = job->m;
    const block *b = job->b;
    int64_t of_x = pieces(m->p, STRIPE), view = i >= of_x;
    int64_t col = (i - view * of_x) * STRIPE, at = view * m->p + col;
    stripe s = {.rows = b->rows,
                .cols = least(STRIPE, (view ? m->q : m->p) - col),
                .stride = m->cols,
                .out_stride = m->cols,
                .origin = m->origin + at,
                .offset = m->offset + at,
                .square = m->square + at,
                .unit = m->unit + at};

    if (b->both) {
        centre_double(&s, b->both + at, m->centred_double + at);
    } else {
        s.stride = b->stride[view];
        centre_float(&s, b->view[view] + col, m->centred_float + at);
    }
}

/* Rows and columns of M that a task computes; from_y: where its columns are among all columns. */
typedef struct tile {
    int64_t row, rows, col, cols, from_y;
} tile;

/* One row of a tile and where it is added: out += values u unit + d delta. All [cols]. */
typedef struct tile_row {
    int64_t cols;
    double *restrict out;
    const double *restrict unit, *restrict delta;
    double u, d;
} tile_row;

/* M += tile + weight delta delta', in the columns' own units. */
static tile_row row_of(const fold_job *job, const tile *at, int64_t i)
{
    const mucmm__moments *m = job->m;

    return (tile_row){.cols = at->cols,
                      .out = job->t->product + (at->row + i) * m->width + at->col,
                      .unit = m->unit + at->from_y,
                      .delta = m->delta + at->from_y,
                      .u = m->unit[at->row + i],
                      .d = job->weight * m->delta[at->row + i]};
}

VECTOR static void add_floats(const tile_row *r, const float *restrict values)
{
    double *restrict out = r->out;
    const double *restrict unit = r->unit, *restrict delta = r->delta;
    double u = r->u, d = r->d;

#pragma omp simd
    for (int64_t j = 0; j < r->cols; j++)
        out[j] += (double)values[j] * (u * unit[j]) + d * delta[j];
}

VECTOR static void add_doubles(const tile_row *r, const double *restrict values)
{
    double *restrict out = r->out;
    const double *restrict delta = r->delta;
    double d = r->d;

#pragma omp simd
    for (int64_t j = 0; j < r->cols; j++)
        out[j] += values[j] + d * delta[j];
}

static void tile_float(fold_job *job, const tile *at)
{
    const mucmm__moments *m = job->m;
    float product[TILE * TILE];
    mucmm_status status =
        mucmm__gemm_tile(at->rows, at->cols, job->b->rows, m->centred_float + at->row, m->cols,
                         m->centred_float + at->from_y, m->cols, product, at->cols);

    if (status != MUCMM_OK) {
        __atomic_store_n(&job->failed, (int)status, __ATOMIC_RELAXED);
        return;
    }
    for (int64_t i = 0; i < at->rows; i++) {
        tile_row row = row_of(job, at, i);
        add_floats(&row, product + i * at->cols);
    }
}

static void tile_double(const fold_job *job, const tile *at)
{
    const mucmm__moments *m = job->m;
    double product[TILE * TILE];

    mucmm__dgemm_tile(at->rows, at->cols, job->b->rows, m->centred_double + at->row, m->cols,
                      m->centred_double + at->from_y, m->cols, product, at->cols);
    for (int64_t i = 0; i < at->rows; i++) {
        tile_row row = row_of(job, at, i);
        add_doubles(&row, product + i * at->cols);
    }
}

static void fold_tile(void *arg, int64_t i)
{
    fold_job *job = arg;
    const mucmm__moments *m = job->m;
    int64_t across = pieces(m->width, m->edge_y);
    tile at = {.row = i / across * m->edge_x, .col = i % across * m->edge_y};

    if (m->q == 0 && at.row > at.col) /* the mirror image of another tile */
        return;
    at.rows = least(m->edge_x, m->p - at.row);
    at.cols = least(m->edge_y, m->width - at.col);
    at.from_y = at.col + (m->q > 0 ? m->p : 0);
    if (job->b->both)
        tile_double(job, &at);
    else
        tile_float(job, &at);
}

static mucmm_status fold_room(mucmm_ctx *ctx, mucmm__moments *m, bool is_double)
{
    int64_t items = m->block_rows * m->cols;

    if (is_double && !m->centred_double)
        return mucmm__alloc(ctx, items, sizeof *m->centred_double, &m->centred_double);
    if (!is_double && !m->centred_float)
        return mucmm__alloc(ctx, items, sizeof *m->centred_float, &m->centred_float);
    return MUCMM_OK;
}

/* m->delta = mean of what is added - mean of t; returns the weight of delta delta' in M. */
static double compare_means(mucmm__moments *m, totals *t, int64_t rows, const double *origin,
                            const double *offset)
{
    if (t->n == 0)
        memcpy(t->origin, origin, (size_t)m->cols * sizeof *origin);
    for (int64_t j = 0; j < m->cols; j++)
        m->delta[j] = origin[j] - t->origin[j] + (offset[j] - t->offset[j]);
    return (double)t->n * ((double)rows / (double)(t->n + rows));
}

static void add_vectors(const mucmm__moments *m, totals *t, int64_t rows, const double *square,
                        double weight)
{
    t->n += rows;
    for (int64_t j = 0; j < m->cols; j++) {
        t->offset[j] += m->delta[j] * ((double)rows / (double)t->n);
        t->square[j] += square[j] + weight * m->delta[j] * m->delta[j];
    }
}

/* Merges a block into t, which need not be m's own totals. */
static mucmm_status fold(mucmm_ctx *ctx, mucmm__moments *m, const block *b, totals *t)
{
    fold_job job = {m, t, b, 0, MUCMM_OK};
    mucmm_status status = MUCMM_OK;

    TRY(fold_room(ctx, m, b->both != NULL));
    mucmm__parallel(ctx, pieces(m->p, STRIPE) + pieces(m->q, STRIPE), centre_stripe, &job);
    job.weight = compare_means(m, t, b->rows, m->origin, m->offset);
    mucmm__blas_begin();
    mucmm__parallel(ctx, pieces(m->p, m->edge_x) * pieces(m->width, m->edge_y), fold_tile, &job);
    mucmm__blas_end();
    if (job.failed)
        return mucmm__fail(ctx, (mucmm_status)job.failed,
                           "oneDNN could not multiply a block of %" PRId64 " rows and %" PRId64
                           " columns",
                           b->rows, m->cols);
    add_vectors(m, t, b->rows, m->square, job.weight);
done:
    return status;
}

/* Rows that from has gathered, merged into t; m lends its scratch space. */
static mucmm_status fold_gathered(mucmm_ctx *ctx, mucmm__moments *m, const mucmm__moments *from,
                                  totals *t)
{
    block b = {.rows = from->filled, .stride = {from->cols, from->cols}};

    if (from->filled == 0)
        return MUCMM_OK;
    if (from->filled_double) {
        b.both = from->rows_double;
    } else {
        b.view[0] = from->rows_float;
        b.view[1] = from->rows_float + from->p;
    }
    return fold(ctx, m, &b, t);
}

static mucmm_status flush(mucmm_ctx *ctx, mucmm__moments *m)
{
    mucmm_status status = fold_gathered(ctx, m, m, &m->total);

    if (status == MUCMM_OK)
        m->filled = 0;
    return status;
}

/* ---- rows in ----------------------------------------------------------------------- */

/* What a push brings: floats of two views, or doubles without gaps. */
typedef struct source {
    int64_t rows;
    const float *view[2];
    int64_t stride[2];
    const double *wide[2];
} source;

typedef struct gather_job {
    const mucmm__moments *m;
    const source *s;
    int64_t first; /* row of the source that becomes row `filled` */
} gather_job;

static void gather_float(const mucmm__moments *m, const float *x, int64_t count, int64_t at)
{
    if (!m->filled_double)
        memcpy(m->rows_float + at, x, (size_t)count * sizeof *x);
    else
        for (int64_t j = 0; j < count; j++)
            m->rows_double[at + j] = (double)x[j];
}

static void gather_rows(void *arg, int64_t first, int64_t last)
{
    const gather_job *job = arg;
    const mucmm__moments *m = job->m;
    const source *s = job->s;
    int64_t cols[2] = {m->p, m->q};

    for (int64_t i = first; i < last; i++)
        for (int view = 0; view < 2; view++) {
            int64_t at = (m->filled + i) * m->cols + view * m->p, row = job->first + i;
            if (cols[view] == 0)
                continue;
            if (s->wide[view])
                memcpy(m->rows_double + at, s->wide[view] + row * cols[view],
                       (size_t)cols[view] * sizeof(double));
            else
                gather_float(m, s->view[view] + row * s->stride[view], cols[view], at);
        }
}

/* Rows of another kind than those gathered close their block early. */
static mucmm_status choose_kind(mucmm_ctx *ctx, mucmm__moments *m, bool is_double)
{
    int64_t items = m->block_rows * m->cols;
    mucmm_status status = MUCMM_OK;

    if (m->filled_double != is_double)
        TRY(flush(ctx, m));
    m->filled_double = is_double;
    TRY(fold_room(ctx, m, is_double));
    if (is_double && !m->rows_double)
        TRY(mucmm__alloc(ctx, items, sizeof *m->rows_double, &m->rows_double));
    if (!is_double && !m->rows_float)
        TRY(mucmm__alloc(ctx, items, sizeof *m->rows_float, &m->rows_float));
done:
    return status;
}

static mucmm_status push(mucmm_ctx *ctx, mucmm__moments *m, const source *s, bool is_double)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = m->block_rows;

    TRY(choose_kind(ctx, m, is_double));
    for (int64_t i = 0; i < s->rows;) {
        gather_job job = {m, s, i};
        int64_t rows = least(size - m->filled, s->rows - i);
        if (rows == size && !is_double) { /* a whole block need not be copied */
            block b = {size, NULL, {s->view[0] + i * s->stride[0], NULL}, {0}};
            if (m->q > 0)
                b.view[1] = s->view[1] + i * s->stride[1];
            memcpy(b.stride, s->stride, sizeof b.stride);
            TRY(fold(ctx, m, &b, &m->total));
        } else {
            mucmm__parallel_range(ctx, rows, 128, gather_rows, &job);
            m->filled += rows;
            if (m->filled == size)
                TRY(flush(ctx, m));
        }
        i += rows;
    }
done:
    return status;
}

static mucmm_status check_view(mucmm_ctx *ctx, const mucmm_cmat *x, const char *name, int64_t rows,
                               int64_t cols)
{
    if (x->rows < 0 || x->stride < x->cols || x->cols != cols)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s is [%" PRId64 ", %" PRId64 "] with stride %" PRId64
                           "; moments of %" PRId64 " columns were begun",
                           name, x->rows, x->cols, x->stride, cols);
    if (x->rows != rows)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "x has %" PRId64 " rows and y has %" PRId64
                           "; they must be paired row by row",
                           rows, x->rows);
    return MUCMM_OK;
}

mucmm_status mucmm__moments_push(mucmm_ctx *ctx, mucmm__moments *m, const mucmm_cmat *x,
                                 const mucmm_cmat *y)
{
    mucmm_status status = MUCMM_OK;
    source s = {x->rows, {x->data, NULL}, {x->stride, 0}, {NULL, NULL}};

    TRY(check_view(ctx, x, "x", x->rows, m->p));
    if ((y != NULL) != (m->q > 0))
        return mucmm__fail(ctx, MUCMM_EARG, "moments of %s view%s were begun",
                           m->q > 0 ? "two" : "one", m->q > 0 ? "s" : "");
    if (y) {
        TRY(check_view(ctx, y, "y", x->rows, m->q));
        s.view[1] = y->data;
        s.stride[1] = y->stride;
    }
    TRY(push(ctx, m, &s, m->cols <= MUCMM__MOMENTS_EXACT));
done:
    return status;
}

mucmm_status mucmm__moments_push_double(mucmm_ctx *ctx, mucmm__moments *m, int64_t rows,
                                        const double *x, const double *y)
{
    source s = {.rows = rows, .wide = {x, y}};

    if (rows < 0)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%" PRId64 " rows; there cannot be fewer than none",
                           rows);
    return push(ctx, m, &s, true);
}

/* ---- results ----------------------------------------------------------------------- */

/* t += o, o's rows being the later ones. */
static void add_totals(mucmm__moments *m, totals *t, const totals *o)
{
    double weight = compare_means(m, t, o->n, o->origin, o->offset);
    const double *delta = m->delta + (m->q > 0 ? m->p : 0);

    for (int64_t i = 0; i < m->p; i++) {
        double d = weight * m->delta[i];
        for (int64_t j = 0; j < m->width; j++)
            t->product[i * m->width + j] += o->product[i * m->width + j] + d * delta[j];
    }
    add_vectors(m, t, o->n, o->square, weight);
}

mucmm_status mucmm__moments_merge(mucmm_ctx *ctx, mucmm__moments *m, const mucmm__moments *other)
{
    mucmm_status status = MUCMM_OK;
    totals t = {0};

    if (m->p != other->p || m->q != other->q)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "moments of %" PRId64 " + %" PRId64 " and of %" PRId64 " + %" PRId64
                           " columns cannot be merged",
                           m->p, m->q, other->p, other->q);
    TRY(flush(ctx, m));
    TRY(totals_init(ctx, m, &t));
    totals_copy(m, &other->total, &t);
    TRY(fold_gathered(ctx, m, other, &t));
    if (t.n > 0)
        add_totals(m, &m->total, &t);
done:
    totals_drop(&t);
    return status;
}

/* The diagonal of a covariance is the variances, which are summed in double. */
static void covariance(const mucmm__moments *m, const totals *t, double *cov)
{
    double divisor = (double)(t->n - 1);
    int64_t w = m->width;

    for (int64_t i = 0; i < m->p; i++)
        for (int64_t j = m->q > 0 ? 0 : i; j < w; j++)
            cov[i * w + j] = t->product[i * w + j] / divisor;
    for (int64_t i = 0; m->q == 0 && i < w; i++) {
        for (int64_t j = 0; j < i; j++)
            cov[i * w + j] = cov[j * w + i];
        cov[i * w + i] = t->square[i] / divisor;
    }
}

static void means_and_variances(const totals *t, int64_t from, int64_t n, double *mean, double *var)
{
    for (int64_t j = 0; mean && j < n; j++)
        mean[j] = t->origin[from + j] + t->offset[from + j];
    for (int64_t j = 0; var && j < n; j++)
        var[j] = t->square[from + j] / (double)(t->n - 1);
}

mucmm_status mucmm__moments_get(mucmm_ctx *ctx, mucmm__moments *m, double *mean_x, double *mean_y,
                                double *cov, double *var_x, double *var_y)
{
    mucmm_status status = MUCMM_OK;
    totals copy = {0}, *t = &m->total;

    if (mucmm__moments_rows(m) < 2)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%" PRId64 " rows; a covariance takes at least 2",
                           mucmm__moments_rows(m));
    if (m->filled > 0) { /* the rows gathered stay where they are, so that more may follow */
        TRY(totals_init(ctx, m, &copy));
        totals_copy(m, t, &copy);
        t = &copy;
        TRY(fold_gathered(ctx, m, m, t));
    }
    means_and_variances(t, 0, m->p, mean_x, var_x);
    means_and_variances(t, m->p, m->q, mean_y, var_y);
    if (cov)
        covariance(m, t, cov);
done:
    totals_drop(&copy);
    return status;
}
