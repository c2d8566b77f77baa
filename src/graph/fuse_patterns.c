/* SPDX-License-Identifier: MIT
 *
 * fuse_patterns.c - steps that together are one function: activations, scalings, layer
 * normalization, channel shuffles. */
#include "graph/fuse.h"

#include <math.h>
#include <string.h>

/* ---- functions of one value -------------------------------------------------------- */

/* clip(x + 3, 0, 6) */
static bool is_relu6_of_3(mucmm__fuser *f, int32_t id, int32_t x, mucmm__step *parts[2])
{
    double lo, hi, k;
    int32_t a = -1;

    parts[0] = mucmm__fuse_inner(f, id, "Clip", 1);
    if (!parts[0] || !mucmm__fuse_clip_bounds(f, parts[0], &lo, &hi) || lo != 0 || hi != 6)
        return false;
    parts[1] = mucmm__fuse_inner(f, parts[0]->in[0], "Add", 1);
    return parts[1] && mucmm__fuse_scalar_operand(f, parts[1], &k, &a) && k == 3 && a == x;
}

/* x clip(x + 3, 0, 6) / 6 */
static mucmm_status match_hardswish(mucmm__fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *product, *parts[2];
    double k;
    int32_t m = -1;

    if (mucmm__step_is_op(s, "Div") && mucmm__fuse_near(f, s->in[1], 6))
        m = s->in[0];
    else if (!mucmm__step_is_op(s, "Mul") || !mucmm__fuse_scalar_operand(f, s, &k, &m) ||
             fabs(k - 1.0 / 6) > 1e-6)
        return MUCMM_OK;
    product = mucmm__fuse_inner(f, m, "Mul", 1);
    for (int32_t i = 0; product && i < 2 && !*done; i++) {
        int32_t x = product->in[i];
        if (!is_relu6_of_3(f, product->in[1 - i], x, parts))
            continue;
        product->removed = parts[0]->removed = parts[1]->removed = true;
        TRY(mucmm__fuse_rewrite(f, s, mucmm__fuse_op("HardSwish"), NULL, 0, &x, 1));
        *done = true;
    }
done:
    return status;
}

/* x sigmoid(x), x hardsigmoid(x) with alpha 1/6 */
static mucmm_status match_gate(mucmm__fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;

    if (!mucmm__step_is_op(s, "Mul"))
        return MUCMM_OK;
    for (int32_t i = 0; i < 2 && !*done; i++) {
        int32_t x = s->in[i];
        mucmm__step *gate = mucmm__fuse_inner(f, s->in[1 - i], "Sigmoid", 1),
                    *hard = mucmm__fuse_inner(f, s->in[1 - i], "HardSigmoid", 1);
        if (hard && (fabsf(mucmm__attr_float(hard->node, "alpha", 0.2f) - 1.0f / 6) > 1e-6f ||
                     mucmm__attr_float(hard->node, "beta", 0.5f) != 0.5f))
            hard = NULL;
        gate = gate ? gate : hard;
        if (!gate || gate->in[0] != x)
            continue;
        gate->removed = true;
        TRY(mucmm__fuse_rewrite(f, s, mucmm__fuse_op(hard ? "HardSwish" : "Silu"), NULL, 0, &x, 1));
        *done = true;
    }
done:
    return status;
}

/* The factors of a product of at most three: steps other than the last are used here alone. */
static int32_t factors(mucmm__fuser *f, mucmm__step *s, int32_t out[3], mucmm__step **second)
{
    *second = NULL;
    for (int32_t i = 0; i < 2 && !*second; i++) {
        *second = mucmm__fuse_inner(f, s->in[i], "Mul", 1);
        if (*second) {
            out[0] = s->in[1 - i];
            out[1] = (*second)->in[0];
            out[2] = (*second)->in[1];
        }
    }
    return *second ? 3 : 0;
}

/* 1 + erf(x / sqrt 2) */
static bool is_erf_part(mucmm__fuser *f, int32_t id, int32_t x, mucmm__step *parts[3])
{
    double k;
    int32_t a = -1, b = -1;

    parts[0] = mucmm__fuse_inner(f, id, "Add", 1);
    if (!parts[0] || !mucmm__fuse_scalar_operand(f, parts[0], &k, &a) || k != 1)
        return false;
    parts[1] = mucmm__fuse_inner(f, a, "Erf", 1);
    if (!parts[1])
        return false;
    parts[2] = mucmm__fuse_inner(f, parts[1]->in[0], "Div", 1);
    if (parts[2])
        return parts[2]->in[0] == x && mucmm__fuse_near(f, parts[2]->in[1], M_SQRT2);
    parts[2] = mucmm__fuse_inner(f, parts[1]->in[0], "Mul", 1);
    return parts[2] && mucmm__fuse_scalar_operand(f, parts[2], &k, &b) && b == x &&
           fabs(k - M_SQRT1_2) < 1e-6;
}

