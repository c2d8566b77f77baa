/* SPDX-License-Identifier: MIT
 *
 * A model but for its tensors, from JSON text. Everything is untrusted: a missing or wrong entry
 * is one clear error. */
#include "model/model_json.h"

#include "core/json.h"
#include "encode/encode.h"
#include "model/adjust_json.h"
#include "model/cross_fit_json.h"
#include "model/fit_params.h"
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

/* No number that fit writes is larger, and no model is of more rows. */
#define LARGE 1e100
#define MOST_ROWS ((int64_t)1 << 48)
#define ROUNDING 1e-3

static mucmm_status wrong(mucmm_ctx *ctx, const char *key, const char *what)
{
    return mucmm__fail(ctx, MUCMM_EFORMAT, "the model's metadata: '%s' %s", key, what);
}

/* Memory for `count` numbers that the file has to hold: *room, its bytes, becomes less. So a small
 * file cannot ask for a large memory. */
static mucmm_status claim(mucmm_ctx *ctx, int64_t *room, int64_t count, size_t size)
{
    int64_t bytes;

    if (!mucmm__mul(count, (int64_t)size, &bytes) || bytes > *room)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "the model's metadata speaks of more numbers than the file holds");
    *room -= bytes;
    return MUCMM_OK;
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

static mucmm_status get_range(mucmm_ctx *ctx, const json_t *o, const char *key, double low,
                              double high, double *out)
{
    mucmm_status status = get_number(ctx, o, key, out);

    if (status == MUCMM_OK && !(*out >= low && *out <= high))
        status = wrong(ctx, key, "is out of range");
    return status;
}

static mucmm_status get_flag(mucmm_ctx *ctx, const json_t *o, const char *key, bool *out)
{
    const json_t *x = json_object_get(o, key);

    if (!json_is_boolean(x))
        return wrong(ctx, key, "is missing or not true or false");
    *out = json_is_true(x);
    return MUCMM_OK;
}

/* Of what files need not say: then it is not. */
static mucmm_status get_mark(mucmm_ctx *ctx, const json_t *o, const char *key, bool *out)
{
    *out = false;
    return json_object_get(o, key) ? get_flag(ctx, o, key, out) : MUCMM_OK;
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

/* Numbers from low to high but for rounding; null is what is unknown. */
static mucmm_status get_within(mucmm_ctx *ctx, const json_t *o, const char *key, double low,
                               int64_t n, double *out)
{
    mucmm_status status = get_numbers(ctx, o, key, n, out);

    for (int64_t i = 0; status == MUCMM_OK && i < n; i++)
        if (out[i] < low - ROUNDING || out[i] > 1 + ROUNDING)
            status = wrong(ctx, key,
                           low < 0 ? "holds what is no correlation"
                                   : "holds what is no share or probability");
    return status;
}

/* Not in the first files, of which it is unknown. */
static mucmm_status read_completeness(mucmm_ctx *ctx, const json_t *o, int64_t views,
                                      mucmm_summary *s)
{
    mucmm_status status = MUCMM_OK;

    if (!json_object_get(o, "completeness_linear"))
        return MUCMM_OK;
    TRY(get_numbers(ctx, o, "completeness_linear", views, s->completeness_linear));
    TRY(get_numbers(ctx, o, "completeness_nonlinear", views, s->completeness_nonlinear));
    TRY(get_numbers(ctx, o, "effective_rank", views, s->effective_rank));
done:
    return status;
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
    TRY(get_within(ctx, o, "correlations", -1, k, s->correlations));
    TRY(get_within(ctx, o, "p_values", 0, k, s->p_values));
    TRY(get_numbers(ctx, o, "common_share", views, s->common_share));
    TRY(get_numbers(ctx, o, "individual_share", views, s->individual_share));
    TRY(get_numbers(ctx, o, "rest_share", views, s->rest_share));
    if (json_object_get(o, "shared_share")) { /* where a component is significant */
        TRY(get_numbers(ctx, o, "shared_share", views, s->shared_share));
        TRY(get_numbers(ctx, o, "redundancy", views, s->redundancy));
    }
    TRY(get_numbers(ctx, o, "leakage_linear", views, s->leakage_linear));
    TRY(get_numbers(ctx, o, "leakage_kernel", views, s->leakage_kernel));
    TRY(get_numbers(ctx, o, "leakage_individual", views * views, s->leakage_individual));
    TRY(get_numbers(ctx, o, "leakage_linear_chance", views, s->leakage_linear_chance));
    TRY(get_within(ctx, o, "leakage_linear_p", 0, views, s->leakage_linear_p));
    TRY(get_within(ctx, o, "leakage_kernel_p", 0, views, s->leakage_kernel_p));
    TRY(get_numbers(ctx, o, "leakage_individual_chance", views * views,
                    s->leakage_individual_chance));
    TRY(get_within(ctx, o, "leakage_individual_p", 0, views * views, s->leakage_individual_p));
    TRY(get_integer(ctx, o, "leakage_permutations", 0, INT64_MAX, &s->leakage_permutations));
    TRY(read_completeness(ctx, o, views, s));
    TRY(get_within(ctx, o, "retrieval_1", 0, views * views, s->retrieval_1));
    TRY(get_within(ctx, o, "retrieval_10", 0, views * views, s->retrieval_10));
    if (json_object_get(o, "permutations")) /* not in earlier versions */
        TRY(get_integer(ctx, o, "permutations", 0, INT64_MAX - 1, &s->permutations));
    if (json_object_get(o, "groups")) { /* where there are any */
        TRY(get_integer(ctx, o, "groups", 1, s->rows, &s->groups));
        TRY(get_integer(ctx, o, "tested_rows", 0, s->rows, &s->tested_rows));
    }
    for (int i = 0; i < MUCMM__SHARING && s->carried; i++)
        if (json_object_get(o, mucmm__sharing_keys[i])) /* not in the first files */
            TRY(get_numbers(ctx, o, mucmm__sharing_keys[i], mucmm__sharing_size(s, i),
                            mucmm__sharing_field(s, i)));
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
        TRY(get_numbers(ctx, o, mucmm__stability_keys[i], k, *mucmm__stability_field(*out, i)));
    mucmm__stability_count(*out);
done:
    return status;
}

/* What a file holds of a network: its parameters but for those of the BatchNorms, which are folded,
 * and the offsets. */
static int64_t stored_numbers(const mucmm__mlp *net)
{
    int64_t n = net->n_params + net->out;

    for (int32_t i = 0; i + 1 < net->n_layers; i++)
        n -= 2 * net->layers[i].out;
    return n;
}

static mucmm_status read_net(mucmm_ctx *ctx, const json_t *parent, const char *key, int64_t in,
                             int64_t out, int64_t *room, mucmm__head *head)
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
    TRY(claim(ctx, room, stored_numbers(&net), sizeof *head->params));
    TRY(mucmm__head_alloc(ctx, &net, head));
done:
    return status;
}

