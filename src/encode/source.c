/* SPDX-License-Identifier: MIT
 *
 * source.c - the raw inputs of one view: which pictures, texts, sounds or rows, and how each is
 * prepared for the encoder. */
#include "encode/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- parameters from a description ------------------------------------------------- */

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
    if (p->layout == MUCMM__LAYOUT_NCHW)
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

/* ---- making and freeing ------------------------------------------------------------ */

mucmm_source *mucmm__source_keep(mucmm_source *s)
{
    atomic_fetch_add(&s->references, 1);
    return s;
}

void mucmm_source_free(mucmm_source *s)
{
    if (!s || atomic_fetch_sub(&s->references, 1) > 1)
        return;
    mucmm__tokenizer_free(s->tokenizer);
    mucmm__bag_free(s->bag);
    mucmm_data_free(s->data);
    mucmm__free(s->description);
    mucmm__free(s->text);
    mucmm__free(s->item_at);
    mucmm__free(s->folder);
    mucmm__free(s->suffix);
    mucmm__free(s->origin);
    mucmm__free(s->column);
    mucmm__free(s->line);
    mucmm__free(s);
}

static mucmm_status create(mucmm_ctx *ctx, mucmm_source **out)
{
    mucmm_status status = mucmm__alloc(ctx, 1, sizeof **out, out);

    if (status == MUCMM_OK)
        atomic_init(&(*out)->references, 1);
    return status;
}

static mucmm_status copy_items(mucmm_ctx *ctx, mucmm_source *s, const char *const *items, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = 0;

    for (int64_t i = 0; i < n; i++) {
        if (!items[i])
            return mucmm__fail(ctx, MUCMM_EARG, "item %" PRId64 " is NULL", i);
        size += (int64_t)strlen(items[i]) + 1;
    }
    s->n = n;
    TRY(mucmm__alloc(ctx, n, sizeof *s->item_at, &s->item_at));
    TRY(mucmm__alloc(ctx, size, 1, &s->text));
    size = 0;
    for (int64_t i = 0; i < n; i++) {
        size_t bytes = strlen(items[i]) + 1;
        memcpy(s->text + size, items[i], bytes);
        s->item_at[i] = size;
        size += (int64_t)bytes;
    }
done:
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

mucmm_status mucmm_source_create(mucmm_ctx *ctx, const char *description, const char *folder,
                                 const char *const *items, int64_t n, mucmm_source **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__description d = {0};
    mucmm_source *s = NULL;

    *out = NULL;
    TRY(mucmm__description_parse(ctx, description, folder, &d));
    TRY(mucmm__source_describe(ctx, &d, items, n, &s));
    TRY(mucmm__source_fit(ctx, s, NULL));
    *out = s;
    s = NULL;
done:
    mucmm_source_free(s);
    mucmm__description_drop(&d);
    return status;
}

mucmm_status mucmm__source_describe(mucmm_ctx *ctx, mucmm__description *d, const char *const *items,
                                    int64_t n, mucmm_source **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_source *s = NULL;

    *out = NULL;
    if (n < 1)
        return mucmm__fail(ctx, MUCMM_EARG, "%" PRId64 " items; at least one is needed", n);
    TRY(create(ctx, &s));
    s->kind = d->kind;
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
    TRY(copy_items(ctx, s, items, n));
    TRY(mucmm__json_text(ctx, d->root, &s->description));
    *out = s;
    s = NULL;
done:
    mucmm_source_free(s);
    return status;
}

/* ---- the vocabulary of a bag of words ---------------------------------------------- */

typedef struct fitted_items {
    const mucmm_source *source;
    const bool *left_out;
} fitted_items;

static const char *fitted_item(const void *arg, int64_t i)
{
    const fitted_items *f = arg;

    return f->left_out && f->left_out[i] ? NULL : mucmm__source_item(f->source, i);
}

/* The description tells which vocabulary it was; one that was told already must be the same. */
static mucmm_status tell_fitted(mucmm_ctx *ctx, mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {false};
    json_t *o = NULL;
    const char *want;
    char *text = NULL, print[24];

    TRY(mucmm__json_parse(ctx, s->description, strlen(s->description), NULL, &o));
    want = json_string_value(json_object_get(o, "fitted"));
    snprintf(print, sizeof print, "%016" PRIx64, s->vocabulary);
    if (want && strcmp(want, print) != 0)
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "'fitted' is %.32s, and the vocabulary of these texts is %s", want, print));
    mucmm__json_set(&b, o, "fitted", json_string(print));
    TRY(mucmm__json_done(ctx, &b, o));
    TRY(mucmm__json_text(ctx, o, &text));
    mucmm__free(s->description);
    s->description = text;
