/* SPDX-License-Identifier: MIT
 *
 * npy.c - NumPy's .npy, versions 1 to 3: "\x93NUMPY", version, length of the header, and
 * the header, a Python dict literal such as
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "io/data.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define NATIVE_ORDER (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>')

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

typedef struct cursor {
    mucmm_ctx *ctx;
    const char *name;
    const unsigned char *start, *p, *end;
    mucmm__array *array;
    int seen;
} cursor;

bool mucmm__is_npy(const unsigned char *bytes, size_t size)
{
    return size >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0;
}

static mucmm_status fail_header(cursor *c, const char *expected)
{
    return mucmm__fail(c->ctx, MUCMM_EFORMAT,
                       "%s: malformed .npy header: byte %td should be %s; save it again with "
                       "np.save",
                       c->name, c->p - c->start, expected);
}

static void skip_space(cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t'))
        c->p++;
}

static bool take(cursor *c, const char *word)
{
    size_t n = strlen(word);

    skip_space(c);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
        return false;
    c->p += n;
    return true;
}

/* A string in either quotes, without escapes: no name or dtype we read needs one. */
static bool take_string(cursor *c, char *out, size_t size)
{
    unsigned char quote;
    size_t n = 0;

    skip_space(c);
    if (c->p == c->end || (*c->p != '\'' && *c->p != '"'))
        return false;
    quote = *c->p++;
    for (; c->p < c->end && *c->p != quote; c->p++) {
        if (*c->p < 32 || *c->p == '\\' || n + 1 == size)
            return false;
        out[n++] = (char)*c->p;
    }
    out[n] = '\0';
    return c->p++ < c->end;
}

static bool take_integer(cursor *c, int64_t *out)
{
    const unsigned char *first;

    skip_space(c);
    first = c->p;
    *out = 0;
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++)
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *c->p - '0', out))
            return false;
    if (c->p == first)
        return false;
    take(c, "L"); /* Python 2's long */
    return true;
}

static mucmm_status parse_descr(cursor *c)
{
    char descr[32], quoted[MUCMM__QUOTE];
    const char *kind = descr;

    skip_space(c);
    if (c->p < c->end && (*c->p == '[' || *c->p == '('))
        return mucmm__fail(c->ctx, MUCMM_EUNSUPPORTED,
                           "%s: a structured dtype (columns of several kinds); save it with "
                           "np.save of a float array",
                           c->name);
    if (!take_string(c, descr, sizeof descr))
        return fail_header(c, "a dtype such as '<f4'");
    if (*kind && strchr("<>|=", *kind))
        kind++;
    for (int k = 0; k < MUCMM__NUMBER_TYPES; k++)
        if (mucmm__dtype_is_npy((mucmm_dtype)k) && strcmp(kind, mucmm__number_types[k].npy) == 0) {
            c->array->type = (mucmm_dtype)k;
            c->array->swap = descr[0] == (NATIVE_ORDER == '<' ? '>' : '<');
            return MUCMM_OK;
        }
    return mucmm__fail(c->ctx, MUCMM_EUNSUPPORTED,
                       "%s: dtype '%s' is not supported (bool, integers, float16, float32 and "
                       "float64 are); save it with np.save of a float array",
                       c->name, mucmm__quote(quoted, descr));
}

static mucmm_status parse_order(cursor *c)
{
    c->array->fortran = take(c, "True");
    if (!c->array->fortran && !take(c, "False"))
        return fail_header(c, "True or False");
    return MUCMM_OK;
}

static mucmm_status parse_shape(cursor *c)
{
    mucmm__array *a = c->array;
    int64_t dim;

    if (!take(c, "("))
        return fail_header(c, "a shape such as (3, 4)");
    while (!take(c, ")")) {
        if (!take_integer(c, &dim))
            return fail_header(c, "a dimension");
        if (a->rank == MUCMM_MAX_RANK)
            return mucmm__fail(c->ctx, MUCMM_EUNSUPPORTED,
                               "%s: more than %d dimensions; reshape it to (rows, features)",
                               c->name, MUCMM_MAX_RANK);
        a->shape[a->rank++] = dim;
        if (take(c, ","))
            continue;
        if (a->rank == 1) /* (3) is a number in Python, not a tuple */
            return fail_header(c, "','");
        if (!take(c, ")"))
            return fail_header(c, "',' or ')'");
        break;
    }
    return MUCMM_OK;
}

