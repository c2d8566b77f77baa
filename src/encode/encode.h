/* SPDX-License-Identifier: MIT
 *
 * encode.h - views whose rows are pictures, texts or sound: descriptions, sources, encoders, and
 * data that remember both. The public part (mucmm_source_*, mucmm_encoder_*, mucmm_study_*) is in
 * mucmm.h, the readers of single pictures, sounds and texts are in source.h.
 *
 *   description --source*.c-> source --\
 *               --encoder.c-> encoder ---+--encode_rows.c--> data (features, cached by cache.c)
 *   study.json  --study.c---> all of these for every view */
#ifndef MUCMM_ENCODE_ENCODE_H
#define MUCMM_ENCODE_ENCODE_H

#include "core/json.h"
#include "encode/encoded.h"
#include "encode/mel.h"
#include "encode/source.h"
#include "graph/watch.h"

/* ---- describe.c: JSON objects with checked keys ------------------------------------ */

typedef struct mucmm__description {
    json_t *root; /* an object */
    mucmm_source_kind kind;
    const char *folder;         /* borrowed; NULL = the current one                        */
    char bad_key[MUCMM__QUOTE]; /* the key that the last failure is about; "" = none of them */
} mucmm__description;

/* Bits of the kinds of description that may have a key. */
#define MUCMM__KIND(k) (1u << (k))

typedef struct mucmm__key {
    const char *name;
    uint32_t kinds;
} mucmm__key;

/* Every key of the object is in the table (which ends with a NULL name) and allowed for a kind. */
mucmm_status mucmm__check_keys(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                               const mucmm__key *keys, mucmm_source_kind kind);
/* From text, with all keys checked. Dropped with mucmm__description_drop, also after a failure. */
mucmm_status mucmm__description_parse(mucmm_ctx *ctx, const char *text, const char *folder,
                                      mucmm__description *out);
