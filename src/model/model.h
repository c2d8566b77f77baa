/* SPDX-License-Identifier: MIT
 *
 * model.h - what a fitted model is. */
#ifndef MUCMM_MODEL_H
#define MUCMM_MODEL_H

#include "io/io.h"
#include "model/digest.h"
#include "model/heads.h"
#include "model/joint.h"

/* 97.5 % of a standard normal variable are below it. */
#define MUCMM__NORMAL_975 1.959963984540054

/* Rows that are read, scaled and pushed through a network at a time. */
#define MUCMM__CHUNK 1024

/* Covariance of the scaled features is kept in the model for views of at most so many columns. */
#define MUCMM__COVARIANCE_MAX 2048

/* One way to represent all views (trained heads, or the closed form). */
typedef struct mucmm__solution {
    mucmm__view_heads view[MUCMM_MAX_VIEWS];
    double *rho;      /* [k], correlations on the training rows: the weights of the common score */
    double *harmonic; /* [k], R2 as in mucmm_summary; NaN if not known */
    mucmm__joint joint;
    float *loadings[MUCMM_MAX_VIEWS]; /* [p, k + q] Cov(h, [c u]) on the training rows, of all views
                                         or of none (the first files)           */
    double *deviations[MUCMM_MAX_VIEWS];  /* [p + k + q] standard deviations of h and [c u] there;
                                             NULL in files of earlier versions     */
    float *loading_ends[MUCMM_MAX_VIEWS]; /* [2, p, k] low and high ends of Corr(h, c) over the
                                             bootstrap; NULL without one          */
    mucmm_summary *summary[2];            /* by mucmm_rows */
    mucmm_stability *stability;           /* NULL if not asked for */
} mucmm__solution;

struct mucmm__adjust;
struct mucmm__robust;
struct mucmm__imputer;

typedef struct mucmm__view_info {
    char *name;
    int64_t p, q;
    int32_t rank;
    int64_t shape[MUCMM_MAX_RANK];
    double *mean, *scale; /* [p]: h = (x - mean) / scale, of the training rows */
    const struct mucmm__adjust
        *adjust; /* the model's: x less slopes [d, p]' z before that; or NULL */
    double *slopes;
    double *origin;               /* [p] taken off x in double, before all that; or NULL */
    struct mucmm__robust *robust; /* the map of x before all that, or NULL */
    struct mucmm__imputer
        *imputer;      /* fills empty cells of x before that; NULL: there may be none */
    float *covariance; /* [p, p] of h on the training rows, or NULL         */
    double variance;   /* trace of that covariance                          */
    double ridge;      /* of the closed form                                */
    int64_t rows;      /* training rows that have the view; 0 in the first files */
    char *description; /* how the rows were encoded (JSON), or NULL         */
    char **columns;    /* [p] their names (mucmm__name_make), or NULL       */
} mucmm__view_info;

typedef mucmm_epoch mucmm__epoch;
typedef mucmm_dimensions mucmm__dimensions;

struct mucmm_model {
    _Atomic int64_t keepers; /* who hold it besides its first owner */
    int32_t n_views;
    int64_t k;
    mucmm__dimensions dimensions;
    uint32_t held_out_chose; /* of mucmm_chose */
    mucmm__view_info view[MUCMM_MAX_VIEWS];
    mucmm__solution linear, heads; /* heads is empty when the head is linear */
    mucmm_fit_params params;       /* as used; checkpoint NULL               */
    struct mucmm__adjust *adjust;  /* covariates that are taken out, or NULL */
    double ridge;           /* of the closed form, or MUCMM_RIDGE_LEDOIT_WOLF: each view's own */
    bool ridge_chosen;      /* by the held-out rows or by cross-validation                     */
    int64_t rows[2];        /* training, held-out                     */
    int64_t choosing_rows;  /* 0: nothing was chosen, or the held-out rows chose (old files) */
    int32_t start;          /* stage whose common heads were kept, -1: the closed form */
    bool individual_closed; /* its individual heads too */
    mucmm_candidate front[MUCMM_MAX_CANDIDATES];
    int32_t n_front;
    mucmm__epoch *history;
    int64_t n_history;
    mucmm__digest digest; /* of the rows of the fit */
    char *json;
    double beyond_linear_p;     /* of what linear heads cannot show; NaN: not tested */
    mucmm_cross_fit *cross_fit; /* NULL: rows were held out */
    mucmm_model_facts facts;    /* mucmm__model_make_facts */
};

/* The same model, which now lives until each who holds it has called mucmm_model_free. Only the
 * count changes, which is no part of what const promises. */
mucmm_model *mucmm__model_keep(const mucmm_model *m);

/* As mucmm_model_recognize, of data [M] (NULL: a view that is not given) of n rows. */
mucmm_status mucmm__model_recognize(mucmm_ctx *ctx, const mucmm_model *m,
                                    const mucmm_data *const *data, int64_t n, unsigned char *kind,
                                    mucmm_recognition *how);
/* Of all views, for the digest: scaling [M]. */
void mucmm__model_scaling(const mucmm_model *m, mucmm__scaling scaling[MUCMM_MAX_VIEWS]);

/* facts.c: from the other fields, when these are final. */
void mucmm__model_make_facts(mucmm_model *m);
/* What the held-out rows can choose, in words, by bit of mucmm_chose. */
enum { MUCMM__CHOSE = 3 };
extern const char *const mucmm__chose_words[MUCMM__CHOSE];

/* The common heads of all views. */
void mucmm__common_drop(mucmm__solution *r);
void mucmm__solution_drop(mucmm__solution *r);
/* Random heads in the place of all of like's (mucmm__heads_random), other ones for every draw, with
 * its rho; nothing else. *out has to be dropped even after a failure. */
mucmm_status mucmm__solution_random(mucmm_ctx *ctx, const mucmm_model *m,
                                    const mucmm__solution *like, uint64_t seed, uint64_t draw,
                                    mucmm__solution *out);

void mucmm__dimensions_drop(mucmm__dimensions *d);

#endif
