/* SPDX-License-Identifier: MIT
 *
 * npz.c - one array of a NumPy .npz: a zip file whose members are .npy files, stored or deflated.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT */
#include "io/arrays.h"

#include <inttypes.h>
#include <string.h>
#include <zlib.h>

enum { END_SIZE = 22, ENTRY_SIZE = 46, LOCAL_SIZE = 30, MAX_COMMENT = 65535, ZIP64_END = 56 };
enum { STORED = 0, DEFLATED = 8 };
#define ENTRY 0x02014b50u
#define LOCAL 0x04034b50u
#define END 0x06054b50u
#define END64 0x06064b50u
#define LOCATOR64 0x07064b50u
/* Deflate makes at most 1032 bytes of one. */
#define MAX_RATIO 1032
/* Bytes of a member that the header of an array needs, for a list of what there is. */
enum { HEAD = 1024 };

typedef struct member {
    const unsigned char *name; /* [n_name] without .npy */
    size_t n_name;
    unsigned flags, method;
    uint32_t crc;
    uint64_t packed, size, at;
} member;

typedef struct zip {
    mucmm_ctx *ctx;
    const char *file;
    const unsigned char *bytes;
    size_t size;
    uint64_t next, end, count; /* of the directory */
} zip;

static uint64_t number(const unsigned char *p, int size)
{
    uint64_t v = 0;

    for (int i = size - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static mucmm_status damaged(const zip *z, const char *what)
{
    return mucmm__fail(z->ctx, MUCMM_EFORMAT, "%s: a damaged .npz (zip) file: %s", z->file, what);
}

/* ---- the directory ----------------------------------------------------------------- */

/* Files of 4 GB and more have a second end before the first. */
static mucmm_status read_end64(zip *z, size_t end)
{
    const unsigned char *locator = z->bytes + end - 20, *e;
    uint64_t at;

    if (end < 20 || number(locator, 4) != LOCATOR64)
        return MUCMM_OK;
    at = number(locator + 8, 8);
    if (end < ZIP64_END || at > end - ZIP64_END || number(z->bytes + at, 4) != END64)
        return damaged(z, "the end of its directory is missing");
    e = z->bytes + at;
    z->count = number(e + 32, 8);
    z->next = number(e + 48, 8);
    z->end = number(e + 40, 8);
    return MUCMM_OK;
}

static mucmm_status find_directory(zip *z)
{
    mucmm_status status = MUCMM_OK;
    size_t at = z->size, least = 0;

    if (z->size >= END_SIZE) {
        at = z->size - END_SIZE;
        least = at > MAX_COMMENT ? at - MAX_COMMENT : 0;
        while (at > least && number(z->bytes + at, 4) != END)
            at--;
    }
    if (z->size < END_SIZE || number(z->bytes + at, 4) != END)
        return damaged(z, "it has no directory at its end; it is cut off");
    z->count = number(z->bytes + at + 10, 2);
    z->end = number(z->bytes + at + 12, 4);
    z->next = number(z->bytes + at + 16, 4);
    TRY(read_end64(z, at));
    if (z->next > at || z->end > at - z->next)
        return damaged(z, "its directory lies outside the file");
    z->end += z->next;
done:
    return status;
}

/* Sizes that do not fit into 32 bits stand in a field of their own. */
static mucmm_status read_wide(const zip *z, const unsigned char *p, size_t n, member *m)
{
    uint64_t *const wide[] = {&m->size, &m->packed, &m->at};

    while (n >= 4) {
        size_t size = (size_t)number(p + 2, 2), used = 4;
        if (size > n - 4)
            return damaged(z, "a field of its directory is cut off");
        for (int k = 0; number(p, 2) == 1 && k < 3; k++)
            if (*wide[k] == UINT32_MAX && used + 8 <= size + 4) {
                *wide[k] = number(p + used, 8);
                used += 8;
            }
        p += 4 + size;
        n -= 4 + size;
    }
    return MUCMM_OK;
}

/* The next entry, and whether it is an array. */
static mucmm_status next_member(zip *z, member *m, bool *array)
{
    const unsigned char *e = z->bytes + z->next;
    uint64_t rest = z->end - z->next, n_name, n_extra;

    if (rest < ENTRY_SIZE || number(e, 4) != ENTRY)
        return damaged(z, "an entry of its directory is cut off");
    n_name = number(e + 28, 2);
    n_extra = number(e + 30, 2);
    if (n_name + n_extra + number(e + 32, 2) > rest - ENTRY_SIZE)
        return damaged(z, "an entry of its directory is cut off");
    *m = (member){.name = e + ENTRY_SIZE,
                  .n_name = (size_t)n_name,
                  .flags = (unsigned)number(e + 8, 2),
                  .method = (unsigned)number(e + 10, 2),
                  .crc = (uint32_t)number(e + 16, 4),
                  .packed = number(e + 20, 4),
                  .size = number(e + 24, 4),
                  .at = number(e + 42, 4)};
    z->next += ENTRY_SIZE + n_name + n_extra + number(e + 32, 2);
    *array = n_name > 4 && memcmp(m->name + n_name - 4, ".npy", 4) == 0;
    m->n_name -= *array ? 4 : 0;
    return read_wide(z, e + ENTRY_SIZE + n_name, (size_t)n_extra, m);
}

/* ---- a member ---------------------------------------------------------------------- */

/* Its packed bytes. */
static mucmm_status find_bytes(const zip *z, const member *m, const unsigned char **bytes)
{
    const unsigned char *local;
    uint64_t skip;

    if (m->flags & 1)
        return mucmm__fail(z->ctx, MUCMM_EUNSUPPORTED, "%s: a member is encrypted", z->file);
    if (m->method != STORED && m->method != DEFLATED)
        return mucmm__fail(z->ctx, MUCMM_EUNSUPPORTED,
                           "%s: zip method %u; save it with np.savez or np.savez_compressed",
                           z->file, m->method);
    if (z->size < LOCAL_SIZE || m->at > z->size - LOCAL_SIZE ||
        number(z->bytes + m->at, 4) != LOCAL)
        return damaged(z, "a member lies outside the file");
    local = z->bytes + m->at;
    skip = LOCAL_SIZE + number(local + 26, 2) + number(local + 28, 2);
    if (skip > z->size - m->at || m->packed > z->size - m->at - skip)
        return damaged(z, "a member lies outside the file");
    if (m->method == STORED ? m->size != m->packed : m->size / MAX_RATIO > m->packed)
        return damaged(z, "a member is said to be larger than its bytes can hold");
    *bytes = local + skip;
    return MUCMM_OK;
}

/* out [size]: how the member begins; *got: all of it that there is. */
static mucmm_status inflate_member(const zip *z, const member *m, const unsigned char *from,
                                   unsigned char *out, size_t size, size_t *got)
{
    z_stream s = {0};
    uint64_t left = m->packed;
    int code = Z_OK;

    *got = 0;
    if (inflateInit2(&s, -15) != Z_OK) /* 32 KiB window, no header */
        return mucmm__fail(z->ctx, MUCMM_ENOMEM, "%s: out of memory in zlib", z->file);
    s.next_in = (unsigned char *)(uintptr_t)from;
    while (code == Z_OK && *got < size) { /* zlib counts in 32 bits */
        uInt room = (uInt)(size - *got < (1u << 30) ? size - *got : 1u << 30);
        if (s.avail_in == 0) {
            s.avail_in = (uInt)(left < (1u << 30) ? left : 1u << 30);
            left -= s.avail_in;
        }
        s.next_out = out + *got;
        s.avail_out = room;
        code = inflate(&s, Z_NO_FLUSH);
        *got += room - s.avail_out;
    }
    inflateEnd(&s);
    if (code == Z_MEM_ERROR)
        return mucmm__fail(z->ctx, MUCMM_ENOMEM, "%s: out of memory in zlib", z->file);
    return code == Z_OK || code == Z_STREAM_END ? MUCMM_OK
                                                : damaged(z, "a member cannot be unpacked");
}

static mucmm_status read_member(const zip *z, const member *m, unsigned char **owned,
                                mucmm__array *out)
{
    mucmm_status status = MUCMM_OK;
    const unsigned char *bytes;
    size_t got;

    TRY(find_bytes(z, m, &bytes));
    if (m->method == DEFLATED) {
        TRY(mucmm__alloc(z->ctx, (int64_t)m->size, 1, owned));
        TRY(inflate_member(z, m, bytes, *owned, (size_t)m->size, &got));
        if (got != m->size)
            return damaged(z, "a member is shorter than its directory says");
        bytes = *owned;
    }
    if (crc32_z(crc32_z(0, NULL, 0), bytes, (size_t)m->size) != m->crc)
        return damaged(z, "the checksum of a member does not agree");
    if (!mucmm__is_npy(bytes, (size_t)m->size))
        return damaged(z, "a member is no .npy file");
    TRY(mucmm__npy_parse(z->ctx, z->file, bytes, (size_t)m->size, out));
done:
    return status;
}

/* Type and shape, from the first bytes; nothing where they cannot be read. */
static void describe(const zip *z, const member *m, mucmm__array *out)
{
    unsigned char head[HEAD] = {0};
    const unsigned char *bytes;
    size_t got = m->size < HEAD ? (size_t)m->size : HEAD;
    mucmm_ctx quiet;

    mucmm__ctx_alone(z->ctx, &quiet);
    *out = (mucmm__array){.rank = -1};
    if (find_bytes(&(zip){&quiet, z->file, z->bytes, z->size, 0, 0, 0}, m, &bytes) != MUCMM_OK)
        return;
    if (m->method == STORED)
        memcpy(head, bytes, got);
    else if (inflate_member(&(zip){&quiet, z->file, z->bytes, z->size, 0, 0, 0}, m, bytes, head,
                            sizeof head, &got) != MUCMM_OK)
        return;
    if (!mucmm__is_npy(head, got) ||
        mucmm__npy_describe(&quiet, z->file, head, got, out) != MUCMM_OK)
        out->rank = -1;
}

/* ---- one of the arrays ------------------------------------------------------------- */

bool mucmm__is_zip(const unsigned char *bytes, size_t size)
{
    return size >= 4 && (number(bytes, 4) == LOCAL || number(bytes, 4) == END);
}

mucmm_status mucmm__npz_parse(mucmm_ctx *ctx, const char *file, const char *name,
                              const unsigned char *bytes, size_t size, unsigned char **owned,
                              mucmm__array *out)
{
    mucmm_status status = MUCMM_OK;
    zip z = {.ctx = ctx, .file = file, .bytes = bytes, .size = size};
    member m, found = {0};
    mucmm__choice choice = {.file = file, .name = name};
    mucmm__array a = {.rank = -1};
    bool array = false;

    TRY(find_directory(&z));
    for (uint64_t i = 0; i < z.count; i++) {
        TRY(next_member(&z, &m, &array));
        if (!array)
            continue;
        if (choice.listed < MUCMM__LISTED)
            describe(&z, &m, &a);
        if (mucmm__choice_offer(&choice, (const char *)m.name, m.n_name, &a))
            found = m;
    }
    TRY(mucmm__choice_check(ctx, &choice));
    TRY(read_member(&z, &found, owned, out));
done:
    return status;
}
