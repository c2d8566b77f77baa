/* SPDX-License-Identifier: MIT
 *
 * Matches as text, csv and JSON. */
#include "core/json.h"
#include "core/text.h"
#include "model/match_rows.h"

#include <inttypes.h>
#include <math.h>

static const char *measure_word(const mucmm_matches *x)
{
    return x->measure == MUCMM_MATCH_COSINE ? "cosine" : "likelihood";
}

/* ---- text -------------------------------------------------------------------------- */

static void put_rate(mucmm__text *t, const char *name, double value, double low, double high)
{
    mucmm__text_format(t, "  %-22s %6.3f  (%.3f to %.3f)\n", name, value, low, high);
}

mucmm_status mucmm_matches_text(mucmm_ctx *ctx, const mucmm_matches *x, char **out)
{
    const mucmm_recall *r = &x->recall;
    mucmm__text t = {.ctx = ctx};

    *out = NULL;
    mucmm__text_format(&t, "%" PRId64 " rows of %.64s", x->n, x->query_name);
    mucmm__text_format(&t, " against %" PRId64 " of %.64s", r->gallery, x->gallery_name);
    mucmm__text_format(&t, ", by %s\n",
                       x->measure == MUCMM_MATCH_COSINE ? "cosine" : "likelihood ratio");
    if (r->pairs == 0)
        mucmm__text_format(&t, "no partners are known: no recall\n");
    else {
        mucmm__text_format(&t, "%" PRId64 " rows with a known partner%s", r->pairs,
                           r->in_sample ? ", all of them rows of the fit: in-sample" : "");
        if (!r->in_sample && r->fitted > 0)
            mucmm__text_format(&t, "; %" PRId64 " others are rows of the fit and do not count",
                               r->fitted);
        mucmm__text_format(&t, "; 95 %% intervals\n");
        put_rate(&t, "recall at 1", r->recall_1, r->recall_1_low, r->recall_1_high);
        put_rate(&t, "recall at 5", r->recall_5, r->recall_5_low, r->recall_5_high);
        put_rate(&t, "recall at 10", r->recall_10, r->recall_10_low, r->recall_10_high);
        put_rate(&t, "mean reciprocal rank", r->reciprocal, r->reciprocal_low, r->reciprocal_high);
        mucmm__text_format(&t, "  %-22s %6.4g  (%.4g by chance)\n", "median rank", r->median_rank,
                           ((double)r->gallery + 1) / 2);
    }
    return mucmm__text_done(&t, out);
}

/* ---- csv --------------------------------------------------------------------------- */

/* The row's key, its file or text, else its number. */
static void put_row(mucmm__text *t, const mucmm_data *data, int64_t row)
{
    const char *name = data ? mucmm_data_key(data, row) : NULL;

    if (!name && data)
        name = mucmm_data_item(data, row);
    if (name)
        mucmm__text_cell(t, name);
    else
        mucmm__text_format(t, "%" PRId64, row);
}

static mucmm_status check_rows(mucmm_ctx *ctx, const char *which, const mucmm_data *data,
                               int64_t rows)
{
    if (data && mucmm_data_rows(data) != rows)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "the %s has %" PRId64 " rows, and the matches are of %" PRId64, which,
                           mucmm_data_rows(data), rows);
    return MUCMM_OK;
}

mucmm_status mucmm_matches_csv(mucmm_ctx *ctx, const mucmm_matches *x, const mucmm_data *query,
                               const mucmm_data *gallery, char **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__text t = {.ctx = ctx};

    *out = NULL;
    TRY(check_rows(ctx, "query", query, x->n));
    TRY(check_rows(ctx, "gallery", gallery, x->gallery));
    mucmm__text_format(&t, "query,rank,match,similarity,partner\n");
    for (int64_t i = 0; i < x->n * x->top; i++) {
        const mucmm_match_hit *hit = &x->hits[i];
        int64_t row = i / x->top, partner = x->partner[row];
        if (hit->row < 0)
            continue;
        put_row(&t, query, row);
        mucmm__text_format(&t, ",%" PRId64 ",", i % x->top + 1);
        put_row(&t, gallery, hit->row);
        mucmm__text_add(&t, ",", 1);
        mucmm__text_float(&t, (float)hit->similarity);
        mucmm__text_format(&t, ",%s\n", partner < 0 ? "" : partner == hit->row ? "yes" : "no");
    }
    TRY(mucmm__text_done(&t, out));
done:
    return status;
}

/* ---- JSON -------------------------------------------------------------------------- */

static void set_rate(mucmm__json_build *b, json_t *o, const char *key, double value, double low,
                     double high)
{
    const double ends[2] = {low, high};
    json_t *rate = json_object();

    mucmm__json_set(b, rate, "value", mucmm__json_real(value));
    mucmm__json_set(b, rate, "interval", mucmm__json_numbers(b, ends, 2));
    mucmm__json_set(b, o, key, rate);
}

mucmm_status mucmm_matches_json(mucmm_ctx *ctx, const mucmm_matches *x, char **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_recall *r = &x->recall;
    mucmm__json_build b = {0};
    json_t *o = json_object();

    *out = NULL;
    mucmm__json_set(&b, o, "query", mucmm__json_string(x->query_name));
    mucmm__json_set(&b, o, "gallery", mucmm__json_string(x->gallery_name));
    mucmm__json_set(&b, o, "query_rows", json_integer(x->n));
    mucmm__json_set(&b, o, "gallery_rows", json_integer(r->gallery));
    mucmm__json_set(&b, o, "measure", mucmm__json_string(measure_word(x)));
    mucmm__json_set(&b, o, "top", json_integer(x->top));
    mucmm__json_set(&b, o, "pairs", json_integer(r->pairs));
    mucmm__json_set(&b, o, "fitted", json_integer(r->fitted));
    mucmm__json_set(&b, o, "in_sample", json_boolean(r->in_sample));
    set_rate(&b, o, "recall_1", r->recall_1, r->recall_1_low, r->recall_1_high);
    set_rate(&b, o, "recall_5", r->recall_5, r->recall_5_low, r->recall_5_high);
    set_rate(&b, o, "recall_10", r->recall_10, r->recall_10_low, r->recall_10_high);
    set_rate(&b, o, "mean_reciprocal_rank", r->reciprocal, r->reciprocal_low, r->reciprocal_high);
    mucmm__json_set(&b, o, "median_rank", mucmm__json_real(r->median_rank));
    TRY(mucmm__json_done(ctx, &b, o));
    TRY(mucmm__json_dump(ctx, o, JSON_INDENT(2) | JSON_REAL_PRECISION(17), out));
done:
    json_decref(o);
    return status;
}
