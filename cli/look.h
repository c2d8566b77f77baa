/* SPDX-License-Identifier: MIT
 *
 * look.h - how the raw rows of a view, and maps on them, are shown: as pictures, words, sounds or
 * bars. What explain and report have in common. */
#ifndef CLI_LOOK_H
#define CLI_LOOK_H

#include "explain_check.h"

typedef enum look_kind {
    LOOK_BARS,    /* the strongest columns                                          */
    LOOK_PICTURE, /* rows of pixels                                                 */
    LOOK_WORDS,   /* the words of a text, in reading order                          */
    LOOK_SOUND    /* samples of a sound, shown in time and frequency                */
} look_kind;

/* Cells are what is drawn: rows x columns of them, of a picture means over step x step pixels and
 * over the channels, of a sound mel bands x frames, the highest band first. Values that add up to
 * the score (input-x-gradient, integrated gradients) jump from pixel to pixel behind a network and
 * are added over a neighbourhood: local_sd is that of a Gaussian of sum 1, in cells, 0 = none. */
typedef struct look {
    const mucmm_data *data;
    look_kind kind;
    bool bag; /* of words: the columns are the words */
    int64_t cols, tokens;
    int64_t height, width, channels, cell_step, channel_step;
    int64_t step, rows, columns;
    float lo, hi; /* of the raw rows that are shown together; equal: each row by itself */
    mucmm_mel_params mel;
    double local_sd;
} look;

/* shape [rank]: of a raw row. side: pictures are reduced to at most so many cells a side, 0 = not
 * at all. */
look look_of(const mucmm_data *data, const int64_t *shape, int32_t rank, int64_t side);
/* The cells of a row as colours [rows, columns, 3]; of pictures and sounds. The caller frees. */
int look_picture(session *s, const look *l, int64_t row, unsigned char **rgb);
enum { TIME_TICKS = 5, HERTZ_TICKS = 6 };

/* Marks below and on the left of a sound's cells. */
typedef struct tick_list {
    mucmm_tick x[TIME_TICKS + 1], y[HERTZ_TICKS]; /* seconds, hertz */
    int32_t n_x, n_y;
    char text[TIME_TICKS + 1 + HERTZ_TICKS][24];
} tick_list;

void look_ticks(const look *l, tick_list *out);
/* Cells [rows, columns] of raw values [cols] of a picture. */
int look_cells(const look *l, const float *row, float *out);

/* The map and the baseline that suit a view, if the user named none: the pattern for rows of
 * numbers; integrated gradients for pictures, words and sounds behind an encoder, words and sounds
 * from zero: no word, silence. */
void look_defaults(look *l, const settings *given, mucmm_explain_params *p);
/* Do such maps of encoded rows need the training rows? */
bool look_needs_training(const look *l, const mucmm_explain_params *p);

enum { MOST_WORDS = 512, NAME_SIZE = 96 };

typedef struct word_list {
    char text[MOST_WORDS][NAME_SIZE];
    const char *shown[MOST_WORDS];
    float value[MOST_WORDS];
    int64_t n;
} word_list;

/* Maps of n rows of a view, ready to be drawn. */
typedef struct map_set {
    look look;
    int64_t n;
    float *values;    /* [n, cols] */
    float *cells;     /* [n, rows * columns] of pictures and sounds */
    word_list *words; /* [n] of texts */
    double *scores;   /* [n] */
    float scale;      /* of all that is drawn of them */
} map_set;

/* Cells whose p-values under null models lie above `level` become zero. */
typedef struct map_mask {
    const null_models *null;
    double level;
    float *p_values; /* [n, cols], filled by maps_compute */
} map_mask;

/* look: of the view; mask NULL: the whole maps; p: with training, if it is needed. What was made is
 * dropped also after a failure. */
int maps_compute(session *s, const mucmm_model *m, const inputs *in, int32_t view, const look *l,
                 const int64_t *rows, int64_t n, const mucmm_explain_params *p,
                 const map_mask *mask, map_set *out);
/* The same of values [n, cols] that are there already; differences [n, cols]: of maps that are
 * products, input less baseline; NULL: of others. out->look, n and values are set. */
int maps_fill(session *s, const int64_t *rows, const float *differences, map_set *out);
void maps_drop(map_set *m);

enum { MOST_BARS = 20 };

/* The strongest columns of a row, at most `most`, and their names. */
typedef struct bar_list {
    char text[MOST_BARS][NAME_SIZE];
    const char *shown[MOST_BARS];
    int64_t column[MOST_BARS];
    float value[MOST_BARS];
    int64_t n;
} bar_list;

void bars_of(const look *l, const float *row, int64_t most, bar_list *out);

/* The 99.5 % quantile of |values|, at which a map has its full colour; 1 if all are 0; negative if
 * out of memory. */
float map_scale(const float *values, int64_t n);
float largest_of(const float *values, int64_t n); /* the largest |value| */

#endif
