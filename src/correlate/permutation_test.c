/* SPDX-License-Identifier: MIT
 *
 * permutation_test.c - is the pairing of the rows better than chance?
 * n rows, M views, k components, N permutations. */
#include "core/vmath.h"
#include "correlate/whitened.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Permutations whose maxima are kept; components that are summed up together. */
enum { MAX_KEPT = 10000, BLOCK = 8 };

static mucmm_status check_variates(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                                   int64_t permutations)
{
    if (n_views < 2 || n_views > MUCMM_MAX_VIEWS)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId32 " views; from 2 to %d are possible", n_views,
                           MUCMM_MAX_VIEWS);
    if (permutations < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " permutations; 0 or more are possible",
                           permutations);
    for (int32_t m = 0; m < n_views; m++)
        if (c[m].rows != c[0].rows || c[m].cols != c[0].cols)
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "the variates of view 0 are %" PRId64 " x %" PRId64
                               " and those of view %" PRId32 " %" PRId64 " x %" PRId64
                               "; rows and components must be the same",
                               c[0].rows, c[0].cols, m, c[m].rows, c[m].cols);
    if (c[0].rows < 2)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%" PRId64 " rows; a correlation needs at least 2",
                           c[0].rows);
    return MUCMM_OK;
}

/* Everything the tasks read, and one row of scratch and counts for each lane. */
typedef struct test {
    int32_t n_views;
    int64_t n, k, permutations, lanes;
    uint64_t seed;
    /* [blocks, n, BLOCK], columns of mean 0 and length 1, the last block filled up with zeros: a
     * block of 5000 rows is 640 kB, so that its rows are in the cache in whatever order */
    double *z[MUCMM_MAX_VIEWS];
    int64_t *order;                  /* [k] components, the largest observed statistic first */
    const double *observed;          /* [k] */
    const mucmm__exchange *exchange; /* n are its rows; NULL: all, freely */
    int64_t *perm;                   /* [lanes, M - 1, n] */
    double *statistic;               /* [lanes, k] */
    int64_t *counts;                 /* [lanes, k], in the order of `order` */
    double tie;                      /* statistics that are equal differ by less */
    double *maxima;                  /* [k, kept], in the order of `order`; NULL = not asked for */
    int64_t kept;
} test;

static void test_drop(test *t)
{
    for (int32_t m = 0; m < t->n_views; m++)
        mucmm__free(t->z[m]);
    mucmm__free(t->order);
    mucmm__free(t->perm);
    mucmm__free(t->statistic);
    mucmm__free(t->counts);
    mucmm__free(t->maxima);
}

static int64_t blocks_of(int64_t k)
{
    return (k + BLOCK - 1) / BLOCK;
}

/* Columns of the tested rows to mean 0 and length 1; a constant one becomes 0, so its correlation
 * is 0. */
static mucmm_status unit_columns(mucmm_ctx *ctx, const test *t, const mucmm__block *c, int32_t view,
                                 double *out)
{
    int64_t n = t->n, k = c->cols;
    const int64_t *row = t->exchange ? t->exchange->row : NULL;

    for (int64_t j = 0; j < k; j++) {
        double *z = out + j / BLOCK * n * BLOCK + j % BLOCK;
        double mean = 0, square = 0, largest = 0, length;
        for (int64_t i = 0; i < n; i++) {
            z[i * BLOCK] = c->data[(row ? row[i] : i) * k + j];
            mean += z[i * BLOCK];
            largest = fmax(largest, fabs(z[i * BLOCK]));
        }
        mean /= (double)n;
        for (int64_t i = 0; i < n; i++) {
            z[i * BLOCK] -= mean;
            square += z[i * BLOCK] * z[i * BLOCK];
        }
        if (!isfinite(square))
            return mucmm__fail(
                ctx, MUCMM_ENUMERIC,
                "variate %" PRId64 " of view %" PRId32 " has a value that is not finite", j, view);
        length = sqrt(square);
        for (int64_t i = 0; i < n; i++)
            z[i * BLOCK] = length > 1e-14 * largest * sqrt((double)n) ? z[i * BLOCK] / length : 0;
    }
    return MUCMM_OK;
}

/* sum [BLOCK] over rows i and pairs m < l of z_m[perm_m(i)] z_l[perm_l(i)] of the block of
 * components that begins at z[m] + at. Row by row: the views before l are added up, and their sum
 * is multiplied by view l. */
