/* SPDX-License-Identifier: MIT
 *
 * The ridge of the closed form, section 4 of the method: as given, or the one of a short list whose
 * weights correlate best on the choosing rows, or, in a small sample, the one of a longer list
 * whose weights do so in cross-validation on the training rows; or of every
 * view its own, from the shrinkage of its covariance by Ledoit and Wolf. */
#include "model/fit_ridge.h"

#include "model/represent.h"
#include "model/small_sample.h"
#include "model/view_dimensions.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const double ridges[] = {1e-8, 1e-5, 1e-3};
#define N_RIDGES ((int)(sizeof ridges / sizeof *ridges))

/* In a small sample: the first two of these, then LEAST and half powers of ten above it, up to
 * LARGEST, or as many times that as there are columns for a training row: with more columns than
 * rows the variances along the directions of the rows grow by that factor. */
#define LEAST 1e-3
#define LARGEST 1e2
#define MAX_CANDIDATES 64
#define FOLDS 5
/* So many rows are enough to judge by: with more, whole powers of ten, and only so many folds as
 * have them. */
#define ENOUGH_ROWS 250

/* Of Ledoit and Wolf, where nothing but the mean variance is to be trusted. */
#define MOST_SHRUNK 1e6

/* Least eigenvalue of the correlations of columns that do not depend on each other. */
#define INDEPENDENT 1e-6

/* Of the random numbers: as STREAM_SPLIT of fit.c. */
#define STREAM_FOLDS 2

/* out [k] = diag(a' S_ab b), a [p, k], b [q, k], S_ab [p, q] inside a larger matrix. */
static mucmm_status weighted_diagonal(mucmm_ctx *ctx, const double *cov, int64_t stride, int64_t p,
                                      int64_t q, int64_t k, const double *a, const double *b,
                                      double *work, double *out)
{
    mucmm_status status =
        mucmm__dgemm(ctx, false, false, p, k, q, 1, cov, stride, b, k, 0, work, k);

    for (int64_t j = 0; j < k && status == MUCMM_OK; j++) {
        out[j] = 0;
        for (int64_t i = 0; i < p; i++)
            out[j] += a[i * k + j] * work[i * k + j];
    }
    return status;
}

mucmm_status mucmm__fixed_correlation(mucmm_ctx *ctx, int32_t n_views, const int64_t *offset,
                                      const double *cov, int64_t k, double *const *weights,
                                      double *total)
{
    mucmm_status status = MUCMM_OK;
    int64_t stride = offset[n_views];
    double *work = NULL, *var = NULL, *cross = NULL;

    *total = 0;
    TRY(mucmm__alloc(ctx, stride * k, sizeof *work, &work));
    TRY(mucmm__alloc(ctx, n_views * k, sizeof *var, &var));
    TRY(mucmm__alloc(ctx, k, sizeof *cross, &cross));
    for (int32_t a = 0; a < n_views; a++) {
        int64_t p = offset[a + 1] - offset[a];
        TRY(weighted_diagonal(ctx, cov + offset[a] * (stride + 1), stride, p, p, k, weights[a],
                              weights[a], work, var + a * k));
        for (int32_t b = 0; b < a; b++) {
            TRY(weighted_diagonal(ctx, cov + offset[a] * stride + offset[b], stride, p,
                                  offset[b + 1] - offset[b], k, weights[a], weights[b], work,
                                  cross));
            for (int64_t j = 0; j < k; j++) {
                double product = var[a * k + j] * var[b * k + j];
                *total += product > 0 ? cross[j] / sqrt(product) : 0;
            }
        }
    }
    *total *= 2.0 / (n_views * (n_views - 1));
done:
    mucmm__free(work);
    mucmm__free(var);
    mucmm__free(cross);
    return status;
}

/* rho [k] and weights[m] [dims, k] of the covariance of training rows for one ridge. */
static mucmm_status solve(mucmm__fit *f, const double *cov, double ridge, double *rho,
                          double *const *weights)
{
    int64_t p[MUCMM_MAX_VIEWS], carried[MUCMM_MAX_VIEWS];
    const char *names[MUCMM_MAX_VIEWS];

    for (int32_t m = 0; m < f->model->n_views; m++) {
        p[m] = f->offset[m + 1] - f->offset[m];
        names[m] = f->model->view[m].name;
        carried[m] = mucmm__carried(f, m, f->model->k);
    }
    return mucmm__closed_form_common_of(f->ctx, f->model->n_views, p, names, cov, ridge,
                                        f->model->k, f->model->k, carried, rho, weights);
}

