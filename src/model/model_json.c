/* SPDX-License-Identifier: MIT
 *
 * Everything of a model but its tensors, as JSON text. */
#include "model/model_json.h"

#include "core/json.h"
#include "encode/encode.h"
#include "model/adjust_json.h"
#include "model/cross_fit_json.h"
#include "model/impute.h"
#include "model/model_json_words.h"
#include "model/robust.h"
#include "model/stability.h"
#include "model/summary.h"
#include "model/trainer.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *summary_json(mucmm__json_build *b, const mucmm_summary *s)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "rows", json_integer(s->rows));
    mucmm__json_set(b, o, "correlations", mucmm__json_numbers(b, s->correlations, s->components));
    mucmm__json_set(b, o, "p_values", mucmm__json_numbers(b, s->p_values, s->components));
    mucmm__json_set(b, o, "significant", json_integer(s->significant));
    if (s->permutations > 0)
        mucmm__json_set(b, o, "permutations", json_integer(s->permutations));
    mucmm__json_set(b, o, "total_correlation", mucmm__json_real(s->total_correlation));
    mucmm__json_set(b, o, "common_share", mucmm__json_numbers(b, s->common_share, s->views));
    mucmm__json_set(b, o, "individual_share",
                    mucmm__json_numbers(b, s->individual_share, s->views));
    mucmm__json_set(b, o, "rest_share", mucmm__json_numbers(b, s->rest_share, s->views));
    if (s->significant > 0) {
        mucmm__json_set(b, o, "shared_share", mucmm__json_numbers(b, s->shared_share, s->views));
        mucmm__json_set(b, o, "redundancy", mucmm__json_numbers(b, s->redundancy, s->views));
    }
    mucmm__json_set(b, o, "leakage_linear", mucmm__json_numbers(b, s->leakage_linear, s->views));
    mucmm__json_set(b, o, "leakage_kernel", mucmm__json_numbers(b, s->leakage_kernel, s->views));
    mucmm__json_set(b, o, "leakage_individual",
                    mucmm__json_numbers(b, s->leakage_individual, s->views * s->views));
    mucmm__json_set(b, o, "leakage_linear_chance",
                    mucmm__json_numbers(b, s->leakage_linear_chance, s->views));
    mucmm__json_set(b, o, "leakage_linear_p",
                    mucmm__json_numbers(b, s->leakage_linear_p, s->views));
    mucmm__json_set(b, o, "leakage_kernel_p",
                    mucmm__json_numbers(b, s->leakage_kernel_p, s->views));
    mucmm__json_set(b, o, "leakage_individual_chance",
                    mucmm__json_numbers(b, s->leakage_individual_chance, s->views * s->views));
    mucmm__json_set(b, o, "leakage_individual_p",
                    mucmm__json_numbers(b, s->leakage_individual_p, s->views * s->views));
    mucmm__json_set(b, o, "leakage_permutations", json_integer(s->leakage_permutations));
    mucmm__json_set(b, o, "completeness_linear",
                    mucmm__json_numbers(b, s->completeness_linear, s->views));
    mucmm__json_set(b, o, "completeness_nonlinear",
                    mucmm__json_numbers(b, s->completeness_nonlinear, s->views));
    mucmm__json_set(b, o, "effective_rank", mucmm__json_numbers(b, s->effective_rank, s->views));
    mucmm__json_set(b, o, "retrieval_1",
                    mucmm__json_numbers(b, s->retrieval_1, s->views * s->views));
    mucmm__json_set(b, o, "retrieval_10",
                    mucmm__json_numbers(b, s->retrieval_10, s->views * s->views));
    if (s->groups > 0) {
        mucmm__json_set(b, o, "groups", json_integer(s->groups));
        mucmm__json_set(b, o, "tested_rows", json_integer(s->tested_rows));
    }
    for (int i = 0; i < MUCMM__SHARING && s->carried; i++)
        mucmm__json_set(
            b, o, mucmm__sharing_keys[i],
            mucmm__json_numbers(b, mucmm__sharing_field(s, i), mucmm__sharing_size(s, i)));
    return o;
}