static const struct {
    const char *key;
    int seen;
    mucmm_status (*parse)(cursor *c);
} entries[] = {
    {"descr", SEEN_DESCR, parse_descr},
    {"fortran_order", SEEN_ORDER, parse_order},
    {"shape", SEEN_SHAPE, parse_shape},
};

static mucmm_status parse_entry(cursor *c)
{
    char key[32];

    if (!take_string(c, key, sizeof key))
        return fail_header(c, "a key");
    if (!take(c, ":"))
        return fail_header(c, "':'");
    for (size_t k = 0; k < sizeof entries / sizeof entries[0]; k++)
        if (strcmp(key, entries[k].key) == 0 && !(c->seen & entries[k].seen)) {
            c->seen |= entries[k].seen;
            return entries[k].parse(c);
        }
    return fail_header(c, "after one of the keys descr, fortran_order and shape, each once");
}

static mucmm_status parse_dict(cursor *c)
{
    mucmm_status status = MUCMM_OK;

    if (!take(c, "{"))
        return fail_header(c, "'{'");
    while (!take(c, "}")) {
        TRY(parse_entry(c));
        if (take(c, ","))
            continue;
        if (!take(c, "}"))
            return fail_header(c, "',' or '}'");
        break;
    }
    skip_space(c);
    if (c->p != c->end)
        return fail_header(c, "the end of the header");
    if (c->seen != SEEN_ALL)
        return fail_header(c, "after the keys descr, fortran_order and shape");
done:
    return status;
}

/* Sets c->p and c->end to the header's text. */
static mucmm_status find_header(cursor *c, size_t size)
{
    size_t prefix = 10, length;
    const unsigned char *b = c->start;

    if (size < 12)
        return mucmm__fail(c->ctx, MUCMM_EFORMAT, "%s: a .npy file cut off after %zu bytes",
                           c->name, size);
    if (b[6] < 1 || b[6] > 3)
        return mucmm__fail(c->ctx, MUCMM_EUNSUPPORTED, "%s: .npy version %d.%d (1 to 3 are read)",
                           c->name, b[6], b[7]);
    length = (size_t)b[8] | (size_t)b[9] << 8;
    if (b[6] > 1) {
        prefix = 12;
        length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    }
    if (length > size - prefix)
        return mucmm__fail(c->ctx, MUCMM_EFORMAT,
                           "%s: a .npy header of %zu bytes, but the file has %zu", c->name, length,
                           size);
    c->p = b + prefix;
    c->end = c->p + length;
    return MUCMM_OK;
}

mucmm_status mucmm__npy_describe(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                 size_t size, mucmm__array *out)
{
    mucmm_status status = MUCMM_OK;
    cursor c = {.ctx = ctx, .name = name, .start = bytes, .array = out};

    *out = (mucmm__array){0};
    TRY(find_header(&c, size));
    TRY(parse_dict(&c));
done:
    return status;
}

mucmm_status mucmm__npy_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                              size_t size, mucmm__array *out)
{
    mucmm_status status = MUCMM_OK;
    cursor c = {.ctx = ctx, .name = name, .start = bytes, .array = out};
    int64_t need;
    size_t have;

    *out = (mucmm__array){0};
    TRY(find_header(&c, size));
    TRY(parse_dict(&c));
    if (!mucmm__array_bytes(out, &need))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the shape in the header overflows", name);
    have = size - (size_t)(c.end - bytes);
    if ((uint64_t)need != have)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "%s: the header says %" PRId64 " bytes of data, the file has %zu (%s)",
                           name, need, have,
                           have < (uint64_t)need ? "it is truncated" : "more than one array");
    out->data = c.end;
done:
    return status;
}

mucmm_status mucmm__npy_read_double(mucmm_ctx *ctx, const char *path, double **data,
                                    int64_t shape[MUCMM_MAX_RANK], int32_t *rank)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map;
    mucmm__array a = {0};
    int64_t n, size;

    *data = NULL;
    TRY(mucmm__map_open(ctx, path, &map));
    if (!mucmm__is_npy(map.data, map.size))
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s: not a .npy file", path));
    TRY(mucmm__npy_parse(ctx, path, map.data, map.size, &a));
    size = mucmm__number_types[a.type].size;
    mucmm__array_bytes(&a, &n);
    n /= size;
    TRY(mucmm__alloc(ctx, n, sizeof **data, data));
    for (int64_t i = 0; i < n; i++)
        (*data)[i] =
            mucmm__number_types[a.type].load(a.data + mucmm__array_offset(&a, 0, i), a.swap);
    memcpy(shape, a.shape, sizeof a.shape);
    *rank = a.rank;
