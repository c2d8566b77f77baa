/* SPDX-License-Identifier: MIT
 *
 * encoder.c - which network, or chain of networks, rows go through, where features are taken and
 * where explanations live. How rows go through is in pass.c. */
#include "encode/encode.h"
#include "graph/graph.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

mucmm_status mucmm__link_prefix(mucmm_ctx *ctx, mucmm_status status, const mucmm__link *link)
{
    if (strncmp(ctx->message, link->file, strlen(link->file)) == 0)
        return status;
    return mucmm__prefix(ctx, status, "%s", link->file);
}

/* ---- names of a network's tensors -------------------------------------------------- */

static const mucmm_named_tensor *find_input(const mucmm_graph *g, const char *name)
{
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        if (strcmp(mucmm_graph_input(g, i)->name, name) == 0)
            return mucmm_graph_input(g, i);
    return NULL;
}

/* "'a', 'b'" */
static void list_names(const mucmm_graph *g, bool inputs, char *out, size_t size)
{
    int32_t n = inputs ? mucmm_graph_inputs(g) : mucmm_graph_outputs(g);
    char quoted[MUCMM__QUOTE];
    size_t used = 0;

    out[0] = '\0';
    for (int32_t i = 0; i < n && used + MUCMM__QUOTE + 8 < size; i++) {
        const mucmm_named_tensor *t = inputs ? mucmm_graph_input(g, i) : mucmm_graph_output(g, i);
        used += (size_t)snprintf(out + used, size - used, "%s'%s'", i ? ", " : "",
                                 mucmm__quote(quoted, t->name));
    }
}

/* The tensor to take: the one named, or the network's only output. */
static mucmm_status choose_tensor(mucmm_ctx *ctx, mucmm__description *d, mucmm__link *link,
                                  const char *name)
{
    mucmm_status status = MUCMM_OK;
    char names[400];

    if (name) {
        status = mucmm_graph_find(ctx, link->graph, name);
        if (status != MUCMM_OK) {
            mucmm__quote(d->bad_key, "tensor");
            TRY(mucmm__prefix(ctx, status, "'tensor'"));
        }
    } else if (mucmm_graph_outputs(link->graph) == 1) {
        name = mucmm_graph_output(link->graph, 0)->name;
    } else {
        list_names(link->graph, false, names, sizeof names);
        return mucmm__key_fail(ctx, d, "tensor", "is missing; the outputs of %s are %s", link->file,
                               names);
    }
    TRY(mucmm__strdup(ctx, name, &link->tensor));
done:
    return status;
}

/* The input of pictures, sound or rows: the one named, or the network's only one. */
static mucmm_status choose_input(mucmm_ctx *ctx, mucmm__description *d, mucmm__link *link,
                                 const char *name)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_named_tensor *t;
    char names[400];

    list_names(link->graph, true, names, sizeof names);
    if (!name && mucmm_graph_inputs(link->graph) == 1)
        name = mucmm_graph_input(link->graph, 0)->name;
    if (!name)
        return mucmm__key_fail(ctx, d, "input", "is missing; the inputs of %s are %s", link->file,
                               names);
    t = find_input(link->graph, name);
    if (!t)
        return mucmm__key_fail(ctx, d, "input", "is '%.64s'; the inputs of %s are %s", name,
                               link->file, names);
    if (t->tensor.dtype != MUCMM_F32)
        return mucmm__key_fail(ctx, d, "input", "is '%.64s', which is not float32 in %s", name,
                               link->file);
    TRY(mucmm__strdup(ctx, name, &link->input));
done:
    return status;
}

/* An input of a text network: the one that the key names, or one of the usual names. */
static mucmm_status choose_text_input(mucmm_ctx *ctx, mucmm__description *d,
                                      const mucmm__link *link, const char *key,
                                      const char *const *usual, bool required, char **out)
{
    mucmm_status status = MUCMM_OK;
    const char *name = NULL;
    char names[400];

    TRY(mucmm__get_string(ctx, d, d->root, key, &name));
    list_names(link->graph, true, names, sizeof names);
    if (name && !find_input(link->graph, name))
        return mucmm__key_fail(ctx, d, key, "is '%.64s'; the inputs of %s are %s", name, link->file,
                               names);
    for (int i = 0; !name && usual[i]; i++)
        if (find_input(link->graph, usual[i]))
            name = usual[i];
    if (!name && required)
        return mucmm__key_fail(ctx, d, key, "is missing; the inputs of %s are %s", link->file,
                               names);
    if (name)
        TRY(mucmm__strdup(ctx, name, out));
done:
    return status;
}

