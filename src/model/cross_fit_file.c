/* SPDX-License-Identifier: MIT
 *
 * The result of cross-fitting, made and freed, and as JSON. */
#include "model/cross_fit.h"
#include "model/cross_fit_json.h"

#include <math.h>
#include <string.h>

enum { ARRAYS = 6, NUMBERS = 9 };

double **mucmm__cross_result_array(mucmm_cross_fit *r, int i, const char **name)
{
    static const char *const names[ARRAYS] = {"in_sample", "correlations", "standard_errors",
                                              "low",       "high",         "p_values"};
    double **const arrays[ARRAYS] = {&r->in_sample, &r->correlations, &r->standard_errors,
                                     &r->low,       &r->high,         &r->p_values};

    if (i >= ARRAYS)
        return NULL;
    *name = names[i];
    return arrays[i];
}

void mucmm__cross_result_free(mucmm_cross_fit *r)
{
    const char *name;
    double **a;

    if (!r)
        return;
    for (int i = 0; (a = mucmm__cross_result_array(r, i, &name)); i++)
        mucmm__free(*a);
    mucmm__free(r->classical);
    mucmm__free(r);
}

mucmm_status mucmm__cross_result_create(mucmm_ctx *ctx, int64_t k, int64_t n_classical,
                                        mucmm_cross_fit **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_cross_fit *r = NULL;
    const char *name;
    double **a;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *r, &r));
    r->components = k;
    r->level = 0.95;
    for (int i = 0; (a = mucmm__cross_result_array(r, i, &name)); i++) {
        TRY(mucmm__alloc(ctx, k, sizeof **a, a));
        for (int64_t j = 0; j < k; j++)
            (*a)[j] = NAN;
    }
    r->n_classical = n_classical;
    if (n_classical > 0)
        TRY(mucmm__alloc(ctx, n_classical, sizeof *r->classical, &r->classical));
    *out = r;
    r = NULL;
done:
    mucmm__cross_result_free(r);
    return status;
}

/* ---- JSON -------------------------------------------------------------------------- */

static double *test_number(mucmm_classical *t, int i, const char **name)
{
    static const char *const names[NUMBERS] = {"correlation",    "wilks_lambda",  "chi_squared",
                                               "chi_squared_df", "chi_squared_p", "f",
                                               "f_df1",          "f_df2",         "f_p"};
    double *const numbers[NUMBERS] = {&t->correlation,    &t->wilks,         &t->chi_squared,
                                      &t->chi_squared_df, &t->chi_squared_p, &t->f,
                                      &t->f_df1,          &t->f_df2,         &t->f_p};

    *name = names[i];
    return numbers[i];
}

static json_t *classical_json(mucmm__json_build *b, const mucmm_cross_fit *r)
{
    json_t *a = json_array();

    for (int64_t j = 0; j < r->n_classical; j++) {
        json_t *o = json_object();
        for (int i = 0; i < NUMBERS; i++) {
            const char *name;
            double *x = test_number(&r->classical[j], i, &name);
            mucmm__json_set(b, o, name, mucmm__json_real(*x));
        }
        mucmm__json_add(b, a, o);
    }
    return a;
}

json_t *mucmm__cross_fit_json(mucmm__json_build *b, const mucmm_cross_fit *r)
{
    json_t *o = json_object();
    mucmm_cross_fit of = *r;
    const char *name;
    double **a;

    mucmm__json_set(b, o, "rows", json_integer(r->rows));
    mucmm__json_set(b, o, "folds", json_integer(r->folds));
    mucmm__json_set(b, o, "repeats", json_integer(r->repeats));
    mucmm__json_set(b, o, "level", mucmm__json_real(r->level));
    mucmm__json_set(b, o, "permutations", json_integer(r->permutations));
    for (int i = 0; (a = mucmm__cross_result_array(&of, i, &name)); i++)
        mucmm__json_set(b, o, name, mucmm__json_numbers(b, *a, r->components));
    if (r->n_classical > 0)
        mucmm__json_set(b, o, "classical", classical_json(b, r));
    return o;
}

static mucmm_status wrong(mucmm_ctx *ctx, const char *key)
{
    return mucmm__fail(ctx, MUCMM_EFORMAT,
                       "the model's metadata: '%s' of cross_fit is missing or out of range", key);
}

static mucmm_status read_count(mucmm_ctx *ctx, const json_t *o, const char *key, int64_t most,
                               int64_t *out)
{
    const json_t *x = json_object_get(o, key);

    if (!json_is_integer(x) || json_integer_value(x) < 0 || json_integer_value(x) > most)
        return wrong(ctx, key);
    *out = json_integer_value(x);
    return MUCMM_OK;
}

/* null is NaN. Correlations lie in [-1, 1] but for rounding, probabilities in [0, 1]; of all else
 * it is known that a standard error and a statistic are not negative. */
static mucmm_status read_real(mucmm_ctx *ctx, const json_t *x, const char *key, double *out)
{
    size_t n = strlen(key);
    bool p = key[n - 1] == 'p' || strcmp(key, "p_values") == 0 || strcmp(key, "level") == 0;
    bool error = strcmp(key, "standard_errors") == 0;
    bool statistic = key[0] == 'f' || strncmp(key, "chi", 3) == 0 || error;
    double low = p || statistic ? 0 : -1, high = statistic && !p ? INFINITY : 1;

    if (!json_is_number(x) && !json_is_null(x))
        return wrong(ctx, key);
    *out = json_is_null(x) ? NAN : json_number_value(x);
    return *out < low - 1e-3 || *out > high + 1e-3 ? wrong(ctx, key) : MUCMM_OK;
}

static mucmm_status read_classical(mucmm_ctx *ctx, const json_t *a, mucmm_cross_fit *r)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t j = 0; j < r->n_classical; j++)
        for (int i = 0; i < NUMBERS; i++) {
            const char *name;
            double *x = test_number(&r->classical[j], i, &name);
            TRY(read_real(ctx, json_object_get(json_array_get(a, (size_t)j), name), name, x));
        }
done:
    return status;
}

mucmm_status mucmm__cross_fit_read(mucmm_ctx *ctx, const json_t *o, int64_t k,
                                   mucmm_cross_fit **out)
{
    mucmm_status status = MUCMM_OK;
    const json_t *list = json_object_get(o, "classical");
    mucmm_cross_fit *r;
    int64_t count;
    const char *name;
    double **a;

    TRY(mucmm__cross_result_create(ctx, k, (int64_t)json_array_size(list), out));
    r = *out;
    TRY(read_count(ctx, o, "rows", (int64_t)1 << 48, &r->rows));
    TRY(read_count(ctx, o, "folds", MUCMM_MAX_FOLDS, &count));
    r->folds = (int32_t)count;
    TRY(read_count(ctx, o, "repeats", MUCMM_MAX_REPEATS, &count));
    r->repeats = (int32_t)count;
    TRY(read_count(ctx, o, "permutations", (int64_t)1 << 48, &r->permutations));
    TRY(read_real(ctx, json_object_get(o, "level"), "level", &r->level));
    for (int i = 0; (a = mucmm__cross_result_array(r, i, &name)); i++) {
        const json_t *x = json_object_get(o, name);
        if (!json_is_array(x) || (int64_t)json_array_size(x) != k)
            TRY(wrong(ctx, name));
        for (int64_t j = 0; j < k; j++)
            TRY(read_real(ctx, json_array_get(x, (size_t)j), name, &(*a)[j]));
    }
    TRY(read_classical(ctx, list, r));
done:
    return status;
}
