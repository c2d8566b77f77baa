/* SPDX-License-Identifier: MIT
 *
 * test_completeness.c - what c leaves of a view and (c, u) rebuild, against planted shares; the
 * effective rank of u; and on Gaussian data the whole of leakage and completeness. */
#include "generators.h"
#include "model/summary.h"

/* ---- one view, its variates given -------------------------------------------------- */

typedef struct given {
    int64_t n, k, q, p;
    float *c, *u, *h;
} given;

static given new_given(int64_t n, int64_t k, int64_t q, int64_t p)
{
    return (given){n, k, q, p, test_floats(n * k), test_floats(n * q), test_floats(n * p)};
}

static void drop_given(given *g)
{
    free(g->c);
    free(g->u);
    free(g->h);
}

static void fill(float *x, int64_t n, uint64_t key, double factor)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(factor * mucmm__rng_normal(key, (uint64_t)i));
}

/* The figures of the rows of g, in s of one view. */
static mucmm_status figures(mucmm_ctx *ctx, const given *g, const int64_t *rows, int64_t n,
                            mucmm_summary **s)
{
    mucmm_status status = MUCMM_OK;
    static double zero[6000], one[6000];
    mucmm_model m = {.n_views = 1, .k = g->k};
    mucmm_data *data = NULL;
    float *const c[] = {g->c}, *const u[] = {g->u};

    for (int i = 0; i < 6000; i++)
        one[i] = 1;
    m.view[0] = (mucmm__view_info){.p = g->p, .q = g->q, .mean = zero, .scale = one};
    TRY(mucmm_data_wrap(ctx, &(mucmm_cmat){g->h, g->n, g->p, g->p}, "h", NULL, 0, &data));
    TRY(mucmm__summary_create(ctx, g->k, 1, s));
    TRY(mucmm__completeness(ctx, &m, (const mucmm_data *const[]){data}, rows, n, NULL, c, u, 1,
                            *s));
done:
    mucmm_data_free(data);
    return status;
}

static mucmm_summary *figures_of(mucmm_ctx *ctx, const given *g)
{
    mucmm_summary *s = NULL;

    CHECK_OK(ctx, figures(ctx, g, NULL, g->n, &s));
    return s;
}

/* h = [c, a u, b e] with e that no variate knows: the share a^2 / (a^2 + b^2). */
static given planted(int64_t n, int64_t times, double a, double b)
{
    given g = new_given(n, 2, 2, 2 + 2 * times + 2);

    fill(g.c, n * 2, 1, 1);
    fill(g.u, n * 2, 2, 1);
    fill(g.h, n * g.p, 3, b);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < g.p - 2; j++)
            g.h[i * g.p + j] = j < 2 ? g.c[i * 2 + j] : (float)a * g.u[i * 2 + j % 2];
    return g;
}

static void test_planted_shares_are_found(void **state)
{
    static const double a[] = {1, 2, 0.5};
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int i = 0; i < 3; i++) {
        given g = planted(1500, 1, a[i], 1);
        mucmm_summary *s = figures_of(ctx, &g);
        double share = a[i] * a[i] / (a[i] * a[i] + 1);
        CHECK_CLOSE(s->completeness_linear[0], share, 0.02);
        CHECK_CLOSE(s->completeness_nonlinear[0], s->completeness_linear[0], 0.01);
        CHECK_CLOSE(s->effective_rank[0], 2, 0.01);
        mucmm__summary_free(s);
        drop_given(&g);
    }
    mucmm_ctx_free(ctx);
}

/* Of 4,004 columns only sums with random signs are kept. */
static void test_wide_views_have_the_same_shares(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    given g = planted(600, 2000, 1, 1);
    mucmm_summary *s;

    (void)state;
    for (int64_t i = 0; i < g.n; i++) /* noise as large as what u holds, in every column */
        for (int64_t j = 2; j < g.p; j++)
            g.h[i * g.p + j] += (float)mucmm__rng_normal(9, (uint64_t)(i * g.p + j));
    s = figures_of(ctx, &g);
    CHECK_CLOSE(s->completeness_linear[0], 0.5, 0.03);
    mucmm__summary_free(s);
    drop_given(&g);
    mucmm_ctx_free(ctx);
}

