/* SPDX-License-Identifier: MIT
 *
 * How many dimensions (section 4 of the method): common ones that are significant on choosing rows,
 * individual ones that still lower the error of rebuilding what was not seen. */
#include "model/dimensions.h"

#include "model/fit_ridge.h"
#include "model/fit_rows.h"
#include "model/fit_stages.h"
#include "model/represent.h"
#include "model/small_sample.h"
#include "model/view_dimensions.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define LEVEL 0.01
#define NO_VARIANCE 1e-8 /* of the largest */
#define NORMAL_99                                                                                  \
    2.326 /* 99 % of a normal variable are below it: LEVEL for individual dimensions */
enum {
    PERMUTATIONS = 1000,
    MORE_TRAINED = 6,  /* components of trained heads beyond those of the closed form */
    LEAST_ROWS = 20,   /* that choose */
    MOST_COMMON = 100, /* candidates */
    MOST_INDIVIDUAL = 64,
    MOST_ROWS = 1000, /* that judge individual dimensions */
    FOLDS = 10        /* of a view's columns */
};

/* Of the random numbers: as STREAM_SPLIT of fit.c. */
enum { STREAM_COLUMNS = 3 };

/* ---- common ------------------------------------------------------------------------ */

/* The closed form with k components: rho is not kept; a[m] [dims, k]. */
static mucmm_status closed_form(mucmm__fit *f, int64_t k, double **a)
{
    mucmm_status status = MUCMM_OK;
    double *rho = NULL;

    f->model->k = k;
    TRY(mucmm__alloc(f->ctx, k, sizeof *rho, &rho));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__alloc(f->ctx, (f->offset[m + 1] - f->offset[m]) * k, sizeof **a, &a[m]));
    TRY(mucmm__choose_ridge(f, rho, a));
done:
    mucmm__free(rho);
    return status;
}

/* As many as every view and the batch leave room for; *more: what would ask for more of them, NULL
 * if the columns of a view are the limit. */
static int64_t candidates(const mucmm__fit *f, const char **more)
{
    int64_t most = MOST_COMMON, dims[MUCMM_MAX_VIEWS] = {0}, room;
    bool asked = false;

    *more = "a number for `common` asks for more";
    for (int32_t m = 0; m < f->model->n_views; m++) {
        dims[m] = f->offset[m + 1] - f->offset[m];
        asked = asked || f->model->view[m].q > 0;
    }
    room = mucmm__room_for_common(f, dims);
    if (room <= most) {
        most = room;
        *more = asked ? "a smaller `individual` leaves room for more" : NULL;
    }
    if (f->p->head != MUCMM_HEAD_LINEAR) {
        int64_t fit = mucmm__batch_dimensions(f);
        if (fit < most) {
            most = fit;
            *more = f->p->batch > 0 ? "a larger `batch` leaves room for more"
                                    : "more rows leave room for more";
        }
    }
    return most;
}

/* c [n_choosing, k] = h weights, weights [p, k]. */
static mucmm_status choosing_variates(mucmm__fit *f, int32_t m, int64_t k, const double *a,
                                      mucmm__block *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = f->model->view[m].p, n = f->n_choosing;
    double *weights = NULL, *rows = NULL;
    float *h = NULL;

    *c = (mucmm__block){NULL, n, k};
    TRY(mucmm__alloc(f->ctx, n * k, sizeof(double), &c->data));
    TRY(mucmm__alloc(f->ctx, p * k, sizeof *weights, &weights));
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * p, sizeof *h, &h));
    TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * p, sizeof *rows, &rows));
    TRY(mucmm__from_coordinates(f, m, k, a, weights));
    for (int64_t i = 0; i < n; i += MUCMM__CHUNK) {
        int64_t b = n - i < MUCMM__CHUNK ? n - i : MUCMM__CHUNK;
        TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], f->choosing + i, b, h));
        mucmm__to_double(h, b * p, rows);
        TRY(mucmm__dgemm(f->ctx, false, false, b, k, p, 1, rows, p, weights, k, 0, c->data + i * k,
                         k));
    }
done:
    mucmm__free(weights);
    mucmm__free(rows);
    mucmm__free(h);
    return status;
}

/* The significant components up to the first that is not: one by chance after many that are not
 * does not count. */
static int64_t leading(const mucmm__dimensions *d)
{
    int64_t k = 0;

    while (k < d->candidates && d->p_values[k] <= d->level)
        k++;
    return k;
}

