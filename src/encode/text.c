/* SPDX-License-Identifier: MIT
 *
 * text.c - tokenizers: SentencePiece's unigram model (Kudo, "Subword regularization", 2018) and
 * BERT's WordPiece; bpe.c has byte-level pairs. */
#include "encode/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <utf8proc.h>

#define MAX_TEXT (1 << 20) /* bytes */
#define MAX_WORD 100       /* code points; WordPiece takes a longer word for unknown */
#define SPACE_POINT 0x2581 /* stands for a space in SentencePiece */
#define UNKNOWN_PENALTY 10 /* an unknown character scores that much below the worst piece */

/* Bytes [first, last) of the normal text as a token; spaces in front stand for nothing. */
static void put_bytes(const mucmm__normal *m, int64_t first, int64_t last, int64_t id,
                      mucmm__sink *sink)
{
    while (first + 1 < last && m->begin[first] == m->end[first])
        first++;
    mucmm__sink_put(sink, id, m->begin[first], m->end[last - 1]);
}

/* ---- SentencePiece: vocabulary ----------------------------------------------------- */

/* A decimal number that fills all of s [n]; the locale does not matter. */
static bool parse_score(const char *s, int64_t n, double *out)
{
    int64_t i = n > 0 && s[0] == '-', digits = 0, scale = 0;
    bool negative = i == 1, fraction = false;
    double value = 0;

    for (; i < n && digits < 40; i++) {
        if (s[i] == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (s[i] < '0' || s[i] > '9')
            return false;
        value = 10 * value + (s[i] - '0');
        digits++;
        scale += fraction;
    }
    value /= pow(10, (double)scale);
    *out = negative ? -value : value;
    return digits > 0 && i == n;
}

static bool parse_id(const char *s, int64_t n, int64_t *out)
{
    *out = 0;
    if (n < 1 || n > 9)
        return false;
    for (int64_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *out = 10 * *out + (s[i] - '0');
    }
    return true;
}

static mucmm_status add_line(mucmm_ctx *ctx, mucmm__tokenizer *t, const char *where,
                             const char *line, int64_t size, int64_t number)
{
    const char *tab = memchr(line, '\t', (size_t)size), *second = NULL;
    int64_t id, rest;
    double score;

    if (tab)
        second = memchr(tab + 1, '\t', (size_t)(line + size - tab - 1));
    if (!second || !parse_id(line, tab - line, &id) ||
        !parse_score(tab + 1, second - tab - 1, &score))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a line is: id, tab, log score, tab, piece",
                           where);
    if (score < t->unknown_score)
        t->unknown_score = score;
    rest = line + size - second - 1;
    if (id == 0 || (score == 0 && rest >= 2 && second[1] == '<' && second[rest] == '>'))
        score = -INFINITY; /* <unk>, <s>, </s>: no text is made of them */
    return mucmm__lexicon_add(ctx, &t->words, where, second + 1, rest, id, number, score);
}

static mucmm_status load_lines(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                               const mucmm__map *file, mucmm__tokenizer *t)
{
    const char *bytes = (const char *)file->data, *line;
    mucmm__lines lines = {bytes, bytes + file->size, 0};
    char where[512];
    int64_t size;

    while (mucmm__lines_next(&lines, &line, &size)) {
        mucmm_status status;
        snprintf(where, sizeof where, "%s:%" PRId64, p->vocabulary, lines.line);
        if (t->kind == MUCMM__TOKENIZER_SENTENCEPIECE)
            status = add_line(ctx, t, where, line, size, lines.line);
        else
            status = mucmm__lexicon_add(ctx, &t->words, where, line, size, lines.line - 1,
                                        lines.line, 0);
        if (status != MUCMM_OK)
            return status;
    }
    return mucmm__lexicon_seal(ctx, &t->words, p->vocabulary);
}

static mucmm_status load_sentencepiece(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                                       const mucmm__map *vocabulary, const mucmm__map *merges,
                                       mucmm__tokenizer *t)
{
    mucmm_status status;

    (void)merges;
    if (mucmm__is_sentences(vocabulary->data, vocabulary->size))
        return mucmm__sentences_load(ctx, p->vocabulary, vocabulary->data, vocabulary->size, t);
    status = load_lines(ctx, p, vocabulary, t);
    t->unknown = 0;
    t->unknown_score -= UNKNOWN_PENALTY;
    return status;
}

