/* SPDX-License-Identifier: MIT
 *
 * Maps that cannot be: gradients that are not finite or that a network lets nobody have, features
 * that are not finite; which view, row and node, and that all others are what they are anyway. */
#include "explain/faults.h"
#include "explain_case.h"
#include "generators.h"
#include "onnx_builder.h"

#include "encode/encode.h"

enum { ROWS = 200, RAW = 6, WIDTH = 5 };

static mucmm_ctx *ctx;
static char folder[64] = "/tmp/mucmm-test-XXXXXX";
static char heard[16384];

static void hear(void *user, mucmm_log_level level, const char *message)
{
    size_t used = strlen(heard);

    (void)user;
    if (level == MUCMM_LOG_WARN)
        snprintf(heard + used, sizeof heard - used, "%s\n", message);
}

static int times(const char *words)
{
    int n = 0;

    for (const char *at = heard; (at = strstr(at, words)); at++)
        n++;
    return n;
}

/* ---- networks ---------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[160];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* x [N, RAW] times w [RAW, WIDTH], to `last` as y. */
static net start_net(void)
{
    net n = net_new(13);
    double *values = normals(3, 0, RAW * WIDTH, .5);
    float w[RAW * WIDTH];
    const float eps = 1e-6f, step = .05f, one = 1;
    const int8_t zero = 0;

    for (int i = 0; i < RAW * WIDTH; i++)
        w[i] = (float)values[i];
    free(values);
    net_input(&n, "x", MUCMM_F32, "-1x6");
    net_floats(&n, "w", "6x5", w);
    net_floats(&n, "eps", "", &eps);
    net_floats(&n, "one", "", &one);
    net_floats(&n, "step", "", &step);
    net_ints(&n, "axis", "1", (const int64_t[]){1});
    net_constant(&n, "zero", MUCMM_I8, "", &zero);
    return n;
}

static void end_net(net *n, const char *name)
{
    size_t size;
    uint8_t *bytes;

    net_output(n, "y");
    bytes = net_bytes(n, &size);
    CHECK_OK(ctx, mucmm_file_write(ctx, path_of(name), bytes, size));
    net_drop(n);
}

static void write_nets(void)
{
    static const char *const whole[][3] = {{"round.onnx", "Round", "Round"},
                                           {"floor.onnx", "Floor", "Floor"},
                                           {"sign.onnx", "Sign", "Sign"}};
    net n = start_net();

    /* rows scaled by the root of their sum of squares: its slope at 0 is infinite */
    net_node(&n, "MatMul", "x w", "f", "");
    net_node(&n, "Mul", "f f", "squares", "");
    net_node(&n, "ReduceSum", "squares axis", "sum", "keepdims=1");
    net_node(&n, "Sqrt", "sum", "root", "");
    net_node(&n, "Add", "root eps", "norm", "");
    net_node(&n, "Div", "f norm", "y", "");
    end_net(&n, "norm.onnx");

    n = start_net(); /* the same on the way to a row, where |x| is below 1 */
    net_node(&n, "Mul", "x x", "squares", "");
    net_node(&n, "Sub", "squares one", "less", "");
    net_node(&n, "Sqrt", "less", "root", "");
    net_node(&n, "MatMul", "root w", "y", "");
    end_net(&n, "way.onnx");

    n = start_net();
    net_node(&n, "Log", "x", "log", "");
    net_node(&n, "MatMul", "log w", "y", "");
    end_net(&n, "log.onnx");

    n = start_net();
    net_node(&n, "MatMul", "x w", "f", "");
    net_node(&n, "Relu", "f", "y", "");
    end_net(&n, "relu.onnx");

    for (size_t k = 0; k < 3; k++) {
        n = start_net();
        net_node(&n, "MatMul", "x w", "f", "");
        net_node(&n, whole[k][1], "f", "y", "");
        end_net(&n, whole[k][0]);
    }
    n = start_net();
    net_node(&n, "QuantizeLinear", "x step zero", "q", "");
    net_node(&n, "DequantizeLinear", "q step zero", "d", "");
    net_node(&n, "MatMul", "d w", "y", "");
    end_net(&n, "quantized.onnx");

    n = start_net();
    net_node(&n, "DynamicQuantizeLinear", "x", "q scale point", "");
    net_node(&n, "DequantizeLinear", "q scale point", "d", "");
    net_node(&n, "MatMul", "d w", "y", "");
    end_net(&n, "dynamic.onnx");

    n = start_net();
    net_node(&n, "Cast", "x", "whole", "to=7");
    net_node(&n, "Cast", "whole", "back", "to=1");
    net_node(&n, "MatMul", "back w", "y", "");
    end_net(&n, "cast.onnx");

    n = start_net(); /* beside a way on which gradients pass */
    net_node(&n, "QuantizeLinear", "x step zero", "q", "");
    net_node(&n, "DequantizeLinear", "q step zero", "d", "");
    net_node(&n, "Add", "x d", "both", "");
    net_node(&n, "MatMul", "both w", "y", "");
    end_net(&n, "partly.onnx");
}

