/* SPDX-License-Identifier: MIT
 *
 * Which cells of a coupling are shown, where not all of them can be. */
#include "present/coupling.h"

#include <math.h>

int32_t mucmm__coupling_row_side(const mucmm_coupling *c)
{
    static const mucmm_look order[] = {MUCMM_LOOK_WORDS, MUCMM_LOOK_BARS};

    for (int i = 0; i < 2; i++)
        for (int32_t side = 0; side < 2; side++)
            if (c->side[side].look->look == order[i])
                return side;
    return 0;
}

/* energy [n of side]: sums of squares of the matrix over the other side. */
static mucmm_status energies(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                             double *energy)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__coupled *a = &c->side[side].of[i], *b = &c->side[1 - side].of[i];
    double *product = NULL;
    float *row = NULL;

    TRY(mucmm__alloc(ctx, c->k * c->k, sizeof *product, &product));
    TRY(mucmm__alloc(ctx, b->n, sizeof *row, &row));
    for (int64_t x = 0; x < b->n; x++)
        for (int64_t j = 0; j < c->k * c->k; j++)
            product[j] += c->weight[j / c->k] * (double)b->factor[x * c->k + j / c->k] *
                          c->weight[j % c->k] * (double)b->factor[x * c->k + j % c->k];
    for (int64_t y = 0; y < a->n; y++) {
        const float *f = a->factor + y * c->k;
        if (isnan(c->mask)) {
            for (int64_t j = 0; j < c->k * c->k; j++)
                energy[y] += (double)f[j / c->k] * product[j] * (double)f[j % c->k];
            continue;
        }
        TRY(mucmm_coupling_map(ctx, c, i, side, y, row));
        for (int64_t x = 0; x < b->n; x++)
            energy[y] += (double)row[x] * (double)row[x];
    }
done:
    mucmm__free(product);
    mucmm__free(row);
    return status;
}

/* Spots of a picture or a sound lie a quarter of the longer side apart. */
static bool is_near(const mucmm__coupling_side *s, int64_t a, int64_t b)
{
    int64_t longest = s->rows > s->cols ? s->rows : s->cols, apart = (longest + 3) / 4;

    if (s->cols == 0)
        return a == b;
    int64_t dy = a / s->cols - b / s->cols, dx = a % s->cols - b % s->cols;
    return dy * dy + dx * dx < apart * apart;
}

mucmm_status mucmm__coupling_pick(mucmm_ctx *ctx, const mucmm_coupling *c, int64_t i, int32_t side,
                                  int64_t most, int64_t *cells, int64_t *found)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__coupling_side *s = &c->side[side];
    int64_t n = s->of[i].n;
    double *energy = NULL;

    *found = 0;
    if (s->look->look == MUCMM_LOOK_WORDS) {
        for (; *found < n && *found < most; (*found)++)
            cells[*found] = *found;
        return MUCMM_OK;
    }
    TRY(mucmm__alloc(ctx, n, sizeof *energy, &energy));
    TRY(energies(ctx, c, i, side, energy));
    for (; *found < most; (*found)++) {
        int64_t best = -1;
        for (int64_t y = 0; y < n; y++)
            if (energy[y] >= 0 && (best < 0 || energy[y] > energy[best]))
                best = y;
        if (best < 0)
            break;
        cells[*found] = best;
        for (int64_t y = 0; y < n; y++)
            if (is_near(s, best, y))
                energy[y] = -1;
    }
done:
    mucmm__free(energy);
    return status;
}
