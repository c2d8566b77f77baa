/* SPDX-License-Identifier: MIT
 *
 * Progress and checkpoints: a fit that was stopped goes on to the same bytes. */
#include "model/fit.h"
#include "model/model.h"
#include "model/trainer.h"
#include "workspace.h"

/* ---- progress and checkpoints ------------------------------------------------------ */

typedef struct stopper {
    int64_t calls, stop_at; /* stop_at < 0: never */
    char stages[512];
} stopper;

static int count_and_stop(void *user, const char *stage, int64_t done, int64_t total,
                          const char *note)
{
    stopper *s = user;

    assert_true(done >= 0 && done <= total);
    assert_non_null(note);
    if (!strstr(s->stages, stage))
        strncat(s->stages, stage, sizeof s->stages - strlen(s->stages) - 1);
    return s->calls++ == s->stop_at;
}

static mucmm_ctx *stoppable_ctx(stopper *s)
{
    mucmm_ctx_params p;
    mucmm_ctx *c = NULL;

    mucmm_ctx_params_init(&p);
    p.threads = 1;
    p.progress = count_and_stop;
    p.progress_user = s;
    assert_int_equal(mucmm_ctx_create(&p, &c), MUCMM_OK);
    return c;
}

static mucmm_fit_params checkpoint_params(void)
{
    static char path[128];
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);

    p.batch = 60;
    p.independence = .5;
    snprintf(path, sizeof path, "%s", in_folder("checkpoint"));
    p.checkpoint = path;
    return p;
}

static mucmm_status fit_stopping(const problem *q, const mucmm_fit_params *p, stopper *s,
                                 double save_every, mucmm_model **m)
{
    mucmm_ctx *c = stoppable_ctx(s);
    mucmm_status status = mucmm__fit_saving(c, q->view, q->n_views, p, save_every, m);

    if (status != MUCMM_OK)
        assert_null(*m);
    if (status != MUCMM_OK && status != MUCMM_ECANCELED)
        fail_msg("%s: %s", mucmm_status_text(status), mucmm_ctx_message(c));
    if (status == MUCMM_ECANCELED)
        assert_non_null(strstr(mucmm_ctx_message(c), "stopped during "));
    mucmm_ctx_free(c);
    return status;
}

static void test_progress_callback_stops_every_stage(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 25);

    (void)state;
    for (int head = 0; head < 2; head++) {
        mucmm_fit_params p = small_params((mucmm_head_kind)head);
        stopper whole = {0, -1, ""};
        mucmm_model *m = NULL;

        p.batch = 60;
        assert_int_equal(fit_stopping(&q, &p, &whole, 5, &m), MUCMM_OK);
        mucmm_model_free(m);
        assert_non_null(strstr(whole.stages, "moments"));
        assert_non_null(strstr(whole.stages, "closed form"));
        assert_int_equal(strstr(whole.stages, "from scratch") != NULL, head);
        assert_int_equal(strstr(whole.stages, "individual heads") != NULL, head);
        for (int64_t at = 0; at < whole.calls; at++) {
            stopper s = {0, at, ""};
            assert_int_equal(fit_stopping(&q, &p, &s, 5, &m), MUCMM_ECANCELED);
            assert_int_equal(s.calls, at + 1);
        }
    }
    drop_problem(&q);
}

static void check_resumed(const problem *q, const mucmm_fit_params *p, double save_every,
                          int64_t stride)
{
    stopper whole = {0, -1, ""};
    mucmm_model *m = NULL;
    bytes want, got;

    assert_int_equal(fit_stopping(q, p, &whole, save_every, &m), MUCMM_OK);
    want = saved(m);
    mucmm_model_free(m);
    for (int64_t at = 0; at < whole.calls; at += stride) {
        stopper s = {0, at, ""}, on = {0, -1, ""};
        unlink(p->checkpoint);
        assert_int_equal(fit_stopping(q, p, &s, save_every, &m), MUCMM_ECANCELED);
        assert_int_equal(fit_stopping(q, p, &on, save_every, &m), MUCMM_OK);
        got = saved(m);
        check_same_bytes(&want, &got);
        free(got.data);
        mucmm_model_free(m);
    }
    /* the checkpoint of a whole fit */
    assert_int_equal(fit_stopping(q, p, &(stopper){0, -1, ""}, save_every, &m), MUCMM_OK);
    got = saved(m);
    check_same_bytes(&want, &got);
    free(got.data);
    free(want.data);
    mucmm_model_free(m);
    unlink(p->checkpoint);
}

