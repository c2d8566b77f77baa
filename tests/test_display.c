/* SPDX-License-Identifier: MIT
 *
 * Maps made ready to be drawn: cells, words and bars of rows whose right picture is known. */
#include "onnx_builder.h"
#include "present/display.h"
#include "workspace.h"

/* ---- data of every kind ------------------------------------------------------------ */

static mucmm_data *wrap(const float *x, int64_t n, const int64_t *shape, int32_t rank)
{
    int64_t cols = 1;
    mucmm_data *d = NULL;

    for (int32_t i = 0; i < rank; i++)
        cols *= shape[i];
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, n, cols, cols}, "rows", shape, rank, &d));
    return d;
}

enum { SIDE = 48, RATE = 4000, SAMPLES = 4000 };

static int two_of(void *user, int64_t n, const float *raw, float *features)
{
    int64_t cols = *(const int64_t *)user;

    for (int64_t i = 0; i < n; i++)
        memcpy(features + 2 * i, raw + i * cols, 2 * sizeof *features);
    return 0;
}

/* Behind an encoder of the caller's that keeps the first two numbers of a row. */
static mucmm_data *encode(const char *description, const char *const *items, int64_t n,
                          int64_t cols)
{
    static int64_t width;
    mucmm_encoder_callbacks c;
    mucmm_source *source = NULL;
    mucmm_encoder *encoder = NULL;
    mucmm_data *d = NULL;

    width = cols;
    mucmm_encoder_callbacks_init(&c);
    c.name = "first";
    c.rank = 1;
    c.shape[0] = 2;
    c.forward = two_of;
    c.user = &width;
    CHECK_OK(ctx, mucmm_source_create(ctx, description, folder, items, n, &source));
    CHECK_OK(ctx, mucmm_encoder_wrap(ctx, &c, &encoder));
    CHECK_OK(ctx, mucmm_data_encode(ctx, source, encoder, NULL, &d));
    mucmm_source_free(source);
    mucmm_encoder_free(encoder);
    return d;
}

/* Two pictures; of the first the left half is red, the second is all blue. */
static mucmm_data *pictures(void)
{
    static const char *const items[] = {"0.png", "1.png"};
    unsigned char rgb[SIDE * SIDE * 3];

    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < SIDE * SIDE; j++) {
            rgb[3 * j] = i == 0 && j % SIDE < SIDE / 2 ? 255 : 0;
            rgb[3 * j + 1] = 0;
            rgb[3 * j + 2] = i == 1 ? 255 : 0;
        }
        CHECK_OK(ctx, mucmm__png_write(ctx, in_folder(items[i]), SIDE, SIDE, rgb));
    }
    return encode("{\"kind\": \"image\", \"size\": 48, \"fit\": \"stretch\"}", items, 2,
                  3 * SIDE * SIDE);
}

static void put(unsigned char *at, uint32_t value, int size)
{
    for (int i = 0; i < size; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

/* A second of 16-bit sound. */
static void write_sound(const char *name, const float *x)
{
    static unsigned char wav[44 + 2 * SAMPLES];

    memcpy(wav, "RIFF....WAVEfmt ", 16);
    memcpy(wav + 36, "data", 4);
    put(wav + 4, sizeof wav - 8, 4);
    put(wav + 16, 16, 4);
    put(wav + 20, 1, 2);
    put(wav + 22, 1, 2);
    put(wav + 24, RATE, 4);
    put(wav + 28, 2 * RATE, 4);
    put(wav + 32, 2, 2);
    put(wav + 34, 16, 2);
    put(wav + 40, 2 * SAMPLES, 4);
    for (int i = 0; i < SAMPLES; i++)
        put(wav + 44 + 2 * i, (uint32_t)(int32_t)lround(32767 * (double)x[i]), 2);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder(name), wav, sizeof wav));
}

static double tone_at(double hertz, int i)
{
    return 0.3 * sin(2 * 3.14159265358979 * hertz * i / RATE);
}

/* 500 Hz in the first half of the second, 1000 Hz in the other. */
static mucmm_data *sounds(void)
{
    static const char *const items[] = {"0.wav"};
    float x[SAMPLES];

    for (int i = 0; i < SAMPLES; i++)
        x[i] = (float)tone_at(i < SAMPLES / 2 ? 500 : 1000, i);
    write_sound(items[0], x);
    return encode("{\"kind\": \"audio\", \"rate\": 4000, \"samples\": 4000}", items, 1, SAMPLES);
}

static mucmm_data *load(const char *description, const char *const *items, int64_t n)
{
    mucmm_source *source = NULL;
    mucmm_encoder *encoder = NULL;
    mucmm_data *d = NULL;

    CHECK_OK(ctx, mucmm_source_create(ctx, description, folder, items, n, &source));
    CHECK_OK(ctx, mucmm_encoder_load(ctx, description, folder, &encoder));
    CHECK_OK(ctx, mucmm_data_encode(ctx, source, encoder, NULL, &d));
    mucmm_source_free(source);
    mucmm_encoder_free(encoder);
    return d;
}

static mucmm_data *bags(void)
{
    static const char *const items[] = {"A cat and a dog", "cat, dog and bird", "no bird"};

    return load("{\"kind\": \"text\", \"tokenizer\": \"words\", \"encoder\": \"tf-idf\"}", items,
                3);
}

enum { WIDTH = 3, TOKENS = 6 };

/* ids [N, 6] -> embeddings [N, 6, 3] -> tanh */
static mucmm_data *pieces(void)
{
    static const char *const items[] = {"low lower", "lower"};
    static const char vocabulary[] = "0\t0\t<unk>\n1\t-1\t\xe2\x96\x81low\n2\t-1\ter\n";
    net n = net_new(13);
    float table[3 * WIDTH];
    size_t size;

    for (int i = 0; i < 3 * WIDTH; i++)
        table[i] = (float)i / 9;
    net_input(&n, "ids", MUCMM_I64, "-1x6");
    net_floats(&n, "table", "3x3", table);
    net_node(&n, "Gather", "table ids", "embeddings", "axis=0");
    net_node(&n, "Tanh", "embeddings", "hidden", "");
    net_output(&n, "hidden");
    uint8_t *whole = net_bytes(&n, &size);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("words.onnx"), whole, size));
    net_drop(&n);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("pieces.tsv"), vocabulary, strlen(vocabulary)));
    return load("{\"kind\": \"text\", \"tokenizer\": \"sentencepiece\", \"vocabulary\": "
                "\"pieces.tsv\", \"length\": 6, \"encoder\": \"words.onnx\", \"tensor\": "
                "\"hidden\", \"pool\": \"mean\", \"wrt\": \"embeddings\"}",
                items, 2);
}

