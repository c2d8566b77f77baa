/* SPDX-License-Identifier: MIT
 *
 * Maps against finite differences and the closed form, and what is refused. */
#include "explain/baseline.h"
#include "explain/explanation.h"
#include "explain/other_models.h"
#include "explain_case.h"
#include "generators.h"
#include "model/trainer.h"

static mucmm_ctx *ctx;

#define SAMPLES 3
static const int64_t sample_rows[SAMPLES] = {17, 0, 41};

static const mucmm_score_kind all_scores[] = {MUCMM_SCORE_COMMON, MUCMM_SCORE_COMMON_ENERGY,
                                              MUCMM_SCORE_INDIVIDUAL, MUCMM_SCORE_COMMON_COMPONENT,
                                              MUCMM_SCORE_INDIVIDUAL_COMPONENT};

static mucmm_explain_params explain_params(mucmm_score_kind score, mucmm_map_kind map)
{
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.score = score;
    p.map = map;
    p.component = 1;
    return p;
}

/* maps [n, p] of samples rows[0..n) of one view of q, scores [n] or NULL. */
static float *explain(const mucmm_model *m, const problem *q, int32_t view, const int64_t *rows,
                      int64_t n, const mucmm_explain_params *p, double *scores)
{
    int64_t cols = q->p[view];
    float *maps = test_floats(n * cols);

    CHECK_OK(ctx, mucmm_explain(ctx, m, q->view, q->n_views, view, rows, n, p,
                                &(mucmm_mat){maps, n, cols, cols}, scores));
    return maps;
}

static double norm(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

/* ---- section 7: what the pattern maps are, on the training rows --------------------- */

/* E*[x | z] - mean of every row in raw units, for uncorrelated z [n, d] of variance 1. */
static double *prediction(const problem *t, int32_t view, const float *z, int64_t d)
{
    int64_t p = t->p[view];
    double *out = test_doubles(t->n * p);

    for (int64_t j = 0; j < p; j++)
        for (int64_t l = 0; l < d; l++) {
            double loading = covariance(t->x[view], p, j, z, d, l, t->n);
            for (int64_t i = 0; i < t->n; i++)
                out[i * p + j] += loading * (double)z[i * d + l];
        }
    return out;
}

static void check_rows(const float *got, const double *want, int64_t n, int64_t p)
{
    double scale = 0;

    for (int64_t i = 0; i < n * p; i++)
        scale = fmax(scale, fabs(want[i]));
    for (int64_t i = 0; i < n * p; i++)
        CHECK_CLOSE(got[i], want[i], 1e-4 * scale);
}

/* (1) is for linear heads; what their 2 common and 6 individual variates leave of 8 is nothing. */
static void check_identities(mucmm_head_kind head, mucmm_scaling scaling)
{
    problem q = new_problem(ctx, 2, 301, false, 50), t;
    mucmm_fit_params fp = small_params(head);
    mucmm_explain_params common = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    mucmm_explain_params energy = explain_params(MUCMM_SCORE_COMMON_ENERGY, MUCMM_MAP_PATTERN);
    mucmm_explain_params own = explain_params(MUCMM_SCORE_INDIVIDUAL, MUCMM_MAP_PATTERN);
    float *c[2], *u[2], *maps[3];
    double *want[3], *centred;
    mucmm_model *m;
    int64_t *rows, p = 8;
    bool linear = head == MUCMM_HEAD_LINEAR;

    fp.individual = 6;
    fp.ridge = 1e-9;
    fp.scaling = scaling;
    m = fit(ctx, &q, &fp);
    t = training_problem(ctx, &q, &fp);
    rows = calloc((size_t)t.n, sizeof *rows);
    centred = test_doubles(t.n * p);
    for (int64_t i = 0; i < t.n; i++) {
        rows[i] = i;
        for (int64_t j = 0; j < p; j++)
            centred[i * p + j] = (double)t.x[0][i * p + j] - m->view[0].mean[j];
    }
    for (int32_t v = 0; v < 2; v++)
        transform(ctx, m, MUCMM_HEADS, v, t.data[v], &c[v], &u[v]);
    maps[0] = explain(m, &t, 0, rows, t.n, &common, NULL);
    maps[1] = explain(m, &t, 0, rows, t.n, &energy, NULL);
    maps[2] = explain(m, &t, 0, rows, t.n, &own, NULL);
    want[0] = prediction(&t, 0, c[1], 2); /* identity (1): from what the other view says */
    want[1] = prediction(&t, 0, c[0], 2); /* (2) */
    want[2] = prediction(&t, 0, u[0], 6); /* (3) */
    for (int i = linear ? 0 : 1; i < 3; i++)
        check_rows(maps[i], want[i], t.n, p);
    for (int64_t i = 0; i < t.n * p; i++)
        maps[1][i] += maps[2][i];
    if (linear)
        check_rows(maps[1], centred, t.n, p); /* nothing is left over */
    for (int i = 0; i < 3; i++) {
        free(maps[i]);
        free(want[i]);
    }
    for (int v = 0; v < 2; v++) {
        free(c[v]);
        free(u[v]);
    }
    free(centred);
    free(rows);
    mucmm_model_free(m);
    drop_problem(&t);
    drop_problem(&q);
}

static void test_patterns_are_the_best_predictions(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        check_identities(i / 2 ? MUCMM_HEAD_MLP : MUCMM_HEAD_LINEAR,
                         i % 2 ? MUCMM_SCALE_COLUMN : MUCMM_SCALE_VIEW);
}

/* ---- gradients --------------------------------------------------------------------- */

/* The score of one sample by its formula, from variates. z: the explained view's c or u. */
static double score_by_formula(const mucmm_model *m, const mucmm_explain_params *p, int32_t view,
                               const float *c, const float *u, float *const *others)
{
    const double *rho = mucmm__model_solution(m, p->representation)->rho;
    int32_t views = m->n_views;
    double sum = 0;

    switch (p->score) {
    case MUCMM_SCORE_COMMON:
        for (int32_t l = 0; l < views; l++)
            for (int64_t j = 0; j < m->k && l != view; j++)
                sum += 2.0 / (views * (views - 1)) * rho[j] * (double)c[j] * (double)others[l][j];
        return sum; /* without the pairs of other views, which do not change */
    case MUCMM_SCORE_COMMON_ENERGY:
        for (int64_t j = 0; j < m->k; j++)
            sum += .5 * (double)c[j] * (double)c[j];
        return sum;
    case MUCMM_SCORE_INDIVIDUAL:
        for (int64_t j = 0; j < m->view[view].q; j++)
            sum += .5 * (double)u[j] * (double)u[j];
        return sum;
    case MUCMM_SCORE_COMMON_COMPONENT:
        return (double)c[p->component];
    case MUCMM_SCORE_INDIVIDUAL_COMPONENT:
        return (double)u[p->component];
    case MUCMM_SCORE_COUPLING: /* of two views */
        break;
    }
    return NAN;
}

/* Scores of rows x [n, p] of the view, through the public transform. */
static void scores_of_rows(const mucmm_model *m, const mucmm_explain_params *p, int32_t view,
                           const float *x, int64_t n, float *const *others, double *scores)
{
    int64_t cols = m->view[view].p;
    mucmm_data *d = NULL;
    float *c, *u;

    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, n, cols, cols}, "shifted", NULL, 0, &d));
    transform(ctx, m, p->representation, view, d, &c, &u);
    for (int64_t i = 0; i < n; i++)
        scores[i] = score_by_formula(m, p, view, c + i * m->k, u + i * m->view[view].q, others);
    free(c);
    free(u);
    mucmm_data_free(d);
}

