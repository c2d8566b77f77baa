/* SPDX-License-Identifier: MIT
 *
 * Layers and heads against finite differences and a plain second program. */
#include "nn/nn.h"

#include "harness.h"

/* ---- a second network, in double and as plain as it can be ------------------------- */

static double ref_gelu(double x)
{
    return x * 0.5 * erfc(-x / sqrt(2));
}

typedef enum norm_mode { TRAIN, RUNNING, FOLDED } norm_mode;

/* z [rows, w] -> gelu(batchnorm(z)), in place; stats [n_stats] for RUNNING. */
static void ref_norm_gelu(const mucmm__mlp_layer *layer, const double *params, const double *stats,
                          norm_mode mode, int64_t rows, double *z)
{
    for (int64_t j = 0; j < layer->out; j++) {
        double mean = 0, var = 0, gamma = params[layer->gamma + j], beta = params[layer->beta + j];
        if (mode == RUNNING) {
            mean = stats[layer->mean + j];
            var = stats[layer->var + j];
        } else if (mode == TRAIN) {
            for (int64_t i = 0; i < rows; i++)
                mean += z[i * layer->out + j] / (double)rows;
            for (int64_t i = 0; i < rows; i++)
                var += pow(z[i * layer->out + j] - mean, 2) / (double)rows;
        }
        for (int64_t i = 0; i < rows; i++) {
            double *v = &z[i * layer->out + j];
            if (mode != FOLDED)
                *v = (*v - mean) / sqrt(var + (double)MUCMM__BN_EPS) * gamma + beta;
            *v = ref_gelu(*v);
        }
    }
}

/* y [rows, out] += x [rows, in] w' */
static void ref_product(int64_t rows, int64_t in, int64_t out, const double *x, const double *w,
                        double *y)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t o = 0; o < out; o++)
            for (int64_t k = 0; k < in; k++)
                y[i * out + o] += x[i * in + k] * w[o * in + k];
}

