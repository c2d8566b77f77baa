/* SPDX-License-Identifier: MIT
 *
 * Which rows a model was fitted to: 32 bits of each row and view, and the rule by which given rows
 * are recognized. */
#include "model/digest.h"

#include "io/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows that are read and hashed at a time; combinations of views that are looked up together. */
enum { CHUNK = 1024, MOST_MASKS = 64 };

/* Values tell rows apart if at most this share of the rows of the fit has them in common with
 * another one. */
#define MOST_SHARED 0.05

/* Sketches that differ by no more standard deviations are alike: rounding to four digits or more.
 * Of at most so many rows is that looked up. */
#define NEAR 2e-4
enum { MOST_NEAR = 4096 };

/* Tables of few values: rows are those of the fit if other rows of their kind would hold all of
 * these by chance no more often than that. */
#define LEAST_CHANCE 0.01

/* ---- hashes ------------------------------------------------------------------------ */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Never 0, which stands for a view that is not there. */
static uint32_t fold(uint64_t hash)
{
    uint32_t h = (uint32_t)(mix(hash) >> 32);

    return h > 0 ? h : 1;
}

/* -0 is 0, and NaN, an empty cell, always the same. */
static inline uint64_t hash_value(uint64_t hash, float x)
{
    float value = x + 0.0f;
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    bits = isnan(value) ? 0x7fc00000 : bits;
    hash = (hash ^ bits) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

/* In lanes of their own, which a processor can do side by side. */
static uint32_t hash_values(const float *x, int64_t n)
{
    enum { LANES = 4 };
    uint64_t lane[LANES] = {1, 2, 3, 4}, hash = (uint64_t)n;

    for (int64_t j = 0; j + LANES <= n; j += LANES)
        for (int i = 0; i < LANES; i++)
            lane[i] = hash_value(lane[i], x[j + i]);
    for (int64_t j = n - n % LANES; j < n; j++)
        lane[j % LANES] = hash_value(lane[j % LANES], x[j]);
    for (int i = 0; i < LANES; i++)
        hash = mix(hash ^ lane[i]);
    return fold(hash);
}

/* A sum of the scaled values with signs that look random: nearly the same where the values are. */
static float sketch_values(const mucmm__scaling *s, const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t j = 0; j < n; j++) {
        double h = isnan(x[j]) ? 0 : ((double)x[j] - s->mean[j]) / s->scale[j];
        sum += mix((uint64_t)j) & 1 ? h : -h;
    }
    return (float)(sum / sqrt((double)n));
}

static uint32_t hash_key(const char *key)
{
    return fold(mucmm__hash(MUCMM__HASH_START, key, strlen(key)));
}

typedef struct hash_job {
    const float *x;
    int64_t cols;
    const int64_t *to;
    uint32_t *hash;
    const mucmm__scaling *scaling;
    float *sketch;
} hash_job;

static void hash_range(void *arg, int64_t first, int64_t last)
{
    const hash_job *job = arg;

    for (int64_t i = first; i < last; i++) {
        const float *x = job->x + i * job->cols;
        job->hash[job->to[i]] = hash_values(x, job->cols);
        job->sketch[job->to[i]] = sketch_values(job->scaling, x, job->cols);
    }
}

/* Row rows[i] (NULL: i) of a view into hash[i] and sketch[i]; 0 where the row lacks it. */
static mucmm_status hash_view(mucmm_ctx *ctx, const mucmm_data *data, const mucmm__scaling *scaling,
                              const int64_t *rows, int64_t n, uint32_t *hash, float *sketch)
{
    mucmm_status status = MUCMM_OK;
    int64_t from[CHUNK], to[CHUNK], cols = mucmm_data_cols(data);
    float *x = NULL;

    TRY(mucmm__alloc(ctx, CHUNK * cols, sizeof *x, &x));
    for (int64_t i = 0; i < n;) {
        int64_t b = 0;
        for (; i < n && b < CHUNK; i++) {
            hash[i] = 0;
            sketch[i] = 0;
            from[b] = rows ? rows[i] : i;
            to[b] = i;
            b += mucmm_data_has(data, from[b]);
        }
        TRY(mucmm__data_read_less(ctx, data, scaling->origin, from, b,
                                  &(mucmm_mat){x, b, cols, cols}));
        mucmm__parallel_range(ctx, b, 64, hash_range,
                              &(hash_job){x, cols, to, hash, scaling, sketch});
    }
done:
    mucmm__free(x);
    return status;
}

