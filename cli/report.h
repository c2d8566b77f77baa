/* SPDX-License-Identifier: MIT
 *
 * report.h - what the parts of mucmm report share. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli.h"

typedef struct report_page {
    session *s;
    const settings *given;
    const mucmm_model *m;
    const inputs *in;
    const mucmm_scores *scores;
    mucmm_report *r;
    int64_t shown; /* samples of a gallery */
    mucmm_map_kind map;
    bool trained;        /* the heads are not the closed form */
    const json_t *about; /* the model's metadata */
} report_page;

/* Of the page's context: an exit status. */
#define ADD(call) TRY(check(p->s, (call)))

/* What tells a sample from others, in out. */
const char *sample_label(const report_page *p, int64_t row, char *out, size_t size);

/* Components beyond chance that are curves of those before them. */
int64_t count_harmonics(const mucmm_summary *s);
int chart_spectrum(const report_page *p);
int chart_dimensions(const report_page *p);
int chart_shares(const report_page *p);
int chart_training(const report_page *p);
int chart_scores(const report_page *p);

/* Samples whose views agree most and least, and the most individual ones. */
int add_galleries(const report_page *p);
/* Both ends of the first components. */
int add_components(const report_page *p);

#endif
