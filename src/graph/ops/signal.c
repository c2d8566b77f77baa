/* SPDX-License-Identifier: MIT
 *
 * signal.c - DFT, STFT, their windows and the mel matrix. Transforms are computed in double. */
#include "graph/graph.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- the transform ----------------------------------------------------------------- */

/* out_k = sum_t in_t w^(t k),  w = e^(+-2 pi i / n), of any length: n = p m with p the smallest
 * prime factor splits into p transforms of length m (Cooley and Tukey 1965), so the cost is n times
 * the sum of the prime factors of n. */

typedef struct complex_number {
    double re, im;
} complex_number;

typedef struct fft {
    int64_t n;
    complex_number *roots;   /* [n] w^t                       */
    complex_number *in;      /* [n]                           */
    complex_number *out;     /* [n]                           */
    complex_number *scratch; /* [n] one column of the p parts */
} fft;

#define FFT_ARRAYS 4

static void fft_init(fft *f, int64_t n, bool inverse, complex_number *memory)
{
    double sign = inverse ? 1 : -1, pi = acos(-1);

    *f = (fft){n, memory, memory + n, memory + 2 * n, memory + 3 * n};
    for (int64_t t = 0; t < n; t++) {
        double angle = 2 * pi * (double)t / (double)n;
        f->roots[t] = (complex_number){cos(angle), sign * sin(angle)};
    }
}

static int64_t smallest_factor(int64_t n)
{
    for (int64_t p = 2; p * p <= n; p++)
        if (n % p == 0)
            return p;
    return n;
}

/* out [n] from in[0], in[step], ...; n * step is the length of the whole. */
static void fft_part(const fft *f, int64_t n, const complex_number *in, int64_t step,
                     complex_number *out)
{
    int64_t p = smallest_factor(n), m = n / p;

    if (n == 1) {
        out[0] = in[0];
        return;
    }
    for (int64_t r = 0; r < p; r++)
        fft_part(f, m, in + r * step, step * p, out + r * m);
    for (int64_t k = 0; k < m; k++) {
        for (int64_t r = 0; r < p; r++)
            f->scratch[r] = out[r * m + k];
        for (int64_t q = 0; q < p; q++) { /* out_{k + q m} = sum_r w_n^(r (k + q m)) part_r,k */
            int64_t stride = (k + q * m) * step, place = 0;
            complex_number sum = {0, 0};
            for (int64_t r = 0; r < p; r++) {
                complex_number a = f->scratch[r], w = f->roots[place];
                sum.re += a.re * w.re - a.im * w.im;
                sum.im += a.re * w.im + a.im * w.re;
                place += stride;
                if (place >= f->n)
                    place -= f->n;
            }
            out[k + q * m] = sum;
        }
    }
}

static void fft_run(const fft *f)
{
    if (f->n > 0)
        fft_part(f, f->n, f->in, 1, f->out);
}

/* Numbers at `start`, `start + stride`, ... of a tensor whose complex pairs (parts 2) or real
 * numbers (parts 1) lie `stride` pairs apart. */
typedef struct line {
    mucmm_dtype dtype;
    int64_t parts, start, stride;
} line;

static complex_number line_get(const line *l, const void *x, int64_t t)
{
    int64_t i = (l->start + t * l->stride) * l->parts;

    return (complex_number){mucmm__number_get(l->dtype, x, i),
                            l->parts == 2 ? mucmm__number_get(l->dtype, x, i + 1) : 0};
}

static void line_put(const line *l, void *y, int64_t t, complex_number v)
{
    int64_t i = (l->start + t * l->stride) * l->parts;

    mucmm__number_put(l->dtype, y, i, v.re);
    if (l->parts == 2)
        mucmm__number_put(l->dtype, y, i + 1, v.im);
}

/* to [to_n] = factor * transform of from [from_n], which is cut or padded with zeros to the length
 * of the transform. What lies behind the transform is zero. */
static void transform_line(const fft *f, double factor, const line *from, const void *x,
                           int64_t from_n, const line *to, void *y, int64_t to_n)
{
    for (int64_t t = 0; t < f->n; t++)
        f->in[t] = t < from_n ? line_get(from, x, t) : (complex_number){0, 0};
    fft_run(f);
    for (int64_t t = 0; t < to_n; t++)
        line_put(to, y, t,
                 t < f->n ? (complex_number){factor * f->out[t].re, factor * f->out[t].im}
                          : (complex_number){0, 0});
}