/* ---- keys -------------------------------------------------------------------------- */

/* The key of a row, from the first view that has one; NULL if there is none. */
static const char *key_of(int32_t n_views, const mucmm_data *const *data, int64_t row)
{
    const char *key = NULL;

    for (int32_t v = 0; v < n_views && !key; v++)
        key = data[v] ? mucmm_data_key(data[v], row) : NULL;
    return key;
}

static void hash_keys(int32_t n_views, const mucmm_data *const *data, const int64_t *rows,
                      int64_t n, uint32_t *hash)
{
    for (int64_t i = 0; i < n; i++) {
        const char *key = key_of(n_views, data, rows ? rows[i] : i);
        hash[i] = key ? hash_key(key) : 0;
    }
}

/* Do keys only count: all of them are a common beginning and a number not far above that of the
 * rows? Other rows are likely to be called the same. */
static bool only_count(int32_t n_views, const mucmm_data *const *data, const int64_t *rows,
                       int64_t n, const char *first)
{
    size_t start = strcspn(first, "0123456789");

    for (int64_t i = 0; i < n; i++) {
        const char *key = key_of(n_views, data, rows[i]);
        size_t digits;
        if (!key)
            continue;
        if (strncmp(key, first, start) != 0)
            return false;
        digits = strspn(key + start, "0123456789");
        if (digits == 0 || digits > 15 || key[start + digits] || atoll(key + start) > 10 * n + 100)
            return false;
    }
    return true;
}

/* ---- making ------------------------------------------------------------------------ */

void mucmm__digest_drop(mucmm__digest *d)
{
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        mucmm__free(d->view[v]);
        mucmm__free(d->sketch[v]);
    }
    mucmm__free(d->key);
    mucmm__free(d->group);
    *d = (mucmm__digest){0};
}

/* ---- groups ------------------------------------------------------------------------ */

static int compare_groups(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

mucmm_status mucmm__digest_groups(mucmm_ctx *ctx, const int64_t *groups, const int64_t *fitted,
                                  int64_t n_fitted, mucmm__digest *d)
{
    mucmm_status status = MUCMM_OK;
    int64_t *sorted = NULL;

    if (!groups)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n_fitted, sizeof *sorted, &sorted));
    TRY(mucmm__alloc(ctx, 2 * n_fitted, sizeof *d->group, &d->group));
    for (int64_t i = 0; i < n_fitted; i++)
        sorted[i] = groups[fitted[i]];
    qsort(sorted, (size_t)n_fitted, sizeof *sorted, compare_groups);
    for (int64_t i = 0; i < n_fitted; i++) {
        if (i > 0 && sorted[i] == sorted[i - 1])
            continue;
        d->group[2 * d->n_groups] = (uint32_t)((uint64_t)sorted[i] >> 32);
        d->group[2 * d->n_groups++ + 1] = (uint32_t)sorted[i];
    }
done:
    mucmm__free(sorted);
    return status;
}

static int64_t group_at(const mucmm__digest *d, int64_t i)
{
    return (int64_t)((uint64_t)d->group[2 * i] << 32 | d->group[2 * i + 1]);
}

bool mucmm__digest_has_group(const mucmm__digest *d, int64_t group)
{
    int64_t low = 0, high = d->n_groups;

    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (group_at(d, middle) < group)
            low = middle + 1;
        else
            high = middle;
    }
    return low < d->n_groups && group_at(d, low) == group;
}

