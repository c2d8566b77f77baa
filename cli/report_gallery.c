/* SPDX-License-Identifier: MIT
 *
 * Galleries of mucmm report: samples with their maps for all views side by side, and the samples at
 * the ends of the components.
 */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_SIDE = 120, SHOWN_BARS = 8, NAME_SIZE = 96, MAX_WORDS = 512, TRAINING_ROWS = 400 };

/* ---- pictures of one view ------------------------------------------------------------------ */

/* How the raw rows of a view are shown. Cells are averaged by `step` to at most SHOWN_SIDE. */
typedef struct look {
    const mucmm_data *data;
    mucmm_source_kind kind;
    int64_t cols, tokens;
    int64_t height, width, channels, cell_step, channel_step; /* height 0: no picture */
    int64_t step, rows, columns;                              /* rows x columns are shown */
} look;

/* [h, w], [h, w, 3 or 4] and [3 or 4, h, w] are pictures (axes of length 1 are nothing). */
static look look_of(const mucmm_data *data)
{
    look l = {
        .data = data, .kind = mucmm_data_source_kind(data), .cols = mucmm_data_raw_cols(data)};
    int64_t shape[MUCMM_MAX_RANK], s[MUCMM_MAX_RANK] = {0};
    int32_t n = mucmm_data_raw_shape(data, shape), rank = 0;

    if (l.kind == MUCMM_SOURCE_TEXT && mucmm_data_column(data, 0))
        l.kind = MUCMM_SOURCE_ROWS; /* a bag of words: its columns are the words */
    if (l.kind == MUCMM_SOURCE_TEXT)
        l.tokens = n > 1 ? l.cols / shape[n - 1] : l.cols;
    for (int32_t i = 0; i < n; i++)
        if (shape[i] > 1)
            s[rank++] = shape[i];
    if (l.kind == MUCMM_SOURCE_TEXT || rank < 2 || rank > 3)
        return l;
    bool last = rank == 3 && (s[2] == 3 || s[2] == 4), first = rank == 3 && !last;
    if (first && s[0] != 3 && s[0] != 4)
        return l;
    l.height = s[first ? 1 : 0];
    l.width = s[first ? 2 : 1];
    l.channels = rank == 3 ? s[last ? 2 : 0] : 1;
    l.cell_step = last ? l.channels : 1;
    l.channel_step = first ? l.height * l.width : 1;
    int64_t longest = l.height > l.width ? l.height : l.width;
    l.step = (longest + SHOWN_SIDE - 1) / SHOWN_SIDE;
    l.rows = l.height / l.step;
    l.columns = l.width / l.step;
    if (l.rows < 1 || l.columns < 1)
        l.height = 0;
    return l;
}

/* out [rows, columns]: means over blocks of cells and over channels first .. last. */
static void reduce(const look *l, const float *row, int64_t first, int64_t last, float *out)
{
    for (int64_t i = 0; i < l->rows; i++)
        for (int64_t j = 0; j < l->columns; j++) {
            double sum = 0;
            for (int64_t y = i * l->step; y < (i + 1) * l->step; y++)
                for (int64_t x = j * l->step; x < (j + 1) * l->step; x++)
                    for (int64_t c = first; c < last; c++)
                        sum += (double)row[(y * l->width + x) * l->cell_step + c * l->channel_step];
            out[i * l->columns + j] = (float)(sum / (double)(l->step * l->step * (last - first)));
        }
}

/* The picture of an encoder's input as the user knows it. */
static int encoded_picture(const report_page *p, const look *l, int64_t row, unsigned char *rgb)
{
    int64_t height = 0, width = 0;
    unsigned char *whole = NULL;
    int code = 0;

    TRY(allocate(&whole, 3 * l->height * l->width, 1));
    ADD(mucmm_data_picture(p->s->ctx, l->data, row, &height, &width, NULL));
    if (height != l->height || width != l->width)
        TRY(fail(EXIT_RUN, "%s: the picture and the network's input differ in size",
                 mucmm_data_label(l->data)));
    ADD(mucmm_data_picture(p->s->ctx, l->data, row, &height, &width, whole));
    for (int64_t i = 0; i < l->rows; i++)
        for (int64_t j = 0; j < l->columns; j++)
            for (int c = 0; c < 3; c++) {
                int64_t sum = 0;
                for (int64_t y = i * l->step; y < (i + 1) * l->step; y++)
                    for (int64_t x = j * l->step; x < (j + 1) * l->step; x++)
                        sum += whole[(y * width + x) * 3 + c];
                rgb[(i * l->columns + j) * 3 + c] = (unsigned char)(sum / (l->step * l->step));
            }
done:
    free(whole);
    return code;
}

