/* SPDX-License-Identifier: MIT
 *
 * Which rows train, which choose and which are held out, how many are a batch, and how often they
 * are gone through.
 * */
#include "model/fit_rows.h"

#include "model/represent.h"
#include "model/small_sample.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Streams of random numbers: training uses mucmm__stream(stage) and above. */
#define STREAM_SPLIT 1

/* Batches must be large against the number of columns that are correlated, or the sample
 * correlations are inflated and training diverges. */
#define BATCH_PER_COLUMN 20
#define LEAST_BATCH_PER_COLUMN 10

/* Groups that are held out and that choose at least, if there are three and six times as many. */
enum { HELD_OUT_GROUPS = 20, CHOOSING_GROUPS = 10 };

/* Of the individual heads, whose penalty has no bias in batches of any size. */
enum { INDIVIDUAL_BATCH = 2000, INDIVIDUAL_STEPS = 300 };

/* ---- the split --------------------------------------------------------------------- */

/* The rows that have all views, in *complete [n_all]; the others that have one, in f->some. */
static mucmm_status sort_out(mucmm__fit *f, int64_t n_all, int64_t *complete, int64_t *n)
{
    const uint32_t all = ((uint32_t)1 << f->model->n_views) - 1;
    int64_t missing[MUCMM_MAX_VIEWS] = {0};

    for (int64_t i = 0; i < n_all; i++) {
        uint32_t views = mucmm__row_views(f->model->n_views, f->data, i);
        if (views == all)
            complete[(*n)++] = i;
        else if (views != 0)
            f->some[f->n_some++] = i;
        for (int32_t m = 0; m < f->model->n_views; m++)
            missing[m] += !(views >> m & 1);
    }
    for (int32_t m = 0; m < f->model->n_views; m++)
        if (missing[m] == n_all)
            return mucmm__fail(f->ctx, MUCMM_ESHAPE, "view '%s' (%s) is missing in every row",
                               f->model->view[m].name, mucmm_data_label(f->data[m]));
    return MUCMM_OK;
}

/* f->some [all rows]: the rows of train join those that lack views; NULL if there are none. */
static void join_training_rows(mucmm__fit *f)
{
    if (f->n_some == 0) {
        mucmm__free(f->some);
        f->some = NULL;
        return;
    }
    memcpy(f->some + f->n_some, f->train, (size_t)f->n_train * sizeof *f->some);
    f->n_some += f->n_train;
    mucmm__sort_rows(f->some, f->n_some);
}

/* Are no rows held out, because others testify (cross_fit.c) or nothing is asked to? */
bool mucmm__all_train(const mucmm__fit *f)
{
    return f->inside || f->folds > 0 || f->p->validation == 0;
}

/* Is anything chosen that training rows alone do not choose? In a small sample these choose the
 * ridge, by cross-validation. */
static bool needs_choosing(const mucmm__fit *f)
{
    const mucmm_fit_params *p = f->p;

    if (mucmm__all_train(f) && p->head == MUCMM_HEAD_LINEAR &&
        !(f->inside && f->inside->only_dimensions))
        return false; /* dimensions are chosen before, by cross_fit.c */

    return p->head != MUCMM_HEAD_LINEAR || p->common == MUCMM_AUTO || p->individual == MUCMM_AUTO ||
           (p->ridge == MUCMM_RIDGE_CHOSEN && !f->small_sample);
}

static mucmm_status refuse_few_rows(mucmm__fit *f, int64_t n, bool of_complete)
{
    const char *what = f->p->groups ? "groups of rows" : "rows";
    char choosing[48] = "";

    if (needs_choosing(f))
        snprintf(choosing, sizeof choosing, ", %" PRId64 " to choose by", f->n_choosing);
    return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                       "%" PRId64 " %s%s leave %" PRId64 " for training%s and %" PRId64
                       " held out; each part needs at least 2",
                       n, what, of_complete ? " that have all views" : "", f->n_train, choosing,
                       f->n_held_out);
}

static int64_t at_least_of(int64_t share, int64_t least, int64_t most)
{
    least = least < most ? least : most;
    return share > least ? share : least;
}

/* Of n rows that have all views, or of n groups of `rows` rows: a share is held out, and as many
 * choose, but not more than half of what is left, where anything is chosen. Of groups a tenth may
 * be too few to show anything, or to choose by. */
