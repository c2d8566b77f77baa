/* SPDX-License-Identifier: MIT
 *
 * onnx_unpack.c - the generated protobuf reader with bounds on depth and memory, which it has not.
 */
#include "graph/onnx_file.h"

#include <string.h>

#define MAX_DEPTH 64

static bool varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        unsigned char b = *(*at)++;
        *out |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return true;
    }
    return false;
}

/* Are the messages inside each other at most MAX_DEPTH deep (the generated reader recurses)? */
static bool check_depth(const ProtobufCMessageDescriptor *type, const unsigned char *at,
                        const unsigned char *end, int32_t depth)
{
    while (at < end) {
        const ProtobufCFieldDescriptor *field;
        uint64_t tag, n;

        if (!varint(&at, end, &tag))
            return false;
        switch (tag & 7) {
        case 0:
            if (!varint(&at, end, &n))
                return false;
            continue;
        case 1:
            n = 8;
            break;
        case 5:
            n = 4;
            break;
        case 2:
            if (!varint(&at, end, &n))
                return false;
            break;
        default:
            return false;
        }
        if (n > (uint64_t)(end - at))
            return false;
        field = tag >> 3 <= UINT32_MAX
                    ? protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3))
                    : NULL;
        if ((tag & 7) == 2 && field && field->type == PROTOBUF_C_TYPE_MESSAGE &&
            (depth == 0 || !check_depth(field->descriptor, at, at + n, depth - 1)))
            return false;
        at += n;
    }
    return true;
}

/* The reader's memory: at most so much for a file of a given size. */
typedef struct arena_limit {
    mucmm_ctx *ctx;
    uint64_t left;
    bool exhausted;
} arena_limit;

static void *limited_alloc(void *arg, size_t size)
{
    arena_limit *limit = arg;
    void *p = NULL;

    if (size > limit->left || mucmm__alloc(limit->ctx, (int64_t)size, 1, &p) != MUCMM_OK) {
        limit->exhausted = true;
        return NULL;
    }
    limit->left -= size;
    return p;
}

static void limited_free(void *arg, void *p)
{
    (void)arg;
    mucmm__free(p);
}

mucmm_status mucmm__onnx_unpack(mucmm_ctx *ctx, const ProtobufCMessageDescriptor *type,
                                const unsigned char *bytes, size_t size, ProtobufCMessage **out)
{
    arena_limit limit = {ctx, 64 * (uint64_t)size + (1 << 20), false};
    ProtobufCAllocator allocator = {limited_alloc, limited_free, &limit};

    *out = NULL;
    if (size == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "the file is empty");
    if (!check_depth(type, bytes, bytes + size, MAX_DEPTH))
        return mucmm__fail(
            ctx, MUCMM_EFORMAT,
            "not an ONNX model, or a damaged or truncated one (its protobuf structure is broken)");
    *out = protobuf_c_message_unpack(type, &allocator, size, bytes);
    if (!*out && limit.exhausted)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: reading a model of %zu bytes", size);
    if (!*out)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "not an ONNX model (its protobuf structure is broken)");
    return MUCMM_OK;
}

void mucmm__onnx_unpacked_free(ProtobufCMessage *m)
{
    ProtobufCAllocator allocator = {limited_alloc, limited_free, NULL};

    if (m)
        protobuf_c_message_free_unpacked(m, &allocator);
}