static mucmm_status choose_text_inputs(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e)
{
    static const char *const ids[] = {"ids", "input_ids", "tokens", NULL};
    static const char *const mask[] = {"mask", "attention_mask", NULL};
    static const char *const types[] = {"token_type_ids", NULL};
    mucmm_status status = MUCMM_OK;

    TRY(choose_text_input(ctx, d, &e->link[0], "ids", ids, true, &e->ids));
    TRY(choose_text_input(ctx, d, &e->link[0], "mask", mask, false, &e->mask));
    TRY(choose_text_input(ctx, d, &e->link[0], "types", types, false, &e->types));
done:
    return status;
}

/* ---- a link of the chain ----------------------------------------------------------- */

static const mucmm__key link_keys[] = {
    {"file", ~0u},  {"tensor", ~0u},  {"input", ~0u}, {"scale", ~0u},
    {"shift", ~0u}, {"reshape", ~0u}, {NULL, 0},
};

static mucmm_status load_graph(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e,
                               mucmm__link *link, const char *file)
{
    mucmm_status status = MUCMM_OK;
    uint64_t content;

    TRY(mucmm__path_join(ctx, d->folder, file, &link->file));
    TRY(mucmm_graph_load(ctx, link->file, &link->graph));
    content = mucmm__graph_content(link->graph);
    e->fingerprint = mucmm__hash(e->fingerprint, &content, sizeof content);
done:
    return status;
}

static mucmm_status read_reshape(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                                 mucmm__link *link)
{
    mucmm_status status = MUCMM_OK;
    double sizes[MUCMM_MAX_RANK - 1], count = 1;
    int64_t n;

    TRY(mucmm__get_numbers(ctx, d, object, "reshape", MUCMM_MAX_RANK - 1, sizes, &n));
    for (int64_t i = 0; i < n; i++) {
        count *= sizes[i];
        if (!(sizes[i] >= 1 && count <= INT32_MAX))
            return mucmm__key_fail(ctx, d, "reshape",
                                   "must be the shape of one row, such as [76, 32, 1]");
        link->shape[i] = (int64_t)sizes[i];
    }
    link->rank = (int32_t)n;
done:
    return status;
}

static mucmm_status load_link(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                              mucmm_encoder *e)
{
    mucmm_status status = MUCMM_OK;
    mucmm__link *link = &e->link[e->n_links];
    const char *file = NULL, *tensor = NULL, *input = NULL;

    if (!json_is_object(object))
        return mucmm__key_fail(ctx, d, "encoder",
                               "must be a file, or a list of {\"file\": ..., \"tensor\": ...}");
    TRY(mucmm__check_keys(ctx, d, object, link_keys, d->kind));
    TRY(mucmm__get_string(ctx, d, object, "file", &file));
    TRY(mucmm__get_string(ctx, d, object, "tensor", &tensor));
    TRY(mucmm__get_string(ctx, d, object, "input", &input));
    if (!file)
        return mucmm__key_fail(ctx, d, "encoder", "has a network without 'file'");
    link->scale = 1;
    TRY(mucmm__get_number(ctx, d, object, "scale", &link->scale));
    TRY(mucmm__get_number(ctx, d, object, "shift", &link->shift));
    TRY(read_reshape(ctx, d, object, link));
    e->n_links++; /* from here the encoder frees it */
    TRY(load_graph(ctx, d, e, link, file));
    TRY(choose_tensor(ctx, d, link, tensor));
    if (d->kind != MUCMM_SOURCE_TEXT || e->n_links > 1)
        TRY(choose_input(ctx, d, link, input));
done:
    return status;
}

