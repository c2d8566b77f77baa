/* SPDX-License-Identifier: MIT
 *
 * Couplings of a model's report: the samples whose views agree most, two views side by side. */
#include "present/coupling.h"
#include "present/report_gallery.h"

#include <stdio.h>
#include <string.h>

enum { MOST_SAMPLES = 3, MOST_LABELS = 24, SPOTS = 32, FEW_SPOTS = 14, STEPS = 8 };

/* A side as the page has it: cells, which of a coupling they are. */
typedef struct shown_side {
    int64_t cell[MOST_LABELS]; /* of labels */
    char name[MOST_LABELS][MUCMM__NAME_SIZE];
    const char *label[MOST_LABELS];
    unsigned char *rgb;
    mucmm_report_side side;
} shown_side;

/* Labels: words in reading order, the strongest columns. */
static mucmm_status show_labels(const mucmm__page *p, const mucmm_coupling *c, int64_t i,
                                int32_t side, shown_side *s)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__coupling_pick(p->ctx, c, i, side, MOST_LABELS, s->cell, &s->side.n));
    for (int64_t a = 0; a < s->side.n; a++)
        s->label[a] = mucmm_coupling_cell(c, i, side, s->cell[a], s->name[a], sizeof s->name[a]);
    s->side.labels = s->label;
done:
    return status;
}

/* A picture finer than its spots; the spectrogram of a sound. */
static mucmm_status show_picture(const mucmm__page *p, const mucmm_coupling *c, int64_t i,
                                 int32_t side, shown_side *s)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_display_params look = mucmm__gallery_look();
    int64_t row = mucmm_coupling_rows(c)[i];
    mucmm_display *d = NULL;

    s->side.n = mucmm_coupling_cells(c, i, side, &s->side.rows, &s->side.cols);
    TRY(mucmm_display_of_values(p->ctx, p->view[mucmm_coupling_view(c, side)].data, &row, 1,
                                MUCMM_MAP_INTEGRATED_GRADIENTS, NULL, NULL, &look, &d));
    mucmm_display_cells(d, 0, &s->side.height, &s->side.width);
    TRY(mucmm__alloc(p->ctx, s->side.height * s->side.width, 3, &s->rgb));
    TRY(mucmm_display_picture(p->ctx, d, 0, s->rgb));
    s->side.rgb = s->rgb;
done:
    mucmm_display_free(d);
    return status;
}

static bool has_cells(const mucmm_coupling *c, int32_t side)
{
    mucmm_look look = mucmm_coupling_look(c, side);

    return look == MUCMM_LOOK_PICTURE || look == MUCMM_LOOK_SOUND;
}

/* values [n of first, n of second] of the cells that are shown. */
static mucmm_status take_values(const mucmm__page *p, const mucmm_coupling *c, int64_t i,
                                const shown_side s[2], float *values)
{
    mucmm_status status = MUCMM_OK;
    float *row = NULL;

    TRY(mucmm__alloc(p->ctx, mucmm_coupling_cells(c, i, 1, NULL, NULL), sizeof *row, &row));
    for (int64_t a = 0; a < s[0].side.n; a++) {
        TRY(mucmm_coupling_map(p->ctx, c, i, 0, s[0].side.labels ? s[0].cell[a] : a, row));
        for (int64_t b = 0; b < s[1].side.n; b++)
            values[a * s[1].side.n + b] = row[s[1].side.labels ? s[1].cell[b] : b];
    }
done:
    mucmm__free(row);
    return status;
}

