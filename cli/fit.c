/* SPDX-License-Identifier: MIT
 *
 * mucmm fit: from views, given one by one or by a study file, to a model file.
 */
#include "cli.h"
#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const option fit_options[] = {
    OPTION_VIEW,
    {"common", 0, OPTION_AUTO, true, AT(common), 1, 1000000, "K|auto",
     "dimensions of the common representation; auto = what is significant on rows that did not "
     "train"},
    {"individual", 0, OPTION_VIEW_COUNTS, true, AT(individual), 0, 1000000, "Q|auto",
     "dimensions of every view's individual one; 0 = none; auto = what rebuilds rows that "
     "did not train best; or of each view: 5,3 or labs=5,text=auto"},
    OPTION_OUTPUT(true, "MODEL", "model file to write"),
    {"head", 0, OPTION_CHOICE, false, AT(head), 0, 0, "linear|mlp|auto",
     "closed form, trained networks, or these only where they say more on rows that did not train "
     "(default auto)"},
    {"hidden", 0, OPTION_COUNTS, false, AT(hidden), 1, 1000000, "512,512",
     "widths of the hidden layers of an mlp head"},
    {"epochs", 0, OPTION_COUNT, false, AT(epochs), 1, 1000000, "N",
     "epochs of the common and the individual heads (default 20 and 12, at least 180 and "
     "300 steps)"},
    {"individual-epochs", 0, OPTION_COUNT, false, AT(individual_epochs), 1, 1000000, "N",
     "epochs of the individual heads, if other"},
    {"batch", 0, OPTION_COUNT, false, AT(batch), 2, 1e9, "B",
     "rows of a batch (default max(2000, 20 x views x K))"},
    {"validation", 0, OPTION_REAL, false, AT(validation), 0, 0.5, "SHARE",
     "share of the rows that decides nothing and so may testify (default 0.1); as many choose "
     "where something is chosen: epoch, ridge, dimensions; 0: the closed form of exactly these "
     "rows"},
    {"folds", 0, OPTION_AUTO, false, AT(folds), 0, MUCMM_MAX_FOLDS, "K|auto",
     "every row trains, and models of K folds judge the rows that they did not see; auto "
     "(default): 5 below 300 rows, else 0: some rows are held out"},
    {"repeats", 0, OPTION_COUNT, false, AT(repeats), 1, MUCMM_MAX_REPEATS, "R",
     "draws of the folds (default 10, fewer where that takes long)"},
    OPTION_SEED,
    OPTION_THREADS,
    {"checkpoint", 0, OPTION_TEXT, false, AT(checkpoint), 0, 0, "FILE",
     "keep the state there, and resume from it if it exists"},
    OPTION_KEY,
    OPTION_TABLES,
    {"allow-ids", 0, OPTION_FLAG, false, AT(allow_ids), 0, 0, NULL,
     "take columns that seem to be no measurements: row numbers, identifiers, the same in two "
     "views"},
    OPTION_GROUP,
    OPTION_METADATA,
    OPTION_MISSING,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    {"scale", 0, OPTION_CHOICE, false, AT(scale), 0, 0, "view|column",
     "one divisor for a view (default), or for each column"},
    {"robust", 0, OPTION_CHOICE, false, AT(robust), 0, 0, "none|winsor|rank",
     "of every column: as it is (default), at most 3 standard deviations (by the median absolute "
     "deviation) from the median, or normal scores of its ranks"},
    {"ridge", 0, OPTION_REAL, false, AT(ridge), 0, 1e6, "R|auto|lw",
     "ridge in units of the mean variance; auto (default): chosen, with few rows by "
     "cross-validation; lw: Ledoit-Wolf"},
    {"learning-rate", 0, OPTION_REAL, false, AT(learning_rate), 1e-12, 1e3, "X",
     "peak learning rate (default 0.002)"},
    {"weight-decay", 0, OPTION_REAL, false, AT(weight_decay), 0, 1e3, "X",
     "weight decay (default 0.0001)"},
    {"input-noise", 0, OPTION_REAL, false, AT(input_noise), 0, 1e3, "X",
     "noise on the inputs in training, in standard deviations (default 0.3)"},
    {"independence", 0, OPTION_REAL, false, AT(independence), 0, 1, "X",
     "which of the individual parts on the front of leak and completeness is kept: 1 (default): "
     "the "
     "most complete that leaks no more than chance moves the least; 0: all of what is private"},
    {"stages", 0, OPTION_AUTO, false, AT(stages), 1, 5, "N|auto",
     "stages of the common heads, at most; auto: as many as find something new (default 1: all "
     "dimensions at once)"},
    {"restarts", 0, OPTION_COUNT, false, AT(restarts), 0, MUCMM_MAX_RESTARTS, "R",
     "more random starts of trained common heads: the best on the choosing rows is kept, and which "
     "of its components come back from the others is told (default 0)"},
    {"bootstrap", 0, OPTION_COUNT, false, AT(bootstrap), 0, MUCMM_MAX_BOOTSTRAP, "B",
     "replicates that tell which components of the closed form come back (default 0: none; 100 are "
     "enough)"},
    OPTION_COVARIATES,
    {"adjust", 0, OPTION_TEXT, false, AT(adjust), 0, 0, "COLUMNS",
     "covariates that are taken out of the features, such as age,batch; batch:category where "
     "numbers are codes"},
    {"adjust-nonlinear", 0, OPTION_COUNT, false, AT(adjust_nonlinear), 0, 8, "N",
     "spline columns for each number of --adjust (default 1: linear)"},
    {"csv", 0, OPTION_TEXT, false, AT(csv), 0, 0, "FILE",
     "csv with what every component shows: correlation, interval, p-value"},
    OPTION_FIGURE("figure of the components' correlations (.svg, .pdf, else PNG)"),
    OPTION_JSON,
    OPTION_VERBOSE,
    OPTION_END,
};