static double *zeros(int64_t n)
{
    double *x = calloc((size_t)n + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

static float *float_zeros(int64_t n)
{
    float *x = calloc((size_t)n + 1, sizeof *x);
    assert_non_null(x);
    return x;
}

/* Returns y [rows, out]. */
static double *ref_forward(const mucmm__mlp *net, const double *params, const double *stats,
                           norm_mode mode, int64_t rows, const double *x)
{
    double *y = zeros(rows * net->out), *a = zeros(rows * net->in);

    memcpy(a, x, (size_t)(rows * net->in) * sizeof *a);
    for (int32_t l = 0; l < net->n_layers; l++) {
        const mucmm__mlp_layer *layer = &net->layers[l];
        double *z = zeros(rows * layer->out);
        for (int64_t i = 0; i < rows * layer->out; i++)
            z[i] = params[layer->bias + i % layer->out];
        ref_product(rows, layer->in, layer->out, a, params + layer->weight, z);
        if (layer->gamma >= 0)
            ref_norm_gelu(layer, params, stats, mode, rows, z);
        free(a);
        a = z;
    }
    if (net->n_layers > 0)
        memcpy(y, a, (size_t)(rows * net->out) * sizeof *y);
    if (net->skip >= 0)
        ref_product(rows, net->in, net->out, x, params + net->skip, y);
    free(a);
    return y;
}

/* ---- helpers ----------------------------------------------------------------------- */

static double dot(int64_t n, const double *a, const double *b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static double *doubles(int64_t n, const float *x)
{
    double *y = zeros(n);
    for (int64_t i = 0; i < n; i++)
        y[i] = (double)x[i];
    return y;
}

static float *floats(int64_t n, const double *x)
{
    float *y = float_zeros(n);
    for (int64_t i = 0; i < n; i++)
        y[i] = (float)x[i];
    return y;
}

static float *random_floats(int64_t n, uint64_t stream, double sd)
{
    float *x = float_zeros(n);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(sd * mucmm__rng_normal(mucmm__rng_key(11, stream), (uint64_t)i));
    return x;
}

/* |got - want| <= tolerance max(|want|, scale), norm-wise. */
static void check_near(const char *what, int64_t n, const float *got, const double *want,
                       double scale, double tolerance)
{
    double error = 0, size = sqrt(dot(n, want, want));

    for (int64_t i = 0; i < n; i++)
        error += pow((double)got[i] - want[i], 2);
    error = sqrt(error);
    if (!(error <= tolerance * fmax(size, scale)))
        fail_msg("%s: error %.3g of %.3g", what, error, fmax(size, scale));
}

static mucmm_ctx *ctx_of_threads(int32_t threads)
{
    mucmm_ctx_params params;
    mucmm_ctx *ctx;

    mucmm_ctx_params_init(&params);
    params.threads = threads;
    assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
    return ctx;
}

/* ---- networks under test ----------------------------------------------------------- */

typedef struct net_case {
    int64_t in, hidden[3];
    int32_t n_hidden;
    int64_t out;
    bool deep, skip;
    int64_t rows;
} net_case;

static const net_case shapes[] = {
    {5, {0}, 0, 3, true, false, 9},            /* Linear                            */
    {5, {0}, 0, 3, true, true, 9},             /* Linear and skip                   */
    {6, {0}, 0, 4, false, true, 9},            /* the skip alone                    */
    {6, {7}, 1, 3, true, false, 40},           /* one hidden layer                  */
    {33, {17}, 1, 2, true, true, 70},          /* and the skip, odd sizes           */
    {9, {12, 20, 5}, 3, 4, true, true, 131},   /* three                             */
    {3, {600, 18, 33}, 3, 1, true, false, 33}, /* wider than a tile                 */
    {4, {6}, 1, 2, true, true, 2},             /* the fewest rows of a batch        */
};
#define N_SHAPES ((int)(sizeof shapes / sizeof *shapes))

typedef struct model {
    mucmm__mlp net;
    int64_t rows;
    float *params, *stats, *x, *dy, *y, *grads, *dx;
    mucmm__tape *tape;
} model;

/* Random everything: also gamma, beta, the skip and the running statistics. */
static model model_create(mucmm_ctx *ctx, const net_case *s)
{
    model m = {.rows = s->rows};
    float *noise;

    CHECK_OK(ctx, mucmm__mlp_layout(ctx, s->in, s->hidden, s->n_hidden, s->out, s->deep, s->skip,
                                    &m.net));
    m.params = float_zeros(m.net.n_params);
    m.stats = float_zeros(m.net.n_stats);
    mucmm__mlp_init(&m.net, 3, m.params, m.stats);
    noise = random_floats(m.net.n_params, 1, .2);
    for (int64_t i = 0; i < m.net.n_params; i++)
        m.params[i] += noise[i];
    free(noise);
    noise = random_floats(m.net.n_stats, 2, .2);
    for (int64_t i = 0; i < m.net.n_stats; i++)
        m.stats[i] += noise[i];
    free(noise);
    m.x = random_floats(s->rows * s->in, 3, 1);
    m.dy = random_floats(s->rows * s->out, 4, 1);
    m.y = float_zeros(s->rows * s->out);
    m.grads = random_floats(m.net.n_params, 5, 1); /* to be overwritten */
    m.dx = random_floats(s->rows * s->in, 6, 1);
    CHECK_OK(ctx, mucmm__tape_create(ctx, &m.net, s->rows, &m.tape));
    return m;
}

static void model_free(model *m)
{
    mucmm__tape_free(m->tape);
    free(m->params);
    free(m->stats);
    free(m->x);
    free(m->dy);
    free(m->y);
    free(m->grads);
    free(m->dx);
}

static void model_step(mucmm_ctx *ctx, model *m)
{
    CHECK_OK(ctx, mucmm__mlp_forward_train(ctx, &m->net, m->params, m->stats, m->rows, m->x,
                                           m->tape, m->y));
    CHECK_OK(ctx, mucmm__mlp_backward(ctx, &m->net, m->params, m->tape, m->dy, m->grads, m->dx));
}

/* <dy, f(at + h d) - f(at - h d)> / 2h by the reference; `at` is its params or its x. */
static double ref_slope(const model *m, norm_mode mode, double *params, double *x, double *at,
                        int64_t n, const double *d)
{
    const double h = 1e-5;
    double *stats = doubles(m->net.n_stats, m->stats);
    double *dy = doubles(m->rows * m->net.out, m->dy), f[2];

    for (int side = 0; side < 2; side++) {
        double step = side ? -2 * h : h, *y;
        for (int64_t i = 0; i < n; i++)
            at[i] += step * d[i];
        y = ref_forward(&m->net, params, stats, mode, m->rows, x);
        f[side] = dot(m->rows * m->net.out, y, dy);
        free(y);
    }
    for (int64_t i = 0; i < n; i++)
        at[i] += h * d[i];
    free(stats);
    free(dy);
    return (f[0] - f[1]) / (2 * h);
}

/* The gradient `got` [n] by params or x against differences: random directions and coordinates. */
static void check_gradient(const model *m, norm_mode mode, bool by_params, const float *got)
{
    double *params = doubles(m->net.n_params, m->params), *x = doubles(m->rows * m->net.in, m->x);
    double *at = by_params ? params : x;
    int64_t n = by_params ? m->net.n_params : m->rows * m->net.in;
    double *g = doubles(n, got), size = sqrt(dot(n, g, g));

    assert_true(size > 1e-3);
    for (int trial = 0; trial < 30; trial++) {
        float *direction = random_floats(n, 100 + (uint64_t)trial, 1);
        double *d = doubles(n, direction);
        if (trial >= 4) {
            memset(d, 0, (size_t)n * sizeof *d);
            d[trial * 7919 % n] = 1;
        }
        CHECK_CLOSE(dot(n, g, d), ref_slope(m, mode, params, x, at, n, d), 1e-4 * size);
        free(direction);
        free(d);
    }
    free(params);
    free(x);
    free(g);
}

static void test_nn_training_gradients(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    for (int s = 0; s < N_SHAPES; s++) {
        model m = model_create(ctx, &shapes[s]);
        double *params = doubles(m.net.n_params, m.params), *x = doubles(m.rows * m.net.in, m.x);
        double *y = ref_forward(&m.net, params, NULL, TRAIN, m.rows, x);
        model_step(ctx, &m);
        check_near("y", m.rows * m.net.out, m.y, y, 0, 1e-5);
        check_gradient(&m, TRAIN, true, m.grads);
        check_gradient(&m, TRAIN, false, m.dx);
        free(params);
        free(x);
        free(y);
        model_free(&m);
    }
    mucmm_ctx_free(ctx);
}

/* A tape may be larger than the batch, used again, and dx is optional. */
static void test_nn_tape_is_reusable(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    model m = model_create(ctx, &shapes[5]);
    size_t bytes = (size_t)m.net.n_params * sizeof(float);
    float *first = float_zeros(m.net.n_params);
    mucmm__tape *big;
    (void)state;

    model_step(ctx, &m);
    memcpy(first, m.grads, bytes);
    CHECK_OK(ctx, mucmm__tape_create(ctx, &m.net, 3 * m.rows, &big));
    for (int round = 0; round < 2; round++) {
        memset(m.grads, 0, bytes);
        CHECK_OK(ctx,
                 mucmm__mlp_forward_train(ctx, &m.net, m.params, m.stats, m.rows, m.x, big, m.y));
        CHECK_OK(ctx, mucmm__mlp_backward(ctx, &m.net, m.params, big, m.dy, m.grads, NULL));
        assert_memory_equal(first, m.grads, bytes);
    }
    mucmm__tape_free(big);
    free(first);
    model_free(&m);
    mucmm_ctx_free(ctx);
}

static void test_nn_running_statistics(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    const int64_t n = 77, w = 5;
    mucmm__mlp net;
    mucmm__tape *tape;
    float params[64], stats[10], x[77 * 2], y[77];
    (void)state;

    CHECK_OK(ctx, mucmm__mlp_layout(ctx, 2, &w, 1, 1, true, false, &net));
    mucmm__mlp_init(&net, 4, params, stats);
    for (int64_t i = 0; i < n * 2; i++) /* a large mean must not spoil the variance */
        x[i] = 300 + (float)mucmm__rng_normal(5, (uint64_t)i);
    CHECK_OK(ctx, mucmm__tape_create(ctx, &net, n, &tape));
    CHECK_OK(ctx, mucmm__mlp_forward_train(ctx, &net, params, stats, n, x, tape, y));
    for (int64_t j = 0; j < w; j++) {
        double mean = 0, var = 0, z[77];
        for (int64_t i = 0; i < n; i++) {
            z[i] = (double)params[net.layers[0].bias + j];
            for (int64_t k = 0; k < 2; k++)
                z[i] += (double)x[2 * i + k] * (double)params[net.layers[0].weight + 2 * j + k];
            mean += z[i] / (double)n;
        }
        for (int64_t i = 0; i < n; i++)
            var += pow(z[i] - mean, 2) / (double)(n - 1);
        CHECK_CLOSE((double)stats[net.layers[0].mean + j], .1 * mean, 1e-6 * fabs(mean));
        CHECK_CLOSE((double)stats[net.layers[0].var + j], .9 + .1 * var, 1e-5);
    }
    mucmm__tape_free(tape);
    mucmm_ctx_free(ctx);
}

static void test_nn_inference_and_fold(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    (void)state;

    for (int s = 0; s < N_SHAPES; s++) {
        model m = model_create(ctx, &shapes[s]);
        double *x = doubles(m.rows * m.net.in, m.x), *stats = doubles(m.net.n_stats, m.stats);
        double *params = doubles(m.net.n_params, m.params);
        double *want = ref_forward(&m.net, params, stats, RUNNING, m.rows, x);
        int64_t n = m.rows * m.net.out;

        CHECK_OK(ctx, mucmm__mlp_forward(ctx, &m.net, m.params, m.stats, m.rows, m.x, m.y));
        check_near("running", n, m.y, want, 0, 1e-5);
        mucmm__mlp_fold(&m.net, m.params, m.stats);
        memset(m.y, 0, (size_t)n * sizeof *m.y);
        CHECK_OK(ctx, mucmm__mlp_forward(ctx, &m.net, m.params, NULL, m.rows, m.x, m.y));
        check_near("folded", n, m.y, want, 0, 1e-5);
        CHECK_OK(ctx, mucmm__mlp_forward(ctx, &m.net, m.params, m.stats, m.rows, m.x, m.y));
        check_near("folded with its statistics", n, m.y, want, 0, 1e-5);
        CHECK_OK(ctx, mucmm__mlp_vjp(ctx, &m.net, m.params, m.rows, m.x, m.dy, m.dx));
        check_gradient(&m, FOLDED, false, m.dx);
        free(x);
        free(stats);
        free(params);
        free(want);
        model_free(&m);
    }
    mucmm_ctx_free(ctx);
}

/* More rows than a chunk: each row by itself gives the same. */
static void test_nn_inference_in_chunks(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net_case s = {4, {8, 6}, 2, 3, true, true, 2500};
    model m = model_create(ctx, &s);
    float y[3], dx[4];
    (void)state;

    mucmm__mlp_fold(&m.net, m.params, m.stats);
    CHECK_OK(ctx, mucmm__mlp_forward(ctx, &m.net, m.params, NULL, m.rows, m.x, m.y));
    CHECK_OK(ctx, mucmm__mlp_vjp(ctx, &m.net, m.params, m.rows, m.x, m.dy, m.dx));
    for (int64_t i = 0; i < m.rows; i += 100 + i / 9) {
        CHECK_OK(ctx, mucmm__mlp_forward(ctx, &m.net, m.params, NULL, 1, m.x + 4 * i, y));
        CHECK_OK(ctx, mucmm__mlp_vjp(ctx, &m.net, m.params, 1, m.x + 4 * i, m.dy + 3 * i, dx));
        for (int64_t j = 0; j < 3; j++)
            CHECK_CLOSE((double)y[j], (double)m.y[3 * i + j], 1e-5);
        for (int64_t j = 0; j < 4; j++)
            CHECK_CLOSE((double)dx[j], (double)m.dx[4 * i + j], 1e-5);
    }
    model_free(&m);
    mucmm_ctx_free(ctx);
}

/* ---- layout ------------------------------------------------------------------------ */

static void test_nn_layout_and_init(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    const int64_t hidden[] = {30, 20};
    mucmm__mlp net;
    float *params, *mask, stats[100], sum = 0;
    double bound = 1 / sqrt(10.), most = 0, mean = 0;
    (void)state;

    CHECK_OK(ctx, mucmm__mlp_layout(ctx, 10, hidden, 2, 4, true, true, &net));
    assert_int_equal(net.n_layers, 3);
    assert_int_equal(net.n_params, 10 * 30 + 3 * 30 + 30 * 20 + 3 * 20 + 20 * 4 + 4 + 10 * 4);
    assert_int_equal(net.n_stats, 100);
    assert_int_equal(net.layers[2].gamma, -1);
    assert_int_equal(net.layers[2].mean, -1);
    params = float_zeros(net.n_params);
    mask = float_zeros(net.n_params);
    mucmm__mlp_init(&net, 1, params, stats);
    for (int64_t i = 0; i < 300; i++) {
        double w = (double)params[net.layers[0].weight + i];
        most = fmax(most, fabs(w));
        mean += w / 300;
    }
    assert_true(most <= bound && most > .97 * bound);
    CHECK_CLOSE(mean, 0, .1 * bound);
    assert_true(params[net.layers[1].gamma + 19] == 1 && params[net.layers[1].beta] == 0);
    assert_true(params[net.skip] == 0 && stats[net.layers[1].var + 19] == 1);
    mucmm__mlp_decay_mask(&net, mask);
    for (int64_t i = 0; i < net.n_params; i++)
        sum += mask[i];
    CHECK_CLOSE((double)sum, 300 + 600 + 80 + 40, 0);
    assert_true(mask[net.layers[0].bias] == 0 && mask[net.skip] == 1);
    free(params);
    free(mask);
    mucmm_ctx_free(ctx);
}

static void test_nn_layout_refuses(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    const int64_t fine = 3, none = 0, huge = INT64_C(1) << 40;
    mucmm__mlp net;
    mucmm__tape *tape;
    (void)state;

    assert_int_equal(mucmm__mlp_layout(ctx, 0, &fine, 1, 2, true, true, &net), MUCMM_ESHAPE);
    assert_int_equal(mucmm__mlp_layout(ctx, 2, &fine, 1, 0, true, true, &net), MUCMM_ESHAPE);
    assert_int_equal(mucmm__mlp_layout(ctx, 2, &none, 1, 2, true, true, &net), MUCMM_EARG);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "hidden layer 1 has width 0"));
    assert_int_equal(mucmm__mlp_layout(ctx, 2, &fine, 9, 2, true, true, &net), MUCMM_EARG);
    assert_int_equal(mucmm__mlp_layout(ctx, 2, &fine, -1, 2, true, true, &net), MUCMM_EARG);
    assert_int_equal(mucmm__mlp_layout(ctx, 2, &fine, 1, 2, false, false, &net), MUCMM_EARG);
    assert_int_equal(mucmm__mlp_layout(ctx, huge, &huge, 1, 2, true, true, &net), MUCMM_ENOMEM);
    CHECK_OK(ctx, mucmm__mlp_layout(ctx, 2, &fine, 1, 2, true, true, &net));
    assert_int_equal(mucmm__tape_create(ctx, &net, -1, &tape), MUCMM_ESHAPE);
    assert_int_equal(mucmm__tape_create(ctx, &net, INT64_MAX, &tape), MUCMM_ENOMEM);
    assert_int_equal(mucmm__tape_create(ctx, &net, INT64_MAX / 99, &tape), MUCMM_ENOMEM);
    assert_null(tape);
    mucmm_ctx_free(ctx);
}

static void test_nn_small_batches(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    model m = model_create(ctx, &shapes[4]), linear = model_create(ctx, &shapes[1]);
    mucmm__tape *empty;
    float y = 7, before = m.stats[0];
    (void)state;

    assert_int_equal(mucmm__mlp_forward_train(ctx, &m.net, m.params, m.stats, 1, m.x, m.tape, m.y),
                     MUCMM_ESHAPE);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "at least 2 rows"));
    assert_int_equal(mucmm__mlp_forward_train(ctx, &m.net, m.params, m.stats, 71, m.x, m.tape, m.y),
                     MUCMM_ESHAPE);
    assert_true(m.stats[0] == before);
    CHECK_OK(ctx, mucmm__mlp_forward(ctx, &m.net, m.params, m.stats, 0, m.x, &y));
    CHECK_OK(ctx, mucmm__mlp_vjp(ctx, &m.net, m.params, 0, m.x, m.dy, &y));
    assert_true(y == 7);

    CHECK_OK(ctx, mucmm__tape_create(ctx, &linear.net, 0, &empty));
    CHECK_OK(ctx, mucmm__mlp_forward_train(ctx, &linear.net, linear.params, linear.stats, 0,
                                           linear.x, empty, &y));
    CHECK_OK(ctx, mucmm__mlp_backward(ctx, &linear.net, linear.params, empty, linear.dy,
                                      linear.grads, linear.dx));
    for (int64_t i = 0; i < linear.net.n_params; i++)
        assert_true(linear.grads[i] == 0);
    mucmm__gelu(ctx, 0, m.x, &y);
    mucmm__gelu_vjp(ctx, 0, m.x, m.x, &y);
    mucmm__add_noise(ctx, 0, 1, 2, 3, m.x, &y);
    assert_true(y == 7);
    mucmm__tape_free(empty);
    model_free(&m);
    model_free(&linear);
    mucmm_ctx_free(ctx);
}