static mucmm_display *show(const mucmm_data *d, const int64_t *rows, int64_t n, mucmm_map_kind map,
                           const float *values, const mucmm_display_params *p)
{
    int64_t cols = mucmm_data_raw_cols(d);
    const mucmm_cmat m = {values, n, cols, cols};
    mucmm_display *out = NULL;

    CHECK_OK(ctx, mucmm_display_of_values(ctx, d, rows, n, map, values ? &m : NULL, NULL, p, &out));
    return out;
}

/* ---- what the numbers of a row are ------------------------------------------------- */

static void check_picture(const char *shape, int64_t h, int64_t w, int64_t channels, bool planes)
{
    int64_t sizes[MUCMM_MAX_RANK];
    int32_t rank = 0;

    for (const char *at = shape; *at; at += strcspn(at, "x"), at += *at == 'x')
        sizes[rank++] = strtoll(at, NULL, 10);
    mucmm__layout l = mucmm__layout_of(MUCMM_SOURCE_ROWS, sizes, rank);
    if (h == 0) {
        assert_int_equal(l.kind, MUCMM__LAYOUT_COLUMNS);
        return;
    }
    assert_int_equal(l.kind, MUCMM__LAYOUT_PICTURE);
    assert_true(l.height == h && l.width == w && l.channels == channels);
    /* the last number of a row is the last channel of the last pixel */
    assert_int_equal((h * w - 1) * l.cell + (channels - 1) * l.plane, h * w * channels - 1);
    if (channels > 1)
        assert_int_equal(l.cell, planes ? 1 : channels);
}

static void test_layout_of_rows(void **state)
{
    const int64_t shape[] = {5, 7};
    mucmm__layout l;

    (void)state;
    check_picture("6", 0, 0, 0, false);
    check_picture("1x6x1", 0, 0, 0, false);
    check_picture("5x6x7", 0, 0, 0, false);
    check_picture("2x3x4x5", 0, 0, 0, false);
    check_picture("5x6", 5, 6, 1, true);
    check_picture("1x5x6x1", 5, 6, 1, true);
    check_picture("3x5x6", 5, 6, 3, true);
    check_picture("1x4x5x6", 5, 6, 4, true);
    check_picture("5x6x3", 5, 6, 3, false);
    check_picture("3x5x4", 5, 4, 3, true); /* planes, if both could be */
    l = mucmm__layout_of(MUCMM_SOURCE_TEXT, shape, 2);
    assert_true(l.kind == MUCMM__LAYOUT_TOKENS && l.tokens == 5 && l.features == 7);
    l = mucmm__layout_of(MUCMM_SOURCE_TEXT, shape, 1);
    assert_true(l.kind == MUCMM__LAYOUT_TOKENS && l.tokens == 5 && l.features == 1);
    assert_int_equal(mucmm__layout_of(MUCMM_SOURCE_AUDIO, shape, 1).kind, MUCMM__LAYOUT_TIME);
    assert_int_equal(mucmm__layout_of(MUCMM_SOURCE_AUDIO, shape, 2).kind, MUCMM__LAYOUT_PICTURE);
}

/* ---- pictures ---------------------------------------------------------------------- */

static void test_display_picture_of_numbers(void **state)
{
    static const float x[2][4] = {{0, 1, 2, 3}, {4, 4, 4, 10}};
    static const float map[2][4] = {{.5f, 0, 0, -2}, {0, 0, 1, 0}};
    const int64_t rows[] = {1, 0};
    mucmm_data *data = wrap(&x[0][0], 2, (const int64_t[]){2, 2}, 2);
    mucmm_display *d = show(data, rows, 2, MUCMM_MAP_PATTERN, &map[0][0], NULL);
    unsigned char rgb[12];
    int64_t h, w;
    const float *cells;

    (void)state;
    mucmm_data_free(data); /* the display keeps what it needs */
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_PICTURE);
    assert_int_equal(mucmm_display_samples(d), 2);
    assert_int_equal(mucmm_display_row(d, 0), 1);
    assert_int_equal(mucmm_display_row(d, 2), -1);
    cells = mucmm_display_cells(d, 1, &h, &w);
    assert_true(h == 2 && w == 2);
    assert_memory_equal(cells, map[1], sizeof map[1]);
    assert_null(mucmm_display_cells(d, 2, &h, &w));
    CHECK_CLOSE(mucmm_display_scale(d), 2, 0);
    CHECK_OK(ctx, mucmm_display_picture(ctx, d, 0, rgb)); /* both rows from 0 to 10 */
    for (int i = 0; i < 12; i++)
        assert_int_equal(rgb[i], lround(255 * (double)x[1][i / 3] / 10));
    CHECK_OK(ctx, mucmm_display_picture(ctx, d, 1, rgb));
    assert_int_equal(rgb[9], lround(255 * .3));
    mucmm_display_free(d);
}

