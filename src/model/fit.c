/* SPDX-License-Identifier: MIT
 *
 * mucmm_fit: checks, the split, scaling, the closed form, then the trained heads.
 * The order of things is that of docs/method.md. */
#include "model/fit.h"

#include "model/model_json.h"
#include "model/represent.h"
#include "model/summary.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the regressions that stand for what rows lack. */
#define LEAST_RIDGE 1e-8

/* Streams of random numbers: training uses mucmm__stream(stage) and above. */
#define STREAM_SPLIT 1

/* A checkpoint is written at the end of an epoch, but not more often than this. */
#define SAVE_EVERY_SECONDS 5.0

void mucmm_fit_params_init_sized(mucmm_fit_params *p, size_t size)
{
    const mucmm_fit_params defaults = {
        .head = MUCMM_HEAD_AUTO,
        .scaling = MUCMM_SCALE_VIEW,
        .n_hidden = 2,
        .hidden = {512, 512},
        .validation = 0.1,
        .seed = 1,
        .ridge = MUCMM_RIDGE_CHOSEN,
        .weight_decay = 1e-4,
        .input_noise = 0.3,
        .alpha = 20,
        .beta = -1,
        .stages = 1,
    };

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

/* ---- checks ------------------------------------------------------------------------ */

static mucmm_status check_range(mucmm_ctx *ctx, const char *name, double value, double low,
                                double high)
{
    if (!(value >= low && value <= high))
        return mucmm__fail(ctx, MUCMM_EARG, "%s is %g; it must be from %g to %g", name, value, low,
                           high);
    return MUCMM_OK;
}

static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    const double large = 1e9;

    if (p->head != MUCMM_HEAD_LINEAR && p->head != MUCMM_HEAD_MLP && p->head != MUCMM_HEAD_AUTO)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "head is %d; there are 0 (linear), 1 (mlp) and 2 (auto)", (int)p->head);
    if (p->scaling != MUCMM_SCALE_VIEW && p->scaling != MUCMM_SCALE_COLUMN)
        return mucmm__fail(ctx, MUCMM_EARG, "scaling is %d; there are 0 (view) and 1 (column)",
                           (int)p->scaling);
    if (p->common != MUCMM_AUTO)
        TRY(check_range(ctx, "the number of common dimensions", (double)p->common, 1, large));
    if (p->individual != MUCMM_AUTO)
        TRY(check_range(ctx, "the number of individual dimensions", (double)p->individual, 0,
                        large));
    TRY(check_range(ctx, "the number of hidden layers", p->n_hidden, 0, MUCMM_MAX_HIDDEN));
    for (int i = 0; i < p->n_hidden; i++)
        TRY(check_range(ctx, "a hidden layer's width", (double)p->hidden[i], 1, 1 << 20));
    TRY(check_range(ctx, "epochs", (double)p->common_epochs, 0, large));
    TRY(check_range(ctx, "individual epochs", (double)p->individual_epochs, 0, large));
    TRY(check_range(ctx, "batch", (double)p->batch, 0, large));
    TRY(check_range(ctx, "validation", p->validation, 1e-6, 0.5));
    if (p->ridge != MUCMM_RIDGE_CHOSEN && p->ridge != MUCMM_RIDGE_LEDOIT_WOLF)
        TRY(check_range(ctx, "ridge", p->ridge, 0, large));
    TRY(check_range(ctx, "learning rate", p->learning_rate, 0, 10));
    TRY(check_range(ctx, "weight decay", p->weight_decay, 0, 10));
    TRY(check_range(ctx, "input noise", p->input_noise, 0, 10));
    TRY(check_range(ctx, "alpha", p->alpha, 0, 1e6));
    if (p->beta != -1)
        TRY(check_range(ctx, "beta", p->beta, 0, 1e6));
    TRY(check_range(ctx, "stages", p->stages, 0, MUCMM__LATER + 1));
    TRY(check_range(ctx, "bootstrap", p->bootstrap, 0, MUCMM_MAX_BOOTSTRAP));
    TRY(check_range(ctx, "restarts", p->restarts, 0, MUCMM_MAX_RESTARTS));
    if (p->restarts > 0 && p->head == MUCMM_HEAD_LINEAR)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "restarts are for trained heads: the closed form starts from nothing "
                           "random and would come out the same; leave out --restarts, and for its "
                           "stability give --bootstrap");
    if (p->restarts > 0 && p->stages != 1)
        return mucmm__fail(
            ctx, MUCMM_EARG,
            "restarts compare dimensions that are trained at once, not stages; leave "
            "out --restarts or --stages");