/* ---- DFT --------------------------------------------------------------------------- */

static int64_t scalar_or(const mucmm__call *c, int32_t i, int64_t otherwise, mucmm_status *status)
{
    int64_t value, n;

    if (*status != MUCMM_OK || !mucmm__has_in(c, i))
        return otherwise;
    *status = mucmm__known_ints(c, i, &value, 1, &n);
    if (*status == MUCMM_OK && n != 1)
        *status = mucmm__op_fail(c, MUCMM_ESHAPE, "input %d must be a single number", i);
    return *status == MUCMM_OK ? value : otherwise;
}

static mucmm_status check_parts(const mucmm__call *c, const mucmm__desc *x)
{
    int64_t parts = x->shape[x->rank - 1];

    if (parts != 1 && parts != 2)
        return mucmm__op_fail(
            c, MUCMM_ESHAPE,
            "the last dimension is %" PRId64 "; it must be 1 (real) or 2 (complex)", parts);
    return MUCMM_OK;
}

static mucmm_status dft_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    bool onesided = mucmm__attr_int(c->node, "onesided", 0) != 0;
    int64_t shape[MUCMM_MAX_RANK], length;
    int32_t axis;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    if (x->rank < 2)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the input has %d dimensions; it needs at least 2",
                              x->rank);
    TRY(check_parts(c, x));
    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 1), x->rank, &axis));
    if (axis == x->rank - 1)
        return mucmm__op_fail(c, MUCMM_EARG, "axis is the last one, which holds the parts");
    if (onesided && (x->shape[x->rank - 1] == 2 || mucmm__attr_int(c->node, "inverse", 0)))
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "onesided is for the forward transform of real numbers");
    length = scalar_or(c, 1, x->shape[axis], &status);
    TRY(status);
    if (length < 1 && mucmm__has_in(c, 1))
        return mucmm__op_fail(c, MUCMM_EARG, "dft_length is %" PRId64 "; it must be positive",
                              length);
    memcpy(shape, x->shape, sizeof shape);
    shape[axis] = onesided ? length / 2 + 1 : length;
    shape[x->rank - 1] = 2;
    TRY(mucmm__out(c, 0, x->dtype, x->rank, shape));
done:
    return status;
}

/* The length of the transform is not in the shapes when it is onesided. */
typedef struct dft_state {
    int64_t length, outer, inner;
    int32_t axis;
} dft_state;

static mucmm_status dft_prepare(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    dft_state s = {0}, *out;

    TRY(mucmm__axis(c, "axis", mucmm__attr_int(c->node, "axis", 1), x->rank, &s.axis));
    s.length = scalar_or(c, 1, x->shape[s.axis], &status);
    TRY(status);
    s.outer = mucmm__desc_product(x, 0, s.axis);
    s.inner = mucmm__desc_product(x, s.axis + 1, x->rank - 1);
    if (!mucmm__mul(s.length, FFT_ARRAYS * (int64_t)sizeof(complex_number), &c->scratch))
        return mucmm__op_fail(c, MUCMM_ENOMEM, "out of memory: a transform of length %" PRId64,
                              s.length);
    c->vjp_scratch = c->scratch;
    TRY(mucmm__alloc(c->ctx, 1, sizeof *out, &out));
    *out = s;
    c->state = out;
done:
    return status;
}

static void state_drop(void *state)
{
    mucmm__free(state);
}

/* All lines along the axis, from a tensor of `from` to one of `to`. */
static void dft_lines(mucmm__call *c, bool inverse, const mucmm__desc *from, const void *x,
                      const mucmm__desc *to, void *y)
{
    const dft_state *s = c->state;
    int64_t from_n = from->shape[s->axis], to_n = to->shape[s->axis];
    bool is_inverse = mucmm__attr_int(c->node, "inverse", 0) != 0;
    fft f;

    fft_init(&f, s->length, inverse, c->work);
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++) {
            line a = {from->dtype, from->shape[from->rank - 1], o * from_n * s->inner + i,
                      s->inner};
            line b = {to->dtype, to->shape[to->rank - 1], o * to_n * s->inner + i, s->inner};
            transform_line(&f, is_inverse ? 1 / (double)s->length : 1, &a, x, from_n, &b, y, to_n);
        }
}

