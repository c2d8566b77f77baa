/* SPDX-License-Identifier: MIT
 *
 * The model as an object and as a file: round trip, refusals, damage. */
#include "workspace.h"

#include "model/model_json.h"

/* ---- the model as an object -------------------------------------------------------- */

static void test_model_tells_its_views(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    int64_t shape[MUCMM_MAX_RANK], square[2] = {3, 3};
    mucmm_model *m;

    (void)state;
    mucmm_data_free(q.data[1]);
    CHECK_OK(ctx,
             mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[1], 60, 9, 9}, "x", square, 2, &q.data[1]));
    q.view[1].data = q.data[1];
    m = fit(ctx, &q, &p);
    assert_int_equal(mucmm_model_views(m), 2);
    assert_string_equal(mucmm_model_view_name(m, 1), "right");
    assert_null(mucmm_model_view_name(m, 2));
    assert_null(mucmm_model_view_name(m, -1));
    assert_int_equal(mucmm_model_view_index(m, "right"), 1);
    assert_int_equal(mucmm_model_view_index(m, "other"), -1);
    assert_int_equal(mucmm_model_view_cols(m, 1), 9);
    assert_int_equal(mucmm_model_view_cols(m, 2), 0);
    assert_int_equal(mucmm_model_view_shape(m, 1, shape), 2);
    assert_true(shape[0] == 3 && shape[1] == 3);
    assert_int_equal(mucmm_model_view_shape(m, 2, shape), 0);
    assert_int_equal(mucmm_model_common(m), 2);
    assert_int_equal(mucmm_model_individual(m, 0), 3);
    assert_int_equal(mucmm_model_individual(m, 2), 0);
    assert_non_null(strstr(mucmm_model_json(m), "\"columns\": 9"));
    mucmm_model_free(m);
    mucmm_model_free(NULL);
    mucmm_scores_free(NULL);
    drop_problem(&q);
}

/* Whoever keeps a model may be the last to let go of it, in any order. */
static void test_model_lives_until_the_last_lets_go(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p), *kept = mucmm__model_keep(m), *again = mucmm__model_keep(m);

    (void)state;
    assert_ptr_equal(m, kept);
    assert_ptr_equal(m, again);
    mucmm_model_free(m);
    assert_int_equal(mucmm_model_views(kept), 2);
    mucmm_model_free(kept);
    assert_string_equal(mucmm_model_view_name(again, 1), "right");
    mucmm_model_free(again);
    drop_problem(&q);
}

/* ---- model files ------------------------------------------------------------------- */

static void test_model_file_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        problem q = new_problem(ctx, 2 + i % 2, 150, true, 19);
        mucmm_fit_params p = small_params(i < 2 ? MUCMM_HEAD_LINEAR : MUCMM_HEAD_MLP);
        mucmm_model *m, *loaded = NULL;
        bytes first, second;

        p.individual = i == 3 ? 0 : 3;
        p.seed = UINT64_MAX - 1;
        p.validation = i == 1 ? .01 : .1; /* two rows held out: a summary of NaN */
        m = fit(ctx, &q, &p);
        CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("model")));
        CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("model"), &loaded));
        first = get_file("model");
        second = saved(loaded);
        check_same_bytes(&first, &second);
        assert_string_equal(mucmm_model_json(m), mucmm_model_json(loaded));
        assert_true(loaded->params.seed == p.seed && loaded->n_history == m->n_history);
        for (int64_t e = 0; e < m->n_history; e++) {
            const mucmm__epoch *x = &m->history[e], *y = &loaded->history[e];
            assert_true(x->stage == y->stage && x->epoch == y->epoch && x->held_out == y->held_out);
            assert_true(x->loss == y->loss || (isnan(x->loss) && isnan(y->loss)));
        }
        for (int representation = 0; representation < 2; representation++)
            for (int32_t v = 0; v < q.n_views; v++) {
                float *c[2], *u[2];
                size_t n = (size_t)q.n * sizeof(float);
                transform(ctx, m, (mucmm_representation)representation, v, q.data[v], &c[0], &u[0]);
                transform(ctx, loaded, (mucmm_representation)representation, v, q.data[v], &c[1],
                          &u[1]);
                assert_memory_equal(c[0], c[1], n * (size_t)m->k);
                assert_memory_equal(u[0], u[1], n * (size_t)m->view[v].q);
                for (int j = 0; j < 2; j++) {
                    free(c[j]);
                    free(u[j]);
                }
            }
        free(first.data);
        free(second.data);
        mucmm_model_free(m);
        mucmm_model_free(loaded);
        unlink(in_folder("model"));
        drop_problem(&q);
    }
}