/* One sample's gradient by central differences of two steps (Richardson). */
static void numeric_gradient(const mucmm_model *m, const mucmm_explain_params *p, int32_t view,
                             const float *x, float *const *others, double *out)
{
    static const double steps[] = {.02, -.02, .04, -.04}; /* in units of the scale */
    int64_t cols = m->view[view].p;
    float *rows = test_floats(4 * cols * cols);
    double *scores = test_doubles(4 * cols);

    for (int64_t r = 0; r < 4 * cols; r++) {
        memcpy(rows + r * cols, x, (size_t)cols * sizeof *x);
        rows[r * cols + r / 4] += (float)(steps[r % 4] * m->view[view].scale[r / 4]);
    }
    scores_of_rows(m, p, view, rows, 4 * cols, others, scores);
    for (int64_t j = 0; j < cols; j++) {
        double slope[2];
        for (int s = 0; s < 2; s++) {
            const float *plus = rows + (4 * j + 2 * s) * cols, *minus = plus + cols;
            slope[s] = (scores[4 * j + 2 * s] - scores[4 * j + 2 * s + 1]) /
                       ((double)plus[j] - (double)minus[j]);
        }
        out[j] = (4 * slope[0] - slope[1]) / 3;
    }
    free(rows);
    free(scores);
}

static void check_gradients(const mucmm_model *m, const problem *q, int32_t view,
                            const mucmm_explain_params *p)
{
    int64_t cols = q->p[view];
    double scores[SAMPLES], numeric[9], score;
    float *maps = explain(m, q, view, sample_rows, SAMPLES, p, scores);
    float *c[3], *u[3], *others[3];

    for (int32_t v = 0; v < q->n_views; v++)
        transform(ctx, m, p->representation, v, q->data[v], &c[v], &u[v]);
    for (int64_t i = 0; i < SAMPLES; i++) {
        int64_t row = sample_rows[i];
        const float *map = maps + i * cols;
        for (int32_t v = 0; v < q->n_views; v++)
            others[v] = c[v] + row * m->k;
        score = score_by_formula(m, p, view, c[view] + row * m->k, u[view] + row * m->view[view].q,
                                 others);
        CHECK_CLOSE(scores[i], score, 1e-5 * (1 + fabs(score)));
        numeric_gradient(m, p, view, q->x[view] + row * cols, others, numeric);
        if (scores[i] == 0 && norm(map, cols) == 0)
            continue; /* a dimension for which the view has no columns left */
        assert_true(norm(map, cols) > 0);
        for (int64_t j = 0; j < cols; j++)
            CHECK_CLOSE(map[j], numeric[j], 2e-3 * norm(map, cols) + 1e-5);
    }
    for (int32_t v = 0; v < q->n_views; v++) {
        free(c[v]);
        free(u[v]);
    }
    free(maps);
}

