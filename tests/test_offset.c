/* SPDX-License-Identifier: MIT
 *
 * Columns of a large offset and a small spread (times, coordinates, dates), in every type and by
 * every way: as without the offset. */
#include "io/data.h"
#include "model/model.h"
#include "workspace.h"

enum { N = 400, P = 3, NEW = 150 };

typedef enum form { F64, SWAPPED, CSV, I64, U32 } form;

static const struct {
    form form;
    double offset, sd, drift; /* in rows that come later */
} cases[] = {
    {F64, 1.7e9, 60, 1e5},     {CSV, 1.7e9, 60, 1e5},    {F64, 5.33e6, .5, 400},
    {CSV, 5.33e6, .5, 400},    {F64, 2459800.5, .01, 3}, {CSV, 2459800.5, .01, 3},
    {I64, 1.7e18, 6e10, 1e13}, {U32, 4e9, 1e4, 1e7},     {SWAPPED, -2459800.5, .01, 3},
    {F64, 1e12, 1e-1, 10},
};

/* ---- rows with an offset, and the same without -------------------------------------- */

typedef struct rows {
    double *with, *without; /* [n, P] */
    char *text;
    mucmm_data *data, *plain;
} rows;

static void rows_drop(rows *r)
{
    mucmm_data_free(r->data);
    mucmm_data_free(r->plain);
    free(r->with);
    free(r->without);
    free(r->text);
}

static mucmm_data *adopt(const void *data, mucmm_dtype type, int64_t n)
{
    mucmm_array a;
    mucmm_data *d = NULL;

    mucmm_array_init(&a);
    a.data = data;
    a.dtype = type;
    a.rows = n;
    a.cols = P;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
    return d;
}

static mucmm_data *from_text(rows *r, int64_t n)
{
    size_t room = (size_t)n * P * 32 + 64, used;
    mucmm_data *d = NULL;

    r->text = calloc(room, 1);
    assert_non_null(r->text);
    used = (size_t)sprintf(r->text, "a,b,c\n");
    for (int64_t i = 0; i < n * P; i++)
        used += (size_t)snprintf(r->text + used, room - used, "%.17g%c", r->with[i],
                                 i % P == P - 1 ? '\n' : ',');
    CHECK_OK(ctx, mucmm__data_open_memory(ctx, "t.csv", NULL, r->text, used, &d));
    return d;
}

/* A file whose numbers have the other byte order. */
static mucmm_data *from_swapped(rows *r, int64_t n)
{
    char header[129] = "\x93NUMPY\1\0\x76\0";
    uint64_t bits;
    mucmm_data *d = NULL;
    int length = sprintf(
        header + 10, "{'descr': '>f8', 'fortran_order': False, 'shape': (%d, %d), }", (int)n, P);

    memset(header + 10 + length, ' ', (size_t)(118 - length));
    header[127] = '\n';
    r->text = calloc(128 + (size_t)(n * P) * 8, 1);
    assert_non_null(r->text);
    memcpy(r->text, header, 128);
    for (int64_t i = 0; i < n * P; i++) {
        memcpy(&bits, &r->with[i], sizeof bits);
        bits = __builtin_bswap64(bits);
        memcpy(r->text + 128 + i * 8, &bits, sizeof bits);
    }
    CHECK_OK(ctx,
             mucmm__data_open_memory(ctx, "t.npy", NULL, r->text, 128 + (size_t)(n * P) * 8, &d));
    return d;
}

static mucmm_data *with_offset(rows *r, form f, int64_t n)
{
    if (f == CSV)
        return from_text(r, n);
    if (f == SWAPPED)
        return from_swapped(r, n);
    if (f == F64)
        return adopt(r->with, MUCMM_F64, n);
    r->text = calloc((size_t)(n * P), sizeof(int64_t));
    assert_non_null(r->text);
    for (int64_t i = 0; i < n * P; i++)
        if (f == I64)
            ((int64_t *)(void *)r->text)[i] = (int64_t)r->with[i];
        else
            ((uint32_t *)(void *)r->text)[i] = (uint32_t)r->with[i];
    return adopt(r->text, f == I64 ? MUCMM_I64 : MUCMM_U32, n);
}

