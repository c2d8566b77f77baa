/* SPDX-License-Identifier: MIT
 *
 * Log-mel features of sound without a network: their energy, their gradient, studies with them; and
 * that sounds which do not fit are counted. */
#include "encode/encode.h"
#include "explain_case.h"
#include "generators.h"

#include <sys/stat.h>

enum { SAMPLES = 700, RATE = 4000, ROWS = 40 };

static mucmm_ctx *ctx;
static char folder[64] = "/tmp/mucmm-test-XXXXXX";
static char heard[8192];

static void hear(void *user, mucmm_log_level level, const char *message)
{
    size_t used = strlen(heard);

    (void)user;
    if (level == MUCMM_LOG_WARN)
        snprintf(heard + used, sizeof heard - used, "%s\n", message);
}

static float *some_sound(uint64_t seed)
{
    double *noise = normals(seed, 0, SAMPLES, .2);
    float *x = test_floats(SAMPLES);

    for (int64_t t = 0; t < SAMPLES; t++)
        x[t] = (float)(noise[t] + .5 * sin(2 * M_PI * 440 * (double)t / RATE));
    free(noise);
    return x;
}

/* The squares in all bands and frames are those of the samples: every sample lies under four
 * windows, whose squares add up to 2. */
static void test_bands_hold_the_energy(void **state)
{
    static const int64_t frames[] = {1, 3, 8};
    float *x = some_sound(1), f[40 * 8];
    double square = 0;

    (void)state;
    for (int64_t t = 0; t < SAMPLES; t++)
        square += (double)x[t] * (double)x[t];
    for (size_t k = 0; k < 3; k++) {
        mucmm__log_mel p;
        double sum = 0;
        CHECK_OK(ctx, mucmm__log_mel_init(ctx, RATE, SAMPLES, 1, 0, frames[k], &p));
        CHECK_OK(ctx, mucmm__log_mel_forward(ctx, &p, x, f));
        int64_t windows = (SAMPLES - 1) / (p.mel.window / 4) + 4;
        for (int64_t j = 0; j < p.mel.bands * p.frames; j++) {
            int64_t i = j % p.frames, in = (i + 1) * windows / p.frames - i * windows / p.frames;
            sum += (exp((double)f[j]) - p.floor) * (double)(in * p.mel.window / 4);
        }
        CHECK_CLOSE(sum, square, 1e-4 * square);
    }
    free(x);
}

static void test_gradient_is_that_of_differences(void **state)
{
    mucmm__log_mel p;
    float *x = some_sound(2), f[2][12 * 5], g[SAMPLES], w[12 * 5];
    double *random = normals(3, 0, 12 * 5, 1);

    (void)state;
    CHECK_OK(ctx, mucmm__log_mel_init(ctx, RATE, SAMPLES, 1, 12, 5, &p));
    for (int j = 0; j < 12 * 5; j++)
        w[j] = (float)random[j];
    CHECK_OK(ctx, mucmm__log_mel_vjp(ctx, &p, x, w, g));
    for (int64_t t = 0; t < SAMPLES; t += 37) {
        const float step = 1e-2f, kept = x[t];
        double difference = 0;
        x[t] = kept + step;
        CHECK_OK(ctx, mucmm__log_mel_forward(ctx, &p, x, f[0]));
        x[t] = kept - step;
        CHECK_OK(ctx, mucmm__log_mel_forward(ctx, &p, x, f[1]));
        x[t] = kept;
        for (int j = 0; j < 12 * 5; j++)
            difference += (double)w[j] * ((double)f[0][j] - (double)f[1][j]) / (2 * (double)step);
        CHECK_CLOSE(g[t], difference, 3e-3 * (1 + fabs(difference)));
    }
    memset(x, 0, SAMPLES * sizeof *x); /* silence is no fault */
    CHECK_OK(ctx, mucmm__log_mel_forward(ctx, &p, x, f[0]));
    CHECK_OK(ctx, mucmm__log_mel_vjp(ctx, &p, x, w, g));
    for (int64_t t = 0; t < SAMPLES; t++)
        assert_true(g[t] == 0);
    CHECK_CLOSE(f[0][0], log(p.floor), 1e-5);
    free(random);
    free(x);
}

