/* SPDX-License-Identifier: MIT
 *
 * What must not change a linear model: units of columns, the order of rows, rows that stand twice,
 * the order of views. The split of the rows depends on their places and number, so rows are moved
 * within the training and within the held-out rows. */
#include "generators.h"

static mucmm_ctx *ctx; /* one thread */

/* ---- rows in other places ---------------------------------------------------------- */

static const char *const names[] = {"left", "right", "third"};

/* is_held_out [n] of the places of n rows, and how many are. */
static int64_t split_places(const mucmm_fit_params *p, int64_t n, bool *is_held_out)
{
    int64_t held_out = (int64_t)ceil((double)n * p->validation);
    int64_t *perm = calloc((size_t)n, sizeof *perm);

    assert_non_null(perm);
    memset(is_held_out, 0, (size_t)n * sizeof *is_held_out);
    mucmm__rng_permutation(mucmm__rng_key(p->seed, 1), perm, n);
    for (int64_t i = 0; i < held_out; i++)
        is_held_out[perm[i]] = true;
    free(perm);
    return held_out;
}

/* Every row of q `times` times, each copy in a place of the same part, in another order. */
static problem rearranged(const problem *q, const mucmm_fit_params *p, int64_t times)
{
    int64_t n = q->n * times, *from = calloc((size_t)n, sizeof *from);
    bool *old = calloc((size_t)q->n, sizeof *old), *new = calloc((size_t)n, sizeof *new);
    problem t = *q;

    assert_true(from && old && new);
    assert_int_equal(split_places(p, q->n, old) * times, split_places(p, n, new));
    for (int part = 0; part < 2; part++) {
        int64_t count = 0, at = 0, *rows = calloc((size_t)n, sizeof *rows);
        int64_t *perm = calloc((size_t)n, sizeof *perm);
        for (int64_t i = 0; i < n; i++)
            if (old[i / times] == part)
                rows[count++] = i / times;
        mucmm__rng_permutation(mucmm__rng_key(99, (uint64_t)part), perm, count);
        for (int64_t i = 0; i < n; i++)
            if (new[i] == part)
                from[i] = rows[perm[at++]];
        assert_int_equal(at, count);
        free(rows);
        free(perm);
    }
    t.n = n;
    t.shared = NULL;
    for (int32_t m = 0; m < q->n_views; m++) {
        int64_t d = q->p[m];
        t.x[m] = test_floats(n * d);
        for (int64_t i = 0; i < n; i++)
            memcpy(t.x[m] + i * d, q->x[m] + from[i] * d, (size_t)d * sizeof(float));
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.x[m], n, d, d}, names[m], NULL, 0,
                                      &t.data[m]));
        t.view[m].data = t.data[m];
    }
    free(from);
    free(old);
    free(new);
    return t;
}

/* Every column times a factor of its own (some negative if `flip`) and moved. */
static problem other_units(const problem *q, bool flip)
{
    problem t = *q;

    t.shared = NULL;
    for (int32_t m = 0; m < q->n_views; m++) {
        int64_t d = q->p[m];
        t.x[m] = test_floats(q->n * d);
        for (int64_t i = 0; i < q->n * d; i++) {
            int64_t j = i % d;
            double factor = pow(7, (double)(j % 5 - 2)) * (flip && j % 3 == 1 ? -1 : 1);
            t.x[m][i] = (float)(factor * ((double)q->x[m][i] + (double)(j - 3)));
        }
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t.x[m], q->n, d, d}, names[m], NULL, 0,
                                      &t.data[m]));
        t.view[m].data = t.data[m];
    }
    return t;
}

/* ---- two models -------------------------------------------------------------------- */

/* Columns of z [n, d] are those of y times factor; a column may have the other sign if signs. */
static void check_columns(const float *z, const float *y, int64_t n, int64_t d, double factor,
                          bool signs, double *sign)
{
    for (int64_t j = 0; j < d; j++) {
        double s = signs && covariance(z, d, j, y, d, j, n) < 0 ? -1 : 1;
        for (int64_t i = 0; i < n; i++)
            CHECK_CLOSE(z[i * d + j], s * factor * (double)y[i * d + j], 3e-4);
        if (sign) {
            assert_true(sign[j] == 0 || sign[j] == s); /* one sign for all views */
            sign[j] = s;
        }
    }
}

/* Model b of other rows gives the rows of `there` the variates that a gives the rows of `here`,
 * times factor. View v of a is view to[v] of b. */
static void check_models(const mucmm_model *a, const problem *here, const mucmm_model *b,
                         const problem *there, double factor, bool signs, const int32_t *to)
{
    double sign[16] = {0};

    assert_true(a->ridge == b->ridge);
    for (int64_t j = 0; j < a->k; j++)
        CHECK_CLOSE(a->linear.rho[j], b->linear.rho[j], 1e-6);
    for (int32_t v = 0; v < a->n_views; v++) {
        float *c[2], *u[2];
        transform(ctx, a, MUCMM_HEADS, v, here->data[v], &c[0], &u[0]);
        transform(ctx, b, MUCMM_HEADS, to[v], there->data[to[v]], &c[1], &u[1]);
        check_columns(c[1], c[0], here->n, a->k, factor, signs, sign);
        check_columns(u[1], u[0], here->n, a->view[v].q, factor, signs, NULL);
        for (int i = 0; i < 2; i++) {
            free(c[i]);
            free(u[i]);
        }
    }
}

