/* SPDX-License-Identifier: MIT
 *
 * image.c - a picture of any size to the tensor of an encoder. Resizing is Pillow's to the last bit
 * (a separable filter, widened when shrinking, 8-bit after each pass), because that is what most
 * encoders were trained behind. */
#include "encode/source.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MAX_SIDE 16384
#define WEIGHT_BITS                                                                                \
    22 /* weights are integers, 2^22 = 1: 8-bit pixels and their sum fit 32 bits                   \
        */

/* ---- names ------------------------------------------------------------------------- */

static const char *const fit_names[] = {"stretch", "crop", "pad", NULL};
static const char *const filter_names[] = {"bilinear", "bicubic", NULL};
static const char *const channels_names[] = {"rgb", "bgr", "grey", NULL};
static const char *const layout_names[] = {"nchw", "nhwc", NULL};

static const struct {
    const char *name;
    float mean[3], std[3];
} presets[] = {
    {"unit", {0, 0, 0}, {1, 1, 1}},
    {"signed", {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}},
    {"imagenet", {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
    {"clip", {0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}},
};

mucmm_status mucmm__image_preset(mucmm_ctx *ctx, const char *name, mucmm__image_params *p)
{
    for (size_t k = 0; k < sizeof presets / sizeof presets[0]; k++)
        if (strcmp(name, presets[k].name) == 0) {
            memcpy(p->mean, presets[k].mean, sizeof p->mean);
            memcpy(p->std, presets[k].std, sizeof p->std);
            return MUCMM_OK;
        }
    return mucmm__fail(ctx, MUCMM_EARG,
                       "no normalization '%s'; there are unit, signed, imagenet and clip", name);
}

static mucmm_status parse(mucmm_ctx *ctx, const char *what, const char *name,
                          const char *const *names, int *out)
{
    char list[64];
    size_t used = 0;

    for (int k = 0; names[k]; k++) {
        if (strcmp(name, names[k]) == 0) {
            *out = k;
            return MUCMM_OK;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", k ? ", " : "", names[k]);
    }
    return mucmm__fail(ctx, MUCMM_EARG, "no %s '%s'; it is one of %s", what, name, list);
}

#define PARSER(noun, type)                                                                         \
    mucmm_status mucmm__image_parse_##noun(mucmm_ctx *ctx, const char *name, type *out)            \
    {                                                                                              \
        int found = 0;                                                                             \
        mucmm_status status = parse(ctx, #noun, name, noun##_names, &found);                       \
        *out = (type)found;                                                                        \
        return status;                                                                             \
    }
PARSER(fit, mucmm__framing)
PARSER(filter, mucmm__filter)
PARSER(channels, mucmm__channels)
PARSER(layout, mucmm__image_axes)
#undef PARSER

/* ---- parameters -------------------------------------------------------------------- */

void mucmm__image_params_init(mucmm__image_params *p)
{
    *p = (mucmm__image_params){
        .fit = MUCMM__FIT_CROP, .std = {1, 1, 1}, .background = {255, 255, 255}};
}

int64_t mucmm__image_depth(const mucmm__image_params *p)
{
    return p->channels == MUCMM__CHANNELS_GREY ? 1 : 3;
}

mucmm_status mucmm__image_check(mucmm_ctx *ctx, const mucmm__image_params *p)
{
    int64_t larger = p->height > p->width ? p->height : p->width;

    if (p->height < 1 || p->width < 1 || larger > MAX_SIDE)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "an image of %" PRId64 " x %" PRId64
                           "; each side must be 1 to %d pixels",
                           p->height, p->width, MAX_SIDE);
    if (p->resize != 0 && p->fit != MUCMM__FIT_CROP)
        return mucmm__fail(ctx, MUCMM_EARG, "resize goes with the fit crop alone");
    if (p->resize != 0 && (p->resize < larger || p->resize > MAX_SIDE))
        return mucmm__fail(ctx, MUCMM_EARG,
                           "resize is %" PRId64 "; it must be at least the larger side, %" PRId64
                           ", and at most %d",
                           p->resize, larger, MAX_SIDE);
    for (int c = 0; c < 3; c++)
        if (!(isfinite(p->mean[c]) && isfinite(p->std[c]) && p->std[c] > 0))
            return mucmm__fail(ctx, MUCMM_EARG,
                               "mean %g and std %g of channel %d; they must be finite, std above 0",
                               (double)p->mean[c], (double)p->std[c], c);
    return MUCMM_OK;
}

/* ---- where the pixels come from ---------------------------------------------------- */

/* The picture is scaled to full.height x full.width, of which a window is wanted; it lies in the
 * output at (top, left). */
typedef struct geometry {
    int64_t full_height, full_width;
    int64_t first_row, first_column; /* of the window, in the scaled picture */
    int64_t height, width;           /* of the window                        */
    int64_t top, left;
} geometry;

/* Half of an even excess; of an odd one the even of its two halves, as Python rounds. */
static int64_t centre(int64_t excess)
{
    int64_t half = excess / 2;
    return excess % 2 ? half + half % 2 : half;
}

static int64_t round_side(double side)
{
    return side < 1 ? 1 : (int64_t)(side + 0.5);
}

/* Long sides are rounded down, as torchvision does. */
static geometry crop_geometry(const mucmm__image_params *p, const mucmm__picture *in)
{
    geometry g = {.height = p->height, .width = p->width};
    bool by_height =
        p->resize ? in->height < in->width : p->height * in->width > p->width * in->height;

    if (by_height) {
        g.full_height = p->resize ? p->resize : p->height;
        g.full_width = g.full_height * in->width / in->height;
    } else {
        g.full_width = p->resize ? p->resize : p->width;
        g.full_height = g.full_width * in->height / in->width;
    }
    g.first_row = centre(g.full_height - g.height);
    g.first_column = centre(g.full_width - g.width);
    return g;
}

static geometry pad_geometry(const mucmm__image_params *p, const mucmm__picture *in)
{
    geometry g = {.height = p->height, .width = p->width};
    double by_height = (double)p->height / (double)in->height,
           by_width = (double)p->width / (double)in->width;

    if (by_height > by_width)
        g.height = round_side((double)in->height * by_width);
    else
        g.width = round_side((double)in->width * by_height);
    g.full_height = g.height;
    g.full_width = g.width;
    g.top = centre(p->height - g.height);
    g.left = centre(p->width - g.width);
    return g;
}

static geometry place(const mucmm__image_params *p, const mucmm__picture *in)
{
    switch (p->fit) {
    case MUCMM__FIT_CROP:
        return crop_geometry(p, in);
    case MUCMM__FIT_PAD:
        return pad_geometry(p, in);
    case MUCMM__FIT_STRETCH:
        break;
    }
    return (geometry){
        .full_height = p->height, .full_width = p->width, .height = p->height, .width = p->width};
}

/* ---- resampling along an axis ------------------------------------------------------ */

static double bilinear(double t)
{
    return fabs(t) < 1 ? 1 - fabs(t) : 0;
}

/* Keys' cubic convolution with a = -1/2. */
static double bicubic(double t)
{
    t = fabs(t);
    if (t < 1)
        return (1.5 * t - 2.5) * t * t + 1;
    return t < 2 ? ((2.5 - 0.5 * t) * t - 4) * t + 2 : 0;
}

/* Output i of n is the sum over j < length[i] of weight[i * most + j] * input[first[i] + j]. */
typedef struct axis {
    int64_t n, most;
    int64_t *first, *length;
    int32_t *weight;
} axis;

static void axis_drop(axis *a)
{
    mucmm__free(a->first);
    mucmm__free(a->length);
    mucmm__free(a->weight);
}

static void weigh(axis *a, int64_t i, double (*kernel)(double), double middle, double stretch,
                  double *scratch)
{
    double sum = 0;

    for (int64_t j = 0; j < a->length[i]; j++) {
        scratch[j] = kernel(((double)(a->first[i] + j) - middle + 0.5) / stretch);
        sum += scratch[j];
    }
    for (int64_t j = 0; j < a->length[i]; j++) {
        double w = sum != 0 ? scratch[j] / sum : scratch[j];
        a->weight[i * a->most + j] = (int32_t)lround(w * (1 << WEIGHT_BITS));
    }
}

/* Of an axis of in pixels scaled to full, the outputs [from, from + n). */
static mucmm_status axis_init(mucmm_ctx *ctx, mucmm__filter filter, int64_t in, int64_t full,
                              int64_t from, int64_t n, axis *a)
{
    mucmm_status status = MUCMM_OK;
    double (*kernel)(double) = filter == MUCMM__FILTER_BICUBIC ? bicubic : bilinear;
    double scale = (double)in / (double)full, stretch = scale > 1 ? scale : 1;
    double reach = stretch * (filter == MUCMM__FILTER_BICUBIC ? 2 : 1);
    double *scratch = NULL;

    a->n = n;
    a->most = 2 * (int64_t)ceil(reach) + 1;
    TRY(mucmm__alloc(ctx, n, sizeof *a->first, &a->first));
    TRY(mucmm__alloc(ctx, n, sizeof *a->length, &a->length));
    TRY(mucmm__alloc(ctx, n * a->most, sizeof *a->weight, &a->weight));
    TRY(mucmm__alloc(ctx, a->most, sizeof *scratch, &scratch));
    for (int64_t i = 0; i < n; i++) {
        double middle = ((double)(from + i) + 0.5) * scale;
        int64_t last = (int64_t)(middle + reach + 0.5);
        a->first[i] = middle - reach + 0.5 > 0 ? (int64_t)(middle - reach + 0.5) : 0;
        a->length[i] = (last < in ? last : in) - a->first[i];
        weigh(a, i, kernel, middle, stretch, scratch);
    }
done:
    mucmm__free(scratch);
    return status;
}

static unsigned char to_pixel(int32_t sum)
{
    sum = (sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS;
    return sum < 0 ? 0 : sum > 255 ? 255 : (unsigned char)sum;
}

/* in [.., 3] along a row to out [a->n, 3]. */
static void resample_row(const axis *a, const unsigned char *in, unsigned char *out)
{
    for (int64_t i = 0; i < a->n; i++) {
        const unsigned char *p = in + 3 * a->first[i];
        const int32_t *w = a->weight + i * a->most;
        int32_t r = 0, g = 0, b = 0;
        for (int64_t j = 0; j < a->length[i]; j++) {
            r += w[j] * p[3 * j];
            g += w[j] * p[3 * j + 1];
            b += w[j] * p[3 * j + 2];
        }
        out[3 * i] = to_pixel(r);
        out[3 * i + 1] = to_pixel(g);
        out[3 * i + 2] = to_pixel(b);
    }
}

/* Output row i from the rows of in, each of n numbers; row 0 of in is row `base` of the axis. */
static void resample_column(const axis *a, int64_t i, const unsigned char *in, int64_t base,
                            int64_t n, int32_t *sum, unsigned char *out)
{
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int64_t j = 0; j < a->length[i]; j++) {
        const unsigned char *p = in + (a->first[i] + j - base) * n;
        int32_t w = a->weight[i * a->most + j];
        for (int64_t x = 0; x < n; x++)
            sum[x] += w * p[x];
    }
    for (int64_t x = 0; x < n; x++)
        out[x] = to_pixel(sum[x]);
}

/* First along rows, only those that are needed, then along columns. */
static mucmm_status resample(mucmm_ctx *ctx, const mucmm__image_params *p, const geometry *g,
                             const mucmm__picture *in, unsigned char *out)
{
    mucmm_status status = MUCMM_OK;
    axis across = {0}, down = {0};
    unsigned char *narrow = NULL;
    int32_t *sum = NULL;
    int64_t n = 3 * g->width, base, rows;

    TRY(axis_init(ctx, p->filter, in->width, g->full_width, g->first_column, g->width, &across));
    TRY(axis_init(ctx, p->filter, in->height, g->full_height, g->first_row, g->height, &down));
    base = down.first[0];
    rows = down.first[g->height - 1] + down.length[g->height - 1] - base;
    TRY(mucmm__alloc(ctx, rows * n, 1, &narrow));
    TRY(mucmm__alloc(ctx, n, sizeof *sum, &sum));
    for (int64_t y = 0; y < rows; y++)
        resample_row(&across, in->rgb + 3 * (base + y) * in->width, narrow + y * n);
    for (int64_t y = 0; y < g->height; y++)
        resample_column(&down, y, narrow, base, n, sum,
                        out + 3 * ((g->top + y) * p->width + g->left));
done:
    axis_drop(&across);
    axis_drop(&down);
    mucmm__free(narrow);
    mucmm__free(sum);
    return status;
}

mucmm_status mucmm__image_fit(mucmm_ctx *ctx, const mucmm__image_params *p,
                              const mucmm__picture *in, mucmm__picture *out)
{
    mucmm_status status = MUCMM_OK;
    geometry g = place(p, in);

    *out = (mucmm__picture){NULL, p->height, p->width};
    TRY(mucmm__alloc(ctx, p->height * p->width * 3, 1, &out->rgb));
    if (g.height < p->height || g.width < p->width)
        for (int64_t i = 0; i < p->height * p->width; i++)
            memcpy(out->rgb + 3 * i, p->background, 3);
    TRY(resample(ctx, p, &g, in, out->rgb));
done:
    if (status != MUCMM_OK)
        mucmm__picture_drop(out);
    return status;
}

/* ---- numbers ----------------------------------------------------------------------- */

/* One channel: pixel i, `from` on, of rgb [n, 3] to out[i * step]. */
static void write_channel(const mucmm__image_params *p, const unsigned char *rgb, int64_t n,
                          int from, float *out, int64_t step)
{
    float value[256];

    for (int v = 0; v < 256; v++)
        value[v] = ((float)v / 255.0f - p->mean[from]) / p->std[from];
    for (int64_t i = 0; i < n; i++) {
        const unsigned char *x = rgb + 3 * i;
        unsigned grey = (x[0] * 19595u + x[1] * 38470u + x[2] * 7471u + 0x8000u) >> 16;
        out[i * step] = value[p->channels == MUCMM__CHANNELS_GREY ? grey : x[from]];
    }
}

mucmm_status mucmm__image_prepare(mucmm_ctx *ctx, const mucmm__image_params *p,
                                  const mucmm__picture *in, float *out)
{
    int64_t depth = mucmm__image_depth(p), n = p->height * p->width;
    bool nhwc = p->layout == MUCMM__AXES_NHWC;
    mucmm__picture fitted;
    mucmm_status status = mucmm__image_fit(ctx, p, in, &fitted);

    if (status != MUCMM_OK)
        return status;
    for (int64_t c = 0; c < depth; c++)
        write_channel(p, fitted.rgb, n, (int)(p->channels == MUCMM__CHANNELS_BGR ? 2 - c : c),
                      out + (nhwc ? c : c * n), nhwc ? depth : 1);
    mucmm__picture_drop(&fitted);
    return MUCMM_OK;
}
