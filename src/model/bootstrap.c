/* SPDX-License-Identifier: MIT
 *
 * The bootstrap of the closed form (Efron 1979; section 5 of the method): every replicate draws
 * training rows with replacement, solves the closed form from their covariance, with the same
 * scaling and ridge, and is compared with the fit on the rows that it did not draw. */
#include "model/bootstrap.h"

#include "model/bootstrap_loadings.h"
#include "model/fit_moments.h"
#include "model/fit_ridge.h"
#include "model/represent.h"
#include "model/small_sample.h"
#include "model/stability.h"

#include <inttypes.h>
#include <string.h>

/* Of the random numbers: as STREAM_SPLIT of fit.c. */
#define STREAM_BOOTSTRAP 4
/* Training rows that are compared, at most: every second, third, ... of more. */
#define JUDGED_ROWS 20000
/* Fewer leave too few rows undrawn to correlate. */
#define LEAST_ROWS 20
/* Below and above the intervals. */
#define TAIL 0.05

typedef struct bootstrap {
    mucmm__fit *f;
    bool coordinates;                    /* rows are numbers into the training rows ... */
    int64_t n;                           /* rows that are drawn from ... */
    const int64_t *from;                 /* ... or these numbers of rows of the views */
    int64_t *place;                      /* [n_train] where training rows are among them */
    int64_t *order, *begin, n_groups;    /* [n] those rows by group; [n_groups + 1] */
    int64_t *times, *drawn, n_drawn;     /* [n] of each; [n_drawn] ascending */
    int64_t n_judged, *judged;           /* numbers into the training rows */
    int64_t *out;                        /* [n_judged] into judged: those not drawn */
    mucmm__block fit[MUCMM_MAX_VIEWS];   /* [n_judged, k] variates of the model */
    mucmm__block ref[MUCMM_MAX_VIEWS];   /* the same of the rows not drawn */
    mucmm__block other[MUCMM_MAX_VIEWS]; /* of the replicate */
    double *weights[MUCMM_MAX_VIEWS];    /* [dims, k] */
    double *mean, *cov, *rho;
    int64_t left_out;
    mucmm__loading_tails tails;
} bootstrap;

static void bootstrap_drop(bootstrap *b)
{
    mucmm__free(b->place);
    mucmm__free(b->order);
    mucmm__free(b->begin);
    mucmm__free(b->times);
    mucmm__free(b->drawn);
    mucmm__free(b->judged);
    mucmm__free(b->out);
    mucmm__free(b->mean);
    mucmm__free(b->cov);
    mucmm__free(b->rho);
    mucmm__loading_tails_drop(&b->tails);
    for (int32_t m = 0; m < MUCMM_MAX_VIEWS; m++) {
        mucmm__free(b->fit[m].data);
        mucmm__free(b->ref[m].data);
        mucmm__free(b->other[m].data);
        mucmm__free(b->weights[m]);
    }
}

/* ---- setting up -------------------------------------------------------------------- */

/* What is drawn: groups, or every row as one of its own. */
static mucmm_status list_groups(bootstrap *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm_ctx *ctx = b->f->ctx;
    int64_t n = b->n, *group = NULL, largest = 0;

    TRY(mucmm__groups_of(ctx, b->f->p->groups, b->from, n, &group));
    TRY(mucmm__alloc(ctx, n, sizeof *b->order, &b->order));
    TRY(mucmm__alloc(ctx, n + 1, sizeof *b->begin, &b->begin));
    for (int64_t i = 0; i < n; i++)
        b->order[i] = i;
    if (group)
        TRY(mucmm__group_order(ctx, group, n, b->f->p->seed, b->order));
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || !group || group[b->order[i]] != group[b->order[i - 1]])
            b->begin[b->n_groups++] = i;
    b->begin[b->n_groups] = n;
    for (int64_t g = 0; g < b->n_groups; g++)
        largest = b->begin[g + 1] - b->begin[g] > largest ? b->begin[g + 1] - b->begin[g] : largest;
    TRY(mucmm__alloc(ctx, n, sizeof *b->times, &b->times));
    TRY(mucmm__alloc(ctx, b->n_groups * largest, sizeof *b->drawn, &b->drawn));
done:
    mucmm__free(group);
    return status;
}

static mucmm_status choose_rows(bootstrap *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm__fit *f = b->f;
    int64_t every = (f->n_train + JUDGED_ROWS - 1) / JUDGED_ROWS, at = 0;

    b->coordinates = f->z[0].data != NULL;
    b->n = f->some ? f->n_some : f->n_train;
    b->from = f->some ? f->some : f->train;
    TRY(mucmm__alloc(f->ctx, f->n_train, sizeof *b->place, &b->place));
    TRY(mucmm__alloc(f->ctx, f->n_train, sizeof *b->judged, &b->judged));
    TRY(mucmm__alloc(f->ctx, f->n_train, sizeof *b->out, &b->out));
    TRY(list_groups(b));
    for (int64_t i = 0; i < b->n; i++) /* both ascend, and the training rows are among the others */
        if (at < f->n_train && b->from[i] == f->train[at])
            b->place[at++] = i;
    for (int64_t i = 0; i < f->n_train; i += every)
        b->judged[b->n_judged++] = i;
done:
    return status;
}

