/* SPDX-License-Identifier: MIT
 *
 * Rectangles, lines and texts: pixels and a bitmap font, or a vector page. */
#include "present/canvas.h"

#include "present/font.h"

#include <math.h>
#include <string.h>

typedef struct font_def {
    const glyph *glyphs;
    int64_t ascent, height; /* of a line, in pixels */
    double size;            /* of the same font, of any size, on a vector page */
} font_def;

static const font_def fonts[] = {
    [MUCMM__FONT_BODY] = {body_glyphs, 13, 17, 14},
    [MUCMM__FONT_TITLE] = {title_glyphs, 18, 24, 20},
};

/* ---- strokes ----------------------------------------------------------------------- */

struct mucmm__stroke {
    int64_t x, y, width, height;
    unsigned char rgb[3];
    mucmm__font font;
    mucmm__align align;
    char *text; /* NULL: a rectangle */
};

void mucmm__strokes_drop(mucmm__strokes *s)
{
    for (int64_t i = 0; i < s->n; i++)
        mucmm__free(s->list[i].text);
    mucmm__free(s->list);
    *s = (mucmm__strokes){0};
}

/* Takes over text. */
static void keep(mucmm__canvas *c, struct mucmm__stroke one, const char *text,
                 const unsigned char rgb[3])
{
    mucmm__strokes *s = c->strokes;
    struct mucmm__stroke *list = NULL;

    memcpy(one.rgb, rgb, 3);
    if (s->n == s->room) {
        int64_t room = 2 * s->room + 16;
        if (mucmm__alloc(c->ctx, room, sizeof *list, &list) == MUCMM_OK) {
            if (s->n > 0)
                memcpy(list, s->list, (size_t)s->n * sizeof *list);
            mucmm__free(s->list);
            s->list = list;
            s->room = room;
        }
    }
    if (s->n == s->room || (text && mucmm__strdup(c->ctx, text, &one.text) != MUCMM_OK))
        s->lost = true;
    else
        s->list[s->n++] = one;
}

void mucmm__canvas_strokes(mucmm__canvas *c, const mucmm__strokes *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        const struct mucmm__stroke *o = &s->list[i];
        if (o->text)
            mucmm__canvas_text(c, o->font, o->align, o->x, o->y, o->width, o->rgb, o->text);
        else
            mucmm__canvas_fill(c, o->x, o->y, o->width, o->height, o->rgb);
    }
}

/* ---- pixels ------------------------------------------------------------------------ */

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

    if (c->strokes)
        keep(c, (struct mucmm__stroke){.x = x, .y = y, .width = width, .height = height}, NULL,
             rgb);
    if (c->vector) {
        mucmm__vector_fill(c->vector, x, y, width, height, rgb);
        return;
    }
    for (int64_t v = y0; v < y1; v++)
        for (int64_t u = x0; u < x1; u++)
            for (int64_t i = 0; i < 3; i++)
                c->rgb[(v * c->width + u) * 3 + i] = rgb[i];
}

static void draw_row(mucmm__canvas *c, int64_t x, int64_t y, const unsigned char *rgb, int64_t n,
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

void mucmm__canvas_image(mucmm__canvas *c, int64_t x, int64_t y, const unsigned char *rgb,
                         int64_t rows, int64_t cols, int64_t zoom_x, int64_t zoom_y)
{
    if (c->vector) {
        mucmm__vector_image(c->vector, x, y, rgb, rows, cols, zoom_x, zoom_y);
        return;
    }
    for (int64_t i = 0; i < rows * zoom_y; i++)
        draw_row(c, x, y + i, rgb + i / zoom_y * cols * 3, cols, zoom_x);
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

void mucmm__canvas_disc(mucmm__canvas *c, int64_t x, int64_t y, double radius,
                        const unsigned char rgb[3])
{
    int64_t reach = (int64_t)ceil(radius);

    if (c->vector) {
        mucmm__vector_disc(c->vector, x, y, radius, rgb);
        return;
    }
    for (int64_t v = -reach; v <= reach; v++)
        for (int64_t u = -reach; u <= reach; u++) {
            double inside = radius + .5 - sqrt((double)(u * u + v * v));
            blend(c, x + u, y + v, rgb, (int)lround(15 * fmin(fmax(inside, 0), 1)));
        }
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

/* Bytes of text that end at or before `limit` pixels, and how many pixels they take. */
static size_t fitting(const font_def *font, const char *text, int64_t limit, int64_t *width)
{
    const char *at = text, *next = text;

    for (*width = 0; *next; at = next) {
        int64_t advance = next_glyph(font, &next)->advance;
        if (*width + advance > limit)
            break;
        *width += advance;
    }
    return (size_t)(at - text);
}

/* From x on, in width. */
static void place_text(mucmm__canvas *c, mucmm__font font, int64_t x, int64_t baseline,
                       int64_t width, const unsigned char rgb[3], const char *text)
{
    const font_def *f = &fonts[font];
    bool cut = mucmm__text_width(font, text) > width;
    int64_t dots = cut ? mucmm__text_width(font, ellipsis) : 0, used, pen;
    size_t n = fitting(f, text, width - dots, &used);

    if (c->vector) {
        mucmm__vector_text(c->vector, font == MUCMM__FONT_TITLE, f->size, x, baseline, used + dots,
                           rgb, text, n, cut ? ellipsis : "");
        return;
    }
    pen = draw_text(c, f, x, baseline, x + width - dots, rgb, text);
    if (cut)
        draw_text(c, f, pen, baseline, x + width, rgb, ellipsis);
}

void mucmm__canvas_text(mucmm__canvas *c, mucmm__font font, mucmm__align align, int64_t x,
                        int64_t y, int64_t width, const unsigned char rgb[3], const char *text)
{
    int64_t need = mucmm__text_width(font, text), left = need < width ? width - need : 0;

    if (c->strokes)
        keep(c,
             (struct mucmm__stroke){.x = x, .y = y, .width = width, .font = font, .align = align},
             text, rgb);
    left = align == MUCMM__LEFT ? 0 : align == MUCMM__CENTER ? left / 2 : left;
    place_text(c, font, x + left, y + fonts[font].ascent, width - left, rgb, text);
}
