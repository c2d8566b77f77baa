/* SPDX-License-Identifier: MIT
 *
 * Every struct with a size, as callers of older and newer headers have it: in front of a page that
 * may not be touched, and, where the library only reads, on a page that may not be written. */
#include "onnx_builder.h"
#include "workspace.h"

#include <ctype.h>
#include <sys/mman.h>

/* ---- what the functions are called with -------------------------------------------- */

#define N_ROWS 60
#define N_SAMPLES 256

static problem q;
static mucmm_model *model;
static mucmm_null *null_models;
static mucmm_graph *graph;
static mucmm_source *source;
static mucmm_encoder *encoder;
static mucmm_study *study;
static const int64_t some_rows[2] = {1, 5};
static float maps[2 * 9], samples[N_SAMPLES], cells[512 * 240];

/* What a size leaves out of a struct: is the field there? */
#define HAS(type, p, field)                                                                        \
    (((const type *)(p))->struct_size >= offsetof(type, field) + sizeof((const type *)(p))->field)
#define SET(type, p, field, value)                                                                 \
    do {                                                                                           \
        if (HAS(type, p, field))                                                                   \
            ((type *)(p))->field = (value);                                                        \
    } while (0)

static mucmm_mat map_cells(void)
{
    return (mucmm_mat){maps, 2, q.p[0], q.p[0]};
}

/* ---- a struct: how it is set up, what is set before a call, who takes it ----------- */

typedef struct use {
    const char *function;
    mucmm_status (*call)(void *p);
} use;

#define MAX_USES 12

typedef struct sized {
    const char *name;
    size_t size, align;
    void (*init)(void *p, size_t size);
    void (*set)(void *p); /* what a call needs, as far as the size has room for it; or NULL */
    bool result;          /* the functions write it */
    use uses[MAX_USES];
} sized;

#define INIT(type)                                                                                 \
    static void init_##type(void *p, size_t size)                                                  \
    {                                                                                              \
        type##_init_sized(p, size);                                                                \
    }

INIT(mucmm_ctx_params)
INIT(mucmm_data_params)
INIT(mucmm_array)
INIT(mucmm_table_params)
INIT(mucmm_loadings_params)
INIT(mucmm_match_params)
INIT(mucmm_relate_params)
INIT(mucmm_fit_params)
INIT(mucmm_score_params)
INIT(mucmm_report_params)
INIT(mucmm_explain_params)
INIT(mucmm_null_params)
INIT(mucmm_map_check)
INIT(mucmm_map_check_params)
INIT(mucmm_findings_params)
INIT(mucmm_parts_params)
INIT(mucmm_sheet_params)
INIT(mucmm_display_params)
INIT(mucmm_coupling_params)
INIT(mucmm_coupling_sums)
INIT(mucmm_node_info)
INIT(mucmm_op_info)
INIT(mucmm_run_params)
INIT(mucmm_encoder_callbacks)
INIT(mucmm_encode_params)
INIT(mucmm_study_params)
INIT(mucmm_bench_train_params)

static void init_mucmm_mel_params(void *p, size_t size)
{
    mucmm_mel_params_init_sized(p, size, 8000, N_SAMPLES);
}

static mucmm_status use_ctx_create(void *p)
{
    mucmm_ctx *c = NULL;
    mucmm_status status = mucmm_ctx_create(p, &c);

    mucmm_ctx_free(c);
    return status;
}

static mucmm_status use_data_open(void *p)
{
    mucmm_data *d = NULL;
    mucmm_status status = mucmm_data_open(ctx, in_folder("t.csv"), p, &d);

    mucmm_data_free(d);
    return status;
}

static void set_array(void *p)
{
    SET(mucmm_array, p, data, samples);
    SET(mucmm_array, p, rows, 4);
    SET(mucmm_array, p, cols, 3);
}

static mucmm_status use_data_adopt(void *p)
{
    mucmm_data *d = NULL;
    mucmm_status status = mucmm_data_adopt(ctx, p, &d);

    mucmm_data_free(d);
    return status;
}

