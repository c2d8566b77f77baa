/* SPDX-License-Identifier: MIT
 *
 * What the commands share: error lines, a library context with its progress
 * display, opened views, and outputs that vanish if a command fails.
 *
 * Functions that return int return the exit status: 0, or 1 or 2 after an error
 * line has been printed.
 */
#ifndef CLI_H
#define CLI_H

#include "options.h"
#include "progress.h"

#include <jansson.h>
#include <mucmm.h>
#include <stdbool.h>
#include <stdint.h>

enum { EXIT_RUN = 1, EXIT_USAGE = 2 };

/* The only control flow in a macro: `code` and the label `done` are the caller's. */
#define TRY(e)                                                                                     \
    do {                                                                                           \
        code = (e);                                                                                \
        if (code != 0)                                                                             \
            goto done;                                                                             \
    } while (0)

/* "mucmm: <message>" on stderr. */
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and the exit status to return. */
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A name that comes from a file, for a line or a table on the terminal: see mucmm_text_printable.
 * Up to eight of them are valid at a time. */
const char *shown(const char *text);

/* malloc that counts elements; prints the error itself. */
int allocate(void *out, int64_t count, size_t size);

/* ---- session ----------------------------------------------------------------------- */

typedef struct session {
    mucmm_ctx *ctx;
    progress progress;
    bool verbose;           /* tell more than warnings */
    const option *table;    /* of the command; or NULL */
    const char *checkpoint; /* for the message of a run that is stopped; or NULL */
    char last[256];         /* the beginning of the last warning */
    bool incomplete;        /* something could not be had, and the rest is written */
} session;

int session_open(session *s, const settings *given);
void session_close(session *s);
/* Turns the status of a library call into an exit status, with its error line. */
int check(session *s, mucmm_status status);
/* Maps that a network lets nobody have (EUNSUPPORTED) are an error line, and the run goes on with
 * the rest: *there is false then, and the run incomplete. */
int check_part(session *s, mucmm_status status, bool *there);
/* An error line and an incomplete run if some of the n maps of a view are missing. */
void note_missing(session *s, const char *view, int64_t missing, int64_t n);

/* ---- views and models -------------------------------------------------------------- */

typedef struct inputs {
    mucmm_views *paired;
    int32_t n; /* what is in them, for short */
    const mucmm_data *data[MUCMM_MAX_VIEWS];
    mucmm_view views[MUCMM_MAX_VIEWS];
    int64_t *groups;    /* of each row, by --group; NULL without */
    mucmm_study *study; /* NULL if the views were given one by one */
    mucmm_part part;
} inputs;

/* Opens the views in the order given, or those of a study file; rows are paired. usual: the part
 * of a study that is split, unless --part says another. */
int inputs_open(session *s, const settings *given, const char *study, mucmm_part usual,
                inputs *out);
/* The same, but only the model's views, in the model's order; the study is the second operand, the
 * part the test part unless --part says another. */
int inputs_open_some(session *s, const mucmm_model *m, const settings *given, inputs *out);
/* The same; all of the model's views have to be given, so that view v is views[v]. */
int inputs_open_for(session *s, const mucmm_model *m, const settings *given, inputs *out);
/* The group of each row of views by --group; NULL without. files: where they come from, for a
 * column of theirs. The caller frees. */
int groups_read(session *s, const settings *given, const mucmm_views *views, const pairs *files,
                int64_t **out);
/* Leaves out rows that lack a view, which cannot be shown; those of a study stay. */
int inputs_complete(session *s, inputs *in);
/* Those of its rows, in->groups. */
int inputs_groups(session *s, const settings *given, inputs *in);
void inputs_close(inputs *in);
/* What becomes of empty cells; the limits stay as they are where nothing is said of them. */
void missing_of(const settings *given, int32_t *missing, double *row, double *column);
/* Bytes that --memory gives; 0 = the default. */
uint64_t memory_of(const settings *given);
/* Training rows of a view of the study; NULL without a study. */
int inputs_training(session *s, const inputs *in, const char *view, mucmm_data **out);

