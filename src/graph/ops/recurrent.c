/* SPDX-License-Identifier: MIT
 *
 * recurrent.c - RNN, LSTM and GRU. T steps, N samples, I inputs, H hidden numbers, G gates; the
 * weights of the gates lie below each other: W [G H, I], R [G H, H].
 *
 * One product gives W x of all steps; each step adds R h of the one before. A step t >= the length
 * of a sample's sequence leaves its state alone and its Y zero, in either direction.
 *
 *   RNN   h' = f(W x + R h + b)
 *   LSTM  i, o, f = f(W x + R h + b + P c) (o: with the new c), g = g(W x + R h + b)
 *         c' = f c + i g,  h' = o h(c')
 *   GRU   z, r = f(W x + R h + b),  n = g(W x + bw + R (r h) + br), or with linear_before_reset
 *         g(W x + bw + r (R h + br)),  h' = (1 - z) n + z h
 *
 * The vjp computes all steps again, keeping gates and states, and goes back through them. */
#include "core/vmath.h"
#include "graph/graph.h"
#include "linalg/linalg.h"

#include <inttypes.h>
#include <strings.h>

enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, PEEPHOLES };

typedef enum kind { RNN, LSTM, GRU } kind;

typedef enum function {
    SIGMOID,
    TANH,
    RELU,
    AFFINE,
    LEAKY_RELU,
    THRESHOLDED_RELU,
    SCALED_TANH,
    HARD_SIGMOID,
    ELU,
    SOFTSIGN,
    SOFTPLUS
} function;

static const struct {
    const char *name;
    function id;
    bool takes_alpha, takes_beta;
    float alpha, beta; /* defaults */
} functions[] = {
    {"Sigmoid", SIGMOID, false, false, 0, 0},
    {"Tanh", TANH, false, false, 0, 0},
    {"Relu", RELU, false, false, 0, 0},
    {"Affine", AFFINE, true, true, 1, 0},
    {"LeakyRelu", LEAKY_RELU, true, false, 0.01f, 0},
    {"ThresholdedRelu", THRESHOLDED_RELU, true, false, 1, 0},
    {"ScaledTanh", SCALED_TANH, true, true, 1, 1},
    {"HardSigmoid", HARD_SIGMOID, true, true, 0.2f, 0.5f},
    {"Elu", ELU, true, false, 1, 0},
    {"Softsign", SOFTSIGN, false, false, 0, 0},
    {"Softplus", SOFTPLUS, false, false, 0, 0},
};
#define N_FUNCTIONS ((int32_t)(sizeof functions / sizeof *functions))

typedef struct activation {
    function id;
    float alpha, beta;
} activation;

typedef struct state {
    kind kind;
    int64_t t, n, i, h, gates, directions;
    bool batch_first, backwards, linear_before_reset, input_forget;
    float clip;           /* 0 = none */
    activation act[2][3]; /* by direction: f, g, h */
} state;

/* ---- attributes and shapes --------------------------------------------------------- */

static kind kind_of(const mucmm__call *c)
{
    const char *type = c->node->op->type;
    return strcmp(type, "LSTM") == 0 ? LSTM : strcmp(type, "GRU") == 0 ? GRU : RNN;
}

static mucmm_status find_function(const mucmm__call *c, const char *name, int32_t *out)
{
    for (*out = 0; *out < N_FUNCTIONS; (*out)++)
        if (strcasecmp(name, functions[*out].name) == 0)
            return MUCMM_OK;
    return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "unknown activation '%.40s'", name);
}

/* Parameters are consumed in turn by the functions that take them. */
static mucmm_status read_activations(const mucmm__call *c, state *s)
{
    static const char *const usual[3][3] = {
        {"Tanh"}, {"Sigmoid", "Tanh", "Tanh"}, {"Sigmoid", "Tanh"}};
    static const int32_t counts[] = {1, 3, 2};
    const mucmm__attr *names = mucmm__attr_find(c->node, "activations", MUCMM__ATTR_STRINGS);
    const mucmm__attr *alphas = mucmm__attr_find(c->node, "activation_alpha", MUCMM__ATTR_FLOATS);
    const mucmm__attr *betas = mucmm__attr_find(c->node, "activation_beta", MUCMM__ATTR_FLOATS);
    int64_t at_alpha = 0, at_beta = 0, n = counts[s->kind];

    if (names && names->n != n * s->directions)
        return mucmm__op_fail(c, MUCMM_EARG,
                              "%" PRId64 " activations are named; %" PRId64 " are needed", names->n,
                              n * s->directions);
    for (int64_t k = 0; k < n * s->directions; k++) {
        activation *a = &s->act[k / n][k % n];
        int32_t f = 0;
        mucmm_status status =
            find_function(c, names ? names->strings[k] : usual[s->kind][k % n], &f);
        if (status != MUCMM_OK)
            return status;
        *a = (activation){functions[f].id, functions[f].alpha, functions[f].beta};
        if (functions[f].takes_alpha && alphas && at_alpha < alphas->n)
            a->alpha = alphas->floats[at_alpha++];
        if (functions[f].takes_beta && betas && at_beta < betas->n)
            a->beta = betas->floats[at_beta++];
    }
    return MUCMM_OK;
}

