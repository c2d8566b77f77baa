/* SPDX-License-Identifier: MIT
 *
 * plan.h - how a graph is computed for given shapes: steps, and where every number lies. */
#ifndef MUCMM_GRAPH_PLAN_H
#define MUCMM_GRAPH_PLAN_H

#include "graph/network.h"

/* A tensor of the plan. Ids of the graph's values are ids here; further ones (other layouts)
 * follow. */
typedef struct mucmm__pval {
    mucmm__desc desc;
    bool has_desc;     /* planned: fed, constant, or computed by a step */
    const void *known; /* its numbers, when they are known before the run */
    bool owned;        /* known is to be freed with the plan              */
    int32_t root;      /* the value whose memory it is (views), or itself */
    int32_t step;      /* that computes it; -1 = none                     */
    int32_t fed;       /* number of the input that gives it; -1 = none    */
    bool keep;         /* asked for by name: not to be fused away         */
    bool active;       /* a gradient passes through it                    */
    int64_t offset;    /* in the forward arena; -1 = not there            */
    int64_t again;     /* in the vjp arena, where it is computed again; -1 */
    int64_t grad;      /* its gradient, in the vjp arena; -1              */
    int32_t grad_root; /* the value whose gradient's memory that is       */
    int32_t given;     /* number of the wrt in whose memory, the caller's, its gradient lies; -1 */
} mucmm__pval;

typedef struct mucmm__step {
    const mucmm__node *node;
    const mucmm__op *op;
    int32_t n_in, n_out, *in, *out; /* ids; -1 = absent */
    const mucmm__desc **in_desc;    /* set when all values are there */
    mucmm__desc **out_desc;
    const void **known;
    mucmm__fused fused;
    bool has_fused;
    bool removed; /* fused into another step */
    void *state;
    int64_t scratch, vjp_scratch;
    int64_t work;    /* offset in the forward arena          */
    int32_t segment; /* of steps that are computed again together */
} mucmm__step;

typedef enum mucmm__action_kind {
    MUCMM__DO_FORWARD, /* compute a step again          */
    MUCMM__DO_SEED,    /* add an output's cotangent      */
    MUCMM__DO_VJP,
    MUCMM__DO_GIVE /* hand out the gradient of a wrt */
} mucmm__action_kind;

/* What becomes of a gradient that an action yields for an input. */
typedef enum mucmm__gain { MUCMM__GAIN_NONE = 0, MUCMM__GAIN_WRITE, MUCMM__GAIN_ADD } mucmm__gain;

typedef struct mucmm__action {
    mucmm__action_kind kind;
    int32_t index;      /* of the step, output or wrt                                 */
    int64_t work;       /* scratch, in the vjp arena                                  */
    int32_t first_gain; /* into gains and gain_at: one for each input of the step, or one */
} mucmm__action;

/* What is asked of a graph. */
typedef struct mucmm__request {
    int32_t n_fed, n_outputs, n_wrt;
    const int32_t *fed, *outputs, *wrt; /* ids of the graph's values              */
    const mucmm__desc *fed_desc;
    const void *const *fed_data; /* only read when shapes depend on data */
    uint64_t memory;
    bool eager; /* compute every node while planning */
} mucmm__request;

struct mucmm__plan {
    _Atomic int64_t references;
    mucmm__plan *next; /* in the graph's cache */
    int64_t *key, n_key;
    mucmm_graph *graph; /* not counted: who uses a plan holds its graph */
    bool eager, differentiable;
    int32_t n_vals, cap_vals, n_steps, cap_steps, n_nodes, cap_nodes;
    mucmm__pval *vals;
    mucmm__step *steps;
    mucmm__node **nodes; /* made here by fusing and for reorders: owned */
    int32_t *alias;      /* [graph values]: what stands for an output of an If; -1 = itself */
    int32_t n_fed, n_outputs, n_wrt, *fed, *outputs, *wrt;
    int32_t max_in, max_out;
    int64_t arena, vjp_arena; /* bytes */
    int64_t taken;            /* bytes of known numbers made here */
    uint64_t memory;
    int32_t segments; /* 0 = everything the vjp needs is kept */
    mucmm__action *actions;
    int32_t n_actions;
    mucmm__gain *gains;
    int64_t *gain_at;          /* scratch of a gain that is added */
    struct mucmm__arena *pool; /* free arenas; the graph's lock */
};

typedef struct mucmm__arena {
    struct mucmm__arena *next;
    unsigned char *forward, *vjp;
} mucmm__arena;

/* plan_cache.c. The plan for a request, from the cache or made; released with mucmm__plan_free. */
mucmm_status mucmm__plan_get(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__request *r,
                             mucmm__plan **out);
/* plan_grow.c. Makes room for one more behind n of *cap elements of `size` bytes at *p. */
mucmm_status mucmm__plan_grow(mucmm_ctx *ctx, int32_t n, int32_t *cap, size_t size, void *p);
/* Appends; *id of a new value with that desc. */
mucmm_status mucmm__plan_add_value(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__desc *d,
                                   int32_t *id);
/* Appends a node with a copy of the attributes given (names and plain numbers only) and a step for
 * it after the others. in, out: ids. */
mucmm_status mucmm__plan_add_node(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__op *op,
                                  const char *name, const mucmm__attr *attrs, int32_t n_attrs,
                                  const mucmm__node **out);

/* fuse.c: replaces steps by fewer ones that give the same values. */
mucmm_status mucmm__plan_fuse(mucmm_ctx *ctx, mucmm__plan *p);

/* gradient.c: which values have gradients; then the actions of the vjp, for p->segments. */
mucmm_status mucmm__plan_gradients(mucmm_ctx *ctx, mucmm__plan *p);
/* depends [n_vals]: does a gradient lead from the value to a wrt? */
void mucmm__plan_depends(const mucmm__plan *p, bool *depends);
mucmm_status mucmm__plan_actions(mucmm_ctx *ctx, mucmm__plan *p);
/* Does the step take part in the vjp? Does that read its input (output) i? */
bool mucmm__step_is_active(const mucmm__plan *p, const mucmm__step *s);
bool mucmm__vjp_reads_input(const mucmm__plan *p, const mucmm__step *s, int32_t i);
bool mucmm__vjp_reads_output(const mucmm__step *s, int32_t i);

/* memory.c: places of all values. */
mucmm_status mucmm__plan_memory(mucmm_ctx *ctx, mucmm__plan *p);

static inline bool mucmm__is_diff_input(const mucmm__step *s, int32_t i)
{
    return (i < 32 ? s->op->diff >> i & 1u : s->op->diff >> 31) ||
           (s->has_fused && s->fused.residual == i);
}

static inline bool mucmm__bit(uint32_t mask, int32_t i)
{
    return mask >> (i < 31 ? i : 31) & 1u;
}

#endif
