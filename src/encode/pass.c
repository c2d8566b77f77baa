/* SPDX-License-Identifier: MIT
 *
 * pass.c - a batch of rows on its way through an encoder: prepared rows -> networks -> pool ->
 * features, and cotangents of the features back to the raw input. */
#include "encode/encode.h"

#include "graph/graph.h"

#include <inttypes.h>
#include <string.h>

static int64_t product(const int64_t *shape, int32_t rank)
{
    int64_t n = 1;

    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    return n;
}

/* ---- making and freeing ------------------------------------------------------------ */

static void drop_runs(mucmm__pass *p)
{
    for (int32_t i = 0; i < MUCMM__STAGES_MAX; i++) {
        mucmm_run_free(p->run[i]);
        mucmm__free(p->between[i]);
        p->run[i] = NULL;
        p->between[i] = NULL;
        mucmm__watch_drop(&p->watch[i]);
    }
}

void mucmm__pass_drop(mucmm__pass *p)
{
    drop_runs(p);
    mucmm__free(p->x);
    mucmm__free(p->ids);
    mucmm__free(p->mask);
    *p = (mucmm__pass){0};
}

mucmm_status mucmm__pass_start(mucmm_ctx *ctx, const mucmm_encoder *e, const mucmm_source *s,
                               int64_t n, uint64_t memory, mucmm__pass *out)
{
    mucmm_status status = MUCMM_OK;
    bool tokens = s->tokenizer != NULL;
    int64_t count;

    *out = (mucmm__pass){.encoder = e, .source = s, .n = n, .room = n, .memory = memory};
    if (tokens != (e->ids != NULL) || (e->tf_idf && !s->words))
        return mucmm__fail(ctx, MUCMM_EARG, "%s takes %s, and the source has %s", e->name,
                           e->ids      ? "tokens"
                           : e->tf_idf ? "words"
                                       : "numbers",
                           tokens ? "tokens" : "none");
    if (!mucmm__mul(n, tokens ? s->length : s->cols, &count))
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: %" PRId64 " rows", n);
    if (tokens) {
        TRY(mucmm__alloc(ctx, count, sizeof *out->ids, &out->ids));
        TRY(mucmm__alloc(ctx, count, sizeof *out->mask, &out->mask));
    }
done:
    if (status != MUCMM_OK)
        mucmm__pass_drop(out);
    return status;
}

mucmm_status mucmm__pass_read(mucmm_ctx *ctx, mucmm__pass *p, const int64_t *rows)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; i < p->n; i++)
        TRY(mucmm__pass_read_row(ctx, p, i, rows[i]));
done:
    return status;
}

mucmm_status mucmm__pass_read_row(mucmm_ctx *ctx, mucmm__pass *p, int64_t i, int64_t row)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_source *s = p->source;

    if (!p->ids && !p->x)
        TRY(mucmm__alloc(ctx, p->room * s->cols, sizeof *p->x, &p->x));
    status = mucmm__source_read(ctx, s, row, p->x ? p->x + i * s->cols : NULL,
                                p->ids ? p->ids + i * s->length : NULL,
                                p->mask ? p->mask + i * s->length : NULL);
done:
    return status;
}

/* ---- inputs of a network ----------------------------------------------------------- */

enum { MAX_INPUTS = 5 };

typedef struct inputs {
    mucmm_named_tensor list[MAX_INPUTS];
    int32_t n;
    void *owned[MAX_INPUTS];
    int32_t n_owned;
} inputs;

static void drop_inputs(inputs *in)
{
    for (int32_t i = 0; i < in->n_owned; i++)
        mucmm__free(in->owned[i]);
    *in = (inputs){0};
}

/* [n, shape]; the numbers are only read. */
static void add_input(inputs *in, const char *name, mucmm_dtype dtype, int64_t n, int32_t rank,
                      const int64_t *shape, const void *data)
{
    mucmm_named_tensor *t = &in->list[in->n++];

    *t = (mucmm_named_tensor){.name = name, .tensor = {.dtype = dtype, .rank = rank + 1}};
    t->tensor.shape[0] = n;
    memcpy(t->tensor.shape + 1, shape, (size_t)rank * sizeof *shape);
    t->tensor.data = (void *)(uintptr_t)data;
}