/* sd z + offset + drift; what is stored less the offset is what stands without it. */
static rows make_rows(int c, const double *z, int64_t n, double drift)
{
    rows r = {.with = test_doubles(n * P), .without = test_doubles(n * P)};

    for (int64_t i = 0; i < n * P; i++) {
        r.with[i] = cases[c].offset + drift + cases[c].sd * z[i];
        if (cases[c].form == I64 || cases[c].form == U32)
            r.with[i] = floor(r.with[i]);
        r.without[i] = r.with[i] - cases[c].offset;
    }
    r.data = with_offset(&r, cases[c].form, n);
    r.plain = adopt(r.without, MUCMM_F64, n);
    return r;
}

/* Two views: z, and .8 z + .6 noise. */
typedef struct pair {
    rows r;
    double *z, *y;
    mucmm_data *other;
    mucmm_view view[2], plain[2];
} pair;

static pair make_pair(int c, int64_t n, uint64_t seed, double drift)
{
    pair p = {.z = normals(seed, 0, n * P, 1), .y = normals(seed, 1, n * P, .6)};

    for (int64_t i = 0; i < n * P; i++)
        p.y[i] += .8 * p.z[i];
    p.r = make_rows(c, p.z, n, drift);
    p.other = adopt(p.y, MUCMM_F64, n);
    p.view[0] = (mucmm_view){"x", p.r.data};
    p.plain[0] = (mucmm_view){"x", p.r.plain};
    p.view[1] = p.plain[1] = (mucmm_view){"y", p.other};
    return p;
}

static void pair_drop(pair *p)
{
    rows_drop(&p->r);
    mucmm_data_free(p->other);
    free(p->z);
    free(p->y);
}

static mucmm_model *fit_views(const mucmm_view *views, const mucmm_fit_params *p)
{
    mucmm_model *m = NULL;

    CHECK_OK(ctx, mucmm_fit(ctx, views, 2, p, &m));
    return m;
}

/* ---- the same results --------------------------------------------------------------- */

static void check_variates(const mucmm_model *m, const mucmm_data *d, const mucmm_model *plain,
                           const mucmm_data *e, int64_t n, double tolerance)
{
    float *c[2], *u[2];

    transform(ctx, m, MUCMM_HEADS, 0, d, &c[0], &u[0]);
    transform(ctx, plain, MUCMM_HEADS, 0, e, &c[1], &u[1]);
    for (int64_t i = 0; i < n * m->k; i++)
        CHECK_CLOSE((double)c[0][i], (double)c[1][i], tolerance * (1 + fabs((double)c[1][i])));
    for (int k = 0; k < 2; k++) {
        free(c[k]);
        free(u[k]);
    }
}

/* Maps of the samples, in units of the columns; of a baseline that is the row of zeros too. */
static void check_maps(const mucmm_model *m, const pair *p, const mucmm_model *plain, int c)
{
    static const mucmm_map_kind kinds[] = {MUCMM_MAP_GRADIENT, MUCMM_MAP_INPUT_X_GRADIENT,
                                           MUCMM_MAP_PATTERN, MUCMM_MAP_LCMV};
    const int64_t which[] = {0, 7};

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        float map[2][2 * P];
        mucmm_explain_params e;

        mucmm_explain_params_init(&e);
        e.score = MUCMM_SCORE_COMMON_COMPONENT;
        e.map = kinds[k];
        e.baseline = MUCMM_BASELINE_MEAN;
        CHECK_OK(ctx, mucmm_explain(ctx, m, p->view, 2, 0, which, 2, &e,
                                    &(mucmm_mat){map[0], 2, P, P}, NULL));
        CHECK_OK(ctx, mucmm_explain(ctx, plain, p->plain, 2, 0, which, 2, &e,
                                    &(mucmm_mat){map[1], 2, P, P}, NULL));
        for (int j = 0; j < 2 * P; j++)
            CHECK_CLOSE((double)map[0][j], (double)map[1][j],
                        1e-3 * (fabs((double)map[1][j]) + .05 / cases[c].sd * (k == 0) +
                                .05 * cases[c].sd * (k > 1) + .05 * (k == 1)));
    }
}

static void check_recognized(const mucmm_model *m, const mucmm_view *view, int64_t n, bool known)
{
    mucmm_row_kind kinds[N];
    mucmm_recognition how;

    CHECK_OK(ctx, mucmm_model_recognize(ctx, m, view, 1, kinds, &how));
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(kinds[i] != MUCMM_ROW_NEW, known);
}

static double summary_of(const mucmm_model *m, mucmm_rows part)
{
    return mucmm_model_summary(m, part, MUCMM_LINEAR)->total_correlation;
}