static mucmm_status read_attributes(const mucmm__call *c, state *s)
{
    static const int64_t gates[] = {1, 4, 3};
    const char *direction = mucmm__attr_string(c->node, "direction", "forward");
    bool both = strcmp(direction, "bidirectional") == 0;

    *s = (state){.kind = kind_of(c)};
    s->gates = gates[s->kind];
    s->directions = both ? 2 : 1;
    s->backwards = strcmp(direction, "reverse") == 0;
    if (!both && !s->backwards && strcmp(direction, "forward") != 0)
        return mucmm__op_fail(c, MUCMM_EARG,
                              "direction is '%.40s'; it must be forward, reverse or bidirectional",
                              direction);
    s->batch_first = mucmm__attr_int(c->node, "layout", 0) != 0;
    s->linear_before_reset = mucmm__attr_int(c->node, "linear_before_reset", 0) != 0;
    s->input_forget = mucmm__attr_int(c->node, "input_forget", 0) != 0;
    s->clip = mucmm__attr_float(c->node, "clip", 0);
    return read_activations(c, s);
}

static mucmm_status expect(const mucmm__call *c, int32_t i, int32_t rank, const int64_t *shape)
{
    char have[MUCMM__SHAPE_TEXT], want[MUCMM__SHAPE_TEXT];
    mucmm__desc d = {.rank = rank};

    if (!mucmm__has_in(c, i))
        return MUCMM_OK;
    for (int32_t k = 0; k < rank; k++)
        d.shape[k] = shape[k];
    if (c->in[i]->dtype != (i == LENGTHS ? MUCMM_I32 : MUCMM_F32))
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "input %d is %s, which is not supported", i,
                              mucmm_dtype_name(c->in[i]->dtype));
    if (!mucmm__same_shape(c->in[i], &d))
        return mucmm__op_fail(c, MUCMM_ESHAPE, "input %d has shape %s; it must be %s", i,
                              mucmm__shape_text(have, c->in[i]), mucmm__shape_text(want, &d));
    return MUCMM_OK;
}

static mucmm_status describe(const mucmm__call *c, state *s)
{
    mucmm_status status = read_attributes(c, s);
    const mucmm__desc *x = c->in[X], *r = c->in[R];

    if (status != MUCMM_OK)
        return status;
    if (x->rank != 3 || r->rank != 3)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "X and R must have 3 dimensions");
    s->t = x->shape[s->batch_first ? 1 : 0];
    s->n = x->shape[s->batch_first ? 0 : 1];
    s->i = x->shape[2];
    s->h = r->shape[2];
    if (mucmm__attr_int(c->node, "hidden_size", s->h) != s->h)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "hidden_size is not that of R, %" PRId64, s->h);
    return MUCMM_OK;
}

static mucmm_status check_shapes(mucmm__call *c, const state *s)
{
    int64_t gh = s->gates * s->h, d = s->directions;
    int64_t first = s->batch_first ? s->n : d, second = s->batch_first ? d : s->n;
    mucmm_status status = MUCMM_OK;

    TRY(expect(c, X, 3, c->in[X]->shape));
    TRY(expect(c, R, 3, (int64_t[]){d, gh, s->h}));
    TRY(expect(c, W, 3, (int64_t[]){d, gh, s->i}));
    TRY(expect(c, B, 2, (int64_t[]){d, 2 * gh}));
    TRY(expect(c, LENGTHS, 1, &s->n));
    TRY(expect(c, INITIAL_H, 3, (int64_t[]){first, second, s->h}));
    TRY(expect(c, INITIAL_C, 3, (int64_t[]){first, second, s->h}));
    TRY(expect(c, PEEPHOLES, 2, (int64_t[]){d, 3 * s->h}));
done:
    return status;
}

