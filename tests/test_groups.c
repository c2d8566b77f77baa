/* SPDX-License-Identifier: MIT
 *
 * Rows that come in groups: which are exchanged, error rate and power of the tests on them.
 */
#include "correlate_case.h"

#include "model/summary.h"

/* Sizes of groups: alike, each of its own, and in between. */
typedef enum shape { ALIKE, MANY_SMALL, UNEQUAL, FEW, SHAPES } shape;

static int64_t group_rows(shape s, uint64_t key, int64_t g)
{
    double u = mucmm__rng_uniform(key, (uint64_t)g);

    return s == ALIKE ? 20 : s == MANY_SMALL ? 5 : s == UNEQUAL ? 3 + (int64_t)(25 * u * u) : 12;
}

/* Groups with scattered numbers; rows of each are apart where the groups are many. */
static int64_t *draw_groups(shape s, uint64_t key, int64_t *n)
{
    const int64_t count[SHAPES] = {30, 60, 40, 6};
    int64_t *group;

    *n = 0;
    for (int64_t g = 0; g < count[s]; g++)
        *n += group_rows(s, key, g);
    group = must_alloc(*n, sizeof *group);
    for (int64_t g = 0, at = 0; g < count[s]; g++)
        for (int64_t i = 0; i < group_rows(s, key, g); i++)
            group[at++] = 1000 - 7 * g;
    for (int64_t i = 0; i < *n && s == MANY_SMALL; i++) /* interleaved */
        group[i] = i % count[s];
    return group;
}

/* [n, k]: half the variance of a column is the group's; `shared` of that comes from the latent. */
static mucmm__block grouped_block(uint64_t key, uint64_t latent, double shared,
                                  const int64_t *group, int64_t n, int64_t k)
{
    mucmm__block b = random_block(key, n, k);

    for (int64_t i = 0; i < n * k; i++) {
        uint64_t of = (uint64_t)(group[i / k] * 64 + i % k);
        b.data[i] += sqrt(1 - shared) * mucmm__rng_normal(mucmm__rng_key(key, 5), of) +
                     sqrt(shared) * mucmm__rng_normal(latent, of);
    }
    return b;
}

static double least(int64_t n, const double *p)
{
    double x = 1;

    for (int64_t i = 0; i < n; i++)
        x = fmin(x, p[i]);
    return x;
}

/* ---- orders ------------------------------------------------------------------------ */

static void test_groups_stay_together_in_orders_and_cuts(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        int64_t n, count = 0, *group = draw_groups((shape)s, 4, &n);
        int64_t *order = must_alloc(n, sizeof *order), *seen = must_alloc(n, sizeof *seen);
        CHECK_OK(ctx, mucmm__group_order(ctx, group, n, 3, order));
        for (int64_t i = 0; i < n; i++) {
            seen[order[i]]++;
            count += i == 0 || group[order[i]] != group[order[i - 1]];
            if (i > 0 && group[order[i]] == group[order[i - 1]])
                assert_true(order[i] > order[i - 1]);
        }
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(seen[i], 1);
        CHECK_OK(ctx, mucmm__group_count(ctx, group, n, &n));
        assert_int_equal(n, count);
        for (int64_t at = 0; at <= n; at++) {
            int64_t cut = mucmm__group_cut(group, order, 0, n, at);
            assert_true(cut == 0 || cut == n || group[order[cut]] != group[order[cut - 1]]);
            assert_true(cut - at <= 14 && at - cut <= 14);
        }
        free(group);
        free(order);
        free(seen);
    }
    mucmm_ctx_free(ctx);
}

/* ---- what is exchanged ------------------------------------------------------------- */

/* A draw takes every tested row once, a group's rows to one group's places in their order, and
 * every group of a class may come anywhere in it. */
static void test_a_draw_exchanges_whole_groups_of_a_class(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        int64_t n, moved = 0, *group = draw_groups((shape)s, 4, &n);
        int64_t *perm = must_alloc(n, sizeof *perm);
        mucmm__exchange *e;
        CHECK_OK(ctx, mucmm__exchange_create(ctx, group, n, 9, &e));
        assert_true(mucmm__exchange_enough(e));
        assert_true(s == UNEQUAL ? e->n < n && e->n > 8 * n / 10 : e->n == n);
        for (uint64_t draw = 0; draw < 20; draw++) {
            mucmm__exchange_draw(e, draw, perm, e->n);
            for (int64_t c = 0; c < e->n_classes; c++)
                for (int64_t b = e->class_at[c]; b < e->class_at[c + 1]; b++) {
                    int64_t begin = e->begin[b], from = perm[begin];
                    for (int64_t i = 0; i < e->size[c]; i++) {
                        assert_int_equal(perm[begin + i], from + i);
                        assert_int_equal(group[e->row[from + i]], group[e->row[from]]);
                        assert_true(i == 0 || e->row[from + i] > e->row[from + i - 1]);
                    }
                    moved += from != begin;
                }
        }
        assert_true(moved > 20 * e->n_blocks / 2);
        mucmm__exchange_free(e);
        free(group);
        free(perm);
    }
    mucmm_ctx_free(ctx);
}

