/* SPDX-License-Identifier: MIT
 *
 * test_cross_fit.c - small samples: the closed form of exactly the rows given against published
 * values, the classical tests, the exact test with refitting, and cross-fitting. */
#include "correlate/classical.h"
#include "correlate/refit_test.h"
#include "generators.h"

static mucmm_ctx *ctx;

/* Two tables as a problem; x is borrowed. */
static problem two_tables(int64_t n, int64_t p, const float *x, int64_t q, const float *y)
{
    problem t = {.n_views = 2, .n = n, .p = {p, q}};

    t.x[0] = test_floats(n * p);
    t.x[1] = test_floats(n * q);
    memcpy(t.x[0], x, (size_t)(n * p) * sizeof *x);
    memcpy(t.x[1], y, (size_t)(n * q) * sizeof *y);
    for (int m = 0; m < 2; m++) {
        const char *name = m ? "right" : "left";
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.x[m], n, t.p[m], t.p[m]}, name, NULL, 0,
                                      &t.data[m]));
        t.view[m] = (mucmm_view){name, t.data[m]};
    }
    return t;
}

/* Normal noise; one component of correlation rho between the first columns. */
static problem noise(int64_t n, int64_t p, double rho, uint64_t seed)
{
    float *x = test_floats(n * p), *y = test_floats(n * p);
    problem t;

    for (int64_t i = 0; i < n * p; i++) {
        double a = mucmm__rng_normal(mucmm__rng_key(seed, 0), (uint64_t)i);
        double b = mucmm__rng_normal(mucmm__rng_key(seed, 1), (uint64_t)i);
        x[i] = (float)a;
        y[i] = (float)(i % p == 0 ? rho * a + sqrt(1 - rho * rho) * b : b);
    }
    t = two_tables(n, p, x, p, y);
    free(x);
    free(y);
    return t;
}

static mucmm_fit_params cross_params(int64_t common, int64_t individual)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.common = common;
    p.individual = individual;
    return p;
}

/* ---- published values -------------------------------------------------------------- */

/* Belsley, Kuh and Welsch (1980), Sterling's data: R's LifeCycleSavings. pop15, pop75. */
static const float population[] = {
    29.35F, 2.87F, 23.32F, 4.41F, 23.8F,  4.43F, 41.89F, 1.67F, 42.19F, 0.83F, 31.72F, 2.85F,
    39.74F, 1.34F, 44.75F, 0.67F, 46.64F, 1.06F, 47.64F, 1.14F, 24.42F, 3.93F, 46.31F, 1.19F,
    27.84F, 2.37F, 25.06F, 4.7F,  23.31F, 3.35F, 25.62F, 3.1F,  46.05F, 0.87F, 47.32F, 0.58F,
    34.03F, 3.08F, 41.31F, 0.96F, 31.16F, 4.19F, 24.52F, 3.48F, 27.01F, 1.91F, 41.74F, 0.91F,
    21.8F,  3.73F, 32.54F, 2.47F, 25.95F, 3.67F, 24.71F, 3.25F, 32.61F, 3.17F, 45.04F, 1.21F,
    43.56F, 1.2F,  41.18F, 1.05F, 44.19F, 1.28F, 46.26F, 1.12F, 28.96F, 2.85F, 31.94F, 2.28F,
    31.92F, 1.52F, 27.74F, 2.87F, 21.44F, 4.54F, 23.49F, 3.73F, 43.42F, 1.08F, 46.12F, 1.21F,
    23.27F, 4.46F, 29.81F, 3.43F, 46.4F,  0.9F,  45.25F, 0.56F, 41.12F, 1.73F, 28.13F, 2.72F,
    43.69F, 2.07F, 47.2F,  0.66F};
