/* SPDX-License-Identifier: MIT
 *
 * Maps of linearly constrained minimum variance filters: what they are for linear heads, their
 * constraints and sums, models without loadings, and objects that move, where the truth is known.
 */
#include "explain/lcmv.h"

#include "explain/local_sums.h"
#include "explain_case.h"
#include "generators.h"
#include "model/model_json.h"

static mucmm_ctx *ctx;

enum { N = 3 };

static const int64_t sample_rows[N] = {17, 0, 41};

static const mucmm_score_kind all_scores[] = {MUCMM_SCORE_COMMON, MUCMM_SCORE_COMMON_ENERGY,
                                              MUCMM_SCORE_INDIVIDUAL, MUCMM_SCORE_COMMON_COMPONENT,
                                              MUCMM_SCORE_INDIVIDUAL_COMPONENT};

static mucmm_explain_params lcmv_params(mucmm_score_kind score)
{
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.score = score;
    p.map = MUCMM_MAP_LCMV;
    p.component = 1;
    return p;
}

/* Maps [N, cols] of view 0. */
static float *explain(const mucmm_model *m, const mucmm_view *views, const mucmm_explain_params *p)
{
    int64_t cols = mucmm_data_raw_cols(views[0].data);
    float *maps = test_floats(N * cols);

    CHECK_OK(ctx, mucmm_explain(ctx, m, views, 2, 0, sample_rows, N, p,
                                &(mucmm_mat){maps, N, cols, cols}, NULL));
    return maps;
}

static double norm(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

static void check_near(const float *got, const float *want, int64_t n, double tolerance)
{
    double size = norm(want, n), error = 0;

    for (int64_t i = 0; i < n; i++)
        error += pow((double)got[i] - (double)want[i], 2);
    if (!(sqrt(error) <= tolerance * size))
        fail_msg("differs by %g of %g", sqrt(error), size);
}

/* Filters [N, p] of view 0, hb [N, p]. */
static float *filters_of(const mucmm_model *m, const problem *q, const mucmm_explain_params *p,
                         const float *hb)
{
    const mucmm_data *data[MUCMM_MAX_VIEWS] = {q->data[0], q->data[1]};
    float *w = test_floats(N * q->p[0]);
    mucmm__samples s;

    CHECK_OK(ctx, mucmm__samples_start(ctx, m, mucmm__model_solution(m, p->representation), data, 0,
                                       sample_rows, N, p, &s));
    CHECK_OK(ctx, mucmm__lcmv_filters(ctx, &s, hb, w));
    mucmm__samples_drop(&s);
    return w;
}

/* ---- the linear setting ------------------------------------------------------------ */

/* S w, in raw units. */
static float *patterns_of(const mucmm_model *m, const float *w, int64_t p)
{
    const float *cov = mucmm_model_covariance(m, 0);
    const double *scale = mucmm_model_scale(m, 0);
    float *out = test_floats(N * p);

    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < p; j++) {
            double sum = 0;
            for (int64_t l = 0; l < p; l++)
                sum += (double)cov[j * p + l] * (double)w[i * p + l];
            out[i * p + j] = (float)(scale[j] * sum);
        }
    return out;
}

/* E*[x | u] less the mean: least squares on the training rows t, u of variance 1, uncorrelated. */
static float *predictions(const problem *t, const float *u_train, const float *u, int64_t q)
{
    int64_t p = t->p[0];
    float *out = test_floats(N * p);

    for (int64_t j = 0; j < p; j++)
        for (int64_t l = 0; l < q; l++) {
            double loading = covariance(t->x[0], p, j, u_train, q, l, t->n);
            for (int64_t i = 0; i < N; i++)
                out[i * p + j] += (float)(loading * (double)u[sample_rows[i] * q + l]);
        }
    return out;
}

/* Identities (1) to (3) of section 7: with linear heads, no ridge, nothing loaded and the mean as
 * baseline the filter is the gradient of the score, and the covariance times it the prediction. */
