/* SPDX-License-Identifier: MIT
 *
 * The context: messages, checked allocation, random numbers, parallel loops. */
#include "core/core.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint32_t mucmm_version(void)
{
    return MUCMM_VERSION_MAJOR << 16 | MUCMM_VERSION_MINOR << 8 | MUCMM_VERSION_PATCH;
}

const char *mucmm_status_text(mucmm_status s)
{
    switch (s) {
#define X(name, value, text)                                                                       \
    case MUCMM_##name:                                                                             \
        return text;
        MUCMM_STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}

/* ---- structs that grow ------------------------------------------------------------- */

static uint32_t size_of(const void *grown)
{
    uint32_t size;

    memcpy(&size, grown, sizeof size);
    return size;
}

static void set_size(void *grown, size_t size)
{
    uint32_t value = (uint32_t)size;

    memcpy(grown, &value, size < sizeof value ? size : sizeof value);
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

void mucmm__params_init(void *out, size_t size, const void *defaults, size_t known)
{
    memset(out, 0, size);
    memcpy(out, defaults, min_size(size, known));
    set_size(out, size);
}

bool mucmm__params_copy(const void *given, void *own, size_t known)
{
    size_t size = size_of(given);
    bool zero = true;

    if (size < sizeof(uint32_t))
        return false;
    for (size_t i = known; i < size; i++)
        zero = zero && ((const unsigned char *)given)[i] == 0;
    memcpy(own, given, min_size(size, known));
    set_size(own, known);
    return zero;
}

mucmm_status mucmm__params_take(mucmm_ctx *ctx, const char *name, const void *given, void *own,
                                size_t known)
{
    if (!given || mucmm__params_copy(given, own, known))
        return MUCMM_OK;
    if (size_of(given) < sizeof(uint32_t))
        return mucmm__fail(ctx, MUCMM_EARG, "%s was not set up with %s_init", name, name);
    return mucmm__fail(ctx, MUCMM_EARG,
                       "%s has %" PRIu32
                       " bytes and sets a field that this library, which knows %zu, does not "
                       "have; use the library that its header is of",
                       name, size_of(given), known);
}

bool mucmm__params_give(const void *result, size_t known, void *out)
{
    uint32_t size = size_of(out);

    if (size < sizeof size)
        return false;
    memcpy(out, result, min_size(size, known));
    set_size(out, size);
    return true;
}

/* ---- context ----------------------------------------------------------------------- */

static void *default_alloc(void *user, size_t align, size_t size)
{
    void *p = NULL;
    (void)user;
    return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void default_release(void *user, void *ptr)
{
    (void)user;
    free(ptr);
}

void mucmm_ctx_params_init_sized(mucmm_ctx_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_ctx_params){.threads = 0}, sizeof *p);
}

mucmm_status mucmm_ctx_create(const mucmm_ctx_params *params, mucmm_ctx **out)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx;

    *out = NULL;
    mucmm_ctx_params_init(&p);
    if (params) {
        if (!mucmm__params_copy(params, &p, sizeof p) || p.threads < 0 ||
            p.threads > MUCMM_MAX_THREADS)
            return MUCMM_EARG;
    }
    if (!p.allocator.alloc)
        p.allocator = (mucmm_allocator){default_alloc, default_release, NULL};
    ctx = p.allocator.alloc(p.allocator.user, 64, sizeof *ctx);
    if (!ctx)
        return MUCMM_ENOMEM;
    memset(ctx, 0, sizeof *ctx);
    ctx->allocator = p.allocator;
    ctx->max_alloc = p.max_alloc ? p.max_alloc : (uint64_t)1 << 40;
    ctx->threads = p.threads ? p.threads : omp_get_num_procs();
    ctx->log = p.log;
    ctx->log_user = p.log_user;
    ctx->progress = p.progress;
    ctx->progress_user = p.progress_user;
    *out = ctx;
    return MUCMM_OK;
}

void mucmm_ctx_free(mucmm_ctx *ctx)
{
    if (ctx)
        ctx->allocator.release(ctx->allocator.user, ctx);
}

void mucmm__ctx_alone(const mucmm_ctx *ctx, mucmm_ctx *out)
{
    *out = *ctx;
    out->threads = 1;
    out->log = NULL;
    out->progress = NULL;
}