static void test_too_few_groups_have_no_test(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    const int64_t group[12] = {4, 4, 4, 4, 9, 9, 9, 9, 1, 1, 1, 1};
    mucmm__block c[2] = {random_block(1, 12, 2), random_block(2, 12, 2)};
    double r[2], want[2], p[2] = {0}, null[2] = {0};
    char note[MUCMM__EXCHANGE_NOTE];
    mucmm__exchange *e;

    (void)state;
    CHECK_OK(ctx, mucmm__exchange_create(ctx, group, 12, 9, &e));
    assert_false(mucmm__exchange_enough(e));
    assert_int_equal(e->n, 12);
    assert_non_null(strstr(mucmm__exchange_note(e, note), "3 groups"));
    assert_non_null(strstr(note, "in 6 ways"));
    CHECK_OK(ctx, mucmm__exchange_test(ctx, e, 2, c, 99, 1, r, p, null));
    CHECK_OK(ctx, mucmm__permutation_test(ctx, 2, c, 0, 1, want, NULL, NULL));
    for (int j = 0; j < 2; j++) {
        assert_true(isnan(p[j]) && isnan(null[j]));
        assert_true(r[j] == want[j]);
    }
    mucmm__exchange_free(e);
    CHECK_OK(ctx, mucmm__exchange_create(ctx, NULL, 12, 9, &e));
    assert_null(e);
    assert_true(mucmm__exchange_enough(e));
    free(c[0].data);
    free(c[1].data);
    mucmm_ctx_free(ctx);
}

/* ---- error rate and power ---------------------------------------------------------- */

/* Runs of 100 that call any of 3 components significant at 0.05. Exchanged freely, rows that are
 * alike within groups pass for more evidence than they are. */
static int rejections(mucmm_ctx *ctx, shape s, int32_t n_views, double shared, bool grouped)
{
    int rejected = 0;

    for (uint64_t t = 0; t < 100; t++) {
        uint64_t key = mucmm__rng_key(60 + s, t);
        int64_t n, *group = draw_groups(s, key, &n);
        mucmm__block c[3];
        mucmm__exchange *e;
        double r[3], p[3];
        for (int32_t m = 0; m < n_views; m++)
            c[m] = grouped_block(mucmm__rng_key(key, (uint64_t)m + 1), key, shared, group, n, 3);
        CHECK_OK(ctx, mucmm__exchange_create(ctx, grouped ? group : NULL, n, t, &e));
        CHECK_OK(ctx, mucmm__exchange_test(ctx, e, n_views, c, 199, t, r, p, NULL));
        rejected += least(3, p) <= 0.05;
        for (int32_t m = 0; m < n_views; m++)
            free(c[m].data);
        mucmm__exchange_free(e);
        free(group);
    }
    return rejected;
}

static void test_error_rate_and_power_of_correlations(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        assert_in_range(rejections(ctx, (shape)s, 2, 0, true), 0, 12);
        if (s != MANY_SMALL)
            assert_true(rejections(ctx, (shape)s, 2, 0, false) > 20);
    }
    assert_in_range(rejections(ctx, UNEQUAL, 3, 0, true), 0, 12);
    for (int s = 0; s < FEW; s++)
        assert_true(rejections(ctx, (shape)s, 2, 0.5, true) > 85);
    mucmm_ctx_free(ctx);
}

/* The same of leakage, linear, kernel and between views, in 40 runs. */
static int leaks(mucmm_ctx *ctx, shape s, double shared)
{
    int rejected = 0;

    for (uint64_t t = 0; t < 40; t++) {
        uint64_t key = mucmm__rng_key(80 + s, t);
        int64_t n, *group = draw_groups(s, key, &n);
        mucmm__block c[2], u[2];
        mucmm__exchange *e;
        mucmm_summary *sum = NULL;
        for (uint64_t m = 0; m < 2; m++) {
            c[m] = grouped_block(mucmm__rng_key(key, m + 1), key, shared, group, n, 1);
            u[m] = grouped_block(mucmm__rng_key(key, m + 3), key, shared, group, n, 1);
        }
        CHECK_OK(ctx, mucmm__summary_create(ctx, 1, 2, &sum));
        sum->rows = n;
        CHECK_OK(ctx, mucmm__exchange_create(ctx, group, n, t, &e));
        CHECK_OK(ctx, mucmm__leakage(ctx, 2, c, u, e, 99, t, sum));
        rejected += fmin(least(2, sum->leakage_linear_p), least(2, sum->leakage_kernel_p)) <= 0.05;
        if (shared == 0) /* the mean over exchanges: more than of as many rows that are free */
            assert_true(sum->leakage_linear_chance[0] > 2.0 / (double)(n - 1));
        for (int m = 0; m < 2; m++) {
            free(c[m].data);
            free(u[m].data);
        }
        mucmm__summary_free(sum);
        mucmm__exchange_free(e);
        free(group);
    }
    return rejected;
}

static void test_error_rate_and_power_of_leakage(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int s = 0; s < FEW; s++) {
        assert_in_range(leaks(ctx, (shape)s, 0), 0, 6);
        assert_true(leaks(ctx, (shape)s, 0.7) > 36);
    }
    mucmm_ctx_free(ctx);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_stay_together_in_orders_and_cuts),
        cmocka_unit_test(test_a_draw_exchanges_whole_groups_of_a_class),
        cmocka_unit_test(test_too_few_groups_have_no_test),
        cmocka_unit_test(test_error_rate_and_power_of_correlations),
        cmocka_unit_test(test_error_rate_and_power_of_leakage),
    };
    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
