/* SPDX-License-Identifier: MIT
 *
 * watch.h - where in a run numbers that are not finite come from, and which node lets no gradient
 * pass: looked for when maps cannot be, never in a run that is timed. */
#ifndef MUCMM_GRAPH_WATCH_H
#define MUCMM_GRAPH_WATCH_H

#include "graph/graph.h"

#define MUCMM__WATCH_TEXT 256

/* What a watched run finds. Texts are "node 'NAME' (OPERATOR)" or "input 'NAME'"; empty: nothing.
 */
typedef struct mucmm__watch {
    bool *bad; /* [values of the plan] not finite in the forward pass; owned */
    char forward[MUCMM__WATCH_TEXT];  /* the first on the way to an output that is not finite  */
    char backward[MUCMM__WATCH_TEXT]; /* the first whose gradient is not finite, of the last vjp */
} mucmm__watch;

/* As mucmm_graph_run; the run keeps w, which has to live as long and is dropped by the caller. */
mucmm_status mucmm__graph_run_watched(mucmm_ctx *ctx, const mucmm_graph *g,
                                      const mucmm_named_tensor *inputs, int32_t n_inputs,
                                      const mucmm_run_params *params, mucmm__watch *w,
                                      mucmm_run **out);
void mucmm__watch_drop(mucmm__watch *w);

/* The node behind which no gradient of any output gets to a wrt: it is piecewise constant, or its
 * result whole numbers. Empty: gradients pass, or no output depends on a wrt (*apart). some: also
 * one that rounds on a way beside others that let gradients pass. */
mucmm_status mucmm__run_stop(mucmm_ctx *ctx, const mucmm_run *r, bool some,
                             char text[MUCMM__WATCH_TEXT], bool *apart);
/* The name of the tensor in which the numbers of an input pick rows of a constant table, as those
 * of tokens do of their embeddings; NULL: there is none. */
const char *mucmm__graph_embeddings(const mucmm_graph *g, const char *input);
/* Has the graph an operator that rounds (QuantizeLinear, DynamicQuantizeLinear, Round, ...)? */
bool mucmm__graph_rounds(const mucmm_graph *g);

#endif
