/* SPDX-License-Identifier: MIT
 *
 * display_parts.h - what a display shows of an input as a sum. */
#ifndef MUCMM_PRESENT_DISPLAY_PARTS_H
#define MUCMM_PRESENT_DISPLAY_PARTS_H

#include "present/display.h"

enum { MUCMM__PARTS = MUCMM_SUMMAND_REST + 1 };

/* Of pictures cells, of other looks bars. */
struct mucmm__display_parts {
    float *mean;                           /* [cell_rows, cell_cols]               */
    float *cells[MUCMM__PARTS];            /* [n, cell_rows, cell_cols]            */
    mucmm__labels *bars[1 + MUCMM__PARTS]; /* [n] of input less mean, of each part */
};

/* The caller frees *out, also after a failure. */
mucmm_status mucmm__display_parts_sheet(mucmm_ctx *ctx, const mucmm_display *d, int64_t i,
                                        const char *title, mucmm_sheet **out);

#endif
