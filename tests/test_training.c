/* SPDX-License-Identifier: MIT
 *
 * Training: the same bytes again, the loop of epochs, noise and losses. */
#include "model/train.h"
#include "workspace.h"

/* ---- the same bytes ---------------------------------------------------------------- */

static bytes fitted_bytes(mucmm_ctx *c, const problem *q, const mucmm_fit_params *p)
{
    mucmm_model *m = fit(c, q, p);
    bytes b = saved(m);

    mucmm_model_free(m);
    return b;
}

static void check_same_head(const mucmm__head *a, const mucmm__head *b)
{
    assert_int_equal(a->net.n_params, b->net.n_params);
    assert_memory_equal(a->params, b->params, (size_t)a->net.n_params * sizeof(float));
    assert_memory_equal(a->offset, b->offset, (size_t)a->net.out * sizeof(float));
}

/* Everything that is fitted comes from double products, which do not depend on the threads; the
 * summaries come from float ones, which on some processors do, in the last digits. */
static void check_same_linear(const mucmm_model *a, const mucmm_model *b)
{
    CHECK_CLOSE(a->ridge, b->ridge, 0);
    assert_memory_equal(a->linear.rho, b->linear.rho, (size_t)a->k * sizeof(double));
    for (int32_t v = 0; v < a->n_views; v++) {
        const mucmm__view_info *x = &a->view[v], *y = &b->view[v];
        size_t p = (size_t)x->p;
        assert_memory_equal(x->mean, y->mean, p * sizeof(double));
        assert_memory_equal(x->scale, y->scale, p * sizeof(double));
        assert_memory_equal(x->covariance, y->covariance, p * p * sizeof(float));
        check_same_head(&a->linear.view[v].common, &b->linear.view[v].common);
        check_same_head(&a->linear.view[v].individual, &b->linear.view[v].individual);
    }
    for (int r = 0; r < 2; r++)
        for (int64_t j = 0; j < a->k; j++)
            CHECK_CLOSE(a->linear.summary[r]->correlations[j],
                        b->linear.summary[r]->correlations[j], 1e-6);
}

static void test_linear_is_the_same_for_any_threads(void **state)
{
    problem q = new_problem(ctx, 3, 1500, false, 23);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *one = fit(ctx, &q, &p);

    (void)state;
    for (int32_t threads = 2; threads <= 3; threads++) {
        mucmm_ctx *c = threaded_ctx(threads);
        mucmm_model *other = fit(c, &q, &p);
        check_same_linear(one, other);
        mucmm_model_free(other);
        mucmm_ctx_free(c);
    }
    mucmm_model_free(one);
    drop_problem(&q);
}

static void test_mlp_has_the_same_bytes_again(void **state)
{
    problem q = new_problem(ctx, 2, 300, true, 24);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        mucmm_ctx *c = threaded_ctx(threads);
        bytes one = fitted_bytes(c, &q, &p), two = fitted_bytes(c, &q, &p), other;
        check_same_bytes(&one, &two);
        p.seed++;
        other = fitted_bytes(c, &q, &p);
        p.seed--;
        assert_true(other.size != one.size || memcmp(other.data, one.data, one.size) != 0);
        free(one.data);
        free(two.data);
        free(other.data);
        mucmm_ctx_free(c);
    }
    drop_problem(&q);
}

/* ---- the loop of training ---------------------------------------------------------- */

#define TOY_ROWS 7
#define TOY_EPOCHS 4

typedef struct toy {
    double values[TOY_EPOCHS + 1]; /* of the evaluations, in order */
    int64_t evaluations, steps;
    int64_t order[TOY_EPOCHS][TOY_ROWS];
    double bad_loss;
} toy;

static mucmm_status toy_step(mucmm__fit *f, mucmm__trainer *t, void *arg, const int64_t *rows,
                             double *loss)
{
    toy *w = arg;

    assert_int_equal(t->step, w->steps);
    memcpy(w->order[w->steps / 2] + w->steps % 2 * f->batch, rows, (size_t)f->batch * sizeof *rows);
    w->steps++;
    t->grads[0] = -1;
    *loss = w->steps == 3 ? w->bad_loss : (double)w->steps;
    return MUCMM_OK;
}

static mucmm_status toy_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    toy *w = arg;

    (void)f;
    t->stats[0] = (float)w->evaluations;
    *value = w->values[w->evaluations++];
    return MUCMM_OK;
}

static mucmm_status run_toy(toy *w, mucmm__trainer *trained, mucmm_model *m)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm__fit f = {.ctx = ctx, .p = &p, .model = m, .n_train = TOY_ROWS, .batch = 3};
    mucmm__problem loop = {"toy", TOY_EPOCHS, toy_step, toy_evaluate, w, 1, 0, 0};
    mucmm_status status;

    CHECK_OK(ctx, mucmm__trainer_create(ctx, 1, 1, &f.stage[1]));
    status = mucmm__train(&f, 1, &loop);
    *trained = f.stage[1];
    return status;
}