static mucmm_status use_table_open(void *p)
{
    mucmm_table *t = NULL;
    mucmm_status status = mucmm_table_open(ctx, in_folder("t.csv"), p, &t);

    mucmm_table_free(t);
    return status;
}

static mucmm_status use_table_open_memory(void *p)
{
    mucmm_table *t = NULL;
    mucmm_status status = mucmm_table_open_memory(ctx, "a\n1\n", 4, NULL, p, &t);

    mucmm_table_free(t);
    return status;
}

static mucmm_status use_matches(void *p)
{
    mucmm_matches *x = NULL;
    mucmm_status status = mucmm_matches_create(ctx, model, &q.view[0], &q.view[1], p, &x);

    mucmm_matches_free(x);
    return status;
}

static mucmm_status use_loadings(void *p)
{
    mucmm_loadings *l = NULL;
    mucmm_status status = mucmm_loadings_create(ctx, model, NULL, 0, p, &l);

    mucmm_loadings_free(l);
    return status;
}

static mucmm_status use_relate(void *p)
{
    char text[8 * N_ROWS + 8], *at = text + sprintf(text, "a\n");
    mucmm_table *t = NULL;
    mucmm_relate *r = NULL;
    mucmm_status status;

    for (int i = 0; i < N_ROWS; i++)
        at += sprintf(at, "%d\n", i % 7);
    CHECK_OK(ctx, mucmm_table_open_memory(ctx, text, strlen(text), NULL, NULL, &t));
    status = mucmm_relate_create(ctx, model, q.view, 2, t, p, &r);
    mucmm_relate_free(r);
    mucmm_table_free(t);
    return status;
}

static mucmm_status use_views_open(void *p)
{
    const char *const names[] = {"left", "right"};
    const char *const paths[] = {in_folder("t.csv"), in_folder("t.csv")};
    mucmm_views *v = NULL;
    mucmm_status status = mucmm_views_open(ctx, names, paths, 2, p, &v);

    mucmm_views_free(v);
    return status;
}

static void set_fit(void *p)
{
    SET(mucmm_fit_params, p, head, MUCMM_HEAD_LINEAR);
    SET(mucmm_fit_params, p, common, 1);
    SET(mucmm_fit_params, p, individual, 1);
}

static mucmm_status use_fit(void *p)
{
    mucmm_model *m = NULL;
    mucmm_status status = mucmm_fit(ctx, q.view, 2, p, &m);

    mucmm_model_free(m);
    return status;
}

static mucmm_status use_score(void *p)
{
    mucmm_scores *s = NULL;
    mucmm_status status = mucmm_score(ctx, model, q.view, 2, p, &s);

    mucmm_scores_free(s);
    return status;
}

static mucmm_status use_explain(void *p)
{
    mucmm_mat out = map_cells();

    return mucmm_explain(ctx, model, q.view, 2, 0, some_rows, 2, p, &out, NULL);
}

static mucmm_status use_explanation_create(void *p)
{
    mucmm_explanation *e = NULL;
    mucmm_status status = mucmm_explanation_create(ctx, model, q.view, 2, 0, some_rows, 2, p, &e);

    mucmm_explanation_free(e);
    return status;
}

static mucmm_status use_explanation_remap(void *p)
{
    mucmm_explanation *e = NULL;
    mucmm_status status;

    CHECK_OK(ctx, mucmm_explanation_create(ctx, model, q.view, 2, 0, some_rows, 2, NULL, &e));
    status = mucmm_explanation_remap(ctx, e, p);
    mucmm_explanation_free(e);
    return status;
}

static mucmm_status use_explain_defaults(void *p)
{
    mucmm_explain_params out;

    mucmm_explain_params_init(&out);
    return mucmm_explain_defaults(ctx, q.data[0], p, &out);
}

static mucmm_status use_explain_defaults_in_place(void *p)
{
    return mucmm_explain_defaults(ctx, q.data[0], p, p);
}

static mucmm_status use_takes_training(void *p)
{
    return mucmm_explain_takes_training(model, 0, q.data[0], p) < 0 ? MUCMM_EARG : MUCMM_OK;
}

