/* SPDX-License-Identifier: MIT
 *
 * Where the maximum and the energy of a map lie, the truth given: the pointing game. */
#include "explain/pointing.h"

#include "encode/layout.h"
#include "explain/faults.h"
#include "explain/local_sums.h"
#include "explain/maps.h"
#include "explain/units.h"
#include "linalg/linalg.h"

#include <inttypes.h>
#include <math.h>

/* Of the longer side of a picture: the neighbourhood in which a maximum is looked for. */
#define SMOOTH_PART 16

enum { NEITHER, SHARED, PRIVATE, KINDS };

typedef struct game {
    const mucmm__samples *s;
    mucmm__layout layout;
    mucmm__units units;
    float *cells, *truth; /* [units.n], [columns of the truth] */
    double *sums;         /* [units.n] */
    int64_t per_cell;     /* columns of the truth for a cell: 1, or as many as the raw input */
    double points[KINDS], energy[KINDS];
} game;

mucmm_status mucmm__pointing_check(mucmm_ctx *ctx, const mucmm__samples *s, const mucmm_data *truth)
{
    int64_t rows = mucmm_data_rows(truth), all = mucmm_data_rows(s->data[s->view]);
    int64_t cols = mucmm_data_cols(truth), cells = mucmm__units_of(s->data[s->view]).n;

    if (rows != s->n && rows != all)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: a truth of %" PRId64 " rows; there are %" PRId64
                           " samples, of %" PRId64 " rows",
                           mucmm_data_label(truth), rows, s->n, all);
    if (cols != cells && cols != s->cols)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: a truth of %" PRId64 " cells; an input of view '%s' has %" PRId64,
                           mucmm_data_label(truth), cols, s->m->view[s->view].name, cells);
    return MUCMM_OK;
}

/* The map as it is drawn. */
static mucmm_status draw(mucmm_ctx *ctx, game *g, const float *map)
{
    const mucmm__layout *l = &g->layout;
    int64_t longest = l->height > l->width ? l->height : l->width;

    mucmm__unit_sums(&g->units, map, g->sums);
    mucmm__to_float(g->sums, g->units.n, g->cells);
    if (l->kind != MUCMM__LAYOUT_PICTURE || !g->s->encoded || !mucmm__is_measured(g->s->p->map))
        return MUCMM_OK;
    return mucmm__local_sums(ctx, l->height, l->width, (double)longest / MUCMM__LOCAL_PART,
                             g->cells);
}

/* Of a unit. */
static int kind_of(const game *g, int64_t unit)
{
    int64_t column = g->per_cell == 1 ? unit : unit * g->units.run;

    return (int)g->truth[column];
}

static void add_energy(game *g)
{
    double energy[KINDS] = {0}, total = 0;

    for (int64_t j = 0; j < g->units.n; j++) {
        double square = (double)g->cells[j] * (double)g->cells[j];
        energy[kind_of(g, j)] += square;
        total += square;
    }
    for (int k = 0; k < KINDS && total > 0; k++)
        g->energy[k] += energy[k] / total;
}

static mucmm_status add_maximum(mucmm_ctx *ctx, game *g)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__layout *l = &g->layout;
    int64_t longest = l->height > l->width ? l->height : l->width, at = 0;

    for (int64_t j = 0; j < g->units.n; j++)
        g->cells[j] = fabsf(g->cells[j]);
    if (l->kind == MUCMM__LAYOUT_PICTURE)
        TRY(mucmm__local_sums(ctx, l->height, l->width, (double)longest / SMOOTH_PART, g->cells));
    for (int64_t j = 1; j < g->units.n; j++)
        if (g->cells[j] > g->cells[at])
            at = j;
    if (g->cells[at] > 0)
        g->points[kind_of(g, at)]++;
done:
    return status;
}

static mucmm_status read_truth(mucmm_ctx *ctx, game *g, const mucmm_data *truth, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    int64_t cols = mucmm_data_cols(truth);
    int64_t row = mucmm_data_rows(truth) == g->s->n ? i : g->s->rows[i];

    TRY(mucmm_data_read(ctx, truth, &row, 1, &(mucmm_mat){g->truth, 1, cols, cols}));
    for (int64_t j = 0; j < cols; j++)
        if (!(g->truth[j] == NEITHER || g->truth[j] == SHARED || g->truth[j] == PRIVATE))
            return mucmm__fail(ctx, MUCMM_EFORMAT,
                               "%s, row %" PRId64 ": a truth holds 0 (neither), 1 (shared) and 2 "
                               "(private), and %g in column %" PRId64,
                               mucmm_data_label(truth), row, (double)g->truth[j], j);
done:
    return status;
}

mucmm_status mucmm__pointing(mucmm_ctx *ctx, const mucmm__samples *s, const mucmm_cmat *maps,
                             const mucmm_data *truth, mucmm_pointing *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *data = s->data[s->view];
    game g = {.s = s, .layout = mucmm__layout_of_data(data), .units = mucmm__units_of(data)};
    double known = 0; /* samples that have a map */

    g.per_cell = mucmm_data_cols(truth) == g.units.n ? 1 : g.units.run;
    TRY(mucmm__alloc(ctx, g.units.n, sizeof *g.cells, &g.cells));
    TRY(mucmm__alloc(ctx, g.units.n, sizeof *g.sums, &g.sums));
    TRY(mucmm__alloc(ctx, mucmm_data_cols(truth), sizeof *g.truth, &g.truth));
    for (int64_t i = 0; i < s->n; i++) {
        if (mucmm__state_of_map(maps->data + i * maps->stride, s->cols) == MUCMM__MAP_NONE)
            continue;
        known++;
        TRY(read_truth(ctx, &g, truth, i));
        TRY(draw(ctx, &g, maps->data + i * maps->stride));
        add_energy(&g);
        TRY(add_maximum(ctx, &g));
    }
    *out = (mucmm_pointing){.shared = g.points[SHARED] / known,
                            .own = g.points[PRIVATE] / known,
                            .shared_energy = g.energy[SHARED] / known,
                            .own_energy = g.energy[PRIVATE] / known};
done:
    mucmm__free(g.cells);
    mucmm__free(g.sums);
    mucmm__free(g.truth);
    return status;
}
