/* SPDX-License-Identifier: MIT
 *
 * strided.c - a walk is simplified (axes sorted by the stride of the target, neighbours merged)
 * and cut into two-dimensional pieces, which are the units of the parallel loop. */
#include "graph/ops/strided.h"

#include "core/vmath.h"

#include <stdlib.h>
#include <string.h>

#define GRAIN 32768 /* elements that are worth a block of a parallel loop */

void mucmm__walk_axis(mucmm__walk *w, int64_t n, int64_t from, int64_t to)
{
    w->shape[w->rank] = n;
    w->from[w->rank] = from;
    w->to[w->rank] = to;
    w->rank++;
}

mucmm__walk mucmm__walk_back(const mucmm__walk *w)
{
    mucmm__walk back = *w;

    memcpy(back.from, w->to, sizeof back.from);
    memcpy(back.to, w->from, sizeof back.to);
    return back;
}

int32_t mucmm__physical(const mucmm__desc *d, int64_t dims[MUCMM_MAX_RANK + 1])
{
    memcpy(dims, d->shape, (size_t)d->rank * sizeof *dims);
    if (d->block > 1)
        dims[1] = (dims[1] + d->block - 1) / d->block;
    dims[d->rank] = d->block;
    return d->rank + 1;
}

void mucmm__strides(int32_t rank, const int64_t *dims, int64_t *strides)
{
    int64_t n = 1;

    for (int32_t k = rank - 1; k >= 0; k--) {
        strides[k] = n;
        n *= dims[k];
    }
}

bool mucmm__whole_blocks(const mucmm__desc *d, int32_t block)
{
    return block > 1 && d->shape[1] % block == 0;
}

void mucmm__zero(mucmm_ctx *ctx, const mucmm__desc *d, void *y)
{
    int64_t size = mucmm_dtype_size(d->dtype);

    mucmm__fill(ctx, mucmm__desc_bytes(d) / size, size, &(uint64_t){0}, y);
}

int64_t mucmm__row_grain(int64_t row)
{
    return row < GRAIN ? GRAIN / (row > 0 ? row : 1) : 1;
}

/* ---- simplification ---------------------------------------------------------------- */

/* Does an axis (n, from, to) belong outside axis k? */
static bool outside(const mucmm__walk *w, int32_t k, int64_t from, int64_t to)
{
    int64_t a = llabs(to), b = llabs(w->to[k]);
    return a != b ? a > b : llabs(from) > llabs(w->from[k]);
}

/* The same pairs with as few axes as possible, the target's smallest stride last. false if there
 * are no pairs. */
static bool simplify(const mucmm__walk *w, mucmm__walk *out)
{
    int32_t last = 0;

    out->rank = 0;
    for (int32_t k = 0; k < w->rank; k++) {
        int32_t p = out->rank;
        if (w->shape[k] == 0)
            return false;
        if (w->shape[k] == 1)
            continue;
        mucmm__walk_axis(out, 0, 0, 0);
        for (; p > 0 && outside(out, p - 1, w->from[k], w->to[k]); p--) {
            out->shape[p] = out->shape[p - 1];
            out->from[p] = out->from[p - 1];
            out->to[p] = out->to[p - 1];
        }
        out->shape[p] = w->shape[k];
        out->from[p] = w->from[k];
        out->to[p] = w->to[k];
    }
    for (int32_t k = 1; k < out->rank; k++) {
        bool merge = out->from[last] == out->shape[k] * out->from[k] &&
                     out->to[last] == out->shape[k] * out->to[k];
        int64_t n = merge ? out->shape[last] : 1;
        last += !merge;
        out->shape[last] = n * out->shape[k];
        out->from[last] = out->from[k];
        out->to[last] = out->to[k];
    }
    out->rank = out->rank > 0 ? last + 1 : 0;
    return true;
}

static void swap_axes(mucmm__walk *w, int32_t a, int32_t b)
{
    int64_t n = w->shape[a], from = w->from[a], to = w->to[a];

    w->shape[a] = w->shape[b];
    w->from[a] = w->from[b];
    w->to[a] = w->to[b];
    w->shape[b] = n;
    w->from[b] = from;
    w->to[b] = to;
}

/* ---- copies ------------------------------------------------------------------------ */

/* y[i ta + j tb] = x[i fa + j fb],  i < na, j < nb */
typedef struct piece {
    int64_t na, nb, fa, fb, ta, tb;
} piece;

#define MOVE(bits)                                                                                 \
    static void move_##bits(const piece *p, const uint##bits##_t *x, uint##bits##_t *y)            \
    {                                                                                              \
        for (int64_t i = 0; i < p->na; i++, x += p->fa, y += p->ta)                                \
            if (p->tb == 1 && p->fb == 1)                                                          \
                memcpy(y, x, (size_t)p->nb * sizeof *y);                                           \
            else if (p->tb == 1 && p->fb == 0)                                                     \
                for (int64_t j = 0; j < p->nb; j++)                                                \
                    y[j] = *x;                                                                     \
            else                                                                                   \
                for (int64_t j = 0; j < p->nb; j++)                                                \
                    y[j * p->tb] = x[j * p->fb];                                                   \
    }
