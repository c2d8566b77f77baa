/* SPDX-License-Identifier: MIT
 *
 * source_rows.c - the items of a source: their files, their rows prepared for the encoder, and what
 * the features depend on. */
#include "encode/encode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

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

static void note_fit(const mucmm_source *s, int64_t row, unsigned char fit)
{
    if (s->fits)
        atomic_store_explicit(&s->fits[row], fit | MUCMM__ROW_READ, memory_order_relaxed);
}

/* Within a sample of the window is neither. */
static unsigned char fit_of_sound(const mucmm__audio_params *p, const mucmm__sound *in)
{
    double samples = ((double)in->n / (double)in->rate - p->offset) * (double)p->rate;

    return samples > (double)p->samples + 1   ? MUCMM__ROW_CUT
           : samples < (double)p->samples - 1 ? MUCMM__ROW_FILLED
                                              : 0;
}

void mucmm__source_tell(mucmm_ctx *ctx, const mucmm_source *s, const bool *bad)
{
    int64_t cut = 0, filled = 0, n = 0, first[2] = {-1, -1};

    for (int64_t i = 0; s->fits && i < s->n; i++) {
        unsigned char fit = atomic_load_explicit(&s->fits[i], memory_order_relaxed);
        if (bad[i])
            continue;
        if (!(fit & MUCMM__ROW_READ)) /* out of a cache */
            return;
        n++;
        if (fit & MUCMM__ROW_CUT && cut++ == 0)
            first[0] = i;
        if (fit & MUCMM__ROW_FILLED && filled++ == 0)
            first[1] = i;
    }
    if (cut > 0)
        mucmm__warn(ctx,
                    "%" PRId64 " of %" PRId64 " %s are longer than the %" PRId64
                    " %s that the encoder takes and are cut (the first is row %" PRId64 ")",
                    cut, n, s->tokenizer ? "texts" : "sounds", s->tokenizer ? s->length : s->cols,
                    s->tokenizer ? "tokens" : "samples", first[0]);
    if (filled > 0)
        mucmm__warn(ctx,
                    "%" PRId64 " of %" PRId64 " sounds are shorter than the %" PRId64
                    " samples that the encoder takes and are filled up with silence (the first is "
                    "row %" PRId64 ")",
                    filled, n, s->cols, first[1]);
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
    note_fit(s, row, fit_of_sound(&s->audio, &sound));
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
        if (mucmm_data_empty(s->data, row) > 0)
            return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                               "%s: row %lld has empty cells, and an encoder needs all of its "
                               "inputs; drop such rows (`missing` drop)",
                               mucmm_data_label(s->data), (long long)row);
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
        note_fit(s, row, tokens.truncated ? MUCMM__ROW_CUT : 0);
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
