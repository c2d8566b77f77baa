/* SPDX-License-Identifier: MIT
 *
 * mucmm match: for the rows of one view the rows of another that go with them.
 */
#include "cli.h"

#include <stdio.h>
#include <string.h>

const option match_options[] = {
    {"query", 0, OPTION_TEXT, true, AT(query), 0, 0, "NAME=FILE",
     "rows that look for matches; with a study, NAME alone is its view"},
    {"gallery", 0, OPTION_TEXT, true, AT(gallery), 0, 0, "NAME=FILE",
     "rows of another view that they are matched with, any number of them"},
    {"top", 0, OPTION_COUNT, false, AT(top), 1, MUCMM_MATCH_MAX_TOP, "N",
     "matches of every row (default 10)"},
    OPTION_OUTPUT(false, "FILE", "csv: query, rank, match, similarity, partner"),
    OPTION_JSON,
    {"measure", 0, OPTION_CHOICE, false, AT(measure), 0, 0, "likelihood|cosine",
     "likelihood ratio (default), or cosine of variates that their correlations weigh"},
    {"paired", 0, OPTION_FLAG, false, AT(paired), 0, 0, NULL,
     "row i of the query belongs to row i of the gallery: tell how often it is found. Without it "
     "partners are rows of the same key"},
    {"representation", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "the trained heads (default) or the closed form"},
    OPTION_SEED,
    OPTION_KEY,
    OPTION_COVARIATES,
    OPTION_MISSING,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

/* Rows of one view: of a file, or of the study. */
typedef struct side {
    char name[MAX_NAME];
    const char *file; /* NULL: of the study */
    inputs in;
    mucmm_view view;
} side;

static int split_name(const char *word, const char *text, bool study, side *to)
{
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : strlen(text);

    if (n == 0 || n >= sizeof to->name || (equals && !equals[1]) || (!equals && !study))
        return fail(EXIT_USAGE, "--%s: '%s' is not NAME=FILE", word, shown(text));
    snprintf(to->name, sizeof to->name, "%.*s", (int)n, text);
    to->file = equals ? equals + 1 : NULL;
    return 0;
}

static int open_side(session *s, const mucmm_model *m, const settings *given, side *to)
{
    settings own = *given;
    int code = 0;

    own.view = (pairs){0};
    if (to->file) {
        own.n_operands = 1;
        own.part = -1;
        own.cache = NULL;
        own.skip_bad = false;
        own.view.n = 1;
        snprintf(own.view.name[0], sizeof own.view.name[0], "%s", to->name);
        own.view.value[0] = to->file;
    } else
        own.key = NULL;
    TRY(inputs_open_some(s, m, &own, &to->in));
    for (int32_t i = 0; i < to->in.n; i++)
        if (strcmp(to->in.views[i].name, to->name) == 0)
            to->view = to->in.views[i];
    if (!to->view.data)
        return fail(EXIT_USAGE, "the study has no view '%s' of the model", shown(to->name));
done:
    return code;
}

static int find_matches(session *s, const mucmm_model *m, const settings *given, const side *query,
                        const side *gallery, mucmm_matches **out)
{
    mucmm_match_params p;

    mucmm_match_params_init(&p);
    p.top = given->top > 0 ? given->top : p.top;
    p.representation =
        given->representation >= 0 ? (mucmm_representation)given->representation : p.representation;
    p.measure = given->measure >= 0 ? (mucmm_match_measure)given->measure : p.measure;
    p.paired = given->paired || (!query->file && !gallery->file); /* rows of a study are paired */
    p.seed = given->seed >= 0 ? (uint64_t)given->seed : p.seed;
    return check(s, mucmm_matches_create(s->ctx, m, &query->view, &gallery->view, &p, out));
}

int run_match(const settings *given)
{
    const bool study = given->n_operands > 1;
    session s = {0};
    mucmm_model *m = NULL;
    mucmm_matches *x = NULL;
    side query = {0}, gallery = {0};
    char *text = NULL;
    int code = 0;

    TRY(split_name("query", given->query, study, &query));
    TRY(split_name("gallery", given->gallery, study, &gallery));
    if (given->output)
        TRY(output_check(given->output));
    TRY(session_open(&s, given));
    TRY(model_open(&s, given, &m));
    TRY(open_side(&s, m, given, &query));
    TRY(open_side(&s, m, given, &gallery));
    TRY(find_matches(&s, m, given, &query, &gallery, &x));
    if (given->output)
        TRY(write_made(&s, mucmm_matches_csv(s.ctx, x, query.view.data, gallery.view.data, &text),
                       &text, given->output));
    TRY(print_made(
        &s, given->json ? mucmm_matches_json(s.ctx, x, &text) : mucmm_matches_text(s.ctx, x, &text),
        &text));
done:
    mucmm_matches_free(x);
    inputs_close(&query.in);
    inputs_close(&gallery.in);
    mucmm_model_free(m);
    session_close(&s);
    return code;
}
