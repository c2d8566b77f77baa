/* SPDX-License-Identifier: MIT
 *
 * Which components come back in another fit: section 5 of the method. */
#include "generators.h"
#include "model/fit.h"
#include "model/model.h"
#include "model/stability.h"
#include "model/trainer.h"

#include <unistd.h>

static mucmm_ctx *ctx;

/* ---- the assignment ---------------------------------------------------------------- */

static double best_sum(int64_t n, const double *gain, int64_t row, unsigned used)
{
    double best = -INFINITY;

    if (row == n)
        return 0;
    for (int64_t j = 0; j < n; j++)
        if (!(used >> j & 1))
            best = fmax(best, gain[row * n + j] + best_sum(n, gain, row + 1, used | 1u << j));
    return best;
}

/* Against all permutations, also with many equal sums. */
static void test_assignment_is_the_best_of_all(void **state)
{
    uint64_t key = mucmm__rng_key(5, 1);

    (void)state;
    for (int64_t t = 0, at = 0; t < 400; t++) {
        int64_t n = 1 + t % 7, column[7];
        double gain[49], sum = 0;
        unsigned used = 0;
        for (int64_t i = 0; i < n * n; i++) {
            gain[i] = mucmm__rng_uniform(key, (uint64_t)at++) - (t % 2 ? .5 : 0);
            gain[i] = t % 3 ? gain[i] : floor(3 * gain[i]);
        }
        CHECK_OK(ctx, mucmm__assign(ctx, n, gain, column));
        for (int64_t i = 0; i < n; i++) {
            assert_in_range(column[i], 0, n - 1);
            sum += gain[i * n + column[i]];
            used |= 1u << column[i];
        }
        assert_int_equal(used, (1u << n) - 1);
        CHECK_CLOSE(sum, best_sum(n, gain, 0, 0), 1e-12);
    }
}

static void test_assignment_refuses_nan(void **state)
{
    const double gain[] = {1, 0, NAN, 1};
    int64_t column[2];

    (void)state;
    check_message(ctx, mucmm__assign(ctx, 2, gain, column), MUCMM_ENUMERIC, "not finite");
}

/* ---- planted data ------------------------------------------------------------------ */

/* Views of 10 columns, mixtures of 10 latents of which latent j has the correlation rho[j] in those
 * pairs of views that both[j] names by bits. */
#define COLUMNS 10
static problem planted(int32_t n_views, int64_t n, int64_t shared, const double *rho,
                       const unsigned *both, uint64_t seed)
{
    static const char *const names[] = {"left", "right", "third"};
    problem q = {.n_views = n_views, .n = n};
    double *common = normals(seed, 1, n * COLUMNS, 1);

    q.shared = test_doubles(n * SHARED); /* not used, but copied with the rows */
    for (int32_t m = 0; m < n_views; m++) {
        double *z = normals(seed, 10 + (uint64_t)m, n * COLUMNS, 1);
        double *mixing = normals(9, 20 + (uint64_t)m, COLUMNS * COLUMNS, 1);
        q.p[m] = COLUMNS;
        q.x[m] = test_floats(n * COLUMNS);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < shared; j++)
                if (both[j] >> m & 1)
                    z[i * COLUMNS + j] = sqrt(rho[j]) * common[i * COLUMNS + j] +
                                         sqrt(1 - rho[j]) * z[i * COLUMNS + j];
            for (int64_t j = 0; j < COLUMNS; j++) {
                double sum = 0;
                for (int64_t l = 0; l < COLUMNS; l++)
                    sum += z[i * COLUMNS + l] * mixing[l * COLUMNS + j];
                q.x[m][i * COLUMNS + j] = (float)(sum + 3);
            }
        }
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[m], n, COLUMNS, COLUMNS}, names[m],
                                      NULL, 0, &q.data[m]));
        q.view[m] = (mucmm_view){names[m], q.data[m]};
        free(z);
        free(mixing);
    }
    free(common);
    return q;
}

static mucmm_fit_params bootstrap_params(int64_t common, int32_t replicates)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);

    p.common = common;
    p.individual = 1;
    p.bootstrap = replicates;
    return p;
}

