/* SPDX-License-Identifier: MIT
 *
 * cite.h - what a methods paragraph refers to. */
#ifndef MUCMM_CITE_H
#define MUCMM_CITE_H

#include "core/text.h"
#include "model/model.h"

/* In the order of a list of references. */
typedef enum mucmm__reference {
    MUCMM__REF_ANDREW,
    MUCMM__REF_BENTON,
    MUCMM__REF_DEMPSTER,
    MUCMM__REF_EFRON,
    MUCMM__REF_HASTIE,
    MUCMM__REF_HOTELLING,
    MUCMM__REF_HUBER,
    MUCMM__REF_KETTENRING,
    MUCMM__REF_LEDOIT,
    MUCMM__REF_MEINSHAUSEN,
    MUCMM__REF_OWEN,
    MUCMM__REF_RAHIMI,
    MUCMM__REF_RUBIN,
    MUCMM__REF_SHI,
    MUCMM__REF_VINOD,
    MUCMM__REF_WESTFALL,
    MUCMM__REF_WINKLER_2015,
    MUCMM__REF_WINKLER_2020,
    MUCMM__REFERENCES
} mucmm__reference;

typedef struct mucmm__source {
    const char *key, *text, *bibtex;
} mucmm__source;
extern const mucmm__source mucmm__sources[MUCMM__REFERENCES];

/* The paragraph of m; which of the references it names. */
void mucmm__cite_paragraph(mucmm__text *t, const mucmm_model *m, bool used[MUCMM__REFERENCES]);

#endif
