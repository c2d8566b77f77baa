/* SPDX-License-Identifier: MIT
 *
 * reduce.c - sums, means, extremes and norms over some axes.
 *
 * Neighbouring axes that are both kept or both reduced count as one, so that most calls have the
 * form [outer, reduced] or [outer, reduced, inner]. float32 is summed in double; the order of the
 * additions depends on the shape alone. */
#include "core/vmath.h"
#include "graph/graph.h"

#include <inttypes.h>

#define TILE 256    /* results that are accumulated side by side */
#define LANES 32    /* partial sums of one row                   */
#define GRAIN 32768 /* numbers that a task reads                 */

typedef enum kind { SUM, MEAN, SUM_SQUARE, L1, L2, LOG_SUM, LOG_SUM_EXP, MAX, MIN, PROD } kind;

static const struct {
    const char *type;
    kind kind;
} kinds[] = {
    {"ReduceSum", SUM},
    {"ReduceMean", MEAN},
    {"ReduceSumSquare", SUM_SQUARE},
    {"ReduceL1", L1},
    {"ReduceL2", L2},
    {"ReduceLogSum", LOG_SUM},
    {"ReduceMax", MAX},
    {"ReduceLogSumExp", LOG_SUM_EXP},
    {"ReduceMin", MIN},
    {"ReduceProd", PROD},
};

/* The axes as groups. The last group, of `inner` numbers side by side, is apart. */
typedef struct geometry {
    kind kind;
    bool inner_kept;
    int32_t n_kept, n_reduced;
    int64_t kept[MUCMM_MAX_RANK], kept_step[MUCMM_MAX_RANK];
    int64_t reduced[MUCMM_MAX_RANK], reduced_step[MUCMM_MAX_RANK];
    int64_t inner, outer, folds; /* outer, folds: places in the kept and the reduced groups */
    int64_t count;               /* numbers in one result */
} geometry;

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t grain_of(int64_t numbers_each)
{
    return largest(1, GRAIN / largest(1, numbers_each));
}

/* ---- shapes ------------------------------------------------------------------------ */

static mucmm_status mark_axes(mucmm__call *c, const int64_t *axes, int64_t n, bool *marked)
{
    int32_t axis = 0;

    for (int64_t i = 0; i < n; i++) {
        mucmm_status status = mucmm__axis(c, "an axis", axes[i], c->in[0]->rank, &axis);
        if (status != MUCMM_OK)
            return status;
        if (marked[axis])
            return mucmm__op_fail(c, MUCMM_EARG, "axis %d is given twice", axis);
        marked[axis] = true;
    }
    return MUCMM_OK;
}

static mucmm_status read_axes(mucmm__call *c, bool *marked)
{
    int64_t given[MUCMM_MAX_RANK], n = 0;
    const int64_t *axes = mucmm__attr_ints(c->node, "axes", &n);

    memset(marked, 0, MUCMM_MAX_RANK * sizeof *marked);
    if (mucmm__has_in(c, 1)) {
        mucmm_status status = mucmm__known_ints(c, 1, given, MUCMM_MAX_RANK, &n);
        if (status != MUCMM_OK)
            return status;
        axes = given;
    }
    for (int32_t k = 0; n == 0 && k < c->in[0]->rank; k++)
        marked[k] = !mucmm__attr_int(c->node, "noop_with_empty_axes", 0);
    return mark_axes(c, axes, n, marked);
}

static mucmm_status infer(mucmm__call *c)
{
    bool marked[MUCMM_MAX_RANK], keep = mucmm__attr_int(c->node, "keepdims", 1) != 0;
    mucmm_status status = mucmm__check_type(c, 0, MUCMM__TYPES_NUMBER);
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = 0;

    if (status == MUCMM_OK)
        status = read_axes(c, marked);
    if (status != MUCMM_OK)
        return status;
    for (int32_t k = 0; k < c->in[0]->rank; k++)
        if (!marked[k] || keep)
            shape[rank++] = marked[k] ? 1 : c->in[0]->shape[k];
    return mucmm__out(c, 0, c->in[0]->dtype, rank, shape);
}