static void set_count(int64_t *to, int64_t given)
{
    if (given >= 0)
        *to = given;
}

static void set_real(double *to, double given)
{
    if (!isnan(given))
        *to = given;
}

/* The numbers of all views, or of each in their order; by names if these are given. */
static int fill_individual(const view_counts *given, const inputs *in, mucmm_fit_params *p)
{
    p->individual = given->value[0] == COUNT_AUTO ? MUCMM_AUTO : given->value[0];
    if (given->n == 1 && !given->name[0][0])
        return 0;
    p->n_view_individual = given->n;
    for (int32_t i = 0; i < given->n; i++) {
        int32_t at = given->name[i][0] ? 0 : i;
        while (given->name[i][0] && at < in->n && strcmp(in->views[at].name, given->name[i]) != 0)
            at++;
        if (at >= in->n || (given->name[i][0] != 0) != (given->name[0][0] != 0) ||
            given->n != in->n) {
            return fail(EXIT_USAGE,
                        "--individual: %d number%s for %d views; give one for all, or one for each "
                        "view, in their order or all by name (NAME=Q,...)",
                        given->n, given->n == 1 ? "" : "s", in->n);
        }
        p->view_individual[at] = given->value[i] == COUNT_AUTO ? MUCMM_AUTO : given->value[i];
    }
    return 0;
}

static void fill_params(const settings *given, mucmm_fit_params *p)
{
    mucmm_fit_params_init(p);
    p->common = given->common == COUNT_AUTO ? MUCMM_AUTO : given->common;
    p->head = given->head >= 0 ? (mucmm_head_kind)given->head : p->head;
    p->scaling = given->scale >= 0 ? (mucmm_scaling)given->scale : p->scaling;
    p->robust = given->robust >= 0 ? (mucmm_robust)given->robust : p->robust;
    if (given->hidden.n >= 0) {
        p->n_hidden = given->hidden.n;
        for (int32_t i = 0; i < given->hidden.n; i++)
            p->hidden[i] = given->hidden.value[i];
    }
    p->allow_ids = given->allow_ids;
    set_count(&p->common_epochs, given->epochs);
    set_count(&p->individual_epochs, given->epochs);
    set_count(&p->individual_epochs, given->individual_epochs);
    set_count(&p->batch, given->batch);
    p->seed = given->seed >= 0 ? (uint64_t)given->seed : p->seed;
    set_real(&p->validation, given->validation);
    set_real(&p->ridge, given->ridge);
    set_real(&p->learning_rate, given->learning_rate);
    set_real(&p->weight_decay, given->weight_decay);
    set_real(&p->input_noise, given->input_noise);
    set_real(&p->independence, given->independence);
    if (given->stages != -1)
        p->stages = given->stages == COUNT_AUTO ? 0 : (int32_t)given->stages;
    p->bootstrap = given->bootstrap >= 0 ? (int32_t)given->bootstrap : p->bootstrap;
    p->restarts = given->restarts >= 0 ? (int32_t)given->restarts : p->restarts;
    if (given->folds != -1)
        p->folds = given->folds == COUNT_AUTO ? MUCMM_AUTO : (int32_t)given->folds;
    p->repeats = given->repeats >= 0 ? (int32_t)given->repeats : p->repeats;
    p->checkpoint = given->checkpoint;
    p->adjust = given->adjust;
    p->adjust_nonlinear = given->adjust_nonlinear >= 0 ? (int32_t)given->adjust_nonlinear : 0;
}

