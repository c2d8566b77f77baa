/* SPDX-License-Identifier: MIT
 *
 * window.c - the attributes of sliding windows. */
#include "graph/ops/window.h"

#include <inttypes.h>
#include <string.h>

mucmm_status mucmm__window_auto_pad(const mucmm__call *c, mucmm__auto_pad *out)
{
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
    const char *given = mucmm__attr_string(c->node, "auto_pad", "NOTSET");

    for (int32_t i = 0; i < 4; i++)
        if (strcmp(given, names[i]) == 0) {
            *out = (mucmm__auto_pad)i;
            return MUCMM_OK;
        }
    return mucmm__op_fail(c, MUCMM_EARG,
                          "auto_pad is '%.40s'; it must be NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                          given);
}

/* values[n]: the attribute, or otherwise. */
static mucmm_status read_list(const mucmm__call *c, const char *name, int32_t n, int64_t lowest,
                              int64_t otherwise, int64_t *values)
{
    int64_t count;
    const int64_t *given = mucmm__attr_ints(c->node, name, &count);

    if (given && count > 0 && count != n)
        return mucmm__op_fail(c, MUCMM_EARG, "%s has %" PRId64 " numbers; it must have %d", name,
                              count, n);
    for (int32_t i = 0; i < n; i++) {
        values[i] = given && count > 0 ? given[i] : otherwise;
        if (values[i] < lowest || values[i] > INT32_MAX)
            return mucmm__op_fail(c, MUCMM_EARG,
                                  "%s has a value of %" PRId64 "; it must be at least %" PRId64
                                  " and fit 32 bits",
                                  name, values[i], lowest);
    }
    return MUCMM_OK;
}

mucmm_status mucmm__window_attributes(const mucmm__call *c, const int64_t *kernel, mucmm__window *w)
{
    const mucmm__desc *x = c->in[0];
    mucmm_status status = MUCMM_OK;
    int64_t pads[6];

    *w = (mucmm__window){0};
    if (x->rank < 3 || x->rank > 5)
        return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                              "input 0 has %d dimensions; 3 to 5 are supported", x->rank);
    w->axes = x->rank - 2;
    TRY(read_list(c, "strides", w->axes, 1, 1, w->stride));
    TRY(read_list(c, "dilations", w->axes, 1, 1, w->dilation));
    TRY(read_list(c, "pads", 2 * w->axes, 0, 0, pads));
    TRY(read_list(c, "kernel_shape", w->axes, 1, kernel ? 1 : 0, w->kernel));
    for (int32_t k = 0; k < w->axes; k++) {
        w->in[k] = x->shape[2 + k];
        w->before[k] = pads[k];
        w->after[k] = pads[w->axes + k];
        if (kernel && mucmm__attr_find(c->node, "kernel_shape", MUCMM__ATTR_INTS) &&
            w->kernel[k] != kernel[k])
            return mucmm__op_fail(c, MUCMM_ESHAPE,
                                  "kernel_shape is %" PRId64 " along spatial axis %d, but the "
                                  "weights have %" PRId64,
                                  w->kernel[k], k, kernel[k]);
        if (kernel)
            w->kernel[k] = kernel[k];
        if (w->kernel[k] < 1)
            return mucmm__op_fail(c, MUCMM_EARG, "the kernel is empty along spatial axis %d", k);
        if (w->in[k] > INT32_MAX || w->in[k] + w->before[k] + w->after[k] > INT32_MAX ||
            w->kernel[k] > INT32_MAX / w->dilation[k])
            return mucmm__op_fail(c, MUCMM_EUNSUPPORTED,
                                  "input or kernel are too large along spatial axis %d", k);
    }
done:
    return status;
}

void mucmm__window_split(mucmm__window *w, int32_t axis, int64_t total, bool upper)
{
    w->before[axis] = upper ? total / 2 : total - total / 2;
    w->after[axis] = total - w->before[axis];
}

static mucmm_status size_of_axis(const mucmm__call *c, mucmm__window *w, int32_t k,
                                 mucmm__auto_pad pad, bool ceil_mode)
{
    int64_t extent = mucmm__window_extent(w, k), s = w->stride[k], room;

    if (pad == MUCMM__PAD_SAME_UPPER || pad == MUCMM__PAD_SAME_LOWER) {
        int64_t out = (w->in[k] + s - 1) / s, total = (out - 1) * s + extent - w->in[k];
        mucmm__window_split(w, k, total > 0 && out > 0 ? total : 0, pad == MUCMM__PAD_SAME_UPPER);
        w->out[k] = out;
        return MUCMM_OK;
    }
    if (pad == MUCMM__PAD_VALID)
        w->before[k] = w->after[k] = 0;
    room = w->in[k] + w->before[k] + w->after[k] - extent;
    if (room < 0)
        return mucmm__op_fail(c, MUCMM_ESHAPE,
                              "the window covers %" PRId64 " along spatial axis %d, but the input "
                              "has %" PRId64 " with its padding",
                              extent, k, room + extent);
    w->out[k] = (ceil_mode ? room + s - 1 : room) / s + 1;
    /* A window that would start in the padding after the input sees nothing. */
    if (ceil_mode && (w->out[k] - 1) * s >= w->in[k] + w->before[k])
        w->out[k]--;
    return MUCMM_OK;
}

mucmm_status mucmm__window_read(const mucmm__call *c, const int64_t *kernel, mucmm__window *w)
{
    bool ceil_mode = mucmm__attr_int(c->node, "ceil_mode", 0) != 0;
    mucmm_status status = MUCMM_OK;
    mucmm__auto_pad pad;

    TRY(mucmm__window_auto_pad(c, &pad));
    TRY(mucmm__window_attributes(c, kernel, w));
    for (int32_t k = 0; k < w->axes; k++)
        TRY(size_of_axis(c, w, k, pad, ceil_mode));
done:
    return status;
}