/* Groups from the last axis to the first; sizes of 1 vanish. */
static void group_axes(geometry *g, const mucmm__desc *d, const bool *marked)
{
    int64_t step = 1;
    int32_t last = -1; /* the axis before, of a size other than 1 */
    bool in_inner = true;

    g->inner = g->outer = g->folds = 1;
    for (int32_t k = d->rank - 1; k >= 0; step *= d->shape[k--]) {
        int32_t *n = marked[k] ? &g->n_reduced : &g->n_kept;
        if (d->shape[k] == 1)
            continue;
        in_inner = last < 0 || (in_inner && marked[k] == marked[last]);
        if (in_inner) {
            g->inner_kept = !marked[k];
            g->inner *= d->shape[k];
        } else {
            if (marked[k] != marked[last]) {
                (marked[k] ? g->reduced : g->kept)[*n] = 1;
                (marked[k] ? g->reduced_step : g->kept_step)[(*n)++] = step;
            }
            (marked[k] ? g->reduced : g->kept)[*n - 1] *= d->shape[k];
            *(marked[k] ? &g->folds : &g->outer) *= d->shape[k];
        }
        last = k;
    }
    g->count = g->folds * (g->inner_kept ? 1 : g->inner);
}

static kind kind_of(const mucmm__call *c)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].type, c->node->op->type) == 0)
            return kinds[i].kind;
    return SUM;
}

/* A tensor in blocks of channels keeps them when all its spatial axes are reduced to 1: what fills
 * a block up stays zero, but for logarithms. */
static void layout(mucmm__call *c)
{
    const mucmm__desc *x = c->in[0];
    mucmm__desc *y = c->out[0];
    kind k = kind_of(c);
    bool fits = x->block > 1 && x->dtype == MUCMM_F32 && k != LOG_SUM && k != LOG_SUM_EXP &&
                y->rank == x->rank && y->shape[0] == x->shape[0] && y->shape[1] == x->shape[1] &&
                mucmm__desc_product(y, 2, y->rank) == 1;

    if (fits)
        c->want[0] = y->block = x->block;
}

static void group_blocked(geometry *g, const mucmm__desc *d)
{
    g->inner_kept = true;
    g->inner = d->block;
    g->n_kept = g->n_reduced = 1;
    g->folds = g->reduced[0] = g->count = mucmm__desc_product(d, 2, d->rank);
    g->outer = g->kept[0] = d->shape[0] * ((d->shape[1] + d->block - 1) / d->block);
    g->reduced_step[0] = d->block;
    g->kept_step[0] = g->folds * d->block;
}

static mucmm_status prepare(mucmm__call *c)
{
    bool marked[MUCMM_MAX_RANK];
    mucmm_status status = read_axes(c, marked);
    geometry *g = NULL;

    if (status == MUCMM_OK)
        status = mucmm__alloc(c->ctx, 1, sizeof *g, &g);
    if (status != MUCMM_OK)
        return status;
    c->state = g;
    g->kind = kind_of(c);
    if (c->in[0]->block > 1)
        group_blocked(g, c->in[0]);
    else
        group_axes(g, c->in[0], marked);
    return MUCMM_OK;
}

static void drop(void *state)
{
    mucmm__free(state);
}

static int64_t place(int32_t n, const int64_t *size, const int64_t *step, int64_t i)
{
    int64_t at = 0;

    for (int32_t k = 0; k < n - 1; k++) { /* the first group is the one that moves fastest */
        at += i % size[k] * step[k];
        i /= size[k];
    }
    return n > 0 ? at + i * step[n - 1] : 0;
}

static int64_t kept_place(const geometry *g, int64_t i)
{
    return place(g->n_kept, g->kept, g->kept_step, i);
}

static int64_t reduced_place(const geometry *g, int64_t i)
{
    return place(g->n_reduced, g->reduced, g->reduced_step, i);
}

/* ---- one result -------------------------------------------------------------------- */

static double start(kind k)
{
    return k == PROD ? 1 : k == MAX || k == LOG_SUM_EXP ? -INFINITY : k == MIN ? INFINITY : 0;
}

/* The next number v. NaN stays in an extreme. Of LOG_SUM_EXP this is the first pass: max x. */
VMATH double fold(kind k, double acc, double v)
{
    switch (k) {
    case SUM:
    case MEAN:
    case LOG_SUM:
        return acc + v;
    case SUM_SQUARE:
    case L2:
        return acc + v * v;
    case L1:
        return acc + fabs(v);
    case MAX:
    case LOG_SUM_EXP:
        return v > acc || v != v ? v : acc;
    case MIN:
        return v < acc || v != v ? v : acc;
    case PROD:
        return acc * v;
    }
    return acc;
}

static double finish(kind k, double acc, int64_t count)
{
    return k == MEAN ? acc / (double)count : k == L2 ? sqrt(acc) : k == LOG_SUM ? log(acc) : acc;
}

typedef struct job {
    const geometry *g;
    mucmm_dtype dtype;
    const void *x;
    void *y;
    const float *dy;
    float *dx;
} job;

