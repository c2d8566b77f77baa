/* SPDX-License-Identifier: MIT
 *
 * mucmm explain: maps of a score on the raw inputs, as numbers and as pictures.
 */
#include "explain_check.h"
#include "look.h"
#include "parts.h"

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
     "of smoothgrad's noise and of null models (default 1)"},
    {"check", 0, OPTION_FLAG, false, AT(check), 0, 0, NULL,
     "print a table of what holds of the maps, of all methods and both scores unless one is given"},
    {"mask", 0, OPTION_REAL, false, AT(mask), 0, 1, "P",
     "keep only cells with p-values up to P, by null models fitted to permuted pairs"},
    {"null-models", 0, OPTION_COUNT, false, AT(null_models), 1, 9999, "N",
     "--check, --mask: how many (default 19)"},
    {"null-rows", 0, OPTION_COUNT, false, AT(null_rows), 1, 9e15, "N",
     "--check, --mask: the most training rows a null model takes (default all)"},
    {"representation", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "the trained heads (default) or the closed form"},
    {"parts", 0, OPTION_FLAG, false, AT(parts), 0, 0, NULL,
     "instead of a score: mean, common part, individual part and rest, which add up to the input"},
    {"shape", 0, OPTION_PAIRS, false, AT(shape), 0, 0, "NAME=28x56",
     "shape of a view's raw input, if its file does not tell it"},
    {"training", 0, OPTION_PAIRS, false, AT(training), 0, 0, "NAME=FILE",
     "rows the model was fitted to: for null models, and for patterns of wide views"},
    {"memory", 0, OPTION_COUNT, false, AT(memory), 1, 1e9, "MIB",
     "memory for the activations of a study's encoders (default 1024)"},
    OPTION_KEY,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_END,
};

/* What is explained of one view. Raw input is what the file holds, or, of encoded rows, what goes
 * into the encoder. */
typedef struct view_maps {
    const mucmm_view *view;
    const inputs *in;
    const sample_list *samples;
    int64_t cols;
    int64_t shape[MUCMM_MAX_RANK]; /* of the raw input */
    int32_t rank;
    map_set maps;
    const char *score_name;
    char method[32];
    char file_name[32]; /* the score's, without ':' */
} view_maps;

/* ---- shapes ------------------------------------------------------------------------ */

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

/* ---- pictures ---------------------------------------------------------------------- */

enum { PANEL_WIDTH = 300, SOUND_WIDTH = 520 }; /* pixels that a panel should have */

static int new_sheet(session *s, const view_maps *v, int64_t sample, int64_t rows, int64_t cols,
                     int64_t height, int64_t width, mucmm_sheet **out)
{
    char title[200];
    mucmm_sheet_params p;

    mucmm_sheet_params_init(&p);
    snprintf(title, sizeof title, "%s, sample %" PRId64 ": %s score %.3g, %s", v->view->name,
             v->samples->rows[sample], v->score_name, v->maps.scores[sample], v->method);
    p.title = title;
    p.rows = rows;
    p.cols = cols;
    p.height = height;
    p.width = width;
    int64_t wanted = v->maps.look.kind == LOOK_SOUND ? SOUND_WIDTH : PANEL_WIDTH;
    p.zoom = width < wanted ? wanted / width : 1;
    return check(s, mucmm_sheet_create(s->ctx, &p, out));
}

static mucmm_cmat cells_of(const view_maps *v, int64_t sample)
{
    const look *l = &v->maps.look;

    return (mucmm_cmat){v->maps.cells + sample * l->rows * l->columns, l->rows, l->columns,
                        l->columns};
}

/* The input beside the map over the paled input. */
static int draw_picture(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    const look *l = &v->maps.look;
    mucmm_cmat map = cells_of(v, sample);
    unsigned char *rgb = NULL;
    int code = 0;

    TRY(look_picture(s, l, v->samples->rows[sample], &rgb));
    TRY(new_sheet(s, v, sample, 1, 2, l->rows, l->columns, out));
    TRY(check(s, mucmm_sheet_picture(s->ctx, *out, 0, 0, rgb, l->rows, l->columns, "input")));
    TRY(check(s, mucmm_sheet_overlay(s->ctx, *out, 1, 0, &map, v->maps.scale, rgb,
                                     l->local_sd > 0 ? "map, local sums" : "map")));
done:
    free(rgb);
    return code;
}

enum { SHOWN_BARS = 15, BARS_WIDTH = 460, WORDS_WIDTH = 520 };

static int draw_bars(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    const look *l = &v->maps.look;
    bar_list bars;
    int code = 0;

    bars_of(l, v->maps.values + sample * l->cols, SHOWN_BARS, &bars);
    TRY(new_sheet(s, v, sample, 1, 1, 20 * (bars.n > 2 ? bars.n : 2) + 20, BARS_WIDTH, out));
    TRY(check(s, mucmm_sheet_bars(s->ctx, *out, 0, 0, bars.value, bars.shown, bars.n, v->maps.scale,
                                  NULL)));
done:
    return code;
}

