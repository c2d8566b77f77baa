/* SPDX-License-Identifier: MIT
 *
 * detect.c - what detectors add to a convolutional network: NonMaxSuppression, RoiAlign,
 * GridSample; and Det. */
#include "graph/graph.h"
#include "linalg/linalg.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number(const mucmm__desc *d, const void *x, int64_t i)
{
    return d->dtype == MUCMM_F32 ? (double)((const float *)x)[i]
                                 : mucmm__number_get(d->dtype, x, i);
}

static mucmm_status check_rank(const mucmm__call *c, int32_t i, int32_t rank)
{
    if (c->in[i]->rank != rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "input %d has %d dimensions; it must have %d", i,
                              c->in[i]->rank, rank);
    return MUCMM_OK;
}

/* ---- NonMaxSuppression ------------------------------------------------------------- */

/* boxes [n, m, 4], scores [n, classes, m] -> rows (batch, class, box) of the boxes that are kept:
 * by falling score, those that overlap no kept one by more than the threshold. How many there
 * are is known only with the numbers, so infer selects too. */

typedef struct candidate {
    float score;
    int64_t box;
} candidate;

typedef struct nms {
    const float *boxes, *scores;
    int64_t limit; /* of kept boxes a class                    */
    float overlap, least;
    bool has_least, centers;
    candidate *list; /* [m]                         */
    int64_t *kept;   /* [m]                         */
} nms;

static mucmm_status nms_check(const mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *boxes = c->in[0], *scores = c->in[1];

    for (int32_t i = 0; i < 5; i++)
        if (mucmm__has_in(c, i)) {
            TRY(mucmm__check_type(c, i, 1u << (i == 2 ? MUCMM_I64 : MUCMM_F32)));
            if (i >= 2 && mucmm__desc_count(c->in[i]) != 1)
                return mucmm__op_fail(c, MUCMM_ESHAPE, "input %d must be a single number", i);
        }
    TRY(check_rank(c, 0, 3));
    TRY(check_rank(c, 1, 3));
    if (boxes->shape[2] != 4 || boxes->shape[0] != scores->shape[0] ||
        boxes->shape[1] != scores->shape[2]) {
        char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "boxes are %s and scores %s; they must be [n, m, 4] and [n, k, m]",
                              mucmm__shape_text(a, boxes), mucmm__shape_text(b, scores));
    }
done:
    return status;
}

static nms nms_of(const mucmm__call *c, const void *const *x, void *work)
{
    int64_t m = c->in[0]->shape[1];
    nms s = {.boxes = x[0], .scores = x[1], .list = work};

    s.kept = (int64_t *)(void *)(s.list + m);
    s.limit = mucmm__has_in(c, 2) ? *(const int64_t *)x[2] : 0;
    s.overlap = mucmm__has_in(c, 3) ? *(const float *)x[3] : 0;
    s.has_least = mucmm__has_in(c, 4);
    s.least = s.has_least ? *(const float *)x[4] : 0;
    s.centers = mucmm__attr_int(c->node, "center_point_box", 0) != 0;
    return s;
}

static int64_t nms_work(const mucmm__call *c)
{
    return c->in[0]->shape[1] * (int64_t)(sizeof(candidate) + sizeof(int64_t));
}

static int by_score(const void *a, const void *b)
{
    const candidate *p = a, *q = b;

    if (p->score != q->score)
        return p->score > q->score ? -1 : 1;
    return p->box < q->box ? -1 : p->box > q->box;
}

/* Low and high end of a box along axis 0 or 1; the axes of the two formats are swapped, which
 * changes no area. */
static void box_ends(const float *box, bool centers, int32_t axis, float *low, float *high)
{
    float a = box[axis], b = box[2 + axis];

    if (centers) {
        *low = a - b / 2;
        *high = a + b / 2;
    } else {
        *low = a < b ? a : b;
        *high = a < b ? b : a;
    }
}