mucmm_status mucmm__digest_make(mucmm_ctx *ctx, int32_t n_views, const mucmm_data *const *data,
                                const mucmm__scaling *scaling, const int64_t *fitted,
                                int64_t n_fitted, const int64_t *held_out, int64_t n_held_out,
                                mucmm__digest *d)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = n_fitted + n_held_out, *rows = NULL;
    const char *first;

    *d = (mucmm__digest){.fitted = n_fitted, .held_out = n_held_out};
    TRY(mucmm__alloc(ctx, n, sizeof *rows, &rows));
    for (int64_t i = 0; i < n; i++)
        rows[i] = i < n_fitted ? fitted[i] : held_out[i - n_fitted];
    for (int32_t v = 0; v < n_views; v++) {
        TRY(mucmm__alloc(ctx, n, sizeof *d->view[v], &d->view[v]));
        TRY(mucmm__alloc(ctx, n, sizeof *d->sketch[v], &d->sketch[v]));
        TRY(hash_view(ctx, data[v], &scaling[v], rows, n, d->view[v], d->sketch[v]));
    }
    first = n > 0 ? key_of(n_views, data, rows[0]) : NULL;
    if (!first)
        goto done;
    TRY(mucmm__alloc(ctx, n, sizeof *d->key, &d->key));
    hash_keys(n_views, data, rows, n, d->key);
    d->counting = only_count(n_views, data, rows, n, first);
done:
    mucmm__free(rows);
    return status;
}

/* ---- looking up -------------------------------------------------------------------- */

/* Sorted hashes. */
typedef struct book {
    uint64_t *hash;
    int64_t n;
} book;

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The first place whose hash is at least that. */
static int64_t place_of(const book *b, uint64_t hash)
{
    int64_t lo = 0, hi = b->n;

    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        if (b->hash[middle] < hash)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

static int64_t end_of(const book *b, int64_t place)
{
    int64_t end = place;

    while (end < b->n && b->hash[end] == b->hash[place])
        end++;
    return end;
}

static int64_t count_of(const book *b, uint64_t hash)
{
    int64_t place = place_of(b, hash);

    return place < b->n && b->hash[place] == hash ? end_of(b, place) - place : 0;
}

/* How many have their hash in common with another one. */
static int64_t count_shared(const book *b)
{
    int64_t shared = 0;

    for (int64_t i = 0, end; i < b->n; i = end) {
        end = end_of(b, i);
        shared += end - i > 1 ? end - i : 0;
    }
    return shared;
}

static bool is_distinctive(const book *b)
{
    return b->n > 0 && (double)count_shared(b) <= MOST_SHARED * (double)b->n;
}

/* More than a Poisson number of this mean would be. */
static bool more_than_chance(int64_t found, double mean)
{
    return (double)found > mean + 4 * sqrt(mean);
}

/* Hashes of rows: of each view, and of the views of a mask together. */
typedef struct hashes {
    int32_t n_views;
    int64_t n;
    const uint32_t *view[MUCMM_MAX_VIEWS];
    const float *sketch[MUCMM_MAX_VIEWS];
} hashes;

/* 0: the row lacks one of the views. Of one view its own. */
static uint64_t joint_hash(const hashes *h, uint32_t mask, int64_t row)
{
    uint64_t hash = 0;

    for (int32_t v = 0; v < h->n_views; v++)
        if (mask >> v & 1) {
            if (!h->view[v] || h->view[v][row] == 0)
                return 0;
            hash = (mask & (mask - 1)) == 0 ? h->view[v][row]
                                            : mix(hash ^ h->view[v][row] ^ (uint64_t)v << 32);
        }
    return hash;
}

/* Of the rows that have all the views of the mask, from first to last. b->hash is the caller's to
 * free. */
static mucmm_status write_book(mucmm_ctx *ctx, const hashes *h, uint32_t mask, int64_t first,
                               int64_t last, book *b)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(ctx, last - first, sizeof *b->hash, &b->hash));
    for (int64_t i = first; i < last; i++) {
        uint64_t hash = joint_hash(h, mask, i);
        if (hash)
            b->hash[b->n++] = hash;
    }
    qsort(b->hash, (size_t)b->n, sizeof *b->hash, compare_hashes);
done:
    return status;
}

/* ---- recognizing ------------------------------------------------------------------- */

/* The rows of the fit and those given. */
typedef struct search {
    mucmm_ctx *ctx;
    const mucmm__digest *d;
    hashes fit, given;
    unsigned char *kind; /* [given.n] */
    bool repeats;        /* some rows could not be told from others */
} search;