static mucmm_status infer(mucmm__call *c)
{
    state s;
    mucmm_status status = describe(c, &s);
    int64_t last[3], all[4];

    if (status != MUCMM_OK)
        return status;
    if (s.h > INT32_MAX || s.h == 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "R has %" PRId64 " columns", s.h);
    TRY(check_shapes(c, &s));
    last[0] = s.batch_first ? s.n : s.directions;
    last[1] = s.batch_first ? s.directions : s.n;
    last[2] = all[3] = s.h;
    all[0] = s.batch_first ? s.n : s.t;
    all[1] = s.batch_first ? s.t : s.directions;
    all[2] = s.batch_first ? s.directions : s.n;
    TRY(mucmm__out(c, 0, MUCMM_F32, 4, all));
    TRY(mucmm__out(c, 1, MUCMM_F32, 3, last));
    TRY(mucmm__out(c, 2, MUCMM_F32, 3, last));
done:
    return status;
}

/* ---- places in work ---------------------------------------------------------------- */

/* One direction's run. kept: a place for every step, not one for all. */
typedef struct run {
    const state *s;
    int64_t d; /* which direction */
    bool backwards, kept;
    const float *x, *w, *r, *b, *peephole;
    const int32_t *lengths;
    float *gate;   /* [T N, G H] in the order of X's rows: W x, then the gates, then their slopes */
    float *h, *c;  /* [T + 1 or 1, N, H] states before and after the steps                       */
    float *linear; /* [T or 1, N, H] of a GRU: R h + br, or r h                                   */
    float *step;   /* [N, G H] R h; slopes for R                                                  */
    float *dh, *dc, *back; /* [N, H] */
} run;

/* Numbers of all parts, or -1 on overflow; with r, their places from base on. */
static int64_t lay_out(const state *s, bool kept, run *r, float *base)
{
    int64_t nh = 0, steps = kept ? s->t : 1, rows = 0, used = 0;
    int64_t sizes[8];
    float **to[8] = {0};

    if (!mucmm__mul(s->n, s->h, &nh) || !mucmm__mul(s->t, s->n, &rows) ||
        !mucmm__mul(rows, s->gates * s->h, &sizes[0]) || !mucmm__mul(s->t + 1, nh, &sizes[1]))
        return -1;
    sizes[1] = (steps + 1) * nh;
    sizes[2] = s->kind == LSTM ? (steps + 1) * nh : 0;
    sizes[3] = s->kind == GRU ? steps * nh : 0;
    sizes[4] = nh * s->gates;
    sizes[5] = sizes[6] = sizes[7] = kept ? nh : 0;
    if (r) {
        float **places[8] = {&r->gate, &r->h,  &r->c,  &r->linear,
                             &r->step, &r->dh, &r->dc, &r->back};
        memcpy(to, places, sizeof to);
    }
    for (int32_t k = 0; k < 8; k++) {
        if (sizes[k] > INT64_MAX / 64 - used)
            return -1;
        if (to[k])
            *to[k] = base + used;
        used += (sizes[k] + 15) / 16 * 16;
    }
    return used;
}

static mucmm_status prepare(mucmm__call *c)
{
    int64_t forward, back;
    state *s = NULL;
    mucmm_status status = mucmm__alloc(c->ctx, 1, sizeof *s, &s);

    if (status != MUCMM_OK)
        return status;
    c->state = s;
    status = describe(c, s);
    if (status != MUCMM_OK)
        return status;
    forward = lay_out(s, false, NULL, NULL);
    back = lay_out(s, true, NULL, NULL);
    if (forward < 0 || back < 0)
        return mucmm__op_fail(
            c, MUCMM_ENOMEM, "out of memory: %" PRId64 " steps of %" PRId64 " samples", s->t, s->n);
    c->scratch = forward * (int64_t)sizeof(float);
    c->vjp_scratch = back * (int64_t)sizeof(float);
    return MUCMM_OK;
}

static void drop(void *s)
{
    mucmm__free(s);
}

