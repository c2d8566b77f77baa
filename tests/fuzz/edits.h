/* SPDX-License-Identifier: MIT
 *
 * edits.h - changes to a sound safetensors file. An input of the targets that read models and
 * checkpoints is a list of such changes, four bytes each, so that what is reached lies behind the
 * container, and no seed grows old with the format. */
#ifndef MUCMM_FUZZ_EDITS_H
#define MUCMM_FUZZ_EDITS_H

#include "fuzz.h"

#include <ctype.h>
#include <math.h>

typedef struct container {
    char *header; /* NUL behind it */
    size_t n_header, n_data;
    uint8_t *data;
} container;

static inline container container_of(const uint8_t *bytes, size_t size)
{
    container c = {0};
    uint64_t length;

    FUZZ_REQUIRE(size >= sizeof length);
    memcpy(&length, bytes, sizeof length);
    FUZZ_REQUIRE(length <= size - sizeof length);
    c.n_header = (size_t)length;
    c.header = malloc(c.n_header + 1);
    FUZZ_REQUIRE(c.header != NULL);
    memcpy(c.header, bytes + sizeof length, c.n_header);
    c.header[c.n_header] = '\0';
    c.n_data = size - sizeof length - c.n_header;
    c.data = fuzz_copy(bytes + sizeof length + c.n_header, c.n_data);
    return c;
}

/* header[at, at + length) becomes `with`. */
static inline void replace(container *c, size_t at, size_t length, const char *with)
{
    size_t n = strlen(with);
    char *header = malloc(c->n_header - length + n + 1);

    FUZZ_REQUIRE(header != NULL);
    memcpy(header, c->header, at);
    memcpy(header + at, with, n);
    memcpy(header + at + n, c->header + at + length, c->n_header - at - length + 1);
    free(c->header);
    c->header = header;
    c->n_header = c->n_header - length + n;
}

static inline bool in_number(char x)
{
    return isdigit((unsigned char)x) || strchr("+-.eE", x) != NULL;
}

/* Token number `which` of its kind: a number with its sign, or what stands between quotes (those
 * inside texts too, which are behind a backslash). */
static inline bool find_token(const container *c, bool number, size_t which, size_t *at, size_t *n)
{
    size_t count = 0;

    for (int pass = 0; pass < 2; pass++) {
        size_t seen = 0;
        for (size_t i = 0; i < c->n_header; i++) {
            size_t from = number ? i : i + 1, to = from;
            if (number ? !isdigit((unsigned char)c->header[i]) && c->header[i] != '-'
                       : c->header[i] != '"')
                continue;
            while (to < c->n_header &&
                   (number ? in_number(c->header[to]) : !strchr("\"\\", c->header[to])))
                to++;
            if (pass == 1 && seen == which % count) {
                *at = from;
                *n = to - from;
                return true;
            }
            seen++;
            i = to;
        }
        count = seen;
        if (count == 0)
            return false;
    }
    return false;
}

static inline void edit_token(container *c, bool number, size_t which, uint8_t value)
{
    static const char *const numbers[] = {"0",    "1",     "-1",         "2",
                                          "3",    "8",     "17",         "65",
                                          "1025", "65536", "2147483648", "9223372036854775807",
                                          "1e30", "0.5",   "-0.25",      "1e-300",
                                          "null", "true",  "[]",         "{}"};
    static const char *const texts[] = {
        "",    "a",        "left",    "right", "F32",  "linear",     "mlp",        "../x",
        "\\n", "\\u0001",  "\\ud800", "0",     "auto", "common",     "individual", "heads",
        "I64", "\xc3\xa9", "\\u0000", "F64",   "x y",  "0123456789", "float32",    "/tmp"};
    size_t at, n;

    if (!find_token(c, number, which, &at, &n))
        return;
    if (number)
        replace(c, at, n, numbers[value % (sizeof numbers / sizeof *numbers)]);
    else
        replace(c, at, n, texts[value % (sizeof texts / sizeof *texts)]);
}