/* A row of numbers as a picture, from its smallest to its largest value. */
static int row_picture(const report_page *p, const look *l, int64_t row, unsigned char *rgb)
{
    float *raw = NULL, *cells = NULL, lo = INFINITY, hi = -INFINITY;
    int64_t n = l->rows * l->columns;
    int colours = l->channels >= 3 ? 3 : 1, code = 0;

    TRY(allocate(&raw, l->cols, sizeof *raw));
    TRY(allocate(&cells, 3 * n, sizeof *cells));
    ADD(mucmm_data_read_raw(p->s->ctx, l->data, &row, 1, &(mucmm_mat){raw, 1, l->cols, l->cols}));
    for (int c = 0; c < colours; c++)
        reduce(l, raw, c, c + 1, cells + c * n);
    for (int64_t i = 0; i < colours * n; i++) {
        lo = fminf(lo, cells[i]);
        hi = fmaxf(hi, cells[i]);
    }
    for (int64_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] =
                (unsigned char)(hi > lo ? 255 * (cells[(c % colours) * n + i] - lo) / (hi - lo)
                                        : 128);
done:
    free(raw);
    free(cells);
    return code;
}

static int picture_of(const report_page *p, const look *l, int64_t row, unsigned char **rgb)
{
    int code = 0;

    TRY(allocate(rgb, 3 * l->rows * l->columns, 1));
    TRY(l->kind == MUCMM_SOURCE_IMAGE ? encoded_picture(p, l, row, *rgb)
                                      : row_picture(p, l, row, *rgb));
done:
    return code;
}

/* ---- words ----------------------------------------------------------------------------------- */

typedef struct word_list {
    char text[MAX_WORDS][NAME_SIZE];
    const char *shown[MAX_WORDS];
    float value[MAX_WORDS];
    int64_t n;
} word_list;

/* Does the piece go on with the word before it? *piece: without its mark. */
static bool continues(const char **piece, bool marked)
{
    static const char *const starts[] = {"\xe2\x96\x81", "\xc4\xa0"}; /* U+2581, U+0120 */

    for (int i = 0; i < 2; i++)
        if (strncmp(*piece, starts[i], strlen(starts[i])) == 0) {
            *piece += strlen(starts[i]);
            return false;
        }
    if (strncmp(*piece, "##", 2) == 0) {
        *piece += 2;
        return true;
    }
    return marked;
}

/* Pieces of one word are joined and their values added. values [tokens, width]. */
static int words_of(const report_page *p, const look *l, int64_t row, const float *map,
                    word_list *out)
{
    int64_t width = l->cols / l->tokens;
    bool marked = false;
    int code = 0;

    out->n = 0;
    for (int64_t t = 0; t < l->tokens; t++) {
        char piece[NAME_SIZE];
        const char *at = piece;
        double sum = 0;
        ADD(mucmm_data_token(p->s->ctx, l->data, row, t, piece, sizeof piece));
        if (!piece[0])
            continue;
        for (int64_t j = 0; j < width; j++)
            sum += (double)map[t * width + j];
        bool joined = continues(&at, marked) && out->n > 0;
        marked = marked || (at != piece && piece[0] != '#');
        if (!joined && out->n == MAX_WORDS)
            break;
        if (!joined) {
            out->text[out->n][0] = '\0';
            out->shown[out->n] = out->text[out->n];
            out->value[out->n++] = 0;
        }
        size_t used = strlen(out->text[out->n - 1]);
        snprintf(out->text[out->n - 1] + used, NAME_SIZE - used, "%s", at);
        out->value[out->n - 1] += (float)sum;
    }
done:
    return code;
}

/* ---- maps of one view -------------------------------------------------------------------------
 */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The 99.5 % quantile of |x|; 1 if all are 0. */
