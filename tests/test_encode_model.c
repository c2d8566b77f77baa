/* SPDX-License-Identifier: MIT
 *
 * Views through encoders: features, caches, study files, and gradients back to the raw input. */
#include "encode/encode.h"
#include "explain/explanation.h"
#include "explain/local_sums.h"
#include "explain/null_maps.h"
#include "explain_case.h"
#include "generators.h"
#include "onnx_builder.h"

#include <sys/stat.h>

static mucmm_ctx *ctx;
static char folder[64] = "/tmp/mucmm-test-XXXXXX";

enum { ROWS = 60, SIDE = 6, PIXELS = 3 * SIDE * SIDE };

/* ---- files ------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char paths[4][160];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text)
{
    CHECK_OK(ctx, mucmm_file_write(ctx, path_of(name), text, strlen(text)));
}

static void write_net(net *n, const char *name)
{
    size_t size;
    uint8_t *bytes = net_bytes(n, &size);

    CHECK_OK(ctx, mucmm_file_write(ctx, path_of(name), bytes, size));
    net_drop(n);
}

/* image [N, 3, 6, 6] -> map [N, 4, 6, 6], smooth. */
static void write_picture_net(void)
{
    net n = net_new(13);
    double *w = normals(3, 0, 4 * 27, .4);
    float weights[4 * 27];

    for (int i = 0; i < 4 * 27; i++)
        weights[i] = (float)w[i];
    free(w);
    net_input(&n, "image", MUCMM_F32, "-1x3x6x6");
    net_floats(&n, "w", "4x3x3x3", weights);
    net_node(&n, "Conv", "image w", "conv", "pads=[1,1,1,1]");
    net_node(&n, "Tanh", "conv", "map", "");
    net_output(&n, "map");
    write_net(&n, "picture.onnx");
}

/* ids, mask [N, 5] -> embeddings [N, 5, 3] -> tanh(embeddings w) [N, 5, 4]. */
static void write_word_net(void)
{
    net n = net_new(13);
    double *x = normals(4, 0, 12 * 3 + 12, 1);
    float table[12 * 3], w[12];

    for (int i = 0; i < 36; i++)
        table[i] = (float)x[i];
    for (int i = 0; i < 12; i++)
        w[i] = (float)x[36 + i];
    free(x);
    net_input(&n, "ids", MUCMM_I64, "-1x5");
    net_input(&n, "mask", MUCMM_F32, "-1x5");
    net_floats(&n, "table", "12x3", table);
    net_floats(&n, "w", "3x4", w);
    net_ints(&n, "axes", "1", (const int64_t[]){2});
    net_node(&n, "Gather", "table ids", "embeddings", "axis=0");
    net_node(&n, "Unsqueeze", "mask axes", "mask3", "");
    net_node(&n, "Mul", "embeddings mask3", "masked", "");
    net_node(&n, "MatMul", "masked w", "mixed", "");
    net_node(&n, "Tanh", "mixed", "hidden", "");
    net_output(&n, "hidden");
    write_net(&n, "words.onnx");
}

/* Two links: x [N, 12] -> x + x^2 / 4, and z [N, 3, 4] -> mean over the last axis. */
static void write_chain(void)
{
    net a = net_new(13), b = net_new(13);
    const float quarter = .25f;

    net_input(&a, "x", MUCMM_F32, "-1x12");
    net_floats(&a, "quarter", "", &quarter);
    net_node(&a, "Mul", "x x", "square", "");
    net_node(&a, "Mul", "square quarter", "small", "");
    net_node(&a, "Add", "x small", "y", "");
    net_output(&a, "y");
    write_net(&a, "first.onnx");
    net_input(&b, "z", MUCMM_F32, "-1x3x4");
    net_node(&b, "ReduceMean", "z", "mean", "axes=[2] keepdims=0");
    net_output(&b, "mean");
    write_net(&b, "second.onnx");
}

/* Features that depend on the rows beside: x / max over everything. */
static void write_entangled(void)
{
    net n = net_new(13);

    net_input(&n, "x", MUCMM_F32, "-1x4");
    net_node(&n, "ReduceMax", "x", "most", "keepdims=0");
    net_node(&n, "Div", "x most", "y", "");
    net_output(&n, "y");
    write_net(&n, "entangled.onnx");
}

/* A latent that pictures (brightness of a corner) and words (which of them) share. */
static void write_pictures_and_table(void)
{
    static const char *const words[] = {"low", "mid", "high", "top"};
    unsigned char rgb[3 * SIDE * SIDE];
    char name[32], text[8192] = "file\tlabel\tmore\tgroup\n";
    size_t used = strlen(text);

    assert_int_equal(mkdir(path_of("pictures"), 0777), 0);
    for (int64_t i = 0; i < ROWS; i++) {
        uint64_t key = mucmm__rng_key(9, (uint64_t)i);
        int64_t level = i % 4;
        for (int64_t j = 0; j < PIXELS; j++) {
            double corner = j % (3 * SIDE) < 9 && j < PIXELS / 2 ? 50.0 * (double)level : 60;
            rgb[j] = (unsigned char)(corner + 80 * mucmm__rng_uniform(key, (uint64_t)j));
        }
        snprintf(name, sizeof name, "pictures/%02d.png", (int)i);
        CHECK_OK(ctx, mucmm__png_write(ctx, path_of(name), SIDE, SIDE, rgb));
        used += (size_t)snprintf(text + used, sizeof text - used, "%02d\t%s\t%s\tg%d\n", (int)i,
                                 words[level], words[mucmm__rng_bits(key, 999) % 4], (int)(i / 4));
    }
    write_text("table.tsv", text);
    write_text("pieces.tsv", "0\t0\t<unk>\n1\t-1\t\xe2\x96\x81low\n2\t-1\t\xe2\x96\x81mid\n"
                             "3\t-1\t\xe2\x96\x81high\n4\t-1\t\xe2\x96\x81top\n"
                             "5\t-2\t\xe2\x96\x81\n6\t-9\te\n");
}

#define PICTURE_VIEW                                                                               \
    "{\"kind\": \"image\", \"column\": \"file\", \"folder\": \"pictures\", \"suffix\": "           \
    "\".png\",\n  \"size\": 6, \"fit\": \"stretch\", \"normalize\": \"signed\",\n"                 \
    "  \"encoder\": \"picture.onnx\", \"tensor\": \"map\", \"pool\": \"2x2\"}"
#define WORD_VIEW                                                                                  \
    "{\"kind\": \"text\", \"column\": [\"label\", \"more\"], \"tokenizer\": "                      \
    "\"sentencepiece\",\n  \"vocabulary\": \"pieces.tsv\", \"length\": 5, \"encoder\": "           \
    "\"words.onnx\",\n  \"tensor\": \"hidden\", \"pool\": \"mean\", \"wrt\": \"embeddings\"}"
#define STUDY                                                                                      \
    "{\"table\": \"table.tsv\",\n \"split\": {\"column\": \"group\", \"test\": 0.25, \"seed\": "   \
    "3},\n"                                                                                        \
    " \"views\": {\n \"picture\": " PICTURE_VIEW ",\n \"word\": " WORD_VIEW "}}\n"

