/* SPDX-License-Identifier: MIT
 *
 * The explanation object: what it keeps alive, its other parameters, its words; parts and
 * findings. */
#include "explain_case.h"
#include "generators.h"

#include <jansson.h>

static mucmm_ctx *ctx;

#define SAMPLES 3
static const int64_t sample_rows[SAMPLES] = {17, 0, 41};

static mucmm_explain_params explain_params(mucmm_score_kind score, mucmm_map_kind map)
{
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.score = score;
    p.map = map;
    return p;
}

/* ---- ownership --------------------------------------------------------------------- */

/* Freed in any order: what is asked afterwards is what the short form said before. */
static void test_an_explanation_outlives_what_it_is_of(void **state)
{
    problem q = new_problem(ctx, 2, 200, false, 71);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    int64_t rows[SAMPLES];
    float want[SAMPLES * 8], got[SAMPLES * 8], p_values[2][SAMPLES * 8];
    const mucmm_mat out = {got, SAMPLES, 8, 8};
    double scores[SAMPLES];
    mucmm_null_params np;
    mucmm_null *null = NULL;
    mucmm_explanation *e = NULL;

    (void)state;
    p.training = q.data[0];
    memcpy(rows, sample_rows, sizeof rows);
    CHECK_OK(ctx, mucmm_explain(ctx, m, q.view, 2, 0, rows, SAMPLES, &p,
                                &(mucmm_mat){want, SAMPLES, 8, 8}, scores));
    mucmm_null_params_init(&np);
    np.models = 2;
    CHECK_OK(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, q.view, 2, &np, &null));
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, q.view, 2, 0, rows, SAMPLES, &p, &e));
    CHECK_OK(ctx, mucmm_explanation_p_values(ctx, e, null, MUCMM_P_POOLED,
                                             &(mucmm_mat){p_values[0], SAMPLES, 8, 8}));
    memset(rows, 0, sizeof rows);
    memset(&p, 0xa5, sizeof p);
    for (int v = 0; v < 2; v++)
        mucmm_data_free(q.data[v]);
    mucmm_model_free(m);
    CHECK_OK(ctx, mucmm_explanation_maps(ctx, e, &out));
    assert_memory_equal(got, want, sizeof want);
    assert_memory_equal(mucmm_explanation_scores(e), scores, sizeof scores);
    assert_memory_equal(mucmm_explanation_rows(e), sample_rows, sizeof sample_rows);
    assert_int_equal(mucmm_explanation_count(e), SAMPLES);
    assert_string_equal(mucmm_model_view_name(mucmm_explanation_model(e), 0), "left");
    assert_int_equal(mucmm_data_rows(mucmm_explanation_data(e)), 200);
    CHECK_OK(ctx, mucmm_explanation_p_values(ctx, e, null, MUCMM_P_POOLED,
                                             &(mucmm_mat){p_values[1], SAMPLES, 8, 8}));
    assert_memory_equal(p_values[0], p_values[1], sizeof p_values[0]);
    mucmm_explanation_free(e);
    mucmm_null_free(null);
    q.data[0] = q.data[1] = NULL;
    drop_problem(&q);
}

/* ---- parameters -------------------------------------------------------------------- */

