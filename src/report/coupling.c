/* SPDX-License-Identifier: MIT
 *
 * coupling.c - two views of a sample side by side: pointing at a word lights its spots, pointing at
 * a spot lights its words. page.js does that; without it, and in print, the maps stand below. */
#include "core/json.h"
#include "report/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { MOST_CELLS = 4096, MOST_NUMBERS = 1 << 20, STATIC_MAPS = 12 };

static bool is_grid(const mucmm_report_side *s)
{
    return !s->labels;
}

static mucmm_status check_side(mucmm_ctx *ctx, const mucmm_report_side *s)
{
    bool grid = is_grid(s);

    if (!s->name || s->n < 1 || s->n > MOST_CELLS)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "report: a side of a coupling has a name and 1 to %d cells", MOST_CELLS);
    if (grid && (!s->rgb || s->rows < 1 || s->cols < 1 || s->rows * s->cols != s->n ||
                 s->height < 1 || s->width < 1))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "report: a side of a coupling without labels has %" PRId64 " x %" PRId64
                           " cells over a picture, and %" PRId64 " values",
                           s->rows, s->cols, s->n);
    for (int64_t i = 0; !grid && i < s->n; i++)
        if (!s->labels[i])
            return mucmm__fail(ctx, MUCMM_EARG, "report: label %" PRId64 " of '%s' is NULL", i,
                               s->name);
    return MUCMM_OK;
}

static mucmm_status check_values(mucmm_ctx *ctx, const float *values, int64_t rows, int64_t cols,
                                 float scale)
{
    if (rows * cols > MOST_NUMBERS)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "report: a coupling of %" PRId64 " x %" PRId64
                           " cells; at most %d numbers fit on a page",
                           rows, cols, MOST_NUMBERS);
    if (!(scale > 0) || !isfinite(scale))
        return mucmm__fail(ctx, MUCMM_EARG, "report: the scale must be above 0");
    for (int64_t i = 0; i < rows * cols; i++)
        if (!isfinite(values[i]))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "report: the coupling has a value that is not finite, of cells "
                               "%" PRId64 " and %" PRId64,
                               i / cols, i % cols);
    return MUCMM_OK;
}

/* ---- what the script works on ------------------------------------------------------ */

/* Values as bytes 1 to 255, 128 is 0 and 255 the scale, in base64. */
static mucmm_status put_values(mucmm_ctx *ctx, mucmm_report *r, const float *values, int64_t n,
                               float scale)
{
    mucmm_status status = MUCMM_OK;
    unsigned char *bytes = NULL;

    TRY(mucmm__alloc(ctx, n, 1, &bytes));
    for (int64_t i = 0; i < n; i++) {
        double t = (double)(values[i] / scale);
        bytes[i] = (unsigned char)(128 + lround(127 * fmin(fmax(t, -1), 1)));
    }
    TRY(mucmm__page_base64(ctx, &r->body, bytes, n));
done:
    mucmm__free(bytes);
    return status;
}

/* Sums over the other side: what each cell adds. */
static json_t *totals(mucmm__json_build *b, const mucmm_report_side sides[2], const float *values,
                      int side)
{
    json_t *list = json_array();

    for (int64_t a = 0; a < sides[side].n; a++) {
        double sum = 0;
        for (int64_t x = 0; x < sides[1 - side].n; x++)
            sum += (double)(side == 0 ? values[a * sides[1].n + x] : values[x * sides[1].n + a]);
        mucmm__json_add(b, list, mucmm__json_real(sum));
    }
    return list;
}

static mucmm_status put_script(mucmm_ctx *ctx, mucmm_report *r, const mucmm_report_side sides[2],
                               const float *values, float scale)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {false};
    json_t *root = json_object(), *list = json_array();

    for (int i = 0; i < 2; i++) {
        json_t *side = json_object();
        mucmm__json_set(&b, side, "name", mucmm__json_string(sides[i].name));
        mucmm__json_set(&b, side, "rows", json_integer(is_grid(&sides[i]) ? sides[i].rows : 0));
        mucmm__json_set(&b, side, "cols", json_integer(is_grid(&sides[i]) ? sides[i].cols : 0));
        mucmm__json_set(&b, side, "totals", totals(&b, sides, values, i));
        mucmm__json_add(&b, list, side);
    }
    mucmm__json_set(&b, root, "scale", mucmm__json_real((double)scale));
    mucmm__json_set(&b, root, "sides", list);
    TRY(mucmm__json_done(ctx, &b, root));
    TRY(mucmm__page_markup(ctx, &r->body, "<script type=\"application/json\" class=\"about\">"));
    TRY(mucmm__page_json(ctx, &r->body, root));
    TRY(mucmm__page_markup(ctx, &r->body,
                           "</script>\n<script type=\"text/plain\" class=\"values\">"));
    TRY(put_values(ctx, r, values, sides[0].n * sides[1].n, scale));
    TRY(mucmm__page_markup(ctx, &r->body, "</script>\n"));
done:
    json_decref(root);
    return status;
}

/* ---- the two sides ----------------------------------------------------------------- */