done:
    json_decref(o);
    return status;
}

/* A text that is not UTF-8 is named when it is encoded. */
static mucmm_status warn_of_strangers(mucmm_ctx *ctx, const mucmm_source *s)
{
    int64_t strangers = 0, known;

    for (int64_t i = 0; i < s->n; i++) {
        mucmm_status status = mucmm__bag_known(ctx, s->bag, mucmm__source_item(s, i), &known);
        if (status == MUCMM_ENOMEM)
            return status;
        strangers += status == MUCMM_OK && known == 0;
    }
    if (strangers)
        mucmm__warn(ctx,
                    "%" PRId64 " of %" PRId64 " texts hold none of the %" PRId64
                    " words of the vocabulary; their features are zero",
                    strangers, s->n, mucmm__bag_size(s->bag));
    return MUCMM_OK;
}

mucmm_status mucmm__source_fit(mucmm_ctx *ctx, mucmm_source *s, const bool *left_out)
{
    mucmm_status status = MUCMM_OK;
    const fitted_items items = {s, left_out};

    if (!s->words)
        return MUCMM_OK;
    TRY(mucmm__bag_fit(ctx, &s->bag_params, fitted_item, &items, s->n, &s->bag));
    s->rank = 1;
    s->cols = s->shape[0] = mucmm__bag_size(s->bag);
    s->vocabulary = mucmm__bag_fingerprint(s->bag);
    TRY(tell_fitted(ctx, s));
    TRY(warn_of_strangers(ctx, s));
done:
    return status;
}

mucmm_status mucmm_source_wrap(mucmm_ctx *ctx, const mucmm_data *data, mucmm_source **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_source *s = NULL;

    *out = NULL;
    TRY(create(ctx, &s));
    s->kind = MUCMM_SOURCE_ROWS;
    s->n = mucmm_data_rows(data);
    s->cols = mucmm_data_cols(data);
    s->rank = mucmm_data_shape(data, s->shape);
    if (s->n < 1 || s->rank >= MUCMM_MAX_RANK)
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "%s: %" PRId64 " rows of rank %d; a network takes at least one, of rank at "
                        "most %d",
                        mucmm_data_label(data), s->n, s->rank, MUCMM_MAX_RANK - 1));
    TRY(mucmm__strdup(ctx, "{\"kind\":\"features\"}", &s->description));
    TRY(mucmm_data_subset(ctx, data, NULL, s->n, &s->data));
    *out = s;
    s = NULL;
done:
    mucmm_source_free(s);
    return status;
}

mucmm_status mucmm__source_origin(mucmm_ctx *ctx, mucmm_source *s, const char *table,
                                  const char *column, const int64_t *line)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__strdup(ctx, table, &s->origin));
    TRY(mucmm__strdup(ctx, column, &s->column));
    TRY(mucmm__alloc(ctx, s->n, sizeof *s->line, &s->line));
    memcpy(s->line, line, (size_t)s->n * sizeof *line);
done:
    return status;
}

/* ---- rows -------------------------------------------------------------------------- */

const char *mucmm__source_item(const mucmm_source *s, int64_t row)
{
    return s->item_at && row >= 0 && row < s->n ? s->text + s->item_at[row] : NULL;
}

