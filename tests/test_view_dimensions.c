/* SPDX-License-Identifier: MIT
 *
 * Every view its own q, and views of fewer columns than there are common components. */
#include "generators.h"
#include "model/model.h"
#include "model/model_json.h"

static mucmm_ctx *ctx; /* one thread */

enum { VIEWS = 4, K = 5, N = 1500, WIDE = 12, SLIM = 4, HAS = 2, OWN = 3 };

/* Latents of all views but the last, which is slim and has the first HAS of them and two numbers of
 * its own in as many columns. */
typedef struct planted {
    double *s; /* [N, K] */
    float *x[VIEWS];
    mucmm_data *data[VIEWS];
    mucmm_view view[VIEWS];
} planted;

static int64_t columns(int32_t m)
{
    return m == VIEWS - 1 ? SLIM : WIDE;
}

static planted plant(uint64_t seed)
{
    static const char *const names[] = {"a", "b", "c", "slim"};
    planted t = {.s = normals(seed, 0, N * K, 1)};

    for (int32_t m = 0; m < VIEWS; m++) {
        int64_t p = columns(m), has = m == VIEWS - 1 ? HAS : K, all = has + (p == SLIM ? 2 : OWN);
        uint64_t stream = 10 * (uint64_t)(m + 1);
        double *mixing = normals(seed, stream, all * p, 1);
        double *own = normals(seed, stream + 1, N * all, 1);
        double *noise = normals(seed, stream + 2, N * p, .2);
        for (int64_t f = 0; f < all && p == SLIM; f++) /* no latent is nearly another's */
            mixing[f * (p + 1)] += 3;
        t.x[m] = test_floats(N * p);
        for (int64_t i = 0; i < N; i++)
            for (int64_t j = 0; j < p; j++) {
                double sum = noise[i * p + j];
                for (int64_t f = 0; f < all; f++)
                    sum += (f < has ? t.s[i * K + f] : own[i * all + f]) * mixing[f * p + j];
                t.x[m][i * p + j] = (float)sum;
            }
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.x[m], N, p, p}, names[m], NULL, 0,
                                      &t.data[m]));
        t.view[m] = (mucmm_view){names[m], t.data[m]};
        free(mixing);
        free(own);
        free(noise);
    }
    return t;
}

static void drop_planted(planted *t)
{
    for (int32_t m = 0; m < VIEWS; m++) {
        mucmm_data_free(t->data[m]);
        free(t->x[m]);
    }
    free(t->s);
}

static mucmm_fit_params params(mucmm_head_kind head, int64_t q, int64_t slim)
{
    mucmm_fit_params p = small_params(head);

    p.common = K;
    p.batch = 600;
    p.n_view_individual = VIEWS;
    for (int32_t m = 0; m < VIEWS; m++)
        p.view_individual[m] = m == VIEWS - 1 ? slim : q;
    return p;
}

static mucmm_model *fit_views(const planted *t, int32_t n, const mucmm_fit_params *p)
{
    mucmm_model *m = NULL;

    CHECK_OK(ctx, mucmm_fit(ctx, t->view, n, p, &m));
    return m;
}

/* How much of latent f the common variates of the view tell: of uncorrelated ones the root of R2.
 */
static double likeness(const planted *t, const mucmm_model *m, int32_t v, int64_t f)
{
    float *c, *u, *truth = test_floats(N);
    double square = 0;

    for (int64_t i = 0; i < N; i++)
        truth[i] = (float)t->s[i * K + f];
    transform(ctx, m, MUCMM_HEADS, v, t->data[v], &c, &u);
    for (int64_t j = 0; j < K; j++)
        if (covariance(c, K, j, c, K, j, N) > 0)
            square += pow(correlation(c, K, j, truth, 1, 0, N), 2);
    free(c);
    free(u);
    free(truth);
    return sqrt(square);
}

/* How many common variates of the view are not constant. */
static int64_t carried(const planted *t, const mucmm_model *m, int32_t v)
{
    float *c, *u;
    int64_t n = 0;

    transform(ctx, m, MUCMM_HEADS, v, t->data[v], &c, &u);
    for (int64_t j = 0; j < K; j++) {
        double variance = covariance(c, K, j, c, K, j, N);
        assert_true(variance == 0 || fabs(variance - 1) < .1);
        n += variance > 0;
    }
    free(c);
    free(u);
    return n;
}

/* Of u of every view with its own c and those of the others, and with their u. */
static double largest_leak(const planted *t, const mucmm_model *m)
{
    float *c[VIEWS], *u[VIEWS];
    double most = 0;

    for (int32_t v = 0; v < VIEWS; v++)
        transform(ctx, m, MUCMM_HEADS, v, t->data[v], &c[v], &u[v]);
    for (int32_t v = 0; v < VIEWS; v++)
        for (int32_t w = 0; w < VIEWS; w++)
            for (int64_t i = 0; i < m->view[v].q; i++) {
                for (int64_t j = 0; j < K; j++)
                    if (covariance(c[w], K, j, c[w], K, j, N) > 0)
                        most = fmax(most, fabs(correlation(u[v], m->view[v].q, i, c[w], K, j, N)));
                for (int64_t j = 0; j < m->view[w].q && v != w; j++)
                    most = fmax(most,
                                fabs(correlation(u[v], m->view[v].q, i, u[w], m->view[w].q, j, N)));
            }
    for (int32_t v = 0; v < VIEWS; v++) {
        free(c[v]);
        free(u[v]);
    }
    return most;
}