static int scale_of(const float *x, int64_t n, float *scale)
{
    float *sorted = NULL;
    int code = 0;

    TRY(allocate(&sorted, n, sizeof *sorted));
    for (int64_t i = 0; i < n; i++)
        sorted[i] = fabsf(x[i]);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_floats);
    *scale = sorted[(int64_t)(0.995 * (double)(n - 1))];
    if (!(*scale > 0))
        *scale = sorted[n - 1] > 0 ? sorted[n - 1] : 1;
done:
    free(sorted);
    return code;
}

typedef struct maps {
    look look;
    float *values; /* [n, cols] */
    float *cells;  /* [n, rows * columns] of pictures */
    float scale;
} maps;

static void maps_drop(maps *all)
{
    for (int32_t v = 0; v < MUCMM_MAX_VIEWS; v++) {
        free(all[v].values);
        free(all[v].cells);
    }
}

/* Raw inputs behind an encoder: the covariance for patterns comes from some training rows, spread
 * evenly. NULL for other views, whose covariance is in the model. */
static int open_training(const report_page *p, int32_t v, mucmm_data **out)
{
    mucmm_data *all = NULL;
    int64_t rows[TRAINING_ROWS];
    int code = 0;

    *out = NULL;
    if (!mucmm_data_description(p->in->data[v]) || p->map == MUCMM_MAP_GRADIENT)
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
                        const mucmm_explain_params *kind, maps *out)
{
    mucmm_explain_params params = *kind;
    mucmm_data *training = NULL;
    int64_t cells;
    int code = 0;

    out->look = look_of(p->in->data[v]);
    const look *l = &out->look;
    cells = l->rows * l->columns;
    /* the sum of a pattern over the axes of an embedding says nothing about the word */
    if (l->kind == MUCMM_SOURCE_TEXT && params.map == MUCMM_MAP_PATTERN)
        params.map = MUCMM_MAP_INPUT_X_GRADIENT;
    TRY(allocate(&out->values, n * l->cols, sizeof *out->values));
    TRY(open_training(p, v, &training));
    params.training = training;
    ADD(mucmm_explain(p->s->ctx, p->m, p->in->views, p->in->n, v, rows, n, &params,
                      &(mucmm_mat){out->values, n, l->cols, l->cols}, NULL));
    if (l->height > 0) {
        TRY(allocate(&out->cells, n * cells, sizeof *out->cells));
        for (int64_t i = 0; i < n; i++)
            reduce(l, out->values + i * l->cols, 0, l->channels, out->cells + i * cells);
        TRY(scale_of(out->cells, n * cells, &out->scale));
    } else {
        TRY(scale_of(out->values, n * l->cols, &out->scale));
    }
done:
    mucmm_data_free(training);
    return code;
}

/* ---- one view in a card ------------------------------------------------------------------------
 */

/* Strongest columns, or parts of a sound in time. */
static int show_bars(const report_page *p, const maps *m, int64_t i, const char *caption)
{
    const float *row = m->values + i * m->look.cols;
    char names[SHOWN_BARS][NAME_SIZE];
    const char *shown[SHOWN_BARS];
    float values[SHOWN_BARS];
    int64_t taken[SHOWN_BARS], n = 0;

    for (; n < SHOWN_BARS && n < m->look.cols; n++) {
        int64_t best = -1;
        for (int64_t j = 0; j < m->look.cols; j++) {
            bool old = false;
            for (int64_t t = 0; t < n; t++)
                old = old || taken[t] == j;
            if (!old && (best < 0 || fabsf(row[j]) > fabsf(row[best])))
                best = j;
        }
        const char *name = mucmm_data_column(m->look.data, best);
        taken[n] = best;
        if (name)
            snprintf(names[n], NAME_SIZE, "%s", name);
        else
            snprintf(names[n], NAME_SIZE, "column %" PRId64, best);
        shown[n] = names[n];
        values[n] = row[best];
    }
    return check(p->s, mucmm_report_bars(p->s->ctx, p->r, caption, shown, values, n,
                                         fmaxf(m->scale, fabsf(values[0]) + 1e-30f)));
}