done:
    return status;
}

static bool good_name(const char *name)
{
    size_t n = name ? strlen(name) : 0;

    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-')
            return false;
    return n > 0 && n <= 64;
}

static mucmm_status check_views(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views)
{
    if (n_views < 2 || n_views > MUCMM_MAX_VIEWS)
        return mucmm__fail(ctx, MUCMM_EARG, "%d view%s given; from 2 to %d are needed", n_views,
                           n_views == 1 ? " is" : "s are", MUCMM_MAX_VIEWS);
    for (int32_t i = 0; i < n_views; i++) {
        if (!good_name(views[i].name))
            return mucmm__fail(ctx, MUCMM_EARG,
                               "view name '%s': use 1 to 64 letters, digits, '_' and '-'",
                               views[i].name ? views[i].name : "");
        if (!views[i].data || mucmm_data_cols(views[i].data) < 1)
            return mucmm__fail(ctx, MUCMM_EARG, "view '%s' has no columns", views[i].name);
        for (int32_t j = 0; j < i; j++)
            if (strcmp(views[i].name, views[j].name) == 0)
                return mucmm__fail(ctx, MUCMM_EARG, "view '%s' is given twice", views[i].name);
        if (mucmm_data_rows(views[i].data) != mucmm_data_rows(views[0].data))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "view '%s' (%s) has %" PRId64 " rows and view '%s' (%s) has %" PRId64
                               "; they must be paired row by row",
                               views[0].name, mucmm_data_label(views[0].data),
                               mucmm_data_rows(views[0].data), views[i].name,
                               mucmm_data_label(views[i].data), mucmm_data_rows(views[i].data));
    }
    return MUCMM_OK;
}

static mucmm_status check_dimensions(mucmm__fit *f, const mucmm_view *views)
{
    const mucmm_fit_params *p = f->p;
    int64_t k = p->common == MUCMM_AUTO ? 1 : p->common;
    int64_t q = p->individual == MUCMM_AUTO ? 0 : p->individual;
    int64_t widest = 0;

    for (int32_t i = 0; i < f->model->n_views; i++) {
        int64_t cols = mucmm_data_cols(views[i].data);
        if (k > cols)
            return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                               "%" PRId64
                               " common dimensions are asked for, but view '%s' has only "
                               "%" PRId64 " columns; give a smaller --common",
                               k, views[i].name, cols);
        if (q > cols - k)
            return mucmm__fail(f->ctx, MUCMM_ESHAPE,
                               "%" PRId64 " common and %" PRId64 " individual dimensions are asked "
                               "for, but view '%s' has only %" PRId64 " columns; give a smaller "
                               "--individual",
                               k, q, views[i].name, cols);
        widest = cols > widest ? cols : widest;
    }
    f->small_sample = f->n_train < MUCMM__SMALL_SAMPLE * widest;
    return MUCMM_OK;
}

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

/* Held-out rows are complete ones; the others are there for the moments. */
static mucmm_status split_rows(mucmm__fit *f, int64_t n_all)
{
    mucmm_status status = MUCMM_OK;
    int64_t *perm = NULL, *complete = NULL, n = 0;

    TRY(mucmm__alloc(f->ctx, n_all, sizeof *complete, &complete));
    TRY(mucmm__alloc(f->ctx, n_all, sizeof *f->some, &f->some));
    TRY(sort_out(f, n_all, complete, &n));
    f->n_held_out = (int64_t)ceil((double)n * f->p->validation);
    f->n_train = n - f->n_held_out;
    if (f->n_train < 2 || f->n_held_out < 2)
        TRY(mucmm__fail(f->ctx, MUCMM_ESHAPE,
                        "%" PRId64 " rows%s leave %" PRId64 " for training and %" PRId64
                        " held out; both need at least 2",
                        n, n < n_all ? " that have all views" : "", f->n_train, f->n_held_out));
    TRY(mucmm__alloc(f->ctx, n, sizeof *perm, &perm));
    TRY(mucmm__alloc(f->ctx, f->n_train, sizeof *f->train, &f->train));
    TRY(mucmm__alloc(f->ctx, f->n_held_out, sizeof *f->held_out, &f->held_out));
    mucmm__rng_permutation(mucmm__rng_key(f->p->seed, STREAM_SPLIT), perm, n);
    for (int64_t i = 0; i < f->n_held_out; i++)
        f->held_out[i] = complete[perm[i]];
    for (int64_t i = 0; i < f->n_train; i++)
        f->train[i] = complete[perm[f->n_held_out + i]];
    /* ascending, so that a pass over the rows reads a file from front to back; the held-out rows
     * stay shuffled, because cross-fitting takes their first and second half for two samples of one
     * kind */
    mucmm__sort_rows(f->train, f->n_train);
    f->model->rows[MUCMM_ROWS_TRAIN] = f->n_train;
    f->model->rows[MUCMM_ROWS_HELD_OUT] = f->n_held_out;
    for (int32_t m = 0; m < f->model->n_views; m++) {
        f->model->view[m].rows = f->n_train;
        for (int64_t i = 0; i < f->n_some; i++)
            f->model->view[m].rows += mucmm_data_has(f->data[m], f->some[i]);
    }
    join_training_rows(f);
done:
    mucmm__free(complete);
    mucmm__free(perm);
    return status;
}

