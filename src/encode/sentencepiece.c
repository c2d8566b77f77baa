/* SPDX-License-Identifier: MIT
 *
 * sentencepiece.c - SentencePiece's own model files: the normalization they carry, and their pieces
 * by the unigram model (Kudo, "Subword regularization", 2018) or by merging pairs (Sennrich,
 * Haddow, Birch, "Neural machine translation of rare words with subword units", 2016). Scores are
 * floats and sums are made in SentencePiece's order, so that ties fall as they do there. */
#include "encode/text.h"

#include "graph/onnx_file.h"

#include <inttypes.h>
#include <math.h>
#include <sentencepiece.pb-c.h>
#include <string.h>
#include <utf8proc.h>

#define SPACE_POINT 0x2581 /* stands for a space */
#define UNKNOWN_PENALTY 10
#define MOST_GROWTH 64 /* bytes that a byte of text may become */

enum { UNIGRAM = 1, BPE = 2 };
enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

struct mucmm__sentences {
    bool bpe, prefix, trim, escape, suffix, bytes;
    unsigned char *types; /* [pieces] */
    bool user_defined;    /* is there such a piece? */
    int64_t byte_id[256]; /* of pieces "<0x00>" .. "<0xFF>", with bytes */
    float unknown_score, largest;
    uint32_t *trie; /* [n_trie] double array (Aoe, 1989): what becomes of which characters */
    int64_t n_trie;
    char *pool; /* [n_pool] what they become, each ended by a NUL */
    int64_t n_pool;
};

void mucmm__sentences_free(mucmm__sentences *s)
{
    if (!s)
        return;
    mucmm__free(s->types);
    mucmm__free(s->trie);
    mucmm__free(s->pool);
    mucmm__free(s);
}

bool mucmm__is_sentences(const unsigned char *bytes, size_t size)
{
    return size > 1 &&
           bytes[0] == 0x0a; /* field 1, a message; a line of text begins with a digit */
}

/* ---- the model file ---------------------------------------------------------------- */

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Bytes of the trie (four of them say how many), the trie, the pool. */
static mucmm_status read_charsmap(mucmm_ctx *ctx, const char *file, const ProtobufCBinaryData *map,
                                  mucmm__sentences *s)
{
    mucmm_status status = MUCMM_OK;
    uint32_t size = map->len >= 4 ? little_endian(map->data) : 0;
    utf8proc_int32_t point;

    if (map->len == 0)
        return MUCMM_OK;
    if (map->len < 6 || size < 4 || size % 4 != 0 || size > map->len - 5 ||
        map->data[map->len - 1] != 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the normalization in it is damaged", file);
    s->n_trie = size / 4;
    s->n_pool = (int64_t)(map->len - 4 - size);
    TRY(mucmm__alloc(ctx, s->n_trie, sizeof *s->trie, &s->trie));
    TRY(mucmm__alloc(ctx, s->n_pool, 1, &s->pool));
    for (int64_t i = 0; i < s->n_trie; i++)
        s->trie[i] = little_endian(map->data + 4 + 4 * i);
    memcpy(s->pool, map->data + 4 + size, (size_t)s->n_pool);
    for (int64_t at = 0, n; at < s->n_pool; at += n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)s->pool + at, s->n_pool - at, &point);
        if (n <= 0)
            return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the normalization in it is no UTF-8", file);
    }
done:
    return status;
}

static mucmm_status note_byte(mucmm_ctx *ctx, const char *file, const char *piece, int64_t id,
                              mucmm__sentences *s)
{
    unsigned value;
    int used = 0;

    if (sscanf(piece, "<0x%2X>%n", &value, &used) != 1 || used != 6 || piece[used])
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: piece %" PRId64 " is of a byte, such as <0x0A>",
                           file, id);
    s->byte_id[value] = id;
    return MUCMM_OK;
}

static mucmm_status add_piece(mucmm_ctx *ctx, const char *file, const Sentencepiece__Piece *p,
                              int64_t id, float *smallest, mucmm__tokenizer *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__sentences *s = t->sentences;
    int32_t type = p->type;
    double score = (double)p->score;
    char where[512];

    snprintf(where, sizeof where, "%.400s: piece %" PRId64, file, id);
    if (type < NORMAL || type > BYTE || !p->piece || !isfinite(p->score))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: no text, no score, or type %d", where, type);
    if (s->bpe && type == UNUSED)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "%s: '%.60s' is unused, which is supported of "
                           "unigram models alone",
                           where, p->piece);
    s->types[id] = (unsigned char)type;
    s->user_defined = s->user_defined || type == USER_DEFINED;
    if (type == UNKNOWN)
        t->unknown = id;
    if (type == BYTE)
        TRY(note_byte(ctx, file, p->piece, id, s));
    if (type == NORMAL) {
        *smallest = fminf(*smallest, p->score);
        s->largest = fmaxf(s->largest, p->score);
    } else if (type != USER_DEFINED)
        score = -INFINITY; /* no text is made of it */
    TRY(mucmm__lexicon_add(ctx, &t->words, where, p->piece, (int64_t)strlen(p->piece), id, 0,
                           score));
