/* SPDX-License-Identifier: MIT
 *
 * Components of a model's report: the samples at both ends of each, and what makes it in each
 * view. */
#include "present/report_gallery.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_COMPONENTS = 8, SHOWN_ENDS = 4 };

/* Mean over the views of the common variates, by component: out [k, n]. */
static mucmm_status mean_variates(const mucmm__page *p, double *out)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = p->rows, k = mucmm_model_common(p->m);
    float *c = NULL;

    TRY(mucmm__alloc(p->ctx, n * k, sizeof *c, &c));
    for (int32_t v = 0; v < p->n_views; v++) {
        TRY(mucmm_transform(p->ctx, p->m, MUCMM_HEADS, v, p->view[v].data, &(mucmm_mat){c, n, k, k},
                            NULL));
        for (int64_t i = 0; i < n * k; i++)
            out[i % k * n + i / k] += (double)c[i] / p->n_views;
    }
done:
    mucmm__free(c);
    return status;
}

/* ---- the ends ---------------------------------------------------------------------- */

/* The first view of `row` that is a picture, or has one that stands for it, as a thumbnail; or the
 * text that does. *shown false: there is none. */
static mucmm_status show_thumbnail(const mucmm__page *p, int64_t row, const char *line, bool *shown)
{
    mucmm_status status = MUCMM_OK;
    mucmm_display_params look = mucmm__gallery_look();
    mucmm_display *d = NULL;
    unsigned char *rgb = NULL;

    *shown = false;
    for (int32_t v = 0; v < p->n_views && !*shown; v++) {
        int64_t rows = 0, cols = 0;
        mucmm_display_free(d);
        TRY(mucmm_display_of_values(p->ctx, p->view[v].data, &row, 1, MUCMM_MAP_GRADIENT, NULL,
                                    NULL, &look, &d));
        if (mucmm_display_look(d) != MUCMM_LOOK_PICTURE) {
            TRY(mucmm__gallery_shown(p, p->view[v].data, row, line, true, shown));
            continue;
        }
        mucmm_display_cells(d, 0, &rows, &cols);
        TRY(mucmm__alloc(p->ctx, 3 * rows * cols, 1, &rgb));
        TRY(mucmm_display_picture(p->ctx, d, 0, rgb));
        TRY(mucmm_report_picture(p->ctx, p->r, line, rgb, rows, cols, 1));
        *shown = true;
    }
done:
    mucmm_display_free(d);
    mucmm__free(rgb);
    return status;
}

static mucmm_status show_end(const mucmm__page *p, const double *c, double sign)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows[SHOWN_ENDS], n = p->rows < SHOWN_ENDS ? p->rows : SHOWN_ENDS;
    char label[PAGE_LABEL], line[PAGE_LABEL + 64];

    mucmm__gallery_extremes(c, p->rows, sign, n, rows);
    TRY(mucmm_report_line(p->ctx, p->r, sign > 0 ? "+ end" : "- end"));
    for (int64_t i = 0; i < n; i++) {
        bool shown;
        snprintf(line, sizeof line, "%s (%+.2f%s)", mucmm__page_label(p, rows[i], label),
                 c[rows[i]], mucmm__page_in_sample(p, rows[i]));
        TRY(show_thumbnail(p, rows[i], line, &shown));
        if (!shown)
            TRY(mucmm_report_line(p->ctx, p->r, line));
    }
done:
    return status;
}

/* ---- maps -------------------------------------------------------------------------- */

/* The components shown, what makes them in each view at the sample at their + end, and which that
 * is. */
typedef struct component_maps {
    int64_t n, row[SHOWN_COMPONENTS];
    mucmm_display *maps[SHOWN_COMPONENTS][MUCMM_MAX_VIEWS];
} component_maps;

static mucmm_explain_params component_params(int64_t component)
{
    mucmm_explain_params params;

    mucmm_explain_params_init(&params);
    params.score = MUCMM_SCORE_COMMON_COMPONENT;
    params.component = component;
    return params;
}

/* All components of a view in one pass over the training rows. */
static mucmm_status compute_patterns(const mucmm__page *p, int32_t v, component_maps *all)
{
    mucmm_status status = MUCMM_OK;
    int64_t cols = mucmm_data_raw_cols(p->view[v].data);
    mucmm_display_params look = mucmm__gallery_look();
    mucmm_explain_params params = component_params(0);
    mucmm_explanation *e = NULL;
    mucmm_data *training = NULL;
    int64_t components[SHOWN_COMPONENTS];
    float *maps = NULL;

    for (int64_t j = 0; j < all->n; j++)
        components[j] = j;
    params.map = MUCMM_MAP_PATTERN;
    TRY(mucmm__gallery_training(p, v, &params, &training));
    params.training = training;
    TRY(mucmm_explanation_create(p->ctx, p->m, p->view, p->n_views, v, &all->row[0], 1, &params,
                                 &e));
    TRY(mucmm__alloc(p->ctx, all->n * cols, sizeof *maps, &maps));
    TRY(mucmm_explanation_components(p->ctx, e, all->n, components, maps));
    for (int64_t j = 0; j < all->n; j++)
        TRY(mucmm_display_of_values(p->ctx, p->view[v].data, &all->row[j], 1, MUCMM_MAP_PATTERN,
                                    &(mucmm_cmat){maps + j * cols, 1, cols, cols}, NULL, &look,
                                    &all->maps[j][v]));
done:
    mucmm__free(maps);
    mucmm_explanation_free(e);
    mucmm_data_free(training);
    return status;
}

