/* SPDX-License-Identifier: MIT
 *
 * Explanations: arguments checked once, what is kept of them, and the maps. */
#include "explain/explanation.h"

#include "explain/defaults.h"
#include "explain/maps.h"
#include "explain/pattern.h"
#include "explain/tell.h"
#include "io/data.h"

#include <inttypes.h>
#include <string.h>

/* ---- create ------------------------------------------------------------------------ */

/* *kept becomes a reference of its own on d (NULL: none), instead of the one it was. */
static void keep_data(mucmm_data **kept, const mucmm_data *d)
{
    mucmm_data *before = *kept;

    *kept = d ? mucmm__data_keep(d) : NULL;
    mucmm_data_free(before);
}

/* A file that holds no loadings: the default map is the one that does without. */
static void do_without_loadings(mucmm_ctx *ctx, const mucmm_explanation *e,
                                const mucmm_explain_params *given, mucmm_explain_params *own)
{
    const mucmm_data *d = e->data[e->s.view];

    if (given->map != MUCMM_MAP_DEFAULT || own->map != MUCMM_MAP_LCMV || own->training ||
        mucmm_model_loadings(e->m, own->representation, e->s.view))
        return;
    mucmm__warn(ctx,
                "view '%s': the model holds no loadings, as files of earlier versions do not; maps "
                "are %s instead of %s (fit it again, or give the training rows)",
                e->m->view[e->s.view].name, mucmm_map_text(MUCMM_MAP_INTEGRATED_GRADIENTS),
                mucmm_map_text(MUCMM_MAP_LCMV));
    *own = *given;
    own->map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    mucmm__explain_defaults(d, own);
}

/* The parameters of the maps; those of the score stay as they are. */
static mucmm_status take_map_params(mucmm_ctx *ctx, mucmm_explanation *e,
                                    const mucmm_explain_params *p)
{
    mucmm_explain_params own = *p;
    mucmm_status status = MUCMM_OK;

    mucmm__explain_defaults(e->data[e->s.view], &own);
    do_without_loadings(ctx, e, p, &own);
    TRY(mucmm__map_check_params(ctx, &own));
    TRY(mucmm__samples_training(ctx, e->m, e->s.view, e->data[e->s.view], &own));
    keep_data(&e->training, own.training);
    e->p = own;
done:
    return status;
}

static mucmm_status keep_arguments(mucmm_ctx *ctx, mucmm_explanation *e, const mucmm_model *m,
                                   const mucmm_data *const *data, const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;

    e->m = mucmm__model_keep(m);
    for (int32_t v = 0; v < m->n_views; v++)
        keep_data(&e->data[v], data[v]);
    TRY(mucmm__alloc(ctx, n, sizeof *rows, &e->rows));
    if (n > 0)
        memcpy(e->rows, rows, (size_t)n * sizeof *rows);
    TRY(mucmm__alloc(ctx, n, sizeof *e->scores, &e->scores));
done:
    return status;
}

mucmm_status mucmm_explanation_create(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                      int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                      const mucmm_explain_params *params, mucmm_explanation **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS] = {0};
    mucmm_explanation *e = NULL;
    mucmm_explain_params p;

    *out = NULL;
    mucmm_explain_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_explain_params", params, &p, sizeof p));
    TRY(mucmm__samples_find(ctx, m, views, n_views, view, rows, n, &p, data));
    TRY(mucmm__alloc(ctx, 1, sizeof *e, &e));
    e->s.view = view;
    TRY(keep_arguments(ctx, e, m, data, rows, n));
    TRY(take_map_params(ctx, e, &p));
    TRY(mucmm__samples_start(ctx, m, mucmm__model_solution(m, p.representation), data, view,
                             e->rows, n, &e->p, &e->s));
    TRY(mucmm__samples_score(ctx, &e->s, 0, n, e->s.h, e->scores, NULL));
    *out = e;
    e = NULL;
done:
    mucmm_explanation_free(e);
    return status;
}

void mucmm_explanation_free(mucmm_explanation *e)
{
    if (!e)
        return;
    mucmm__samples_drop(&e->s);
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        mucmm_data_free(e->data[v]);
    mucmm_data_free(e->training);
    mucmm_model_free(e->m);
    mucmm__free(e->rows);
    mucmm__free(e->scores);
    mucmm__free(e);
}

mucmm_status mucmm_explanation_remap(mucmm_ctx *ctx, mucmm_explanation *e,
                                     const mucmm_explain_params *params)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.score = e->p.score;
    p.component = e->p.component;
    p.representation = e->p.representation;
    TRY(mucmm__params_take(ctx, "mucmm_explain_params", params, &p, sizeof p));
    if (p.score != e->p.score || p.component != e->p.component ||
        p.representation != e->p.representation)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "an explanation keeps its score, component and representation; create "
                           "another one for other scores");
    TRY(take_map_params(ctx, e, &p));
done:
    return status;
}

/* ---- what it knows ----------------------------------------------------------------- */

const mucmm_model *mucmm_explanation_model(const mucmm_explanation *e)
{
    return e->m;
}

