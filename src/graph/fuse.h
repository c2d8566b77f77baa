/* SPDX-License-Identifier: MIT
 *
 * fuse.h - what the files that fuse steps share. A pattern is looked for from its last step
 * backwards; what is inside it must be used nowhere else and not be asked for.
 *
 *   fuse.c --> fuse_patterns.c, fuse_on_top.c --> fuse_find.c */
#ifndef MUCMM_GRAPH_FUSE_H
#define MUCMM_GRAPH_FUSE_H

#include "graph/plan.h"

typedef struct mucmm__fuser {
    mucmm_ctx *ctx;
    mucmm__plan *p;
    int32_t *users; /* [n_vals] how many inputs of steps a value is                       */
    int32_t *user;  /* [n_vals] the last of those steps                                    */
} mucmm__fuser;

/* ---- fuse_find.c ------------------------------------------------------------------- */

mucmm_status mucmm__fuse_count_users(mucmm__fuser *f);
bool mucmm__step_is_op(const mucmm__step *s, const char *type); /* not NULL, not removed */
/* The step that computes a value, if it is an op of that type and the value serves `uses` inputs
 * and is not asked for; else NULL. */
mucmm__step *mucmm__fuse_inner(const mucmm__fuser *f, int32_t id, const char *type, int32_t uses);
/* A known single float. */
bool mucmm__fuse_scalar(const mucmm__fuser *f, int32_t id, double *out);
bool mucmm__fuse_near(const mucmm__fuser *f, int32_t id, double want);
/* One operand is a known scalar (*x), the other *id. */
bool mucmm__fuse_scalar_operand(const mucmm__fuser *f, const mucmm__step *s, double *x,
                                int32_t *id);
/* Bounds of a Clip with known ends. */
bool mucmm__fuse_clip_bounds(const mucmm__fuser *f, const mucmm__step *s, double *lo, double *hi);
bool mucmm__fuse_is_float32(const mucmm__fuser *f, int32_t id);
/* Step s becomes op(in...) with the same output. */
mucmm_status mucmm__fuse_rewrite(mucmm__fuser *f, mucmm__step *s, const mucmm__op *op,
                                 const mucmm__attr *attrs, int32_t n_attrs, const int32_t *in,
                                 int32_t n_in);
const mucmm__op *mucmm__fuse_op(const char *type); /* internal, or the newest of a file */

/* ---- fuse_patterns.c --------------------------------------------------------------- */

/* The first pattern that ends in step s, if one does. */
mucmm_status mucmm__fuse_patterns(mucmm__fuser *f, mucmm__step *s);
/* Mul and Add by numbers that no convolution took, together and with the HardSwish before them. */
mucmm_status mucmm__fuse_scaling(mucmm__fuser *f, mucmm__step *s);

/* ---- fuse_on_top.c ----------------------------------------------------------------- */

/* What follows step `index` goes into it, if it is one that fuses. */
mucmm_status mucmm__fuse_on_top(mucmm__fuser *f, int32_t index);

#endif
