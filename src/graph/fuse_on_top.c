/* SPDX-License-Identifier: MIT
 *
 * fuse_on_top.c - what follows a convolution or a product goes into it: factors and shifts of its
 * channels, a sum, an activation. */
#include "graph/fuse.h"

#include <math.h>
#include <string.h>

/* A step that fuses, and what has been put on it so far. */
typedef struct top {
    mucmm__fuser *f;
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
    bool mul = mucmm__step_is_op(s, "Mul"), add = mucmm__step_is_op(s, "Add"),
         div = mucmm__step_is_op(s, "Div"), sub = mucmm__step_is_op(s, "Sub"), single = false;
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

    if (!mucmm__step_is_op(s, "BatchNormalization") || !is_conv(t->s) || !is_plain(t) ||
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
    int32_t other, slot = mucmm__step_is_op(t->s, "MatMul") ? 2 : 3, *in = NULL;

    if (!mucmm__step_is_op(s, "Add") || s->n_in != 2 || !is_plain(t) || s->in[0] == s->in[1])
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
        if (mucmm__step_is_op(s, plain[i].type))
            set_activation(t, plain[i].activation, 0, 0, taken);
    if (mucmm__step_is_op(s, "Clip") && mucmm__fuse_clip_bounds(t->f, s, &lo, &hi) && lo < hi)
        set_activation(t, MUCMM__ACT_CLIP, lo, hi, taken);
    if (mucmm__step_is_op(s, "LeakyRelu"))
        set_activation(t, MUCMM__ACT_LEAKY, (double)mucmm__attr_float(s->node, "alpha", 0.01f), 0,
                       taken);
    if (mucmm__step_is_op(s, "HardSigmoid"))
        set_activation(t, MUCMM__ACT_HARDSIGMOID, (double)mucmm__attr_float(s->node, "alpha", 0.2f),
                       (double)mucmm__attr_float(s->node, "beta", 0.5f), taken);
}

/* max(y, constant), on a leaky activation or none */
static void take_floor(top *t, const mucmm__step *s, bool *taken)
{
    double k;
    int32_t x = -1;

    if (!mucmm__step_is_op(s, "Max") || s->n_in != 2 ||
        !mucmm__fuse_scalar_operand(t->f, s, &k, &x) || x != t->out ||
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
    if (next->removed || next->n_out < 1 || !mucmm__fuse_is_float32(t->f, next->out[0]))
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

mucmm_status mucmm__fuse_on_top(mucmm__fuser *f, int32_t index)
{
    mucmm_status status = MUCMM_OK;
    mucmm__step *s = &f->p->steps[index];
    const mucmm__desc *out;
    bool taken = true;
    top t = {.f = f, .s = s, .affine = -1, .last = index};

    if (s->removed || !(s->op->flags & MUCMM__FUSES) || s->has_fused || s->out[0] < 0 ||
        !mucmm__fuse_is_float32(f, s->out[0]))
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
    TRY(mucmm__fuse_count_users(f));
done:
    return status;
}
