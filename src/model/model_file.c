/* SPDX-License-Identifier: MIT
 *
 * The model file: safetensors, one list of tensors for writing and for reading. */
#include "model/adjust.h"
#include "model/impute.h"
#include "model/model_json.h"
#include "model/robust.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "mucmm"
#define FORMAT_VERSION 2

/* Tensors of a model, in the order of the file. */
typedef struct tensor_list {
    mucmm__tensor *items;
    char (*names)[128];
    int64_t n, room;
} tensor_list;

static void list_add(tensor_list *list, const char *name, mucmm_dtype dtype, int64_t rows,
                     int64_t cols, void *data)
{
    mucmm__tensor *t = &list->items[list->n];

    snprintf(list->names[list->n], sizeof list->names[0], "%s", name);
    *t = (mucmm__tensor){list->names[list->n], dtype, cols < 0 ? 1 : 2, {rows, cols}, data};
    if (cols < 0)
        t->shape[1] = 0;
    list->n++;
}

static void list_head(tensor_list *list, const char *prefix, const mucmm__head *head)
{
    const mucmm__mlp *net = &head->net;
    char name[128];

    for (int32_t i = 0; i < net->n_layers; i++) {
        const mucmm__mlp_layer *layer = &net->layers[i];
        snprintf(name, sizeof name, "%s.%d.weight", prefix, i);
        list_add(list, name, MUCMM_F32, layer->out, layer->in, head->params + layer->weight);
        snprintf(name, sizeof name, "%s.%d.bias", prefix, i);
        list_add(list, name, MUCMM_F32, layer->out, -1, head->params + layer->bias);
    }
    if (net->skip >= 0) {
        snprintf(name, sizeof name, "%s.skip", prefix);
        list_add(list, name, MUCMM_F32, net->out, net->in, head->params + net->skip);
    }
    snprintf(name, sizeof name, "%s.offset", prefix);
    list_add(list, name, MUCMM_F32, net->out, -1, head->offset);
}

/* prefix.stage2 and so on: a head, and what is taken away from its output. */
static void list_deflated(tensor_list *list, const char *prefix, int32_t t,
                          const mucmm__deflated *d)
{
    char stage[128], name[160];

    snprintf(stage, sizeof stage, "%.110s.stage%d", prefix, t + 2);
    list_head(list, stage, &d->head);
    snprintf(name, sizeof name, "%s.psi.frequency", stage);
    list_add(list, name, MUCMM_F64, d->psi.in, d->psi.waves, d->psi.omega);
    snprintf(name, sizeof name, "%s.psi.phase", stage);
    list_add(list, name, MUCMM_F64, d->psi.waves, -1, d->psi.phase);
    snprintf(name, sizeof name, "%s.psi.weight", stage);
    list_add(list, name, MUCMM_F64, mucmm__psi_width(&d->psi), d->head.net.out, d->weights);
}

static void list_transport(tensor_list *list, const char *method, const mucmm_model *m, int32_t i,
                           const mucmm__transport *t)
{
    char prefix[128], name[160];

    snprintf(prefix, sizeof prefix, "%.8s.%.100s.transport", method, m->view[i].name);
    list_head(list, prefix, &t->net);
    snprintf(name, sizeof name, "%.120s.mix", prefix);
    list_add(list, name, MUCMM_F32, m->view[i].q, m->k, t->mix);
    snprintf(name, sizeof name, "%.120s.out", prefix);
    list_add(list, name, MUCMM_F32, m->view[i].q, m->view[i].q, t->out);
    snprintf(name, sizeof name, "%.120s.residual", prefix);
    list_head(list, name, &t->residual);
}

