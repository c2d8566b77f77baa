/* SPDX-License-Identifier: MIT
 *
 * mucmm explain: maps of a score on the raw inputs, as numbers and as pictures.
 */
#include "explain.h"

#include "cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option explain_options[] = {
    OPTION_VIEW,
    {"samples", 0, OPTION_TEXT, true, AT(samples), 0, 0, "0,5,9", "rows to explain, also as 0-4"},
    OPTION_OUTPUT(true, "DIR", "folder for NAME.SCORE.npy and NAME.SCORE.SAMPLE.png"),
    {"score", 0, OPTION_TEXT, false, AT(score), 0, 0, "SCORE",
     "common (default), common-energy, individual, common:J, individual:J"},
    OPTION_METHOD,
    {"baseline", 0, OPTION_TEXT, false, AT(baseline), 0, 0, "zero|mean|blurred|ROW",
     "input-x- and integrated-gradients: where maps start (default mean)"},
    {"steps", 0, OPTION_COUNT, false, AT(steps), 1, 4096, "N",
     "integrated-gradients: points on the way (default 32)"},
    {"noise-samples", 0, OPTION_COUNT, false, AT(noise_samples), 1, 100000, "N",
     "smoothgrad: noisy copies of the input (default 25)"},
    {"noise", 0, OPTION_REAL, false, AT(noise), 0, 1e6, "SD",
     "smoothgrad: of the noise, in units of a column's scale or an input's range (default 0.15)"},
    {"seed", 0, OPTION_COUNT, false, AT(seed), 0, 9e18, "S",
     "smoothgrad: of the noise (default 1)"},
    {"representation", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "the trained heads (default) or the closed form"},
    {"shape", 0, OPTION_PAIRS, false, AT(shape), 0, 0, "NAME=28x56",
     "shape of a view's raw input, if its file does not tell it"},
    {"training", 0, OPTION_PAIRS, false, AT(training), 0, 0, "NAME=FILE",
     "pattern: rows whose covariance is used (default: kept in the model)"},
    {"memory", 0, OPTION_COUNT, false, AT(memory), 1, 1e9, "MIB",
     "memory for the activations of a study's encoders (default 1024)"},
    OPTION_KEY,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

/* What is shown of one view. Raw input is what the file holds, or, of encoded rows, what goes into
 * the encoder. */
typedef struct view_maps {
    const mucmm_view *view;
    const sample_list *samples;
    int64_t cols;
    int64_t shape[MUCMM_MAX_RANK]; /* of the raw input */
    int32_t rank;
    mucmm_source_kind kind;
    int64_t height, width; /* of a picture; 0 = the view is a table            */
    int64_t channels, cell_step, channel_step;
    float *inputs, *maps; /* [samples, cols] */
    float *sums;          /* [samples, tokens] of a text, [samples, SOUND_WIDTH] of a sound */
    double *scores;       /* [samples]       */
    float scale, lo, hi;  /* of maps; of inputs */
    const char *score_name;
    char file_name[32]; /* the score's, without ':' */
} view_maps;

/* ---- shapes ------------------------------------------------------------------- */

static const char *find_pair(const pairs *p, const char *name)
{
    for (int32_t i = 0; i < p->n; i++)
        if (strcmp(p->name[i], name) == 0)
            return p->value[i];
    return NULL;
}

/* Names in --shape and --training must be the model's. */
static int check_pair_names(const mucmm_model *m, const char *where, const pairs *p)
{
    for (int32_t i = 0; i < p->n; i++)
        if (mucmm_model_view_index(m, p->name[i]) < 0)
            return fail(EXIT_RUN, "--%s: the model has no view '%s'", where, p->name[i]);
    return 0;
}

static int find_shape(const settings *given, view_maps *v)
{
    const char *text = find_pair(&given->shape, v->view->name);
    double cells = 1;

    v->rank = mucmm_data_raw_shape(v->view->data, v->shape);
    if (!text)
        return 0;
    if (!parse_shape(text, v->shape, &v->rank))
        return fail(EXIT_USAGE, "--shape: '%s' is not a shape such as 28x56", text);
    for (int32_t i = 0; i < v->rank; i++)
        cells *= (double)v->shape[i];
    if (cells != (double)v->cols)
        return fail(EXIT_RUN, "--shape %s=%s has %.0f cells and a row of %s has %" PRId64,
                    v->view->name, text, cells, mucmm_data_label(v->view->data), v->cols);
    return 0;
}