done:
    mucmm__map_close(&map);
    return status;
}

/* ---- tensors ----------------------------------------------------------------------- */

/* out[i] = x as type t; false if that type does not hold it. */
static bool store(mucmm_dtype t, double x, int64_t i, void *out)
{
#define STORE(type, lo, hi)                                                                        \
    do {                                                                                           \
        if (!(x >= (lo) && x <= (hi)) || x != trunc(x))                                            \
            return false;                                                                          \
        ((type *)out)[i] = (type)x;                                                                \
        return true;                                                                               \
    } while (0)
    switch (t) {
    case MUCMM_BOOL:
        STORE(uint8_t, 0, 1);
    case MUCMM_I8:
        STORE(int8_t, INT8_MIN, INT8_MAX);
    case MUCMM_I16:
        STORE(int16_t, INT16_MIN, INT16_MAX);
    case MUCMM_I32:
        STORE(int32_t, INT32_MIN, INT32_MAX);
    case MUCMM_I64: /* beyond 2^53 a double has lost digits */
        STORE(int64_t, -0x1p53, 0x1p53);
    case MUCMM_U8:
        STORE(uint8_t, 0, UINT8_MAX);
    case MUCMM_U16:
        STORE(uint16_t, 0, UINT16_MAX);
    case MUCMM_U32:
        STORE(uint32_t, 0, UINT32_MAX);
    case MUCMM_U64:
        STORE(uint64_t, 0, 0x1p53);
    case MUCMM_F32:
        ((float *)out)[i] = (float)x;
        return true;
    case MUCMM_F64:
        ((double *)out)[i] = x;
        return true;
    case MUCMM_F16:
    case MUCMM_BF16:
        break;
    }
    return false;
#undef STORE
}

static void copy_swapped(unsigned char *out, const unsigned char *from, int64_t size, bool swap)
{
    for (int64_t b = 0; b < size; b++)
        out[b] = from[swap ? size - 1 - b : b];
}

static mucmm_status load_numbers(mucmm_ctx *ctx, const char *path, const mucmm__array *a,
                                 mucmm_dtype want, int64_t n, void *out)
{
    const mucmm__number_type *d = &mucmm__number_types[a->type];

    if (want == a->type && !a->fortran && !a->swap && want != MUCMM_BOOL) {
        if (n > 0)
            memcpy(out, a->data, (size_t)(n * d->size));
        return MUCMM_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *from = a->data + mucmm__array_offset(a, 0, i);
        if (want == a->type && want != MUCMM_BOOL)
            copy_swapped((unsigned char *)out + i * d->size, from, d->size, a->swap);
        else if (!store(want, d->load(from, a->swap), i, out))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "%s: number %" PRId64 " in C order is %g, which dtype '%s' does "
                               "not hold",
                               path, i, d->load(from, a->swap), mucmm__number_types[want].npy);
    }
    return MUCMM_OK;
}

mucmm_status mucmm_npy_read(mucmm_ctx *ctx, const char *path, mucmm_dtype want, mucmm_tensor *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map;
    mucmm__array a = {0};
    mucmm_dtype kind;
    int64_t n = 1;

    *out = (mucmm_tensor){0};
    TRY(mucmm__map_open(ctx, path, &map));
    if (!mucmm__is_npy(map.data, map.size))
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s: not a .npy file", path));
    TRY(mucmm__npy_parse(ctx, path, map.data, map.size, &a));
    kind = want == 0 ? a.type : want;
    if (!mucmm__dtype_is_npy(kind) || (kind == MUCMM_F16 && a.type != kind))
        TRY(mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                        "%s: dtype '%s' is not converted to ONNX's type %d", path,
                        mucmm__number_types[a.type].npy, (int)want));
    for (int32_t k = 0; k < a.rank; k++)
        n *= a.shape[k]; /* mucmm__npy_parse has checked that it does not overflow */
    TRY(mucmm__alloc(ctx, n, (size_t)mucmm__number_types[kind].size, &out->data));
    TRY(load_numbers(ctx, path, &a, kind, n, out->data));
    out->dtype = kind;
    out->rank = a.rank;
    memcpy(out->shape, a.shape, sizeof a.shape);
done:
    if (status != MUCMM_OK)
        mucmm_tensor_free(out);
    mucmm__map_close(&map);
    return status;
}

