/* SPDX-License-Identifier: MIT
 *
 * Out of memory: every allocation of a call, the JSON library's too, fails once, is reported, and
 * leaves nothing. Every public function that can fail is called. */
#include "fuzz/fixtures.h"

#include "everything.h"
#include "explain_case.h"

#include <jansson.h>

/* ---- fit and its model in detail --------------------------------------------------- */

/* Groups of four rows. */
static const int64_t *in_fours(void)
{
    static int64_t group[1024];

    for (int64_t i = 0; i < 1024; i++)
        group[i] = i / 4;
    return group;
}

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

static mucmm_status call_memory(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    mucmm_model *m = t->m;
    void *b = m;
    size_t size = 1;
    mucmm_status status = mucmm_model_save_memory(c, t->m, &b, &size);

    assert_true((b == NULL) == (status != MUCMM_OK) && (size == 0) == (status != MUCMM_OK));
    if (status == MUCMM_OK)
        status = mucmm_model_load_memory(c, b, size, "m", &m);
    mucmm_bytes_free(b);
    if (status == MUCMM_OK)
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
    p.groups = t->p.groups;
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
        t.p.groups = head == MUCMM_HEAD_LINEAR ? in_fours() : NULL;
        t.p.common_epochs = t.p.individual_epochs = 1;
        t.p.batch = 57;
        t.m = fit(ctx, &t.q, &t.p);
        assert_true(sweep_out_of_memory(call_fit, &t, 200) > 100);
        assert_true(sweep_out_of_memory(call_save, &t, 1000) > 3);
        CHECK_OK(ctx, mucmm_model_save(ctx, t.m, in_folder("model")));
        assert_true(sweep_out_of_memory(call_load, &t, 1000) > 30);
        unlink(in_folder("model"));
        assert_true(sweep_out_of_memory(call_memory, &t, 1000) > 30);
        assert_true(sweep_out_of_memory(call_transform, &t, 1000) > 2);
        assert_true(sweep_out_of_memory(call_score, &t, 200) > 40);
        mucmm_model_free(t.m);
        drop_problem(&t.q);
    }
}

/* ---- the allocator that the JSON library shares ------------------------------------ */

/* One count for both, so that call number fail_at is whoever makes it. */
static failing_heap heap;

static void *json_alloc(size_t size)
{
    return failing_alloc(&heap, 16, size);
}

static void json_release(void *p)
{
    failing_release(&heap, p);
}

/* One call with allocation `at` failing; false if it did wrong, which is printed. */
static bool call_without(const char *name, mucmm_status (*call)(mucmm_ctx *c), int64_t at,
                         mucmm_status *status)
{
    mucmm_ctx_params p;
    mucmm_ctx *c = NULL;
    int64_t left, calls;
    char message[256];

    heap = (failing_heap){.fail_at = at};
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    p.allocator = (mucmm_allocator){failing_alloc, failing_release, &heap};
    json_set_alloc_funcs(json_alloc, json_release);
    assert_int_equal(mucmm_ctx_create(&p, &c), MUCMM_OK);
    *status = call(c);
    json_set_alloc_funcs(malloc, free);
    left = heap.live - 1;
    calls = heap.calls;
    snprintf(message, sizeof message, "%s: %s", mucmm_status_text(*status), mucmm_ctx_message(c));
    mucmm_ctx_free(c);
    if ((*status == MUCMM_OK && calls <= at) || (*status == MUCMM_ENOMEM && calls > at))
        if (left == 0)
            return true;
    print_error("%s, allocation %lld of %lld: %s; %lld blocks left\n", name, (long long)at,
                (long long)calls, *status == MUCMM_OK ? "success" : message, (long long)left);
    return false;
}

/* As sweep_out_of_memory: each of the first 300 allocations fails in turn, then every 13th. Returns
 * how many calls did wrong; the first five are printed. */
static int sweep_both(const char *name, mucmm_status (*call)(mucmm_ctx *c))
{
    int wrong = 0;

    CHECK_OK(ctx, call(ctx)); /* what it does when there is memory; graphs keep their plans */
    for (int64_t at = 1; wrong < 5; at += at < 300 ? 1 : 13) {
        mucmm_status status;
        wrong += !call_without(name, call, at, &status);
        if (status == MUCMM_OK && heap.calls <= at)
            break;
    }
    return wrong;
}

/* ---- one call of every function ---------------------------------------------------- */

static float numbers[4096], more_numbers[4096];
static unsigned char rgb[64 * 3];
static mucmm_study *study;
static mucmm_data *texts, *pictures;

/* What is there after a failure. */
#define GONE(status, pointer) assert_int_equal((pointer) == NULL, (status) != MUCMM_OK)

static mucmm_status m_data_open(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;

    for (int i = 0; i < 3 && status == MUCMM_OK; i++) {
        static const char *const names[] = {"t.csv", "t.npy", "words.tsv"};
        mucmm_data *d;
        mucmm_data_params p;
        mucmm_data_params_init(&p);
        p.key = i == 0 ? "a" : NULL;
        if (i == 2)
            break;
        status = mucmm_data_open(c, folder_path(names[i]), &p, &d);
        GONE(status, d);
        mucmm_data_free(d);
    }
    return status;
}

static mucmm_status m_data_wrap(mucmm_ctx *c)
{
    mucmm_data *d;
    mucmm_cmat m = {numbers, 4, 6, 6};
    mucmm_status status = mucmm_data_wrap(c, &m, "rows", (const int64_t[]){2, 3}, 2, &d);

    GONE(status, d);
    mucmm_data_free(d);
    return status;
}

static mucmm_status m_data_adopt(mucmm_ctx *c)
{
    static const char *const names[] = {"a", "b", "c"};
    mucmm_data *d;
    mucmm_array a;
    mucmm_status status;

    mucmm_array_init(&a);
    a.data = numbers;
    a.rows = 3;
    a.cols = 3;
    a.columns = a.keys = names;
    status = mucmm_data_adopt(c, &a, &d);
    GONE(status, d);
    mucmm_data_free(d);
    return status;
}

static mucmm_status m_data_subset(mucmm_ctx *c)
{
    mucmm_data *d;
    mucmm_status status = mucmm_data_subset(c, encoded, explained, N_EXPLAINED, &d);

    GONE(status, d);
    mucmm_data_free(d);
    return status;
}

static mucmm_status pair(mucmm_ctx *c, mucmm_status (*how)(mucmm_ctx *, mucmm_data **, int32_t))
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *d[2] = {NULL, NULL};
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    p.key = "a";
    for (int i = 0; i < 2; i++)
        TRY(mucmm_data_open(c, folder_path("t.csv"), &p, &d[i]));
    TRY(how(c, d, 2));
done:
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
    return status;
}

static mucmm_status m_data_pair(mucmm_ctx *c)
{
    return pair(c, mucmm_data_pair);
}

static mucmm_status m_data_pair_all(mucmm_ctx *c)
{
    return pair(c, mucmm_data_pair_all);
}

static mucmm_status m_data_read(mucmm_ctx *c)
{
    mucmm_mat out = mat(numbers, N_EXPLAINED, q.p[0]);

    return mucmm_data_read(c, q.data[0], explained, N_EXPLAINED, &out);
}

static mucmm_status m_data_write(mucmm_ctx *c)
{
    return mucmm_data_write(c, q.data[0], folder_path("out"));
}

static mucmm_status m_npy_write(mucmm_ctx *c)
{
    return mucmm_npy_write(c, folder_path("out"), numbers, (const int64_t[]){3, 4}, 2);
}

static mucmm_status m_file_write(mucmm_ctx *c)
{
    return mucmm_file_write(c, folder_path("out"), "text", 4);
}

static mucmm_status m_file_check(mucmm_ctx *c)
{
    return mucmm_file_check(c, folder_path("out"));
}

static mucmm_status m_fit(mucmm_ctx *c)
{
    mucmm_model *m;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_status status;

    p.individual = 1;
    status = mucmm_fit(c, encoded_view, 2, &p, &m);

    GONE(status, m);
    mucmm_model_free(m);
    return status;
}

