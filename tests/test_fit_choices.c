/* SPDX-License-Identifier: MIT
 *
 * Fit: stages, what trained heads are kept for, beta, sizes and the ridge. */
#include "explain/explanation.h"
#include "explain/other_models.h"
#include "model/model.h"
#include "model/trainer.h"
#include "workspace.h"

/* ---- what fit decides -------------------------------------------------------------- */

/* Largest absolute correlation of component j of view v with shared latent s. */
static double recovery(const mucmm_model *m, const problem *q, int64_t j, int64_t s)
{
    float *c, *u, *truth = test_floats(q->n);
    double r;

    transform(ctx, m, MUCMM_HEADS, 0, q->data[0], &c, &u);
    for (int64_t i = 0; i < q->n; i++)
        truth[i] = (float)q->shared[i * SHARED + s];
    r = fabs(correlation(c, m->k, j, truth, 1, 0, q->n));
    free(truth);
    free(c);
    free(u);
    return r;
}

/* Component j of view v, at a point x [p]. */
static double component_at(const mucmm_model *m, int32_t v, const float *x, int64_t p, int64_t j)
{
    mucmm_data *d = NULL;
    float *c, *u;
    double value;

    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 1, p, p}, "point", NULL, 0, &d));
    transform(ctx, m, MUCMM_HEADS, v, d, &c, &u);
    value = c[j];
    free(c);
    free(u);
    mucmm_data_free(d);
    return value;
}

/* The gradient of component j along random directions against differences of fourth order: a cosine
 * that was learned is too curved for those of mucmm_explanation_check_gradient. */
static void check_slope(const mucmm_model *m, const problem *q, int32_t v, int64_t j)
{
    static const double weight[] = {1, -8, 8, -1}, at[] = {-2, -1, 1, 2};
    int64_t p = q->p[v], row = 4;
    mucmm_explain_params e;
    float *map = test_floats(p), *x = test_floats(p);

    mucmm_explain_params_init(&e);
    e.score = MUCMM_SCORE_COMMON_COMPONENT;
    e.component = j;
    e.map = MUCMM_MAP_GRADIENT;
    CHECK_OK(ctx,
             mucmm_explain(ctx, m, q->view, 2, v, &row, 1, &e, &(mucmm_mat){map, 1, p, p}, NULL));
    for (uint64_t trial = 0; trial < 5; trial++) {
        double *direction = normals(70 + trial, 0, p, .3), slope = 0, difference = 0;
        const double step = .04;
        for (int64_t i = 0; i < p; i++)
            slope += direction[i] * map[i];
        for (int t = 0; t < 4; t++) {
            for (int64_t i = 0; i < p; i++)
                x[i] = (float)(q->x[v][row * p + i] + step * at[t] * direction[i]);
            difference += weight[t] * component_at(m, v, x, p, j) / (12 * step);
        }
        CHECK_CLOSE(slope, difference, 2e-4 * (1 + fabs(slope)));
        free(direction);
    }
    free(map);
    free(x);
}

/* The maps [2, 1, p] of two draws of random heads: none is zero, and the draws differ. */
static float *random_maps(const mucmm_model *m, const problem *q, int32_t view,
                          mucmm_score_kind score, int64_t component)
{
    const int64_t row = 17, p = mucmm_data_cols(q->data[view]);
    float *maps = test_floats(2 * p);
    mucmm_explanation *e = NULL;
    mucmm_explain_params ep;

    mucmm_explain_params_init(&ep);
    ep.score = score;
    ep.map = MUCMM_MAP_GRADIENT;
    ep.component = component;
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, q->view, 2, view, &row, 1, &ep, &e));
    CHECK_OK(ctx, mucmm__random_maps(ctx, &e->s, 2, 5, maps));
    mucmm_explanation_free(e);
    for (int64_t i = 0; i < 2 * p; i++)
        assert_true(maps[i] != 0 && maps[i] != maps[(i + p) % (2 * p)]);
    return maps;
}