static void test_linear_filters_are_gradients(void **state)
{
    problem q = new_problem(ctx, 2, 400, false, 71);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    problem t;
    mucmm_model *m;
    float *c, *u, *c_train, *u_train, *hb = test_floats(N * q.p[0]), *w, *got, *want;

    (void)state;
    fp.ridge = 0;
    t = training_problem(ctx, &q, &fp);
    m = fit(ctx, &q, &fp);
    for (size_t k = 0; k < sizeof all_scores / sizeof *all_scores; k++) {
        mucmm_explain_params p = lcmv_params(all_scores[k]);
        p.loading = 0;
        got = explain(m, q.view, &p);
        p.map = MUCMM_MAP_INPUT_X_GRADIENT;
        want = explain(m, q.view, &p);
        check_near(got, want, N * q.p[0], 1e-4);
        free(got);
        free(want);
        p.map = MUCMM_MAP_LCMV;
        w = filters_of(m, &q, &p, hb);
        got = patterns_of(m, w, q.p[0]);
        p.map = MUCMM_MAP_PATTERN;
        want = explain(m, q.view, &p);
        check_near(got, want, N * q.p[0], 1e-5);
        free(want);
        if (all_scores[k] == MUCMM_SCORE_INDIVIDUAL) {
            transform(ctx, m, MUCMM_HEADS, 0, q.data[0], &c, &u);
            transform(ctx, m, MUCMM_HEADS, 0, t.data[0], &c_train, &u_train);
            want = predictions(&t, u_train, u, 3);
            check_near(got, want, N * q.p[0], 1e-5);
            free(want);
            free(c);
            free(u);
            free(c_train);
            free(u_train);
        }
        free(got);
        free(w);
    }
    free(hb);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

/* ---- constraints ------------------------------------------------------------------- */

/* Baselines away from the mean; the last is the mean, which constrains nothing. */
static float *some_baselines(int64_t p)
{
    double *x = normals(8, 0, N * p, 1);
    float *hb = test_floats(N * p);

    for (int64_t i = 0; i < (N - 1) * p; i++)
        hb[i] = (float)x[i];
    free(x);
    return hb;
}

static double cosine(const float *a, int64_t step, const float *w, int64_t p)
{
    double sum = 0, square = 0;

    for (int64_t j = 0; j < p; j++) {
        sum += (double)a[j * step] * (double)w[j];
        square += (double)a[j * step] * (double)a[j * step];
    }
    return sum / sqrt(square) / norm(w, p);
}

/* K'w = 0, of trained heads and of the closed form. */
static void test_filters_pass_nothing_of_the_other_part(void **state)
{
    problem q = new_problem(ctx, 2, 300, true, 72);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &fp);
    int64_t p = q.p[0], width = 2 + 3;
    float *hb = some_baselines(p), *w;

    (void)state;
    for (int r = 0; r < 2; r++)
        for (size_t k = 0; k < sizeof all_scores / sizeof *all_scores; k++) {
            mucmm_explain_params params = lcmv_params(all_scores[k]);
            const float *b = mucmm_model_loadings(m, (mucmm_representation)r, 0);
            bool individual = mucmm__is_individual(all_scores[k]);
            params.representation = (mucmm_representation)r;
            w = filters_of(m, &q, &params, hb);
            for (int64_t i = 0; i < N; i++) {
                for (int64_t j = individual ? 0 : 2; j < (individual ? 2 : width); j++)
                    CHECK_CLOSE(cosine(b + j, width, w + i * p, p), 0, 2e-6);
                if (i < N - 1)
                    CHECK_CLOSE(cosine(hb + i * p, 1, w + i * p, p), 0, 2e-6);
            }
            assert_true(fabs(cosine(hb, 1, w + (N - 1) * p, p)) > 1e-3);
            free(w);
        }
    free(hb);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* A view without a stored covariance: that of the loadings and noise, stored, gives the same. */
static void test_factors_are_the_covariance_that_loadings_tell(void **state)
{
    problem q = new_problem(ctx, 2, 300, false, 73);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm__view_info *v = &m->view[0];
    mucmm_explain_params params = lcmv_params(MUCMM_SCORE_INDIVIDUAL);
    const float *b = mucmm_model_loadings(m, MUCMM_HEADS, 0);
    int64_t p = v->p, d = 5;
    float *hb = some_baselines(p), *stored, *factors, *covariance = v->covariance;
    double told = 0, noise;

    (void)state;
    for (int64_t i = 0; i < p * d; i++)
        told += (double)b[i] * (double)b[i];
    noise = fmax(v->variance - told, .01 * v->variance) / (double)(p - d);
    for (int64_t i = 0; i < p; i++)
        for (int64_t j = 0; j < p; j++) {
            double sum = i == j ? noise : 0;
            for (int64_t l = 0; l < d; l++)
                sum += (double)b[i * d + l] * (double)b[j * d + l];
            covariance[i * p + j] = (float)sum;
        }
    stored = filters_of(m, &q, &params, hb);
    v->covariance = NULL;
    factors = filters_of(m, &q, &params, hb);
    check_near(factors, stored, N * p, 1e-5);
    v->covariance = covariance;
    free(stored);
    free(factors);
    free(hb);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- loadings ---------------------------------------------------------------------- */

static void forget_loadings(mucmm_model *m)
{
    for (int32_t v = 0; v < m->n_views; v++) {
        mucmm__free(m->linear.loadings[v]);
        mucmm__free(m->heads.loadings[v]);
        mucmm__free(m->linear.deviations[v]);
        mucmm__free(m->heads.deviations[v]);
        m->linear.loadings[v] = m->heads.loadings[v] = NULL;
        m->linear.deviations[v] = m->heads.deviations[v] = NULL;
    }
    CHECK_OK(ctx, mucmm__model_make_json(ctx, m));
}

static mucmm_model *saved(const mucmm_model *m)
{
    mucmm_model *again = NULL;
    void *bytes = NULL;
    size_t size = 0;

    CHECK_OK(ctx, mucmm_model_save_memory(ctx, m, &bytes, &size));
    CHECK_OK(ctx, mucmm_model_load_memory(ctx, bytes, size, "saved", &again));
    mucmm_bytes_free(bytes);
    return again;
}

/* They are in the file; files without them load, say what is missing, and take training rows. */
static void test_loadings_of_files(void **state)
{
    problem q = new_problem(ctx, 2, 300, true, 74);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_MLP);
    problem t = training_problem(ctx, &q, &fp);
    mucmm_model *m = fit(ctx, &q, &fp), *again = saved(m), *old;
    mucmm_explain_params p = lcmv_params(MUCMM_SCORE_INDIVIDUAL);
    float *want = explain(m, q.view, &p), *got = explain(again, q.view, &p);
    float maps[N * 8];

    (void)state;
    assert_memory_equal(got, want, sizeof(float) * (size_t)(N * q.p[0]));
    for (int r = 0; r < 2; r++)
        for (int32_t v = 0; v < 2; v++)
            assert_memory_equal(mucmm_model_loadings(m, (mucmm_representation)r, v),
                                mucmm_model_loadings(again, (mucmm_representation)r, v),
                                sizeof(float) * (size_t)(q.p[v] * 5));
    assert_null(mucmm_model_loadings(m, MUCMM_HEADS, 2));
    assert_int_equal(mucmm_explain_takes_training(m, 0, q.data[0], &p), 0);
    free(got);
    forget_loadings(again);
    old = saved(again);
    assert_null(mucmm_model_loadings(old, MUCMM_HEADS, 0));
    assert_int_equal(mucmm_explain_takes_training(old, 0, q.data[0], &p), 1);
    check_message(ctx,
                  mucmm_explain(ctx, old, q.view, 2, 0, sample_rows, N, &p,
                                &(mucmm_mat){maps, N, q.p[0], q.p[0]}, NULL),
                  MUCMM_EARG, "view 'left' needs the loadings");
    p.training = t.data[0];
    got = explain(old, q.view, &p);
    check_near(got, want, N * q.p[0], 1e-4);
    p.training = q.data[1];
    check_message(ctx,
                  mucmm_explain(ctx, old, q.view, 2, 0, sample_rows, N, &p,
                                &(mucmm_mat){maps, N, q.p[0], q.p[0]}, NULL),
                  MUCMM_ESHAPE, "has 9 columns; the model was fitted on 8");
    p.training = NULL;
    p.loading = -1;
    check_message(ctx,
                  mucmm_explain(ctx, m, q.view, 2, 0, sample_rows, N, &p,
                                &(mucmm_mat){maps, N, q.p[0], q.p[0]}, NULL),
                  MUCMM_EARG, "`loading` -1");
    free(got);
    free(want);
    mucmm_model_free(old);
    mucmm_model_free(again);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

/* ---- objects that move ------------------------------------------------------------- */

/* Pictures with a shared glyph and a private one at places of their own; both of 5 lit pixels. */
enum { SIDE = 16, GLYPH = 3, KINDS = 6, PICTURES = 900, SEEN = 60, PIXELS = SIDE * SIDE };

static const char *const glyph_text[KINDS] = {"010111010", "101010101", "111001001",
                                              "111010010", "110010011", "100111001"};

typedef struct planted {
    float *x, *y, *truth; /* [PICTURES, PIXELS], [PICTURES, 5], [PICTURES, PIXELS] */
    float template[KINDS][GLYPH * GLYPH], mixing[KINDS * KINDS];
    mucmm_source *source;
    mucmm_encoder *encoder;
    mucmm_data *data[2], *truth_data;
    mucmm_view view[2];
    mucmm_model *m;
} planted;

/* Features A sum over places of relu(template k at the place - 1.6). */
static int forward(void *user, int64_t n, const float *raw, float *features)
{
    const planted *t = user;

    for (int64_t i = 0; i < n; i++) {
        double found[KINDS] = {0};
        for (int k = 0; k < KINDS; k++)
            for (int at = 0; at <= (SIDE - GLYPH) * SIDE + SIDE - GLYPH; at++) {
                double sum = -1.6;
                for (int j = 0; j < GLYPH * GLYPH && at % SIDE <= SIDE - GLYPH; j++)
                    sum += (double)t->template[k][j] *
                           (double)raw[i * PIXELS + at + j / GLYPH * SIDE + j % GLYPH];
                found[k] += sum > 0 && at % SIDE <= SIDE - GLYPH ? sum : 0;
            }
        for (int f = 0; f < KINDS; f++) {
            double sum = 0;
            for (int k = 0; k < KINDS; k++)
                sum += (double)t->mixing[f * KINDS + k] * found[k];
            features[i * KINDS + f] = (float)sum;
        }
    }
    return 0;
}

static int vjp(void *user, int64_t n, const float *raw, const float *cotangents, float *grads)
{
    const planted *t = user;

    memset(grads, 0, sizeof(float) * (size_t)(n * PIXELS));
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < KINDS; k++) {
            double slope = 0;
            for (int f = 0; f < KINDS; f++)
                slope += (double)t->mixing[f * KINDS + k] * (double)cotangents[i * KINDS + f];
            for (int at = 0; at <= (SIDE - GLYPH) * SIDE + SIDE - GLYPH; at++) {
                double sum = -1.6;
                if (at % SIDE > SIDE - GLYPH)
                    continue;
                for (int j = 0; j < GLYPH * GLYPH; j++)
                    sum += (double)t->template[k][j] *
                           (double)raw[i * PIXELS + at + j / GLYPH * SIDE + j % GLYPH];
                for (int j = 0; j < GLYPH * GLYPH && sum > 0; j++)
                    grads[i * PIXELS + at + j / GLYPH * SIDE + j % GLYPH] +=
                        (float)(slope * (double)t->template[k][j]);
            }
        }
    return 0;
}

static void draw_picture(planted *t, int64_t i)
{
    uint64_t key = mucmm__rng_key(5, (uint64_t)i), draws = 1000;
    int kind[2], at[2][2];

    for (int64_t j = 0; j < PIXELS; j++)
        t->x[i * PIXELS + j] = .1f * (float)mucmm__rng_normal(key, (uint64_t)j);
    for (int o = 0; o < 2; o++)
        kind[o] = (int)(mucmm__rng_bits(key, draws++) % (KINDS / 2));
    do
        for (int o = 0; o < 2; o++)
            for (int a = 0; a < 2; a++)
                at[o][a] = (int)(mucmm__rng_bits(key, draws++) % (SIDE - GLYPH + 1));
    while (abs(at[0][0] - at[1][0]) <= GLYPH && abs(at[0][1] - at[1][1]) <= GLYPH);
    for (int o = 0; o < 2; o++)
        for (int j = 0; j < GLYPH * GLYPH; j++) {
            int64_t pixel = (at[o][0] + j / GLYPH) * SIDE + at[o][1] + j % GLYPH;
            t->truth[i * PIXELS + pixel] = (float)(o + 1);
            t->x[i * PIXELS + pixel] += glyph_text[o * KINDS / 2 + kind[o]][j] == '1';
        }
    for (int j = 0; j < 5; j++)
        t->y[i * 5 + j] = (float)mucmm__rng_normal(key, draws + (uint64_t)j) * (j < 3 ? .3f : 1);
    t->y[i * 5 + kind[0]] += 1;
}

static void encode_pictures(planted *t)
{
    const int64_t shape[] = {SIDE, SIDE};
    mucmm_encoder_callbacks c;
    mucmm_encode_params p;
    mucmm_data *rows = NULL;

    mucmm_encoder_callbacks_init(&c);
    c.name = "glyphs";
    c.rank = 1;
    c.shape[0] = KINDS;
    c.forward = forward;
    c.vjp = vjp;
    c.user = t;
    mucmm_encode_params_init(&p);
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t->x, PICTURES, PIXELS, PIXELS}, "pictures",
                                  shape, 2, &rows));
    CHECK_OK(ctx, mucmm_source_wrap(ctx, rows, &t->source));
    CHECK_OK(ctx, mucmm_encoder_wrap(ctx, &c, &t->encoder));
    CHECK_OK(ctx, mucmm_data_encode(ctx, t->source, t->encoder, &p, &t->data[0]));
    mucmm_data_free(rows);
}