/* Against two columns, as text, csv and JSON; groups of rows, or NULL. */
static mucmm_status relate_rows(mucmm_ctx *c, const int64_t *groups)
{
    mucmm_relate_params p;
    mucmm_status status = MUCMM_OK;
    mucmm_table *t = NULL;
    mucmm_relate *r = NULL;
    int64_t n;
    char text[40 * N_ROWS], *at = text, *words[3] = {NULL, NULL, NULL};

    mucmm_relate_params_init(&p);
    p.groups = groups;
    at += sprintf(at, "age,batch\n");
    for (int i = 0; i < N_ROWS; i++)
        at += sprintf(at, "%d,%c\n", i * i % 31, 'a' + i % 3);
    TRY(mucmm_table_open_memory(c, text, strlen(text), NULL, NULL, &t));
    status = mucmm_relate_create(c, model, q.view, 2, t, &p, &r);
    GONE(status, r);
    TRY(status);
    assert_true((mucmm_relate_groups(r) > 0) == !!groups);
    assert_true(!groups || !isnan(mucmm_relate_list(r, &n)->p_value));
    TRY(mucmm_relate_text(c, r, &words[0]));
    TRY(mucmm_relate_csv(c, r, &words[1]));
    TRY(mucmm_relate_json(c, r, &words[2]));
done:
    for (int i = 0; i < 3; i++)
        mucmm_text_free(words[i]);
    mucmm_relate_free(r);
    mucmm_table_free(t);
    return status;
}

static mucmm_status m_relate(mucmm_ctx *c)
{
    return relate_rows(c, NULL);
}

/* Groups of unequal size, whose blocks are exchanged. The model does not know these rows for a
 * while: p-values are of others. */
static mucmm_status m_relate_groups(mucmm_ctx *c)
{
    mucmm__digest rows = model->digest;
    int64_t groups[N_ROWS];
    mucmm_status status;

    for (int64_t i = 0; i < N_ROWS; i++)
        groups[i] = i < 60 ? i / 2 : i / 3;
    model->digest = (mucmm__digest){0};
    status = relate_rows(c, groups);
    model->digest = rows;
    return status;
}

/* With covariates taken out, and through a file. */
static mucmm_status m_fit_adjusted(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_table *t = NULL;
    mucmm_data *d[2] = {NULL, NULL};
    mucmm_view views[2] = {q.view[0], q.view[1]};
    mucmm_model *m = NULL, *again = NULL;
    char text[40 * N_ROWS], *at = text;
    void *file = NULL;
    size_t size;

    at += sprintf(at, "age,batch\n");
    for (int i = 0; i < N_ROWS; i++)
        at += sprintf(at, "%d,%c\n", i * i % 31, 'a' + i % 3);
    p.individual = 1;
    p.adjust = "age,batch";
    p.adjust_nonlinear = 2;
    TRY(mucmm_table_open_memory(c, text, strlen(text), NULL, NULL, &t));
    for (int v = 0; v < 2; v++) {
        TRY(mucmm_data_attach(c, q.data[v], t, &d[v]));
        views[v].data = d[v];
    }
    status = mucmm_fit(c, views, 2, &p, &m);
    GONE(status, m);
    TRY(status);
    TRY(mucmm_model_save_memory(c, m, &file, &size));
    status = mucmm_model_load_memory(c, file, size, NULL, &again);
    GONE(status, again);
done:
    mucmm_bytes_free(file);
    mucmm_model_free(again);
    mucmm_model_free(m);
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
    mucmm_table_free(t);
    return status;
}

static mucmm_status m_model_save(mucmm_ctx *c)
{
    return mucmm_model_save(c, encoded_model, folder_path("out"));
}

static mucmm_status m_model_load(mucmm_ctx *c)
{
    mucmm_model *m;
    mucmm_status status = mucmm_model_load(c, folder_path("encoded.mucmm"), &m);

    GONE(status, m);
    mucmm_model_free(m);
    return status;
}

static mucmm_status m_model_memory(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *m = NULL;
    void *file = NULL;
    size_t size;

    TRY(mucmm_model_save_memory(c, encoded_model, &file, &size));
    TRY(mucmm_model_load_memory(c, file, size, NULL, &m));
done:
    mucmm_bytes_free(file);
    mucmm_model_free(m);
    return status;
}

static mucmm_status m_model_weights(mucmm_ctx *c)
{
    mucmm_mat common = mat(numbers, q.p[0], K);

    return mucmm_model_weights(c, model, 0, &common, NULL);
}

static mucmm_status m_transform(mucmm_ctx *c)
{
    mucmm_mat common = mat(numbers, N_ROWS, K);

    return mucmm_transform(c, model, MUCMM_HEADS, 0, q.data[0], &common, NULL);
}

static mucmm_status m_predict_common(mucmm_ctx *c)
{
    mucmm_cmat given[2] = {{numbers, 5, K, K}, {NULL, 0, 0, 0}};
    mucmm_mat out = mat(more_numbers, 5, K);

    memset(numbers, 0, sizeof numbers);
    return mucmm_predict_common(c, model, MUCMM_HEADS, given, 1, &out, NULL);
}

static mucmm_status m_score(mucmm_ctx *c)
{
    mucmm_scores *s;
    mucmm_score_params p;
    mucmm_status status;

    mucmm_score_params_init(&p);
    p.permutations = 3;
    status = mucmm_score(c, encoded_model, encoded_view, 2, &p, &s);
    GONE(status, s);
    mucmm_scores_free(s);
    return status;
}

static mucmm_status m_explain(mucmm_ctx *c)
{
    mucmm_explain_params p;
    mucmm_mat out = mat(numbers, N_EXPLAINED, 8);

    mucmm_explain_params_init(&p);
    p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    p.steps = 2;
    return mucmm_explain(c, encoded_model, encoded_view, 2, 0, explained, N_EXPLAINED, &p, &out,
                         NULL);
}

static mucmm_status m_explanation_maps(mucmm_ctx *c)
{
    const explain_case t = {encoded_model, encoded_view, 2, 0, explained, N_EXPLAINED, NULL};
    mucmm_mat out = mat(numbers, N_EXPLAINED, 8);
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;
    mucmm_explanation *e;

    mucmm_explain_params_init(&p);
    p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    p.steps = 2;
    status = create_explanation(c, &t, &e);
    GONE(status, e);
    TRY(status);
    TRY(mucmm_explanation_remap(c, e, &p));
    TRY(mucmm_explanation_maps(c, e, &out));
    TRY(mucmm_explanation_differences(c, e, &out));
    TRY(mucmm_explanation_gaps(c, e, (double[N_EXPLAINED]){0}));
    p.map = MUCMM_MAP_LCMV;
    TRY(mucmm_explanation_remap(c, e, &p));
    TRY(mucmm_explanation_maps(c, e, &out));
done:
    mucmm_explanation_free(e);
    return status;
}

static mucmm_status m_explanation_components(mucmm_ctx *c)
{
    const explain_case t = {model, q.view, 2, 1, explained, N_EXPLAINED, NULL};
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;

    TRY(create_explanation(c, &t, &e));
    TRY(mucmm_explanation_components(c, e, 2, (int64_t[]){0, 1}, numbers));
done:
    mucmm_explanation_free(e);
    return status;
}

static mucmm_status m_check_gradient(mucmm_ctx *c)
{
    double worst;

    return gradient_error_of(
        c, (explain_case){encoded_model, encoded_view, 2, 0, explained, N_EXPLAINED, NULL}, &worst);
}

static mucmm_status m_parts_create(mucmm_ctx *c)
{
    mucmm_parts *p;
    mucmm_status status =
        mucmm_parts_create(c, model, q.view, 2, 1, explained, N_EXPLAINED, NULL, &p);

    GONE(status, p);
    mucmm_parts_free(p);
    return status;
}

