/* SPDX-License-Identifier: MIT
 *
 * Null-calibrated maps. Common scores: models of permuted pairs. Individual scores: the regression
 * of the inputs on u, whose rows are permuted against them. */
#include "explain/null.h"

#include "encode/encoded.h"
#include "explain/units.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_MODELS 9999
#define CHUNK 64

/* Streams of random numbers, apart from those of a fit with the same seed. */
enum { STREAM_ROWS = 900001, STREAM_INDIVIDUAL = 900002, STREAM_PAIRS = 910000 };

struct mucmm_null {
    const mucmm_model *m; /* borrowed */
    mucmm_representation representation;
    int64_t models, rows;
    uint64_t seed;
    mucmm_model **model;                   /* [models] fitted to permuted pairs   */
    mucmm_data *training[MUCMM_MAX_VIEWS]; /* in the order of the model's views */
};

void mucmm_null_params_init_sized(mucmm_null_params *p, size_t size)
{
    const mucmm_null_params defaults = {.models = 19, .seed = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

void mucmm_null_free(mucmm_null *null)
{
    if (!null)
        return;
    for (int64_t b = 0; null->model && b < null->models; b++)
        mucmm_model_free(null->model[b]);
    mucmm__free(null->model);
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        mucmm_data_free(null->training[v]);
    mucmm__free(null);
}

int64_t mucmm__null_models(const mucmm_null *null)
{
    return null->models;
}

/* ---- fits to permuted pairs -------------------------------------------------------- */

/* The parameters of m, without what maps of common scores do not need, and with two starts alone.
 * Fewer rows than m had are gone through as often. */
static mucmm_fit_params refit_params(const mucmm_null *null)
{
    const mucmm_model *m = null->m;
    mucmm_fit_params p = m->params;
    int64_t rows = null->rows - (int64_t)ceil((double)null->rows * p.validation);

    p.ridge = m->ridge;
    p.common = m->k; /* a model that was loaded has it only there */
    p.individual = 0;
    p.bootstrap = p.restarts = 0;
    p.checkpoint = NULL;
    /* what was kept for m: the null must not choose otherwise */
    p.head = null->representation == MUCMM_LINEAR || !m->heads.rho || m->start < 0
                 ? MUCMM_HEAD_LINEAR
                 : MUCMM_HEAD_MLP;
    p.batch = p.batch < rows ? p.batch : rows;
    return p;
}

/* Model b: the rows of every view but the first in an order of their own. */
static mucmm_status fit_one(mucmm_ctx *ctx, mucmm_null *null, int64_t b, int64_t *perm)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p = refit_params(null);
    mucmm_data *shuffled[MUCMM_MAX_VIEWS] = {0};
    mucmm_view views[MUCMM_MAX_VIEWS];
    mucmm_model *fitted = NULL;
    int32_t n_views = null->m->n_views;

    for (int32_t v = 0; v < n_views; v++) {
        views[v] = (mucmm_view){null->m->view[v].name, null->training[v]};
        if (v == 0)
            continue;
        mucmm__rng_permutation(
            mucmm__rng_key(null->seed, (uint64_t)(STREAM_PAIRS + b * n_views + v)), perm,
            null->rows);
        TRY(mucmm_data_subset(ctx, null->training[v], perm, null->rows, &shuffled[v]));
        views[v].data = shuffled[v];
    }
    TRY(mucmm_fit(ctx, views, n_views, &p, &fitted));
    for (int32_t v = 0; v < n_views; v++) { /* large, and that of m does */
        mucmm__free(fitted->view[v].covariance);
        fitted->view[v].covariance = NULL;
    }
    null->model[b] = fitted;
done:
    for (int32_t v = 0; v < n_views; v++)
        mucmm_data_free(shuffled[v]);
    return status;
}

static mucmm_status fit_all(mucmm_ctx *ctx, mucmm_null *null)
{
    mucmm_status status = MUCMM_OK;
    mucmm__quiet w;
    int64_t b = 0;
    int64_t *perm = NULL;

    mucmm__quiet_begin(ctx, &w, "null models", null->models);
    TRY(mucmm__alloc(ctx, null->rows, sizeof *perm, &perm));
    for (; b < null->models; b++) {
        TRY(mucmm__quiet_at(ctx, &w, b));
        TRY(fit_one(ctx, null, b, perm));
    }
    TRY(mucmm__quiet_at(ctx, &w, null->models));
done:
    mucmm__quiet_end(ctx, &w);
    mucmm__free(perm);
    if (status != MUCMM_OK && status != MUCMM_ENOMEM && status != MUCMM_ECANCELED)
        return mucmm__prefix(ctx, status, "null model %" PRId64, b + 1);
    return status;
}

/* The training rows, or some of them drawn at random. */
static mucmm_status keep_training(mucmm_ctx *ctx, mucmm_null *null, const mucmm_data *const *data,
                                  int64_t most)
{
    mucmm_status status = MUCMM_OK;
    int64_t all = mucmm_data_rows(data[0]), *rows = NULL;

    null->rows = most > 0 && most < all ? most : all;
    TRY(mucmm__alloc(ctx, all, sizeof *rows, &rows));
    mucmm__rng_permutation(mucmm__rng_key(null->seed, STREAM_ROWS), rows, all);
    mucmm__sort_rows(rows, null->rows);
    for (int32_t v = 0; v < null->m->n_views; v++)
        TRY(mucmm_data_subset(ctx, data[v], rows, null->rows, &null->training[v]));
done:
    mucmm__free(rows);
    return status;
}

mucmm_status mucmm_null_fit(mucmm_ctx *ctx, const mucmm_model *m,
                            mucmm_representation representation, const mucmm_view *training,
                            int32_t n_views, const mucmm_null_params *params, mucmm_null **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    mucmm_null_params p;
    mucmm_null *null = NULL;

    *out = NULL;
    mucmm_null_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_null_params", params, &p, sizeof p));
    if (p.models < 1 || p.models > MOST_MODELS)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " null models; 1 to %d can be had", p.models,
                           MOST_MODELS);
    if (p.rows < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " rows for null models; 0 is all of them",
                           p.rows);
    TRY(mucmm__match_views(ctx, m, training, n_views, data));
    TRY(mucmm__alloc(ctx, 1, sizeof *null, &null));
    *null =
        (mucmm_null){.m = m, .representation = representation, .models = p.models, .seed = p.seed};
    TRY(keep_training(ctx, null, data, p.rows));
    TRY(mucmm__alloc(ctx, p.models, sizeof(mucmm_model *), &null->model));
    TRY(fit_all(ctx, null));
    *out = null;
    null = NULL;
done:
    mucmm_null_free(null);
    return status;
}

