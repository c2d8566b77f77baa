/* SPDX-License-Identifier: MIT
 *
 * onnx.c - from the bytes of an ONNX model to a graph. The protobuf reader is generated from ONNX's
 * schema; what it does not bound (depth, memory) is bounded here, and everything it yields is
 * checked before use. */
#include "graph/network.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <onnx.pb-c.h>

/* ---- unpacking with bounds --------------------------------------------------------- */

#define MAX_DEPTH 64

static bool varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char b = *(*at)++;
        *out |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return true;
    }
    return false;
}

/* Are the messages inside each other at most MAX_DEPTH deep (the generated reader recurses)? */
static bool check_depth(const ProtobufCMessageDescriptor *type, const unsigned char *at,
                        const unsigned char *end, int32_t depth)
{
    while (at < end) {
        const ProtobufCFieldDescriptor *field;
        uint64_t tag, n;

        if (!varint(&at, end, &tag))
            return false;
        switch (tag & 7) {
        case 0:
            if (!varint(&at, end, &n))
                return false;
            continue;
        case 1:
            n = 8;
            break;
        case 5:
            n = 4;
            break;
        case 2:
            if (!varint(&at, end, &n))
                return false;
            break;
        default:
            return false;
        }
        if (n > (uint64_t)(end - at))
            return false;
        field = tag >> 3 <= UINT32_MAX
                    ? protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3))
                    : NULL;
        if ((tag & 7) == 2 && field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            (depth == 0 || !check_depth(field->descriptor, at, at + n, depth - 1)))
            return false;
        at += n;
    }
    return true;
}

/* The reader's memory: at most so much for a file of a given size. */
typedef struct arena_limit {
    mucmm_ctx *ctx;
    uint64_t left;
    bool exhausted;
} arena_limit;

static void *limited_alloc(void *arg, size_t size)
{
    arena_limit *limit = arg;
    void *p = NULL;

    if (size > limit->left || mucmm__alloc(limit->ctx, (int64_t)size, 1, &p) != MUCMM_OK) {
        limit->exhausted = true;
        return NULL;
    }
    limit->left -= size;
    return p;
}

static void limited_free(void *arg, void *p)
{
    (void)arg;
    mucmm__free(p);
}

static mucmm_status unpack(mucmm_ctx *ctx, const ProtobufCMessageDescriptor *type,
                           const unsigned char *bytes, size_t size, ProtobufCMessage **out)
{
    arena_limit limit = {ctx, 64 * (uint64_t)size + (1 << 20), false};
    ProtobufCAllocator allocator = {limited_alloc, limited_free, &limit};

    *out = NULL;
    if (size == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "the file is empty");
    if (!check_depth(type, bytes, bytes + size, MAX_DEPTH))
        return mucmm__fail(
            ctx, MUCMM_EFORMAT,
            "not an ONNX model, or a damaged or truncated one (its protobuf structure is broken)");
    *out = protobuf_c_message_unpack(type, &allocator, size, bytes);
    if (!*out && limit.exhausted)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: reading a model of %zu bytes", size);
    if (!*out)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "not an ONNX model (its protobuf structure is broken)");
    return MUCMM_OK;
}

static void unpacked_free(ProtobufCMessage *m)
{
    ProtobufCAllocator allocator = {limited_alloc, limited_free, NULL};

    if (m)
        protobuf_c_message_free_unpacked(m, &allocator);
}

/* ---- tensors ----------------------------------------------------------------------- */

/* Numbers in one of the typed lists: a copy with the width of the type. */
#define COPY_LIST(list, count)                                                                     \
    do {                                                                                           \
        if ((int64_t)(count) != n)                                                                 \
            return mucmm__fail(                                                                    \
                ctx, MUCMM_EFORMAT,                                                                \
                "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64, name,         \
                (size_t)(count), n);                                                               \
        for (int64_t i = 0; i < n; i++)                                                            \
            mucmm__integer_put(t->dtype, t->data, i, (int64_t)p->list[i]);                         \
    } while (0)

static mucmm_status copy_typed(mucmm_ctx *ctx, const Onnx__TensorProto *p, int64_t n,
                               mucmm_tensor *t)
{
    const char *name = p->name ? p->name : "";

    switch (t->dtype) {
    case MUCMM_F32:
        if ((int64_t)p->n_float_data != n)
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64,
                               name, p->n_float_data, n);
        if (n)
            memcpy(t->data, p->float_data, (size_t)n * sizeof(float));
        return MUCMM_OK;
    case MUCMM_F64:
        if ((int64_t)p->n_double_data != n)
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64,
                               name, p->n_double_data, n);
        if (n)
            memcpy(t->data, p->double_data, (size_t)n * sizeof(double));
        return MUCMM_OK;
    case MUCMM_I64:
        COPY_LIST(int64_data, p->n_int64_data);
        return MUCMM_OK;
    case MUCMM_U32:
    case MUCMM_U64:
        COPY_LIST(uint64_data, p->n_uint64_data);
        return MUCMM_OK;
    case MUCMM_F16: /* the bits, in an int32 each */
    case MUCMM_BF16:
        if ((int64_t)p->n_int32_data != n)
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64,
                               name, p->n_int32_data, n);
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)t->data)[i] = (uint16_t)p->int32_data[i];
        return MUCMM_OK;
    case MUCMM_U8:
    case MUCMM_I8:
    case MUCMM_U16:
    case MUCMM_I16:
    case MUCMM_I32:
    case MUCMM_BOOL:
        COPY_LIST(int32_data, p->n_int32_data);
        return MUCMM_OK;
    }
    return MUCMM_OK;
}
#undef COPY_LIST

