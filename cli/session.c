/* SPDX-License-Identifier: MIT
 *
 * A library context with its progress display, rows and scores by name. */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message of the library is no longer. */
enum { MESSAGE_SIZE = 4096 };

/* ---- session ----------------------------------------------------------------------- */

static void print_log(void *user, mucmm_log_level level, const char *message)
{
    session *s = user;

    if (level != MUCMM_LOG_WARN && !s->verbose)
        return;
    char text[MESSAGE_SIZE];
    if (strncmp(s->last, message, sizeof s->last - 1) == 0) /* said just now, of another score */
        return;
    snprintf(s->last, sizeof s->last, "%s", message);
    progress_pause(&s->progress);
    fprintf(stderr, "mucmm: %s%s\n", level == MUCMM_LOG_WARN ? "warning: " : "",
            options_name(s->table, message, text, sizeof text));
}

int session_open(session *s, const settings *given)
{
    mucmm_ctx_params p;

    *s = (session){.verbose = given->verbose, .table = given->table};
    progress_init(&s->progress);
    mucmm_ctx_params_init(&p);
    p.threads = given->threads > 0 ? (int32_t)given->threads : 0;
    p.log = print_log;
    p.log_user = s;
    p.progress = progress_report;
    p.progress_user = &s->progress;
    mucmm_status status = mucmm_ctx_create(&p, &s->ctx);
    if (status != MUCMM_OK)
        return fail(EXIT_RUN, "cannot start: %s", mucmm_status_text(status));
    return 0;
}

void session_close(session *s)
{
    progress_pause(&s->progress);
    mucmm_ctx_free(s->ctx);
    s->ctx = NULL;
}

int check(session *s, mucmm_status status)
{
    if (status == MUCMM_OK)
        return 0;
    progress_pause(&s->progress);
    if (status != MUCMM_ECANCELED) {
        char text[MESSAGE_SIZE];
        const char *message = mucmm_ctx_message(s->ctx);
        message = message[0] ? message : mucmm_status_text(status);
        return fail(EXIT_RUN, "%s", options_name(s->table, message, text, sizeof text));
    }
    if (s->checkpoint)
        print_error("stopped; run the same command again to resume from '%s'", s->checkpoint);
    else
        print_error("stopped; no result was written");
    return 128 + stop_signal();
}

int check_part(session *s, mucmm_status status, bool *there)
{
    int code = check(s, status);

    *there = status == MUCMM_OK;
    if (status != MUCMM_EUNSUPPORTED)
        return code;
    s->incomplete = true;
    return 0;
}

void note_missing(session *s, const char *view, int64_t missing, int64_t n)
{
    if (missing == 0)
        return;
    s->incomplete = true;
    progress_pause(&s->progress);
    print_error("view '%s': %" PRId64 " of %" PRId64 " maps could not be made and are NaN (see the "
                "warnings); the others are written",
                view, missing, n);
}

/* ---- rows and scores by name ------------------------------------------------------- */

int samples_parse(session *s, const char *text, const inputs *in, int64_t fallback,
                  sample_list *out)
{
    int64_t rows = mucmm_views_rows(in->paired);
    char first_rows[32];
    mucmm_status status;

    *out = (sample_list){0};
    if (!text) {
        snprintf(first_rows, sizeof first_rows, "0-%" PRId64,
                 (fallback < rows ? fallback : rows) - 1);
        text = first_rows;
    }
    status = mucmm_views_samples(s->ctx, in->paired, text, &out->rows, &out->n);
    if (check(s, status) != 0)
        return status == MUCMM_EARG ? EXIT_USAGE : EXIT_RUN;
    return 0;
}

void samples_free(sample_list *samples)
{
    mucmm_bytes_free(samples->rows);
    *samples = (sample_list){0};
}