/* The stages after the first; outputs of all of them together: k. */
static mucmm_status read_later(mucmm_ctx *ctx, const json_t *parent, int64_t in, int64_t k,
                               int64_t *room, mucmm__view_heads *v)
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
        TRY(read_net(ctx, o, "head", in, out, room, &d->head));
        TRY(claim(ctx, room, before * cosines, sizeof *d->psi.omega));
        TRY(mucmm__psi_alloc(ctx, before, pairs, cosines, &d->psi));
        TRY(claim(ctx, room, mucmm__psi_width(&d->psi), (size_t)out * sizeof *d->weights));
        TRY(mucmm__alloc(ctx, mucmm__psi_width(&d->psi) * out, sizeof *d->weights, &d->weights));
    }
    if (mucmm__common_width(v) != k)
        return wrong(ctx, "later", "does not add up to the common dimensions");
done:
    return status;
}

/* The transport of view i's residual. */
static mucmm_status read_transport(mucmm_ctx *ctx, const json_t *parent, const mucmm_model *m,
                                   int32_t i, int64_t *room, mucmm__transport *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = m->view[i].p, q = m->view[i].q;
    mucmm__mlp residual;

    if (q < 1)
        return wrong(ctx, "transport", "is there, but no individual dimensions");
    TRY(mucmm__mlp_layout(ctx, p, NULL, 0, q, false, true, &residual));
    TRY(claim(ctx, room, residual.n_params, sizeof(float)));
    TRY(mucmm__head_alloc(ctx, &residual, &t->residual));
    TRY(claim(ctx, room, q * (m->k + q), sizeof(float)));
    TRY(mucmm__transport_alloc(ctx, q, m->k, t));
    TRY(read_net(ctx, parent, "transport", m->k, mucmm__transport_width(q), room, &t->net));
done:
    return status;
}

/* Covariances of the columns with the variates, the deviations of both, which make them
 * correlations, and the ends of these. Not in the first files; none is without those before it. */
