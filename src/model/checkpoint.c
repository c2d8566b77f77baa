/* SPDX-License-Identifier: MIT
 *
 * The file that a fit can be resumed from.
 *
 * Nothing random is stored: every random number is a function of (seed, stage, epoch, step), so the
 * state at the end of an epoch is all that a resumed run needs to end with the same bytes.
 * */
#include "model/checkpoint.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT_FORMAT "mucmm-checkpoint-4"
#define SAVED_ARRAYS 6

static float **saved_array(mucmm__trainer *t, int i, const char **name, int64_t *n)
{
    static const char *const names[SAVED_ARRAYS] = {"params", "first",       "second",
                                                    "stats",  "best_params", "best_stats"};
    float **const arrays[SAVED_ARRAYS] = {&t->params, &t->first,       &t->second,
                                          &t->stats,  &t->best_params, &t->best_stats};
    *name = names[i];
    *n = i == 3 || i == 5 ? t->n_stats : t->n_params;
    return arrays[i];
}

/* Of a finished stage only the best parameters matter. */
static bool is_saved(const mucmm__fit *f, int s, int array)
{
    return s == f->stage_now ? f->stage[s].params != NULL
                             : s < f->stage_now && array >= 4 && f->stage[s].best_params;
}

mucmm_status mucmm__checkpoint_save(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__tensor tensors[MUCMM__STAGES * SAVED_ARRAYS + 2];
    char names[MUCMM__STAGES * SAVED_ARRAYS][32], now[16], fingerprint[32], asked[32];
    double state[MUCMM__STAGES][2], *history = NULL;
    const char *metadata[] = {
        "format", CHECKPOINT_FORMAT, "fingerprint", fingerprint, "asked", asked, "stage", now};
    int64_t n = 0, n_history = f->model->n_history;

    if (!f->p->checkpoint)
        return MUCMM_OK;
    snprintf(now, sizeof now, "%02d", f->stage_now);
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, f->fingerprint);
    snprintf(asked, sizeof asked, "%016" PRIx64, f->asked);
    for (int s = 0; s < MUCMM__STAGES; s++) {
        state[s][0] = (double)f->stage[s].epoch;
        state[s][1] = f->stage[s].best;
        for (int i = 0; i < SAVED_ARRAYS; i++) {
            const char *name;
            int64_t len;
            float **array = saved_array(&f->stage[s], i, &name, &len);
            if (!is_saved(f, s, i))
                continue;
            snprintf(names[n], sizeof names[n], "stage%02d.%s", s, name);
            tensors[n] = (mucmm__tensor){names[n], MUCMM_F32, 1, {len}, *array};
            n++;
        }
    }
    TRY(mucmm__alloc(f->ctx, n_history * 4, sizeof *history, &history));
    for (int64_t i = 0; i < n_history; i++) {
        const mucmm__epoch *e = &f->model->history[i];
        double line[4] = {(double)e->stage, (double)e->epoch, e->loss, e->held_out};
        memcpy(history + 4 * i, line, sizeof line);
    }
    tensors[n++] = (mucmm__tensor){"state", MUCMM_F64, 2, {MUCMM__STAGES, 2}, state};
    tensors[n++] = (mucmm__tensor){"history", MUCMM_F64, 2, {n_history, 4}, history};
    TRY(mucmm__safetensors_write(f->ctx, f->p->checkpoint, tensors, n, metadata, 4));
    f->last_save = mucmm__now();
done:
    mucmm__free(history);
    return status;
}

static mucmm_status not_whole(mucmm__fit *f)
{
    return mucmm__fail(f->ctx, MUCMM_EFORMAT, "%s: not a whole checkpoint; remove it",
                       f->p->checkpoint);
}

static bool is_count(double x, double last)
{
    return x >= 0 && x <= last && x == floor(x);
}

mucmm_status mucmm__check_restored(mucmm__fit *f, int32_t stage, int64_t n_params, int64_t n_stats)
{
    const mucmm__trainer *t = &f->stage[stage];

    if (f->stage_now > stage && !t->params)
        return not_whole(f);
    if (t->params && (t->n_params != n_params || t->n_stats != n_stats))
        return mucmm__fail(f->ctx, MUCMM_EFORMAT, "%s: its networks have another size; remove it",
                           f->p->checkpoint);
    return MUCMM_OK;
}

