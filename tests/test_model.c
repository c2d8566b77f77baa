/* SPDX-License-Identifier: MIT
 *
 * Fit, transform, scores and the model file. */
#include "generators.h"

#include <dirent.h>

static char folder[64] = "/tmp/mucmm-test-XXXXXX";
static mucmm_ctx *ctx; /* one thread */

/* ---- helpers ----------------------------------------------------------------------- */

static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int count_files(void)
{
    DIR *d = opendir(folder);
    int n = -2; /* . and .. */

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

static bytes get_file(const char *name)
{
    FILE *f = fopen(in_folder(name), "rb");
    bytes b = {malloc(1 << 22), 0};

    assert_non_null(f);
    b.size = fread(b.data, 1, 1 << 22, f);
    assert_true(b.size < 1 << 22);
    fclose(f);
    return b;
}

static void put_file(const char *name, const bytes *b)
{
    FILE *f = fopen(in_folder(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->size, f), b->size);
    assert_int_equal(fclose(f), 0);
}

static void check_same_bytes(const bytes *a, const bytes *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
}

/* The file that the model is saved as. */
static bytes saved(const mucmm_model *m)
{
    bytes b;

    CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("saved")));
    b = get_file("saved");
    unlink(in_folder("saved"));
    return b;
}

static mucmm_ctx *threaded_ctx(int32_t threads)
{
    mucmm_ctx_params p;
    mucmm_ctx *c = NULL;

    mucmm_ctx_params_init(&p);
    p.threads = threads;
    assert_int_equal(mucmm_ctx_create(&p, &c), MUCMM_OK);
    return c;
}

/* ---- the generators of the benchmarks ---------------------------------------------- */

static void test_generators_have_their_check_values(void **state)
{
    static const double uniform[] = {.652448486374, .701212109522, .387124140976};
    static const double normal[] = {-.278874922586, -.764222862019, .418925644868};
    static const double a1[] = {1.583055208053, 5.819906975048, 11.439810316448};
    static const double b1[] = {1.686999682211, -.786795440498, .658614500366};
    static const double b2[] = {-.995972442428, -.772658542636, -1.529645846092};
    uint64_t key = mucmm__rng_key(1, 0);
    double *a[2], *b[2];

    (void)state;
    generator_a(1, 2, 1, a, NULL);
    generator_b(1, 2, b);
    for (int i = 0; i < 3; i++) {
        CHECK_CLOSE(mucmm__rng_uniform(key, (uint64_t)i), uniform[i], 1e-12);
        CHECK_CLOSE(mucmm__rng_normal(key, (uint64_t)i), normal[i], 1e-12);
        CHECK_CLOSE(a[0][i], a1[i], 1e-11);
        CHECK_CLOSE(b[0][i], b1[i], 1e-11);
        CHECK_CLOSE(b[1][i], b2[i], 1e-11);
    }
    for (int m = 0; m < 2; m++) {
        free(a[m]);
        free(b[m]);
    }
}

/* How much of the variance of y [n] a linear function of z [n, d] explains. */
static double r_squared(int64_t n, int64_t d, const float *z, const double *y, int64_t stride)
{
    double *a = test_doubles(d * d), *b = test_doubles(d), mean = 0, total = 0, explained = 0;
    double *means = test_doubles(d);

    for (int64_t i = 0; i < n; i++)
        mean += y[i * stride] / (double)n;
    for (int64_t j = 0; j < d; j++)
        means[j] = column_mean(z, n, d, j);
    for (int64_t i = 0; i < n; i++) {
        double e = y[i * stride] - mean;
        total += e * e;
        for (int64_t j = 0; j < d; j++) {
            double x = (double)z[i * d + j] - means[j];
            b[j] += x * e;
            for (int64_t l = 0; l <= j; l++)
                a[j * d + l] += x * ((double)z[i * d + l] - means[l]);
        }
    }
    for (int64_t j = 0; j < d; j++)
        for (int64_t l = 0; l < j; l++)
            a[l * d + j] = a[j * d + l];
    CHECK_OK(ctx, mucmm__cholesky(ctx, d, a, "test"));
    CHECK_OK(ctx, mucmm__solve_lower(ctx, false, d, 1, a, b));
    for (int64_t j = 0; j < d; j++)
        explained += b[j] * b[j];
    free(a);
    free(b);
    free(means);
    return explained / total;
}

/* Without noise the views share exactly the 50 dimensions of zs. */
static void test_linear_finds_the_latents_of_generator_a(void **state)
{
    const int64_t n = 900, p = A_COLUMNS;
    double *x[2], *shared;
    float *rows[2], *c, *u;
    mucmm_data *data[2];
    mucmm_fit_params params = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = NULL;

    (void)state;
    generator_a(1, n, 0, x, &shared);
    for (int v = 0; v < 2; v++) {
        rows[v] = test_floats(n * p);
        for (int64_t i = 0; i < n * p; i++)
            rows[v][i] = (float)x[v][i];
        CHECK_OK(ctx,
                 mucmm_data_wrap(ctx, &(mucmm_cmat){rows[v], n, p, p}, "a", NULL, 0, &data[v]));
    }
    params.common = params.individual = A_LATENTS;
    CHECK_OK(ctx, mucmm_fit(ctx, (mucmm_view[]){{"a", data[0]}, {"b", data[1]}}, 2, &params, &m));
    for (int32_t v = 0; v < 2; v++) {
        transform(ctx, m, MUCMM_HEADS, v, data[v], &c, &u);
        for (int64_t j = 0; j < A_LATENTS; j += 7) {
            assert_true(r_squared(n, A_LATENTS, c, shared + j, A_LATENTS) > .999);
            assert_true(r_squared(n, A_LATENTS, u, shared + j, A_LATENTS) < .15);
        }
        free(c);
        free(u);
        free(x[v]);
        free(rows[v]);
        mucmm_data_free(data[v]);
    }
    free(shared);
    mucmm_model_free(m);
}

static void test_linear_finds_planted_latents(void **state)
{
    problem q = new_problem(ctx, 2, 1500, false, 3);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;
    const mucmm_summary *s;

    (void)state;
    p.common = 4; /* one more than there are */
    p.individual = 2;
    m = fit(ctx, &q, &p);
    for (int32_t v = 0; v < 2; v++) {
        float *c, *u, *latents = test_floats(q.n * SHARED);
        for (int64_t i = 0; i < q.n * SHARED; i++)
            latents[i] = (float)q.shared[i];
        transform(ctx, m, MUCMM_HEADS, v, q.data[v], &c, &u);
        for (int64_t j = 0; j < 2; j++) /* the strong ones, in order of strength */
            assert_true(fabs(correlation(c, 4, j, latents, SHARED, j, q.n)) > .95);
        assert_true(fabs(correlation(c, 4, 2, latents, SHARED, 2, q.n)) > .9);
        free(c);
        free(u);
        free(latents);
    }
    s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
    assert_int_equal(s->significant, 3);
    assert_true(s->p_values[3] > .05);
    CHECK_CLOSE(s->correlations[0], .98, .02);
    CHECK_CLOSE(s->correlations[2], .865, .06);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- the closed form on the training rows ------------------------------------------ */

static void check_closed_form(int32_t n_views, mucmm_scaling scaling)
{
    static const char *const names[] = {"left", "right", "third"};
    problem q = new_problem(ctx, n_views, 301, false, 5), t;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    double *cov, *w[3] = {0}, rho[2];
    mucmm_model *m;
    int64_t total, at = 0;

    p.ridge = 1e-4;
    p.scaling = scaling;
    m = fit(ctx, &q, &p);
    t = training_problem(ctx, &q, &p);
    assert_int_equal(m->rows[MUCMM_ROWS_TRAIN], t.n);
    cov = scaled_covariance(&t, scaling, &total);
    for (int32_t v = 0; v < n_views; v++)
        w[v] = test_doubles(t.p[v] * 2);
    CHECK_OK(ctx, mucmm__linear_common(ctx, n_views, t.p, names, cov, 1e-4, 2, 2, rho, w));
    for (int j = 0; j < 2; j++)
        CHECK_CLOSE(m->linear.rho[j], rho[j], 1e-9);
    for (int32_t v = 0; v < n_views; v++) {
        int64_t d = t.p[v];
        double *own = test_doubles(d * d), *u = test_doubles(d * 3);
        for (int64_t i = 0; i < d; i++)
            memcpy(own + i * d, cov + (at + i) * total + at, (size_t)d * sizeof *own);
        CHECK_OK(ctx, mucmm__linear_individual(ctx, d, own, 2, w[v], 3, "test", u));
        check_head(&m->linear.view[v].common, w[v]);
        check_head(&m->linear.view[v].individual, u);
        for (int64_t i = 0; i < d * d; i++)
            CHECK_CLOSE(m->view[v].covariance[i], own[i], 1e-6 * (1 + fabs(own[i])));
        for (int64_t j = 0; j < d; j++)
            CHECK_CLOSE(m->view[v].mean[j], column_mean(t.x[v], t.n, d, j), 1e-9);
        free(own);
        free(u);
        free(w[v]);
        at += d;
    }
    free(cov);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

static void test_linear_is_the_closed_form_of_the_training_rows(void **state)
{
    (void)state;
    check_closed_form(2, MUCMM_SCALE_VIEW);
    check_closed_form(2, MUCMM_SCALE_COLUMN);
    check_closed_form(3, MUCMM_SCALE_VIEW);
    check_closed_form(3, MUCMM_SCALE_COLUMN);
}

/* ---- canonical form: what sections 2 to 5 promise on the training rows ------------- */

/* |Cov(h, z_j)|^2 of scaled features, up to the view's constant factor. */
static double explained(const mucmm_model *m, const problem *t, int32_t v, const float *z,
                        int64_t d, int64_t j)
{
    double sum = 0;

    for (int64_t i = 0; i < t->p[v]; i++) {
        double x = covariance(t->x[v], t->p[v], i, z, d, j, t->n) / m->view[v].scale[i];
        sum += x * x;
    }
    return sum;
}

static void check_unit_columns(const float *z, int64_t n, int64_t d, double tolerance)
{
    for (int64_t a = 0; a < d; a++) {
        CHECK_CLOSE(column_mean(z, n, d, a), 0, tolerance);
        CHECK_CLOSE(covariance(z, d, a, z, d, a, n), 1, tolerance);
    }
}

static void check_uncorrelated(const float *x, int64_t dx, const float *y, int64_t dy, int64_t n,
                               double tolerance)
{
    for (int64_t a = 0; a < dx; a++)
        for (int64_t b = 0; b < dy; b++)
            if (x != y || a != b)
                CHECK_CLOSE(covariance(x, dx, a, y, dy, b, n), 0, tolerance);
}

/* Two views: diagonal cross-correlation rho. */
static void check_correlations(const mucmm_model *m, const double *rho, float *const *c,
                               const problem *t, double tolerance)
{
    int64_t k = m->k;

    for (int64_t j = 1; j < k; j++)
        assert_true(rho[j] <= rho[j - 1]);
    for (int64_t i = 0; i < k && t->n_views == 2; i++)
        for (int64_t j = 0; j < k; j++)
            CHECK_CLOSE(correlation(c[0], k, i, c[1], k, j, t->n), i == j ? rho[i] : 0, tolerance);
}

static void check_shares(const mucmm_model *m, const mucmm_summary *s, const problem *t, float **c,
                         float **u)
{
    for (int32_t v = 0; v < t->n_views; v++) {
        double common = 0, individual = 0, q = (double)m->view[v].q;
        for (int64_t j = 0; j < m->k; j++)
            common += explained(m, t, v, c[v], m->k, j) / m->view[v].variance;
        for (int64_t j = 0; j < m->view[v].q; j++)
            individual += explained(m, t, v, u[v], m->view[v].q, j) / m->view[v].variance;
        CHECK_CLOSE(s->common_share[v] + s->individual_share[v] + s->rest_share[v], 1, 1e-12);
        if (t->n_views == 2) /* else a view's own variates are correlated with each other */
            CHECK_CLOSE(s->common_share[v], common, 1e-4);
        CHECK_CLOSE(s->individual_share[v], individual, 1e-4);
        assert_true(s->rest_share[v] > -1e-5 && (q > 0 || s->individual_share[v] == 0));
    }
}

static void check_canonical(const mucmm_model *m, mucmm_method method, const problem *t,
                            double tolerance)
{
    const mucmm__representation *rep = mucmm__model_representation(m, method);
    const mucmm_summary *s = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, method);
    float *c[3], *u[3];
    int64_t k = m->k;

    for (int32_t v = 0; v < t->n_views; v++) {
        int64_t q = m->view[v].q;
        double before = INFINITY;
        transform(ctx, m, method, v, t->data[v], &c[v], &u[v]);
        check_unit_columns(c[v], t->n, k, tolerance);
        check_unit_columns(u[v], t->n, q, tolerance);
        if (t->n_views == 2)
            check_uncorrelated(c[v], k, c[v], k, t->n, tolerance);
        check_uncorrelated(u[v], q, u[v], q, t->n, tolerance);
        check_uncorrelated(u[v], q, c[v], k, t->n, tolerance);
        for (int64_t j = 0; j < q; j++) {
            double now = explained(m, t, v, u[v], q, j);
            assert_true(now <= before * (1 + 1e-4));
            before = now;
        }
    }
    check_correlations(m, rep->rho, c, t, tolerance);
    check_shares(m, s, t, c, u);
    for (int64_t j = 0; j < k; j++) {
        double sum = 0, pairs = 0;
        for (int32_t a = 0; a < t->n_views; a++)
            for (int32_t b = 0; b < a; b++, pairs++)
                sum += correlation(c[a], k, j, c[b], k, j, t->n);
        CHECK_CLOSE(s->correlations[j], sum / pairs, 1e-5);
        assert_true(isnan(s->p_values[j]));
    }
    for (int32_t v = 0; v < t->n_views; v++) {
        free(c[v]);
        free(u[v]);
    }
}

static void test_linear_canonical_form(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = new_problem(ctx, views, 403, false, 6), t;
        mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
        mucmm_model *m;

        p.ridge = 1e-8;
        m = fit(ctx, &q, &p);
        t = training_problem(ctx, &q, &p);
        check_canonical(m, MUCMM_HEADS, &t, 2e-5);
        assert_ptr_equal(mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS),
                         mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_LINEAR));
        mucmm_model_free(m);
        drop_problem(&t);
        drop_problem(&q);
    }
}