json_t *mucmm__stability_json(mucmm__json_build *b, const mucmm_stability *s)
{
    mucmm_stability of = *s;
    json_t *o = json_object();

    mucmm__json_set(b, o, "compared", json_integer(s->compared));
    for (int i = 0; i < MUCMM__STABILITY_FIELDS; i++)
        mucmm__json_set(b, o, mucmm__stability_keys[i],
                        mucmm__json_numbers(b, *mucmm__stability_field(&of, i), s->components));
    return o;
}

static json_t *net_json(mucmm__json_build *b, const mucmm__mlp *net)
{
    json_t *o = json_object(), *hidden = json_array();

    for (int32_t i = 0; i + 1 < net->n_layers; i++)
        mucmm__json_add(b, hidden, json_integer(net->layers[i].out));
    mucmm__json_set(b, o, "inputs", json_integer(net->in));
    mucmm__json_set(b, o, "outputs", json_integer(net->out));
    mucmm__json_set(b, o, "deep", json_boolean(net->n_layers > 0));
    mucmm__json_set(b, o, "skip", json_boolean(net->skip >= 0));
    mucmm__json_set(b, o, "hidden", hidden);
    return o;
}

static json_t *later_json(mucmm__json_build *b, const mucmm__view_heads *v)
{
    json_t *a = json_array();

    for (int32_t t = 0; t < v->n_later; t++) {
        json_t *o = json_object();
        mucmm__json_set(b, o, "head", net_json(b, &v->later[t].head.net));
        mucmm__json_set(b, o, "products_of", json_integer(v->later[t].psi.pairs));
        mucmm__json_set(b, o, "cosines", json_integer(v->later[t].psi.waves));
        mucmm__json_add(b, a, o);
    }
    return a;
}

static json_t *representation_json(mucmm__json_build *b, const mucmm_model *m,
                                   const mucmm__solution *r)
{
    json_t *o = json_object(), *views = json_array();

    for (int32_t i = 0; i < m->n_views; i++) {
        json_t *v = json_object();
        mucmm__json_set(b, v, "common", net_json(b, &r->view[i].common.net));
        mucmm__json_set(b, v, "individual", net_json(b, &r->view[i].individual.net));
        mucmm__json_set(b, v, "mix", json_boolean(r->view[i].mix != NULL));
        if (r->view[i].transport.out)
            mucmm__json_set(b, v, "transport", net_json(b, &r->view[i].transport.net.net));
        mucmm__json_set(b, v, "later", later_json(b, &r->view[i]));
        mucmm__json_set(b, v, "loadings", json_boolean(r->loadings[i] != NULL));
        if (r->deviations[i])
            mucmm__json_set(b, v, "deviations", json_true());
        if (r->loading_ends[i])
            mucmm__json_set(b, v, "loading_ends", json_true());
        mucmm__json_add(b, views, v);
    }
    mucmm__json_set(b, o, "views", views);
    mucmm__json_set(b, o, "harmonic", mucmm__json_numbers(b, r->harmonic, m->k));
    mucmm__json_set(b, o, "joint", json_boolean(r->joint.mean != NULL));
    if (r->joint.sampled[MUCMM_ROWS_TRAIN] > 0) {
        mucmm__json_set(b, o, "joint_train_rows", json_integer(r->joint.sampled[0]));
        mucmm__json_set(b, o, "joint_held_out_rows", json_integer(r->joint.sampled[1]));
    }
    mucmm__json_set(b, o, "train", summary_json(b, r->summary[MUCMM_ROWS_TRAIN]));
    mucmm__json_set(b, o, "held_out", summary_json(b, r->summary[MUCMM_ROWS_HELD_OUT]));
    if (r->stability)
        mucmm__json_set(b, o, "stability", mucmm__stability_json(b, r->stability));
    return o;
}

static json_t *count_or_auto(int64_t count)
{
    return count == MUCMM_AUTO ? mucmm__json_string("auto") : json_integer(count);
}

