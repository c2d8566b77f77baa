/* SPDX-License-Identifier: MIT
 *
 * network.h - what a loaded graph is: for the import, the planner and the execution. */
#ifndef MUCMM_GRAPH_NETWORK_H
#define MUCMM_GRAPH_NETWORK_H

#include "graph/graph.h"
#include "io/data.h"
#include <pthread.h>

typedef struct mucmm__value {
    const char *name;      /* "" if the file gives none                                    */
    mucmm_tensor constant; /* data owned by the graph; NULL = computed or given by the caller */
} mucmm__value;

/* The nodes of the graph or of a branch, in an order in which they can be computed. */
struct mucmm__body {
    int32_t n_nodes, n_outputs;
    mucmm__node *nodes;
    int32_t *outputs; /* ids of values */
};

typedef struct mucmm__plan mucmm__plan;

typedef struct mucmm__pack {
    struct mucmm__pack *next;
    void *key, *bytes;
    size_t key_size;
} mucmm__pack;

struct mucmm_graph {
    _Atomic int64_t references;
    char *label;
    int32_t opset;
    uint64_t content; /* hash of the model's bytes and of its external weights */
    mucmm__body body;
    int32_t n_inputs, n_outputs;
    mucmm_named_tensor *inputs, *outputs; /* as declared                       */
    int32_t *input_ids;                   /* output ids are body.outputs       */
    /* Values of the graph itself come first: names are looked up among values[0..n_outer). */
    int32_t n_values, n_outer;
    mucmm__value *values;
    char **names; /* owned strings, one a value */
    mucmm__index index;
    pthread_mutex_t lock; /* of what follows: made once, then only read */
    bool lock_made;
    mucmm__pack *packs;
    mucmm__plan *plans; /* most recently used first */
};

/* onnx.c: fills an empty graph from the bytes of a model; folder of external weights, or NULL. */
mucmm_status mucmm__onnx_import(mucmm_ctx *ctx, const unsigned char *bytes, size_t size,
                                const char *folder, mucmm_graph *g);
/* Numbers of a TensorProto as the file holds them (packed protobuf bytes): for tests. */
mucmm_status mucmm__onnx_tensor(mucmm_ctx *ctx, const unsigned char *bytes, size_t size,
                                mucmm_tensor *out);
/* The same graph, for another who will free it. References and the plans that are kept behind the
 * lock change, which is no part of what const promises. */
mucmm_graph *mucmm__graph_keep(const mucmm_graph *g);
void mucmm__body_drop(mucmm__body *b);

/* The id of a name among the outer values, or EARG with the nearest names. */
mucmm_status mucmm__graph_value(mucmm_ctx *ctx, const mucmm_graph *g, const char *name,
                                int32_t *id);

/* plan_constants.c: nodes whose inputs are all constants become constants. */
mucmm_status mucmm__fold_constants(mucmm_ctx *ctx, mucmm_graph *g);
/* plan.c */
void mucmm__plan_free(mucmm__plan *p); /* drops one reference; NULL is fine */
void mucmm__plans_drop(mucmm__plan *first);

#endif