/* ---- float32 ----------------------------------------------------------------------- */

/* acc[j] takes x[j] in; a row is folded into LANES places in turn. */
#define FAST_MAP(X) X(SUM) X(SUM_SQUARE) X(L1) X(MAX) X(MIN) X(PROD)

#define X(id)                                                                                      \
    SIMD_CLONES static void fold_columns_##id(int64_t n, const float *x, double *acc)              \
    {                                                                                              \
        _Pragma("omp simd") for (int64_t j = 0; j < n; j++) acc[j] = fold(id, acc[j], x[j]);       \
    }                                                                                              \
    SIMD_CLONES static void fold_row_##id(int64_t n, const float *x, double *acc)                  \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + LANES <= n; i += LANES) {                                                       \
            _Pragma("omp simd") for (int64_t l = 0; l < LANES; l++) acc[l] =                       \
                fold(id, acc[l], x[i + l]);                                                        \
        }                                                                                          \
        for (int64_t l = 0; i + l < n; l++)                                                        \
            acc[l] = fold(id, acc[l], x[i + l]);                                                   \
    }
FAST_MAP(X)
#undef X

typedef void (*fold_fn)(int64_t n, const float *x, double *acc);

static fold_fn fold_function(kind of, bool columns)
{
    kind k = of == MEAN || of == LOG_SUM ? SUM : of == L2 ? SUM_SQUARE : of;

#define X(id)                                                                                      \
    if (k == id)                                                                                   \
        return columns ? fold_columns_##id : fold_row_##id;
    FAST_MAP(X)
#undef X
    return NULL;
}

/* Joins the lanes that are a multiple of `results` apart. Partial sums are joined by addition,
 * whatever was added. */
static void join(kind k, int64_t results, double *acc)
{
    bool additive = k != MAX && k != MIN && k != PROD;

    for (int64_t l = results; l < LANES; l++)
        acc[l % results] = fold(additive ? SUM : k, acc[l % results], acc[l]);
}

/* Few columns whose rows lie one after the other are one long row: each lane stays in a column. */
static bool is_narrow(const geometry *g)
{
    return g->inner_kept && g->n_reduced == 1 && g->inner > 0 && LANES % g->inner == 0 &&
           g->reduced_step[0] == g->inner;
}

/* Place i is a tile of columns of one kept place, or one row. */
static void reduce_fast(void *arg, int64_t first, int64_t last)
{
    const job *b = arg;
    const geometry *g = b->g;
    bool narrow = is_narrow(g), columns = g->inner_kept && !narrow;
    fold_fn fn = fold_function(g->kind, columns);
    int64_t tiles = g->inner_kept ? (g->inner + TILE - 1) / TILE : 1;
    int64_t folds = narrow ? 1 : g->folds;
    double acc[TILE];

    for (int64_t i = first; i < last; i++) {
        int64_t column = i % tiles * TILE, o = i / tiles;
        int64_t results = g->inner_kept ? least(TILE, g->inner - column) : 1;
        int64_t n = narrow ? g->folds * g->inner : columns ? results : g->inner;
        const float *x = (const float *)b->x + kept_place(g, o) + column;
        float *y = (float *)b->y + o * (g->inner_kept ? g->inner : 1) + column;

        for (int64_t j = 0; j < (columns ? results : LANES); j++)
            acc[j] = start(g->kind);
        for (int64_t f = 0; f < folds; f++)
            fn(n, x + reduced_place(g, f), acc);
        if (!columns)
            join(g->kind, results, acc);
        for (int64_t j = 0; j < results; j++)
            y[j] = (float)finish(g->kind, acc[j], g->count);
    }
}

/* ---- any type: result i by itself -------------------------------------------------- */

static int64_t results(const geometry *g)
{
    return g->outer * (g->inner_kept ? g->inner : 1);
}

/* Where result i's numbers begin: number j of fold f is at first + reduced_place(f) + j. */
static int64_t first_place(const geometry *g, int64_t i)
{
    return g->inner_kept ? kept_place(g, i / g->inner) + i % g->inner : kept_place(g, i);
}

static double reduce_one(const job *b, kind k, int64_t at)
{
    const geometry *g = b->g;
    int64_t n = g->inner_kept ? 1 : g->inner;
    double acc = start(k), total = 0;

    for (int64_t f = 0; f < g->folds; f++)
        for (int64_t j = 0; j < n; j++)
            acc = fold(k, acc, mucmm__number_get(b->dtype, b->x, at + reduced_place(g, f) + j));
    if (k != LOG_SUM_EXP || !isfinite(acc))
        return finish(k, acc, g->count);
    for (int64_t f = 0; f < g->folds; f++)
        for (int64_t j = 0; j < n; j++)
            total += exp(mucmm__number_get(b->dtype, b->x, at + reduced_place(g, f) + j) - acc);
    return acc + log(total);
}