/* [2, 4] cells of 2 x 2 pixels and 3 channels, last or first. */
static void test_display_cells_are_means_of_blocks_and_channels(void **state)
{
    enum { H = 5, W = 8 };
    mucmm_display_params p;

    (void)state;
    mucmm_display_params_init(&p);
    p.side = 4;
    for (int first = 0; first < 2; first++) {
        const int64_t shapes[2][3] = {{H, W, 3}, {3, H, W}};
        float x[3 * H * W], map[3 * H * W];
        unsigned char rgb[3 * 8];
        const int64_t row = 0;
        int64_t h, w;
        for (int y = 0; y < H; y++)
            for (int u = 0; u < W; u++)
                for (int c = 0; c < 3; c++) {
                    int at = first ? (c * H + y) * W + u : (y * W + u) * 3 + c;
                    map[at] = (float)(u / 2 + 10 * (y / 2)) + (float)(c - 1);
                    x[at] = c == 1 ? (float)(u / 2) : 0;
                }
        mucmm_data *data = wrap(x, 1, shapes[first], 3);
        mucmm_display *d = show(data, &row, 1, MUCMM_MAP_GRADIENT, map, &p);
        const float *cells = mucmm_display_cells(d, 0, &h, &w);
        assert_true(h == 2 && w == 4);
        for (int i = 0; i < 8; i++)
            CHECK_CLOSE(cells[i], i % 4 + 10 * (i / 4), 1e-6);
        CHECK_OK(ctx, mucmm_display_picture(ctx, d, 0, rgb));
        for (int i = 0; i < 8; i++) {
            assert_int_equal(rgb[3 * i], 0);
            assert_int_equal(rgb[3 * i + 1], 85 * (i % 4));
        }
        mucmm_display_free(d);
        mucmm_data_free(data);
    }
}

static void test_display_shape_of_flat_rows(void **state)
{
    static const float x[6] = {0, 1, 2, 3, 4, 5};
    const int64_t row = 0;
    int64_t shape[MUCMM_MAX_RANK], h, w;
    mucmm_data *data = wrap(x, 1, (const int64_t[]){6}, 1);
    mucmm_display_params p;
    mucmm_display *d = show(data, &row, 1, MUCMM_MAP_PATTERN, x, NULL);

    (void)state;
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_BARS);
    assert_null(mucmm_display_cells(d, 0, &h, &w));
    assert_true(h == 0 && w == 0);
    mucmm_display_free(d);
    mucmm_display_params_init(&p);
    p.rank = 2;
    p.shape[0] = 2;
    p.shape[1] = 3;
    d = show(data, &row, 1, MUCMM_MAP_PATTERN, x, &p);
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_PICTURE);
    assert_int_equal(mucmm_display_shape(d, shape), 2);
    assert_true(shape[0] == 2 && shape[1] == 3);
    mucmm_display_free(d);
    mucmm_data_free(data);
}

static double sum_of(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum;
}

/* What is measured behind a network is spread by a Gaussian, a 24th of the side, and no more. */
static void test_display_local_sums_keep_the_sum(void **state)
{
    static float map[3 * SIDE * SIDE];
    const int64_t row = 0;
    mucmm_data *data = pictures();
    int64_t h, w;

    (void)state;
    for (int c = 0; c < 3; c++)
        map[(c * SIDE + 1) * SIDE + SIDE / 2] = 1; /* near the edge, which reflects */
    for (int map_kind = 0; map_kind <= MUCMM_MAP_INTEGRATED_GRADIENTS; map_kind++) {
        mucmm_display *d = show(data, &row, 1, (mucmm_map_kind)map_kind, map, NULL);
        const float *cells = mucmm_display_cells(d, 0, &h, &w);
        bool measured =
            map_kind == MUCMM_MAP_INPUT_X_GRADIENT || map_kind == MUCMM_MAP_INTEGRATED_GRADIENTS;
        int64_t at = SIDE + SIDE / 2;
        assert_true(h == SIDE && w == SIDE);
        CHECK_CLOSE(sum_of(cells, h * w), 1, 1e-6);
        if (measured) { /* standard deviation 2 */
            CHECK_CLOSE(cells[at + 2] / cells[at], exp(-.5), 1e-6);
            CHECK_CLOSE(cells[at], (1 + exp(-9 / 8.)) / (8 * 3.14159265), 1e-3);
        } else {
            CHECK_CLOSE(cells[at], 1, 0);
        }
        mucmm_display_free(d);
    }
    mucmm_data_free(data);
}

static void test_display_picture_of_files(void **state)
{
    const int64_t rows[] = {0, 1};
    unsigned char rgb[3 * 16];
    mucmm_data *data = pictures();
    mucmm_display_params p;

    (void)state;
    mucmm_display_params_init(&p);
    p.side = 4;
    mucmm_display *d = show(data, rows, 2, MUCMM_MAP_GRADIENT, NULL, &p);
    assert_null(mucmm_display_values(d));
    CHECK_OK(ctx, mucmm_display_picture(ctx, d, 0, rgb));
    for (int i = 0; i < 16; i++) {
        assert_int_equal(rgb[3 * i], i % 4 < 2 ? 255 : 0);
        assert_int_equal(rgb[3 * i + 2], 0);
    }
    CHECK_OK(ctx, mucmm_display_picture(ctx, d, 1, rgb));
    assert_int_equal(rgb[2], 255);
    mucmm_display_free(d);
    mucmm_data_free(data);
}

/* ---- sound ------------------------------------------------------------------------- */

