/* SPDX-License-Identifier: MIT
 *
 * gradients.h - the gradients of a graph against finite differences, for tests.
 *
 * For cotangents v and a direction d:  <v, f(x + h d) - f(x - h d)> / 2h, in double, extrapolated
 * from h and h / 2 (Richardson), against <vjp(v), d>. */
#ifndef MUCMM_TEST_GRADIENTS_H
#define MUCMM_TEST_GRADIENTS_H

#include "graph/graph.h"
#include "harness.h"

#define SUBJECT_MAX 16
#define STEP 8e-3 /* spaced values, which keep away from kinks, lie more than two steps apart */

/* A graph, its inputs, which of them are differentiated, and the outputs. */
typedef struct subject {
    mucmm_graph *g;
    int32_t n_in, n_wrt, n_out;
    mucmm_named_tensor in[SUBJECT_MAX]; /* data owned */
    int32_t wrt[SUBJECT_MAX];           /* places in `in` */
    const char *out[SUBJECT_MAX];
    uint64_t memory;
    double tolerance; /* of the gradient's size; 0 = 2e-3 */
} subject;

static inline int64_t tensor_count(const mucmm_tensor *t)
{
    int64_t n = 1;

    for (int32_t k = 0; k < t->rank; k++)
        n *= t->shape[k];
    return n;
}

static inline void subject_drop(subject *s)
{
    for (int32_t i = 0; i < s->n_in; i++)
        free(s->in[i].tensor.data);
    mucmm_graph_free(s->g);
}

/* with_wrt: bit i for wrt i. */
static inline mucmm_run *subject_run(mucmm_ctx *ctx, const subject *s, uint32_t with_wrt)
{
    const char *names[SUBJECT_MAX];
    mucmm_run_params p;
    mucmm_run *r = NULL;

    mucmm_run_params_init(&p);
    p.outputs = s->out;
    p.n_outputs = s->n_out;
    p.wrt = names;
    p.memory = s->memory;
    for (int32_t i = 0; i < s->n_wrt; i++)
        if (with_wrt >> i & 1u)
            names[p.n_wrt++] = s->in[s->wrt[i]].name;
    CHECK_OK(ctx, mucmm_graph_run(ctx, s->g, s->in, s->n_in, &p, &r));
    assert_non_null(r);
    return r;
}

/* Cotangents v [n_out] in -1..1 for the float32 outputs of a run; data freed by drop_tensors. */
static inline void random_cotangents(const subject *s, const mucmm_run *r, uint64_t key,
                                     mucmm_tensor *v)
{
    uint64_t place = 0;

    for (int32_t o = 0; o < s->n_out; o++) {
        v[o] = *mucmm_run_output(r, o);
        v[o].data = NULL;
        if (v[o].dtype != MUCMM_F32)
            continue;
        v[o].data = calloc((size_t)tensor_count(&v[o]) + 1, sizeof(float));
        for (int64_t i = 0; i < tensor_count(&v[o]); i++)
            ((float *)v[o].data)[i] = (float)(2 * mucmm__rng_uniform(key, place++) - 1);
    }
}

/* Gradients of all wrt of a run made with with_wrt, NaN where the vjp has not written. */
static inline void subject_vjp(mucmm_ctx *ctx, const subject *s, mucmm_run *r, uint32_t with_wrt,
                               const mucmm_tensor *v, mucmm_tensor *grads)
{
    int32_t n = 0;

    for (int32_t i = 0; i < s->n_wrt; i++)
        if (with_wrt >> i & 1u) {
            const mucmm_tensor *t = mucmm_run_wrt(r, n);
            assert_non_null(t);
            assert_int_equal(tensor_count(t), tensor_count(&s->in[s->wrt[i]].tensor));
            grads[n] = *t;
            grads[n].data = calloc((size_t)tensor_count(t) + 1, sizeof(float));
            for (int64_t k = 0; k < tensor_count(t); k++)
                ((float *)grads[n].data)[k] = NAN;
            n++;
        }
    CHECK_OK(ctx, mucmm_run_vjp(ctx, r, v, grads));
}

static inline void drop_tensors(mucmm_tensor *t, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        free(t[i].data);
}