static mucmm_status check_maps(const mucmm_map_check_params *c, mucmm_map_check *out)
{
    mucmm_explanation *e = NULL;
    mucmm_status status;

    CHECK_OK(ctx, mucmm_explanation_create(ctx, model, q.view, 2, 0, some_rows, 2, NULL, &e));
    status = mucmm_explanation_check(ctx, e, c, out);
    mucmm_explanation_free(e);
    return status;
}

static mucmm_status use_findings_create(void *p)
{
    mucmm_explanation *e = NULL;
    mucmm_findings *f = NULL;
    mucmm_status status;

    CHECK_OK(ctx, mucmm_explanation_create(ctx, model, q.view, 2, 0, some_rows, 2, NULL, &e));
    status = mucmm_findings_create(ctx, e, p, &f);
    mucmm_findings_free(f);
    mucmm_explanation_free(e);
    return status;
}

static mucmm_status use_parts_create(void *p)
{
    mucmm_parts *parts = NULL;
    mucmm_status status = mucmm_parts_create(ctx, model, q.view, 2, 0, some_rows, 2, p, &parts);

    mucmm_parts_free(parts);
    return status;
}

static mucmm_status use_check_maps(void *p)
{
    mucmm_map_check out;

    mucmm_map_check_init(&out);
    return check_maps(p, &out);
}

static mucmm_status use_check_maps_result(void *p)
{
    return check_maps(NULL, p);
}

static void set_null(void *p)
{
    SET(mucmm_null_params, p, models, 2);
}

static mucmm_status use_null_fit(void *p)
{
    mucmm_null *n = NULL;
    mucmm_status status = mucmm_null_fit(ctx, model, MUCMM_LINEAR, q.view, 2, p, &n);

    mucmm_null_free(n);
    return status;
}

static void set_sheet(void *p)
{
    SET(mucmm_sheet_params, p, height, 8);
    SET(mucmm_sheet_params, p, width, 8);
}

static mucmm_status use_sheet_create(void *p)
{
    mucmm_sheet *s = NULL;
    mucmm_status status = mucmm_sheet_create(ctx, p, &s);

    mucmm_sheet_free(s);
    return status;
}

static mucmm_status use_display_of_values(void *p)
{
    const mucmm_cmat values = {maps, 2, q.p[0], q.p[0]};
    mucmm_display *d = NULL;
    mucmm_status status = mucmm_display_of_values(ctx, q.view[0].data, some_rows, 2,
                                                  MUCMM_MAP_PATTERN, &values, NULL, p, &d);

    mucmm_display_free(d);
    return status;
}

static mucmm_status use_display_of_parts(void *p)
{
    mucmm_parts *parts = NULL;
    mucmm_display *d = NULL;

    CHECK_OK(ctx, mucmm_parts_create(ctx, model, q.view, 2, 0, some_rows, 2, NULL, &parts));
    mucmm_status status = mucmm_display_of_parts(ctx, parts, p, &d);
    mucmm_parts_free(parts);
    mucmm_display_free(d);
    return status;
}

static mucmm_status use_coupling_create(void *p)
{
    mucmm_coupling *c = NULL;
    mucmm_status status = mucmm_coupling_create(ctx, model, q.view, 2, 0, 1, some_rows, 2, p, &c);

    mucmm_coupling_free(c);
    return status;
}

static mucmm_status use_coupling_takes_training(void *p)
{
    return mucmm_coupling_takes_training(model, 0, q.data[0], p) < 0 ? MUCMM_EARG : MUCMM_OK;
}

static mucmm_status use_coupling_check(void *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm_coupling *c = NULL;

    TRY(mucmm_coupling_create(ctx, model, q.view, 2, 0, 1, some_rows, 2, NULL, &c));
    TRY(mucmm_coupling_check(ctx, c, p));
done:
    mucmm_coupling_free(c);
    return status;
}

static mucmm_status use_display_create(void *p)
{
    mucmm_explanation *e = NULL;
    mucmm_display *d = NULL;

    CHECK_OK(ctx, mucmm_explanation_create(ctx, model, q.view, 2, 0, some_rows, 2, NULL, &e));
    mucmm_status status = mucmm_display_create(ctx, e, p, &d);
    mucmm_explanation_free(e);
    mucmm_display_free(d);
    return status;
}