static mucmm_status dft_forward(mucmm__call *c)
{
    dft_lines(c, mucmm__attr_int(c->node, "inverse", 0) != 0, c->in[0], c->x[0], c->out[0],
              c->y[0]);
    return MUCMM_OK;
}

/* The adjoint of the transform is the one with the conjugate roots; of cutting, padding. */
static mucmm_status dft_vjp(mucmm__call *c)
{
    dft_lines(c, mucmm__attr_int(c->node, "inverse", 0) == 0, c->out[0], c->dy[0], c->in[0],
              c->dx[0]);
    return MUCMM_OK;
}

/* ---- STFT -------------------------------------------------------------------------- */

/* y[b, f, k] = sum_t window[t] signal[b, f step + t] w^(t k). */

typedef struct stft_state {
    int64_t step, length, frames, bins;
} stft_state;

static mucmm_status stft_sizes(const mucmm__call *c, stft_state *s)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0], *window = mucmm__has_in(c, 2) ? c->in[2] : NULL;
    bool onesided = mucmm__attr_int(c->node, "onesided", 1) != 0;

    s->step = scalar_or(c, 1, 0, &status);
    s->length = scalar_or(c, 3, window ? mucmm__desc_count(window) : 0, &status);
    if (status != MUCMM_OK)
        return status;
    if (s->step < 1 || s->length < 1)
        return mucmm__op_fail(c, MUCMM_EARG, "frame step and length must be positive");
    if (window && (window->rank != 1 || window->shape[0] != s->length))
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the window must be one of frame_length numbers");
    if (s->length > x->shape[1])
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "a frame of %" PRId64 " does not fit a signal of %" PRId64, s->length,
                              x->shape[1]);
    if (onesided && x->shape[2] == 2)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "onesided is for real signals");
    s->frames = (x->shape[1] - s->length) / s->step + 1;
    s->bins = onesided ? s->length / 2 + 1 : s->length;
    return MUCMM_OK;
}

static mucmm_status stft_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__desc *x = c->in[0];
    stft_state s;

    TRY(mucmm__check_type(c, 0, MUCMM__TYPES_FLOAT));
    if (x->rank != 3)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the signal has %d dimensions; it needs 3", x->rank);
    if (mucmm__has_in(c, 2))
        TRY(mucmm__check_type(c, 2, 1u << x->dtype));
    TRY(check_parts(c, x));
    TRY(stft_sizes(c, &s));
    TRY(mucmm__out(c, 0, x->dtype, 4, (int64_t[]){x->shape[0], s.frames, s.bins, 2}));
done:
    return status;
}

static mucmm_status stft_prepare(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    stft_state s, *out;

    TRY(stft_sizes(c, &s));
    if (!mucmm__mul(s.length, FFT_ARRAYS * (int64_t)sizeof(complex_number), &c->scratch))
        return mucmm__op_fail(c, MUCMM_ENOMEM, "out of memory: frames of %" PRId64, s.length);
    c->vjp_scratch = c->scratch;
    TRY(mucmm__alloc(c->ctx, 1, sizeof *out, &out));
    *out = s;
    c->state = out;
done:
    return status;
}

static mucmm_status stft_forward(mucmm__call *c)
{
    const stft_state *s = c->state;
    const mucmm__desc *x = c->in[0];
    const void *window = mucmm__has_in(c, 2) ? c->x[2] : NULL;
    fft f;

    fft_init(&f, s->length, false, c->work);
    for (int64_t b = 0; b < x->shape[0]; b++)
        for (int64_t frame = 0; frame < s->frames; frame++) {
            line from = {x->dtype, x->shape[2], b * x->shape[1] + frame * s->step, 1};
            line to = {x->dtype, 2, (b * s->frames + frame) * s->bins, 1};
            for (int64_t t = 0; t < s->length; t++) {
                double w = window ? mucmm__number_get(x->dtype, window, t) : 1;
                f.in[t] = line_get(&from, c->x[0], t);
                f.in[t].re *= w;
                f.in[t].im *= w;
            }
            fft_run(&f);
            for (int64_t k = 0; k < s->bins; k++)
                line_put(&to, c->y[0], k, f.out[k]);
        }
    return MUCMM_OK;
}

