/* SPDX-License-Identifier: MIT
 *
 * The rows of a probe, standardized. */
#include "model/probe.h"

#include <math.h>

typedef struct scaling {
    double *mean, *factor; /* [d] */
} scaling;

static void measure(const mucmm_cmat *m, scaling *out)
{
    for (int64_t j = 0; j < m->cols; j++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < m->rows; i++)
            sum += (double)m->data[i * m->stride + j];
        double mean = sum / (double)m->rows;
        for (int64_t i = 0; i < m->rows; i++) {
            double x = (double)m->data[i * m->stride + j] - mean;
            squares += x * x;
        }
        double deviation = sqrt(squares / (double)m->rows);
        out->mean[j] = mean;
        out->factor[j] = deviation > 1e-12 ? 1 / deviation : 0;
    }
}

/* out [rows, d], or [d, rows] if transposed. */
static void standardize(const mucmm_cmat *m, const scaling *s, bool transposed, float *out)
{
    for (int64_t i = 0; i < m->rows; i++)
        for (int64_t j = 0; j < m->cols; j++) {
            double x = ((double)m->data[i * m->stride + j] - s->mean[j]) * s->factor[j];
            out[transposed ? j * m->rows + i : i * m->cols + j] = (float)x;
        }
}

mucmm_status mucmm__probe_task_init(mucmm_ctx *ctx, const mucmm_probe *p, bool transposed,
                                    mucmm__probe_task *out)
{
    scaling s = {0};
    mucmm_status status = MUCMM_OK;

    *out = (mucmm__probe_task){.p = p, .d = p->train.cols};
    TRY(mucmm__alloc(ctx, out->d, sizeof *s.mean, &s.mean));
    TRY(mucmm__alloc(ctx, out->d, sizeof *s.factor, &s.factor));
    TRY(mucmm__alloc(ctx, p->train.rows * out->d, sizeof(float), &out->train));
    TRY(mucmm__alloc(ctx, p->test.rows * out->d, sizeof(float), &out->test));
    measure(&p->train, &s);
    standardize(&p->train, &s, transposed, out->train);
    standardize(&p->test, &s, transposed, out->test);
done:
    mucmm__free(s.mean);
    mucmm__free(s.factor);
    return status;
}

void mucmm__probe_task_drop(mucmm__probe_task *t)
{
    mucmm__free(t->train);
    mucmm__free(t->test);
}

void mucmm__probe_add(float *restrict y, float a, const float *restrict x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

float mucmm__probe_dot(const float *restrict x, const float *restrict y, int64_t n)
{
    float sum = 0;

#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}
