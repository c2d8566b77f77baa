/* SPDX-License-Identifier: MIT
 *
 * Readers of a representation: what each can read, and what is refused. */
#include "harness.h"

#include "core/core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRAIN = 5000, TEST = 600, COLS = 3 };

typedef struct planted {
    float x[TRAIN + TEST][COLS];
    int32_t linear[TRAIN + TEST], ring[TRAIN + TEST], none[TRAIN + TEST];
} planted;

/* linear: the largest of two columns and 0; ring: near or far from the origin, which no line tells;
 * none: at random. */
static planted *plant(void)
{
    planted *p = calloc(1, sizeof *p);
    uint64_t key = mucmm__rng_key(7, 0);

    assert_non_null(p);
    for (int64_t i = 0; i < TRAIN + TEST; i++) {
        for (int64_t j = 0; j < COLS; j++)
            p->x[i][j] = (float)mucmm__rng_normal(key, (uint64_t)(i * COLS + j));
        float *x = p->x[i];
        p->linear[i] = x[0] > x[1] ? (x[0] > 0 ? 0 : 2) : (x[1] > 0 ? 1 : 2);
        p->ring[i] = x[0] * x[0] + x[1] * x[1] > 1.386F;
        p->none[i] = mucmm__rng_uniform(mucmm__rng_key(7, 1), (uint64_t)i) > .5;
    }
    return p;
}

static mucmm_probe probe_of(const planted *p, const int32_t *class_of, int32_t classes,
                            int32_t nonlinear)
{
    return (mucmm_probe){.train = {p->x[0], TRAIN, COLS, COLS},
                         .test = {p->x[TRAIN], TEST, COLS, COLS},
                         .train_class = class_of,
                         .test_class = class_of + TRAIN,
                         .classes = classes,
                         .nonlinear = nonlinear};
}

static mucmm_ctx *ctx_of(int32_t threads)
{
    mucmm_ctx_params cp;
    mucmm_ctx *ctx = NULL;

    mucmm_ctx_params_init(&cp);
    cp.threads = threads;
    assert_int_equal(mucmm_ctx_create(&cp, &ctx), MUCMM_OK);
    return ctx;
}

static void run_all(const planted *p, int32_t threads, double accuracy[6])
{
    mucmm_ctx *ctx = ctx_of(threads);
    mucmm_probe list[6];

    for (int32_t n = 0; n < 2; n++) {
        list[3 * n] = probe_of(p, p->linear, 3, n);
        list[3 * n + 1] = probe_of(p, p->ring, 2, n);
        list[3 * n + 2] = probe_of(p, p->none, 2, n);
    }
    assert_int_equal(mucmm_probes_run(ctx, list, 6, 1), MUCMM_OK);
    for (int i = 0; i < 6; i++)
        accuracy[i] = list[i].accuracy;
    mucmm_ctx_free(ctx);
}

static void test_probe_reads_what_it_can(void **state)
{
    planted *p = plant();
    double a[6], again[6];

    (void)state;
    run_all(p, 1, a);
    assert_true(a[0] > .95 && a[3] > .95);
    assert_true(a[1] < .65 && a[4] > .9); /* half of the rows are in the ring */
    assert_true(fabs(a[2] - .5) < .07 && fabs(a[5] - .5) < .07);
    run_all(p, 3, again);
    assert_memory_equal(a, again, sizeof a);
    free(p);
}

static void test_probe_refuses(void **state)
{
    planted *p = plant();
    mucmm_ctx *ctx = ctx_of(1);
    mucmm_probe q = probe_of(p, p->ring, 1, 0);

    (void)state;
    assert_int_equal(mucmm_probes_run(ctx, &q, 1, 1), MUCMM_EARG);
    q.classes = MUCMM_PROBE_CLASSES + 1;
    assert_int_equal(mucmm_probes_run(ctx, &q, 1, 1), MUCMM_EARG);
    q = probe_of(p, p->linear, 2, 1); /* there are three */
    assert_int_equal(mucmm_probes_run(ctx, &q, 1, 1), MUCMM_EARG);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "classes are 0 to 1"));
    q = probe_of(p, p->ring, 2, 1);
    q.test.cols = COLS - 1;
    assert_int_equal(mucmm_probes_run(ctx, &q, 1, 1), MUCMM_ESHAPE);
    q = probe_of(p, p->ring, 2, 1);
    q.test.rows = 0;
    assert_int_equal(mucmm_probes_run(ctx, &q, 1, 1), MUCMM_OK);
    assert_true(isnan(q.accuracy));
    mucmm_ctx_free(ctx);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_reads_what_it_can),
        cmocka_unit_test(test_probe_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
