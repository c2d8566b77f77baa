/* SPDX-License-Identifier: MIT
 *
 * fuzz_model.c - changed model files; what still loads is used: transform, score, predict, explain,
 * check and save. */
#include "edits.h"

#define N_MODELS 3

static uint8_t *models[N_MODELS];
static size_t sizes[N_MODELS];

/* A closed form of three views, trained heads, and heads in stages with all that a file can hold.
 */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (int i = 0; i < N_MODELS; i++) {
        mucmm_ctx *ctx = fuzz_ctx();
        mucmm_data *data[3] = {NULL, NULL, NULL};
        mucmm_view view[3];
        int32_t n_views = i == 0 ? 3 : 2;
        mucmm_fit_params p = tiny_fit(i == 0 ? MUCMM_HEAD_LINEAR : MUCMM_HEAD_MLP);
        mucmm_model *m = NULL;
        const char *path;

        make_views(ctx, n_views, data, view);
        p.bootstrap = i == 0 ? 5 : 0;
        p.restarts = i == 1 ? 1 : 0;
        p.stages = i == 2 ? 2 : 1;
        FUZZ_OK(ctx, mucmm_fit(ctx, view, n_views, &p, &m));
        path = "/tmp/mucmm-fuzz-model";
        FUZZ_OK(ctx, mucmm_model_save(ctx, m, path));
        models[i] = file_bytes(path, &sizes[i]);
        unlink(path);
        mucmm_model_free(m);
        for (int v = 0; v < 3; v++)
            mucmm_data_free(data[v]);
        mucmm_ctx_free(ctx);
    }
    return 0;
}

static void ask(const mucmm_model *m)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t n = mucmm_model_views(m);

    FUZZ_REQUIRE(n >= 2 && n <= MUCMM_MAX_VIEWS && mucmm_model_common(m) >= 1);
    FUZZ_REQUIRE(mucmm_model_json(m) != NULL);
    for (int32_t v = 0; v < n; v++) {
        FUZZ_REQUIRE(mucmm_model_view_index(m, mucmm_model_view_name(m, v)) == v);
        FUZZ_REQUIRE(mucmm_model_view_cols(m, v) >= 1);
        FUZZ_REQUIRE(mucmm_model_view_shape(m, v, shape) <= MUCMM_MAX_RANK);
        mucmm_model_training_rows(m, v);
    }
    for (int i = 0; i < 4; i++) {
        const mucmm_summary *s = mucmm_model_summary(m, (mucmm_rows)(i / 2), i % 2);
        const mucmm_stability *t = mucmm_model_stability(m, i % 2);
        FUZZ_REQUIRE(!s || s->components == mucmm_model_common(m));
        FUZZ_REQUIRE(!t || t->components == mucmm_model_common(m));
    }
}

/* What there is as a text is whole. */
static void take_text(mucmm_status status, char *text)
{
    FUZZ_REQUIRE((status == MUCMM_OK) == (text != NULL));
    FUZZ_REQUIRE(!text || strlen(text) > 0);
    mucmm_text_free(text);
}

static void tell_scores(mucmm_ctx *ctx, const mucmm_scores *s)
{
    char *text = NULL;
    mucmm_status status = mucmm_scores_csv(ctx, s, NULL, &text);

    take_text(status, text);
    status = mucmm_scores_json(ctx, s, &text);
    take_text(status, text);
}

static void tell_model(mucmm_ctx *ctx, const mucmm_model *m)
{
    char note[MUCMM_NOTE_SIZE], *text = NULL;
    mucmm_status status = mucmm_model_results_json(ctx, m, &text);

    take_text(status, text);
    FUZZ_REQUIRE(mucmm_model_about(m)->views == mucmm_model_views(m));
    FUZZ_REQUIRE(strlen(mucmm_model_held_out_note(m, note, sizeof note)) < sizeof note);
    FUZZ_REQUIRE(strlen(mucmm_model_closed_form_note(m, "x", note, sizeof note)) < sizeof note);
}

