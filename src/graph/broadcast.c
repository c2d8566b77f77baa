/* SPDX-License-Identifier: MIT
 *
 * Shapes that are stretched over each other, and sums back over what was stretched. */
#include "graph/broadcast.h"
#include "core/vmath.h"

#include <string.h>

#define GRAIN 32768 /* elements a task handles */
#define TILE 1024   /* contributions summed at a time */

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- layouts ----------------------------------------------------------------------- */

/* The size of d along axis k of a result of that rank. */
static int64_t aligned(const mucmm__desc *d, int32_t rank, int32_t k)
{
    return k < rank - d->rank ? 1 : d->shape[k - (rank - d->rank)];
}

/* Is an operand's channel the only axis it varies on? Then dense is blocked memory already, if the
 * channels fill their blocks. */
static bool per_channel(const mucmm__desc *d, const mucmm__desc *out)
{
    for (int32_t k = 2; k < out->rank; k++)
        if (aligned(d, out->rank, k) != 1)
            return false;
    return true;
}

/* The block to want an operand in beside a result in block b; 0 = not possible. */
static int32_t operand_block(const mucmm__desc *d, const mucmm__desc *out, int32_t b)
{
    if (aligned(d, out->rank, 1) != out->shape[1])
        return 1;
    if (d->block != b && out->shape[1] % b == 0 && per_channel(d, out))
        return 1;
    if (d->rank == out->rank && (out->shape[1] > 1 || mucmm__same_shape(d, out)))
        return b;
    return 0;
}

void mucmm__broadcast_layout(mucmm__call *c)
{
    const mucmm__desc *out = c->out[0];
    int32_t b = 1;

    for (int32_t i = 0; i < c->n_in && b == 1; i++)
        if (mucmm__same_shape(c->in[i], out))
            b = c->in[i]->block;
    for (int32_t i = 0; i < c->n_in; i++)
        if (c->in[i]->dtype != MUCMM_F32 || (b > 1 && operand_block(c->in[i], out, b) == 0))
            b = 1;
    if (b == 1)
        return;
    c->out[0]->block = b;
    for (int32_t i = 0; i < c->n_in; i++)
        c->want[i] = operand_block(c->in[i], out, b);
}

void mucmm__layout_through(mucmm__call *c)
{
    if (c->in[0]->dtype == MUCMM_F32)
        c->want[0] = c->out[0]->block = c->in[0]->block;
}

void mucmm__zero_padding(const mucmm__desc *d, float *x)
{
    int64_t b = d->block, used = b > 1 ? d->shape[1] % b : 0, space, image;

    if (used == 0)
        return;
    space = mucmm__desc_product(d, 2, d->rank);
    image = (d->shape[1] + b - 1) / b * space * b;
    for (int64_t n = 1; n <= d->shape[0]; n++)
        for (int64_t s = n * image / b - space; s < n * image / b; s++)
            memset(x + s * b + used, 0, (size_t)(b - used) * sizeof *x);
}

/* ---- the walk ---------------------------------------------------------------------- */

/* The shape of d's memory beside a result in block b: [N, C/b, ..., b]. Returns the rank. */
static int32_t memory_shape(const mucmm__desc *d, int32_t rank, int64_t b, int64_t channels,
                            int64_t shape[MUCMM_MAX_RANK])
{
    for (int32_t k = 0; k < rank; k++)
        shape[k] = aligned(d, rank, k);
    if (b == 1)
        return rank;
    shape[rank] = 1;
    if (shape[1] == channels && (channels > 1 || d->block > 1)) {
        shape[1] = (channels + b - 1) / b;
        shape[rank] = b;
    }
    return rank + 1;
}

/* Drops axes of size 1 and joins axes that all step through as one. */
static void collapse(mucmm__walk *w)
{
    int32_t used = 0;

    for (int32_t k = 0; k < w->rank; k++) {
        bool joins = used > 0 && w->out_step[used - 1] == w->out_step[k] * w->shape[k];
        if (w->shape[k] == 1)
            continue;
        for (int32_t j = 0; j < w->n && joins; j++)
            joins = w->step[j][used - 1] == w->step[j][k] * w->shape[k];
        if (joins)
            used--;
        w->shape[used] = joins ? w->shape[used] * w->shape[k] : w->shape[k];
        w->out_step[used] = w->out_step[k];
        for (int32_t j = 0; j < w->n; j++)
            w->step[j][used] = w->step[j][k];
        used++;
    }
    if (used == 0) { /* a single element */
        w->shape[0] = w->out_step[0] = 1;
        for (int32_t j = 0; j < w->n; j++)
            w->step[j][0] = 0;
        used = 1;
    }
    w->rank = used;
}

