/* SPDX-License-Identifier: MIT
 *
 * What the commands on ONNX networks share.
 */
#ifndef CLI_GRAPH_H
#define CLI_GRAPH_H

#include "cli.h"

#define OPTION_TENSOR(help)                                                                        \
    {                                                                                              \
        "tensor", 0, OPTION_TEXTS, false, AT(tensor), 0, 0, "TENSOR", help                         \
    }

/* The network named by the first operand. */
int graph_open(session *s, const settings *given, mucmm_graph **out);
/* "float32"; "?" for what is no type of numbers. */
const char *dtype_text(mucmm_dtype t);
/* Names of the tensors that --tensor gives, else of the network's outputs; names
 * [MAX_TENSORS]. */
int output_names(const settings *given, const mucmm_graph *g, const char **names, int32_t *n);

#endif
