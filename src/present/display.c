/* SPDX-License-Identifier: MIT
 *
 * Maps made ready to be drawn: how a view looks, the cells, words or bars of its samples, and the
 * scale that they share. */
#include "present/display.h"

#include "explain/faults.h"
#include "explain/local_sums.h"
#include "explain/maps.h"
#include "present/display_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void mucmm_display_params_init_sized(mucmm_display_params *p, size_t size)
{
    const mucmm_display_params defaults = {.mask = NAN};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

static void labels_free(mucmm__labels *labels, int64_t n)
{
    for (int64_t i = 0; labels && i < n; i++)
        mucmm__labels_drop(&labels[i]);
    mucmm__free(labels);
}

static void parts_free(mucmm__display_parts *p, int64_t n)
{
    if (!p)
        return;
    for (int k = 0; k <= MUCMM__PARTS; k++)
        labels_free(p->bars[k], n);
    for (int k = 0; k < MUCMM__PARTS; k++)
        mucmm__free(p->cells[k]);
    mucmm__free(p->mean);
    mucmm__free(p);
}

void mucmm_display_free(mucmm_display *d)
{
    if (!d)
        return;
    parts_free(d->parts, d->n);
    labels_free(d->labels, d->n);
    mucmm__free(d->cells);
    mucmm__free(d->values);
    mucmm__free(d->whole);
    mucmm__free(d->p_values);
    mucmm__free(d->scores);
    mucmm__free(d->title);
    mucmm__free(d->score);
    mucmm__free(d->map);
    mucmm__free(d->rows);
    mucmm_data_free(d->data);
    mucmm__free(d);
}

/* ---- the scale --------------------------------------------------------------------- */

/* The k-th smallest of x [n], k from 0; reorders x (Hoare's selection). */
static float nth_smallest(float *x, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;

    while (lo < hi) {
        float pivot = x[lo + (hi - lo) / 2];
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                float t = x[i];
                x[i++] = x[j];
                x[j--] = t;
            }
        }
        if (k <= j)
            hi = j;
        else if (k >= i)
            lo = i;
        else
            break;
    }
    return x[k];
}

mucmm_status mucmm_map_scale(mucmm_ctx *ctx, const float *values, int64_t n, float *scale)
{
    mucmm_status status = MUCMM_OK;
    float *sizes = NULL;
    int64_t known = 0;

    *scale = 1;
    if (n < 1)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, n, sizeof *sizes, &sizes));
    for (int64_t i = 0; i < n; i++)
        if (isfinite(values[i]))
            sizes[known++] = fabsf(values[i]);
    if (known > 0)
        *scale = nth_smallest(sizes, known, (int64_t)(0.995 * (double)(known - 1) + 0.5));
    if (!(*scale > 0))
        *scale = mucmm__largest(values, n);
    if (!(*scale > 0))
        *scale = 1;
done:
    mucmm__free(sizes);
    return status;
}

/* ---- how a view looks -------------------------------------------------------------- */

static mucmm_status find_shape(mucmm_ctx *ctx, const mucmm_display_params *p, mucmm_display *d)
{
    double cells = 1;

    d->rank = mucmm_data_raw_shape(d->data, d->shape);
    if (p->rank == 0)
        return MUCMM_OK;
    d->rank = p->rank;
    memcpy(d->shape, p->shape, sizeof d->shape);
    for (int32_t i = 0; i < d->rank; i++)
        cells *= (double)d->shape[i];
    for (int32_t i = 0; i < d->rank; i++)
        if (d->shape[i] < 1 || cells < (double)d->cols || cells > (double)d->cols)
            return mucmm__fail(ctx, MUCMM_ESHAPE,
                               "the shape has %.0f cells and a row of %s has %" PRId64, cells,
                               mucmm_data_label(d->data), d->cols);
    return MUCMM_OK;
}

