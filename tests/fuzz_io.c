/* SPDX-License-Identifier: MIT
 *
 * fuzz_io.c - any bytes to every parser of src/io and to the tokenizers, as vocabulary and as text,
 * with memory capped at 64 MB.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc tests/fuzz_io.c
 * \
 *       src/io/[a-z]*.c src/core/core.c src/encode/{text,lexicon,normal,bpe,image}.c \
 *       -lpng -ljpeg -lsndfile -lutf8proc -lz -ljansson -lgomp -lm -o fuzz_io
 *   ./fuzz_io -max_total_time=300 corpus/ */
#include "encode/source.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void read_rows(mucmm_ctx *ctx, mucmm_data *d)
{
    int64_t cols = mucmm_data_cols(d), n = mucmm_data_rows(d);
    float *out = NULL;

    if (n > 64)
        n = 64;
    if (n * cols < 1 << 20 && mucmm__alloc(ctx, n * cols, sizeof *out, &out) == MUCMM_OK)
        mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){out, n, cols, cols});
    mucmm__free(out);
}

static void try_data(mucmm_ctx *ctx, const char *name, const char *key, const uint8_t *bytes,
                     size_t size)
{
    mucmm_data_params p;
    mucmm_data *d[2];

    mucmm_data_params_init(&p);
    p.key = key;
    if (mucmm__data_open_memory(ctx, name, &p, bytes, size, &d[0]) != MUCMM_OK)
        return;
    read_rows(ctx, d[0]);
    if (key && mucmm__data_open_memory(ctx, name, &p, bytes, size, &d[1]) == MUCMM_OK) {
        mucmm_data_pair(ctx, d, 2);
        read_rows(ctx, d[1]);
        mucmm_data_free(d[1]);
    }
    mucmm_data_free(d[0]);
}

static void try_safetensors(mucmm_ctx *ctx, const uint8_t *bytes, size_t size)
{
    mucmm__safetensors *s;

    if (mucmm__safetensors_open_memory(ctx, "x.safetensors", bytes, size, &s) != MUCMM_OK)
        return;
    mucmm__safetensors_find(s, "a");
    mucmm__safetensors_metadata(s, "a");
    mucmm__safetensors_free(s);
}

static void try_picture(mucmm_ctx *ctx, const uint8_t *bytes, size_t size)
{
    mucmm__image_params p;
    mucmm__picture in, out;

    mucmm__image_params_init(&p);
    p.height = p.width = 32;
    if (mucmm__picture_decode(ctx, "x.png", bytes, size, NULL, &in) != MUCMM_OK)
        return;
    for (p.fit = MUCMM__FIT_STRETCH; p.fit <= MUCMM__FIT_PAD; p.fit++)
        if (mucmm__image_fit(ctx, &p, &in, &out) == MUCMM_OK)
            mucmm__picture_drop(&out);
    mucmm__picture_drop(&in);
}

static void try_sound(mucmm_ctx *ctx, const uint8_t *bytes, size_t size)
{
    mucmm__sound s;

    if (mucmm__sound_decode(ctx, "x.wav", bytes, size, &s) == MUCMM_OK)
        mucmm__sound_drop(&s);
}

/* The bytes as a vocabulary, and as text for it and for one that is sound. */
static void try_tokenizer(mucmm_ctx *ctx, mucmm__tokenizer_kind kind, const char *sound,
                          const uint8_t *bytes, size_t size)
{
    mucmm__map files[] = {{bytes, size}, {(const unsigned char *)sound, strlen(sound)}};
    mucmm__tokenizer_params p;
    mucmm__tokenizer *t;
    int64_t ids[32], begin[32], end[32];
    mucmm__tokens k = {.ids = ids, .begin = begin, .end = end};

    mucmm__tokenizer_params_init(&p);
    p.kind = kind;
    p.vocabulary = p.merges = "vocab";
    for (int i = 0; i < 2; i++)
        if (mucmm__tokenizer_load_memory(ctx, &p, &files[i], &files[0], &t) == MUCMM_OK) {
            mucmm__tokenizer_encode(ctx, t, (const char *)bytes, size, 32, true, &k);
            mucmm__tokenizer_free(t);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx;

    mucmm_ctx_params_init(&p);
    p.max_alloc = 64 << 20;
    p.threads = 1;
    if (mucmm_ctx_create(&p, &ctx) != MUCMM_OK)
        abort();
    try_data(ctx, "x.csv", NULL, bytes, size);
    try_data(ctx, "x.csv", "", bytes, size);
    try_data(ctx, "x.tsv", "id", bytes, size);
    try_safetensors(ctx, bytes, size);
    try_picture(ctx, bytes, size);
    try_sound(ctx, bytes, size);
    try_tokenizer(ctx, MUCMM__TOKENIZER_SENTENCEPIECE, "0\t0\t<unk>\n1\t-1\ta\n2\t-3\tab", bytes,
                  size);
    try_tokenizer(ctx, MUCMM__TOKENIZER_WORDPIECE, "[UNK]\n[CLS]\n[SEP]\na\n##a\n##ab", bytes,
                  size);
    try_tokenizer(ctx, MUCMM__TOKENIZER_BPE, "{}", bytes, size);
    mucmm_ctx_free(ctx);
    return 0;
}
