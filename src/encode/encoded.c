/* SPDX-License-Identifier: MIT
 *
 * encoded.c - features of all rows of a source, and the way from them back to the raw input. */
#include "encode/encode.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MEMORY ((uint64_t)1 << 30)
#define LARGEST_BATCH 32

void mucmm_encode_params_init_sized(mucmm_encode_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_encode_params){.struct_size = 0}, sizeof *p);
}

/* One run of mucmm__encode_all. */
typedef struct encoding {
    mucmm_ctx *ctx;
    const char *stage;
    mucmm_source *source;
    mucmm_encoder *encoder;
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
    *out = bytes == 0 ? LARGEST_BATCH : (int64_t)(e->encoded->memory / bytes);
    *out = *out < 1 ? 1 : *out > LARGEST_BATCH ? LARGEST_BATCH : *out;
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

/* Features of a row must not depend on the rows it is computed with: two rows together against
 * each of them alone. */
static mucmm_status check_rows_apart(encoding *e, int64_t first)
{
    mucmm_status status = MUCMM_OK;
    int64_t rows[2] = {first, first + 1};
    float *alone = NULL, *together = NULL;
    double worst = 0, largest = 0;

    TRY(read_next(e, 0, &rows[1]));
    if (rows[1] == e->source->n)
        return MUCMM_OK;
    TRY(mucmm__alloc(e->ctx, 2 * e->cols, sizeof *alone, &alone));
    TRY(mucmm__alloc(e->ctx, 2 * e->cols, sizeof *together, &together));
    TRY(run_rows(e, rows, 1, alone));
    TRY(run_rows(e, rows + 1, 1, alone + e->cols));
    TRY(run_rows(e, rows, 2, together));
    for (int64_t j = 0; j < 2 * e->cols; j++) {
        worst = fmax(worst, fabs((double)alone[j] - (double)together[j]));
        largest = fmax(largest, fabs((double)alone[j]));
    }
    if (worst > 1e-2 * largest)
        TRY(mucmm__fail(e->ctx, MUCMM_EUNSUPPORTED,
                        "%s: the features of a row change with the row beside it; give "
                        "\"batch\": 1",
                        e->encoder->name));
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

/* features [n, cols]; those of bad rows are zero. work as large. */
static mucmm_status encode_rows(encoding *e, int64_t first, int64_t n, float *work, float *features)
{
    mucmm_status status = MUCMM_OK;
    int64_t place[LARGEST_BATCH];
    size_t bytes = (size_t)e->cols * sizeof *work;

    TRY(read_rows(e, first, n, place));
    if (e->pass.n > 0)
        TRY(mucmm__pass_forward(e->ctx, &e->pass, NULL, false, work));
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

/* Rows that were bad when the cache was made are an error now, unless they are to be skipped. */
static mucmm_status check_cached_bad(encoding *e)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__pass_start(e->ctx, e->encoder, e->source, 1, e->encoded->memory, &e->pass));
    for (int64_t i = 0; i < e->cache.done && !e->params->skip_bad; i++) {
        if (!e->bad[i])
            continue;
        TRY(mucmm__pass_read_row(e->ctx, &e->pass, 0, i));
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

mucmm_status mucmm__encode_all(mucmm_ctx *ctx, const char *stage, mucmm_source *source,
                               mucmm_encoder *encoder, const mucmm_encode_params *params, bool *bad,
                               mucmm_data **out)
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

mucmm_status mucmm_data_encode(mucmm_ctx *ctx, mucmm_source *source, mucmm_encoder *encoder,
                               const mucmm_encode_params *params, mucmm_data **out)
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

/* ---- raw inputs of data ------------------------------------------------------------ */

const mucmm__encoded *mucmm__encoded_of(const mucmm_data *d)
{
    return mucmm__data_base(d)->encoded;
}

int32_t mucmm_data_raw_shape(const mucmm_data *d, int64_t shape[MUCMM_MAX_RANK])
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    if (!e)
        return mucmm_data_shape(d, shape);
    memcpy(shape, e->raw_shape, (size_t)e->raw_rank * sizeof *shape);
    return e->raw_rank;
}

int64_t mucmm_data_raw_cols(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? e->raw_cols : mucmm_data_cols(d);
}

mucmm_source_kind mucmm_data_source_kind(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? e->source->kind : MUCMM_SOURCE_ROWS;
}

double mucmm_data_rate(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e && e->source->kind == MUCMM_SOURCE_AUDIO ? (double)e->source->audio.rate : 0;
}

const char *mucmm_data_description(const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? e->description : NULL;
}

int64_t mucmm_data_source_row(const mucmm_data *d, int64_t i)
{
    return i >= 0 && i < d->n ? mucmm__data_row(d, i) : -1;
}

const char *mucmm_data_item(const mucmm_data *d, int64_t row)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    return e ? mucmm__source_item(e->source, mucmm_data_source_row(d, row)) : NULL;
}

mucmm_status mucmm__encoded_check_row(mucmm_ctx *ctx, const mucmm_data *d, int64_t row)
{
    if (row < 0 || row >= d->n)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: row %" PRId64 " asked for, the rows are 0 to %" PRId64,
                           mucmm_data_label(d), row, d->n - 1);
    return MUCMM_OK;
}