static void warn_common(const mucmm__fit *f, const mucmm__dimensions *d, const char *more)
{
    if (d->common == d->candidates && more)
        mucmm__warn(f->ctx,
                    "common dimensions were looked for up to number %" PRId64 ", which is "
                    "significant: there may be more; %s",
                    d->candidates, more);
}

/* Trained heads see what is shared nonlinearly. They are tried with some components more than the
 * closed form found, and counted on choosing rows that did not choose their epoch. */
static mucmm_status try_trained(mucmm__fit *f, mucmm__dimensions *d)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = d->common + MORE_TRAINED;

    k = k < d->candidates ? k : d->candidates;
    if (k <= d->common || f->n_choosing < 2 * LEAST_ROWS)
        return MUCMM_OK;
    d->trained_candidates = k;
    TRY(mucmm__try_common(f, k, d->level, &d->trained));
    if (d->trained > d->common) {
        d->common = d->trained;
        f->start_width = k;
    }
done:
    return status;
}

/* a[m] [dims, candidates] of all candidates, and what the choosing rows say of them. */
static mucmm_status choose_common(mucmm__fit *f, mucmm__dimensions *d, double **a)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block c[MUCMM_MAX_VIEWS] = {{0}};
    const char *more;
    int64_t n = candidates(f, &more);

    d->candidates = n;
    d->level = LEVEL;
    TRY(mucmm__alloc(f->ctx, n, sizeof(double), &d->correlations));
    TRY(mucmm__alloc(f->ctx, n, sizeof(double), &d->null_95));
    TRY(mucmm__alloc(f->ctx, n, sizeof(double), &d->p_values));
    TRY(closed_form(f, n, a));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(choosing_variates(f, m, n, a[m], &c[m]));
    TRY(mucmm__test_rows(f, MUCMM__CHOOSING, c, PERMUTATIONS, d->correlations, d->p_values,
                         d->null_95));
    d->common = leading(d);
    warn_common(f, d, more);
    if (f->p->head != MUCMM_HEAD_LINEAR)
        TRY(try_trained(f, d));
    mucmm__info(f->ctx,
                "common dimensions: %" PRId64 " of %" PRId64 " candidates, %" PRId64 " of %" PRId64
                " of trained heads",
                leading(d), d->candidates, d->trained, d->trained_candidates);
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(c[m].data);
    return status;
}

/* ---- individual -------------------------------------------------------------------- */

/* A model of h: common loadings B, the q leading directions V of what they leave, with variances t,
 * both of training rows, and noise of one variance s2 in every column,
 *   Cov(h) = F F' + s2 I,    F = [B, V sqrt(t - s2)].
 * Rows that were held out would gain from one more direction whatever it is, so columns are held
 * out too: those of a fold J are rebuilt from the others by their conditional mean, F_J (F_-J'F_-J
 * + s2 I)^-1 F_-J' h_-J. A direction that other columns do not tell of does not lower that error.
 */

typedef struct rebuild {
    int64_t n, p, k, most;  /* rows, columns, common loadings, directions at most */
    int64_t width;          /* k + most */
    int64_t varied;         /* directions that hold any variance */
    int64_t folds, *column; /* [p] columns by fold */
    double *variance;       /* [most] t, descending */
    double rest, least;     /* variance that B leaves, of all directions; least noise, positive */
    double *loadings;       /* [p, width] [B, V], rows by fold like the columns of h */
    double *h;              /* [n, p] held out, columns by fold */
    double *outside;        /* [folds, n, width] h_-J [B, V]_-J of the fold's columns J */
    double *gram;           /* [folds, width, width] [B, V]_-J'[B, V]_-J */
    double *error;          /* [most + 1, n] of each row */
} rebuild;

static void rebuild_drop(rebuild *r)
{
    mucmm__free(r->column);
    mucmm__free(r->variance);
    mucmm__free(r->loadings);
    mucmm__free(r->h);
    mucmm__free(r->outside);
    mucmm__free(r->gram);
    mucmm__free(r->error);
}

static int64_t fold_begin(const rebuild *r, int64_t fold)
{
    return r->p * fold / r->folds;
}

/* [B, V] in the coordinates of view m, [dims, width]: B B' = S a (a'S a)^-1 a'S, V the leading
 * eigenvectors of S - B B', whose eigenvalues are r->variance. a [dims, stride], of which the first
 * k columns count. */