static void reduce_slow(void *arg, int64_t first, int64_t last)
{
    const job *b = arg;

    for (int64_t i = first; i < last; i++)
        mucmm__number_put(b->dtype, b->y, i, reduce_one(b, b->g->kind, first_place(b->g, i)));
}

/* Exact, modulo 2^64. `flip` orders uint64 as int64. */
static uint64_t fold_integer(kind k, uint64_t acc, uint64_t v, uint64_t flip)
{
    bool less = (int64_t)(v ^ flip) < (int64_t)(acc ^ flip);

    switch (k) {
    case SUM:
        return acc + v;
    case SUM_SQUARE:
        return acc + v * v;
    case L1:
        return acc + (!flip && (int64_t)v < 0 ? -v : v);
    case MAX:
        return less ? acc : v;
    case MIN:
        return less ? v : acc;
    case PROD:
        return acc * v;
    case MEAN:
    case L2:
    case LOG_SUM:
    case LOG_SUM_EXP:
        break;
    }
    return acc;
}

static void reduce_integers(void *arg, int64_t first, int64_t last)
{
    const job *b = arg;
    const geometry *g = b->g;
    uint64_t flip = b->dtype == MUCMM_U64 ? (uint64_t)1 << 63 : 0;
    int64_t n = g->inner_kept ? 1 : g->inner;

    for (int64_t i = first; i < last; i++) {
        int64_t at = first_place(g, i);
        uint64_t acc = g->kind == PROD;
        for (int64_t f = 0; f < g->folds; f++)
            for (int64_t j = 0; j < n; j++) {
                int64_t v = mucmm__integer_get(b->dtype, b->x, at + reduced_place(g, f) + j);
                bool begins = (g->kind == MAX || g->kind == MIN) && f == 0 && j == 0;
                acc = begins ? (uint64_t)v : fold_integer(g->kind, acc, (uint64_t)v, flip);
            }
        mucmm__integer_put(b->dtype, b->y, i, (int64_t)acc);
    }
}

static mucmm_status forward(mucmm__call *c)
{
    const geometry *g = c->state;
    job b = {g, c->in[0]->dtype, c->x[0], c->y[0], NULL, NULL};
    bool exact = g->kind != MEAN && g->kind != L2 && g->kind != LOG_SUM && g->kind != LOG_SUM_EXP;

    if (b.dtype == MUCMM_F32 && g->kind != LOG_SUM_EXP) {
        int64_t tiles = g->inner_kept ? (g->inner + TILE - 1) / TILE : 1;
        int64_t width = g->inner_kept ? least(TILE, g->inner) : 1;
        mucmm__parallel_range(c->ctx, g->outer * tiles, grain_of(g->count * width), reduce_fast,
                              &b);
    } else {
        mucmm__parallel_range(
            c->ctx, results(g), grain_of(g->count),
            exact && !mucmm__dtype_is_float(b.dtype) ? reduce_integers : reduce_slow, &b);
    }
    return MUCMM_OK;
}

/* ---- gradient ---------------------------------------------------------------------- */

/* With y the result and R the count of its numbers, dx / dy is
 *   sum 1; mean 1/R; sum of squares 2 x; L1 sign x; L2 x / y (0 at y = 0); log sum e^-y;
 *   log sum exp e^(x - y).                                                                      */
static float slope(kind k, float x, float y)
{
    switch (k) {
    case SUM_SQUARE:
        return 2 * x;
    case L1:
        return (float)((x > 0) - (x < 0));
    case L2:
        return y > 0 ? x / y : 0;
    case LOG_SUM:
        return expf(-y);
    case LOG_SUM_EXP:
        return expf(x - y);
    case SUM:
    case MEAN:
    case MAX:
    case MIN:
    case PROD:
        break;
    }
    return 1;
}

/* One row of dx; step 0: one result for the whole row, 1: one for each number. */
SIMD_CLONES static void spread_row(int64_t n, int64_t step, float factor, const float *dy,
                                   float *dx)
{
    if (step == 0)
        for (int64_t j = 0; j < n; j++)
            dx[j] = dy[0] * factor;
    else
#pragma omp simd
        for (int64_t j = 0; j < n; j++)
            dx[j] = dy[j] * factor;
}

