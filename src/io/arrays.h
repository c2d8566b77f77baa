/* SPDX-License-Identifier: MIT
 *
 * arrays.h - the inner door to files that hold several arrays by name, or one in several files. */
#ifndef MUCMM_IO_ARRAYS_H
#define MUCMM_IO_ARRAYS_H

#include "io/data.h"

/* Which of a file's arrays: the one that has the name, or the only one. */
enum { MUCMM__LISTED = 12 };
typedef struct mucmm__choice {
    const char *file, *name; /* name NULL: not said */
    int64_t n, chosen;       /* arrays that there are, and how many of them are the one */
    int64_t listed;
    char list[1024]; /* the first of them with their shapes, for a message */
} mucmm__choice;

/* Is it this one? name [n_name]; its type and shape, rank -1 = unknown. */
bool mucmm__choice_offer(mucmm__choice *c, const char *name, size_t n_name, const mucmm__array *a);
/* EARG: none has the name, or several arrays are there and none was named; EFORMAT: none at all, or
 * two of that name. */
mucmm_status mucmm__choice_check(mucmm_ctx *ctx, const mucmm__choice *c);

/* The array of that name (NULL: the only one) in bytes, which are borrowed; *owned (mucmm__alloc):
 * where it lies if it had to be unpacked. */
mucmm_status mucmm__npz_parse(mucmm_ctx *ctx, const char *file, const char *name,
                              const unsigned char *bytes, size_t size, unsigned char **owned,
                              mucmm__array *out);
mucmm_status mucmm__tensors_parse(mucmm_ctx *ctx, const char *file, const char *name,
                                  const unsigned char *bytes, size_t size, unsigned char **owned,
                                  mucmm__array *out);
bool mucmm__is_hdf5(const unsigned char *bytes, size_t size);
bool mucmm__is_tensors(const unsigned char *bytes, size_t size);
bool mucmm__is_zip(const unsigned char *bytes, size_t size);

/* The .npy files of a folder, or those that fit a pattern (*, ?, [a-z]), in the natural order of
 * their names, as one array: all of one type and shape of a row. *owned: their numbers. */
bool mucmm__is_shards(const char *path);
mucmm_status mucmm__shards_read(mucmm_ctx *ctx, const char *path, unsigned char **owned,
                                mucmm__array *out);

/* Bytes of a file: what it is called in messages, where it lies (NULL: nowhere), and which of its
 * arrays is asked for (NULL: the only one). */
typedef struct mucmm__found {
    const unsigned char *bytes;
    size_t size;
    const char *label, *path, *name;
} mucmm__found;

/* From a file by its path, or from bytes where path is NULL: the numbers into the file fd. names
 * (empty before): of AnnData's files, what the rows and columns are called. */
mucmm_status mucmm__hdf5_read(mucmm_ctx *ctx, const mucmm__found *f, int fd, mucmm__array *out,
                              mucmm__table *names);
/* The same by another process, which may crash; *numbers: where they lie, to be closed. */
mucmm_status mucmm__hdf5_read_apart(mucmm_ctx *ctx, const mucmm__found *f, mucmm__map *numbers,
                                    mucmm__array *out, mucmm__table *names);

/* Of any kind that holds arrays: *owned or *made (empty before) is where the numbers lie, if not in
 * f's bytes; they are the caller's, also after a failure. */
bool mucmm__holds_array(const mucmm__found *f);
mucmm_status mucmm__array_parse(mucmm_ctx *ctx, const mucmm__found *f, unsigned char **owned,
                                mucmm__map *made, mucmm__array *out, mucmm__table *names);
/* EUNSUPPORTED, and what to do with such a file. */
mucmm_status mucmm__kind_fail(mucmm_ctx *ctx, const char *label);

/* Where the name of an array begins in path: behind its last ':', if path is no file and what
 * stands before is one; else NULL. */
const char *mucmm__array_name(const char *path);

#endif
