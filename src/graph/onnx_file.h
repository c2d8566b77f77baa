/* SPDX-License-Identifier: MIT
 *
 * onnx_file.h - what the files of the ONNX import share. */
#ifndef MUCMM_GRAPH_ONNX_FILE_H
#define MUCMM_GRAPH_ONNX_FILE_H

#include "graph/network.h"

#include <protobuf-c/protobuf-c.h>

typedef struct Onnx__TensorProto Onnx__TensorProto; /* of the generated onnx.pb-c.h */

/* onnx_unpack.c: a message; freed with mucmm__onnx_unpacked_free. EFORMAT: broken, or nested too
 * deeply; ENOMEM: it takes more memory than a file of that size may. */
mucmm_status mucmm__onnx_unpack(mucmm_ctx *ctx, const ProtobufCMessageDescriptor *type,
                                const unsigned char *bytes, size_t size, ProtobufCMessage **out);
void mucmm__onnx_unpacked_free(ProtobufCMessage *m); /* NULL is fine */

/* Where the tensors lie that the model keeps in other files. */
typedef struct mucmm__external {
    const char *folder; /* NULL: there is none                               */
    uint64_t content;   /* hash of the model, and of all that is read besides */
} mucmm__external;

/* onnx_tensor.c: out->data is freed with mucmm__free. */
mucmm_status mucmm__onnx_decode(mucmm_ctx *ctx, const Onnx__TensorProto *p, mucmm__external *e,
                                mucmm_tensor *out);

/* onnx_order.c: nodes in the order of the file, except where one has to wait for another. EFORMAT:
 * a cycle. */
mucmm_status mucmm__onnx_sort_nodes(mucmm_ctx *ctx, const mucmm_graph *g, mucmm__body *b);

#endif
