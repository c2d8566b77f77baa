/* SPDX-License-Identifier: MIT
 *
 * onnx_builder.h - small ONNX models made in memory, for tests:
 *
 *   net n = net_new(13);
 *   net_input(&n, "x", MUCMM_F32, "2x3x5x5");
 *   net_floats(&n, "w", "4x3x3x3", values);
 *   net_node(&n, "Conv", "x w", "y", "strides=[2,2] auto_pad=SAME_UPPER");
 *   net_output(&n, "y");
 *   g = net_load(ctx, &n);      and net_drop(&n) at the end
 *
 * Lists of names are separated by spaces, "_" is an absent one. Attributes are name=value; a
 * value with a point is a float, one that is no number a string, [a,b] a list of such. */
#ifndef MUCMM_TEST_ONNX_BUILDER_H
#define MUCMM_TEST_ONNX_BUILDER_H

#include "graph/graph.h"
#include "harness.h"
#include "onnx.pb-c.h"

#define NET_MAX 128

typedef struct net_block {
    struct net_block *next;
    max_align_t bytes[];
} net_block;

typedef struct net {
    net_block *blocks;
    Onnx__GraphProto *graph;
    Onnx__ModelProto *model;
} net;

static inline void *net_memory(net *n, size_t size)
{
    net_block *b = calloc(1, sizeof *b + size + 1);

    assert_non_null(b);
    b->next = n->blocks;
    n->blocks = b;
    return b->bytes;
}

static inline char *net_text(net *n, const char *from, size_t length)
{
    char *s = net_memory(n, length);

    memcpy(s, from, length);
    return s;
}

static inline void net_drop(net *n)
{
    while (n->blocks) {
        net_block *next = n->blocks->next;
        free(n->blocks);
        n->blocks = next;
    }
}

/* A message that is initialized and lives as long as the net. */
static inline void *net_message(net *n, const ProtobufCMessageDescriptor *type)
{
    void *m = net_memory(n, type->sizeof_message);

    protobuf_c_message_init(type, m);
    return m;
}

static inline Onnx__GraphProto *net_graph(net *n)
{
    Onnx__GraphProto *g = net_message(n, &onnx__graph_proto__descriptor);

    g->name = net_text(n, "test", 4);
    g->node = net_memory(n, NET_MAX * sizeof *g->node);
    g->initializer = net_memory(n, NET_MAX * sizeof *g->initializer);
    g->input = net_memory(n, NET_MAX * sizeof *g->input);
    g->output = net_memory(n, NET_MAX * sizeof *g->output);
    return g;
}

static inline net net_new(int64_t opset)
{
    net n = {0};
    Onnx__OperatorSetIdProto *set = net_message(&n, &onnx__operator_set_id_proto__descriptor);

    n.model = net_message(&n, &onnx__model_proto__descriptor);
    n.graph = n.model->graph = net_graph(&n);
    n.model->has_ir_version = 1;
    n.model->ir_version = 8;
    set->domain = net_text(&n, "", 0);
    set->has_version = 1;
    set->version = opset;
    n.model->n_opset_import = 1;
    n.model->opset_import = net_memory(&n, sizeof *n.model->opset_import);
    n.model->opset_import[0] = set;
    return n;
}

/* "2x3" -> {2, 3}; "" -> no dimension. Returns the rank. */
static inline int32_t net_shape(const char *text, int64_t shape[MUCMM_MAX_RANK])
{
    int32_t rank = 0;

    while (*text) {
        char *end;
        assert_true(rank < MUCMM_MAX_RANK);
        shape[rank++] = strtoll(text, &end, 10);
        assert_true(end != text);
        text = *end == 'x' ? end + 1 : end;
    }
    return rank;
}

static inline int64_t net_count(const char *text)
{
    int64_t shape[MUCMM_MAX_RANK], n = 1;
    int32_t rank = net_shape(text, shape);

    for (int32_t k = 0; k < rank; k++)
        n *= shape[k];
    return n;
}

