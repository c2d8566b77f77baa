/* SPDX-License-Identifier: MIT
 *
 * Facts about a model as numbers: the same when it was loaded. */
#include "workspace.h"

static void check_same_facts(const mucmm_model *m, const mucmm_model *l)
{
    const mucmm_dimensions *d = mucmm_model_dimensions(m), *e = mucmm_model_dimensions(l);
    const mucmm_model_facts *a = mucmm_model_about(m), *b = mucmm_model_about(l);

    assert_int_equal(a->ridge_chosen, mucmm_model_params(m)->ridge == MUCMM_RIDGE_CHOSEN);
    assert_int_equal(a->ridge_chosen, b->ridge_chosen);
    int64_t n, n_loaded;
    char text[MUCMM_STAGE_TEXT], note[2][MUCMM_NOTE_SIZE];

    assert_memory_equal(a, b, sizeof *a);
    assert_true(d->candidates == e->candidates && d->common == e->common);
    for (int64_t j = 0; j < d->candidates; j++) {
        CHECK_CLOSE(d->correlations[j], e->correlations[j], 0);
        CHECK_CLOSE(d->p_values[j], e->p_values[j], 0);
    }
    for (int32_t v = 0; v < a->views; v++) {
        assert_int_equal(d->n_errors[v], e->n_errors[v]);
        assert_int_equal(d->chosen[v], e->chosen[v]);
        for (int64_t j = 0; j < d->n_errors[v]; j++)
            CHECK_CLOSE(d->error[v][j], e->error[v][j], 0);
    }
    const mucmm_epoch *h = mucmm_model_history(m, &n), *k = mucmm_model_history(l, &n_loaded);
    assert_int_equal(n, n_loaded);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(h[i].stage, k[i].stage);
        assert_non_null(strstr(mucmm_model_json(l), mucmm_stage_text(h[i].stage, text)));
    }
    assert_int_equal(mucmm_model_params(m)->batch, mucmm_model_params(l)->batch);
    assert_int_equal(mucmm_model_params(m)->common, mucmm_model_params(l)->common);
    assert_null(mucmm_model_params(m)->checkpoint);
    assert_string_equal(mucmm_model_held_out_note(m, note[0], MUCMM_NOTE_SIZE),
                        mucmm_model_held_out_note(l, note[1], MUCMM_NOTE_SIZE));
    assert_string_equal(mucmm_model_closed_form_note(m, "x", note[0], MUCMM_NOTE_SIZE),
                        mucmm_model_closed_form_note(l, "x", note[1], MUCMM_NOTE_SIZE));
}

/* Every choice of the held-out rows of older models and every part, in words; the buffer is never
 * left. */
static void test_notes_say_what_was_chosen(void **state)
{
    static const char *const chose[] = {
        "",
        "The held-out rows also chose the number of dimensions. For",
        "The held-out rows also chose the ridge. For",
        "The held-out rows also chose the number of dimensions and the ridge. For",
        "The held-out rows also chose the epoch. For",
        "The held-out rows also chose the number of dimensions and the epoch. For",
        "The held-out rows also chose the ridge and the epoch. For",
        "The held-out rows also chose the number of dimensions, the ridge and the epoch. For",
    };
    static const char *const kept[] = {"", "common part is", "individual part is",
                                       "common and individual parts are"};
    mucmm_model m = {0};
    char note[MUCMM_NOTE_SIZE], cut[10], whole[64];

    (void)state;
    for (unsigned bits = 0; bits < 8; bits++) {
        m.held_out_chose = bits;
        mucmm_model_held_out_note(&m, note, sizeof note);
        assert_int_equal(strncmp(note, chose[bits], strlen(chose[bits])), 0);
        assert_true((note[0] == '\0') == (bits == 0));
        assert_int_equal(strncmp(mucmm_model_held_out_note(&m, cut, sizeof cut), note, 9), 0);
    }
    for (unsigned bits = 0; bits < 4; bits++) {
        m.facts.common_kept = bits & 1 ? MUCMM_KEPT_NO_BETTER : MUCMM_KEPT_ASKED;
        m.facts.individual_kept = bits & 2 ? MUCMM_KEPT_NO_BETTER : MUCMM_KEPT_TRAINED;
        mucmm_model_closed_form_note(&m, "head mlp", note, sizeof note);
        snprintf(whole, sizeof whole, "The heads' %s the closed form:", kept[bits]);
        assert_true(bits == 0 ? note[0] == '\0' : strstr(note, whole) == note);
        assert_true(bits == 0 || strstr(note, "\n(head mlp keeps them"));
    }
    assert_string_equal(mucmm_chose_text(MUCMM_CHOSE_RIDGE), "the ridge");
    assert_null(mucmm_chose_text((mucmm_chose)3));
}

