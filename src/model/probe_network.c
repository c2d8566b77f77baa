/* SPDX-License-Identifier: MIT
 *
 * The nonlinear reader: one hidden layer of ReLU. */
#include "model/probe.h"

#include <math.h>
#include <string.h>

enum { HIDDEN = 128, EPOCHS = 20 };

/* Uniform in [0, 1): draw `index` of a stream. */
static double draw(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint64_t key = mucmm__rng_bits(mucmm__rng_bits(seed, 0) ^ stream, 0);

    return (double)(mucmm__rng_bits(key + index, 0) >> 11) * 0x1p-53;
}

/* Parameters in one block, so that Adam is one loop:
 *   w1 [d, HIDDEN], b1 [HIDDEN], w2 [classes, HIDDEN], b2 [classes] */
typedef struct network {
    int64_t d, classes, size;
    float *value, *gradient, *first, *second; /* [size]; Adam's two moments */
} network;

typedef struct layers {
    float *w1, *b1, *w2, *b2;
} layers;

static layers layers_of(const network *w, float *block)
{
    layers l = {.w1 = block};

    l.b1 = l.w1 + w->d * HIDDEN;
    l.w2 = l.b1 + HIDDEN;
    l.b2 = l.w2 + w->classes * HIDDEN;
    return l;
}

/* He's start: variance 2 / inputs, here of a uniform distribution. */
static void start_network(network *w, uint64_t seed, uint64_t stream)
{
    layers l = layers_of(w, w->value);
    double r1 = sqrt(6.0 / (double)w->d), r2 = sqrt(6.0 / HIDDEN);

    for (int64_t i = 0; i < w->d * HIDDEN; i++)
        l.w1[i] = (float)(r1 * (2 * draw(seed, stream, (uint64_t)i) - 1));
    for (int64_t i = 0; i < w->classes * HIDDEN; i++)
        l.w2[i] = (float)(r2 * (2 * draw(seed, stream + 1, (uint64_t)i) - 1));
}

/* One row x [d] -> hidden [HIDDEN], output [classes]. */
static void forward(const network *w, const float *x, float *hidden, float *output)
{
    layers l = layers_of(w, w->value);

    memcpy(hidden, l.b1, HIDDEN * sizeof *hidden);
    for (int64_t j = 0; j < w->d; j++)
        mucmm__probe_add(hidden, x[j], l.w1 + j * HIDDEN, HIDDEN);
    for (int64_t i = 0; i < HIDDEN; i++)
        hidden[i] = hidden[i] > 0 ? hidden[i] : 0;
    for (int64_t c = 0; c < w->classes; c++)
        output[c] = l.b2[c] + mucmm__probe_dot(hidden, l.w2 + c * HIDDEN, HIDDEN);
}

static void softmax(float *z, int64_t n)
{
    float top = z[0], sum = 0;

    for (int64_t c = 1; c < n; c++)
        top = z[c] > top ? z[c] : top;
    for (int64_t c = 0; c < n; c++) {
        z[c] = expf(z[c] - top);
        sum += z[c];
    }
    for (int64_t c = 0; c < n; c++)
        z[c] /= sum;
}

/* Adds the gradient of the cross-entropy of one row. */
static void backward(network *w, const float *x, int32_t class_of)
{
    layers l = layers_of(w, w->value), g = layers_of(w, w->gradient);
    float hidden[HIDDEN], slope[HIDDEN] = {0}, output[MUCMM_PROBE_CLASSES];

    forward(w, x, hidden, output);
    softmax(output, w->classes);
    output[class_of] -= 1;
    for (int64_t c = 0; c < w->classes; c++) {
        mucmm__probe_add(slope, output[c], l.w2 + c * HIDDEN, HIDDEN);
        mucmm__probe_add(g.w2 + c * HIDDEN, output[c], hidden, HIDDEN);
        g.b2[c] += output[c];
    }
    for (int64_t i = 0; i < HIDDEN; i++)
        slope[i] = hidden[i] > 0 ? slope[i] : 0;
    for (int64_t j = 0; j < w->d; j++)
        mucmm__probe_add(g.w1 + j * HIDDEN, x[j], slope, HIDDEN);
    mucmm__probe_add(g.b1, 1, slope, HIDDEN);
}