/* sum <v, f>; *size becomes its root mean square: |v f|_2. */
static inline double weighted_sum(mucmm_ctx *ctx, const subject *s, const mucmm_tensor *v,
                                  double *size)
{
    mucmm_run *r = subject_run(ctx, s, 0);
    double sum = 0, squares = 0;

    for (int32_t o = 0; o < s->n_out; o++) {
        const mucmm_tensor *y = mucmm_run_output(r, o);
        assert_int_equal(tensor_count(y), tensor_count(&v[o]));
        for (int64_t i = 0; v[o].data && i < tensor_count(y); i++) {
            double term = (double)((float *)v[o].data)[i] * (double)((float *)y->data)[i];
            sum += term;
            squares += term * term;
        }
    }
    *size = sqrt(squares);
    mucmm_run_free(r);
    return sum;
}

/* The difference quotient along the direction d (one array a wrt) with step h. */
static inline double quotient(mucmm_ctx *ctx, subject *s, const mucmm_tensor *v, float *const *d,
                              double h, double *size)
{
    double sums[2], steps = 0;

    for (int32_t side = 0; side < 2; side++) {
        float *kept[SUBJECT_MAX];
        for (int32_t i = 0; i < s->n_wrt; i++) {
            mucmm_tensor *t = &s->in[s->wrt[i]].tensor;
            float *moved = calloc((size_t)tensor_count(t) + 1, sizeof *moved);
            kept[i] = t->data;
            for (int64_t k = 0; k < tensor_count(t); k++)
                moved[k] = (float)((double)kept[i][k] + (side ? h : -h) * (double)d[i][k]);
            t->data = moved;
        }
        sums[side] = weighted_sum(ctx, s, v, size);
        for (int32_t i = 0; i < s->n_wrt; i++) {
            free(s->in[s->wrt[i]].tensor.data);
            s->in[s->wrt[i]].tensor.data = kept[i];
        }
    }
    steps = 2 * h;
    return (sums[1] - sums[0]) / steps;
}

/* Fails naming `what` when the gradients do not agree along d. */
static inline void check_direction(mucmm_ctx *ctx, subject *s, const char *what,
                                   const mucmm_tensor *v, const mucmm_tensor *grads,
                                   float *const *d)
{
    double coarse, fine, want, got = 0, g2 = 0, d2 = 0, n = 0, size, allowed;

    coarse = quotient(ctx, s, v, d, STEP, &size);
    fine = quotient(ctx, s, v, d, STEP / 2, &size);
    want = (4 * fine - coarse) / 3;
    for (int32_t i = 0; i < s->n_wrt; i++)
        for (int64_t k = 0; k < tensor_count(&grads[i]); k++) {
            double g = (double)((float *)grads[i].data)[k], dk = (double)d[i][k];
            got += g * dk;
            g2 += g * g;
            d2 += dk * dk;
            n++;
        }
    /* float32 rounding of the inputs and of f weighs 1 / h in the quotient */
    allowed = (s->tolerance > 0 ? s->tolerance : 2e-3) * (fabs(want) + sqrt(g2 * d2 / (n + 1))) +
              (3e-7 * size + 1e-7 * sqrt(g2)) / STEP;
    if (!(fabs(got - want) <= allowed))
        fail_msg("%s: the gradient gives %.9g, finite differences %.9g (difference %.3g > %.3g)",
                 what, got, want, fabs(got - want), allowed);
}

/* Two random directions and a few single coordinates. */
static inline void check_directions(mucmm_ctx *ctx, subject *s, const char *what, uint64_t key,
                                    const mucmm_tensor *v, const mucmm_tensor *grads)
{
    float *d[SUBJECT_MAX];
    uint64_t place = 0;

    for (int32_t i = 0; i < s->n_wrt; i++)
        d[i] = calloc((size_t)tensor_count(&grads[i]) + 1, sizeof **d);
    for (int32_t round = 0; round < 2; round++) {
        for (int32_t i = 0; i < s->n_wrt; i++)
            for (int64_t k = 0; k < tensor_count(&grads[i]); k++)
                d[i][k] = (float)(2 * mucmm__rng_uniform(key, place++) - 1);
        check_direction(ctx, s, what, v, grads, d);
    }
    for (int32_t i = 0; i < s->n_wrt; i++)
        memset(d[i], 0, (size_t)tensor_count(&grads[i]) * sizeof **d);
    for (int32_t i = 0; i < s->n_wrt; i++)
        for (int32_t round = 0; round < 2 && tensor_count(&grads[i]) > 0; round++) {
            int64_t k =
                (int64_t)(mucmm__rng_bits(key, place++) % (uint64_t)tensor_count(&grads[i]));
            d[i][k] = 1;
            check_direction(ctx, s, what, v, grads, d);
            d[i][k] = 0;
        }
    for (int32_t i = 0; i < s->n_wrt; i++)
        free(d[i]);
}

