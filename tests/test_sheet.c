/* SPDX-License-Identifier: MIT
 *
 * Sheets are read back with libpng and looked at pixel by pixel. A panel is found by its frame, so
 * that margins and fonts may change without these tests. */
#include "harness.h"

#include <png.h>

#include "present/canvas.h"

static const unsigned char FRAME[3] = {140, 140, 140}, INK[3] = {0, 0, 0};
static char folder[] = "/tmp/mucmm-sheet-XXXXXX";
static char path[sizeof folder + 16];

typedef struct image {
    unsigned char *rgb;
    int64_t width, height;
} image;

static image image_read(const char *file)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    image im;

    assert_true(png_image_begin_read_from_file(&png, file));
    png.format = PNG_FORMAT_RGB;
    im.rgb = malloc(PNG_IMAGE_SIZE(png));
    assert_non_null(im.rgb);
    assert_true(png_image_finish_read(&png, NULL, im.rgb, 0, NULL));
    im.width = png.width;
    im.height = png.height;
    return im;
}

static const unsigned char *pixel(const image *im, int64_t x, int64_t y)
{
    assert_in_range(x, 0, im->width - 1);
    assert_in_range(y, 0, im->height - 1);
    return im->rgb + (y * im->width + x) * 3;
}

static bool is_frame(const image *im, int64_t x, int64_t y)
{
    return x < im->width && y < im->height && memcmp(pixel(im, x, y), FRAME, 3) == 0;
}

/* The inside of the first frame from the top left. */
static void find_panel(const image *im, int64_t *x, int64_t *y, int64_t *width, int64_t *height)
{
    int64_t i = 0, u, v;

    while (memcmp(im->rgb + 3 * i, FRAME, 3) != 0)
        assert_true(++i < im->width * im->height);
    u = i % im->width;
    v = i / im->width;
    *x = u + 1;
    *y = v + 1;
    while (is_frame(im, u, *y - 1))
        u++;
    while (is_frame(im, *x - 1, v))
        v++;
    *width = u - *x - 1;
    *height = v - *y - 1;
}

static mucmm_sheet *new_sheet(mucmm_ctx *ctx, int64_t cols, int64_t rows, int64_t height,
                              int64_t width, int64_t zoom)
{
    mucmm_sheet_params p;
    mucmm_sheet *s = NULL;

    mucmm_sheet_params_init(&p);
    p.cols = cols;
    p.rows = rows;
    p.height = height;
    p.width = width;
    p.zoom = zoom;
    CHECK_OK(ctx, mucmm_sheet_create(ctx, &p, &s));
    return s;
}

/* Writes, reads back, frees the sheet. */
static image finish(mucmm_ctx *ctx, mucmm_sheet *s)
{
    CHECK_OK(ctx, mucmm_sheet_write(ctx, s, path));
    mucmm_sheet_free(s);
    return image_read(path);
}

static image map_image(mucmm_ctx *ctx, const float *values, int64_t height, int64_t width,
                       float scale)
{
    mucmm_cmat m = {values, height, width, width};
    mucmm_sheet *s = new_sheet(ctx, 1, 1, height, width, 2);

    CHECK_OK(ctx, mucmm_sheet_map(ctx, s, 0, 0, &m, scale, NULL));
    return finish(ctx, s);
}

/* OKLab's L of an sRGB pixel. */
static double lightness(const unsigned char *rgb)
{
    double c[3];

    for (int i = 0; i < 3; i++) {
        c[i] = rgb[i] / 255.0;
        c[i] = c[i] <= 0.04045 ? c[i] / 12.92 : pow((c[i] + 0.055) / 1.055, 2.4);
    }
    return 0.2104542553 * cbrt(0.4122214708 * c[0] + 0.5363325363 * c[1] + 0.0514459929 * c[2]) +
           0.7936177850 * cbrt(0.2119034982 * c[0] + 0.6806995451 * c[1] + 0.1073969566 * c[2]) -
           0.0040720468 * cbrt(0.0883024619 * c[0] + 0.2817188376 * c[1] + 0.6299787005 * c[2]);
}

/* ---- colours ----------------------------------------------------------------------- */

static void test_sheet_map_colors(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[6] = {-2, 0, 2, -1, -50, 50}; /* [2, 3], scale 2 */
    image im = map_image(ctx, v, 2, 3, 2);
    const unsigned char *c[6];
    int64_t x, y, width, height;

    find_panel(&im, &x, &y, &width, &height);
    assert_int_equal(width, 6);
    assert_int_equal(height, 4);
    for (int i = 0; i < 6; i++) {
        c[i] = pixel(&im, x + 2 * (i % 3), y + 2 * (i / 3));
        assert_memory_equal(c[i], pixel(&im, x + 2 * (i % 3) + 1, y + 2 * (i / 3) + 1), 3);
    }
    assert_true(c[0][2] > c[0][0] + 100 && c[2][0] > c[2][2] + 100); /* blue, red */
    assert_true(c[3][2] > c[3][0] + 50 && c[3][2] < c[1][2]);        /* half blue */
    assert_true(c[1][0] == c[1][1] && c[1][1] == c[1][2] && c[1][0] > 240);
    assert_memory_equal(c[4], c[0], 3); /* beyond the scale: as at its ends */
    assert_memory_equal(c[5], c[2], 3);
    free(im.rgb);
}

