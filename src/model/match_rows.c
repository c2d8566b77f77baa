/* SPDX-License-Identifier: MIT
 *
 * The gallery passes by once, in blocks; each row of the query keeps the nearest ones so far, and
 * counts those that are not farther than its partner. */
#include "model/match_rows.h"

#include "linalg/linalg.h"
#include "model/represent.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a product of blocks; the last ones are filled up with zeros, so that every product has
 * the same shape and equal rows get equal similarities. */
enum { QUERY_BLOCK = 256, GALLERY_BLOCK = 4096 };
/* Similarities closer than so many times the sum of what they are made of are equal. */
#define ROUNDING 1e-6
#define RESAMPLES 1000

void mucmm_match_params_init_sized(mucmm_match_params *p, size_t size)
{
    const mucmm_match_params defaults = {.top = 10, .representation = MUCMM_HEADS, .seed = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

void mucmm_matches_free(mucmm_matches *x)
{
    if (!x)
        return;
    mucmm__free(x->query_name);
    mucmm__free(x->gallery_name);
    mucmm__free(x->hits);
    mucmm__free(x->partner);
    mucmm__free(x->rank);
    mucmm__free(x);
}

int64_t mucmm_matches_rows(const mucmm_matches *x)
{
    return x->n;
}

int64_t mucmm_matches_top(const mucmm_matches *x)
{
    return x->top;
}

const mucmm_match_hit *mucmm_matches_of(const mucmm_matches *x, int64_t row)
{
    return row >= 0 && row < x->n ? x->hits + row * x->top : NULL;
}

int64_t mucmm_matches_partner(const mucmm_matches *x, int64_t row)
{
    return row >= 0 && row < x->n ? x->partner[row] : -1;
}

int64_t mucmm_matches_rank(const mucmm_matches *x, int64_t row)
{
    return row >= 0 && row < x->n ? x->rank[row] : 0;
}

const mucmm_recall *mucmm_matches_recall(const mucmm_matches *x)
{
    return &x->recall;
}

/* ---- partners ---------------------------------------------------------------------- */

typedef struct keyed {
    const char *key;
    int64_t row;
} keyed;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const keyed *)a)->key, ((const keyed *)b)->key);
}

/* By the keys of those that have the view and a key. */
static mucmm_status pair_keys(mucmm_ctx *ctx, const mucmm_data *query, const mucmm_data *gallery,
                              int64_t *partner)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = 0;
    keyed *keys = NULL;

    TRY(mucmm__alloc(ctx, mucmm_data_rows(gallery), sizeof *keys, &keys));
    for (int64_t i = 0; i < mucmm_data_rows(gallery); i++)
        if (mucmm_data_has(gallery, i) && mucmm_data_key(gallery, i))
            keys[n++] = (keyed){mucmm_data_key(gallery, i), i};
    qsort(keys, (size_t)n, sizeof *keys, by_key);
    for (int64_t i = 0; i < mucmm_data_rows(query) && n > 0; i++) {
        keyed wanted = {mucmm_data_key(query, i), i}, *found = NULL;
        if (wanted.key && mucmm_data_has(query, i))
            found = bsearch(&wanted, keys, (size_t)n, sizeof *keys, by_key);
        if (found)
            partner[i] = found->row;
    }
done:
    mucmm__free(keys);
    return status;
}

static mucmm_status find_partners(mucmm_ctx *ctx, const mucmm_data *query,
                                  const mucmm_data *gallery, int32_t paired, mucmm_matches *x)
{
    for (int64_t i = 0; i < x->n; i++)
        x->partner[i] = -1;
    if (!paired)
        return pair_keys(ctx, query, gallery, x->partner);
    if (x->n != mucmm_data_rows(gallery))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "`paired`: the query has %" PRId64 " rows and the gallery %" PRId64
                           "; partners are rows of the same number",
                           x->n, mucmm_data_rows(gallery));
    for (int64_t i = 0; i < x->n; i++)
        if (mucmm_data_has(query, i) && mucmm_data_has(gallery, i))
            x->partner[i] = i;
    return MUCMM_OK;
}