/* Cov(u_m, c_l) = 0 also across the views when M = 2. */
static void test_linear_individual_is_uncorrelated_with_the_other_view(void **state)
{
    problem q = new_problem(ctx, 2, 403, false, 6), t;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    float *c[2], *u[2];
    mucmm_model *m;

    (void)state;
    p.ridge = 0;
    m = fit(ctx, &q, &p);
    t = training_problem(ctx, &q, &p);
    for (int32_t v = 0; v < 2; v++)
        transform(ctx, m, MUCMM_LINEAR, v, t.data[v], &c[v], &u[v]);
    for (int32_t v = 0; v < 2; v++)
        check_uncorrelated(u[v], 3, c[1 - v], 2, t.n, 2e-5);
    CHECK_CLOSE(mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_LINEAR)->leakage_linear[0], 0, 1e-8);
    for (int32_t v = 0; v < 2; v++) {
        free(c[v]);
        free(u[v]);
    }
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

static void check_mlp(int32_t views, mucmm_fit_params p)
{
    problem q = new_problem(ctx, views, 700, true, 7), t;
    mucmm_model *m = fit(ctx, &q, &p);
    const mucmm_summary *heads, *linear;

    t = training_problem(ctx, &q, &p);
    heads = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
    linear = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
    assert_ptr_not_equal(heads, linear);
    /* the start from the closed form is one of the candidates; float32 weights */
    if (!(heads->total_correlation >= linear->total_correlation - 2e-6))
        fail_msg("heads %.9g, linear %.9g", heads->total_correlation, linear->total_correlation);
    check_canonical(m, MUCMM_HEADS, &t, 1e-5);
    check_canonical(m, MUCMM_LINEAR, &t, 2e-5);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

static void test_mlp_canonical_form(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    p.stages = 1; /* of later stages the variates are canonical among themselves only */
    p.ridge = 1e-8;
    check_mlp(2, p);
    check_mlp(3, p);
    p.scaling = MUCMM_SCALE_COLUMN;
    p.seed = 2;
    check_mlp(2, p);
}

/* Two views of a linear shared latent and one that the second view knows by cos(2 b) alone. The
 * square of the first is shared too, and more strongly than the second latent. */
static problem hidden_problem(int64_t n)
{
    problem q = new_problem(ctx, 2, n, false, 5);
    double *z = normals(6, 0, n * 17, 1);

    for (int64_t i = 0; i < n; i++) {
        const double *row = z + i * 17;
        float *one = q.x[0] + i * q.p[0], *two = q.x[1] + i * q.p[1];
        one[0] = (float)(row[0] + .1 * row[2]);
        one[1] = (float)row[1];
        two[0] = (float)(row[0] + .1 * row[3]);
        two[1] = (float)(cos(2 * row[1]) / sqrt(.5) + .8 * row[4]);
        for (int j = 2; j < 4; j++) {
            one[j] = (float)row[3 + j];
            two[j] = (float)row[5 + j];
        }
        q.shared[i * SHARED] = row[0];
        q.shared[i * SHARED + 1] = cos(2 * row[1]);
        for (int64_t j = 4; j < q.p[0]; j++)
            one[j] = (float)(.1 * row[9 + j % 4]);
        for (int64_t j = 4; j < q.p[1]; j++)
            two[j] = (float)(.1 * row[13 + j % 4]);
    }
    free(z);
    return q;
}

/* Largest absolute correlation of component j of view v with shared latent s. */
static double recovery(const mucmm_model *m, const problem *q, int64_t j, int64_t s)
{
    float *c, *u, *truth = test_floats(q->n);
    double r;

    transform(ctx, m, MUCMM_HEADS, 0, q->data[0], &c, &u);
    for (int64_t i = 0; i < q->n; i++)
        truth[i] = (float)q->shared[i * SHARED + s];
    r = fabs(correlation(c, m->k, j, truth, 1, 0, q->n));
    free(truth);
    free(c);
    free(u);
    return r;
}

/* Component j of view v, at a point x [p]. */
static double component_at(const mucmm_model *m, int32_t v, const float *x, int64_t p, int64_t j)
{
    mucmm_data *d = NULL;
    float *c, *u;
    double value;

    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 1, p, p}, "point", NULL, 0, &d));
    transform(ctx, m, MUCMM_HEADS, v, d, &c, &u);
    value = c[j];
    free(c);
    free(u);
    mucmm_data_free(d);
    return value;
}

/* The gradient of component j along random directions against differences of fourth order: a cosine
 * that was learned is too curved for those of mucmm_check_gradient. */
static void check_slope(const mucmm_model *m, const problem *q, int32_t v, int64_t j)
{
    static const double weight[] = {1, -8, 8, -1}, at[] = {-2, -1, 1, 2};
    int64_t p = q->p[v], row = 4;
    mucmm_explain_params e;
    float *map = test_floats(p), *x = test_floats(p);

    mucmm_explain_params_init(&e);
    e.score = MUCMM_SCORE_COMMON_COMPONENT;
    e.component = j;
    e.map = MUCMM_MAP_GRADIENT;
    CHECK_OK(ctx,
             mucmm_explain(ctx, m, q->view, 2, v, &row, 1, &e, &(mucmm_mat){map, 1, p, p}, NULL));
    for (uint64_t trial = 0; trial < 5; trial++) {
        double *direction = normals(70 + trial, 0, p, .3), slope = 0, difference = 0;
        const double step = .04;
        for (int64_t i = 0; i < p; i++)
            slope += direction[i] * map[i];
        for (int t = 0; t < 4; t++) {
            for (int64_t i = 0; i < p; i++)
                x[i] = (float)(q->x[v][row * p + i] + step * at[t] * direction[i]);
            difference += weight[t] * component_at(m, v, x, p, j) / (12 * step);
        }
        CHECK_CLOSE(slope, difference, 2e-4 * (1 + fabs(slope)));
        free(direction);
    }
    free(map);
    free(x);
}

/* All at once finds a harmonic and marks it; in stages the hidden latent is found, the gradient is
 * that of the score, and the file holds all of it. */
static void test_stages_find_what_harmonics_hide(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    problem q = hidden_problem(3000);
    mucmm_model *once, *staged, *loaded = NULL;
    const mucmm_summary *s;
    bytes a, b;

    (void)state;
    p.common_epochs = 25;
    p.hidden[0] = p.hidden[1] = 48;
    p.batch = 400;
    p.input_noise = .1;
    p.stages = 1;
    once = fit(ctx, &q, &p);
    s = mucmm_model_summary(once, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
    assert_true(s->harmonic[0] < .1 && s->harmonic[1] > .5);
    assert_int_equal(s->significant, 2);
    assert_int_equal(s->dimensions, 1);
    assert_true(recovery(once, &q, 1, 1) < .3);

    p.stages = 0;
    staged = fit(ctx, &q, &p);
    assert_int_equal(staged->heads.view[0].n_later, 1);
    s = mucmm_model_summary(staged, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
    assert_true(s->harmonic[0] < .1 && s->harmonic[1] < .1);
    assert_int_equal(s->dimensions, 2);
    assert_true(recovery(staged, &q, 0, 0) > .95);
    assert_true(recovery(staged, &q, 1, 1) > .85);

    for (int32_t v = 0; v < 2; v++)
        check_slope(staged, &q, v, 1);
    a = saved(staged);
    CHECK_OK(ctx, mucmm_model_save(ctx, staged, in_folder("model")));
    CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("model"), &loaded));
    unlink(in_folder("model"));
    b = saved(loaded);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    free(a.data);
    free(b.data);
    mucmm_model_free(loaded);
    mucmm_model_free(once);
    mucmm_model_free(staged);
    drop_problem(&q);
}

static void test_mlp_without_hidden_layers(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    p.stages = 1;
    p.n_hidden = 0;
    p.ridge = 1e-8;
    check_mlp(2, p);
}

static void test_mlp_without_individual_dimensions(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    problem q = new_problem(ctx, 2, 301, true, 8);
    mucmm_model *m;
    const mucmm_summary *s;

    (void)state;
    p.individual = 0;
    m = fit(ctx, &q, &p);
    assert_int_equal(mucmm_model_individual(m, 1), 0);
    for (int method = 0; method < 2; method++) {
        s = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, (mucmm_method)method);
        for (int v = 0; v < 2; v++) {
            CHECK_CLOSE(s->individual_share[v], 0, 0);
            CHECK_CLOSE(s->leakage_linear[v], 0, 0);
            CHECK_CLOSE(s->leakage_kernel[v], 0, 0);
        }
    }
    for (int64_t i = 0; i < m->n_history; i++)
        assert_true(m->history[i].stage != MUCMM__STAGE_INDIVIDUAL);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Nonlinear heads find the square that the closed form cannot see. */