/* Place i is one fold of one kept place: `inner` numbers of x side by side. */
static void spread(void *arg, int64_t first, int64_t last)
{
    const job *b = arg;
    const geometry *g = b->g;
    const float *x = b->x, *y = b->y;
    float factor = g->kind == MEAN ? 1.0f / (float)g->count : 1.0f;

    for (int64_t i = first; i < last; i++) {
        int64_t o = i / g->folds, at = kept_place(g, o) + reduced_place(g, i % g->folds);
        int64_t step = g->inner_kept ? 1 : 0, r = g->inner_kept ? o * g->inner : o;
        if (g->kind == SUM || g->kind == MEAN)
            spread_row(g->inner, step, factor, b->dy + r, b->dx + at);
        else
            for (int64_t j = 0; j < g->inner; j++, r += step)
                b->dx[at + j] = b->dy[r] * slope(g->kind, x[at + j], y[r]);
    }
}

static mucmm_status vjp(mucmm__call *c)
{
    const geometry *g = c->state;
    job b = {g, MUCMM_F32, c->x[0], c->y[0], c->dy[0], c->dx[0]};

    if (b.dy && b.dx)
        mucmm__parallel_range(c->ctx, g->outer * g->folds, grain_of(g->inner), spread, &b);
    else if (b.dx)
        memset(b.dx, 0, (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

/* An extreme shares its gradient among the numbers that reach it. A product gives each number the
 * product of the others, which is 0 where another one is 0. */
static float share(const job *b, int64_t at, int64_t n, float y, double *others)
{
    const geometry *g = b->g;
    const float *x = b->x;
    int64_t hits = 0;

    *others = 1;
    for (int64_t f = 0; f < g->folds; f++)
        for (int64_t j = 0; j < n; j++) {
            float v = x[at + reduced_place(g, f) + j];
            hits += g->kind == PROD ? v == 0 : v == y;
            *others *= v == 0 ? 1 : (double)v;
        }
    return (float)hits;
}

static void spread_selected(void *arg, int64_t first, int64_t last)
{
    const job *b = arg;
    const geometry *g = b->g;
    const float *x = b->x, *y = b->y;
    int64_t n = g->inner_kept ? 1 : g->inner;

    for (int64_t i = first; i < last; i++) {
        int64_t at = first_place(g, i);
        double others;
        float hits = share(b, at, n, y[i], &others);
        for (int64_t f = 0; f < g->folds; f++)
            for (int64_t j = 0; j < n; j++) {
                int64_t p = at + reduced_place(g, f) + j;
                double factor;
                if (g->kind != PROD)
                    factor = x[p] == y[i] ? 1 / (double)hits : 0;
                else if (hits == 0)
                    factor = others / (double)x[p];
                else
                    factor = hits == 1 && x[p] == 0 ? others : 0;
                b->dx[p] = (float)(factor * (double)b->dy[i]);
            }
    }
}

static mucmm_status vjp_selected(mucmm__call *c)
{
    const geometry *g = c->state;
    job b = {g, MUCMM_F32, c->x[0], c->y[0], c->dy[0], c->dx[0]};

    if (b.dy && b.dx)
        mucmm__parallel_range(c->ctx, results(g), grain_of(g->count), spread_selected, &b);
    else if (b.dx)
        memset(b.dx, 0, (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

#define ROW(type, since, until, max_in, vjp, reads)                                                \
    {                                                                                              \
        type, since, until, 1, max_in, 1, 1, infer, forward, vjp, 1, reads, reads, 0, layout,      \
            prepare, drop                                                                          \
    }

const mucmm__op mucmm__ops_reduce[] = {
    ROW("ReduceSum", 1, 12, 1, vjp, 0),
    ROW("ReduceSum", 13, 0, 2, vjp, 0),
    ROW("ReduceMean", 1, 17, 1, vjp, 0),
    ROW("ReduceSumSquare", 1, 17, 1, vjp, 1),
    ROW("ReduceL1", 1, 17, 1, vjp, 1),
    ROW("ReduceL2", 1, 17, 1, vjp, 1),
    ROW("ReduceLogSum", 1, 17, 1, vjp, 1),
    ROW("ReduceLogSumExp", 1, 17, 1, vjp, 1),
    ROW("ReduceMax", 1, 17, 1, vjp_selected, 1),
    ROW("ReduceMin", 1, 17, 1, vjp_selected, 1),
    ROW("ReduceProd", 1, 17, 1, vjp_selected, 1),
    {0},
};
