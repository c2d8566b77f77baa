/* SPDX-License-Identifier: MIT
 *
 * How the raw rows of a view, and maps on them, are shown. */
#include "look.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a view is ---------------------------------------------------------------- */

/* [h, w], [h, w, 3 or 4] and [3 or 4, h, w] are pictures (axes of length 1 are nothing). */
static void find_picture(look *l, const int64_t *shape, int32_t n, int64_t side)
{
    int64_t s[MUCMM_MAX_RANK] = {0};
    int32_t rank = 0;

    for (int32_t i = 0; i < n; i++)
        if (shape[i] > 1)
            s[rank++] = shape[i];
    if (rank < 2 || rank > 3)
        return;
    bool last = rank == 3 && (s[2] == 3 || s[2] == 4), first = rank == 3 && !last;
    if (first && s[0] != 3 && s[0] != 4)
        return;
    l->height = s[first ? 1 : 0];
    l->width = s[first ? 2 : 1];
    l->channels = rank == 3 ? s[last ? 2 : 0] : 1;
    l->cell_step = last ? l->channels : 1;
    l->channel_step = first ? l->height * l->width : 1;
    int64_t longest = l->height > l->width ? l->height : l->width;
    l->step = side > 0 ? (longest + side - 1) / side : 1;
    l->rows = l->height / l->step;
    l->columns = l->width / l->step;
    if (l->rows > 0 && l->columns > 0)
        l->kind = LOOK_PICTURE;
}

/* Samples a second that the encoder takes, as the view's description says. */
static double rate_of(const mucmm_data *data)
{
    json_t *root = json_loads(mucmm_data_description(data), 0, NULL);
    const json_t *source = json_object_get(root, "source");
    const json_t *rate = json_object_get(source ? source : root, "rate");
    double hertz = json_is_number(rate) ? json_number_value(rate) : 16000;

    json_decref(root);
    return hertz;
}

look look_of(const mucmm_data *data, const int64_t *shape, int32_t rank, int64_t side)
{
    look l = {.data = data, .cols = mucmm_data_raw_cols(data)};

    mucmm_source_kind kind = mucmm_data_source_kind(data);
    if (kind == MUCMM_SOURCE_TEXT) {
        l.kind = LOOK_WORDS;
        l.bag = mucmm_data_column(data, 0) != NULL;
        l.tokens = !l.bag && rank > 1 ? l.cols / shape[rank - 1] : l.cols;
    } else if (kind == MUCMM_SOURCE_AUDIO && rank == 1) {
        l.kind = LOOK_SOUND;
        mucmm_mel_params_init(&l.mel, rate_of(data), l.cols);
        l.rows = l.mel.bands;
        l.columns = mucmm_mel_frames(&l.mel, l.cols);
    } else {
        find_picture(&l, shape, rank, side);
    }
    return l;
}

enum { LOCAL_PART = 24 }; /* of the longer side is local_sd */

static bool is_measured(const mucmm_explain_params *p)
{
    return p->map == MUCMM_MAP_INPUT_X_GRADIENT || p->map == MUCMM_MAP_INTEGRATED_GRADIENTS;
}

void look_defaults(look *l, const settings *given, mucmm_explain_params *p)
{
    bool encoded = mucmm_data_description(l->data) != NULL;

    if (given->method < 0)
        p->map =
            encoded && l->kind != LOOK_BARS ? MUCMM_MAP_INTEGRATED_GRADIENTS : MUCMM_MAP_PATTERN;
    if (!given->baseline && (l->kind == LOOK_WORDS || l->kind == LOOK_SOUND))
        p->baseline = MUCMM_BASELINE_ZERO;
    if (l->kind == LOOK_PICTURE && encoded && is_measured(p))
        l->local_sd = (double)(l->rows > l->columns ? l->rows : l->columns) / LOCAL_PART;
}

