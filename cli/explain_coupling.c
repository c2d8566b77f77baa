/* SPDX-License-Identifier: MIT
 *
 * mucmm explain --score coupling: which word goes with which spot, of every pair of views. */
#include "explain_check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { MAX_COUPLINGS = MUCMM_MAX_VIEWS * (MUCMM_MAX_VIEWS - 1) / 2 };

/* DIR/FIRST+SECOND.coupling.SAMPLE.png and the arrays. */
static int write_files(session *s, const settings *given, const inputs *in, const mucmm_coupling *c,
                       output_dir *dir)
{
    char sample[MAX_SAMPLE];
    const int64_t *rows = mucmm_coupling_rows(c);
    int64_t missing = 0;
    char what[160];
    int code = 0;

    for (int64_t i = 0; i < mucmm_coupling_samples(c); i++)
        for (int f = MUCMM_COUPLING_SHEET; f <= MUCMM_COUPLING_SECOND; f++) {
            const char *end = mucmm_coupling_file_end(c, i, (mucmm_coupling_file)f);
            if (!end)
                continue;
            mucmm_views_file_name(in->paired, rows[i], sample, sizeof sample);
            TRY(output_dir_file(dir, "%s+%s.coupling.%s.%s", mucmm_coupling_name(c, 0),
                                mucmm_coupling_name(c, 1), sample,
                                f == MUCMM_COUPLING_SHEET ? figures_end(given) : end));
            TRY(check(s, mucmm_coupling_write(s->ctx, c, i, (mucmm_coupling_file)f, dir->full)));
        }
    for (int64_t i = 0; i < mucmm_coupling_samples(c); i++)
        missing += !mucmm_coupling_has_matrix(c, i);
    snprintf(what, sizeof what, "%s and %s", mucmm_coupling_name(c, 0), mucmm_coupling_name(c, 1));
    note_missing(s, what, missing, mucmm_coupling_samples(c));
done:
    return code;
}

static int couple(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                  const sample_list *samples, const mucmm_explain_params *usual,
                  const null_models *null, const int32_t *views, mucmm_coupling **out)
{
    mucmm_data *training[2] = {NULL, NULL};
    mucmm_coupling_params p;
    int32_t takes;
    bool there;
    int code = 0;

    mucmm_coupling_params_init(&p);
    p.representation = usual->representation;
    p.steps = usual->steps;
    p.baseline = usual->baseline;
    p.baseline_row = usual->baseline_row;
    p.null = null->null;
    p.mask = null->null ? given->mask : NAN;
    for (int side = 0; side < 2; side++) {
        const char *name = in->views[views[side]].name;
        TRY(shape_read(given, name, p.shape[side], &p.rank[side]));
        takes = mucmm_coupling_takes_training(m, views[side], in->views[views[side]].data, &p);
        TRY(training_open(s, given, in, name, takes, &training[side]));
        p.training[side] = training[side];
    }
    TRY(check_part(s,
                   mucmm_coupling_create(s->ctx, m, in->views, in->n, views[0], views[1],
                                         samples->rows, samples->n, &p, out),
                   &there));
done:
    mucmm_data_free(training[0]);
    mucmm_data_free(training[1]);
    return code;
}

int explain_coupling(session *s, const settings *given, const mucmm_model *m, const inputs *in,
                     const sample_list *samples, const mucmm_explain_params *usual, output_dir *dir)
{
    mucmm_coupling *found[MAX_COUPLINGS] = {NULL};
    null_models null = {0};
    char *text = NULL;
    int64_t n = 0;
    int code = 0;

    if (given->mask >= 0)
        TRY(null_models_open(s, given, m, in, usual->representation, true, &null));
    for (int32_t a = 0; a < in->n; a++)
        for (int32_t b = a + 1; b < in->n; b++) {
            const int32_t views[] = {a, b};
            TRY(couple(s, given, m, in, samples, usual, &null, views, &found[n]));
            if (!found[n])
                continue;
            TRY(write_files(s, given, in, found[n++], dir));
        }
    progress_pause(&s->progress);
    for (int64_t i = 0; given->check && !given->json && i < n; i++)
        TRY(print_made(s, mucmm_coupling_text(s->ctx, found[i], &text), &text));
    if (given->json)
        TRY(print_made(s,
                       mucmm_couplings_json(s->ctx, (const mucmm_coupling *const *)found, n, &text),
                       &text));
done:
    for (int64_t i = 0; i < MAX_COUPLINGS; i++)
        mucmm_coupling_free(found[i]);
    null_models_close(&null);
    return code;
}