static bool too_close(const nms *s, const float *a, const float *b)
{
    float area_a = 1, area_b = 1, both = 1;

    for (int32_t axis = 0; axis < 2; axis++) {
        float a0, a1, b0, b1, common;
        box_ends(a, s->centers, axis, &a0, &a1);
        box_ends(b, s->centers, axis, &b0, &b1);
        common = (a1 < b1 ? a1 : b1) - (a0 > b0 ? a0 : b0);
        area_a *= a1 - a0;
        area_b *= b1 - b0;
        both *= common > 0 ? common : 0;
    }
    return both > 0 && area_a > 0 && area_b > 0 && both / (area_a + area_b - both) > s->overlap;
}

/* Fills s->kept of one batch and class; returns how many. */
static int64_t nms_class(const nms *s, const float *boxes, const float *scores, int64_t m)
{
    int64_t n = 0, kept = 0;

    for (int64_t i = 0; i < m; i++)
        if (!isnan(scores[i]) && (!s->has_least || scores[i] > s->least))
            s->list[n++] = (candidate){scores[i], i};
    qsort(s->list, (size_t)n, sizeof *s->list, by_score);
    for (int64_t i = 0; i < n && kept < s->limit; i++) {
        bool keep = true;
        for (int64_t k = 0; k < kept && keep; k++)
            keep = !too_close(s, boxes + 4 * s->kept[k], boxes + 4 * s->list[i].box);
        if (keep)
            s->kept[kept++] = s->list[i].box;
    }
    return kept;
}

/* Rows of the result; those below max_rows go to out (NULL: they are only counted). */
static int64_t nms_select(const mucmm__call *c, const nms *s, int64_t *out, int64_t max_rows)
{
    int64_t n = c->in[1]->shape[0], classes = c->in[1]->shape[1], m = c->in[1]->shape[2], rows = 0;

    for (int64_t b = 0; b < n && m > 0; b++)
        for (int64_t k = 0; k < classes; k++) {
            int64_t kept = nms_class(s, s->boxes + b * m * 4, s->scores + (b * classes + k) * m, m);
            for (int64_t i = 0; i < kept; i++, rows++)
                if (out && rows < max_rows) {
                    out[3 * rows] = b;
                    out[3 * rows + 1] = k;
                    out[3 * rows + 2] = s->kept[i];
                }
        }
    return rows;
}

static mucmm_status nms_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    void *work = NULL;
    nms s;

    TRY(nms_check(c));
    for (int32_t i = 0; i < c->n_in; i++)
        if (c->in[i] && !c->known[i] && mucmm__desc_count(c->in[i]) > 0)
            return MUCMM__EVALUE;
    TRY(mucmm__alloc(c->ctx, nms_work(c), 1, &work));
    s = nms_of(c, c->known, work);
    TRY(mucmm__out(c, 0, MUCMM_I64, 2, (int64_t[]){nms_select(c, &s, NULL, 0), 3}));
done:
    mucmm__free(work);
    return status;
}

static mucmm_status nms_prepare(mucmm__call *c)
{
    c->scratch = nms_work(c);
    return MUCMM_OK;
}

static mucmm_status nms_forward(mucmm__call *c)
{
    nms s = nms_of(c, c->x, c->work);
    int64_t rows = c->out[0]->shape[0];

    if (nms_select(c, &s, c->y[0], rows) != rows)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the boxes differ from those of the plan");
    return MUCMM_OK;
}

/* ---- points between pixels --------------------------------------------------------- */

/* Value at a place = sum over pixels of weight_y weight_x x: up to 4 taps along each axis. */

typedef struct taps {
    int64_t place[4];
    double weight[4], slope[4]; /* d weight / d coordinate */
    int32_t n;
} taps;

/* ---- RoiAlign ---------------------------------------------------------------------- */

/* He et al. 2017. Every bin of a region is the mean (or maximum) of points that are
 * interpolated between four pixels. */

#define ROI_MAX_POINTS 1024 /* along one axis of a bin */

typedef struct roi_state {
    int64_t height, width, points;
    double scale, shift;
    bool is_max, at_least_one;
} roi_state;