bool look_needs_training(const look *l, const mucmm_explain_params *p)
{
    return mucmm_data_description(l->data) != NULL &&
           (p->map == MUCMM_MAP_PATTERN ||
            (is_measured(p) &&
             (p->baseline == MUCMM_BASELINE_MEAN || p->baseline == MUCMM_BASELINE_DEFAULT)));
}

/* ---- pictures ---------------------------------------------------------------------- */

/* Means over blocks of cells and over channels first .. last. */
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

/* n values that are `step` apart, with a Gaussian; reflected at the ends, so that the sum stays.
 * line: room for 2 n + 2 reach. */
static void add_local(float *x, int64_t n, int64_t step, const double *kernel, int64_t reach,
                      double *line)
{
    double *sum = line + n + 2 * reach;

    for (int64_t i = -reach; i < n + reach; i++) {
        int64_t at = i % (2 * n);
        at = at < 0 ? at + 2 * n : at;
        line[i + reach] = (double)x[(at < n ? at : 2 * n - 1 - at) * step];
    }
    for (int64_t i = 0; i < n; i++)
        sum[i] = kernel[0] * line[i + reach];
    for (int64_t k = 1; k <= reach; k++) {
        const double *before = line + reach - k, *after = line + reach + k;
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            sum[i] += kernel[k] * (after[i] + before[i]);
    }
    for (int64_t i = 0; i < n; i++)
        x[i * step] = (float)sum[i];
}

static int add_neighbours(const look *l, float *cells)
{
    int64_t longest = l->rows > l->columns ? l->rows : l->columns;
    int64_t reach = (int64_t)ceil(3 * l->local_sd);
    double *kernel = NULL, *line = NULL, sum = 0;
    int code = 0;

    TRY(allocate(&kernel, reach + 1, sizeof *kernel));
    TRY(allocate(&line, 2 * longest + 2 * reach, sizeof *line));
    for (int64_t k = 0; k <= reach; k++) {
        kernel[k] = exp(-0.5 * (double)(k * k) / (l->local_sd * l->local_sd));
        sum += k > 0 ? 2 * kernel[k] : kernel[k];
    }
    for (int64_t k = 0; k <= reach; k++)
        kernel[k] /= sum;
    for (int64_t i = 0; i < l->rows; i++)
        add_local(cells + i * l->columns, l->columns, 1, kernel, reach, line);
    for (int64_t j = 0; j < l->columns; j++)
        add_local(cells + j, l->rows, l->columns, kernel, reach, line);
done:
    free(kernel);
    free(line);
    return code;
}

int look_cells(const look *l, const float *row, float *out)
{
    reduce(l, row, 0, l->channels, out);
    return l->local_sd > 0 ? add_neighbours(l, out) : 0;
}

/* The picture of an encoder's input as the user knows it; not *known if there is none of the size
 * of the raw row, which may be inside the network. */
static int encoded_picture(session *s, const look *l, int64_t row, unsigned char *rgb, bool *known)
{
    int64_t height = 0, width = 0;
    unsigned char *whole = NULL;
    int code = 0;

    *known = false;
    TRY(check(s, mucmm_data_picture(s->ctx, l->data, row, &height, &width, NULL)));
    if (height != l->height || width != l->width)
        goto done;
    TRY(allocate(&whole, 3 * height * width, 1));
    TRY(check(s, mucmm_data_picture(s->ctx, l->data, row, &height, &width, whole)));
    for (int64_t i = 0; i < l->rows; i++)
        for (int64_t j = 0; j < l->columns; j++)
            for (int c = 0; c < 3; c++) {
                int64_t sum = 0;
                for (int64_t y = i * l->step; y < (i + 1) * l->step; y++)
                    for (int64_t x = j * l->step; x < (j + 1) * l->step; x++)
                        sum += whole[(y * width + x) * 3 + c];
                rgb[(i * l->columns + j) * 3 + c] = (unsigned char)(sum / (l->step * l->step));
            }
    *known = true;
done:
    free(whole);
    return code;
}