static void test_sheet_map_lightness_is_symmetric_and_linear(void **state)
{
    mucmm_ctx *ctx = *state;
    int64_t x, y, width, height;
    float v[255];
    double middle, end;
    image im;

    for (int i = 0; i < 255; i++)
        v[i] = (float)(i - 127) / 127;
    im = map_image(ctx, v, 1, 255, 1);
    find_panel(&im, &x, &y, &width, &height);
    middle = lightness(pixel(&im, x + 2 * 127, y));
    end = lightness(pixel(&im, x, y));
    assert_true(middle - end > 0.5);
    for (int i = 0; i < 255; i++) {
        double t = fabs((double)v[i]), l = lightness(pixel(&im, x + 2 * i, y));

        CHECK_CLOSE(l, middle + (end - middle) * t, 0.005); /* a byte is worth up to 0.003 */
        CHECK_CLOSE(l, lightness(pixel(&im, x + 2 * (254 - i), y)), 0.006);
    }
    free(im.rgb);
}

static void test_sheet_map_of_zeros(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[4] = {0, -0.0f, 0, 0};
    image im = map_image(ctx, v, 2, 2, 1e-30f);
    int64_t x, y, width, height;

    find_panel(&im, &x, &y, &width, &height);
    for (int64_t i = 0; i < width * height; i++)
        assert_memory_equal(pixel(&im, x + i % width, y + i / width), pixel(&im, x, y), 3);
    free(im.rgb);
}

static void test_sheet_grey_levels(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[8] = {0, 1, 2, 99, 4, 5, -7, 99}; /* [2, 3] with stride 4 */
    const int want[2][6] = {{0, 64, 128, 255, 255, 0}, {0, 0, 128, 255, 255, 0}};
    const mucmm_cmat m = {v, 2, 3, 4};
    int64_t x, y, width, height;

    for (int k = 0; k < 2; k++) {
        mucmm_sheet *s = new_sheet(ctx, 1, 1, 2, 3, 1);
        image im;

        CHECK_OK(ctx, mucmm_sheet_grey(ctx, s, 0, 0, &m, k ? 1.99f : 0, k ? 2.01f : 4, NULL));
        im = finish(ctx, s);
        find_panel(&im, &x, &y, &width, &height);
        for (int i = 0; i < 6; i++)
            for (int b = 0; b < 3; b++)
                CHECK_CLOSE(pixel(&im, x + i % 3, y + i / 3)[b], want[k][i], 1);
        free(im.rgb);
    }
}

static void test_sheet_grey_of_a_constant(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[1] = {3};
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 1, 1, 5);
    int64_t x, y, width, height;
    image im;

    CHECK_OK(ctx, mucmm_sheet_grey(ctx, s, 0, 0, &(mucmm_cmat){v, 1, 1, 1}, 3, 3, NULL));
    im = finish(ctx, s);
    find_panel(&im, &x, &y, &width, &height);
    assert_int_equal(pixel(&im, x, y)[0], 128);
    free(im.rgb);
}

/* ---- layout ------------------------------------------------------------------------ */

static void test_sheet_zoom(void **state)
{
    mucmm_ctx *ctx = *state;
    const struct {
        int64_t cells, zoom, want;
    } cases[] = {{56, 0, 224}, {28, 0, 224}, {1, 0, 240}, {784, 0, 784}, {56, 3, 168}};
    float *v = calloc(784, sizeof *v);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mucmm_sheet *s = new_sheet(ctx, 1, 1, 1, cases[i].cells, cases[i].zoom);
        mucmm_cmat m = {v, 1, cases[i].cells, cases[i].cells};
        int64_t x, y, width, height;
        image im;

        CHECK_OK(ctx, mucmm_sheet_grey(ctx, s, 0, 0, &m, 0, 1, "caption"));
        im = finish(ctx, s);
        find_panel(&im, &x, &y, &width, &height);
        assert_int_equal(width, cases[i].want);
        assert_int_equal(height, cases[i].want / cases[i].cells);
        free(im.rgb);
    }
    free(v);
}

static void test_sheet_smaller_picture_is_enlarged(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[6] = {0};
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 28, 56, 4);
    int64_t x, y, width, height;
    image im;

    CHECK_OK(ctx, mucmm_sheet_grey(ctx, s, 0, 0, &(mucmm_cmat){v, 3, 2, 2}, 0, 1, NULL));
    im = finish(ctx, s);
    find_panel(&im, &x, &y, &width, &height);
    assert_int_equal(height, 28 * 4 / 3 * 3);
    assert_int_equal(width, 28 * 4 / 3 * 2);
    CHECK_CLOSE((double)x + (double)width / 2, (double)im.width / 2, 1);
    free(im.rgb);
}