/* x 0.5 (1 + erf(x / sqrt 2)), in any order of the factors */
static mucmm_status match_gelu(mucmm__fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *second, *parts[3];
    int32_t id[3];

    if (!mucmm__step_is_op(s, "Mul") || factors(f, s, id, &second) != 3)
        return MUCMM_OK;
    for (int32_t half = 0; half < 3 && !*done; half++)
        for (int32_t i = 0; i < 2 && !*done; i++) {
            int32_t a = id[(half + 1) % 3], b = id[(half + 2) % 3], x = i ? b : a;
            if (!mucmm__fuse_near(f, id[half], 0.5) || !is_erf_part(f, i ? a : b, x, parts))
                continue;
            second->removed = parts[0]->removed = parts[1]->removed = parts[2]->removed = true;
            TRY(mucmm__fuse_rewrite(f, s, mucmm__fuse_op("Gelu"), NULL, 0, &x, 1));
            *done = true;
        }
done:
    return status;
}

/* ---- scaling ----------------------------------------------------------------------- */

/* s is y = a x + b with known numbers a and b. */
static bool is_scaling(const mucmm__fuser *f, const mucmm__step *s, double *a, double *b,
                       int32_t *x)
{
    bool mul = mucmm__step_is_op(s, "Mul"), add = mucmm__step_is_op(s, "Add"),
         div = mucmm__step_is_op(s, "Div"), sub = mucmm__step_is_op(s, "Sub");
    double k;

    if ((!mul && !add && !div && !sub) || s->n_in != 2 ||
        !mucmm__fuse_scalar_operand(f, s, &k, x) || ((div || sub) && *x != s->in[0]))
        return false;
    *a = mul ? k : div ? 1 / k : 1;
    *b = add ? k : sub ? -k : 0;
    return true;
}

/* Mul and Add by numbers that no convolution took, together and with the HardSwish before them. */
mucmm_status mucmm__fuse_scaling(mucmm__fuser *f, mucmm__step *s)
{
    mucmm_status status = MUCMM_OK;
    static const char *const before[] = {"Affine", "ScaledHardSwish", "HardSwish"};
    const char *type = "Affine";
    double a, b;
    int32_t x = -1;
    mucmm__attr attrs[2] = {{.name = (char[]){"alpha"}, .kind = MUCMM__ATTR_FLOAT},
                            {.name = (char[]){"beta"}, .kind = MUCMM__ATTR_FLOAT}};

    if (s->removed || s->n_out < 1 || s->out[0] < 0 || !mucmm__fuse_is_float32(f, s->out[0]) ||
        !is_scaling(f, s, &a, &b, &x))
        return MUCMM_OK;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        mucmm__step *inside = mucmm__fuse_inner(f, x, before[i], 1);
        if (!inside)
            continue;
        b += a * (double)mucmm__attr_float(inside->node, "beta", 0);
        a *= (double)mucmm__attr_float(inside->node, "alpha", 1);
        type = i == 0 ? "Affine" : "ScaledHardSwish";
        inside->removed = true;
        x = inside->in[0];
        break;
    }
    attrs[0].f = (float)a;
    attrs[1].f = (float)b;
    TRY(mucmm__fuse_rewrite(f, s, mucmm__fuse_op(type), attrs, 2, &x, 1));
done:
    return status;
}

/* ---- layer normalization ----------------------------------------------------------- */

/* The mean of x over its last axis, kept as an axis of 1. */
static bool is_last_mean(const mucmm__fuser *f, const mucmm__step *s, int32_t *x)
{
    const mucmm__desc *d = &f->p->vals[s->in[0]].desc, *out = &f->p->vals[s->out[0]].desc;

    *x = s->in[0];
    if (d->rank < 1 || out->rank != d->rank || out->shape[d->rank - 1] != 1 ||
        d->shape[d->rank - 1] == 1)
        return false;
    return memcmp(d->shape, out->shape, (size_t)(d->rank - 1) * sizeof *d->shape) == 0;
}