static void test_mlp_beats_linear_where_the_truth_is_nonlinear(void **state)
{
    problem q = new_problem(ctx, 2, 2000, true, 9);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    const mucmm_summary *heads, *linear;
    mucmm_model *m;

    (void)state;
    p.common_epochs = 25;
    p.individual_epochs = 1;
    p.batch = 400;
    p.learning_rate = 1e-2;
    m = fit(ctx, &q, &p);
    heads = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS);
    linear = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
    assert_true(linear->correlations[1] < .35);
    assert_true(heads->correlations[1] > .6);
    assert_true(heads->total_correlation > linear->total_correlation + .3);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Where the views are linear, trained heads are not taken for better: auto gives the closed form to
 * the last bit, and says so; mlp the trained ones. */
static void test_auto_keeps_the_closed_form_of_linear_views(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = new_problem(ctx, views, 2000, false, 61);
        mucmm_fit_params p = small_params(MUCMM_HEAD_AUTO);
        mucmm_model *m = fit(ctx, &q, &p), *trained;

        assert_int_equal(m->start, -1);
        assert_non_null(strstr(mucmm_model_json(m), "closed_form_kept"));
        assert_true(m->individual_closed);
        for (int32_t v = 0; v < views; v++) {
            float *c[2], *u[2];
            transform(ctx, m, MUCMM_HEADS, v, q.data[v], &c[0], &u[0]);
            transform(ctx, m, MUCMM_LINEAR, v, q.data[v], &c[1], &u[1]);
            assert_memory_equal(c[0], c[1], (size_t)(q.n * p.common) * sizeof(float));
            assert_memory_equal(u[0], u[1], (size_t)(q.n * p.individual) * sizeof(float));
            for (int i = 0; i < 2; i++) {
                free(c[i]);
                free(u[i]);
            }
        }
        p.head = MUCMM_HEAD_MLP;
        trained = fit(ctx, &q, &p);
        assert_true(trained->start >= 0 && !trained->individual_closed);
        assert_true(trained->heads.view[0].common.net.n_layers > 0);
        mucmm_model_free(m);
        mucmm_model_free(trained);
        drop_problem(&q);
    }
}

/* Where the truth is nonlinear, auto gives what mlp does. */
static void test_auto_trains_heads_for_nonlinear_views(void **state)
{
    problem q = new_problem(ctx, 2, 2000, true, 9);
    mucmm_fit_params p = small_params(MUCMM_HEAD_AUTO);
    float *c[2], *u[2];

    (void)state;
    p.common_epochs = 25;
    p.batch = 400;
    p.learning_rate = 1e-2;
    for (int i = 0; i < 2; i++) {
        mucmm_model *m;
        p.head = i ? MUCMM_HEAD_MLP : MUCMM_HEAD_AUTO;
        m = fit(ctx, &q, &p);
        assert_true(m->start >= 0 && !m->individual_closed);
        transform(ctx, m, MUCMM_HEADS, 1, q.data[1], &c[i], &u[i]);
        mucmm_model_free(m);
    }
    assert_memory_equal(c[0], c[1], (size_t)(q.n * p.common) * sizeof(float));
    assert_memory_equal(u[0], u[1], (size_t)(q.n * p.individual) * sizeof(float));
    for (int i = 0; i < 2; i++) {
        free(c[i]);
        free(u[i]);
    }
    drop_problem(&q);
}

static bool in_history(const mucmm_model *m, int32_t stage)
{
    for (int64_t i = 0; i < m->n_history; i++)
        if (m->history[i].stage == stage)
            return true;
    return false;
}

/* Before training has done anything u knows what c does: beta goes up as far as it may. */
static void test_beta_rises_while_u_leaks(void **state)
{
    problem q = new_problem(ctx, 2, 2000, true, 9);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m;

    (void)state;
    p.batch = 400;
    m = fit(ctx, &q, &p);
    assert_true(in_history(m, MUCMM__STAGE_TUNED));
    assert_true(m->params.beta > 10);
    mucmm_model_free(m);
    p.beta = 7;
    m = fit(ctx, &q, &p);
    assert_false(in_history(m, MUCMM__STAGE_TUNED));
    CHECK_CLOSE(m->params.beta, 7, 0);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_fit_takes_sizes_that_do_not_fit_evenly(void **state)
{
    static const struct {
        int64_t n, batch;
        double validation;
    } cases[] = {{137, 1000, .1}, {137, 50, .31}, {61, 23, .5},
                 {30, 20, .1},    {40, 21, .28},  {1153, 1000, .1}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        problem q = new_problem(ctx, 2, cases[i].n, true, 10 + i);
        mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
        mucmm_model *m;

        p.common = 1;
        p.batch = cases[i].batch;
        p.validation = cases[i].validation;
        p.common_epochs = 1;
        m = fit(ctx, &q, &p);
        assert_int_equal(m->rows[0] + m->rows[1], cases[i].n);
        assert_true(m->params.batch <= m->rows[0]);
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

static void test_fit_keeps_the_best_ridge_of_the_held_out_rows(void **state)
{
    problem q = new_problem(ctx, 2, 80, false, 12); /* 56 for training: 6 for a column */
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    double best = -INFINITY, ridge = 0;
    mucmm_model *m;

    (void)state;
    p.validation = .3;
    for (int i = 0; i < 3; i++) {
        static const double ridges[] = {1e-8, 1e-5, 1e-3};
        double total;
        p.ridge = ridges[i];
        m = fit(ctx, &q, &p);
        total = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR)->total_correlation;
        ridge = total > best ? ridges[i] : ridge;
        best = fmax(best, total);
        mucmm_model_free(m);
    }
    p.ridge = -1;
    m = fit(ctx, &q, &p);
    CHECK_CLOSE(m->ridge, ridge, 0);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- scores ------------------------------------------------------------------------ */

/* Cosine of weighted variates in double, of every pair of rows. */
static double brute_recall(const float *a, const float *b, int64_t n, int64_t k, const double *rho,
                           int64_t top)
{
    int64_t found = 0;

    for (int64_t i = 0; i < n; i++) {
        int64_t before = 0;
        double own = 0;
        for (int64_t step = 0; step <= n; step++) { /* the partner first */
            int64_t j = step == 0 ? i : step - 1;
            double dot = 0, norm = 0;
            for (int64_t c = 0; c < k; c++) {
                dot += rho[c] * (double)a[i * k + c] * (double)b[j * k + c];
                norm += rho[c] * pow((double)b[j * k + c], 2);
            }
            dot /= sqrt(norm);
            own = step == 0 ? dot : own;
            before += step > 0 && j != i && dot >= own;
        }
        found += before < top;
    }
    return (double)found / (double)n;
}

static void check_retrieval(const mucmm_summary *s, const double *rho, float *const *c, int64_t k)
{
    for (int64_t a = 0; a < s->views; a++)
        for (int64_t b = 0; b < s->views; b++) {
            int64_t at = a * s->views + b;
            if (a == b) {
                assert_true(isnan(s->retrieval_1[at]));
                continue;
            }
            /* a tie in float may fall to either side */
            CHECK_CLOSE(s->retrieval_1[at], brute_recall(c[a], c[b], s->rows, k, rho, 1),
                        1.01 / (double)s->rows);
            CHECK_CLOSE(s->retrieval_10[at], brute_recall(c[a], c[b], s->rows, k, rho, 10),
                        1.01 / (double)s->rows);
            assert_true(s->retrieval_10[at] > 15.0 / (double)s->rows); /* chance: 10 / rows */
        }
}

static void check_scores(const mucmm_model *m, const problem *q)
{
    const mucmm__representation *rep = mucmm__model_representation(m, MUCMM_HEADS);
    mucmm_view views[3];
    mucmm_score_params p;
    mucmm_scores *s = NULL;
    float *c[3], *u[3];
    int64_t k = m->k;
    int32_t n_views = q->n_views;

    for (int32_t v = 0; v < n_views; v++) {
        views[v] = q->view[n_views - 1 - v]; /* any order */
        transform(ctx, m, MUCMM_HEADS, v, q->data[v], &c[v], &u[v]);
    }
    mucmm_score_params_init(&p);
    p.permutations = 50;
    CHECK_OK(ctx, mucmm_score(ctx, m, views, n_views, &p, &s));
    assert_int_equal(mucmm_scores_rows(s), q->n);
    for (int64_t i = 0; i < q->n; i++) {
        double common = 0;
        for (int32_t a = 0; a < n_views; a++) {
            double energy = 0, own = 0;
            for (int32_t b = 0; b < a; b++)
                for (int64_t j = 0; j < k; j++)
                    common += 2.0 / (n_views * (n_views - 1)) * rep->rho[j] *
                              (double)c[a][i * k + j] * (double)c[b][i * k + j];
            for (int64_t j = 0; j < k; j++)
                energy += .5 * pow((double)c[a][i * k + j], 2);
            for (int64_t j = 0; j < m->view[a].q; j++)
                own += .5 * pow((double)u[a][i * m->view[a].q + j], 2);
            CHECK_CLOSE(mucmm_scores_common_energy(s, a)[i], energy, 1e-9 * (1 + energy));
            CHECK_CLOSE(mucmm_scores_individual(s, a)[i], own, 1e-9 * (1 + own));
        }
        CHECK_CLOSE(mucmm_scores_common(s)[i], common, 1e-9 * (1 + fabs(common)));
    }
    for (int method = 0; method < 2; method++) {
        const mucmm_summary *sum = mucmm_scores_summary(s, (mucmm_method)method);
        double total = 0;
        assert_int_equal(sum->rows, q->n);
        for (int64_t j = 0; j < k; j++) {
            assert_true(sum->p_values[j] >= 1.0 / 51 && sum->p_values[j] <= 1);
            total += sum->correlations[j];
        }
        CHECK_CLOSE(sum->total_correlation, total, 1e-12);
        for (int32_t v = 0; v < n_views; v++)
            CHECK_CLOSE(sum->common_share[v] + sum->individual_share[v] + sum->rest_share[v], 1,
                        1e-12);
    }
    check_retrieval(mucmm_scores_summary(s, MUCMM_HEADS), rep->rho, c, k);
    assert_null(mucmm_scores_individual(s, n_views));
    assert_null(mucmm_scores_common_energy(s, -1));
    mucmm_scores_free(s);
    for (int32_t v = 0; v < n_views; v++) {
        free(c[v]);
        free(u[v]);
    }
}

static void test_scores_are_the_formulas(void **state)
{
    (void)state;
    for (int32_t views = 2; views <= 3; views++)
        for (int head = 0; head < 2; head++) {
            problem q = new_problem(ctx, views, 301, true, 13);
            mucmm_fit_params p = small_params((mucmm_head_kind)head);
            mucmm_model *m;

            p.common_epochs = p.individual_epochs = 1;
            m = fit(ctx, &q, &p);
            check_scores(m, &q);
            mucmm_model_free(m);
            drop_problem(&q);
        }
}

/* Section 5: on the training rows the common score has mean sum rho^2, the energies k/2 and q/2. */
static void test_scores_have_their_means_on_the_training_rows(void **state)
{
    problem q = new_problem(ctx, 2, 301, false, 14), t;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    double want = 0, mean[3] = {0}, unbiased;
    mucmm_scores *s = NULL;
    mucmm_model *m;

    (void)state;
    p.ridge = 1e-8;
    m = fit(ctx, &q, &p);
    t = training_problem(ctx, &q, &p);
    CHECK_OK(ctx, mucmm_score(ctx, m, t.view, 2, NULL, &s));
    unbiased = (double)(t.n - 1);
    for (int64_t i = 0; i < t.n; i++) {
        mean[0] += mucmm_scores_common(s)[i] / unbiased;
        mean[1] += mucmm_scores_common_energy(s, 0)[i] / unbiased;
        mean[2] += mucmm_scores_individual(s, 1)[i] / unbiased;
    }
    for (int64_t j = 0; j < m->k; j++)
        want += m->linear.rho[j] * m->linear.rho[j];
    CHECK_CLOSE(mean[0], want, 1e-5);
    CHECK_CLOSE(mean[1], 1, 1e-5);
    CHECK_CLOSE(mean[2], 1.5, 1e-5);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

/* The first n rows of q, or one row n times. */
static problem some_rows(const problem *q, int64_t n, bool same)
{
    int64_t rows[64] = {0};
    problem s = *q;

    for (int64_t i = 0; i < n && !same; i++)
        rows[i] = i;
    for (int32_t v = 0; v < q->n_views; v++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[v], rows, n, &s.data[v]));
        s.view[v].data = s.data[v];
    }
    s.n = n;
    return s;
}

static void test_score_of_very_few_rows(void **state)
{
    static const int64_t counts[] = {1, 2, 3, 4, 5, 6, 30};
    problem q = new_problem(ctx, 3, 301, true, 15);

    (void)state;
    for (int head = 0; head < 2; head++) {
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        mucmm_model *m;
        p.common_epochs = p.individual_epochs = 1;
        m = fit(ctx, &q, &p);
        for (int i = 0; i < 14; i++) {
            problem few = some_rows(&q, counts[i % 7], i >= 7);
            mucmm_scores *s = NULL;
            const mucmm_summary *sum;
            CHECK_OK(ctx, mucmm_score(ctx, m, few.view, 3, NULL, &s));
            sum = mucmm_scores_summary(s, MUCMM_HEADS);
            assert_true(isfinite(mucmm_scores_common(s)[few.n - 1]));
            if (few.n < 3)
                assert_true(isnan(sum->correlations[0]) && isnan(sum->p_values[0]) &&
                            isnan(sum->total_correlation));
            if (few.n < 7)
                assert_true(isnan(sum->common_share[0]) && isnan(sum->rest_share[0]) &&
                            isnan(sum->leakage_linear[0]));
            if (few.n == 30 && i < 7)
                assert_true(isfinite(sum->common_share[0]) && isfinite(sum->leakage_linear[0]) &&
                            isfinite(sum->correlations[1]));
            assert_true(isnan(sum->leakage_kernel[0]));
            mucmm_scores_free(s);
            for (int v = 0; v < 3; v++)
                mucmm_data_free(few.data[v]);
        }
        mucmm_model_free(m);
    }
    drop_problem(&q);
}

/* Rows far outside of what was trained on, of low rank: large numbers, no error. */
static void test_score_of_far_off_rows(void **state)
{
    static const double factors[] = {1e-4, 1e3, 1e6, 1e9};
    problem q = new_problem(ctx, 2, 301, false, 16);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;

    (void)state;
    m = fit(ctx, &q, &p);
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        float x[120 * 9];
        mucmm_data *d[2];
        mucmm_scores *s = NULL;
        for (int i = 0; i < 120 * 9; i++) /* three different rows */
            x[i] = (float)(factors[f] * sin(1 + i / 9 % 3 * 9 + i % 9));
        for (int v = 0; v < 2; v++)
            CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 120, q.p[v], q.p[v]}, "far", NULL,
                                          0, &d[v]));
        CHECK_OK(ctx,
                 mucmm_score(ctx, m, (mucmm_view[]){{"left", d[0]}, {"right", d[1]}}, 2, NULL, &s));
        mucmm_scores_free(s);
        mucmm_data_free(d[0]);
        mucmm_data_free(d[1]);
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_score_and_transform_refusals(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 17), shorter = new_problem(ctx, 2, 59, false, 17);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    mucmm_scores *s = (mucmm_scores *)m;
    mucmm_score_params sp;
    float out[60 * 3] = {0};
    mucmm_view left = q.view[0], right = q.view[1];

    (void)state;
