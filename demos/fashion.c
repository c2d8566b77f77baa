/* SPDX-License-Identifier: MIT
 *
 * mucmm demo fashion: the planted composite from data to pictures. The truth is
 * known, so everything that the method claims can be counted.
 */
#include "demo.h"

#include "cli.h"
#include "composite.h"
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option demo_options[] = {
    OPTION_OUTPUT(false, "DIR",
                  "folder for data, model and pictures (default demo-fashion, demo-emoji)"),
    {"data", 0, OPTION_TEXT, false, AT(data), 0, 0, "DIR",
     "fashion: folder of Fashion-MNIST (default " FASHION_FOLDER ")"},
    {"pairs", 0, OPTION_COUNT, false, AT(train_pairs), 100, 1000000, "N",
     "fashion: training pairs; a quarter as many test pairs (default 20000)"},
    {"epochs", 0, OPTION_COUNT, false, AT(epochs), 1, 1000000, "N",
     "fashion: epochs of training (default: chosen)"},
    {"image-encoder", 0, OPTION_TEXT, false, AT(image_encoder), 0, 0, "NET.onnx,KEY=VALUE,...",
     "emoji: network for the drawings, with keys of docs/study.md (default: PP-OCRv4's detector)"},
    {"text-encoder", 0, OPTION_TEXT, false, AT(text_encoder), 0, 0, "NET.onnx,KEY=VALUE,...",
     "emoji: network for the words (default: a bag of words)"},
    OPTION_SEED,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_VERBOSE,
    OPTION_END,
};

enum { COMMON = 9, INDIVIDUAL = 20, TRAIN = 0, TEST = 1, N_SETS = 2, MAPPED = 500, SHOWN = 6 };

static const char *const set_names[N_SETS] = {"train", "test"};
static const char *const view_names[DEMO_VIEWS] = {"left", "right"};

typedef struct demo {
    session s;
    output_dir dir;
    composite pairs[N_SETS];
    mucmm_data *data[N_SETS][DEMO_VIEWS];
    mucmm_view views[N_SETS][DEMO_VIEWS];
    mucmm_model *model;
    mucmm_mat variates[DEMO_REPRESENTATIONS][N_SETS][DEMO_VIEWS][N_PARTS];
    uint64_t seed;
    demo_results results;
} demo;

/* Reports a stage of the demo itself; nonzero if the user asked to stop. */
static int tick(demo *d, const char *stage, int64_t done, int64_t total)
{
    if (progress_report(&d->s.progress, stage, done, total, "") != 0)
        return check(&d->s, MUCMM_ECANCELED);
    return 0;
}

/* ---- data -------------------------------------------------------------------------- */

/* labels.train.csv: the truth of each pair. */
static int write_labels(demo *d, int set)
{
    const composite *c = &d->pairs[set];
    char *text = NULL;
    size_t size = 0;
    int code = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return fail(EXIT_RUN, "out of memory");
    fprintf(out, "shared,left_own,right_own\n");
    for (int64_t i = 0; i < c->n; i++)
        fprintf(out, "%d,%d,%d\n", (int)c->shared[i], (int)c->own_class[0][i],
                (int)c->own_class[1][i]);
    if (fclose(out) != 0) {
        code = fail(EXIT_RUN, "out of memory");
        goto done;
    }
    TRY(output_dir_file(&d->dir, "labels.%s.csv", set_names[set]));
    TRY(check(&d->s, mucmm_file_write(d->s.ctx, d->dir.full, text, size)));
done:
    free(text);
    return code;
}

/* Makes the pairs, writes them, and opens them as a user would. */
static int make_set(demo *d, const char *folder, int set, int64_t n)
{
    static const char *const parts[N_SETS] = {"train", "t10k"};
    const int64_t shape[3] = {n, SIDE, 2 * SIDE};
    composite *c = &d->pairs[set];
    int code = 0;

    TRY(composite_make(&d->s, folder, parts[set], n, d->seed + (uint64_t)set, c));
    for (int v = 0; v < DEMO_VIEWS; v++) {
        TRY(output_dir_file(&d->dir, "%s.%s.npy", view_names[v], set_names[set]));
        TRY(check(&d->s, mucmm_npy_write(d->s.ctx, d->dir.full, c->pixels[v], shape, 3)));
        TRY(check(&d->s, mucmm_data_open(d->s.ctx, d->dir.full, NULL, &d->data[set][v])));
        d->views[set][v] = (mucmm_view){view_names[v], d->data[set][v]};
    }
    composite_drop_pixels(c);
    TRY(write_labels(d, set));
done:
    return code;
}