/* Everything that does not depend on how rows are drawn: not the p-values, and not the kernel
 * leakage, which cuts the rows into halves. */
static void check_summaries(const mucmm_model *a, const mucmm_model *b, bool leakage,
                            const int32_t *to)
{
    for (int r = 0; r < 2; r++) {
        const mucmm_summary *x = mucmm_model_summary(a, (mucmm_rows)r, MUCMM_HEADS);
        const mucmm_summary *y = mucmm_model_summary(b, (mucmm_rows)r, MUCMM_HEADS);
        for (int64_t j = 0; j < a->k; j++) {
            CHECK_CLOSE(x->correlations[j], y->correlations[j], 1e-5);
            assert_int_equal(x->p_values[j] <= .05, y->p_values[j] <= .05);
        }
        for (int32_t v = 0; v < a->n_views; v++) {
            CHECK_CLOSE(x->common_share[v], y->common_share[to[v]], 1e-5);
            CHECK_CLOSE(x->individual_share[v], y->individual_share[to[v]], 1e-5);
            if (leakage)
                CHECK_CLOSE(x->leakage_linear[v], y->leakage_linear[to[v]], 1e-5);
        }
    }
}

static double share_difference(const mucmm_model *a, const mucmm_model *b)
{
    const mucmm_summary *x = mucmm_model_summary(a, MUCMM_ROWS_TRAIN, MUCMM_HEADS);
    const mucmm_summary *y = mucmm_model_summary(b, MUCMM_ROWS_TRAIN, MUCMM_HEADS);
    double sum = 0;

    for (int32_t v = 0; v < a->n_views; v++)
        sum += fabs(x->common_share[v] - y->common_share[v]) +
               fabs(x->individual_share[v] - y->individual_share[v]);
    return sum;
}

static const int32_t same_order[] = {0, 1, 2};

static mucmm_fit_params linear_params(mucmm_scaling scaling)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);

    p.scaling = scaling;
    p.common = 3;
    p.individual = 2;
    p.validation = .2;
    p.ridge = 1e-5;
    return p;
}

/* ---- the tests --------------------------------------------------------------------- */

static void test_units_of_columns_do_not_matter(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++)
        for (int flip = 0; flip < 2; flip++) {
            problem q = new_problem(ctx, views, 500, false, 21), t = other_units(&q, flip);
            mucmm_fit_params p = linear_params(MUCMM_SCALE_COLUMN);
            mucmm_model *a = fit(ctx, &q, &p), *b = fit(ctx, &t, &p), *c;
            check_models(a, &q, b, &t, 1, flip, same_order);
            check_summaries(a, b, true, same_order);
            /* with one divisor a view they do matter: that is what the other scaling is for */
            p.scaling = MUCMM_SCALE_VIEW;
            c = fit(ctx, &t, &p);
            assert_true(share_difference(b, c) > .05);
            mucmm_model_free(a);
            mucmm_model_free(b);
            mucmm_model_free(c);
            drop_problem(&q);
            drop_problem(&t);
        }
}

static void test_order_of_rows_does_not_matter(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = new_problem(ctx, views, 500, false, 22);
        mucmm_fit_params p = linear_params(MUCMM_SCALE_VIEW);
        problem t = rearranged(&q, &p, 1);
        mucmm_model *a = fit(ctx, &q, &p), *b = fit(ctx, &t, &p);
        assert_true(memcmp(q.x[0], t.x[0], sizeof(float) * (size_t)(q.n * q.p[0])) != 0);
        check_models(a, &q, b, &q, 1, false, same_order);
        check_summaries(a, b, true, same_order);
        for (int64_t j = 0; j < 3; j++)
            CHECK_CLOSE(a->linear.rho[j], b->linear.rho[j], 1e-12);
        mucmm_model_free(a);
        mucmm_model_free(b);
        drop_problem(&q);
        drop_problem(&t);
    }
}

/* Of n rows that stand twice variances are 2 (n - 1)/(2 n - 1) of what they were, and scaled
 * features and variates the inverse root of that longer; correlations and shares stay. p-values do
 * not: the test takes twice as many rows for twice the evidence. */
static void test_rows_that_stand_twice_do_not_matter(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = new_problem(ctx, views, 500, false, 23);
        mucmm_fit_params p = linear_params(MUCMM_SCALE_VIEW);
        problem t = rearranged(&q, &p, 2);
        mucmm_model *a = fit(ctx, &q, &p), *b = fit(ctx, &t, &p);
        double n = (double)a->rows[MUCMM_ROWS_TRAIN];
        assert_int_equal(b->rows[MUCMM_ROWS_TRAIN], 2 * a->rows[MUCMM_ROWS_TRAIN]);
        check_models(a, &q, b, &q, sqrt((2 * n - 1) / (2 * (n - 1))), false, same_order);
        check_summaries(a, b, true, same_order);
        for (int64_t j = 0; j < 3; j++)
            CHECK_CLOSE(a->linear.rho[j], b->linear.rho[j], 1e-12);
        mucmm_model_free(a);
        mucmm_model_free(b);
        drop_problem(&q);
        drop_problem(&t);
    }
}

