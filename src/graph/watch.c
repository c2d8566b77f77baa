/* SPDX-License-Identifier: MIT
 *
 * watch.c - from what a watched run has seen of its plan to the node that is to blame. */
#include "graph/plan_watch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void mucmm__watch_drop(mucmm__watch *w)
{
    mucmm__free(w->bad);
    w->bad = NULL;
}

bool mucmm__is_finite_tensor(const mucmm__desc *d, const void *x)
{
    int64_t n = mucmm__desc_bytes(d) / mucmm_dtype_size(d->dtype);

    if (!x || (d->dtype != MUCMM_F32 && d->dtype != MUCMM_F64))
        return true;
    for (int64_t i = 0; i < n; i++)
        if (!(d->dtype == MUCMM_F32 ? isfinite(((const float *)x)[i])
                                    : isfinite(((const double *)x)[i])))
            return false;
    return true;
}

void mucmm__watch_node(const mucmm__step *s, char text[MUCMM__WATCH_TEXT])
{
    snprintf(text, MUCMM__WATCH_TEXT, "node '%.160s' (%s)", s->node->name, s->op->type);
}

/* ---- not finite -------------------------------------------------------------------- */

static const mucmm__step *maker_of(const mucmm__plan *p, int32_t id)
{
    for (int32_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; i < p->steps[k].n_out; i++)
            if (p->steps[k].out[i] == id)
                return &p->steps[k];
    return NULL;
}

/* From an output that is not finite back along inputs that are not, to one whose inputs are. */
void mucmm__watch_trace(mucmm__watch *w, const mucmm__plan *p)
{
    int32_t id = -1, fed = -1;
    const mucmm__step *s = NULL;

    for (int32_t i = p->n_outputs - 1; i >= 0; i--)
        if (w->bad[p->outputs[i]])
            id = p->outputs[i];
    w->forward[0] = '\0';
    while (id >= 0) {
        s = maker_of(p, id);
        fed = s ? -1 : id;
        id = -1;
        for (int32_t i = s ? s->n_in - 1 : -1; i >= 0; i--)
            if (s->in[i] >= 0 && w->bad[s->in[i]])
                id = s->in[i];
    }
    if (s)
        mucmm__watch_node(s, w->forward);
    else if (fed >= 0 && fed < p->graph->n_values)
        snprintf(w->forward, MUCMM__WATCH_TEXT, "input '%.160s'", p->graph->names[fed]);
}

/* ---- no gradient ------------------------------------------------------------------- */

static bool rounds(const char *type)
{
    static const char *const types[] = {"QuantizeLinear", "DynamicQuantizeLinear", "Round", "Floor",
                                        "Ceil"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

bool mucmm__graph_rounds(const mucmm_graph *g)
{
    for (int32_t k = 0; k < g->body.n_nodes; k++)
        if (rounds(g->body.nodes[k].op->type))
            return true;
    return false;
}

static bool hands_on(const char *type)
{
    static const char *const types[] = {"Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* Nodes stand in an order in which they can be computed: along the first input that is handed on.
 */
const char *mucmm__graph_embeddings(const mucmm_graph *g, const char *input)
{
    int32_t id = -1;

    for (int32_t i = 0; i < g->n_inputs; i++)
        if (strcmp(g->inputs[i].name, input) == 0)
            id = g->input_ids[i];
    for (int32_t k = 0; id >= 0 && k < g->body.n_nodes; k++) {
        const mucmm__node *n = &g->body.nodes[k];
        const mucmm_tensor *table =
            n->n_in > 1 && n->in[0] >= 0 ? &g->values[n->in[0]].constant : NULL;
        if (strcmp(n->op->type, "Gather") == 0 && n->in[1] == id && table->data &&
            table->dtype == MUCMM_F32 && table->rank == 2)
            return g->names[n->out[0]];
        if (n->n_in > 0 && n->in[0] == id && hands_on(n->op->type))
            id = n->out[0];
    }
    return NULL;
}

/* Values of which some output is made, whether a gradient says so or not. */
static void mark_reaching(const mucmm__plan *p, bool *reaches)
{
    for (int32_t i = 0; i < p->n_outputs; i++)
        reaches[p->outputs[i]] = true;
    for (int32_t k = p->n_steps - 1; k >= 0; k--) {
        const mucmm__step *s = &p->steps[k];
        bool any = false;
        for (int32_t i = 0; i < s->n_out; i++)
            any = any || (s->out[i] >= 0 && reaches[s->out[i]]);
        for (int32_t i = 0; any && i < s->n_in; i++)
            if (s->in[i] >= 0)
                reaches[s->in[i]] = true;
    }
}

/* A gradient could come to an input of the step, and none goes on from its outputs. */
static bool stops(const mucmm__step *s, const bool *depends, const bool *reaches)
{
    bool in = false, out = false, on = false;

    for (int32_t i = 0; i < s->n_in; i++)
        in = in || (s->in[i] >= 0 && depends[s->in[i]]);
    for (int32_t i = 0; i < s->n_out; i++) {
        out = out || (s->out[i] >= 0 && reaches[s->out[i]]);
        on = on || (s->out[i] >= 0 && depends[s->out[i]]);
    }
    return in && out && !on;
}

mucmm_status mucmm__plan_stop(mucmm_ctx *ctx, const mucmm__plan *p, bool some,
                              char text[MUCMM__WATCH_TEXT], bool *apart)
{
    mucmm_status status = MUCMM_OK;
    bool *depends = NULL, *reaches = NULL, passes = false;

    text[0] = '\0';
    *apart = true;
    TRY(mucmm__alloc(ctx, p->n_vals, sizeof *depends, &depends));
    TRY(mucmm__alloc(ctx, p->n_vals, sizeof *reaches, &reaches));
    mucmm__plan_depends(p, depends);
    mark_reaching(p, reaches);
    for (int32_t i = 0; i < p->n_outputs; i++)
        passes = passes || depends[p->outputs[i]];
    for (int32_t i = 0; i < p->n_wrt; i++)
        *apart = *apart && !reaches[p->wrt[i]];
    for (int32_t k = 0; k < p->n_steps && !text[0]; k++) {
        const mucmm__step *s = &p->steps[k];
        if (stops(s, depends, reaches) && (!passes || (some && rounds(s->op->type))))
            mucmm__watch_node(s, text);
    }
done:
    mucmm__free(depends);
    mucmm__free(reaches);
    return status;
}