/* calls check for models with both heads, 2 and 3 views, both scalings, and every score of each. */
static void for_every_model(void (*check)(const mucmm_model *, const problem *, int32_t,
                                          const mucmm_explain_params *))
{
    for (int i = 0; i < 8; i++) {
        problem q = new_problem(ctx, 2 + i % 2, 301, true, 51);
        mucmm_fit_params p = small_params(i / 2 % 2 ? MUCMM_HEAD_MLP : MUCMM_HEAD_LINEAR);
        mucmm_model *m;

        p.scaling = i / 4 ? MUCMM_SCALE_COLUMN : MUCMM_SCALE_VIEW;
        m = fit(ctx, &q, &p);
        for (int32_t view = 0; view < q.n_views; view++)
            for (int s = 0; s < 5; s++)
                for (int representation = 0; representation < 2; representation++) {
                    mucmm_explain_params e = explain_params(all_scores[s], MUCMM_MAP_GRADIENT);
                    e.representation = (mucmm_representation)representation;
                    check(m, &q, view, &e);
                }
        mucmm_model_free(m);
        drop_problem(&q);
    }
}

static void test_gradient_is_the_difference_quotient_of_transform(void **state)
{
    (void)state;
    for_every_model(check_gradients);
}

static void check_by_itself(const mucmm_model *m, const problem *q, int32_t view,
                            const mucmm_explain_params *p)
{
    double worst = NAN;

    CHECK_OK(ctx, gradient_error_of(
                      ctx, (explain_case){m, q->view, q->n_views, view, sample_rows, SAMPLES, p},
                      &worst));
    if (!(worst >= 0 && worst < 1e-3))
        fail_msg("score %d of view %d: %g", (int)p->score, view, worst);
}

static void test_check_gradient_finds_no_fault(void **state)
{
    (void)state;
    for_every_model(check_by_itself);
}

/* ---- maps -------------------------------------------------------------------------- */

/* Slopes d score / dz [d] at the variates z of one row, u or c: exact, as scores are squares at
 * most. */
static void slopes(const mucmm_model *m, const mucmm_explain_params *p, int32_t view, float *c,
                   float *u, float *const *others, double *out)
{
    bool individual =
        p->score == MUCMM_SCORE_INDIVIDUAL || p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    float *z = individual ? u : c;

    for (int64_t l = 0; l < (individual ? m->view[view].q : m->k); l++) {
        float keep = z[l];
        double up, down;
        z[l] = keep + .5f;
        up = score_by_formula(m, p, view, c, u, others);
        z[l] = keep - .5f;
        down = score_by_formula(m, p, view, c, u, others);
        z[l] = keep;
        out[l] = up - down;
    }
}

/* want [cols] of one sample: Cov(x, z) ds/dz over the training rows. */
static void pattern_by_formula(const mucmm_model *m, const problem *q, const problem *t,
                               int32_t view, const mucmm_explain_params *p, int64_t row,
                               double *want)
{
    bool individual =
        p->score == MUCMM_SCORE_INDIVIDUAL || p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    int64_t k = m->k, own = m->view[view].q, d = individual ? own : k, cols = q->p[view];
    float *c[3], *u[3], *others[3], *tc, *tu;
    double slope[16];

    for (int32_t v = 0; v < q->n_views; v++) {
        transform(ctx, m, p->representation, v, q->data[v], &c[v], &u[v]);
        others[v] = c[v] + row * k;
    }
    transform(ctx, m, p->representation, view, t->data[view], &tc, &tu);
    slopes(m, p, view, c[view] + row * k, u[view] + row * own, others, slope);
    for (int64_t j = 0; j < cols; j++) {
        want[j] = 0;
        for (int64_t l = 0; l < d; l++)
            want[j] += slope[l] * covariance(t->x[view], cols, j, individual ? tu : tc, d, l, t->n);
    }
    for (int32_t v = 0; v < q->n_views; v++) {
        free(c[v]);
        free(u[v]);
    }
    free(tc);
    free(tu);
}

static void check_maps(const mucmm_model *m, const problem *q, int32_t view,
                       const mucmm_explain_params *p)
{
    mucmm_explain_params e = *p;
    mucmm_fit_params fp = m->params;
    problem t = training_problem(ctx, q, &fp);
    int64_t cols = q->p[view];
    double scores[4][SAMPLES];
    float *maps[4];

    maps[0] = explain(m, q, view, sample_rows, SAMPLES, &e, scores[0]);
    e.map = MUCMM_MAP_INPUT_X_GRADIENT;
    maps[1] = explain(m, q, view, sample_rows, SAMPLES, &e, scores[1]);
    e.map = MUCMM_MAP_PATTERN;
    maps[2] = explain(m, q, view, sample_rows, SAMPLES, &e, scores[2]);
    e.training = t.data[view];
    maps[3] = explain(m, q, view, sample_rows, SAMPLES, &e, scores[3]);
    for (int64_t i = 0; i < SAMPLES; i++) {
        const float *g = maps[0] + i * cols;
        double scale = norm(maps[2] + i * cols, cols), want[9];
        pattern_by_formula(m, q, &t, view, p, sample_rows[i], want);
        for (int64_t j = 0; j < cols; j++) {
            double x = (double)q->x[view][sample_rows[i] * cols + j] - m->view[view].mean[j];
            double pattern = want[j];
            CHECK_CLOSE(maps[1][i * cols + j], (double)g[j] * x,
                        1e-5 * (1 + fabs((double)g[j] * x)));
            CHECK_CLOSE(maps[2][i * cols + j], pattern, 1e-5 * scale);
            CHECK_CLOSE(maps[3][i * cols + j], pattern, 1e-5 * scale);
        }
        for (int k = 1; k < 4; k++)
            CHECK_CLOSE(scores[k][i], scores[0][i], 0);
    }
    for (int k = 0; k < 4; k++)
        free(maps[k]);
    drop_problem(&t);
}

