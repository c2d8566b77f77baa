/* SPDX-License-Identifier: MIT
 *
 * test_conv.c - convolutions and poolings of random shapes against loops that follow the
 * definition, in double: 1 to 3 axes, groups, strides, dilations, uneven padding, channels that
 * fill a block of the layout and ones that do not. */
#include "onnx_builder.h"

#define N_CASES 150

typedef struct window {
    int64_t n, c, k, groups; /* x [n, c, in...], y [n, k, out...] */
    int32_t axes;
    int64_t in[3], kernel[3], stride[3], dilation[3], before[3], after[3], extra[3], out[3];
} window;

static int64_t pick(uint64_t key, uint64_t *place, int64_t low, int64_t high)
{
    return low + (int64_t)(mucmm__rng_bits(key, (*place)++) % (uint64_t)(high - low + 1));
}

/* Unused axes have length 1, a kernel of 1 and no padding. */
static window random_window(uint64_t key, bool dilated)
{
    static const int64_t channels[] = {1, 2, 3, 8, 16, 20};
    uint64_t place = 0;
    window w = {.n = pick(key, &place, 1, 3), .axes = (int32_t)pick(key, &place, 1, 3)};

    w.c = channels[pick(key, &place, 0, 5)];
    w.k = channels[pick(key, &place, 0, 5)];
    w.groups = 1;
    if (pick(key, &place, 0, 2) == 0) { /* depthwise, some with several outputs a channel */
        w.groups = w.c;
        w.k = w.c * pick(key, &place, 1, 2);
    } else if (w.c % 2 == 0 && w.k % 2 == 0 && pick(key, &place, 0, 1)) {
        w.groups = 2;
    }
    for (int32_t a = 0; a < 3; a++) {
        bool used = a < w.axes;
        int64_t reach;
        w.kernel[a] = used ? pick(key, &place, 1, 4) : 1;
        w.stride[a] = used ? pick(key, &place, 1, 3) : 1;
        w.dilation[a] = used && dilated ? pick(key, &place, 1, 2) : 1;
        reach = w.dilation[a] * (w.kernel[a] - 1);
        w.before[a] = used ? pick(key, &place, 0, w.kernel[a] - 1) : 0;
        w.after[a] = used ? pick(key, &place, 0, w.kernel[a] - 1) : 0;
        w.in[a] = used ? reach + pick(key, &place, 1, 7) : 1;
        w.extra[a] = used ? pick(key, &place, 0, w.stride[a] - 1) : 0;
    }
    return w;
}

static int64_t reach_of(const window *w, int32_t a)
{
    return w->dilation[a] * (w->kernel[a] - 1) + 1;
}

static int64_t volume(const int64_t size[3])
{
    return size[0] * size[1] * size[2];
}

static void shape_text(char out[64], int64_t first, int64_t second, const int64_t *sizes,
                       int32_t axes)
{
    snprintf(out, 64, "%lldx%lld", (long long)first, (long long)second);
    for (int32_t a = 0; a < axes; a++)
        snprintf(out + strlen(out), 64 - strlen(out), "x%lld", (long long)sizes[a]);
}

static void list_text(char *out, size_t size, const char *name, const int64_t *values, int32_t n,
                      const int64_t *more)
{
    size_t used = strlen(out);

    used += (size_t)snprintf(out + used, size - used, "%s=[", name);
    for (int32_t i = 0; i < (more ? 2 * n : n); i++)
        used += (size_t)snprintf(out + used, size - used, "%s%lld", i ? "," : "",
                                 (long long)(i < n ? values[i] : more[i - n]));
    snprintf(out + used, size - used, "] ");
}

static float *random_numbers(uint64_t key, int64_t n)
{
    float *x = calloc((size_t)n + 1, sizeof *x);

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)mucmm__rng_normal(key, (uint64_t)i);
    return x;
}

/* Goes through all (output place, kernel place) pairs of one channel pair that meet an input place:
 * visit(arg, o, k, i). With pads of a pooling, places outside are visited with i = -1. */
typedef void (*visitor)(void *arg, int64_t o, int64_t k, int64_t i);

static void walk(const window *w, visitor visit, void *arg)
{
    for (int64_t o = 0; o < volume(w->out); o++)
        for (int64_t k = 0; k < volume(w->kernel); k++) {
            int64_t left_o = o, left_k = k, i = 0, step = 1;
            bool inside = true;
            for (int32_t a = 2; a >= 0; a--) {
                int64_t at = left_o % w->out[a] * w->stride[a] +
                             left_k % w->kernel[a] * w->dilation[a] - w->before[a];
                inside = inside && at >= 0 && at < w->in[a];
                i += at * step;
                step *= w->in[a];
                left_o /= w->out[a];
                left_k /= w->kernel[a];
            }
            visit(arg, o, k, inside ? i : -1);
        }
}

typedef struct job {
    const float *x, *w;
    double *y;
    const window *at;
} job;