/* Numbers of a text in the type that the network declares for the input. */
static mucmm_status add_text_input(mucmm_ctx *ctx, const mucmm__pass *p, inputs *in,
                                   const char *name, mucmm_dtype from, const void *numbers)
{
    const mucmm_graph *g = p->encoder->link[0].graph;
    mucmm_dtype to = from;
    int64_t count = p->n * p->source->length;
    mucmm_status status;

    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        if (strcmp(mucmm_graph_input(g, i)->name, name) == 0)
            to = mucmm_graph_input(g, i)->tensor.dtype;
    status = mucmm__alloc(ctx, count, 8, &in->owned[in->n_owned]);
    if (status != MUCMM_OK)
        return status;
    if (numbers)
        mucmm__convert(from, numbers, to, in->owned[in->n_owned], count);
    add_input(in, name, to, p->n, 1, &p->source->length, in->owned[in->n_owned]);
    in->n_owned++;
    return MUCMM_OK;
}

/* Inputs of the first network; raw in the place of the tensor in which explanations live. */
static mucmm_status first_inputs(mucmm_ctx *ctx, const mucmm__pass *p, const float *raw, inputs *in)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_encoder *e = p->encoder;
    const mucmm_source *s = p->source;

    *in = (inputs){0};
    if (!p->ids)
        add_input(in, e->link[0].input, MUCMM_F32, p->n, s->rank, s->shape,
                  raw && !e->wrt ? raw : p->x);
    else
        TRY(add_text_input(ctx, p, in, e->ids, MUCMM_I64, p->ids));
    if (e->mask)
        TRY(add_text_input(ctx, p, in, e->mask, MUCMM_F32, p->mask));
    if (e->types)
        TRY(add_text_input(ctx, p, in, e->types, MUCMM_I64, NULL));
    if (raw && e->wrt)
        add_input(in, e->wrt, MUCMM_F32, p->n, p->raw_rank, p->raw_shape, raw);
done:
    if (status != MUCMM_OK)
        drop_inputs(in);
    return status;
}

/* What link k >= 1 takes: between[k], in the shape that the link before gives it. */
static void later_inputs(const mucmm__pass *p, int32_t k, inputs *in)
{
    const mucmm__link *before = &p->encoder->link[k - 1];
    const mucmm_tensor *y = mucmm_run_output(p->run[k - 1], 0);

    *in = (inputs){0};
    if (before->rank)
        add_input(in, p->encoder->link[k].input, MUCMM_F32, p->n, before->rank, before->shape,
                  p->between[k]);
    else
        add_input(in, p->encoder->link[k].input, MUCMM_F32, p->n, y->rank - 1, y->shape + 1,
                  p->between[k]);
}

static const char *wrt_of(const mucmm_encoder *e, int32_t k)
{
    return k == 0 && e->wrt ? e->wrt : e->link[k].input;
}

/* ---- forward ----------------------------------------------------------------------- */

/* float32, and as many rows as went in. */
static mucmm_status check_rows(mucmm_ctx *ctx, const mucmm__pass *p, const char *file,
                               const char *name, const mucmm_tensor *t)
{
    mucmm__desc desc = {.dtype = t->dtype, .rank = t->rank, .block = 1};
    char text[MUCMM__SHAPE_TEXT];

    memcpy(desc.shape, t->shape, sizeof desc.shape);
    if (t->dtype != MUCMM_F32)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED, "%s: tensor '%s' is %s; float32 is needed",
                           file, name, mucmm_dtype_name(t->dtype));
    if (t->rank < 1 || t->shape[0] != p->n)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: tensor '%s' has the shape %s for %" PRId64
                           " rows; its first dimension must be the rows",
                           file, name, mucmm__shape_text(text, &desc), p->n);
    if (product(t->shape, t->rank) == 0)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s: tensor '%s' is empty: %s", file, name,
                           mucmm__shape_text(text, &desc));
    return MUCMM_OK;
}