/* ---- moments and scaling ----------------------------------------------------------- */

mucmm_status mucmm__joint_moments(mucmm_ctx *ctx, int32_t n_views, const mucmm_data *const *data,
                                  const int64_t *offset, const int64_t *rows, int64_t n,
                                  double *mean, double *cov)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = offset[n_views], block = 0, *chunk = NULL;
    mucmm__moments *moments = NULL;
    float *x = NULL;

    TRY(mucmm__moments_create(ctx, total, 0, &moments));
    block = mucmm__moments_block(moments);
    block = block < n ? block : n;
    TRY(mucmm__alloc(ctx, block, sizeof *chunk, &chunk));
    TRY(mucmm__alloc(ctx, block * total, sizeof *x, &x));
    for (int64_t i = 0; i < n; i += block) {
        int64_t b = n - i < block ? n - i : block;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = rows ? rows[i + j] : i + j;
        for (int32_t m = 0; m < n_views; m++) {
            mucmm_mat part = {x + offset[m], b, offset[m + 1] - offset[m], total};
            TRY(mucmm_data_read(ctx, data[m], chunk, b, &part));
        }
        TRY(mucmm__moments_push(ctx, moments, &(mucmm_cmat){x, b, total, total}, NULL));
        TRY(mucmm__progress(ctx, "moments", i + b, n, NULL));
    }
    TRY(mucmm__moments_get(ctx, moments, mean, NULL, cov, NULL, NULL));
done:
    mucmm__moments_free(moments);
    mucmm__free(chunk);
    mucmm__free(x);
    return status;
}

static mucmm_status warn_constant(mucmm__fit *f, int32_t m, const double *variance, int64_t stride)
{
    const mucmm__view_info *v = &f->model->view[m];
    int64_t constant = 0, first = -1;
    const char *name;

    for (int64_t j = 0; j < v->p; j++)
        if (!(variance[j * stride] > 0)) {
            first = first < 0 ? j : first;
            constant++;
        }
    if (constant == v->p)
        return mucmm__fail(f->ctx, MUCMM_ENUMERIC,
                           "every column of view '%s' (%s) is constant; there is nothing to learn",
                           v->name, mucmm_data_label(f->data[m]));
    if (constant == 0)
        return MUCMM_OK;
    name = mucmm_data_column(f->data[m], first);
    mucmm__warn(f->ctx,
                "view '%s': %" PRId64 " of %" PRId64 " columns %s constant (the first is "
                "column %" PRId64 "%s%s%s); %s nothing",
                v->name, constant, v->p, constant == 1 ? "is" : "are", first, name ? " '" : "",
                name ? name : "", name ? "'" : "", constant == 1 ? "it carries" : "they carry");
    return MUCMM_OK;
}

/* One divisor per view (the root of the mean variance), or one per column. */
static void set_scale(mucmm__view_info *v, mucmm_scaling scaling, const double *cov, int64_t stride)
{
    double sum = 0;

    for (int64_t j = 0; j < v->p; j++)
        sum += cov[j * stride];
    for (int64_t j = 0; j < v->p; j++) {
        double variance = scaling == MUCMM_SCALE_COLUMN && cov[j * stride] > 0 ? cov[j * stride]
                                                                               : sum / (double)v->p;
        v->scale[j] = sqrt(variance);
    }
}