/* A gradient that is the sound itself: all of the map lies where the tones are. */
static void test_display_sound_in_time_and_frequency(void **state)
{
    float x[SAMPLES], difference[SAMPLES];
    const int64_t row = 0;
    mucmm_data *data = sounds();
    mucmm_display *d = NULL;
    int64_t h, w, at = 0;
    int32_t n;

    (void)state;
    CHECK_CLOSE(mucmm_data_rate(data), RATE, 0);
    CHECK_OK(ctx, mucmm_data_read_raw(ctx, data, &row, 1, &(mucmm_mat){x, 1, SAMPLES, SAMPLES}));
    for (int product = 0; product < 2; product++) {
        float map[SAMPLES];
        const mucmm_cmat m = {map, 1, SAMPLES, SAMPLES}, minus = {difference, 1, SAMPLES, SAMPLES};
        for (int i = 0; i < SAMPLES; i++) {
            difference[i] = x[i];
            map[i] = product ? x[i] * x[i] : x[i]; /* a product is taken apart again */
        }
        CHECK_OK(ctx,
                 mucmm_display_of_values(ctx, data, &row, 1,
                                         product ? MUCMM_MAP_INPUT_X_GRADIENT : MUCMM_MAP_GRADIENT,
                                         &m, product ? &minus : NULL, NULL, &d));
        assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_SOUND);
        const float *cells = mucmm_display_cells(d, 0, &h, &w);
        double power = 0;
        for (int i = 0; i < SAMPLES; i++)
            power += (double)x[i] * (double)x[i];
        CHECK_CLOSE(sum_of(cells, h * w), power, 1e-3 * power);
        const mucmm_tick *tick = mucmm_display_ticks(d, 1, &n);
        assert_int_equal(n, 4);                /* 250 to 2000 */
        for (int half = 0; half < 2; half++) { /* loudest a quarter into each half */
            for (int64_t i = at = 0; i < h; i++)
                at = cells[i * w + w / 4 + half * w / 2] > cells[at * w + w / 4 + half * w / 2]
                         ? i
                         : at;
            CHECK_CLOSE((double)at + .5, tick[1 + half].at, 1.2);
            assert_string_equal(tick[1 + half].text, half ? "1000 Hz" : "500 Hz");
        }
        tick = mucmm_display_ticks(d, 0, &n);
        assert_int_equal(n, 6);
        assert_string_equal(tick[5].text, "1 s");
        mucmm_display_free(d);
    }
    mucmm_data_free(data);
}

/* ---- words and bars ---------------------------------------------------------------- */

static void check_labels(const mucmm_display *d, int64_t i, const char *words, const double *values)
{
    const char *const *labels;
    const float *got;
    int64_t n = mucmm_display_labels(d, i, &labels, &got);
    char all[512] = "";

    for (int64_t j = 0; j < n; j++) {
        strcat(strcat(all, labels[j]), j < n - 1 ? "|" : "");
        CHECK_CLOSE(got[j], values[j], 1e-6);
    }
    assert_string_equal(all, words);
}

static void test_display_joins_pieces_to_words(void **state)
{
    static float map[2][TOKENS * WIDTH];
    const int64_t rows[] = {0, 1};
    mucmm_data *data = pieces();

    (void)state;
    for (int i = 0; i < 2; i++)
        for (int t = 0; t < TOKENS; t++)
            for (int j = 0; j < WIDTH; j++)
                map[i][t * WIDTH + j] = (float)(1 << t) * (i ? -1.f : 1.f) / 3;
    mucmm_display *d = show(data, rows, 2, MUCMM_MAP_PATTERN, &map[0][0], NULL);
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_WORDS);
    check_labels(d, 0, "low|lower", (const double[]){1, 2 + 4});
    check_labels(d, 1, "lower", (const double[]){-3});
    CHECK_CLOSE(mucmm_display_scale(d), 6, 1e-6);
    mucmm_display_free(d);
    mucmm_data_free(data);
}

static int64_t column_of(const mucmm_data *d, const char *word)
{
    for (int64_t j = 0; j < mucmm_data_cols(d); j++)
        if (strcmp(mucmm_data_column(d, j), word) == 0)
            return j;
    fail_msg("no column %s", word);
    return -1;
}

/* A pattern has values for words that are not in the text, and is shown as bars. */
static void test_display_of_a_bag(void **state)
{
    const int64_t row = 0;
    mucmm_data *data = bags();
    int64_t cols = mucmm_data_cols(data);
    float *map = calloc((size_t)cols, sizeof *map);

    (void)state;
    map[column_of(data, "bird")] = -8;
    map[column_of(data, "cat")] = 4;
    map[column_of(data, "and")] = 2;
    mucmm_display *d = show(data, &row, 1, MUCMM_MAP_GRADIENT, map, NULL);
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_WORDS);
    check_labels(d, 0, "a|cat|and|a|dog", (const double[]){0, 4, 2, 0, 0});
    CHECK_CLOSE(mucmm_display_scale(d), 4, 0);
    mucmm_display_free(d);
    d = show(data, &row, 1, MUCMM_MAP_PATTERN, map, NULL);
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_BARS);
    const char *const *labels;
    const float *values;
    assert_int_equal(mucmm_display_labels(d, 0, &labels, &values), cols < 20 ? cols : 20);
    assert_string_equal(labels[0], "bird");
    assert_string_equal(labels[1], "cat");
    CHECK_CLOSE(mucmm_display_scale(d), 8, 0);
    mucmm_display_free(d);
    mucmm_data_free(data);
    free(map);
}

/* Names are cut between characters. */
static void test_display_bars_strongest_first(void **state)
{
    char text[400] = "a,b,c,";
    const int64_t row = 1;
    const float map[] = {1, -3, 3, 0};
    mucmm_data *data = NULL;

    (void)state;
    for (int i = 0; i < 60; i++)
        strcat(text, "\xc3\xa9"); /* 120 bytes */
    strcat(text, "\n1,2,3,4\n5,6,7,8\n");
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("t.csv"), text, strlen(text)));
    CHECK_OK(ctx, mucmm_data_open(ctx, in_folder("t.csv"), NULL, &data));
    mucmm_display *d = show(data, &row, 1, MUCMM_MAP_PATTERN, map, NULL);
    const char *const *labels;
    const float *values;
    assert_int_equal(mucmm_display_labels(d, 0, &labels, &values), 4);
    assert_string_equal(labels[0], "b"); /* of equal ones the first */
    assert_string_equal(labels[1], "c");
    assert_string_equal(labels[2], "a");
    assert_int_equal(strlen(labels[3]), 94);
    CHECK_CLOSE(values[0], -3, 0);
    assert_int_equal(mucmm_display_labels(d, 1, &labels, &values), 0);
    mucmm_display_free(d);
    mucmm_data_free(data);
    unlink(in_folder("t.csv"));
}

/* ---- of an explanation ------------------------------------------------------------- */

enum { N_ROWS = 400, PIXELS = 16, PLANTED = 6, OTHER = 5 };

/* Pictures [4, 4] of noise and rows of noise; pixel 6 and column 0 have a latent in common. */
typedef struct planted {
    float a[N_ROWS][PIXELS], b[N_ROWS][OTHER];
    mucmm_data *data[2];
    mucmm_view view[2];
    mucmm_model *model;
} planted;

