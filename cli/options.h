/* SPDX-License-Identifier: MIT
 *
 * Options of a command, described by a table and read into one struct.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <mucmm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MAX_OPERANDS = 2, MAX_NAME = 64, MAX_TENSORS = 32, MAX_TENSOR_NAME = 512 };

/* NAME=VALUE, given once or more. */
typedef struct pairs {
    int32_t n;
    char name[MUCMM_MAX_VIEWS][MAX_NAME];
    const char *value[MUCMM_MAX_VIEWS];
} pairs;

typedef struct counts {
    int32_t n; /* -1 = not given */
    int64_t value[MUCMM_MAX_HIDDEN];
} counts;

/* A number of all views, or one of each: 16, auto, 5,3, labs=5,text=auto. Numbers may be
 * COUNT_AUTO; a name is empty where none is given. */
typedef struct view_counts {
    int32_t n; /* 0 = not given */
    int64_t value[MUCMM_MAX_VIEWS];
    char name[MUCMM_MAX_VIEWS][MAX_NAME];
} view_counts;

/* TENSOR=VALUE, given once or more. Names of tensors hold anything but '='. */
typedef struct tensor_pairs {
    int32_t n;
    char name[MAX_TENSORS][MAX_TENSOR_NAME];
    const char *value[MAX_TENSORS];
} tensor_pairs;

typedef struct texts {
    int32_t n;
    const char *value[MAX_TENSORS];
} texts;

/* The values of all options of all commands. Not given: text NULL, whole
 * numbers and choices -1, reals NaN, lists n = 0 (counts -1), flags false. */
typedef struct settings {
    const char *operand[MAX_OPERANDS];
    int32_t n_operands;
    pairs view, shape, training, truth;
    tensor_pairs input, cotangent, input_shape;
    texts tensor;
    const char *output, *key, *checkpoint, *samples, *score, *data, *wrt, *cache, *encoder, *pool,
        *label, *group, *metadata, *image_encoder, *text_encoder, *baseline, *covariates,
        *training_covariates, *adjust, *csv, *query, *gallery, *columns, *ignore, *categories,
        *transpose, *figure;
    int64_t common, epochs, individual_epochs, batch, seed, threads;
    int64_t shown, permutations, features, steps, repeats, train_pairs, noise_samples;
    int64_t null_models, null_rows, top, measure;
    int64_t head, scale, robust, method, figures, representation, part, memory, stages, missing;
    int64_t header, decimal, bootstrap, restarts, folds, adjust_nonlinear;
    double validation, ridge, learning_rate, weight_decay, input_noise, independence, noise, mask;
    double missing_row, missing_column;
    counts hidden;
    view_counts individual;
    const struct option *table; /* of the command, to name options in messages */
    bool json, verbose, tensors, vjp, skip_bad, check, parts, paired, bibtex, no_header, allow_ids;
} settings;

enum { COUNT_AUTO = -2 };

typedef enum option_kind {
    OPTION_FLAG,        /* bool                                                     */
    OPTION_TEXT,        /* const char *                                             */
    OPTION_COUNT,       /* int64_t                                                  */
    OPTION_AUTO,        /* int64_t: a count, or COUNT_AUTO for "auto"                 */
    OPTION_REAL,        /* double; or a word of `value`, "R|one|two": -1, -2         */
    OPTION_COUNTS,      /* counts: 512,512                                          */
    OPTION_VIEW_COUNTS, /* view_counts: 16, auto, 5,3, labs=5,text=auto             */
    OPTION_CHOICE,      /* int64_t: place of the word in `value`, "linear|mlp"      */
    OPTION_PAIRS,       /* pairs                                                    */
    OPTION_TENSORS,     /* tensor_pairs */
    OPTION_TEXTS        /* texts */
} option_kind;

typedef struct option {
    const char *name; /* without dashes */
    char letter;      /* or 0 */
    option_kind kind;
    bool required;
    size_t offset;     /* of the value in settings                       */
    double lo, hi;     /* numbers: the range, lo and hi included         */
    const char *value; /* what help calls the value                      */
    const char *help;  /* NULL: an older name, understood and not listed */
} option;

#define AT(field) offsetof(settings, field)
#define OPTION_END                                                                                 \
    {                                                                                              \
        0                                                                                          \
    }
