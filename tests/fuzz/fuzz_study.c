/* SPDX-License-Identifier: MIT
 *
 * fuzz_study.c - a study file and, behind a NUL byte, its table t.tsv, in a folder with pictures, a
 * sound, numbers, vocabularies and networks; encoded into a cache that stays from input to input.
 */
#include "fixtures.h"

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

static void read_view(mucmm_ctx *ctx, const mucmm_data *d)
{
    static float raw[FUZZ_NUMBERS];
    int64_t cols = mucmm_data_raw_cols(d), height, width;
    mucmm_tokens *tokens = NULL;

    fuzz_read(ctx, d);
    if (mucmm_data_rows(d) > 0 && cols <= FUZZ_NUMBERS)
        mucmm_data_read_raw(ctx, d, NULL, 1, &(mucmm_mat){raw, 1, cols, cols});
    if (mucmm_data_tokens(ctx, d, 0, &tokens) == MUCMM_OK)
        for (int64_t i = 0; i < mucmm_tokens_count(tokens); i++)
            FUZZ_REQUIRE(mucmm_tokens_piece(tokens, i) != NULL);
    mucmm_tokens_free(tokens);
    mucmm_data_picture(ctx, d, 0, &height, &width, NULL);
    mucmm_data_item(d, 0);
    mucmm_data_source_row(d, 0);
    mucmm_data_description(d);
}

static void try_study(mucmm_ctx *ctx, mucmm_study *s, int32_t skip_bad)
{
    mucmm_study_params p;

    mucmm_study_params_init(&p);
    p.cache = folder_path("cache");
    p.memory = 8 << 20;
    p.skip_bad = skip_bad;
    if (mucmm_study_encode(ctx, s, &p) != MUCMM_OK)
        return;
    for (int32_t v = 0; v < mucmm_study_views(s); v++)
        for (int part = 0; part < 3; part++) {
            mucmm_data *d = NULL;
            if (mucmm_study_view(ctx, s, v, (mucmm_part)part, &d) == MUCMM_OK) {
                FUZZ_REQUIRE(mucmm_data_rows(d) == mucmm_study_rows(s, (mucmm_part)part));
                read_view(ctx, d);
            }
            mucmm_data_free(d);
        }
    mucmm_study_skipped(s);
    mucmm_study_cell(s, 0, "text");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mucmm_ctx *ctx = fuzz_ctx();
    size_t n = 0;
    int32_t skip_bad = (int32_t)(size & 1);
    char *study = fuzz_part(&bytes, &size, &n);
    mucmm_study *s;

    put_in_folder("s.json", study, n);
    put_in_folder("t.tsv", bytes, size);
    if (mucmm_study_load(ctx, folder_path("s.json"), &s) == MUCMM_OK) {
        for (int32_t v = 0; v < mucmm_study_views(s); v++) {
            FUZZ_REQUIRE(mucmm_study_view_name(s, v) != NULL);
            FUZZ_REQUIRE(mucmm_study_description(s, v) != NULL);
        }
        try_study(ctx, s, skip_bad);
    }
    mucmm_study_free(s);
    free(study);
    mucmm_ctx_free(ctx);
    return 0;
}