static int make_data(demo *d, const settings *given)
{
    const char *folder = given->data ? given->data : FASHION_FOLDER;
    int64_t train = given->train_pairs > 0 ? given->train_pairs : 20000;
    int code = 0;

    d->results.train = train;
    d->results.test = train / 4;
    d->results.mapped = d->results.test < MAPPED ? d->results.test : MAPPED;
    TRY(tick(d, "pairs", 0, N_SETS));
    TRY(make_set(d, folder, TRAIN, train));
    TRY(tick(d, "pairs", 1, N_SETS));
    TRY(make_set(d, folder, TEST, d->results.test));
    TRY(tick(d, "pairs", 2, N_SETS));
done:
    return code;
}

/* ---- model ------------------------------------------------------------------------- */

static int fit_model(demo *d, const settings *given)
{
    mucmm_fit_params p;
    int code = 0;

    mucmm_fit_params_init(&p);
    p.common = COMMON;
    p.individual = INDIVIDUAL;
    p.n_hidden = 2;
    p.hidden[0] = p.hidden[1] = 512;
    p.seed = d->seed;
    if (given->epochs > 0)
        p.common_epochs = p.individual_epochs = given->epochs;
    TRY(check(&d->s, mucmm_fit(d->s.ctx, d->views[TRAIN], DEMO_VIEWS, &p, &d->model)));
    TRY(output_dir_file(&d->dir, "model.mucmm"));
    TRY(check(&d->s, mucmm_model_save(d->s.ctx, d->model, d->dir.full)));
done:
    return code;
}

static int score_test(demo *d)
{
    mucmm_scores *scores = NULL;
    mucmm_score_params p;
    int code = 0;

    mucmm_score_params_init(&p);
    p.permutations = 0;
    TRY(check(&d->s, mucmm_score(d->s.ctx, d->model, d->views[TEST], DEMO_VIEWS, &p, &scores)));
    for (int m = 0; m < DEMO_REPRESENTATIONS; m++) {
        mucmm_representation representation = (mucmm_representation)m;
        d->results.total_test[m] = mucmm_scores_summary(scores, representation)->total_correlation;
        d->results.total_train[m] =
            mucmm_model_summary(d->model, MUCMM_ROWS_TRAIN, representation)->total_correlation;
    }
done:
    mucmm_scores_free(scores);
    return code;
}

/* Common and individual variates of one view of one set by one representation. */
static int transform_set(demo *d, int representation, int set, int view)
{
    mucmm_mat *out = d->variates[representation][set][view];
    int64_t n = mucmm_data_rows(d->data[set][view]);
    int code = 0;

    out[PART_COMMON] = (mucmm_mat){NULL, n, COMMON, COMMON};
    out[PART_INDIVIDUAL] = (mucmm_mat){NULL, n, INDIVIDUAL, INDIVIDUAL};
    for (int part = 0; part < N_PARTS; part++)
        TRY(allocate(&out[part].data, n * out[part].cols, sizeof(float)));
    TRY(check(&d->s,
              mucmm_transform(d->s.ctx, d->model, (mucmm_representation)representation,
                              mucmm_model_view_index(d->model, view_names[view]),
                              d->data[set][view], &out[PART_COMMON], &out[PART_INDIVIDUAL])));
done:
    return code;
}

static int transform_all(demo *d)
{
    int code = 0;

    for (int m = 0; m < DEMO_REPRESENTATIONS; m++)
        for (int set = 0; set < N_SETS; set++)
            for (int v = 0; v < DEMO_VIEWS; v++)
                TRY(transform_set(d, m, set, v));
done:
    return code;
}

/* ---- probes ------------------------------------------------------------------------ */

enum { N_PROBES = DEMO_REPRESENTATIONS * N_PARTS * N_CLASSES * N_READERS * DEMO_VIEWS };

static mucmm_cmat readable(const mucmm_mat *m)
{
    return (mucmm_cmat){m->data, m->rows, m->cols, m->stride};
}

static const int32_t *classes_of(const composite *c, int class_kind, int view)
{
    return class_kind == CLASS_SHARED ? c->shared : c->own_class[view];
}

/* The accuracies of the results lie in the order of this list. The nonlinear probes
 * take longest, so they are handed out first. */
