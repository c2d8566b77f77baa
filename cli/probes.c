/* SPDX-License-Identifier: MIT
 *
 * The loops run over many equal numbers side by side (128 hidden units, or 256
 * rows), so that the compiler makes vectors of them.
 */
#include "probes.h"

#include "cli.h"
#include "composite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 16, BLOCK = 256, HIDDEN = 128, EPOCHS = 20, STEPS = 150 };

/* ---- standardized columns ---------------------------------------------------------- */

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

/* What both kinds of probe work on. */
typedef struct task {
    const probe *p;
    int64_t d;
    float *train, *test; /* standardized by the training rows */
} task;

static int task_init(const probe *p, bool transposed, task *out)
{
    scaling s = {0};
    int code = 0;

    *out = (task){.p = p, .d = p->train.cols};
    TRY(allocate(&s.mean, out->d, sizeof *s.mean));
    TRY(allocate(&s.factor, out->d, sizeof *s.factor));
    TRY(allocate(&out->train, p->train.rows * out->d, sizeof(float)));
    TRY(allocate(&out->test, p->test.rows * out->d, sizeof(float)));
    measure(&p->train, &s);
    standardize(&p->train, &s, transposed, out->train);
    standardize(&p->test, &s, transposed, out->test);
done:
    free(s.mean);
    free(s.factor);
    return code;
}

static void task_drop(task *t)
{
    free(t->train);
    free(t->test);
}