/* ---- the search -------------------------------------------------------------------- */

typedef struct search {
    mucmm_ctx *ctx;
    mucmm__match_index index;
    const mucmm_data *data[2];
    int64_t n_rows[2], *rows[2]; /* those that have the view */
    float *query, *query_bias;   /* [rows filled up, k], [rows filled up] */
    float *block, *block_bias;   /* [GALLERY_BLOCK, k], [GALLERY_BLOCK] */
    float *near;                 /* [QUERY_BLOCK, GALLERY_BLOCK] */
    float *own;                  /* [n_rows[0]] the partner counts what is at least so near */
    mucmm_matches *x;
    int64_t first_query, first, n; /* the blocks on their way: rows of the gallery first.. */
} search;

static void search_drop(search *s)
{
    mucmm__match_index_drop(&s->index);
    mucmm__free(s->rows[0]);
    mucmm__free(s->rows[1]);
    mucmm__free(s->query);
    mucmm__free(s->query_bias);
    mucmm__free(s->block);
    mucmm__free(s->block_bias);
    mucmm__free(s->near);
    mucmm__free(s->own);
}

static mucmm_status list_rows(search *s, int side, const char *name)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data = s->data[side];

    TRY(mucmm__alloc(s->ctx, mucmm_data_rows(data), sizeof(int64_t), &s->rows[side]));
    for (int64_t i = 0; i < mucmm_data_rows(data); i++)
        if (mucmm_data_has(data, i))
            s->rows[side][s->n_rows[side]++] = i;
    if (s->n_rows[side] == 0)
        TRY(mucmm__fail(s->ctx, MUCMM_ESHAPE, "%s: no row has view '%s'", mucmm_data_label(data),
                        name));
done:
    return status;
}

static mucmm_status make_room(search *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = s->index.k, n = (s->n_rows[0] + QUERY_BLOCK - 1) / QUERY_BLOCK * QUERY_BLOCK;

    TRY(mucmm__alloc(s->ctx, n, (size_t)k * sizeof(float), &s->query));
    TRY(mucmm__alloc(s->ctx, n, sizeof(float), &s->query_bias));
    TRY(mucmm__alloc(s->ctx, GALLERY_BLOCK, (size_t)k * sizeof(float), &s->block));
    TRY(mucmm__alloc(s->ctx, GALLERY_BLOCK, sizeof(float), &s->block_bias));
    TRY(mucmm__alloc(s->ctx, QUERY_BLOCK * GALLERY_BLOCK, sizeof(float), &s->near));
    TRY(mucmm__alloc(s->ctx, s->n_rows[0], sizeof(float), &s->own));
    for (int64_t i = 0; i < s->n_rows[0]; i++)
        s->own[i] = INFINITY;
done:
    return status;
}

/* What is at least as near as the partner, to rounding. Partners are read block by block. */
static mucmm_status measure_partners(search *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = s->index.k, *who = NULL, *rows = NULL, n = 0;

    TRY(mucmm__alloc(s->ctx, GALLERY_BLOCK, sizeof *who, &who));
    TRY(mucmm__alloc(s->ctx, GALLERY_BLOCK, sizeof *rows, &rows));
    for (int64_t i = 0; i <= s->n_rows[0]; i++) {
        if (i < s->n_rows[0] && s->x->partner[s->rows[0][i]] >= 0) {
            who[n] = i;
            rows[n++] = s->x->partner[s->rows[0][i]];
        }
        if (n < GALLERY_BLOCK && i < s->n_rows[0])
            continue;
        TRY(mucmm__match_vectors(s->ctx, &s->index, 1, s->data[1], rows, n, s->block,
                                 s->block_bias));
        for (int64_t a = 0; a < n; a++) {
            const float *q = s->query + who[a] * k, *g = s->block + a * k;
            double sum = (double)s->query_bias[who[a]] + (double)s->block_bias[a];
            double size = fabs((double)s->query_bias[who[a]]) + fabs((double)s->block_bias[a]);
            for (int64_t j = 0; j < k; j++) {
                sum += (double)q[j] * (double)g[j];
                size += fabs((double)q[j] * (double)g[j]);
            }
            s->own[who[a]] = (float)(sum - ROUNDING * size);
        }
        n = 0;
    }
done:
    mucmm__free(who);
    mucmm__free(rows);
    return status;
}