/* u that says nothing of h, u that says all, and u that is not there. */
static void test_nothing_and_everything(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int what = 0; what < 3; what++) {
        given g = planted(800, 1, 1, what == 1 ? 0 : 1);
        mucmm_summary *s;
        double want = what == 1 ? 1 : 0;
        if (what == 0)
            fill(g.u, g.n * 2, 77, 1);
        g.q = what == 2 ? 0 : 2;
        s = figures_of(ctx, &g);
        CHECK_CLOSE(s->completeness_linear[0], want, what == 1 ? 1e-6 : 0.02);
        CHECK_CLOSE(s->completeness_nonlinear[0], want, what == 1 ? 1e-6 : 0.03);
        CHECK_CLOSE(s->effective_rank[0], what == 2 ? 0 : 2, 0.02);
        mucmm__summary_free(s);
        drop_given(&g);
    }
    mucmm_ctx_free(ctx);
}

/* What c leaves is an even function of u, or u multiplied by what c says: no line rebuilds it. */
static void test_relations_that_are_not_linear(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (int what = 0; what < 2; what++) {
        given g = planted(3000, 1, 1, 0);
        mucmm_summary *s;
        for (int64_t i = 0; i < g.n; i++)
            for (int64_t j = 0; j < 2; j++) {
                float x = g.u[i * 2 + j];
                g.h[i * g.p + 2 + j] = what ? x * g.c[i * 2] : x * x - 1;
            }
        s = figures_of(ctx, &g);
        CHECK_CLOSE(s->completeness_linear[0], 0, 0.03);
        assert_true(s->completeness_nonlinear[0] > 0.9);
        mucmm__summary_free(s);
        drop_given(&g);
    }
    mucmm_ctx_free(ctx);
}

static void test_effective_rank_counts_directions(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    given g = new_given(500, 1, 6, 8);
    mucmm_summary *s;

    (void)state;
    fill(g.u, g.n * 6, 5, 1);
    fill(g.h, g.n * 8, 6, 1);
    for (int64_t i = 0; i < g.n; i++)
        for (int64_t j = 2; j < 6; j++)
            g.u[i * 6 + j] = g.u[i * 6 + j % 2];
    s = figures_of(ctx, &g);
    CHECK_CLOSE(s->effective_rank[0], 2, 0.02);
    mucmm__summary_free(s);
    drop_given(&g);
    mucmm_ctx_free(ctx);
}

/* Rows in any order, their variates with them; the first half of the view stands elsewhere, so that
 * halves in the order of the file would be of two kinds. Too few rows give NaN. */
static void test_rows(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    given g = planted(400, 1, 1, 1), there = new_given(400, 2, 2, g.p);
    int64_t rows[400];
    mucmm_summary *s = NULL;

    (void)state;
    for (int64_t i = 0; i < 400; i++) {
        rows[i] = 399 - i;
        memcpy(there.h + rows[i] * g.p, g.h + i * g.p, (size_t)g.p * sizeof(float));
        memcpy(there.c + i * 2, g.c + i * 2, 2 * sizeof(float));
        memcpy(there.u + i * 2, g.u + i * 2, 2 * sizeof(float));
        for (int64_t j = 2; j < 4 && i < 200; j++)
            there.h[rows[i] * g.p + j] += 3;
    }
    CHECK_OK(ctx, figures(ctx, &there, rows, 400, &s));
    CHECK_CLOSE(s->completeness_linear[0], 2 / (2 * (1 + 2.25) + 2), 0.04);
    mucmm__summary_free(s);
    CHECK_OK(ctx, figures(ctx, &there, rows, 39, &s));
    assert_true(isnan(s->completeness_linear[0]) && isnan(s->completeness_nonlinear[0]));
    mucmm__summary_free(s);
    CHECK_OK(ctx, figures(ctx, &there, rows, 60, &s));
    assert_true(isfinite(s->completeness_linear[0]) && isnan(s->completeness_nonlinear[0]));
    mucmm__summary_free(s);
    drop_given(&g);
    drop_given(&there);
    mucmm_ctx_free(ctx);
}

