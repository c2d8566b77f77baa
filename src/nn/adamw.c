/* SPDX-License-Identifier: MIT
 *
 * AdamW: Adam with decoupled weight decay. */
#include "core/vmath.h"
#include "nn/nn.h"

#define GRAIN 8192 /* parameters a task handles: six vectors of 32 KiB */

/* One step's numbers, the same for every parameter. */
typedef struct adamw_job {
    float decay;                  /* lr wd                    */
    float keep_first, add_second; /* 1 - beta1, 1 - beta2     */
    float beta2;
    float inv_root; /* 1 / sqrt(1 - beta2^t)    */
    float rate;     /* lr / (1 - beta1^t)       */
    float eps;
    const float *grads, *mask;
    float *first, *second, *params;
} adamw_job;

mucmm__adamw mucmm__adamw_default(double learning_rate, double weight_decay)
{
    return (mucmm__adamw){.learning_rate = learning_rate,
                          .beta1 = .9,
                          .beta2 = .999,
                          .eps = 1e-8,
                          .weight_decay = weight_decay};
}

/*   p -= lr wd mask p
 *   m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2
 *   p -= lr / (1 - beta1^t)  m / (sqrt(v) / sqrt(1 - beta2^t) + eps) */
SIMD_CLONES static void adamw_run(int64_t n, const adamw_job *job, const float *g, float *m,
                                  float *v, float *p)
{
    float keep = job->keep_first, beta2 = job->beta2, add = job->add_second;
    float root = job->inv_root, rate = job->rate, eps = job->eps;

#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float mi = m[i] + keep * (g[i] - m[i]);
        float vi = beta2 * v[i] + add * (g[i] * g[i]);
        m[i] = mi;
        v[i] = vi;
        p[i] -= rate * mi / (sqrtf(vi) * root + eps);
    }
}

SIMD_CLONES static void decay_run(int64_t n, float decay, float *p)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        p[i] *= 1.0f - decay;
}

SIMD_CLONES static void masked_decay_run(int64_t n, float decay, const float *mask, float *p)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        p[i] *= 1.0f - decay * mask[i];
}

static void adamw_task(void *arg, int64_t first, int64_t last)
{
    const adamw_job *job = arg;
    int64_t n = last - first;

    if (job->mask && job->decay != 0)
        masked_decay_run(n, job->decay, job->mask + first, job->params + first);
    else if (job->decay != 0)
        decay_run(n, job->decay, job->params + first);
    adamw_run(n, job, job->grads + first, job->first + first, job->second + first,
              job->params + first);
}

void mucmm__adamw_step(mucmm_ctx *ctx, const mucmm__adamw *opt, int64_t step, int64_t n,
                       const float *grads, const float *decay_mask, float *first, float *second,
                       float *params)
{
    double correction1 = 1 - pow(opt->beta1, (double)step);
    double correction2 = 1 - pow(opt->beta2, (double)step);
    adamw_job job = {
        .decay = (float)(opt->learning_rate * opt->weight_decay),
        .keep_first = (float)(1 - opt->beta1),
        .add_second = (float)(1 - opt->beta2),
        .beta2 = (float)opt->beta2,
        .inv_root = (float)(1 / sqrt(correction2)),
        .rate = (float)(opt->learning_rate / correction1),
        .eps = (float)opt->eps,
        .grads = grads,
        .mask = decay_mask,
        .first = first,
        .second = second,
        .params = params,
    };

    mucmm__parallel_range(ctx, n, GRAIN, adamw_task, &job);
}

/* Half a cosine from a (t = 0) to b (t = 1). */
static double anneal(double a, double b, double t)
{
    return b + (a - b) / 2 * (1 + cos(3.14159265358979323846 * t));
}

double mucmm__one_cycle(int64_t step, int64_t total)
{
    double start = 1 / 25., end = start * 1e-4;
    double peak = .3 * (double)total - 1, rest, t = (double)step;

    peak = peak < 0 ? 0 : peak; /* so few steps that there is no time to rise */
    rest = (double)(total - 1) - peak;
    if (t < peak)
        return anneal(start, 1, t / peak);
    return rest > 0 ? anneal(1, end, (t - peak) / rest) : 1;
}
