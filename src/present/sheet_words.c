/* SPDX-License-Identifier: MIT
 *
 * sheet_words.c - words in reading order on a sheet. A word is a box of two lines: the word on the
 * colour of its value, and the value. */
#include "present/sheet.h"

#include "core/palette.h"

#include <inttypes.h>

/* All in pixels. */
enum { PAD = MUCMM__SHEET_PAD, INSIDE = 5, GAP = 6, BOX_EDGE = 2, LINE_GAP = 8 };

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t box_height(void)
{
    return 2 * mucmm__font_height(MUCMM__FONT_BODY) + 2 * BOX_EDGE;
}

static int64_t box_width(const char *word, float value, int64_t most)
{
    char number[32];
    int64_t width;

    mucmm__sheet_number((double)value, number);
    width = max64(mucmm__text_width(MUCMM__FONT_BODY, word),
                  mucmm__text_width(MUCMM__FONT_BODY, number)) +
            2 * INSIDE;
    return width < most ? width : most;
}

/* Moves (*x, *y), where a box begins, to the next line if it has no room in this one. */
static void break_line(int64_t *x, int64_t *y, int64_t box, int64_t width)
{
    if (*x > PAD && *x + box > width - PAD) {
        *x = PAD;
        *y += box_height() + LINE_GAP;
    }
}

int64_t mucmm_sheet_words_height(const char *const *words, const float *values, int64_t n,
                                 int64_t width)
{
    int64_t x = PAD, y = PAD;

    for (int64_t i = 0; i < n; i++) {
        int64_t box = box_width(words[i], values[i], width - 2 * PAD);

        break_line(&x, &y, box, width);
        x += box + GAP;
    }
    return y + box_height() + PAD;
}

static void draw_word(mucmm__canvas *c, int64_t x, int64_t y, int64_t box, const char *word,
                      float value, float scale)
{
    int64_t line = mucmm__font_height(MUCMM__FONT_BODY);
    unsigned char color[3];
    char number[32];

    mucmm__map_color((double)(value / scale), NULL, color);
    bool dark = 0.3 * color[0] + 0.6 * color[1] + 0.1 * color[2] < 120;
    mucmm__canvas_fill(c, x, y, box, line + 2 * BOX_EDGE, color);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, x + INSIDE, y + BOX_EDGE,
                       box - 2 * INSIDE, dark ? mucmm__sheet_white : mucmm__sheet_ink, word);
    mucmm__sheet_number((double)value, number);
    mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__CENTER, x, y + line + 2 * BOX_EDGE, box,
                       mucmm__sheet_axis, number);
}

static void draw_words(mucmm__canvas *c, const char *const *words, const float *values, int64_t n,
                       float scale)
{
    int64_t x = PAD, y = PAD;

    mucmm__canvas_fill(c, 0, 0, c->width, c->height, mucmm__sheet_white);
    for (int64_t i = 0; i < n; i++) {
        int64_t box = box_width(words[i], values[i], c->width - 2 * PAD);

        break_line(&x, &y, box, c->width);
        if (y + box_height() > c->height) {
            mucmm__canvas_text(c, MUCMM__FONT_BODY, MUCMM__LEFT, PAD, y - LINE_GAP,
                               c->width - 2 * PAD, mucmm__sheet_axis, "...");
            return;
        }
        draw_word(c, x, y, box, words[i], values[i], scale);
        x += box + GAP;
    }
}

mucmm_status mucmm_sheet_words(mucmm_ctx *ctx, mucmm_sheet *s, int64_t col, int64_t row,
                               const char *const *words, const float *values, int64_t n,
                               float scale, const char *caption)
{
    mucmm_status status = MUCMM_OK;
    mucmm__panel p = {0};
    mucmm__canvas c;

    TRY(mucmm__sheet_place(ctx, s, col, row));
    TRY(mucmm__sheet_scale(ctx, scale));
    TRY(mucmm__sheet_named(ctx, "word", values, words, n));
    if (s->panel_width < MUCMM__SHEET_COLUMN || s->panel_height < box_height() + 2 * PAD)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "sheet: panels of %" PRId64 " x %" PRId64
                           " pixels; words need a height of %" PRId64 " and a width of %d",
                           s->panel_height, s->panel_width, box_height() + 2 * PAD,
                           MUCMM__SHEET_COLUMN);
    TRY(mucmm__panel_init(ctx, s->panel_height, s->panel_width, 1, caption, &p));
    p.scale = scale;
    c = mucmm__panel_canvas(ctx, &p);
    draw_words(&c, words, values, n, scale);
    TRY(mucmm__panel_swap(ctx, s, col, row, &p));
done:
    mucmm__panel_drop(&p);
    return status;
}