static void test_stopped_and_resumed_fit_has_the_same_bytes(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 26), three = new_problem(ctx, 3, 150, true, 26);
    problem straight = new_problem(ctx, 2, 400, false, 26),
            large = new_problem(ctx, 2, 1200, true, 9);
    mucmm_fit_params p = checkpoint_params();
    mucmm_model *m;

    (void)state;
    check_resumed(&q, &p, 0, 1);
    check_resumed(&q, &p, 1e9, 5); /* only the ends of stages are saved */
    check_resumed(&three, &p, 0, 7);
    p.n_hidden = 0;
    check_resumed(&q, &p, 0, 7);
    p.n_hidden = 1;
    p.individual = 0;
    check_resumed(&q, &p, 0, 7);
    p.individual = 3;
    p.batch = 400;
    p.head = MUCMM_HEAD_AUTO; /* the closed form in place of what was trained */
    check_resumed(&straight, &p, 0, 5);
    assert_int_equal(fit_stopping(&straight, &p, &(stopper){0, -1, ""}, 0, &m), MUCMM_OK);
    assert_true(m->start == -1 && m->individual_closed);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    check_resumed(&large, &p, 0, 5); /* also inside and between attempts at another beta */
    assert_int_equal(fit_stopping(&large, &p, &(stopper){0, -1, ""}, 0, &m), MUCMM_OK);
    assert_true(in_history(m, MUCMM__STAGE_TRANSPORT));
    mucmm_model_free(m);
    unlink(p.checkpoint);
    drop_problem(&q);
    drop_problem(&straight);
    drop_problem(&large);
    drop_problem(&three);
}

/* Stopped again and again, as soon as something new has been saved. */
static void test_often_stopped_fit_has_the_same_bytes(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 27);
    mucmm_fit_params p = checkpoint_params();
    mucmm_model *m = NULL;
    bytes want, got;
    int64_t stops = 0, patience = 12;

    (void)state;
    assert_int_equal(fit_stopping(&q, &p, &(stopper){0, -1, ""}, 0, &m), MUCMM_OK);
    want = saved(m);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    while (fit_stopping(&q, &p, &(stopper){0, patience, ""}, 0, &m) == MUCMM_ECANCELED)
        assert_true(++stops < 100);
    assert_true(stops >= 3);
    got = saved(m);
    check_same_bytes(&want, &got);
    free(got.data);
    free(want.data);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    drop_problem(&q);
}

/* Also inside and between later stages. */
static void test_stopped_stages_have_the_same_bytes(void **state)
{
    problem q = hidden_problem(1500);
    mucmm_fit_params p = checkpoint_params();
    mucmm_model *m;

    (void)state;
    p.stages = 0;
    p.common_epochs = 25;
    p.hidden[0] = p.hidden[1] = 48;
    p.batch = 400;
    p.input_noise = .1;
    m = fit(ctx, &q, &p);
    assert_int_equal(m->heads.view[0].n_later, 1);
    mucmm_model_free(m);
    unlink(p.checkpoint);
    check_resumed(&q, &p, 0, 149);
    drop_problem(&q);
}

/* A checkpoint of a fit stopped inside the stage of the individual heads. */
static bytes some_checkpoint(const problem *q, const mucmm_fit_params *p)
{
    stopper whole = {0, -1, ""}, s = {0};
    mucmm_model *m = NULL;
    bytes b;

    assert_int_equal(fit_stopping(q, p, &whole, 0, &m), MUCMM_OK);
    mucmm_model_free(m);
    unlink(p->checkpoint);
    s.stop_at = whole.calls - 2;
    assert_int_equal(fit_stopping(q, p, &s, 0, &m), MUCMM_ECANCELED);
    b = get_file("checkpoint");
    assert_non_null(memmem(b.data, b.size, "\"stage27.first\"", 15));
    return b;
}