/* [h, w], [h, w, 3] and [3, h, w] (also 4 channels; axes of length 1 are nothing)
 * are pictures, all else is a table. */
static void find_picture(view_maps *v)
{
    int64_t s[MUCMM_MAX_RANK];
    int32_t rank = 0;

    for (int32_t i = 0; i < v->rank; i++)
        if (v->shape[i] > 1)
            s[rank++] = v->shape[i];
    v->channels = v->cell_step = v->channel_step = 1;
    if (rank == 3 && (s[2] == 3 || s[2] == 4)) {
        v->channels = v->cell_step = s[2];
    } else if (rank == 3 && (s[0] == 3 || s[0] == 4)) {
        v->channels = s[0];
        v->channel_step = s[1] * s[2];
        s[0] = s[1];
        s[1] = s[2];
    } else if (rank != 2) {
        return;
    }
    v->height = s[0];
    v->width = s[1];
}

/* One row as a picture: the mean over the channels. */
static void fill_picture(const view_maps *v, const float *row, float *out)
{
    for (int64_t i = 0; i < v->height * v->width; i++) {
        double sum = 0;
        for (int64_t c = 0; c < v->channels; c++)
            sum += (double)row[i * v->cell_step + c * v->channel_step];
        out[i] = (float)(sum / (double)v->channels);
    }
}

/* ---- scales ------------------------------------------------------------------- */

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

float map_scale(const float *values, int64_t n)
{
    float *sorted, scale;

    if (allocate(&sorted, n, sizeof *sorted) != 0)
        return -1;
    for (int64_t i = 0; i < n; i++)
        sorted[i] = fabsf(values[i]);
    qsort(sorted, (size_t)n, sizeof *sorted, compare_floats);
    scale = sorted[(int64_t)(0.995 * (double)(n - 1) + 0.5)];
    if (!(scale > 0))
        scale = sorted[n - 1] > 0 ? sorted[n - 1] : 1;
    free(sorted);
    return scale;
}

static void find_range(view_maps *v)
{
    v->lo = v->hi = v->inputs[0];
    for (int64_t i = 0; i < v->samples->n * v->cols; i++) {
        v->lo = v->inputs[i] < v->lo ? v->inputs[i] : v->lo;
        v->hi = v->inputs[i] > v->hi ? v->inputs[i] : v->hi;
    }
}

/* ---- pictures ----------------------------------------------------------------- */

static void score_caption(const view_maps *v, int64_t sample, char *out, size_t size)
{
    snprintf(out, size, "%s score %.3g", v->score_name, v->scores[sample]);
}

/* The input beside the map. */
static int draw_picture(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    mucmm_sheet_params p;
    mucmm_cmat picture = {NULL, v->height, v->width, v->width};
    float *cells = NULL;
    char caption[80];
    int code = 0;

    mucmm_sheet_params_init(&p);
    p.cols = 2;
    p.height = v->height;
    p.width = v->width;
    TRY(allocate(&cells, v->height * v->width, sizeof *cells));
    picture.data = cells;
    TRY(check(s, mucmm_sheet_create(s->ctx, &p, out)));
    snprintf(caption, sizeof caption, "%s, sample %" PRId64, v->view->name,
             v->samples->rows[sample]);
    fill_picture(v, v->inputs + sample * v->cols, cells);
    TRY(check(s, mucmm_sheet_grey(s->ctx, *out, 0, 0, &picture, v->lo, v->hi, caption)));
    score_caption(v, sample, caption, sizeof caption);
    fill_picture(v, v->maps + sample * v->cols, cells);
    TRY(check(s, mucmm_sheet_map(s->ctx, *out, 1, 0, &picture, v->scale, caption)));
done:
    free(cells);
    return code;
}