static bool is_square(const mucmm__fuser *f, const mucmm__step *s, int32_t *d)
{
    *d = s->in[0];
    return mucmm__step_is_op(s, "Pow") ? mucmm__fuse_near(f, s->in[1], 2) : s->in[0] == s->in[1];
}

typedef struct norm {
    mucmm__step *parts[7]; /* all but the last step */
    int32_t n, x;
    double epsilon;
} norm;

/* d / sqrt(mean(d^2) + epsilon),  d = x - mean(x) */
static bool is_normalized(mucmm__fuser *f, mucmm__step *s, norm *out)
{
    mucmm__step *root, *sum, *mean, *square, *centred, *first;
    int32_t a = -1, d = -1, x = -1, sq = -1;

    if (!mucmm__step_is_op(s, "Div") || !(root = mucmm__fuse_inner(f, s->in[1], "Sqrt", 1)) ||
        !(sum = mucmm__fuse_inner(f, root->in[0], "Add", 1)) ||
        !mucmm__fuse_scalar_operand(f, sum, &out->epsilon, &a) ||
        !(mean = mucmm__fuse_inner(f, a, "ReduceMean", 1)) || !is_last_mean(f, mean, &sq))
        return false;
    square = mucmm__fuse_inner(f, sq, "Pow", 1);
    square = square ? square : mucmm__fuse_inner(f, sq, "Mul", 1);
    if (!square || !is_square(f, square, &d) || d != s->in[0])
        return false;
    centred = mucmm__fuse_inner(f, d, "Sub", mucmm__step_is_op(square, "Pow") ? 2 : 3);
    if (!centred || !(first = mucmm__fuse_inner(f, centred->in[1], "ReduceMean", 1)) ||
        !is_last_mean(f, first, &x) || x != centred->in[0])
        return false;
    out->x = x;
    out->n = 6;
    out->parts[0] = root;
    out->parts[1] = sum;
    out->parts[2] = mean;
    out->parts[3] = square;
    out->parts[4] = centred;
    out->parts[5] = first;
    return true;
}

/* The operand of s that is known and as long as the last axis; *other is the other one. */
static int32_t row_operand(const mucmm__fuser *f, const mucmm__step *s, int32_t *other)
{
    const mucmm__desc *out = &f->p->vals[s->out[0]].desc;

    for (int32_t i = 0; i < 2; i++) {
        const mucmm__pval *v = s->in[i] >= 0 ? &f->p->vals[s->in[i]] : NULL;
        if (!v || !v->known || v->desc.dtype != MUCMM_F32 || v->desc.rank != 1 || out->rank < 1 ||
            v->desc.shape[0] != out->shape[out->rank - 1])
            continue;
        *other = s->in[1 - i];
        return s->in[i];
    }
    return -1;
}

static mucmm_status match_layer_norm(mucmm__fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *product, *quotient;
    int32_t beta, gamma, a = -1, b = -1;
    norm n;
    mucmm__attr attrs[2] = {{.name = (char[]){"axis"}, .kind = MUCMM__ATTR_INT, .i = -1},
                            {.name = (char[]){"epsilon"}, .kind = MUCMM__ATTR_FLOAT}};

    if (!mucmm__step_is_op(s, "Add") || (beta = row_operand(f, s, &a)) < 0 ||
        !(product = mucmm__fuse_inner(f, a, "Mul", 1)) ||
        (gamma = row_operand(f, product, &b)) < 0 ||
        !(quotient = mucmm__fuse_inner(f, b, "Div", 1)) || !is_normalized(f, quotient, &n))
        return MUCMM_OK;
    attrs[1].f = (float)n.epsilon;
    for (int32_t i = 0; i < n.n; i++)
        n.parts[i]->removed = true;
    product->removed = quotient->removed = true;
    TRY(mucmm__fuse_rewrite(f, s, mucmm__fuse_op("LayerNormalization"), attrs, 2,
                            (int32_t[]){n.x, gamma, beta}, 3));
    *done = true;
done:
    return status;
}

/* ---- channel shuffles -------------------------------------------------------------- */

/* ShuffleNet's exports take even and odd channels of x [1, C, H, W] apart by
 *   Reshape [C/2, 2, HW], Transpose (1, 0, 2), Reshape [2, 1, C/2, H, W], Gather 0 and Gather 1:
 * that is a shuffle of C/2 groups, and two halves. */
