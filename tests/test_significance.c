/* SPDX-License-Identifier: MIT
 *
 * test_significance.c - what is more than chance: the dependence that is left, by its mean over all
 * pairings, its error rate and its power; and the numbers of dimensions that are found. */
#include "generators.h"
#include "model/summary.h"

static mucmm__block zero_block(int64_t rows, int64_t cols)
{
    mucmm__block b = {calloc((size_t)(rows * cols), sizeof(double)), rows, cols};

    assert_non_null(b.data);
    return b;
}

static mucmm__block random_block(uint64_t key, int64_t rows, int64_t cols)
{
    mucmm__block b = zero_block(rows, cols);

    for (int64_t i = 0; i < rows * cols; i++)
        b.data[i] = mucmm__rng_normal(key, (uint64_t)i);
    return b;
}

/* ---- one statistic ----------------------------------------------------------------- */

/* The next order of the rows in the lexicographic sense; false after the last. */
static bool next_order(int64_t *order, int64_t n)
{
    int64_t i = n - 2, j = n - 1;

    while (i >= 0 && order[i] > order[i + 1])
        i--;
    if (i < 0)
        return false;
    while (order[j] < order[i])
        j--;
    for (int64_t t = order[i]; i < j; t = order[i]) {
        order[i] = order[j];
        order[j] = t;
        break;
    }
    for (int64_t a = i + 1, b = n - 1; a < b; a++, b--) {
        int64_t t = order[a];
        order[a] = order[b];
        order[b] = t;
    }
    return true;
}

/* The stated chance level against K of all 720 pairings of six rows. */
static void test_chance_is_the_mean_over_all_pairings(void **state)
{
    static const double ridges[] = {1e-9, 0.3};
    mucmm_ctx *ctx = new_ctx();
    mucmm__block a = random_block(1, 6, 1), b = random_block(2, 6, 2), moved = zero_block(6, 2);

    (void)state;
    for (int r = 0; r < 2; r++) {
        int64_t order[] = {0, 1, 2, 3, 4, 5};
        mucmm__dependence s;
        double mean = 0;
        do {
            double value;
            for (int64_t i = 0; i < 12; i++)
                moved.data[i] = b.data[order[i / 2] * 2 + i % 2];
            CHECK_OK(ctx, mucmm__correlation_min(ctx, &a, &moved, ridges[r], &value, NULL, NULL));
            mean += value / 720;
        } while (next_order(order, 6));
        CHECK_OK(ctx, mucmm__dependence_init(ctx, &a, &b, ridges[r], &s));
        CHECK_CLOSE(s.chance, mean, 1e-12);
        if (r == 0)
            CHECK_CLOSE(s.chance, 2.0 / 5, 1e-8); /* max(dim a, dim b)/(n - 1) */
        mucmm__dependence_drop(&s);
    }
    free(a.data);
    free(b.data);
    free(moved.data);
    mucmm_ctx_free(ctx);
}

/* ---- a family ---------------------------------------------------------------------- */

/* K(u, c) and K_x(u, c) of each of two u on one c. p [4]: linear, cross-fitted of u[0], then of
 * u[1]. */
static mucmm_status test_family(mucmm_ctx *ctx, const mucmm__block *u, const mucmm__block *c,
                                uint64_t seed, int64_t permutations, double most_work,
                                int64_t *made, double *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm__dependence s[4] = {{0}}, *family[4];

    for (int i = 0; i < 4; i++) {
        TRY(i % 2 ? mucmm__dependence_init_crossfit(ctx, &u[i / 2], c, 0.1, &s[i])
                  : mucmm__dependence_init(ctx, &u[i / 2], c, 1e-6, &s[i]));
        s[i].mover_right = 1;
        family[i] = &s[i];
    }
    TRY(mucmm__dependence_test(ctx, NULL, 4, family, permutations, seed, most_work, made));
    for (int i = 0; i < 4; i++)
        p[i] = s[i].p;
done:
    for (int i = 0; i < 4; i++)
        mucmm__dependence_drop(&s[i]);
    return status;
}

