/* SPDX-License-Identifier: MIT
 *
 * picture.c - PNG (libpng) and JPEG (libjpeg-turbo) in memory to 8-bit RGB. Both libraries leave an
 * error by longjmp: what must outlive it lies in a struct of the caller, which drops it. */
#include "io/io.h"

#include <inttypes.h>
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define MAX_SIDE 65535 /* JPEG's own limit */
#define MAX_PIXELS ((int64_t)64 << 20)
#define MAX_SCANS 256 /* a progressive JPEG of a few bytes a scan could keep us for hours */

static mucmm_status check_size(mucmm_ctx *ctx, const char *name, int64_t height, int64_t width)
{
    if (height < 1 || width < 1)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a picture without pixels", name);
    if (height > MAX_SIDE || width > MAX_SIDE || height * width > MAX_PIXELS)
        return mucmm__fail(ctx, MUCMM_EUNSUPPORTED,
                           "%s: a picture %" PRId64 " pixels wide and %" PRId64
                           " high; at most %d on a side and %" PRId64 " together are read",
                           name, width, height, MAX_SIDE, MAX_PIXELS);
    return MUCMM_OK;
}

/* ---- PNG --------------------------------------------------------------------------- */

typedef struct png_reader {
    mucmm_ctx *ctx;
    const char *name;
    const unsigned char *bytes;
    size_t size, at;
    png_structp png;
    png_infop info;
    char message[128];
} png_reader;

static void png_fail(png_structp png, png_const_charp text)
{
    png_reader *r = png_get_error_ptr(png);

    snprintf(r->message, sizeof r->message, "%s", text);
    png_longjmp(png, 1);
}

static void png_ignore(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void png_take(png_structp png, png_bytep out, size_t n)
{
    png_reader *r = png_get_io_ptr(png);

    if (n > r->size - r->at)
        png_error(png, "the file is cut off");
    memcpy(out, r->bytes + r->at, n);
    r->at += n;
}

/* Whatever the file holds comes out as 8-bit RGB or RGBA. */
static mucmm_status png_head(png_reader *r, mucmm__picture *out)
{
    png_structp png = r->png;

    png_set_user_limits(png, 0x7fffffff, 0x7fffffff); /* the size is checked below */
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 1 << 20);
    png_set_read_fn(png, r, png_take);
    png_read_info(png, r->info);
    out->height = png_get_image_height(png, r->info);
    out->width = png_get_image_width(png, r->info);
    png_set_expand(png); /* palette, grey of 1 to 4 bits, a transparent colour */
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    return check_size(r->ctx, r->name, out->height, out->width);
}

static void png_rows(png_reader *r, int passes, unsigned char *pixels, int64_t height)
{
    size_t row = png_get_rowbytes(r->png, r->info);

    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < height; y++)
            png_read_row(r->png, pixels + (size_t)y * row, NULL);
    png_read_end(r->png, NULL);
}

/* pixels [n, 4] becomes [n, 3] in place: each over the background. */
static void compose(unsigned char *pixels, int64_t n, const unsigned char background[3])
{
    for (int64_t i = 0; i < n; i++) {
        unsigned alpha = pixels[4 * i + 3];
        for (int c = 0; c < 3; c++)
            pixels[3 * i + c] =
                (unsigned char)((pixels[4 * i + c] * alpha + background[c] * (255 - alpha) + 127) /
                                255);
    }
}

static mucmm_status png_decode(png_reader *r, const unsigned char background[3],
                               mucmm__picture *out)
{
    mucmm_status status;
    int64_t channels;
    int passes;

    if (setjmp(png_jmpbuf(r->png)))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: a damaged PNG: %s", r->name, r->message);
    status = png_head(r, out);
    if (status != MUCMM_OK)
        return status;
    passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    channels = png_get_channels(r->png, r->info);
    status = mucmm__alloc(r->ctx, out->height * out->width * channels, 1, &out->rgb);
    if (status != MUCMM_OK)
        return status;
    png_rows(r, passes, out->rgb, out->height);
    if (channels == 4)
        compose(out->rgb, out->height * out->width, background);
    return MUCMM_OK;
}

static mucmm_status read_png(png_reader *r, const unsigned char background[3], mucmm__picture *out)
{
    mucmm_status status;

    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, png_fail, png_ignore);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (r->info)
        status = png_decode(r, background, out);
    else
        status = mucmm__fail(r->ctx, MUCMM_ENOMEM, "%s: out of memory in libpng", r->name);
    png_destroy_read_struct(&r->png, &r->info, NULL);
    return status;
}

