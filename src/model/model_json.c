/* SPDX-License-Identifier: MIT
 *
 * Everything of a model but its tensors, as JSON text and back. */
#include "model/model_json.h"

#include "encode/encode.h"
#include "model/stability.h"
#include "model/summary.h"
#include "model/trainer.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *stage_name(int32_t stage, char out[32])
{
    if (stage == MUCMM__STAGE_SKIP)
        return strcpy(out, "common-from-closed-form");
    if (stage == MUCMM__STAGE_SCRATCH)
        return strcpy(out, "common-from-scratch");
    if (stage == MUCMM__STAGE_INDIVIDUAL)
        return strcpy(out, "individual");
    if (stage < MUCMM__STAGE_LATER)
        snprintf(out, 32, "common-restart-%d", stage - MUCMM__STAGE_RESTART + 1);
    else if (stage < MUCMM__STAGE_INDIVIDUAL)
        snprintf(out, 32, "common-%d", stage - MUCMM__STAGE_LATER + 2);
    else
        snprintf(out, 32, "individual-%d", stage - MUCMM__STAGE_TUNED + 2);
    return out;
}

/* ---- writing ----------------------------------------------------------------------- */

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *numbers(const double *x, int64_t n)
{
    json_t *a = json_array();

    for (int64_t i = 0; i < n; i++)
        json_array_append_new(a, number(x[i]));
    return a;
}

/* What summaries of more than two views have besides. */
enum { N_SHARING = 3 };
static const char *const sharing_keys[N_SHARING] = {"pair_correlations", "pair_p_values",
                                                    "carried"};

static double *sharing_field(const mucmm_summary *s, int i)
{
    return i == 0 ? s->pair_correlations : i == 1 ? s->pair_p_values : s->carried;
}

static int64_t sharing_size(const mucmm_summary *s, int i)
{
    return s->components * s->views * (i < 2 ? s->views : 1);
}

static json_t *summary_json(const mucmm_summary *s)
{
    json_t *o = json_object();

    json_object_set_new(o, "rows", json_integer(s->rows));
    json_object_set_new(o, "correlations", numbers(s->correlations, s->components));
    json_object_set_new(o, "p_values", numbers(s->p_values, s->components));
    json_object_set_new(o, "significant", json_integer(s->significant));
    json_object_set_new(o, "total_correlation", number(s->total_correlation));
    json_object_set_new(o, "common_share", numbers(s->common_share, s->views));
    json_object_set_new(o, "individual_share", numbers(s->individual_share, s->views));
    json_object_set_new(o, "rest_share", numbers(s->rest_share, s->views));
    json_object_set_new(o, "leakage_linear", numbers(s->leakage_linear, s->views));
    json_object_set_new(o, "leakage_kernel", numbers(s->leakage_kernel, s->views));
    json_object_set_new(o, "leakage_individual",
                        numbers(s->leakage_individual, s->views * s->views));
    json_object_set_new(o, "leakage_linear_chance", numbers(s->leakage_linear_chance, s->views));
    json_object_set_new(o, "leakage_linear_p", numbers(s->leakage_linear_p, s->views));
    json_object_set_new(o, "leakage_kernel_p", numbers(s->leakage_kernel_p, s->views));
    json_object_set_new(o, "leakage_individual_chance",
                        numbers(s->leakage_individual_chance, s->views * s->views));
    json_object_set_new(o, "leakage_individual_p",
                        numbers(s->leakage_individual_p, s->views * s->views));
    json_object_set_new(o, "leakage_permutations", json_integer(s->leakage_permutations));
    json_object_set_new(o, "retrieval_1", numbers(s->retrieval_1, s->views * s->views));
    json_object_set_new(o, "retrieval_10", numbers(s->retrieval_10, s->views * s->views));
    for (int i = 0; i < N_SHARING && s->carried; i++)
        json_object_set_new(o, sharing_keys[i], numbers(sharing_field(s, i), sharing_size(s, i)));
    return o;
}

static const char *const stability_keys[MUCMM__STABILITY_FIELDS] = {
    "similarity",      "similarity_low",   "subspace", "correlations",
    "correlation_low", "correlation_high", "averaged"};