static const char *external_entry(const Onnx__TensorProto *p, const char *key)
{
    for (size_t i = 0; i < p->n_external_data; i++)
        if (p->external_data[i]->key && p->external_data[i]->value &&
            strcmp(p->external_data[i]->key, key) == 0)
            return p->external_data[i]->value;
    return NULL;
}

/* A path below the model's folder: relative, and no part of it is "..". */
static bool is_inside(const char *path)
{
    if (!*path || *path == '/')
        return false;
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return false;
    }
    return true;
}

static bool whole_number(const char *text, int64_t otherwise, int64_t *out)
{
    *out = text ? 0 : otherwise;
    if (text && !*text)
        return false;
    for (; text && *text; text++) {
        if (*text < '0' || *text > '9' || *out > (INT64_MAX - 9) / 10)
            return false;
        *out = 10 * *out + (*text - '0');
    }
    return true;
}

static mucmm_status copy_external(mucmm_ctx *ctx, const Onnx__TensorProto *p, const char *folder,
                                  int64_t bytes, mucmm_tensor *t)
{
    mucmm_status status = MUCMM_OK;
    const char *name = p->name ? p->name : "", *location = external_entry(p, "location");
    char path[4096], quoted[MUCMM__QUOTE];
    int64_t offset, length;
    mucmm__map map = {NULL, 0};

    if (!folder)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "tensor '%.100s' lies in another file; load the model from its own file",
                           name);
    if (!location || !is_inside(location))
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "tensor '%.100s' lies in the file '%s'; only relative paths inside the "
                           "model's folder are read",
                           name, location ? mucmm__quote(quoted, location) : "");
    if (!whole_number(external_entry(p, "offset"), 0, &offset) ||
        !whole_number(external_entry(p, "length"), bytes, &length) || length != bytes)
        return mucmm__fail(
            ctx, MUCMM_EFORMAT,
            "tensor '%.100s': its offset or length in '%s' does not fit its shape (%" PRId64
            " bytes)",
            name, mucmm__quote(quoted, location), bytes);
    snprintf(path, sizeof path, "%s/%s", folder, location);
    TRY(mucmm__map_open(ctx, path, &map));
    if ((uint64_t)offset > map.size || (uint64_t)bytes > map.size - (uint64_t)offset)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                        "%s: tensor '%.100s' needs bytes %" PRId64 " to %" PRId64
                        ", the file has %zu",
                        path, name, offset, offset + bytes, map.size));
    if (bytes)
        memcpy(t->data, map.data + offset, (size_t)bytes);
done:
    mucmm__map_close(&map);
    return status;
}