static int print_fit_json(session *s, const mucmm_model *m)
{
    char *text = NULL;

    return print_made(s, mucmm_model_results_json(s->ctx, m, &text), &text);
}

/* How the numbers of dimensions were found, where they were. */
static void print_dimensions(const mucmm_model *m)
{
    const mucmm_dimensions *d = mucmm_model_dimensions(m);

    if (d->candidates > 0)
        printf("common dimensions: %" PRId64 " found, %" PRId64 " kept; %" PRId64
               " %s tried, those before the first with p > %g %s count\n",
               d->common, mucmm_model_common(m), d->candidates, d->candidates == 1 ? "was" : "were",
               d->level,
               d->standard_errors ? "by permutation of all rows" : "on the choosing rows");
    if (d->trained_candidates > 0)
        printf("of trained heads %" PRId64 " of %" PRId64
               " were found, on rows that did not choose "
               "their epoch\n",
               d->trained, d->trained_candidates);
    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        if (d->n_errors[v] > 0)
            printf("individual dimensions of %s: %" PRId64 " found, %" PRId64
                   " kept; error of rebuilding columns not seen: %.3f "
                   "of their variance, %.3f without them\n",
                   mucmm_model_view_name(m, v), d->chosen[v], mucmm_model_individual(m, v),
                   d->error[v][d->chosen[v]], d->error[v][0]);
}

/* Rows that lack views, if there are any: what they add. */
static void print_incomplete(const mucmm_model *m)
{
    const mucmm_model_facts *about = mucmm_model_about(m);

    if (!about->incomplete)
        return;
    printf("these have all views; with those that lack some:");
    for (int32_t v = 0; v < about->views; v++)
        printf("%s %s %" PRId64, v > 0 ? "," : "", mucmm_model_view_name(m, v),
               about->view_rows[v]);
    printf("\n");
}

/* What empty cells are filled with. */
static void print_imputation(const mucmm_model *m)
{
    mucmm_imputation of;

    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        if (mucmm_model_imputation(m, v, &of) && of.empty > 0)
            printf("empty cells of %s: %" PRId64 " in %" PRId64
                   " training rows, filled by %s%" PRId64
                   " factors of its columns; R2 of hidden cells %.2f\n",
                   mucmm_model_view_name(m, v), of.empty, of.rows,
                   of.r2 > 0 ? "" : "their means; more than ", of.r2 > 0 ? of.factors : 0, of.r2);
}

static void print_front(const mucmm_model *m)
{
    int32_t n;
    const mucmm_candidate *front = mucmm_model_front(m, &n);

    if (n > 0)
        printf(
            "\nindividual part, on the choosing rows   leak (by chance)    rebuilt of the rest\n");
    for (int32_t i = 0; i < n; i++)
        printf("  %-9s%-28s %8.5f (%.5f) %14.4f\n", mucmm_candidate_name(front[i].kind),
               front[i].chosen ? " (kept)" : "", front[i].leak, front[i].leak_sd,
               front[i].completeness);
}

/* What testifies where every row trained. */
static void print_cross_fit(const mucmm_model *m)
{
    const mucmm_cross_fit *r = mucmm_model_cross_fit(m);
    char text[MUCMM_P_TEXT];

    if (!r)
        return;
    printf("\nall %" PRId64 " rows trained; p-values: %s of %" PRId64 " permutations", r->rows,
           mucmm_model_about(m)->common_kept == MUCMM_KEPT_TRAINED
               ? "twice the median over the folds,"
               : "exact, the closed form refitted in each",
           r->permutations);
    if (r->folds > 0)
        printf("; held-out: %d folds drawn %d %s", r->folds, r->repeats,
               r->repeats == 1 ? "time" : "times");
    printf("\n  component   in-sample    held-out   (%2.0f %% interval)     p-value\n",
           100 * r->level);
    for (int64_t j = 0; j < r->components; j++) {
        printf("  %9" PRId64 " %11.7f", j, r->in_sample[j]);
        if (r->folds > 0)
            printf(" %11.4f   (%6.3f to %6.3f)", r->correlations[j], r->low[j], r->high[j]);
        else
            printf(" %11s   %18s", "-", "");
        printf(" %11s\n", mucmm_p_text(r->p_values[j], r->permutations, text));
    }
}