#define REFUSED(views, n, params, status, fragment)                                                \
    check_message(ctx, mucmm_score(ctx, m, views, n, params, &s), status, fragment);               \
    assert_null(s)
    REFUSED((&left), 0, NULL, MUCMM_EARG, "no view is given");
    REFUSED(((mucmm_view[]){left, {"rihgt", q.data[1]}}), 2, NULL, MUCMM_EARG,
            "no view 'rihgt'; its views are: left, right");
    REFUSED(((mucmm_view[]){left, left}), 2, NULL, MUCMM_EARG, "'left' is given twice");
    REFUSED(((mucmm_view[]){left, {NULL, q.data[1]}}), 2, NULL, MUCMM_EARG, "no name or no data");
    REFUSED(((mucmm_view[]){left, {"right", NULL}}), 2, NULL, MUCMM_EARG, "no name or no data");
    REFUSED(((mucmm_view[]){left, {"right", q.data[0]}}), 2, NULL, MUCMM_ESHAPE,
            "8 columns; the model was fitted on 9");
    REFUSED(((mucmm_view[]){left, shorter.view[1]}), 2, NULL, MUCMM_ESHAPE, "paired row by row");
    mucmm_score_params_init(&sp);
    sp.permutations = -1;
    REFUSED(((mucmm_view[]){left, right}), 2, &sp, MUCMM_EARG, "permutations");
#undef REFUSED
    check_message(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 2, left.data, NULL, NULL), MUCMM_EARG,
                  "view 2 is out of range");
    check_message(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 1, left.data, NULL, NULL), MUCMM_ESHAPE,
                  "8 columns; the model was fitted on 9");
    check_message(
        ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, left.data, &(mucmm_mat){out, 60, 3, 3}, NULL),
        MUCMM_ESHAPE, "common is [60, 3]; it must be [60, 2]");
    check_message(
        ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, left.data, NULL, &(mucmm_mat){out, 59, 3, 3}),
        MUCMM_ESHAPE, "individual is [59, 3]; it must be [60, 3]");
    mucmm_model_free(m);
    drop_problem(&q);
    drop_problem(&shorter);
}

/* ---- the model as an object -------------------------------------------------------- */

static void test_model_tells_its_views(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 18);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    int64_t shape[MUCMM_MAX_RANK], square[2] = {3, 3};
    mucmm_model *m;

    (void)state;
    mucmm_data_free(q.data[1]);
    CHECK_OK(ctx,
             mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[1], 60, 9, 9}, "x", square, 2, &q.data[1]));
    q.view[1].data = q.data[1];
    m = fit(ctx, &q, &p);
    assert_int_equal(mucmm_model_views(m), 2);
    assert_string_equal(mucmm_model_view_name(m, 1), "right");
    assert_null(mucmm_model_view_name(m, 2));
    assert_null(mucmm_model_view_name(m, -1));
    assert_int_equal(mucmm_model_view_index(m, "right"), 1);
    assert_int_equal(mucmm_model_view_index(m, "other"), -1);
    assert_int_equal(mucmm_model_view_cols(m, 1), 9);
    assert_int_equal(mucmm_model_view_cols(m, 2), 0);
    assert_int_equal(mucmm_model_view_shape(m, 1, shape), 2);
    assert_true(shape[0] == 3 && shape[1] == 3);
    assert_int_equal(mucmm_model_view_shape(m, 2, shape), 0);
    assert_int_equal(mucmm_model_common(m), 2);
    assert_int_equal(mucmm_model_individual(m, 0), 3);
    assert_int_equal(mucmm_model_individual(m, 2), 0);
    assert_non_null(strstr(mucmm_model_json(m), "\"columns\": 9"));
    mucmm_model_free(m);
    mucmm_model_free(NULL);
    mucmm_scores_free(NULL);
    drop_problem(&q);
}

/* ---- model files ------------------------------------------------------------------- */

static void test_model_file_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        problem q = new_problem(ctx, 2 + i % 2, 150, true, 19);
        mucmm_fit_params p = small_params(i < 2 ? MUCMM_HEAD_LINEAR : MUCMM_HEAD_MLP);
        mucmm_model *m, *loaded = NULL;
        bytes first, second;

        p.individual = i == 3 ? 0 : 3;
        p.seed = UINT64_MAX - 1;
        p.validation = i == 1 ? .01 : .1; /* two rows held out: a summary of NaN */
        m = fit(ctx, &q, &p);
        CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("model")));
        CHECK_OK(ctx, mucmm_model_load(ctx, in_folder("model"), &loaded));
        first = get_file("model");
        second = saved(loaded);
        check_same_bytes(&first, &second);
        assert_string_equal(mucmm_model_json(m), mucmm_model_json(loaded));
        assert_true(loaded->params.seed == p.seed && loaded->n_history == m->n_history);
        for (int64_t e = 0; e < m->n_history; e++) {
            const mucmm__epoch *x = &m->history[e], *y = &loaded->history[e];
            assert_true(x->stage == y->stage && x->epoch == y->epoch && x->held_out == y->held_out);
            assert_true(x->loss == y->loss || (isnan(x->loss) && isnan(y->loss)));
        }
        for (int method = 0; method < 2; method++)
            for (int32_t v = 0; v < q.n_views; v++) {
                float *c[2], *u[2];
                size_t n = (size_t)q.n * sizeof(float);
                transform(ctx, m, (mucmm_method)method, v, q.data[v], &c[0], &u[0]);
                transform(ctx, loaded, (mucmm_method)method, v, q.data[v], &c[1], &u[1]);
                assert_memory_equal(c[0], c[1], n * (size_t)m->k);
                assert_memory_equal(u[0], u[1], n * (size_t)m->view[v].q);
                for (int j = 0; j < 2; j++) {
                    free(c[j]);
                    free(u[j]);
                }
            }
        free(first.data);
        free(second.data);
        mucmm_model_free(m);
        mucmm_model_free(loaded);
        unlink(in_folder("model"));
        drop_problem(&q);
    }
}

static void check_load(const bytes *b, mucmm_status want, const char *fragment)
{
    mucmm_model *m = (mucmm_model *)(uintptr_t)b;

    put_file("damaged", b);
    check_message(ctx, mucmm_model_load(ctx, in_folder("damaged"), &m), want, fragment);
    assert_null(m);
    unlink(in_folder("damaged"));
}

/* The file with one text of its header replaced by another of the same length. */
static bytes with_text(const bytes *b, const char *from, const char *to)
{
    bytes changed = {malloc(b->size), b->size};
    unsigned char *at;

    assert_int_equal(strlen(from), strlen(to));
    memcpy(changed.data, b->data, b->size);
    at = memmem(changed.data, changed.size, from, strlen(from));
    if (!at)
        fail_msg("no %s in the file", from);
    memcpy(at, to, strlen(to));
    return changed;
}

/* Where the numbers of a tensor begin. */
static size_t tensor_at(const bytes *b, const char *name)
{
    uint64_t header;
    char key[128];
    const char *at;
    long begin;

    memcpy(&header, b->data, sizeof header);
    snprintf(key, sizeof key, "\"%s\":", name);
    at = memmem(b->data, b->size, key, strlen(key));
    assert_non_null(at);
    at = strstr(at, "\"data_offsets\":");
    assert_int_equal(sscanf(at, "\"data_offsets\":[%ld", &begin), 1);
    return 8 + header + (size_t)begin;
}

