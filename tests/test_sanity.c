/* SPDX-License-Identifier: MIT
 *
 * Checks of maps on data whose truth is known. */
#include "explain/p_values.h"
#include "explain/rank_test.h"
#include "explain/units.h"
#include "explain_case.h"
#include "generators.h"

static mucmm_ctx *ctx;

#define SAMPLES 4
static const int64_t sample_rows[SAMPLES] = {3, 0, 41, 12};

static mucmm_explain_params explain_params(mucmm_score_kind score, mucmm_map_kind map)
{
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.score = score;
    p.map = map;
    return p;
}

/* ---- views of independent columns, some of which are planted ----------------------- */

#define COLS 12
#define PLANTED 3

typedef struct planted {
    float *x[2];
    mucmm_data *data[2];
    mucmm_view view[2];
} planted;

/* Column PLANTED of both views sees the same latent (strength 0: nothing is shared); all columns
 * have variance 1 but column 0 of view 0, whose standard deviation is `loud`. */
static planted new_planted(int64_t n, double strength, double loud, uint64_t seed)
{
    static const char *const names[] = {"left", "right"};
    double *shared = normals(seed, 0, n, 1);
    planted t;

    for (uint64_t m = 0; m < 2; m++) {
        double *noise = normals(seed, 1 + m, n * COLS, 1);
        t.x[m] = test_floats(n * COLS);
        for (int64_t i = 0; i < n * COLS; i++)
            t.x[m][i] = (float)noise[i];
        for (int64_t i = 0; i < n; i++) {
            float *row = t.x[m] + i * COLS;
            row[PLANTED] = (float)(strength * shared[i] +
                                   sqrt(1 - strength * strength) * (double)row[PLANTED]);
            row[0] *= m == 0 ? (float)loud : 1;
        }
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.x[m], n, COLS, COLS}, names[m], NULL, 0,
                                      &t.data[m]));
        t.view[m] = (mucmm_view){names[m], t.data[m]};
        free(noise);
    }
    free(shared);
    return t;
}

static void drop_planted(planted *t)
{
    for (int m = 0; m < 2; m++) {
        mucmm_data_free(t->data[m]);
        free(t->x[m]);
    }
}

static mucmm_model *fit_planted(const planted *t, int64_t individual)
{
    mucmm_fit_params p;
    mucmm_model *m = NULL;

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 1;
    p.individual = individual;
    p.ridge = 1e-6;
    CHECK_OK(ctx, mucmm_fit(ctx, t->view, 2, &p, &m));
    return m;
}

/* p-values [SAMPLES, COLS] of view 0 at rows of `other`. */
static void p_values(const planted *t, const planted *other, int64_t individual, int64_t models,
                     const mucmm_explain_params *p, mucmm_p_kind kind, float *out)
{
    mucmm_model *m = fit_planted(t, individual);
    mucmm_null_params np;
    mucmm_null *null = NULL;

    mucmm_null_params_init(&np);
    np.models = models;
    CHECK_OK(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, t->view, 2, &np, &null));
    CHECK_OK(ctx, p_values_of(ctx, (explain_case){m, other->view, 2, 0, sample_rows, SAMPLES, p},
                              null, kind, &(mucmm_mat){out, SAMPLES, COLS, COLS}));
    mucmm_null_free(null);
    mucmm_model_free(m);
}

/* ---- p-values ---------------------------------------------------------------------- */

