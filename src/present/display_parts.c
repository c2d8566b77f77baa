/* SPDX-License-Identifier: MIT
 *
 * An input as a sum: sheets of the mean and the parts, as maps of one scale or as bars. */
#include "present/display_parts.h"

#include <math.h>

/* Pixels that a panel should have; bars at most. */
enum { PANEL_WIDTH = 200, BARS_WIDTH = 300, SHOWN_BARS = 10, N_PARTS = MUCMM__PARTS };

static const char *const captions[N_PARTS] = {"+ common part", "+ individual part", "+ rest"};

/* ---- from values to what is drawn -------------------------------------------------- */

/* Grey: inputs and mean alike. */
static void find_greys(mucmm_display *d, const float *mean, const float *difference)
{
    d->lo = d->hi = mean[0];
    for (int64_t i = 0; i < d->n * d->cols; i++) {
        float m = mean[i % d->cols], x = m + difference[i];
        d->lo = fminf(d->lo, fminf(x, m));
        d->hi = fmaxf(d->hi, fmaxf(x, m));
    }
}

static mucmm_status fill_cells(mucmm_ctx *ctx, mucmm_display *d, const mucmm_parts *parts)
{
    mucmm_status status = MUCMM_OK;
    mucmm__display_parts *p = d->parts;
    int64_t size = d->cell_rows * d->cell_cols;

    find_greys(d, mucmm_parts_mean(parts), mucmm_parts_difference(parts).data);
    TRY(mucmm__alloc(ctx, size, sizeof *p->mean, &p->mean));
    TRY(mucmm__picture_cells(ctx, d, mucmm_parts_mean(parts), p->mean));
    d->scale = 0;
    for (int k = 0; k < N_PARTS; k++) {
        const float *values = mucmm_parts_values(parts, (mucmm_summand)k).data;
        float scale;
        TRY(mucmm__alloc(ctx, d->n * size, sizeof *p->cells[k], &p->cells[k]));
        TRY(mucmm_map_scale(ctx, values, d->n * d->cols, &scale));
        d->scale = fmaxf(d->scale, scale);
        for (int64_t i = 0; i < d->n; i++)
            TRY(mucmm__picture_cells(ctx, d, values + i * d->cols, p->cells[k] + i * size));
    }
done:
    return status;
}

/* Input less mean, then the parts. */
static mucmm_status fill_bars(mucmm_ctx *ctx, mucmm_display *d, const mucmm_parts *parts)
{
    mucmm_status status = MUCMM_OK;
    mucmm__display_parts *p = d->parts;

    d->look = MUCMM_LOOK_BARS;
    d->cell_rows = d->cell_cols = 0;
    d->n_ticks[0] = d->n_ticks[1] = 0;
    d->scale = 0;
    for (int k = 0; k <= N_PARTS; k++) {
        mucmm_cmat x = k == 0 ? mucmm_parts_difference(parts)
                              : mucmm_parts_values(parts, (mucmm_summand)(k - 1));
        TRY(mucmm__alloc(ctx, d->n, sizeof *p->bars[k], &p->bars[k]));
        for (int64_t i = 0; i < d->n; i++)
            TRY(mucmm__bars_of(ctx, d, x.data + i * d->cols, SHOWN_BARS, &p->bars[k][i]));
        d->scale = fmaxf(d->scale, mucmm__largest(x.data, d->n * d->cols));
    }
    d->scale = d->scale > 0 ? d->scale : 1;
done:
    return status;
}

mucmm_status mucmm_display_of_parts(mucmm_ctx *ctx, const mucmm_parts *parts,
                                    const mucmm_display_params *params, mucmm_display **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_explanation *e = mucmm_parts_explanation(parts);
    const mucmm_model *m = mucmm_explanation_model(e);
    mucmm_display_params p;
    mucmm_display *d = NULL;

    *out = NULL;
    TRY(mucmm__display_params_take(ctx, params, &p));
    if (p.null)
        return mucmm__fail(ctx, MUCMM_EARG, "display: null models are for maps of an explanation");
    TRY(mucmm__alloc(ctx, 1, sizeof *d, &d));
    TRY(mucmm__display_start(ctx, mucmm_explanation_data(e), mucmm_explanation_rows(e),
                             mucmm_explanation_count(e), &p, d));
    TRY(mucmm__strdup(ctx, mucmm_model_view_name(m, mucmm_explanation_view(e)), &d->title));
    TRY(mucmm__alloc(ctx, 1, sizeof *d->parts, &d->parts));
    if (d->look == MUCMM_LOOK_PICTURE)
        TRY(fill_cells(ctx, d, parts));
    else
        TRY(fill_bars(ctx, d, parts));
    *out = d;
    d = NULL;
done:
    mucmm_display_free(d);
    return status;
}

/* ---- sheets ------------------------------------------------------------------------ */

/* Input, mean, and the parts as maps. */
static mucmm_status draw_pictures(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, mucmm_sheet *s)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows = d->cell_rows, cols = d->cell_cols;
    const mucmm_cmat mean = {d->parts->mean, rows, cols, cols};
    unsigned char *rgb = NULL;

    TRY(mucmm__alloc(ctx, 3 * rows * cols, 1, &rgb));
    TRY(mucmm_display_picture(ctx, d, i, rgb));
    TRY(mucmm_sheet_picture(ctx, s, 0, 0, rgb, rows, cols, "input"));
    TRY(mucmm_sheet_grey(ctx, s, 1, 0, &mean, d->lo, d->hi, "= mean"));
    for (int k = 0; k < N_PARTS; k++) {
        const mucmm_cmat map = {d->parts->cells[k] + i * rows * cols, rows, cols, cols};
        TRY(mucmm_sheet_map(ctx, s, 2 + k, 0, &map, d->scale, captions[k]));
    }
done:
    mucmm__free(rgb);
    return status;
}

static mucmm_status draw_bars(mucmm_ctx *ctx, const mucmm_display *d, int64_t i, mucmm_sheet *s)
{
    mucmm_status status = MUCMM_OK;

    for (int k = 0; k <= N_PARTS; k++) {
        const mucmm__labels *bars = &d->parts->bars[k][i];
        TRY(mucmm_sheet_bars(ctx, s, k, 0, bars->value, bars->shown, bars->n, d->scale,
                             k == 0 ? "input less mean =" : captions[k - 1]));
    }
done:
    return status;
}

mucmm_status mucmm__display_parts_sheet(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                        const char *title, mucmm_sheet **out)
{
    mucmm_status status = MUCMM_OK;
    bool picture = d->look == MUCMM_LOOK_PICTURE;
    int64_t n = picture ? 0 : d->parts->bars[0][i].n;
    mucmm_sheet_params p;

    mucmm_sheet_params_init(&p);
    p.title = title;
    p.cols = (picture ? 2 : 1) + N_PARTS;
    p.height = picture ? d->cell_rows : 20 * (n > 2 ? n : 2) + 20;
    p.width = picture ? d->cell_cols : BARS_WIDTH;
    p.zoom = p.width < PANEL_WIDTH ? PANEL_WIDTH / p.width : 1;
    TRY(mucmm_sheet_create(ctx, &p, out));
    TRY(picture ? draw_pictures(ctx, d, i, *out) : draw_bars(ctx, d, i, *out));
done:
    return status;
}