/* What a map is compared with is the same map of other models: of this model it is the map itself.
 */
static void check_as_another_model(const mucmm_model *m, const problem *q, int32_t view,
                                   const mucmm_explain_params *p)
{
    int64_t size = SAMPLES * q->p[view];
    float *other = test_floats(size);

    for (int map = MUCMM_MAP_GRADIENT; map <= MUCMM_MAP_LCMV; map++) {
        mucmm_explain_params e = *p;
        mucmm_explanation *of = NULL;
        float *own;
        e.map = (mucmm_map_kind)map;
        own = explain(m, q, view, sample_rows, SAMPLES, &e, NULL);
        CHECK_OK(ctx, mucmm_explanation_create(ctx, m, q->view, q->n_views, view, sample_rows,
                                               SAMPLES, &e, &of));
        CHECK_OK(ctx, mucmm__other_maps(ctx, &of->s, &m, 1, "the same model", other));
        assert_memory_equal(own, other, (size_t)size * sizeof *own);
        mucmm_explanation_free(of);
        free(own);
    }
    free(other);
}

static void test_maps_of_other_models_are_the_same_maps(void **state)
{
    (void)state;
    for_every_model(check_as_another_model);
}

static void test_maps_are_made_of_the_gradient(void **state)
{
    (void)state;
    for_every_model(check_maps);
}

/* ---- many gradients: smoothgrad, integrated gradients ------------------------------ */

/* Are the heads of a score the closed form, although networks: no epoch was better? */
static bool stayed_linear(const mucmm_model *m, const mucmm_explain_params *p)
{
    int64_t best = -1;

    for (int64_t i = 0; i < m->n_history; i++)
        if (m->history[i].stage == m->start &&
            (best < 0 || m->history[i].held_out > m->history[best].held_out))
            best = i;
    for (int32_t i = 0; i < m->n_front && p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT; i++)
        if (m->front[i].chosen && m->front[i].kind != MUCMM_CANDIDATE_RESIDUAL)
            return false;
    return m->start == MUCMM__STAGE_SKIP && m->history[best].epoch == 0;
}

static bool is_linear(const mucmm_model *m, const mucmm_explain_params *p)
{
    return (m->params.head == MUCMM_HEAD_LINEAR || p->representation == MUCMM_LINEAR ||
            stayed_linear(m, p)) &&
           p->score != MUCMM_SCORE_COMMON_ENERGY && p->score != MUCMM_SCORE_INDIVIDUAL;
}

static void check_smoothgrad(const mucmm_model *m, const problem *q, int32_t view,
                             const mucmm_explain_params *p)
{
    int64_t cols = q->p[view];
    mucmm_explain_params e = *p;
    float *g = explain(m, q, view, sample_rows, SAMPLES, p, NULL), *smooth, *still;

    e.map = MUCMM_MAP_SMOOTHGRAD;
    e.samples = 40; /* more than one chunk */
    smooth = explain(m, q, view, sample_rows, SAMPLES, &e, NULL);
    e.noise = 0;
    still = explain(m, q, view, sample_rows, SAMPLES, &e, NULL);
    for (int64_t j = 0; j < SAMPLES * cols; j++) {
        double scale = norm(g + j / cols * cols, cols);
        CHECK_CLOSE(still[j], g[j], 1e-5 * scale);
        if (is_linear(m, p))
            CHECK_CLOSE(smooth[j], g[j], 1e-5 * scale);
        assert_true(isfinite(smooth[j]));
    }
    if (!is_linear(m, p))
        assert_memory_not_equal(smooth, still, (size_t)(SAMPLES * cols) * sizeof *smooth);
    free(g);
    free(smooth);
    free(still);
}

/* The score of what the baseline is, through the public transform. */
static double score_of_baseline(const mucmm_model *m, const problem *q, int32_t view, int64_t row,
                                const mucmm_explain_params *p)
{
    int64_t cols = q->p[view];
    float *x = test_floats(cols), *c[3], *u[3], *others[3];
    double score;

    for (int64_t j = 0; j < cols; j++)
        x[j] = p->baseline == MUCMM_BASELINE_ZERO  ? 0
               : p->baseline == MUCMM_BASELINE_ROW ? q->x[view][p->baseline_row * cols + j]
                                                   : (float)m->view[view].mean[j];
    for (int32_t v = 0; v < q->n_views; v++) {
        transform(ctx, m, p->representation, v, q->data[v], &c[v], &u[v]);
        others[v] = c[v] + row * m->k;
    }
    scores_of_rows(m, p, view, x, 1, others, &score);
    for (int32_t v = 0; v < q->n_views; v++) {
        free(c[v]);
        free(u[v]);
    }
    free(x);
    return score;
}