/* The same of an object that is parsed already (its reference is taken over). */
mucmm_status mucmm__description_check(mucmm_ctx *ctx, mucmm__description *d);
void mucmm__description_drop(mucmm__description *d);
/* "'key' " and the text; remembers the key. Returns EARG. */
mucmm_status mucmm__key_fail(mucmm_ctx *ctx, mucmm__description *d, const char *key,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Values that may be absent: *out is then left as it is. */
mucmm_status mucmm__get_string(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                               const char *key, const char **out);
mucmm_status mucmm__get_integer(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                                const char *key, int64_t low, int64_t high, int64_t *out);
mucmm_status mucmm__get_number(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                               const char *key, double *out);
mucmm_status mucmm__get_flag(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                             const char *key, bool *out);
/* A list of numbers, or one number, which then stands for a list of one; *n how many. */
mucmm_status mucmm__get_numbers(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                                const char *key, int64_t most, double *out, int64_t *n);
/* Compact JSON with sorted keys. */
mucmm_status mucmm__json_text(mucmm_ctx *ctx, const json_t *object, char **out);
/* folder/name, or name itself if it is absolute or folder is NULL. */
mucmm_status mucmm__path_join(mucmm_ctx *ctx, const char *folder, const char *name, char **out);

/* ---- cache.c: what a cache is tied to ----------------------------------------------- */

mucmm_status mucmm__hash_file(mucmm_ctx *ctx, const char *path, uint64_t *hash);
/* Size and time of a file; a missing one counts as such. */
void mucmm__hash_stat(const char *path, uint64_t *hash);

/* ---- words.c: bags of words -------------------------------------------------------- */

#define MUCMM__WORDS "words"   /* the "tokenizer" of such a view */
#define MUCMM__TF_IDF "tf-idf" /* its "encoder"                  */

#define MUCMM__LOG_MEL "log-mel" /* the "encoder" of sound without a network */

/* EFORMAT: not UTF-8. */
mucmm_status mucmm__words_check(mucmm_ctx *ctx, const char *text);
/* Calls fn for every word of a text, in order, as a bag has it. */
typedef mucmm_status (*mucmm__word_fn)(mucmm_ctx *ctx, void *arg, const char *word, int64_t size);
mucmm_status mucmm__words_each(mucmm_ctx *ctx, const char *text, mucmm__word_fn fn, void *arg);

typedef struct mucmm__bag_params {
    int64_t min_rows;  /* texts in which a word must occur; default 2          */
    int64_t max_words; /* the most frequent are kept; default 2048             */
} mucmm__bag_params;

typedef struct mucmm__bag mucmm__bag;

/* Of the texts text(arg, i) for i in 0..n, without those that are NULL. ESHAPE: no word is left. */
mucmm_status mucmm__bag_fit(mucmm_ctx *ctx, const mucmm__bag_params *p,
                            const char *(*text)(const void *arg, int64_t i), const void *arg,
                            int64_t n, mucmm__bag **out);
void mucmm__bag_free(mucmm__bag *b);
int64_t mucmm__bag_size(const mucmm__bag *b); /* columns, the word of most texts first */
const char *mucmm__bag_word(const mucmm__bag *b, int64_t column);
uint64_t mucmm__bag_fingerprint(const mucmm__bag *b); /* of words and weights */
/* How many words of a text the bag has. */
mucmm_status mucmm__bag_known(mucmm_ctx *ctx, const mucmm__bag *b, const char *text,
                              int64_t *known);
/* x [size], of length 1, or zero. EFORMAT: not UTF-8. */
mucmm_status mucmm__bag_row(mucmm_ctx *ctx, const mucmm__bag *b, const char *text, float *x);

/* ---- source.c, source_params.c, source_rows.c -------------------------------------- */

struct mucmm_source {
    _Atomic int64_t references;
    mucmm_source_kind kind;
    int64_t n;
    char *description; /* compact JSON */
    char *text;        /* all items, each ended by a NUL */
    int64_t *item_at;  /* [n] offsets into text; NULL for rows */
    char *folder;      /* of the files */
    char *suffix;      /* of the file names, or NULL */
    mucmm__image_params image;
    mucmm__audio_params audio;
    mucmm__tokenizer *tokenizer;
    int64_t length; /* text: tokens of a row */
    bool words;     /* text: no tokens, but a bag of words, once it is fitted */
    mucmm__bag_params bag_params;
    mucmm__bag *bag;
    bool truncate;
    uint64_t vocabulary; /* hash of the files */
    mucmm_data *data;    /* rows */
    int32_t rank;        /* of a prepared row; 0 for tokens */
    int64_t shape[MUCMM_MAX_RANK], cols;
    char *origin; /* for messages: table and column that the items stand in; or NULL */
    char *column;
    int64_t *line;               /* [n] lines of that table */
    _Atomic unsigned char *fits; /* [n] bits of mucmm__fit_of_row, of rows that were read */
};

/* How a text or a sound fits what the encoder takes. */
enum mucmm__fit_of_row { MUCMM__ROW_READ = 1, MUCMM__ROW_CUT = 2, MUCMM__ROW_FILLED = 4 };

/* source_params.c: kind and how rows are prepared, into an empty source. */
mucmm_status mucmm__source_params_read(mucmm_ctx *ctx, mucmm__description *d, mucmm_source *s);
/* A source of items from a description that has been checked. */
mucmm_status mucmm__source_describe(mucmm_ctx *ctx, mucmm__description *d, const char *const *items,
                                    int64_t n, mucmm_source **out);
/* Makes the vocabulary of a bag of words from all items but those left out (NULL: none); of another
 * source nothing. EARG: the description's "fitted" is of another vocabulary. */
mucmm_status mucmm__source_fit(mucmm_ctx *ctx, mucmm_source *s, const bool *left_out);
/* One prepared row: x [cols], or for tokens ids and mask [length]. The message names row and file.
 */
mucmm_status mucmm__source_read(mucmm_ctx *ctx, const mucmm_source *s, int64_t row, float *x,
                                int64_t *ids, float *mask);
/* Messages name this table, column and line (copied). */
mucmm_status mucmm__source_origin(mucmm_ctx *ctx, mucmm_source *s, const char *table,
                                  const char *column, const int64_t *line);
const char *mucmm__source_item(const mucmm_source *s, int64_t row); /* NULL if it has none */
/* Warns of texts and sounds that were cut or filled up, once all but the bad ones [n] were read. */
void mucmm__source_tell(mucmm_ctx *ctx, const mucmm_source *s, const bool *bad);
/* Puts row, column and file in front of the message. */
mucmm_status mucmm__source_prefix(mucmm_ctx *ctx, mucmm_status status, const mucmm_source *s,
                                  int64_t row);
/* What can be told of all rows before the work: files that are not there (EIO), texts that are too
 * long. The first one fails. */
mucmm_status mucmm__source_check(mucmm_ctx *ctx, const mucmm_source *s);
mucmm_status mucmm__source_picture(mucmm_ctx *ctx, const mucmm_source *s, int64_t row,
                                   mucmm__picture *out);
mucmm_status mucmm__source_fingerprint(mucmm_ctx *ctx, const mucmm_source *s, uint64_t *hash);
/* The same, for another who will free it: as mucmm__data_keep. */
mucmm_source *mucmm__source_keep(const mucmm_source *s);

/* ---- encoder.c --------------------------------------------------------------------- */

#define MUCMM__STAGES_MAX 4

/* One network of a chain. What goes in: x -> reshape(scale x + shift) of the stage before. */
typedef struct mucmm__link {
    mucmm_graph *graph;
    char *file, *tensor, *input;
    double scale, shift; /* applied to the tensor that comes out */
    int32_t rank;        /* of the row it is reshaped to; 0 = as it is */
    int64_t shape[MUCMM_MAX_RANK];
} mucmm__link;

typedef enum mucmm__pool { MUCMM__POOL_NONE, MUCMM__POOL_GRID, MUCMM__POOL_MEAN } mucmm__pool;

struct mucmm_encoder {
    _Atomic int64_t references;
    char *description;
    int32_t n_links; /* 0: callbacks, tf-idf or log-mel */
    bool has_mel;    /* the features are log-mel bands */
    mucmm__log_mel mel;
    bool tf_idf; /* the features are the row of the bag of words */
    mucmm__link link[MUCMM__STAGES_MAX];
    char *ids, *mask, *types; /* names of a text network's inputs; NULL = it has none */
    char *wrt;                /* tensor of the first network; NULL = its input        */
    mucmm__pool pool;
    int64_t pool_height, pool_width;
    int64_t batch; /* most rows at a time; 0 = as memory allows */
    uint64_t fingerprint;
    char *name; /* for messages */
    mucmm_encoder_callbacks callbacks;
};

mucmm_encoder *mucmm__encoder_keep(const mucmm_encoder *e);
/* Puts the network's file in front of a message that does not begin with it. */
mucmm_status mucmm__link_prefix(mucmm_ctx *ctx, mucmm_status status, const mucmm__link *link);

mucmm_status mucmm__encoder_describe(mucmm_ctx *ctx, mucmm__description *d, mucmm_encoder **out);

/* ---- pass.c ------------------------------------------------------------------------ */

/* Rows on their way through an encoder. */
typedef struct mucmm__pass {
    const mucmm_encoder *encoder;
    const mucmm_source *source;
    int64_t n, room; /* rows in it; that fit */
    float *x;        /* [n, cols] prepared rows; NULL for tokens, and before one is read */
    int64_t *ids;    /* [n, length] of tokens                       */
    float *mask;     /* [n, length]                                 */
    uint64_t memory;
    int64_t expected; /* columns of a row of features; 0 = not known yet */
    mucmm_run *run[MUCMM__STAGES_MAX];
    float *between[MUCMM__STAGES_MAX]; /* what goes into a later network */
    int32_t out_rank;                  /* of a row of features           */
    int64_t out_shape[MUCMM_MAX_RANK], out_cols;
    int32_t
        raw_rank; /* of a row of the raw values in which explanations live; 0 = there are none */
    int64_t raw_shape[MUCMM_MAX_RANK], raw_cols;
    mucmm__fault *fault;                   /* NULL; else what is not finite is looked for */
    mucmm__watch watch[MUCMM__STAGES_MAX]; /* of the runs, with fault */
} mucmm__pass;

/* Room for n rows, which then are read into it. */
mucmm_status mucmm__pass_start(mucmm_ctx *ctx, const mucmm_encoder *e, const mucmm_source *s,
                               int64_t n, uint64_t memory, mucmm__pass *out);
void mucmm__pass_drop(mucmm__pass *p);
/* Row of the source into place i; all n. */
mucmm_status mucmm__pass_read_row(mucmm_ctx *ctx, mucmm__pass *p, int64_t i, int64_t row);
mucmm_status mucmm__pass_read(mucmm_ctx *ctx, mucmm__pass *p, const int64_t *rows);
/* Sets raw_*; raw [n, raw_cols] if not NULL. The values of an inner tensor are computed. */
mucmm_status mucmm__pass_raw(mucmm_ctx *ctx, mucmm__pass *p, float *raw);
/* Features from the rows, or, if raw is given (after mucmm__pass_raw), from these values in their
 * place. Sets out_*; features [n, out_cols] if not NULL. With gradient a vjp may follow. */
mucmm_status mucmm__pass_forward(mucmm_ctx *ctx, mucmm__pass *p, const float *raw, bool gradient,
                                 float *features);
/* grads [n, raw_cols] = cotangents [n, out_cols] times d features / d raw; raw as in the forward
 * pass before. */
mucmm_status mucmm__pass_vjp(mucmm_ctx *ctx, mucmm__pass *p, const float *raw,
                             const float *cotangents, float *grads);
/* After a forward with gradient: the network's node that lets none pass, as mucmm__run_stop, with
 * its file; "" = none does. */
mucmm_status mucmm__pass_stop(mucmm_ctx *ctx, const mucmm__pass *p, bool some,
                              char text[MUCMM__FAULT_TEXT]);
/* Bytes of activations, after a forward; UINT64_MAX if that cannot be told. */
mucmm_status mucmm__pass_memory(mucmm_ctx *ctx, const mucmm__pass *p, bool gradient, uint64_t *out);

/* ---- cache.c ----------------------------------------------------------------------- */

/* Features on their way into a file that can be resumed. */
typedef struct mucmm__cache {
    char *path, *side, *part; /* NAME.npy, NAME.npy.json, NAME.npy.part */
    uint64_t fingerprint;     /* of what the features are made from     */
    int64_t n, cols, done;    /* rows, columns, rows finished           */
    uint64_t content;         /* hash of the rows that are done         */
    bool *bad;                /* [n] rows that cannot be read           */
    int fd;                   /* of the part; -1 = path is whole        */
    char header[MUCMM__NPY_HEADER];
    int64_t header_size; /* bytes before the numbers */
    double saved;        /* when the side file was written, with saved_done */
    int64_t saved_done;
} mucmm__cache;

/* Finds what is there and can be gone on with: done rows, and whether path is whole (fd -1). A file
 * counts only if its numbers are those that the side file tells of. */
mucmm_status mucmm__cache_open(mucmm_ctx *ctx, const char *path, uint64_t fingerprint, int64_t n,
                               const int64_t *shape, int32_t rank, mucmm__cache *c);
/* The next rows of features [rows, cols]. */
mucmm_status mucmm__cache_put(mucmm_ctx *ctx, mucmm__cache *c, const float *features, int64_t rows);
/* Makes the part the whole. */
mucmm_status mucmm__cache_finish(mucmm_ctx *ctx, mucmm__cache *c);
void mucmm__cache_drop(mucmm_ctx *ctx, mucmm__cache *c);

/* study.c: the same study, for another who will free it. */
mucmm_study *mucmm__study_keep(const mucmm_study *s);
/* Rows that MUCMM_MISSING_DROP left out. */
int64_t mucmm__study_dropped(const mucmm_study *s);

/* ---- encoded.c, encoded_pass.c, encode_rows.c: encoded data (encoded.h has the rest) */

enum { MUCMM__LARGEST_BATCH = 32 }; /* rows that go through an encoder at a time */

struct mucmm__encoded {
    mucmm_source *source;
    mucmm_encoder *encoder;
    char *description;
    uint64_t memory;
    int32_t raw_rank; /* 0 = explanations have no place to live */
    int64_t raw_shape[MUCMM_MAX_RANK], raw_cols;
    int64_t batch, vjp_batch; /* rows at a time */
};

/* EARG: d has no such row. */
mucmm_status mucmm__encoded_check_row(mucmm_ctx *ctx, const mucmm_data *d, int64_t row);

/* encode_rows.c: as mucmm_data_encode, but with all rows of the source: bad [n] says which could
 * not be read. */
mucmm_status mucmm__encode_all(mucmm_ctx *ctx, const char *stage, const mucmm_source *source,
                               const mucmm_encoder *encoder, const mucmm_encode_params *params,
                               bool *bad, mucmm_data **out);

#endif
