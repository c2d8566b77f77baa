/* SPDX-License-Identifier: MIT
 *
 * What checks find of the maps of a score, of one kind or of all, whole and masked by null models.
 */
#include "core/json.h"
#include "core/text.h"
#include "explain/explanation.h"
#include "explain/faults.h"
#include "explain/lcmv.h"
#include "explain/maps.h"
#include "explain/null_maps.h"
#include "explain/null_models.h"
#include "explain/tell.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { N_MAPS = MUCMM_MAP_LCMV + 1 };

struct mucmm_findings {
    mucmm_model *m;
    int32_t view;
    char score[64];
    double level;
    mucmm_baseline baseline;
    int64_t baseline_row;
    int64_t n, samples, cols;
    mucmm_finding of[N_MAPS];               /* [n] */
    float *maps[N_MAPS], *p_values[N_MAPS]; /* [samples, cols]; p_values: may be those of another */
    bool own_p[N_MAPS];
    int64_t fitted; /* samples that the model was fitted to */
};

void mucmm_findings_params_init_sized(mucmm_findings_params *p, size_t size)
{
    const mucmm_findings_params defaults = {
        .map = MUCMM_MAP_DEFAULT, .level = MUCMM_MASK_LEVEL, .random_models = 10, .seed = 1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

/* ---- one kind of map --------------------------------------------------------------- */

/* p-values: of individual scores the same for all kinds. */
static mucmm_status find_p_values(mucmm_ctx *ctx, mucmm_findings *f, const mucmm_explanation *e,
                                  const mucmm_null *null)
{
    mucmm_status status = MUCMM_OK;
    int64_t at = f->n;

    for (int64_t i = 0; i < at && mucmm__is_individual(e->p.score); i++)
        if (f->own_p[i]) {
            f->p_values[at] = f->p_values[i];
            return MUCMM_OK;
        }
    TRY(mucmm__alloc(ctx, f->samples * f->cols, sizeof(float), &f->p_values[at]));
    f->own_p[at] = true;
    TRY(mucmm__explanation_p_values(ctx, e, null, MUCMM_P_POOLED,
                                    &(mucmm_mat){f->p_values[at], f->samples, f->cols, f->cols}));
done:
    return status;
}

/* What is left of the map at the level. */
static mucmm_status check_masked(mucmm_ctx *ctx, mucmm_findings *f, const mucmm_explanation *e)
{
    mucmm_status status = MUCMM_OK;
    int64_t cells = f->samples * f->cols, kept = 0, there = 0;
    const float *p = f->p_values[f->n];
    mucmm_finding *found = &f->of[f->n];
    mucmm_map_check_params c;
    mucmm_map_check masked;
    float *maps = NULL;

    TRY(mucmm__alloc(ctx, cells, sizeof *maps, &maps));
    for (int64_t i = 0; i < cells; i++) {
        bool keep = (double)p[i] <= f->level, known = !isnan(f->maps[f->n][i]) && !isnan(p[i]);
        kept += keep && known;
        there += known;
        maps[i] = !known ? NAN : keep ? f->maps[f->n][i] : 0;
    }
    found->kept = (double)kept / (double)there;
    mucmm_map_check_init(&masked);
    mucmm_map_check_params_init(&c);
    c.maps = &(mucmm_cmat){maps, f->samples, f->cols, f->cols};
    c.random_models = 0;
    c.skip_gradient = 1;
    TRY(mucmm_explanation_check(ctx, e, &c, &masked));
    found->masked_deletion = masked.deletion.area;
    found->masked_insertion = masked.insertion.area;
done:
    mucmm__free(maps);
    return status;
}

/* A kind of map that cannot be had of this network: nothing is known of it, and its values are NaN.
 */
static void leave_unknown(mucmm_ctx *ctx, mucmm_findings *f)
{
    mucmm_finding *found = &f->of[f->n];
    mucmm_curve unknown = {.area = NAN, .random = NAN};

    if (f->n == 0 || mucmm__state_of_map(f->maps[0], f->samples * f->cols) != MUCMM__MAP_NONE)
        mucmm__warn(ctx, "%s", ctx->message);
    for (int t = 0; t < MUCMM_CURVE_POINTS; t++)
        unknown.value[t] = NAN;
    found->check.deletion = found->check.insertion = unknown;
    found->check.random_heads = found->check.permuted_pairs =
        (mucmm_rank_test){0, NAN, NAN, NAN, NAN, NAN};
    for (int64_t i = 0; i < f->samples * f->cols; i++)
        f->maps[f->n][i] = NAN;
    found->maps = f->maps[f->n++];
}

static mucmm_status check_map(mucmm_ctx *ctx, mucmm_findings *f, const mucmm_explanation *e,
                              const mucmm_findings_params *params)
{
    mucmm_status status = MUCMM_OK;
    mucmm_finding *found = &f->of[f->n];
    mucmm_cmat maps;
    mucmm_map_check_params c;

    *found = (mucmm_finding){
        .map = e->p.map, .kept = NAN, .masked_deletion = NAN, .masked_insertion = NAN};
    TRY(mucmm__alloc(ctx, f->samples * f->cols, sizeof(float), &f->maps[f->n]));
    mucmm_map_check_init(&found->check);
    status = mucmm__samples_maps(ctx, &e->s, f->maps[f->n], NULL);
    if (status == MUCMM_EUNSUPPORTED && params->map == MUCMM_MAP_DEFAULT) {
        leave_unknown(ctx, f);
        return MUCMM_OK;
    }
    TRY(status);
    if (f->n == 0)
        TRY(mucmm__samples_tell(ctx, &e->s, f->maps[f->n]));
    maps = (mucmm_cmat){f->maps[f->n], f->samples, f->cols, f->cols};
    mucmm_map_check_params_init(&c);
    c.null = params->null;
    c.maps = &maps;
    c.random_models = params->random_models;
    c.seed = params->seed;
    c.skip_gradient = f->n > 0;
    c.truth = params->truth;
    TRY(mucmm_explanation_check(ctx, e, &c, &found->check));
    if (params->null) {
        TRY(find_p_values(ctx, f, e, params->null));
        TRY(check_masked(ctx, f, e));
    }
    found->maps = f->maps[f->n];
    found->p_values = f->p_values[f->n];
    f->n++;
done:
    return status;
}

/* ---- all that are asked for -------------------------------------------------------- */

mucmm_status mucmm_findings_create(mucmm_ctx *ctx, const mucmm_explanation *e,
                                   const mucmm_findings_params *params, mucmm_findings **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_findings *f = NULL;
    mucmm_findings_params p;
    mucmm_explanation one = *e; /* borrows all; has its own kind of map */

    *out = NULL;
    mucmm_findings_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_findings_params", params, &p, sizeof p));
    if (!(p.level >= 0 && p.level <= 1))
        return mucmm__fail(ctx, MUCMM_EARG, "a mask of level %g; 0 to 1 can be had", p.level);
    TRY(mucmm__alloc(ctx, 1, sizeof *f, &f));
    f->m = mucmm__model_keep(e->m);
    f->view = e->s.view;
    f->level = p.level;
    f->baseline = e->p.baseline;
    f->baseline_row = e->p.baseline_row;
    f->samples = e->s.n;
    f->cols = e->s.cols;
    mucmm_score_text(e->p.score, e->p.component, f->score, sizeof f->score);
    one.s.p = &one.p;
    TRY(mucmm__count_fitted(ctx, e->m, e->s.data, e->s.rows, e->s.n, &f->fitted));
    for (int map = 0; map < N_MAPS; map++) {
        one.p.map = (mucmm_map_kind)map;
        if (p.map != MUCMM_MAP_DEFAULT && p.map != one.p.map)
            continue;
        if (p.map == MUCMM_MAP_DEFAULT && map == MUCMM_MAP_LCMV && !mucmm__lcmv_possible(&one.s))
            continue;
        TRY(mucmm__map_check_params(ctx, &one.p));
        TRY(check_map(ctx, f, &one, &p));
    }
    if (f->n == 0)
        TRY(mucmm__fail(ctx, MUCMM_EARG, "there is no map %d", (int)p.map));
    *out = f;
    f = NULL;
done:
    mucmm_findings_free(f);
    return status;
}

void mucmm_findings_free(mucmm_findings *f)
{
    if (!f)
        return;
    for (int i = 0; i < N_MAPS; i++) {
        mucmm__free(f->maps[i]);
        if (f->own_p[i])
            mucmm__free(f->p_values[i]);
    }
    mucmm_model_free(f->m);
    mucmm__free(f);
}

int64_t mucmm_findings_count(const mucmm_findings *f)
{
    return f->n;
}

const mucmm_finding *mucmm_findings_at(const mucmm_findings *f, int64_t i)
{
    return i >= 0 && i < f->n ? &f->of[i] : NULL;
}

const char *mucmm_findings_score(const mucmm_findings *f)
{
    return f->score;
}

const char *mucmm_findings_view_name(const mucmm_findings *f)
{
    return mucmm_model_view_name(f->m, f->view);
}

/* ---- words ------------------------------------------------------------------------- */

/* From where on docs/explain.md asks for more steps. */
#define MOST_GAP 1e-3

static void add_number(mucmm__text *t, double x, int width)
{
    if (isfinite(x))
        mucmm__text_format(t, "%*.3f", width, x);
    else
        mucmm__text_format(t, "%*s", width, "-");
}

static void add_rank(mucmm__text *t, const mucmm_rank_test *r)
{
    add_number(t, r->magnitude, 8);
    add_number(t, r->rho, 8);
    if (isfinite(r->low))
        mucmm__text_format(t, " (%6.3f, %5.3f)", r->low, r->high);
    else
        mucmm__text_format(t, "%16s", "");
}

static void add_head(mucmm__text *t, const mucmm_findings *f)
{
    mucmm_baseline baseline = f->baseline > 0 ? f->baseline : MUCMM_BASELINE_MEAN;
    char text[32];

    mucmm_baseline_text(baseline, f->baseline_row, text, sizeof text);
    mucmm__text_format(t, "%s, ", mucmm_findings_view_name(f));
    mucmm__text_format(t, "%s score, %" PRId64 " samples; baseline: %s%s\n", f->score, f->samples,
                       baseline == MUCMM_BASELINE_ROW ? "row " : "", text);
    mucmm__text_format(t, "  %-21s%23s%24s%32s", "", "deletion", "insertion", "random heads");
    mucmm__text_format(t, "%32s%8s\n", "permuted pairs", "cells");
    mucmm__text_format(t, "  %-21s%7s%8s%8s", "", "map", "masked", "random");
    mucmm__text_format(t, "%8s%8s%8s", "map", "masked", "random");
    for (int i = 0; i < 2; i++)
        mucmm__text_format(t, "%8s%8s%16s", "|r|", "r", "(unrelated)");
    mucmm__text_format(t, "%8s\n", "kept");
}

static void add_finding(mucmm__text *t, const mucmm_finding *f)
{
    const mucmm_map_check *c = &f->check;
    const double areas[] = {c->deletion.area,  f->masked_deletion,  c->deletion.random,
                            c->insertion.area, f->masked_insertion, c->insertion.random};

    mucmm__text_format(t, "  %-21s", mucmm_map_text(f->map));
    for (int i = 0; i < 6; i++)
        add_number(t, areas[i], i > 0 ? 8 : 7);
    add_rank(t, &c->random_heads);
    add_rank(t, &c->permuted_pairs);
    add_number(t, f->kept, 8);
    mucmm__text_format(t, "\n");
    if (!isfinite(c->pointing.own))
        return;
    mucmm__text_format(
        t, "    maximum on what is shared %.3f, private %.3f; energy there %.3f, %.3f\n",
        c->pointing.shared, c->pointing.own, c->pointing.shared_energy, c->pointing.own_energy);
}

/* How exact the maps are; the gap is a share of the score's range, and a constant score has none.
 */
static void add_exactness(mucmm__text *t, const mucmm_map_check *c)
{
    if (isfinite(c->completeness))
        mucmm__text_format(
            t, "  integrated gradients are complete but for %.1e of the score's range%s;",
            c->completeness, c->completeness > MOST_GAP ? " (more steps bring that down)" : "");
    else
        mucmm__text_format(t, "  the score does not vary: completeness has no scale;");
    if (isfinite(c->gradient_error))
        mucmm__text_format(t, " the gradient agrees with\n  differences of the score to %.1e\n",
                           c->gradient_error);
    else
        mucmm__text_format(t, " nor has the gradient's error\n");
}

mucmm_status mucmm_findings_text(mucmm_ctx *ctx, const mucmm_findings *f, char **out)
{
    const mucmm_map_check *c = &f->of[0].check;
    mucmm__text t = {.ctx = ctx};

    add_head(&t, f);
    for (int64_t i = 0; i < f->n; i++)
        add_finding(&t, &f->of[i]);
    add_exactness(&t, c);
    if (f->fitted > 0)
        mucmm__text_format(&t,
                           "  The model was fitted to %" PRId64 " of the samples: what is said of "
                           "masks and permuted pairs is in-sample\n",
                           f->fitted);
    if (c->deletion.random < -0.5 || c->deletion.random > 1.5) {
        mucmm__text_format(&t, "  Inputs mixed with this baseline score far outside of what lies "
                               "between it and the samples: deletion\n");
        mucmm__text_format(&t, "  and insertion say little here; try another baseline\n");
    }
    return mucmm__text_done(&t, out);
}

/* ---- JSON -------------------------------------------------------------------------- */

static json_t *curve_json(mucmm__json_build *b, const mucmm_curve *c, double masked)
{
    json_t *o = json_object(), *values = json_array();

    for (int t = 0; t < MUCMM_CURVE_POINTS; t++)
        mucmm__json_add(b, values, mucmm__json_real(c->value[t]));
    mucmm__json_set(b, o, "area", mucmm__json_real(c->area));
    mucmm__json_set(b, o, "random", mucmm__json_real(c->random));
    mucmm__json_set(b, o, "masked", mucmm__json_real(masked));
    mucmm__json_set(b, o, "values", values);
    return o;
}

static json_t *rank_json(mucmm__json_build *b, const mucmm_rank_test *t)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "models", json_integer(t->models));
    mucmm__json_set(b, o, "rho", mucmm__json_real(t->rho));
    mucmm__json_set(b, o, "magnitude", mucmm__json_real(t->magnitude));
    mucmm__json_set(b, o, "low", mucmm__json_real(t->low));
    mucmm__json_set(b, o, "high", mucmm__json_real(t->high));
    mucmm__json_set(b, o, "p_value", mucmm__json_real(t->p_value));
    return o;
}

