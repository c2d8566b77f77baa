/* SPDX-License-Identifier: MIT
 *
 * Rows of one view for those of another, against similarities that are worked out here; and the
 * methods paragraph, which has to be true of every kind of fit.
 */
#include "workspace.h"

#define TOP 7

static mucmm_fit_params linear_params(void)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 3;
    p.individual = 1;
    return p;
}

/* ---- similarities ------------------------------------------------------------------ */

/* log p(a, b) - log p(a) - log p(b) of standardized variates, or their weighted cosine. */
static double similarity(mucmm_match_measure measure, int64_t k, const double *rho, const double *a,
                         const double *b)
{
    double sum = 0, aa = 0, bb = 0;

    for (int64_t j = 0; j < k; j++) {
        double r = fmin(fmax(rho[j], 0), .99), left = 1 - r * r;
        if (measure == MUCMM_MATCH_LIKELIHOOD)
            sum +=
                (r * a[j] * b[j] - r * r * (a[j] * a[j] + b[j] * b[j]) / 2) / left - log(left) / 2;
        else {
            sum += r * a[j] * b[j];
            aa += r * a[j] * a[j];
            bb += r * b[j] * b[j];
        }
    }
    return measure == MUCMM_MATCH_LIKELIHOOD ? sum : sum / sqrt(aa * bb);
}

/* Variates of all rows, by the means and deviations of the training rows. */
static double *standardized(const mucmm_model *m, int32_t v, const mucmm_data *data)
{
    int64_t n = mucmm_data_rows(data), k = m->k, w = m->n_views * k;
    float *c = test_floats(n * k);
    double *z = test_doubles(n * k);

    CHECK_OK(ctx, mucmm_transform(ctx, m, MUCMM_LINEAR, v, data, &(mucmm_mat){c, n, k, k}, NULL));
    for (int64_t i = 0; i < n * k; i++) {
        int64_t at = v * k + i % k;
        z[i] =
            ((double)c[i] - m->linear.joint.mean[at]) / sqrt(m->linear.joint.train[at * (w + 1)]);
    }
    free(c);
    return z;
}

static void check_matches(const mucmm_model *m, const mucmm_matches *x, const mucmm_data *query,
                          const mucmm_data *gallery, mucmm_match_measure measure, bool paired)
{
    const double *rho = m->linear.summary[MUCMM_ROWS_HELD_OUT]->correlations;
    double *a = standardized(m, 0, query), *b = standardized(m, 1, gallery);
    int64_t n = mucmm_data_rows(query), g = mucmm_data_rows(gallery);

    assert_int_equal(mucmm_matches_rows(x), n);
    assert_int_equal(mucmm_matches_top(x), TOP);
    for (int64_t i = 0; i < n; i++) {
        const mucmm_match_hit *hit = mucmm_matches_of(x, i);
        double worst = INFINITY, own = 0;
        int64_t least = 1, most = 1, near = 0; /* ranks, up to rounding */
        for (int t = 0; t < TOP; t++) {
            double want = similarity(measure, m->k, rho, a + i * m->k, b + hit[t].row * m->k);
            CHECK_CLOSE(hit[t].similarity, want, 1e-4 * (1 + fabs(want)));
            assert_true(hit[t].similarity <= worst);
            worst = hit[t].similarity;
        }
        if (paired)
            own = similarity(measure, m->k, rho, a + i * m->k, b + i * m->k);
        for (int64_t j = 0; j < g; j++) {
            double s = similarity(measure, m->k, rho, a + i * m->k, b + j * m->k);
            near += s > worst + 1e-3;
            least += paired && j != i && s > own + 1e-4;
            most += paired && j != i && s > own - 1e-4;
        }
        assert_true(near < TOP);
        if (paired) {
            assert_int_equal(mucmm_matches_partner(x, i), i);
            assert_true(mucmm_matches_rank(x, i) >= least && mucmm_matches_rank(x, i) <= most);
        }
    }
    free(a);
    free(b);
}