static image two_maps(mucmm_ctx *ctx, float first, float second)
{
    const float v[4] = {0};
    const mucmm_cmat m = {v, 2, 2, 2};
    mucmm_sheet *s = new_sheet(ctx, 1, 2, 2, 2, 20);

    CHECK_OK(ctx, mucmm_sheet_map(ctx, s, 0, 0, &m, first, NULL));
    CHECK_OK(ctx, mucmm_sheet_map(ctx, s, 0, 1, &m, second, NULL));
    return finish(ctx, s);
}

static int64_t count_below_white(const image *im)
{
    int64_t n = 0;

    for (int64_t i = 0; i < im->width * im->height * 3; i++)
        n += im->rgb[i] < 200;
    return n;
}

static void test_sheet_one_color_bar_a_scale(void **state)
{
    mucmm_ctx *ctx = *state;
    image same = two_maps(ctx, 1, 1), differ = two_maps(ctx, 1, 2);

    assert_true(differ.height > same.height + 20);
    assert_int_equal(differ.width, same.width);
    assert_true(count_below_white(&differ) > count_below_white(&same) + 1000);
    free(same.rgb);
    free(differ.rgb);
}

static void test_sheet_is_the_same_when_drawn_again(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[2] = {-1, 1}, other[2] = {5, 5};
    image a = map_image(ctx, v, 1, 2, 1), b;
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 1, 2, 2);

    CHECK_OK(ctx, mucmm_sheet_grey(ctx, s, 0, 0, &(mucmm_cmat){other, 1, 2, 2}, 0, 1, "replaced"));
    CHECK_OK(ctx, mucmm_sheet_write(ctx, s, path));
    CHECK_OK(ctx, mucmm_sheet_map(ctx, s, 0, 0, &(mucmm_cmat){v, 1, 2, 2}, 1, NULL));
    b = finish(ctx, s);
    assert_int_equal(a.width, b.width);
    assert_int_equal(a.height, b.height);
    assert_memory_equal(a.rgb, b.rgb, (size_t)(a.width * a.height * 3));
    free(a.rgb);
    free(b.rgb);
}

static void test_sheet_empty(void **state)
{
    mucmm_ctx *ctx = *state;
    image im = finish(ctx, new_sheet(ctx, 3, 2, 28, 28, 0));

    assert_int_equal(count_below_white(&im), 0);
    assert_true(im.width > 3 * 224 && im.height > 2 * 224);
    free(im.rgb);
}

/* ---- bars -------------------------------------------------------------------------- */

/* Pixels of row y inside [x, x + width) that are strongly red (sign > 0) or blue. */
static int64_t strong(const image *im, int64_t x, int64_t y, int64_t width, int sign)
{
    int64_t n = 0;

    for (int64_t u = x; u < x + width; u++) {
        const unsigned char *c = pixel(im, u, y);

        n += sign * (c[0] - c[2]) > 80;
    }
    return n;
}

static void test_sheet_bars_strongest_first(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[5] = {0.1f, -2, 0, 4, -4.5f};
    const char *const names[5] = {"a", "b", "c", "d", "e"};
    const int sign[5] = {-1, 1, -1, 1, 0};
    const double share[5] = {1, 1, 0.5, 0.025, 0}; /* of scale 4 */
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 150, 300, 1);
    int64_t x, y, width, height, full = 0;
    image im;

    CHECK_OK(ctx, mucmm_sheet_bars(ctx, s, 0, 0, v, names, 5, 4, "bars"));
    im = finish(ctx, s);
    find_panel(&im, &x, &y, &width, &height);
    for (int i = 0; i < 5; i++) {
        int64_t at = y + 8 + 20 * i + 10;
        int64_t red = strong(&im, x, at, width, 1), blue = strong(&im, x, at, width, -1);

        if (i == 0)
            full = blue;
        assert_true(full > 50);
        CHECK_CLOSE((double)(sign[i] < 0 ? blue : red), share[i] * (double)full, 2.5);
        assert_int_equal(sign[i] < 0 ? red : blue, 0);
    }
    free(im.rgb);
}

static void test_sheet_bars_that_do_not_fit(void **state)
{
    mucmm_ctx *ctx = *state;
    float v[100];
    const char *names[100];
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 80, 200, 1);
    int64_t x, y, width, height, bars = 0;
    image im;

    for (int i = 0; i < 100; i++) {
        v[i] = (float)(i + 1);
        names[i] = "a name much too long for its column of the table";
    }
    CHECK_OK(ctx, mucmm_sheet_bars(ctx, s, 0, 0, v, names, 100, 100, NULL));
    im = finish(ctx, s);
    find_panel(&im, &x, &y, &width, &height);
    for (int64_t i = 0; i < 3; i++)
        bars += strong(&im, x, y + 8 + 20 * i + 10, width, 1) > 20;
    assert_int_equal(bars, 2); /* and a line that says how many more */
    free(im.rgb);
}