/* One axis of a region: point p of bin b lies at start + b bin + (p + 1/2) bin / points. */
typedef struct roi_axis {
    double start, bin;
    int64_t points;
} roi_axis;

static mucmm_status roi_attributes(const mucmm__call *c, roi_state *s)
{
    const char *mode = mucmm__attr_string(c->node, "mode", "avg");
    const char *where =
        mucmm__attr_string(c->node, "coordinate_transformation_mode",
                           c->node->opset < 16 ? "output_half_pixel" : "half_pixel");

    *s = (roi_state){
        .height = mucmm__attr_int(c->node, "output_height", 1),
        .width = mucmm__attr_int(c->node, "output_width", 1),
        .points = mucmm__attr_int(c->node, "sampling_ratio", 0),
        .scale = (double)mucmm__attr_float(c->node, "spatial_scale", 1),
        .is_max = strcmp(mode, "max") == 0,
        .at_least_one = strcmp(where, "output_half_pixel") == 0,
    };
    s->shift = s->at_least_one ? 0 : -0.5;
    if (!s->is_max && strcmp(mode, "avg") != 0)
        return mucmm__op_fail(c, MUCMM_EARG, "mode is '%.40s'; it must be avg or max", mode);
    if (!s->at_least_one && strcmp(where, "half_pixel") != 0)
        return mucmm__op_fail(c, MUCMM_EARG, "coordinate_transformation_mode is '%.40s'", where);
    if (s->height < 1 || s->width < 1 || s->points < 0 || s->points > ROI_MAX_POINTS)
        return mucmm__op_fail(c, MUCMM_EARG,
                              "the output must have at least one bin along each axis, and "
                              "sampling_ratio lie in 0..%d",
                              ROI_MAX_POINTS);
    return MUCMM_OK;
}

static mucmm_status roi_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    roi_state s;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    TRY(mucmm__check_type(c, 1, 1u << c->in[0]->dtype));
    TRY(mucmm__check_type(c, 2, 1u << MUCMM_I64));
    TRY(check_rank(c, 0, 4));
    TRY(check_rank(c, 1, 2));
    TRY(check_rank(c, 2, 1));
    TRY(roi_attributes(c, &s));
    if (c->in[1]->shape[1] != 4 || c->in[1]->shape[0] != c->in[2]->shape[0])
        return mucmm__op_fail(c, MUCMM_ESHAPE, "rois must be [n, 4] and batch_indices [n]");
    TRY(mucmm__out(c, 0, c->in[0]->dtype, 4,
                   (int64_t[]){c->in[1]->shape[0], c->in[0]->shape[1], s.height, s.width}));
done:
    return status;
}

/* Axis 0 is x, 1 is y. */
static bool roi_axis_init(const roi_state *s, const mucmm__call *c, int64_t r, int64_t axis,
                          roi_axis *a)
{
    double from = s->scale * number(c->in[1], c->x[1], 4 * r + axis) + s->shift;
    double size = s->scale * number(c->in[1], c->x[1], 4 * r + 2 + axis) + s->shift - from;
    double points;

    if (s->at_least_one && size < 1)
        size = 1;
    a->start = from;
    a->bin = size / (double)(axis ? s->height : s->width);
    points = s->points > 0 ? (double)s->points : ceil(a->bin);
    if (!isfinite(from) || !isfinite(size) || points > ROI_MAX_POINTS)
        return false;
    a->points = points > 0 ? (int64_t)points : 0;
    return true;
}

static mucmm_status roi_check(const mucmm__call *c, const roi_state *s)
{
    const int64_t *image = c->x[2];
    roi_axis a;

    for (int64_t r = 0; r < c->in[1]->shape[0]; r++) {
        if (image[r] < 0 || image[r] >= c->in[0]->shape[0])
            return mucmm__op_fail(c, MUCMM_EFORMAT,
                                  "batch_indices[%" PRId64 "] is %" PRId64
                                  "; it must be in 0..%" PRId64,
                                  r, image[r], c->in[0]->shape[0] - 1);
        if (!roi_axis_init(s, c, r, 0, &a) || !roi_axis_init(s, c, r, 1, &a))
            return mucmm__op_fail(c, MUCMM_EFORMAT,
                                  "region %" PRId64 " is not finite or needs more than %d points "
                                  "along an axis of a bin",
                                  r, ROI_MAX_POINTS);
    }
    return MUCMM_OK;
}

