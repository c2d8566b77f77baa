/* SPDX-License-Identifier: MIT
 *
 * test_onnx.c - models and runs that are refused, with which message; weights beside the model. */
#include "onnx_builder.h"

#include <sys/stat.h>

static void add_constant(net *n, const char *name, const char *shape)
{
    int64_t count = net_count(shape);
    float *w = calloc((size_t)count + 1, sizeof *w);

    for (int64_t i = 0; i < count; i++)
        w[i] = (float)mucmm__rng_normal(7, (uint64_t)i);
    net_floats(n, name, shape, w);
    free(w);
}

/* ---- what is refused --------------------------------------------------------------- */

static void check_message(const mucmm_ctx *ctx, mucmm_status got, mucmm_status want,
                          const char *part)
{
    if (got != want)
        fail_msg("status %d (%s), should be %d", (int)got, mucmm_ctx_message(ctx), (int)want);
    if (!strstr(mucmm_ctx_message(ctx), part))
        fail_msg("'%s' does not say '%s'", mucmm_ctx_message(ctx), part);
    if (strchr(mucmm_ctx_message(ctx), '\n'))
        fail_msg("'%s' has more than one line", mucmm_ctx_message(ctx));
}

static mucmm_status load_bytes(mucmm_ctx *ctx, const void *bytes, size_t size)
{
    mucmm_graph *g = (mucmm_graph *)(uintptr_t)1;
    mucmm_status status = mucmm_graph_load_memory(ctx, bytes, size, "bad.onnx", &g);

    if (status == MUCMM_OK)
        mucmm_graph_free(g);
    else
        assert_null(g);
    return status;
}

/* Loads, and runs what loads with the input it declares, of zeros. */
static mucmm_status load_and_run(mucmm_ctx *ctx, const void *bytes, size_t size)
{
    static float zeros[1 << 16];
    const mucmm_named_tensor *declared;
    mucmm_named_tensor in = {"x", {MUCMM_F32, 0, {0}, zeros}};
    mucmm_graph *g = NULL;
    mucmm_run *r = NULL;
    mucmm_status status = mucmm_graph_load_memory(ctx, bytes, size, "bad.onnx", &g);
    int64_t count = 1;

    if (status != MUCMM_OK)
        return status;
    declared = mucmm_graph_input(g, 0);
    if (declared && declared->tensor.rank >= 0)
        in = *declared;
    for (int32_t k = 0; k < in.tensor.rank; k++) {
        in.tensor.shape[k] = in.tensor.shape[k] < 0 ? 1 : in.tensor.shape[k];
        if (in.tensor.shape[k] > 1 << 13 || (count *= in.tensor.shape[k]) > 1 << 13)
            count = 1 << 14;
    }
    in.tensor.data = zeros;
    if (count <= 1 << 13)
        mucmm_graph_run(ctx, g, &in, 1, NULL, &r);
    mucmm_run_free(r);
    mucmm_graph_free(g);
    return status;
}

static void test_onnx_refuses_what_is_no_model(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    uint8_t noise[4096];
    mucmm_graph *g;

    (void)state;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)mucmm__rng_bits(5, i);
    check_message(ctx, load_bytes(ctx, noise, sizeof noise), MUCMM_EFORMAT, "bad.onnx");
    check_message(ctx, load_bytes(ctx, "", 0), MUCMM_EFORMAT, "bad.onnx");
    check_message(ctx, load_bytes(ctx, "\x89PNG\r\n\x1a\n", 8), MUCMM_EFORMAT, "ONNX");
    check_message(ctx, load_bytes(ctx, "{\"a\": 1}", 8), MUCMM_EFORMAT, "ONNX");
    check_message(ctx, mucmm_graph_load(ctx, "no/such/file.onnx", &g), MUCMM_EIO,
                  "no/such/file.onnx");
    mucmm_ctx_free(ctx);
}