MOVE(8)
MOVE(16)
MOVE(32)
MOVE(64)

typedef uint32_t v4 __attribute__((vector_size(16)));

/* Transposed piece (fa = tb = 1) of 4-byte elements, four by four. */
static void transpose_32(const piece *p, const uint32_t *x, uint32_t *y)
{
    int64_t na = p->na & ~(int64_t)3, nb = p->nb & ~(int64_t)3;
    piece right = *p, below = *p;

    for (int64_t i = 0; i < na; i += 4)
        for (int64_t j = 0; j < nb; j += 4) {
            v4 r[4], s[4];
            for (int k = 0; k < 4; k++)
                memcpy(&r[k], x + i + (j + k) * p->fb, sizeof r[k]);
            for (int k = 0; k < 2; k++) {
                s[k] = __builtin_shufflevector(r[2 * k], r[2 * k + 1], 0, 4, 1, 5);
                s[k + 2] = __builtin_shufflevector(r[2 * k], r[2 * k + 1], 2, 6, 3, 7);
            }
            for (int k = 0; k < 2; k++) {
                r[2 * k] = __builtin_shufflevector(s[2 * k], s[2 * k + 1], 0, 1, 4, 5);
                r[2 * k + 1] = __builtin_shufflevector(s[2 * k], s[2 * k + 1], 2, 3, 6, 7);
            }
            for (int k = 0; k < 4; k++)
                memcpy(y + (i + k) * p->ta + j, &r[k], sizeof r[k]);
        }
    right.na = na;
    right.nb -= nb;
    move_32(&right, x + nb * p->fb, y + nb);
    below.na -= na;
    move_32(&below, x + na, y + na * p->ta);
}

/* The last two axes of the walk are cut into pieces of at most ca by cb. */
typedef struct copy_job {
    mucmm__walk w;
    int64_t size, ca, cb, pieces_a, pieces_b;
    const char *x;
    char *y;
} copy_job;

static void copy_pieces(void *arg, int64_t first, int64_t last)
{
    const copy_job *job = arg;
    const mucmm__walk *w = &job->w;
    int32_t a = w->rank - 2, b = w->rank - 1;

    for (int64_t u = first; u < last; u++) {
        int64_t j = u % job->pieces_b * job->cb, i = u / job->pieces_b % job->pieces_a * job->ca,
                rest = u / job->pieces_b / job->pieces_a, from = i * w->from[a] + j * w->from[b],
                to = i * w->to[a] + j * w->to[b];
        piece p = {w->shape[a] - i, w->shape[b] - j, w->from[a], w->from[b], w->to[a], w->to[b]};

        p.na = p.na < job->ca ? p.na : job->ca;
        p.nb = p.nb < job->cb ? p.nb : job->cb;
        for (int32_t k = a - 1; k >= 0; k--) {
            from += rest % w->shape[k] * w->from[k];
            to += rest % w->shape[k] * w->to[k];
            rest /= w->shape[k];
        }
        const void *x = job->x + from * job->size;
        void *y = job->y + to * job->size;
        if (job->size == 1)
            move_8(&p, x, y);
        else if (job->size == 2)
            move_16(&p, x, y);
        else if (job->size == 8)
            move_64(&p, x, y);
        else if (p.fa == 1 && p.tb == 1 && p.fb != 1)
            transpose_32(&p, x, y);
        else
            move_32(&p, x, y);
    }
}

#define TILE 32     /* edge of a piece that is transposed         */
#define PIECE 16384 /* elements of a piece that is not            */

static int64_t divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

void mucmm__strided_copy(mucmm_ctx *ctx, const mucmm__walk *w, int64_t size, const void *x, void *y)
{
    copy_job job = {.size = size, .x = x, .y = y};
    mucmm__walk *s = &job.w;
    int64_t units;
    int32_t a, b;

    if (!simplify(w, s))
        return;
    while (s->rank < 2) {
        mucmm__walk_axis(s, 1, 0, 0);
        swap_axes(s, 0, s->rank - 1);
    }
    a = s->rank - 2;
    b = s->rank - 1;
    job.cb = s->shape[b] < PIECE ? s->shape[b] : PIECE;
    job.ca = PIECE / job.cb;
    if (llabs(s->from[b]) > 1) { /* is there an axis along which the source is closer? */
        int32_t near = b;
        for (int32_t k = a; k >= 0; k--)
            if (s->shape[k] > 1 && llabs(s->from[k]) < llabs(s->from[near]) && s->from[k] != 0)
                near = k;
        if (near != b) {
            swap_axes(s, a, near);
            job.ca = s->shape[a] < TILE ? s->shape[a] : TILE;
            job.cb = TILE * TILE / job.ca;
        }
    }
    job.pieces_a = divide_up(s->shape[a], job.ca);
    job.pieces_b = divide_up(s->shape[b], job.cb);
    units = job.pieces_a * job.pieces_b;
    for (int32_t k = 0; k < a; k++)
        units *= s->shape[k];
    job.ca = job.ca < s->shape[a] ? job.ca : s->shape[a];
    job.cb = job.cb < s->shape[b] ? job.cb : s->shape[b];
    mucmm__parallel_range(ctx, units, divide_up(GRAIN, job.ca * job.cb), copy_pieces, &job);
}

