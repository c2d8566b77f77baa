/* SPDX-License-Identifier: MIT
 *
 * Null-calibrated maps. Common scores: models of permuted pairs. Individual scores: the regression
 * of the inputs on u, whose rows are permuted against them. */
#include "explain/null_maps.h"

#include "encode/layout.h"
#include "explain/explanation.h"
#include "explain/faults.h"
#include "explain/local_sums.h"
#include "explain/maps.h"
#include "explain/null_regression.h"
#include "explain/other_models.h"
#include "explain/p_values.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

mucmm_status mucmm__null_maps(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s,
                              float *maps)
{
    mucmm_status status = MUCMM_OK;

    if (mucmm__is_individual(s->p->score))
        return mucmm__null_regression(ctx, null, s, maps, NULL);
    TRY(mucmm__samples_maps(ctx, s, maps, NULL));
    TRY(mucmm__other_maps(ctx, s, (const mucmm_model *const *)null->model, null->models,
                          "maps of null models", maps + s->n * s->cols));
done:
    return status;
}

/* Behind a network a picture of a map shows local sums, and they are what is tested: sd of their
 * Gaussian, in pixels; 0: none. */
static double local_sd(const mucmm__samples *s, mucmm__layout *l)
{
    const mucmm_data *d = s->data[s->view];

    *l = mucmm__layout_of_data(d);
    if (!mucmm_data_description(d) || l->kind != MUCMM__LAYOUT_PICTURE ||
        !mucmm__is_measured(s->p->map))
        return 0;
    return (double)(l->height > l->width ? l->height : l->width) / MUCMM__LOCAL_PART;
}

/* t [1 + models, units]: the sums over units of the maps of sample i, of all models, local ones
 * where these are shown. */
static mucmm_status sample_sums(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s,
                                const mucmm__units *units, const float *maps, int64_t i, double *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__layout l;
    double sd = local_sd(s, &l);
    float *cells = NULL;

    for (int64_t b = 0; b <= null->models; b++)
        mucmm__unit_sums(units, maps + (b * s->n + i) * s->cols, t + b * units->n);
    if (sd == 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, units->n, sizeof *cells, &cells));
    for (int64_t b = 0; b <= null->models; b++) {
        double *of = t + b * units->n;
        for (int64_t j = 0; j < units->n; j++)
            cells[j] = (float)of[j];
        TRY(mucmm__local_sums(ctx, l.height, l.width, sd, cells));
        for (int64_t j = 0; j < units->n; j++)
            of[j] = (double)cells[j];
    }
done:
    mucmm__free(cells);
    return status;
}

/* In place: sums over units -> what is compared: sizes, or shares of the map. A pattern of a common
 * score is the part of the input that the other views tell, and small where they tell nothing. The
 * other maps are filters: common variates have variance 1 in every model, also where there is
 * nothing to find, and what size their weights need for that depends on the variance of the cells
 * they stand on. */
static void to_statistic(double *t, int64_t n, bool share)
{
    double sum = 0;

    for (int64_t j = 0; j < n; j++)
        sum += t[j] * t[j];
    for (int64_t j = 0; j < n; j++)
        t[j] = !share ? fabs(t[j]) : sum > 0 ? fabs(t[j]) / sqrt(sum) : 0;
}

/* p-values of sample i, from the maps of all models. */
static mucmm_status sample_p_values(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s,
                                    const mucmm__units *units, const float *maps, int64_t i,
                                    mucmm_p_kind kind, double *t, const double *least, double *p,
                                    float *out)
{
    mucmm_status status = MUCMM_OK;
    bool share = !mucmm__is_individual(s->p->score) && s->p->map != MUCMM_MAP_PATTERN;

    for (int64_t b = 0; b <= null->models; b++)
        if (mucmm__state_of_map(maps + (b * s->n + i) * s->cols, s->cols) == MUCMM__MAP_NONE) {
            for (int64_t j = 0; j < s->cols; j++)
                out[j] = NAN;
            return MUCMM_OK;
        }
    TRY(sample_sums(ctx, null, s, units, maps, i, t));
    for (int64_t b = 0; b <= null->models; b++)
        to_statistic(t + b * units->n, units->n, share);
    TRY(mucmm__p_values(ctx, t, null->models, units->n, kind, p));
    for (int64_t j = 0; j < s->cols; j++)
        out[j] = (float)fmax(p[mucmm__unit(units, j)], least[mucmm__unit(units, j)]);
done:
    return status;
}

/* maps as mucmm__null_maps; least [units]: no p-value is below. */
static mucmm_status maps_and_least(mucmm_ctx *ctx, const mucmm_null *null, const mucmm__samples *s,
                                   const mucmm__units *units, float *maps, double *least)
{
    mucmm_status status = MUCMM_OK;
    mucmm__explained e = {0};

    if (!mucmm__is_individual(s->p->score))
        return mucmm__null_maps(ctx, null, s, maps);
    TRY(mucmm__alloc(ctx, 3 * s->cols, sizeof *e.variance, &e.variance));
    e.by_c = e.variance + s->cols;
    e.by_u = e.by_c + s->cols;
    TRY(mucmm__null_regression(ctx, null, s, maps, &e));
    TRY(mucmm__explained_p_values(ctx, null, s, units, &e, least));
done:
    mucmm__free(e.variance);
    return status;
}

mucmm_status mucmm__explanation_p_values(mucmm_ctx *ctx, const mucmm_explanation *e,
                                         const mucmm_null *null, mucmm_p_kind kind,
                                         const mucmm_mat *p_values)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = &e->s;
    mucmm__units units = mucmm__units_of(s->data[s->view]);
    float *maps = NULL;
    double *t = NULL, *own = NULL, *least = NULL;

    if (kind != MUCMM_P_POOLED && kind != MUCMM_P_EXACT)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no kind %d of p-values", (int)kind);
    TRY(mucmm__null_check(ctx, null, s));
    TRY(mucmm__explanation_fits(ctx, e, "p_values", p_values->rows, p_values->cols,
                                p_values->stride));
    TRY(mucmm__alloc(ctx, (1 + null->models) * s->n * s->cols, sizeof *maps, &maps));
    TRY(mucmm__alloc(ctx, (1 + null->models) * units.n, sizeof *t, &t));
    TRY(mucmm__alloc(ctx, units.n, sizeof *own, &own));
    TRY(mucmm__alloc(ctx, units.n, sizeof *least, &least));
    TRY(maps_and_least(ctx, null, s, &units, maps, least));
    for (int64_t i = 0; i < s->n; i++)
        TRY(sample_p_values(ctx, null, s, &units, maps, i, kind, t, least, own,
                            p_values->data + i * p_values->stride));
done:
    mucmm__free(maps);
    mucmm__free(t);
    mucmm__free(own);
    mucmm__free(least);
    return status;
}

mucmm_status mucmm_explanation_p_values(mucmm_ctx *ctx, const mucmm_explanation *e,
                                        const mucmm_null *null, mucmm_p_kind kind,
                                        const mucmm_mat *p_values)
{
    mucmm_status status = MUCMM_OK;
    char what[96];

    TRY(mucmm__explanation_p_values(ctx, e, null, kind, p_values));
    snprintf(what, sizeof what, "view '%s'", e->m->view[e->s.view].name);
    TRY(mucmm__warn_fitted(ctx, e->m, what, e->s.data, e->s.rows, e->s.n));
done:
    return status;
}