/* A random copy of a model has all of its heads, later stages too. */
static void check_random_heads(const mucmm_model *m, const problem *q)
{
    mucmm__solution drawn;

    CHECK_OK(ctx, mucmm__solution_random(ctx, m, &m->heads, 5, 0, &drawn));
    for (int32_t v = 0; v < 2; v++) {
        const mucmm__view_heads *a = &m->heads.view[v], *b = &drawn.view[v];
        assert_int_equal(b->n_later, a->n_later);
        assert_int_equal(mucmm__common_width(b), m->k);
        assert_int_equal(b->individual.net.out, m->view[v].q);
        const mucmm__head *ours[] = {&a->common, &a->individual, &a->later[0].head};
        const mucmm__head *theirs[] = {&b->common, &b->individual, &b->later[0].head};
        for (int h = 0; h < 3; h++) {
            assert_int_equal(theirs[h]->net.n_params, ours[h]->net.n_params);
            assert_true(theirs[h]->params[0] != 0 && theirs[h]->params[0] != ours[h]->params[0]);
        }
        float *one = random_maps(m, q, v, MUCMM_SCORE_COMMON_COMPONENT, 0);
        float *two = random_maps(m, q, v, MUCMM_SCORE_COMMON_COMPONENT, 1);
        float *all = random_maps(m, q, v, MUCMM_SCORE_COMMON_ENERGY, 0);
        float *own = random_maps(m, q, v, MUCMM_SCORE_INDIVIDUAL, 0);
        for (int64_t i = 0; i < mucmm_data_cols(q->data[v]); i++)
            assert_true(one[i] != two[i] && all[i] != one[i] && own[i] != all[i]);
        free(one);
        free(two);
        free(all);
        free(own);
    }
    mucmm__solution_drop(&drawn);
}

/* All at once finds a harmonic and marks it; in stages the hidden latent is found, the gradient is
 * that of the score, and the file holds all of it. */
static void test_stages_find_what_harmonics_hide(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    problem q = hidden_problem(3000);
    mucmm_model *once, *staged, *loaded = NULL;
    const mucmm_summary *s;
    bytes a, b;

    (void)state;
    p.common_epochs = 25;
    p.hidden[0] = p.hidden[1] = 48;
    p.batch = 400;
    p.input_noise = .1;
    p.stages = 1;
    once = fit(ctx, &q, &p);
    s = mucmm_model_summary(once, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
    assert_true(s->harmonic[0] < .1 && s->harmonic[1] > .5);
    assert_int_equal(s->significant, 2);
    assert_int_equal(s->dimensions, 1);
    assert_true(recovery(once, &q, 1, 1) < .3);

    p.stages = 0;
    staged = fit(ctx, &q, &p);
    assert_int_equal(staged->heads.view[0].n_later, 1);
    s = mucmm_model_summary(staged, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
    assert_true(s->harmonic[0] < .1 && s->harmonic[1] < .1);
    assert_int_equal(s->dimensions, 2);
    assert_true(recovery(staged, &q, 0, 0) > .95);
    assert_true(recovery(staged, &q, 1, 1) > .85);

    for (int32_t v = 0; v < 2; v++)
        check_slope(staged, &q, v, 1);
    check_random_heads(staged, &q);
    a = saved(staged);
    CHECK_OK(ctx, mucmm_model_save(ctx, staged, in_folder("model")));
    CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("model"), &loaded));
    unlink(in_folder("model"));
    b = saved(loaded);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    free(a.data);
    free(b.data);
    mucmm_model_free(loaded);
    mucmm_model_free(once);
    mucmm_model_free(staged);
    drop_problem(&q);
}

/* Views of 6 columns, mixed from 6 numbers a row. Gaussian: two of them shared (each seen with a
 * correlation of .97 to what is shared), the others own. Not: two signs, own ones but for their
 * product, which is shared. */
static problem mixed_problem(int64_t n, bool gaussian, uint64_t seed)
{
    problem q = {.n_views = 2, .n = n, .p = {6, 6}};
    static const char *const names[] = {"left", "right"};

    q.shared = normals(seed, 0, n * 2, 1);
    for (int32_t m = 0; m < 2; m++) {
        double *mixing = normals(seed, 1 + (uint64_t)m, 36, 1);
        double *z = normals(seed, 3 + (uint64_t)m, n * 6, 1);
        q.x[m] = test_floats(n * 6);
        for (int64_t i = 0; i < n; i++) {
            double *own = z + i * 6, sign = own[1] > 0 ? 1 : -1, *s = q.shared + i * 2;
            for (int j = 0; j < 2 && gaussian; j++)
                own[j] = .97 * s[j] + sqrt(1 - .97 * .97) * own[j];
            if (!gaussian) {
                own[1] = sign + .1 * own[2];
                own[0] = (s[0] > 0 ? sign : -sign) + .1 * own[3];
            }
            for (int64_t j = 0; j < 6; j++)
                for (int64_t l = 0; l < 6; l++)
                    q.x[m][i * 6 + j] += (float)(own[l] * mixing[l * 6 + j]);
        }
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[m], n, 6, 6}, names[m], NULL, 0,
                                      &q.data[m]));
        q.view[m] = (mucmm_view){names[m], q.data[m]};
        free(mixing);
        free(z);
    }
    return q;
}

