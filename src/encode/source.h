/* SPDX-License-Identifier: MIT
 *
 * source.h - from raw input to the tensors an encoder takes: pictures, sound, text. Files are
 * decoded by io/ (mucmm__picture_decode, mucmm__sound_decode); here is what follows. Every message
 * names the value and the rule; the caller puts file or row in front (mucmm__prefix).
 *
 * Parameters are plain structs: X_params_init() sets every default, X_check() refuses what does
 * not make sense (EARG); the functions that work rely on a checked struct. */
#ifndef MUCMM_ENCODE_SOURCE_H
#define MUCMM_ENCODE_SOURCE_H

#include "io/io.h"

/* ---- image ------------------------------------------------------------------------- */

/* How a picture of any shape becomes one of height x width. */
typedef enum mucmm__framing {
    MUCMM__FIT_STRETCH, /* each side on its own                                           */
    MUCMM__FIT_CROP,    /* shorter side to `resize`, then the middle height x width       */
    MUCMM__FIT_PAD,     /* the whole picture as large as fits, centred on the background  */
} mucmm__framing;

/* Both widen with the scale when shrinking (antialias), as Pillow and torchvision do. */
typedef enum mucmm__filter { MUCMM__FILTER_BILINEAR, MUCMM__FILTER_BICUBIC } mucmm__filter;
typedef enum mucmm__channels {
    MUCMM__CHANNELS_RGB,
    MUCMM__CHANNELS_BGR,
    MUCMM__CHANNELS_GREY, /* 0.299 R + 0.587 G + 0.114 B */
} mucmm__channels;
typedef enum mucmm__image_axes { MUCMM__AXES_NCHW, MUCMM__AXES_NHWC } mucmm__image_axes;

typedef struct mucmm__image_params {
    int64_t height, width;    /* pixels, 1..16384; required                                      */
    int64_t resize;           /* crop: shorter side before the crop, pixels, such that the crop
                                 fits; 0 = the smallest that covers height x width               */
    mucmm__framing fit;       /* default crop                                                    */
    mucmm__filter filter;     /* default bilinear                                                */
    mucmm__channels channels; /* default rgb                                               */
    mucmm__image_axes layout; /* default nchw                                              */
    float mean[3], std[3];    /* of red, green, blue (grey: entry 0) with pixels in [0, 1]:
                                 value = (pixel / 255 - mean) / std, std > 0; default unit */
    unsigned char background[3]; /* under transparent pixels and around a padded picture;
                                    default white                                             */
} mucmm__image_params;

void mucmm__image_params_init(mucmm__image_params *p);
/* mean and std by name: "imagenet", "unit" ([0, 1]), "signed" ([-1, 1]), "clip". EARG lists them.
 */
mucmm_status mucmm__image_preset(mucmm_ctx *ctx, const char *name, mucmm__image_params *p);
/* The enums by their names in lower case ("crop", "bicubic", "bgr", "nhwc"). EARG lists them. */
mucmm_status mucmm__image_parse_fit(mucmm_ctx *ctx, const char *name, mucmm__framing *out);
mucmm_status mucmm__image_parse_filter(mucmm_ctx *ctx, const char *name, mucmm__filter *out);
mucmm_status mucmm__image_parse_channels(mucmm_ctx *ctx, const char *name, mucmm__channels *out);
mucmm_status mucmm__image_parse_layout(mucmm_ctx *ctx, const char *name, mucmm__image_axes *out);
mucmm_status mucmm__image_check(mucmm_ctx *ctx, const mucmm__image_params *p);
int64_t mucmm__image_depth(const mucmm__image_params *p); /* channels: 3, or 1 for grey */

/* The picture as the encoder sees it, still 8-bit RGB: [p->height, p->width, 3]. Dropped with
 * mucmm__picture_drop. */
mucmm_status mucmm__image_fit(mucmm_ctx *ctx, const mucmm__image_params *p,
                              const mucmm__picture *in, mucmm__picture *out);
/* out [depth, height, width] or, for nhwc, [height, width, depth]. */
mucmm_status mucmm__image_prepare(mucmm_ctx *ctx, const mucmm__image_params *p,
                                  const mucmm__picture *in, float *out);

/* ---- audio ------------------------------------------------------------------------- */

