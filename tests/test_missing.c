/* SPDX-License-Identifier: MIT
 *
 * Views and rows that are missing: what is predicted of them, what is scored without them. */
#include "generators.h"
#include "model/density_ratio.h"
#include "model/incomplete.h"
#include "model/represent.h"
#include "model/summary.h"

static mucmm_ctx *ctx; /* one thread */

/* ---- helpers ----------------------------------------------------------------------- */

/* Rows first .. first + n of a problem, as a problem that shares its memory. */
static problem some_rows(const problem *q, int64_t first, int64_t n)
{
    problem part = *q;
    int64_t *rows = calloc((size_t)n, sizeof *rows);

    for (int64_t i = 0; i < n; i++)
        rows[i] = first + i;
    part.n = n;
    for (int32_t m = 0; m < q->n_views; m++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[m], rows, n, &part.data[m]));
        part.view[m].data = part.data[m];
    }
    free(rows);
    return part;
}

static void drop_rows(problem *q)
{
    for (int m = 0; m < 3; m++)
        mucmm_data_free(q->data[m]);
}

/* The common variates of every view. */
typedef struct variates {
    int64_t n, k;
    float *c[3];
} variates;

static variates represent(const mucmm_model *m, mucmm_representation representation,
                          const problem *q)
{
    variates v = {.n = q->n, .k = mucmm_model_common(m)};
    float *u;

    for (int32_t i = 0; i < q->n_views; i++) {
        transform(ctx, m, representation, i, q->data[i], &v.c[i], &u);
        free(u);
    }
    return v;
}

static void drop_variates(variates *v)
{
    for (int i = 0; i < 3; i++)
        free(v->c[i]);
}

/* From the views whose bit is set: predicted, sd [n, k]. */
static void predict(const mucmm_model *m, mucmm_representation representation, const variates *v,
                    unsigned from, int32_t view, float *predicted, float *sd)
{
    mucmm_cmat c[3] = {{0}};

    for (int i = 0; i < 3; i++)
        if (from >> i & 1)
            c[i] = (mucmm_cmat){v->c[i], v->n, v->k, v->k};
    CHECK_OK(ctx, mucmm_predict_common(ctx, m, representation, c, view,
                                       &(mucmm_mat){predicted, v->n, v->k, v->k},
                                       &(mucmm_mat){sd, v->n, v->k, v->k}));
}

/* Share of the values that lie within two standard deviations of what was predicted. */
static double coverage(const variates *v, int32_t view, const float *predicted, const float *sd)
{
    int64_t inside = 0;

    for (int64_t i = 0; i < v->n * v->k; i++)
        inside += fabs((double)v->c[view][i] - (double)predicted[i]) <= 2 * (double)sd[i];
    return (double)inside / (double)(v->n * v->k);
}

/* ---- predictions ------------------------------------------------------------------- */

/* On the training rows: what is left of a least-squares prediction with an intercept is
 * uncorrelated with what it is made of and has mean 0, and nothing else has both. */
static void check_regression(const variates *v, unsigned from, int32_t view, const float *predicted)
{
    float *left = test_floats(v->n * v->k);

    for (int64_t i = 0; i < v->n * v->k; i++)
        left[i] = v->c[view][i] - predicted[i];
    for (int64_t j = 0; j < v->k; j++) {
        CHECK_CLOSE(column_mean(left, v->n, v->k, j), 0, 1e-5);
        for (int i = 0; i < 3; i++)
            for (int64_t l = 0; l < v->k && from >> i & 1; l++)
                CHECK_CLOSE(covariance(left, v->k, j, v->c[i], v->k, l, v->n), 0, 1e-5);
    }
    free(left);
}

static void test_prediction_is_the_regression_on_the_training_rows(void **state)
{
    problem q = new_problem(ctx, 3, 800, false, 5), training;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;
    variates v;
    float *predicted, *sd;

    (void)state;
    p.common = 3;
    m = fit(ctx, &q, &p);
    training = training_problem(ctx, &q, &p);
    v = represent(m, MUCMM_HEADS, &training);
    predicted = test_floats(v.n * v.k);
    sd = test_floats(v.n * v.k);
    for (unsigned from = 1; from < 8; from++)
        for (int32_t view = 0; view < 3; view++)
            if (!(from >> view & 1)) {
                predict(m, MUCMM_HEADS, &v, from, view, predicted, sd);
                check_regression(&v, from, view, predicted);
            }
    free(predicted);
    free(sd);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&training);
    drop_problem(&q);
}

static void test_prediction_between_two_views_is_their_correlation(void **state)
{
    problem q = new_problem(ctx, 2, 900, false, 6);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m;
    const mucmm_summary *s;
    variates v;
    float *predicted, *sd;
    double mean[2] = {0};

    (void)state;
    p.ridge = 1e-9; /* else the variates of a view are correlated a little */
    m = fit(ctx, &q, &p);
    s = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS);
    v = represent(m, MUCMM_HEADS, &q);
    predicted = test_floats(v.n * v.k);
    sd = test_floats(v.n * v.k);
    predict(m, MUCMM_HEADS, &v, 1, 1, predicted, sd);
    for (int64_t i = 0; i < v.n; i++)
        for (int64_t j = 0; j < v.k; j++) {
            double rho = s->correlations[j];
            CHECK_CLOSE((double)predicted[i * v.k + j], rho * (double)v.c[0][i * v.k + j], 1e-4);
            mean[j] += (double)sd[i * v.k + j] / (double)v.n;
        }
    for (int64_t j = 0; j < v.k; j++) { /* Gaussian: quantiles are standard deviations */
        double rho = s->correlations[j];
        CHECK_CLOSE(mean[j], sqrt(1 - rho * rho), .15 * sqrt(1 - rho * rho));
    }
    free(predicted);
    free(sd);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_errors_of_unseen_rows_are_as_large_as_was_said(void **state)
{
    problem q = new_problem(ctx, 3, 9000, false, 7), known = some_rows(&q, 0, 3000);
    problem unseen = some_rows(&q, 3000, 6000);

    (void)state;
    for (int head = 0; head < 2; head++) {
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        mucmm_model *m;
        variates v;
        float *predicted, *sd;

        p.common = 3;
        m = fit(ctx, &known, &p);
        v = represent(m, MUCMM_HEADS, &unseen);
        predicted = test_floats(v.n * v.k);
        sd = test_floats(v.n * v.k);
        for (unsigned from = 0; from < 8; from++)
            for (int32_t view = 0; view < 3; view++)
                if (!(from >> view & 1)) {
                    predict(m, MUCMM_HEADS, &v, from, view, predicted, sd);
                    CHECK_CLOSE(coverage(&v, view, predicted, sd), .9545, .02);
                }
        free(predicted);
        free(sd);
        drop_variates(&v);
        mucmm_model_free(m);
    }
    drop_rows(&known);
    drop_rows(&unseen);
    drop_problem(&q);
}

