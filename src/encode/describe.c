/* SPDX-License-Identifier: MIT
 *
 * describe.c - descriptions of views: JSON objects of which every key is known, or refused with
 * the nearest one. */
#include "encode/encode.h"

#include "core/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ROWS MUCMM__KIND(MUCMM_SOURCE_ROWS)
#define IMAGE MUCMM__KIND(MUCMM_SOURCE_IMAGE)
#define TEXT MUCMM__KIND(MUCMM_SOURCE_TEXT)
#define AUDIO MUCMM__KIND(MUCMM_SOURCE_AUDIO)
#define ANY (ROWS | IMAGE | TEXT | AUDIO)

static const mucmm__key view_keys[] = {
    {"kind", ANY},
    /* where the rows are */
    {"file", ROWS},
    {"show", ROWS},
    {"column", IMAGE | TEXT | AUDIO},
    {"folder", IMAGE | AUDIO},
    {"suffix", IMAGE | AUDIO},
    /* how they are prepared */
    {"size", IMAGE},
    {"resize", IMAGE},
    {"fit", IMAGE},
    {"filter", IMAGE},
    {"channels", IMAGE},
    {"layout", IMAGE},
    {"normalize", IMAGE},
    {"mean", IMAGE},
    {"std", IMAGE},
    {"background", IMAGE},
    {"rate", AUDIO},
    {"samples", AUDIO},
    {"offset", AUDIO},
    {"scale", AUDIO},
    {"bands", AUDIO},
    {"frames", AUDIO},
    {"tokenizer", TEXT},
    {"vocabulary", TEXT},
    {"merges", TEXT},
    {"lower_case", TEXT},
    {"pad", TEXT},
    {"length", TEXT},
    {"truncate", TEXT},
    {"min_rows", TEXT},
    {"max_words", TEXT},
    {"fitted", TEXT},
    /* which network they go through */
    {"encoder", ANY},
    {"tensor", ANY},
    {"pool", ANY},
    {"wrt", ANY},
    {"batch", ANY},
    {"input", ROWS | IMAGE | AUDIO},
    {"ids", TEXT},
    {"mask", TEXT},
    {"types", TEXT},
    {NULL, 0},
};