static mucmm_status read_loadings(mucmm_ctx *ctx, const json_t *o, const mucmm_model *m, int32_t i,
                                  int64_t *room, mucmm__solution *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t p = m->view[i].p, w = m->k + m->view[i].q;
    bool loadings, deviations, ends;

    TRY(get_mark(ctx, o, "loadings", &loadings));
    TRY(get_mark(ctx, o, "deviations", &deviations));
    TRY(get_mark(ctx, o, "loading_ends", &ends));
    if (deviations && !loadings)
        return wrong(ctx, "deviations", "are there, but no loadings");
    if (ends && !deviations)
        return wrong(ctx, "loading_ends", "are there, but no deviations");
    if (loadings) {
        TRY(claim(ctx, room, p, (size_t)w * sizeof(float)));
        TRY(mucmm__alloc(ctx, p * w, sizeof(float), &r->loadings[i]));
    }
    if (deviations) {
        TRY(claim(ctx, room, p + w, sizeof(double)));
        TRY(mucmm__alloc(ctx, p + w, sizeof(double), &r->deviations[i]));
    }
    if (ends) {
        TRY(claim(ctx, room, 2 * p, (size_t)m->k * sizeof(float)));
        TRY(mucmm__alloc(ctx, 2 * p * m->k, sizeof(float), &r->loading_ends[i]));
    }
done:
    return status;
}

/* What a view's heads may have besides their networks. */
static mucmm_status read_extras(mucmm_ctx *ctx, const json_t *o, const mucmm_model *m, int32_t i,
                                int64_t *room, mucmm__solution *r)
{
    mucmm_status status = MUCMM_OK;
    int64_t q = m->view[i].q;
    bool mix = false;

    TRY(get_flag(ctx, o, "mix", &mix));
    if (mix) {
        TRY(claim(ctx, room, q * m->k, sizeof(float)));
        TRY(mucmm__alloc(ctx, q * m->k, sizeof(float), &r->view[i].mix));
    }
    if (json_object_get(o, "transport"))
        TRY(read_transport(ctx, o, m, i, room, &r->view[i].transport));
    TRY(read_loadings(ctx, o, m, i, room, r));
done:
    return status;
}

/* Not in files of earlier versions. */
static mucmm_status read_sample(mucmm_ctx *ctx, const json_t *o, int64_t w, int64_t *room,
                                mucmm__joint *joint)
{
    static const char *const keys[] = {"joint_train_rows", "joint_held_out_rows"};
    mucmm_status status = MUCMM_OK;

    for (int part = 0; part < 2 && json_object_get(o, keys[0]); part++) {
        TRY(get_integer(ctx, o, keys[part], 0, MUCMM__MOST_SAMPLED, &joint->sampled[part]));
        if (joint->sampled[part] == 0)
            continue;
        TRY(claim(ctx, room, joint->sampled[part], (size_t)w * sizeof(float)));
        TRY(mucmm__alloc(ctx, joint->sampled[part] * w, sizeof(float), &joint->sample[part]));
    }
done:
    return status;
}