/* Masked maps of a common score and of an individual one, whose p-values are shared. */
static mucmm_status m_findings_create(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;
    mucmm_findings *f[2] = {NULL, NULL};
    mucmm_findings_params fp;
    mucmm_explain_params p;
    char *text = NULL;

    mucmm_findings_params_init(&fp);
    fp.null = null_models;
    fp.random_models = 1;
    mucmm_explain_params_init(&p);
    p.representation = MUCMM_LINEAR;
    p.steps = p.samples = 1;
    for (int k = 0; k < 2; k++) {
        const explain_case t = {model, q.view, 2, 1, explained, 1, &p};
        fp.map = k ? MUCMM_MAP_DEFAULT : MUCMM_MAP_GRADIENT;
        p.score = k ? MUCMM_SCORE_INDIVIDUAL : MUCMM_SCORE_COMMON;
        TRY(create_explanation(c, &t, &e));
        status = mucmm_findings_create(c, e, &fp, &f[k]);
        GONE(status, f[k]);
        TRY(status);
        mucmm_explanation_free(e);
        e = NULL;
    }
    status = mucmm_findings_json(c, (const mucmm_findings *const *)f, 2, &text);
    GONE(status, text);
    TRY(status);
    mucmm_text_free(text);
    status = mucmm_findings_text(c, f[0], &text);
    GONE(status, text);
done:
    mucmm_text_free(text);
    mucmm_explanation_free(e);
    for (int k = 0; k < 2; k++)
        mucmm_findings_free(f[k]);
    return status;
}

static mucmm_status m_explain_words(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    TRY(mucmm_explain_defaults(c, pictures, &p, &p));
    TRY(mucmm_map_parse(c, "gradient", &p.map));
    TRY(mucmm_score_parse(c, "individual:1", &p.score, &p.component));
    TRY(mucmm_baseline_parse(c, "7", &p.baseline, &p.baseline_row));
done:
    return status;
}

static mucmm_status m_null_fit(mucmm_ctx *c)
{
    mucmm_null *n;
    mucmm_null_params p;
    mucmm_status status;

    mucmm_null_params_init(&p);
    p.models = 1;
    p.groups = in_fours();
    status = mucmm_null_fit(c, model, MUCMM_LINEAR, q.view, 2, &p, &n);
    GONE(status, n);
    mucmm_null_free(n);
    return status;
}

static mucmm_status m_null_p_values(mucmm_ctx *c)
{
    mucmm_explain_params p;
    mucmm_mat out = mat(numbers, N_EXPLAINED, q.p[1]);

    mucmm_explain_params_init(&p);
    p.representation = MUCMM_LINEAR;
    return p_values_of(c, (explain_case){model, q.view, 2, 1, explained, N_EXPLAINED, &p},
                       null_models, MUCMM_P_POOLED, &out);
}

static mucmm_status m_check_maps(mucmm_ctx *c)
{
    mucmm_map_check_params p;
    mucmm_map_check out;

    mucmm_map_check_params_init(&p);
    mucmm_map_check_init(&out);
    p.random_models = 1;
    p.skip_gradient = 1;
    return map_check_of(c, (explain_case){model, q.view, 2, 1, explained, N_EXPLAINED, NULL}, &p,
                        &out);
}

/* Filters of random heads, whose loadings are those of training rows, where a truth is known. */
static mucmm_status m_check_filters(mucmm_ctx *c)
{
    static const float nothing[N_EXPLAINED * 9];
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params ep;
    mucmm_map_check_params p;
    mucmm_map_check out;
    mucmm_data *truth = NULL;

    mucmm_explain_params_init(&ep);
    ep.score = MUCMM_SCORE_INDIVIDUAL;
    ep.map = MUCMM_MAP_LCMV;
    ep.training = q.data[1];
    mucmm_map_check_params_init(&p);
    mucmm_map_check_init(&out);
    p.random_models = 1;
    p.skip_gradient = 1;
    TRY(mucmm_data_wrap(c, &(mucmm_cmat){nothing, N_EXPLAINED, 9, 9}, "truth", (const int64_t[]){9},
                        1, &truth));
    p.truth = truth;
    TRY(map_check_of(c, (explain_case){model, q.view, 2, 1, explained, N_EXPLAINED, &ep}, &p,
                     &out));
done:
    mucmm_data_free(truth);
    return status;
}

/* Of one sample, masked, with all that can be asked of it. */
static mucmm_status m_coupling(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_coupling_params p;
    mucmm_coupling_sums sums;
    mucmm_coupled_pair pairs[3];
    mucmm_mat out = mat(numbers, q.p[0], q.p[1]);
    mucmm_coupling *made = NULL;
    mucmm_sheet *sheet = NULL;
    char *text = NULL;
    int64_t found;

    mucmm_coupling_params_init(&p);
    p.representation = MUCMM_LINEAR;
    p.null = null_models;
    p.mask = .5;
    status = mucmm_coupling_create(c, model, q.view, 2, 0, 1, explained, 1, &p, &made);
    GONE(status, made);
    TRY(status);
    TRY(mucmm_coupling_matrix(c, made, 0, &out));
    TRY(mucmm_coupling_map(c, made, 0, 1, 2, numbers));
    TRY(mucmm_coupling_totals(c, made, 0, 0, numbers));
    TRY(mucmm_coupling_strongest(c, made, 0, 3, pairs, &found));
    mucmm_coupling_sums_init(&sums);
    TRY(mucmm_coupling_check(c, made, &sums));
    for (int f = MUCMM_COUPLING_SHEET; f <= MUCMM_COUPLING_P_VALUES; f++)
        TRY(mucmm_coupling_write(c, made, 0, (mucmm_coupling_file)f, folder_path("out")));
    status = mucmm_coupling_sheet(c, made, 0, &sheet);
    GONE(status, sheet);
    TRY(status);
    status = mucmm_couplings_json(c, (const mucmm_coupling *const *)&made, 1, &text);
    GONE(status, text);
    TRY(status);
    mucmm_text_free(text);
    status = mucmm_coupling_text(c, made, &text);
    GONE(status, text);
done:
    mucmm_text_free(text);
    mucmm_sheet_free(sheet);
    mucmm_coupling_free(made);
    return status;
}

/* ---- pictures and pages ------------------------------------------------------------ */

static mucmm_status with_sheet(mucmm_ctx *c, int64_t zoom,
                               mucmm_status (*draw)(mucmm_ctx *, mucmm_sheet *))
{
    mucmm_status status = MUCMM_OK;
    mucmm_sheet *s = NULL;
    mucmm_sheet_params p;

    mucmm_sheet_params_init(&p);
    p.height = p.width = zoom == 1 ? 200 : 8;
    p.zoom = zoom;
    p.title = "title";
    TRY(mucmm_sheet_create(c, &p, &s));
    if (draw)
        TRY(draw(c, s));
done:
    mucmm_sheet_free(s);
    return status;
}

static const mucmm_cmat cells8 = {more_numbers, 8, 8, 8};
static const char *const some_words[] = {"one", "two", "three"};
static const float some_values[] = {.5f, -1, .25f};

static mucmm_status draw_grey(mucmm_ctx *c, mucmm_sheet *s)
{
    return mucmm_sheet_grey(c, s, 0, 0, &cells8, -1, 1, "caption");
}

static mucmm_status draw_map(mucmm_ctx *c, mucmm_sheet *s)
{
    return mucmm_sheet_map(c, s, 0, 0, &cells8, 1, "caption");
}

static mucmm_status draw_picture(mucmm_ctx *c, mucmm_sheet *s)
{
    return mucmm_sheet_picture(c, s, 0, 0, rgb, 8, 8, "caption");
}

static mucmm_status draw_overlay(mucmm_ctx *c, mucmm_sheet *s)
{
    return mucmm_sheet_overlay(c, s, 0, 0, &cells8, 1, rgb, "caption");
}

static mucmm_status draw_ticks(mucmm_ctx *c, mucmm_sheet *s)
{
    const mucmm_tick ticks[] = {{1, "one"}, {4, "four"}};
    mucmm_status status = draw_map(c, s);

    return status != MUCMM_OK ? status : mucmm_sheet_ticks(c, s, 0, 0, ticks, 2, ticks, 2);
}

static mucmm_status draw_words(mucmm_ctx *c, mucmm_sheet *s)
{
    return mucmm_sheet_words(c, s, 0, 0, some_words, some_values, 3, 1, "caption");
}

