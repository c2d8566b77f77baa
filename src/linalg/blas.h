/* SPDX-License-Identifier: MIT
 *
 * blas.h - what the files of this folder share: one-threaded products for the
 * tiles of a parallel loop, and the checks in front of the Fortran libraries. */
#ifndef MUCMM_LINALG_BLAS_H
#define MUCMM_LINALG_BLAS_H

#include "linalg/linalg.h"

/* Between begin and end BLAS and LAPACK run on the calling thread only. OpenBLAS splits a product
 * differently for every number of threads, which changes the last bits; we tile the output
 * ourselves. Calls nest, from any number of threads. */
void mucmm__blas_begin(void);
void mucmm__blas_end(void);

/* C [m, n] = A' B in float on the calling thread, a [k, m], b [k, n]; all sizes >= 1. */
mucmm_status mucmm__gemm_tile(int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
                              const float *b, int64_t ldb, float *c, int64_t ldc);
/* The same in double; between begin and end, sizes within int. */
void mucmm__dgemm_tile(int64_t m, int64_t n, int64_t k, const double *a, int64_t lda,
                       const double *b, int64_t ldb, double *c, int64_t ldc);

/* One product as a caller states it. */
typedef struct mucmm__product {
    bool trans_a, trans_b;
    int64_t m, n, k, lda, ldb, ldc;
} mucmm__product;

/* ESHAPE for a negative size or rows that overlap. */
mucmm_status mucmm__product_check(mucmm_ctx *ctx, const mucmm__product *s);
/* ESHAPE if n is negative or does not fit the int of BLAS and LAPACK. */
mucmm_status mucmm__blas_size(mucmm_ctx *ctx, const char *name, int64_t n);

#endif