/* A component is of the data, not of one sample: what goes with it, where a pattern can be read. */
static mucmm_status has_patterns(const mucmm__page *p, int32_t v, bool *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_look look;

    TRY(mucmm__gallery_looks(p, v, &look));
    *out = p->params->map == MUCMM_MAP_DEFAULT &&
           (look == MUCMM_LOOK_PICTURE || look == MUCMM_LOOK_BARS);
done:
    return status;
}

static mucmm_status compute_components(const mucmm__page *p, component_maps *all)
{
    mucmm_status status = MUCMM_OK;

    for (int32_t v = 0; v < p->n_views; v++) {
        bool patterns = false;
        TRY(has_patterns(p, v, &patterns));
        if (patterns)
            TRY(compute_patterns(p, v, all));
        for (int64_t j = 0; j < all->n && !patterns; j++) {
            mucmm_explain_params params = component_params(j);
            TRY(mucmm__gallery_maps(p, v, &all->row[j], 1, &params, &all->maps[j][v]));
        }
    }
done:
    return status;
}

static void component_maps_free(component_maps *all)
{
    for (int64_t j = 0; all && j < all->n; j++)
        for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
            mucmm_display_free(all->maps[j][v]);
    mucmm__free(all);
}

/* ---- the section ------------------------------------------------------------------- */

static mucmm_status open_card(const mucmm__page *p, int64_t j)
{
    const mucmm_stability *stable = mucmm_model_stability(p->m, MUCMM_HEADS);
    bool lost = stable && !stable->comes_back[j];
    const char *of = mucmm__page_cross_fitted(p) ? ", cross-fitted"
                     : p->held_out               ? " on the held-out rows"
                     : p->fitted > 0             ? " on the new rows"
                                                 : "";
    char title[200], known[40], yardstick[32] = "", tested[64] = "", text[MUCMM_P_TEXT];

    if (isfinite(p->heads->correlations[j]))
        snprintf(known, sizeof known, "correlation %.2f", p->heads->correlations[j]);
    else
        snprintf(known, sizeof known, "correlation not known");
    if (p->trained && isfinite(p->linear->correlations[j]))
        snprintf(yardstick, sizeof yardstick, " (linear %.2f)", p->linear->correlations[j]);
    if (isfinite(p->heads->p_values[j]))
        snprintf(tested, sizeof tested, ", p %s",
                 mucmm_p_text(p->heads->p_values[j], p->heads->permutations, text));
    snprintf(title, sizeof title, "Component %" PRId64 ": %s%s%s%s%s%s", j, known, yardstick, of,
             tested, p->heads->harmonic[j] >= MUCMM_HARMONIC_R2 ? ", a harmonic" : "",
             lost ? ", does not come back" : "");
    return mucmm_report_card(p->ctx, p->r, title);
}

/* c [rows]: the component's variates. */
static mucmm_status show_component(const mucmm__page *p, int64_t j, const double *c,
                                   const component_maps *all)
{
    mucmm_status status = MUCMM_OK;

    TRY(open_card(p, j));
    TRY(show_end(p, c, 1));
    TRY(show_end(p, c, -1));
    TRY(mucmm_report_line(p->ctx, p->r, "At the + end: red and + goes up with the component"));
    for (int32_t v = 0; v < p->n_views; v++)
        TRY(mucmm__gallery_show(p, v, all->maps[j][v], 0, "what goes with it"));
done:
    return status;
}

mucmm_status mucmm__report_components(const mucmm__page *p)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = p->rows, k = mucmm_model_common(p->m);
    component_maps *all = NULL;
    double *c = NULL;

    TRY(mucmm__alloc(p->ctx, n * k, sizeof *c, &c));
    TRY(mucmm__alloc(p->ctx, 1, sizeof *all, &all));
    TRY(mean_variates(p, c));
    all->n = k < SHOWN_COMPONENTS ? k : SHOWN_COMPONENTS;
    for (int64_t j = 0; j < all->n; j++)
        mucmm__gallery_extremes(c + j * n, n, 1, 1, &all->row[j]);
    TRY(compute_components(p, all));
    for (int64_t j = 0; j < all->n; j++)
        TRY(show_component(p, j, c + j * n, all));
done:
    component_maps_free(all);
    mucmm__free(c);
    return status;
}
