/* SPDX-License-Identifier: MIT
 *
 * One model, its data, a graph and an encoder, shared by eight threads with a context each: every
 * thread gets the bytes that one alone gets. Under the thread sanitizer: without a race. */
#include "onnx_builder.h"
#include "workspace.h"

#include <pthread.h>

#define N_THREADS 8
#define N_ROWS 120
#define K 2
#define N_EXPLAINED 3
#define ENCODED 4 /* features of a row behind the encoder */

static problem q;
static mucmm_model *model, *encoded_model;
static mucmm_null *null_models;
static mucmm_graph *graph;
static mucmm_source *source;
static mucmm_encoder *encoder;
static mucmm_data *encoded;
static mucmm_view encoded_view[2];

/* ---- what a thread does ------------------------------------------------------------ */

/* Everything that comes out; floats, so that one comparison of bytes is enough. */
typedef struct results {
    float common[2][N_ROWS * K], individual[N_ROWS * 3], predicted[N_ROWS * K];
    double scores[N_ROWS], total[2], p_values[K];
    float maps[5][N_EXPLAINED * 9], null_p[N_EXPLAINED * 9], raw_maps[N_EXPLAINED * 8];
    float output[6 * 5], gradient[6 * 8];
    float features[N_ROWS * ENCODED], read[N_ROWS * 8];
} results;

static const int64_t explained[N_EXPLAINED] = {3, 50, 119};

static mucmm_mat mat(float *x, int64_t rows, int64_t cols)
{
    return (mucmm_mat){x, rows, cols, cols};
}

static mucmm_status do_transform(mucmm_ctx *c, results *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm_mat common[2] = {mat(r->common[0], N_ROWS, K), mat(r->common[1], N_ROWS, K)};
    mucmm_mat individual = mat(r->individual, N_ROWS, 3), out = mat(r->predicted, N_ROWS, K);
    mucmm_cmat given[2] = {{r->common[0], N_ROWS, K, K}, {NULL, 0, 0, 0}};

    TRY(mucmm_transform(c, model, MUCMM_HEADS, 0, q.data[0], &common[0], &individual));
    TRY(mucmm_transform(c, model, MUCMM_LINEAR, 1, q.data[1], &common[1], NULL));
    TRY(mucmm_predict_common(c, model, MUCMM_HEADS, given, 1, &out, NULL));
done:
    return status;
}

static mucmm_status do_score(mucmm_ctx *c, results *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm_scores *s = NULL;
    mucmm_score_params p;

    mucmm_score_params_init(&p);
    p.permutations = 19;
    TRY(mucmm_score(c, model, q.view, 2, &p, &s));
    memcpy(r->scores, mucmm_scores_common(s), sizeof r->scores);
    for (int method = 0; method < 2; method++)
        r->total[method] = mucmm_scores_summary(s, method)->total_correlation;
    memcpy(r->p_values, mucmm_scores_summary(s, MUCMM_HEADS)->p_values, sizeof r->p_values);
done:
    mucmm_scores_free(s);
    return status;
}

static mucmm_status do_explain(mucmm_ctx *c, results *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;
    mucmm_mat out;

    mucmm_explain_params_init(&p);
    p.steps = 3;
    p.samples = 3;
    for (int kind = 0; kind < 5; kind++) {
        p.map = (mucmm_map_kind)kind;
        p.score = kind % 2 ? MUCMM_SCORE_COMMON : MUCMM_SCORE_INDIVIDUAL;
        out = mat(r->maps[kind], N_EXPLAINED, q.p[1]);
        TRY(mucmm_explain(c, model, q.view, 2, 1, explained, N_EXPLAINED, &p, &out, NULL));
    }
    mucmm_explain_params_init(&p);
    p.representation = MUCMM_LINEAR;
    out = mat(r->null_p, N_EXPLAINED, q.p[1]);
    TRY(mucmm_null_p_values(c, null_models, q.view, 2, 1, explained, N_EXPLAINED, &p,
                            MUCMM_P_POOLED, &out));
    p.map = MUCMM_MAP_GRADIENT;
    out = mat(r->raw_maps, N_EXPLAINED, 8);
    TRY(mucmm_explain(c, encoded_model, encoded_view, 2, 0, explained, N_EXPLAINED, &p, &out,
                      NULL));
done:
    return status;
}