/* The classical tests, where they hold. */
static void print_classical(const mucmm_model *m)
{
    const mucmm_cross_fit *r = mucmm_model_cross_fit(m);

    if (!r || r->n_classical == 0)
        return;
    printf(
        "\nclassical tests that a correlation and all after it are 0, for normal rows\n"
        "  number correlation  Wilks' lambda   Rao's F     df       p-value   Bartlett's chi2  df"
        "    p-value\n");
    for (int64_t j = 0; j < r->n_classical; j++) {
        const mucmm_classical *t = &r->classical[j];
        printf("  %6" PRId64 " %11.7f %14.6f %9.4f %3.0f, %7.2f %9.4f %12.4f %7.0f %10.4f\n", j,
               t->correlation, t->wilks, t->f, t->f_df1, t->f_df2, t->f_p, t->chi_squared,
               t->chi_squared_df, t->chi_squared_p);
    }
}

static void print_note(const char *note)
{
    if (note[0])
        printf("\n%s\n", note);
}

static void print_fit(const mucmm_model *m, const char *path)
{
    const summary_column columns[] = {
        {kept_name(m), "train", mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_HEADS)},
        {kept_name(m), "held-out", mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_HEADS)},
        {"linear yardstick", "train", mucmm_model_summary(m, MUCMM_ROWS_TRAIN, MUCMM_LINEAR)},
        {"linear yardstick", "held-out", mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, MUCMM_LINEAR)},
    };
    char note[MUCMM_NOTE_SIZE];

    if (mucmm_model_cross_fit(m)) /* the rows of the held-out column trained as well */
        printf("%s: all %" PRId64 " rows trained, none was held out%s\n", shown(path),
               columns[0].summary->rows,
               mucmm_model_cross_fit(m)->folds > 0
                   ? "; held-out numbers are of models of folds, of rows that they did not see"
                   : "");
    else
        printf("%s: %" PRId64 " training rows, %" PRId64 " choosing rows, %" PRId64
               " held-out rows\n",
               shown(path), columns[0].summary->rows, mucmm_model_about(m)->choosing_rows,
               columns[1].summary->rows);
    print_incomplete(m);
    print_imputation(m);
    print_dimensions(m);
    print_summaries(m, columns, 4);
    print_cross_fit(m);
    print_classical(m);
    print_front(m);
    print_stability(m);
    print_note(mucmm_model_closed_form_note(m, "fit --head mlp", note, sizeof note));
    print_note(mucmm_model_held_out_note(m, note, sizeof note));
}

static int check_fit(const settings *given)
{
    int code = 0;

    if (given->n_operands == 0 && given->view.n == 1)
        return fail(EXIT_USAGE, "fit: 1 view is not enough; give --view at least twice");
    TRY(output_check(given->output));
    if (given->csv)
        TRY(output_check(given->csv));
    if (given->figure)
        TRY(output_check(given->figure));
    if (given->checkpoint)
        TRY(output_check(given->checkpoint));
done:
    return code;
}

static int write_components(session *s, const settings *given, const mucmm_model *m)
{
    char *text = NULL;
    int code = 0;

    if (given->csv)
        TRY(write_made(s, mucmm_model_components_csv(s->ctx, m, &text), &text, given->csv));
    if (given->figure)
        TRY(check_written(s, mucmm_model_components_figure(s->ctx, m, given->figure),
                          given->figure));
done:
    return code;
}

int run_fit(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    mucmm_fit_params p;

    TRY(check_fit(given));
    TRY(session_open(&s, given));
    TRY(inputs_open(&s, given, given->n_operands > 0 ? given->operand[0] : NULL, MUCMM_PART_TRAIN,
                    &in));
    TRY(inputs_groups(&s, given, &in));
    fill_params(given, &p);
    TRY(fill_individual(&given->individual, &in, &p));
    p.groups = in.groups;
    s.checkpoint = given->checkpoint;
    TRY(check(&s, mucmm_fit(s.ctx, in.views, in.n, &p, &m)));
    TRY(check(&s, mucmm_model_save(s.ctx, m, given->output)));
    progress_pause(&s.progress);
    TRY(write_components(&s, given, m));
    if (given->json)
        TRY(print_fit_json(&s, m));
    else
        print_fit(m, given->output);
    say_written(given->output);
done:
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