/* ---- text -------------------------------------------------------------------------- */

static void test_text_stays_in_its_box(void **state)
{
    static unsigned char rgb[40 * 300 * 3];
    mucmm__canvas c = {.rgb = rgb, .width = 300, .height = 40};
    int64_t inside = 0;

    (void)state;
    memset(rgb, 255, sizeof rgb);
    mucmm__canvas_text(&c, MUCMM__FONT_BODY, MUCMM__CENTER, 100, 10, 90, INK,
                       "a caption that is wider than ninety pixels");
    for (int64_t i = 0; i < 40 * 300; i++) {
        bool in = i % 300 >= 100 && i % 300 < 190 && i / 300 >= 10 && i / 300 < 27;

        inside += in && rgb[3 * i] < 128;
        assert_true(in || rgb[3 * i] == 255);
    }
    assert_true(inside > 100);
    /* partly and wholly outside of the canvas, and no room at all */
    mucmm__canvas_text(&c, MUCMM__FONT_TITLE, MUCMM__LEFT, -20, 30, 900, INK, "outside |~{}Qg");
    mucmm__canvas_text(&c, MUCMM__FONT_TITLE, MUCMM__RIGHT, 290, -9, 900, INK, "outside");
    mucmm__canvas_text(&c, MUCMM__FONT_TITLE, MUCMM__LEFT, 10, 0, -5, INK, "no room");
    mucmm__canvas_fill(&c, -5, -5, 1000, 1000, INK);
    assert_int_equal(rgb[sizeof rgb - 1], 0);
}

static void test_text_beyond_ascii(void **state)
{
    const char *const same[][2] = {
        {"caf\xc3\xa9 cr\xc3\xa8me", "cafe creme"}, /* accents take no room */
        {"\xd0\x90\xce\x92", "AB"},                 /* Cyrillic A, Greek Beta */
        {"\xf0\x9f\x98\x80!", "?!"},
        {"a\nb", "a?b"},
        {"\xc3", "?"},
        {"\xa9", "?"},
        {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_int_equal(mucmm__text_width(MUCMM__FONT_BODY, same[i][0]),
                         mucmm__text_width(MUCMM__FONT_BODY, same[i][1]));
    assert_true(mucmm__text_width(MUCMM__FONT_TITLE, "width") >
                mucmm__text_width(MUCMM__FONT_BODY, "width"));
}

/* ---- pictures under maps, words, ticks --------------------------------------------- */

static void test_sheet_overlay_keeps_sign_and_picture(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[4] = {0, 2, -2, 0.001f};
    const unsigned char rgb[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255};
    const mucmm_cmat m = {v, 2, 2, 2};
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 2, 2, 4);
    int64_t x, y, width, height;
    image im;

    CHECK_OK(ctx, mucmm_sheet_overlay(ctx, s, 0, 0, &m, 2, rgb, NULL));
    im = finish(ctx, s);
    find_panel(&im, &x, &y, &width, &height);
    const unsigned char *under = pixel(&im, x, y), *plus = pixel(&im, x + 4, y),
                        *minus = pixel(&im, x, y + 4), *white = pixel(&im, x + 4, y + 4);
    assert_true(under[0] == under[1] && under[1] == under[2] && under[0] > 100 && under[0] < 200);
    assert_true(plus[0] > plus[2] + 100 && minus[2] > minus[0] + 100);
    assert_true(white[0] > 245);
    free(im.rgb);
}

static void test_sheet_picture_is_itself(void **state)
{
    mucmm_ctx *ctx = *state;
    const unsigned char rgb[12] = {1, 2, 3, 40, 50, 60, 7, 80, 9, 255, 0, 128};
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 2, 2, 3);
    int64_t x, y, width, height;
    image im;

    assert_int_equal(mucmm_sheet_picture(ctx, s, 0, 0, rgb, 2, 3, NULL), MUCMM_ESHAPE);
    assert_int_equal(mucmm_sheet_picture(ctx, s, 0, 0, NULL, 2, 2, NULL), MUCMM_EARG);
    CHECK_OK(ctx, mucmm_sheet_picture(ctx, s, 0, 0, rgb, 2, 2, NULL));
    im = finish(ctx, s);
    find_panel(&im, &x, &y, &width, &height);
    for (int i = 0; i < 4; i++)
        assert_memory_equal(pixel(&im, x + 3 * (i % 2) + 1, y + 3 * (i / 2) + 1), rgb + 3 * i, 3);
    free(im.rgb);
}

static int64_t colored(const image *im, int64_t x, int64_t y, int64_t width, int64_t height,
                       int plus, int minus)
{
    int64_t n = 0;

    for (int64_t i = 0; i < width * height; i++) {
        const unsigned char *p = pixel(im, x + i % width, y + i / width);
        n += p[plus] > p[minus] + 60;
    }
    return n;
}