done:
    return status;
}

static mucmm_status add_pieces(mucmm_ctx *ctx, const char *file, const Sentencepiece__Model *m,
                               mucmm__tokenizer *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__sentences *s = t->sentences;
    float smallest = INFINITY;

    t->unknown = -1;
    s->largest = -INFINITY;
    for (int i = 0; i < 256; i++)
        s->byte_id[i] = -1;
    TRY(mucmm__alloc(ctx, (int64_t)m->n_pieces, 1, &s->types));
    for (size_t i = 0; i < m->n_pieces; i++)
        TRY(add_piece(ctx, file, m->pieces[i], (int64_t)i, &smallest, t));
    TRY(mucmm__lexicon_seal(ctx, &t->words, file));
    if (t->unknown < 0 || !isfinite(smallest))
        TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                        "%s: it lacks a piece for what is unknown, or all others", file));
    for (int i = 0; i < 256; i++)
        if (s->bytes && s->byte_id[i] < 0)
            TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s: it lacks the piece <0x%02X>", file, i));
    s->unknown_score = smallest - UNKNOWN_PENALTY;
done:
    return status;
}

static mucmm_status read_model(mucmm_ctx *ctx, const char *file, const Sentencepiece__Model *m,
                               mucmm__tokenizer *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__sentences *s;
    const Sentencepiece__NormalizerSpec *normal = m->normalizer_spec;
    const Sentencepiece__TrainerSpec *trainer = m->trainer_spec;
    int32_t type = trainer ? trainer->model_type : UNIGRAM;

    if (type != UNIGRAM && type != BPE)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "%s: a model of type %d; unigram (1) and BPE (2) are read", file, type);
    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    t->sentences = s;
    s->bpe = type == BPE;
    s->suffix = trainer && trainer->treat_whitespace_as_suffix;
    s->bytes = trainer && trainer->byte_fallback;
    s->prefix = !normal || normal->add_dummy_prefix;
    s->trim = !normal || normal->remove_extra_whitespaces;
    s->escape = !normal || normal->escape_whitespaces;
    if (normal && normal->has_precompiled_charsmap)
        TRY(read_charsmap(ctx, file, &normal->precompiled_charsmap, s));
    TRY(add_pieces(ctx, file, m, t));
done:
    return status;
}

mucmm_status mucmm__sentences_load(mucmm_ctx *ctx, const char *file, const unsigned char *bytes,
                                   size_t size, mucmm__tokenizer *t)
{
    mucmm_status status = MUCMM_OK;
    ProtobufCMessage *m = NULL;

    status = mucmm__onnx_unpack(ctx, &sentencepiece__model__descriptor, bytes, size, &m);
    if (status == MUCMM_EFORMAT)
        TRY(mucmm__fail(ctx, status, "%s: not a SentencePiece model, or a damaged one", file));
    TRY(status);
    TRY(read_model(ctx, file, (const Sentencepiece__Model *)m, t));
done:
    mucmm__onnx_unpacked_free(m);
    return status;
}

/* ---- text made normal -------------------------------------------------------------- */

/* The longest key of the trie that the text begins with: its bytes, or 0; *value is what it
 * becomes. A unit has a label, the offset of its children, and whether one of them is a value. */
static int64_t longest_key(const mucmm__sentences *s, const unsigned char *text, int64_t size,
                           uint32_t *value)
{
    int64_t found = 0, at = 0;

    if (s->n_trie == 0)
        return 0;
    for (int64_t i = 0;; i++) {
        uint32_t unit = s->trie[at];
        int64_t child = at ^ (int64_t)((unit >> 10) << ((unit & 0x200) >> 6));
        if (i > 0 && unit >> 8 & 1 && child < s->n_trie) {
            found = i;
            *value = s->trie[child] & 0x7fffffff;
        }
        if (i == size)
            break;
        child ^= text[i];
        if (child >= s->n_trie || (s->trie[child] & 0x800000ff) != text[i])
            break;
        at = child;
    }
    return found;
}