static mucmm_status decode_tensor(mucmm_ctx *ctx, const Onnx__TensorProto *p, const char *folder,
                                  mucmm_tensor *out)
{
    mucmm_status status = MUCMM_OK;
    const char *name = p->name ? p->name : "";
    mucmm_tensor t = {.dtype = (mucmm_dtype)(p->has_data_type ? p->data_type : 0)};
    int64_t n = 1, bytes = 0, size = mucmm__dtype_size(t.dtype);

    if (size == 0)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "tensor '%.100s' is of %s (data type %d), which is not supported", name,
                           mucmm__dtype_name(t.dtype), (int)t.dtype);
    if (p->n_dims > MUCMM_MAX_RANK)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "tensor '%.100s' has %zu dimensions; at most %d are supported", name,
                           p->n_dims, MUCMM_MAX_RANK);
    t.rank = (int32_t)p->n_dims;
    for (int32_t k = 0; k < t.rank; k++) {
        t.shape[k] = p->dims[k];
        if (!mucmm__mul(n, t.shape[k], &n))
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s': dimension %d is %" PRId64
                               ", or the shape is too large",
                               name, k, t.shape[k]);
    }
    if (!mucmm__mul(n, size, &bytes))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "tensor '%.100s': the shape is too large", name);
    /* Before memory is taken: can the file hold so much? */
    if (!p->has_data_location || p->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        int64_t held = p->has_raw_data
                           ? (int64_t)p->raw_data.len / size
                           : (int64_t)(p->n_float_data + p->n_int32_data + p->n_int64_data +
                                       p->n_double_data + p->n_uint64_data);
        if (held != n || (p->has_raw_data && (int64_t)p->raw_data.len != bytes))
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s' holds %" PRId64
                               " numbers and its shape asks for %" PRId64,
                               name, held, n);
    }
    TRY(mucmm__alloc(ctx, bytes, 1, &t.data));
    if (p->has_data_location && p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        TRY(copy_external(ctx, p, folder, bytes, &t));
    else if (p->has_raw_data)
        memcpy(t.data, p->raw_data.data ? p->raw_data.data : (const unsigned char *)"",
               (size_t)bytes);
    else
        TRY(copy_typed(ctx, p, n, &t));
    if (t.dtype == MUCMM_BOOL)
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)t.data)[i] = ((uint8_t *)t.data)[i] != 0;
    *out = t;
    t.data = NULL;
done:
    mucmm__free(t.data);
    return status;
}

mucmm_status mucmm__onnx_tensor(mucmm_ctx *ctx, const unsigned char *bytes, size_t size,
                                mucmm_tensor *out)
{
    ProtobufCMessage *m = NULL;
    mucmm_status status = MUCMM_OK;

    out->data = NULL;
    TRY(unpack(ctx, &onnx__tensor_proto__descriptor, bytes, size, &m));
    TRY(decode_tensor(ctx, (const Onnx__TensorProto *)m, NULL, out));
done:
    unpacked_free(m);
    return status;
}

/* ---- names ------------------------------------------------------------------------- */

/* Names that can be seen from a body: its own, then those around it. */
typedef struct scope {
    const struct scope *outer;
    mucmm__index index; /* over graph->names */
} scope;

typedef struct import {
    mucmm_ctx *ctx;
    mucmm_graph *g;
    const char *folder;
    int32_t capacity; /* of values */
    /* nodes that cannot be run, for one message */
    char unsupported[3000];
    size_t used;
    int64_t n_unsupported;
} import;

static const char *value_name(const void *arg, int64_t i)
{
    return ((const mucmm_graph *)arg)->names[i];
}

static int32_t find_name(const scope *s, const char *name)
{
    for (; s; s = s->outer) {
        int64_t id = mucmm__index_find(&s->index, name);
        if (id >= 0)
            return (int32_t)id;
    }
    return -1;
}

/* A new value; *id. Its name must not stand in the scope yet. */
static mucmm_status add_value(import *im, scope *s, const char *name, const char *what, int32_t *id)
{
    mucmm_status status = MUCMM_OK;
    mucmm_graph *g = im->g;

    if (g->n_values == im->capacity) {
        int32_t more = im->capacity ? 2 * im->capacity : 64;
        TRY(mucmm__realloc(im->ctx, im->capacity, more, sizeof *g->values, &g->values));
        TRY(mucmm__realloc(im->ctx, im->capacity, more, sizeof *g->names, &g->names));
        im->capacity = more;
    }
    *id = g->n_values;
    TRY(mucmm__strdup(im->ctx, name, &g->names[*id]));
    g->values[*id].name = g->names[*id];
    g->n_values++;
    if (*name && mucmm__index_insert(&s->index, *id) >= 0)
        TRY(mucmm__fail(im->ctx, MUCMM_EFORMAT,
                        "%s '%.200s': the name stands for another tensor already", what, name));
done:
    return status;
}

/* ---- nodes ------------------------------------------------------------------------- */

static mucmm_status read_body(import *im, const Onnx__GraphProto *p, const scope *outer, scope *s,
                              mucmm__body *out);

static mucmm_status copy_text(mucmm_ctx *ctx, const ProtobufCBinaryData *from, char **out)
{
    mucmm_status status = mucmm__alloc(ctx, (int64_t)from->len + 1, 1, out);

    if (status == MUCMM_OK && from->len)
        memcpy(*out, from->data, from->len);
    return status;
}

