/* SPDX-License-Identifier: MIT
 *
 * What the numbers of a raw row are. */
#include "encode/layout.h"

static bool is_colours(int64_t n)
{
    return n == 3 || n == 4;
}

static mucmm__layout picture(int64_t height, int64_t width, int64_t channels, bool planes)
{
    return (mucmm__layout){.kind = MUCMM__LAYOUT_PICTURE,
                           .height = height,
                           .width = width,
                           .channels = channels,
                           .cell = planes ? 1 : channels,
                           .plane = planes ? height * width : 1};
}

static mucmm__layout tokens(const int64_t *shape, int32_t rank)
{
    mucmm__layout l = {.kind = MUCMM__LAYOUT_TOKENS, .tokens = 1, .features = 1};

    for (int32_t i = 0; i < rank; i++)
        if (i == rank - 1 && rank > 1)
            l.features = shape[i];
        else
            l.tokens *= shape[i];
    return l;
}

mucmm__layout mucmm__layout_of(mucmm_source_kind kind, const int64_t *shape, int32_t rank)
{
    int64_t s[MUCMM_MAX_RANK] = {0};
    int32_t n = 0;

    if (kind == MUCMM_SOURCE_TEXT)
        return tokens(shape, rank);
    if (kind == MUCMM_SOURCE_AUDIO && rank == 1)
        return (mucmm__layout){.kind = MUCMM__LAYOUT_TIME};
    for (int32_t i = 0; i < rank; i++)
        if (shape[i] > 1)
            s[n++] = shape[i];
    if (n == 2)
        return picture(s[0], s[1], 1, true);
    if (n == 3 && is_colours(s[0]))
        return picture(s[1], s[2], s[0], true);
    if (n == 3 && is_colours(s[2]))
        return picture(s[0], s[1], s[2], false);
    return (mucmm__layout){.kind = MUCMM__LAYOUT_COLUMNS};
}

mucmm__layout mucmm__layout_of_data(const mucmm_data *d)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank = mucmm_data_raw_shape(d, shape);

    return mucmm__layout_of(mucmm_data_source_kind(d), shape, rank);
}