/* Statistics of nothing, of scales that differ by a thousand: a share p lies at or below p. */
static void test_p_values_of_nothing_are_uniform(void **state)
{
    enum { UNITS = 400, REPEATS = 40 };
    static const int64_t models[] = {5, 19, 99};

    (void)state;
    for (int k = 0; k < 3; k++)
        for (int kind = MUCMM_P_POOLED; kind <= MUCMM_P_EXACT; kind++) {
            int64_t n = (1 + models[k]) * UNITS, below[2] = {0, 0};
            double *p = test_doubles(UNITS);
            for (uint64_t r = 0; r < REPEATS; r++) {
                double *t = normals(r + 1, (uint64_t)k, n, 1);
                for (int64_t i = 0; i < n; i++)
                    t[i] = fabs(t[i]) * exp(7.0 * (double)(i % UNITS) / UNITS);
                CHECK_OK(ctx, mucmm__p_values(ctx, t, models[k], UNITS, (mucmm_p_kind)kind, p));
                for (int64_t j = 0; j < UNITS; j++) {
                    below[0] += p[j] <= .05;
                    below[1] += p[j] <= .2;
                }
                free(t);
            }
            /* binomial standard deviations: .0017 and .0032; the pooled ones err on one side */
            bool possible = kind == MUCMM_P_POOLED || models[k] >= 19;
            double low[2] = {possible ? .035 : -1, possible ? .17 : .15};
            for (int i = 0; i < 2; i++) {
                double share = (double)below[i] / (UNITS * REPEATS), level = i ? .2 : .05;
                if (!(share <= level + .01 && share >= low[i] - (models[k] < 19 ? .04 : 0)))
                    fail_msg("%d models, kind %d: a share %g at or below %g", (int)models[k], kind,
                             share, level);
            }
            free(p);
        }
}

static void test_pooled_p_values_are_finer(void **state)
{
    enum { UNITS = 100, MODELS = 9 };
    double *t = normals(5, 0, (1 + MODELS) * UNITS, 1), p[UNITS];

    (void)state;
    for (int64_t i = 0; i < (1 + MODELS) * UNITS; i++)
        t[i] = fabs(t[i]);
    for (int64_t b = 0; b <= MODELS; b++)
        t[b * UNITS + 1] = 0; /* a constant column */
    t[0] = 100;
    CHECK_OK(ctx, mucmm__p_values(ctx, t, MODELS, UNITS, MUCMM_P_EXACT, p));
    CHECK_CLOSE(p[0], 1.0 / (MODELS + 1), 1e-12);
    CHECK_CLOSE(p[1], 1, 1e-12);
    CHECK_OK(ctx, mucmm__p_values(ctx, t, MODELS, UNITS, MUCMM_P_POOLED, p));
    CHECK_CLOSE(p[0], 1.0 / (MODELS * (UNITS - 1) + 1), 1e-12);
    CHECK_CLOSE(p[1], 1, 1e-12);
    free(t);
}

/* Views that share nothing, models refitted to permuted pairs, rows that no fit has seen. */
static void test_null_maps_are_calibrated(void **state)
{
    enum { REPEATS = 60, MODELS = 19 };
    static const mucmm_map_kind maps[] = {MUCMM_MAP_PATTERN, MUCMM_MAP_GRADIENT};

    (void)state;
    for (int k = 0; k < 2; k++) {
        mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, maps[k]);
        int64_t below[2] = {0, 0};
        for (uint64_t r = 0; r < REPEATS; r++) {
            planted t = new_planted(120, 0, 3, 2 * r + 1), other = new_planted(60, 0, 3, 2 * r + 2);
            float out[SAMPLES * COLS];
            for (int kind = MUCMM_P_POOLED; kind <= MUCMM_P_EXACT; kind++) {
                p_values(&t, &other, 1, MODELS, &p, (mucmm_p_kind)kind, out);
                for (int64_t j = 0; j < COLS; j++) /* one sample: those of a fit go together */
                    below[kind] += out[j] <= .1f;
            }
            drop_planted(&t);
            drop_planted(&other);
        }
        for (int kind = 0; kind < 2; kind++) {
            double share = (double)below[kind] / (REPEATS * COLS);
            if (!(share > .05 && share < .15)) /* 720 values, sd .011 if independent */
                fail_msg("map %d, kind %d: a share %g at or below .1", (int)maps[k], kind, share);
        }
    }
}