static mucmm_status load_links(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {false};
    json_t *value = json_object_get(d->root, "encoder");
    static const char *const moved[] = {"tensor", "input"};
    json_t *single = NULL;

    if (!value)
        return mucmm__key_fail(ctx, d, "encoder", "is missing: the .onnx file%s",
                               d->kind == MUCMM_SOURCE_TEXT    ? ", or " MUCMM__TF_IDF
                               : d->kind == MUCMM_SOURCE_AUDIO ? ", or " MUCMM__LOG_MEL
                                                               : "");
    if (json_is_string(value)) {
        single = json_object();
        mucmm__json_set(&b, single, "file", json_incref(value));
        for (int i = 0; i < 2; i++)
            if (json_object_get(d->root, moved[i]))
                mucmm__json_set(&b, single, moved[i],
                                json_incref(json_object_get(d->root, moved[i])));
        TRY(mucmm__json_done(ctx, &b, single));
        TRY(load_link(ctx, d, single, e));
        goto done;
    }
    if (!json_is_array(value) || json_array_size(value) < 1 ||
        json_array_size(value) > MUCMM__STAGES_MAX)
        return mucmm__key_fail(ctx, d, "encoder", "must be a file or a list of 1 to %d networks",
                               MUCMM__STAGES_MAX);
    for (int i = 0; i < 2; i++)
        if (json_object_get(d->root, moved[i]))
            return mucmm__key_fail(ctx, d, moved[i], "stands in each network of an 'encoder' list");
    for (size_t i = 0; i < json_array_size(value); i++)
        TRY(load_link(ctx, d, json_array_get(value, i), e));
done:
    json_decref(single);
    return status;
}

/* ---- the rest of the description --------------------------------------------------- */

/* "4x4", or "mean" over the tokens. */
static mucmm_status read_pool(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e)
{
    mucmm_status status = MUCMM_OK;
    const char *text = NULL;
    int height, width, used = 0;

    TRY(mucmm__get_string(ctx, d, d->root, "pool", &text));
    if (!text)
        return MUCMM_OK;
    if (strcmp(text, "mean") == 0) {
        e->pool = MUCMM__POOL_MEAN;
        return MUCMM_OK;
    }
    if (sscanf(text, "%5dx%5d%n", &height, &width, &used) != 2 || text[used] || height < 1 ||
        width < 1)
        return mucmm__key_fail(ctx, d, "pool",
                               "is '%.32s'; it must be a grid such as \"4x4\", or \"mean\"", text);
    e->pool = MUCMM__POOL_GRID;
    e->pool_height = height;
    e->pool_width = width;
done:
    return status;
}

/* A text has no raw numbers, so its maps lie in those of its tokens: which, has to be said. */
static mucmm_status ask_for_wrt(mucmm_ctx *ctx, mucmm__description *d, const mucmm_encoder *e)
{
    const char *near = mucmm__graph_embeddings(e->link[0].graph, e->ids);
    char quoted[MUCMM__QUOTE];

    return mucmm__key_fail(
        ctx, d, "wrt",
        "is missing: the tensor of %s in which maps of texts lie, the embeddings "
        "of the tokens%s%s%s",
        e->link[0].file, near ? "; that looks like '" : "", near ? mucmm__quote(quoted, near) : "",
        near ? "'" : "");
}

static mucmm_status read_wrt(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e)
{
    mucmm_status status = MUCMM_OK;
    const char *name = NULL;

    TRY(mucmm__get_string(ctx, d, d->root, "wrt", &name));
    if (!name && e->ids)
        return ask_for_wrt(ctx, d, e);
    if (!name || (e->link[0].input && strcmp(name, e->link[0].input) == 0))
        return MUCMM_OK;
    status = mucmm_graph_find(ctx, e->link[0].graph, name);
    if (status != MUCMM_OK) {
        mucmm__quote(d->bad_key, "wrt");
        TRY(mucmm__prefix(ctx, status, "'wrt'"));
    }
    TRY(mucmm__strdup(ctx, name, &e->wrt));
done:
    return status;
}

/* A network made for so many rows takes no other number of them. */
static mucmm_status read_batch(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__get_integer(ctx, d, d->root, "batch", 1, 65536, &e->batch));
    for (int32_t k = 0; k < e->n_links; k++) {
        const char *name = e->link[k].input ? e->link[k].input : e->ids;
        const mucmm_named_tensor *t = find_input(e->link[k].graph, name);
        if (!t || t->tensor.rank < 1 || t->tensor.shape[0] < 0)
            continue;
        if (t->tensor.shape[0] != 1)
            return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                               "%s takes batches of exactly %" PRId64
                               " rows; export it with an open first dimension",
                               e->link[k].file, t->tensor.shape[0]);
        e->batch = 1;
    }