enum { SHOWN_BARS = 15, NAME_SIZE = 96 };

/* Moves the strongest column not yet taken to the front, SHOWN_BARS times. */
static int64_t strongest_columns(const float *row, int64_t cols, int64_t *columns)
{
    int64_t n = 0;

    for (; n < SHOWN_BARS && n < cols; n++) {
        int64_t best = -1;
        for (int64_t j = 0; j < cols; j++) {
            bool taken = false;
            for (int64_t i = 0; i < n; i++)
                taken = taken || columns[i] == j;
            if (!taken && (best < 0 || fabsf(row[j]) > fabsf(row[best])))
                best = j;
        }
        columns[n] = best;
    }
    return n;
}

/* The strongest of `values`, drawn as bars with their names. */
static int draw_strongest(session *s, const view_maps *v, int64_t sample, const float *values,
                          const char *const *names, int64_t n, mucmm_sheet **out)
{
    char caption[128], score[80];
    mucmm_sheet_params p;
    int code = 0;

    mucmm_sheet_params_init(&p);
    p.height = 20 * (n > 2 ? n : 2) + 20; /* pixels: 20 a bar, and a frame */
    p.width = 420;
    p.zoom = 1;
    TRY(check(s, mucmm_sheet_create(s->ctx, &p, out)));
    score_caption(v, sample, score, sizeof score);
    snprintf(caption, sizeof caption, "%s, sample %" PRId64 ", %s", v->view->name,
             v->samples->rows[sample], score);
    TRY(check(s, mucmm_sheet_bars(s->ctx, *out, 0, 0, values, names, n, v->scale, caption)));
done:
    return code;
}

static int draw_bars(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    const float *row = v->maps + sample * v->cols;
    int64_t columns[SHOWN_BARS], n = strongest_columns(row, v->cols, columns);
    char names[SHOWN_BARS][NAME_SIZE];
    const char *shown[SHOWN_BARS];
    float values[SHOWN_BARS];

    for (int64_t i = 0; i < n; i++) {
        const char *name = mucmm_data_column(v->view->data, columns[i]);
        if (name)
            snprintf(names[i], NAME_SIZE, "%s", name);
        else
            snprintf(names[i], NAME_SIZE, "column %" PRId64, columns[i]);
        shown[i] = names[i];
        values[i] = row[columns[i]];
    }
    return draw_strongest(s, v, sample, values, shown, n, out);
}

/* ---- words --------------------------------------------------------------------- */

/* Maps of a text are [tokens, width]; a token's value is the sum over its width. */
static int sum_tokens(const view_maps *v, float **out)
{
    int64_t width = v->shape[v->rank - 1], n = v->samples->n * v->cols / width;
    int code = 0;

    TRY(allocate(out, n, sizeof **out));
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < width; j++)
            sum += (double)v->maps[i * width + j];
        (*out)[i] = (float)sum;
    }
done:
    return code;
}

/* A bar for each token that is no padding, named by its piece. */
static int draw_words(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    int64_t tokens = v->cols / v->shape[v->rank - 1], columns[SHOWN_BARS], n = 0;
    const float *sums = v->sums + sample * tokens;
    int64_t found = strongest_columns(sums, tokens, columns);
    char names[SHOWN_BARS][NAME_SIZE];
    const char *shown[SHOWN_BARS];
    float values[SHOWN_BARS];
    int code = 0;

    for (int64_t i = 0; i < found; i++) {
        char piece[NAME_SIZE];
        TRY(check(s, mucmm_data_token(s->ctx, v->view->data, v->samples->rows[sample], columns[i],
                                      piece, sizeof piece)));
        if (piece[0] == '\0')
            continue;
        /* U+2581 stands for a space before the word */
        snprintf(names[n], NAME_SIZE, "%s",
                 strncmp(piece, "\xe2\x96\x81", 3) == 0 && piece[3] ? piece + 3 : piece);
        shown[n] = names[n];
        values[n++] = sums[columns[i]];
    }
    if (n == 0) {
        shown[n] = "(no words)";
        values[n++] = 0;
    }
    TRY(draw_strongest(s, v, sample, values, shown, n, out));
done:
    return code;
}