mucmm_status mucmm__display_params_take(mucmm_ctx *ctx, const mucmm_display_params *given,
                                        mucmm_display_params *own)
{
    mucmm_status status = MUCMM_OK;

    mucmm_display_params_init(own);
    TRY(mucmm__params_take(ctx, "mucmm_display_params", given, own, sizeof *own));
    if (own->rank < 0 || own->rank > MUCMM_MAX_RANK)
        return mucmm__fail(ctx, MUCMM_EARG, "display: a shape of %d axes; it must be 1 to %d",
                           own->rank, MUCMM_MAX_RANK);
    if (own->side < 0)
        return mucmm__fail(ctx, MUCMM_EARG, "display: side is %" PRId64 "; it must be 0 or more",
                           own->side);
    if (!isnan(own->mask) && !(own->mask >= 0 && own->mask <= 1))
        return mucmm__fail(ctx, MUCMM_EARG, "display: mask is %g; it must be 0 to 1", own->mask);
    if (!isnan(own->mask) && !own->null)
        return mucmm__fail(ctx, MUCMM_EARG, "display: a mask needs null models");
done:
    return status;
}

static void find_cells(const mucmm_display_params *p, mucmm_display *d)
{
    int64_t height = d->layout.height, width = d->layout.width;
    int64_t longest = height > width ? height : width;

    d->step = p->side > 0 ? (longest + p->side - 1) / p->side : 1;
    if (height < d->step || width < d->step) /* not one block */
        return;
    d->look = MUCMM_LOOK_PICTURE;
    d->cell_rows = height / d->step;
    d->cell_cols = width / d->step;
}

static void find_look(const mucmm_display_params *p, mucmm_display *d)
{
    d->layout = mucmm__layout_of(mucmm_data_source_kind(d->data), d->shape, d->rank);
    switch (d->layout.kind) {
    case MUCMM__LAYOUT_COLUMNS:
        break;
    case MUCMM__LAYOUT_PICTURE:
        find_cells(p, d);
        break;
    case MUCMM__LAYOUT_TOKENS:
        d->look = MUCMM_LOOK_WORDS;
        d->bag = mucmm_data_column(d->data, 0) != NULL;
        break;
    case MUCMM__LAYOUT_TIME:
        mucmm__sound_start(d);
        break;
    }
}

mucmm_status mucmm__display_start(mucmm_ctx *ctx, const mucmm_data *data, const int64_t *rows,
                                  int64_t n, const mucmm_display_params *p, mucmm_display *d)
{
    mucmm_status status = MUCMM_OK;

    if (n < 1)
        return mucmm__fail(ctx, MUCMM_EARG, "display: %" PRId64 " samples; it must be 1 or more",
                           n);
    d->n = n;
    d->cols = mucmm_data_raw_cols(data);
    d->scale = 1;
    d->mask = NAN;
    TRY(mucmm_data_subset(ctx, data, rows, n, &d->data));
    TRY(mucmm__alloc(ctx, n, sizeof *d->rows, &d->rows));
    memcpy(d->rows, rows, (size_t)n * sizeof *rows);
    TRY(find_shape(ctx, p, d));
    find_look(p, d);
done:
    return status;
}

/* ---- from values to what is drawn -------------------------------------------------- */

/* Rows on their way to cells, and the range of each. */
typedef struct cell_rows {
    mucmm_display *d;
    const float *differences; /* [n, cols] or NULL */
    float *lo, *hi;           /* [n] */
} cell_rows;

/* Of a masked map the local sums that the mask keeps: they are what is tested. */
static mucmm_status fill_picture(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                 const float *values, float *cells)
{
    bool sums = d->whole && d->local_sd > 0;
    mucmm_status status =
        mucmm__picture_cells(ctx, d, sums ? d->whole + i * d->cols : values, cells);

    for (int64_t j = 0; sums && status == MUCMM_OK && j < d->cell_rows * d->cell_cols; j++)
        if (!mucmm__picture_kept(d, d->p_values + i * d->cols, j))
            cells[j] = 0;
    return status;
}

static mucmm_status fill_row(mucmm_ctx *ctx, void *arg, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    const cell_rows *c = arg;
    const mucmm_display *d = c->d;
    const float *values = d->values + i * d->cols;
    float *raw = NULL, *cells = d->cells + i * d->cell_rows * d->cell_cols;

    if (!mucmm_display_has_map(d, i))
        for (int64_t j = 0; j < d->cell_rows * d->cell_cols; j++)
            cells[j] = NAN;
    TRY(mucmm__alloc(ctx, d->cols, sizeof *raw, &raw));
    TRY(mucmm_data_read_raw(ctx, d->data, &i, 1, &(mucmm_mat){raw, 1, d->cols, d->cols}));
    mucmm__range(raw, d->cols, &c->lo[i], &c->hi[i]);
    if (!mucmm_display_has_map(d, i))
        goto done;
    if (d->look == MUCMM_LOOK_PICTURE)
        TRY(fill_picture(ctx, d, i, values, cells));
    else
        TRY(mucmm__sound_cells(ctx, d, raw, values,
                               c->differences ? c->differences + i * d->cols : NULL, cells));
done:
    mucmm__free(raw);
    return status;
}

