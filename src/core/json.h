/* SPDX-License-Identifier: MIT
 *
 * json.h - JSON that is whole or an error: values are put into objects under a flag that remembers
 * a failure, and a text that cannot be parsed is told from memory that has run out. */
#ifndef MUCMM_CORE_JSON_H
#define MUCMM_CORE_JSON_H

#include "core/core.h"

#include <jansson.h>

/* ---- building ---------------------------------------------------------------------- */

/* Zeroed at the start. The functions take over their value, which may be NULL (a constructor of
 * jansson that found no memory), as may the object or array; then nothing is put and failed is set.
 * So one look at the end tells whether everything is there: mucmm__json_done. */
typedef struct mucmm__json_build {
    bool failed;
} mucmm__json_build;

void mucmm__json_set(mucmm__json_build *b, json_t *object, const char *key, json_t *value);
void mucmm__json_add(mucmm__json_build *b, json_t *array, json_t *value);
/* A string from bytes that need not be UTF-8 (names of files): what is none becomes U+FFFD. null
 * for NULL. The result is NULL without memory, as those of jansson. */
json_t *mucmm__json_string(const char *s);
/* A number; null for one that is not finite, which JSON does not have. */
json_t *mucmm__json_real(double x);
/* x [n] as an array of them. */
json_t *mucmm__json_numbers(mucmm__json_build *b, const double *x, int64_t n);
bool mucmm__json_is_utf8(const char *s);
/* Bytes of the character at p, of n that are left; 0: it is not UTF-8. */
size_t mucmm__utf8_length(const unsigned char *p, size_t n);
/* ENOMEM if anything failed or root is NULL: something is missing in it. */
mucmm_status mucmm__json_done(mucmm_ctx *ctx, const mucmm__json_build *b, const json_t *root);
/* json_dumps with these flags, as a block for mucmm__free. ENOMEM: jansson's own gives a text that
 * lacks a key's name when its buffer cannot grow. */
mucmm_status mucmm__json_dump(mucmm_ctx *ctx, const json_t *value, size_t flags, char **out);

/* ---- parsing ----------------------------------------------------------------------- */

/* RFC 8259, UTF-8, any kind of value; no key twice in an object, no NUL in a string, integers of
 * 64 bits, reals within double's range, at most 512 levels deep. *out is a new reference, NULL on
 * failure. EFORMAT: the message says what is wrong, and *line where; with line NULL the message
 * begins "line N: ". ENOMEM is never taken for a damaged text (jansson's own parser does, and when
 * memory runs out in its buffer it drops characters). text needs no NUL at its end. */
mucmm_status mucmm__json_parse(mucmm_ctx *ctx, const void *text, size_t size, int *line,
                               json_t **out);

#endif
