/* SPDX-License-Identifier: MIT
 *
 * test_encode.c - raw input: pictures, sound and text become what an encoder takes. */
#include "generators.h"

#include "encode/source.h"

#include <jpeglib.h>
#include <png.h>
#include <sndfile.h>
#include <zlib.h>

#include "golden_image.h"

static mucmm_ctx *ctx;

typedef struct buffer {
    unsigned char *bytes;
    size_t size, at;
} buffer;

static void put(buffer *b, const void *bytes, size_t n)
{
    b->bytes = realloc(b->bytes, b->at + n > b->size ? b->at + n : b->size);
    assert_non_null(b->bytes);
    memcpy(b->bytes + b->at, bytes, n);
    b->at += n;
    b->size = b->at > b->size ? b->at : b->size;
}

static void put_number(buffer *b, uint32_t value, int bytes, bool big)
{
    for (int i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)(value >> 8 * (big ? bytes - 1 - i : i));
        put(b, &c, 1);
    }
}

/* ---- pictures to decode ------------------------------------------------------------ */

static mucmm__picture make_picture(int64_t height, int64_t width)
{
    mucmm__picture p = {NULL, height, width};

    CHECK_OK(ctx, mucmm__alloc(ctx, height * width * 3, 1, &p.rgb));
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            for (int64_t c = 0; c < 3; c++)
                p.rgb[3 * (y * width + x) + c] =
                    (unsigned char)(y * y * 7 + x * 31 + c * 83 + x * y * 5);
    return p;
}

static void png_put(png_structp png, png_bytep bytes, size_t n)
{
    put(png_get_io_ptr(png), bytes, n);
}

static void png_end(png_structp png)
{
    (void)png;
}

/* rows: height * row bytes as libpng takes them (16-bit numbers big-endian). */
static buffer make_png(int type, int depth, bool interlaced, int64_t height, int64_t width,
                       const void *rows, size_t row)
{
    buffer b = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_bytep *lines = calloc((size_t)height, sizeof *lines);
    png_color palette[3] = {{10, 20, 30}, {40, 50, 60}, {70, 80, 90}};
    png_byte alpha[2] = {255, 0};

    for (int64_t y = 0; y < height; y++)
        lines[y] = (png_bytep)rows + (size_t)y * row;
    png_set_write_fn(png, &b, png_put, png_end);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_BASE,
                 PNG_FILTER_TYPE_BASE);
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 3);
        png_set_tRNS(png, info, alpha, 2, NULL);
    }
    png_write_info(png, info);
    png_write_image(png, lines);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(lines);
    return b;
}

static buffer picture_png(const mucmm__picture *p, bool interlaced)
{
    return make_png(PNG_COLOR_TYPE_RGB, 8, interlaced, p->height, p->width, p->rgb,
                    (size_t)p->width * 3);
}

/* orientation 0: no EXIF. components 1, 3 or 4 (CMYK). */
static buffer make_jpeg(const mucmm__picture *p, int components, bool progressive, int orientation,
                        bool big)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, *row = calloc((size_t)p->width, 4);
    unsigned long size = 0;
    buffer b = {0}, exif = {0};

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &size);
    c.image_width = (JDIMENSION)p->width;
    c.image_height = (JDIMENSION)p->height;
    c.input_components = components;
    c.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 100, TRUE);
    for (int k = 0; k < c.num_components; k++)
        c.comp_info[k].h_samp_factor = c.comp_info[k].v_samp_factor = 1;
    if (progressive)
        jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    if (orientation) {
        put(&exif, "Exif\0\0", 6);
        put(&exif, big ? "MM\0*" : "II*\0", 4);
        put_number(&exif, 8, 4, big);
        put_number(&exif, 2, 2, big);
        for (uint32_t tag = 0x010f; tag <= 0x0112; tag += 3) {
            put_number(&exif, tag, 2, big);
            put_number(&exif, 3, 2, big);
            put_number(&exif, 1, 4, big);
            put_number(&exif, (uint32_t)orientation, 2, big);
            put_number(&exif, 0, 2, big);
        }
        put_number(&exif, 0, 4, big);
        jpeg_write_marker(&c, JPEG_APP0 + 1, exif.bytes, (unsigned)exif.size);
    }
    while (c.next_scanline < c.image_height) {
        for (int64_t x = 0; x < p->width; x++)
            for (int k = 0; k < components; k++)
                row[x * components + k] =
                    p->rgb[3 * (c.next_scanline * (size_t)p->width + (size_t)x) + (size_t)(k % 3)];
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    put(&b, bytes, size);
    free(bytes);
    free(row);
    free(exif.bytes);
    return b;
}

static mucmm__picture decode(const buffer *b)
{
    mucmm__picture p;

    CHECK_OK(ctx, mucmm__picture_decode(ctx, "x", b->bytes, b->size, NULL, &p));
    return p;
}

static void check_picture(buffer b, const mucmm__picture *want, int tolerance)
{
    mucmm__picture got = decode(&b);

    assert_int_equal(got.height, want->height);
    assert_int_equal(got.width, want->width);
    for (int64_t i = 0; i < got.height * got.width * 3; i++)
        if (abs(got.rgb[i] - want->rgb[i]) > tolerance)
            fail_msg("byte %d is %d, not %d", (int)i, got.rgb[i], want->rgb[i]);
    mucmm__picture_drop(&got);
    free(b.bytes);
}

static void test_encode_png_of_every_kind_becomes_rgb(void **state)
{
    mucmm__picture p = make_picture(9, 7);
    unsigned char rows[9 * 7 * 8], grey[9 * 7];

    (void)state;
    check_picture(picture_png(&p, false), &p, 0);
    check_picture(picture_png(&p, true), &p, 0);
    for (int i = 0; i < 9 * 7 * 3; i++) { /* 16 bit: 257 times the number is the same */
        rows[2 * i] = p.rgb[i];
        rows[2 * i + 1] = p.rgb[i];
    }
    check_picture(make_png(PNG_COLOR_TYPE_RGB, 16, true, 9, 7, rows, 42), &p, 0);
    for (int i = 0; i < 9 * 7; i++)
        grey[i] = (unsigned char)(i * 4);
    for (int i = 0; i < 9 * 7 * 3; i++)
        p.rgb[i] = grey[i / 3];
    check_picture(make_png(PNG_COLOR_TYPE_GRAY, 8, false, 9, 7, grey, 7), &p, 0);
    for (int i = 0; i < 9 * 7 * 3; i++) /* one bit a pixel: 0110 0110 */
        p.rgb[i] = (i / 3 % 7 + 1) / 2 % 2 ? 255 : 0;
    memset(grey, 0x66, sizeof grey);
    check_picture(make_png(PNG_COLOR_TYPE_GRAY, 1, false, 9, 7, grey, 1), &p, 0);
    mucmm__picture_drop(&p);
}