SIMD_CLONES static void block_products(int32_t n_views, int64_t n, double *const *z, int64_t at,
                                       const int64_t *perm, double *sum)
{
    typedef double vector __attribute__((vector_size(BLOCK * sizeof(double))));
    vector products = {0};

    for (int64_t i = 0; i < n; i++) {
        vector before = *(const vector *)(z[0] + at + i * BLOCK);
        for (int32_t l = 1; l < n_views; l++) {
            int64_t from = perm ? perm[(l - 1) * n + i] : i;
            vector row = *(const vector *)(z[l] + at + from * BLOCK);
            products += before * row;
            before += row;
        }
    }
    memcpy(sum, &products, sizeof products);
}

/* statistic [k]: the mean over pairs of views. View 0 keeps its order; perm [M - 1, n] of the
 * others, or NULL for the rows as they are. */
static void statistics(const test *t, const int64_t *perm, double *statistic)
{
    double pairs = 0.5 * t->n_views * (t->n_views - 1), sum[BLOCK];

    for (int64_t begin = 0; begin < t->k; begin += BLOCK) {
        int64_t width = t->k - begin < BLOCK ? t->k - begin : BLOCK;
        block_products(t->n_views, t->n, t->z, begin * t->n, perm, sum);
        for (int64_t j = 0; j < width; j++)
            statistic[begin + j] = sum[j] / pairs;
    }
}

/* Westfall and Young: a component is compared with the largest statistic among those that are not
 * larger than it. Permutations that leave the value as it is differ from it in the last bits. */
static void count_maxima(const test *t, int64_t b, const double *statistic, int64_t *counts)
{
    double largest = -INFINITY;

    for (int64_t j = t->k - 1; j >= 0; j--) {
        int64_t component = t->order[j];
        largest = fmax(largest, statistic[component]);
        counts[j] += largest >= t->observed[component] - t->tie;
        if (t->maxima && b < t->kept)
            t->maxima[j * t->kept + b] = largest;
    }
}

/* Permutation b is a function of (seed, b) alone; counts are integers: the lanes do not matter. */
static void run_lane(void *arg, int64_t lane)
{
    const test *t = arg;
    int64_t *perm = t->perm + lane * (t->n_views - 1) * t->n;
    double *statistic = t->statistic + lane * t->k;

    for (int64_t b = lane; b < t->permutations; b += t->lanes) {
        uint64_t key = mucmm__rng_key(t->seed, (uint64_t)b);
        for (int32_t l = 1; l < t->n_views; l++)
            mucmm__exchange_draw(t->exchange, mucmm__rng_key(key, (uint64_t)l),
                                 perm + (l - 1) * t->n, t->n);
        statistics(t, perm, statistic);
        count_maxima(t, b, statistic, t->counts + lane * t->k);
    }
}

static void sort_components(const test *t)
{
    for (int64_t j = 0; j < t->k; j++) {
        int64_t at = j;
        for (; at > 0 && t->observed[t->order[at - 1]] < t->observed[j]; at--)
            t->order[at] = t->order[at - 1];
        t->order[at] = j;
    }
}

static void take_p_values(const test *t, double *p_values)
{
    double before = 0;

    for (int64_t j = 0; j < t->k; j++) {
        int64_t count = 1;
        for (int64_t lane = 0; lane < t->lanes; lane++)
            count += t->counts[lane * t->k + j];
        before = fmax(before, (double)count / (double)(t->permutations + 1));
        p_values[t->order[j]] = before;
    }
}

static int compare_descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

/* p = (b + 1)/(N + 1) <= 0.05 allows b = floor(0.05 (N + 1)) - 1 maxima at or above the statistic:
 * it must be larger than the next one. */
static void take_null(const test *t, double *null_95)
{
    int64_t allowed = (t->kept + 1) / 20 - 1;

    for (int64_t j = 0; j < t->k; j++) {
        double *maxima = t->maxima + j * t->kept;
        if (allowed < 0) {
            null_95[t->order[j]] = NAN;
            continue;
        }
        qsort(maxima, (size_t)t->kept, sizeof *maxima, compare_descending);
        null_95[t->order[j]] = maxima[allowed];
    }
}

