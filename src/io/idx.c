/* SPDX-License-Identifier: MIT
 *
 * idx.c - IDX, the format of MNIST, plain or gzipped: 0, 0, type, rank, then the
 * dimensions as big-endian 32-bit numbers, then the data, big-endian, C order.
 * http://yann.lecun.com/exdb/mnist/ */
#include "io/data.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#define MAX_HEADER (4 + 4 * MUCMM_MAX_RANK)
#define MAX_RATIO 1032 /* deflate cannot expand a byte to more */

/* The number type of an IDX type byte, or -1. */
static int find_type(unsigned char code)
{
    switch (code) {
    case 0x08:
        return MUCMM_U8;
    case 0x09:
        return MUCMM_I8;
    case 0x0b:
        return MUCMM_I16;
    case 0x0c:
        return MUCMM_I32;
    case 0x0d:
        return MUCMM_F32;
    case 0x0e:
        return MUCMM_F64;
    }
    return -1;
}

bool mucmm__is_idx(const unsigned char *bytes, size_t size)
{
    return size >= 4 && bytes[0] == 0 && bytes[1] == 0 && find_type(bytes[2]) >= 0 &&
           bytes[3] >= 1 && bytes[3] <= MUCMM_MAX_RANK;
}

bool mucmm__is_gzip(const unsigned char *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* Type and shape; *total: bytes of header and data together. */
static mucmm_status parse_header(mucmm_ctx *ctx, const char *name, const unsigned char *b,
                                 size_t size, mucmm__array *out, int64_t *total)
{
    size_t header = 4 + 4 * (size_t)b[3];

    if (size < header)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the IDX header is cut off after %zu bytes",
                           name, size);
    *out = (mucmm__array){.data = b + header,
                          .type = (mucmm_dtype)find_type(b[2]),
                          .swap = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                          .rank = b[3]};
    for (int32_t k = 0; k < out->rank; k++) {
        const unsigned char *d = b + 4 + 4 * k;
        out->shape[k] = (int64_t)d[0] << 24 | (int64_t)d[1] << 16 | (int64_t)d[2] << 8 | d[3];
    }
    if (!mucmm__array_bytes(out, total) || __builtin_add_overflow(*total, (int64_t)header, total))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the shape in the IDX header overflows", name);
    return MUCMM_OK;
}

mucmm_status mucmm__idx_parse(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                              size_t size, mucmm__array *out)
{
    int64_t total;
    mucmm_status status = parse_header(ctx, name, bytes, size, out, &total);

    if (status == MUCMM_OK && (uint64_t)total != size)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "%s: the IDX header says %" PRId64 " bytes, the file has %zu", name,
                           total, size);
    return status;
}

/* ---- gzip -------------------------------------------------------------------------- */

typedef struct inflater {
    mucmm_ctx *ctx;
    const char *name;
    z_stream z;
    const unsigned char *rest; /* compressed bytes that z has not been given */
    size_t n_rest;
    bool ended; /* the last gzip member is complete */
} inflater;

/* zlib counts in 32 bits, files do not. */
static void feed(inflater *f)
{
    size_t n = f->n_rest < (1u << 30) ? f->n_rest : 1u << 30;

    if (f->z.avail_in > 0 || n == 0)
        return;
    f->z.next_in = (unsigned char *)(uintptr_t)f->rest;
    f->z.avail_in = (uInt)n;
    f->rest += n;
    f->n_rest -= n;
}

/* A gzip file may consist of several members one after the other. */
static mucmm_status end_member(inflater *f)
{
    feed(f);
    f->ended = f->z.avail_in == 0;
    if (f->ended)
        return MUCMM_OK;
    if (inflateReset(&f->z) != Z_OK)
        return mucmm__fail(f->ctx, MUCMM_EBACKEND, "%s: zlib cannot be reset", f->name);
    return MUCMM_OK;
}