static void test_model_file_refusals(void **state)
{
    static const struct {
        const char *from, *to;
        mucmm_status status;
        const char *fragment;
    } cases[] = {
        {"\"mucmm\"", "\"mucmn\"", MUCMM_EFORMAT, "not a model of mucmm"},
        {"\"format\"", "\"formas\"", MUCMM_EFORMAT, "not a model of mucmm"},
        {"\"format_version\":\"1\"", "\"format_version\":\"2\"", MUCMM_EUNSUPPORTED,
         "format version 2; this program reads versions up to 1"},
        {"\"format_version\":\"1\"", "\"format_version\":\"x\"", MUCMM_EFORMAT, "is no number"},
        {"\"format_version\":\"1\"", "\"format_version\":\"0\"", MUCMM_EFORMAT, "is no number"},
        {"\"model\":", "\"modes\":", MUCMM_EFORMAT, "not a model of mucmm"},
        {"\"left.mean\"", "\"left.maen\"", MUCMM_EFORMAT, "tensor 'left.mean' is missing"},
        {"\"linear.right.individual.skip\"", "\"linear.right.individual.skop\"", MUCMM_EFORMAT,
         "tensor 'linear.right.individual.skip' is missing"},
        {"\"heads.left.mix\"", "\"heads.left.max\"", MUCMM_EFORMAT, "'heads.left.mix' is missing"},
        {"\"shape\":[2,8]", "\"shape\":[8,2]", MUCMM_EFORMAT, "another type or shape"},
        {"\\\"columns\\\": 8", "\\\"columns\\\": 7", MUCMM_EFORMAT, "'shape' does not multiply"},
        {"\\\"columns\\\": 8", "\\\"columns\\\": 0", MUCMM_EFORMAT, "'columns' is missing or out"},
        {"\\\"common\\\": 2", "\\\"common\\\": 3", MUCMM_EFORMAT, "'later' does not add up"},
        {"\\\"common\\\": 2", "\\\"common\\\": 0", MUCMM_EFORMAT, "'common' is missing or out"},
        {"\\\"individual\\\": 3,\\n   \\\"shape\\\"", "\\\"individual\\\": 9,\\n   \\\"shape\\\"",
         MUCMM_EFORMAT, "'individual' is missing"},
        {"\\\"individual\\\": 3,\\n  \\\"hidden\\\"", "\\\"individual\\\":-3,\\n  \\\"hidden\\\"",
         MUCMM_EFORMAT, "'individual' is missing"},
        {"\\\"deep\\\": true", "\\\"deep\\\": null", MUCMM_EFORMAT, "'deep' is missing or not"},
        {"\\\"mix\\\"", "\\\"mux\\\"", MUCMM_EFORMAT, "'mix' is missing or not"},
        {"\\\"hidden\\\"", "\\\"hodden\\\"", MUCMM_EFORMAT, "'params' is not whole"},
        {"\\\"params\\\"", "\\\"parans\\\"", MUCMM_EFORMAT, "'params' is not whole"},
        {"\\\"history\\\"", "\\\"hostory\\\"", MUCMM_EFORMAT, "'history' is missing"},
        {"\\\"views\\\": [", "\\\"viewz\\\": [", MUCMM_EFORMAT, "'views' is missing"},
        {"\\\"linear\\\": {", "\\\"lineal\\\": {", MUCMM_EFORMAT, "'linear' does not describe"},
        {"\\\"p_values\\\": [", "\\\"q_values\\\": [", MUCMM_EFORMAT, "'p_values' is missing"},
        {"\\\"held_out\\\": {", "\\\"held_uot\\\": {", MUCMM_EFORMAT, "'rows' is missing"},
        {"\\\"seed\\\": 1", "\\\"seed\\\": x", MUCMM_EFORMAT, "the model's metadata: line"},
        {"\\\"covariance\\\": true", "\\\"covariance\\\": \\\"\\\"", MUCMM_EFORMAT,
         "'covariance' is missing or not"},
        {"\\\"alpha\\\"", "\\\"alpho\\\"", MUCMM_EFORMAT, "'alpha' is missing or no number"},
        {"\\\"name\\\"", "\\\"nume\\\"", MUCMM_EFORMAT, "a view without a name"},
        {"\\\"start\\\": ", "\\\"start\\\":9", MUCMM_EFORMAT, "'start' is missing or out"},
    };
    problem q = new_problem(ctx, 2, 120, true, 20);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m;
    bytes good, bad;

    (void)state;
    p.common_epochs = p.individual_epochs = 1;
    m = fit(ctx, &q, &p);
    good = saved(m);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bad = with_text(&good, cases[i].from, cases[i].to);
        check_load(&bad, cases[i].status, cases[i].fragment);
        free(bad.data);
    }
    check_message(ctx, mucmm_model_load(ctx, in_folder("absent"), &(mucmm_model *){NULL}),
                  MUCMM_EIO, "absent");
    for (size_t size = 0; size < good.size; size += 1 + size / 2)
        check_load(&(bytes){good.data, size}, MUCMM_EFORMAT, "damaged");
    check_load(&(bytes){good.data, good.size - 1}, MUCMM_EFORMAT, "damaged");
    check_load(&(bytes){(unsigned char *)(uintptr_t) "x,y\n1,2\n3,4\n", 12}, MUCMM_EFORMAT,
               "damaged");
    mucmm_model_free(m);
    free(good.data);
    drop_problem(&q);
}

static void test_model_file_refuses_bad_numbers(void **state)
{
    static const struct {
        const char *tensor;
        double value;
        bool is_double;
        mucmm_status status;
        const char *fragment;
    } cases[] = {
        {"left.mean", NAN, true, MUCMM_ENUMERIC, "'left.mean' holds a NaN"},
        {"linear.correlations", INFINITY, true, MUCMM_ENUMERIC,
         "'linear.correlations' holds a NaN"},
        {"right.covariance", NAN, false, MUCMM_ENUMERIC, "'right.covariance' holds a NaN"},
        {"linear.left.common.skip", -INFINITY, false, MUCMM_ENUMERIC, "common.skip' holds a NaN"},
        {"linear.left.common.offset", NAN, false, MUCMM_ENUMERIC, "common.offset' holds a NaN"},
        {"right.scale", 0, true, MUCMM_EFORMAT,
         "'right.scale' holds a number that is not positive"},
        {"left.scale", -1, true, MUCMM_EFORMAT, "'left.scale' holds a number that is not positive"},
    };
    problem q = new_problem(ctx, 2, 60, false, 21);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    bytes good = saved(m), other;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes bad = with_text(&good, "mucmm", "mucmm");
        float single = (float)cases[i].value;
        size_t at = tensor_at(&bad, cases[i].tensor);
        if (cases[i].is_double)
            memcpy(bad.data + at, &cases[i].value, sizeof(double));
        else
            memcpy(bad.data + at, &single, sizeof single);
        check_load(&bad, cases[i].status, cases[i].fragment);
        free(bad.data);
    }
    /* a tensor of another type: F32 where F64 should be, of as many bytes */
    other = with_text(&good, "\"left.mean\":{\"dtype\":\"F64\",\"shape\":[8]",
                      "\"left.mean\":{\"dtype\":\"I64\",\"shape\":[8]");
    check_load(&other, MUCMM_EFORMAT, "'left.mean' has another type or shape");
    free(other.data);
    free(good.data);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Any byte changed: an error or a model, never more. */
static void test_damaged_model_files_do_no_harm(void **state)
{
    problem q = new_problem(ctx, 2, 60, true, 22);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_ctx_params cp;
    mucmm_ctx *low = NULL;
    mucmm_model *m;
    bytes good;
    uint64_t header, key = mucmm__rng_key(1, 5);
    int opened = 0;

    (void)state;
    p.batch = 40;
    p.common_epochs = p.individual_epochs = 1;
    m = fit(ctx, &q, &p);
    good = saved(m);
    mucmm_ctx_params_init(&cp);
    cp.max_alloc = 1 << 24;
    cp.threads = 1;
    assert_int_equal(mucmm_ctx_create(&cp, &low), MUCMM_OK);
    memcpy(&header, good.data, sizeof header);
    for (uint64_t i = 0; i < 600; i++) {
        bytes bad = with_text(&good, "mucmm", "mucmm");
        mucmm_model *loaded = NULL;
        uint64_t at = mucmm__rng_bits(key, 3 * i) % (i % 8 ? header + 8 : good.size);
        bad.data[at] = i % 2 ? (unsigned char)('0' + mucmm__rng_bits(key, 3 * i + 1) % 10)
                             : (unsigned char)mucmm__rng_bits(key, 3 * i + 1);
        put_file("damaged", &bad);
        if (mucmm_model_load(low, in_folder("damaged"), &loaded) == MUCMM_OK) {
            float c[60 * 2], u[60 * 3];
            mucmm_transform(low, loaded, MUCMM_HEADS, 0, q.data[0], &(mucmm_mat){c, 60, 2, 2},
                            &(mucmm_mat){u, 60, 3, 3});
            opened++;
        } else
            assert_null(loaded);
        mucmm_model_free(loaded);
        free(bad.data);
    }
    assert_true(opened > 10 && opened < 590);
    unlink(in_folder("damaged"));
    mucmm_ctx_free(low);
    free(good.data);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- the same bytes ---------------------------------------------------------------- */

static bytes fitted_bytes(mucmm_ctx *c, const problem *q, const mucmm_fit_params *p)
{
    mucmm_model *m = fit(c, q, p);
    bytes b = saved(m);

    mucmm_model_free(m);
    return b;
}

static void check_same_head(const mucmm__head *a, const mucmm__head *b)
{
    assert_int_equal(a->net.n_params, b->net.n_params);
    assert_memory_equal(a->params, b->params, (size_t)a->net.n_params * sizeof(float));
    assert_memory_equal(a->offset, b->offset, (size_t)a->net.out * sizeof(float));
}

/* Everything that is fitted comes from double products, which do not depend on the threads; the
 * summaries come from float ones, which on some processors do, in the last digits. */
static void check_same_linear(const mucmm_model *a, const mucmm_model *b)
{
    CHECK_CLOSE(a->ridge, b->ridge, 0);
    assert_memory_equal(a->linear.rho, b->linear.rho, (size_t)a->k * sizeof(double));
    for (int32_t v = 0; v < a->n_views; v++) {
        const mucmm__view_info *x = &a->view[v], *y = &b->view[v];
        size_t p = (size_t)x->p;
        assert_memory_equal(x->mean, y->mean, p * sizeof(double));
        assert_memory_equal(x->scale, y->scale, p * sizeof(double));
        assert_memory_equal(x->covariance, y->covariance, p * p * sizeof(float));
        check_same_head(&a->linear.view[v].common, &b->linear.view[v].common);
        check_same_head(&a->linear.view[v].individual, &b->linear.view[v].individual);
    }
    for (int r = 0; r < 2; r++)
        for (int64_t j = 0; j < a->k; j++)
            CHECK_CLOSE(a->linear.summary[r]->correlations[j],
                        b->linear.summary[r]->correlations[j], 1e-6);
}

static void test_linear_is_the_same_for_any_threads(void **state)
{
    problem q = new_problem(ctx, 3, 1500, false, 23);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *one = fit(ctx, &q, &p);

    (void)state;
    for (int32_t threads = 2; threads <= 3; threads++) {
        mucmm_ctx *c = threaded_ctx(threads);
        mucmm_model *other = fit(c, &q, &p);
        check_same_linear(one, other);
        mucmm_model_free(other);
        mucmm_ctx_free(c);
    }
    mucmm_model_free(one);
    drop_problem(&q);
}

static void test_mlp_has_the_same_bytes_again(void **state)
{
    problem q = new_problem(ctx, 2, 300, true, 24);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    for (int32_t threads = 1; threads <= 2; threads++) {
        mucmm_ctx *c = threaded_ctx(threads);
        bytes one = fitted_bytes(c, &q, &p), two = fitted_bytes(c, &q, &p), other;
        check_same_bytes(&one, &two);
        p.seed++;
        other = fitted_bytes(c, &q, &p);
        p.seed--;
        assert_true(other.size != one.size || memcmp(other.data, one.data, one.size) != 0);
        free(one.data);
        free(two.data);
        free(other.data);
        mucmm_ctx_free(c);
    }
    drop_problem(&q);
}

/* ---- the loop of training ---------------------------------------------------------- */

#define TOY_ROWS 7
#define TOY_EPOCHS 4

typedef struct toy {
    double values[TOY_EPOCHS + 1]; /* of the evaluations, in order */
    int64_t evaluations, steps;
    int64_t order[TOY_EPOCHS][TOY_ROWS];
    double bad_loss;
} toy;

static mucmm_status toy_step(mucmm__fit *f, mucmm__trainer *t, void *arg, const int64_t *rows,
                             double *loss)
{
    toy *w = arg;

    assert_int_equal(t->step, w->steps);
    memcpy(w->order[w->steps / 2] + w->steps % 2 * f->batch, rows, (size_t)f->batch * sizeof *rows);
    w->steps++;
    t->grads[0] = -1;
    *loss = w->steps == 3 ? w->bad_loss : (double)w->steps;
    return MUCMM_OK;
}

static mucmm_status toy_evaluate(mucmm__fit *f, mucmm__trainer *t, void *arg, double *value)
{
    toy *w = arg;

    (void)f;
    t->stats[0] = (float)w->evaluations;
    *value = w->values[w->evaluations++];
    return MUCMM_OK;
}

static mucmm_status run_toy(toy *w, mucmm__trainer *trained, mucmm_model *m)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm__fit f = {.ctx = ctx, .p = &p, .model = m, .n_train = TOY_ROWS, .batch = 3};
    mucmm__problem loop = {"toy", TOY_EPOCHS, toy_step, toy_evaluate, w, 1};
    mucmm_status status;

    CHECK_OK(ctx, mucmm__trainer_create(ctx, 1, 1, &f.stage[1]));
    status = mucmm__train(&f, 1, &loop);
    *trained = f.stage[1];
    return status;
}

