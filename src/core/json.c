/* SPDX-License-Identifier: MIT
 *
 * json.c - JSON that is whole or an error: building with a flag that sticks, and a parser whose
 * every allocation is checked. */
#include "core/json.h"

#include "core/text.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- UTF-8 ------------------------------------------------------------------------- */

/* The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF. */
size_t mucmm__utf8_length(const unsigned char *p, size_t n)
{
    size_t length = p[0] < 0x80   ? 1
                    : p[0] < 0xc2 ? 0
                    : p[0] < 0xe0 ? 2
                    : p[0] < 0xf0 ? 3
                    : p[0] < 0xf5 ? 4
                                  : 0;
    unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;

    if (length > n || (length > 1 && (p[1] < low || p[1] > high)))
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool mucmm__json_is_utf8(const char *s)
{
    size_t n = strlen(s), k = 1;

    for (size_t i = 0; i < n && k > 0; i += k)
        k = mucmm__utf8_length((const unsigned char *)s + i, n - i);
    return k > 0;
}

/* The code point in UTF-8 at out; its bytes. */
static size_t utf8_put(uint32_t point, char *out)
{
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(lead[n] | point);
    return n;
}

/* ---- building ---------------------------------------------------------------------- */

void mucmm__json_set(mucmm__json_build *b, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        b->failed = true;
}

void mucmm__json_add(mucmm__json_build *b, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        b->failed = true;
}

json_t *mucmm__json_string(const char *s)
{
    size_t n, used = 0, k;
    json_t *value;
    char *valid;

    if (!s)
        return json_null();
    n = strlen(s);
    valid = malloc(3 * n + 1);
    if (!valid)
        return NULL;
    for (size_t i = 0; i < n; i += k ? k : 1) {
        k = mucmm__utf8_length((const unsigned char *)s + i, n - i);
        memcpy(valid + used, k ? s + i : "\xef\xbf\xbd", k ? k : 3);
        used += k ? k : 3;
    }
    value = json_stringn(valid, used);
    free(valid);
    return value;
}

json_t *mucmm__json_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

mucmm_status mucmm__json_done(mucmm_ctx *ctx, const mucmm__json_build *b, const json_t *root)
{
    return b->failed || !root ? mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: JSON") : MUCMM_OK;
}

json_t *mucmm__json_numbers(mucmm__json_build *b, const double *x, int64_t n)
{
    json_t *list = json_array();

    for (int64_t i = 0; i < n; i++)
        mucmm__json_add(b, list, mucmm__json_real(x[i]));
    return list;
}

/* jansson ignores that a key could not be written, so that its own buffer may lack some. */
static int dump_some(const char *bytes, size_t n, void *arg)
{
    mucmm__text *t = arg;

    mucmm__text_add(t, bytes, n);
    return t->status == MUCMM_OK ? 0 : -1;
}

mucmm_status mucmm__json_dump(mucmm_ctx *ctx, const json_t *value, size_t flags, char **out)
{
    mucmm__text t = {.ctx = ctx};

    if (json_dump_callback(value, dump_some, &t, flags) != 0 && t.status == MUCMM_OK)
        t.status = mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: JSON");
    return mucmm__text_done(&t, out);
}

/* ---- parsing ----------------------------------------------------------------------- */

#define MAX_DEPTH 512

typedef struct reader {
    mucmm_ctx *ctx;
    const char *text;
    size_t n, at;
    char *token; /* [room] a string without its escapes, a number with a NUL */
    size_t room;
    locale_t c_locale;
    int depth;
} reader;

static mucmm_status read_value(reader *r, json_t **out);

static mucmm_status no_memory(reader *r)
{
    return mucmm__fail(r->ctx, MUCMM_ENOMEM, "out of memory: JSON");
}

static mucmm_status damaged(reader *r, const char *what)
{
    return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s%s", what,
                       r->at >= r->n ? ", and the text ends" : "");
}

static int peek(const reader *r)
{
    return r->at < r->n ? (unsigned char)r->text[r->at] : -1;
}

static int peek_behind_space(reader *r)
{
    while (r->at < r->n && r->text[r->at] && strchr(" \t\r\n", r->text[r->at]))
        r->at++;
    return peek(r);
}

static bool take(reader *r, int c)
{
    bool there = peek(r) == c;

    r->at += there;
    return there;
}