json_t *mucmm__fit_params_json(mucmm__json_build *b, const mucmm_fit_params *p)
{
    json_t *o = json_object(), *hidden = json_array();

    for (int32_t i = 0; i < p->n_hidden; i++)
        mucmm__json_add(b, hidden, json_integer(p->hidden[i]));
    mucmm__json_set(b, o, "head", mucmm__json_string(mucmm__head_names[p->head]));
    mucmm__json_set(b, o, "scale", mucmm__json_string(mucmm__scale_names[p->scaling]));
    if (p->robust != MUCMM_ROBUST_NONE)
        mucmm__json_set(b, o, "robust", mucmm__json_string(mucmm__robust_names[p->robust]));
    mucmm__json_set(b, o, "common", count_or_auto(p->common));
    mucmm__json_set(b, o, "individual", count_or_auto(p->individual));
    if (p->n_view_individual > 0) { /* an array that is not put cannot be missed */
        json_t *list = json_array();
        for (int32_t i = 0; i < p->n_view_individual; i++)
            mucmm__json_add(b, list, count_or_auto(p->view_individual[i]));
        mucmm__json_set(b, o, "view_individual", list);
    }
    mucmm__json_set(b, o, "hidden", hidden);
    mucmm__json_set(b, o, "common_epochs", json_integer(p->common_epochs));
    mucmm__json_set(b, o, "individual_epochs", json_integer(p->individual_epochs));
    mucmm__json_set(b, o, "batch", json_integer(p->batch));
    mucmm__json_set(b, o, "validation", mucmm__json_real(p->validation));
    mucmm__json_set(b, o, "seed", json_integer((json_int_t)p->seed));
    mucmm__json_set(b, o, "learning_rate", mucmm__json_real(p->learning_rate));
    mucmm__json_set(b, o, "weight_decay", mucmm__json_real(p->weight_decay));
    mucmm__json_set(b, o, "input_noise", mucmm__json_real(p->input_noise));
    mucmm__json_set(b, o, "independence", mucmm__json_real(p->independence));
    mucmm__json_set(b, o, "stages", json_integer(p->stages));
    if (p->bootstrap > 0)
        mucmm__json_set(b, o, "bootstrap", json_integer(p->bootstrap));
    if (p->restarts > 0)
        mucmm__json_set(b, o, "restarts", json_integer(p->restarts));
    if (p->folds > 0)
        mucmm__json_set(b, o, "folds", json_integer(p->folds));
    if (p->repeats > 0)
        mucmm__json_set(b, o, "repeats", json_integer(p->repeats));
    return o;
}

static json_t *history_json(mucmm__json_build *b, const mucmm_model *m)
{
    json_t *a = json_array();

    for (int64_t i = 0; i < m->n_history; i++) {
        json_t *o = json_object();
        char name[MUCMM_STAGE_TEXT];
        mucmm__json_set(b, o, "stage",
                        mucmm__json_string(mucmm_stage_text(m->history[i].stage, name)));
        mucmm__json_set(b, o, "epoch", json_integer(m->history[i].epoch));
        mucmm__json_set(b, o, "loss", mucmm__json_real(m->history[i].loss));
        mucmm__json_set(b, o, "held_out", mucmm__json_real(m->history[i].held_out));
        mucmm__json_add(b, a, o);
    }
    return a;
}

json_t *mucmm__front_json(mucmm__json_build *b, const mucmm_model *m)
{
    json_t *a = json_array();

    for (int32_t i = 0; i < m->n_front; i++) {
        const mucmm_candidate *at = &m->front[i];
        json_t *o = json_object();
        mucmm__json_set(b, o, "kind", mucmm__json_string(mucmm_candidate_name(at->kind)));
        mucmm__json_set(b, o, "leak", mucmm__json_real(at->leak));
        mucmm__json_set(b, o, "leak_sd", mucmm__json_real(at->leak_sd));
        mucmm__json_set(b, o, "completeness", mucmm__json_real(at->completeness));
        mucmm__json_set(b, o, "chosen", json_boolean(at->chosen));
        mucmm__json_add(b, a, o);
    }
    return a;
}

