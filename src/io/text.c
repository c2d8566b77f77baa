/* SPDX-License-Identifier: MIT
 *
 * text.c - names: in messages, at the end of a path, in a hash index. */
#include "io/data.h"

#include <string.h>
#include <strings.h>

const char *mucmm__quote(char out[MUCMM__QUOTE], const char *s)
{
    size_t n = strlen(s), keep = n < MUCMM__QUOTE ? n : MUCMM__QUOTE - 4;

    while (keep < n && keep > 0 && ((unsigned char)s[keep] & 0xc0) == 0x80)
        keep--;           /* not in the middle of a UTF-8 character */
    memcpy(out, s, keep); /* what steers a terminal is shown by the message that it comes into */
    memcpy(out + keep, keep < n ? "..." : "", keep < n ? 4 : 1);
    return out;
}

bool mucmm__ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strncasecmp(name + n - m, end, m) == 0;
}

bool mucmm__is_table_name(const char *name)
{
    return mucmm__ends_with(name, ".csv") || mucmm__ends_with(name, ".tsv") ||
           mucmm__ends_with(name, ".csv.gz") || mucmm__ends_with(name, ".tsv.gz");
}

/* ---- lists of names and patterns --------------------------------------------------- */

bool mucmm__list_item(const char *list, int64_t i, char out[MUCMM__ITEM])
{
    const char *end;
    size_t n;

    for (; i > 0 && list; i--) {
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    if (!list)
        return false;
    end = strchr(list, ',');
    n = end ? (size_t)(end - list) : strlen(list);
    n = n < MUCMM__ITEM ? n : MUCMM__ITEM - 1;
    while (n > 0 && *list == ' ') {
        list++;
        n--;
    }
    while (n > 0 && list[n - 1] == ' ')
        n--;
    memcpy(out, list, n);
    out[n] = '\0';
    return true;
}

bool mucmm__pattern_fits(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL; /* the last * and where its match began */

    while (*name)
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++from;
        } else
            return false;
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

int64_t mucmm__list_find(const char *list, const char *name, uint64_t *used)
{
    char item[MUCMM__ITEM];
    int64_t found = -1;

    for (int64_t i = 0; mucmm__list_item(list, i, item); i++)
        if (item[0] && mucmm__pattern_fits(item, name)) {
            found = found < 0 ? i : found;
            if (used && i < 64)
                *used |= (uint64_t)1 << i;
        }
    return found;
}

/* ---- hash index: open addressing, at most half full -------------------------------- */

mucmm_status mucmm__index_init(mucmm_ctx *ctx, mucmm__index *x, int64_t n,
                               const char *(*name)(const void *, int64_t), const void *arg)
{
    *x = (mucmm__index){.n_slots = 16, .name = name, .arg = arg};
    while (x->n_slots / 2 < n)
        x->n_slots *= 2;
    return mucmm__alloc(ctx, x->n_slots, sizeof *x->slots, &x->slots);
}

void mucmm__index_drop(mucmm__index *x)
{
    mucmm__free(x->slots);
    x->slots = NULL;
}

/* The slot that holds this name, or the free one where it belongs. */
static int64_t find_slot(const mucmm__index *x, const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a, whose low bits are then mixed */
    int64_t slot;

    for (const char *p = name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    slot = (int64_t)(mucmm__rng_bits(hash, 0) & (uint64_t)(x->n_slots - 1));
    while (x->slots[slot] && strcmp(x->name(x->arg, x->slots[slot] - 1), name) != 0)
        slot = (slot + 1) & (x->n_slots - 1);
    return slot;
}

int64_t mucmm__index_find(const mucmm__index *x, const char *name)
{
    return x->slots[find_slot(x, name)] - 1;
}

int64_t mucmm__index_insert(mucmm__index *x, int64_t i)
{
    int64_t slot = find_slot(x, x->name(x->arg, i)), before = x->slots[slot] - 1;

    if (before < 0)
        x->slots[slot] = i + 1;
    return before;
}

/* ---- near words -------------------------------------------------------------------- */

int64_t mucmm__edit_distance(const char *a, const char *b)
{
    enum { COMPARED = 96 };
    int64_t row[COMPARED + 1];
    int64_t n = (int64_t)strnlen(a, COMPARED), m = (int64_t)strnlen(b, COMPARED);

    for (int64_t j = 0; j <= m; j++)
        row[j] = j;
    for (int64_t i = 1; i <= n; i++) {
        int64_t diagonal = row[0];
        row[0] = i;
        for (int64_t j = 1; j <= m; j++) {
            int64_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            int64_t added = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < added ? replaced : added;
        }
    }
    return row[m];
}

const char *mucmm_nearest_word(const char *wrong, const char *const *words, int64_t n)
{
    const char *best = NULL;
    int64_t length = (int64_t)strlen(wrong), least = length / 3 + 2;

    for (int64_t i = 0; i < n; i++) {
        bool prefix = length >= 3 && strncmp(wrong, words[i], (size_t)length) == 0;
        int64_t distance = prefix ? 0 : mucmm__edit_distance(wrong, words[i]);
        if (distance < least) {
            least = distance;
            best = words[i];
        }
    }
    return best;
}
