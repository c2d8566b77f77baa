/* SPDX-License-Identifier: MIT
 *
 * Views from --view options or from a study file, and the model they are for.
 */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void missing_of(const settings *given, int32_t *missing, double *row, double *column)
{
    *missing = given->missing > 0 ? (int32_t)given->missing : MUCMM_MISSING_REFUSE;
    *row = isnan(given->missing_row) ? *row : given->missing_row;
    *column = isnan(given->missing_column) ? *column : given->missing_column;
}

/* What is read of tables. */
void table_params(const settings *given, mucmm_data_params *p)
{
    mucmm_data_params_init(p);
    p->key = given->key;
    p->skip = given->group;
    p->columns = given->columns;
    p->ignore = given->ignore;
    p->categories = given->categories;
    p->transpose = given->transpose;
    p->header = given->no_header ? MUCMM_HEADER_NO : given->header > 0 ? (int32_t)given->header : 0;
    p->decimal = given->decimal > 0 ? (int32_t)given->decimal : 0;
    missing_of(given, &p->missing, &p->missing_row, &p->missing_column);
}

static int open_files(session *s, const settings *given, inputs *out)
{
    const char *names[MUCMM_MAX_VIEWS];
    mucmm_data_params p;

    table_params(given, &p);
    for (int32_t i = 0; i < given->view.n; i++)
        names[i] = given->view.name[i];
    return check(
        s, mucmm_views_open(s->ctx, names, given->view.value, given->view.n, &p, &out->paired));
}

uint64_t memory_of(const settings *given)
{
    return given->memory > 0 ? (uint64_t)given->memory << 20 : 0;
}

/* The part asked for; else `usual` if the study is split, else all rows. */
static mucmm_part choose_part(const settings *given, const mucmm_study *study, mucmm_part usual)
{
    static const mucmm_part parts[] = {MUCMM_PART_TEST, MUCMM_PART_TRAIN, MUCMM_PART_ALL};

    if (given->part >= 0)
        return parts[given->part];
    return mucmm_study_has_split(study) ? usual : MUCMM_PART_ALL;
}

static int open_study_views(session *s, const settings *given, mucmm_part usual, inputs *out)
{
    int code = 0;
    mucmm_study_params p;

    mucmm_study_params_init(&p);
    p.cache = given->cache;
    p.memory = memory_of(given);
    p.skip_bad = given->skip_bad;
    missing_of(given, &p.missing, &p.missing_row, &p.missing_column);
    TRY(check(s, mucmm_study_encode(s->ctx, out->study, &p)));
    out->part = choose_part(given, out->study, usual);
    TRY(check(s, mucmm_views_of_study(s->ctx, out->study, out->part, &out->paired)));
done:
    return code;
}

static int check_given(const settings *given, const char *study)
{
    if (study && given->view.n > 0)
        return fail(EXIT_USAGE, "give a study file ('%s') or --view, not both", study);
    if (study && given->key)
        return fail(EXIT_USAGE, "--key is for --view; the rows of a study are paired by position");
    if (!study && given->view.n == 0)
        return fail(EXIT_USAGE, "views are missing: --view NAME=FILE for each, or a study file");
    if (!study && (given->part >= 0 || given->cache || given->skip_bad))
        return fail(EXIT_USAGE, "--part, --cache and --skip-bad need a study file");
    return 0;
}

/* Loads the study, if one is given, before anything is computed: names can be checked. */
static int start_inputs(session *s, const settings *given, const char *study, inputs *out)
{
    int code = 0;

    *out = (inputs){0};
    TRY(check_given(given, study));
    if (study)
        TRY(check(s, mucmm_study_load(s->ctx, study, &out->study)));
done:
    return code;
}

/* What the commands look at, of out->paired. */
static void list_views(inputs *out)
{
    out->n = mucmm_views_count(out->paired);
    for (int32_t i = 0; i < out->n; i++) {
        out->views[i] = mucmm_views_list(out->paired)[i];
        out->data[i] = out->views[i].data;
    }
}

int table_open(session *s, const settings *given, const char *path, mucmm_table **out)
{
    mucmm_table_params p;

    mucmm_table_params_init(&p);
    p.key = given->key;
    p.header = given->header == MUCMM_HEADER_YES ? MUCMM_HEADER_YES : MUCMM_HEADER_AUTO;
    return check(s, mucmm_table_open(s->ctx, path, &p, out));
}

static int attach_covariates(session *s, const settings *given, inputs *out)
{
    mucmm_table *table = NULL;
    mucmm_views *with = NULL;
    int code = 0;

    if (!given->covariates && !given->metadata)
        return 0;
    TRY(table_open(s, given, given->covariates ? given->covariates : given->metadata, &table));
    TRY(check(s, mucmm_views_attach(s->ctx, out->paired, table, &with)));
    mucmm_views_free(out->paired);
    out->paired = with;
done:
    mucmm_table_free(table);
    return code;
}