/* ---- SentencePiece: text ----------------------------------------------------------- */

/* SentencePiece's rule nmt_nfkc, beside NFKC: controls are dropped, and separators, marks without
 * width and U+FFFD are spaces. */
static bool is_removed(int32_t p)
{
    return (p >= 1 && p <= 8) || p == 0xb || (p >= 0xe && p <= 0x1f) || p == 0x7f || p == 0x8f ||
           p == 0x9f;
}

static bool is_blank(int32_t p)
{
    return p == 9 || p == 0xa || p == 0xc || p == 0xd || p == ' ' || p == 0x1680 || p == 0x200b ||
           p == 0x200c || p == 0x200e || p == 0x200f || p == 0x2028 || p == 0x2029 || p == 0xfeff ||
           p == 0xfffd || p == SPACE_POINT;
}

/* Spaces in a row are one, those at the ends none; one is put in front of the text. */
static mucmm_status put_unigram(mucmm__normal *m, int32_t point, int64_t begin, int64_t end)
{
    mucmm_status status = MUCMM_OK;
    bool last_is_space = m->n >= 3 && memcmp(m->text + m->n - 3, "\xe2\x96\x81", 3) == 0;

    if (is_removed(point))
        return MUCMM_OK;
    if (is_blank(point))
        return last_is_space || m->n == 0 ? MUCMM_OK
                                          : mucmm__normal_put(m, SPACE_POINT, begin, begin);
    if (m->n == 0)
        TRY(mucmm__normal_put(m, SPACE_POINT, begin, begin));
    TRY(mucmm__normal_put(m, point, begin, end));
done:
    return status;
}

/* The best way to reach a byte of the normal text. */
typedef struct node {
    double score; /* -inf: not reached */
    int64_t from; /* where its last token begins; once turned, where the next token ends */
    int64_t id;
} node;

static void reach(node *to, double score, int64_t from, int64_t id)
{
    if (score > to->score)
        *to = (node){score, from, id};
}

/* Every piece that begins at byte i, and the unknown character if no piece is that character. */
static void extend(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t i, node *nodes)
{
    mucmm__prefix_range r = mucmm__lexicon_all(&t->words);
    int64_t character = i + utf8proc_utf8class[(unsigned char)m->text[i]];
    bool known = false;

    for (int64_t j = i; j < m->n && mucmm__lexicon_step(&t->words, &r, (unsigned char)m->text[j]);
         j++) {
        const mucmm__piece *p = mucmm__lexicon_exact(&t->words, &r);
        if (!p || p->score == -INFINITY)
            continue;
        reach(&nodes[j + 1], nodes[i].score + p->score, i, p->id);
        known |= j + 1 == character;
    }
    if (!known)
        reach(&nodes[character], nodes[i].score + t->unknown_score, i, t->unknown);
}

/* Links from the end back to the start are turned, then followed: unknown characters in a row are
 * one token. */
static void put_path(const mucmm__tokenizer *t, const mucmm__normal *m, node *nodes,
                     mucmm__sink *sink)
{
    int64_t first = 0, last = 0, id = -1;

    for (int64_t at = m->n, next = -1, from; at >= 0; next = at, at = from) {
        from = at > 0 ? nodes[at].from : -1;
        nodes[at].from = next;
    }
    for (int64_t at = nodes[0].from; at >= 0; at = nodes[at].from) {
        if (id >= 0 && !(id == t->unknown && nodes[at].id == t->unknown)) {
            put_bytes(m, first, last, id, sink);
            first = last;
        }
        id = nodes[at].id;
        last = at;
    }
    if (id >= 0)
        put_bytes(m, first, last, id, sink);
}

static mucmm_status encode_sentencepiece(mucmm_ctx *ctx, const mucmm__tokenizer *t,
                                         const char *text, int64_t size, mucmm__sink *sink)
{
    mucmm_status status = MUCMM_OK;
    mucmm__normal m = {.ctx = ctx, .keep_tilde = true};
    node *nodes = NULL;

    if (t->sentences)
        return mucmm__sentences_encode(ctx, t, text, size, sink);
    TRY(mucmm__normal_compose(&m, text, size, true, put_unigram));
    if (m.n >= 3 && memcmp(m.text + m.n - 3, "\xe2\x96\x81", 3) == 0)
        m.n -= 3;
    TRY(mucmm__alloc(ctx, m.n + 1, sizeof *nodes, &nodes));
    for (int64_t i = 1; i <= m.n; i++)
        nodes[i].score = -INFINITY;
    for (int64_t i = 0; i < m.n; i++)
        if (nodes[i].score > -INFINITY)
            extend(t, &m, i, nodes);
    put_path(t, &m, nodes, sink);
done:
    mucmm__normal_drop(&m);
    mucmm__free(nodes);
    return status;
}