/* sr, dpi, ddpi */
static const float savings[] = {
    11.43F, 2329.68F, 2.87F,  12.07F, 1507.99F, 3.93F,  13.17F, 2108.47F, 3.82F,
    5.75F,  189.13F,  0.22F,  12.88F, 728.47F,  4.56F,  8.79F,  2982.88F, 2.43F,
    0.6F,   662.86F,  2.67F,  11.9F,  289.52F,  6.51F,  4.98F,  276.65F,  3.08F,
    10.78F, 471.24F,  2.8F,   16.85F, 2496.53F, 3.99F,  3.59F,  287.77F,  2.19F,
    11.24F, 1681.25F, 4.32F,  12.64F, 2213.82F, 4.52F,  12.55F, 2457.12F, 3.44F,
    10.67F, 870.85F,  6.28F,  3.01F,  289.71F,  1.48F,  7.7F,   232.44F,  3.19F,
    1.27F,  1900.1F,  1.12F,  9.F,    88.94F,   1.54F,  11.34F, 1139.95F, 2.99F,
    14.28F, 1390.F,   3.54F,  21.1F,  1257.28F, 8.21F,  3.98F,  207.68F,  5.81F,
    10.35F, 2449.39F, 1.57F,  15.48F, 601.05F,  8.12F,  10.25F, 2231.03F, 3.62F,
    14.65F, 1740.7F,  7.66F,  10.67F, 1487.52F, 1.76F,  7.3F,   325.54F,  2.48F,
    4.44F,  568.56F,  3.61F,  2.02F,  220.56F,  1.03F,  12.7F,  400.06F,  0.67F,
    12.78F, 152.01F,  2.F,    12.49F, 579.51F,  7.48F,  11.14F, 651.11F,  2.19F,
    13.3F,  250.96F,  2.F,    11.77F, 768.79F,  4.35F,  6.86F,  3299.49F, 3.01F,
    14.13F, 2630.96F, 2.7F,   5.13F,  389.66F,  2.96F,  2.81F,  249.87F,  1.13F,
    7.81F,  1813.93F, 2.01F,  7.56F,  4001.89F, 2.45F,  9.22F,  813.39F,  0.53F,
    18.56F, 138.33F,  5.14F,  7.72F,  380.47F,  10.23F, 9.24F,  766.54F,  1.88F,
    8.89F,  123.58F,  16.71F, 4.71F,  242.69F,  5.08F};
/* Linnerud's fitness data, as in the documentation of SAS's PROC CANCORR. Weight, waist, pulse. */
static const float body[] = {
    191.F, 36.F, 50.F, 189.F, 37.F, 52.F, 193.F, 38.F, 58.F, 162.F, 35.F, 62.F, 189.F, 35.F, 46.F,
    182.F, 36.F, 56.F, 211.F, 38.F, 56.F, 167.F, 34.F, 60.F, 176.F, 31.F, 74.F, 154.F, 33.F, 56.F,
    169.F, 34.F, 50.F, 166.F, 33.F, 52.F, 154.F, 34.F, 64.F, 247.F, 46.F, 50.F, 193.F, 36.F, 46.F,
    202.F, 37.F, 62.F, 176.F, 37.F, 54.F, 157.F, 32.F, 52.F, 156.F, 33.F, 54.F, 138.F, 33.F, 68.F};
/* Chins, situps, jumps */
static const float exercises[] = {
    5.F,  162.F, 60.F,  2.F,  110.F, 60.F,  12.F, 101.F, 101.F, 12.F, 105.F, 37.F,
    13.F, 155.F, 58.F,  4.F,  101.F, 42.F,  8.F,  101.F, 38.F,  6.F,  125.F, 40.F,
    15.F, 200.F, 40.F,  17.F, 251.F, 250.F, 17.F, 120.F, 38.F,  13.F, 210.F, 115.F,
    14.F, 215.F, 105.F, 1.F,  50.F,  50.F,  6.F,  70.F,  31.F,  12.F, 210.F, 120.F,
    4.F,  60.F,  25.F,  11.F, 230.F, 80.F,  15.F, 225.F, 73.F,  2.F,  110.F, 43.F};

static void check_published(problem t, mucmm_scaling scaling, double ridge, int64_t k,
                            const double *want)
{
    mucmm_fit_params p = cross_params(k, 0);
    mucmm_model *m;

    p.validation = 0;
    p.ridge = ridge;
    p.repeats = 1;
    p.scaling = scaling;
    m = fit(ctx, &t, &p);
    assert_int_equal(mucmm_model_about(m)->training_rows, t.n);
    for (int64_t j = 0; j < k; j++)
        CHECK_CLOSE(mucmm_model_cross_fit(m)->in_sample[j], want[j], 5e-8);
    mucmm_model_free(m);
    drop_problem(&t);
}

/* What R's cancor(pop, oec) prints, and PROC CANCORR, to all their digits: without a ridge, which
 * is also what `validation` 0 means where nothing else is said. */