static json_t *of_score(mucmm__json_build *b, const mucmm_findings *f)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "view", mucmm__json_string(mucmm_findings_view_name(f)));
    mucmm__json_set(b, o, "score", mucmm__json_string(f->score));
    return o;
}

static json_t *pointing_json(mucmm__json_build *b, const mucmm_pointing *p)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "shared", mucmm__json_real(p->shared));
    mucmm__json_set(b, o, "own", mucmm__json_real(p->own));
    mucmm__json_set(b, o, "shared_energy", mucmm__json_real(p->shared_energy));
    mucmm__json_set(b, o, "own_energy", mucmm__json_real(p->own_energy));
    return o;
}

static json_t *finding_json(mucmm__json_build *b, const mucmm_findings *f, const mucmm_finding *of)
{
    json_t *o = of_score(b, f);

    mucmm__json_set(b, o, "method", mucmm__json_string(mucmm_map_text(of->map)));
    mucmm__json_set(b, o, "deletion", curve_json(b, &of->check.deletion, of->masked_deletion));
    mucmm__json_set(b, o, "insertion", curve_json(b, &of->check.insertion, of->masked_insertion));
    mucmm__json_set(b, o, "random_heads", rank_json(b, &of->check.random_heads));
    mucmm__json_set(b, o, "permuted_pairs", rank_json(b, &of->check.permuted_pairs));
    mucmm__json_set(b, o, "kept", mucmm__json_real(of->kept));
    mucmm__json_set(b, o, "pointing", pointing_json(b, &of->check.pointing));
    return o;
}