static void find_range(const float *x, int64_t n, float *lo, float *hi)
{
    *lo = *hi = x[0];
    for (int64_t i = 0; i < n; i++) {
        *lo = x[i] < *lo ? x[i] : *lo;
        *hi = x[i] > *hi ? x[i] : *hi;
    }
}

/* A row of numbers as a picture. */
static int row_picture(const look *l, const float *raw, unsigned char *rgb)
{
    float *cells = NULL, lo = l->lo, hi = l->hi;
    int64_t n = l->rows * l->columns, colours = l->channels >= 3 ? 3 : 1;
    int code = 0;

    TRY(allocate(&cells, 3 * n, sizeof *cells));
    for (int64_t c = 0; c < colours; c++)
        reduce(l, raw, c, c + 1, cells + c * n);
    if (!(hi > lo))
        find_range(cells, colours * n, &lo, &hi);
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < 3; c++) {
            double t = hi > lo ? (double)((cells[(c % colours) * n + i] - lo) / (hi - lo)) : 0.5;
            rgb[3 * i + c] = (unsigned char)lround(255 * fmin(fmax(t, 0), 1));
        }
done:
    free(cells);
    return code;
}

/* ---- sounds ------------------------------------------------------------------------ */

enum { SHOWN_DECIBELS = 70 };

static void flip_rows(float *cells, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows / 2; i++)
        for (int64_t j = 0; j < columns; j++) {
            float *a = &cells[i * columns + j], *b = &cells[(rows - 1 - i) * columns + j], t = *a;
            *a = *b;
            *b = t;
        }
}

/* The spectrogram: the loudest cell black, 70 decibels below it white. */
static int sound_picture(session *s, const look *l, const float *raw, unsigned char *rgb)
{
    int64_t n = l->rows * l->columns;
    float *cells = NULL, lo, hi;
    int code = 0;

    TRY(allocate(&cells, n, sizeof *cells));
    TRY(check(s, mucmm_mel_power(s->ctx, &l->mel, raw, l->cols,
                                 &(mucmm_mat){cells, l->rows, l->columns, l->columns})));
    flip_rows(cells, l->rows, l->columns);
    find_range(cells, n, &lo, &hi);
    for (int64_t i = 0; i < 3 * n; i++)
        rgb[i] = (unsigned char)lround(
            255 * fmin((double)(hi - cells[i / 3]) / (double)SHOWN_DECIBELS, 1));
done:
    free(cells);
    return code;
}

/* Times are multiples of a step that gives at most TIME_TICKS of them. */
void look_ticks(const look *l, tick_list *out)
{
    static const double hertz[HERTZ_TICKS] = {250, 500, 1000, 2000, 4000, 8000};
    static const double steps[] = {0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 1200};
    double seconds = (double)l->cols / l->mel.rate, step = 3600;
    int32_t n;

    for (size_t i = sizeof steps / sizeof *steps; i-- > 0;)
        if (seconds / steps[i] <= TIME_TICKS)
            step = steps[i];
    for (n = 0; n <= TIME_TICKS && n * step <= seconds * 1.000001; n++) {
        double at = (n * step * l->mel.rate + 0.375 * (double)l->mel.window) / (double)l->mel.hop;
        snprintf(out->text[n], sizeof out->text[n], "%.4g s", n * step);
        out->x[n] = (mucmm_tick){fmin(at, (double)l->columns), out->text[n]};
    }
    out->n_x = n;
    n = 0;
    for (int32_t band = 0; n < HERTZ_TICKS && hertz[n] <= l->mel.rate / 2; n++) {
        char *word = out->text[TIME_TICKS + 1 + n];
        while (band < l->rows && mucmm_mel_hertz(&l->mel, band + 1) < hertz[n])
            band++;
        double lo = mucmm_mel_hertz(&l->mel, band), hi = mucmm_mel_hertz(&l->mel, band + 1);
        double at = fmin(band + (hertz[n] - lo) / (hi - lo), (double)l->rows);
        snprintf(word, sizeof out->text[0], "%g Hz", hertz[n]);
        out->y[n] = (mucmm_tick){(double)l->rows - at, word};
    }
    out->n_y = n;
}