static mucmm_study *open_study(const char *text, mucmm_status want, const char *message,
                               bool skip_bad)
{
    mucmm_study *s = NULL;
    mucmm_study_params p;
    mucmm_status status;

    write_text("study.json", text);
    mucmm_study_params_init(&p);
    p.skip_bad = skip_bad;
    status = mucmm_study_load(ctx, path_of("study.json"), &s);
    if (status == MUCMM_OK)
        status = mucmm_study_encode(ctx, s, &p);
    else
        assert_null(s);
    if (want == MUCMM_OK) {
        CHECK_OK(ctx, status);
        return s;
    }
    check_message(ctx, status, want, message);
    mucmm_study_free(s);
    return NULL;
}

/* ---- features ---------------------------------------------------------------------- */

static mucmm_encoder *load(const char *description)
{
    mucmm_encoder *e = NULL;

    CHECK_OK(ctx, mucmm_encoder_load(ctx, description, folder, &e));
    return e;
}

static float *random_rows(int64_t n, int64_t cols, uint64_t seed)
{
    double *x = normals(seed, 0, n * cols, 1);
    float *out = test_floats(n * cols);

    for (int64_t i = 0; i < n * cols; i++)
        out[i] = (float)x[i];
    free(x);
    return out;
}

static mucmm_source *wrap_rows(const float *x, int64_t n, const int64_t *shape, int32_t rank)
{
    mucmm_data *d = NULL;
    mucmm_source *s = NULL;
    int64_t cols = 1;

    for (int32_t i = 0; i < rank; i++)
        cols *= shape[i];
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, n, cols, cols}, "rows", shape, rank, &d));
    CHECK_OK(ctx, mucmm_source_wrap(ctx, d, &s));
    mucmm_data_free(d);
    return s;
}

static mucmm_data *encode(mucmm_source *s, mucmm_encoder *e, const char *cache)
{
    mucmm_encode_params p;
    mucmm_data *d = NULL;

    mucmm_encode_params_init(&p);
    p.cache = cache;
    CHECK_OK(ctx, mucmm_data_encode(ctx, s, e, &p, &d));
    return d;
}

static float *read_all(const mucmm_data *d)
{
    int64_t n = mucmm_data_rows(d), cols = mucmm_data_cols(d);
    float *x = test_floats(n * cols);

    CHECK_OK(ctx, mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){x, n, cols, cols}));
    return x;
}

static void test_features_are_the_tensor_pooled(void **state)
{
    const int64_t shape[] = {3, SIDE, SIDE};
    float *x = random_rows(7, PIXELS, 1), *f;
    mucmm_source *s = wrap_rows(x, 7, shape, 3);
    mucmm_encoder *e = load("{\"kind\": \"features\", \"encoder\": \"picture.onnx\", "
                            "\"tensor\": \"map\", \"pool\": \"2x3\"}");
    mucmm_data *d = encode(s, e, NULL);
    mucmm_graph *g = NULL;
    mucmm_run *run = NULL;
    mucmm_named_tensor in = {"image", {MUCMM_F32, 4, {7, 3, SIDE, SIDE}, x}};
    int64_t got[MUCMM_MAX_RANK];
    const float *map;

    (void)state;
    assert_int_equal(mucmm_data_shape(d, got), 3);
    assert_int_equal(got[0] * 100 + got[1] * 10 + got[2], 423);
    assert_int_equal(mucmm_data_raw_shape(d, got), 3);
    assert_int_equal(mucmm_data_raw_cols(d), PIXELS);
    CHECK_OK(ctx, mucmm_graph_load(ctx, path_of("picture.onnx"), &g));
    CHECK_OK(ctx, mucmm_graph_run(ctx, g, &in, 1, NULL, &run));
    map = mucmm_run_output(run, 0)->data;
    f = read_all(d);
    for (int64_t i = 0; i < 7 * 4; i++)
        for (int64_t a = 0; a < 2; a++)
            for (int64_t b = 0; b < 3; b++) {
                double sum = 0;
                for (int64_t y = 3 * a; y < 3 * a + 3; y++)
                    for (int64_t z = 2 * b; z < 2 * b + 2; z++)
                        sum += (double)map[i * 36 + y * 6 + z] / 6;
                CHECK_CLOSE((double)f[(i * 2 + a) * 3 + b], sum, 1e-6);
            }
    mucmm_run_free(run);
    mucmm_graph_free(g);
    mucmm_data_free(d);
    mucmm_encoder_free(e);
    mucmm_source_free(s);
    free(f);
    free(x);
}

/* <cot, f(x + t d) - f(x - t d)> / 2t against <vjp(cot), d>, all in the raw input. */
static void check_vjp(const mucmm_data *d, uint64_t seed)
{
    int64_t cols = mucmm_data_cols(d), raw = mucmm_data_raw_cols(d), rows[3] = {2, 0, 1};
    float *x = test_floats(3 * raw), *shifted = test_floats(3 * raw), *g = test_floats(3 * raw);
    float *f[2] = {test_floats(3 * cols), test_floats(3 * cols)};
    float *cot = random_rows(3, cols, seed), *dir = random_rows(3, raw, seed + 1);
    double numeric = 0, analytic = 0, t = 1e-2;

    CHECK_OK(ctx, mucmm_data_read_raw(ctx, d, rows, 3, &(mucmm_mat){x, 3, raw, raw}));
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < 3 * raw; i++)
            shifted[i] = x[i] + (k ? -1 : 1) * (float)t * dir[i];
        CHECK_OK(ctx, mucmm__encoded_features(ctx, d, rows, 3, shifted, f[k]));
    }
    CHECK_OK(ctx, mucmm__encoded_vjp(ctx, d, rows, 3, NULL, cot, g));
    for (int64_t i = 0; i < 3 * cols; i++)
        numeric += (double)cot[i] * ((double)f[0][i] - (double)f[1][i]) / (2 * t);
    for (int64_t i = 0; i < 3 * raw; i++)
        analytic += (double)g[i] * (double)dir[i];
    CHECK_CLOSE(numeric, analytic, 2e-3 * (1 + fabs(analytic)));
    free(x);
    free(shifted);
    free(g);
    free(f[0]);
    free(f[1]);
    free(cot);
    free(dir);
}

static void test_gradients_reach_the_raw_input(void **state)
{
    static const struct {
        const char *description;
        int64_t shape[3];
        int32_t rank;
    } cases[] = {
        {"{\"kind\": \"features\", \"encoder\": \"picture.onnx\"}", {3, SIDE, SIDE}, 3},
        {"{\"kind\": \"features\", \"encoder\": \"picture.onnx\", \"pool\": \"4x5\"}",
         {3, SIDE, SIDE},
         3},
        {"{\"kind\": \"features\", \"encoder\": \"picture.onnx\", \"wrt\": \"conv\"}",
         {3, SIDE, SIDE},
         3},
        {"{\"kind\": \"features\", \"encoder\": \"picture.onnx\", \"batch\": 1}",
         {3, SIDE, SIDE},
         3},
        {"{\"kind\": \"features\", \"encoder\": [{\"file\": \"first.onnx\", \"scale\": 3, "
         "\"shift\": "
         "-1, \"reshape\": [3, 4]}, {\"file\": \"second.onnx\"}]}",
         {12},
         1},
    };

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        int64_t cols = cases[k].rank == 1 ? 12 : PIXELS;
        float *x = random_rows(5, cols, 20 + k);
        mucmm_source *s = wrap_rows(x, 5, cases[k].shape, cases[k].rank);
        mucmm_encoder *e = load(cases[k].description);
        mucmm_data *d = encode(s, e, NULL);

        check_vjp(d, 30 + k);
        mucmm_data_free(d);
        mucmm_encoder_free(e);
        mucmm_source_free(s);
        free(x);
    }
}

