/* SPDX-License-Identifier: MIT
 *
 * safetensors.c - named tensors: 8 bytes length of the header (little-endian), the header
 * as JSON padded with spaces, then the data without gaps. The header is
 *   {"__metadata__": {"key": "text"}, "name": {"dtype": "F32", "shape": [2, 3],
 *    "data_offsets": [begin, end]}}            offsets count from the end of the header
 * https://github.com/huggingface/safetensors#format */
#include "core/json.h"
#include "io/data.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the data of a safetensors file are little-endian and are used in place");

#define MAX_HEADER 100000000 /* the limit that the format sets */
#define METADATA "__metadata__"

/* What is read; all that the table of number types knows can be written. */
#define TYPES_READ (1u << MUCMM_F32 | 1u << MUCMM_F64 | 1u << MUCMM_I64 | 1u << MUCMM_U32)

/* Bytes of a tensor; false on overflow or a negative dimension. */
static bool tensor_bytes(const mucmm__tensor *t, int64_t *bytes)
{
    *bytes = mucmm_dtype_size(t->dtype);
    for (int32_t k = 0; k < t->rank; k++)
        if (!mucmm__mul(*bytes, t->shape[k], bytes))
            return false;
    return true;
}

/* ---- writing ----------------------------------------------------------------------- */

/* Where each tensor's data go: the largest numbers first, so that all are aligned whatever the
 * order of the tensors; the format asks for data without gaps. */
static mucmm_status place_tensors(mucmm_ctx *ctx, const char *path, const mucmm__tensor *tensors,
                                  int64_t n, int64_t *begins)
{
    int64_t end = 0, bytes;

    for (int64_t size = 8; size >= 1; size /= 2)
        for (int64_t i = 0; i < n; i++) {
            const mucmm__tensor *t = &tensors[i];
            if (mucmm_dtype_size(t->dtype) != size)
                continue;
            if (t->rank < 0 || t->rank > MUCMM_MAX_RANK || !tensor_bytes(t, &bytes))
                return mucmm__fail(ctx, MUCMM_ESHAPE, "cannot write %s: the shape of tensor '%s'",
                                   path, t->name);
            begins[i] = end;
            if (__builtin_add_overflow(end, bytes, &end))
                return mucmm__fail(ctx, MUCMM_ESHAPE, "cannot write %s: too many bytes", path);
        }
    return MUCMM_OK;
}

/* NULL when memory runs out. */
static json_t *describe_tensor(const mucmm__tensor *t, int64_t begin)
{
    mucmm__json_build b = {false};
    json_t *o = json_object(), *shape = json_array(), *offsets = json_array();
    int64_t bytes = 0;

    tensor_bytes(t, &bytes);
    for (int32_t k = 0; k < t->rank; k++)
        mucmm__json_add(&b, shape, json_integer(t->shape[k]));
    mucmm__json_add(&b, offsets, json_integer(begin));
    mucmm__json_add(&b, offsets, json_integer(begin + bytes));
    mucmm__json_set(&b, o, "dtype", json_string(mucmm__number_types[t->dtype].safetensors));
    mucmm__json_set(&b, o, "shape", shape);
    mucmm__json_set(&b, o, "data_offsets", offsets);
    if (!b.failed)
        return o;
    json_decref(o);
    return NULL;
}

/* Takes over the value, which is NULL without memory. */
static mucmm_status add_entry(mucmm_ctx *ctx, const char *path, json_t *object, const char *key,
                              json_t *value)
{
    const char *fault = json_object_get(object, key) ? "stands twice"
                        : !mucmm__json_is_utf8(key)  ? "cannot be stored: it is not UTF-8"
                                                     : NULL;

    if (!fault)
        return json_object_set_new(object, key, value) == 0
                   ? MUCMM_OK
                   : mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: the header of %s", path);
    json_decref(value);
    return mucmm__fail(ctx, MUCMM_EARG, "cannot write %s: '%s' %s", path, key, fault);
}

/* Metadata are texts. */
static mucmm_status add_text(mucmm_ctx *ctx, const char *path, json_t *object, const char *key,
                             const char *text)
{
    if (!mucmm__json_is_utf8(text))
        return mucmm__fail(ctx, MUCMM_EARG, "cannot write %s: the text of '%s' is not UTF-8", path,
                           key);
    return add_entry(ctx, path, object, key, json_string(text));
}