/* The two u are the same but for noise, which no permutation may take from them: the chance that
 * any of the four is called significant at 0.05 is 0.05. */
static void test_error_rate_under_the_null(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int rejected = 0, below_half = 0;

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        mucmm__block u[2] = {random_block(3000 + i, 60, 3), random_block(6000 + i, 60, 3)};
        mucmm__block c = random_block(9000 + i, 60, 4);
        double p[4], least = 1;
        int64_t made = 0;
        for (int64_t j = 0; j < 180; j++)
            u[1].data[j] = u[0].data[j] + 0.2 * u[1].data[j];
        CHECK_OK(ctx, test_family(ctx, u, &c, i, 99, 1e11, &made, p));
        assert_int_equal(made, 99);
        for (int j = 0; j < 4; j++)
            least = p[j] < least ? p[j] : least;
        rejected += least <= 0.05;
        below_half += least <= 0.5;
        free(u[0].data);
        free(u[1].data);
        free(c.data);
    }
    assert_in_range(rejected, 2, 20);
    assert_in_range(below_half, 80, 120);
    mucmm_ctx_free(ctx);
}

/* u[0] holds a share of c, u[1] nothing: only the first is significant. */
static void test_what_is_planted_is_found(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block u[2] = {random_block(11, 400, 3), random_block(12, 400, 3)};
    mucmm__block c = random_block(13, 400, 4);
    double p[4];
    int64_t made = 0;

    (void)state;
    for (int64_t i = 0; i < 400; i++)
        u[0].data[i * 3 + 1] += 0.5 * c.data[i * 4 + 2];
    CHECK_OK(ctx, test_family(ctx, u, &c, 1, 199, 1e11, &made, p));
    CHECK_CLOSE(p[0], 1.0 / 200, 1e-15);
    CHECK_CLOSE(p[1], 1.0 / 200, 1e-15);
    assert_true(p[2] > 0.05 && p[3] > 0.05);
    free(u[0].data);
    free(u[1].data);
    free(c.data);
    mucmm_ctx_free(ctx);
}

/* So many multiplications that fewer permutations are made, and the threads do not matter. */
static void test_large_families_make_fewer_permutations(void **state)
{
    mucmm__block u[2] = {random_block(21, 300, 20), random_block(22, 300, 20)};
    mucmm__block c = random_block(23, 300, 25);
    double p[2][4];

    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        mucmm_ctx_params params;
        mucmm_ctx *ctx;
        int64_t made = 0;
        mucmm_ctx_params_init(&params);
        params.threads = threads;
        assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
        CHECK_OK(ctx, test_family(ctx, u, &c, 1, 1000, 250.0 * 4 * 300 * 20 * 25, &made,
                                  p[threads - 1]));
        assert_int_equal(made, 250);
        mucmm_ctx_free(ctx);
    }
    assert_memory_equal(p[0], p[1], sizeof p[0]);
    free(u[0].data);
    free(u[1].data);
    free(c.data);
}

/* The three pairs of independent u, each of which moves on its own. */
static void test_error_rate_of_pairs_under_the_null(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int rejected = 0, below_half = 0;

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        mucmm__block c[3], u[3];
        mucmm_summary *s = NULL;
        double least = 1;
        for (uint64_t m = 0; m < 3; m++) {
            c[m] = random_block(mucmm__rng_key(3 + i, m), 50, 1);
            u[m] = random_block(mucmm__rng_key(900 + i, m), 50, 2);
        }
        CHECK_OK(ctx, mucmm__summary_create(ctx, 1, 3, &s));
        s->rows = 50;
        CHECK_OK(ctx, mucmm__leakage(ctx, 3, c, u, NULL, 99, i, s));
        for (int j = 0; j < 9; j++)
            least = fmin(least, s->leakage_individual_p[j]);
        rejected += least <= 0.05;
        below_half += least <= 0.5;
        mucmm__summary_free(s);
        for (int m = 0; m < 3; m++) {
            free(c[m].data);
            free(u[m].data);
        }
    }
    assert_in_range(rejected, 2, 20);
    assert_in_range(below_half, 80, 120);
    mucmm_ctx_free(ctx);
}

