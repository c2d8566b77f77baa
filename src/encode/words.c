/* SPDX-License-Identifier: MIT
 *
 * words.c - texts as bags of words. Of the texts it is fitted to, n of them, the bag keeps the
 * words that occur in enough. A row x [columns], one column a word, is
 *   x_j = tf_j (log((1 + n) / (1 + df_j)) + 1),   then x / |x|
 * with tf_j how often word j stands in the text and df_j in how many of the n texts. A text
 * without any of the words is the zero row. */
#include "encode/encode.h"
#include "encode/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* ---- words of a text --------------------------------------------------------------- */

/* Letters and digits, and the marks upon them. */
static bool in_word(const mucmm__normal *m, int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);

    if (c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_MC || c == UTF8PROC_CATEGORY_ME)
        return m->n > 0 && m->text[m->n - 1] != ' ';
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_NO;
}

/* The case folded; everything that is in no word becomes a space. */
static mucmm_status fold_point(mucmm__normal *m, int32_t point, int64_t begin, int64_t end)
{
    mucmm_status status = MUCMM_OK;
    utf8proc_int32_t folded[8];
    utf8proc_ssize_t n;
    int before = 0;

    if (!in_word(m, point))
        return mucmm__normal_put(m, ' ', begin, end);
    n = utf8proc_decompose_char(point, folded, 8, UTF8PROC_CASEFOLD, &before);
    for (utf8proc_ssize_t i = 0; i < n && n <= 8; i++)
        TRY(mucmm__normal_put(m, folded[i], begin, end));
done:
    return status;
}

/* One that is longer than MUCMM__MAX_PIECE bytes is none. */
mucmm_status mucmm__words_each(mucmm_ctx *ctx, const char *text, mucmm__word_fn fn, void *arg)
{
    mucmm_status status = MUCMM_OK;
    mucmm__normal m = {.ctx = ctx};

    TRY(mucmm__normal_compose(&m, text, (int64_t)strlen(text), true, fold_point));
    for (int64_t at = 0, end; at < m.n; at = end + 1) {
        for (end = at; end < m.n && m.text[end] != ' ';)
            end++;
        if (end > at && end - at <= MUCMM__MAX_PIECE)
            TRY(fn(ctx, arg, m.text + at, end - at));
    }
done:
    mucmm__normal_drop(&m);
    return status;
}

mucmm_status mucmm__words_check(mucmm_ctx *ctx, const char *text)
{
    mucmm__normal m = {.ctx = ctx};
    mucmm_status status = mucmm__normal_compose(&m, text, (int64_t)strlen(text), true, fold_point);

    mucmm__normal_drop(&m);
    return status;
}

/* ---- counting ---------------------------------------------------------------------- */

typedef struct counted {
    int64_t at, size;   /* its bytes in text                          */
    int64_t rows, last; /* how many texts it occurs in; last of them  */
} counted;

typedef struct counter {
    char *text;
    counted *list; /* [n] in the order they were met */
    int64_t n, room, n_text, text_room;
    int64_t *slots; /* [n_slots] 1 + place in the list, 0 = free; a power of two of them */
    int64_t n_slots;
    int64_t row; /* that is read now */
} counter;

static void drop_counter(counter *c)
{
    mucmm__free(c->text);
    mucmm__free(c->list);
    mucmm__free(c->slots);
}

/* The slot of a word, or the free one where it belongs. */
static int64_t find_slot(const counter *c, const char *word, int64_t size)
{
    uint64_t hash = mucmm__hash(MUCMM__HASH_START, word, (size_t)size);
    int64_t slot = (int64_t)(hash & (uint64_t)(c->n_slots - 1));

    while (c->slots[slot]) {
        const counted *w = c->list + c->slots[slot] - 1;
        if (w->size == size && memcmp(c->text + w->at, word, (size_t)size) == 0)
            break;
        slot = (slot + 1) & (c->n_slots - 1);
    }
    return slot;
}

/* Room for one more word of that size; at most half of the slots are taken. */
static mucmm_status grow(mucmm_ctx *ctx, counter *c, int64_t size)
{
    mucmm_status status = MUCMM_OK;
    int64_t room = 2 * c->room + 1024, text_room = 2 * c->text_room + 16384;

    if (c->n_text + size > c->text_room) {
        TRY(mucmm__realloc(ctx, c->n_text, text_room, 1, &c->text));
        c->text_room = text_room;
    }
    if (c->n == c->room) {
        TRY(mucmm__realloc(ctx, c->n, room, sizeof *c->list, &c->list));
        c->room = room;
    }
    if (2 * (c->n + 1) > c->n_slots) {
        mucmm__free(c->slots);
        c->n_slots = c->n_slots ? 2 * c->n_slots : 2048;
        TRY(mucmm__alloc(ctx, c->n_slots, sizeof *c->slots, &c->slots));
        for (int64_t i = 0; i < c->n; i++)
            c->slots[find_slot(c, c->text + c->list[i].at, c->list[i].size)] = i + 1;
    }
done:
    return status;
}

static mucmm_status count_word(mucmm_ctx *ctx, void *arg, const char *word, int64_t size)
{
    mucmm_status status = MUCMM_OK;
    counter *c = arg;
    counted *w;
    int64_t slot;

    TRY(grow(ctx, c, size));
    slot = find_slot(c, word, size);
    if (!c->slots[slot]) {
        c->list[c->n] = (counted){.at = c->n_text, .size = size, .last = -1};
        memcpy(c->text + c->n_text, word, (size_t)size);
        c->n_text += size;
        c->slots[slot] = ++c->n;
    }
    w = c->list + c->slots[slot] - 1;
    w->rows += w->last != c->row;
    w->last = c->row;
done:
    return status;
}