static void test_planted_column_is_found(void **state)
{
    static const mucmm_map_kind maps[] = {MUCMM_MAP_PATTERN, MUCMM_MAP_GRADIENT,
                                          MUCMM_MAP_INTEGRATED_GRADIENTS};
    planted t = new_planted(400, .9, 3, 7), other = new_planted(60, .9, 3, 8);

    (void)state;
    for (int k = 0; k < 3; k++) {
        mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, maps[k]);
        float out[SAMPLES * COLS];
        int64_t wrong = 0, found = 0;
        p_values(&t, &other, 1, 39, &p, MUCMM_P_POOLED, out);
        for (int64_t i = 0; i < SAMPLES; i++) {
            found += out[i * COLS + PLANTED] <= .02f;
            for (int64_t j = 0; j < COLS; j++)
                wrong += j != PLANTED && out[i * COLS + j] <= .05f;
        }
        /* a sample that has little of what is shared has a small pattern */
        assert_true(found >= SAMPLES - (k == 0));
        assert_true(wrong <= 2 * SAMPLES);
    }
    drop_planted(&t);
    drop_planted(&other);
}

/* u is the loud column, which is not what is common: its rows against the others are chance. */
static void test_individual_column_is_found(void **state)
{
    planted t = new_planted(400, .9, 4, 9), other = new_planted(60, .9, 4, 10);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_INDIVIDUAL, MUCMM_MAP_PATTERN);
    float out[SAMPLES * COLS];
    int64_t wrong = 0;

    (void)state;
    p_values(&t, &other, 1, 39, &p, MUCMM_P_POOLED, out);
    for (int64_t i = 0; i < SAMPLES; i++)
        for (int64_t j = 0; j < COLS; j++)
            if (j == 0)
                assert_true(out[i * COLS + j] <= .01f);
            else
                wrong += out[i * COLS + j] <= .05f;
    assert_true(wrong <= 2 * SAMPLES);
    p.score = MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    p_values(&t, &other, 1, 39, &p, MUCMM_P_EXACT, out);
    for (int64_t i = 0; i < SAMPLES; i++)
        CHECK_CLOSE(out[i * COLS], 1.0 / 40, 1e-6);
    drop_planted(&t);
    drop_planted(&other);
}

/* A column that c explains, with a little of u in it, is not individual: however many rows say that
 * it has to do with u, they say more of c. */
static void test_common_column_is_not_individual(void **state)
{
    enum { MIXED = 5 };
    planted t = new_planted(3000, .9, 4, 15), other = new_planted(60, .9, 4, 16);
    planted *both[] = {&t, &other};
    const int64_t rows[] = {3000, 60};
    mucmm_explain_params p = explain_params(MUCMM_SCORE_INDIVIDUAL, MUCMM_MAP_PATTERN);
    float out[SAMPLES * COLS];

    (void)state;
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < rows[k]; i++) { /* c: .8, u: .3 */
            float *row = both[k]->x[0] + i * COLS;
            row[MIXED] = .8f * row[PLANTED] + .3f * row[0] / 4 + .5f * row[MIXED];
        }
    p_values(&t, &other, 1, 39, &p, MUCMM_P_POOLED, out);
    for (int64_t i = 0; i < SAMPLES; i++) {
        assert_true(out[i * COLS] <= .01f);
        assert_true(out[i * COLS + MIXED] > .5f && out[i * COLS + PLANTED] > .5f);
    }
    drop_planted(&t);
    drop_planted(&other);
}

/* ---- rank correlations ------------------------------------------------------------- */