static json_t *stability_json(mucmm_stability *s)
{
    json_t *o = json_object();

    json_object_set_new(o, "compared", json_integer(s->compared));
    for (int i = 0; i < MUCMM__STABILITY_FIELDS; i++)
        json_object_set_new(o, stability_keys[i],
                            numbers(*mucmm__stability_field(s, i), s->components));
    return o;
}

static json_t *net_json(const mucmm__mlp *net)
{
    json_t *o = json_object(), *hidden = json_array();

    for (int32_t i = 0; i + 1 < net->n_layers; i++)
        json_array_append_new(hidden, json_integer(net->layers[i].out));
    json_object_set_new(o, "inputs", json_integer(net->in));
    json_object_set_new(o, "outputs", json_integer(net->out));
    json_object_set_new(o, "deep", json_boolean(net->n_layers > 0));
    json_object_set_new(o, "skip", json_boolean(net->skip >= 0));
    json_object_set_new(o, "hidden", hidden);
    return o;
}

static json_t *later_json(const mucmm__view_heads *v)
{
    json_t *a = json_array();

    for (int32_t t = 0; t < v->n_later; t++) {
        json_t *o = json_object();
        json_object_set_new(o, "head", net_json(&v->later[t].head.net));
        json_object_set_new(o, "products_of", json_integer(v->later[t].psi.pairs));
        json_object_set_new(o, "cosines", json_integer(v->later[t].psi.waves));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *representation_json(const mucmm_model *m, const mucmm__solution *r)
{
    json_t *o = json_object(), *views = json_array();

    for (int32_t i = 0; i < m->n_views; i++) {
        json_t *v = json_object();
        json_object_set_new(v, "common", net_json(&r->view[i].common.net));
        json_object_set_new(v, "individual", net_json(&r->view[i].individual.net));
        json_object_set_new(v, "mix", json_boolean(r->view[i].mix != NULL));
        json_object_set_new(v, "later", later_json(&r->view[i]));
        json_array_append_new(views, v);
    }
    json_object_set_new(o, "views", views);
    json_object_set_new(o, "harmonic", numbers(r->harmonic, m->k));
    json_object_set_new(o, "joint", json_boolean(r->joint.mean != NULL));
    json_object_set_new(o, "train", summary_json(r->summary[MUCMM_ROWS_TRAIN]));
    json_object_set_new(o, "held_out", summary_json(r->summary[MUCMM_ROWS_HELD_OUT]));
    if (r->stability)
        json_object_set_new(o, "stability", stability_json(r->stability));
    return o;
}

static json_t *count_or_auto(int64_t count)
{
    return count == MUCMM_AUTO ? json_string("auto") : json_integer(count);
}

static const char *const head_names[] = {"linear", "mlp", "auto"}; /* by mucmm_head_kind */

static json_t *params_json(const mucmm_fit_params *p)
{
    json_t *o = json_object(), *hidden = json_array();

    for (int32_t i = 0; i < p->n_hidden; i++)
        json_array_append_new(hidden, json_integer(p->hidden[i]));
    json_object_set_new(o, "head", json_string(head_names[p->head]));
    json_object_set_new(o, "scale",
                        json_string(p->scaling == MUCMM_SCALE_COLUMN ? "column" : "view"));
    json_object_set_new(o, "common", count_or_auto(p->common));
    json_object_set_new(o, "individual", count_or_auto(p->individual));
    json_object_set_new(o, "hidden", hidden);
    json_object_set_new(o, "common_epochs", json_integer(p->common_epochs));
    json_object_set_new(o, "individual_epochs", json_integer(p->individual_epochs));
    json_object_set_new(o, "batch", json_integer(p->batch));
    json_object_set_new(o, "validation", number(p->validation));
    json_object_set_new(o, "seed", json_integer((json_int_t)p->seed));
    json_object_set_new(o, "learning_rate", number(p->learning_rate));
    json_object_set_new(o, "weight_decay", number(p->weight_decay));
    json_object_set_new(o, "input_noise", number(p->input_noise));
    json_object_set_new(o, "alpha", number(p->alpha));
    json_object_set_new(o, "beta", number(p->beta));
    json_object_set_new(o, "stages", json_integer(p->stages));
    if (p->bootstrap > 0)
        json_object_set_new(o, "bootstrap", json_integer(p->bootstrap));
    if (p->restarts > 0)
        json_object_set_new(o, "restarts", json_integer(p->restarts));
    return o;
}

static json_t *history_json(const mucmm_model *m)
{
    json_t *a = json_array();

    for (int64_t i = 0; i < m->n_history; i++) {
        json_t *o = json_object();
        char name[32];
        json_object_set_new(o, "stage", json_string(stage_name(m->history[i].stage, name)));
        json_object_set_new(o, "epoch", json_integer(m->history[i].epoch));
        json_object_set_new(o, "loss", number(m->history[i].loss));
        json_object_set_new(o, "held_out", number(m->history[i].held_out));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *view_json(const mucmm__view_info *v)
{
    json_t *o = json_object(), *shape = json_array();

    for (int32_t i = 0; i < v->rank; i++)
        json_array_append_new(shape, json_integer(v->shape[i]));
    json_object_set_new(o, "name", json_string(v->name));
    json_object_set_new(o, "columns", json_integer(v->p));
    json_object_set_new(o, "individual", json_integer(v->q));
    json_object_set_new(o, "shape", shape);
    json_object_set_new(o, "variance", number(v->variance));
    json_object_set_new(o, "ridge", number(v->ridge));
    json_object_set_new(o, "training_rows", json_integer(v->rows));
    json_object_set_new(o, "covariance", json_boolean(v->covariance != NULL));
    if (v->description)
        json_object_set_new(o, "source", json_loads(v->description, 0, NULL));
    return o;
}

/* The evidence for the numbers of dimensions; an empty object where both were given. */
static json_t *dimensions_json(const mucmm_model *m)
{
    const mucmm__dimensions *d = &m->dimensions;
    json_t *o = json_object(), *views = json_array();

    if (d->candidates > 0) {
        json_t *common = json_object();
        json_object_set_new(common, "found", json_integer(d->common));
        json_object_set_new(common, "level", number(d->level));
        json_object_set_new(common, "correlations", numbers(d->correlations, d->candidates));
        json_object_set_new(common, "null_95", numbers(d->null_95, d->candidates));
        json_object_set_new(common, "p_values", numbers(d->p_values, d->candidates));
        json_object_set_new(o, "common", common);
    }
    for (int32_t i = 0; i < m->n_views; i++)
        if (d->n_errors[i] > 0) {
            json_t *v = json_object();
            json_object_set_new(v, "view", json_string(m->view[i].name));
            json_object_set_new(v, "found", json_integer(d->chosen[i]));
            json_object_set_new(v, "error", numbers(d->error[i], d->n_errors[i]));
            json_array_append_new(views, v);
        }
    if (json_array_size(views) > 0)
        json_object_set(o, "individual", views);
    json_decref(views);
    return o;
}

static json_t *chose_json(const mucmm_model *m)
{
    static const char *const names[] = {"the number of dimensions", "the ridge", "the epoch"};
    json_t *a = json_array();

    for (int i = 0; i < 3; i++)
        if (m->held_out_chose >> i & 1)
            json_array_append_new(a, json_string(names[i]));
    return a;
}

/* The parts for which trained heads were no better than the closed form. */
static json_t *kept_json(const mucmm_model *m)
{
    json_t *a = json_array();

    if (m->heads.rho && m->start < 0)
        json_array_append_new(a, json_string("common"));
    if (m->individual_closed)
        json_array_append_new(a, json_string("individual"));
    return a;
}

mucmm_status mucmm__model_make_json(mucmm_ctx *ctx, mucmm_model *m)
{
    json_t *o = json_object(), *views = json_array();
    mucmm_status status;
    char *text;

    for (int32_t i = 0; i < m->n_views; i++)
        json_array_append_new(views, view_json(&m->view[i]));
    json_object_set_new(o, "common", json_integer(m->k));
    json_object_set_new(o, "training_rows", json_integer(m->rows[MUCMM_ROWS_TRAIN]));
    json_object_set_new(o, "held_out_rows", json_integer(m->rows[MUCMM_ROWS_HELD_OUT]));
    json_object_set_new(o, "ridge",
                        m->ridge == MUCMM_RIDGE_LEDOIT_WOLF ? json_string("lw") : number(m->ridge));
    json_object_set_new(o, "start", json_integer(m->start));
    json_object_set_new(o, "closed_form_kept", kept_json(m));
    json_object_set_new(o, "params", params_json(&m->params));
    json_object_set_new(o, "dimensions", dimensions_json(m));
    json_object_set_new(o, "held_out_chose", chose_json(m));
    json_object_set_new(o, "views", views);
    json_object_set_new(o, "linear", representation_json(m, &m->linear));
    if (m->heads.rho)
        json_object_set_new(o, "heads", representation_json(m, &m->heads));
    json_object_set_new(o, "history", history_json(m));
    text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    json_decref(o);
    if (!text)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: the model's metadata");
    mucmm__free(m->json);
    m->json = NULL;
    status = mucmm__strdup(ctx, text, &m->json);
    free(text);
    return status;
}

/* ---- reading ----------------------------------------------------------------------- */

/* Everything is untrusted: a missing or wrong entry is one clear error. */

static mucmm_status wrong(mucmm_ctx *ctx, const char *key, const char *what)
{
    return mucmm__fail(ctx, MUCMM_EFORMAT, "the model's metadata: '%s' %s", key, what);
}

static mucmm_status get_integer(mucmm_ctx *ctx, const json_t *o, const char *key, int64_t low,
                                int64_t high, int64_t *out)
{
    const json_t *x = json_object_get(o, key);

    if (!json_is_integer(x) || json_integer_value(x) < low || json_integer_value(x) > high)
        return wrong(ctx, key, "is missing or out of range");
    *out = json_integer_value(x);
    return MUCMM_OK;
}

static mucmm_status get_number(mucmm_ctx *ctx, const json_t *o, const char *key, double *out)
{
    const json_t *x = json_object_get(o, key);

    if (!json_is_number(x) && !json_is_null(x))
        return wrong(ctx, key, "is missing or no number");
    *out = json_is_null(x) ? NAN : json_number_value(x);
    return MUCMM_OK;
}

static mucmm_status get_flag(mucmm_ctx *ctx, const json_t *o, const char *key, bool *out)
{
    const json_t *x = json_object_get(o, key);

    if (!json_is_boolean(x))
        return wrong(ctx, key, "is missing or not true or false");
    *out = json_is_true(x);
    return MUCMM_OK;
}

static mucmm_status get_numbers(mucmm_ctx *ctx, const json_t *o, const char *key, int64_t n,
                                double *out)
{
    const json_t *a = json_object_get(o, key);

    if (!json_is_array(a) || (int64_t)json_array_size(a) != n)
        return wrong(ctx, key, "is missing or has another length");
    for (int64_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(a, (size_t)i);
        if (!json_is_number(x) && !json_is_null(x))
            return wrong(ctx, key, "holds something that is no number");
        out[i] = json_is_null(x) ? NAN : json_number_value(x);
    }
    return MUCMM_OK;
}

static mucmm_status read_summary(mucmm_ctx *ctx, const json_t *parent, const char *key, int64_t k,
                                 int64_t views, mucmm_summary **out)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, key);
    mucmm_summary *s = NULL;

    TRY(mucmm__summary_create(ctx, k, views, &s));
    TRY(get_integer(ctx, o, "rows", 0, INT64_MAX, &s->rows));
    TRY(get_integer(ctx, o, "significant", 0, k, &s->significant));
    TRY(get_number(ctx, o, "total_correlation", &s->total_correlation));
    TRY(get_numbers(ctx, o, "correlations", k, s->correlations));
    TRY(get_numbers(ctx, o, "p_values", k, s->p_values));
    TRY(get_numbers(ctx, o, "common_share", views, s->common_share));
    TRY(get_numbers(ctx, o, "individual_share", views, s->individual_share));
    TRY(get_numbers(ctx, o, "rest_share", views, s->rest_share));
    TRY(get_numbers(ctx, o, "leakage_linear", views, s->leakage_linear));
    TRY(get_numbers(ctx, o, "leakage_kernel", views, s->leakage_kernel));
    TRY(get_numbers(ctx, o, "leakage_individual", views * views, s->leakage_individual));
    TRY(get_numbers(ctx, o, "leakage_linear_chance", views, s->leakage_linear_chance));
    TRY(get_numbers(ctx, o, "leakage_linear_p", views, s->leakage_linear_p));
    TRY(get_numbers(ctx, o, "leakage_kernel_p", views, s->leakage_kernel_p));
    TRY(get_numbers(ctx, o, "leakage_individual_chance", views * views,
                    s->leakage_individual_chance));
    TRY(get_numbers(ctx, o, "leakage_individual_p", views * views, s->leakage_individual_p));
    TRY(get_integer(ctx, o, "leakage_permutations", 0, INT64_MAX, &s->leakage_permutations));
    TRY(get_numbers(ctx, o, "retrieval_1", views * views, s->retrieval_1));
    TRY(get_numbers(ctx, o, "retrieval_10", views * views, s->retrieval_10));
    for (int i = 0; i < N_SHARING && s->carried; i++)
        if (json_object_get(o, sharing_keys[i])) /* not in the first files */
            TRY(get_numbers(ctx, o, sharing_keys[i], sharing_size(s, i), sharing_field(s, i)));
    *out = s;
    s = NULL;
done:
    mucmm__summary_free(s);
    return status;
}

static mucmm_status read_stability(mucmm_ctx *ctx, const json_t *o, int64_t k,
                                   mucmm_stability **out)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__stability_create(ctx, k, out));
    TRY(get_integer(ctx, o, "compared", 1, INT32_MAX, &(*out)->compared));
    for (int i = 0; i < MUCMM__STABILITY_FIELDS; i++)
        TRY(get_numbers(ctx, o, stability_keys[i], k, *mucmm__stability_field(*out, i)));
    mucmm__stability_count(*out);
done:
    return status;
}