/* ---- a study ----------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char paths[4][160];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* A WAV file of 16 bits. */
static void write_wav(const char *name, const float *x, int64_t n)
{
    unsigned char *b = calloc((size_t)(44 + 2 * n), 1);
    const uint32_t sizes[] = {(uint32_t)(36 + 2 * n), 16, RATE, 2 * RATE, (uint32_t)(2 * n)};

    memcpy(b, "RIFF", 4);
    memcpy(b + 4, &sizes[0], 4);
    memcpy(b + 8, "WAVEfmt ", 8);
    memcpy(b + 16, &sizes[1], 4);
    b[20] = b[22] = 1;
    memcpy(b + 24, &sizes[2], 4);
    memcpy(b + 28, &sizes[3], 4);
    b[32] = 2;
    b[34] = 16;
    memcpy(b + 36, "data", 4);
    memcpy(b + 40, &sizes[4], 4);
    for (int64_t t = 0; t < n; t++) {
        int16_t v = (int16_t)lrint(32767 * fmax(-1, fmin(1, (double)x[t])));
        memcpy(b + 44 + 2 * t, &v, 2);
    }
    CHECK_OK(ctx, mucmm_file_write(ctx, path_of(name), b, (size_t)(44 + 2 * n)));
    free(b);
}

static void write_study(const char *keys)
{
    char text[1024];

    snprintf(
        text, sizeof text,
        "{\"table\": \"t.csv\", \"views\": {\"sound\": {\"kind\": \"audio\", \"column\": \"file\", "
        "\"rate\": %d, \"samples\": %d, \"encoder\": \"log-mel\"%s}, \"b\": {\"kind\": \"table\", "
        "\"file\": \"y.npy\"}}}",
        RATE, SAMPLES, keys);
    CHECK_OK(ctx, mucmm_file_write(ctx, path_of("s.json"), text, strlen(text)));
}

/* Every fifth sound is longer than the window, every fifth shorter. */
static void write_sounds(void)
{
    char table[4096] = "file\n", name[32];
    float y[ROWS * 3], *x = test_floats(2 * SAMPLES);
    double *noise = normals(9, 0, 2 * SAMPLES * ROWS, .05);
    const int64_t shape[] = {ROWS, 3};

    for (int64_t i = 0; i < ROWS; i++) {
        double hertz = 200 + 30 * (double)i;
        int64_t n = i % 5 == 1 ? SAMPLES + 300 : i % 5 == 2 ? SAMPLES - 300 : SAMPLES;
        for (int64_t t = 0; t < 2 * SAMPLES; t++)
            x[t] =
                (float)(noise[i * 2 * SAMPLES + t] + .5 * sin(2 * M_PI * hertz * (double)t / RATE));
        snprintf(name, sizeof name, "%d.wav", (int)i);
        write_wav(name, x, n);
        strcat(strcat(table, name), "\n");
        y[i * 3] = (float)hertz / 1000;
        y[i * 3 + 1] = (float)noise[i];
        y[i * 3 + 2] = (float)noise[i + ROWS];
    }
    CHECK_OK(ctx, mucmm_file_write(ctx, path_of("t.csv"), table, strlen(table)));
    CHECK_OK(ctx, mucmm_npy_write(ctx, path_of("y.npy"), y, shape, 2));
    free(noise);
    free(x);
}

