/* SPDX-License-Identifier: MIT
 *
 * fuse.c - several steps as one that gives the same values in less time. A pattern is looked for
 * from its last step backwards; what is inside it must be used nowhere else and not be asked for.
 */
#include "graph/plan.h"

#include <math.h>
#include <string.h>

typedef struct fuser {
    mucmm_ctx *ctx;
    mucmm__plan *p;
    int32_t *users; /* [n_vals] how many inputs of steps a value is                       */
    int32_t *user;  /* [n_vals] the last of those steps                                    */
} fuser;

/* ---- looking ----------------------------------------------------------------------- */

static mucmm_status count_users(fuser *f)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__plan *p = f->p;

    mucmm__free(f->users);
    mucmm__free(f->user);
    f->users = f->user = NULL;
    TRY(mucmm__alloc(f->ctx, p->n_vals, sizeof *f->users, &f->users));
    TRY(mucmm__alloc(f->ctx, p->n_vals, sizeof *f->user, &f->user));
    for (int32_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; !p->steps[k].removed && i < p->steps[k].n_in; i++)
            if (p->steps[k].in[i] >= 0) {
                f->users[p->steps[k].in[i]]++;
                f->user[p->steps[k].in[i]] = k;
            }
done:
    return status;
}

static bool is_op(const mucmm__step *s, const char *type)
{
    return s && !s->removed && strcmp(s->op->type, type) == 0;
}

/* The step that computes a value, if it is an op of that type; else NULL. */
static mucmm__step *made_by(const fuser *f, int32_t id, const char *type)
{
    mucmm__step *s = id >= 0 && f->p->vals[id].step >= 0 ? &f->p->steps[f->p->vals[id].step] : NULL;
    return is_op(s, type) ? s : NULL;
}

/* The same, if the value serves `uses` inputs and is not asked for. */
static mucmm__step *inner(const fuser *f, int32_t id, const char *type, int32_t uses)
{
    mucmm__step *s = made_by(f, id, type);
    return s && f->users[id] == uses && !f->p->vals[id].keep ? s : NULL;
}

/* A known single float. */
static bool known_scalar(const fuser *f, int32_t id, double *out)
{
    const mucmm__pval *v = id >= 0 ? &f->p->vals[id] : NULL;

    if (!v || !v->known || v->desc.dtype != MUCMM_F32 || mucmm__desc_count(&v->desc) != 1)
        return false;
    *out = (double)*(const float *)v->known;
    return true;
}

static bool known_near(const fuser *f, int32_t id, double want)
{
    double x;
    return known_scalar(f, id, &x) && fabs(x - want) <= 1e-6 * fabs(want);
}

/* One operand is a known scalar (*x), the other *id. */
static bool scalar_operand(const fuser *f, const mucmm__step *s, double *x, int32_t *id)
{
    for (int32_t i = 0; i < 2; i++)
        if (known_scalar(f, s->in[i], x) && s->in[1 - i] >= 0 && !f->p->vals[s->in[1 - i]].known) {
            *id = s->in[1 - i];
            return mucmm__same_shape(&f->p->vals[*id].desc, &f->p->vals[s->out[0]].desc);
        }
    return false;
}

/* Bounds of a Clip with known ends. */
static bool clip_bounds(const fuser *f, const mucmm__step *s, double *lo, double *hi)
{
    *lo = (double)mucmm__attr_float(s->node, "min", -INFINITY);
    *hi = (double)mucmm__attr_float(s->node, "max", INFINITY);
    if (s->n_in > 1 && s->in[1] >= 0 && !known_scalar(f, s->in[1], lo))
        return false;
    return s->n_in <= 2 || s->in[2] < 0 || known_scalar(f, s->in[2], hi);
}

static bool is_float32(const fuser *f, int32_t id)
{
    return f->p->vals[id].desc.dtype == MUCMM_F32;
}

/* ---- rewriting --------------------------------------------------------------------- */