/* ---- individual scores: u against the inputs --------------------------------------- */

static int64_t individual_width(const mucmm_null *null, const mucmm__question *q)
{
    return (1 + null->models) * q->n + null->m->k + null->m->view[q->view].q;
}

/* y [rows, width + k + q], of which this fills the first (1 + N) n columns: for model b and sample
 * i the products u_pi(r)'u_i of the training rows r (of one component: u_pi(r),j alone), so that
 * Cov(x, y_bi) = Cov(x, u_pi) u_i. pi of b = 0 is none. The rest of a row are c and u themselves.
 */
static mucmm_status individual_products(mucmm_ctx *ctx, const mucmm_null *null,
                                        const mucmm__question *q, float *y)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(null->m, null->representation);
    int64_t d = null->m->view[q->view].q, k = null->m->k, rows = null->rows;
    int64_t all = individual_width(null, q);
    const mucmm_data *data = NULL;
    float *c = NULL, *u = NULL, *own = NULL, *product = NULL;
    int64_t *perm = NULL, most = rows > q->n ? rows : q->n;

    for (int32_t v = 0; v < q->n_views; v++)
        if (strcmp(q->views[v].name, null->m->view[q->view].name) == 0)
            data = q->views[v].data;
    TRY(mucmm__alloc(ctx, most * k, sizeof *c, &c));
    TRY(mucmm__alloc(ctx, rows * d, sizeof *u, &u));
    TRY(mucmm__alloc(ctx, q->n * d, sizeof *own, &own));
    TRY(mucmm__alloc(ctx, rows * q->n, sizeof *product, &product));
    TRY(mucmm__alloc(ctx, rows, sizeof *perm, &perm));
    TRY(mucmm__represent(ctx, null->m, rep, q->view, null->training[q->view], NULL, rows, c, u));
    for (int64_t r = 0; r < rows; r++) {
        memcpy(y + (r + 1) * all - d - k, c + r * k, (size_t)k * sizeof *c);
        memcpy(y + (r + 1) * all - d, u + r * d, (size_t)d * sizeof *u);
    }
    TRY(mucmm__represent(ctx, null->m, rep, q->view, data, q->rows, q->n, c, own));
    if (q->p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT)
        for (int64_t i = 0; i < q->n * d; i++)
            own[i] = i % d == q->p->component;
    TRY(mucmm__gemm(ctx, false, true, rows, q->n, d, 1, u, d, own, d, 0, product, q->n));
    for (int64_t r = 0; r < rows; r++)
        perm[r] = r;
    for (int64_t b = 0; b <= null->models; b++) {
        if (b > 0)
            mucmm__rng_permutation(
                mucmm__rng_key(null->seed, (uint64_t)(STREAM_INDIVIDUAL + b * 1000003)), perm,
                rows);
        for (int64_t r = 0; r < rows; r++)
            memcpy(y + r * all + b * q->n, product + perm[r] * q->n,
                   (size_t)q->n * sizeof *product);
    }
