/* SPDX-License-Identifier: MIT
 *
 * text.h - what the tokenizers share: the vocabulary, the text made normal, the tokens found. */
#ifndef MUCMM_ENCODE_TEXT_H
#define MUCMM_ENCODE_TEXT_H

#include "encode/source.h"

/* ---- vocabulary -------------------------------------------------------------------- */

#define MUCMM__MAX_PIECE 256 /* bytes */

typedef struct mucmm__piece {
    int64_t at, size; /* its bytes in text; a NUL follows */
    int64_t id, line; /* line of the file, 0 if it has none */
    double score;     /* log probability; -inf: no text is made of it */
} mucmm__piece;

typedef struct mucmm__lexicon {
    char *text;
    mucmm__piece *pieces; /* [n], sorted by their bytes once it is sealed */
    int64_t *by_id;       /* [n] index into pieces: ids are 0..n-1        */
    int64_t n, room, n_text, text_room;
} mucmm__lexicon;

/* Adds a piece of `size` bytes. `where` (file and line) begins the message if it breaks a rule:
 * UTF-8, no NUL, 1 to MUCMM__MAX_PIECE bytes. */
mucmm_status mucmm__lexicon_add(mucmm_ctx *ctx, mucmm__lexicon *x, const char *where,
                                const char *bytes, int64_t size, int64_t id, int64_t line,
                                double score);
/* Sorts. EFORMAT: nothing in it, a piece twice with one score (with several, the best counts), ids
 * that are not 0..n-1 each once. */
mucmm_status mucmm__lexicon_seal(mucmm_ctx *ctx, mucmm__lexicon *x, const char *file);
void mucmm__lexicon_drop(mucmm__lexicon *x);

/* Pieces [first, last) are those that begin with the `depth` bytes walked so far. */
typedef struct mucmm__prefix_range {
    int64_t first, last, depth;
} mucmm__prefix_range;
mucmm__prefix_range mucmm__lexicon_all(const mucmm__lexicon *x);
/* One byte further; false and empty when no piece begins so. */
bool mucmm__lexicon_step(const mucmm__lexicon *x, mucmm__prefix_range *r, unsigned char byte);
/* The piece that is exactly the bytes walked, or NULL. */
const mucmm__piece *mucmm__lexicon_exact(const mucmm__lexicon *x, const mucmm__prefix_range *r);
/* Id of a piece, or -1. */
int64_t mucmm__lexicon_find(const mucmm__lexicon *x, const char *bytes, int64_t size);

/* Lines of a file in memory, without "\n" or "\r\n". */
typedef struct mucmm__lines {
    const char *at, *end;
    int64_t line; /* of the one just read, from 1 */
} mucmm__lines;
bool mucmm__lines_next(mucmm__lines *l, const char **bytes, int64_t *size);

/* ---- text made normal -------------------------------------------------------------- */

/* UTF-8 whose every byte knows the bytes [begin, end) of the original it stands for. */
typedef struct mucmm__normal {
    mucmm_ctx *ctx;
    char *text;
    int64_t *begin, *end;
    int64_t n, room;
    bool keep_tilde; /* the full-width one, as SentencePiece's nmt_nfkc does */
} mucmm__normal;

mucmm_status mucmm__normal_put(mucmm__normal *m, int32_t point, int64_t begin, int64_t end);
void mucmm__normal_drop(mucmm__normal *m);
/* Calls add for every code point of the NFC or, with compatibility, NFKC form of the text; begin
 * and end are the bytes of the grapheme cluster it comes from. */
typedef mucmm_status (*mucmm__point_fn)(mucmm__normal *m, int32_t point, int64_t begin,
                                        int64_t end);
mucmm_status mucmm__normal_compose(mucmm__normal *m, const char *text, int64_t size,
                                   bool compatibility, mucmm__point_fn add);
bool mucmm__is_space(int32_t point); /* blank, tab, line end, Unicode's separators */

/* ---- tokens ------------------------------------------------------------------------ */

typedef struct mucmm__pairs mucmm__pairs;         /* merges of byte-level BPE */
typedef struct mucmm__sentences mucmm__sentences; /* of a SentencePiece model file */

struct mucmm__tokenizer {
    mucmm__tokenizer_kind kind;
    mucmm__lexicon words;
    int64_t unknown, pad;
    int64_t front, back; /* ids around every text, or -1 */
    bool lower_case;
    double unknown_score;        /* sentencepiece, of lines of text */
    mucmm__sentences *sentences; /* sentencepiece, of a model file; or NULL */
    mucmm__pairs *pairs;         /* bpe           */
    bool word_ends;              /* bpe: pieces at a word's end have "</w>", as CLIP's */
};

/* Where tokens go: the first `room` are kept, all are counted. */
typedef struct mucmm__sink {
    int64_t *ids, *begin, *end; /* begin and end may be NULL */
    int64_t n, room;
} mucmm__sink;
void mucmm__sink_put(mucmm__sink *s, int64_t id, int64_t begin, int64_t end);

mucmm_status mucmm__bpe_load(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                             const mucmm__map *vocabulary, const mucmm__map *merges,
                             mucmm__tokenizer *t);
mucmm_status mucmm__bpe_encode(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                               int64_t size, mucmm__sink *sink);
void mucmm__pairs_free(mucmm__pairs *p);

/* sentencepiece.c. Do bytes look like a model file? EFORMAT: damaged; EUNSUPPORTED: neither unigram
 * nor BPE. The model's own normalization applies. */
bool mucmm__is_sentences(const unsigned char *bytes, size_t size);
mucmm_status mucmm__sentences_load(mucmm_ctx *ctx, const char *file, const unsigned char *bytes,
                                   size_t size, mucmm__tokenizer *t);
mucmm_status mucmm__sentences_encode(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                                     int64_t size, mucmm__sink *sink);
void mucmm__sentences_free(mucmm__sentences *s);

#endif
