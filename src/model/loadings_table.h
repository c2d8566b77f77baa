/* SPDX-License-Identifier: MIT
 *
 * loadings_table.h - correlations of columns with variates, as a list. */
#ifndef MUCMM_LOADINGS_TABLE_H
#define MUCMM_LOADINGS_TABLE_H

#include "model/model.h"

struct mucmm_loadings {
    mucmm_model *model;
    bool given;                    /* of rows that were given, not of the training rows */
    int64_t top;                   /* of each variate so many columns; 0: all */
    int64_t rows;                  /* of the first view that is there */
    char **names[MUCMM_MAX_VIEWS]; /* [p] each may be NULL; NULL if there are none */
    mucmm_loading *list;
    int64_t n, room;
};

#endif
