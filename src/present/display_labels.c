/* SPDX-License-Identifier: MIT
 *
 * Maps as words in reading order, or as the columns with the largest values. */
#include "present/display.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void mucmm__labels_drop(mucmm__labels *l)
{
    mucmm__free(l->text);
    mucmm__free(l->shown);
    mucmm__free(l->value);
    *l = (mucmm__labels){.n = 0};
}

static mucmm_status labels_alloc(mucmm_ctx *ctx, int64_t room, mucmm__labels *out)
{
    mucmm_status status = MUCMM_OK;

    *out = (mucmm__labels){.n = 0};
    TRY(mucmm__alloc(ctx, room, sizeof *out->text, &out->text));
    TRY(mucmm__alloc(ctx, room, sizeof *out->shown, &out->shown));
    TRY(mucmm__alloc(ctx, room, sizeof *out->value, &out->value));
    for (int64_t i = 0; i < room; i++)
        out->shown[i] = out->text[i];
done:
    return status;
}

/* Puts as many whole characters (UTF-8) behind a text as there is room for. */
static void append(char text[MUCMM__NAME_SIZE], const char *more)
{
    size_t used = strlen(text), size = strlen(more), room = MUCMM__NAME_SIZE - 1 - used;

    if (size > room)
        for (size = room; size > 0 && ((unsigned char)more[size] & 0xc0) == 0x80;)
            size--;
    memcpy(text + used, more, size);
    text[used + size] = '\0';
}

/* ---- words ------------------------------------------------------------------------- */

/* Does the piece go on with the word before it? *piece: without its mark. */
static bool continues(const char **piece, bool marked)
{
    static const char *const starts[] = {"\xe2\x96\x81", "\xc4\xa0"}; /* U+2581, U+0120 */

    for (int i = 0; i < 2; i++)
        if (strncmp(*piece, starts[i], strlen(starts[i])) == 0) {
            *piece += strlen(starts[i]);
            return false;
        }
    if (strncmp(*piece, "##", 2) == 0) {
        *piece += 2;
        return true;
    }
    return marked;
}

/* A token that stands for no word of the text. */
static bool is_mark(const char *piece)
{
    static const char *const marks[] = {"[CLS]", "[SEP]", "[PAD]",           "<s>",
                                        "</s>",  "<pad>", "<|startoftext|>", "<|endoftext|>"};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strcmp(piece, marks[i]) == 0)
            return true;
    return false;
}

/* Pieces of one word are joined and their values added. map [tokens, width]. */
static void join_pieces(const mucmm_display *d, const mucmm_tokens *tokens, const float *map,
                        mucmm__labels *out)
{
    int64_t width = d->layout.features;
    bool marked = false;

    for (int64_t t = 0; t < d->layout.tokens && t < mucmm_tokens_count(tokens); t++) {
        const char *piece = mucmm_tokens_piece(tokens, t), *at = piece;
        double sum = 0;
        if (!piece[0] || (d->words_alone && is_mark(piece)))
            continue;
        for (int64_t j = 0; j < width; j++)
            sum += (double)map[t * width + j];
        bool joined = continues(&at, marked) && out->n > 0;
        marked = marked || (at != piece && piece[0] != '#');
        if (!joined && out->n == MUCMM__MOST_WORDS)
            break;
        out->n += !joined;
        append(out->text[out->n - 1], at);
        out->value[out->n - 1] += (float)sum;
    }
}

static int64_t find_column(const mucmm_display *d, const char *word)
{
    for (int64_t j = 0; j < d->cols; j++)
        if (strcmp(mucmm_data_column(d->data, j), word) == 0)
            return j;
    return -1;
}

/* A word that stands several times in the text shares the value of its column. */
static void share_columns(const mucmm_display *d, const mucmm_tokens *tokens, const float *map,
                          mucmm__labels *out)
{
    int64_t column[MUCMM__MOST_WORDS], n = mucmm_tokens_count(tokens);

    for (int64_t t = 0; t < n && out->n < MUCMM__MOST_WORDS; t++) {
        const char *word = mucmm_tokens_piece(tokens, t);
        column[out->n] = find_column(d, word);
        if (d->words_alone && column[out->n] < 0) /* the model does not know it */
            continue;
        append(out->text[out->n++], word);
    }
    for (int64_t t = 0; t < out->n; t++) {
        int times = 0;
        for (int64_t i = 0; i < out->n; i++)
            times += column[i] == column[t];
        if (column[t] >= 0)
            out->value[t] = map[column[t]] / (float)times;
    }
}

mucmm_status mucmm__words_of(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, const float *map,
                             mucmm__labels *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_tokens *tokens = NULL;

    *out = (mucmm__labels){.n = 0};
    TRY(mucmm_data_tokens(ctx, d->data, i, &tokens));
    int64_t n = mucmm_tokens_count(tokens);
    TRY(labels_alloc(ctx, n < MUCMM__MOST_WORDS ? n : MUCMM__MOST_WORDS, out));
    if (d->bag)
        share_columns(d, tokens, map, out);
    else
        join_pieces(d, tokens, map, out);
done:
    mucmm_tokens_free(tokens);
    return status;
}

/* ---- bars -------------------------------------------------------------------------- */

/* The columns of the largest |map|, of equal ones the first: column [most], how many. */
static int64_t strongest(const float *map, int64_t cols, int64_t most, int64_t *column)
{
    int64_t n = 0;

    for (int64_t j = 0; j < cols; j++) {
        int64_t at = n < most ? n++ : most;
        for (; at > 0 && fabsf(map[j]) > fabsf(map[column[at - 1]]); at--)
            if (at < most)
                column[at] = column[at - 1];
        if (at < most)
            column[at] = j;
    }
    return n;
}

mucmm_status mucmm__bars_of(mucmm_ctx *ctx, const mucmm_display *d, const float *map, int64_t most,
                            mucmm__labels *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t column[MUCMM__MOST_BARS];

    TRY(labels_alloc(ctx, most, out));
    out->n = strongest(map, d->cols, most, column);
    for (int64_t i = 0; i < out->n; i++) {
        const char *name = mucmm_data_column(d->data, column[i]);
        if (name)
            append(out->text[i], name);
        else
            snprintf(out->text[i], sizeof out->text[i], "column %" PRId64, column[i]);
        out->value[i] = map[column[i]];
    }
done:
    return status;
}
