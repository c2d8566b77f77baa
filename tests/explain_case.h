/* SPDX-License-Identifier: MIT
 *
 * explain_case.h - explanations that are asked one question, for tests. */
#ifndef MUCMM_TEST_EXPLAIN_CASE_H
#define MUCMM_TEST_EXPLAIN_CASE_H

#include "core/core.h"

/* What an explanation is made of. */
typedef struct explain_case {
    const mucmm_model *m;
    const mucmm_view *views;
    int32_t n_views, view;
    const int64_t *rows;
    int64_t n;
    const mucmm_explain_params *p;
} explain_case;

static inline mucmm_status create_explanation(mucmm_ctx *c, const explain_case *t,
                                              mucmm_explanation **out)
{
    return mucmm_explanation_create(c, t->m, t->views, t->n_views, t->view, t->rows, t->n, t->p,
                                    out);
}

static inline mucmm_status gradient_error_of(mucmm_ctx *c, explain_case t, double *worst)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;

    TRY(create_explanation(c, &t, &e));
    TRY(mucmm_explanation_check_gradient(c, e, worst));
done:
    mucmm_explanation_free(e);
    return status;
}

static inline mucmm_status p_values_of(mucmm_ctx *c, explain_case t, const mucmm_null *null,
                                       mucmm_p_kind kind, const mucmm_mat *p_values)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;

    TRY(create_explanation(c, &t, &e));
    TRY(mucmm_explanation_p_values(c, e, null, kind, p_values));
done:
    mucmm_explanation_free(e);
    return status;
}

static inline mucmm_status map_check_of(mucmm_ctx *c, explain_case t,
                                        const mucmm_map_check_params *params, mucmm_map_check *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;

    TRY(create_explanation(c, &t, &e));
    TRY(mucmm_explanation_check(c, e, params, out));
done:
    mucmm_explanation_free(e);
    return status;
}

/* gaps [n] or NULL, differences [n, cols] or NULL. */
static inline mucmm_status gaps_and_differences_of(mucmm_ctx *c, explain_case t, double *gaps,
                                                   float *differences, int64_t cols)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explanation *e = NULL;

    TRY(create_explanation(c, &t, &e));
    if (gaps)
        TRY(mucmm_explanation_gaps(c, e, gaps));
    if (differences)
        TRY(mucmm_explanation_differences(c, e, &(mucmm_mat){differences, t.n, cols, cols}));
done:
    mucmm_explanation_free(e);
    return status;
}

#endif