mucmm_status mucmm__solve_own(mucmm__fit *f, const double *given, double *rho,
                              double *const *weights)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->offset[f->model->n_views];
    double least = f->model->view[0].ridge, *cov = NULL;

    for (int32_t m = 1; m < f->model->n_views; m++)
        least = fmin(least, f->model->view[m].ridge);
    TRY(mucmm__alloc(f->ctx, total * total, sizeof *cov, &cov));
    memcpy(cov, given, (size_t)(total * total) * sizeof *cov);
    for (int32_t m = 0; m < f->model->n_views; m++)
        for (int64_t i = f->offset[m]; i < f->offset[m + 1]; i++)
            cov[i * (total + 1)] += f->model->view[m].ridge - least;
    TRY(solve(f, cov, least, rho, weights));
done:
    mucmm__free(cov);
    return status;
}

/* ---- on the choosing rows ---------------------------------------------------------- */

static mucmm_status try_choosing(mucmm__fit *f, double *rho, double *const *weights)
{
    mucmm_status status = MUCMM_OK;
    double best = -INFINITY, total;
    int solved = 0;

    for (int i = 0; i < N_RIDGES; i++) {
        status = solve(f, f->cov[MUCMM__TRAINING], ridges[i], rho, weights);
        if (status == MUCMM_ENUMERIC && i < N_RIDGES - 1)
            continue; /* singular with this little ridge: the next is larger */
        TRY(status);
        TRY(mucmm__fixed_correlation(f->ctx, f->model->n_views, f->offset, f->cov[MUCMM__CHOOSING],
                                     f->model->k, weights, &total));
        TRY(mucmm__progress(f->ctx, "closed form", i + 1, N_RIDGES, NULL));
        solved = i;
        if (total > best) {
            best = total;
            f->model->ridge = ridges[i];
        }
    }
    if (f->model->ridge != ridges[solved])
        TRY(solve(f, f->cov[MUCMM__TRAINING], f->model->ridge, rho, weights));
done:
    return status;
}

/* ---- by cross-validation ----------------------------------------------------------- */

typedef struct validation {
    int n; /* candidates */
    double ridge[MAX_CANDIDATES];
    bool singular[MAX_CANDIDATES];
    int64_t *rows; /* [n_train] into the training rows, shuffled: a fold is a stretch of them */
    int64_t begin[FOLDS + 1];                               /* of the folds, whole groups */
    mucmm__block variates[MAX_CANDIDATES][MUCMM_MAX_VIEWS]; /* [judged, k] */
    double *weights[MUCMM_MAX_VIEWS];                       /* [dims, k] */
    double *rho, *mean, *cov;                               /* [k], [P], [P, P] */
} validation;

static void list_candidates(const mucmm__fit *f, validation *v)
{
    double columns_per_row = 1;

    for (int32_t m = 0; m < f->model->n_views; m++)
        columns_per_row = fmax(columns_per_row, (double)f->model->view[m].p / (double)f->n_train);
    v->ridge[v->n++] = ridges[0];
    v->ridge[v->n++] = ridges[1];
    for (int i = 0; v->n<MAX_CANDIDATES; i += f->n_train> ENOUGH_ROWS ? 2 : 1) {
        double ridge = LEAST * pow(10, i / 2) * (i % 2 ? sqrt(10) : 1);
        if (ridge > LARGEST * columns_per_row * 1.0001)
            break;
        v->ridge[v->n++] = ridge;
    }
}

static void validation_drop(validation *v)
{
    for (int i = 0; i < MAX_CANDIDATES; i++)
        for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
            mucmm__free(v->variates[i][m].data);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(v->weights[m]);
    mucmm__free(v->rows);
    mucmm__free(v->rho);
    mucmm__free(v->mean);
    mucmm__free(v->cov);
    mucmm__free(v);
}

static mucmm_status draw_folds(mucmm__fit *f, validation *v)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = f->n_train, *group = NULL;

    TRY(mucmm__alloc(f->ctx, n, sizeof *v->rows, &v->rows));
    TRY(mucmm__groups_of(f->ctx, f->p->groups, f->train, n, &group));
    TRY(mucmm__group_order(f->ctx, group, n, mucmm__rng_key(f->p->seed, STREAM_FOLDS), v->rows));
    for (int64_t i = 0; i < FOLDS; i++)
        v->begin[i + 1] = mucmm__group_cut(group, v->rows, v->begin[i], n, n * (i + 1) / FOLDS);
done:
    mucmm__free(group);
    return status;
}

/* folds: how many are judged. */
static mucmm_status validation_create(mucmm__fit *f, int64_t folds, validation **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = f->model->k, total = f->offset[f->model->n_views], judged;
    validation *v;

    TRY(mucmm__alloc(f->ctx, 1, sizeof *v, out));
    v = *out;
    TRY(draw_folds(f, v));
    judged = v->begin[folds];
    list_candidates(f, v);
    TRY(mucmm__alloc(f->ctx, k, sizeof *v->rho, &v->rho));
    TRY(mucmm__alloc(f->ctx, total, sizeof *v->mean, &v->mean));
    TRY(mucmm__alloc(f->ctx, total * total, sizeof *v->cov, &v->cov));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        TRY(mucmm__alloc(f->ctx, (f->offset[m + 1] - f->offset[m]) * k, sizeof(double),
                         &v->weights[m]));
        for (int i = 0; i < v->n; i++) {
            v->variates[i][m] = (mucmm__block){NULL, judged, k};
            TRY(mucmm__alloc(f->ctx, judged * k, sizeof(double), &v->variates[i][m].data));
        }
    }
