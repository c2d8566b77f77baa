/* SPDX-License-Identifier: MIT
 *
 * mucmm explain --check and --mask: maps beside null models. */
#include "explain_check.h"

#include "look.h"
#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double LEVEL = 0.05;

/* ---- null models ------------------------------------------------------------------- */

static int open_files(session *s, const settings *given, const mucmm_model *m, null_models *out)
{
    mucmm_data_params p;
    int code = 0;

    mucmm_data_params_init(&p);
    p.key = given->key;
    for (int32_t i = 0; i < mucmm_model_views(m); i++)
        for (int32_t j = 0; j < given->training.n; j++)
            if (strcmp(given->training.name[j], mucmm_model_view_name(m, i)) == 0)
                TRY(check(s, mucmm_data_open(s->ctx, given->training.value[j], &p, &out->data[i])));
    for (int32_t i = 0; i < mucmm_model_views(m); i++)
        if (!out->data[i])
            return fail(EXIT_USAGE,
                        "null models are fitted to the training rows of all views: give --training "
                        "%s=FILE",
                        mucmm_model_view_name(m, i));
    if (given->key)
        TRY(check(s, mucmm_data_pair(s->ctx, out->data, mucmm_model_views(m))));
done:
    return code;
}

int null_models_open(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                     mucmm_representation representation, bool needed, null_models *out)
{
    mucmm_null_params p;
    int code = 0;

    out->n = mucmm_model_views(m);
    if (!in->study && !needed && given->training.n == 0)
        return 0;
    if (in->study)
        for (int32_t i = 0; i < out->n; i++)
            TRY(inputs_training(s, in, mucmm_model_view_name(m, i), &out->data[i]));
    else
        TRY(open_files(s, given, m, out));
    for (int32_t i = 0; i < out->n; i++)
        out->views[i] = (mucmm_view){mucmm_model_view_name(m, i), out->data[i]};
    mucmm_null_params_init(&p);
    p.models = given->null_models > 0 ? given->null_models : p.models;
    p.rows = given->null_rows > 0 ? given->null_rows : 0;
    p.seed = given->seed >= 0 ? (uint64_t)given->seed : p.seed;
    TRY(check(s, mucmm_null_fit(s->ctx, m, representation, out->views, out->n, &p, &out->null)));
done:
    return code;
}

void null_models_close(null_models *n)
{
    mucmm_null_free(n->null);
    for (int32_t i = 0; i < n->n; i++)
        mucmm_data_free(n->data[i]);
}

int null_p_values(session *s, const null_models *n, const mucmm_explanation *e, int64_t cols,
                  float *p_values)
{
    return check(s, mucmm_explanation_p_values(
                        s->ctx, e, n->null, MUCMM_P_POOLED,
                        &(mucmm_mat){p_values, mucmm_explanation_count(e), cols, cols}));
}

void mask_maps(float *maps, const float *p_values, int64_t n, double level)
{
    for (int64_t i = 0; i < n; i++)
        if (!((double)p_values[i] <= level))
            maps[i] = 0;
}

void score_file_name(const char *score, char *out, size_t size)
{
    snprintf(out, size, "%s", score);
    if (strchr(out, ':'))
        *strchr(out, ':') = '-';
}

/* ---- checks of one map ------------------------------------------------------------- */

enum { N_METHODS = MUCMM_MAP_INTEGRATED_GRADIENTS + 1 };

/* What is found about the maps of a view, a score and a method. */
typedef struct finding {
    mucmm_map_check check;
    double kept, masked_deletion, masked_insertion; /* NaN without null models */
} finding;

/* All that is asked for, for one view. */
typedef struct checked_view {
    session *s;
    const settings *given;
    const mucmm_model *m;
    const inputs *in;
    const sample_list *samples;
    const null_models *null;
    output_dir *dir;
    int32_t view;
    int64_t cols;
    mucmm_explanation *e; /* of this score */
    float *maps, *p;      /* [samples, cols] */
    bool p_known;         /* p is of this score, and the same for all methods */
    const char *score;
} checked_view;

static double level_of(const settings *given)
{
    return given->mask >= 0 ? given->mask : LEVEL;
}

static int write_rows(const checked_view *v, const char *method, const char *what,
                      const float *values)
{
    int64_t shape[MUCMM_MAX_RANK + 1] = {v->samples->n};
    int32_t rank = mucmm_data_raw_shape(v->in->data[v->view], shape + 1);
    char score[32];
    int code = 0;

    if (rank == MUCMM_MAX_RANK) {
        rank = 1;
        shape[1] = v->cols;
    }
    score_file_name(v->score, score, sizeof score);
    TRY(output_dir_file(v->dir, "%s.%s.%s%s.npy", v->in->views[v->view].name, score, method, what));
    TRY(check(v->s, mucmm_npy_write(v->s->ctx, v->dir->full, values, shape, rank + 1)));
done:
    return code;
}