static int64_t some[3]; /* of the largest common scores */

static planted *plant(void)
{
    planted *q = calloc(1, sizeof *q);
    double *z = normals(21, 0, N_ROWS * (1 + PIXELS + OTHER), 1);
    mucmm_fit_params p;
    mucmm_scores *scores = NULL;

    for (int i = 0; i < N_ROWS; i++) {
        const double *row = z + i * (1 + PIXELS + OTHER);
        for (int j = 0; j < PIXELS; j++)
            q->a[i][j] = (float)(row[1 + j] + (j == PLANTED ? 2 * row[0] : 0));
        for (int j = 0; j < OTHER; j++)
            q->b[i][j] = (float)(row[1 + PIXELS + j] + (j == 0 ? 2 * row[0] : 0));
    }
    free(z);
    q->data[0] = wrap(&q->a[0][0], N_ROWS, (const int64_t[]){4, 4}, 2);
    q->data[1] = wrap(&q->b[0][0], N_ROWS, (const int64_t[]){OTHER}, 1);
    q->view[0] = (mucmm_view){"picture", q->data[0]};
    q->view[1] = (mucmm_view){"numbers", q->data[1]};
    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 1;
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, q->view, 2, &p, &q->model));
    CHECK_OK(ctx, mucmm_score(ctx, q->model, q->view, 2, NULL, &scores));
    for (int i = 0; i < 3; i++) {
        some[i] = -1;
        for (int64_t j = 0; j < N_ROWS; j++)
            if (j != some[0] && (i < 2 || j != some[1]) &&
                (some[i] < 0 ||
                 mucmm_scores_common(scores)[j] > mucmm_scores_common(scores)[some[i]]))
                some[i] = j;
    }
    mucmm_scores_free(scores);
    return q;
}

static void uproot(planted *q)
{
    mucmm_model_free(q->model);
    mucmm_data_free(q->data[0]);
    mucmm_data_free(q->data[1]);
    free(q);
}

static mucmm_explanation *explain_planted(const planted *q, int32_t view)
{
    mucmm_explanation *e = NULL;

    CHECK_OK(ctx, mucmm_explanation_create(ctx, q->model, q->view, 2, view, some, 3, NULL, &e));
    return e;
}

static void test_display_of_an_explanation_shows_what_was_planted(void **state)
{
    planted *q = plant();
    mucmm_explanation *e = explain_planted(q, 0);
    mucmm_display *d = NULL;
    double scores[3];
    int64_t h, w;

    (void)state;
    CHECK_OK(ctx, mucmm_display_create(ctx, e, NULL, &d));
    memcpy(scores, mucmm_explanation_scores(e), sizeof scores);
    mucmm_explanation_free(e); /* it need not outlive the call */
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_PICTURE);
    assert_memory_equal(mucmm_display_scores(d), scores, sizeof scores);
    assert_null(mucmm_display_p_values(d));
    for (int i = 0; i < 3; i++) {
        const float *cells = mucmm_display_cells(d, i, &h, &w);
        assert_true(h == 4 && w == 4);
        for (int j = 0; j < PIXELS; j++)
            assert_true(j == PLANTED || 4 * fabsf(cells[j]) < fabsf(cells[PLANTED]));
    }
    mucmm_display_free(d);
    e = explain_planted(q, 1);
    CHECK_OK(ctx, mucmm_display_create(ctx, e, NULL, &d));
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_BARS);
    for (int i = 0; i < 3; i++) {
        const char *const *labels;
        const float *values;
        assert_int_equal(mucmm_display_labels(d, i, &labels, &values), OTHER);
        assert_string_equal(labels[0], "column 0");
    }
    mucmm_explanation_free(e);
    mucmm_display_free(d);
    uproot(q);
}

static void test_display_masks_what_null_models_show_too(void **state)
{
    planted *q = plant();
    mucmm_explanation *e = explain_planted(q, 0);
    mucmm_null *null = NULL;
    mucmm_display_params p;
    mucmm_display *whole = NULL, *masked = NULL, *none = NULL;
    float want[3 * PIXELS];
    int kept = 0;

    (void)state;
    CHECK_OK(ctx, mucmm_null_fit(ctx, q->model, MUCMM_HEADS, q->view, 2, NULL, &null));
    CHECK_OK(ctx, mucmm_explanation_p_values(ctx, e, null, MUCMM_P_POOLED,
                                             &(mucmm_mat){want, 3, PIXELS, PIXELS}));
    mucmm_display_params_init(&p);
    p.null = null;
    CHECK_OK(ctx, mucmm_display_create(ctx, e, &p, &whole));
    p.mask = 0.05;
    CHECK_OK(ctx, mucmm_display_create(ctx, e, &p, &masked));
    assert_memory_equal(mucmm_display_p_values(whole), want, sizeof want);
    assert_memory_equal(mucmm_display_p_values(masked), want, sizeof want);
    for (int i = 0; i < 3 * PIXELS; i++) {
        float all = mucmm_display_values(whole)[i], left = mucmm_display_values(masked)[i];
        kept += want[i] <= 0.05f;
        CHECK_CLOSE(left, want[i] <= 0.05f ? all : 0, 0);
        assert_true(i % PIXELS != PLANTED || want[i] <= 0.05f);
    }
    assert_in_range(kept, 3, 12);
    p.mask = 1.5;
    check_message(ctx, mucmm_display_create(ctx, e, &p, &none), MUCMM_EARG, "mask is 1.5");
    p.mask = 0.05;
    check_message(
        ctx,
        mucmm_display_of_values(ctx, q->data[0], some, 3, MUCMM_MAP_PATTERN, NULL, NULL, &p, &none),
        MUCMM_EARG, "of an explanation");
    p.null = NULL;
    check_message(ctx, mucmm_display_create(ctx, e, &p, &none), MUCMM_EARG, "needs null models");
    assert_null(none);
    mucmm_null_free(null);
    mucmm_display_free(whole);
    mucmm_display_free(masked);
    mucmm_explanation_free(e);
    uproot(q);
}

