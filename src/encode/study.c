/* SPDX-License-Identifier: MIT
 *
 * study.c - a study: a JSON file that names a table, how its rows are split and the views, opened
 * as data. */
#include "encode/study.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

void mucmm_study_params_init_sized(mucmm_study_params *p, size_t size)
{
    mucmm__params_init(p, size, &(mucmm_study_params){.missing_row = .5, .missing_column = .5},
                       sizeof *p);
}

mucmm_status mucmm_study_load(mucmm_ctx *ctx, const char *path, mucmm_study **out)
{
    mucmm_status status = MUCMM_OK;
    mucmm_study *s = NULL;

    *out = NULL;
    if (!path)
        return mucmm__fail(ctx, MUCMM_EARG, "no file name");
    TRY(mucmm__alloc(ctx, 1, sizeof *s, &s));
    TRY(mucmm__strdup(ctx, path, &s->path));
    TRY(mucmm__study_read(ctx, s));
    *out = s;
    s = NULL;
done:
    mucmm_study_free(s);
    return status;
}

static void close_views(mucmm_study *s)
{
    for (int32_t i = 0; i < s->n_views; i++) {
        mucmm_data_free(s->view[i].data);
        s->view[i].data = NULL;
    }
    for (int part = 0; part < 3; part++) {
        mucmm__free(s->rows[part]);
        s->rows[part] = NULL;
        s->n_rows[part] = 0;
    }
    mucmm__free(s->bad);
    mucmm__free(s->test);
    s->bad = s->test = NULL;
    s->n = s->table.rows;
    s->skipped = 0;
}

mucmm_study *mucmm__study_keep(const mucmm_study *s)
{
    mucmm_study *kept = (mucmm_study *)(uintptr_t)s;

    atomic_fetch_add(&kept->keepers, 1);
    return kept;
}

void mucmm_study_free(mucmm_study *s)
{
    if (!s || atomic_fetch_sub(&s->keepers, 1) > 0)
        return;
    close_views(s);
    for (int32_t i = 0; i < s->n_views; i++)
        mucmm__free(s->view[i].description);
    mucmm__strings_drop(&s->table);
    json_decref(s->root);
    mucmm__free(s->table_path);
    mucmm__free(s->text);
    mucmm__free(s->folder);
    mucmm__free(s->path);
    mucmm__free(s);
}

/* What lacks a view of features is in no view. */
static void drop_rows(mucmm_study *s)
{
    for (int64_t i = 0; i < s->n; i++) {
        for (int32_t m = 0; m < s->n_views; m++)
            s->bad[i] = s->bad[i] || (s->view[m].data && !mucmm_data_has(s->view[m].data, i));
        s->dropped += s->bad[i];
    }
}

int64_t mucmm__study_dropped(const mucmm_study *s)
{
    return s->dropped;
}

mucmm_status mucmm_study_encode(mucmm_ctx *ctx, mucmm_study *s, const mucmm_study_params *params)
{
    mucmm_status status = MUCMM_OK;
    mucmm_study_params p;

    mucmm_study_params_init(&p);
    TRY(mucmm__params_take(ctx, "mucmm_study_params", params, &p, sizeof p));
    if (s->opened)
        return MUCMM_OK;
    for (int32_t i = 0; i < s->n_views; i++)
        TRY(mucmm__study_view_open(ctx, s, &s->view[i], &p));
    TRY(mucmm__alloc(ctx, s->n, sizeof *s->bad, &s->bad));
    if (p.missing == MUCMM_MISSING_DROP)
        drop_rows(s);
    if (s->has_split)
        TRY(mucmm__study_split(ctx, s));
    for (int32_t i = 0; i < s->n_views; i++)
        TRY(mucmm__study_view_fit(ctx, s, &s->view[i]));
    for (int32_t i = 0; i < s->n_views; i++)
        if (s->view[i].encoder)
            TRY(mucmm__study_view_encode(ctx, s, &s->view[i], &p));
    for (int32_t i = 0; i < s->n_views; i++) {
        s->view[i].data->shown = s->view[i].shown;
        s->view[i].data->shown_free = mucmm__shown_free;
        s->view[i].shown = NULL;
    }
    TRY(mucmm__study_list_rows(ctx, s));
    s->opened = true;
done:
    for (int32_t i = 0; i < s->n_views; i++)
        mucmm__study_view_drop(&s->view[i]);
    if (status != MUCMM_OK)
        close_views(s);
    return status;
}

/* ---- looking ----------------------------------------------------------------------- */

int32_t mucmm_study_views(const mucmm_study *s)
{
    return s->n_views;
}

const char *mucmm_study_view_name(const mucmm_study *s, int32_t view)
{
    return view >= 0 && view < s->n_views ? s->view[view].name : NULL;
}

const char *mucmm_study_description(const mucmm_study *s, int32_t view)
{
    return view >= 0 && view < s->n_views ? s->view[view].description : NULL;
}

const char *mucmm_study_folder(const mucmm_study *s)
{
    return s->folder;
}

int32_t mucmm_study_has_split(const mucmm_study *s)
{
    return s->has_split;
}

int64_t mucmm_study_rows(const mucmm_study *s, mucmm_part part)
{
    return s->opened && part >= MUCMM_PART_ALL && part <= MUCMM_PART_TEST ? s->n_rows[part] : 0;
}

int64_t mucmm_study_skipped(const mucmm_study *s)
{
    return s->skipped;
}

int64_t mucmm_study_row(const mucmm_study *s, mucmm_part part, int64_t i)
{
    return i >= 0 && i < mucmm_study_rows(s, part) ? s->rows[part][i] : -1;
}

const char *mucmm_study_cell(const mucmm_study *s, int64_t row, const char *column)
{
    int64_t j = s->table_path ? mucmm__strings_column(&s->table, column) : -1;

    return j >= 0 && row >= 0 && row < s->table.rows ? mucmm__strings_cell(&s->table, row, j)
                                                     : NULL;
}

mucmm_status mucmm_study_view(mucmm_ctx *ctx, const mucmm_study *s, int32_t view, mucmm_part part,
                              mucmm_data **out)
{
    static const char *const names[] = {"all", "train", "test"};

    *out = NULL;
    if (!s->opened)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: call mucmm_study_encode first", s->path);
    if (view < 0 || view >= s->n_views || part < MUCMM_PART_ALL || part > MUCMM_PART_TEST)
        return mucmm__fail(ctx, MUCMM_EARG, "%s: no view %d or no part %d", s->path, view,
                           (int)part);
    if (part != MUCMM_PART_ALL && !s->has_split)
        return mucmm__fail(ctx, MUCMM_EARG, "%s has no 'split', so there is no part '%s'", s->path,
                           names[part]);
    if (s->n_rows[part] == 0)
        return mucmm__fail(ctx, MUCMM_ESHAPE, "%s: no rows are left in part '%s'", s->path,
                           names[part]);
    return mucmm_data_subset(ctx, s->view[view].data, s->rows[part], s->n_rows[part], out);
}
