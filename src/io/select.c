/* SPDX-License-Identifier: MIT
 *
 * select.c - columns by name: those that a model was fitted on, found in the rows that it is given,
 * whatever their order and whatever stands beside them. */
#include "io/data.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------- */

mucmm_status mucmm__name_make(mucmm_ctx *ctx, const char *name, char **out)
{
    mucmm_status status = MUCMM_OK;
    size_t room = 6 * strlen(name) + 8; /* the longest that stands for a byte is \u202e */

    TRY(mucmm__alloc(ctx, (int64_t)room, 1, out));
    mucmm_text_printable(name, *out, room);
done:
    return status;
}

/* A column's name as it is kept; out has room for the longest of those. */
static const char *kept_name(const mucmm_data *d, int64_t j, char *out, size_t size)
{
    return mucmm_text_printable(mucmm_data_column(d, j), out, size);
}

static int64_t longest_name(const mucmm_data *d)
{
    size_t longest = 0;

    for (int64_t j = 0; j < d->cols; j++) {
        size_t n = strlen(mucmm_data_column(d, j));
        longest = n > longest ? n : longest;
    }
    return (int64_t)(6 * longest + 8);
}

static bool is_named(const mucmm_data *d)
{
    return d->cols > 0 && mucmm_data_column(d, 0);
}

static uint64_t hash_names(const mucmm__wanted *w)
{
    uint64_t hash = mucmm__hash(MUCMM__HASH_START, &w->n, sizeof w->n);

    for (int64_t j = 0; w->names && j < w->n; j++)
        hash = mucmm__hash(hash, w->names[j], strlen(w->names[j]) + 1);
    return hash ? hash : 1;
}

static const char *wanted_name(const void *arg, int64_t i)
{
    return ((const mucmm__wanted *)arg)->names[i];
}

/* ---- a mapping of columns ----------------------------------------------------------- */

enum { MISSING = -1, ZEROS = -2 };

typedef struct selection {
    mucmm_ctx *ctx;
    const mucmm_data *d;
    const mucmm__wanted *w;
    int64_t *columns;     /* [w->n] columns of d, or one of the above */
    bool *taken;          /* [d->cols]                          */
    int64_t found, zeros; /* wanted names that are columns of d; that are levels it does not have */
    char *name;           /* room for a name of d */
    int64_t room;
} selection;

/* columns[i]: where the i-th wanted name is. */
static mucmm_status find_columns(selection *s)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *d = s->d;
    mucmm__index index = {0};
    char quoted[MUCMM__QUOTE];

    TRY(mucmm__index_init(s->ctx, &index, s->w->n, wanted_name, s->w));
    for (int64_t i = 0; i < s->w->n; i++) {
        s->columns[i] = MISSING;
        mucmm__index_insert(&index, i);
    }
    for (int64_t j = 0; j < d->cols; j++) {
        const char *name = kept_name(d, j, s->name, (size_t)s->room);
        int64_t i = mucmm__index_find(&index, name);
        if (i >= 0 && s->columns[i] >= 0)
            TRY(mucmm__fail(s->ctx, MUCMM_ESHAPE,
                            "%s: view '%s': columns %" PRId64 " and %" PRId64
                            " are both named '%s': names must tell the columns apart when they "
                            "stand in another order than the model's",
                            mucmm_data_label(d), s->w->view, s->columns[i] + 1, j + 1,
                            mucmm__quote(quoted, name)));
        if (i < 0)
            continue;
        s->columns[i] = j;
        s->taken[j] = true;
        s->found++;
    }
done:
    mucmm__index_drop(&index);
    return status;
}

/* Is it NAME=LEVEL, and d has NAME in other levels? Then this level is nowhere: 0. */
static bool is_other_level(const selection *s, const char *wanted)
{
    const bool *category = mucmm__data_base(s->d)->table.category;
    const char *level = strrchr(wanted, '=');
    size_t n = level ? (size_t)(level + 1 - wanted) : 0;

    for (int64_t j = 0; category && level && j < s->d->cols; j++) {
        int64_t at = s->d->columns ? s->d->columns[j] : j;
        if (at >= 0 && category[at] &&
            strncmp(kept_name(s->d, j, s->name, (size_t)s->room), wanted, n) == 0)
            return true;
    }
    return false;
}