/* The views that a given row has. */
static uint32_t mask_of(const hashes *h, int64_t row)
{
    uint32_t mask = 0;

    for (int32_t v = 0; v < h->n_views; v++)
        mask |= (uint32_t)(h->view[v] && h->view[v][row] != 0) << v;
    return mask;
}

/* What one view alone tells, as where the others were made anew: values that stand once in the fit
 * and once in what is given, and oftener than rows of the same kind would agree. That is judged by
 * how often rows of the fit do. */
static mucmm_status by_one_view(search *s, int32_t v)
{
    mucmm_status status = MUCMM_OK;
    book fit = {0}, given = {0};
    int64_t found = 0;
    double agree;

    TRY(write_book(s->ctx, &s->fit, 1u << v, 0, s->d->fitted, &fit));
    TRY(write_book(s->ctx, &s->given, 1u << v, 0, s->given.n, &given));
    if (!is_distinctive(&fit))
        goto done;
    agree = ((double)count_shared(&fit) + 1) / (double)fit.n + (double)fit.n / 0x1p32;
    for (int64_t i = 0; i < given.n; i++)
        found += count_of(&fit, given.hash[i]) == 1 && count_of(&given, given.hash[i]) == 1;
    if (!more_than_chance(found, agree * (double)given.n))
        goto done;
    for (int64_t i = 0; i < s->given.n; i++) {
        uint64_t hash = joint_hash(&s->given, 1u << v, i);
        if (s->kind[i] == MUCMM_ROW_NEW && hash && count_of(&fit, hash) == 1 &&
            count_of(&given, hash) == 1)
            s->kind[i] = MUCMM_ROW_FITTED;
    }
done:
    mucmm__free(fit.hash);
    mucmm__free(given.hash);
    return status;
}

/* What all views together tell, of the rows that have just those of the mask: more rows than would
 * agree by chance, as rows of the fit do with each other, and as the 32 bits of a single view do in
 * some of very many. */
static void by_values(search *s, uint32_t mask, const book *b, double agree, mucmm_row_kind kind)
{
    double bits = (mask & (mask - 1)) == 0 ? 0x1p32 : 0x1p64;
    int64_t found = 0, n = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < s->given.n; i++) {
            if (s->kind[i] == MUCMM_ROW_FITTED || mask_of(&s->given, i) != mask)
                continue;
            n += pass == 0;
            if (count_of(b, joint_hash(&s->given, mask, i)) == 0)
                continue;
            if (pass == 0)
                found++;
            else if (more_than_chance(found, (double)n * (agree + (double)b->n / bits)))
                s->kind[i] = (unsigned char)kind;
            else
                s->repeats = true;
        }
}

/* log P(all of b are among n rows that are drawn as those of b are), each value a Poisson number.
 */
static double log_chance(const book *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0, end; i < b->n; i = end) {
        double count, mean, term, below = 0;
        end = end_of(b, i);
        count = (double)(end - i);
        mean = count * (double)n / (double)b->n;
        for (double j = 0; j < count; j++) {
            term = exp(j * log(mean) - mean - lgamma(j + 1));
            below += term;
        }
        sum += log(fmax(1 - below, 1e-12));
    }
    return sum;
}

static bool holds_all(const book *given, const book *b)
{
    for (int64_t i = 0, end; i < b->n; i = end) {
        end = end_of(b, i);
        if (count_of(given, b->hash[i]) < end - i)
            return false;
    }
    return b->n > 0;
}

/* Of each value as many rows as b has; equal rows are as good as each other. */
static void mark_as_many(search *s, uint32_t mask, const book *b, int64_t *taken)
{
    for (int64_t i = 0; i < s->given.n; i++) {
        uint64_t hash = joint_hash(&s->given, mask, i);
        int64_t place = place_of(b, hash);
        if (mask_of(&s->given, i) != mask || place == b->n || b->hash[place] != hash ||
            taken[place] == end_of(b, place) - place)
            continue;
        taken[place]++;
        s->kind[i] = MUCMM_ROW_FITTED;
    }
}

