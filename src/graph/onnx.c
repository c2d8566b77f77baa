/* SPDX-License-Identifier: MIT
 *
 * onnx.c - from the bytes of an ONNX model to a graph: names, nodes, bodies, the interface. The
 * protobuf reader is generated from ONNX's schema; everything it yields is checked before use. */
#include "graph/onnx_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <onnx.pb-c.h>

/* ---- names ------------------------------------------------------------------------- */

/* Names that can be seen from a body: its own, then those around it. */
typedef struct scope {
    const struct scope *outer;
    mucmm__index index; /* over graph->names */
} scope;

typedef struct import {
    mucmm_ctx *ctx;
    mucmm_graph *g;
    mucmm__external external;
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
        TRY(mucmm__onnx_decode(im->ctx, p->t, &im->external, &a->t));
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
        TRY(mucmm__onnx_decode(im->ctx, p->initializer[i], &im->external,
                               &im->g->values[id].constant));
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
        TRY(mucmm__onnx_sort_nodes(im->ctx, im->g, out));
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
import im = {.ctx = ctx, .g = g, .external = { folder, mucmm__hash(MUCMM__HASH_START, bytes, size) } };

    TRY(mucmm__onnx_unpack(ctx, &onnx__model_proto__descriptor, bytes, size, &m));
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
    g->content = im.external.content;
done:
    mucmm__index_drop(&s.index);
    mucmm__onnx_unpacked_free(m);
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