static void test_study_from_sounds_to_maps(void **state)
{
    mucmm_study *s = NULL;
    mucmm_data *d[2];
    mucmm_view views[2];
    mucmm_fit_params p;
    mucmm_model *m = NULL;
    mucmm_explain_params ep;
    const int64_t rows[] = {1, 2};
    int64_t shape[MUCMM_MAX_RANK];
    double worst, gap[2];
    static float map[2 * SAMPLES];

    (void)state;
    write_study(", \"bands\": 16, \"frames\": 4");
    CHECK_OK(ctx, mucmm_study_load(ctx, path_of("s.json"), &s));
    heard[0] = '\0';
    CHECK_OK(ctx, mucmm_study_encode(ctx, s, NULL));
    assert_non_null(strstr(heard, "8 of 40 sounds are longer than the 700 samples that the encoder "
                                  "takes and are cut (the first is row 1)"));
    assert_non_null(strstr(heard, "8 of 40 sounds are shorter than the 700 samples"));
    for (int32_t v = 0; v < 2; v++) {
        CHECK_OK(ctx, mucmm_study_view(ctx, s, v, MUCMM_PART_ALL, &d[v]));
        views[v] = (mucmm_view){v ? "b" : "sound", d[v]};
    }
    assert_int_equal(mucmm_data_shape(d[0], shape), 2);
    assert_int_equal(shape[0] * 100 + shape[1], 1604);
    mucmm_fit_params_init(&p);
    p.head = MUCMM_HEAD_LINEAR;
    p.common = 1;
    p.individual = 1;
    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, &p, &m));
    CHECK_OK(ctx, gradient_error_of(ctx, (explain_case){m, views, 2, 0, rows, 2, NULL}, &worst));
    assert_true(worst < 5e-3);
    mucmm_explain_params_init(&ep);
    ep.map = MUCMM_MAP_INTEGRATED_GRADIENTS;
    CHECK_OK(ctx, mucmm_explain(ctx, m, views, 2, 0, rows, 2, &ep,
                                &(mucmm_mat){map, 2, SAMPLES, SAMPLES}, NULL));
    CHECK_OK(ctx, gaps_and_differences_of(ctx, (explain_case){m, views, 2, 0, rows, 2, &ep}, gap,
                                          NULL, SAMPLES));
    assert_true(fabs(gap[0]) < .2 && fabs(gap[1]) < .2);
    mucmm_model_free(m);
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
    mucmm_study_free(s);
}

static void test_keys_that_mean_nothing_are_refused(void **state)
{
    static const char *const cases[][2] = {{", \"bands\": 600", "'bands'"},
                                           {", \"frames\": 600", "600 frames"},
                                           {", \"tensor\": \"y\"", "'tensor' is for a network"},
                                           {", \"batch\": 1", "'batch' is for a network"},
                                           {", \"pool\": \"mean\"", "'pool' is for a network"}};
    mucmm_study *s = NULL;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        write_study(cases[k][0]);
        CHECK_OK(ctx, mucmm_study_load(ctx, path_of("s.json"), &s));
        check_message(ctx, mucmm_study_encode(ctx, s, NULL), MUCMM_EARG, cases[k][1]);
        mucmm_study_free(s);
    }
}

static mucmm_status call_log_mel(mucmm_ctx *c, void *arg)
{
    mucmm_status status = MUCMM_OK;
    mucmm__log_mel p;
    float f[12 * 5] = {0}, g[SAMPLES];

    TRY(mucmm__log_mel_init(c, RATE, SAMPLES, 1, 12, 5, &p));
    TRY(mucmm__log_mel_forward(c, &p, arg, f));
    TRY(mucmm__log_mel_vjp(c, &p, arg, f, g));
done:
    return status;
}

static void test_every_failed_allocation_is_reported(void **state)
{
    float *x = some_sound(4);

    (void)state;
    assert_true(sweep_out_of_memory(call_log_mel, x, 100) > 8);
    free(x);
}

static int set_up(void **state)
{
    mucmm_ctx_params p;

    (void)state;
    mucmm_ctx_params_init(&p);
    p.threads = 1;
    p.log = hear;
    if (mucmm_ctx_create(&p, &ctx) != MUCMM_OK || !mkdtemp(folder))
        return -1;
    write_sounds();
    return 0;
}

static int tear_down(void **state)
{
    char command[160];

    (void)state;
    mucmm_ctx_free(ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bands_hold_the_energy),
        cmocka_unit_test(test_gradient_is_that_of_differences),
        cmocka_unit_test(test_study_from_sounds_to_maps),
        cmocka_unit_test(test_keys_that_mean_nothing_are_refused),
        cmocka_unit_test(test_every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests_name("log_mel", tests, set_up, tear_down);
}
