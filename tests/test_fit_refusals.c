/* SPDX-License-Identifier: MIT
 *
 * What fit refuses, and what it takes with a warning. */
#include "workspace.h"

/* ---- refusals of fit --------------------------------------------------------------- */

static void check_fit_refused(const mucmm_view *views, int32_t n_views, const mucmm_fit_params *p,
                              mucmm_status want, const char *fragment)
{
    mucmm_model *m = (mucmm_model *)(uintptr_t)views;

    check_message(ctx, mucmm_fit(ctx, views, n_views, p, &m), want, fragment);
    assert_null(m);
}

static void test_fit_refuses_parameters_out_of_range(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 32);
    mucmm_fit_params p;

    (void)state;
#define REFUSED(field, value, status, fragment)                                                    \
    p = small_params(MUCMM_HEAD_MLP);                                                              \
    p.field = value;                                                                               \
    check_fit_refused(q.view, 2, &p, status, fragment)
    REFUSED(struct_size, 0, MUCMM_EARG, "mucmm_fit_params_init");
    REFUSED(common, 0, MUCMM_EARG, "the number of common dimensions is 0");
    REFUSED(common, 9, MUCMM_ESHAPE,
            "9 common dimensions are asked for, but view 'left' has only 8");
    REFUSED(common, -2, MUCMM_EARG, "the number of common dimensions is -2");
    REFUSED(individual, -2, MUCMM_EARG, "the number of individual dimensions is -2");
    REFUSED(n_view_individual, -1, MUCMM_EARG, "the number of numbers of individual dimensions");
    REFUSED(n_view_individual, MUCMM_MAX_VIEWS + 1, MUCMM_EARG, "individual dimensions is 17");
    REFUSED(n_view_individual, 1, MUCMM_ESHAPE, "1 numbers of individual dimensions for 2 views");
    REFUSED(n_hidden, -1, MUCMM_EARG, "the number of hidden layers");
    REFUSED(n_hidden, MUCMM_MAX_HIDDEN + 1, MUCMM_EARG, "the number of hidden layers");
    REFUSED(hidden[1], 0, MUCMM_EARG, "a hidden layer's width is 0");
    REFUSED(hidden[0], 1 << 21, MUCMM_EARG, "a hidden layer's width");
    REFUSED(common_epochs, -1, MUCMM_EARG, "epochs is -1");
    REFUSED(individual_epochs, -1, MUCMM_EARG, "individual epochs is -1");
    REFUSED(batch, -1, MUCMM_EARG, "batch is -1");
    REFUSED(batch, 9, MUCMM_ESHAPE, "a batch of 9 rows is too small for 2 views of 2");
    REFUSED(validation, 0, MUCMM_EARG, "validation is 0");
    REFUSED(validation, .51, MUCMM_EARG, "validation is 0.51");
    REFUSED(validation, NAN, MUCMM_EARG, "validation is nan");
    REFUSED(validation, .01, MUCMM_ESHAPE,
            "60 rows leave 58 for training, 1 to choose by and 1 held out");
    REFUSED(ridge, NAN, MUCMM_EARG, "ridge is nan");
    REFUSED(ridge, -3, MUCMM_EARG, "ridge is -3; it must be from 0 to 1e+09");
    REFUSED(learning_rate, -1, MUCMM_EARG, "learning rate is -1");
    REFUSED(weight_decay, -1, MUCMM_EARG, "weight decay is -1");
    REFUSED(input_noise, INFINITY, MUCMM_EARG, "input noise is inf");
    REFUSED(independence, -1, MUCMM_EARG, "independence is -1");
    REFUSED(independence, NAN, MUCMM_EARG, "independence is nan");
    REFUSED(head, (mucmm_head_kind)7, MUCMM_EARG, "head");
    REFUSED(scaling, (mucmm_scaling)7, MUCMM_EARG, "scaling");
#undef REFUSED
    drop_problem(&q);
}

