/* SPDX-License-Identifier: MIT
 *
 * onnx_tensor.c - numbers of an ONNX tensor: in the model or in a file beside it. No memory is
 * taken before it is certain that the file holds as many. */
#include "graph/onnx_file.h"

#include <inttypes.h>
#include <string.h>

#include <onnx.pb-c.h>

/* ---- tensors ----------------------------------------------------------------------- */

/* Numbers in one of the typed lists: a copy with the width of the type. */
#define COPY_LIST(list, count)                                                                     \
    do {                                                                                           \
        if ((int64_t)(count) != n)                                                                 \
            return mucmm__fail(                                                                    \
                ctx, MUCMM_EFORMAT,                                                                \
                "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64, name,         \
                (size_t)(count), n);                                                               \
        for (int64_t i = 0; i < n; i++)                                                            \
            mucmm__integer_put(t->dtype, t->data, i, (int64_t)p->list[i]);                         \
    } while (0)

static mucmm_status copy_typed(mucmm_ctx *ctx, const Onnx__TensorProto *p, int64_t n,
                               mucmm_tensor *t)
{
    const char *name = p->name ? p->name : "";

    switch (t->dtype) {
    case MUCMM_F32:
        if ((int64_t)p->n_float_data != n)
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64,
                               name, p->n_float_data, n);
        if (n)
            memcpy(t->data, p->float_data, (size_t)n * sizeof(float));
        return MUCMM_OK;
    case MUCMM_F64:
        if ((int64_t)p->n_double_data != n)
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64,
                               name, p->n_double_data, n);
        if (n)
            memcpy(t->data, p->double_data, (size_t)n * sizeof(double));
        return MUCMM_OK;
    case MUCMM_I64:
        COPY_LIST(int64_data, p->n_int64_data);
        return MUCMM_OK;
    case MUCMM_U32:
    case MUCMM_U64:
        COPY_LIST(uint64_data, p->n_uint64_data);
        return MUCMM_OK;
    case MUCMM_F16: /* the bits, in an int32 each */
    case MUCMM_BF16:
        if ((int64_t)p->n_int32_data != n)
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s' holds %zu numbers and its shape asks for %" PRId64,
                               name, p->n_int32_data, n);
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)t->data)[i] = (uint16_t)p->int32_data[i];
        return MUCMM_OK;
    case MUCMM_U8:
    case MUCMM_I8:
    case MUCMM_U16:
    case MUCMM_I16:
    case MUCMM_I32:
    case MUCMM_BOOL:
        COPY_LIST(int32_data, p->n_int32_data);
        return MUCMM_OK;
    }
    return MUCMM_OK;
}
#undef COPY_LIST

static const char *external_entry(const Onnx__TensorProto *p, const char *key)
{
    for (size_t i = 0; i < p->n_external_data; i++)
        if (p->external_data[i]->key && p->external_data[i]->value &&
            strcmp(p->external_data[i]->key, key) == 0)
            return p->external_data[i]->value;
    return NULL;
}

/* A path below the model's folder: relative, and no part of it is "..". */
static bool is_inside(const char *path)
{
    if (!*path || *path == '/')
        return false;
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return false;
    }
    return true;
}

static bool whole_number(const char *text, int64_t otherwise, int64_t *out)
{
    *out = text ? 0 : otherwise;
    if (text && !*text)
        return false;
    for (; text && *text; text++) {
        if (*text < '0' || *text > '9' || *out > (INT64_MAX - 9) / 10)
            return false;
        *out = 10 * *out + (*text - '0');
    }
    return true;
}

/* The bytes [offset, offset + bytes) of the file that holds the tensor; *map is to be closed. */
static mucmm_status map_external(mucmm_ctx *ctx, const Onnx__TensorProto *p, const char *folder,
                                 int64_t bytes, mucmm__map *map, int64_t *offset)
{
    mucmm_status status = MUCMM_OK;
    const char *name = p->name ? p->name : "", *location = external_entry(p, "location");
    char quoted[MUCMM__QUOTE];
    int64_t length;

    if (!folder)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "tensor '%.100s' lies in another file; load the model from its own file",
                           name);
    if (!location || !is_inside(location))
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "tensor '%.100s' lies in the file '%s'; only relative paths inside the "
                           "model's folder are read",
                           name, location ? mucmm__quote(quoted, location) : "");
    if (!whole_number(external_entry(p, "offset"), 0, offset) ||
        !whole_number(external_entry(p, "length"), bytes, &length) || length != bytes)
        return mucmm__fail(
            ctx, MUCMM_EFORMAT,
            "tensor '%.100s': its offset or length in '%s' does not fit its shape (%" PRId64
            " bytes)",
            name, mucmm__quote(quoted, location), bytes);
    TRY(mucmm__map_open_below(ctx, folder, location, map));
    if ((uint64_t)*offset > map->size || (uint64_t)bytes > map->size - (uint64_t)*offset)
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                        "%s/%s: tensor '%.100s' needs %" PRId64 " bytes from byte %" PRId64
                        " on, the file has %zu",
                        folder, mucmm__quote(quoted, location), name, bytes, *offset, map->size));