static void test_training_keeps_the_best_epoch(void **state)
{
    for (int64_t best = 0; best <= TOY_EPOCHS; best++) {
        toy w = {.values = {-3, -3, -3, -3, -3}, .bad_loss = 3};
        mucmm_model m = {0};
        mucmm__trainer t;

        (void)state;
        w.values[best] = -2;
        CHECK_OK(ctx, run_toy(&w, &t, &m));
        assert_int_equal(w.steps, TOY_EPOCHS * (TOY_ROWS / 3));
        assert_int_equal(t.epoch, TOY_EPOCHS);
        CHECK_CLOSE(t.best, -2, 0);
        CHECK_CLOSE(t.best_stats[0], (double)best, 0);
        assert_true(best == 0 ? t.best_params[0] == 0 : t.best_params[0] > 0);
        assert_true(best == TOY_EPOCHS ? t.best_params[0] == t.params[0]
                                       : t.best_params[0] < t.params[0]);
        assert_int_equal(m.n_history, TOY_EPOCHS + 1);
        for (int64_t e = 0; e <= TOY_EPOCHS; e++) {
            assert_true(m.history[e].stage == 1 && m.history[e].epoch == e);
            CHECK_CLOSE(m.history[e].held_out, w.values[e], 0);
            if (e > 0) /* steps 2e - 1 and 2e */
                CHECK_CLOSE(m.history[e].loss, 2 * (double)e - .5, 1e-12);
        }
        mucmm__trainer_drop(&t);
        mucmm__free(m.history);
    }
}

/* Every epoch goes once through rows that differ, in another order. */
static void test_training_takes_rows_in_another_order_each_epoch(void **state)
{
    toy w = {.values = {0}, .bad_loss = 3};
    mucmm_model m = {0};
    mucmm__trainer t;

    (void)state;
    CHECK_OK(ctx, run_toy(&w, &t, &m));
    for (int e = 0; e < TOY_EPOCHS; e++) {
        bool seen[TOY_ROWS] = {false};
        for (int i = 0; i < 6; i++) { /* two batches of 3: one row is left out */
            assert_true(w.order[e][i] >= 0 && w.order[e][i] < TOY_ROWS);
            assert_false(seen[w.order[e][i]]);
            seen[w.order[e][i]] = true;
        }
        assert_true(e == 0 || memcmp(w.order[e], w.order[e - 1], 6 * sizeof w.order[0][0]) != 0);
    }
    mucmm__trainer_drop(&t);
    mucmm__free(m.history);
}

static void test_training_stops_when_the_loss_is_not_finite(void **state)
{
    toy w = {.values = {0}, .bad_loss = NAN}, v = {.values = {0, 0, INFINITY}, .bad_loss = 3};
    mucmm_model m = {0};
    mucmm__trainer t;

    (void)state;
    check_message(ctx, run_toy(&w, &t, &m), MUCMM_ENUMERIC,
                  "toy: the loss is no longer finite in epoch 2; give a smaller");
    mucmm__trainer_drop(&t);
    check_message(ctx, run_toy(&v, &t, &m), MUCMM_ENUMERIC, "finite in epoch 2");
    mucmm__trainer_drop(&t);
    mucmm__free(m.history);
}

/* Held-out loss of the individual heads, first and best of the history. */
static void individual_losses(const mucmm_model *m, double *first, double *best)
{
    *first = *best = INFINITY;
    for (int64_t i = 0; i < m->n_history; i++)
        if (m->history[i].stage == MUCMM__STAGE_INDIVIDUAL) {
            if (m->history[i].epoch == 0)
                *first = -m->history[i].held_out;
            *best = fmin(*best, -m->history[i].held_out);
        }
}

/* Each term of L_min alone, with a weight so large that it is most of the loss. */
static void test_every_term_of_the_individual_loss_is_learned(void **state)
{
    static const struct {
        double alpha, beta, factor;
    } cases[] = {{0, 0, .5}, {500, 0, .25}, {0, 500, .25}};
    problem q = new_problem(ctx, 2, 1000, true, 41);

    (void)state;
    for (int i = 0; i < 3; i++) {
        mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
        double first, best;
        mucmm_model *m;

        p.alpha = cases[i].alpha;
        p.beta = cases[i].beta;
        p.individual_epochs = 12;
        p.common_epochs = 1;
        p.learning_rate = 1e-2;
        m = fit(ctx, &q, &p);
        individual_losses(m, &first, &best);
        if (!(best < cases[i].factor * first))
            fail_msg("case %d: held-out loss %g at first, %g at best", i, first, best);
        mucmm_model_free(m);
    }
    drop_problem(&q);
}

static void test_input_noise_is_added_in_every_stage(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 42);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *with, *without;

    (void)state;
    p.input_noise = .3;
    with = fit(ctx, &q, &p);
    p.input_noise = 0;
    without = fit(ctx, &q, &p);
    assert_int_equal(with->n_history, without->n_history);
    for (int64_t i = 0; i < with->n_history; i++)
        assert_true(with->history[i].epoch == 0 ||
                    with->history[i].loss != without->history[i].loss);
    mucmm_model_free(with);
    mucmm_model_free(without);
    drop_problem(&q);
}

/* ---- progress and checkpoints ------------------------------------------------------ */

typedef struct stopper {
    int64_t calls, stop_at; /* stop_at < 0: never */
    char stages[512];
} stopper;

static int count_and_stop(void *user, const char *stage, int64_t done, int64_t total,
                          const char *note)
{
    stopper *s = user;

    assert_true(done >= 0 && done <= total);
    assert_non_null(note);
    if (!strstr(s->stages, stage))
        strncat(s->stages, stage, sizeof s->stages - strlen(s->stages) - 1);
    return s->calls++ == s->stop_at;
}

static mucmm_ctx *stoppable_ctx(stopper *s)
{
    mucmm_ctx_params p;
    mucmm_ctx *c = NULL;

    mucmm_ctx_params_init(&p);
    p.threads = 1;
    p.progress = count_and_stop;
    p.progress_user = s;
    assert_int_equal(mucmm_ctx_create(&p, &c), MUCMM_OK);
    return c;
}

static mucmm_fit_params checkpoint_params(void)
{
    static char path[128];
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    p.batch = 60;
    p.beta = 40;
    snprintf(path, sizeof path, "%s", in_folder("checkpoint"));
    p.checkpoint = path;
    return p;
}

static mucmm_status fit_stopping(const problem *q, const mucmm_fit_params *p, stopper *s,
                                 double save_every, mucmm_model **m)
{
    mucmm_ctx *c = stoppable_ctx(s);
    mucmm_status status = mucmm__fit_saving(c, q->view, q->n_views, p, save_every, m);

    if (status != MUCMM_OK)
        assert_null(*m);
    if (status != MUCMM_OK && status != MUCMM_ECANCELED)
        fail_msg("%s: %s", mucmm_status_text(status), mucmm_ctx_message(c));
    if (status == MUCMM_ECANCELED)
        assert_non_null(strstr(mucmm_ctx_message(c), "stopped during "));
    mucmm_ctx_free(c);
    return status;
}

static void test_progress_callback_stops_every_stage(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 25);

    (void)state;
    for (int head = 0; head < 2; head++) {
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        stopper whole = {0, -1, ""};
        mucmm_model *m = NULL;

        p.batch = 60;
        assert_int_equal(fit_stopping(&q, &p, &whole, 5, &m), MUCMM_OK);
        mucmm_model_free(m);
        assert_non_null(strstr(whole.stages, "moments"));
        assert_non_null(strstr(whole.stages, "closed form"));
        assert_int_equal(strstr(whole.stages, "from scratch") != NULL, head);
        assert_int_equal(strstr(whole.stages, "individual heads") != NULL, head);
        for (int64_t at = 0; at < whole.calls; at++) {
            stopper s = {0, at, ""};
            assert_int_equal(fit_stopping(&q, &p, &s, 5, &m), MUCMM_ECANCELED);
            assert_int_equal(s.calls, at + 1);
        }
    }
    drop_problem(&q);
}

static void check_resumed(const problem *q, const mucmm_fit_params *p, double save_every,
                          int64_t stride)
{
    stopper whole = {0, -1, ""};
    mucmm_model *m = NULL;
    bytes want, got;

    assert_int_equal(fit_stopping(q, p, &whole, save_every, &m), MUCMM_OK);
    want = saved(m);
    mucmm_model_free(m);
    for (int64_t at = 0; at < whole.calls; at += stride) {
        stopper s = {0, at, ""}, on = {0, -1, ""};
        unlink(p->checkpoint);
        assert_int_equal(fit_stopping(q, p, &s, save_every, &m), MUCMM_ECANCELED);
        assert_int_equal(fit_stopping(q, p, &on, save_every, &m), MUCMM_OK);
        got = saved(m);
        check_same_bytes(&want, &got);
        free(got.data);
        mucmm_model_free(m);
    }
    /* the checkpoint of a whole fit */
    assert_int_equal(fit_stopping(q, p, &(stopper){0, -1, ""}, save_every, &m), MUCMM_OK);
    got = saved(m);
    check_same_bytes(&want, &got);
    free(got.data);
    free(want.data);
    mucmm_model_free(m);
    unlink(p->checkpoint);
}

static void test_stopped_and_resumed_fit_has_the_same_bytes(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 26), three = new_problem(ctx, 3, 150, true, 26);
    problem straight = new_problem(ctx, 2, 400, false, 26),
            large = new_problem(ctx, 2, 1200, true, 9);
    mucmm_fit_params p = checkpoint_params();
    mucmm_model *m;

    (void)state;
    check_resumed(&q, &p, 0, 1);
    check_resumed(&q, &p, 1e9, 5); /* only the ends of stages are saved */
    check_resumed(&three, &p, 0, 7);
    p.n_hidden = 0;
    check_resumed(&q, &p, 0, 7);
    p.n_hidden = 1;
    p.individual = 0;
    check_resumed(&q, &p, 0, 7);
    p.individual = 3;
    p.beta = -1;
    p.batch = 400;
    p.head = MUCMM_HEAD_AUTO; /* the closed form in place of what was trained */
    check_resumed(&straight, &p, 0, 5);
    assert_int_equal(fit_stopping(&straight, &p, &(stopper){0, -1, ""}, 0, &m), MUCMM_OK);
    assert_true(m->start == -1 && m->individual_closed);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    check_resumed(&large, &p, 0, 5); /* also inside and between attempts at another beta */
    assert_int_equal(fit_stopping(&large, &p, &(stopper){0, -1, ""}, 0, &m), MUCMM_OK);
    assert_true(in_history(m, MUCMM__STAGE_TUNED));
    mucmm_model_free(m);
    unlink(p.checkpoint);
    drop_problem(&q);
    drop_problem(&straight);
    drop_problem(&large);
    drop_problem(&three);
}

