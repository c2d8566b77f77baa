/* SPDX-License-Identifier: MIT
 *
 * An input as a sum: section 7 of the method. */
#include "explain/explanation.h"

#include <string.h>

#define X(name, value, word) +1
enum { N_PARTS = 0 MUCMM_SUMMANDS(X) };
#undef X

struct mucmm_parts {
    mucmm_explanation *e; /* of the common energy, patterns */
    float *mean;          /* [cols] */
    float *difference;    /* [n, cols]: raw input less mean */
    float *of[N_PARTS];   /* [n, cols] */
};

void mucmm_parts_params_init_sized(mucmm_parts_params *p, size_t size)
{
    const mucmm_parts_params defaults = {.representation = MUCMM_HEADS};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

const char *mucmm_summand_text(mucmm_summand part)
{
#define X(name, value, word) word,
    static const char *const words[] = {MUCMM_SUMMANDS(X)};
#undef X
    return (int)part >= 0 && (int)part < (int)N_PARTS ? words[part] : "unknown summand";
}

static mucmm_status parts_alloc(mucmm_ctx *ctx, mucmm_parts *p, int64_t n, int64_t cols)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, cols, sizeof(float), &p->mean));
    TRY(mucmm__alloc(ctx, n * cols, sizeof(float), &p->difference));
    for (int i = 0; i < N_PARTS; i++)
        TRY(mucmm__alloc(ctx, n * cols, sizeof(float), &p->of[i]));
done:
    return status;
}

/* The mean, from the first row and its difference. */
static mucmm_status find_mean(mucmm_ctx *ctx, mucmm_parts *p)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__samples *s = &p->e->s;
    const double *origin = s->m->view[s->view].origin;

    if (s->n == 0)
        return MUCMM_OK;
    if (s->m->view[s->view].adjust && !s->encoded) { /* of rows without their covariates' effect */
        for (int64_t j = 0; j < s->cols; j++)
            p->mean[j] = (float)(s->m->view[s->view].mean[j] + (origin ? origin[j] : 0));
        return MUCMM_OK;
    }
    TRY(mucmm_data_read_raw(ctx, s->data[s->view], s->rows, 1,
                            &(mucmm_mat){p->mean, 1, s->cols, s->cols}));
    for (int64_t j = 0; j < s->cols; j++)
        p->mean[j] -= p->difference[j];
done:
    return status;
}

mucmm_status mucmm_parts_create(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                int32_t n_views, int32_t view, const int64_t *rows, int64_t n,
                                const mucmm_parts_params *params, mucmm_parts **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_parts *p = NULL;
    mucmm_parts_params own;
    mucmm_explain_params asked;
    int64_t cols;

    *out = NULL;
    mucmm_parts_params_init(&own);
    TRY(mucmm__params_take(ctx, "mucmm_parts_params", params, &own, sizeof own));
    mucmm_explain_params_init(&asked);
    asked.score = MUCMM_SCORE_COMMON_ENERGY;
    asked.map = MUCMM_MAP_PATTERN;
    asked.baseline = MUCMM_BASELINE_MEAN;
    asked.representation = own.representation;
    asked.training = own.training;
    TRY(mucmm__alloc(ctx, 1, sizeof *p, &p));
    TRY(mucmm_explanation_create(ctx, m, views, n_views, view, rows, n, &asked, &p->e));
    cols = p->e->s.cols;
    TRY(parts_alloc(ctx, p, n, cols));
    TRY(mucmm_explanation_differences(ctx, p->e, &(mucmm_mat){p->difference, n, cols, cols}));
    TRY(mucmm_explanation_maps(ctx, p->e,
                               &(mucmm_mat){p->of[MUCMM_SUMMAND_COMMON], n, cols, cols}));
    asked.score = MUCMM_SCORE_INDIVIDUAL;
    if (mucmm_model_individual(m, view) > 0)
        TRY(mucmm_explain(ctx, m, views, n_views, view, rows, n, &asked,
                          &(mucmm_mat){p->of[MUCMM_SUMMAND_INDIVIDUAL], n, cols, cols}, NULL));
    for (int64_t i = 0; i < n * cols; i++)
        p->of[MUCMM_SUMMAND_REST][i] =
            p->difference[i] - p->of[MUCMM_SUMMAND_COMMON][i] - p->of[MUCMM_SUMMAND_INDIVIDUAL][i];
    TRY(find_mean(ctx, p));
    *out = p;
    p = NULL;
done:
    mucmm_parts_free(p);
    return status;
}

void mucmm_parts_free(mucmm_parts *p)
{
    if (!p)
        return;
    mucmm_explanation_free(p->e);
    mucmm__free(p->mean);
    mucmm__free(p->difference);
    for (int i = 0; i < N_PARTS; i++)
        mucmm__free(p->of[i]);
    mucmm__free(p);
}

const mucmm_explanation *mucmm_parts_explanation(const mucmm_parts *p)
{
    return p->e;
}

const float *mucmm_parts_mean(const mucmm_parts *p)
{
    return p->mean;
}

static mucmm_cmat as_rows(const mucmm_parts *p, const float *values)
{
    return (mucmm_cmat){values, p->e->s.n, p->e->s.cols, p->e->s.cols};
}

mucmm_cmat mucmm_parts_difference(const mucmm_parts *p)
{
    return as_rows(p, p->difference);
}

mucmm_cmat mucmm_parts_values(const mucmm_parts *p, mucmm_summand part)
{
    return (int)part >= 0 && (int)part < (int)N_PARTS ? as_rows(p, p->of[part])
                                                      : (mucmm_cmat){NULL, 0, 0, 0};
}
