/* SPDX-License-Identifier: MIT
 *
 * planted_race.c - a parallel loop of the library whose tasks write one place: what the thread
 * sanitizer must find before its silence about everything else means anything. */
#include "core/core.h"

static void add(void *sum, int64_t i)
{
    *(volatile int64_t *)sum += i;
}

int main(void)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;
    int64_t sum = 0;

    mucmm_ctx_params_init(&p);
    p.threads = 4;
    if (mucmm_ctx_create(&p, &ctx) != MUCMM_OK)
        return 0;
    mucmm__parallel(ctx, 10000, add, &sum);
    mucmm_ctx_free(ctx);
    return 0;
}