static void check_load(const bytes *b, mucmm_status want, const char *fragment)
{
    mucmm_model *m = (mucmm_model *)(uintptr_t)b;

    put_file("damaged", b);
    check_message(ctx, mucmm_model_load(ctx, in_folder("damaged"), &m), want, fragment);
    assert_null(m);
    unlink(in_folder("damaged"));
}

/* Hidden layers so wide that what is folded away of them would be more than all else. */
static void test_wide_networks_come_back(void **state)
{
    problem q = new_problem(ctx, 3, 400, true, 19);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m, *again;

    (void)state;
    p.n_hidden = 2;
    p.hidden[0] = p.hidden[1] = 2000;
    p.common_epochs = p.individual_epochs = 1;
    m = fit(ctx, &q, &p);
    CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("wide")));
    CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("wide"), &again));
    assert_string_equal(mucmm_model_json(again), mucmm_model_json(m));
    unlink(in_folder("wide"));
    mucmm_model_free(m);
    mucmm_model_free(again);
    drop_problem(&q);
}

static void test_model_file_refusals(void **state)
{
    static const struct {
        const char *from, *to;
        mucmm_status status;
        const char *fragment;
    } cases[] = {
        {"\"mucmm\"", "\"mucmn\"", MUCMM_EFORMAT, "not a model of mucmm"},
        {"\"format\"", "\"formas\"", MUCMM_EFORMAT, "not a model of mucmm"},
        {"\"format_version\":\"1\"", "\"format_version\":\"3\"", MUCMM_EUNSUPPORTED,
         "format version 3; this program reads versions up to 2"},
        {"\"format_version\":\"1\"", "\"format_version\":\"x\"", MUCMM_EFORMAT, "is no number"},
        {"\"format_version\":\"1\"", "\"format_version\":\"0\"", MUCMM_EFORMAT, "is no number"},
        {"\"model\":", "\"modes\":", MUCMM_EFORMAT, "not a model of mucmm"},
        {"\"left.mean\"", "\"left.maen\"", MUCMM_EFORMAT, "tensor 'left.mean' is missing"},
        {"\"linear.right.individual.skip\"", "\"linear.right.individual.skop\"", MUCMM_EFORMAT,
         "tensor 'linear.right.individual.skip' is missing"},
        {"\"heads.left.mix\"", "\"heads.left.max\"", MUCMM_EFORMAT, "'heads.left.mix' is missing"},
        {"\"shape\":[2,8]", "\"shape\":[8,2]", MUCMM_EFORMAT, "another type or shape"},
        {"\\\"columns\\\": 8", "\\\"columns\\\": 7", MUCMM_EFORMAT, "'shape' does not multiply"},
        {"\\\"columns\\\": 8", "\\\"columns\\\": 0", MUCMM_EFORMAT, "'columns' is missing or out"},
        {"\\\"common\\\": 2", "\\\"common\\\": 3", MUCMM_EFORMAT, "'later' does not add up"},
        {"\\\"common\\\": 2", "\\\"common\\\": 0", MUCMM_EFORMAT, "'common' is missing or out"},
        {"\\\"individual\\\": 3,\\n   \\\"shape\\\"", "\\\"individual\\\": 9,\\n   \\\"shape\\\"",
         MUCMM_EFORMAT, "'individual' is missing"},
        {"\\\"individual\\\": 3,\\n  \\\"hidden\\\"", "\\\"individual\\\":-3,\\n  \\\"hidden\\\"",
         MUCMM_EFORMAT, "'individual' is missing"},
        {"\\\"deep\\\": true", "\\\"deep\\\": null", MUCMM_EFORMAT, "'deep' is missing or not"},
        {"\\\"mix\\\"", "\\\"mux\\\"", MUCMM_EFORMAT, "'mix' is missing or not"},
        {"\\\"hidden\\\"", "\\\"hodden\\\"", MUCMM_EFORMAT, "'params' is not whole"},
        {"\\\"params\\\"", "\\\"parans\\\"", MUCMM_EFORMAT, "'params' is not whole"},
        {"\\\"history\\\"", "\\\"hostory\\\"", MUCMM_EFORMAT, "'history' is missing"},
        {"\\\"views\\\": [", "\\\"viewz\\\": [", MUCMM_EFORMAT, "'views' is missing"},
        {"\\\"linear\\\": {", "\\\"lineal\\\": {", MUCMM_EFORMAT, "'linear' does not describe"},
        {"\\\"p_values\\\": [", "\\\"q_values\\\": [", MUCMM_EFORMAT, "'p_values' is missing"},
        {"\\\"held_out\\\": {", "\\\"held_uot\\\": {", MUCMM_EFORMAT, "'rows' is missing"},
        {"\\\"seed\\\": 1", "\\\"seed\\\": x", MUCMM_EFORMAT, "the model's metadata: line"},
        {"\\\"covariance\\\": true", "\\\"covariance\\\": \\\"\\\"", MUCMM_EFORMAT,
         "'covariance' is missing or not"},
        {"\\\"validation\\\"", "\\\"valudation\\\"", MUCMM_EFORMAT,
         "'validation' is missing or no number"},
        {"\\\"name\\\"", "\\\"nume\\\"", MUCMM_EFORMAT, "a view whose name is not"},
        {"\\\"start\\\": ", "\\\"start\\\":9", MUCMM_EFORMAT, "'start' is missing or out"},
    };
    problem q = new_problem(ctx, 2, 120, true, 20);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m;
    bytes good, bad;

    (void)state;
    p.common_epochs = p.individual_epochs = 1;
    m = fit(ctx, &q, &p);
    good = saved(m);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bad = with_text(&good, cases[i].from, cases[i].to);
        check_load(&bad, cases[i].status, cases[i].fragment);
        free(bad.data);
    }
    check_message(ctx, mucmm_model_load(ctx, in_folder("absent"), &(mucmm_model *){NULL}),
                  MUCMM_EIO, "absent");
    for (size_t size = 0; size < good.size; size += 1 + size / 2)
        check_load(&(bytes){good.data, size}, MUCMM_EFORMAT, "damaged");
    check_load(&(bytes){good.data, good.size - 1}, MUCMM_EFORMAT, "damaged");
    check_load(&(bytes){(unsigned char *)(uintptr_t) "x,y\n1,2\n3,4\n", 12}, MUCMM_EFORMAT,
               "damaged");
    mucmm_model_free(m);
    free(good.data);
    drop_problem(&q);
}