static mucmm_status show_sample(const mucmm__page *p, const mucmm_coupling *c, int64_t i,
                                shown_side s[2])
{
    mucmm_status status = MUCMM_OK;
    char label[PAGE_LABEL], title[PAGE_LABEL + 64], caption[200];
    float *values = NULL, scale = 1;
    int64_t n;

    for (int32_t side = 0; side < 2; side++) {
        s[side].side.name = mucmm_coupling_name(c, side);
        TRY(has_cells(c, side) ? show_picture(p, c, i, side, &s[side])
                               : show_labels(p, c, i, side, &s[side]));
    }
    n = s[0].side.n * s[1].side.n;
    TRY(mucmm__alloc(p->ctx, n, sizeof *values, &values));
    TRY(take_values(p, c, i, s, values));
    TRY(mucmm_map_scale(p->ctx, values, n, &scale));
    snprintf(title, sizeof title, p->n_views > 2 ? "%s: %.3g of the score%s" : "%s: score %.3g%s",
             mucmm__page_label(p, mucmm_coupling_rows(c)[i], label), mucmm_coupling_scores(c)[i],
             mucmm__page_in_sample(p, mucmm_coupling_rows(c)[i]));
    TRY(mucmm_report_card(p->ctx, p->r, title));
    snprintf(caption, sizeof caption, "%s and %s", s[0].side.name, s[1].side.name);
    TRY(mucmm_report_coupling(p->ctx, p->r, caption,
                              (const mucmm_report_side[]){s[0].side, s[1].side}, values, scale));
done:
    mucmm__free(values);
    return status;
}

/* The params of a pair; training [2] is the caller's to free, also after a failure. */
static mucmm_status pair_params(const mucmm__page *p, const int32_t *view, mucmm_data **training,
                                mucmm_coupling_params *out)
{
    mucmm_status status = MUCMM_OK;
    bool pictures = true;
    mucmm_explain_params maps;

    mucmm_coupling_params_init(out);
    out->steps = STEPS;
    for (int side = 0; side < 2; side++) {
        mucmm__layout_kind kind = mucmm__layout_of_data(p->view[view[side]].data).kind;
        pictures = pictures && (kind == MUCMM__LAYOUT_PICTURE || kind == MUCMM__LAYOUT_TIME);
        mucmm__coupling_maps(out, p->view[view[side]].data, true, &maps);
        TRY(mucmm__gallery_training(p, view[side], &maps, &training[side]));
        out->training[side] = training[side];
    }
    out->side = pictures ? FEW_SPOTS : SPOTS;
done:
    return status;
}

static mucmm_status show_pair(const mucmm__page *p, int32_t a, int32_t b, const int64_t *rows,
                              int64_t n)
{
    mucmm_status status = MUCMM_OK;
    const int32_t view[2] = {a, b};
    mucmm_data *training[2] = {NULL, NULL};
    mucmm_coupling_params params;
    mucmm_coupling *c = NULL;
    shown_side *s = NULL;

    for (int side = 0; side < 2; side++)
        if (mucmm__gallery_nameless(p, view[side]))
            return mucmm__page_say(p, "%s and %s: the columns of %s have no names to point at.",
                                   p->view[a].name, p->view[b].name, p->view[view[side]].name);
    TRY(pair_params(p, view, training, &params));
    status = mucmm_coupling_create(p->ctx, p->m, p->view, p->n_views, a, b, rows, n, &params, &c);
    if (status == MUCMM_EUNSUPPORTED) {
        TRY(mucmm_report_text(p->ctx, p->r, p->ctx->message));
        goto done;
    }
    TRY(status);
    for (int64_t i = 0; i < n; i++) {
        if (!mucmm_coupling_has_matrix(c, i))
            continue;
        TRY(mucmm__alloc(p->ctx, 2, sizeof *s, &s));
        status = show_sample(p, c, i, s);
        for (int side = 0; side < 2; side++)
            mucmm__free(s[side].rgb);
        mucmm__free(s);
        s = NULL;
        TRY(status);
    }
done:
    mucmm_coupling_free(c);
    mucmm_data_free(training[0]);
    mucmm_data_free(training[1]);
    return status;
}

mucmm_status mucmm__report_coupling(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows[MOST_SAMPLES], n = p->shown < MOST_SAMPLES ? p->shown : MOST_SAMPLES;

    mucmm__gallery_extremes(mucmm_scores_common(p->scores), p->rows, 1, n, rows);
    for (int32_t a = 0; a < p->n_views; a++)
        for (int32_t b = a + 1; b < p->n_views; b++)
            TRY(show_pair(p, a, b, rows, n));
done:
    return status;
}