mucmm_status mucmm__set_scaling(mucmm__fit *f, int32_t m, const double *mean,
                                const double *variance, int64_t stride)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];

    memcpy(v->mean, mean, (size_t)v->p * sizeof *mean);
    TRY(warn_constant(f, m, variance, stride));
    set_scale(v, f->p->scaling, variance, stride);
done:
    return status;
}

static void divide_by_scale(const mucmm__fit *f, double *cov)
{
    int64_t total = f->offset[f->model->n_views];

    for (int32_t a = 0; a < f->model->n_views; a++)
        for (int64_t i = 0; i < f->model->view[a].p; i++) {
            double *row = cov + (f->offset[a] + i) * total;
            for (int32_t b = 0; b < f->model->n_views; b++)
                for (int64_t j = 0; j < f->model->view[b].p; j++)
                    row[f->offset[b] + j] /=
                        f->model->view[a].scale[i] * f->model->view[b].scale[j];
        }
}

mucmm_status mucmm__keep_covariance(mucmm__fit *f, int32_t m, const double *cov, int64_t stride)
{
    mucmm_status status = MUCMM_OK;
    mucmm__view_info *v = &f->model->view[m];

    v->variance = 0;
    for (int64_t j = 0; j < v->p; j++)
        v->variance += cov[j * (stride + 1)];
    if (v->p > MUCMM__COVARIANCE_MAX)
        return MUCMM_OK;
    TRY(mucmm__alloc(f->ctx, v->p * v->p, sizeof *v->covariance, &v->covariance));
    for (int64_t i = 0; i < v->p; i++)
        for (int64_t j = 0; j < v->p; j++)
            v->covariance[i * v->p + j] = (float)cov[i * stride + j];
done:
    return status;
}

/* Of the regressions that stand for what rows lack: at least what the complete rows chose. */
static double ridge_of_lacking(const mucmm__fit *f)
{
    double ridge = fmax(f->p->ridge, LEAST_RIDGE);

    for (int32_t m = 0; m < f->model->n_views; m++)
        ridge = fmax(ridge, f->model->view[m].ridge);
    return ridge;
}

/* Raw. */
static mucmm_status training_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                     double *cov)
{
    if (f->some)
        return mucmm__incomplete_moments(f->ctx, f->model->n_views, f->data, f->offset, rows, n,
                                         f->lacking_ridge, mean, cov);
    return mucmm__joint_moments(f->ctx, f->model->n_views, f->data, f->offset, rows, n, mean, cov);
}

mucmm_status mucmm__scaled_moments(mucmm__fit *f, const int64_t *rows, int64_t n, double *mean,
                                   double *cov)
{
    mucmm_status status = training_moments(f, rows, n, mean, cov);

    if (status == MUCMM_OK)
        divide_by_scale(f, cov);
    return status;
}

static mucmm_status scale_views(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    int64_t total = f->offset[f->model->n_views];
    double *mean[2] = {NULL, NULL};

    f->lacking_ridge = ridge_of_lacking(f);
    for (int r = 0; r < 2; r++) {
        TRY(mucmm__alloc(f->ctx, total, sizeof **mean, &mean[r]));
        TRY(mucmm__alloc(f->ctx, total * total, sizeof *f->cov[r], &f->cov[r]));
    }
    TRY(training_moments(f, f->some ? f->some : f->train, f->some ? f->n_some : f->n_train,
                         mean[MUCMM_ROWS_TRAIN], f->cov[MUCMM_ROWS_TRAIN]));
    TRY(mucmm__joint_moments(f->ctx, f->model->n_views, f->data, f->offset, f->held_out,
                             f->n_held_out, mean[MUCMM_ROWS_HELD_OUT],
                             f->cov[MUCMM_ROWS_HELD_OUT]));
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__set_scaling(f, m, mean[MUCMM_ROWS_TRAIN] + f->offset[m],
                               f->cov[MUCMM_ROWS_TRAIN] + f->offset[m] * (total + 1), total + 1));
    divide_by_scale(f, f->cov[MUCMM_ROWS_TRAIN]);
    divide_by_scale(f, f->cov[MUCMM_ROWS_HELD_OUT]);
    for (int32_t m = 0; m < f->model->n_views; m++)
        TRY(mucmm__keep_covariance(f, m, f->cov[MUCMM_ROWS_TRAIN] + f->offset[m] * (total + 1),
                                   total));