/* Into the list that begins with the nearest; of equals the one that came first stays first. */
static void keep_hit(mucmm_match_hit *hits, int64_t top, int64_t row, float similarity)
{
    int64_t at = top - 1;

    for (; at > 0 && hits[at - 1].similarity < (double)similarity; at--)
        hits[at] = hits[at - 1];
    hits[at] = (mucmm_match_hit){row, (double)similarity};
}

/* Rows [first, last) of the query block against the gallery block. */
static void scan_rows(void *arg, int64_t first, int64_t last)
{
    const search *s = arg;

    for (int64_t i = first; i < last; i++) {
        const float *near = s->near + i * GALLERY_BLOCK;
        int64_t number = s->first_query + i, row = s->rows[0][number], nearer = 0;
        int64_t partner = s->x->partner[row], top = s->x->top;
        mucmm_match_hit *hits = s->x->hits + row * top;
        float bias = s->query_bias[number], own = s->own[number];
        float last_hit = (float)hits[top - 1].similarity;
        for (int64_t j = 0; j < s->n; j++) {
            float similarity = near[j] + bias + s->block_bias[j];
            nearer += similarity >= own;
            if (!(similarity > last_hit))
                continue;
            keep_hit(hits, top, s->rows[1][s->first + j], similarity);
            last_hit = (float)hits[top - 1].similarity;
        }
        if (partner >= 0)
            s->x->rank[row] += nearer;
    }
}

/* The gallery block against all of the query. */
static mucmm_status search_block(search *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t k = s->index.k;

    TRY(mucmm__match_vectors(s->ctx, &s->index, 1, s->data[1], s->rows[1] + s->first, s->n,
                             s->block, s->block_bias));
    memset(s->block + s->n * k, 0, (size_t)((GALLERY_BLOCK - s->n) * k) * sizeof *s->block);
    for (int64_t i = 0; i < s->n_rows[0]; i += QUERY_BLOCK) {
        int64_t n = s->n_rows[0] - i < QUERY_BLOCK ? s->n_rows[0] - i : QUERY_BLOCK;
        s->first_query = i;
        TRY(mucmm__gemm(s->ctx, false, true, QUERY_BLOCK, GALLERY_BLOCK, k, 1, s->query + i * k, k,
                        s->block, k, 0, s->near, GALLERY_BLOCK));
        mucmm__parallel_range(s->ctx, n, 16, scan_rows, s);
    }
done:
    return status;
}

/* The rank counts what is not farther than the partner, itself among them. */
static mucmm_status run_search(search *s)
{
    mucmm_status status = MUCMM_OK;

    TRY(make_room(s));
    TRY(mucmm__match_vectors(s->ctx, &s->index, 0, s->data[0], s->rows[0], s->n_rows[0], s->query,
                             s->query_bias));
    TRY(measure_partners(s));
    for (s->first = 0; s->first < s->n_rows[1]; s->first += GALLERY_BLOCK) {
        s->n = s->n_rows[1] - s->first < GALLERY_BLOCK ? s->n_rows[1] - s->first : GALLERY_BLOCK;
        TRY(search_block(s));
        TRY(mucmm__progress(s->ctx, "match", s->first + s->n, s->n_rows[1], NULL));
    }
done:
    return status;
}

