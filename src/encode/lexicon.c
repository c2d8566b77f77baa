/* SPDX-License-Identifier: MIT
 *
 * lexicon.c - the pieces of a vocabulary, sorted by their bytes: those that begin with what has
 * been read so far are a range, and one more byte narrows it. */
#include "encode/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define MAX_PIECES 16000000

bool mucmm__lines_next(mucmm__lines *l, const char **bytes, int64_t *size)
{
    const char *stop;

    if (l->at == l->end)
        return false;
    stop = memchr(l->at, '\n', (size_t)(l->end - l->at));
    *bytes = l->at;
    *size = (stop ? stop : l->end) - l->at;
    l->at = stop ? stop + 1 : l->end;
    l->line++;
    if (*size > 0 && (*bytes)[*size - 1] == '\r')
        --*size;
    return true;
}

/* ---- filling ----------------------------------------------------------------------- */

static bool is_utf8(const char *bytes, int64_t size)
{
    for (int64_t i = 0; i < size;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)bytes + i, size - i, &point);
        if (n <= 0)
            return false;
        i += n;
    }
    return true;
}

static mucmm_status make_room(mucmm_ctx *ctx, mucmm__lexicon *x, int64_t size)
{
    mucmm_status status = MUCMM_OK;

    if (x->n == x->room) {
        TRY(mucmm__realloc(ctx, x->n, 2 * x->room + 1024, sizeof *x->pieces, &x->pieces));
        x->room = 2 * x->room + 1024;
    }
    if (x->n_text + size + 1 > x->text_room) {
        TRY(mucmm__realloc(ctx, x->n_text, 2 * x->text_room + 16384, 1, &x->text));
        x->text_room = 2 * x->text_room + 16384;
    }
done:
    return status;
}

mucmm_status mucmm__lexicon_add(mucmm_ctx *ctx, mucmm__lexicon *x, const char *where,
                                const char *bytes, int64_t size, int64_t id, int64_t line,
                                double score)
{
    mucmm_status status;

    if (size < 1 || size > MUCMM__MAX_PIECE)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a piece of %" PRId64 " bytes; it has 1 to %d",
                           where, size, MUCMM__MAX_PIECE);
    if (memchr(bytes, 0, (size_t)size) || !is_utf8(bytes, size))
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a piece that is not text in UTF-8", where);
    if (x->n == MAX_PIECES)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED, "%s: more than %d pieces", where, MAX_PIECES);
    status = make_room(ctx, x, size);
    if (status != MUCMM_OK)
        return status;
    memcpy(x->text + x->n_text, bytes, (size_t)size);
    x->text[x->n_text + size] = '\0';
    x->pieces[x->n++] =
        (mucmm__piece){.at = x->n_text, .size = size, .id = id, .line = line, .score = score};
    x->n_text += size + 1;
    return MUCMM_OK;
}

/* As bytes (each ends in NUL, which no piece contains); of the same bytes the likeliest first. */
static int compare(const void *a, const void *b, void *text)
{
    const mucmm__piece *p = a, *q = b;
    int order = strcmp((const char *)text + p->at, (const char *)text + q->at);

    if (order)
        return order;
    return p->score != q->score ? (p->score < q->score ? 1 : -1)
                                : (p->id > q->id) - (p->id < q->id);
}

/* "file:line", or the file alone for a piece without a line. */
static const char *where_is(char out[512], const char *file, const mucmm__piece *p)
{
    if (p->line > 0)
        snprintf(out, 512, "%s:%" PRId64, file, p->line);
    else
        snprintf(out, 512, "%s", file);
    return out;
}