/* Stopped again and again, as soon as something new has been saved. */
static void test_often_stopped_fit_has_the_same_bytes(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 27);
    mucmm_fit_params p = checkpoint_params();
    mucmm_model *m = NULL;
    bytes want, got;
    int64_t stops = 0, patience = 12;

    (void)state;
    assert_int_equal(fit_stopping(&q, &p, &(stopper){0, -1, ""}, 0, &m), MUCMM_OK);
    want = saved(m);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    while (fit_stopping(&q, &p, &(stopper){0, patience, ""}, 0, &m) == MUCMM_ECANCELED)
        assert_true(++stops < 100);
    assert_true(stops >= 3);
    got = saved(m);
    check_same_bytes(&want, &got);
    free(got.data);
    free(want.data);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    drop_problem(&q);
}

/* Also inside and between later stages. */
static void test_stopped_stages_have_the_same_bytes(void **state)
{
    problem q = hidden_problem(1500);
    mucmm_fit_params p = checkpoint_params();
    mucmm_model *m;

    (void)state;
    p.stages = 0;
    p.common_epochs = 25;
    p.hidden[0] = p.hidden[1] = 48;
    p.batch = 400;
    p.input_noise = .1;
    m = fit(ctx, &q, &p);
    assert_int_equal(m->heads.view[0].n_later, 1);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    check_resumed(&q, &p, 0, 149);
    drop_problem(&q);
}

/* A checkpoint of a fit stopped inside the stage of the individual heads. */
static bytes some_checkpoint(const problem *q, const mucmm_fit_params *p)
{
    stopper whole = {0, -1, ""}, s = {0};
    mucmm_model *m = NULL;
    bytes b;

    assert_int_equal(fit_stopping(q, p, &whole, 0, &m), MUCMM_OK);
    mucmm_model_free(m);
    unlink(p->checkpoint);
    s.stop_at = whole.calls - 2;
    assert_int_equal(fit_stopping(q, p, &s, 0, &m), MUCMM_ECANCELED);
    b = get_file("checkpoint");
    assert_non_null(memmem(b.data, b.size, "\"stage26.first\"", 15));
    return b;
}

static void check_refused(const problem *q, const mucmm_fit_params *p, mucmm_status want,
                          const char *fragment)
{
    mucmm_model *m = (mucmm_model *)(uintptr_t)q;

    check_message(ctx, mucmm_fit(ctx, q->view, q->n_views, p, &m), want, fragment);
    assert_null(m);
    if (want != MUCMM_EIO && !strstr(mucmm_ctx_message(ctx), p->checkpoint))
        fail_msg("message \"%s\" does not name the file", mucmm_ctx_message(ctx));
}

static void test_checkpoint_of_another_fit_is_refused(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 28), other = new_problem(ctx, 2, 150, true, 29);
    mucmm_fit_params p = checkpoint_params();
    bytes good = some_checkpoint(&q, &p);

    (void)state;
    for (int i = 0; i < 16; i++) {
        mucmm_fit_params changed = p;
        int64_t *const integers[] = {&changed.individual, &changed.common_epochs,
                                     &changed.individual_epochs, &changed.batch,
                                     &changed.hidden[1]};
        double *const numbers[] = {&changed.validation,   &changed.learning_rate,
                                   &changed.weight_decay, &changed.input_noise,
                                   &changed.alpha,        &changed.beta};
        if (i < 5)
            *integers[i] += 1;
        else if (i < 11)
            *numbers[i - 5] *= 1.5;
        else if (i == 11)
            changed.seed++;
        else if (i == 12)
            changed.scaling = MUCMM_SCALE_COLUMN;
        else if (i == 13)
            changed.bootstrap = 2;
        else if (i == 14)
            changed.restarts = 1;
        else
            changed.n_hidden = 1;
        check_refused(&q, &changed, MUCMM_EARG, "of another fit (other data or options)");
    }
    check_refused(&other, &p, MUCMM_EARG, "of another fit (other data or options)");
    p.checkpoint = "/nonexistent-folder/checkpoint";
    check_refused(&q, &p, MUCMM_EIO, "nonexistent");
    unlink(in_folder("checkpoint"));
    free(good.data);
    drop_problem(&q);
    drop_problem(&other);
}

static void test_damaged_checkpoints_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *fragment;
    } texts[] = {
        {"mucmm-checkpoint-3", "mucmm-checkpoint-0", "not a checkpoint of this program"},
        {"\"state\"", "\"stare\"", "not a checkpoint of this program"},
        {"\"history\"", "\"hostory\"", "not a checkpoint of this program"},
        {"\"stage\":\"26\"", "\"stage\":\"27\"", "not a whole checkpoint"},
        {"\"stage\":\"26\"", "\"stage\":\"2x\"", "not a whole checkpoint"},
        {"\"stage\":\"26\"", "\"stage\":\"30\"", "not a whole checkpoint"},
        {"\"stage00.best_params\"", "\"stage00.bast_params\"", "not a whole checkpoint"},
        {"\"stage01.best_stats\"", "\"stage01.bast_stats\"", "not a whole checkpoint"},
        {"\"stage26.first\"", "\"stage26.forst\"",
         "'stage26.first' is missing or has another size"},
    };
    static const struct {
        const char *tensor;
        size_t index;
        double value;
    } numbers[] = {{"state", 52, NAN},  {"state", 52, 1e300}, {"state", 52, -1},
                   {"state", 52, .5},   {"state", 53, NAN},   {"history", 0, 29},
                   {"history", 0, NAN}, {"history", 0, -1},   {"history", 1, 1e300}};
    problem q = new_problem(ctx, 2, 150, true, 30);
    mucmm_fit_params p = checkpoint_params();
    bytes good = some_checkpoint(&q, &p), bad;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bad = with_text(&good, texts[i].from, texts[i].to);
        /* all done, in a file whose last stage is not whole */
        if (strstr(texts[i].to, "\"27\"")) {
            bytes more = with_text(&bad, "\"stage26.best_params\"", "\"stage26.bast_params\"");
            free(bad.data);
            bad = more;
        }
        put_file("checkpoint", &bad);
        check_refused(&q, &p, MUCMM_EFORMAT, texts[i].fragment);
        free(bad.data);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bad = with_text(&good, "mucmm", "mucmm");
        memcpy(bad.data + tensor_at(&bad, numbers[i].tensor) + 8 * numbers[i].index,
               &numbers[i].value, sizeof(double));
        put_file("checkpoint", &bad);
        check_refused(&q, &p, MUCMM_EFORMAT, "not a whole checkpoint");
        free(bad.data);
    }
    for (size_t size = 0; size < good.size; size += 1 + size) {
        put_file("checkpoint", &(bytes){good.data, size});
        check_refused(&q, &p, MUCMM_EFORMAT, "");
    }
    unlink(p.checkpoint);
    free(good.data);
    drop_problem(&q);
}

/* Networks of another size under the right fingerprint: stages taken for each other. */
static void test_checkpoint_of_other_networks_is_refused(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 31);
    mucmm_fit_params p = checkpoint_params();
    bytes good, bad;

    (void)state;
    good = some_checkpoint(&q, &p);
    bad = with_text(&good, "\"stage\":\"26\"", "\"stage\":\"00\"");
    for (int i = 0; i < 6; i++) { /* stage 2's arrays under the name of stage 0 */
        static const char *const names[] = {"params", "first",       "second",
                                            "stats",  "best_params", "best_stats"};
        char from[64], to[64];
        bytes next;
        if (i >= 4) {
            snprintf(from, sizeof from, "\"stage00.%s\"", names[i]);
            snprintf(to, sizeof to, "\"stage28.%s\"", names[i]);
            next = with_text(&bad, from, to);
            free(bad.data);
            bad = next;
        }
        snprintf(from, sizeof from, "\"stage26.%s\"", names[i]);
        snprintf(to, sizeof to, "\"stage00.%s\"", names[i]);
        next = with_text(&bad, from, to);
        free(bad.data);
        bad = next;
    }
    put_file("checkpoint", &bad);
    check_refused(&q, &p, MUCMM_EFORMAT, "its networks have another size");
    unlink(p.checkpoint);
    free(bad.data);
    free(good.data);
    drop_problem(&q);
}

/* ---- refusals of fit --------------------------------------------------------------- */

static void check_fit_refused(const mucmm_view *views, int32_t n_views, const mucmm_fit_params *p,
                              mucmm_status want, const char *fragment)
{
    mucmm_model *m = (mucmm_model *)(uintptr_t)views;

    check_message(ctx, mucmm_fit(ctx, views, n_views, p, &m), want, fragment);
    assert_null(m);
}

static void test_fit_refuses_parameters_out_of_range(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 32);
    mucmm_fit_params p;

    (void)state;
#define REFUSED(field, value, status, fragment)                                                    \
    p = small_params(MUCMM_HEAD_MLP);                                                              \
    p.field = value;                                                                               \
    check_fit_refused(q.view, 2, &p, status, fragment)
    REFUSED(struct_size, 8, MUCMM_EARG, "mucmm_fit_params_init");
    REFUSED(common, 0, MUCMM_EARG, "the number of common dimensions is 0");
    REFUSED(common, 9, MUCMM_ESHAPE,
            "9 common dimensions are asked for, but view 'left' has only 8");
    REFUSED(common, -2, MUCMM_EARG, "the number of common dimensions is -2");
    REFUSED(individual, -2, MUCMM_EARG, "the number of individual dimensions is -2");
    REFUSED(individual, 7, MUCMM_ESHAPE, "2 common and 7 individual dimensions");
    REFUSED(n_hidden, -1, MUCMM_EARG, "the number of hidden layers");
    REFUSED(n_hidden, MUCMM_MAX_HIDDEN + 1, MUCMM_EARG, "the number of hidden layers");
    REFUSED(hidden[1], 0, MUCMM_EARG, "a hidden layer's width is 0");
    REFUSED(hidden[0], 1 << 21, MUCMM_EARG, "a hidden layer's width");
    REFUSED(common_epochs, -1, MUCMM_EARG, "epochs is -1");
    REFUSED(individual_epochs, -1, MUCMM_EARG, "individual epochs is -1");
    REFUSED(batch, -1, MUCMM_EARG, "batch is -1");
    REFUSED(batch, 9, MUCMM_ESHAPE, "a batch of 9 rows is too small for 2 views of 2");
    REFUSED(validation, 0, MUCMM_EARG, "validation is 0");
    REFUSED(validation, .51, MUCMM_EARG, "validation is 0.51");
    REFUSED(validation, NAN, MUCMM_EARG, "validation is nan");
    REFUSED(validation, .01, MUCMM_ESHAPE, "60 rows leave 59 for training and 1 held out");
    REFUSED(ridge, NAN, MUCMM_EARG, "ridge is nan");
    REFUSED(ridge, -3, MUCMM_EARG, "ridge is -3; it must be from 0 to 1e+09");
    REFUSED(learning_rate, -1, MUCMM_EARG, "learning rate is -1");
    REFUSED(weight_decay, -1, MUCMM_EARG, "weight decay is -1");
    REFUSED(input_noise, INFINITY, MUCMM_EARG, "input noise is inf");
    REFUSED(alpha, -1, MUCMM_EARG, "alpha is -1");
    REFUSED(beta, NAN, MUCMM_EARG, "beta is nan");
    REFUSED(head, (mucmm_head_kind)7, MUCMM_EARG, "head");
    REFUSED(scaling, (mucmm_scaling)7, MUCMM_EARG, "scaling");