static mucmm_status read_list(import *im, const Onnx__AttributeProto *p, mucmm__attr *a)
{
    mucmm_status status = MUCMM_OK;

    if (p->n_ints || p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS) {
        a->kind = MUCMM__ATTR_INTS;
        a->n = (int64_t)p->n_ints;
        TRY(mucmm__alloc(im->ctx, a->n, sizeof *a->ints, &a->ints));
        for (int64_t i = 0; i < a->n; i++)
            a->ints[i] = p->ints[i];
    } else if (p->n_floats || p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS) {
        a->kind = MUCMM__ATTR_FLOATS;
        a->n = (int64_t)p->n_floats;
        TRY(mucmm__alloc(im->ctx, a->n, sizeof *a->floats, &a->floats));
        for (int64_t i = 0; i < a->n; i++)
            a->floats[i] = p->floats[i];
    } else {
        a->kind = MUCMM__ATTR_STRINGS;
        TRY(mucmm__alloc(im->ctx, (int64_t)p->n_strings, sizeof *a->strings, &a->strings));
        for (; a->n < (int64_t)p->n_strings; a->n++)
            TRY(copy_text(im->ctx, &p->strings[a->n], &a->strings[a->n]));
    }
done:
    return status;
}

/* Old files do not say the type. */
static int attribute_type(const Onnx__AttributeProto *p)
{
    return p->has_type && p->type ? (int)p->type
           : p->has_i             ? (int)ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
           : p->has_f             ? (int)ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
           : p->has_s             ? (int)ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
           : p->t                 ? (int)ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
           : p->g                 ? (int)ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
                                  : 0;
}

static mucmm_status read_attribute(import *im, const Onnx__AttributeProto *p, const scope *s,
                                   mucmm__attr *a)
{
    mucmm_status status = MUCMM_OK;
    scope inner = {0};

    TRY(mucmm__strdup(im->ctx, p->name ? p->name : "", &a->name));
    if (p->ref_attr_name && *p->ref_attr_name)
        TRY(mucmm__fail(im->ctx, MUCMM_EUNSUPPORTED,
                        "attribute '%.100s' refers to a function's attribute", a->name));
    switch (attribute_type(p)) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        a->kind = MUCMM__ATTR_INT;
        a->i = p->i;
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        a->kind = MUCMM__ATTR_FLOAT;
        a->f = p->f;
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        a->kind = MUCMM__ATTR_STRING;
        TRY(copy_text(im->ctx, &p->s, &a->s));
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        a->kind = MUCMM__ATTR_TENSOR;
        if (!p->t)
            TRY(mucmm__fail(im->ctx, MUCMM_EFORMAT, "attribute '%.100s' holds no tensor", a->name));
        TRY(decode_tensor(im->ctx, p->t, im->folder, &a->t));
        break;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH:
        a->kind = MUCMM__ATTR_GRAPH;
        if (!p->g)
            TRY(mucmm__fail(im->ctx, MUCMM_EFORMAT, "attribute '%.100s' holds no graph", a->name));
        TRY(mucmm__alloc(im->ctx, 1, sizeof *a->body, &a->body));
        TRY(read_body(im, p->g, s, &inner, a->body));
        break;
    default:
        TRY(read_list(im, p, a));
    }
done:
    mucmm__index_drop(&inner.index);
    return status;
}

static const char *node_name(const Onnx__NodeProto *p)
{
    if (p->name && *p->name)
        return p->name;
    for (size_t i = 0; i < p->n_output; i++)
        if (*p->output[i])
            return p->output[i];
    return p->op_type ? p->op_type : "";
}

