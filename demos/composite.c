/* SPDX-License-Identifier: MIT
 *
 * Pairs of pictures that share a class, from Fashion-MNIST. */
#include "composite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- random numbers ---------------------------------------------------------------- */

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t draw_bits(uint64_t seed, uint64_t stream, uint64_t index)
{
    return mix(mix(mix(seed) ^ stream) + index);
}

double draw_unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

int64_t draw_below(uint64_t bits, int64_t n)
{
    return (int64_t)(draw_unit(bits) * (double)n);
}

/* ---- the items --------------------------------------------------------------------- */

typedef struct items {
    mucmm_data *images, *labels;
    int64_t n;
    int32_t *class_of;                /* [n]                                   */
    int64_t *by_class;                /* [n] items, sorted by class            */
    int64_t class_start[CLASSES + 1]; /* where a class begins in by_class      */
} items;

static int open_part(session *s, const char *folder, const char *part, const char *kind,
                     mucmm_data **out)
{
    char path[MAX_PATH];

    if (snprintf(path, sizeof path, "%s/%s-%s-ubyte.gz", folder, part, kind) >= (int)sizeof path)
        return fail(EXIT_RUN, "the name %s is too long", folder);
    if (access(path, R_OK) != 0)
        return fail(EXIT_RUN,
                    "there is no %s; install Fashion-MNIST (apt-get install "
                    "dataset-fashion-mnist), or give its folder with --data DIR",
                    path);
    return check(s, mucmm_data_open(s->ctx, path, NULL, out));
}

/* Labels as classes. */
static int read_classes(session *s, items *it)
{
    const char *label = mucmm_data_label(it->labels);
    float *values = NULL;
    int code = 0;

    TRY(allocate(&values, it->n, sizeof *values));
    TRY(allocate(&it->class_of, it->n, sizeof *it->class_of));
    const mucmm_mat out = {values, it->n, 1, 1};
    TRY(check(s, mucmm_data_read(s->ctx, it->labels, NULL, it->n, &out)));
    for (int64_t i = 0; i < it->n; i++) {
        if (!(values[i] >= 0 && values[i] < CLASSES)) {
            code = fail(EXIT_RUN, "%s: label %g of item %" PRId64 " is not a class from 0 to %d",
                        label, (double)values[i], i, CLASSES - 1);
            goto done;
        }
        it->class_of[i] = (int32_t)values[i];
    }
done:
    free(values);
    return code;
}

/* Counting sort of the items by class. */
static int sort_classes(items *it)
{
    int64_t next[CLASSES];
    int code = allocate(&it->by_class, it->n, sizeof *it->by_class);

    if (code != 0)
        return code;
    for (int64_t i = 0; i < it->n; i++)
        it->class_start[it->class_of[i] + 1]++;
    for (int c = 0; c < CLASSES; c++) {
        if (it->class_start[c + 1] < 2)
            return fail(EXIT_RUN, "%s: class %d has fewer than two items",
                        mucmm_data_label(it->labels), c);
        it->class_start[c + 1] += it->class_start[c];
        next[c] = it->class_start[c];
    }
    for (int64_t i = 0; i < it->n; i++)
        it->by_class[next[it->class_of[i]]++] = i;
    return 0;
}

static int open_items(session *s, const char *folder, const char *part, items *out)
{
    int code = 0;

    TRY(open_part(s, folder, part, "images-idx3", &out->images));
    TRY(open_part(s, folder, part, "labels-idx1", &out->labels));
    out->n = mucmm_data_rows(out->images);
    if (mucmm_data_cols(out->images) != ITEM || mucmm_data_cols(out->labels) != 1 ||
        mucmm_data_rows(out->labels) != out->n) {
        code = fail(EXIT_RUN, "%s and %s are not %dx%d images and one label for each",
                    mucmm_data_label(out->images), mucmm_data_label(out->labels), SIDE, SIDE);
        goto done;
    }
    TRY(read_classes(s, out));
    TRY(sort_classes(out));
done:
    return code;
}