static mucmm_status need_room(reader *r, size_t size)
{
    mucmm_status status = MUCMM_OK;
    size_t room = size < 256 ? 256 : 2 * size;

    if (size <= r->room)
        return MUCMM_OK;
    TRY(mucmm__realloc(r->ctx, 0, (int64_t)room, 1, &r->token));
    r->room = room;
done:
    return status;
}

/* ---- strings ----------------------------------------------------------------------- */

/* Four hexadecimal digits, or -1. */
static int32_t read_hex(reader *r)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    int32_t value = 0;

    for (int i = 0; i < 4; i++) {
        int c = peek(r);
        const char *digit = c > 0 ? strchr(digits, c) : NULL;
        if (!digit)
            return -1;
        value = value * 16 + (int32_t)(digit - digits < 16 ? digit - digits : digit - digits - 6);
        r->at++;
    }
    return value;
}

/* What stands behind "\u": one unit of UTF-16, or two that make one character. */
static mucmm_status read_point(reader *r, size_t *used)
{
    int32_t high = read_hex(r), low;

    if (high < 0)
        return damaged(r, "four hexadecimal digits are expected behind \\u");
    if (high == 0)
        return damaged(r, "\\u0000 is not allowed in a string");
    if (high >= 0xd800 && high <= 0xdfff) {
        low = high < 0xdc00 && take(r, '\\') && take(r, 'u') ? read_hex(r) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return damaged(r, "half of a surrogate pair in a string");
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    *used += utf8_put((uint32_t)high, r->token + *used);
    return MUCMM_OK;
}

static mucmm_status read_escape(reader *r, size_t *used)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    const char *found = c > 0 ? strchr(from, c) : NULL;

    if (take(r, 'u'))
        return read_point(r, used);
    if (!found)
        return damaged(r, "unknown escape in a string");
    r->token[(*used)++] = to[found - from];
    r->at++;
    return MUCMM_OK;
}

/* From the opening quote to behind the closing one; into token [*used], with a NUL behind. Never
 * longer than in the text. */
static mucmm_status read_string(reader *r, size_t *used)
{
    mucmm_status status = MUCMM_OK;
    size_t end = ++r->at, k;

    while (end < r->n && r->text[end] != '"')
        end += r->text[end] == '\\' ? 2 : 1;
    if (end >= r->n) {
        r->at = r->n;
        return damaged(r, "a string has no closing quote");
    }
    TRY(need_room(r, end - r->at + 1));
    *used = 0;
    while (!take(r, '"')) {
        if (take(r, '\\')) {
            TRY(read_escape(r, used));
            continue;
        }
        k = mucmm__utf8_length((const unsigned char *)r->text + r->at, end - r->at);
        if (k == 0 || peek(r) < 0x20)
            return damaged(r, k ? "control character in a string" : "a string is not UTF-8");
        memcpy(r->token + *used, r->text + r->at, k);
        *used += k;
        r->at += k;
    }
    r->token[*used] = '\0';
done:
    return status;
}

/* ---- numbers ----------------------------------------------------------------------- */

static bool take_digits(reader *r)
{
    size_t before = r->at;

    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return r->at > before;
}

/* Behind the number at r->at; *real: it has a fraction or an exponent. */
static bool scan_number(reader *r, bool *real)
{
    *real = false;
    take(r, '-');
    if (!take(r, '0') && !take_digits(r))
        return false;
    if (take(r, '.')) {
        *real = true;
        if (!take_digits(r))
            return false;
    }
    if (take(r, 'e') || take(r, 'E')) {
        *real = true;
        if (!take(r, '+'))
            take(r, '-');
        return take_digits(r);
    }
    return true;
}

static mucmm_status read_number(reader *r, json_t **out)
{
    mucmm_status status = MUCMM_OK;
    size_t start = r->at;
    long long whole = 0;
    double x = 0;
    bool real;

    if (!scan_number(r, &real))
        return damaged(r, "a value is expected");
    TRY(need_room(r, r->at - start + 1));
    memcpy(r->token, r->text + start, r->at - start);
    r->token[r->at - start] = '\0';
    errno = 0;
    if (real)
        x = strtod_l(r->token, NULL, r->c_locale);
    else
        whole = strtoll(r->token, NULL, 10);
    if (real ? !isfinite(x) : errno == ERANGE)
        return damaged(r, "a number is too large");
    *out = real ? json_real(x) : json_integer(whole);
    if (!*out)
        return no_memory(r);
done:
    return status;
}

