/* SPDX-License-Identifier: MIT
 *
 * Covariates that are taken out of the features: what a fit learns, where it is applied, what is
 * refused, and p-values of views that share nothing but covariates.
 */
#include "model/adjust.h"
#include "workspace.h"

/* ---- views that share latents and a batch ------------------------------------------ */

#define P 8
#define BATCHES 4

/* x_m = s a_m + noise + batch effect + curve of age; s [n, 2] (NULL: independent views). */
typedef struct study {
    int64_t n;
    float *x[2];
    double *s, *age;
    int *batch;
    mucmm_data *data[2]; /* with the table attached */
    mucmm_view view[2];
    mucmm_table *table;
} study;

static mucmm_table *table_of(const char *text)
{
    mucmm_table *t;

    CHECK_OK(ctx, mucmm_table_open_memory(ctx, text, strlen(text), "known.csv", NULL, &t));
    return t;
}

static void write_table(study *q)
{
    char *text = malloc((size_t)q->n * 64 + 64), *at = text;

    at += sprintf(at, "batch,age,site,note\n");
    for (int64_t i = 0; i < q->n; i++)
        at += sprintf(at, "b%d,%.4f,%d,x\n", q->batch[i], 50 + 15 * q->age[i], q->batch[i]);
    q->table = table_of(text);
    free(text);
}

static void attach(study *q)
{
    static const char *const names[] = {"left", "right"};

    for (int m = 0; m < 2; m++) {
        mucmm_data *d;
        CHECK_OK(ctx,
                 mucmm_data_wrap(ctx, &(mucmm_cmat){q->x[m], q->n, P, P}, names[m], NULL, 0, &d));
        CHECK_OK(ctx, mucmm_data_attach(ctx, d, q->table, &q->data[m]));
        mucmm_data_free(d);
        q->view[m] = (mucmm_view){names[m], q->data[m]};
    }
}

static study new_study(int64_t n, bool shared, double batch_sd, double curve, uint64_t seed)
{
    study q = {.n = n, .s = normals(seed, 1, n * 2, 1), .age = normals(seed, 2, n, 1)};

    q.batch = calloc((size_t)n, sizeof *q.batch);
    for (int64_t i = 0; i < n; i++)
        q.batch[i] = (int)(mucmm__rng_bits(mucmm__rng_key(seed, 3), (uint64_t)i) % BATCHES);
    for (uint64_t m = 0; m < 2; m++) { /* mixing and effects are those of every study */
        double *a = normals(5, 10 + m, 2 * P, 1), *e = normals(seed, 20 + m, n * P, .7);
        double *effect = normals(5, 30 + m, BATCHES * P, batch_sd),
               *bend = normals(5, 40 + m, P, 1);
        q.x[m] = test_floats(n * P);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < P; j++) {
                double own = q.s[i * 2] * a[j] + q.s[i * 2 + 1] * a[P + j];
                q.x[m][i * P + j] =
                    (float)(e[i * P + j] + (shared ? own : 0) + effect[q.batch[i] * P + j] + 2 +
                            curve * q.age[i] * q.age[i] * bend[j]);
            }
        free(a);
        free(e);
        free(effect);
        free(bend);
    }
    write_table(&q);
    attach(&q);
    return q;
}

static void drop_study(study *q)
{
    for (int m = 0; m < 2; m++) {
        mucmm_data_free(q->data[m]);
        free(q->x[m]);
    }
    mucmm_table_free(q->table);
    free(q->s);
    free(q->age);
    free(q->batch);
}

static mucmm_fit_params adjusted(const char *adjust)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 2;
    p.individual = 1;
    p.validation = .3;
    p.adjust = adjust;
    return p;
}

static mucmm_model *fit_study(const study *q, const mucmm_fit_params *p)
{
    mucmm_model *m;

    CHECK_OK(ctx, mucmm_fit(ctx, q->view, 2, p, &m));
    return m;
}

/* c of view 0, [n, 2] */
static float *common_of(const mucmm_model *m, const study *q)
{
    float *c = test_floats(q->n * 2);

    CHECK_OK(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, q->data[0], &(mucmm_mat){c, q->n, 2, 2},
                                  NULL));
    return c;
}

