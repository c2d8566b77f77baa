/* SPDX-License-Identifier: MIT */
#include "graph/graph.h"

const mucmm__op mucmm__ops_quantize[] = {
    {0},
};