/* A strong pair is found in every replicate, a weak one near the noise in some, noise in none. */
static void test_strong_components_come_back_and_noise_does_not(void **state)
{
    const double rho[] = {.9, .25};
    const unsigned both[] = {7, 7};

    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = planted(views, 600, 2, rho, both, 4);
        mucmm_fit_params p = bootstrap_params(5, 100);
        mucmm_model *m = fit(ctx, &q, &p);
        const mucmm_stability *s = mucmm_model_stability(m, MUCMM_LINEAR);

        assert_ptr_equal(s, mucmm_model_stability(m, MUCMM_HEADS));
        assert_int_equal(s->components, 5);
        assert_int_equal(s->compared, 100);
        printf("# %d views: similarity %.3f %.3f %.3f %.3f %.3f\n", views, s->similarity[0],
               s->similarity[1], s->similarity[2], s->similarity[3], s->similarity[4]);
        assert_true(s->similarity[0] > .95 && s->similarity_low[0] > .9 && s->subspace[0] > .95);
        assert_true(s->correlation_low[0] < .9 && s->correlation_high[0] > .87);
        assert_true(s->correlation_low[0] > .8 && s->correlation_high[0] < .95);
        assert_true(s->averaged[0] > .85 && s->averaged[0] < .93);
        assert_true(s->similarity[1] < s->similarity[0] - .05);
        for (int64_t j = 3; j < 5; j++) {
            assert_true(s->similarity[j] < MUCMM_COMES_BACK && !s->comes_back[j]);
            assert_true(fabs(s->averaged[j]) < .2);
        }
        for (int64_t j = 0; j < 5; j++) {
            assert_true(s->similarity_low[j] >= 0 && s->similarity_low[j] <= s->similarity[j]);
            assert_true(s->correlation_low[j] <= s->correlations[j] &&
                        s->correlations[j] <= s->correlation_high[j]);
        }
        assert_in_range(s->returning, 1, 3);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

/* Of three views a factor of two comes back, though its variate in the third is noise. */
static void test_views_count_by_their_part(void **state)
{
    const double rho[] = {.9, .85};
    const unsigned both[] = {3, 7};
    problem q = planted(3, 800, 2, rho, both, 6);
    mucmm_fit_params p = bootstrap_params(2, 60);
    mucmm_model *m = fit(ctx, &q, &p);
    const mucmm_stability *s = mucmm_model_stability(m, MUCMM_LINEAR);

    (void)state;
    assert_int_equal(s->returning, 2);
    assert_true(s->similarity[0] > .9 && s->similarity[1] > .9);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Three equal correlations: each component turns among them, and their space stays. */
static void test_equal_correlations_turn_in_their_space(void **state)
{
    const double rho[] = {.7, .7, .7};
    const unsigned both[] = {3, 3, 3};
    problem q = planted(2, 2000, 3, rho, both, 8);
    mucmm_fit_params p = bootstrap_params(3, 60);
    mucmm_model *m = fit(ctx, &q, &p);
    const mucmm_stability *s = mucmm_model_stability(m, MUCMM_LINEAR);
    double turned = 0;

    (void)state;
    for (int64_t j = 0; j < 3; j++) {
        assert_true(s->subspace[j] > .99);
        turned += s->similarity[j] / 3;
    }
    assert_true(turned < .97);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- one replicate by the definition ----------------------------------------------- */

/* Absolute correlations, summed over two views and halved, of the variates w of both fits. */
static double similarity_of(const float *const x[2], int64_t n, double *const a[2], int64_t i,
                            double *const b[2], int64_t j)
{
    double sum = 0;

    for (int m = 0; m < 2; m++) {
        float *c = test_floats(n * 2);
        for (int64_t r = 0; r < n; r++)
            for (int64_t l = 0; l < COLUMNS; l++) {
                c[2 * r] += (float)(a[m][l * 2 + i] * ((double)x[m][r * COLUMNS + l] - 3));
                c[2 * r + 1] += (float)(b[m][l * 2 + j] * ((double)x[m][r * COLUMNS + l] - 3));
            }
        sum += correlation(c, 2, 0, c, 2, 1, n) / 2;
        free(c);
    }
    return fabs(sum);
}

/* Weights of the raw columns, from rows drawn `times` each; scale is that of all rows. */
static void solve_rows(const problem *t, const int64_t *times, const double *scale, double ridge,
                       double *const w[2])
{
    problem drawn = {.n_views = 2, .n = 0, .p = {COLUMNS, COLUMNS}};
    double *cov = test_doubles(4 * COLUMNS * COLUMNS), rho[2];

    for (int64_t i = 0; i < t->n; i++)
        drawn.n += times[i];
    for (int m = 0; m < 2; m++) {
        int64_t at = 0;
        drawn.x[m] = test_floats(drawn.n * COLUMNS);
        for (int64_t i = 0; i < t->n; i++)
            for (int64_t c = 0; c < times[i]; c++)
                memcpy(drawn.x[m] + at++ * COLUMNS, t->x[m] + i * COLUMNS, COLUMNS * sizeof(float));
    }
    for (int64_t i = 0; i < 2 * COLUMNS; i++)
        for (int64_t j = 0; j < 2 * COLUMNS; j++)
            cov[i * 2 * COLUMNS + j] =
                covariance(drawn.x[i / COLUMNS], COLUMNS, i % COLUMNS, drawn.x[j / COLUMNS],
                           COLUMNS, j % COLUMNS, drawn.n) /
                (scale[i / COLUMNS] * scale[j / COLUMNS]);
    CHECK_OK(ctx, mucmm__closed_form_common(ctx, 2, drawn.p, (const char *const[]){"a", "b"}, cov,
                                            ridge, 2, 2, rho, w));
    free(cov);
    free(drawn.x[0]);
    free(drawn.x[1]);
}

static void test_one_replicate_is_as_defined(void **state)
{
    const double rho[] = {.6, .5};
    const unsigned both[] = {3, 3};
    problem q = planted(2, 300, 2, rho, both, 11), t;
    mucmm_fit_params p = bootstrap_params(2, 1);
    uint64_t key = mucmm__rng_key(p.seed, 4);
    double *a[2], *b[2], scale[2], s[4];
    float *out[2];
    int64_t *times, *once, n_out = 0;
    mucmm_model *m;
    const mucmm_stability *got;

    (void)state;
    p.ridge = .01;
    m = fit(ctx, &q, &p);
    got = mucmm_model_stability(m, MUCMM_LINEAR);
    t = training_problem(ctx, &q, &p);
    /* training_problem has the rows as the split drew them; the fit sorts them */
    int64_t *row = calloc((size_t)t.n, sizeof *row), used = 0;
    times = calloc((size_t)t.n, sizeof *times);
    once = calloc((size_t)t.n, sizeof *once);
    for (int64_t i = 0; i < q.n; i++)
        for (int64_t r = 0; r < t.n; r++)
            if (memcmp(q.x[0] + i * COLUMNS, t.x[0] + r * COLUMNS, COLUMNS * sizeof(float)) == 0)
                row[used++] = r;
    assert_int_equal(used, t.n);
    for (int64_t i = 0; i < t.n; i++)
        once[i] = 1;
    for (int64_t i = 0; i < t.n; i++)
        times[row[(int64_t)(mucmm__rng_uniform(key, (uint64_t)i) * (double)t.n)]]++;
    for (int v = 0; v < 2; v++) {
        a[v] = test_doubles(COLUMNS * 2);
        b[v] = test_doubles(COLUMNS * 2);
        out[v] = test_floats(t.n * COLUMNS);
        scale[v] = 0;
        for (int64_t j = 0; j < COLUMNS; j++)
            scale[v] += covariance(t.x[v], COLUMNS, j, t.x[v], COLUMNS, j, t.n) / COLUMNS;
        scale[v] = sqrt(scale[v]);
    }
    for (int64_t i = 0; i < t.n; i++) {
        for (int v = 0; v < 2 && times[i] == 0; v++)
            memcpy(out[v] + n_out * COLUMNS, t.x[v] + i * COLUMNS, COLUMNS * sizeof(float));
        n_out += times[i] == 0;
    }
    solve_rows(&t, once, scale, p.ridge, a);
    solve_rows(&t, times, scale, p.ridge, b);
    for (int64_t i = 0; i < 2; i++)
        for (int64_t j = 0; j < 2; j++)
            s[i * 2 + j] = similarity_of((const float *const *)out, n_out, a, i, b, j);
    bool straight = s[0] + s[3] >= s[1] + s[2];
    CHECK_CLOSE(got->similarity[0], straight ? s[0] : s[1], 1e-5);
    CHECK_CLOSE(got->similarity[1], straight ? s[3] : s[2], 1e-5);
    CHECK_CLOSE(got->similarity_low[0], got->similarity[0], 0);
    /* a single replicate's averaged variates are its own */
    CHECK_CLOSE(got->averaged[0], got->correlations[0], 1e-9);
    for (int v = 0; v < 2; v++) {
        free(a[v]);
        free(b[v]);
        free(out[v]);
    }
    free(times);
    free(once);
    free(row);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

/* ---- on other data ----------------------------------------------------------------- */

static void test_more_columns_than_rows(void **state)
{
    problem q = new_problem(ctx, 2, 120, false, 12);
    float *wide = test_floats(120 * 300);
    double *noise = normals(3, 3, 120 * 300, 1);
    mucmm_data *data = NULL;
    mucmm_fit_params p = bootstrap_params(2, 40);
    mucmm_model *m = NULL;

    (void)state;
    for (int64_t i = 0; i < 120; i++)
        for (int64_t j = 0; j < 300; j++)
            wide[i * 300 + j] = (float)noise[i * 300 + j] + q.x[0][i * 8 + j % 8];
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){wide, 120, 300, 300}, "wide", NULL, 0, &data));
    q.view[0].data = data;
    CHECK_OK(ctx, mucmm_fit(ctx, q.view, 2, &p, &m));
    assert_int_equal(mucmm_model_stability(m, MUCMM_LINEAR)->compared, 40);
    assert_true(mucmm_model_stability(m, MUCMM_LINEAR)->similarity[0] > .8);
    mucmm_model_free(m);
    mucmm_data_free(data);
    free(wide);
    free(noise);
    drop_problem(&q);
}

/* Rows that lack a view are drawn too; the comparison is on complete rows. */
static void test_rows_that_lack_views(void **state)
{
    problem q = new_problem(ctx, 2, 400, false, 13);
    mucmm_data *data[2] = {0};
    mucmm_fit_params p = bootstrap_params(2, 30);
    mucmm_model *m = NULL;
    int64_t rows[400];

    (void)state;
    for (int v = 0; v < 2; v++) {
        for (int64_t i = 0; i < 400; i++)
            rows[i] = i % 8 == 3 + v ? -1 : i;
        CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[v], rows, 400, &data[v]));
        q.view[v].data = data[v];
    }
    CHECK_OK(ctx, mucmm_fit(ctx, q.view, 2, &p, &m));
    assert_int_equal(mucmm_model_stability(m, MUCMM_LINEAR)->compared, 30);
    assert_true(mucmm_model_stability(m, MUCMM_LINEAR)->similarity[0] > .95);
    mucmm_model_free(m);
    mucmm_data_free(data[0]);
    mucmm_data_free(data[1]);
    drop_problem(&q);
}