static planted *plant(void)
{
    planted *t = calloc(1, sizeof *t);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    double *mixing = normals(6, 0, KINDS * KINDS, .5);

    fp.common = fp.individual = 2;
    t->x = test_floats(PICTURES * PIXELS);
    t->y = test_floats(PICTURES * 5);
    t->truth = test_floats(PICTURES * PIXELS);
    for (int k = 0; k < KINDS; k++)
        for (int j = 0; j < GLYPH * GLYPH; j++)
            t->template[k][j] = glyph_text[k][j] == '1' ? 1 - 5.f / 9 : -5.f / 9;
    for (int i = 0; i < KINDS * KINDS; i++)
        t->mixing[i] = (float)mixing[i] + (i % (KINDS + 1) == 0);
    for (int64_t i = 0; i < PICTURES; i++)
        draw_picture(t, i);
    encode_pictures(t);
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t->y, PICTURES, 5, 5}, "numbers",
                                  (const int64_t[]){5}, 1, &t->data[1]));
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t->truth, PICTURES, PIXELS, PIXELS}, "truth",
                                  (const int64_t[]){PIXELS}, 1, &t->truth_data));
    t->view[0] = (mucmm_view){"pictures", t->data[0]};
    t->view[1] = (mucmm_view){"numbers", t->data[1]};
    CHECK_OK(ctx, mucmm_fit(ctx, t->view, 2, &fp, &t->m));
    free(mixing);
    return t;
}