static json_t *view_json(mucmm__json_build *b, const mucmm__view_info *v)
{
    json_t *o = json_object(), *shape = json_array();

    for (int32_t i = 0; i < v->rank; i++)
        mucmm__json_add(b, shape, json_integer(v->shape[i]));
    mucmm__json_set(b, o, "name", mucmm__json_string(v->name));
    mucmm__json_set(b, o, "columns", json_integer(v->p));
    mucmm__json_set(b, o, "individual", json_integer(v->q));
    mucmm__json_set(b, o, "shape", shape);
    mucmm__json_set(b, o, "variance", mucmm__json_real(v->variance));
    mucmm__json_set(b, o, "ridge", mucmm__json_real(v->ridge));
    mucmm__json_set(b, o, "training_rows", json_integer(v->rows));
    mucmm__json_set(b, o, "covariance", json_boolean(v->covariance != NULL));
    if (v->columns) {
        json_t *names = json_array();
        for (int64_t j = 0; j < v->p; j++)
            mucmm__json_add(b, names, mucmm__json_string(v->columns[j]));
        mucmm__json_set(b, o, "column_names", names);
    }
    if (v->origin)
        mucmm__json_set(b, o, "origin", json_boolean(true));
    if (v->robust)
        mucmm__json_set(b, o, "robust_knots", json_integer(v->robust->knots));
    if (v->imputer) {
        json_t *f = json_object();
        mucmm__json_set(b, f, "factors", json_integer(v->imputer->rank));
        mucmm__json_set(b, f, "rows", json_integer(v->imputer->rows));
        mucmm__json_set(b, f, "empty_cells", json_integer(v->imputer->empty));
        mucmm__json_set(b, f, "r2", mucmm__json_real(v->imputer->r2));
        mucmm__json_set(b, o, "imputer", f);
    }
    return o;
}

json_t *mucmm__dimensions_json(mucmm__json_build *b, const mucmm_model *m)
{
    const mucmm__dimensions *d = &m->dimensions;
    json_t *o = json_object(), *views = json_array();

    if (d->candidates > 0) {
        json_t *common = json_object();
        mucmm__json_set(b, common, "found", json_integer(d->common));
        mucmm__json_set(b, common, "level", mucmm__json_real(d->level));
        if (d->trained_candidates > 0) {
            mucmm__json_set(b, common, "trained", json_integer(d->trained));
            mucmm__json_set(b, common, "trained_candidates", json_integer(d->trained_candidates));
        }
        mucmm__json_set(b, common, "correlations",
                        mucmm__json_numbers(b, d->correlations, d->candidates));
        mucmm__json_set(b, common, "null_95", mucmm__json_numbers(b, d->null_95, d->candidates));
        mucmm__json_set(b, common, "p_values", mucmm__json_numbers(b, d->p_values, d->candidates));
        if (d->standard_errors)
            mucmm__json_set(b, common, "standard_errors",
                            mucmm__json_numbers(b, d->standard_errors, d->candidates));
        mucmm__json_set(b, o, "common", common);
    }
    for (int32_t i = 0; i < m->n_views; i++)
        if (d->n_errors[i] > 0) {
            json_t *v = json_object();
            mucmm__json_set(b, v, "view", mucmm__json_string(m->view[i].name));
            mucmm__json_set(b, v, "found", json_integer(d->chosen[i]));
            mucmm__json_set(b, v, "error", mucmm__json_numbers(b, d->error[i], d->n_errors[i]));
            mucmm__json_add(b, views, v);
        }
    b->failed = b->failed || !views; /* none has no members either */
    if (json_array_size(views) > 0)
        mucmm__json_set(b, o, "individual", json_incref(views));
    json_decref(views);
    return o;
}

json_t *mucmm__chose_json(mucmm__json_build *b, const mucmm_model *m)
{
    json_t *a = json_array();

    for (int i = 0; i < MUCMM__CHOSE; i++)
        if (m->held_out_chose >> i & 1)
            mucmm__json_add(b, a, mucmm__json_string(mucmm__chose_words[i]));
    return a;
}

json_t *mucmm__kept_json(mucmm__json_build *b, const mucmm_model *m)
{
    json_t *a = json_array();

    if (m->heads.rho && m->start < 0)
        mucmm__json_add(b, a, mucmm__json_string(mucmm__part_names[0]));
    if (m->individual_closed)
        mucmm__json_add(b, a, mucmm__json_string(mucmm__part_names[1]));
    return a;
}

