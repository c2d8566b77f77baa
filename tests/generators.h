/* SPDX-License-Identifier: MIT
 *
 * generators.h - data with known truth for tests: the generators A and B of the method's
 * benchmarks, a small planted problem, and what the tests of models share around them. */
#ifndef MUCMM_TEST_GENERATORS_H
#define MUCMM_TEST_GENERATORS_H

#include "harness.h"
#include "model/represent.h"

static inline double *test_doubles(int64_t n)
{
    double *x = calloc((size_t)(n > 0 ? n : 1), sizeof *x);

    assert_non_null(x);
    return x;
}

static inline float *test_floats(int64_t n)
{
    float *x = calloc((size_t)(n > 0 ? n : 1), sizeof *x);

    assert_non_null(x);
    return x;
}

/* factor * N_0, N_1, ... of a stream */
static inline double *normals(uint64_t seed, uint64_t stream, int64_t n, double factor)
{
    uint64_t key = mucmm__rng_key(seed, stream);
    double *x = test_doubles(n);

    for (int64_t i = 0; i < n; i++)
        x[i] = factor * mucmm__rng_normal(key, (uint64_t)i);
    return x;
}

/* ---- generator A: linear mixing ---------------------------------------------------- */

#define A_LATENTS 50
#define A_COLUMNS 100

/* x[m] [n, 100] = [z_m, zs] T_m + noise N; shared [n, 50] or NULL. */
static inline void generator_a(uint64_t seed, int64_t n, double noise, double *x[2],
                               double **shared)
{
    double *z[3];

    for (int s = 0; s < 3; s++)
        z[s] = normals(seed, (uint64_t)s, n * A_LATENTS, sqrt(.5));
    for (int m = 0; m < 2; m++) {
        uint64_t key = mucmm__rng_key(seed, 3 + (uint64_t)m);
        x[m] = normals(seed, 5 + (uint64_t)m, n * A_COLUMNS, noise);
        for (int64_t a = 0; a < 2 * A_LATENTS; a++)
            for (int64_t j = 0; j < A_COLUMNS; j++) {
                double t = 2 * mucmm__rng_uniform(key, (uint64_t)(a * A_COLUMNS + j)) - 1;
                const double *from = a < A_LATENTS ? z[1 + m] + a : z[0] + a - A_LATENTS;
                for (int64_t i = 0; i < n; i++)
                    x[m][i * A_COLUMNS + j] += from[i * A_LATENTS] * t;
            }
        free(z[1 + m]);
    }
    if (shared)
        *shared = z[0];
    else
        free(z[0]);
}

/* ---- generator B: nonlinear mixing ------------------------------------------------- */

#define B_LATENTS 8
#define B_COLUMNS 64

/* The latents [n, 8] of view 2 that are shared with view 1: four as they are, four through cos. */
static inline void hide_half(int64_t n, double *s)
{
    double mean = exp(-2), sd = sqrt((1 + exp(-8)) / 2 - exp(-4));

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 4; j < B_LATENTS; j++)
            s[i * B_LATENTS + j] = (cos(2 * s[i * B_LATENTS + j]) - mean) / sd;
}

/* x[m] [n, 64] = tanh([s_m, z_m] A_m') B_m' + 0.2 N. */
static inline void generator_b(uint64_t seed, int64_t n, double *x[2])
{
    double *s = normals(seed, 0, n * B_LATENTS, 1), hidden[B_COLUMNS];

    for (int m = 0; m < 2; m++) {
        double *z = normals(seed, 1 + (uint64_t)m, n * B_LATENTS, 1);
        double *a = normals(seed, 3 + (uint64_t)m, B_COLUMNS * 2 * B_LATENTS, 1.5 / 4);
        double *b = normals(seed, 5 + (uint64_t)m, B_COLUMNS * B_COLUMNS, 1.0 / 8);
        x[m] = normals(seed, 7 + (uint64_t)m, n * B_COLUMNS, .2);
        if (m == 1)
            hide_half(n, s);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t h = 0; h < B_COLUMNS; h++) {
                double sum = 0;
                for (int64_t l = 0; l < B_LATENTS; l++)
                    sum += s[i * B_LATENTS + l] * a[h * 2 * B_LATENTS + l] +
                           z[i * B_LATENTS + l] * a[h * 2 * B_LATENTS + B_LATENTS + l];
                hidden[h] = tanh(sum);
            }
            for (int64_t j = 0; j < B_COLUMNS; j++)
                for (int64_t h = 0; h < B_COLUMNS; h++)
                    x[m][i * B_COLUMNS + j] += hidden[h] * b[j * B_COLUMNS + h];
        }
        free(z);
        free(a);
        free(b);
    }
    free(s);
}