/* Frames and hertz have no status: 0 and NaN are a refusal. */
static mucmm_status use_mel_frames(void *p)
{
    return mucmm_mel_frames(p, N_SAMPLES) > 0 ? MUCMM_OK : MUCMM_EARG;
}

static mucmm_status use_mel_hertz(void *p)
{
    return mucmm_mel_hertz(p, 1) > 0 ? MUCMM_OK : MUCMM_EARG;
}

static mucmm_mat mel_cells(const void *p)
{
    int64_t frames = mucmm_mel_frames(p, N_SAMPLES);

    return (mucmm_mat){cells, 48, frames, frames};
}

static mucmm_status use_mel_power(void *p)
{
    mucmm_mat out = mel_cells(p);

    return mucmm_mel_power(ctx, p, samples, N_SAMPLES, &out);
}

static mucmm_status use_mel_map(void *p)
{
    mucmm_mat out = mel_cells(p);

    return mucmm_mel_map(ctx, p, samples, samples, N_SAMPLES, &out);
}

static mucmm_status use_graph_node(void *p)
{
    return mucmm_graph_node(graph, 0, p) ? MUCMM_OK : MUCMM_EARG;
}

static mucmm_status use_op(void *p)
{
    return mucmm_op(3, p) ? MUCMM_OK : MUCMM_EARG;
}

static mucmm_named_tensor graph_input(void)
{
    return (mucmm_named_tensor){"x", {MUCMM_F32, 2, {2, 3}, samples}};
}

static mucmm_status use_graph_run(void *p)
{
    mucmm_named_tensor in = graph_input();
    mucmm_run *r = NULL;
    mucmm_status status = mucmm_graph_run(ctx, graph, &in, 1, p, &r);

    mucmm_run_free(r);
    return status;
}

static mucmm_status use_bench_graph(void *p)
{
    mucmm_named_tensor in = graph_input();
    double forward;

    return mucmm_bench_graph(ctx, graph, &in, 1, p, 1, &forward, NULL);
}

static mucmm_status use_graph_memory(void *p)
{
    mucmm_named_tensor in = graph_input();
    uint64_t memory;

    return mucmm_graph_memory(ctx, graph, &in, 1, p, &memory);
}

static int copy_forward(void *user, int64_t n, const float *raw, float *features)
{
    (void)user;
    for (int64_t i = 0; i < n; i++)
        memcpy(features + 2 * i, raw + q.p[0] * i, 2 * sizeof *raw);
    return 0;
}

static void set_callbacks(void *p)
{
    static const int64_t shape[MUCMM_MAX_RANK] = {2};

    SET(mucmm_encoder_callbacks, p, name, "copy");
    SET(mucmm_encoder_callbacks, p, rank, 1);
    if (HAS(mucmm_encoder_callbacks, p, shape))
        memcpy(((mucmm_encoder_callbacks *)p)->shape, shape, sizeof shape);
    SET(mucmm_encoder_callbacks, p, forward, copy_forward);
}

static mucmm_status use_encoder_wrap(void *p)
{
    mucmm_encoder *e = NULL;
    mucmm_status status = mucmm_encoder_wrap(ctx, p, &e);

    mucmm_encoder_free(e);
    return status;
}

static mucmm_status use_data_encode(void *p)
{
    mucmm_data *d = NULL;
    mucmm_status status = mucmm_data_encode(ctx, source, encoder, p, &d);

    mucmm_data_free(d);
    return status;
}

static void set_study(void *p)
{
    SET(mucmm_study_params, p, cache, folder);
}

static mucmm_status use_study_encode(void *p)
{
    return mucmm_study_encode(ctx, study, p);
}

static void set_bench(void *p)
{
    SET(mucmm_bench_train_params, p, features, 8);
    SET(mucmm_bench_train_params, p, common, 2);
    SET(mucmm_bench_train_params, p, batch, 60);
    SET(mucmm_bench_train_params, p, steps, 1);
    SET(mucmm_bench_train_params, p, n_hidden, 1);
}