/* 120 rows, 26 held out: networks that have learned their training rows by heart are not believed.
 */
static void test_error_bars_do_not_believe_training_rows(void **state)
{
    problem q = new_problem(ctx, 2, 4120, true, 8), known = some_rows(&q, 0, 120);
    problem unseen = some_rows(&q, 120, 4000);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m;
    variates v;
    float *predicted, *sd;
    double rho, training;

    (void)state;
    p.validation = .22;
    p.common_epochs = 60;
    p.input_noise = 0;
    m = fit(ctx, &known, &p);
    v = represent(m, MUCMM_HEADS, &unseen);
    predicted = test_floats(v.n * v.k);
    sd = test_floats(v.n * v.k);
    predict(m, MUCMM_HEADS, &v, 1, 1, predicted, sd);
    rho = mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS)->correlations[1];
    training = sqrt(1 - rho * rho);
    assert_true((double)sd[1] > 1.2 * training);
    assert_true(coverage(&v, 1, predicted, sd) > .9);
    free(predicted);
    free(sd);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_rows(&known);
    drop_rows(&unseen);
    drop_problem(&q);
}

/* Every row is predicted from the views that it has, as if it stood alone. */
static void test_rows_may_lack_different_views(void **state)
{
    problem q = new_problem(ctx, 3, 200, false, 9);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    variates v = represent(m, MUCMM_HEADS, &q), holes = {.n = v.n, .k = v.k};
    int64_t size = v.n * v.k;
    float *mixed = test_floats(size), *mixed_sd = test_floats(size);
    float *plain = test_floats(size), *plain_sd = test_floats(size);

    (void)state;
    for (int i = 0; i < 3; i++) {
        holes.c[i] = test_floats(size);
        memcpy(holes.c[i], v.c[i], (size_t)size * sizeof(float));
        for (int64_t r = 0; r < v.n; r++)
            for (int64_t j = 0; j < v.k && !(r % 8 >> i & 1); j++)
                holes.c[i][r * v.k + j] = NAN;
    }
    for (int32_t view = 0; view < 3; view++) {
        predict(m, MUCMM_HEADS, &holes, 7, view, mixed, mixed_sd);
        for (unsigned from = 0; from < 8; from++) {
            predict(m, MUCMM_HEADS, &v, from & ~(1u << view), view, plain, plain_sd);
            for (int64_t i = 0; i < size; i++)
                if (i / v.k % 8 == from) {
                    CHECK_CLOSE((double)mixed[i], (double)plain[i], 0);
                    CHECK_CLOSE((double)mixed_sd[i], (double)plain_sd[i], 0);
                }
        }
    }
    predict(m, MUCMM_HEADS, &v, 0, 0, plain, plain_sd); /* nothing is known: mean 0, variance 1 */
    for (int64_t j = 0; j < v.k; j++) {
        CHECK_CLOSE((double)plain[j], 0, 1e-5);
        assert_true((double)plain_sd[j] > .85 && (double)plain_sd[j] < 1.5);
    }
    free(mixed);
    free(mixed_sd);
    free(plain);
    free(plain_sd);
    drop_variates(&holes);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_predictions_survive_the_model_file(void **state)
{
    char path[] = "/tmp/mucmm-missing-XXXXXX";
    problem q = new_problem(ctx, 3, 150, false, 10);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &p), *loaded = NULL;
    variates v = represent(m, MUCMM_LINEAR, &q);
    int64_t size = v.n * v.k;
    float *one = test_floats(size), *one_sd = test_floats(size);
    float *two = test_floats(size), *two_sd = test_floats(size);
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    close(file);
    CHECK_OK(ctx, mucmm_model_save(ctx, m, path));
    CHECK_OK(ctx, mucmm_model_load(ctx, path, &loaded));
    unlink(path);
    for (int representation = 0; representation < 2; representation++) {
        predict(m, (mucmm_representation)representation, &v, 5, 1, one, one_sd);
        predict(loaded, (mucmm_representation)representation, &v, 5, 1, two, two_sd);
        assert_memory_equal(one, two, (size_t)size * sizeof *one);
        assert_memory_equal(one_sd, two_sd, (size_t)size * sizeof *one);
    }
    mucmm__joint_drop(&loaded->linear.joint); /* as in a file of an earlier version */
    mucmm_cmat c[3] = {{v.c[0], v.n, v.k, v.k}};
    check_message(ctx,
                  mucmm_predict_common(ctx, loaded, MUCMM_LINEAR, c, 1,
                                       &(mucmm_mat){one, v.n, v.k, v.k}, NULL),
                  MUCMM_EUNSUPPORTED, "view 'right' cannot be predicted");
    free(one);
    free(one_sd);
    free(two);
    free(two_sd);
    drop_variates(&v);
    mucmm_model_free(loaded);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Two views of four columns, two of them a shared latent seen through noise. spread: the noise
 * grows with the latent. */
static problem noisy_problem(int64_t n, bool spread, uint64_t seed)
{
    static const char *const names[] = {"left", "right"};
    problem q = {.n_views = 2, .n = n, .p = {4, 4}};

    q.shared = normals(seed, 0, n * 2, 1);
    for (int32_t m = 0; m < 2; m++) {
        double *noise = normals(seed, 1 + (uint64_t)m, n * 4, 1);
        q.x[m] = test_floats(n * 4);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < 4; j++) {
                double s = j < 2 ? q.shared[i * 2 + j] : 0, e = noise[i * 4 + j];
                q.x[m][i * 4 + j] = (float)(j < 2 ? s + e * (spread ? .8 * fabs(s) : .4) : e);
            }
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[m], n, 4, 4}, names[m], NULL, 0,
                                      &q.data[m]));
        q.view[m] = (mucmm_view){names[m], q.data[m]};
        free(noise);
    }
    return q;
}