/* Truncated at every length, and with bytes changed: refused, or another model; never a crash. */
static void test_onnx_survives_damaged_files(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = net_new(13);
    uint8_t *bytes, *copy;
    size_t size;
    int32_t loaded = 0;

    (void)state;
    net_input(&n, "x", MUCMM_F32, "2x3x6x6");
    add_constant(&n, "w1", "4x3x3x3");
    net_node(&n, "Conv", "x w1", "c", "pads=[1,1,1,1] strides=[2,2] auto_pad=NOTSET");
    net_node(&n, "Relu", "c", "y", "");
    net_output(&n, "y");
    bytes = net_bytes(&n, &size);
    copy = malloc(size);
    assert_int_equal(load_bytes(ctx, bytes, size), MUCMM_OK);
    for (size_t length = 0; length < size; length++) {
        memcpy(copy, bytes, length); /* no byte behind the end may be read: valgrind sees it */
        loaded += load_bytes(ctx, copy, length) == MUCMM_OK;
    }
    assert_true(loaded < 8); /* only what stands behind the graph may be missing */
    for (uint64_t i = 0; i < 3000; i++) {
        memcpy(copy, bytes, size);
        for (uint64_t k = 0; k < 1 + i % 3; k++)
            copy[mucmm__rng_bits(8, 10 * i + k) % size] = (uint8_t)mucmm__rng_bits(9, 10 * i + k);
        load_and_run(ctx, copy, size);
    }
    free(copy);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* A message inside a message inside a message ...: the reader must not run out of stack. */
static void test_onnx_refuses_endless_nesting(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    enum { DEPTH = 20000 };
    uint8_t *bytes = malloc(16 * DEPTH), *at = bytes + 16 * DEPTH;
    size_t size = 0;

    (void)state;
    /* model.graph(7).node(1).attribute(5).g(6).node(1)... from the inside out */
    for (int32_t k = 0; k < DEPTH; k++) {
        static const uint8_t tags[] = {6 << 3 | 2, 5 << 3 | 2, 1 << 3 | 2};
        uint8_t header[6];
        size_t length = 0, left = size;
        header[length++] = k == DEPTH - 1 ? 7 << 3 | 2 : tags[k % 3];
        do {
            header[length++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
            left >>= 7;
        } while (left);
        at -= length;
        memcpy(at, header, length);
        size += length;
    }
    check_message(ctx, load_bytes(ctx, at, size), MUCMM_EFORMAT, "bad.onnx");
    free(bytes);
    mucmm_ctx_free(ctx);
}

static void test_onnx_refuses_cycles_and_missing_tensors(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = net_new(13);

    (void)state;
    net_input(&n, "x", MUCMM_F32, "2");
    net_node(&n, "Add", "x c", "a", "");
    net_node(&n, "Relu", "a", "b", "");
    net_node(&n, "Tanh", "b", "c", "");
    net_output(&n, "c");
    check_message(ctx, net_refused(ctx, &n), MUCMM_EFORMAT, "cycle");
    net_drop(&n);

    n = net_new(13);
    net_input(&n, "x", MUCMM_F32, "1x2x5x5");
    net_node(&n, "Conv", "x weights", "y", "")->name = net_text(&n, "enc/conv1", 9);
    net_output(&n, "y");
    check_message(ctx, net_refused(ctx, &n), MUCMM_EFORMAT, "enc/conv1");
    assert_non_null(strstr(mucmm_ctx_message(ctx), "weights"));
    net_drop(&n);

    n = net_new(13);
    net_input(&n, "x", MUCMM_F32, "2");
    net_node(&n, "Relu", "x", "y", "");
    net_output(&n, "z");
    check_message(ctx, net_refused(ctx, &n), MUCMM_EFORMAT, "z");
    net_drop(&n);

    n = net_new(13);
    net_input(&n, "x", MUCMM_F32, "2");
    net_node(&n, "Relu", "x", "y", "");
    net_node(&n, "Tanh", "x", "y", "");
    net_output(&n, "y");
    check_message(ctx, net_refused(ctx, &n), MUCMM_EFORMAT, "y");
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

static void test_onnx_names_every_unsupported_node(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = net_new(13);

    (void)state;
    net_input(&n, "x", MUCMM_F32, "2");
    net_node(&n, "Relu", "x", "a", "");
    net_node(&n, "Warp", "a", "b", "")->name = net_text(&n, "first", 5);
    net_node(&n, "Relu", "b", "c", "")->domain = net_text(&n, "com.example", 11);
    net_node(&n, "Bend", "c", "y", "");
    net_output(&n, "y");
    check_message(ctx, net_refused(ctx, &n), MUCMM_EUNSUPPORTED, "3 nodes");
    assert_non_null(strstr(mucmm_ctx_message(ctx), "first"));
    assert_non_null(strstr(mucmm_ctx_message(ctx), "Warp"));
    assert_non_null(strstr(mucmm_ctx_message(ctx), "com.example"));
    assert_non_null(strstr(mucmm_ctx_message(ctx), "Bend"));
    assert_non_null(strstr(mucmm_ctx_message(ctx), "13"));
    net_drop(&n);

    n = net_new(99);
    net_input(&n, "x", MUCMM_F32, "2");
    net_node(&n, "Relu", "x", "y", "");
    net_output(&n, "y");
    check_message(ctx, net_refused(ctx, &n), MUCMM_EUNSUPPORTED, "opset 99");
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

static mucmm_status run_named(mucmm_ctx *ctx, mucmm_graph *g, const char *input, int32_t rank,
                              const int64_t *shape, const char *output, const char *wrt)
{
    static float zeros[4096];
    mucmm_named_tensor in = {input, {MUCMM_F32, rank, {0}, zeros}};
    mucmm_run_params p;
    mucmm_run *r = (mucmm_run *)(uintptr_t)1;
    mucmm_status status;

    memcpy(in.tensor.shape, shape, (size_t)rank * sizeof *shape);
    mucmm_run_params_init(&p);
    p.outputs = output ? &output : NULL;
    p.n_outputs = output ? 1 : 0;
    p.wrt = &wrt;
    p.n_wrt = wrt ? 1 : 0;
    status = mucmm_graph_run(ctx, g, &in, 1, &p, &r);
    if (status == MUCMM_OK)
        mucmm_run_free(r);
    else
        assert_null(r);
    return status;
}

static void test_onnx_refuses_runs_that_do_not_fit(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = net_new(13);
    mucmm_graph *g;
    static const int64_t good[] = {1, 3, 8, 8}, batch[] = {2, 3, 8, 8}, flat[] = {1, 192};

    (void)state;
    net_input(&n, "image", MUCMM_F32, "1x3x8x8");
    add_constant(&n, "w", "4x3x3x3");
    net_node(&n, "Conv", "image w", "features", "");
    net_node(&n, "Relu", "features", "pooled_features", "");
    net_node(&n, "ArgMax", "features", "places", "axis=1");
    net_output(&n, "pooled_features");
    g = net_load(ctx, &n);
    check_message(ctx, run_named(ctx, g, "image", 4, good, NULL, NULL), MUCMM_OK, "");
    check_message(ctx, run_named(ctx, g, "image", 4, batch, NULL, NULL), MUCMM_ESHAPE,
                  "[2, 3, 8, 8]");
    check_message(ctx, run_named(ctx, g, "image", 2, flat, NULL, NULL), MUCMM_ESHAPE, "image");
    check_message(ctx, run_named(ctx, g, "imgae", 4, good, NULL, NULL), MUCMM_EARG, "'image'");
    check_message(ctx, run_named(ctx, g, "image", 4, good, "pooled_feature", NULL), MUCMM_EARG,
                  "'pooled_features'");
    check_message(ctx, run_named(ctx, g, "image", 4, good, NULL, "features2"), MUCMM_EARG,
                  "'features'");
    check_message(ctx, run_named(ctx, g, "w", 4, good, NULL, NULL), MUCMM_EARG, "constant");
    check_message(ctx, run_named(ctx, g, "features", 4, good, "features", NULL), MUCMM_OK, "");
    check_message(ctx, mucmm_graph_run(ctx, g, NULL, 0, NULL, &(mucmm_run *){NULL}), MUCMM_EARG,
                  "'image' is not given");
    check_message(ctx, run_named(ctx, g, "image", 4, good, NULL, "w"), MUCMM_EARG, "constant");
    check_message(ctx, run_named(ctx, g, "image", 4, good, NULL, "places"), MUCMM_EARG, "int64");
    check_message(ctx, mucmm_graph_find(ctx, g, "pooled"), MUCMM_EARG, "'pooled_features'");
    CHECK_OK(ctx, mucmm_graph_find(ctx, g, "features"));
    mucmm_graph_free(g);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* A shape that fits the declaration and not a node; gradients that do not pass. */
static void test_onnx_names_the_node_that_refuses(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = net_new(17);
    mucmm_graph *g;
    static const int64_t three[] = {1, 3, 8, 8}, two[] = {1, 2, 8, 8}, one[] = {1};
    static const int64_t sizes[] = {8, 16, 8000};
    static const float high = 3000;

    (void)state;
    net_input(&n, "x", MUCMM_F32, "?");
    add_constant(&n, "w", "4x3x3x3");
    net_node(&n, "Conv", "x w", "y", "")->name = net_text(&n, "enc/conv1", 9);
    net_output(&n, "y");
    g = net_load(ctx, &n);
    check_message(ctx, run_named(ctx, g, "x", 4, three, NULL, NULL), MUCMM_OK, "");
    check_message(ctx, run_named(ctx, g, "x", 4, two, NULL, NULL), MUCMM_ESHAPE, "enc/conv1");
    mucmm_graph_free(g);
    net_drop(&n);

    n = net_new(17);
    net_input(&n, "low", MUCMM_F32, "?");
    net_ints(&n, "bins", "", sizes);
    net_ints(&n, "length", "", sizes + 1);
    net_ints(&n, "rate", "", sizes + 2);
    net_floats(&n, "high", "", &high);
    net_node(&n, "MelWeightMatrix", "bins length rate low high", "y", "");
    net_output(&n, "y");
    g = net_load(ctx, &n);
    check_message(ctx, run_named(ctx, g, "low", 1, one, NULL, NULL), MUCMM_OK, "");
    check_message(ctx, run_named(ctx, g, "low", 1, one, NULL, "low"), MUCMM_EUNSUPPORTED,
                  "MelWeightMatrix");
    mucmm_graph_free(g);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

/* Sizes that only the file claims take no memory. */
static void test_onnx_refuses_sizes_that_are_not_there(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    net n = net_new(13);
    static const int64_t large[] = {1000000, 1000000, 1000000};
    static const float x = 1;
    Onnx__TensorProto *t;
    mucmm_graph *g;

    (void)state;
    net_input(&n, "x", MUCMM_F32, "1");
    t = net_constant(&n, "w", MUCMM_F32, "1", &x);
    t->n_dims = 3;
    memcpy(t->dims, large, sizeof large);
    net_node(&n, "Add", "x w", "y", "");
    net_output(&n, "y");
    check_message(ctx, net_refused(ctx, &n), MUCMM_EFORMAT, "'w'");
    t->dims[0] = -1;
    check_message(ctx, net_refused(ctx, &n), MUCMM_EFORMAT, "'w'");
    t->n_dims = 1;
    t->dims[0] = INT64_MAX;
    check_message(ctx, net_refused(ctx, &n), MUCMM_EFORMAT, "'w'");
    net_drop(&n);

    n = net_new(13);
    net_input(&n, "x", MUCMM_F32, "1");
    net_ints(&n, "shape", "3", large);
    net_node(&n, "Expand", "x shape", "y", "");
    net_output(&n, "y");
    g = net_load(ctx, &n);
    check_message(ctx, run_named(ctx, g, "x", 1, (int64_t[]){1}, NULL, NULL), MUCMM_ENOMEM,
                  "Expand");
    mucmm_graph_free(g);
    net_drop(&n);
    mucmm_ctx_free(ctx);
}

static void external(net *n, Onnx__TensorProto *t, const char *location, const char *offset)
{
    const char *const keys[] = {"location", "offset"}, *const values[] = {location, offset};

    t->has_raw_data = 0;
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    t->external_data = net_memory(n, 2 * sizeof *t->external_data);
    t->n_external_data = 2;
    for (int32_t i = 0; i < 2; i++) {
        t->external_data[i] = net_message(n, &onnx__string_string_entry_proto__descriptor);
        t->external_data[i]->key = net_text(n, keys[i], strlen(keys[i]));
        t->external_data[i]->value = net_text(n, values[i], strlen(values[i]));
    }
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    fclose(f);
}

/* The same model with another number in the other file is another network. */
static void check_content_follows_weights(mucmm_ctx *ctx, const mucmm_graph *g, const char *path,
                                          const char *weights, const float numbers[4])
{
    float changed[4] = {numbers[0], numbers[1], numbers[2] + 1, numbers[3]};
    mucmm_graph *again = NULL;

    for (int i = 0; i < 2; i++) {
        write_file(weights, i ? numbers : changed, sizeof changed);
        CHECK_OK(ctx, mucmm_graph_load(ctx, path, &again));
        assert_int_equal(mucmm__graph_content(again) == mucmm__graph_content(g), i);
        mucmm_graph_free(again);
    }
}

static void test_onnx_reads_weights_beside_the_model(void **state)
{
    mucmm_ctx *ctx = new_ctx();
    char folder[] = "/tmp/test_onnx_XXXXXX", path[64], inner[64], weights[64], links[3][64];
    static const struct {
        const char *location, *offset, *says;
        mucmm_status status;
    } tries[] = {
        {"sub/w.bin", "4", "", MUCMM_OK},
        {"sub/w.bin", "8", "w.bin", MUCMM_EFORMAT},
        {"sub/w.bin", "99999999999999999999", "offset", MUCMM_EFORMAT},
        {"sub/w.bin", "-4", "offset", MUCMM_EFORMAT},
        {"nothing.bin", "0", "nothing.bin", MUCMM_EIO},
        {"../w.bin", "0", "inside", MUCMM_EFORMAT},
        {"sub/../../w.bin", "0", "inside", MUCMM_EFORMAT},
        {"/etc/passwd", "0", "inside", MUCMM_EFORMAT},
        {"", "0", "inside", MUCMM_EFORMAT},
        {"out.bin", "4", "symbolic link", MUCMM_EIO},
        {"inner.bin", "4", "symbolic link", MUCMM_EIO},
        {"up/w.bin", "4", "symbolic link", MUCMM_EIO},
        {"sub/w.bin/w.bin", "4", "symbolic link or no folder", MUCMM_EIO},
        {"sub", "4", "folder", MUCMM_EIO},
    };
    static const float numbers[4] = {9, 2, 3, 4};

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(inner, sizeof inner, "%s/sub", folder);
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    snprintf(weights, sizeof weights, "%s/sub/w.bin", folder);
    assert_int_equal(mkdir(inner, 0700), 0);
    write_file(weights, numbers, sizeof numbers);
    snprintf(links[0], sizeof links[0], "%s/out.bin", folder);
    snprintf(links[1], sizeof links[1], "%s/inner.bin", folder);
    snprintf(links[2], sizeof links[2], "%s/up", folder);
    assert_int_equal(symlink("/etc/passwd", links[0]), 0);
    assert_int_equal(symlink("sub/w.bin", links[1]), 0);
    assert_int_equal(symlink("sub", links[2]), 0);
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        net n = net_new(13);
        mucmm_graph *g = NULL;
        mucmm_status status;
        size_t size;
        uint8_t *bytes;

        net_input(&n, "x", MUCMM_F32, "1");
        external(&n, net_constant(&n, "w", MUCMM_F32, "3", numbers), tries[i].location,
                 tries[i].offset);
        net_node(&n, "Mul", "x w", "y", "");
        net_output(&n, "y");
        bytes = net_bytes(&n, &size);
        write_file(path, bytes, size);
        status = mucmm_graph_load(ctx, path, &g);
        check_message(ctx, status, tries[i].status, tries[i].says);
        if (status == MUCMM_OK) {
            static float one = 1;
            mucmm_named_tensor in = {"x", {MUCMM_F32, 1, {1}, &one}};
            mucmm_run *r;
            CHECK_OK(ctx, mucmm_graph_run(ctx, g, &in, 1, NULL, &r));
            CHECK_CLOSE((double)((float *)mucmm_run_output(r, 0)->data)[2], 4, 0);
            mucmm_run_free(r);
            check_content_follows_weights(ctx, g, path, weights, numbers);
            mucmm_graph_free(g);
            check_message(ctx, load_bytes(ctx, bytes, size), MUCMM_EUNSUPPORTED, "another file");
        }
        net_drop(&n);
    }
    for (int i = 0; i < 3; i++)
        unlink(links[i]);
    unlink(weights);
    unlink(path);
    rmdir(inner);
    rmdir(folder);
    mucmm_ctx_free(ctx);
}

/* A shape of terabytes over a file of some bytes: refused for the file, before any memory is asked
 * for. */
static void test_onnx_asks_the_file_before_memory(void **state)
{
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;
    char folder[] = "/tmp/test_onnx_XXXXXX", path[64], weights[64];
    net n = net_new(13);
    Onnx__TensorProto *w;
    mucmm_graph *g = NULL;
    size_t size;
    uint8_t *bytes;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.max_alloc = 1 << 20;
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.onnx", folder);
    snprintf(weights, sizeof weights, "%s/w.bin", folder);
    write_file(weights, "1234", 4);
    net_input(&n, "x", MUCMM_F32, "1");
    w = net_constant(&n, "w", MUCMM_F32, "1", "1234");
    external(&n, w, "w.bin", "0");
    w->dims[0] = (int64_t)1 << 40;
    net_node(&n, "Mul", "x w", "y", "");
    net_output(&n, "y");
    bytes = net_bytes(&n, &size);
    write_file(path, bytes, size);
    check_message(ctx, mucmm_graph_load(ctx, path, &g), MUCMM_EFORMAT, "the file has 4");
    net_drop(&n);
    unlink(weights);
    unlink(path);
    rmdir(folder);
    mucmm_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_onnx_refuses_what_is_no_model),
        cmocka_unit_test(test_onnx_survives_damaged_files),
        cmocka_unit_test(test_onnx_refuses_endless_nesting),
        cmocka_unit_test(test_onnx_refuses_cycles_and_missing_tensors),
        cmocka_unit_test(test_onnx_names_every_unsupported_node),
        cmocka_unit_test(test_onnx_refuses_runs_that_do_not_fit),
        cmocka_unit_test(test_onnx_names_the_node_that_refuses),
        cmocka_unit_test(test_onnx_refuses_sizes_that_are_not_there),
        cmocka_unit_test(test_onnx_reads_weights_beside_the_model),
        cmocka_unit_test(test_onnx_asks_the_file_before_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