static void test_facts_are_the_same_when_loaded(void **state)
{
    (void)state;
    for (int head = 0; head < 3; head++) {
        problem q = new_problem(ctx, 3, 400, true, 19);
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        mucmm_model *m, *loaded = NULL;
        const mucmm_model_facts *facts;

        p.common = p.individual = MUCMM_AUTO;
        p.batch = 0;
        m = fit(ctx, &q, &p);
        CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("model")));
        CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("model"), &loaded));
        facts = mucmm_model_about(loaded);
        assert_int_equal(facts->views, 3);
        assert_true(facts->held_out_chose == 0 && facts->choosing_rows > 0);
        assert_true((facts->common_kept == MUCMM_KEPT_ASKED) == (head == MUCMM_HEAD_LINEAR));
        assert_true((facts->start < 0) == (facts->common_kept != MUCMM_KEPT_TRAINED));
        assert_non_null(mucmm_kept_text(facts->common_kept));
        assert_true(mucmm_model_dimensions(loaded)->candidates > 0);
        assert_true(mucmm_model_dimensions(loaded)->n_errors[2] > 0);
        check_same_facts(m, loaded);
        mucmm_model_free(m);
        mucmm_model_free(loaded);
        unlink(in_folder("model"));
        drop_problem(&q);
    }
}

/* h times the weights are the variates that transform gives. */
static void test_weights_make_the_variates(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    float w[9 * 2], wu[9 * 3], *c, *u;
    const mucmm_mat common = {w, 9, 2, 2}, individual = {wu, 9, 3, 3}, wrong = {w, 8, 2, 2};
    const double *mean = mucmm_model_mean(m, 1), *scale = mucmm_model_scale(m, 1);

    (void)state;
    CHECK_OK(ctx, mucmm_model_weights(ctx, m, 1, &common, &individual));
    transform(ctx, m, MUCMM_LINEAR, 1, q.data[1], &c, &u);
    for (int64_t i = 0; i < q.n; i++)
        for (int k = 0; k < 5; k++) {
            double sum = 0;
            for (int64_t j = 0; j < 9; j++)
                sum += ((double)q.x[1][i * 9 + j] - mean[j]) / scale[j] *
                       (double)(k < 2 ? w[j * 2 + k] : wu[j * 3 + k - 2]);
            CHECK_CLOSE((double)(k < 2 ? c[i * 2 + k] : u[i * 3 + k - 2]), sum, 1e-4);
        }
    assert_non_null(mucmm_model_covariance(m, 1));
    assert_null(mucmm_model_covariance(m, 2));
    assert_null(mucmm_model_mean(m, -1));
    assert_null(mucmm_model_scale(m, 2));
    check_message(ctx, mucmm_model_weights(ctx, m, 1, &wrong, NULL), MUCMM_ESHAPE, "common is");
    check_message(ctx, mucmm_model_weights(ctx, m, 2, NULL, NULL), MUCMM_EARG, "view 2");
    free(c);
    free(u);
    mucmm_model_free(m);
    drop_problem(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_are_the_same_when_loaded),
        cmocka_unit_test(test_notes_say_what_was_chosen),
        cmocka_unit_test(test_weights_make_the_variates),
    };
    return cmocka_run_group_tests_name("facts", tests, set_up, tear_down);
}