mucmm_status mucmm__source_prefix(mucmm_ctx *ctx, mucmm_status status, const mucmm_source *s,
                                  int64_t row)
{
    if (s->origin)
        return mucmm__prefix(ctx, status, "%s:%" PRId64 ": row %" PRId64 ", column '%s'", s->origin,
                             s->line[row], row, s->column);
    return mucmm__prefix(ctx, status, "row %" PRId64, row);
}

static mucmm_status file_path(mucmm_ctx *ctx, const mucmm_source *s, int64_t row, char **out)
{
    mucmm_status status = MUCMM_OK;
    const char *item = mucmm__source_item(s, row);
    char *name = NULL;
    size_t size = strlen(item) + (s->suffix ? strlen(s->suffix) : 0) + 1;

    if (item[0] == '\0')
        return mucmm__fail(ctx, MUCMM_EFORMAT, "the name of the file is empty");
    TRY(mucmm__alloc(ctx, (int64_t)size, 1, &name));
    snprintf(name, size, "%s%s", item, s->suffix ? s->suffix : "");
    TRY(mucmm__path_join(ctx, s->folder, name, out));
done:
    mucmm__free(name);
    return status;
}

static bool has_files(const mucmm_source *s)
{
    return s->kind == MUCMM_SOURCE_IMAGE || s->kind == MUCMM_SOURCE_AUDIO;
}

static mucmm_status check_file(mucmm_ctx *ctx, const mucmm_source *s, int64_t row)
{
    mucmm_status status = MUCMM_OK;
    char *path = NULL;

    TRY(file_path(ctx, s, row, &path));
    if (access(path, R_OK) != 0)
        TRY(mucmm__fail(ctx, MUCMM_EIO, "cannot read %s: %s", path, strerror(errno)));
done:
    if (status != MUCMM_OK)
        mucmm__source_prefix(ctx, status, s, row);
    mucmm__free(path);
    return status;
}

static mucmm_status check_words(mucmm_ctx *ctx, const mucmm_source *s, int64_t row)
{
    mucmm_status status = mucmm__words_check(ctx, mucmm__source_item(s, row));

    return status == MUCMM_OK ? status : mucmm__source_prefix(ctx, status, s, row);
}

mucmm_status mucmm__source_check(mucmm_ctx *ctx, const mucmm_source *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t *ids = NULL;

    if (s->tokenizer)
        TRY(mucmm__alloc(ctx, s->length, sizeof *ids, &ids));
    for (int64_t i = 0; i < s->n; i++) {
        if (has_files(s))
            TRY(check_file(ctx, s, i));
        else if (s->words)
            TRY(check_words(ctx, s, i));
        else if (ids)
            TRY(mucmm__source_read(ctx, s, i, NULL, ids, NULL));
    }
done:
    mucmm__free(ids);
    return status;
}

/* The picture as its file holds it, over the background. */
static mucmm_status read_picture(mucmm_ctx *ctx, const mucmm_source *s, int64_t row,
                                 mucmm__picture *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {0};
    char *path = NULL;

    *out = (mucmm__picture){0};
    TRY(file_path(ctx, s, row, &path));
    TRY(mucmm__map_open(ctx, path, &map));
    TRY(mucmm__picture_decode(ctx, path, map.data, map.size, s->image.background, out));
done:
    mucmm__map_close(&map);
    mucmm__free(path);
    return status;
}

static mucmm_status read_sound(mucmm_ctx *ctx, const mucmm_source *s, int64_t row, float *x)
{
    mucmm_status status = MUCMM_OK;
    mucmm__map map = {0};
    mucmm__sound sound = {0};
    char *path = NULL;

    TRY(file_path(ctx, s, row, &path));
    TRY(mucmm__map_open(ctx, path, &map));
    TRY(mucmm__sound_decode(ctx, path, map.data, map.size, &sound));
    status = mucmm__audio_prepare(ctx, &s->audio, &sound, x);
    if (status != MUCMM_OK)
        mucmm__prefix(ctx, status, "%s", path);
done:
    mucmm__sound_drop(&sound);
    mucmm__map_close(&map);
    mucmm__free(path);
    return status;
}