static void test_chain_scales_shifts_and_reshapes(void **state)
{
    float *x = random_rows(4, 12, 5), *f;
    mucmm_source *s = wrap_rows(x, 4, (const int64_t[]){12}, 1);
    mucmm_encoder *e = load(
        "{\"kind\": \"table\", \"encoder\": [{\"file\": \"first.onnx\", \"scale\": 3, "
        "\"shift\": -1, \"reshape\": [3, 4]}, {\"file\": \"second.onnx\", \"input\": \"z\"}]}");
    mucmm_data *d = encode(s, e, NULL);

    (void)state;
    f = read_all(d);
    for (int64_t i = 0; i < 4; i++)
        for (int64_t a = 0; a < 3; a++) {
            double sum = 0;
            for (int64_t b = 0; b < 4; b++) {
                double v = (double)x[i * 12 + a * 4 + b];
                sum += (3 * (v + v * v / 4) - 1) / 4;
            }
            CHECK_CLOSE((double)f[i * 3 + a], sum, 1e-5);
        }
    mucmm_data_free(d);
    mucmm_encoder_free(e);
    mucmm_source_free(s);
    free(f);
    free(x);
}

static void test_rows_that_influence_each_other_are_refused(void **state)
{
    float *x = random_rows(6, 4, 8);
    mucmm_source *s = wrap_rows(x, 6, (const int64_t[]){4}, 1);
    mucmm_encoder *e = load("{\"kind\": \"features\", \"encoder\": \"entangled.onnx\"}");
    mucmm_encoder *alone =
        load("{\"kind\": \"features\", \"encoder\": \"entangled.onnx\", \"batch\": 1}");
    mucmm_data *d = NULL;

    (void)state;
    check_message(ctx, mucmm_data_encode(ctx, s, e, NULL, &d), MUCMM_EUNSUPPORTED, "\"batch\": 1");
    assert_null(d);
    d = encode(s, alone, NULL);
    mucmm_data_free(d);
    mucmm_encoder_free(e);
    mucmm_encoder_free(alone);
    mucmm_source_free(s);
    free(x);
}

/* ---- callbacks, caches ------------------------------------------------------------- */

enum { RAW = 5, FEATURES = 4 };

typedef struct linear_encoder {
    float a[FEATURES * RAW]; /* f = A x */
    int64_t forwards, rows;
    bool fail, wrong;
} linear_encoder;

static int linear_forward(void *user, int64_t n, const float *raw, float *features)
{
    linear_encoder *l = user;

    l->forwards++;
    l->rows += n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < FEATURES; j++) {
            features[i * FEATURES + j] = 0;
            for (int64_t k = 0; k < RAW; k++)
                features[i * FEATURES + j] += l->a[j * RAW + k] * raw[i * RAW + k];
        }
    return l->fail;
}

static int linear_vjp(void *user, int64_t n, const float *raw, const float *cotangents,
                      float *grads)
{
    const linear_encoder *l = user;

    (void)raw;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < RAW; k++) {
            grads[i * RAW + k] = 0;
            for (int64_t j = 0; j < FEATURES; j++)
                grads[i * RAW + k] += cotangents[i * FEATURES + j] * l->a[j * RAW + k];
            if (l->wrong && k == 1)
                grads[i * RAW + k] *= 1.3f;
        }
    return 0;
}

static mucmm_encoder *wrap_linear(linear_encoder *l, const char *name)
{
    mucmm_encoder_callbacks c;
    mucmm_encoder *e = NULL;
    double *a = normals(11, 0, FEATURES * RAW, 1);

    *l = (linear_encoder){0};
    for (int i = 0; i < FEATURES * RAW; i++)
        l->a[i] = (float)a[i];
    free(a);
    mucmm_encoder_callbacks_init(&c);
    c.name = name;
    c.rank = 1;
    c.shape[0] = FEATURES;
    c.forward = linear_forward;
    c.vjp = linear_vjp;
    c.user = l;
    CHECK_OK(ctx, mucmm_encoder_wrap(ctx, &c, &e));
    return e;
}

static int stop_at(void *user, const char *stage, int64_t done, int64_t total, const char *note)
{
    (void)note;
    (void)total;
    return strcmp(stage, "encode") == 0 && done >= *(const int64_t *)user;
}

static void test_stopped_run_is_resumed_from_the_cache(void **state)
{
    enum { N = 150 };
    float *x = random_rows(N, RAW, 12), *want, *got;
    mucmm_source *s = wrap_rows(x, N, (const int64_t[]){RAW}, 1), *other;
    linear_encoder l;
    mucmm_encoder *e = wrap_linear(&l, "linear"), *renamed;
    mucmm_data *memory = encode(s, e, NULL), *d = NULL;
    mucmm_encode_params p;
    mucmm_ctx_params cp;
    mucmm_ctx *stopping = NULL;
    int64_t limit = 64;

    (void)state;
    mucmm_encode_params_init(&p);
    p.cache = path_of("resumed.npy");
    mucmm_ctx_params_init(&cp);
    cp.progress = stop_at;
    cp.progress_user = &limit;
    assert_int_equal(mucmm_ctx_create(&cp, &stopping), MUCMM_OK);
    assert_int_equal(mucmm_data_encode(stopping, s, e, &p, &d), MUCMM_ECANCELED);
    mucmm_ctx_free(stopping);
    assert_null(d);
    assert_int_not_equal(access(p.cache, F_OK), 0);

    l.rows = 0;
    d = encode(s, e, p.cache);
    assert_true(l.rows < N); /* 64 are there already, 17 are for the probe */
    want = read_all(memory);
    got = read_all(d);
    assert_memory_equal(want, got, sizeof(float) * N * FEATURES);
    mucmm_data_free(d);
    free(got);

    l.rows = 0;
    mucmm_data_free(encode(s, e, p.cache));
    assert_true(l.rows <= 17); /* whole: nothing but the probe: 1, 8 alone, 8 together */

    x[7] += 1; /* another input, another encoder: anew */
    other = wrap_rows(x, N, (const int64_t[]){RAW}, 1);
    l.rows = 0;
    mucmm_data_free(encode(other, e, p.cache));
    assert_true(l.rows >= N);
    mucmm_source_free(other);
    x[7] -= 1;
    mucmm_encoder_free(e);
    renamed = wrap_linear(&l, "renamed");
    mucmm_data_free(encode(s, renamed, p.cache));
    assert_true(l.rows >= N);
    mucmm_encoder_free(renamed);
    mucmm_data_free(memory);
    mucmm_source_free(s);
    free(want);
    free(x);
}

static void test_damaged_caches_are_made_anew(void **state)
{
    float *x = random_rows(40, RAW, 13), *want, *got;
    mucmm_source *s = wrap_rows(x, 40, (const int64_t[]){RAW}, 1);
    linear_encoder l;
    mucmm_encoder *e = wrap_linear(&l, "linear");
    mucmm_data *d = encode(s, e, path_of("damaged.npy"));

    (void)state;
    want = read_all(d);
    mucmm_data_free(d);
    for (int k = 0; k < 3; k++) {
        if (k == 0)
            assert_int_equal(truncate(path_of("damaged.npy"), 200), 0);
        else
            write_text("damaged.npy.json", k == 1 ? "{" : "{\"done\": -1, \"bad\": 5}");
        d = encode(s, e, path_of("damaged.npy"));
        got = read_all(d);
        assert_memory_equal(want, got, sizeof(float) * 40 * FEATURES);
        mucmm_data_free(d);
        free(got);
    }
    mucmm_encoder_free(e);
    mucmm_source_free(s);
    free(want);
    free(x);
}