/* ---- the rest ---------------------------------------------------------------------- */

static void test_same_numbers_for_any_threads_and_in_the_file(void **state)
{
    problem q = new_problem(ctx, 3, 300, false, 14);
    mucmm_fit_params p = bootstrap_params(3, 12);
    mucmm_model *m[3] = {0};
    char path[] = "/tmp/mucmm_stability_XXXXXX";
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    close(file);
    for (int32_t t = 1; t <= 2; t++) {
        mucmm_ctx_params cp;
        mucmm_ctx *c = NULL;
        mucmm_ctx_params_init(&cp);
        cp.threads = t;
        assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
        m[t] = fit(c, &q, &p);
        mucmm_ctx_free(c);
    }
    CHECK_OK(ctx, mucmm_model_save(ctx, m[1], path));
    CHECK_OK(ctx, mucmm_model_load(ctx, path, &m[0]));
    for (int i = 0; i < 3; i += 2) {
        mucmm_stability *a = m[1]->linear.stability, *b = m[i]->linear.stability;
        assert_int_equal(a->compared, b->compared);
        assert_int_equal(a->returning, b->returning);
        for (int field = 0; field < MUCMM__STABILITY_FIELDS; field++)
            assert_memory_equal(*mucmm__stability_field(a, field),
                                *mucmm__stability_field(b, field), 3 * sizeof(double));
    }
    assert_int_equal(m[0]->params.bootstrap, 12);
    for (int i = 0; i < 3; i++)
        mucmm_model_free(m[i]);
    unlink(path);
    drop_problem(&q);
}