/* ---- a model of two views, the first behind a network ------------------------------ */

typedef struct two {
    float *x, *y;
    mucmm_source *source;
    mucmm_encoder *encoder;
    mucmm_data *left, *right;
    mucmm_view view[2];
    mucmm_model *m;
} two;

static void fill(two *t, float low)
{
    double *x = normals(5, 0, ROWS * RAW, 1), *y = normals(6, 0, ROWS * 4, .3);

    t->x = test_floats(ROWS * RAW);
    t->y = test_floats(ROWS * 4);
    for (int64_t i = 0; i < ROWS * RAW; i++)
        t->x[i] = low > 0 ? low + fabsf((float)x[i]) : (float)x[i];
    for (int64_t i = 0; i < ROWS * 4; i++)
        t->y[i] = (float)(y[i] + x[i / 4 * RAW + i % 4]);
    free(x);
    free(y);
}

/* x above `low` if it is positive; row 0 is `first` throughout, if it is finite. */
static two open_two(const char *net_name, float low, float first, bool alone)
{
    two t = {0};
    char text[128];
    mucmm_data *rows = NULL;
    const int64_t shape[] = {RAW};
    mucmm_fit_params p;

    fill(&t, low);
    for (int64_t j = 0; j < RAW && isfinite(first); j++)
        t.x[j] = first;
    CHECK_OK(ctx,
             mucmm_data_wrap(ctx, &(mucmm_cmat){t.x, ROWS, RAW, RAW}, "rows", shape, 1, &rows));
    CHECK_OK(ctx, mucmm_source_wrap(ctx, rows, &t.source));
    mucmm_data_free(rows);
    snprintf(text, sizeof text, "{\"kind\": \"features\", \"encoder\": \"%s\"%s}", net_name,
             alone ? ", \"batch\": 1" : "");
    CHECK_OK(ctx, mucmm_encoder_load(ctx, text, folder, &t.encoder));
    CHECK_OK(ctx, mucmm_data_encode(ctx, t.source, t.encoder, NULL, &t.left));
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.y, ROWS, 4, 4}, "right", NULL, 0, &t.right));
    t.view[0] = (mucmm_view){"left", t.left};
    t.view[1] = (mucmm_view){"right", t.right};
    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 2;
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, t.view, 2, &p, &t.m));
    heard[0] = '\0';
    return t;
}

static void close_two(two *t)
{
    mucmm_model_free(t->m);
    mucmm_data_free(t->left);
    mucmm_data_free(t->right);
    mucmm_encoder_free(t->encoder);
    mucmm_source_free(t->source);
    free(t->x);
    free(t->y);
}

static mucmm_status maps_of(const two *t, mucmm_map_kind map, mucmm_baseline baseline,
                            const int64_t *rows, int64_t n, float *out)
{
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.map = map;
    p.baseline = baseline;
    p.steps = 8;
    p.samples = 4;
    p.training = t->left;
    return mucmm_explain(ctx, t->m, t->view, 2, 0, rows, n, &p, &(mucmm_mat){out, n, RAW, RAW},
                         NULL);
}

static bool is_nan_row(const float *x)
{
    for (int j = 0; j < RAW; j++)
        if (!isnan(x[j]))
            return false;
    return true;
}