mucmm_status mucmm_data_picture(mucmm_ctx *ctx, const mucmm_data *d, int64_t row, int64_t *height,
                                int64_t *width, unsigned char *rgb)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm__picture picture = {0};

    if (!e || e->source->kind != MUCMM_SOURCE_IMAGE)
        return mucmm__fail(ctx, MUCMM_EARG, "%s has no pictures", mucmm_data_label(d));
    *height = e->source->image.height;
    *width = e->source->image.width;
    if (!rgb)
        return MUCMM_OK;
    TRY(mucmm__encoded_check_row(ctx, d, row));
    TRY(mucmm__source_picture(ctx, e->source, mucmm__data_row(d, row), &picture));
    memcpy(rgb, picture.rgb, (size_t)(3 * *height * *width));
done:
    mucmm__picture_drop(&picture);
    return status;
}

/* A bag of words has its columns from the texts it was fitted to; "fitted" tells two apart. */
mucmm_status mucmm__encoded_match(mucmm_ctx *ctx, const mucmm_data *d, const char *description)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    json_t *want = NULL, *have = NULL;
    const char *a, *b;

    if (description)
        TRY(mucmm__json_parse(ctx, description, strlen(description), NULL, &want));
    if (e)
        TRY(mucmm__json_parse(ctx, e->description, strlen(e->description), NULL, &have));
    a = json_string_value(json_object_get(want, "fitted"));
    b = json_string_value(json_object_get(have, "fitted"));
    if (a && b && strcmp(a, b) != 0)
        status = mucmm__fail(ctx, MUCMM_EARG,
                             "the vocabulary of these words is not the one that the model was "
                             "fitted on (%.32s, not %.32s): a study makes it from its training "
                             "rows, so table, split and keys of the view must be the same",
                             b, a);
done:
    json_decref(want);
    json_decref(have);
    return status;
}

/* ---- there and back ---------------------------------------------------------------- */

mucmm_status mucmm__encoded_check(mucmm_ctx *ctx, const mucmm_data *d)
{
    const mucmm__encoded *e = mucmm__encoded_of(d);

    if (e && e->raw_rank == 0)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: the view's description names no tensor in which explanations live: "
                           "give \"wrt\", the inner tensor of the token embeddings",
                           e->encoder->name);
    return MUCMM_OK;
}

/* Starts a pass of rows[0..n) of d and reads them, unless raw values take their place whole (those
 * of an inner tensor do not: masks stand beside it). */
static mucmm_status start_pass(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows, int64_t n,
                               const float *raw, mucmm__pass *p)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);

    TRY(mucmm__pass_start(ctx, e->encoder, e->source, n, e->memory, p));
    p->expected = d->cols;
    for (int64_t i = 0; i < n; i++) {
        TRY(mucmm__encoded_check_row(ctx, d, rows[i]));
        if (!raw || e->encoder->wrt)
            TRY(mucmm__pass_read_row(ctx, p, i, mucmm__data_row(d, rows[i])));
    }
    if (raw)
        TRY(mucmm__pass_raw(ctx, p, NULL));
done:
    return status;
}

/* Rows of a source that are raw values as they are, each by a thread. */
typedef struct row_reading {
    const mucmm_data *d;
    const int64_t *rows; /* NULL: 0, 1, .. */
    int64_t first;
    const mucmm_mat *out;
    mucmm_ctx *ctx; /* [LARGEST_BATCH] */
    mucmm_status status[LARGEST_BATCH];
} row_reading;

static void read_one_row(void *arg, int64_t i)
{
    row_reading *t = arg;
    int64_t at = t->first + i, row = t->rows ? t->rows[at] : at;

    t->status[i] = mucmm__encoded_check_row(&t->ctx[i], t->d, row);
    if (t->status[i] == MUCMM_OK)
        t->status[i] = mucmm__source_read(&t->ctx[i], mucmm__encoded_of(t->d)->source,
                                          mucmm__data_row(t->d, row),
                                          t->out->data + at * t->out->stride, NULL, NULL);
}