static mucmm_status find_loadings(mucmm__fit *f, int32_t m, const double *a, int64_t stride,
                                  rebuild *r, double *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t dims = f->offset[m + 1] - f->offset[m], k = r->k, w = r->width;
    int64_t total = f->offset[f->model->n_views];
    const double *s = f->cov[MUCMM__TRAINING] + f->offset[m] * (total + 1);
    double *as = NULL, *gram = NULL, *rest = NULL, *v = NULL;

    TRY(mucmm__alloc(f->ctx, k * dims, sizeof *as, &as));
    TRY(mucmm__alloc(f->ctx, k * k, sizeof *gram, &gram));
    TRY(mucmm__alloc(f->ctx, dims * dims, sizeof *rest, &rest));
    TRY(mucmm__alloc(f->ctx, dims * r->most, sizeof *v, &v));
    TRY(mucmm__dgemm(f->ctx, true, false, k, dims, dims, 1, a, stride, s, total, 0, as, dims));
    TRY(mucmm__dgemm(f->ctx, false, false, k, k, dims, 1, as, dims, a, stride, 0, gram, k));
    TRY(mucmm__cholesky(f->ctx, k, gram, "the covariance of the common variates"));
    TRY(mucmm__solve_lower(f->ctx, false, k, dims, gram, as)); /* B' */
    for (int64_t i = 0; i < dims; i++)
        memcpy(rest + i * dims, s + i * total, (size_t)dims * sizeof *rest);
    TRY(mucmm__dgemm(f->ctx, true, false, dims, dims, k, -1, as, dims, as, dims, 1, rest, dims));
    for (int64_t i = 0; i < dims; i++)
        r->rest += rest[i * (dims + 1)];
    if (r->most > 0)
        TRY(mucmm__eigen(f->ctx, dims, rest, r->most, r->variance, v));
    while (r->varied < r->most && r->variance[r->varied] > NO_VARIANCE * r->variance[0])
        r->varied++;
    for (int64_t i = 0; i < dims; i++) {
        for (int64_t j = 0; j < k; j++)
            out[i * w + j] = as[j * dims + i];
        memcpy(out + i * w + k, v + i * r->most, (size_t)r->most * sizeof *out);
    }
done:
    mucmm__free(as);
    mucmm__free(gram);
    mucmm__free(rest);
    mucmm__free(v);
    return status;
}

/* The choosing rows, at most MOST_ROWS of them, with their columns by fold. */
static mucmm_status read_rows(mucmm__fit *f, int32_t m, rebuild *r)
{
    mucmm_status status = MUCMM_OK;
    float *h = NULL;

    TRY(mucmm__alloc(f->ctx, r->n * r->p, sizeof *h, &h));
    TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], f->choosing, r->n, h));
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t j = 0; j < r->p; j++)
            r->h[i * r->p + j] = h[i * r->p + r->column[j]];
done:
    mucmm__free(h);
    return status;
}

/* gram and outside of every fold: the sums over all columns less those of the fold's. */
static mucmm_status fold_products(mucmm__fit *f, rebuild *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t w = r->width, p = r->p;

    for (int64_t fold = 0; fold < r->folds; fold++) {
        int64_t begin = fold_begin(r, fold), end = fold_begin(r, fold + 1);
        const struct {
            int64_t begin, cols;
        } outside[2] = {{0, begin}, {end, p - end}};
        for (int i = 0; i < 2; i++) {
            const double *rows = r->loadings + outside[i].begin * w;
            TRY(mucmm__dgemm(f->ctx, true, false, w, w, outside[i].cols, 1, rows, w, rows, w, i,
                             r->gram + fold * w * w, w));
            TRY(mucmm__dgemm(f->ctx, false, false, r->n, w, outside[i].cols, 1,
                             r->h + outside[i].begin, p, rows, w, i, r->outside + fold * r->n * w,
                             w));
        }
    }
done:
    return status;
}

