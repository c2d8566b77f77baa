/* SPDX-License-Identifier: MIT
 *
 * source_params.c - how the inputs of a view are prepared, from its description. */
#include "encode/encode.h"

#include <math.h>
#include <string.h>

static mucmm_status read_size(mucmm_ctx *ctx, mucmm__description *d, mucmm__image_params *p)
{
    mucmm_status status = MUCMM_OK;
    double size[2];
    int64_t n;

    TRY(mucmm__get_numbers(ctx, d, d->root, "size", 2, size, &n));
    if (n == 0)
        return mucmm__key_fail(ctx, d, "size",
                               "is missing: pixels of a side that the encoder takes, such as 224, "
                               "or [height, width]");
    for (int64_t i = 0; i < n; i++)
        if (!(size[i] >= 1 && size[i] <= 16384) || size[i] != floor(size[i]))
            return mucmm__key_fail(ctx, d, "size", "must be whole numbers from 1 to 16384");
    p->height = (int64_t)size[0];
    p->width = (int64_t)size[n - 1];
done:
    return status;
}

/* mean and std: one number for all channels, or three. */
static mucmm_status read_channels(mucmm_ctx *ctx, mucmm__description *d, const char *key,
                                  float out[3])
{
    mucmm_status status = MUCMM_OK;
    double value[3];
    int64_t n;

    TRY(mucmm__get_numbers(ctx, d, d->root, key, 3, value, &n));
    if (n == 2)
        return mucmm__key_fail(ctx, d, key, "must be one number or three");
    for (int64_t i = 0; i < 3 && n > 0; i++)
        out[i] = (float)value[n == 1 ? 0 : i];
done:
    return status;
}

static mucmm_status read_background(mucmm_ctx *ctx, mucmm__description *d, unsigned char out[3])
{
    mucmm_status status = MUCMM_OK;
    double value[3];
    int64_t n;

    TRY(mucmm__get_numbers(ctx, d, d->root, "background", 3, value, &n));
    for (int64_t i = 0; i < n; i++)
        if (n != 3 || !(value[i] >= 0 && value[i] <= 255))
            return mucmm__key_fail(ctx, d, "background",
                                   "must be [red, green, blue], each from 0 to 255");
    for (int64_t i = 0; i < n; i++)
        out[i] = (unsigned char)lround(value[i]);
done:
    return status;
}

/* A word that one of source.h's parsers knows; its list of words becomes the message. */
#define READ_WORD(key, parse, field)                                                               \
    do {                                                                                           \
        const char *word_ = NULL;                                                                  \
        TRY(mucmm__get_string(ctx, d, d->root, key, &word_));                                      \
        if (word_ && (status = parse(ctx, word_, field)) != MUCMM_OK) {                            \
            mucmm__quote(d->bad_key, key);                                                         \
            TRY(mucmm__prefix(ctx, status, "'%s'", key));                                          \
        }                                                                                          \
    } while (0)

static mucmm_status read_image(mucmm_ctx *ctx, mucmm__description *d, mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__image_params *p = &s->image;
    int64_t depth;

    mucmm__image_params_init(p);
    TRY(read_size(ctx, d, p));
    TRY(mucmm__get_integer(ctx, d, d->root, "resize", 1, 16384, &p->resize));
    READ_WORD("fit", mucmm__image_parse_fit, &p->fit);
    READ_WORD("filter", mucmm__image_parse_filter, &p->filter);
    READ_WORD("channels", mucmm__image_parse_channels, &p->channels);
    READ_WORD("layout", mucmm__image_parse_layout, &p->layout);
    READ_WORD("normalize", mucmm__image_preset, p);
    TRY(read_channels(ctx, d, "mean", p->mean));
    TRY(read_channels(ctx, d, "std", p->std));
    TRY(read_background(ctx, d, p->background));
    TRY(mucmm__image_check(ctx, p));
    depth = mucmm__image_depth(p);
    s->rank = 3;
    if (p->layout == MUCMM__AXES_NCHW)
        memcpy(s->shape, (int64_t[]){depth, p->height, p->width}, 3 * sizeof *s->shape);
    else
        memcpy(s->shape, (int64_t[]){p->height, p->width, depth}, 3 * sizeof *s->shape);
    s->cols = depth * p->height * p->width;
done:
    return status;
}

static mucmm_status read_audio(mucmm_ctx *ctx, mucmm__description *d, mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__audio_params *p = &s->audio;

    mucmm__audio_params_init(p);
    TRY(mucmm__get_integer(ctx, d, d->root, "rate", 100, 768000, &p->rate));
    if (!json_object_get(d->root, "samples"))
        return mucmm__key_fail(ctx, d, "samples",
                               "is missing: how many samples the encoder takes, at 'rate'");
    TRY(mucmm__get_integer(ctx, d, d->root, "samples", 1, INT32_MAX, &p->samples));
    TRY(mucmm__get_number(ctx, d, d->root, "offset", &p->offset));
    TRY(mucmm__get_number(ctx, d, d->root, "scale", &p->scale));
    TRY(mucmm__audio_check(ctx, p));
    s->rank = 1;
    s->cols = s->shape[0] = p->samples;
done:
    return status;
}

