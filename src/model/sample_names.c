/* SPDX-License-Identifier: MIT
 *
 * Rows by what people call them: a list of keys, numbers and ranges; a file's name for a row. */
#include "core/text.h"
#include "io/data.h"
#include "model/represent.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

/* Of more samples than that none is suggested for a mistyped one. */
#define MOST_SUGGESTED 20000

typedef struct selection {
    mucmm_ctx *ctx;
    const mucmm_views *views;
    int64_t limit; /* rows of the views */
    int64_t *rows; /* NULL: they are only counted */
    int64_t n;
} selection;

/* The first row of that name, or -1. */
static int64_t find(const selection *s, const char *name)
{
    for (int64_t i = 0; i < s->limit; i++) {
        const char *sample = mucmm_views_sample(s->views, i, NULL);
        if (sample && strcmp(sample, name) == 0)
            return i;
    }
    return -1;
}

static void take(selection *s, int64_t first, int64_t last)
{
    for (int64_t i = first; i <= last; i++, s->n++)
        if (s->rows)
            s->rows[s->n] = i;
}

/* All rows that no view lacks: of others nothing can be shown. */
static void take_complete(selection *s)
{
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    int32_t n = mucmm_views_count(s->views);

    for (int32_t v = 0; v < n; v++)
        data[v] = mucmm_views_list(s->views)[v].data;
    for (int64_t i = 0; i < s->limit; i++)
        if (mucmm__row_views(n, data, i) == ((uint32_t)1 << n) - 1)
            take(s, i, i);
}

/* "7" or "3-9"; word is used up. */
static bool parse_range(char *word, int64_t *first, int64_t *last)
{
    char *dash = strchr(word, '-');

    if (dash)
        *dash++ = '\0';
    return mucmm__digits(word, first) && mucmm__digits(dash ? dash : word, last) && *last >= *first;
}

static mucmm_status unknown(selection *s, const char *word)
{
    mucmm_status status = MUCMM_OK;
    char quoted[MUCMM__QUOTE], nearest[MUCMM__QUOTE];
    const char **names = NULL, *near;
    bool named = s->limit > 0 && mucmm_views_sample(s->views, 0, NULL);
    int64_t n = 0;

    if (!named || s->limit > MOST_SUGGESTED)
        return mucmm__fail(s->ctx, MUCMM_EARG,
                           "`samples`: '%s' is %sno list of row numbers, which count from 0, such "
                           "as 0,5,9 or 0-4, and not all",
                           mucmm__quote(quoted, word), named ? "no sample's name, " : "");
    TRY(mucmm__alloc(s->ctx, s->limit, sizeof *names, &names));
    for (int64_t i = 0; i < s->limit; i++)
        if ((names[n] = mucmm_views_sample(s->views, i, NULL)))
            n++;
    near = mucmm_nearest_word(word, names, n);
    mucmm__quote(nearest, near ? near : names[0]);
    status =
        mucmm__fail(s->ctx, MUCMM_EARG,
                    "`samples`: '%s' is no sample's name, no list of row numbers such as 0,5,9 "
                    "or 0-4, and not all; %s '%s'%s",
                    mucmm__quote(quoted, word), near ? "did you mean" : "names are such as",
                    nearest, near ? "?" : "");
done:
    mucmm__free(names);
    return status;
}

static mucmm_status take_word(selection *s, char *word)
{
    int64_t first = find(s, word), last = first;
    char quoted[MUCMM__QUOTE];

    mucmm__quote(quoted, word);
    if (first < 0 && strcmp(word, "all") == 0) {
        take_complete(s);
        return MUCMM_OK;
    } else if (first < 0) {
        char *copy = NULL;
        mucmm_status status = mucmm__strdup(s->ctx, word, &copy);
        bool range = status == MUCMM_OK && parse_range(copy, &first, &last);
        mucmm__free(copy);
        if (status != MUCMM_OK || !range)
            return status != MUCMM_OK ? status : unknown(s, word);
    }
    if (last >= s->limit)
        return mucmm__fail(s->ctx, MUCMM_ESHAPE,
                           "`samples`: there is no sample %s; the views have %" PRId64
                           " rows, numbered from 0",
                           quoted, s->limit);
    take(s, first, last);
    return MUCMM_OK;
}

/* text is used up. */
static mucmm_status take_list(selection *s, char *text)
{
    mucmm_status status = MUCMM_OK;
    int64_t whole = strchr(text, ',') ? find(s, text) : -1; /* a name with a comma */

    s->n = 0;
    if (whole >= 0) {
        take(s, whole, whole);
        return MUCMM_OK;
    }
    for (char *at = text, *end; at; at = end ? end + 1 : NULL) {
        if ((end = strchr(at, ',')))
            *end = '\0';
        if (*at || (end && end[1])) /* a comma at the end is no harm */
            TRY(take_word(s, at));
    }
    if (s->n == 0)
        TRY(mucmm__fail(s->ctx, MUCMM_EARG, "`samples`: the list is empty"));
done:
    return status;
}

mucmm_status mucmm_views_samples(mucmm_ctx *ctx, const mucmm_views *views, const char *text,
                                 int64_t **rows, int64_t *n)
{
    mucmm_status status = MUCMM_OK;
    selection s = {ctx, views, mucmm_data_rows(mucmm_views_list(views)[0].data), NULL, 0};
    char *copy = NULL;

    *rows = NULL;
    *n = 0;
    TRY(mucmm__strdup(ctx, text ? text : "", &copy));
    TRY(take_list(&s, copy));
    TRY(mucmm__alloc(ctx, s.n, sizeof *s.rows, &s.rows));
    strcpy(copy, text);
    TRY(take_list(&s, copy));
    *rows = s.rows;
    *n = s.n;
    s.rows = NULL;
done:
    mucmm__free(s.rows);
    mucmm__free(copy);
    return status;
}

/* ---- names of files ---------------------------------------------------------------- */

/* Bytes of a key in a file's name, at most. */
enum { LONGEST = 96 };

/* In every file system, and in a shell without quotes; letters beyond ASCII are left. */
static bool is_plain(unsigned char c)
{
    return isalnum(c) || c >= 0x80 || (c && strchr("._-+@", c));
}

const char *mucmm_views_file_name(const mucmm_views *views, int64_t row, char *out, size_t size)
{
    const char *key = NULL;
    size_t used = 0;
    bool changed;

    for (int32_t i = 0; i < mucmm_views_count(views) && !key; i++)
        key = mucmm_data_key(mucmm_views_list(views)[i].data, row);
    if (!key || !*key || size < LONGEST + 32) {
        snprintf(out, size, "%" PRId64, row);
        return out;
    }
    changed = key[0] == '.' || key[0] == '-';
    for (; key[used] && used < LONGEST; used++) {
        bool plain = is_plain((unsigned char)key[used]) && !(used == 0 && changed);
        out[used] = key[used];
        if (!plain) {
            out[used] = '_';
            changed = true;
        }
    }
    if (key[used]) { /* cut before a letter, not within */
        changed = true;
        while (used > 0 && ((unsigned char)key[used] & 0xC0) == 0x80)
            used--;
    }
    out[used] = '\0';
    if (changed) /* else no two keys have one name, and no key has a '~' in it */
        snprintf(out + used, size - used, "~%" PRId64, row);
    return out;
}
