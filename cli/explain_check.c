/* SPDX-License-Identifier: MIT
 *
 * mucmm explain --check and --mask: maps beside null models. */
#include "explain_check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- views ------------------------------------------------------------------------- */

int shape_read(const settings *given, const char *view, int64_t *shape, int32_t *rank)
{
    const char *text = find_pair(&given->shape, view);

    if (text && !parse_shape(text, shape, rank))
        return fail(EXIT_USAGE, "--shape: '%s' is not a shape such as 28x56", text);
    return 0;
}

/* What is known of the rows of --training; NULL: nothing. */
static int training_table(session *s, const settings *given, mucmm_table **out)
{
    *out = NULL;
    if (given->training_covariates)
        return table_open(s, given, given->training_covariates, out);
    if (!given->covariates)
        return 0;
    if (!given->key)
        return fail(EXIT_USAGE,
                    "the rows of --training have covariates of their own: name their table with "
                    "--training-covariates, or give --key and one table of all rows");
    return table_open(s, given, given->covariates, out);
}

/* *data with what is known of its rows. */
static int attach_known(session *s, const settings *given, const char *view, mucmm_data **data)
{
    mucmm_table *table = NULL;
    mucmm_views *rows = NULL, *with = NULL;
    mucmm_view one = {view, *data};
    int code = 0;

    TRY(training_table(s, given, &table));
    if (!table)
        return 0;
    TRY(check(s, mucmm_views_create(s->ctx, &one, 1, &rows)));
    TRY(check(s, mucmm_views_attach(s->ctx, rows, table, &with)));
    mucmm_data_free(*data);
    *data = NULL;
    TRY(check(s, mucmm_data_subset(s->ctx, mucmm_views_list(with)[0].data, NULL,
                                   mucmm_views_rows(with), data)));
done:
    mucmm_views_free(with);
    mucmm_views_free(rows);
    mucmm_table_free(table);
    return code;
}

int training_open(session *s, const settings *given, const inputs *in, const char *view,
                  int32_t takes, mucmm_data **out)
{
    const char *path = find_pair(&given->training, view);
    mucmm_data_params opened;
    int code = 0;

    *out = NULL;
    if (!path && takes > 0)
        return inputs_training(s, in, view, out);
    if (!path)
        return 0;
    table_params(given, &opened);
    opened.columns = opened.ignore = opened.transpose = NULL; /* which are of the views given */
    TRY(check(s, mucmm_data_open(s->ctx, path, &opened, out)));
    if (takes > 0 || given->training_covariates || (given->covariates && given->key))
        TRY(attach_known(s, given, view, out));
done:
    if (code != 0) {
        mucmm_data_free(*out);
        *out = NULL;
    }
    return code;
}

/* ---- null models ------------------------------------------------------------------- */

static int open_files(session *s, const settings *given, const mucmm_model *m, mucmm_views **out)
{
    const char *names[MUCMM_MAX_VIEWS];
    mucmm_data_params p;

    table_params(given, &p);
    for (int32_t i = 0; i < mucmm_model_views(m); i++)
        if (!find_pair(&given->training, mucmm_model_view_name(m, i)))
            return fail(EXIT_USAGE,
                        "null models are fitted to the training rows of all views: give --training "
                        "%s=FILE",
                        mucmm_model_view_name(m, i));
    for (int32_t i = 0; i < given->training.n; i++)
        names[i] = given->training.name[i];
    return check(
        s, mucmm_views_open(s->ctx, names, given->training.value, given->training.n, &p, out));
}

