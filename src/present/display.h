/* SPDX-License-Identifier: MIT
 *
 * display.h - maps of n samples of a view on their way to pictures, words, sounds or bars. */
#ifndef MUCMM_PRESENT_DISPLAY_H
#define MUCMM_PRESENT_DISPLAY_H

#include "encode/layout.h"

enum {
    MUCMM__MOST_WORDS = 512,
    MUCMM__MOST_BARS = 20,
    MUCMM__NAME_SIZE = 96, /* bytes of a word or a column's name; longer ones are cut */
    MUCMM__TIME_TICKS = 6,
    MUCMM__HERTZ_TICKS = 6
};

typedef struct mucmm__display_parts mucmm__display_parts; /* display_parts.h */

/* Words or columns of one sample and their values. */
typedef struct mucmm__labels {
    int64_t n;
    char (*text)[MUCMM__NAME_SIZE];
    const char **shown; /* [n] each text */
    float *value;
} mucmm__labels;

struct mucmm_display {
    int64_t n, cols;
    int64_t *rows;    /* [n] of the data that was given */
    mucmm_data *data; /* the n samples, row i is sample i */
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK]; /* of a raw row */
    mucmm_look look;
    char *title; /* of a sheet, before the sample's number */
    char *score; /* what is explained, and by which map; NULL: not known */
    char *map;
    double *scores;  /* [n] or NULL */
    float *values;   /* [n, cols] or NULL */
    float *p_values; /* [n, cols] or NULL */
    float *whole;    /* [n, cols] values before the mask, where local sums are drawn; or NULL */
    bool adds_up;    /* of each row the values sum to a difference of scores */
    double mask;     /* cells with larger p-values are 0; NaN: no mask */
    float scale;
    mucmm__display_parts *parts; /* what is shown instead of values; or NULL */

    int64_t cell_rows, cell_cols; /* of pictures and sounds */
    float *cells;                 /* [n, cell_rows, cell_cols] or NULL */
    mucmm__layout layout;         /* of a raw row */
    int64_t step;                 /* of pictures: a cell is step x step pixels */
    float lo, hi;                 /* of all raw rows; equal: each row has its own range */
    double local_sd;              /* of the Gaussian of local sums, in cells; 0: none */
    mucmm_mel_params mel;         /* of sounds */
    char tick_text[MUCMM__TIME_TICKS + MUCMM__HERTZ_TICKS][24];
    mucmm_tick ticks[MUCMM__TIME_TICKS + MUCMM__HERTZ_TICKS]; /* n_ticks[0], then n_ticks[1] */
    int32_t n_ticks[2];

    bool bag;         /* of words: the columns are the words */
    bool words_alone; /* without marks such as [CLS], and words of a bag that is without them */
    mucmm__labels *labels; /* [n] words or bars; NULL without values */
};

static inline float mucmm__largest(const float *x, int64_t n)
{
    float largest = 0;

    for (int64_t i = 0; i < n; i++) {
        float size = x[i] < 0 ? -x[i] : x[i];
        largest = size > largest ? size : largest;
    }
    return largest;
}

static inline void mucmm__range(const float *x, int64_t n, float *lo, float *hi)
{
    *lo = *hi = x[0];
    for (int64_t i = 0; i < n; i++) {
        *lo = x[i] < *lo ? x[i] : *lo;
        *hi = x[i] > *hi ? x[i] : *hi;
    }
}

/* ---- display.c --------------------------------------------------------------------- */

/* An own copy of parameters, checked. */
mucmm_status mucmm__display_params_take(mucmm_ctx *ctx, const mucmm_display_params *given,
                                        mucmm_display_params *own);
/* Without maps: the samples and how they are shown. What is there is freed with the display, also
 * after a failure. p is checked. */
mucmm_status mucmm__display_start(mucmm_ctx *ctx, const mucmm_data *data, const int64_t *rows,
                                  int64_t n, const mucmm_display_params *p, mucmm_display *d);
/* From values to what is drawn. differences: as in mucmm_display_of_values. */
mucmm_status mucmm__display_fill(mucmm_ctx *ctx, mucmm_display *d, mucmm_map_kind map,
                                 const float *differences);
/* EARG: there is no sample i. */
mucmm_status mucmm__display_check(mucmm_ctx *ctx, const mucmm_display *d, int64_t i);

/* ---- display_picture.c ------------------------------------------------------------- */

/* Cells of a row of values [cols], with local sums if the display has them. */
mucmm_status mucmm__picture_cells(mucmm_ctx *ctx, const mucmm_display *d, const float *row,
                                  float *cells);
/* Does the mask keep a pixel of that cell, by p_values [cols] of the row? */
bool mucmm__picture_kept(const mucmm_display *d, const float *p_values, int64_t cell);
mucmm_status mucmm__picture_colours(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                    unsigned char *rgb);

/* ---- display_sound.c --------------------------------------------------------------- */

void mucmm__sound_start(mucmm_display *d);
/* Cells of a map [cols] on the sound raw [cols]; difference as in mucmm_display_of_values. */
mucmm_status mucmm__sound_cells(mucmm_ctx *ctx, const mucmm_display *d, const float *raw,
                                const float *map, const float *difference, float *cells);
mucmm_status mucmm__sound_colours(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                  unsigned char *rgb);

/* ---- display_labels.c -------------------------------------------------------------- */

/* Of one map [cols]. The caller drops them, also after a failure. */
mucmm_status mucmm__words_of(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, const float *map,
                             mucmm__labels *out);
mucmm_status mucmm__bars_of(mucmm_ctx *ctx, const mucmm_display *d, const float *map, int64_t most,
                            mucmm__labels *out);
void mucmm__labels_drop(mucmm__labels *l);

/* The share of a sample's cells that the mask keeps, of those that have a p-value. */
double mucmm__display_kept(const mucmm_display *d, int64_t i);

/* "sample KEY" of sample i, or its row's number where there is no key. Returns out. */
enum { MUCMM__SAMPLE = 120 };
const char *mucmm__sample_words(const mucmm_display *d, int64_t i, char *out, size_t size);

#endif
