/* SPDX-License-Identifier: MIT
 *
 * What a network takes, gives and holds, as JSON. */
#include "core/json.h"
#include "graph/graph.h"

#include <stdio.h>

static json_t *shape_json(mucmm__json_build *b, const mucmm_tensor *t)
{
    json_t *list = t->rank < 0 ? json_null() : json_array();

    for (int32_t i = 0; i < t->rank; i++)
        mucmm__json_add(b, list, t->shape[i] < 0 ? json_null() : json_integer(t->shape[i]));
    return list;
}

static json_t *tensor_json(mucmm__json_build *b, const mucmm_named_tensor *t)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "name", mucmm__json_string(t->name));
    mucmm__json_set(b, o, "dtype",
                    json_string(mucmm_dtype_size(t->tensor.dtype) > 0
                                    ? mucmm_dtype_name(t->tensor.dtype)
                                    : "?"));
    mucmm__json_set(b, o, "shape", shape_json(b, &t->tensor));
    return o;
}

/* opsets: those of the nodes, each once; operators: {"Conv": 27, "Relu": 26}; tensors or NULL. */
static void put_node(mucmm__json_build *b, const mucmm_node_info *node, json_t *opsets,
                     json_t *operators, json_t *tensors)
{
    json_int_t so_far = json_integer_value(json_object_get(operators, node->op));
    bool known = false;
    size_t i;
    json_t *value;

    mucmm__json_set(b, operators, node->op, json_integer(so_far + 1));
    json_array_foreach(opsets, i, value)
    {
        known = known || json_integer_value(value) == node->opset;
    }
    if (!known)
        mucmm__json_add(b, opsets, json_integer(node->opset));
    if (!tensors)
        return;
    json_t *o = json_object();
    mucmm__json_set(b, o, "name", mucmm__json_string(node->output));
    mucmm__json_set(b, o, "op", mucmm__json_string(node->op));
    mucmm__json_add(b, tensors, o);
}

mucmm_status mucmm_graph_json(mucmm_ctx *ctx, const mucmm_graph *g, int32_t tensors, char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {.failed = false};
    json_t *root = json_object(), *in = json_array(), *results = json_array();
    json_t *opsets = json_array(), *operators = json_object(),
           *list = tensors ? json_array() : NULL;
    mucmm_node_info node;

    *out = NULL;
    for (int32_t i = 0; i < mucmm_graph_inputs(g); i++)
        mucmm__json_add(&b, in, tensor_json(&b, mucmm_graph_input(g, i)));
    for (int32_t i = 0; i < mucmm_graph_outputs(g); i++)
        mucmm__json_add(&b, results, tensor_json(&b, mucmm_graph_output(g, i)));
    mucmm_node_info_init(&node);
    for (int32_t i = 0; mucmm_graph_node(g, i, &node); i++)
        put_node(&b, &node, opsets, operators, list);
    mucmm__json_set(&b, root, "inputs", in);
    mucmm__json_set(&b, root, "outputs", results);
    mucmm__json_set(&b, root, "nodes", json_integer(mucmm_graph_nodes(g)));
    mucmm__json_set(&b, root, "opsets", opsets);
    mucmm__json_set(&b, root, "operators", operators);
    if (tensors)
        mucmm__json_set(&b, root, "tensors", list);
    TRY(mucmm__json_done(ctx, &b, root));
    TRY(mucmm__json_dump(ctx, root, JSON_INDENT(2) | JSON_REAL_PRECISION(17), out));
done:
    json_decref(root);
    return status;
}