/* The cells of pictures and sounds; also the range of the rows, so that they can be compared. */
static mucmm_status fill_cells(mucmm_ctx *ctx, mucmm_display *d, const float *differences)
{
    mucmm_status status = MUCMM_OK;
    cell_rows c = {.d = d, .differences = differences};
    int64_t size = d->cell_rows * d->cell_cols;

    TRY(mucmm__alloc(ctx, d->n * size, sizeof *d->cells, &d->cells));
    TRY(mucmm__alloc(ctx, 2 * d->n, sizeof *c.lo, &c.lo));
    c.hi = c.lo + d->n;
    TRY(mucmm__parallel_try(ctx, d->n, fill_row, &c));
    mucmm__range(c.lo, 2 * d->n, &d->lo, &d->hi);
    TRY(mucmm_map_scale(ctx, d->cells, d->n * size, &d->scale));
done:
    mucmm__free(c.lo);
    return status;
}

static mucmm_status fill_label(mucmm_ctx *ctx, void *arg, int64_t i)
{
    mucmm_display *d = arg;
    const float *map = d->values + i * d->cols;

    if (!mucmm_display_has_map(d, i))
        return MUCMM_OK;
    return d->look == MUCMM_LOOK_WORDS
               ? mucmm__words_of(ctx, d, i, map, &d->labels[i])
               : mucmm__bars_of(ctx, d, map, MUCMM__MOST_BARS, &d->labels[i]);
}

static mucmm_status fill_labels(mucmm_ctx *ctx, mucmm_display *d)
{
    mucmm_status status = MUCMM_OK;
    float largest = 0;

    TRY(mucmm__alloc(ctx, d->n, sizeof *d->labels, &d->labels));
    TRY(mucmm__parallel_try(ctx, d->n, fill_label, d));
    for (int64_t i = 0; i < d->n; i++)
        largest = fmaxf(largest, mucmm__largest(d->labels[i].value, d->labels[i].n));
    d->scale = largest > 0 ? largest : 1;
done:
    return status;
}

mucmm_status mucmm__display_fill(mucmm_ctx *ctx, mucmm_display *d, mucmm_map_kind map,
                                 const float *differences)
{
    int64_t longest = d->cell_rows > d->cell_cols ? d->cell_rows : d->cell_cols;
    bool encoded = mucmm_data_description(d->data) != NULL;

    if (d->bag && map == MUCMM_MAP_PATTERN) /* shows words that are not in the text */
        d->look = MUCMM_LOOK_BARS;
    if (d->look == MUCMM_LOOK_PICTURE && encoded && mucmm__is_measured(map))
        d->local_sd = (double)longest / MUCMM__LOCAL_PART;
    if (!d->values)
        return MUCMM_OK;
    if (d->cell_rows > 0)
        return fill_cells(ctx, d, differences);
    return fill_labels(ctx, d);
}

/* ---- of an explanation ------------------------------------------------------------- */

static mucmm_status name_it(mucmm_ctx *ctx, const mucmm_explanation *e, mucmm_display *d)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_explain_params *p = mucmm_explanation_params(e);
    int32_t view = mucmm_explanation_view(e);
    char score[64];

    mucmm_score_text(p->score, p->component, score, sizeof score);
    TRY(mucmm__strdup(ctx, mucmm_model_view_name(mucmm_explanation_model(e), view), &d->title));
    TRY(mucmm__strdup(ctx, score, &d->score));
    TRY(mucmm__strdup(ctx, mucmm_map_text(p->map), &d->map));
    TRY(mucmm__alloc(ctx, d->n, sizeof *d->scores, &d->scores));
    memcpy(d->scores, mucmm_explanation_scores(e), (size_t)d->n * sizeof *d->scores);
done:
    return status;
}

double mucmm__display_kept(const mucmm_display *d, int64_t i)
{
    int64_t kept = 0, known = 0;

    for (int64_t j = i * d->cols; j < (i + 1) * d->cols; j++) {
        known += !isnan(d->p_values[j]);
        kept += (double)d->p_values[j] <= d->mask;
    }
    return known ? (double)kept / (double)known : 0;
}

