/* SPDX-License-Identifier: MIT
 *
 * Facts about a model as numbers: of one that was fitted as of one that was loaded. */
#include "model/model_json_words.h"
#include "model/represent.h"
#include "model/trainer.h"

#include <stdio.h>
#include <string.h>

const char *mucmm_kept_text(mucmm_kept kept)
{
    switch (kept) {
    case MUCMM_KEPT_TRAINED:
        return "trained";
    case MUCMM_KEPT_ASKED:
        return "the closed form, as asked for";
    case MUCMM_KEPT_NO_BETTER:
        return "the closed form: trained networks say no more on the choosing rows";
    }
    return NULL;
}

const mucmm_model_facts *mucmm_model_about(const mucmm_model *m)
{
    return &m->facts;
}

void mucmm__model_make_facts(mucmm_model *m)
{
    const mucmm_kept other = m->heads.rho ? MUCMM_KEPT_TRAINED : MUCMM_KEPT_ASKED;
    mucmm_model_facts *f = &m->facts;

    f->common = m->k;
    f->training_rows = m->rows[MUCMM_ROWS_TRAIN];
    f->held_out_rows = m->rows[MUCMM_ROWS_HELD_OUT];
    f->choosing_rows = m->choosing_rows;
    f->ridge = m->ridge;
    f->ridge_chosen = m->ridge_chosen;
    f->common_kept = m->heads.rho && m->start < 0 ? MUCMM_KEPT_NO_BETTER : other;
    f->individual_kept = m->individual_closed ? MUCMM_KEPT_NO_BETTER : other;
    f->held_out_chose = m->held_out_chose;
    f->views = m->n_views;
    f->start = m->start;
    for (int32_t i = 0; i < m->n_views; i++) {
        f->view_ridge[i] = m->view[i].ridge;
        f->view_rows[i] = m->view[i].rows;
        f->view_variance[i] = m->view[i].variance;
        f->view_individual[i] = m->view[i].q;
        f->incomplete = f->incomplete || m->view[i].rows > m->rows[MUCMM_ROWS_TRAIN];
    }
}

/* ---- in words ---------------------------------------------------------------------- */

const char *const mucmm__chose_words[] = {"the number of dimensions", "the ridge", "the epoch"};

const char *mucmm_chose_text(mucmm_chose one)
{
    for (int i = 0; i < MUCMM__CHOSE; i++)
        if ((int)one == 1 << i)
            return mucmm__chose_words[i];
    return NULL;
}

const char *mucmm_model_closed_form_note(const mucmm_model *m, const char *keep, char *out,
                                         size_t size)
{
    const bool common = m->facts.common_kept == MUCMM_KEPT_NO_BETTER;
    const bool individual = m->facts.individual_kept == MUCMM_KEPT_NO_BETTER;
    const char *parts = common && individual ? "common and individual parts are"
                        : common             ? "common part is"
                                             : "individual part is";

    out[0] = '\0';
    if (common || individual)
        snprintf(out, size,
                 "The heads' %s the closed form: on the choosing rows trained networks say no more"
                 "\n(%s keeps them all the same).",
                 parts, keep);
    return out;
}

const char *mucmm_model_held_out_note(const mucmm_model *m, char *out, size_t size)
{
    const char *chose[MUCMM__CHOSE];
    char list[128] = "";
    int n = 0;

    out[0] = '\0';
    for (int i = 0; i < MUCMM__CHOSE; i++)
        if (m->held_out_chose >> i & 1)
            chose[n++] = mucmm__chose_words[i];
    for (int i = 0; i < n; i++) {
        strcat(list, i == 0 ? "" : i + 1 == n ? " and " : ", ");
        strcat(list, chose[i]);
    }
    if (n > 0)
        snprintf(out, size,
                 "The held-out rows also chose %s. For p-values of rows that chose nothing, keep "
                 "some away\nfrom fit and give them to score.",
                 list);
    return out;
}

/* ---- numbers ----------------------------------------------------------------------- */

const mucmm_fit_params *mucmm_model_params(const mucmm_model *m)
{
    return &m->params;
}

const mucmm_cross_fit *mucmm_model_cross_fit(const mucmm_model *m)
{
    return m->cross_fit;
}

const mucmm_dimensions *mucmm_model_dimensions(const mucmm_model *m)
{
    return &m->dimensions;
}