typedef struct stopper {
    int64_t calls, stop_at;
    bool bootstrap;
} stopper;

static int stop_there(void *user, const char *stage, int64_t done, int64_t total, const char *note)
{
    stopper *s = user;

    (void)note;
    assert_true(done <= total);
    s->bootstrap = strcmp(stage, "bootstrap") == 0;
    return s->calls++ == s->stop_at;
}

static void test_stops_when_asked(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 15);
    mucmm_fit_params p = bootstrap_params(2, 5);
    int64_t stopped = 0;

    (void)state;
    for (int64_t at = 0;; at++) {
        stopper s = {0, at, false};
        mucmm_ctx_params cp;
        mucmm_ctx *c = NULL;
        mucmm_model *m = NULL;
        mucmm_status status;
        mucmm_ctx_params_init(&cp);
        cp.progress = stop_there;
        cp.progress_user = &s;
        assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
        status = mucmm_fit(c, q.view, 2, &p, &m);
        if (status == MUCMM_ECANCELED && s.bootstrap) {
            assert_string_equal(mucmm_ctx_message(c), "stopped during bootstrap");
            stopped++;
        }
        mucmm_ctx_free(c);
        mucmm_model_free(m);
        if (status == MUCMM_OK)
            break;
        assert_int_equal(status, MUCMM_ECANCELED);
    }
    assert_true(stopped >= 5);
    drop_problem(&q);
}

