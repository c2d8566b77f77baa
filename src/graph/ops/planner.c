/* SPDX-License-Identifier: MIT
 *
 * planner.c - operators that no file contains; the planner puts them between the others.
 *   Reorder  a float32 tensor of rank 3 to 5 from the block of input 0 to that of output 0
 *   Copy     the same bytes once more */
#include "graph/dnnl.h"

#include <string.h>

static mucmm_status same_infer(mucmm__call *c)
{
    return mucmm__out_like(c, 0, 0);
}

static mucmm_status copy_forward(mucmm__call *c)
{
    memcpy(c->y[0], c->x[0], (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

static mucmm_status copy_vjp(mucmm__call *c)
{
    if (c->dy[0])
        memcpy(c->dx[0], c->dy[0], (size_t)mucmm__desc_bytes(c->in[0]));
    else
        memset(c->dx[0], 0, (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

typedef struct reorder {
    mucmm__prim *there, *back; /* NULL for empty tensors */
} reorder;

static void reorder_drop(void *state)
{
    reorder *r = state;

    if (r) {
        mucmm__prim_free(r->there);
        mucmm__prim_free(r->back);
    }
    mucmm__free(r);
}

static mucmm_status reorder_prepare(mucmm__call *c)
{
    int32_t from = c->in[0]->block, to = c->out[0]->block;
    mucmm_status status = MUCMM_OK;
    reorder *r = NULL;

    TRY(mucmm__alloc(c->ctx, 1, sizeof *r, &r));
    if (mucmm__desc_count(c->in[0]) > 0) {
        TRY(mucmm__tensor_copy_make(c->ctx, c->in[0], from, to, &r->there));
        c->scratch = mucmm__prim_scratch(r->there);
        if (c->differentiable) {
            TRY(mucmm__tensor_copy_make(c->ctx, c->in[0], to, from, &r->back));
            c->vjp_scratch = mucmm__prim_scratch(r->back);
        }
    }
    c->state = r;
    r = NULL;
done:
    reorder_drop(r);
    return status;
}

static mucmm_status run_copy(mucmm__call *c, mucmm__prim *p, const void *from, void *to)
{
    const void *tensors[MUCMM__SLOTS] = {[MUCMM__SLOT_X] = from, [MUCMM__SLOT_Y] = to};

    return p ? mucmm__prim_run(c->ctx, p, tensors, c->work) : MUCMM_OK;
}

/* The planner calls this without a prepare for numbers that it knows. */
static mucmm_status reorder_known(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm__call known = *c;

    known.state = known.work = NULL;
    TRY(reorder_prepare(&known));
    TRY(mucmm__alloc(c->ctx, known.scratch, 1, &known.work));
    TRY(run_copy(&known, ((reorder *)known.state)->there, c->x[0], c->y[0]));
done:
    reorder_drop(known.state);
    mucmm__free(known.work);
    return status;
}

static mucmm_status reorder_forward(mucmm__call *c)
{
    return c->state ? run_copy(c, ((reorder *)c->state)->there, c->x[0], c->y[0])
                    : reorder_known(c);
}

static mucmm_status reorder_vjp(mucmm__call *c)
{
    if (c->dy[0])
        return run_copy(c, ((reorder *)c->state)->back, c->dy[0], c->dx[0]);
    memset(c->dx[0], 0, (size_t)mucmm__desc_bytes(c->in[0]));
    return MUCMM_OK;
}

/* If has no functions: the planner takes one of its branches in its place. */
const mucmm__op mucmm__ops_planner[] = {
    {.type = "If", .since = 7, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = -1},
    {.type = "Reorder",
     .since = 1,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .infer = same_infer,
     .forward = reorder_forward,
     .vjp = reorder_vjp,
     .diff = 1,
     .flags = MUCMM__INTERNAL,
     .prepare = reorder_prepare,
     .drop = reorder_drop},
    {.type = "Copy",
     .since = 1,
     .min_in = 1,
     .max_in = 1,
     .min_out = 1,
     .max_out = 1,
     .infer = same_infer,
     .forward = copy_forward,
     .vjp = copy_vjp,
     .diff = 1,
     .flags = MUCMM__INTERNAL},
    {0},
};
