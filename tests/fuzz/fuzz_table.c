/* SPDX-License-Identifier: MIT
 *
 * fuzz_table.c - any bytes as a table of commas or tabs: rows, keys, rows that lack the view, and
 * the same table twice, paired. */
#include "fuzz.h"

static void try_pairs(mucmm_ctx *ctx, const mucmm_data_params *p, const uint8_t *bytes, size_t size)
{
    mucmm_data *d[2] = {NULL, NULL};
    int64_t rows[3] = {0, -1, 0};

    if (mucmm__data_open_memory(ctx, "a.csv", p, bytes, size, &d[0]) == MUCMM_OK &&
        mucmm__data_open_memory(ctx, "b.csv", p, bytes, size, &d[1]) == MUCMM_OK) {
        mucmm_data *part = NULL;
        mucmm_status paired =
            p->missing ? mucmm_data_pair_all(ctx, d, 2) : mucmm_data_pair(ctx, d, 2);
        if (paired == MUCMM_OK) {
            FUZZ_REQUIRE(mucmm_data_rows(d[0]) == mucmm_data_rows(d[1]));
            fuzz_read(ctx, d[1]);
        }
        rows[0] = mucmm_data_rows(d[0]) - 1;
        if (mucmm_data_subset(ctx, d[0], rows, 3, &part) == MUCMM_OK)
            fuzz_read(ctx, part);
        mucmm_data_free(part);
    }
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
}

/* As a table of mixed columns. */
static void try_mixed(mucmm_ctx *ctx, const char *key, const uint8_t *bytes, size_t size)
{
    mucmm_table_params p;
    mucmm_table *t;

    mucmm_table_params_init(&p);
    p.key = key;
    if (mucmm_table_open_memory(ctx, bytes, size, "t.csv", &p, &t) == MUCMM_OK)
        for (int64_t j = 0; j < mucmm_table_columns(t); j++) {
            FUZZ_REQUIRE(mucmm_table_find(t, mucmm_table_column(t, j)) == j);
            for (int64_t i = 0; i < mucmm_table_rows(t); i++) {
                int64_t code = mucmm_table_codes(t, j)[i];
                const double *x = mucmm_table_numbers(t, j);
                FUZZ_REQUIRE(code >= -1 && code < mucmm_table_levels(t, j));
                FUZZ_REQUIRE((code >= 0) == (mucmm_table_level(t, j, code) != NULL));
                FUZZ_REQUIRE(!x || (code < 0) == (x[i] != x[i]));
            }
        }
    mucmm_table_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = {"x.csv", "x.tsv", "x"};
    mucmm_ctx *ctx = fuzz_ctx();
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    for (int i = 0; i < 3; i++) {
        mucmm_data *d;
        p.missing = i & 1;
        if (mucmm__data_open_memory(ctx, names[i], &p, bytes, size, &d) == MUCMM_OK)
            fuzz_read(ctx, d);
        mucmm_data_free(d);
    }
    for (p.missing = 0; p.missing < 2; p.missing++) {
        p.key = p.missing ? "" : "id";
        try_pairs(ctx, &p, bytes, size);
        try_mixed(ctx, p.missing ? NULL : "id", bytes, size);
    }
    p.key = NULL;
    for (int i = 0; i < 9; i++) { /* every header with every decimal, and what else can be asked */
        mucmm_data *d;
        p.header = i % 3;
        p.decimal = i / 3;
        p.columns = i & 1 ? "*a*,1,2" : NULL;
        p.ignore = i & 2 ? "b*,2" : NULL;
        p.categories = i & 4 ? "*" : NULL;
        p.transpose = i == 3 || i == 8 ? "" : NULL;
        if (mucmm__data_open_memory(ctx, "x.csv", &p, bytes, size, &d) == MUCMM_OK)
            fuzz_read(ctx, d);
        mucmm_data_free(d);
    }
    mucmm_ctx_free(ctx);
    return 0;
}