/* False: the point is outside and counts as zero. */
static bool roi_taps(const roi_axis *a, int64_t bin, int64_t point, int64_t size, taps *t)
{
    double at = a->start + (double)bin * a->bin + ((double)point + .5) * a->bin / (double)a->points;

    if (!(at >= -1 && at <= (double)size) || size == 0)
        return false;
    at = at < 0 ? 0 : at > (double)(size - 1) ? (double)(size - 1) : at;
    t->n = 2;
    t->place[0] = (int64_t)at;
    t->place[1] = t->place[0] + 1 < size ? t->place[0] + 1 : t->place[0];
    t->weight[1] = at - (double)t->place[0];
    t->weight[0] = 1 - t->weight[1];
    return true;
}

static double tap_sum(const mucmm__desc *d, const void *x, int64_t plane, const taps *y,
                      const taps *across, const double *weight_y, const double *weight_x)
{
    int64_t width = d->shape[3];
    double sum = 0;

    for (int32_t i = 0; i < y->n; i++)
        for (int32_t j = 0; j < across->n; j++)
            sum += weight_y[i] * weight_x[j] *
                   number(d, x, plane + y->place[i] * width + across->place[j]);
    return sum;
}

static void tap_spread(float *dx, int64_t width, const taps *y, const taps *across, double g)
{
    for (int32_t i = 0; i < y->n; i++)
        for (int32_t j = 0; j < across->n; j++)
            dx[y->place[i] * width + across->place[j]] +=
                (float)(g * y->weight[i] * across->weight[j]);
}

typedef struct roi_task {
    const mucmm__call *c;
    roi_state s;
    float *dx; /* NULL in forward */
} roi_task;

/* Bin (by, bx) of a region in one plane: its value, and with dx the gradient g spread. */
static double roi_bin(const roi_task *k, const roi_axis axis[2], int64_t by, int64_t bx,
                      int64_t plane, float *dx, double g)
{
    const mucmm__desc *d = k->c->in[0];
    int64_t height = d->shape[2], width = d->shape[3], n = axis[0].points * axis[1].points;
    taps y = {0}, x = {0}, best_y = {0}, best_x = {0};
    double sum = 0, best = -INFINITY;

    for (int64_t i = 0; i < axis[1].points; i++) {
        bool inside = roi_taps(&axis[1], by, i, height, &y);
        for (int64_t j = 0; j < axis[0].points; j++) {
            bool both = roi_taps(&axis[0], bx, j, width, &x) && inside;
            double v = both && (!dx || k->s.is_max)
                           ? tap_sum(d, k->c->x[0], plane, &y, &x, y.weight, x.weight)
                           : 0;
            sum += v;
            if (v > best) {
                best = v;
                best_y = both ? y : (taps){0};
                best_x = x;
            }
            if (dx && both && !k->s.is_max)
                tap_spread(dx, width, &y, &x, g / (double)n);
        }
    }
    if (dx && k->s.is_max)
        tap_spread(dx, width, &best_y, &best_x, g);
    if (n == 0)
        return 0;
    return k->s.is_max ? best : sum / (double)n;
}