static mucmm_status read_representation(mucmm_ctx *ctx, mucmm_model *m, const json_t *parent,
                                        const char *key, int64_t *room, mucmm__solution *r)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, key), *views = json_object_get(o, "views");

    if (!json_is_array(views) || (int32_t)json_array_size(views) != m->n_views)
        return wrong(ctx, key, "does not describe every view");
    TRY(claim(ctx, room, m->k, sizeof *r->rho));
    TRY(mucmm__alloc(ctx, m->k, sizeof *r->rho, &r->rho));
    for (int32_t i = 0; i < m->n_views; i++) {
        const json_t *v = json_array_get(views, (size_t)i);
        int64_t first;
        TRY(get_integer(ctx, json_object_get(v, "common"), "outputs", 1, m->k, &first));
        TRY(read_net(ctx, v, "common", m->view[i].p, first, room, &r->view[i].common));
        TRY(read_later(ctx, v, m->view[i].p, m->k, room, &r->view[i]));
        TRY(read_net(ctx, v, "individual", m->view[i].p, m->view[i].q, room,
                     &r->view[i].individual));
        TRY(read_extras(ctx, v, m, i, room, r));
    }
    if (json_object_get(o, "harmonic")) { /* not in the first files */
        TRY(mucmm__alloc(ctx, m->k, sizeof *r->harmonic, &r->harmonic));
        TRY(get_numbers(ctx, o, "harmonic", m->k, r->harmonic));
    }
    if (json_is_true(json_object_get(o, "joint"))) {
        if (m->k > MUCMM__COVARIANCE_MAX / m->n_views)
            return wrong(ctx, "joint", "is there, but for more variates than are kept");
        TRY(claim(ctx, room, m->n_views * m->k, sizeof(double) * (size_t)(m->n_views * m->k)));
        TRY(mucmm__joint_alloc(ctx, m->n_views * m->k, &r->joint));
        TRY(read_sample(ctx, o, m->n_views * m->k, room, &r->joint));
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

static mucmm_status take_count_or_auto(mucmm_ctx *ctx, const json_t *x, const char *key, int64_t lo,
                                       int64_t *out)
{
    const char *word = json_string_value(x);

    if (!(word && strcmp(word, "auto") == 0) &&
        !(json_is_integer(x) && json_integer_value(x) >= lo))
        return wrong(ctx, key, "is missing or out of range");
    *out = word ? MUCMM_AUTO : json_integer_value(x);
    return MUCMM_OK;
}

static mucmm_status get_count_or_auto(mucmm_ctx *ctx, const json_t *o, const char *key, int64_t lo,
                                      int64_t *out)
{
    return take_count_or_auto(ctx, json_object_get(o, key), key, lo, out);
}

/* Place of a word among n. */
static mucmm_status read_word(mucmm_ctx *ctx, const char *word, const char *key,
                              const char *const *words, int n, int *out)
{
    for (int i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return MUCMM_OK;
        }
    return wrong(ctx, key, "is a word that this program does not know");
}

/* Only in files of fits that had any. */
static mucmm_status read_counts(mucmm_ctx *ctx, const json_t *o, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    int64_t folds = 0, repeats = 0, restarts = 0;

    if (json_object_get(o, "folds"))
        TRY(get_integer(ctx, o, "folds", 2, MUCMM_MAX_FOLDS, &folds));
    if (json_object_get(o, "repeats"))
        TRY(get_integer(ctx, o, "repeats", 1, MUCMM_MAX_REPEATS, &repeats));
    if (json_object_get(o, "restarts"))
        TRY(get_integer(ctx, o, "restarts", 1, MUCMM_MAX_RESTARTS, &restarts));
    p->folds = (int32_t)folds;
    p->repeats = (int32_t)repeats;
    p->restarts = (int32_t)restarts;
done:
    return status;
}

/* Only in files of fits that were given one of each view. */
static mucmm_status read_view_individual(mucmm_ctx *ctx, const json_t *o, int32_t n_views,
                                         mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    const char *key = "view_individual";
    const json_t *list = json_object_get(o, key);

    if (!list)
        return MUCMM_OK;
    if (!json_is_array(list) || json_array_size(list) != (size_t)n_views)
        return wrong(ctx, key, "is no list of a number of each view");
    p->n_view_individual = n_views;
    for (int32_t i = 0; i < n_views; i++)
        TRY(take_count_or_auto(ctx, json_array_get(list, (size_t)i), key, 0,
                               &p->view_individual[i]));
done:
    return status;
}

static mucmm_status read_params(mucmm_ctx *ctx, const json_t *parent, mucmm_fit_params *p)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, "params"), *list = json_object_get(o, "hidden");
    const char *head = json_string_value(json_object_get(o, "head"));
    const char *scale = json_string_value(json_object_get(o, "scale"));
    int64_t seed = 0;
    int word = 0;

    mucmm_fit_params_init(p);
    if (!head || !scale || !json_is_array(list) || json_array_size(list) > MUCMM_MAX_HIDDEN)
        return wrong(ctx, "params", "is not whole");
    if (json_object_get(o, "common")) { /* not in the first files */
        TRY(get_count_or_auto(ctx, o, "common", 1, &p->common));
        TRY(get_count_or_auto(ctx, o, "individual", 0, &p->individual));
    }
    TRY(read_word(ctx, head, "head", mucmm__head_names, 3, &word));
    p->head = (mucmm_head_kind)word;
    TRY(read_word(ctx, scale, "scale", mucmm__scale_names, 2, &word));
    p->scaling = (mucmm_scaling)word;
    if (json_object_get(o, "robust")) {
        const char *robust = json_string_value(json_object_get(o, "robust"));
        TRY(read_word(ctx, robust ? robust : "", "robust", mucmm__robust_names, 3, &word));
        p->robust = (mucmm_robust)word;
    }
    p->n_hidden = (int32_t)json_array_size(list);
    for (int32_t i = 0; i < p->n_hidden; i++) /* no number is 0, which is out of range */
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
    if (json_object_get(o, "independence")) /* not in the first files */
        TRY(get_number(ctx, o, "independence", &p->independence));
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
    TRY(read_counts(ctx, o, p));
done:
    return status;
}

/* The names of the columns, which may have none. */
static mucmm_status read_columns(mucmm_ctx *ctx, const json_t *o, mucmm__view_info *v)
{
    mucmm_status status = MUCMM_OK;
    const json_t *names = json_object_get(o, "column_names");

    if (!names)
        return MUCMM_OK;
    if (!json_is_array(names) || json_array_size(names) != (size_t)v->p)
        return wrong(ctx, "column_names", "is not a list of as many names as columns");
    TRY(mucmm__alloc(ctx, v->p, sizeof *v->columns, &v->columns));
    for (int64_t j = 0; j < v->p; j++) {
        const char *name = json_string_value(json_array_get(names, (size_t)j));
        if (!name)
            return wrong(ctx, "column_names", "holds what is no text");
        TRY(mucmm__name_make(ctx, name, &v->columns[j]));
    }
done:
    return status;
}

