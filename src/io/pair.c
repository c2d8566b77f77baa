/* SPDX-License-Identifier: MIT
 *
 * pair.c - brings the rows of several tables into the same order by their keys. */
#include "io/data.h"

#include <inttypes.h>

static const char *key_name(const void *arg, int64_t i)
{
    return mucmm_data_key(arg, i);
}

/* "line 5", or "row 3" of rows that are from no text. */
static const char *key_place(const mucmm_data *d, int64_t i, char out[32])
{
    const int64_t *line = mucmm__data_base(d)->table.line;
    int64_t row = mucmm__data_row(d, i);

    snprintf(out, 32, line ? "line %" PRId64 : "row %" PRId64, line ? line[row] : row);
    return out;
}

/* What stands behind the label at the beginning of a message: ":5", or ": row 3". */
static const char *key_prefix(const mucmm_data *d, int64_t i, char out[32])
{
    const int64_t *line = mucmm__data_base(d)->table.line;
    int64_t row = mucmm__data_row(d, i);

    snprintf(out, 32, line ? ":%" PRId64 : ": row %" PRId64, line ? line[row] : row);
    return out;
}

static mucmm_status check_arguments(mucmm_ctx *ctx, mucmm_data **data, int32_t n_data)
{
    if (n_data < 1)
        return mucmm__fail(ctx, MUCMM_EARG, "pairing needs at least one data object");
    for (int32_t m = 0; m < n_data; m++) {
        if (!mucmm__data_base(data[m])->table.keyed)
            return mucmm__fail(ctx, MUCMM_EARG,
                               "%s was opened without a key column, so it cannot be paired by key",
                               mucmm_data_label(data[m]));
        for (int64_t i = 0; i < data[m]->n; i++)
            if (!key_name(data[m], i))
                return mucmm__fail(ctx, MUCMM_EARG, "%s has been paired already",
                                   mucmm_data_label(data[m]));
        for (int32_t l = 0; l < m; l++)
            if (data[l] == data[m])
                return mucmm__fail(ctx, MUCMM_EARG, "data %d and %d (%s) are the same object", l, m,
                                   mucmm_data_label(data[m]));
    }
    return MUCMM_OK;
}

static mucmm_status index_keys(mucmm_ctx *ctx, const mucmm_data *d, mucmm__index *x)
{
    mucmm_status status = MUCMM_OK;
    char quoted[MUCMM__QUOTE], prefix[32], place[32];

    TRY(mucmm__index_init(ctx, x, d->n, key_name, d));
    for (int64_t i = 0; i < d->n; i++) {
        int64_t before = mucmm__index_insert(x, i);
        if (before >= 0)
            TRY(mucmm__fail(ctx, MUCMM_EFORMAT,
                            "%s%s: key '%s' stands already in %s; a key must be unique",
                            mucmm_data_label(d), key_prefix(d, i, prefix),
                            mucmm__quote(quoted, key_name(d, i)), key_place(d, before, place)));
    }
done:
    return status;
}

/* Every key of d is among those of other. */
static mucmm_status check_keys(mucmm_ctx *ctx, const mucmm_data *d, const mucmm_data *other,
                               const mucmm__index *others)
{
    char quoted[MUCMM__QUOTE], prefix[32];
    int64_t first = -1, lost = 0;

    for (int64_t i = 0; i < d->n; i++)
        if (mucmm__index_find(others, key_name(d, i)) < 0) {
            first = first < 0 ? i : first;
            lost++;
        }
    if (lost == 0)
        return MUCMM_OK;
    return mucmm__fail(ctx, MUCMM_EFORMAT,
                       "%s%s: key '%s' is not in %s (%" PRId64 " of %" PRId64
                       " keys are not); all files must have the same keys, or rows that lack a "
                       "view be allowed (`missing` allow) or dropped (`missing` drop)",
                       mucmm_data_label(d), key_prefix(d, first, prefix),
                       mucmm__quote(quoted, key_name(d, first)), mucmm_data_label(other), lost,
                       d->n);
}