static void test_matches_are_the_nearest(void **state)
{
    problem q = new_problem(ctx, 2, 700, false, 5);
    mucmm_fit_params p = linear_params();
    mucmm_data *few, *many;
    mucmm_match_params mp;
    mucmm_model *m;
    int64_t rows[9000];

    (void)state;
    p.validation = .2;
    m = fit(ctx, &q, &p);
    for (int64_t i = 0; i < 9000; i++) /* more than two blocks, the last one not full */
        rows[i] = i % 700;
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[0], rows, 300, &few));
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[1], rows, 700, &many));
    mucmm_match_params_init(&mp);
    mp.top = TOP;
    for (int measure = 0; measure < 2; measure++)
        for (int paired = 0; paired < 2; paired++) {
            mucmm_view query = {"left", paired ? q.data[0] : few};
            mucmm_matches *x;
            mp.measure = (mucmm_match_measure)measure;
            mp.paired = paired;
            CHECK_OK(ctx,
                     mucmm_matches_create(ctx, m, &query, &(mucmm_view){"right", many}, &mp, &x));
            check_matches(m, x, query.data, many, mp.measure, paired);
            assert_int_equal(mucmm_matches_recall(x)->pairs > 0, paired);
            mucmm_matches_free(x);
        }
    mucmm_data_free(many);
    /* each row of the gallery 12 or 13 times over: equal ones in the order of their rows */
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[1], rows, 9000, &many));
    for (int threads = 1; threads <= 3; threads += 2) {
        mucmm_ctx *c = threaded_ctx(threads);
        mucmm_matches *x;
        mp.measure = MUCMM_MATCH_LIKELIHOOD;
        mp.paired = 0;
        CHECK_OK(c, mucmm_matches_create(c, m, &(mucmm_view){"left", few},
                                         &(mucmm_view){"right", many}, &mp, &x));
        for (int64_t i = 0; i < 300; i++)
            for (int t = 0; t < TOP; t++) {
                const mucmm_match_hit *hit = mucmm_matches_of(x, i);
                assert_int_equal(hit[t].row, hit[0].row + 700 * t);
                assert_true(hit[t].similarity == hit[0].similarity);
            }
        mucmm_matches_free(x);
        mucmm_ctx_free(c);
    }
    mucmm_data_free(few);
    mucmm_data_free(many);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- partners ---------------------------------------------------------------------- */

static mucmm_data *keyed_rows(const problem *q, int32_t v, int64_t first, int64_t n, bool reversed)
{
    float *x = test_floats(n * q->p[v]);
    char(*text)[16] = malloc((size_t)n * sizeof *text);
    const char **keys = malloc((size_t)n * sizeof *keys);
    mucmm_array a;
    mucmm_data *d, *copy;
    int64_t *all = malloc((size_t)n * sizeof *all);

    for (int64_t i = 0; i < n; i++) {
        int64_t row = first + (reversed ? n - 1 - i : i);
        memcpy(x + i * q->p[v], q->x[v] + row * q->p[v], (size_t)q->p[v] * sizeof *x);
        snprintf(text[i], sizeof *text, "s,%ld", (long)row);
        keys[i] = text[i];
        all[i] = i;
    }
    mucmm_array_init(&a);
    a.data = x;
    a.rows = n;
    a.cols = q->p[v];
    a.keys = keys;
    a.release = free;
    a.user = x;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
    CHECK_OK(ctx, mucmm_data_subset(ctx, d, all, n, &copy));
    mucmm_data_free(d);
    free(text);
    free(keys);
    free(all);
    return copy;
}