/* ---- sound --------------------------------------------------------------------- */

enum { SOUND_WIDTH = 320, SOUND_HEIGHT = 80 };

/* Sums of a row of sound over the columns of a picture. */
static int64_t sum_columns(const view_maps *v, const float *row, float sums[SOUND_WIDTH])
{
    int64_t width = v->cols < SOUND_WIDTH ? v->cols : SOUND_WIDTH;

    for (int64_t j = 0; j < width; j++) {
        double sum = 0;
        for (int64_t t = j * v->cols / width; t < (j + 1) * v->cols / width; t++)
            sum += (double)row[t];
        sums[j] = (float)sum;
    }
    return width;
}

static int sum_sounds(const view_maps *v, float **out)
{
    int code = 0;

    TRY(allocate(out, v->samples->n * SOUND_WIDTH, sizeof **out));
    for (int64_t i = 0; i < v->samples->n; i++)
        sum_columns(v, v->maps + i * v->cols, *out + i * SOUND_WIDTH);
done:
    return code;
}

/* Dark where the wave is: its extent in every column, around the middle. */
static void fill_wave(const view_maps *v, const float *row, int64_t width, float *cells)
{
    float largest = fmaxf(fabsf(v->lo), fabsf(v->hi));

    for (int64_t j = 0; j < width; j++) {
        float lo = 0, hi = 0;
        for (int64_t t = j * v->cols / width; t < (j + 1) * v->cols / width; t++) {
            lo = fminf(lo, row[t]);
            hi = fmaxf(hi, row[t]);
        }
        for (int64_t i = 0; i < SOUND_HEIGHT; i++) {
            float y = 1 - 2 * ((float)i + 0.5f) / SOUND_HEIGHT; /* 1 at the top */
            bool inside = y * largest >= lo - largest / SOUND_HEIGHT &&
                          y * largest <= hi + largest / SOUND_HEIGHT;
            cells[i * width + j] = inside ? 0 : 1;
        }
    }
}

/* The wave above, the map over the same time below. */
static int draw_sound(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    float sums[SOUND_WIDTH], *cells = NULL;
    int64_t width = sum_columns(v, v->maps + sample * v->cols, sums);
    mucmm_cmat picture = {NULL, SOUND_HEIGHT, width, width};
    mucmm_sheet_params p;
    char caption[80];
    int code = 0;

    mucmm_sheet_params_init(&p);
    p.rows = 2;
    p.height = SOUND_HEIGHT;
    p.width = width;
    TRY(allocate(&cells, SOUND_HEIGHT * width, sizeof *cells));
    picture.data = cells;
    TRY(check(s, mucmm_sheet_create(s->ctx, &p, out)));
    fill_wave(v, v->inputs + sample * v->cols, width, cells);
    snprintf(caption, sizeof caption, "%s, sample %" PRId64, v->view->name,
             v->samples->rows[sample]);
    TRY(check(s, mucmm_sheet_grey(s->ctx, *out, 0, 0, &picture, 0, 1, caption)));
    for (int64_t i = 0; i < SOUND_HEIGHT * width; i++)
        cells[i] = sums[i % width];
    score_caption(v, sample, caption, sizeof caption);
    TRY(check(s, mucmm_sheet_map(s->ctx, *out, 0, 1, &picture, v->scale, caption)));
done:
    free(cells);
    return code;
}

static int write_png(session *s, const view_maps *v, int64_t sample, output_dir *dir)
{
    mucmm_sheet *sheet = NULL;
    int code = 0;

    if (v->kind == MUCMM_SOURCE_TEXT)
        TRY(draw_words(s, v, sample, &sheet));
    else if (v->kind == MUCMM_SOURCE_AUDIO && v->rank == 1)
        TRY(draw_sound(s, v, sample, &sheet));
    else
        TRY(v->height > 0 ? draw_picture(s, v, sample, &sheet) : draw_bars(s, v, sample, &sheet));
    TRY(output_dir_file(dir, "%s.%s.%" PRId64 ".png", v->view->name, v->file_name,
                        v->samples->rows[sample]));
    TRY(check(s, mucmm_sheet_write_png(s->ctx, sheet, dir->full)));
done:
    mucmm_sheet_free(sheet);
    return code;
}

