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
    OPTION_TABLES,
    OPTION_MISSING,
    OPTION_GROUP,
    OPTION_METADATA,
    OPTION_COVARIATES,
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

static void individual_settings(const mucmm_fit_params *p, view_counts *out)
{
    out->n = p->n_view_individual > 0 ? p->n_view_individual : 1;
    for (int32_t i = 0; i < out->n; i++)
        out->value[i] =
            count_or_auto(p->n_view_individual > 0 ? p->view_individual[i] : p->individual);
}

static void hidden_settings(const mucmm_fit_params *p, const mucmm_fit_params *usual, settings *out)
{
    bool same = p->n_hidden == usual->n_hidden;

    for (int32_t i = 0; i < p->n_hidden; i++) {
        out->hidden.value[i] = p->hidden[i];
        same = same && p->hidden[i] == usual->hidden[i];
    }
    out->hidden.n = same ? -1 : p->n_hidden;
}

static void training_settings(const mucmm_fit_params *p, const mucmm_fit_params *usual,
                              settings *out)
{
    hidden_settings(p, usual, out);
    out->epochs = p->common_epochs;
    out->individual_epochs = other_count(p->individual_epochs, p->common_epochs);
    out->batch = p->batch;
    out->learning_rate = other_real(p->learning_rate, 2e-3);
    out->weight_decay = other_real(p->weight_decay, usual->weight_decay);
    out->input_noise = other_real(p->input_noise, usual->input_noise);
    out->independence = other_real(p->independence, usual->independence);
    out->stages = other_count(p->stages, usual->stages);
    out->stages = out->stages == 0 ? COUNT_AUTO : out->stages;
    out->restarts = other_count(p->restarts, usual->restarts);
}

/* The parameters of a fit that differ from their defaults. What was chosen is not given: the choice
 * is another way to the same number. */
static void fit_settings(const mucmm_model *m, settings *out)
{
    const mucmm_fit_params *p = mucmm_model_params(m);
    const mucmm_model_facts *facts = mucmm_model_about(m);
    mucmm_imputation imputation;
    mucmm_fit_params usual;

    mucmm_fit_params_init(&usual);
    out->common = count_or_auto(p->common);
    individual_settings(p, &out->individual);
    out->head = other_count(p->head, usual.head);
    out->scale = other_count(p->scaling, usual.scaling);
    out->robust = other_count(p->robust, usual.robust);
    out->validation = other_real(p->validation, usual.validation);
    out->seed = p->seed == usual.seed ? -1 : (int64_t)p->seed;
    out->ridge = facts->ridge_chosen ? (double)NAN : facts->ridge;
    out->bootstrap = other_count(p->bootstrap, usual.bootstrap);
    out->repeats = other_count(p->repeats, usual.repeats);
    out->folds = p->folds > 0 ? p->folds : -1;
    if (p->folds == 0 && facts->training_rows < MUCMM_SMALL_SAMPLE)
        out->folds = 0; /* some of these few rows were held out */
    out->missing = facts->incomplete ? MISSING_ALLOW : -1;
    for (int32_t i = 0; i < mucmm_model_views(m); i++)
        if (mucmm_model_imputation(m, i, &imputation))
            out->missing = MISSING_ALLOW;
    out->adjust = p->adjust;
    out->adjust_nonlinear = p->adjust_nonlinear > 1 ? p->adjust_nonlinear : -1;
    training_settings(p, &usual, out);
}

/* How tables are read, which is as in the report. */
static void reading_settings(const settings *given, settings *out)
{
    out->key = given->key;
    out->group = given->group;
    out->metadata = given->metadata;
    out->columns = given->columns;
    out->ignore = given->ignore;
    out->categories = given->categories;
    out->transpose = given->transpose;
    out->header = given->header;
    out->decimal = given->decimal;
    out->no_header = given->no_header;
    out->missing_row = given->missing_row;
    out->missing_column = given->missing_column;
    out->covariates = given->covariates;
    if (out->adjust && !out->covariates)
        out->covariates = "COVARIATES_FILE";
    if (given->missing == MISSING_DROP)
        out->missing = MISSING_DROP;
}

/* The fit; what the model does not know is as in the report: the study, its cache and bad rows, the
 * key, and the names of the views, whose files it does not know. */
static void put_fit(FILE *out, const settings *given, const mucmm_model *m)
{
    settings fit;

    options_none(&fit);
    fit_settings(m, &fit);
    for (int32_t v = 0; given->n_operands < 2 && v < mucmm_model_views(m); v++) {
        snprintf(fit.view.name[v], MAX_NAME, "%s", mucmm_model_view_name(m, v));
        fit.view.value[v] = "TRAINING_FILE";
        fit.view.n = v + 1;
    }
    reading_settings(given, &fit);
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
    size_t size = 0;
    FILE *file = open_memstream(out, &size);
    int code = 0;

    if (!file)
        TRY(fail(EXIT_RUN, "out of memory"));
    put_fit(file, given, m);
    put_report(file, given);
    if (fclose(file) != 0)
        TRY(fail(EXIT_RUN, "out of memory"));
done:
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
    TRY(inputs_complete(&s, &in));
    TRY(again_text(given, m, &commands));
    TRY(inputs_groups(&s, given, &in));
    fill_score_params(given, &score);
    score.groups = in.groups;
    fill_params(given, &params);
    params.score = &score;
    params.again = commands;
    TRY(check(&s, mucmm_model_report(s.ctx, m, in.paired, &params, given->output)));
    progress_pause(&s.progress);
    say_written(given->output);
done:
    free(commands);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
