/* SPDX-License-Identifier: MIT
 *
 * encode_rows.c - all rows of a source through an encoder: what goes wrong is found early, rows go
 * in batches, features into a cache that can be resumed. */
#include "encode/encode.h"

#include "core/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MEMORY ((uint64_t)1 << 30)
#define ROUNDING 2e-4 /* of the largest feature: what other orders of summation may change */

enum { MOST_COMPARED = 8, MOST_TOLD = 5 };

void mucmm_encode_params_init_sized(mucmm_encode_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_encode_params){.struct_size = 0}, sizeof *p);
}

/* One run of mucmm__encode_all. */
typedef struct encoding {
    mucmm_ctx *ctx;
    const char *stage;
    const mucmm_source *source;
    const mucmm_encoder *encoder;
    const mucmm_encode_params *params;
    mucmm__encoded *encoded;
    mucmm__pass pass;
    int32_t rank; /* of a row of features */
    int64_t shape[MUCMM_MAX_RANK], cols;
    mucmm__cache cache;
    float *memory; /* features, without a cache */
    bool *bad;
} encoding;

/* A fault of the row, not of the machine. */
static bool is_bad_row(mucmm_status status)
{
    return status == MUCMM_EIO || status == MUCMM_EFORMAT || status == MUCMM_EUNSUPPORTED ||
           status == MUCMM_ESHAPE || status == MUCMM_ENUMERIC;
}

/* ---- before the work: shapes, batches ---------------------------------------------- */

/* The next readable row from *row on, into place i of the pass; *row = n if there is none. */
static mucmm_status read_next(encoding *e, int64_t i, int64_t *row)
{
    mucmm_status status = MUCMM_OK;

    for (; *row < e->source->n; (*row)++) {
        status = mucmm__pass_read_row(e->ctx, &e->pass, i, *row);
        if (status == MUCMM_OK || !e->params->skip_bad || !is_bad_row(status))
            return status;
    }
    return MUCMM_OK;
}

static mucmm_status choose_batch(encoding *e, bool gradient, int64_t *out)
{
    uint64_t bytes;
    mucmm_status status = mucmm__pass_memory(e->ctx, &e->pass, gradient, &bytes);

    if (gradient && status == MUCMM_EUNSUPPORTED) { /* features, but no maps */
        *out = 1;
        return MUCMM_OK;
    }
    *out = bytes == 0 ? MUCMM__LARGEST_BATCH : (int64_t)(e->encoded->memory / bytes);
    *out = *out < 1 ? 1 : *out > MUCMM__LARGEST_BATCH ? MUCMM__LARGEST_BATCH : *out;
    if (e->encoder->batch && *out > e->encoder->batch)
        *out = e->encoder->batch;
    return status;
}

/* Starts the pass anew with the given rows and runs it; features [n, cols]. */
static mucmm_status run_rows(encoding *e, const int64_t *rows, int64_t n, float *features)
{
    mucmm_status status = MUCMM_OK;

    mucmm__pass_drop(&e->pass);
    TRY(mucmm__pass_start(e->ctx, e->encoder, e->source, n, e->encoded->memory, &e->pass));
    e->pass.expected = e->cols;
    TRY(mucmm__pass_read(e->ctx, &e->pass, rows));
    TRY(mucmm__pass_forward(e->ctx, &e->pass, NULL, false, features));
done:
    return status;
}

/* Rows that can be read, spread over all; *n of at most MOST_COMPARED. */
static mucmm_status choose_rows(encoding *e, int64_t first, int64_t most, int64_t *rows, int64_t *n)
{
    mucmm_status status = MUCMM_OK;

    rows[0] = first;
    for (*n = 1; *n < most; ++*n) {
        int64_t row = first + *n * (e->source->n - first) / most;
        rows[*n] = row > rows[*n - 1] ? row : rows[*n - 1] + 1;
        TRY(read_next(e, 0, &rows[*n]));
        if (rows[*n] >= e->source->n)
            break;
    }
done:
    return status;
}

/* Features of a row must not depend on the rows it is computed with, as they do where a network
 * quantizes or normalizes over the batch: rows together against each of them alone. */
