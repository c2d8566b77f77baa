/* SPDX-License-Identifier: MIT
 *
 * Progress on stderr: a bar with the time left on a terminal, plain lines
 * elsewhere. Ctrl-C asks the library to stop at the next safe point.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct progress {
    bool terminal;
    bool open; /* the bar stands on a line that is not ended */
    char stage[64];
    char note[96];
    double started, printed; /* seconds: of the stage, of the last line        */
    int64_t first;           /* units done when the stage was first heard of   */
    double share;            /* of the stage, when the last line was printed   */
} progress;

void progress_init(progress *p);
/* A mucmm_progress_fn; user is the progress. */
int progress_report(void *user, const char *stage, int64_t done, int64_t total, const char *note);
/* Ends the bar's line, so that something else can be printed. */
void progress_pause(progress *p);

/* Seconds of a clock that is never set. */
double seconds_now(void);

/* The signal that asked to stop, or 0. */
int stop_signal(void);

#endif