static void test_rank_test_knows_kin_from_strangers(void **state)
{
    enum { MODELS = 19, N = 2, WIDTH = 300 };
    int64_t size = N * WIDTH;
    double *z = normals(3, 0, (1 + MODELS) * size, 1);
    float *maps = test_floats((1 + MODELS) * size);
    mucmm_rank_test t;

    (void)state;
    for (int64_t i = 0; i < (1 + MODELS) * size; i++)
        maps[i] = (float)z[i];
    CHECK_OK(ctx, mucmm__rank_test(ctx, maps, MODELS, N, WIDTH, &t));
    assert_true(fabs(t.rho) < .05 && t.magnitude < .1 && t.low < 0 && t.high > 0);
    for (int64_t b = 1; b <= MODELS;
         b += 2) /* every second model: a monotone function of the first */
        for (int64_t i = 0; i < size; i++)
            maps[b * size + i] = expf(maps[i]);
    CHECK_OK(ctx, mucmm__rank_test(ctx, maps, 1, N, WIDTH, &t));
    CHECK_CLOSE(t.rho, 1, 1e-5);
    CHECK_OK(ctx, mucmm__rank_test(ctx, maps, 0, N, WIDTH, &t));
    assert_true(isnan(t.rho) && t.models == 0);
    free(z);
    free(maps);
}

/* Ties share their mean rank: SciPy's spearmanr([1,2,2,3,0], [2,1,3,3,0]) = 0.7631578947368421 */
static void test_rank_correlation_with_ties(void **state)
{
    const float maps[] = {1, 2, 2, 3, 0, 2, 1, 3, 3, 0};
    mucmm_rank_test t;

    (void)state;
    CHECK_OK(ctx, mucmm__rank_test(ctx, maps, 1, 1, 5, &t));
    CHECK_CLOSE(t.rho, 0.7631578947368421, 1e-6);
}

/* ---- all checks -------------------------------------------------------------------- */

static mucmm_map_check check_maps(const mucmm_model *m, const problem *q, int32_t view,
                                  const mucmm_explain_params *p, const mucmm_map_check_params *c)
{
    mucmm_map_check out;

    mucmm_map_check_init(&out);
    CHECK_OK(ctx, map_check_of(
                      ctx, (explain_case){m, q->view, q->n_views, view, sample_rows, SAMPLES, p}, c,
                      &out));
    return out;
}

/* Of a score that is linear in x, each cell takes its share along, in any order: what deletion
 * leaves is what insertion has not brought. */
static void test_curves_of_a_linear_score(void **state)
{
    problem q = new_problem(ctx, 2, 300, false, 4);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_INTEGRATED_GRADIENTS);
    mucmm_map_check c = check_maps(m, &q, 0, &p, NULL);

    (void)state;
    CHECK_CLOSE(c.deletion.value[0], 1, 1e-4);
    CHECK_CLOSE(c.deletion.value[MUCMM_CURVE_POINTS - 1], 0, 1e-4);
    for (int t = 0; t < MUCMM_CURVE_POINTS; t++)
        CHECK_CLOSE(c.deletion.value[t] + c.insertion.value[t], 1, 1e-3);
    assert_true(c.deletion.area < c.deletion.random && c.insertion.area > c.insertion.random);
    assert_true(c.completeness < 1e-5 && c.gradient_error < 1e-3);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_networks_pass_the_checks(void **state)
{
    problem q = new_problem(ctx, 2, 600, true, 6);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_null_params np;
    mucmm_null *null = NULL;
    mucmm_map_check_params cp;

    (void)state;
    mucmm_null_params_init(&np);
    np.models = 3;
    np.rows = 400;
    CHECK_OK(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, q.view, 2, &np, &null));
    mucmm_map_check_params_init(&cp);
    cp.null = null;
    for (int map = MUCMM_MAP_GRADIENT; map <= MUCMM_MAP_INTEGRATED_GRADIENTS; map++)
        for (int score = MUCMM_SCORE_COMMON; score <= MUCMM_SCORE_INDIVIDUAL; score++) {
            mucmm_explain_params p = explain_params((mucmm_score_kind)score, (mucmm_map_kind)map);
            mucmm_map_check c = check_maps(m, &q, 1, &p, &cp);
            assert_true(c.completeness < 1e-3 && c.gradient_error < 1e-3);
            CHECK_CLOSE(c.deletion.value[0], 1, 1e-4);
            CHECK_CLOSE(c.insertion.value[MUCMM_CURVE_POINTS - 1], 1, 1e-4);
            assert_int_equal(c.random_heads.models, 10);
            assert_int_equal(c.permuted_pairs.models, 3);
            assert_true(c.random_heads.magnitude > 0 && c.random_heads.magnitude < 1);
            assert_true(c.permuted_pairs.magnitude > 0 && c.permuted_pairs.magnitude < 1);
        }
    mucmm_null_free(null);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Wide enough that bare gradients of unrelated heads are unrelated. */