typedef struct mucmm__audio_params {
    int64_t rate;    /* Hz the encoder takes, 100..768000; default 16000                        */
    int64_t samples; /* length of the window at that rate, >= 1; required                       */
    double offset;   /* seconds of the sound before the window, >= 0; default 0                 */
    double scale;    /* multiplies samples in [-1, 1]; 32768 for encoders of 16-bit; default 1  */
} mucmm__audio_params;

void mucmm__audio_params_init(mucmm__audio_params *p);
mucmm_status mucmm__audio_check(mucmm_ctx *ctx, const mucmm__audio_params *p);
/* out [samples]: the window, resampled, scaled; zeros where the sound has ended. Sample i is the
 * sound at offset + i / rate seconds. EFORMAT if the sound ends before the window begins. */
mucmm_status mucmm__audio_prepare(mucmm_ctx *ctx, const mucmm__audio_params *p,
                                  const mucmm__sound *in, float *out);

/* ---- text -------------------------------------------------------------------------- */

typedef enum mucmm__tokenizer_kind {
    MUCMM__TOKENIZER_SENTENCEPIECE, /* its .model file (unigram, BPE), or of a unigram model lines
                                       "id TAB log score TAB piece"                             */
    MUCMM__TOKENIZER_WORDPIECE,     /* BERT: vocab.txt, a piece a line, "##" inside a word      */
    MUCMM__TOKENIZER_BPE,           /* byte-level pairs: vocab.json and merges.txt (GPT-2, CLIP) */
} mucmm__tokenizer_kind;

typedef struct mucmm__tokenizer_params {
    mucmm__tokenizer_kind kind;
    const char *vocabulary; /* path of the file; required                                       */
    const char *merges;     /* bpe: path of merges.txt                                          */
    bool lower_case;        /* wordpiece: lower case, accents dropped; default true. The others
                               go by their vocabulary: CLIP's is lower case                     */
    int64_t pad;            /* id that fills the rest; negative (default): [PAD] or <pad> of the
                               vocabulary, else 0                                               */
} mucmm__tokenizer_params;

/* Immutable, may be shared by threads. */
typedef struct mucmm__tokenizer mucmm__tokenizer;

/* A text as an encoder of `length` tokens takes it. The arrays are the caller's, [length] each;
 * begin, end and mask may be NULL. */
typedef struct mucmm__tokens {
    int64_t *ids;
    float *mask;          /* 1 for a token, 0 for padding                                       */
    int64_t *begin, *end; /* bytes [begin, end) of the text that the token stands for, without the
                             space before a word; equal where there are none: [CLS] and its
                             like, padding                                                      */
    int64_t n;            /* out: tokens, the first n of `length`                               */
    bool truncated;       /* out: the text had more                                             */
} mucmm__tokens;

void mucmm__tokenizer_params_init(mucmm__tokenizer_params *p);
mucmm_status mucmm__tokenizer_parse_kind(mucmm_ctx *ctx, const char *name,
                                         mucmm__tokenizer_kind *out);
/* EFORMAT: a line of a vocabulary breaks a rule (file, line, rule), or a token is missing. */
mucmm_status mucmm__tokenizer_load(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                                   mucmm__tokenizer **out);
/* The same over bytes in memory (read during the call only); p->vocabulary and p->merges are then
 * names for messages. merges may be NULL but for bpe. */
mucmm_status mucmm__tokenizer_load_memory(mucmm_ctx *ctx, const mucmm__tokenizer_params *p,
                                          const mucmm__map *vocabulary, const mucmm__map *merges,
                                          mucmm__tokenizer **out);
void mucmm__tokenizer_free(mucmm__tokenizer *t);
int64_t mucmm__tokenizer_size(const mucmm__tokenizer *t); /* ids are in [0, size) */
/* The piece of an id in UTF-8 (U+2581 for a space, "##"); NULL if there is none. */
const char *mucmm__tokenizer_piece(const mucmm__tokenizer *t, int64_t id);

/* text [size] is UTF-8, no NUL needed at its end. EFORMAT: not UTF-8 (byte named). ESHAPE: more
 * tokens than length, unless truncate. An empty text is its special tokens alone. */
mucmm_status mucmm__tokenizer_encode(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text,
                                     size_t size, int64_t length, bool truncate,
                                     mucmm__tokens *out);

#endif
