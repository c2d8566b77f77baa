/* SPDX-License-Identifier: MIT
 *
 * mucmm_fit: checks, the split, scaling, the closed form, then the trained heads.
 * The order of things is that of docs/method.md. */
#include "model/fit.h"
#include "model/beyond_linear.h"

#include "model/bootstrap.h"
#include "model/checkpoint.h"
#include "model/cross_fit.h"
#include "model/dimensions.h"
#include "model/fit_adjust.h"
#include "model/fit_closed_form.h"
#include "model/fit_impute.h"
#include "model/fit_individual.h"
#include "model/fit_moments.h"
#include "model/fit_params.h"
#include "model/fit_ridge.h"
#include "model/fit_robust.h"
#include "model/fit_rows.h"
#include "model/fit_stages.h"
#include "model/incomplete.h"
#include "model/loadings.h"
#include "model/model_json.h"
#include "model/relate.h"
#include "model/represent.h"
#include "model/small_sample.h"
#include "model/summary.h"
#include "model/view_dimensions.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A checkpoint is written at the end of an epoch, but not more often than this. */
#define SAVE_EVERY_SECONDS 5.0

/* ---- checks ------------------------------------------------------------------------ */

static mucmm_status check_views(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views)
{
    mucmm_status status = MUCMM_OK;

    if (n_views < 2 || n_views > MUCMM_MAX_VIEWS)
        return mucmm__fail(ctx, MUCMM_EARG, "%d view%s given; from 2 to %d are needed", n_views,
                           n_views == 1 ? " is" : "s are", MUCMM_MAX_VIEWS);
    TRY(mucmm__check_view_names(ctx, views, n_views));
    for (int32_t i = 0; i < n_views; i++) {
        if (!views[i].data)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "view '%s' has no data (NULL): what opened them failed",
                               views[i].name);
        if (mucmm_data_cols(views[i].data) < 1)
            return mucmm__fail(ctx, MUCMM_EARG, "view '%s' has no columns", views[i].name);
        if (mucmm_data_rows(views[i].data) != mucmm_data_rows(views[0].data))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "view '%s' (%s) has %" PRId64 " rows and view '%s' (%s) has %" PRId64
                               "; they must be paired row by row",
                               views[0].name, mucmm_data_label(views[0].data),
                               mucmm_data_rows(views[0].data), views[i].name,
                               mucmm_data_label(views[i].data), mucmm_data_rows(views[i].data));
    }
done:
    return status;
}

/* ---- a run ------------------------------------------------------------------------- */

/* FNV-1a; ties a checkpoint to its options and data. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

#define FNV_START 0xcbf29ce484222325u

/* Of what is known before a row is read: parameters, but for those whose 0 stands for a number that
 * the rows decide, and names and sizes of the views. */
static uint64_t fingerprint_asked(const mucmm_fit_params *p, const mucmm_view *views, int32_t n)
{
    const double numbers[] = {p->head,           p->scaling,
                              (double)p->common, (double)p->individual,
                              p->validation,     (double)p->seed,
                              p->ridge,          p->learning_rate,
                              p->weight_decay,   p->input_noise,
                              p->independence,   p->stages,
                              p->bootstrap,      p->restarts,
                              p->folds,          (double)mucmm_data_rows(views[0].data)};
    uint64_t hash = hash_bytes(FNV_START, numbers, sizeof numbers);

    hash = hash_bytes(hash, p->hidden, sizeof p->hidden[0] * (size_t)p->n_hidden);
    if (p->robust != MUCMM_ROBUST_NONE)
        hash = hash_bytes(hash, &p->robust, sizeof p->robust);
    if (p->n_view_individual > 0)
        hash = hash_bytes(hash, p->view_individual,
                          sizeof p->view_individual[0] * (size_t)p->n_view_individual);
    if (p->groups)
        hash =
            hash_bytes(hash, p->groups, sizeof *p->groups * (size_t)mucmm_data_rows(views[0].data));
    if (p->adjust && p->adjust[0]) {
        hash = hash_bytes(hash, p->adjust, strlen(p->adjust));
        hash = hash_bytes(hash, &p->adjust_nonlinear, sizeof p->adjust_nonlinear);
    }
    for (int32_t m = 0; m < n; m++) {
        int64_t cols = mucmm_data_cols(views[m].data);
        hash = hash_bytes(hash, views[m].name, strlen(views[m].name) + 1);
        hash = hash_bytes(hash, &cols, sizeof cols);
    }
    return hash;
}