/* ---- a small problem: 3 shared latents, 2 private ones a view ---------------------- */

#define SHARED 3
#define PRIVATE 2
#define LATENTS (SHARED + PRIVATE)

typedef struct problem {
    int32_t n_views;
    int64_t n, p[3];
    float *x[3];    /* [n, p_m] */
    double *shared; /* [n, 3]   */
    mucmm_data *data[3];
    mucmm_view view[3];
} problem;

/* Latents of one row of a view: shared ones seen through noise of growing strength (so their
 * correlations differ), then private ones. Nonlinear: view 1 holds squares of the second and third.
 */
static inline void row_latents(const problem *q, int32_t m, int64_t i, bool nonlinear, uint64_t key,
                               double out[LATENTS])
{
    static const double strength[SHARED] = {.99, .97, .93};

    for (int64_t j = 0; j < LATENTS; j++)
        out[j] = mucmm__rng_normal(key, (uint64_t)(i * LATENTS + j));
    for (int64_t j = 0; j < SHARED; j++) {
        double s = q->shared[i * SHARED + j], a = strength[j];
        if (nonlinear && m == 1 && j > 0)
            s = (s * s - 1) / sqrt(2);
        out[j] = a * s + sqrt(1 - a * a) * out[j];
    }
}

/* Views of 8, 9 and 7 columns with means far from 0 and scales that differ. */
static inline problem new_problem(mucmm_ctx *ctx, int32_t n_views, int64_t n, bool nonlinear,
                                  uint64_t seed)
{
    static const char *const names[] = {"left", "right", "third"};
    problem q = {.n_views = n_views, .n = n, .p = {8, 9, 7}};

    q.shared = normals(seed, 0, n * SHARED, 1);
    for (int32_t m = 0; m < n_views; m++) {
        uint64_t stream = 10 * ((uint64_t)m + 1);
        int64_t p = q.p[m];
        double *mixing = normals(seed, stream, LATENTS * p, 1), z[LATENTS];
        double *noise = normals(seed, stream + 1, n * p, .05);
        q.x[m] = test_floats(n * p);
        for (int64_t i = 0; i < n; i++) {
            row_latents(&q, m, i, nonlinear, mucmm__rng_key(seed, stream + 2), z);
            for (int64_t j = 0; j < p; j++) {
                double sum = 0;
                for (int64_t l = 0; l < LATENTS; l++)
                    sum += z[l] * mixing[l * p + j];
                if (nonlinear && m == 0)
                    sum = 2 * tanh(sum / 2);
                q.x[m][i * p + j] =
                    (float)((1 + .25 * (double)j) * (sum + noise[i * p + j]) + 5 - (double)j);
            }
        }
        CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){q.x[m], n, p, p}, names[m], NULL, 0,
                                      &q.data[m]));
        q.view[m] = (mucmm_view){names[m], q.data[m]};
        free(mixing);
        free(noise);
    }
    return q;
}

static inline void drop_problem(problem *q)
{
    for (int m = 0; m < 3; m++) {
        mucmm_data_free(q->data[m]);
        free(q->x[m]);
    }
    free(q->shared);
    *q = (problem){0};
}

