/* SPDX-License-Identifier: MIT
 *
 * mucmm explain: maps of a score on the raw inputs, as numbers and as pictures.
 */
#include "explain_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option explain_options[] = {
    OPTION_VIEW,
    {"samples", 0, OPTION_TEXT, true, AT(samples), 0, 0, "0,5,9",
     "rows to explain: numbers from 0, ranges such as 0-4, names (keys), or all"},
    OPTION_OUTPUT(true, "DIR", "folder for NAME.SCORE.npy and NAME.SCORE.SAMPLE.png"),
    {"score", 0, OPTION_TEXT, false, AT(score), 0, 0, "SCORE",
     "common (default), common-energy, individual, common:J, individual:J; coupling: which word "
     "goes with which spot"},
    OPTION_METHOD,
    {"baseline", 0, OPTION_TEXT, false, AT(baseline), 0, 0, "zero|mean|blurred|ROW",
     "input-x- and integrated-gradients, lcmv: where maps start (default mean; words and sounds "
     "zero; lcmv of pictures blurred)"},
    {"steps", 0, OPTION_COUNT, false, AT(steps), 1, 4096, "N",
     "integrated-gradients, lcmv: points on the way (default 32)"},
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
    OPTION_FIGURES,
    {"parts", 0, OPTION_FLAG, false, AT(parts), 0, 0, NULL,
     "instead of a score: mean, common part, individual part and rest, which add up to the input"},
    {"shape", 0, OPTION_PAIRS, false, AT(shape), 0, 0, "NAME=28x56",
     "shape of a view's raw input, if its file does not tell it"},
    {"training", 0, OPTION_PAIRS, false, AT(training), 0, 0, "NAME=FILE",
     "rows the model was fitted to: null models, patterns of encoded views, maps of old models"},
    {"training-covariates", 0, OPTION_TEXT, false, AT(training_covariates), 0, 0, "FILE",
     "covariates of the rows of --training, as --covariates; with --key one table may hold both"},
    {"truth", 0, OPTION_PAIRS, false, AT(truth), 0, 0, "NAME=FILE",
     "--check: what is where in the raw inputs: 0 neither, 1 shared, 2 private"},
    {"memory", 0, OPTION_COUNT, false, AT(memory), 1, 1e9, "MIB",
     "memory for the activations of a study's encoders (default 1024)"},
    OPTION_KEY,
    OPTION_TABLES,
    OPTION_MISSING,
    OPTION_GROUP,
    OPTION_METADATA,
    OPTION_COVARIATES,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_JSON,
    OPTION_END,
};

/* What is explained of one view. */
typedef struct view_maps {
    const mucmm_view *view;
    const inputs *in;
    const sample_list *samples;
    const char *figures; /* the end of their files' names */
    mucmm_display_params shown;
    mucmm_explain_params params;
} view_maps;

/* ---- shapes ------------------------------------------------------------------------ */

/* Names in --shape and --training must be the model's. */
static int check_pair_names(const mucmm_model *m, const char *where, const pairs *p)
{
    for (int32_t i = 0; i < p->n; i++)
        if (mucmm_model_view_index(m, p->name[i]) < 0)
            return fail(EXIT_RUN, "--%s: the model has no view '%s'", where, p->name[i]);
    return 0;
}

/* Before anything is computed: does it fit the rows? */
static int check_shape(session *s, const settings *given, const mucmm_view *view, int64_t row)
{
    mucmm_display_params p;
    mucmm_display *d = NULL;
    int code = 0;

    mucmm_display_params_init(&p);
    TRY(shape_read(given, view->name, p.shape, &p.rank));
    if (p.rank > 0 && mucmm_display_of_values(s->ctx, view->data, &row, 1, MUCMM_MAP_GRADIENT, NULL,
                                              NULL, &p, &d) != MUCMM_OK)
        code = fail(EXIT_RUN, "--shape %s=%s: %s", view->name, find_pair(&given->shape, view->name),
                    mucmm_ctx_message(s->ctx));
done:
    mucmm_display_free(d);
    return code;
}

/* ---- pictures ---------------------------------------------------------------------- */

/* DIR/NAME.WHAT.SAMPLE.png, or as --figures says. */
static int write_figures(session *s, const view_maps *v, const mucmm_display *d, const char *what,
                         output_dir *dir)
{
    int64_t n = v->samples->n;
    char **path = NULL, file[MAX_SAMPLE];
    int code = 0;

    TRY(allocate(&path, n, sizeof *path));
    for (int64_t i = 0; i < n; i++) {
        TRY(output_dir_file(
            dir, "%s.%s.%s.%s", v->view->name, what,
            mucmm_views_file_name(v->in->paired, v->samples->rows[i], file, sizeof file),
            v->figures));
        path[i] = strdup(dir->full);
        if (!path[i])
            TRY(fail(EXIT_RUN, "out of memory"));
    }
    TRY(check(s, mucmm_display_write(s->ctx, d, (const char *const *)path)));
done:
    for (int64_t i = 0; path && i < n; i++)
        free(path[i]);
    free(path);
    return code;
}

