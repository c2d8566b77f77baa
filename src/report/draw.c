/* SPDX-License-Identifier: MIT
 *
 * draw.c - what stands in a card: pictures, maps over pictures, shaded words, signed bars. */
#include "core/palette.h"
#include "report/report.h"

#include <inttypes.h>
#include <math.h>
#include <png.h>
#include <string.h>

enum { MAP_WIDTH = 112, HATCH = 5, MAX_SIDE = 4096 };

/* ---- pictures ---------------------------------------------------------------------- */

mucmm_status mucmm__page_base64(mucmm_ctx *ctx, mucmm__page_text *t, const unsigned char *bytes,
                                int64_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; i < n; i += 3) {
        uint32_t b = (uint32_t)bytes[i] << 16;
        b |= i + 1 < n ? (uint32_t)bytes[i + 1] << 8 : 0;
        b |= i + 2 < n ? bytes[i + 2] : 0;
        char four[4] = {digits[b >> 18], digits[b >> 12 & 63], digits[b >> 6 & 63], digits[b & 63]};
        if (i + 2 >= n)
            four[3] = '=';
        if (i + 1 >= n)
            four[2] = '=';
        TRY(mucmm__page_raw(ctx, t, four, 4));
    }
done:
    return status;
}

/* png_image_write_to_memory, once for the size and once for the bytes. */
static mucmm_status encode_png(mucmm_ctx *ctx, const unsigned char *rgb, int64_t height,
                               int64_t width, unsigned char **out, int64_t *size)
{
    mucmm_status status = MUCMM_OK;
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)width,
                       .height = (png_uint_32)height,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);

    TRY(mucmm__alloc(ctx, (int64_t)bytes, 1, out));
    if (!png_image_write_to_memory(&image, *out, &bytes, 0, rgb, 0, NULL))
        status = mucmm__fail(ctx, MUCMM_EBACKEND, "libpng: %s", image.message);
    png_image_free(&image);
    *size = (int64_t)bytes;
done:
    return status;
}

mucmm_status mucmm__page_png(mucmm_ctx *ctx, mucmm__page_text *t, const unsigned char *rgb,
                             int64_t height, int64_t width)
{
    mucmm_status status = MUCMM_OK;
    unsigned char *png = NULL;
    int64_t size = 0;

    TRY(encode_png(ctx, rgb, height, width, &png, &size));
    TRY(mucmm__page_markup(ctx, t, "data:image/png;base64,"));
    TRY(mucmm__page_base64(ctx, t, png, size));
done:
    mucmm__free(png);
    return status;
}

static mucmm_status figure(mucmm_ctx *ctx, mucmm_report *r, const char *caption, const char *alt,
                           const unsigned char *rgb, int64_t height, int64_t width, bool small)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_markup(ctx, &r->body, "<figure class=\"part%s\">",
                           small               ? " small"
                           : r->ticks.size > 0 ? " plot"
                                               : ""));
    if (r->ticks.size > 0 && !small) {
        TRY(mucmm__page_markup(ctx, &r->body, "<div class=\"axes\">"));
        TRY(mucmm__page_raw(ctx, &r->body, r->ticks.data, r->ticks.size));
    }
    TRY(mucmm__page_markup(ctx, &r->body, "<img alt=\"%s", alt));
    TRY(mucmm__page_escaped(ctx, &r->body, caption));
    TRY(mucmm__page_markup(ctx, &r->body, "\" src=\""));
    TRY(mucmm__page_png(ctx, &r->body, rgb, height, width));
    TRY(mucmm__page_markup(
        ctx, &r->body, r->ticks.size > 0 && !small ? "\"></div><figcaption>" : "\"><figcaption>"));
    TRY(mucmm__page_escaped(ctx, &r->body, caption));
    TRY(mucmm__page_markup(ctx, &r->body, "</figcaption></figure>\n"));
done:
    return status;
}

static mucmm_status check_size(mucmm_ctx *ctx, int64_t height, int64_t width)
{
    if (height < 1 || width < 1 || height > MAX_SIDE || width > MAX_SIDE)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "report: a picture of %" PRId64 " x %" PRId64
                           " pixels; from 1 to %d a side are possible",
                           height, width, MAX_SIDE);
    return MUCMM_OK;
}

mucmm_status mucmm_report_picture(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                  const unsigned char *rgb, int64_t height, int64_t width,
                                  int32_t small)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_in_card(ctx, r));
    TRY(check_size(ctx, height, width));
    TRY(figure(ctx, r, caption, "", rgb, height, width, small != 0));
done:
    return status;
}

static mucmm_status add_ticks(mucmm_ctx *ctx, mucmm_report *r, bool below, int64_t cells,
                              const mucmm_tick *ticks, int32_t n)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t i = 0; i < n; i++) {
        if (!ticks || !ticks[i].text || !(ticks[i].at >= 0 && ticks[i].at <= (double)cells))
            TRY(mucmm__fail(ctx, MUCMM_EARG,
                            "report: a mark needs a text and a place from 0 to %" PRId64, cells));
        TRY(mucmm__page_markup(ctx, &r->ticks, "<span class=\"%s\" style=\"%s:%.2f%%\">",
                               below ? "x" : "y", below ? "left" : "top",
                               100 * ticks[i].at / (double)cells));
        TRY(mucmm__page_escaped(ctx, &r->ticks, ticks[i].text));
        TRY(mucmm__page_markup(ctx, &r->ticks, "</span>"));
    }
done:
    return status;
}

