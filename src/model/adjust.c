/* SPDX-License-Identifier: MIT
 *
 * From covariates to the columns that features are regressed on: numbers standardized or as a
 * natural cubic spline, categories as indicators. */
#include "model/adjust.h"

#include "core/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CATEGORY ":category"

/* A number of so few different whole values looks like the code of a category. */
enum { FEW_CODES = 12 };

static int64_t columns_of(const mucmm__covariate *c)
{
    return c->category ? c->n_levels : c->n_knots > 1 ? c->n_knots - 1 : 1;
}

int64_t mucmm__adjust_width(const mucmm__adjust *a)
{
    int64_t d = 0;

    for (int32_t i = 0; i < a->n; i++)
        d += columns_of(&a->list[i]);
    return d;
}

void mucmm__adjust_free(mucmm__adjust *a)
{
    if (!a)
        return;
    for (int32_t i = 0; a->list && i < a->n; i++) {
        for (int64_t l = 0; a->list[i].levels && l < a->list[i].n_levels; l++)
            mucmm__free(a->list[i].levels[l]);
        mucmm__free(a->list[i].levels);
        mucmm__free(a->list[i].name);
    }
    mucmm__free(a->list);
    mucmm__free(a->center);
    mucmm__free(a->text);
    mucmm__free(a);
}

/* ---- what is asked for ------------------------------------------------------------- */

/* The names between the commas, spaces around them cut off. */
static mucmm_status read_names(mucmm_ctx *ctx, mucmm__adjust *a)
{
    mucmm_status status = MUCMM_OK;
    int64_t room = 1;
    char *names = NULL, *rest = NULL;

    for (const char *p = a->text; *p; p++)
        room += *p == ',';
    TRY(mucmm__alloc(ctx, room, sizeof *a->list, &a->list));
    TRY(mucmm__strdup(ctx, a->text, &names));
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        mucmm__covariate *c = &a->list[a->n];
        name = mucmm__trim(name);
        if (!*name)
            continue;
        c->category = mucmm__ends_with(name, CATEGORY) && strlen(name) > sizeof CATEGORY - 1;
        if (c->category)
            name[strlen(name) - (sizeof CATEGORY - 1)] = '\0';
        for (int32_t i = 0; i < a->n; i++)
            if (strcmp(a->list[i].name, name) == 0)
                TRY(mucmm__fail(ctx, MUCMM_EARG, "`adjust` names '%s' twice", name));
        TRY(mucmm__strdup(ctx, name, &c->name));
        a->n++;
    }
    if (a->n == 0)
        TRY(mucmm__fail(ctx, MUCMM_EARG, "`adjust` names no column"));
done:
    mucmm__free(names);
    return status;
}

static mucmm_status fail_no_table(mucmm_ctx *ctx, const mucmm__adjust *a)
{
    return mucmm__fail(ctx, MUCMM_EARG,
                       "the features are adjusted for '%s', and nothing is known of these rows: "
                       "give the table that has it (`covariates`)",
                       a->list[0].name);
}

/* ---- learning from the training rows ----------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Knots at equal steps of probability of the standardized values x [n], which are ascending; 0
 * where so many different ones are not to be had. */
static void place_knots(mucmm__covariate *c, int32_t n_knots, const double *x, int64_t n)
{
    c->n_knots = n_knots;
    for (int32_t k = 0; k < n_knots; k++) {
        c->knots[k] = x[(int64_t)(((double)k + 0.5) / n_knots * (double)n)];
        if (k > 0 && !(c->knots[k] > c->knots[k - 1]))
            c->n_knots = 0;
    }
}

static void warn_codes(mucmm_ctx *ctx, const mucmm__covariate *c, const double *x, int64_t n)
{
    int64_t different = 1;

    for (int64_t i = 0; i < n; i++) {
        if (x[i] != floor(x[i]))
            return;
        different += i > 0 && x[i] > x[i - 1];
    }
    if (different > 2 && different <= FEW_CODES)
        mucmm__warn(ctx,
                    "'%s' has %" PRId64
                    " different whole numbers and is adjusted for as a number; where they are "
                    "codes, write '%s" CATEGORY "'",
                    c->name, different, c->name);
}