static void list_probes(const demo *d, mucmm_probe *list, double **where, demo_results *r)
{
    int n = 0;

    for (int reader = N_READERS - 1; reader >= 0; reader--)
        for (int m = 0; m < DEMO_REPRESENTATIONS; m++)
            for (int part = 0; part < N_PARTS; part++)
                for (int kind = 0; kind < N_CLASSES; kind++)
                    for (int v = 0; v < DEMO_VIEWS; v++) {
                        where[n] = &r->accuracy[m][part][kind][reader][v];
                        list[n++] = (mucmm_probe){
                            .train = readable(&d->variates[m][TRAIN][v][part]),
                            .test = readable(&d->variates[m][TEST][v][part]),
                            .train_class = classes_of(&d->pairs[TRAIN], kind, v),
                            .test_class = classes_of(&d->pairs[TEST], kind, v),
                            .classes = CLASSES,
                            .nonlinear = reader == READER_MLP,
                        };
                    }
}

static int run_probes(demo *d)
{
    mucmm_probe list[N_PROBES];
    double *where[N_PROBES];
    int code = 0;

    list_probes(d, list, where, &d->results);
    TRY(check(&d->s, mucmm_probes_run(d->s.ctx, list, N_PROBES, d->seed)));
    for (int i = 0; i < N_PROBES; i++)
        *where[i] = list[i].accuracy;
done:
    return code;
}

/* ---- maps -------------------------------------------------------------------------- */

/* Maps of test pairs rows[0..n): of a representation, a part's score, a kind of map, a view. */
static int map_pairs(demo *d, const int64_t *rows, int64_t n, int representation, int part, int map,
                     int view, float *maps)
{
    static const mucmm_score_kind scores[N_PARTS] = {MUCMM_SCORE_COMMON, MUCMM_SCORE_INDIVIDUAL};
    static const mucmm_map_kind kinds[N_MAPS] = {MUCMM_MAP_PATTERN, MUCMM_MAP_GRADIENT};
    const mucmm_mat out = {maps, n, COMPOSITE, COMPOSITE};
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    p.score = scores[part];
    p.map = kinds[map];
    p.representation = (mucmm_representation)representation;
    return check(&d->s, mucmm_explain(d->s.ctx, d->model, d->views[TEST], DEMO_VIEWS,
                                      mucmm_model_view_index(d->model, view_names[view]), rows, n,
                                      &p, &out, NULL));
}

/* Mean over maps [n, 28, 56] of the share of squares in one half. */
static double half_share(const float *maps, int64_t n, int half)
{
    double mean = 0;

    for (int64_t i = 0; i < n; i++) {
        double sum[2] = {0, 0};
        for (int64_t j = 0; j < COMPOSITE; j++) {
            double x = (double)maps[i * COMPOSITE + j];
            sum[j % (2 * SIDE) >= SIDE] += x * x;
        }
        mean += sum[half] / (sum[0] + sum[1]) / (double)n;
    }
    return mean;
}

static int measure_maps(demo *d)
{
    int64_t n = d->results.mapped, done = 0,
            total = DEMO_REPRESENTATIONS * N_PARTS * N_MAPS * DEMO_VIEWS;
    int64_t rows[MAPPED];
    float *maps = NULL;
    int code = 0;

    for (int64_t i = 0; i < n; i++)
        rows[i] = i;
    TRY(allocate(&maps, n * COMPOSITE, sizeof *maps));
    for (int m = 0; m < DEMO_REPRESENTATIONS; m++)
        for (int part = 0; part < N_PARTS; part++)
            for (int map = 0; map < N_MAPS; map++)
                for (int v = 0; v < DEMO_VIEWS; v++) {
                    TRY(tick(d, "maps", done++, total));
                    TRY(map_pairs(d, rows, n, m, part, map, v, maps));
                    d->results.energy[m][part][map][v] = half_share(maps, n, part);
                }
    TRY(tick(d, "maps", total, total));
done:
    free(maps);
    return code;
}

/* ---- the contact sheet ------------------------------------------------------------- */

/* The first test pair of each class, until there are SHOWN. */
static void choose_pairs(const composite *c, int64_t rows[SHOWN])
{
    bool seen[CLASSES] = {false};
    int n = 0;

    memset(rows, 0, SHOWN * sizeof *rows);
    for (int64_t i = 0; i < c->n && n < SHOWN; i++)
        if (!seen[c->shared[i]]) {
            seen[c->shared[i]] = true;
            rows[n++] = i;
        }
}