static void test_random_heads_lose_the_map(void **state)
{
    enum { N = 1200 };
    double *x[2];
    float *rows[2];
    mucmm_data *data[2];
    mucmm_view views[2];
    mucmm_fit_params fp;
    mucmm_model *m = NULL;
    mucmm_map_check c;
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_GRADIENT);

    (void)state;
    mucmm_map_check_init(&c);
    generator_a(1, N, .5, x, NULL);
    for (int v = 0; v < 2; v++) {
        rows[v] = test_floats(N * A_COLUMNS);
        for (int64_t i = 0; i < N * A_COLUMNS; i++)
            rows[v][i] = (float)x[v][i];
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){rows[v], N, A_COLUMNS, A_COLUMNS}, "rows",
                                      NULL, 0, &data[v]));
        views[v] = (mucmm_view){v ? "b" : "a", data[v]};
    }
    mucmm_fit_params_init(&fp);
    fp.head = MUCMM_HEAD_LINEAR;
    fp.common = 10;
    fp.individual = 5;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &fp, &m));
    CHECK_OK(ctx,
             map_check_of(ctx, (explain_case){m, views, 2, 0, sample_rows, SAMPLES, &p}, NULL, &c));
    assert_true(c.random_heads.magnitude < .2 && fabs(c.random_heads.rho) < .1);
    mucmm_model_free(m);
    for (int v = 0; v < 2; v++) {
        mucmm_data_free(data[v]);
        free(rows[v]);
        free(x[v]);
    }
}

static void test_units_of_raw_inputs(void **state)
{
    static const struct {
        int32_t rank;
        int64_t shape[3], units, of_last;
    } cases[] = {{1, {12}, 12, 11},
                 {2, {3, 4}, 12, 11},
                 {3, {2, 2, 3}, 4, 3},
                 {3, {3, 2, 2}, 4, 3},
                 {3, {2, 3, 2}, 12, 11}};
    float *x = test_floats(12);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm_data *d = NULL;
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 1, 12, 12}, "x", cases[i].shape,
                                      cases[i].rank, &d));
        mucmm__units u = mucmm__units_of(d);
        assert_int_equal(u.n, cases[i].units);
        assert_int_equal(mucmm__unit(&u, 11), cases[i].of_last);
        mucmm_data_free(d);
    }
    free(x);
}

/* ---- bad input --------------------------------------------------------------------- */

