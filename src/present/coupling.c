/* SPDX-License-Identifier: MIT
 *
 * What two cells of two views add to the common score together: section 7 of the method. */
#include "present/coupling.h"

#include "explain/defaults.h"
#include "explain/maps.h"
#include "explain/null_models.h"
#include "explain/quiet.h"
#include "io/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void mucmm_coupling_params_init_sized(mucmm_coupling_params *p, size_t size)
{
    const mucmm_coupling_params defaults = {.steps = 32, .side = 64, .mask = NAN};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

static void side_drop(mucmm__coupling_side *s, int64_t n)
{
    for (int64_t i = 0; s->of && i < n; i++)
        mucmm__coupled_drop(&s->of[i]);
    mucmm__free(s->of);
    mucmm_display_free(s->look);
    mucmm_data_free(s->data);
}

void mucmm_coupling_free(mucmm_coupling *c)
{
    if (!c)
        return;
    for (int64_t i = 0; c->p_values && i < c->n; i++)
        mucmm__free(c->p_values[i]);
    mucmm__free(c->p_values);
    for (int side = 0; side < 2; side++)
        side_drop(&c->side[side], c->n);
    mucmm__free(c->rows);
    mucmm__free(c->weight);
    mucmm__free(c->scores);
    mucmm__free(c->gaps);
    mucmm_model_free(c->m);
    mucmm__free(c);
}

/* ---- arguments --------------------------------------------------------------------- */

static mucmm_status check_params(mucmm_ctx *ctx, const mucmm_model *m, int32_t first,
                                 int32_t second, int64_t n, const mucmm_coupling_params *p)
{
    if (first >= 0 && first == second && first < m->n_views)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "a coupling of view '%s' with itself was asked for; it is of two views",
                           m->view[first].name);
    if (n < 1)
        return mucmm__fail(ctx, MUCMM_EARG, "coupling: %" PRId64 " samples; it must be 1 or more",
                           n);
    if (p->representation != MUCMM_HEADS && p->representation != MUCMM_LINEAR)
        return mucmm__fail(ctx, MUCMM_EARG, "there is no representation %d",
                           (int)p->representation);
    if (p->null &&
        (p->null->m != m || (p->null->representation != p->representation && m->heads.rho)))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "the null models were fitted for another model or representation than "
                           "is asked about");
    return MUCMM_OK;
}

/* Where maps of these rows start, unless it is said. Texts behind a network: the mean embedding of
 * each place. No word at all is an input that no text is near, and what networks and heads make of
 * the way from there says little of the words. */
static mucmm_baseline usual_baseline(const mucmm_data *data, bool training)
{
    return mucmm_data_source_kind(data) == MUCMM_SOURCE_TEXT && !mucmm_data_column(data, 0) &&
                   training
               ? MUCMM_BASELINE_MEAN
               : MUCMM_BASELINE_DEFAULT;
}

void mucmm__coupling_maps(const mucmm_coupling_params *p, const mucmm_data *data, bool training,
                          mucmm_explain_params *out)
{
    mucmm_source_kind kind = mucmm_data_source_kind(data);
    int64_t shape[MUCMM_MAX_RANK];
    bool picture = kind != MUCMM_SOURCE_TEXT && kind != MUCMM_SOURCE_AUDIO &&
                   mucmm_data_raw_shape(data, shape) >= 2;

    mucmm_explain_params_init(out);
    out->map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    out->representation = p->representation;
    out->steps = p->steps;
    out->baseline =
        p->baseline == MUCMM_BASELINE_BLURRED && !picture ? MUCMM_BASELINE_DEFAULT : p->baseline;
    if (out->baseline == MUCMM_BASELINE_DEFAULT)
        out->baseline = usual_baseline(data, training);
    out->baseline_row = p->baseline_row;
    mucmm__explain_defaults(data, out);
}

int32_t mucmm_coupling_takes_training(const mucmm_model *m, int32_t view, const mucmm_data *data,
                                      const mucmm_coupling_params *params)
{
    mucmm_coupling_params p;
    mucmm_explain_params maps;

    mucmm_coupling_params_init(&p);
    if (params && !mucmm__params_copy(params, &p, sizeof p))
        return -1;
    mucmm__coupling_maps(&p, data, true, &maps);
    return mucmm_explain_takes_training(m, view, data, &maps);
}

/* data [M] of the model's views. */
static mucmm_status find_data(mucmm_ctx *ctx, const mucmm_coupling *c, const mucmm_view *views,
                              int32_t n_views, const int64_t *rows, const mucmm_data **data)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params common;

    mucmm_explain_params_init(&common);
    for (int side = 0; side < 2; side++)
        TRY(mucmm__samples_find(ctx, c->m, views, n_views, c->side[side].view, rows, c->n, &common,
                                data));