/* ---- values ------------------------------------------------------------------------ */

static mucmm_status read_array(reader *r, json_t **out)
{
    mucmm_status status = MUCMM_OK;
    json_t *item = NULL;

    *out = json_array();
    if (!*out)
        return no_memory(r);
    r->at++;
    if (peek_behind_space(r) == ']') {
        r->at++;
        return MUCMM_OK;
    }
    do {
        TRY(read_value(r, &item));
        if (json_array_append_new(*out, item) != 0)
            return no_memory(r);
        peek_behind_space(r);
    } while (take(r, ','));
    if (!take(r, ']'))
        return damaged(r, "',' or ']' is expected in an array");
done:
    return status;
}

static mucmm_status read_member(reader *r, json_t *object)
{
    mucmm_status status = MUCMM_OK;
    json_t *value = NULL;
    char *key = NULL;
    size_t size = 0;

    if (peek_behind_space(r) != '"')
        return damaged(r, "a key in quotes is expected in an object");
    TRY(read_string(r, &size));
    if (json_object_get(object, r->token))
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "the key '%.64s' stands twice in an object",
                        r->token));
    TRY(mucmm__strdup(r->ctx, r->token, &key));
    if (peek_behind_space(r) != ':')
        TRY(damaged(r, "':' is expected behind a key"));
    r->at++;
    TRY(read_value(r, &value));
    if (json_object_set_new_nocheck(object, key, value) != 0)
        status = no_memory(r);
done:
    mucmm__free(key);
    return status;
}

static mucmm_status read_object(reader *r, json_t **out)
{
    mucmm_status status = MUCMM_OK;

    *out = json_object();
    if (!*out)
        return no_memory(r);
    r->at++;
    if (peek_behind_space(r) == '}') {
        r->at++;
        return MUCMM_OK;
    }
    do {
        TRY(read_member(r, *out));
        peek_behind_space(r);
    } while (take(r, ','));
    if (!take(r, '}'))
        return damaged(r, "',' or '}' is expected in an object");
done:
    return status;
}

static mucmm_status read_text(reader *r, json_t **out)
{
    mucmm_status status = MUCMM_OK;
    size_t size = 0;

    TRY(read_string(r, &size));
    *out = json_stringn_nocheck(r->token, size);
    if (!*out)
        return no_memory(r);
done:
    return status;
}

static bool take_word(reader *r, const char *word)
{
    size_t n = strlen(word);
    bool there = r->n - r->at >= n && memcmp(r->text + r->at, word, n) == 0;

    r->at += there ? n : 0;
    return there;
}

static mucmm_status read_value(reader *r, json_t **out)
{
    mucmm_status status;
    int c = peek_behind_space(r);

    *out = NULL;
    if (++r->depth > MAX_DEPTH)
        return damaged(r, "values are nested too deeply");
    if (c == '{')
        status = read_object(r, out);
    else if (c == '[')
        status = read_array(r, out);
    else if (c == '"')
        status = read_text(r, out);
    else if (take_word(r, "true") || take_word(r, "false") || take_word(r, "null")) {
        *out = c == 't' ? json_true() : c == 'f' ? json_false() : json_null();
        status = MUCMM_OK;
    } else
        status = read_number(r, out);
    r->depth--;
    if (status != MUCMM_OK) {
        json_decref(*out);
        *out = NULL;
    }
    return status;
}

static int line_of(const reader *r)
{
    int line = 1;

    for (size_t i = 0; i < r->at; i++)
        line += r->text[i] == '\n';
    return line;
}

mucmm_status mucmm__json_parse(mucmm_ctx *ctx, const void *text, size_t size, int *line,
                               json_t **out)
{
    reader r = {.ctx = ctx, .text = text, .n = size};
    mucmm_status status;

    *out = NULL;
    r.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!r.c_locale)
        return no_memory(&r);
    status = read_value(&r, out);
    if (status == MUCMM_OK && peek_behind_space(&r) >= 0) {
        json_decref(*out);
        *out = NULL;
        status = damaged(&r, "something stands behind the end of the value");
    }
    if (status == MUCMM_EFORMAT && line)
        *line = line_of(&r);
    else if (status == MUCMM_EFORMAT)
        mucmm__prefix(ctx, status, "line %d", line_of(&r));
    mucmm__free(r.token);
    freelocale(r.c_locale);
    return status;
}