/* R2 of t on 1 and the columns of c [n, 2], which are centred here. */
static double explained(const float *c, const double *t, int64_t stride, int64_t n)
{
    double mean[3] = {0}, s[3][3] = {{0}}, det, b0, b1;

    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            mean[k] += (k < 2 ? (double)c[i * 2 + k] : t[i * stride]) / (double)n;
    for (int64_t i = 0; i < n; i++) {
        double v[3] = {(double)c[i * 2] - mean[0], (double)c[i * 2 + 1] - mean[1],
                       t[i * stride] - mean[2]};
        for (int k = 0; k < 9; k++)
            s[k / 3][k % 3] += v[k / 3] * v[k % 3];
    }
    det = s[0][0] * s[1][1] - s[0][1] * s[0][1];
    b0 = (s[0][2] * s[1][1] - s[1][2] * s[0][1]) / det;
    b1 = (s[1][2] * s[0][0] - s[0][2] * s[0][1]) / det;
    return (b0 * s[0][2] + b1 * s[1][2]) / s[2][2];
}

/* The largest share of c's variance between the batches. */
static double between_batches(const float *c, const study *q)
{
    double largest = 0;

    for (int k = 0; k < 2; k++) {
        double sum[BATCHES] = {0}, all = 0, squares = 0, between = 0;
        int64_t count[BATCHES] = {0};
        for (int64_t i = 0; i < q->n; i++) {
            sum[q->batch[i]] += (double)c[i * 2 + k];
            count[q->batch[i]]++;
            all += (double)c[i * 2 + k];
            squares += (double)c[i * 2 + k] * (double)c[i * 2 + k];
        }
        for (int b = 0; b < BATCHES; b++)
            between += sum[b] * sum[b] / (double)count[b];
        all = all * all / (double)q->n;
        largest = fmax(largest, (between - all) / (squares - all));
    }
    return largest;
}

/* ---- what comes of it -------------------------------------------------------------- */

static void test_a_batch_that_is_taken_out_is_not_in_the_common_part(void **state)
{
    static const char *const ways[] = {NULL, "batch", "site:category", "age, batch"};
    study train = new_study(600, true, 3, 0, 1), fresh = new_study(600, true, 3, 0, 2);

    (void)state;
    for (int way = 0; way < 4; way++) {
        mucmm_fit_params p = adjusted(ways[way]);
        mucmm_model *m = fit_study(&train, &p), *again;
        float *c = common_of(m, &fresh), *d;
        bytes file = saved(m);
        double latents = fmin(explained(c, fresh.s, 2, 600), explained(c, fresh.s + 1, 2, 600));
        if (way == 0) {
            assert_true(latents < .3);
            assert_true(between_batches(c, &fresh) > .9);
        } else {
            assert_true(latents > .9);
            assert_true(between_batches(c, &fresh) < .03);
            assert_string_equal(mucmm_model_params(m)->adjust, ways[way]);
        }
        CHECK_OK(ctx, mucmm_model_load_memory(ctx, file.data, file.size, NULL, &again));
        d = common_of(again, &fresh);
        assert_memory_equal(c, d, sizeof *c * 1200);
        mucmm_model_free(m);
        mucmm_model_free(again);
        free(c);
        free(d);
        free(file.data);
    }
    drop_study(&train);
    drop_study(&fresh);
}

/* The features of training rows do not tell the covariates any more, whichever way the moments of
 * the fit are made. */
static void test_the_fit_sees_what_the_model_makes_of_the_rows(void **state)
{
    (void)state;
    for (int64_t n = 40; n <= 640; n *= 16) { /* a small sample, and not */
        study q = new_study(n, true, 3, 1, 7);
        mucmm_fit_params p = adjusted("batch,age");
        mucmm_model *m;
        double variance = 0;
        float *h = test_floats(n * P);

        p.adjust_nonlinear = 2;
        p.ridge = .01;
        p.validation = .2;
        m = fit_study(&q, &p);
        CHECK_OK(ctx, mucmm__features(ctx, &m->view[0], q.data[0], NULL, n, h));
        for (int64_t i = 0; i < n * P; i++)
            variance += (double)h[i] * (double)h[i] / (double)n;
        /* of all rows, of which a fifth is held out, against what the fit had of the others */
        CHECK_CLOSE(variance / m->view[0].variance, 1, n == 40 ? .25 : .05);
        mucmm_model_free(m);
        free(h);
        drop_study(&q);
    }
}