static mucmm_status build_header(mucmm_ctx *ctx, const char *path, const mucmm__tensor *tensors,
                                 const int64_t *begins, int64_t n_tensors,
                                 const char *const *metadata, int64_t n_metadata, json_t *header)
{
    mucmm_status status = MUCMM_OK;
    json_t *texts = json_object();

    for (int64_t i = 0; i < n_metadata; i++)
        TRY(add_text(ctx, path, texts, metadata[2 * i], metadata[2 * i + 1]));
    if (n_metadata)
        TRY(add_entry(ctx, path, header, METADATA, json_incref(texts)));
    for (int64_t i = 0; i < n_tensors; i++)
        TRY(add_entry(ctx, path, header, tensors[i].name, describe_tensor(&tensors[i], begins[i])));
done:
    json_decref(texts);
    return status;
}

static mucmm_status put_header(mucmm_ctx *ctx, mucmm__writer *w, const json_t *header)
{
    mucmm_status status = MUCMM_OK;
    char *text = NULL;
    size_t length;
    unsigned char prefix[8];

    TRY(mucmm__json_dump(ctx, header, JSON_COMPACT, &text));
    length = (strlen(text) + 7) / 8 * 8; /* so that the data are aligned */
    for (int k = 0; k < 8; k++)
        prefix[k] = (unsigned char)((uint64_t)length >> 8 * k);
    TRY(mucmm__writer_put(ctx, w, prefix, sizeof prefix));
    TRY(mucmm__writer_put(ctx, w, text, strlen(text)));
    TRY(mucmm__writer_put(ctx, w, "        ", length - strlen(text)));
done:
    mucmm__free(text);
    return status;
}

static mucmm_status put_data(mucmm_ctx *ctx, mucmm__writer *w, const mucmm__tensor *tensors,
                             int64_t n)
{
    mucmm_status status = MUCMM_OK;
    int64_t bytes;

    for (int64_t size = 8; size >= 1; size /= 2)
        for (int64_t i = 0; i < n; i++)
            if (mucmm_dtype_size(tensors[i].dtype) == size && tensor_bytes(&tensors[i], &bytes))
                TRY(mucmm__writer_put(ctx, w, tensors[i].data, (size_t)bytes));
done:
    return status;
}

/* Everything, in the order given; path stands for it in messages. */
static mucmm_status put_all(mucmm_ctx *ctx, const char *path, mucmm__writer *w,
                            const mucmm__tensor *tensors, int64_t n_tensors,
                            const char *const *metadata, int64_t n_metadata)
{
    mucmm_status status = MUCMM_OK;
    int64_t *begins = NULL;
    json_t *header = json_object();

    if (!header)
        TRY(mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: a header"));
    TRY(mucmm__alloc(ctx, n_tensors, sizeof *begins, &begins));
    TRY(place_tensors(ctx, path, tensors, n_tensors, begins));
    TRY(build_header(ctx, path, tensors, begins, n_tensors, metadata, n_metadata, header));
    TRY(put_header(ctx, w, header));
    TRY(put_data(ctx, w, tensors, n_tensors));
done:
    mucmm__free(begins);
    json_decref(header);
    return status;
}

mucmm_status mucmm__safetensors_write(mucmm_ctx *ctx, const char *path,
                                      const mucmm__tensor *tensors, int64_t n_tensors,
                                      const char *const *metadata, int64_t n_metadata)
{
    mucmm_status status = MUCMM_OK;
    mucmm__writer *w = NULL;

    TRY(mucmm__writer_create(ctx, path, &w));
    TRY(put_all(ctx, path, w, tensors, n_tensors, metadata, n_metadata));
    TRY(mucmm__writer_commit(ctx, w));
done:
    mucmm__writer_free(w);
    return status;
}

mucmm_status mucmm__safetensors_write_memory(mucmm_ctx *ctx, const mucmm__tensor *tensors,
                                             int64_t n_tensors, const char *const *metadata,
                                             int64_t n_metadata, void **bytes, size_t *size)
{
    mucmm_status status = MUCMM_OK;
    mucmm__writer *w = NULL;

    *bytes = NULL;
    *size = 0;
    TRY(mucmm__writer_create_memory(ctx, &w));
    TRY(put_all(ctx, "memory", w, tensors, n_tensors, metadata, n_metadata));
    TRY(mucmm__writer_take(ctx, w, bytes, size));
done:
    mucmm__writer_free(w);
    return status;
}

/* ---- reading ----------------------------------------------------------------------- */

typedef struct span {
    int64_t begin, end;
} span;

struct mucmm__safetensors {
    mucmm__map map; /* if opened from a path                   */
    json_t *header; /* names and metadata point into it        */
    mucmm__tensor *tensors;
    void **copies; /* [n], of tensors that lie unaligned      */
    int64_t n;
};

typedef struct parser {
    mucmm_ctx *ctx;
    const char *name;
    const unsigned char *data; /* after the header */
    int64_t size;
    mucmm__safetensors *out;
    span *spans; /* [n] of the tensors */
} parser;

static mucmm_status fail_file(parser *p, const char *what)
{
    return mucmm__fail(p->ctx, MUCMM_EFORMAT, "%s: not a sound safetensors file: %s", p->name,
                       what);
}

static mucmm_status fail_tensor(parser *p, const char *name, const char *what)
{
    char quoted[MUCMM__QUOTE];

    return mucmm__fail(p->ctx, MUCMM_EFORMAT, "%s: not a sound safetensors file: tensor '%s': %s",
                       p->name, mucmm__quote(quoted, name), what);
}

static mucmm_status parse_header(parser *p, const unsigned char *bytes, size_t size)
{
    uint64_t length = 0;
    mucmm_status status;

    if (size < 8)
        return fail_file(p, "it is shorter than 8 bytes");
    for (int k = 0; k < 8; k++)
        length |= (uint64_t)bytes[k] << 8 * k;
    if (length > size - 8)
        return fail_file(p, "the header is longer than the file");
    if (length > MAX_HEADER || length > p->ctx->max_alloc)
        return fail_file(p, "the header is longer than 100 MB or the limit of memory");
    if (length == 0 || bytes[8] != '{')
        return fail_file(p, "the header does not begin with '{'");
    status = mucmm__json_parse(p->ctx, bytes + 8, (size_t)length, NULL, &p->out->header);
    if (status != MUCMM_OK)
        return mucmm__prefix(p->ctx, status, "%s: %sthe header", p->name,
                             status == MUCMM_EFORMAT ? "not a sound safetensors file: " : "");
    p->data = bytes + 8 + length;
    p->size = (int64_t)(size - 8 - length);
    return MUCMM_OK;
}

static mucmm_status check_metadata(parser *p, json_t *metadata)
{
    const char *key;
    json_t *value;

    if (!json_is_object(metadata))
        return fail_file(p, METADATA " is not an object");
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return fail_tensor(p, METADATA, "a value is not text");
    }
    return MUCMM_OK;
}