/* ---- elementwise ------------------------------------------------------------------- */

static void test_nn_gelu_accuracy(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { N = 400001 };
    float *x = float_zeros(N), *one = float_zeros(N), *y = float_zeros(N), *dy = float_zeros(N);
    (void)state;

    for (int64_t i = 0; i < N; i++) {
        x[i] = (float)((double)(i - N / 2) * 1e-4);
        one[i] = 1;
    }
    mucmm__gelu(ctx, N, x, y);
    mucmm__gelu_vjp(ctx, N, x, one, dy);
    for (int64_t i = 0; i < N; i++) {
        double t = (double)x[i], scale = fmax(fabs(t), 1);
        double slope = .5 * erfc(-t / sqrt(2)) + t * exp(-t * t / 2) / sqrt(2 * acos(-1));
        CHECK_CLOSE((double)y[i], ref_gelu(t), 1.2e-7 * scale);
        CHECK_CLOSE((double)dy[i], slope, 1.5e-7);
        /* relative to a small result, too: around zero and in the tail */
        CHECK_CLOSE((double)y[i], ref_gelu(t), (3e-7 + 6e-8 * t * t) * fabs(ref_gelu(t)) + 1e-36);
    }
    free(x);
    free(one);
    free(y);
    free(dy);
    mucmm_ctx_free(ctx);
}

