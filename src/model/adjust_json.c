/* SPDX-License-Identifier: MIT
 *
 * The covariates of a model, to and from its JSON; what is read is untrusted. */
#include "model/adjust_json.h"

#include <math.h>
#include <string.h>

static const char *const kinds[] = {"number", "category"};

static json_t *covariate_json(mucmm__json_build *b, const mucmm__covariate *c)
{
    json_t *o = json_object();

    mucmm__json_set(b, o, "name", mucmm__json_string(c->name));
    mucmm__json_set(b, o, "kind", mucmm__json_string(kinds[c->category]));
    if (c->category) {
        json_t *levels = json_array();
        for (int64_t l = 0; l < c->n_levels; l++)
            mucmm__json_add(b, levels, mucmm__json_string(c->levels[l]));
        mucmm__json_set(b, o, "levels", levels);
    } else {
        mucmm__json_set(b, o, "mean", mucmm__json_real(c->mean));
        mucmm__json_set(b, o, "sd", mucmm__json_real(c->sd));
        mucmm__json_set(b, o, "knots", mucmm__json_numbers(b, c->knots, c->n_knots));
    }
    return o;
}

json_t *mucmm__adjust_json(mucmm__json_build *b, const mucmm__adjust *a)
{
    json_t *o = json_object(), *list = json_array();

    for (int32_t i = 0; i < a->n; i++)
        mucmm__json_add(b, list, covariate_json(b, &a->list[i]));
    mucmm__json_set(b, o, "adjust", mucmm__json_string(a->text));
    mucmm__json_set(b, o, "nonlinear", json_integer(a->nonlinear));
    mucmm__json_set(b, o, "covariates", list);
    mucmm__json_set(b, o, "center", mucmm__json_numbers(b, a->center, a->d));
    return o;
}

/* ---- reading ----------------------------------------------------------------------- */

#define LARGEST 1e300

static mucmm_status wrong(mucmm_ctx *ctx, const char *what)
{
    return mucmm__fail(ctx, MUCMM_EFORMAT, "the model's metadata: 'adjustment' %s", what);
}

static bool read_numbers(const json_t *a, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        const json_t *x = json_array_get(a, (size_t)i);
        if (!json_is_number(x) || !(fabs(json_number_value(x)) <= LARGEST))
            return false;
        out[i] = json_number_value(x);
    }
    return true;
}

static mucmm_status read_levels(mucmm_ctx *ctx, const json_t *a, mucmm__covariate *c)
{
    mucmm_status status = MUCMM_OK;
    int64_t n = (int64_t)json_array_size(a);

    if (n < 2)
        return wrong(ctx, "holds a category without levels");
    TRY(mucmm__alloc(ctx, n, sizeof *c->levels, &c->levels));
    for (int64_t l = 0; l < n; l++) {
        const char *level = json_string_value(json_array_get(a, (size_t)l));
        if (!level)
            return wrong(ctx, "holds a level that is no text");
        TRY(mucmm__strdup(ctx, level, &c->levels[l]));
        c->n_levels++;
    }
done:
    return status;
}

static mucmm_status read_covariate(mucmm_ctx *ctx, const json_t *o, mucmm__covariate *c)
{
    mucmm_status status = MUCMM_OK;
    const char *name = json_string_value(json_object_get(o, "name"));
    const char *kind = json_string_value(json_object_get(o, "kind"));
    const json_t *knots = json_object_get(o, "knots");
    size_t n = json_array_size(knots);

    if (!name || !kind || (strcmp(kind, kinds[0]) != 0 && strcmp(kind, kinds[1]) != 0))
        return wrong(ctx, "holds a covariate without a name or a kind");
    TRY(mucmm__strdup(ctx, name, &c->name));
    c->category = strcmp(kind, kinds[1]) == 0;
    if (c->category)
        return read_levels(ctx, json_object_get(o, "levels"), c);
    c->mean = json_number_value(json_object_get(o, "mean"));
    c->sd = json_number_value(json_object_get(o, "sd"));
    if (!(fabs(c->mean) <= LARGEST) || !(c->sd > 0 && c->sd <= LARGEST))
        return wrong(ctx, "holds a number without mean and sd");
    if (n == 1 || n > MUCMM__MOST_SPLINES + 1 || !read_numbers(knots, (int64_t)n, c->knots))
        return wrong(ctx, "holds a number with wrong knots");
    c->n_knots = (int32_t)n;
    for (size_t k = 1; k < n; k++)
        if (!(c->knots[k] > c->knots[k - 1]))
            return wrong(ctx, "holds a number whose knots do not ascend");
done:
    return status;
}

static mucmm_status read_list(mucmm_ctx *ctx, const json_t *o, mucmm__adjust *a)
{
    mucmm_status status = MUCMM_OK;
    const json_t *list = json_object_get(o, "covariates"), *center = json_object_get(o, "center");
    int32_t n = (int32_t)json_array_size(list);

    if (n < 1)
        return wrong(ctx, "holds no covariates");
    TRY(mucmm__alloc(ctx, n, sizeof *a->list, &a->list));
    for (a->n = 0; a->n < n;) {
        mucmm__covariate *c = &a->list[a->n++];
        TRY(read_covariate(ctx, json_array_get(list, (size_t)(a->n - 1)), c));
    }
    a->d = mucmm__adjust_width(a);
    TRY(mucmm__alloc(ctx, a->d, sizeof *a->center, &a->center));
    if ((int64_t)json_array_size(center) != a->d || !read_numbers(center, a->d, a->center))
        return wrong(ctx, "holds no means of its columns");
done:
    return status;
}

mucmm_status mucmm__adjust_read(mucmm_ctx *ctx, const json_t *o, mucmm__adjust **out)
{
    mucmm_status status = MUCMM_OK;
    const char *text = json_string_value(json_object_get(o, "adjust"));
    const json_t *nonlinear = json_object_get(o, "nonlinear");
    mucmm__adjust *a = NULL;

    *out = NULL;
    if (!text || !*text || !json_is_integer(nonlinear) || json_integer_value(nonlinear) < 0 ||
        json_integer_value(nonlinear) > MUCMM__MOST_SPLINES)
        return wrong(ctx, "does not say what was asked for");
    TRY(mucmm__alloc(ctx, 1, sizeof *a, &a));
    TRY(mucmm__strdup(ctx, text, &a->text));
    a->nonlinear = (int32_t)json_integer_value(nonlinear);
    TRY(read_list(ctx, o, a));
    *out = a;
    a = NULL;
done:
    mucmm__adjust_free(a);
    return status;
}