/* ---- EXIF: how the camera was held ------------------------------------------------- */

static uint32_t exif_number(const unsigned char *p, int bytes, bool big)
{
    uint32_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | p[big ? i : bytes - 1 - i];
    return value;
}

/* 1..8 of tag 0x0112 in the first directory of an APP1 segment, 1 if there is none. */
static int exif_orientation(const unsigned char *p, size_t size)
{
    uint32_t at, entries;
    bool big;

    if (size < 14 || memcmp(p, "Exif\0\0", 6) != 0)
        return 1;
    p += 6;
    size -= 6;
    big = p[0] == 'M';
    at = exif_number(p + 4, 4, big);
    if (at > size - 2)
        return 1;
    entries = exif_number(p + at, 2, big);
    for (size_t e = at + 2; entries > 0 && e + 12 <= size; e += 12, entries--)
        if (exif_number(p + e, 2, big) == 0x0112) {
            uint32_t value = exif_number(p + e + 8, 2, big);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    return 1;
}

/* Makes the picture upright. Orientations 5 to 8 transpose; on the way the stored picture's rows
 * run upward in 3, 4, 6 and 7, its columns leftward in 2, 3, 7 and 8. */
static mucmm_status turn(mucmm_ctx *ctx, mucmm__picture *p, int orientation)
{
    static const bool rows_up[9] = {[3] = true, [4] = true, [6] = true, [7] = true};
    static const bool columns_left[9] = {[2] = true, [3] = true, [7] = true, [8] = true};
    bool transposed = orientation >= 5;
    int64_t height = transposed ? p->width : p->height, width = transposed ? p->height : p->width;
    unsigned char *rgb;
    mucmm_status status = mucmm__alloc(ctx, height * width * 3, 1, &rgb);

    if (status != MUCMM_OK)
        return status;
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            int64_t row = transposed ? x : y, column = transposed ? y : x;
            if (rows_up[orientation])
                row = p->height - 1 - row;
            if (columns_left[orientation])
                column = p->width - 1 - column;
            memcpy(rgb + 3 * (y * width + x), p->rgb + 3 * (row * p->width + column), 3);
        }
    mucmm__free(p->rgb);
    *p = (mucmm__picture){rgb, height, width};
    return MUCMM_OK;
}

/* ---- JPEG -------------------------------------------------------------------------- */

typedef struct jpeg_reader {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    mucmm_ctx *ctx;
    const char *name;
    bool out_of_memory;
    int orientation;
    char message[JMSG_LENGTH_MAX];
} jpeg_reader;

static void jpeg_fail(j_common_ptr c)
{
    jpeg_reader *r = c->client_data;

    r->out_of_memory = c->err->msg_code == JERR_OUT_OF_MEMORY;
    c->err->format_message(c, r->message);
    longjmp(r->jump, 1);
}

/* The library repairs what is missing and goes on; a picture that lacks a part is an error here. */
static void jpeg_warn(j_common_ptr c, int level)
{
    if (level >= 0)
        return;
    switch (c->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
        jpeg_fail(c);
    }
}

static void jpeg_scans(j_common_ptr c)
{
    jpeg_reader *r = c->client_data;

    if (c->is_decompressor && ((j_decompress_ptr)c)->input_scan_number > MAX_SCANS) {
        snprintf(r->message, sizeof r->message, "more than %d scans", MAX_SCANS);
        longjmp(r->jump, 1);
    }
}

static mucmm_status jpeg_head(jpeg_reader *r, const unsigned char *bytes, size_t size,
                              mucmm__picture *out)
{
    jpeg_create_decompress(&r->c);
    r->c.client_data = r;
    r->progress.progress_monitor = jpeg_scans;
    r->c.progress = &r->progress;
    jpeg_mem_src(&r->c, bytes, size);
    jpeg_save_markers(&r->c, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&r->c, TRUE);
    if (r->c.num_components == 4)
        return mucmm__fail(r->ctx, MUCMM_EUNSUPPORTED,
                           "%s: a JPEG in CMYK; convert it to RGB (sRGB) first", r->name);
    r->c.out_color_space = JCS_RGB;
    out->height = r->c.image_height;
    out->width = r->c.image_width;
    return check_size(r->ctx, r->name, out->height, out->width);
}