/* What fills empty cells; its tensors come later. */
static mucmm_status read_imputer(mucmm_ctx *ctx, const json_t *parent, int64_t *room,
                                 mucmm__view_info *v)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, "imputer");
    int64_t rank;

    if (!o)
        return MUCMM_OK;
    TRY(get_integer(ctx, o, "factors", 1, MUCMM__MOST_FACTORS, &rank));
    TRY(claim(ctx, room, v->p, (size_t)(rank + 3) * sizeof(double)));
    TRY(mucmm__imputer_alloc(ctx, v->p, rank, &v->imputer));
    TRY(get_integer(ctx, o, "rows", 0, MOST_ROWS, &v->imputer->rows));
    TRY(get_integer(ctx, o, "empty_cells", 0, INT64_MAX, &v->imputer->empty));
    TRY(get_range(ctx, o, "r2", 0, 1, &v->imputer->r2));
done:
    return status;
}

static mucmm_status read_view(mucmm_ctx *ctx, const json_t *o, int64_t k, int32_t n_views,
                              int64_t *room, mucmm__view_info *v)
{
    mucmm_status status = MUCMM_OK;
    const json_t *shape = json_object_get(o, "shape");
    const char *name = json_string_value(json_object_get(o, "name"));
    int64_t product = 1;
    bool covariance = false;

    if (!mucmm__good_name(name))
        return wrong(ctx, "views",
                     "holds a view whose name is not 1 to 64 letters, digits, '_' and '-'");
    if (!json_is_array(shape) || json_array_size(shape) < 1 ||
        json_array_size(shape) > MUCMM_MAX_RANK)
        return wrong(ctx, "views", "holds a view without a shape");
    TRY(mucmm__strdup(ctx, name, &v->name));
    /* of more than two views some may carry fewer components than there are */
    TRY(get_integer(ctx, o, "columns", n_views > 2 ? 1 : k, INT32_MAX, &v->p));
    TRY(get_integer(ctx, o, "individual", 0, n_views > 2 ? v->p - 1 : v->p - k, &v->q));
    TRY(get_range(ctx, o, "variance", 0, LARGE, &v->variance));
    if (json_object_get(o, "ridge")) /* not in the first files */
        TRY(get_range(ctx, o, "ridge", 0, LARGE, &v->ridge));
    if (json_object_get(o, "training_rows")) /* not in the first files */
        TRY(get_integer(ctx, o, "training_rows", 0, MOST_ROWS, &v->rows));
    TRY(get_flag(ctx, o, "covariance", &covariance));
    v->rank = (int32_t)json_array_size(shape);
    for (int32_t i = 0; i < v->rank; i++) {
        v->shape[i] = json_integer_value(json_array_get(shape, (size_t)i));
        if (v->shape[i] < 1 || !mucmm__mul(product, v->shape[i], &product))
            return wrong(ctx, "shape", "is too large");
    }
    if (product != v->p)
        return wrong(ctx, "shape", "does not multiply to the number of columns");
    TRY(read_columns(ctx, o, v));
    if (json_is_object(json_object_get(o, "source")))
        TRY(mucmm__json_text(ctx, json_object_get(o, "source"), &v->description));
    TRY(claim(ctx, room, v->p, 2 * sizeof *v->mean));
    TRY(mucmm__alloc(ctx, v->p, sizeof *v->mean, &v->mean));
    TRY(mucmm__alloc(ctx, v->p, sizeof *v->scale, &v->scale));
    if (covariance)
        TRY(claim(ctx, room, v->p, (size_t)v->p * sizeof *v->covariance));
    if (covariance)
        TRY(mucmm__alloc(ctx, v->p * v->p, sizeof *v->covariance, &v->covariance));
    if (json_is_true(json_object_get(o, "origin"))) {
        TRY(claim(ctx, room, v->p, sizeof *v->origin));
        TRY(mucmm__alloc(ctx, v->p, sizeof *v->origin, &v->origin));
    }
    if (json_object_get(o, "robust_knots")) {
        int64_t knots;
        TRY(get_integer(ctx, o, "robust_knots", 2, MUCMM__MOST_KNOTS, &knots));
        TRY(claim(ctx, room, v->p, 2 * (size_t)knots * sizeof(float)));
        TRY(mucmm__robust_alloc(ctx, v->p, knots, &v->robust));
    }
    TRY(read_imputer(ctx, o, room, v));
done:
    return status;
}