static mucmm_fit_params params_of(int way)
{
    mucmm_fit_params p = small_params(MUCMM_HEAD_LINEAR);

    p.common = 2;
    p.individual = 1;
    p.scaling = MUCMM_SCALE_COLUMN;
    p.validation = way == 3 ? 0 : .25;
    p.robust = way == 1 ? MUCMM_ROBUST_WINSOR : way == 2 ? MUCMM_ROBUST_RANK : MUCMM_ROBUST_NONE;
    if (way == 3)
        p.folds = 4;
    if (way == 4)
        p.bootstrap = 5;
    return p;
}

/* Correlations, variates of rows that come later and elsewhere, maps, files, rows known again. */
static void test_an_offset_changes_nothing(void **state)
{
    (void)state;
    for (int c = 0; c < (int)(sizeof cases / sizeof *cases); c++) {
        pair p = make_pair(c, N, 11, 0), later = make_pair(c, NEW, 12, cases[c].drift);
        for (int way = 0; way < (c < 2 ? 5 : 2); way++) {
            mucmm_fit_params q = params_of(way);
            mucmm_model *m = fit_views(p.view, &q), *plain = fit_views(p.plain, &q), *loaded = NULL;
            bytes b = saved(m);
            assert_non_null(m->view[0].origin);
            assert_null(m->view[1].origin);
            assert_null(plain->view[0].origin);
            CHECK_OK(ctx, mucmm_model_load_memory(ctx, b.data, b.size, NULL, &loaded));
            for (int part = 0; part < 2; part++)
                CHECK_CLOSE(summary_of(m, (mucmm_rows)part), summary_of(plain, (mucmm_rows)part),
                            2e-5);
            check_variates(loaded, p.r.data, plain, p.r.plain, N, 2e-4);
            check_variates(loaded, later.r.data, plain, later.r.plain, NEW, 2e-3);
            if (way == 0) {
                check_maps(loaded, &p, plain, c);
                check_recognized(loaded, p.view, N, true);
                check_recognized(loaded, later.view, NEW, false);
            }
            free(b.data);
            mucmm_model_free(m);
            mucmm_model_free(loaded);
            mucmm_model_free(plain);
        }
        pair_drop(&p);
        pair_drop(&later);
    }
}

/* Fewer rows than columns would need: Gram matrices. */
static void test_small_samples_with_an_offset(void **state)
{
    enum { ROWS = 24, WIDE = 60 };
    double *z = normals(5, 0, ROWS * WIDE, 1), *x = test_doubles(ROWS * WIDE);
    double *y = normals(6, 0, ROWS * WIDE, 20); /* z and noise */
    mucmm_fit_params p = params_of(0);
    double rho[2];

    (void)state;
    p.validation = 0;
    p.folds = 3;
    for (int64_t i = 0; i < ROWS * WIDE; i++) {
        z[i] *= 60;
        x[i] = 1.7e9 + (double)(i % WIDE) * 1e5 + z[i];
        y[i] += z[i];
    }
    for (int which = 0; which < 2; which++) {
        mucmm_array a;
        mucmm_data *d[2] = {NULL, NULL};
        mucmm_model *m = NULL;

        for (int v = 0; v < 2; v++) {
            mucmm_array_init(&a);
            a.data = v == 1 ? y : which ? x : z;
            a.dtype = MUCMM_F64;
            a.rows = ROWS;
            a.stride = WIDE;
            a.cols = v == 1 ? WIDE / 2 : WIDE;
            CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d[v]));
        }
        CHECK_OK(ctx, mucmm_fit(ctx, (mucmm_view[]){{"x", d[0]}, {"y", d[1]}}, 2, &p, &m));
        assert_int_equal(m->view[0].origin != NULL, which);
        rho[which] = summary_of(m, MUCMM_ROWS_TRAIN);
        mucmm_model_free(m);
        mucmm_data_free(d[0]);
        mucmm_data_free(d[1]);
    }
    CHECK_CLOSE(rho[0], rho[1], 1e-5);
    free(z);
    free(y);
    free(x);
}