const mucmm_epoch *mucmm_model_history(const mucmm_model *m, int64_t *n)
{
    *n = m->n_history;
    return m->history;
}

const char *mucmm_candidate_name(mucmm_candidate_kind kind)
{
    return (int)kind >= 0 && (int)kind < MUCMM_MAX_CANDIDATES ? mucmm__candidate_names[kind] : NULL;
}

const mucmm_candidate *mucmm_model_front(const mucmm_model *m, int32_t *n)
{
    *n = m->n_front;
    return m->front;
}

const char *mucmm_stage_text(int32_t stage, char out[MUCMM_STAGE_TEXT])
{
    if (stage < 0)
        return strcpy(out, "closed-form");
    if (stage == MUCMM__STAGE_SKIP)
        return strcpy(out, "common-from-closed-form");
    if (stage == MUCMM__STAGE_SCRATCH)
        return strcpy(out, "common-from-scratch");
    if (stage == MUCMM__STAGE_TRANSPORT)
        return strcpy(out, "individual-transport");
    if (stage == MUCMM__STAGE_INDIVIDUAL)
        return strcpy(out, "individual");
    if (stage < MUCMM__STAGE_LATER)
        snprintf(out, MUCMM_STAGE_TEXT, "common-restart-%d", stage - MUCMM__STAGE_RESTART + 1);
    else if (stage < MUCMM__STAGE_TRANSPORT)
        snprintf(out, MUCMM_STAGE_TEXT, "common-%d", stage - MUCMM__STAGE_LATER + 2);
    else /* of models of versions before 0.2 alone */
        snprintf(out, MUCMM_STAGE_TEXT, "individual-%d", stage - MUCMM__STAGE_TUNED + 2);
    return out;
}

const double *mucmm_model_mean(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].mean : NULL;
}

const double *mucmm_model_scale(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].scale : NULL;
}

const float *mucmm_model_covariance(const mucmm_model *m, int32_t view)
{
    return view >= 0 && view < m->n_views ? m->view[view].covariance : NULL;
}

const float *mucmm_model_loadings(const mucmm_model *m, mucmm_representation representation,
                                  int32_t view)
{
    return view >= 0 && view < m->n_views ? mucmm__model_solution(m, representation)->loadings[view]
                                          : NULL;
}

static mucmm_status check_weights(mucmm_ctx *ctx, const char *what, const mucmm_mat *w, int64_t p,
                                  int64_t cols)
{
    if (w && (w->rows != p || w->cols != cols || w->stride < cols))
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s is [%lld, %lld]; it must be [%lld, %lld]", what,
                           (long long)w->rows, (long long)w->cols, (long long)p, (long long)cols);
    return MUCMM_OK;
}

/* w [p, cols]: what stands transposed in a head that is one matrix. */
static void copy_weights(const mucmm__head *head, const mucmm_mat *w)
{
    const float *from = head->params + (head->net.skip < 0 ? 0 : head->net.skip);

    for (int64_t i = 0; i < w->rows; i++)
        for (int64_t j = 0; j < w->cols; j++)
            w->data[i * w->stride + j] = from[j * head->net.in + i];
}

mucmm_status mucmm_model_weights(mucmm_ctx *ctx, const mucmm_model *m, int32_t view,
                                 const mucmm_mat *common, const mucmm_mat *individual)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_heads *v;
    int64_t p, q;

    if (view < 0 || view >= m->n_views)
        return mucmm__fail(ctx, MUCMM_EARG, "view %d is out of range: the model has %d", view,
                           m->n_views);
    v = &m->linear.view[view];
    p = m->view[view].p;
    q = m->view[view].q;
    TRY(check_weights(ctx, "common", common, p, m->k));
    TRY(check_weights(ctx, "individual", individual, p, q));
    if (common)
        copy_weights(&v->common, common);
    if (!individual || q == 0)
        return MUCMM_OK;
    copy_weights(&v->individual, individual);
    for (int64_t i = 0; v->mix && i < p; i++) /* u = individual(h) + mix c */
        for (int64_t j = 0; j < q; j++)
            for (int64_t l = 0; l < m->k; l++)
                individual->data[i * individual->stride + j] +=
                    v->mix[j * m->k + l] *
                    v->common.params[v->common.net.skip + l * v->common.net.in + i];
done:
    return status;
}