/* ---- WordPiece: vocabulary --------------------------------------------------------- */

static int64_t find_either(const mucmm__lexicon *x, const char *a, const char *b)
{
    int64_t id = mucmm__lexicon_find(x, a, (int64_t)strlen(a));
    return id >= 0 ? id : mucmm__lexicon_find(x, b, (int64_t)strlen(b));
}

static mucmm_status load_wordpiece(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                                   const mucmm__map *vocabulary, const mucmm__map *merges,
                                   mucmm__tokenizer *t)
{
    mucmm_status status = load_lines(ctx, p, vocabulary, t);

    (void)merges;
    if (status != MUCMM_OK)
        return status;
    t->unknown = find_either(&t->words, "[UNK]", "<unk>");
    t->front = find_either(&t->words, "[CLS]", "<s>");
    t->back = find_either(&t->words, "[SEP]", "</s>");
    if (t->unknown < 0 || t->front < 0 || t->back < 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the vocabulary lacks %s", p->vocabulary,
                           t->unknown < 0 ? "[UNK]"
                           : t->front < 0 ? "[CLS]"
                                          : "[SEP]");
    return MUCMM_OK;
}

/* ---- WordPiece: text --------------------------------------------------------------- */

static bool is_dropped(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);
    return point == 0 || point == 0xfffd || c == UTF8PROC_CATEGORY_CC ||
           c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO || c == UTF8PROC_CATEGORY_CN;
}

/* ASCII's symbols count, Unicode's do not. */
static bool is_punctuation(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);
    if (point < 128)
        return (point >= 33 && point <= 47) || (point >= 58 && point <= 64) ||
               (point >= 91 && point <= 96) || (point >= 123 && point <= 126);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

/* Ideographs are words of their own: the CJK blocks, not kana or Hangul. */
static bool is_ideograph(int32_t point)
{
    return (point >= 0x3400 && point <= 0x4dbf) || (point >= 0x4e00 && point <= 0x9fff) ||
           (point >= 0xf900 && point <= 0xfaff) || (point >= 0x20000 && point <= 0x2a6df) ||
           (point >= 0x2a700 && point <= 0x2ceaf) || (point >= 0x2f800 && point <= 0x2fa1f);
}

static mucmm_status put_separator(mucmm__normal *m, int64_t at)
{
    return m->n == 0 || m->text[m->n - 1] == ' ' ? MUCMM_OK : mucmm__normal_put(m, ' ', at, at);
}

static mucmm_status put_word_point(mucmm__normal *m, int32_t point, int64_t begin, int64_t end)
{
    bool alone = is_punctuation(point) || is_ideograph(point);
    mucmm_status status = MUCMM_OK;

    if (alone)
        TRY(put_separator(m, begin));
    TRY(mucmm__normal_put(m, point, begin, end));
    if (alone)
        TRY(put_separator(m, end));
done:
    return status;
}

/* An accent that is dropped still belongs to the letter before it. */
static void stretch_last(mucmm__normal *m, int64_t end)
{
    int64_t i = m->n;

    if (m->n > 0 && m->text[m->n - 1] == ' ')
        return;
    while (i > 0 && ((unsigned char)m->text[i - 1] & 0xc0) == 0x80)
        m->end[--i] = end;
    if (i > 0)
        m->end[i - 1] = end;
}

/* Lower case without accents: canonical decomposition without its marks. */
static mucmm_status put_lower(mucmm__normal *m, int32_t point, int64_t begin, int64_t end)
{
    utf8proc_int32_t parts[8];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(point, parts, 8, UTF8PROC_DECOMPOSE, &boundary);
    mucmm_status status = MUCMM_OK;

    for (int64_t k = 0; k < n && k < 8 && status == MUCMM_OK; k++) {
        if (utf8proc_category(parts[k]) == UTF8PROC_CATEGORY_MN)
            stretch_last(m, end);
        else
            status = put_word_point(m, utf8proc_tolower(parts[k]), begin, end);
    }
    return status;
}