static void test_published_correlations(void **state)
{
    const double of_savings[] = {.8247966, .3652762};
    const double of_fitness[] = {.79560815, .20055604, .07257029};

    (void)state;
    for (int i = 0; i < 4; i++) {
        mucmm_scaling s = (mucmm_scaling)(i % 2);
        double ridge = i < 2 ? 0 : MUCMM_RIDGE_CHOSEN;
        check_published(two_tables(50, 2, population, 3, savings), s, ridge, 2, of_savings);
        check_published(two_tables(20, 3, body, 3, exercises), s, ridge, 3, of_fitness);
    }
}

/* PROC CANCORR's table of the likelihood ratio. */
static void test_published_tests(void **state)
{
    const double f[] = {2.05, .18, .08}, p_values[] = {.0635, .9491, .7748};
    const double df2[] = {34.223, 30, 16}, wilks[] = {.35039053, .95472266, .99473355};
    problem t = two_tables(20, 3, body, 3, exercises);
    mucmm_fit_params p = cross_params(3, 0);
    const mucmm_cross_fit *r;
    mucmm_model *m;

    (void)state;
    p.folds = 0;
    p.validation = 0;
    m = fit(ctx, &t, &p);
    r = mucmm_model_cross_fit(m);
    assert_int_equal(r->n_classical, 3);
    for (int j = 0; j < 3; j++) {
        CHECK_CLOSE(r->classical[j].wilks, wilks[j], 5e-8);
        CHECK_CLOSE(r->classical[j].f, f[j], .005);
        CHECK_CLOSE(r->classical[j].f_df2, df2[j], .0005);
        CHECK_CLOSE(r->classical[j].f_p, p_values[j], 5e-5);
        assert_true(isnan(r->correlations[j])); /* no folds */
    }
    CHECK_CLOSE(r->p_values[0], .0635, .025); /* 999 permutations of rows that are near normal */
    mucmm_model_free(m);
    drop_problem(&t);
}

/* Where the tails are elementary functions, and in tables. */
static void test_tails(void **state)
{
    (void)state;
    for (double x = .01; x < 200; x *= 1.7) {
        CHECK_CLOSE(mucmm__chi_squared_tail(2, x), exp(-x / 2), 1e-13);
        CHECK_CLOSE(mucmm__chi_squared_tail(1, x), erfc(sqrt(x / 2)), 1e-13);
        CHECK_CLOSE(mucmm__chi_squared_tail(6, x), exp(-x / 2) * (1 + x / 2 + x * x / 8), 1e-13);
        CHECK_CLOSE(mucmm__f_tail(2, 9, x), pow(1 + 2 * x / 9, -4.5), 1e-13);
        CHECK_CLOSE(mucmm__f_tail(9, 2, x), 1 - pow(9 * x / (9 * x + 2), 4.5), 1e-13);
        CHECK_CLOSE(mucmm__f_tail(1, 1, x), 1 - 2 / acos(-1) * atan(sqrt(x)), 1e-13);
    }
    CHECK_CLOSE(mucmm__chi_squared_tail(10, 18.307038053275146), .05, 1e-12);
    CHECK_CLOSE(mucmm__f_tail(2, 10, 4.102821015304131), .05, 1e-10);
    CHECK_CLOSE(mucmm__chi_squared_tail(3, 0), 1, 0);
    CHECK_CLOSE(mucmm__f_tail(3, 5, INFINITY), 0, 0);
    assert_true(isnan(mucmm__f_tail(0, 5, 1)) && isnan(mucmm__chi_squared_tail(1, -1)));
}

/* ---- the exact test ---------------------------------------------------------------- */

static void refit(const problem *t, double ridge, int64_t components, int64_t permutations,
                  uint64_t seed, double *p_values)
{
    mucmm__block x[2] = {{0}};
    mucmm__refit how = {.ridge = ridge,
                        .columns = t->p,
                        .permutations = permutations,
                        .most_work = 1e12,
                        .seed = seed};
    int64_t made;

    for (int m = 0; m < 2; m++) {
        x[m] = (mucmm__block){test_doubles(t->n * t->p[m]), t->n, t->p[m]};
        mucmm__to_double(t->x[m], t->n * t->p[m], x[m].data);
    }
    CHECK_OK(ctx, mucmm__refit_test(ctx, 2, x, &how, components, p_values, &made));
    assert_int_equal(made, permutations);
    free(x[0].data);
    free(x[1].data);
}

/* Of independent rows p <= .05 in a twentieth of the runs, with more columns than rows too; of 120
 * runs more than 13 have probability .005. One planted component is found, and no second one. */