/* ---- the leakage ------------------------------------------------------------------- */

/* What u_0 knows of the common variates of three views. */
typedef enum relation {
    NOTHING,
    LINEAR,
    EVEN,
    PRODUCT,
    VOLATILITY,
    OTHER_VIEW,
    RELATIONS
} relation;

static double planted(relation what, const mucmm__block *c, int64_t i, double own)
{
    int64_t k = c[0].cols;
    const double *c0 = c[0].data + i * k, *c1 = c[1].data + i * k;

    return what == LINEAR       ? own + 0.3 * c0[2]
           : what == EVEN       ? own + 0.5 * (c0[4] * c0[4] - 1) /* beyond the paired ones */
           : what == PRODUCT    ? own + 0.5 * c0[0] * c0[1]
           : what == VOLATILITY ? own * exp(0.6 * c0[1])
           : what == OTHER_VIEW ? own + 0.5 * (c1[3] * c1[3] - 1)
                                : own;
}

static mucmm_summary *leakage_of(mucmm_ctx *ctx, relation what, int64_t n, int64_t k, uint64_t seed)
{
    mucmm__block c[3], u[3];
    mucmm_summary *s = NULL;

    for (uint64_t m = 0; m < 3; m++) {
        c[m] = random_block(mucmm__rng_key(seed, m), n, k);
        u[m] = random_block(mucmm__rng_key(seed + 7000, m), n, 2);
    }
    for (int64_t i = 0; i < n; i++)
        u[0].data[i * 2] = planted(what, c, i, u[0].data[i * 2]);
    CHECK_OK(ctx, mucmm__summary_create(ctx, k, 3, &s));
    s->rows = n;
    CHECK_OK(ctx, mucmm__leakage(ctx, 3, c, u, NULL, what == NOTHING ? 99 : 199, seed, s));
    for (int m = 0; m < 3; m++) {
        free(c[m].data);
        free(u[m].data);
    }
    return s;
}

static void test_leakage_sees_relations_of_every_moment(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (relation what = LINEAR; what < RELATIONS; what++) {
        mucmm_summary *s = leakage_of(ctx, what, 1200, 5, 40 + (uint64_t)what);
        assert_true(s->leakage_kernel_p[0] <= (what == LINEAR ? 0.05 : 0.01));
        assert_true(what == LINEAR ? s->leakage_linear_p[0] <= 0.01
                                   : s->leakage_linear_p[0] > 0.05);
        for (int m = 1; m < 3; m++)
            assert_true(s->leakage_kernel_p[m] > 0.05 && s->leakage_linear_p[m] > 0.05);
        mucmm__summary_free(s);
    }
    mucmm_ctx_free(ctx);
}

/* Binomial of 200 sets: at 0.05 10 +- 3.1, at 0.2 40 +- 5.7. */
static void test_error_rate_of_the_leakage_under_the_null(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int rejected = 0, below_fifth = 0;

    (void)state;
    for (uint64_t i = 0; i < 200; i++) {
        mucmm_summary *s = leakage_of(ctx, NOTHING, 104, 2, 100 + i);
        double least = 1;
        for (int m = 0; m < 3; m++)
            least = fmin(least, fmin(s->leakage_linear_p[m], s->leakage_kernel_p[m]));
        rejected += least <= 0.05;
        below_fifth += least <= 0.2;
        mucmm__summary_free(s);
    }
    print_message("any leakage called significant: %d of 200 at 0.05, %d at 0.2\n", rejected,
                  below_fifth);
    assert_in_range(rejected, 2, 20);
    assert_in_range(below_fifth, 24, 57);
    mucmm_ctx_free(ctx);
}