static uint64_t fingerprint(const mucmm__fit *f)
{
    mucmm_fit_params p = f->model->params;
    int64_t total = f->offset[f->model->n_views];
    uint64_t hash = hash_bytes(FNV_START, &p.head, sizeof p.head);
    const double numbers[] = {(double)p.scaling,
                              (double)p.common,
                              (double)p.individual,
                              (double)f->model->k,
                              (double)f->model->view[0].q,
                              (double)p.n_hidden,
                              (double)p.common_epochs,
                              (double)p.individual_epochs,
                              (double)f->batch,
                              p.validation,
                              (double)p.seed,
                              p.ridge,
                              p.learning_rate,
                              p.weight_decay,
                              p.input_noise,
                              p.independence,
                              (double)p.stages,
                              (double)p.bootstrap,
                              (double)p.restarts,
                              (double)f->folds,
                              (double)f->n_train,
                              (double)mucmm_version()};

    hash = hash_bytes(hash, numbers, sizeof numbers);
    hash = hash_bytes(hash, p.hidden, sizeof p.hidden[0] * (size_t)p.n_hidden);
    if (p.robust != MUCMM_ROBUST_NONE)
        hash = hash_bytes(hash, &p.robust, sizeof p.robust);
    for (int32_t m = 1; m < f->model->n_views; m++)
        hash = hash_bytes(hash, &f->model->view[m].q, sizeof f->model->view[m].q);
    for (int32_t m = 0; m < f->model->n_views; m++) {
        const mucmm__view_info *v = &f->model->view[m];
        hash = hash_bytes(hash, v->mean, sizeof(double) * (size_t)v->p);
        if (v->origin)
            hash = hash_bytes(hash, v->origin, sizeof(double) * (size_t)v->p);
    }
    return hash_bytes(hash, f->cov[0], sizeof(double) * (size_t)total);
}

static mucmm_status keep_columns(mucmm_ctx *ctx, const mucmm_data *data, mucmm__view_info *v)
{
    mucmm_status status = MUCMM_OK;

    if (!mucmm_data_column(data, 0))
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, v->p, sizeof *v->columns, &v->columns));
    for (int64_t j = 0; j < v->p; j++)
        TRY(mucmm__name_make(ctx, mucmm_data_column(data, j), &v->columns[j]));
done:
    return status;
}

static mucmm_status start_model(mucmm__fit *f, const mucmm_view *views, int32_t n_views)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *m = f->model;

    m->n_views = n_views;
    m->k = f->p->common == MUCMM_AUTO ? 0 : f->p->common;
    m->params = *f->p;
    m->params.checkpoint = NULL;
    m->params.groups = NULL;
    m->params.adjust = NULL; /* until it has a text of its own */
    m->start = -1;
    for (int32_t i = 0; i < n_views; i++) {
        mucmm__view_info *v = &m->view[i];
        f->data[i] = f->given[i] = views[i].data;
        v->p = mucmm_data_cols(views[i].data);
        v->q = mucmm__individual_asked(f->p, i);
        v->q = v->q == MUCMM_AUTO ? 0 : v->q;
        if (f->inside && f->inside->like)
            v->q = f->inside->like->view[i].q;
        v->rank = mucmm_data_shape(views[i].data, v->shape);
        f->offset[i + 1] = f->offset[i] + v->p;
        TRY(mucmm__strdup(f->ctx, views[i].name, &v->name));
        if (mucmm_data_description(views[i].data))
            TRY(mucmm__strdup(f->ctx, mucmm_data_description(views[i].data), &v->description));
        TRY(keep_columns(f->ctx, views[i].data, v));
        TRY(mucmm__alloc(f->ctx, v->p, sizeof *v->mean, &v->mean));
        TRY(mucmm__alloc(f->ctx, v->p, sizeof *v->scale, &v->scale));
    }