static mucmm_status check_rows_apart(encoding *e, int64_t first)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows[MOST_COMPARED], n, most = e->encoded->batch;
    float *alone = NULL, *together = NULL;
    double worst = 0, largest = 0;

    most = most < e->encoded->vjp_batch ? e->encoded->vjp_batch : most;
    TRY(choose_rows(e, first, most < MOST_COMPARED ? most : MOST_COMPARED, rows, &n));
    if (n < 2)
        return MUCMM_OK;
    TRY(mucmm__alloc(e->ctx, n * e->cols, sizeof *alone, &alone));
    TRY(mucmm__alloc(e->ctx, n * e->cols, sizeof *together, &together));
    for (int64_t i = 0; i < n; i++)
        TRY(run_rows(e, rows + i, 1, alone + i * e->cols));
    TRY(run_rows(e, rows, n, together));
    for (int64_t j = 0; j < n * e->cols; j++) {
        worst = fmax(worst, fabs((double)alone[j] - (double)together[j]));
        largest = fmax(largest, fabs((double)alone[j]));
    }
    if (worst > ROUNDING * largest)
        TRY(mucmm__fail(e->ctx, MUCMM_EUNSUPPORTED,
                        "%s: the features of a row change with the rows beside it (of %" PRId64
                        " rows together and alone by up to %.2g of the largest); give "
                        "\"batch\": 1",
                        e->encoder->name, n, worst / largest));
done:
    mucmm__free(alone);
    mucmm__free(together);
    return status;
}

/* Shapes, and how many rows fit at a time, from the first row that can be read. */
static mucmm_status probe(encoding *e)
{
    mucmm_status status = MUCMM_OK;
    mucmm__encoded *to = e->encoded;
    mucmm__pass *p = &e->pass;
    int64_t row = 0;

    TRY(mucmm__pass_start(e->ctx, e->encoder, e->source, 1, to->memory, p));
    TRY(read_next(e, 0, &row));
    if (row == e->source->n)
        TRY(mucmm__prefix(e->ctx, MUCMM_EFORMAT, "no row can be read; the last"));
    TRY(mucmm__pass_raw(e->ctx, p, NULL));
    to->raw_rank = p->raw_rank;
    to->raw_cols = p->raw_cols;
    memcpy(to->raw_shape, p->raw_shape, sizeof to->raw_shape);
    TRY(mucmm__pass_forward(e->ctx, p, NULL, false, NULL));
    e->rank = p->out_rank;
    e->cols = p->out_cols;
    memcpy(e->shape, p->out_shape, sizeof e->shape);
    TRY(choose_batch(e, false, &to->batch));
    TRY(choose_batch(e, true, &to->vjp_batch));
    if (to->batch > 1 || to->vjp_batch > 1)
        TRY(check_rows_apart(e, row));
done:
    mucmm__pass_drop(p);
    return status;
}

/* ---- the work ---------------------------------------------------------------------- */

/* Rows first .. first + n: those that can be read move up in the pass; place [n] says where each
 * is, -1 for a bad one. */
static mucmm_status read_rows(encoding *e, int64_t first, int64_t n, int64_t *place)
{
    mucmm_status status = MUCMM_OK;

    e->pass.n = 0;
    for (int64_t i = 0; i < n; i++) {
        status = mucmm__pass_read_row(e->ctx, &e->pass, e->pass.n, first + i);
        e->bad[first + i] = status != MUCMM_OK;
        place[i] = status == MUCMM_OK ? e->pass.n++ : -1;
        if (status != MUCMM_OK && !(e->params->skip_bad && is_bad_row(status)))
            return status;
    }
    return MUCMM_OK;
}

/* ENUMERIC with row and node unless features [cols] of the row are finite. */
static mucmm_status check_finite(encoding *e, int64_t row, const float *features)
{
    mucmm_status status = MUCMM_OK;
    mucmm__fault fault = {{0}, {0}};
    mucmm__pass p = {0};
    int64_t j = 0;

    while (j < e->cols && isfinite(features[j]))
        j++;
    if (j == e->cols)
        return MUCMM_OK;
    TRY(mucmm__pass_start(e->ctx, e->encoder, e->source, 1, e->encoded->memory, &p));
    TRY(mucmm__pass_read(e->ctx, &p, &row));
    p.fault = &fault;
    TRY(mucmm__pass_forward(e->ctx, &p, NULL, false, NULL));
    status =
        mucmm__fail(e->ctx, MUCMM_ENUMERIC, "feature %" PRId64 " is not finite%s%s", j,
                    fault.features[0] ? ": the network's numbers are not at " : "", fault.features);
    mucmm__source_prefix(e->ctx, status, e->source, row);
done:
    mucmm__pass_drop(&p);
    return status;
}

