/* SPDX-License-Identifier: MIT
 *
 * fuzz_description.c - a description of raw inputs and their encoder and, behind a NUL byte, the
 * items, one a line: as a source, as an encoder, and one through the other. */
#include "fixtures.h"

#define MAX_ITEMS 8

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    mucmm_ctx *ctx = fuzz_ctx();

    (void)argc;
    (void)argv;
    make_folder();
    make_fixtures(ctx);
    mucmm_ctx_free(ctx);
    return 0;
}

static int64_t split_lines(char *text, const char *items[MAX_ITEMS])
{
    int64_t n = 0;
    char *rest = NULL;

    for (char *line = strtok_r(text, "\n", &rest); line && n < MAX_ITEMS;
         line = strtok_r(NULL, "\n", &rest))
        items[n++] = line;
    return n;
}

static void try_encoding(mucmm_ctx *ctx, mucmm_source *s, mucmm_encoder *e)
{
    static float out[FUZZ_NUMBERS];
    mucmm_encode_params p;
    mucmm_data *d = NULL;

    mucmm_encode_params_init(&p);
    p.memory = 8 << 20;
    p.skip_bad = 1;
    if (mucmm_data_encode(ctx, s, e, &p, &d) == MUCMM_OK) {
        int64_t cols = mucmm_data_raw_cols(d);
        fuzz_read(ctx, d);
        if (mucmm_data_rows(d) > 0 && cols <= FUZZ_NUMBERS)
            mucmm_data_read_raw(ctx, d, NULL, 1, &(mucmm_mat){out, 1, cols, cols});
    }
    mucmm_data_free(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx *ctx = fuzz_ctx();
    char *description = fuzz_part(&bytes, &size, NULL), *lines = fuzz_part(&bytes, &size, NULL);
    const char *items[MAX_ITEMS];
    int64_t n = split_lines(lines, items);
    mucmm_source *s = NULL;
    mucmm_encoder *e = NULL;

    mucmm_source_create(ctx, description, fuzz_folder, items, n, &s);
    mucmm_encoder_load(ctx, description, fuzz_folder, &e);
    if (s && e)
        try_encoding(ctx, s, e);
    mucmm_source_free(s);
    mucmm_encoder_free(e);
    free(description);
    free(lines);
    mucmm_ctx_free(ctx);
    return 0;
}