done:
    mucmm__free(c);
    mucmm__free(u);
    mucmm__free(own);
    mucmm__free(product);
    mucmm__free(perm);
    return status;
}

/* What c and u explain of the columns: squares of covariances, summed (both have variance 1). */
typedef struct explained {
    double *variance, *by_c, *by_u; /* [cols]; owned through variance */
} explained;

/* maps [1 + N, n, cols] = Cov(x, y)' in one pass over the raw inputs; e: if not NULL. */
static mucmm_status individual_maps(mucmm_ctx *ctx, const mucmm_null *null,
                                    const mucmm__question *q, float *maps, explained *e)
{
    mucmm_status status = MUCMM_OK;
    int64_t width = individual_width(null, q), k = null->m->k, chunk[CHUNK];
    int64_t n_maps = (1 + null->models) * q->n;
    mucmm__moments *moments = NULL;
    float *x = NULL, *y = NULL;
    double *cov = NULL;

    TRY(mucmm__alloc(ctx, null->rows * width, sizeof *y, &y));
    TRY(individual_products(ctx, null, q, y));
    TRY(mucmm__alloc(ctx, CHUNK * q->cols, sizeof *x, &x));
    TRY(mucmm__moments_create(ctx, q->cols, width, &moments));
    for (int64_t i = 0; i < null->rows; i += CHUNK) {
        int64_t b = null->rows - i < CHUNK ? null->rows - i : CHUNK;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = i + j;
        TRY(mucmm__progress(ctx, "inputs against permuted rows", i, null->rows, NULL));
        TRY(mucmm_data_read_raw(ctx, null->training[q->view], chunk, b,
                                &(mucmm_mat){x, b, q->cols, q->cols}));
        TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){x, b, q->cols, q->cols},
                                &(mucmm_cmat){y + i * width, b, width, width}));
    }
    TRY(mucmm__progress(ctx, "inputs against permuted rows", null->rows, null->rows, NULL));
    TRY(mucmm__alloc(ctx, q->cols * width, sizeof *cov, &cov));
    TRY(mucmm__moments_get(ctx, moments, NULL, NULL, cov, e ? e->variance : NULL, NULL));
    for (int64_t j = 0; j < q->cols; j++)
        for (int64_t l = 0; l < n_maps; l++)
            maps[l * q->cols + j] = (float)cov[j * width + l];
    for (int64_t j = 0; e && j < q->cols; j++)
        for (int64_t l = n_maps; l < width; l++)
            (l < n_maps + k ? e->by_c : e->by_u)[j] += cov[j * width + l] * cov[j * width + l];
done:
    mucmm__moments_free(moments);
    mucmm__free(x);
    mucmm__free(y);
    mucmm__free(cov);
    return status;
}

/* ---- statistics and p-values ------------------------------------------------------- */

mucmm_status mucmm__null_check(mucmm_ctx *ctx, const mucmm_null *null, const mucmm_model *m,
                               const mucmm__question *q)
{
    if (null->m != m || (null->representation != q->p->representation && m->heads.rho))
        return mucmm__fail(
            ctx, MUCMM_EARG,
            "the null models were fitted for another model or representation than is asked "
            "about");
    return MUCMM_OK;
}

mucmm_status mucmm__null_maps(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__question *q,
                              float *maps)
{
    mucmm_status status = MUCMM_OK;

    if (mucmm__is_individual(q->p->score))
        return individual_maps(ctx, null, q, maps, NULL);
    TRY(mucmm_explain(ctx, null->m, q->views, q->n_views, q->view, q->rows, q->n, q->p,
                      &(mucmm_mat){maps, q->n, q->cols, q->cols}, NULL));
    TRY(mucmm__stack_maps(ctx, null->m, (const mucmm_model *const *)null->model, null->models, q,
                          "maps of null models", maps + q->n * q->cols));
done:
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* How many of sorted z [n] are at least t. */
static int64_t count_at_least(const double *z, int64_t n, double t)
{
    int64_t lo = 0, hi = n;

    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        if (z[middle] < t)
            lo = middle + 1;
        else
            hi = middle;
    }
    return n - lo;
}