static mucmm_status do_graph(mucmm_ctx *c, results *r)
{
    static const char *const wrt[] = {"x"};
    mucmm_status status = MUCMM_OK;
    mucmm_named_tensor in = {"x", {MUCMM_F32, 2, {6, 8}, q.x[0]}};
    mucmm_tensor cotangent, grad = {MUCMM_F32, 2, {6, 8}, r->gradient};
    mucmm_run_params p;
    mucmm_run *run = NULL;

    mucmm_run_params_init(&p);
    p.wrt = wrt;
    p.n_wrt = 1;
    TRY(mucmm_graph_run(c, graph, &in, 1, &p, &run));
    cotangent = *mucmm_run_output(run, 0);
    memcpy(r->output, cotangent.data, sizeof r->output);
    cotangent.data = r->output;
    TRY(mucmm_run_vjp(c, run, &cotangent, &grad));
done:
    mucmm_run_free(run);
    return status;
}

static mucmm_status do_encode(mucmm_ctx *c, results *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm_mat features = mat(r->features, N_ROWS, ENCODED), read = mat(r->read, N_ROWS, 8);
    mucmm_data *d = NULL, *part = NULL;

    TRY(mucmm_data_encode(c, source, encoder, NULL, &d));
    TRY(mucmm_data_read(c, d, NULL, N_ROWS, &features));
    TRY(mucmm_data_subset(c, encoded, explained, N_EXPLAINED, &part));
    TRY(mucmm_data_read_raw(c, encoded, NULL, N_ROWS, &read));
done:
    mucmm_data_free(part);
    mucmm_data_free(d);
    return status;
}

typedef mucmm_status (*deed)(mucmm_ctx *c, results *r);
static const deed deeds[] = {do_transform, do_score, do_explain, do_graph, do_encode};
#define N_DEEDS 5

/* ---- eight of them ----------------------------------------------------------------- */

typedef struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    int first; /* deed; the others follow, so that different ones meet */
    int32_t threads;
    mucmm_status status;
    char message[256];
    results r;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    mucmm_ctx *c = threaded_ctx(w->threads);

    if (w->start)
        pthread_barrier_wait(w->start);
    for (int i = 0; i < N_DEEDS && w->status == MUCMM_OK; i++)
        w->status = deeds[(w->first + i) % N_DEEDS](c, &w->r);
    snprintf(w->message, sizeof w->message, "%s", mucmm_ctx_message(c));
    mucmm_ctx_free(c);
    return NULL;
}

