/* SPDX-License-Identifier: MIT
 *
 * mucmm report: one HTML page that says what a model found in some rows.
 */
#include "cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option report_options[] = {
    OPTION_VIEW,
    OPTION_OUTPUT(true, "FILE", "the page, such as report.html"),
    {"samples-shown", 0, OPTION_COUNT, false, AT(shown), 1, MUCMM_REPORT_MAX_SHOWN, "N",
     "samples of each gallery (default 6)"},
    {"label", 0, OPTION_TEXT, false, AT(label), 0, 0, "COLUMN",
     "column of a study's table that names a sample"},
    OPTION_METHOD,
    {"permutations", 0, OPTION_COUNT, false, AT(permutations), 0, 1000000, "N",
     "permutations behind the p-values; 0 = none (default 1000)"},
    OPTION_SEED,
    OPTION_KEY,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

/* ---- how to make it again ---------------------------------------------------------- */

/* x, unless it is the default. */
static double other_real(double x, double usual)
{
    return x < usual || x > usual ? x : (double)NAN;
}

static int64_t other_count(int64_t x, int64_t usual)
{
    return x != usual ? x : -1;
}

static int64_t count_or_auto(int64_t x)
{
    return x == MUCMM_AUTO ? COUNT_AUTO : x;
}

static double number_of(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static int64_t count_of(const json_t *o, const char *key)
{
    const char *word = json_string_value(json_object_get(o, key));

    return word ? MUCMM_AUTO : json_integer_value(json_object_get(o, key));
}

/* Place of the word in a choice of the table of fit, -1 if it is the default. */
static int64_t choice_of(const json_t *o, const char *key, const char *const *words, int64_t usual)
{
    const char *word = json_string_value(json_object_get(o, key));

    for (int64_t i = 0; word && words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return other_count(i, usual);
    return -1;
}

/* What was trained on, and how, in the words of the table of fit; about: the model's metadata. */
static void training_settings(const json_t *params, const mucmm_fit_params *usual, settings *out)
{
    const json_t *hidden = json_object_get(params, "hidden");
    bool same = (int32_t)json_array_size(hidden) == usual->n_hidden;

    out->hidden.n = (int32_t)json_array_size(hidden);
    for (int32_t i = 0; i < out->hidden.n && i < MUCMM_MAX_HIDDEN; i++) {
        out->hidden.value[i] = json_integer_value(json_array_get(hidden, (size_t)i));
        same = same && out->hidden.value[i] == usual->hidden[i];
    }
    out->hidden.n = same ? -1 : out->hidden.n;
    out->epochs = count_of(params, "common_epochs");
    out->individual_epochs = other_count(count_of(params, "individual_epochs"), out->epochs);
    out->batch = count_of(params, "batch");
    out->learning_rate = other_real(number_of(params, "learning_rate"), 2e-3);
    out->weight_decay = other_real(number_of(params, "weight_decay"), usual->weight_decay);
    out->input_noise = other_real(number_of(params, "input_noise"), usual->input_noise);
    out->alpha = other_real(number_of(params, "alpha"), usual->alpha);
    out->beta = other_real(number_of(params, "beta"), usual->beta);
    out->stages = other_count(count_of(params, "stages"), usual->stages);
    out->stages = out->stages == 0 ? COUNT_AUTO : out->stages;
    out->restarts = other_count(count_of(params, "restarts"), usual->restarts);
}

/* Is there an object in the list whose `key` is the word, or with key NULL the word itself? */
static bool has_word(const json_t *list, const char *key, const char *word)
{
    const json_t *x;
    size_t i;

    json_array_foreach(list, i, x)
    {
        const char *text = json_string_value(key ? json_object_get(x, key) : x);
        if (text && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

/* What was chosen is not given again: the choice is another way to the same number. */
static void chosen_settings(const json_t *about, settings *out)
{
    if (has_word(json_object_get(about, "held_out_chose"), NULL, "the ridge"))
        out->ridge = (double)NAN;
    if (has_word(json_object_get(about, "history"), "stage", "individual-2"))
        out->beta = (double)NAN;
}

/* Were there training rows that lack a view? */
static bool had_gaps(const json_t *about)
{
    const json_t *view;
    size_t i;

    json_array_foreach(json_object_get(about, "views"), i,
                       view) if (count_of(view, "training_rows") !=
                                 count_of(about, "training_rows")) return true;
    return false;
}

static void fit_settings(const json_t *about, settings *out)
{
    static const char *const heads[] = {"linear", "mlp", "auto", NULL};
    static const char *const scales[] = {"view", "column", NULL};
    const json_t *params = json_object_get(about, "params");
    const json_t *ridge = json_object_get(about, "ridge");
    mucmm_fit_params usual;

    mucmm_fit_params_init(&usual);
    out->common = count_or_auto(count_of(params, "common"));
    out->individual = count_or_auto(count_of(params, "individual"));
    out->head = choice_of(params, "head", heads, 2);
    out->scale = choice_of(params, "scale", scales, 0);
    out->validation = other_real(number_of(params, "validation"), usual.validation);
    out->seed = other_count(count_of(params, "seed"), (int64_t)usual.seed);
    out->ridge = json_is_string(ridge) ? MUCMM_RIDGE_LEDOIT_WOLF : json_number_value(ridge);
    out->bootstrap = other_count(count_of(params, "bootstrap"), usual.bootstrap);
    out->missing = had_gaps(about) ? MISSING_ALLOW : -1;
    training_settings(params, &usual, out);
    chosen_settings(about, out);
}

/* The fit; what the model does not know is as in the report: the study, its cache and bad rows, the
 * key, and the names of the views, whose files it does not know. */
static void put_fit(FILE *out, const settings *given, const mucmm_model *m, const json_t *about)
{
    settings fit;

    options_none(&fit);
    fit_settings(about, &fit);
    for (int32_t v = 0; given->n_operands < 2 && v < mucmm_model_views(m); v++) {
        snprintf(fit.view.name[v], MAX_NAME, "%s", mucmm_model_view_name(m, v));
        fit.view.value[v] = "TRAINING_FILE";
        fit.view.n = v + 1;
    }
    fit.key = given->key;
    fit.cache = given->cache;
    fit.skip_bad = given->skip_bad;
    fit.output = given->operand[0];
    fputs("mucmm fit", out);
    if (given->n_operands > 1)
        word_put(out, given->operand[1]);
    options_put(out, fit_options, &fit);
}

static void put_report(FILE *out, const settings *given)
{
    fputs("\nmucmm report", out);
    for (int32_t i = 0; i < given->n_operands; i++)
        word_put(out, given->operand[i]);
    options_put(out, report_options, given);
}

/* The commands; the caller frees. */
static int again_text(const settings *given, const mucmm_model *m, char **out)
{
    json_t *about = json_loads(mucmm_model_json(m), 0, NULL);
    size_t size = 0;
    FILE *file = about ? open_memstream(out, &size) : NULL;
    int code = 0;

    if (!file)
        TRY(fail(EXIT_RUN, "out of memory"));
    put_fit(file, given, m, about);
    put_report(file, given);
    if (fclose(file) != 0)
        TRY(fail(EXIT_RUN, "out of memory"));
done:
    json_decref(about);
    return code;
}

/* ---- the page ---------------------------------------------------------------------- */

static void fill_score_params(const settings *given, mucmm_score_params *p)
{
    mucmm_score_params_init(p);
    if (given->permutations >= 0)
        p->permutations = given->permutations;
    if (given->seed >= 0)
        p->seed = (uint64_t)given->seed;
}

static void fill_params(const settings *given, mucmm_report_params *p)
{
    mucmm_report_params_init(p);
    if (given->shown > 0)
        p->shown = given->shown;
    if (given->method >= 0)
        p->map = (mucmm_map_kind)given->method;
    p->label = given->label;
    p->model_label = given->operand[0];
    p->untested_word = "--permutations 0";
    p->keep_heads_word = "fit --head mlp";
    if (given->n_operands < 2)
        p->again_note = "TRAINING_FILE: the model does not keep the names of the files it was "
                        "fitted on.";
}

int run_report(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    char *commands = NULL;
    mucmm_score_params score;
    mucmm_report_params params;

    TRY(output_check(given->output));
    TRY(session_open(&s, given));
    if (!mucmm_report_charts()[0])
        print_error(
            "warning: this build has no chart library, so charts are shown as tables; install npm "
            "and build in a new folder");
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_for(&s, m, given, &in));
    if (given->label && !in.study)
        TRY(fail(EXIT_USAGE, "--label needs a study file"));
    TRY(again_text(given, m, &commands));
    fill_score_params(given, &score);
    fill_params(given, &params);
    params.score = &score;
    params.again = commands;
    TRY(check(&s, mucmm_model_report(s.ctx, m, in.paired, &params, given->output)));
done:
    free(commands);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
