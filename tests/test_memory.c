/* SPDX-License-Identifier: MIT
 *
 * Out of memory: every allocation of a call fails once, is reported, and leaves nothing. */
#include "workspace.h"

/* ---- out of memory ----------------------------------------------------------------- */

typedef struct memory_case {
    problem q;
    mucmm_fit_params p;
    mucmm_model *m;
} memory_case;

static mucmm_status call_fit(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    mucmm_model *m = t->m;
    mucmm_status status = mucmm_fit(c, t->q.view, t->q.n_views, &t->p, &m);

    assert_int_equal(m == NULL, status != MUCMM_OK);
    mucmm_model_free(m);
    return status;
}

static mucmm_status call_save(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    mucmm_status status = mucmm_model_save(c, t->m, in_folder("model"));

    assert_int_equal(count_files(), status == MUCMM_OK);
    unlink(in_folder("model"));
    return status;
}

static mucmm_status call_load(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    mucmm_model *m = t->m;
    mucmm_status status = mucmm_model_load(c, in_folder("model"), &m);

    assert_int_equal(m == NULL, status != MUCMM_OK);
    mucmm_model_free(m);
    return status;
}

static mucmm_status call_transform(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    float out[2][64 * 3];

    return mucmm_transform(c, t->m, MUCMM_HEADS, 0, t->q.data[0], &(mucmm_mat){out[0], 64, 2, 2},
                           &(mucmm_mat){out[1], 64, 3, 3});
}

static mucmm_status call_score(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    mucmm_scores *s = (mucmm_scores *)t->m;
    mucmm_score_params p;
    mucmm_status status;

    mucmm_score_params_init(&p);
    p.permutations = 3;
    status = mucmm_score(c, t->m, t->q.view, t->q.n_views, &p, &s);
    assert_int_equal(s == NULL, status != MUCMM_OK);
    mucmm_scores_free(s);
    return status;
}

static void test_every_failed_allocation_is_reported(void **state)
{
    (void)state;
    for (int head = 0; head < 2; head++) {
        memory_case t = {new_problem(ctx, 2, 64, true, 39), small_params((mucmm_head_kind)head),
                         NULL};

        t.p.common = 2;
        t.p.common_epochs = t.p.individual_epochs = 1;
        t.p.batch = 57;
        t.m = fit(ctx, &t.q, &t.p);
        assert_true(sweep_out_of_memory(call_fit, &t, 200) > 100);
        assert_true(sweep_out_of_memory(call_save, &t, 1000) > 3);
        CHECK_OK(ctx, mucmm_model_save(ctx, t.m, in_folder("model")));
        assert_true(sweep_out_of_memory(call_load, &t, 1000) > 30);
        unlink(in_folder("model"));
        assert_true(sweep_out_of_memory(call_transform, &t, 1000) > 2);
        assert_true(sweep_out_of_memory(call_score, &t, 200) > 40);
        mucmm_model_free(t.m);
        drop_problem(&t.q);
    }
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("memory", tests, set_up, tear_down);
}