static json_t *digest_json(mucmm__json_build *b, const mucmm__digest *d)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "fitted", json_integer(d->fitted));
    mucmm__json_set(b, o, "held_out", json_integer(d->held_out));
    mucmm__json_set(b, o, "keys", json_boolean(d->key != NULL));
    mucmm__json_set(b, o, "counting", json_boolean(d->counting));
    if (d->n_groups > 0)
        mucmm__json_set(b, o, "groups", json_integer(d->n_groups));
    return o;
}

/* The description of a view's rows was checked when it was made. */
static mucmm_status add_sources(mucmm_ctx *ctx, mucmm__json_build *b, const mucmm_model *m,
                                json_t *views)
{
    mucmm_status status = MUCMM_OK;
    json_t *source = NULL;

    for (int32_t i = 0; i < m->n_views; i++) {
        const char *text = m->view[i].description;
        if (!text)
            continue;
        TRY(mucmm__json_parse(ctx, text, strlen(text), NULL, &source));
        mucmm__json_set(b, json_array_get(views, (size_t)i), "source", source);
    }
done:
    return status;
}

static json_t *ridge_json(double ridge)
{
    return ridge == MUCMM_RIDGE_LEDOIT_WOLF ? mucmm__json_string("lw") : mucmm__json_real(ridge);
}

mucmm_status mucmm__model_make_json(mucmm_ctx *ctx, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build build = {0}, *b = &build;
    json_t *o = json_object(), *views = json_array();

    for (int32_t i = 0; i < m->n_views; i++)
        mucmm__json_add(b, views, view_json(b, &m->view[i]));
    mucmm__json_set(b, o, "common", json_integer(m->k));
    mucmm__json_set(b, o, "training_rows", json_integer(m->rows[MUCMM_ROWS_TRAIN]));
    mucmm__json_set(b, o, "held_out_rows", json_integer(m->rows[MUCMM_ROWS_HELD_OUT]));
    mucmm__json_set(b, o, "choosing_rows", json_integer(m->choosing_rows));
    mucmm__json_set(b, o, "ridge", ridge_json(m->ridge));
    if (m->ridge_chosen && !(m->held_out_chose & MUCMM_CHOSE_RIDGE)) /* else those say it */
        mucmm__json_set(b, o, "ridge_chosen", json_true());
    mucmm__json_set(b, o, "start", json_integer(m->start));
    mucmm__json_set(b, o, "closed_form_kept", mucmm__kept_json(b, m));
    mucmm__json_set(b, o, "params", mucmm__fit_params_json(b, &m->params));
    if (m->adjust)
        mucmm__json_set(b, o, "adjustment", mucmm__adjust_json(b, m->adjust));
    mucmm__json_set(b, o, "dimensions", mucmm__dimensions_json(b, m));
    mucmm__json_set(b, o, "held_out_chose", mucmm__chose_json(b, m));
    mucmm__json_set(b, o, "views", json_incref(views));
    mucmm__json_set(b, o, "linear", representation_json(b, m, &m->linear));
    if (m->heads.rho)
        mucmm__json_set(b, o, "heads", representation_json(b, m, &m->heads));
    if (m->n_front > 0)
        mucmm__json_set(b, o, "front", mucmm__front_json(b, m));
    if (m->beyond_linear_p <= 1) /* tested */
        mucmm__json_set(b, o, "beyond_linear_p", mucmm__json_real(m->beyond_linear_p));
    if (m->cross_fit)
        mucmm__json_set(b, o, "cross_fit", mucmm__cross_fit_json(b, m->cross_fit));
    mucmm__json_set(b, o, "history", history_json(b, m));
    if (m->digest.fitted > 0)
        mucmm__json_set(b, o, "digest", digest_json(b, &m->digest));
    TRY(mucmm__json_done(ctx, b, o));
    TRY(add_sources(ctx, b, m, views));
    TRY(mucmm__json_done(ctx, b, o));
    mucmm__free(m->json);
    m->json = NULL;
    TRY(mucmm__json_dump(ctx, o, JSON_INDENT(1) | JSON_REAL_PRECISION(17), &m->json));
done:
    json_decref(views);
    json_decref(o);
    return status;
}