/* In every fifth of the rows by predicted error, 95 % lie within 1.96 of it: where the noise is
 * the same everywhere, and where it is not (one number for all covers .8 of the rows with the most
 * noise). */
static void test_error_bars_hold_where_the_noise_is(void **state)
{
    (void)state;
    for (int spread = 0; spread < 2; spread++) {
        problem q = noisy_problem(2000, spread, 31), other = noisy_problem(4000, spread, 32);
        mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
        int64_t inside[5] = {0}, n[5] = {0}, below;
        mucmm_model *m;
        variates v;
        float *predicted, *sd;

        p.individual = 1;
        p.validation = .2;
        m = fit(ctx, &q, &p);
        v = represent(m, MUCMM_HEADS, &other);
        predicted = test_floats(v.n * v.k);
        sd = test_floats(v.n * v.k);
        predict(m, MUCMM_HEADS, &v, 1, 1, predicted, sd);
        for (int64_t j = 0; j < v.k; j++)
            for (int64_t i = 0; i < v.n; i++) {
                below = 0;
                for (int64_t l = 0; l < v.n; l += 20)
                    below += sd[l * v.k + j] < sd[i * v.k + j];
                below = below * 100 / v.n; /* its fifth */
                below = below > 4 ? 4 : below;
                n[below]++;
                inside[below] +=
                    fabs((double)v.c[1][i * v.k + j] - (double)predicted[i * v.k + j]) <=
                    1.96 * (double)sd[i * v.k + j];
            }
        for (int i = 0; i < 5; i++) {
            assert_true(n[i] > 1000);
            assert_true((double)inside[i] / (double)n[i] > .92);
            assert_true((double)inside[i] / (double)n[i] < .98);
        }
        free(predicted);
        free(sd);
        drop_variates(&v);
        mucmm_model_free(m);
        drop_problem(&q);
        drop_problem(&other);
    }
}

static mucmm_scores *score(const mucmm_model *m, const mucmm_view *views, int32_t n)
{
    mucmm_score_params p;
    mucmm_scores *s = NULL;

    mucmm_score_params_init(&p);
    p.permutations = 20;
    CHECK_OK(ctx, mucmm_score(ctx, m, views, n, &p, &s));
    return s;
}

/* Share of pairs of a row that matches and one that does not in which the former has more. */
static double area(int64_t n, const double *matched, const double *mismatched)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        for (int64_t l = 0; l < n; l++)
            sum += (matched[i] > mismatched[l]) + .5 * (matched[i] == mismatched[l]);
    return sum / ((double)n * (double)n);
}

/* log p(a, b) - log p(a) - log p(b) of normal a, b of variance 1. */
static double normal_log_ratio(double r, const float *x)
{
    double a = (double)x[0], b = (double)x[1], left = 1 - r * r;

    return -.5 * log(left) - (a * a - 2 * r * a * b + b * b) / (2 * left) + (a * a + b * b) / 2;
}

/* Rows [n, 2]: one latent (a sign, or normal), seen twice with variance 1 and correlation r. */
static float *seen_twice(int64_t n, bool sign, double r, uint64_t seed)
{
    double *z = normals(seed, 1, n, 1), *e = normals(seed, 2, n * 2, 1);
    float *x = test_floats(n * 2);

    for (int64_t i = 0; i < n * 2; i++) {
        double latent = sign ? (z[i / 2] > 0 ? 1 : -1) : z[i / 2];
        x[i] = (float)(sqrt(r) * latent + sqrt(1 - r) * e[i]);
    }
    free(z);
    free(e);
    return x;
}

/* A sign seen through noise is not normal: the classifier finds what the normal ratio misses; of
 * normal variates, and of few rows, there is nothing to find and nothing is lost. */
static void test_match_learns_what_is_not_normal(void **state)
{
    enum { TEST = 1500 };
    const double r = .7; /* the true densities gain .014 */
    static const struct {
        int64_t n;
        bool sign;
        double least, most; /* of the gain in area */
    } cases[] = {{800, true, .007, .03}, {800, false, -.005, .005}, {60, true, 0, 0}};

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int64_t n = cases[c].n, sets = mucmm__density_ratio_rows(n);
        float *train = seen_twice(n, cases[c].sign, r, 51), row[2];
        float *test = seen_twice(TEST, cases[c].sign, r, 52);
        double *normal = malloc((size_t)sets * sizeof *normal), work[64];
        double plain[2][TEST], learned[2][TEST], gain;
        mucmm__density_ratio ratio;
        for (int64_t i = 0; i < sets; i++) {
            mucmm__density_ratio_row(n, 2, 1, train, i, row);
            assert_true(i % 3 > 0 ||
                        (row[0] == train[i / 3 * 2] && row[1] == train[i / 3 * 2 + 1]));
            assert_true(i % 3 == 0 || row[1] != train[i / 3 * 2 + 1]);
            normal[i] = normal_log_ratio(r, row);
        }
        CHECK_OK(ctx, mucmm__density_ratio_learn(ctx, n, 2, 1, train, normal, &ratio));
        assert_true(mucmm__density_ratio_work(&ratio) <= 64);
        for (int set = 0; set < 2; set++)
            for (int64_t i = 0; i < TEST; i++) {
                row[0] = test[i * 2];
                row[1] = test[(i + set) % TEST * 2 + 1];
                plain[set][i] = normal_log_ratio(r, row);
                learned[set][i] = plain[set][i] + mucmm__density_ratio_add(&ratio, row, work);
            }
        gain = area(TEST, learned[0], learned[1]) - area(TEST, plain[0], plain[1]);
        print_message("gain in area: %.4f\n", gain);
        assert_true(gain >= cases[c].least && gain <= cases[c].most);
        mucmm__density_ratio_drop(&ratio);
        free(normal);
        free(train);
        free(test);
    }
}