/* How many rows of a problem a fit does not train on: those held out, and as many that choose where
 * anything is chosen: outside a small sample the ridge, too. */
static inline int64_t rows_not_trained(const problem *q, const mucmm_fit_params *p)
{
    int64_t held_out = (int64_t)ceil((double)q->n * p->validation), widest = 0;
    int64_t choosing = held_out < (q->n - held_out) / 2 ? held_out : (q->n - held_out) / 2;

    for (int32_t m = 0; m < q->n_views; m++)
        widest = q->p[m] > widest ? q->p[m] : widest;
    if (p->head == MUCMM_HEAD_LINEAR && p->common != MUCMM_AUTO && p->individual != MUCMM_AUTO &&
        (p->ridge != MUCMM_RIDGE_CHOSEN || q->n - held_out - choosing < 5 * widest))
        choosing = 0;
    return held_out + choosing;
}

/* The rows of a problem that a fit trains on. */
static inline problem training_problem(mucmm_ctx *ctx, const problem *q, const mucmm_fit_params *p)
{
    problem t = *q;
    int64_t others = rows_not_trained(q, p), used = 0;
    int64_t *perm = calloc((size_t)q->n, sizeof *perm);
    bool *is_other = calloc((size_t)q->n, sizeof *is_other);

    mucmm__rng_permutation(mucmm__rng_key(p->seed, 1), perm, q->n);
    for (int64_t i = 0; i < others; i++)
        is_other[perm[i]] = true;
    for (int64_t i = 0; i < q->n; i++)
        if (!is_other[i])
            perm[used++] = i;
    t.n = used;
    t.shared = test_doubles(used * SHARED);
    for (int64_t i = 0; i < used; i++)
        memcpy(t.shared + i * SHARED, q->shared + perm[i] * SHARED, SHARED * sizeof(double));
    for (int32_t m = 0; m < q->n_views; m++) {
        t.x[m] = test_floats(used * t.p[m]);
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[m], perm, used, &t.data[m]));
        CHECK_OK(ctx, mucmm_data_read(ctx, t.data[m], NULL, used,
                                      &(mucmm_mat){t.x[m], used, t.p[m], t.p[m]}));
        t.view[m].data = t.data[m];
    }
    free(perm);
    free(is_other);
    return t;
}

static inline mucmm_fit_params small_params(mucmm_head_kind head)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.head = head;
    p.common = 2;
    p.individual = 3;
    p.hidden[0] = p.hidden[1] = 16;
    p.common_epochs = 3;
    p.individual_epochs = 2;
    p.batch = 128;
    p.learning_rate = 5e-3;
    p.folds = 0;
    return p;
}

static inline mucmm_model *fit(mucmm_ctx *ctx, const problem *q, const mucmm_fit_params *p)
{
    mucmm_model *m = NULL;

    CHECK_OK(ctx, mucmm_fit(ctx, q->view, q->n_views, p, &m));
    assert_non_null(m);
    return m;
}

/* The total correlation of a model on the rows of its fit that chose. */
static inline double total_of_choosing_rows(mucmm_ctx *ctx, const problem *q, const mucmm_model *m,
                                            mucmm_representation representation)
{
    int64_t *perm = calloc((size_t)q->n, sizeof *perm);
    mucmm_view view[3];
    mucmm_data *rows[3];
    mucmm_scores *s;
    double total;

    mucmm__rng_permutation(mucmm__rng_key(m->params.seed, 1), perm, q->n);
    for (int32_t v = 0; v < q->n_views; v++) {
        CHECK_OK(ctx, mucmm_data_subset(ctx, q->data[v], perm + m->rows[MUCMM_ROWS_HELD_OUT],
                                        m->choosing_rows, &rows[v]));
        view[v] = (mucmm_view){q->view[v].name, rows[v]};
    }
    CHECK_OK(ctx, mucmm_score(ctx, m, view, q->n_views, NULL, &s));
    total = mucmm_scores_in_sample(s, representation)->total_correlation; /* the model knows them */
    mucmm_scores_free(s);
    for (int32_t v = 0; v < q->n_views; v++)
        mucmm_data_free(rows[v]);
    free(perm);
    return total;
}

