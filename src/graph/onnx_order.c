/* SPDX-License-Identifier: MIT
 *
 * onnx_order.c - the nodes of a body in an order in which they can be computed. */
#include "graph/onnx_file.h"

#include <string.h>

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
mucmm_status mucmm__onnx_sort_nodes(mucmm_ctx *ctx, const mucmm_graph *g, mucmm__body *b)
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
