/* SPDX-License-Identifier: MIT
 *
 * Galleries of mucmm report: samples with their maps for all views side by side, and the samples at
 * the ends of the components.
 */
#include "look.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_SIDE = 120, SHOWN_BARS = 8, TRAINING_ROWS = 400, STEPS = 8 };

static look shown_look(const mucmm_data *data)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = mucmm_data_raw_shape(data, shape);

    return look_of(data, shape, rank, SHOWN_SIDE);
}

/* ---- maps of one view -------------------------------------------------------------- */

/* Raw inputs behind an encoder: the covariance for patterns comes from some training rows, spread
 * evenly. NULL for other views, whose covariance is in the model. */
static int open_training(const report_page *p, int32_t v, const look *l,
                         const mucmm_explain_params *params, mucmm_data **out)
{
    mucmm_data *all = NULL;
    int64_t rows[TRAINING_ROWS];
    int code = 0;

    *out = NULL;
    if (!look_needs_training(l, params))
        return 0;
    TRY(inputs_training(p->s, p->in, mucmm_model_view_name(p->m, v), &all));
    if (!all)
        goto done;
    int64_t n = mucmm_data_rows(all), kept = n < TRAINING_ROWS ? n : TRAINING_ROWS;
    for (int64_t i = 0; i < kept; i++)
        rows[i] = i * n / kept;
    ADD(mucmm_data_subset(p->s->ctx, all, rows, kept, out));
done:
    mucmm_data_free(all);
    return code;
}

static int compute_maps(const report_page *p, int32_t v, const int64_t *rows, int64_t n,
                        const mucmm_explain_params *kind, map_set *out)
{
    mucmm_explain_params params = *kind;
    look l = shown_look(p->in->data[v]);
    mucmm_data *training = NULL;
    int code = 0;

    look_defaults(&l, p->given, &params);
    params.steps = STEPS;
    TRY(open_training(p, v, &l, &params, &training));
    params.training = training;
    TRY(maps_compute(p->s, p->m, p->in, v, &l, rows, n, &params, NULL, out));
done:
    mucmm_data_free(training);
    return code;
}

/* ---- one view in a card ------------------------------------------------------------ */

static int show_map(const report_page *p, int32_t v, const map_set *m, int64_t i, int64_t row,
                    const char *score)
{
    const look *l = &m->look;
    const char *name = mucmm_model_view_name(p->m, v);
    mucmm_cmat map = {m->cells + i * l->rows * l->columns, l->rows, l->columns, l->columns};
    unsigned char *rgb = NULL;
    tick_list ticks;
    int code = 0;

    TRY(look_picture(p->s, l, row, &rgb));
    if (l->kind == LOOK_SOUND) {
        look_ticks(l, &ticks);
        ADD(mucmm_report_ticks(p->s->ctx, p->r, l->rows, l->columns, ticks.x, ticks.n_x, ticks.y,
                               ticks.n_y));
    }
    ADD(mucmm_report_picture(p->s->ctx, p->r, name, rgb, l->rows, l->columns, 0));
    ADD(mucmm_report_map(p->s->ctx, p->r, score, &map, m->scale, rgb));
    if (l->kind == LOOK_SOUND)
        ADD(mucmm_report_ticks(p->s->ctx, p->r, 0, 0, NULL, 0, NULL, 0));
done:
    free(rgb);
    return code;
}

/* Sample i of the maps, row `row` of the data. */
static int show_view(const report_page *p, int32_t v, const map_set *m, int64_t i, int64_t row,
                     const char *score)
{
    const look *l = &m->look;
    char caption[MAX_NAME + 80];
    bar_list bars;

    snprintf(caption, sizeof caption, "%s: %s", mucmm_model_view_name(p->m, v), score);
    switch (l->kind) {
    case LOOK_PICTURE:
    case LOOK_SOUND:
        return show_map(p, v, m, i, row, score);
    case LOOK_WORDS:
        return check(p->s, mucmm_report_words(p->s->ctx, p->r, caption, m->words[i].shown,
                                              m->words[i].value, m->words[i].n, m->scale));
    case LOOK_BARS:
        bars_of(l, m->values + i * l->cols, SHOWN_BARS, &bars);
        return check(p->s, mucmm_report_bars(p->s->ctx, p->r, caption, bars.shown, bars.value,
                                             bars.n, m->scale));
    }
    return 0;
}

