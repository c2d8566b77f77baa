/* SPDX-License-Identifier: MIT
 *
 * Cross-fitting of small samples (section 4 of the method): the model that is kept is fitted on all
 * rows; what it says is judged by the models of folds, each on the rows that it did not see. n
 * rows, k components, R repeats of K folds. */
#include "model/cross_fit.h"

#include "correlate/classical.h"
#include "correlate/refit_test.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLDS = 5,
    REPEATS = 10,
    TRAINED_REPEATS = 2,
    LEAST_FOR_FOLDS = 10, /* rows, where folds are not asked for */
    PERMUTATIONS = 999,
    DRAWS = 2000,        /* of the bootstrap */
    LEAST_JACKKNIFE = 4, /* folds */
    MOST_JACKKNIFE = 10,
    SHOWN = 5,          /* components of the curve, at least */
    MOST_COMMON = 20,   /* that are looked for */
    LEAST_CHOOSING = 20 /* rows that choose individual dimensions */
};
/* Multiplications: of all folds, and of the permutations of a component. */
#define MOST_FOLD_WORK 2e11
#define MOST_TEST_WORK 4e10
#define NORMAL_975 1.95996 /* 97.5 % of a normal variable are below it */
/* Of the rows, those that choose individual dimensions. */
#define CHOOSING_SHARE 0.2
/* The default of `validation`: another one asks for rows to be held out. */
#define USUAL_VALIDATION 0.1
/* Of the random numbers: as STREAM_SPLIT of fit_rows.c. */
enum { STREAM_ORDER = 60, STREAM_REFIT = 61, STREAM_DRAWS = 62, STREAM_REPEAT = 1000 };

/* What there is of one representation. */
typedef struct cross_part {
    float *ref[MUCMM_MAX_VIEWS];  /* [n, k] variates of the model of all rows */
    float *refu[MUCMM_MAX_VIEWS]; /* [n, q] */
    float *c[MUCMM_MAX_VIEWS];    /* [R, n, k] cross-fitted, aligned with these */
    float *u[MUCMM_MAX_VIEWS];    /* [n, q] of the first repeat */
    double *split_p;              /* [R, K, k] of each fold's own rows */
    float *less[MUCMM_MAX_VIEWS]; /* [K, n, k] of a repeat: cross-fitted without one more fold */
    double *variance;             /* [k] of Fisher's z, the sum over repeats */
    mucmm_cross_fit *result;
} cross_part;

struct mucmm__cross {
    int32_t folds, repeats, n_views;
    bool jackknife;      /* of the folds, where they are not too many, and nothing is trained */
    int64_t n, k, alike; /* alike: leading components that are told from chance */
    int64_t *group;      /* [n] of rows, or NULL: each is its own */
    int64_t n_groups, *begin;         /* [n_groups + 1] where they begin in order */
    int64_t *order;                   /* [n] rows, those of a group side by side */
    int64_t cut[MUCMM_MAX_FOLDS + 1]; /* where the folds of a repeat begin in perm */
    int64_t *rows, *perm;             /* [n] shuffled; [n] of a repeat: a fold is a stretch of it */
    cross_part part[2];               /* linear, heads */
};

static void part_drop(cross_part *p)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(p->ref[m]);
        mucmm__free(p->refu[m]);
        mucmm__free(p->c[m]);
        mucmm__free(p->u[m]);
        mucmm__free(p->less[m]);
    }
    mucmm__free(p->split_p);
    mucmm__free(p->variance);
    mucmm__cross_result_free(p->result);
}

void mucmm__cross_drop(mucmm__cross *x)
{
    if (!x)
        return;
    part_drop(&x->part[0]);
    part_drop(&x->part[1]);
    mucmm__free(x->rows);
    mucmm__free(x->group);
    mucmm__free(x->begin);
    mucmm__free(x->order);
    mucmm__free(x->perm);
    mucmm__free(x);
}

static const mucmm__solution *solution_of(const mucmm_model *m, int which)
{
    return which ? &m->heads : &m->linear;
}

/* ---- what is asked for ------------------------------------------------------------- */

/* Are n rows enough for the closed form of so many columns that p asks for? */
static bool enough_rows(const mucmm_fit_params *p, double ridge, int64_t n, int64_t widest)
{
    int64_t k = p->common == MUCMM_AUTO ? 1 : p->common;
    int64_t q = p->individual == MUCMM_AUTO ? 0 : p->individual;

    return n > k + q + 2 && (ridge != 0 || n > widest + 1);
}

/* Of n rows that have all views: the folds that p asks for, 0 = none. */
static int32_t folds_of(const mucmm_fit_params *p, int64_t n, int64_t widest)
{
    bool few = n >= LEAST_FOR_FOLDS && n < MUCMM_SMALL_SAMPLE &&
               enough_rows(p, p->ridge, n - n / FOLDS - 1, widest);

    if (p->folds != MUCMM_AUTO)
        return p->folds;
    return few && p->head != MUCMM_HEAD_MLP &&
                   (p->validation == USUAL_VALIDATION || p->validation == 0)
               ? FOLDS
               : 0;
}

static mucmm_status check_all_train(mucmm__fit *f, const mucmm_fit_params *p, int64_t n)
{
    if (f->folds > n)
        return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                           "%d folds of %" PRId64 " rows: each needs a row; give fewer `folds`",
                           f->folds, n);
    if (f->folds > 0 && p->head == MUCMM_HEAD_MLP && p->stages != 1)
        return mucmm__fail(f->ctx, MUCMM_EARG,
                           "the models of folds are compared where all dimensions are trained at "
                           "once, not in stages; leave out `stages` or `folds`");
    if (f->folds > 0)
        return MUCMM_OK;
    if (p->head == MUCMM_HEAD_MLP)
        return mucmm__fail(f->ctx, MUCMM_EARG,
                           "validation is 0, but trained heads need rows that they do not train "
                           "on; give a share, or `head` linear");
    if (p->common == MUCMM_AUTO || p->individual == MUCMM_AUTO)
        return mucmm__fail(f->ctx, MUCMM_EARG,
                           "validation is 0, but numbers of dimensions are found on rows that do "
                           "not train; give a share, `folds`, or numbers for `common` and "
                           "`individual`");
    return MUCMM_OK;
}

