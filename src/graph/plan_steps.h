/* SPDX-License-Identifier: MIT
 *
 * plan_steps.h - what the files that make a plan share.
 *
 *   plan_cache.c --> plan.c --> plan_shapes.c, fuse.c, plan_layout.c, gradient.c, memory.c
 *
 * Numbers that do not depend on the run (constants, shapes and what is computed from them) are
 * computed while planning, once. A network whose shapes depend on its data is computed there
 * altogether ("eager"). */
#ifndef MUCMM_GRAPH_PLAN_STEPS_H
#define MUCMM_GRAPH_PLAN_STEPS_H

#include "graph/plan.h"

/* Larger results are left to the run, unless it is eager. */
#define MUCMM__FOLD_LIMIT ((int64_t)64 << 20)

/* ---- plan_call.c ------------------------------------------------------------------- */

/* The arrays behind one mucmm__call. */
typedef struct mucmm__frame {
    const mucmm__desc **in;
    mucmm__desc **out;
    const void **known;
    int32_t *want;
    const void **x;
    void **y;
} mucmm__frame;

mucmm_status mucmm__frame_alloc(mucmm_ctx *ctx, int32_t n_in, int32_t n_out, mucmm__frame *f);
void mucmm__frame_drop(mucmm__frame *f);
mucmm__call mucmm__frame_call(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__node *node, int32_t n_in,
                              int32_t n_out, const mucmm__frame *f);
/* Memory for the outputs and their numbers: in f->y, the caller's. The inputs are dense and known.
 * The state is left in c. ENOMEM: the outputs take more than limit. */
mucmm_status mucmm__compute_now(mucmm__call *c, mucmm__frame *f, int64_t limit);
mucmm__desc mucmm__tensor_desc(const mucmm_tensor *t);

/* ---- plan_grow.c ------------------------------------------------------------------- */

mucmm_status mucmm__plan_add_step(mucmm_ctx *ctx, mucmm__plan *p, const mucmm__node *node,
                                  const int32_t *in, int32_t n_in, const int32_t *out,
                                  int32_t n_out, int32_t *index);
void mucmm__step_drop(mucmm__step *s);

/* ---- plan_shapes.c ----------------------------------------------------------------- */

/* The value that stands for an output of an If. */
int32_t mucmm__plan_resolve(const mucmm__plan *p, int32_t id);
/* Steps of what is needed for outputs and wrt, with shapes. MUCMM__EVALUE: a shape depends on
 * numbers that are not known. */
mucmm_status mucmm__plan_shapes(mucmm_ctx *ctx, mucmm__plan *p);

/* ---- plan_layout.c ----------------------------------------------------------------- */

mucmm_status mucmm__plan_layouts(mucmm_ctx *ctx, mucmm__plan *p);

/* ---- plan.c ------------------------------------------------------------------------ */

mucmm_status mucmm__plan_make(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__request *r,
                              mucmm__plan **out);

#endif