static void test_callbacks_that_fail_are_reported(void **state)
{
    float *x = random_rows(4, RAW, 14);
    mucmm_source *s = wrap_rows(x, 4, (const int64_t[]){RAW}, 1);
    linear_encoder l;
    mucmm_encoder *e = wrap_linear(&l, "broken");
    mucmm_data *d = NULL;

    (void)state;
    l.fail = true;
    check_message(ctx, mucmm_data_encode(ctx, s, e, NULL, &d), MUCMM_EBACKEND, "'broken'");
    assert_null(d);
    mucmm_encoder_free(e);
    mucmm_source_free(s);
    free(x);
}

/* ---- maps in the raw input --------------------------------------------------------- */

typedef struct two_views {
    float *x, *y;
    mucmm_source *source;
    linear_encoder l;
    mucmm_encoder *encoder;
    mucmm_data *left, *right;
    mucmm_view view[2];
    mucmm_model *m;
} two_views;

enum { PAIRS = 200 };

/* A view behind a linear encoder, and one that shares two columns with its features. */
static two_views *new_two_views(void)
{
    two_views *t = calloc(1, sizeof *t);
    mucmm_fit_params p;

    t->x = random_rows(PAIRS, RAW, 15);
    t->y = random_rows(PAIRS, 4, 16);
    for (int64_t i = 0; i < PAIRS; i++)
        for (int64_t j = 0; j < 2; j++)
            t->y[i * 4 + j] += 2 * t->x[i * RAW + j];
    t->source = wrap_rows(t->x, PAIRS, (const int64_t[]){RAW}, 1);
    t->encoder = wrap_linear(&t->l, "linear");
    t->left = encode(t->source, t->encoder, NULL);
    CHECK_OK(ctx,
             mucmm_data_wrap(ctx, &(mucmm_cmat){t->y, PAIRS, 4, 4}, "right", NULL, 0, &t->right));
    t->view[0] = (mucmm_view){"left", t->left};
    t->view[1] = (mucmm_view){"right", t->right};
    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 2;
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, t->view, 2, &p, &t->m));
    return t;
}

static void drop_two_views(two_views *t)
{
    mucmm_model_free(t->m);
    mucmm_data_free(t->left);
    mucmm_data_free(t->right);
    mucmm_encoder_free(t->encoder);
    mucmm_source_free(t->source);
    free(t->x);
    free(t->y);
    free(t);
}

static void explain_left(const two_views *t, const mucmm_data *left, mucmm_map_kind map,
                         const mucmm_data *training, const int64_t *rows, int64_t n, float *out)
{
    mucmm_explain_params p;
    const mucmm_view views[] = {{"left", left}, {"right", t->right}};
    int64_t cols = mucmm_data_raw_cols(left);

    mucmm_explain_params_init(&p);
    p.score = MUCMM_SCORE_COMMON_ENERGY;
    p.map = map;
    p.training = training;
    CHECK_OK(ctx, mucmm_explain(ctx, t->m, views, 2, 0, rows, n, &p,
                                &(mucmm_mat){out, n, cols, cols}, NULL));
}

static void test_maps_are_those_of_the_whole_chain(void **state)
{
    two_views *t = new_two_views();
    const int64_t rows[] = {3, 150};
    float *features = read_all(t->left), g[2 * FEATURES], raw[2 * RAW], map[2 * RAW];
    mucmm_data *plain = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){features, PAIRS, FEATURES, FEATURES}, "plain",
                                  NULL, 0, &plain));
    explain_left(t, plain, MUCMM_MAP_GRADIENT, NULL, rows, 2, g);
    explain_left(t, t->left, MUCMM_MAP_GRADIENT, NULL, rows, 2, raw);
    for (int64_t i = 0; i < 2; i++)
        for (int64_t k = 0; k < RAW; k++) {
            double sum = 0;
            for (int64_t j = 0; j < FEATURES; j++)
                sum += (double)g[i * FEATURES + j] * (double)t->l.a[j * RAW + k];
            CHECK_CLOSE((double)raw[i * RAW + k], sum, 1e-5);
        }
    explain_left(t, t->left, MUCMM_MAP_INPUT_X_GRADIENT, NULL, rows, 2, map);
    for (int64_t i = 0; i < 2 * RAW; i++)
        CHECK_CLOSE((double)map[i], (double)(raw[i] * t->x[rows[i / RAW] * RAW + i % RAW]), 1e-5);
    explain_left(t, t->left, MUCMM_MAP_INPUT_X_GRADIENT, t->left, rows, 2, map);
    for (int64_t i = 0; i < 2 * RAW; i++) {
        double mean = column_mean(t->x, PAIRS, RAW, i % RAW);
        CHECK_CLOSE((double)map[i],
                    (double)raw[i] * ((double)t->x[rows[i / RAW] * RAW + i % RAW] - mean), 1e-5);
    }
    mucmm_data_free(plain);
    free(features);
    drop_two_views(t);
}

static void test_patterns_are_covariance_times_gradient(void **state)
{
    two_views *t = new_two_views();
    const int64_t rows[] = {3, 150};
    float raw[2 * RAW], map[2 * RAW];
    mucmm_explain_params p;

    (void)state;
    explain_left(t, t->left, MUCMM_MAP_GRADIENT, NULL, rows, 2, raw);
    explain_left(t, t->left, MUCMM_MAP_PATTERN, t->left, rows, 2, map);
    for (int64_t i = 0; i < 2; i++)
        for (int64_t j = 0; j < RAW; j++) {
            double sum = 0;
            for (int64_t k = 0; k < RAW; k++)
                sum += covariance(t->x, RAW, j, t->x, RAW, k, PAIRS) * (double)raw[i * RAW + k] *
                       (PAIRS / (PAIRS - 1.0));
            CHECK_CLOSE((double)map[i * RAW + j], sum, 2e-2 * (1 + fabs(sum)));
        }
    mucmm_explain_params_init(&p);
    check_message(
        ctx,
        mucmm_explain(ctx, t->m, t->view, 2, 0, rows, 2, &p, &(mucmm_mat){map, 2, RAW, RAW}, NULL),
        MUCMM_EARG, "training rows");
    p.training = t->right;
    check_message(
        ctx,
        mucmm_explain(ctx, t->m, t->view, 2, 0, rows, 2, &p, &(mucmm_mat){map, 2, RAW, RAW}, NULL),
        MUCMM_ESHAPE, "encoded in the same way");
    drop_two_views(t);
}

/* out [RAW, d]: Cov(x, z) of the variates of the left view, z = u or c. */
static void raw_loadings(const two_views *t, const mucmm_model *m, bool individual, int64_t d,
                         float *z, double *out)
{
    mucmm_mat to = {z, PAIRS, d, d};

    CHECK_OK(ctx, mucmm_transform(ctx, m, MUCMM_HEADS, 0, t->left, individual ? NULL : &to,
                                  individual ? &to : NULL));
    for (int64_t j = 0; j < RAW; j++)
        for (int64_t l = 0; l < d; l++)
            out[j * d + l] = covariance(t->x, RAW, j, z, d, l, PAIRS);
}

static mucmm_model *trained_model(const two_views *t)
{
    mucmm_fit_params p;
    mucmm_model *m = NULL;

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_MLP;
    p.common = 2;
    p.individual = 1;
    p.common_epochs = p.individual_epochs = 3;
    p.independence = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, t->view, 2, &p, &m));
    return m;
}

