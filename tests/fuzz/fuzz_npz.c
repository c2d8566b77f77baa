/* SPDX-License-Identifier: MIT
 *
 * fuzz_npz.c - any bytes as an .npz: one array of several, or the only one. */
#include "fuzz.h"
#include "io/arrays.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const names[] = {NULL, "x", "X"};
    mucmm_ctx *ctx = fuzz_ctx();
    mucmm_data *d;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsigned char *owned = NULL;
        mucmm__map made = {NULL, 0};
        mucmm__table table = {0};
        mucmm__array a;
        const mucmm__found f = {bytes, size, "x", NULL, names[i]};
        mucmm_status status = MUCMM_OK;
        if (mucmm__is_zip(bytes, size))
            status = mucmm__array_parse(ctx, &f, &owned, &made, &a, &table);
        FUZZ_REQUIRE(status == MUCMM_OK || *mucmm_ctx_message(ctx));
        mucmm__free(owned);
        mucmm__map_close(&made);
        mucmm__table_drop(&table);
    }
    if (mucmm__data_open_memory(ctx, "x", NULL, bytes, size, &d) == MUCMM_OK)
        fuzz_read(ctx, d);
    mucmm_data_free(d);
    mucmm_ctx_free(ctx);
    return 0;
}