/* Values and p-values, and what the mask leaves of them. */
static mucmm_status fill_values(mucmm_ctx *ctx, const mucmm_explanation *e,
                                const mucmm_display_params *p, mucmm_display *d)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = d->n * d->cols;

    TRY(mucmm__alloc(ctx, size, sizeof *d->values, &d->values));
    TRY(mucmm_explanation_maps(ctx, e, &(mucmm_mat){d->values, d->n, d->cols, d->cols}));
    if (!p->null)
        goto done;
    TRY(mucmm__alloc(ctx, size, sizeof *d->p_values, &d->p_values));
    TRY(mucmm_explanation_p_values(ctx, e, p->null, MUCMM_P_POOLED,
                                   &(mucmm_mat){d->p_values, d->n, d->cols, d->cols}));
    d->mask = p->mask;
    if (!isnan(p->mask) && d->look == MUCMM_LOOK_PICTURE && mucmm_data_description(d->data)) {
        TRY(mucmm__alloc(ctx, size, sizeof *d->whole, &d->whole));
        memcpy(d->whole, d->values, (size_t)size * sizeof *d->whole);
    }
    for (int64_t i = 0; !isnan(p->mask) && i < size; i++)
        if (!((double)d->p_values[i] <= p->mask) && !isnan(d->values[i]))
            d->values[i] = 0;
done:
    return status;
}

mucmm_status mucmm_display_create(mucmm_ctx *ctx, const mucmm_explanation *e,
                                  const mucmm_display_params *params, mucmm_display **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_map_kind map = mucmm_explanation_params(e)->map;
    mucmm_display_params p;
    mucmm_display *d = NULL;
    float *differences = NULL;

    *out = NULL;
    TRY(mucmm__display_params_take(ctx, params, &p));
    TRY(mucmm__alloc(ctx, 1, sizeof *d, &d));
    TRY(mucmm__display_start(ctx, mucmm_explanation_data(e), mucmm_explanation_rows(e),
                             mucmm_explanation_count(e), &p, d));
    TRY(name_it(ctx, e, d));
    d->adds_up = mucmm__is_measured(map) && map != MUCMM_MAP_LCMV;
    TRY(fill_values(ctx, e, &p, d));
    if (d->look == MUCMM_LOOK_SOUND && mucmm__is_measured(map)) {
        TRY(mucmm__alloc(ctx, d->n * d->cols, sizeof *differences, &differences));
        TRY(mucmm_explanation_differences(ctx, e,
                                          &(mucmm_mat){differences, d->n, d->cols, d->cols}));
    }
    TRY(mucmm__display_fill(ctx, d, map, differences));
    *out = d;
    d = NULL;
done:
    mucmm__free(differences);
    mucmm_display_free(d);
    return status;
}

/* ---- values that are there already ------------------------------------------------- */

static mucmm_status check_matrix(mucmm_ctx *ctx, const mucmm_display *d, const char *name,
                                 const mucmm_cmat *x)
{
    if (x && (x->rows != d->n || x->cols != d->cols || x->stride < x->cols))
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "display: %s are %" PRId64 " x %" PRId64 ", stride %" PRId64
                           "; of %" PRId64 " samples of %s they must be %" PRId64 " x %" PRId64,
                           name, x->rows, x->cols, x->stride, d->n, mucmm_data_label(d->data), d->n,
                           d->cols);
    for (int64_t i = 0; x && i < x->rows * x->cols; i++)
        if (!isfinite(x->data[i / x->cols * x->stride + i % x->cols]))
            return mucmm__fail(ctx, MUCMM_ENUMERIC,
                               "display: %s hold a number that is not finite, of sample %" PRId64
                               ", column %" PRId64,
                               name, i / x->cols, i % x->cols);
    return MUCMM_OK;
}

static mucmm_status copy_matrix(mucmm_ctx *ctx, const mucmm_cmat *x, float **out)
{
    mucmm_status status = MUCMM_OK;

    if (!x)
        return MUCMM_OK;
    TRY(mucmm__alloc(ctx, x->rows * x->cols, sizeof **out, out));
    for (int64_t i = 0; i < x->rows; i++)
        memcpy(*out + i * x->cols, x->data + i * x->stride, (size_t)x->cols * sizeof **out);
done:
    return status;
}