/* The rows of d in the order of first's keys. */
static mucmm_status reorder(mucmm_ctx *ctx, const mucmm_data *first, const mucmm__index *firsts,
                            const mucmm_data *d, mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};
    int64_t *rows = NULL;

    TRY(index_keys(ctx, d, &index));
    TRY(check_keys(ctx, d, first, firsts));
    TRY(check_keys(ctx, first, d, &index));
    TRY(mucmm__alloc(ctx, first->n, sizeof *rows, &rows));
    for (int64_t i = 0; i < first->n; i++)
        rows[i] = mucmm__index_find(&index, key_name(first, i));
    TRY(mucmm_data_subset(ctx, d, rows, first->n, out));
done:
    mucmm__index_drop(&index);
    mucmm__free(rows);
    return status;
}

/* When nothing can fail any more: what is freed afterwards are the old ones. */
static void exchange(mucmm_data **data, mucmm_data **paired, int32_t n)
{
    for (int32_t m = 0; m < n; m++) {
        mucmm_data *old = data[m];
        data[m] = paired[m];
        paired[m] = old;
    }
}

mucmm_status mucmm_data_pair(mucmm_ctx *ctx, mucmm_data **data, int32_t n_data)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index firsts = {0};
    mucmm_data **paired = NULL;

    TRY(check_arguments(ctx, data, n_data));
    TRY(mucmm__alloc(ctx, n_data, sizeof *paired, &paired));
    TRY(index_keys(ctx, data[0], &firsts));
    for (int32_t m = 1; m < n_data; m++)
        TRY(reorder(ctx, data[0], &firsts, data[m], &paired[m]));
    exchange(data + 1, paired + 1, n_data - 1);
done:
    for (int32_t m = 1; paired && m < n_data; m++)
        mucmm_data_free(paired[m]);
    mucmm__free(paired);
    mucmm__index_drop(&firsts);
    return status;
}

/* ---- keys that not all have -------------------------------------------------------- */

/* All keys, each where it was found first. */
typedef struct key_union {
    mucmm_data *const *data;
    int64_t n;
    int32_t *from; /* [n] */
    int64_t *row;  /* [n] of data[from] */
} key_union;

static const char *union_name(const void *arg, int64_t i)
{
    const key_union *u = arg;
    return key_name(u->data[u->from[i]], u->row[i]);
}

static mucmm_status unite_keys(mucmm_ctx *ctx, mucmm_data *const *data, int32_t n_data,
                               key_union *u)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};
    int64_t room = 0;

    u->data = data;
    for (int32_t m = 0; m < n_data; m++)
        room += data[m]->n;
    TRY(mucmm__alloc(ctx, room, sizeof *u->from, &u->from));
    TRY(mucmm__alloc(ctx, room, sizeof *u->row, &u->row));
    TRY(mucmm__index_init(ctx, &index, room, union_name, u));
    for (int32_t m = 0; m < n_data; m++)
        for (int64_t i = 0; i < data[m]->n; i++) {
            u->from[u->n] = m;
            u->row[u->n] = i;
            u->n += mucmm__index_insert(&index, u->n) < 0;
        }
done:
    mucmm__index_drop(&index);
    return status;
}

/* A row of d for every key, -1 where it has none. */
static mucmm_status spread_rows(mucmm_ctx *ctx, const mucmm_data *d, const key_union *u,
                                mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__index index = {0};
    int64_t *rows = NULL;

    TRY(index_keys(ctx, d, &index));
    TRY(mucmm__alloc(ctx, u->n, sizeof *rows, &rows));
    for (int64_t i = 0; i < u->n; i++)
        rows[i] = mucmm__index_find(&index, union_name(u, i));
    TRY(mucmm_data_subset(ctx, d, rows, u->n, out));
done:
    mucmm__index_drop(&index);
    mucmm__free(rows);
    return status;
}

mucmm_status mucmm_data_pair_all(mucmm_ctx *ctx, mucmm_data **data, int32_t n_data)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data **paired = NULL;
    key_union u = {0};

    TRY(check_arguments(ctx, data, n_data));
    TRY(mucmm__alloc(ctx, n_data, sizeof *paired, &paired));
    TRY(unite_keys(ctx, data, n_data, &u));
    for (int32_t m = 0; m < n_data; m++)
        TRY(spread_rows(ctx, data[m], &u, &paired[m]));
    exchange(data, paired, n_data);
done:
    for (int32_t m = 0; paired && m < n_data; m++)
        mucmm_data_free(paired[m]);
    mucmm__free(paired);
    mucmm__free(u.from);
    mucmm__free(u.row);
    return status;
}