static mucmm_status read_net(mucmm_ctx *ctx, const json_t *parent, const char *key, int64_t in,
                             int64_t out, mucmm__head *head)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, key), *list = json_object_get(o, "hidden");
    int64_t hidden[MUCMM_MAX_HIDDEN], got;
    bool deep = false, skip = false;
    mucmm__mlp net;

    TRY(get_integer(ctx, o, "inputs", in, in, &got));
    TRY(get_integer(ctx, o, "outputs", out, out, &got));
    TRY(get_flag(ctx, o, "deep", &deep));
    TRY(get_flag(ctx, o, "skip", &skip));
    if (out == 0)
        return mucmm__head_empty(ctx, in, head);
    if (!json_is_array(list) || json_array_size(list) > MUCMM_MAX_HIDDEN || (!deep && !skip))
        return wrong(ctx, key, "describes no network this program knows");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *x = json_array_get(list, i);
        hidden[i] = json_integer_value(x);
        if (!json_is_integer(x) || hidden[i] < 1 || hidden[i] > 1 << 20)
            return wrong(ctx, "hidden", "holds a width out of range");
    }
    TRY(mucmm__mlp_layout(ctx, in, hidden, (int32_t)json_array_size(list), out, deep, skip, &net));
    TRY(mucmm__head_alloc(ctx, &net, head));