/* Keys of one way to read texts mean nothing in the other. */
static mucmm_status refuse_text_keys(mucmm_ctx *ctx, mucmm__description *d, bool words)
{
    static const char *const of_tokens[] = {"vocabulary", "merges",   "length", "lower_case",
                                            "pad",        "truncate", NULL};
    static const char *const of_words[] = {"min_rows", "max_words", "fitted", NULL};

    for (const char *const *key = words ? of_tokens : of_words; *key; key++)
        if (json_object_get(d->root, *key))
            return mucmm__key_fail(ctx, d, *key, "is %sfor the tokenizer '" MUCMM__WORDS "'",
                                   words ? "not " : "only ");
    return MUCMM_OK;
}

static mucmm_status read_words(mucmm_ctx *ctx, mucmm__description *d, mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;
    const json_t *encoder = json_object_get(d->root, "encoder");
    const char *fitted = NULL;

    s->words = true;
    s->bag_params = (mucmm__bag_params){.min_rows = 2, .max_words = 2048};
    TRY(refuse_text_keys(ctx, d, true));
    if (encoder &&
        (!json_is_string(encoder) || strcmp(json_string_value(encoder), MUCMM__TF_IDF) != 0))
        return mucmm__key_fail(ctx, d, "encoder",
                               "must be '" MUCMM__TF_IDF "' with the tokenizer '" MUCMM__WORDS
                               "'; a network takes tokens");
    TRY(mucmm__get_integer(ctx, d, d->root, "min_rows", 1, INT32_MAX, &s->bag_params.min_rows));
    TRY(mucmm__get_integer(ctx, d, d->root, "max_words", 1, 1 << 20, &s->bag_params.max_words));
    TRY(mucmm__get_string(ctx, d, d->root, "fitted", &fitted));
done:
    return status;
}

static mucmm_status read_text(mucmm_ctx *ctx, mucmm__description *d, mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__tokenizer_params p;
    const json_t *tokenizer = json_object_get(d->root, "tokenizer");
    const char *vocabulary = NULL, *merges = NULL;
    char *path = NULL, *merges_path = NULL;

    mucmm__tokenizer_params_init(&p);
    if (!tokenizer)
        return mucmm__key_fail(ctx, d, "tokenizer", "is missing: how the text is cut into tokens");
    if (json_is_string(tokenizer) && strcmp(json_string_value(tokenizer), MUCMM__WORDS) == 0)
        return read_words(ctx, d, s);
    TRY(refuse_text_keys(ctx, d, false));
    READ_WORD("tokenizer", mucmm__tokenizer_parse_kind, &p.kind);
    TRY(mucmm__get_string(ctx, d, d->root, "vocabulary", &vocabulary));
    TRY(mucmm__get_string(ctx, d, d->root, "merges", &merges));
    if (!vocabulary)
        return mucmm__key_fail(ctx, d, "vocabulary", "is missing: the file of the tokens");
    if (!json_object_get(d->root, "length"))
        return mucmm__key_fail(ctx, d, "length", "is missing: how many tokens the encoder takes");
    TRY(mucmm__get_integer(ctx, d, d->root, "length", 1, 1 << 20, &s->length));
    TRY(mucmm__get_flag(ctx, d, d->root, "lower_case", &p.lower_case));
    TRY(mucmm__get_flag(ctx, d, d->root, "truncate", &s->truncate));
    TRY(mucmm__get_integer(ctx, d, d->root, "pad", 0, INT32_MAX, &p.pad));
    TRY(mucmm__path_join(ctx, d->folder, vocabulary, &path));
    p.vocabulary = path;
    if (merges) {
        TRY(mucmm__path_join(ctx, d->folder, merges, &merges_path));
        p.merges = merges_path;
    }
    TRY(mucmm__tokenizer_load(ctx, &p, &s->tokenizer));
    s->vocabulary = MUCMM__HASH_START;
    TRY(mucmm__hash_file(ctx, path, &s->vocabulary));
    if (merges)
        TRY(mucmm__hash_file(ctx, merges_path, &s->vocabulary));
done:
    mucmm__free(path);
    mucmm__free(merges_path);
    return status;
}

static mucmm_status read_files(mucmm_ctx *ctx, mucmm__description *d, mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;
    const char *folder = NULL, *suffix = NULL;

    TRY(mucmm__get_string(ctx, d, d->root, "folder", &folder));
    TRY(mucmm__get_string(ctx, d, d->root, "suffix", &suffix));
    if (folder)
        TRY(mucmm__path_join(ctx, d->folder, folder, &s->folder));
    else if (d->folder)
        TRY(mucmm__strdup(ctx, d->folder, &s->folder));
    if (suffix)
        TRY(mucmm__strdup(ctx, suffix, &s->suffix));
done:
    return status;
}

mucmm_status mucmm__source_params_read(mucmm_ctx *ctx, mucmm__description *d, mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;

    switch (d->kind) {
    case MUCMM_SOURCE_ROWS:
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "a source of items is of kind image, text or audio; rows of numbers come "
                        "from mucmm_source_wrap"));
        break;
    case MUCMM_SOURCE_IMAGE:
        TRY(read_image(ctx, d, s));
        TRY(read_files(ctx, d, s));
        break;
    case MUCMM_SOURCE_TEXT:
        TRY(read_text(ctx, d, s));
        break;
    case MUCMM_SOURCE_AUDIO:
        TRY(read_audio(ctx, d, s));
        TRY(read_files(ctx, d, s));
        break;
    }
done:
    return status;
}
