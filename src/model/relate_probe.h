/* SPDX-License-Identifier: MIT
 *
 * relate_probe.h - how well what is known of rows can be read from the parts of their
 * representation. */
#ifndef MUCMM_RELATE_PROBE_H
#define MUCMM_RELATE_PROBE_H

#include "model/model.h"

/* Of every column of t out [columns]: rows, levels, chance, common, individual, by cross-validation
 * over rows, or over groups of them (NULL: none), from c[v] [n, k] of all views together and u[v]
 * [n, q] of each. */
mucmm_status mucmm__relate_probes(mucmm_ctx *ctx, const mucmm_model *m, const mucmm_table *t,
                                  const int64_t *group, float *const *c, float *const *u,
                                  uint64_t seed, mucmm_related *out);

#endif