done:
    return status;
}

/* The stages after the first; outputs of all of them together: k. */
static mucmm_status read_later(mucmm_ctx *ctx, const json_t *parent, int64_t in, int64_t k,
                               mucmm__view_heads *v)
{
    mucmm_status status = MUCMM_OK;
    const json_t *list = json_object_get(parent, "later");
    int64_t pairs, cosines, out;

    if (json_array_size(list) > MUCMM__LATER)
        return wrong(ctx, "later", "has more stages than this program knows");
    for (size_t t = 0; t < json_array_size(list); t++) {
        const json_t *o = json_array_get(list, t);
        int64_t before = mucmm__common_width(v);
        mucmm__deflated *d = &v->later[v->n_later];
        TRY(get_integer(ctx, json_object_get(o, "head"), "outputs", 1, k - before, &out));
        TRY(get_integer(ctx, o, "products_of", 0, before, &pairs));
        TRY(get_integer(ctx, o, "cosines", 0, 1 << 20, &cosines));
        v->n_later++;
        TRY(read_net(ctx, o, "head", in, out, &d->head));
        TRY(mucmm__psi_alloc(ctx, before, pairs, cosines, &d->psi));
        TRY(mucmm__alloc(ctx, mucmm__psi_width(&d->psi) * out, sizeof *d->weights, &d->weights));
    }
    if (mucmm__common_width(v) != k)
        return wrong(ctx, "later", "does not add up to the common dimensions");
done:
    return status;
}

