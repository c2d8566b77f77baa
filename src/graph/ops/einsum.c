/* SPDX-License-Identifier: MIT
 *
 * einsum.c - Einsum: a sum over products of tensors whose axes are named by letters.
 *
 * Every letter becomes a loop with a step in each tensor (0 where it is absent or repeated by
 * broadcasting; the sum of steps along a diagonal). Two tensors become products of matrices where
 * the steps allow it; all else is looped over. The gradient of an operand is a sum of the same
 * kind, with the cotangent in the operand's place. */
#include "graph/ops/product.h"

#include <inttypes.h>
#include <string.h>

#define LETTERS 52
#define LABELS (LETTERS + MUCMM_MAX_RANK) /* letters, axes of "..." from the last one */
#define MAX_OPERANDS 16
#define MOST_TERMS ((int64_t)1 << 46) /* a day's work */

typedef struct sum {
    int32_t operands;
    int64_t size[LABELS];
    int64_t step[MAX_OPERANDS][LABELS], out_step[LABELS];
    bool kept[LABELS]; /* a loop over the output; else summed over */
    mucmm_dtype t;
} sum;

/* A tensor's axes as labels. */
typedef struct term {
    int32_t rank;
    int32_t label[MUCMM_MAX_RANK];
} term;

typedef struct equation {
    int32_t operands;
    term operand[MAX_OPERANDS], out;
    int64_t size[LABELS];
} equation;

/* ---- reading the equation ---------------------------------------------------------- */

static int32_t letter(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? 26 + c - 'a' : -1;
}

/* One term up to a comma, an arrow or the end. ellipsis: the axes that "..." stands for. */
static mucmm_status read_term(const mucmm__call *c, const char **at, int32_t ellipsis, term *out)
{
    const char *p = *at;
    bool dots = false;

    out->rank = 0;
    for (; *p && *p != ',' && !(p[0] == '-' && p[1] == '>'); p++) {
        int32_t more = *p == '.' ? ellipsis : 1;
        if (*p == ' ')
            continue;
        if (out->rank + more > MUCMM_MAX_RANK)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "a term of the equation has more than %d axes",
                                  MUCMM_MAX_RANK);
        if (*p == '.') {
            if (dots || p[1] != '.' || p[2] != '.')
                return mucmm__op_fail(c, MUCMM_EFORMAT, "misplaced dots in the equation");
            dots = true;
            p += 2;
            for (int32_t k = ellipsis - 1; k >= 0; k--)
                out->label[out->rank++] = LETTERS + k;
        } else if (letter(*p) >= 0) {
            out->label[out->rank++] = letter(*p);
        } else {
            return mucmm__op_fail(c, MUCMM_EFORMAT, "the equation contains '%c'", *p);
        }
    }
    *at = p;
    return MUCMM_OK;
}

/* Letters in the term that begins here; *dots: it has "...". */
static int32_t count_letters(const char *p, bool *dots)
{
    int32_t n = 0;

    *dots = false;
    for (; *p && *p != ',' && *p != '-'; p++) {
        n += letter(*p) >= 0;
        *dots = *dots || *p == '.';
    }
    return n;
}

static mucmm_status read_operand(const mucmm__call *c, const char **at, int32_t i, equation *e,
                                 int32_t *ellipsis)
{
    const mucmm__desc *d = c->in[i];
    bool dots;
    int32_t letters = count_letters(*at, &dots), extra = dots ? d->rank - letters : 0;
    mucmm_status status = MUCMM_OK;

    if (extra < 0 || letters + extra != d->rank)
        return mucmm__op_fail(c, MUCMM_ESHAPE, "the equation gives input %d %d axes; it has %d", i,
                              letters, d->rank);
    status = read_term(c, at, extra, &e->operand[i]);
    *ellipsis = extra > *ellipsis ? extra : *ellipsis;
    for (int32_t k = 0; status == MUCMM_OK && k < d->rank; k++) {
        int64_t *size = &e->size[e->operand[i].label[k]];
        if (*size < 0 || *size == 1)
            *size = d->shape[k];
        else if (d->shape[k] != *size && d->shape[k] != 1)
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "axis %d of input %d is %" PRId64 " and %" PRId64 " elsewhere", k,
                                  i, d->shape[k], *size);
    }
    return status;
}