/* Rows of one view beside the rows of the other, and beside those of the next sample: the
 * likelihood ratio tells them apart better than the common score, which says nothing of samples
 * near the mean. Percentiles are places among the held-out rows; a file keeps them. */
static void test_match_tells_pairs_from_others(void **state)
{
    problem q = noisy_problem(1500, false, 33), other = noisy_problem(1000, false, 34);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_scores *s[3];
    mucmm_data *next = NULL;
    mucmm_model *m, *loaded = NULL;
    int64_t rows[1000];
    void *bytes = NULL;
    size_t size;
    double mean = 0;

    (void)state;
    p.individual = 1;
    m = fit(ctx, &q, &p);
    for (int64_t i = 0; i < 1000; i++)
        rows[i] = (i + 1) % 1000;
    CHECK_OK(ctx, mucmm_data_subset(ctx, other.data[1], rows, 1000, &next));
    s[0] = score(m, other.view, 2);
    s[1] = score(m, (mucmm_view[]){other.view[0], {"right", next}}, 2);
    CHECK_OK(ctx, mucmm_model_save_memory(ctx, m, &bytes, &size));
    CHECK_OK(ctx, mucmm_model_load_memory(ctx, bytes, size, NULL, &loaded));
    s[2] = score(loaded, other.view, 2);
    assert_true(area(1000, mucmm_scores_match(s[0]), mucmm_scores_match(s[1])) >
                area(1000, mucmm_scores_common(s[0]), mucmm_scores_common(s[1])) + .05);
    assert_true(area(1000, mucmm_scores_match(s[0]), mucmm_scores_match(s[1])) > .85);
    for (int64_t i = 0; i < 1000; i++) {
        assert_true(mucmm_scores_common_percentile(s[0])[i] >= 0);
        assert_true(mucmm_scores_common_percentile(s[0])[i] <= 100);
        mean += mucmm_scores_match_percentile(s[0])[i] / 1000;
        CHECK_CLOSE(mucmm_scores_match(s[2])[i], mucmm_scores_match(s[0])[i], 0);
        CHECK_CLOSE(mucmm_scores_match_percentile(s[2])[i], mucmm_scores_match_percentile(s[0])[i],
                    0);
    }
    CHECK_CLOSE(mean, 50, 8); /* held-out rows and new ones are of one kind */
    for (int i = 0; i < 3; i++)
        mucmm_scores_free(s[i]);
    mucmm_bytes_free(bytes);
    mucmm_data_free(next);
    mucmm_model_free(m);
    mucmm_model_free(loaded);
    drop_problem(&q);
    drop_problem(&other);
}

static void test_prediction_refusals(void **state)
{
    problem q = new_problem(ctx, 2, 60, false, 11);
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &p);
    float c[60 * 2] = {0}, out[60 * 2];
    mucmm_cmat good[2] = {{c, 60, 2, 2}}, shorter[2] = {{c, 59, 2, 2}};
    mucmm_mat to = {out, 60, 2, 2}, narrow = {out, 60, 1, 1};

    (void)state;
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, good, 2, &to, NULL), MUCMM_EARG,
                  "view 2 is out of range");
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, shorter, 1, &to, NULL),
                  MUCMM_ESHAPE, "view 'left' are [59, 2]; they must be [60, 2]");
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, good, 1, &narrow, NULL),
                  MUCMM_ESHAPE, "predicted is [60, 1]; it must be [60, 2]");
    check_message(ctx, mucmm_predict_common(ctx, m, MUCMM_HEADS, good, 1, &to, &narrow),
                  MUCMM_ESHAPE, "sd is [60, 1]; it must be [60, 2]");
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- scores of some of the views --------------------------------------------------- */

/* Every array of a summary of views 0 and 2 of three has room for all, NaN where view 1 is needed,
 * and elsewhere what it has in a summary of all. */
static void check_arrays(const mucmm_summary *all, const mucmm_summary *some)
{
    mucmm_summary a = *all, s = *some;
    mucmm__extent extent;
    size_t n = 0;

    for (double **x, **y; (x = mucmm__summary_array(&s, n, &extent)); n++) {
        y = mucmm__summary_array(&a, n, &extent);
        for (int i = 0; i < 9 && extent == MUCMM__PER_PAIR; i++)
            if (i / 3 != i % 3)
                assert_true(isnan((*x)[i]) == (i / 3 == 1 || i % 3 == 1 || isnan((*y)[i])));
        for (int i = 0; i < 3 && extent == MUCMM__PER_VIEW; i++)
            assert_true(isnan((*x)[i]) == (i == 1 || isnan((*y)[i])));
    }
    assert_false(isnan(some->leakage_linear_p[0]) || isnan(some->leakage_individual_p[2]));
    /* the list has all arrays but the three of sharing, beside ten numbers */
    assert_int_equal(sizeof a, (n + 3) * sizeof(double *) + 10 * sizeof(int64_t));
}