/* ---- galleries --------------------------------------------------------------------- */

/* The n rows with the largest sign * x, the largest first. */
static void extremes(const double *x, int64_t rows, double sign, int64_t n, int64_t *out)
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

static int show_gallery(const report_page *p, const char *title, const char *note,
                        const double *score, const map_set *all, const int64_t *rows, int64_t first,
                        int64_t n, const char *what)
{
    char label[256], card[320];
    int code = 0;

    ADD(mucmm_report_heading(p->s->ctx, p->r, title));
    ADD(mucmm_report_text(p->s->ctx, p->r, note));
    for (int64_t i = first; i < first + n; i++) {
        snprintf(card, sizeof card, "%s: score %.3g", sample_label(p, rows[i], label, sizeof label),
                 score[rows[i]]);
        ADD(mucmm_report_card(p->s->ctx, p->r, card));
        for (int32_t v = 0; v < p->in->n; v++)
            TRY(show_view(p, v, &all[v], i, rows[i], what));
    }
done:
    return code;
}

static int common_galleries(const report_page *p)
{
    map_set all[MUCMM_MAX_VIEWS] = {{.n = 0}};
    const double *score = mucmm_scores_common(p->scores);
    int64_t *rows = NULL, n = p->shown;
    mucmm_explain_params params;
    int code = 0;

    mucmm_explain_params_init(&params);
    params.map = p->map;
    TRY(allocate(&rows, 2 * n, sizeof *rows));
    extremes(score, mucmm_scores_rows(p->scores), 1, n, rows);
    extremes(score, mucmm_scores_rows(p->scores), -1, n, rows + n);
    for (int32_t v = 0; v < p->in->n; v++)
        TRY(compute_maps(p, v, rows, 2 * n, &params, &all[v]));
    TRY(show_gallery(p, "Samples whose views agree most",
                     "The largest common scores. Shown in red and + is what makes the views agree; "
                     "blue, hatched and - is what speaks against it.",
                     score, all, rows, 0, n, "common"));
    TRY(show_gallery(p, "Samples whose views agree least",
                     "The smallest common scores: mismatched, mislabelled or unusual samples.",
                     score, all, rows, n, n, "common"));
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        maps_drop(&all[v]);
    free(rows);
    return code;
}

static int individual_galleries(const report_page *p)
{
    map_set all[MUCMM_MAX_VIEWS] = {{.n = 0}};
    int64_t *rows = NULL, n = p->shown, views = p->in->n, total = mucmm_scores_rows(p->scores);
    mucmm_explain_params params;
    char title[MAX_NAME + 64];
    int code = 0;

    mucmm_explain_params_init(&params);
    params.map = p->map;
    params.score = MUCMM_SCORE_INDIVIDUAL;
    for (int32_t v = 0; v < views; v++)
        if (mucmm_model_individual(p->m, v) == 0)
            return 0;
    TRY(allocate(&rows, views * n, sizeof *rows));
    for (int32_t v = 0; v < views; v++)
        extremes(mucmm_scores_individual(p->scores, v), total, 1, n, rows + v * n);
    for (int32_t v = 0; v < views; v++)
        TRY(compute_maps(p, v, rows, views * n, &params, &all[v]));
    for (int32_t v = 0; v < views; v++) {
        snprintf(title, sizeof title, "Most individual samples of %s",
                 mucmm_model_view_name(p->m, v));
        TRY(show_gallery(p, title,
                         "The largest individual scores of this view. The maps show what is "
                         "individual in each view, with its own scale.",
                         mucmm_scores_individual(p->scores, v), all, rows, v * n, n, "individual"));
    }
done:
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
        maps_drop(&all[v]);
    free(rows);
    return code;
}