static void list_joint(tensor_list *list, const char *method, int64_t w, const mucmm__joint *joint)
{
    char name[128];

    snprintf(name, sizeof name, "%s.joint.mean", method);
    list_add(list, name, MUCMM_F64, w, -1, joint->mean);
    snprintf(name, sizeof name, "%s.joint.train", method);
    list_add(list, name, MUCMM_F64, w, w, joint->train);
    snprintf(name, sizeof name, "%s.joint.held_out", method);
    list_add(list, name, MUCMM_F64, w, w, joint->held_out);
    for (int part = 0; part < 2; part++) {
        snprintf(name, sizeof name, "%s.joint.%s", method, part ? "held_out_rows" : "train_rows");
        if (joint->sampled[part] > 0)
            list_add(list, name, MUCMM_F32, joint->sampled[part], w, joint->sample[part]);
    }
}

static void list_representation(tensor_list *list, const mucmm_model *m, const char *method,
                                const mucmm__solution *r)
{
    char name[128];

    snprintf(name, sizeof name, "%s.correlations", method);
    list_add(list, name, MUCMM_F64, m->k, -1, r->rho);
    if (r->joint.mean)
        list_joint(list, method, m->n_views * m->k, &r->joint);
    for (int32_t i = 0; i < m->n_views; i++) {
        const mucmm__view_heads *v = &r->view[i];
        snprintf(name, sizeof name, "%s.%s.common", method, m->view[i].name);
        list_head(list, name, &v->common);
        for (int32_t t = 0; t < v->n_later; t++)
            list_deflated(list, name, t, &v->later[t]);
        snprintf(name, sizeof name, "%s.%s.individual", method, m->view[i].name);
        list_head(list, name, &v->individual);
        if (v->mix) {
            snprintf(name, sizeof name, "%s.%s.mix", method, m->view[i].name);
            list_add(list, name, MUCMM_F32, m->view[i].q, m->k, v->mix);
        }
        if (v->transport.out)
            list_transport(list, method, m, i, &v->transport);
        snprintf(name, sizeof name, "%s.%s.loadings", method, m->view[i].name);
        if (r->loadings[i])
            list_add(list, name, MUCMM_F32, m->view[i].p, m->k + m->view[i].q, r->loadings[i]);
        snprintf(name, sizeof name, "%s.%s.deviations", method, m->view[i].name);
        if (r->deviations[i])
            list_add(list, name, MUCMM_F64, m->view[i].p + m->k + m->view[i].q, -1,
                     r->deviations[i]);
        snprintf(name, sizeof name, "%s.%s.loading_ends", method, m->view[i].name);
        if (r->loading_ends[i])
            list_add(list, name, MUCMM_F32, 2 * m->view[i].p, m->k, r->loading_ends[i]);
    }
}

/* What the model knows its rows by. */
static void list_digest(tensor_list *list, const mucmm_model *m)
{
    const mucmm__digest *d = &m->digest;
    int64_t n = d->fitted + d->held_out;
    char name[128];

    for (int32_t i = 0; n > 0 && i < m->n_views; i++) {
        snprintf(name, sizeof name, "%s.digest", m->view[i].name);
        list_add(list, name, MUCMM_U32, n, -1, d->view[i]);
        snprintf(name, sizeof name, "%s.sketch", m->view[i].name);
        list_add(list, name, MUCMM_F32, n, -1, d->sketch[i]);
    }
    if (d->key)
        list_add(list, "keys", MUCMM_U32, n, -1, d->key);
    if (d->n_groups > 0)
        list_add(list, "groups", MUCMM_U32, 2 * d->n_groups, -1, d->group);
}

static void list_drop(tensor_list *list)
{
    mucmm__free(list->items);
    mucmm__free(list->names);
}

static void list_imputer(tensor_list *list, const mucmm__view_info *v)
{
    const mucmm__imputer *f = v->imputer;
    const char *const names[] = {"mean", "scale", "noise", "weights"};
    double *const tensors[] = {f->mean, f->scale, f->noise, f->weights};
    char name[128];

    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s.impute.%s", v->name, names[i]);
        list_add(list, name, MUCMM_F64, v->p, i == 3 ? f->rank : -1, tensors[i]);
    }
}