static void close_items(items *it)
{
    mucmm_data_free(it->images);
    mucmm_data_free(it->labels);
    free(it->class_of);
    free(it->by_class);
}

/* ---- pairs ------------------------------------------------------------------------- */

/* Which items a pair is made of: [view][left, right]. */
typedef struct pair_items {
    int64_t item[2][2];
} pair_items;

static pair_items draw_pair(const items *it, uint64_t seed, uint64_t pair)
{
    pair_items p;
    int64_t y = draw_below(draw_bits(seed, 0, pair), CLASSES);
    int64_t start = it->class_start[y], count = it->class_start[y + 1] - start;
    int64_t first = draw_below(draw_bits(seed, 1, pair), count);
    int64_t other = draw_below(draw_bits(seed, 2, pair), count - 1);

    p.item[0][0] = it->by_class[start + first];
    p.item[1][0] = it->by_class[start + other + (other >= first)];
    p.item[0][1] = draw_below(draw_bits(seed, 3, pair), it->n);
    p.item[1][1] = draw_below(draw_bits(seed, 4, pair), it->n);
    return p;
}

/* Copies items[0..n) into one half of n composites. */
static int fill_half(session *s, const items *it, const int64_t *rows, int64_t n, int half,
                     float *scratch, float *pixels)
{
    const mucmm_mat out = {scratch, n, ITEM, ITEM};
    int code = check(s, mucmm_data_read(s->ctx, it->images, rows, n, &out));

    for (int64_t i = 0; code == 0 && i < n; i++)
        for (int64_t r = 0; r < SIDE; r++)
            for (int64_t c = 0; c < SIDE; c++)
                pixels[i * COMPOSITE + r * 2 * SIDE + half * SIDE + c] =
                    scratch[i * ITEM + r * SIDE + c] / 255.0F;
    return code;
}

enum { CHUNK = 500 };

/* Pairs first .. first + n. */
static int fill_chunk(session *s, const items *it, uint64_t seed, int64_t first, int64_t n,
                      float *scratch, composite *out)
{
    int64_t rows[CHUNK];
    int code = 0;

    for (int view = 0; view < 2; view++)
        for (int half = 0; half < 2; half++) {
            for (int64_t i = 0; i < n; i++) {
                pair_items p = draw_pair(it, seed, (uint64_t)(first + i));
                rows[i] = p.item[view][half];
                if (half == 0)
                    out->shared[first + i] = it->class_of[rows[i]];
                else
                    out->own_class[view][first + i] = it->class_of[rows[i]];
            }
            TRY(fill_half(s, it, rows, n, half, scratch, out->pixels[view] + first * COMPOSITE));
        }
done:
    return code;
}

static int allocate_composite(int64_t n, composite *out)
{
    int code = 0;

    out->n = n;
    TRY(allocate(&out->shared, n, sizeof *out->shared));
    for (int view = 0; view < 2; view++) {
        TRY(allocate(&out->pixels[view], n * COMPOSITE, sizeof(float)));
        TRY(allocate(&out->own_class[view], n, sizeof(int32_t)));
    }
done:
    return code;
}

int composite_make(session *s, const char *folder, const char *part, int64_t n, uint64_t seed,
                   composite *out)
{
    items it = {0};
    float *scratch = NULL;
    int code = 0;

    *out = (composite){0};
    TRY(open_items(s, folder, part, &it));
    TRY(allocate_composite(n, out));
    TRY(allocate(&scratch, (int64_t)CHUNK * ITEM, sizeof *scratch));
    for (int64_t i = 0; i < n; i += CHUNK)
        TRY(fill_chunk(s, &it, seed, i, n - i < CHUNK ? n - i : CHUNK, scratch, out));
done:
    free(scratch);
    close_items(&it);
    return code;
}

void composite_drop_pixels(composite *c)
{
    for (int view = 0; view < 2; view++) {
        free(c->pixels[view]);
        c->pixels[view] = NULL;
    }
}

void composite_free(composite *c)
{
    composite_drop_pixels(c);
    free(c->shared);
    free(c->own_class[0]);
    free(c->own_class[1]);
    *c = (composite){0};
}
