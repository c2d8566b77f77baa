/* SPDX-License-Identifier: MIT
 *
 * Galleries of a model's report: samples with their maps for all views side by side. */
#include "present/report_gallery.h"

#include "present/display.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    SHOWN_SIDE = 120,
    SHOWN_BARS = 8,
    TRAINING_ROWS = 400,
    STEPS = 8,
    TABLE_STEPS = 32,
    MOST_NAMELESS = 12
};

mucmm_display_params mucmm__gallery_look(void)
{
    mucmm_display_params look;

    mucmm_display_params_init(&look);
    look.side = SHOWN_SIDE;
    return look;
}

mucmm_status mucmm__gallery_looks(const mucmm__page *p, int32_t v, mucmm_look *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_display_params params = mucmm__gallery_look();
    mucmm_display *d = NULL;

    TRY(mucmm_display_of_values(p->ctx, p->view[v].data, &(int64_t){0}, 1, MUCMM_MAP_PATTERN, NULL,
                                NULL, &params, &d));
    *out = mucmm_display_look(d);
done:
    mucmm_display_free(d);
    return status;
}

/* ---- maps of one view -------------------------------------------------------------- */

/* All training rows of a view; NULL: they are not known. */
static mucmm_status open_training(const mucmm__page *p, int32_t v, mucmm_data **out)
{
    const mucmm_views *given = p->params->training;
    const mucmm_view *list = given ? mucmm_views_list(given) : NULL;

    if (!given)
        return mucmm_views_training(p->ctx, p->views, p->view[v].name, out);
    for (int32_t i = 0; i < mucmm_views_count(given); i++)
        if (strcmp(list[i].name, p->view[v].name) == 0)
            return mucmm_data_subset(p->ctx, list[i].data, NULL, mucmm_data_rows(list[i].data),
                                     out);
    return MUCMM_OK;
}

mucmm_status mucmm__gallery_training(const mucmm__page *p, int32_t v,
                                     const mucmm_explain_params *params, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *all = NULL;
    int64_t rows[TRAINING_ROWS];

    *out = NULL;
    if (!mucmm_explain_takes_training(p->m, v, p->view[v].data, params))
        return MUCMM_OK;
    TRY(open_training(p, v, &all));
    if (!all)
        goto done;
    int64_t n = mucmm_data_rows(all), kept = n < TRAINING_ROWS ? n : TRAINING_ROWS;
    for (int64_t i = 0; i < kept; i++)
        rows[i] = i * n / kept;
    TRY(mucmm_data_subset(p->ctx, all, rows, kept, out));
done:
    mucmm_data_free(all);
    return status;
}

/* The maps of an explanation, ready to be drawn. */
static mucmm_status draw(const mucmm__page *p, const mucmm_explanation *e, mucmm_display **out)
{
    const mucmm_display_params look = mucmm__gallery_look();

    return mucmm_display_create(p->ctx, e, &look, out);
}

mucmm_status mucmm__gallery_maps(const mucmm__page *p, int32_t v, const int64_t *rows, int64_t n,
                                 const mucmm_explain_params *params, mucmm_display **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params own = *params;
    mucmm_explanation *e = NULL;
    mucmm_data *training = NULL;
    mucmm_look look;

    *out = NULL;
    own.map = p->params->map;
    own.steps = STEPS;
    TRY(mucmm__gallery_looks(p, v, &look));
    if (own.map == MUCMM_MAP_DEFAULT && look == MUCMM_LOOK_BARS) {
        own.steps = TABLE_STEPS;
        own.map = MUCMM_MAP_INTEGRATED_GRADIENTS; /* columns that add up */
        own.baseline = MUCMM_BASELINE_MEAN;
    }
    TRY(mucmm_explain_defaults(p->ctx, p->view[v].data, &own, &own));
    TRY(mucmm__gallery_training(p, v, &own, &training));
    own.training = training;
    TRY(mucmm_explanation_create(p->ctx, p->m, p->view, p->n_views, v, rows, n, &own, &e));
    status = draw(p, e, out);
    if (status == MUCMM_EUNSUPPORTED) { /* the inputs alone */
        const mucmm_display_params usual = mucmm__gallery_look();
        mucmm__warn(p->ctx, "%s", p->ctx->message);
        status = mucmm_display_of_values(p->ctx, p->view[v].data, rows, n, MUCMM_MAP_GRADIENT, NULL,
                                         NULL, &usual, out);
    }
    TRY(status);
done:
    mucmm_explanation_free(e);
    mucmm_data_free(training);
    return status;
}

/* ---- what stands for a row ---------------------------------------------------------- */