static int jpeg_orientation(const jpeg_reader *r)
{
    int found = 1;

    for (jpeg_saved_marker_ptr m = r->c.marker_list; m && found == 1; m = m->next)
        found = exif_orientation(m->data, m->data_length);
    return found;
}

static mucmm_status jpeg_decode(jpeg_reader *r, const unsigned char *bytes, size_t size,
                                mucmm__picture *out)
{
    mucmm_status status;

    if (setjmp(r->jump))
        return mucmm__fail(r->ctx, r->out_of_memory ? MUCMM_ENOMEM : MUCMM_EFORMAT,
                           "%s: a damaged JPEG: %s", r->name, r->message);
    status = jpeg_head(r, bytes, size, out);
    if (status != MUCMM_OK)
        return status;
    status = mucmm__alloc(r->ctx, out->height * out->width * 3, 1, &out->rgb);
    if (status != MUCMM_OK)
        return status;
    r->orientation = jpeg_orientation(r);
    jpeg_start_decompress(&r->c);
    while (r->c.output_scanline < r->c.output_height) {
        JSAMPROW row = out->rgb + (size_t)r->c.output_scanline * 3 * (size_t)out->width;
        jpeg_read_scanlines(&r->c, &row, 1);
    }
    jpeg_finish_decompress(&r->c);
    return MUCMM_OK;
}

static mucmm_status read_jpeg(jpeg_reader *r, const unsigned char *bytes, size_t size,
                              mucmm__picture *out)
{
    mucmm_status status;

    r->c.err = jpeg_std_error(&r->errors);
    r->c.client_data = r;
    r->errors.error_exit = jpeg_fail;
    r->errors.emit_message = jpeg_warn;
    status = jpeg_decode(r, bytes, size, out);
    jpeg_destroy_decompress(&r->c);
    return status == MUCMM_OK && r->orientation != 1 ? turn(r->ctx, out, r->orientation) : status;
}

/* ---- either ------------------------------------------------------------------------ */

/* What else it may be, for the message; NULL if unknown. */
static const char *format_name(const unsigned char *b, size_t size)
{
    static const struct {
        const char *name, *magic;
        size_t n, at;
    } others[] = {{"a GIF", "GIF8", 4, 0},       {"a WebP", "WEBP", 4, 8},
                  {"a BMP", "BM", 2, 0},         {"a TIFF", "II*", 4, 0},
                  {"a TIFF", "MM\0*", 4, 0},     {"an AVIF", "ftypavif", 8, 4},
                  {"an HEIC", "ftypheic", 8, 4}, {"an SVG", "<svg", 4, 0},
                  {"a PDF", "%PDF", 4, 0},       {"a PPM", "P6", 2, 0}};

    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
        if (others[k].at + others[k].n <= size &&
            memcmp(b + others[k].at, others[k].magic, others[k].n) == 0)
            return others[k].name;
    return NULL;
}

mucmm_status mucmm__picture_decode(mucmm_ctx *ctx, const char *name, const unsigned char *bytes,
                                   size_t size, const unsigned char background[3],
                                   mucmm__picture *out)
{
    static const unsigned char white[3] = {255, 255, 255};
    png_reader png = {.ctx = ctx, .name = name, .bytes = bytes, .size = size};
    jpeg_reader jpeg = {.ctx = ctx, .name = name};
    mucmm_status status;

    *out = (mucmm__picture){NULL, 0, 0};
    if (size == 0)
        return mucmm__fail(ctx, MUCMM_EFORMAT, "%s: an empty file, not a picture", name);
    if (size >= 8 && png_sig_cmp(bytes, 0, 8) == 0)
        status = read_png(&png, background ? background : white, out);
    else if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        status = read_jpeg(&jpeg, bytes, size, out);
    else {
        const char *other = format_name(bytes, size);
        status = mucmm__fail(ctx, other ? MUCMM_EUNSUPPORTED : MUCMM_EFORMAT,
                             "%s: %s%sneither PNG nor JPEG", name, other ? other : "",
                             other ? ", " : "");
    }
    if (status != MUCMM_OK)
        mucmm__picture_drop(out);
    return status;
}

void mucmm__picture_drop(mucmm__picture *p)
{
    mucmm__free(p->rgb);
    *p = (mucmm__picture){NULL, 0, 0};
}