/* The defaults are a benchmark, and would take their time: a short struct meets too little memory.
 */
static mucmm_status use_bench_train(void *p)
{
    mucmm_ctx_params cp;
    mucmm_ctx *c = NULL;
    double rows, gflops;
    mucmm_status status;

    mucmm_ctx_params_init(&cp);
    cp.threads = 1;
    cp.max_alloc = HAS(mucmm_bench_train_params, p, n_hidden) ? 0 : 4096;
    assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
    status = mucmm_bench_train(c, p, &rows, &gflops);
    mucmm_ctx_free(c);
    return status == MUCMM_ENOMEM ? MUCMM_OK : status;
}

/* A whole page takes its time: of a struct that has the field, its first section. */
static void set_report(void *p)
{
    SET(mucmm_report_params, p, shown, 1);
    SET(mucmm_report_params, p, sections, MUCMM_SECTION_SHORT);
}

static mucmm_status use_report_add(void *p)
{
    mucmm_views *views = NULL;
    mucmm_scores *scores = NULL;
    mucmm_report *r = NULL;
    mucmm_score_params sp;
    mucmm_status status;

    mucmm_score_params_init(&sp);
    sp.permutations = 0;
    CHECK_OK(ctx, mucmm_views_create(ctx, q.view, q.n_views, &views));
    CHECK_OK(ctx, mucmm_score(ctx, model, q.view, q.n_views, &sp, &scores));
    CHECK_OK(ctx, mucmm_report_create(ctx, "", &r));
    status = mucmm_report_add(ctx, r, model, views, scores, p);
    mucmm_report_free(r);
    mucmm_scores_free(scores);
    mucmm_views_free(views);
    return status;
}

static mucmm_status use_model_report(void *p)
{
    mucmm_views *views = NULL;
    mucmm_status status;

    CHECK_OK(ctx, mucmm_views_create(ctx, q.view, q.n_views, &views));
    status = mucmm_model_report(ctx, model, views, p, in_folder("page.html"));
    unlink(in_folder("page.html"));
    mucmm_views_free(views);
    return status;
}

