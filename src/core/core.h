/* SPDX-License-Identifier: MIT
 *
 * core.h - context, messages, checked allocation, random numbers, parallel
 * loops. Everything here is internal to the library. */
#ifndef MUCMM_CORE_H
#define MUCMM_CORE_H

#include <mucmm.h>
#include <stdarg.h>
#include <stdbool.h>

struct mucmm_ctx {
    mucmm_allocator allocator;
    uint64_t max_alloc;
    int32_t threads;
    mucmm_log_fn log;
    void *log_user;
    mucmm_progress_fn progress;
    void *progress_user;
    char message[4096];
};

/* The only control-flow macro of the tree: a function that uses it declares
 * `mucmm_status status = MUCMM_OK;` and ends in a label `done:`. */
#define TRY(e)                                                                                     \
    do {                                                                                           \
        status = (e);                                                                              \
        if (status != MUCMM_OK)                                                                    \
            goto done;                                                                             \
    } while (0)

/* Stores the message and returns the status. */
mucmm_status mucmm__fail(mucmm_ctx *ctx, mucmm_status s, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "prefix: " in front of the message already stored (a caller that knows more: a file). */
mucmm_status mucmm__prefix(mucmm_ctx *ctx, mucmm_status s, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void mucmm__warn(mucmm_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
void mucmm__info(mucmm_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For one thread of several: as ctx, with one thread, and silent. It needs no freeing; a message in
 * it has to be handed on. */
void mucmm__ctx_alone(const mucmm_ctx *ctx, mucmm_ctx *out);
/* ECANCELED if the callback asked to stop. note may be NULL. */
mucmm_status mucmm__progress(mucmm_ctx *ctx, const char *stage, int64_t done, int64_t total,
                             const char *note);

/* Structs that grow at their end (see Params in mucmm.h); `known` is their size in this library,
 * and their first field is uint32_t struct_size. init: what the caller's `size` bytes hold of
 * `defaults`; what this library does not know is zero. take: own [known] holds the defaults and
 * becomes what is given; given NULL leaves them. EARG names the struct. copy: the same without a
 * message; false is EARG. give: what the caller's struct_size bytes hold of a result; false if no
 * X_init has seen them. */
void mucmm__params_init(void *out, size_t size, const void *defaults, size_t known);
mucmm_status mucmm__params_take(mucmm_ctx *ctx, const char *name, const void *given, void *own,
                                size_t known);
bool mucmm__params_copy(const void *given, void *own, size_t known);
bool mucmm__params_give(const void *result, size_t known, void *out);

/* *out = count * size bytes, 64-byte aligned, zeroed (never NULL on success, also for 0 bytes).
 * ENOMEM when the product overflows, exceeds max_alloc, or the allocator returns NULL.
 * Each block remembers its allocator, so it may be freed after the context.
 * Use: TRY(mucmm__alloc(ctx, n * p, sizeof *x, &x)), with count already checked by mucmm__mul
 * when it comes from a file. out: address of any object pointer. */
mucmm_status mucmm__alloc(mucmm_ctx *ctx, int64_t count, size_t size, void *out);
void mucmm__free(const void *p); /* NULL is fine */
/* Keeps the first old_count * size bytes, zeroes the rest; *p may be NULL. */
mucmm_status mucmm__realloc(mucmm_ctx *ctx, int64_t old_count, int64_t count, size_t size, void *p);
mucmm_status mucmm__strdup(mucmm_ctx *ctx, const char *s, char **out);

/* May a view be called that? 1 to 64 letters (of ASCII), digits, '_' and '-': names become parts of
 * file names, and stand in messages and tables as they are. */
bool mucmm__good_name(const char *name);

/* Seconds on a clock that never goes back. */
double mucmm__now(void);

/* *out = a * b; false on overflow or a negative factor. */
bool mucmm__mul(int64_t a, int64_t b, int64_t *out);

/* ---- parallel loops ---------------------------------------------------------------- */

/* Calls fn(arg, i) for every i in [0, n), on ctx->threads threads, in any order.
 * A result must not depend on the order: give each i its own output. A oneDNN
 * call inside fn runs on one thread. */
typedef void (*mucmm__task)(void *arg, int64_t i);
void mucmm__parallel(mucmm_ctx *ctx, int64_t n, mucmm__task fn, void *arg);
/* The same for what may fail: fn has a context of its own, with one thread and silent. The failure
 * of the least i is handed on to ctx; what comes after it may be left out. */
typedef mucmm_status (*mucmm__try_task)(mucmm_ctx *own, void *arg, int64_t i);
mucmm_status mucmm__parallel_try(mucmm_ctx *ctx, int64_t n, mucmm__try_task fn, void *arg);
/* As mucmm__parallel in blocks: fn(arg, first, last) with last - first <= grain. */
typedef void (*mucmm__range_task)(void *arg, int64_t first, int64_t last);
void mucmm__parallel_range(mucmm_ctx *ctx, int64_t n, int64_t grain, mucmm__range_task fn,
                           void *arg);

/* ---- counter-based random numbers -------------------------------------------------- */

/* Number i of a stream is a pure function of (seed, stream, i), so nothing has
 * to be stored to resume and threads do not matter. mix() is SplitMix64's. */
uint64_t mucmm__rng_key(uint64_t seed, uint64_t stream);
uint64_t mucmm__rng_bits(uint64_t key, uint64_t i);
double mucmm__rng_uniform(uint64_t key, uint64_t i); /* in (0, 1) */
double mucmm__rng_normal(uint64_t key, uint64_t i);  /* Box-Muller of uniforms 2i, 2i+1 */
/* Fisher-Yates: perm [n] becomes a uniform permutation of 0..n-1. */
void mucmm__rng_permutation(uint64_t key, int64_t *perm, int64_t n);

/* ---- hashes that tie a file to what it was made from ------------------------------- */

/* Of the hash so far and more bytes; the same bytes in other pieces give another one. No defence
 * against somebody who wants two things to have the same. */
#define MUCMM__HASH_START 0xcbf29ce484222325u
uint64_t mucmm__hash(uint64_t hash, const void *data, size_t size);

#endif
