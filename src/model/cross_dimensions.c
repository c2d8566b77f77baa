/* SPDX-License-Identifier: MIT
 *
 * How many dimensions of a small sample: the common ones by the exact test, beside a curve of
 * cross-fitted correlations; the individual ones by rows that choose. */
#include "model/cross_work.h"
#include "model/view_dimensions.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum {
    SHOWN = 5,          /* components of the curve, at least */
    MOST_COMMON = 20,   /* that are looked for */
    LEAST_CHOOSING = 20 /* rows that choose individual dimensions */
};
/* Of the rows, those that choose individual dimensions. */
#define CHOOSING_SHARE 0.2

/* The most that every view leaves room for. */
static int64_t room_for_common(const mucmm__fit *f)
{
    int64_t room, dims[MUCMM_MAX_VIEWS] = {0};

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t p = f->model->view[m].p, n = f->n_train - f->n_train / f->folds - 2;
        dims[m] = p < n ? p : n;
    }
    room = mucmm__room_for_common(f, dims);
    return room < 1 ? 1 : room < MOST_COMMON ? room : MOST_COMMON;
}

/* Cross-fitted correlations of the leading components, with standard errors, into d. */
static mucmm_status take_curve(mucmm__fit *f, mucmm_dimensions *d)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p;
    mucmm_model *model = NULL;
    mucmm__cross *x = NULL;
    mucmm_cross_fit *r = NULL;

    mucmm__cross_fold_params(f, f->model, &p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = d->candidates;
    p.individual = p.n_view_individual = 0;
    TRY(mucmm__cross_fit_before(f, &p, false, &model));
    TRY(mucmm__cross_run_folds(f, model, d->common, &x));
    TRY(mucmm__cross_result_create(f->ctx, d->candidates, 0, &r));
    TRY(mucmm__cross_correlations(f, x, &x->part[0], r));
    memcpy(d->correlations, r->correlations, (size_t)d->candidates * sizeof *r->correlations);
    memcpy(d->standard_errors, r->standard_errors,
           (size_t)d->candidates * sizeof *r->standard_errors);
    memcpy(r->p_values, d->p_values, (size_t)d->candidates * sizeof *r->p_values);
    mucmm__cross_later_components(r);
    memcpy(d->p_values, r->p_values, (size_t)d->candidates * sizeof *r->p_values);
    for (int64_t j = 1; j < d->common; j++)
        if (!(d->p_values[j] <= MUCMM_SIGNIFICANT))
            d->common = j;
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
                    "nothing significant is shared: with %" PRId64 " rows the strongest component "
                    "is no stronger than with wrong pairings, p %.3g; %s",
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
    TRY(mucmm__cross_exact_test(f, room, true, p_values, &made));
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

    mucmm__cross_fold_params(f, f->model, &probe);
    probe.head = MUCMM_HEAD_LINEAR;
    probe.common = f->model->k;
    probe.individual = MUCMM_AUTO;
    probe.validation = fmin(0.5, fmax(CHOOSING_SHARE, (LEAST_CHOOSING + .5) / (double)f->n_train));
    TRY(mucmm__cross_fit_before(f, &probe, true, &model));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        f->model->view[m].q = model->view[m].q;
        d->chosen[m] = model->dimensions.chosen[m];
        d->n_errors[m] = model->dimensions.n_errors[m];
        d->error[m] = model->dimensions.error[m];
        model->dimensions.error[m] = NULL;
    }
    p->individual = mucmm__most_individual(f->model);
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