static void test_encode_transparent_pixels_lie_over_the_background(void **state)
{
    static const unsigned char rgba[] = {100, 200, 0, 255, 100, 200, 0, 0, 100, 200, 0, 128};
    static const unsigned char indices[] = {0, 1, 2}, red[3] = {255, 0, 0};
    static const unsigned char over_white[] = {100, 200, 0, 255, 255, 255, 177, 227, 127};
    static const unsigned char over_red[] = {100, 200, 0, 255, 0, 0, 177, 100, 0};
    static const unsigned char palette[] = {10, 20, 30, 255, 255, 255, 70, 80, 90};
    mucmm__picture want = {(unsigned char *)(uintptr_t)over_white, 1, 3}, got;
    buffer b = make_png(PNG_COLOR_TYPE_RGB_ALPHA, 8, false, 1, 3, rgba, 12);

    (void)state;
    CHECK_OK(ctx, mucmm__picture_decode(ctx, "x", b.bytes, b.size, red, &got));
    assert_memory_equal(got.rgb, over_red, 9);
    mucmm__picture_drop(&got);
    check_picture(b, &want, 0);
    want.rgb = (unsigned char *)(uintptr_t)palette;
    check_picture(make_png(PNG_COLOR_TYPE_PALETTE, 8, false, 1, 3, indices, 3), &want, 0);
}

/* A smooth picture: JPEG at quality 100 keeps it within a few units. */
static mucmm__picture smooth_picture(void)
{
    mucmm__picture p = make_picture(11, 6);

    for (int64_t i = 0; i < 66; i++)
        for (int64_t c = 0; c < 3; c++)
            p.rgb[3 * i + c] = (unsigned char)(20 + 15 * (i / 6) + 5 * (i % 6) + 10 * c);
    return p;
}

/* Where pixel (y, x) of the upright picture lies in one stored with this EXIF orientation. */
static void stored_at(int orientation, int64_t h, int64_t w, int64_t y, int64_t x, int64_t *sy,
                      int64_t *sx)
{
    const int64_t at[9][2] = {{0, 0},         {y, x}, {y, w - 1 - x}, {h - 1 - y, w - 1 - x},
                              {h - 1 - y, x}, {x, y}, {w - 1 - x, y}, {w - 1 - x, h - 1 - y},
                              {x, h - 1 - y}};
    *sy = at[orientation][0];
    *sx = at[orientation][1];
}

static void test_encode_jpeg_is_turned_upright(void **state)
{
    mucmm__picture p = smooth_picture(), stored = smooth_picture();
    int64_t sy, sx;

    (void)state;
    check_picture(make_jpeg(&p, 3, false, 0, false), &p, 4);
    check_picture(make_jpeg(&p, 3, true, 0, false), &p, 4);
    for (int orientation = 1; orientation <= 8; orientation++) {
        stored.height = orientation < 5 ? 11 : 6;
        stored.width = orientation < 5 ? 6 : 11;
        for (int64_t y = 0; y < 11; y++)
            for (int64_t x = 0; x < 6; x++) {
                stored_at(orientation, 11, 6, y, x, &sy, &sx);
                memcpy(stored.rgb + 3 * (sy * stored.width + sx), p.rgb + 3 * (y * 6 + x), 3);
            }
        check_picture(make_jpeg(&stored, 3, false, orientation, orientation % 2), &p, 4);
    }
    check_picture(make_jpeg(&p, 3, false, 9, true), &p, 4); /* no such orientation */
    for (int64_t i = 0; i < 66; i++)
        p.rgb[3 * i + 1] = p.rgb[3 * i + 2] = p.rgb[3 * i];
    check_picture(make_jpeg(&p, 1, false, 0, false), &p, 4);
    mucmm__picture_drop(&p);
    mucmm__picture_drop(&stored);
}

static void refuse_picture(const void *bytes, size_t size, mucmm_status want, const char *fragment)
{
    mucmm__picture p = {(unsigned char *)&p, 1, 1};

    check_message(ctx, mucmm__picture_decode(ctx, "cat.png", bytes, size, NULL, &p), want,
                  fragment);
    assert_null(p.rgb);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "cat.png"));
}

/* A PNG that says it is height x width. */
static void set_png_size(buffer *b, uint32_t height, uint32_t width)
{
    b->at = 16;
    put_number(b, width, 4, true);
    put_number(b, height, 4, true);
    b->at = 29;
    put_number(b, (uint32_t)crc32(0, b->bytes + 12, 17), 4, true);
}

static void test_encode_bad_pictures_are_refused(void **state)
{
    mucmm__picture p = smooth_picture();
    buffer png = picture_png(&p, false), cmyk = make_jpeg(&p, 4, false, 0, false),
           jpeg = make_jpeg(&p, 3, false, 0, false);

    (void)state;
    refuse_picture("", 0, MUCMM_EFORMAT, "empty");
    refuse_picture("hello", 5, MUCMM_EFORMAT, "neither PNG nor JPEG");
    refuse_picture("GIF89a.....", 11, MUCMM_EUNSUPPORTED, "a GIF");
    refuse_picture("RIFF....WEBPVP8 ", 16, MUCMM_EUNSUPPORTED, "a WebP");
    refuse_picture(cmyk.bytes, cmyk.size, MUCMM_EUNSUPPORTED, "CMYK");
    refuse_picture(png.bytes, png.size - 1, MUCMM_EFORMAT, "cut off");
    refuse_picture(jpeg.bytes, jpeg.size / 2, MUCMM_EFORMAT, "Premature end");
    set_png_size(&png, 8192, 8193);
    refuse_picture(png.bytes, png.size, MUCMM_EUNSUPPORTED, "8193 pixels wide and 8192 high");
    set_png_size(&png, 1, 65536);
    refuse_picture(png.bytes, png.size, MUCMM_EUNSUPPORTED, "65535 on a side");
    set_png_size(&png, 0, 5);
    refuse_picture(png.bytes, png.size, MUCMM_EFORMAT, "damaged PNG");
    set_png_size(&png, 12, 6);
    refuse_picture(png.bytes, png.size, MUCMM_EFORMAT, "damaged PNG");
    for (size_t k = 0; k + 9 < jpeg.size; k++)
        if (jpeg.bytes[k] == 0xff && jpeg.bytes[k + 1] == 0xc0) {
            memcpy(jpeg.bytes + k + 5, "\x40\x00\x40\x01", 4);
            break;
        }
    refuse_picture(jpeg.bytes, jpeg.size, MUCMM_EUNSUPPORTED, "16385 pixels wide and 16384 high");
    free(png.bytes);
    free(cmyk.bytes);
    free(jpeg.bytes);
    mucmm__picture_drop(&p);
}