static mucmm_status test_init(mucmm_ctx *ctx, test *t, const mucmm__block *c)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < t->n_views; m++) {
        TRY(mucmm__alloc(ctx, blocks_of(t->k) * t->n * BLOCK, sizeof *t->z[m], &t->z[m]));
        TRY(unit_columns(ctx, t, c + m, m, t->z[m]));
    }
    TRY(mucmm__alloc(ctx, t->k, sizeof *t->order, &t->order));
    TRY(mucmm__alloc(ctx, t->lanes * (t->n_views - 1) * t->n, sizeof *t->perm, &t->perm));
    TRY(mucmm__alloc(ctx, t->lanes * t->k, sizeof *t->statistic, &t->statistic));
    TRY(mucmm__alloc(ctx, t->lanes * t->k, sizeof *t->counts, &t->counts));
    if (t->kept > 0)
        TRY(mucmm__alloc(ctx, t->k * t->kept, sizeof *t->maxima, &t->maxima));
done:
    return status;
}

/* observed [k] of the rows that are tested, and what the permutations say of it. */
static mucmm_status run_test(mucmm_ctx *ctx, test *t, const mucmm__block *c, double *observed,
                             double *p_values, double *null_95)
{
    mucmm_status status = MUCMM_OK;

    t->observed = observed;
    TRY(test_init(ctx, t, c));
    statistics(t, NULL, observed);
    if (t->permutations == 0)
        goto done;
    sort_components(t);
    mucmm__parallel(ctx, t->lanes, run_lane, t);
    take_p_values(t, p_values);
    if (null_95)
        take_null(t, null_95);
done:
    test_drop(t);
    return status;
}

mucmm_status mucmm__exchange_test(mucmm_ctx *ctx, const mucmm__exchange *e, int32_t n_views,
                                  const mucmm__block *c, int64_t permutations, uint64_t seed,
                                  double *correlations, double *p_values, double *null_95)
{
    mucmm_status status = MUCMM_OK;
    double *tested = NULL;
    test t = {0};

    TRY(check_variates(ctx, n_views, c, permutations));
    permutations = p_values ? permutations : 0;
    for (int64_t j = 0; j < c[0].cols && !mucmm__exchange_enough(e); j++)
        if (permutations > 0) {
            p_values[j] = NAN;
            if (null_95)
                null_95[j] = NAN;
        }
    permutations = mucmm__exchange_enough(e) ? permutations : 0;
    t = (test){.n_views = n_views,
               .n = c[0].rows,
               .k = c[0].cols,
               .permutations = permutations,
               .seed = seed,
               .tie = 1e-12,
               .lanes = ctx->threads,
               .kept = null_95 ? permutations < MAX_KEPT ? permutations : MAX_KEPT : 0};
    if (!e || permutations == 0)
        return run_test(ctx, &t, c, correlations, p_values, null_95);
    /* the correlations are of all rows, also of those that are not tested */
    TRY(mucmm__permutation_test(ctx, n_views, c, 0, seed, correlations, NULL, NULL));
    TRY(mucmm__alloc(ctx, t.k, sizeof *tested, &tested));
    t.exchange = e;
    t.n = e->n;
    TRY(run_test(ctx, &t, c, tested, p_values, null_95));
done:
    mucmm__free(tested);
    return status;
}

mucmm_status mucmm__permutation_test(mucmm_ctx *ctx, int32_t n_views, const mucmm__block *c,
                                     int64_t permutations, uint64_t seed, double *correlations,
                                     double *p_values, double *null_95)
{
    return mucmm__exchange_test(ctx, NULL, n_views, c, permutations, seed, correlations, p_values,
                                null_95);
}

mucmm_status mucmm__step_down(mucmm_ctx *ctx, int64_t k, int64_t permutations,
                              const double *observed, const double *permuted, double tie,
                              double *p_values)
{
    test t = {.k = k, .permutations = permutations, .observed = observed, .lanes = 1, .tie = tie};
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, k, sizeof *t.order, &t.order));
    TRY(mucmm__alloc(ctx, k, sizeof *t.counts, &t.counts));
    sort_components(&t);
    for (int64_t b = 0; b < permutations; b++)
        count_maxima(&t, b, permuted + b * k, t.counts);
    take_p_values(&t, p_values);
done:
    test_drop(&t);
    return status;
}