static void test_scores_of_two_views_of_three(void **state)
{
    problem q = new_problem(ctx, 3, 400, false, 12);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &p);
    forget_rows(m);
    mucmm_scores *all = score(m, q.view, 3);
    mucmm_scores *some = score(m, (mucmm_view[]){q.view[2], q.view[0]}, 2);
    variates v = represent(m, MUCMM_HEADS, &q);

    (void)state;
    for (int representation = 0; representation < 2; representation++) {
        const mucmm_summary *a = mucmm_scores_summary(all, (mucmm_representation)representation);
        const mucmm_summary *s = mucmm_scores_summary(some, (mucmm_representation)representation);
        assert_int_equal(s->views, 3);
        check_arrays(a, s);
        for (int32_t i = 0; i < 3; i += 2) {
            CHECK_CLOSE(s->common_share[i], a->common_share[i], 0);
            CHECK_CLOSE(s->individual_share[i], a->individual_share[i], 0);
            CHECK_CLOSE(s->rest_share[i], a->rest_share[i], 0);
            assert_true(s->leakage_linear[i] >= 0 && s->leakage_linear[i] < .2);
            assert_true(isfinite(s->leakage_kernel[i])); /* of the c of the views given */
        }
        CHECK_CLOSE(s->leakage_individual[2], a->leakage_individual[2], 0);
        CHECK_CLOSE(s->leakage_individual[6], a->leakage_individual[6], 0);
        CHECK_CLOSE(s->retrieval_1[2], a->retrieval_1[2], 0);
        CHECK_CLOSE(s->retrieval_10[6], a->retrieval_10[6], 0);
        CHECK_CLOSE(s->leakage_individual[4], 0, 0);
        assert_true(isnan(s->common_share[1]) && isnan(s->rest_share[1]));
        assert_true(isnan(s->leakage_linear[1]) && isnan(s->leakage_kernel[1]));
        assert_true(isnan(s->leakage_individual[1]) && isnan(s->retrieval_10[5]));
    }
    assert_null(mucmm_scores_summary(some, MUCMM_HEADS)->carried);
    assert_non_null(mucmm_scores_summary(all, MUCMM_HEADS)->carried);
    for (int64_t j = 0; j < v.k; j++)
        CHECK_CLOSE(mucmm_scores_summary(some, MUCMM_HEADS)->correlations[j],
                    correlation(v.c[0], v.k, j, v.c[2], v.k, j, v.n), 1e-6);
    assert_null(mucmm_scores_individual(some, 1));
    assert_null(mucmm_scores_common_energy(some, 1));
    for (int64_t i = 0; i < q.n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < v.k; j++)
            sum += m->heads.rho[j] * (double)v.c[0][i * v.k + j] * (double)v.c[2][i * v.k + j];
        CHECK_CLOSE(mucmm_scores_common(some)[i], sum, 1e-12);
        for (int32_t w = 0; w < 3; w += 2) {
            CHECK_CLOSE(mucmm_scores_individual(some, w)[i], mucmm_scores_individual(all, w)[i], 0);
            CHECK_CLOSE(mucmm_scores_common_energy(some, w)[i],
                        mucmm_scores_common_energy(all, w)[i], 0);
        }
    }
    mucmm_scores_free(all);
    mucmm_scores_free(some);
    drop_variates(&v);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* Of view `given` alone: what takes another one is not known, in whatever array. */
static void check_single(const mucmm_summary *one, int given)
{
    mucmm_summary s = *one;
    int64_t views = s.views;
    mucmm__extent extent;
    double **x;

    for (size_t n = 0; (x = mucmm__summary_array(&s, n, &extent)); n++)
        for (int64_t i = 0; i < views * views; i++) {
            if (extent == MUCMM__PER_PAIR && i / views != i % views)
                assert_true(isnan((*x)[i]));
            if (extent == MUCMM__PER_VIEW && i < views && i != given)
                assert_true(isnan((*x)[i]));
        }
    assert_true(isnan(s.correlations[0]) && isnan(s.p_values[0]) && isnan(s.total_correlation));
    assert_int_equal(s.significant, 0);
    assert_null(s.carried);
    assert_true(s.common_share[given] > .1);
    assert_true(s.leakage_linear[given] >= 0 && s.leakage_linear[given] < .2);
    assert_true(s.leakage_linear_chance[given] >= 0 && s.leakage_linear_chance[given] < .2);
}

static void test_scores_of_a_single_view(void **state)
{
    (void)state;
    for (int at = 0; at < 8; at++) { /* views of the model, its head, individual ones or none */
        problem q = new_problem(ctx, 2 + at % 2, 200, false, 13);
        mucmm_fit_params p = small_params(at & 2 ? MUCMM_HEAD_MLP : MUCMM_HEAD_LINEAR);
        mucmm_model *m;

        p.individual = at & 4 ? 0 : p.individual;
        m = fit(ctx, &q, &p);
        for (int given = 0; given < q.n_views; given++) {
            mucmm_scores *s = score(m, &q.view[given], 1);
            check_single(mucmm_scores_summary(s, MUCMM_HEADS), given);
            check_single(mucmm_scores_summary(s, MUCMM_LINEAR), given);
            assert_true(isnan(mucmm_scores_common(s)[0]));
            assert_null(mucmm_scores_individual(s, (given + 1) % 2));
            assert_true(mucmm_scores_individual(s, given)[0] > 0 || at & 4);
            mucmm_scores_free(s);
        }
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

/* ---- rows that lack views: moments ------------------------------------------------- */

/* q with holes: view m is missing in row i if lacks(m, i). Shares q's memory. */
static problem with_holes(const problem *q, bool (*lacks)(int32_t m, int64_t i))
{
    problem part = *q;
    int64_t *rows = calloc((size_t)q->n, sizeof *rows);

    for (int32_t m = 0; m < q->n_views; m++) {
        for (int64_t i = 0; i < q->n; i++)
            rows[i] = lacks(m, i) ? -1 : i;
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[m], rows, q->n, &part.data[m]));
        part.view[m].data = part.data[m];
    }
    free(rows);
    return part;
}

/* The rows of q that lack nothing; free with drop_rows. */
static problem complete_rows(const problem *q)
{
    problem part = *q;
    int64_t *rows = calloc((size_t)q->n, sizeof *rows), n = 0;

    for (int64_t i = 0; i < q->n; i++)
        if (mucmm__row_views(q->n_views, (const mucmm_data *const *)q->data, i) ==
            (1u << q->n_views) - 1)
            rows[n++] = i;
    part.n = n;
    for (int32_t m = 0; m < q->n_views; m++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[m], rows, n, &part.data[m]));
        part.view[m].data = part.data[m];
    }
    free(rows);
    return part;
}

static bool nothing(int32_t m, int64_t i)
{
    (void)m;
    (void)i;
    return false;
}

/* 30 % of the second view's rows */
static bool second_view(int32_t m, int64_t i)
{
    return m == 1 && mucmm__rng_uniform(mucmm__rng_key(77, 1), (uint64_t)i) < .3;
}

/* 30 % of the rows of every view */
static bool every_view(int32_t m, int64_t i)
{
    return mucmm__rng_uniform(mucmm__rng_key(77, (uint64_t)m), (uint64_t)i) < .3;
}