static mucmm_status check_pieces(mucmm_ctx *ctx, const mucmm__lexicon *x, const char *file)
{
    char where[512];

    for (int64_t i = 0; i < x->n; i++) {
        const mucmm__piece *p = x->pieces + i, *before = i ? p - 1 : NULL;
        if (before && before->score == p->score &&
            strcmp(x->text + before->at, x->text + p->at) == 0)
            return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: the piece '%s' is there already",
                               where_is(where, file, p->line > before->line ? p : before),
                               x->text + p->at);
        if (p->id < 0 || p->id >= x->n)
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "%s: id %" PRId64 " of '%s'; the ids of %" PRId64
                               " pieces are 0 to %" PRId64,
                               where_is(where, file, p), p->id, x->text + p->at, x->n, x->n - 1);
    }
    return MUCMM_OK;
}

mucmm_status mucmm__lexicon_seal(mucmm_ctx *ctx, mucmm__lexicon *x, const char *file)
{
    mucmm_status status = MUCMM_OK;
    char where[512];

    if (x->n == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a vocabulary without pieces", file);
    qsort_r(x->pieces, (size_t)x->n, sizeof *x->pieces, compare, x->text);
    TRY(check_pieces(ctx, x, file));
    TRY(mucmm__alloc(ctx, x->n, sizeof *x->by_id, &x->by_id));
    for (int64_t i = 0; i < x->n; i++)
        x->by_id[i] = -1;
    for (int64_t i = 0; i < x->n; i++) {
        int64_t *slot = x->by_id + x->pieces[i].id;
        if (*slot >= 0)
            TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s: id %" PRId64 " of '%s' is also that of '%s'",
                            where_is(where, file, x->pieces + i), x->pieces[i].id,
                            x->text + x->pieces[i].at, x->text + x->pieces[*slot].at));
        *slot = i;
    }
done:
    return status;
}

void mucmm__lexicon_drop(mucmm__lexicon *x)
{
    mucmm__free(x->text);
    mucmm__free(x->pieces);
    mucmm__free(x->by_id);
    *x = (mucmm__lexicon){0};
}

/* ---- finding ----------------------------------------------------------------------- */

mucmm__prefix_range mucmm__lexicon_all(const mucmm__lexicon *x)
{
    return (mucmm__prefix_range){0, x->n, 0};
}

/* The first piece of the range whose next byte is at least `byte`; a piece that ends has 0 there.
 */
static int64_t bound(const mucmm__lexicon *x, const mucmm__prefix_range *r, int byte)
{
    int64_t low = r->first, high = r->last;

    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((unsigned char)x->text[x->pieces[middle].at + r->depth] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool mucmm__lexicon_step(const mucmm__lexicon *x, mucmm__prefix_range *r, unsigned char byte)
{
    int64_t first = bound(x, r, byte);

    if (byte == 0) /* in no piece */
        first = r->last;
    r->last = bound(x, r, byte + 1);
    r->first = first < r->last ? first : r->last;
    r->depth++;
    return r->first < r->last;
}

const mucmm__piece *mucmm__lexicon_exact(const mucmm__lexicon *x, const mucmm__prefix_range *r)
{
    const mucmm__piece *p = x->pieces + r->first;
    return r->first < r->last && p->size == r->depth ? p : NULL;
}

int64_t mucmm__lexicon_find(const mucmm__lexicon *x, const char *bytes, int64_t size)
{
    mucmm__prefix_range r = mucmm__lexicon_all(x);
    const mucmm__piece *p;

    for (int64_t i = 0; i < size; i++)
        if (!mucmm__lexicon_step(x, &r, (unsigned char)bytes[i]))
            return -1;
    p = mucmm__lexicon_exact(x, &r);
    return p ? p->id : -1;
}

/* ---- for all kinds of tokenizers --------------------------------------------------- */

void mucmm__sink_put(mucmm__sink *s, int64_t id, int64_t begin, int64_t end)
{
    if (s->n < s->room) {
        s->ids[s->n] = id;
        if (s->begin)
            s->begin[s->n] = begin;
        if (s->end)
            s->end[s->n] = end;
    }
    s->n++;
}

const char *mucmm__tokenizer_piece(const mucmm__tokenizer *t, int64_t id)
{
    if (id < 0 || id >= t->words.n)
        return NULL;
    return t->words.text + t->words.pieces[t->words.by_id[id]].at;
}
