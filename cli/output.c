/* SPDX-License-Identifier: MIT
 *
 * Files and folders for results, which vanish if the command fails. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_name(const char *path)
{
    if (path[0] == '\0')
        return fail(EXIT_USAGE, "--output: the name is empty");
    if (strlen(path) >= MAX_PATH - 2 * MAX_NAME)
        return fail(EXIT_RUN, "--output: the name is too long");
    return 0;
}

static int check_parent(const char *path)
{
    char copy[MAX_PATH], *parent;
    struct stat st;
    int code = check_name(path);

    if (code != 0)
        return code;
    snprintf(copy, sizeof copy, "%s", path);
    parent = dirname(copy);
    if (stat(parent, &st) != 0)
        return fail(EXIT_RUN, "cannot write %s: folder %s: %s", path, parent, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return fail(EXIT_RUN, "cannot write %s: %s is not a folder", path, parent);
    return 0;
}

/* What the library will do when it writes the file. */
static int check_file(const char *path)
{
    mucmm_ctx *ctx = NULL;
    mucmm_status status = mucmm_ctx_create(NULL, &ctx);
    int code = 0;

    if (status != MUCMM_OK)
        return fail(EXIT_RUN, "cannot start: %s", mucmm_status_text(status));
    if (mucmm_file_check(ctx, path) != MUCMM_OK)
        code = fail(EXIT_RUN, "%s", mucmm_ctx_message(ctx));
    mucmm_ctx_free(ctx);
    return code;
}

int output_check(const char *path)
{
    struct stat st;
    int code = check_parent(path);

    if (code != 0)
        return code;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return fail(EXIT_RUN, "cannot write %s: it is a folder", path);
    if (path[strlen(path) - 1] == '/')
        return fail(EXIT_RUN, "cannot write %s: that is the name of a folder", path);
    return check_file(path);
}

/* The part of `path` that exists: the folder itself, or the nearest one above it. */
static void existing_part(const char *path, char *out, size_t size)
{
    char child[MAX_PATH];
    struct stat st;

    snprintf(out, size, "%s", path);
    while (stat(out, &st) != 0 && strcmp(out, ".") != 0 && strcmp(out, "/") != 0) {
        snprintf(child, sizeof child, "%s", out);
        snprintf(out, size, "%s", dirname(child));
    }
}

static void remove_dirs(const output_dir *d);

/* Makes the folder for a moment: what would fail then fails now. */
static int try_folder(const char *path)
{
    output_dir d = {.path = path};
    char file[MAX_PATH + 16];
    int code = 0;

    TRY(output_dir_make(&d));
    snprintf(file, sizeof file, "%s/.mucmm-check", path);
    TRY(check_file(file));
done:
    if (d.created)
        remove_dirs(&d);
    return code;
}

