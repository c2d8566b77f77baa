/* SPDX-License-Identifier: MIT
 *
 * Context, messages, allocation, random numbers, parallel loops. */
#include "harness.h"

/* Numbers published with the generators of the method's experiments: seed 1, stream 0. */
static void test_random_numbers_match_their_definition(void **state)
{
    uint64_t key = mucmm__rng_key(1, 0);
    const double uniform[] = {.652448486374, .701212109522, .387124140976};
    const double normal[] = {-.278874922586, -.764222862019, .418925644868};

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        CHECK_CLOSE(mucmm__rng_uniform(key, i), uniform[i], 1e-12);
        CHECK_CLOSE(mucmm__rng_normal(key, i), normal[i], 1e-12);
    }
}

static void test_permutation_holds_every_number_once(void **state)
{
    int64_t perm[1000], seen[1000] = {0}, moved = 0;

    (void)state;
    mucmm__rng_permutation(mucmm__rng_key(7, 1), perm, 1000);
    for (int64_t i = 0; i < 1000; i++) {
        assert_in_range(perm[i], 0, 999);
        seen[perm[i]]++;
        moved += perm[i] != i;
    }
    for (int64_t i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    assert_true(moved > 950);
}

static void test_alloc_is_zeroed_aligned_and_limited(void **state)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;
    double *x = NULL;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.max_alloc = 4096;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    CHECK_OK(ctx, mucmm__alloc(ctx, 512, sizeof *x, &x));
    assert_int_equal((uintptr_t)x % 64, 0);
    for (int i = 0; i < 512; i++)
        assert_true(x[i] == 0);
    mucmm__free(x);
    assert_int_equal(mucmm__alloc(ctx, 513, sizeof *x, &x), MUCMM_ENOMEM);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "exceed the limit of 4096 bytes"));
    assert_int_equal(mucmm__alloc(ctx, INT64_MAX, sizeof *x, &x), MUCMM_ENOMEM);
    assert_int_equal(mucmm__alloc(ctx, -1, sizeof *x, &x), MUCMM_ENOMEM);
    mucmm_ctx_free(ctx);
}

static void test_a_block_outlives_its_context(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    char *copy = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm__strdup(ctx, "kept", &copy));
    mucmm_ctx_free(ctx);
    assert_string_equal(copy, "kept");
    mucmm__free(copy);
}

static void test_realloc_keeps_and_zeroes(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int *x = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm__realloc(ctx, 0, 2, sizeof *x, &x));
    x[0] = 5;
    x[1] = 6;
    CHECK_OK(ctx, mucmm__realloc(ctx, 2, 4, sizeof *x, &x));
    assert_int_equal(x[0] + x[1], 11);
    assert_int_equal(x[2] + x[3], 0);
    mucmm__free(x);
    mucmm_ctx_free(ctx);
}

static void test_messages_keep_what_they_are_prefixed_with(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    assert_string_equal(mucmm_ctx_message(ctx), "");
    mucmm__fail(ctx, MUCMM_ESHAPE, "%d rows", 3);
    assert_int_equal(mucmm__prefix(ctx, MUCMM_ESHAPE, "%s", "a.npy"), MUCMM_ESHAPE);
    assert_string_equal(mucmm_ctx_message(ctx), "a.npy: 3 rows");
    assert_string_equal(mucmm_status_text(MUCMM_ESHAPE), "shapes do not conform");
    assert_string_equal(mucmm_status_text((mucmm_status)999), "unknown status");
    mucmm_ctx_free(ctx);
}

static void mark(void *arg, int64_t i)
{
    ((int *)arg)[i]++;
}

static void mark_range(void *arg, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++)
        ((int *)arg)[i]++;
}

static void test_parallel_loops_visit_everything_once(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int seen[1001] = {0};

    (void)state;
    mucmm__parallel(ctx, 1001, mark, seen);
    mucmm__parallel_range(ctx, 1001, 64, mark_range, seen);
    mucmm__parallel_range(ctx, 0, 64, mark_range, seen);
    for (int i = 0; i < 1001; i++)
        assert_int_equal(seen[i], 2);
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_numbers_match_their_definition),
        cmocka_unit_test(test_permutation_holds_every_number_once),
        cmocka_unit_test(test_alloc_is_zeroed_aligned_and_limited),
        cmocka_unit_test(test_a_block_outlives_its_context),
        cmocka_unit_test(test_realloc_keeps_and_zeroes),
        cmocka_unit_test(test_messages_keep_what_they_are_prefixed_with),
        cmocka_unit_test(test_parallel_loops_visit_everything_once),
    };
    return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