/* Nonlinear heads find the product that the closed form cannot see. */
static void test_mlp_beats_linear_where_the_truth_is_nonlinear(void **state)
{
    problem q = mixed_problem(2000, false, 9);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    const mucmm_summary *heads, *linear;
    mucmm_model *m;

    (void)state;
    p.common = 1;
    p.common_epochs = 25;
    p.individual_epochs = 1;
    p.batch = 400;
    p.learning_rate = 1e-2;
    m = fit(ctx, &q, &p);
    heads = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
    linear = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
    assert_true(linear->correlations[0] < .35);
    assert_true(heads->correlations[0] > .6);
    assert_true(heads->total_correlation > linear->total_correlation + .3);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Where the views are linear, trained heads are not taken for better: auto gives the closed form to
 * the last bit, and says so; mlp the trained ones. */
static void test_auto_keeps_the_closed_form_of_linear_views(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = new_problem(ctx, views, 2000, false, 61);
        mucmm_fit_params p = small_params(MUCMM_HEAD_AUTO);
        mucmm_model *m = fit(ctx, &q, &p), *trained;

        assert_int_equal(m->start, -1);
        assert_non_null(strstr(mucmm_model_json(m), "closed_form_kept"));
        assert_true(m->individual_closed);
        for (int32_t v = 0; v < views; v++) {
            float *c[2], *u[2];
            transform(ctx, m, MUCMM_HEADS, v, q.data[v], &c[0], &u[0]);
            transform(ctx, m, MUCMM_LINEAR, v, q.data[v], &c[1], &u[1]);
            assert_memory_equal(c[0], c[1], (size_t)(q.n * p.common) * sizeof(float));
            assert_memory_equal(u[0], u[1], (size_t)(q.n * p.individual) * sizeof(float));
            for (int i = 0; i < 2; i++) {
                free(c[i]);
                free(u[i]);
            }
        }
        p.head = MUCMM_HEAD_MLP;
        trained = fit(ctx, &q, &p);
        assert_true(trained->start >= 0 && !trained->individual_closed);
        assert_true(trained->heads.view[0].common.net.n_layers > 0);
        mucmm_model_free(m);
        mucmm_model_free(trained);
        drop_problem(&q);
    }
}

/* Where the truth is nonlinear, auto gives what mlp does. */
static void test_auto_trains_heads_for_nonlinear_views(void **state)
{
    problem q = mixed_problem(2000, false, 9);
    mucmm_fit_params p = small_params(MUCMM_HEAD_AUTO);
    float *c[2], *u[2];

    (void)state;
    p.common = 1;
    p.common_epochs = 25;
    p.batch = 400;
    p.learning_rate = 1e-2;
    for (int i = 0; i < 2; i++) {
        mucmm_model *m;
        p.head = i ? MUCMM_HEAD_MLP : MUCMM_HEAD_AUTO;
        m = fit(ctx, &q, &p);
        assert_true(m->start >= 0 && !m->individual_closed);
        transform(ctx, m, MUCMM_HEADS, 1, q.data[1], &c[i], &u[i]);
        mucmm_model_free(m);
    }
    assert_memory_equal(c[0], c[1], (size_t)(q.n * p.common) * sizeof(float));
    assert_memory_equal(u[0], u[1], (size_t)(q.n * p.individual) * sizeof(float));
    for (int i = 0; i < 2; i++) {
        free(c[i]);
        free(u[i]);
    }
    drop_problem(&q);
}

/* Asked for more components than are shared, networks find products and squares of those they have:
 * uncorrelated ones, and no information that was not there. The closed form of jointly Gaussian
 * views has all there is. What only networks find is kept all the same. */