static void test_training_keeps_the_best_epoch(void **state)
{
    for (int64_t best = 0; best <= TOY_EPOCHS; best++) {
        toy w = {.values = {-3, -3, -3, -3, -3}, .bad_loss = 3};
        mucmm_model m = {0};
        mucmm__trainer t;

        (void)state;
        w.values[best] = -2;
        CHECK_OK(ctx, run_toy(&w, &t, &m));
        assert_int_equal(w.steps, TOY_EPOCHS * (TOY_ROWS / 3));
        assert_int_equal(t.epoch, TOY_EPOCHS);
        CHECK_CLOSE(t.best, -2, 0);
        CHECK_CLOSE(t.best_stats[0], (double)best, 0);
        assert_true(best == 0 ? t.best_params[0] == 0 : t.best_params[0] > 0);
        assert_true(best == TOY_EPOCHS ? t.best_params[0] == t.params[0]
                                       : t.best_params[0] < t.params[0]);
        assert_int_equal(m.n_history, TOY_EPOCHS + 1);
        for (int64_t e = 0; e <= TOY_EPOCHS; e++) {
            assert_true(m.history[e].stage == 1 && m.history[e].epoch == e);
            CHECK_CLOSE(m.history[e].held_out, w.values[e], 0);
            if (e > 0) /* steps 2e - 1 and 2e */
                CHECK_CLOSE(m.history[e].loss, 2 * (double)e - .5, 1e-12);
        }
        mucmm__trainer_drop(&t);
        mucmm__free(m.history);
    }
}

/* Every epoch goes once through rows that differ, in another order. */
static void test_training_takes_rows_in_another_order_each_epoch(void **state)
{
    toy w = {.values = {0}, .bad_loss = 3};
    mucmm_model m = {0};
    mucmm__trainer t;

    (void)state;
    CHECK_OK(ctx, run_toy(&w, &t, &m));
    for (int e = 0; e < TOY_EPOCHS; e++) {
        bool seen[TOY_ROWS] = {false};
        for (int i = 0; i < 6; i++) { /* two batches of 3: one row is left out */
            assert_true(w.order[e][i] >= 0 && w.order[e][i] < TOY_ROWS);
            assert_false(seen[w.order[e][i]]);
            seen[w.order[e][i]] = true;
        }
        assert_true(e == 0 || memcmp(w.order[e], w.order[e - 1], 6 * sizeof w.order[0][0]) != 0);
    }
    mucmm__trainer_drop(&t);
    mucmm__free(m.history);
}

static void test_training_stops_when_the_loss_is_not_finite(void **state)
{
    toy w = {.values = {0}, .bad_loss = NAN}, v = {.values = {0, 0, INFINITY}, .bad_loss = 3};
    mucmm_model m = {0};
    mucmm__trainer t;

    (void)state;
    check_message(ctx, run_toy(&w, &t, &m), MUCMM_ENUMERIC,
                  "toy: the loss is no longer finite in epoch 2; give a smaller");
    mucmm__trainer_drop(&t);
    check_message(ctx, run_toy(&v, &t, &m), MUCMM_ENUMERIC, "finite in epoch 2");
    mucmm__trainer_drop(&t);
    mucmm__free(m.history);
}

static void test_input_noise_is_added_in_every_stage(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 42);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *with, *without;

    (void)state;
    p.input_noise = .3;
    with = fit(ctx, &q, &p);
    p.input_noise = 0;
    without = fit(ctx, &q, &p);
    assert_int_equal(with->n_history, without->n_history);
    for (int64_t i = 0; i < with->n_history; i++) {
        const mucmm_epoch *a = &with->history[i], *b = &without->history[i];
        /* the transport has noise of its own, on c; the individual heads begin as zero */
        bool first = a->stage == MUCMM__STAGE_INDIVIDUAL && a->epoch == 1;
        assert_int_equal(a->stage, b->stage);
        assert_true(a->epoch == 0 || a->stage == MUCMM__STAGE_TRANSPORT || first ||
                    a->loss != b->loss);
    }
    mucmm_model_free(with);
    mucmm_model_free(without);
    drop_problem(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_is_the_same_for_any_threads),
        cmocka_unit_test(test_mlp_has_the_same_bytes_again),
        cmocka_unit_test(test_training_keeps_the_best_epoch),
        cmocka_unit_test(test_training_takes_rows_in_another_order_each_epoch),
        cmocka_unit_test(test_training_stops_when_the_loss_is_not_finite),
        cmocka_unit_test(test_input_noise_is_added_in_every_stage),
    };
    return cmocka_run_group_tests_name("training", tests, set_up, tear_down);
}
