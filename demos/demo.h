/* SPDX-License-Identifier: MIT
 *
 * What the demo on the composite measures, and how it is told.
 */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "options.h"

#include <jansson.h>
#include <stdint.h>

/* Places in the tables below. */
enum { DEMO_REPRESENTATIONS = 2, DEMO_VIEWS = 2 }; /* mucmm_representation; left, right        */
enum { PART_COMMON, PART_INDIVIDUAL, N_PARTS };    /* read from c; from u              */
enum { CLASS_SHARED, CLASS_OWN, N_CLASSES };       /* of the left; of the right half   */
enum { READER_LINEAR, READER_MLP, N_READERS };     /* kind of probe                    */
enum { MAP_PATTERN, MAP_GRADIENT, N_MAPS };        /* kind of map                      */

typedef struct demo_results {
    int64_t train, test, mapped; /* pairs: of training, of test, of map shares */
    double total_test[DEMO_REPRESENTATIONS], total_train[DEMO_REPRESENTATIONS];
    /* shares of test pairs read right, in [0, 1] */
    double accuracy[DEMO_REPRESENTATIONS][N_PARTS][N_CLASSES][N_READERS][DEMO_VIEWS];
    /* mean share of a map's energy in the half where its score lives, in [0, 1] */
    double energy[DEMO_REPRESENTATIONS][N_PARTS][N_MAPS][DEMO_VIEWS];
} demo_results;

/* Of the name "emoji"; the rest is of "fashion". */
int run_demo_emoji(const settings *given);

void demo_print(const demo_results *r, const char *folder);
json_t *demo_json(const demo_results *r);

#endif
