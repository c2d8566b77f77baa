/* SPDX-License-Identifier: MIT
 *
 * The map and the baseline that suit a view, if none is named. */
#include "explain/defaults.h"

#include "encode/encoded.h"
#include "explain/maps.h"

void mucmm_explain_params_init_sized(mucmm_explain_params *p, size_t size)
{
    const mucmm_explain_params defaults = {
        .map = MUCMM_MAP_DEFAULT, .samples = 25, .noise = 0.15, .seed = 1, .steps = 32};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

static bool is_colours(int64_t n)
{
    return n == 3 || n == 4;
}

/* [h, w], [h, w, 3 or 4] or [3 or 4, h, w]; axes of length 1 are nothing. */
static bool is_picture(const mucmm_data *d)
{
    int64_t shape[MUCMM_MAX_RANK], s[MUCMM_MAX_RANK] = {0};
    int32_t n = mucmm_data_raw_shape(d, shape), rank = 0;

    for (int32_t i = 0; i < n; i++)
        if (shape[i] > 1)
            s[rank++] = shape[i];
    return rank == 2 || (rank == 3 && (is_colours(s[0]) || is_colours(s[2])));
}

/* One sound, rather than a picture of it inside a network. */
static bool is_sound(const mucmm_data *d)
{
    int64_t shape[MUCMM_MAX_RANK];

    return mucmm_data_source_kind(d) == MUCMM_SOURCE_AUDIO && mucmm_data_raw_shape(d, shape) == 1;
}

void mucmm__explain_defaults(const mucmm_data *d, mucmm_explain_params *p)
{
    bool text = mucmm_data_source_kind(d) == MUCMM_SOURCE_TEXT, sound = is_sound(d);
    bool encoded = mucmm__encoded_of(d) != NULL;

    if (p->map == MUCMM_MAP_DEFAULT)
        p->map = encoded && (text || sound || is_picture(d)) ? MUCMM_MAP_INTEGRATED_GRADIENTS
                                                             : MUCMM_MAP_PATTERN;
    if (p->baseline == MUCMM_BASELINE_DEFAULT && (text || sound))
        p->baseline = MUCMM_BASELINE_ZERO;
}

mucmm_status mucmm_explain_defaults(mucmm_ctx *ctx, const mucmm_data *data,
                                    const mucmm_explain_params *params, mucmm_explain_params *out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_explain_params", params, &p, sizeof p));
    mucmm__explain_defaults(data, &p);
    if (!mucmm__params_give(&p, sizeof p, out))
        status = mucmm__fail(ctx, MUCMM_EARG, "mucmm_explain_params was not set up with its init");
done:
    return status;
}

int32_t mucmm_explain_takes_training(const mucmm_model *m, int32_t view, const mucmm_data *data,
                                     const mucmm_explain_params *params)
{
    mucmm_explain_params p;

    mucmm_explain_params_init(&p);
    if (params && !mucmm__params_copy(params, &p, sizeof p))
        return -1;
    mucmm__explain_defaults(data, &p);
    if (!mucmm__encoded_of(data))
        return p.map == MUCMM_MAP_PATTERN && !mucmm_model_has_covariance(m, view);
    return p.map == MUCMM_MAP_PATTERN ||
           (mucmm__is_measured(p.map) &&
            (p.baseline == MUCMM_BASELINE_MEAN || p.baseline == MUCMM_BASELINE_DEFAULT));
}
