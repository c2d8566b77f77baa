/* SPDX-License-Identifier: MIT
 *
 * Inputs that hold nothing, from which maps are measured. */
#include "explain/baseline.h"

#include "model/impute.h"
#include "model/robust.h"

#include "encode/encoded.h"
#include "encode/layout.h"
#include "explain/raw_moments.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- blur -------------------------------------------------------------------------- */

/* The last two axes of rows that are no picture are its planes. */
static mucmm__layout find_layout(const int64_t *shape, int32_t rank)
{
    mucmm__layout l = mucmm__layout_of(MUCMM_SOURCE_ROWS, shape, rank);

    if (l.kind == MUCMM__LAYOUT_PICTURE)
        return l;
    l = (mucmm__layout){
        .height = shape[rank - 2], .width = shape[rank - 1], .channels = 1, .cell = 1};
    l.plane = l.height * l.width;
    for (int32_t i = 0; i < rank - 2; i++)
        l.channels *= shape[i];
    return l;
}

/* A line of n cells, `step` apart. */
static void blur_line(const double *kernel, int64_t radius, int64_t n, int64_t step,
                      const double *x, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t k = -radius; k <= radius; k++) {
            int64_t at = i + k < 0 ? 0 : i + k >= n ? n - 1 : i + k;
            sum += kernel[k < 0 ? -k : k] * x[at * step];
        }
        out[i * step] = sum;
    }
}

/* kernel [radius + 1]: the middle and one side. */
static mucmm_status make_kernel(mucmm_ctx *ctx, double sigma, int64_t radius, double **kernel)
{
    mucmm_status status = MUCMM_OK;
    double total = 0;

    TRY(mucmm__alloc(ctx, radius + 1, sizeof **kernel, kernel));
    for (int64_t k = 0; k <= radius; k++) {
        (*kernel)[k] = exp(-(double)(k * k) / (2 * sigma * sigma));
        total += (k ? 2 : 1) * (*kernel)[k];
    }
    for (int64_t k = 0; k <= radius; k++)
        (*kernel)[k] /= total;
done:
    return status;
}

mucmm_status mucmm__blur(mucmm_ctx *ctx, const int64_t *shape, int32_t rank, const float *x,
                         float *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__layout l = find_layout(shape, rank);
    int64_t side = l.height > l.width ? l.height : l.width, n = l.height * l.width;
    double sigma = fmax((double)side / 16, 1), *kernel = NULL, *a = NULL, *b = NULL;
    int64_t radius = (int64_t)ceil(3 * sigma);

    TRY(make_kernel(ctx, sigma, radius, &kernel));
    TRY(mucmm__alloc(ctx, n, sizeof *a, &a));
    TRY(mucmm__alloc(ctx, n, sizeof *b, &b));
    for (int64_t c = 0; c < l.channels; c++) {
        for (int64_t i = 0; i < n; i++)
            a[i] = (double)x[c * l.plane + i * l.cell];
        for (int64_t y = 0; y < l.height; y++)
            blur_line(kernel, radius, l.width, 1, a + y * l.width, b + y * l.width);
        for (int64_t u = 0; u < l.width; u++)
            blur_line(kernel, radius, l.height, l.width, b + u, a + u);
        for (int64_t i = 0; i < n; i++)
            out[c * l.plane + i * l.cell] = (float)a[i];
    }
done:
    mucmm__free(kernel);
    mucmm__free(a);
    mucmm__free(b);
    return status;
}

static double origin_at(const mucmm__view_info *v, int64_t j)
{
    return v->origin ? v->origin[j] : 0;
}

/* Empty cells of a row x [p], which has its origin. */
static void fill(const mucmm__view_info *v, int64_t p, float *x)
{
    for (int64_t j = 0; v->imputer && v->origin && j < p; j++)
        x[j] = (float)((double)x[j] - v->origin[j]);
    if (v->imputer)
        mucmm__impute_row(v->imputer, x);
    for (int64_t j = 0; v->imputer && v->origin && j < p; j++)
        x[j] = (float)((double)x[j] + v->origin[j]);
}