static int draw_words(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    static const char *const none[] = {"(no words)"};
    static const float zero[] = {0};
    const word_list *list = &v->maps.words[sample];
    const char *const *shown = list->n > 0 ? list->shown : none;
    const float *values = list->n > 0 ? list->value : zero;
    int64_t n = list->n > 0 ? list->n : 1, height;
    int code = 0;

    height = mucmm_sheet_words_height(shown, values, n, WORDS_WIDTH);
    TRY(new_sheet(s, v, sample, 1, 1, height, WORDS_WIDTH, out));
    TRY(check(s, mucmm_sheet_words(s->ctx, *out, 0, 0, shown, values, n, v->maps.scale, NULL)));
done:
    return code;
}

/* The log-mel spectrogram above, the map over it below. */
static int draw_sound(session *s, const view_maps *v, int64_t sample, mucmm_sheet **out)
{
    const look *l = &v->maps.look;
    mucmm_cmat map = cells_of(v, sample);
    unsigned char *rgb = NULL;
    tick_list ticks;
    int code = 0;

    look_ticks(l, &ticks);
    TRY(look_picture(s, l, v->samples->rows[sample], &rgb));
    TRY(new_sheet(s, v, sample, 2, 1, l->rows, l->columns, out));
    TRY(check(s, mucmm_sheet_picture(s->ctx, *out, 0, 0, rgb, l->rows, l->columns,
                                     "log-mel spectrogram, 70 dB")));
    TRY(check(s, mucmm_sheet_overlay(s->ctx, *out, 0, 1, &map, v->maps.scale, rgb, "map")));
    for (int64_t row = 0; row < 2; row++)
        TRY(check(s,
                  mucmm_sheet_ticks(s->ctx, *out, 0, row, ticks.x, ticks.n_x, ticks.y, ticks.n_y)));
done:
    free(rgb);
    return code;
}

typedef struct picture_files {
    const view_maps *v;
    char **path; /* [samples] */
} picture_files;

static int write_png(session *s, void *arg, int64_t sample)
{
    const picture_files *files = arg;
    const view_maps *v = files->v;
    static int (*const draw[])(session *, const view_maps *, int64_t, mucmm_sheet **) = {
        [LOOK_BARS] = draw_bars,
        [LOOK_PICTURE] = draw_picture,
        [LOOK_WORDS] = draw_words,
        [LOOK_SOUND] = draw_sound,
    };
    mucmm_sheet *sheet = NULL;
    int code = 0;

    TRY(draw[v->maps.look.kind](s, v, sample, &sheet));
    TRY(check(s, mucmm_sheet_write_png(s->ctx, sheet, files->path[sample])));
done:
    mucmm_sheet_free(sheet);
    return code;
}

static int write_pngs(session *s, const view_maps *v, output_dir *dir)
{
    picture_files files = {v, NULL};
    int64_t n = v->samples->n;
    int code = 0;

    TRY(allocate(&files.path, n, sizeof *files.path));
    for (int64_t i = 0; i < n; i++) {
        TRY(output_dir_file(dir, "%s.%s.%" PRId64 ".png", v->view->name, v->file_name,
                            v->samples->rows[i]));
        files.path[i] = strdup(dir->full);
        if (!files.path[i])
            TRY(fail(EXIT_RUN, "out of memory"));
    }
    TRY(session_each(s, n, write_png, &files));
done:
    for (int64_t i = 0; files.path && i < n; i++)
        free(files.path[i]);
    free(files.path);
    return code;
}

/* ---- maps -------------------------------------------------------------------------- */

/* The file of --training; of encoded rows of a study its training part. */
static int open_training(session *s, const settings *given, const view_maps *v, const look *l,
                         const mucmm_explain_params *explain, mucmm_data **out)
{
    const char *path = find_pair(&given->training, v->view->name);
    mucmm_data_params p;

    *out = NULL;
    if (!path && look_needs_training(l, explain))
        return inputs_training(s, v->in, v->view->name, out);
    if (!path)
        return 0;
    mucmm_data_params_init(&p);
    p.key = given->key;
    return check(s, mucmm_data_open(s->ctx, path, &p, out));
}