static void test_failed_allocations_are_reported(void **state)
{
    failing_heap heap = {0};
    mucmm_ctx_params params;
    given g = planted(120, 1, 1, 1);
    mucmm_status status = MUCMM_ENOMEM;

    (void)state;
    mucmm_ctx_params_init(&params);
    params.threads = 1;
    params.allocator = (mucmm_allocator){failing_alloc, failing_release, &heap};
    for (int64_t at = 0; status != MUCMM_OK; at++) {
        mucmm_ctx *ctx = NULL;
        mucmm_summary *s = NULL;
        heap = (failing_heap){.fail_at = INT64_MAX};
        assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
        heap.fail_at = heap.calls + at;
        status = figures(ctx, &g, NULL, g.n, &s);
        assert_true(status == MUCMM_ENOMEM || (status == MUCMM_OK && at > 20));
        mucmm__summary_free(s);
        mucmm_ctx_free(ctx);
        assert_int_equal(heap.live, 0);
    }
    drop_given(&g);
}

/* ---- Gaussian views: section 4 ----------------------------------------------------- */

/* Views of 6 columns, turned at random: one shared latent (variance 1.25 with its noise) and
 * independent private ones of variance 4, 2, 1, 0.5, 0.25. The closed form's c is the first, u the
 * next q, and c leaves 7.75. */
static void gaussian_views(uint64_t seed, int64_t n, float *x[2])
{
    static const double sd[] = {2, 1.4142135623730951, 1, 0.7071067811865476, 0.5};
    double turn[36], gram[36], values[6];
    mucmm_ctx *ctx = new_ctx();

    for (uint64_t m = 0; m < 2; m++) {
        for (int i = 0; i < 36; i++)
            gram[i] = mucmm__rng_normal(5 + m, (uint64_t)(i / 6 > i % 6 ? i : i % 6 * 6 + i / 6));
        CHECK_OK(ctx, mucmm__eigen(ctx, 6, gram, 6, values, turn));
        for (int64_t i = 0; i < n; i++) {
            double z[6];
            z[0] = mucmm__rng_normal(seed, (uint64_t)i) +
                   0.5 * mucmm__rng_normal(seed + 1 + m, (uint64_t)i);
            for (int64_t j = 0; j < 5; j++)
                z[j + 1] = sd[j] * mucmm__rng_normal(seed + 3 + m, (uint64_t)(i * 5 + j));
            for (int64_t a = 0; a < 6; a++) {
                double sum = 0;
                for (int64_t j = 0; j < 6; j++)
                    sum += turn[a * 6 + j] * z[j];
                x[m][i * 6 + a] = (float)sum;
            }
        }
    }
    mucmm_ctx_free(ctx);
}

/* The program's figures on new rows are those of the population, which are sums of variances:
 * leakage is chance, completeness the share of the variance that q axes hold, linear or not. */