const char *mucmm_ctx_message(const mucmm_ctx *ctx)
{
    return ctx->message;
}

int32_t mucmm_ctx_threads(const mucmm_ctx *ctx)
{
    return ctx->threads;
}

/* ---- messages ---------------------------------------------------------------------- */

/* Names in it come from files. What is shown once stays so: escapes are printable. */
static void put_message(mucmm_ctx *ctx, const char *format, va_list args)
{
    char raw[sizeof ctx->message];

    vsnprintf(raw, sizeof raw, format, args);
    mucmm_text_printable(raw, ctx->message, sizeof ctx->message);
}

mucmm_status mucmm__fail(mucmm_ctx *ctx, mucmm_status s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_message(ctx, format, args);
    va_end(args);
    return s;
}

mucmm_status mucmm__prefix(mucmm_ctx *ctx, mucmm_status s, const char *format, ...)
{
    char old[sizeof ctx->message];
    va_list args;
    size_t used;

    memcpy(old, ctx->message, sizeof old);
    va_start(args, format);
    put_message(ctx, format, args);
    va_end(args);
    used = strlen(ctx->message);
    snprintf(ctx->message + used, sizeof ctx->message - used, ": %s", old);
    return s;
}

static void log_line(mucmm_ctx *ctx, mucmm_log_level level, const char *format, va_list args)
{
    char raw[1024], line[1024];

    if (!ctx->log)
        return;
    vsnprintf(raw, sizeof raw, format, args);
    mucmm_text_printable(raw, line, sizeof line);
    ctx->log(ctx->log_user, level, line);
}

void mucmm__warn(mucmm_ctx *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(ctx, MUCMM_LOG_WARN, format, args);
    va_end(args);
}

void mucmm__info(mucmm_ctx *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(ctx, MUCMM_LOG_INFO, format, args);
    va_end(args);
}

mucmm_status mucmm__progress(mucmm_ctx *ctx, const char *stage, int64_t done, int64_t total,
                             const char *note)
{
    char shown[256];

    mucmm_text_printable(note ? note : "", shown, sizeof shown);
    if (ctx->progress && ctx->progress(ctx->progress_user, stage, done, total, shown))
        return mucmm__fail(ctx, MUCMM_ECANCELED, "stopped during %s", stage);
    return MUCMM_OK;
}

/* ---- allocation -------------------------------------------------------------------- */

/* In front of every block, so that a block can be freed after its context. */
typedef struct block_header {
    _Alignas(64) mucmm_allocator allocator;
} block_header;

bool mucmm__good_name(const char *name)
{
    size_t n = name ? strlen(name) : 0;

    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return n > 0 && n <= 64;
}

bool mucmm__mul(int64_t a, int64_t b, int64_t *out)
{
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, out);
}

mucmm_status mucmm__alloc(mucmm_ctx *ctx, int64_t count, size_t size, void *out)
{
    block_header *block;
    int64_t bytes;
    void *p;

    if (!mucmm__mul(count, (int64_t)size, &bytes) || (uint64_t)bytes > ctx->max_alloc)
        return mucmm__fail(ctx, MUCMM_ENOMEM,
                           "out of memory: %lld items of %zu bytes exceed the limit of %llu bytes",
                           (long long)count, size, (unsigned long long)ctx->max_alloc);
    block = ctx->allocator.alloc(ctx->allocator.user, 64, sizeof *block + (size_t)bytes);
    if (!block)
        return mucmm__fail(ctx, MUCMM_ENOMEM, "out of memory: %lld bytes are not to be had",
                           (long long)bytes);
    block->allocator = ctx->allocator;
    p = block + 1;
    memset(p, 0, (size_t)bytes);
    memcpy(out, &p, sizeof p);
    return MUCMM_OK;
}

void mucmm__free(const void *p)
{
    block_header *block;

    if (!p)
        return;
    block = (block_header *)(uintptr_t)p - 1;
    block->allocator.release(block->allocator.user, block);
}