/* Also of networks: no gradient enters. */
static void check_raw_patterns(const two_views *t, const mucmm_model *m, bool individual)
{
    enum { MOST = 2 };
    const int64_t rows[] = {3, 150}, d = individual ? 1 : 2, components[] = {1, 0};
    float z[PAIRS * MOST], map[2 * RAW];
    double loadings[RAW * MOST];
    mucmm_explain_params p;
    mucmm_explanation *e = NULL;

    raw_loadings(t, m, individual, d, z, loadings);
    mucmm_explain_params_init(&p);
    p.score = individual ? MUCMM_SCORE_INDIVIDUAL : MUCMM_SCORE_COMMON_ENERGY; /* z'z/2 */
    p.map = MUCMM_MAP_PATTERN;
    p.training = t->left;
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, t->view, 2, 0, rows, 2, &p, &e));
    CHECK_OK(ctx, mucmm_explanation_maps(ctx, e, &(mucmm_mat){map, 2, RAW, RAW}));
    for (int64_t i = 0; i < 2 * RAW; i++) {
        double sum = 0;
        for (int64_t l = 0; l < d; l++)
            sum += loadings[i % RAW * d + l] * (double)z[rows[i / RAW] * d + l];
        CHECK_CLOSE((double)map[i], sum, 1e-4 * (1 + fabs(sum)));
    }
    CHECK_OK(ctx, mucmm_explanation_components(ctx, e, d, components + 2 - d, map));
    for (int64_t i = 0; i < d * RAW; i++)
        CHECK_CLOSE((double)map[i], loadings[i % RAW * d + components[2 - d + i / RAW]], 1e-4);
    mucmm_explanation_free(e);
}

static void test_patterns_are_covariances_with_the_variates(void **state)
{
    two_views *t = new_two_views();
    mucmm_model *trained = trained_model(t);

    (void)state;
    for (int individual = 0; individual < 2; individual++) {
        check_raw_patterns(t, t->m, individual);
        check_raw_patterns(t, trained, individual);
    }
    mucmm_model_free(trained);
    drop_two_views(t);
}

static void test_check_gradient_finds_a_wrong_vjp(void **state)
{
    two_views *t = new_two_views();
    const int64_t rows[] = {3, 150};
    double worst = 1;

    (void)state;
    CHECK_OK(ctx,
             gradient_error_of(ctx, (explain_case){t->m, t->view, 2, 0, rows, 2, NULL}, &worst));
    assert_true(worst < 1e-3);
    t->l.wrong = true;
    CHECK_OK(ctx,
             gradient_error_of(ctx, (explain_case){t->m, t->view, 2, 0, rows, 2, NULL}, &worst));
    assert_true(worst > 1e-2);
    drop_two_views(t);
}

/* ---- many gradients through an encoder --------------------------------------------- */

/* Maps [2, PIXELS] of rows 3 and 150 of pictures in the place of the model's first view. */
/* ---- p-values of local sums --------------------------------------------------------- */

enum { WIDE = 24, CELLS = WIDE * WIDE, SEEN = 6, SEEN_ROWS = 90 };

/* Sums of a picture with weights that alternate from cell to cell, around a smooth spot each. */
static int spots_forward(void *user, int64_t n, const float *raw, float *features)
{
    const float *a = user; /* [SEEN, CELLS] */

    for (int64_t i = 0; i < n * SEEN; i++) {
        double sum = 0;
        for (int64_t j = 0; j < CELLS; j++)
            sum += (double)(a[i % SEEN * CELLS + j] * raw[i / SEEN * CELLS + j]);
        features[i] = (float)sum;
    }
    return 0;
}

static int spots_vjp(void *user, int64_t n, const float *raw, const float *cotangents, float *grads)
{
    const float *a = user;

    (void)raw;
    memset(grads, 0, (size_t)(n * CELLS) * sizeof *grads);
    for (int64_t i = 0; i < n * SEEN; i++)
        for (int64_t j = 0; j < CELLS; j++)
            grads[i / SEEN * CELLS + j] += cotangents[i] * a[i % SEEN * CELLS + j];
    return 0;
}

static void fill_spots(float *a)
{
    for (int64_t f = 0; f < SEEN; f++)
        for (int64_t j = 0; j < CELLS; j++) {
            double y = (double)(j / WIDE - 5 - 12 * (f / 3)),
                   x = (double)(j % WIDE - 4 - 8 * (f % 3));
            bool odd = (j / WIDE + j % WIDE) % 2;
            a[f * CELLS + j] = (float)(exp(-(x * x + y * y) / 12) * (odd ? -.6 : 1));
        }
}

/* The p-values are the places of the local sums, as shares of their map, among those of the null
 * models. */
static void check_places(mucmm_explanation *e, const mucmm_null *null, const float *p_values)
{
    enum { MODELS = 19 };
    float *maps = test_floats((1 + MODELS) * CELLS);

    CHECK_OK(ctx, mucmm__null_maps(ctx, null, &e->s, maps));
    for (int64_t b = 0; b <= MODELS; b++) {
        double sum = 0;
        CHECK_OK(ctx, mucmm__local_sums(ctx, WIDE, WIDE, 1, maps + b * CELLS));
        for (int64_t j = 0; j < CELLS; j++)
            sum += (double)maps[b * CELLS + j] * (double)maps[b * CELLS + j];
        for (int64_t j = 0; j < CELLS; j++)
            maps[b * CELLS + j] = (float)(fabs((double)maps[b * CELLS + j]) / sqrt(sum));
    }
    for (int64_t j = 0; j < CELLS; j++) {
        int larger = 1;
        for (int64_t b = 1; b <= MODELS; b++)
            larger += maps[b * CELLS + j] >= maps[j];
        CHECK_CLOSE((double)p_values[j], larger / (1.0 + MODELS), 1e-6);
    }
    free(maps);
}

/* Adds the cells with p <= 0.05: all, and those of the 3 x 3 in the middle of spot 0. */
static void small_p_values(uint64_t seed, double shared, const float *a, mucmm_encoder *e,
                           int64_t kept[2])
{
    float *x = random_rows(SEEN_ROWS, CELLS, seed), *y = random_rows(SEEN_ROWS, 3, seed + 1000);
    mucmm_explanation *explanation;
    double *z = normals(seed, 77, SEEN_ROWS * SEEN, 1);
    float *h, p_values[CELLS];
    mucmm_source *source;
    mucmm_data *left, *right;
    int64_t row = 0;
    mucmm_fit_params p;
    mucmm_explain_params ep;
    mucmm_null *null;
    mucmm_model *m;

    for (int64_t i = 0; i < SEEN_ROWS * CELLS; i++)
        for (int64_t f = 0; f < SEEN; f++)
            x[i] += (float)(.2 * z[i / CELLS * SEEN + f]) * a[f * CELLS + i % CELLS];
    source = wrap_rows(x, SEEN_ROWS, (const int64_t[]){WIDE, WIDE}, 2);
    left = encode(source, e, NULL);
    h = read_all(left);
    for (int64_t i = 0; i < SEEN_ROWS; i++) {
        y[i * 3] += (float)shared * h[i * SEEN];
        row = fabsf(h[i * SEEN]) > fabsf(h[row * SEEN]) ? i : row;
    }
    CHECK_OK(ctx,
             mucmm_data_wrap(ctx, &(mucmm_cmat){y, SEEN_ROWS, 3, 3}, "right", NULL, 0, &right));
    mucmm_view views[2] = {{"left", left}, {"right", right}};
    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 1;
    p.individual = 0;
    p.validation = 0;
    p.folds = 0;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    CHECK_OK(ctx, mucmm_null_fit(ctx, m, MUCMM_LINEAR, views, 2, NULL, &null));
    mucmm_explain_params_init(&ep);
    ep.score = MUCMM_SCORE_COMMON_COMPONENT;
    ep.map = MUCMM_MAP_INPUT_X_GRADIENT;
    ep.representation = MUCMM_LINEAR;
    ep.training = left;
    CHECK_OK(ctx, mucmm_explanation_create(ctx, m, views, 2, 0, &row, 1, &ep, &explanation));
    CHECK_OK(ctx, mucmm_explanation_p_values(ctx, explanation, null, MUCMM_P_EXACT,
                                             &(mucmm_mat){p_values, 1, CELLS, CELLS}));
    check_places(explanation, null, p_values);
    mucmm_explanation_free(explanation);
    for (int64_t j = 0; j < CELLS; j++) {
        bool small = p_values[j] <= .05f;
        if (!small)
            continue;
        kept[0]++;
        kept[1] += labs(j / WIDE - 5) <= 1 && labs(j % WIDE - 4) <= 1;
    }
    mucmm_null_free(null);
    mucmm_model_free(m);
    mucmm_data_free(right);
    mucmm_data_free(left);
    mucmm_source_free(source);
    free(h);
    free(x);
    free(y);
    free(z);
}