mucmm_status mucmm_report_ticks(mucmm_ctx *ctx, mucmm_report *r, int64_t height, int64_t width,
                                const mucmm_tick *x, int32_t n_x, const mucmm_tick *y, int32_t n_y)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_in_card(ctx, r));
    r->ticks.size = 0;
    if (n_x <= 0 && n_y <= 0)
        return MUCMM_OK;
    TRY(check_size(ctx, height, width));
    TRY(add_ticks(ctx, r, true, width, x, n_x));
    TRY(add_ticks(ctx, r, false, height, y, n_y));
done:
    if (status != MUCMM_OK)
        r->ticks.size = 0;
    return status;
}

/* ---- maps -------------------------------------------------------------------------- */

/* Colour over the paled grey picture, the more the larger |t|, t = value / scale. Negative parts
 * are hatched, so that the sign is seen without colour. */

static void map_pixel(float value, float scale, const unsigned char *rgb, bool hatch,
                      unsigned char *out)
{
    static const unsigned char white[3] = {255, 255, 255};
    double t = (double)(value / scale);

    mucmm__map_color(t, rgb ? rgb : white, out);
    for (int i = 0; i < 3 && hatch && t < -0.15; i++)
        out[i] = (unsigned char)(out[i] * 0.55);
}

static mucmm_status check_map(mucmm_ctx *ctx, const mucmm_cmat *map, float scale)
{
    if (!(scale > 0) || !isfinite(scale))
        return mucmm__fail(ctx, MUCMM_EARG, "report: the scale must be above 0");
    for (int64_t i = 0; i < map->rows; i++)
        for (int64_t j = 0; j < map->cols; j++)
            if (!isfinite(map->data[i * map->stride + j]))
                return mucmm__fail(ctx, MUCMM_ENUMERIC,
                                   "report: the map has a value that is not finite at row %" PRId64
                                   ", column %" PRId64,
                                   i, j);
    return check_size(ctx, map->rows, map->cols);
}

mucmm_status mucmm_report_map(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                              const mucmm_cmat *map, float scale, const unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    unsigned char *pixels = NULL;

    TRY(mucmm__page_in_card(ctx, r));
    TRY(check_map(ctx, map, scale));
    int64_t longest = map->rows > map->cols ? map->rows : map->cols;
    int64_t zoom = longest < MAP_WIDTH ? MAP_WIDTH / longest : 1;
    int64_t height = zoom * map->rows, width = zoom * map->cols;
    TRY(mucmm__alloc(ctx, 3 * height * width, 1, &pixels));
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++) {
            int64_t i = y / zoom, j = x / zoom;
            map_pixel(map->data[i * map->stride + j], scale,
                      rgb ? rgb + 3 * (i * map->cols + j) : NULL, (x + y) % HATCH == 0,
                      pixels + 3 * (y * width + x));
        }
    TRY(figure(ctx, r, caption, "Map: ", pixels, height, width, false));
done:
    mucmm__free(pixels);
    return status;
}

/* ---- words and bars ---------------------------------------------------------------- */

static mucmm_status begin_part(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                               const char *kind, float scale)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_in_card(ctx, r));
    if (!(scale > 0) || !isfinite(scale))
        return mucmm__fail(ctx, MUCMM_EARG, "report: the scale must be above 0");
    TRY(mucmm__page_markup(ctx, &r->body, "<div class=\"part wide\"><div class=\"name\">"));
    TRY(mucmm__page_escaped(ctx, &r->body, caption));
    TRY(mucmm__page_markup(ctx, &r->body, "</div><div class=\"%s\">\n", kind));
done:
    return status;
}

static double length_of(float value, float scale)
{
    return isfinite(value) ? fmin(fabs((double)(value / scale)), 1) : 0;
}

mucmm_status mucmm_report_words(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                const char *const *words, const float *values, int64_t n,
                                float scale)
{
    mucmm_status status = MUCMM_OK;

    TRY(begin_part(ctx, r, caption, "words", scale));
    for (int64_t i = 0; i < n; i++) {
        double length = length_of(values[i], scale);
        const char *kind = length < 0.08 ? "" : values[i] > 0 ? "plus" : "minus";
        TRY(mucmm__page_markup(ctx, &r->body, "<span class=\"%s\" style=\"--a:%.2f\">", kind,
                               0.6 * length));
        TRY(mucmm__page_escaped(ctx, &r->body, words[i]));
        if (kind[0])
            TRY(mucmm__page_markup(ctx, &r->body, " <small>%+.2g</small>", (double)values[i]));
        TRY(mucmm__page_markup(ctx, &r->body, "</span>\n"));
    }
    TRY(mucmm__page_markup(ctx, &r->body, "</div></div>\n"));
done:
    return status;
}

mucmm_status mucmm_report_bars(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                               const char *const *names, const float *values, int64_t n,
                               float scale)
{
    mucmm_status status = MUCMM_OK;

    TRY(begin_part(ctx, r, caption, "bars", scale));
    for (int64_t i = 0; i < n; i++) {
        TRY(mucmm__page_markup(ctx, &r->body, "<div>"));
        TRY(mucmm__page_escaped(ctx, &r->body, names[i]));
        TRY(mucmm__page_markup(ctx, &r->body,
                               "</div><div class=\"axis\"><div class=\"fill %s\" "
                               "style=\"width:%.1f%%\"></div></div><div class=\"value\">%+.3g"
                               "</div>\n",
                               values[i] < 0 ? "minus" : "plus", 100 * length_of(values[i], scale),
                               (double)values[i]));
    }
    TRY(mucmm__page_markup(ctx, &r->body, "</div></div>\n"));
done:
    return status;
}
