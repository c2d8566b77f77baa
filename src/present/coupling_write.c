/* SPDX-License-Identifier: MIT
 *
 * Couplings as files and as JSON. */
#include "present/coupling.h"

#include "core/json.h"
#include "core/text.h"
#include "io/io.h"

#include <inttypes.h>
#include <string.h>

enum { STRONGEST = 20, MOST_NAMED = 512 };

/* ---- files ------------------------------------------------------------------------- */

static bool is_whole(const mucmm_coupling *c, int64_t i)
{
    return (double)c->side[0].of[i].n * (double)c->side[1].of[i].n <= MUCMM_COUPLING_MOST;
}

const char *mucmm_coupling_file_end(const mucmm_coupling *c, int64_t i, mucmm_coupling_file file)
{
#define X(name, value, end) end,
    static const char *const ends[] = {MUCMM_COUPLING_FILES(X)};
#undef X
    bool there = i >= 0 && i < c->n && (int)file >= 0 && file <= MUCMM_COUPLING_SECOND;

    if (there && file == MUCMM_COUPLING_P_VALUES)
        there = c->p_values != NULL;
    else if (there && file == MUCMM_COUPLING_SHEET)
        there = mucmm_coupling_has_matrix(c, i);
    else if (there)
        there = is_whole(c, i) == (file == MUCMM_COUPLING_MATRIX);
    return there ? ends[file] : NULL;
}

/* Axes of the cells of a side; returns how many. */
static int32_t axes(const mucmm_coupling *c, int64_t i, int32_t side, int64_t *shape)
{
    const mucmm__coupling_side *s = &c->side[side];

    shape[0] = s->of[i].n;
    if (s->look->look != MUCMM_LOOK_PICTURE)
        return 1;
    shape[0] = s->rows;
    shape[1] = s->cols;
    return 2;
}

static mucmm_status write_matrix(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, bool p_values,
                                 const char *path)
{
    mucmm_status status = MUCMM_OK;
    int64_t shape[4], rows = c->side[0].of[i].n, cols = c->side[1].of[i].n;
    int32_t rank = axes(c, i, 0, shape);
    float *x = NULL;

    rank += axes(c, i, 1, shape + rank);
    if (p_values)
        return mucmm_npy_write(ctx, path, c->p_values[i], shape, rank);
    TRY(mucmm__alloc(ctx, rows * cols, sizeof *x, &x));
    TRY(mucmm_coupling_matrix(ctx, c, i, &(mucmm_mat){x, rows, cols, cols}));
    TRY(mucmm_npy_write(ctx, path, x, shape, rank));
done:
    mucmm__free(x);
    return status;
}

static mucmm_status write_factor(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                 const char *path)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__coupled *of = &c->side[side].of[i];
    int64_t shape[3];
    int32_t rank = axes(c, i, side, shape);
    float *x = NULL;

    shape[rank] = c->k;
    TRY(mucmm__alloc(ctx, of->n * c->k, sizeof *x, &x));
    for (int64_t a = 0; a < of->n * c->k; a++)
        x[a] = (float)((double)of->factor[a] * (side == 0 ? c->weight[a % c->k] : 1));
    TRY(mucmm_npy_write(ctx, path, x, shape, rank + 1));
done:
    mucmm__free(x);
    return status;
}

mucmm_status mucmm_coupling_write(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                  mucmm_coupling_file file, const char *path)
{
    mucmm_status status = MUCMM_OK;
    mucmm_sheet *sheet = NULL;

    TRY(mucmm__coupling_place(ctx, c, i, 0, 0));
    if (!path || !mucmm_coupling_file_end(c, i, file))
        return mucmm__fail(ctx, MUCMM_EARG,
                           path ? "coupling: the sample has no file %d"
                                : "coupling: file %d: the "
                                  "path is NULL",
                           (int)file);
    if (file == MUCMM_COUPLING_SHEET) {
        TRY(mucmm_coupling_sheet(ctx, c, i, &sheet));
        TRY(mucmm_sheet_write(ctx, sheet, path));
    } else if (file == MUCMM_COUPLING_FIRST || file == MUCMM_COUPLING_SECOND)
        TRY(write_factor(ctx, c, i, file == MUCMM_COUPLING_SECOND, path));
    else
        TRY(write_matrix(ctx, c, i, file == MUCMM_COUPLING_P_VALUES, path));
done:
    mucmm_sheet_free(sheet);
    return status;
}

/* ---- words ------------------------------------------------------------------------- */

/* From where on more steps are worth their time. */
#define LARGE_GAP 0.05

mucmm_status mucmm_coupling_text(mucmm_ctx *ctx, const mucmm_coupling *c, char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__text t = {.ctx = ctx};
    mucmm_coupling_sums sums;

    *out = NULL;
    mucmm_coupling_sums_init(&sums);
    TRY(mucmm_coupling_check(ctx, c, &sums));
    mucmm__text_format(&t, "%s and ", mucmm_coupling_name(c, 0));
    mucmm__text_format(&t, "%s, ", mucmm_coupling_name(c, 1));
    mucmm__text_format(&t,
                       "%" PRId64 " samples: couplings add up to the score but for %.1e of its "
                       "range;\n",
                       c->n, sums.sum);
    mucmm__text_format(&t, "  before their integrated gradients were made complete, but for %.1e%s",
                       sums.gap, sums.gap > LARGE_GAP ? " (more steps bring that down)" : "");
    status = mucmm__text_done(&t, out);
done:
    return status;
}