static void test_splines_take_a_curve_out(void **state)
{
    study train = new_study(600, false, 0, 1, 3), fresh = new_study(600, false, 0, 1, 4);

    (void)state;
    for (int nonlinear = 1; nonlinear <= 4; nonlinear += 3) {
        mucmm_fit_params p = adjusted("age");
        mucmm_model *m;
        float *c;
        double square[600];

        p.adjust_nonlinear = nonlinear;
        m = fit_study(&train, &p);
        c = common_of(m, &fresh);
        for (int i = 0; i < 600; i++)
            square[i] = fresh.age[i] * fresh.age[i];
        if (nonlinear == 1)
            assert_true(explained(c, square, 1, 600) > .5);
        else
            assert_true(explained(c, square, 1, 600) < .1);
        mucmm_model_free(m);
        free(c);
    }
    drop_study(&train);
    drop_study(&fresh);
}

/* Independent views, the same covariates in both. A p-value of the smaller of two at 5 % comes in 5
 * % of the runs: 12 of 100 are more than six standard deviations of chance over four. */
static void test_p_values_of_adjusted_views_hold(void **state)
{
    int found = 0, unadjusted = 0;

    (void)state;
    for (uint64_t run = 0; run < 100; run++) {
        study q = new_study(120, false, 1, 0, 100 + run);
        mucmm_fit_params p = adjusted("batch,age");
        mucmm_model *m = fit_study(&q, &p);
        const mucmm_summary *s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
        found += fmin(s->p_values[0], s->p_values[1]) <= .05;
        mucmm_model_free(m);
        if (run < 10) {
            p.adjust = NULL;
            m = fit_study(&q, &p);
            s = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR);
            unadjusted += fmin(s->p_values[0], s->p_values[1]) <= .05;
            mucmm_model_free(m);
        }
        drop_study(&q);
    }
    assert_true(found <= 12);
    assert_true(unadjusted >= 9);
}

/* A small sample: what covariates of many columns leave of a row holds some of all other rows, in
 * both views alike. 54 rows of independent views, ten columns of covariates: held-out correlations
 * are 0 in the mean (0.13 with regressions that saw the row), and p <= 0.05 in about 3 of 60 runs
 * (19 where residuals are permuted). */
static void test_small_samples_do_not_share_their_residuals(void **state)
{
    enum { N = 54, RUNS = 60 };
    double mean = 0;
    int found = 0;

    (void)state;
    for (uint64_t run = 0; run < RUNS; run++) {
        study q = {.n = N};
        double *known = normals(700 + run, 1, N * 3, 1);
        char text[N * 64 + 64], *at = text + sprintf(text, "batch,x,y,z\n");
        mucmm_fit_params p = adjusted("batch,x,y,z");
        const mucmm_cross_fit *r;
        mucmm_model *m;
        for (int i = 0; i < N; i++)
            at += sprintf(at, "b%d,%.4f,%.4f,%.4f\n", i % 8, known[i * 3], known[i * 3 + 1],
                          known[i * 3 + 2]);
        q.table = table_of(text);
        for (uint64_t v = 0; v < 2; v++) {
            double *e = normals(700 + run, 20 + v, N * P, 1);
            q.x[v] = test_floats(N * P);
            for (int i = 0; i < N * P; i++)
                q.x[v][i] = (float)e[i];
            free(e);
        }
        attach(&q);
        p.common = 1;
        p.validation = .1; /* as usual: no rows are held out */
        p.repeats = 1;
        p.ridge = .1;
        m = fit_study(&q, &p);
        r = mucmm_model_cross_fit(m);
        mean += r->correlations[0] / RUNS;
        found += r->p_values[0] <= .05;
        mucmm_model_free(m);
        drop_study(&q);
        free(known);
    }
    print_message("mean held-out correlation %.3f, p <= 0.05 in %d\n", mean, found);
    assert_true(fabs(mean) < .08);
    assert_true(found <= 9);
}

/* Outliers and a batch: robust maps come before covariates are taken out, in the fit, in a file and
 * in new rows. */