/* ---- sheets ------------------------------------------------------------------------ */

/* The page is the one that its parts make when they are drawn by hand. */
static void test_display_sheet_is_drawn_from_what_it_shows(void **state)
{
    static const float x[2][6] = {{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}};
    static const float map[2][6] = {{1, 0, 0, 0, 0, -1}, {0, 2, 0, 0, 0, 0}};
    const int64_t rows[] = {0, 1};
    const char *const paths[] = {strdup(in_folder("a.png")), strdup(in_folder("b.png"))};
    mucmm_data *data = wrap(&x[0][0], 2, (const int64_t[]){2, 3}, 2);
    mucmm_display *d = show(data, rows, 2, MUCMM_MAP_PATTERN, &map[0][0], NULL);
    unsigned char rgb[18];
    bytes drawn, by_hand;
    mucmm_sheet_params p;
    mucmm_sheet *s = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm_display_write(ctx, d, paths));
    CHECK_OK(ctx, mucmm_display_picture(ctx, d, 1, rgb));
    mucmm_sheet_params_init(&p);
    p.title = "rows, sample 1";
    p.cols = 2;
    p.height = 2;
    p.width = 3;
    p.zoom = 100;
    CHECK_OK(ctx, mucmm_sheet_create(ctx, &p, &s));
    CHECK_OK(ctx, mucmm_sheet_picture(ctx, s, 0, 0, rgb, 2, 3, "input"));
    CHECK_OK(ctx, mucmm_sheet_overlay(ctx, s, 1, 0, &(mucmm_cmat){map[1], 2, 3, 3},
                                      mucmm_display_scale(d), rgb, "map"));
    CHECK_OK(ctx, mucmm_sheet_write(ctx, s, in_folder("by-hand.png")));
    drawn = get_file("b.png");
    by_hand = get_file("by-hand.png");
    check_same_bytes(&drawn, &by_hand);
    free(drawn.data);
    free(by_hand.data);
    mucmm_sheet_free(s);
    mucmm_display_free(d);
    mucmm_data_free(data);
    unlink(in_folder("by-hand.png"));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(unlink(paths[i]), 0);
        free((char *)paths[i]);
    }
}

static void check_drawn(mucmm_sheet *by_hand, const mucmm_display *d, int64_t i)
{
    mucmm_sheet *s = NULL;
    bytes want, got;

    CHECK_OK(ctx, mucmm_display_sheet(ctx, d, i, &s));
    CHECK_OK(ctx, mucmm_sheet_write(ctx, s, in_folder("got.png")));
    CHECK_OK(ctx, mucmm_sheet_write(ctx, by_hand, in_folder("want.png")));
    got = get_file("got.png");
    want = get_file("want.png");
    check_same_bytes(&got, &want);
    free(got.data);
    free(want.data);
    unlink(in_folder("got.png"));
    unlink(in_folder("want.png"));
    mucmm_sheet_free(s);
    mucmm_sheet_free(by_hand);
}

static mucmm_sheet *page(const char *title, int64_t cols, int64_t height, int64_t width,
                         int64_t zoom)
{
    mucmm_sheet_params p;
    mucmm_sheet *s = NULL;

    mucmm_sheet_params_init(&p);
    p.title = title;
    p.cols = cols;
    p.height = height;
    p.width = width;
    p.zoom = zoom;
    CHECK_OK(ctx, mucmm_sheet_create(ctx, &p, &s));
    return s;
}

/* Pictures: the mean and the parts are those of the library, of one scale. */
static void test_display_of_parts_as_pictures(void **state)
{
    static const char *const captions[] = {"+ common part", "+ individual part", "+ rest"};
    planted *q = plant();
    mucmm_parts *parts = NULL;
    mucmm_display *d = NULL;
    unsigned char rgb[3 * PIXELS];
    char title[64];
    float lo = 1e9f, hi = -1e9f, largest = 0;

    (void)state;
    CHECK_OK(ctx, mucmm_parts_create(ctx, q->model, q->view, 2, 0, some, 3, NULL, &parts));
    CHECK_OK(ctx, mucmm_display_of_parts(ctx, parts, NULL, &d));
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_PICTURE);
    assert_null(mucmm_display_values(d));
    const float *mean = mucmm_parts_mean(parts);
    for (int j = 0; j < 3 * PIXELS; j++) {
        float x = q->a[some[j / PIXELS]][j % PIXELS];
        lo = fminf(lo, fminf(x, mean[j % PIXELS]));
        hi = fmaxf(hi, fmaxf(x, mean[j % PIXELS]));
    }
    for (int k = 0; k < 3; k++) {
        float scale;
        CHECK_OK(ctx, mucmm_map_scale(ctx, mucmm_parts_values(parts, (mucmm_summand)k).data,
                                      3 * PIXELS, &scale));
        largest = fmaxf(largest, scale);
    }
    CHECK_CLOSE(mucmm_display_scale(d), largest, 0);
    snprintf(title, sizeof title, "picture, sample %d", (int)some[1]);
    mucmm_sheet *s = page(title, 5, 4, 4, 50);
    CHECK_OK(ctx, mucmm_display_picture(ctx, d, 1, rgb));
    CHECK_OK(ctx, mucmm_sheet_picture(ctx, s, 0, 0, rgb, 4, 4, "input"));
    CHECK_OK(ctx, mucmm_sheet_grey(ctx, s, 1, 0, &(mucmm_cmat){mean, 4, 4, 4}, lo, hi, "= mean"));
    for (int k = 0; k < 3; k++) {
        const float *x = mucmm_parts_values(parts, (mucmm_summand)k).data + PIXELS;
        CHECK_OK(ctx, mucmm_sheet_map(ctx, s, 2 + k, 0, &(mucmm_cmat){x, 4, 4, 4}, largest,
                                      captions[k]));
    }
    mucmm_parts_free(parts); /* they need not outlive the call */
    check_drawn(s, d, 1);
    mucmm_display_free(d);
    uproot(q);
}