static void test_gaussian_views_have_the_figures_of_the_closed_form(void **state)
{
    static const double leading[] = {4, 6, 7};
    enum { N = 6000, NEW = 3000 };
    mucmm_ctx *ctx = new_ctx();
    float *x[2] = {test_floats(N * 6), test_floats(N * 6)};

    (void)state;
    for (int64_t q = 1; q <= 3; q++) {
        mucmm_data *data[2];
        mucmm_view views[2];
        mucmm_fit_params p;
        mucmm_model *m = NULL;
        mucmm_scores *scores = NULL;
        mucmm_fit_params_init(&p);
        p.head = MUCMM_HEAD_LINEAR;
        p.common = 1;
        p.individual = q;
        for (int round = 0; round < 2; round++) { /* to fit, and to score */
            int64_t n = round ? NEW : N;
            gaussian_views(round ? 900 : 100, n, x);
            for (int v = 0; v < 2; v++) {
                views[v] = (mucmm_view){v ? "b" : "a", NULL};
                CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x[v], n, 6, 6}, views[v].name,
                                              NULL, 0, &data[v]));
                views[v].data = data[v];
            }
            if (round)
                CHECK_OK(ctx, mucmm_score(ctx, m, views, 2, NULL, &scores));
            else
                CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
            mucmm_data_free(data[0]);
            mucmm_data_free(data[1]);
        }
        for (int v = 0; v < 2; v++) {
            const mucmm_summary *s = mucmm_scores_summary(scores, MUCMM_HEADS);
            double share = leading[q - 1] / 7.75;
            CHECK_CLOSE(s->completeness_linear[v], share, 0.01);
            CHECK_CLOSE(s->completeness_nonlinear[v], share, 0.015);
            CHECK_CLOSE(s->individual_share[v] / (1 - s->common_share[v]), share, 0.01);
            CHECK_CLOSE(s->effective_rank[v], (double)q, 0.01 * (double)q);
            assert_true(s->leakage_linear_p[v] > 0.01 && s->leakage_kernel_p[v] > 0.01);
            assert_true(s->leakage_linear[v] < 14.0 / NEW && fabs(s->leakage_kernel[v]) < 0.006);
        }
        mucmm_scores_free(scores);
        mucmm_model_free(m);
    }
    free(x[0]);
    free(x[1]);
    mucmm_ctx_free(ctx);
}

/* ---- warnings ---------------------------------------------------------------------- */

static int64_t empty_warnings, rank_warnings;

static void count_warnings(void *user, mucmm_log_level level, const char *message)
{
    (void)user;
    empty_warnings += level == MUCMM_LOG_WARN && strstr(message, "nearly empty") != NULL;
    rank_warnings += level == MUCMM_LOG_WARN && strstr(message, "effective rank of 1") != NULL;
}

static void test_empty_parts_are_told(void **state)
{
    mucmm_ctx_params params;
    mucmm_ctx *ctx;
    mucmm_model m = {.n_views = 1, .k = 1};
    double share[] = {0.5, 0.1, 0.001, NAN}, rank[] = {4, 4, 4, 1.2};
    mucmm_summary *s[4] = {0};

    (void)state;
    mucmm_ctx_params_init(&params);
    params.log = count_warnings;
    assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
    m.view[0].name = (char[]){"v"};
    m.view[0].q = 4;
    m.heads.rho = share;
    for (int i = 0; i < 4; i++) {
        CHECK_OK(ctx, mucmm__summary_create(ctx, 1, 1, &s[i]));
        s[i]->rows = 100;
        s[i]->completeness_linear[0] = share[i];
        s[i]->effective_rank[0] = rank[i];
    }
    for (int i = 0; i < 4; i++) { /* of the closed form 0.5 */
        for (int r = 0; r < 2; r++) {
            m.linear.summary[r] = s[0];
            m.heads.summary[r] = s[i];
        }
        empty_warnings = rank_warnings = 0;
        mucmm__completeness_warn(ctx, &m);
        assert_int_equal(empty_warnings, i == 1 || i == 2);
        assert_int_equal(rank_warnings, i == 3);
    }
    for (int i = 0; i < 4; i++)
        mucmm__summary_free(s[i]);
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted_shares_are_found),
        cmocka_unit_test(test_wide_views_have_the_same_shares),
        cmocka_unit_test(test_nothing_and_everything),
        cmocka_unit_test(test_relations_that_are_not_linear),
        cmocka_unit_test(test_effective_rank_counts_directions),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_failed_allocations_are_reported),
        cmocka_unit_test(test_gaussian_views_have_the_figures_of_the_closed_form),
        cmocka_unit_test(test_empty_parts_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
