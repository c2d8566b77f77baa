/* SPDX-License-Identifier: MIT
 *
 * The variates of all views of some rows, predicted where rows lack a view. */
#include "model/represent.h"

struct mucmm_variates {
    int64_t n, k, q[MUCMM_MAX_VIEWS];
    int32_t n_views;
    /* NULL: there are none */
    float *common[MUCMM_MAX_VIEWS], *individual[MUCMM_MAX_VIEWS]; /* [n, k], [n, q] */
    float *predicted[MUCMM_MAX_VIEWS], *sd[MUCMM_MAX_VIEWS];      /* [n, k]         */
};

void mucmm_variates_free(mucmm_variates *v)
{
    if (!v)
        return;
    for (int32_t i = 0; i < v->n_views; i++) {
        mucmm__free(v->common[i]);
        mucmm__free(v->individual[i]);
        mucmm__free(v->predicted[i]);
        mucmm__free(v->sd[i]);
    }
    mucmm__free(v);
}

int64_t mucmm_variates_rows(const mucmm_variates *v)
{
    return v->n;
}

static mucmm_cmat part(const mucmm_variates *v, float *const *of, int32_t view, bool individual)
{
    int64_t cols;

    if (view < 0 || view >= v->n_views || !of[view])
        return (mucmm_cmat){NULL, 0, 0, 0};
    cols = individual ? v->q[view] : v->k;
    return (mucmm_cmat){of[view], v->n, cols, cols};
}

mucmm_cmat mucmm_variates_common(const mucmm_variates *v, int32_t view)
{
    return part(v, v->common, view, false);
}

mucmm_cmat mucmm_variates_individual(const mucmm_variates *v, int32_t view)
{
    return part(v, v->individual, view, true);
}

mucmm_cmat mucmm_variates_predicted(const mucmm_variates *v, int32_t view)
{
    return part(v, v->predicted, view, false);
}

mucmm_cmat mucmm_variates_sd(const mucmm_variates *v, int32_t view)
{
    return part(v, v->sd, view, false);
}

/* The common variates of a view that rows lack, from those of the other views. */
static mucmm_status predict(mucmm_ctx *ctx, const mucmm_model *m,
                            mucmm_representation representation, mucmm_variates *v, int32_t view)
{
    mucmm_status status = MUCMM_OK;
    mucmm_cmat common[MUCMM_MAX_VIEWS];
    mucmm_mat predicted = {NULL, v->n, v->k, v->k}, sd = predicted;

    for (int32_t i = 0; i < v->n_views; i++)
        common[i] = mucmm_variates_common(v, i);
    TRY(mucmm__alloc(ctx, v->n * v->k, sizeof(float), &v->predicted[view]));
    TRY(mucmm__alloc(ctx, v->n * v->k, sizeof(float), &v->sd[view]));
    predicted.data = v->predicted[view];
    sd.data = v->sd[view];
    TRY(mucmm_predict_common(ctx, m, representation, common, view, &predicted, &sd));
done:
    return status;
}

mucmm_status mucmm_variates_create(mucmm_ctx *ctx, const mucmm_model *m,
                                   mucmm_representation representation, const mucmm_view *views,
                                   int32_t n_views, mucmm_variates **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *r = mucmm__model_solution(m, representation);
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    mucmm_variates *v = NULL;

    *out = NULL;
    TRY(mucmm__match_given(ctx, m, views, n_views, data));
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    v->n = mucmm_data_rows(views[0].data);
    v->k = m->k;
    v->n_views = m->n_views;
    for (int32_t i = 0; i < m->n_views; i++) {
        v->q[i] = m->view[i].q;
        if (!data[i])
            continue;
        TRY(mucmm__alloc(ctx, v->n * v->k, sizeof(float), &v->common[i]));
        TRY(mucmm__alloc(ctx, v->n * v->q[i], sizeof(float), &v->individual[i]));
        TRY(mucmm__represent_all(ctx, m, r, i, data[i], v->common[i],
                                 v->q[i] > 0 ? v->individual[i] : NULL));
    }
    for (int32_t i = 0; i < m->n_views; i++)
        if (!data[i] || mucmm_data_missing(data[i]) > 0)
            TRY(predict(ctx, m, representation, v, i));
    *out = v;
    v = NULL;
done:
    mucmm_variates_free(v);
    return status;
}