static mucmm_status rebuild_create(mucmm__fit *f, int32_t m, const double *a, int64_t stride,
                                   rebuild *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t dims = f->offset[m + 1] - f->offset[m], room;
    double *z = NULL, *loadings = NULL, *own = NULL;

    r->n = f->n_choosing < MOST_ROWS ? f->n_choosing : MOST_ROWS;
    r->p = f->model->view[m].p;
    TRY(mucmm__carried_columns(f->ctx, dims, f->model->k, stride, a, &own, &r->k));
    r->folds = r->p < FOLDS ? r->p : FOLDS;
    r->least = NO_VARIANCE * f->model->view[m].variance / (double)r->p;
    room = r->p - (r->p + r->folds - 1) / r->folds; /* columns outside a fold */
    room = (room < dims ? room : dims) - r->k;
    r->most = room < 0 ? 0 : room < MOST_INDIVIDUAL ? room : MOST_INDIVIDUAL;
    r->width = r->k + r->most;
    TRY(mucmm__alloc(f->ctx, r->p, sizeof *r->column, &r->column));
    TRY(mucmm__alloc(f->ctx, r->most, sizeof *r->variance, &r->variance));
    TRY(mucmm__alloc(f->ctx, r->p * r->width, sizeof *r->loadings, &r->loadings));
    TRY(mucmm__alloc(f->ctx, r->n * r->p, sizeof *r->h, &r->h));
    TRY(mucmm__alloc(f->ctx, r->folds * r->n * r->width, sizeof *r->outside, &r->outside));
    TRY(mucmm__alloc(f->ctx, r->folds * r->width * r->width, sizeof *r->gram, &r->gram));
    TRY(mucmm__alloc(f->ctx, (r->most + 1) * r->n, sizeof *r->error, &r->error));
    TRY(mucmm__alloc(f->ctx, dims * r->width, sizeof *z, &z));
    TRY(mucmm__alloc(f->ctx, r->p * r->width, sizeof *loadings, &loadings));
    mucmm__rng_permutation(mucmm__rng_key(f->p->seed, STREAM_COLUMNS), r->column, r->p);
    TRY(find_loadings(f, m, own, r->k, r, z));
    TRY(mucmm__from_coordinates(f, m, r->width, z, loadings));
    for (int64_t j = 0; j < r->p; j++)
        memcpy(r->loadings + j * r->width, loadings + r->column[j] * r->width,
               (size_t)r->width * sizeof *loadings);
    TRY(read_rows(f, m, r));
    TRY(fold_products(f, r));
done:
    mucmm__free(own);
    mucmm__free(z);
    mucmm__free(loadings);
    return status;
}

/* What one fold adds to the rows' errors with q directions. d [w]: F = [B, V] diag(d). work [2 w w
 * + n (w + p)]. */
static mucmm_status fold_errors(mucmm__fit *f, const rebuild *r, int64_t fold, int64_t w,
                                const double *d, double noise, double *work, double *error)
{
    mucmm_status status = MUCMM_OK;
    int64_t begin = fold_begin(r, fold), cols = fold_begin(r, fold + 1) - begin;
    const double *gram = r->gram + fold * r->width * r->width;
    double *g = work, *solved = g + w * w, *scores = solved + w * w, *rebuilt = scores + r->n * w;

    for (int64_t i = 0; i < w; i++)
        for (int64_t j = 0; j < w; j++) {
            g[i * w + j] = d[i] * gram[i * r->width + j] * d[j] + (i == j ? noise : 0);
            solved[i * w + j] = i == j ? d[i] : 0;
        }
    TRY(mucmm__cholesky(f->ctx, w, g, "the loadings outside a fold of columns"));
    TRY(mucmm__solve_lower(f->ctx, false, w, w, g, solved));
    TRY(mucmm__solve_lower(f->ctx, true, w, w, g, solved));
    for (int64_t i = 0; i < w * w; i++)
        solved[i] *= d[i / w];
    TRY(mucmm__dgemm(f->ctx, false, false, r->n, w, w, 1, r->outside + fold * r->n * r->width,
                     r->width, solved, w, 0, scores, w));
    TRY(mucmm__dgemm(f->ctx, false, true, r->n, cols, w, 1, scores, w,
                     r->loadings + begin * r->width, r->width, 0, rebuilt, cols));
    for (int64_t i = 0; i < r->n; i++)
        for (int64_t j = 0; j < cols; j++)
            error[i] += pow(r->h[i * r->p + begin + j] - rebuilt[i * cols + j], 2);
done:
    return status;
}