static void uproot(planted *t)
{
    mucmm_model_free(t->m);
    for (int v = 0; v < 2; v++)
        mucmm_data_free(t->data[v]);
    mucmm_data_free(t->truth_data);
    mucmm_encoder_free(t->encoder);
    mucmm_source_free(t->source);
    free(t->x);
    free(t->y);
    free(t->truth);
    free(t);
}

static mucmm_pointing point(const planted *t, const mucmm_explain_params *p)
{
    int64_t rows[SEEN];
    mucmm_map_check_params c;
    mucmm_map_check found;

    for (int64_t i = 0; i < SEEN; i++)
        rows[i] = i;
    mucmm_map_check_params_init(&c);
    mucmm_map_check_init(&found);
    c.random_models = 0;
    c.skip_gradient = 1;
    c.truth = t->truth_data;
    CHECK_OK(ctx,
             map_check_of(ctx, (explain_case){t->m, t->view, 2, 0, rows, SEEN, p}, &c, &found));
    return found.pointing;
}

/* The default individual map lies on the private glyph, the common one on the shared glyph, and
 * integrated gradients of the individual score do worse. */
static void test_maps_follow_objects_that_move(void **state)
{
    planted *t = *state;
    mucmm_explain_params p, chosen;
    mucmm_pointing own, common, integrated;

    mucmm_explain_params_init(&p);
    p.steps = 8;
    p.baseline = MUCMM_BASELINE_BLURRED;
    common = point(t, &p);
    p.score = MUCMM_SCORE_INDIVIDUAL;
    p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    integrated = point(t, &p);
    p.map = MUCMM_MAP_DEFAULT;
    p.baseline = MUCMM_BASELINE_DEFAULT;
    mucmm_explain_params_init(&chosen);
    CHECK_OK(ctx, mucmm_explain_defaults(ctx, t->data[0], &p, &chosen));
    assert_int_equal(chosen.map, MUCMM_MAP_LCMV);
    assert_int_equal(chosen.baseline, MUCMM_BASELINE_BLURRED);
    own = point(t, &p);
    print_message(
        "# private %.3f, shared %.3f; integrated gradients %.3f, %.3f; common %.3f, %.3f; "
        "energy %.3f, %.3f\n",
        own.own, own.shared, integrated.own, integrated.shared, common.own, common.shared,
        own.own_energy, own.shared_energy);
    assert_true(own.own >= .85 && own.shared <= .1 && own.own > integrated.own);
    assert_true(own.own_energy > 3 * own.shared_energy);
    assert_true(common.shared > .7 && common.shared > common.own);
}