static void test_fit_refuses_views(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 33), shorter = new_problem(ctx, 2, 59, false, 33);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_view left = q.view[0], right = q.view[1], many[MUCMM_MAX_VIEWS + 1];
    static const char *const names[] = {"",
                                        "a b",
                                        "a.b",
                                        "a/b",
                                        "\xc3\xa9",
                                        NULL,
                                        "0123456789012345678901234567890123456789012345678901234567"
                                        "8901234"};

    (void)state;
    for (int i = 0; i <= MUCMM_MAX_VIEWS; i++)
        many[i] = left;
    check_fit_refused(&left, 1, &p, MUCMM_EARG, "1 view is given; from 2 to 16 are needed");
    check_fit_refused(many, MUCMM_MAX_VIEWS + 1, &p, MUCMM_EARG, "17 views are given");
    check_fit_refused((mucmm_view[]){left, {"left", q.data[1]}}, 2, &p, MUCMM_EARG,
                      "view 'left' is given twice");
    check_fit_refused((mucmm_view[]){left, {"right", NULL}}, 2, &p, MUCMM_EARG, "no data (NULL)");
    check_fit_refused((mucmm_view[]){left, shorter.view[1]}, 2, &p, MUCMM_ESHAPE,
                      "has 60 rows and view 'right' (right) has 59");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_fit_refused((mucmm_view[]){left, {names[i], right.data}}, 2, &p, MUCMM_EARG,
                          "use 1 to 64 letters");
    drop_problem(&q);
    drop_problem(&shorter);
}

static void test_fit_refuses_what_few_rows_cannot_give(void **state)
{
    problem q = new_problem(ctx, 2, 10, false, 34), few = new_problem(ctx, 2, 6, false, 34);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);

    (void)state;
    p.validation = .2;
    mucmm_model_free(fit(ctx, &q, &p));
    p.individual = 6;
    check_fit_refused(q.view, 2, &p, MUCMM_ESHAPE,
                      "2 common and 6 individual dimensions are asked for, but the 8 training rows "
                      "of view 'left' differ in only 7 directions");
    p.individual = 3;
    p.ridge = 0;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC,
                      "view 'left' has 8 columns and only 8 training rows: its covariance is "
                      "singular; give a `ridge` above 0");
    p.individual = 0;
    p.ridge = -1;
    check_fit_refused(few.view, 2, &p, MUCMM_ESHAPE,
                      "4 training rows are too few to choose a ridge");
    p.ridge = .1;
    mucmm_model_free(fit(ctx, &few, &p));
    drop_problem(&q);
    drop_problem(&few);
}

static void test_fit_names_values_that_are_not_finite(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 35);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    FILE *f = fopen(in_folder("nan.csv"), "w");
    mucmm_data *d = NULL;

    (void)state;
    q.x[1][23 * 9 + 4] = NAN;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC, "right: row 23, column 4");
    q.x[1][23 * 9 + 4] = INFINITY;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC, "right: row 23, column 4");
    fprintf(f, "a,b,c,d,e\n");
    for (int i = 0; i < 60; i++)
        fprintf(f, "%d,%d,%d,%s,5\n", i * i % 7, i % 5, i % 3, i == 41 ? "nan" : "1");
    fclose(f);
    if (mucmm_data_open(ctx, in_folder("nan.csv"), NULL, &d) == MUCMM_OK)
        check_fit_refused((mucmm_view[]){q.view[0], {"t", d}}, 2, &p, MUCMM_ENUMERIC, "nan.csv");
    else /* refused at once */
        assert_non_null(strstr(mucmm_ctx_message(ctx), "nan.csv:43"));
    mucmm_data_free(d);
    unlink(in_folder("nan.csv"));
    drop_problem(&q);
}

/* The first one: heads that are trained for one epoch are warned of as well. */
static void keep_warning(void *user, mucmm_log_level level, const char *message)
{
    char *text = user;

    if (level == MUCMM_LOG_WARN && !*text)
        snprintf(text, 256, "%s", message);
}