/* The field whose product with x over a sample is spread over time and frequency: of maps that
 * are such products already, the map divided by the difference that it was multiplied with. */
static int sound_cells(session *s, const look *l, const float *raw, float *map,
                       const float *difference, float *cells)
{
    for (int64_t t = 0; difference && t < l->cols; t++)
        map[t] = difference[t] < 0 || difference[t] > 0 ? map[t] / difference[t] : 0;
    int code = check(s, mucmm_mel_map(s->ctx, &l->mel, difference ? difference : raw, map, l->cols,
                                      &(mucmm_mat){cells, l->rows, l->columns, l->columns}));
    if (code == 0)
        flip_rows(cells, l->rows, l->columns);
    return code;
}

int look_picture(session *s, const look *l, int64_t row, unsigned char **rgb)
{
    bool known = false;
    float *raw = NULL;
    int code = 0;

    TRY(allocate(rgb, 3 * l->rows * l->columns, 1));
    if (mucmm_data_source_kind(l->data) == MUCMM_SOURCE_IMAGE)
        TRY(encoded_picture(s, l, row, *rgb, &known));
    if (known)
        goto done;
    TRY(allocate(&raw, l->cols, sizeof *raw));
    TRY(check(
        s, mucmm_data_read_raw(s->ctx, l->data, &row, 1, &(mucmm_mat){raw, 1, l->cols, l->cols})));
    TRY(l->kind == LOOK_SOUND ? sound_picture(s, l, raw, *rgb) : row_picture(l, raw, *rgb));
done:
    free(raw);
    return code;
}

/* ---- words ------------------------------------------------------------------------- */

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

static void add_word(word_list *out)
{
    out->text[out->n][0] = '\0';
    out->shown[out->n] = out->text[out->n];
    out->value[out->n++] = 0;
}

/* Pieces of one word are joined and their values added. map [tokens, width]. */
static int join_pieces(session *s, const look *l, int64_t row, const float *map, word_list *out)
{
    int64_t width = l->cols / l->tokens;
    mucmm_tokens *tokens = NULL;
    bool marked = false;
    int code = 0;

    TRY(check(s, mucmm_data_tokens(s->ctx, l->data, row, &tokens)));
    for (int64_t t = 0; t < l->tokens && t < mucmm_tokens_count(tokens); t++) {
        const char *piece = mucmm_tokens_piece(tokens, t), *at = piece;
        double sum = 0;
        if (!piece[0])
            continue;
        for (int64_t j = 0; j < width; j++)
            sum += (double)map[t * width + j];
        bool joined = continues(&at, marked) && out->n > 0;
        marked = marked || (at != piece && piece[0] != '#');
        if (!joined && out->n == MOST_WORDS)
            break;
        if (!joined)
            add_word(out);
        size_t used = strlen(out->text[out->n - 1]);
        snprintf(out->text[out->n - 1] + used, NAME_SIZE - used, "%s", at);
        out->value[out->n - 1] += (float)sum;
    }
done:
    mucmm_tokens_free(tokens);
    return code;
}

static int64_t find_column(const look *l, const char *word)
{
    for (int64_t j = 0; j < l->cols; j++)
        if (strcmp(mucmm_data_column(l->data, j), word) == 0)
            return j;
    return -1;
}

/* A word that stands several times in the text shares the value of its column. */
static int bag_words(session *s, const look *l, int64_t row, const float *map, word_list *out)
{
    int64_t column[MOST_WORDS];
    mucmm_tokens *tokens = NULL;
    int code = 0;

    TRY(check(s, mucmm_data_tokens(s->ctx, l->data, row, &tokens)));
    for (int64_t t = 0; t < MOST_WORDS && t < mucmm_tokens_count(tokens); t++) {
        const char *word = mucmm_tokens_piece(tokens, t);
        add_word(out);
        snprintf(out->text[t], NAME_SIZE, "%s", word);
        column[t] = find_column(l, word);
    }
    for (int64_t t = 0; t < out->n; t++) {
        int times = 0;
        for (int64_t i = 0; i < out->n; i++)
            times += column[i] == column[t];
        if (column[t] >= 0)
            out->value[t] = map[column[t]] / (float)times;
    }
done:
    mucmm_tokens_free(tokens);
    return code;
}