/* between[k + 1] = scale y + shift */
static mucmm_status make_between(mucmm_ctx *ctx, mucmm__pass *p, int32_t k)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__link *link = &p->encoder->link[k];
    const mucmm_tensor *y = mucmm_run_output(p->run[k], 0);
    int64_t count = product(y->shape, y->rank);
    const float *from = y->data;
    float *to;

    if (link->rank && product(link->shape, link->rank) * p->n != count)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: 'reshape' does not fit the %" PRId64 " numbers of a row of '%s'",
                           link->file, count / p->n, link->tensor);
    TRY(mucmm__alloc(ctx, count, sizeof *to, &to));
    p->between[k + 1] = to;
    for (int64_t i = 0; i < count; i++)
        to[i] = (float)(link->scale * (double)from[i] + link->shift);
done:
    return status;
}

/* The first thing that is found stays. */
static void note(char to[MUCMM__FAULT_TEXT], const char *found, const mucmm__link *link)
{
    if (!to[0] && found[0])
        snprintf(to, MUCMM__FAULT_TEXT, "%s of %.200s", found, link->file);
}

static mucmm_status run_link(mucmm_ctx *ctx, mucmm__pass *p, int32_t k, const float *raw,
                             bool gradient)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__link *link = &p->encoder->link[k];
    const char *output[] = {link->tensor}, *wrt[] = {wrt_of(p->encoder, k)};
    mucmm_run_params params;
    inputs in;

    mucmm_run_params_init(&params);
    params.outputs = output;
    params.n_outputs = 1;
    params.wrt = wrt;
    params.n_wrt = gradient;
    params.memory = p->memory;
    if (k == 0)
        TRY(first_inputs(ctx, p, raw, &in));
    else
        later_inputs(p, k, &in);
    status = mucmm__graph_run_watched(ctx, link->graph, in.list, in.n, &params,
                                      p->fault ? &p->watch[k] : NULL, &p->run[k]);
    drop_inputs(&in);
    if (status != MUCMM_OK)
        TRY(mucmm__link_prefix(ctx, status, link));
    if (p->fault)
        note(p->fault->features, p->watch[k].forward, link);
    TRY(check_rows(ctx, p, link->file, link->tensor, mucmm_run_output(p->run[k], 0)));
done:
    return status;
}

static const mucmm_tensor *last_output(const mucmm__pass *p)
{
    return mucmm_run_output(p->run[p->encoder->n_links - 1], 0);
}

/* Shape of a row of features: the tensor's without the batch, pooled. */
static mucmm_status find_shape(mucmm_ctx *ctx, mucmm__pass *p)
{
    const mucmm_encoder *e = p->encoder;
    const mucmm_tensor *y = last_output(p);
    const mucmm__link *link = &e->link[e->n_links - 1];

    p->out_rank = y->rank - 1;
    memcpy(p->out_shape, y->shape + 1, (size_t)p->out_rank * sizeof *y->shape);
    if (e->pool == MUCMM__POOL_GRID) {
        if (y->rank != 4 || y->shape[2] < e->pool_height || y->shape[3] < e->pool_width)
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "%s: 'pool' %" PRId64 "x%" PRId64
                               " needs a map [rows, channels, height, width] at least that "
                               "large; '%s' is none",
                               link->file, e->pool_height, e->pool_width, link->tensor);
        p->out_shape[1] = e->pool_height;
        p->out_shape[2] = e->pool_width;
    } else if (e->pool == MUCMM__POOL_MEAN) {
        if (y->rank != 3 || (p->mask && y->shape[1] != p->source->length))
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "%s: 'pool' mean needs [rows, tokens, width]; '%s' is none",
                               link->file, link->tensor);
        p->out_rank = 1;
        p->out_shape[0] = y->shape[2];
    }
    if (p->out_rank == 0)
        p->out_shape[p->out_rank++] = 1;
    p->out_cols = product(p->out_shape, p->out_rank);
    if (p->expected && p->out_cols != p->expected)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: a row has %" PRId64 " features where others have %" PRId64
                           "; they must not depend on the length of the input",
                           link->file, p->out_cols, p->expected);
    return MUCMM_OK;
}

/* ---- pooling: forward and back ----------------------------------------------------- */

/* Cell (i, j) of the grid is the mean over rows [i H / h, ceil((i + 1) H / h)), the same for
 * columns. y, dy: [maps, H, W]; f, df: [maps, h, w]. One of the two pairs is given. */