done:
    return status;
}

/* ---- rows that lack views in a small sample ---------------------------------------- */

/* What mucmm__small_sample has set up is taken back. */
static void forget_small_sample(mucmm__fit *f)
{
    mucmm__small_sample_drop(f);
    for (int part = 0; part < 2; part++) {
        mucmm__free(f->cov[part]);
        f->cov[part] = NULL;
    }
    for (int32_t m = 0; m < f->model->n_views; m++) {
        mucmm__free(f->model->view[m].covariance);
        f->model->view[m].covariance = NULL;
        f->offset[m + 1] = f->offset[m] + f->model->view[m].p;
    }
}

static mucmm_status choose_on_complete_rows(mucmm__fit *f, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    double *weights[MUCMM_MAX_VIEWS] = {0}, *rho = NULL;
    int64_t k;

    TRY(mucmm__small_sample(f));
    TRY(mucmm__choose_dimensions(f, p));
    k = f->model->k;
    TRY(mucmm__alloc(f->ctx, k, sizeof *rho, &rho));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__alloc(f->ctx, (f->offset[m + 1] - f->offset[m]) * k, sizeof **weights,
                         &weights[m]));
    TRY(mucmm__choose_ridge(f, rho, weights));
    p->ridge = fmax(f->model->ridge, MUCMM__LEAST_RIDGE_FEW_ROWS);
    forget_small_sample(f);
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(weights[m]);
    mucmm__free(rho);
    return status;
}

/* ---- the run ----------------------------------------------------------------------- */

/* Of the training rows, whose variates are given. */
static mucmm_status keep_loadings(mucmm__fit *f, mucmm__solution *rep, float *const *c,
                                  float *const *u)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_model *model = f->model;

    for (int32_t m = 0; m < model->n_views; m++) {
        TRY(mucmm__alloc(f->ctx, model->view[m].p * (model->k + model->view[m].q),
                         sizeof **rep->loadings, &rep->loadings[m]));
        TRY(mucmm__alloc(f->ctx, model->view[m].p + model->k + model->view[m].q,
                         sizeof **rep->deviations, &rep->deviations[m]));
        TRY(mucmm__loadings(f->ctx, model, rep, m, f->data[m], f->train, f->n_train, c[m], u[m],
                            rep->loadings[m], rep->deviations[m]));
    }
done:
    return status;
}

/* What the model will know its rows by: those that trained, chose, or took part in the moments. */
static mucmm_status keep_digest(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = f->some ? f->n_some : f->n_train, *rows = NULL;
    mucmm__scaling scaling[MUCMM_MAX_VIEWS];

    mucmm__model_scaling(f->model, scaling);
    TRY(mucmm__alloc(f->ctx, n + f->n_choosing, sizeof *rows, &rows));
    memcpy(rows, f->some ? f->some : f->train, (size_t)n * sizeof *rows);
    if (f->n_choosing > 0)
        memcpy(rows + n, f->choosing, (size_t)f->n_choosing * sizeof *rows);
    TRY(mucmm__digest_make(f->ctx, f->model->n_views, f->given, scaling, rows, n + f->n_choosing,
                           f->held_out, f->n_held_out, &f->model->digest));
    TRY(mucmm__digest_groups(f->ctx, f->p->groups, rows, n + f->n_choosing, &f->model->digest));
done:
    mucmm__free(rows);
    return status;
}