void mucmm_tensor_free(mucmm_tensor *t)
{
    if (t) {
        mucmm__free(t->data);
        *t = (mucmm_tensor){0};
    }
}

/* ---- writing ----------------------------------------------------------------------- */

/* The header with its prefix, padded with spaces so that the data begin at a multiple of 64. */
static size_t format_header(char *out, size_t size, const mucmm__array *a)
{
    char dims[MUCMM_MAX_RANK * 22 + 1] = "";
    size_t n, used = 0;

    for (int32_t k = 0; k < a->rank; k++)
        used += (size_t)snprintf(dims + used, sizeof dims - used, "%" PRId64 "%s", a->shape[k],
                                 a->rank == 1      ? ","
                                 : k + 1 < a->rank ? ", "
                                                   : "");
    n = 10 + (size_t)snprintf(out + 10, size - 10,
                              "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }",
                              mucmm__number_types[a->type].size == 1 ? '|' : NATIVE_ORDER,
                              mucmm__number_types[a->type].npy, dims);
    while ((n + 1) % 64)
        out[n++] = ' ';
    out[n++] = '\n';
    memcpy(out, "\x93NUMPY\x01", 8);
    out[8] = (char)((n - 10) & 255);
    out[9] = (char)((n - 10) >> 8);
    return n;
}

size_t mucmm__npy_header(char *out, size_t size, const int64_t *shape, int32_t rank)
{
    mucmm__array a = {.type = MUCMM_F32, .rank = rank};

    memcpy(a.shape, shape, (size_t)rank * sizeof *shape);
    return format_header(out, size, &a);
}

static mucmm_status write_array(mucmm_ctx *ctx, const char *path, mucmm_dtype type,
                                const int64_t *shape, int32_t rank, const void *data)
{
    mucmm_status status = MUCMM_OK;
    mucmm__array a = {.type = type, .rank = rank};
    mucmm__writer *w = NULL;
    char header[512];
    int64_t bytes;

    if (rank < 0 || rank > MUCMM_MAX_RANK)
        return mucmm__fail(ctx, MUCMM_EARG, "cannot write %s: rank %d is not in 0..%d", path, rank,
                           MUCMM_MAX_RANK);
    if (rank > 0)
        memcpy(a.shape, shape, (size_t)rank * sizeof *shape);
    if (!mucmm__array_bytes(&a, &bytes))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "cannot write %s: a dimension is negative or the shape overflows", path);
    TRY(mucmm__writer_create(ctx, path, &w));
    TRY(mucmm__writer_put(ctx, w, header, format_header(header, sizeof header, &a)));
    TRY(mucmm__writer_put(ctx, w, data, (size_t)bytes));
    TRY(mucmm__writer_commit(ctx, w));
done:
    mucmm__writer_free(w);
    return status;
}

mucmm_status mucmm_npy_write(mucmm_ctx *ctx, const char *path, const float *data,
                             const int64_t *shape, int32_t rank)
{
    return write_array(ctx, path, MUCMM_F32, shape, rank, data);
}

/* bfloat16 is the upper half of a float32. */
static mucmm_status write_bfloat16(mucmm_ctx *ctx, const char *path, const mucmm_tensor *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__array a = {.type = MUCMM_I8, .rank = t->rank};
    const uint16_t *from = t->data;
    uint32_t *wide = NULL;
    int64_t n = 0;

    if (t->rank >= 0 && t->rank <= MUCMM_MAX_RANK) {
        memcpy(a.shape, t->shape, sizeof a.shape);
        if (!mucmm__array_bytes(&a, &n))
            n = 0; /* write_array refuses it */
    }
    TRY(mucmm__alloc(ctx, n, sizeof *wide, &wide));
    for (int64_t i = 0; i < n; i++)
        wide[i] = (uint32_t)from[i] << 16;
    TRY(write_array(ctx, path, MUCMM_F32, t->shape, t->rank, wide));
done:
    mucmm__free(wide);
    return status;
}

mucmm_status mucmm_npy_write_tensor(mucmm_ctx *ctx, const char *path, const mucmm_tensor *t)
{
    if (t->dtype == MUCMM_BF16)
        return write_bfloat16(ctx, path, t);
    if (!mucmm__dtype_is_npy(t->dtype))
        return mucmm__fail(ctx, MUCMM_EARG, "cannot write %s: %d is no type of numbers", path,
                           (int)t->dtype);
    return write_array(ctx, path, t->dtype, t->shape, t->rank, t->data);
}