/* p-values, and what is left of the map at the level asked for. */
static int check_masked(checked_view *v, const char *method, const mucmm_explain_params *p,
                        finding *f)
{
    int64_t cells = v->samples->n * v->cols, kept = 0;
    const mucmm_cmat maps = {v->maps, v->samples->n, v->cols, v->cols};
    double level = level_of(v->given);
    mucmm_map_check_params c;
    mucmm_map_check masked;
    int code = 0;

    if (!v->p_known)
        TRY(null_p_values(v->s, v->null, v->e, v->cols, v->p));
    v->p_known = p->score == MUCMM_SCORE_INDIVIDUAL || p->score == MUCMM_SCORE_INDIVIDUAL_COMPONENT;
    TRY(write_rows(v, method, ".p", v->p));
    for (int64_t i = 0; i < cells; i++)
        kept += (double)v->p[i] <= level;
    f->kept = (double)kept / (double)cells;
    mask_maps(v->maps, v->p, cells, level);
    mucmm_map_check_init(&masked);
    mucmm_map_check_params_init(&c);
    c.maps = &maps;
    c.random_models = 0;
    c.skip_gradient = 1;
    TRY(check(v->s, mucmm_explanation_check(v->s->ctx, v->e, &c, &masked)));
    f->masked_deletion = masked.deletion.area;
    f->masked_insertion = masked.insertion.area;
done:
    return code;
}

static int check_method(checked_view *v, const mucmm_explain_params *p, bool first, finding *f)
{
    char method[32];
    const mucmm_mat out = {v->maps, v->samples->n, v->cols, v->cols};
    const mucmm_cmat maps = {v->maps, v->samples->n, v->cols, v->cols};
    mucmm_map_check_params c;
    int code = 0;

    choice_word(METHODS, p->map, method, sizeof method);
    f->kept = f->masked_deletion = f->masked_insertion = NAN;
    if (first)
        TRY(check(v->s, mucmm_explanation_create(v->s->ctx, v->m, v->in->views, v->in->n, v->view,
                                                 v->samples->rows, v->samples->n, p, &v->e)));
    else
        TRY(check(v->s, mucmm_explanation_remap(v->s->ctx, v->e, p)));
    TRY(check(v->s, mucmm_explanation_maps(v->s->ctx, v->e, &out)));
    TRY(write_rows(v, method, "", v->maps));
    mucmm_map_check_init(&f->check);
    mucmm_map_check_params_init(&c);
    c.null = v->null->null;
    c.maps = &maps;
    c.skip_gradient = !first;
    TRY(check(v->s, mucmm_explanation_check(v->s->ctx, v->e, &c, &f->check)));
    if (v->null->null)
        TRY(check_masked(v, method, p, f));
done:
    return code;
}

/* ---- print ------------------------------------------------------------------------- */

static json_t *curve_json(const mucmm_curve *c, double masked)
{
    json_t *values = json_array();

    for (int t = 0; t < MUCMM_CURVE_POINTS; t++)
        json_array_append_new(values, number_json(c->value[t]));
    return json_pack("{s:o, s:o, s:o, s:o}", "area", number_json(c->area), "random",
                     number_json(c->random), "masked", number_json(masked), "values", values);
}

static json_t *rank_json(const mucmm_rank_test *t)
{
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "models", (json_int_t)t->models, "rho",
                     number_json(t->rho), "magnitude", number_json(t->magnitude), "low",
                     number_json(t->low), "high", number_json(t->high), "p_value",
                     number_json(t->p_value));
}

static json_t *finding_json(const checked_view *v, const char *method, const finding *f)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "view", v->in->views[v->view].name,
                     "score", v->score, "method", method, "deletion",
                     curve_json(&f->check.deletion, f->masked_deletion), "insertion",
                     curve_json(&f->check.insertion, f->masked_insertion), "random_heads",
                     rank_json(&f->check.random_heads), "permuted_pairs",
                     rank_json(&f->check.permuted_pairs), "kept", number_json(f->kept));
}

static void print_number(const char *format, double x, int width)
{
    if (isfinite(x))
        printf(format, x);
    else
        printf("%*s", width, "-");
}

static void print_rank(const mucmm_rank_test *t)
{
    print_number("%8.3f", t->magnitude, 8);
    print_number("%8.3f", t->rho, 8);
    if (isfinite(t->low))
        printf(" (%6.3f, %5.3f)", t->low, t->high);
    else
        printf("%16s", "");
}

static void print_head(const checked_view *v, const mucmm_explain_params *p)
{
    static const char *const baselines[] = {"the mean", "zero", "the mean", "the blurred input"};

    printf("%s, %s score, %" PRId64 " samples; baseline: ", v->in->views[v->view].name, v->score,
           v->samples->n);
    if (p->baseline == MUCMM_BASELINE_ROW)
        printf("row %" PRId64 "\n", p->baseline_row);
    else
        printf("%s\n", baselines[p->baseline]);
    printf("  %-21s%23s%24s%32s%32s%8s\n", "", "deletion", "insertion", "random heads",
           "permuted pairs", "cells");
    printf("  %-21s%7s%8s%8s%8s%8s%8s", "", "map", "masked", "random", "map", "masked", "random");
    for (int i = 0; i < 2; i++)
        printf("%8s%8s%16s", "|r|", "r", "(unrelated)");
    printf("%8s\n", "kept");
}