/* More common variates than the kernel figure takes as they are: the leading ones of all views. */
static void test_leakage_of_many_variates(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm_summary *s = leakage_of(ctx, EVEN, 1500, 60, 5);

    (void)state;
    assert_true(s->leakage_kernel_p[0] <= 0.05 && s->leakage_kernel_p[1] > 0.05);
    mucmm__summary_free(s);
    mucmm_ctx_free(ctx);
}

/* ---- the summary ------------------------------------------------------------------- */

/* u_0 holds |c|, which has no correlation with c; u_1 and u_2 share a column; the rest is
 * independent. */
static void test_leakage_of_a_summary(void **state)
{
    enum { N = 600, K = 2, Q = 3 };
    mucmm_ctx *ctx = new_ctx();
    mucmm__block c[3], u[3];
    mucmm_summary *s = NULL;

    (void)state;
    for (uint64_t m = 0; m < 3; m++) {
        c[m] = random_block(mucmm__rng_key(1, m), N, K);
        u[m] = random_block(mucmm__rng_key(2, m), N, Q);
    }
    for (int64_t i = 0; i < N; i++) {
        c[0].data[i * K] += pow(u[0].data[i * Q], 2) - 1;
        u[2].data[i * Q + 1] += 0.7 * u[1].data[i * Q];
    }
    CHECK_OK(ctx, mucmm__summary_create(ctx, K, 3, &s));
    s->rows = N;
    CHECK_OK(ctx, mucmm__leakage(ctx, 3, c, u, NULL, 199, 1, s));
    assert_int_equal(s->leakage_permutations, 199);
    for (int m = 0; m < 3; m++) {
        CHECK_CLOSE(s->leakage_linear_chance[m], 6.0 / (N - 1), 1e-6);
        assert_true(m == 0 ? s->leakage_kernel_p[m] <= 1.0 / 200 + 1e-12
                           : s->leakage_kernel_p[m] > 0.05 && s->leakage_linear_p[m] > 0.05);
        for (int l = 0; l < 3; l++) {
            double p = s->leakage_individual_p[m * 3 + l];
            if (m != l)
                CHECK_CLOSE(s->leakage_individual_chance[m * 3 + l], 3.0 / (N - 1), 1e-6);
            assert_true(m == l ? isnan(p) : m + l == 3 ? p <= 1.0 / 200 + 1e-12 : p > 0.05);
        }
    }
    mucmm__summary_free(s);
    for (int m = 0; m < 3; m++) {
        free(c[m].data);
        free(u[m].data);
    }
    mucmm_ctx_free(ctx);
}

/* ---- how many dimensions ----------------------------------------------------------- */

/* x[m] [n, p] of two views, float: `shared` latents of correlations from 0.9 down to 0.3 and `own`
 * of standard deviations from 2 down to 1, mixed by a random matrix, and noise. */
static void planted_views(uint64_t seed, int64_t n, int64_t p, int64_t shared, int64_t own,
                          double noise, float *x[2])
{
    double *common = normals(seed, 0, n * (shared + 1), 1);

    for (uint64_t m = 0; m < 2; m++) {
        int64_t latents = shared + own;
        double *mix = normals(seed, 1 + m, (latents + 1) * p, 1 / sqrt((double)p));
        double *z = normals(seed, 3 + m, n * (latents + 1), 1);
        double *e = normals(seed, 5 + m, n * p, noise);
        x[m] = test_floats(n * p);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < p; j++) {
                double sum = e[i * p + j];
                for (int64_t l = 0; l < latents; l++) {
                    double rho = shared > 1 ? 0.9 - 0.6 * (double)l / (double)(shared - 1) : 0.9;
                    double value = z[i * latents + l];
                    double size = own > 1 ? 2 - (double)(l - shared) / (double)(own - 1) : 2;
                    if (l < shared)
                        value = sqrt(rho) * common[i * shared + l] + sqrt(1 - rho) * value;
                    else
                        value *= size;
                    sum += value * mix[l * p + j];
                }
                x[m][i * p + j] = (float)sum;
            }
        free(mix);
        free(z);
        free(e);
    }
    free(common);
}