static mucmm_status run_init(const mucmm__call *c, bool kept, int64_t d, run *r)
{
    const state *s = c->state;
    int64_t gh = s->gates * s->h;

    *r = (run){.s = s, .d = d, .kept = kept, .backwards = s->backwards || d == 1};
    lay_out(s, kept, r, c->work);
    r->x = c->x[X];
    r->w = (const float *)c->x[W] + d * gh * s->i;
    r->r = (const float *)c->x[R] + d * gh * s->h;
    r->b = mucmm__has_in(c, B) ? (const float *)c->x[B] + d * 2 * gh : NULL;
    r->peephole =
        mucmm__has_in(c, PEEPHOLES) ? (const float *)c->x[PEEPHOLES] + d * 3 * s->h : NULL;
    r->lengths = mucmm__has_in(c, LENGTHS) ? c->x[LENGTHS] : NULL;
    for (int64_t n = 0; r->lengths && n < s->n; n++)
        if (r->lengths[n] < 0 || r->lengths[n] > s->t)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "sequence_lens[%" PRId64 "] is %d; there are %" PRId64 " steps",
                                  n, r->lengths[n], s->t);
    return MUCMM_OK;
}

/* Row of X, and of what is computed from it. */
static int64_t row_of(const state *s, int64_t t, int64_t n)
{
    return s->batch_first ? n * s->t + t : t * s->n + n;
}

static int64_t y_place(const run *r, int64_t t, int64_t n)
{
    const state *s = r->s;
    return (s->batch_first ? (n * s->t + t) * s->directions + r->d
                           : (t * s->directions + r->d) * s->n + n) *
           s->h;
}

static int64_t last_place(const run *r, int64_t n)
{
    const state *s = r->s;
    return (s->batch_first ? n * s->directions + r->d : r->d * s->n + n) * s->h;
}

static bool is_active(const run *r, int64_t t, int64_t n)
{
    return !r->lengths || t < r->lengths[n];
}

static int64_t time_of(const run *r, int64_t step)
{
    return r->backwards ? r->s->t - 1 - step : step;
}

/* ---- vectors ----------------------------------------------------------------------- */

SIMD_CLONES static void add(int64_t n, const float *x, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

SIMD_CLONES static void add_product(int64_t n, const float *a, const float *b, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] += a[i] * b[i];
}

SIMD_CLONES static void sigmoid_row(int64_t n, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = sigmoid(y[i]);
}

SIMD_CLONES static void tanh_row(int64_t n, float *y)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = tanh_any(y[i]);
}

static float apply(activation a, float x)
{
    switch (a.id) {
    case RELU:
        return x > 0 ? x : 0;
    case AFFINE:
        return a.alpha * x + a.beta;
    case LEAKY_RELU:
        return x >= 0 ? x : a.alpha * x;
    case THRESHOLDED_RELU:
        return x >= a.alpha ? x : 0;
    case SCALED_TANH:
        return a.alpha * tanhf(a.beta * x);
    case HARD_SIGMOID:
        return fminf(fmaxf(a.alpha * x + a.beta, 0), 1);
    case ELU:
        return x >= 0 ? x : a.alpha * expm1f(x);
    case SOFTSIGN:
        return x / (1 + fabsf(x));
    case SOFTPLUS:
        return softplus(x);
    case SIGMOID:
    case TANH:
        break;
    }
    return x;
}

static void activate(const state *s, activation a, int64_t n, float *y)
{
    for (int64_t i = 0; s->clip > 0 && i < n; i++)
        y[i] = fminf(fmaxf(y[i], -s->clip), s->clip);
    if (a.id == SIGMOID)
        sigmoid_row(n, y);
    else if (a.id == TANH)
        tanh_row(n, y);
    else
        for (int64_t i = 0; i < n; i++)
            y[i] = apply(a, y[i]);
}

/* d activation / d its input, from its value. Only of the three that checks let through. */
static float slope(activation a, float y)
{
    return a.id == SIGMOID ? y * (1 - y) : a.id == TANH ? 1 - y * y : y > 0 ? 1.0f : 0.0f;
}

/* ---- forward ----------------------------------------------------------------------- */

/* W x + b of all steps. Of a GRU with linear_before_reset the last gate's br comes later. */
static mucmm_status multiply_inputs(mucmm_ctx *ctx, run *r)
{
    const state *s = r->s;
    int64_t gh = s->gates * s->h, rows = s->t * s->n;
    mucmm_status status =
        mucmm__gemm(ctx, false, true, rows, gh, s->i, 1, r->x, s->i, r->w, s->i, 0, r->gate, gh);

    for (int64_t k = 0; status == MUCMM_OK && r->b && k < rows; k++) {
        add(gh, r->b, r->gate + k * gh);
        add(s->kind == GRU && s->linear_before_reset ? 2 * s->h : gh, r->b + gh, r->gate + k * gh);
    }
    return status;
}

