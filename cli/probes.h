/* SPDX-License-Identifier: MIT
 *
 * Probes: how well a class can be read from a representation, by a linear reader
 * (multinomial logistic regression) and by a nonlinear one (a small network).
 */
#ifndef CLI_PROBES_H
#define CLI_PROBES_H

#include <mucmm.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct probe {
    mucmm_cmat train, test;                  /* [n, d]                                   */
    const int32_t *train_class, *test_class; /* [n], 0 .. n_classes - 1 */
    int32_t n_classes;                       /* at most 16              */
    bool nonlinear;
    double accuracy; /* out: share of the test rows read right, in [0, 1] */
} probe;

/* Trains and tests all of them, one a task, on `threads` threads. Results do not
 * depend on the number of threads. tick is called after each probe (never by two
 * threads at once) with the number done; nonzero stops. Returns the exit status. */
int probes_run(probe *probes, int64_t n, uint64_t seed, int32_t threads,
               int (*tick)(void *user, int64_t done, int64_t total), void *user);

#endif