static void print_finding(const char *method, const finding *f)
{
    printf("  %-21s", method);
    print_number("%7.3f", f->check.deletion.area, 7);
    print_number("%8.3f", f->masked_deletion, 8);
    print_number("%8.3f", f->check.deletion.random, 8);
    print_number("%8.3f", f->check.insertion.area, 8);
    print_number("%8.3f", f->masked_insertion, 8);
    print_number("%8.3f", f->check.insertion.random, 8);
    print_rank(&f->check.random_heads);
    print_rank(&f->check.permuted_pairs);
    print_number("%8.3f", f->kept, 8);
    printf("\n");
}

/* MOST_GAP: what docs/explain.md asks of integrated gradients. */
#define MOST_GAP 1e-3

static void print_gradients(const mucmm_map_check *c)
{
    printf("  integrated gradients are complete but for %.1e of the score's range%s; the gradient "
           "agrees with\n  differences of the score to %.1e\n",
           c->completeness, c->completeness > MOST_GAP ? " (more --steps bring that down)" : "",
           c->gradient_error);
    if (c->deletion.random < -0.5 || c->deletion.random > 1.5)
        printf(
            "  Inputs mixed with this baseline score far outside of what lies between it and the "
            "samples: deletion\n  and insertion say little here; try another --baseline\n");
    printf("\n");
}

/* ---- all of them ------------------------------------------------------------------- */

/* Raw inputs that the model does not carry come from the training rows. The baseline is one for all
 * methods. */
static void fill_training(const checked_view *v, mucmm_explain_params *p)
{
    const mucmm_data *d = v->in->data[v->view];
    bool needed = mucmm_data_description(d) || !mucmm_model_has_covariance(v->m, v->view);
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = mucmm_data_raw_shape(d, shape);
    look l = look_of(d, shape, rank, 0);

    look_defaults(&l, v->given, p);
    p->training = needed ? v->null->data[v->view] : NULL;
}

static int check_score(checked_view *v, const mucmm_explain_params *base, json_t *list,
                       json_t *gradients)
{
    mucmm_explain_params p = *base;
    mucmm_map_check first = {0};
    bool done_first = false;
    int code = 0;

    TRY(score_parse(v->score, &p));
    fill_training(v, &p);
    v->p_known = false;
    for (int map = 0; map < N_METHODS; map++) {
        char method[32];
        finding f;
        if (v->given->method >= 0 && v->given->method != map)
            continue;
        p.map = (mucmm_map_kind)map;
        choice_word(METHODS, map, method, sizeof method);
        TRY(check_method(v, &p, !done_first, &f));
        if (!done_first) {
            first = f.check;
            progress_pause(&v->s->progress);
            if (!list)
                print_head(v, &p);
        }
        done_first = true;
        progress_pause(&v->s->progress);
        if (list)
            json_array_append_new(list, finding_json(v, method, &f));
        else
            print_finding(method, &f);
    }
    if (list)
        json_array_append_new(
            gradients, json_pack("{s:s, s:s, s:o, s:o}", "view", v->in->views[v->view].name,
                                 "score", v->score, "completeness", number_json(first.completeness),
                                 "gradient_error", number_json(first.gradient_error)));
    else
        print_gradients(&first);
done:
    mucmm_explanation_free(v->e);
    v->e = NULL;
    return code;
}

static int check_view(checked_view *v, const mucmm_explain_params *base, json_t *list,
                      json_t *gradients)
{
    static const char *const both[] = {"common", "individual"};
    int code = 0;

    v->cols = mucmm_data_raw_cols(v->in->data[v->view]);
    TRY(allocate(&v->maps, v->samples->n * v->cols, sizeof *v->maps));
    TRY(allocate(&v->p, v->samples->n * v->cols, sizeof *v->p));
    for (int i = 0; i < 2; i++) {
        if (v->given->score && i > 0)
            break;
        if (!v->given->score && i == 1 && mucmm_model_individual(v->m, v->view) == 0)
            break;
        v->score = v->given->score ? v->given->score : both[i];
        TRY(check_score(v, base, list, gradients));
    }
done:
    free(v->maps);
    free(v->p);
    v->maps = v->p = NULL;
    return code;
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
    null_models null = {0};
    checked_view v = {
        .s = s, .given = given, .m = m, .in = in, .samples = samples, .null = &null, .dir = dir};
    json_t *list = given->json ? json_array() : NULL,
           *gradients = given->json ? json_array() : NULL;
    int code = 0;

    TRY(null_models_open(s, given, m, in, given_params->representation, given->mask >= 0, &null));
    for (; v.view < in->n; v.view++)
        TRY(check_view(&v, given_params, list, gradients));
    if (given->json) {
        code = print_json(json_pack("{s:o, s:o, s:f}", "maps", list, "gradients", gradients, "mask",
                                    level_of(given)));
        list = gradients = NULL;
    } else
        explain_table(&null, level_of(given));
done:
    json_decref(list);
    json_decref(gradients);
    null_models_close(&null);
    return code;
}