/* What a fit was asked for leaves traces in its model: a file in which they are missing or others.
 */
static void test_model_file_agrees_with_its_parameters(void **state)
{
    static const struct {
        int restarts;
        const char *from, *to, *fragment;
    } cases[] = {
        {0, "\\\"common_epochs\\\": 2", "\\\"common_epochs\\\": 9",
         "'common_epochs' and the history"},
        {0, "\\\"individual_epochs\\\": 3", "\\\"individual_epochs\\\": 2",
         "'individual_epochs' and the history"},
        {0, "\\\"hidden\\\": [\\n   12", "\\\"hidden\\\": [\\n   13", "'hidden' and the networks"},
        {0, "\\\"hidden\\\": [\\n   12\\n  ]", "\\\"hidden\\\": [           ]",
         "'hidden' and the networks"},
        {0, "\\\"stability\\\"", "\\\"stubility\\\"", "no stability of the closed form"},
        {1, "\\\"stability\\\"", "\\\"stubility\\\"", "no stability of the heads"},
    };
    problem q = new_problem(ctx, 2, 300, true, 20);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    bytes good[2];

    (void)state;
    p.common_epochs = 2;
    p.individual_epochs = 3;
    p.n_hidden = 1;
    p.hidden[0] = 12;
    for (int i = 0; i < 2; i++) {
        p.bootstrap = i == 0 ? 2 : 0;
        p.restarts = i;
        mucmm_model *m = fit(ctx, &q, &p);
        good[i] = saved(m);
        mucmm_model_free(m);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes bad = with_text(&good[cases[i].restarts], cases[i].from, cases[i].to);
        check_load(&bad, MUCMM_EFORMAT, cases[i].fragment);
        free(bad.data);
    }
    free(good[0].data);
    free(good[1].data);
    drop_problem(&q);
}