static mucmm_status fit_auto(mucmm_ctx *ctx, int64_t n, int64_t p, float *const *x,
                             const mucmm_fit_params *params, mucmm_model **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *data[2] = {NULL, NULL};

    TRY(mucmm_data_wrap(ctx, &(mucmm_cmat){x[0], n, p, p}, "left", NULL, 0, &data[0]));
    TRY(mucmm_data_wrap(ctx, &(mucmm_cmat){x[1], n, p, p}, "right", NULL, 0, &data[1]));
    TRY(mucmm_fit(ctx, (mucmm_view[]){{"left", data[0]}, {"right", data[1]}}, 2, params, out));
done:
    mucmm_data_free(data[0]);
    mucmm_data_free(data[1]);
    return status;
}

static mucmm_fit_params auto_params(void)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.common = p.individual = MUCMM_AUTO;
    p.head = MUCMM_HEAD_LINEAR;
    return p;
}

/* Independent views: none in at least 94 of 100 runs. The level is 0.01, so that more than 6 have
 * one in fewer than 1 of 10,000 repetitions of this test. */
static void test_nothing_is_found_where_nothing_is_shared(void **state)
{
    enum { N = 300, P = 5 };
    mucmm_ctx *ctx = new_ctx();
    int none = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        mucmm_fit_params p = auto_params();
        mucmm_model *m = NULL;
        float *x[2];
        planted_views(seed, N, P, 0, 2, 0.5, x);
        p.seed = seed;
        p.validation = 0.2;
        CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
        assert_int_equal(m->dimensions.candidates, P);
        assert_int_equal(mucmm_model_common(m),
                         m->dimensions.common > 0 ? m->dimensions.common : 1);
        none += m->dimensions.common == 0;
        mucmm_model_free(m);
        free(x[0]);
        free(x[1]);
    }
    assert_in_range(none, 94, 100);
    mucmm_ctx_free(ctx);
}

/* Ten of the hundred runs of experiments/run.sh dimensions. */
static void test_planted_dimensions_are_found(void **state)
{
    enum { N = 5000, P = 20, COMMON = 6, ALONE = 5 };
    mucmm_ctx *ctx = new_ctx();
    int common = 0, individual = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        mucmm_fit_params p = auto_params();
        mucmm_model *m = NULL;
        float *x[2];
        planted_views(seed, N, P, COMMON, ALONE, 0.2, x);
        p.seed = seed;
        CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
        common += mucmm_model_common(m) == COMMON;
        individual += m->dimensions.chosen[0] == ALONE && m->dimensions.chosen[1] == ALONE;
        mucmm_model_free(m);
        free(x[0]);
        free(x[1]);
    }
    assert_in_range(common, 9, 10);
    assert_in_range(individual, 8, 10);
    mucmm_ctx_free(ctx);
}

