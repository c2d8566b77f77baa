/* SPDX-License-Identifier: MIT
 *
 * Vector pages: a thin layer over cairo, which writes the files. */
#include "present/vector.h"

#include "core/json.h"
#include "io/data.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Bytes of a line of text, at most. */
enum { LONGEST = 1024 };

struct mucmm__vector {
    mucmm_ctx *ctx;
    mucmm__writer *writer;
    mucmm_status status; /* of the first write that failed */
    cairo_surface_t *surface;
    cairo_t *cr;
    double x, y;
};

bool mucmm__vector_named(const char *path)
{
    return mucmm__ends_with(path, ".svg") || mucmm__ends_with(path, ".pdf");
}

/* n bytes of text, of which cairo takes no more than UTF-8: else '?'; control characters, which
 * have no shape and no place in XML, are spaces. */
static void take_text(char out[LONGEST], const char *text, size_t n)
{
    size_t used = 0;

    for (size_t i = 0, length; i < n && used + 8 < LONGEST; i += length) {
        unsigned char c = (unsigned char)text[i];
        length = mucmm__utf8_length((const unsigned char *)text + i, n - i);
        if (length > 1)
            memcpy(out + used, text + i, length);
        else
            out[used] = length == 0 ? '?' : c < 0x20 || c == 0x7f ? ' ' : text[i];
        length = length ? length : 1;
        used += length;
    }
    out[used] = '\0';
}

static cairo_status_t put(void *arg, const unsigned char *data, unsigned size)
{
    mucmm__vector *v = arg;

    if (v->status == MUCMM_OK)
        v->status = mucmm__writer_put(v->ctx, v->writer, data, size);
    return v->status == MUCMM_OK ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static mucmm_status cairo_failed(mucmm_ctx *ctx, cairo_status_t what)
{
    return mucmm__fail(ctx, what == CAIRO_STATUS_NO_MEMORY ? MUCMM_ENOMEM : MUCMM_EIO,
                       "figure: cairo says: %s", cairo_status_to_string(what));
}

/* No time of day in the file: the same figure has the same bytes. */
static void name_document(mucmm__vector *v, const char *title)
{
    char line[LONGEST];

    take_text(line, title ? title : "", title ? strlen(title) : 0);
    cairo_pdf_surface_set_metadata(v->surface, CAIRO_PDF_METADATA_TITLE, line);
    cairo_pdf_surface_set_metadata(v->surface, CAIRO_PDF_METADATA_CREATOR, "mucmm");
    cairo_pdf_surface_set_metadata(v->surface, CAIRO_PDF_METADATA_CREATE_DATE,
                                   "2000-01-01T00:00:00Z");
}

mucmm_status mucmm__vector_create(mucmm_ctx *ctx, bool pdf, int64_t width, int64_t height,
                                  const char *title, mucmm__writer *writer, mucmm__vector **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__vector *v = NULL;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *v, &v));
    v->ctx = ctx;
    v->writer = writer;
    v->surface = pdf ? cairo_pdf_surface_create_for_stream(put, v, (double)width, (double)height)
                     : cairo_svg_surface_create_for_stream(put, v, (double)width, (double)height);
    v->cr = cairo_create(v->surface);
    if (cairo_status(v->cr) != CAIRO_STATUS_SUCCESS)
        TRY(cairo_failed(ctx, cairo_status(v->cr)));
    if (pdf)
        name_document(v, title);
    else
        cairo_svg_surface_set_document_unit(v->surface, CAIRO_SVG_UNIT_PX);
    *out = v;
    v = NULL;
done:
    mucmm__vector_free(v);
    return status;
}

void mucmm__vector_free(mucmm__vector *v)
{
    if (!v)
        return;
    cairo_destroy(v->cr);
    cairo_surface_finish(v->surface);
    cairo_surface_destroy(v->surface);
    mucmm__free(v);
}

mucmm_status mucmm__vector_finish(mucmm_ctx *ctx, mucmm__vector *v)
{
    cairo_status_t drawn = cairo_status(v->cr), written;

    cairo_surface_finish(v->surface);
    written = cairo_surface_status(v->surface);
    if (v->status != MUCMM_OK)
        return v->status; /* whose message is there */
    if (drawn != CAIRO_STATUS_SUCCESS || written != CAIRO_STATUS_SUCCESS)
        return cairo_failed(ctx, drawn != CAIRO_STATUS_SUCCESS ? drawn : written);
    return MUCMM_OK;
}

void mucmm__vector_origin(mucmm__vector *v, int64_t x, int64_t y)
{
    v->x = (double)x;
    v->y = (double)y;
}

static void set_color(mucmm__vector *v, const unsigned char rgb[3])
{
    cairo_set_source_rgb(v->cr, rgb[0] / 255.0, rgb[1] / 255.0, rgb[2] / 255.0);
}