static mucmm_status draw_bars(mucmm_ctx *c, mucmm_sheet *s)
{
    return mucmm_sheet_bars(c, s, 0, 0, some_values, some_words, 3, 1, "caption");
}

static mucmm_status draw_file(mucmm_ctx *c, mucmm_sheet *s)
{
    return mucmm_sheet_write(c, s, folder_path("out"));
}

#define SHEET(name, zoom, draw)                                                                    \
    static mucmm_status name(mucmm_ctx *c)                                                         \
    {                                                                                              \
        return with_sheet(c, zoom, draw);                                                          \
    }
SHEET(m_sheet_create, 2, NULL)
SHEET(m_sheet_grey, 2, draw_grey)
SHEET(m_sheet_map, 2, draw_map)
SHEET(m_sheet_picture, 2, draw_picture)
SHEET(m_sheet_overlay, 2, draw_overlay)
SHEET(m_sheet_ticks, 2, draw_ticks)
SHEET(m_sheet_words, 1, draw_words)
SHEET(m_sheet_bars, 1, draw_bars)
SHEET(m_sheet_write, 2, draw_file)

static mucmm_status mel(mucmm_ctx *c, bool power)
{
    mucmm_mel_params p;
    mucmm_mat out;

    mucmm_mel_params_init(&p, 8000, 256);
    p.bands = 4;
    out = mat(numbers, 4, mucmm_mel_frames(&p, 256));
    return power ? mucmm_mel_power(c, &p, more_numbers, 256, &out)
                 : mucmm_mel_map(c, &p, more_numbers, more_numbers, 256, &out);
}

static mucmm_status m_mel_power(mucmm_ctx *c)
{
    return mel(c, true);
}

static mucmm_status m_mel_map(mucmm_ctx *c)
{
    return mel(c, false);
}

static mucmm_status with_report(mucmm_ctx *c, mucmm_status (*add)(mucmm_ctx *, mucmm_report *))
{
    mucmm_status status = MUCMM_OK;
    mucmm_report *r = NULL;

    TRY(mucmm_report_create(c, "title", &r));
    TRY(mucmm_report_section(c, r, "section"));
    TRY(mucmm_report_card(c, r, "card"));
    TRY(add(c, r));
done:
    mucmm_report_free(r);
    return status;
}

static mucmm_status add_texts(mucmm_ctx *c, mucmm_report *r)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm_report_line(c, r, "a line"));
    TRY(mucmm_report_heading(c, r, "heading"));
    TRY(mucmm_report_text(c, r, "text & more"));
    TRY(mucmm_report_code(c, r, "code"));
    TRY(mucmm_report_table(c, r, "caption", some_words, some_words, 1, 3));
    TRY(mucmm_report_term(c, r, "term", "meaning"));
done:
    return status;
}

static mucmm_status add_chart(mucmm_ctx *c, mucmm_report *r)
{
    return mucmm_report_chart(c, r, "title", "caption",
                              "{\"mark\": \"bar\", \"data\": {\"values\": [{\"a\": 1, \"b\": "
                              "\"x\"}, {\"a\": 2, \"b\": \"y\"}]}, \"encoding\": {\"x\": "
                              "{\"field\": \"a\", \"type\": \"quantitative\"}}}");
}

static mucmm_status add_pictures(mucmm_ctx *c, mucmm_report *r)
{
    const mucmm_tick ticks[] = {{1, "one"}, {4, "four"}};
    const mucmm_report_side words = {.name = "words", .n = 3, .labels = some_words};
    const mucmm_report_side picture = {
        .name = "picture", .n = 8, .rows = 2, .cols = 4, .rgb = rgb, .height = 8, .width = 8};
    mucmm_status status = MUCMM_OK;

    TRY(mucmm_report_picture(c, r, "caption", rgb, 8, 8, 1));
    TRY(mucmm_report_ticks(c, r, 8, 8, ticks, 2, ticks, 2));
    TRY(mucmm_report_map(c, r, "caption", &cells8, 1, rgb));
    TRY(mucmm_report_words(c, r, "caption", some_words, some_values, 3, 1));
    TRY(mucmm_report_bars(c, r, "caption", some_words, some_values, 3, 1));
    TRY(mucmm_report_coupling(c, r, "caption", (const mucmm_report_side[]){words, picture},
                              more_numbers, 1));
done:
    return status;
}

static mucmm_status add_file(mucmm_ctx *c, mucmm_report *r)
{
    return mucmm_report_write(c, r, folder_path("out"));
}

static mucmm_status m_report_texts(mucmm_ctx *c)
{
    return with_report(c, add_texts);
}

static mucmm_status m_report_chart(mucmm_ctx *c)
{
    return with_report(c, add_chart);
}

static mucmm_status m_report_pictures(mucmm_ctx *c)
{
    return with_report(c, add_pictures);
}

static mucmm_views *model_views;
static mucmm_scores *model_scores;

static mucmm_report_params page_params(void)
{
    mucmm_report_params p;

    mucmm_report_params_init(&p);
    p.shown = 1;
    p.sections = MUCMM_SECTION_ALL & ~MUCMM_SECTION_COMPONENTS;
    return p;
}

static mucmm_status add_model(mucmm_ctx *c, mucmm_report *r)
{
    mucmm_report_params p = page_params();

    return mucmm_report_add(c, r, model, model_views, model_scores, &p);
}

static mucmm_status m_report_add(mucmm_ctx *c)
{
    return with_report(c, add_model);
}

static mucmm_status m_model_report(mucmm_ctx *c)
{
    mucmm_report_params p = page_params();
    mucmm_score_params sp;

    mucmm_score_params_init(&sp);
    sp.permutations = 3;
    p.score = &sp;
    p.sections = MUCMM_SECTION_SHORT | MUCMM_SECTION_FITTED;
    return mucmm_model_report(c, model, model_views, &p, folder_path("out"));
}

static mucmm_status m_report_write(mucmm_ctx *c)
{
    return with_report(c, add_file);
}

/* Two samples of pictures, of a text, and of numbers: picture, sheet and files. */
static mucmm_status show(mucmm_ctx *c, const mucmm_data *data)
{
    static const int64_t rows[2] = {0, 1};
    const char *const paths[] = {folder_path("one.png"), folder_path("two.png")};
    int64_t cols = mucmm_data_raw_cols(data);
    mucmm_cmat values = {more_numbers, 2, cols, cols};
    mucmm_status status = MUCMM_OK;
    mucmm_display *d = NULL;
    mucmm_sheet *s = NULL;

    TRY(mucmm_display_of_values(c, data, rows, 2, MUCMM_MAP_INPUT_X_GRADIENT, &values, NULL, NULL,
                                &d));
    if (mucmm_display_look(d) == MUCMM_LOOK_PICTURE)
        TRY(mucmm_display_picture(c, d, 0, rgb));
    TRY(mucmm_display_sheet(c, d, 0, &s));
    TRY(mucmm_display_write(c, d, paths));
done:
    mucmm_sheet_free(s);
    mucmm_display_free(d);
    return status;
}

static mucmm_status m_display_create(mucmm_ctx *c)
{
    const explain_case t = {model, q.view, 2, 0, explained, N_EXPLAINED, NULL};
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;
    mucmm_display *d = NULL;

    TRY(create_explanation(c, &t, &e));
    TRY(mucmm_display_create(c, e, NULL, &d));
done:
    mucmm_explanation_free(e);
    mucmm_display_free(d);
    return status;
}

static mucmm_status m_display_of_parts(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_parts *p = NULL;
    mucmm_display *d = NULL;
    mucmm_sheet *s = NULL;

    TRY(mucmm_parts_create(c, model, q.view, 2, 0, explained, N_EXPLAINED, NULL, &p));
    TRY(mucmm_display_of_parts(c, p, NULL, &d));
    TRY(mucmm_display_sheet(c, d, 0, &s));
done:
    mucmm_sheet_free(s);
    mucmm_display_free(d);
    mucmm_parts_free(p);
    return status;
}

