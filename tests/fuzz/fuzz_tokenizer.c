/* SPDX-License-Identifier: MIT
 *
 * fuzz_tokenizer.c - a vocabulary, merges and a text, separated by NUL bytes; the first two bytes
 * choose the kind, its options and the length. */
#include "encode/source.h"
#include "fuzz.h"

#define MAX_TOKENS 40

static void encode(mucmm_ctx *ctx, const mucmm__tokenizer *t, const char *text, size_t size,
                   int64_t length, bool truncate)
{
    int64_t ids[MAX_TOKENS], begin[MAX_TOKENS], end[MAX_TOKENS];
    float mask[MAX_TOKENS];
    mucmm__tokens k = {.ids = ids, .begin = begin, .end = end, .mask = mask};

    if (mucmm__tokenizer_encode(ctx, t, text, size, length, truncate, &k) != MUCMM_OK)
        return;
    FUZZ_REQUIRE(k.n >= 0 && k.n <= length);
    for (int64_t i = 0; i < length; i++) {
        FUZZ_REQUIRE(ids[i] >= 0 && (i >= k.n || ids[i] < mucmm__tokenizer_size(t)));
        FUZZ_REQUIRE(begin[i] >= 0 && begin[i] <= end[i] && end[i] <= (int64_t)size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx *ctx;
    mucmm__tokenizer_params p;
    mucmm__tokenizer *t;
    mucmm__map files[2];
    char *part[3];
    size_t length[3];
    uint8_t options, tokens;

    if (size < 2)
        return 0;
    ctx = fuzz_ctx();
    options = bytes[0];
    tokens = bytes[1];
    bytes += 2;
    size -= 2;
    for (int i = 0; i < 3; i++)
        part[i] = fuzz_part(&bytes, &size, &length[i]);
    for (int i = 0; i < 2; i++)
        files[i] = (mucmm__map){(const unsigned char *)part[i], length[i]};
    mucmm__tokenizer_params_init(&p);
    p.kind = (mucmm__tokenizer_kind)(options % 3);
    p.lower_case = (options & 16) != 0;
    p.pad = options & 32 ? 1 : -1;
    p.vocabulary = "vocabulary";
    p.merges = p.kind == MUCMM__TOKENIZER_BPE ? "merges" : NULL;
    if (mucmm__tokenizer_load_memory(ctx, &p, &files[0], &files[1], &t) == MUCMM_OK) {
        encode(ctx, t, part[2], length[2], 1 + tokens % MAX_TOKENS, (options & 64) != 0);
        mucmm__tokenizer_piece(t, options);
        mucmm__tokenizer_piece(t, -1);
    }
    mucmm__tokenizer_free(t);
    for (int i = 0; i < 3; i++)
        free(part[i]);
    mucmm_ctx_free(ctx);
    return 0;
}
