/* SPDX-License-Identifier: MIT
 *
 * encoded.c - what data whose rows came through an encoder know of their raw inputs. */
#include "encode/encode.h"

#include <inttypes.h>
#include <string.h>

const mucmm__encoded *mucmm__encoded_of(const mucmm_data *d)
{
    return mucmm__data_base(d)->encoded;
}

int32_t mucmm_data_raw_shape(const mucmm_data *d, int64_t shape[MUCMM_MAX_RANK])
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    if (!e)
        return mucmm_data_shape(d, shape);
    memcpy(shape, e->raw_shape, (size_t)e->raw_rank * sizeof *shape);
    return e->raw_rank;
}

int64_t mucmm_data_raw_cols(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? e->raw_cols : mucmm_data_cols(d);
}

mucmm_source_kind mucmm_data_source_kind(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? e->source->kind : MUCMM_SOURCE_ROWS;
}

double mucmm_data_rate(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e && e->source->kind == MUCMM_SOURCE_AUDIO ? (double)e->source->audio.rate : 0;
}

const char *mucmm_data_description(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? e->description : NULL;
}

int64_t mucmm_data_source_row(const mucmm_data *d, int64_t i)
{
    return i >= 0 && i < d->n ? mucmm__data_row(d, i) : -1;
}

const char *mucmm_data_item(const mucmm_data *d, int64_t row)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? mucmm__source_item(e->source, mucmm_data_source_row(d, row)) : NULL;
}

mucmm_status mucmm__encoded_check_row(mucmm_ctx *ctx, const mucmm_data *d, int64_t row)
{
    if (row < 0 || row >= d->n)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: row %" PRId64 " asked for, the rows are 0 to %" PRId64,
                           mucmm_data_label(d), row, d->n - 1);
    return MUCMM_OK;
}

mucmm_status mucmm_data_picture(mucmm_ctx *ctx, const mucmm_data *d, int64_t row, int64_t *height,
                                int64_t *width, unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm__picture picture = {0};

    if (!e || e->source->kind != MUCMM_SOURCE_IMAGE)
        return mucmm__fail(ctx, MUCMM_EARG, "%s has no pictures", mucmm_data_label(d));
    *height = e->source->image.height;
    *width = e->source->image.width;
    if (!rgb)
        return MUCMM_OK;
    TRY(mucmm__encoded_check_row(ctx, d, row));
    TRY(mucmm__source_picture(ctx, e->source, mucmm__data_row(d, row), &picture));
    memcpy(rgb, picture.rgb, (size_t)(3 * *height * *width));
done:
    mucmm__picture_drop(&picture);
    return status;
}

/* A bag of words has its columns from the texts it was fitted to; "fitted" tells two apart. */
mucmm_status mucmm__encoded_match(mucmm_ctx *ctx, const mucmm_data *d, const char *description)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    json_t *want = NULL, *have = NULL;
    const char *a, *b;

    if (description)
        TRY(mucmm__json_parse(ctx, description, strlen(description), NULL, &want));
    if (e)
        TRY(mucmm__json_parse(ctx, e->description, strlen(e->description), NULL, &have));
    a = json_string_value(json_object_get(want, "fitted"));
    b = json_string_value(json_object_get(have, "fitted"));
    if (a && b && strcmp(a, b) != 0)
        status = mucmm__fail(ctx, MUCMM_EARG,
                             "the vocabulary of these words is not the one that the model was "
                             "fitted on (%.32s, not %.32s): a study makes it from its training "
                             "rows, so table, split and keys of the view must be the same",
                             b, a);
done:
    json_decref(want);
    json_decref(have);
    return status;
}