static mucmm_status read_representation(mucmm_ctx *ctx, mucmm_model *m, const json_t *parent,
                                        const char *key, mucmm__solution *r)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, key), *views = json_object_get(o, "views");

    if (!json_is_array(views) || (int32_t)json_array_size(views) != m->n_views)
        return wrong(ctx, key, "does not describe every view");
    TRY(mucmm__alloc(ctx, m->k, sizeof *r->rho, &r->rho));
    for (int32_t i = 0; i < m->n_views; i++) {
        const json_t *v = json_array_get(views, (size_t)i);
        bool mix = false;
        int64_t first;
        TRY(get_integer(ctx, json_object_get(v, "common"), "outputs", 1, m->k, &first));
        TRY(read_net(ctx, v, "common", m->view[i].p, first, &r->view[i].common));
        TRY(read_later(ctx, v, m->view[i].p, m->k, &r->view[i]));
        TRY(read_net(ctx, v, "individual", m->view[i].p, m->view[i].q, &r->view[i].individual));
        TRY(get_flag(ctx, v, "mix", &mix));
        if (mix)
            TRY(mucmm__alloc(ctx, m->view[i].q * m->k, sizeof(float), &r->view[i].mix));
    }
    if (json_object_get(o, "harmonic")) { /* not in the first files */
        TRY(mucmm__alloc(ctx, m->k, sizeof *r->harmonic, &r->harmonic));
        TRY(get_numbers(ctx, o, "harmonic", m->k, r->harmonic));
    }
    if (json_is_true(json_object_get(o, "joint"))) {
        if (m->k > MUCMM__COVARIANCE_MAX / m->n_views)
            return wrong(ctx, "joint", "is there, but for more variates than are kept");
        TRY(mucmm__joint_alloc(ctx, m->n_views * m->k, &r->joint));
    }
    TRY(read_summary(ctx, o, "train", m->k, m->n_views, &r->summary[MUCMM_ROWS_TRAIN]));
    TRY(read_summary(ctx, o, "held_out", m->k, m->n_views, &r->summary[MUCMM_ROWS_HELD_OUT]));
    for (int part = 0; part < 2; part++)
        mucmm__summary_harmonics(r, r->summary[part]);
    if (json_object_get(o, "stability"))
        TRY(read_stability(ctx, json_object_get(o, "stability"), m->k, &r->stability));