/* ---- maps -------------------------------------------------------------------------- */

/* Values [n, raw cols] as DIR/NAME.WHAT.npy, in the shape of the raw rows. */
static int write_rows(session *s, const view_maps *v, const mucmm_display *d, const float *values,
                      const char *what, output_dir *dir)
{
    int64_t shape[MUCMM_MAX_RANK + 1] = {v->samples->n};
    int32_t rank = mucmm_display_shape(d, shape + 1);
    int code = 0;

    if (rank == MUCMM_MAX_RANK) {
        rank = 1;
        shape[1] = mucmm_data_raw_cols(v->view->data);
    }
    TRY(output_dir_file(dir, "%s.%s.npy", v->view->name, what));
    TRY(check(s, mucmm_npy_write(s->ctx, dir->full, values, shape, rank + 1)));
done:
    return code;
}

static int write_maps(session *s, const view_maps *v, const mucmm_display *d, const char *score,
                      output_dir *dir)
{
    char name[64], p_name[72];
    int code = 0;

    score_file_name(score, name, sizeof name);
    snprintf(p_name, sizeof p_name, "%s.p", name);
    TRY(write_rows(s, v, d, mucmm_display_values(d), name, dir));
    if (mucmm_display_p_values(d))
        TRY(write_rows(s, v, d, mucmm_display_p_values(d), p_name, dir));
    TRY(write_figures(s, v, d, name, dir));
done:
    return code;
}

static int explain_view(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                        int32_t view, const sample_list *samples, const null_models *null,
                        const mucmm_explain_params *usual, output_dir *dir)
{
    view_maps v = {.view = &in->views[view],
                   .in = in,
                   .samples = samples,
                   .figures = figures_end(given),
                   .params = *usual};
    mucmm_data *training = NULL;
    mucmm_explanation *e = NULL;
    mucmm_display *d = NULL;
    int64_t missing = 0;
    bool there = false;
    int code = 0;

    mucmm_display_params_init(&v.shown);
    TRY(shape_read(given, v.view->name, v.shown.shape, &v.shown.rank));
    v.shown.null = null->null;
    v.shown.mask = null->null ? given->mask : NAN;
    TRY(training_open(s, given, in, v.view->name,
                      mucmm_explain_takes_training(m, view, v.view->data, &v.params), &training));
    v.params.training = training;
    TRY(check(s, mucmm_explanation_create(s->ctx, m, in->views, in->n, view, samples->rows,
                                          samples->n, &v.params, &e)));
    TRY(check_part(s, mucmm_display_create(s->ctx, e, &v.shown, &d), &there));
    if (!there)
        goto done;
    TRY(write_maps(s, &v, d, given->score ? given->score : "common", dir));
    for (int64_t i = 0; i < samples->n; i++)
        missing += !mucmm_display_has_map(d, i);
    note_missing(s, v.view->name, missing, samples->n);
done:
    mucmm_display_free(d);
    mucmm_explanation_free(e);
    mucmm_data_free(training);
    return code;
}

/* DIR/NAME.mean.npy, and of every part DIR/NAME.PART.npy. */
static int write_parts(session *s, const view_maps *v, const mucmm_parts *p, const mucmm_display *d,
                       output_dir *dir)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = mucmm_display_shape(d, shape);
    int code = 0;

    if (rank == MUCMM_MAX_RANK) {
        rank = 1;
        shape[0] = mucmm_data_raw_cols(v->view->data);
    }
    TRY(output_dir_file(dir, "%s.mean.npy", v->view->name));
    TRY(check(s, mucmm_npy_write(s->ctx, dir->full, mucmm_parts_mean(p), shape, rank)));
    for (int i = 0; i <= MUCMM_SUMMAND_REST; i++)
        TRY(write_rows(s, v, d, mucmm_parts_values(p, (mucmm_summand)i).data,
                       mucmm_summand_text((mucmm_summand)i), dir));
    TRY(write_figures(s, v, d, "parts", dir));
done:
    return code;
}