mucmm_status mucmm__realloc(mucmm_ctx *ctx, int64_t old_count, int64_t count, size_t size, void *p)
{
    void *old, *fresh;
    mucmm_status status = mucmm__alloc(ctx, count, size, &fresh);

    if (status != MUCMM_OK)
        return status;
    memcpy(&old, p, sizeof old);
    if (old)
        memcpy(fresh, old, size * (size_t)(old_count < count ? old_count : count));
    mucmm__free(old);
    memcpy(p, &fresh, sizeof fresh);
    return MUCMM_OK;
}

void mucmm_bytes_free(void *bytes)
{
    mucmm__free(bytes);
}

void mucmm_text_free(char *text)
{
    mucmm__free(text);
}

mucmm_status mucmm__strdup(mucmm_ctx *ctx, const char *s, char **out)
{
    size_t n = strlen(s) + 1;
    mucmm_status status = mucmm__alloc(ctx, (int64_t)n, 1, out);

    if (status == MUCMM_OK)
        memcpy(*out, s, n);
    return status;
}

/* ---- parallel loops ---------------------------------------------------------------- */

void mucmm__parallel(mucmm_ctx *ctx, int64_t n, mucmm__task fn, void *arg)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(ctx->threads) if (n > 1)
    for (int64_t i = 0; i < n; i++)
        fn(arg, i);
}

mucmm_status mucmm__parallel_try(mucmm_ctx *ctx, int64_t n, mucmm__try_task fn, void *arg)
{
    mucmm_status status = MUCMM_OK;
    int64_t failed = n; /* the least so far */

#pragma omp parallel for schedule(dynamic, 1) num_threads(ctx->threads) if (n > 1)
    for (int64_t i = 0; i < n; i++) {
        mucmm_ctx own;
        int64_t before;
#pragma omp atomic read
        before = failed;
        if (before < i)
            continue;
        mucmm__ctx_alone(ctx, &own);
        mucmm_status mine = fn(&own, arg, i);
        if (mine == MUCMM_OK)
            continue;
#pragma omp critical
        if (i < failed) {
#pragma omp atomic write
            failed = i;
            status = mucmm__fail(ctx, mine, "%s", own.message);
        }
    }
    return status;
}

void mucmm__parallel_range(mucmm_ctx *ctx, int64_t n, int64_t grain, mucmm__range_task fn,
                           void *arg)
{
    int64_t blocks = (n + grain - 1) / grain;

#pragma omp parallel for schedule(static) num_threads(ctx->threads) if (blocks > 1)
    for (int64_t b = 0; b < blocks; b++)
        fn(arg, b * grain, b == blocks - 1 ? n : (b + 1) * grain);
}

/* ---- random numbers ---------------------------------------------------------------- */

#define GOLDEN 0x9E3779B97F4A7C15u

static uint64_t mix(uint64_t z)
{
    z ^= z >> 30;
    z *= 0xbf58476d1ce4e5b9u;
    z ^= z >> 27;
    z *= 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t mucmm__rng_key(uint64_t seed, uint64_t stream)
{
    return mix(seed * GOLDEN + stream);
}

uint64_t mucmm__rng_bits(uint64_t key, uint64_t i)
{
    return mix(key + (i + 1) * GOLDEN);
}

double mucmm__rng_uniform(uint64_t key, uint64_t i)
{
    return ((double)(mucmm__rng_bits(key, i) >> 11) + 0.5) * 0x1p-53;
}

double mucmm__rng_normal(uint64_t key, uint64_t i)
{
    double u = mucmm__rng_uniform(key, 2 * i), v = mucmm__rng_uniform(key, 2 * i + 1);
    return sqrt(-2 * log(u)) * cos(6.283185307179586476925 * v);
}

void mucmm__rng_permutation(uint64_t key, int64_t *perm, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        perm[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(mucmm__rng_uniform(key, (uint64_t)i) * (double)(i + 1));
        int64_t t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
    }
}

/* ---- hashes ------------------------------------------------------------------------ */

/* Eight bytes at a time through the mixer of the random numbers. */
uint64_t mucmm__hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t word;

    for (; size > 0; p += sizeof word) {
        size_t n = size < sizeof word ? size : sizeof word;
        word = 0;
        memcpy(&word, p, n);
        hash = mucmm__rng_bits(hash ^ word, n);
        size -= n;
    }
    return hash;
}

/* ---- the clock --------------------------------------------------------------------- */

double mucmm__now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