static inline void check_same(const char *what, const char *why, const mucmm_tensor *a,
                              const mucmm_tensor *b, double tolerance)
{
    const float *x = a->data, *y = b->data;

    assert_int_equal(tensor_count(a), tensor_count(b));
    for (int64_t k = 0; k < tensor_count(a); k++)
        if (!(fabsf(x[k] - y[k]) <= (float)tolerance * (1 + fabsf(x[k]))))
            fail_msg("%s: %s: number %lld is %.9g and %.9g", what, why, (long long)k, (double)x[k],
                     (double)y[k]);
}

/* Gradients with respect to all at once: finite differences, twice the same, one at a time. */
static inline void check_gradients(mucmm_ctx *ctx, subject *s, const char *what, uint64_t seed)
{
    uint64_t key = mucmm__rng_key(seed, 0);
    uint32_t all = (1u << s->n_wrt) - 1;
    mucmm_tensor v[SUBJECT_MAX] = {0}, grads[SUBJECT_MAX] = {0}, again[SUBJECT_MAX] = {0};
    mucmm_run *r = subject_run(ctx, s, all);

    random_cotangents(s, r, key, v);
    subject_vjp(ctx, s, r, all, v, grads);
    check_directions(ctx, s, what, mucmm__rng_key(seed, 1), v, grads);
    subject_vjp(ctx, s, r, all, v, again);
    for (int32_t i = 0; i < s->n_wrt; i++)
        check_same(what, "a second vjp differs", &grads[i], &again[i], 0);
    drop_tensors(again, s->n_wrt);
    mucmm_run_free(r);
    for (int32_t i = 0; i < s->n_wrt && s->n_wrt > 1; i++) {
        r = subject_run(ctx, s, 1u << i);
        subject_vjp(ctx, s, r, 1u << i, v, again);
        check_same(what, "the gradient of one input alone differs", &grads[i], &again[0], 1e-5);
        drop_tensors(again, 1);
        mucmm_run_free(r);
    }
    drop_tensors(grads, s->n_wrt);
    drop_tensors(v, s->n_out);
}

/* ---- inputs ------------------------------------------------------------------------ */

/* Adds an input that is differentiated if wrt; the caller fills data. */
static inline void *subject_add(subject *s, const char *name, mucmm_dtype t, int32_t rank,
                                const int64_t *shape, bool wrt)
{
    mucmm_named_tensor *in = &s->in[s->n_in];

    assert_true(s->n_in < SUBJECT_MAX);
    in->name = name;
    in->tensor = (mucmm_tensor){.dtype = t, .rank = rank};
    if (rank > 0)
        memcpy(in->tensor.shape, shape, (size_t)rank * sizeof *shape);
    in->tensor.data = calloc((size_t)tensor_count(&in->tensor) + 1, 8);
    if (wrt)
        s->wrt[s->n_wrt++] = s->n_in;
    s->n_in++;
    return in->tensor.data;
}

/* n values of a permuted even grid between low and high, without the ends and the middle: no two
 * are closer than (high - low) / (n + 1), so that maxima and the kink at zero stay where they are.
 */
static inline void spaced_values(uint64_t key, int64_t n, double low, double high, float *out)
{
    int64_t even = n + n % 2, *perm = calloc((size_t)even + 1, sizeof *perm);

    mucmm__rng_permutation(key, perm, even);
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)(low + (high - low) * ((double)perm[i] + .5) / (double)even);
    free(perm);
}

#endif
