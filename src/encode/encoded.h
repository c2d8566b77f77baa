/* SPDX-License-Identifier: MIT
 *
 * encoded.h - data whose rows came through an encoder: the way back to the raw input. */
#ifndef MUCMM_ENCODE_ENCODED_H
#define MUCMM_ENCODE_ENCODED_H

#include "io/data.h"

typedef struct mucmm__encoded mucmm__encoded;

/* NULL for data that are not encoded. */
const mucmm__encoded *mucmm__encoded_of(const mucmm_data *d);
/* EARG if the vocabulary behind the data is not that of a model's description (JSON, or NULL). */
mucmm_status mucmm__encoded_match(mucmm_ctx *ctx, const mucmm_data *d, const char *description);
/* EARG if explanations have no place to live. */
mucmm_status mucmm__encoded_check(mucmm_ctx *ctx, const mucmm_data *d);
/* features [n, cols] of raw values [n, raw cols] put in the place of those of rows[0..n). */
mucmm_status mucmm__encoded_features(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                     int64_t n, const float *raw, float *features);
/* grads [n, raw cols] = cotangents [n, cols] times d features / d raw at rows[0..n), or, if raw is
 * given, at these values in their place. */
mucmm_status mucmm__encoded_vjp(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows, int64_t n,
                                const float *raw, const float *cotangents, float *grads);
/* Raw inputs that the memory lets through at a time, forward and back; at least 1. */
int64_t mucmm__encoded_batch(const mucmm_data *d);
/* May several threads go through the encoder at a time? Not through a caller's own. */
bool mucmm__encoded_parallel(const mucmm_data *d);
/* Cotangents [n, cols] of features [n, cols]. */
typedef mucmm_status (*mucmm__cotangent_fn)(mucmm_ctx *ctx, void *user, int64_t n,
                                            const float *features, float *cotangents);
/* As mucmm__encoded_vjp at raw values, n at most the batch, but the cotangents are asked for when
 * the features are known: one forward pass instead of two. */
mucmm_status mucmm__encoded_gradient(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                     int64_t n, const float *raw, mucmm__cotangent_fn cotangents,
                                     void *user, float *grads);

/* ---- what is wrong with a gradient ------------------------------------------------- */

#define MUCMM__FAULT_TEXT 512

/* Texts end a sentence: "node 'r' (Sqrt) of n.onnx"; empty where nothing is found. */
typedef struct mucmm__fault {
    char features[MUCMM__FAULT_TEXT]; /* whose numbers are not finite before anything is derived */
    char gradient[MUCMM__FAULT_TEXT]; /* whose gradient is not, though all numbers are           */
} mucmm__fault;

/* Looks at row `row` again, at the raw values if they are given, node by node. */
mucmm_status mucmm__encoded_fault(mucmm_ctx *ctx, const mucmm_data *d, int64_t row,
                                  const float *raw, mucmm__cotangent_fn cotangents, void *user,
                                  mucmm__fault *out);
/* Which node lets no gradient pass from the features to the raw input ("" = there is none); some:
 * also one that rounds beside ways on which gradients pass, of networks that have such. */
mucmm_status mucmm__encoded_stop(mucmm_ctx *ctx, const mucmm_data *d, int64_t row, bool some,
                                 char text[MUCMM__FAULT_TEXT]);
/* "row 3" or "row 3 ('cat.png')". Returns out. */
#define MUCMM__ROW_TEXT 160
const char *mucmm__row_text(const mucmm_data *d, int64_t row, char out[MUCMM__ROW_TEXT]);

#endif
