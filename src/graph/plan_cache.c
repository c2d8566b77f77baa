/* SPDX-License-Identifier: MIT
 *
 * plan_cache.c - the plans of a graph that were used last. */
#include "graph/plan_steps.h"

#include <stdatomic.h>
#include <string.h>

#define MAX_CACHED 8

/* Everything a plan depends on, as numbers. */
static mucmm_status make_key(mucmm_ctx *ctx, const mucmm__request *r, int64_t **key, int64_t *n_key)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = 5 + r->n_fed * (3 + MUCMM_MAX_RANK) + r->n_outputs + r->n_wrt, *k;

    TRY(mucmm__alloc(ctx, n, sizeof **key, key));
    *n_key = n;
    k = *key;
    *k++ = r->n_fed;
    *k++ = r->n_outputs;
    *k++ = r->n_wrt;
    *k++ = (int64_t)r->memory;
    *k++ = ctx->threads;
    for (int32_t i = 0; i < r->n_fed; i++) {
        *k++ = r->fed[i];
        *k++ = r->fed_desc[i].dtype;
        *k++ = r->fed_desc[i].rank;
        for (int32_t j = 0; j < MUCMM_MAX_RANK; j++)
            *k++ = j < r->fed_desc[i].rank ? r->fed_desc[i].shape[j] : 0;
    }
    for (int32_t i = 0; i < r->n_outputs; i++)
        *k++ = r->outputs[i];
    for (int32_t i = 0; i < r->n_wrt; i++)
        *k++ = r->wrt[i];
done:
    return status;
}

/* Moves it to the front; the caller holds the lock. */
static mucmm__plan *find_cached(mucmm_graph *g, const int64_t *key, int64_t n_key)
{
    for (mucmm__plan **at = &g->plans; *at; at = &(*at)->next) {
        mucmm__plan *p = *at;
        if (p->n_key != n_key || memcmp(p->key, key, (size_t)n_key * sizeof *key) != 0)
            continue;
        *at = p->next;
        p->next = g->plans;
        g->plans = p;
        atomic_fetch_add(&p->references, 1);
        return p;
    }
    return NULL;
}

/* The cache takes over p, and gives the caller a reference; the one used longest ago goes. */
static void cache(mucmm_graph *g, mucmm__plan *p)
{
    mucmm__plan *last = NULL;
    int32_t n = 1;

    pthread_mutex_lock(&g->lock);
    atomic_fetch_add(&p->references, 1);
    p->next = g->plans;
    g->plans = p;
    for (mucmm__plan *q = p; q->next; q = q->next)
        if (++n > MAX_CACHED) {
            last = q->next;
            q->next = NULL;
            break;
        }
    pthread_mutex_unlock(&g->lock);
    mucmm__plan_free(last);
}

mucmm_status mucmm__plan_get(mucmm_ctx *ctx, mucmm_graph *g, const mucmm__request *r,
                             mucmm__plan **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t *key = NULL, n_key = 0;
    mucmm__request eager = *r;

    *out = NULL;
    TRY(make_key(ctx, r, &key, &n_key));
    pthread_mutex_lock(&g->lock);
    *out = find_cached(g, key, n_key);
    pthread_mutex_unlock(&g->lock);
    if (*out)
        goto done;
    status = mucmm__plan_make(ctx, g, r, out);
    if (status == MUCMM__EVALUE) {
        /* Shapes depend on numbers: a plan for this run alone. */
        if (!r->fed_data) {
            status = MUCMM_OK; /* only the memory was asked for: it cannot be told */
            goto done;
        }
        eager.eager = true;
        TRY(mucmm__plan_make(ctx, g, &eager, out));
        goto done;
    }
    TRY(status);
    (*out)->key = key;
    (*out)->n_key = n_key;
    key = NULL;
    cache(g, *out);
done:
    if (status == MUCMM__EVALUE) /* even with all numbers known */
        status = mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                             "%s: a shape depends on numbers that are not given", g->label);
    mucmm__free(key);
    return status;
}