/* c[m] and u[m] of some rows; of those that judge a small sample, by the models of the folds. */
static mucmm_status take_variates(mucmm__fit *f, const mucmm__solution *rep, bool cross,
                                  const int64_t *rows, int64_t n, float **c, float **u)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_model *model = f->model;

    for (int32_t m = 0; m < model->n_views; m++) {
        TRY(mucmm__alloc(f->ctx, n * model->k, sizeof **c, &c[m]));
        TRY(mucmm__alloc(f->ctx, n * model->view[m].q, sizeof **u, &u[m]));
        if (cross)
            mucmm__cross_variates(f, rep, m, c[m], u[m]);
        else
            TRY(mucmm__represent(f->ctx, model, rep, m, f->data[m], rows, n, c[m], u[m]));
    }
done:
    return status;
}

static void drop_variates(float **c, float **u)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(c[m]);
        mucmm__free(u[m]);
        c[m] = u[m] = NULL;
    }
}

static mucmm_status summarize_rows(mucmm__fit *f, mucmm__solution *rep, mucmm_rows part)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    bool held_out = part == MUCMM_ROWS_HELD_OUT, cross = held_out && f->cross;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};
    int64_t n;
    const int64_t *rows = mucmm__rows_of(f, held_out ? MUCMM__HELD_OUT : MUCMM__TRAINING, &n);

    if (cross)
        rows = mucmm__cross_rows(f, &n);
    if (n == 0)
        return mucmm__summary_unknown(f->ctx, model->k, model->n_views, &rep->summary[part]);
    TRY(take_variates(f, rep, cross, rows, n, c, u));
    TRY(mucmm__summarize(f->ctx, model, f->data, rows, n, f->p->groups, c, u, rep->rho,
                         held_out ? 1000 : 0, f->p->seed, &rep->summary[part]));
    if (cross)
        mucmm__cross_testify(f, rep, rep->summary[part]);
    mucmm__summary_harmonics(rep, rep->summary[part]);
    if (!held_out)
        mucmm__cross_in_sample(f, rep, rep->summary[part]);
    if (!held_out)
        TRY(keep_loadings(f, rep, c, u));
    if (!held_out && (rep == &model->heads || !model->heads.rho))
        TRY(mucmm__warn_few_rows(f, c));
    TRY(mucmm__joint_keep(f->ctx, model, part, n, c, &rep->joint));
done:
    drop_variates(c, u);
    return status;
}

static mucmm_status summarize_all(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;

    for (int r = 0; r < 2; r++)
        for (int which = 0; which < 2; which++) {
            mucmm__solution *rep = which ? &model->linear : &model->heads;
            if (rep->rho)
                TRY(summarize_rows(f, rep, (mucmm_rows)r));
        }
    TRY(keep_digest(f));
done:
    return status;
}

/* Of covariates that go with a component, on the rows that testify. */
static mucmm_status warn_of_covariates(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_model *m = f->model;
    const mucmm__solution *rep = mucmm__model_solution(m, MUCMM_HEADS);
    int64_t n = f->n_held_out;
    const int64_t *rows = f->cross ? mucmm__cross_rows(f, &n) : f->held_out;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};

    if (n == 0 || !mucmm_data_covariates(f->data[0]))
        return MUCMM_OK;
    for (int32_t v = 0; v < m->n_views; v++) {
        TRY(mucmm__alloc(f->ctx, n * m->k, sizeof **c, &c[v]));
        TRY(mucmm__alloc(f->ctx, n * m->view[v].q, sizeof **u, &u[v]));
        TRY(f->cross ? mucmm__cross_variates(f, rep, v, c[v], u[v])
                     : mucmm__represent(f->ctx, m, rep, v, f->data[v], rows, n, c[v], NULL));
    }
    TRY(mucmm__relate_warn(f->ctx, m, f->data, f->p->groups, rows, n, c));
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(c[v]);
        mucmm__free(u[v]);
    }
    return status;
}