/* ---- one row ----------------------------------------------------------------------- */

static void test_one_row_without_a_gradient_leaves_the_others(void **state)
{
    static const mucmm_map_kind kinds[] = {MUCMM_MAP_GRADIENT, MUCMM_MAP_INPUT_X_GRADIENT,
                                           MUCMM_MAP_SMOOTHGRAD};
    const int64_t rows[] = {4, 0, 9}, others[] = {4, 9};
    two t = open_two("norm.onnx", 0, 0, false);
    float all[3 * RAW], rest[2 * RAW];

    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        heard[0] = '\0';
        CHECK_OK(ctx, maps_of(&t, kinds[k], MUCMM_BASELINE_MEAN, rows, 3, all));
        assert_int_equal(times("view 'left', row 0: there is no map: the gradient is not finite at "
                               "node "),
                         1);
        assert_int_equal(times("(Sqrt) of "), 1);
        assert_int_equal(times("norm.onnx"), 1);
        CHECK_OK(ctx, maps_of(&t, kinds[k], MUCMM_BASELINE_MEAN, others, 2, rest));
        assert_true(is_nan_row(all + RAW));
        for (int j = 0; j < RAW; j++) {
            assert_true(fabsf(all[j] - rest[j]) <= 1e-5f * (1 + fabsf(rest[j])));
            assert_true(fabsf(all[2 * RAW + j] - rest[RAW + j]) <=
                        1e-5f * (1 + fabsf(rest[RAW + j])));
        }
    }
    heard[0] = '\0'; /* needs no gradient */
    CHECK_OK(ctx, maps_of(&t, MUCMM_MAP_PATTERN, MUCMM_BASELINE_MEAN, rows, 3, all));
    assert_string_equal(heard, "");
    for (int j = 0; j < 3 * RAW; j++)
        assert_true(isfinite(all[j]));
    close_two(&t);
}

static void test_what_is_not_finite_on_the_way_is_named(void **state)
{
    static const mucmm_map_kind kinds[] = {MUCMM_MAP_INTEGRATED_GRADIENTS, MUCMM_MAP_LCMV};
    const int64_t rows[] = {1, 2};
    two t = open_two("way.onnx", 1.2f, NAN, false);
    float maps[2 * RAW];

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        heard[0] = '\0';
        CHECK_OK(ctx, maps_of(&t, kinds[k], MUCMM_BASELINE_ZERO, rows, 2, maps));
        assert_true(is_nan_row(maps) && is_nan_row(maps + RAW));
        assert_int_equal(times("the network's numbers are, on the way to the input, not finite at "
                               "node "),
                         2);
        assert_int_equal(times("(Sqrt) of "), 2);
        heard[0] = '\0'; /* the mean is above 1, too */
        CHECK_OK(ctx, maps_of(&t, kinds[k], MUCMM_BASELINE_MEAN, rows, 2, maps));
        assert_int_equal(times("no map"), 0);
        assert_false(is_nan_row(maps));
    }
    close_two(&t);
}

static void test_zero_maps_are_told(void **state)
{
    const int64_t rows[] = {4, 0};
    two t = open_two("relu.onnx", 0, 0, false); /* no unit of row 0 is active */
    float maps[2 * RAW];

    (void)state;
    CHECK_OK(ctx, maps_of(&t, MUCMM_MAP_GRADIENT, MUCMM_BASELINE_MEAN, rows, 2, maps));
    assert_int_equal(times("maps of 1 of 2 samples are 0 everywhere (rows 0)"), 1);
    for (int j = 0; j < RAW; j++)
        assert_true(maps[RAW + j] == 0 && isfinite(maps[j]));
    close_two(&t);
}

/* ---- no row ------------------------------------------------------------------------ */

