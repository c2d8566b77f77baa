/* SPDX-License-Identifier: MIT */
#include "explain/canvas.h"

#include "explain/font.h"

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

/* ---- text ------------------------------------------------------------------------- */

int64_t mucmm__font_height(mucmm__font font)
{
    return fonts[font].height;
}

/* Typographic characters for which ASCII has one that looks alike. */
static const struct {
    const char *utf8;
    char ascii;
} alike[] = {{"\xe2\x80\x98", '\''}, {"\xe2\x80\x99", '\''}, {"\xe2\x80\x9c", '"'},
             {"\xe2\x80\x9d", '"'},  {"\xe2\x80\x93", '-'},  {"\xe2\x80\x94", '-'},
             {"\xc2\xa0", ' '}};

static unsigned char ascii_alike(const char *text)
{
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++)
        if (strncmp(text, alike[i].utf8, strlen(alike[i].utf8)) == 0)
            return (unsigned char)alike[i].ascii;
    return (unsigned char)*text;
}

/* The glyph of the character at *text, which moves behind it. */
static const glyph *next_glyph(const font_def *font, const char **text)
{
    unsigned char c = ascii_alike(*text), first = (unsigned char)*(*text)++;

    while (first >= 0xc0 && ((unsigned char)**text & 0xc0) == 0x80)
        (*text)++;
    return &font->glyphs[c >= ' ' && c <= '~' ? c - ' ' : '?' - ' '];
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