/* Step s becomes op(in...) with the same output. */
static mucmm_status rewrite(fuser *f, mucmm__step *s, const mucmm__op *op, const mucmm__attr *attrs,
                            int32_t n_attrs, const int32_t *in, int32_t n_in)
{
    mucmm_status status = MUCMM_OK;
    int32_t *ids = NULL;
    const mucmm__node *node;

    TRY(mucmm__alloc(f->ctx, n_in, sizeof *ids, &ids));
    for (int32_t i = 0; i < n_in; i++)
        ids[i] = in[i];
    TRY(mucmm__plan_add_node(f->ctx, f->p, op, s->node->name, attrs, n_attrs, &node));
    mucmm__free(s->in);
    s->in = ids;
    s->n_in = n_in;
    s->node = node;
    s->op = op;
    ids = NULL;
    TRY(count_users(f));
done:
    mucmm__free(ids);
    return status;
}

static const mucmm__op *any_op(const char *type)
{
    bool known;
    const mucmm__op *op = mucmm__op_internal(type);
    return op ? op : mucmm__op_find(type, MUCMM__OPSET_MAX, &known);
}

/* ---- functions of one value -------------------------------------------------------- */

/* x * 1, x / 1, x + 0, x - 0 */
static bool is_neutral(const fuser *f, const mucmm__step *s, int32_t *x)
{
    double k;

    if (is_op(s, "Mul") || is_op(s, "Add"))
        return scalar_operand(f, s, &k, x) && k == (s->op->type[0] == 'M' ? 1 : 0);
    if (!is_op(s, "Div") && !is_op(s, "Sub"))
        return false;
    *x = s->in[0];
    return known_scalar(f, s->in[1], &k) && k == (s->op->type[0] == 'D' ? 1 : 0) &&
           mucmm__same_shape(&f->p->vals[*x].desc, &f->p->vals[s->out[0]].desc);
}

/* clip(x + 3, 0, 6) */
static bool is_relu6_of_3(fuser *f, int32_t id, int32_t x, mucmm__step *parts[2])
{
    double lo, hi, k;
    int32_t a = -1;

    parts[0] = inner(f, id, "Clip", 1);
    if (!parts[0] || !clip_bounds(f, parts[0], &lo, &hi) || lo != 0 || hi != 6)
        return false;
    parts[1] = inner(f, parts[0]->in[0], "Add", 1);
    return parts[1] && scalar_operand(f, parts[1], &k, &a) && k == 3 && a == x;
}

/* x clip(x + 3, 0, 6) / 6 */
static mucmm_status match_hardswish(fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *product, *parts[2];
    double k;
    int32_t m = -1;

    if (is_op(s, "Div") && known_near(f, s->in[1], 6))
        m = s->in[0];
    else if (!is_op(s, "Mul") || !scalar_operand(f, s, &k, &m) || fabs(k - 1.0 / 6) > 1e-6)
        return MUCMM_OK;
    product = inner(f, m, "Mul", 1);
    for (int32_t i = 0; product && i < 2 && !*done; i++) {
        int32_t x = product->in[i];
        if (!is_relu6_of_3(f, product->in[1 - i], x, parts))
            continue;
        product->removed = parts[0]->removed = parts[1]->removed = true;
        TRY(rewrite(f, s, any_op("HardSwish"), NULL, 0, &x, 1));
        *done = true;
    }
done:
    return status;
}

/* x sigmoid(x), x hardsigmoid(x) with alpha 1/6 */
static mucmm_status match_gate(fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;

    if (!is_op(s, "Mul"))
        return MUCMM_OK;
    for (int32_t i = 0; i < 2 && !*done; i++) {
        int32_t x = s->in[i];
        mucmm__step *gate = inner(f, s->in[1 - i], "Sigmoid", 1),
                    *hard = inner(f, s->in[1 - i], "HardSigmoid", 1);
        if (hard && (fabsf(mucmm__attr_float(hard->node, "alpha", 0.2f) - 1.0f / 6) > 1e-6f ||
                     mucmm__attr_float(hard->node, "beta", 0.5f) != 0.5f))
            hard = NULL;
        gate = gate ? gate : hard;
        if (!gate || gate->in[0] != x)
            continue;
        gate->removed = true;
        TRY(rewrite(f, s, any_op(hard ? "HardSwish" : "Silu"), NULL, 0, &x, 1));
        *done = true;
    }
done:
    return status;
}