static int open_training(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                         mucmm_views **out)
{
    mucmm_views *opened = NULL, *with = NULL;
    mucmm_table *table = NULL;
    int code = 0;

    if (in->study)
        TRY(check(s, mucmm_views_of_study(s->ctx, in->study,
                                          mucmm_study_has_split(in->study) ? MUCMM_PART_TRAIN
                                                                           : MUCMM_PART_ALL,
                                          &opened)));
    else
        TRY(open_files(s, given, m, &opened));
    if (!in->study)
        TRY(training_table(s, given, &table));
    if (table)
        TRY(check(s, mucmm_views_attach(s->ctx, opened, table, &with)));
    TRY(check(s, mucmm_views_match(s->ctx, with ? with : opened, m, true, out)));
done:
    mucmm_table_free(table);
    mucmm_views_free(with);
    mucmm_views_free(opened);
    return code;
}

int null_models_open(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                     mucmm_representation representation, bool needed, null_models *out)
{
    mucmm_null_params p;
    int64_t *groups = NULL;
    int code = 0;

    if (!in->study && !needed && given->training.n == 0)
        return 0;
    TRY(open_training(s, given, m, in, &out->training));
    TRY(groups_read(s, given, out->training, &given->training, &groups));
    mucmm_null_params_init(&p);
    p.groups = groups;
    p.models = given->null_models > 0 ? given->null_models : p.models;
    p.rows = given->null_rows > 0 ? given->null_rows : 0;
    p.seed = given->seed >= 0 ? (uint64_t)given->seed : p.seed;
    TRY(check(s, mucmm_null_fit(s->ctx, m, representation, mucmm_views_list(out->training),
                                mucmm_views_count(out->training), &p, &out->null)));
done:
    free(groups);
    return code;
}

void null_models_close(null_models *n)
{
    mucmm_null_free(n->null);
    mucmm_views_free(n->training);
}

void score_file_name(const char *score, char *out, size_t size)
{
    snprintf(out, size, "%s", score);
    if (strchr(out, ':'))
        *strchr(out, ':') = '-';
}

/* ---- findings ---------------------------------------------------------------------- */

enum { SCORES = 2 };

/* All that is asked for. */
typedef struct checks {
    session *s;
    const settings *given;
    const mucmm_model *m;
    const inputs *in;
    const sample_list *samples;
    const mucmm_explain_params *usual; /* what the options say */
    null_models null;
    double level;
    output_dir *dir;
    mucmm_findings *found[SCORES * MUCMM_MAX_VIEWS];
    int64_t n;
} checks;

/* ---- all of them ------------------------------------------------------------------- */

static int write_rows(const checks *c, const mucmm_explanation *e, const mucmm_findings *f,
                      const mucmm_finding *of, const char *what, const float *values)
{
    int64_t shape[MUCMM_MAX_RANK + 1] = {mucmm_explanation_count(e)};
    const mucmm_data *data = mucmm_explanation_data(e);
    int32_t rank = mucmm_data_raw_shape(data, shape + 1);
    char score[32];
    int code = 0;

    if (rank == MUCMM_MAX_RANK) {
        rank = 1;
        shape[1] = mucmm_data_raw_cols(data);
    }
    score_file_name(mucmm_findings_score(f), score, sizeof score);
    TRY(output_dir_file(c->dir, "%s.%s.%s%s.npy", mucmm_findings_view_name(f), score,
                        mucmm_map_text(of->map), what));
    TRY(check(c->s, mucmm_npy_write(c->s->ctx, c->dir->full, values, shape, rank + 1)));
done:
    return code;
}

static int write_findings(const checks *c, const mucmm_explanation *e, const mucmm_findings *f)
{
    char what[128];
    int code = 0;

    for (int64_t i = 0; i < mucmm_findings_count(f); i++) {
        const mucmm_finding *of = mucmm_findings_at(f, i);
        int64_t n = mucmm_explanation_count(e), missing = 0;
        for (int64_t k = 0; k < n; k++) /* such a map is NaN throughout */
            missing += isnan(of->maps[k * mucmm_data_raw_cols(mucmm_explanation_data(e))]);
        snprintf(what, sizeof what, "%s, %s", mucmm_findings_view_name(f), mucmm_map_text(of->map));
        note_missing(c->s, what, missing, n);
        TRY(write_rows(c, e, f, of, "", of->maps));
        if (of->p_values)
            TRY(write_rows(c, e, f, of, ".p", of->p_values));
    }
done:
    return code;
}

