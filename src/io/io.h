/* SPDX-License-Identifier: MIT
 *
 * io.h - the library's inner doors to files: every byte from outside is parsed in
 * this folder. The public part (mucmm_data_*, mucmm_npy_write, mucmm_file_write) is in mucmm.h. */
#ifndef MUCMM_IO_H
#define MUCMM_IO_H

#include "core/core.h"
#include <stdio.h>

/* ---- a whole file, read-only ------------------------------------------------------- */
typedef struct mucmm__map {
    const unsigned char *data; /* NULL when size is 0 */
    size_t size;
} mucmm__map;
/* Messages name the path. EIO for a folder, a missing file, no permission. */
mucmm_status mucmm__map_open(mucmm_ctx *ctx, const char *path, mucmm__map *out);
/* folder/path, where path is what another file asks for: relative, and no part of it may be a
 * symbolic link or "..", so that it cannot lead out of the folder. */
mucmm_status mucmm__map_open_below(mucmm_ctx *ctx, const char *folder, const char *path,
                                   mucmm__map *out);
void mucmm__map_close(mucmm__map *m);

/* ---- atomic write: temporary file beside the target, sync, rename ------------------ */
typedef struct mucmm__writer mucmm__writer;
mucmm_status mucmm__writer_create(mucmm_ctx *ctx, const char *path, mucmm__writer **out);
mucmm_status mucmm__writer_put(mucmm_ctx *ctx, mucmm__writer *w, const void *data, size_t size);
/* Syncs and renames; on failure the temporary file is gone and the target untouched. */
mucmm_status mucmm__writer_commit(mucmm_ctx *ctx, mucmm__writer *w);
/* The same into memory; take instead of commit hands over what has been put: *bytes [*size], a
 * block for mucmm__free. */
mucmm_status mucmm__writer_create_memory(mucmm_ctx *ctx, mucmm__writer **out);
mucmm_status mucmm__writer_take(mucmm_ctx *ctx, mucmm__writer *w, void **bytes, size_t *size);
void mucmm__writer_free(mucmm__writer *w); /* without commit: removes the temporary file */
/* As mucmm_file_write, but not synced: what can be made again, and many files of it. */
mucmm_status mucmm__file_write_unsynced(mucmm_ctx *ctx, const char *path, const void *data,
                                        size_t size);

/* ---- safetensors ------------------------------------------------------------------- */
typedef struct mucmm__tensor {
    const char *name;
    mucmm_dtype dtype;
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK];
    const void *data;
} mucmm__tensor;

typedef struct mucmm__safetensors mucmm__safetensors;

/* Writes tensors in the order given; metadata: pairs of strings key, value. Atomic. */
mucmm_status mucmm__safetensors_write(mucmm_ctx *ctx, const char *path,
                                      const mucmm__tensor *tensors, int64_t n_tensors,
                                      const char *const *metadata, int64_t n_metadata);
/* The same bytes in memory, *bytes [*size], a block for mucmm__free. */
mucmm_status mucmm__safetensors_write_memory(mucmm_ctx *ctx, const mucmm__tensor *tensors,
                                             int64_t n_tensors, const char *const *metadata,
                                             int64_t n_metadata, void **bytes, size_t *size);
/* Reads and checks everything: header length and JSON, unknown dtype, offsets inside the file,
 * without gaps or overlap, product(shape) * size == bytes, no name twice. Tensors are memory-mapped
 * (copied if unaligned). */
mucmm_status mucmm__safetensors_open(mucmm_ctx *ctx, const char *path, mucmm__safetensors **out);
void mucmm__safetensors_free(mucmm__safetensors *s);
/* NULL if there is none. */
const mucmm__tensor *mucmm__safetensors_find(const mucmm__safetensors *s, const char *name);
const mucmm__tensor *mucmm__safetensors_at(const mucmm__safetensors *s, int64_t i);
const char *mucmm__safetensors_metadata(const mucmm__safetensors *s, const char *key);

/* ---- PNG --------------------------------------------------------------------------- */
/* rgb [height, width, 3]. Atomic. */
mucmm_status mucmm__png_write(mucmm_ctx *ctx, const char *path, int64_t width, int64_t height,
                              const unsigned char *rgb);

/* ---- pictures: PNG and JPEG from memory -------------------------------------------- */
typedef struct mucmm__picture {
    unsigned char *rgb; /* [height, width, 3] */
    int64_t height, width;
} mucmm__picture;

/* Any PNG; JPEG in grey or colour, turned as its EXIF orientation says. Transparent pixels are laid
 * over background (red, green, blue; NULL = white). At most 64 million pixels. name stands for
 * the file in messages. EFORMAT: neither, or damaged or cut off; EUNSUPPORTED: CMYK, too large. */
mucmm_status mucmm__picture_decode(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                   size_t size, const unsigned char background[3],
                                   mucmm__picture *out);
void mucmm__picture_drop(mucmm__picture *p);

/* ---- sound: WAV, FLAC, OGG, AIFF and MP3 from memory -------------------------------- */
typedef struct mucmm__sound {
    float *samples; /* [n], the mean of the channels; full scale is 1 */
    int64_t n;
    int64_t rate; /* Hz */
} mucmm__sound;

/* EFORMAT: unknown, damaged, without samples, or with a NaN. */
mucmm_status mucmm__sound_decode(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                 size_t size, mucmm__sound *out);
void mucmm__sound_drop(mucmm__sound *s);

/* ---- the same parsers over bytes in memory (borrowed): tests and fuzzing ----------- */
mucmm_status mucmm__data_open_memory(mucmm_ctx *ctx, const char *name,
                                     const mucmm_data_params *params, const void *bytes,
                                     size_t size, mucmm_data **out);
mucmm_status mucmm__safetensors_open_memory(mucmm_ctx *ctx, const char *name, const void *bytes,
                                            size_t size, mucmm__safetensors **out);

/* The header of a float32 .npy in C order; its length, at most MUCMM__NPY_HEADER. */
#define MUCMM__NPY_HEADER 512
size_t mucmm__npy_header(char *out, size_t size, const int64_t *shape, int32_t rank);

/* For tests: an .npy of any real dtype, shape and order, as doubles in C order (rank 0 too). *data
 * is freed with mucmm__free. */
mucmm_status mucmm__npy_read_double(mucmm_ctx *ctx, const char *path, double **data,
                                    int64_t shape[MUCMM_MAX_RANK], int32_t *rank);

#endif
