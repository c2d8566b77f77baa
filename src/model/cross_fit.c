/* SPDX-License-Identifier: MIT
 *
 * Cross-fitting of small samples (section 4 of the method): the model that is kept is fitted on all
 * rows; what it says is judged by the models of folds, each on the rows that it did not see. */
#include "model/cross_work.h"

#include "correlate/exchange.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    FOLDS = 5,
    PERMUTATIONS = MUCMM__CROSS_PERMUTATIONS,
    LEAST_FOR_FOLDS = 10 /* rows, where folds are not asked for */
};
/* Of fewer than MUCMM_SMALL_SAMPLE groups; half of them where heads could train. */
#define MOST_GROUPED_ROWS 6000
/* Multiplications of the folds of grouped rows, of their ridges above all: as MUCMM_SMALL_SAMPLE
 * rows of as many columns take. */
#define MOST_GROUPED_WORK 2e11
/* The default of `validation`: another one asks for rows to be held out. */
#define USUAL_VALIDATION 0.1

/* ---- what is asked for ------------------------------------------------------------ */

/* What decides whether a sample is small. */
typedef struct sample {
    int64_t n, units, widest; /* rows that have all views; groups of them, or rows; columns */
    int32_t n_views;
} sample;

/* Rows of few groups tell no more than that many groups: they are cross-fitted too, as far as it
 * takes no longer than a small sample of rows. */
static bool can_cross_fit(const mucmm_fit_params *p, const sample *s)
{
    double n = (double)s->n, d = (double)(s->widest < s->n ? s->widest : s->n);
    double work =
        FOLDS * s->n_views * (p->ridge == MUCMM_RIDGE_CHOSEN ? 70 : 1) * d * d * (10 * d + n);
    int64_t most = p->head == MUCMM_HEAD_AUTO ? MOST_GROUPED_ROWS / 2 : MOST_GROUPED_ROWS;

    return s->n < MUCMM_SMALL_SAMPLE || (s->n <= most && work <= MOST_GROUPED_WORK);
}

/* The folds that p asks for, 0 = none. */
static int32_t folds_of(const mucmm_fit_params *p, const sample *s)
{
    bool few = s->n >= LEAST_FOR_FOLDS && s->units >= FOLDS && s->units < MUCMM_SMALL_SAMPLE &&
               can_cross_fit(p, s) &&
               mucmm__cross_enough_rows(p, p->ridge, s->n - s->n / FOLDS - 1, s->widest);

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

static mucmm_status take_sample(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                                const int64_t *groups, sample *s)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    uint32_t all = ((uint32_t)1 << n_views) - 1;
    int64_t n_all = mucmm_data_rows(views[0].data), *rows = NULL, *group = NULL;

    *s = (sample){.n_views = n_views};
    for (int32_t m = 0; m < n_views; m++) {
        int64_t p = mucmm_data_cols(views[m].data);
        data[m] = views[m].data;
        s->widest = p > s->widest ? p : s->widest;
    }
    TRY(mucmm__alloc(ctx, n_all, sizeof *rows, &rows));
    for (int64_t i = 0; i < n_all; i++)
        if (mucmm__row_views(n_views, data, i) == all)
            rows[s->n++] = i;
    TRY(mucmm__groups_of(ctx, groups, rows, s->n, &group));
    TRY(mucmm__group_count(ctx, group, s->n, &s->units));
done:
    mucmm__free(rows);
    mucmm__free(group);
    return status;
}

mucmm_status mucmm__cross_fit_begin(mucmm__fit *f, const mucmm_view *views, int32_t n_views,
                                    mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    sample s;

    TRY(take_sample(f->ctx, views, n_views, p->groups, &s));
    f->folds = p->folds = folds_of(p, &s);
    if (f->folds == 0 && p->validation > 0)
        return MUCMM_OK;
    TRY(check_all_train(f, p, s.n));
    if (p->head == MUCMM_HEAD_AUTO) {
        p->head = MUCMM_HEAD_LINEAR;
        if (f->folds > 0)
            mucmm__info(f->ctx,
                        "%" PRId64 " rows%s: all of them train the closed form, and %d folds "
                        "judge it; `head` mlp trains networks",
                        s.n, p->groups ? " in groups" : "", f->folds);
    }
done:
    return status;
}

/* ---- what testifies --------------------------------------------------------------- */

/* What testifies of one representation; x NULL: no folds. exact [k]: p-values of the closed form,
 * of so many permutations. */
static mucmm_status take_result(mucmm__fit *f, mucmm__cross *x, int which, const double *exact,
                                int64_t made, mucmm_cross_fit **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__cross_solution(f->model, which);
    mucmm_cross_fit *r;

    TRY(mucmm__cross_result_create(f->ctx, f->model->k, mucmm__cross_classical_count(f), out));
    r = *out;
    r->rows = x ? x->n : f->n_train;
    if (f->model->ridge == 0) /* else rho is flattened by it: mucmm__cross_in_sample */
        memcpy(r->in_sample, rep->rho, (size_t)f->model->k * sizeof *r->in_sample);
    if (x)
        TRY(mucmm__cross_correlations(f, x, &x->part[which], r));
    TRY(mucmm__cross_classical(f, r));
    if (which == 1)
        TRY(mucmm__cross_combine_splits(f, x, &x->part[which], r));
    else
        memcpy(r->p_values, exact, (size_t)r->components * sizeof *exact);
    if (which == 0 && x)
        mucmm__cross_later_components(r);
    r->permutations = which == 1 ? PERMUTATIONS : made;
done:
    return status;
}

static int64_t leading(int64_t k, const double *p_values)
{
    int64_t j = 0;

    while (j < k && p_values[j] <= MUCMM_SIGNIFICANT)
        j++;
    return j;
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
    TRY(mucmm__cross_exact_test(f, model->k, false, exact, &made));
    if (f->folds > 0)
        TRY(mucmm__cross_run_folds(f, model, leading(model->k, exact), &f->cross));
    for (int which = 0; which < 2 && f->cross; which++)
        if (mucmm__cross_solution(model, which)->rho)
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
    const mucmm__cross_part *p = &x->part[rep == &f->model->heads];

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