void mucmm__walk_make(mucmm__walk *w, const mucmm__desc *out, int32_t n,
                      const mucmm__desc *const *in)
{
    int64_t channels = out->rank > 1 ? out->shape[1] : 1, shape[MUCMM_MAX_RANK];

    *w = (mucmm__walk){.n = n, .count = 1};
    w->rank = memory_shape(out, out->rank, out->block, channels, w->shape);
    for (int32_t k = w->rank; k-- > 0;) {
        w->out_step[k] = w->count;
        w->count *= w->shape[k];
    }
    for (int32_t j = 0; j < n; j++) {
        int64_t step = 1;
        memory_shape(in[j], out->rank, out->block, channels, shape);
        for (int32_t k = w->rank; k-- > 0;) {
            w->step[j][k] = shape[k] == 1 ? 0 : step;
            step *= shape[k];
        }
    }
    if (w->count > 0)
        collapse(w);
}

/* Moves s to the index-th place of the n axes listed, the last of them the fastest. */
static void place(const mucmm__walk *w, const int32_t *axes, int32_t n, int64_t index,
                  mucmm__segment *s)
{
    while (n-- > 0) {
        int32_t k = axes[n];
        int64_t i = index % w->shape[k];
        index /= w->shape[k];
        s->out += i * w->out_step[k];
        for (int32_t j = 0; j < w->n; j++)
            s->at[j] += i * w->step[j][k];
    }
}

/* A segment of one row of n elements from column `first` on, at the first place of the others. */
static mucmm__segment segment_at(const mucmm__walk *w, int64_t first, int64_t n)
{
    mucmm__segment s = {.rows = 1, .n = n, .out = first};

    for (int32_t j = 0; j < w->n; j++) {
        s.step[j] = w->step[j][w->rank - 1];
        s.row_step[j] = w->rank > 1 ? w->step[j][w->rank - 2] : 0;
        s.at[j] = first * s.step[j];
    }
    return s;
}

static const int32_t in_order[MUCMM_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};

typedef struct walk_job {
    const mucmm__walk *w;
    mucmm__segment_fn fn;
    void *arg;
    int64_t chunks; /* of a row */
} walk_job;

/* Rows that fit a task: as many at a time as follow each other on the last axis but one. */
static void rows_task(void *arg, int64_t first, int64_t last)
{
    const walk_job *job = arg;
    const mucmm__walk *w = job->w;
    int64_t n = w->shape[w->rank - 1], group = w->rank > 1 ? w->shape[w->rank - 2] : 1;

    while (first < last) {
        mucmm__segment s = segment_at(w, 0, n);
        s.rows = min64(group - first % group, last - first);
        place(w, in_order, w->rank - 1, first, &s);
        job->fn(job->arg, &s);
        first += s.rows;
    }
}

/* Rows of more than a task's share: chunk by chunk. */
static void chunk_task(void *arg, int64_t i)
{
    const walk_job *job = arg;
    const mucmm__walk *w = job->w;
    int64_t n = w->shape[w->rank - 1], first = i % job->chunks * GRAIN;
    mucmm__segment s = segment_at(w, first, min64(GRAIN, n - first));

    place(w, in_order, w->rank - 1, i / job->chunks, &s);
    job->fn(job->arg, &s);
}

void mucmm__walk_run(mucmm_ctx *ctx, const mucmm__walk *w, mucmm__segment_fn fn, void *arg)
{
    walk_job job = {.w = w, .fn = fn, .arg = arg};
    int64_t n;

    if (w->count == 0)
        return;
    n = w->shape[w->rank - 1];
    job.chunks = (n + GRAIN - 1) / GRAIN;
    if (job.chunks == 1)
        mucmm__parallel_range(ctx, w->count / n, GRAIN / n, rows_task, &job);
    else
        mucmm__parallel(ctx, w->count / n * job.chunks, chunk_task, &job);
}

/* ---- sums over repeated axes ------------------------------------------------------- */

typedef struct sum_job {
    const mucmm__walk *w;
    mucmm__factor_fn fn;
    void *arg;
    float *dx;
    int32_t operand, n_kept, n_summed;
    int32_t kept[MUCMM_MAX_RANK], summed[MUCMM_MAX_RANK]; /* axes, the innermost left out; of
                                                             columns also the rows' */
    int64_t places;                                       /* of the summed axes */
    int64_t rows;                                         /* summed, of the last axis but one */
    int64_t chunks;                                       /* of the columns */
} sum_job;

VMATH void add_rows_of(int64_t rows, int64_t n, const float *g, double *total)
{
    for (int64_t r = 0; r < rows; r++)
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            total[i] += (double)g[r * n + i];
}

/* The width of a block of channels is known to the compiler. */
SIMD_CLONES static void add_rows(int64_t rows, int64_t n, const float *g, double *total)
{
    if (n == 8)
        add_rows_of(rows, 8, g, total);
    else if (n == 16)
        add_rows_of(rows, 16, g, total);
    else
        add_rows_of(rows, n, g, total);
}

