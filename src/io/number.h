/* SPDX-License-Identifier: MIT
 *
 * number.h - the types of numbers, in one table: what they are called in every format, and how
 * they are read and written. */
#ifndef MUCMM_IO_NUMBER_H
#define MUCMM_IO_NUMBER_H

#include "core/core.h"

/* ---- the table --------------------------------------------------------------------- */

typedef struct mucmm__number_type {
    const char *name; /* "float32"                                              */
    int64_t size;     /* bytes; 0: no type of numbers                           */
    bool is_float;    /* as a float it may be NaN, infinite or out of range     */
    const char *npy;  /* NumPy's name, "f4"; NULL: no .npy file and no rows of it */
    const char *safetensors;
    /* Of numbers as they lie in a file, unaligned, the bytes swapped or not:
     * out[j] = number at p + j * step bytes */
    void (*convert)(const unsigned char *p, int64_t step, bool swap, int64_t n, float *out);
    double (*load)(const unsigned char *p, bool swap);
} mucmm__number_type;

enum { MUCMM__NUMBER_TYPES = MUCMM_BF16 + 1 };

/* The place of a type is its mucmm_dtype, which is ONNX's number; places between are empty
 * (size 0). */
extern const mucmm__number_type mucmm__number_types[MUCMM__NUMBER_TYPES];

/* Any number: one without a place in the table gets an empty row. */
const mucmm__number_type *mucmm__number_type_of(mucmm_dtype t);
bool mucmm__dtype_is_float(mucmm_dtype t); /* f16, bf16, f32, f64                 */
bool mucmm__dtype_is_npy(mucmm_dtype t);   /* can stand in a .npy file and in rows */

/* ---- numbers in memory, aligned ---------------------------------------------------- */

/* Reading and writing one number of any type; 64-bit integers are exact through the second pair. */
double mucmm__number_get(mucmm_dtype t, const void *data, int64_t i);
void mucmm__number_put(mucmm_dtype t, void *data, int64_t i, double value);
int64_t mucmm__integer_get(mucmm_dtype t, const void *data, int64_t i);
void mucmm__integer_put(mucmm_dtype t, void *data, int64_t i, int64_t value);
/* Whole arrays: out[i] = x[i] as ONNX Cast does it (float to integer truncates). */
void mucmm__convert(mucmm_dtype from, const void *x, mucmm_dtype to, void *y, int64_t n);

#endif
