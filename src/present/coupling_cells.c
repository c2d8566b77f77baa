/* SPDX-License-Identifier: MIT
 *
 * From units of the raw input to the cells that people see: spots, words, moments, columns. */
#include "present/coupling.h"

#include "explain/faults.h"
#include "explain/local_sums.h"

#include <stdio.h>
#include <string.h>

enum { MOMENTS = 48 }; /* of a sound, at most */

void mucmm__coupled_drop(mucmm__coupled *c)
{
    mucmm__free(c->factor);
    mucmm__labels_drop(&c->labels);
    *c = (mucmm__coupled){.n = 0};
}

void mucmm__coupling_cut(mucmm__coupling_side *s)
{
    const mucmm_display *d = s->look;

    if (d->look == MUCMM_LOOK_PICTURE) {
        s->rows = d->cell_rows;
        s->cols = d->cell_cols;
    } else if (d->look == MUCMM_LOOK_SOUND) {
        s->rows = 1;
        s->cols = d->cell_cols < MOMENTS ? d->cell_cols : MOMENTS;
    }
    s->local_sd = (double)(s->rows > s->cols ? s->rows : s->cols) / MUCMM__LOCAL_PART;
}

/* ---- one component ----------------------------------------------------------------- */

/* Sums over blocks of pixels, the last of which hold what is left over, and over the channels if
 * these are units of their own. */
static void add_pixels(const mucmm__coupling_side *s, const float *units, int64_t n, float *cells)
{
    const mucmm_display *d = s->look;
    const mucmm__layout *l = &d->layout;
    bool apart = n == l->height * l->width * l->channels;

    for (int64_t y = 0; y < l->height; y++)
        for (int64_t x = 0; x < l->width; x++) {
            int64_t i = y / d->step < s->rows ? y / d->step : s->rows - 1;
            int64_t j = x / d->step < s->cols ? x / d->step : s->cols - 1;
            float *cell = &cells[i * s->cols + j];

            if (!apart)
                *cell += units[y * l->width + x];
            for (int64_t c = 0; apart && c < l->channels; c++)
                *cell += units[(y * l->width + x) * l->cell + c * l->plane];
        }
}

static void add_moments(const mucmm__coupling_side *s, const float *units, int64_t n, float *cells)
{
    for (int64_t t = 0; t < n; t++)
        cells[t * s->cols / n] += units[t];
}

/* Words and their values of sample i: a token is one unit, whatever its width. */
static mucmm_status add_words(mucmm_ctx *ctx, const mucmm__coupling_side *s, int64_t i,
                              const float *units, mucmm__labels *out)
{
    mucmm_display flat = *s->look;

    flat.layout.features = 1;
    flat.words_alone = true;
    return mucmm__words_of(ctx, &flat, i, units, out);
}

/* ---- all of them ------------------------------------------------------------------- */

/* How many cells, and the words. */
static mucmm_status find_cells(mucmm_ctx *ctx, const mucmm__coupling_side *s, const float *units,
                               int64_t n_units, int64_t i, mucmm__coupled *out)
{
    mucmm_status status = MUCMM_OK;

    out->n = s->look->look == MUCMM_LOOK_BARS ? n_units : s->rows * s->cols;
    if (s->look->look != MUCMM_LOOK_WORDS)
        return MUCMM_OK;
    TRY(add_words(ctx, s, i, units, &out->labels));
    out->n = out->labels.n > 0 ? out->labels.n : 1;
done:
    return status;
}

/* Cells [out->n] of units [n] of one component. */
static mucmm_status fill_cells(mucmm_ctx *ctx, const mucmm__coupling_side *s, const float *units,
                               int64_t n, int64_t i, const mucmm__coupled *out, float *cells)
{
    mucmm_status status = MUCMM_OK;
    mucmm__labels words = {0};

    memset(cells, 0, (size_t)out->n * sizeof *cells);
    switch (s->look->look) {
    case MUCMM_LOOK_BARS:
        memcpy(cells, units, (size_t)n * sizeof *cells);
        break;
    case MUCMM_LOOK_WORDS:
        TRY(add_words(ctx, s, i, units, &words));
        memcpy(cells, words.value, (size_t)words.n * sizeof *cells);
        break;
    case MUCMM_LOOK_PICTURE:
    case MUCMM_LOOK_SOUND:
        (s->look->look == MUCMM_LOOK_PICTURE ? add_pixels : add_moments)(s, units, n, cells);
        TRY(mucmm__local_sums(ctx, s->rows, s->cols, s->local_sd, cells));
        break;
    }
done:
    mucmm__labels_drop(&words);
    return status;
}

/* Column j of the factor becomes cells, and what they lack of the variate in equal parts. */
static void put_component(const float *cells, double variate, int64_t j, int64_t k,
                          mucmm__coupled *out)
{
    double sum = 0;

    for (int64_t a = 0; a < out->n; a++)
        sum += (double)cells[a];
    for (int64_t a = 0; a < out->n; a++)
        out->factor[a * k + j] = (float)((double)cells[a] + (variate - sum) / (double)out->n);
}

mucmm_status mucmm__coupling_gather(mucmm_ctx *ctx, const mucmm__coupling_side *s,
                                    const mucmm__attribution *a, int64_t i, mucmm__coupled *out)
{
    mucmm_status status = MUCMM_OK;
    const float *units = a->of + i * a->k * a->units;
    float *cells = NULL;

    TRY(find_cells(ctx, s, units, a->units, i, out));
    TRY(mucmm__alloc(ctx, out->n * a->k, sizeof *out->factor, &out->factor));
    TRY(mucmm__alloc(ctx, out->n, sizeof *cells, &cells));
    for (int64_t j = 0; j < a->k; j++) {
        TRY(fill_cells(ctx, s, units + j * a->units, a->units, i, out, cells));
        put_component(cells, a->at[i * a->k + j], j, a->k, out);
    }
done:
    mucmm__free(cells);
    return status;
}

void mucmm__coupling_row(const double *w, int64_t k, const mucmm__coupled *a, int64_t cell,
                         const mucmm__coupled *b, float *out)
{
    const float *f = a->factor + cell * k;

    for (int64_t x = 0; x < b->n; x++) {
        const float *g = b->factor + x * k;
        double sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += (double)f[j] * w[j] * (double)g[j];
        out[x] = (float)sum;
    }
}

int32_t mucmm_coupling_has_matrix(const mucmm_coupling *c, int64_t i)
{
    if (i < 0 || i >= c->n)
        return 0;
    for (int side = 0; side < 2; side++) {
        const mucmm__coupled *of = &c->side[side].of[i];
        if (mucmm__state_of_map(of->factor, of->n * c->k) == MUCMM__MAP_NONE)
            return 0;
    }
    return 1;
}