typedef struct moments {
    int64_t total, offset[4];
    double *mean, *cov;
} moments;

static moments incomplete_moments(const problem *q)
{
    moments o = {0};
    int64_t *rows = calloc((size_t)q->n, sizeof *rows);

    for (int64_t i = 0; i < q->n; i++)
        rows[i] = i;
    for (int32_t m = 0; m < q->n_views; m++)
        o.offset[m + 1] = o.total += q->p[m];
    o.mean = test_doubles(o.total);
    o.cov = test_doubles(o.total * o.total);
    CHECK_OK(ctx, mucmm__incomplete_moments(ctx, q->n_views, (const mucmm_data *const *)q->data,
                                            o.offset, rows, q->n, 1e-9, o.mean, o.cov));
    free(rows);
    return o;
}

static void drop_moments(moments *o)
{
    free(o->mean);
    free(o->cov);
}

/* Of columns a and b over all rows, or over those that have the second view. */
static double plain_covariance(const problem *q, const moments *o, int64_t a, int64_t b, bool pairs,
                               double *mean_a)
{
    int32_t va = 0, vb = 0;
    double sa = 0, sb = 0, sum = 0;
    int64_t n = 0;

    while (a >= o->offset[va + 1])
        va++;
    while (b >= o->offset[vb + 1])
        vb++;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < q->n; i++) {
            double xa = (double)q->x[va][i * q->p[va] + a - o->offset[va]];
            double xb = (double)q->x[vb][i * q->p[vb] + b - o->offset[vb]];
            if (pairs && !mucmm_data_has(q->data[1], i))
                continue;
            if (pass == 0) {
                sa += xa;
                sb += xb;
                n++;
            } else
                sum += (xa - sa / (double)n) * (xb - sb / (double)n);
        }
    if (mean_a)
        *mean_a = sa / (double)n;
    return sum / (double)(n - 1);
}

static void test_complete_rows_have_their_plain_moments(void **state)
{
    problem q = new_problem(ctx, 2, 120, false, 20), holes = with_holes(&q, nothing);
    moments o = incomplete_moments(&holes);
    double mean;

    (void)state;
    for (int64_t a = 0; a < o.total; a++)
        for (int64_t b = 0; b < o.total; b++) {
            CHECK_CLOSE(o.cov[a * o.total + b], plain_covariance(&holes, &o, a, b, false, &mean),
                        1e-5);
            CHECK_CLOSE(o.mean[a], mean, 1e-6);
        }
    drop_moments(&o);
    drop_rows(&holes);
    drop_problem(&q);
}

/* Where one view is always there the likelihood has its maximum in closed form (Anderson 1957):
 * with B the regression of the second view on the first in the pairs, S_aa is that of all rows,
 * S_ab = S_aa B, and S_bb = B'S_aa B + what the regression leaves of the pairs. */
static void test_moments_of_a_view_that_is_missing_are_andersons(void **state)
{
    problem q = new_problem(ctx, 2, 300, false, 21), holes = with_holes(&q, second_view);
    moments o = incomplete_moments(&holes);
    int64_t p = q.p[0], r = q.p[1], total = p + r;
    double *b = test_doubles(p * r), *pairs = test_doubles(p * p), *left = test_doubles(r * r);
    double *mean = test_doubles(total), *mean_pairs = test_doubles(total);

    (void)state;
    for (int64_t i = 0; i < total; i++) {
        plain_covariance(&holes, &o, i, i, false, &mean[i]);
        plain_covariance(&holes, &o, i, i, true, &mean_pairs[i]);
    }
    for (int64_t i = 0; i < p; i++) {
        for (int64_t j = 0; j < p; j++)
            pairs[i * p + j] = plain_covariance(&holes, &o, i, j, true, NULL);
        for (int64_t j = 0; j < r; j++)
            b[i * r + j] = plain_covariance(&holes, &o, i, p + j, true, NULL);
    }
    for (int64_t i = 0; i < r; i++)
        for (int64_t j = 0; j < r; j++)
            left[i * r + j] = plain_covariance(&holes, &o, p + i, p + j, true, NULL);
    CHECK_OK(ctx, mucmm__cholesky(ctx, p, pairs, "test"));
    CHECK_OK(ctx, mucmm__solve_lower(ctx, false, p, r, pairs, b));
    for (int64_t i = 0; i < r; i++) /* S_bb - B'S_aa B of the pairs */
        for (int64_t j = 0; j < r; j++)
            for (int64_t l = 0; l < p; l++)
                left[i * r + j] -= b[l * r + i] * b[l * r + j];
    CHECK_OK(ctx, mucmm__solve_lower(ctx, true, p, r, pairs, b));
    for (int64_t i = 0; i < p; i++)
        CHECK_CLOSE(o.mean[i], mean[i], 1e-5);
    for (int64_t j = 0; j < r; j++) {
        double want = mean_pairs[p + j];
        for (int64_t l = 0; l < p; l++)
            want += b[l * r + j] * (mean[l] - mean_pairs[l]);
        CHECK_CLOSE(o.mean[p + j], want, 1e-4);
    }
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < p; j++)
            CHECK_CLOSE(o.cov[i * total + j], plain_covariance(&holes, &o, i, j, false, NULL),
                        1e-4);
    for (int64_t j = 0; j < r; j++) {
        double *s_ab = test_doubles(p);
        for (int64_t i = 0; i < p; i++) {
            for (int64_t l = 0; l < p; l++)
                s_ab[i] += plain_covariance(&holes, &o, i, l, false, NULL) * b[l * r + j];
            CHECK_CLOSE(o.cov[i * total + p + j], s_ab[i], 2e-3);
            CHECK_CLOSE(o.cov[(p + j) * total + i], o.cov[i * total + p + j], 0);
        }
        for (int64_t k = 0; k < r; k++) {
            double want = left[k * r + j];
            for (int64_t i = 0; i < p; i++)
                want += b[i * r + k] * s_ab[i];
            CHECK_CLOSE(o.cov[(p + k) * total + p + j], want, 2e-3);
        }
        free(s_ab);
    }
    free(b);
    free(pairs);
    free(left);
    free(mean);
    free(mean_pairs);
    drop_moments(&o);
    drop_rows(&holes);
    drop_problem(&q);
}