static int64_t complete_rows(const mucmm_view *views, int32_t n_views)
{
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    uint32_t all = ((uint32_t)1 << n_views) - 1;
    int64_t n = 0, rows = mucmm_data_rows(views[0].data);

    for (int32_t m = 0; m < n_views; m++)
        data[m] = views[m].data;
    for (int64_t i = 0; i < rows; i++)
        n += mucmm__row_views(n_views, data, i) == all;
    return n;
}

mucmm_status mucmm__cross_fit_begin(mucmm__fit *f, const mucmm_view *views, int32_t n_views,
                                    mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = complete_rows(views, n_views), widest = 0;

    for (int32_t m = 0; m < n_views; m++)
        widest = mucmm_data_cols(views[m].data) > widest ? mucmm_data_cols(views[m].data) : widest;
    f->folds = p->folds = folds_of(p, n, widest);
    if (f->folds == 0 && p->validation > 0)
        return MUCMM_OK;
    TRY(check_all_train(f, p, n));
    if (p->head == MUCMM_HEAD_AUTO) {
        p->head = MUCMM_HEAD_LINEAR;
        if (f->folds > 0)
            mucmm__info(f->ctx,
                        "%" PRId64 " rows: all of them train the closed form, and %d folds judge "
                        "it; `head` mlp trains networks",
                        n, f->folds);
    }
done:
    return status;
}

/* ---- the models of folds ----------------------------------------------------------- */

/* An estimate of the multiplications of one fold's closed form with its own choice of a ridge. */
static double fold_work(const mucmm__fit *f)
{
    double work = 0, n = (double)f->n_train;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        double p = (double)f->model->view[m].p, d = fmin(n, p);
        work += (f->p->ridge == MUCMM_RIDGE_CHOSEN ? 70 : 1) * d * d * (10 * d + n) + n * d * p;
    }
    return work;
}

static int32_t repeats_of(const mucmm__fit *f)
{
    double fit = MOST_FOLD_WORK / (fold_work(f) * f->folds);

    if (f->p->repeats > 0)
        return f->p->repeats;
    if (f->p->head != MUCMM_HEAD_LINEAR)
        return TRAINED_REPEATS;
    return fit >= REPEATS ? REPEATS : fit > 1 ? (int32_t)fit : 1;
}

/* Variates c [n, k] and u [n, q] (either may be NULL) of every row, by a model. */
static mucmm_status all_variates(mucmm_ctx *ctx, const mucmm__fit *f, const mucmm__cross *x,
                                 const mucmm_model *model, int which, float *const *c,
                                 float *const *u)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < x->n_views; m++)
        TRY(mucmm__represent(ctx, model, solution_of(model, which), m, f->data[m], x->rows, x->n,
                             c ? c[m] : NULL, u ? u[m] : NULL));
done:
    return status;
}

static mucmm_status part_init(mucmm__fit *f, const mucmm_model *model, mucmm__cross *x, int which)
{
    mucmm_status status = MUCMM_OK;
    cross_part *p = &x->part[which];

    for (int32_t m = 0; m < x->n_views; m++) {
        int64_t q = model->view[m].q;
        TRY(mucmm__alloc(f->ctx, x->n * x->k, sizeof(float), &p->ref[m]));
        TRY(mucmm__alloc(f->ctx, x->n * q, sizeof(float), &p->refu[m]));
        TRY(mucmm__alloc(f->ctx, x->repeats * x->n * x->k, sizeof(float), &p->c[m]));
        TRY(mucmm__alloc(f->ctx, x->n * q, sizeof(float), &p->u[m]));
        if (x->jackknife)
            TRY(mucmm__alloc(f->ctx, x->folds * x->n * x->k, sizeof(float), &p->less[m]));
    }
    TRY(mucmm__alloc(f->ctx, x->k, sizeof(double), &p->variance));
    TRY(mucmm__alloc(f->ctx, x->repeats * x->folds * x->k, sizeof(double), &p->split_p));
    TRY(all_variates(f->ctx, f, x, model, which, p->ref, p->refu));
done:
    return status;
}

/* Do two folds less leave rows enough? */
static bool can_jackknife(const mucmm__fit *f, const mucmm_model *model, int64_t n)
{
    mucmm_fit_params p = {.common = model->k};
    int64_t widest = 0;

    for (int32_t m = 0; m < model->n_views; m++)
        widest = model->view[m].p > widest ? model->view[m].p : widest;
    return f->folds >= LEAST_JACKKNIFE && f->folds <= MOST_JACKKNIFE && !model->heads.rho &&
           enough_rows(&p, f->ridge_asked, n - 2 * (n / f->folds + 1), widest);
}

static mucmm_status list_groups(mucmm__fit *f, mucmm__cross *x)
{
    mucmm_status status = MUCMM_OK;
    int64_t at = 0;

    TRY(mucmm__groups_of(f->ctx, f->p->groups, x->rows, x->n, &x->group));
    TRY(mucmm__group_count(f->ctx, x->group, x->n, &x->n_groups));
    TRY(mucmm__alloc(f->ctx, x->n, sizeof *x->order, &x->order));
    TRY(mucmm__alloc(f->ctx, x->n_groups + 1, sizeof *x->begin, &x->begin));
    TRY(mucmm__group_order(f->ctx, x->group, x->n, mucmm__rng_key(f->p->seed, STREAM_DRAWS),
                           x->order));
    for (int64_t i = 0; i < x->n; i++)
        if (i == 0 || !x->group || x->group[x->order[i]] != x->group[x->order[i - 1]])
            x->begin[at++] = i;
    x->begin[at] = x->n;
done:
    return status;
}