/* ---- how well ---------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double share_within(const double *rank, int64_t n, double most)
{
    int64_t found = 0;

    for (int64_t i = 0; i < n; i++)
        found += rank[i] <= most;
    return (double)found / (double)n;
}

static void forget(mucmm_recall *r)
{
    r->recall_1 = r->recall_1_low = r->recall_1_high = NAN;
    r->recall_5 = r->recall_5_low = r->recall_5_high = NAN;
    r->recall_10 = r->recall_10_low = r->recall_10_high = NAN;
    r->reciprocal = r->reciprocal_low = r->reciprocal_high = r->median_rank = NAN;
}

/* Of ranks [n], which are sorted then. */
static mucmm_status sum_up(mucmm_ctx *ctx, double *rank, int64_t n, uint64_t seed, mucmm_recall *r)
{
    mucmm_status status = MUCMM_OK;
    uint64_t key = mucmm__rng_key(seed, 0);
    double *means = NULL;

    TRY(mucmm__alloc(ctx, RESAMPLES, sizeof *means, &means));
    r->recall_1 = share_within(rank, n, 1);
    r->recall_5 = share_within(rank, n, 5);
    r->recall_10 = share_within(rank, n, 10);
    mucmm_rate_interval(r->recall_1, n, &r->recall_1_low, &r->recall_1_high);
    mucmm_rate_interval(r->recall_5, n, &r->recall_5_low, &r->recall_5_high);
    mucmm_rate_interval(r->recall_10, n, &r->recall_10_low, &r->recall_10_high);
    r->reciprocal = 0;
    for (int64_t i = 0; i < n; i++)
        r->reciprocal += 1 / rank[i] / (double)n;
    for (int64_t b = 0; b < RESAMPLES; b++)
        for (int64_t i = 0; i < n; i++) {
            double u = mucmm__rng_uniform(key, (uint64_t)(b * n + i));
            int64_t at = (int64_t)(u * (double)n);
            means[b] += 1 / rank[at < n ? at : n - 1] / (double)n;
        }
    qsort(means, RESAMPLES, sizeof *means, ascending);
    r->reciprocal_low = means[RESAMPLES / 40 - 1];
    r->reciprocal_high = means[RESAMPLES - RESAMPLES / 40];
    qsort(rank, (size_t)n, sizeof *rank, ascending);
    r->median_rank = (rank[(n - 1) / 2] + rank[n / 2]) / 2;
done:
    mucmm__free(means);
    return status;
}

/* Of the rows with partners that are new to the model; of all, if there are none. */
static mucmm_status judge(search *s, uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    mucmm_matches *x = s->x;
    mucmm_recall *r = &x->recall;
    const mucmm_data *given[MUCMM_MAX_VIEWS] = {0};
    mucmm_recognition how;
    unsigned char *kind = NULL;
    double *rank = NULL;
    int64_t known = 0;

    forget(r);
    r->gallery = s->n_rows[1];
    for (int64_t i = 0; i < x->n; i++)
        known += x->partner[i] >= 0;
    if (known == 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(s->ctx, x->n, 1, &kind));
    TRY(mucmm__alloc(s->ctx, known, sizeof *rank, &rank));
    given[s->index.view[0]] = s->data[0];
    TRY(mucmm__model_recognize(s->ctx, s->index.m, given, x->n, kind, &how));
    for (int64_t i = 0; i < x->n; i++)
        r->fitted += x->partner[i] >= 0 && kind[i] == MUCMM_ROW_FITTED;
    r->in_sample = r->fitted == known;
    for (int64_t i = 0; i < x->n; i++)
        if (x->partner[i] >= 0 && (r->in_sample || kind[i] != MUCMM_ROW_FITTED))
            rank[r->pairs++] = fmax((double)x->rank[i], 1);
    TRY(sum_up(s->ctx, rank, r->pairs, seed, r));
done:
    mucmm__free(kind);
    mucmm__free(rank);
    return status;
}