/* One verdict: that of the p-values which are shown. */
static void warn_of_nothing(const mucmm__fit *f)
{
    const mucmm_model *m = f->model;
    const mucmm_summary *linear = m->linear.summary[MUCMM_ROWS_HELD_OUT];
    const mucmm_summary *heads = m->heads.rho ? m->heads.summary[MUCMM_ROWS_HELD_OUT] : linear;

    /* what is cross-fitted has a verdict of its own */
    if (m->dimensions.candidates == 0 || m->dimensions.standard_errors || !heads || !linear ||
        heads->significant > 0 || linear->significant > 0 || isnan(heads->p_values[0]))
        return;
    mucmm__warn(f->ctx,
                "nothing significant is shared: no common component correlates on the %" PRId64
                " held-out rows more than wrong pairings do (p <= %g)%s",
                heads->rows, MUCMM_SIGNIFICANT,
                m->dimensions.common == 0
                    ? "; one common dimension is kept, which is no evidence of anything common"
                    : "");
}

static void fit_drop(mucmm__fit *f)
{
    for (int s = 0; s < MUCMM__STAGES; s++)
        mucmm__trainer_drop(&f->stage[s]);
    mucmm__free(f->train);
    mucmm__free(f->choosing);
    mucmm__free(f->held_out);
    mucmm__free(f->some);
    mucmm__free(f->cov[0]);
    mucmm__free(f->cov[1]);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(f->weights[m]);
    mucmm__small_sample_drop(f);
    mucmm__fit_adjust_drop(f);
    mucmm__fit_robust_drop(f);
    mucmm__fit_impute_drop(f);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm_data_free(f->centred[m]);
    mucmm__cross_drop(f->cross);
    mucmm_model_free(f->model);
}

mucmm_status mucmm_fit(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                       const mucmm_fit_params *params, mucmm_model **out)
{
    return mucmm__fit_saving(ctx, views, n_views, params, SAVE_EVERY_SECONDS, out);
}

/* Told before the work: a file that cannot be written, or is no checkpoint, or one of a fit that
 * was asked for otherwise. */
static mucmm_status check_checkpoint(mucmm__fit *f, const mucmm_view *views, int32_t n_views)
{
    mucmm_status status = MUCMM_OK;

    if (!f->p->checkpoint || f->p->head == MUCMM_HEAD_LINEAR)
        return MUCMM_OK;
    f->asked = fingerprint_asked(f->p, views, n_views);
    TRY(mucmm_file_check(f->ctx, f->p->checkpoint));
    TRY(mucmm__checkpoint_check(f));
done:
    return status;
}

/* Of the training rows; the rows of a fit inside another have lost theirs already. */
static mucmm_status take_origins(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    const int64_t *rows = f->some ? f->some : f->train;
    int64_t n = f->some ? f->n_some : f->n_train;

    for (int32_t m = 0; m < f->model->n_views && !f->inside; m++) {
        double **origin = &f->model->view[m].origin;
        TRY(mucmm__data_origin(f->ctx, f->data[m], rows, n, origin));
        if (!*origin)
            continue;
        TRY(mucmm__data_centred(f->ctx, f->data[m], *origin, &f->centred[m]));
        f->data[m] = f->centred[m];
    }
done:
    return status;
}

/* Which rows train, and what is made of all of them by these. */
static mucmm_status split_rows(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__split_rows(f, mucmm_data_rows(f->data[0])));
    TRY(take_origins(f));
    TRY(mucmm__fit_impute(f));
    TRY(mucmm__fit_robust(f));
    TRY(mucmm__fit_adjust(f));
done:
    return status;
}