static void multiply(void *arg, int64_t o, int64_t k, int64_t i)
{
    job *j = arg;

    if (i >= 0)
        j->y[o] += (double)j->x[i] * (double)j->w[k];
}

static void scatter(void *arg, int64_t o, int64_t k, int64_t i)
{
    job *j = arg; /* the transpose: x lies on the output places, y on the input places */

    if (i >= 0)
        j->y[i] += (double)j->x[o] * (double)j->w[k];
}

/* y for all samples and channel pairs. transposed: x [n, k, out...], y [n, c, in...], w [k, c/g].
 */
static double *convolve(const window *w, const float *x, const float *weights, const float *bias,
                        bool transposed)
{
    int64_t in = volume(w->in), out = volume(w->out), size = volume(w->kernel);
    int64_t cg = w->c / w->groups, kg = w->k / w->groups;
    int64_t y_channels = transposed ? w->c : w->k, y_size = transposed ? in : out;
    double *y = calloc((size_t)(w->n * y_channels * y_size) + 1, sizeof *y);

    for (int64_t n = 0; n < w->n; n++) {
        for (int64_t c = 0; c < y_channels; c++)
            for (int64_t i = 0; i < y_size; i++)
                y[(n * y_channels + c) * y_size + i] = (double)bias[c];
        for (int64_t k = 0; k < w->k; k++)
            for (int64_t c = 0; c < cg; c++) {
                int64_t channel = k / kg * cg + c;
                job j = {.w = weights + (k * cg + c) * size};
                j.x = transposed ? x + (n * w->k + k) * out : x + (n * w->c + channel) * in;
                j.y = transposed ? y + (n * w->c + channel) * in : y + (n * w->k + k) * out;
                walk(w, transposed ? scatter : multiply, &j);
            }
    }
    return y;
}

static void check_run(mucmm_ctx *ctx, net *n, const float *x, const char *shape, const double *want,
                      int64_t count, const char *what)
{
    mucmm_named_tensor in = {"x", {.dtype = MUCMM_F32, .data = (void *)(uintptr_t)x}};
    mucmm_graph *g;
    mucmm_run *r;
    const mucmm_tensor *y;
    int64_t got = 1;

    in.tensor.rank = net_shape(shape, in.tensor.shape);
    net_input(n, "x", MUCMM_F32, shape);
    net_output(n, "y");
    g = net_load(ctx, n);
    if (mucmm_graph_run(ctx, g, &in, 1, NULL, &r) != MUCMM_OK)
        fail_msg("%s: %s", what, mucmm_ctx_message(ctx));
    y = mucmm_run_output(r, 0);
    for (int32_t k = 0; k < y->rank; k++)
        got *= y->shape[k];
    if (got != count)
        fail_msg("%s: %lld numbers, should be %lld", what, (long long)got, (long long)count);
    for (int64_t i = 0; i < count; i++)
        if (!(fabs((double)((float *)y->data)[i] - want[i]) <= 1e-4 * (1 + fabs(want[i]))))
            fail_msg("%s: number %lld is %.9g, should be %.9g", what, (long long)i,
                     (double)((float *)y->data)[i], want[i]);
    mucmm_run_free(r);
    mucmm_graph_free(g);
}

static void attributes_of(const window *w, char *out, size_t size)
{
    out[0] = '\0';
    list_text(out, size, "kernel_shape", w->kernel, w->axes, NULL);
    list_text(out, size, "strides", w->stride, w->axes, NULL);
    list_text(out, size, "pads", w->before, w->axes, w->after);
}

static void check_convolution(mucmm_ctx *ctx, uint64_t seed, bool transposed)
{
    uint64_t key = mucmm__rng_key(seed, transposed);
    window w = random_window(key, true);
    char attributes[256], x_shape[64], w_shape[64], what[512], bias_shape[32];
    int64_t channels = transposed ? w.c : w.k;
    float *x, *weights, *bias;
    double *want;
    net n = net_new(11);

    for (int32_t a = 0; a < 3; a++) {
        if (transposed) { /* `in` is the larger side, made from the smaller one */
            w.out[a] = w.in[a];
            w.in[a] = (w.out[a] - 1) * w.stride[a] + reach_of(&w, a) + w.extra[a] - w.before[a] -
                      w.after[a];
            if (w.in[a] < 1) {
                w.in[a] += w.before[a] + w.after[a];
                w.before[a] = w.after[a] = 0;
            }
        } else {
            w.out[a] = (w.in[a] + w.before[a] + w.after[a] - reach_of(&w, a)) / w.stride[a] + 1;
        }
    }
    attributes_of(&w, attributes, sizeof attributes);
    list_text(attributes, sizeof attributes, "dilations", w.dilation, w.axes, NULL);
    if (transposed)
        list_text(attributes, sizeof attributes, "output_padding", w.extra, w.axes, NULL);
    snprintf(attributes + strlen(attributes), sizeof attributes - strlen(attributes), "group=%lld",
             (long long)w.groups);
    shape_text(x_shape, w.n, transposed ? w.k : w.c, transposed ? w.out : w.in, w.axes);
    shape_text(w_shape, w.k, w.c / w.groups, w.kernel, w.axes);
    snprintf(bias_shape, sizeof bias_shape, "%lld", (long long)channels);
    snprintf(what, sizeof what, "%s %s of %s with %s", transposed ? "ConvTranspose" : "Conv",
             attributes, x_shape, w_shape);
    x = random_numbers(mucmm__rng_key(key, 1), net_count(x_shape));
    weights = random_numbers(mucmm__rng_key(key, 2), net_count(w_shape));
    bias = random_numbers(mucmm__rng_key(key, 3), channels);
    want = convolve(&w, x, weights, bias, transposed);
    net_floats(&n, "w", w_shape, weights);
    net_floats(&n, "b", bias_shape, bias);
    net_node(&n, transposed ? "ConvTranspose" : "Conv", "x w b", "y", attributes);
    check_run(ctx, &n, x, x_shape, want, w.n * channels * volume(transposed ? w.in : w.out), what);
    free(x);
    free(weights);
    free(bias);
    free(want);
    net_drop(&n);
}