static bool is_default_domain(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

/* One entry of the message that lists everything that is not supported. */
static void note_unsupported(import *im, const Onnx__NodeProto *p, const char *why)
{
    char name[MUCMM__QUOTE], type[MUCMM__QUOTE], entry[400];
    int length;

    im->n_unsupported++;
    length =
        snprintf(entry, sizeof entry, "%snode '%s': op %s%s%.40s, opset %d%s", im->used ? "; " : "",
                 mucmm__quote(name, node_name(p)), mucmm__quote(type, p->op_type ? p->op_type : ""),
                 is_default_domain(p->domain) ? "" : " of domain ",
                 is_default_domain(p->domain) ? "" : p->domain, im->g->opset, why);
    if (length < 0 || im->used + (size_t)length >= sizeof im->unsupported)
        return;
    memcpy(im->unsupported + im->used, entry, (size_t)length + 1);
    im->used += (size_t)length;
}

static mucmm_status check_counts(import *im, const Onnx__NodeProto *p, const mucmm__op *op)
{
    if ((int64_t)p->n_input < op->min_in || (op->max_in >= 0 && (int64_t)p->n_input > op->max_in))
        return mucmm__fail(im->ctx, MUCMM_EFORMAT,
                           "node '%.200s' (%s) has %zu inputs; the operator takes %d to %d",
                           node_name(p), op->type, p->n_input, op->min_in,
                           op->max_in < 0 ? INT16_MAX : op->max_in);
    if ((int64_t)p->n_output < op->min_out ||
        (op->max_out >= 0 && (int64_t)p->n_output > op->max_out))
        return mucmm__fail(im->ctx, MUCMM_EFORMAT,
                           "node '%.200s' (%s) has %zu outputs; the operator gives %d to %d",
                           node_name(p), op->type, p->n_output, op->min_out,
                           op->max_out < 0 ? INT16_MAX : op->max_out);
    return MUCMM_OK;
}

static mucmm_status resolve_inputs(import *im, const Onnx__NodeProto *p, const scope *s,
                                   mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;

    n->n_in = (int32_t)p->n_input;
    while (n->n_in > 0 && !*p->input[n->n_in - 1])
        n->n_in--;
    TRY(mucmm__alloc(im->ctx, n->n_in, sizeof *n->in, &n->in));
    for (int32_t i = 0; i < n->n_in; i++) {
        n->in[i] = *p->input[i] ? find_name(s, p->input[i]) : -1;
        if (*p->input[i] && n->in[i] < 0)
            return mucmm__fail(im->ctx, MUCMM_EFORMAT,
                               "node '%.200s' (%s): its input '%.200s' is no input of the graph, "
                               "no constant and no "
                               "node's output; the file is incomplete",
                               n->name, n->op->type, p->input[i]);
    }
    for (int32_t i = 0; i < n->n_in && i < n->op->min_in; i++)
        if (n->in[i] < 0)
            return mucmm__fail(im->ctx, MUCMM_EFORMAT, "node '%.200s' (%s): input %d is missing",
                               n->name, n->op->type, i);
    if (n->n_in < n->op->min_in)
        return mucmm__fail(im->ctx, MUCMM_EFORMAT, "node '%.200s' (%s): input %d is missing",
                           n->name, n->op->type, n->n_in);
done:
    return status;
}

/* What bodies inside the node use of the values outside of it. */
static mucmm_status note_captures(import *im, const mucmm__body *b, int32_t first_inner,
                                  mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t k = 0; k < b->n_nodes; k++) {
        const mucmm__node *m = &b->nodes[k];
        TRY(mucmm__realloc(im->ctx, n->n_captures, n->n_captures + m->n_in + m->n_captures,
                           sizeof *n->captures, &n->captures));
        for (int32_t i = 0; i < m->n_in + m->n_captures; i++) {
            int32_t id = i < m->n_in ? m->in[i] : m->captures[i - m->n_in];
            if (id >= 0 && id < first_inner)
                n->captures[n->n_captures++] = id;
        }
    }
    TRY(mucmm__realloc(im->ctx, n->n_captures, n->n_captures + b->n_outputs, sizeof *n->captures,
                       &n->captures));
    for (int32_t i = 0; i < b->n_outputs; i++)
        if (b->outputs[i] < first_inner)
            n->captures[n->n_captures++] = b->outputs[i];
done:
    return status;
}

/* The outputs are in n->out already. */
static mucmm_status read_node(import *im, const Onnx__NodeProto *p, const scope *s, mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;
    int32_t first_inner = im->g->n_values;

    TRY(mucmm__strdup(im->ctx, node_name(p), &n->name));
    n->opset = im->g->opset;
    TRY(check_counts(im, p, n->op));
    TRY(resolve_inputs(im, p, s, n));
    TRY(mucmm__alloc(im->ctx, (int64_t)p->n_attribute, sizeof *n->attrs, &n->attrs));
    for (; n->n_attrs < (int32_t)p->n_attribute; n->n_attrs++) {
        status = read_attribute(im, p->attribute[n->n_attrs], s, &n->attrs[n->n_attrs]);
        if (status != MUCMM_OK) {
            n->n_attrs++;
            return mucmm__prefix(im->ctx, status, "node '%.200s' (%s)", n->name, n->op->type);
        }
    }
    for (int32_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i].body)
            TRY(note_captures(im, n->attrs[i].body, first_inner, n));
done:
    return status;
}

static mucmm_status add_outputs(import *im, const Onnx__NodeProto *p, scope *s, mucmm__node *n)
{
    mucmm_status status = MUCMM_OK;

    n->n_out = (int32_t)p->n_output;
    while (n->n_out > 0 && !*p->output[n->n_out - 1])
        n->n_out--;
    TRY(mucmm__alloc(im->ctx, n->n_out, sizeof *n->out, &n->out));
    for (int32_t i = 0; i < n->n_out; i++) {
        n->out[i] = -1;
        if (*p->output[i])
            TRY(add_value(im, s, p->output[i], "output", &n->out[i]));
    }
done:
    return status;
}