/* What is tested is what a picture of the map shows. Where nothing is shared a share of 0.05 of the
 * cells is kept; where the first spot is, its cells are, alternate as its weights may. */
static void test_p_values_of_local_sums(void **state)
{
    enum { SETS = 60 };
    float *a = test_floats(SEEN * CELLS);
    mucmm_encoder_callbacks c;
    mucmm_encoder *e = NULL;
    int64_t nothing[2] = {0}, something[2] = {0};
    double all;

    (void)state;
    fill_spots(a);
    mucmm_encoder_callbacks_init(&c);
    c.name = "spots";
    c.rank = 1;
    c.shape[0] = SEEN;
    c.forward = spots_forward;
    c.vjp = spots_vjp;
    c.user = a;
    CHECK_OK(ctx, mucmm_encoder_wrap(ctx, &c, &e));
    for (uint64_t r = 0; r < SETS; r++)
        small_p_values(3 + 7 * r, 0, a, e, nothing);
    all = (double)nothing[0] / (SETS * CELLS);
    if (!(all > .005 && all < .1)) /* the cells of a map go together: its deviation is about .02 */
        fail_msg("p <= 0.05 in a share %g of the cells of nothing", all);
    for (uint64_t r = 0; r < 5; r++)
        small_p_values(3 + 7 * r, 2, a, e, something);
    assert_true(something[1] >= 40);
    mucmm_encoder_free(e);
    free(a);
}

static void explain_pictures(mucmm_ctx *c, const mucmm_model *m, const mucmm_data *pictures,
                             const mucmm_data *other, const mucmm_explain_params *p, float *maps)
{
    const mucmm_view views[] = {{"picture", pictures}, {"other", other}};
    const int64_t rows[] = {3, 150};

    CHECK_OK(c, mucmm_explain(c, m, views, 2, 0, rows, 2, p, &(mucmm_mat){maps, 2, PIXELS, PIXELS},
                              NULL));
}

/* Integrated gradients add up, from every baseline; and neither with them nor with smoothgrad does
 * it matter how many points go through the encoder at once, or in how many threads. */
static void check_pictures(const mucmm_model *m, const mucmm_data *const pictures[2],
                           const mucmm_data *other)
{
    mucmm_ctx_params cp;
    mucmm_ctx *three = NULL;
    float maps[3][2 * PIXELS];
    double gaps[2];

    mucmm_ctx_params_init(&cp);
    cp.threads = 3;
    assert_int_equal(mucmm_ctx_create(&cp, &three), MUCMM_OK);

    for (int score = 0; score <= MUCMM_SCORE_INDIVIDUAL_COMPONENT; score++)
        for (int kind = MUCMM_BASELINE_DEFAULT; kind <= MUCMM_BASELINE_ROW; kind++) {
            mucmm_explain_params p;
            mucmm_explain_params_init(&p);
            p.score = (mucmm_score_kind)score;
            p.baseline = (mucmm_baseline)kind;
            p.baseline_row = 5;
            p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
            p.training = kind == MUCMM_BASELINE_MEAN ? pictures[0] : NULL;
            for (int k = 0; k < 2; k++)
                explain_pictures(ctx, m, pictures[k], other, &p, maps[k]);
            assert_memory_equal(maps[0], maps[1], sizeof maps[0]);
            explain_pictures(three, m, pictures[0], other, &p, maps[2]);
            assert_memory_equal(maps[0], maps[2], sizeof maps[0]);
            CHECK_OK(ctx, gaps_and_differences_of(
                              ctx,
                              (explain_case){
                                  m, (mucmm_view[]){{"picture", pictures[1]}, {"other", other}}, 2,
                                  0, (const int64_t[]){3, 150}, 2, &p},
                              gaps, NULL, PIXELS));
            CHECK_CLOSE(gaps[0], 0, 1e-3);
            CHECK_CLOSE(gaps[1], 0, 1e-3);
            p.map = MUCMM_MAP_SMOOTHGRAD;
            for (int k = 0; k < 2; k++)
                explain_pictures(ctx, m, pictures[k], other, &p, maps[k]);
            assert_memory_equal(maps[0], maps[1], sizeof maps[0]);
            explain_pictures(three, m, pictures[0], other, &p, maps[2]);
            assert_memory_equal(maps[0], maps[2], sizeof maps[0]);
        }
    mucmm_ctx_free(three);
}

static void check_picture_refusals(const mucmm_model *m, const mucmm_view *views)
{
    const int64_t row = 0;
    float map[PIXELS];
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    p.baseline = MUCMM_BASELINE_MEAN;
    check_message(
        ctx,
        mucmm_explain(ctx, m, views, 2, 0, &row, 1, &p, &(mucmm_mat){map, 1, PIXELS, PIXELS}, NULL),
        MUCMM_EARG, "the mean of view 'picture' needs the training rows");
}

static void test_many_gradients_through_an_encoder(void **state)
{
    const int64_t shape[] = {3, SIDE, SIDE};
    float *x = random_rows(PAIRS, PIXELS, 20), *y = random_rows(PAIRS, 4, 21);
    mucmm_source *s = wrap_rows(x, PAIRS, shape, 3);
    mucmm_encoder *e =
        load("{\"kind\": \"features\", \"encoder\": \"picture.onnx\", \"pool\": \"2x2\"}");
    mucmm_encode_params ep;
    mucmm_fit_params p;
    mucmm_data *pictures[2] = {encode(s, e, NULL), NULL}, *other = NULL;
    mucmm_view views[2];
    mucmm_model *m = NULL;

    (void)state;
    mucmm_encode_params_init(&ep);
    ep.memory = 10000; /* one row at a time */
    CHECK_OK(ctx, mucmm_data_encode(ctx, s, e, &ep, &pictures[1]));
    assert_true(mucmm__encoded_batch(pictures[1]) == 1 && mucmm__encoded_batch(pictures[0]) > 8);
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){y, PAIRS, 4, 4}, "other", NULL, 0, &other));
    views[0] = (mucmm_view){"picture", pictures[0]};
    views[1] = (mucmm_view){"other", other};
    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 2;
    p.individual = 1;
    p.ridge = .1;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    check_pictures(m, (const mucmm_data *const[]){pictures[0], pictures[1]}, other);
    check_picture_refusals(m, views);
    mucmm_model_free(m);
    for (int k = 0; k < 2; k++)
        mucmm_data_free(pictures[k]);
    mucmm_data_free(other);
    mucmm_encoder_free(e);
    mucmm_source_free(s);
    free(x);
    free(y);
}