static void exact_p_values(const double *t, int64_t models, int64_t units, double *p)
{
    for (int64_t j = 0; j < units; j++) {
        int64_t above = 0;
        for (int64_t b = 1; b <= models; b++)
            above += t[b * units + j] >= t[j];
        p[j] = (1 + (double)above) / (1 + (double)models);
    }
}

/* Each null value in units of the root mean square of the others of its cell, the observed one in
 * units of that of all. With few models the former have the longer tails: it errs on the side of
 * large p-values. */
static mucmm_status pooled_p_values(mucmm_ctx *ctx, const double *t, int64_t models, int64_t units,
                                    double *p)
{
    mucmm_status status = MUCMM_OK;
    double *pool = NULL, *sum = NULL;
    int64_t n = 0;

    TRY(mucmm__alloc(ctx, models * units, sizeof *pool, &pool));
    TRY(mucmm__alloc(ctx, units, sizeof *sum, &sum));
    for (int64_t j = 0; j < units; j++) {
        for (int64_t b = 1; b <= models; b++)
            sum[j] += t[b * units + j] * t[b * units + j];
        for (int64_t b = 1; b <= models && sum[j] > 0; b++) {
            double own = t[b * units + j] * t[b * units + j], others = sum[j] - own;
            pool[n++] =
                others > 0 ? sqrt(own * (double)(models - 1) / others) : (own > 0 ? INFINITY : 0);
        }
    }
    qsort(pool, (size_t)n, sizeof *pool, compare_doubles);
    for (int64_t j = 0; j < units; j++) {
        double z = sum[j] > 0 ? t[j] / sqrt(sum[j] / (double)models) : t[j] > 0 ? INFINITY : 0;
        p[j] =
            sum[j] > 0 || t[j] > 0 ? (1 + (double)count_at_least(pool, n, z)) / (1 + (double)n) : 1;
    }
done:
    mucmm__free(pool);
    mucmm__free(sum);
    return status;
}

mucmm_status mucmm__p_values(mucmm_ctx *ctx, const double *t, int64_t models, int64_t units,
                             mucmm_p_kind kind, double *p)
{
    if (kind == MUCMM_P_POOLED && models > 1)
        return pooled_p_values(ctx, t, models, units, p);
    exact_p_values(t, models, units, p);
    return MUCMM_OK;
}

/* In place: sums over units -> what is compared: sizes, or shares of the map. A pattern of a common
 * score is the part of the input that the other views tell, and small where they tell nothing. The
 * other maps are filters: common variates have variance 1 in every model, also where there is
 * nothing to find, and what size their weights need for that depends on the variance of the cells
 * they stand on. */
static void to_statistic(double *t, int64_t n, bool share)
{
    double sum = 0;

    for (int64_t j = 0; j < n; j++)
        sum += t[j] * t[j];
    for (int64_t j = 0; j < n; j++)
        t[j] = !share ? fabs(t[j]) : sum > 0 ? fabs(t[j]) / sqrt(sum) : 0;
}

/* Does u explain more of the cells than c? p [units] of the difference of the two multiple
 * correlations over the training rows, each less what chance adds to its square and with the
 * standard error 1/sqrt(rows). A cell must pass this and the test of its relation to u, so its
 * p-value is the larger one. */
static mucmm_status individual_p_values(mucmm_ctx *ctx, const mucmm_null *null,
                                        const mucmm__question *q, const mucmm__units *units,
                                        const explained *e, double *p)
{
    mucmm_status status = MUCMM_OK;
    double rows = (double)null->rows, *sum = NULL;
    double chance[] = {(double)null->m->k / (rows - 1),
                       (double)null->m->view[q->view].q / (rows - 1)};

    TRY(mucmm__alloc(ctx, 3 * units->n, sizeof *sum, &sum));
    for (int64_t j = 0; j < q->cols; j++) {
        double *of = sum + 3 * mucmm__unit(units, j);
        of[0] += e->by_c[j];
        of[1] += e->by_u[j];
        of[2] += e->variance[j];
    }
    for (int64_t i = 0; i < units->n; i++) {
        const double *of = sum + 3 * i;
        double r[2] = {0, 0};
        for (int s = 0; s < 2 && of[2] > 0; s++)
            r[s] = sqrt(fmax(of[s] / of[2] - chance[s], 0));
        p[i] = 0.5 * erfc((r[1] - r[0]) * sqrt(rows / 2) / sqrt(2));
    }
done:
    mucmm__free(sum);
    return status;
}