/* Every tensor of the model with where its numbers lie. */
static mucmm_status list_tensors(mucmm_ctx *ctx, const mucmm_model *m, tensor_list *list)
{
    mucmm_status status = MUCMM_OK;
    const int64_t per_head = 2 * (MUCMM_MAX_HIDDEN + 1) + 2;
    char name[128];

    *list = (tensor_list){
        .room =
            m->n_views * (12 + 2 * (4 * per_head + 6) + MUCMM__LATER * (per_head + 3)) + 2 * 6 + 2};
    TRY(mucmm__alloc(ctx, list->room, sizeof *list->items, &list->items));
    TRY(mucmm__alloc(ctx, list->room, sizeof *list->names, &list->names));
    for (int32_t i = 0; i < m->n_views; i++) {
        const mucmm__view_info *v = &m->view[i];
        snprintf(name, sizeof name, "%s.mean", v->name);
        list_add(list, name, MUCMM_F64, v->p, -1, v->mean);
        snprintf(name, sizeof name, "%s.scale", v->name);
        list_add(list, name, MUCMM_F64, v->p, -1, v->scale);
        snprintf(name, sizeof name, "%s.origin", v->name);
        if (v->origin)
            list_add(list, name, MUCMM_F64, v->p, -1, v->origin);
        snprintf(name, sizeof name, "%s.slopes", v->name);
        if (v->slopes)
            list_add(list, name, MUCMM_F64, v->adjust->d, v->p, v->slopes);
        if (v->robust) {
            snprintf(name, sizeof name, "%s.robust.at", v->name);
            list_add(list, name, MUCMM_F32, v->p, v->robust->knots, v->robust->at);
            snprintf(name, sizeof name, "%s.robust.to", v->name);
            list_add(list, name, MUCMM_F32, v->p, v->robust->knots, v->robust->to);
        }
        if (v->imputer)
            list_imputer(list, v);
        snprintf(name, sizeof name, "%s.covariance", v->name);
        if (v->covariance)
            list_add(list, name, MUCMM_F32, v->p, v->p, v->covariance);
    }
    list_representation(list, m, "linear", &m->linear);
    if (m->heads.rho)
        list_representation(list, m, "heads", &m->heads);
    list_digest(list, m);
done:
    if (status != MUCMM_OK) {
        list_drop(list);
        *list = (tensor_list){0};
    }
    return status;
}

typedef struct saving {
    char version[16];
    const char *metadata[6];
    tensor_list list;
} saving;

/* The first version that reads it rightly: 1 knows of no origin. */
static int version_of(const mucmm_model *m)
{
    for (int32_t i = 0; i < m->n_views; i++)
        if (m->view[i].origin)
            return FORMAT_VERSION;
    return 1;
}

static mucmm_status start_saving(mucmm_ctx *ctx, const mucmm_model *m, saving *s)
{
    const char *const metadata[6] = {"format",   FORMAT,  "format_version",
                                     s->version, "model", m->json};

    snprintf(s->version, sizeof s->version, "%d", version_of(m));
    memcpy(s->metadata, metadata, sizeof metadata);
    return list_tensors(ctx, m, &s->list);
}

mucmm_status mucmm_model_save(mucmm_ctx *ctx, const mucmm_model *m, const char *path)
{
    saving s;
    mucmm_status status = start_saving(ctx, m, &s);

    if (status == MUCMM_OK)
        status = mucmm__safetensors_write(ctx, path, s.list.items, s.list.n, s.metadata, 3);
    list_drop(&s.list);
    return status;
}

mucmm_status mucmm_model_save_memory(mucmm_ctx *ctx, const mucmm_model *m, void **bytes,
                                     size_t *size)
{
    saving s;
    mucmm_status status = start_saving(ctx, m, &s);

    *bytes = NULL;
    *size = 0;
    if (status == MUCMM_OK)
        status = mucmm__safetensors_write_memory(ctx, s.list.items, s.list.n, s.metadata, 3, bytes,
                                                 size);
    list_drop(&s.list);
    return status;
}

/* ---- loading ----------------------------------------------------------------------- */

