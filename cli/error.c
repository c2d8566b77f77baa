/* SPDX-License-Identifier: MIT
 *
 * Error lines, memory whose lack is one, and names that are fit for a terminal. */
#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than a message of the library, with the names of options that are put into it. */
enum { MESSAGE_SIZE = 8192 };

/* Names in it may come from files or from whoever typed the command. */
static void print_line(const char *format, va_list args)
{
    char text[MESSAGE_SIZE], line[MESSAGE_SIZE];

    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "mucmm: %s\n", mucmm_text_printable(text, line, sizeof line));
}

void print_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

int fail(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    print_line(format, args);
    va_end(args);
    return code;
}

const char *shown(const char *text)
{
    enum { KEPT = 8, LONGEST = 4096 };
    static char kept[KEPT][LONGEST];
    static int next;

    next = (next + 1) % KEPT;
    return mucmm_text_printable(text ? text : "", kept[next], LONGEST);
}

int allocate(void *out, int64_t count, size_t size)
{
    void *block = calloc((size_t)(count > 0 ? count : 1), size);

    memcpy(out, &block, sizeof block);
    /* cppcheck-suppress memleak ; the copy in *out owns it */
    return block ? 0
                 : fail(EXIT_RUN, "out of memory: %" PRId64 " elements of %zu bytes", count, size);
}