/* ---- JSON -------------------------------------------------------------------------- */

static json_t *cell_json(const mucmm_coupling *c, int64_t i, int32_t side, int64_t cell)
{
    char name[MUCMM__NAME_SIZE];

    return mucmm__json_string(mucmm_coupling_cell(c, i, side, cell, name, sizeof name));
}

/* Words and columns with what they add; null of spots, and of more than can be listed. */
static mucmm_status cells_json(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                               mucmm__json_build *b, json_t **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = c->side[side].of[i].n;
    float *totals = NULL;

    *out = NULL;
    if (c->side[side].rows > 0 || n > MOST_NAMED) {
        *out = json_null();
        return MUCMM_OK;
    }
    TRY(mucmm__alloc(ctx, n, sizeof *totals, &totals));
    TRY(mucmm_coupling_totals(ctx, c, i, side, totals));
    *out = json_array();
    for (int64_t a = 0; a < n; a++) {
        json_t *cell = json_object();
        mucmm__json_set(b, cell, "name", cell_json(c, i, side, a));
        mucmm__json_set(b, cell, "total", mucmm__json_real((double)totals[a]));
        mucmm__json_add(b, *out, cell);
    }
done:
    mucmm__free(totals);
    return status;
}

static mucmm_status pairs_json(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                               mucmm__json_build *b, json_t **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_coupled_pair pairs[STRONGEST];
    int64_t found;

    *out = NULL;
    TRY(mucmm_coupling_strongest(ctx, c, i, STRONGEST, pairs, &found));
    *out = json_array();
    for (int64_t a = 0; a < found; a++) {
        json_t *pair = json_object();
        mucmm__json_set(b, pair, "first", cell_json(c, i, 0, pairs[a].first));
        mucmm__json_set(b, pair, "second", cell_json(c, i, 1, pairs[a].second));
        mucmm__json_set(b, pair, "value", mucmm__json_real((double)pairs[a].value));
        mucmm__json_add(b, *out, pair);
    }
done:
    return status;
}

static mucmm_status sample_json(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i,
                                mucmm__json_build *b, json_t *samples)
{
    mucmm_status status = MUCMM_OK;
    static const char *const sides[] = {"first", "second"};
    json_t *sample = json_object(), *part = NULL;

    mucmm__json_set(b, sample, "row", json_integer(c->rows[i]));
    mucmm__json_set(b, sample, "score", mucmm__json_real(c->scores[i]));
    mucmm__json_set(b, sample, "gap", mucmm__json_real(c->gaps[i]));
    for (int32_t side = 0; side < 2; side++) {
        TRY(cells_json(ctx, c, i, side, b, &part));
        mucmm__json_set(b, sample, sides[side], part);
    }
    TRY(pairs_json(ctx, c, i, b, &part));
    mucmm__json_set(b, sample, "strongest", part);
    mucmm__json_add(b, samples, sample);
    sample = NULL;
done:
    json_decref(sample);
    return status;
}

static mucmm_status coupling_json(mucmm_ctx *ctx, const mucmm_coupling *c, mucmm__json_build *b,
                                  json_t *couplings)
{
    mucmm_status status = MUCMM_OK;
    json_t *root = json_object(), *samples = json_array();
    mucmm_coupling_sums sums;

    mucmm_coupling_sums_init(&sums);
    TRY(mucmm_coupling_check(ctx, c, &sums));
    for (int64_t i = 0; i < c->n; i++)
        TRY(sample_json(ctx, c, i, b, samples));
    mucmm__json_set(b, root, "first", json_string(mucmm_coupling_name(c, 0)));
    mucmm__json_set(b, root, "second", json_string(mucmm_coupling_name(c, 1)));
    mucmm__json_set(b, root, "range", mucmm__json_real(sums.range));
    mucmm__json_set(b, root, "sum", mucmm__json_real(sums.sum));
    mucmm__json_set(b, root, "gap", mucmm__json_real(sums.gap));
    mucmm__json_set(b, root, "weights", mucmm__json_numbers(b, c->weight, c->k));
    mucmm__json_set(b, root, "samples", samples);
    samples = NULL;
    mucmm__json_add(b, couplings, root);
    root = NULL;
done:
    json_decref(root);
    json_decref(samples);
    return status;
}

mucmm_status mucmm_couplings_json(mucmm_ctx *ctx, const mucmm_coupling *const *couplings, int64_t n,
                                  char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__json_build b = {false};
    json_t *root = json_object(), *list = json_array();

    *out = NULL;
    for (int64_t i = 0; i < n; i++)
        TRY(coupling_json(ctx, couplings[i], &b, list));
    mucmm__json_set(&b, root, "couplings", list);
    list = NULL;
    TRY(mucmm__json_done(ctx, &b, root));
    TRY(mucmm__json_dump(ctx, root, JSON_INDENT(2), out));
done:
    json_decref(list);
    json_decref(root);
    return status;
}