/* ---- order ------------------------------------------------------------------------- */

typedef struct order {
    const mucmm__body *body;
    int32_t *producer;            /* [n_values] node of the body, -1 = none */
    int32_t *waits;               /* [n_nodes] inputs not computed yet      */
    int32_t *first, *next, *user; /* lists: users of each node              */
    int32_t n_edges;
} order;

static void add_edge(order *o, int32_t value, int32_t node)
{
    int32_t from = value >= 0 ? o->producer[value] : -1;

    if (from < 0)
        return;
    o->user[o->n_edges] = node;
    o->next[o->n_edges] = o->first[from];
    o->first[from] = o->n_edges++;
    o->waits[node]++;
}

static mucmm_status order_alloc(mucmm_ctx *ctx, const mucmm_graph *g, const mucmm__body *b,
                                order *o)
{
    mucmm_status status = MUCMM_OK;
    int64_t edges = 0;

    o->body = b;
    for (int32_t k = 0; k < b->n_nodes; k++)
        edges += b->nodes[k].n_in + b->nodes[k].n_captures;
    TRY(mucmm__alloc(ctx, g->n_values, sizeof *o->producer, &o->producer));
    TRY(mucmm__alloc(ctx, b->n_nodes, sizeof *o->waits, &o->waits));
    TRY(mucmm__alloc(ctx, b->n_nodes, sizeof *o->first, &o->first));
    TRY(mucmm__alloc(ctx, edges, sizeof *o->next, &o->next));
    TRY(mucmm__alloc(ctx, edges, sizeof *o->user, &o->user));
    memset(o->producer, -1, (size_t)g->n_values * sizeof *o->producer);
    memset(o->first, -1, (size_t)b->n_nodes * sizeof *o->first);
    for (int32_t k = 0; k < b->n_nodes; k++)
        for (int32_t i = 0; i < b->nodes[k].n_out; i++)
            if (b->nodes[k].out[i] >= 0)
                o->producer[b->nodes[k].out[i]] = k;
    for (int32_t k = 0; k < b->n_nodes; k++) {
        for (int32_t i = 0; i < b->nodes[k].n_in; i++)
            add_edge(o, b->nodes[k].in[i], k);
        for (int32_t i = 0; i < b->nodes[k].n_captures; i++)
            add_edge(o, b->nodes[k].captures[i], k);
    }
done:
    return status;
}

/* Nodes in the order of the file, except where one has to wait for another. */
static mucmm_status sort_nodes(mucmm_ctx *ctx, const mucmm_graph *g, mucmm__body *b)
{
    mucmm_status status = MUCMM_OK;
    order o = {0};
    mucmm__node *sorted = NULL;
    int32_t *queue = NULL, head = 0, tail = 0;

    TRY(order_alloc(ctx, g, b, &o));
    TRY(mucmm__alloc(ctx, b->n_nodes, sizeof *sorted, &sorted));
    TRY(mucmm__alloc(ctx, b->n_nodes, sizeof *queue, &queue));
    for (int32_t k = 0; k < b->n_nodes; k++)
        if (o.waits[k] == 0)
            queue[tail++] = k;
    for (; head < tail; head++)
        for (int32_t e = o.first[queue[head]]; e >= 0; e = o.next[e])
            if (--o.waits[o.user[e]] == 0)
                queue[tail++] = o.user[e];
    for (int32_t k = 0; k < b->n_nodes && tail < b->n_nodes; k++)
        if (o.waits[k] > 0)
            TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                            "node '%.200s' (%s) is part of a cycle, or waits for one: its inputs "
                            "depend on its outputs",
                            b->nodes[k].name, b->nodes[k].op->type));
    for (int32_t k = 0; k < b->n_nodes; k++)
        sorted[k] = b->nodes[queue[k]];
    mucmm__free(b->nodes);
    b->nodes = sorted;
    sorted = NULL;
done:
    mucmm__free(sorted);
    mucmm__free(queue);
    mucmm__free(o.producer);
    mucmm__free(o.waits);
    mucmm__free(o.first);
    mucmm__free(o.next);
    mucmm__free(o.user);
    return status;
}

/* ---- bodies ------------------------------------------------------------------------ */