int add_galleries(const report_page *p)
{
    int code = 0;

    TRY(common_galleries(p));
    TRY(individual_galleries(p));
done:
    return code;
}

/* ---- components -------------------------------------------------------------------- */

enum { SHOWN_COMPONENTS = 8, SHOWN_ENDS = 4 };

/* Mean over the views of the common variates, by component: out [k, n]. */
static int mean_variates(const report_page *p, double *out)
{
    int64_t n = mucmm_scores_rows(p->scores), k = mucmm_model_common(p->m);
    float *c = NULL;
    int code = 0;

    TRY(allocate(&c, n * k, sizeof *c));
    for (int32_t v = 0; v < p->in->n; v++) {
        ADD(mucmm_transform(p->s->ctx, p->m, MUCMM_HEADS, v, p->in->data[v],
                            &(mucmm_mat){c, n, k, k}, NULL));
        for (int64_t i = 0; i < n * k; i++)
            out[i % k * n + i / k] += (double)c[i] / p->in->n;
    }
done:
    free(c);
    return code;
}

static int show_end(const report_page *p, const double *c, double sign)
{
    int64_t rows[SHOWN_ENDS], total = mucmm_scores_rows(p->scores);
    int64_t n = total < SHOWN_ENDS ? total : SHOWN_ENDS;
    char label[256], line[320];
    unsigned char *rgb = NULL;
    int code = 0;

    extremes(c, total, sign, n, rows);
    ADD(mucmm_report_line(p->s->ctx, p->r, sign > 0 ? "+ end" : "- end"));
    for (int64_t i = 0; i < n; i++) {
        bool drawn = false;
        snprintf(line, sizeof line, "%s (%+.2f)", sample_label(p, rows[i], label, sizeof label),
                 c[rows[i]]);
        for (int32_t v = 0; v < p->in->n && !drawn; v++) {
            look l = shown_look(p->in->data[v]);
            if (l.kind != LOOK_PICTURE)
                continue;
            TRY(look_picture(p->s, &l, rows[i], &rgb));
            ADD(mucmm_report_picture(p->s->ctx, p->r, line, rgb, l.rows, l.columns, 1));
            free(rgb);
            rgb = NULL;
            drawn = true;
        }
        if (!drawn)
            ADD(mucmm_report_line(p->s->ctx, p->r, line));
    }
done:
    free(rgb);
    return code;
}

/* The components shown, what makes them in each view at the sample at their + end, and which that
 * is. */
typedef struct component_maps {
    int64_t n, row[SHOWN_COMPONENTS];
    map_set maps[SHOWN_COMPONENTS][MUCMM_MAX_VIEWS];
} component_maps;

static mucmm_explain_params component_params(const report_page *p, int64_t component)
{
    mucmm_explain_params params;

    mucmm_explain_params_init(&params);
    params.map = p->map;
    params.score = MUCMM_SCORE_COMMON_COMPONENT;
    params.component = component;
    return params;
}

/* All components of a view in one pass over the training rows. */
static int compute_patterns(const report_page *p, int32_t v, const look *l, component_maps *out)
{
    int64_t cols = l->cols;
    mucmm_data *training = NULL;
    mucmm_explanation *e = NULL;
    float *g = NULL;
    mucmm_explain_params params = component_params(p, 0);
    int code = 0;

    params.map = MUCMM_MAP_PATTERN;
    TRY(open_training(p, v, l, &params, &training));
    TRY(allocate(&g, out->n * cols, sizeof *g));
    for (int64_t j = 0; j < out->n; j++) {
        params = component_params(p, j);
        params.map = MUCMM_MAP_GRADIENT;
        ADD(mucmm_explain(p->s->ctx, p->m, p->in->views, p->in->n, v, &out->row[j], 1, &params,
                          &(mucmm_mat){g + j * cols, 1, cols, cols}, NULL));
    }
    params.training = training;
    ADD(mucmm_explanation_create(p->s->ctx, p->m, p->in->views, p->in->n, v, out->row, 1, &params,
                                 &e));
    ADD(mucmm_explanation_patterns(p->s->ctx, e, out->n, g));
    for (int64_t j = 0; j < out->n; j++) {
        map_set *m = &out->maps[j][v];
        *m = (map_set){.look = *l, .n = 1};
        if (l->bag) /* shows words that are not in the text */
            m->look.kind = LOOK_BARS;
        TRY(allocate(&m->values, cols, sizeof *m->values));
        memcpy(m->values, g + j * cols, (size_t)cols * sizeof *g);
        TRY(maps_fill(p->s, &out->row[j], NULL, m));
    }
done:
    mucmm_explanation_free(e);
    mucmm_data_free(training);
    free(g);
    return code;
}