/* Finite weights, and infinite products. */
static void test_weights_too_large_for_floats_give_no_numbers(void **state)
{
    problem q = new_problem(ctx, 2, 120, true, 20);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p), *bad = NULL;
    bytes file = saved(m);
    float large[8], out[120 * 2], map[8];
    mucmm_explain_params e;
    mucmm_explanation *explanation = NULL;
    mucmm_scores *scores = NULL;
    const int64_t row = 3;

    (void)state;
    for (int j = 0; j < 8; j++)
        large[j] = 3e38f;
    memcpy(file.data + tensor_at(&file, "linear.left.common.skip"), large, sizeof large);
    put_file("large", &file);
    CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("large"), &bad));
    check_message(ctx,
                  mucmm_transform(ctx, bad, MUCMM_LINEAR, 0, q.view[0].data,
                                  &(mucmm_mat){out, 120, 2, 2}, NULL),
                  MUCMM_ENUMERIC, "view 'left', row ");
    check_message(ctx, mucmm_score(ctx, bad, q.view, 2, NULL, &scores), MUCMM_ENUMERIC,
                  "variate 0 is not finite");
    mucmm_explain_params_init(&e);
    e.score = MUCMM_SCORE_COMMON;
    e.component = 0;
    e.map = MUCMM_MAP_INPUT_X_GRADIENT;
    if (mucmm_explanation_create(ctx, bad, q.view, 2, 0, &row, 1, &e, &explanation) == MUCMM_OK &&
        mucmm_explanation_maps(ctx, explanation, &(mucmm_mat){map, 1, 8, 8}) == MUCMM_OK)
        for (int j = 0; j < 8; j++)
            assert_true(isnan(map[j])); /* no map of that row, which a warning says */
    else
        assert_non_null(strstr(mucmm_ctx_message(ctx), "too large for floats"));
    mucmm_explanation_free(explanation);
    mucmm_model_free(bad);
    mucmm_model_free(m);
    unlink(in_folder("large"));
    free(file.data);
    drop_problem(&q);
}

static void test_model_file_refuses_bad_numbers(void **state)
{
    static const struct {
        const char *tensor;
        double value;
        bool is_double;
        mucmm_status status;
        const char *fragment;
    } cases[] = {
        {"left.mean", NAN, true, MUCMM_ENUMERIC, "'left.mean' holds a NaN"},
        {"linear.correlations", INFINITY, true, MUCMM_ENUMERIC,
         "'linear.correlations' holds a NaN"},
        {"right.covariance", NAN, false, MUCMM_ENUMERIC, "'right.covariance' holds a NaN"},
        {"linear.left.common.skip", -INFINITY, false, MUCMM_ENUMERIC, "common.skip' holds a NaN"},
        {"linear.left.common.offset", NAN, false, MUCMM_ENUMERIC, "common.offset' holds a NaN"},
        {"right.scale", 0, true, MUCMM_EFORMAT,
         "'right.scale' holds a number that is not positive"},
        {"left.scale", -1, true, MUCMM_EFORMAT, "'left.scale' holds a number that is not positive"},
    };
    problem q = new_problem(ctx, 2, 60, false, 21);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    bytes good = saved(m), other;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes bad = with_text(&good, "mucmm", "mucmm");
        float single = (float)cases[i].value;
        size_t at = tensor_at(&bad, cases[i].tensor);
        if (cases[i].is_double)
            memcpy(bad.data + at, &cases[i].value, sizeof(double));
        else
            memcpy(bad.data + at, &single, sizeof single);
        check_load(&bad, cases[i].status, cases[i].fragment);
        free(bad.data);
    }
    /* a tensor of another type: F32 where F64 should be, of as many bytes */
    other = with_text(&good, "\"left.mean\":{\"dtype\":\"F64\",\"shape\":[8]",
                      "\"left.mean\":{\"dtype\":\"I64\",\"shape\":[8]");
    check_load(&other, MUCMM_EFORMAT, "'left.mean' has another type or shape");
    free(other.data);
    free(good.data);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Any byte changed: an error or a model, never more. */
/* The metadata with one text replaced by another of any length. */
static char *replaced(const char *json, const char *from, const char *to)
{
    const char *at = strstr(json, from);
    char *out = malloc(strlen(json) + strlen(to) + 1);

    if (!at)
        fail_msg("no %s in the metadata", from);
    sprintf(out, "%.*s%s%s", (int)(at - json), json, to, at + strlen(from));
    return out;
}