static void check_stopped(const char *name, const char *operator_name, bool alone)
{
    static const mucmm_map_kind kinds[] = {
        MUCMM_MAP_GRADIENT,   MUCMM_MAP_INPUT_X_GRADIENT,     MUCMM_MAP_PATTERN,
        MUCMM_MAP_SMOOTHGRAD, MUCMM_MAP_INTEGRATED_GRADIENTS, MUCMM_MAP_LCMV};
    const int64_t rows[] = {4, 9};
    two t = open_two(name, 0, NAN, alone);
    char words[64];
    float maps[2 * RAW];
    double worst;
    mucmm_coupling *c = NULL;

    snprintf(words, sizeof words, "(%s) of ", operator_name);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        mucmm_status status = maps_of(&t, kinds[k], MUCMM_BASELINE_MEAN, rows, 2, maps);
        if (kinds[k] == MUCMM_MAP_PATTERN)
            CHECK_OK(ctx, status);
        else
            check_message(ctx, status, MUCMM_EUNSUPPORTED, words);
    }
    check_message(ctx,
                  gradient_error_of(ctx, (explain_case){t.m, t.view, 2, 0, rows, 2, NULL}, &worst),
                  MUCMM_EUNSUPPORTED, words);
    check_message(ctx, mucmm_coupling_create(ctx, t.m, t.view, 2, 0, 1, rows, 2, NULL, &c),
                  MUCMM_EUNSUPPORTED, words);
    assert_null(c);
    close_two(&t);
}

static void test_nodes_that_let_no_gradient_pass_are_named(void **state)
{
    (void)state;
    check_stopped("quantized.onnx", "QuantizeLinear", false);
    check_stopped("dynamic.onnx", "DynamicQuantizeLinear", true);
    check_stopped("round.onnx", "Round", false);
    check_stopped("floor.onnx", "Floor", false);
    check_stopped("sign.onnx", "Sign", false);
    check_stopped("cast.onnx", "Cast", false);
}

static void test_rounding_beside_a_gradient_is_told(void **state)
{
    const int64_t rows[] = {4, 9};
    two t = open_two("partly.onnx", 0, NAN, false);
    float maps[2 * RAW];

    (void)state;
    CHECK_OK(ctx, maps_of(&t, MUCMM_MAP_GRADIENT, MUCMM_BASELINE_MEAN, rows, 2, maps));
    assert_int_equal(times("(QuantizeLinear) of "), 1);
    assert_int_equal(times("the maps leave out"), 1);
    close_two(&t);
}

/* ---- what is made of maps ---------------------------------------------------------- */

static mucmm_null *null_of(const two *t)
{
    mucmm_null *null = NULL;
    mucmm_null_params p;

    mucmm_null_params_init(&p);
    p.models = 3;
    CHECK_OK(ctx, mucmm_null_fit(ctx, t->m, MUCMM_HEADS, t->view, 2, &p, &null));
    return null;
}

static void check_findings(const two *t, const mucmm_null *null)
{
    const int64_t rows[] = {4, 0, 9}, others[] = {4, 9};
    mucmm_explanation *e[2] = {NULL, NULL};
    mucmm_findings *f[2] = {NULL, NULL};
    mucmm_explain_params p;
    mucmm_findings_params fp;
    char *text = NULL;

    mucmm_explain_params_init(&p);
    p.training = t->left;
    mucmm_findings_params_init(&fp);
    fp.null = null;
    fp.map = MUCMM_MAP_GRADIENT;
    for (int k = 0; k < 2; k++) {
        CHECK_OK(ctx, mucmm_explanation_create(ctx, t->m, t->view, 2, 0, k ? others : rows,
                                               k ? 2 : 3, &p, &e[k]));
        CHECK_OK(ctx, mucmm_findings_create(ctx, e[k], &fp, &f[k]));
    }
    const mucmm_finding *all = mucmm_findings_at(f[0], 0), *rest = mucmm_findings_at(f[1], 0);
    assert_true(is_nan_row(all->maps + RAW) && is_nan_row(all->p_values + RAW));
    assert_true(fabs(all->check.deletion.area - rest->check.deletion.area) < 1e-4);
    assert_true(fabs(all->check.random_heads.rho - rest->check.random_heads.rho) < 1e-6);
    assert_true(fabs(all->kept - rest->kept) < 1e-6);
    assert_true(isfinite(all->masked_deletion));
    CHECK_OK(ctx, mucmm_findings_text(ctx, f[0], &text));
    assert_null(strstr(text, "nan"));
    mucmm_text_free(text);
    for (int k = 0; k < 2; k++) {
        mucmm_findings_free(f[k]);
        mucmm_explanation_free(e[k]);
    }
}