static int64_t longest_user_defined(const mucmm__tokenizer *t, const char *text, int64_t size)
{
    mucmm__prefix_range r = mucmm__lexicon_all(&t->words);
    int64_t longest = 0;

    for (int64_t i = 0; t->sentences->user_defined && i < size &&
                        mucmm__lexicon_step(&t->words, &r, (unsigned char)text[i]);
         i++) {
        const mucmm__piece *p = mucmm__lexicon_exact(&t->words, &r);
        if (p && t->sentences->types[p->id] == USER_DEFINED)
            longest = i + 1;
    }
    return longest;
}

/* What the text [size] begins with becomes *out [*n]; returns its bytes, 0: no UTF-8. */
static int64_t next_part(const mucmm__tokenizer *t, const char *text, int64_t size,
                         const char **out, int64_t *n)
{
    const mucmm__sentences *s = t->sentences;
    utf8proc_int32_t point;
    uint32_t value = 0;
    int64_t used = longest_user_defined(t, text, size);

    *out = text;
    *n = used;
    if (used > 0)
        return used;
    used = utf8proc_iterate((const utf8proc_uint8_t *)text, size, &point);
    if (used <= 0)
        return 0;
    *n = used;
    int64_t key = longest_key(s, (const unsigned char *)text, size, &value);
    if (key == 0 || value >= s->n_pool)
        return used;
    *out = s->pool + value;
    *n = (int64_t)strlen(*out);
    return key;
}

static bool ends_in_space(const mucmm__normal *m, bool escape)
{
    return escape ? m->n >= 3 && memcmp(m->text + m->n - 3, "\xe2\x96\x81", 3) == 0
                  : m->n >= 1 && m->text[m->n - 1] == ' ';
}

/* Bytes [n] that stand for [begin, end) of the text. */
static mucmm_status put_part(mucmm__normal *m, const mucmm__sentences *s, const char *bytes,
                             int64_t n, int64_t begin, int64_t end)
{
    mucmm_status status = MUCMM_OK;
    utf8proc_int32_t point;

    for (int64_t i = 0, used; i < n; i += used) {
        used = utf8proc_iterate((const utf8proc_uint8_t *)bytes + i, n - i, &point);
        if (used <= 0)
            return mucmm__fail(m->ctx, MUCMM_EFORMAT, "the vocabulary's normalization is damaged");
        if (point == ' ')
            TRY(mucmm__normal_put(m, s->escape ? SPACE_POINT : ' ', begin, begin));
        else
            TRY(mucmm__normal_put(m, point, begin, end));
    }
done:
    return status;
}

static mucmm_status put_text(mucmm__normal *m, const mucmm__tokenizer *t, const char *text,
                             int64_t size)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__sentences *s = t->sentences;
    bool after_space = s->trim, any = false;

    for (int64_t at = 0, used, n; at < size; at += used) {
        const char *part;
        used = next_part(t, text + at, size - at, &part, &n);
        if (used == 0)
            return mucmm__fail(m->ctx, MUCMM_EFORMAT, "the text is not UTF-8 at byte %" PRId64, at);
        any = any || !s->trim || n != 1 || part[0] != ' ';
        for (; after_space && n > 0 && part[0] == ' '; n--)
            part++;
        if ((n > 0 || !s->trim) && m->n == 0 && s->prefix && !s->suffix)
            TRY(mucmm__normal_put(m, s->escape ? SPACE_POINT : ' ', at, at));
        TRY(put_part(m, s, part, n, at, at + used));
        if (n > 0)
            after_space = part[n - 1] == ' ';
        after_space = after_space && s->trim;
        if (m->n > MOST_GROWTH * size + 64)
            return mucmm__fail(m->ctx, MUCMM_EFORMAT,
                               "the vocabulary's normalization makes %" PRId64
                               " bytes into more than %" PRId64,
                               size, m->n);
    }
    while (s->trim && ends_in_space(m, s->escape))
        m->n -= s->escape ? 3 : 1;
    if (any && s->prefix && s->suffix)
        TRY(mucmm__normal_put(m, s->escape ? SPACE_POINT : ' ', size, size));
done:
    return status;
}

/* ---- tokens ------------------------------------------------------------------------ */