/* Of all rows of f, for a model of all rows. *out has to be dropped even after a failure. */
static mucmm_status cross_create(mucmm__fit *f, const mucmm_model *model, mucmm__cross **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__cross *x;

    TRY(mucmm__alloc(f->ctx, 1, sizeof *x, out));
    x = *out;
    *x = (mucmm__cross){.folds = f->folds,
                        .repeats = repeats_of(f),
                        .n_views = model->n_views,
                        .n = f->n_train + f->n_choosing,
                        .k = model->k};
    TRY(mucmm__alloc(f->ctx, x->n, sizeof *x->rows, &x->rows));
    TRY(mucmm__alloc(f->ctx, x->n, sizeof *x->perm, &x->perm));
    mucmm__rng_permutation(mucmm__rng_key(f->p->seed, STREAM_ORDER), x->perm, x->n);
    for (int64_t i = 0; i < x->n; i++)
        x->rows[i] =
            x->perm[i] < f->n_train ? f->train[x->perm[i]] : f->choosing[x->perm[i] - f->n_train];
    x->jackknife = can_jackknife(f, model, x->n);
    TRY(list_groups(f, x));
    for (int which = 0; which < 2; which++)
        if (solution_of(model, which)->rho)
            TRY(part_init(f, model, x, which));
done:
    return status;
}

static int64_t fold_begin(const mucmm__cross *x, int64_t fold)
{
    return x->cut[fold];
}

/* The folds of a repeat: stretches of perm, of whole groups. */
static mucmm_status draw_folds(mucmm_ctx *ctx, mucmm__cross *x, uint64_t key)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__group_order(ctx, x->group, x->n, key, x->perm));
    x->cut[0] = 0;
    for (int64_t fold = 1; fold <= x->folds; fold++)
        x->cut[fold] =
            mucmm__group_cut(x->group, x->perm, x->cut[fold - 1], x->n, x->n * fold / x->folds);
    for (int64_t fold = 0; fold < x->folds; fold++)
        if (x->cut[fold] == x->cut[fold + 1])
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "%d folds: the %" PRId64 " groups are too few, or of too different "
                               "sizes, for one in each; give fewer `folds`",
                               x->folds, x->n_groups);
done:
    return status;
}

/* One repeat, whose folds are fitted at the same time. */
typedef struct repeat {
    const mucmm__fit *f;
    mucmm__cross *x;
    const mucmm_fit_params *p; /* of the models of the folds; of those with one fold less, whose */
    const mucmm_fit_params *p_less; /* ridge is given */
    const mucmm_model *model;       /* of all rows */
    mucmm_view view[MUCMM_MAX_VIEWS];
    int32_t number;
} repeat;

/* Correlation of column i of a [n, ka] with column j of b [n, kb] on these of their rows; 0 if one
 * is constant. */
static double correlation(const float *a, int64_t ka, int64_t i, const float *b, int64_t kb,
                          int64_t j, const int64_t *rows, int64_t n)
{
    double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;

    for (int64_t r = 0; r < n; r++) {
        ma += a[rows[r] * ka + i] / (double)n;
        mb += b[rows[r] * kb + j] / (double)n;
    }
    for (int64_t r = 0; r < n; r++) {
        double da = a[rows[r] * ka + i] - ma, db = b[rows[r] * kb + j] - mb;
        aa += da * da;
        bb += db * db;
        ab += da * db;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

/* Which of a fold's variates is number j of the model's, and with which sign: of the first `alike`
 * those that correlate most on the rows of the fold's fit, in the sum over the views; of the others
 * number j. c, ref [views][n, k]; column, sign [k].
 *
 * The model knows the rows that the fold judges. Where components are nothing but chance, to name
 * that one the first which looks most like the model's would be to choose by these rows: 0.09 for
 * the held-out correlation of independent views (54 rows, 5 columns, k = 2). So only components
 * that the exact test tells from chance are matched; signs, the same in all views, choose nothing.
 */
static mucmm_status align(mucmm_ctx *ctx, int32_t n_views, float *const *c, float *const *ref,
                          int64_t k, int64_t alike, const int64_t *rows, int64_t n, int64_t *column,
                          double *sign)
{
    mucmm_status status = MUCMM_OK;
    double *gain = NULL, *along = NULL;

    TRY(mucmm__alloc(ctx, alike * alike, sizeof *gain, &gain));
    TRY(mucmm__alloc(ctx, k * k, sizeof *along, &along));
    for (int64_t j = 0; j < k; j++)
        for (int64_t i = 0; i < k; i++)
            for (int32_t m = 0; m < n_views; m++)
                along[j * k + i] += correlation(ref[m], k, j, c[m], k, i, rows, n);
    for (int64_t j = 0; j < alike; j++)
        for (int64_t i = 0; i < alike; i++)
            gain[j * alike + i] = fabs(along[j * k + i]);
    if (alike > 0)
        TRY(mucmm__assign(ctx, alike, gain, column));
    for (int64_t j = alike; j < k; j++)
        column[j] = j;
    for (int64_t j = 0; j < k; j++)
        sign[j] = along[j * k + column[j]] < 0 ? -1 : 1;
done:
    mucmm__free(gain);
    mucmm__free(along);
    return status;
}

/* Rows to[..] of out [n, k] from c, columns and signs changed. */
static void place_rows(const float *c, int64_t k, const int64_t *column, const double *sign,
                       const int64_t *rows, int64_t n, float *out)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t j = 0; j < k; j++)
            out[rows[r] * k + j] = (float)sign[j] * c[rows[r] * k + column[j]];
}