static void test_robust_and_adjusted(void **state)
{
    study train = new_study(600, true, 3, 0, 61), fresh = new_study(600, true, 3, 0, 62);

    (void)state;
    for (int64_t i = 0; i < 600; i += 50)
        for (int m = 0; m < 2; m++)
            for (int j = 0; j < P; j++)
                train.x[m][(i + 7 * m) * P + j] += (j + i / 50) % 2 ? 400 : -400;
    for (int way = 0; way < 2; way++) {
        mucmm_fit_params p = adjusted(way ? "batch" : NULL);
        mucmm_model *m, *again;
        double latents;
        bytes file;
        float *c, *d;
        p.robust = MUCMM_ROBUST_WINSOR;
        m = fit_study(&train, &p);
        c = common_of(m, &fresh);
        latents = fmin(explained(c, fresh.s, 2, 600), explained(c, fresh.s + 1, 2, 600));
        assert_true(way ? latents > .8 : latents < .3);
        assert_true(way ? between_batches(c, &fresh) < .05 : between_batches(c, &fresh) > .7);
        file = saved(m);
        CHECK_OK(ctx, mucmm_model_load_memory(ctx, file.data, file.size, NULL, &again));
        d = common_of(again, &fresh);
        assert_memory_equal(c, d, sizeof *c * 1200);
        mucmm_model_free(m);
        mucmm_model_free(again);
        free(c);
        free(d);
        free(file.data);
    }
    drop_study(&train);
    drop_study(&fresh);
}

/* ---- maps -------------------------------------------------------------------------- */

/* The covariates move the point where the score stands, and so the baseline with it: the gradient
 * is that of the features, and integrated gradients add up to score less score of the baseline of
 * the same covariates. */
static void test_maps_keep_the_covariates_of_their_sample(void **state)
{
    static const int64_t rows[] = {0, 5, 9};
    study q = new_study(300, true, 3, 0, 5);
    mucmm_fit_params p = adjusted("batch");
    mucmm_model *m = fit_study(&q, &p);
    const mucmm_baseline baselines[] = {MUCMM_BASELINE_ZERO, MUCMM_BASELINE_MEAN,
                                        MUCMM_BASELINE_ROW};
    float gradient[3 * P], map[3 * P], *c = common_of(m, &q);

    (void)state;
    for (int b = 0; b < 3; b++) {
        mucmm_explain_params e;
        mucmm_explain_params_init(&e);
        e.score = MUCMM_SCORE_COMMON_COMPONENT;
        e.map = MUCMM_MAP_GRADIENT;
        e.baseline = baselines[b];
        e.baseline_row = 17;
        CHECK_OK(ctx, mucmm_explain(ctx, m, q.view, 2, 0, rows, 3, &e,
                                    &(mucmm_mat){gradient, 3, P, P}, NULL));
        assert_memory_equal(gradient, gradient + P, sizeof(float) * P); /* of a linear head */
        e.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
        CHECK_OK(ctx, mucmm_explain(ctx, m, q.view, 2, 0, rows, 3, &e, &(mucmm_mat){map, 3, P, P},
                                    NULL));
        for (int i = 0; i < 3; i++) {
            double sum = 0, want = 0;
            for (int j = 0; j < P; j++) {
                const mucmm__view_info *v = &m->view[0];
                double shift = 0, x = (double)q.x[0][rows[i] * P + j], base = 0, z[BATCHES];
                CHECK_OK(ctx, mucmm__adjust_design(ctx, m->adjust, q.table, &rows[i], 1, NULL, z));
                for (int k = 0; k < BATCHES; k++)
                    shift += z[k] * v->slopes[k * P + j];
                base = b == 0 ? 0 : b == 1 ? v->mean[j] + shift : (double)q.x[0][17 * P + j];
                want += (double)gradient[j] * (x - base);
                sum += (double)map[i * P + j];
            }
            CHECK_CLOSE(sum, want, 2e-4);
            if (b == 1)
                CHECK_CLOSE(sum, (double)c[rows[i] * 2], 2e-3); /* of mean 0 */
        }
    }
    free(c);
    mucmm_model_free(m);
    drop_study(&q);
}

/* ---- rows that are exchangeable ---------------------------------------------------- */

