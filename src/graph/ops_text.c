/* SPDX-License-Identifier: MIT
 *
 * The operators: all as the table of docs/operators.md, and those of a network. */
#include "core/text.h"
#include "graph/graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    const mucmm_op_info *x = a, *y = b;
    int order = strcmp(x->type, y->type);

    return order != 0 ? order : x->since - y->since;
}

/* Rows of one operator that follow each other are one, if they agree on the gradient. */
static int32_t merge(mucmm_op_info *ops, int32_t n)
{
    int32_t kept = 0;

    for (int32_t i = 0; i < n; i++) {
        mucmm_op_info *last = kept > 0 ? &ops[kept - 1] : NULL;
        if (last && strcmp(last->type, ops[i].type) == 0 && last->until + 1 >= ops[i].since &&
            last->differentiable == ops[i].differentiable)
            last->until = ops[i].until;
        else
            ops[kept++] = ops[i];
    }
    return kept;
}

mucmm_status mucmm_ops_text(mucmm_ctx *ctx, char **out)
{
    static const char head[] =
        "# Operators\n\nPrinted by `mucmm graph ops`. An opset range counts the opset of the "
        "model; a gradient is that with respect to\nthe float inputs.\n\n"
        "| Operator | Opsets | Gradient |\n|---|---|---|\n";
    mucmm_status status = MUCMM_OK;
    mucmm__text t = {.ctx = ctx};
    mucmm_op_info *ops = NULL;
    int32_t n = mucmm_ops();

    *out = NULL;
    TRY(mucmm__alloc(ctx, n, sizeof *ops, &ops));
    for (int32_t i = 0; i < n; i++) {
        mucmm_op_info_init(&ops[i]);
        mucmm_op(i, &ops[i]);
    }
    qsort(ops, (size_t)n, sizeof *ops, by_name);
    n = merge(ops, n);
    mucmm__text_add(&t, head, sizeof head - 1);
    for (int32_t i = 0; i < n; i++)
        mucmm__text_format(&t, "| %s | %" PRId32 " to %" PRId32 " | %s |\n", ops[i].type,
                           ops[i].since, ops[i].until, ops[i].differentiable ? "yes" : "no");
    status = mucmm__text_done(&t, out);
done:
    mucmm__free(ops);
    return status;
}

/* ---- of a network ------------------------------------------------------------------ */

/* Is node i the first of its operator (of its opset)? How many are there of its operator? */
static bool is_first(const mucmm_graph *g, int32_t i, bool by_opset, int32_t *count)
{
    mucmm_node_info node, other;
    bool first = true;

    mucmm_node_info_init(&node);
    mucmm_node_info_init(&other);
    mucmm_graph_node(g, i, &node);
    *count = 0;
    for (int32_t j = 0; mucmm_graph_node(g, j, &other); j++) {
        bool same = by_opset ? other.opset == node.opset : strcmp(other.op, node.op) == 0;
        first = first && !(same && j < i);
        *count += same;
    }
    return first;
}

mucmm_status mucmm_graph_operators_text(mucmm_ctx *ctx, const mucmm_graph *g, char **out)
{
    mucmm__text t = {.ctx = ctx};
    mucmm_node_info node;
    char name[80];
    int32_t count;

    mucmm_node_info_init(&node);
    mucmm__text_format(&t, "%" PRId32 " nodes, opset", mucmm_graph_nodes(g));
    for (int32_t i = 0; mucmm_graph_node(g, i, &node); i++)
        if (is_first(g, i, true, &count))
            mucmm__text_format(&t, "%s %" PRId32, i > 0 ? "," : "", node.opset);
    mucmm__text_add(&t, ":\n", 2);
    for (int32_t i = 0; mucmm_graph_node(g, i, &node); i++)
        if (is_first(g, i, false, &count))
            mucmm__text_format(&t, "  %-20s  %" PRId32 "\n",
                               mucmm_text_printable(node.op, name, sizeof name), count);
    return mucmm__text_done(&t, out);
}