static void check_display(const two *t, const mucmm_null *null)
{
    const int64_t rows[] = {4, 0, 9};
    mucmm_display_params dp;
    mucmm_explain_params p;
    mucmm_explanation *e = NULL;
    mucmm_display *d = NULL;
    mucmm_sheet *sheet = NULL;
    char path[3][160];
    const char *paths[] = {path[0], path[1], path[2]};

    mucmm_explain_params_init(&p);
    p.map = MUCMM_MAP_GRADIENT;
    mucmm_display_params_init(&dp);
    dp.null = null;
    dp.mask = .5;
    CHECK_OK(ctx, mucmm_explanation_create(ctx, t->m, t->view, 2, 0, rows, 3, &p, &e));
    CHECK_OK(ctx, mucmm_display_create(ctx, e, &dp, &d));
    assert_true(mucmm_display_scale(d) > 0 && isfinite(mucmm_display_scale(d)));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mucmm_display_has_map(d, i), i != 1);
        snprintf(path[i], sizeof path[i], "%s/map%d.png", folder, i);
    }
    assert_true(is_nan_row(mucmm_display_values(d) + RAW));
    CHECK_OK(ctx, mucmm_display_write(ctx, d, paths));
    assert_int_equal(access(path[0], F_OK), 0);
    assert_int_not_equal(access(path[1], F_OK), 0);
    assert_int_equal(access(path[2], F_OK), 0);
    check_message(ctx, mucmm_display_sheet(ctx, d, 1, &sheet), MUCMM_ENUMERIC, "sample 0");
    mucmm_display_free(d);
    mucmm_explanation_free(e);
}

static void check_coupling(const two *t, const mucmm_null *null)
{
    const int64_t rows[] = {1, 2};
    mucmm_coupling *c = NULL;
    mucmm_coupling_params p;
    char *text = NULL;

    mucmm_coupling_params_init(&p);
    p.baseline = MUCMM_BASELINE_ZERO;
    p.null = null;
    heard[0] = '\0';
    CHECK_OK(ctx, mucmm_coupling_create(ctx, t->m, t->view, 2, 0, 1, rows, 2, &p, &c));
    assert_int_equal(times("view 'left', row "), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mucmm_coupling_has_matrix(c, i), 0);
        assert_null(mucmm_coupling_file_end(c, i, MUCMM_COUPLING_SHEET));
        assert_non_null(mucmm_coupling_file_end(c, i, MUCMM_COUPLING_MATRIX));
        assert_true(isnan(mucmm_coupling_p_values(c, i)[0]));
    }
    CHECK_OK(ctx, mucmm_couplings_json(ctx, (const mucmm_coupling *const *)&c, 1, &text));
    assert_null(strstr(text, "nan"));
    mucmm_text_free(text);
    mucmm_coupling_free(c);
}

static void test_what_is_made_of_maps_leaves_out_those_that_are_none(void **state)
{
    two t = open_two("norm.onnx", 0, 0, false);
    mucmm_null *null = null_of(&t);

    (void)state;
    check_findings(&t, null);
    check_display(&t, null);
    mucmm_null_free(null);
    close_two(&t);
    t = open_two("way.onnx", 1.2f, NAN, false);
    null = null_of(&t);
    check_coupling(&t, null);
    mucmm_null_free(null);
    close_two(&t);
}

/* ---- features ---------------------------------------------------------------------- */