static void rnn_cell(const run *r, int64_t n, float *gate, const float *h, float *h_new)
{
    const state *s = r->s;

    (void)h;
    add(s->h, r->step + n * s->h, gate);
    activate(s, s->act[r->d][0], s->h, gate);
    memcpy(h_new, gate, (size_t)s->h * sizeof *h_new);
}

static void lstm_cell(const run *r, int64_t n, float *gate, const float *c, float *c_new,
                      float *h_new)
{
    const state *s = r->s;
    const activation *act = s->act[r->d];
    const float *p = r->peephole;
    float *i = gate, *o = i + s->h, *f = o + s->h, *g = f + s->h;

    add(4 * s->h, r->step + n * 4 * s->h, gate);
    if (p) {
        add_product(s->h, p, c, i);
        add_product(s->h, p + 2 * s->h, c, f);
    }
    activate(s, act[0], s->h, i);
    activate(s, act[0], s->h, f);
    activate(s, act[1], s->h, g);
    for (int64_t k = 0; k < s->h; k++) {
        f[k] = s->input_forget ? 1 - i[k] : f[k];
        c_new[k] = f[k] * c[k] + i[k] * g[k];
        h_new[k] = c_new[k];
    }
    if (p)
        add_product(s->h, p + s->h, c_new, o);
    activate(s, act[0], s->h, o);
    activate(s, act[2], s->h, h_new);
    for (int64_t k = 0; k < s->h; k++)
        h_new[k] *= o[k];
}

/* z and r; what r multiplies. */
static void gru_gates(const run *r, int64_t n, float *gate, const float *h, float *linear)
{
    const state *s = r->s;
    const float *step = r->step + n * 3 * s->h;
    float *reset = gate + s->h;

    add(2 * s->h, step, gate);
    activate(s, s->act[r->d][0], 2 * s->h, gate);
    for (int64_t k = 0; k < s->h; k++)
        if (s->linear_before_reset)
            linear[k] = step[2 * s->h + k] + (r->b ? r->b[5 * s->h + k] : 0);
        else
            linear[k] = reset[k] * h[k];
}

static void gru_cell(const run *r, int64_t n, float *gate, const float *h, const float *linear,
                     float *h_new)
{
    const state *s = r->s;
    float *z = gate, *reset = z + s->h, *g = reset + s->h;

    if (s->linear_before_reset)
        add_product(s->h, reset, linear, g);
    else
        add(s->h, r->step + n * 3 * s->h + 2 * s->h, g);
    activate(s, s->act[r->d][1], s->h, g);
    for (int64_t k = 0; k < s->h; k++)
        h_new[k] = (1 - z[k]) * g[k] + z[k] * h[k];
}

/* Places of a step: the state before it, after it, and what a GRU multiplies by r. */
typedef struct at {
    int64_t t;
    float *h, *c, *h_new, *c_new, *linear;
} at;

static at find_step(const run *r, int64_t step)
{
    int64_t nh = r->s->n * r->s->h, here = r->kept ? step * nh : 0, next = r->kept ? here + nh : 0;

    return (at){time_of(r, step), r->h + here, r->c + here,
                r->h + next,      r->c + next, r->linear + here};
}