done:
    return status;
}

/* ---- making and freeing ------------------------------------------------------------ */

static mucmm_status create(mucmm_ctx *ctx, mucmm_encoder **out)
{
    mucmm_status status = mucmm__alloc(ctx, 1, sizeof **out, out);

    if (status == MUCMM_OK) {
        atomic_init(&(*out)->references, 1);
        (*out)->fingerprint = MUCMM__HASH_START;
    }
    return status;
}

mucmm_encoder *mucmm__encoder_keep(const mucmm_encoder *e)
{
    mucmm_encoder *kept = (mucmm_encoder *)(uintptr_t)e;

    atomic_fetch_add(&kept->references, 1);
    return kept;
}

void mucmm_encoder_free(mucmm_encoder *e)
{
    if (!e || atomic_fetch_sub(&e->references, 1) > 1)
        return;
    for (int32_t i = 0; i < e->n_links; i++) {
        mucmm_graph_free(e->link[i].graph);
        mucmm__free(e->link[i].file);
        mucmm__free(e->link[i].tensor);
        mucmm__free(e->link[i].input);
    }
    mucmm__free(e->description);
    mucmm__free(e->ids);
    mucmm__free(e->mask);
    mucmm__free(e->types);
    mucmm__free(e->wrt);
    mucmm__free(e->name);
    mucmm__free(e);
}

static mucmm_status load_network(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e)
{
    mucmm_status status = MUCMM_OK;

    TRY(load_links(ctx, d, e));
    if (d->kind == MUCMM_SOURCE_TEXT)
        TRY(choose_text_inputs(ctx, d, e));
    TRY(read_pool(ctx, d, e));
    TRY(read_wrt(ctx, d, e));
    TRY(read_batch(ctx, d, e));
done:
    return status;
}

/* The bag of words is the whole of it: there is no network. */
static mucmm_status check_tf_idf(mucmm_ctx *ctx, mucmm__description *d)
{
    static const char *const keys[] = {"tensor", "pool", "wrt", "batch", "ids", "mask", "types"};
    const char *tokenizer = json_string_value(json_object_get(d->root, "tokenizer"));

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(d->root, keys[i]))
            return mucmm__key_fail(ctx, d, keys[i],
                                   "is for a network; the encoder '" MUCMM__TF_IDF "' is none");
    if (tokenizer && strcmp(tokenizer, MUCMM__WORDS) != 0)
        return mucmm__key_fail(ctx, d, "tokenizer",
                               "must be '" MUCMM__WORDS "' with the encoder '" MUCMM__TF_IDF "'");
    return MUCMM_OK;
}

/* Bands and frames of the sounds that the description is of. */
static mucmm_status read_log_mel(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder *e)
{
    static const char *const keys[] = {"tensor", "pool", "wrt", "batch", "input"};
    mucmm_status status = MUCMM_OK;
    int64_t rate = 16000, samples = 0, bands = 0, frames = 0;
    double scale = 1;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(d->root, keys[i]))
            return mucmm__key_fail(ctx, d, keys[i],
                                   "is for a network; the encoder '" MUCMM__LOG_MEL "' is none");
    TRY(mucmm__get_integer(ctx, d, d->root, "rate", 100, 768000, &rate));
    TRY(mucmm__get_integer(ctx, d, d->root, "samples", 1, INT32_MAX, &samples));
    TRY(mucmm__get_number(ctx, d, d->root, "scale", &scale));
    TRY(mucmm__get_integer(ctx, d, d->root, "bands", 1, 512, &bands));
    TRY(mucmm__get_integer(ctx, d, d->root, "frames", 1, INT32_MAX, &frames));
    if (samples == 0)
        return mucmm__key_fail(ctx, d, "samples", "is missing: how many samples are looked at");
    status = mucmm__log_mel_init(ctx, (double)rate, samples, scale, bands, frames, &e->mel);
    if (status != MUCMM_OK)
        mucmm__quote(d->bad_key, frames ? "frames" : "bands");
    e->has_mel = true;
done:
    return status;
}

