/* SPDX-License-Identifier: MIT
 *
 * Null models: fits to permuted pairs. */
#include "explain/null_models.h"

#include "explain/quiet.h"
#include "model/fit.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MOST_MODELS 9999

/* Streams of random numbers, apart from those of a fit with the same seed. */
enum { STREAM_ROWS = 900001, STREAM_PAIRS = 910000 };

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
    mucmm__free(null->group);
    mucmm__exchange_free(null->exchange);
    mucmm_model_free(null->m);
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        mucmm_data_free(null->training[v]);
    mucmm__free(null);
}

/* ---- rows of the fit --------------------------------------------------------------- */

mucmm_status mucmm__count_fitted(mucmm_ctx *ctx, const mucmm_model *m,
                                 const mucmm_data *const *data, const int64_t *rows, int64_t n,
                                 int64_t *fitted)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *some[MUCMM_MAX_VIEWS] = {0};
    mucmm_recognition how;
    unsigned char *kind = NULL;

    *fitted = 0;
    for (int32_t v = 0; v < m->n_views; v++)
        if (data[v])
            TRY(mucmm_data_subset(ctx, data[v], rows, n, &some[v]));
    TRY(mucmm__alloc(ctx, n, 1, &kind));
    TRY(mucmm__model_recognize(ctx, m, (const mucmm_data *const *)some, n, kind, &how));
    for (int64_t i = 0; i < n; i++)
        *fitted += kind[i] == MUCMM_ROW_FITTED;
done:
    for (int32_t v = 0; v < m->n_views; v++)
        mucmm_data_free(some[v]);
    mucmm__free(kind);
    return status;
}

mucmm_status mucmm__warn_fitted(mucmm_ctx *ctx, const mucmm_model *m, const char *what,
                                const mucmm_data *const *data, const int64_t *rows, int64_t n)
{
    int64_t fitted;
    mucmm_status status = mucmm__count_fitted(ctx, m, data, rows, n, &fitted);

    if (status == MUCMM_OK && fitted > 0)
        mucmm__warn(ctx,
                    "%s: the model was fitted to %" PRId64 " of the %" PRId64
                    " samples; p-values of their maps are in-sample, and may be too small",
                    what, fitted, n);
    return status;
}

/* Null models are fitted to what m was; other rows are worth a word. */
static mucmm_status check_training(mucmm_ctx *ctx, const mucmm_null *null)
{
    mucmm_status status = MUCMM_OK;
    mucmm_recognition how = MUCMM_RECOGNITION_SURE;
    unsigned char *kind = NULL;
    bool any = false;

    TRY(mucmm__alloc(ctx, null->rows, 1, &kind));
    TRY(mucmm__model_recognize(ctx, null->m, (const mucmm_data *const *)null->training, null->rows,
                               kind, &how));
    for (int64_t i = 0; i < null->rows; i++)
        any = any || kind[i] == MUCMM_ROW_FITTED;
    if (!any && how == MUCMM_RECOGNITION_SURE)
        mucmm__warn(ctx, "null models: the model was fitted to none of the rows that are given as "
                         "those it was fitted to");
done:
    mucmm__free(kind);
    return status;
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
    p.n_view_individual = 0;
    p.bootstrap = p.restarts = 0;
    p.checkpoint = NULL;
    p.groups = null->group;
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
        mucmm__exchange_draw(null->exchange,
                             mucmm__rng_key(null->seed, (uint64_t)(STREAM_PAIRS + b * n_views + v)),
                             perm, null->rows);
        TRY(mucmm_data_subset(ctx, null->training[v], perm, null->rows, &shuffled[v]));
        views[v].data = shuffled[v];
    }
    TRY(mucmm__fit_unjudged(ctx, views, n_views, &p, &fitted));
    for (int32_t v = 0; v < n_views; v++) { /* large, and that of m does */
        mucmm__free(fitted->view[v].covariance);
        fitted->view[v].covariance = NULL;
    }
    mucmm__digest_drop(&fitted->digest);
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

/* The rows that are exchanged, of rows[0..null->rows), in the order of the exchange. */
static mucmm_status exchange_training(mucmm_ctx *ctx, mucmm_null *null, const int64_t *groups,
                                      int64_t *rows)
{
    mucmm_status status = MUCMM_OK;
    int64_t *group = NULL, *all = NULL;
    char note[MUCMM__EXCHANGE_NOTE];
    mucmm__exchange *e;

    TRY(mucmm__groups_of(ctx, groups, rows, null->rows, &group));
    TRY(mucmm__exchange_create(ctx, group, null->rows, mucmm__rng_key(null->seed, STREAM_ROWS),
                               &null->exchange));
    e = null->exchange;
    if (!e)
        goto done;
    if (!mucmm__exchange_enough(e))
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE, "%s", mucmm__exchange_note(e, note)));
    TRY(mucmm__alloc(ctx, null->rows, sizeof *all, &all));
    memcpy(all, rows, (size_t)null->rows * sizeof *all);
    null->rows = e->n;
    for (int64_t i = 0; i < e->n; i++)
        rows[i] = all[e->row[i]];
    TRY(mucmm__groups_of(ctx, groups, rows, e->n, &null->group));
done:
    mucmm__free(group);
    mucmm__free(all);
    return status;
}

/* The training rows, or some of them drawn at random, groups as wholes. */
static mucmm_status keep_training(mucmm_ctx *ctx, mucmm_null *null, const mucmm_data *const *data,
                                  const mucmm_null_params *p)
{
    mucmm_status status = MUCMM_OK;
    int64_t all = mucmm_data_rows(data[0]), *rows = NULL;

    TRY(mucmm__alloc(ctx, all, sizeof *rows, &rows));
    TRY(mucmm__group_order(ctx, p->groups, all, mucmm__rng_key(null->seed, STREAM_ROWS), rows));
    null->rows = p->rows > 0 && p->rows < all ? p->rows : all;
    null->rows = mucmm__group_cut(p->groups, rows, 0, all, null->rows);
    mucmm__sort_rows(rows, null->rows);
    TRY(exchange_training(ctx, null, p->groups, rows));
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
    *null = (mucmm_null){.m = mucmm__model_keep(m),
                         .representation = representation,
                         .models = p.models,
                         .seed = p.seed};
    TRY(keep_training(ctx, null, data, &p));
    TRY(check_training(ctx, null));
    TRY(mucmm__alloc(ctx, p.models, sizeof(mucmm_model *), &null->model));
    TRY(fit_all(ctx, null));
    *out = null;
    null = NULL;
done:
    mucmm_null_free(null);
    return status;
}

mucmm_status mucmm__null_check(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s)
{
    if (null->m != s->m || (null->representation != s->p->representation && s->m->heads.rho))
        return mucmm__fail(
            ctx, MUCMM_EARG,
            "the null models were fitted for another model or representation than is asked "
            "about");
    return MUCMM_OK;
}
