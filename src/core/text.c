/* SPDX-License-Identifier: MIT
 *
 * text.c - a text that grows, whole or an error. */
#include "core/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mucmm__text_add(mucmm__text *t, const char *bytes, size_t n)
{
    int64_t needed = t->used + (int64_t)n + 1;

    if (t->status == MUCMM_OK && needed > t->room) {
        int64_t room = 2 * t->room + needed;
        t->status = mucmm__realloc(t->ctx, t->used, room, 1, &t->bytes);
        t->room = room;
    }
    if (t->status != MUCMM_OK)
        return;
    memcpy(t->bytes + t->used, bytes, n);
    t->used += (int64_t)n;
    t->bytes[t->used] = '\0';
}

void mucmm__text_format(mucmm__text *t, const char *format, ...)
{
    char some[128];
    va_list args;

    va_start(args, format);
    vsnprintf(some, sizeof some, format, args);
    va_end(args);
    mucmm__text_add(t, some, strlen(some));
}

void mucmm__text_cell(mucmm__text *t, const char *cell)
{
    size_t n = strlen(cell);

    if (!strpbrk(cell, ",;\t\"\r\n") && (n == 0 || (cell[0] != ' ' && cell[n - 1] != ' '))) {
        mucmm__text_add(t, cell, n);
        return;
    }
    mucmm__text_add(t, "\"", 1);
    for (; *cell; cell++)
        mucmm__text_add(t, *cell == '"' ? "\"\"" : cell, *cell == '"' ? 2 : 1);
    mucmm__text_add(t, "\"", 1);
}

/* With a point, whatever the program's locale has there. */
static void put_digits(mucmm__text *t, const char *s)
{
    const char *rest = s + strspn(s, "-0123456789");
    size_t point = strcspn(rest, "0123456789ein");

    mucmm__text_add(t, s, (size_t)(rest - s));
    mucmm__text_add(t, ".", point > 0);
    mucmm__text_add(t, rest + point, strlen(rest + point));
}

void mucmm__text_double(mucmm__text *t, double x)
{
    char s[64] = "";

    if (isnan(x))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (strtod(s, NULL) == x)
            break;
    }
    put_digits(t, s);
}

void mucmm__text_float(mucmm__text *t, float x)
{
    char s[64] = "";

    if (isnan(x))
        return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, (double)x);
        if (strtof(s, NULL) == x)
            break;
    }
    put_digits(t, s);
}

mucmm_status mucmm__text_done(mucmm__text *t, char **out)
{
    mucmm_status status = t->status;

    if (status != MUCMM_OK)
        mucmm__free(t->bytes);
    *out = status == MUCMM_OK ? t->bytes : NULL;
    *t = (mucmm__text){.ctx = t->ctx};
    return status;
}

bool mucmm__digits(const char *text, int64_t *out)
{
    size_t n = strlen(text);

    if (n == 0 || n > 18 || strspn(text, "0123456789") != n)
        return false;
    *out = strtoll(text, NULL, 10);
    return true;
}