static void test_residual_rows_are_what_covariates_leave(void **state)
{
    enum { N = 30, D = 4 };
    double *z = normals(1, 1, N * D, 1), *c = normals(1, 2, N * 2, 1), *copy = test_doubles(N * 2);
    double *design = test_doubles(N * D), length[2] = {0}, length_left[2] = {0};
    double mean[2] = {0}, product = 0;
    mucmm__block rotated = {c, N, 2}, residual = {copy, N, 2};
    mucmm__block *blocks[1] = {&rotated};
    int64_t left;

    (void)state;
    for (int64_t i = 0; i < N; i++)
        z[i * D + 3] = z[i * D] - 2 * z[i * D + 1] + 5; /* says nothing more */
    memcpy(copy, c, sizeof *c * N * 2);
    memcpy(design, z, sizeof *z * N * D);
    CHECK_OK(ctx, mucmm__residual_rows(ctx, N, D, z, blocks, 1, &left));
    assert_int_equal(left, N - 3);
    assert_int_equal(rotated.rows, left);
    memcpy(z, design, sizeof *z * N * D);
    blocks[0] = &residual;
    CHECK_OK(ctx, mucmm__residual_rows(ctx, N, D, z, blocks, 1, NULL));
    assert_int_equal(residual.rows, N);
    for (int k = 0; k < 2; k++) {
        for (int64_t j = -1; j < D; j++) {
            double dot = 0;
            for (int64_t i = 0; i < N; i++)
                dot += copy[i * 2 + k] * (j < 0 ? 1 : design[i * D + j]);
            CHECK_CLOSE(dot, 0, 1e-10);
        }
        for (int64_t i = 0; i < N; i++)
            length[k] += copy[i * 2 + k] * copy[i * 2 + k];
        for (int64_t i = 0; i < left; i++)
            length_left[k] += c[i * 2 + k] * c[i * 2 + k];
        CHECK_CLOSE(length_left[k], length[k], 1e-9);
    }
    /* centred or not, their correlation is the partial one, in any order of the rows */
    for (int64_t i = 0; i < left; i++) {
        mean[0] += c[i * 2];
        mean[1] += c[i * 2 + 1];
        product -= c[i * 2] * c[i * 2 + 1];
    }
    for (int64_t i = 0; i < N; i++)
        product += copy[i * 2] * copy[i * 2 + 1];
    CHECK_CLOSE(mean[0], 0, 1e-10);
    CHECK_CLOSE(mean[1], 0, 1e-10);
    CHECK_CLOSE(product, 0, 1e-9);
    free(z);
    free(c);
    free(copy);
    free(design);
}

/* ---- what is refused --------------------------------------------------------------- */

static void refuse_fit(const study *q, const char *adjust, mucmm_status want, const char *message)
{
    mucmm_fit_params p = adjusted(adjust);
    mucmm_model *m;
    mucmm_status got = mucmm_fit(ctx, q->view, 2, &p, &m);

    if (got != want || !strstr(mucmm_ctx_message(ctx), message))
        fail_msg("%s: %s, not %s", adjust, mucmm_ctx_message(ctx), message);
    assert_null(m);
}

static void test_fits_that_cannot_be_adjusted(void **state)
{
    study q = new_study(60, true, 3, 0, 6);
    mucmm_fit_params p = adjusted("age");
    mucmm_model *m;

    (void)state;
    refuse_fit(&q, "agee", MUCMM_EARG, "no column is named 'agee'; the columns are 'batch', 'age'");
    refuse_fit(&q, " , ", MUCMM_EARG, "names no column");
    refuse_fit(&q, "age,age", MUCMM_EARG, "names 'age' twice");
    refuse_fit(&q, "note", MUCMM_ENUMERIC, "no two different levels");
    refuse_fit(&q, "age:category", MUCMM_ESHAPE, "at least two a column are needed");
    p.adjust_nonlinear = 9;
    assert_int_equal(mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EARG);
    for (int v = 0; v < 2; v++) { /* rows of which nothing is known */
        mucmm_data_free(q.data[v]);
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[v], q.n, P, P}, "bare", NULL, 0,
                                      &q.data[v]));
        q.view[v].data = q.data[v];
    }
    refuse_fit(&q, "age", MUCMM_EARG, "give the table that has it (`covariates`)");
    drop_study(&q);
}

/* Three rows with a table of this text, to a model of batch and age. */
static mucmm_status transform_rows(const mucmm_model *m, const study *q, const char *text, float *c)
{
    mucmm_data *d, *with;
    mucmm_table *t = text ? table_of(text) : NULL;
    mucmm_status status;

    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q->x[0], 3, P, P}, "rows", NULL, 0, &d));
    CHECK_OK(ctx,
             t ? mucmm_data_attach(ctx, d, t, &with) : mucmm_data_subset(ctx, d, NULL, 3, &with));
    status = mucmm_transform(ctx, m, MUCMM_HEADS, 0, with, &(mucmm_mat){c, 3, 2, 2}, NULL);
    mucmm_data_free(d);
    mucmm_data_free(with);
    mucmm_table_free(t);
    return status;
}