static mucmm_status make_room(bootstrap *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm__fit *f = b->f;
    int64_t total = f->offset[f->model->n_views], k = f->model->k;

    TRY(mucmm__alloc(f->ctx, total, sizeof(double), &b->mean));
    TRY(mucmm__alloc(f->ctx, total * total, sizeof(double), &b->cov));
    TRY(mucmm__alloc(f->ctx, k, sizeof(double), &b->rho));
    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t dims = f->offset[m + 1] - f->offset[m];
        TRY(mucmm__alloc(f->ctx, dims * k, sizeof(double), &b->weights[m]));
        TRY(mucmm__alloc(f->ctx, b->n_judged * k, sizeof(double), &b->fit[m].data));
        TRY(mucmm__alloc(f->ctx, b->n_judged * k, sizeof(double), &b->ref[m].data));
        TRY(mucmm__alloc(f->ctx, b->n_judged * k, sizeof(double), &b->other[m].data));
    }
done:
    return status;
}

/* ---- variates ---------------------------------------------------------------------- */

/* Scaled columns, or coordinates, of view m [n, dims] of the judged rows rows[0..n) (NULL: the
 * first). */
static mucmm_status read_chunk(const bootstrap *b, int32_t m, const int64_t *rows, int64_t first,
                               int64_t n, float *h, double *x)
{
    mucmm__fit *f = b->f;
    const mucmm__block *z = &f->z[m];
    int64_t picked[MUCMM__CHUNK];
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; i < n; i++)
        picked[i] = b->judged[rows ? rows[first + i] : first + i];
    if (b->coordinates) {
        for (int64_t i = 0; i < n; i++)
            memcpy(x + i * z->cols, z->data + picked[i] * z->cols, (size_t)z->cols * sizeof *x);
        return status;
    }
    for (int64_t i = 0; i < n; i++)
        picked[i] = f->train[picked[i]];
    TRY(mucmm__features(f->ctx, &f->model->view[m], f->data[m], picked, n, h));
    mucmm__to_double(h, n * f->model->view[m].p, x);
done:
    return status;
}

/* Variates by weights[m] of judged rows. */
static mucmm_status project(const bootstrap *b, const int64_t *rows, int64_t n,
                            double *const *weights, mucmm__block *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__fit *f = b->f;
    int64_t k = f->model->k;
    double *x = NULL;
    float *h = NULL;

    for (int32_t m = 0; m < f->model->n_views; m++) {
        int64_t dims = f->offset[m + 1] - f->offset[m];
        mucmm__free(x);
        mucmm__free(h);
        x = NULL;
        h = NULL;
        TRY(mucmm__alloc(f->ctx, MUCMM__CHUNK * dims, sizeof *x, &x));
        TRY(mucmm__alloc(f->ctx, b->coordinates ? 0 : MUCMM__CHUNK * dims, sizeof *h, &h));
        for (int64_t i = 0; i < n; i += MUCMM__CHUNK) {
            int64_t c = n - i < MUCMM__CHUNK ? n - i : MUCMM__CHUNK;
            TRY(read_chunk(b, m, rows, i, c, h, x));
            TRY(mucmm__dgemm(f->ctx, false, false, c, k, dims, 1, x, dims, weights[m], k, 0,
                             out[m].data + i * k, k));
        }
        out[m].rows = n;
        out[m].cols = k;
    }
done:
    mucmm__free(x);
    mucmm__free(h);
    return status;
}

/* ---- a replicate ------------------------------------------------------------------- */

/* Numbers of the rows drawn, ascending, and the judged rows that are not among them. */
static int64_t draw(bootstrap *b, int64_t replicate)
{
    uint64_t key = mucmm__rng_key(b->f->p->seed, STREAM_BOOTSTRAP);
    int64_t at = 0, n_out = 0, last = b->n_groups - 1;

    memset(b->times, 0, (size_t)b->n * sizeof *b->times);
    for (int64_t i = 0; i < b->n_groups; i++) {
        double u = mucmm__rng_uniform(key, (uint64_t)(replicate * b->n_groups + i));
        int64_t g = (int64_t)(u * (double)b->n_groups);
        g = g < last ? g : last;
        for (int64_t j = b->begin[g]; j < b->begin[g + 1]; j++)
            b->times[b->order[j]]++;
    }
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t t = 0; t < b->times[i]; t++)
            b->drawn[at++] = b->coordinates ? i : b->from[i];
    b->n_drawn = at;
    for (int64_t i = 0; i < b->n_judged; i++)
        if (b->times[b->place[b->judged[i]]] == 0)
            b->out[n_out++] = i;
    return n_out;
}