/* Of trained heads: what the fold's own rows say, once. */
static mucmm_status fold_test(mucmm_ctx *own, const repeat *t, const cross_part *p, int64_t fold,
                              const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    int64_t k = x->k, at = t->number * x->folds + fold;
    mucmm__block c[MUCMM_MAX_VIEWS] = {{0}};
    double *correlations = NULL;

    TRY(mucmm__alloc(own, k, sizeof *correlations, &correlations));
    for (int32_t m = 0; m < x->n_views; m++) {
        c[m] = (mucmm__block){NULL, n, k};
        TRY(mucmm__alloc(own, n * k, sizeof(double), &c[m].data));
        for (int64_t r = 0; r < n; r++)
            mucmm__to_double(p->c[m] + (t->number * x->n + rows[r]) * k, k, c[m].data + r * k);
    }
    TRY(mucmm__permutation_test(own, x->n_views, c, PERMUTATIONS, t->p->seed + (uint64_t)at,
                                correlations, p->split_p + at * k, NULL));
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(c[m].data);
    mucmm__free(correlations);
    return status;
}

/* What a fold's model says of all rows, aligned on those that it was fitted on, kept of the others.
 * trained [n_trained], judged [n_judged]: numbers into x->rows. */
static mucmm_status take_fold(mucmm_ctx *own, const repeat *t, const mucmm_model *model, int which,
                              const int64_t *trained, int64_t n_trained, const int64_t *judged,
                              int64_t n_judged)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    const cross_part *p = &x->part[which];
    int64_t k = x->k, widest = k, *column = NULL;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};
    double *sign = NULL;

    for (int32_t m = 0; m < x->n_views; m++) {
        int64_t q = model->view[m].q;
        widest = q > widest ? q : widest;
        TRY(mucmm__alloc(own, x->n * k, sizeof **c, &c[m]));
        TRY(mucmm__alloc(own, x->n * q, sizeof **u, &u[m]));
    }
    TRY(mucmm__alloc(own, widest, sizeof *column, &column));
    TRY(mucmm__alloc(own, widest, sizeof *sign, &sign));
    TRY(all_variates(own, t->f, x, model, which, c, u));
    TRY(align(own, x->n_views, c, p->ref, k, x->alike, trained, n_trained, column, sign));
    for (int32_t m = 0; m < x->n_views; m++)
        place_rows(c[m], k, column, sign, judged, n_judged, p->c[m] + t->number * x->n * k);
    for (int32_t m = 0; m < x->n_views && t->number == 0; m++) {
        int64_t q = model->view[m].q;
        TRY(align(own, 1, &u[m], &p->refu[m], q, q, trained, n_trained, column, sign));
        place_rows(u[m], q, column, sign, judged, n_judged, p->u[m]);
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(c[m]);
        mucmm__free(u[m]);
    }
    mucmm__free(column);
    mucmm__free(sign);
    return status;
}

/* A model of all rows but those of folds a and b (the same: of one), on which rows [*n] (numbers
 * into x->rows) it was fitted. */
static mucmm_status fit_without(mucmm_ctx *own, const repeat *t, int64_t a, int64_t b,
                                int64_t *trained, int64_t *n, mucmm_model **model)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    int64_t *rows = NULL;

    *n = 0;
    TRY(mucmm__alloc(own, x->n, sizeof *rows, &rows));
    for (int64_t fold = 0; fold < x->folds; fold++)
        for (int64_t i = fold_begin(x, fold); i < fold_begin(x, fold + 1); i++)
            if (fold != a && fold != b) {
                rows[*n] = x->rows[x->perm[i]];
                trained[(*n)++] = x->perm[i];
            }
    TRY(t->f->inner(own, t->view, x->n_views, a == b ? t->p : t->p_less,
                    &(mucmm__given){.rows = rows, .n = *n, .like = t->model}, model));
done:
    mucmm__free(rows);
    return status;
}

static mucmm_status run_fold(mucmm_ctx *own, void *arg, int64_t fold)
{
    mucmm_status status = MUCMM_OK;
    const repeat *t = arg;
    const mucmm__cross *x = t->x;
    int64_t first = fold_begin(x, fold), count = fold_begin(x, fold + 1) - first, n;
    int64_t *trained = NULL;
    mucmm_model *model = NULL;

    TRY(mucmm__alloc(own, x->n, sizeof *trained, &trained));
    TRY(fit_without(own, t, fold, fold, trained, &n, &model));
    for (int which = 0; which < 2; which++) {
        if (!x->part[which].c[0])
            continue;
        TRY(take_fold(own, t, model, which, trained, n, x->perm + first, count));
        if (which == 1)
            TRY(fold_test(own, t, &x->part[which], fold, x->perm + first, count));
    }
done:
    mucmm_model_free(model);
    mucmm__free(trained);
    return status;
}

/* The same without folds a < b, number `pair` of them: what of b is known without a, and the other
 * way round. */
static mucmm_status run_pair(mucmm_ctx *own, void *arg, int64_t pair)
{
    mucmm_status status = MUCMM_OK;
    const repeat *t = arg;
    const mucmm__cross *x = t->x;
    const cross_part *p = &x->part[0];
    int64_t a = 0, b, n, k = x->k, *trained = NULL, *column = NULL;
    float *c[MUCMM_MAX_VIEWS] = {0};
    double *sign = NULL;
    mucmm_model *model = NULL;

    for (; pair >= x->folds - 1 - a; a++)
        pair -= x->folds - 1 - a;
    b = a + 1 + pair;
    TRY(mucmm__alloc(own, x->n, sizeof *trained, &trained));
    TRY(mucmm__alloc(own, k, sizeof *column, &column));
    TRY(mucmm__alloc(own, k, sizeof *sign, &sign));
    for (int32_t m = 0; m < x->n_views; m++)
        TRY(mucmm__alloc(own, x->n * k, sizeof **c, &c[m]));
    TRY(fit_without(own, t, a, b, trained, &n, &model));
    TRY(all_variates(own, t->f, x, model, 0, c, NULL));
    TRY(align(own, x->n_views, c, p->ref, k, x->alike, trained, n, column, sign));
    for (int32_t m = 0; m < x->n_views; m++)
        for (int way = 0; way < 2; way++) {
            int64_t known = way ? a : b, first = fold_begin(x, known);
            place_rows(c[m], k, column, sign, x->perm + first, fold_begin(x, known + 1) - first,
                       p->less[m] + (way ? b : a) * x->n * k);
        }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(c[m]);
    mucmm_model_free(model);
    mucmm__free(trained);
    mucmm__free(column);
    mucmm__free(sign);
    return status;
}