/* One column of the sheet: SHOWN pictures of a view, or maps of a score. part < 0: the input. */
static int draw_column(demo *d, const int64_t *rows, mucmm_sheet *sheet, int64_t column, int view,
                       int part)
{
    static const char *const captions[N_PARTS] = {"common", "individual"};
    const int64_t cells = (int64_t)SHOWN * COMPOSITE;
    float *values = NULL, scale = 1;
    char caption[64];
    int code = 0;

    TRY(allocate(&values, cells, sizeof *values));
    const mucmm_mat out = {values, SHOWN, COMPOSITE, COMPOSITE};
    if (part < 0)
        TRY(check(&d->s, mucmm_data_read(d->s.ctx, d->data[TEST][view], rows, SHOWN, &out)));
    else
        TRY(map_pairs(d, rows, SHOWN, MUCMM_HEADS, part, MAP_PATTERN, view, values));
    if (part >= 0)
        TRY(check(&d->s, mucmm_map_scale(d->s.ctx, values, cells, &scale)));
    snprintf(caption, sizeof caption, "%s view%s%s", view_names[view], part < 0 ? "" : ": ",
             part < 0 ? "" : captions[part]);
    for (int64_t i = 0; i < SHOWN; i++) {
        const mucmm_cmat cell = {values + i * COMPOSITE, SIDE, 2 * SIDE, 2 * SIDE};
        const char *above = i == 0 ? caption : NULL;
        TRY(check(&d->s, part < 0
                             ? mucmm_sheet_grey(d->s.ctx, sheet, column, i, &cell, 0, 1, above)
                             : mucmm_sheet_map(d->s.ctx, sheet, column, i, &cell, scale, above)));
    }
done:
    free(values);
    return code;
}

static int draw_sheet(demo *d)
{
    mucmm_sheet *sheet = NULL;
    mucmm_sheet_params p;
    int64_t rows[SHOWN];
    int code = 0;

    choose_pairs(&d->pairs[TEST], rows);
    mucmm_sheet_params_init(&p);
    p.cols = DEMO_VIEWS * (1 + N_PARTS);
    p.rows = SHOWN;
    p.height = SIDE;
    p.width = 2 * SIDE;
    p.zoom = 4;
    p.title = "One pair a row: left halves share a class (common), right halves are random "
              "(individual). Red and blue: what the score comes from.";
    TRY(check(&d->s, mucmm_sheet_create(d->s.ctx, &p, &sheet)));
    for (int v = 0; v < DEMO_VIEWS; v++)
        for (int part = -1; part < N_PARTS; part++)
            TRY(draw_column(d, rows, sheet, v * (1 + N_PARTS) + part + 1, v, part));
    TRY(output_dir_file(&d->dir, "maps.png"));
    TRY(check(&d->s, mucmm_sheet_write(d->s.ctx, sheet, d->dir.full)));
done:
    mucmm_sheet_free(sheet);
    return code;
}

/* ---- all of it --------------------------------------------------------------------- */

static void close_demo(demo *d, bool keep)
{
    for (int set = 0; set < N_SETS; set++) {
        composite_free(&d->pairs[set]);
        for (int v = 0; v < DEMO_VIEWS; v++) {
            mucmm_data_free(d->data[set][v]);
            for (int m = 0; m < DEMO_REPRESENTATIONS; m++)
                for (int part = 0; part < N_PARTS; part++)
                    free(d->variates[m][set][v][part].data);
        }
    }
    mucmm_model_free(d->model);
    output_dir_close(&d->dir, keep);
    session_close(&d->s);
}

static int run_demo_fashion(const settings *given)
{
    demo d = {.dir = {.path = given->output ? given->output : "demo-fashion"}};
    int code = 0;

    if (given->image_encoder || given->text_encoder)
        return fail(EXIT_USAGE, "--image-encoder and --text-encoder are for demo emoji");
    d.seed = given->seed >= 0 ? (uint64_t)given->seed : 1;
    TRY(output_dir_check(d.dir.path));
    TRY(session_open(&d.s, given));
    TRY(make_data(&d, given));
    TRY(fit_model(&d, given));
    TRY(score_test(&d));
    TRY(transform_all(&d));
    TRY(run_probes(&d));
    TRY(measure_maps(&d));
    TRY(draw_sheet(&d));
    progress_pause(&d.s.progress);
    if (given->json)
        TRY(print_json(demo_json(&d.results)));
    else
        demo_print(&d.results, d.dir.path);
done:
    close_demo(&d, code == 0);
    return code;
}

int run_demo(const settings *given)
{
    if (strcmp(given->operand[0], "fashion") == 0)
        return run_demo_fashion(given);
    if (strcmp(given->operand[0], "emoji") == 0)
        return run_demo_emoji(given);
    return fail(EXIT_USAGE, "demo: there is no demo '%s'; there are fashion and emoji",
                given->operand[0]);
}