/* shape "?" is one that is not declared. */
static inline Onnx__ValueInfoProto *net_value(net *n, const char *name, mucmm_dtype t,
                                              const char *shape)
{
    Onnx__ValueInfoProto *v = net_message(n, &onnx__value_info_proto__descriptor);
    Onnx__TypeProto__Tensor *tensor = net_message(n, &onnx__type_proto__tensor__descriptor);
    int64_t dims[MUCMM_MAX_RANK];
    int32_t rank = *shape == '?' ? 0 : net_shape(shape, dims);

    v->name = net_text(n, name, strlen(name));
    v->type = net_message(n, &onnx__type_proto__descriptor);
    v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    v->type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = (int32_t)t;
    if (*shape == '?')
        return v;
    tensor->shape = net_message(n, &onnx__tensor_shape_proto__descriptor);
    tensor->shape->n_dim = (size_t)rank;
    tensor->shape->dim = net_memory(n, MUCMM_MAX_RANK * sizeof *tensor->shape->dim);
    for (int32_t k = 0; k < rank; k++) {
        Onnx__TensorShapeProto__Dimension *d =
            net_message(n, &onnx__tensor_shape_proto__dimension__descriptor);
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = dims[k];
        tensor->shape->dim[k] = d;
    }
    return v;
}

static inline void net_input(net *n, const char *name, mucmm_dtype t, const char *shape)
{
    assert_true(n->graph->n_input < NET_MAX);
    n->graph->input[n->graph->n_input++] = net_value(n, name, t, shape);
}

static inline void net_output(net *n, const char *name)
{
    assert_true(n->graph->n_output < NET_MAX);
    n->graph->output[n->graph->n_output++] = net_value(n, name, MUCMM_F32, "?");
}

/* An initializer whose numbers are copied. */
static inline Onnx__TensorProto *net_constant(net *n, const char *name, mucmm_dtype t,
                                              const char *shape, const void *data)
{
    Onnx__TensorProto *c = net_message(n, &onnx__tensor_proto__descriptor);
    int64_t dims[MUCMM_MAX_RANK];
    int32_t rank = net_shape(shape, dims);

    c->name = net_text(n, name, strlen(name));
    c->has_data_type = 1;
    c->data_type = (int32_t)t;
    c->n_dims = (size_t)rank;
    c->dims = net_memory(n, sizeof dims);
    memcpy(c->dims, dims, (size_t)rank * sizeof *dims);
    c->has_raw_data = 1;
    c->raw_data.len = (size_t)(net_count(shape) * mucmm_dtype_size(t));
    c->raw_data.data = net_memory(n, c->raw_data.len);
    memcpy(c->raw_data.data, data, c->raw_data.len);
    assert_true(n->graph->n_initializer < NET_MAX);
    n->graph->initializer[n->graph->n_initializer++] = c;
    return c;
}

static inline void net_floats(net *n, const char *name, const char *shape, const float *data)
{
    net_constant(n, name, MUCMM_F32, shape, data);
}

static inline void net_ints(net *n, const char *name, const char *shape, const int64_t *data)
{
    net_constant(n, name, MUCMM_I64, shape, data);
}

/* Splits at `separator`; returns how many parts. */
static inline size_t net_split(net *n, const char *text, char separator, char *parts[NET_MAX])
{
    size_t count = 0;

    while (*text) {
        const char *end = strchr(text, separator);
        size_t length = end ? (size_t)(end - text) : strlen(text);
        assert_true(count < NET_MAX);
        if (length > 0)
            parts[count++] = net_text(n, text, length);
        text += length + (end ? 1 : 0);
    }
    return count;
}