/* ---- study files ------------------------------------------------------------------- */

static void test_study_splits_by_whole_groups(void **state)
{
    mucmm_study *s = open_study(STUDY, MUCMM_OK, "", false), *again;
    int64_t test = mucmm_study_rows(s, MUCMM_PART_TEST);
    char seen[ROWS] = {0};

    (void)state;
    assert_int_equal(mucmm_study_views(s), 2);
    assert_string_equal(mucmm_study_view_name(s, 1), "word");
    assert_int_equal(mucmm_study_rows(s, MUCMM_PART_ALL), ROWS);
    assert_int_equal(test, 16); /* groups of 4; the share of 15 is reached with the fourth */
    assert_int_equal(mucmm_study_rows(s, MUCMM_PART_TRAIN), ROWS - test);
    for (int64_t i = 0; i < test; i++)
        seen[mucmm_study_row(s, MUCMM_PART_TEST, i)] = 1;
    for (int64_t i = 0; i < ROWS - test; i++)
        assert_int_equal(seen[mucmm_study_row(s, MUCMM_PART_TRAIN, i)], 0);
    for (int64_t i = 0; i < ROWS; i++)
        assert_int_equal(seen[i], seen[i / 4 * 4]);
    again = open_study(STUDY, MUCMM_OK, "", false);
    for (int64_t i = 0; i < test; i++)
        assert_int_equal(mucmm_study_row(again, MUCMM_PART_TEST, i),
                         mucmm_study_row(s, MUCMM_PART_TEST, i));
    assert_string_equal(mucmm_study_cell(s, 2, "label"), "high");
    assert_null(mucmm_study_cell(s, 2, "nothing"));
    mucmm_study_free(again);
    mucmm_study_free(s);
}

/* As many pieces as tokens, those of the text first, then padding. */
static void check_tokens(mucmm_data *const d[2])
{
    mucmm_tokens *tokens;
    bool padding = false;

    CHECK_OK(ctx, mucmm_data_tokens(ctx, d[1], 1, &tokens));
    assert_int_equal(mucmm_tokens_count(tokens), 5);
    assert_non_null(strstr(mucmm_tokens_piece(tokens, 0), "\xe2\x96\x81"));
    for (int64_t t = 0; t < 5; t++) {
        assert_true(!padding || !mucmm_tokens_piece(tokens, t)[0]);
        padding = !mucmm_tokens_piece(tokens, t)[0];
    }
    assert_null(mucmm_tokens_piece(tokens, 5));
    assert_null(mucmm_tokens_piece(tokens, -1));
    mucmm_tokens_free(tokens);
    assert_int_equal(mucmm_data_tokens(ctx, d[1], 99, &tokens), MUCMM_EARG);
    assert_null(tokens);
    assert_int_equal(mucmm_data_tokens(ctx, d[0], 1, &tokens), MUCMM_EARG);
    assert_null(tokens);
    mucmm_tokens_free(NULL);
}

static void test_study_from_files_to_maps(void **state)
{
    mucmm_study *s = open_study(STUDY, MUCMM_OK, "", false);
    mucmm_data *d[2];
    mucmm_view views[2];
    mucmm_fit_params p;
    mucmm_explain_params ep;
    mucmm_model *m = NULL;
    int64_t shape[MUCMM_MAX_RANK], height, width;
    const int64_t rows[] = {1, 5};
    double worst, scores[2];
    float map[2 * 15];
    unsigned char rgb[PIXELS];

    (void)state;
    for (int32_t v = 0; v < 2; v++) {
        CHECK_OK(ctx, mucmm_study_view(ctx, s, v, MUCMM_PART_TRAIN, &d[v]));
        views[v] = (mucmm_view){v ? "word" : "picture", d[v]};
    }
    mucmm_study_free(s); /* the data keep what they need */
    assert_int_equal(mucmm_data_source_kind(d[0]), MUCMM_SOURCE_IMAGE);
    assert_int_equal(mucmm_data_raw_shape(d[1], shape), 2);
    assert_int_equal(shape[0] * 10 + shape[1], 53);
    check_tokens(d);
    CHECK_OK(ctx, mucmm_data_picture(ctx, d[0], 1, &height, &width, rgb));
    assert_int_equal(height * width, SIDE * SIDE);

    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 2;
    p.individual = 1;
    p.ridge = .1;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    assert_non_null(strstr(mucmm_model_json(m), "picture.onnx"));
    for (int32_t v = 0; v < 2; v++) {
        check_vjp(d[v], 50 + (uint64_t)v);
        CHECK_OK(ctx,
                 gradient_error_of(ctx, (explain_case){m, views, 2, v, rows, 2, NULL}, &worst));
        assert_true(worst < 5e-3);
    }
    mucmm_explain_params_init(&ep);
    ep.training = d[1];
    for (int kind = MUCMM_MAP_GRADIENT; kind <= MUCMM_MAP_INTEGRATED_GRADIENTS; kind++) {
        ep.map = (mucmm_map_kind)kind;
        CHECK_OK(ctx, mucmm_explain(ctx, m, views, 2, 1, rows, 2, &ep, &(mucmm_mat){map, 2, 15, 15},
                                    scores));
    }
    ep.baseline = MUCMM_BASELINE_BLURRED;
    check_message(
        ctx, mucmm_explain(ctx, m, views, 2, 1, rows, 2, &ep, &(mucmm_mat){map, 2, 15, 15}, scores),
        MUCMM_EARG, "view 'word' cannot be blurred");
    mucmm_model_free(m);
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
}

/* STUDY with one text in the place of another. */
static const char *changed(const char *from, const char *to)
{
    static char out[4096];
    const char *at = strstr(STUDY, from);

    assert_non_null(at);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - STUDY), STUDY, to, at + strlen(from));
    return out;
}

static void test_study_errors_name_line_and_key(void **state)
{
    static const struct {
        const char *from, *to;
        mucmm_status status;
        const char *words;
    } cases[] = {
        {"\"size\"", "\"sise\"", MUCMM_EARG, "study.json:5: view 'picture': 'sise' is no key"},
        {"\"size\"", "\"sise\"", MUCMM_EARG, "did you mean 'size'?"},
        {"\"split\"", "\"spilt\"", MUCMM_EARG, "study.json:2: 'spilt'"},
        {"\"image\"", "\"imag\"", MUCMM_EARG, "did you mean 'image'?"},
        {"\"size\": 6", "\"size\": 0", MUCMM_EARG, "from 1 to 16384"},
        {"\"size\": 6", "\"size\": 7", MUCMM_ESHAPE, "picture.onnx"},
        {"\"tensor\": \"map\"", "\"tensor\": \"mop\"", MUCMM_EARG, "'map'"},
        {"\"2x2\"", "\"2by2\"", MUCMM_EARG, "'pool' is '2by2'"},
        {"\"2x2\"", "\"7x7\"", MUCMM_ESHAPE, "'pool' 7x7"},
        {"\"column\": \"file\"", "\"column\": \"fil\"", MUCMM_EARG, "did you mean 'file'?"},
        {"\"column\": \"group\"", "\"column\": \"grop\"", MUCMM_EARG, "did you mean 'group'?"},
        {"0.25", "1.5", MUCMM_EARG, "'test' must be a share"},
        {"table.tsv", "tabel.tsv", MUCMM_EIO, "study.json:1: cannot read"},
        {"picture.onnx", "nothing.onnx", MUCMM_EIO, "view 'picture': cannot read"},
        {"picture.onnx", "table.tsv", MUCMM_EFORMAT, "table.tsv"},
        {"\"length\": 5", "\"length\": 1", MUCMM_ESHAPE, "table.tsv:2: row 0"},
        {",\n  \"tensor\": \"hidden\", \"pool\": \"mean\", \"wrt\": \"embeddings\"",
         ", \"tensor\": \"hidden\"", MUCMM_EARG, "that looks like 'embeddings'"},
        {"\"wrt\": \"embeddings\"", "\"wrt\": \"embedding\"", MUCMM_EARG, "'embeddings'"},
        {"\"views\": {", "\"views\": [", MUCMM_EFORMAT, "study.json:4"},
    };

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++)
        open_study(changed(cases[k].from, cases[k].to), cases[k].status, cases[k].words, false);
}