/* All regions of channel `channel`; every channel writes its own part of y or dx. */
static void roi_channel(void *arg, int64_t channel)
{
    const roi_task *k = arg;
    const mucmm__call *c = k->c;
    const mucmm__desc *d = c->in[0], *out = c->out[0];
    const int64_t *image = c->x[2];
    int64_t channels = d->shape[1], size = d->shape[2] * d->shape[3];
    float *dx = k->dx;

    for (int64_t n = 0; n < d->shape[0] && dx; n++)
        memset(dx + (n * channels + channel) * size, 0, (size_t)size * sizeof *dx);
    for (int64_t r = 0; r < out->shape[0]; r++) {
        int64_t plane = (image[r] * channels + channel) * size;
        int64_t to = (r * channels + channel) * k->s.height * k->s.width;
        roi_axis axis[2];
        roi_axis_init(&k->s, c, r, 0, &axis[0]);
        roi_axis_init(&k->s, c, r, 1, &axis[1]);
        for (int64_t by = 0; by < k->s.height; by++)
            for (int64_t bx = 0; bx < k->s.width; bx++, to++)
                if (dx)
                    roi_bin(k, axis, by, bx, plane, dx + plane,
                            (double)((const float *)c->dy[0])[to]);
                else
                    mucmm__number_put(out->dtype, c->y[0], to,
                                      roi_bin(k, axis, by, bx, plane, NULL, 0));
    }
}

static mucmm_status roi_run(mucmm__call *c, float *dx)
{
    mucmm_status status = MUCMM_OK;
    roi_task k = {.c = c, .dx = dx};

    TRY(roi_attributes(c, &k.s));
    TRY(roi_check(c, &k.s));
    mucmm__parallel(c->ctx, c->in[0]->shape[1], roi_channel, &k);
done:
    return status;
}

static mucmm_status roi_forward(mucmm__call *c)
{
    return roi_run(c, NULL);
}

static mucmm_status roi_vjp(mucmm__call *c)
{
    return roi_run(c, c->dx[0]);
}

/* ---- GridSample -------------------------------------------------------------------- */

/* X [n, c, h, w], grid [n, oh, ow, 2] of places (x, y) in -1..1 -> Y [n, c, oh, ow]. */

typedef enum grid_mode { GRID_LINEAR, GRID_NEAREST, GRID_CUBIC } grid_mode;
typedef enum grid_padding { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION } grid_padding;

typedef struct grid_state {
    grid_mode mode;
    grid_padding padding;
    bool align;
} grid_state;

static mucmm_status grid_attributes(const mucmm__call *c, grid_state *s)
{
    static const char *const modes[] = {"bilinear", "nearest", "bicubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    const char *mode = mucmm__attr_string(c->node, "mode", modes[0]);
    const char *padding = mucmm__attr_string(c->node, "padding_mode", paddings[0]);
    int32_t m = 0, p = 0;

    while (m < 3 && strcmp(mode, modes[m]) != 0)
        m++;
    while (p < 3 && strcmp(padding, paddings[p]) != 0)
        p++;
    if (m == 3 || p == 3)
        return mucmm__op_fail(c, MUCMM_EARG, "mode '%.40s' with padding_mode '%.40s' is unknown",
                              mode, padding);
    *s = (grid_state){(grid_mode)m, (grid_padding)p,
                      mucmm__attr_int(c->node, "align_corners", 0) != 0};
    return MUCMM_OK;
}

static mucmm_status grid_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *grid = c->in[1];
    grid_state s;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    TRY(mucmm__check_type(c, 1, MUCMM__TYPES_FLOAT));
    TRY(check_rank(c, 0, 4));
    TRY(check_rank(c, 1, 4));
    TRY(grid_attributes(c, &s));
    if (grid->shape[3] != 2 || grid->shape[0] != x->shape[0]) {
        char a[MUCMM__SHAPE_TEXT], b[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "X is %s and grid %s; they must be [n, c, h, w] and [n, oh, ow, 2]",
                              mucmm__shape_text(a, x), mucmm__shape_text(b, grid));
    }
    if ((x->shape[2] == 0 || x->shape[3] == 0) && mucmm__desc_count(grid) > 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "X has no pixels to take from");
    TRY(mucmm__out(c, 0, x->dtype, 4,
                   (int64_t[]){x->shape[0], x->shape[1], grid->shape[1], grid->shape[2]}));
done:
    return status;
}

