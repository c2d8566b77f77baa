/* SPDX-License-Identifier: MIT
 *
 * network.c - loading, looking at and freeing a graph; what is derived from its constants. */
#include "graph/network.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* ---- loading ----------------------------------------------------------------------- */

static mucmm_status create(mucmm_ctx *ctx, const char *label, mucmm_graph **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_graph *g = NULL;

    TRY(mucmm__alloc(ctx, 1, sizeof *g, &g));
    atomic_init(&g->references, 1);
    g->lock_made = pthread_mutex_init(&g->lock, NULL) == 0;
    if (!g->lock_made)
        TRY(mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: a lock"));
    TRY(mucmm__strdup(ctx, label, &g->label));
    *out = g;
    g = NULL;
done:
    mucmm_graph_free(g);
    return status;
}

static mucmm_status load(mucmm_ctx *ctx, const unsigned char *bytes, size_t size,
                         const char *folder, const char *label, mucmm_graph **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_graph *g = NULL;

    TRY(create(ctx, label, &g));
    status = mucmm__onnx_import(ctx, bytes, size, folder, g);
    if (status == MUCMM_OK)
        status = mucmm__fold_constants(ctx, g);
    if (status != MUCMM_OK)
        TRY(mucmm__prefix(ctx, status, "%s", label));
    *out = g;
    g = NULL;
done:
    mucmm_graph_free(g);
    return status;
}

mucmm_status mucmm_graph_load(mucmm_ctx *ctx, const char *path, mucmm_graph **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {NULL, 0};
    char *folder = NULL, *slash;

    *out = NULL;
    if (!path)
        return mucmm__fail(ctx, MUCMM_EARG, "no file name");
    TRY(mucmm__strdup(ctx, path, &folder));
    slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    TRY(mucmm__map_open(ctx, path, &map));
    TRY(load(ctx, map.data, map.size, slash == folder ? "/" : slash ? folder : ".", path, out));
done:
    mucmm__map_close(&map);
    mucmm__free(folder);
    return status;
}

mucmm_status mucmm_graph_load_memory(mucmm_ctx *ctx, const void *bytes, size_t size,
                                     const char *label, mucmm_graph **out)
{
    *out = NULL;
    return load(ctx, bytes, size, NULL, label ? label : "model", out);
}

mucmm_graph *mucmm__graph_keep(const mucmm_graph *g)
{
    mucmm_graph *kept = (mucmm_graph *)(uintptr_t)g;

    atomic_fetch_add(&kept->references, 1);
    return kept;
}

void mucmm_graph_free(mucmm_graph *g)
{
    if (!g || atomic_fetch_sub(&g->references, 1) > 1)
        return;
    mucmm__plans_drop(g->plans);
    while (g->packs) {
        mucmm__pack *next = g->packs->next;
        mucmm__free(g->packs->key);
        mucmm__free(g->packs->bytes);
        mucmm__free(g->packs);
        g->packs = next;
    }
    mucmm__body_drop(&g->body);
    for (int32_t i = 0; i < g->n_values; i++) {
        mucmm__free(g->values[i].constant.data);
        mucmm__free(g->names[i]);
    }
    mucmm__index_drop(&g->index);
    mucmm__free(g->values);
    mucmm__free(g->names);
    mucmm__free(g->inputs);
    mucmm__free(g->input_ids);
    mucmm__free(g->outputs);
    mucmm__free(g->label);
    if (g->lock_made)
        pthread_mutex_destroy(&g->lock);
    mucmm__free(g);
}

/* ---- looking ----------------------------------------------------------------------- */

uint64_t mucmm__graph_content(const mucmm_graph *g)
{
    return g->content;
}

int32_t mucmm_graph_inputs(const mucmm_graph *g)
{
    return g->n_inputs;
}

const mucmm_named_tensor *mucmm_graph_input(const mucmm_graph *g, int32_t i)
{
    return i >= 0 && i < g->n_inputs ? &g->inputs[i] : NULL;
}

int32_t mucmm_graph_outputs(const mucmm_graph *g)
{
    return g->n_outputs;
}

const mucmm_named_tensor *mucmm_graph_output(const mucmm_graph *g, int32_t i)
{
    return i >= 0 && i < g->n_outputs ? &g->outputs[i] : NULL;
}

int32_t mucmm_graph_nodes(const mucmm_graph *g)
{
    return g->body.n_nodes;
}

void mucmm_node_info_init_sized(mucmm_node_info *n, size_t size)
{
    mucmm__params_init(n, size, &(mucmm_node_info){.struct_size = 0}, sizeof *n);
}

int32_t mucmm_graph_node(const mucmm_graph *g, int32_t i, mucmm_node_info *out)
{
    const mucmm__node *n;
    mucmm_node_info found = {.output = ""};

    if (i < 0 || i >= g->body.n_nodes)
        return 0;
    n = &g->body.nodes[i];
    found.op = n->op->type;
    found.name = n->name;
    found.opset = n->opset;
    for (int32_t k = n->n_out - 1; k >= 0; k--)
        if (n->out[k] >= 0)
            found.output = g->names[n->out[k]];
    return mucmm__params_give(&found, sizeof found, out);
}

/* How far a name is from what was asked for; one that contains it is near. */
static int64_t farness(const char *asked, const char *name)
{
    int64_t d = mucmm__edit_distance(asked, name);
    return *asked && strstr(name, asked) ? d / 4 : d;
}

enum { OFFERED = 3 };

/* The nearest computed tensors' names, as "'a', 'b', 'c'". */
static void offer_names(const mucmm_graph *g, const char *asked, char *out, size_t size)
{
    int32_t best[OFFERED];
    int64_t far[OFFERED];
    int32_t n = 0;
    size_t used = 0;
    char quoted[MUCMM__QUOTE];

    for (int32_t i = 0; i < g->n_outer; i++) {
        int64_t d;
        int32_t k;
        if (g->values[i].constant.data || !*g->names[i])
            continue;
        d = farness(asked, g->names[i]);
        if (n == OFFERED && d >= far[n - 1])
            continue;
        k = n < OFFERED ? n++ : n - 1;
        for (; k > 0 && far[k - 1] > d; k--) {
            far[k] = far[k - 1];
            best[k] = best[k - 1];
        }
        far[k] = d;
        best[k] = i;
    }
    out[0] = '\0';
    for (int32_t k = 0; k < n && used < size; k++)
        used += (size_t)snprintf(out + used, size - used, "%s'%s'", k ? ", " : "",
                                 mucmm__quote(quoted, g->names[best[k]]));
}

mucmm_status mucmm__graph_value(mucmm_ctx *ctx, const mucmm_graph *g, const char *name, int32_t *id)
{
    char offers[OFFERED * (MUCMM__QUOTE + 4)], quoted[MUCMM__QUOTE];
    int64_t found = mucmm__index_find(&g->index, name ? name : "");

    *id = (int32_t)found;
    if (found >= 0)
        return MUCMM_OK;
    offer_names(g, name ? name : "", offers, sizeof offers);
    return mucmm__fail(ctx, MUCMM_EARG, "%s: there is no tensor '%s'; the nearest names are %s",
                       g->label, mucmm__quote(quoted, name ? name : ""), offers);
}

mucmm_status mucmm_graph_find(mucmm_ctx *ctx, const mucmm_graph *g, const char *name)
{
    int32_t id;
    return mucmm__graph_value(ctx, g, name, &id);
}

/* ---- what is derived from constants ------------------------------------------------ */

static const mucmm__pack *find_pack(const mucmm_graph *g, const void *key, size_t key_size)
{
    for (const mucmm__pack *p = g->packs; p; p = p->next)
        if (p->key_size == key_size && memcmp(p->key, key, key_size) == 0)
            return p;
    return NULL;
}

static mucmm_status make_pack(mucmm_ctx *ctx, mucmm_graph *g, const void *key, size_t key_size,
                              int64_t bytes, mucmm__fill_fn fill, void *arg, const void **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__pack *p = NULL;

    TRY(mucmm__alloc(ctx, 1, sizeof *p, &p));
    TRY(mucmm__alloc(ctx, (int64_t)key_size, 1, &p->key));
    memcpy(p->key, key, key_size);
    p->key_size = key_size;
    TRY(mucmm__alloc(ctx, bytes, 1, &p->bytes));
    TRY(fill(ctx, arg, p->bytes));
    p->next = g->packs;
    g->packs = p;
    *out = p->bytes;
    p = NULL;
done:
    if (p) {
        mucmm__free(p->key);
        mucmm__free(p->bytes);
    }
    mucmm__free(p);
    return status;
}

mucmm_status mucmm__graph_pack(mucmm_ctx *ctx, mucmm_graph *g, const void *key, size_t key_size,
                               int64_t bytes, mucmm__fill_fn fill, void *arg, const void **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__pack *found;

    pthread_mutex_lock(&g->lock);
    found = find_pack(g, key, key_size);
    if (found)
        *out = found->bytes;
    else
        status = make_pack(ctx, g, key, key_size, bytes, fill, arg, out);
    pthread_mutex_unlock(&g->lock);
    return status;
}