static void pool_grid(int64_t maps, int64_t H, int64_t W, int64_t h, int64_t w, const float *y,
                      float *f, float *dy, const float *df)
{
    for (int64_t m = 0; m < maps; m++)
        for (int64_t i = 0; i < h; i++)
            for (int64_t j = 0; j < w; j++) {
                int64_t top = i * H / h, bottom = ((i + 1) * H + h - 1) / h;
                int64_t left = j * W / w, right = ((j + 1) * W + w - 1) / w;
                int64_t at = (m * h + i) * w + j;
                float share = 1 / (float)((bottom - top) * (right - left)), sum = 0;
                for (int64_t a = top; a < bottom; a++)
                    for (int64_t b = left; b < right; b++) {
                        if (f)
                            sum += y[(m * H + a) * W + b];
                        else
                            dy[(m * H + a) * W + b] += share * df[at];
                    }
                if (f)
                    f[at] = share * sum;
            }
}

/* f = sum_t mask_t y_t / sum_t mask_t. y, dy: [n, T, E]; f, df: [n, E]; mask [n, T] or NULL. */
static void pool_mean(int64_t n, int64_t T, int64_t E, const float *mask, const float *y, float *f,
                      float *dy, const float *df)
{
    for (int64_t i = 0; i < n; i++) {
        float total = 0;
        for (int64_t t = 0; t < T; t++)
            total += mask ? mask[i * T + t] : 1;
        for (int64_t t = 0; t < T && total > 0; t++) {
            float share = (mask ? mask[i * T + t] : 1) / total;
            for (int64_t j = 0; j < E; j++) {
                if (f)
                    f[i * E + j] += share * y[(i * T + t) * E + j];
                else
                    dy[(i * T + t) * E + j] = share * df[i * E + j];
            }
        }
    }
}

/* y -> features, or, if dy is given, d features -> dy (zeroed before). */
static void pool(const mucmm__pass *p, float *features, float *dy, const float *df)
{
    const mucmm_encoder *e = p->encoder;
    const mucmm_tensor *y = last_output(p);
    size_t bytes = (size_t)(p->n * p->out_cols) * sizeof(float);

    switch (e->pool) {
    case MUCMM__POOL_NONE:
        memcpy(dy ? dy : features, dy ? df : (const float *)y->data, bytes);
        break;
    case MUCMM__POOL_GRID:
        pool_grid(p->n * y->shape[1], y->shape[2], y->shape[3], e->pool_height, e->pool_width,
                  y->data, features, dy, df);
        break;
    case MUCMM__POOL_MEAN:
        if (features)
            memset(features, 0, bytes);
        pool_mean(p->n, y->shape[1], y->shape[2], p->mask, y->data, features, dy, df);
        break;
    }
}

/* ---- callbacks --------------------------------------------------------------------- */

static mucmm_status call_forward(mucmm_ctx *ctx, mucmm__pass *p, const float *raw, float *features)
{
    const mucmm_encoder_callbacks *c = &p->encoder->callbacks;

    p->out_rank = c->rank;
    memcpy(p->out_shape, c->shape, sizeof p->out_shape);
    p->out_cols = product(c->shape, c->rank);
    if (features && c->forward(c->user, p->n, raw ? raw : p->x, features) != 0)
        return mucmm__fail(ctx, MUCMM_EBACKEND, "encoder '%s' failed", c->name);
    return MUCMM_OK;
}

static mucmm_status call_vjp(mucmm_ctx *ctx, const mucmm__pass *p, const float *raw,
                             const float *cotangents, float *grads)
{
    const mucmm_encoder_callbacks *c = &p->encoder->callbacks;

    if (!c->vjp)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED, "encoder '%s' has no vjp", c->name);
    if (c->vjp(c->user, p->n, raw ? raw : p->x, cotangents, grads) != 0)
        return mucmm__fail(ctx, MUCMM_EBACKEND, "the vjp of encoder '%s' failed", c->name);
    return MUCMM_OK;
}

/* ---- tf-idf: the prepared rows are the features ------------------------------------ */

static size_t row_bytes(const mucmm__pass *p)
{
    return (size_t)(p->n * p->source->cols) * sizeof(float);
}