/* A column in other units hides the rest of its view, unless each column has its own divisor. */
static void test_fit_names_a_column_that_hides_the_others(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 36);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_ctx_params cp;
    mucmm_ctx *c = NULL;
    char warning[256];

    (void)state;
    mucmm_ctx_params_init(&cp);
    cp.threads = 1;
    cp.log = keep_warning;
    cp.log_user = warning;
    assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
    for (int64_t i = 0; i < q.n; i++)
        q.x[0][i * 8 + 3] *= 1000;
    for (int scaling = 0; scaling < 2; scaling++) {
        mucmm_model *m = NULL;
        p.scaling = (mucmm_scaling)scaling;
        warning[0] = '\0';
        CHECK_OK(c, mucmm_fit(c, q.view, 2, &p, &m));
        assert_int_equal(strstr(warning, "column 3 has 100 % of the variance of all 8") != NULL,
                         p.scaling == MUCMM_SCALE_VIEW);
        mucmm_model_free(m);
    }
    drop_problem(&q);
    mucmm_ctx_free(c);
}

static void test_fit_on_constant_columns(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 36);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_ctx_params cp;
    mucmm_ctx *c = NULL;
    char warning[256] = "";

    (void)state;
    mucmm_ctx_params_init(&cp);
    cp.threads = 1;
    cp.log = keep_warning;
    cp.log_user = warning;
    assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
    for (int64_t i = 0; i < q.n; i++)
        q.x[0][i * 8 + 3] = 7;
    for (int scaling = 0; scaling < 2; scaling++)
        for (int head = 0; head < 2; head++) {
            mucmm_model *m = NULL;
            p = small_params((mucmm_head_kind)head);
            p.scaling = (mucmm_scaling)scaling;
            p.batch = 60;
            p.common_epochs = p.individual_epochs = 1;
            warning[0] = '\0';
            CHECK_OK(c, mucmm_fit(c, q.view, 2, &p, &m));
            assert_non_null(strstr(warning, "view 'left': 1 of 8 columns is constant (the first is "
                                            "column 3); it carries nothing"));
            mucmm_model_free(m);
        }
    for (int64_t i = 0; i < q.n * 8; i++)
        q.x[0][i] = 7;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC,
                      "every column of view 'left' (left) is constant");
    mucmm_ctx_free(c);
    drop_problem(&q);
}

/* Equal columns are no obstacle, until more directions are asked for than there are. */
static void test_fit_on_dependent_columns(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 37);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;

    (void)state;
    for (int64_t i = 0; i < q.n; i++)
        q.x[1][i * 9 + 3] = q.x[1][i * 9];
    m = fit(ctx, &q, &p);
    mucmm_model_free(m);
    p.individual = 6;
    for (int64_t i = 0; i < q.n; i++)
        for (int64_t j = 4; j < 9; j++)
            q.x[1][i * 9 + j] = q.x[1][i * 9 + j - 4];
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC,
                      "right: 6 individual components, but only 1 directions");
    drop_problem(&q);
}

static void test_training_that_diverges_is_an_error(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 38);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = NULL;
    mucmm_status status;

    (void)state;
    p.learning_rate = 10;
    p.input_noise = 10;
    status = mucmm_fit(ctx, q.view, 2, &p, &m);
    if (status != MUCMM_OK && status != MUCMM_ENUMERIC)
        fail_msg("%s: %s", mucmm_status_text(status), mucmm_ctx_message(ctx));
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_refuses_parameters_out_of_range),
        cmocka_unit_test(test_fit_refuses_views),
        cmocka_unit_test(test_fit_refuses_what_few_rows_cannot_give),
        cmocka_unit_test(test_fit_names_values_that_are_not_finite),
        cmocka_unit_test(test_fit_names_a_column_that_hides_the_others),
        cmocka_unit_test(test_fit_on_constant_columns),
        cmocka_unit_test(test_fit_on_dependent_columns),
        cmocka_unit_test(test_training_that_diverges_is_an_error),
    };
    return cmocka_run_group_tests_name("fit_refusals", tests, set_up, tear_down);
}
