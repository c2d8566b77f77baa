/* SPDX-License-Identifier: MIT
 *
 * A bar with the time left on a terminal, plain lines elsewhere; Ctrl-C. */
#include "progress.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop_asked = 0;

static void ask_stop(int signal_number)
{
    stop_asked = signal_number;
}

int stop_signal(void)
{
    return stop_asked;
}

double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *wait_for_signals(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

/* Threads that compute take no signals: kernels that oneDNN generates use the stack pointer for
 * other things, and what the system writes there for a handler then lands in the heap
 * (docs/pitfalls.md). A thread of their own takes them. Threads started later have the mask of this
 * one. */
static void take_signals_aside(void)
{
    static bool done;
    pthread_t thread;
    sigset_t stops;

    if (done || pthread_create(&thread, NULL, wait_for_signals, NULL) != 0)
        return;
    done = true;
    pthread_detach(thread);
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stops, NULL);
}

void progress_init(progress *p)
{
    /* The second signal of a kind ends the program at once. */
    struct sigaction action = {.sa_handler = ask_stop, .sa_flags = (int)SA_RESETHAND};

    *p = (progress){.terminal = isatty(STDERR_FILENO) == 1};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    take_signals_aside();
}

void progress_pause(progress *p)
{
    if (p->open)
        fputc('\n', stderr);
    p->open = false;
}

static void format_time(double seconds, char *out, size_t size)
{
    long s = (long)(seconds + 0.5);

    if (s >= 3600)
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

/* ", 0:42 left", or nothing while it cannot be known. A resumed stage starts at
 * `first`, so only the units done since then tell the speed. */
static void format_left(const progress *p, int64_t done, int64_t total, char *out, size_t size)
{
    double spent = seconds_now() - p->started;
    char left[32];

    out[0] = '\0';
    if (done <= p->first || done >= total || spent < 0.5)
        return;
    format_time(spent / (double)(done - p->first) * (double)(total - done), left, sizeof left);
    snprintf(out, size, ", %s left", left);
}

static size_t terminal_width(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

static void draw_bar(progress *p, double share, const char *left)
{
    enum { CELLS = 24 };
    char bar[CELLS + 1], line[256];
    int full = (int)(share * CELLS);

    for (int i = 0; i < CELLS; i++)
        bar[i] = i < full ? '#' : '.';
    bar[CELLS] = '\0';
    snprintf(line, sizeof line, "%s [%s] %3.0f%%%s%s%s", p->stage, bar, 100 * share, left,
             p->note[0] ? ", " : "", p->note);
    fprintf(stderr, "\r\033[K%.*s", (int)terminal_width() - 1, line);
    p->open = true;
}

static void print_line(const progress *p, int64_t done, int64_t total, const char *left)
{
    const char *separator = p->note[0] ? ", " : "";

    if (done >= total)
        fprintf(stderr, "%s: done in %.1f s%s%s\n", p->stage, seconds_now() - p->started, separator,
                p->note);
    else
        fprintf(stderr, "%s: %lld of %lld%s%s%s\n", p->stage, (long long)done, (long long)total,
                left, separator, p->note);
}

static void start_stage(progress *p, const char *stage, int64_t done)
{
    progress_pause(p);
    snprintf(p->stage, sizeof p->stage, "%s", stage);
    p->note[0] = '\0';
    p->started = seconds_now();
    p->printed = p->started;
    p->first = done;
    p->share = -1;
}

/* A bar may move ten times a second; a line is due at the start and the end of a
 * stage, every tenth of it, and every minute. */
static bool is_due(const progress *p, double share)
{
    double waited = seconds_now() - p->printed;

    if (p->share >= 1)
        return false;
    if (p->share < 0 || share >= 1)
        return true;
    if (p->terminal)
        return waited >= 0.1;
    return (share >= p->share + 0.1 && waited >= 1) || waited >= 60;
}

int progress_report(void *user, const char *stage, int64_t done, int64_t total, const char *note)
{
    progress *p = user;
    double share = total > 0 ? (double)done / (double)total : 1;
    char left[48];

    if (strncmp(stage, p->stage, sizeof p->stage - 1) != 0 || (p->share >= 1 && share < 1))
        start_stage(p, stage, done);
    if (note && note[0]) /* an older one still says more than none */
        snprintf(p->note, sizeof p->note, "%s", note);
    if (is_due(p, share)) {
        format_left(p, done, total, left, sizeof left);
        if (p->terminal)
            draw_bar(p, share, left);
        else
            print_line(p, done, total, left);
        p->printed = seconds_now();
        p->share = share;
        if (share >= 1)
            progress_pause(p);
    }
    return stop_asked != 0;
}
