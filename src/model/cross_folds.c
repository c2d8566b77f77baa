/* SPDX-License-Identifier: MIT
 *
 * The models of folds: which rows are in which, what each model says of the rows that it did not
 * see. n rows, k components, R repeats of K folds. */
#include "model/cross_work.h"

#include "correlate/correlate.h"
#include "model/fit_rows.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    REPEATS = 10,
    TRAINED_REPEATS = 2,
    PERMUTATIONS = MUCMM__CROSS_PERMUTATIONS,
    LEAST_JACKKNIFE = 4 /* folds */
};
/* Multiplications of all folds. */
#define MOST_FOLD_WORK 2e11
/* Of the random numbers: as STREAM_SPLIT of fit_rows.c. */
enum { STREAM_ORDER = 60, STREAM_REPEAT = 1000 };

/* ---- which rows ------------------------------------------------------------------- */

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

static mucmm_status part_init(mucmm__fit *f, const mucmm_model *model, mucmm__cross *x, int which)
{
    mucmm_status status = MUCMM_OK;
    mucmm__cross_part *p = &x->part[which];

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
    TRY(mucmm__cross_all_variates(f->ctx, f->data, x, model, which, p->ref, p->refu));
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
    return f->folds >= LEAST_JACKKNIFE && f->folds <= MUCMM__MOST_JACKKNIFE && !model->heads.rho &&
           mucmm__cross_enough_rows(&p, f->ridge_asked, n - 2 * (n / f->folds + 1), widest);
}

static mucmm_status list_groups(mucmm__fit *f, mucmm__cross *x)
{
    mucmm_status status = MUCMM_OK;
    int64_t at = 0;

    TRY(mucmm__groups_of(f->ctx, f->p->groups, x->rows, x->n, &x->group));
    TRY(mucmm__group_count(f->ctx, x->group, x->n, &x->n_groups));
    TRY(mucmm__alloc(f->ctx, x->n, sizeof *x->order, &x->order));
    TRY(mucmm__alloc(f->ctx, x->n_groups + 1, sizeof *x->begin, &x->begin));
    TRY(mucmm__group_order(f->ctx, x->group, x->n, mucmm__rng_key(f->p->seed, MUCMM__STREAM_DRAWS),
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
        if (mucmm__cross_solution(model, which)->rho)
            TRY(part_init(f, model, x, which));
done:
    return status;
}

/* As many groups in each fold as in the others, or one more. */
static void cut_by_groups(mucmm__cross *x)
{
    int64_t group = -1;

    for (int64_t i = 0; i < x->n; i++) {
        group += i == 0 || !x->group || x->group[x->perm[i]] != x->group[x->perm[i - 1]];
        x->cut[group * x->folds / x->n_groups + 1] = i + 1;
    }
}

/* The folds of a repeat: stretches of perm, of whole groups. Of like numbers of rows, unless that
 * leaves a fold without any. */
static mucmm_status draw_folds(mucmm_ctx *ctx, mucmm__cross *x, uint64_t key)
{
    mucmm_status status = MUCMM_OK;
    bool empty = false;

    if (x->n_groups < x->folds)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%d folds of %" PRId64 " groups: each needs a group; give fewer `folds`",
                           x->folds, x->n_groups);
    TRY(mucmm__group_order(ctx, x->group, x->n, key, x->perm));
    x->cut[0] = 0;
    for (int64_t fold = 1; fold <= x->folds; fold++) {
        x->cut[fold] =
            mucmm__group_cut(x->group, x->perm, x->cut[fold - 1], x->n, x->n * fold / x->folds);
        empty |= x->cut[fold] == x->cut[fold - 1];
    }
    if (empty)
        cut_by_groups(x);
done:
    return status;
}

/* ---- one fold --------------------------------------------------------------------- */

/* Of trained heads: what the fold's own rows say, once. What cannot be tested is no evidence. */
static mucmm_status fold_test(mucmm_ctx *own, const mucmm__cross_repeat *t,
                              const mucmm__cross_part *p, int64_t fold, const int64_t *rows,
                              int64_t n)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    int64_t k = x->k, at = t->number * x->folds + fold, *numbers = NULL;
    mucmm__block c[MUCMM_MAX_VIEWS] = {{0}};
    double *correlations = NULL;

    TRY(mucmm__alloc(own, k, sizeof *correlations, &correlations));
    TRY(mucmm__alloc(own, n, sizeof *numbers, &numbers));
    for (int64_t r = 0; r < n; r++)
        numbers[r] = x->rows[rows[r]];
    for (int32_t m = 0; m < x->n_views; m++) {
        c[m] = (mucmm__block){NULL, n, k};
        TRY(mucmm__alloc(own, n * k, sizeof(double), &c[m].data));
        for (int64_t r = 0; r < n; r++)
            mucmm__to_double(p->c[m] + (t->number * x->n + rows[r]) * k, k, c[m].data + r * k);
    }
    TRY(mucmm__test_these(own, t->f, numbers, n, c, PERMUTATIONS, t->p->seed + (uint64_t)at,
                          correlations, p->split_p + at * k, NULL));
    for (int64_t j = 0; j < k; j++)
        if (isnan(p->split_p[at * k + j]))
            p->split_p[at * k + j] = 1;
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(c[m].data);
    mucmm__free(correlations);
    mucmm__free(numbers);
    return status;
}