/* The picture is blurred in raw units. */
static mucmm_status blurred(mucmm_ctx *ctx, const mucmm__samples *s, int64_t i, const float *x,
                            float *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = mucmm_data_raw_shape(s->data[s->view], shape);
    float *raw = NULL;

    if (s->encoded)
        return mucmm__blur(ctx, shape, rank, x, out);
    TRY(mucmm__alloc(ctx, s->cols, sizeof *raw, &raw));
    if (v->adjust) {
        TRY(mucmm_data_read(ctx, s->data[s->view], s->rows + i, 1,
                            &(mucmm_mat){raw, 1, s->cols, s->cols}));
        fill(v, s->cols, raw);
    } else
        for (int64_t j = 0; j < s->cols; j++)
            raw[j] = (float)((double)x[j] * v->scale[j] + v->mean[j] + origin_at(v, j));
    TRY(mucmm__blur(ctx, shape, rank, raw, out));
    for (int64_t j = 0; v->origin && j < s->cols; j++)
        out[j] = (float)((double)out[j] - v->origin[j]);
    if (v->adjust)
        TRY(mucmm__scale_features(ctx, v, s->data[s->view], s->rows + i, 1, out));
    else
        for (int64_t j = 0; j < s->cols; j++)
            out[j] = (float)(((double)out[j] - v->mean[j]) / v->scale[j]);
done:
    mucmm__free(raw);
    return status;
}

static mucmm_status check_blurred(mucmm_ctx *ctx, const mucmm__samples *s)
{
    const mucmm_data *d = s->data[s->view];
    mucmm_source_kind kind = mucmm_data_source_kind(d);
    int64_t shape[MUCMM_MAX_RANK];

    if (kind == MUCMM_SOURCE_TEXT || kind == MUCMM_SOURCE_AUDIO ||
        mucmm_data_raw_shape(d, shape) < 2)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "view '%s' cannot be blurred: its rows are no pictures (of at least two "
                           "axes); take another baseline: zero, the mean, or a row",
                           s->m->view[s->view].name);
    return MUCMM_OK;
}

/* ---- the same for all samples ------------------------------------------------------ */

static mucmm_status mean_row(mucmm_ctx *ctx, const mucmm__samples *s, float *row)
{
    const mucmm_data *training = s->p->training;

    if (!s->encoded) /* 0 in units of the scaled columns */
        return MUCMM_OK;
    if (training)
        return mucmm__raw_mean(ctx, training, s->cols, row);
    if (s->p->baseline == MUCMM_BASELINE_MEAN)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "the mean of view '%s' needs the training rows, whose raw inputs the "
                           "model does not carry",
                           s->m->view[s->view].name);
    return MUCMM_OK;
}

static mucmm_status given_row(mucmm_ctx *ctx, const mucmm__samples *s, float *row)
{
    const mucmm_data *d = s->data[s->view];
    int64_t at = s->p->baseline_row;

    if (at < 0 || at >= mucmm_data_rows(d))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "baseline row %" PRId64 " is out of range: %s has %" PRId64
                           " rows, counted from 0",
                           at, mucmm_data_label(d), mucmm_data_rows(d));
    if (s->encoded)
        return mucmm_data_read_raw(ctx, d, &at, 1, &(mucmm_mat){row, 1, s->cols, s->cols});
    if (s->m->view[s->view].adjust)
        return mucmm__data_read_less(ctx, d, s->m->view[s->view].origin, &at, 1,
                                     &(mucmm_mat){row, 1, s->cols, s->cols});
    return mucmm__features(ctx, &s->m->view[s->view], d, &at, 1, row);
}

mucmm_status mucmm__baselines_start(mucmm_ctx *ctx, const mucmm__samples *s, mucmm__baselines *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__view_info *v = &s->m->view[s->view];

    *out = (mucmm__baselines){.s = s};
    if (s->p->baseline == MUCMM_BASELINE_BLURRED)
        return check_blurred(ctx, s);
    TRY(mucmm__alloc(ctx, s->cols, sizeof *out->row, &out->row));
    out->each = v->adjust && !s->encoded &&
                (s->p->baseline == MUCMM_BASELINE_ROW || s->p->baseline == MUCMM_BASELINE_ZERO);
    if (s->p->baseline == MUCMM_BASELINE_ROW)
        TRY(given_row(ctx, s, out->row));
    else if (s->p->baseline != MUCMM_BASELINE_ZERO)
        TRY(mean_row(ctx, s, out->row));
    else
        for (int64_t j = 0; j < s->cols && !s->encoded; j++) {
            double zero = -origin_at(v, j);
            zero = v->robust && !out->each ? mucmm__robust_value(v->robust, j, zero) : zero;
            out->row[j] = (float)(out->each ? zero : (zero - v->mean[j]) / v->scale[j]);
        }
done:
    return status;
}

void mucmm__baselines_drop(mucmm__baselines *b)
{
    mucmm__free(b->row);
}

mucmm_status mucmm__baseline(mucmm_ctx *ctx, const mucmm__baselines *b, int64_t i, const float *x,
                             float *out)
{
    const mucmm__samples *s = b->s;

    if (!b->row)
        return blurred(ctx, s, i, x, out);
    memcpy(out, b->row, (size_t)s->cols * sizeof *out);
    if (b->each)
        return mucmm__scale_features(ctx, &s->m->view[s->view], s->data[s->view], s->rows + i, 1,
                                     out);
    return MUCMM_OK;
}