done:
    mucmm__free(mean[0]);
    mucmm__free(mean[1]);
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

static uint64_t fingerprint(const mucmm__fit *f)
{
    mucmm_fit_params p = f->model->params;
    int64_t total = f->offset[f->model->n_views];
    uint64_t hash = hash_bytes(0xcbf29ce484222325u, &p.head, sizeof p.head);
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
                              p.alpha,
                              p.beta,
                              (double)p.stages,
                              (double)p.bootstrap,
                              (double)p.restarts,
                              (double)f->n_train,
                              (double)mucmm_version()};

    hash = hash_bytes(hash, numbers, sizeof numbers);
    hash = hash_bytes(hash, p.hidden, sizeof p.hidden[0] * (size_t)p.n_hidden);
    for (int32_t m = 0; m < f->model->n_views; m++)
        hash =
            hash_bytes(hash, f->model->view[m].mean, sizeof(double) * (size_t)f->model->view[m].p);
    return hash_bytes(hash, f->cov[0], sizeof(double) * (size_t)total);
}

static mucmm_status start_model(mucmm__fit *f, const mucmm_view *views, int32_t n_views)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *m = f->model;

    m->n_views = n_views;
    m->k = f->p->common == MUCMM_AUTO ? 0 : f->p->common;
    m->params = *f->p;
    m->params.checkpoint = NULL;
    m->start = -1;
    for (int32_t i = 0; i < n_views; i++) {
        mucmm__view_info *v = &m->view[i];
        f->data[i] = views[i].data;
        v->p = mucmm_data_cols(views[i].data);
        v->q = f->p->individual == MUCMM_AUTO ? 0 : f->p->individual;
        v->rank = mucmm_data_shape(views[i].data, v->shape);
        f->offset[i + 1] = f->offset[i] + v->p;
        TRY(mucmm__strdup(f->ctx, views[i].name, &v->name));
        if (mucmm_data_description(views[i].data))
            TRY(mucmm__strdup(f->ctx, mucmm_data_description(views[i].data), &v->description));
        TRY(mucmm__alloc(f->ctx, v->p, sizeof *v->mean, &v->mean));
        TRY(mucmm__alloc(f->ctx, v->p, sizeof *v->scale, &v->scale));
    }
done:
    return status;
}

/* Batches must be large against the number of columns that are correlated, or the sample
 * correlations are inflated and training diverges. */
#define BATCH_PER_COLUMN 20
#define LEAST_BATCH_PER_COLUMN 10

int64_t mucmm__batch_dimensions(const mucmm__fit *f)
{
    int64_t views = f->model->n_views;

    if (f->p->batch > 0 && f->p->batch < f->n_train)
        return f->p->batch / (LEAST_BATCH_PER_COLUMN * views);
    return (f->n_train - 2) / (2 * views);
}

static mucmm_status choose_batch(mucmm__fit *f)
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
                           "correlations mean nothing; give a larger --batch, more rows, a smaller "
                           "--common, or --head linear",
                           f->batch, f->model->n_views, k, least);
    return MUCMM_OK;
}

static mucmm_status summarize_all(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_model *model = f->model;
    float *c[MUCMM_MAX_VIEWS] = {0}, *u[MUCMM_MAX_VIEWS] = {0};

    for (int r = 0; r < 2; r++) {
        const int64_t *rows = r ? f->held_out : f->train;
        int64_t n = r ? f->n_held_out : f->n_train;
        for (int which = 0; which < 2; which++) {
            mucmm__solution *rep = which ? &model->linear : &model->heads;
            if (!rep->rho)
                continue;
            for (int32_t m = 0; m < model->n_views; m++) {
                TRY(mucmm__alloc(f->ctx, n * model->k, sizeof **c, &c[m]));
                TRY(mucmm__alloc(f->ctx, n * model->view[m].q, sizeof **u, &u[m]));
                TRY(mucmm__represent(f->ctx, model, rep, m, f->data[m], rows, n, c[m], u[m]));
            }
            TRY(mucmm__summarize(f->ctx, model, f->data, rows, n, c, u, rep->rho, r ? 1000 : 0,
                                 f->p->seed, &rep->summary[r]));
            mucmm__summary_harmonics(rep, rep->summary[r]);
            TRY(mucmm__joint_keep(f->ctx, model, (mucmm_rows)r, n, c, &rep->joint));
            for (int32_t m = 0; m < model->n_views; m++) {
                mucmm__free(c[m]);
                mucmm__free(u[m]);
                c[m] = u[m] = NULL;
            }
        }
    }
done:
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(c[m]);
        mucmm__free(u[m]);
    }
    return status;
}