static mucmm_status count_rows(mucmm__fit *f, int64_t n, int64_t rows, int64_t n_all)
{
    int64_t widest = 0, rest, share = (int64_t)ceil((double)n * f->p->validation);
    bool groups = f->p->groups != NULL, all = mucmm__all_train(f);

    f->n_held_out = all ? 0 : groups ? at_least_of(share, HELD_OUT_GROUPS, n / 3) : share;
    rest = n - f->n_held_out;
    share = groups ? at_least_of(share, CHOOSING_GROUPS, n / 6) : share;
    f->n_choosing = share < rest / 2 ? share : rest / 2;
    for (int32_t m = 0; m < f->model->n_views; m++)
        widest = f->model->view[m].p > widest ? f->model->view[m].p : widest;
    f->small_sample =
        (rest - f->n_choosing) * rows / (n > 0 ? n : 1) < MUCMM__SMALL_SAMPLE * widest ||
        (all && f->p->ridge == MUCMM_RIDGE_CHOSEN);
    if (!needs_choosing(f))
        f->n_choosing = 0;
    f->n_train = rest - f->n_choosing;
    if (f->n_train < 2 || (f->n_held_out < 2 && !all) || (f->n_choosing < 2 && needs_choosing(f)))
        return refuse_few_rows(f, n, rows < n_all);
    return MUCMM_OK;
}

static mucmm_status take_rows(mucmm__fit *f, const int64_t *from, int64_t n, int64_t **rows)
{
    mucmm_status status = mucmm__alloc(f->ctx, n, sizeof **rows, rows);

    if (status == MUCMM_OK && n > 0)
        memcpy(*rows, from, (size_t)n * sizeof **rows);
    return status;
}

static void note_counts(mucmm__fit *f)
{
    f->model->rows[MUCMM_ROWS_TRAIN] = f->n_train;
    f->model->rows[MUCMM_ROWS_HELD_OUT] = f->n_held_out;
    f->model->choosing_rows = f->n_choosing;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        f->model->view[m].rows = f->n_train;
        for (int64_t i = 0; i < f->n_some; i++)
            f->model->view[m].rows += mucmm_data_has(f->data[m], f->some[i]);
    }
}

/* The first f->n_held_out groups of rows in this order are held out, the next ones choose: numbers
 * of groups become numbers of rows. */
static void count_group_rows(mucmm__fit *f, const int64_t *order, int64_t n)
{
    int64_t groups = 0, held_out = f->n_held_out, choosing = held_out + f->n_choosing, at[2] = {0};

    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || f->p->groups[order[i]] != f->p->groups[order[i - 1]])
            groups++;
        at[0] += groups <= held_out;
        at[1] += groups <= choosing;
    }
    f->n_held_out = at[0];
    f->n_choosing = at[1] - at[0];
    f->n_train = n - at[1];
}

/* Rows that choose or are held out are complete ones; the others are there for the moments. */
mucmm_status mucmm__split_rows(mucmm__fit *f, int64_t n_all)
{
    mucmm_status status = MUCMM_OK;
    int64_t *perm = NULL, *complete = NULL, *group = NULL, n = 0, units;

    TRY(mucmm__alloc(f->ctx, n_all, sizeof *complete, &complete));
    TRY(mucmm__alloc(f->ctx, n_all, sizeof *f->some, &f->some));
    TRY(sort_out(f, n_all, complete, &n));
    if (f->inside)
        memcpy(complete, f->inside->rows, (size_t)(n = f->inside->n) * sizeof *complete);
    TRY(mucmm__groups_of(f->ctx, f->p->groups, complete, n, &group));
    TRY(mucmm__group_count(f->ctx, group, n, &units));
    TRY(count_rows(f, units, n, n_all));
    TRY(mucmm__alloc(f->ctx, n, sizeof *perm, &perm));
    TRY(mucmm__group_order(f->ctx, group, n, mucmm__rng_key(f->p->seed, STREAM_SPLIT), perm));
    for (int64_t i = 0; i < n; i++)
        perm[i] = complete[perm[i]];
    if (group)
        count_group_rows(f, perm, n);
    TRY(take_rows(f, perm, f->n_held_out, &f->held_out));
    TRY(take_rows(f, perm + f->n_held_out, f->n_choosing, &f->choosing));
    TRY(take_rows(f, perm + f->n_held_out + f->n_choosing, f->n_train, &f->train));
    /* ascending, so that a pass over the rows reads a file from front to back; the others stay
     * shuffled, because cross-fitting takes their first and second half for two samples of one kind
     */
    mucmm__sort_rows(f->train, f->n_train);
    note_counts(f);
    join_training_rows(f);
done:
    mucmm__free(complete);
    mucmm__free(perm);
    mucmm__free(group);
    return status;
}