static mucmm_status learn_number(mucmm_ctx *ctx, mucmm__covariate *c, int32_t nonlinear,
                                 const double *values, const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    int64_t known = 0;
    double *x = NULL, scatter = 0;

    TRY(mucmm__alloc(ctx, n, sizeof *x, &x));
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[rows[i]]))
            x[known++] = values[rows[i]];
    for (int64_t i = 0; i < known; i++)
        c->mean += x[i] / (double)known;
    for (int64_t i = 0; i < known; i++)
        scatter += (x[i] - c->mean) * (x[i] - c->mean);
    c->sd = sqrt(scatter / (double)(known > 1 ? known - 1 : 1));
    if (!(c->sd > 0) || !isfinite(c->sd))
        TRY(mucmm__fail(ctx, MUCMM_ENUMERIC,
                        "`adjust`: '%s' has no two different values among the training rows",
                        c->name));
    qsort(x, (size_t)known, sizeof *x, compare);
    warn_codes(ctx, c, x, known);
    for (int64_t i = 0; i < known; i++)
        x[i] = (x[i] - c->mean) / c->sd;
    if (nonlinear > 1)
        place_knots(c, nonlinear + 1, x, known);
done:
    mucmm__free(x);
    return status;
}

static mucmm_status learn_category(mucmm_ctx *ctx, mucmm__covariate *c, const mucmm_table *t,
                                   int64_t column, const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    int64_t all = mucmm_table_levels(t, column);
    const int64_t *codes = mucmm_table_codes(t, column);
    bool *seen = NULL;

    TRY(mucmm__alloc(ctx, all, sizeof *seen, &seen));
    TRY(mucmm__alloc(ctx, all, sizeof *c->levels, &c->levels));
    for (int64_t i = 0; i < n; i++)
        if (codes[rows[i]] >= 0)
            seen[codes[rows[i]]] = true;
    for (int64_t l = 0; l < all; l++) {
        const char *level = mucmm_table_level(t, column, l);
        if (!seen[l])
            continue;
        if (!mucmm__json_is_utf8(level))
            TRY(mucmm__fail(ctx, MUCMM_EFORMAT, "%s: a level of '%s' is no UTF-8",
                            mucmm_table_label(t), c->name));
        TRY(mucmm__strdup(ctx, level, &c->levels[c->n_levels]));
        c->n_levels++;
    }
    if (c->n_levels < 2)
        TRY(mucmm__fail(ctx, MUCMM_ENUMERIC,
                        "`adjust`: '%s' has no two different levels among the training rows",
                        c->name));
done:
    mucmm__free(seen);
    return status;
}

static mucmm_status learn_columns(mucmm_ctx *ctx, mucmm__adjust *a, const mucmm_table *t,
                                  const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    int64_t column;

    for (int32_t i = 0; i < a->n; i++) {
        mucmm__covariate *c = &a->list[i];
        if (!mucmm__json_is_utf8(c->name))
            TRY(mucmm__fail(ctx, MUCMM_EARG, "`adjust`: '%s' is no UTF-8", c->name));
        TRY(mucmm_table_require(ctx, t, c->name, &column));
        c->category = c->category || !mucmm_table_numbers(t, column);
        TRY(c->category
                ? learn_category(ctx, c, t, column, rows, n)
                : learn_number(ctx, c, a->nonlinear, mucmm_table_numbers(t, column), rows, n));
    }
done:
    return status;
}

/* ---- the columns of a row ---------------------------------------------------------- */

/* Where a covariate stands in a table. */
typedef struct place {
    const double *numbers;
    const int64_t *codes;
    int64_t column, *level; /* of each code of the table: which level, -1 = unknown */
} place;

static void places_drop(place *at, int32_t n)
{
    for (int32_t i = 0; at && i < n; i++)
        mucmm__free(at[i].level);
    mucmm__free(at);
}