/* Into [low, high] by mirrors at both ends; *slope is multiplied by the derivative. */
static double reflect(double at, double low, double high, double *slope)
{
    double range = high - low, from = at - low, turns;

    if (range <= 0) {
        *slope = 0;
        return low;
    }
    if (from < 0) {
        from = -from;
        *slope = -*slope;
    }
    turns = floor(from / range);
    from -= turns * range;
    if (fmod(turns, 2) != 0) {
        from = range - from;
        *slope = -*slope;
    }
    return from + low;
}

static double reflect_pixel(const grid_state *s, double at, double size, double *slope)
{
    return s->align ? reflect(at, 0, size - 1, slope) : reflect(at, -.5, size - .5, slope);
}

static double clip(double at, double size, double *slope)
{
    if (at < 0 || at > size - 1)
        *slope = 0;
    return at < 0 ? 0 : at > size - 1 ? size - 1 : at;
}

/* Cubic convolution with a = -3/4 (Keys 1981) at distances 1 + f, f, 1 - f, 2 - f. */
static void cubic_taps(double f, taps *t)
{
    static const double a = -.75;

    for (int32_t i = 0; i < 4; i++) {
        double d = fabs(f + 1 - i), sign = i <= 1 ? 1 : -1;
        if (i == 1 || i == 2) {
            t->weight[i] = ((a + 2) * d - (a + 3)) * d * d + 1;
            t->slope[i] = sign * (3 * (a + 2) * d - 2 * (a + 3)) * d;
        } else {
            t->weight[i] = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
            t->slope[i] = sign * ((3 * a * d - 10 * a) * d + 8 * a);
        }
    }
}

/* Taps along an axis of `size` pixels for the grid's number g; slope is d weight / d g. */
static void grid_taps(const grid_state *s, double g, int64_t size, taps *t)
{
    double n = (double)size, slope = s->align ? (n - 1) / 2 : n / 2, first;
    double at = s->align ? (g + 1) * slope : ((g + 1) * n - 1) / 2;

    if (!(fabs(at) < 1e15)) /* far outside, or no number */
        at = -100;
    if (s->padding == GRID_REFLECTION && s->mode != GRID_CUBIC)
        at = reflect_pixel(s, at, n, &slope);
    if (s->padding != GRID_ZEROS && s->mode != GRID_CUBIC)
        at = clip(at, n, &slope);
    first = s->mode == GRID_NEAREST ? nearbyint(at) : floor(at);
    *t = (taps){.n = s->mode == GRID_NEAREST ? 1 : s->mode == GRID_LINEAR ? 2 : 4};
    if (s->mode == GRID_CUBIC) {
        cubic_taps(at - first, t);
        first -= 1;
    } else if (s->mode == GRID_LINEAR) {
        t->weight[1] = at - first;
        t->weight[0] = 1 - t->weight[1];
        t->slope[0] = -1;
        t->slope[1] = 1;
    } else {
        t->weight[0] = 1;
    }
    for (int32_t i = 0; i < t->n; i++) {
        double place = first + i, unused = 0;
        if (s->padding == GRID_REFLECTION)
            place = reflect_pixel(s, place, n, &unused);
        if (s->padding != GRID_ZEROS)
            place = clip(place, n, &unused);
        t->slope[i] *= slope;
        if (place < 0 || place > n - 1)
            t->weight[i] = t->slope[i] = place = 0;
        t->place[i] = (int64_t)place;
    }
}

typedef struct grid_task {
    const mucmm__call *c;
    grid_state s;
} grid_task;

/* Taps of output place i = (n oh + y) ow + x. */
static void grid_place(const grid_task *k, int64_t i, taps *y, taps *x)
{
    const mucmm__desc *d = k->c->in[0], *grid = k->c->in[1];

    grid_taps(&k->s, number(grid, k->c->x[1], 2 * i), d->shape[3], x);
    grid_taps(&k->s, number(grid, k->c->x[1], 2 * i + 1), d->shape[2], y);
}