static void test_auto_does_not_count_harmonics_as_information(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_AUTO);

    (void)state;
    p.common_epochs = 20;
    p.hidden[0] = p.hidden[1] = 48;
    p.batch = 500;
    p.validation = .15;
    p.individual = 1;
    for (int c = 0; c < 4; c++) {
        problem q = mixed_problem(2500, c < 3, 70 + (uint64_t)c);
        mucmm_model *m;
        p.common = c < 3 ? 2 + c : 1;
        m = fit(ctx, &q, &p);
        assert_int_equal(m->start < 0, c < 3);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

static void test_fit_takes_sizes_that_do_not_fit_evenly(void **state)
{
    static const struct {
        int64_t n, batch;
        double validation;
    } cases[] = {{137, 1000, .1}, {137, 50, .31}, {61, 23, .5},
                 {30, 20, .1},    {40, 21, .28},  {1153, 1000, .1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        problem q = new_problem(ctx, 2, cases[i].n, true, 10 + i);
        mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
        mucmm_model *m;

        p.common = 1;
        p.batch = cases[i].batch;
        p.validation = cases[i].validation;
        p.common_epochs = 1;
        m = fit(ctx, &q, &p);
        assert_int_equal(m->rows[0] + m->rows[1] + m->choosing_rows, cases[i].n);
        assert_true(m->rows[0] >= m->choosing_rows);
        assert_true(m->params.batch <= m->rows[0]);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

static void test_fit_keeps_the_best_ridge_of_the_choosing_rows(void **state)
{
    problem q = new_problem(ctx, 2, 120, false, 12); /* 72 for training: 8 for a column */
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    double best = -INFINITY, ridge = 0;
    mucmm_model *m;

    (void)state;
    p.validation = .2;
    p.individual = MUCMM_AUTO; /* rows choose, even if the ridge is given */
    for (int i = 0; i < 3; i++) {
        static const double ridges[] = {1e-8, 1e-5, 1e-3};
        double total;
        p.ridge = ridges[i];
        m = fit(ctx, &q, &p);
        assert_int_equal(m->choosing_rows, 24);
        total = total_of_choosing_rows(ctx, &q, m, MUCMM_LINEAR);
        ridge = total > best ? ridges[i] : ridge;
        best = fmax(best, total);
        mucmm_model_free(m);
    }
    p.ridge = -1;
    m = fit(ctx, &q, &p);
    CHECK_CLOSE(m->ridge, ridge, 0);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Rows choose only where something is chosen, and never those that testify. */
static void test_rows_choose_where_something_is_chosen(void **state)
{
    static const struct {
        mucmm_head_kind head;
        int64_t individual, choosing;
        double ridge, validation;
        int64_t n;
    } cases[] = {
        {MUCMM_HEAD_LINEAR, 2, 0, 1e-3, .1, 200},
        {MUCMM_HEAD_LINEAR, 2, 0, MUCMM_RIDGE_LEDOIT_WOLF, .1, 200},
        {MUCMM_HEAD_LINEAR, 2, 20, MUCMM_RIDGE_CHOSEN, .1, 200},
        {MUCMM_HEAD_LINEAR, MUCMM_AUTO, 20, 1e-3, .1, 200},
        {MUCMM_HEAD_MLP, 2, 20, 1e-3, .1, 200},
        {MUCMM_HEAD_LINEAR, MUCMM_AUTO, 60, 1e-3, .4, 200},     /* at most half of what is left */
        {MUCMM_HEAD_LINEAR, 2, 0, MUCMM_RIDGE_CHOSEN, .3, 100}, /* a small sample */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm_fit_params p = small_params(cases[i].head);
        problem q = new_problem(ctx, 2, cases[i].n, true, 5); /* 9 columns at most */
        mucmm_model *m;
        p.individual = cases[i].individual;
        p.ridge = cases[i].ridge;
        p.validation = cases[i].validation;
        m = fit(ctx, &q, &p);
        assert_int_equal(m->choosing_rows, cases[i].choosing);
        assert_int_equal(m->rows[1], (int64_t)ceil((double)q.n * cases[i].validation));
        assert_int_equal(m->rows[0], q.n - m->choosing_rows - m->rows[1]);
        assert_int_equal(mucmm_model_about(m)->held_out_chose, 0);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages_find_what_harmonics_hide),
        cmocka_unit_test(test_mlp_beats_linear_where_the_truth_is_nonlinear),
        cmocka_unit_test(test_auto_keeps_the_closed_form_of_linear_views),
        cmocka_unit_test(test_auto_trains_heads_for_nonlinear_views),
        cmocka_unit_test(test_auto_does_not_count_harmonics_as_information),
        cmocka_unit_test(test_fit_takes_sizes_that_do_not_fit_evenly),
        cmocka_unit_test(test_fit_keeps_the_best_ridge_of_the_choosing_rows),
        cmocka_unit_test(test_rows_choose_where_something_is_chosen),
    };
    return cmocka_run_group_tests_name("fit_choices", tests, set_up, tear_down);
}