/* ---- pictures to tensors ----------------------------------------------------------- */

static void test_encode_image_fits_as_pillow_does(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof golden_images / sizeof golden_images[0]; k++) {
        mucmm__picture p = make_picture(golden_images[k].from_height, golden_images[k].from_width);
        mucmm__picture out;
        mucmm__image_params params;
        uint32_t crc;

        mucmm__image_params_init(&params);
        params.fit = golden_images[k].fit;
        params.filter = golden_images[k].filter;
        params.height = golden_images[k].height;
        params.width = golden_images[k].width;
        params.resize = golden_images[k].resize;
        CHECK_OK(ctx, mucmm__image_check(ctx, &params));
        CHECK_OK(ctx, mucmm__image_fit(ctx, &params, &p, &out));
        crc = (uint32_t)crc32(0, out.rgb, (uInt)(out.height * out.width * 3));
        if (crc != golden_images[k].crc)
            fail_msg("case %d differs from Pillow", (int)k);
        mucmm__picture_drop(&p);
        mucmm__picture_drop(&out);
    }
}

static void test_encode_image_channels_layout_and_numbers(void **state)
{
    unsigned char rgb[] = {0, 51, 255, 102, 204, 153};
    mucmm__picture p = {rgb, 1, 2};
    mucmm__image_params params;
    float out[6];
    static const float unit[] = {0, .4f, .2f, .8f, 1, .6f};
    static const float imagenet_bgr[] = {(1 - .406f) / .225f,   (.2f - .456f) / .224f,
                                         (0 - .485f) / .229f,   (.6f - .406f) / .225f,
                                         (.8f - .456f) / .224f, (.4f - .485f) / .229f};

    (void)state;
    mucmm__image_params_init(&params);
    params.height = 1;
    params.width = 2;
    assert_int_equal(mucmm__image_depth(&params), 3);
    CHECK_OK(ctx, mucmm__image_prepare(ctx, &params, &p, out));
    for (int i = 0; i < 6; i++)
        CHECK_CLOSE(out[i], unit[i], 1e-7);
    CHECK_OK(ctx, mucmm__image_preset(ctx, "imagenet", &params));
    CHECK_OK(ctx, mucmm__image_parse_channels(ctx, "bgr", &params.channels));
    CHECK_OK(ctx, mucmm__image_parse_layout(ctx, "nhwc", &params.layout));
    CHECK_OK(ctx, mucmm__image_prepare(ctx, &params, &p, out));
    for (int i = 0; i < 6; i++)
        CHECK_CLOSE(out[i], imagenet_bgr[i], 1e-6);
    CHECK_OK(ctx, mucmm__image_preset(ctx, "signed", &params));
    CHECK_OK(ctx, mucmm__image_parse_channels(ctx, "grey", &params.channels));
    assert_int_equal(mucmm__image_depth(&params), 1);
    CHECK_OK(ctx, mucmm__image_prepare(ctx, &params, &p, out));
    CHECK_CLOSE(out[0], 2 * 59 / 255. - 1, 1e-6);  /* .587 * 51 + .114 * 255 = 59.0 */
    CHECK_CLOSE(out[1], 2 * 168 / 255. - 1, 1e-6); /* .299 * 102 + .587 * 204 + .114 * 153 */
}

static void test_encode_image_rejects_bad_parameters(void **state)
{
    mucmm__image_params p;
    mucmm__framing fit;

    (void)state;
    check_message(ctx, mucmm__image_parse_fit(ctx, "zoom", &fit), MUCMM_EARG,
                  "no fit 'zoom'; it is one of stretch, crop, pad");
    mucmm__image_params_init(&p);
    check_message(ctx, mucmm__image_preset(ctx, "tf", &p), MUCMM_EARG, "imagenet");
    check_message(ctx, mucmm__image_check(ctx, &p), MUCMM_EARG, "1 to 16384");
    p.height = p.width = 224;
    CHECK_OK(ctx, mucmm__image_check(ctx, &p));
    p.resize = 200;
    check_message(ctx, mucmm__image_check(ctx, &p), MUCMM_EARG, "at least the larger side, 224");
    p.fit = MUCMM__FIT_PAD;
    p.resize = 256;
    check_message(ctx, mucmm__image_check(ctx, &p), MUCMM_EARG, "crop alone");
    p.resize = 0;
    p.std[1] = 0;
    check_message(ctx, mucmm__image_check(ctx, &p), MUCMM_EARG, "std 0 of channel 1");
    p.std[1] = NAN;
    check_message(ctx, mucmm__image_check(ctx, &p), MUCMM_EARG, "finite");
}

/* The input that the reference outputs of the image encoder were computed from. */
static void test_encode_image_equals_the_reference(void **state)
{
    char path[1024];
    int64_t shape[MUCMM_MAX_RANK];
    double *want = shared_npy(ctx, "data/reference/image_banana.npy", shape);
    float *got = test_floats(3 * 224 * 224);
    mucmm__image_params p;
    mucmm__picture picture;
    mucmm__map map;

    (void)state;
    mucmm__image_params_init(&p);
    p.height = p.width = 224;
    p.fit = MUCMM__FIT_STRETCH;
    CHECK_OK(ctx, mucmm__image_preset(ctx, "signed", &p));
    shared_path(path, sizeof path, "data/emoji/google/1f34c.png");
    CHECK_OK(ctx, mucmm__map_open(ctx, path, &map));
    CHECK_OK(ctx, mucmm__picture_decode(ctx, path, map.data, map.size, NULL, &picture));
    CHECK_OK(ctx, mucmm__image_prepare(ctx, &p, &picture, got));
    for (int64_t i = 0; i < 3 * 224 * 224; i++)
        CHECK_CLOSE(got[i], want[i], 2e-7);
    mucmm__picture_drop(&picture);
    mucmm__map_close(&map);
    mucmm__free(want);
    free(got);
}

/* ---- sound ------------------------------------------------------------------------- */

static sf_count_t sound_size(void *user)
{
    return (sf_count_t)((buffer *)user)->size;
}

static sf_count_t sound_tell(void *user)
{
    return (sf_count_t)((buffer *)user)->at;
}

static sf_count_t sound_seek(sf_count_t offset, int whence, void *user)
{
    buffer *b = user;

    b->at = (size_t)offset + (whence == SEEK_SET ? 0 : whence == SEEK_CUR ? b->at : b->size);
    return (sf_count_t)b->at;
}

static sf_count_t sound_write(const void *bytes, sf_count_t n, void *user)
{
    put(user, bytes, (size_t)n);
    return n;
}

