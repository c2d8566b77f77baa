/* SPDX-License-Identifier: MIT
 *
 * What the files of cross-fitting share: a model without some folds, and what it says of all rows.
 */
#include "model/cross_work.h"

#include "model/fit_adjust.h"
#include "model/represent.h"

static void part_drop(mucmm__cross_part *p)
{
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(p->ref[m]);
        mucmm__free(p->refu[m]);
        mucmm__free(p->c[m]);
        mucmm__free(p->u[m]);
        mucmm__free(p->less[m]);
    }
    mucmm__free(p->split_p);
    mucmm__free(p->variance);
    mucmm__cross_result_free(p->result);
}

void mucmm__cross_drop(mucmm__cross *x)
{
    if (!x)
        return;
    part_drop(&x->part[0]);
    part_drop(&x->part[1]);
    mucmm__free(x->rows);
    mucmm__free(x->group);
    mucmm__free(x->begin);
    mucmm__free(x->order);
    mucmm__free(x->perm);
    mucmm__free(x);
}

const mucmm__solution *mucmm__cross_solution(const mucmm_model *m, int which)
{
    return which ? &m->heads : &m->linear;
}

/* Are n rows enough for the closed form of so many columns that p asks for? */
bool mucmm__cross_enough_rows(const mucmm_fit_params *p, double ridge, int64_t n, int64_t widest)
{
    int64_t k = p->common == MUCMM_AUTO ? 1 : p->common;
    int64_t q = p->individual == MUCMM_AUTO ? 0 : p->individual;

    q = q < widest - k ? q : widest - k; /* no view has more */
    return n > k + q + 2 && (ridge != 0 || n > widest + 1);
}

/* Variates c [n, k] and u [n, q] (either may be NULL) of every row, by a model. */
mucmm_status mucmm__cross_all_variates(mucmm_ctx *ctx, const mucmm_data *const *data,
                                       const mucmm__cross *x, const mucmm_model *model, int which,
                                       float *const *c, float *const *u)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < x->n_views; m++)
        TRY(mucmm__represent(ctx, model, mucmm__cross_solution(model, which), m, data[m], x->rows,
                             x->n, c ? c[m] : NULL, u ? u[m] : NULL));
done:
    return status;
}

/* Of the model's dimensions, but fitted on whatever rows are given. */
void mucmm__cross_fold_params(const mucmm__fit *f, const mucmm_model *model, mucmm_fit_params *p)
{
    *p = *f->p;
    p->common = model->k;
    p->individual = model->heads.rho ? f->p->individual : 0; /* each view has that of the model */
    p->ridge = f->ridge_asked;
    p->bootstrap = 0;
    p->checkpoint = NULL;
    p->adjust = NULL; /* the rows that they are given are adjusted, and robust */
    p->robust = MUCMM_ROBUST_NONE;
}

void mucmm__cross_fold_drop(mucmm__cross_fold *fold)
{
    mucmm_model_free(fold->model);
    mucmm__free(fold->trained);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++)
        if (fold->adjusted[m].d > 0)
            mucmm__adjusted_again_drop(&fold->adjusted[m]);
}

/* fold->data: without the covariates, by rows[0..n). */
static mucmm_status fold_data(mucmm_ctx *own, const mucmm__cross_repeat *t, const int64_t *rows,
                              mucmm__cross_fold *fold)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t m = 0; m < t->x->n_views; m++) {
        fold->data[m] = t->f->data[m];
        if (t->f->adjusted[m].d == 0)
            continue;
        TRY(mucmm__fit_adjust_again(own, t->f, m, rows, fold->n, &fold->adjusted[m]));
        fold->data[m] = fold->adjusted[m].data;
    }
done:
    return status;
}

mucmm_status mucmm__cross_fit_without(mucmm_ctx *own, const mucmm__cross_repeat *t, int64_t a,
                                      int64_t b, mucmm__cross_fold *fold)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__cross *x = t->x;
    mucmm_view view[MUCMM_MAX_VIEWS];
    int64_t *rows = NULL;

    TRY(mucmm__alloc(own, x->n, sizeof *rows, &rows));
    TRY(mucmm__alloc(own, x->n, sizeof *fold->trained, &fold->trained));
    for (int64_t g = 0; g < x->folds; g++)
        for (int64_t i = x->cut[g]; i < x->cut[g + 1]; i++)
            if (g != a && g != b) {
                rows[fold->n] = x->rows[x->perm[i]];
                fold->trained[fold->n++] = x->perm[i];
            }
    TRY(fold_data(own, t, rows, fold));
    for (int32_t m = 0; m < x->n_views; m++)
        view[m] = (mucmm_view){t->view[m].name, fold->data[m]};
    TRY(t->f->inner(own, view, x->n_views, a == b ? t->p : t->p_less,
                    &(mucmm__given){.rows = rows, .n = fold->n, .like = t->model}, &fold->model));
done:
    mucmm__free(rows);
    return status;
}