mucmm_status mucmm_display_of_values(mucmm_ctx *ctx, const mucmm_data *data, const int64_t *rows,
                                     int64_t n, mucmm_map_kind map, const mucmm_cmat *values,
                                     const mucmm_cmat *differences,
                                     const mucmm_display_params *params, mucmm_display **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_display_params p;
    mucmm_display *d = NULL;
    float *measured = NULL;

    *out = NULL;
    TRY(mucmm__display_params_take(ctx, params, &p));
    if (p.null || map < MUCMM_MAP_GRADIENT || map > MUCMM_MAP_LCMV)
        TRY(mucmm__fail(ctx, MUCMM_EARG,
                        p.null ? "display: null models are for maps of an explanation"
                               : "display: the kind of map that the values are must be named"));
    TRY(mucmm__alloc(ctx, 1, sizeof *d, &d));
    TRY(mucmm__display_start(ctx, data, rows, n, &p, d));
    TRY(check_matrix(ctx, d, "values", values));
    TRY(check_matrix(ctx, d, "differences", differences));
    TRY(mucmm__strdup(ctx, mucmm_data_label(data), &d->title));
    TRY(copy_matrix(ctx, values, &d->values));
    TRY(copy_matrix(ctx, differences, &measured));
    TRY(mucmm__display_fill(ctx, d, map, measured));
    *out = d;
    d = NULL;
done:
    mucmm__free(measured);
    mucmm_display_free(d);
    return status;
}

/* ---- looking ----------------------------------------------------------------------- */

mucmm_look mucmm_display_look(const mucmm_display *d)
{
    return d->look;
}

int64_t mucmm_display_samples(const mucmm_display *d)
{
    return d->n;
}

int64_t mucmm_display_row(const mucmm_display *d, int64_t i)
{
    return i >= 0 && i < d->n ? d->rows[i] : -1;
}

int32_t mucmm_display_shape(const mucmm_display *d, int64_t shape[MUCMM_MAX_RANK])
{
    memcpy(shape, d->shape, (size_t)d->rank * sizeof *shape);
    return d->rank;
}

float mucmm_display_scale(const mucmm_display *d)
{
    return d->scale;
}

const float *mucmm_display_values(const mucmm_display *d)
{
    return d->values;
}

int32_t mucmm_display_has_map(const mucmm_display *d, int64_t i)
{
    return d->values && i >= 0 && i < d->n &&
           mucmm__state_of_map(d->values + i * d->cols, d->cols) != MUCMM__MAP_NONE;
}

const float *mucmm_display_p_values(const mucmm_display *d)
{
    return d->p_values;
}

const double *mucmm_display_scores(const mucmm_display *d)
{
    return d->scores;
}

const float *mucmm_display_cells(const mucmm_display *d, int64_t i, int64_t *rows, int64_t *cols)
{
    *rows = d->cell_rows;
    *cols = d->cell_cols;
    return d->cells && i >= 0 && i < d->n ? d->cells + i * d->cell_rows * d->cell_cols : NULL;
}

mucmm_status mucmm__display_check(mucmm_ctx *ctx, const mucmm_display *d, int64_t i)
{
    if (i < 0 || i >= d->n)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "display: sample %" PRId64 " asked for, the samples are 0 to %" PRId64,
                           i, d->n - 1);
    return MUCMM_OK;
}

mucmm_status mucmm_display_picture(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                   unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__display_check(ctx, d, i));
    if (d->cell_rows == 0)
        TRY(mucmm__fail(ctx, MUCMM_EARG, "display: the rows of %s are no pictures and no sounds",
                        mucmm_data_label(d->data)));
    if (d->look == MUCMM_LOOK_PICTURE)
        TRY(mucmm__picture_colours(ctx, d, i, rgb));
    else
        TRY(mucmm__sound_colours(ctx, d, i, rgb));
done:
    return status;
}

const mucmm_tick *mucmm_display_ticks(const mucmm_display *d, int32_t axis, int32_t *n)
{
    *n = axis == 0 || axis == 1 ? d->n_ticks[axis] : 0;
    return axis == 1 ? d->ticks + d->n_ticks[0] : d->ticks;
}

int64_t mucmm_display_labels(const mucmm_display *d, int64_t i, const char *const **labels,
                             const float **values)
{
    bool known = d->labels && i >= 0 && i < d->n;

    *labels = known ? d->labels[i].shown : NULL;
    *values = known ? d->labels[i].value : NULL;
    return known ? d->labels[i].n : 0;
}