static void grid_values(void *arg, int64_t first, int64_t last)
{
    const grid_task *k = arg;
    const mucmm__desc *d = k->c->in[0], *out = k->c->out[0];
    int64_t channels = d->shape[1], size = d->shape[2] * d->shape[3],
            places = out->shape[2] * out->shape[3];
    taps y, x;

    for (int64_t i = first; i < last; i++) {
        int64_t n = i / places;
        grid_place(k, i, &y, &x);
        for (int64_t c = n * channels; c < (n + 1) * channels; c++)
            mucmm__number_put(out->dtype, k->c->y[0], c * places + i % places,
                              tap_sum(d, k->c->x[0], c * size, &y, &x, y.weight, x.weight));
    }
}

static void grid_slopes(void *arg, int64_t first, int64_t last)
{
    const grid_task *k = arg;
    const mucmm__desc *d = k->c->in[0], *out = k->c->out[0];
    int64_t channels = d->shape[1], size = d->shape[2] * d->shape[3],
            places = out->shape[2] * out->shape[3];
    const float *dy = k->c->dy[0];
    float *dgrid = k->c->dx[1];
    taps y, x;

    for (int64_t i = first; i < last; i++) {
        double along_x = 0, along_y = 0;
        int64_t n = i / places;
        grid_place(k, i, &y, &x);
        for (int64_t c = n * channels; c < (n + 1) * channels; c++) {
            double g = (double)dy[c * places + i % places];
            along_x += g * tap_sum(d, k->c->x[0], c * size, &y, &x, y.weight, x.slope);
            along_y += g * tap_sum(d, k->c->x[0], c * size, &y, &x, y.slope, x.weight);
        }
        dgrid[2 * i] = (float)along_x;
        dgrid[2 * i + 1] = (float)along_y;
    }
}

static void grid_spread(void *arg, int64_t plane)
{
    const grid_task *k = arg;
    const mucmm__desc *d = k->c->in[0], *out = k->c->out[0];
    int64_t size = d->shape[2] * d->shape[3], places = out->shape[2] * out->shape[3];
    float *dx = (float *)k->c->dx[0] + plane * size;
    const float *dy = (const float *)k->c->dy[0] + plane * places;
    taps y, x;

    memset(dx, 0, (size_t)size * sizeof *dx);
    for (int64_t i = 0; i < places; i++) {
        grid_place(k, plane / d->shape[1] * places + i, &y, &x);
        tap_spread(dx, d->shape[3], &y, &x, (double)dy[i]);
    }
}

#define GRID_GRAIN 1024

static mucmm_status grid_forward(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    grid_task k = {.c = c};

    TRY(grid_attributes(c, &k.s));
    mucmm__parallel_range(c->ctx, mucmm__desc_count(c->in[1]) / 2, GRID_GRAIN, grid_values, &k);
done:
    return status;
}

static mucmm_status grid_vjp(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    grid_task k = {.c = c};

    TRY(grid_attributes(c, &k.s));
    if (c->dx[0])
        mucmm__parallel(c->ctx, c->in[0]->shape[0] * c->in[0]->shape[1], grid_spread, &k);
    if (c->dx[1])
        mucmm__parallel_range(c->ctx, mucmm__desc_count(c->in[1]) / 2, GRID_GRAIN, grid_slopes, &k);
done:
    return status;
}

/* ---- Det --------------------------------------------------------------------------- */

/* By
 * elimination with partial pivoting. The gradient is the matrix of cofactors; with A = U S V', cof
 * A = det U det V  U diag(prod_{j != i} s_j) V',  also where A is singular. */

static mucmm_status det_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    if (x->rank < 2 || x->shape[x->rank - 1] != x->shape[x->rank - 2]) {
        char text[MUCMM__SHAPE_TEXT];
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input is %s; it must hold square matrices",
                              mucmm__shape_text(text, x));
    }
    TRY(mucmm__out(c, 0, x->dtype, x->rank - 2, x->shape));
done:
    return status;
}