static void check_metadata(const char *json, const char *fragment)
{
    mucmm_model *tried = NULL;

    CHECK_OK(ctx, mucmm__alloc(ctx, 1, sizeof *tried, &tried));
    check_message(ctx, mucmm__model_from_json(ctx, json, 20000, tried), MUCMM_EFORMAT, fragment);
    mucmm_model_free(tried);
}

/* Whatever fit does not write is refused, before it is used or memory is taken for it. */
static void test_metadata_holds_what_fit_guarantees(void **state)
{
    static const struct {
        const char *from, *to, *fragment;
    } cases[] = {
        {"\"name\": \"left\"", "\"name\": \"../../x\"", "whose name is not"},
        {"\"name\": \"left\"", "\"name\": \"..\"", "whose name is not"},
        {"\"name\": \"left\"", "\"name\": \"a\\u001b[31m\\n\"", "whose name is not"},
        {"\"name\": \"left\"", "\"name\": \"a\\u0000b\"", "the model's metadata: line"},
        {"\"name\": \"left\"", "\"name\": \"\"", "whose name is not"},
        {"\"name\": \"left\"", "\"name\": \"right\"", "two views of one name"},
        {"\"hidden\": [\n   16,", "\"hidden\": [\n   -5,", "a hidden layer's width is -5"},
        {"\"hidden\": [\n   16,", "\"hidden\": [\n   \"a\",", "a hidden layer's width is 0"},
        {"\"head\": \"mlp\"", "\"head\": \"deep\"", "'head' is a word"},
        {"\"scale\": \"view\"", "\"scale\": \"row\"", "'scale' is a word"},
        {"\"common_epochs\": 3", "\"common_epochs\": 4611686018427387904", "epochs is 4.6"},
        {"\"batch\": 128", "\"batch\": 1", "'batch' is no number of training rows"},
        {"\"batch\": 128", "\"batch\": 4000", "'batch' is no number of training rows"},
        {"\"learning_rate\": ", "\"learning_rate\": 1e300, \"x\": ", "learning rate is 1e+300"},
        {"\"input_noise\": ", "\"input_noise\": 1e308, \"x\": ", "input noise is 1e+308"},
        {"\"validation\": ", "\"validation\": null, \"x\": ", "validation is nan"},
        {"\"independence\": ", "\"independence\": -3, \"x\": ", "independence is -3"},
        {"\"stages\": 1", "\"stages\": 6", "'stages' is missing or out of range"},
        {"\"start\": ", "\"start\": 5, \"x\": ", "'start' is none of those"},
        {"\"training_rows\": ", "\"training_rows\": 9223372036854775807, \"x\": ",
         "'training_rows' is missing or out"},
        {"\"variance\": ", "\"variance\": -1, \"x\": ", "'variance' is out of range"},
        {"\"ridge\": ", "\"ridge\": -2, \"x\": ", "'ridge' is out of range"},
        {"\"columns\": 8", "\"columns\": 1", "'columns' is missing or out"},
        {"\"columns\": 8,\n   \"individual\": 3,\n   \"shape\": [\n    8\n",
         "\"columns\": 60000,\n   \"individual\": 3,\n   \"shape\": [\n    60000\n",
         "more numbers than the file holds"},
        {"\"hidden\": [\n      16,", "\"hidden\": [\n      1048576,", "more numbers than the file"},
        {"\"shape\": [\n    8\n", "\"shape\": [\n    -2, -4\n", "'shape'"},
        {"\"held_out_chose\": [", "\"held_out_chose\": [\"the weather\"",
         "'held_out_chose' is a word"},
        {"\"loadings\": true", "\"loadings\": false", "'deviations' are there, but no loadings"},
        {"\"loadings\": true", "\"lowdings\": true", "'deviations' are there, but no loadings"},
        {"\"loadings\": true", "\"loadings\": 1", "'loadings' is missing or not true"},
        {"\"deviations\": true", "\"loading_ends\": true", "but no deviations"},
        {"\"deviations\": true", "\"deviations\": \"x\"", "'deviations' is missing or not"},
        {"\"p_values\": [", "\"p_values\": [1e300, 0], \"x\": [", "'p_values' holds what is no"},
        {"\"correlations\": [", "\"correlations\": [5, 0], \"x\": [", "holds what is no corr"},
        {"\"retrieval_1\": [", "\"retrieval_1\": [-1, 0, 0, 0], \"x\": [", "'retrieval_1' holds"},
        {"\"closed_form_kept\": [", "\"closed_form_kept\": [\"common\"",
         "'closed_form_kept' and 'start' contradict"},
    };
    problem q = new_problem(ctx, 2, 170, true, 19);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &p);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *json = replaced(mucmm_model_json(m), cases[i].from, cases[i].to);
        check_metadata(json, cases[i].fragment);
        free(json);
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

