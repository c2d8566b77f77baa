/* SPDX-License-Identifier: MIT
 *
 * Error lines, and memory whose lack is one. */
#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void print_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("mucmm: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int fail(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("mucmm: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

int allocate(void *out, int64_t count, size_t size)
{
    void *block = calloc((size_t)(count > 0 ? count : 1), size);

    memcpy(out, &block, sizeof block);
    /* cppcheck-suppress memleak ; the copy in *out owns it */
    return block ? 0
                 : fail(EXIT_RUN, "out of memory: %" PRId64 " elements of %zu bytes", count, size);
}