/* Any pattern, single rows among them, also with more columns than rows: no variance is negative,
 * nothing is indefinite. */
static void check_positive_definite(int64_t n)
{
    problem q = new_problem(ctx, 3, n, false, 22), holes;
    moments o;

    for (int64_t i = 0; i < q.n; i++)
        q.x[2][i * q.p[2] + 3] = 7; /* a constant column stays one */
    holes = with_holes(&q, every_view);
    o = incomplete_moments(&holes);
    for (int64_t i = 0; i < o.total; i++) {
        CHECK_CLOSE(o.cov[(q.p[0] + q.p[1] + 3) * o.total + i], 0, 0);
        o.cov[i * (o.total + 1)] += 1e-6;
    }
    CHECK_CLOSE(o.mean[q.p[0] + q.p[1] + 3], 7, 1e-6);
    CHECK_OK(ctx, mucmm__cholesky(ctx, o.total, o.cov, "test"));
    drop_moments(&o);
    drop_rows(&holes);
    drop_problem(&q);
}

static void test_moments_are_positive_definite(void **state)
{
    (void)state;
    check_positive_definite(60);
    check_positive_definite(10);
}

/* ---- rows that lack views: fits ---------------------------------------------------- */

/* Sum over fits to parts of q, n rows each, of the squared errors of the correlations: of all rows
 * and of those that lack nothing. */
static void compare_errors(const problem *q, bool (*lacks)(int32_t, int64_t), int64_t n,
                           double *all, double *complete)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *truth;

    p.individual = 0;
    p.ridge = 1e-8;
    truth = fit(ctx, q, &p);
    *all = *complete = 0;
    for (int64_t first = 0; first + n <= q->n; first += n) {
        problem part = some_rows(q, first, n), holes = with_holes(&part, lacks);
        problem whole = complete_rows(&holes);
        mucmm_model *one = fit(ctx, &holes, &p), *other = fit(ctx, &whole, &p);
        for (int64_t j = 0; j < p.common; j++) {
            *all += pow(one->linear.rho[j] - truth->linear.rho[j], 2);
            *complete += pow(other->linear.rho[j] - truth->linear.rho[j], 2);
        }
        mucmm_model_free(one);
        mucmm_model_free(other);
        drop_rows(&part);
        drop_rows(&holes);
        drop_rows(&whole);
    }
    mucmm_model_free(truth);
}

static void test_rows_that_lack_views_bring_correlations_closer(void **state)
{
    double all, complete;

    (void)state;
    for (int32_t views = 2; views <= 3; views++) {
        problem q = new_problem(ctx, views, 40 * 300, false, 23);
        for (int32_t m = 0; m < views; m++)
            for (int64_t i = 0; i < q.n * q.p[m]; i++)
                q.x[m][i] +=
                    (float)(2 * mucmm__rng_normal(mucmm__rng_key(24, (uint64_t)m), (uint64_t)i));
        compare_errors(&q, views == 2 ? second_view : every_view, 300, &all, &complete);
        print_message("# %d views, 30 %% missing: squared errors of correlations %.4f, complete "
                      "rows alone %.4f\n",
                      views, all, complete);
        assert_true(all < (views == 2 ? 1.02 : .7) * complete);
        drop_problem(&q);
    }
}

static void test_fit_uses_the_rows_it_can(void **state)
{
    problem q = new_problem(ctx, 3, 900, false, 25), holes = with_holes(&q, every_view);
    problem whole = complete_rows(&holes);

    (void)state;
    for (int head = 0; head < 2; head++) {
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        mucmm_model *m = fit(ctx, &holes, &p);
        int64_t held_out = (int64_t)ceil((double)whole.n * p.validation);
        int64_t others = rows_not_trained(&whole, &p);
        for (int representation = 0; representation < 2; representation++) {
            const mucmm_summary *s =
                mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, (mucmm_representation)representation);
            assert_int_equal(s->rows, held_out);
            assert_true(s->correlations[0] > .8);
        }
        assert_int_equal(mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS)->rows,
                         whole.n - others);
        for (int32_t v = 0; v < 3; v++) {
            int64_t has = q.n - mucmm_data_missing(holes.data[v]);
            assert_int_equal(mucmm_model_training_rows(m, v), has - others);
            for (int64_t j = 0; j < q.p[v]; j++) /* closer to that of all rows than chance allows */
                CHECK_CLOSE(m->view[v].mean[j], column_mean(q.x[v], q.n, q.p[v], j),
                            .12 * m->view[v].scale[j] * (1 + .25 * (double)j));
        }
        mucmm_model_free(m);
    }
    drop_rows(&whole);
    drop_rows(&holes);
    drop_problem(&q);
}

static bool all_but_eleven(int32_t m, int64_t i)
{
    return i >= 11 && i % 2 == m % 2;
}

static bool all_of_the_second(int32_t m, int64_t i)
{
    (void)i;
    return m == 1;
}

static bool all_but_two(int32_t m, int64_t i)
{
    return i >= 2 && i % 2 == m % 2;
}

static void test_fit_refuses_too_many_holes(void **state)
{
    static const struct {
        bool (*lacks)(int32_t m, int64_t i);
        const char *fragment;
    } cases[] = {
        {all_of_the_second, "view 'right' (right) is missing in every row"},
        {all_but_two,
         "2 rows that have all views leave 1 for training, 0 to choose by and 1 held out"},
        {all_but_eleven, "a batch of 7 rows is too small for 2 views of 2 common dimensions"},
    };
    problem q = new_problem(ctx, 2, 100, false, 26);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        problem holes = with_holes(&q, cases[i].lacks);
        mucmm_model *m = (mucmm_model *)&p;
        check_message(ctx, mucmm_fit(ctx, holes.view, 2, &p, &m), MUCMM_ESHAPE, cases[i].fragment);
        assert_null(m);
        drop_rows(&holes);
    }
    drop_problem(&q);
}