#define OPTION_VIEW                                                                                \
    {                                                                                              \
        "view", 0, OPTION_PAIRS, false, AT(view), 0, 0, "NAME=FILE",                               \
            "rows of a view (.npy, .csv, .tsv, .idx, .idx.gz); once for every view"                \
    }
/* For views of a study file. */
#define OPTION_CACHE                                                                               \
    {                                                                                              \
        "cache", 0, OPTION_TEXT, false, AT(cache), 0, 0, "DIR",                                    \
            "folder for the features of a study (default: .mucmm-cache beside it)"                 \
    }
#define OPTION_SKIP_BAD                                                                            \
    {                                                                                              \
        "skip-bad", 0, OPTION_FLAG, false, AT(skip_bad), 0, 0, NULL,                               \
            "leave out rows of a study that cannot be read, and count them"                        \
    }
#define OPTION_PART                                                                                \
    {                                                                                              \
        "part", 0, OPTION_CHOICE, false, AT(part), 0, 0, "test|train|all",                         \
            "rows of a study (default: test if it is split, else all)"                             \
    }
#define OPTION_KEY                                                                                 \
    {                                                                                              \
        "key", 0, OPTION_TEXT, false, AT(key), 0, 0, "COLUMN",                                     \
            "csv column that identifies a row; without it rows pair by position"                   \
    }
#define OPTION_GROUP                                                                               \
    {                                                                                              \
        "group", 0, OPTION_TEXT, false, AT(group), 0, 0, "COLUMN",                                 \
            "column that says which rows are not independent of each other (subject, site, "       \
            "video): whole groups are held out, drawn and permuted. A column of --metadata, of a " \
            "study's table, or of a csv view, where it is no feature then"                         \
    }
#define OPTION_METADATA                                                                            \
    {                                                                                              \
        "metadata", 0, OPTION_TEXT, false, AT(metadata), 0, 0, "FILE",                             \
            "table (.csv, .tsv) of what is known of the rows, matched by key or row by row"        \
    }
#define OPTION_COVARIATES                                                                          \
    {                                                                                              \
        "covariates", 0, OPTION_TEXT, false, AT(covariates), 0, 0, "FILE",                         \
            "csv of what is known of the rows beside the views: numbers and categories, paired "   \
            "by the key column or by position"                                                     \
    }
/* Places in its choice. */
enum { MISSING_REFUSE, MISSING_ALLOW, MISSING_DROP };
#define OPTION_MISSING                                                                             \
    {"missing",                                                                                    \
     0,                                                                                            \
     OPTION_CHOICE,                                                                                \
     false,                                                                                        \
     AT(missing),                                                                                  \
     0,                                                                                            \
     0,                                                                                            \
     "refuse|allow|drop",                                                                          \
     "cells without a value, rows that lack a view: an error (default); filled, and used "         \
     "for what they have; or dropped from all views. A row lacks a view if its key is not "        \
     "in the view's table, or if it has no value there"},                                          \
        {"missing-row",                                                                            \
         0,                                                                                        \
         OPTION_REAL,                                                                              \
         false,                                                                                    \
         AT(missing_row),                                                                          \
         0,                                                                                        \
         1,                                                                                        \
         "R",                                                                                      \
         "with --missing allow: a row with more than this share of its cells empty lacks "         \
         "the view (default .5)"},                                                                 \
    {                                                                                              \
        "missing-column", 0, OPTION_REAL, false, AT(missing_column), 0, 1, "R",                    \
            "with --missing allow: a column with more than this share empty is an error (default " \
            ".5)"                                                                                  \
    }