/* The factors of a product of at most three: steps other than the last are used here alone. */
static int32_t factors(fuser *f, mucmm__step *s, int32_t out[3], mucmm__step **second)
{
    *second = NULL;
    for (int32_t i = 0; i < 2 && !*second; i++) {
        *second = inner(f, s->in[i], "Mul", 1);
        if (*second) {
            out[0] = s->in[1 - i];
            out[1] = (*second)->in[0];
            out[2] = (*second)->in[1];
        }
    }
    return *second ? 3 : 0;
}

/* 1 + erf(x / sqrt 2) */
static bool is_erf_part(fuser *f, int32_t id, int32_t x, mucmm__step *parts[3])
{
    double k;
    int32_t a = -1, b = -1;

    parts[0] = inner(f, id, "Add", 1);
    if (!parts[0] || !scalar_operand(f, parts[0], &k, &a) || k != 1)
        return false;
    parts[1] = inner(f, a, "Erf", 1);
    if (!parts[1])
        return false;
    parts[2] = inner(f, parts[1]->in[0], "Div", 1);
    if (parts[2])
        return parts[2]->in[0] == x && known_near(f, parts[2]->in[1], M_SQRT2);
    parts[2] = inner(f, parts[1]->in[0], "Mul", 1);
    return parts[2] && scalar_operand(f, parts[2], &k, &b) && b == x && fabs(k - M_SQRT1_2) < 1e-6;
}

/* x 0.5 (1 + erf(x / sqrt 2)), in any order of the factors */
static mucmm_status match_gelu(fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *second, *parts[3];
    int32_t id[3];

    if (!is_op(s, "Mul") || factors(f, s, id, &second) != 3)
        return MUCMM_OK;
    for (int32_t half = 0; half < 3 && !*done; half++)
        for (int32_t i = 0; i < 2 && !*done; i++) {
            int32_t a = id[(half + 1) % 3], b = id[(half + 2) % 3], x = i ? b : a;
            if (!known_near(f, id[half], 0.5) || !is_erf_part(f, i ? a : b, x, parts))
                continue;
            second->removed = parts[0]->removed = parts[1]->removed = parts[2]->removed = true;
            TRY(rewrite(f, s, any_op("Gelu"), NULL, 0, &x, 1));
            *done = true;
        }
done:
    return status;
}

/* ---- scaling ----------------------------------------------------------------------- */

/* s is y = a x + b with known numbers a and b. */
static bool is_scaling(const fuser *f, const mucmm__step *s, double *a, double *b, int32_t *x)
{
    bool mul = is_op(s, "Mul"), add = is_op(s, "Add"), div = is_op(s, "Div"), sub = is_op(s, "Sub");
    double k;

    if ((!mul && !add && !div && !sub) || s->n_in != 2 || !scalar_operand(f, s, &k, x) ||
        ((div || sub) && *x != s->in[0]))
        return false;
    *a = mul ? k : div ? 1 / k : 1;
    *b = add ? k : sub ? -k : 0;
    return true;
}

/* Mul and Add by numbers that no convolution took, together and with the HardSwish before them. */
static mucmm_status match_scaling(fuser *f, mucmm__step *s)
{
    mucmm_status status = MUCMM_OK;
    static const char *const before[] = {"Affine", "ScaledHardSwish", "HardSwish"};
    const char *type = "Affine";
    double a, b;
    int32_t x = -1;
    mucmm__attr attrs[2] = {{.name = (char[]){"alpha"}, .kind = MUCMM__ATTR_FLOAT},
                            {.name = (char[]){"beta"}, .kind = MUCMM__ATTR_FLOAT}};

    if (s->removed || s->n_out < 1 || s->out[0] < 0 || !is_float32(f, s->out[0]) ||
        !is_scaling(f, s, &a, &b, &x))
        return MUCMM_OK;
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        mucmm__step *inside = inner(f, x, before[i], 1);
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
    TRY(rewrite(f, s, any_op(type), attrs, 2, &x, 1));
done:
    return status;
}

/* ---- layer normalization ----------------------------------------------------------- */

