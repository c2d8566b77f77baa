/* SPDX-License-Identifier: MIT
 *
 * Pixels: rectangles, lines and texts in a bitmap font. */
#include "present/canvas.h"

#include "present/font.h"

#include <string.h>

typedef struct font_def {
    const glyph *glyphs;
    int64_t ascent, height; /* of a line, in pixels */
} font_def;

static const font_def fonts[] = {
    [MUCMM__FONT_BODY] = {body_glyphs, 13, 17},
    [MUCMM__FONT_TITLE] = {title_glyphs, 18, 24},
};

static const char ellipsis[] = "...";

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

void mucmm__canvas_fill(mucmm__canvas *c, int64_t x, int64_t y, int64_t width, int64_t height,
                        const unsigned char rgb[3])
{
    int64_t x0 = clamp(x, 0, c->width), x1 = clamp(x + width, 0, c->width);
    int64_t y0 = clamp(y, 0, c->height), y1 = clamp(y + height, 0, c->height);

    for (int64_t v = y0; v < y1; v++)
        for (int64_t u = x0; u < x1; u++)
            for (int64_t i = 0; i < 3; i++)
                c->rgb[(v * c->width + u) * 3 + i] = rgb[i];
}

void mucmm__canvas_row(mucmm__canvas *c, int64_t x, int64_t y, const unsigned char *rgb, int64_t n,
                       int64_t zoom)
{
    unsigned char *out;

    if (x < 0 || y < 0 || y >= c->height || x + n * zoom > c->width)
        return;
    out = c->rgb + (y * c->width + x) * 3;
    if (zoom == 1)
        memcpy(out, rgb, (size_t)(3 * n));
    for (int64_t i = 0; i < n && zoom > 1; i++)
        for (int64_t k = 0; k < zoom; k++, out += 3)
            memcpy(out, rgb + 3 * i, 3);
}

void mucmm__canvas_frame(mucmm__canvas *c, int64_t x, int64_t y, int64_t width, int64_t height,
                         const unsigned char rgb[3])
{
    mucmm__canvas_fill(c, x, y, width, 1, rgb);
    mucmm__canvas_fill(c, x, y + height - 1, width, 1, rgb);
    mucmm__canvas_fill(c, x, y, 1, height, rgb);
    mucmm__canvas_fill(c, x + width - 1, y, 1, height, rgb);
}

/* ---- text -------------------------------------------------------------------------- */

int64_t mucmm__font_height(mucmm__font font)
{
    return fonts[font].height;
}

/* The character at *text, which moves behind it; 0 for what is not UTF-8. */
static unsigned next_character(const char **text)
{
    const unsigned char *c = (const unsigned char *)*text;
    int more = c[0] < 0xc0 ? 0 : c[0] < 0xe0 ? 1 : c[0] < 0xf0 ? 2 : 3, n = 0;
    unsigned value = more == 0 ? c[0] : c[0] & (0x3fu >> more);

    while (n < more && (c[1 + n] & 0xc0) == 0x80)
        value = value << 6 | (c[1 + n++] & 0x3f);
    *text += 1 + n;
    return n < more || (more == 0 && c[0] >= 0x80) ? 0 : value;
}

/* The glyph of the character at *text, which moves behind it. */
static const glyph *next_glyph(const font_def *font, const char **text)
{
    unsigned c = next_character(text);

    for (size_t i = 0; i < sizeof font_ranges / sizeof *font_ranges; i++)
        if (c >= font_ranges[i].first && c <= font_ranges[i].last)
            return &font->glyphs[font_ranges[i].at + c - font_ranges[i].first];
    return &font->glyphs['?' - ' '];
}

int64_t mucmm__text_width(mucmm__font font, const char *text)
{
    int64_t width = 0;

    while (*text)
        width += next_glyph(&fonts[font], &text)->advance;
    return width;
}

/* Mixes rgb into a pixel; coverage 0 to 15. */
static void blend(mucmm__canvas *c, int64_t x, int64_t y, const unsigned char rgb[3], int coverage)
{
    unsigned char *pixel;

    if (x < 0 || y < 0 || x >= c->width || y >= c->height)
        return;
    pixel = c->rgb + (y * c->width + x) * 3;
    for (int i = 0; i < 3; i++)
        pixel[i] = (unsigned char)((pixel[i] * (15 - coverage) + rgb[i] * coverage + 7) / 15);
}

static void draw_glyph(mucmm__canvas *c, const glyph *g, int64_t pen, int64_t baseline,
                       const unsigned char rgb[3])
{
    const char *digit = g->coverage;

    for (int y = 0; y < g->height; y++)
        for (int x = 0; x < g->width; x++, digit++)
            blend(c, pen + g->left + x, baseline - g->top + y, rgb,
                  *digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
}

/* Draws the characters that end at or before `limit`; returns where the pen is. */
static int64_t draw_text(mucmm__canvas *c, const font_def *font, int64_t pen, int64_t baseline,
                         int64_t limit, const unsigned char rgb[3], const char *text)
{
    while (*text) {
        const glyph *g = next_glyph(font, &text);

        if (pen + g->advance > limit)
            break;
        draw_glyph(c, g, pen, baseline, rgb);
        pen += g->advance;
    }
    return pen;
}

void mucmm__canvas_text(mucmm__canvas *c, mucmm__font font, mucmm__align align, int64_t x,
                        int64_t y, int64_t width, const unsigned char rgb[3], const char *text)
{
    const font_def *f = &fonts[font];
    int64_t need = mucmm__text_width(font, text), end = x + width, baseline = y + f->ascent;

    if (need > width) {
        int64_t kept = end - mucmm__text_width(font, ellipsis);

        x = draw_text(c, f, x, baseline, kept, rgb, text);
        text = ellipsis;
    } else if (align != MUCMM__LEFT) {
        x += align == MUCMM__CENTER ? (width - need) / 2 : width - need;
    }
    draw_text(c, f, x, baseline, end, rgb, text);
}
