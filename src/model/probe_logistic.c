/* SPDX-License-Identifier: MIT
 *
 * The linear reader: multinomial logistic regression. */
#include "model/probe.h"

#include <math.h>
#include <string.h>

enum { STEPS = 150 };

/* Mean cross-entropy + l2/2 |W|^2, minimized over all rows by Nesterov's method with
 * restarts. The step is 1/L; half the largest eigenvalue of X'X/n bounds the
 * curvature (Boehning 1992), and the largest absolute row sum bounds that. */
typedef struct logistic {
    const mucmm__probe_task *t;
    int64_t classes, size; /* size = classes * (d + 1): weights and bias of a class */
    double l2, step;
    double *w, *previous, *ahead, *gradient; /* [size] */
} logistic;

static double curvature(const mucmm__probe_task *t)
{
    int64_t n = t->p->train.rows;
    double largest = 0;

    for (int64_t i = 0; i < t->d; i++) {
        double sum = 0;
        for (int64_t j = 0; j < t->d; j++)
            sum += fabs((double)mucmm__probe_dot(t->train + i * n, t->train + j * n, n));
        largest = sum > largest ? sum : largest;
    }
    return 0.5 * fmax(largest / (double)n, 1.0);
}

/* Logits of rows [first, first + n), x [d, rows], into z [classes][MUCMM__PROBE_BLOCK]. */
static void logits(const logistic *l, const double *w, const float *x, int64_t rows, int64_t first,
                   int64_t n, float z[MUCMM_PROBE_CLASSES][MUCMM__PROBE_BLOCK])
{
    int64_t d = l->t->d;

    for (int64_t c = 0; c < l->classes; c++) {
        for (int64_t i = 0; i < n; i++)
            z[c][i] = (float)w[c * (d + 1) + d];
        for (int64_t j = 0; j < d; j++)
            mucmm__probe_add(z[c], (float)w[c * (d + 1) + j], x + j * rows + first, n);
    }
}

/* z becomes softmax(z) - onehot(class). */
static void residuals(int64_t classes, const int32_t *class_of, int64_t n,
                      float z[MUCMM_PROBE_CLASSES][MUCMM__PROBE_BLOCK])
{
    float top[MUCMM__PROBE_BLOCK], sum[MUCMM__PROBE_BLOCK] = {0};

    memcpy(top, z[0], sizeof top);
    for (int64_t c = 1; c < classes; c++)
        for (int64_t i = 0; i < n; i++)
            top[i] = z[c][i] > top[i] ? z[c][i] : top[i];
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < n; i++) {
            z[c][i] = expf(z[c][i] - top[i]);
            sum[i] += z[c][i];
        }
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < n; i++)
            z[c][i] = z[c][i] / sum[i] - (class_of[i] == c ? 1.0F : 0.0F);
}

/* Of the objective at w; returns its largest entry. */
static double find_gradient(const logistic *l, const double *w, double *gradient)
{
    float z[MUCMM_PROBE_CLASSES][MUCMM__PROBE_BLOCK] = {{0}};
    int64_t n = l->t->p->train.rows, d = l->t->d;
    double largest = 0;

    memset(gradient, 0, (size_t)l->size * sizeof *gradient);
    for (int64_t first = 0; first < n; first += MUCMM__PROBE_BLOCK) {
        int64_t rows = n - first < MUCMM__PROBE_BLOCK ? n - first : MUCMM__PROBE_BLOCK;
        logits(l, w, l->t->train, n, first, rows, z);
        residuals(l->classes, l->t->p->train_class + first, rows, z);
        for (int64_t c = 0; c < l->classes; c++) {
            double *g = gradient + c * (d + 1);
            for (int64_t j = 0; j < d; j++)
                g[j] += (double)mucmm__probe_dot(z[c], l->t->train + j * n + first, rows);
            for (int64_t i = 0; i < rows; i++)
                g[d] += (double)z[c][i];
        }
    }
    for (int64_t i = 0; i < l->size; i++) {
        gradient[i] = gradient[i] / (double)n + (i % (d + 1) < d ? l->l2 * w[i] : 0);
        largest = fmax(largest, fabs(gradient[i]));
    }
    return largest;
}

static void descend(logistic *l)
{
    double momentum = 1, along = 0;

    for (int step = 0; step < STEPS; step++) {
        if (find_gradient(l, l->ahead, l->gradient) < 1e-5)
            break;
        memcpy(l->previous, l->w, (size_t)l->size * sizeof *l->w);
        along = 0;
        for (int64_t i = 0; i < l->size; i++) {
            l->w[i] = l->ahead[i] - l->step * l->gradient[i];
            along += l->gradient[i] * (l->w[i] - l->previous[i]);
        }
        double next = along > 0 ? 1 : 0.5 * (1 + sqrt(1 + 4 * momentum * momentum));
        double push = along > 0 ? 0 : (momentum - 1) / next;
        momentum = next;
        for (int64_t i = 0; i < l->size; i++)
            l->ahead[i] = l->w[i] + push * (l->w[i] - l->previous[i]);
    }
}

static double test_logistic(const logistic *l)
{
    float z[MUCMM_PROBE_CLASSES][MUCMM__PROBE_BLOCK];
    const mucmm_probe *p = l->t->p;
    int64_t n = p->test.rows, right = 0;

    for (int64_t first = 0; first < n; first += MUCMM__PROBE_BLOCK) {
        int64_t rows = n - first < MUCMM__PROBE_BLOCK ? n - first : MUCMM__PROBE_BLOCK;
        logits(l, l->w, l->t->test, n, first, rows, z);
        for (int64_t i = 0; i < rows; i++) {
            int32_t best = 0;
            for (int32_t c = 1; c < p->classes; c++)
                best = z[c][i] > z[best][i] ? c : best;
            right += best == p->test_class[first + i];
        }
    }
    return (double)right / (double)n;
}

mucmm_status mucmm__probe_logistic(mucmm_ctx *ctx, mucmm_probe *p)
{
    mucmm__probe_task t = {0};
    logistic l = {.t = &t, .classes = p->classes, .l2 = 1e-4};
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__probe_task_init(ctx, p, true, &t));
    l.size = l.classes * (t.d + 1);
    TRY(mucmm__alloc(ctx, 4 * l.size, sizeof *l.w, &l.w));
    l.previous = l.w + l.size;
    l.ahead = l.previous + l.size;
    l.gradient = l.ahead + l.size;
    l.step = 1 / (curvature(&t) + l.l2);
    descend(&l);
    p->accuracy = test_logistic(&l);
done:
    mucmm__free(l.w);
    mucmm__probe_task_drop(&t);
    return status;
}