static void test_remap(void **state)
{
    problem q = new_problem(ctx, 2, 100, true, 72);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_DEFAULT), other;
    mucmm_explanation *e = NULL, *none = NULL;
    float got[SAMPLES * 8], want[SAMPLES * 8];
    double gaps[SAMPLES];

    (void)state;
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, q.view, 2, 0, sample_rows, SAMPLES, &p, &e));
    assert_int_equal(mucmm_explanation_params(e)->map, MUCMM_MAP_PATTERN); /* rows of numbers */
    for (int map = MUCMM_MAP_GRADIENT; map <= MUCMM_MAP_INTEGRATED_GRADIENTS; map++) {
        p.map = (mucmm_map_kind)map;
        CHECK_OK(ctx, mucmm_explanation_remap(ctx, e, &p));
        CHECK_OK(ctx, mucmm_explanation_maps(ctx, e, &(mucmm_mat){got, SAMPLES, 8, 8}));
        CHECK_OK(ctx, mucmm_explain(ctx, m, q.view, 2, 0, sample_rows, SAMPLES, &p,
                                    &(mucmm_mat){want, SAMPLES, 8, 8}, NULL));
        assert_memory_equal(got, want, sizeof want);
        if (map != MUCMM_MAP_INTEGRATED_GRADIENTS)
            check_message(ctx, mucmm_explanation_gaps(ctx, e, gaps), MUCMM_EARG,
                          "integrated-gradients");
    }
    other = p;
    other.score = MUCMM_SCORE_COMMON_ENERGY;
    check_message(ctx, mucmm_explanation_remap(ctx, e, &other), MUCMM_EARG, "keeps its score");
    other = p;
    other.representation = MUCMM_LINEAR;
    check_message(ctx, mucmm_explanation_remap(ctx, e, &other), MUCMM_EARG, "representation");
    other = p;
    other.component = 1;
    check_message(ctx, mucmm_explanation_remap(ctx, e, &other), MUCMM_EARG, "component");
    other = p;
    other.steps = 0;
    check_message(ctx, mucmm_explanation_remap(ctx, e, &other), MUCMM_EARG, "0 steps");
    CHECK_OK(ctx, mucmm_explanation_maps(ctx, e, &(mucmm_mat){got, SAMPLES, 8, 8}));
    assert_memory_equal(got, want, sizeof want); /* what was refused changed nothing */
    CHECK_OK(ctx, mucmm_explanation_remap(ctx, e, NULL));
    assert_int_equal(mucmm_explanation_params(e)->map, MUCMM_MAP_PATTERN);
    check_message(ctx, mucmm_explanation_create(ctx, m, q.view, 2, 0, sample_rows, -1, &p, &none),
                  MUCMM_EARG, "-1 samples");
    assert_null(none);
    mucmm_explanation_free(e);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_words(void **state)
{
    mucmm_map_kind map;
    mucmm_score_kind score;
    mucmm_baseline baseline;
    int64_t number;
    char text[24];

    (void)state;
    for (int k = MUCMM_MAP_DEFAULT; k <= MUCMM_MAP_INTEGRATED_GRADIENTS; k++) {
        CHECK_OK(ctx, mucmm_map_parse(ctx, mucmm_map_text((mucmm_map_kind)k), &map));
        assert_int_equal(map, k);
    }
    for (int k = 0; k <= MUCMM_SCORE_COUPLING; k++) {
        bool numbered = k == MUCMM_SCORE_COMMON_COMPONENT || k == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
        int64_t j = numbered ? 12 : 0;
        mucmm_score_text((mucmm_score_kind)k, j, text, sizeof text);
        CHECK_OK(ctx, mucmm_score_parse(ctx, text, &score, &number));
        assert_int_equal(score, k);
        assert_int_equal(number, j);
    }
    assert_string_equal(text, "coupling");
    for (int k = 0; k <= MUCMM_BASELINE_ROW; k++) {
        mucmm_baseline_text((mucmm_baseline)k, 7, text, sizeof text);
        CHECK_OK(ctx, mucmm_baseline_parse(ctx, text, &baseline, &number));
        assert_int_equal(baseline, k);
        assert_int_equal(number, k == MUCMM_BASELINE_ROW ? 7 : 0);
    }
    assert_string_equal(mucmm_map_text((mucmm_map_kind)9), "unknown map");
    check_message(ctx, mucmm_map_parse(ctx, "patern", &map), MUCMM_EARG, "did you mean 'pattern'?");
    check_message(ctx, mucmm_map_parse(ctx, NULL, &map), MUCMM_EARG, "no word");
    check_message(ctx, mucmm_baseline_parse(ctx, "ROW", &baseline, &number), MUCMM_EARG, "zero");
    static const char *const bad[] = {
        "",          "common:",         "common:-1",
        "common:1x", "common-energy:1", "individual:99999999999999999999",
        "Common"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_message(
            ctx, mucmm_score_parse(ctx, bad[i], &score, &number), MUCMM_EARG,
            "is none of common, common-energy, individual, common:J, individual:J, coupling");
}

/* ---- parts ------------------------------------------------------------------------- */

static void test_parts_add_up(void **state)
{
    problem q = new_problem(ctx, 2, 200, false, 73);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);

    (void)state;
    for (int64_t individual = 0; individual <= 2; individual += 2) {
        mucmm_parts *p = NULL;
        mucmm_model *m;
        double rest = 0;
        fp.individual = individual;
        m = fit(ctx, &q, &fp);
        CHECK_OK(ctx, mucmm_parts_create(ctx, m, q.view, 2, 0, sample_rows, SAMPLES, NULL, &p));
        for (int64_t j = 0; j < 8; j++)
            CHECK_CLOSE(mucmm_parts_mean(p)[j], m->view[0].mean[j], 1e-5);
        for (int64_t i = 0; i < SAMPLES * 8; i++) {
            double sum = mucmm_parts_mean(p)[i % 8], one[3];
            for (int k = 0; k < 3; k++) {
                one[k] = (double)mucmm_parts_values(p, (mucmm_summand)k).data[i];
                sum += one[k];
            }
            CHECK_CLOSE(sum, q.x[0][sample_rows[i / 8] * 8 + i % 8], 1e-5);
            CHECK_CLOSE(one[0] + one[1] + one[2], mucmm_parts_difference(p).data[i], 1e-5);
            assert_true(one[0] != 0 && (one[1] != 0) == (individual > 0));
            rest += fabs(one[2]);
        }
        assert_true(rest > 0);
        assert_int_equal(mucmm_explanation_count(mucmm_parts_explanation(p)), SAMPLES);
        assert_null(mucmm_parts_values(p, (mucmm_summand)3).data);
        mucmm_parts_free(p);
        mucmm_model_free(m);
    }
    assert_string_equal(mucmm_summand_text(MUCMM_SUMMAND_REST), "rest");
    drop_problem(&q);
}