/* Trained heads too; only one of the numbers found; more columns than rows; refusals. */
static void test_automatic_dimensions_of_other_fits(void **state)
{
    enum { N = 400, P = 8, WIDE = 500 };
    mucmm_ctx *ctx = new_ctx();
    mucmm_fit_params p = auto_params();
    mucmm_model *m = NULL;
    float *x[2], *wide[2];

    (void)state;
    planted_views(1, N, P, 2, 2, 0.1, x);
    p.head = MUCMM_HEAD_MLP;
    p.n_hidden = 1;
    p.hidden[0] = 8;
    p.common_epochs = p.individual_epochs = 1;
    CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
    assert_int_equal(mucmm_model_common(m), m->dimensions.common);
    assert_non_null(strstr(mucmm_model_json(m), "\"common\": \"auto\""));
    mucmm_model_free(m);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 2;
    CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
    assert_int_equal(mucmm_model_common(m), 2);
    assert_int_equal(m->dimensions.candidates, 0);
    assert_int_equal(mucmm_model_individual(m, 0), 2);
    mucmm_model_free(m);
    p.common = P; /* nothing is left for an individual part */
    CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
    assert_int_equal(mucmm_model_individual(m, 0), 0);
    mucmm_model_free(m);
    p.common = MUCMM_AUTO;
    p.individual = P - 1;
    CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
    assert_int_equal(m->dimensions.candidates, 1);
    mucmm_model_free(m);
    p.individual = 0;
    p.validation = 0.01;
    m = NULL;
    assert_int_equal(fit_auto(ctx, N, P, x, &p, &m), MUCMM_ESHAPE);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "4 choosing rows are too few"));
    p.individual = MUCMM_AUTO;
    p.common = 2;
    assert_int_equal(fit_auto(ctx, N, P, x, &p, &m), MUCMM_ESHAPE);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "4 choosing rows are too few"));
    p = auto_params();
    p.head = MUCMM_HEAD_MLP;
    p.batch = 10;
    assert_int_equal(fit_auto(ctx, N, P, x, &p, &m), MUCMM_ESHAPE);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "2 views of 1 common dimensions"));
    planted_views(2, 120, WIDE, 2, 2, 0.02, wide);
    p = auto_params();
    p.validation = 0.3;
    CHECK_OK(ctx, fit_auto(ctx, 120, WIDE, wide, &p, &m));
    assert_true(mucmm_model_common(m) >= 1 && mucmm_model_individual(m, 0) >= 1);
    mucmm_model_free(m);
    for (int v = 0; v < 2; v++) {
        free(x[v]);
        free(wide[v]);
    }
    mucmm_ctx_free(ctx);
}

/* Both views know a sign by the product of two columns alone: the closed form sees nothing. */
static void signs_of_products(uint64_t seed, int64_t n, int64_t p, float *x[2])
{
    for (int v = 0; v < 2; v++) {
        uint64_t key = mucmm__rng_key(seed, 10 + (uint64_t)v);
        uint64_t signs = mucmm__rng_key(seed, 20 + (uint64_t)v), shared = mucmm__rng_key(seed, 9);
        x[v] = test_floats(n * p);
        for (int64_t i = 0; i < n * p; i++)
            x[v][i] = (float)mucmm__rng_normal(key, (uint64_t)i);
        for (int64_t i = 0; i < n; i++) {
            float a = mucmm__rng_uniform(signs, (uint64_t)i) < .5 ? 1 : -1;
            float s = mucmm__rng_uniform(shared, (uint64_t)i) < .5 ? 1 : -1;
            x[v][i * p] = a + .2f * x[v][i * p];
            x[v][i * p + 1] = a * s + .2f * x[v][i * p + 1];
        }
    }
}

static void test_trained_heads_find_what_is_not_linear(void **state)
{
    enum { N = 1500, P = 4 };
    mucmm_ctx *ctx = new_ctx();
    mucmm_fit_params p = auto_params();
    mucmm_model *m = NULL;
    float *x[2];

    (void)state;
    signs_of_products(3, N, P, x);
    p.individual = 0;
    CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
    assert_int_equal(m->dimensions.common, 0);
    assert_int_equal(m->dimensions.trained_candidates, 0);
    mucmm_model_free(m);
    for (int head = MUCMM_HEAD_MLP; head <= MUCMM_HEAD_AUTO; head++) {
        const mucmm_summary *s;
        p.head = (mucmm_head_kind)head;
        p.n_hidden = 1;
        p.hidden[0] = 24;
        CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
        s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
        assert_int_equal(m->dimensions.trained, m->dimensions.common);
        assert_true(m->dimensions.common >= 1 && m->dimensions.trained_candidates == P);
        assert_int_equal(mucmm_model_common(m), m->dimensions.common);
        assert_true(s->correlations[0] > .6 && s->p_values[0] <= .01);
        assert_int_equal(mucmm_model_about(m)->common_kept, MUCMM_KEPT_TRAINED);
        mucmm_model_free(m);
    }
    free(x[0]);
    free(x[1]);
    mucmm_ctx_free(ctx);
}