/* Variates of all rows of one view; c [n, k], u [n, q]. */
static inline void transform(mucmm_ctx *ctx, const mucmm_model *m,
                             mucmm_representation representation, int32_t view,
                             const mucmm_data *data, float **c, float **u)
{
    int64_t n = mucmm_data_rows(data), k = mucmm_model_common(m);
    int64_t q = mucmm_model_individual(m, view);

    *c = test_floats(n * k);
    *u = test_floats(n * q);
    CHECK_OK(ctx, mucmm_transform(ctx, m, representation, view, data, &(mucmm_mat){*c, n, k, k},
                                  &(mucmm_mat){*u, n, q, q}));
}

/* ---- statistics, the plain way ----------------------------------------------------- */

static inline double column_mean(const float *x, int64_t n, int64_t cols, int64_t j)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i * cols + j];
    return sum / (double)n;
}

/* Covariance of column a of x [n, p] with column b of y [n, q]. */
static inline double covariance(const float *x, int64_t p, int64_t a, const float *y, int64_t q,
                                int64_t b, int64_t n)
{
    double mx = column_mean(x, n, p, a), my = column_mean(y, n, q, b), sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += ((double)x[i * p + a] - mx) * ((double)y[i * q + b] - my);
    return sum / (double)(n - 1);
}

static inline double correlation(const float *x, int64_t p, int64_t a, const float *y, int64_t q,
                                 int64_t b, int64_t n)
{
    return covariance(x, p, a, y, q, b, n) /
           sqrt(covariance(x, p, a, x, p, a, n) * covariance(y, q, b, y, q, b, n));
}

/* As one of an earlier version, which does not know the rows of its fit: all are new to it. */
static inline void forget_rows(mucmm_model *m)
{
    mucmm__digest_drop(&m->digest);
}

/* ---- messages and memory ----------------------------------------------------------- */

static inline void check_message(mucmm_ctx *ctx, mucmm_status got, mucmm_status want,
                                 const char *fragment)
{
    const char *message = mucmm_ctx_message(ctx);

    if (got != want)
        fail_msg("status %s (%s), expected %s: %s", mucmm_status_text(got), message,
                 mucmm_status_text(want), fragment);
    if (!message || !strstr(message, fragment))
        fail_msg("message \"%s\" lacks \"%s\"", message ? message : "(none)", fragment);
}

/* call(ctx, arg) once with every allocation failing in turn (all of the first `dense`, then every
 * seventh) until it is through: ENOMEM, nothing left behind. Returns how many were failed. */
static inline int64_t sweep_out_of_memory(mucmm_status (*call)(mucmm_ctx *ctx, void *arg),
                                          void *arg, int64_t dense)
{
    int64_t failed = 0;

    for (int64_t at = 1;; at += at < dense ? 1 : 7) { /* call 0 is the context's */
        failing_heap h = {.fail_at = at};
        mucmm_ctx_params p;
        mucmm_ctx *ctx = NULL;
        mucmm_status status;

        mucmm_ctx_params_init(&p);
        p.threads = 1;
        p.allocator = (mucmm_allocator){failing_alloc, failing_release, &h};
        assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
        status = call(ctx, arg);
        if (status != MUCMM_OK && status != MUCMM_ENOMEM)
            fail_msg("allocation %lld: %s: %s", (long long)at, mucmm_status_text(status),
                     mucmm_ctx_message(ctx));
        if (h.live != 1)
            fail_msg("allocation %lld: %lld blocks left", (long long)at, (long long)h.live - 1);
        mucmm_ctx_free(ctx);
        assert_int_equal(h.live, 0);
        if (status == MUCMM_OK) {
            assert_true(h.calls <= at);
            return failed;
        }
        assert_true(h.calls > at);
        failed++;
    }
}