/* Adam (Kingma, Ba 2015), its usual constants; the gradient is a sum over `rows`. */
static void update(network *w, double rate, int64_t step, int64_t rows)
{
    const float b1 = 0.9F, b2 = 0.999F, share = 1.0F / (float)rows;
    const float r1 = (float)(rate / (1 - pow(0.9, (double)step)));
    const float r2 = (float)(1 / (1 - pow(0.999, (double)step)));

#pragma omp simd
    for (int64_t i = 0; i < w->size; i++) {
        float g = w->gradient[i] * share;
        w->first[i] = b1 * w->first[i] + (1 - b1) * g;
        w->second[i] = b2 * w->second[i] + (1 - b2) * g * g;
        w->value[i] -= r1 * w->first[i] / (sqrtf(r2 * w->second[i]) + 1e-8F);
        w->gradient[i] = 0;
    }
}

static void shuffle(int64_t *order, int64_t n, uint64_t seed, uint64_t stream)
{
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)(draw(seed, stream, (uint64_t)i) * (double)(i + 1)), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

/* Batches of MUCMM__PROBE_BLOCK rows; the rate falls to zero along a quarter wave. */
static void train_network(network *w, const mucmm__probe_task *t, int64_t *order, uint64_t seed)
{
    int64_t n = t->p->train.rows, batches = (n + MUCMM__PROBE_BLOCK - 1) / MUCMM__PROBE_BLOCK,
            step = 0;

    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        shuffle(order, n, seed, 100 + epoch);
        for (int64_t first = 0; first < n; first += MUCMM__PROBE_BLOCK) {
            int64_t last = first + MUCMM__PROBE_BLOCK < n ? first + MUCMM__PROBE_BLOCK : n;
            for (int64_t i = first; i < last; i++)
                backward(w, t->train + order[i] * t->d, t->p->train_class[order[i]]);
            double done = (double)step++ / (double)(batches * EPOCHS);
            update(w, 3e-3 * cos(0.5 * M_PI * done), step, last - first);
        }
    }
}

static double test_network(const network *w, const mucmm__probe_task *t)
{
    float hidden[HIDDEN], output[MUCMM_PROBE_CLASSES];
    int64_t right = 0;

    for (int64_t i = 0; i < t->p->test.rows; i++) {
        int32_t best = 0;
        forward(w, t->test + i * t->d, hidden, output);
        for (int32_t c = 1; c < w->classes; c++)
            best = output[c] > output[best] ? c : best;
        right += best == t->p->test_class[i];
    }
    return (double)right / (double)t->p->test.rows;
}

mucmm_status mucmm__probe_network(mucmm_ctx *ctx, mucmm_probe *p, uint64_t seed)
{
    mucmm__probe_task t = {0};
    network w = {.d = p->train.cols, .classes = p->classes};
    int64_t *order = NULL;
    mucmm_status status = MUCMM_OK;

    w.size = (w.d + 1) * HIDDEN + w.classes * (HIDDEN + 1);
    TRY(mucmm__probe_task_init(ctx, p, false, &t));
    TRY(mucmm__alloc(ctx, p->train.rows, sizeof *order, &order));
    TRY(mucmm__alloc(ctx, 4 * w.size, sizeof *w.value, &w.value));
    w.gradient = w.value + w.size;
    w.first = w.gradient + w.size;
    w.second = w.first + w.size;
    start_network(&w, seed, 1);
    train_network(&w, &t, order, seed);
    p->accuracy = test_network(&w, &t);
done:
    mucmm__free(w.value);
    mucmm__free(order);
    mucmm__probe_task_drop(&t);
    return status;
}