static void fit_drop(mucmm__fit *f)
{
    for (int s = 0; s < MUCMM__STAGES; s++)
        mucmm__trainer_drop(&f->stage[s]);
    mucmm__free(f->train);
    mucmm__free(f->held_out);
    mucmm__free(f->some);
    mucmm__free(f->cov[0]);
    mucmm__free(f->cov[1]);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(f->weights[m]);
    mucmm__small_sample_drop(f);
    mucmm_model_free(f->model);
}

static int64_t at_least(int64_t epochs, int64_t steps, int64_t steps_per_epoch)
{
    int64_t enough = (steps + steps_per_epoch - 1) / steps_per_epoch;

    return epochs > enough ? epochs : enough;
}

/* Epochs of few batches would be few steps: enough of both. */
static void resolve_epochs(const mucmm__fit *f, mucmm_fit_params *p)
{
    int64_t steps = f->n_train / f->batch;

    if (p->common_epochs == 0)
        p->common_epochs = at_least(20, 180, steps);
    if (p->individual_epochs == 0)
        p->individual_epochs = at_least(12, 360, steps);
    f->model->params.common_epochs = p->common_epochs;
    f->model->params.individual_epochs = p->individual_epochs;
}

mucmm_status mucmm_fit(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                       const mucmm_fit_params *params, mucmm_model **out)
{
    return mucmm__fit_saving(ctx, views, n_views, params, SAVE_EVERY_SECONDS, out);
}

mucmm_status mucmm__fit_saving(mucmm_ctx *ctx, const mucmm_view *views, int32_t n_views,
                               const mucmm_fit_params *params, double save_every, mucmm_model **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_fit_params p, asked;
    mucmm__fit f = {.ctx = ctx, .p = &p, .save_every = save_every};

    *out = NULL;
    mucmm_fit_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_fit_params", params, &p, sizeof p));
    asked = p;
    TRY(check_params(ctx, &p));
    TRY(check_views(ctx, views, n_views));
    if (p.learning_rate == 0)
        p.learning_rate = 2e-3;
    TRY(mucmm__alloc(ctx, 1, sizeof *f.model, &f.model));
    TRY(start_model(&f, views, n_views));
    TRY(split_rows(&f, mucmm_data_rows(views[0].data)));
    TRY(check_dimensions(&f, views));
    TRY(choose_batch(&f)); /* before all rows are read */
    if (f.some && f.small_sample) {
        if (p.ridge < 0)
            TRY(mucmm__choose_on_complete_rows(&f, &p));
        f.small_sample = false; /* rows that lack views have no coordinates */
    }
    TRY(f.small_sample ? mucmm__small_sample(&f) : scale_views(&f));
    TRY(mucmm__choose_dimensions(&f, &p));
    TRY(choose_batch(&f));
    resolve_epochs(&f, &p);
    f.model->held_out_chose =
        (p.head != MUCMM_HEAD_LINEAR ? MUCMM__CHOSE_EPOCH : 0) |
        (p.ridge == MUCMM_RIDGE_CHOSEN && !f.small_sample ? MUCMM__CHOSE_RIDGE : 0) |
        (asked.common == MUCMM_AUTO || asked.individual == MUCMM_AUTO ? MUCMM__CHOSE_DIMENSIONS
                                                                      : 0);
    TRY(mucmm__fit_linear(&f));
    if (p.bootstrap > 0) /* first: what is wrong with it shows before anything is trained */
        TRY(mucmm__bootstrap(&f));
    if (p.head != MUCMM_HEAD_LINEAR) {
        f.fingerprint = fingerprint(&f);
        TRY(mucmm__checkpoint_load(&f));
        TRY(mucmm__fit_common(&f));
        TRY(mucmm__fit_individual(&f));
    }
    TRY(mucmm__mark_harmonics(&f, &f.model->linear));
    if (f.model->heads.rho)
        TRY(mucmm__mark_harmonics(&f, &f.model->heads));
    TRY(summarize_all(&f));
    TRY(mucmm__model_make_json(ctx, f.model));
    *out = f.model;
    f.model = NULL;
done:
    fit_drop(&f);
    return status;
}