static inline void net_attribute_list(net *n, Onnx__AttributeProto *a, char *list)
{
    char *parts[NET_MAX], *end;
    size_t count;

    list[strlen(list) - 1] = '\0';
    count = net_split(n, list + 1, ',', parts);
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    a->ints = net_memory(n, NET_MAX * sizeof *a->ints);
    a->floats = net_memory(n, NET_MAX * sizeof *a->floats);
    a->strings = net_memory(n, NET_MAX * sizeof *a->strings);
    for (size_t i = 0; i < count; i++) {
        double value = strtod(parts[i], &end);
        if (*end) {
            a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
            a->strings[a->n_strings++] =
                (ProtobufCBinaryData){strlen(parts[i]), (uint8_t *)parts[i]};
        } else if (strchr(parts[i], '.')) {
            a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
            a->floats[a->n_floats++] = (float)value;
        } else {
            a->ints[a->n_ints++] = (int64_t)value;
        }
    }
}

static inline Onnx__AttributeProto *net_attribute(net *n, const char *text)
{
    Onnx__AttributeProto *a = net_message(n, &onnx__attribute_proto__descriptor);
    const char *equals = strchr(text, '=');
    char *value, *end;
    double number;

    assert_non_null(equals);
    a->name = net_text(n, text, (size_t)(equals - text));
    value = net_text(n, equals + 1, strlen(equals + 1));
    a->has_type = 1;
    number = strtod(value, &end);
    if (*value == '[') {
        net_attribute_list(n, a, value);
    } else if (*end || end == value) {
        a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        a->has_s = 1;
        a->s = (ProtobufCBinaryData){strlen(value), (uint8_t *)value};
    } else if (strchr(value, '.')) {
        a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        a->has_f = 1;
        a->f = (float)number;
    } else {
        a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        a->has_i = 1;
        a->i = (int64_t)number;
    }
    return a;
}

static inline size_t net_names(net *n, const char *text, char ***out)
{
    char **names = net_memory(n, NET_MAX * sizeof *names);
    size_t count = net_split(n, text, ' ', names);

    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "_") == 0)
            names[i][0] = '\0';
    *out = names;
    return count;
}

static inline Onnx__NodeProto *net_node(net *n, const char *op, const char *in, const char *out,
                                        const char *attributes)
{
    Onnx__NodeProto *node = net_message(n, &onnx__node_proto__descriptor);
    char **texts;

    node->op_type = net_text(n, op, strlen(op));
    node->n_input = net_names(n, in, &node->input);
    node->n_output = net_names(n, out, &node->output);
    node->attribute = net_memory(n, NET_MAX * sizeof *node->attribute);
    node->n_attribute = net_names(n, attributes, &texts);
    for (size_t i = 0; i < node->n_attribute; i++)
        node->attribute[i] = net_attribute(n, texts[i]);
    assert_true(n->graph->n_node < NET_MAX);
    n->graph->node[n->graph->n_node++] = node;
    return node;
}

/* The file's bytes; freed with the net. */
static inline uint8_t *net_bytes(net *n, size_t *size)
{
    uint8_t *bytes;

    *size = onnx__model_proto__get_packed_size(n->model);
    bytes = net_memory(n, *size);
    onnx__model_proto__pack(n->model, bytes);
    return bytes;
}

static inline mucmm_graph *net_load(mucmm_ctx *ctx, net *n)
{
    mucmm_graph *g = NULL;
    size_t size;
    uint8_t *bytes = net_bytes(n, &size);

    CHECK_OK(ctx, mucmm_graph_load_memory(ctx, bytes, size, "test.onnx", &g));
    assert_non_null(g);
    return g;
}

/* The status of loading, for nets that should be refused. */
static inline mucmm_status net_refused(mucmm_ctx *ctx, net *n)
{
    mucmm_graph *g = NULL;
    size_t size;
    uint8_t *bytes = net_bytes(n, &size);
    mucmm_status status = mucmm_graph_load_memory(ctx, bytes, size, "test.onnx", &g);

    if (status == MUCMM_OK)
        mucmm_graph_free(g);
    else
        assert_null(g);
    return status;
}

#endif