static void test_display_of_parts_as_bars(void **state)
{
    planted *q = plant();
    mucmm_parts *parts = NULL;
    mucmm_display *d = NULL;
    mucmm_display_params p;
    mucmm_sheet *s = NULL;
    float largest = 0;

    (void)state;
    CHECK_OK(ctx, mucmm_parts_create(ctx, q->model, q->view, 2, 1, some, 3, NULL, &parts));
    CHECK_OK(ctx, mucmm_display_of_parts(ctx, parts, NULL, &d));
    assert_int_equal(mucmm_display_look(d), MUCMM_LOOK_BARS);
    for (int k = -1; k < 3; k++) {
        const float *x = k < 0 ? mucmm_parts_difference(parts).data
                               : mucmm_parts_values(parts, (mucmm_summand)k).data;
        for (int j = 0; j < 3 * OTHER; j++)
            largest = fmaxf(largest, fabsf(x[j]));
    }
    CHECK_CLOSE(mucmm_display_scale(d), largest, 0);
    CHECK_OK(ctx, mucmm_display_sheet(ctx, d, 0, &s));
    mucmm_sheet_free(s);
    mucmm_display_free(d);
    mucmm_display_params_init(&p);
    p.rank = 1;
    p.shape[0] = OTHER + 1;
    check_message(ctx, mucmm_display_of_parts(ctx, parts, &p, &d), MUCMM_ESHAPE, "6 cells");
    assert_null(d);
    mucmm_parts_free(parts);
    uproot(q);
}

static void test_display_cannot_be_written(void **state)
{
    static const float x[2] = {0, 1};
    const char *const paths[] = {"/nowhere/a.png"};
    const int64_t row = 0;
    mucmm_data *data = wrap(x, 1, (const int64_t[]){2}, 1);
    mucmm_display *d = show(data, &row, 1, MUCMM_MAP_PATTERN, x, NULL);

    (void)state;
    check_message(ctx, mucmm_display_write(ctx, d, paths), MUCMM_EIO, "/nowhere/a.png");
    mucmm_display_free(d);
    mucmm_data_free(data);
}

/* ---- refusals ---------------------------------------------------------------------- */

static void test_display_rejects_arguments(void **state)
{
    static const float x[6] = {0, 1, 2, 3, 4, 5}, bad[6] = {0, NAN};
    const int64_t row = 0, beyond = 1;
    const mucmm_cmat m = {x, 1, 6, 6}, narrow = {x, 1, 5, 6}, nan = {bad, 1, 6, 6};
    mucmm_data *data = wrap(x, 1, (const int64_t[]){6}, 1);
    mucmm_display_params p;
    mucmm_display *d = NULL;
    mucmm_sheet *s = NULL;
    unsigned char rgb[18];

    (void)state;
#define REFUSED(want, words, rows, n, values, p)                                                   \
    do {                                                                                           \
        check_message(                                                                             \
            ctx,                                                                                   \
            mucmm_display_of_values(ctx, data, rows, n, MUCMM_MAP_PATTERN, values, NULL, p, &d),   \
            want, words);                                                                          \
        assert_null(d);                                                                            \
    } while (0)
    mucmm_display_params_init(&p);
    check_message(
        ctx, mucmm_display_of_values(ctx, data, &row, 1, MUCMM_MAP_DEFAULT, &m, NULL, NULL, &d),
        MUCMM_EARG, "kind of map");
    REFUSED(MUCMM_EARG, "1 or more", &row, 0, &m, NULL);
    REFUSED(MUCMM_EARG, "row 1", &beyond, 1, &m, NULL);
    REFUSED(MUCMM_ESHAPE, "1 x 5", &row, 1, &narrow, NULL);
    REFUSED(MUCMM_ENUMERIC, "column 1", &row, 1, &nan, NULL);
    p.side = -1;
    REFUSED(MUCMM_EARG, "side is -1", &row, 1, &m, &p);
    p.side = 0;
    p.rank = 9;
    REFUSED(MUCMM_EARG, "9 axes", &row, 1, &m, &p);
    p.rank = 2;
    p.shape[0] = 2;
    p.shape[1] = 4;
    REFUSED(MUCMM_ESHAPE, "8 cells and a row of rows has 6", &row, 1, &m, &p);
    p.shape[0] = -2;
    p.shape[1] = -3;
    REFUSED(MUCMM_ESHAPE, "6 cells", &row, 1, &m, &p);
    p.struct_size = 0;
    REFUSED(MUCMM_EARG, "mucmm_display_params", &row, 1, &m, &p);
#undef REFUSED
    d = show(data, &row, 1, MUCMM_MAP_PATTERN, NULL, NULL);
    check_message(ctx, mucmm_display_sheet(ctx, d, 0, &s), MUCMM_EARG, "needs values");
    check_message(ctx, mucmm_display_sheet(ctx, d, 1, &s), MUCMM_EARG, "sample 1");
    check_message(ctx, mucmm_display_sheet(ctx, d, -1, &s), MUCMM_EARG, "sample -1");
    assert_null(s);
    check_message(ctx, mucmm_display_picture(ctx, d, 0, rgb), MUCMM_EARG, "no pictures");
    mucmm_display_free(d);
    mucmm_data_free(data);
}

/* ---- memory ------------------------------------------------------------------------ */

typedef struct counter {
    int64_t left, live;
} counter;

static void *counted_alloc(void *user, size_t align, size_t size)
{
    counter *c = user;
    void *p = c->left-- > 0 ? aligned_alloc(align, (size + align - 1) / align * align) : NULL;

    c->live += p != NULL;
    return p;
}

static void counted_release(void *user, void *p)
{
    ((counter *)user)->live -= p != NULL;
    free(p);
}