static mucmm_status solve_drawn(bootstrap *b)
{
    mucmm_status status = MUCMM_OK;
    mucmm__fit *f = b->f;

    if (b->coordinates)
        TRY(mucmm__coordinate_moments(f, b->drawn, b->n_drawn, b->mean, b->cov));
    else
        TRY(mucmm__scaled_moments(f, b->drawn, b->n_drawn, b->mean, b->cov));
    TRY(mucmm__solve_own(f, b->cov, b->rho, b->weights));
done:
    return status;
}

static mucmm_status run_replicate(bootstrap *b, int64_t replicate, mucmm__comparisons *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = draw(b, replicate), k = b->f->model->k;

    status = n < 3 ? MUCMM_ENUMERIC : solve_drawn(b);
    if (status == MUCMM_ENUMERIC) { /* nothing to judge on, or a singular covariance */
        b->left_out++;
        return MUCMM_OK;
    }
    TRY(status);
    TRY(project(b, b->out, n, b->weights, b->other));
    for (int32_t m = 0; m < b->f->model->n_views; m++) {
        b->ref[m].rows = n;
        b->ref[m].cols = k;
        for (int64_t i = 0; i < n; i++)
            memcpy(b->ref[m].data + i * k, b->fit[m].data + b->out[i] * k,
                   (size_t)k * sizeof(double));
    }
    TRY(mucmm__compare(b->f->ctx, c, b->out, b->ref, b->other));
    TRY(mucmm__loading_tails_add(b->f,
                                 &(mucmm__replicate){b->drawn, b->n_drawn, b->cov, b->weights},
                                 c->pair, c->sign, &b->tails));
done:
    return status;
}

/* ---- all of them ------------------------------------------------------------------- */

/* What the moments of a replicate report is progress of the bootstrap. */
typedef struct relay {
    mucmm_ctx *to;
    int64_t done, total;
} relay;

static int pass_on(void *user, const char *stage, int64_t done, int64_t total, const char *note)
{
    const relay *r = user;

    (void)stage;
    (void)done;
    (void)total;
    (void)note;
    return mucmm__progress(r->to, "bootstrap", r->done, r->total, NULL) != MUCMM_OK;
}

static mucmm_status run_all(bootstrap *b, int64_t replicates, relay *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__fit *f = b->f;
    mucmm__comparisons c = {0};

    TRY(choose_rows(b));
    TRY(make_room(b));
    TRY(project(b, NULL, b->n_judged, f->weights, b->fit));
    TRY(mucmm__comparisons_create(f->ctx, f->model->n_views, f->model->k, replicates, b->n_judged,
                                  &c));
    TRY(mucmm__loading_tails_create(f, replicates, &b->tails));
    while (r->done < replicates) {
        TRY(run_replicate(b, r->done, &c));
        r->done++;
        TRY(mucmm__progress(f->ctx, "bootstrap", r->done, replicates, NULL));
    }
    if (c.n == 0)
        TRY(mucmm__fail(f->ctx, MUCMM_ENUMERIC,
                        "the covariances of all %" PRId64 " replicates are singular; give a larger "
                        "`ridge`",
                        replicates));
    TRY(mucmm__stability_make(f->ctx, &c, TAIL, &f->model->linear.stability));
    TRY(mucmm__loading_tails_keep(f, &b->tails));
done:
    mucmm__comparisons_drop(&c);
    return status;
}

mucmm_status mucmm__bootstrap(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm_ctx *ctx = f->ctx, inner = *ctx; /* silent, and its progress is that of the bootstrap */
    relay r = {ctx, 0, f->p->bootstrap};
    bootstrap b = {.f = f};

    if (f->n_train < LEAST_ROWS)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%" PRId64 " training rows are too few for a bootstrap; at least %d are "
                           "needed: leave out `bootstrap`",
                           f->n_train, LEAST_ROWS);
    inner.log = NULL;
    inner.progress = pass_on;
    inner.progress_user = &r;
    f->ctx = &inner;
    status = run_all(&b, f->p->bootstrap, &r);
    f->ctx = ctx;
    if (status == MUCMM_OK && b.left_out > 0)
        mucmm__warn(ctx,
                    "bootstrap: %" PRId64 " of %d replicates are left out, because their "
                    "covariances are singular; a larger `ridge` mends that",
                    b.left_out, f->p->bootstrap);
    else if (status != MUCMM_OK && status != MUCMM_ECANCELED)
        TRY(mucmm__fail(ctx, status, "bootstrap: %s", inner.message));
done:
    bootstrap_drop(&b);
    return status;
}