static mucmm_status fit_and_free(mucmm_ctx *c, void *arg)
{
    const problem *q = arg;
    mucmm_fit_params p = bootstrap_params(2, 2);
    mucmm_model *m = NULL;
    mucmm_status status;

    p.individual = 0;
    status = mucmm_fit(c, q->view, 2, &p, &m);
    mucmm_model_free(m);
    return status;
}

static void test_out_of_memory_leaves_nothing(void **state)
{
    problem q = new_problem(ctx, 2, 40, false, 16);

    (void)state;
    assert_true(sweep_out_of_memory(fit_and_free, &q, 0) > 20);
    drop_problem(&q);
}

static void test_refusals(void **state)
{
    problem q = new_problem(ctx, 2, 21, false, 17);
    mucmm_fit_params p = bootstrap_params(1, 10);
    mucmm_model *m = NULL;

    (void)state;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_ESHAPE,
                  "18 training rows are too few for a bootstrap; at least 20");
    assert_null(m);
    p.bootstrap = -1;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EARG, "bootstrap is -1");
    p.bootstrap = MUCMM_MAX_BOOTSTRAP + 1;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EARG, "from 0 to 10000");
    p.bootstrap = 0;
    m = fit(ctx, &q, &p);
    assert_null(mucmm_model_stability(m, MUCMM_LINEAR));
    assert_null(strstr(mucmm_model_json(m), "bootstrap"));
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- restarts of trained heads ----------------------------------------------------- */

static mucmm_fit_params restart_params(int32_t restarts)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    p.common = 4;
    p.individual = 0;
    p.batch = 300;
    p.common_epochs = 12;
    p.restarts = restarts;
    return p;
}