static sf_count_t sound_read(void *bytes, sf_count_t n, void *user)
{
    buffer *b = user;

    if ((size_t)n > b->size - b->at)
        n = (sf_count_t)(b->size - b->at);
    memcpy(bytes, b->bytes + b->at, (size_t)n);
    b->at += (size_t)n;
    return n;
}

static buffer make_sound(int format, int rate, int channels, const float *samples, int64_t n)
{
    buffer b = {0};
    SF_VIRTUAL_IO io = {sound_size, sound_seek, sound_read, sound_write, sound_tell};
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *f = sf_open_virtual(&io, SFM_WRITE, &info, &b);

    assert_non_null(f);
    assert_int_equal(sf_writef_float(f, samples, n), n);
    assert_int_equal(sf_close(f), 0);
    return b;
}

#define HERTZ 440

static float *make_sine(int64_t n, double rate)
{
    float *x = test_floats(n);

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(.5 * sin(2 * M_PI * HERTZ * (double)i / rate));
    return x;
}

static void test_encode_sound_of_every_format(void **state)
{
    static const struct {
        int format;
        double tolerance;
    } formats[] = {
        {SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1e-4},  {SF_FORMAT_WAV | SF_FORMAT_PCM_24, 1e-6},
        {SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0},      {SF_FORMAT_WAVEX | SF_FORMAT_PCM_U8, 2e-2},
        {SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 1e-4}, {SF_FORMAT_AIFF | SF_FORMAT_FLOAT, 0},
        {SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1e-4}, {SF_FORMAT_OGG | SF_FORMAT_VORBIS, 5e-2}};
    float *x = make_sine(40000, 22050);
    mucmm__sound s;
    buffer mp3;

    (void)state;
    mp3 = make_sound(SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 22050, 1, x, 40000);
    CHECK_OK(ctx, mucmm__sound_decode(ctx, "x", mp3.bytes, mp3.size, &s));
    assert_true(s.rate == 22050 && s.n >= 40000 && s.n < 43000);
    mucmm__sound_drop(&s);
    free(mp3.bytes);
    for (size_t k = 0; k < sizeof formats / sizeof formats[0]; k++) {
        buffer b = make_sound(formats[k].format, 22050, 1, x, 40000);
        CHECK_OK(ctx, mucmm__sound_decode(ctx, "x", b.bytes, b.size, &s));
        assert_int_equal(s.rate, 22050);
        assert_int_equal(s.n, 40000);
        for (int64_t i = 0; i < s.n; i++)
            CHECK_CLOSE(s.samples[i], x[i], formats[k].tolerance);
        mucmm__sound_drop(&s);
        free(b.bytes);
    }
    free(x);
}

static void test_encode_sound_is_the_mean_of_its_channels(void **state)
{
    static const float x[] = {.5f, .25f, 0, -.5f, 1, -.25f};
    buffer b = make_sound(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 3, x, 2);
    mucmm__sound s;

    (void)state;
    CHECK_OK(ctx, mucmm__sound_decode(ctx, "x", b.bytes, b.size, &s));
    assert_int_equal(s.n, 2);
    CHECK_CLOSE(s.samples[0], .25, 0);
    CHECK_CLOSE(s.samples[1], .25 / 3, 1e-8);
    mucmm__sound_drop(&s);
    free(b.bytes);
}

static void refuse_sound(const void *bytes, size_t size, mucmm_status want, const char *fragment)
{
    mucmm__sound s = {(float *)&s, 1, 1};

    check_message(ctx, mucmm__sound_decode(ctx, "dog.wav", bytes, size, &s), want, fragment);
    assert_null(s.samples);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "dog.wav"));
}

static void test_encode_bad_sounds_are_refused(void **state)
{
    static const int formats[] = {
        SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_AIFF | SF_FORMAT_PCM_16,
        SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS};
    float *x = make_sine(9000, 8000);
    buffer b = make_sound(formats[0], 8000, 1, x, 0);

    (void)state;
    refuse_sound("", 0, MUCMM_EFORMAT, "an empty file");
    refuse_sound("RIFX and so on", 14, MUCMM_EFORMAT, "not WAV, FLAC, OGG, AIFF or MP3");
    refuse_sound("ID3 and so on", 13, MUCMM_EFORMAT, "does not decode");
    refuse_sound("fLaC", 4, MUCMM_EFORMAT, "does not decode");
    refuse_sound(b.bytes, b.size, MUCMM_EFORMAT, "0 samples");
    free(b.bytes);
    for (size_t k = 0; k < 4; k++) {
        b = make_sound(formats[k], 8000, 1, x, 9000);
        refuse_sound(b.bytes, b.size - 100, MUCMM_EFORMAT, "");
        refuse_sound(b.bytes, b.size / 2, MUCMM_EFORMAT, "");
        free(b.bytes);
    }
    x[4321] = NAN;
    b = make_sound(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 1, x, 9000);
    refuse_sound(b.bytes, b.size, MUCMM_EFORMAT, "sample 4321 is not a finite number");
    free(b.bytes);
    free(x);
}

/* A sine is the same sine at any rate, to the filter's accuracy, away from its ends. */
static void test_encode_audio_is_resampled_in_time(void **state)
{
    static const int64_t rates[][2] = {{44100, 16000}, {8000, 16000},  {16000, 16000},
                                       {48000, 16000}, {11025, 22050}, {32000, 44100}};
    static const double offsets[] = {0, .1, .123456, 1.5};

    (void)state;
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++)
        for (size_t k = 0; k < 4; k++) {
            mucmm__sound s = {.n = 3 * rates[r][0], .rate = rates[r][0]};
            mucmm__audio_params p;
            float out[2000];
            double first;

            s.samples = make_sine(s.n, (double)s.rate);
            mucmm__audio_params_init(&p);
            p.rate = rates[r][1];
            p.samples = 2000;
            p.offset = offsets[k];
            p.scale = 32768;
            CHECK_OK(ctx, mucmm__audio_check(ctx, &p));
            CHECK_OK(ctx, mucmm__audio_prepare(ctx, &p, &s, out));
            first = round(p.offset * (double)p.rate);
            for (int i = offsets[k] > 0 ? 0 : 200; i < 2000; i++)
                CHECK_CLOSE(out[i] / 32768,
                            .5 * sin(2 * M_PI * HERTZ * (first + i) / (double)p.rate), 2e-4);
            free(s.samples);
        }
}

