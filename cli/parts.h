/* SPDX-License-Identifier: MIT
 *
 * parts.h - mucmm explain --parts: an input as the sum of what it has in common and what it has
 * alone. */
#ifndef CLI_PARTS_H
#define CLI_PARTS_H

#include "look.h"

/* DIR/NAME.mean.npy [raw], and of the samples DIR/NAME.{common-part,individual-part,rest}.npy
 * [n, raw], which add up to the raw inputs; DIR/NAME.parts.SAMPLE.png. usual: with the
 * representation and the training rows. */
int parts_write(session *s, const mucmm_model *m, const inputs *in, int32_t view, const look *l,
                const int64_t *shape, int32_t rank, const sample_list *samples,
                const mucmm_explain_params *usual, output_dir *dir);

#endif