/* "bands" and "frames" mean nothing to a network. */
static mucmm_status refuse_mel_keys(mucmm_ctx *ctx, mucmm__description *d)
{
    static const char *const keys[] = {"bands", "frames"};

    for (int i = 0; i < 2; i++)
        if (json_object_get(d->root, keys[i]))
            return mucmm__key_fail(ctx, d, keys[i], "is for the encoder '" MUCMM__LOG_MEL "'");
    return MUCMM_OK;
}

mucmm_status mucmm__encoder_describe(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_encoder *e = NULL;
    const char *word = json_string_value(json_object_get(d->root, "encoder"));

    *out = NULL;
    TRY(create(ctx, &e));
    e->tf_idf = d->kind == MUCMM_SOURCE_TEXT && word && strcmp(word, MUCMM__TF_IDF) == 0;
    if (d->kind == MUCMM_SOURCE_AUDIO && word && strcmp(word, MUCMM__LOG_MEL) == 0)
        TRY(read_log_mel(ctx, d, e));
    else {
        TRY(refuse_mel_keys(ctx, d));
        TRY(e->tf_idf ? check_tf_idf(ctx, d) : load_network(ctx, d, e));
    }
    TRY(mucmm__json_text(ctx, d->root, &e->description));
    TRY(mucmm__strdup(ctx,
                      e->tf_idf    ? MUCMM__TF_IDF
                      : e->has_mel ? MUCMM__LOG_MEL
                                   : e->link[0].file,
                      &e->name));
    e->fingerprint = mucmm__hash(e->fingerprint, e->description, strlen(e->description));
    *out = e;
    e = NULL;
done:
    mucmm_encoder_free(e);
    return status;
}

mucmm_status mucmm_encoder_load(mucmm_ctx *ctx, const char *description, const char *folder,
                                mucmm_encoder **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__description d = {0};

    *out = NULL;
    TRY(mucmm__description_parse(ctx, description, folder, &d));
    TRY(mucmm__encoder_describe(ctx, &d, out));
done:
    mucmm__description_drop(&d);
    return status;
}

void mucmm_encoder_callbacks_init_sized(mucmm_encoder_callbacks *c, size_t size)
{
    mucmm__params_init(c, size, &(mucmm_encoder_callbacks){.struct_size = 0}, sizeof *c);
}

static mucmm_status check_callbacks(mucmm_ctx *ctx, const mucmm_encoder_callbacks *c)
{
    int64_t cols = 1;

    if (!c->forward || !c->name)
        return mucmm__fail(ctx, MUCMM_EARG, "an encoder needs a name and a forward function");
    if (c->rank < 1 || c->rank >= MUCMM_MAX_RANK)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "encoder '%s': rank %d of a row of features is not in "
                           "1..%d",
                           c->name, c->rank, MUCMM_MAX_RANK - 1);
    for (int32_t i = 0; i < c->rank; i++)
        if (c->shape[i] < 1 || !mucmm__mul(cols, c->shape[i], &cols) || cols > INT32_MAX)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "encoder '%s': dimension %d of a row of features "
                               "is %" PRId64,
                               c->name, i, c->shape[i]);
    return MUCMM_OK;
}

mucmm_status mucmm_encoder_wrap(mucmm_ctx *ctx, const mucmm_encoder_callbacks *callbacks,
                                mucmm_encoder **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_encoder_callbacks own;
    mucmm_encoder *e = NULL;
    mucmm__json_build b = {false};
    json_t *o = NULL;

    *out = NULL;
    mucmm_encoder_callbacks_init(&own);
    TRY(mucmm__params_take(ctx, "mucmm_encoder_callbacks", callbacks, &own, sizeof own));
    TRY(check_callbacks(ctx, &own));
    TRY(create(ctx, &e));
    if (!mucmm__json_is_utf8(own.name))
        TRY(mucmm__fail(ctx, MUCMM_EARG, "the encoder's name is not UTF-8"));
    o = json_object();
    mucmm__json_set(&b, o, "encoder", json_string(own.name));
    TRY(mucmm__json_done(ctx, &b, o));
    TRY(mucmm__json_text(ctx, o, &e->description));
    TRY(mucmm__strdup(ctx, own.name, &e->name));
    e->callbacks = own;
    e->callbacks.name = e->name;
    e->fingerprint = mucmm__hash(e->fingerprint, e->name, strlen(e->name));
    *out = e;
    e = NULL;
done:
    json_decref(o);
    mucmm_encoder_free(e);
    return status;
}