static void test_encode_audio_window_is_cut_or_filled(void **state)
{
    float x[] = {.1f, .2f, .3f, .4f}, out[6];
    mucmm__sound s = {x, 4, 1000};
    mucmm__audio_params p;

    (void)state;
    mucmm__audio_params_init(&p);
    check_message(ctx, mucmm__audio_check(ctx, &p), MUCMM_EARG, "a window of 0 samples");
    p.rate = 1000;
    p.samples = 6;
    p.offset = .002;
    CHECK_OK(ctx, mucmm__audio_prepare(ctx, &p, &s, out));
    CHECK_CLOSE(out[0], .3f, 0);
    CHECK_CLOSE(out[1], .4f, 0);
    for (int i = 2; i < 6; i++)
        CHECK_CLOSE(out[i], 0, 0);
    p.samples = 1;
    p.offset = 0;
    CHECK_OK(ctx, mucmm__audio_prepare(ctx, &p, &s, out));
    CHECK_CLOSE(out[0], .1f, 0);
    p.offset = .004;
    check_message(ctx, mucmm__audio_prepare(ctx, &p, &s, out), MUCMM_EFORMAT,
                  "the sound lasts 0.004 seconds");
    p.offset = 0;
    p.rate = 768000;
    check_message(ctx, mucmm__audio_prepare(ctx, &p, &s, out), MUCMM_EUNSUPPORTED, "below 256");
    p.rate = 10;
    check_message(ctx, mucmm__audio_check(ctx, &p), MUCMM_EARG, "a rate of 10 Hz");
    p.rate = 1000;
    p.offset = NAN;
    check_message(ctx, mucmm__audio_check(ctx, &p), MUCMM_EARG, "an offset of");
    p.offset = 0;
    p.scale = 0;
    check_message(ctx, mucmm__audio_check(ctx, &p), MUCMM_EARG, "a scale of 0");
}

/* ---- text -------------------------------------------------------------------------- */

#define LENGTH 64

static mucmm_status load(mucmm_ctx *with, mucmm__tokenizer_kind kind, const char *vocabulary,
                         const char *merges, mucmm__tokenizer **out)
{
    mucmm__tokenizer_params p;
    mucmm__map v = {(const unsigned char *)vocabulary, strlen(vocabulary)},
               m = {(const unsigned char *)merges, merges ? strlen(merges) : 0};

    mucmm__tokenizer_params_init(&p);
    p.kind = kind;
    p.vocabulary = "vocab";
    p.merges = merges ? "merges" : NULL;
    return mucmm__tokenizer_load_memory(with, &p, &v, &m, out);
}

/* The tokens of a text as "piece@begin:end piece@begin:end ...". */
static void check_tokens(const mucmm__tokenizer *t, const char *text, const char *want)
{
    int64_t ids[LENGTH], begin[LENGTH], end[LENGTH];
    float mask[LENGTH];
    mucmm__tokens k = {.ids = ids, .mask = mask, .begin = begin, .end = end};
    char got[4096] = "";
    size_t used = 0;

    CHECK_OK(ctx, mucmm__tokenizer_encode(ctx, t, text, strlen(text), LENGTH, false, &k));
    for (int64_t i = 0; i < k.n; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%s@%d:%d", i ? " " : "",
                                 mucmm__tokenizer_piece(t, ids[i]), (int)begin[i], (int)end[i]);
    assert_string_equal(got, want);
    assert_false(k.truncated);
    for (int64_t i = 0; i < LENGTH; i++) {
        CHECK_CLOSE(mask[i], i < k.n ? 1 : 0, 0);
        assert_true(begin[i] <= end[i] && end[i] <= (int64_t)strlen(text));
    }
}

#define LOW "\xe2\x96\x81" /* U+2581 */

static const char unigram[] = "0\t0\t<unk>\n1\t0\t<s>\n2\t0\t</s>\n3\t-3\t" LOW "\n4\t-2\t" LOW
                              "ab\r\n5\t-4.5\ta\n6\t-4\tb\n7\t-9\tc\n8\t-3.25\t" LOW "fi\n"
                              "9\t-5\t\xc3\xa9\n10\t-5.0\tbc\n11\t-8\t" LOW "a\n12\t-6\tabc\n"
                              "13\t-7\t1\n14\t-20\tb"; /* b twice: the better counts */

static void test_encode_sentencepiece_finds_the_best_sum(void **state)
{
    mucmm__tokenizer *t = NULL;

    (void)state;
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_SENTENCEPIECE, unigram, NULL, &t));
    assert_int_equal(mucmm__tokenizer_size(t), 15);
    assert_null(mucmm__tokenizer_piece(t, 15));
    check_tokens(t, "", "");
    check_tokens(t, " \t ", "");
    check_tokens(t, "ab", LOW "ab@0:2");
    check_tokens(t, "  ab \n ab ", LOW "ab@2:4 " LOW "ab@7:9");
    /* _ abc: -3 - 6 = -9, before _ab c: -2 - 9 = -11 and _a bc: -8 - 5 = -13 */
    check_tokens(t, "abc", LOW "@0:0 abc@0:3");
    check_tokens(t, "aba", LOW "ab@0:2 a@2:3");
    /* NFKC: the ligature is two letters, e and an accent are one, a circled 1 is 1 */
    check_tokens(t, "\xef\xac\x81", LOW "fi@0:3");
    check_tokens(t, "ab e\xcc\x81\xe2\x91\xa0", LOW "ab@0:2 " LOW "@2:2 \xc3\xa9@3:6 1@6:9");
    /* characters without a piece are one unknown token; <s> in a text is no token */
    check_tokens(t, "ab xyz", LOW "ab@0:2 " LOW "@2:2 <unk>@3:6");
    check_tokens(t,
                 "ab\xe6\x97\xa5\xe6\x9c\xac"
                 "b",
                 LOW "ab@0:2 <unk>@2:8 b@8:9");
    check_tokens(t, "<s>", LOW "@0:0 <unk>@0:3");
    mucmm__tokenizer_free(t);
}