static void sweep(const mucmm_data *data)
{
    const char *const paths[] = {strdup(in_folder("m.png"))};
    int64_t cols = mucmm_data_raw_cols(data), row = 0, k;
    float *map = calloc((size_t)cols, sizeof *map);
    const mucmm_cmat m = {map, 1, cols, cols};
    counter c = {1, 0};
    mucmm_ctx_params p;
    mucmm_ctx *with = NULL;
    mucmm_status status = MUCMM_ENOMEM;

    map[0] = 1;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    p.allocator = (mucmm_allocator){counted_alloc, counted_release, &c};
    assert_int_equal(mucmm_ctx_create(&p, &with), MUCMM_OK);
    for (k = 0; status != MUCMM_OK; k++) {
        mucmm_display *d = NULL;
        c.left = k;
        status = mucmm_display_of_values(with, data, &row, 1, MUCMM_MAP_INPUT_X_GRADIENT, &m, &m,
                                         NULL, &d);
        assert_true((status == MUCMM_OK) == (d != NULL));
        if (d)
            status = mucmm_display_write(with, d, paths);
        assert_true(status == MUCMM_OK || status == MUCMM_ENOMEM);
        mucmm_display_free(d);
        assert_int_equal(c.live, 1); /* the context */
    }
    assert_true(k > 12);
    mucmm_ctx_free(with);
    free(map);
    unlink(paths[0]);
    free((char *)paths[0]);
}

static void test_display_of_an_explanation_out_of_memory(void **state)
{
    planted *q = plant();
    mucmm_explanation *e = explain_planted(q, 0);
    mucmm_null *null = NULL;
    counter c = {1, 0};
    mucmm_ctx_params p;
    mucmm_display_params look;
    mucmm_ctx *with = NULL;
    mucmm_status status = MUCMM_ENOMEM;
    int64_t k;

    (void)state;
    CHECK_OK(ctx, mucmm_null_fit(ctx, q->model, MUCMM_HEADS, q->view, 2, NULL, &null));
    mucmm_display_params_init(&look);
    look.null = null;
    look.mask = 0.05;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    p.allocator = (mucmm_allocator){counted_alloc, counted_release, &c};
    assert_int_equal(mucmm_ctx_create(&p, &with), MUCMM_OK);
    for (k = 0; status != MUCMM_OK; k++) {
        mucmm_display *d = NULL;
        c.left = k;
        status = mucmm_display_create(with, e, &look, &d);
        assert_true(status == MUCMM_OK || status == MUCMM_ENOMEM);
        assert_true((status == MUCMM_OK) == (d != NULL));
        mucmm_display_free(d);
        assert_int_equal(c.live, 1); /* the context */
    }
    assert_true(k > 12);
    mucmm_ctx_free(with);
    mucmm_null_free(null);
    mucmm_explanation_free(e);
    uproot(q);
}

/* A sample is named by its own key, wherever it stands among those that are shown. */
static void test_samples_are_named_by_their_keys(void **state)
{
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
    const int64_t rows[] = {1, 4, 0};
    mucmm_data *named = NULL, *plain = NULL;
    mucmm_display *d = NULL;
    mucmm_array array;
    char text[MUCMM__SAMPLE];

    (void)state;
    mucmm_array_init(&array);
    array.data = x;
    array.rows = 6;
    array.cols = 1;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &array, &plain));
    array.keys = keys;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &array, &named));
    for (int has_keys = 0; has_keys < 2; has_keys++) {
        CHECK_OK(ctx, mucmm_display_of_values(ctx, has_keys ? named : plain, rows, 3,
                                              MUCMM_MAP_PATTERN, NULL, NULL, NULL, &d));
        for (int64_t i = 0; i < 3; i++) {
            char want[32];
            if (has_keys)
                snprintf(want, sizeof want, "sample %s", keys[rows[i]]);
            else
                snprintf(want, sizeof want, "sample %d", (int)rows[i]);
            assert_string_equal(mucmm__sample_words(d, i, text, sizeof text), want);
        }
        mucmm_display_free(d);
    }
    mucmm_data_free(named);
    mucmm_data_free(plain);
}

static void test_display_out_of_memory(void **state)
{
    static const float x[6] = {0, 1, 2, 3, 4, 5};
    mucmm_data *data[] = {wrap(x, 1, (const int64_t[]){6}, 1),
                          wrap(x, 1, (const int64_t[]){2, 3}, 2),
                          pictures(),
                          sounds(),
                          bags(),
                          pieces()};

    (void)state;
    for (size_t i = 0; i < sizeof data / sizeof *data; i++) {
        sweep(data[i]);
        mucmm_data_free(data[i]);
    }
}

static int start(void **state)
{
    (void)state;
    ctx = threaded_ctx(2);
    return mkdtemp(folder) ? 0 : -1;
}

static int finish(void **state)
{
    static const char *const made[] = {"0.png", "1.png", "0.wav", "words.onnx", "pieces.tsv"};

    (void)state;
    mucmm_ctx_free(ctx);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        unlink(in_folder(made[i]));
    return rmdir(folder); /* fails if anything was left behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_of_rows),
        cmocka_unit_test(test_display_picture_of_numbers),
        cmocka_unit_test(test_display_cells_are_means_of_blocks_and_channels),
        cmocka_unit_test(test_display_shape_of_flat_rows),
        cmocka_unit_test(test_display_local_sums_keep_the_sum),
        cmocka_unit_test(test_display_picture_of_files),
        cmocka_unit_test(test_display_sound_in_time_and_frequency),
        cmocka_unit_test(test_display_joins_pieces_to_words),
        cmocka_unit_test(test_display_of_a_bag),
        cmocka_unit_test(test_display_bars_strongest_first),
        cmocka_unit_test(test_display_of_an_explanation_shows_what_was_planted),
        cmocka_unit_test(test_display_masks_what_null_models_show_too),
        cmocka_unit_test(test_display_of_an_explanation_out_of_memory),
        cmocka_unit_test(test_display_sheet_is_drawn_from_what_it_shows),
        cmocka_unit_test(test_display_of_parts_as_pictures),
        cmocka_unit_test(test_display_of_parts_as_bars),
        cmocka_unit_test(test_display_cannot_be_written),
        cmocka_unit_test(test_display_rejects_arguments),
        cmocka_unit_test(test_samples_are_named_by_their_keys),
        cmocka_unit_test(test_display_out_of_memory),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