static void check_complete(const mucmm_model *m, const problem *q, int32_t view,
                           const mucmm_explain_params *p)
{
    static const mucmm_baseline kinds[] = {MUCMM_BASELINE_DEFAULT, MUCMM_BASELINE_ZERO,
                                           MUCMM_BASELINE_ROW};
    bool linear = m->params.head == MUCMM_HEAD_LINEAR || p->representation == MUCMM_LINEAR;
    int64_t cols = q->p[view];

    for (size_t k = 0; k < 3; k++) {
        mucmm_explain_params e = *p;
        double scores[SAMPLES], gaps[SAMPLES];
        float *maps, *differences = test_floats(SAMPLES * cols);

        e.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
        e.baseline = kinds[k];
        e.baseline_row = 7;
        e.steps = linear ? 1 : 64; /* a linear gradient needs but one point */
        maps = explain(m, q, view, sample_rows, SAMPLES, &e, scores);
        CHECK_OK(ctx,
                 gaps_and_differences_of(
                     ctx, (explain_case){m, q->view, q->n_views, view, sample_rows, SAMPLES, &e},
                     gaps, differences, cols));
        for (int64_t i = 0; i < SAMPLES; i++) {
            double way = scores[i] - score_of_baseline(m, q, view, sample_rows[i], &e), sum = 0;
            double bound = linear ? 1e-5 : 1e-3, range = 1 + fabs(scores[i]) + fabs(way);
            for (int64_t j = 0; j < cols; j++)
                sum += (double)maps[i * cols + j];
            CHECK_CLOSE(sum, way, bound * range);
            CHECK_CLOSE(gaps[i], sum - way, 2e-5 * range);
            for (int64_t j = 0; j < cols && e.baseline == MUCMM_BASELINE_ZERO; j++)
                CHECK_CLOSE(differences[i * cols + j], q->x[view][sample_rows[i] * cols + j],
                            1e-5 * (1 + fabs((double)q->x[view][sample_rows[i] * cols + j])));
        }
        free(differences);
        free(maps);
    }
}

static void test_smoothgrad_of_a_linear_score_is_the_gradient(void **state)
{
    (void)state;
    for_every_model(check_smoothgrad);
}

static void test_integrated_gradients_are_complete(void **state)
{
    (void)state;
    for_every_model(check_complete);
}

static void test_maps_of_a_sample_depend_on_it_alone(void **state)
{
    problem q = new_problem(ctx, 2, 301, true, 57);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON_ENERGY, MUCMM_MAP_SMOOTHGRAD);
    float *other;

    (void)state;
    for (int k = 0; k < 2; k++) {
        float *all = explain(m, &q, 0, sample_rows, SAMPLES, &p, NULL);
        for (int64_t i = 0; i < SAMPLES; i++) {
            float *alone = explain(m, &q, 0, sample_rows + i, 1, &p, NULL);
            assert_memory_equal(alone, all + i * 8, 8 * sizeof *all);
            free(alone);
        }
        if (k == 0) {
            p.seed = 2;
            other = explain(m, &q, 0, sample_rows, SAMPLES, &p, NULL);
            assert_memory_not_equal(other, all, 8 * sizeof *all);
            free(other);
        }
        free(all);
        p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

/* The integral of a linear score is input-x-gradient, whatever the baseline. */
static void test_baselines(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 58);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_data *left = NULL;
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_GRADIENT);
    float *g = explain(m, &q, 0, sample_rows, SAMPLES, &p, NULL), blurred[8];

    (void)state;
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[0], 100, 8, 8}, "left", (int64_t[]){2, 4},
                                  2, &left));
    q.view[0].data = left;
    p.baseline_row = 3;
    for (int kind = MUCMM_BASELINE_DEFAULT; kind <= MUCMM_BASELINE_ROW; kind++) {
        float *maps[2];
        p.baseline = (mucmm_baseline)kind;
        for (int k = 0; k < 2; k++) {
            p.map = k ? MUCMM_MAP_INTEGRATED_GRADIENTS : MUCMM_MAP_INPUT_X_GRADIENT;
            maps[k] = explain(m, &q, 0, sample_rows, SAMPLES, &p, NULL);
        }
        for (int64_t j = 0; j < SAMPLES * 8; j++) {
            const float *x = q.x[0] + sample_rows[j / 8] * 8;
            double base = m->view[0].mean[j % 8];
            CHECK_OK(ctx, mucmm__blur(ctx, (int64_t[]){2, 4}, 2, x, blurred));
            base = kind == MUCMM_BASELINE_ZERO      ? 0
                   : kind == MUCMM_BASELINE_ROW     ? (double)q.x[0][3 * 8 + j % 8]
                   : kind == MUCMM_BASELINE_BLURRED ? (double)blurred[j % 8]
                                                    : base;
            for (int k = 0; k < 2; k++)
                CHECK_CLOSE(maps[k][j], (double)g[j] * ((double)x[j % 8] - base),
                            1e-4 * norm(g + j / 8 * 8, 8));
        }
        free(maps[0]);
        free(maps[1]);
    }
    free(g);
    mucmm_data_free(left);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* A blur keeps what is flat and the sum in the middle, and takes channels for what they are. */