/* Held-out rows decide nothing: of independent views they show something as often as they may,
 * although heads, epochs, ridge and k were chosen. Where they show nothing there is no share. */
static void test_held_out_rows_testify_alone(void **state)
{
    enum { N = 300, P = 5, RUNS = 80 };
    mucmm_ctx *ctx = new_ctx();
    int found[3] = {0};

    (void)state;
    for (int i = 0; i < RUNS; i++) {
        int head = i % 4 == 3 ? 1 + i / 4 % 2 : 0; /* of four three are linear */
        mucmm_fit_params p = auto_params();
        const mucmm_summary *s;
        mucmm_model *m = NULL;
        float *x[2];
        planted_views(500 + (uint64_t)i, N, P, 0, 2, 0.5, x);
        p.seed = 1 + (uint64_t)i;
        p.head = (mucmm_head_kind)head;
        p.individual = 1;
        p.common = i % 2 ? MUCMM_AUTO : 2;
        p.n_hidden = 1;
        p.hidden[0] = 8;
        p.validation = .15;
        CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
        s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
        found[head] += s->significant > 0;
        for (int v = 0; v < 2; v++) {
            assert_true(isnan(s->shared_share[v]) == (s->significant == 0));
            assert_true(isnan(s->redundancy[v]) == (s->significant == 0));
        }
        mucmm_model_free(m);
        free(x[0]);
        free(x[1]);
    }
    print_message("null data: %d, %d, %d of 80 runs\n", found[0], found[1], found[2]);
    assert_true(found[0] + found[1] + found[2] <= 10); /* 4 are expected */
    mucmm_ctx_free(ctx);
}

/* What the significant variates explain, and what those of the other view do, agree with the
 * formulas: for two views and one component the latter is about rho^2 of the former. */
static void test_shares_are_of_what_is_significant(void **state)
{
    enum { N = 4000, P = 6 };
    mucmm_ctx *ctx = new_ctx();
    mucmm_fit_params p = auto_params();
    const mucmm_summary *s;
    mucmm_model *m = NULL;
    float *x[2];

    (void)state;
    planted_views(8, N, P, 1, 2, 0.5, x);
    p.common = 4; /* three of them are noise */
    p.individual = 1;
    p.validation = .4;
    CHECK_OK(ctx, fit_auto(ctx, N, P, x, &p, &m));
    s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
    assert_int_equal(s->significant, 1);
    for (int v = 0; v < 2; v++) {
        double rho = s->correlations[0];
        assert_true(s->shared_share[v] > 0 && s->shared_share[v] < s->common_share[v]);
        CHECK_CLOSE(s->redundancy[v], rho * rho * s->shared_share[v], .02);
    }
    mucmm_model_free(m);
    free(x[0]);
    free(x[1]);
    mucmm_ctx_free(ctx);
}

static void test_automatic_dimensions_of_three_views(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    problem q = new_problem(ctx, 3, 1000, false, 7);
    mucmm_fit_params p = auto_params();
    mucmm_model *m = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm_fit(ctx, q.view, 3, &p, &m));
    assert_int_equal(m->dimensions.common, SHARED);
    assert_int_equal(m->dimensions.candidates, 8); /* the second largest number of columns */
    for (int32_t v = 0; v < 3;
         v++) /* each view its own: what it has alone, and the noise of what is shared */
        assert_true(mucmm_model_individual(m, v) >= PRIVATE &&
                    mucmm_model_individual(m, v) <= LATENTS);
    mucmm_model_free(m);
    drop_problem(&q);
    mucmm_ctx_free(ctx);
}

/* ---- beyond linear heads ----------------------------------------------------------- */

