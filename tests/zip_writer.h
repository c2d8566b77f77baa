/* SPDX-License-Identifier: MIT
 *
 * zip_writer.h - small zip files, whose directory can be damaged where a test wants it. */
#ifndef MUCMM_TEST_ZIP_WRITER_H
#define MUCMM_TEST_ZIP_WRITER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

typedef struct zip_file {
    unsigned char bytes[8192];
    size_t size, n, directory[4], at[4]; /* where the members and their entries begin */
    unsigned char entry[4][128];
    size_t entry_size[4];
} zip_file;

static inline void zip_put(unsigned char *p, uint64_t v, int size)
{
    for (int i = 0; i < size; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static inline void zip_add(zip_file *z, const char *name, const unsigned char *data, size_t size,
                           int method)
{
    unsigned char *local = z->bytes + z->size, *e = z->entry[z->n];
    size_t n_name = strlen(name), stored = size;
    uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), data, (uInt)size);

    if (method == 8) {
        z_stream s = {0};
        if (deflateInit2(&s, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            abort();
        s.next_in = (unsigned char *)(uintptr_t)data;
        s.avail_in = (uInt)size;
        s.next_out = local + 30 + n_name;
        s.avail_out = 4096;
        if (deflate(&s, Z_FINISH) != Z_STREAM_END)
            abort();
        stored = s.total_out;
        deflateEnd(&s);
    } else
        memcpy(local + 30 + n_name, data, size);
    zip_put(local, 0x04034b50, 4);
    zip_put(local + 8, (uint64_t)method, 2);
    zip_put(local + 26, n_name, 2);
    memcpy(local + 30, name, n_name);
    zip_put(e, 0x02014b50, 4);
    zip_put(e + 10, (uint64_t)method, 2);
    zip_put(e + 16, crc, 4);
    zip_put(e + 20, stored, 4);
    zip_put(e + 24, size, 4);
    zip_put(e + 28, n_name, 2);
    zip_put(e + 42, z->size, 4);
    memcpy(e + 46, name, n_name);
    z->entry_size[z->n] = 46 + n_name;
    z->at[z->n++] = z->size;
    z->size += 30 + n_name + stored;
}

static inline void zip_end(zip_file *z)
{
    size_t start = z->size;

    for (size_t i = 0; i < z->n; i++) {
        z->directory[i] = z->size;
        memcpy(z->bytes + z->size, z->entry[i], z->entry_size[i]);
        z->size += z->entry_size[i];
    }
    zip_put(z->bytes + z->size, 0x06054b50, 4);
    zip_put(z->bytes + z->size + 10, z->n, 2);
    zip_put(z->bytes + z->size + 12, z->size - start, 4);
    zip_put(z->bytes + z->size + 16, start, 4);
    z->size += 22;
}

#endif