/* Joint covariance [P, P] of the scaled features, from the raw rows, by the definition. */
static inline double *scaled_covariance(const problem *t, mucmm_scaling scaling, int64_t *total)
{
    int64_t at[4] = {0};
    double *cov, *scale;

    for (int32_t m = 0; m < t->n_views; m++)
        at[m + 1] = at[m] + t->p[m];
    *total = at[t->n_views];
    cov = test_doubles(*total * *total);
    scale = test_doubles(*total);
    for (int32_t a = 0; a < t->n_views; a++)
        for (int32_t b = 0; b < t->n_views; b++)
            for (int64_t i = 0; i < t->p[a]; i++)
                for (int64_t j = 0; j < t->p[b]; j++)
                    cov[(at[a] + i) * *total + at[b] + j] =
                        covariance(t->x[a], t->p[a], i, t->x[b], t->p[b], j, t->n);
    for (int32_t a = 0; a < t->n_views; a++)
        for (int64_t i = 0; i < t->p[a]; i++) {
            for (int64_t j = 0; j < t->p[a]; j++)
                if (scaling == MUCMM_SCALE_VIEW || i == j)
                    scale[at[a] + i] += cov[(at[a] + j) * (*total + 1)];
            scale[at[a] + i] =
                sqrt(scale[at[a] + i] / (scaling == MUCMM_SCALE_VIEW ? (double)t->p[a] : 1));
        }
    for (int64_t i = 0; i < *total; i++)
        for (int64_t j = 0; j < *total; j++)
            cov[i * *total + j] /= scale[i] * scale[j];
    free(scale);
    return cov;
}

/* The closed form's individual part of view v beside the k common variates w of all views, from the
 * covariance [total, total] of the columns: u [p, q], zero beyond those that are found. */
static inline void individual_of_all(mucmm_ctx *ctx, const problem *t, const double *cov,
                                     int64_t total, int64_t k, double *const *w, int32_t v,
                                     int64_t q, double *u)
{
    int64_t others = t->n_views > 2 ? (t->n_views - 1) * k : 0, start[MUCMM_MAX_VIEWS + 1] = {0},
            at = 0, found;
    double *own = test_doubles(t->p[v] * t->p[v]), *cross = test_doubles(t->p[v] * others);
    double edge = sqrt((double)(t->p[v] - k) / (double)t->n) + sqrt((double)others / (double)t->n);

    for (int32_t l = 0; l < t->n_views; l++)
        start[l + 1] = start[l] + t->p[l];
    for (int64_t i = 0; i < t->p[v]; i++)
        memcpy(own + i * t->p[v], cov + (start[v] + i) * total + start[v],
               (size_t)t->p[v] * sizeof *own);
    for (int32_t l = 0; l < t->n_views && others > 0; at += l++ != v ? k : 0)
        for (int64_t i = 0; i < t->p[v] && l != v; i++)
            for (int64_t j = 0; j < k; j++)
                for (int64_t a = 0; a < t->p[l]; a++)
                    cross[i * others + at + j] +=
                        cov[(start[v] + i) * total + start[l] + a] * w[l][a * k + j];
    CHECK_OK(ctx, mucmm__closed_form_individual_of_all(ctx, t->p[v], own, k, w[v], others, cross,
                                                       1.5 * edge * edge, q, "test", u, &found));
    for (int64_t i = t->p[v] - 1; i >= 0; i--)
        for (int64_t j = q - 1; j >= 0; j--)
            u[i * q + j] = j < found ? u[i * found + j] : 0;
    free(own);
    free(cross);
}

static inline void check_head(const mucmm__head *head, const double *weights)
{
    for (int64_t i = 0; i < head->net.in; i++)
        for (int64_t j = 0; j < head->net.out; j++) {
            double got = (double)head->params[head->net.skip + j * head->net.in + i];
            CHECK_CLOSE(got, weights[i * head->net.out + j], 2e-5 * (1 + fabs(got)));
        }
}

#endif