static int finish_inputs(session *s, const settings *given, mucmm_part usual, inputs *out)
{
    int code = 0;

    TRY(out->study ? open_study_views(s, given, usual, out) : open_files(s, given, out));
    TRY(attach_covariates(s, given, out));
    list_views(out);
done:
    return code;
}

/* ---- groups ------------------------------------------------------------------------ */

static bool is_table(const char *path)
{
    size_t n = strlen(path);

    return n > 4 && (strcmp(path + n - 4, ".csv") == 0 || strcmp(path + n - 4, ".tsv") == 0);
}

/* The table with the column: of the metadata, or the first view's that has it. */
static int find_table(session *s, const settings *given, const pairs *files, mucmm_table **out)
{
    int code = 0;

    *out = NULL;
    if (given->metadata)
        return table_open(s, given, given->metadata, out);
    for (int32_t i = 0; i < files->n; i++) {
        if (!is_table(files->value[i]))
            continue;
        TRY(table_open(s, given, files->value[i], out));
        if (mucmm_table_find(*out, given->group) >= 0)
            return 0;
        mucmm_table_free(*out);
        *out = NULL;
    }
    return fail(EXIT_USAGE,
                "--group: no csv view has a column '%s'; name its table with --metadata",
                shown(given->group));
done:
    return code;
}

int groups_read(session *s, const settings *given, const mucmm_views *views, const pairs *files,
                int64_t **out)
{
    mucmm_table *table = NULL;
    int code = 0;

    *out = NULL;
    if (!given->group)
        return 0;
    if (given->metadata || !mucmm_views_study(views))
        TRY(find_table(s, given, files, &table));
    TRY(allocate(out, mucmm_views_rows(views), sizeof **out));
    TRY(check(s, mucmm_views_groups(s->ctx, views, table, given->group, *out)));
done:
    mucmm_table_free(table);
    return code;
}

int inputs_groups(session *s, const settings *given, inputs *in)
{
    return groups_read(s, given, in->paired, &given->view, &in->groups);
}

int inputs_complete(session *s, inputs *in)
{
    mucmm_views *complete = NULL;
    int code = 0;

    if (in->study)
        return 0;
    TRY(check(s, mucmm_views_complete(s->ctx, in->paired, &complete)));
    mucmm_views_free(in->paired);
    in->paired = complete;
    list_views(in);
done:
    return code;
}

int inputs_open(session *s, const settings *given, const char *study, mucmm_part usual, inputs *out)
{
    int code = 0;

    TRY(start_inputs(s, given, study, out));
    TRY(finish_inputs(s, given, usual, out));
done:
    if (code != 0)
        inputs_close(out);
    return code;
}

int inputs_training(session *s, const inputs *in, const char *view, mucmm_data **out)
{
    return check(s, mucmm_views_training(s->ctx, in->paired, view, out));
}

/* Before anything is opened or computed. */
static int check_names(session *s, const mucmm_model *m, const settings *given,
                       const mucmm_study *study, bool all)
{
    int32_t n = study ? mucmm_study_views(study) : given->view.n;
    const char *names[MUCMM_MAX_VIEWS];

    for (int32_t i = 0; i < n; i++)
        names[i] = study ? mucmm_study_view_name(study, i) : given->view.name[i];
    return check(s, mucmm_model_match_names(s->ctx, m, names, n, all));
}

static int open_for(session *s, const mucmm_model *m, const settings *given, bool all, inputs *out)
{
    const char *study = given->n_operands > 1 ? given->operand[1] : NULL;
    mucmm_views *as_given = NULL;
    int code = 0;

    TRY(start_inputs(s, given, study, out));
    TRY(check_names(s, m, given, out->study, all));
    TRY(finish_inputs(s, given, MUCMM_PART_TEST, out));
    as_given = out->paired;
    TRY(check(s, mucmm_views_match(s->ctx, as_given, m, all, &out->paired)));
    list_views(out);
done:
    mucmm_views_free(as_given);
    if (code != 0)
        inputs_close(out);
    return code;
}

int inputs_open_some(session *s, const mucmm_model *m, const settings *given, inputs *out)
{
    return open_for(s, m, given, false, out);
}

int inputs_open_for(session *s, const mucmm_model *m, const settings *given, inputs *out)
{
    return open_for(s, m, given, true, out);
}

void inputs_close(inputs *in)
{
    mucmm_views_free(in->paired);
    mucmm_study_free(in->study);
    free(in->groups);
    *in = (inputs){0};
}

int model_open(session *s, const settings *given, mucmm_model **out)
{
    return check(s, mucmm_model_load(s->ctx, given->operand[0], out));
}