static const char words[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\n##a\naffable\n,\n!\nnaive\n"
    "\xe6\x97\xa5\n##\xe6\x97\xa5\n#\ni\n##i";

static void test_encode_wordpiece_takes_the_longest(void **state)
{
    mucmm__tokenizer *t = NULL;
    char text[160];

    (void)state;
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_WORDPIECE, words, NULL, &t));
    check_tokens(t, "", "[CLS]@0:0 [SEP]@0:0");
    check_tokens(t, "UNaffable", "[CLS]@0:0 un@0:2 ##aff@2:5 ##able@5:9 [SEP]@0:0");
    check_tokens(t, " affable,un!", "[CLS]@0:0 affable@1:8 ,@8:9 un@9:11 !@11:12 [SEP]@0:0");
    /* accents are dropped, composed or not, and belong to their letter */
    check_tokens(t, "Na\xc3\xafve nai\xcc\x88ve", "[CLS]@0:0 naive@0:6 naive@7:14 [SEP]@0:0");
    check_tokens(t, "uni\xcc\x88", "[CLS]@0:0 un@0:2 ##i@2:5 [SEP]@0:0");
    /* an ideograph is a word, a word with an unknown part is unknown, control characters go */
    check_tokens(t, "un\xe6\x97\xa5un", "[CLS]@0:0 un@0:2 \xe6\x97\xa5@2:5 un@5:7 [SEP]@0:0");
    check_tokens(t, "unx un", "[CLS]@0:0 [UNK]@0:3 un@4:6 [SEP]@0:0");
    check_tokens(t, "u\x07n\xe2\x80\x8b", "[CLS]@0:0 un@0:3 [SEP]@0:0");
    check_tokens(t, "##a", "[CLS]@0:0 #@0:1 #@1:2 [UNK]@2:3 [SEP]@0:0");
    memset(text, 'i', 101);
    text[101] = '\0';
    check_tokens(t, text, "[CLS]@0:0 [UNK]@0:101 [SEP]@0:0");
    mucmm__tokenizer_free(t);
}

/* Every byte as BPE writes it, then `more`, as a JSON object. */
static char *byte_vocabulary(const char *const *endings, size_t n_endings, const char *const *more)
{
    char *json = calloc(1, 65536), *p = json;
    int id = 0;

    *p++ = '{';
    for (size_t e = 0; e < n_endings; e++)
        for (int byte = 0, other = 256; byte < 256; byte++) {
            bool shown = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
            p +=
                sprintf(p, "\"\\u%04x%s\":%d,", (unsigned)(shown ? byte : other), endings[e], id++);
            other += !shown;
        }
    for (; *more; more++)
        p += sprintf(p, "\"%s\":%d%s", *more, id++, more[1] ? "," : "}");
    return json;
}

#define BLANK "\xc4\xa0" /* U+0120, how a blank is written */

static void test_encode_bpe_merges_in_order(void **state)
{
    static const char *const plain[] = {""}, *const both[] = {"", "</w>"};
    static const char *const gpt2[] = {"re", "ed", "red", BLANK "red", BLANK "r", NULL};
    static const char *const clip[] = {"re", "red</w>", "<|startoftext|>", "<|endoftext|>", NULL};
    char *json = byte_vocabulary(plain, 1, gpt2);
    mucmm__tokenizer *t = NULL;

    (void)state;
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_BPE, json,
                       "#version: 0.2\nr e\n" BLANK " r\nre d\ne d\n" BLANK " red\n", &t));
    check_tokens(t, "red red", "red@0:3 " BLANK "red@4:7");
    check_tokens(t, "Red", "R@0:1 ed@1:3");
    check_tokens(t, "red  12", "red@0:3 " BLANK "@3:3 " BLANK "@4:4 1@5:6 2@6:7");
    check_tokens(t, "red's", "red@0:3 '@3:4 s@4:5");
    check_tokens(t, "\xc3\xa9", "\xc3\x83@0:2 \xc2\xa9@0:2");
    mucmm__tokenizer_free(t);
    free(json);
    json = byte_vocabulary(both, 2, clip);
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_BPE, json, "r e\nre d</w>\n", &t));
    check_tokens(t, "RED  re d!",
                 "<|startoftext|>@0:0 red</w>@0:3 r@5:6 e</w>@6:7 d</w>@8:9 !</w>@9:10 "
                 "<|endoftext|>@0:0");
    mucmm__tokenizer_free(t);
    free(json);
}

static void test_encode_text_that_is_too_long(void **state)
{
    mucmm__tokenizer *t = NULL;
    int64_t ids[5], begin[5];
    float mask[5];
    mucmm__tokens k = {.ids = ids, .mask = mask, .begin = begin};
    char *large = calloc(1, (1 << 20) + 1);

    (void)state;
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_WORDPIECE, words, NULL, &t));
    check_message(ctx, mucmm__tokenizer_encode(ctx, t, "un un, un", 9, 5, false, &k), MUCMM_ESHAPE,
                  "6 tokens long, the encoder takes 5");
    CHECK_OK(ctx, mucmm__tokenizer_encode(ctx, t, "un un, un", 9, 5, true, &k));
    assert_true(k.truncated);
    assert_int_equal(k.n, 5);
    assert_memory_equal(ids, ((int64_t[]){2, 4, 4, 9, 3}), sizeof ids);
    CHECK_OK(ctx, mucmm__tokenizer_encode(ctx, t, "un", 2, 5, true, &k));
    assert_false(k.truncated);
    assert_memory_equal(ids, ((int64_t[]){2, 4, 3, 0, 0}), sizeof ids);
    assert_memory_equal(mask, ((float[]){1, 1, 1, 0, 0}), sizeof mask);
    check_message(ctx, mucmm__tokenizer_encode(ctx, t, "un", 2, 2, true, &k), MUCMM_EARG,
                  "must be above 2");
    check_message(ctx, mucmm__tokenizer_encode(ctx, t, large, (1 << 20) + 1, 5, true, &k),
                  MUCMM_ESHAPE, "1048577 bytes");
    mucmm__tokenizer_free(t);
    free(large);
}

static void test_encode_text_must_be_utf8(void **state)
{
    static const char *const bad[] = {"ab\xff", "ab\xc3", "ab\xed\xa0\x80", "ab\xc0\xaf",
                                      "ab\xf5\x80\x80\x80"};
    static const char *const plain[] = {""}, *const more[] = {"ab", NULL};
    char *json = byte_vocabulary(plain, 1, more);
    mucmm__tokenizer *t[3];
    int64_t ids[LENGTH];
    mucmm__tokens k = {.ids = ids};

    (void)state;
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_SENTENCEPIECE, unigram, NULL, &t[0]));
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_WORDPIECE, words, NULL, &t[1]));
    CHECK_OK(ctx, load(ctx, MUCMM__TOKENIZER_BPE, json, "a b\n", &t[2]));
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof bad / sizeof bad[0]; j++)
            check_message(
                ctx, mucmm__tokenizer_encode(ctx, t[i], bad[j], strlen(bad[j]), LENGTH, false, &k),
                MUCMM_EFORMAT, "not UTF-8 at byte 2");
        CHECK_OK(ctx, mucmm__tokenizer_encode(ctx, t[i], "a\0b", 3, LENGTH, false, &k));
        mucmm__tokenizer_free(t[i]);
    }
    free(json);
}

static void refuse_vocabulary(mucmm__tokenizer_kind kind, const char *vocabulary,
                              const char *merges, mucmm_status want, const char *fragment)
{
    mucmm__tokenizer *t = (mucmm__tokenizer *)&kind;

    check_message(ctx, load(ctx, kind, vocabulary, merges, &t), want, fragment);
    assert_null(t);
}

