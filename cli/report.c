/* SPDX-License-Identifier: MIT
 *
 * mucmm report: one HTML page that says what a model found in some rows.
 */
#include "cli.h"

#include <inttypes.h>
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

/* What the commands are about. */
typedef struct again {
    const settings *given;
    const mucmm_model *m;
    const json_t *about; /* the model's metadata */
    bool trained;        /* the heads are not the closed form */
} again;

/* A word of a shell command, in quotes where it needs them. */
static void put_word(FILE *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./,:=@%+";

    fputc(' ', out);
    if (word[0] && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (; *word; word++)
        fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
    fputc('\'', out);
}

/* 15 digits if they are the number, as they are of what was typed. */
static char *number_word(const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    json_t *same = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

    if (text && !json_equal(same, value)) {
        free(text);
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    }
    json_decref(same);
    return text;
}

static void put_option(FILE *out, const char *name, const json_t *value)
{
    char *text = json_is_string(value) ? strdup(json_string_value(value)) : number_word(value);

    if (text && !json_is_null(value) && value) {
        fprintf(out, " --%s", name);
        put_word(out, text);
    }
    free(text);
}

static void put_views(FILE *out, const again *p)
{
    char word[MAX_PATH + MAX_NAME];

    if (p->given->n_operands > 1)
        put_word(out, p->given->operand[1]);
    for (int32_t i = 0; i < p->given->view.n; i++) {
        snprintf(word, sizeof word, "%s=%s", p->given->view.name[i], p->given->view.value[i]);
        fputs(" --view", out);
        put_word(out, word);
    }
}

static void put_fit(FILE *out, const again *p)
{
    static const char *const same[] = {"scale",       "validation",    "seed",
                                       "batch",       "learning_rate", "weight_decay",
                                       "input_noise", "alpha",         "beta"};
    const json_t *params = json_object_get(p->about, "params");
    const json_t *hidden = json_object_get(params, "hidden");

    fputs("mucmm fit", out);
    if (p->given->n_operands > 1)
        put_views(out, p);
    for (int32_t v = 0; p->given->n_operands < 2 && v < mucmm_model_views(p->m); v++)
        fprintf(out, " --view %s=TRAINING_FILE", mucmm_model_view_name(p->m, v));
    fprintf(out, " --common %" PRId64 " --individual %" PRId64, mucmm_model_common(p->m),
            mucmm_model_individual(p->m, 0));
    put_option(out, "head", json_object_get(params, "head"));
    put_option(out, "ridge", json_object_get(p->about, "ridge"));
    if (p->trained) {
        for (size_t i = 0; i < json_array_size(hidden); i++)
            fprintf(out, "%s%" JSON_INTEGER_FORMAT, i == 0 ? " --hidden " : ",",
                    json_integer_value(json_array_get(hidden, i)));
        put_option(out, "epochs", json_object_get(params, "common_epochs"));
        put_option(out, "individual-epochs", json_object_get(params, "individual_epochs"));
    }
    for (size_t i = 0; i < (p->trained ? sizeof same / sizeof *same : 3); i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", same[i]);
        for (char *c = name; *c; c++)
            *c = *c == '_' ? '-' : *c;
        put_option(out, name, json_object_get(params, same[i]));
    }
    put_option(out, "restarts", json_object_get(params, "restarts"));
    put_option(out, "bootstrap", json_object_get(params, "bootstrap"));
    fputs(" -o", out);
    put_word(out, p->given->operand[0]);
}

static void put_report(FILE *out, const again *p)
{
    static const char *const parts[] = {"test", "train", "all"};
    char method[32];
    const settings *g = p->given;

    fputs("\nmucmm report", out);
    put_word(out, g->operand[0]);
    put_views(out, p);
    const char *named[][2] = {{"key", g->key}, {"cache", g->cache}, {"label", g->label}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i][1]) {
            fprintf(out, " --%s", named[i][0]);
            put_word(out, named[i][1]);
        }
    if (g->part >= 0)
        fprintf(out, " --part %s", parts[g->part]);
    if (g->method >= 0)
        fprintf(out, " --method %s", choice_word(METHODS, g->method, method, sizeof method));
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"samples-shown", g->shown}, {"permutations", g->permutations}, {"seed", g->seed}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value >= 0)
            fprintf(out, " --%s %" PRId64, numbers[i].name, numbers[i].value);
    if (g->skip_bad)
        fputs(" --skip-bad", out);
    fputs(" -o", out);
    put_word(out, g->output);
}

/* The commands; the caller frees. */
static int again_text(const settings *given, const mucmm_model *m, char **out)
{
    json_t *about = json_loads(mucmm_model_json(m), 0, NULL);
    again a = {given, m, about, json_object_get(about, "heads") != NULL};
    size_t size = 0;
    FILE *file = open_memstream(out, &size);
    int code = 0;

    if (!file)
        TRY(fail(EXIT_RUN, "out of memory"));
    put_fit(file, &a);
    put_report(file, &a);
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