#define SIZED(type, set, result, ...)                                                              \
    {                                                                                              \
#type, sizeof(type), _Alignof(type), init_##type, set, result,                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define TAKES false
#define GIVES true

/* Every struct of mucmm.h that has a struct_size, and every function that takes it. */
static const sized all[] = {
    SIZED(mucmm_ctx_params, NULL, TAKES, {"mucmm_ctx_create", use_ctx_create}),
    SIZED(mucmm_data_params, NULL, TAKES, {"mucmm_data_open", use_data_open},
          {"mucmm_views_open", use_views_open}),
    SIZED(mucmm_array, set_array, TAKES, {"mucmm_data_adopt", use_data_adopt}),
    SIZED(mucmm_table_params, NULL, TAKES, {"mucmm_table_open", use_table_open},
          {"mucmm_table_open_memory", use_table_open_memory}),
    SIZED(mucmm_match_params, NULL, TAKES, {"mucmm_matches_create", use_matches}),
    SIZED(mucmm_loadings_params, NULL, TAKES, {"mucmm_loadings_create", use_loadings}),
    SIZED(mucmm_relate_params, NULL, TAKES, {"mucmm_relate_create", use_relate}),
    SIZED(mucmm_fit_params, set_fit, TAKES, {"mucmm_fit", use_fit}),
    SIZED(mucmm_score_params, NULL, TAKES, {"mucmm_score", use_score}),
    SIZED(mucmm_explain_params, NULL, TAKES, {"mucmm_explain", use_explain},
          {"mucmm_explanation_create", use_explanation_create},
          {"mucmm_explanation_remap", use_explanation_remap},
          {"mucmm_explain_defaults", use_explain_defaults},
          {"mucmm_explain_defaults", use_explain_defaults_in_place},
          {"mucmm_explain_takes_training", use_takes_training}),
    SIZED(mucmm_null_params, set_null, TAKES, {"mucmm_null_fit", use_null_fit}),
    SIZED(mucmm_map_check, NULL, GIVES, {"mucmm_explanation_check", use_check_maps_result}),
    SIZED(mucmm_map_check_params, NULL, TAKES, {"mucmm_explanation_check", use_check_maps}),
    SIZED(mucmm_findings_params, NULL, TAKES, {"mucmm_findings_create", use_findings_create}),
    SIZED(mucmm_parts_params, NULL, TAKES, {"mucmm_parts_create", use_parts_create}),
    SIZED(mucmm_sheet_params, set_sheet, TAKES, {"mucmm_sheet_create", use_sheet_create}),
    SIZED(mucmm_coupling_params, NULL, TAKES, {"mucmm_coupling_create", use_coupling_create},
          {"mucmm_coupling_takes_training", use_coupling_takes_training}),
    SIZED(mucmm_coupling_sums, NULL, GIVES, {"mucmm_coupling_check", use_coupling_check}),
    SIZED(mucmm_display_params, NULL, TAKES, {"mucmm_display_create", use_display_create},
          {"mucmm_display_of_values", use_display_of_values},
          {"mucmm_display_of_parts", use_display_of_parts}),
    SIZED(mucmm_mel_params, NULL, TAKES, {"mucmm_mel_frames", use_mel_frames},
          {"mucmm_mel_hertz", use_mel_hertz}, {"mucmm_mel_power", use_mel_power},
          {"mucmm_mel_map", use_mel_map}),
    SIZED(mucmm_report_params, set_report, TAKES, {"mucmm_report_add", use_report_add},
          {"mucmm_model_report", use_model_report}),
    SIZED(mucmm_node_info, NULL, GIVES, {"mucmm_graph_node", use_graph_node}),
    SIZED(mucmm_op_info, NULL, GIVES, {"mucmm_op", use_op}),
    SIZED(mucmm_run_params, NULL, TAKES, {"mucmm_graph_run", use_graph_run},
          {"mucmm_graph_memory", use_graph_memory}, {"mucmm_bench_graph", use_bench_graph}),
    SIZED(mucmm_encoder_callbacks, set_callbacks, TAKES, {"mucmm_encoder_wrap", use_encoder_wrap}),
    SIZED(mucmm_encode_params, NULL, TAKES, {"mucmm_data_encode", use_data_encode}),
    SIZED(mucmm_study_params, set_study, TAKES, {"mucmm_study_encode", use_study_encode}),
    SIZED(mucmm_bench_train_params, set_bench, TAKES, {"mucmm_bench_train", use_bench_train}),
};
static const size_t n_all = sizeof all / sizeof *all;

/* ---- the table is whole ------------------------------------------------------------ */

static const sized *find_struct(const char *name, size_t length)
{
    for (size_t i = 0; i < n_all; i++)
        if (strlen(all[i].name) == length && strncmp(all[i].name, name, length) == 0)
            return &all[i];
    return NULL;
}

static bool has_use(const sized *s, const char *function, size_t length)
{
    for (int i = 0; i < MAX_USES && s->uses[i].function; i++)
        if (strlen(s->uses[i].function) == length &&
            strncmp(s->uses[i].function, function, length) == 0)
            return true;
    return false;
}

static char *read_header(void)
{
    FILE *f = fopen("include/mucmm.h", "rb");
    char *text = calloc(1, 1 << 20);

    if (!f)
        fail_msg("include/mucmm.h is not there: run from the root of the sources");
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 1000);
    fclose(f);
    return text;
}

static void test_every_struct_with_a_size_is_in_the_table(void **state)
{
    static const char start[] = "typedef struct ", field[] = "{\n    uint32_t struct_size;";
    char *text = read_header();
    size_t found = 0;

    (void)state;
    for (const char *at = text; (at = strstr(at, start));) {
        size_t length = strcspn(at += sizeof start - 1, " {;");
        if (strncmp(at + length + 1, field, sizeof field - 1) != 0)
            continue;
        found++;
        if (!find_struct(at, length))
            fail_msg("%.*s is not in the table of this test", (int)length, at);
    }
    assert_int_equal(found, n_all);
    free(text);
}