static void explain_all(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *view, int32_t n)
{
    static float maps[2 * FUZZ_COLS];
    const int64_t rows[2] = {0, 3};
    mucmm_explanation *e = NULL;
    mucmm_map_check_params c;
    mucmm_map_check result;
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.steps = p.samples = 2;
    for (int i = 0; i < 5 * 5 * 2; i++) {
        int32_t v = i % n;
        int64_t cols = mucmm_data_raw_cols(view[v].data);
        p.score = (mucmm_score_kind)(i % 5);
        p.map = (mucmm_map_kind)(i / 5 % 5);
        p.representation = i / 25;
        mucmm_explain(ctx, m, view, n, v, rows, 2, &p, &(mucmm_mat){maps, 2, cols, cols}, NULL);
    }
    mucmm_map_check_params_init(&c);
    c.random_models = 1;
    mucmm_explain_params_init(&p);
    mucmm_map_check_init(&result);
    if (mucmm_explanation_create(ctx, m, view, n, 0, rows, 2, &p, &e) == MUCMM_OK)
        mucmm_explanation_check(ctx, e, &c, &result);
    mucmm_explanation_free(e);
}

static void use(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *view, int32_t n)
{
    static float variates[FUZZ_ROWS * 64], predicted[FUZZ_ROWS * 64], sd[FUZZ_ROWS * 64];
    int64_t k = mucmm_model_common(m);
    mucmm_cmat given[MUCMM_MAX_VIEWS] = {{NULL, 0, 0, 0}};
    mucmm_score_params p;
    mucmm_scores *s = NULL;

    mucmm_score_params_init(&p);
    p.permutations = 3;
    for (int32_t given_views = n; given_views > 0; given_views -= n - 1) /* all, and the first */
        if (mucmm_score(ctx, m, view, given_views, &p, &s) == MUCMM_OK) {
            tell_scores(ctx, s);
            mucmm_scores_free(s);
        }
    for (int method = 0; method < 2 && k <= 64; method++) {
        if (mucmm_transform(ctx, m, method, 0, view[0].data,
                            &(mucmm_mat){variates, FUZZ_ROWS, k, k}, NULL) != MUCMM_OK)
            continue;
        given[0] = (mucmm_cmat){variates, FUZZ_ROWS, k, k};
        mucmm_predict_common(ctx, m, method, given, n - 1, &(mucmm_mat){predicted, FUZZ_ROWS, k, k},
                             &(mucmm_mat){sd, FUZZ_ROWS, k, k});
    }
    explain_all(ctx, m, view, n);
}

/* The rows of the fit under the model's own names, if their columns fit. */
static void try_model(mucmm_ctx *ctx, const mucmm_model *m)
{
    int32_t n = mucmm_model_views(m), wrapped = 0;
    mucmm_data *data[MUCMM_MAX_VIEWS] = {NULL};
    mucmm_view view[MUCMM_MAX_VIEWS];

    ask(m);
    tell_model(ctx, m);
    for (int32_t v = 0; v < n && wrapped == v; v++) {
        int64_t cols = mucmm_model_view_cols(m, v), shape[MUCMM_MAX_RANK];
        int32_t rank = mucmm_model_view_shape(m, v, shape);
        mucmm_cmat rows = {fuzz_rows[v % 3], FUZZ_ROWS, cols, cols};
        if (cols > FUZZ_COLS - v % 3)
            break;
        if (mucmm_data_wrap(ctx, &rows, "rows", shape, rank, &data[v]) == MUCMM_OK)
            wrapped++;
        view[v] = (mucmm_view){mucmm_model_view_name(m, v), data[v]};
    }
    if (wrapped == n)
        use(ctx, m, view, n);
    for (int32_t v = 0; v < wrapped; v++)
        mucmm_data_free(data[v]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx *ctx;
    mucmm_model *m;
    uint8_t *file;
    size_t n, which;

    if (size < 1)
        return 0;
    ctx = fuzz_ctx();
    which = bytes[0] % N_MODELS;
    file = edited(models[which], sizes[which], bytes + 1, size - 1, &n);
    if (mucmm_model_load(ctx, fuzz_file(file, n), &m) == MUCMM_OK)
        try_model(ctx, m);
    mucmm_model_free(m);
    free(file);
    mucmm_ctx_free(ctx);
    return 0;
}
