/* SPDX-License-Identifier: MIT
 *
 * Warnings of maps that cannot be, and of those that say nothing. */
#include "explain/tell.h"

#include "explain/defaults.h"
#include "explain/faults.h"
#include "explain/maps.h"
#include "explain/path.h"

#include <inttypes.h>
#include <string.h>

enum { MOST_TOLD = 10, MOST_LISTED = 8 };

/* ---- one sample -------------------------------------------------------------------- */

/* At the sample, and then on the way to it. */
static mucmm_status find_fault(mucmm_ctx *ctx, const mucmm__samples *s, int64_t i,
                               mucmm__fault *out, bool *on_the_way)
{
    mucmm_status status = MUCMM_OK;
    mucmm_explain_params p = *s->p;
    mucmm__samples of = *s; /* borrows all */

    *out = (mucmm__fault){{0}, {0}};
    *on_the_way = false;
    if (!s->encoded)
        return MUCMM_OK;
    TRY(mucmm__samples_fault(ctx, s, i, NULL, out));
    if (out->features[0] || out->gradient[0] || p.map < MUCMM_MAP_SMOOTHGRAD)
        return MUCMM_OK;
    *on_the_way = true;
    if (p.map == MUCMM_MAP_LCMV) {
        mucmm__explain_defaults(s->data[s->view], &p);
        p.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    }
    of.p = &p;
    TRY(mucmm__path_fault(ctx, &of, i, out));
done:
    return status;
}

static mucmm_status tell_none(mucmm_ctx *ctx, const mucmm__samples *s, int64_t i)
{
    mucmm_status status = MUCMM_OK;
    const char *view = s->m->view[s->view].name;
    char row[MUCMM__ROW_TEXT];
    mucmm__fault fault;
    bool on_the_way;

    TRY(find_fault(ctx, s, i, &fault, &on_the_way));
    mucmm__row_text(s->data[s->view], s->rows[i], row);
    if (fault.features[0] || fault.gradient[0])
        mucmm__warn(ctx, "view '%s', %s: there is no map: %s%s not finite at %s", view, row,
                    fault.features[0] ? "the network's numbers are" : "the gradient is",
                    on_the_way ? ", on the way to the input," : "",
                    fault.features[0] ? fault.features : fault.gradient);
    else
        mucmm__warn(ctx,
                    "view '%s', %s: there is no map: the model's weights or the row's values are "
                    "too large for floats",
                    view, row);
done:
    return status;
}

/* ---- all of them ------------------------------------------------------------------- */

/* "2 of 5 (rows 3, 7)" of those that are 0. */
static void tell_zero(mucmm_ctx *ctx, const mucmm__samples *s, const float *maps)
{
    char list[24 * MOST_LISTED + 8] = "";
    int64_t zero = 0;
    size_t used = 0;

    for (int64_t i = 0; i < s->n; i++) {
        if (mucmm__state_of_map(maps + i * s->cols, s->cols) != MUCMM__MAP_ZERO)
            continue;
        if (zero++ < MOST_LISTED)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%" PRId64,
                                     used ? ", " : "", s->rows[i]);
    }
    if (zero > 0)
        mucmm__warn(ctx,
                    "view '%s': the maps of %" PRId64 " of %" PRId64 " samples are 0 everywhere "
                    "(rows %s%s): nothing in the input moves the score there, or it is the "
                    "baseline itself",
                    s->m->view[s->view].name, zero, s->n, list, zero > MOST_LISTED ? ", ..." : "");
}

static mucmm_status tell_rounding(mucmm_ctx *ctx, const mucmm__samples *s)
{
    mucmm_status status = MUCMM_OK;
    char text[MUCMM__FAULT_TEXT];

    if (!s->encoded || s->n < 1 || s->p->map == MUCMM_MAP_PATTERN)
        return MUCMM_OK;
    TRY(mucmm__encoded_stop(ctx, s->data[s->view], s->rows[0], true, text));
    if (text[0])
        mucmm__warn(ctx,
                    "view '%s': no gradient passes through %s, which rounds: the maps leave out "
                    "what goes that way",
                    s->m->view[s->view].name, text);
done:
    return status;
}

mucmm_status mucmm__samples_tell(mucmm_ctx *ctx, const mucmm__samples *s, const float *maps)
{
    mucmm_status status = MUCMM_OK;
    int64_t none = 0;

    for (int64_t i = 0; i < s->n; i++)
        if (mucmm__state_of_map(maps + i * s->cols, s->cols) == MUCMM__MAP_NONE &&
            none++ < MOST_TOLD)
            TRY(tell_none(ctx, s, i));
    if (none > MOST_TOLD)
        mucmm__warn(ctx, "view '%s': there are no maps of %" PRId64 " more of %" PRId64 " samples",
                    s->m->view[s->view].name, none - MOST_TOLD, s->n);
    tell_zero(ctx, s, maps);
    TRY(tell_rounding(ctx, s));
done:
    return status;
}

mucmm_status mucmm__samples_told_maps(mucmm_ctx *ctx, const mucmm__samples *s, float *maps,
                                      double *gaps)
{
    mucmm_status status = MUCMM_OK;

    TRY(mucmm__samples_maps(ctx, s, maps, gaps));
    TRY(mucmm__samples_tell(ctx, s, maps));
done:
    return status;
}