/* ---- bars -------------------------------------------------------------------------- */

void bars_of(const look *l, const float *row, int64_t most, bar_list *out)
{
    out->n = 0;
    while (out->n < most && out->n < l->cols) {
        int64_t best = -1, n = out->n;
        for (int64_t j = 0; j < l->cols; j++) {
            bool taken = false;
            for (int64_t i = 0; i < n; i++)
                taken = taken || out->column[i] == j;
            if (!taken && (best < 0 || fabsf(row[j]) > fabsf(row[best])))
                best = j;
        }
        const char *name = mucmm_data_column(l->data, best);
        if (name)
            snprintf(out->text[n], NAME_SIZE, "%s", name);
        else
            snprintf(out->text[n], NAME_SIZE, "column %" PRId64, best);
        out->shown[n] = out->text[n];
        out->column[n] = best;
        out->value[n] = row[best];
        out->n++;
    }
}

/* ---- maps -------------------------------------------------------------------------- */

float largest_of(const float *values, int64_t n)
{
    float largest = 0;

    for (int64_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(values[i]));
    return largest;
}

/* The k-th smallest of x [n], k from 0; reorders x (Hoare's selection). */
static float nth_smallest(float *x, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;

    while (lo < hi) {
        float pivot = x[lo + (hi - lo) / 2];
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                float t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            break;
    }
    return x[k];
}

float map_scale(const float *values, int64_t n)
{
    float *sizes, scale;

    if (allocate(&sizes, n, sizeof *sizes) != 0)
        return -1;
    for (int64_t i = 0; i < n; i++)
        sizes[i] = fabsf(values[i]);
    scale = nth_smallest(sizes, n, (int64_t)(0.995 * (double)(n - 1) + 0.5));
    if (!(scale > 0))
        scale = largest_of(values, n);
    free(sizes);
    return scale > 0 ? scale : 1;
}

void maps_drop(map_set *m)
{
    free(m->values);
    free(m->cells);
    free(m->words);
    free(m->scores);
    *m = (map_set){.n = 0};
}

/* Rows on their way to cells, and the range of each. */
typedef struct cell_rows {
    map_set *m;
    const int64_t *rows;
    const float *differences; /* [n, cols] or NULL */
    float *lo, *hi;           /* [n] */
} cell_rows;

static int fill_row(session *s, void *arg, int64_t i)
{
    const cell_rows *c = arg;
    const look *l = &c->m->look;
    float *raw = NULL, *map = NULL, *cells = c->m->cells + i * l->rows * l->columns;
    const float *values = c->m->values + i * l->cols;
    int code = 0;

    TRY(allocate(&raw, l->cols, sizeof *raw));
    TRY(check(s, mucmm_data_read_raw(s->ctx, l->data, c->rows + i, 1,
                                     &(mucmm_mat){raw, 1, l->cols, l->cols})));
    find_range(raw, l->cols, &c->lo[i], &c->hi[i]);
    if (l->kind == LOOK_PICTURE) {
        TRY(look_cells(l, values, cells));
        goto done;
    }
    TRY(allocate(&map, l->cols, sizeof *map));
    memcpy(map, values, (size_t)l->cols * sizeof *map);
    TRY(sound_cells(s, l, raw, map, c->differences ? c->differences + i * l->cols : NULL, cells));
done:
    free(raw);
    free(map);
    return code;
}