const mucmm_data *mucmm_explanation_data(const mucmm_explanation *e)
{
    return e->data[e->s.view];
}

int32_t mucmm_explanation_view(const mucmm_explanation *e)
{
    return e->s.view;
}

int64_t mucmm_explanation_count(const mucmm_explanation *e)
{
    return e->s.n;
}

const int64_t *mucmm_explanation_rows(const mucmm_explanation *e)
{
    return e->rows;
}

const double *mucmm_explanation_scores(const mucmm_explanation *e)
{
    return e->scores;
}

const mucmm_explain_params *mucmm_explanation_params(const mucmm_explanation *e)
{
    return &e->p;
}

/* ---- maps -------------------------------------------------------------------------- */

mucmm_status mucmm__explanation_fits(mucmm_ctx *ctx, const mucmm_explanation *e, const char *name,
                                     int64_t rows, int64_t cols, int64_t stride)
{
    if (rows != e->s.n || cols != e->s.cols || stride < e->s.cols)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s must be [%" PRId64 ", %" PRId64 "]", name, e->s.n,
                           e->s.cols);
    return MUCMM_OK;
}

mucmm_status mucmm_explanation_maps(mucmm_ctx *ctx, const mucmm_explanation *e,
                                    const mucmm_mat *maps)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = e->s.n, cols = e->s.cols;
    float *values = NULL;

    TRY(mucmm__explanation_fits(ctx, e, "maps", maps->rows, maps->cols, maps->stride));
    TRY(mucmm__alloc(ctx, n * cols, sizeof *values, &values));
    TRY(mucmm__samples_told_maps(ctx, &e->s, values, NULL));
    for (int64_t i = 0; i < n; i++)
        memcpy(maps->data + i * maps->stride, values + i * cols, (size_t)cols * sizeof *values);
done:
    mucmm__free(values);
    return status;
}

mucmm_status mucmm_explanation_gaps(mucmm_ctx *ctx, const mucmm_explanation *e, double *gaps)
{
    mucmm_status status = MUCMM_OK;
    float *maps = NULL;

    if (e->p.map < MUCMM_MAP_INTEGRATED_GRADIENTS)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "maps of kind %s have no gaps: they are those of %s and %s",
                           mucmm_map_text(e->p.map), mucmm_map_text(MUCMM_MAP_INTEGRATED_GRADIENTS),
                           mucmm_map_text(MUCMM_MAP_LCMV));
    TRY(mucmm__alloc(ctx, e->s.n * e->s.cols, sizeof *maps, &maps));
    TRY(mucmm__samples_told_maps(ctx, &e->s, maps, gaps));
done:
    mucmm__free(maps);
    return status;
}

mucmm_status mucmm_explanation_differences(mucmm_ctx *ctx, const mucmm_explanation *e,
                                           const mucmm_mat *differences)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__explanation_fits(ctx, e, "differences", differences->rows, differences->cols,
                                differences->stride));
    TRY(mucmm__samples_differences(ctx, &e->s, differences));
done:
    return status;
}

static mucmm_status check_components(mucmm_ctx *ctx, const mucmm__samples *s, int64_t n,
                                     const int64_t *components)
{
    bool individual = mucmm__is_individual(s->p->score);
    int64_t d = individual ? s->m->view[s->view].q : s->m->k;

    if (n < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " maps cannot be had", n);
    if (s->n < 1)
        return mucmm__fail(ctx, MUCMM_EARG, "patterns of components need a sample");
    for (int64_t i = 0; i < n; i++)
        if (components[i] < 0 || components[i] >= d)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "component %" PRId64 " is out of range: view '%s' has %" PRId64
                               " %s dimensions, counted from 0",
                               components[i], s->m->view[s->view].name, d,
                               individual ? "individual" : "common");
    return MUCMM_OK;
}

mucmm_status mucmm_explanation_components(mucmm_ctx *ctx, const mucmm_explanation *e, int64_t n,
                                          const int64_t *components, float *maps)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p = e->p;
    mucmm__samples one = e->s; /* borrows all */

    TRY(check_components(ctx, &e->s, n, components));
    if (one.encoded)
        return mucmm__pattern_components(ctx, &e->s, n, components, maps);
    p.map = MUCMM_MAP_PATTERN;
    p.score = mucmm__is_individual(p.score) ? MUCMM_SCORE_INDIVIDUAL_COMPONENT
                                            : MUCMM_SCORE_COMMON_COMPONENT;
    one.p = &p;
    one.n = 1;
    for (int64_t i = 0; i < n; i++) {
        p.component = components[i];
        TRY(mucmm__samples_maps(ctx, &one, maps + i * one.cols, NULL));
    }
done:
    return status;
}

mucmm_status mucmm_explain(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                           int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                           const mucmm_explain_params *params, const mucmm_mat *maps,
                           double *scores)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;

    TRY(mucmm_explanation_create(ctx, m, views, n_views, view, rows, n, params, &e));
    TRY(mucmm_explanation_maps(ctx, e, maps));
    if (scores)
        memcpy(scores, e->scores, (size_t)n * sizeof *scores);
done:
    mucmm_explanation_free(e);
    return status;
}