static mucmm_status put_labels(mucmm_ctx *ctx, mucmm_report *r, const mucmm_report_side *s)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_markup(ctx, &r->body,
                           "<div class=\"side labels\" role=\"group\" aria-label=\""));
    TRY(mucmm__page_escaped(ctx, &r->body, s->name));
    TRY(mucmm__page_markup(ctx, &r->body, "\">"));
    for (int64_t i = 0; i < s->n; i++) {
        TRY(mucmm__page_markup(ctx, &r->body, "<button type=\"button\" aria-pressed=\"false\">"));
        TRY(mucmm__page_escaped(ctx, &r->body, s->labels[i]));
        TRY(mucmm__page_markup(ctx, &r->body, "</button>\n"));
    }
    TRY(mucmm__page_markup(ctx, &r->body, "</div>\n"));
done:
    return status;
}

static mucmm_status put_grid(mucmm_ctx *ctx, mucmm_report *r, const mucmm_report_side *s)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__page_markup(ctx, &r->body,
                           "<div class=\"side spots%s\" tabindex=\"0\" role=\"application\" "
                           "aria-roledescription=\"picture with spots\" aria-label=\"",
                           s->rows == 1 ? " long" : ""));
    TRY(mucmm__page_escaped(ctx, &r->body, s->name));
    TRY(mucmm__page_markup(ctx, &r->body,
                           ": arrow keys move from spot to spot\"><img alt=\"\" src=\""));
    TRY(mucmm__page_png(ctx, &r->body, s->rgb, s->height, s->width));
    TRY(mucmm__page_markup(ctx, &r->body, "\"><canvas aria-hidden=\"true\"></canvas></div>\n"));
done:
    return status;
}

/* ---- without a script, and in print ------------------------------------------------ */

/* Picture under a cell of a grid. */
static void sample_picture(const mucmm_report_side *s, unsigned char *rgb)
{
    for (int64_t i = 0; i < s->n; i++) {
        int64_t y = (2 * (i / s->cols) + 1) * s->height / (2 * s->rows);
        int64_t x = (2 * (i % s->cols) + 1) * s->width / (2 * s->cols);
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = s->rgb[3 * (y * s->width + x) + c];
    }
}

static void take_row(const mucmm_report_side sides[2], const float *values, int side, int64_t a,
                     float *row)
{
    for (int64_t x = 0; x < sides[1 - side].n; x++)
        row[x] = side == 0 ? values[a * sides[1].n + x] : values[x * sides[1].n + a];
}

/* Labels and a picture: the map of each label. Labels alone: those of the second for each of the
 * first. */
static mucmm_status put_static(mucmm_ctx *ctx, mucmm_report *r, const mucmm_report_side sides[2],
                               const float *values, float scale)
{
    mucmm_status status = MUCMM_OK;
    int side = is_grid(&sides[0]) && !is_grid(&sides[1]) ? 1 : 0;
    const mucmm_report_side *from = &sides[side], *to = &sides[1 - side];
    float *row = NULL;
    unsigned char *rgb = NULL;
    char caption[300];

    if (is_grid(from)) /* two pictures need a pointer */
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, to->n, sizeof *row, &row));
    TRY(mucmm__alloc(ctx, to->n, 3, &rgb));
    if (is_grid(to))
        sample_picture(to, rgb);
    for (int64_t a = 0; a < from->n && a < STATIC_MAPS; a++) {
        take_row(sides, values, side, a, row);
        snprintf(caption, sizeof caption, "%.250s", from->labels[a]);
        if (is_grid(to))
            TRY(mucmm_report_map(ctx, r, caption, &(mucmm_cmat){row, to->rows, to->cols, to->cols},
                                 scale, rgb));
        else
            TRY(mucmm_report_words(ctx, r, caption, to->labels, row, to->n, scale));
    }
done:
    mucmm__free(row);
    mucmm__free(rgb);
    return status;
}

mucmm_status mucmm_report_coupling(mucmm_ctx *ctx, mucmm_report *r, const char *caption,
                                   const mucmm_report_side sides[2], const float *values,
                                   float scale)
{
    mucmm_status status = MUCMM_OK;
    int64_t ticks = r->ticks.size;

    TRY(mucmm__page_in_card(ctx, r));
    for (int i = 0; i < 2; i++)
        TRY(check_side(ctx, &sides[i]));
    TRY(check_values(ctx, values, sides[0].n, sides[1].n, scale));
    TRY(mucmm__page_markup(ctx, &r->body,
                           "<div class=\"part wide coupling\"><div class=\"name\">"));
    TRY(mucmm__page_escaped(ctx, &r->body, caption));
    TRY(mucmm__page_markup(ctx, &r->body, "</div><div class=\"live\"><div class=\"sides\">\n"));
    for (int i = 0; i < 2; i++)
        TRY(is_grid(&sides[i]) ? put_grid(ctx, r, &sides[i]) : put_labels(ctx, r, &sides[i]));
    TRY(mucmm__page_markup(
        ctx, &r->body,
        "</div><p class=\"said\" role=\"status\" aria-live=\"polite\"></p></div>\n"));
    TRY(put_script(ctx, r, sides, values, scale));
    TRY(mucmm__page_markup(ctx, &r->body, "<div class=\"parts still\">\n"));
    r->ticks.size = 0; /* those of other pictures */
    TRY(put_static(ctx, r, sides, values, scale));
    TRY(mucmm__page_markup(ctx, &r->body, "</div></div>\n"));
done:
    r->ticks.size = ticks;
    return status;
}