static int check_score(checks *c, int32_t view, mucmm_score_kind score)
{
    mucmm_explain_params p = *c->usual;
    mucmm_findings_params fp;
    mucmm_explanation *e = NULL;
    mucmm_findings *f = NULL;
    mucmm_data *truth = NULL;
    const char *path = find_pair(&c->given->truth, c->in->views[view].name);
    char *text = NULL;
    bool there = false;
    int code = 0;

    p.score = score;
    p.map = MUCMM_MAP_PATTERN; /* which is among those that follow, and needs the most */
    if (mucmm_explain_takes_training(c->m, view, c->in->views[view].data, &p) > 0)
        p.training = c->null.training ? mucmm_views_list(c->null.training)[view].data : NULL;
    TRY(check(c->s, mucmm_explanation_create(c->s->ctx, c->m, c->in->views, c->in->n, view,
                                             c->samples->rows, c->samples->n, &p, &e)));
    mucmm_findings_params_init(&fp);
    fp.map = (mucmm_map_kind)c->given->method; /* -1: all */
    fp.null = c->null.null;
    fp.level = c->level;
    if (path)
        TRY(check(c->s, mucmm_data_open(c->s->ctx, path, NULL, &truth)));
    fp.truth = truth;
    TRY(check_part(c->s, mucmm_findings_create(c->s->ctx, e, &fp, &f), &there));
    if (!there)
        goto done;
    c->found[c->n++] = f;
    progress_pause(&c->s->progress);
    if (!c->given->json)
        TRY(print_made(c->s, mucmm_findings_text(c->s->ctx, f, &text), &text));
    TRY(write_findings(c, e, f));
done:
    mucmm_data_free(truth);
    mucmm_explanation_free(e);
    return code;
}

static int check_view(checks *c, int32_t view)
{
    int code = 0;

    TRY(check_score(c, view, c->usual->score));
    if (!c->given->score && mucmm_model_individual(c->m, view) > 0)
        TRY(check_score(c, view, MUCMM_SCORE_INDIVIDUAL));
done:
    return code;
}

static int print_document(const checks *c)
{
    char *text = NULL;

    return print_made(
        c->s, mucmm_findings_json(c->s->ctx, (const mucmm_findings *const *)c->found, c->n, &text),
        &text);
}

static void explain_table(const null_models *null, double level)
{
    printf("deletion, insertion: area under the score's curve while cells become the baseline, or "
           "become the\nsample's, in the order of |map|; random: in random order\n"
           "r: mean rank correlation of the maps with those of models that learned nothing, |r|: "
           "mean magnitude;\nin brackets: r of such models among themselves. A faithful map is no "
           "nearer to them.\n");
    if (null->null)
        printf("masked, kept: cells with p <= %g under the null models alone\n", level);
    else
        printf("permuted pairs and masks need the training rows of all views: --training "
               "NAME=FILE\n");
}

int explain_check(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                  const sample_list *samples, const mucmm_explain_params *given_params,
                  output_dir *dir)
{
    checks c = {.s = s,
                .given = given,
                .m = m,
                .in = in,
                .samples = samples,
                .usual = given_params,
                .level = given->mask >= 0 ? given->mask : MUCMM_MASK_LEVEL,
                .dir = dir};
    int code = 0;

    TRY(null_models_open(s, given, m, in, given_params->representation, given->mask >= 0, &c.null));
    for (int32_t v = 0; v < in->n; v++)
        TRY(check_view(&c, v));
    if (given->json)
        TRY(print_document(&c));
    else
        explain_table(&c.null, c.level);
done:
    for (int64_t i = 0; i < c.n; i++)
        mucmm_findings_free(c.found[i]);
    null_models_close(&c.null);
    return code;
}