static mucmm_status m_map_scale(mucmm_ctx *c)
{
    float scale;

    return mucmm_map_scale(c, more_numbers, 20, &scale);
}

static mucmm_status m_display(mucmm_ctx *c)
{
    mucmm_status status = show(c, pictures);

    status = status != MUCMM_OK ? status : show(c, texts);
    return status != MUCMM_OK ? status : show(c, q.data[0]);
}

/* ---- graphs ------------------------------------------------------------------------ */

static mucmm_status m_npy_read(mucmm_ctx *c)
{
    mucmm_tensor t;
    mucmm_status status = mucmm_npy_read(c, folder_path("t.npy"), MUCMM_F64, &t);

    GONE(status, t.data);
    mucmm_tensor_free(&t);
    return status;
}

static mucmm_status m_npy_write_tensor(mucmm_ctx *c)
{
    const mucmm_tensor t = {MUCMM_F32, 2, {3, 4}, numbers};

    return mucmm_npy_write_tensor(c, folder_path("out"), &t);
}

static mucmm_status m_graph_load(mucmm_ctx *c)
{
    mucmm_graph *g;
    mucmm_status status = mucmm_graph_load(c, folder_path("words.onnx"), &g);

    GONE(status, g);
    mucmm_graph_free(g);
    return status;
}

static mucmm_status m_graph_load_memory(mucmm_ctx *c)
{
    net n = picture_net();
    size_t size;
    uint8_t *b = net_bytes(&n, &size);
    mucmm_graph *g;
    mucmm_status status = mucmm_graph_load_memory(c, b, size, "net", &g);

    GONE(status, g);
    mucmm_graph_free(g);
    net_drop(&n);
    return status;
}

static mucmm_status m_ops_text(mucmm_ctx *c)
{
    char *text;
    mucmm_status status = mucmm_ops_text(c, &text);

    GONE(status, text);
    mucmm_text_free(text);
    if (status == MUCMM_OK) {
        status = mucmm_graph_operators_text(c, graph, &text);
        GONE(status, text);
        mucmm_text_free(text);
    }
    return status;
}

static mucmm_status m_graph_json(mucmm_ctx *c)
{
    char *text = NULL;
    mucmm_status status = mucmm_graph_json(c, graph, 1, &text);

    mucmm_text_free(text);
    return status;
}

static mucmm_status m_graph_find(mucmm_ctx *c)
{
    return mucmm_graph_find(c, graph, "hidden");
}

/* A graph of its own: plans stay with the graph, and are made of the context's memory. */
static mucmm_status run_graph(mucmm_ctx *c, bool forward, bool backward)
{
    static const char *const wrt[] = {"x"};
    mucmm_status status = MUCMM_OK;
    mucmm_graph *g = NULL;
    mucmm_run *r = NULL;
    mucmm_named_tensor in = {"x", {MUCMM_F32, 2, {6, 8}, q.x[0]}};
    mucmm_tensor cotangent, grad = {MUCMM_F32, 2, {6, 8}, more_numbers + 1024};
    mucmm_run_params p;
    uint64_t memory;

    mucmm_run_params_init(&p);
    p.wrt = wrt;
    p.n_wrt = backward;
    TRY(mucmm_graph_load(c, in_folder("net.onnx"), &g));
    if (!forward)
        TRY(mucmm_graph_memory(c, g, &in, 1, &p, &memory));
    else
        TRY(mucmm_graph_run(c, g, &in, 1, &p, &r));
    if (backward) {
        cotangent = *mucmm_run_output(r, 0);
        TRY(mucmm_run_vjp(c, r, &cotangent, &grad));
    }
done:
    mucmm_run_free(r);
    mucmm_graph_free(g);
    return status;
}

static mucmm_status m_graph_run(mucmm_ctx *c)
{
    return run_graph(c, true, false);
}

static mucmm_status m_graph_memory(mucmm_ctx *c)
{
    return run_graph(c, false, false);
}

static mucmm_status m_run_vjp(mucmm_ctx *c)
{
    return run_graph(c, true, true);
}

/* ---- raw inputs and studies -------------------------------------------------------- */

static mucmm_status m_source_create(mucmm_ctx *c)
{
    static const char *const items[] = {"a.png", "b.png"};
    mucmm_source *s;
    mucmm_status status = mucmm_source_create(c, PICTURE "}", fuzz_folder, items, 2, &s);

    GONE(status, s);
    mucmm_source_free(s);
    return status;
}

static mucmm_status m_source_wrap(mucmm_ctx *c)
{
    mucmm_source *s;
    mucmm_status status = mucmm_source_wrap(c, q.data[0], &s);

    GONE(status, s);
    mucmm_source_free(s);
    return status;
}

static mucmm_status m_encoder_load(mucmm_ctx *c)
{
    mucmm_encoder *e;
    mucmm_status status = mucmm_encoder_load(c, WORDS "}", fuzz_folder, &e);

    GONE(status, e);
    mucmm_encoder_free(e);
    return status;
}

static int zero_features(void *user, int64_t n, const float *raw, float *features)
{
    (void)user;
    (void)raw;
    memset(features, 0, (size_t)n * 2 * sizeof *features);
    return 0;
}

static mucmm_status m_encoder_wrap(mucmm_ctx *c)
{
    mucmm_encoder *e;
    mucmm_encoder_callbacks own;
    mucmm_status status;

    mucmm_encoder_callbacks_init(&own);
    own.name = "zero";
    own.rank = 1;
    own.shape[0] = 2;
    own.forward = zero_features;
    status = mucmm_encoder_wrap(c, &own, &e);
    GONE(status, e);
    mucmm_encoder_free(e);
    return status;
}

static mucmm_status encode_items(mucmm_ctx *c, const char *description, const char *const *items,
                                 const char *cache, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_source *s = NULL;
    mucmm_encoder *e = NULL;
    mucmm_encode_params p;

    *out = NULL;
    mucmm_encode_params_init(&p);
    p.cache = cache;
    TRY(mucmm_source_create(c, description, fuzz_folder, items, 2, &s));
    TRY(mucmm_encoder_load(c, description, fuzz_folder, &e));
    TRY(mucmm_data_encode(c, s, e, &p, out));
done:
    mucmm_source_free(s);
    mucmm_encoder_free(e);
    return status;
}

static const char *const picture_items[] = {"a.png", "b.png"};
static const char *const text_items[] = {"a b", "c"};

static mucmm_status m_data_encode(mucmm_ctx *c)
{
    mucmm_data *d;
    mucmm_status status = encode_items(c, PICTURE "}", picture_items, folder_path("cache.npy"), &d);

    GONE(status, d);
    mucmm_data_free(d);
    if (status == MUCMM_OK) {
        unlink(folder_path("cache.npy"));
        unlink(folder_path("cache.npy.json"));
    }
    return status;
}

static mucmm_status m_data_read_raw(mucmm_ctx *c)
{
    mucmm_mat out = mat(numbers, 2, 3 * 4 * 4);

    return mucmm_data_read_raw(c, pictures, NULL, 2, &out);
}

static mucmm_status m_data_tokens(mucmm_ctx *c)
{
    mucmm_tokens *t;
    mucmm_status status = mucmm_data_tokens(c, texts, 0, &t);

    GONE(status, t);
    mucmm_tokens_free(t);
    return status;
}

static mucmm_status m_data_picture(mucmm_ctx *c)
{
    int64_t height, width;

    return mucmm_data_picture(c, pictures, 0, &height, &width, rgb);
}

static mucmm_status m_data_shown_picture(mucmm_ctx *c)
{
    int64_t height, width;

    return mucmm_data_shown_picture(c, pictures, 0, &height, &width, rgb);
}

static mucmm_status m_study_load(mucmm_ctx *c)
{
    mucmm_study *s;
    mucmm_status status = mucmm_study_load(c, folder_path("s.json"), &s);

    GONE(status, s);
    mucmm_study_free(s);
    return status;
}