static mucmm_status load_stage(mucmm__fit *f, const mucmm__safetensors *file, int s,
                               const double state[2])
{
    mucmm_status status = MUCMM_OK;
    mucmm__trainer *t = &f->stage[s];
    const mucmm__tensor *first;
    char name[32];

    snprintf(name, sizeof name, "stage%02d.best_params", s);
    first = mucmm__safetensors_find(file, name);
    if (s > f->stage_now || (s == f->stage_now && !first))
        return MUCMM_OK;
    if (!first && (s >= MUCMM__STAGE_RESTART && s < MUCMM__STAGE_TRANSPORT))
        return MUCMM_OK; /* the fit needed fewer stages */
    snprintf(name, sizeof name, "stage%02d.best_stats", s);
    if (!first || first->rank != 1 || !mucmm__safetensors_find(file, name) ||
        !is_count(state[0], 1e9) || isnan(state[1]))
        return not_whole(f);
    TRY(mucmm__trainer_create(f->ctx, first->shape[0],
                              mucmm__safetensors_find(file, name)->shape[0], t));
    t->epoch = (int64_t)state[0];
    t->best = state[1];
    for (int i = 0; i < SAVED_ARRAYS; i++) {
        const char *part;
        int64_t len;
        float **array = saved_array(t, i, &part, &len);
        const mucmm__tensor *x;
        snprintf(name, sizeof name, "stage%02d.%s", s, part);
        x = mucmm__safetensors_find(file, name);
        if (x && x->dtype == MUCMM_F32 && x->rank == 1 && x->shape[0] == len)
            memcpy(*array, x->data, (size_t)len * sizeof(float));
        else if (is_saved(f, s, i))
            return mucmm__fail(f->ctx, MUCMM_EFORMAT,
                               "%s: '%s' is missing or has another size; "
                               "remove the file",
                               f->p->checkpoint, name);
    }
done:
    return status;
}

static mucmm_status load_history(mucmm__fit *f, const mucmm__tensor *x)
{
    mucmm_status status = MUCMM_OK;

    for (int64_t i = 0; x && i < x->shape[0]; i++) {
        double line[4];
        memcpy(line, (const double *)x->data + 4 * i, sizeof line);
        if (!is_count(line[0], MUCMM__STAGES - 1) || !is_count(line[1], 1e9))
            return not_whole(f);
        TRY(mucmm__add_epoch(f->ctx, f->model,
                             (mucmm__epoch){(int32_t)line[0], (int64_t)line[1], line[2], line[3]}));
    }
done:
    return status;
}

/* Two digits; -1 if it is none. */
static int32_t stage_number(const char *text)
{
    int32_t number = 0;

    if (!text || strlen(text) != 2)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        number = 10 * number + text[i] - '0';
    }
    return number <= MUCMM__STAGES ? number : -1;
}

/* Files of older versions do not say what was asked. */
static bool is_other(const mucmm__safetensors *file, const char *key, uint64_t want)
{
    const char *text = mucmm__safetensors_metadata(file, key);
    char hex[32];

    snprintf(hex, sizeof hex, "%016" PRIx64, want);
    return text ? strcmp(text, hex) != 0 : strcmp(key, "fingerprint") == 0;
}

/* *out is NULL if there is no such file. */
static mucmm_status open_checked(mucmm__fit *f, mucmm__safetensors **out)
{
    mucmm_status status = MUCMM_OK;
    const char *path = f->p->checkpoint, *text;
    mucmm__safetensors *file = NULL;
    const mucmm__tensor *state, *history;

    *out = NULL;
    if (!path || f->p->head == MUCMM_HEAD_LINEAR || access(path, F_OK) != 0)
        return MUCMM_OK;
    TRY(mucmm__safetensors_open(f->ctx, path, &file));
    text = mucmm__safetensors_metadata(file, "format");
    state = mucmm__safetensors_find(file, "state");
    history = mucmm__safetensors_find(file, "history");
    if (!text || strcmp(text, CHECKPOINT_FORMAT) != 0 || !state || state->dtype != MUCMM_F64 ||
        state->rank != 2 || state->shape[0] != MUCMM__STAGES || state->shape[1] != 2 || !history ||
        history->dtype != MUCMM_F64 || history->rank != 2 || history->shape[1] != 4)
        TRY(mucmm__fail(f->ctx, MUCMM_EFORMAT,
                        "%s: not a checkpoint of this program; give another `checkpoint`", path));
    if (is_other(file, "asked", f->asked) ||
        (f->fingerprint != 0 && is_other(file, "fingerprint", f->fingerprint)))
        TRY(mucmm__fail(f->ctx, MUCMM_EARG,
                        "%s: this checkpoint is of another fit (other data or options); remove it "
                        "or give another `checkpoint`",
                        path));
    *out = file;
    file = NULL;
done:
    mucmm__safetensors_free(file);
    return status;
}

mucmm_status mucmm__checkpoint_check(mucmm__fit *f)
{
    mucmm__safetensors *file;
    mucmm_status status = open_checked(f, &file);

    mucmm__safetensors_free(file);
    return status;
}

mucmm_status mucmm__checkpoint_load(mucmm__fit *f)
{
    mucmm_status status = MUCMM_OK;
    mucmm__safetensors *file = NULL;
    const double *state;

    TRY(open_checked(f, &file));
    if (!file)
        return MUCMM_OK;
    f->stage_now = stage_number(mucmm__safetensors_metadata(file, "stage"));
    if (f->stage_now < 0)
        TRY(not_whole(f));
    state = mucmm__safetensors_find(file, "state")->data;
    for (int s = 0; s < MUCMM__STAGES; s++)
        TRY(load_stage(f, file, s, state + 2 * s));
    TRY(load_history(f, mucmm__safetensors_find(file, "history")));
    mucmm__info(f->ctx, "resumed from %s", f->p->checkpoint);
done:
    mucmm__safetensors_free(file);
    return status;
}
