/* SPDX-License-Identifier: MIT
 *
 * bpe.c - byte-level pair encoding (Sennrich et al. 2016; Radford et al. 2019): a word is its
 * bytes, each written as a character of its own; then the pair whose merge was learned first is
 * merged, again and again. Two ways to find words: GPT-2's, and CLIP's with "</w>" at a word's end.
 */
#include "core/json.h"
#include "encode/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define MAX_WORD 1024 /* bytes; a longer word is cut, since merging takes quadratic time */
#define WORD_END "</w>"

/* Two tokens side by side that become one; the lower the rank, the earlier. */
typedef struct pair {
    int64_t left, right, rank, merged;
} pair;

struct mucmm__pairs {
    pair *pairs; /* [n], sorted by left, right */
    int64_t n, room;
    int64_t bytes[2][256]; /* id of a byte; [1]: at a word's end */
};

void mucmm__pairs_free(mucmm__pairs *p)
{
    if (p)
        mucmm__free(p->pairs);
    mucmm__free(p);
}

/* ---- vocabulary -------------------------------------------------------------------- */

/* The character a byte is written as: itself if it is printable in Latin-1, else one from U+0100.
 */
static int32_t byte_point(int byte)
{
    if (byte <= 32)
        return 256 + byte;
    if (byte >= 127 && byte <= 160)
        return 256 + 33 + byte - 127;
    return byte == 173 ? 256 + 33 + 34 : byte;
}

static mucmm_status add_words(mucmm_ctx *ctx, const char *file, json_t *root, mucmm__tokenizer *t)
{
    const char *name;
    json_t *value;

    json_object_foreach(root, name, value)
    {
        mucmm_status status;
        if (!json_is_integer(value))
            return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the id of '%.64s' is not an integer", file,
                               name);
        status = mucmm__lexicon_add(ctx, &t->words, file, name, (int64_t)strlen(name),
                                    json_integer_value(value), 0, 0);
        if (status != MUCMM_OK)
            return status;
    }
    return mucmm__lexicon_seal(ctx, &t->words, file);
}

static mucmm_status load_words(mucmm_ctx *ctx, const char *file, const mucmm__map *bytes,
                               mucmm__tokenizer *t)
{
    json_t *root;
    int line = 0;
    mucmm_status status = mucmm__json_parse(ctx, bytes->data, bytes->size, &line, &root);

    if (status != MUCMM_OK)
        return mucmm__prefix(ctx, status, "%s:%d", file, line);
    if (json_is_object(root))
        status = add_words(ctx, file, root, t);
    else
        status = mucmm__fail(ctx, MUCMM_EFORMAT,
                             "%s: the vocabulary must be an object of tokens and ids", file);
    json_decref(root);
    return status;
}

static mucmm_status add_pair(mucmm_ctx *ctx, const char *file, int64_t line, const char *text,
                             int64_t size, mucmm__tokenizer *t)
{
    mucmm__pairs *p = t->pairs;
    const char *blank = memchr(text, ' ', (size_t)size);
    char both[2 * MUCMM__MAX_PIECE];
    int64_t left = blank ? blank - text : 0, right = size - left - 1;
    pair new = {.left = -1, .rank = p->n};

    if (left > 0 && right > 0 && size < (int64_t)sizeof both) {
        memcpy(both, text, (size_t)left);
        memcpy(both + left, blank + 1, (size_t)right);
        new.left = mucmm__lexicon_find(&t->words, text, left);
        new.right = mucmm__lexicon_find(&t->words, blank + 1, right);
        new.merged = mucmm__lexicon_find(&t->words, both, left + right);
    }
    if (new.left < 0 || new.right < 0 || new.merged < 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT,
                           "%s:%" PRId64 ": a line is two tokens and a space between; they and "
                           "the two as one must be in the vocabulary",
                           file, line);
    if (p->n == p->room) {
        mucmm_status status =
            mucmm__realloc(ctx, p->n, 2 * p->room + 1024, sizeof *p->pairs, &p->pairs);
        if (status != MUCMM_OK)
            return status;
        p->room = 2 * p->room + 1024;
    }
    p->pairs[p->n++] = new;
    return MUCMM_OK;
}

static int compare(const void *a, const void *b)
{
    const pair *p = a, *q = b;

    if (p->left != q->left)
        return p->left < q->left ? -1 : 1;
    return (p->right > q->right) - (p->right < q->right);
}

