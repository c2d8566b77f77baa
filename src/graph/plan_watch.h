/* SPDX-License-Identifier: MIT
 *
 * plan_watch.h - what a run tells its watch of its plan. */
#ifndef MUCMM_GRAPH_PLAN_WATCH_H
#define MUCMM_GRAPH_PLAN_WATCH_H

#include "graph/plan.h"
#include "graph/watch.h"

bool mucmm__is_finite_tensor(const mucmm__desc *d, const void *x); /* true for whole numbers */
void mucmm__watch_node(const mucmm__step *s, char text[MUCMM__WATCH_TEXT]);
/* Sets w->forward from w->bad. */
void mucmm__watch_trace(mucmm__watch *w, const mucmm__plan *p);
mucmm_status mucmm__plan_stop(mucmm_ctx *ctx, const mucmm__plan *p, bool some,
                              char text[MUCMM__WATCH_TEXT], bool *apart);

#endif
