/* SPDX-License-Identifier: MIT
 *
 * text.c - a text that grows, whole or an error. */
#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>
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

mucmm_status mucmm__text_done(mucmm__text *t, char **out)
{
    mucmm_status status = t->status;

    if (status != MUCMM_OK)
        mucmm__free(t->bytes);
    *out = status == MUCMM_OK ? t->bytes : NULL;
    *t = (mucmm__text){.ctx = t->ctx};
    return status;
}