static void test_level_and_power(void **state)
{
    static const struct {
        int64_t n, p;
        double ridge;
    } cases[] = {{30, 3, 0}, {30, 3, -1}, {24, 40, -1}};
    double p_values[2];

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int null = 0, first = 0, second = 0;
        bool power = cases[c].p < cases[c].n;
        for (uint64_t seed = 0; seed < 120; seed++) {
            problem t = noise(cases[c].n, cases[c].p, 0, 1000 + seed);
            refit(&t, cases[c].ridge, 1, 99, seed, p_values);
            null += p_values[0] <= .05;
            drop_problem(&t);
        }
        for (uint64_t seed = 0; seed < 60 && power; seed++) {
            problem t = noise(cases[c].n, cases[c].p, .85, 2000 + seed);
            refit(&t, cases[c].ridge, 2, 99, seed, p_values);
            assert_true(p_values[1] >= p_values[0]);
            first += p_values[0] <= .05;
            second += p_values[1] <= .05;
            drop_problem(&t);
        }
        if (null > 13 || second > 8 || (power && first < 57))
            fail_msg("case %zu: %d of 120 without anything, %d of 60 with one component, %d of them"
                     " with two",
                     c, null, first, second);
    }
}

/* Rows that are alike in pairs: 8 of the 24 orders are the one given or its mirror. */
static void test_ties_count(void **state)
{
    const float x[] = {1, 1, 2, 2}, y[] = {3, 3, 5, 5};
    problem t = two_tables(4, 1, x, 1, y);
    double p;

    (void)state;
    refit(&t, 0, 1, 5000, 1, &p);
    CHECK_CLOSE(p, 1. / 3, .03);
    drop_problem(&t);
}

/* ---- cross-fitting ----------------------------------------------------------------- */

/* The defaults, more columns than rows: in-sample correlations are near 1 whatever there is,
 * held-out ones near the truth. */
static void test_held_out_is_held_out(void **state)
{
    double held_out = 0, in_sample = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        problem t = noise(54, 60, 0, 100 + seed);
        mucmm_fit_params p = cross_params(1, 1);
        const mucmm_summary *s;
        const mucmm_cross_fit *r;
        mucmm_model *m;
        p.repeats = 2;
        p.ridge = .1;
        m = fit(ctx, &t, &p);
        r = mucmm_model_cross_fit(m);
        s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
        assert_int_equal(r->rows, 54);
        assert_int_equal(r->folds, 5);
        assert_int_equal(r->repeats, 2);
        assert_int_equal(mucmm_model_about(m)->training_rows, 54);
        assert_true(r->low[0] < r->correlations[0] && r->correlations[0] < r->high[0]);
        held_out += r->correlations[0] / 6;
        in_sample += r->in_sample[0] / 6;
        CHECK_CLOSE(s->correlations[0], r->correlations[0], 0);
        CHECK_CLOSE(s->p_values[0], r->p_values[0], 0);
        mucmm_model_free(m);
        drop_problem(&t);
    }
    assert_true(in_sample > .95);
    CHECK_CLOSE(held_out, 0, .2); /* sd .08 */
}

/* The numbers of dimensions: one common one, by the exact test. */
static void test_signal_is_found(void **state)
{
    problem t = noise(80, 6, .9, 7);
    mucmm_fit_params p = cross_params(MUCMM_AUTO, MUCMM_AUTO);
    const mucmm_dimensions *d;
    mucmm_model *m;

    (void)state;
    p.repeats = 2;
    m = fit(ctx, &t, &p);
    d = mucmm_model_dimensions(m);
    assert_int_equal(mucmm_model_common(m), 1);
    assert_int_equal(d->common, 1);
    assert_non_null(d->standard_errors);
    assert_true(d->candidates >= 2 && d->correlations[0] > .75 && d->standard_errors[0] < .15);
    assert_true(d->p_values[0] <= .05 && d->p_values[1] > .05);
    assert_true(mucmm_model_cross_fit(m)->low[0] > .6);
    mucmm_model_free(m);
    drop_problem(&t);
}

