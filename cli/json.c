/* SPDX-License-Identifier: MIT
 *
 * JSON that the commands print: whole, or exit 1, and fit for a terminal. */
#include "cli.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value found no memory: whatever is printed after that lacks something. */
static atomic_bool lost;

void json_put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0)
        lost = true;
}

void json_append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        lost = true;
}

json_t *json_text(const char *text)
{
    json_t *value = json_string(text);

    return value ? value : json_string(shown(text));
}

static size_t character_size(unsigned char first)
{
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* jansson leaves DEL, the control characters beyond ASCII and those that turn the direction of
 * writing as they are; in JSON they may stand as \uXXXX. The pieces hold whole characters. */
static int write_piece(const char *piece, size_t size, void *out)
{
    for (size_t i = 0, n; i < size; i += n) {
        char one[5] = "", safe[16];
        n = character_size((unsigned char)piece[i]);
        n = n <= size - i ? n : size - i;
        memcpy(one, piece + i, n);
        if (one[0] == 0x7f)
            fputs("\\u007f", out);
        else if (n > 1)
            fputs(mucmm_text_printable(one, safe, sizeof safe), out);
        else
            fputc(one[0], out);
    }
    return ferror((FILE *)out) ? -1 : 0;
}

int print_json(json_t *root)
{
    int code = 0;

    if (!root || lost)
        code = fail(EXIT_RUN, "out of memory: the JSON would lack something");
    else if (json_dump_callback(root, write_piece, stdout,
                                JSON_INDENT(2) | JSON_REAL_PRECISION(17)) != 0)
        code = fail(EXIT_RUN, "cannot write the JSON: %s", strerror(errno ? errno : ENOMEM));
    else
        printf("\n");
    json_decref(root);
    return code;
}

int print_text(const char *text)
{
    if (write_piece(text, strlen(text), stdout) != 0 || putchar('\n') == EOF)
        return fail(EXIT_RUN, "cannot write the JSON: %s", strerror(errno));
    return 0;
}

int print_made(session *s, mucmm_status made, char **text)
{
    int code = check(s, made) == 0 ? print_text(*text) : EXIT_RUN;

    mucmm_text_free(*text);
    return code;
}

int write_made(session *s, mucmm_status made, char **text, const char *path)
{
    int code = check(s, made);

    if (code == 0)
        code = check_written(s, mucmm_file_write(s->ctx, path, *text, strlen(*text)), path);
    mucmm_text_free(*text);
    return code;
}

/* Not json_dumps: when its buffer cannot grow, it leaves something out and says nothing. */
char *json_line(const json_t *root, size_t flags)
{
    size_t size = root && !lost ? json_dumpb(root, NULL, 0, flags) : 0;
    char *text = size > 0 ? calloc(size + 1, 1) : NULL;

    if (text && json_dumpb(root, text, size, flags) != size) {
        free(text);
        text = NULL;
    }
    lost = lost || !text;
    return text;
}

int json_check(void)
{
    return lost ? fail(EXIT_RUN, "out of memory: something is missing above") : 0;
}