mucmm_status mucmm_findings_json(mucmm_ctx *ctx, const mucmm_findings *const *findings, int64_t n,
                                 char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {0};
    json_t *root = json_object(), *maps = json_array(), *gradients = json_array();

    *out = NULL;
    for (int64_t k = 0; k < n; k++) {
        const mucmm_findings *f = findings[k];
        json_t *o = of_score(&b, f);
        for (int64_t i = 0; i < f->n; i++)
            mucmm__json_add(&b, maps, finding_json(&b, f, &f->of[i]));
        mucmm__json_set(&b, o, "completeness", mucmm__json_real(f->of[0].check.completeness));
        mucmm__json_set(&b, o, "fitted_samples", json_integer(f->fitted));
        mucmm__json_set(&b, o, "gradient_error", mucmm__json_real(f->of[0].check.gradient_error));
        mucmm__json_add(&b, gradients, o);
    }
    mucmm__json_set(&b, root, "maps", maps);
    mucmm__json_set(&b, root, "gradients", gradients);
    mucmm__json_set(&b, root, "mask", mucmm__json_real(n > 0 ? findings[0]->level : NAN));
    TRY(mucmm__json_done(ctx, &b, root));
    TRY(mucmm__json_dump(ctx, root, JSON_INDENT(2) | JSON_REAL_PRECISION(17), out));
done:
    json_decref(root);
    return status;
}