static mucmm_status load_pairs(mucmm_ctx *ctx, const char *file, const mucmm__map *bytes,
                               mucmm__tokenizer *t)
{
    const char *first = (const char *)bytes->data, *text;
    mucmm__lines lines = {first, first + bytes->size, 0};
    mucmm__pairs *p = t->pairs;
    int64_t size;

    while (mucmm__lines_next(&lines, &text, &size)) {
        mucmm_status status;
        if (size == 0 || (lines.line == 1 && size > 8 && memcmp(text, "#version", 8) == 0))
            continue;
        status = add_pair(ctx, file, lines.line, text, size, t);
        if (status != MUCMM_OK)
            return status;
    }
    if (p->n == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: no pairs to merge", file);
    qsort(p->pairs, (size_t)p->n, sizeof *p->pairs, compare);
    for (int64_t i = 1; i < p->n; i++)
        if (compare(p->pairs + i - 1, p->pairs + i) == 0)
            return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the pair '%s', '%s' is there twice", file,
                               mucmm__tokenizer_piece(t, p->pairs[i].left),
                               mucmm__tokenizer_piece(t, p->pairs[i].right));
    return MUCMM_OK;
}

static mucmm_status find_bytes(mucmm_ctx *ctx, const char *file, mucmm__tokenizer *t)
{
    for (int at_end = 0; at_end < (t->word_ends ? 2 : 1); at_end++)
        for (int byte = 0; byte < 256; byte++) {
            char name[16];
            int64_t n = utf8proc_encode_char(byte_point(byte), (utf8proc_uint8_t *)name);
            memcpy(name + n, WORD_END, sizeof WORD_END);
            if (!at_end)
                name[n] = '\0';
            t->pairs->bytes[at_end][byte] =
                mucmm__lexicon_find(&t->words, name, (int64_t)strlen(name));
            if (t->pairs->bytes[at_end][byte] < 0)
                return mucmm__fail(ctx, MUCMM_EFORMAT,
                                   "%s: the vocabulary lacks '%s', which stands for byte %d", file,
                                   name, byte);
        }
    return MUCMM_OK;
}

static void find_specials(mucmm__tokenizer *t)
{
    static const char *const names[][2] = {{"<|startoftext|>", "<|endoftext|>"}, {"<s>", "</s>"}};

    for (size_t k = 0; k < 2 && t->front < 0; k++) {
        t->front = mucmm__lexicon_find(&t->words, names[k][0], (int64_t)strlen(names[k][0]));
        t->back = mucmm__lexicon_find(&t->words, names[k][1], (int64_t)strlen(names[k][1]));
        if (t->front < 0 || t->back < 0)
            t->front = t->back = -1;
    }
}

mucmm_status mucmm__bpe_load(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                             const mucmm__map *vocabulary, const mucmm__map *merges,
                             mucmm__tokenizer *t)
{
    mucmm_status status = MUCMM_OK;

    if (!p->merges)
        return mucmm__fail(ctx, MUCMM_EARG, "the tokenizer bpe needs its merges beside %s",
                           p->vocabulary);
    TRY(mucmm__alloc(ctx, 1, sizeof *t->pairs, &t->pairs));
    TRY(load_words(ctx, p->vocabulary, vocabulary, t));
    t->word_ends = mucmm__lexicon_find(&t->words, "a" WORD_END, 5) >= 0;
    TRY(find_bytes(ctx, p->vocabulary, t));
    TRY(load_pairs(ctx, p->merges, merges, t));
    find_specials(t);
done:
    return status;
}

/* ---- words ------------------------------------------------------------------------- */

typedef enum letter_kind { KIND_SPACE, KIND_LETTER, KIND_NUMBER, KIND_OTHER } letter_kind;

static letter_kind kind_of(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);

    if (mucmm__is_space(point))
        return KIND_SPACE;
    if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO)
        return KIND_LETTER;
    return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO ? KIND_NUMBER : KIND_OTHER;
}

/* The character at byte `at` of the text; *next: where the following one begins. */
static int32_t point_at(const mucmm__normal *m, int64_t at, int64_t *next)
{
    utf8proc_int32_t point = 0;

    *next = at + utf8proc_iterate((const utf8proc_uint8_t *)m->text + at, m->n - at, &point);
    return point;
}

/* Where a run of characters of one kind ends, at most `most` of them. */
static int64_t run_end(const mucmm__normal *m, int64_t at, letter_kind kind, int64_t most)
{
    int64_t next;

    for (; at < m->n && most > 0 && kind_of(point_at(m, at, &next)) == kind; at = next)
        most--;
    return at;
}

/* 's, 't, 're, 've, 'm, 'll, 'd: their length, or 0. */
static int64_t contraction(const mucmm__normal *m, int64_t at)
{
    static const char *const all[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};

    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        int64_t n = (int64_t)strlen(all[k]);
        if (n <= m->n - at && memcmp(m->text + at, all[k], (size_t)n) == 0)
            return n;
    }
    return 0;
}

/* The end of the word that begins at `at`. GPT-2: a word takes the blank before it; of several
 * spaces before a word the last is left for it. CLIP: numbers are single digits. */