/* Bytes [first, last) of the normal text as a token; spaces in front stand for nothing. */
static void put_token(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t first,
                      int64_t last, int64_t id, mucmm__sink *sink)
{
    if (id == t->unknown && t->sentences->bytes) {
        for (int64_t i = first; i < last; i++)
            mucmm__sink_put(sink, t->sentences->byte_id[(unsigned char)m->text[i]], m->begin[i],
                            m->end[i]);
        return;
    }
    while (first + 1 < last && m->begin[first] == m->end[first])
        first++;
    mucmm__sink_put(sink, id, m->begin[first], m->end[last - 1]);
}

/* Tokens as they come; unknown ones in a row are one. */
typedef struct row {
    int64_t first, last, id; /* the one that is not put yet; id -1: none */
} row;

static void add_token(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t first,
                      int64_t last, int64_t id, row *r, mucmm__sink *sink)
{
    if (r->id >= 0 && r->id == id && id == t->unknown && !t->sentences->bytes) {
        r->last = last;
        return;
    }
    if (r->id >= 0)
        put_token(t, m, r->first, r->last, r->id, sink);
    *r = (row){first, last, id};
}

/* ---- the unigram model ------------------------------------------------------------- */

typedef struct node {
    float score;
    int64_t from, id; /* where its last token begins, -1: not reached; then where the next ends */
} node;

static void reach(node *to, double score, int64_t from, int64_t id)
{
    if (to->from < 0 || score > (double)to->score)
        *to = (node){(float)score, from, id};
}

static int64_t characters(const mucmm__normal *m, int64_t first, int64_t last)
{
    int64_t n = 0;

    for (int64_t i = first; i < last; i++)
        n += ((unsigned char)m->text[i] & 0xc0) != 0x80;
    return n;
}

/* Every piece that begins at byte i, and the unknown character if no piece is that character. */
static void extend(const mucmm__tokenizer *t, const mucmm__normal *m, int64_t i, node *nodes)
{
    const mucmm__sentences *s = t->sentences;
    mucmm__prefix_range r = mucmm__lexicon_all(&t->words);
    int64_t character = i + utf8proc_utf8class[(unsigned char)m->text[i]];
    bool known = false;

    for (int64_t j = i; j < m->n && mucmm__lexicon_step(&t->words, &r, (unsigned char)m->text[j]);
         j++) {
        const mucmm__piece *p = mucmm__lexicon_exact(&t->words, &r);
        if (!p || p->score == -INFINITY)
            continue;
        double score = s->types[p->id] == USER_DEFINED
                           ? (double)((float)characters(m, i, j + 1) * s->largest) - 0.1
                           : p->score;
        reach(&nodes[j + 1], score + (double)nodes[i].score, i, p->id);
        known |= j + 1 == character;
    }
    if (!known)
        reach(&nodes[character], (double)(s->unknown_score + nodes[i].score), i, t->unknown);
}

static mucmm_status split_unigram(mucmm_ctx *ctx, const mucmm__tokenizer *t, const mucmm__normal *m,
                                  row *r, mucmm__sink *sink)
{
    mucmm_status status = MUCMM_OK;
    node *nodes = NULL;

    TRY(mucmm__alloc(ctx, m->n + 1, sizeof *nodes, &nodes));
    for (int64_t i = 1; i <= m->n; i++)
        nodes[i].from = -1;
    for (int64_t i = 0; i < m->n; i += utf8proc_utf8class[(unsigned char)m->text[i]])
        extend(t, m, i, nodes);
    for (int64_t at = m->n, next = -1, from; at >= 0; next = at, at = from) {
        from = at > 0 ? nodes[at].from : -1;
        nodes[at].from = next;
    }
    for (int64_t at = 0; nodes[at].from >= 0; at = nodes[at].from)
        add_token(t, m, at, nodes[at].from, nodes[nodes[at].from].id, r, sink);
done:
    mucmm__free(nodes);
    return status;
}

/* ---- merged pairs ------------------------------------------------------------------ */

/* A run of bytes; the runs are a list in the order of the text. */
typedef struct symbol {
    int64_t before, after; /* symbols, -1: none */
    int64_t begin, size;   /* bytes; size 0: it was merged into the one before */
    bool frozen;           /* user defined: never merged */
} symbol;

/* Two neighbours that make a piece, in a heap: the largest score first, then the leftmost. */
typedef struct pair {
    float score;
    int64_t left, right, size;
} pair;

typedef struct merging {
    const mucmm__tokenizer *t;
    const mucmm__normal *m;
    symbol *symbols; /* [n] */
    pair *heap;      /* [3 n]: n - 1 pairs at the start, and two more for each that is merged */
    int64_t n, in_heap;
} merging;