/* A slim view carries what it has, and the others lose nothing by it. */
static void test_a_slim_view_carries_what_it_has(void **state)
{
    planted t = plant(3);
    mucmm_fit_params p = params(MUCMM_HEAD_LINEAR, OWN, SLIM - HAS), without = p;
    mucmm_model *m = fit_views(&t, VIEWS, &p), *three;
    const mucmm_summary *s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);

    (void)state;
    without.n_view_individual = VIEWS - 1;
    three = fit_views(&t, VIEWS - 1, &without);
    assert_int_equal(carried(&t, m, 0), K);
    assert_int_equal(carried(&t, m, VIEWS - 1), HAS);
    for (int64_t f = 0; f < K; f++) {
        double wide = likeness(&t, m, 0, f), narrow = likeness(&t, m, VIEWS - 1, f);
        assert_true(wide > likeness(&t, three, 0, f) - .1);
        if (f < HAS)
            assert_true(narrow > .8);
        else
            assert_true(narrow < .3);
    }
    assert_int_equal(s->significant, K);
    for (int64_t j = 0, all = 0; j < K; j++) {
        all += s->carried[j * VIEWS + VIEWS - 1] > 0;
        assert_true(all <= HAS);
        assert_true(j < K - 1 || all == HAS);
    }
    for (int32_t v = 0; v < VIEWS; v++) {
        assert_int_equal(m->view[v].q, v == VIEWS - 1 ? SLIM - HAS : OWN);
        assert_true(s->common_share[v] > .2 && s->individual_share[v] > .05);
    }
    assert_true(largest_leak(&t, m) < .15);
    mucmm_model_free(m);
    mucmm_model_free(three);
    drop_planted(&t);
}

/* Of a view of columns enough the components that it carries are those of a fit in which it carries
 * all, and those that it does not are the ones in which it has the smallest part. */
static void test_carried_components_keep_their_weights(void **state)
{
    planted t = plant(5);
    problem q = {.n_views = 3, .n = N};
    int64_t p[3], most[3] = {K, K, 1}, total, kept = 0;
    const char *names[3] = {"a", "b", "slim"};
    double *cov, rho[2][3], *w[2][3];

    (void)state;
    for (int32_t m = 0; m < 3; m++) {
        q.p[m] = p[m] = columns(m + 1);
        q.x[m] = t.x[m + 1];
        for (int i = 0; i < 2; i++)
            w[i][m] = test_doubles(p[m] * 3);
    }
    cov = scaled_covariance(&q, MUCMM_SCALE_VIEW, &total);
    CHECK_OK(ctx, mucmm__closed_form_common(ctx, 3, p, names, cov, 1e-6, 3, 3, rho[0], w[0]));
    CHECK_OK(ctx,
             mucmm__closed_form_common_of(ctx, 3, p, names, cov, 1e-6, 3, 3, most, rho[1], w[1]));
    for (int64_t j = 0; j < 3; j++) {
        bool zero = true;
        for (int64_t i = 0; i < SLIM; i++)
            zero = zero && w[1][2][i * 3 + j] == 0;
        kept += !zero;
        CHECK_CLOSE(rho[1][j], rho[0][j], 1e-12);
        for (int32_t m = 0; m < 3; m++)
            for (int64_t i = 0; i < p[m] && !(zero && m == 2); i++)
                CHECK_CLOSE(w[1][m][i * 3 + j], w[0][m][i * 3 + j], 1e-12);
    }
    assert_int_equal(kept, 1);
    for (int i = 0; i < 2; i++)
        for (int32_t m = 0; m < 3; m++)
            free(w[i][m]);
    free(cov);
    drop_planted(&t);
}

/* One number for all views is cut to what a view's columns leave; a view may have none. */
static void test_one_number_is_cut_to_what_columns_leave(void **state)
{
    planted t = plant(7);
    mucmm_fit_params p = params(MUCMM_HEAD_LINEAR, 0, 0);
    mucmm_model *m;

    (void)state;
    p.n_view_individual = 0;
    p.individual = 3;
    m = fit_views(&t, VIEWS, &p);
    assert_int_equal(m->view[0].q, 3);
    assert_int_equal(m->view[VIEWS - 1].q, 0);
    assert_int_equal(carried(&t, m, VIEWS - 1), SLIM);
    mucmm_model_free(m);
    drop_planted(&t);
}