static mucmm_status split_words(mucmm__normal *m, const char *text, int64_t size, bool lower_case)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    mucmm_status status = MUCMM_OK;
    utf8proc_int32_t point;

    for (int64_t at = 0, n; at < size && status == MUCMM_OK; at += n) {
        n = utf8proc_iterate(bytes + at, size - at, &point);
        if (n <= 0)
            return mucmm__fail(m->ctx, MUCMM_EFORMAT, "the text is not UTF-8 at byte %" PRId64, at);
        if (mucmm__is_space(point))
            status = put_separator(m, at);
        else if (!is_dropped(point))
            status = (lower_case ? put_lower : put_word_point)(m, point, at, at + n);
    }
    return status;
}

/* The longest piece that bytes [at, end) of the text begin with; *stop: where it ends. NULL: none.
 */
static const mucmm__piece *longest(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t at,
                                   int64_t end, bool inside, int64_t *stop)
{
    mucmm__prefix_range r = mucmm__lexicon_all(&t->words);
    const mucmm__piece *best = NULL;

    if (inside &&
        !(mucmm__lexicon_step(&t->words, &r, '#') && mucmm__lexicon_step(&t->words, &r, '#')))
        return NULL;
    for (; at < end && mucmm__lexicon_step(&t->words, &r, (unsigned char)m->text[at]); at++) {
        const mucmm__piece *p = mucmm__lexicon_exact(&t->words, &r);
        if (p) {
            best = p;
            *stop = at + 1;
        }
    }
    return best;
}

/* How many pieces a word is, with ids and ends; -1: it is unknown, for any part of it is. */
static int64_t split_word(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t begin,
                          int64_t end, int64_t ids[MAX_WORD], int64_t stops[MAX_WORD])
{
    int64_t n = 0, points = 0;

    for (int64_t i = begin; i < end; i++)
        points += ((unsigned char)m->text[i] & 0xc0) != 0x80;
    if (points > MAX_WORD)
        return -1;
    for (int64_t at = begin; at < end; at = stops[n++]) {
        const mucmm__piece *p = longest(t, m, at, end, at > begin, &stops[n]);
        if (!p)
            return -1;
        ids[n] = p->id;
    }
    return n;
}

static void put_word(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t begin, int64_t end,
                     mucmm__sink *sink)
{
    int64_t ids[MAX_WORD], stops[MAX_WORD];
    int64_t n = split_word(t, m, begin, end, ids, stops);

    if (n < 0)
        put_bytes(m, begin, end, t->unknown, sink);
    for (int64_t k = 0; k < n; k++)
        put_bytes(m, k ? stops[k - 1] : begin, stops[k], ids[k], sink);
}

static mucmm_status encode_wordpiece(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                                     int64_t size, mucmm__sink *sink)
{
    mucmm__normal m = {.ctx = ctx};
    mucmm_status status = split_words(&m, text, size, t->lower_case);

    for (int64_t begin = 0, end; status == MUCMM_OK && begin < m.n; begin = end + 1) {
        for (end = begin; end < m.n && m.text[end] != ' ';)
            end++;
        if (end > begin)
            put_word(t, &m, begin, end, sink);
    }
    mucmm__normal_drop(&m);
    return status;
}

/* ---- any of them ------------------------------------------------------------------- */

static const struct {
    const char *name;
    mucmm_status (*load)(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                         const mucmm__map *vocabulary, const mucmm__map *merges,
                         mucmm__tokenizer *t);
    mucmm_status (*encode)(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                           int64_t size, mucmm__sink *sink);
} kinds[] = {
    [MUCMM__TOKENIZER_SENTENCEPIECE] = {"sentencepiece", load_sentencepiece, encode_sentencepiece},
    [MUCMM__TOKENIZER_WORDPIECE] = {"wordpiece", load_wordpiece, encode_wordpiece},
    [MUCMM__TOKENIZER_BPE] = {"bpe", mucmm__bpe_load, mucmm__bpe_encode},
};

void mucmm__tokenizer_params_init(mucmm__tokenizer_params *p)
{
    *p = (mucmm__tokenizer_params){.lower_case = true, .pad = -1};
}