/* Correlation of component j of variates c[m] [.., n, k], number `at`, on these of their rows: mean
 * over pairs of views. */
static double mean_correlation(const mucmm__cross *x, float *const *c, int64_t at, int64_t j,
                               const int64_t *rows, int64_t n)
{
    double sum = 0;

    for (int32_t m = 0; m < x->n_views; m++)
        for (int32_t l = 0; l < m; l++)
            sum += correlation(c[m] + at * x->n * x->k, x->k, j, c[l] + at * x->n * x->k, x->k, j,
                               rows, n);
    return sum / (x->n_views * (x->n_views - 1) / 2);
}

/* Fisher's z of a correlation; finite. */
static double fisher(double correlation)
{
    return atanh(fmin(fmax(correlation, -1 + 1e-12), 1 - 1e-12));
}

/* The jackknife of folds: with one less, and models that knew it as little as the row that they
 * judge, z is z_(g); (K - 1)/K sum_g (z_(g) - mean)^2 estimates its variance, that of the models
 * included. */
static mucmm_status take_jackknife(mucmm__fit *f, const repeat *t)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    const cross_part *p = &x->part[0];
    int64_t *rows = NULL, folds = x->folds;
    double z[MOST_JACKKNIFE];

    TRY(mucmm__alloc(f->ctx, x->n, sizeof *rows, &rows));
    TRY(mucmm__parallel_try(f->ctx, folds * (folds - 1) / 2, run_pair, (void *)t));
    for (int64_t j = 0; j < x->k; j++) {
        double mean = 0;
        for (int64_t g = 0; g < folds; g++) {
            int64_t begin = fold_begin(x, g), end = fold_begin(x, g + 1);
            memcpy(rows, x->perm, (size_t)begin * sizeof *rows);
            memcpy(rows + begin, x->perm + end, (size_t)(x->n - end) * sizeof *rows);
            z[g] = fisher(mean_correlation(x, p->less, g, j, rows, x->n - (end - begin)));
            mean += z[g] / (double)folds;
        }
        for (int64_t g = 0; g < folds; g++)
            p->variance[j] += (double)(folds - 1) / (double)folds * pow(z[g] - mean, 2);
    }
done:
    mucmm__free(rows);
    return status;
}

/* Of the model's dimensions, but fitted on whatever rows are given. */
static void fold_params(const mucmm__fit *f, const mucmm_model *model, mucmm_fit_params *p)
{
    *p = *f->p;
    p->common = model->k;
    p->individual = model->heads.rho ? f->p->individual : 0; /* each view has that of the model */
    p->ridge = f->ridge_asked;
    p->bootstrap = 0;
    p->checkpoint = NULL;
    p->adjust = NULL; /* the rows that they are given are adjusted, and robust */
    p->robust = MUCMM_ROBUST_NONE;
}

static void list_given(const mucmm__fit *f, mucmm_view *view)
{
    for (int32_t m = 0; m < f->model->n_views; m++)
        view[m] = (mucmm_view){f->model->view[m].name, f->data[m]};
}

/* A fit on all rows that prepares for the one that is kept, and says nothing itself. */
static mucmm_status fit_before(mucmm__fit *f, const mucmm_fit_params *p, bool only_dimensions,
                               mucmm_model **model)
{
    mucmm_ctx quiet = *f->ctx;
    mucmm_view view[MUCMM_MAX_VIEWS];
    const mucmm__given given = {
        .rows = f->train, .n = f->n_train, .only_dimensions = only_dimensions};
    mucmm_status status;

    quiet.log = NULL;
    list_given(f, view);
    status = f->inner(&quiet, view, f->model->n_views, p, &given, model);
    return status == MUCMM_OK ? status : mucmm__fail(f->ctx, status, "%s", quiet.message);
}

static mucmm_status run_repeats(mucmm__fit *f, const mucmm_model *model, mucmm__cross *x)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p, less;
    repeat t = {.f = f, .x = x, .p = &p, .p_less = &less, .model = model};

    fold_params(f, model, &p);
    if (!model->heads.rho)
        p.head = MUCMM_HEAD_LINEAR;
    less = p;
    less.ridge = p.ridge == MUCMM_RIDGE_CHOSEN ? model->ridge : p.ridge;
    list_given(f, t.view);
    for (t.number = 0; t.number < x->repeats; t.number++) {
        TRY(draw_folds(f->ctx, x, mucmm__rng_key(f->p->seed, STREAM_REPEAT + (uint64_t)t.number)));
        TRY(mucmm__parallel_try(f->ctx, x->folds, run_fold, &t));
        if (x->jackknife)
            TRY(take_jackknife(f, &t));
        TRY(mucmm__progress(f->ctx, "folds", t.number + 1, x->repeats, NULL));
    }
done:
    return status;
}

/* ---- correlations and their intervals ---------------------------------------------- */

/* Fisher's z of component j on these n rows, mean over repeats. */
static double pooled_z(const mucmm__cross *x, const cross_part *p, int64_t j, const int64_t *rows,
                       int64_t n)
{
    double sum = 0;

    for (int32_t r = 0; r < x->repeats; r++)
        sum += mean_correlation(x, p->c, r, j, rows, n) / x->repeats;
    return fisher(sum);
}

typedef struct draws {
    const mucmm__cross *x;
    const cross_part *p;
    uint64_t key;
    int64_t lanes;
    double *z; /* [k, DRAWS] */
} draws;

/* Replicate b: as many groups of rows as there are, drawn with replacement, into rows [most], *n of
 * them. */
