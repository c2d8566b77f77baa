/* SPDX-License-Identifier: MIT
 *
 * An input as a sum (section 7 of docs/method.md):
 *   x = mean + common part + individual part + rest,
 * with the patterns of the common energy and of the individual score. For linear heads they are
 * the best linear predictions of x from its variates, and the three are uncorrelated. */
#include "parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_PARTS = MUCMM_SUMMAND_REST + 1, BARS = 10, BARS_WIDTH = 300, PANEL = 200 };

static const char *const part_captions[N_PARTS] = {"+ common part", "+ individual part", "+ rest"};

typedef struct parts {
    const mucmm_view *view;
    look look;
    const sample_list *samples;
    mucmm_parts *found;
    const float *mean;        /* [cols] */
    const float *difference;  /* [n, cols]: raw input less mean */
    const float *of[N_PARTS]; /* [n, cols] */
} parts;

static int compute(session *s, const mucmm_model *m, const inputs *in, int32_t view,
                   const mucmm_explain_params *usual, parts *p)
{
    mucmm_parts_params params;
    int code = 0;

    mucmm_parts_params_init(&params);
    params.representation = usual->representation;
    params.training = usual->training;
    TRY(check(s, mucmm_parts_create(s->ctx, m, in->views, in->n, view, p->samples->rows,
                                    p->samples->n, &params, &p->found)));
    p->mean = mucmm_parts_mean(p->found);
    p->difference = mucmm_parts_difference(p->found).data;
    for (int i = 0; i < N_PARTS; i++)
        p->of[i] = mucmm_parts_values(p->found, (mucmm_summand)i).data;
done:
    return code;
}

/* ---- files ------------------------------------------------------------------------- */

static int write_arrays(session *s, const parts *p, const int64_t *shape, int32_t rank,
                        output_dir *dir)
{
    int64_t whole[MUCMM_MAX_RANK] = {p->samples->n, p->look.cols};
    int32_t n = 2;
    int code = 0;

    if (rank < MUCMM_MAX_RANK) {
        memcpy(whole + 1, shape, (size_t)rank * sizeof *shape);
        n = rank + 1;
    }
    TRY(output_dir_file(dir, "%s.mean.npy", p->view->name));
    TRY(check(s, mucmm_npy_write(s->ctx, dir->full, p->mean, whole + 1, n - 1)));
    for (int i = 0; i < N_PARTS; i++) {
        TRY(output_dir_file(dir, "%s.%s.npy", p->view->name, mucmm_summand_text((mucmm_summand)i)));
        TRY(check(s, mucmm_npy_write(s->ctx, dir->full, p->of[i], whole, n)));
    }
done:
    return code;
}

static int new_sheet(session *s, const parts *p, int64_t sample, int64_t cols, int64_t height,
                     int64_t width, mucmm_sheet **out)
{
    char title[160];
    mucmm_sheet_params params;

    mucmm_sheet_params_init(&params);
    snprintf(title, sizeof title, "%s, sample %" PRId64, p->view->name, p->samples->rows[sample]);
    params.title = title;
    params.cols = cols;
    params.height = height;
    params.width = width;
    params.zoom = width < PANEL ? PANEL / width : 1;
    return check(s, mucmm_sheet_create(s->ctx, &params, out));
}

/* Input, mean, and the parts as maps of one scale. */
static int draw_picture(session *s, const parts *p, int64_t sample, float scale, mucmm_sheet **out)
{
    const look *l = &p->look;
    float *cells = NULL;
    unsigned char *rgb = NULL;
    int code = 0;

    TRY(allocate(&cells, l->rows * l->columns, sizeof *cells));
    mucmm_cmat map = {cells, l->rows, l->columns, l->columns};
    TRY(new_sheet(s, p, sample, 2 + N_PARTS, l->rows, l->columns, out));
    TRY(look_picture(s, l, p->samples->rows[sample], &rgb));
    TRY(check(s, mucmm_sheet_picture(s->ctx, *out, 0, 0, rgb, l->rows, l->columns, "input")));
    TRY(look_cells(l, p->mean, cells));
    TRY(check(s, mucmm_sheet_grey(s->ctx, *out, 1, 0, &map, l->lo, l->hi, "= mean")));
    for (int i = 0; i < N_PARTS; i++) {
        TRY(look_cells(l, p->of[i] + sample * l->cols, cells));
        TRY(check(s, mucmm_sheet_map(s->ctx, *out, 2 + i, 0, &map, scale, part_captions[i])));
    }
done:
    free(cells);
    free(rgb);
    return code;
}

static int draw_bars(session *s, const parts *p, int64_t sample, float scale, mucmm_sheet **out)
{
    int64_t at = sample * p->look.cols;
    bar_list bars;
    int code = 0;

    for (int i = -1; i < N_PARTS; i++) {
        bars_of(&p->look, (i < 0 ? p->difference : p->of[i]) + at, BARS, &bars);
        if (i < 0)
            TRY(new_sheet(s, p, sample, 1 + N_PARTS, 20 * (bars.n > 2 ? bars.n : 2) + 20,
                          BARS_WIDTH, out));
        TRY(check(s, mucmm_sheet_bars(s->ctx, *out, 1 + i, 0, bars.value, bars.shown, bars.n, scale,
                                      i < 0 ? "input less mean =" : part_captions[i])));
    }
done:
    return code;
}

static int draw(session *s, const parts *p, output_dir *dir)
{
    int64_t n = p->samples->n;
    bool picture = p->look.kind == LOOK_PICTURE;
    float scale = 0;
    int code = 0;

    for (int i = 0; i < N_PARTS; i++) {
        float one = picture ? map_scale(p->of[i], n * p->look.cols)
                            : largest_of(p->of[i], n * p->look.cols);
        if (one < 0)
            return EXIT_RUN;
        scale = fmaxf(scale, one);
    }
    if (!picture)
        scale = fmaxf(scale, largest_of(p->difference, n * p->look.cols));
    for (int64_t i = 0; i < n && code == 0; i++) {
        mucmm_sheet *sheet = NULL;
        code = picture ? draw_picture(s, p, i, scale, &sheet)
                       : draw_bars(s, p, i, scale > 0 ? scale : 1, &sheet);
        if (code == 0)
            code = output_dir_file(dir, "%s.parts.%" PRId64 ".png", p->view->name,
                                   p->samples->rows[i]);
        if (code == 0)
            code = check(s, mucmm_sheet_write_png(s->ctx, sheet, dir->full));
        mucmm_sheet_free(sheet);
    }
    return code;
}

int parts_write(session *s, const mucmm_model *m, const inputs *in, int32_t view, const look *l,
                const int64_t *shape, int32_t rank, const sample_list *samples,
                const mucmm_explain_params *usual, output_dir *dir)
{
    parts p = {.view = &in->views[view], .look = *l, .samples = samples};
    int code = 0;

    if (p.look.kind != LOOK_PICTURE)
        p.look.kind = LOOK_BARS;
    TRY(compute(s, m, in, view, usual, &p));
    p.look.lo = p.look.hi = p.mean[0];
    for (int64_t i = 0; i < samples->n * l->cols; i++) { /* grey: inputs and mean alike */
        float x = p.mean[i % l->cols] + p.difference[i];
        p.look.lo = fminf(p.look.lo, fminf(x, p.mean[i % l->cols]));
        p.look.hi = fmaxf(p.look.hi, fmaxf(x, p.mean[i % l->cols]));
    }
    TRY(write_arrays(s, &p, shape, rank, dir));
    TRY(draw(s, &p, dir));
done:
    mucmm_parts_free(p.found);
    return code;
}
