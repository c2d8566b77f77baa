/* SPDX-License-Identifier: MIT
 *
 * encoded_pass.c - raw inputs behind the rows of encoded data, from there through the encoder, and
 * gradients back. */
#include "encode/encode.h"

#include <inttypes.h>
#include <string.h>

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
    mucmm_ctx *ctx; /* [MUCMM__LARGEST_BATCH] */
    mucmm_status status[MUCMM__LARGEST_BATCH];
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

    TRY(mucmm__alloc(ctx, MUCMM__LARGEST_BATCH, sizeof *t.ctx, &t.ctx));
    for (; t.first < n; t.first += MUCMM__LARGEST_BATCH) {
        int64_t b = n - t.first < MUCMM__LARGEST_BATCH ? n - t.first : MUCMM__LARGEST_BATCH;
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
    int64_t chunk[MUCMM__LARGEST_BATCH];
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
    const mucmm_encoder *e = mucmm__encoded_of(d)->encoder;

    return e->n_links > 0 || e->tf_idf || e->has_mel;
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

/* ---- what is wrong with a gradient ------------------------------------------------- */

mucmm_status mucmm__encoded_fault(mucmm_ctx *ctx, const mucmm_data *d, int64_t row,
                                  const float *raw, mucmm__cotangent_fn cotangents, void *user,
                                  mucmm__fault *out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm__pass p = {0};
    float *features = NULL, *df = NULL, *grads = NULL;

    *out = (mucmm__fault){{0}, {0}};
    TRY(mucmm__alloc(ctx, d->cols, sizeof *features, &features));
    TRY(mucmm__alloc(ctx, d->cols, sizeof *df, &df));
    TRY(mucmm__alloc(ctx, e->raw_cols, sizeof *grads, &grads));
    TRY(start_pass(ctx, d, &row, 1, raw, &p));
    p.fault = out;
    TRY(mucmm__pass_forward(ctx, &p, raw, true, features));
    if (out->features[0])
        goto done;
    TRY(cotangents(ctx, user, 1, features, df));
    TRY(mucmm__pass_vjp(ctx, &p, raw, df, grads));
done:
    mucmm__pass_drop(&p);
    mucmm__free(features);
    mucmm__free(df);
    mucmm__free(grads);
    return status;
}

static bool can_round(const mucmm_encoder *e)
{
    bool any = false;

    for (int32_t k = 0; k < e->n_links; k++)
        any = any || mucmm__graph_rounds(e->link[k].graph);
    return any;
}

mucmm_status mucmm__encoded_stop(mucmm_ctx *ctx, const mucmm_data *d, int64_t row, bool some,
                                 char text[MUCMM__FAULT_TEXT])
{
    mucmm_status status = MUCMM_OK;
    const mucmm__encoded *e = mucmm__encoded_of(d);
    mucmm__pass p = {0};

    text[0] = '\0';
    if (e->encoder->n_links == 0 || (some && !can_round(e->encoder)))
        return MUCMM_OK;
    TRY(start_pass(ctx, d, &row, 1, NULL, &p));
    TRY(mucmm__pass_forward(ctx, &p, NULL, true, NULL));
    TRY(mucmm__pass_stop(ctx, &p, some, text));
done:
    mucmm__pass_drop(&p);
    return status;
}

const char *mucmm__row_text(const mucmm_data *d, int64_t row, char out[MUCMM__ROW_TEXT])
{
    const char *name = mucmm_data_key(d, row) ? mucmm_data_key(d, row) : mucmm_data_item(d, row);
    char quoted[MUCMM__QUOTE];

    if (name && name[0])
        snprintf(out, MUCMM__ROW_TEXT, "row %" PRId64 " ('%.100s')", row,
                 mucmm__quote(quoted, name));
    else
        snprintf(out, MUCMM__ROW_TEXT, "row %" PRId64, row);
    return out;
}