mucmm_status mucmm__gallery_shown(const mucmm__page *p, const mucmm_data *data, int64_t row,
                                  const char *line, bool small, bool *shown)
{
    mucmm_status status = MUCMM_OK;
    const char *text = mucmm_data_shown(data, row);
    unsigned char *rgb = NULL;
    int64_t height, width;
    char words[PAGE_LABEL + 512];

    *shown = text != NULL;
    TRY(mucmm_data_shown_picture(p->ctx, data, row, &height, &width, NULL));
    if (height > 0) {
        TRY(mucmm__alloc(p->ctx, 3 * height * width, 1, &rgb));
        TRY(mucmm_data_shown_picture(p->ctx, data, row, &height, &width, rgb));
        TRY(mucmm_report_picture(p->ctx, p->r, line, rgb, height, width, small));
    } else if (text) {
        snprintf(words, sizeof words, "%s: %s", line, text);
        TRY(mucmm_report_line(p->ctx, p->r, words));
    }
done:
    mucmm__free(rgb);
    return status;
}

/* ---- one view in a card ------------------------------------------------------------ */

static mucmm_status show_map(const mucmm__page *p, int32_t v, const mucmm_display *d, int64_t i,
                             const char *what)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows = 0, cols = 0;
    const float *cells = mucmm_display_cells(d, i, &rows, &cols);
    const mucmm_cmat map = {cells, rows, cols, cols};
    int32_t n_x = 0, n_y = 0;
    const mucmm_tick *x = mucmm_display_ticks(d, 0, &n_x), *y = mucmm_display_ticks(d, 1, &n_y);
    unsigned char *rgb = NULL;

    TRY(mucmm__alloc(p->ctx, 3 * rows * cols, 1, &rgb));
    TRY(mucmm_display_picture(p->ctx, d, i, rgb));
    if (n_x + n_y > 0)
        TRY(mucmm_report_ticks(p->ctx, p->r, rows, cols, x, n_x, y, n_y));
    TRY(mucmm_report_picture(p->ctx, p->r, p->view[v].name, rgb, rows, cols, 0));
    if (mucmm_display_has_map(d, i))
        TRY(mucmm_report_map(p->ctx, p->r, what, &map, mucmm_display_scale(d), rgb));
    if (n_x + n_y > 0)
        TRY(mucmm_report_ticks(p->ctx, p->r, 0, 0, NULL, 0, NULL, 0));
done:
    mucmm__free(rgb);
    return status;
}

bool mucmm__gallery_nameless(const mucmm__page *p, int32_t v)
{
    const mucmm_data *data = p->view[v].data;

    return mucmm_data_source_kind(data) == MUCMM_SOURCE_ROWS && !mucmm_data_description(data) &&
           mucmm__layout_of_data(data).kind == MUCMM__LAYOUT_COLUMNS &&
           mucmm_data_cols(data) > MOST_NAMELESS && !mucmm_data_column(data, 0);
}

/* Columns as bars, under what stands for the row; many that have no names say nothing. */
static mucmm_status show_bars(const mucmm__page *p, int32_t v, const mucmm_display *d, int64_t i,
                              const char *caption)
{
    mucmm_status status = MUCMM_OK;
    const char *const *labels = NULL, *name = p->view[v].name;
    const float *values = NULL;
    int64_t n = mucmm_display_labels(d, i, &labels, &values);
    char line[PAGE_LABEL];
    bool shown;

    TRY(mucmm__gallery_shown(p, d->data, i, name, false, &shown));
    if (!mucmm__gallery_nameless(p, v)) {
        TRY(mucmm_report_bars(p->ctx, p->r, caption, labels, values,
                              n < SHOWN_BARS ? n : SHOWN_BARS, mucmm_display_scale(d)));
    } else if (!shown) {
        snprintf(line, sizeof line, "%s: a row of %" PRId64 " numbers without names", name,
                 d->cols);
        TRY(mucmm_report_line(p->ctx, p->r, line));
    }
done:
    return status;
}

mucmm_status mucmm__gallery_show(const mucmm__page *p, int32_t v, const mucmm_display *d, int64_t i,
                                 const char *what)
{
    float scale = mucmm_display_scale(d);
    const char *const *labels = NULL;
    const float *values = NULL;
    int64_t n = mucmm_display_labels(d, i, &labels, &values);
    mucmm_status status = MUCMM_OK;
    int64_t rows = 0, cols = 0;
    char caption[256];

    mucmm_display_cells(d, i, &rows, &cols);
    snprintf(caption, sizeof caption, "%s: %s", p->view[v].name, what);
    if (!mucmm_display_has_map(d, i)) {
        snprintf(caption, sizeof caption, "%s: there is no map, for want of a gradient",
                 p->view[v].name);
        TRY(mucmm_report_line(p->ctx, p->r, caption));
        if (cols == 0)
            return MUCMM_OK;
    }
    switch (mucmm_display_look(d)) {
    case MUCMM_LOOK_WORDS:
        return mucmm_report_words(p->ctx, p->r, caption, labels, values, n, scale);
    case MUCMM_LOOK_BARS:
        if (d->adds_up)
            snprintf(caption, sizeof caption,
                     "%s: what each column adds to the %s score, from that of the mean row on",
                     p->view[v].name, what);
        return show_bars(p, v, d, i, caption);
    case MUCMM_LOOK_PICTURE:
    case MUCMM_LOOK_SOUND:
        break;
    }
    TRY(show_map(p, v, d, i, what));
done:
    return status;
}