/* The cells of pictures and sounds; also the range of the rows, so that they can be compared. */
static int fill_cells(session *s, map_set *m, const int64_t *rows, const float *differences)
{
    look *l = &m->look;
    cell_rows c = {.m = m, .rows = rows, .differences = differences};
    int64_t size = l->rows * l->columns;
    int code = 0;

    TRY(allocate(&m->cells, m->n * size, sizeof *m->cells));
    TRY(allocate(&c.lo, 2 * m->n, sizeof *c.lo));
    c.hi = c.lo + m->n;
    TRY(session_each(s, m->n, fill_row, &c));
    find_range(c.lo, 2 * m->n, &l->lo, &l->hi);
    m->scale = map_scale(m->cells, m->n * size);
    code = m->scale > 0 ? 0 : EXIT_RUN;
done:
    free(c.lo);
    return code;
}

static int fill_words(session *s, map_set *m, const int64_t *rows)
{
    const look *l = &m->look;
    int code = 0;

    TRY(allocate(&m->words, m->n, sizeof *m->words));
    m->scale = 0;
    for (int64_t i = 0; i < m->n; i++) {
        word_list *list = &m->words[i];
        const float *map = m->values + i * l->cols;
        TRY(l->bag ? bag_words(s, l, rows[i], map, list) : join_pieces(s, l, rows[i], map, list));
        m->scale = fmaxf(m->scale, largest_of(list->value, list->n));
    }
done:
    return code;
}

int maps_fill(session *s, const int64_t *rows, const float *differences, map_set *out)
{
    int code = 0;

    switch (out->look.kind) {
    case LOOK_BARS:
        out->scale = largest_of(out->values, out->n * out->look.cols);
        break;
    case LOOK_WORDS:
        TRY(fill_words(s, out, rows));
        break;
    case LOOK_PICTURE:
    case LOOK_SOUND:
        TRY(fill_cells(s, out, rows, differences));
        break;
    }
    if (!(out->scale > 0))
        out->scale = 1;
done:
    return code;
}

/* Values, scores and, of maps of sounds that are products, differences; what the mask leaves. */
static int explain_maps(session *s, const mucmm_explanation *e, const map_mask *mask, map_set *out,
                        float **differences)
{
    int64_t n = out->n, cols = out->look.cols;
    const mucmm_mat values = {out->values, n, cols, cols};
    int code = 0;

    TRY(check(s, mucmm_explanation_maps(s->ctx, e, &values)));
    memcpy(out->scores, mucmm_explanation_scores(e), (size_t)n * sizeof *out->scores);
    if (out->look.kind == LOOK_SOUND && is_measured(mucmm_explanation_params(e))) {
        TRY(allocate(differences, n * cols, sizeof **differences));
        TRY(check(s, mucmm_explanation_differences(s->ctx, e,
                                                   &(mucmm_mat){*differences, n, cols, cols})));
    }
    if (mask) {
        TRY(null_p_values(s, mask->null, e, cols, mask->p_values));
        mask_maps(out->values, mask->p_values, n * cols, mask->level);
    }
done:
    return code;
}

int maps_compute(session *s, const mucmm_model *m, const inputs *in, int32_t view, const look *l,
                 const int64_t *rows, int64_t n, const mucmm_explain_params *p,
                 const map_mask *mask, map_set *out)
{
    mucmm_explanation *e = NULL;
    float *differences = NULL;
    int code = 0;

    *out = (map_set){.look = *l, .n = n};
    if (l->bag && p->map == MUCMM_MAP_PATTERN) /* shows words that are not in the text */
        out->look.kind = LOOK_BARS;
    TRY(allocate(&out->values, n * l->cols, sizeof *out->values));
    TRY(allocate(&out->scores, n, sizeof *out->scores));
    TRY(check(s, mucmm_explanation_create(s->ctx, m, in->views, in->n, view, rows, n, p, &e)));
    TRY(explain_maps(s, e, mask, out, &differences));
    TRY(maps_fill(s, rows, differences, out));
done:
    mucmm_explanation_free(e);
    free(differences);
    return code;
}