static void test_blur(void **state)
{
    enum { SIDE = 12 };
    float planes[3 * SIDE * SIDE] = {0}, cells[3 * SIDE * SIDE], out[3 * SIDE * SIDE];
    double sum = 0;

    (void)state;
    planes[6 * SIDE + 6] = 1;
    for (int64_t i = 0; i < SIDE * SIDE; i++)
        planes[SIDE * SIDE + i] = 2;
    CHECK_OK(ctx, mucmm__blur(ctx, (int64_t[]){3, SIDE, SIDE}, 3, planes, out));
    for (int64_t i = 0; i < SIDE * SIDE; i++) {
        sum += (double)out[i];
        CHECK_CLOSE(out[SIDE * SIDE + i], 2, 1e-6);
        CHECK_CLOSE(out[2 * SIDE * SIDE + i], 0, 0);
        for (int64_t c = 0; c < 3; c++)
            cells[3 * i + c] = planes[c * SIDE * SIDE + i];
    }
    CHECK_CLOSE(sum, 1, 1e-6);
    CHECK_CLOSE(out[6 * SIDE + 5], out[5 * SIDE + 6], 1e-7);
    assert_true(out[6 * SIDE + 6] > out[6 * SIDE + 5] && out[6 * SIDE + 5] > 0);
    CHECK_OK(ctx, mucmm__blur(ctx, (int64_t[]){SIDE, SIDE, 3}, 3, cells, cells));
    for (int64_t i = 0; i < SIDE * SIDE; i++)
        for (int64_t c = 0; c < 3; c++)
            CHECK_CLOSE(cells[3 * i + c], out[c * SIDE * SIDE + i], 0);
}

static void test_refusals_of_parameters(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 59);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    static const struct {
        mucmm_map_kind map;
        int64_t samples, steps, row;
        double noise;
        int baseline;
        const char *words;
    } cases[] = {
        {MUCMM_MAP_SMOOTHGRAD, 0, 1, 0, 1, 0, "smoothgrad of 0 samples"},
        {MUCMM_MAP_SMOOTHGRAD, 1, 1, 0, -1, 0, "noise -1"},
        {MUCMM_MAP_SMOOTHGRAD, 1, 1, 0, NAN, 0, "must be finite"},
        {MUCMM_MAP_INTEGRATED_GRADIENTS, 1, 0, 0, 1, 0, "in 0 steps"},
        {MUCMM_MAP_INTEGRATED_GRADIENTS, 1, 4097, 0, 1, 0, "in 4097 steps"},
        {MUCMM_MAP_INTEGRATED_GRADIENTS, 1, 1, 0, 1, 9, "no baseline 9"},
        {MUCMM_MAP_INTEGRATED_GRADIENTS, 1, 1, 100, 1, MUCMM_BASELINE_ROW, "baseline row 100 is"},
        {MUCMM_MAP_INPUT_X_GRADIENT, 1, 1, -1, 1, MUCMM_BASELINE_ROW, "left has 100 rows"},
        {MUCMM_MAP_INPUT_X_GRADIENT, 1, 1, 0, 1, MUCMM_BASELINE_BLURRED,
         "view 'left' cannot be blurred"},
    };
    float maps[SAMPLES * 8];

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, cases[k].map);
        p.samples = cases[k].samples;
        p.steps = cases[k].steps;
        p.noise = cases[k].noise;
        p.baseline = (mucmm_baseline)cases[k].baseline;
        p.baseline_row = cases[k].row;
        check_message(ctx,
                      mucmm_explain(ctx, m, q.view, 2, 0, sample_rows, SAMPLES, &p,
                                    &(mucmm_mat){maps, SAMPLES, 8, 8}, NULL),
                      MUCMM_EARG, cases[k].words);
    }
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_pattern_takes_the_covariance_of_other_rows(void **state)
{
    problem q = new_problem(ctx, 2, 1500, false, 52);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_INDIVIDUAL, MUCMM_MAP_GRADIENT);
    float *g = explain(m, &q, 1, sample_rows, SAMPLES, &p, NULL), *got;
    double *cov = test_doubles(81);

    (void)state;
    for (int64_t a = 0; a < 9; a++)
        for (int64_t b = 0; b < 9; b++)
            cov[a * 9 + b] = covariance(q.x[1], 9, a, q.x[1], 9, b, q.n);
    p.map = MUCMM_MAP_PATTERN;
    p.training = q.data[1]; /* more than one chunk, also of rows the model has not seen */
    got = explain(m, &q, 1, sample_rows, SAMPLES, &p, NULL);
    for (int64_t i = 0; i < SAMPLES; i++)
        for (int64_t a = 0; a < 9; a++) {
            double want = 0;
            for (int64_t b = 0; b < 9; b++)
                want += cov[a * 9 + b] * (double)g[i * 9 + b];
            CHECK_CLOSE(got[i * 9 + a], want, 1e-5 * norm(got + i * 9, 9));
        }
    free(g);
    free(got);
    free(cov);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_maps_keep_to_their_stride_and_order(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 53);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    static const int64_t rows[] = {5, 99, 5};
    mucmm_view swapped[] = {q.view[1], q.view[0]};
    float *tight = explain(m, &q, 0, rows, 3, &p, NULL), wide[3 * 10];

    (void)state;
    for (int i = 0; i < 30; i++)
        wide[i] = 42;
    CHECK_OK(ctx, mucmm_explain(ctx, m, swapped, 2, 0, rows, 3, NULL, /* the defaults */
                                &(mucmm_mat){wide, 3, 8, 10}, NULL));
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(wide + 10 * i, tight + 8 * i, 8 * sizeof *tight);
        assert_true(wide[10 * i + 8] == 42 && wide[10 * i + 9] == 42);
    }
    assert_memory_equal(tight, tight + 16, 8 * sizeof *tight);
    CHECK_OK(ctx,
             mucmm_explain(ctx, m, q.view, 2, 0, rows, 0, &p, &(mucmm_mat){wide, 0, 8, 8}, NULL));
    free(tight);
    mucmm_model_free(m);
    drop_problem(&q);
}