static void test_sheet_words_in_reading_order(void **state)
{
    mucmm_ctx *ctx = *state;
    const char *const words[3] = {"first", "second", "third"};
    const float v[3] = {2, 0, -2};
    int64_t x, y, width, height = mucmm_sheet_words_height(words, v, 3, 300);
    mucmm_sheet *s = new_sheet(ctx, 1, 1, height, 300, 1);
    image im;

    assert_true(mucmm_sheet_words_height(words, v, 3, 160) <= 2 * height);
    CHECK_OK(ctx, mucmm_sheet_words(ctx, s, 0, 0, words, v, 3, 2, NULL));
    im = finish(ctx, s);
    find_panel(&im, &x, &y, &width, &height);
    assert_true(colored(&im, x, y, 60, height, 0, 2) > 100);       /* red at the left ... */
    assert_int_equal(colored(&im, x, y, 60, height, 2, 0), 0);     /* ... and no blue     */
    assert_true(colored(&im, x + 60, y, 240, height, 2, 0) > 100); /* blue after it       */
    assert_int_equal(colored(&im, x + 60, y, 240, height, 0, 2), 0);
    free(im.rgb);
}

static void test_sheet_ticks_widen_the_page(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[4] = {1, 2, 3, 4};
    const mucmm_cmat m = {v, 2, 2, 2};
    const mucmm_tick x = {1, "0.5 s"}, y = {2, "1000 Hz"}, outside = {2.5, "3 s"};
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 2, 2, 100);
    image plain, marked;

    assert_int_equal(mucmm_sheet_ticks(ctx, s, 0, 0, &x, 1, &y, 1), MUCMM_EARG); /* not drawn */
    CHECK_OK(ctx, mucmm_sheet_map(ctx, s, 0, 0, &m, 4, NULL));
    CHECK_OK(ctx, mucmm_sheet_write(ctx, s, path));
    plain = image_read(path);
    assert_int_equal(mucmm_sheet_ticks(ctx, s, 0, 0, &outside, 1, NULL, 0), MUCMM_EARG);
    CHECK_OK(ctx, mucmm_sheet_ticks(ctx, s, 0, 0, &x, 1, &y, 1));
    marked = finish(ctx, s);
    assert_true(marked.width > plain.width + 20 && marked.height > plain.height + 8);
    free(plain.rgb);
    free(marked.rgb);
}

/* ---- sound ------------------------------------------------------------------------- */

enum { SAMPLES = 3001 };

static void test_mel_map_keeps_the_sum(void **state)
{
    mucmm_ctx *ctx = *state;
    float x[SAMPLES], g[SAMPLES], *cells;
    double want = 0, size = 0;

    for (int i = 0; i < SAMPLES; i++) {
        x[i] = (float)sin(0.1 * i * (1 + i * 1e-4)) + (i == 0);
        g[i] = (float)cos(0.37 * i) * x[i] + 0.2f + (i == SAMPLES - 1);
        want += (double)x[i] * (double)g[i];
        size += fabs((double)x[i] * (double)g[i]);
    }
    for (int64_t group = 1; group < 4; group++) {
        mucmm_mel_params p;
        double sum = 0;

        mucmm_mel_params_init(&p, 8000, SAMPLES);
        assert_int_equal(p.window, 256);
        p.hop *= group;
        int64_t frames = mucmm_mel_frames(&p, SAMPLES);
        cells = calloc((size_t)(p.bands * frames), sizeof *cells);
        assert_non_null(cells);
        CHECK_OK(ctx, mucmm_mel_map(ctx, &p, x, g, SAMPLES,
                                    &(mucmm_mat){cells, p.bands, frames, frames}));
        for (int64_t i = 0; i < p.bands * frames; i++)
            sum += (double)cells[i];
        CHECK_CLOSE(sum, want, 1e-6 * size);
        assert_int_equal(
            mucmm_mel_map(ctx, &p, x, g, SAMPLES, &(mucmm_mat){cells, p.bands, frames - 1, frames}),
            MUCMM_ESHAPE);
        free(cells);
    }
}

static void test_mel_power_finds_a_tone_in_its_band(void **state)
{
    mucmm_ctx *ctx = *state;
    float x[SAMPLES];
    mucmm_mel_params p;
    int64_t frames, best = 0;

    mucmm_mel_params_init(&p, 8000, SAMPLES);
    frames = mucmm_mel_frames(&p, SAMPLES);
    float *cells = calloc((size_t)(p.bands * frames), sizeof *cells);
    assert_non_null(cells);
    for (int i = 0; i < SAMPLES; i++)
        x[i] = i >= 1000 && i < 2000 ? (float)sin(2 * 3.14159265358979 * 1000 / 8000 * i) : 0;
    CHECK_OK(ctx,
             mucmm_mel_power(ctx, &p, x, SAMPLES, &(mucmm_mat){cells, p.bands, frames, frames}));
    for (int64_t i = 0; i < p.bands * frames; i++)
        best = cells[i] > cells[best] ? i : best;
    double band = (double)(best / frames), at = (double)(best % frames) + 0.5;
    assert_true(mucmm_mel_hertz(&p, band - 0.5) < 1000 && mucmm_mel_hertz(&p, band + 1.5) > 1000);
    assert_true(at > (1000 + 0.375 * (double)p.window) / (double)p.hop &&
                at < (2000 + 0.375 * (double)p.window) / (double)p.hop);
    assert_true(cells[0] <= -200); /* silence */
    CHECK_CLOSE(mucmm_mel_hertz(&p, (double)p.bands), 4000, 1e-6);
    free(cells);
}