/* Two views [n, 5] of noise; depends: an angle's cosine and sine in the first, those of twice the
 * angle in the second. */
static void angle_views(uint64_t seed, int64_t n, bool depends, float *x[2])
{
    const double turn = 2 * acos(-1);

    for (uint64_t v = 0; v < 2; v++) {
        x[v] = test_floats(n * 5);
        for (int64_t i = 0; i < n; i++) {
            double angle = turn * mucmm__rng_uniform(mucmm__rng_key(seed, 7), (uint64_t)i);
            for (int64_t j = 0; j < 5; j++)
                x[v][i * 5 + j] =
                    (float)mucmm__rng_normal(mucmm__rng_key(seed, v), (uint64_t)(i * 5 + j));
            if (depends) {
                x[v][i * 5] = (float)(1.4 * cos((double)(v + 1) * angle)) + .2F * x[v][i * 5];
                x[v][i * 5 + 1] =
                    (float)(1.4 * sin((double)(v + 1) * angle)) + .2F * x[v][i * 5 + 1];
            }
        }
    }
}

/* The model's p of what linear heads cannot show; by: groups of so many rows, 0 for none. */
static double beyond_linear(mucmm_ctx *ctx, uint64_t seed, int64_t n, bool depends, int64_t by)
{
    mucmm_fit_params p = auto_params();
    mucmm_model *m = NULL;
    int64_t *groups = calloc((size_t)n, sizeof *groups);
    float *x[2];
    double found;

    assert_non_null(groups);
    p.common = 1;
    p.individual = 0;
    p.seed = seed;
    for (int64_t i = 0; by > 0 && i < n; i++)
        groups[i] = i / by;
    p.groups = by > 0 ? groups : NULL;
    angle_views(seed, n, depends, x);
    CHECK_OK(ctx, fit_auto(ctx, n, 5, x, &p, &m));
    found = m->beyond_linear_p;
    assert_true((strstr(m->json, "beyond_linear_p") != NULL) == !isnan(found));
    mucmm_model_free(m);
    free(groups);
    free(x[0]);
    free(x[1]);
    return found;
}

/* Of 60 independent pairs at most 8 warnings: more in fewer than 1 of 200 repetitions. */
static void test_what_linear_heads_cannot_show(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int warned = 0, tested = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        double p = beyond_linear(ctx, seed, 600, false, 0);
        tested += p > 0;
        warned += p <= MUCMM_SIGNIFICANT;
    }
    assert_in_range(tested, 48, 60); /* the others had a significant component */
    assert_in_range(warned, 0, 8);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        assert_true(beyond_linear(ctx, 100 + seed, 3000, true, 0) <= .01);
        assert_true(beyond_linear(ctx, 100 + seed, 3000, true, 10) <= .05);
    }
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_linear_heads_cannot_show),
        cmocka_unit_test(test_chance_is_the_mean_over_all_pairings),
        cmocka_unit_test(test_error_rate_under_the_null),
        cmocka_unit_test(test_what_is_planted_is_found),
        cmocka_unit_test(test_large_families_make_fewer_permutations),
        cmocka_unit_test(test_error_rate_of_pairs_under_the_null),
        cmocka_unit_test(test_leakage_sees_relations_of_every_moment),
        cmocka_unit_test(test_error_rate_of_the_leakage_under_the_null),
        cmocka_unit_test(test_leakage_of_many_variates),
        cmocka_unit_test(test_leakage_of_a_summary),
        cmocka_unit_test(test_nothing_is_found_where_nothing_is_shared),
        cmocka_unit_test(test_planted_dimensions_are_found),
        cmocka_unit_test(test_automatic_dimensions_of_other_fits),
        cmocka_unit_test(test_automatic_dimensions_of_three_views),
        cmocka_unit_test(test_trained_heads_find_what_is_not_linear),
        cmocka_unit_test(test_held_out_rows_testify_alone),
        cmocka_unit_test(test_shares_are_of_what_is_significant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