static void test_conv_follows_the_definition(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (uint64_t seed = 0; seed < N_CASES; seed++)
        check_convolution(ctx, seed, false);
    mucmm_ctx_free(ctx);
}

static void test_conv_transpose_follows_the_definition(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (uint64_t seed = 0; seed < N_CASES; seed++)
        check_convolution(ctx, seed, true);
    mucmm_ctx_free(ctx);
}

/* ---- poolings ---------------------------------------------------------------------- */

static void greatest(void *arg, int64_t o, int64_t k, int64_t i)
{
    job *j = arg;

    (void)k;
    if (i >= 0 && !((double)j->x[i] <= j->y[o]))
        j->y[o] = (double)j->x[i];
}

/* Sums in y, counts in w behind it: [2, out]. */
static void sum_inside(void *arg, int64_t o, int64_t k, int64_t i)
{
    job *j = arg;

    (void)k;
    if (i >= 0) {
        j->y[o] += (double)j->x[i];
        j->y[o + volume(j->at->out)] += 1;
    }
}

static void check_pooling(mucmm_ctx *ctx, uint64_t seed, bool average, bool count_pads)
{
    uint64_t key = mucmm__rng_key(seed, 10 + average);
    window w = random_window(key, !average);
    char attributes[256], shape[64], what[512];
    int64_t out, in;
    double *want, *part;
    float *x;
    net n = net_new(11);

    for (int32_t a = 0; a < 3; a++)
        w.out[a] = (w.in[a] + w.before[a] + w.after[a] - reach_of(&w, a)) / w.stride[a] + 1;
    out = volume(w.out);
    in = volume(w.in);
    attributes_of(&w, attributes, sizeof attributes);
    if (!average)
        list_text(attributes, sizeof attributes, "dilations", w.dilation, w.axes, NULL);
    if (count_pads)
        snprintf(attributes + strlen(attributes), sizeof attributes - strlen(attributes),
                 "count_include_pad=1");
    shape_text(shape, w.n, w.c, w.in, w.axes);
    snprintf(what, sizeof what, "%s %s of %s", average ? "AveragePool" : "MaxPool", attributes,
             shape);
    x = random_numbers(mucmm__rng_key(key, 1), net_count(shape));
    want = calloc((size_t)(w.n * w.c * out) + 1, sizeof *want);
    part = calloc((size_t)(2 * out) + 1, sizeof *part);
    for (int64_t c = 0; c < w.n * w.c; c++) {
        job j = {.x = x + c * in, .y = part, .at = &w};
        for (int64_t o = 0; o < 2 * out; o++)
            part[o] = average ? 0 : -INFINITY;
        walk(&w, average ? sum_inside : greatest, &j);
        for (int64_t o = 0; o < out; o++)
            want[c * out + o] = !average     ? part[o]
                                : count_pads ? part[o] / (double)volume(w.kernel)
                                             : part[o] / part[o + out];
    }
    net_node(&n, average ? "AveragePool" : "MaxPool", "x", "y", attributes);
    check_run(ctx, &n, x, shape, want, w.n * w.c * out, what);
    free(x);
    free(want);
    free(part);
    net_drop(&n);
}

static void test_pooling_follows_the_definition(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    for (uint64_t seed = 0; seed < N_CASES; seed++) {
        check_pooling(ctx, seed, false, false);
        check_pooling(ctx, seed, true, false);
        check_pooling(ctx, seed, true, true);
    }
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_follows_the_definition),
        cmocka_unit_test(test_conv_transpose_follows_the_definition),
        cmocka_unit_test(test_pooling_follows_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