/* Partners by key, in another order and with some of them missing; only new rows testify. */
static void test_partners_by_key(void **state)
{
    problem q = new_problem(ctx, 2, 800, false, 5);
    mucmm_fit_params p = linear_params();
    mucmm_data *train[2], *query, *gallery;
    mucmm_view views[2];
    const mucmm_recall *r;
    mucmm_matches *x;
    mucmm_model *m;
    char *csv, *text;

    (void)state;
    for (int v = 0; v < 2; v++) {
        train[v] = keyed_rows(&q, v, 0, 500, false);
        views[v] = (mucmm_view){v ? "right" : "left", train[v]};
    }
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    query = keyed_rows(&q, 0, 450, 200, false);  /* 50 of the fit, 150 others */
    gallery = keyed_rows(&q, 1, 400, 200, true); /* the partners of 150 */
    CHECK_OK(ctx, mucmm_matches_create(ctx, m, &(mucmm_view){"left", query},
                                       &(mucmm_view){"right", gallery}, NULL, &x));
    r = mucmm_matches_recall(x);
    for (int64_t i = 0; i < 200; i++)
        assert_int_equal(mucmm_matches_partner(x, i), i < 150 ? 149 - i : -1);
    assert_true(r->fitted > 30 && r->fitted <= 50);
    assert_int_equal(r->pairs, 150 - r->fitted);
    assert_false(r->in_sample);
    assert_true(r->recall_1 > .3); /* by chance .005 */
    assert_true(r->recall_1 <= r->recall_5 && r->recall_5 <= r->recall_10);
    assert_true(r->recall_1_low < r->recall_1 && r->recall_1 < r->recall_1_high);
    assert_true(r->reciprocal_low < r->reciprocal && r->reciprocal < r->reciprocal_high);
    assert_true(r->reciprocal >= r->recall_1);
    CHECK_OK(ctx, mucmm_matches_csv(ctx, x, query, gallery, &csv));
    assert_non_null(strstr(csv, "\"s,450\",1,\"s,"));
    mucmm_text_free(csv);
    assert_int_equal(mucmm_matches_csv(ctx, x, query, train[1], &csv), MUCMM_ESHAPE);
    CHECK_OK(ctx, mucmm_matches_text(ctx, x, &text));
    assert_non_null(strstr(text, "do not count"));
    mucmm_text_free(text);
    mucmm_matches_free(x);
    CHECK_OK(ctx, mucmm_matches_create(ctx, m, &views[0], &views[1], NULL, &x));
    r = mucmm_matches_recall(x); /* held-out rows are new */
    assert_true(r->pairs == 50 && r->fitted == 450);
    mucmm_matches_free(x);
    mucmm_data_free(query);
    mucmm_data_free(gallery);
    for (int v = 0; v < 2; v++)
        mucmm_data_free(train[v]);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* What is asked for makes no sense; rows that lack the view have no matches. */
static void test_refused_and_missing(void **state)
{
    problem q = new_problem(ctx, 3, 200, false, 5);
    mucmm_fit_params p = linear_params();
    mucmm_match_params mp;
    mucmm_matches *x = (mucmm_matches *)&q;
    mucmm_data *some, *none;
    mucmm_model *m;

    (void)state;
    m = fit(ctx, &q, &p);
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[0], (int64_t[]){4, -1, 5}, 3, &some));
    CHECK_OK(ctx, mucmm_data_subset(ctx, q.data[0], (int64_t[]){-1, -1}, 2, &none));
    mucmm_match_params_init(&mp);
    assert_int_equal(mucmm_matches_create(ctx, m, &q.view[0], &q.view[0], &mp, &x), MUCMM_EARG);
    assert_null(x);
    mp.paired = 1;
    assert_int_equal(mucmm_matches_create(ctx, m, &(mucmm_view){"left", some}, &q.view[1], &mp, &x),
                     MUCMM_ESHAPE);
    mp.paired = 0;
    assert_int_equal(mucmm_matches_create(ctx, m, &(mucmm_view){"left", none}, &q.view[1], &mp, &x),
                     MUCMM_ESHAPE);
    mp.top = 0;
    assert_int_equal(mucmm_matches_create(ctx, m, &q.view[0], &q.view[1], &mp, &x), MUCMM_EARG);
    mp.top = 500;
    CHECK_OK(ctx, mucmm_matches_create(ctx, m, &q.view[2], &(mucmm_view){"left", some}, &mp, &x));
    assert_int_equal(mucmm_matches_top(x), 2); /* of the gallery's rows that have the view */
    assert_int_equal(mucmm_matches_of(x, 7)[0].row + mucmm_matches_of(x, 7)[1].row, 2);
    mucmm_matches_free(x);
    CHECK_OK(ctx, mucmm_matches_create(ctx, m, &(mucmm_view){"left", some}, &q.view[2], &mp, &x));
    assert_int_equal(mucmm_matches_top(x), 200);
    assert_int_equal(mucmm_matches_of(x, 1)[0].row, -1);
    assert_null(mucmm_matches_of(x, 3));
    mucmm_matches_free(x);
    mucmm_data_free(some);
    mucmm_data_free(none);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- the methods paragraph --------------------------------------------------------- */

