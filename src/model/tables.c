/* SPDX-License-Identifier: MIT
 *
 * Results as csv tables: a row for each component, or for each sample with its variates. */
#include "core/text.h"
#include "model/model.h"
#include "model/summary.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* 97.5 % of a normal distribution lie below it. */

static void put_number(mucmm__text *t, double x)
{
    mucmm__text_add(t, ",", 1);
    mucmm__text_double(t, x);
}

static void put_word(mucmm__text *t, const char *word)
{
    mucmm__text_add(t, ",", 1);
    mucmm__text_cell(t, word);
}

/* ---- components -------------------------------------------------------------------- */

/* What a summary is of. */
typedef struct component_rows {
    const char *rows, *representation;
    const mucmm_summary *s;
    const mucmm_stability *stability; /* or NULL */
    bool fitted;                      /* the rows trained: no interval holds */
} component_rows;

void mucmm__component_interval(const mucmm_model *m, const mucmm_summary *s, bool fitted, int64_t j,
                               double *low, double *high)
{
    const mucmm_cross_fit *cross = m->cross_fit;
    double r = s->correlations[j];

    *low = *high = NAN;
    if (fitted || isnan(r))
        return;
    if (cross && cross->folds > 0 && cross->correlations[j] == r) {
        *low = cross->low[j];
        *high = cross->high[j];
    } else if (!cross && m->n_views == 2 && s->groups == 0 && s->rows > 3 && fabs(r) < 1) {
        double half = MUCMM__NORMAL_975 / sqrt((double)(s->rows - 3));
        *low = tanh(atanh(r) - half);
        *high = tanh(atanh(r) + half);
    }
}

/* "image+words"; of two views both, where the component is significant. */
static void put_carriers(mucmm__text *t, const mucmm_model *m, const mucmm_summary *s, int64_t j)
{
    bool first = true;

    mucmm__text_add(t, ",", 1);
    for (int32_t v = 0; v < m->n_views && !isnan(s->p_values[j]); v++) {
        bool carries = s->carried ? s->carried[j * s->views + v] == 1
                                  : m->n_views == 2 && s->p_values[j] <= MUCMM_SIGNIFICANT;
        if (!carries || s->p_values[j] > MUCMM_SIGNIFICANT)
            continue;
        mucmm__text_format(t, "%s%.64s", first ? "" : "+", m->view[v].name);
        first = false;
    }
}

static void put_component(mucmm__text *t, const mucmm_model *m, const component_rows *of, int64_t j)
{
    const mucmm_summary *s = of->s;
    const mucmm_stability *stable = of->stability;
    bool tested = !isnan(s->p_values[j]);
    double low, high;

    mucmm__component_interval(m, s, of->fitted, j, &low, &high);
    mucmm__text_format(t, "%s,%s,%" PRId64 ",%" PRId64, of->rows, of->representation, s->rows, j);
    put_number(t, s->correlations[j]);
    put_number(t, low);
    put_number(t, high);
    put_number(t, s->p_values[j]);
    put_word(t, !tested ? "" : s->p_values[j] <= MUCMM_SIGNIFICANT ? "yes" : "no");
    put_number(t, s->harmonic[j]);
    put_carriers(t, m, s, j);
    put_number(t, stable ? stable->similarity[j] : NAN);
    put_word(t, !stable ? "" : stable->comes_back[j] ? "yes" : "no");
    mucmm__text_add(t, "\n", 1);
}

static void put_summary(mucmm__text *t, const mucmm_model *m, const component_rows *of)
{
    for (int64_t j = 0; of->s && of->s->rows > 0 && j < of->s->components; j++)
        put_component(t, m, of, j);
}

static void put_header(mucmm__text *t)
{
    mucmm__text_format(t, "rows,representation,n,component,correlation,low,high,p_value,");
    mucmm__text_format(t, "significant,harmonic,carried_by,similarity,comes_back\n");
}

/* Trained heads and the closed form, or this alone. */
static component_rows rows_of(const mucmm_model *m, int32_t representation, const char *rows)
{
    const mucmm_representation r = (mucmm_representation)representation;

    return (component_rows){.rows = rows,
                            .representation = r == MUCMM_HEADS ? "heads" : "linear",
                            .stability = mucmm_model_stability(m, r)};
}