/* The default map of a model without loadings is the one that does without, unless there are rows
 * to take them from. */
static void test_defaults_do_without_loadings(void **state)
{
    planted *t = *state;
    mucmm_model *old = saved(t->m);
    mucmm_explanation *e = NULL;
    mucmm_explain_params p;

    forget_loadings(old);
    mucmm_explain_params_init(&p);
    p.score = MUCMM_SCORE_INDIVIDUAL;
    for (int k = 0; k < 2; k++) {
        const explain_case c = {old, t->view, 2, 0, sample_rows, N, &p};
        p.training = k ? t->data[0] : NULL;
        CHECK_OK(ctx, create_explanation(ctx, &c, &e));
        assert_int_equal(mucmm_explanation_params(e)->map,
                         k ? MUCMM_MAP_LCMV : MUCMM_MAP_INTEGRATED_GRADIENTS);
        assert_int_equal(mucmm_explanation_params(e)->baseline,
                         k ? MUCMM_BASELINE_BLURRED : MUCMM_BASELINE_DEFAULT);
        mucmm_explanation_free(e);
    }
    mucmm_model_free(old);
}

/* Sums are those of w'h: gaps are small, also between two pictures that are near. */
static void test_sums_are_complete(void **state)
{
    planted *t = *state;
    mucmm_explain_params p = lcmv_params(MUCMM_SCORE_INDIVIDUAL);
    double gaps[N];
    float *maps;

    p.steps = 4096; /* kinks: the error falls as 1 over the steps */
    for (int b = 0; b < 3; b++) {
        p.baseline =
            (mucmm_baseline[]){MUCMM_BASELINE_BLURRED, MUCMM_BASELINE_ZERO, MUCMM_BASELINE_ROW}[b];
        p.baseline_row = 5;
        maps = explain(t->m, t->view, &p);
        CHECK_OK(ctx, gaps_and_differences_of(
                          ctx, (explain_case){t->m, t->view, 2, 0, sample_rows, N, &p}, gaps, NULL,
                          PIXELS));
        for (int64_t i = 0; i < N; i++) {
            double sum = 0;
            for (int64_t j = 0; j < PIXELS; j++)
                sum += (double)maps[i * PIXELS + j];
            assert_true(fabs(sum) > 1e-3);
            if (!(fabs(gaps[i]) <= 3e-3 * fabs(sum)))
                fail_msg("baseline %d, sample %lld: sum %g, gap %g", b, (long long)i, sum, gaps[i]);
        }
        free(maps);
    }
}