static mucmm_status pass_through(mucmm__pass *p, const float *raw, float *features)
{
    p->out_rank = p->source->rank;
    memcpy(p->out_shape, p->source->shape, sizeof p->out_shape);
    p->out_cols = p->source->cols;
    if (features)
        memcpy(features, raw ? raw : p->x, row_bytes(p));
    return MUCMM_OK;
}

/* ---- log-mel ----------------------------------------------------------------------- */

static mucmm_status mel_forward(mucmm_ctx *ctx, mucmm__pass *p, const float *raw, float *features)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__log_mel *m = &p->encoder->mel;
    const float *x = raw ? raw : p->x;

    p->out_rank = 2;
    p->out_shape[0] = m->mel.bands;
    p->out_shape[1] = m->frames;
    p->out_cols = m->mel.bands * m->frames;
    for (int64_t i = 0; features && i < p->n; i++)
        TRY(mucmm__log_mel_forward(ctx, m, x + i * m->samples, features + i * p->out_cols));
done:
    return status;
}

static mucmm_status mel_vjp(mucmm_ctx *ctx, const mucmm__pass *p, const float *raw,
                            const float *cotangents, float *grads)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__log_mel *m = &p->encoder->mel;
    const float *x = raw ? raw : p->x;

    for (int64_t i = 0; i < p->n; i++)
        TRY(mucmm__log_mel_vjp(ctx, m, x + i * m->samples, cotangents + i * p->out_cols,
                               grads + i * m->samples));
done:
    return status;
}

/* ---- the whole way ----------------------------------------------------------------- */

mucmm_status mucmm__pass_forward(mucmm_ctx *ctx, mucmm__pass *p, const float *raw, bool gradient,
                                 float *features)
{
    mucmm_status status = MUCMM_OK;

    drop_runs(p);
    if (p->encoder->tf_idf)
        return pass_through(p, raw, features);
    if (p->encoder->has_mel)
        return mel_forward(ctx, p, raw, features);
    if (p->encoder->n_links == 0)
        return call_forward(ctx, p, raw, features);
    for (int32_t k = 0; k < p->encoder->n_links; k++) {
        TRY(run_link(ctx, p, k, raw, gradient));
        if (k + 1 < p->encoder->n_links)
            TRY(make_between(ctx, p, k));
    }
    TRY(find_shape(ctx, p));
    if (features)
        pool(p, features, NULL, NULL);
done:
    return status;
}

/* d of what goes into link k, from dy of what comes out of it. */
static mucmm_status vjp_link(mucmm_ctx *ctx, mucmm__pass *p, int32_t k, const float *dy, float *dx)
{
    mucmm_tensor cotangent = *mucmm_run_output(p->run[k], 0), grad = *mucmm_run_wrt(p->run[k], 0);
    mucmm_status status;

    cotangent.data = (void *)(uintptr_t)dy;
    grad.data = dx;
    status = mucmm_run_vjp(ctx, p->run[k], &cotangent, &grad);
    if (p->fault)
        note(p->fault->gradient, p->watch[k].backward, &p->encoder->link[k]);
    return status == MUCMM_OK ? status : mucmm__link_prefix(ctx, status, &p->encoder->link[k]);
}

mucmm_status mucmm__pass_vjp(mucmm_ctx *ctx, mucmm__pass *p, const float *raw,
                             const float *cotangents, float *grads)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_encoder *e = p->encoder;
    const mucmm_tensor *t;
    float *dy = NULL, *dx = NULL;
    int64_t count;

    if (e->tf_idf) {
        memcpy(grads, cotangents, row_bytes(p));
        return MUCMM_OK;
    }
    if (e->has_mel)
        return mel_vjp(ctx, p, raw, cotangents, grads);
    if (e->n_links == 0)
        return call_vjp(ctx, p, raw, cotangents, grads);
    t = last_output(p);
    TRY(mucmm__alloc(ctx, product(t->shape, t->rank), sizeof *dy, &dy));
    pool(p, NULL, dy, cotangents);
    for (int32_t k = e->n_links - 1; k > 0; k--) {
        t = mucmm_run_wrt(p->run[k], 0);
        count = product(t->shape, t->rank);
        TRY(mucmm__alloc(ctx, count, sizeof *dx, &dx));
        TRY(vjp_link(ctx, p, k, dy, dx));
        for (int64_t i = 0; i < count; i++)
            dx[i] = (float)(e->link[k - 1].scale * (double)dx[i]);
        mucmm__free(dy);
        dy = dx;
        dx = NULL;
    }
    TRY(vjp_link(ctx, p, 0, dy, grads));