static void test_nn_gelu_extremes(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    const float x[] = {-INFINITY, -1e30f, -50, -13, 0, 50, 1e30f, INFINITY, NAN};
    float one[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, y[9], dy[9];
    (void)state;

    mucmm__gelu(ctx, 9, x, y);
    mucmm__gelu_vjp(ctx, 9, x, one, dy);
    for (int i = 0; i < 8; i++) {
        assert_true(x[i] < 0 ? fabsf(y[i]) < 1e-35f : y[i] == x[i]);
        CHECK_CLOSE((double)dy[i], x[i] < 0 ? 0 : x[i] > 0 ? 1 : .5, 1e-30);
    }
    assert_true(isnan(y[8]) && isnan(dy[8]));
    mucmm_ctx_free(ctx);
}

static void test_nn_noise_is_box_muller_of_the_stream(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    const uint64_t key = mucmm__rng_key(1, 2), first = 128 * 1000;
    float x[256] = {0}, y[256];
    (void)state;

    mucmm__add_noise(ctx, 256, 1, key, first, x, y);
    for (uint64_t j = 0; j < 128; j++) {
        uint64_t bits = mucmm__rng_bits(key, first / 2 + j);
        double u = ((double)(bits >> 33) + 1) * 0x1p-31, r = sqrt(-2 * log(u));
        double t = (double)(int32_t)(uint32_t)bits * acos(0) * 0x1p-31;
        uint64_t at = j / 32 * 64 + j % 32;
        /* near u = 1 the float u is coarse: r^2 is off by at most 2^-23 */
        double tolerance = 2e-6 + 2.4e-7 / fmax(r, 3e-4);
        CHECK_CLOSE((double)y[at], r * cos(t) * (bits & 1 ? -1 : 1), tolerance);
        CHECK_CLOSE((double)y[at + 32], r * sin(t), tolerance);
    }
    mucmm_ctx_free(ctx);
}

static void test_nn_noise_moments(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { N = 2000000 };
    float *x = float_zeros(N), *z = float_zeros(N), *other = float_zeros(N);
    const int64_t lags[] = {1, 2, 16, 31, 32, 33, 63, 64, 1024};
    double m1 = 0, m2 = 0, m3 = 0, m4 = 0, tail = 0, cross = 0, root = sqrt((double)N);
    (void)state;

    mucmm__add_noise(ctx, N, 1, mucmm__rng_key(9, 0), 0, x, z);
    mucmm__add_noise(ctx, N, 1, mucmm__rng_key(9, 1), 0, x, other);
    for (int64_t i = 0; i < N; i++) {
        double t = (double)z[i], s = t * t;
        m1 += t / N;
        m2 += s / N;
        m3 += s * t / N;
        m4 += s * s / N;
        tail += (fabs(t) > 3) / (double)N;
        cross += t * (double)other[i] / N;
    }
    CHECK_CLOSE(m1, 0, 4.5 / root);
    CHECK_CLOSE(m2, 1, 4.5 * sqrt(2) / root);
    CHECK_CLOSE(m3, 0, 4.5 * sqrt(15) / root);
    CHECK_CLOSE(m4, 3, 4.5 * sqrt(96) / root);
    CHECK_CLOSE(tail, erfc(3 / sqrt(2)), 4.5 * sqrt(.0027) / root);
    CHECK_CLOSE(cross, 0, 4.5 / root);
    for (size_t k = 0; k < sizeof lags / sizeof *lags; k++) {
        double c = 0, c2 = 0; /* of the numbers, and of their squares */
        for (int64_t i = 0; i + lags[k] < N; i++) {
            double a = (double)z[i], b = (double)z[i + lags[k]];
            c += a * b / N;
            c2 += (a * a - 1) * (b * b - 1) / N;
        }
        CHECK_CLOSE(c, 0, 4.5 / root);
        CHECK_CLOSE(c2, 0, 4.5 * 2 / root);
    }
    free(x);
    free(z);
    free(other);
    mucmm_ctx_free(ctx);
}

static void test_nn_noise_in_pieces(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { N = 50000 };
    const uint64_t start = 12345;
    float *x = random_floats(N, 1, 1), *whole = float_zeros(N), *piece = float_zeros(N);
    (void)state;

    mucmm__add_noise(ctx, N, .5f, 77, start, x, whole);
    for (int64_t i = 0, n = 1; i < N; i += n) {
        n = n * 5 % 997 + 1 < N - i ? n * 5 % 997 + 1 : N - i;
        mucmm__add_noise(ctx, n, .5f, 77, start + (uint64_t)i, x + i, piece + i);
    }
    assert_memory_equal(whole, piece, N * sizeof *whole);
    mucmm__add_noise(ctx, N, .5f, 77, start, x, x); /* in place */
    assert_memory_equal(whole, x, N * sizeof *whole);
    free(x);
    free(whole);
    free(piece);
    mucmm_ctx_free(ctx);
}

/* ---- determinism ------------------------------------------------------------------- */

static void test_nn_elementwise_bytes_for_any_threads(void **state)
{
    enum { N = 100003 };
    float *x = random_floats(N, 1, 2), *g = random_floats(N, 2, 1), *mask = random_floats(N, 3, 1);
    float *want = NULL;
    (void)state;

    for (int32_t threads = 1; threads <= 3; threads++) {
        mucmm_ctx *ctx = ctx_of_threads(threads);
        mucmm__adamw opt = mucmm__adamw_default(1e-3, 1e-2);
        float *all = float_zeros(6 * N), *p = all + 3 * N;
        mucmm__gelu(ctx, N, x, all);
        mucmm__gelu_vjp(ctx, N, x, g, all + N);
        mucmm__add_noise(ctx, N, .1f, 5, 6, x, all + 2 * N);
        memcpy(p, x, N * sizeof *p);
        mucmm__adamw_step(ctx, &opt, 1, N, g, mask, all + 4 * N, all + 5 * N, p);
        if (want)
            assert_memory_equal(want, all, 6 * N * sizeof *all);
        else
            want = float_zeros(6 * N);
        memcpy(want, all, 6 * N * sizeof *all);
        free(all);
        mucmm_ctx_free(ctx);
    }
    free(x);
    free(g);
    free(mask);
    free(want);
}

/* With in = 1 and out = 1 the products before the sums have one term each: every difference between
 * the runs would be one of the sums. */
static void test_nn_batch_sums_for_any_threads(void **state)
{
    net_case s = {1, {700}, 1, 1, true, false, 400};
    double *want = NULL;
    (void)state;

    for (int32_t threads = 1; threads <= 3; threads++) {
        mucmm_ctx *ctx = ctx_of_threads(threads);
        model m = model_create(ctx, &s);
        const mucmm__mlp_layer *layer = &m.net.layers[0];
        float got[4 * 700];
        model_step(ctx, &m);
        memcpy(got, m.grads + layer->gamma, 700 * sizeof *got);
        memcpy(got + 700, m.grads + layer->beta, 700 * sizeof *got);
        memcpy(got + 1400, m.stats, 1400 * sizeof *got);
        if (!want)
            want = doubles(2800, got);
        for (int i = 0; i < 2800; i++)
            CHECK_CLOSE((double)got[i], want[i], 0);
        model_free(&m);
        mucmm_ctx_free(ctx);
    }
    free(want);
}

/* ---- memory ------------------------------------------------------------------------ */

static mucmm_status whole_life(mucmm_ctx *ctx, const mucmm__mlp *net, float *params, float *stats,
                               float *x, float *y)
{
    mucmm_status status = MUCMM_OK;
    mucmm__tape *tape = (mucmm__tape *)&status; /* must be overwritten */
    float *grads = NULL;

    TRY(mucmm__tape_create(ctx, net, 20, &tape));
    grads = float_zeros(net->n_params);
    TRY(mucmm__mlp_forward_train(ctx, net, params, stats, 20, x, tape, y));
    TRY(mucmm__mlp_backward(ctx, net, params, tape, y, grads, x));
    TRY(mucmm__mlp_forward(ctx, net, params, stats, 20, x, y));
    mucmm__mlp_fold(net, params, stats);
    TRY(mucmm__mlp_vjp(ctx, net, params, 20, x, y, x));
done:
    if (status != MUCMM_OK && !grads)
        assert_null(tape);
    mucmm__tape_free(tape);
    free(grads);
    return status;
}

static void test_nn_out_of_memory(void **state)
{
    const int64_t hidden[] = {8, 9};
    mucmm_status status = MUCMM_ENOMEM;
    int64_t k = 0;
    (void)state;

    for (; status != MUCMM_OK && k < 100; k++) {
        failing_heap f = {.fail_at = -1};
        mucmm_ctx_params params;
        mucmm_ctx *ctx;
        mucmm__mlp net;
        float *p, stats[34], *x = random_floats(20 * 5, 1, 1), y[20 * 2];
        mucmm_ctx_params_init(&params);
        params.allocator = (mucmm_allocator){failing_alloc, failing_release, &f};
        assert_int_equal(mucmm_ctx_create(&params, &ctx), MUCMM_OK);
        CHECK_OK(ctx, mucmm__mlp_layout(ctx, 5, hidden, 2, 2, true, true, &net));
        p = float_zeros(net.n_params);
        mucmm__mlp_init(&net, 1, p, stats);
        f.calls = 0;
        f.fail_at = k;
        status = whole_life(ctx, &net, p, stats, x, y);
        assert_true(status == MUCMM_OK || status == MUCMM_ENOMEM);
        assert_int_equal(f.live, 1);
        mucmm_ctx_free(ctx);
        free(p);
        free(x);
    }
    assert_true(k > 4 && status == MUCMM_OK);
}

/* ---- against other people's numbers ------------------------------------------------ */

/* Copies golden head/<name> [n] to at, or compares with it. */
static void load_golden(mucmm_ctx *ctx, const char *name, float *at, int64_t n)
{
    int64_t shape[MUCMM_MAX_RANK];
    double *value = golden(ctx, "head", name, shape);
    float *copy = floats(n, value);

    memcpy(at, copy, (size_t)n * sizeof *at);
    free(copy);
    mucmm__free(value);
}

static void check_golden(mucmm_ctx *ctx, const char *name, const float *got, int64_t n,
                         double scale)
{
    int64_t shape[MUCMM_MAX_RANK];
    double *want = golden(ctx, "head", name, shape);

    check_near(name, n, got, want, scale, 1e-4);
    mucmm__free(want);
}

static void test_nn_golden_head(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net_case s = {6, {7}, 1, 3, true, false, 32};
    int64_t shape[MUCMM_MAX_RANK];
    double *eps = golden(ctx, "head", "bn_eps", shape);
    model m = model_create(ctx, &s);
    const mucmm__mlp_layer *one = &m.net.layers[0], *two = one + 1;
    (void)state;

    CHECK_CLOSE((double)MUCMM__BN_EPS, *eps, 1e-9);
    load_golden(ctx, "w1", m.params + one->weight, 42);
    load_golden(ctx, "b1", m.params + one->bias, 7);
    load_golden(ctx, "gamma", m.params + one->gamma, 7);
    load_golden(ctx, "beta", m.params + one->beta, 7);
    load_golden(ctx, "w2", m.params + two->weight, 21);
    load_golden(ctx, "b2", m.params + two->bias, 3);
    load_golden(ctx, "x", m.x, 192);
    load_golden(ctx, "upstream", m.dy, 96);
    model_step(ctx, &m);
    check_golden(ctx, "out", m.y, 96, 0);
    check_golden(ctx, "grad_w1", m.grads + one->weight, 42, 0);
    check_golden(ctx, "grad_b1", m.grads + one->bias, 7, 1); /* zero; the others are about 10 */
    check_golden(ctx, "grad_gamma", m.grads + one->gamma, 7, 0);
    check_golden(ctx, "grad_beta", m.grads + one->beta, 7, 0);
    check_golden(ctx, "grad_w2", m.grads + two->weight, 21, 0);
    check_golden(ctx, "grad_b2", m.grads + two->bias, 3, 0);
    check_golden(ctx, "grad_x", m.dx, 192, 0);
    mucmm__free(eps);
    model_free(&m);
    mucmm_ctx_free(ctx);
}

static double golden_number(mucmm_ctx *ctx, const char *name)
{
    int64_t shape[MUCMM_MAX_RANK];
    double *value = golden(ctx, "adamw", name, shape), number = *value;

    mucmm__free(value);
    return number;
}

/* Five steps on p' H p / 2. */
static void test_nn_golden_adamw(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    int64_t shape[MUCMM_MAX_RANK];
    double *hessian = golden(ctx, "adamw", "hessian", shape);
    double *start = golden(ctx, "adamw", "start", shape);
    double *path = golden(ctx, "adamw", "trajectory", shape);
    mucmm__adamw opt = {golden_number(ctx, "lr"), golden_number(ctx, "beta1"),
                        golden_number(ctx, "beta2"), golden_number(ctx, "eps"),
                        golden_number(ctx, "weight_decay")};
    float *p = floats(6, start), first[6] = {0}, second[6] = {0}, g[6];
    (void)state;

    for (int64_t step = 1; step <= 5; step++) {
        for (int64_t i = 0; i < 6; i++) {
            double sum = 0;
            for (int64_t j = 0; j < 6; j++)
                sum += hessian[6 * i + j] * (double)p[j];
            g[i] = (float)sum;
        }
        mucmm__adamw_step(ctx, &opt, step, 6, g, NULL, first, second, p);
        check_near("trajectory", 6, p, path + 6 * (step - 1), 0, 1e-6);
    }
    free(p);
    mucmm__free(hessian);
    mucmm__free(start);
    mucmm__free(path);
    mucmm_ctx_free(ctx);
}

/* Against the definition in double, many parameters, with the mask. */
static void test_nn_adamw_definition(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { N = 20001 };
    mucmm__adamw opt = mucmm__adamw_default(1e-2, .1);
    float *p = random_floats(N, 1, 1), *m = float_zeros(N), *v = float_zeros(N);
    float *mask = float_zeros(N);
    double *rp = doubles(N, p), *rm = zeros(N), *rv = zeros(N);
    (void)state;

    for (int64_t i = 0; i < N; i++)
        mask[i] = (float)(i % 3 == 0);
    for (int64_t t = 1; t <= 4; t++) {
        float *g = random_floats(N, 50 + (uint64_t)t, t == 2 ? 1e-4 : 1);
        for (int64_t i = 0; i < N; i++) {
            double gi = (double)g[i];
            rp[i] -= 1e-2 * .1 * (double)mask[i] * rp[i];
            rm[i] = .9 * rm[i] + .1 * gi;
            rv[i] = .999 * rv[i] + .001 * gi * gi;
            rp[i] -= 1e-2 * rm[i] / (1 - pow(.9, (double)t)) /
                     (sqrt(rv[i] / (1 - pow(.999, (double)t))) + 1e-8);
        }
        mucmm__adamw_step(ctx, &opt, t, N, g, mask, m, v, p);
        free(g);
    }
    for (int64_t i = 0; i < N; i++)
        CHECK_CLOSE((double)p[i], rp[i], 2e-6);
    free(p);
    free(m);
    free(v);
    free(mask);
    free(rp);
    free(rm);
    free(rv);
    mucmm_ctx_free(ctx);
}

static void test_nn_one_cycle(void **state)
{
    const int64_t total = 1000;
    double last = 0;
    (void)state;

    CHECK_CLOSE(mucmm__one_cycle(0, total), 1 / 25., 1e-12);
    CHECK_CLOSE(mucmm__one_cycle(299, total), 1, 1e-12); /* 0.3 total - 1, as in PyTorch */
    CHECK_CLOSE(mucmm__one_cycle(total - 1, total), 1e-4 / 25, 1e-12);
    for (int64_t t = 0; t < total; t++) {
        double f = mucmm__one_cycle(t, total);
        assert_true(t <= 299 ? f > last : f < last);
        last = f;
    }
    for (int64_t n = 1; n < 8; n++)
        for (int64_t t = 0; t < n; t++)
            assert_true(mucmm__one_cycle(t, n) >= 3.99e-6 && mucmm__one_cycle(t, n) <= 1);
    CHECK_CLOSE(mucmm__one_cycle(0, 1), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nn_training_gradients),
        cmocka_unit_test(test_nn_tape_is_reusable),
        cmocka_unit_test(test_nn_running_statistics),
        cmocka_unit_test(test_nn_inference_and_fold),
        cmocka_unit_test(test_nn_inference_in_chunks),
        cmocka_unit_test(test_nn_layout_and_init),
        cmocka_unit_test(test_nn_layout_refuses),
        cmocka_unit_test(test_nn_small_batches),
        cmocka_unit_test(test_nn_gelu_accuracy),
        cmocka_unit_test(test_nn_gelu_extremes),
        cmocka_unit_test(test_nn_noise_is_box_muller_of_the_stream),
        cmocka_unit_test(test_nn_noise_moments),
        cmocka_unit_test(test_nn_noise_in_pieces),
        cmocka_unit_test(test_nn_elementwise_bytes_for_any_threads),
        cmocka_unit_test(test_nn_batch_sums_for_any_threads),
        cmocka_unit_test(test_nn_out_of_memory),
        cmocka_unit_test(test_nn_golden_head),
        cmocka_unit_test(test_nn_golden_adamw),
        cmocka_unit_test(test_nn_adamw_definition),
        cmocka_unit_test(test_nn_one_cycle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