mucmm_status mucmm__source_picture(mucmm_ctx *ctx, const mucmm_source *s, int64_t row,
                                   mucmm__picture *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__picture picture = {0};

    *out = (mucmm__picture){0};
    TRY(read_picture(ctx, s, row, &picture));
    TRY(mucmm__image_fit(ctx, &s->image, &picture, out));
done:
    if (status != MUCMM_OK)
        mucmm__source_prefix(ctx, status, s, row);
    mucmm__picture_drop(&picture);
    return status;
}

static mucmm_status read_image_row(mucmm_ctx *ctx, const mucmm_source *s, int64_t row, float *x)
{
    mucmm_status status = MUCMM_OK;
    mucmm__picture picture;

    TRY(read_picture(ctx, s, row, &picture));
    TRY(mucmm__image_prepare(ctx, &s->image, &picture, x));
done:
    mucmm__picture_drop(&picture);
    return status;
}

mucmm_status mucmm__source_read(mucmm_ctx *ctx, const mucmm_source *s, int64_t row, float *x,
                                int64_t *ids, float *mask)
{
    mucmm_status status = MUCMM_OK;
    mucmm__tokens tokens = {.ids = ids, .mask = mask};
    const char *item = mucmm__source_item(s, row);

    switch (s->kind) {
    case MUCMM_SOURCE_ROWS:
        return mucmm_data_read(ctx, s->data, &row, 1, &(mucmm_mat){x, 1, s->cols, s->cols});
    case MUCMM_SOURCE_IMAGE:
        TRY(read_image_row(ctx, s, row, x));
        break;
    case MUCMM_SOURCE_AUDIO:
        TRY(read_sound(ctx, s, row, x));
        break;
    case MUCMM_SOURCE_TEXT:
        if (s->words)
            TRY(mucmm__bag_row(ctx, s->bag, item, x));
        else
            TRY(mucmm__tokenizer_encode(ctx, s->tokenizer, item, strlen(item), s->length,
                                        s->truncate, &tokens));
        break;
    }
done:
    if (status != MUCMM_OK)
        mucmm__source_prefix(ctx, status, s, row);
    return status;
}

/* ---- what the features depend on --------------------------------------------------- */

/* The description, and of every row the text, or name, size and time of the file. */
mucmm_status mucmm__source_fingerprint(mucmm_ctx *ctx, const mucmm_source *s, uint64_t *hash)
{
    mucmm_status status = MUCMM_OK;
    float *x = NULL;
    char *path = NULL;

    *hash = mucmm__hash(*hash, s->description, strlen(s->description));
    *hash = mucmm__hash(*hash, &s->n, sizeof s->n);
    if (s->kind == MUCMM_SOURCE_ROWS)
        TRY(mucmm__alloc(ctx, s->cols, sizeof *x, &x));
    for (int64_t i = 0; i < s->n; i++) {
        const char *item = mucmm__source_item(s, i);
        if (x) {
            TRY(mucmm__source_read(ctx, s, i, x, NULL, NULL));
            *hash = mucmm__hash(*hash, x, (size_t)s->cols * sizeof *x);
            continue;
        }
        *hash = mucmm__hash(*hash, item, strlen(item) + 1);
        if (has_files(s) && item[0]) {
            TRY(file_path(ctx, s, i, &path));
            mucmm__hash_stat(path, hash);
            mucmm__free(path);
            path = NULL;
        }
    }
    *hash = mucmm__hash(*hash, &s->vocabulary, sizeof s->vocabulary);
done:
    mucmm__free(x);
    mucmm__free(path);
    return status;
}