done:
    return status;
}

static mucmm_status get_count_or_auto(mucmm_ctx *ctx, const json_t *o, const char *key, int64_t lo,
                                      int64_t *out)
{
    const char *word = json_string_value(json_object_get(o, key));

    if (!word || strcmp(word, "auto") != 0)
        return get_integer(ctx, o, key, lo, INT64_MAX, out);
    *out = MUCMM_AUTO;
    return MUCMM_OK;
}

static mucmm_status read_params(mucmm_ctx *ctx, const json_t *parent, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, "params"), *list = json_object_get(o, "hidden");
    const char *head = json_string_value(json_object_get(o, "head"));
    const char *scale = json_string_value(json_object_get(o, "scale"));
    int64_t seed = 0;

    mucmm_fit_params_init(p);
    if (!head || !scale || !json_is_array(list) || json_array_size(list) > MUCMM_MAX_HIDDEN)
        return wrong(ctx, "params", "is not whole");
    if (json_object_get(o, "common")) { /* not in the first files */
        TRY(get_count_or_auto(ctx, o, "common", 1, &p->common));
        TRY(get_count_or_auto(ctx, o, "individual", 0, &p->individual));
    }
    p->head = MUCMM_HEAD_LINEAR;
    for (int i = MUCMM_HEAD_LINEAR; i <= MUCMM_HEAD_AUTO; i++)
        p->head = strcmp(head, head_names[i]) == 0 ? (mucmm_head_kind)i : p->head;
    p->scaling = strcmp(scale, "column") == 0 ? MUCMM_SCALE_COLUMN : MUCMM_SCALE_VIEW;
    p->n_hidden = (int32_t)json_array_size(list);
    for (int32_t i = 0; i < p->n_hidden; i++)
        p->hidden[i] = json_integer_value(json_array_get(list, (size_t)i));
    TRY(get_integer(ctx, o, "common_epochs", 0, INT64_MAX, &p->common_epochs));
    TRY(get_integer(ctx, o, "individual_epochs", 0, INT64_MAX, &p->individual_epochs));
    TRY(get_integer(ctx, o, "batch", 0, INT64_MAX, &p->batch));
    TRY(get_integer(ctx, o, "seed", INT64_MIN, INT64_MAX, &seed));
    p->seed = (uint64_t)seed;
    TRY(get_number(ctx, o, "validation", &p->validation));
    TRY(get_number(ctx, o, "learning_rate", &p->learning_rate));
    TRY(get_number(ctx, o, "weight_decay", &p->weight_decay));
    TRY(get_number(ctx, o, "input_noise", &p->input_noise));
    TRY(get_number(ctx, o, "alpha", &p->alpha));
    TRY(get_number(ctx, o, "beta", &p->beta));
    if (json_object_get(o, "stages")) { /* not in the first files */
        int64_t stages;
        TRY(get_integer(ctx, o, "stages", 0, MUCMM__LATER + 1, &stages));
        p->stages = (int32_t)stages;
    }
    if (json_object_get(o, "bootstrap")) { /* only if there was one */
        int64_t bootstrap;
        TRY(get_integer(ctx, o, "bootstrap", 1, MUCMM_MAX_BOOTSTRAP, &bootstrap));
        p->bootstrap = (int32_t)bootstrap;
    }
    if (json_object_get(o, "restarts")) { /* only if there were any */
        int64_t restarts;
        TRY(get_integer(ctx, o, "restarts", 1, MUCMM_MAX_RESTARTS, &restarts));
        p->restarts = (int32_t)restarts;
    }