static inline void edit_data(container *c, size_t where, uint8_t value)
{
    static const float numbers[] = {0, 1, -1, 1e30f, -1e-30f, 0.5f, 3e38f, 1e-3f};
    float special = value == 8 ? NAN : value == 9 ? INFINITY : numbers[value % 8];
    size_t at = c->n_data ? where * 4 % c->n_data : 0;

    if (at + sizeof special <= c->n_data && value < 16)
        memcpy(c->data + at, &special, sizeof special);
    else if (at < c->n_data)
        c->data[at] = value;
}

static inline void edit(container *c, const uint8_t e[4])
{
    size_t where = (size_t)e[1] | (size_t)e[2] << 8, at = c->n_header ? where % c->n_header : 0;
    size_t rest = c->n_header - at;

    switch (e[0] % 8) {
    case 0:
        if (c->n_header)
            c->header[at] = (char)e[3];
        break;
    case 1:
        edit_data(c, where, e[3]);
        break;
    case 2:
    case 3:
        edit_token(c, true, where, e[3]);
        break;
    case 4:
    case 5:
        edit_token(c, false, where, e[3]);
        break;
    case 6:
        replace(c, at, e[3] < rest ? e[3] : rest, "");
        break;
    default:
        c->n_data = c->n_data > where ? c->n_data - where : 0;
    }
}

/* The sound file with all changes of the input; to be freed. */
static inline uint8_t *edited(const uint8_t *sound, size_t n_sound, const uint8_t *edits,
                              size_t n_edits, size_t *size)
{
    container c = container_of(sound, n_sound);
    uint64_t length;
    uint8_t *out;

    for (size_t i = 0; i + 4 <= n_edits && i < 4 * 64; i += 4)
        edit(&c, edits + i);
    while (c.n_header % 8)
        replace(&c, c.n_header, 0, " ");
    length = c.n_header;
    *size = sizeof length + c.n_header + c.n_data;
    out = malloc(*size);
    FUZZ_REQUIRE(out != NULL);
    memcpy(out, &length, sizeof length);
    memcpy(out + sizeof length, c.header, c.n_header);
    memcpy(out + sizeof length + c.n_header, c.data, c.n_data);
    free(c.header);
    free(c.data);
    return out;
}

/* ---- a small problem to fit -------------------------------------------------------- */

#define FUZZ_ROWS 84
#define FUZZ_COLS 6

static float fuzz_rows[3][FUZZ_ROWS * FUZZ_COLS];

/* Views of 6, 5 and 4 columns that share two latents. */
static inline void make_views(mucmm_ctx *ctx, int32_t n, mucmm_data *data[3], mucmm_view view[3])
{
    static const char *const names[] = {"left", "right", "third"};

    for (int32_t m = 0; m < n; m++) {
        int64_t cols = FUZZ_COLS - m;
        uint64_t own = mucmm__rng_key(1, (uint64_t)m + 1), shared = mucmm__rng_key(1, 0);
        for (int64_t i = 0; i < FUZZ_ROWS; i++)
            for (int64_t j = 0; j < cols; j++) {
                double s = mucmm__rng_normal(shared, (uint64_t)(2 * i + j % 2));
                double e = mucmm__rng_normal(own, (uint64_t)(i * cols + j));
                fuzz_rows[m][i * cols + j] = (float)(s + .3 * e + (double)j);
            }
        FUZZ_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){fuzz_rows[m], FUZZ_ROWS, cols, cols},
                                     names[m], NULL, 0, &data[m]));
        view[m] = (mucmm_view){names[m], data[m]};
    }
}

static inline mucmm_fit_params tiny_fit(mucmm_head_kind head)
{
    mucmm_fit_params p;

    mucmm_fit_params_init(&p);
    p.head = head;
    p.common = 2;
    p.individual = 1;
    p.n_hidden = 1;
    p.hidden[0] = 3;
    p.common_epochs = p.individual_epochs = 2;
    p.batch = 40;
    p.validation = .25;
    return p;
}

static inline uint8_t *file_bytes(const char *path, size_t *size)
{
    static uint8_t bytes[1 << 20];
    FILE *f = fopen(path, "rb");

    FUZZ_REQUIRE(f != NULL);
    *size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    return fuzz_copy(bytes, *size);
}

#endif
