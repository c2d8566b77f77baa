/* SPDX-License-Identifier: MIT
 *
 * mucmm score: a row of numbers for every sample, and what the rows show together.
 */
#include "cli.h"
#include "print.h"

#include <inttypes.h>
#include <stdio.h>

const option score_options[] = {
    OPTION_VIEW,
    OPTION_OUTPUT(false, "FILE", "csv with the scores of every sample"),
    {"csv", 0, OPTION_TEXT, false, AT(csv), 0, 0, "FILE",
     "csv with what every component shows: correlation, interval, p-value"},
    OPTION_FIGURE("figure of the components' correlations (.svg, .pdf, else PNG)"),
    OPTION_JSON,
    {"permutations", 0, OPTION_COUNT, false, AT(permutations), 0, 10000000, "N",
     "permutations behind the p-values; 0 = none (default 1000)"},
    OPTION_SEED,
    OPTION_KEY,
    OPTION_TABLES,
    OPTION_GROUP,
    OPTION_METADATA,
    OPTION_COVARIATES,
    OPTION_MISSING,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

static int write_tables(session *s, const settings *given, const mucmm_scores *scores,
                        const inputs *in)
{
    char *text = NULL;
    int code = 0;

    if (given->output)
        TRY(write_made(s, mucmm_scores_csv(s->ctx, scores, in->paired, &text), &text,
                       given->output));
    if (given->csv)
        TRY(write_made(s, mucmm_scores_components_csv(s->ctx, scores, &text), &text, given->csv));
    if (given->figure)
        TRY(check_written(s, mucmm_scores_components_figure(s->ctx, scores, given->figure),
                          given->figure));
done:
    return code;
}

/* What the table has dashes for. */
static void print_missing(const mucmm_model *m, const mucmm_scores *scores)
{
    int32_t given = 0;

    for (int32_t v = 0; v < mucmm_model_views(m); v++)
        given += mucmm_scores_individual(scores, v) != NULL;
    if (given == mucmm_model_views(m))
        return;
    printf("not given:");
    for (int32_t v = 0, n = 0; v < mucmm_model_views(m); v++)
        if (!mucmm_scores_individual(scores, v))
            printf("%s %s", n++ > 0 ? "," : "", mucmm_model_view_name(m, v));
    printf("; what needs a view that is not given is not known (-)%s\n",
           given == 1 ? ", and correlations need two" : "");
}

/* The table: rows that testify and, beside them, those that the model was fitted to. If these are
 * all, the held-out rows of the fit take the place of the former, without their p-values, which are
 * those of no row given. */
typedef struct table {
    summary_column columns[4];
    int n;
    mucmm_summary held_out[2]; /* by mucmm_representation */
    bool none;                 /* no row given testifies  */
} table;

static void fill_table(const mucmm_model *m, const mucmm_scores *s, table *t)
{
    const bool fitted = mucmm_scores_in_sample(s, MUCMM_HEADS) != NULL;
    const int each = fitted ? 2 : 1;

    *t = (table){.n = 2 * each, .none = fitted && mucmm_scores_summary(s, MUCMM_HEADS)->rows == 0};
    for (int i = 0; i < 2; i++) {
        const mucmm_representation r = i == 0 ? MUCMM_HEADS : MUCMM_LINEAR;
        const char *group = i == 0 ? kept_name(m) : "linear yardstick";
        const mucmm_summary *own = mucmm_scores_summary(s, r);
        const mucmm_summary *held_out = mucmm_model_summary(m, MUCMM_ROWS_HELD_OUT, r);
        t->held_out[i] = held_out ? *held_out : *own;
        if (held_out && held_out->p_values) /* shares are those of what is significant */
            t->held_out[i].common_share = held_out->shared_share;
        t->held_out[i].p_values = NULL;
        if (t->none) /* one and the same where the heads are the closed form */
            own = own == mucmm_scores_summary(s, MUCMM_HEADS) ? &t->held_out[0] : &t->held_out[i];
        t->columns[i * each] = (summary_column){group,
                                                t->none  ? "held-out"
                                                : fitted ? "new rows"
                                                         : "these rows",
                                                own};
        if (fitted)
            t->columns[i * each + 1] =
                (summary_column){group, "in-sample", mucmm_scores_in_sample(s, r)};
    }
}

static void print_scores(const mucmm_model *m, const mucmm_scores *scores)
{
    int64_t complete = mucmm_scores_summary(scores, MUCMM_HEADS)->rows;
    char note[MUCMM_NOTE_SIZE];
    table t;

    fill_table(m, scores, &t);
    if (mucmm_scores_in_sample(scores, MUCMM_HEADS))
        complete += mucmm_scores_in_sample(scores, MUCMM_HEADS)->rows;
    printf("%" PRId64 " rows", mucmm_scores_rows(scores));
    if (complete < mucmm_scores_rows(scores))
        printf("; the numbers below are of the %" PRId64 " that have every view given", complete);
    printf("\n");
    if (mucmm_scores_note(scores, note, sizeof note)[0])
        printf("%s\n", note);
    if (t.none && mucmm_model_cross_fit(m))
        printf("Beside it stands what the fit found with every row judged by a model that did not "
               "see it.\n");
    else if (t.none && t.held_out[0].rows > 0)
        printf("Beside it stands what the fit found on its own %" PRId64 " held-out rows.\n",
               t.held_out[0].rows);
    print_missing(m, scores);
    print_summaries(m, t.columns, t.n);
}

static void fill_params(const settings *given, mucmm_score_params *p)
{
    mucmm_score_params_init(p);
    if (given->permutations >= 0)
        p->permutations = given->permutations;
    if (given->seed >= 0)
        p->seed = (uint64_t)given->seed;
}

int run_score(const settings *given)
{
    int code = 0;
    session s = {0};
    inputs in = {0};
    mucmm_model *m = NULL;
    mucmm_scores *scores = NULL;
    char *text = NULL;
    mucmm_score_params p;

    if (given->output)
        TRY(output_check(given->output));
    if (given->csv)
        TRY(output_check(given->csv));
    if (given->figure)
        TRY(output_check(given->figure));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_some(&s, m, given, &in));
    TRY(inputs_groups(&s, given, &in));
    fill_params(given, &p);
    p.groups = in.groups;
    TRY(check(&s, mucmm_score(s.ctx, m, in.views, in.n, &p, &scores)));
    progress_pause(&s.progress);
    TRY(write_tables(&s, given, scores, &in));
    if (given->json)
        TRY(print_made(&s, mucmm_scores_json(s.ctx, scores, &text), &text));
    else if (!given->output && !given->csv && !given->figure)
        print_scores(m, scores);
done:
    mucmm_scores_free(scores);
    mucmm_model_free(m);
    inputs_close(&in);
    session_close(&s);
    return code;
}