static void check_same(const mucmm_model *a, const mucmm_model *b)
{
    const mucmm_cross_fit *x = mucmm_model_cross_fit(a), *y = mucmm_model_cross_fit(b);

    assert_non_null(y);
    assert_int_equal(x->rows, y->rows);
    assert_int_equal(x->folds, y->folds);
    assert_int_equal(x->repeats, y->repeats);
    assert_int_equal(x->permutations, y->permutations);
    assert_int_equal(x->n_classical, y->n_classical);
    for (int64_t j = 0; j < x->components; j++) {
        CHECK_CLOSE(x->in_sample[j], y->in_sample[j], 0);
        CHECK_CLOSE(x->correlations[j], y->correlations[j], 0);
        CHECK_CLOSE(x->standard_errors[j], y->standard_errors[j], 0);
        CHECK_CLOSE(x->low[j], y->low[j], 0);
        CHECK_CLOSE(x->high[j], y->high[j], 0);
        CHECK_CLOSE(x->p_values[j], y->p_values[j], 0);
    }
    for (int64_t j = 0; j < x->n_classical; j++)
        assert_memory_equal(&x->classical[j], &y->classical[j], sizeof x->classical[j]);
}

/* The file keeps it; so do other threads. */
static void test_file_and_threads(void **state)
{
    problem t = noise(40, 4, .7, 3);
    mucmm_fit_params p = cross_params(2, 1);
    mucmm_ctx_params cp;
    mucmm_ctx *other;
    mucmm_model *m, *again, *threaded;
    void *bytes;
    size_t size;

    (void)state;
    p.ridge = 0;
    m = fit(ctx, &t, &p);
    assert_int_equal(mucmm_model_cross_fit(m)->n_classical, 4);
    CHECK_OK(ctx, mucmm_model_save_memory(ctx, m, &bytes, &size));
    CHECK_OK(ctx, mucmm_model_load_memory(ctx, bytes, size, NULL, &again));
    check_same(m, again);
    mucmm_ctx_params_init(&cp);
    cp.threads = 3;
    assert_int_equal(mucmm_ctx_create(&cp, &other), MUCMM_OK);
    threaded = fit(other, &t, &p);
    check_same(m, threaded);
    mucmm_model_free(threaded);
    mucmm_ctx_free(other);
    mucmm_bytes_free(bytes);
    mucmm_model_free(again);
    mucmm_model_free(m);
    drop_problem(&t);
}

/* Trained heads, if asked for: p of each fold's own rows, twice the median. */
static void test_trained_heads(void **state)
{
    problem t = noise(120, 5, .9, 5);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    const mucmm_cross_fit *r;
    mucmm_model *m;

    (void)state;
    p.common = 1;
    p.individual = 1;
    p.folds = 4;
    p.repeats = 1;
    m = fit(ctx, &t, &p);
    r = mucmm_model_cross_fit(m);
    assert_int_equal(r->folds, 4);
    assert_true(r->p_values[0] >= 2. / 1000 && r->p_values[0] <= .05);
    assert_true(r->correlations[0] > .5 && r->low[0] < r->correlations[0]);
    assert_true(mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR)->p_values[0] <= .05);
    mucmm_model_free(m);
    drop_problem(&t);
}

/* ---- groups ------------------------------------------------------------------------ */

/* Groups of `rows` rows, whose levels are half the variance of each column, and correlate. */
static problem grouped(int64_t groups, int64_t rows, int64_t p, double rho, uint64_t seed,
                       int64_t *group)
{
    problem t = noise(groups * rows, p, 0, seed);

    for (int64_t i = 0; i < t.n; i++) {
        group[i] = i / rows * 17 - 5;
        for (int64_t j = 0; j < p; j++) {
            double a = mucmm__rng_normal(mucmm__rng_key(seed, 2), (uint64_t)(i / rows * p + j));
            double b = mucmm__rng_normal(mucmm__rng_key(seed, 3), (uint64_t)(i / rows * p + j));
            t.x[0][i * p + j] += (float)a;
            t.x[1][i * p + j] += (float)(rho * a + sqrt(1 - rho * rho) * b);
        }
    }
    return t;
}

/* Few groups are cross-fitted, though their rows are many; many are not, and rows without groups
 * are not. Of rows that are exchanged freely nearly every p is small. */