static void test_bad_rows_are_named_or_skipped(void **state)
{
    mucmm_study *s;
    mucmm_data *d;

    (void)state;
    assert_int_equal(rename(path_of("pictures/17.png"), path_of("pictures/17.away")), 0);
    open_study(STUDY, MUCMM_EIO, "table.tsv:19: row 17, column 'file': cannot read", false);
    s = open_study(STUDY, MUCMM_OK, "", true);
    assert_int_equal(mucmm_study_skipped(s), 1);
    assert_int_equal(mucmm_study_rows(s, MUCMM_PART_ALL), ROWS - 1);
    CHECK_OK(ctx, mucmm_study_view(ctx, s, 1, MUCMM_PART_ALL, &d));
    assert_int_equal(mucmm_data_rows(d), ROWS - 1);
    assert_int_equal(mucmm_data_source_row(d, 17), 18);
    mucmm_data_free(d);
    mucmm_study_free(s);
    open_study(STUDY, MUCMM_EIO, "row 17", false); /* the cache does not hide it */

    write_text("pictures/17.png", "this is no picture");
    open_study(STUDY, MUCMM_EFORMAT, "row 17, column 'file'", false);
    s = open_study(STUDY, MUCMM_OK, "", true);
    assert_int_equal(mucmm_study_skipped(s), 1);
    mucmm_study_free(s);
    assert_int_equal(rename(path_of("pictures/17.away"), path_of("pictures/17.png")), 0);
}

static void remember(void *user, mucmm_log_level level, const char *message)
{
    (void)level;
    snprintf(user, 256, "%s", message);
}

static void test_texts_that_are_cut_are_counted(void **state)
{
    static const char *const items[] = {"low", "low mid high top", "mid", "top low mid high low"};
    static const bool bad[4] = {false};
    char said[256] = "";
    mucmm_ctx_params p;
    mucmm_ctx *own = NULL;
    mucmm_source *s = NULL;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.log = remember;
    p.log_user = said;
    assert_int_equal(mucmm_ctx_create(&p, &own), MUCMM_OK);
    CHECK_OK(own, mucmm_source_create(own,
                                      "{\"kind\": \"text\", \"tokenizer\": \"sentencepiece\", "
                                      "\"vocabulary\": \"pieces.tsv\", \"length\": 3, "
                                      "\"truncate\": true}",
                                      folder, items, 4, &s));
    mucmm__source_tell(own, s, bad); /* nothing was read yet */
    assert_string_equal(said, "");
    CHECK_OK(own, mucmm__source_check(own, s));
    mucmm__source_tell(own, s, bad);
    assert_string_equal(said,
                        "2 of 4 texts are longer than the 3 tokens that the encoder takes and "
                        "are cut (the first is row 1)");
    mucmm_source_free(s);
    mucmm_ctx_free(own);
}

/* ---- memory ------------------------------------------------------------------------ */

static mucmm_status call_explain(mucmm_ctx *c, void *arg)
{
    const two_views *t = arg;
    mucmm_explain_params p;
    mucmm_data *left = NULL;
    mucmm_view views[] = {{"left", NULL}, {"right", t->right}};
    const int64_t rows[] = {3, 150};
    float map[2 * RAW];
    mucmm_status status = mucmm_data_encode(c, t->source, t->encoder, NULL, &left);

    mucmm_explain_params_init(&p);
    p.training = views[0].data = left;
    if (status == MUCMM_OK)
        status =
            mucmm_explain(c, t->m, views, 2, 0, rows, 2, &p, &(mucmm_mat){map, 2, RAW, RAW}, NULL);
    mucmm_data_free(left);
    return status;
}

static mucmm_status call_tokens(mucmm_ctx *c, void *arg)
{
    mucmm_tokens *tokens = NULL;
    mucmm_status status = mucmm_data_tokens(c, arg, 1, &tokens);

    assert_true((status == MUCMM_OK) == (tokens != NULL));
    mucmm_tokens_free(tokens);
    return status;
}

static void test_every_failed_allocation_is_reported(void **state)
{
    two_views *t = new_two_views();
    mucmm_study *s = open_study(STUDY, MUCMM_OK, "", false);
    mucmm_data *words;

    (void)state;
    CHECK_OK(ctx, mucmm_study_view(ctx, s, 1, MUCMM_PART_TRAIN, &words));
    assert_true(sweep_out_of_memory(call_tokens, words, 100) > 4);
    mucmm_data_free(words);
    mucmm_study_free(s);
    assert_true(sweep_out_of_memory(call_explain, t, 1000) > 5);
    drop_two_views(t);
}

static int set_up(void **state)
{
    mucmm_ctx_params p;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    if (mucmm_ctx_create(&p, &ctx) != MUCMM_OK || !mkdtemp(folder))
        return -1;
    write_picture_net();
    write_word_net();
    write_chain();
    write_entangled();
    write_pictures_and_table();
    return 0;
}

static int tear_down(void **state)
{
    char command[160];

    (void)state;
    mucmm_ctx_free(ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_are_the_tensor_pooled),
        cmocka_unit_test(test_gradients_reach_the_raw_input),
        cmocka_unit_test(test_chain_scales_shifts_and_reshapes),
        cmocka_unit_test(test_rows_that_influence_each_other_are_refused),
        cmocka_unit_test(test_stopped_run_is_resumed_from_the_cache),
        cmocka_unit_test(test_damaged_caches_are_made_anew),
        cmocka_unit_test(test_callbacks_that_fail_are_reported),
        cmocka_unit_test(test_maps_are_those_of_the_whole_chain),
        cmocka_unit_test(test_patterns_are_covariance_times_gradient),
        cmocka_unit_test(test_patterns_are_covariances_with_the_variates),
        cmocka_unit_test(test_many_gradients_through_an_encoder),
        cmocka_unit_test(test_check_gradient_finds_a_wrong_vjp),
        cmocka_unit_test(test_p_values_of_local_sums),
        cmocka_unit_test(test_study_splits_by_whole_groups),
        cmocka_unit_test(test_study_from_files_to_maps),
        cmocka_unit_test(test_study_errors_name_line_and_key),
        cmocka_unit_test(test_bad_rows_are_named_or_skipped),
        cmocka_unit_test(test_texts_that_are_cut_are_counted),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("encode_model", tests, set_up, tear_down);
}