/* The candidates of the individual variates; in files that have them. */
static mucmm_status read_front(mucmm_ctx *ctx, const json_t *parent, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    const json_t *a = json_object_get(parent, "front");

    if (json_array_size(a) > MUCMM_MAX_CANDIDATES)
        return wrong(ctx, "front", "has more candidates than this program makes");
    for (size_t i = 0; i < json_array_size(a); i++) {
        const json_t *o = json_array_get(a, i);
        const char *kind = json_string_value(json_object_get(o, "kind"));
        mucmm_candidate *at = &m->front[i];
        bool chosen = false;
        int word = 0;
        TRY(read_word(ctx, kind ? kind : "", "kind", mucmm__candidate_names, MUCMM_MAX_CANDIDATES,
                      &word));
        at->kind = (mucmm_candidate_kind)word;
        TRY(get_number(ctx, o, "leak", &at->leak));
        TRY(get_number(ctx, o, "leak_sd", &at->leak_sd));
        TRY(get_number(ctx, o, "completeness", &at->completeness));
        TRY(get_flag(ctx, o, "chosen", &chosen));
        at->chosen = chosen;
        m->n_front++;
    }
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
            char name[MUCMM_STAGE_TEXT];
            if (strcmp(stage, mucmm_stage_text(s, name)) == 0)
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

/* The evidence for the numbers of dimensions; in files that have it. */
static mucmm_status read_evidence(mucmm_ctx *ctx, const json_t *o, mucmm__dimensions *d)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = (int64_t)json_array_size(json_object_get(o, "p_values"));

    if (n < 1)
        return wrong(ctx, "dimensions", "holds no evidence for the common ones");
    d->candidates = n;
    TRY(get_integer(ctx, o, "found", 0, n, &d->common));
    if (json_object_get(o, "trained_candidates")) {
        TRY(get_integer(ctx, o, "trained_candidates", 1, n, &d->trained_candidates));
        TRY(get_integer(ctx, o, "trained", 0, d->trained_candidates, &d->trained));
    }
    TRY(get_range(ctx, o, "level", 0, 1, &d->level));
    TRY(mucmm__alloc(ctx, n, sizeof(double), &d->correlations));
    TRY(mucmm__alloc(ctx, n, sizeof(double), &d->null_95));
    TRY(mucmm__alloc(ctx, n, sizeof(double), &d->p_values));
    TRY(get_within(ctx, o, "correlations", -1, n, d->correlations));
    TRY(get_numbers(ctx, o, "null_95", n, d->null_95));
    if (json_object_get(o, "standard_errors")) {
        TRY(mucmm__alloc(ctx, n, sizeof(double), &d->standard_errors));
        TRY(get_numbers(ctx, o, "standard_errors", n, d->standard_errors));
    }
    TRY(get_within(ctx, o, "p_values", 0, n, d->p_values));
done:
    return status;
}

static mucmm_status read_dimensions(mucmm_ctx *ctx, const json_t *parent, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    mucmm__dimensions *d = &m->dimensions;
    const json_t *o = json_object_get(parent, "dimensions"), *v;
    size_t i;

    if (json_object_get(o, "common"))
        TRY(read_evidence(ctx, json_object_get(o, "common"), d));
    json_array_foreach(json_object_get(o, "individual"), i, v)
    {
        const char *name = json_string_value(json_object_get(v, "view"));
        int32_t view = name ? mucmm_model_view_index(m, name) : -1;
        int64_t n = (int64_t)json_array_size(json_object_get(v, "error"));
        if (view < 0 || d->n_errors[view] > 0 || n < 1)
            return wrong(ctx, "dimensions", "holds no evidence for a view of the model");
        TRY(mucmm__alloc(ctx, n, sizeof(double), &d->error[view]));
        d->n_errors[view] = n;
        TRY(get_integer(ctx, v, "found", 0, n - 1, &d->chosen[view]));
        TRY(get_numbers(ctx, v, "error", n, d->error[view]));
    }
done:
    return status;
}

/* What the held-out rows chose, and which individual heads are the closed form. */
static mucmm_status read_choices(mucmm_ctx *ctx, const json_t *o, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    const json_t *kept = json_object_get(o, "closed_form_kept"), *x;
    bool common = false;
    size_t i;
    int word = 0;

    json_array_foreach(json_object_get(o, "held_out_chose"), i, x)
    {
        if (!json_is_string(x))
            return wrong(ctx, "held_out_chose", "holds something that is no word");
        TRY(read_word(ctx, json_string_value(x), "held_out_chose", mucmm__chose_words, MUCMM__CHOSE,
                      &word));
        m->held_out_chose |= 1u << word;
    }
    json_array_foreach(kept, i, x)
    {
        if (!json_is_string(x))
            return wrong(ctx, "closed_form_kept", "holds something that is no word");
        TRY(read_word(ctx, json_string_value(x), "closed_form_kept", mucmm__part_names, 2, &word));
        common = common || word == 0;
        m->individual_closed = m->individual_closed || word == 1;
    }
    if (kept && common != (m->heads.rho && m->start < 0))
        return wrong(ctx, "closed_form_kept", "and 'start' contradict each other");
done:
    return status;
}