static void test_encode_bad_vocabularies_are_refused(void **state)
{
    static const char *const plain[] = {""}, *const more[] = {"ab", NULL};
    const mucmm__tokenizer_kind sp = MUCMM__TOKENIZER_SENTENCEPIECE,
                                wp = MUCMM__TOKENIZER_WORDPIECE, bpe = MUCMM__TOKENIZER_BPE;
    char *json = byte_vocabulary(plain, 1, more), large[400];

    (void)state;
    refuse_vocabulary(sp, "", NULL, MUCMM_EFORMAT, "without pieces");
    refuse_vocabulary(sp, "0\t0\t<unk>\n1 -2 a\n", NULL, MUCMM_EFORMAT, "vocab:2: a line is: id");
    refuse_vocabulary(sp, "0\t0\t<unk>\n1\t-2e\ta\n", NULL, MUCMM_EFORMAT, "vocab:2: a line");
    refuse_vocabulary(sp, "0\t0\t<unk>\n1\t-\ta\n", NULL, MUCMM_EFORMAT, "vocab:2: a line");
    refuse_vocabulary(sp, "0\t0\t<unk>\n1\t-1\t\n", NULL, MUCMM_EFORMAT, "vocab:2: a piece of 0");
    refuse_vocabulary(sp, "0\t0\t<unk>\n1\t-1\t\xff\n", NULL, MUCMM_EFORMAT,
                      "vocab:2: a piece that");
    refuse_vocabulary(sp, "0\t0\t<unk>\n2\t-1\ta\n", NULL, MUCMM_EFORMAT,
                      "vocab:2: id 2 of 'a'; the ids of 2 pieces are 0 to 1");
    refuse_vocabulary(sp, "0\t0\t<unk>\n0\t-1\ta\n", NULL, MUCMM_EFORMAT, "is also that of");
    refuse_vocabulary(sp, "0\t0\t<unk>\n1\t-1\ta\n2\t-1\ta\n", NULL, MUCMM_EFORMAT,
                      "vocab:3: the piece 'a' is there already");
    refuse_vocabulary(wp, "[UNK]\n[CLS]\nun\n", NULL, MUCMM_EFORMAT, "lacks [SEP]");
    refuse_vocabulary(wp, "[UNK]\n[CLS]\n\n[SEP]\n", NULL, MUCMM_EFORMAT, "vocab:3: a piece of 0");
    refuse_vocabulary(wp, "[UNK]\n[CLS]\na\n[SEP]\na\n", NULL, MUCMM_EFORMAT, "vocab:5:");
    memset(large, 'a', sizeof large);
    large[sizeof large - 1] = '\0';
    refuse_vocabulary(wp, large, NULL, MUCMM_EFORMAT, "vocab:1: a piece of 399 bytes");
    refuse_vocabulary(bpe, json, NULL, MUCMM_EARG, "needs its merges");
    refuse_vocabulary(bpe, "[1]", "a b\n", MUCMM_EFORMAT, "must be an object");
    refuse_vocabulary(bpe, "{", "a b\n", MUCMM_EFORMAT, "vocab:1:");
    refuse_vocabulary(bpe, "{\"a\": \"b\"}", "a b\n", MUCMM_EFORMAT, "'a' is not an integer");
    refuse_vocabulary(bpe, "{\"a\": 0, \"b\": 1, \"ab\": 2}", "a b\n", MUCMM_EFORMAT,
                      "which stands for byte 0");
    refuse_vocabulary(bpe, json, "a b\na c\n", MUCMM_EFORMAT, "merges:2: a line is two tokens");
    refuse_vocabulary(bpe, json, "a b\na b\n", MUCMM_EFORMAT, "there twice");
    refuse_vocabulary(bpe, json, "", MUCMM_EFORMAT, "no pairs");
    free(json);
}

/* The tokens that the reference outputs of the text encoder were computed from. */
static void test_encode_text_equals_the_reference(void **state)
{
    char path[1024];
    int64_t ids[32];
    mucmm__tokens k = {.ids = ids};
    mucmm__tokenizer_params p;
    mucmm__tokenizer *t = NULL;

    (void)state;
    shared_path(path, sizeof path, "data/encoders/use_lite_vocab.tsv");
    if (access(path, R_OK) != 0) {
        print_message("# skipped: %s is not there\n", path);
        skip();
    }
    mucmm__tokenizer_params_init(&p);
    CHECK_OK(ctx, mucmm__tokenizer_parse_kind(ctx, "sentencepiece", &p.kind));
    p.vocabulary = path;
    CHECK_OK(ctx, mucmm__tokenizer_load(ctx, &p, &t));
    assert_int_equal(mucmm__tokenizer_size(t), 8000);
    CHECK_OK(ctx, mucmm__tokenizer_encode(ctx, t, "red apple fruit", 15, 32, false, &k));
    assert_int_equal(k.n, 3);
    assert_memory_equal(ids, ((int64_t[]){1181, 5459, 3214, 0}), 4 * sizeof *ids);
    mucmm__tokenizer_free(t);
}

/* ---- memory, damage ---------------------------------------------------------------- */

typedef struct memory_case {
    buffer png, jpeg, wav;
    char *json;
} memory_case;

static mucmm_status use_pictures(mucmm_ctx *with, void *arg)
{
    memory_case *t = arg;
    mucmm__picture p = {0}, q = {0};
    mucmm__image_params params;
    float out[48];
    mucmm_status status = MUCMM_OK;

    mucmm__image_params_init(&params);
    params.height = params.width = 4;
    TRY(mucmm__picture_decode(with, "x", t->png.bytes, t->png.size, NULL, &p));
    TRY(mucmm__picture_decode(with, "x", t->jpeg.bytes, t->jpeg.size, NULL, &q));
    TRY(mucmm__image_prepare(with, &params, &p, out));
done:
    mucmm__picture_drop(&p);
    mucmm__picture_drop(&q);
    return status;
}

static mucmm_status use_sound(mucmm_ctx *with, void *arg)
{
    memory_case *t = arg;
    mucmm__sound s = {0};
    mucmm__audio_params params;
    float out[100];
    mucmm_status status = MUCMM_OK;

    mucmm__audio_params_init(&params);
    params.samples = 100;
    TRY(mucmm__sound_decode(with, "x", t->wav.bytes, t->wav.size, &s));
    TRY(mucmm__audio_prepare(with, &params, &s, out));
done:
    mucmm__sound_drop(&s);
    return status;
}