static mucmm_status det_prepare(mucmm__call *c)
{
    int64_t m = c->in[0]->shape[c->in[0]->rank - 1];

    c->scratch = m * m * (int64_t)sizeof(double);
    c->vjp_scratch = 4 * m * (m + 1) * (int64_t)sizeof(double);
    return MUCMM_OK;
}

/* a [m, m] is destroyed. */
static double determinant(double *a, int64_t m)
{
    double det = 1;

    for (int64_t k = 0; k < m; k++) {
        int64_t p = k;
        for (int64_t i = k + 1; i < m; i++)
            if (fabs(a[i * m + k]) > fabs(a[p * m + k]))
                p = i;
        if (a[p * m + k] == 0)
            return 0;
        for (int64_t j = k; j < m && p != k; j++) {
            double t = a[k * m + j];
            a[k * m + j] = a[p * m + j];
            a[p * m + j] = t;
        }
        det *= p == k ? a[k * m + k] : -a[k * m + k];
        for (int64_t i = k + 1; i < m; i++) {
            double f = a[i * m + k] / a[k * m + k];
            for (int64_t j = k; j < m; j++)
                a[i * m + j] -= f * a[k * m + j];
        }
    }
    return det;
}

static mucmm_status det_forward(mucmm__call *c)
{
    const mucmm__desc *d = c->in[0];
    int64_t m = d->shape[d->rank - 1], n = mucmm__desc_count(c->out[0]);
    double *a = c->work;

    for (int64_t b = 0; b < n; b++) {
        for (int64_t i = 0; i < m * m; i++)
            a[i] = number(d, c->x[0], b * m * m + i);
        mucmm__number_put(d->dtype, c->y[0], b, determinant(a, m));
    }
    return MUCMM_OK;
}

static double determinant_of(const double *a, double *work, int64_t m)
{
    memcpy(work, a, (size_t)(m * m) * sizeof *work);
    return determinant(work, m);
}

static mucmm_status det_vjp(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *d = c->in[0];
    int64_t m = d->shape[d->rank - 1], n = m > 0 ? mucmm__desc_count(c->out[0]) : 0;
    double *a = c->work, *u = a + m * m, *vt = u + m * m, *s = vt + m * m, *t = s + m, sign;

    for (int64_t b = 0; b < n; b++) {
        const float *x = (const float *)c->x[0] + b * m * m;
        float *dx = (float *)c->dx[0] + b * m * m;
        for (int64_t i = 0; i < m * m; i++)
            a[i] = (double)x[i];
        TRY(mucmm__svd(c->ctx, m, m, a, u, s, vt));
        sign = determinant_of(u, a, m) * determinant_of(vt, a, m);
        for (int64_t i = 0; i < m; i++) {
            t[i] = sign * (double)((const float *)c->dy[0])[b];
            for (int64_t j = 0; j < m; j++)
                t[i] *= j == i ? 1 : s[j];
        }
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < m; j++) {
                double sum = 0;
                for (int64_t k = 0; k < m; k++)
                    sum += u[i * m + k] * t[k] * vt[k * m + j];
                dx[i * m + j] = (float)sum;
            }
    }
done:
    return status;
}

const mucmm__op mucmm__ops_detect[] = {
    {"NonMaxSuppression", 10, 0, 2, 5, 1, 1, nms_infer, nms_forward, NULL, 0, 0, 0, 0, NULL,
     nms_prepare, NULL},
    {"RoiAlign", 10, 0, 3, 3, 1, 1, roi_infer, roi_forward, roi_vjp, 1, MUCMM__ALL, 0, 0, NULL,
     NULL, NULL},
    {"GridSample", 16, 0, 2, 2, 1, 1, grid_infer, grid_forward, grid_vjp, 1 | 2, 1 | 2, 0, 0, NULL,
     NULL, NULL},
    {"Det", 11, 0, 1, 1, 1, 1, det_infer, det_forward, det_vjp, 1, 1, 0, 0, NULL, det_prepare,
     NULL},
    {0},
};