static mucmm_status find_place(mucmm_ctx *ctx, const mucmm__covariate *c, const mucmm_table *t,
                               place *at)
{
    mucmm_status status = MUCMM_OK;
    int64_t codes;

    status = mucmm_table_require(ctx, t, c->name, &at->column);
    if (status != MUCMM_OK)
        return mucmm__prefix(ctx, status, "the features are adjusted for '%s'", c->name);
    at->numbers = mucmm_table_numbers(t, at->column);
    at->codes = mucmm_table_codes(t, at->column);
    if (!c->category && !at->numbers)
        return mucmm__fail(ctx, MUCMM_EARG,
                           "%s: '%s' holds cells that are no numbers; the features are adjusted "
                           "for it as a number",
                           mucmm_table_label(t), c->name);
    codes = c->category ? mucmm_table_levels(t, at->column) : 0;
    TRY(mucmm__alloc(ctx, codes, sizeof *at->level, &at->level));
    for (int64_t i = 0; i < codes; i++) {
        at->level[i] = -1;
        for (int64_t l = 0; l < c->n_levels; l++)
            if (strcmp(mucmm_table_level(t, at->column, i), c->levels[l]) == 0)
                at->level[i] = l;
    }
done:
    return status;
}

static mucmm_status find_places(mucmm_ctx *ctx, const mucmm__adjust *a, const mucmm_table *t,
                                place **out)
{
    mucmm_status status = MUCMM_OK;

    *out = NULL;
    if (!t)
        return fail_no_table(ctx, a);
    TRY(mucmm__alloc(ctx, a->n, sizeof **out, out));
    for (int32_t i = 0; i < a->n; i++)
        TRY(find_place(ctx, &a->list[i], t, &(*out)[i]));
done:
    return status;
}

static double cube_above(double x, double knot)
{
    return x > knot ? (x - knot) * (x - knot) * (x - knot) : 0;
}

/* x, and d_k(x) - d_(K-1)(x) for k < K - 1 with d_k = ((x - t_k)+^3 - (x - t_K)+^3)/(t_K - t_k):
 * linear beyond the outer knots (Hastie, Tibshirani and Friedman 2009, section 5.2.1). */
static void number_columns(const mucmm__covariate *c, double value, double *z)
{
    double x = (value - c->mean) / c->sd, last = c->knots[c->n_knots > 1 ? c->n_knots - 1 : 0];
    double least = 0;

    z[0] = x;
    for (int32_t k = c->n_knots - 2; k >= 0; k--) {
        double d = (cube_above(x, c->knots[k]) - cube_above(x, last)) / (last - c->knots[k]);
        if (k == c->n_knots - 2)
            least = d;
        else
            z[k + 1] = d - least;
    }
}

/* z [d] of a row, NaN where nothing is known; false: of an unknown level. */
static bool row_columns(const mucmm__adjust *a, const place *at, int64_t row, double *z)
{
    bool good = true;

    for (int32_t i = 0; i < a->n; i++) {
        const mucmm__covariate *c = &a->list[i];
        int64_t width = columns_of(c), code = at[i].codes[row];
        int64_t level = c->category && code >= 0 ? at[i].level[code] : -1;
        for (int64_t j = 0; j < width; j++)
            z[j] = level < 0 ? NAN : j == level;
        if (!c->category && code >= 0)
            number_columns(c, at[i].numbers[row], z);
        good = good && !(c->category && code >= 0 && level < 0);
        z += width;
    }
    return good;
}

/* Which level of which column a row has that is unknown. */
static mucmm_status fail_level(mucmm_ctx *ctx, const mucmm__adjust *a, const mucmm_table *t,
                               const place *at, int64_t row)
{
    char quoted[MUCMM__QUOTE];
    int32_t i = 0;

    while (!a->list[i].category || at[i].codes[row] < 0 || at[i].level[at[i].codes[row]] >= 0)
        i++;
    return mucmm__fail(ctx, MUCMM_EARG,
                       "%s, row %" PRId64 ": '%s' is '%s', which no training row was: its effect "
                       "cannot be taken out",
                       mucmm_table_label(t), row, a->list[i].name,
                       mucmm__quote(quoted, mucmm_table_level(t, at[i].column, at[i].codes[row])));
}

