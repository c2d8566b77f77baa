/* SPDX-License-Identifier: MIT
 *
 * The map and the baseline that suit a view, if none is named. */
#include "explain/defaults.h"

#include "encode/encoded.h"
#include "encode/layout.h"
#include "explain/maps.h"
#include "explain/samples.h"

void mucmm_explain_params_init_sized(mucmm_explain_params *p, size_t size)
{
    const mucmm_explain_params defaults = {.map = MUCMM_MAP_DEFAULT,
                                           .samples = 25,
                                           .noise = 0.15,
                                           .seed = 1,
                                           .steps = 32,
                                           .loading = 0.1};

    mucmm__params_init(p, size, &defaults, sizeof defaults);
}

void mucmm__explain_defaults(const mucmm_data *d, mucmm_explain_params *p)
{
    mucmm__layout_kind kind = mucmm__layout_of_data(d).kind;
    bool encoded = mucmm__encoded_of(d) != NULL;

    if (p->map == MUCMM_MAP_DEFAULT && !(encoded && kind != MUCMM__LAYOUT_COLUMNS))
        p->map = MUCMM_MAP_PATTERN;
    if (p->map == MUCMM_MAP_DEFAULT)
        p->map = mucmm__is_individual(p->score) && kind == MUCMM__LAYOUT_PICTURE
                     ? MUCMM_MAP_LCMV
                     : MUCMM_MAP_INTEGRATED_GRADIENTS;
    if (p->baseline != MUCMM_BASELINE_DEFAULT)
        return;
    if (kind == MUCMM__LAYOUT_TOKENS || kind == MUCMM__LAYOUT_TIME)
        p->baseline = MUCMM_BASELINE_ZERO;
    else if (p->map == MUCMM_MAP_LCMV && encoded && kind == MUCMM__LAYOUT_PICTURE)
        p->baseline = MUCMM_BASELINE_BLURRED;
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
    if (p.map == MUCMM_MAP_LCMV && !mucmm_model_loadings(m, p.representation, view))
        return 1;
    if (!mucmm__encoded_of(data))
        return p.map == MUCMM_MAP_PATTERN && !mucmm_model_covariance(m, view);
    return p.map == MUCMM_MAP_PATTERN ||
           (mucmm__is_measured(p.map) &&
            (p.baseline == MUCMM_BASELINE_MEAN || p.baseline == MUCMM_BASELINE_DEFAULT));
}