/* The first view decides on signs; permuted are all views but the first. */
static void test_order_of_views_does_not_matter(void **state)
{
    static const int32_t turned[] = {1, 2, 0}, swapped[] = {1, 0};

    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        const int32_t *to = views == 2 ? swapped : turned;
        problem q = new_problem(ctx, views, 500, false, 24), t = q;
        mucmm_fit_params p = linear_params(MUCMM_SCALE_VIEW);
        mucmm_model *a, *b;
        for (int32_t v = 0; v < views; v++) {
            t.view[to[v]] = q.view[v];
            t.data[to[v]] = q.data[v];
        }
        a = fit(ctx, &q, &p);
        b = fit(ctx, &t, &p);
        check_models(a, &q, b, &t, 1, true, to);
        check_summaries(a, b, true, to);
        for (int64_t j = 0; j < 3; j++)
            CHECK_CLOSE(a->linear.rho[j], b->linear.rho[j], 1e-9);
        mucmm_model_free(a);
        mucmm_model_free(b);
        drop_problem(&q);
    }
}

/* ---- the strong does not hide the weak --------------------------------------------- */

enum { ROWS = 2000, WIDE = 12 };

/* Views of one latent s_m, corr(s_1, s_2) = 0.9, and a private one of 25 times its variance along
 * directions that overlap with it; seen [n, 2] are the s_m. */
static void strong_private(uint64_t seed, float *x[2], float *seen[2])
{
    double *shared = normals(seed, 0, ROWS, 1);

    for (uint64_t m = 0; m < 2; m++) {
        double *mixing = normals(seed, 10 + m, 2 * WIDE, 1), *own = normals(seed, 20 + m, ROWS, 1);
        double *private = normals(seed, 30 + m, ROWS, 5), along[2] = {0, 0};
        double *noise = normals(seed, 40 + m, ROWS * WIDE, .05);
        x[m] = test_floats(ROWS * WIDE);
        seen[m] = test_floats(ROWS);
        for (int64_t j = 0; j < 2 * WIDE; j++)
            along[j / WIDE] += mixing[j] * mixing[j];
        for (int64_t i = 0; i < ROWS; i++) {
            double s = sqrt(.9) * shared[i] + sqrt(.1) * own[i];
            seen[m][i] = (float)s;
            for (int64_t j = 0; j < WIDE; j++)
                x[m][i * WIDE + j] =
                    (float)(s * mixing[j] / sqrt(along[0]) +
                            private[i] * mixing[WIDE + j] / sqrt(along[1]) + noise[i * WIDE + j]);
        }
        free(mixing);
        free(own);
        free(private);
        free(noise);
    }
    free(shared);
}

static void test_a_strong_private_factor_does_not_hide_a_weak_shared_one(void **state)
{
    (void)state;
    for (int head = MUCMM_HEAD_LINEAR; head <= MUCMM_HEAD_MLP; head++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            mucmm_fit_params p = small_params((mucmm_head_kind)head);
            float *x[2], *seen[2];
            mucmm_data *data[2];
            mucmm_view view[2];
            mucmm_model *m = NULL;
            p.common = p.individual = 1;
            p.batch = 1000;
            p.common_epochs = 30;
            p.individual_epochs = 60;
            strong_private(seed, x, seen);
            for (int v = 0; v < 2; v++) {
                CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x[v], ROWS, WIDE, WIDE}, names[v],
                                              NULL, 0, &data[v]));
                view[v] = (mucmm_view){names[v], data[v]};
            }
            CHECK_OK(ctx, mucmm_fit(ctx, view, 2, &p, &m));
            for (int32_t v = 0; v < 2; v++) {
                float *c, *u;
                double r;
                transform(ctx, m, MUCMM_HEADS, v, data[v], &c, &u);
                r = fabs(correlation(c, 1, 0, seen[v], 1, 0, ROWS));
                print_message("# %s heads, view %d: the weak shared latent with %.3f\n",
                              head == MUCMM_HEAD_MLP ? "trained" : "linear", v, r);
                assert_true(r >= .95);
                assert_true(fabs(correlation(u, 1, 0, seen[v], 1, 0, ROWS)) < .2);
                free(c);
                free(u);
            }
            mucmm_model_free(m);
            for (int v = 0; v < 2; v++) {
                mucmm_data_free(data[v]);
                free(x[v]);
                free(seen[v]);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units_of_columns_do_not_matter),
        cmocka_unit_test(test_order_of_rows_does_not_matter),
        cmocka_unit_test(test_rows_that_stand_twice_do_not_matter),
        cmocka_unit_test(test_order_of_views_does_not_matter),
        cmocka_unit_test(test_a_strong_private_factor_does_not_hide_a_weak_shared_one),
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