static void test_new_rows_need_their_covariates(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {NULL, "the features are adjusted for 'batch', and nothing is known of these rows"},
        {"age\n1\n2\n3\n", "no column is named 'batch'"},
        {"batch,age\nb0,1\nb1,2\nB9,3\n", "known.csv, row 2: 'batch' is 'B9', which no training"},
        {"batch,age\nb0,1\nNA,\nb1,3\n", "known.csv, row 1: no value of what the features are"},
        {"batch,age\nb0,1\nb1,old\nb1,3\n", "'age' holds cells that are no numbers"},
    };
    study q = new_study(200, true, 3, 0, 8);
    mucmm_fit_params p = adjusted("batch,age");
    mucmm_model *m = fit_study(&q, &p);
    float c[6], d[6];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(transform_rows(m, &q, cases[i].text, c), MUCMM_EARG);
        if (!strstr(mucmm_ctx_message(ctx), cases[i].message))
            fail_msg("%s, not %s", mucmm_ctx_message(ctx), cases[i].message);
    }
    /* a cell that is missing is the mean; columns may stand anywhere, levels in any order */
    CHECK_OK(ctx, transform_rows(m, &q, "batch,age\nb1,\nb0,50\nb3,50\n", c));
    {
        char text[200];
        snprintf(text, sizeof text, "age,more,batch\n%.17g,1,b1\n50,x,b0\n50.0,,b3\n",
                 m->adjust->list[1].mean);
        CHECK_OK(ctx, transform_rows(m, &q, text, d));
    }
    for (int i = 0; i < 6; i++)
        CHECK_CLOSE((double)c[i], (double)d[i], 1e-5);
    mucmm_model_free(m);
    drop_study(&q);
}

/* ---- files ------------------------------------------------------------------------- */

static void test_damaged_adjustments_are_refused(void **state)
{
    static const char *const edits[][2] = {
        {"\\\"kind\\\": \\\"category\\\"", "\\\"kind\\\": \\\"catagory\\\""},
        {"\\\"adjust\\\": \\\"b", "\\\"adjast\\\": \\\"b"},
        {"\\\"nonlinear\\\": 3", "\\\"nonlinear\\\": 9"},
        {"\\\"covariates\\\"", "\\\"covariatis\\\""},
        {"\\\"center\\\"", "\\\"centre\\\""},
        {"\\\"sd\\\": ", "\\\"sd\\\": -"},
        {"\\\"knots\\\"", "\\\"knotz\\\""},
        {"\\\"levels\\\"", "\\\"livels\\\""},
    };
    study q = new_study(200, true, 3, 0, 9);
    mucmm_fit_params p = adjusted("batch,age");
    mucmm_model *m, *again;
    bytes file;

    (void)state;
    p.adjust_nonlinear = 3;
    m = fit_study(&q, &p);
    file = saved(m);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char from[64], to[64];
        bytes changed;
        snprintf(from, sizeof from, "%s%s", edits[i][0], i == 5 ? "1" : "");
        snprintf(to, sizeof to, "%s%s", edits[i][1], "");
        changed = with_text(&file, from, to);
        if (mucmm_model_load_memory(ctx, changed.data, changed.size, NULL, &again) != MUCMM_EFORMAT)
            fail_msg("%s is not refused: %s", edits[i][1], mucmm_ctx_message(ctx));
        assert_null(again);
        free(changed.data);
    }
    free(file.data);
    mucmm_model_free(m);
    drop_study(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_batch_that_is_taken_out_is_not_in_the_common_part),
        cmocka_unit_test(test_the_fit_sees_what_the_model_makes_of_the_rows),
        cmocka_unit_test(test_splines_take_a_curve_out),
        cmocka_unit_test(test_p_values_of_adjusted_views_hold),
        cmocka_unit_test(test_robust_and_adjusted),
        cmocka_unit_test(test_small_samples_do_not_share_their_residuals),
        cmocka_unit_test(test_maps_keep_the_covariates_of_their_sample),
        cmocka_unit_test(test_residual_rows_are_what_covariates_leave),
        cmocka_unit_test(test_fits_that_cannot_be_adjusted),
        cmocka_unit_test(test_new_rows_need_their_covariates),
        cmocka_unit_test(test_damaged_adjustments_are_refused),
    };
    return cmocka_run_group_tests_name("adjust", tests, set_up, tear_down);
}