static void check_refused(const problem *q, const mucmm_fit_params *p, mucmm_status want,
                          const char *fragment)
{
    mucmm_model *m = (mucmm_model *)(uintptr_t)q;

    check_message(ctx, mucmm_fit(ctx, q->view, q->n_views, p, &m), want, fragment);
    assert_null(m);
    if (want != MUCMM_EIO && !strstr(mucmm_ctx_message(ctx), p->checkpoint))
        fail_msg("message \"%s\" does not name the file", mucmm_ctx_message(ctx));
}

static void test_checkpoint_of_another_fit_is_refused(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 28), other = new_problem(ctx, 2, 150, true, 29);
    mucmm_fit_params p = checkpoint_params();
    bytes good = some_checkpoint(&q, &p);

    (void)state;
    for (int i = 0; i < 15; i++) {
        mucmm_fit_params changed = p;
        int64_t *const integers[] = {&changed.individual, &changed.common_epochs,
                                     &changed.individual_epochs, &changed.batch,
                                     &changed.hidden[1]};
        double *const numbers[] = {&changed.validation, &changed.learning_rate,
                                   &changed.weight_decay, &changed.input_noise,
                                   &changed.independence};
        if (i < 5)
            *integers[i] += 1;
        else if (i < 10)
            *numbers[i - 5] *= 1.5;
        else if (i == 10)
            changed.seed++;
        else if (i == 11)
            changed.scaling = MUCMM_SCALE_COLUMN;
        else if (i == 12)
            changed.bootstrap = 2;
        else if (i == 13)
            changed.restarts = 1;
        else
            changed.n_hidden = 1;
        check_refused(&q, &changed, MUCMM_EARG, "of another fit (other data or options)");
    }
    check_refused(&other, &p, MUCMM_EARG, "of another fit (other data or options)");
    p.checkpoint = "/nonexistent-folder/checkpoint";
    check_refused(&q, &p, MUCMM_EIO, "nonexistent");
    unlink(in_folder("checkpoint"));
    free(good.data);
    drop_problem(&q);
    drop_problem(&other);
}

static void test_damaged_checkpoints_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *fragment;
    } texts[] = {
        {"mucmm-checkpoint-4", "mucmm-checkpoint-0", "not a checkpoint of this program"},
        {"\"state\"", "\"stare\"", "not a checkpoint of this program"},
        {"\"history\"", "\"hostory\"", "not a checkpoint of this program"},
        {"\"stage\":\"27\"", "\"stage\":\"29\"", "not a whole checkpoint"},
        {"\"stage\":\"27\"", "\"stage\":\"2x\"", "not a whole checkpoint"},
        {"\"stage\":\"27\"", "\"stage\":\"31\"", "not a whole checkpoint"},
        {"\"stage00.best_params\"", "\"stage00.bast_params\"", "not a whole checkpoint"},
        {"\"stage01.best_stats\"", "\"stage01.bast_stats\"", "not a whole checkpoint"},
        {"\"stage27.first\"", "\"stage27.forst\"",
         "'stage27.first' is missing or has another size"},
    };
    static const struct {
        const char *tensor;
        size_t index;
        double value;
    } numbers[] = {{"state", 54, NAN},  {"state", 54, 1e300}, {"state", 54, -1},
                   {"state", 54, .5},   {"state", 55, NAN},   {"history", 0, 30},
                   {"history", 0, NAN}, {"history", 0, -1},   {"history", 1, 1e300}};
    problem q = new_problem(ctx, 2, 150, true, 30);
    mucmm_fit_params p = checkpoint_params();
    bytes good = some_checkpoint(&q, &p), bad;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bad = with_text(&good, texts[i].from, texts[i].to);
        /* all done, in a file whose last stage is not whole */
        if (strstr(texts[i].to, "\"27\"")) {
            bytes more = with_text(&bad, "\"stage27.best_params\"", "\"stage27.bast_params\"");
            free(bad.data);
            bad = more;
        }
        put_file("checkpoint", &bad);
        check_refused(&q, &p, MUCMM_EFORMAT, texts[i].fragment);
        free(bad.data);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bad = with_text(&good, "mucmm", "mucmm");
        memcpy(bad.data + tensor_at(&bad, numbers[i].tensor) + 8 * numbers[i].index,
               &numbers[i].value, sizeof(double));
        put_file("checkpoint", &bad);
        check_refused(&q, &p, MUCMM_EFORMAT, "not a whole checkpoint");
        free(bad.data);
    }
    for (size_t size = 0; size < good.size; size += 1 + size) {
        put_file("checkpoint", &(bytes){good.data, size});
        check_refused(&q, &p, MUCMM_EFORMAT, "");
    }
    unlink(p.checkpoint);
    free(good.data);
    drop_problem(&q);
}