static int show_parts(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                      int32_t view, const sample_list *samples, const mucmm_explain_params *usual,
                      output_dir *dir)
{
    view_maps v = {.view = &in->views[view],
                   .in = in,
                   .samples = samples,
                   .figures = figures_end(given),
                   .params = *usual};
    mucmm_data *training = NULL;
    mucmm_parts_params params;
    mucmm_parts *p = NULL;
    mucmm_display *d = NULL;
    int code = 0;

    mucmm_display_params_init(&v.shown);
    TRY(shape_read(given, v.view->name, v.shown.shape, &v.shown.rank));
    v.params.map = MUCMM_MAP_PATTERN;
    TRY(training_open(s, given, in, v.view->name,
                      mucmm_explain_takes_training(m, view, v.view->data, &v.params), &training));
    mucmm_parts_params_init(&params);
    params.representation = usual->representation;
    params.training = training;
    TRY(check(s, mucmm_parts_create(s->ctx, m, in->views, in->n, view, samples->rows, samples->n,
                                    &params, &p)));
    TRY(check(s, mucmm_display_of_parts(s->ctx, p, &v.shown, &d)));
    TRY(write_parts(s, &v, p, d, dir));
done:
    mucmm_display_free(d);
    mucmm_parts_free(p);
    mucmm_data_free(training);
    return code;
}

/* Options that the method has no use for. */
static int check_method(const settings *given, mucmm_map_kind map)
{
    bool smooth = map == MUCMM_MAP_SMOOTHGRAD, integrated = map >= MUCMM_MAP_INTEGRATED_GRADIENTS;

    if ((given->json || given->truth.n > 0) && !given->check)
        return fail(EXIT_USAGE, "--json and --truth are for --check");
    if ((given->null_models > 0 || given->null_rows > 0) && !given->check && !(given->mask >= 0))
        return fail(EXIT_USAGE, "--null-models and --null-rows are for --check and --mask");
    if (given->check) /* of all methods */
        return 0;
    if (given->baseline && !integrated && map != MUCMM_MAP_INPUT_X_GRADIENT)
        return fail(EXIT_USAGE,
                    "--baseline is for --method input-x-gradient, integrated-gradients or lcmv");
    if (given->steps > 0 && !integrated)
        return fail(EXIT_USAGE, "--steps is for --method integrated-gradients or lcmv");
    if ((given->noise_samples > 0 || given->noise >= 0) && !smooth)
        return fail(EXIT_USAGE, "--noise-samples and --noise are for --method smoothgrad");
    if (given->seed >= 0 && !smooth && !(given->mask >= 0))
        return fail(EXIT_USAGE, "--seed is for --method smoothgrad, --check and --mask");
    return 0;
}

/* A word that the library does not know is wrong usage. */
static int check_word(session *s, mucmm_status status)
{
    return check(s, status) == 0 ? 0 : EXIT_USAGE;
}

static int fill_params(session *s, const settings *given, mucmm_explain_params *p)
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
    if (given->score)
        TRY(check_word(s, mucmm_score_parse(s->ctx, given->score, &p->score, &p->component)));
    if (p->score == MUCMM_SCORE_COUPLING) {
        if (given->method >= 0 && p->map != MUCMM_MAP_INTEGRATED_GRADIENTS)
            return fail(EXIT_USAGE, "--score coupling takes --method integrated-gradients alone");
        if (given->truth.n > 0)
            return fail(EXIT_USAGE, "--truth is for maps of one view, not for --score coupling");
        p->map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    }
    TRY(check_method(given, p->map));
    if (given->baseline)
        TRY(check_word(
            s, mucmm_baseline_parse(s->ctx, given->baseline, &p->baseline, &p->baseline_row)));
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

    TRY(session_open(&s, given));
    TRY(fill_params(&s, given, &params));
    TRY(output_dir_check(given->output));
    TRY(model_open(&s, given, &m));
    TRY(check_pair_names(m, "shape", &given->shape));
    TRY(check_pair_names(m, "training", &given->training));
    TRY(check_pair_names(m, "truth", &given->truth));
    TRY(inputs_open_for(&s, m, given, &in));
    TRY(samples_parse(&s, given->samples, &in, 0, &samples));
    if (params.score == MUCMM_SCORE_COUPLING) {
        TRY(explain_coupling(&s, given, m, &in, &samples, &params, &dir));
        goto done;
    }
    if (given->check) {
        TRY(explain_check(&s, given, m, &in, &samples, &params, &dir));
        goto done;
    }
    for (int32_t v = 0; v < in.n; v++)
        TRY(check_shape(&s, given, &in.views[v], samples.rows[0]));
    if (given->mask >= 0)
        TRY(null_models_open(&s, given, m, &in, params.representation, true, &null));
    for (int32_t v = 0; v < in.n; v++)
        TRY(given->parts ? show_parts(&s, given, m, &in, v, &samples, &params, &dir)
                         : explain_view(&s, given, m, &in, v, &samples, &null, &params, &dir));
done:
    output_dir_close(&dir, code == 0);
    code = code == 0 && s.incomplete ? EXIT_RUN : code;
    samples_free(&samples);
    null_models_close(&null);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