static mucmm_status check_format(mucmm_ctx *ctx, const char *path, const mucmm__safetensors *file)
{
    const char *format = mucmm__safetensors_metadata(file, "format");
    const char *version = mucmm__safetensors_metadata(file, "format_version");
    char *end;
    long number;

    if (!format || strcmp(format, FORMAT) != 0 || !version ||
        !mucmm__safetensors_metadata(file, "model"))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a safetensors file, but not a model of mucmm",
                           path);
    number = strtol(version, &end, 10);
    if (*end || end == version || number < 1)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: format version '%s' is no number", path,
                           version);
    if (number > FORMAT_VERSION)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "%s: a model of format version %ld; this program reads versions up to "
                           "%d: use a newer mucmm",
                           path, number, FORMAT_VERSION);
    return MUCMM_OK;
}

static bool all_finite(const mucmm__tensor *t, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(t->dtype == MUCMM_F64 ? ((const double *)t->data)[i]
                                            : (double)((const float *)t->data)[i]))
            return false;
    return true;
}

static mucmm_status load_tensor(mucmm_ctx *ctx, const mucmm__safetensors *file,
                                const mucmm__tensor *want)
{
    const mucmm__tensor *t = mucmm__safetensors_find(file, want->name);
    int64_t n = want->shape[0] * (want->rank == 2 ? want->shape[1] : 1);
    size_t size = want->dtype == MUCMM_F64 ? sizeof(double) : sizeof(float);
    void *to;

    if (!t)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "tensor '%s' is missing", want->name);
    if (t->dtype != want->dtype || t->rank != want->rank || t->shape[0] != want->shape[0] ||
        (t->rank == 2 && t->shape[1] != want->shape[1]))
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "tensor '%s' has another type or shape than the "
                           "metadata says",
                           want->name);
    if (t->dtype != MUCMM_U32 && !all_finite(t, n))
        return mucmm__fail(ctx, MUCMM_ENUMERIC, "tensor '%s' holds a NaN or an infinity",
                           want->name);
    memcpy(&to, &want->data, sizeof to); /* the model's own memory, const only in the list */
    memcpy(to, t->data, (size_t)n * size);
    return MUCMM_OK;
}

/* Of rows that are floats, as those of a fit are, no mean or scale lies beyond these. */
#define LEAST_SCALE 1e-60
#define LARGEST 1e60

static mucmm_status check_scale(mucmm_ctx *ctx, const mucmm_model *m)
{
    for (int32_t i = 0; i < m->n_views; i++)
        for (int64_t j = 0; j < m->view[i].p; j++) {
            const mucmm__view_info *v = &m->view[i];
            if (!(v->scale[j] > 0))
                return mucmm__fail(ctx, MUCMM_EFORMAT,
                                   "tensor '%s.scale' holds a number that is not positive",
                                   v->name);
            if (v->scale[j] < LEAST_SCALE || v->scale[j] > LARGEST || fabs(v->mean[j]) > LARGEST ||
                (v->origin && fabs(v->origin[j]) > LARGEST))
                return mucmm__fail(ctx, MUCMM_EFORMAT,
                                   "tensor '%s.mean', '%s.scale' or '%s.origin' holds a number "
                                   "that rows of floats do not have",
                                   v->name, v->name, v->name);
        }
    return MUCMM_OK;
}

/* Correlations, up to rounding. */
static mucmm_status check_correlations(mucmm_ctx *ctx, const mucmm_model *m)
{
    for (int i = 0; i < 2; i++) {
        const mucmm__solution *r = i == 0 ? &m->linear : &m->heads;
        for (int64_t j = 0; r->rho && j < m->k; j++)
            if (!(fabs(r->rho[j]) <= 1 + 1e-3))
                return mucmm__fail(ctx, MUCMM_EFORMAT,
                                   "tensor '%s.correlations' holds %g, which is no correlation",
                                   i == 0 ? "linear" : "heads", r->rho[j]);
    }
    return MUCMM_OK;
}

