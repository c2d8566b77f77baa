/* SPDX-License-Identifier: MIT
 *
 * One model, its data, a graph and an encoder, shared by eight threads with a context each: every
 * thread gets the bytes that one alone gets. Under the thread sanitizer: without a race. */
#include "everything.h"
#include "explain_case.h"

#include <pthread.h>

#define N_THREADS 8

/* ---- what a thread does ------------------------------------------------------------ */

/* Everything that comes out; floats, so that one comparison of bytes is enough. */
typedef struct results {
    float common[2][N_ROWS * K], individual[N_ROWS * 3], predicted[N_ROWS * K];
    double scores[N_ROWS], total[2], p_values[K];
    float maps[5][N_EXPLAINED * 9], null_p[N_EXPLAINED * 9], raw_maps[N_EXPLAINED * 8];
    float output[6 * 5], gradient[6 * 8];
    float features[N_ROWS * ENCODED], read[N_ROWS * 8];
} results;

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
    TRY(p_values_of(c, (explain_case){model, q.view, 2, 1, explained, N_EXPLAINED, &p}, null_models,
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_are_not_all_alike),
        cmocka_unit_test(test_eight_threads_get_the_bytes_of_one),
        cmocka_unit_test(test_eight_teams_get_the_bytes_of_one),
    };
    return cmocka_run_group_tests_name("threads", tests, set_up_all, tear_down_all);
}