mucmm_status mucmm__tokenizer_parse_kind(mucmm_ctx *ctx, const char *name,
                                         mucmm__tokenizer_kind *out)
{
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (strcmp(name, kinds[k].name) == 0) {
            *out = (mucmm__tokenizer_kind)k;
            return MUCMM_OK;
        }
    return mucmm__fail(ctx, MUCMM_EARG,
                       "no tokenizer '%s'; there are sentencepiece, wordpiece, bpe and words",
                       name);
}

static mucmm_status choose_pad(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                               mucmm__tokenizer *t)
{
    t->pad = p->pad;
    if (t->pad < 0)
        t->pad = find_either(&t->words, "[PAD]", "<pad>");
    if (t->pad < 0)
        t->pad = 0;
    if (t->pad >= t->words.n)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "the padding id %" PRId64 " is not in %s; its ids are 0 to %" PRId64,
                           t->pad, p->vocabulary, t->words.n - 1);
    return MUCMM_OK;
}

mucmm_status mucmm__tokenizer_load_memory(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                                          const mucmm__map *vocabulary, const mucmm__map *merges,
                                          mucmm__tokenizer **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__tokenizer *t = NULL;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *t, &t));
    *t = (mucmm__tokenizer){.kind = p->kind, .front = -1, .back = -1, .lower_case = p->lower_case};
    TRY(kinds[p->kind].load(ctx, p, vocabulary, merges, t));
    TRY(choose_pad(ctx, p, t));
    *out = t;
    t = NULL;
done:
    mucmm__tokenizer_free(t);
    return status;
}

mucmm_status mucmm__tokenizer_load(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                                   mucmm__tokenizer **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map vocabulary = {0}, merges = {0};

    *out = NULL;
    TRY(mucmm__map_open(ctx, p->vocabulary, &vocabulary));
    if (p->merges)
        TRY(mucmm__map_open(ctx, p->merges, &merges));
    TRY(mucmm__tokenizer_load_memory(ctx, p, &vocabulary, &merges, out));
done:
    mucmm__map_close(&vocabulary);
    mucmm__map_close(&merges);
    return status;
}

void mucmm__tokenizer_free(mucmm__tokenizer *t)
{
    if (!t)
        return;
    mucmm__lexicon_drop(&t->words);
    mucmm__pairs_free(t->pairs);
    mucmm__sentences_free(t->sentences);
    mucmm__free(t);
}

int64_t mucmm__tokenizer_size(const mucmm__tokenizer *t)
{
    return t->words.n;
}

/* What surrounds the tokens of the text: special ones, padding, the mask. */
static void surround(const mucmm__tokenizer *t, int64_t length, const mucmm__sink *sink,
                     mucmm__tokens *out)
{
    int64_t front = t->front >= 0, kept = sink->n < sink->room ? sink->n : sink->room;

    out->n = front + kept + (t->back >= 0);
    out->truncated = sink->n > sink->room;
    for (int64_t i = 0; i < length; i++) {
        if (i == 0 && front)
            out->ids[i] = t->front;
        else if (i == front + kept)
            out->ids[i] = t->back >= 0 ? t->back : t->pad;
        else if (i > front + kept)
            out->ids[i] = t->pad;
        if (out->mask)
            out->mask[i] = i < out->n;
        if (i >= front && i < front + kept)
            continue;
        if (out->begin)
            out->begin[i] = 0;
        if (out->end)
            out->end[i] = 0;
    }
}

mucmm_status mucmm__tokenizer_encode(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                                     size_t size, int64_t length, bool truncate, mucmm__tokens *out)
{
    int64_t front = t->front >= 0, special = front + (t->back >= 0);
    mucmm__sink sink = {.ids = out->ids + front,
                        .begin = out->begin ? out->begin + front : NULL,
                        .end = out->end ? out->end + front : NULL,
                        .room = length - special};
    mucmm_status status;

    out->n = 0;
    out->truncated = false;
    if (length <= special)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "a length of %" PRId64 " tokens; it must be above %" PRId64, length,
                           special);
    if (size > MAX_TEXT)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "a text of %zu bytes; at most %d are read", size,
                           MAX_TEXT);
    status = kinds[t->kind].encode(ctx, t, text, (int64_t)size, &sink);
    if (status != MUCMM_OK)
        return status;
    if (sink.n > sink.room && !truncate)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "the text is %" PRId64 " tokens long, the encoder takes %" PRId64
                           "; shorten it, or allow that it be truncated",
                           sink.n + special, length);
    surround(t, length, &sink, out);
    return MUCMM_OK;
}