done:
    return status;
}

static mucmm_status read_view(mucmm_ctx *ctx, const json_t *o, mucmm__view_info *v)
{
    mucmm_status status = MUCMM_OK;
    const json_t *shape = json_object_get(o, "shape");
    const char *name = json_string_value(json_object_get(o, "name"));
    int64_t product = 1;
    bool covariance = false;

    if (!name || strlen(name) > 64 || !json_is_array(shape) || json_array_size(shape) < 1 ||
        json_array_size(shape) > MUCMM_MAX_RANK)
        return wrong(ctx, "views", "holds a view without a name or a shape");
    TRY(mucmm__strdup(ctx, name, &v->name));
    TRY(get_integer(ctx, o, "columns", 1, INT32_MAX, &v->p));
    TRY(get_integer(ctx, o, "individual", 0, v->p, &v->q));
    TRY(get_number(ctx, o, "variance", &v->variance));
    if (json_object_get(o, "ridge")) /* not in the first files */
        TRY(get_number(ctx, o, "ridge", &v->ridge));
    if (json_object_get(o, "training_rows")) /* not in the first files */
        TRY(get_integer(ctx, o, "training_rows", 0, INT64_MAX, &v->rows));
    TRY(get_flag(ctx, o, "covariance", &covariance));
    v->rank = (int32_t)json_array_size(shape);
    for (int32_t i = 0; i < v->rank; i++) {
        v->shape[i] = json_integer_value(json_array_get(shape, (size_t)i));
        if (!mucmm__mul(product, v->shape[i], &product))
            return wrong(ctx, "shape", "is too large");
    }
    if (product != v->p)
        return wrong(ctx, "shape", "does not multiply to the number of columns");
    if (json_is_object(json_object_get(o, "source")))
        TRY(mucmm__json_text(ctx, json_object_get(o, "source"), &v->description));
    TRY(mucmm__alloc(ctx, v->p, sizeof *v->mean, &v->mean));
    TRY(mucmm__alloc(ctx, v->p, sizeof *v->scale, &v->scale));
    if (covariance)
        TRY(mucmm__alloc(ctx, v->p * v->p, sizeof *v->covariance, &v->covariance));
done:
    return status;
}