void mucmm__fill(mucmm_ctx *ctx, int64_t n, int64_t size, const void *value, void *y)
{
    mucmm__walk w = {0};

    mucmm__walk_axis(&w, n, 0, 1);
    mucmm__strided_copy(ctx, &w, size, value, y);
}

/* ---- sums -------------------------------------------------------------------------- */

/* kept: the axes along which the target moves; reduced: those along which it stays. */
typedef struct add_job {
    mucmm__walk kept, reduced;
    int64_t chunk, chunks; /* of the last kept axis */
    const float *x;
    float *y;
} add_job;

/* y[j tb] += sum_i x[i fa + j fb] */
SIMD_CLONES static void add_piece(const piece *p, const float *x, float *y)
{
    if (p->fb == 1 && p->tb == 1)
        for (int64_t i = 0; i < p->na; i++)
            for (int64_t j = 0; j < p->nb; j++)
                y[j] += x[i * p->fa + j];
    else
        for (int64_t j = 0; j < p->nb; j++) {
            const float *line = x + j * p->fb;
            float lanes[16] = {0}, s = 0;
            int64_t i = 0;
            if (p->fa == 1)
                for (; i + 16 <= p->na; i += 16)
                    for (int l = 0; l < 16; l++)
                        lanes[l] += line[i + l];
            for (; i < p->na; i++)
                s += line[i * p->fa];
            for (int l = 0; l < 16; l++)
                s += lanes[l];
            y[j * p->tb] += s;
        }
}

static void add_pieces(void *arg, int64_t first, int64_t last)
{
    const add_job *job = arg;
    const mucmm__walk *k = &job->kept, *r = &job->reduced;
    int32_t a = r->rank - 1, b = k->rank - 1;
    int64_t rounds = 1;

    for (int32_t t = 0; t < a; t++)
        rounds *= r->shape[t];
    for (int64_t u = first; u < last; u++) {
        int64_t j = u % job->chunks * job->chunk, rest = u / job->chunks, from = j * k->from[b],
                to = j * k->to[b];
        piece p = {r->shape[a], k->shape[b] - j, r->from[a], k->from[b], 0, k->to[b]};

        p.nb = p.nb < job->chunk ? p.nb : job->chunk;
        for (int32_t t = b - 1; t >= 0; t--) {
            from += rest % k->shape[t] * k->from[t];
            to += rest % k->shape[t] * k->to[t];
            rest /= k->shape[t];
        }
        for (int64_t round = 0; round < rounds; round++) {
            int64_t place = from, left = round;
            for (int32_t t = a - 1; t >= 0; t--) {
                place += left % r->shape[t] * r->from[t];
                left /= r->shape[t];
            }
            add_piece(&p, job->x + place, job->y + to);
        }
    }
}

void mucmm__strided_add(mucmm_ctx *ctx, const mucmm__walk *w, const float *x, float *y)
{
    add_job job = {.x = x, .y = y};
    mucmm__walk s;
    int64_t per_unit = 1, units = 1;

    if (!simplify(w, &s))
        return;
    for (int32_t k = 0; k < s.rank; k++)
        mucmm__walk_axis(s.to[k] != 0 ? &job.kept : &job.reduced, s.shape[k], s.from[k], s.to[k]);
    if (job.kept.rank == 0)
        mucmm__walk_axis(&job.kept, 1, 0, 0);
    if (job.reduced.rank == 0)
        mucmm__walk_axis(&job.reduced, 1, 0, 0);
    for (int32_t k = 0; k < job.reduced.rank; k++)
        per_unit *= job.reduced.shape[k];
    job.chunk = divide_up(GRAIN, per_unit);
    job.chunk = job.chunk < 64 ? 64 : job.chunk;
    job.chunks = divide_up(job.kept.shape[job.kept.rank - 1], job.chunk);
    for (int32_t k = 0; k < job.kept.rank - 1; k++)
        units *= job.kept.shape[k];
    per_unit *= job.chunk < job.kept.shape[job.kept.rank - 1] ? job.chunk
                                                              : job.kept.shape[job.kept.rank - 1];
    mucmm__parallel_range(ctx, units * job.chunks, divide_up(GRAIN, per_unit), add_pieces, &job);
}