/* The operand steps along the innermost axis: unit = TILE columns at a place of the kept axes. */
static void sum_columns(const sum_job *job, int64_t unit)
{
    const mucmm__walk *w = job->w;
    int64_t n = w->shape[w->rank - 1], first = unit % job->chunks * TILE,
            width = min64(TILE, n - first), batch = TILE / width;
    mucmm__segment base = segment_at(w, first, width);
    int64_t row_out = w->rank > 1 ? w->out_step[w->rank - 2] : 0;
    double total[TILE];
    float g[TILE];

    memset(total, 0, (size_t)width * sizeof *total);
    place(w, job->kept, job->n_kept, unit / job->chunks, &base);
    if (width != n) /* rows of a segment are contiguous in the result */
        batch = 1;
    for (int64_t p = 0; p < job->places; p++)
        for (int64_t r = 0; r < job->rows; r += batch) {
            mucmm__segment s = base;
            place(w, job->summed, job->n_summed, p, &s);
            s.rows = min64(batch, job->rows - r);
            s.out += r * row_out;
            for (int32_t j = 0; j < w->n; j++)
                s.at[j] += r * s.row_step[j];
            job->fn(job->arg, &s, g);
            add_rows(s.rows, width, g, total);
        }
    for (int64_t i = 0; i < width; i++)
        job->dx[base.at[job->operand] + i] = (float)total[i];
}

/* In an order that no instruction set changes. */
SIMD_CLONES static float sum_lanes(int64_t n, const float *g)
{
    float lane[16] = {0}, total = 0.0f;
    int64_t i = 0;

    for (; i + 16 <= n; i += 16)
#pragma omp simd
        for (int64_t k = 0; k < 16; k++)
            lane[k] += g[i + k];
    for (; i < n; i++)
        lane[i % 16] += g[i];
    for (int64_t k = 0; k < 16; k++)
        total += lane[k];
    return total;
}

/* The operand is repeated along the innermost axis: unit = one element of it. */
static void sum_row(const sum_job *job, int64_t unit)
{
    const mucmm__walk *w = job->w;
    int64_t n = w->shape[w->rank - 1], at = 0;
    double total = 0.0;
    float g[TILE];

    for (int64_t p = 0; p < job->places; p++)
        for (int64_t first = 0; first < n; first += TILE) {
            mucmm__segment s = segment_at(w, first, min64(TILE, n - first));
            place(w, job->kept, job->n_kept, unit, &s);
            place(w, job->summed, job->n_summed, p, &s);
            at = s.at[job->operand];
            job->fn(job->arg, &s, g);
            total += (double)sum_lanes(s.n, g);
        }
    job->dx[at] = (float)total;
}

static void sum_task(void *arg, int64_t first, int64_t last)
{
    const sum_job *job = arg;
    bool columns = job->w->step[job->operand][job->w->rank - 1] != 0;

    for (int64_t unit = first; unit < last; unit++)
        if (columns)
            sum_columns(job, unit);
        else
            sum_row(job, unit);
}

typedef struct copy_job {
    mucmm__factor_fn fn;
    void *arg;
    float *dx;
} copy_job;

static void copy_segment(void *arg, const mucmm__segment *s)
{
    const copy_job *job = arg;
    job->fn(job->arg, s, job->dx + s->out);
}

void mucmm__walk_sum(mucmm_ctx *ctx, const mucmm__walk *w, int32_t i, mucmm__factor_fn fn,
                     void *arg, float *dx)
{
    sum_job job = {.w = w, .fn = fn, .arg = arg, .dx = dx, .operand = i, .places = 1, .rows = 1};
    int64_t units = 1, n, work;
    bool columns, repeated = false;

    if (w->count == 0) {
        int64_t kept = 1;
        for (int32_t k = 0; k < w->rank; k++)
            kept *= w->step[i][k] ? w->shape[k] : 1;
        if (kept > 0)
            memset(dx, 0, (size_t)kept * sizeof *dx);
        return;
    }
    for (int32_t k = 0; k < w->rank; k++)
        repeated = repeated || (w->step[i][k] == 0 && w->shape[k] > 1);
    if (!repeated) {
        copy_job copy = {fn, arg, dx};
        mucmm__walk_run(ctx, w, copy_segment, &copy);
        return;
    }
    n = w->shape[w->rank - 1];
    columns = w->step[i][w->rank - 1] != 0;
    for (int32_t k = 0; k < w->rank - 1; k++)
        if (w->step[i][k])
            job.kept[job.n_kept++] = k, units *= w->shape[k];
        else if (columns && k == w->rank - 2)
            job.rows = w->shape[k];
        else
            job.summed[job.n_summed++] = k, job.places *= w->shape[k];
    job.chunks = columns ? (n + TILE - 1) / TILE : 1;
    work = job.places * job.rows * min64(n, columns ? TILE : n);
    mucmm__parallel_range(ctx, units * job.chunks, work < GRAIN ? GRAIN / work : 1, sum_task, &job);
}
