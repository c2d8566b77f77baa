/* SPDX-License-Identifier: MIT
 *
 * text.h - a text that grows, whole or an error. */
#ifndef MUCMM_CORE_TEXT_H
#define MUCMM_CORE_TEXT_H

#include "core/core.h"

/* Zeroed at the start but for ctx. What comes after a failure is dropped, so that one look at the
 * end tells whether everything is there: mucmm__text_done. */
typedef struct mucmm__text {
    mucmm_ctx *ctx;
    char *bytes; /* ends in NUL, once there is any */
    int64_t used, room;
    mucmm_status status;
} mucmm__text;

void mucmm__text_add(mucmm__text *t, const char *bytes, size_t n);
/* At most 127 bytes; real numbers as the program's locale has them. */
void mucmm__text_format(mucmm__text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* *out: the text, a block for mucmm__free; NULL on failure. t is empty again. */
mucmm_status mucmm__text_done(mucmm__text *t, char **out);

#endif