/* Values that repeat themselves tell nothing of one row, but all of them together may: the given
 * rows are those of the fit (with its held-out rows or without), or hold them all where that is no
 * chance. */
static mucmm_status by_all_values(search *s, uint32_t mask, const book *b)
{
    mucmm_status status = MUCMM_OK;
    book given = {0}, all = {0};
    int64_t *taken = NULL;
    bool same;

    TRY(write_book(s->ctx, &s->given, mask, 0, s->given.n, &given));
    TRY(write_book(s->ctx, &s->fit, mask, 0, s->fit.n, &all));
    TRY(mucmm__alloc(s->ctx, b->n, sizeof *taken, &taken));
    same =
        (given.n == b->n && holds_all(&given, b)) || (given.n == all.n && holds_all(&given, &all));
    if (same || (holds_all(&given, b) && log_chance(b, given.n) < log(LEAST_CHANCE)))
        mark_as_many(s, mask, b, taken);
    else
        s->repeats = s->repeats || b->n > 0;
done:
    mucmm__free(taken);
    mucmm__free(given.hash);
    mucmm__free(all.hash);
    return status;
}

/* Of pairs of rows, the share that has one hash. */
static double pairs_that_agree(const book *b)
{
    double pairs = 0;

    for (int64_t i = 0, end; i < b->n; i = end) {
        end = end_of(b, i);
        pairs += (double)(end - i) * (double)(end - i - 1);
    }
    return b->n > 1 ? pairs / ((double)b->n * (double)(b->n - 1)) : 0;
}

/* The share of other rows of their kind that would agree with a row of the fit (b) in all views of
 * the mask: by how many rows of the fit do, and by how often they do in each view. */
static mucmm_status share_that_agrees(search *s, uint32_t mask, const book *b, double *out)
{
    mucmm_status status = MUCMM_OK;
    double product = (double)b->n;
    book one = {0};

    for (int32_t v = 0; v < s->fit.n_views && product > 0; v++) {
        if (!(mask >> v & 1))
            continue;
        TRY(write_book(s->ctx, &s->fit, 1u << v, 0, s->d->fitted, &one));
        product *= pairs_that_agree(&one);
        mucmm__free(one.hash);
        one = (book){0};
    }
    *out = fmax((double)count_shared(b) / (double)b->n, product);
done:
    mucmm__free(one.hash);
    return status;
}

/* Rows of the fit that have all views of a mask, in the order of the sketch of one of them. */
struct place {
    float sketch;
    int64_t row;
};

typedef struct order {
    const hashes *fit;
    uint32_t mask;
    int32_t view;
    struct place *place;
    int64_t n;
    double near[MUCMM_MAX_VIEWS]; /* sketches of a view that differ by no more are alike */
} order;

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return (x->sketch > y->sketch) - (x->sketch < y->sketch);
}

/* The standard deviation of a view's sketches, in which NEAR is measured. */
static double spread_of(const order *o, int32_t v)
{
    double sum = 0, squares = 0, n = (double)o->n;

    for (int64_t i = 0; i < o->n; i++) {
        double x = (double)o->fit->sketch[v][o->place[i].row];
        sum += x;
        squares += x * x;
    }
    return sqrt(fmax(squares / n - sum / n * sum / n, 0));
}

static mucmm_status sort_sketches(search *s, uint32_t mask, int32_t view, order *o)
{
    mucmm_status status = MUCMM_OK;

    *o = (order){.fit = &s->fit, .mask = mask, .view = view};
    TRY(mucmm__alloc(s->ctx, s->d->fitted, sizeof *o->place, &o->place));
    for (int64_t i = 0; i < s->d->fitted; i++)
        if (joint_hash(&s->fit, mask, i))
            o->place[o->n++] = (struct place){s->fit.sketch[view][i], i};
    qsort(o->place, (size_t)o->n, sizeof *o->place, compare_places);
    for (int32_t v = 0; v < s->fit.n_views; v++)
        if (mask >> v & 1)
            o->near[v] = NEAR * spread_of(o, v);
done:
    return status;
}