static mucmm_status parse_dtype(parser *p, mucmm__tensor *t, const json_t *value)
{
    const char *text = json_string_value(value);
    char name[MUCMM__QUOTE], quoted[MUCMM__QUOTE];

    if (!text)
        return fail_tensor(p, t->name, "it has no dtype");
    for (int k = 0; k < MUCMM__NUMBER_TYPES; k++)
        if (TYPES_READ >> k & 1u && strcmp(text, mucmm__number_types[k].safetensors) == 0) {
            t->dtype = (mucmm_dtype)k;
            return MUCMM_OK;
        }
    return mucmm__fail(p->ctx, MUCMM_EUNSUPPORTED,
                       "%s: tensor '%s' has dtype '%s'; F32, F64, I64 and U32 are read", p->name,
                       mucmm__quote(name, t->name), mucmm__quote(quoted, text));
}

static mucmm_status parse_shape(parser *p, mucmm__tensor *t, const json_t *shape)
{
    if (!json_is_array(shape))
        return fail_tensor(p, t->name, "it has no shape");
    if (json_array_size(shape) > MUCMM_MAX_RANK)
        return fail_tensor(p, t->name, "it has more than 8 dimensions");
    t->rank = (int32_t)json_array_size(shape);
    for (int32_t k = 0; k < t->rank; k++) {
        const json_t *dim = json_array_get(shape, (size_t)k);
        t->shape[k] = json_integer_value(dim);
        if (!json_is_integer(dim) || t->shape[k] < 0)
            return fail_tensor(p, t->name, "a dimension is not a whole number >= 0");
    }
    return MUCMM_OK;
}

static mucmm_status parse_offsets(parser *p, mucmm__tensor *t, const json_t *offsets, span *out)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    int64_t bytes;

    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return fail_tensor(p, t->name, "data_offsets are not two whole numbers");
    *out = (span){json_integer_value(begin), json_integer_value(end)};
    if (out->begin < 0 || out->end < out->begin || out->end > p->size)
        return fail_tensor(p, t->name, "data_offsets lie outside the file");
    if (!tensor_bytes(t, &bytes) || bytes != out->end - out->begin)
        return fail_tensor(p, t->name, "data_offsets do not match shape and dtype");
    t->data = p->data + out->begin;
    return MUCMM_OK;
}