static mucmm_status m_study_encode(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_study *s = NULL;
    mucmm_study_params p;

    mucmm_study_params_init(&p);
    p.cache = folder_path("study-cache");
    empty_folder(folder_path("study-cache"));
    TRY(mucmm_study_load(c, folder_path("s.json"), &s));
    TRY(mucmm_study_encode(c, s, &p));
done:
    mucmm_study_free(s);
    return status;
}

static mucmm_status m_study_view(mucmm_ctx *c)
{
    mucmm_data *d;
    mucmm_status status = mucmm_study_view(c, study, 1, MUCMM_PART_TRAIN, &d);

    GONE(status, d);
    mucmm_data_free(d);
    return status;
}

/* ---- views ------------------------------------------------------------------------- */

static const char *const view_names[] = {"left", "right"};

/* A model of three views whose results have every key, and scores of them. */
static problem three;
static mucmm_model *rich_model;
static mucmm_scores *rich_scores;

static void make_rich_model(void)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_score_params sp;

    three = new_problem(ctx, 3, 240, false, 12);
    p.common = p.individual = MUCMM_AUTO;
    p.bootstrap = 3;
    p.restarts = 1;
    p.batch = 0;
    p.common_epochs = p.individual_epochs = 1;
    rich_model = fit(ctx, &three, &p);
    mucmm_score_params_init(&sp);
    sp.permutations = 19;
    CHECK_OK(ctx, mucmm_score(ctx, rich_model, three.view, 3, &sp, &rich_scores));
}

static mucmm_status take_text(mucmm_status status, char *text)
{
    GONE(status, text);
    mucmm_text_free(text);
    return status;
}

static mucmm_status m_model_recognize(mucmm_ctx *c)
{
    mucmm_row_kind kinds[N_ROWS];
    mucmm_recognition how;

    return mucmm_model_recognize(c, model, q.view, 2, kinds, &how);
}

static mucmm_status m_scores_csv(mucmm_ctx *c)
{
    char *text = (char *)more_numbers;
    mucmm_status status = mucmm_scores_csv(c, model_scores, model_views, &text);

    return take_text(status, text);
}

static mucmm_status m_loadings(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_loadings *l = NULL;
    char *words[3] = {NULL, NULL, NULL};

    status = mucmm_loadings_create(c, model, q.view, 2, NULL, &l);
    GONE(status, l);
    TRY(status);
    TRY(mucmm_loadings_text(c, l, &words[0]));
    TRY(mucmm_loadings_csv(c, l, &words[1]));
    TRY(mucmm_loadings_json(c, l, &words[2]));
    TRY(mucmm_loadings_figure(c, l, folder_path("l.svg")));
    TRY(mucmm_loadings_figure(c, l, folder_path("l.png")));
done:
    for (int i = 0; i < 3; i++)
        mucmm_text_free(words[i]);
    mucmm_loadings_free(l);
    return status;
}

static mucmm_status m_matches(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_match_params p;
    mucmm_matches *x = NULL;
    char *words[3] = {NULL, NULL, NULL};

    mucmm_match_params_init(&p);
    p.paired = 1;
    status = mucmm_matches_create(c, model, &q.view[0], &q.view[1], &p, &x);
    GONE(status, x);
    TRY(status);
    TRY(mucmm_matches_text(c, x, &words[0]));
    TRY(mucmm_matches_csv(c, x, q.data[0], q.data[1], &words[1]));
    TRY(mucmm_matches_json(c, x, &words[2]));
done:
    for (int i = 0; i < 3; i++)
        mucmm_text_free(words[i]);
    mucmm_matches_free(x);
    return status;
}

static mucmm_status m_cite(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    char *words[3] = {NULL, NULL, NULL};

    TRY(mucmm_model_cite_text(c, rich_model, &words[0]));
    TRY(mucmm_model_cite_json(c, rich_model, &words[1]));
    TRY(mucmm_model_cite_bibtex(c, rich_model, &words[2]));
done:
    for (int i = 0; i < 3; i++)
        mucmm_text_free(words[i]);
    return status;
}

static mucmm_status m_model_components_csv(mucmm_ctx *c)
{
    char *text = (char *)more_numbers;
    mucmm_status status = mucmm_model_components_csv(c, rich_model, &text);

    return take_text(status, text);
}

static mucmm_status m_scores_components_csv(mucmm_ctx *c)
{
    char *text = (char *)more_numbers;
    mucmm_status status = mucmm_scores_components_csv(c, rich_scores, &text);

    return take_text(status, text);
}

static mucmm_status m_model_components_figure(mucmm_ctx *c)
{
    return mucmm_model_components_figure(c, rich_model, folder_path("c.svg"));
}

static mucmm_status m_scores_components_figure(mucmm_ctx *c)
{
    return mucmm_scores_components_figure(c, rich_scores, folder_path("c.pdf"));
}

static mucmm_status m_scores_json(mucmm_ctx *c)
{
    char *text = (char *)more_numbers;
    mucmm_status status = mucmm_scores_json(c, rich_scores, &text);

    return take_text(status, text);
}

static mucmm_status m_model_results_json(mucmm_ctx *c)
{
    char *text = (char *)more_numbers;
    mucmm_status status = mucmm_model_results_json(c, rich_model, &text);

    return take_text(status, text);
}

static mucmm_status m_variates_create(mucmm_ctx *c)
{
    mucmm_variates *v;
    mucmm_status status = mucmm_variates_create(c, model, MUCMM_HEADS, &q.view[1], 1, &v);

    GONE(status, v);
    mucmm_variates_free(v);
    return status;
}

static mucmm_status m_variates_csv(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_variates *v = NULL;
    char *text = NULL;

    TRY(mucmm_variates_create(c, model, MUCMM_HEADS, q.view, 2, &v));
    TRY(mucmm_variates_csv(c, v, model, model_views, &text));
done:
    mucmm_text_free(text);
    mucmm_variates_free(v);
    return status;
}

static mucmm_status m_views_create(mucmm_ctx *c)
{
    mucmm_views *v;
    mucmm_status status = mucmm_views_create(c, q.view, 2, &v);

    GONE(status, v);
    mucmm_views_free(v);
    return status;
}

static mucmm_status m_views_open(mucmm_ctx *c)
{
    mucmm_views *v;
    const char *const paths[] = {folder_path("t.csv"), folder_path("t.npy")};
    mucmm_status status = mucmm_views_open(c, view_names, paths, 2, NULL, &v);

    GONE(status, v);
    mucmm_views_free(v);
    return status;
}

static const char known[] = "id,batch,age\n0,a,3\n1,b,4\n2,a,\n";

static mucmm_status m_table_open(mucmm_ctx *c)
{
    mucmm_table *t;
    mucmm_status status = mucmm_table_open(c, folder_path("t.csv"), NULL, &t);

    GONE(status, t);
    mucmm_table_free(t);
    return status;
}

static mucmm_status m_table_open_memory(mucmm_ctx *c)
{
    mucmm_table *t;
    mucmm_table_params p;
    mucmm_status status;

    mucmm_table_params_init(&p);
    p.key = "id";
    status = mucmm_table_open_memory(c, known, sizeof known - 1, "known", &p, &t);
    GONE(status, t);
    mucmm_table_free(t);
    return status;
}

static mucmm_status m_table_require(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_table *t;
    int64_t column;

    TRY(mucmm_table_open_memory(c, known, sizeof known - 1, NULL, NULL, &t));
    status = mucmm_table_require(c, t, "age", &column);
    mucmm_table_free(t);
done:
    return status;
}