static void test_features_that_are_not_finite_name_row_and_node(void **state)
{
    two t = {0};
    mucmm_data *rows = NULL, *d = NULL;
    mucmm_encode_params p;

    (void)state;
    fill(&t, 1.2f);
    for (int64_t row = 40; row < 44; row++)
        t.x[row * RAW + 2] = row % 2 ? -1 : 0; /* no logarithm, and an infinite one */
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.x, ROWS, RAW, RAW}, "rows", NULL, 0, &rows));
    CHECK_OK(ctx, mucmm_source_wrap(ctx, rows, &t.source));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, "{\"kind\": \"features\", \"encoder\": \"log.onnx\"}",
                                     folder, &t.encoder));
    check_message(ctx, mucmm_data_encode(ctx, t.source, t.encoder, NULL, &d), MUCMM_ENUMERIC,
                  "row 40");
    assert_non_null(strstr(mucmm_ctx_message(ctx), "(Log) of "));
    mucmm_encode_params_init(&p);
    p.skip_bad = 1;
    p.cache = path_of("skipped.npy");
    for (int run = 0; run < 2; run++) { /* the second time out of the cache */
        heard[0] = '\0';
        CHECK_OK(ctx, mucmm_data_encode(ctx, t.source, t.encoder, &p, &d));
        assert_int_equal(mucmm_data_rows(d), ROWS - 4);
        assert_int_equal(times("left out: row 4"), 4);
        assert_int_equal(times("4 of 200 rows cannot be read"), 1);
        mucmm_data_free(d);
    }
    assert_int_equal(access(path_of("skipped.npy.skipped.tsv"), F_OK), 0);
    p.skip_bad = 0;
    p.cache = path_of("skipped.npy");
    check_message(ctx, mucmm_data_encode(ctx, t.source, t.encoder, &p, &d), MUCMM_ENUMERIC,
                  "row 40");
    mucmm_data_free(rows);
    close_two(&t);
}

/* Scaling by the largest number of the batch changes little between the first rows. */
static void test_rows_that_quantize_together_are_refused(void **state)
{
    two t = {0};
    mucmm_data *rows = NULL, *d = NULL;

    (void)state;
    fill(&t, 0);
    memcpy(t.x + RAW, t.x, RAW * sizeof *t.x);
    for (int64_t i = ROWS / 2 * RAW; i < ROWS * RAW; i++)
        t.x[i] *= 30;
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.x, ROWS, RAW, RAW}, "rows", NULL, 0, &rows));
    CHECK_OK(ctx, mucmm_source_wrap(ctx, rows, &t.source));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, "{\"kind\": \"features\", \"encoder\": \"dynamic.onnx\"}",
                                     folder, &t.encoder));
    check_message(ctx, mucmm_data_encode(ctx, t.source, t.encoder, NULL, &d), MUCMM_EUNSUPPORTED,
                  "of 8 rows together and alone");
    mucmm_data_free(rows);
    close_two(&t);
}

/* ---- memory ------------------------------------------------------------------------ */

static mucmm_status call_maps(mucmm_ctx *c, void *arg)
{
    const two *t = arg;
    const int64_t rows[] = {4, 0};
    float maps[2 * RAW];
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.map = MUCMM_MAP_GRADIENT;
    return mucmm_explain(c, t->m, t->view, 2, 0, rows, 2, &p, &(mucmm_mat){maps, 2, RAW, RAW},
                         NULL);
}

static void test_every_failed_allocation_is_reported(void **state)
{
    two t = open_two("norm.onnx", 0, 0, false);

    (void)state;
    CHECK_OK(ctx, call_maps(ctx, &t)); /* the network keeps its plans */
    assert_true(sweep_out_of_memory(call_maps, &t, 2000) > 20);
    close_two(&t);
}

static int set_up(void **state)
{
    mucmm_ctx_params p;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    p.log = hear;
    if (mucmm_ctx_create(&p, &ctx) != MUCMM_OK || !mkdtemp(folder))
        return -1;
    write_nets();
    return 0;
}

static int tear_down(void **state)
{
    char command[160];

    (void)state;
    mucmm_ctx_free(ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_row_without_a_gradient_leaves_the_others),
        cmocka_unit_test(test_what_is_not_finite_on_the_way_is_named),
        cmocka_unit_test(test_zero_maps_are_told),
        cmocka_unit_test(test_nodes_that_let_no_gradient_pass_are_named),
        cmocka_unit_test(test_rounding_beside_a_gradient_is_told),
        cmocka_unit_test(test_what_is_made_of_maps_leaves_out_those_that_are_none),
        cmocka_unit_test(test_features_that_are_not_finite_name_row_and_node),
        cmocka_unit_test(test_rows_that_quantize_together_are_refused),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("faults", tests, set_up, tear_down);
}