/* What is read of the tables of the views. */
#define OPTION_TABLES                                                                              \
    {"columns",                                                                                    \
     0,                                                                                            \
     OPTION_TEXT,                                                                                  \
     false,                                                                                        \
     AT(columns),                                                                                  \
     0,                                                                                            \
     0,                                                                                            \
     "NAMES",                                                                                      \
     "csv columns that are features, such as a,b*,left:c (* anything, view:name of one view); "    \
     "default: all that hold numbers"},                                                            \
        {"ignore", 0,          OPTION_TEXT,                                                        \
         false,    AT(ignore), 0,                                                                  \
         0,        "NAMES",    "csv columns that are none; names as in --columns"},                \
        {"categories",                                                                             \
         0,                                                                                        \
         OPTION_TEXT,                                                                              \
         false,                                                                                    \
         AT(categories),                                                                           \
         0,                                                                                        \
         0,                                                                                        \
         "NAMES",                                                                                  \
         "csv columns of categories: one column of 0 and 1 for every level"},                      \
        {"header",                                                                                 \
         0,                                                                                        \
         OPTION_CHOICE,                                                                            \
         false,                                                                                    \
         AT(header),                                                                               \
         0,                                                                                        \
         0,                                                                                        \
         "auto|yes|no",                                                                            \
         "is the first line of a csv its header? (default: yes, but a line of numbers is asked "   \
         "about)"},                                                                                \
        {"no-header", 0, OPTION_FLAG, false, AT(no_header), 0, 0, NULL, "as --header no"},         \
        {"decimal",                                                                                \
         0,                                                                                        \
         OPTION_CHOICE,                                                                            \
         false,                                                                                    \
         AT(decimal),                                                                              \
         0,                                                                                        \
         0,                                                                                        \
         "auto|point|comma",                                                                       \
         "what stands before the decimals of a csv (default: told by its numbers)"},               \
    {                                                                                              \
        "transpose", 0, OPTION_TEXT, false, AT(transpose), 0, 0, "VIEWS",                          \
            "views whose csv has samples in columns; * for all"                                    \
    }
#define OPTION_THREADS                                                                             \
    {                                                                                              \
        "threads", 0, OPTION_COUNT, false, AT(threads), 1, 4096, "T",                              \
            "threads to use (default: one per processor)"                                          \
    }
#define METHODS "gradient|input-x-gradient|pattern|smoothgrad|integrated-gradients|lcmv"
#define FIGURES "png|svg|pdf"
#define OPTION_FIGURES                                                                             \
    {                                                                                              \
        "figures", 0, OPTION_CHOICE, false, AT(figures), 0, 0, FIGURES,                            \
            "kind of the pictures: pixels (default), or vectors for papers"                        \
    }
#define OPTION_METHOD                                                                              \
    {                                                                                              \
        "method", 0, OPTION_CHOICE, false, AT(method), 0, 0, METHODS,                              \
            "what the maps show (default: by the kind of view, see docs/method.md)"                \
    }
#define OPTION_SEED                                                                                \
    {                                                                                              \
        "seed", 0, OPTION_COUNT, false, AT(seed), 0, 9e18, "S", "seed of all random numbers"       \
    }
#define OPTION_FIGURE(help)                                                                        \
    {                                                                                              \
        "figure", 0, OPTION_TEXT, false, AT(figure), 0, 0, "FILE", help                            \
    }
#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", 0, OPTION_FLAG, false, AT(json), 0, 0, NULL, "print the results as JSON"           \
    }
#define OPTION_VERBOSE                                                                             \
    {                                                                                              \
        "verbose", 0, OPTION_FLAG, false, AT(verbose), 0, 0, NULL, "tell what each epoch brought"  \
    }
#define OPTION_OUTPUT(required, value, help)                                                       \
    {                                                                                              \
        "output", 'o', OPTION_TEXT, required, AT(output), 0, 0, value, help                        \
    }

/* The value given for a name; NULL if none was. */
const char *find_pair(const pairs *p, const char *name);
/* A whole number that fills the whole text; false if it is none. */
bool parse_count(const char *text, int64_t *out);

/* Word i of "one|two|three", in out. */
const char *choice_word(const char *choices, int64_t i, char *out, size_t size);

/* "28x56": at most MUCMM_MAX_RANK numbers of at least 1; false if it is none. */
bool parse_shape(const char *text, int64_t *shape, int32_t *rank);

/* Reads argv[0..argc) by the table of `command`. False: an error line has been
 * printed and the program should exit with status 2. */
bool options_parse(const char *command, const option *table, int argc, char **argv, settings *out);

/* Are all required options there? Else the same as above. */
bool options_complete(const char *command, const option *table, const settings *s);

/* Nothing given. */
void options_none(settings *out);

/* Writes what is given of the table's options as they would be typed, each after a space; the
 * output comes last. */
void options_put(FILE *out, const option *table, const settings *s);
/* A space and a word of a shell command, in quotes where it needs them. */
void word_put(FILE *out, const char *word);

/* A message of the library, in which a `parameter` that the command has an option for becomes
 * --option. */
const char *options_name(const option *table, const char *message, char *out, size_t size);

/* One line an option, for the help text. */
void options_print(const option *table);

#endif
