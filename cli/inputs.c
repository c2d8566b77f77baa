/* SPDX-License-Identifier: MIT
 *
 * Views from --view options or from a study file, and the model they are for.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int check_rows(const inputs *in)
{
    for (int32_t i = 1; i < in->n; i++) {
        int64_t first = mucmm_data_rows(in->data[0]), rows = mucmm_data_rows(in->data[i]);
        if (first != rows)
            return fail(EXIT_RUN,
                        "view '%s' (%s) has %" PRId64 " rows and view '%s' (%s) has %" PRId64
                        "; views are paired row by row",
                        in->views[0].name, mucmm_data_label(in->data[0]), first, in->views[i].name,
                        mucmm_data_label(in->data[i]), rows);
    }
    return 0;
}

static int open_files(session *s, const settings *given, inputs *out)
{
    int code = 0;
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    p.key = given->key;
    p.missing = given->missing == MISSING_ALLOW;
    for (; out->n < given->view.n; out->n++) {
        TRY(check(s, mucmm_data_open(s->ctx, given->view.value[out->n], &p, &out->data[out->n])));
        out->views[out->n].name = given->view.name[out->n];
    }
    if (given->key && p.missing)
        TRY(check(s, mucmm_data_pair_all(s->ctx, out->data, out->n)));
    else if (given->key)
        TRY(check(s, mucmm_data_pair(s->ctx, out->data, out->n)));
done:
    return code;
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
    TRY(check(s, mucmm_study_encode(s->ctx, out->study, &p)));
    out->part = choose_part(given, out->study, usual);
    for (; out->n < mucmm_study_views(out->study); out->n++) {
        TRY(check(s, mucmm_study_view(s->ctx, out->study, out->n, out->part, &out->data[out->n])));
        out->views[out->n].name = mucmm_study_view_name(out->study, out->n);
    }
done:
    return code;
}

static int check_given(const settings *given, const char *study)
{
    if (study && given->view.n > 0)
        return fail(EXIT_USAGE, "give a study file ('%s') or --view, not both", study);
    if (study && given->key)
        return fail(EXIT_USAGE, "--key is for --view; the rows of a study are paired by position");
    if (study && given->missing >= 0)
        return fail(EXIT_USAGE, "--missing is for --view; the rows of a study have all views");
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

static int finish_inputs(session *s, const settings *given, mucmm_part usual, inputs *out)
{
    int code = 0;

    TRY(out->study ? open_study_views(s, given, usual, out) : open_files(s, given, out));
    for (int32_t i = 0; i < out->n; i++)
        out->views[i].data = out->data[i];
    TRY(check_rows(out));
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
    *out = NULL;
    for (int32_t i = 0; in->study && i < mucmm_study_views(in->study); i++)
        if (strcmp(mucmm_study_view_name(in->study, i), view) == 0)
            return check(s, mucmm_study_view(s->ctx, in->study, i,
                                             mucmm_study_has_split(in->study) ? MUCMM_PART_TRAIN
                                                                              : MUCMM_PART_ALL,
                                             out));
    return 0;
}

static void join_names(const mucmm_model *m, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (int32_t i = 0; i < mucmm_model_views(m) && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? ", " : "",
                                 mucmm_model_view_name(m, i));
}

static int check_names(const mucmm_model *m, const settings *given, const mucmm_study *study,
                       bool all)
{
    bool seen[MUCMM_MAX_VIEWS] = {false};
    int32_t n = study ? mucmm_study_views(study) : given->view.n;
    char names[1024];

    join_names(m, names, sizeof names);
    for (int32_t i = 0; i < n; i++) {
        const char *name = study ? mucmm_study_view_name(study, i) : given->view.name[i];
        int32_t view = mucmm_model_view_index(m, name);
        if (view < 0)
            return fail(EXIT_RUN, "the model has no view '%s'; its views are: %s", name, names);
        seen[view] = true;
    }
    for (int32_t i = 0; i < mucmm_model_views(m); i++)
        if (all && !seen[i])
            return fail(EXIT_RUN, "view '%s' of the model is not given; its views are: %s",
                        mucmm_model_view_name(m, i), names);
    return 0;
}

static int open_for(session *s, const mucmm_model *m, const settings *given, bool all, inputs *out)
{
    const char *study = given->n_operands > 1 ? given->operand[1] : NULL;
    inputs as_given;
    int code = 0, n = 0;

    *out = (inputs){0};
    TRY(start_inputs(s, given, study, &as_given));
    TRY(check_names(m, given, as_given.study, all));
    TRY(finish_inputs(s, given, MUCMM_PART_TEST, &as_given));
    *out = as_given;
    for (int32_t view = 0; view < mucmm_model_views(m); view++)
        for (int32_t i = 0; i < as_given.n; i++)
            if (mucmm_model_view_index(m, as_given.views[i].name) == view) {
                out->data[n] = as_given.data[i];
                out->views[n++] = as_given.views[i];
            }
done:
    if (code != 0)
        inputs_close(&as_given);
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
    for (int32_t i = 0; i < MUCMM_MAX_VIEWS; i++)
        mucmm_data_free(in->data[i]);
    mucmm_study_free(in->study);
    *in = (inputs){0};
}

const char *sample_name(const inputs *in, const char *label, int64_t row)
{
    const char *name = NULL, *text = NULL;

    if (label && in->study)
        name = mucmm_study_cell(in->study, mucmm_study_row(in->study, in->part, row), label);
    for (int32_t v = 0; v < in->n && !name; v++)
        name = mucmm_data_key(in->data[v], row);
    for (int32_t v = 0; v < in->n && !name; v++)
        if (mucmm_data_source_kind(in->data[v]) == MUCMM_SOURCE_TEXT)
            text = text ? text : mucmm_data_item(in->data[v], row);
        else
            name = mucmm_data_item(in->data[v], row);
    return name ? name : text;
}

int model_open(session *s, const settings *given, mucmm_model **out)
{
    return check(s, mucmm_model_load(s->ctx, given->operand[0], out));
}