/* ---- refusals ---------------------------------------------------------------------- */

static void test_sheet_rejects_sizes(void **state)
{
    mucmm_ctx *ctx = *state, *small = NULL;
    mucmm_ctx_params cp;
    /* cols, rows, height, width, zoom */
    const int64_t bad[][5] = {
        {0, 1, 1, 1, 1},         {1, -1, 1, 1, 1},
        {1, 1, 0, 1, 1},         {1, 1, 1, 0, 1},
        {1, 1, 1, 1, -1},        {INT64_MAX, 1, 1, 1, 1},
        {1, 1, 9, 9, INT64_MAX}, {1000000, 1000000, 1000000, 1000000, 1000000},
        {100, 100, 28, 56, 20}};
    mucmm_sheet_params p;
    mucmm_sheet *s = (mucmm_sheet *)&p;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mucmm_sheet_params_init(&p);
        p.cols = bad[i][0], p.rows = bad[i][1];
        p.height = bad[i][2], p.width = bad[i][3], p.zoom = bad[i][4];
        s = (mucmm_sheet *)&p;
        assert_int_equal(mucmm_sheet_create(ctx, &p, &s), MUCMM_EARG);
        assert_null(s);
    }
    p = (mucmm_sheet_params){.cols = 1, .rows = 1, .height = 1, .width = 1};
    assert_int_equal(mucmm_sheet_create(ctx, &p, &s), MUCMM_EARG);

    mucmm_ctx_params_init(&cp);
    cp.max_alloc = 100000;
    assert_int_equal(mucmm_ctx_create(&cp, &small), MUCMM_OK);
    mucmm_sheet_params_init(&p);
    p.height = p.width = 200;
    assert_int_equal(mucmm_sheet_create(small, &p, &s), MUCMM_ENOMEM);
    mucmm_ctx_free(small);
}