/* A row whose features are not finite counts as one that cannot be read. */
static mucmm_status check_features(encoding *e, int64_t first, int64_t n, int64_t *place,
                                   const float *features)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; i < n; i++) {
        if (place[i] < 0)
            continue;
        status = check_finite(e, first + i, features + place[i] * e->cols);
        if (status == MUCMM_OK)
            continue;
        if (!(e->params->skip_bad && is_bad_row(status)))
            return status;
        e->bad[first + i] = true;
        place[i] = -1;
    }
    return MUCMM_OK;
}

/* features [n, cols]; those of bad rows are zero. work as large. */
static mucmm_status encode_rows(encoding *e, int64_t first, int64_t n, float *work, float *features)
{
    mucmm_status status = MUCMM_OK;
    int64_t place[MUCMM__LARGEST_BATCH];
    size_t bytes = (size_t)e->cols * sizeof *work;

    TRY(read_rows(e, first, n, place));
    if (e->pass.n > 0)
        TRY(mucmm__pass_forward(e->ctx, &e->pass, NULL, false, work));
    TRY(check_features(e, first, n, place, work));
    for (int64_t i = 0; i < n; i++) {
        if (place[i] < 0)
            memset(features + i * e->cols, 0, bytes);
        else
            memcpy(features + i * e->cols, work + place[i] * e->cols, bytes);
    }
done:
    return status;
}

static mucmm_status encode_rest(encoding *e)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = e->source->n, batch = e->encoded->batch;
    float *work = NULL, *features = NULL;
    bool cached = e->params->cache != NULL;

    TRY(mucmm__alloc(e->ctx, batch * e->cols, sizeof *work, &work));
    TRY(mucmm__alloc(e->ctx, batch * e->cols, sizeof *features, &features));
    TRY(mucmm__pass_start(e->ctx, e->encoder, e->source, batch, e->encoded->memory, &e->pass));
    e->pass.expected = e->cols;
    for (int64_t i = cached ? e->cache.done : 0; i < n; i += batch) {
        int64_t b = n - i < batch ? n - i : batch;
        TRY(mucmm__progress(e->ctx, e->stage, i, n, NULL));
        TRY(encode_rows(e, i, b, work, cached ? features : e->memory + i * e->cols));
        if (cached)
            TRY(mucmm__cache_put(e->ctx, &e->cache, features, b));
    }
    TRY(mucmm__progress(e->ctx, e->stage, n, n, NULL));
done:
    mucmm__free(work);
    mucmm__free(features);
    return status;
}

/* The failure of row i, read and taken through the network alone; OK: there is none any more. */
static mucmm_status why_bad(encoding *e, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    mucmm__pass p = {0};
    float *features = NULL;

    TRY(mucmm__alloc(e->ctx, e->cols, sizeof *features, &features));
    TRY(mucmm__pass_start(e->ctx, e->encoder, e->source, 1, e->encoded->memory, &p));
    TRY(mucmm__pass_read_row(e->ctx, &p, 0, i));
    TRY(mucmm__pass_forward(e->ctx, &p, NULL, false, features));
    TRY(check_finite(e, i, features));
done:
    mucmm__pass_drop(&p);
    mucmm__free(features);
    return status;
}