static mucmm_status read_history(mucmm_ctx *ctx, const json_t *parent, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    const json_t *a = json_object_get(parent, "history");

    if (!json_is_array(a))
        return wrong(ctx, "history", "is missing");
    TRY(mucmm__alloc(ctx, (int64_t)json_array_size(a), sizeof *m->history, &m->history));
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *o = json_array_get(a, i);
        const char *stage = json_string_value(json_object_get(o, "stage"));
        mucmm__epoch *e = &m->history[i];
        for (int32_t s = 0; s < MUCMM__STAGES && stage; s++) {
            char name[32];
            if (strcmp(stage, stage_name(s, name)) == 0)
                e->stage = s;
        }
        TRY(get_integer(ctx, o, "epoch", 0, INT64_MAX, &e->epoch));
        TRY(get_number(ctx, o, "loss", &e->loss));
        TRY(get_number(ctx, o, "held_out", &e->held_out));
        m->n_history++;
    }
done:
    return status;
}

static mucmm_status read_ridge(mucmm_ctx *ctx, const json_t *o, double *ridge)
{
    const char *word = json_string_value(json_object_get(o, "ridge"));

    if (!word || strcmp(word, "lw") != 0)
        return get_number(ctx, o, "ridge", ridge);
    *ridge = MUCMM_RIDGE_LEDOIT_WOLF;
    return MUCMM_OK;
}

mucmm_status mucmm__model_from_json(mucmm_ctx *ctx, const char *text, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    json_error_t error;
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &error), *views;
    int64_t start = 0;

    if (!o)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "the model's metadata: line %d: %s", error.line,
                           error.text);
    views = json_object_get(o, "views");
    if (!json_is_array(views) || json_array_size(views) < 2 ||
        json_array_size(views) > MUCMM_MAX_VIEWS)
        TRY(wrong(ctx, "views", "is missing or has another length"));
    m->n_views = (int32_t)json_array_size(views);
    TRY(get_integer(ctx, o, "common", 1, INT32_MAX, &m->k));
    TRY(get_integer(ctx, o, "training_rows", 0, INT64_MAX, &m->rows[MUCMM_ROWS_TRAIN]));
    TRY(get_integer(ctx, o, "held_out_rows", 0, INT64_MAX, &m->rows[MUCMM_ROWS_HELD_OUT]));
    TRY(read_ridge(ctx, o, &m->ridge));
    TRY(get_integer(ctx, o, "start", -1, MUCMM__STAGE_LATER - 1, &start));
    m->start = (int32_t)start;
    TRY(read_params(ctx, o, &m->params));
    for (int32_t i = 0; i < m->n_views; i++)
        TRY(read_view(ctx, json_array_get(views, (size_t)i), &m->view[i]));
    TRY(read_representation(ctx, m, o, "linear", &m->linear));
    if (json_object_get(o, "heads"))
        TRY(read_representation(ctx, m, o, "heads", &m->heads));
    TRY(read_history(ctx, o, m));
    TRY(mucmm__strdup(ctx, text, &m->json));
done:
    json_decref(o);
    return status;
}