static mucmm_status read_ridge(mucmm_ctx *ctx, const json_t *o, double *ridge)
{
    const char *word = json_string_value(json_object_get(o, "ridge"));

    if (!word || strcmp(word, "lw") != 0)
        return get_range(ctx, o, "ridge", 0, LARGE, ridge);
    *ridge = MUCMM_RIDGE_LEDOIT_WOLF;
    return MUCMM_OK;
}

/* Parameters that fit takes, with what it makes of them: a number of components, a batch of the
 * rows, a start that was tried. */
static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_model *m)
{
    mucmm_fit_params p = m->params;

    p.common = p.common == 0 ? m->k : p.common; /* not in the first files */
    if (mucmm__fit_params_check(ctx, &p) != MUCMM_OK)
        return mucmm__prefix(ctx, MUCMM_EFORMAT, "the model's metadata");
    if (p.batch == 1 || p.batch > m->rows[MUCMM_ROWS_TRAIN])
        return wrong(ctx, "batch", "is no number of training rows, at least 2");
    if (m->start > MUCMM__STAGE_SCRATCH + p.restarts)
        return wrong(ctx, "start", "is none of those that were tried");
    return MUCMM_OK;
}

/* Do the hidden layers of the common networks, where there are any, have the widths that were asked
 * for? All that is trained anew of a model (null models, the command that makes it again) goes by
 * those. */
static mucmm_status check_hidden(mucmm_ctx *ctx, const mucmm_model *m)
{
    const mucmm_fit_params *p = &m->params;

    for (int32_t v = 0; m->heads.rho && v < m->n_views; v++) {
        const mucmm__mlp *net = &m->heads.view[v].common.net;
        if (net->n_layers == 0) /* the closed form */
            continue;
        if (net->n_layers != p->n_hidden + 1)
            return wrong(ctx, "hidden", "and the networks contradict each other");
        for (int32_t i = 0; i < p->n_hidden; i++)
            if (net->layers[i].out != p->hidden[i])
                return wrong(ctx, "hidden", "and the networks contradict each other");
    }
    return MUCMM_OK;
}

/* What was asked for has left its traces: a stability of replicates or starts, epochs of the
 * history. */
static mucmm_status check_traces(mucmm_ctx *ctx, const mucmm_model *m)
{
    const mucmm_fit_params *p = &m->params;
    int64_t common = 0, individual = 0;

    if (p->bootstrap > 0 && !m->linear.stability)
        return wrong(ctx, "bootstrap", "is there, but no stability of the closed form");
    if (p->restarts > 0 && m->start >= 0 && !m->heads.stability)
        return wrong(ctx, "restarts", "is there, but no stability of the heads");
    for (int64_t i = 0; i < m->n_history; i++) {
        int64_t *last = m->history[i].stage < MUCMM__STAGE_TRANSPORT ? &common : &individual;
        if (m->history[i].stage == MUCMM__STAGE_TRANSPORT)
            continue;
        *last = m->history[i].epoch > *last ? m->history[i].epoch : *last;
    }
    if (common > 0 && common != p->common_epochs)
        return wrong(ctx, "common_epochs", "and the history contradict each other");
    if (individual > 0 && individual != p->individual_epochs)
        return wrong(ctx, "individual_epochs", "and the history contradict each other");
    return MUCMM_OK;
}

static mucmm_status read_views(mucmm_ctx *ctx, const json_t *o, int64_t *room, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    const json_t *views = json_object_get(o, "views");

    if (!json_is_array(views) || json_array_size(views) < 2 ||
        json_array_size(views) > MUCMM_MAX_VIEWS)
        return wrong(ctx, "views", "is missing or has another length");
    for (int32_t i = 0; i < (int32_t)json_array_size(views); i++) {
        m->n_views = i + 1;
        TRY(read_view(ctx, json_array_get(views, (size_t)i), m->k, (int32_t)json_array_size(views),
                      room, &m->view[i]));
        for (int32_t j = 0; j < i; j++)
            if (strcmp(m->view[i].name, m->view[j].name) == 0)
                return wrong(ctx, "views", "holds two views of one name");
    }
done:
    return status;
}