done:
    return status;
}

/* Variates of the rows first .. last - 1 of view m by weights of the others, whose mean is taken
 * off. */
static mucmm_status project_fold(mucmm__fit *f, const validation *v, int32_t m, int64_t first,
                                 int64_t last, double *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__block *z = &f->z[m];
    int64_t n = last - first, k = f->model->k;
    double *x = NULL;

    TRY(mucmm__alloc(f->ctx, n * z->cols, sizeof *x, &x));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < z->cols; j++)
            x[i * z->cols + j] =
                z->data[v->rows[first + i] * z->cols + j] - v->mean[f->offset[m] + j];
    TRY(mucmm__dgemm(f->ctx, false, false, n, k, z->cols, 1, x, z->cols, v->weights[m], k, 0,
                     out + first * k, k));
done:
    mucmm__free(x);
    return status;
}

/* Every candidate's variates of the rows first .. last - 1, learned from the other rows. */
static mucmm_status run_fold(mucmm__fit *f, validation *v, int64_t first, int64_t last,
                             int64_t fold, int64_t folds)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = f->n_train, *others = NULL;

    TRY(mucmm__alloc(f->ctx, n, sizeof *others, &others));
    memcpy(others, v->rows, (size_t)first * sizeof *others);
    memcpy(others + first, v->rows + last, (size_t)(n - last) * sizeof *others);
    TRY(mucmm__coordinate_moments(f, others, n - (last - first), v->mean, v->cov));
    for (int i = 0; i < v->n; i++) {
        TRY(mucmm__progress(f->ctx, "ridge", fold * v->n + i + 1, folds * v->n, NULL));
        if (v->singular[i])
            continue;
        status = solve(f, v->cov, v->ridge[i], v->rho, v->weights);
        if (status == MUCMM_ENUMERIC && i < v->n - 1) {
            v->singular[i] = true; /* with this little ridge */
            status = MUCMM_OK;
            continue;
        }
        TRY(status);
        for (int32_t m = 0; m < f->model->n_views; m++)
            TRY(project_fold(f, v, m, first, last, v->variates[i][m].data));
    }
done:
    mucmm__free(others);
    return status;
}

/* Of every row the variates are known from a fit without it. The candidate whose variates have the
 * largest sum of correlations wins. They are pooled over the folds before they are correlated:
 * a correlation of the few rows of one fold says little. */
static mucmm_status cross_validate(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    validation *v = NULL;
    int64_t folds = ENOUGH_ROWS / (f->n_train / FOLDS + 1) + 1;
    double best = -INFINITY;

    if (f->n_train < FOLDS)
        return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                           "%" PRId64 " training rows are too few to choose a ridge; give a "
                           "`ridge` such as 1",
                           f->n_train);
    folds = folds < FOLDS ? folds : FOLDS;
    TRY(validation_create(f, folds, &v));
    for (int64_t i = 0; i < folds; i++)
        TRY(run_fold(f, v, v->begin[i], v->begin[i + 1], i, folds));
    for (int i = 0; i < v->n; i++) {
        double total = 0;
        if (v->singular[i])
            continue;
        TRY(mucmm__permutation_test(f->ctx, f->model->n_views, v->variates[i], 0, 0, v->rho, NULL,
                                    NULL));
        for (int64_t j = 0; j < f->model->k; j++)
            total += v->rho[j];
        if (total > best) {
            best = total;
            f->model->ridge = v->ridge[i];
        }
    }
    mucmm__info(f->ctx, "ridge %g, total correlation in cross-validation %.3f", f->model->ridge,
                best);
done:
    if (v)
        validation_drop(v);
    return status;
}

/* ---- Ledoit and Wolf --------------------------------------------------------------- */

/* Sum over the training rows of |h|^4, h the scaled features of view m. */
static mucmm_status fourth_powers(mucmm__fit *f, int32_t m, double *sum)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &f->model->view[m];
    int64_t chunk = f->n_train < MUCMM__CHUNK ? f->n_train : MUCMM__CHUNK;
    float *h = NULL;

    *sum = 0;
    TRY(mucmm__alloc(f->ctx, chunk * v->p, sizeof *h, &h));
    for (int64_t i = 0; i < f->n_train; i += chunk) {
        int64_t b = f->n_train - i < chunk ? f->n_train - i : chunk;
        TRY(mucmm__features(f->ctx, v, f->data[m], f->train + i, b, h));
        for (int64_t r = 0; r < b; r++) {
            double square = 0;
            for (int64_t j = 0; j < v->p; j++)
                square += (double)h[r * v->p + j] * (double)h[r * v->p + j];
            *sum += square * square;
        }
    }