static void draw_rows(const draws *d, int64_t b, int64_t most, int64_t *rows, int64_t *n)
{
    const mucmm__cross *x = d->x;
    uint64_t key = mucmm__rng_key(d->key, (uint64_t)b);

    *n = 0;
    for (int64_t i = 0; i < x->n_groups; i++) {
        int64_t g = (int64_t)(mucmm__rng_uniform(key, (uint64_t)i) * (double)x->n_groups);
        g = g < x->n_groups ? g : x->n_groups - 1;
        for (int64_t at = x->begin[g]; at < x->begin[g + 1] && *n < most; at++)
            rows[(*n)++] = x->order[at];
    }
}

static mucmm_status run_draws(mucmm_ctx *own, void *arg, int64_t lane)
{
    mucmm_status status = MUCMM_OK;
    const draws *d = arg;
    int64_t *rows = NULL, n, most = d->x->group ? 2 * d->x->n : d->x->n;

    TRY(mucmm__alloc(own, most, sizeof *rows, &rows));
    for (int64_t b = lane; b < DRAWS; b += d->lanes) {
        draw_rows(d, b, most, rows, &n);
        for (int64_t j = 0; j < d->x->k; j++)
            d->z[j * DRAWS + b] = pooled_z(d->x, d->p, j, rows, n);
    }
done:
    mucmm__free(rows);
    return status;
}

static int compare_ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The bootstrap of rows takes the models as they are, so its variance is too small; the jackknife
 * estimates too large a one (Efron and Stein 1981). The interval goes by their mean. */
static void take_interval(double z, const double *drawn, double jackknife, mucmm_cross_fit *r,
                          int64_t j)
{
    double mean = 0, square = 0, spread;

    for (int64_t b = 0; b < DRAWS; b++)
        mean += drawn[b] / DRAWS;
    for (int64_t b = 0; b < DRAWS; b++)
        square += pow(drawn[b] - mean, 2) / (DRAWS - 1);
    spread = sqrt(jackknife > square ? (square + jackknife) / 2 : square);
    r->correlations[j] = tanh(z);
    r->standard_errors[j] = spread * (1 - tanh(z) * tanh(z));
    r->low[j] = tanh(z - NORMAL_975 * spread);
    r->high[j] = tanh(z + NORMAL_975 * spread);
}

static mucmm_status take_correlations(mucmm__fit *f, const mucmm__cross *x, const cross_part *p,
                                      mucmm_cross_fit *r)
{
    mucmm_status status = MUCMM_OK;
    draws d = {
        .x = x, .p = p, .key = mucmm__rng_key(f->p->seed, STREAM_DRAWS), .lanes = f->ctx->threads};
    int64_t *all = NULL;

    r->folds = x->folds;
    r->repeats = x->repeats;
    TRY(mucmm__alloc(f->ctx, x->n, sizeof *all, &all));
    TRY(mucmm__alloc(f->ctx, x->k * DRAWS, sizeof *d.z, &d.z));
    for (int64_t i = 0; i < x->n; i++)
        all[i] = i;
    TRY(mucmm__parallel_try(f->ctx, d.lanes, run_draws, &d));
    for (int64_t j = 0; j < x->k; j++)
        take_interval(pooled_z(x, p, j, all, x->n), d.z + j * DRAWS, p->variance[j] / x->repeats, r,
                      j);
done:
    mucmm__free(all);
    mucmm__free(d.z);
    return status;
}

/* ---- significance ------------------------------------------------------------------ */

static double median(double *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, compare_ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

/* Meinshausen, Meier and Buehlmann (2009): twice the median of the p-values of all splits is one,
 * however these depend on each other. */
static mucmm_status combine_splits(mucmm__fit *f, const mucmm__cross *x, const cross_part *p,
                                   mucmm_cross_fit *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t splits = (int64_t)x->repeats * x->folds;
    double *one = NULL;

    TRY(mucmm__alloc(f->ctx, splits, sizeof *one, &one));
    for (int64_t j = 0; j < x->k; j++) {
        for (int64_t s = 0; s < splits; s++)
            one[s] = p->split_p[s * x->k + j];
        r->p_values[j] = fmin(1, 2 * median(one, splits));
    }
done:
    mucmm__free(one);
    return status;
}

/* x[m] [n, p] = scaled features of these rows. */
static mucmm_status read_blocks(mucmm__fit *f, const int64_t *rows, int64_t n, mucmm__block *x)
{
    mucmm_status status = MUCMM_OK;
    float *h = NULL;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p;
        x[m] = (mucmm__block){NULL, n, p};
        TRY(mucmm__alloc(f->ctx, n * p, sizeof(double), &x[m].data));
        TRY(mucmm__alloc(f->ctx, n * p, sizeof *h, &h));
        TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], rows, n, h));
        mucmm__to_double(h, n * p, x[m].data);
        mucmm__free(h);
        h = NULL;
    }
done:
    mucmm__free(h);
    return status;
}

/* The exact test of the closed form, of all rows that have all views; of groups, of those that are
 * exchanged for others. */
static mucmm_status refit_test(mucmm__fit *f, int64_t components, bool stop, double *p_values,
                               int64_t *made)
{
    mucmm_status status = MUCMM_OK;
    int64_t columns[MUCMM_MAX_VIEWS], n = f->n_train, *rows = NULL, *group = NULL;
    uint64_t key = mucmm__rng_key(f->p->seed, STREAM_REFIT);
    mucmm__exchange *exchange = NULL;
    mucmm__block x[MUCMM_MAX_VIEWS] = {{0}};
    mucmm__refit how = {.ridge = f->ridge_asked,
                        .columns = columns,
                        .permutations = PERMUTATIONS,
                        .most_work = MOST_TEST_WORK,
                        .seed = key,
                        .stop = stop};

    TRY(mucmm__alloc(f->ctx, n, sizeof *rows, &rows));
    TRY(mucmm__groups_of(f->ctx, f->p->groups, f->train, n, &group));
    TRY(mucmm__exchange_create(f->ctx, group, n, key, &exchange));
    how.exchange = exchange;
    if (!mucmm__exchange_enough(exchange))
        how.permutations = 0;
    n = exchange ? exchange->n : n;
    for (int64_t i = 0; i < n; i++)
        rows[i] = f->train[exchange ? exchange->row[i] : i];
    for (int32_t m = 0; m < f->model->n_views; m++)
        columns[m] = f->model->view[m].p;
    TRY(read_blocks(f, rows, n, x));
    TRY(mucmm__refit_test(f->ctx, f->model->n_views, x, &how, components, p_values, made));
done:
    mucmm__exchange_free(exchange);
    mucmm__free(group);
    mucmm__free(rows);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(x[m].data);
    return status;
}