/* ---- maps --------------------------------------------------------------------- */

/* A text whose columns are its words. */
static bool is_bag(const mucmm_data *d)
{
    return mucmm_data_source_kind(d) == MUCMM_SOURCE_TEXT && mucmm_data_column(d, 0);
}

/* Do maps of encoded rows need the training rows? A word that is not in a text has no input to
 * multiply: its baseline is zero unless another is asked for. */
static bool needs_training(const mucmm_view *view, const mucmm_explain_params *p)
{
    bool measured =
        p->map == MUCMM_MAP_INPUT_X_GRADIENT || p->map == MUCMM_MAP_INTEGRATED_GRADIENTS;

    return p->map == MUCMM_MAP_PATTERN ||
           (measured && (p->baseline == MUCMM_BASELINE_MEAN ||
                         (p->baseline == MUCMM_BASELINE_DEFAULT && !is_bag(view->data))));
}

/* The file of --training; of encoded rows of a study its training part. */
static int open_training(session *s, const settings *given, const inputs *in,
                         const mucmm_view *view, const mucmm_explain_params *explain,
                         mucmm_data **out)
{
    const char *path = find_pair(&given->training, view->name);
    mucmm_data_params p;

    *out = NULL;
    if (!path && needs_training(view, explain) && mucmm_data_description(view->data))
        return inputs_training(s, in, view->name, out);
    if (!path)
        return 0;
    mucmm_data_params_init(&p);
    p.key = given->key;
    return check(s, mucmm_data_open(s->ctx, path, &p, out));
}

static int compute_maps(session *s, const mucmm_model *m, const inputs *in, int32_t view,
                        const mucmm_explain_params *params, view_maps *v)
{
    int64_t n = v->samples->n;
    const mucmm_mat rows = {v->inputs, n, v->cols, v->cols}, maps = {v->maps, n, v->cols, v->cols};
    int code = 0;

    TRY(check(s, mucmm_data_read_raw(s->ctx, v->view->data, v->samples->rows, n, &rows)));
    TRY(check(s, mucmm_explain(s->ctx, m, in->views, in->n, view, v->samples->rows, n, params,
                               &maps, v->scores)));
    if (v->kind == MUCMM_SOURCE_TEXT)
        TRY(sum_tokens(v, &v->sums));
    else if (v->kind == MUCMM_SOURCE_AUDIO && v->rank == 1)
        TRY(sum_sounds(v, &v->sums));
    v->scale = v->kind == MUCMM_SOURCE_TEXT
                   ? map_scale(v->sums, n * v->cols / v->shape[v->rank - 1])
               : v->sums ? map_scale(v->sums, n * SOUND_WIDTH)
                         : map_scale(v->maps, n * v->cols);
    find_range(v);
    code = v->scale > 0 ? 0 : EXIT_RUN;
done:
    return code;
}

static int write_maps(session *s, view_maps *v, output_dir *dir)
{
    int64_t shape[MUCMM_MAX_RANK] = {v->samples->n};
    int32_t rank = v->rank < MUCMM_MAX_RANK ? v->rank : 1;
    int code = 0;

    for (int32_t i = 0; i < rank; i++)
        shape[i + 1] = rank == v->rank ? v->shape[i] : v->cols;
    TRY(output_dir_file(dir, "%s.%s.npy", v->view->name, v->file_name));
    TRY(check(s, mucmm_npy_write(s->ctx, dir->full, v->maps, shape, rank + 1)));
    for (int64_t i = 0; i < v->samples->n; i++)
        TRY(write_png(s, v, i, dir));
done:
    return code;
}

