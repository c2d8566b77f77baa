/* SPDX-License-Identifier: MIT
 *
 * mucmm relate: components against what is known of the rows.
 */
#include "cli.h"

#include <stdio.h>
#include <string.h>

const option relate_options[] = {
    OPTION_VIEW,
    {"metadata", 0, OPTION_TEXT, true, AT(metadata), 0, 0, "FILE",
     "table (.csv, .tsv) of what is known of the rows, matched by key or row by row"},
    OPTION_OUTPUT(false, "FILE", "csv with every component against every column"),
    OPTION_JSON,
    {"representation", 0, OPTION_CHOICE, false, AT(representation), 0, 0, "heads|linear",
     "of which variates (default heads)"},
    OPTION_SEED,
    OPTION_KEY,
    OPTION_TABLES,
    OPTION_GROUP,
    OPTION_MISSING,
    OPTION_COVARIATES,
    OPTION_PART,
    OPTION_CACHE,
    OPTION_SKIP_BAD,
    OPTION_THREADS,
    OPTION_END,
};

static int write_csv(session *s, const char *path, const mucmm_relate *r)
{
    char *text = NULL;
    int code = 0;

    TRY(check(s, mucmm_relate_csv(s->ctx, r, &text)));
    TRY(check(s, mucmm_file_write(s->ctx, path, text, strlen(text))));
done:
    mucmm_text_free(text);
    return code;
}

static int relate(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                  mucmm_relate **out)
{
    mucmm_table *table = NULL, *rows = NULL;
    mucmm_relate_params p;
    int code = 0;

    mucmm_relate_params_init(&p);
    p.representation = given->representation == 1 ? MUCMM_LINEAR : MUCMM_HEADS;
    p.seed = given->seed >= 0 ? (uint64_t)given->seed : p.seed;
    TRY(table_open(s, given, given->metadata, &table));
    TRY(check(s, mucmm_table_match(s->ctx, table, in->paired, &rows)));
    p.groups = in->groups;
    TRY(check(s, mucmm_relate_create(s->ctx, m, in->views, in->n, rows, &p, out)));
done:
    mucmm_table_free(table);
    mucmm_table_free(rows);
    return code;
}

int run_relate(const settings *given)
{
    session s = {0};
    mucmm_model *m = NULL;
    mucmm_relate *r = NULL;
    inputs in = {0};
    char *text = NULL;
    int code = 0;

    TRY(session_open(&s, given));
    if (given->output)
        TRY(output_check(given->output));
    TRY(model_open(&s, given, &m));
    TRY(inputs_open_for(&s, m, given, &in));
    TRY(inputs_groups(&s, given, &in));
    TRY(relate(&s, given, m, &in, &r));
    if (given->output)
        TRY(write_csv(&s, given->output, r));
    TRY(print_made(
        &s, given->json ? mucmm_relate_json(s.ctx, r, &text) : mucmm_relate_text(s.ctx, r, &text),
        &text));
    if (given->output)
        say_written(given->output);
done:
    mucmm_relate_free(r);
    inputs_close(&in);
    mucmm_model_free(m);
    session_close(&s);
    return code;
}