static char *paragraph(const mucmm_model *m)
{
    char *text;

    CHECK_OK(ctx, mucmm_model_cite_text(ctx, m, &text));
    return text;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static void lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in: %s", part, text);
}

static void test_cite_says_what_was_done(void **state)
{
    problem q = new_problem(ctx, 2, 400, false, 5), three = new_problem(ctx, 3, 240, false, 6);
    mucmm_fit_params p = linear_params();
    int64_t groups[400];
    mucmm_model *m;
    char *text;

    (void)state;
    for (int64_t i = 0; i < 400; i++)
        groups[i] = i / 2;
    p.seed = 77;
    p.bootstrap = 5;
    m = fit(ctx, &q, &p);
    text = paragraph(m);
    has(text, "Of 400 samples");
    has(text, "40 were held out and decided nothing");
    has(text, "seed 77");
    has(text, "Hotelling (1936). Relations");
    has(text, "1000 permutations");
    has(text, "5 bootstrap replicates");
    has(text, "Shi, Niethammer (2023)");
    lacks(text, "network");
    lacks(text, "group");
    lacks(text, "cross-fitted");
    lacks(text, "Kettenring");
    mucmm_text_free(text);
    mucmm_model_free(m);

    p.bootstrap = 0;
    p.groups = groups;
    p.robust = MUCMM_ROBUST_RANK;
    p.ridge = MUCMM_RIDGE_LEDOIT_WOLF;
    m = fit(ctx, &q, &p);
    text = paragraph(m);
    has(text, "whole groups");
    has(text, "normal scores");
    has(text, "Ledoit and Wolf (2004)");
    lacks(text, "bootstrap replicate");
    mucmm_text_free(text);
    mucmm_model_free(m);

    p = linear_params();
    p.common = p.individual = MUCMM_AUTO;
    m = fit(ctx, &three, &p); /* few rows: folds */
    text = paragraph(m);
    has(text, "All 240 samples trained");
    has(text, "5 folds");
    has(text, "the closed form refitted in each (after Winkler et al. 2020)");
    has(text, "Kettenring 1971");
    has(text, "The number of components");
    lacks(text, "held out and decided");
    lacks(text, "Hotelling");
    mucmm_text_free(text);
    mucmm_model_free(m);

    p = small_params(MUCMM_HEAD_MLP);
    p.batch = 0;
    m = fit(ctx, &q, &p);
    text = paragraph(m);
    has(text, "neural networks");
    has(text, "Andrew et al. 2013");
    has(text, "chose between what was trained");
    mucmm_text_free(text);
    CHECK_OK(ctx, mucmm_model_cite_bibtex(ctx, m, &text));
    has(text, "@software{mucmm");
    has(text, "@inproceedings{andrew2013");
    mucmm_text_free(text);
    CHECK_OK(ctx, mucmm_model_cite_json(ctx, m, &text));
    has(text, "\"paragraph\": \"What 2 views");
    mucmm_text_free(text);
    mucmm_model_free(m);

    p = linear_params();
    p.validation = 0;
    p.folds = 0;
    p.ridge = 0;
    m = fit(ctx, &q, &p);
    text = paragraph(m);
    has(text, "without a ridge");
    lacks(text, "were held out");
    lacks(text, "held-out correlation");
    mucmm_text_free(text);
    mucmm_model_free(m);
    drop_problem(&q);
    drop_problem(&three);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches_are_the_nearest),
        cmocka_unit_test(test_partners_by_key),
        cmocka_unit_test(test_refused_and_missing),
        cmocka_unit_test(test_cite_says_what_was_done),
    };
    return cmocka_run_group_tests_name("matching", tests, set_up, tear_down);
}