static void test_bad_arguments(void **state)
{
    planted t = new_planted(200, .9, 2, 3);
    mucmm_model *m = fit_planted(&t, 1), *another = fit_planted(&t, 1);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    mucmm_null_params np;
    mucmm_map_check_params cp;
    mucmm_map_check out;
    mucmm_null *null = NULL;
    float maps[COLS * SAMPLES];

    (void)state;
    mucmm_map_check_init(&out);
    mucmm_null_params_init(&np);
    np.models = 0;
    check_message(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, t.view, 2, &np, &null), MUCMM_EARG,
                  "0 null models");
    assert_null(null);
    np.models = 2;
    np.rows = 3;
    check_message(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, t.view, 2, &np, &null), MUCMM_ESHAPE,
                  "null model 1");
    assert_null(null);
    np.rows = 0;
    check_message(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, t.view, 1, &np, &null), MUCMM_EARG,
                  "'right' of the model is not given");
    CHECK_OK(ctx, mucmm_null_fit(ctx, m, MUCMM_HEADS, t.view, 2, &np, &null));
    check_message(ctx,
                  p_values_of(ctx, (explain_case){m, t.view, 2, 0, sample_rows, SAMPLES, &p}, null,
                              MUCMM_P_EXACT, &(mucmm_mat){maps, 1, COLS, COLS}),
                  MUCMM_ESHAPE, "p_values must be [4, 12]");
    check_message(ctx,
                  p_values_of(ctx, (explain_case){m, t.view, 2, 0, sample_rows, SAMPLES, &p}, null,
                              (mucmm_p_kind)7, &(mucmm_mat){maps, SAMPLES, COLS, COLS}),
                  MUCMM_EARG, "there is no kind 7");
    mucmm_map_check_params_init(&cp);
    cp.null = null;
    check_message(ctx,
                  map_check_of(ctx, (explain_case){another, t.view, 2, 0, sample_rows, SAMPLES, &p},
                               &cp, &out),
                  MUCMM_EARG, "another model");
    cp.null = NULL;
    cp.random_models = -1;
    check_message(
        ctx,
        map_check_of(ctx, (explain_case){m, t.view, 2, 0, sample_rows, SAMPLES, &p}, &cp, &out),
        MUCMM_EARG, "-1 random models");
    mucmm_null_free(null);
    mucmm_model_free(m);
    mucmm_model_free(another);
    drop_planted(&t);
}

typedef struct memory_case {
    const mucmm_model *m;
    const planted *t;
} memory_case;

static mucmm_status null_and_check(mucmm_ctx *own, void *arg)
{
    const memory_case *c = arg;
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    mucmm_null_params np;
    mucmm_map_check_params cp;
    mucmm_map_check out;
    mucmm_null *null = NULL;
    float maps[COLS];

    mucmm_map_check_init(&out);
    mucmm_null_params_init(&np);
    np.models = 2;
    mucmm_map_check_params_init(&cp);
    cp.random_models = 2;
    TRY(mucmm_null_fit(own, c->m, MUCMM_HEADS, c->t->view, 2, &np, &null));
    TRY(p_values_of(own, (explain_case){c->m, c->t->view, 2, 0, sample_rows, 1, &p}, null,
                    MUCMM_P_POOLED, &(mucmm_mat){maps, 1, COLS, COLS}));
    p.score = MUCMM_SCORE_INDIVIDUAL;
    TRY(p_values_of(own, (explain_case){c->m, c->t->view, 2, 0, sample_rows, 1, &p}, null,
                    MUCMM_P_EXACT, &(mucmm_mat){maps, 1, COLS, COLS}));
    cp.null = null;
    TRY(map_check_of(own, (explain_case){c->m, c->t->view, 2, 0, sample_rows, 1, &p}, &cp, &out));
done:
    mucmm_null_free(null);
    return status;
}

static void test_out_of_memory(void **state)
{
    planted t = new_planted(60, .9, 2, 3);
    mucmm_model *m = fit_planted(&t, 1);
    memory_case c = {m, &t};

    (void)state;
    assert_true(sweep_out_of_memory(null_and_check, &c, 20) > 20);
    mucmm_model_free(m);
    drop_planted(&t);
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
        cmocka_unit_test(test_p_values_of_nothing_are_uniform),
        cmocka_unit_test(test_pooled_p_values_are_finer),
        cmocka_unit_test(test_null_maps_are_calibrated),
        cmocka_unit_test(test_planted_column_is_found),
        cmocka_unit_test(test_individual_column_is_found),
        cmocka_unit_test(test_common_column_is_not_individual),
        cmocka_unit_test(test_rank_test_knows_kin_from_strangers),
        cmocka_unit_test(test_rank_correlation_with_ties),
        cmocka_unit_test(test_curves_of_a_linear_score),
        cmocka_unit_test(test_networks_pass_the_checks),
        cmocka_unit_test(test_random_heads_lose_the_map),
        cmocka_unit_test(test_units_of_raw_inputs),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("sanity", tests, set_up, tear_down);
}