/* The mean of x over its last axis, kept as an axis of 1. */
static bool is_last_mean(const fuser *f, const mucmm__step *s, int32_t *x)
{
    const mucmm__desc *d = &f->p->vals[s->in[0]].desc, *out = &f->p->vals[s->out[0]].desc;

    *x = s->in[0];
    if (d->rank < 1 || out->rank != d->rank || out->shape[d->rank - 1] != 1 ||
        d->shape[d->rank - 1] == 1)
        return false;
    return memcmp(d->shape, out->shape, (size_t)(d->rank - 1) * sizeof *d->shape) == 0;
}

static bool is_square(const fuser *f, const mucmm__step *s, int32_t *d)
{
    *d = s->in[0];
    return is_op(s, "Pow") ? known_near(f, s->in[1], 2) : s->in[0] == s->in[1];
}

typedef struct norm {
    mucmm__step *parts[7]; /* all but the last step */
    int32_t n, x;
    double epsilon;
} norm;

/* d / sqrt(mean(d^2) + epsilon),  d = x - mean(x) */
static bool is_normalized(fuser *f, mucmm__step *s, norm *out)
{
    mucmm__step *root, *sum, *mean, *square, *centred, *first;
    int32_t a = -1, d = -1, x = -1, sq = -1;

    if (!is_op(s, "Div") || !(root = inner(f, s->in[1], "Sqrt", 1)) ||
        !(sum = inner(f, root->in[0], "Add", 1)) || !scalar_operand(f, sum, &out->epsilon, &a) ||
        !(mean = inner(f, a, "ReduceMean", 1)) || !is_last_mean(f, mean, &sq))
        return false;
    square = inner(f, sq, "Pow", 1);
    square = square ? square : inner(f, sq, "Mul", 1);
    if (!square || !is_square(f, square, &d) || d != s->in[0])
        return false;
    centred = inner(f, d, "Sub", is_op(square, "Pow") ? 2 : 3);
    if (!centred || !(first = inner(f, centred->in[1], "ReduceMean", 1)) ||
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
static int32_t row_operand(const fuser *f, const mucmm__step *s, int32_t *other)
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

static mucmm_status match_layer_norm(fuser *f, mucmm__step *s, bool *done)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *product, *quotient;
    int32_t beta, gamma, a = -1, b = -1;
    norm n;
    mucmm__attr attrs[2] = {{.name = (char[]){"axis"}, .kind = MUCMM__ATTR_INT, .i = -1},
                            {.name = (char[]){"epsilon"}, .kind = MUCMM__ATTR_FLOAT}};

    if (!is_op(s, "Add") || (beta = row_operand(f, s, &a)) < 0 ||
        !(product = inner(f, a, "Mul", 1)) || (gamma = row_operand(f, product, &b)) < 0 ||
        !(quotient = inner(f, b, "Div", 1)) || !is_normalized(f, quotient, &n))
        return MUCMM_OK;
    attrs[1].f = (float)n.epsilon;
    for (int32_t i = 0; i < n.n; i++)
        n.parts[i]->removed = true;
    product->removed = quotient->removed = true;
    TRY(rewrite(f, s, any_op("LayerNormalization"), attrs, 2, (int32_t[]){n.x, gamma, beta}, 3));
    *done = true;
done:
    return status;
}

/* ---- channel shuffles -------------------------------------------------------------- */

/* ShuffleNet's exports take even and odd channels of x [1, C, H, W] apart by
 *   Reshape [C/2, 2, HW], Transpose (1, 0, 2), Reshape [2, 1, C/2, H, W], Gather 0 and Gather 1:
 * that is a shuffle of C/2 groups, and two halves. */
static bool is_even_odd(const fuser *f, const mucmm__step *gather, mucmm__step *parts[3],
                        int32_t *x)
{
    const mucmm__desc *d, *mid, *last;
    int64_t n = 0;
    const int64_t *perm;

    if (!is_op(gather, "Gather") || mucmm__attr_int(gather->node, "axis", 0) != 0 ||
        !(parts[2] = inner(f, gather->in[0], "Reshape", 2)) ||
        !(parts[1] = inner(f, parts[2]->in[0], "Transpose", 1)) ||
        !(parts[0] = inner(f, parts[1]->in[0], "Reshape", 1)))
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

static bool gather_index(const fuser *f, const mucmm__step *s, int64_t *index)
{
    const mucmm__pval *v = &f->p->vals[s->in[1]];

    if (!v->known || v->desc.rank != 0)
        return false;
    *index = mucmm__integer_get(v->desc.dtype, v->known, 0);
    *index += *index < 0 ? 2 : 0;
    return *index == 0 || *index == 1;
}

/* The other Gather of the same value, after or before s. */
static mucmm__step *twin_gather(const fuser *f, const mucmm__step *s)
{
    for (int32_t k = 0; k < f->p->n_steps; k++) {
        mucmm__step *t = &f->p->steps[k];
        if (t != s && is_op(t, "Gather") && t->in[0] == s->in[0])
            return t;
    }
    return NULL;
}

static mucmm_status match_shuffle(fuser *f, mucmm__step *s, bool *done)
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
    TRY(rewrite(f, parts[2], any_op("ChannelShuffle"), &groups, 1, &x, 1));
    TRY(rewrite(f, s, any_op("Split"), &axis, 1, &parts[2]->out[0], 1));
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

/* ---- on top of convolutions and products ------------------------------------------- */

/* A step that fuses, and what has been put on it so far. */
typedef struct top {
    fuser *f;
    mucmm__step *s;          /* the convolution or product */
    int32_t out;             /* its value now              */
    int64_t channels, inner; /* of the output; elements of one channel that follow each other */
    float *scale, *shift;    /* [channels] */
    int32_t affine;          /* value that owns both; -1 = none yet */
    mucmm__fused fused;
    int32_t last; /* index of the last step that was taken in */
} top;

static bool has_constant_weights(const top *t)
{
    return t->s->n_in > 1 && t->s->in[1] >= 0 && t->f->p->vals[t->s->in[1]].known;
}

static bool is_conv(const mucmm__step *s)
{
    return strncmp(s->op->type, "Conv", 4) == 0;
}

/* A known operand that is one number, or one for each channel. */
static const float *channel_operand(const top *t, int32_t id, bool *single)
{
    const mucmm__plan *p = t->f->p;
    const mucmm__pval *v = id >= 0 ? &p->vals[id] : NULL;
    const mucmm__desc *out = &p->vals[t->out].desc;
    int32_t axis = is_conv(t->s) ? 1 : out->rank - 1;

    if (!v || !v->known || v->desc.dtype != MUCMM_F32 || v->desc.rank > out->rank)
        return NULL;
    *single = mucmm__desc_count(&v->desc) == 1;
    for (int32_t k = 0; k < v->desc.rank && !*single; k++)
        if (v->desc.shape[k] != (k + out->rank - v->desc.rank == axis ? t->channels : 1))
            return NULL;
    return *single || mucmm__desc_count(&v->desc) == t->channels ? v->known : NULL;
}

static mucmm_status need_affine(top *t)
{
    mucmm_status status = MUCMM_OK;
    mucmm__desc d = {.dtype = MUCMM_F32, .rank = 2, .shape = {2, t->channels}, .block = 1};
    float *numbers = NULL;

    if (t->affine >= 0)
        return MUCMM_OK;
    TRY(mucmm__alloc(t->f->ctx, 2 * t->channels, sizeof *numbers, &numbers));
    TRY(mucmm__plan_add_value(t->f->ctx, t->f->p, &d, &t->affine));
    t->f->p->vals[t->affine].known = numbers;
    t->f->p->vals[t->affine].owned = true;
    t->scale = numbers;
    t->shift = numbers + t->channels;
    numbers = NULL;
    for (int64_t k = 0; k < t->channels; k++)
        t->scale[k] = 1;
done:
    mucmm__free(numbers);
    return status;
}

static bool is_plain(const top *t)
{
    return t->fused.residual < 0 && t->fused.activation == MUCMM__ACT_NONE &&
           t->fused.floor == -INFINITY && t->fused.out_scale == 1 && t->fused.out_shift == 0;
}

/* y <- a y + b, a and b one number or one a channel; NULL = 1, 0. */
static mucmm_status put_affine(top *t, const float *a, bool single_a, const float *b, bool single_b)
{
    mucmm_status status = MUCMM_OK;

    TRY(need_affine(t));
    for (int64_t k = 0; k < t->channels; k++) {
        float by = a ? a[single_a ? 0 : k] : 1, plus = b ? b[single_b ? 0 : k] : 0;
        t->scale[k] *= by;
        t->shift[k] = t->shift[k] * by + plus;
    }
    if (a)
        t->fused.scale = t->scale;
    t->fused.shift = t->shift;
done:
    return status;
}

/* Mul, Div by, Add, Sub of constants, before or after the activation. */
static mucmm_status take_affine(top *t, const mucmm__step *s, bool *taken)
{
    mucmm_status status = MUCMM_OK;
    bool mul = is_op(s, "Mul"), add = is_op(s, "Add"), div = is_op(s, "Div"), sub = is_op(s, "Sub"),
         single = false;
    int32_t i = s->n_in == 2 && s->in[0] == t->out ? 1 : 0;
    const float *k;
    float value;

    if ((!mul && !add && !div && !sub) || s->n_in != 2 || ((div || sub) && i == 0) ||
        !(k = channel_operand(t, s->in[i], &single)) ||
        !mucmm__same_shape(&t->f->p->vals[t->out].desc, &t->f->p->vals[s->out[0]].desc))
        return MUCMM_OK;
    if ((div || sub) && !single)
        return MUCMM_OK;
    value = div ? 1 / *k : sub ? -*k : *k;
    if (div || sub)
        k = &value;
    mul = mul || div;
    if (is_plain(t) && (!mul || has_constant_weights(t))) {
        TRY(put_affine(t, mul ? k : NULL, single, mul ? NULL : k, single));
        *taken = true;
    } else if (!is_plain(t) && single && !t->f->p->differentiable) {
        t->fused.out_scale *= mul ? *k : 1;
        t->fused.out_shift = mul ? t->fused.out_shift * *k : t->fused.out_shift + *k;
        *taken = true;
    }
done:
    return status;
}

static mucmm_status take_batch_norm(top *t, const mucmm__step *s, bool *taken)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__pval *v[5] = {0};
    float *a = NULL, *b, epsilon = mucmm__attr_float(s->node, "epsilon", 1e-5f);

    if (!is_op(s, "BatchNormalization") || !is_conv(t->s) || !is_plain(t) ||
        !has_constant_weights(t) || s->n_in < 5 || mucmm__attr_int(s->node, "training_mode", 0))
        return MUCMM_OK;
    for (int32_t i = 1; i < 5; i++) {
        v[i] = s->in[i] >= 0 ? &t->f->p->vals[s->in[i]] : NULL;
        if (!v[i] || !v[i]->known || v[i]->desc.dtype != MUCMM_F32 ||
            mucmm__desc_count(&v[i]->desc) != t->channels)
            return MUCMM_OK;
    }
    for (int32_t i = 1; i < s->n_out; i++)
        if (s->out[i] >= 0)
            return MUCMM_OK;
    TRY(mucmm__alloc(t->f->ctx, 2 * t->channels, sizeof *a, &a));
    b = a + t->channels;
    for (int64_t k = 0; k < t->channels; k++) {
        double gamma = (double)((const float *)v[1]->known)[k],
               beta = (double)((const float *)v[2]->known)[k];
        double mean = (double)((const float *)v[3]->known)[k],
               var = (double)((const float *)v[4]->known)[k];
        double by = gamma / sqrt(var + (double)epsilon);
        a[k] = (float)by;
        b[k] = (float)(beta - mean * by);
    }
    TRY(put_affine(t, a, false, b, false));
    *taken = true;
done:
    mucmm__free(a);
    return status;
}

static mucmm_status take_residual(top *t, mucmm__step *s, bool *taken)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__plan *p = t->f->p;
    int32_t other, slot = is_op(t->s, "MatMul") ? 2 : 3, *in = NULL;

    if (!is_op(s, "Add") || s->n_in != 2 || !is_plain(t) || s->in[0] == s->in[1])
        return MUCMM_OK;
    other = s->in[0] == t->out ? s->in[1] : s->in[0];
    if (other < 0 || p->vals[other].known ||
        !mucmm__same_shape(&p->vals[other].desc, &p->vals[t->out].desc))
        return MUCMM_OK;
    TRY(mucmm__alloc(t->f->ctx, slot + 1, sizeof *in, &in));
    for (int32_t i = 0; i < slot; i++)
        in[i] = i < t->s->n_in ? t->s->in[i] : -1;
    in[slot] = other;
    mucmm__free(t->s->in);
    t->s->in = in;
    t->s->n_in = slot + 1;
    t->fused.residual = slot;
    *taken = true;
done:
    return status;
}