/* A component is of the data, not of one sample: what goes with it, where a pattern can be read. */
static int compute_components(const report_page *p, component_maps *out)
{
    int code = 0;

    for (int32_t v = 0; v < p->in->n; v++) {
        look l = shown_look(p->in->data[v]);
        if (p->given->method < 0 && (l.bag || l.kind == LOOK_PICTURE || l.kind == LOOK_BARS)) {
            TRY(compute_patterns(p, v, &l, out));
            continue;
        }
        for (int64_t j = 0; j < out->n; j++) {
            mucmm_explain_params params = component_params(p, j);
            TRY(compute_maps(p, v, &out->row[j], 1, &params, &out->maps[j][v]));
        }
    }
done:
    return code;
}

static void component_maps_free(component_maps *c)
{
    for (int64_t j = 0; c && j < c->n; j++)
        for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++)
            maps_drop(&c->maps[j][v]);
    free(c);
}

static int show_component(const report_page *p, int64_t j, const double *c,
                          const component_maps *all)
{
    const mucmm_summary *s = mucmm_scores_summary(p->scores, MUCMM_HEADS);
    const mucmm_summary *linear = mucmm_scores_summary(p->scores, MUCMM_LINEAR);
    const mucmm_stability *stable = mucmm_model_stability(p->m, MUCMM_HEADS);
    bool lost = stable && !stable->comes_back[j];
    char title[160], yardstick[32] = "";
    int code = 0;

    if (p->trained)
        snprintf(yardstick, sizeof yardstick, " (linear %.2f)", linear->correlations[j]);
    snprintf(title, sizeof title, "Component %" PRId64 ": correlation %.2f%s, p %.3g%s%s", j,
             s->correlations[j], yardstick, s->p_values[j],
             s->harmonic[j] >= MUCMM_HARMONIC_R2 ? ", a harmonic" : "",
             lost ? ", does not come back" : "");
    ADD(mucmm_report_card(p->s->ctx, p->r, title));
    TRY(show_end(p, c, 1));
    TRY(show_end(p, c, -1));
    ADD(mucmm_report_line(p->s->ctx, p->r, "At the + end: red and + goes up with the component"));
    for (int32_t v = 0; v < p->in->n; v++)
        TRY(show_view(p, v, &all->maps[j][v], 0, all->row[j], "what goes with it"));
done:
    return code;
}

int add_components(const report_page *p)
{
    int64_t n = mucmm_scores_rows(p->scores), k = mucmm_model_common(p->m);
    component_maps *all = NULL;
    double *c = NULL;
    int code = 0;

    TRY(allocate(&c, n * k, sizeof *c));
    TRY(allocate(&all, 1, sizeof *all));
    TRY(mean_variates(p, c));
    all->n = k < SHOWN_COMPONENTS ? k : SHOWN_COMPONENTS;
    for (int64_t j = 0; j < all->n; j++)
        extremes(c + j * n, n, 1, 1, &all->row[j]);
    TRY(compute_components(p, all));
    for (int64_t j = 0; j < all->n; j++)
        TRY(show_component(p, j, c + j * n, all));
done:
    component_maps_free(all);
    free(c);
    return code;
}