static int64_t word_end(const mucmm__normal *m, int64_t at, bool clip)
{
    int64_t n = contraction(m, at), next, end;
    letter_kind kind = kind_of(point_at(m, at, &next)), after;

    if (n)
        return at + n;
    if (kind != KIND_SPACE)
        return run_end(m, at, kind, clip && kind == KIND_NUMBER ? 1 : INT64_MAX);
    after = next < m->n ? kind_of(point_at(m, next, &end)) : KIND_SPACE;
    if (m->text[at] == ' ' && after != KIND_SPACE)
        return run_end(m, next, after, INT64_MAX);
    end = run_end(m, at, KIND_SPACE, INT64_MAX);
    if (end == m->n || end == next)
        return end;
    do /* the last space of several */
        end--;
    while (((unsigned char)m->text[end] & 0xc0) == 0x80);
    return end;
}

/* ---- merging ----------------------------------------------------------------------- */

typedef struct symbol {
    int64_t id, begin, end;
    const pair *next; /* how it merges with the following one, or NULL */
} symbol;

static void look_up(const mucmm__pairs *p, symbol *s, int64_t i, int64_t n)
{
    pair key = {.left = s[i].id, .right = i + 1 < n ? s[i + 1].id : -1};
    s[i].next = bsearch(&key, p->pairs, (size_t)p->n, sizeof key, compare);
}

static int64_t merge(const mucmm__pairs *p, symbol *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        look_up(p, s, i, n);
    for (;;) {
        int64_t best = -1;
        for (int64_t i = 0; i < n; i++)
            if (s[i].next && (best < 0 || s[i].next->rank < s[best].next->rank))
                best = i;
        if (best < 0)
            return n;
        if (s[best].begin == s[best].end) /* the blank before a word */
            s[best].begin = s[best + 1].begin;
        s[best].end = s[best + 1].end;
        s[best].id = s[best].next->merged;
        memmove(s + best + 1, s + best + 2, (size_t)(n - best - 2) * sizeof *s);
        n--;
        look_up(p, s, best, n);
        if (best > 0)
            look_up(p, s, best - 1, n);
    }
}

/* Bytes [at, end) of the text, at most MAX_WORD. */
static void put_word(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t at, int64_t end,
                     symbol *symbols, mucmm__sink *sink)
{
    int64_t n = 0;

    for (; at < end; at++, n++) {
        bool last = t->word_ends && at + 1 == end;
        symbols[n] = (symbol){.id = t->pairs->bytes[last][(unsigned char)m->text[at]],
                              .begin = m->begin[at],
                              .end = m->text[at] == ' ' ? m->begin[at] : m->end[at]};
    }
    n = merge(t->pairs, symbols, n);
    for (int64_t k = 0; k < n; k++)
        mucmm__sink_put(sink, symbols[k].id, symbols[k].begin, symbols[k].end);
}

static mucmm_status put_clip(mucmm__normal *m, int32_t point, int64_t begin, int64_t end)
{
    return mucmm__normal_put(m, utf8proc_tolower(point), begin, end);
}

static mucmm_status copy_text(mucmm__normal *m, const char *text, int64_t size)
{
    mucmm_status status = MUCMM_OK;
    utf8proc_int32_t point;

    for (int64_t at = 0, n; at < size && status == MUCMM_OK; at += n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)text + at, size - at, &point);
        if (n <= 0)
            return mucmm__fail(m->ctx, MUCMM_EFORMAT, "the text is not UTF-8 at byte %" PRId64, at);
        status = mucmm__normal_put(m, point, at, at + n);
    }
    return status;
}

mucmm_status mucmm__bpe_encode(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                               int64_t size, mucmm__sink *sink)
{
    mucmm_status status = MUCMM_OK;
    mucmm__normal m = {.ctx = ctx};
    symbol *symbols = NULL;

    TRY(mucmm__alloc(ctx, MAX_WORD, sizeof *symbols, &symbols));
    TRY(t->word_ends ? mucmm__normal_compose(&m, text, size, false, put_clip)
                     : copy_text(&m, text, size));
    for (int64_t at = 0, end; at < m.n; at = end) {
        int64_t next;
        bool space = kind_of(point_at(&m, at, &next)) == KIND_SPACE;
        end = t->word_ends && space ? next : word_end(&m, at, t->word_ends);
        if (end - at > MAX_WORD)
            end = at + MAX_WORD;
        while (end < m.n && ((unsigned char)m.text[end] & 0xc0) == 0x80)
            end--; /* not within a character */
        if (!(t->word_ends && space))
            put_word(t, &m, at, end, symbols, sink);
    }
done:
    mucmm__normal_drop(&m);
    mucmm__free(symbols);
    return status;
}
