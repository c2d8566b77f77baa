/* SPDX-License-Identifier: MIT
 *
 * normal.c - Unicode normalization that remembers where every byte comes from. A grapheme cluster
 * is normalized by itself: composition never reaches beyond one (Unicode Standard Annex 29). */
#include "encode/text.h"

#include <inttypes.h>
#include <utf8proc.h>

/* Longer clusters are cut: the reordering of marks takes quadratic time (Annex 15, stream-safe). */
#define MAX_CLUSTER 64
#define MAX_EXPANSION 18 /* code points that one becomes in NFKC: U+FDFA */

bool mucmm__is_space(int32_t point)
{
    utf8proc_category_t c = utf8proc_category(point);
    return (point >= 9 && point <= 13) || point == 0x85 || c == UTF8PROC_CATEGORY_ZS ||
           c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP;
}

mucmm_status mucmm__normal_put(mucmm__normal *m, int32_t point, int64_t begin, int64_t end)
{
    mucmm_status status = MUCMM_OK;
    utf8proc_uint8_t bytes[4];
    int64_t size = utf8proc_encode_char(point, bytes);

    if (m->n + size > m->room) {
        int64_t room = 2 * m->room + 256;
        TRY(mucmm__realloc(m->ctx, m->n, room, 1, &m->text));
        TRY(mucmm__realloc(m->ctx, m->n, room, sizeof *m->begin, &m->begin));
        TRY(mucmm__realloc(m->ctx, m->n, room, sizeof *m->end, &m->end));
        m->room = room;
    }
    for (int64_t i = 0; i < size; i++, m->n++) {
        m->text[m->n] = (char)bytes[i];
        m->begin[m->n] = begin;
        m->end[m->n] = end;
    }
done:
    return status;
}

void mucmm__normal_drop(mucmm__normal *m)
{
    mucmm__free(m->text);
    mucmm__free(m->begin);
    mucmm__free(m->end);
}

/* The end of the cluster that begins at byte `at`, or -1 if there is none in UTF-8. */
static int64_t cluster_end(const utf8proc_uint8_t *text, int64_t at, int64_t size)
{
    utf8proc_int32_t before, point, state = 0;
    utf8proc_ssize_t n = utf8proc_iterate(text + at, size - at, &before);

    if (n <= 0)
        return -1;
    at += n;
    for (int64_t k = 1; at < size && k < MAX_CLUSTER; k++, before = point) {
        n = utf8proc_iterate(text + at, size - at, &point);
        if (n <= 0 || utf8proc_grapheme_break_stateful(before, point, &state))
            break;
        at += n;
    }
    return at;
}

static bool is_wide_tilde(const utf8proc_uint8_t *bytes, int64_t n)
{
    return n >= 3 && bytes[0] == 0xef && bytes[1] == 0xbd && bytes[2] == 0x9e;
}

mucmm_status mucmm__normal_compose(mucmm__normal *m, const char *text, int64_t size,
                                   bool compatibility, mucmm__point_fn add)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    utf8proc_option_t how = UTF8PROC_STABLE | UTF8PROC_COMPOSE, own;
    utf8proc_int32_t points[MAX_CLUSTER * MAX_EXPANSION + 1];
    utf8proc_ssize_t n, most = MAX_CLUSTER * MAX_EXPANSION;

    if (compatibility)
        how |= UTF8PROC_COMPAT;
    for (int64_t at = 0, end; at < size; at = end) {
        end = cluster_end(bytes, at, size);
        if (end < 0)
            return mucmm__fail(m->ctx, MUCMM_EFORMAT, "the text is not UTF-8 at byte %" PRId64, at);
        own = m->keep_tilde && is_wide_tilde(bytes + at, end - at) ? how & ~UTF8PROC_COMPAT : how;
        n = utf8proc_decompose(bytes + at, end - at, points, most, own);
        if (n >= 0 && n <= most)
            n = utf8proc_normalize_utf32(points, n, own);
        if (n < 0 || n > most)
            return mucmm__fail(m->ctx, MUCMM_EFORMAT,
                               "the text cannot be normalized at byte %" PRId64, at);
        for (int64_t k = 0; k < n; k++) {
            mucmm_status status = add(m, points[k], at, end);
            if (status != MUCMM_OK)
                return status;
        }
    }
    return MUCMM_OK;
}