static void test_sheet_rejects_pictures(void **state)
{
    mucmm_ctx *ctx = *state;
    float v[6] = {0};
    mucmm_cmat m = {v, 2, 2, 3};
    mucmm_sheet *s = new_sheet(ctx, 2, 3, 2, 2, 1);
    const mucmm_cmat bad[] = {{NULL, 2, 2, 2}, {v, 0, 2, 2}, {v, 2, 0, 2}, {v, 2, 2, 1}};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, &bad[i], 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, NULL, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, NULL, 0, 0, &m, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, s, 2, 0, &m, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 3, &m, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_grey(ctx, s, -1, 0, &m, 0, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_grey(ctx, s, 0, INT64_MIN, &m, 0, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_grey(ctx, s, 0, 0, &m, 1, 0, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_grey(ctx, s, 0, 0, &m, NAN, 0, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_grey(ctx, s, 0, 0, &m, 0, INFINITY, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, &m, 0, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, &m, -1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, &m, NAN, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, &m, INFINITY, NULL), MUCMM_EARG);
    m = (mucmm_cmat){v, 1, 3, 3};
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, &m, 1, NULL), MUCMM_ESHAPE);
    v[1] = NAN;
    m = (mucmm_cmat){v, 2, 2, 3};
    assert_int_equal(mucmm_sheet_map(ctx, s, 0, 0, &m, 1, NULL), MUCMM_ENUMERIC);
    assert_int_equal(mucmm_sheet_grey(ctx, s, 0, 0, &m, 0, 1, NULL), MUCMM_ENUMERIC);
    mucmm_sheet_free(s);
    mucmm_sheet_free(NULL);
}

static void test_sheet_rejects_bars(void **state)
{
    mucmm_ctx *ctx = *state;
    float v[2] = {1, 2};
    const char *names[2] = {"one", NULL};
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 60, 160, 1), *low = new_sheet(ctx, 1, 1, 50, 300, 1);

    assert_int_equal(mucmm_sheet_bars(ctx, s, 0, 0, v, names, 2, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_bars(ctx, s, 0, 0, v, names, 0, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_bars(ctx, s, 0, 0, NULL, names, 1, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_bars(ctx, s, 0, 0, v, NULL, 1, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_bars(ctx, s, 0, 0, v, names, 1, 0, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_bars(ctx, s, 1, 0, v, names, 1, 1, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_bars(ctx, low, 0, 0, v, names, 1, 1, NULL), MUCMM_ESHAPE);
    v[0] = -INFINITY;
    assert_int_equal(mucmm_sheet_bars(ctx, s, 0, 0, v, names, 1, 1, NULL), MUCMM_ENUMERIC);
    mucmm_sheet_free(s);
    mucmm_sheet_free(low);
}

static void test_sheet_that_cannot_be_written(void **state)
{
    mucmm_ctx *ctx = *state;
    mucmm_sheet *s = new_sheet(ctx, 1, 1, 4, 4, 0);
    char file[sizeof path + 32];

    assert_int_equal(mucmm_sheet_write(ctx, s, NULL), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_write(ctx, NULL, path), MUCMM_EARG);
    assert_int_equal(mucmm_sheet_write(ctx, s, "/dev/full"), MUCMM_EIO);
    assert_int_equal(mucmm_sheet_write(ctx, s, folder), MUCMM_EIO);
    assert_int_equal(mucmm_sheet_write(ctx, s, "/proc/sheet.png"), MUCMM_EIO);
    snprintf(file, sizeof file, "%s/missing/sheet.png", folder);
    assert_int_equal(mucmm_sheet_write(ctx, s, file), MUCMM_EIO);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "missing"));
    mucmm_sheet_free(s);
}

/* ---- vectors ----------------------------------------------------------------------- */

static char *read_text(const char *file, size_t *size)
{
    FILE *f = fopen(file, "rb");
    char *text = calloc(1, 1 << 20);

    assert_non_null(f);
    *size = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

/* The same file twice; what it begins with, and how many pictures an SVG holds. */
static void check_vector(mucmm_ctx *ctx, const mucmm_sheet *s, const char *name, const char *begin,
                         int pictures)
{
    char file[sizeof path + 32];
    char *first, *again;
    size_t size, size_again;
    int n = 0;

    snprintf(file, sizeof file, "%s/%s", folder, name);
    CHECK_OK(ctx, mucmm_sheet_write(ctx, s, file));
    first = read_text(file, &size);
    assert_memory_equal(first, begin, strlen(begin));
    CHECK_OK(ctx, mucmm_sheet_write(ctx, s, file));
    again = read_text(file, &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(first, again, size);
    for (const char *at = first; pictures >= 0 && (at = strstr(at, "<image ")); at++)
        n++;
    assert_true(pictures < 0 || n == pictures);
    free(first);
    free(again);
    unlink(file);
}

/* Cells are a picture, bars and words are drawn; hostile names do no harm. */
static void test_sheet_vectors(void **state)
{
    mucmm_ctx *ctx = *state;
    const float v[4] = {1, -2, 3, 4};
    const char *const names[4] = {"a", "<b> & \"c\"", "\x01\x7f\xff\xc3", "\xce\xb4 wide"};
    const mucmm_cmat m = {v, 2, 2, 2};
    mucmm_sheet *s = new_sheet(ctx, 2, 1, 2, 2, 120);

    CHECK_OK(ctx, mucmm_sheet_bars(ctx, s, 0, 0, v, names, 4, 4, "bars"));
    CHECK_OK(ctx, mucmm_sheet_words(ctx, s, 1, 0, names, v, 3, 40, NULL));
    check_vector(ctx, s, "bars.svg", "<?xml", 1); /* the colour bar of the words */
    check_vector(ctx, s, "bars.PDF", "%PDF-1.", -1);
    CHECK_OK(ctx, mucmm_sheet_map(ctx, s, 0, 0, &m, 4, "map"));
    check_vector(ctx, s, "map.svg", "<?xml", 3);
    assert_int_equal(mucmm_sheet_write(ctx, s, "/proc/sheet.svg"), MUCMM_EIO);
    assert_int_equal(mucmm_sheet_write(ctx, s, "/proc/sheet.pdf"), MUCMM_EIO);
    mucmm_sheet_free(s);
}

/* ---- out of memory ----------------------------------------------------------------- */

typedef struct counter {
    int64_t left, live; /* allocations until one fails, blocks held */
} counter;

static void *counted_alloc(void *user, size_t align, size_t size)
{
    counter *c = user;
    void *p = NULL;

    if (c->left-- <= 0 || posix_memalign(&p, align, size) != 0)
        return NULL;
    c->live++;
    return p;
}

static void counted_release(void *user, void *ptr)
{
    counter *c = user;

    c->live -= ptr != NULL;
    free(ptr);
}

static mucmm_status draw_everything(mucmm_ctx *ctx)
{
    const float v[4] = {1, 2, 3, 4};
    const char *const names[4] = {"a", "b", "c", "d"};
    const unsigned char rgb[12] = {9};
    const mucmm_cmat m = {v, 2, 2, 2};
    mucmm_status status = MUCMM_OK;
    char vector[sizeof path + 32];
    mucmm_sheet *s = NULL;
    mucmm_sheet_params p;

    mucmm_sheet_params_init(&p);
    p.cols = 3;
    p.height = p.width = 2;
    p.zoom = 120;
    p.title = "title";
    status = mucmm_sheet_create(ctx, &p, &s);
    assert_true((s != NULL) == (status == MUCMM_OK));
    TRY(status);
    TRY(mucmm_sheet_grey(ctx, s, 0, 0, &m, 0, 4, "grey"));
    TRY(mucmm_sheet_map(ctx, s, 1, 0, &m, 4, "map"));
    TRY(mucmm_sheet_bars(ctx, s, 2, 0, v, names, 4, 4, "bars"));
    TRY(mucmm_sheet_words(ctx, s, 2, 0, names, v, 4, 4, "words"));
    TRY(mucmm_sheet_map(ctx, s, 2, 0, &m, 4, "instead of the bars"));
    TRY(mucmm_sheet_picture(ctx, s, 0, 0, rgb, 2, 2, "picture"));
    TRY(mucmm_sheet_overlay(ctx, s, 1, 0, &m, 4, rgb, "overlay"));
    TRY(mucmm_sheet_ticks(ctx, s, 1, 0, &(mucmm_tick){1, "1 s"}, 1, &(mucmm_tick){2, "9 Hz"}, 1));
    TRY(mucmm_sheet_write(ctx, s, path));
    snprintf(vector, sizeof vector, "%s/out.svg", folder);
    TRY(mucmm_sheet_write(ctx, s, vector));
    unlink(vector);
done:
    mucmm_sheet_free(s);
    return status;
}

static void test_sheet_out_of_memory(void **state)
{
    mucmm_status status = MUCMM_ENOMEM;
    counter c = {1, 0};
    mucmm_ctx_params p;
    mucmm_ctx *ctx = NULL;
    int64_t k;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.allocator = (mucmm_allocator){counted_alloc, counted_release, &c};
    assert_int_equal(mucmm_ctx_create(&p, &ctx), MUCMM_OK);
    for (k = 0; status != MUCMM_OK; k++) {
        c.left = k;
        status = draw_everything(ctx);
        assert_true(status == MUCMM_OK || status == MUCMM_ENOMEM);
        assert_int_equal(c.live, 1); /* the context */
    }
    assert_true(k > 12);
    mucmm_ctx_free(ctx);
    assert_int_equal(c.live, 0);
}

static int set_up(void **state)
{
    *state = new_ctx();
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/sheet.png", folder);
    return 0;
}

static int tear_down(void **state)
{
    mucmm_ctx_free(*state);
    unlink(path);
    return rmdir(folder); /* fails if anything was left behind */
}

/* As few quarters of a window as leave 240 frames, of any number of samples, and at once. */
static void test_mel_params_of_any_length(void **state)
{
    const int64_t samples[] = {INT64_MIN,     -1,       0, 1, 16000, 160000, 99999999,
                               INT64_MAX / 2, INT64_MAX};
    mucmm_mel_params p;

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        mucmm_mel_params_init(&p, 16000, samples[i]);
        int64_t frames = mucmm_mel_frames(&p, samples[i]);
        assert_true(samples[i] < 1 ? frames == 0 : frames >= 1 && frames <= 240);
        if (p.hop > p.window / 4) {
            p.hop -= p.window / 4;
            assert_true(mucmm_mel_frames(&p, samples[i]) > 240);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mel_params_of_any_length),
        cmocka_unit_test(test_sheet_map_colors),
        cmocka_unit_test(test_sheet_map_lightness_is_symmetric_and_linear),
        cmocka_unit_test(test_sheet_map_of_zeros),
        cmocka_unit_test(test_sheet_grey_levels),
        cmocka_unit_test(test_sheet_grey_of_a_constant),
        cmocka_unit_test(test_sheet_zoom),
        cmocka_unit_test(test_sheet_smaller_picture_is_enlarged),
        cmocka_unit_test(test_sheet_one_color_bar_a_scale),
        cmocka_unit_test(test_sheet_is_the_same_when_drawn_again),
        cmocka_unit_test(test_sheet_empty),
        cmocka_unit_test(test_sheet_bars_strongest_first),
        cmocka_unit_test(test_sheet_bars_that_do_not_fit),
        cmocka_unit_test(test_text_stays_in_its_box),
        cmocka_unit_test(test_text_beyond_ascii),
        cmocka_unit_test(test_sheet_overlay_keeps_sign_and_picture),
        cmocka_unit_test(test_sheet_picture_is_itself),
        cmocka_unit_test(test_sheet_words_in_reading_order),
        cmocka_unit_test(test_sheet_ticks_widen_the_page),
        cmocka_unit_test(test_mel_map_keeps_the_sum),
        cmocka_unit_test(test_mel_power_finds_a_tone_in_its_band),
        cmocka_unit_test(test_sheet_rejects_sizes),
        cmocka_unit_test(test_sheet_rejects_pictures),
        cmocka_unit_test(test_sheet_rejects_bars),
        cmocka_unit_test(test_sheet_that_cannot_be_written),
        cmocka_unit_test(test_sheet_vectors),
        cmocka_unit_test(test_sheet_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
