/* SPDX-License-Identifier: MIT
 *
 * Preloaded into the program: the MUCMM_FAIL-th allocation of the JSON library finds no memory. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t size);
__attribute__((visibility("default"))) void *malloc(size_t size);

static long fail_at = -1, calls;

__attribute__((constructor)) static void read_number(void)
{
    const char *text = getenv("MUCMM_FAIL");

    fail_at = text ? atol(text) : 0;
}

void *malloc(size_t size)
{
    Dl_info from;

    if (fail_at > 0 && dladdr(__builtin_return_address(0), &from) && from.dli_fname &&
        strstr(from.dli_fname, "jansson") && ++calls == fail_at)
        return NULL;
    return __libc_malloc(size);
}