/* What a fold's model says of all rows, aligned on those that it was fitted on, kept of the others.
 * judged [n_judged]: numbers into x->rows. */
static mucmm_status take_fold(mucmm_ctx *own, const mucmm__cross_repeat *t,
                              const mucmm__cross_fold *fold, int which, const int64_t *judged,
                              int64_t n_judged)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    const mucmm__cross_part *p = &x->part[which];
    int64_t k = x->k, widest = k, *column = NULL;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};
    double *sign = NULL;

    for (int32_t m = 0; m < x->n_views; m++) {
        int64_t q = fold->model->view[m].q;
        widest = q > widest ? q : widest;
        TRY(mucmm__alloc(own, x->n * k, sizeof **c, &c[m]));
        TRY(mucmm__alloc(own, x->n * q, sizeof **u, &u[m]));
    }
    TRY(mucmm__alloc(own, widest, sizeof *column, &column));
    TRY(mucmm__alloc(own, widest, sizeof *sign, &sign));
    TRY(mucmm__cross_all_variates(own, fold->data, x, fold->model, which, c, u));
    TRY(mucmm__cross_align(own, x->n_views, c, p->ref, k, x->alike, fold->trained, fold->n, column,
                           sign));
    for (int32_t m = 0; m < x->n_views; m++)
        mucmm__cross_place(c[m], k, column, sign, judged, n_judged, p->c[m] + t->number * x->n * k);
    for (int32_t m = 0; m < x->n_views && t->number == 0; m++) {
        int64_t q = fold->model->view[m].q;
        TRY(mucmm__cross_align(own, 1, &u[m], &p->refu[m], q, q, fold->trained, fold->n, column,
                               sign));
        mucmm__cross_place(u[m], q, column, sign, judged, n_judged, p->u[m]);
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

static mucmm_status run_fold(mucmm_ctx *own, void *arg, int64_t fold)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross_repeat *t = arg;
    const mucmm__cross *x = t->x;
    int64_t first = x->cut[fold], count = x->cut[fold + 1] - first;
    mucmm__cross_fold without = {0};

    TRY(mucmm__cross_fit_without(own, t, fold, fold, &without));
    for (int which = 0; which < 2; which++) {
        if (!x->part[which].c[0])
            continue;
        TRY(take_fold(own, t, &without, which, x->perm + first, count));
        if (which == 1)
            TRY(fold_test(own, t, &x->part[which], fold, x->perm + first, count));
    }
done:
    mucmm__cross_fold_drop(&without);
    return status;
}

/* ---- all of them ------------------------------------------------------------------ */

static void list_given(const mucmm__fit *f, mucmm_view *view)
{
    for (int32_t m = 0; m < f->model->n_views; m++)
        view[m] = (mucmm_view){f->model->view[m].name, f->data[m]};
}

/* A fit on all rows that prepares for the one that is kept, and says nothing itself. */
mucmm_status mucmm__cross_fit_before(mucmm__fit *f, const mucmm_fit_params *p, bool only_dimensions,
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
    mucmm__cross_repeat t = {.f = f, .x = x, .p = &p, .p_less = &less, .model = model};

    mucmm__cross_fold_params(f, model, &p);
    if (!model->heads.rho)
        p.head = MUCMM_HEAD_LINEAR;
    less = p;
    less.ridge = p.ridge == MUCMM_RIDGE_CHOSEN ? model->ridge : p.ridge;
    list_given(f, t.view);
    for (t.number = 0; t.number < x->repeats; t.number++) {
        TRY(draw_folds(f->ctx, x, mucmm__rng_key(f->p->seed, STREAM_REPEAT + (uint64_t)t.number)));
        TRY(mucmm__parallel_try(f->ctx, x->folds, run_fold, &t));
        if (x->jackknife)
            TRY(mucmm__cross_jackknife(f, &t));
        TRY(mucmm__progress(f->ctx, "folds", t.number + 1, x->repeats, NULL));
    }
done:
    return status;
}

mucmm_status mucmm__cross_run_folds(mucmm__fit *f, const mucmm_model *model, int64_t alike,
                                    mucmm__cross **out)
{
    mucmm_status status = MUCMM_OK;

    TRY(cross_create(f, model, out));
    (*out)->alike = alike;
    TRY(run_repeats(f, model, *out));
done:
    return status;
}