/* ---- the bag ----------------------------------------------------------------------- */

struct mucmm__bag {
    mucmm__lexicon words; /* ids are columns, scores the weights log((1 + n) / (1 + df)) + 1 */
    uint64_t fingerprint; /* of both */
};

/* Words that occur in most texts first; of equal ones by their bytes. */
static int compare_counted(const void *a, const void *b, void *text)
{
    const counted *p = a, *q = b;
    int64_t size = p->size < q->size ? p->size : q->size;
    int order;

    if (p->rows != q->rows)
        return p->rows < q->rows ? 1 : -1;
    order = memcmp((const char *)text + p->at, (const char *)text + q->at, (size_t)size);
    return order ? order : (p->size > q->size) - (p->size < q->size);
}

static mucmm_status keep_words(mucmm_ctx *ctx, const mucmm__bag_params *p, counter *c, int64_t n,
                               mucmm__bag *b)
{
    mucmm_status status = MUCMM_OK;

    if (c->n > 0)
        qsort_r(c->list, (size_t)c->n, sizeof *c->list, compare_counted, c->text);
    if (c->n == 0 || c->list[0].rows < p->min_rows)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "no word occurs in at least %" PRId64 " of the %" PRId64
                           " texts that the vocabulary is made of",
                           p->min_rows, n);
    b->fingerprint = MUCMM__HASH_START;
    for (int64_t i = 0; i < c->n && i < p->max_words && c->list[i].rows >= p->min_rows; i++) {
        const counted *w = c->list + i;
        double weight = log((1 + (double)n) / (1 + (double)w->rows)) + 1;
        TRY(mucmm__lexicon_add(ctx, &b->words, "words", c->text + w->at, w->size, i, 0, weight));
        b->fingerprint = mucmm__hash(b->fingerprint, c->text + w->at, (size_t)w->size);
        b->fingerprint = mucmm__hash(b->fingerprint, &w->rows, sizeof w->rows);
    }
    b->fingerprint = mucmm__hash(b->fingerprint, &n, sizeof n);
    TRY(mucmm__lexicon_seal(ctx, &b->words, "words"));
done:
    return status;
}

mucmm_status mucmm__bag_fit(mucmm_ctx *ctx, const mucmm__bag_params *p,
                            const char *(*text)(const void *arg, int64_t i), const void *arg,
                            int64_t n, mucmm__bag **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__bag *b = NULL;
    counter c = {0};
    int64_t fitted = 0;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *b, &b));
    for (c.row = 0; c.row < n; c.row++) {
        const char *one = text(arg, c.row);
        status = one ? mucmm__words_each(ctx, one, count_word, &c) : MUCMM_OK;
        if (status == MUCMM_EFORMAT) /* a bad row is reported when it is read */
            status = MUCMM_OK;
        TRY(status);
        fitted += one != NULL;
    }
    TRY(keep_words(ctx, p, &c, fitted, b));
    *out = b;
    b = NULL;
done:
    drop_counter(&c);
    mucmm__bag_free(b);
    return status;
}

void mucmm__bag_free(mucmm__bag *b)
{
    if (!b)
        return;
    mucmm__lexicon_drop(&b->words);
    mucmm__free(b);
}

int64_t mucmm__bag_size(const mucmm__bag *b)
{
    return b->words.n;
}

const char *mucmm__bag_word(const mucmm__bag *b, int64_t column)
{
    return b->words.text + b->words.pieces[b->words.by_id[column]].at;
}

uint64_t mucmm__bag_fingerprint(const mucmm__bag *b)
{
    return b->fingerprint;
}

typedef struct filling {
    const mucmm__bag *bag;
    float *x;
    int64_t known; /* words of the text that the bag has */
} filling;

static mucmm_status add_word(mucmm_ctx *ctx, void *arg, const char *word, int64_t size)
{
    filling *f = arg;
    int64_t column = mucmm__lexicon_find(&f->bag->words, word, size);

    (void)ctx;
    if (column >= 0)
        f->x[column]++;
    return MUCMM_OK;
}

static mucmm_status meet_word(mucmm_ctx *ctx, void *arg, const char *word, int64_t size)
{
    filling *f = arg;

    (void)ctx;
    f->known += mucmm__lexicon_find(&f->bag->words, word, size) >= 0;
    return MUCMM_OK;
}

mucmm_status mucmm__bag_known(mucmm_ctx *ctx, const mucmm__bag *b, const char *text, int64_t *known)
{
    filling f = {.bag = b};
    mucmm_status status = mucmm__words_each(ctx, text, meet_word, &f);

    *known = f.known;
    return status;
}

mucmm_status mucmm__bag_row(mucmm_ctx *ctx, const mucmm__bag *b, const char *text, float *x)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = b->words.n;
    double sum = 0;

    memset(x, 0, (size_t)n * sizeof *x);
    TRY(mucmm__words_each(ctx, text, add_word, &(filling){.bag = b, .x = x}));
    for (int64_t j = 0; j < n; j++)
        if (x[j] > 0) {
            double weighted = (double)x[j] * b->words.pieces[b->words.by_id[j]].score;
            sum += weighted * weighted;
        }
    for (int64_t j = 0; j < n; j++)
        if (x[j] > 0)
            x[j] = (float)((double)x[j] * b->words.pieces[b->words.by_id[j]].score / sqrt(sum));
done:
    return status;
}