/* The gradient of w'h, w held, is what is integrated: a map of one point half way agrees with the
 * difference of w'h of two pictures that are close, for filters and features taken apart. */
static void test_maps_agree_with_differences(void **state)
{
    planted *t = *state;
    enum { NEAR = 2 };
    float *h = test_floats(2 * KINDS), *w = test_floats(KINDS), hb[KINDS], x[2 * PIXELS], g[PIXELS];
    const mucmm_data *data[MUCMM_MAX_VIEWS] = {t->data[0], t->data[1]};
    mucmm_explain_params p = lcmv_params(MUCMM_SCORE_INDIVIDUAL);
    double sum = 0, difference = 0;
    mucmm__samples s;

    memcpy(x, t->x + NEAR * PIXELS, sizeof(float) * PIXELS);
    for (int64_t j = 0; j < PIXELS; j++)
        x[PIXELS + j] = x[j] - 1e-3f * (float)mucmm__rng_normal(77, (uint64_t)j);
    forward(t, 2, x, h);
    for (int64_t i = 0; i < 2; i++)
        for (int64_t j = 0; j < KINDS; j++)
            h[i * KINDS + j] = (float)(((double)h[i * KINDS + j] - mucmm_model_mean(t->m, 0)[j]) /
                                       mucmm_model_scale(t->m, 0)[j]);
    memcpy(hb, h + KINDS, sizeof hb);
    CHECK_OK(ctx, mucmm__samples_start(ctx, t->m, mucmm__model_solution(t->m, MUCMM_HEADS), data, 0,
                                       (const int64_t[]){NEAR}, 1, &p, &s));
    CHECK_OK(ctx, mucmm__lcmv_filters(ctx, &s, hb, w));
    for (int64_t j = 0; j < KINDS; j++)
        difference += (double)w[j] * ((double)h[j] - (double)h[KINDS + j]);
    CHECK_OK(ctx,
             mucmm__samples_raw_gradient(ctx, &s, (const int64_t[]){NEAR}, 1, NULL, s.h, w, g));
    for (int64_t j = 0; j < PIXELS; j++)
        sum += (double)g[j] * ((double)x[j] - (double)x[PIXELS + j]);
    CHECK_CLOSE(sum, difference, 1e-2 * fabs(difference) + 1e-7);
    mucmm__samples_drop(&s);
    free(h);
    free(w);
}

