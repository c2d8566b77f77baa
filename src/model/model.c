/* SPDX-License-Identifier: MIT
 *
 * The model as an object: what it says of itself, and its end. */
#include "model/model.h"

#include "model/adjust.h"
#include "model/cross_fit.h"
#include "model/impute.h"
#include "model/represent.h"
#include "model/robust.h"
#include "model/stability.h"
#include "model/summary.h"

#include <stdatomic.h>
#include <string.h>

/* ---- views ------------------------------------------------------------------------- */

int32_t mucmm_model_views(const mucmm_model *m)
{
    return m->n_views;
}

const char *mucmm_model_view_name(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].name : NULL;
}

const char *mucmm_model_view_column(const mucmm_model *m, int32_t view, int64_t j)
{
    bool named =
        view >= 0 && view < m->n_views && m->view[view].columns && j >= 0 && j < m->view[view].p;

    return named ? m->view[view].columns[j] : NULL;
}

int64_t mucmm_model_view_cols(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].p : 0;
}

int32_t mucmm_model_view_shape(const mucmm_model *m, int32_t view, int64_t shape[MUCMM_MAX_RANK])
{
    if (view < 0 || view >= m->n_views)
        return 0;
    memcpy(shape, m->view[view].shape, sizeof m->view[view].shape);
    return m->view[view].rank;
}

int64_t mucmm_model_common(const mucmm_model *m)
{
    return m->k;
}

int32_t mucmm_model_has_covariance(const mucmm_model *m, int32_t view)
{
    const mucmm__solution *of = m->heads.rho ? &m->heads : &m->linear;

    return view >= 0 && view < m->n_views && (m->view[view].covariance || of->loadings[view]);
}

int64_t mucmm_model_individual(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].q : 0;
}

int64_t mucmm_model_training_rows(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].rows : 0;
}

const char *mucmm_model_json(const mucmm_model *m)
{
    return m->json;
}

const mucmm_summary *mucmm_model_summary(const mucmm_model *m, mucmm_rows rows,
                                         mucmm_representation representation)
{
    if (rows != MUCMM_ROWS_TRAIN && rows != MUCMM_ROWS_HELD_OUT)
        return NULL;
    return mucmm__model_solution(m, representation)->summary[rows];
}

const mucmm_stability *mucmm_model_stability(const mucmm_model *m,
                                             mucmm_representation representation)
{
    return mucmm__model_solution(m, representation)->stability;
}

/* ---- memory ------------------------------------------------------------------------ */

void mucmm__common_drop(mucmm__solution *r)
{
    for (int i = 0; i < MUCMM_MAX_VIEWS; i++)
        mucmm__heads_drop_common(&r->view[i]);
}

void mucmm__solution_drop(mucmm__solution *r)
{
    for (int i = 0; i < MUCMM_MAX_VIEWS; i++) {
        mucmm__heads_drop(&r->view[i]);
        mucmm__free(r->loadings[i]);
        mucmm__free(r->deviations[i]);
        mucmm__free(r->loading_ends[i]);
    }
    mucmm__free(r->rho);
    mucmm__free(r->harmonic);
    mucmm__joint_drop(&r->joint);
    mucmm__summary_free(r->summary[0]);
    mucmm__summary_free(r->summary[1]);
    mucmm__stability_free(r->stability);
    *r = (mucmm__solution){0};
}

mucmm_model *mucmm__model_keep(const mucmm_model *m)
{
    mucmm_model *kept = (mucmm_model *)(uintptr_t)m;

    atomic_fetch_add(&kept->keepers, 1);
    return kept;
}

mucmm_status mucmm__solution_random(mucmm_ctx *ctx, const mucmm_model *m,
                                    const mucmm__solution *like, uint64_t seed, uint64_t draw,
                                    mucmm__solution *out)
{
    mucmm_status status = MUCMM_OK;

    *out = (mucmm__solution){0};
    for (int32_t v = 0; v < m->n_views; v++)
        TRY(mucmm__heads_random(ctx, &like->view[v], seed,
                                draw * (uint64_t)m->n_views + (uint64_t)v, &out->view[v]));
    TRY(mucmm__alloc(ctx, m->k, sizeof *out->rho, &out->rho));
    memcpy(out->rho, like->rho, (size_t)m->k * sizeof *out->rho);
done:
    return status;
}

void mucmm__model_scaling(const mucmm_model *m, mucmm__scaling scaling[MUCMM_MAX_VIEWS])
{
    for (int32_t i = 0; i < MUCMM_MAX_VIEWS; i++)
        scaling[i] = (mucmm__scaling){m->view[i].mean, m->view[i].scale, m->view[i].origin};
}

mucmm_status mucmm__model_recognize(mucmm_ctx *ctx, const mucmm_model *m,
                                    const mucmm_data *const *data, int64_t n, unsigned char *kind,
                                    mucmm_recognition *how)
{
    mucmm__scaling scaling[MUCMM_MAX_VIEWS];

    mucmm__model_scaling(m, scaling);
    return mucmm__digest_recognize(ctx, &m->digest, m->n_views, scaling, data, n, kind, how);
}

void mucmm__dimensions_drop(mucmm__dimensions *d)
{
    mucmm__free(d->correlations);
    mucmm__free(d->null_95);
    mucmm__free(d->p_values);
    mucmm__free(d->standard_errors);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        mucmm__free(d->error[m]);
}

int32_t mucmm_model_imputation(const mucmm_model *m, int32_t view, mucmm_imputation *out)
{
    const mucmm__imputer *f = view >= 0 && view < m->n_views ? m->view[view].imputer : NULL;

    *out = (mucmm_imputation){0};
    if (f)
        *out = (mucmm_imputation){f->rank, f->rows, f->empty, f->r2};
    return f != NULL;
}

void mucmm_model_free(mucmm_model *m)
{
    if (!m || atomic_fetch_sub(&m->keepers, 1) > 0)
        return;
    for (int32_t i = 0; i < MUCMM_MAX_VIEWS; i++) {
        mucmm__free(m->view[i].name);
        mucmm__free(m->view[i].mean);
        mucmm__robust_free(m->view[i].robust);
        mucmm__imputer_free(m->view[i].imputer);
        mucmm__free(m->view[i].scale);
        mucmm__free(m->view[i].slopes);
        mucmm__free(m->view[i].origin);
        mucmm__free(m->view[i].covariance);
        mucmm__free(m->view[i].description);
        for (int64_t j = 0; m->view[i].columns && j < m->view[i].p; j++)
            mucmm__free(m->view[i].columns[j]);
        mucmm__free(m->view[i].columns);
    }
    mucmm__solution_drop(&m->linear);
    mucmm__solution_drop(&m->heads);
    mucmm__dimensions_drop(&m->dimensions);
    mucmm__digest_drop(&m->digest);
    mucmm__adjust_free(m->adjust);
    mucmm__cross_result_free(m->cross_fit);
    mucmm__free(m->history);
    mucmm__free(m->json);
    mucmm__free(m);
}