/* g = adjoint transform of dy of one frame; d signal += window g, d window += Re(g conj signal). */
static mucmm_status stft_vjp(mucmm__call *c)
{
    const stft_state *s = c->state;
    const mucmm__desc *x = c->in[0];
    const float *window = mucmm__has_in(c, 2) ? c->x[2] : NULL, *signal = c->x[0];
    float *dx = c->dx[0], *dw = mucmm__has_in(c, 2) ? c->dx[2] : NULL;
    int64_t parts = x->shape[2];
    fft f;

    fft_init(&f, s->length, true, c->work);
    if (dx)
        memset(dx, 0, (size_t)mucmm__desc_bytes(x));
    if (dw)
        memset(dw, 0, (size_t)s->length * sizeof *dw);
    for (int64_t b = 0; b < x->shape[0]; b++)
        for (int64_t frame = 0; frame < s->frames; frame++) {
            int64_t start = (b * x->shape[1] + frame * s->step) * parts;
            line from = {MUCMM_F32, 2, (b * s->frames + frame) * s->bins, 1};
            for (int64_t k = 0; k < s->length; k++)
                f.in[k] = k < s->bins ? line_get(&from, c->dy[0], k) : (complex_number){0, 0};
            fft_run(&f);
            for (int64_t t = 0; t < s->length; t++)
                for (int64_t p = 0; p < parts; p++) {
                    float g = (float)(p ? f.out[t].im : f.out[t].re);
                    if (dx)
                        dx[start + t * parts + p] += (window ? window[t] : 1) * g;
                    if (dw)
                        dw[t] += signal[start + t * parts + p] * g;
                }
        }
    return MUCMM_OK;
}

/* ---- windows ----------------------------------------------------------------------- */

/* y_t = a0 - a1 cos(2 pi t / d) + a2 cos(4 pi t / d),  d = n if periodic, else n - 1. */

static mucmm_status datatype_of(const mucmm__call *c, mucmm_dtype *t)
{
    int64_t given = mucmm__attr_int(c->node, "output_datatype", MUCMM_F32);

    if (given < 0 || given > 31 || !(MUCMM__TYPES_NUMBER >> given & 1u))
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "output_datatype %" PRId64 " is no number",
                              given);
    *t = (mucmm_dtype)given;
    return MUCMM_OK;
}

static mucmm_status window_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_dtype t = MUCMM_F32;
    int64_t n;

    TRY(datatype_of(c, &t));
    n = scalar_or(c, 0, 0, &status);
    TRY(status);
    if (n < 0)
        return mucmm__op_fail(c, MUCMM_EARG, "size is %" PRId64 "; it must not be negative", n);
    TRY(mucmm__out(c, 0, t, 1, &n));
done:
    return status;
}

static mucmm_status window(mucmm__call *c, double a0, double a1, double a2)
{
    int64_t n = c->out[0]->shape[0], d = mucmm__attr_int(c->node, "periodic", 1) ? n : n - 1;
    double turn = 2 * acos(-1) / (double)(d > 0 ? d : 1);

    for (int64_t t = 0; t < n; t++)
        mucmm__number_put(c->out[0]->dtype, c->y[0], t,
                          a0 - a1 * cos(turn * (double)t) + a2 * cos(2 * turn * (double)t));
    return MUCMM_OK;
}

static mucmm_status hann_forward(mucmm__call *c)
{
    return window(c, .5, .5, 0);
}

static mucmm_status hamming_forward(mucmm__call *c)
{
    return window(c, 25. / 46, 21. / 46, 0);
}

static mucmm_status blackman_forward(mucmm__call *c)
{
    return window(c, .42, .5, .08);
}

/* ---- MelWeightMatrix --------------------------------------------------------------- */

/* Triangles between edges that lie evenly on the scale mel = 2595 log10(1 + hertz / 700), rounded
 * down to bins of the transform; bins + 2 edges, spaced by 1 / (bins + 2) of the range. */

