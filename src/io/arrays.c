/* SPDX-License-Identifier: MIT
 *
 * arrays.c - an array by name out of a file that holds several; tensors of a safetensors file. */
#include "io/arrays.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- names ------------------------------------------------------------------------- */

static bool exists(const char *path, size_t n)
{
    char text[4096];
    struct stat st;

    if (n >= sizeof text)
        return false;
    memcpy(text, path, n);
    text[n] = '\0';
    return stat(text, &st) == 0;
}

const char *mucmm__array_name(const char *path)
{
    const char *colon = strrchr(path, ':');

    if (!colon || exists(path, strlen(path)) || !exists(path, (size_t)(colon - path)))
        return NULL;
    return colon + 1;
}

/* "name (float32 10 x 3)" behind what is listed already. */
static void list(mucmm__choice *c, const char *name, size_t n_name, const mucmm__array *a)
{
    char text[MUCMM__QUOTE] = "", quoted[MUCMM__QUOTE];
    size_t used = strlen(c->list), room = sizeof c->list - used;

    memcpy(text, name, n_name < sizeof text - 1 ? n_name : sizeof text - 1);
    if (room < MUCMM__QUOTE + 250)
        return;
    c->listed++;
    used += (size_t)snprintf(c->list + used, room, "%s'%s'", used ? ", " : "",
                             mucmm__quote(quoted, text));
    if (a->rank < 0)
        return;
    used +=
        (size_t)snprintf(c->list + used, sizeof c->list - used, " (%s", mucmm_dtype_name(a->type));
    for (int32_t k = 0; k < a->rank; k++)
        used += (size_t)snprintf(c->list + used, sizeof c->list - used, "%s%" PRId64,
                                 k ? " x " : " ", a->shape[k]);
    snprintf(c->list + used, sizeof c->list - used, ")");
}

bool mucmm__choice_offer(mucmm__choice *c, const char *name, size_t n_name, const mucmm__array *a)
{
    bool same = !c->name || (strlen(c->name) == n_name && memcmp(c->name, name, n_name) == 0);

    c->n++;
    if (c->listed < MUCMM__LISTED)
        list(c, name, n_name, a);
    c->chosen += same;
    return same;
}

mucmm_status mucmm__choice_check(mucmm_ctx *ctx, const mucmm__choice *c)
{
    const char *more = c->listed < c->n ? ", ..." : "";
    char quoted[MUCMM__QUOTE];

    if (c->n == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: it holds no array of numbers", c->file);
    if (c->chosen == 1)
        return MUCMM_OK;
    if (!c->name)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: it holds %" PRId64 " arrays; say which as FILE:NAME: %s%s", c->file,
                           c->n, c->list, more);
    return mucmm__fail(
        ctx, c->chosen ? MUCMM_EFORMAT : MUCMM_EARG, "%s: %s named '%s'; it holds %s%s", c->file,
        c->chosen ? "two arrays are" : "no array is", mucmm__quote(quoted, c->name), c->list, more);
}

/* ---- safetensors ------------------------------------------------------------------- */

/* A length that fits, and the beginning of the JSON that is so long. */
bool mucmm__is_tensors(const unsigned char *bytes, size_t size)
{
    uint64_t length = 0;

    for (int i = 7; i >= 0 && size > 8; i--)
        length = length << 8 | bytes[i];
    return size > 9 && bytes[8] == '{' && length <= size - 8;
}

mucmm_status mucmm__tensors_parse(mucmm_ctx *ctx, const char *file, const char *name,
                                  const unsigned char *bytes, size_t size, unsigned char **owned,
                                  mucmm__array *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__safetensors *s = NULL;
    mucmm__choice choice = {.file = file, .name = name};
    const mucmm__tensor *t;
    int64_t n_bytes;

    TRY(mucmm__safetensors_open_memory(ctx, file, bytes, size, &s));
    for (int64_t i = 0; (t = mucmm__safetensors_at(s, i)); i++) {
        mucmm__array a = {.data = t->data, .type = t->dtype, .rank = t->rank};
        memcpy(a.shape, t->shape, sizeof a.shape);
        if (mucmm__choice_offer(&choice, t->name, strlen(t->name), &a))
            *out = a;
    }
    TRY(mucmm__choice_check(ctx, &choice));
    mucmm__array_bytes(out, &n_bytes);
    if ((uintptr_t)out->data >= (uintptr_t)bytes && (uintptr_t)out->data < (uintptr_t)bytes + size)
        goto done;
    TRY(mucmm__alloc(ctx, n_bytes, 1, owned)); /* one that was not aligned is s's own copy */
    if (n_bytes > 0)
        memcpy(*owned, out->data, (size_t)n_bytes);
    out->data = *owned;
done:
    mucmm__safetensors_free(s);
    return status;
}
