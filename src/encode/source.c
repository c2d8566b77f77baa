/* SPDX-License-Identifier: MIT
 *
 * source.c - the raw inputs of one view: which pictures, texts, sounds or rows; the vocabulary of a
 * bag of words. */
#include "encode/encode.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

/* ---- making and freeing ------------------------------------------------------------ */

mucmm_source *mucmm__source_keep(const mucmm_source *s)
{
    mucmm_source *kept = (mucmm_source *)(uintptr_t)s;

    atomic_fetch_add(&kept->references, 1);
    return kept;
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
    mucmm__free(s->fits);
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
    TRY(mucmm__source_params_read(ctx, d, s));
    TRY(mucmm__alloc(ctx, n, sizeof *s->fits, &s->fits));
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