static mucmm_status mel_infer(mucmm__call *c)
{
    mucmm_status status = MUCMM_OK;
    mucmm_dtype t = MUCMM_F32;
    int64_t bins, length;

    TRY(datatype_of(c, &t));
    for (int32_t i = 2; i < 5; i++) {
        TRY(mucmm__check_type(c, i,
                              i == 2 ? 1u << MUCMM_I32 | 1u << MUCMM_I64 : MUCMM__TYPES_FLOAT));
        if (mucmm__desc_count(c->in[i]) != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "input %d must be a single number", i);
    }
    bins = scalar_or(c, 0, 0, &status);
    length = scalar_or(c, 1, 0, &status);
    TRY(status);
    if (bins < 0 || length < 0 || bins > INT32_MAX || length > INT32_MAX)
        return mucmm__op_fail(c, MUCMM_EARG, "num_mel_bins and dft_length must not be negative");
    TRY(mucmm__out(c, 0, t, 2, (int64_t[]){length / 2 + 1, bins}));
done:
    return status;
}

/* Bin of edge i, or -1 if it is not one of the matrix. */
static int64_t mel_edge(double low, double high, double rate, double length, int64_t n_edges,
                        int64_t i, int64_t rows)
{
    double from = 2595 * log10(1 + low / 700), to = 2595 * log10(1 + high / 700);
    double mel = from + (double)i * (to - from) / (double)n_edges;
    double bin = floor((length + 1) * (700 * (pow(10, mel / 2595) - 1)) / rate);

    return bin >= 0 && bin < (double)rows ? (int64_t)bin : -1;
}

static mucmm_status mel_forward(mucmm__call *c)
{
    const mucmm__desc *y = c->out[0];
    int64_t rows = y->shape[0], bins = y->shape[1];
    double length = mucmm__number_get(c->in[1]->dtype, c->x[1], 0);
    double rate = mucmm__number_get(c->in[2]->dtype, c->x[2], 0);
    double low = mucmm__number_get(c->in[3]->dtype, c->x[3], 0);
    double high = mucmm__number_get(c->in[4]->dtype, c->x[4], 0);

    memset(c->y[0], 0, (size_t)mucmm__desc_bytes(y));
    for (int64_t i = 0; i < bins; i++) {
        int64_t edge[3];
        for (int64_t k = 0; k < 3; k++) {
            edge[k] = mel_edge(low, high, rate, length, bins + 2, i + k, rows);
            if (edge[k] < 0 || (k > 0 && edge[k] < edge[k - 1]))
                return mucmm__op_fail(c, MUCMM_EFORMAT,
                                      "edges of %g and %g hertz at a rate of %g do not ascend "
                                      "within the %" PRId64 " bins of the transform",
                                      low, high, rate, rows);
        }
        for (int64_t j = edge[0]; j <= edge[1]; j++)
            mucmm__number_put(
                y->dtype, c->y[0], j * bins + i,
                edge[1] == edge[0] ? 1 : (double)(j - edge[0]) / (double)(edge[1] - edge[0]));
        for (int64_t j = edge[1]; j < edge[2]; j++)
            mucmm__number_put(y->dtype, c->y[0], j * bins + i,
                              (double)(edge[2] - j) / (double)(edge[2] - edge[1]));
    }
    return MUCMM_OK;
}

#define WINDOW(name, forward)                                                                      \
    {                                                                                              \
        name, 17, 0, 1, 1, 1, 1, window_infer, forward, NULL, 0, 0, 0, 0, NULL, NULL, NULL         \
    }

const mucmm__op mucmm__ops_signal[] = {
    {"DFT", 17, 0, 1, 2, 1, 1, dft_infer, dft_forward, dft_vjp, 1, 0, 0, 0, NULL, dft_prepare,
     state_drop},
    {"STFT", 17, 0, 2, 4, 1, 1, stft_infer, stft_forward, stft_vjp, 1 | 4, 1 | 4, 0, 0, NULL,
     stft_prepare, state_drop},
    WINDOW("HannWindow", hann_forward),
    WINDOW("HammingWindow", hamming_forward),
    WINDOW("BlackmanWindow", blackman_forward),
    {"MelWeightMatrix", 17, 0, 5, 5, 1, 1, mel_infer, mel_forward, NULL, 0, 0, 0, 0, NULL, NULL,
     NULL},
    {0},
};