static void test_individual_score_without_individual_dimensions(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 54);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_explain_params p = explain_params(MUCMM_SCORE_INDIVIDUAL, MUCMM_MAP_PATTERN);
    double scores[SAMPLES];
    mucmm_model *m;
    float *maps;

    (void)state;
    fp.individual = 0;
    m = fit(ctx, &q, &fp);
    maps = explain(m, &q, 0, sample_rows, SAMPLES, &p, scores);
    CHECK_CLOSE(norm(maps, SAMPLES * 8), 0, 0);
    CHECK_CLOSE(scores[2], 0, 0);
    p.score = MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    check_message(ctx,
                  mucmm_explain(ctx, m, q.view, 2, 0, sample_rows, SAMPLES, &p,
                                &(mucmm_mat){maps, SAMPLES, 8, 8}, NULL),
                  MUCMM_EARG, "view 'left' has 0 individual dimensions");
    free(maps);
    mucmm_model_free(m);
    drop_problem(&q);
}

/* ---- refusals ---------------------------------------------------------------------- */

static void test_explain_refusals(void **state)
{
    problem q = new_problem(ctx, 2, 100, false, 55), shorter = new_problem(ctx, 2, 50, false, 55);
    mucmm_fit_params fp = small_params(MUCMM_HEAD_LINEAR);
    mucmm_model *m = fit(ctx, &q, &fp);
    mucmm_explain_params p;
    mucmm_view left = q.view[0], right = q.view[1];
    static const int64_t negative[] = {0, -1, 2}, beyond[] = {0, 100, 2};
    const int64_t *rows = sample_rows;
    float maps[SAMPLES * 9];
    mucmm_mat out = {maps, SAMPLES, 8, 8};
    mucmm_explanation *e = NULL;
    double worst;

    (void)state;
#define REFUSED(views, n_views, view, rows_, out_, status, fragment)                               \
    check_message(ctx,                                                                             \
                  mucmm_explain(ctx, m, views, n_views, view, rows_, SAMPLES, &p, out_, NULL),     \
                  status, fragment)
    p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    REFUSED(&left, 1, 0, rows, &out, MUCMM_EARG, "view 'right' of the model is not given");
    REFUSED(q.view, 2, 2, rows, &out, MUCMM_EARG, "view 2 is out of range: the model has 2");
    REFUSED(q.view, 2, -1, rows, &out, MUCMM_EARG, "view -1 is out of range");
    REFUSED(q.view, 2, 0, negative, &out, MUCMM_EARG,
            "sample -1 is out of range: left has 100 rows");
    REFUSED(q.view, 2, 0, beyond, &out, MUCMM_EARG,
            "sample 100 is out of range: left has 100 rows");
    REFUSED(((mucmm_view[]){left, shorter.view[1]}), 2, 0, rows, &out, MUCMM_ESHAPE, "paired");
    REFUSED(q.view, 2, 0, rows, (&(mucmm_mat){maps, 2, 8, 8}), MUCMM_ESHAPE, "maps must be [3, 8]");
    REFUSED(q.view, 2, 0, rows, (&(mucmm_mat){maps, 3, 9, 9}), MUCMM_ESHAPE, "maps must be [3, 8]");
    REFUSED(q.view, 2, 0, rows, (&(mucmm_mat){maps, 3, 8, 7}), MUCMM_ESHAPE, "maps must be [3, 8]");
    p.training = right.data;
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_ESHAPE,
            "the training rows: right: view 'left' has 9 columns; the model was fitted on 8");
    p = explain_params(MUCMM_SCORE_INDIVIDUAL, MUCMM_MAP_GRADIENT);
    REFUSED(&right, 1, 0, rows, &out, MUCMM_EARG, "view 'left' of the model is not given");
    REFUSED(((mucmm_view[]){{NULL, left.data}}), 1, 0, rows, &out, MUCMM_EARG, "is not given");
    REFUSED(((mucmm_view[]){{"left", right.data}}), 1, 0, rows, &out, MUCMM_ESHAPE,
            "view 'left' has 9 columns; the model was fitted on 8");
    CHECK_OK(ctx, mucmm_explain(ctx, m, &left, 1, 0, rows, SAMPLES, &p, &out, NULL));
    p.score = MUCMM_SCORE_COMMON_COMPONENT;
    p.component = 2;
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_EARG,
            "component 2 is out of range: view 'left' has 2 common dimensions, counted from 0");
    check_message(ctx,
                  gradient_error_of(ctx, (explain_case){m, &left, 1, 0, rows, SAMPLES, &p}, &worst),
                  MUCMM_EARG, "component 2 is out of range");
    p.component = -1;
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_EARG, "component -1 is out of range");
    p.score = MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    p.component = 3;
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_EARG, "3 individual dimensions");
    p = explain_params((mucmm_score_kind)9, MUCMM_MAP_GRADIENT);
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_EARG, "score 9");
    p = explain_params(MUCMM_SCORE_COMMON, (mucmm_map_kind)9);
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_EARG, "map 9");
    p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    p.struct_size = 1;
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_EARG, "mucmm_explain_params_init");
    p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
    mucmm__free(m->view[0].covariance); /* as of a view with very many columns */
    m->view[0].covariance = NULL;
    CHECK_OK(ctx, mucmm_explain(ctx, m, q.view, 2, 0, rows, SAMPLES, &p, &out, NULL));
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, q.view, 2, 0, rows, SAMPLES, &p, &e));
    CHECK_OK(ctx, mucmm_explanation_components(ctx, e, 1, (int64_t[]){0}, maps)); /* loadings do */
    check_message(ctx, mucmm_explanation_components(ctx, e, 1, (int64_t[]){99}, maps), MUCMM_EARG,
                  "component 99 is out of range");
    check_message(ctx, mucmm_explanation_components(ctx, e, -1, NULL, maps), MUCMM_EARG, "-1 maps");
    mucmm_explanation_free(e);
    for (int i = 0; i < 2; i++) { /* as in files of earlier versions */
        mucmm__solution *of = i ? &m->linear : &m->heads;
        mucmm__free(of->loadings[0]);
        of->loadings[0] = NULL;
    }
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_EARG, "give the training rows");
    p.training = left.data;
    CHECK_OK(ctx, mucmm_explain(ctx, m, q.view, 2, 0, rows, SAMPLES, &p, &out, NULL));
    q.x[0][17 * 8 + 3] = NAN;
    REFUSED(q.view, 2, 0, rows, &out, MUCMM_ENUMERIC, "left: row 17, column 3");
