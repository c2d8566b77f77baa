/* SPDX-License-Identifier: MIT
 *
 * The planted composite: pairs of pictures that share a class and nothing else.
 * Each view is 28 x 56: its left half shows an item of the shared class (another
 * item in each view), its right half a random item of any class.
 */
#ifndef CLI_COMPOSITE_H
#define CLI_COMPOSITE_H

#include "cli.h"

enum { SIDE = 28, ITEM = SIDE * SIDE, COMPOSITE = 2 * ITEM, CLASSES = 10 };

typedef struct composite {
    int64_t n;
    float *pixels[2];      /* [n, 28, 56] of each view, 0 to 1     */
    int32_t *shared;       /* [n] the class of both left halves    */
    int32_t *own_class[2]; /* [n] the class of a view's right half */
} composite;

/* Where Debian's package dataset-fashion-mnist puts its files. */
#define FASHION_FOLDER "/usr/share/datasets/fashion-mnist"

/* part: "train" or "t10k". The same seed gives the same pairs everywhere. */
int composite_make(session *s, const char *folder, const char *part, int64_t n, uint64_t seed,
                   composite *out);
/* Frees the pixels alone; the labels stay. */
void composite_drop_pixels(composite *c);
void composite_free(composite *c);

/* Random bits number `index` of a stream: a hash of the three, so that any draw
 * can be made without the ones before it. */
uint64_t draw_bits(uint64_t seed, uint64_t stream, uint64_t index);
/* The same as a whole number in [0, n) and as a real in [0, 1). */
int64_t draw_below(uint64_t bits, int64_t n);
double draw_unit(uint64_t bits);

#endif