static mucmm_status run_step(mucmm_ctx *ctx, run *r, int64_t step)
{
    const state *s = r->s;
    int64_t gh = s->gates * s->h, h = s->h;
    bool apart =
        s->kind == GRU && !s->linear_before_reset; /* the last gate's product comes later */
    mucmm_status status = MUCMM_OK;
    at a = find_step(r, step);

    TRY(mucmm__gemm(ctx, false, true, s->n, apart ? 2 * h : gh, h, 1, a.h, h, r->r, h, 0, r->step,
                    gh));
    for (int64_t n = 0; s->kind == GRU && n < s->n; n++)
        if (is_active(r, a.t, n))
            gru_gates(r, n, r->gate + row_of(s, a.t, n) * gh, a.h + n * h, a.linear + n * h);
        else
            memset(a.linear + n * h, 0, (size_t)h * sizeof *a.linear);
    if (apart)
        TRY(mucmm__gemm(ctx, false, true, s->n, h, h, 1, a.linear, h, r->r + 2 * h * h, h, 0,
                        r->step + 2 * h, gh));
    for (int64_t n = 0; n < s->n; n++) {
        float *gate = r->gate + row_of(s, a.t, n) * gh;
        if (!is_active(r, a.t, n)) {
            memmove(a.h_new + n * h, a.h + n * h, (size_t)h * sizeof *a.h);
            if (s->kind == LSTM)
                memmove(a.c_new + n * h, a.c + n * h, (size_t)h * sizeof *a.c);
        } else if (s->kind == LSTM) {
            lstm_cell(r, n, gate, a.c + n * h, a.c_new + n * h, a.h_new + n * h);
        } else if (s->kind == GRU) {
            gru_cell(r, n, gate, a.h + n * h, a.linear + n * h, a.h_new + n * h);
        } else {
            rnn_cell(r, n, gate, a.h + n * h, a.h_new + n * h);
        }
    }
done:
    return status;
}

static void start_states(const mucmm__call *c, const run *r)
{
    const state *s = r->s;
    const float *h = mucmm__has_in(c, INITIAL_H) ? c->x[INITIAL_H] : NULL;
    const float *cell = mucmm__has_in(c, INITIAL_C) ? c->x[INITIAL_C] : NULL;
    size_t bytes = (size_t)s->h * sizeof(float);

    for (int64_t n = 0; n < s->n; n++) {
        float *to = r->h + n * s->h, *to_c = r->c + n * s->h;
        if (h)
            memcpy(to, h + last_place(r, n), bytes);
        else
            memset(to, 0, bytes);
        if (s->kind == LSTM && cell)
            memcpy(to_c, cell + last_place(r, n), bytes);
        else if (s->kind == LSTM)
            memset(to_c, 0, bytes);
    }
}

/* y: the outputs as they are asked for; NULL = only the states. */
static mucmm_status run_steps(mucmm__call *c, run *r, float *const y[3])
{
    const state *s = r->s;
    size_t bytes = (size_t)s->h * sizeof(float);
    mucmm_status status = multiply_inputs(c->ctx, r);
    at a = find_step(r, 0);

    start_states(c, r);
    for (int64_t step = 0; status == MUCMM_OK && step < s->t; step++) {
        a = find_step(r, step);
        status = run_step(c->ctx, r, step);
        for (int64_t n = 0; y[0] && n < s->n; n++)
            if (is_active(r, a.t, n))
                memcpy(y[0] + y_place(r, a.t, n), a.h_new + n * s->h, bytes);
            else
                memset(y[0] + y_place(r, a.t, n), 0, bytes);
    }
    for (int64_t n = 0; n < s->n; n++) {
        const float *h = s->t > 0 ? a.h_new : a.h, *cell = s->t > 0 ? a.c_new : a.c;
        if (y[1])
            memcpy(y[1] + last_place(r, n), h + n * s->h, bytes);
        if (y[2])
            memcpy(y[2] + last_place(r, n), cell + n * s->h, bytes);
    }
    return status;
}

static mucmm_status forward(mucmm__call *c)
{
    const state *s = c->state;
    float *y[3] = {NULL, NULL, NULL};
    mucmm_status status = MUCMM_OK;
    run r;

    for (int32_t i = 0; i < 3; i++)
        y[i] = mucmm__has_out(c, i) ? c->y[i] : NULL;
    for (int64_t d = 0; d < s->directions; d++) {
        TRY(run_init(c, false, d, &r));
        TRY(run_steps(c, &r, y));
    }
done:
    return status;
}

/* ---- gradient: one step ------------------------------------------------------------ */

/* From dh (and dc) after the step: the slopes with respect to W x + ..., in place of the gates;
 * what R sees, in step; and the part of dh before the step that does not go through R. */

static void rnn_back(const run *r, float *gate, float *step, float *dh)
{
    const state *s = r->s;

    for (int64_t k = 0; k < s->h; k++) {
        gate[k] = step[k] = dh[k] * slope(s->act[r->d][0], gate[k]);
        dh[k] = 0;
    }
}