static void check_shared_by_threads(int32_t threads)
{
    pthread_barrier_t start;
    worker *w = calloc(N_THREADS, sizeof *w), *alone = calloc(1, sizeof *alone);

    alone->threads = threads;
    work(alone);
    if (alone->status != MUCMM_OK)
        fail_msg("alone: %s", alone->message);
    pthread_barrier_init(&start, NULL, N_THREADS);
    for (int i = 0; i < N_THREADS; i++) {
        w[i].start = &start;
        w[i].first = i;
        w[i].threads = threads;
        assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(w[i].thread, NULL);
    for (int i = 0; i < N_THREADS; i++) {
        if (w[i].status != MUCMM_OK)
            fail_msg("thread %d: %s", i, w[i].message);
        assert_memory_equal(&w[i].r, &alone->r, sizeof alone->r);
    }
    pthread_barrier_destroy(&start);
    free(w);
    free(alone);
}

static void test_eight_threads_get_the_bytes_of_one(void **state)
{
    (void)state;
    check_shared_by_threads(1);
}

/* Each context with two threads of its own. */
static void test_eight_teams_get_the_bytes_of_one(void **state)
{
    (void)state;
    check_shared_by_threads(2);
}

/* The results are those of different rows and seeds: a comparison that could not fail is none. */
static void test_results_are_not_all_alike(void **state)
{
    worker *w = calloc(1, sizeof *w);

    (void)state;
    w->threads = 1;
    work(w);
    assert_int_equal(w->status, MUCMM_OK);
    for (int i = 1; i < N_ROWS; i++)
        assert_true(w->r.scores[i] != w->r.scores[0]);
    assert_true(w->r.gradient[0] != 0 && w->r.maps[4][0] != 0 && w->r.raw_maps[0] != 0);
    assert_true(w->r.features[0] != 0 && w->r.null_p[0] > 0 && w->r.predicted[0] != 0);
    free(w);
}

/* ---- main -------------------------------------------------------------------------- */

/* x [-1, 8] -> hidden = tanh(x w) [-1, 5], and a convolution beside it, so that more than one kind
 * of operator is shared; the first four of hidden are the features. */
static void make_graph(void)
{
    net n = net_new(13);
    double *w = normals(7, 0, 40, .3);
    float weights[40];
    size_t size;
    uint8_t *bytes_of_net;

    for (int i = 0; i < 40; i++)
        weights[i] = (float)w[i];
    free(w);
    net_input(&n, "x", MUCMM_F32, "-1x8");
    net_floats(&n, "w", "8x5", weights);
    net_floats(&n, "kernel", "1x1x3", weights);
    net_ints(&n, "deep", "3", (const int64_t[]){0, 1, 8});
    net_ints(&n, "flat", "2", (const int64_t[]){0, 8});
    net_ints(&n, "from", "1", (const int64_t[]){0});
    net_ints(&n, "to", "1", (const int64_t[]){ENCODED});
    net_ints(&n, "axis", "1", (const int64_t[]){1});
    net_node(&n, "Reshape", "x deep", "x3", "");
    net_node(&n, "Conv", "x3 kernel", "smooth3", "pads=[1,1]");
    net_node(&n, "Reshape", "smooth3 flat", "smooth", "");
    net_node(&n, "MatMul", "smooth w", "mixed", "");
    net_node(&n, "Tanh", "mixed", "hidden", "");
    net_node(&n, "Slice", "hidden from to axis", "features", "");
    net_output(&n, "hidden");
    graph = net_load(ctx, &n);
    bytes_of_net = net_bytes(&n, &size);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("net.onnx"), bytes_of_net, size));
    net_drop(&n);
}

static void make_encoded(void)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_null_params np;

    CHECK_OK(ctx, mucmm_source_wrap(ctx, q.data[0], &source));
    CHECK_OK(ctx, mucmm_encoder_load(ctx,
                                     "{\"kind\": \"table\", \"encoder\": \"net.onnx\", "
                                     "\"tensor\": \"features\"}",
                                     folder, &encoder));
    CHECK_OK(ctx, mucmm_data_encode(ctx, source, encoder, NULL, &encoded));
    encoded_view[0] = (mucmm_view){"left", encoded};
    encoded_view[1] = q.view[1];
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, encoded_view, 2, &p, &encoded_model));
    mucmm_null_params_init(&np);
    np.models = 3;
    CHECK_OK(ctx, mucmm_null_fit(ctx, model, MUCMM_LINEAR, q.view, 2, &np, &null_models));
}

static int set_up_all(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    if (set_up(state) != 0)
        return -1;
    q = new_problem(ctx, 2, N_ROWS, true, 71);
    p.batch = 60;
    model = fit(ctx, &q, &p);
    make_graph();
    make_encoded();
    return 0;
}

static int tear_down_all(void **state)
{
    mucmm_null_free(null_models);
    mucmm_model_free(encoded_model);
    mucmm_data_free(encoded);
    mucmm_encoder_free(encoder);
    mucmm_source_free(source);
    mucmm_graph_free(graph);
    mucmm_model_free(model);
    drop_problem(&q);
    return tear_down(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_are_not_all_alike),
        cmocka_unit_test(test_eight_threads_get_the_bytes_of_one),
        cmocka_unit_test(test_eight_teams_get_the_bytes_of_one),
    };
    return cmocka_run_group_tests_name("threads", tests, set_up_all, tear_down_all);
}
