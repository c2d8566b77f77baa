/* SPDX-License-Identifier: MIT
 *
 * npy.c - NumPy's .npy, versions 1 to 3: "\x93NUMPY", version, length of the header, and
 * the header, a Python dict literal such as
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include "io/data.h"

#include <inttypes.h>
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
    for (int k = 0; k < MUCMM__NUMBERS; k++)
        if (strcmp(kind, mucmm__numbers[k].name) == 0) {
            c->array->type = (mucmm__number)k;
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
    size = mucmm__numbers[a.type].size;
    mucmm__array_bytes(&a, &n);
    n /= size;
    TRY(mucmm__alloc(ctx, n, sizeof **data, data));
    for (int64_t i = 0; i < n; i++)
        (*data)[i] = mucmm__numbers[a.type].load(a.data + mucmm__array_offset(&a, 0, i), a.swap);
    memcpy(shape, a.shape, sizeof a.shape);
    *rank = a.rank;
done:
    mucmm__map_close(&map);
    return status;
}

/* ---- writing --------------------------------------------------------------- */

/* The header with its prefix, padded with spaces so that the data begin at a multiple of 64. */
static size_t format_header(char *out, size_t size, const int64_t *shape, int32_t rank)
{
    char dims[MUCMM_MAX_RANK * 22 + 1] = "";
    size_t n, used = 0;

    for (int32_t k = 0; k < rank; k++)
        used += (size_t)snprintf(dims + used, sizeof dims - used, "%" PRId64 "%s", shape[k],
                                 rank == 1      ? ","
                                 : k + 1 < rank ? ", "
                                                : "");
    n = 10 + (size_t)snprintf(out + 10, size - 10,
                              "{'descr': '%cf4', 'fortran_order': False, 'shape': (%s), }",
                              NATIVE_ORDER, dims);
    while ((n + 1) % 64)
        out[n++] = ' ';
    out[n++] = '\n';
    memcpy(out, "\x93NUMPY\x01", 8);
    out[8] = (char)((n - 10) & 255);
    out[9] = (char)((n - 10) >> 8);
    return n;
}

mucmm_status mucmm_npy_write(mucmm_ctx *ctx, const char *path, const float *data,
                             const int64_t *shape, int32_t rank)
{
    mucmm_status status = MUCMM_OK;
    mucmm__array a = {.type = MUCMM__NUMBER_FLOAT32, .rank = rank};
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
    TRY(mucmm__writer_put(ctx, w, header, format_header(header, sizeof header, shape, rank)));
    TRY(mucmm__writer_put(ctx, w, data, (size_t)bytes));
    TRY(mucmm__writer_commit(ctx, w));
done:
    mucmm__writer_free(w);
    return status;
}