/* The bytes are those of the file, in both directions. */
static void test_model_in_memory(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 19);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &p), *loaded = m;
    bytes file = saved(m), memory = {NULL, 1}, again;

    (void)state;
    CHECK_OK(ctx, mucmm_model_save_memory(ctx, m, (void **)&memory.data, &memory.size));
    check_same_bytes(&file, &memory);
    check_message(ctx, mucmm_model_load_memory(ctx, memory.data, memory.size - 1, "here", &loaded),
                  MUCMM_EFORMAT, "here: ");
    assert_null(loaded);
    check_message(ctx, mucmm_model_load_memory(ctx, memory.data, 0, NULL, &loaded), MUCMM_EFORMAT,
                  "model: ");
    CHECK_OK(ctx, mucmm_model_load_memory(ctx, memory.data, memory.size, NULL, &loaded));
    mucmm_bytes_free(memory.data); /* nothing of it is borrowed */
    again = saved(loaded);
    check_same_bytes(&file, &again);
    free(file.data);
    free(again.data);
    mucmm_model_free(m);
    mucmm_model_free(loaded);
    drop_problem(&q);
}

static void test_damaged_model_files_do_no_harm(void **state)
{
    problem q = new_problem(ctx, 2, 60, true, 22);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_ctx_params cp;
    mucmm_ctx *low = NULL;
    mucmm_model *m;
    bytes good;
    uint64_t header, key = mucmm__rng_key(1, 5);
    int opened = 0;

    (void)state;
    p.batch = 40;
    p.common_epochs = p.individual_epochs = 1;
    m = fit(ctx, &q, &p);
    good = saved(m);
    mucmm_ctx_params_init(&cp);
    cp.max_alloc = 1 << 24;
    cp.threads = 1;
    assert_int_equal(mucmm_ctx_create(&cp, &low), MUCMM_OK);
    memcpy(&header, good.data, sizeof header);
    for (uint64_t i = 0; i < 600; i++) {
        bytes bad = with_text(&good, "mucmm", "mucmm");
        mucmm_model *loaded = NULL;
        uint64_t at = mucmm__rng_bits(key, 3 * i) % (i % 8 ? header + 8 : good.size);
        bad.data[at] = i % 2 ? (unsigned char)('0' + mucmm__rng_bits(key, 3 * i + 1) % 10)
                             : (unsigned char)mucmm__rng_bits(key, 3 * i + 1);
        put_file("damaged", &bad);
        if (mucmm_model_load(low, in_folder("damaged"), &loaded) == MUCMM_OK) {
            float c[60 * 2], u[60 * 3];
            mucmm_transform(low, loaded, MUCMM_HEADS, 0, q.data[0], &(mucmm_mat){c, 60, 2, 2},
                            &(mucmm_mat){u, 60, 3, 3});
            opened++;
        } else
            assert_null(loaded);
        mucmm_model_free(loaded);
        free(bad.data);
    }
    assert_true(opened > 10 && opened < 590);
    unlink(in_folder("damaged"));
    mucmm_ctx_free(low);
    free(good.data);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_tells_its_views),
        cmocka_unit_test(test_model_lives_until_the_last_lets_go),
        cmocka_unit_test(test_model_file_round_trip),
        cmocka_unit_test(test_wide_networks_come_back),
        cmocka_unit_test(test_model_file_refusals),
        cmocka_unit_test(test_model_file_refuses_bad_numbers),
        cmocka_unit_test(test_model_file_agrees_with_its_parameters),
        cmocka_unit_test(test_weights_too_large_for_floats_give_no_numbers),
        cmocka_unit_test(test_metadata_holds_what_fit_guarantees),
        cmocka_unit_test(test_model_in_memory),
        cmocka_unit_test(test_damaged_model_files_do_no_harm),
    };
    return cmocka_run_group_tests_name("model_file", tests, set_up, tear_down);
}