/* Without an arrow: "...", then the letters that occur once, in order. */
static mucmm_status implicit_out(const mucmm__call *c, equation *e, int32_t ellipsis)
{
    int32_t count[LABELS] = {0};

    for (int32_t i = 0; i < e->operands; i++)
        for (int32_t k = 0; k < e->operand[i].rank; k++)
            count[e->operand[i].label[k]]++;
    for (int32_t k = ellipsis - 1; k >= 0; k--)
        e->out.label[e->out.rank++] = LETTERS + k;
    for (int32_t l = 0; l < LETTERS; l++) {
        if (count[l] != 1)
            continue;
        if (e->out.rank == MUCMM_MAX_RANK)
            return mucmm__op_fail(c, MUCMM_ESHAPE, "the output has more than %d axes",
                                  MUCMM_MAX_RANK);
        e->out.label[e->out.rank++] = l;
    }
    return MUCMM_OK;
}

static mucmm_status read_equation(const mucmm__call *c, equation *e)
{
    const char *p = mucmm__attr_string(c->node, "equation", "");
    bool seen[LABELS] = {false};
    int32_t ellipsis = 0;
    mucmm_status status = MUCMM_OK;

    *e = (equation){.operands = c->n_in};
    for (int32_t l = 0; l < LABELS; l++)
        e->size[l] = -1;
    for (int32_t i = 0; i < c->n_in; i++) {
        TRY(read_operand(c, &p, i, e, &ellipsis));
        if ((*p == ',') != (i + 1 < c->n_in))
            return mucmm__op_fail(c, MUCMM_EFORMAT,
                                  "the equation does not have a term for each of %d inputs",
                                  c->n_in);
        p += *p == ',';
    }
    if (*p == '-') {
        p += 2;
        TRY(read_term(c, &p, ellipsis, &e->out));
        if (*p)
            return mucmm__op_fail(c, MUCMM_EFORMAT, "the equation goes on after the output");
    } else {
        TRY(implicit_out(c, e, ellipsis));
    }
    for (int32_t k = 0; k < e->out.rank; k++) {
        int32_t l = e->out.label[k];
        if (e->size[l] < 0 || seen[l])
            return mucmm__op_fail(c, MUCMM_EFORMAT,
                                  "a letter of the output is in no input, or stands twice");
        seen[l] = true;
    }
done:
    return status;
}

static mucmm_status infer(mucmm__call *c)
{
    int64_t shape[MUCMM_MAX_RANK], terms = 1;
    mucmm_status status = MUCMM_OK;
    equation e;

    if (c->n_in > MAX_OPERANDS)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "%d inputs; at most %d are supported", c->n_in,
                              MAX_OPERANDS);
    for (int32_t i = 0; i < c->n_in; i++) {
        if (!c->in[i])
            return mucmm__op_fail(c, MUCMM_EFORMAT, "input %d is missing", i);
        TRY(mucmm__check_type(c, i, MUCMM__TYPES_NUMBER));
        if (c->in[i]->dtype != c->in[0]->dtype)
            return mucmm__op_fail(c, MUCMM_EARG, "input 0 is %s and input %d is %s",
                                  mucmm_dtype_name(c->in[0]->dtype), i,
                                  mucmm_dtype_name(c->in[i]->dtype));
    }
    TRY(read_equation(c, &e));
    for (int32_t l = 0; l < LABELS; l++)
        if (e.size[l] > 0 && (!mucmm__mul(terms, e.size[l], &terms) || terms > MOST_TERMS))
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED, "the equation has more than 2^46 terms");
    for (int32_t k = 0; k < e.out.rank; k++)
        shape[k] = e.size[e.out.label[k]];
    TRY(mucmm__out(c, 0, c->in[0]->dtype, e.out.rank, shape));
done:
    return status;
}

/* ---- loops ------------------------------------------------------------------------- */

static void set_steps(const equation *e, const term *t, const mucmm__desc *d, int64_t step[LABELS])
{
    int64_t s = 1;

    for (int32_t k = d->rank - 1; k >= 0; s *= d->shape[k--])
        if (d->shape[k] == e->size[t->label[k]])
            step[t->label[k]] += s;
}

/* of -1: the sum itself. Else the gradient of that operand, whose place the cotangent takes. */
static void set_loops(const mucmm__call *c, const equation *e, int32_t of, sum *s)
{
    const mucmm__desc *y = c->out[0];
    const term *to = of < 0 ? &e->out : &e->operand[of];

    memset(s, 0, sizeof *s);
    s->operands = e->operands;
    s->t = c->in[0]->dtype;
    for (int32_t l = 0; l < LABELS; l++)
        s->size[l] = e->size[l] < 0 ? 1 : e->size[l];
    for (int32_t i = 0; i < e->operands; i++)
        set_steps(e, i == of ? &e->out : &e->operand[i], i == of ? y : c->in[i], s->step[i]);
    set_steps(e, to, of < 0 ? y : c->in[of], s->out_step);
    for (int32_t k = 0; k < to->rank; k++) {
        int64_t here = of < 0 ? y->shape[k] : c->in[of]->shape[k];
        s->kept[to->label[k]] = s->kept[to->label[k]] || here == s->size[to->label[k]];
    }
}