static void set_activation(top *t, mucmm__activation a, double alpha, double beta, bool *taken)
{
    bool reversible = a == MUCMM__ACT_RELU || a == MUCMM__ACT_CLIP ||
                      (a == MUCMM__ACT_LEAKY && alpha > 0) || a == MUCMM__ACT_SIGMOID ||
                      a == MUCMM__ACT_TANH;

    if (t->fused.activation != MUCMM__ACT_NONE || t->fused.floor != -INFINITY ||
        t->fused.out_scale != 1 || t->fused.out_shift != 0 ||
        (t->f->p->differentiable && !reversible))
        return;
    t->fused.activation = a;
    t->fused.alpha = (float)alpha;
    t->fused.beta = (float)beta;
    *taken = true;
}

static void take_activation(top *t, const mucmm__step *s, bool *taken)
{
    static const struct {
        const char *type;
        mucmm__activation activation;
    } plain[] = {{"Relu", MUCMM__ACT_RELU}, {"Sigmoid", MUCMM__ACT_SIGMOID},
                 {"Tanh", MUCMM__ACT_TANH}, {"HardSwish", MUCMM__ACT_HARDSWISH},
                 {"Gelu", MUCMM__ACT_GELU}, {"Silu", MUCMM__ACT_SILU}};
    double lo, hi;

    if (s->in[0] != t->out)
        return;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (is_op(s, plain[i].type))
            set_activation(t, plain[i].activation, 0, 0, taken);
    if (is_op(s, "Clip") && clip_bounds(t->f, s, &lo, &hi) && lo < hi)
        set_activation(t, MUCMM__ACT_CLIP, lo, hi, taken);
    if (is_op(s, "LeakyRelu"))
        set_activation(t, MUCMM__ACT_LEAKY, (double)mucmm__attr_float(s->node, "alpha", 0.01f), 0,
                       taken);
    if (is_op(s, "HardSigmoid"))
        set_activation(t, MUCMM__ACT_HARDSIGMOID, (double)mucmm__attr_float(s->node, "alpha", 0.2f),
                       (double)mucmm__attr_float(s->node, "beta", 0.5f), taken);
}