/* Of every declaration of a function (MUCMM_API ... ;) each "NAME *" among its parameters. */
static void test_every_function_that_takes_one_is_in_the_table(void **state)
{
    char *text = read_header();
    int found = 0, listed = 0;

    (void)state;
    for (char *at = text; (at = strstr(at, "\nMUCMM_API "));) {
        char *open = strchr(at + 1, '('), *end = strchr(open, ';'), *name = open;
        while (isalnum((unsigned char)name[-1]) || name[-1] == '_')
            name--;
        for (char *p = open; p < end; p++) {
            size_t length = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789_");
            const sized *s = find_struct(p, length);
            if (length > 0 && s && p[length] == ' ' && p[length + 1] == '*' &&
                !memmem(name, (size_t)(open - name), "_init_sized", 11)) {
                found++;
                if (!has_use(s, name, (size_t)(open - name)))
                    fail_msg("%.*s takes %s and is not in the table of this test",
                             (int)(open - name), name, s->name);
            }
            p += length ? length - 1 : 0;
        }
        at = end;
    }
    for (size_t i = 0; i < n_all; i++)
        for (int u = 0; u < MAX_USES && all[i].uses[u].function; u++)
            listed++;
    assert_int_equal(found, listed);
    free(text);
}

/* ---- a struct in front of the end of memory ---------------------------------------- */

typedef struct edge {
    char *pages;
    size_t page;
} edge;

static edge new_edge(void)
{
    edge e = {.page = (size_t)sysconf(_SC_PAGESIZE)};

    e.pages = mmap(NULL, 2 * e.page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(e.pages != MAP_FAILED);
    assert_int_equal(mprotect(e.pages + e.page, e.page, PROT_NONE), 0);
    memset(e.pages, 0xa5, e.page);
    return e;
}

static void *at_edge(const edge *e, size_t size)
{
    return e->pages + e->page - size;
}

static void read_only(const edge *e, bool on)
{
    assert_int_equal(mprotect(e->pages, e->page, on ? PROT_READ : PROT_READ | PROT_WRITE), 0);
}

static void drop_edge(edge *e)
{
    munmap(e->pages, 2 * e->page);
}

/* Sizes that a struct with fewer fields at its end can have. */
static size_t smallest(const sized *s)
{
    return s->align;
}

static void test_init_writes_what_the_caller_has(void **state)
{
    unsigned char whole[4096];

    (void)state;
    for (size_t i = 0; i < n_all; i++)
        for (size_t size = smallest(&all[i]); size <= all[i].size + 32; size += all[i].align) {
            edge e = new_edge();
            unsigned char *p = at_edge(&e, size);
            uint32_t told;
            all[i].init(whole, all[i].size);
            all[i].init(p, size);
            memcpy(&told, p, sizeof told);
            if (told != size)
                fail_msg("%s of %zu bytes: struct_size is %u", all[i].name, size, told);
            assert_int_equal(p[-1], 0xa5);
            for (size_t b = sizeof told; b < size; b++)
                if (p[b] != (b < all[i].size ? whole[b] : 0))
                    fail_msg("%s of %zu bytes: byte %zu is not the default", all[i].name, size, b);
            drop_edge(&e);
        }
}

/* One call of a struct of that size; its bytes afterwards, if they are a result. */
static mucmm_status call(const sized *s, const use *u, size_t size, uint32_t told,
                         unsigned char last, unsigned char *after)
{
    edge e = new_edge();
    unsigned char *p = at_edge(&e, size);
    mucmm_status status;

    s->init(p, size);
    if (s->set)
        s->set(p);
    memcpy(p, &told, sizeof told);
    if (size > s->size)
        p[size - 1] = last;
    if (!s->result && u->call != use_explain_defaults_in_place)
        read_only(&e, true);
    status = u->call(p);
    read_only(&e, false);
    if (after)
        memcpy(after, p, size);
    drop_edge(&e);
    return status;
}

static void test_every_older_size_is_taken(void **state)
{
    unsigned char whole[4096], part[4096];

    (void)state;
    for (size_t i = 0; i < n_all; i++)
        for (const use *u = all[i].uses; u->function; u++) {
            const sized *s = &all[i];
            mucmm_status status = call(s, u, s->size, (uint32_t)s->size, 0, whole);
            if (status != MUCMM_OK)
                fail_msg("%s with %s: %s", u->function, s->name, mucmm_ctx_message(ctx));
            for (size_t size = smallest(s); size < s->size; size += s->align) {
                status = call(s, u, size, (uint32_t)size, 0, part);
                /* refused is only what lacks a field that must be set */
                if (status != MUCMM_OK && (status != MUCMM_EARG || s->result))
                    fail_msg("%s with %s of %zu bytes: %s", u->function, s->name, size,
                             mucmm_ctx_message(ctx));
                if (s->result)
                    assert_memory_equal(part + 4, whole + 4, size - 4);
            }
        }
}

/* A newer header's struct: as long as what this library does not know is not set. */
static void test_newer_sizes_are_taken_unless_they_ask_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_all; i++)
        for (const use *u = all[i].uses; u->function; u++) {
            const sized *s = &all[i];
            size_t size = s->size + 16;
            if (call(s, u, size, (uint32_t)size, 0, NULL) != MUCMM_OK)
                fail_msg("%s with a newer %s: %s", u->function, s->name, mucmm_ctx_message(ctx));
            if (!s->result && call(s, u, size, (uint32_t)size, 1, NULL) != MUCMM_EARG)
                fail_msg("%s takes a %s with an unknown field", u->function, s->name);
            if (call(s, u, s->size, 0, 0, NULL) != MUCMM_EARG)
                fail_msg("%s takes a %s that no init has seen", u->function, s->name);
        }
}