static bool before(const pair *a, const pair *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void push(merging *g, pair p)
{
    int64_t at = g->in_heap++;

    for (; at > 0 && before(&p, &g->heap[(at - 1) / 2]); at = (at - 1) / 2)
        g->heap[at] = g->heap[(at - 1) / 2];
    g->heap[at] = p;
}

static pair pop(merging *g)
{
    pair top = g->heap[0], last = g->heap[--g->in_heap];
    int64_t at = 0;

    for (int64_t child; (child = 2 * at + 1) < g->in_heap; at = child) {
        if (child + 1 < g->in_heap && before(&g->heap[child + 1], &g->heap[child]))
            child++;
        if (!before(&g->heap[child], &last))
            break;
        g->heap[at] = g->heap[child];
    }
    g->heap[at] = last;
    return top;
}

static const mucmm__piece *find_piece(const merging *g, int64_t begin, int64_t size)
{
    mucmm__prefix_range r = mucmm__lexicon_all(&g->t->words);

    for (int64_t i = begin; i < begin + size; i++)
        if (!mucmm__lexicon_step(&g->t->words, &r, (unsigned char)g->m->text[i]))
            return NULL;
    return mucmm__lexicon_exact(&g->t->words, &r);
}

static void consider(merging *g, int64_t left, int64_t right)
{
    const mucmm__piece *p;
    int64_t size;

    if (left < 0 || right < 0 || g->symbols[left].frozen || g->symbols[right].frozen)
        return;
    size = g->symbols[left].size + g->symbols[right].size;
    p = find_piece(g, g->symbols[left].begin, size);
    if (p && p->score > -INFINITY)
        push(g, (pair){(float)p->score, left, right, size});
}

static void cut_symbols(merging *g)
{
    for (int64_t at = 0, size; at < g->m->n; at += size, g->n++) {
        symbol *s = &g->symbols[g->n];
        size = longest_user_defined(g->t, g->m->text + at, g->m->n - at);
        s->frozen = size > 0;
        if (size == 0)
            size = utf8proc_utf8class[(unsigned char)g->m->text[at]];
        *s = (symbol){g->n - 1, at + size < g->m->n ? g->n + 1 : -1, at, size, s->frozen};
    }
}

static void merge_all(merging *g)
{
    for (int64_t i = 1; i < g->n; i++)
        consider(g, i - 1, i);
    while (g->in_heap > 0) {
        pair p = pop(g);
        symbol *left = &g->symbols[p.left], *right = &g->symbols[p.right];
        if (left->size == 0 || right->size == 0 || left->size + right->size != p.size)
            continue;
        left->size = p.size;
        left->after = right->after;
        if (right->after >= 0)
            g->symbols[right->after].before = p.left;
        right->size = 0;
        consider(g, left->before, p.left);
        consider(g, p.left, left->after);
    }
}

static mucmm_status split_pairs(mucmm_ctx *ctx, const mucmm__tokenizer *t, const mucmm__normal *m,
                                row *r, mucmm__sink *sink)
{
    mucmm_status status = MUCMM_OK;
    merging g = {.t = t, .m = m};

    TRY(mucmm__alloc(ctx, m->n, sizeof *g.symbols, &g.symbols));
    TRY(mucmm__alloc(ctx, 3 * m->n, sizeof *g.heap, &g.heap));
    cut_symbols(&g);
    merge_all(&g);
    for (int64_t i = g.n > 0 ? 0 : -1; i >= 0; i = g.symbols[i].after) {
        const symbol *s = &g.symbols[i];
        const mucmm__piece *p = find_piece(&g, s->begin, s->size);
        add_token(t, m, s->begin, s->begin + s->size,
                  p && p->score > -INFINITY ? p->id : t->unknown, r, sink);
    }
done:
    mucmm__free(g.symbols);
    mucmm__free(g.heap);
    return status;
}

mucmm_status mucmm__sentences_encode(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                                     int64_t size, mucmm__sink *sink)
{
    mucmm_status status = MUCMM_OK;
    mucmm__normal m = {.ctx = ctx};
    row r = {0, 0, -1};

    TRY(put_text(&m, t, text, size));
    TRY(t->sentences->bpe ? split_pairs(ctx, t, &m, &r, sink)
                          : split_unigram(ctx, t, &m, &r, sink));
    if (r.id >= 0)
        put_token(t, &m, r.first, r.last, r.id, sink);
done:
    mucmm__normal_drop(&m);
    return status;
}