static bool nothing_known(const mucmm__adjust *a, const place *at, int64_t row)
{
    for (int32_t i = 0; i < a->n; i++)
        if (at[i].codes[row] >= 0)
            return false;
    return true;
}

mucmm_status mucmm__adjust_design(mucmm_ctx *ctx, const mucmm__adjust *a, const mucmm_table *t,
                                  const int64_t *rows, int64_t n, int64_t *unknown, double *z)
{
    mucmm_status status = MUCMM_OK;
    place *at = NULL;

    TRY(find_places(ctx, a, t, &at));
    for (int64_t i = 0; i < n; i++) {
        int64_t row = rows ? rows[i] : i;
        bool good = row_columns(a, at, row, z + i * a->d);
        if (nothing_known(a, at, row))
            TRY(mucmm__fail(ctx, MUCMM_EARG,
                            "%s, row %" PRId64 ": no value of what the features are adjusted for "
                            "is known of it; leave the row out",
                            mucmm_table_label(t), row));
        if (!good && !unknown)
            TRY(fail_level(ctx, a, t, at, row));
        if (!good)
            ++*unknown;
        for (int64_t j = i * a->d; j < (i + 1) * a->d; j++)
            z[j] = isnan(z[j]) ? 0 : z[j] - a->center[j - i * a->d];
    }
done:
    places_drop(at, a->n);
    return status;
}

void mucmm__adjust_row(int64_t d, int64_t p, const double *z, const double *b, float *x)
{
    for (int64_t j = 0; j < p; j++) {
        double effect = 0;
        for (int64_t k = 0; k < d; k++)
            effect += z[k] * b[k * p + j];
        x[j] = (float)((double)x[j] - effect);
    }
}

/* Means of what is known of the training rows. */
static mucmm_status find_center(mucmm_ctx *ctx, mucmm__adjust *a, const mucmm_table *t,
                                const int64_t *rows, int64_t n)
{
    mucmm_status status = MUCMM_OK;
    place *at = NULL;
    double *z = NULL;
    int64_t *known = NULL;

    TRY(find_places(ctx, a, t, &at));
    TRY(mucmm__alloc(ctx, a->d, sizeof *a->center, &a->center));
    TRY(mucmm__alloc(ctx, a->d, sizeof *z, &z));
    TRY(mucmm__alloc(ctx, a->d, sizeof *known, &known));
    for (int64_t i = 0; i < n; i++) {
        row_columns(a, at, rows[i], z);
        for (int64_t j = 0; j < a->d; j++)
            if (!isnan(z[j])) {
                a->center[j] += z[j];
                known[j]++;
            }
    }
    for (int64_t j = 0; j < a->d; j++)
        a->center[j] /= (double)(known[j] > 0 ? known[j] : 1);
done:
    places_drop(at, a->n);
    mucmm__free(z);
    mucmm__free(known);
    return status;
}

mucmm_status mucmm__adjust_learn(mucmm_ctx *ctx, const char *text, int32_t nonlinear,
                                 const mucmm_table *t, const int64_t *rows, int64_t n,
                                 mucmm__adjust **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm__adjust *a = NULL;

    *out = NULL;
    TRY(mucmm__alloc(ctx, 1, sizeof *a, &a));
    a->nonlinear = nonlinear;
    TRY(mucmm__strdup(ctx, text, &a->text));
    TRY(read_names(ctx, a));
    if (!t)
        TRY(fail_no_table(ctx, a));
    TRY(learn_columns(ctx, a, t, rows, n));
    a->d = mucmm__adjust_width(a);
    TRY(find_center(ctx, a, t, rows, n));
    *out = a;
    a = NULL;
done:
    mucmm__adjust_free(a);
    return status;
}