/* ---- main -------------------------------------------------------------------------- */

static void make_study(void)
{
    static const char table[] = "a,b\n1,2\n2,3\n4,4\n5,1\n";
    static const char text[] = "{\"views\": {\"one\": {\"kind\": \"table\", \"file\": \"t.csv\"}, "
                               "\"two\": {\"kind\": \"table\", \"file\": \"t.csv\"}}}";

    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("t.csv"), table, strlen(table)));
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("s.json"), text, strlen(text)));
    CHECK_OK(ctx, mucmm_study_load(ctx, in_folder("s.json"), &study));
}

static int set_up_all(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_encoder_callbacks c;
    mucmm_null_params np;
    net n = net_new(13);

    if (set_up(state) != 0)
        return -1;
    q = new_problem(ctx, 2, N_ROWS, false, 3);
    model = fit(ctx, &q, &p);
    mucmm_null_params_init(&np);
    np.models = 2;
    CHECK_OK(ctx, mucmm_null_fit(ctx, model, MUCMM_LINEAR, q.view, 2, &np, &null_models));
    net_input(&n, "x", MUCMM_F32, "2x3");
    net_node(&n, "Relu", "x", "y", "");
    net_output(&n, "y");
    graph = net_load(ctx, &n);
    net_drop(&n);
    for (int i = 0; i < N_SAMPLES; i++)
        samples[i] = (float)sin(i);
    mucmm_encoder_callbacks_init(&c);
    set_callbacks(&c);
    CHECK_OK(ctx, mucmm_source_wrap(ctx, q.data[0], &source));
    CHECK_OK(ctx, mucmm_encoder_wrap(ctx, &c, &encoder));
    make_study();
    return 0;
}

static int tear_down_all(void **state)
{
    mucmm_study_free(study);
    mucmm_encoder_free(encoder);
    mucmm_source_free(source);
    mucmm_graph_free(graph);
    mucmm_null_free(null_models);
    mucmm_model_free(model);
    drop_problem(&q);
    return tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_struct_with_a_size_is_in_the_table),
        cmocka_unit_test(test_every_function_that_takes_one_is_in_the_table),
        cmocka_unit_test(test_init_writes_what_the_caller_has),
        cmocka_unit_test(test_every_older_size_is_taken),
        cmocka_unit_test(test_newer_sizes_are_taken_unless_they_ask_for_more),
    };
    return cmocka_run_group_tests_name("params", tests, set_up_all, tear_down_all);
}