/* Levels that d's categories do not have. */
static void find_levels(selection *s)
{
    for (int64_t i = 0; i < s->w->n; i++)
        if (s->columns[i] == MISSING && is_other_level(s, s->w->names[i])) {
            s->columns[i] = ZEROS;
            s->zeros++;
        }
}

/* The name among those that nobody wants which is nearest to a missing one; NULL = none is near. */
static const char *nearest_left(const selection *s, const char *missing, char quoted[MUCMM__QUOTE])
{
    int64_t least = (int64_t)strlen(missing) / 2 + 2, best = -1;

    for (int64_t j = 0; j < s->d->cols; j++) {
        int64_t distance =
            s->taken[j]
                ? least
                : mucmm__edit_distance(missing, kept_name(s->d, j, s->name, (size_t)s->room));
        best = distance < least ? j : best;
        least = distance < least ? distance : least;
    }
    return best < 0 ? NULL : mucmm__quote(quoted, mucmm_data_column(s->d, best));
}

/* Names of the columns that nobody wants, at most a few. */
static void list_left(const selection *s, char *out, size_t size)
{
    enum { SHOWN = 4 };
    int64_t left = s->d->cols - s->found, shown = 0;
    char quoted[MUCMM__QUOTE];
    size_t used = 0;

    out[0] = '\0';
    for (int64_t j = 0; j < s->d->cols && shown < SHOWN; j++)
        if (!s->taken[j])
            used += (size_t)snprintf(out + used, size - used, "%s'%s'", shown++ > 0 ? ", " : "",
                                     mucmm__quote(quoted, mucmm_data_column(s->d, j)));
    if (left > shown)
        snprintf(out + used, size - used, " and %" PRId64 " more", left - shown);
}

static mucmm_status fail_missing(selection *s)
{
    int64_t lost = s->w->n - s->found - s->zeros, i = 0;
    char name[MUCMM__QUOTE], near[MUCMM__QUOTE], hint[2 * MUCMM__QUOTE], left[512] = "none";
    const char *nearest;

    while (s->columns[i] != MISSING)
        i++;
    nearest = nearest_left(s, s->w->names[i], near);
    if (s->found < s->d->cols)
        list_left(s, left, sizeof left);
    snprintf(hint, sizeof hint, nearest ? " (the nearest is '%s')" : "%s", nearest ? nearest : "");
    return mucmm__fail(s->ctx, MUCMM_ESHAPE,
                       "%s: view '%s' has no column '%s'%s: %" PRId64 " of the %" PRId64
                       " columns that the model was fitted on are missing; columns that it does "
                       "not know: %s. Columns are matched by name: give them the model's%s",
                       mucmm_data_label(s->d), s->w->view, mucmm__quote(name, s->w->names[i]), hint,
                       lost, s->w->n, left,
                       strchr(s->w->names[i], '=') ? ", and its categories (`categories`)" : "");
}

/* Are they the wanted ones, in their order? */
static bool in_order(const selection *s)
{
    bool same = s->d->cols == s->w->n;

    for (int64_t j = 0; same && j < s->w->n; j++)
        same = strcmp(kept_name(s->d, j, s->name, (size_t)s->room), s->w->names[j]) == 0;
    return same;
}

/* ---- the subset --------------------------------------------------------------------- */

/* One that was made before: d itself if it is that. */
static const mucmm_data *find_made(const mucmm_data *d, uint64_t names)
{
    const mucmm_data *s = d->names == names ? d : atomic_load(&d->selected);

    while (s && s->names != names)
        s = s->next;
    return s;
}