void mucmm__vector_fill(mucmm__vector *v, int64_t x, int64_t y, int64_t width, int64_t height,
                        const unsigned char rgb[3])
{
    if (width <= 0 || height <= 0)
        return;
    set_color(v, rgb);
    cairo_rectangle(v->cr, v->x + (double)x, v->y + (double)y, (double)width, (double)height);
    cairo_fill(v->cr);
}

void mucmm__vector_disc(mucmm__vector *v, int64_t x, int64_t y, double radius,
                        const unsigned char rgb[3])
{
    const double turn = 6.283185307179586;

    set_color(v, rgb);
    cairo_new_sub_path(v->cr);
    cairo_arc(v->cr, v->x + (double)x + .5, v->y + (double)y + .5, radius, 0, turn);
    cairo_fill(v->cr);
}

void mucmm__vector_image(mucmm__vector *v, int64_t x, int64_t y, const unsigned char *rgb,
                         int64_t rows, int64_t cols, int64_t zoom_x, int64_t zoom_y)
{
    cairo_surface_t *image = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)cols, (int)rows);
    unsigned char *data = cairo_image_surface_get_data(image);
    int64_t stride = cairo_image_surface_get_stride(image);

    for (int64_t i = 0; data && i < rows; i++)
        for (int64_t j = 0; j < cols; j++, rgb += 3) {
            uint32_t pixel = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
            memcpy(data + i * stride + 4 * j, &pixel, sizeof pixel);
        }
    cairo_surface_mark_dirty(image);
    cairo_save(v->cr);
    cairo_translate(v->cr, v->x + (double)x, v->y + (double)y);
    cairo_scale(v->cr, (double)zoom_x, (double)zoom_y);
    cairo_set_source_surface(v->cr, image, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(v->cr), CAIRO_FILTER_NEAREST);
    cairo_rectangle(v->cr, 0, 0, (double)cols, (double)rows);
    cairo_fill(v->cr);
    cairo_restore(v->cr);
    cairo_surface_destroy(image);
}

void mucmm__vector_text(mucmm__vector *v, bool bold, double size, int64_t x, int64_t baseline,
                        int64_t width, const unsigned char rgb[3], const char *text, size_t n,
                        const char *more)
{
    char line[LONGEST];
    cairo_text_extents_t e;
    double stretch;

    take_text(line, text, n);
    strncat(line, more, LONGEST - strlen(line) - 1);
    cairo_save(v->cr);
    set_color(v, rgb);
    cairo_select_font_face(v->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(v->cr, size);
    cairo_text_extents(v->cr, line, &e);
    /* where another font stands in, it takes the same room */
    stretch = e.x_advance > 0 ? fmin(fmax((double)width / e.x_advance, .7), 1.3) : 1;
    cairo_translate(v->cr, v->x + (double)x, v->y + (double)baseline);
    cairo_scale(v->cr, stretch, 1);
    cairo_move_to(v->cr, 0, 0);
    cairo_show_text(v->cr, line);
    cairo_restore(v->cr);
}

/* ---- names in an SVG --------------------------------------------------------------- */

/* The length of what is before the number of a name that begins at s, as in "image12 or "#image12;
 * 0: none does. */
static size_t name_length(const char *s, const char *end)
{
    static const char *const names[] = {"\"image", "\"#image", "\"surface", "\"#surface"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if ((size_t)(end - s) > n && memcmp(s, names[i], n) == 0 && s[n] >= '0' && s[n] <= '9')
            return n;
    }
    return 0;
}

static int64_t place_of(int64_t *known, int64_t *n, int64_t number)
{
    int64_t i = 0;

    while (i < *n && known[i] != number)
        i++;
    if (i == *n)
        known[(*n)++] = number;
    return i;
}

mucmm_status mucmm__vector_renumber(mucmm_ctx *ctx, char *svg, size_t *size)
{
    mucmm_status status = MUCMM_OK;
    const char *end = svg + *size;
    int64_t *known = NULL, n = 0, most = 1;
    char *out = svg, number[24];

    for (const char *s = svg; s < end; s++)
        most += *s == '"' && name_length(s, end) > 0;
    TRY(mucmm__alloc(ctx, most, sizeof *known, &known));
    for (const char *s = svg; s < end;) {
        size_t name = *s == '"' ? name_length(s, end) : 0;
        int64_t value = 0;

        memmove(out, s, name ? name : 1);
        out += name ? name : 1;
        s += name ? name : 1;
        if (name == 0)
            continue;
        for (; s < end && *s >= '0' && *s <= '9'; s++)
            value = value * 10 + (*s - '0');
        snprintf(number, sizeof number, "%" PRId64, place_of(known, &n, value));
        memcpy(out, number, strlen(number));
        out += strlen(number);
    }
    *size = (size_t)(out - svg);
done:
    mucmm__free(known);
    return status;
}