static mucmm_status read_initializers(import *im, const Onnx__GraphProto *p, scope *s)
{
    mucmm_status status = MUCMM_OK;

    if (p->n_sparse_initializer)
        return mucmm__fail(im->ctx, MUCMM_EUNSUPPORTED,
                           "the model has sparse constants, which are not supported");
    for (size_t i = 0; i < p->n_initializer; i++) {
        int32_t id;
        TRY(add_value(im, s, p->initializer[i]->name ? p->initializer[i]->name : "", "constant",
                      &id));
        TRY(decode_tensor(im->ctx, p->initializer[i], im->folder, &im->g->values[id].constant));
    }
done:
    return status;
}

/* Node k of the file becomes node k of the body, but for those that are not supported. */
static mucmm_status read_nodes(import *im, const Onnx__GraphProto *p, scope *s, mucmm__body *out)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(im->ctx, (int64_t)p->n_node, sizeof *out->nodes, &out->nodes));
    out->n_nodes = (int32_t)p->n_node;
    for (int32_t k = 0; k < out->n_nodes; k++)
        TRY(add_outputs(im, p->node[k], s, &out->nodes[k]));
    if (!s->outer)
        im->g->n_outer = im->g->n_values;
    for (int32_t k = 0; k < out->n_nodes; k++) {
        bool known_type = false;
        const Onnx__NodeProto *n = p->node[k];

        if (is_default_domain(n->domain))
            out->nodes[k].op =
                mucmm__op_find(n->op_type ? n->op_type : "", im->g->opset, &known_type);
        if (!out->nodes[k].op)
            note_unsupported(im, n, known_type ? " (other opsets of it are)" : "");
        else
            TRY(read_node(im, n, s, &out->nodes[k]));
    }
done:
    return status;
}

static mucmm_status read_outputs(import *im, const Onnx__GraphProto *p, const scope *s,
                                 mucmm__body *out)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(im->ctx, (int64_t)p->n_output, sizeof *out->outputs, &out->outputs));
    for (; out->n_outputs < (int32_t)p->n_output; out->n_outputs++) {
        const char *name = p->output[out->n_outputs]->name ? p->output[out->n_outputs]->name : "";
        out->outputs[out->n_outputs] = find_name(s, name);
        if (out->outputs[out->n_outputs] < 0)
            return mucmm__fail(im->ctx, MUCMM_EFORMAT,
                               "output '%.200s' of the graph is computed by no node", name);
    }
done:
    return status;
}

/* s is set up here and dropped by the caller. A body inside a node has no inputs (If). */
static mucmm_status read_body(import *im, const Onnx__GraphProto *p, const scope *outer, scope *s,
                              mucmm__body *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t names = (int64_t)(p->n_input + p->n_initializer);
    int32_t id;

    for (size_t k = 0; k < p->n_node; k++)
        names += (int64_t)p->node[k]->n_output;
    if (names > INT32_MAX / 4)
        return mucmm__fail(im->ctx, MUCMM_EUNSUPPORTED,
                           "the graph has %" PRId64 " tensors, which is too many", names);
    s->outer = outer;
    TRY(mucmm__index_init(im->ctx, &s->index, names, value_name, im->g));
    TRY(read_initializers(im, p, s));
    for (size_t i = 0; i < p->n_input; i++) {
        const char *name = p->input[i]->name ? p->input[i]->name : "";
        if (mucmm__index_find(&s->index, name) < 0) /* else it has a constant value */
            TRY(add_value(im, s, name, "input", &id));
    }
    TRY(read_nodes(im, p, s, out));
    if (im->n_unsupported == 0) {
        TRY(read_outputs(im, p, s, out));
        TRY(sort_nodes(im->ctx, im->g, out));
    }
done:
    return status;
}

/* ---- the model --------------------------------------------------------------------- */

static void read_declared(const Onnx__ValueInfoProto *p, const char *name, mucmm_named_tensor *out)
{
    const Onnx__TypeProto__Tensor *t =
        p->type && p->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ? p->type->tensor_type
                                                                              : NULL;

    out->name = name;
    out->tensor.rank = -1;
    out->tensor.dtype = (mucmm_dtype)(t && t->has_elem_type ? t->elem_type : 0);
    if (!t || !t->shape || t->shape->n_dim > MUCMM_MAX_RANK)
        return;
    out->tensor.rank = (int32_t)t->shape->n_dim;
    for (int32_t k = 0; k < out->tensor.rank; k++) {
        const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[k];
        bool fixed = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        out->tensor.shape[k] = fixed && d->dim_value >= 0 ? d->dim_value : -1;
    }
}