/* columns [n], those of d: now those of its base. d has it from here on, as long as it lives. */
static mucmm_status make(mucmm_ctx *ctx, const mucmm_data *d, const int64_t *columns, int64_t n,
                         uint64_t names, const mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_data *owner = (mucmm_data *)(uintptr_t)(d->owner ? d->owner : d), *s = NULL, *head;

    TRY(mucmm_data_subset(ctx, d, NULL, d->n, &s));
    s->names = names;
    if (columns) {
        mucmm__free(s->columns);
        s->columns = NULL;
        TRY(mucmm__alloc(ctx, n, sizeof *s->columns, &s->columns));
        for (int64_t j = 0; j < n; j++)
            s->columns[j] = columns[j] < 0 ? -1 : d->columns ? d->columns[columns[j]] : columns[j];
        s->rank = n == d->cols ? d->rank : 1;
        s->shape[0] = n == d->cols ? d->shape[0] : n;
        s->cols = n;
    }
    s->change = d->change;
    s->change_arg = d->change_arg;
    mucmm_data_free(s->base); /* it lives as long as the owner, which is it or holds it */
    s->owner = owner;
    head = atomic_load(&owner->selected);
    do
        s->next = head;
    while (!atomic_compare_exchange_weak(&owner->selected, &head, s));
    *out = s;
    s = NULL;
done:
    mucmm_data_free(s);
    return status;
}

/* One of the two has no names: they are taken as they stand. */
static mucmm_status by_position(mucmm_ctx *ctx, const mucmm_data *d, const mucmm__wanted *w,
                                uint64_t names, const mucmm_data **out)
{
    *out = d;
    if (d->cols != w->n)
        return mucmm__fail(ctx, MUCMM_ESHAPE,
                           "%s: view '%s' has %" PRId64
                           " columns; the model was fitted on %" PRId64,
                           mucmm_data_label(d), w->view, d->cols, w->n);
    if (!w->names && !is_named(d))
        return MUCMM_OK;
    mucmm__warn(ctx, "%s: view '%s': the %s no names of columns, so they are taken by position",
                mucmm_data_label(d), w->view, w->names ? "file has" : "model knows");
    return make(ctx, d, NULL, w->n, names, out);
}

static mucmm_status select_named(selection *s, uint64_t names, const mucmm_data **out)
{
    mucmm_status status = MUCMM_OK;
    const mucmm_data *d = s->d;
    char left[512];

    *out = d;
    s->room = longest_name(d);
    TRY(mucmm__alloc(s->ctx, s->room, 1, &s->name));
    if (in_order(s))
        goto done;
    TRY(mucmm__alloc(s->ctx, s->w->n, sizeof *s->columns, &s->columns));
    TRY(mucmm__alloc(s->ctx, d->cols, sizeof *s->taken, &s->taken));
    TRY(find_columns(s));
    if (s->found < s->w->n)
        find_levels(s);
    if (s->found + s->zeros < s->w->n)
        TRY(fail_missing(s));
    if (s->found < d->cols) {
        list_left(s, left, sizeof left);
        mucmm__warn(s->ctx, "%s: view '%s': left out, as the model was not fitted on it: column %s",
                    mucmm_data_label(d), s->w->view, left);
    }
    TRY(make(s->ctx, d, s->columns, s->w->n, names, out));
done:
    mucmm__free(s->name);
    mucmm__free(s->columns);
    mucmm__free(s->taken);
    return status;
}

mucmm_status mucmm__data_select(mucmm_ctx *ctx, const mucmm_data *d, const mucmm__wanted *w,
                                const mucmm_data **out)
{
    uint64_t names = hash_names(w);
    selection s = {.ctx = ctx, .d = d, .w = w};

    *out = find_made(d, names);
    if (*out)
        return MUCMM_OK;
    if (!w->names || !is_named(d))
        return by_position(ctx, d, w, names, out);
    return select_named(&s, names, out);
}

bool mucmm__data_has_names(const mucmm_data *d, const mucmm__wanted *w)
{
    bool all = w->names && is_named(d);

    for (int64_t i = 0; all && i < w->n; i++) {
        int64_t j = 0;
        while (j < d->cols && strcmp(mucmm_data_column(d, j), w->names[i]) != 0)
            j++;
        all = j < d->cols;
    }
    return all;
}