/* min(p_1, p_2) where the classical tests hold, else 0. */
static int64_t classical_count(const mucmm__fit *f)
{
    const mucmm__view_info *v = f->model->view;

    if (f->model->n_views != 2 || f->ridge_asked != 0 || f->some || f->p->groups ||
        f->n_train <= v[0].p + v[1].p + 1)
        return 0;
    return v[0].p < v[1].p ? v[0].p : v[1].p;
}

static mucmm_status classical(mucmm__fit *f, mucmm_cross_fit *r)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = f->model->view;
    const char *names[] = {v[0].name, v[1].name};
    const int64_t p[] = {v[0].p, v[1].p};
    double *weights[2] = {0}, *rho = NULL;

    if (r->n_classical == 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(f->ctx, r->n_classical, sizeof *rho, &rho));
    for (int m = 0; m < 2; m++)
        TRY(mucmm__alloc(f->ctx, p[m], sizeof **weights, &weights[m]));
    TRY(mucmm__closed_form_common(f->ctx, 2, p, names, f->cov[0], 0, 1, r->n_classical, rho,
                                  weights));
    mucmm__classical_tests(f->n_train, p[0], p[1], rho, r->classical);
done:
    mucmm__free(rho);
    mucmm__free(weights[0]);
    mucmm__free(weights[1]);
    return status;
}

/* What testifies of one representation; x NULL: no folds. exact [k]: p-values of the closed form,
 * of so many permutations. */
static mucmm_status take_result(mucmm__fit *f, mucmm__cross *x, int which, const double *exact,
                                int64_t made, mucmm_cross_fit **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = solution_of(f->model, which);
    mucmm_cross_fit *r;

    TRY(mucmm__cross_result_create(f->ctx, f->model->k, classical_count(f), out));
    r = *out;
    r->rows = x ? x->n : f->n_train;
    if (f->model->ridge == 0) /* else rho is flattened by it: mucmm__cross_in_sample */
        memcpy(r->in_sample, rep->rho, (size_t)f->model->k * sizeof *r->in_sample);
    if (x)
        TRY(take_correlations(f, x, &x->part[which], r));
    TRY(classical(f, r));
    if (which == 1)
        TRY(combine_splits(f, x, &x->part[which], r));
    else
        memcpy(r->p_values, exact, (size_t)r->components * sizeof *exact);
    r->permutations = which == 1 ? PERMUTATIONS : made;
done:
    return status;
}

/* ---- all of it --------------------------------------------------------------------- */

static int64_t leading(int64_t k, const double *p_values)
{
    int64_t j = 0;

    while (j < k && p_values[j] <= MUCMM_SIGNIFICANT)
        j++;
    return j;
}

static mucmm_status run_folds(mucmm__fit *f, const mucmm_model *model, int64_t alike,
                              mucmm__cross **out)
{
    mucmm_status status = MUCMM_OK;

    TRY(cross_create(f, model, out));
    (*out)->alike = alike;
    TRY(run_repeats(f, model, *out));
done:
    return status;
}

mucmm_status mucmm__cross_fit(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    int kept = model->heads.rho ? 1 : 0;
    double *exact = NULL;
    int64_t made;

    if (f->n_held_out > 0 || f->unjudged)
        return MUCMM_OK;
    TRY(mucmm__alloc(f->ctx, model->k, sizeof *exact, &exact));
    TRY(refit_test(f, model->k, false, exact, &made));
    if (f->folds > 0)
        TRY(run_folds(f, model, leading(model->k, exact), &f->cross));
    for (int which = 0; which < 2 && f->cross; which++)
        if (solution_of(model, which)->rho)
            TRY(take_result(f, f->cross, which, exact, made, &f->cross->part[which].result));
    if (f->cross) { /* the one of what is kept belongs to the model */
        model->cross_fit = f->cross->part[kept].result;
        if (kept == 0)
            f->cross->part[0].result = NULL;
        else
            f->cross->part[1].result = NULL;
    } else {
        TRY(take_result(f, NULL, 0, exact, made, &model->cross_fit));
    }
done:
    mucmm__free(exact);
    return status;
}

const int64_t *mucmm__cross_rows(const mucmm__fit *f, int64_t *n)
{
    *n = f->cross->n;
    return f->cross->rows;
}

mucmm_status mucmm__cross_variates(const mucmm__fit *f, const mucmm__solution *rep, int32_t m,
                                   float *c, float *u)
{
    const mucmm__cross *x = f->cross;
    const cross_part *p = &x->part[rep == &f->model->heads];

    memcpy(c, p->c[m], (size_t)(x->n * x->k) * sizeof *c);
    memcpy(u, p->u[m], (size_t)(x->n * f->model->view[m].q) * sizeof *u);
    return MUCMM_OK;
}

void mucmm__cross_in_sample(const mucmm__fit *f, const mucmm__solution *rep, const mucmm_summary *s)
{
    mucmm_cross_fit *r = f->model->cross_fit;
    bool kept = rep == &f->model->heads || !f->model->heads.rho;

    if (r && kept && !(f->model->ridge == 0 && rep == &f->model->linear))
        memcpy(r->in_sample, s->correlations, (size_t)s->components * sizeof *r->in_sample);
}