/* Has row of h a row of the fit near, other than `but`, in all views? So does whoever has very many
 * rows near in the view that is looked up. */
static bool has_near(const order *o, const hashes *h, int64_t row, int64_t but)
{
    double own = (double)h->sketch[o->view][row], near = o->near[o->view];
    int64_t lo = 0, hi = o->n, looked = 0;

    while (lo < hi) {
        int64_t middle = lo + (hi - lo) / 2;
        if ((double)o->place[middle].sketch < own - near)
            lo = middle + 1;
        else
            hi = middle;
    }
    for (; lo < o->n && (double)o->place[lo].sketch <= own + near; lo++) {
        int64_t other = o->place[lo].row;
        bool alike = other != but;
        for (int32_t v = 0; v < h->n_views && alike; v++)
            if (o->mask >> v & 1)
                alike = fabs((double)h->sketch[v][row] - (double)o->fit->sketch[v][other]) <=
                        o->near[v];
        if (alike || ++looked > MOST_NEAR)
            return true;
    }
    return false;
}

/* Rows that were rounded, or computed anew with other rounding errors: their sketches in two views
 * or more are those of a row of the fit, in more rows than by chance. */
static mucmm_status by_sketches(search *s, uint32_t mask, int32_t view)
{
    mucmm_status status = MUCMM_OK;
    int64_t shared = 0, found = 0, n = 0;
    order o = {0};

    TRY(sort_sketches(s, mask, view, &o));
    for (int64_t i = 0; i < o.n; i++)
        shared += has_near(&o, &s->fit, o.place[i].row, o.place[i].row);
    if ((double)shared > MOST_SHARED * (double)o.n)
        goto done;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < s->given.n; i++) {
            if (s->kind[i] != MUCMM_ROW_NEW || mask_of(&s->given, i) != mask)
                continue;
            n += pass == 0;
            if (!has_near(&o, &s->given, i, -1))
                continue;
            found += pass == 0;
            if (pass == 1 &&
                more_than_chance(found, (double)n * ((double)shared + 1) / (double)o.n))
                s->kind[i] = MUCMM_ROW_FITTED;
        }
done:
    mucmm__free(o.place);
    return status;
}

/* The view of a mask of the fewest pairs of equal rows in the fit. */
static mucmm_status most_telling(search *s, uint32_t mask, int32_t *view)
{
    mucmm_status status = MUCMM_OK;
    double least = 2;
    book one = {0};

    for (int32_t v = 0; v < s->fit.n_views; v++) {
        double pairs;
        if (!(mask >> v & 1))
            continue;
        TRY(write_book(s->ctx, &s->fit, 1u << v, 0, s->d->fitted, &one));
        pairs = pairs_that_agree(&one);
        *view = pairs < least ? v : *view;
        least = fmin(least, pairs);
        mucmm__free(one.hash);
        one = (book){0};
    }
done:
    mucmm__free(one.hash);
    return status;
}

static mucmm_status by_views(search *s, uint32_t mask)
{
    mucmm_status status = MUCMM_OK;
    book fit = {0}, held_out = {0};
    int32_t view = 0;

    TRY(write_book(s->ctx, &s->fit, mask, 0, s->d->fitted, &fit));
    TRY(write_book(s->ctx, &s->fit, mask, s->d->fitted, s->fit.n, &held_out));
    if (is_distinctive(&fit)) {
        double agree = 0;
        TRY(share_that_agrees(s, mask, &fit, &agree));
        by_values(s, mask, &held_out, 0, MUCMM_ROW_HELD_OUT);
        by_values(s, mask, &fit, agree, MUCMM_ROW_FITTED);
        TRY(most_telling(s, mask, &view));
        if (mask & (mask - 1))
            TRY(by_sketches(s, mask, view));
    } else
        TRY(by_all_values(s, mask, &fit));
done:
    mucmm__free(fit.hash);
    mucmm__free(held_out.hash);
    return status;
}

/* Keys of the fit on rows of other values: rows measured again are rows of the fit, too; but keys
 * that only count are those of other rows as well. */