/* ---- the pointing game ------------------------------------------------------------- */

/* Maps that are the truth point at it; what does not fit is said. */
static void test_pointing(void **state)
{
    planted *t = *state;
    const int64_t rows[2] = {4, 9};
    mucmm_explain_params ep;
    mucmm_map_check_params c;
    mucmm_map_check found;
    mucmm_data *wrong = NULL;
    float *maps = test_floats(2 * PIXELS);
    explain_case e = {t->m, t->view, 2, 0, rows, 2, &ep};

    mucmm_explain_params_init(&ep);
    ep.map = MUCMM_MAP_GRADIENT;
    mucmm_map_check_params_init(&c);
    mucmm_map_check_init(&found);
    c.random_models = 0;
    c.skip_gradient = 1;
    c.maps = &(mucmm_cmat){maps, 2, PIXELS, PIXELS};
    CHECK_OK(ctx, map_check_of(ctx, e, &c, &found));
    assert_true(isnan(found.pointing.own) && isnan(found.pointing.shared_energy));
    c.truth = t->truth_data;
    for (int64_t i = 0; i < 2; i++) /* 1 on the shared glyph, -3 on the private one of the second */
        for (int64_t j = 0; j < PIXELS; j++) {
            float kind = t->truth[rows[i] * PIXELS + j];
            maps[i * PIXELS + j] = kind == 1 ? 1 : kind == 2 && i == 1 ? -3 : 0;
        }
    CHECK_OK(ctx, map_check_of(ctx, e, &c, &found));
    CHECK_CLOSE(found.pointing.shared, .5, 1e-12);
    CHECK_CLOSE(found.pointing.own, .5, 1e-12);
    CHECK_CLOSE(found.pointing.shared_energy, (1 + .1) / 2, 1e-6);
    CHECK_CLOSE(found.pointing.own_energy, .9 / 2, 1e-6);
    CHECK_OK(ctx, mucmm_data_subset(ctx, t->truth_data, rows, 2, &wrong)); /* of the samples */
    c.truth = wrong;
    CHECK_OK(ctx, map_check_of(ctx, e, &c, &found));
    CHECK_CLOSE(found.pointing.own_energy, .9 / 2, 1e-6);
    mucmm_data_free(wrong);
    CHECK_OK(ctx, mucmm_data_subset(ctx, t->truth_data, rows, 1, &wrong));
    c.truth = wrong;
    check_message(ctx, map_check_of(ctx, e, &c, &found), MUCMM_ESHAPE, "a truth of 1 rows");
    mucmm_data_free(wrong);
    c.truth = t->data[1];
    check_message(ctx, map_check_of(ctx, e, &c, &found), MUCMM_ESHAPE, "a truth of 5 cells");
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){t->x, PICTURES, PIXELS, PIXELS}, "pictures",
                                  (const int64_t[]){PIXELS}, 1, &wrong));
    c.truth = wrong;
    check_message(ctx, map_check_of(ctx, e, &c, &found), MUCMM_EFORMAT, "0 (neither), 1 (shared)");
    mucmm_data_free(wrong);
    free(maps);
}

static int set_up(void **state)
{
    mucmm_ctx_params p;

    mucmm_ctx_params_init(&p);
    p.threads = 1;
    if (mucmm_ctx_create(&p, &ctx) != MUCMM_OK)
        return -1;
    *state = plant();
    return 0;
}

static int tear_down(void **state)
{
    uproot(*state);
    mucmm_ctx_free(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_filters_are_gradients),
        cmocka_unit_test(test_filters_pass_nothing_of_the_other_part),
        cmocka_unit_test(test_factors_are_the_covariance_that_loadings_tell),
        cmocka_unit_test(test_loadings_of_files),
        cmocka_unit_test(test_maps_follow_objects_that_move),
        cmocka_unit_test(test_defaults_do_without_loadings),
        cmocka_unit_test(test_sums_are_complete),
        cmocka_unit_test(test_maps_agree_with_differences),
        cmocka_unit_test(test_pointing),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