/* y += a x   [n] */
static void add_scaled(float *restrict y, float a, const float *restrict x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static float dot(const float *restrict x, const float *restrict y, int64_t n)
{
    float sum = 0;

#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* ---- linear: multinomial logistic regression --------------------------------------- */

/* Mean cross-entropy + l2/2 |W|^2, minimized over all rows by Nesterov's method with
 * restarts. The step is 1/L; half the largest eigenvalue of X'X/n bounds the
 * curvature (Boehning 1992), and the largest absolute row sum bounds that. */
typedef struct logistic {
    const task *t;
    int64_t classes, size; /* size = classes * (d + 1): weights and bias of a class */
    double l2, step;
    double *w, *previous, *ahead, *gradient; /* [size] */
} logistic;

static double curvature(const task *t)
{
    int64_t n = t->p->train.rows;
    double largest = 0;

    for (int64_t i = 0; i < t->d; i++) {
        double sum = 0;
        for (int64_t j = 0; j < t->d; j++)
            sum += fabs((double)dot(t->train + i * n, t->train + j * n, n));
        largest = sum > largest ? sum : largest;
    }
    return 0.5 * fmax(largest / (double)n, 1.0);
}

/* Logits of rows [first, first + n), x [d, rows], into z [classes][BLOCK]. */
static void logits(const logistic *l, const double *w, const float *x, int64_t rows, int64_t first,
                   int64_t n, float z[MAX_CLASSES][BLOCK])
{
    int64_t d = l->t->d;

    for (int64_t c = 0; c < l->classes; c++) {
        for (int64_t i = 0; i < n; i++)
            z[c][i] = (float)w[c * (d + 1) + d];
        for (int64_t j = 0; j < d; j++)
            add_scaled(z[c], (float)w[c * (d + 1) + j], x + j * rows + first, n);
    }
}

/* z becomes softmax(z) - onehot(class). */
static void residuals(int64_t classes, const int32_t *class_of, int64_t n,
                      float z[MAX_CLASSES][BLOCK])
{
    float top[BLOCK], sum[BLOCK] = {0};

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
    float z[MAX_CLASSES][BLOCK] = {{0}};
    int64_t n = l->t->p->train.rows, d = l->t->d;
    double largest = 0;

    memset(gradient, 0, (size_t)l->size * sizeof *gradient);
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t rows = n - first < BLOCK ? n - first : BLOCK;
        logits(l, w, l->t->train, n, first, rows, z);
        residuals(l->classes, l->t->p->train_class + first, rows, z);
        for (int64_t c = 0; c < l->classes; c++) {
            double *g = gradient + c * (d + 1);
            for (int64_t j = 0; j < d; j++)
                g[j] += (double)dot(z[c], l->t->train + j * n + first, rows);
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
    float z[MAX_CLASSES][BLOCK];
    const probe *p = l->t->p;
    int64_t n = p->test.rows, right = 0;

    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t rows = n - first < BLOCK ? n - first : BLOCK;
        logits(l, l->w, l->t->test, n, first, rows, z);
        for (int64_t i = 0; i < rows; i++) {
            int32_t best = 0;
            for (int32_t c = 1; c < p->n_classes; c++)
                best = z[c][i] > z[best][i] ? c : best;
            right += best == p->test_class[first + i];
        }
    }
    return (double)right / (double)n;
}

static int run_linear(probe *p)
{
    task t = {0};
    logistic l = {.t = &t, .classes = p->n_classes, .l2 = 1e-4};
    int code = 0;

    TRY(task_init(p, true, &t));
    l.size = l.classes * (t.d + 1);
    TRY(allocate(&l.w, 4 * l.size, sizeof *l.w));
    l.previous = l.w + l.size;
    l.ahead = l.previous + l.size;
    l.gradient = l.ahead + l.size;
    l.step = 1 / (curvature(&t) + l.l2);
    descend(&l);
    p->accuracy = test_logistic(&l);
done:
    free(l.w);
    task_drop(&t);
    return code;
}

/* ---- nonlinear: one hidden layer of ReLU ------------------------------------------- */

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
        l.w1[i] = (float)(r1 * (2 * draw_unit(draw_bits(seed, stream, (uint64_t)i)) - 1));
    for (int64_t i = 0; i < w->classes * HIDDEN; i++)
        l.w2[i] = (float)(r2 * (2 * draw_unit(draw_bits(seed, stream + 1, (uint64_t)i)) - 1));
}

/* One row x [d] -> hidden [HIDDEN], output [classes]. */
static void forward(const network *w, const float *x, float *hidden, float *output)
{
    layers l = layers_of(w, w->value);

    memcpy(hidden, l.b1, HIDDEN * sizeof *hidden);
    for (int64_t j = 0; j < w->d; j++)
        add_scaled(hidden, x[j], l.w1 + j * HIDDEN, HIDDEN);
    for (int64_t i = 0; i < HIDDEN; i++)
        hidden[i] = hidden[i] > 0 ? hidden[i] : 0;
    for (int64_t c = 0; c < w->classes; c++)
        output[c] = l.b2[c] + dot(hidden, l.w2 + c * HIDDEN, HIDDEN);
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
    float hidden[HIDDEN], slope[HIDDEN] = {0}, output[MAX_CLASSES];

    forward(w, x, hidden, output);
    softmax(output, w->classes);
    output[class_of] -= 1;
    for (int64_t c = 0; c < w->classes; c++) {
        add_scaled(slope, output[c], l.w2 + c * HIDDEN, HIDDEN);
        add_scaled(g.w2 + c * HIDDEN, output[c], hidden, HIDDEN);
        g.b2[c] += output[c];
    }
    for (int64_t i = 0; i < HIDDEN; i++)
        slope[i] = hidden[i] > 0 ? slope[i] : 0;
    for (int64_t j = 0; j < w->d; j++)
        add_scaled(g.w1 + j * HIDDEN, x[j], slope, HIDDEN);
    add_scaled(g.b1, 1, slope, HIDDEN);
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
        int64_t j = draw_below(draw_bits(seed, stream, (uint64_t)i), i + 1), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

/* Batches of BLOCK rows; the rate falls to zero along a quarter wave. */
static void train_network(network *w, const task *t, int64_t *order, uint64_t seed)
{
    int64_t n = t->p->train.rows, batches = (n + BLOCK - 1) / BLOCK, step = 0;

    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        shuffle(order, n, seed, 100 + epoch);
        for (int64_t first = 0; first < n; first += BLOCK) {
            int64_t last = first + BLOCK < n ? first + BLOCK : n;
            for (int64_t i = first; i < last; i++)
                backward(w, t->train + order[i] * t->d, t->p->train_class[order[i]]);
            double done = (double)step++ / (double)(batches * EPOCHS);
            update(w, 3e-3 * cos(0.5 * M_PI * done), step, last - first);
        }
    }
}

static double test_network(const network *w, const task *t)
{
    float hidden[HIDDEN], output[MAX_CLASSES];
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

static int run_nonlinear(probe *p, uint64_t seed)
{
    task t = {0};
    network w = {.d = p->train.cols, .classes = p->n_classes};
    int64_t *order = NULL;
    int code = 0;

    w.size = (w.d + 1) * HIDDEN + w.classes * (HIDDEN + 1);
    TRY(task_init(p, false, &t));
    TRY(allocate(&order, p->train.rows, sizeof *order));
    TRY(allocate(&w.value, 4 * w.size, sizeof *w.value));
    w.gradient = w.value + w.size;
    w.first = w.gradient + w.size;
    w.second = w.first + w.size;
    start_network(&w, seed, 1);
    train_network(&w, &t, order, seed);
    p->accuracy = test_network(&w, &t);
done:
    free(w.value);
    free(order);
    task_drop(&t);
    return code;
}

/* ---- all of them ------------------------------------------------------------------- */

static int run_probe(probe *p, uint64_t seed)
{
    p->accuracy = NAN;
    if (p->train.cols == 0 || p->train.rows == 0 || p->test.rows == 0)
        return 0;
    return p->nonlinear ? run_nonlinear(p, seed) : run_linear(p);
}

int probes_run(probe *probes, int64_t n, uint64_t seed, int32_t threads,
               int (*tick)(void *user, int64_t done, int64_t total), void *user)
{
    int64_t done = 0;
    int failed = 0, stop = 0;

#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        int code, skip;
#pragma omp atomic read
        skip = stop;
        if (skip)
            continue;
        code = run_probe(&probes[i], seed);
#pragma omp critical(probes)
        {
            failed = code > failed ? code : failed;
            done++;
            if (code != 0 || tick(user, done, n) != 0) {
#pragma omp atomic write
                stop = 1;
            }
        }
    }
    return failed;
}