static mucmm_status by_keys(search *s, const mucmm_data *const *data)
{
    mucmm_status status = MUCMM_OK;
    uint32_t *own = NULL;
    const hashes keys = {.n_views = 1, .n = s->d->fitted, .view = {s->d->key}};
    int64_t found = 0;
    book b = {0};

    if (!s->d->key)
        return MUCMM_OK;
    TRY(mucmm__alloc(s->ctx, s->given.n, sizeof *own, &own));
    hash_keys(s->given.n_views, data, NULL, s->given.n, own);
    TRY(write_book(s->ctx, &keys, 1, 0, keys.n, &b));
    for (int64_t i = 0; i < s->given.n; i++) {
        own[i] = s->kind[i] == MUCMM_ROW_NEW && own[i] && count_of(&b, own[i]) > 0;
        found += own[i];
    }
    if (!more_than_chance(found, (double)s->given.n * (double)b.n / 0x1p32))
        goto done;
    mucmm__warn(s->ctx,
                "%lld of the %lld rows given have keys of rows that the model was fitted to, but "
                "other values; %s",
                (long long)found, (long long)s->given.n,
                s->d->counting ? "as these keys only count, they are taken for new rows"
                               : "they are taken for those rows, measured again");
    for (int64_t i = 0; i < s->given.n && !s->d->counting; i++)
        if (own[i])
            s->kind[i] = MUCMM_ROW_FITTED;
done:
    mucmm__free(own);
    mucmm__free(b.hash);
    return status;
}

/* By the views that rows have; in most tables all have the same. Of very many combinations the
 * later ones are left to single views. */
static mucmm_status by_all_masks(search *s)
{
    mucmm_status status = MUCMM_OK;
    unsigned char *seen = NULL;
    int masks = 0;

    TRY(mucmm__alloc(s->ctx, (int64_t)1 << s->given.n_views, 1, &seen));
    for (int64_t i = 0; i < s->given.n && masks < MOST_MASKS; i++) {
        uint32_t mask = mask_of(&s->given, i);
        if (!mask || seen[mask])
            continue;
        TRY(by_views(s, mask));
        seen[mask] = 1;
        masks++;
    }
    for (int32_t v = 0; v < s->given.n_views; v++)
        if (s->given.view[v])
            TRY(by_one_view(s, v));
done:
    mucmm__free(seen);
    return status;
}

mucmm_status mucmm__digest_recognize(mucmm_ctx *ctx, const mucmm__digest *d, int32_t n_views,
                                     const mucmm__scaling *scaling, const mucmm_data *const *data,
                                     int64_t n, unsigned char *kind, mucmm_recognition *how)
{
    mucmm_status status = MUCMM_OK;
    uint32_t *own[MUCMM_MAX_VIEWS] = {0};
    float *sketch[MUCMM_MAX_VIEWS] = {0};
    search s = {.ctx = ctx,
                .d = d,
                .fit = {.n_views = n_views, .n = d->fitted + d->held_out},
                .given = {.n_views = n_views, .n = n},
                .kind = kind};

    memset(kind, MUCMM_ROW_NEW, (size_t)n);
    *how = MUCMM_RECOGNITION_NO_DIGEST;
    if (d->fitted == 0)
        return MUCMM_OK;
    for (int32_t v = 0; v < n_views; v++) {
        s.fit.view[v] = d->view[v];
        s.fit.sketch[v] = d->sketch[v];
        if (!data[v])
            continue;
        TRY(mucmm__alloc(ctx, n, sizeof *own[v], &own[v]));
        TRY(mucmm__alloc(ctx, n, sizeof *sketch[v], &sketch[v]));
        TRY(hash_view(ctx, data[v], &scaling[v], NULL, n, own[v], sketch[v]));
        s.given.view[v] = own[v];
        s.given.sketch[v] = sketch[v];
    }
    TRY(by_all_masks(&s));
    TRY(by_keys(&s, data));
    *how = s.repeats ? MUCMM_RECOGNITION_REPEATED : MUCMM_RECOGNITION_SURE;
done:
    for (int32_t v = 0; v < n_views; v++) {
        mucmm__free(own[v]);
        mucmm__free(sketch[v]);
    }
    return status;
}