/* max(y, constant), on a leaky activation or none */
static void take_floor(top *t, const mucmm__step *s, bool *taken)
{
    double k;
    int32_t x = -1;

    if (!is_op(s, "Max") || s->n_in != 2 || !scalar_operand(t->f, s, &k, &x) || x != t->out ||
        t->fused.floor != -INFINITY || t->fused.out_scale != 1 || t->fused.out_shift != 0 ||
        (t->fused.activation != MUCMM__ACT_NONE && t->fused.activation != MUCMM__ACT_LEAKY))
        return;
    if (t->fused.activation == MUCMM__ACT_NONE)
        set_activation(t, MUCMM__ACT_CLIP, k, INFINITY, taken);
    else {
        t->fused.floor = (float)k;
        *taken = true;
    }
}

static mucmm_status take_next(top *t, bool *taken)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = t->f->p;
    mucmm__step *next;

    *taken = false;
    if (p->vals[t->out].keep || t->f->users[t->out] != 1)
        return MUCMM_OK;
    next = &p->steps[t->f->user[t->out]];
    if (next->removed || next->n_out < 1 || !is_float32(t->f, next->out[0]))
        return MUCMM_OK;
    TRY(take_batch_norm(t, next, taken));
    if (!*taken)
        TRY(take_affine(t, next, taken));
    if (!*taken)
        TRY(take_residual(t, next, taken));
    if (!*taken)
        take_activation(t, next, taken);
    if (!*taken)
        take_floor(t, next, taken);
    if (!*taken)
        return MUCMM_OK;
    next->removed = true;
    t->last = (int32_t)(next - p->steps);
    t->out = next->out[0];