/* Of views of three rows: matched and attached, to all of them and to the data of one. */
static mucmm_status m_table_attach(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_table *t = NULL, *rows = NULL;
    mucmm_views *v = NULL, *with = NULL, *complete = NULL;
    mucmm_data *d = NULL, *known_of = NULL;
    mucmm_cmat m = {numbers, 3, 6, 6};
    int64_t *numbered, n;

    TRY(mucmm_data_wrap(c, &m, "rows", NULL, 0, &d));
    TRY(mucmm_views_create(c, &(mucmm_view){"a", d}, 1, &v));
    TRY(mucmm_table_open_memory(c, known, sizeof known - 1, NULL, NULL, &t));
    status = mucmm_table_match(c, t, v, &rows);
    GONE(status, rows);
    TRY(status);
    TRY(mucmm_views_groups(c, v, t, "batch", (int64_t[3]){0}));
    TRY(mucmm_views_samples(c, v, "0-2", &numbered, &n));
    mucmm_bytes_free(numbered);
    status = mucmm_views_attach(c, v, t, &with);
    GONE(status, with);
    TRY(status);
    status = mucmm_views_complete(c, with, &complete);
    GONE(status, complete);
    TRY(status);
    status = mucmm_data_attach(c, d, rows, &known_of);
    GONE(status, known_of);
done:
    mucmm_data_free(known_of);
    mucmm_views_free(with);
    mucmm_views_free(complete);
    mucmm_table_free(rows);
    mucmm_table_free(t);
    mucmm_views_free(v);
    mucmm_data_free(d);
    return status;
}

static mucmm_status m_views_of_study(mucmm_ctx *c)
{
    mucmm_views *v;
    mucmm_status status = mucmm_views_of_study(c, study, MUCMM_PART_TEST, &v);

    GONE(status, v);
    mucmm_views_free(v);
    return status;
}

static mucmm_status m_views_match(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_views *all = NULL, *matched = NULL;
    const char *const paths[] = {folder_path("left.npy"), folder_path("right.npy")};

    TRY(mucmm_views_open(c, view_names, paths, 2, NULL, &all));
    TRY(mucmm_views_match(c, all, model, 1, &matched));
done:
    mucmm_views_free(matched);
    mucmm_views_free(all);
    return status;
}

static mucmm_status m_model_match_names(mucmm_ctx *c)
{
    return mucmm_model_match_names(c, model, view_names, 2, 1);
}

static mucmm_status m_views_training(mucmm_ctx *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_views *v = NULL;
    mucmm_data *d = NULL;

    TRY(mucmm_views_of_study(c, study, MUCMM_PART_TEST, &v));
    TRY(mucmm_views_training(c, v, "picture", &d));
done:
    mucmm_data_free(d);
    mucmm_views_free(v);
    return status;
}

/* ---- benchmarks -------------------------------------------------------------------- */

static mucmm_status m_probes_run(mucmm_ctx *c)
{
    static const float x[8][2] = {{1, 0},  {2, 1},  {3, 0},  {4, 1},
                                  {-1, 0}, {-2, 1}, {-3, 0}, {-4, 1}};
    static const int32_t class_of[8] = {0, 0, 0, 0, 1, 1, 1, 1};
    mucmm_probe probes[2];

    for (int i = 0; i < 2; i++)
        probes[i] = (mucmm_probe){.train = {x[0], 8, 2, 2},
                                  .test = {x[0], 8, 2, 2},
                                  .train_class = class_of,
                                  .test_class = class_of,
                                  .classes = 2,
                                  .nonlinear = i};
    return mucmm_probes_run(c, probes, 2, 1);
}

static mucmm_status m_bench_gemm(mucmm_ctx *c)
{
    double gflops;

    return mucmm_bench_gemm(c, 8, 8, 8, 1, &gflops);
}

static mucmm_status m_bench_graph(mucmm_ctx *c)
{
    mucmm_named_tensor in = {"x", {.dtype = MUCMM_F32, .rank = 2, .shape = {6, 8}}};
    double forward, both;
    mucmm_graph *g = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm_graph_load(c, in_folder("net.onnx"), &g));
    TRY(mucmm_bench_graph(c, g, &in, 1, NULL, 1, &forward, &both));
done:
    mucmm_graph_free(g);
    return status;
}

static mucmm_status m_bench_train(mucmm_ctx *c)
{
    mucmm_bench_train_params p;
    double rows, gflops;

    mucmm_bench_train_params_init(&p);
    p.features = 8;
    p.common = 2;
    p.batch = 60;
    p.steps = 1;
    p.n_hidden = 1;
    p.hidden[0] = 4;
    return mucmm_bench_train(c, &p, &rows, &gflops);
}

static mucmm_status m_bench_closed_form(mucmm_ctx *c)
{
    double seconds, correlations[K];

    return mucmm_bench_closed_form(c, q.view, 2, K, 1, &seconds, correlations);
}

static mucmm_status m_bench_permutation(mucmm_ctx *c)
{
    double seconds;

    return mucmm_bench_permutation(c, 30, K, 2, 5, 1, &seconds);
}

/* ---- the table --------------------------------------------------------------------- */

/* Every function that returns a status and takes a context, and the call that reaches it; `where`
 * instead names the test program that has a sweep of its own. */
typedef struct swept {
    const char *function;
    mucmm_status (*call)(mucmm_ctx *c);
    const char *where;
} swept;

#define CALL(name)                                                                                 \
    {                                                                                              \
        "mucmm_" #name, m_##name, NULL                                                             \
    }