mucmm_status mucmm_model_components_csv(mucmm_ctx *ctx, const mucmm_model *m, char **text)
{
    mucmm__text t = {.ctx = ctx};

    *text = NULL;
    put_header(&t);
    for (int32_t r = m->heads.rho ? MUCMM_HEADS : MUCMM_LINEAR; r <= MUCMM_LINEAR; r++)
        for (int part = MUCMM_ROWS_TRAIN; part <= MUCMM_ROWS_HELD_OUT; part++) {
            component_rows of = rows_of(m, r,
                                        part == MUCMM_ROWS_TRAIN ? "train"
                                        : m->cross_fit           ? "cross-fitted"
                                                                 : "held-out");
            of.s = mucmm_model_summary(m, (mucmm_rows)part, (mucmm_representation)r);
            of.fitted = part == MUCMM_ROWS_TRAIN;
            put_summary(&t, m, &of);
        }
    return mucmm__text_done(&t, text);
}

mucmm_status mucmm_scores_components_csv(mucmm_ctx *ctx, const mucmm_scores *s, char **text)
{
    const mucmm_model *m = mucmm_scores_model(s);
    mucmm__text t = {.ctx = ctx};

    *text = NULL;
    put_header(&t);
    for (int32_t r = m->heads.rho ? MUCMM_HEADS : MUCMM_LINEAR; r <= MUCMM_LINEAR; r++) {
        component_rows of = rows_of(m, r, "new");
        of.s = mucmm_scores_summary(s, (mucmm_representation)r);
        put_summary(&t, m, &of);
        of.rows = "fitted";
        of.fitted = true;
        of.s = mucmm_scores_in_sample(s, (mucmm_representation)r);
        put_summary(&t, m, &of);
    }
    return mucmm__text_done(&t, text);
}

/* ---- variates ---------------------------------------------------------------------- */

/* A column for each variate of a part of a view. */
static void put_names(mucmm__text *t, const char *view, const char *part, mucmm_cmat values)
{
    for (int64_t j = 0; values.data && j < values.cols; j++) {
        mucmm__text_format(t, ",%.64s.%s", view, part);
        mucmm__text_format(t, "%" PRId64, j);
    }
}

static void put_values(mucmm__text *t, mucmm_cmat values, int64_t row)
{
    for (int64_t j = 0; values.data && j < values.cols; j++) {
        mucmm__text_add(t, ",", 1);
        mucmm__text_float(t, values.data[row * values.stride + j]);
    }
}

/* In the order of the columns. */
enum { VARIATE_PARTS = 4 };
static mucmm_cmat variate_part(const mucmm_variates *v, int32_t view, int part)
{
    mucmm_cmat (*const parts[VARIATE_PARTS])(const mucmm_variates *, int32_t) = {
        mucmm_variates_common, mucmm_variates_individual, mucmm_variates_predicted,
        mucmm_variates_sd};

    return parts[part](v, view);
}

mucmm_status mucmm_variates_csv(mucmm_ctx *ctx, const mucmm_variates *v, const mucmm_model *m,
                                const mucmm_views *views, char **text)
{
    static const char *const names[VARIATE_PARTS] = {"common", "individual", "common-predicted",
                                                     "common-sd"};
    mucmm__text t = {.ctx = ctx};

    *text = NULL;
    if (views && mucmm_views_rows(views) != mucmm_variates_rows(v))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "the variates are of %" PRId64 " rows, the views have %" PRId64,
                           mucmm_variates_rows(v), mucmm_views_rows(views));
    mucmm__text_format(&t, "sample");
    for (int32_t i = 0; i < m->n_views; i++)
        for (int p = 0; p < VARIATE_PARTS; p++)
            put_names(&t, m->view[i].name, names[p], variate_part(v, i, p));
    for (int64_t row = 0; row < mucmm_variates_rows(v); row++) {
        const char *name = views ? mucmm_views_sample(views, row, NULL) : NULL;
        mucmm__text_add(&t, "\n", 1);
        if (name)
            mucmm__text_cell(&t, name);
        else
            mucmm__text_format(&t, "%" PRId64, row);
        for (int32_t i = 0; i < m->n_views; i++)
            for (int p = 0; p < VARIATE_PARTS; p++)
                put_values(&t, variate_part(v, i, p), row);
    }
    mucmm__text_add(&t, "\n", 1);
    return mucmm__text_done(&t, text);
}