static int show_words(const report_page *p, const maps *m, int64_t i, int64_t row,
                      const char *caption)
{
    word_list *words = NULL;
    float scale = 1e-30f;
    int code = 0;

    TRY(allocate(&words, 1, sizeof *words));
    TRY(words_of(p, &m->look, row, m->values + i * m->look.cols, words));
    for (int64_t w = 0; w < words->n; w++)
        scale = fmaxf(scale, fabsf(words->value[w]));
    ADD(mucmm_report_words(p->s->ctx, p->r, caption, words->shown, words->value, words->n, scale));
done:
    free(words);
    return code;
}

/* Sample i of the maps, row `row` of the data. */
static int show_view(const report_page *p, int32_t v, const maps *m, int64_t i, int64_t row,
                     const char *score)
{
    const look *l = &m->look;
    unsigned char *rgb = NULL;
    char caption[MAX_NAME + 80];
    int code = 0;

    snprintf(caption, sizeof caption, "%s: %s", mucmm_model_view_name(p->m, v), score);
    if (l->kind == MUCMM_SOURCE_TEXT) {
        TRY(show_words(p, m, i, row, caption));
    } else if (l->height > 0) {
        TRY(picture_of(p, l, row, &rgb));
        ADD(mucmm_report_picture(p->s->ctx, p->r, mucmm_model_view_name(p->m, v), rgb, l->rows,
                                 l->columns, 0));
        ADD(mucmm_report_map(
            p->s->ctx, p->r, score,
            &(mucmm_cmat){m->cells + i * l->rows * l->columns, l->rows, l->columns, l->columns},
            m->scale, rgb));
    } else {
        TRY(show_bars(p, m, i, caption));
    }
done:
    free(rgb);
    return code;
}

/* ---- galleries
 * ----------------------------------------------------------------------------------- */

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
                        const double *score, const maps *all, const int64_t *rows, int64_t first,
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
    maps all[MUCMM_MAX_VIEWS] = {{.values = NULL}};
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
    maps_drop(all);
    free(rows);
    return code;
}

static int individual_galleries(const report_page *p)
{
    maps all[MUCMM_MAX_VIEWS] = {{.values = NULL}};
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
    maps_drop(all);
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

/* ---- components
 * ------------------------------------------------------------------------------------ */

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
            look l = look_of(p->in->data[v]);
            if (l.height == 0)
                continue;
            TRY(picture_of(p, &l, rows[i], &rgb));
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

/* Of views that are no encoder's: the pattern at the sample at the + end. */
static int show_patterns(const report_page *p, int64_t component, const double *c)
{
    maps all[MUCMM_MAX_VIEWS] = {{.values = NULL}};
    mucmm_explain_params params;
    int64_t row = 0;
    int code = 0;

    mucmm_explain_params_init(&params);
    params.map = p->map;
    params.score = MUCMM_SCORE_COMMON_COMPONENT;
    params.component = component;
    extremes(c, mucmm_scores_rows(p->scores), 1, 1, &row);
    for (int32_t v = 0; v < p->in->n; v++) {
        if (mucmm_data_description(p->in->data[v]))
            continue;
        TRY(compute_maps(p, v, &row, 1, &params, &all[v]));
        TRY(show_view(p, v, &all[v], 0, row, "pattern"));
    }
done:
    maps_drop(all);
    return code;
}

int add_components(const report_page *p)
{
    int64_t n = mucmm_scores_rows(p->scores), k = mucmm_model_common(p->m);
    const mucmm_summary *s = mucmm_scores_summary(p->scores, MUCMM_HEADS);
    const mucmm_summary *linear = mucmm_scores_summary(p->scores, MUCMM_LINEAR);
    double *c = NULL;
    char title[160];
    int code = 0;

    TRY(allocate(&c, n * k, sizeof *c));
    TRY(mean_variates(p, c));
    for (int64_t j = 0; j < k && j < SHOWN_COMPONENTS; j++) {
        snprintf(title, sizeof title,
                 "Component %" PRId64 ": correlation %.2f, p %.3g (linear %.2f)", j,
                 s->correlations[j], s->p_values[j], linear->correlations[j]);
        ADD(mucmm_report_card(p->s->ctx, p->r, title));
        TRY(show_end(p, c + j * n, 1));
        TRY(show_end(p, c + j * n, -1));
        TRY(show_patterns(p, j, c + j * n));
    }
done:
    free(c);
    return code;
}