done:
    mucmm__free(dy);
    mucmm__free(dx);
    return status;
}

mucmm_status mucmm__pass_stop(mucmm_ctx *ctx, const mucmm__pass *p, bool some,
                              char text[MUCMM__FAULT_TEXT])
{
    mucmm_status status = MUCMM_OK;
    const mucmm_encoder *e = p->encoder;
    char node[MUCMM__WATCH_TEXT];

    text[0] = '\0';
    for (int32_t k = e->n_links - 1; k >= 0 && !text[0]; k--) {
        bool apart = false;
        TRY(mucmm__run_stop(ctx, p->run[k], some, node, &apart));
        if (apart)
            snprintf(text, MUCMM__FAULT_TEXT, "'%.160s' of %.200s is not made of '%.100s'",
                     e->link[k].tensor, e->link[k].file, wrt_of(e, k));
        else if (node[0])
            snprintf(text, MUCMM__FAULT_TEXT, "%s of %.200s%s", node, e->link[k].file,
                     some ? "" : " stops it");
    }
done:
    return status;
}

mucmm_status mucmm__pass_raw(mucmm_ctx *ctx, mucmm__pass *p, float *raw)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_encoder *e = p->encoder;
    const char *output[] = {e->wrt};
    const mucmm_tensor *t;
    mucmm_run_params params;
    mucmm_run *run = NULL;
    inputs in = {0};

    if (!e->wrt) { /* the prepared rows themselves; a text has none */
        p->raw_rank = p->ids ? 0 : p->source->rank;
        memcpy(p->raw_shape, p->source->shape, sizeof p->raw_shape);
        p->raw_cols = p->ids ? 0 : p->source->cols;
        if (raw && p->x)
            memcpy(raw, p->x, (size_t)(p->n * p->raw_cols) * sizeof *raw);
        return MUCMM_OK;
    }
    mucmm_run_params_init(&params);
    params.outputs = output;
    params.n_outputs = 1;
    TRY(first_inputs(ctx, p, NULL, &in));
    status = mucmm_graph_run(ctx, e->link[0].graph, in.list, in.n, &params, &run);
    if (status != MUCMM_OK)
        TRY(mucmm__link_prefix(ctx, status, &e->link[0]));
    t = mucmm_run_output(run, 0);
    TRY(check_rows(ctx, p, e->link[0].file, e->wrt, t));
    p->raw_rank = t->rank - 1;
    memcpy(p->raw_shape, t->shape + 1, (size_t)p->raw_rank * sizeof *t->shape);
    p->raw_cols = product(p->raw_shape, p->raw_rank);
    if (raw)
        memcpy(raw, t->data, (size_t)(p->n * p->raw_cols) * sizeof *raw);
done:
    drop_inputs(&in);
    mucmm_run_free(run);
    return status;
}

mucmm_status mucmm__pass_memory(mucmm_ctx *ctx, const mucmm__pass *p, bool gradient, uint64_t *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_encoder *e = p->encoder;
    mucmm_run_params params;
    inputs in = {0};

    *out = 0;
    mucmm_run_params_init(&params);
    params.n_outputs = 1;
    params.n_wrt = gradient;
    for (int32_t k = 0; k < e->n_links; k++) {
        const char *output[] = {e->link[k].tensor}, *wrt[] = {wrt_of(e, k)};
        uint64_t bytes;
        params.outputs = output;
        params.wrt = wrt;
        if (k == 0)
            TRY(first_inputs(ctx, p, NULL, &in));
        else
            later_inputs(p, k, &in);
        TRY(mucmm_graph_memory(ctx, e->link[k].graph, in.list, in.n, &params, &bytes));
        *out = __builtin_add_overflow(*out, bytes, out) ? UINT64_MAX : *out;
        drop_inputs(&in);
    }
done:
    drop_inputs(&in);
    return status;
}
