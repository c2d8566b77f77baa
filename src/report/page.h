/* SPDX-License-Identifier: MIT
 *
 * page.h - what every page holds, embedded at build time (tools/embed_files.py). */
#ifndef MUCMM_REPORT_PAGE_H
#define MUCMM_REPORT_PAGE_H

extern const char mucmm__page_css[], mucmm__page_js[];
extern const char mucmm__page_charts[]; /* the chart libraries; "" if the build had none */

#endif