#undef REFUSED
    mucmm_model_free(m);
    drop_problem(&q);
    drop_problem(&shorter);
}

/* ---- out of memory ----------------------------------------------------------------- */

typedef struct memory_case {
    problem q;
    mucmm_model *m;
    mucmm_explain_params p;
} memory_case;

static mucmm_status call_explain(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    float maps[SAMPLES * 8];

    return mucmm_explain(c, t->m, t->q.view, 2, 0, sample_rows, SAMPLES, &t->p,
                         &(mucmm_mat){maps, SAMPLES, 8, 8}, NULL);
}

static mucmm_status call_check(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    double worst;

    return gradient_error_of(c, (explain_case){t->m, t->q.view, 2, 0, sample_rows, 1, &t->p},
                             &worst);
}

static void test_every_failed_allocation_is_reported(void **state)
{
    (void)state;
    for (int head = 0; head < 2; head++) {
        memory_case t = {new_problem(ctx, 2, 64, true, 56), NULL, {0}};
        mucmm_fit_params fp = small_params((mucmm_head_kind)head);

        fp.batch = 50;
        t.m = fit(ctx, &t.q, &fp);
        for (int i = 0; i < 3; i++) {
            t.p =
                explain_params(i ? MUCMM_SCORE_INDIVIDUAL : MUCMM_SCORE_COMMON, MUCMM_MAP_PATTERN);
            t.p.training = i == 1 ? t.q.data[0] : NULL;
            assert_true(sweep_out_of_memory(call_explain, &t, 1000) > 5);
            assert_true(sweep_out_of_memory(call_check, &t, 40) > 5);
        }
        t.p = explain_params(MUCMM_SCORE_COMMON, MUCMM_MAP_INTEGRATED_GRADIENTS);
        assert_true(sweep_out_of_memory(call_explain, &t, 1000) > 5);
        mucmm_model_free(t.m);
        drop_problem(&t.q);
    }
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
        cmocka_unit_test(test_patterns_are_the_best_predictions),
        cmocka_unit_test(test_gradient_is_the_difference_quotient_of_transform),
        cmocka_unit_test(test_check_gradient_finds_no_fault),
        cmocka_unit_test(test_maps_of_other_models_are_the_same_maps),
        cmocka_unit_test(test_maps_are_made_of_the_gradient),
        cmocka_unit_test(test_smoothgrad_of_a_linear_score_is_the_gradient),
        cmocka_unit_test(test_integrated_gradients_are_complete),
        cmocka_unit_test(test_maps_of_a_sample_depend_on_it_alone),
        cmocka_unit_test(test_baselines),
        cmocka_unit_test(test_blur),
        cmocka_unit_test(test_refusals_of_parameters),
        cmocka_unit_test(test_pattern_takes_the_covariance_of_other_rows),
        cmocka_unit_test(test_maps_keep_to_their_stride_and_order),
        cmocka_unit_test(test_individual_score_without_individual_dimensions),
        cmocka_unit_test(test_explain_refusals),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("explain", tests, set_up, tear_down);
}