static void test_few_groups_are_a_small_sample(void **state)
{
    int64_t *group = malloc(400 * sizeof *group);
    int found[2] = {0};

    (void)state;
    for (uint64_t run = 0; run < 20; run++) {
        problem t = grouped(40, 10, 3, run < 14 ? 0 : .8, 500 + run, group);
        mucmm_fit_params p = cross_params(1, 0);
        mucmm_model *m;
        p.groups = group;
        p.repeats = 1;
        m = fit(ctx, &t, &p);
        assert_int_equal(mucmm_model_cross_fit(m)->rows, 400);
        assert_int_equal(mucmm_model_cross_fit(m)->folds, 5);
        found[run >= 14] += mucmm_model_cross_fit(m)->p_values[0] <= .05;
        mucmm_model_free(m);
        if (run == 0) {
            for (int64_t i = 0; i < t.n; i++)
                group[i] = i;
            p.head = MUCMM_HEAD_LINEAR;
            m = fit(ctx, &t, &p);
            assert_null(mucmm_model_cross_fit(m));
            mucmm_model_free(m);
        }
        drop_problem(&t);
    }
    assert_true(found[0] <= 3); /* .05: more than 3 of 14 in 0.4 % */
    assert_int_equal(found[1], 6);
    free(group);
}

/* Sites of very different sizes, one of which has most rows: each fold has some. */
static void test_folds_of_a_few_unequal_groups(void **state)
{
    problem t = noise(120, 3, .9, 77);
    mucmm_fit_params p = cross_params(1, 0);
    int64_t group[120];
    mucmm_model *m;

    (void)state;
    for (int64_t i = 0; i < 120; i++)
        group[i] = i < 90 ? 3 : i % 6;
    p.groups = group;
    p.repeats = 3;
    m = fit(ctx, &t, &p);
    assert_int_equal(mucmm_model_cross_fit(m)->folds, 5);
    assert_true(mucmm_model_cross_fit(m)->correlations[0] > .6);
    mucmm_model_free(m);
    p.folds = 7;
    assert_int_equal(mucmm_fit(ctx, t.view, 2, &p, &m), MUCMM_ESHAPE);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "7 folds of 6 groups"));
    drop_problem(&t);
}

/* ---- what does not go together ----------------------------------------------------- */

static void check_refused(const problem *t, const mucmm_fit_params *p, mucmm_status want,
                          const char *fragment)
{
    mucmm_model *m;

    check_message(ctx, mucmm_fit(ctx, t->view, 2, p, &m), want, fragment);
    assert_null(m);
}

static void test_refusals(void **state)
{
    problem t = noise(40, 4, .7, 3);
    mucmm_fit_params p = cross_params(1, 1), usual = p;

    (void)state;
    p.folds = 1;
    check_refused(&t, &p, MUCMM_EARG, "folds is 1");
    p.folds = 41;
    check_refused(&t, &p, MUCMM_ESHAPE, "41 folds of 40 rows");
    p = usual;
    p.repeats = -1;
    check_refused(&t, &p, MUCMM_EARG, "repeats");
    p = usual;
    p.validation = 0;
    p.head = MUCMM_HEAD_MLP;
    check_refused(&t, &p, MUCMM_EARG, "validation is 0");
    p.head = MUCMM_HEAD_LINEAR;
    p.folds = 0;
    p.common = MUCMM_AUTO;
    check_refused(&t, &p, MUCMM_EARG, "validation is 0");
    drop_problem(&t);
}

/* ---- memory ------------------------------------------------------------------------ */

typedef struct call_of {
    problem t;
    mucmm_fit_params p;
} call_of;

static mucmm_status call_fit(mucmm_ctx *c, void *arg)
{
    call_of *of = arg;
    mucmm_model *m;
    mucmm_status status = mucmm_fit(c, of->t.view, 2, &of->p, &m);

    assert_int_equal(m == NULL, status != MUCMM_OK);
    mucmm_model_free(m);
    return status;
}

static void test_out_of_memory(void **state)
{
    call_of of = {noise(44, 2, .9, 3), cross_params(MUCMM_AUTO, MUCMM_AUTO)};

    (void)state;
    of.p.folds = 4;
    of.p.repeats = 1;
    of.p.ridge = 0;
    assert_true(sweep_out_of_memory(call_fit, &of, 100) > 60);
    drop_problem(&of.t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_correlations),
        cmocka_unit_test(test_published_tests),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_level_and_power),
        cmocka_unit_test(test_ties_count),
        cmocka_unit_test(test_held_out_is_held_out),
        cmocka_unit_test(test_signal_is_found),
        cmocka_unit_test(test_few_groups_are_a_small_sample),
        cmocka_unit_test(test_folds_of_a_few_unequal_groups),
        cmocka_unit_test(test_file_and_threads),
        cmocka_unit_test(test_trained_heads),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_out_of_memory),
    };
    int failed;

    ctx = new_ctx();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    mucmm_ctx_free(ctx);
    return failed;
}