/* From the views to their covariances and numbers of dimensions. */
static mucmm_status start_fit(mucmm__fit *f, const mucmm_view *views, int32_t n_views,
                              mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(f->ctx, 1, sizeof *f->model, &f->model));
    TRY(start_model(f, views, n_views));
    TRY(split_rows(f));
    TRY(mucmm__check_dimensions(f));
    TRY(mucmm__choose_batch(f)); /* before all rows are read */
    if (f->some && f->small_sample) {
        if (p->ridge < 0)
            TRY(choose_on_complete_rows(f, p));
        f->small_sample = false; /* rows that lack views have no coordinates */
    }
    TRY(f->small_sample ? mucmm__small_sample(f) : mucmm__scale_views(f));
    TRY(mucmm__exact_ridge(f, p));
    TRY(f->folds > 0 ? mucmm__cross_fit_dimensions(f, p) : mucmm__choose_dimensions(f, p));
    mucmm__cap_individual(f);
    TRY(mucmm__choose_batch(f));
    mucmm__resolve_epochs(f, p);
    f->model->ridge_chosen = f->ridge_asked == MUCMM_RIDGE_CHOSEN;
    f->fingerprint = fingerprint(f);
done:
    return status;
}

static mucmm_status fit_heads(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__checkpoint_check(f));
    TRY(mucmm__fit_closed_form(f));
    if (f->p->bootstrap > 0) /* first: what is wrong with it shows before anything is trained */
        TRY(mucmm__bootstrap(f));
    if (f->p->head != MUCMM_HEAD_LINEAR) {
        TRY(mucmm__checkpoint_load(f));
        TRY(mucmm__fit_common(f));
        TRY(mucmm__fit_individual(f));
    }
done:
    return status;
}

static mucmm_status fit_given(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                              const mucmm_fit_params *params, const mucmm__given *given,
                              mucmm_model **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p = *params;
    mucmm__fit f = {.ctx = ctx, .p = &p, .inside = given, .ridge_asked = params->ridge};

    *out = NULL;
    TRY(start_fit(&f, views, n_views, &p));
    if (!given->only_dimensions)
        TRY(fit_heads(&f));
    *out = f.model;
    f.model = NULL;
done:
    fit_drop(&f);
    return status;
}

static mucmm_status fit_all(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                            const mucmm_fit_params *params, double save_every, bool unjudged,
                            mucmm_model **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p;
    mucmm__fit f = {
        .ctx = ctx, .p = &p, .save_every = save_every, .inner = fit_given, .unjudged = unjudged};

    *out = NULL;
    mucmm_fit_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_fit_params", params, &p, sizeof p));
    f.ridge_asked = p.ridge;
    TRY(mucmm__fit_params_check(ctx, &p));
    TRY(check_views(ctx, views, n_views));
    TRY(mucmm__individual_list(ctx, &p, n_views));
    if (!unjudged && !p.allow_ids)
        TRY(mucmm__check_ids(ctx, views, n_views));
    if (p.learning_rate == 0)
        p.learning_rate = 2e-3;
    TRY(mucmm__cross_fit_begin(&f, views, n_views, &p));
    TRY(check_checkpoint(&f, views, n_views));
    TRY(start_fit(&f, views, n_views, &p));
    TRY(fit_heads(&f));
    TRY(mucmm__cross_fit(&f));
    TRY(mucmm__mark_harmonics(&f, &f.model->linear));
    if (f.model->heads.rho)
        TRY(mucmm__mark_harmonics(&f, &f.model->heads));
    TRY(summarize_all(&f));
    mucmm__completeness_warn(ctx, f.model);
    TRY(warn_of_covariates(&f));
    warn_of_nothing(&f);
    TRY(mucmm__beyond_linear(&f));
    mucmm__model_make_facts(f.model);
    TRY(mucmm__model_make_json(ctx, f.model));
    *out = f.model;
    f.model = NULL;
done:
    fit_drop(&f);
    return status;
}

mucmm_status mucmm__fit_saving(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                               const mucmm_fit_params *params, double save_every, mucmm_model **out)
{
    return fit_all(ctx, views, n_views, params, save_every, false, out);
}

mucmm_status mucmm__fit_unjudged(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                                 const mucmm_fit_params *params, mucmm_model **out)
{
    return fit_all(ctx, views, n_views, params, SAVE_EVERY_SECONDS, true, out);
}