static const swept table[] = {
    CALL(data_open),
    CALL(data_wrap),
    CALL(data_adopt),
    CALL(data_subset),
    CALL(data_pair),
    CALL(data_pair_all),
    CALL(data_read),
    CALL(npy_write),
    CALL(file_write),
    CALL(file_check),
    CALL(fit),
    {"mucmm_fit", m_fit_adjusted, NULL},
    CALL(model_save),
    CALL(model_load),
    {"mucmm_model_save_memory", m_model_memory, NULL},
    {"mucmm_model_load_memory", m_model_memory, NULL},
    CALL(model_weights),
    CALL(transform),
    CALL(predict_common),
    CALL(score),
    CALL(explain),
    {"mucmm_explanation_create", m_explanation_maps, NULL},
    {"mucmm_explanation_remap", m_explanation_maps, NULL},
    {"mucmm_explanation_maps", m_explanation_maps, NULL},
    {"mucmm_explanation_gaps", m_explanation_maps, NULL},
    {"mucmm_explanation_differences", m_explanation_maps, NULL},
    CALL(explanation_components),
    {"mucmm_explanation_check_gradient", m_check_gradient, NULL},
    CALL(null_fit),
    {"mucmm_explanation_p_values", m_null_p_values, NULL},
    {"mucmm_explanation_check", m_check_maps, NULL},
    {"mucmm_explanation_check", m_check_filters, NULL},
    CALL(findings_create),
    {"mucmm_findings_json", m_findings_create, NULL},
    {"mucmm_findings_text", m_findings_create, NULL},
    CALL(parts_create),
    {"mucmm_explain_defaults", m_explain_words, NULL},
    {"mucmm_map_parse", m_explain_words, NULL},
    {"mucmm_score_parse", m_explain_words, NULL},
    {"mucmm_baseline_parse", m_explain_words, NULL},
    {"mucmm_coupling_create", m_coupling, NULL},
    {"mucmm_coupling_matrix", m_coupling, NULL},
    {"mucmm_coupling_map", m_coupling, NULL},
    {"mucmm_coupling_totals", m_coupling, NULL},
    {"mucmm_coupling_strongest", m_coupling, NULL},
    {"mucmm_coupling_check", m_coupling, NULL},
    {"mucmm_coupling_sheet", m_coupling, NULL},
    {"mucmm_coupling_write", m_coupling, NULL},
    {"mucmm_couplings_json", m_coupling, NULL},
    {"mucmm_coupling_text", m_coupling, NULL},
    CALL(sheet_create),
    CALL(sheet_grey),
    CALL(sheet_map),
    CALL(sheet_picture),
    CALL(sheet_overlay),
    CALL(sheet_ticks),
    CALL(sheet_words),
    CALL(sheet_bars),
    CALL(sheet_write),
    {"mucmm_display_of_values", m_display, NULL},
    CALL(display_create),
    CALL(display_of_parts),
    CALL(map_scale),
    {"mucmm_display_picture", m_display, NULL},
    {"mucmm_display_sheet", m_display, NULL},
    {"mucmm_display_write", m_display, NULL},
    CALL(mel_power),
    CALL(mel_map),
    {"mucmm_report_create", m_report_texts, NULL},
    {"mucmm_report_section", m_report_texts, NULL},
    {"mucmm_report_heading", m_report_texts, NULL},
    {"mucmm_report_text", m_report_texts, NULL},
    {"mucmm_report_code", m_report_texts, NULL},
    {"mucmm_report_table", m_report_texts, NULL},
    {"mucmm_report_line", m_report_texts, NULL},
    {"mucmm_report_term", m_report_texts, NULL},
    {"mucmm_report_card", m_report_texts, NULL},
    CALL(report_chart),
    {"mucmm_report_picture", m_report_pictures, NULL},
    {"mucmm_report_ticks", m_report_pictures, NULL},
    {"mucmm_report_map", m_report_pictures, NULL},
    {"mucmm_report_words", m_report_pictures, NULL},
    {"mucmm_report_bars", m_report_pictures, NULL},
    {"mucmm_report_coupling", m_report_pictures, NULL},
    CALL(report_write),
    CALL(report_add),
    CALL(model_report),
    CALL(npy_read),
    CALL(npy_write_tensor),
    CALL(data_write),
    CALL(graph_json),
    CALL(ops_text),
    {"mucmm_graph_operators_text", m_ops_text, NULL},
    CALL(graph_load),
    CALL(graph_load_memory),
    CALL(graph_find),
    CALL(graph_run),
    CALL(graph_memory),
    CALL(run_vjp),
    CALL(source_create),
    CALL(source_wrap),
    CALL(encoder_load),
    CALL(encoder_wrap),
    CALL(data_encode),
    CALL(data_read_raw),
    CALL(data_tokens),
    CALL(data_picture),
    CALL(data_shown_picture),
    CALL(study_load),
    CALL(study_encode),
    CALL(study_view),
    CALL(model_recognize),
    CALL(scores_csv),
    CALL(scores_json),
    CALL(scores_components_csv),
    CALL(model_components_csv),
    CALL(scores_components_figure),
    CALL(model_components_figure),
    CALL(variates_csv),
    {"mucmm_matches_create", m_matches, NULL},
    {"mucmm_matches_text", m_matches, NULL},
    {"mucmm_matches_csv", m_matches, NULL},
    {"mucmm_matches_json", m_matches, NULL},
    {"mucmm_model_cite_text", m_cite, NULL},
    {"mucmm_model_cite_json", m_cite, NULL},
    {"mucmm_model_cite_bibtex", m_cite, NULL},
    {"mucmm_loadings_create", m_loadings, NULL},
    {"mucmm_loadings_text", m_loadings, NULL},
    {"mucmm_loadings_csv", m_loadings, NULL},
    {"mucmm_loadings_json", m_loadings, NULL},
    {"mucmm_loadings_figure", m_loadings, NULL},
    CALL(model_results_json),
    CALL(variates_create),
    CALL(views_create),
    CALL(views_open),
    CALL(views_of_study),
    CALL(views_match),
    {"mucmm_relate_create", m_relate, NULL},
    {"mucmm_relate_text", m_relate, NULL},
    {"mucmm_relate_csv", m_relate, NULL},
    {"mucmm_relate_json", m_relate, NULL},
    {"mucmm_relate_create", m_relate_groups, NULL},
    CALL(table_open),
    CALL(table_open_memory),
    CALL(table_require),
    {"mucmm_table_match", m_table_attach, NULL},
    {"mucmm_views_attach", m_table_attach, NULL},
    {"mucmm_views_complete", m_table_attach, NULL},
    {"mucmm_views_groups", m_table_attach, NULL},
    {"mucmm_views_samples", m_table_attach, NULL},
    {"mucmm_data_attach", m_table_attach, NULL},
    CALL(model_match_names),
    CALL(views_training),
    CALL(probes_run),
    CALL(bench_gemm),
    CALL(bench_graph),
    CALL(bench_train),
    CALL(bench_closed_form),
    CALL(bench_permutation),
};
static const size_t n_table = sizeof table / sizeof *table;

static void test_every_function_that_can_fail_is_in_the_table(void **state)
{
    static const char start[] = "\nMUCMM_API mucmm_status ";
    char *text = calloc(1, 1 << 20);
    FILE *f = fopen("include/mucmm.h", "rb");
    int missing = 0;

    (void)state;
    if (!f)
        fail_msg("include/mucmm.h is not there: run from the root of the sources");
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 1000);
    fclose(f);
    for (const char *at = text; (at = strstr(at, start));) {
        size_t length = strcspn(at += sizeof start - 1, "("), i = 0;
        while (i < n_table &&
               (strlen(table[i].function) != length || strncmp(table[i].function, at, length) != 0))
            i++;
        if (i < n_table || strncmp(at + length, "(mucmm_ctx *ctx", 15) != 0)
            continue;
        print_error("%.*s has no sweep: add it to the table of tests/test_memory.c\n", (int)length,
                    at);
        missing++;
    }
    free(text);
    assert_int_equal(missing, 0);
}

static void test_every_function_reports_every_failed_allocation(void **state)
{
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < n_table; i++)
        if (table[i].call && (i == 0 || table[i].call != table[i - 1].call))
            wrong += sweep_both(table[i].function, table[i].call);
    assert_int_equal(wrong, 0);
}

/* ---- main -------------------------------------------------------------------------- */

static void make_study(void)
{
    static const char table_text[] = "file\ttext\tgroup\na.png\ta b\tx\nb.png\tc\ty\na.png\tb\tz\n"
                                     "b.png\ta\tw\n";
    static const char text[] =
        "{\"table\": \"study.tsv\", \"split\": {\"column\": \"group\", \"test\": 0.5}, \"views\": "
        "{\"picture\": " PICTURE ", \"column\": \"file\"}, \"words\": " WORDS
        ", \"column\": \"text\"}, \"bag\": {\"kind\": \"text\", \"column\": \"text\", "
        "\"tokenizer\": \"words\", \"encoder\": \"tf-idf\", \"min_rows\": 1}}}";
    mucmm_study_params p;

    mucmm_study_params_init(&p);
    p.cache = folder_path("study-cache");
    put_text("study.tsv", table_text);
    put_text("s.json", text);
    CHECK_OK(ctx, mucmm_study_load(ctx, folder_path("s.json"), &study));
    CHECK_OK(ctx, mucmm_study_encode(ctx, study, &p));
}

static int set_up_memory(void **state)
{
    if (set_up_all(state) != 0)
        return -1;
    for (int i = 0; i < 4096; i++)
        more_numbers[i] = (float)sin(i);
    make_folder();
    make_fixtures(ctx);
    make_study();
    make_rich_model();
    CHECK_OK(ctx, mucmm_views_create(ctx, q.view, 2, &model_views));
    CHECK_OK(ctx, mucmm_score(ctx, model, q.view, 2, NULL, &model_scores));
    for (int v = 0; v < 2; v++)
        CHECK_OK(ctx, mucmm_npy_write(ctx, folder_path(v ? "right.npy" : "left.npy"), q.x[v],
                                      (const int64_t[]){q.n, q.p[v]}, 2));
    CHECK_OK(ctx, encode_items(ctx, PICTURE "}", picture_items, NULL, &pictures));
    CHECK_OK(ctx, encode_items(ctx, WORDS "}", text_items, NULL, &texts));
    CHECK_OK(ctx, mucmm_model_save(ctx, encoded_model, folder_path("encoded.mucmm")));
    return 0;
}

static int tear_down_memory(void **state)
{
    mucmm_scores_free(rich_scores);
    mucmm_model_free(rich_model);
    drop_problem(&three);
    mucmm_scores_free(model_scores);
    mucmm_views_free(model_views);
    mucmm_study_free(study);
    mucmm_data_free(texts);
    mucmm_data_free(pictures);
    return tear_down_all(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_function_that_can_fail_is_in_the_table),
        cmocka_unit_test(test_every_function_reports_every_failed_allocation),
    };
    const struct CMUnitTest detail[] = {
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    int failed = cmocka_run_group_tests_name("memory", tests, set_up_memory, tear_down_memory);

    memcpy(folder, "/tmp/mucmm-test-XXXXXX", sizeof "/tmp/mucmm-test-XXXXXX");
    return failed + cmocka_run_group_tests_name("memory of fit", detail, set_up, tear_down);
}