/* Networks of another size under the right fingerprint: stages taken for each other. */
static void test_checkpoint_of_other_networks_is_refused(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 31);
    mucmm_fit_params p = checkpoint_params();
    bytes good, bad;

    (void)state;
    good = some_checkpoint(&q, &p);
    bad = with_text(&good, "\"stage\":\"27\"", "\"stage\":\"00\"");
    for (int i = 0; i < 6; i++) { /* stage 2's arrays under the name of stage 0 */
        static const char *const names[] = {"params", "first",       "second",
                                            "stats",  "best_params", "best_stats"};
        char from[64], to[64];
        bytes next;
        if (i >= 4) {
            snprintf(from, sizeof from, "\"stage00.%s\"", names[i]);
            snprintf(to, sizeof to, "\"stage28.%s\"", names[i]);
            next = with_text(&bad, from, to);
            free(bad.data);
            bad = next;
        }
        snprintf(from, sizeof from, "\"stage27.%s\"", names[i]);
        snprintf(to, sizeof to, "\"stage00.%s\"", names[i]);
        next = with_text(&bad, from, to);
        free(bad.data);
        bad = next;
    }
    put_file("checkpoint", &bad);
    check_refused(&q, &p, MUCMM_EFORMAT, "its networks have another size");
    unlink(p.checkpoint);
    free(bad.data);
    free(good.data);
    drop_problem(&q);
}

/* ---- out of memory ----------------------------------------------------------------- */

typedef struct memory_case {
    problem q;
    mucmm_fit_params p;
    mucmm_model *m;
} memory_case;

static mucmm_status call_resume(mucmm_ctx *c, void *arg)
{
    memory_case *t = arg;
    mucmm_model *m = NULL;
    mucmm_status status = mucmm__fit_saving(c, t->q.view, 2, &t->p, 0, &m);

    mucmm_model_free(m);
    return status;
}

/* A fit that ran out of memory goes on from its checkpoint: every call gets further. */
static void test_checkpoints_survive_failed_allocations(void **state)
{
    memory_case t = {new_problem(ctx, 2, 64, true, 40), checkpoint_params(), NULL};

    (void)state;
    t.p.batch = 57;
    t.p.common_epochs = t.p.individual_epochs = 1;
    assert_true(sweep_out_of_memory(call_resume, &t, 10) > 20);
    assert_int_equal(count_files(), 1);
    unlink(t.p.checkpoint);
    drop_problem(&t.q);
}

/* An unusable name is told before anything is read or computed: the views hold a NaN, which nobody
 * has seen yet. */
static void test_checkpoint_is_checked_first(void **state)
{
    problem q = new_problem(ctx, 2, 150, true, 19);
    mucmm_fit_params p = small_params(MUCMM_HEAD_MLP);
    mucmm_model *m = NULL;
    int files = count_files();

    (void)state;
    q.x[0][0] = NAN;
    p.checkpoint = in_folder("none/checkpoint");
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EIO, "none/checkpoint");
    p.checkpoint = in_folder(".");
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_EIO, "/.");
    p.checkpoint = in_folder("checkpoint");
    check_message(ctx, mucmm_fit(ctx, q.view, 2, &p, &m), MUCMM_ENUMERIC, "");
    assert_int_equal(count_files(), files);
    drop_problem(&q);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checkpoint_is_checked_first),
        cmocka_unit_test(test_progress_callback_stops_every_stage),
        cmocka_unit_test(test_stopped_and_resumed_fit_has_the_same_bytes),
        cmocka_unit_test(test_often_stopped_fit_has_the_same_bytes),
        cmocka_unit_test(test_stopped_stages_have_the_same_bytes),
        cmocka_unit_test(test_checkpoint_of_another_fit_is_refused),
        cmocka_unit_test(test_damaged_checkpoints_are_refused),
        cmocka_unit_test(test_checkpoint_of_other_networks_is_refused),
        cmocka_unit_test(test_checkpoints_survive_failed_allocations),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, set_up, tear_down);
}