/* Standard deviations, and ends of correlations; a constant column has none of these. */
static mucmm_status check_loadings(mucmm_ctx *ctx, const mucmm_model *m)
{
    for (int i = 0; i < 2 * m->n_views; i++) {
        const char *method = i % 2 == 0 ? "linear" : "heads";
        const mucmm__solution *r = i % 2 == 0 ? &m->linear : &m->heads;
        const mucmm__view_info *v = &m->view[i / 2];
        const double *deviations = r->deviations[i / 2];
        const float *ends = r->loading_ends[i / 2];
        for (int64_t j = 0; deviations && j < v->p + m->k + v->q; j++)
            if (deviations[j] < 0)
                return mucmm__fail(ctx, MUCMM_EFORMAT,
                                   "tensor '%s.%s.deviations' holds a negative number", method,
                                   v->name);
        for (int64_t j = 0; ends && j < v->p * m->k; j++)
            if (ends[j] < -1 || ends[j] > ends[v->p * m->k + j] || ends[v->p * m->k + j] > 1)
                return mucmm__fail(ctx, MUCMM_EFORMAT,
                                   "tensor '%s.%s.loading_ends' holds what is no interval of "
                                   "correlations",
                                   method, v->name);
    }
    return MUCMM_OK;
}

/* A row of a fit has a view, and one that was held out has all. */
static mucmm_status check_digest(mucmm_ctx *ctx, const mucmm_model *m)
{
    const mucmm__digest *d = &m->digest;

    for (int64_t i = 0; i < d->fitted + d->held_out; i++) {
        int32_t has = 0;
        for (int32_t v = 0; v < m->n_views; v++)
            has += d->view[v][i] != 0;
        if (has < (i < d->fitted ? 1 : m->n_views))
            return mucmm__fail(ctx, MUCMM_EFORMAT, "the 'digest' tensors hold a row without %s",
                               i < d->fitted ? "a view" : "one of the views");
    }
    return MUCMM_OK;
}

static mucmm_status load_model(mucmm_ctx *ctx, const mucmm__safetensors *file, size_t size,
                               mucmm_model *m)
{
    mucmm_status status = MUCMM_OK;
    tensor_list list = {0};

    TRY(mucmm__model_from_json(ctx, mucmm__safetensors_metadata(file, "model"), (int64_t)size, m));
    TRY(list_tensors(ctx, m, &list));
    for (int64_t i = 0; i < list.n; i++)
        TRY(load_tensor(ctx, file, &list.items[i]));
    TRY(check_scale(ctx, m));
    for (int32_t i = 0; i < m->n_views; i++) {
        if (m->view[i].robust)
            TRY(mucmm__robust_check(ctx, m->view[i].name, m->view[i].robust));
        if (m->view[i].imputer)
            TRY(mucmm__imputer_ready(ctx, m->view[i].name, m->view[i].imputer));
    }
    TRY(check_correlations(ctx, m));
    TRY(check_loadings(ctx, m));
    TRY(check_digest(ctx, m));
done:
    list_drop(&list);
    return status;
}

mucmm_status mucmm_model_load_memory(mucmm_ctx *ctx, const void *bytes, size_t size,
                                     const char *label, mucmm_model **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__safetensors *file = NULL;
    mucmm_model *m = NULL;

    *out = NULL;
    label = label ? label : "model";
    TRY(mucmm__safetensors_open_memory(ctx, label, bytes, size, &file));
    TRY(check_format(ctx, label, file));
    TRY(mucmm__alloc(ctx, 1, sizeof *m, &m));
    status = load_model(ctx, file, size, m);
    if (status != MUCMM_OK && status != MUCMM_ENOMEM)
        TRY(mucmm__prefix(ctx, status, "%s", label));
    TRY(status);
    *out = m;
    m = NULL;
done:
    mucmm__safetensors_free(file);
    mucmm_model_free(m);
    return status;
}

mucmm_status mucmm_model_load(mucmm_ctx *ctx, const char *path, mucmm_model **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {NULL, 0};

    *out = NULL;
    TRY(mucmm__map_open(ctx, path, &map));
    TRY(mucmm_model_load_memory(ctx, map.data, map.size, path, out));
done:
    mucmm__map_close(&map);
    return status;
}