done:
    return status;
}

/* ---- creation ---------------------------------------------------------------------- */

static mucmm_status start_side(mucmm_ctx *ctx, const mucmm_coupling *c,
                               const mucmm_coupling_params *p, const mucmm_data *data, int side,
                               mucmm__coupling_side *s)
{
    mucmm_status status = MUCMM_OK;
    mucmm_display_params look;

    mucmm_display_params_init(&look);
    look.side = p->side;
    look.rank = p->rank[side];
    memcpy(look.shape, p->shape[side], sizeof look.shape);
    s->data = mucmm__data_keep(data);
    TRY(mucmm_display_of_values(ctx, data, c->rows, c->n, MUCMM_MAP_INTEGRATED_GRADIENTS, NULL,
                                NULL, &look, &s->look));
    TRY(mucmm__alloc(ctx, c->n, sizeof *s->of, &s->of));
    mucmm__coupling_cut(s);
done:
    return status;
}

/* w, and of every sample s and the gap. */
static void find_scores(mucmm_coupling *c, const mucmm__solution *rep, const mucmm__attribution *a)
{
    for (int64_t j = 0; j < c->k; j++)
        c->weight[j] = 2.0 / (c->m->n_views * (c->m->n_views - 1)) * rep->rho[j];
    for (int64_t i = 0; i < c->n; i++)
        for (int64_t j = 0; j < c->k; j++) {
            int64_t at = i * c->k + j;
            double exact = a[0].at[at] * a[1].at[at];
            double bare = (a[0].at[at] + a[0].gap[at]) * (a[1].at[at] + a[1].gap[at]);
            c->scores[i] += c->weight[j] * exact;
            c->gaps[i] += c->weight[j] * (bare - exact);
        }
}

static mucmm_status fill(mucmm_ctx *ctx, mucmm_coupling *c, const mucmm_data *const *data,
                         const mucmm_explain_params *p)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__solution *rep = mucmm__model_solution(c->m, c->representation);
    mucmm__attribution a[2] = {{0}, {0}};
    mucmm__quiet w;

    mucmm__quiet_begin(ctx, &w, "coupling", 2);
    for (int side = 0; side < 2; side++) {
        TRY(mucmm__quiet_at(ctx, &w, side));
        TRY(mucmm__attribute(ctx, c->m, rep, data, c->side[side].view, c->rows, c->n, &p[side],
                             &w.outer, &a[side]));
        for (int64_t i = 0; i < c->n; i++)
            TRY(mucmm__coupling_gather(ctx, &c->side[side], &a[side], i, &c->side[side].of[i]));
    }
    TRY(mucmm__quiet_at(ctx, &w, 2));
    find_scores(c, rep, a);
done:
    mucmm__quiet_end(ctx, &w);
    for (int side = 0; side < 2; side++)
        mucmm__attribution_drop(&a[side]);
    return status;
}

static mucmm_status coupling_alloc(mucmm_ctx *ctx, const mucmm_model *m, int32_t first,
                                   int32_t second, const int64_t *rows, int64_t n,
                                   const mucmm_coupling_params *p, mucmm_coupling **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_coupling *c;

    TRY(mucmm__alloc(ctx, 1, sizeof *c, out));
    c = *out;
    c->m = mucmm__model_keep(m);
    c->representation = p->representation;
    c->n = n;
    c->k = m->k;
    c->side[0].view = first;
    c->side[1].view = second;
    c->mask = p->mask;
    TRY(mucmm__alloc(ctx, n, sizeof *c->rows, &c->rows));
    memcpy(c->rows, rows, (size_t)n * sizeof *rows);
    TRY(mucmm__alloc(ctx, c->k, sizeof *c->weight, &c->weight));
    TRY(mucmm__alloc(ctx, n, sizeof *c->scores, &c->scores));
    TRY(mucmm__alloc(ctx, n, sizeof *c->gaps, &c->gaps));
done:
    return status;
}