/* The rows that are left out and why: the first in warnings, all in a file beside the cache. */
static mucmm_status tell_skipped(encoding *e)
{
    mucmm_status status = MUCMM_OK;
    mucmm__text t = {.ctx = e->ctx};
    char *text = NULL, *path = NULL;
    int64_t skipped = 0;
    size_t size;

    mucmm__text_format(&t, "row\treason\n");
    for (int64_t i = 0; i < e->source->n; i++) {
        if (!e->bad[i])
            continue;
        status = why_bad(e, i);
        if (status != MUCMM_OK && !is_bad_row(status))
            goto done;
        status = MUCMM_OK;
        if (skipped++ < MOST_TOLD)
            mucmm__warn(e->ctx, "left out: %s", e->ctx->message);
        mucmm__text_format(&t, "%" PRId64 "\t", i);
        mucmm__text_add(&t, e->ctx->message, strlen(e->ctx->message));
        mucmm__text_add(&t, "\n", 1);
    }
    TRY(mucmm__text_done(&t, &text));
    if (skipped == 0 || !e->params->cache)
        goto done;
    size = strlen(e->params->cache) + 16;
    TRY(mucmm__alloc(e->ctx, (int64_t)size, 1, &path));
    snprintf(path, size, "%s.skipped.tsv", e->params->cache);
    TRY(mucmm_file_write(e->ctx, path, text, strlen(text)));
    if (skipped > MOST_TOLD)
        mucmm__warn(e->ctx, "left out: %" PRId64 " rows more; all are in %s", skipped - MOST_TOLD,
                    path);
done:
    mucmm__free(t.bytes);
    mucmm__free(text);
    mucmm__free(path);
    return status;
}

/* Rows that were bad when the cache was made are an error now, unless they are to be skipped. */
static mucmm_status check_cached_bad(encoding *e)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__pass_start(e->ctx, e->encoder, e->source, 1, e->encoded->memory, &e->pass));
    for (int64_t i = 0; i < e->cache.done && !e->params->skip_bad; i++) {
        if (!e->bad[i])
            continue;
        TRY(why_bad(e, i));
        TRY(mucmm__fail(e->ctx, MUCMM_EIO,
                        "%s: row %" PRId64 " could not be read when this was "
                        "made; remove the file",
                        e->cache.path, i));
    }
done:
    mucmm__pass_drop(&e->pass);
    return status;
}

static mucmm_status encode_cached(encoding *e, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    uint64_t hash = e->encoder->fingerprint;

    TRY(mucmm__source_fingerprint(e->ctx, e->source, &hash));
    hash = mucmm__hash(hash, e->shape, sizeof e->shape);
    TRY(mucmm__cache_open(e->ctx, e->params->cache, hash, e->source->n, e->shape, e->rank,
                          &e->cache));
    e->bad = e->cache.bad;
    TRY(check_cached_bad(e));
    if (e->cache.done < e->source->n)
        TRY(encode_rest(e));
    TRY(mucmm__cache_finish(e->ctx, &e->cache));
    TRY(mucmm_data_open(e->ctx, e->cache.path, NULL, out));
done:
    return status;
}

static mucmm_status encode_in_memory(encoding *e, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    int64_t count;

    if (!mucmm__mul(e->source->n, e->cols, &count))
        return mucmm__fail(e->ctx, MUCMM_ENOMEM, "out of memory: too many features");
    TRY(mucmm__alloc(e->ctx, e->source->n, sizeof *e->bad, &e->bad));
    TRY(mucmm__alloc(e->ctx, count, sizeof *e->memory, &e->memory));
    TRY(encode_rest(e));
    TRY(mucmm__data_own(e->ctx, e->encoder->name, e->memory, e->source->n, e->shape, e->rank, out));
    e->memory = NULL;
done:
    return status;
}

/* ---- the data object --------------------------------------------------------------- */

static void encoded_free(void *encoded)
{
    mucmm__encoded *e = encoded;

    if (!e)
        return;
    mucmm_source_free(e->source);
    mucmm_encoder_free(e->encoder);
    mucmm__free(e->description);
    mucmm__free(e);
}

/* The source's keys and the encoder's. */
static mucmm_status join_descriptions(mucmm_ctx *ctx, mucmm__encoded *e)
{
    const char *source = e->source->description, *encoder = e->encoder->description;
    mucmm__json_build b = {false};
    json_t *o = NULL, *more = NULL;
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__json_parse(ctx, source, strlen(source), NULL, &o));
    TRY(mucmm__json_parse(ctx, encoder, strlen(encoder), NULL, &more));
    b.failed = json_object_update_missing(o, more) != 0;
    TRY(mucmm__json_done(ctx, &b, o));
    TRY(mucmm__json_text(ctx, o, &e->description));
