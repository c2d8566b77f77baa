/* SPDX-License-Identifier: MIT
 *
 * Probes: how well a class can be read from a representation. */
#include "model/probe.h"

#include <inttypes.h>
#include <math.h>

static mucmm_status check_probe(mucmm_ctx *ctx, const mucmm_probe *p)
{
    if (p->classes < 2 || p->classes > MUCMM_PROBE_CLASSES)
        return mucmm__fail(ctx, MUCMM_EARG, "a probe of %d classes; 2 to %d can be read",
                           p->classes, MUCMM_PROBE_CLASSES);
    if (p->train.rows < 0 || p->test.rows < 0 || p->train.rows > INT64_MAX / 4 ||
        p->test.rows > INT64_MAX / 4)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "a probe has no number of rows");
    if (p->train.cols != p->test.cols)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "a probe is trained on %" PRId64 " columns and tested on %" PRId64,
                           p->train.cols, p->test.cols);
    for (int64_t i = 0; i < p->train.rows + p->test.rows; i++) {
        bool test = i >= p->train.rows;
        int32_t c = test ? p->test_class[i - p->train.rows] : p->train_class[i];
        if (c < 0 || c >= p->classes)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "%s row %" PRId64 " of a probe is of class %d; classes are 0 to %d",
                               test ? "test" : "training", test ? i - p->train.rows : i, c,
                               p->classes - 1);
    }
    return MUCMM_OK;
}

static mucmm_status run(mucmm_ctx *ctx, mucmm_probe *p, uint64_t seed)
{
    p->accuracy = NAN;
    if (p->train.cols == 0 || p->train.rows == 0 || p->test.rows == 0)
        return MUCMM_OK;
    return p->nonlinear ? mucmm__probe_network(ctx, p, seed) : mucmm__probe_logistic(ctx, p);
}

typedef struct probe_list {
    mucmm_ctx *ctx;
    mucmm_probe *probes;
    int64_t n, done;
    uint64_t seed;
    mucmm_status status; /* the first failure; its message is in ctx */
} probe_list;

static void run_one(void *arg, int64_t i)
{
    probe_list *l = arg;
    mucmm_status status;
    mucmm_ctx own;
    bool over;

#pragma omp critical
    over = l->status != MUCMM_OK;
    if (over)
        return;
    mucmm__ctx_alone(l->ctx, &own);
    status = run(&own, &l->probes[i], l->seed);
#pragma omp critical
    {
        if (l->status == MUCMM_OK && status != MUCMM_OK)
            l->status = mucmm__fail(l->ctx, status, "%s", own.message);
        l->done++;
        if (l->status == MUCMM_OK)
            l->status = mucmm__progress(l->ctx, "probes", l->done, l->n, NULL);
    }
}

mucmm_status mucmm_probes_run(mucmm_ctx *ctx, mucmm_probe *probes, int64_t n, uint64_t seed)
{
    mucmm_status status = MUCMM_OK;
    probe_list list = {.ctx = ctx, .probes = probes, .n = n, .seed = seed};

    for (int64_t i = 0; i < n; i++)
        TRY(check_probe(ctx, &probes[i]));
    TRY(mucmm__progress(ctx, "probes", 0, n, NULL));
    mucmm__parallel(ctx, n, run_one, &list);
    status = list.status;
done:
    return status;
}