/* The stages of a model's history, each once, and the best held-out value of each. */
static int64_t best_of_stages(const mucmm_model *m, double best[MUCMM__STAGES])
{
    int64_t found = 0;

    for (int s = 0; s < MUCMM__STAGES; s++)
        best[s] = -INFINITY;
    for (int64_t i = 0; i < m->n_history; i++) {
        const mucmm__epoch *e = &m->history[i];
        found += best[e->stage] == -INFINITY;
        best[e->stage] = fmax(best[e->stage], e->held_out);
    }
    return found;
}

static void test_strong_components_come_back_from_other_starts(void **state)
{
    const double rho[] = {.95, .8};
    const unsigned both[] = {3, 3};
    problem q = planted(2, 1500, 2, rho, both, 21);
    mucmm_fit_params p = restart_params(3);
    const mucmm_stability *s;
    double best[MUCMM__STAGES];
    mucmm_model *m;

    (void)state;
    p.common_epochs = 60;
    m = fit(ctx, &q, &p);
    s = mucmm_model_stability(m, MUCMM_HEADS);
    assert_null(mucmm_model_stability(m, MUCMM_LINEAR));
    assert_int_equal(s->compared, 4); /* from the closed form, from scratch and three more */
    print_message("# restarts: similarity %.3f %.3f %.3f %.3f\n", s->similarity[0],
                  s->similarity[1], s->similarity[2], s->similarity[3]);
    for (int64_t j = 0; j < 2; j++) {
        assert_true(s->similarity[j] > .9 && s->similarity_low[j] <= s->similarity[j]);
        assert_true(s->averaged[j] > .65);
    }
    assert_true(s->similarity[3] < s->similarity[0] - .15);
    assert_int_equal(best_of_stages(m, best), 5);
    for (int i = 0; i < MUCMM__STAGE_LATER; i++)
        assert_true(best[i] <= best[m->start]);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* More starts change none of the first two, and can only be better. */
static void test_restarts_leave_the_other_starts_as_they_are(void **state)
{
    problem q = new_problem(ctx, 2, 400, true, 22);
    mucmm_fit_params p = restart_params(0);
    mucmm_model *none, *two;
    double a[MUCMM__STAGES], b[MUCMM__STAGES];

    (void)state;
    p.common = 2;
    none = fit(ctx, &q, &p);
    p.restarts = 2;
    two = fit(ctx, &q, &p);
    assert_null(mucmm_model_stability(none, MUCMM_HEADS));
    assert_null(strstr(mucmm_model_json(none), "restart"));
    best_of_stages(none, a);
    best_of_stages(two, b);
    for (int i = 0; i < 2; i++)
        CHECK_CLOSE(a[i], b[i], 0);
    /* each start has random numbers of its own */
    assert_true(b[2] != b[1] && b[3] != b[2] && b[3] != b[1]);
    assert_true(b[two->start] >= a[none->start]);
    mucmm_model_free(none);
    mucmm_model_free(two);
    drop_problem(&q);
}

/* Streams of random numbers that models of earlier versions were made with. */
static void test_streams_of_stages_stay(void **state)
{
    (void)state;
    assert_int_equal(mucmm__stream(MUCMM__STAGE_SKIP), 1000000);
    assert_int_equal(mucmm__stream(MUCMM__STAGE_SCRATCH), 2000000);
    assert_int_equal(mucmm__stream(MUCMM__STAGE_INDIVIDUAL), 3000000);
    for (int i = 0; i < MUCMM__LATER; i++)
        assert_int_equal(mucmm__stream(MUCMM__STAGE_LATER + i), (4 + i) * 1000000);
    for (int i = 0; i < MUCMM__TUNED; i++)
        assert_int_equal(mucmm__stream(MUCMM__STAGE_TUNED + i), (9 + i) * 1000000);
    for (int s = 0; s < MUCMM__STAGES; s++)
        for (int t = 0; t < s; t++)
            assert_true(mucmm__stream(s) != mucmm__stream(t));
}

/* Stopped at every `stride`-th call and resumed: the same file, bootstrap included. */
static void test_stopped_restarts_have_the_same_bytes(void **state)
{
    problem q = new_problem(ctx, 2, 250, true, 23);
    mucmm_fit_params p = restart_params(2);
    char folder[] = "/tmp/mucmm_stability_XXXXXX", checkpoint[64];
    char *want = NULL;
    int64_t calls = 0;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    p.common = 2;
    p.batch = 100;
    p.common_epochs = 3;
    p.bootstrap = 3;
    p.checkpoint = checkpoint;
    for (int64_t at = -1; at < calls; at += at < 0 ? 1 : 3) {
        mucmm_model *m = NULL;
        for (int turn = 0; turn < (at < 0 ? 1 : 2); turn++) {
            stopper s = {0, turn == 0 ? at : -1, false};
            mucmm_ctx_params cp;
            mucmm_ctx *c = NULL;
            mucmm_status status;
            mucmm_ctx_params_init(&cp);
            cp.threads = 1;
            cp.progress = stop_there;
            cp.progress_user = &s;
            assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
            status = mucmm__fit_saving(c, q.view, 2, &p, 0, &m);
            assert_int_equal(status, s.stop_at >= 0 ? MUCMM_ECANCELED : MUCMM_OK);
            calls = at < 0 ? s.calls : calls;
            mucmm_ctx_free(c);
        }
        if (at < 0)
            want = strdup(mucmm_model_json(m)); /* has rounded nothing */
        assert_string_equal(mucmm_model_json(m), want);
        mucmm_model_free(m);
        unlink(checkpoint);
    }
    assert_true(calls > 30);
    free(want);
    rmdir(folder);
    drop_problem(&q);
}

static void test_refused_restarts(void **state)
{
    problem q = new_problem(ctx, 2, 190, true, 24);
    mucmm_fit_params p = restart_params(1);
    mucmm_model *m = NULL;

    (void)state;
    p.common = 2;
    p.batch = 100;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_ESHAPE,
                  "19 held-out rows are too few to compare restarts on; at least 20");
    p.stages = 2;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EARG, "not stages");
    p.stages = 1;
    p.head = MUCMM_HEAD_LINEAR;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EARG,
                  "restarts are for trained heads");
    p.restarts = MUCMM_MAX_RESTARTS + 1;
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EARG, "from 0 to 20");
    drop_problem(&q);
}