int output_dir_check(const char *path)
{
    char where[MAX_PATH];
    struct stat st;
    int code = check_name(path);

    if (code != 0)
        return code;
    existing_part(path, where, sizeof where);
    if (stat(where, &st) != 0)
        return fail(EXIT_RUN, "cannot write into %s: %s: %s", path, where, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return fail(EXIT_RUN, "cannot write into %s: %s is not a folder", path, where);
    if (access(where, W_OK) != 0)
        return fail(EXIT_RUN, "cannot write into %s: %s: %s", path, where, strerror(errno));
    return try_folder(path);
}

/* Creates the folder and those above it; remembers where the new ones begin. */
int output_dir_make(output_dir *d)
{
    char missing[MAX_PATH];
    size_t known;

    existing_part(d->path, missing, sizeof missing);
    if (strcmp(missing, d->path) == 0)
        return 0;
    known = strcmp(missing, ".") == 0 && d->path[0] != '.' ? 0 : strlen(missing);
    if (!d->created)
        d->existing = known;
    d->created = true;
    for (size_t i = known + 1; i <= strlen(d->path); i++) {
        if (d->path[i] != '/' && d->path[i] != '\0')
            continue;
        snprintf(missing, sizeof missing, "%.*s", (int)i, d->path);
        if (mkdir(missing, 0777) != 0 && errno != EEXIST)
            return fail(EXIT_RUN, "cannot create folder %s: %s", missing, strerror(errno));
    }
    return 0;
}

/* Removes the folders that create_dir made, as far as they are empty. */
static void remove_dirs(const output_dir *d)
{
    char path[MAX_PATH];

    for (size_t i = strlen(d->path); i > d->existing; i--) {
        if (d->path[i] != '/' && d->path[i] != '\0')
            continue;
        snprintf(path, sizeof path, "%.*s", (int)i, d->path);
        rmdir(path);
    }
}

/* Remembers a file that a failed command must remove. One that stood there
 * before is not remembered: it is replaced whole or not at all. */
static int remember(output_dir *d, const char *path)
{
    if (access(path, F_OK) == 0)
        return 0;
    char **files = realloc(d->files, (size_t)(d->n_files + 1) * sizeof *files);
    if (!files)
        return fail(EXIT_RUN, "out of memory");
    d->files = files;
    files[d->n_files] = strdup(path);
    if (!files[d->n_files])
        return fail(EXIT_RUN, "out of memory");
    d->n_files++;
    return 0;
}

int output_dir_file(output_dir *d, const char *format, ...)
{
    char name[MAX_NAME * 3];
    va_list args;
    int code = 0;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (snprintf(d->full, sizeof d->full, "%s/%s", d->path, name) >= (int)sizeof d->full)
        return fail(EXIT_RUN, "the name %s/%s is too long", d->path, name);
    TRY(output_dir_make(d));
    TRY(remember(d, d->full));
    if (d->n_written++ == 0)
        snprintf(d->first, sizeof d->first, "%s", d->full);
done:
    return code;
}

const char *figures_end(const settings *given)
{
    static char end[8];

    return choice_word(FIGURES, given->figures < 0 ? 0 : given->figures, end, sizeof end);
}

void say_written(const char *path)
{
    fprintf(stderr, "wrote %s\n", shown(path));
}

int check_written(session *s, mucmm_status written, const char *path)
{
    int code = check(s, written);

    if (code == 0) {
        progress_pause(&s->progress);
        say_written(path);
    }
    return code;
}

void output_dir_close(output_dir *d, bool keep)
{
    if (keep && d->n_written == 1)
        say_written(d->first);
    else if (keep && d->n_written > 1)
        fprintf(stderr, "wrote %" PRId64 " files into %s, from %s to %s\n", d->n_written,
                shown(d->path), shown(basename(d->first)), shown(basename(d->full)));
    for (int64_t i = 0; i < d->n_files; i++) {
        if (!keep)
            unlink(d->files[i]);
        free(d->files[i]);
    }
    if (!keep && d->created)
        remove_dirs(d);
    free(d->files);
    *d = (output_dir){0};
}

/* ---- outputs that would replace an input ------------------------------------------- */

/* Of FILE, or of FILE:NAME. */
static bool find_file(const char *path, struct stat *st)
{
    char cut[4096];
    const char *colon = strrchr(path, ':');

    if (stat(path, st) == 0)
        return S_ISREG(st->st_mode);
    if (!colon || (size_t)(colon - path) >= sizeof cut)
        return false;
    snprintf(cut, sizeof cut, "%.*s", (int)(colon - path), path);
    return stat(cut, st) == 0 && S_ISREG(st->st_mode);
}

static int check_apart(const char *which, const char *out, const char *in)
{
    struct stat a, b;

    if (!out || !in || !find_file(out, &a) || !find_file(in, &b) || a.st_dev != b.st_dev ||
        a.st_ino != b.st_ino)
        return 0;
    return fail(EXIT_USAGE, "--%s %s would replace '%s', which is read", which, shown(out),
                shown(in));
}

static int check_pairs(const char *which, const char *out, const pairs *in)
{
    int code = 0;

    for (int32_t i = 0; i < in->n; i++)
        TRY(check_apart(which, out, in->value[i]));
done:
    return code;
}

/* What stands behind the '=' of NAME=FILE. */
static const char *file_of(const char *pair)
{
    const char *sign = pair ? strchr(pair, '=') : NULL;

    return sign ? sign + 1 : NULL;
}

int outputs_check(const settings *s)
{
    const char *const names[] = {"output", "csv", "figure"};
    const char *const outputs[] = {s->output, s->csv, s->figure};
    const char *const others[] = {s->metadata, s->covariates, s->training_covariates,
                                  file_of(s->query), file_of(s->gallery)};
    int code = 0;

    for (size_t o = 0; o < 3; o++) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            TRY(check_apart(names[o], outputs[o], others[i]));
        for (int i = 0; i < s->n_operands; i++)
            TRY(check_apart(names[o], outputs[o], s->operand[i]));
        TRY(check_pairs(names[o], outputs[o], &s->view));
        TRY(check_pairs(names[o], outputs[o], &s->training));
        TRY(check_pairs(names[o], outputs[o], &s->truth));
        for (size_t i = 0; i < o && outputs[o]; i++)
            if (outputs[i] && strcmp(outputs[i], outputs[o]) == 0)
                TRY(fail(EXIT_USAGE, "--%s and --%s are both %s", names[i], names[o],
                         shown(outputs[o])));
    }
done:
    return code;
}