/* Fills out [size] or stops at the end of the data; *got: how far it came. */
static mucmm_status inflate_some(inflater *f, unsigned char *out, size_t size, size_t *got)
{
    mucmm_status status = MUCMM_OK;

    *got = 0;
    while (*got < size && !f->ended) {
        size_t chunk = size - *got < (1u << 30) ? size - *got : 1u << 30;
        int z;

        feed(f);
        f->z.next_out = out + *got;
        f->z.avail_out = (uInt)chunk;
        z = inflate(&f->z, Z_NO_FLUSH);
        *got += chunk - f->z.avail_out;
        if (z == Z_STREAM_END)
            TRY(end_member(f));
        else if (z == Z_MEM_ERROR)
            TRY(mucmm__fail(f->ctx, MUCMM_ENOMEM, "%s: out of memory in zlib", f->name));
        else if (z != Z_OK)
            TRY(mucmm__fail(f->ctx, MUCMM_EFORMAT, "%s: the gzip data are %s", f->name,
                            z == Z_BUF_ERROR ? "cut off" : "damaged"));
    }
done:
    return status;
}

/* The header first: it says how much memory the rest may take. */
static mucmm_status inflate_idx(inflater *f, size_t compressed, unsigned char **out,
                                size_t *out_size)
{
    mucmm_status status = MUCMM_OK;
    unsigned char header[MAX_HEADER + 1] = {0};
    size_t n_header = 4, got, more;
    mucmm__array a;
    int64_t total = 0;

    TRY(inflate_some(f, header, 4, &got));
    if (!mucmm__is_idx(header, got))
        TRY(mucmm__fail(f->ctx, MUCMM_EUNSUPPORTED,
                        "%s: compressed, but not IDX, the only kind that is read compressed; "
                        "unpack it with gunzip",
                        f->name));
    n_header += 4 * (size_t)header[3];
    TRY(inflate_some(f, header + 4, n_header - 4, &more));
    TRY(parse_header(f->ctx, f->name, header, got + more, &a, &total));
    if ((uint64_t)total / MAX_RATIO > compressed)
        TRY(mucmm__fail(f->ctx, MUCMM_EFORMAT,
                        "%s: the IDX header says %" PRId64 " bytes, more than %zu compressed bytes "
                        "can hold",
                        f->name, total, compressed));
    TRY(mucmm__alloc(f->ctx, total, 1, out));
    memcpy(*out, header, n_header);
    TRY(inflate_some(f, *out + n_header, (size_t)total - n_header, &got));
    *out_size = n_header + got;
    TRY(inflate_some(f, header, 1, &more)); /* also checks the checksum at the end */
    if (*out_size != (uint64_t)total || more)
        TRY(mucmm__fail(f->ctx, MUCMM_EFORMAT,
                        "%s: the IDX header says %" PRId64 " bytes, the file has %s", f->name,
                        total, more ? "more" : "fewer"));
done:
    return status;
}

static mucmm_status inflate_all(inflater *f, unsigned char **out, size_t *out_size)
{
    mucmm_status status = MUCMM_OK;
    size_t room = 0, got = 1;

    *out_size = 0;
    while (got > 0) {
        if (*out_size == room) {
            room = 2 * room + 4096;
            TRY(mucmm__realloc(f->ctx, (int64_t)*out_size, (int64_t)room, 1, out));
        }
        TRY(inflate_some(f, *out + *out_size, room - *out_size, &got));
        *out_size += got;
    }
done:
    return status;
}

mucmm_status mucmm__gunzip(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                           size_t size, unsigned char **out, size_t *out_size)
{
    inflater f = {.ctx = ctx, .name = name, .rest = bytes, .n_rest = size};
    mucmm_status status;

    *out = NULL;
    if (inflateInit2(&f.z, 15 + 16) != Z_OK) /* 32 KiB window, gzip */
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory in zlib", name);
    status = inflate_all(&f, out, out_size);
    inflateEnd(&f.z);
    if (status != MUCMM_OK) {
        mucmm__free(*out);
        *out = NULL;
    }
    return status;
}

mucmm_status mucmm__idx_inflate(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                size_t size, unsigned char **out, size_t *out_size)
{
    inflater f = {.ctx = ctx, .name = name, .rest = bytes, .n_rest = size};
    mucmm_status status;

    *out = NULL;
    if (inflateInit2(&f.z, 15 + 16) != Z_OK) /* 32 KiB window, gzip */
        return mucmm__fail(ctx, MUCMM_ENOMEM, "%s: out of memory in zlib", name);
    status = inflate_idx(&f, size, out, out_size);
    inflateEnd(&f.z);
    if (status != MUCMM_OK) {
        mucmm__free(*out);
        *out = NULL;
    }
    return status;
}