/* ---- findings ---------------------------------------------------------------------- */

static void check_finding(const mucmm_explanation *e, const mucmm_null *null,
                          const mucmm_finding *f, bool first)
{
    float maps[SAMPLES * 8];
    int64_t kept = 0;

    CHECK_OK(ctx, mucmm_explanation_maps(ctx, e, &(mucmm_mat){maps, SAMPLES, 8, 8}));
    assert_memory_equal(maps, f->maps, sizeof maps);
    CHECK_OK(ctx, mucmm_explanation_p_values(ctx, e, null, MUCMM_P_POOLED,
                                             &(mucmm_mat){maps, SAMPLES, 8, 8}));
    assert_memory_equal(maps, f->p_values, sizeof maps);
    for (int64_t i = 0; i < SAMPLES * 8; i++)
        kept += (double)maps[i] <= .3;
    CHECK_CLOSE(f->kept, (double)kept / (SAMPLES * 8), 1e-12);
    assert_true(isnan(f->check.completeness) == !first);
    assert_true(isfinite(f->masked_deletion) && isfinite(f->masked_insertion));
    assert_int_equal(f->check.permuted_pairs.models, 2);
}

static void test_findings(void **state)
{
    problem q = new_problem(ctx, 2, 200, false, 74);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_null_params np;
    mucmm_findings_params p;
    mucmm_null *null = NULL;
    mucmm_findings *found[2] = {NULL, NULL}, *none = NULL;
    mucmm_explanation *e = NULL;
    char *text = NULL;
    json_t *root;

    (void)state;
    mucmm_null_params_init(&np);
    np.models = 2;
    CHECK_OK(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, q.view, 2, &np, &null));
    mucmm_findings_params_init(&p);
    p.null = null;
    p.level = .3;
    p.random_models = 2;
    for (int k = 0; k < 2; k++) {
        mucmm_explain_params ep =
            explain_params(k ? MUCMM_SCORE_INDIVIDUAL : MUCMM_SCORE_COMMON, MUCMM_MAP_DEFAULT);
        CHECK_OK(ctx,
                 mucmm_explanation_create(ctx, m, q.view, 2, 0, sample_rows, SAMPLES, &ep, &e));
        CHECK_OK(ctx, mucmm_findings_create(ctx, e, &p, &found[k]));
        assert_int_equal(mucmm_findings_count(found[k]), 6);
        for (int64_t i = 0; i < 6; i++) {
            ep.map = (mucmm_map_kind)i;
            CHECK_OK(ctx, mucmm_explanation_remap(ctx, e, &ep));
            check_finding(e, null, mucmm_findings_at(found[k], i), i == 0);
        }
        if (k == 0)
            mucmm_explanation_free(e);
    }
    p.map = MUCMM_MAP_SMOOTHGRAD;
    p.null = NULL;
    CHECK_OK(ctx, mucmm_findings_create(ctx, e, &p, &none));
    assert_int_equal(mucmm_findings_count(none), 1);
    assert_int_equal(mucmm_findings_at(none, 0)->map, MUCMM_MAP_SMOOTHGRAD);
    assert_true(isnan(mucmm_findings_at(none, 0)->kept) && !mucmm_findings_at(none, 0)->p_values);
    assert_null(mucmm_findings_at(none, 1));
    mucmm_findings_free(none);
    p.map = (mucmm_map_kind)9;
    check_message(ctx, mucmm_findings_create(ctx, e, &p, &none), MUCMM_EARG, "no map 9");
    p.level = 1.5;
    check_message(ctx, mucmm_findings_create(ctx, e, &p, &none), MUCMM_EARG, "level 1.5");
    mucmm_explanation_free(e);
    mucmm_null_free(null);
    mucmm_model_free(m);
    CHECK_OK(ctx, mucmm_findings_json(ctx, (const mucmm_findings *const *)found, 2, &text));
    root = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(root, "maps")), 12);
    assert_int_equal(json_array_size(json_object_get(root, "gradients")), 2);
    CHECK_CLOSE(json_number_value(json_object_get(root, "mask")), .3, 1e-12);
    json_decref(root);
    mucmm_text_free(text);
    for (int k = 0; k < 2; k++)
        mucmm_findings_free(found[k]);
    drop_problem(&q);
}

static int set_up(void **state)
{
    mucmm_ctx_params p;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    return mucmm_ctx_create(&p, &ctx) == MUCMM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    mucmm_ctx_free(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_explanation_outlives_what_it_is_of),
        cmocka_unit_test(test_remap),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_findings),
    };
    return cmocka_run_group_tests_name("explanation", tests, set_up, tear_down);
}