/* Trained, through a file and back. */
static void test_trained_views_have_their_own_numbers(void **state)
{
    planted t = plant(9);
    mucmm_fit_params p = params(MUCMM_HEAD_MLP, 2, 0);
    mucmm_model *m, *again = NULL;
    void *bytes = NULL;
    size_t size;

    (void)state;
    p.view_individual[1] = 4;
    m = fit_views(&t, VIEWS, &p);
    CHECK_OK(ctx, mucmm_model_save_memory(ctx, m, &bytes, &size));
    CHECK_OK(ctx, mucmm_model_load_memory(ctx, bytes, size, NULL, &again));
    for (int32_t v = 0; v < VIEWS; v++) {
        int64_t q = v == VIEWS - 1 ? 0 : v == 1 ? 4 : 2;
        float *c[2], *u[2];
        assert_int_equal(mucmm_model_individual(m, v), q);
        assert_int_equal(mucmm_model_individual(again, v), q);
        assert_int_equal(mucmm_model_params(again)->view_individual[v], p.view_individual[v]);
        transform(ctx, m, MUCMM_HEADS, v, t.data[v], &c[0], &u[0]);
        transform(ctx, again, MUCMM_HEADS, v, t.data[v], &c[1], &u[1]);
        assert_memory_equal(c[0], c[1], N * K * sizeof(float));
        if (q > 0)
            assert_memory_equal(u[0], u[1], (size_t)(N * q) * sizeof(float));
        for (int i = 0; i < 2; i++) {
            free(c[i]);
            free(u[i]);
        }
    }
    mucmm_bytes_free(bytes);
    mucmm_model_free(again);
    mucmm_model_free(m);
    drop_planted(&t);
}

static void check_replaced(const mucmm_model *m, const char *from, const char *to,
                           const char *fragment)
{
    const char *json = mucmm_model_json(m), *at = strstr(json, from);
    char *text = malloc(strlen(json) + strlen(to) + 1);
    mucmm_model *tried = NULL;

    if (!at)
        fail_msg("no %s in the metadata", from);
    sprintf(text, "%.*s%s%s", (int)(at - json), json, to, at + strlen(from));
    CHECK_OK(ctx, mucmm__alloc(ctx, 1, sizeof *tried, &tried));
    check_message(ctx, mucmm__model_from_json(ctx, text, 200000, tried), MUCMM_EFORMAT, fragment);
    mucmm_model_free(tried);
    free(text);
}

static void test_hostile_numbers_are_refused(void **state)
{
    planted t = plant(11);
    mucmm_fit_params p = params(MUCMM_HEAD_LINEAR, 3, 2);
    mucmm_model *m = fit_views(&t, VIEWS, &p);
    const char *wrong = "'view_individual' is no list";

    (void)state;
    check_replaced(m, "\"view_individual\": [", "\"view_individual\": [7,", wrong);
    check_replaced(m, "\"view_individual\": [", "\"view_individual\": 3, \"x\": [", wrong);
    check_replaced(m, "\"view_individual\": [\n   3,", "\"view_individual\": [\n   -3,",
                   "'view_individual' is missing or out of range");
    check_replaced(m, "\"view_individual\": [\n   3,", "\"view_individual\": [\n   \"many\",",
                   "'view_individual' is missing or out of range");
    check_replaced(m, "\"columns\": 4,\n   \"individual\": 2",
                   "\"columns\": 4,\n   \"individual\": 4",
                   "'individual' is missing or out of range");
    mucmm_model_free(m);
    drop_planted(&t);
}

/* What a fit of such views allocates may fail. */
static mucmm_status fit_slim(mucmm_ctx *own, void *arg)
{
    const planted *t = arg;
    mucmm_fit_params p = params(MUCMM_HEAD_LINEAR, 2, 1);
    mucmm_view view[VIEWS];
    mucmm_data *data[VIEWS] = {0};
    mucmm_model *m = NULL;
    mucmm_status status = MUCMM_OK;

    p.ridge = 1e-3;
    for (int32_t v = 0; v < VIEWS && status == MUCMM_OK; v++) {
        int64_t cols = columns(v);
        status = mucmm_data_wrap(own, &(mucmm_cmat){t->x[v], 160, cols, cols}, t->view[v].name,
                                 NULL, 0, &data[v]);
        view[v] = (mucmm_view){t->view[v].name, data[v]};
    }
    if (status == MUCMM_OK)
        status = mucmm_fit(own, view, VIEWS, &p, &m);
    for (int32_t v = 0; v < VIEWS; v++)
        mucmm_data_free(data[v]);
    mucmm_model_free(m);
    return status;
}

static void test_failed_allocations_are_told(void **state)
{
    planted t = plant(13);

    (void)state;
    assert_true(sweep_out_of_memory(fit_slim, &t, 40) > 40);
    drop_planted(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slim_view_carries_what_it_has),
        cmocka_unit_test(test_carried_components_keep_their_weights),
        cmocka_unit_test(test_one_number_is_cut_to_what_columns_leave),
        cmocka_unit_test(test_trained_views_have_their_own_numbers),
        cmocka_unit_test(test_hostile_numbers_are_refused),
        cmocka_unit_test(test_failed_allocations_are_told),
    };
    mucmm_ctx_params p;
    int failed;

    mucmm_ctx_params_init(&p);
    p.threads = 1;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    mucmm_ctx_free(ctx);
    return failed;
}