void mucmm__cross_testify(const mucmm__fit *f, const mucmm__solution *rep, mucmm_summary *s)
{
    const mucmm_cross_fit *r = f->cross->part[rep == &f->model->heads].result;

    if (!r)
        r = f->model->cross_fit;
    s->significant = 0;
    s->permutations = r->permutations;
    s->total_correlation = 0;
    for (int64_t j = 0; j < s->components; j++) {
        s->correlations[j] = r->correlations[j];
        s->p_values[j] = r->p_values[j];
        s->total_correlation += r->correlations[j];
        s->significant += r->p_values[j] <= MUCMM_SIGNIFICANT;
        if (s->null_95) /* of permutations that were not refitted */
            s->null_95[j] = NAN;
    }
}

/* ---- how many dimensions ----------------------------------------------------------- */

/* The most that every view leaves room for. */
static int64_t room_for_common(const mucmm__fit *f)
{
    int64_t room = MOST_COMMON, q = f->p->individual > 0 ? f->p->individual : 0;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p, n = f->n_train - f->n_train / f->folds - 2;
        int64_t dims = (p < n ? p : n) - q;
        room = dims < room ? dims : room;
    }
    return room < 1 ? 1 : room;
}

/* Cross-fitted correlations of the leading components, with standard errors, into d. */
static mucmm_status take_curve(mucmm__fit *f, mucmm_dimensions *d)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p;
    mucmm_model *model = NULL;
    mucmm__cross *x = NULL;
    mucmm_cross_fit *r = NULL;

    fold_params(f, f->model, &p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = d->candidates;
    p.individual = 0;
    TRY(fit_before(f, &p, false, &model));
    TRY(run_folds(f, model, d->common, &x));
    TRY(mucmm__cross_result_create(f->ctx, d->candidates, 0, &r));
    TRY(take_correlations(f, x, &x->part[0], r));
    memcpy(d->correlations, r->correlations, (size_t)d->candidates * sizeof *r->correlations);
    memcpy(d->standard_errors, r->standard_errors,
           (size_t)d->candidates * sizeof *r->standard_errors);
done:
    mucmm_model_free(model);
    mucmm__cross_drop(x);
    mucmm__cross_result_free(r);
    return status;
}

static void warn_of_none(const mucmm__fit *f, const mucmm_dimensions *d)
{
    const char *kept = "one common dimension is kept, which is no evidence of anything common";

    if (d->common > 0)
        return;
    if (isfinite(d->p_values[0]))
        mucmm__warn(f->ctx,
                    "nothing significant is shared: with %" PRId64 " rows the first component is "
                    "no stronger than with wrong pairings, p %.3g; %s",
                    f->n_train, d->p_values[0], kept);
    else /* too few ways to pair the rows or their groups */
        mucmm__warn(f->ctx,
                    "whether anything is shared cannot be tested with these %" PRId64 " rows; %s",
                    f->n_train, kept);
}

/* As many as are significant before the first that is not: each is tested given that there are
 * those before it, so that no more than MUCMM_SIGNIFICANT of the fits keep one too many. */
static mucmm_status choose_common(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_dimensions *d = &f->model->dimensions;
    int64_t room = room_for_common(f), made, tested = 0;
    double *p_values = NULL;

    TRY(mucmm__alloc(f->ctx, room, sizeof *p_values, &p_values));
    TRY(refit_test(f, room, true, p_values, &made));
    while (tested < room && p_values[tested] <= MUCMM_SIGNIFICANT)
        tested++;
    d->common = tested;
    tested = tested < room ? tested + 1 : room;
    d->candidates = tested < SHOWN ? SHOWN : tested;
    d->candidates = d->candidates < room ? d->candidates : room;
    d->level = MUCMM_SIGNIFICANT;
    TRY(mucmm__alloc(f->ctx, d->candidates, sizeof(double), &d->correlations));
    TRY(mucmm__alloc(f->ctx, d->candidates, sizeof(double), &d->null_95));
    TRY(mucmm__alloc(f->ctx, d->candidates, sizeof(double), &d->p_values));
    TRY(mucmm__alloc(f->ctx, d->candidates, sizeof(double), &d->standard_errors));
    for (int64_t j = 0; j < d->candidates; j++) {
        d->null_95[j] = NAN;
        d->p_values[j] = p_values[j];
    }
    TRY(take_curve(f, d));
    warn_of_none(f, d);
done:
    mucmm__free(p_values);
    return status;
}

/* A fit of its own, some of whose rows choose. */
static mucmm_status choose_individual(mucmm__fit *f, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm_dimensions *d = &f->model->dimensions;
    mucmm_fit_params probe;
    mucmm_model *model = NULL;

    fold_params(f, f->model, &probe);
    probe.head = MUCMM_HEAD_LINEAR;
    probe.common = f->model->k;
    probe.individual = MUCMM_AUTO;
    probe.validation = fmin(0.5, fmax(CHOOSING_SHARE, (LEAST_CHOOSING + .5) / (double)f->n_train));
    TRY(fit_before(f, &probe, true, &model));
    p->individual = model->params.individual;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        f->model->view[m].q = model->view[m].q;
        p->individual =
            m == 0 || model->view[m].q > p->individual ? model->view[m].q : p->individual;
        d->chosen[m] = model->dimensions.chosen[m];
        d->n_errors[m] = model->dimensions.n_errors[m];
        d->error[m] = model->dimensions.error[m];
        model->dimensions.error[m] = NULL;
    }
done:
    mucmm_model_free(model);
    return status;
}

mucmm_status mucmm__cross_fit_dimensions(mucmm__fit *f, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;

    if (p->common == MUCMM_AUTO) {
        TRY(choose_common(f));
        p->common = f->model->dimensions.common > 0 ? f->model->dimensions.common : 1;
    }
    f->model->k = p->common;
    if (p->individual == MUCMM_AUTO)
        TRY(choose_individual(f, p));
done:
    return status;
}