done:
    json_decref(o);
    json_decref(more);
    return status;
}

static mucmm_status start(encoding *e, uint64_t memory)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__alloc(e->ctx, 1, sizeof *e->encoded, &e->encoded));
    e->encoded->source = mucmm__source_keep(e->source);
    e->encoded->encoder = mucmm__encoder_keep(e->encoder);
    e->encoded->memory = memory ? memory : MEMORY;
    TRY(join_descriptions(e->ctx, e->encoded));
    if (!e->params->skip_bad)
        TRY(mucmm__source_check(e->ctx, e->source));
    TRY(probe(e));
done:
    return status;
}

/* Columns of a bag of words have its words as names. */
static mucmm_status name_columns(mucmm_ctx *ctx, const mucmm__bag *bag, mucmm_data *d)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = mucmm__bag_size(bag), size = 0;

    for (int64_t j = 0; j < n; j++)
        size += (int64_t)strlen(mucmm__bag_word(bag, j)) + 1;
    TRY(mucmm__alloc(ctx, n, sizeof *d->table.column_at, &d->table.column_at));
    TRY(mucmm__alloc(ctx, size, 1, &d->table.text));
    size = 0;
    for (int64_t j = 0; j < n; j++) {
        const char *word = mucmm__bag_word(bag, j);
        strcpy(d->table.text + size, word);
        d->table.column_at[j] = size;
        size += (int64_t)strlen(word) + 1;
    }
done:
    return status;
}

mucmm_status mucmm__encode_all(mucmm_ctx *ctx, const char *stage, const mucmm_source *source,
                               const mucmm_encoder *encoder, const mucmm_encode_params *params,
                               bool *bad, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    encoding e = {.ctx = ctx,
                  .stage = stage,
                  .source = source,
                  .encoder = encoder,
                  .params = params,
                  .cache = {.fd = -1}};
    mucmm_data *d = NULL;

    *out = NULL;
    TRY(start(&e, params->memory));
    if (params->cache)
        TRY(encode_cached(&e, &d));
    else
        TRY(encode_in_memory(&e, &d));
    if (source->bag)
        TRY(name_columns(ctx, source->bag, d));
    TRY(tell_skipped(&e));
    mucmm__source_tell(ctx, source, e.bad);
    d->encoded = e.encoded;
    d->encoded_free = encoded_free;
    e.encoded = NULL;
    memcpy(bad, e.bad, (size_t)source->n * sizeof *bad);
    *out = d;
    d = NULL;
done:
    mucmm_data_free(d);
    mucmm__pass_drop(&e.pass);
    if (!params->cache)
        mucmm__free(e.bad);
    mucmm__cache_drop(ctx, &e.cache);
    mucmm__free(e.memory);
    encoded_free(e.encoded);
    return status;
}

mucmm_status mucmm_data_encode(mucmm_ctx *ctx, const mucmm_source *source,
                               const mucmm_encoder *encoder, const mucmm_encode_params *params,
                               mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_encode_params p;
    mucmm_data *all = NULL;
    int64_t *good = NULL, n = 0;
    bool *bad = NULL;

    *out = NULL;
    mucmm_encode_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_encode_params", params, &p, sizeof p));
    TRY(mucmm__alloc(ctx, source->n, sizeof *bad, &bad));
    TRY(mucmm__alloc(ctx, source->n, sizeof *good, &good));
    TRY(mucmm__encode_all(ctx, "encode", source, encoder, &p, bad, &all));
    for (int64_t i = 0; i < source->n; i++)
        if (!bad[i])
            good[n++] = i;
    if (n < source->n) {
        mucmm__warn(ctx, "%" PRId64 " of %" PRId64 " rows cannot be read and are left out",
                    source->n - n, source->n);
        TRY(mucmm_data_subset(ctx, all, good, n, out));
    } else {
        *out = all;
        all = NULL;
    }
done:
    mucmm_data_free(all);
    mucmm__free(good);
    mucmm__free(bad);
    return status;
}