done:
    return status;
}

/* The step moves to where the last of those it took in was: its other inputs are there by then. */
static void move_step(mucmm__plan *p, int32_t from, int32_t to)
{
    mucmm__step s = p->steps[from];

    if (from == to)
        return;
    p->steps[from] = p->steps[to];
    p->steps[to] = s;
}

static mucmm_status fuse_on(fuser *f, int32_t index)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *s = &f->p->steps[index];
    const mucmm__desc *out;
    bool taken = true;
    top t = {.f = f, .s = s, .affine = -1, .last = index};

    if (s->removed || !(s->op->flags & MUCMM__FUSES) || s->has_fused || s->out[0] < 0 ||
        !is_float32(f, s->out[0]))
        return MUCMM_OK;
    t.out = s->out[0];
    out = &f->p->vals[t.out].desc;
    if (out->rank < 2 ||
        (!is_conv(s) && (f->p->vals[s->in[0]].desc.rank < 2 || f->p->vals[s->in[1]].desc.rank < 2)))
        return MUCMM_OK;
    t.channels = out->shape[is_conv(s) ? 1 : out->rank - 1];
    t.fused = (mucmm__fused){.residual = -1, .floor = -INFINITY, .out_scale = 1};
    while (taken)
        TRY(take_next(&t, &taken));
    if (t.last == index)
        return MUCMM_OK;
    s->fused = t.fused;
    s->has_fused = true;
    s->out[0] = t.out;
    move_step(f->p, index, t.last);
    f->p->vals[t.out].step = t.last;
    TRY(count_users(f));