mucmm_status mucmm_coupling_create(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_view *views,
                                   int32_t n_views, int32_t first, int32_t second,
                                   const int64_t *rows, int64_t n,
                                   const mucmm_coupling_params *params, mucmm_coupling **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data[MUCMM_MAX_VIEWS] = {0};
    mucmm_coupling *c = NULL;
    mucmm_coupling_params p;
    mucmm_explain_params maps[2];

    *out = NULL;
    mucmm_coupling_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_coupling_params", params, &p, sizeof p));
    TRY(check_params(ctx, m, first, second, n, &p));
    TRY(coupling_alloc(ctx, m, first, second, rows, n, &p, &c));
    TRY(find_data(ctx, c, views, n_views, c->rows, data));
    for (int side = 0; side < 2; side++) {
        mucmm__coupling_maps(&p, data[c->side[side].view], p.training[side] != NULL, &maps[side]);
        maps[side].training = p.training[side];
        TRY(mucmm__map_check_params(ctx, &maps[side]));
        TRY(start_side(ctx, c, &p, data[c->side[side].view], side, &c->side[side]));
    }
    if (!isnan(p.mask) && (!p.null || !(p.mask >= 0 && p.mask <= 1)))
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        p.null ? "coupling: mask is %g; it must be 0 to 1"
                               : "coupling: a mask (%g) needs null models",
                        p.mask));
    TRY(fill(ctx, c, data, maps));
    if (p.null)
        TRY(mucmm__coupling_p_values(ctx, c, p.null, data, maps));
    *out = c;
    c = NULL;
done:
    mucmm_coupling_free(c);
    return status;
}

/* ---- what it knows ----------------------------------------------------------------- */

int64_t mucmm_coupling_samples(const mucmm_coupling *c)
{
    return c->n;
}

const int64_t *mucmm_coupling_rows(const mucmm_coupling *c)
{
    return c->rows;
}

static bool is_side(int32_t side)
{
    return side == 0 || side == 1;
}

int32_t mucmm_coupling_view(const mucmm_coupling *c, int32_t side)
{
    return is_side(side) ? c->side[side].view : -1;
}

const char *mucmm_coupling_name(const mucmm_coupling *c, int32_t side)
{
    return is_side(side) ? mucmm_model_view_name(c->m, c->side[side].view) : NULL;
}

mucmm_look mucmm_coupling_look(const mucmm_coupling *c, int32_t side)
{
    return is_side(side) ? c->side[side].look->look : MUCMM_LOOK_BARS;
}

int64_t mucmm_coupling_components(const mucmm_coupling *c)
{
    return c->k;
}

const double *mucmm_coupling_weights(const mucmm_coupling *c)
{
    return c->weight;
}

const double *mucmm_coupling_scores(const mucmm_coupling *c)
{
    return c->scores;
}

const double *mucmm_coupling_gaps(const mucmm_coupling *c)
{
    return c->gaps;
}

int64_t mucmm_coupling_cells(const mucmm_coupling *c, int64_t i, int32_t side, int64_t *rows,
                             int64_t *cols)
{
    bool known = is_side(side) && i >= 0 && i < c->n;

    if (rows)
        *rows = known ? c->side[side].rows : 0;
    if (cols)
        *cols = known ? c->side[side].cols : 0;
    return known ? c->side[side].of[i].n : 0;
}

const float *mucmm_coupling_factors(const mucmm_coupling *c, int64_t i, int32_t side)
{
    return mucmm_coupling_cells(c, i, side, NULL, NULL) > 0 ? c->side[side].of[i].factor : NULL;
}

const float *mucmm_coupling_p_values(const mucmm_coupling *c, int64_t i)
{
    return c->p_values && i >= 0 && i < c->n ? c->p_values[i] : NULL;
}

const char *mucmm_coupling_cell(const mucmm_coupling *c, int64_t i, int32_t side, int64_t cell,
                                char *out, size_t size)
{
    const mucmm__coupling_side *s = &c->side[side == 1];
    int64_t cols = s->cols > 0 ? s->cols : 1;
    const char *name = NULL;

    if (size > 0)
        out[0] = '\0';
    if (cell < 0 || cell >= mucmm_coupling_cells(c, i, side, NULL, NULL))
        return out;
    if (s->look->look == MUCMM_LOOK_WORDS)
        name = cell < s->of[i].labels.n ? s->of[i].labels.shown[cell] : "(no words)";
    else if (s->look->look == MUCMM_LOOK_BARS)
        name = mucmm_data_column(s->data, cell);
    if (name)
        snprintf(out, size, "%s", name);
    else if (s->look->look == MUCMM_LOOK_PICTURE)
        snprintf(out, size, "row %" PRId64 ", column %" PRId64, cell / cols, cell % cols);
    else if (s->look->look == MUCMM_LOOK_SOUND)
        snprintf(out, size, "%.2f s",
                 ((double)cell + .5) / (double)cols * (double)s->look->cols / s->look->mel.rate);
    else
        snprintf(out, size, "column %" PRId64, cell);
    return out;
}