static int explain_view(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                        int32_t view, const sample_list *samples, mucmm_explain_params *params,
                        output_dir *dir)
{
    view_maps v = {.view = &in->views[view], .samples = samples};
    mucmm_data *training = NULL;
    int code = 0;

    v.cols = mucmm_data_raw_cols(v.view->data);
    v.kind = is_bag(v.view->data) ? MUCMM_SOURCE_ROWS : mucmm_data_source_kind(v.view->data);
    v.score_name = given->score ? given->score : "common";
    snprintf(v.file_name, sizeof v.file_name, "%s", v.score_name);
    if (strchr(v.file_name, ':'))
        *strchr(v.file_name, ':') = '-';
    TRY(find_shape(given, &v));
    find_picture(&v);
    TRY(open_training(s, given, in, v.view, params, &training));
    params->training = training;
    TRY(allocate(&v.inputs, samples->n * v.cols, sizeof *v.inputs));
    TRY(allocate(&v.maps, samples->n * v.cols, sizeof *v.maps));
    TRY(allocate(&v.scores, samples->n, sizeof *v.scores));
    TRY(compute_maps(s, m, in, view, params, &v));
    TRY(write_maps(s, &v, dir));
done:
    mucmm_data_free(training);
    free(v.inputs);
    free(v.maps);
    free(v.sums);
    free(v.scores);
    return code;
}

static int parse_baseline(const char *text, mucmm_explain_params *p)
{
    static const char *const words[] = {"zero", "mean", "blurred"};

    for (int i = 0; i < 3; i++)
        if (strcmp(text, words[i]) == 0) {
            p->baseline = (mucmm_baseline)(MUCMM_BASELINE_ZERO + i);
            return 0;
        }
    if (!parse_count(text, &p->baseline_row))
        return fail(EXIT_USAGE,
                    "--baseline: '%s' is none of zero, mean, blurred, and no number of a row",
                    text);
    p->baseline = MUCMM_BASELINE_ROW;
    return 0;
}

/* Options that the method has no use for. */
static int check_method(const settings *given, mucmm_map_kind map)
{
    bool smooth = map == MUCMM_MAP_SMOOTHGRAD, integrated = map == MUCMM_MAP_INTEGRATED_GRADIENTS;

    if (given->baseline && !integrated && map != MUCMM_MAP_INPUT_X_GRADIENT)
        return fail(EXIT_USAGE,
                    "--baseline is for --method input-x-gradient or integrated-gradients");
    if (given->steps > 0 && !integrated)
        return fail(EXIT_USAGE, "--steps is for --method integrated-gradients");
    if ((given->noise_samples > 0 || given->noise >= 0 || given->seed >= 0) && !smooth)
        return fail(EXIT_USAGE, "--noise-samples, --noise and --seed are for --method smoothgrad");
    return 0;
}

static int fill_params(const settings *given, mucmm_explain_params *p)
{
    int code = 0;

    mucmm_explain_params_init(p);
    if (given->method >= 0)
        p->map = (mucmm_map_kind)given->method;
    if (given->representation >= 0)
        p->method = (mucmm_method)given->representation;
    p->steps = given->steps > 0 ? given->steps : p->steps;
    p->samples = given->noise_samples > 0 ? given->noise_samples : p->samples;
    p->noise = given->noise >= 0 ? given->noise : p->noise;
    p->seed = given->seed >= 0 ? (uint64_t)given->seed : p->seed;
    TRY(check_method(given, p->map));
    if (given->baseline)
        TRY(parse_baseline(given->baseline, p));
    TRY(score_parse(given->score ? given->score : "common", p));
done:
    return code;
}

int run_explain(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    sample_list samples = {0};
    output_dir dir = {.path = given->output};
    mucmm_explain_params params;

    TRY(fill_params(given, &params));
    TRY(output_dir_check(given->output));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(check_pair_names(m, "shape", &given->shape));
    TRY(check_pair_names(m, "training", &given->training));
    TRY(inputs_open_for(&s, m, given, &in));
    TRY(samples_parse(given->samples, mucmm_data_rows(in.data[0]), 0, &samples));
    for (int32_t v = 0; v < in.n; v++)
        TRY(explain_view(&s, given, m, &in, v, &samples, &params, &dir));
done:
    output_dir_close(&dir, code == 0);
    free(samples.rows);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