static mucmm_status read_source_rows(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                     int64_t n, const mucmm_mat *out)
{
    mucmm_status status = MUCMM_OK;
    row_reading t = {.d = d, .rows = rows, .out = out};

    TRY(mucmm__alloc(ctx, LARGEST_BATCH, sizeof *t.ctx, &t.ctx));
    for (; t.first < n; t.first += LARGEST_BATCH) {
        int64_t b = n - t.first < LARGEST_BATCH ? n - t.first : LARGEST_BATCH;
        for (int64_t i = 0; i < b; i++)
            mucmm__ctx_alone(ctx, &t.ctx[i]);
        mucmm__parallel(ctx, b, read_one_row, &t);
        for (int64_t i = 0; i < b; i++)
            if (t.status[i] != MUCMM_OK)
                TRY(mucmm__fail(ctx, t.status[i], "%s", t.ctx[i].message));
    }
done:
    mucmm__free(t.ctx);
    return status;
}

mucmm_status mucmm_data_read_raw(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                 int64_t n, const mucmm_mat *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm__pass p = {0};
    int64_t chunk[LARGEST_BATCH];
    float *raw = NULL;

    if (!e)
        return mucmm_data_read(ctx, d, rows, n, out);
    TRY(mucmm__encoded_check(ctx, d));
    if (out->rows < n || out->cols != e->raw_cols || out->stride < out->cols)
        TRY(mucmm__fail(ctx, MUCMM_ESHAPE,
                        "%s: %" PRId64 " raw rows of %" PRId64 " columns do not fit a matrix of "
                        "%" PRId64 " x %" PRId64 ", stride %" PRId64,
                        mucmm_data_label(d), n, e->raw_cols, out->rows, out->cols, out->stride));
    if (!e->encoder->wrt)
        return read_source_rows(ctx, d, rows, n, out);
    TRY(mucmm__alloc(ctx, e->batch * e->raw_cols, sizeof *raw, &raw));
    for (int64_t i = 0; i < n; i += e->batch) {
        int64_t b = n - i < e->batch ? n - i : e->batch;
        for (int64_t j = 0; j < b; j++)
            chunk[j] = rows ? rows[i + j] : i + j;
        TRY(start_pass(ctx, d, chunk, b, NULL, &p));
        TRY(mucmm__pass_raw(ctx, &p, raw));
        for (int64_t j = 0; j < b; j++)
            memcpy(out->data + (i + j) * out->stride, raw + j * e->raw_cols,
                   (size_t)e->raw_cols * sizeof *raw);
        mucmm__pass_drop(&p);
    }
done:
    mucmm__pass_drop(&p);
    mucmm__free(raw);
    return status;
}

mucmm_status mucmm__encoded_features(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                     int64_t n, const float *raw, float *features)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm__pass p = {0};

    for (int64_t i = 0; i < n; i += e->batch) {
        int64_t b = n - i < e->batch ? n - i : e->batch;
        const float *from = raw + i * e->raw_cols;
        TRY(start_pass(ctx, d, rows + i, b, from, &p));
        TRY(mucmm__pass_forward(ctx, &p, from, false, features + i * d->cols));
        mucmm__pass_drop(&p);
    }
done:
    mucmm__pass_drop(&p);
    return status;
}

mucmm_status mucmm__encoded_vjp(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows, int64_t n,
                                const float *raw, const float *cotangents, float *grads)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm__pass p = {0};

    for (int64_t i = 0; i < n; i += e->vjp_batch) {
        int64_t b = n - i < e->vjp_batch ? n - i : e->vjp_batch;
        const float *from = raw ? raw + i * e->raw_cols : NULL;
        TRY(start_pass(ctx, d, rows + i, b, from, &p));
        TRY(mucmm__pass_forward(ctx, &p, from, true, NULL));
        TRY(mucmm__pass_vjp(ctx, &p, from, cotangents + i * d->cols, grads + i * e->raw_cols));
        mucmm__pass_drop(&p);
    }
done:
    mucmm__pass_drop(&p);
    return status;
}

int64_t mucmm__encoded_batch(const mucmm_data *d)
{
    return mucmm__encoded_of(d)->vjp_batch;
}

bool mucmm__encoded_parallel(const mucmm_data *d)
{
    return mucmm__encoded_of(d)->encoder->n_links > 0 || mucmm__encoded_of(d)->encoder->tf_idf;
}

mucmm_status mucmm__encoded_gradient(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *rows,
                                     int64_t n, const float *raw, mucmm__cotangent_fn cotangents,
                                     void *user, float *grads)
{
    mucmm_status status = MUCMM_OK;
    mucmm__pass p = {0};
    float *features = NULL, *df = NULL;

    TRY(mucmm__alloc(ctx, n * d->cols, sizeof *features, &features));
    TRY(mucmm__alloc(ctx, n * d->cols, sizeof *df, &df));
    TRY(start_pass(ctx, d, rows, n, raw, &p));
    TRY(mucmm__pass_forward(ctx, &p, raw, true, features));
    TRY(cotangents(ctx, user, n, features, df));
    TRY(mucmm__pass_vjp(ctx, &p, raw, df, grads));
done:
    mucmm__pass_drop(&p);
    mucmm__free(features);
    mucmm__free(df);
    return status;
}