static bool is_even_odd(const mucmm__fuser *f, const mucmm__step *gather, mucmm__step *parts[3],
                        int32_t *x)
{
    const mucmm__desc *d, *mid, *last;
    int64_t n = 0;
    const int64_t *perm;

    if (!mucmm__step_is_op(gather, "Gather") || mucmm__attr_int(gather->node, "axis", 0) != 0 ||
        !(parts[2] = mucmm__fuse_inner(f, gather->in[0], "Reshape", 2)) ||
        !(parts[1] = mucmm__fuse_inner(f, parts[2]->in[0], "Transpose", 1)) ||
        !(parts[0] = mucmm__fuse_inner(f, parts[1]->in[0], "Reshape", 1)))
        return false;
    *x = parts[0]->in[0];
    d = &f->p->vals[*x].desc;
    mid = &f->p->vals[parts[0]->out[0]].desc;
    last = &f->p->vals[parts[2]->out[0]].desc;
    perm = mucmm__attr_ints(parts[1]->node, "perm", &n);
    return d->rank == 4 && d->shape[0] == 1 && d->dtype == MUCMM_F32 && mid->rank == 3 &&
           mid->shape[1] == 2 && mid->shape[0] * 2 == d->shape[1] && n == 3 && perm[0] == 1 &&
           perm[1] == 0 && last->rank == 5 && last->shape[0] == 2 && last->shape[1] == 1 &&
           last->shape[2] * 2 == d->shape[1] && last->shape[3] == d->shape[2] &&
           last->shape[4] == d->shape[3];
}

static bool gather_index(const mucmm__fuser *f, const mucmm__step *s, int64_t *index)
{
    const mucmm__pval *v = &f->p->vals[s->in[1]];

    if (!v->known || v->desc.rank != 0)
        return false;
    *index = mucmm__integer_get(v->desc.dtype, v->known, 0);
    *index += *index < 0 ? 2 : 0;
    return *index == 0 || *index == 1;
}

/* The other Gather of the same value, after or before s. */
static mucmm__step *twin_gather(const mucmm__fuser *f, const mucmm__step *s)
{
    for (int32_t k = 0; k < f->p->n_steps; k++) {
        mucmm__step *t = &f->p->steps[k];
        if (t != s && mucmm__step_is_op(t, "Gather") && t->in[0] == s->in[0])
            return t;
    }
    return NULL;
}

static mucmm_status match_shuffle(mucmm__fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *parts[3], *twin;
    int32_t x, *outs = NULL;
    int64_t i, j;
    mucmm__attr groups = {.name = (char[]){"groups"}, .kind = MUCMM__ATTR_INT};
    mucmm__attr axis = {.name = (char[]){"axis"}, .kind = MUCMM__ATTR_INT, .i = 1};

    if (!is_even_odd(f, s, parts, &x) || !(twin = twin_gather(f, s)) || twin < s ||
        !gather_index(f, s, &i) || !gather_index(f, twin, &j) || i == j)
        return MUCMM_OK;
    groups.i = f->p->vals[x].desc.shape[1] / 2;
    TRY(mucmm__alloc(f->ctx, 2, sizeof *outs, &outs));
    outs[i] = s->out[0];
    outs[j] = twin->out[0];
    /* The last Reshape becomes the shuffle; its value has x's shape from now on. */
    parts[0]->removed = parts[1]->removed = twin->removed = true;
    f->p->vals[parts[2]->out[0]].desc = f->p->vals[x].desc;
    TRY(mucmm__fuse_rewrite(f, parts[2], mucmm__fuse_op("ChannelShuffle"), &groups, 1, &x, 1));
    TRY(mucmm__fuse_rewrite(f, s, mucmm__fuse_op("Split"), &axis, 1, &parts[2]->out[0], 1));
    mucmm__free(s->out);
    s->out = outs;
    s->n_out = 2;
    f->p->vals[outs[0]].step = f->p->vals[outs[1]].step = (int32_t)(s - f->p->steps);
    outs = NULL;
    *done = true;
done:
    mucmm__free(outs);
    return status;
}

mucmm_status mucmm__fuse_patterns(mucmm__fuser *f, mucmm__step *s)
{
    mucmm_status status = MUCMM_OK;
    bool done =
        s->removed || s->n_out < 1 || s->out[0] < 0 || !mucmm__fuse_is_float32(f, s->out[0]);

    if (!done)
        TRY(match_hardswish(f, s, &done));
    if (!done)
        TRY(match_gate(f, s, &done));
    if (!done)
        TRY(match_gelu(f, s, &done));
    if (!done)
        TRY(match_layer_norm(f, s, &done));
    if (!done)
        TRY(match_shuffle(f, s, &done));
done:
    return status;
}
