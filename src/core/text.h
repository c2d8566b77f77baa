/* SPDX-License-Identifier: MIT
 *
 * text.h - a text that grows, whole or an error; a number out of one. */
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
/* A cell of a csv file: in quotes where csv asks for them, and nothing else changed (a name that
 * begins like a formula stays what it is, or it would be another name when it is read). */
void mucmm__text_cell(mucmm__text *t, const char *cell);
/* The shortest decimal number, with a point in any locale, that reads back as x, a double or, of
 * single ones, a float; nothing for NaN. */
void mucmm__text_double(mucmm__text *t, double x);
void mucmm__text_float(mucmm__text *t, float x);
/* *out: the text, a block for mucmm__free; NULL on failure. t is empty again. */
mucmm_status mucmm__text_done(mucmm__text *t, char **out);

/* text is nothing but 1 to 18 digits: *out is their number. */
bool mucmm__digits(const char *text, int64_t *out);

#endif