done:
    mucmm__free(h);
    return status;
}

/* The share delta in (1 - delta) S + delta mu I, S the covariance (divisor n) and mu its mean
 * variance: the estimated squared error of S over the squared distance of S from mu I. Coordinates
 * have the same traces as columns. */
static mucmm_status shrinkage(mucmm__fit *f, int32_t m, double *delta)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->offset[f->model->n_views];
    double n = (double)f->n_train, trace = f->model->view[m].variance * (n - 1) / n;
    double squares = 0, powers, error, distance;

    TRY(fourth_powers(f, m, &powers));
    for (int64_t i = f->offset[m]; i < f->offset[m + 1]; i++)
        for (int64_t j = f->offset[m]; j < f->offset[m + 1]; j++) {
            double s = f->cov[MUCMM__TRAINING][i * total + j] * (n - 1) / n;
            squares += s * s;
        }
    error = fmax(0, (powers / n - squares) / n);
    distance = squares - trace * trace / (double)f->model->view[m].p;
    *delta = distance > error ? error / distance : 1;
done:
    return status;
}

/* S + r I with r = delta/(1 - delta) mu has the directions of the shrunk covariance. */
static mucmm_status ledoit_wolf(mucmm__fit *f, double *rho, double *const *weights)
{
    mucmm_status status = MUCMM_OK;
    double delta;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        mucmm__view_info *v = &f->model->view[m];
        TRY(shrinkage(f, m, &delta));
        v->ridge = fmin(delta / (1 - delta) * v->variance / (double)v->p, MOST_SHRUNK);
        mucmm__info(f->ctx, "view '%s': shrinkage %.3f, ridge %g", v->name, delta, v->ridge);
    }
    TRY(mucmm__solve_own(f, f->cov[MUCMM__TRAINING], rho, weights));
done:
    return status;
}

/* ---- none -------------------------------------------------------------------------- */

/* Is the least eigenvalue of a view's correlation matrix above INDEPENDENT? */
static mucmm_status columns_independent(const mucmm__fit *f, int32_t m, bool *yes)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->offset[f->model->n_views], n = f->offset[m + 1] - f->offset[m];
    const double *s = f->cov[MUCMM__TRAINING] + f->offset[m] * (total + 1);
    double *r = NULL, *values = NULL;

    TRY(mucmm__alloc(f->ctx, n * n, sizeof *r, &r));
    TRY(mucmm__alloc(f->ctx, n, sizeof *values, &values));
    *yes = true;
    for (int64_t i = 0; i < n; i++)
        *yes = *yes && s[i * (total + 1)] > 0;
    for (int64_t i = 0; i < n && *yes; i++)
        for (int64_t j = 0; j < n; j++)
            r[i * n + j] = s[i * total + j] / sqrt(s[i * (total + 1)] * s[j * (total + 1)]);
    if (*yes) {
        TRY(mucmm__eigen(f->ctx, n, r, n, values, NULL));
        *yes = values[n - 1] > INDEPENDENT;
    }
done:
    mucmm__free(r);
    mucmm__free(values);
    return status;
}

mucmm_status mucmm__exact_ridge(mucmm__fit *f, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    bool yes = p->ridge == MUCMM_RIDGE_CHOSEN && p->validation == 0 && !f->inside && !f->some &&
               f->n_train > f->offset[f->model->n_views] + 1;

    for (int32_t m = 0; m < f->model->n_views && yes; m++)
        TRY(columns_independent(f, m, &yes));
    if (yes)
        f->ridge_asked = p->ridge = 0;
done:
    return status;
}

/* ---- the one asked for ------------------------------------------------------------- */

mucmm_status mucmm__choose_ridge(mucmm__fit *f, double *rho, double *const *weights)
{
    mucmm_status status = MUCMM_OK;

    f->model->ridge = f->p->ridge;
    if (f->p->ridge == MUCMM_RIDGE_LEDOIT_WOLF)
        return ledoit_wolf(f, rho, weights);
    if (f->p->ridge == MUCMM_RIDGE_CHOSEN && !f->small_sample) {
        TRY(try_choosing(f, rho, weights));
    } else {
        if (f->p->ridge == MUCMM_RIDGE_CHOSEN)
            TRY(cross_validate(f));
        TRY(solve(f, f->cov[MUCMM__TRAINING], f->model->ridge, rho, weights));
    }
    for (int32_t m = 0; m < f->model->n_views; m++)
        f->model->view[m].ridge = f->model->ridge;
done:
    return status;
}
