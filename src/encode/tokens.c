/* SPDX-License-Identifier: MIT
 *
 * tokens.c - the pieces or words of a row of text, all at once. */
#include "encode/encode.h"

#include <string.h>

struct mucmm_tokens {
    char *text;  /* all pieces, each ended by a NUL */
    int64_t *at; /* [n] offsets into text           */
    int64_t n, room, used, text_room;
};

static mucmm_status add_piece(mucmm_ctx *ctx, void *arg, const char *piece, int64_t size)
{
    mucmm_status status = MUCMM_OK;
    mucmm_tokens *t = arg;
    int64_t room = 2 * t->room + 64, text_room = 2 * t->text_room + size + 1024;

    if (t->n == t->room) {
        TRY(mucmm__realloc(ctx, t->n, room, sizeof *t->at, &t->at));
        t->room = room;
    }
    if (t->used + size + 1 > t->text_room) {
        TRY(mucmm__realloc(ctx, t->used, text_room, 1, &t->text));
        t->text_room = text_room;
    }
    t->at[t->n++] = t->used;
    memcpy(t->text + t->used, piece, (size_t)size);
    t->text[t->used + size] = '\0';
    t->used += size + 1;
done:
    return status;
}

/* Padding is "", an id without a piece "?". */
static mucmm_status add_pieces(mucmm_ctx *ctx, const mucmm_source *s, int64_t row, mucmm_tokens *t)
{
    mucmm_status status = MUCMM_OK;
    int64_t *ids = NULL;
    float *mask = NULL;

    TRY(mucmm__alloc(ctx, s->length, sizeof *ids, &ids));
    TRY(mucmm__alloc(ctx, s->length, sizeof *mask, &mask));
    TRY(mucmm__source_read(ctx, s, row, NULL, ids, mask));
    for (int64_t i = 0; i < s->length; i++) {
        const char *piece = mask[i] > 0 ? mucmm__tokenizer_piece(s->tokenizer, ids[i]) : "";
        piece = piece ? piece : "?";
        TRY(add_piece(ctx, t, piece, (int64_t)strlen(piece)));
    }
done:
    mucmm__free(ids);
    mucmm__free(mask);
    return status;
}

mucmm_status mucmm_data_tokens(mucmm_ctx *ctx, const mucmm_data *d, int64_t row, mucmm_tokens **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm_tokens *t = NULL;

    *out = NULL;
    if (!e || e->source->kind != MUCMM_SOURCE_TEXT)
        return mucmm__fail(ctx, MUCMM_EARG, "%s has no tokens", mucmm_data_label(d));
    TRY(mucmm__encoded_check_row(ctx, d, row));
    TRY(mucmm__alloc(ctx, 1, sizeof *t, &t));
    if (e->source->words)
        TRY(mucmm__words_each(ctx, mucmm_data_item(d, row), add_piece, t));
    else
        TRY(add_pieces(ctx, e->source, mucmm__data_row(d, row), t));
    *out = t;
    t = NULL;
done:
    mucmm_tokens_free(t);
    return status;
}

void mucmm_tokens_free(mucmm_tokens *t)
{
    if (!t)
        return;
    mucmm__free(t->text);
    mucmm__free(t->at);
    mucmm__free(t);
}

int64_t mucmm_tokens_count(const mucmm_tokens *t)
{
    return t->n;
}

const char *mucmm_tokens_piece(const mucmm_tokens *t, int64_t i)
{
    return i >= 0 && i < t->n ? t->text + t->at[i] : NULL;
}