/* p-values of sample i, from the maps of all models. */
static mucmm_status sample_p_values(mucmm_ctx *ctx, const mucmm_null *null,
                                    const mucmm__question *q, const mucmm__units *units,
                                    const float *maps, int64_t i, mucmm_p_kind kind, double *t,
                                    const double *least, double *p, float *out)
{
    mucmm_status status = MUCMM_OK;
    bool share = !mucmm__is_individual(q->p->score) && q->p->map != MUCMM_MAP_PATTERN;

    for (int64_t b = 0; b <= null->models; b++)
        mucmm__unit_sums(units, maps + (b * q->n + i) * q->cols, t + b * units->n);
    for (int64_t b = 0; b <= null->models; b++)
        to_statistic(t + b * units->n, units->n, share);
    TRY(mucmm__p_values(ctx, t, null->models, units->n, kind, p));
    for (int64_t j = 0; j < q->cols; j++)
        out[j] = (float)fmax(p[mucmm__unit(units, j)], least[mucmm__unit(units, j)]);
done:
    return status;
}

static mucmm_status check_question(mucmm_ctx *ctx, const mucmm_null *null, mucmm__question *q,
                                   mucmm_p_kind kind, const mucmm_mat *p_values,
                                   mucmm__units *units)
{
    mucmm_status status = MUCMM_OK;
    mucmm__samples s = {0};
    float *h = NULL;

    if (kind != MUCMM_P_POOLED && kind != MUCMM_P_EXACT)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no kind %d of p-values", (int)kind);
    TRY(mucmm__samples_start(ctx, null->m, q->views, q->n_views, q->view, q->rows, q->n, q->p, &s,
                             &h));
    TRY(mucmm__null_check(ctx, null, null->m, q));
    q->cols = s.cols;
    *units = mucmm__units_of(s.data[q->view]);
    if (p_values->rows != q->n || p_values->cols != s.cols || p_values->stride < s.cols)
        status = mucmm__fail(ctx, MUCMM_ESHAPE, "p_values must be [%" PRId64 ", %" PRId64 "]", q->n,
                             s.cols);
done:
    mucmm__free(s.others);
    mucmm__free(h);
    return status;
}

mucmm_status mucmm_null_p_values(mucmm_ctx *ctx, const mucmm_null *null, const mucmm_view *views,
                                 int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                 const mucmm_explain_params *params, mucmm_p_kind kind,
                                 const mucmm_mat *p_values)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;
    mucmm__units units;
    float *maps = NULL;
    double *t = NULL, *own = NULL, *least = NULL;
    explained e = {0};

    mucmm_explain_params_init(&p);
    p.representation = null->representation;
    TRY(mucmm__params_take(ctx, "mucmm_explain_params", params, &p, sizeof p));
    mucmm__question q = {views, n_views, view, rows, n, 0, &p};
    TRY(check_question(ctx, null, &q, kind, p_values, &units));
    TRY(mucmm__alloc(ctx, (1 + null->models) * n * q.cols, sizeof *maps, &maps));
    TRY(mucmm__alloc(ctx, (1 + null->models) * units.n, sizeof *t, &t));
    TRY(mucmm__alloc(ctx, units.n, sizeof *own, &own));
    TRY(mucmm__alloc(ctx, units.n, sizeof *least, &least));
    if (mucmm__is_individual(q.p->score)) {
        TRY(mucmm__alloc(ctx, 3 * q.cols, sizeof *e.variance, &e.variance));
        e.by_c = e.variance + q.cols;
        e.by_u = e.by_c + q.cols;
        TRY(individual_maps(ctx, null, &q, maps, &e));
        TRY(individual_p_values(ctx, null, &q, &units, &e, least));
    } else
        TRY(mucmm__null_maps(ctx, null, &q, maps));
    for (int64_t i = 0; i < n; i++)
        TRY(sample_p_values(ctx, null, &q, &units, maps, i, kind, t, least, own,
                            p_values->data + i * p_values->stride));
done:
    mucmm__free(e.variance);
    mucmm__free(least);
    mucmm__free(maps);
    mucmm__free(t);
    mucmm__free(own);
    return status;
}