done:
    return status;
}

/* ---- all --------------------------------------------------------------------------- */

/* What reads an Identity reads its input instead. */
static void skip_identities(mucmm__plan *p)
{
    for (int32_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; i < p->steps[k].n_in; i++)
            for (int32_t id = p->steps[k].in[i];
                 id >= 0 && p->vals[id].step >= 0 && !p->vals[id].keep; id = p->steps[k].in[i]) {
                const mucmm__step *s = &p->steps[p->vals[id].step];
                if (s->removed || strcmp(s->op->type, "Identity") != 0)
                    break;
                p->steps[k].in[i] = s->in[0];
            }
}

/* Steps whose values nothing reads. */
static mucmm_status remove_unused(fuser *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__plan *p = f->p;

    TRY(count_users(f));
    for (int32_t k = p->n_steps - 1; k >= 0; k--) {
        mucmm__step *s = &p->steps[k];
        bool used = s->removed;
        for (int32_t i = 0; i < s->n_out; i++)
            used = used || (s->out[i] >= 0 && (f->users[s->out[i]] > 0 || p->vals[s->out[i]].keep));
        if (used)
            continue;
        s->removed = true;
        for (int32_t i = 0; i < s->n_in; i++)
            if (s->in[i] >= 0)
                f->users[s->in[i]]--;
    }
done:
    return status;
}

static mucmm_status remove_neutral(fuser *f)
{
    mucmm_status status = MUCMM_OK;
    int32_t x = -1;

    for (int32_t k = 0; k < f->p->n_steps; k++) {
        mucmm__step *s = &f->p->steps[k];
        if (s->n_out == 1 && s->out[0] >= 0 && is_float32(f, s->out[0]) && is_neutral(f, s, &x))
            TRY(rewrite(f, s, any_op("Identity"), NULL, 0, &x, 1));
    }
    skip_identities(f->p);
    TRY(remove_unused(f));
    TRY(count_users(f));
done:
    return status;
}

static mucmm_status match_patterns(fuser *f, mucmm__step *s)
{
    mucmm_status status = MUCMM_OK;
    bool done = s->removed || s->n_out < 1 || s->out[0] < 0 || !is_float32(f, s->out[0]);

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

mucmm_status mucmm__plan_fuse(mucmm_ctx *ctx, mucmm__plan *p)
{
    mucmm_status status = MUCMM_OK;
    fuser f = {.ctx = ctx, .p = p};

    TRY(count_users(&f));
    TRY(remove_neutral(&f));
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(match_patterns(&f, &p->steps[k]));
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(fuse_on(&f, k));
    for (int32_t k = 0; k < p->n_steps; k++)
        TRY(match_scaling(&f, &p->steps[k]));
done:
    mucmm__free(f.users);
    mucmm__free(f.user);
    return status;
}