static void lstm_back(const run *r, float *gate, float *step, const float *c, const float *c_new,
                      float *dh, float *dc)
{
    const state *s = r->s;
    const activation *act = s->act[r->d];
    const float *p = r->peephole;
    int64_t h = s->h;

    for (int64_t k = 0; k < h; k++) {
        float i = gate[k], o = gate[h + k], f = gate[2 * h + k], g = gate[3 * h + k];
        float out = act[2].id == TANH      ? tanh_any(c_new[k])
                    : act[2].id == SIGMOID ? sigmoid(c_new[k])
                                           : apply(act[2], c_new[k]);
        float to_o = dh[k] * out * slope(act[0], o);
        float cell = dc[k] + dh[k] * o * slope(act[2], out) + (p ? to_o * p[h + k] : 0);
        float to_f = cell * c[k], to_i = cell * g - (s->input_forget ? to_f : 0);

        to_f = s->input_forget ? 0 : to_f * slope(act[0], f);
        to_i *= slope(act[0], i);
        gate[k] = to_i;
        gate[h + k] = to_o;
        gate[2 * h + k] = to_f;
        gate[3 * h + k] = cell * i * slope(act[1], g);
        dc[k] = cell * f + (p ? to_i * p[k] + to_f * p[2 * h + k] : 0);
        dh[k] = 0;
    }
    memcpy(step, gate, 4 * (size_t)h * sizeof *step);
}

/* Without linear_before_reset, `through` is R' dn, the gradient of r h. */
static void gru_back(const run *r, float *gate, float *step, const float *h_old,
                     const float *linear, const float *through, float *dh)
{
    const state *s = r->s;
    activation f = s->act[r->d][0];
    int64_t h = s->h;

    for (int64_t k = 0; k < h; k++) {
        float z = gate[k], reset = gate[h + k], dn = gate[2 * h + k], n = step[2 * h + k];
        float to_r = s->linear_before_reset ? dn * linear[k] : through[k] * h_old[k];

        gate[k] = step[k] = dh[k] * (h_old[k] - n) * slope(f, z);
        gate[h + k] = step[h + k] = to_r * slope(f, reset);
        step[2 * h + k] = s->linear_before_reset ? dn * reset : 0;
        dh[k] = dh[k] * z + (s->linear_before_reset ? 0 : through[k] * reset);
    }
}

/* dn in place of n, which moves to step; R' dn of all samples in r->back. */
static mucmm_status gru_candidate_back(mucmm_ctx *ctx, const run *r, int64_t t)
{
    const state *s = r->s;
    int64_t h = s->h, gh = 3 * h;

    memset(r->step, 0, (size_t)(s->n * gh) * sizeof *r->step);
    for (int64_t n = 0; n < s->n; n++) {
        float *gate = r->gate + row_of(s, t, n) * gh;
        for (int64_t k = 0; is_active(r, t, n) && k < h; k++) {
            float value = gate[2 * h + k];
            r->step[n * gh + 2 * h + k] = value;
            gate[2 * h + k] = r->dh[n * h + k] * (1 - gate[k]) * slope(s->act[r->d][1], value);
            r->step[n * gh + k] = gate[2 * h + k];
        }
    }
    if (s->linear_before_reset)
        return MUCMM_OK;
    return mucmm__gemm(ctx, false, false, s->n, h, h, 1, r->step, gh, r->r + 2 * h * h, h, 0,
                       r->back, h);
}

static mucmm_status step_back(mucmm_ctx *ctx, run *r, int64_t step, const float *dy)
{
    const state *s = r->s;
    int64_t h = s->h, gh = s->gates * h;
    mucmm_status status = MUCMM_OK;
    at a = find_step(r, step);

    for (int64_t n = 0; dy && n < s->n; n++)
        if (is_active(r, a.t, n))
            add(h, dy + y_place(r, a.t, n), r->dh + n * h);
    if (s->kind == GRU)
        TRY(gru_candidate_back(ctx, r, a.t));
    for (int64_t n = 0; n < s->n; n++) {
        float *gate = r->gate + row_of(s, a.t, n) * gh, *to = r->step + n * gh;
        float *dh = r->dh + n * h;
        if (!is_active(r, a.t, n)) {
            memset(gate, 0, (size_t)gh * sizeof *gate);
            memset(to, 0, (size_t)gh * sizeof *to);
        } else if (s->kind == LSTM) {
            lstm_back(r, gate, to, a.c + n * h, a.c_new + n * h, dh, r->dc + n * h);
        } else if (s->kind == GRU) {
            gru_back(r, gate, to, a.h + n * h, a.linear + n * h, r->back + n * h, dh);
        } else {
            rnn_back(r, gate, to, dh);
        }
    }
    TRY(mucmm__gemm(ctx, false, false, s->n, h, gh, 1, r->step, gh, r->r, h, 1, r->dh, h));
done:
    return status;
}