typedef struct loop_job {
    const sum *s;
    const void *const *x;
    void *y;
    int32_t n_kept, n_summed, kept[LABELS], summed[LABELS];
    int64_t sums, inner; /* places of all summed labels but the last; that one's size */
} loop_job;

static int64_t find(const int64_t *step, const sum *s, const int32_t *labels, int32_t n, int64_t i)
{
    int64_t at = 0;

    for (int32_t k = n - 1; k >= 0; i /= s->size[labels[k--]])
        at += i % s->size[labels[k]] * step[labels[k]];
    return at;
}

static double multiply(const loop_job *j, const int64_t *at, int32_t label, uint64_t *whole)
{
    const sum *s = j->s;
    double total = 0;

    for (int64_t q = 0; q < j->inner; q++) {
        double real = 1;
        uint64_t n = 1;
        for (int32_t i = 0; i < s->operands; i++) {
            int64_t p = at[i] + q * (label < 0 ? 0 : s->step[i][label]);
            if (s->t == MUCMM_F32)
                real *= (double)((const float *)j->x[i])[p];
            else if (mucmm__dtype_is_float(s->t))
                real *= mucmm__number_get(s->t, j->x[i], p);
            else
                n *= (uint64_t)mucmm__integer_get(s->t, j->x[i], p);
        }
        total += real;
        *whole += n;
    }
    return total;
}

static void loop_range(void *arg, int64_t first, int64_t last)
{
    const loop_job *j = arg;
    const sum *s = j->s;
    int32_t inner = j->n_summed > 0 ? j->summed[j->n_summed - 1] : -1;

    for (int64_t o = first; o < last; o++) {
        int64_t to = find(s->out_step, s, j->kept, j->n_kept, o), base[MAX_OPERANDS];
        double total = 0;
        uint64_t whole = 0;
        for (int32_t i = 0; i < s->operands; i++)
            base[i] = find(s->step[i], s, j->kept, j->n_kept, o);
        for (int64_t q = 0; q < j->sums; q++) {
            int64_t at[MAX_OPERANDS];
            for (int32_t i = 0; i < s->operands; i++)
                at[i] = base[i] + find(s->step[i], s, j->summed, j->n_summed - 1, q);
            total += multiply(j, at, inner, &whole);
        }
        if (mucmm__dtype_is_float(s->t))
            mucmm__number_put(s->t, j->y, to, total);
        else
            mucmm__integer_put(s->t, j->y, to, (int64_t)whole);
    }
}

static void run_loops(mucmm_ctx *ctx, const sum *s, const void *const *x, void *y)
{
    loop_job j = {.s = s, .x = x, .y = y, .sums = 1, .inner = 1};
    int64_t n = 1;

    for (int32_t l = 0; l < LABELS; l++) {
        if (s->size[l] == 1)
            continue;
        if (s->kept[l]) {
            j.kept[j.n_kept++] = l;
            n *= s->size[l];
        } else {
            j.sums *= j.inner;
            j.inner = s->size[l];
            j.summed[j.n_summed++] = l;
        }
    }
    mucmm__parallel_range(ctx, n, 256, loop_range, &j);
}

/* ---- as products of matrices ------------------------------------------------------- */

/* Labels that share their role, joined into one loop of two steps where they lie side by side. */
typedef struct group {
    int32_t n;
    int64_t size[LABELS], one[LABELS], two[LABELS];
} group;

static void add_label(group *g, int64_t size, int64_t one, int64_t two)
{
    int32_t k = g->n++;

    for (; k > 0 && g->two[k - 1] > two; k--) { /* in order of the second step */
        g->size[k] = g->size[k - 1];
        g->one[k] = g->one[k - 1];
        g->two[k] = g->two[k - 1];
    }
    g->size[k] = size;
    g->one[k] = one;
    g->two[k] = two;
}

/* The first loop takes in as many of the others as it can. */
static void join(group *g)
{
    int32_t n = g->n, kept = 1;

    if (n == 0)
        add_label(g, 1, 0, 0);
    for (int32_t k = 1; k < n; k++) {
        bool beside =
            kept == 1 && g->one[k] == g->one[0] * g->size[0] && g->two[k] == g->two[0] * g->size[0];
        if (beside) {
            g->size[0] *= g->size[k];
            continue;
        }
        g->size[kept] = g->size[k];
        g->one[kept] = g->one[k];
        g->two[kept++] = g->two[k];
    }
    g->n = kept;
}