/* copy[m] = c[m], without the covariates of the fit; blocks of groups keep their rows. */
static mucmm_status without_covariates(mucmm_ctx *ctx, const mucmm__fit *f, const int64_t *rows,
                                       int64_t n, bool exchangeable, const mucmm__block *c,
                                       mucmm__block *copy)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block *blocks[MUCMM_MAX_VIEWS];

    for (int32_t m = 0; m < f->model->n_views; m++) {
        copy[m] = (mucmm__block){NULL, c[m].rows, c[m].cols};
        blocks[m] = &copy[m];
        TRY(mucmm__alloc(ctx, n * c[m].cols, sizeof(double), &copy[m].data));
        memcpy(copy[m].data, c[m].data, (size_t)(n * c[m].cols) * sizeof(double));
    }
    TRY(mucmm__covariates_out(ctx, f->model->adjust, mucmm_data_covariates(f->data[0]), rows, n,
                              exchangeable, blocks, f->model->n_views, NULL));
done:
    return status;
}

mucmm_status mucmm__test_these(mucmm_ctx *ctx, const mucmm__fit *f, const int64_t *rows, int64_t n,
                               const mucmm__block *c, int64_t permutations, uint64_t seed,
                               double *correlations, double *p_values, double *null_95)
{
    mucmm_status status = MUCMM_OK;
    mucmm__block own[MUCMM_MAX_VIEWS] = {{0}};
    int64_t *group = NULL;
    mucmm__exchange *e = NULL;

    TRY(mucmm__groups_of(ctx, f->p->groups, rows, n, &group));
    TRY(mucmm__exchange_create(ctx, group, n, mucmm__rng_key(f->p->seed, STREAM_SPLIT), &e));
    TRY(without_covariates(ctx, f, rows, n, !e, c, own));
    TRY(mucmm__exchange_test(ctx, e, f->model->n_views, own, permutations, seed, correlations,
                             p_values, null_95));
done:
    mucmm__free(group);
    mucmm__exchange_free(e);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(own[m].data);
    return status;
}

mucmm_status mucmm__test_rows(mucmm__fit *f, mucmm__rows part, const mucmm__block *c,
                              int64_t permutations, double *correlations, double *p_values,
                              double *null_95)
{
    int64_t n;
    const int64_t *rows = mucmm__rows_of(f, part, &n);

    return mucmm__test_these(f->ctx, f, rows, n, c, permutations, f->p->seed, correlations,
                             p_values, null_95);
}

/* ---- batches and epochs ------------------------------------------------------------ */

int64_t mucmm__batch_dimensions(const mucmm__fit *f)
{
    int64_t views = f->model->n_views;

    if (f->p->batch > 0 && f->p->batch < f->n_train)
        return f->p->batch / (LEAST_BATCH_PER_COLUMN * views);
    return (f->n_train - 2) / (2 * views);
}

mucmm_status mucmm__choose_batch(mucmm__fit *f)
{
    int64_t k = f->p->common == MUCMM_AUTO ? 1 : f->p->common;
    int64_t columns = f->model->n_views * k;
    int64_t least = LEAST_BATCH_PER_COLUMN * columns;

    f->batch = f->p->batch;
    if (f->batch == 0)
        f->batch = columns * BATCH_PER_COLUMN > 2000 ? columns * BATCH_PER_COLUMN : 2000;
    if (f->batch > f->n_train)
        f->batch = f->n_train;
    f->model->params.batch = f->batch;
    /* all rows there are may be fewer, down to what leaves the correlations a meaning */
    if (f->batch == f->n_train)
        least = 2 * columns + 2;
    if (f->p->head != MUCMM_HEAD_LINEAR && f->batch < least)
        return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                           "a batch of %" PRId64 " rows is too small for %d views of %" PRId64
                           " common dimensions: at least %" PRId64 " rows are needed or the sample "
                           "correlations mean nothing; give a larger `batch`, more rows, a smaller "
                           "`common`, or `head` linear",
                           f->batch, f->model->n_views, k, least);
    return MUCMM_OK;
}

static int64_t at_least(int64_t epochs, int64_t steps, int64_t steps_per_epoch)
{
    int64_t enough = (steps + steps_per_epoch - 1) / steps_per_epoch;

    return epochs > enough ? epochs : enough;
}

int64_t mucmm__individual_batch(const mucmm__fit *f)
{
    return f->n_train < INDIVIDUAL_BATCH ? f->n_train : INDIVIDUAL_BATCH;
}

/* Epochs of few batches would be few steps: enough of both. */
void mucmm__resolve_epochs(const mucmm__fit *f, mucmm_fit_params *p)
{
    int64_t steps = f->n_train / f->batch;

    if (p->common_epochs == 0)
        p->common_epochs = at_least(20, 180, steps);
    if (p->individual_epochs == 0)
        p->individual_epochs =
            at_least(12, INDIVIDUAL_STEPS, f->n_train / mucmm__individual_batch(f));
    f->model->params.common_epochs = p->common_epochs;
    f->model->params.individual_epochs = p->individual_epochs;
}