/* The rows of the fit, by which they are recognized; not in files of earlier versions. */
static mucmm_status read_digest(mucmm_ctx *ctx, const json_t *parent, int64_t *room, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    const json_t *o = json_object_get(parent, "digest");
    mucmm__digest *d = &m->digest;
    bool keys = false;
    int64_t n;

    if (!o)
        return MUCMM_OK;
    TRY(get_integer(ctx, o, "fitted", 1, MOST_ROWS, &d->fitted));
    TRY(get_integer(ctx, o, "held_out", 0, MOST_ROWS, &d->held_out));
    TRY(get_flag(ctx, o, "keys", &keys));
    TRY(get_flag(ctx, o, "counting", &d->counting));
    if (d->fitted < m->rows[MUCMM_ROWS_TRAIN] || d->held_out != m->rows[MUCMM_ROWS_HELD_OUT])
        TRY(wrong(ctx, "digest", "and the numbers of rows contradict each other"));
    n = d->fitted + d->held_out;
    TRY(claim(ctx, room, n * (2 * m->n_views + keys), sizeof(uint32_t)));
    for (int32_t v = 0; v < m->n_views; v++) {
        TRY(mucmm__alloc(ctx, n, sizeof *d->view[v], &d->view[v]));
        TRY(mucmm__alloc(ctx, n, sizeof *d->sketch[v], &d->sketch[v]));
    }
    if (keys)
        TRY(mucmm__alloc(ctx, n, sizeof *d->key, &d->key));
    if (json_object_get(o, "groups")) { /* where there are any */
        TRY(get_integer(ctx, o, "groups", 1, d->fitted, &d->n_groups));
        TRY(claim(ctx, room, 2 * d->n_groups, sizeof(uint32_t)));
        TRY(mucmm__alloc(ctx, 2 * d->n_groups, sizeof *d->group, &d->group));
    }
done:
    return status;
}

/* What is taken out of the features; of models that do that. */
static mucmm_status read_adjustment(mucmm_ctx *ctx, const json_t *o, int64_t *room, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    const json_t *from = json_object_get(o, "adjustment");

    if (!from)
        return MUCMM_OK;
    TRY(mucmm__adjust_read(ctx, from, &m->adjust));
    m->params.adjust = m->adjust->text;
    m->params.adjust_nonlinear = m->adjust->nonlinear;
    for (int32_t i = 0; i < m->n_views; i++) {
        mucmm__view_info *v = &m->view[i];
        TRY(claim(ctx, room, v->p, (size_t)m->adjust->d * sizeof *v->slopes));
        TRY(mucmm__alloc(ctx, m->adjust->d * v->p, sizeof *v->slopes, &v->slopes));
        v->adjust = m->adjust;
    }
done:
    return status;
}

static mucmm_status read_model(mucmm_ctx *ctx, const json_t *o, int64_t room, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    int64_t start = 0;

    TRY(get_integer(ctx, o, "common", 1, INT32_MAX, &m->k));
    TRY(get_integer(ctx, o, "training_rows", 0, MOST_ROWS, &m->rows[MUCMM_ROWS_TRAIN]));
    TRY(get_integer(ctx, o, "held_out_rows", 0, MOST_ROWS, &m->rows[MUCMM_ROWS_HELD_OUT]));
    if (json_object_get(o, "choosing_rows"))
        TRY(get_integer(ctx, o, "choosing_rows", 0, MOST_ROWS, &m->choosing_rows));
    TRY(read_ridge(ctx, o, &m->ridge));
    TRY(get_integer(ctx, o, "start", -1, MUCMM__STAGE_LATER - 1, &start));
    m->start = (int32_t)start;
    TRY(read_params(ctx, o, &m->params));
    TRY(check_params(ctx, m));
    TRY(read_views(ctx, o, &room, m));
    TRY(read_view_individual(ctx, json_object_get(o, "params"), m->n_views, &m->params));
    TRY(read_adjustment(ctx, o, &room, m));
    TRY(read_representation(ctx, m, o, "linear", &room, &m->linear));
    if (json_object_get(o, "heads"))
        TRY(read_representation(ctx, m, o, "heads", &room, &m->heads));
    TRY(read_front(ctx, o, m));
    TRY(read_history(ctx, o, m));
    TRY(read_dimensions(ctx, o, m));
    m->beyond_linear_p = NAN;
    if (json_object_get(o, "beyond_linear_p"))
        TRY(get_range(ctx, o, "beyond_linear_p", 0, 1, &m->beyond_linear_p));
    if (json_object_get(o, "cross_fit"))
        TRY(mucmm__cross_fit_read(ctx, json_object_get(o, "cross_fit"), m->k, &m->cross_fit));
    TRY(read_choices(ctx, o, m));
    TRY(read_digest(ctx, o, &room, m));
    m->ridge_chosen =
        m->held_out_chose & MUCMM_CHOSE_RIDGE || json_is_true(json_object_get(o, "ridge_chosen"));
    TRY(check_hidden(ctx, m));
    TRY(check_traces(ctx, m));
done:
    return status;
}

mucmm_status mucmm__model_from_json(mucmm_ctx *ctx, const char *text, int64_t bytes, mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    json_t *o = NULL;

    status = mucmm__json_parse(ctx, text, strlen(text), NULL, &o);
    if (status == MUCMM_EFORMAT)
        mucmm__prefix(ctx, status, "the model's metadata");
    TRY(status);
    TRY(read_model(ctx, o, bytes, m));
    TRY(mucmm__strdup(ctx, text, &m->json));
    mucmm__model_make_facts(m);
done:
    json_decref(o);
    return status;
}