done:
    return status;
}

static mucmm_status copy_external(mucmm_ctx *ctx, const Onnx__TensorProto *p, mucmm__external *e,
                                  int64_t bytes, mucmm_tensor *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {NULL, 0};
    int64_t offset;

    TRY(map_external(ctx, p, e->folder, bytes, &map, &offset));
    TRY(mucmm__alloc(ctx, bytes, 1, &t->data));
    if (bytes)
        memcpy(t->data, map.data + offset, (size_t)bytes);
    e->content = mucmm__hash(e->content, t->data, (size_t)bytes);
done:
    mucmm__map_close(&map);
    return status;
}

/* The model's own numbers, once it is certain that they are as many as the shape asks for. */
static mucmm_status copy_held(mucmm_ctx *ctx, const Onnx__TensorProto *p, int64_t n, int64_t bytes,
                              mucmm_tensor *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t held = p->has_raw_data ? (int64_t)p->raw_data.len / mucmm_dtype_size(t->dtype)
                                   : (int64_t)(p->n_float_data + p->n_int32_data + p->n_int64_data +
                                               p->n_double_data + p->n_uint64_data);

    if (held != n || (p->has_raw_data && (int64_t)p->raw_data.len != bytes))
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "tensor '%.100s' holds %" PRId64
                           " numbers and its shape asks for %" PRId64,
                           p->name ? p->name : "", held, n);
    TRY(mucmm__alloc(ctx, bytes, 1, &t->data));
    if (!p->has_raw_data)
        TRY(copy_typed(ctx, p, n, t));
    else if (bytes)
        memcpy(t->data, p->raw_data.data, (size_t)bytes);
done:
    return status;
}

/* Type and shape; n numbers of so many bytes. */
static mucmm_status read_shape(mucmm_ctx *ctx, const Onnx__TensorProto *p, mucmm_tensor *t,
                               int64_t *n, int64_t *bytes)
{
    const char *name = p->name ? p->name : "";

    t->dtype = (mucmm_dtype)(p->has_data_type ? p->data_type : 0);
    if (mucmm_dtype_size(t->dtype) == 0)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "tensor '%.100s' is of %s (data type %d), which is not supported", name,
                           mucmm_dtype_name(t->dtype), (int)t->dtype);
    if (p->n_dims > MUCMM_MAX_RANK)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "tensor '%.100s' has %zu dimensions; at most %d are supported", name,
                           p->n_dims, MUCMM_MAX_RANK);
    t->rank = (int32_t)p->n_dims;
    *n = 1;
    for (int32_t k = 0; k < t->rank; k++) {
        t->shape[k] = p->dims[k];
        if (!mucmm__mul(*n, t->shape[k], n))
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "tensor '%.100s': dimension %d is %" PRId64
                               ", or the shape is too large",
                               name, k, t->shape[k]);
    }
    if (!mucmm__mul(*n, mucmm_dtype_size(t->dtype), bytes))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "tensor '%.100s': the shape is too large", name);
    return MUCMM_OK;
}

mucmm_status mucmm__onnx_decode(mucmm_ctx *ctx, const Onnx__TensorProto *p, mucmm__external *e,
                                mucmm_tensor *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_tensor t = {0};
    int64_t n, bytes;

    TRY(read_shape(ctx, p, &t, &n, &bytes));
    if (p->has_data_location && p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
        TRY(copy_external(ctx, p, e, bytes, &t));
    else
        TRY(copy_held(ctx, p, n, bytes, &t));
    if (t.dtype == MUCMM_BOOL)
        for (int64_t i = 0; i < n; i++)
            ((uint8_t *)t.data)[i] = ((uint8_t *)t.data)[i] != 0;
    *out = t;
    t.data = NULL;
done:
    mucmm__free(t.data);
    return status;
}

mucmm_status mucmm__onnx_tensor(mucmm_ctx *ctx, const unsigned char *bytes, size_t size,
                                mucmm_tensor *out)
{
    mucmm__external none = {NULL, 0};
    ProtobufCMessage *m = NULL;
    mucmm_status status = MUCMM_OK;

    out->data = NULL;
    TRY(mucmm__onnx_unpack(ctx, &onnx__tensor_proto__descriptor, bytes, size, &m));
    TRY(mucmm__onnx_decode(ctx, (const Onnx__TensorProto *)m, &none, out));
done:
    mucmm__onnx_unpacked_free(m);
    return status;
}
