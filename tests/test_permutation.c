/* SPDX-License-Identifier: MIT
 *
 * The permutation test: its statistic, ties, its error rate, refusals.
 */
#include "correlate_case.h"

/* ---- refusals ---------------------------------------------------------------------- */

static void test_permutation_refusals(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block c[2] = {random_block(1, 20, 3), random_block(2, 20, 2)};
    double r[3], p[3];

    (void)state;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, 10, 1, r, p, NULL), MUCMM_ESHAPE, "20 x 3");
    c[1].cols = 3;
    c[1].rows = c[0].rows = 1;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, 10, 1, r, p, NULL), MUCMM_ESHAPE, "at least 2");
    c[1].rows = c[0].rows = 13;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, -1, 1, r, p, NULL), MUCMM_EARG,
           "-1 permutations");
    c[1].data[4] = NAN;
    expect(ctx, mucmm__permutation_test(ctx, 2, c, 10, 1, r, p, NULL), MUCMM_ENUMERIC,
           "variate 1 of view 1");
    free(c[0].data);
    free(c[1].data);
    mucmm_ctx_free(ctx);
}

/* ---- permutation test -------------------------------------------------------------- */

/* Views of k components; those below `planted` share a latent with correlation rho. */
static void plant(uint64_t key, int32_t n_views, int64_t n, int64_t k, int64_t planted, double rho,
                  mucmm__block *c)
{
    for (int32_t m = 0; m < n_views; m++) {
        c[m] = random_block(mucmm__rng_key(key, (uint64_t)m), n, k);
        for (int64_t i = 0; i < n * k; i++)
            if (i % k < planted)
                c[m].data[i] = sqrt(rho) * mucmm__rng_normal(mucmm__rng_key(key, 50), (uint64_t)i) +
                               sqrt(1 - rho) * c[m].data[i];
    }
}

static void test_permutation_statistic_is_the_mean_correlation(void **state)
{
    enum { K = 11 }; /* more than are summed up together */
    mucmm_ctx *ctx = new_ctx();
    mucmm__block c[3];
    double got[K];

    (void)state;
    plant(7, 3, 60, K, 2, 0.5, c);
    for (int64_t i = 0; i < 60; i++)
        c[2].data[i * K + 9] = 0.1; /* a constant component correlates with nothing */
    CHECK_OK(ctx, mucmm__permutation_test(ctx, 3, c, 0, 1, got, NULL, NULL));
    for (int64_t j = 0; j < K; j++) {
        double want = 0;
        for (int m = 0; m < 3; m++)
            for (int l = m + 1; l < 3; l++) {
                double *a = centered(c + m), *b = centered(c + l), ab = 0, aa = 0, bb = 0;
                for (int64_t i = 0; i < 60; i++) {
                    ab += a[i * K + j] * b[i * K + j];
                    aa += a[i * K + j] * a[i * K + j];
                    bb += b[i * K + j] * b[i * K + j];
                }
                want += j == 9 && l == 2 ? 0 : ab / sqrt(aa * bb) / 3;
                free(a);
                free(b);
            }
        CHECK_CLOSE(got[j], want, 1e-12);
    }
    free_views(3, c);
    mucmm_ctx_free(ctx);
}

static void test_permutation_finds_what_was_planted(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int32_t n_views = 2; n_views <= 4; n_views++) {
        mucmm__block c[4];
        double r[10], p[10], null[10];
        plant(8, n_views, 300, 10, 3, 0.4, c);
        CHECK_OK(ctx, mucmm__permutation_test(ctx, n_views, c, 499, 5, r, p, null));
        for (int64_t j = 0; j < 10; j++) {
            assert_true((r[j] > null[j]) == (p[j] <= 0.05));
            assert_true(null[j] > 0 && null[j] < 0.5);
            if (j < 3)
                CHECK_CLOSE(p[j], 1.0 / 500, 1e-15);
            else
                assert_true(p[j] > 0.05 && p[j] <= 1);
            for (int64_t i = 0; i < 10; i++)
                assert_true(r[i] <= r[j] || p[i] <= p[j]);
        }
        free_views(n_views, c);
    }
    mucmm_ctx_free(ctx);
}

/* Two views that are the same and a third that is independent: only if each is shuffled on its own
 * does a permutation break what they share. */
static void test_permutation_shuffles_each_view_on_its_own(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    mucmm__block c[3];
    double r[2], p[2];

    (void)state;
    plant(9, 3, 100, 2, 0, 0, c);
    memcpy(c[2].data, c[1].data, 200 * sizeof *c[1].data);
    CHECK_OK(ctx, mucmm__permutation_test(ctx, 3, c, 199, 5, r, p, NULL));
    CHECK_CLOSE(p[0], 1.0 / 200, 1e-15);
    CHECK_CLOSE(p[1], 1.0 / 200, 1e-15);
    free_views(3, c);
    mucmm_ctx_free(ctx);
}

/* Four rows in the best order: 1 of 24 permutations restores it and must count. */
static void test_permutation_counts_ties(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    double a[4] = {0.1, 0.7, 1.9, 2.3}, b[4] = {-0.3, 0.2, 0.35, 1.1}, r, p;
    mucmm__block c[2] = {{a, 4, 1}, {b, 4, 1}};

    (void)state;
    CHECK_OK(ctx, mucmm__permutation_test(ctx, 2, c, 2399, 5, &r, &p, NULL));
    CHECK_CLOSE(p, 1.0 / 24, 0.02);
    mucmm_ctx_free(ctx);
}

/* The chance that any of 6 components is called significant at 0.05 is 0.05; p-values of the
 * largest are uniform on k/100. */
static void test_permutation_error_rate_under_the_null(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int rejected = 0, below_half = 0;

    (void)state;
    for (int i = 0; i < 200; i++) {
        mucmm__block c[2];
        double r[6], p[6], least = 1;
        plant(mucmm__rng_key(40, (uint64_t)i), 2, 80, 6, 0, 0, c);
        CHECK_OK(ctx, mucmm__permutation_test(ctx, 2, c, 99, (uint64_t)i, r, p, NULL));
        for (int j = 0; j < 6; j++)
            least = p[j] < least ? p[j] : least;
        rejected += least <= 0.05;
        below_half += least <= 0.5;
        free_views(2, c);
    }
    assert_in_range(rejected, 2, 20);
    assert_in_range(below_half, 80, 120);
    mucmm_ctx_free(ctx);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_permutation_refusals),
        cmocka_unit_test(test_permutation_statistic_is_the_mean_correlation),
        cmocka_unit_test(test_permutation_finds_what_was_planted),
        cmocka_unit_test(test_permutation_shuffles_each_view_on_its_own),
        cmocka_unit_test(test_permutation_counts_ties),
        cmocka_unit_test(test_permutation_error_rate_under_the_null),
    };
    return cmocka_run_group_tests_name("permutation", tests, NULL, NULL);
}