static const struct {
    const char *name;
    mucmm_source_kind kind;
} kinds[] = {
    {"image", MUCMM_SOURCE_IMAGE}, {"text", MUCMM_SOURCE_TEXT},     {"audio", MUCMM_SOURCE_AUDIO},
    {"table", MUCMM_SOURCE_ROWS},  {"features", MUCMM_SOURCE_ROWS},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

mucmm_status mucmm__key_fail(mucmm_ctx *ctx, mucmm__description *d, const char *key,
                             const char *format, ...)
{
    char text[512], quoted[MUCMM__QUOTE];
    va_list args;

    mucmm__quote(d->bad_key, key);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return mucmm__fail(ctx, MUCMM_EARG, "'%s' %s", mucmm__quote(quoted, key), text);
}

/* ---- keys -------------------------------------------------------------------------- */

enum { MAX_KEYS = 64 };

static mucmm_status refuse_key(mucmm_ctx *ctx, mucmm__description *d, const char *wrong,
                               const mucmm__key *keys, mucmm_source_kind kind)
{
    const char *words[MAX_KEYS], *near;
    int64_t n = 0;

    for (const mucmm__key *k = keys; k->name && n < MAX_KEYS; k++) {
        if (strcmp(k->name, wrong) == 0)
            return mucmm__key_fail(ctx, d, wrong, "is not for a view of this kind");
        if (k->kinds & MUCMM__KIND(kind))
            words[n++] = k->name;
    }
    near = mucmm_nearest_word(wrong, words, n);
    return mucmm__key_fail(ctx, d, wrong, "is no key that is known here%s%s%s",
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

mucmm_status mucmm__check_keys(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                               const mucmm__key *keys, mucmm_source_kind kind)
{
    const char *name;
    json_t *value;

    /* The object is not changed; jansson's macro wants it without const. */
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const mucmm__key *k = keys;
        while (k->name && (strcmp(k->name, name) != 0 || !(k->kinds & MUCMM__KIND(kind))))
            k++;
        if (!k->name)
            return refuse_key(ctx, d, name, keys, kind);
    }
    return MUCMM_OK;
}

static mucmm_status read_kind(mucmm_ctx *ctx, mucmm__description *d)
{
    const char *name = NULL, *words[N_KINDS], *near;
    mucmm_status status = mucmm__get_string(ctx, d, d->root, "kind", &name);

    if (status != MUCMM_OK)
        return status;
    if (!name)
        return mucmm__key_fail(ctx, d, "kind", "is missing: image, text, audio, table or features");
    for (int i = 0; i < N_KINDS; i++) {
        words[i] = kinds[i].name;
        if (strcmp(kinds[i].name, name) == 0) {
            d->kind = kinds[i].kind;
            return MUCMM_OK;
        }
    }
    near = mucmm_nearest_word(name, words, N_KINDS);
    return mucmm__key_fail(
        ctx, d, "kind", "is '%.32s'; there are image, text, audio, table and features%s%s%s", name,
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

mucmm_status mucmm__description_check(mucmm_ctx *ctx, mucmm__description *d)
{
    mucmm_status status = MUCMM_OK;

    if (!json_is_object(d->root))
        return mucmm__fail(ctx, MUCMM_EARG, "a description is a JSON object: {\"kind\": ...}");
    TRY(read_kind(ctx, d));
    TRY(mucmm__check_keys(ctx, d, d->root, view_keys, d->kind));
done:
    return status;
}

mucmm_status mucmm__description_parse(mucmm_ctx *ctx, const char *text, const char *folder,
                                      mucmm__description *out)
{
    mucmm_status status;

    *out = (mucmm__description){.folder = folder};
    if (!text)
        return mucmm__fail(ctx, MUCMM_EARG, "no description");
    status = mucmm__json_parse(ctx, text, strlen(text), NULL, &out->root);
    if (status == MUCMM_EFORMAT)
        return mucmm__prefix(ctx, MUCMM_EARG, "description");
    return status == MUCMM_OK ? mucmm__description_check(ctx, out) : status;
}

void mucmm__description_drop(mucmm__description *d)
{
    json_decref(d->root);
    *d = (mucmm__description){0};
}

/* ---- values ------------------------------------------------------------------------ */

mucmm_status mucmm__get_string(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                               const char *key, const char **out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return MUCMM_OK;
    if (!json_is_string(value) || json_string_length(value) == 0)
        return mucmm__key_fail(ctx, d, key, "must be a text in quotes, not empty");
    *out = json_string_value(value);
    return MUCMM_OK;
}

mucmm_status mucmm__get_integer(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                                const char *key, int64_t low, int64_t high, int64_t *out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return MUCMM_OK;
    if (!json_is_integer(value) || json_integer_value(value) < low ||
        json_integer_value(value) > high)
        return mucmm__key_fail(ctx, d, key, "must be a whole number from %" PRId64 " to %" PRId64,
                               low, high);
    *out = json_integer_value(value);
    return MUCMM_OK;
}

mucmm_status mucmm__get_number(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                               const char *key, double *out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return MUCMM_OK;
    if (!json_is_number(value))
        return mucmm__key_fail(ctx, d, key, "must be a number");
    *out = json_number_value(value);
    return MUCMM_OK;
}

mucmm_status mucmm__get_flag(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                             const char *key, bool *out)
{
    const json_t *value = json_object_get(object, key);

    if (!value)
        return MUCMM_OK;
    if (!json_is_boolean(value))
        return mucmm__key_fail(ctx, d, key, "must be true or false");
    *out = json_is_true(value);
    return MUCMM_OK;
}

mucmm_status mucmm__get_numbers(mucmm_ctx *ctx, mucmm__description *d, const json_t *object,
                                const char *key, int64_t most, double *out, int64_t *n)
{
    const json_t *value = json_object_get(object, key);

    *n = 0;
    if (!value)
        return MUCMM_OK;
    if (json_is_number(value)) {
        out[0] = json_number_value(value);
        *n = 1;
        return MUCMM_OK;
    }
    if (!json_is_array(value) || json_array_size(value) < 1 ||
        json_array_size(value) > (size_t)most)
        return mucmm__key_fail(ctx, d, key, "must be a list of 1 to %" PRId64 " numbers", most);
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_number(json_array_get(value, i)))
            return mucmm__key_fail(ctx, d, key, "must be a list of numbers");
        out[(*n)++] = json_number_value(json_array_get(value, i));
    }
    return MUCMM_OK;
}

mucmm_status mucmm__json_text(mucmm_ctx *ctx, const json_t *object, char **out)
{
    return mucmm__json_dump(ctx, object, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(17),
                            out);
}

mucmm_status mucmm__path_join(mucmm_ctx *ctx, const char *folder, const char *name, char **out)
{
    size_t size = (folder ? strlen(folder) : 0) + strlen(name) + 2;
    mucmm_status status = mucmm__alloc(ctx, (int64_t)size, 1, out);

    if (status != MUCMM_OK)
        return status;
    if (folder && strcmp(folder, ".") != 0 && name[0] != '/')
        snprintf(*out, size, "%s/%s", folder, name);
    else
        snprintf(*out, size, "%s", name);
    return MUCMM_OK;
}