/* The options that say what is read of tables; missing is 0. */
void table_params(const settings *given, mucmm_data_params *p);
/* A table of what is known of the rows, by the key column that is given. */
int table_open(session *s, const settings *given, const char *path, mucmm_table **out);

/* The model named by the first operand. */
int model_open(session *s, const settings *given, mucmm_model **out);

/* ---- rows and scores by name ------------------------------------------------------- */

enum { MAX_SAMPLE = 160 }; /* bytes of mucmm_views_file_name */

typedef struct sample_list {
    int64_t *rows;
    int64_t n;
} sample_list;

/* See mucmm_views_samples; text NULL = the first `fallback` rows. */
int samples_parse(session *s, const char *text, const inputs *in, int64_t fallback,
                  sample_list *out);
void samples_free(sample_list *samples);

/* ---- outputs ----------------------------------------------------------------------- */

/* Can a file be written there? Asked before the work, not after it. */
int output_check(const char *path);
/* No output is a file that is read, or another output. */
int outputs_check(const settings *given);

enum { MAX_PATH = 4096 };

/* "png", "svg" or "pdf", by --figures. */
const char *figures_end(const settings *given);
/* "wrote FILE" on stderr. */
void say_written(const char *path);
/* The same, or the message of what could not be written. */
int check_written(session *s, mucmm_status written, const char *path);

/* A folder for results. It is created with its first file, those above it too if
 * they are missing; what a failed command has written and created is removed again. */
typedef struct output_dir {
    const char *path;
    bool created;
    size_t existing; /* of a created path: the length that was there before */
    char **files;
    int64_t n_files;
    int64_t n_written;   /* with those that stood there before */
    char full[MAX_PATH]; /* the path that was asked for last   */
    char first[MAX_PATH];
} output_dir;

int output_dir_check(const char *path);
/* Creates it now. */
int output_dir_make(output_dir *d);
/* Full path of a file that is about to be written, in out->full; valid until the next call. */
int output_dir_file(output_dir *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* keep: says how many files were written; else they are removed. */
void output_dir_close(output_dir *d, bool keep);

/* ---- JSON -------------------------------------------------------------------------- */

/* Like json_object_set_new and json_array_append_new. What is lost because memory has run out is
 * remembered: nothing is printed or written then that lacks something. */
void json_put(json_t *object, const char *key, json_t *value);
void json_append(json_t *array, json_t *value);
/* A string; a text that is not UTF-8 as it is shown. */
json_t *json_text(const char *text);
/* JSON text as it is fit for a terminal; and such as a call of the library made, if it did. */
int print_text(const char *text);
int print_made(session *s, mucmm_status made, char **text);
/* The same into a file, as the text is. */
int write_made(session *s, mucmm_status made, char **text, const char *path);
/* A text for free, with these flags of jansson; NULL if something is lost or root is NULL. */
char *json_line(const json_t *root, size_t flags);
/* Exit status 1 with its line if something was lost: for what is printed piece by piece. */
int json_check(void);
/* Rounds off a command that prints JSON: consumes `root`, which is NULL if memory has run out. */
int print_json(json_t *root);

/* ---- commands ---------------------------------------------------------------------- */

#define COMMAND_MAP(X)                                                                             \
    X(fit)                                                                                         \
    X(transform)                                                                                   \
    X(score)                                                                                       \
    X(explain)                                                                                     \
    X(loadings)                                                                                    \
    X(match)                                                                                       \
    X(cite)                                                                                        \
    X(relate)                                                                                      \
    X(report)                                                                                      \
    X(info)                                                                                        \
    X(check_gradient)                                                                              \
    X(bench) X(demo) X(graph_info) X(graph_run) X(graph_vjp) X(graph_ops) X(bench_graph) X(encode)
#define X(name)                                                                                    \
    extern const option name##_options[];                                                          \
    int run_##name(const settings *given);
COMMAND_MAP(X)
#undef X

#endif