/* ---- gradient ---------------------------------------------------------------------- */

static mucmm_status can_go_back(const mucmm__call *c, const state *s)
{
    static const int32_t counts[] = {1, 3, 2};

    if (s->clip > 0)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "no gradient passes through clip");
    for (int64_t k = 0; k < counts[s->kind] * s->directions; k++) {
        function f = s->act[k / counts[s->kind]][k % counts[s->kind]].id;
        if (f != SIGMOID && f != TANH && f != RELU)
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                                  "gradients pass through the activations Sigmoid, Tanh and Relu "
                                  "only, not %s",
                                  functions[f].name);
    }
    return MUCMM_OK;
}

/* The gradient of the last states, or zero. */
static void start_back(const mucmm__call *c, const run *r)
{
    const state *s = r->s;
    const float *dh = mucmm__has_out(c, 1) ? c->dy[1] : NULL;
    const float *dc = mucmm__has_out(c, 2) ? c->dy[2] : NULL;

    memset(r->dh, 0, (size_t)(s->n * s->h) * sizeof *r->dh);
    memset(r->dc, 0, (size_t)(s->n * s->h) * sizeof *r->dc);
    for (int64_t n = 0; n < s->n; n++) {
        if (dh)
            add(s->h, dh + last_place(r, n), r->dh + n * s->h);
        if (dc)
            add(s->h, dc + last_place(r, n), r->dc + n * s->h);
    }
}

static mucmm_status direction_vjp(mucmm__call *c, int64_t d)
{
    static float *const nothing[3];
    const state *s = c->state;
    float *dh = mucmm__has_in(c, INITIAL_H) ? c->dx[INITIAL_H] : NULL;
    float *dc = mucmm__has_in(c, INITIAL_C) ? c->dx[INITIAL_C] : NULL;
    int64_t gh = s->gates * s->h;
    mucmm_status status = MUCMM_OK;
    run r;

    TRY(run_init(c, true, d, &r));
    TRY(run_steps(c, &r, nothing));
    start_back(c, &r);
    for (int64_t step = s->t - 1; step >= 0; step--)
        TRY(step_back(c->ctx, &r, step, mucmm__has_out(c, 0) ? c->dy[0] : NULL));
    for (int64_t n = 0; n < s->n; n++) {
        if (dh)
            memcpy(dh + last_place(&r, n), r.dh + n * s->h, (size_t)s->h * sizeof *dh);
        if (dc)
            memcpy(dc + last_place(&r, n), r.dc + n * s->h, (size_t)s->h * sizeof *dc);
    }
    if (c->dx[X])
        TRY(mucmm__gemm(c->ctx, false, false, s->t * s->n, s->i, gh, 1, r.gate, gh, r.w, s->i,
                        d > 0 ? 1.0f : 0.0f, c->dx[X], s->i));
done:
    return status;
}

static mucmm_status vjp(mucmm__call *c)
{
    const state *s = c->state;
    mucmm_status status = can_go_back(c, s);

    for (int64_t d = 0; status == MUCMM_OK && d < s->directions; d++)
        status = direction_vjp(c, d);
    return status;
}

#define ROW(type, since, until, max_in, max_out, diff)                                             \
    {                                                                                              \
        type, since, until, 3, max_in, 0, max_out, infer, forward, vjp, diff, 0xff, 0, 0, NULL,    \
            prepare, drop                                                                          \
    }

const mucmm__op mucmm__ops_recurrent[] = {
    ROW("RNN", 7, 13, 6, 2, 1 << X | 1 << INITIAL_H),
    ROW("RNN", 14, 0, 6, 2, 1 << X | 1 << INITIAL_H),
    ROW("GRU", 7, 13, 6, 2, 1 << X | 1 << INITIAL_H),
    ROW("GRU", 14, 0, 6, 2, 1 << X | 1 << INITIAL_H),
    ROW("LSTM", 7, 13, 8, 3, 1 << X | 1 << INITIAL_H | 1 << INITIAL_C),
    ROW("LSTM", 14, 0, 8, 3, 1 << X | 1 << INITIAL_H | 1 << INITIAL_C),
    {0},
};