static void test_variates_and_scores_of_rows_that_lack_views(void **state)
{
    problem q = new_problem(ctx, 3, 300, false, 27), holes = with_holes(&q, every_view);
    problem whole = complete_rows(&holes);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &p);
    variates all = represent(m, MUCMM_HEADS, &q), some = represent(m, MUCMM_HEADS, &holes);
    forget_rows(m);
    mucmm_scores *s = score(m, holes.view, 3), *t = score(m, whole.view, 3),
                 *a = score(m, q.view, 3);
    const mucmm_summary *one = mucmm_scores_summary(s, MUCMM_HEADS);
    const mucmm_summary *two = mucmm_scores_summary(t, MUCMM_HEADS);

    (void)state;
    assert_int_equal(one->rows, whole.n);
    assert_memory_equal(one->correlations, two->correlations, 2 * sizeof(double));
    assert_memory_equal(one->p_values, two->p_values, 2 * sizeof(double));
    assert_memory_equal(one->common_share, two->common_share, 3 * sizeof(double));
    assert_memory_equal(one->leakage_linear, two->leakage_linear, 3 * sizeof(double));
    assert_memory_equal(one->leakage_kernel, two->leakage_kernel, 3 * sizeof(double));
    for (int64_t i = 0; i < q.n; i++) {
        double sum = 0;
        int n = 0;
        for (int32_t v = 0; v < 3; v++) {
            bool has = mucmm_data_has(holes.data[v], i);
            for (int64_t j = 0; j < 2; j++)
                if (has)
                    CHECK_CLOSE((double)some.c[v][i * 2 + j], (double)all.c[v][i * 2 + j], 1e-5);
                else
                    assert_true(isnan(some.c[v][i * 2 + j]));
            if (has) {
                CHECK_CLOSE(mucmm_scores_individual(s, v)[i], mucmm_scores_individual(a, v)[i],
                            1e-3 * (1 + mucmm_scores_individual(a, v)[i]));
            } else {
                assert_true(isnan(mucmm_scores_individual(s, v)[i]));
                assert_true(isnan(mucmm_scores_common_energy(s, v)[i]));
            }
            for (int32_t w = 0; w < v; w++)
                if (has && mucmm_data_has(holes.data[w], i)) {
                    n++;
                    for (int64_t j = 0; j < 2; j++)
                        sum += m->heads.rho[j] * (double)some.c[v][i * 2 + j] *
                               (double)some.c[w][i * 2 + j];
                }
        }
        if (n > 0)
            CHECK_CLOSE(mucmm_scores_common(s)[i], sum / n, 1e-12);
        else
            assert_true(isnan(mucmm_scores_common(s)[i]));
    }
    mucmm_scores_free(s);
    mucmm_scores_free(t);
    mucmm_scores_free(a);
    drop_variates(&all);
    drop_variates(&some);
    mucmm_model_free(m);
    drop_rows(&whole);
    drop_rows(&holes);
    drop_problem(&q);
}

typedef struct memory_case {
    problem q;
    mucmm_model *m;
} memory_case;

static mucmm_status score_some(mucmm_ctx *c, void *arg)
{
    const memory_case *t = arg;
    mucmm_scores *s = NULL;
    float in[40 * 2] = {0}, out[40 * 2], sd[40 * 2];
    const mucmm_cmat common[3] = {{in, 40, 2, 2}};
    mucmm_status status = mucmm_score(c, t->m, t->q.view, 2, NULL, &s);

    if (status == MUCMM_OK)
        status = mucmm_predict_common(c, t->m, MUCMM_HEADS, common, 2, &(mucmm_mat){out, 40, 2, 2},
                                      &(mucmm_mat){sd, 40, 2, 2});
    mucmm_scores_free(s);
    return status;
}

static mucmm_status fit_holes(mucmm_ctx *c, void *arg)
{
    const memory_case *t = arg;
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = NULL;
    mucmm_scores *s = NULL;
    mucmm_status status = mucmm_fit(c, t->q.view, 2, &p, &m);

    if (status == MUCMM_OK)
        status = mucmm_score(c, m, t->q.view, 2, NULL, &s);
    mucmm_scores_free(s);
    mucmm_model_free(m);
    return status;
}

static void test_failed_allocations_are_reported(void **state)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);
    memory_case t = {new_problem(ctx, 3, 40, false, 14), NULL};

    (void)state;
    t.m = fit(ctx, &t.q, &p);
    assert_true(sweep_out_of_memory(score_some, &t, 1000) > 40);
    memory_case holes = {with_holes(&t.q, second_view), NULL};
    assert_true(sweep_out_of_memory(fit_holes, &holes, 200) > 60);
    mucmm_model_free(t.m);
    drop_rows(&holes.q);
    drop_problem(&t.q);
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
        cmocka_unit_test(test_prediction_is_the_regression_on_the_training_rows),
        cmocka_unit_test(test_prediction_between_two_views_is_their_correlation),
        cmocka_unit_test(test_errors_of_unseen_rows_are_as_large_as_was_said),
        cmocka_unit_test(test_error_bars_do_not_believe_training_rows),
        cmocka_unit_test(test_rows_may_lack_different_views),
        cmocka_unit_test(test_predictions_survive_the_model_file),
        cmocka_unit_test(test_error_bars_hold_where_the_noise_is),
        cmocka_unit_test(test_match_learns_what_is_not_normal),
        cmocka_unit_test(test_match_tells_pairs_from_others),
        cmocka_unit_test(test_prediction_refusals),
        cmocka_unit_test(test_scores_of_two_views_of_three),
        cmocka_unit_test(test_scores_of_a_single_view),
        cmocka_unit_test(test_complete_rows_have_their_plain_moments),
        cmocka_unit_test(test_moments_of_a_view_that_is_missing_are_andersons),
        cmocka_unit_test(test_moments_are_positive_definite),
        cmocka_unit_test(test_rows_that_lack_views_bring_correlations_closer),
        cmocka_unit_test(test_fit_uses_the_rows_it_can),
        cmocka_unit_test(test_fit_refuses_too_many_holes),
        cmocka_unit_test(test_variates_and_scores_of_rows_that_lack_views),
        cmocka_unit_test(test_failed_allocations_are_reported),
    };
    return cmocka_run_group_tests_name("missing", tests, set_up, tear_down);
}