/* DIR/NAME.SCORE.npy, or with `what` before the ending. */
static int write_rows(session *s, const view_maps *v, const float *values, const char *what,
                      output_dir *dir)
{
    int64_t shape[MUCMM_MAX_RANK] = {v->samples->n};
    int32_t rank = v->rank < MUCMM_MAX_RANK ? v->rank : 1;
    int code = 0;

    for (int32_t i = 0; i < rank; i++)
        shape[i + 1] = rank == v->rank ? v->shape[i] : v->cols;
    TRY(output_dir_file(dir, "%s.%s%s.npy", v->view->name, v->file_name, what));
    TRY(check(s, mucmm_npy_write(s->ctx, dir->full, values, shape, rank + 1)));
done:
    return code;
}

static int write_maps(session *s, view_maps *v, const map_mask *mask, output_dir *dir)
{
    int code = 0;

    TRY(write_rows(s, v, v->maps.values, "", dir));
    if (mask->null->null)
        TRY(write_rows(s, v, mask->p_values, ".p", dir));
    TRY(write_pngs(s, v, dir));
done:
    return code;
}

static int explain_view(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                        int32_t view, const sample_list *samples, const null_models *null,
                        const mucmm_explain_params *usual, output_dir *dir)
{
    view_maps v = {.view = &in->views[view], .in = in, .samples = samples};
    mucmm_explain_params params = *usual;
    mucmm_data *training = NULL;
    map_mask mask = {null, given->mask, NULL};
    look l;
    int code = 0;

    v.cols = mucmm_data_raw_cols(v.view->data);
    v.score_name = given->score ? given->score : "common";
    score_file_name(v.score_name, v.file_name, sizeof v.file_name);
    TRY(find_shape(given, &v));
    l = look_of(v.view->data, v.shape, v.rank, 0);
    if (given->parts)
        params.map = MUCMM_MAP_PATTERN;
    else
        look_defaults(&l, given, &params);
    choice_word(METHODS, params.map, v.method, sizeof v.method);
    TRY(open_training(s, given, &v, &l, &params, &training));
    params.training = training;
    if (given->parts) {
        TRY(parts_write(s, m, in, view, &l, v.shape, v.rank, samples, &params, dir));
        goto done;
    }
    if (null->null)
        TRY(allocate(&mask.p_values, samples->n * v.cols, sizeof *mask.p_values));
    TRY(maps_compute(s, m, in, view, &l, samples->rows, samples->n, &params,
                     null->null ? &mask : NULL, &v.maps));
    TRY(write_maps(s, &v, &mask, dir));
done:
    free(mask.p_values);
    mucmm_data_free(training);
    maps_drop(&v.maps);
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

    if (given->json && !given->check)
        return fail(EXIT_USAGE, "--json is for --check");
    if ((given->null_models > 0 || given->null_rows > 0) && !given->check && !(given->mask >= 0))
        return fail(EXIT_USAGE, "--null-models and --null-rows are for --check and --mask");
    if (given->check) /* of all methods */
        return 0;
    if (given->baseline && !integrated && map != MUCMM_MAP_INPUT_X_GRADIENT)
        return fail(EXIT_USAGE,
                    "--baseline is for --method input-x-gradient or integrated-gradients");
    if (given->steps > 0 && !integrated)
        return fail(EXIT_USAGE, "--steps is for --method integrated-gradients");
    if ((given->noise_samples > 0 || given->noise >= 0) && !smooth)
        return fail(EXIT_USAGE, "--noise-samples and --noise are for --method smoothgrad");
    if (given->seed >= 0 && !smooth && !(given->mask >= 0))
        return fail(EXIT_USAGE, "--seed is for --method smoothgrad, --check and --mask");
    return 0;
}

static int fill_params(const settings *given, mucmm_explain_params *p)
{
    int code = 0;

    mucmm_explain_params_init(p);
    if (given->parts && (given->score || given->method >= 0 || given->check || given->mask >= 0))
        return fail(EXIT_USAGE, "--parts is instead of --score, --method, --check and --mask");
    if (given->method >= 0)
        p->map = (mucmm_map_kind)given->method;
    if (given->representation >= 0)
        p->representation = (mucmm_representation)given->representation;
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
    null_models null = {0};
    mucmm_explain_params params;

    TRY(fill_params(given, &params));
    TRY(output_dir_check(given->output));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(check_pair_names(m, "shape", &given->shape));
    TRY(check_pair_names(m, "training", &given->training));
    TRY(inputs_open_for(&s, m, given, &in));
    TRY(samples_parse(given->samples, mucmm_data_rows(in.data[0]), 0, &samples));
    if (given->check) {
        TRY(explain_check(&s, given, m, &in, &samples, &params, &dir));
        goto done;
    }
    if (given->mask >= 0)
        TRY(null_models_open(&s, given, m, &in, params.representation, true, &null));
    for (int32_t v = 0; v < in.n; v++)
        TRY(explain_view(&s, given, m, &in, v, &samples, &null, &params, &dir));
done:
    output_dir_close(&dir, code == 0);
    free(samples.rows);
    null_models_close(&null);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