/* ---- galleries --------------------------------------------------------------------- */

void mucmm__gallery_extremes(const double *x, int64_t rows, double sign, int64_t n, int64_t *out)
{
    int64_t found = 0;

    for (int64_t i = 0; i < rows; i++) {
        int64_t at = found < n ? found++ : n;
        for (; at > 0 && sign * x[i] > sign * x[out[at - 1]]; at--)
            if (at < n)
                out[at] = out[at - 1];
        if (at < n)
            out[at] = i;
    }
}

/* Samples of several galleries, with maps of every view that have one scale. */
typedef struct gallery {
    const int64_t *rows;
    mucmm_display *maps[MUCMM_MAX_VIEWS];
    const char *what; /* is shown */
} gallery;

/* params: the score; rows [n]. */
static mucmm_status gallery_fill(const mucmm__page *p, const mucmm_explain_params *params,
                                 int64_t n, gallery *g)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t v = 0; v < p->n_views; v++)
        TRY(mucmm__gallery_maps(p, v, g->rows, n, params, &g->maps[v]));
done:
    return status;
}

static void gallery_drop(gallery *g)
{
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        mucmm_display_free(g->maps[v]);
}

/* The samples from number `first` on, under a heading and a note. */
static mucmm_status gallery_show(const mucmm__page *p, const gallery *g, int64_t first,
                                 const double *score, const char *title, const char *note)
{
    mucmm_status status = MUCMM_OK;
    char label[PAGE_LABEL], card[PAGE_LABEL + 64];

    TRY(mucmm_report_heading(p->ctx, p->r, title));
    TRY(mucmm_report_text(p->ctx, p->r, note));
    for (int64_t i = first; i < first + p->shown; i++) {
        snprintf(card, sizeof card, "%s: score %.3g%s", mucmm__page_label(p, g->rows[i], label),
                 score[g->rows[i]], mucmm__page_in_sample(p, g->rows[i]));
        TRY(mucmm_report_card(p->ctx, p->r, card));
        for (int32_t v = 0; v < p->n_views; v++)
            TRY(mucmm__gallery_show(p, v, g->maps[v], i, g->what));
    }
done:
    return status;
}

static mucmm_status common_galleries(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    const double *score = mucmm_scores_common(p->scores);
    int64_t *rows = NULL, n = p->shown;
    gallery g = {.what = "common"};
    mucmm_explain_params params;

    mucmm_explain_params_init(&params);
    TRY(mucmm__alloc(p->ctx, 2 * n, sizeof *rows, &rows));
    g.rows = rows;
    mucmm__gallery_extremes(score, p->rows, 1, n, rows);
    mucmm__gallery_extremes(score, p->rows, -1, n, rows + n);
    TRY(gallery_fill(p, &params, 2 * n, &g));
    TRY(gallery_show(p, &g, 0, score, "Samples whose views agree most",
                     "The largest common scores. Shown in red and + is what makes the views agree; "
                     "blue, hatched and - is what speaks against it."));
    TRY(gallery_show(p, &g, n, score, "Samples whose views agree least",
                     "The smallest common scores: mismatched, mislabelled or unusual samples."));
done:
    gallery_drop(&g);
    mucmm__free(rows);
    return status;
}

static bool all_have_individual_parts(const mucmm__page *p)
{
    for (int32_t v = 0; v < p->n_views; v++)
        if (mucmm_model_individual(p->m, v) == 0)
            return false;
    return true;
}

static mucmm_status individual_galleries(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    int64_t *rows = NULL, n = p->shown;
    gallery g = {.what = "individual"};
    mucmm_explain_params params;
    char title[128];

    mucmm_explain_params_init(&params);
    params.score = MUCMM_SCORE_INDIVIDUAL;
    if (!all_have_individual_parts(p))
        return MUCMM_OK;
    TRY(mucmm__alloc(p->ctx, p->n_views * n, sizeof *rows, &rows));
    g.rows = rows;
    for (int32_t v = 0; v < p->n_views; v++)
        mucmm__gallery_extremes(mucmm_scores_individual(p->scores, v), p->rows, 1, n, rows + v * n);
    TRY(gallery_fill(p, &params, p->n_views * n, &g));
    for (int32_t v = 0; v < p->n_views; v++) {
        snprintf(title, sizeof title, "Most individual samples of %s", p->view[v].name);
        TRY(gallery_show(p, &g, v * n, mucmm_scores_individual(p->scores, v), title,
                         "The largest individual scores of this view. The maps show what is "
                         "individual in each view, with its own scale."));
    }
done:
    gallery_drop(&g);
    mucmm__free(rows);
    return status;
}

mucmm_status mucmm__report_samples(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;

    TRY(common_galleries(p));
    TRY(individual_galleries(p));
done:
    return status;
}