/* A matrix of rows x cols with these steps, as stored for a product. */
static bool as_matrix(int64_t rows, int64_t cols, int64_t row_step, int64_t col_step, bool *trans,
                      int64_t *ld)
{
    *trans = !(col_step == 1 || cols == 1);
    if (*trans && row_step != 1 && rows != 1)
        return false;
    *ld = *trans ? col_step : row_step;
    if ((*trans ? cols : rows) == 1)
        *ld = *trans ? rows : cols;
    return *ld >= (*trans ? rows : cols);
}

static void add_batch(mucmm__products *p, const group *g, int32_t from, int32_t role)
{
    for (int32_t k = from; k < g->n; k++) {
        mucmm__batch_axis *x = &p->axis[p->axes++];
        *x = (mucmm__batch_axis){.size = g->size[k]};
        x->a_step = role == 1 ? 0 : g->one[k];
        x->b_step = role == 0 ? 0 : role == 1 ? g->one[k] : g->two[k];
        x->c_step = role == 2 ? 0 : g->two[k];
    }
}

/* *swap: the second operand is the left factor, so that the output's rows lie side by side. */
static bool as_products(const sum *s, mucmm__products *p, bool *swap)
{
    group rows = {0}, cols = {0}, inner = {0};
    bool by_column = false;

    memset(p, 0, sizeof *p);
    *swap = false;
    for (int32_t l = 0; l < LABELS; l++)
        *swap = *swap || (s->size[l] > 1 && s->out_step[l] == 1 && s->step[1][l] == 0);
    for (int32_t l = 0; l < LABELS; l++) {
        int64_t a = s->step[*swap][l], b = s->step[!*swap][l], c = s->out_step[l];
        if (s->size[l] == 1)
            continue;
        if (s->size[l] == 0 || (!a && !b) || (!s->kept[l] && (!a || !b)))
            return false;
        if (a && b && c)
            p->axis[p->axes++] = (mucmm__batch_axis){s->size[l], a, b, c};
        else
            add_label(a && b ? &inner : a ? &rows : &cols, s->size[l], a ? a : b, a && b ? b : c);
    }
    join(&rows);
    join(&cols);
    join(&inner);
    add_batch(p, &rows, 1, 0);
    add_batch(p, &cols, 1, 1);
    add_batch(p, &inner, 1, 2);
    p->m = rows.size[0];
    p->n = cols.size[0];
    p->k = inner.size[0];
    return as_matrix(p->m, p->k, rows.one[0], inner.one[0], &p->trans_a, &p->lda) &&
           as_matrix(p->k, p->n, inner.two[0], cols.one[0], &p->trans_b, &p->ldb) &&
           as_matrix(p->m, p->n, rows.two[0], cols.two[0], &by_column, &p->ldc) && !by_column;
}

static mucmm_status run_sum(mucmm_ctx *ctx, const sum *s, const void *const *x, void *y)
{
    mucmm__products p;
    bool swap;

    if (s->t == MUCMM_F32 && s->operands == 2 && as_products(s, &p, &swap))
        return mucmm__products_run(ctx, &p, 1, x[swap], x[!swap], y);
    run_loops(ctx, s, x, y);
    return MUCMM_OK;
}

/* ---- the operator ------------------------------------------------------------------ */

static mucmm_status forward(mucmm__call *c)
{
    equation e;
    sum s;
    mucmm_status status = read_equation(c, &e);

    if (status != MUCMM_OK)
        return status;
    set_loops(c, &e, -1, &s);
    return run_sum(c->ctx, &s, c->x, c->y[0]);
}

static mucmm_status vjp(mucmm__call *c)
{
    const void *x[MAX_OPERANDS];
    mucmm_status status = MUCMM_OK;
    equation e;
    sum s;

    TRY(read_equation(c, &e));
    for (int32_t i = 0; i < c->n_in; i++) {
        if (!c->dx[i])
            continue;
        /* A diagonal's gradient is zero beside it. */
        memset(c->dx[i], 0, (size_t)mucmm__desc_bytes(c->in[i]));
        if (!c->dy[0])
            continue;
        set_loops(c, &e, i, &s);
        for (int32_t k = 0; k < c->n_in; k++)
            x[k] = k == i ? c->dy[0] : c->x[k];
        TRY(run_sum(c->ctx, &s, x, c->dx[i]));
    }
done:
    return status;
}

const mucmm__op mucmm__ops_einsum[] = {
    {"Einsum", 12, 0, 1, -1, 1, 1, infer, forward, vjp, MUCMM__ALL, MUCMM__ALL, 0, MUCMM__BILINEAR,
     NULL, NULL, NULL},
    {0},
};