/* mean + parts = raw input, and parts as without the offset. */
static void test_parts_of_rows_with_an_offset(void **state)
{
    pair p = make_pair(0, N, 11, 0);
    mucmm_fit_params q = params_of(0);
    mucmm_model *m = fit_views(p.view, &q), *plain = fit_views(p.plain, &q);
    mucmm_parts *parts[2] = {NULL, NULL};
    const int64_t which[] = {3, 9};

    (void)state;
    CHECK_OK(ctx, mucmm_parts_create(ctx, m, p.view, 2, 0, which, 2, NULL, &parts[0]));
    CHECK_OK(ctx, mucmm_parts_create(ctx, plain, p.plain, 2, 0, which, 2, NULL, &parts[1]));
    for (int i = 0; i < 2 * P; i++) {
        double sum = (double)mucmm_parts_mean(parts[0])[i % P];
        for (int s = 0; s < 3; s++) {
            double value = (double)mucmm_parts_values(parts[0], (mucmm_summand)s).data[i];
            CHECK_CLOSE(value, (double)mucmm_parts_values(parts[1], (mucmm_summand)s).data[i], .02);
            sum += value;
        }
        CHECK_CLOSE(sum, p.r.with[which[i / P] * P + i % P], 128); /* means are floats */
    }
    mucmm_parts_free(parts[0]);
    mucmm_parts_free(parts[1]);
    mucmm_model_free(m);
    mucmm_model_free(plain);
    pair_drop(&p);
}

/* ---- what keeps its bytes ----------------------------------------------------------- */

static void test_no_origin_where_nothing_is_lost(void **state)
{
    double *z = normals(3, 0, N * P, 1);
    int64_t all[N];
    float *x = test_floats(N * P);
    double *origin = NULL;
    mucmm_data *d;

    (void)state;
    for (int64_t i = 0; i < N; i++)
        all[i] = i;
    for (int64_t i = 0; i < N * P; i++)
        x[i] = (float)(3e7 + 4 * z[i]);
    d = adopt(x, MUCMM_F32, N); /* floats are what they are */
    CHECK_OK(ctx, mucmm__data_origin(ctx, d, all, N, &origin));
    assert_null(origin);
    mucmm_data_free(d);
    for (int64_t i = 0; i < N * P; i++)
        z[i] = i % P == 0 ? 100 + z[i] : i % P == 1 ? 7e9 : 1e9 * (1 + 1e-16 * z[i]);
    d = adopt(z, MUCMM_F64, N); /* near, constant, and nothing but rounding */
    CHECK_OK(ctx, mucmm__data_origin(ctx, d, all, N, &origin));
    assert_null(origin);
    z[4] = NAN;
    z[1] = 7e9 + 1;
    CHECK_OK(ctx, mucmm__data_origin(ctx, d, all, N, &origin));
    assert_non_null(origin);
    CHECK_CLOSE(origin[0], 0, 0);
    CHECK_CLOSE(origin[1], 7e9, .01);
    CHECK_CLOSE(origin[2], 0, 0);
    mucmm__free(origin);
    mucmm_data_free(d);
    free(x);
    free(z);
}

/* A file of another program: an origin that no numbers have, or that is not there. */
static void test_a_file_with_a_bad_origin(void **state)
{
    pair p = make_pair(0, N, 11, 0);
    mucmm_fit_params q = params_of(0);
    mucmm_model *m = fit_views(p.view, &q), *loaded = NULL;
    bytes b = saved(m), none = with_text(&b, "\"x.origin\"", "\"x.origim\"");
    const double large = 1e200;

    (void)state;
    memcpy(b.data + tensor_at(&b, "x.origin"), &large, sizeof large);
    check_message(ctx, mucmm_model_load_memory(ctx, b.data, b.size, NULL, &loaded), MUCMM_EFORMAT,
                  "x.origin");
    check_message(ctx, mucmm_model_load_memory(ctx, none.data, none.size, NULL, &loaded),
                  MUCMM_EFORMAT, "tensor 'x.origin' is missing");
    free(b.data);
    free(none.data);
    mucmm_model_free(m);
    pair_drop(&p);
}

static mucmm_status fit_again(mucmm_ctx *c, void *arg)
{
    const pair *t = arg;
    mucmm_fit_params p = params_of(1);
    mucmm_model *m = NULL;
    mucmm_status status = mucmm_fit(c, t->view, 2, &p, &m);

    mucmm_model_free(m);
    return status;
}

static void test_fits_with_an_offset_out_of_memory(void **state)
{
    pair p = make_pair(0, 60, 11, 0);

    (void)state;
    assert_true(sweep_out_of_memory(fit_again, &p, 40) > 20);
    pair_drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_offset_changes_nothing),
        cmocka_unit_test(test_small_samples_with_an_offset),
        cmocka_unit_test(test_parts_of_rows_with_an_offset),
        cmocka_unit_test(test_no_origin_where_nothing_is_lost),
        cmocka_unit_test(test_a_file_with_a_bad_origin),
        cmocka_unit_test(test_fits_with_an_offset_out_of_memory),
    };
    return cmocka_run_group_tests_name("offset", tests, set_up, tear_down);
}