static mucmm_status read_interface(import *im, const Onnx__GraphProto *p, const scope *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm_graph *g = im->g;

    TRY(mucmm__alloc(im->ctx, (int64_t)p->n_input, sizeof *g->inputs, &g->inputs));
    TRY(mucmm__alloc(im->ctx, (int64_t)p->n_input, sizeof *g->input_ids, &g->input_ids));
    for (size_t i = 0; i < p->n_input; i++) {
        int32_t id = find_name(s, p->input[i]->name ? p->input[i]->name : "");
        const Onnx__TypeProto *type = p->input[i]->type;
        if (id < 0 || g->values[id].constant.data)
            continue;
        if (type && type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE &&
            type->value_case != ONNX__TYPE_PROTO__VALUE__NOT_SET)
            TRY(mucmm__fail(
                im->ctx, MUCMM_EUNSUPPORTED,
                "input '%s' is a sequence, a map or optional; only tensors are supported",
                g->names[id]));
        read_declared(p->input[i], g->names[id], &g->inputs[g->n_inputs]);
        g->input_ids[g->n_inputs++] = id;
    }
    TRY(mucmm__alloc(im->ctx, (int64_t)p->n_output, sizeof *g->outputs, &g->outputs));
    for (size_t i = 0; i < p->n_output; i++)
        read_declared(p->output[i], g->names[g->body.outputs[i]], &g->outputs[g->n_outputs++]);
done:
    return status;
}

static mucmm_status read_opsets(import *im, const Onnx__ModelProto *p)
{
    for (size_t i = 0; i < p->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = p->opset_import[i];
        if (!is_default_domain(o->domain) || !o->has_version)
            continue;
        if (o->version < 1 || o->version > MUCMM__OPSET_MAX)
            return mucmm__fail(im->ctx, MUCMM_EUNSUPPORTED,
                               "the model uses opset %" PRId64
                               "; up to %d are supported (export it with opset %d)",
                               o->version, MUCMM__OPSET_MAX, MUCMM__OPSET_MAX);
        im->g->opset = (int32_t)o->version;
    }
    if (im->g->opset == 0)
        im->g->opset = 1; /* the specification's default */
    return MUCMM_OK;
}

static mucmm_status fail_unsupported(const import *im)
{
    return mucmm__fail(im->ctx, MUCMM_EUNSUPPORTED, "%" PRId64 " node%s cannot be run: %s%s",
                       im->n_unsupported, im->n_unsupported == 1 ? "" : "s", im->unsupported,
                       im->used + 400 >= sizeof im->unsupported ? "; ..." : "");
}

mucmm_status mucmm__onnx_import(mucmm_ctx *ctx, const unsigned char *bytes, size_t size,
                                const char *folder, mucmm_graph *g)
{
    mucmm_status status = MUCMM_OK;
    ProtobufCMessage *m = NULL;
    const Onnx__ModelProto *model;
    scope s = {0};
import im = {.ctx = ctx, .g = g, .folder = folder };

    TRY(unpack(ctx, &onnx__model_proto__descriptor, bytes, size, &m));
    model = (const Onnx__ModelProto *)m;
    if (!model->graph || (!model->graph->n_node && !model->graph->n_output))
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "not an ONNX model: it holds no graph"));
    TRY(read_opsets(&im, model));
    TRY(read_body(&im, model->graph, NULL, &s, &g->body));
    if (im.n_unsupported)
        TRY(fail_unsupported(&im));
    TRY(read_interface(&im, model->graph, &s));
    g->index = s.index; /* the names of the outer scope stay */
    s.index = (mucmm__index){0};
done:
    mucmm__index_drop(&s.index);
    unpacked_free(m);
    return status;
}

/* ---- freeing ----------------------------------------------------------------------- */

static void attr_drop(mucmm__attr *a)
{
    mucmm__free(a->name);
    mucmm__free(a->ints);
    mucmm__free(a->floats);
    mucmm__free(a->s);
    for (int64_t i = 0; a->strings && i < a->n; i++)
        mucmm__free(a->strings[i]);
    mucmm__free(a->strings);
    mucmm__free(a->t.data);
    if (a->body)
        mucmm__body_drop(a->body);
    mucmm__free(a->body);
}

void mucmm__body_drop(mucmm__body *b)
{
    for (int32_t k = 0; b->nodes && k < b->n_nodes; k++) {
        mucmm__node *n = &b->nodes[k];
        for (int32_t i = 0; i < n->n_attrs; i++)
            attr_drop(&n->attrs[i]);
        mucmm__free(n->attrs);
        mucmm__free(n->name);
        mucmm__free(n->in);
        mucmm__free(n->out);
        mucmm__free(n->captures);
    }
    mucmm__free(b->nodes);
    mucmm__free(b->outputs);
}