static mucmm_status all_errors(mucmm__fit *f, rebuild *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t w = r->width;
    double *work = NULL, *d = NULL, left = r->rest;

    TRY(mucmm__alloc(f->ctx, 2 * w * w + r->n * (w + r->p), sizeof *work, &work));
    TRY(mucmm__alloc(f->ctx, w, sizeof *d, &d));
    for (int64_t q = 0; q <= r->most; q++) {
        int64_t others = r->p - r->k - q;
        double noise = fmax(others > 0 ? left / (double)others : 0, r->least);
        for (int64_t j = 0; j < r->k + q; j++)
            d[j] = j < r->k ? 1 : sqrt(fmax(r->variance[j - r->k] - noise, 0));
        for (int64_t fold = 0; fold < r->folds; fold++)
            TRY(fold_errors(f, r, fold, r->k + q, d, noise, work, r->error + q * r->n));
        left -= q < r->most ? r->variance[q] : 0;
        TRY(mucmm__progress(f->ctx, "individual dimensions", q + 1, r->most + 1, NULL));
    }
done:
    mucmm__free(work);
    mucmm__free(d);
    return status;
}

/* Is the error with `best` directions smaller than with q by more than its rows' differences let
 * chance do? */
static bool is_better(const rebuild *r, int64_t best, int64_t q)
{
    double mean = 0, square = 0, n = (double)r->n;

    for (int64_t i = 0; i < r->n; i++)
        mean += (r->error[q * r->n + i] - r->error[best * r->n + i]) / n;
    for (int64_t i = 0; i < r->n; i++)
        square += pow(r->error[q * r->n + i] - r->error[best * r->n + i] - mean, 2);
    return mean > NORMAL_99 * sqrt(square / (n * (n - 1)));
}

/* error [most + 1]: shares of the rows' squares; the fewest directions that none with a smaller
 * error is significantly better than. */
static int64_t fewest(const rebuild *r, double *error)
{
    double total = 0;
    int64_t best = 0;

    for (int64_t i = 0; i < r->n * r->p; i++)
        total += r->h[i] * r->h[i];
    for (int64_t q = 0; q <= r->most; q++) {
        for (int64_t i = 0; i < r->n; i++)
            error[q] += r->error[q * r->n + i] / total;
        best = error[q] < error[best] ? q : best;
    }
    for (int64_t q = 0; q < best; q++)
        if (!is_better(r, best, q))
            return q;
    return best;
}

/* d->chosen[m], and q of the view, which is that as far as it has room. */
static mucmm_status choose_individual(mucmm__fit *f, int32_t m, const double *a, int64_t stride,
                                      mucmm__dimensions *d)
{
    mucmm_status status = MUCMM_OK;
    rebuild r = {0};

    TRY(rebuild_create(f, m, a, stride, &r));
    TRY(mucmm__alloc(f->ctx, r.most + 1, sizeof(double), &d->error[m]));
    TRY(all_errors(f, &r));
    d->n_errors[m] = r.most + 1;
    d->chosen[m] = fewest(&r, d->error[m]);
    f->model->view[m].q = d->chosen[m] < r.varied ? d->chosen[m] : r.varied;
    if (d->chosen[m] == MOST_INDIVIDUAL)
        mucmm__warn(
            f->ctx,
            "view '%s': the error of rebuilding rows that did not train still falls at %d "
            "individual "
            "dimensions, the most that are looked for; a number for `individual` asks for more",
            f->model->view[m].name, MOST_INDIVIDUAL);
done:
    rebuild_drop(&r);
    return status;
}

/* ---- both -------------------------------------------------------------------------- */

mucmm_status mucmm__choose_dimensions(mucmm__fit *f, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm__dimensions *d = &f->model->dimensions;
    double *a[MUCMM_MAX_VIEWS] = {0};
    int64_t stride = p->common;

    if (p->common != MUCMM_AUTO && p->individual != MUCMM_AUTO)
        return MUCMM_OK;
    if (f->n_choosing < LEAST_ROWS)
        return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                           "%" PRId64 " choosing rows are too few to find the number of "
                           "dimensions: at least %d are needed; give a larger `validation`, more "
                           "rows, or numbers for `common` and `individual`",
                           f->n_choosing, LEAST_ROWS);
    if (p->common == MUCMM_AUTO) {
        TRY(choose_common(f, d, a));
        stride = d->candidates;
        p->common = d->common > 0 ? d->common : 1;
    } else {
        TRY(closed_form(f, p->common, a));
    }
    f->model->k = p->common;
    if (p->individual != MUCMM_AUTO)
        goto done;
    for (int32_t m = 0; m < f->model->n_views; m++)
        if (mucmm__individual_asked(p, m) == MUCMM_AUTO)
            TRY(choose_individual(f, m, a[m], stride, d));
    p->individual = mucmm__most_individual(f->model);
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(a[m]);
    return status;
}