static mucmm_status restart_and_free(mucmm_ctx *c, void *arg)
{
    const problem *q = arg;
    mucmm_fit_params p = restart_params(1);
    mucmm_model *m = NULL;
    mucmm_status status;

    p.common = 1;
    p.batch = 100;
    p.common_epochs = 1;
    p.hidden[0] = p.hidden[1] = 4;
    status = mucmm_fit(c, q->view, 2, &p, &m);
    mucmm_model_free(m);
    return status;
}

static void test_restarts_out_of_memory_leave_nothing(void **state)
{
    problem q = new_problem(ctx, 2, 210, true, 25);

    (void)state;
    assert_true(sweep_out_of_memory(restart_and_free, &q, 0) > 50);
    drop_problem(&q);
}

static int set_up(void **state)
{
    mucmm_ctx_params p;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    return mucmm_ctx_create(&p, &ctx);
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
        cmocka_unit_test(test_assignment_is_the_best_of_all),
        cmocka_unit_test(test_assignment_refuses_nan),
        cmocka_unit_test(test_strong_components_come_back_and_noise_does_not),
        cmocka_unit_test(test_views_count_by_their_part),
        cmocka_unit_test(test_equal_correlations_turn_in_their_space),
        cmocka_unit_test(test_one_replicate_is_as_defined),
        cmocka_unit_test(test_more_columns_than_rows),
        cmocka_unit_test(test_rows_that_lack_views),
        cmocka_unit_test(test_same_numbers_for_any_threads_and_in_the_file),
        cmocka_unit_test(test_stops_when_asked),
        cmocka_unit_test(test_out_of_memory_leaves_nothing),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_strong_components_come_back_from_other_starts),
        cmocka_unit_test(test_restarts_leave_the_other_starts_as_they_are),
        cmocka_unit_test(test_streams_of_stages_stay),
        cmocka_unit_test(test_stopped_restarts_have_the_same_bytes),
        cmocka_unit_test(test_refused_restarts),
        cmocka_unit_test(test_restarts_out_of_memory_leave_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