#undef REFUSED
    drop_problem(&q);
}

static void test_fit_refuses_views(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 33), shorter = new_problem(ctx, 2, 59, false, 33);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_view left = q.view[0], right = q.view[1], many[MUCMM_MAX_VIEWS + 1];
    static const char *const names[] = {"",
                                        "a b",
                                        "a.b",
                                        "a/b",
                                        "\xc3\xa9",
                                        NULL,
                                        "0123456789012345678901234567890123456789012345678901234567"
                                        "8901234"};

    (void)state;
    for (int i = 0; i <= MUCMM_MAX_VIEWS; i++)
        many[i] = left;
    check_fit_refused(&left, 1, &p, MUCMM_EARG, "1 view is given; from 2 to 16 are needed");
    check_fit_refused(many, MUCMM_MAX_VIEWS + 1, &p, MUCMM_EARG, "17 views are given");
    check_fit_refused((mucmm_view[]){left, {"left", q.data[1]}}, 2, &p, MUCMM_EARG,
                      "view 'left' is given twice");
    check_fit_refused((mucmm_view[]){left, {"right", NULL}}, 2, &p, MUCMM_EARG, "no columns");
    check_fit_refused((mucmm_view[]){left, shorter.view[1]}, 2, &p, MUCMM_ESHAPE,
                      "has 60 rows and view 'right' (right) has 59");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_fit_refused((mucmm_view[]){left, {names[i], right.data}}, 2, &p, MUCMM_EARG,
                          "use 1 to 64 letters");
    drop_problem(&q);
    drop_problem(&shorter);
}

static void test_fit_refuses_what_few_rows_cannot_give(void **state)
{
    problem q = new_problem(ctx, 2, 10, false, 34), few = new_problem(ctx, 2, 6, false, 34);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);

    (void)state;
    p.validation = .2;
    mucmm_model_free(fit(ctx, &q, &p));
    p.individual = 6;
    check_fit_refused(q.view, 2, &p, MUCMM_ESHAPE,
                      "2 common and 6 individual dimensions are asked for, but the 8 training rows "
                      "of view 'left' differ in only 7 directions");
    p.individual = 3;
    p.ridge = 0;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC,
                      "view 'left' has 8 columns and only 8 training rows: its covariance is "
                      "singular; give a --ridge above 0");
    p.individual = 0;
    p.ridge = -1;
    check_fit_refused(few.view, 2, &p, MUCMM_ESHAPE,
                      "4 training rows are too few to choose a ridge");
    p.ridge = .1;
    mucmm_model_free(fit(ctx, &few, &p));
    drop_problem(&q);
    drop_problem(&few);
}

static void test_fit_names_values_that_are_not_finite(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 35);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    FILE *f = fopen(in_folder("nan.csv"), "w");
    mucmm_data *d = NULL;

    (void)state;
    q.x[1][23 * 9 + 4] = NAN;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC, "right: row 23, column 4");
    q.x[1][23 * 9 + 4] = INFINITY;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC, "right: row 23, column 4");
    fprintf(f, "a,b,c,d,e\n");
    for (int i = 0; i < 60; i++)
        fprintf(f, "%d,%d,%d,%s,5\n", i * i % 7, i % 5, i % 3, i == 41 ? "nan" : "1");
    fclose(f);
    if (mucmm_data_open(ctx, in_folder("nan.csv"), NULL, &d) == MUCMM_OK)
        check_fit_refused((mucmm_view[]){q.view[0], {"t", d}}, 2, &p, MUCMM_ENUMERIC, "nan.csv");
    else /* refused at once */
        assert_non_null(strstr(mucmm_ctx_message(ctx), "nan.csv:43"));
    mucmm_data_free(d);
    unlink(in_folder("nan.csv"));
    drop_problem(&q);
}

static void keep_warning(void *user, mucmm_log_level level, const char *message)
{
    if (level == MUCMM_LOG_WARN)
        snprintf(user, 256, "%s", message);
}

static void test_fit_on_constant_columns(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 36);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_ctx_params cp;
    mucmm_ctx *c = NULL;
    char warning[256] = "";

    (void)state;
    mucmm_ctx_params_init(&cp);
    cp.threads = 1;
    cp.log = keep_warning;
    cp.log_user = warning;
    assert_int_equal(mucmm_ctx_create(&cp, &c), MUCMM_OK);
    for (int64_t i = 0; i < q.n; i++)
        q.x[0][i * 8 + 3] = 7;
    for (int scaling = 0; scaling < 2; scaling++)
        for (int head = 0; head < 2; head++) {
            mucmm_model *m = NULL;
            p = small_params((mucmm_head_kind)head);
            p.scaling = (mucmm_scaling)scaling;
            p.batch = 60;
            p.common_epochs = p.individual_epochs = 1;
            warning[0] = '\0';
            CHECK_OK(c, mucmm_fit(c, q.view, 2, &p, &m));
            assert_non_null(strstr(warning, "view 'left': 1 of 8 columns is constant (the first is "
                                            "column 3); it carries nothing"));
            mucmm_model_free(m);
        }
    for (int64_t i = 0; i < q.n * 8; i++)
        q.x[0][i] = 7;
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC,
                      "every column of view 'left' (left) is constant");
    mucmm_ctx_free(c);
    drop_problem(&q);
}

/* Equal columns are no obstacle, until more directions are asked for than there are. */
static void test_fit_on_dependent_columns(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 37);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;

    (void)state;
    for (int64_t i = 0; i < q.n; i++)
        q.x[1][i * 9 + 3] = q.x[1][i * 9];
    m = fit(ctx, &q, &p);
    mucmm_model_free(m);
    p.individual = 6;
    for (int64_t i = 0; i < q.n; i++)
        for (int64_t j = 4; j < 9; j++)
            q.x[1][i * 9 + j] = q.x[1][i * 9 + j - 4];
    check_fit_refused(q.view, 2, &p, MUCMM_ENUMERIC,
                      "right: 6 individual components, but only 1 directions");
    drop_problem(&q);
}

static void test_training_that_diverges_is_an_error(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 38);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = NULL;
    mucmm_status status;

    (void)state;
    p.learning_rate = 10;
    p.input_noise = 10;
    status = mucmm_fit(ctx, q.view, 2, &p, &m);
    if (status != MUCMM_OK && status != MUCMM_ENUMERIC)
        fail_msg("%s: %s", mucmm_status_text(status), mucmm_ctx_message(ctx));
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- out of memory ----------------------------------------------------------------- */

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
        t.p.common_epochs = t.p.individual_epochs = 1;
        t.p.batch = 57;
        t.m = fit(ctx, &t.q, &t.p);
        assert_true(sweep_out_of_memory(call_fit, &t, 200) > 100);
        assert_true(sweep_out_of_memory(call_save, &t, 1000) > 3);
        CHECK_OK(ctx, mucmm_model_save(ctx, t.m, in_folder("model")));
        assert_true(sweep_out_of_memory(call_load, &t, 1000) > 30);
        unlink(in_folder("model"));
        assert_true(sweep_out_of_memory(call_transform, &t, 1000) > 2);
        assert_true(sweep_out_of_memory(call_score, &t, 200) > 40);
        mucmm_model_free(t.m);
        drop_problem(&t.q);
    }
}

static mucmm_status call_resume(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    mucmm_model *m = NULL;
    mucmm_status status = mucmm__fit_saving(c, t->q.view, 2, &t->p, 0, &m);

    mucmm_model_free(m);
    return status;
}

/* A fit that ran out of memory goes on from its checkpoint: every call gets further. */
static void test_checkpoints_survive_failed_allocations(void **state)
{
    memory_case t = {new_problem(ctx, 2, 64, true, 40), checkpoint_params(), NULL};

    (void)state;
    t.p.batch = 57;
    t.p.common_epochs = t.p.individual_epochs = 1;
    assert_true(sweep_out_of_memory(call_resume, &t, 10) > 20);
    assert_int_equal(count_files(), 1);
    unlink(t.p.checkpoint);
    drop_problem(&t.q);
}

/* ---- main -------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    ctx = threaded_ctx(1);
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    (void)state;
    while ((e = readdir(d)))
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    mucmm_ctx_free(ctx);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generators_have_their_check_values),
        cmocka_unit_test(test_linear_finds_the_latents_of_generator_a),
        cmocka_unit_test(test_linear_finds_planted_latents),
        cmocka_unit_test(test_linear_is_the_closed_form_of_the_training_rows),
        cmocka_unit_test(test_linear_canonical_form),
        cmocka_unit_test(test_linear_individual_is_uncorrelated_with_the_other_view),
        cmocka_unit_test(test_mlp_canonical_form),
        cmocka_unit_test(test_stages_find_what_harmonics_hide),
        cmocka_unit_test(test_mlp_without_hidden_layers),
        cmocka_unit_test(test_mlp_without_individual_dimensions),
        cmocka_unit_test(test_mlp_beats_linear_where_the_truth_is_nonlinear),
        cmocka_unit_test(test_auto_keeps_the_closed_form_of_linear_views),
        cmocka_unit_test(test_auto_trains_heads_for_nonlinear_views),
        cmocka_unit_test(test_beta_rises_while_u_leaks),
        cmocka_unit_test(test_fit_takes_sizes_that_do_not_fit_evenly),
        cmocka_unit_test(test_fit_keeps_the_best_ridge_of_the_held_out_rows),
        cmocka_unit_test(test_scores_are_the_formulas),
        cmocka_unit_test(test_scores_have_their_means_on_the_training_rows),
        cmocka_unit_test(test_score_of_very_few_rows),
        cmocka_unit_test(test_score_of_far_off_rows),
        cmocka_unit_test(test_score_and_transform_refusals),
        cmocka_unit_test(test_model_tells_its_views),
        cmocka_unit_test(test_model_file_round_trip),
        cmocka_unit_test(test_model_file_refusals),
        cmocka_unit_test(test_model_file_refuses_bad_numbers),
        cmocka_unit_test(test_damaged_model_files_do_no_harm),
        cmocka_unit_test(test_linear_is_the_same_for_any_threads),
        cmocka_unit_test(test_mlp_has_the_same_bytes_again),
        cmocka_unit_test(test_training_keeps_the_best_epoch),
        cmocka_unit_test(test_training_takes_rows_in_another_order_each_epoch),
        cmocka_unit_test(test_training_stops_when_the_loss_is_not_finite),
        cmocka_unit_test(test_every_term_of_the_individual_loss_is_learned),
        cmocka_unit_test(test_input_noise_is_added_in_every_stage),
        cmocka_unit_test(test_progress_callback_stops_every_stage),
        cmocka_unit_test(test_stopped_and_resumed_fit_has_the_same_bytes),
        cmocka_unit_test(test_stopped_stages_have_the_same_bytes),
        cmocka_unit_test(test_often_stopped_fit_has_the_same_bytes),
        cmocka_unit_test(test_checkpoint_of_another_fit_is_refused),
        cmocka_unit_test(test_damaged_checkpoints_are_refused),
        cmocka_unit_test(test_checkpoint_of_other_networks_is_refused),
        cmocka_unit_test(test_fit_refuses_parameters_out_of_range),
        cmocka_unit_test(test_fit_refuses_views),
        cmocka_unit_test(test_fit_refuses_what_few_rows_cannot_give),
        cmocka_unit_test(test_fit_names_values_that_are_not_finite),
        cmocka_unit_test(test_fit_on_constant_columns),
        cmocka_unit_test(test_fit_on_dependent_columns),
        cmocka_unit_test(test_training_that_diverges_is_an_error),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
        cmocka_unit_test(test_checkpoints_survive_failed_allocations),
    };
    return cmocka_run_group_tests_name("model", tests, set_up, tear_down);
}