static mucmm_status parse_tensor(parser *p, const char *name, const json_t *entry)
{
    mucmm_status status = MUCMM_OK;
    mucmm__safetensors *s = p->out;
    mucmm__tensor *t = &s->tensors[s->n];

    t->name = name;
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return fail_tensor(p, name, "it is not {dtype, shape, data_offsets}");
    TRY(parse_dtype(p, t, json_object_get(entry, "dtype")));
    TRY(parse_shape(p, t, json_object_get(entry, "shape")));
    TRY(parse_offsets(p, t, json_object_get(entry, "data_offsets"), &p->spans[s->n]));
    if ((uintptr_t)t->data % (uintptr_t)mucmm_dtype_size(t->dtype)) {
        int64_t bytes = p->spans[s->n].end - p->spans[s->n].begin;
        TRY(mucmm__alloc(p->ctx, bytes, 1, &s->copies[s->n]));
        memcpy(s->copies[s->n], t->data, (size_t)bytes);
        t->data = s->copies[s->n];
    }
    s->n++;
done:
    return status;
}

static int compare_spans(const void *a, const void *b)
{
    const span *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Every byte of the data belongs to exactly one tensor. */
static mucmm_status check_coverage(parser *p)
{
    int64_t end = 0;

    qsort(p->spans, (size_t)p->out->n, sizeof *p->spans, compare_spans);
    for (int64_t i = 0; i < p->out->n; i++) {
        if (p->spans[i].begin != end)
            return fail_file(p, p->spans[i].begin < end ? "tensors overlap"
                                                        : "there is a gap between tensors");
        end = p->spans[i].end;
    }
    return end == p->size ? MUCMM_OK : fail_file(p, "there are bytes after the last tensor");
}

static mucmm_status parse_file(parser *p, const unsigned char *bytes, size_t size)
{
    mucmm_status status = MUCMM_OK;
    mucmm__safetensors *s = p->out;
    const char *name;
    json_t *entry;
    int64_t n;

    TRY(parse_header(p, bytes, size));
    n = (int64_t)json_object_size(s->header);
    TRY(mucmm__alloc(p->ctx, n, sizeof *s->tensors, &s->tensors));
    TRY(mucmm__alloc(p->ctx, n, sizeof *s->copies, &s->copies));
    TRY(mucmm__alloc(p->ctx, n, sizeof *p->spans, &p->spans));
    json_object_foreach(s->header, name, entry)
    {
        if (strcmp(name, METADATA) == 0)
            TRY(check_metadata(p, entry));
        else
            TRY(parse_tensor(p, name, entry));
    }
    TRY(check_coverage(p));
done:
    return status;
}

mucmm_status mucmm__safetensors_open_memory(mucmm_ctx *ctx, const char *name, const void *bytes,
                                            size_t size, mucmm__safetensors **out)
{
    mucmm_status status = MUCMM_OK;
    parser p = {.ctx = ctx, .name = name};

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *p.out, &p.out));
    TRY(parse_file(&p, bytes, size));
    *out = p.out;
    p.out = NULL;
done:
    mucmm__free(p.spans);
    mucmm__safetensors_free(p.out);
    return status;
}

mucmm_status mucmm__safetensors_open(mucmm_ctx *ctx, const char *path, mucmm__safetensors **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map;

    *out = NULL;
    TRY(mucmm__map_open(ctx, path, &map));
    TRY(mucmm__safetensors_open_memory(ctx, path, map.data, map.size, out));
    (*out)->map = map;
    map = (mucmm__map){NULL, 0};
done:
    mucmm__map_close(&map);
    return status;
}

void mucmm__safetensors_free(mucmm__safetensors *s)
{
    if (!s)
        return;
    for (int64_t i = 0; i < s->n; i++)
        mucmm__free(s->copies[i]);
    mucmm__free(s->copies);
    mucmm__free(s->tensors);
    json_decref(s->header);
    mucmm__map_close(&s->map);
    mucmm__free(s);
}

const mucmm__tensor *mucmm__safetensors_find(const mucmm__safetensors *s, const char *name)
{
    for (int64_t i = 0; i < s->n; i++)
        if (strcmp(s->tensors[i].name, name) == 0)
            return &s->tensors[i];
    return NULL;
}

const mucmm__tensor *mucmm__safetensors_at(const mucmm__safetensors *s, int64_t i)
{
    return i >= 0 && i < s->n ? &s->tensors[i] : NULL;
}

const char *mucmm__safetensors_metadata(const mucmm__safetensors *s, const char *key)
{
    return json_string_value(json_object_get(json_object_get(s->header, METADATA), key));
}