/* ---- all of it --------------------------------------------------------------------- */

static mucmm_status check(mucmm_ctx *ctx, const mucmm_match_params *p)
{
    if (p->top < 1 || p->top > MUCMM_MATCH_MAX_TOP)
        return mucmm__fail(ctx, MUCMM_EARG, "`top` is %" PRId64 "; it must be 1 to %d", p->top,
                           MUCMM_MATCH_MAX_TOP);
    if ((int)p->representation < MUCMM_HEADS || p->representation > MUCMM_LINEAR)
        return mucmm__fail(ctx, MUCMM_EARG, "`representation` is %d; it must be heads or linear",
                           (int)p->representation);
    if ((int)p->measure < MUCMM_MATCH_LIKELIHOOD || p->measure > MUCMM_MATCH_COSINE)
        return mucmm__fail(ctx, MUCMM_EARG, "`measure` is %d; it must be likelihood or cosine",
                           (int)p->measure);
    return MUCMM_OK;
}

static mucmm_status start(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *const view[2],
                          const mucmm_match_params *p, search *s)
{
    mucmm_status status = MUCMM_OK;
    int32_t at[2];

    for (int side = 0; side < 2; side++) {
        const mucmm_data *data[MUCMM_MAX_VIEWS];
        TRY(mucmm__match_given(ctx, m, view[side], 1, data));
        at[side] = mucmm_model_view_index(m, view[side]->name);
        s->data[side] = data[at[side]];
        TRY(list_rows(s, side, view[side]->name));
    }
    if (at[0] == at[1])
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        "query and gallery are both rows of view '%s'; they must be of two views",
                        view[0]->name));
    TRY(mucmm__match_index_make(ctx, m, p, at, &s->index));
done:
    return status;
}

static mucmm_status make_matches(search *s, const mucmm_view *const view[2],
                                 const mucmm_match_params *p)
{
    mucmm_status status = MUCMM_OK;
    mucmm_ctx *ctx = s->ctx;
    mucmm_matches *x = s->x;

    x->measure = p->measure;
    x->n = mucmm_data_rows(s->data[0]);
    x->gallery = mucmm_data_rows(s->data[1]);
    x->top = p->top < s->n_rows[1] ? p->top : s->n_rows[1];
    TRY(mucmm__strdup(ctx, view[0]->name, &x->query_name));
    TRY(mucmm__strdup(ctx, view[1]->name, &x->gallery_name));
    TRY(mucmm__alloc(ctx, x->n, (size_t)x->top * sizeof *x->hits, &x->hits));
    TRY(mucmm__alloc(ctx, x->n, sizeof *x->partner, &x->partner));
    TRY(mucmm__alloc(ctx, x->n, sizeof *x->rank, &x->rank));
    for (int64_t i = 0; i < x->n * x->top; i++)
        x->hits[i] = (mucmm_match_hit){-1, -INFINITY};
    TRY(find_partners(ctx, s->data[0], s->data[1], p->paired, x));
done:
    return status;
}

mucmm_status mucmm_matches_create(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *query,
                                  const mucmm_view *gallery, const mucmm_match_params *params,
                                  mucmm_matches **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_view *const view[2] = {query, gallery};
    mucmm_match_params p;
    search s = {.ctx = ctx};

    *out = NULL;
    mucmm_match_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_match_params", params, &p, sizeof p));
    TRY(check(ctx, &p));
    TRY(start(ctx, m, view, &p, &s));
    TRY(mucmm__alloc(ctx, 1, sizeof *s.x, &s.x));
    TRY(make_matches(&s, view, &p));
    TRY(run_search(&s));
    TRY(judge(&s, p.seed));
    *out = s.x;
    s.x = NULL;
done:
    mucmm_matches_free(s.x);
    search_drop(&s);
    return status;
}
