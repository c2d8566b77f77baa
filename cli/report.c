/* SPDX-License-Identifier: MIT
 *
 * mucmm report: one HTML page that says what a model found in some rows.
 */
#include "report.h"

#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const option report_options[] = {
    OPTION_VIEW,
    OPTION_OUTPUT(true, "FILE", "the page, such as report.html"),
    {"samples-shown", 0, OPTION_COUNT, false, AT(shown), 1, 100, "N",
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

const char *sample_label(const report_page *p, int64_t row, char *out, size_t size)
{
    const char *name = sample_name(p->in, p->given->label, row);

    for (int32_t v = 0; v < p->in->n && name; v++) /* a file without its folder */
        if (mucmm_data_source_kind(p->in->data[v]) != MUCMM_SOURCE_TEXT &&
            name == mucmm_data_item(p->in->data[v], row) && strrchr(name, '/'))
            name = strrchr(name, '/') + 1;
    if (name)
        snprintf(out, size, "%s", name);
    else
        snprintf(out, size, "sample %" PRId64, row);
    return out;
}

static int check_label(const settings *given, const inputs *in)
{
    if (given->label && !in->study)
        return fail(EXIT_USAGE, "--label needs a study file");
    if (given->label && !mucmm_study_cell(in->study, 0, given->label))
        return fail(EXIT_RUN, "--label: the study's table has no column '%s'", given->label);
    return 0;
}

/* ---- tables ------------------------------------------------------------------------ */

enum { MAX_TABLE = 2 * MUCMM_MAX_VIEWS * MUCMM_MAX_VIEWS, CELL = 160, COLS = 3 };

/* Rows of name, heads, yardstick. */
typedef struct grid {
    char text[MAX_TABLE * COLS][CELL];
    const char *cells[MAX_TABLE * COLS];
    int64_t rows, cols; /* cols 2: the heads are the yardstick */
} grid;

static void grid_row(grid *g, const char *name, const char *heads, const char *linear)
{
    const char *values[] = {name, heads, linear};

    if (g->rows == MAX_TABLE)
        return;
    for (int64_t j = 0; j < g->cols; j++) {
        snprintf(g->text[g->rows * COLS + j], CELL, "%s", values[j]);
        g->cells[g->rows * g->cols + j] = g->text[g->rows * COLS + j];
    }
    g->rows++;
}

static void grid_percents(grid *g, const char *name, double heads, double linear)
{
    const double values[] = {heads, linear};
    char cells[2][CELL];

    for (int i = 0; i < 2; i++)
        snprintf(cells[i], CELL, isfinite(values[i]) ? "%.1f %%" : "-", 100 * values[i]);
    grid_row(g, name, cells[0], cells[1]);
}

static int grid_add(const report_page *p, const grid *g, const char *caption)
{
    const char *head[] = {"", p->trained ? "trained heads" : "closed form", "linear yardstick"};

    return check(p->s,
                 mucmm_report_table(p->s->ctx, p->r, caption, head, g->cells, g->rows, g->cols));
}

/* A dependence, its mean by chance and its p-value; what is not known is left out. */
static void tested_cell(char *cell, double value, double chance, double p)
{
    if (!isfinite(value))
        snprintf(cell, CELL, "-");
    else if (isfinite(chance) && isfinite(p))
        snprintf(cell, CELL, "%.3f (chance %.3f, p %.3g)", value, chance, p);
    else if (isfinite(p))
        snprintf(cell, CELL, "%.3f (p %.3g)", value, p);
    else
        snprintf(cell, CELL, "%.3f", value);
}

/* value, chance and p: the summary's arrays; chance NULL: 0, which needs no words. */
typedef struct tested {
    const double *value, *chance, *p;
} tested;

static void grid_tested(grid *g, const char *name, tested heads, tested linear, int64_t i)
{
    const tested parts[] = {heads, linear};
    char cells[2][CELL];

    for (int j = 0; j < 2; j++)
        tested_cell(cells[j], parts[j].value[i], parts[j].chance ? parts[j].chance[i] : NAN,
                    parts[j].p[i]);
    grid_row(g, name, cells[0], cells[1]);
}

static tested linear_of(const mucmm_summary *s)
{
    return (tested){s->leakage_linear, s->leakage_linear_chance, s->leakage_linear_p};
}

static tested kernel_of(const mucmm_summary *s)
{
    return (tested){s->leakage_kernel, NULL, s->leakage_kernel_p};
}

static tested pairs_of(const mucmm_summary *s)
{
    return (tested){s->leakage_individual, s->leakage_individual_chance, s->leakage_individual_p};
}

static int add_leakage(const report_page *p, grid *g)
{
    const mucmm_summary *a = mucmm_scores_summary(p->scores, MUCMM_HEADS),
                        *b = mucmm_scores_summary(p->scores, MUCMM_LINEAR);
    char name[2 * MAX_NAME + 64];

    g->rows = 0;
    for (int32_t v = 0; v < p->in->n; v++) {
        const char *view = mucmm_model_view_name(p->m, v);
        snprintf(name, sizeof name, "individual part of %s on the common part, linear", view);
        grid_tested(g, name, linear_of(a), linear_of(b), v);
        snprintf(name, sizeof name, "individual part of %s on the common part, any kind", view);
        grid_tested(g, name, kernel_of(a), kernel_of(b), v);
        for (int32_t w = v + 1; w < p->in->n; w++) {
            int64_t i = (int64_t)v * p->in->n + w;
            snprintf(name, sizeof name, "individual parts of %s and %s", view,
                     mucmm_model_view_name(p->m, w));
            grid_tested(g, name, pairs_of(a), pairs_of(b), i);
        }
    }
    return grid_add(
        p, g,
        "0 = none left, 1 = full dependence; - = too few rows to say. Chance: the mean "
        "where there is none, 0 for dependence of any kind. A small p says that what is "
        "left is more than chance, not that it is much.");
}

static int add_retrieval(const report_page *p, grid *g)
{
    const mucmm_summary *a = mucmm_scores_summary(p->scores, MUCMM_HEADS),
                        *b = mucmm_scores_summary(p->scores, MUCMM_LINEAR);
    char name[2 * MAX_NAME + 64], caption[160];
    int64_t n = mucmm_scores_rows(p->scores);

    g->rows = 0;
    for (int32_t v = 0; v < p->in->n; v++)
        for (int32_t w = 0; w < p->in->n; w++) {
            int64_t i = (int64_t)v * p->in->n + w;
            if (v == w)
                continue;
            snprintf(name, sizeof name, "%s to %s, first", mucmm_model_view_name(p->m, v),
                     mucmm_model_view_name(p->m, w));
            grid_percents(g, name, a->retrieval_1[i], b->retrieval_1[i]);
            snprintf(name, sizeof name, "%s to %s, among 10", mucmm_model_view_name(p->m, v),
                     mucmm_model_view_name(p->m, w));
            grid_percents(g, name, a->retrieval_10[i], b->retrieval_10[i]);
        }
    snprintf(caption, sizeof caption,
             "Share of the rows whose partner is found; by chance %.2g %% and %.2g %%.",
             100.0 / (double)n, 1000.0 / (double)n);
    return grid_add(p, g, caption);
}

/* Of more than two views: which of them each component is about. */
static int add_carriers(const report_page *p)
{
    const mucmm_summary *of[] = {mucmm_scores_summary(p->scores, MUCMM_HEADS),
                                 mucmm_scores_summary(p->scores, MUCMM_LINEAR)};
    const char *head[] = {"component", p->trained ? "trained heads" : "closed form",
                          "linear yardstick"};
    int64_t rows = of[0]->components < MAX_TABLE ? of[0]->components : MAX_TABLE;
    int64_t cols = p->trained ? COLS : COLS - 1, shown = 0;
    char(*text)[CARRIERS] = NULL;
    const char **cells = NULL;
    int code = 0;

    if (!of[0]->carried)
        return 0;
    TRY(allocate(&text, rows * cols, sizeof *text));
    TRY(allocate(&cells, rows * cols, sizeof *cells));
    for (int64_t j = 0; j < rows; j++) {
        bool all = true;
        snprintf(text[shown * cols], CARRIERS, "%" PRId64, j);
        for (int64_t c = 1; c < cols; c++) {
            carriers(p->m, of[c - 1], j, text[shown * cols + c]);
            all = all && strcmp(text[shown * cols + c], "all") == 0;
        }
        shown += !all;
    }
    if (shown == 0) {
        ADD(mucmm_report_text(p->s->ctx, p->r,
                              "All views carry every component: the variates of each agree beyond "
                              "chance with those of the others."));
        goto done;
    }
    for (int64_t i = 0; i < shown * cols; i++)
        cells[i] = text[i];
    ADD(mucmm_report_table(
        p->s->ctx, p->r,
        "Components that not all views carry: those views do whose variates agree "
        "beyond chance. In the other views the variate is noise.",
        head, cells, shown, cols));
done:
    free(text);
    free(cells);
    return code;
}

/* Which components of the method come back in other fits; nothing if the fit was not asked. */
static int add_stability_of(const report_page *p, mucmm_representation representation,
                            const char *caption)
{
    const mucmm_stability *s = mucmm_model_stability(p->m, representation);
    const char *head[] = {"component", "comes back",  "similarity", "at worst",
                          "subspace",  "correlation", "from",       "to"};
    enum { STABILITY_COLS = sizeof head / sizeof *head };
    int64_t rows = s->components < MAX_TABLE ? s->components : MAX_TABLE;
    char(*text)[STABILITY_COLS][32] = NULL;
    const char **cells = NULL;
    int code = 0;

    TRY(allocate(&text, rows, sizeof *text));
    TRY(allocate(&cells, rows * STABILITY_COLS, sizeof *cells));
    for (int64_t j = 0; j < rows; j++) {
        const double values[] = {s->similarity[j],   s->similarity_low[j],  s->subspace[j],
                                 s->correlations[j], s->correlation_low[j], s->correlation_high[j]};
        snprintf(text[j][0], sizeof text[j][0], "%" PRId64, j);
        snprintf(text[j][1], sizeof text[j][1], "%s", s->comes_back[j] ? "yes" : "NO");
        for (int c = 2; c < STABILITY_COLS; c++)
            snprintf(text[j][c], sizeof text[j][c], isfinite(values[c - 2]) ? "%.2f" : "-",
                     values[c - 2]);
        for (int c = 0; c < STABILITY_COLS; c++)
            cells[j * STABILITY_COLS + c] = text[j][c];
    }
    ADD(mucmm_report_table(p->s->ctx, p->r, caption, head, cells, rows, STABILITY_COLS));
done:
    free(text);
    free(cells);
    return code;
}

static int add_stability(const report_page *p)
{
    const mucmm_stability *linear = mucmm_model_stability(p->m, MUCMM_LINEAR);
    const mucmm_stability *heads = mucmm_model_stability(p->m, MUCMM_HEADS);
    char caption[400];
    int code = 0;

    if (heads && heads != linear) {
        snprintf(caption, sizeof caption,
                 "Which components of the trained heads come back from %" PRId64
                 " other starts of the training: %" PRId64 " of %" PRId64
                 ". Judged on the held-out rows of the fit; at worst, from and to: of all starts.",
                 heads->compared, heads->returning, heads->components);
        TRY(add_stability_of(p, MUCMM_HEADS, caption));
    }
    if (linear) {
        snprintf(caption, sizeof caption,
                 "Which components of the closed form come back in %" PRId64
                 " fits to training rows drawn with replacement: %" PRId64 " of %" PRId64
                 ". Judged on the rows not drawn; at worst, from and to: without the 5 %% at the "
                 "end.",
                 linear->compared, linear->returning, linear->components);
        TRY(add_stability_of(p, MUCMM_LINEAR, caption));
    }
done:
    return code;
}

/* ---- what was fitted on what ------------------------------------------------------- */

static int add_views(const report_page *p)
{
    const char *head[] = {"view", "rows", "columns", "individual", "from"};
    char text[MUCMM_MAX_VIEWS][3][32];
    const char *cells[MUCMM_MAX_VIEWS * 5];

    for (int32_t v = 0; v < p->in->n; v++) {
        snprintf(text[v][0], sizeof text[v][0], "%" PRId64, mucmm_data_rows(p->in->data[v]));
        snprintf(text[v][1], sizeof text[v][1], "%" PRId64, mucmm_model_view_cols(p->m, v));
        snprintf(text[v][2], sizeof text[v][2], "%" PRId64, mucmm_model_individual(p->m, v));
        cells[v * 5] = mucmm_model_view_name(p->m, v);
        for (int j = 0; j < 3; j++)
            cells[v * 5 + 1 + j] = text[v][j];
        cells[v * 5 + 4] = mucmm_data_label(p->in->data[v]);
    }
    return check(p->s, mucmm_report_table(p->s->ctx, p->r, "The rows that this page is about.",
                                          head, cells, p->in->n, 5));
}

static int64_t about_integer(const report_page *p, const char *key)
{
    return json_integer_value(json_object_get(p->about, key));
}

static int add_fitted(const report_page *p)
{
    const json_t *params = json_object_get(p->about, "params");
    const char *names[24], *head[] = {"setting", "value"}, *cells[48];
    char values[24][CELL];
    const char *key;
    json_t *value;
    int64_t n = 0;
    char text[400];
    int code = 0;

    snprintf(text, sizeof text,
             "Model %s: %" PRId64 " common components, fitted on %" PRId64 " rows; %" PRId64
             " more were held out to choose by. The numbers below are of the %" PRId64
             " rows given to the report.",
             p->given->operand[0], mucmm_model_common(p->m), about_integer(p, "training_rows"),
             about_integer(p, "held_out_rows"), mucmm_scores_rows(p->scores));
    ADD(mucmm_report_text(p->s->ctx, p->r, text));
    TRY(add_views(p));
    json_object_foreach((json_t *)params, key, value)
    {
        char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
        if (n < 24) {
            names[n] = key;
            snprintf(values[n++], CELL, "%s", shown ? shown : "");
        }
        free(shown);
    }
    for (int64_t i = 0; i < n; i++) {
        cells[2 * i] = names[i];
        cells[2 * i + 1] = values[i];
    }
    ADD(mucmm_report_table(p->s->ctx, p->r, "Settings of the fit.", head, cells, n, 2));
done:
    return code;
}

/* ---- how to make it again ---------------------------------------------------------- */

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

static void put_views(FILE *out, const report_page *p)
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

static void put_fit(FILE *out, const report_page *p)
{
    static const char *const same[] = {"scale",       "validation",    "seed",
                                       "batch",       "learning_rate", "weight_decay",
                                       "input_noise", "alpha",         "beta"};
    const json_t *params = json_object_get(p->about, "params");
    const json_t *hidden = json_object_get(params, "hidden");

    fputs("mucmm fit", out);
    if (p->given->n_operands > 1)
        put_views(out, p);
    for (int32_t v = 0; p->given->n_operands < 2 && v < p->in->n; v++)
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

static void put_report(FILE *out, const report_page *p)
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

static int add_again(const report_page *p)
{
    char *text = NULL, versions[160];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int code = 0;

    if (!out)
        return fail(EXIT_RUN, "out of memory");
    put_fit(out, p);
    put_report(out, p);
    if (fclose(out) != 0)
        TRY(fail(EXIT_RUN, "out of memory"));
    ADD(mucmm_report_code(p->s->ctx, p->r, text));
    snprintf(versions, sizeof versions, "mucmm %d.%d.%d%s%s; %d threads", MUCMM_VERSION_MAJOR,
             MUCMM_VERSION_MINOR, MUCMM_VERSION_PATCH, mucmm_report_charts()[0] ? ", " : "",
             mucmm_report_charts(), mucmm_ctx_threads(p->s->ctx));
    ADD(mucmm_report_text(p->s->ctx, p->r, versions));
    if (p->given->n_operands < 2)
        ADD(mucmm_report_text(
            p->s->ctx, p->r,
            "TRAINING_FILE: the model does not keep the names of the files it was "
            "fitted on."));
done:
    free(text);
    return code;
}

/* ---- the page ---------------------------------------------------------------------- */

static int add_glossary(const report_page *p)
{
    static const char *const terms[][2] = {
        {"Common part", "What the views of one sample share: what one view tells about the other."},
        {"Individual part", "What a view holds that the other views tell nothing about."},
        {"Variate",
         "A number computed from one view of a sample, such as its place on a component."},
        {"Component", "One direction of the common part: one variate in each view, made to agree."},
        {"Harmonic",
         "A component that is only a curve of those before it, as an overtone is of its note: the "
         "square of the first, for example. It correlates truly, but is no dimension of its own. "
         "Marked where those before it predict at least half of its variance."},
        {"Comes back",
         "A component comes back if other fits, to samples of the same kind or from another start, "
         "find it again: the "
         "correlation of its variate with that of the most similar component there, its "
         "similarity, is 0.7 or more on average, and its correlation between the views there is "
         "above 0 but for the worst 5 % (of starts: in all). If not, the maps and names of this "
         "component may be those of chance. Is the subspace large beside it, the component is "
         "mixed with others there, but what they hold together stays."},
        {"Correlation",
         "How well the variates of two views agree over the samples: 1 fully, 0 not at "
         "all."},
        {"Loading",
         "How strongly a column, pixel or word goes with a variate; a pattern map is made "
         "of loadings."},
        {"Pattern",
         "A map that shows what in the input goes up and down with a score. It leaves out "
         "what only serves to cancel noise, which a gradient does not."},
        {"Share",
         "How much of a view's variance can be told from its common part, and how much more "
         "from its individual part."},
        {"Leakage",
         "Dependence that should not be there: of the individual part on the common one, "
         "or between the individual parts of two views."},
        {"Yardstick",
         "The same numbers for the best linear method, in closed form. Trained networks "
         "are worth their price only where they are better."},
        {"p-value", "How often wrong pairings of the views, drawn at random, correlate at least as "
                    "much. Below 0.05 is called significant; all components are accounted for."},
        {"Common score", "How much the views of one sample agree, compared with other samples."},
        {"Individual score", "How unusual the individual part of one view of a sample is."},
    };
    int code = 0;

    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
        ADD(mucmm_report_term(p->s->ctx, p->r, terms[i][0], terms[i][1]));
done:
    return code;
}

static int add_short(const report_page *p)
{
    const mucmm_summary *a = mucmm_scores_summary(p->scores, MUCMM_HEADS);
    char text[500];
    int code = 0;

    if (isfinite(a->p_values[0]))
        snprintf(text, sizeof text,
                 "%" PRId64 " samples, %d views. %" PRId64 " of %" PRId64
                 " components are shared by the views beyond chance; the first correlates %.2f.",
                 mucmm_scores_rows(p->scores), p->in->n, a->significant, a->components,
                 a->correlations[0]);
    else
        snprintf(text, sizeof text,
                 "%" PRId64 " samples, %d views. %" PRId64
                 " components, not tested against chance (--permutations 0); the first "
                 "correlates %.2f.",
                 mucmm_scores_rows(p->scores), p->in->n, a->components, a->correlations[0]);
    ADD(mucmm_report_text(p->s->ctx, p->r, text));
    if (count_harmonics(a) > 0) {
        snprintf(text, sizeof text,
                 "%" PRId64 " of these %s, which leaves %" PRId64 " common dimensions.",
                 count_harmonics(a),
                 count_harmonics(a) == 1 ? "is a curve of others (a harmonic)"
                                         : "are curves of others (harmonics)",
                 a->dimensions);
        ADD(mucmm_report_text(p->s->ctx, p->r, text));
    }
    if (closed_form_note(p->about, text))
        ADD(mucmm_report_text(p->s->ctx, p->r, text));
    for (int32_t v = 0; v < p->in->n; v++) {
        if (!isfinite(a->common_share[v]))
            continue;
        snprintf(text, sizeof text,
                 "%s: %.0f %% of its variance is common, %.0f %% individual, %.0f %% neither.",
                 mucmm_model_view_name(p->m, v), 100 * a->common_share[v],
                 100 * a->individual_share[v], 100 * a->rest_share[v]);
        ADD(mucmm_report_text(p->s->ctx, p->r, text));
    }
done:
    return code;
}

static int section(const report_page *p, const char *title, const char *note)
{
    int code = 0;

    ADD(mucmm_report_section(p->s->ctx, p->r, title));
    if (note)
        ADD(mucmm_report_text(p->s->ctx, p->r, note));
done:
    return code;
}

static int fill_page(const report_page *p)
{
    grid *g = NULL;
    int code = 0;

    TRY(allocate(&g, 1, sizeof *g));
    g->cols = p->trained ? COLS : COLS - 1;
    TRY(section(p, "In short", NULL));
    TRY(add_short(p));
    TRY(section(p, "What the views share", NULL));
    TRY(chart_spectrum(p));
    TRY(chart_dimensions(p));
    TRY(add_carriers(p));
    TRY(add_stability(p));
    TRY(section(p, "Shares of variance", NULL));
    TRY(chart_shares(p));
    TRY(section(p, "Finding the partner",
                "From one view of a sample, is its other view the nearest "
                "of all by the common part?"));
    TRY(add_retrieval(p, g));
    TRY(section(p, "Leakage", "The parts should be independent of each other. What is left:"));
    TRY(add_leakage(p, g));
    TRY(section(p, "Scores of the samples", NULL));
    TRY(chart_scores(p));
    TRY(section(
        p, "Samples",
        "Pictures stand beside their maps, words are shaded, columns have bars. Unless another "
        "method was asked for, columns show the pattern; words, sounds and pictures behind a "
        "network "
        "show what each word, moment or spot adds to the score (integrated gradients, 8 steps), "
        "counted from no word, from silence, from the mean of up to 400 training pictures."));
    TRY(add_galleries(p));
    TRY(section(p, "Components", "The samples at both ends of the first components."));
    TRY(add_components(p));
    TRY(section(p, "Training", NULL));
    TRY(chart_training(p));
    TRY(section(p, "What was fitted on what", NULL));
    TRY(add_fitted(p));
    TRY(section(p, "Make it again", NULL));
    TRY(add_again(p));
    TRY(section(p, "Words used here", NULL));
    TRY(add_glossary(p));
done:
    free(g);
    return code;
}

static int make_page(report_page *p)
{
    char title[MAX_PATH + 32];
    const char *model = strrchr(p->given->operand[0], '/');
    json_t *about = json_loads(mucmm_model_json(p->m), 0, NULL);
    mucmm_report *r = NULL;
    int code = 0;

    p->about = about;
    p->trained = json_object_get(about, "heads") != NULL;
    snprintf(title, sizeof title, "Report on %s", model ? model + 1 : p->given->operand[0]);
    ADD(mucmm_report_create(p->s->ctx, title, &r));
    p->r = r;
    TRY(fill_page(p));
    ADD(mucmm_report_write(p->s->ctx, r, p->given->output));
done:
    mucmm_report_free(r);
    json_decref(about);
    return code;
}

int run_report(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    mucmm_scores *scores = NULL;
    mucmm_score_params params;

    TRY(output_check(given->output));
    TRY(session_open(&s, given));
    if (!mucmm_report_charts()[0])
        print_error(
            "warning: this build has no chart library, so charts are shown as tables; install npm "
            "and build in a new folder");
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_for(&s, m, given, &in));
    TRY(check_label(given, &in));
    mucmm_score_params_init(&params);
    if (given->permutations >= 0)
        params.permutations = given->permutations;
    if (given->seed >= 0)
        params.seed = (uint64_t)given->seed;
    TRY(check(&s, mucmm_score(s.ctx, m, in.views, in.n, &params, &scores)));
    report_page p = {.s = &s, .given = given, .m = m, .in = &in, .scores = scores};
    p.shown = given->shown > 0 ? given->shown : 6;
    if (p.shown > mucmm_scores_rows(scores))
        p.shown = mucmm_scores_rows(scores);
    p.map = given->method >= 0 ? (mucmm_map_kind)given->method : MUCMM_MAP_PATTERN;
    TRY(make_page(&p));
done:
    mucmm_scores_free(scores);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