static mucmm_status use_tokenizer(mucmm_ctx *with, mucmm__tokenizer_kind kind,
                                  const char *vocabulary, const char *merges)
{
    mucmm__tokenizer *t = NULL;
    int64_t ids[LENGTH];
    mucmm__tokens k = {.ids = ids};
    mucmm_status status = load(with, kind, vocabulary, merges, &t);

    assert_true((status == MUCMM_OK) == (t != NULL));
    if (status == MUCMM_OK)
        status = mucmm__tokenizer_encode(with, t, "ab un, ab", 9, LENGTH, false, &k);
    mucmm__tokenizer_free(t);
    return status;
}

static mucmm_status use_text(mucmm_ctx *with, void *arg)
{
    memory_case *t = arg;
    mucmm_status status = MUCMM_OK;

    TRY(use_tokenizer(with, MUCMM__TOKENIZER_SENTENCEPIECE, unigram, NULL));
    TRY(use_tokenizer(with, MUCMM__TOKENIZER_WORDPIECE, words, NULL));
    TRY(use_tokenizer(with, MUCMM__TOKENIZER_BPE, t->json, "a b\n"));
done:
    return status;
}

static memory_case new_case(void)
{
    static const char *const plain[] = {""}, *const more[] = {"ab", NULL};
    memory_case t = {0};
    mucmm__picture p = smooth_picture();
    float *x = make_sine(3000, 44100);

    t.png = picture_png(&p, true);
    t.jpeg = make_jpeg(&p, 3, true, 6, true);
    t.wav = make_sound(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, x, 1500);
    t.json = byte_vocabulary(plain, 1, more);
    mucmm__picture_drop(&p);
    free(x);
    return t;
}

static void drop_case(memory_case *t)
{
    free(t->png.bytes);
    free(t->jpeg.bytes);
    free(t->wav.bytes);
    free(t->json);
}

static void test_encode_out_of_memory_leaks_nothing(void **state)
{
    memory_case t = new_case();

    (void)state;
    assert_true(sweep_out_of_memory(use_pictures, &t, 1000) > 10);
    assert_true(sweep_out_of_memory(use_sound, &t, 1000) > 2);
    assert_true(sweep_out_of_memory(use_text, &t, 1000) > 20);
    drop_case(&t);
}

static void test_encode_pictures_respect_max_alloc(void **state)
{
    memory_case t = new_case();
    mucmm_ctx_params p;
    mucmm_ctx *small;
    mucmm__picture picture;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.max_alloc = 100;
    assert_int_equal(mucmm_ctx_create(&p, &small), MUCMM_OK);
    assert_int_equal(mucmm__picture_decode(small, "x", t.png.bytes, t.png.size, NULL, &picture),
                     MUCMM_ENOMEM);
    assert_int_equal(mucmm__picture_decode(small, "x", t.jpeg.bytes, t.jpeg.size, NULL, &picture),
                     MUCMM_ENOMEM);
    mucmm_ctx_free(small);
    drop_case(&t);
}

static mucmm_status decode_picture(const unsigned char *bytes, size_t size)
{
    mucmm__picture p;
    mucmm_status status = mucmm__picture_decode(ctx, "x", bytes, size, NULL, &p);

    mucmm__picture_drop(&p);
    return status;
}

static mucmm_status decode_sound(const unsigned char *bytes, size_t size)
{
    mucmm__sound s;
    mucmm_status status = mucmm__sound_decode(ctx, "x", bytes, size, &s);

    mucmm__sound_drop(&s);
    return status;
}

/* Every prefix of the file is refused; every byte of it changed does no harm. */
static void damage(buffer b, mucmm_status (*run)(const unsigned char *bytes, size_t size))
{
    for (size_t k = 0; k < b.size; k++) {
        unsigned char *part = malloc(k + 1); /* its own block, so that reading on is noticed */
        memcpy(part, b.bytes, k);
        if (run(part, k) == MUCMM_OK)
            fail_msg("%d of %d bytes decode", (int)k, (int)b.size);
        free(part);
        for (int bit = 1; bit < 256; bit *= 8) {
            b.bytes[k] ^= (unsigned char)bit;
            run(b.bytes, b.size);
            b.bytes[k] ^= (unsigned char)bit;
        }
    }
    assert_int_equal(run(b.bytes, b.size), MUCMM_OK);
    free(b.bytes);
}

static void test_encode_damaged_files_do_no_harm(void **state)
{
    mucmm__picture p = smooth_picture();
    float *x = make_sine(600, 8000);

    (void)state;
    damage(picture_png(&p, true), decode_picture);
    damage(make_jpeg(&p, 3, false, 6, false), decode_picture);
    damage(make_jpeg(&p, 3, true, 3, true), decode_picture);
    damage(make_sound(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1, x, 600), decode_sound);
    damage(make_sound(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 8000, 1, x, 600), decode_sound);
    damage(make_sound(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 8000, 1, x, 600), decode_sound);
    mucmm__picture_drop(&p);
    free(x);
}

static int set_up(void **state)
{
    (void)state;
    ctx = new_ctx();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mucmm_ctx_free(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_png_of_every_kind_becomes_rgb),
        cmocka_unit_test(test_encode_transparent_pixels_lie_over_the_background),
        cmocka_unit_test(test_encode_jpeg_is_turned_upright),
        cmocka_unit_test(test_encode_bad_pictures_are_refused),
        cmocka_unit_test(test_encode_image_fits_as_pillow_does),
        cmocka_unit_test(test_encode_image_channels_layout_and_numbers),
        cmocka_unit_test(test_encode_image_rejects_bad_parameters),
        cmocka_unit_test(test_encode_image_equals_the_reference),
        cmocka_unit_test(test_encode_sound_of_every_format),
        cmocka_unit_test(test_encode_sound_is_the_mean_of_its_channels),
        cmocka_unit_test(test_encode_bad_sounds_are_refused),
        cmocka_unit_test(test_encode_audio_is_resampled_in_time),
        cmocka_unit_test(test_encode_audio_window_is_cut_or_filled),
        cmocka_unit_test(test_encode_sentencepiece_finds_the_best_sum),
        cmocka_unit_test(test_encode_wordpiece_takes_the_longest),
        cmocka_unit_test(test_encode_bpe_merges_in_order),
        cmocka_unit_test(test_encode_text_that_is_too_long),
        cmocka_unit_test(test_encode_text_must_be_utf8),
        cmocka_unit_test(test_encode_bad_vocabularies_are_refused),
        cmocka_unit_test(test_encode_text_equals_the_reference),
        cmocka_unit_test(test_encode_out_of_memory_leaks_nothing),
        cmocka_unit_test(test_encode_pictures_respect_max_alloc),
        cmocka_unit_test(test_encode_damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests_name("encode", tests, set_up, tear_down);
}
