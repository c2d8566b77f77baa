/* SPDX-License-Identifier: MIT
 *
 * Tables of mixed columns: what is read, matched with the rows of views, attached and carried
 * along.
 */
#include "io_case.h"

static mucmm_status open_table(mucmm_ctx *c, const char *key, const char *text, mucmm_table **out)
{
    mucmm_table_params p;

    mucmm_table_params_init(&p);
    p.key = key;
    return mucmm_table_open_memory(c, text, strlen(text), "m.csv", &p, out);
}

/* Views of one, whose rows are those of a csv. */
static mucmm_views *views_of(const char *key, const char *text)
{
    mucmm_data *d;
    mucmm_views *v;

    CHECK_OK(ctx, open_bytes("v.csv", key, text, strlen(text), &d));
    CHECK_OK(ctx, mucmm_views_create(ctx, &(mucmm_view){"v", d}, 1, &v));
    mucmm_data_free(d);
    return v;
}

static void check_codes(const mucmm_table *t, int64_t column, const int64_t *want)
{
    assert_memory_equal(mucmm_table_codes(t, column), want,
                        (size_t)mucmm_table_rows(t) * sizeof *want);
}

/* ---- reading ----------------------------------------------------------------------- */

static void test_table_tells_numbers_from_categories(void **state)
{
    mucmm_table *t;
    const double *age;

    (void)state;
    CHECK_OK(ctx, open_table(ctx, NULL,
                             "age,batch,empty,code,name\n1.5, b ,,1,\"x, y\"\nNA,a,NaN,1.0,z\n"
                             "-2e1,b,,0x1,nan\n 3 ,,na,2,z\n",
                             &t));
    assert_int_equal(mucmm_table_rows(t), 4);
    assert_int_equal(mucmm_table_columns(t), 5);
    age = mucmm_table_numbers(t, 0);
    assert_true(age[0] == 1.5 && isnan(age[1]) && age[2] == -20 && age[3] == 3);
    assert_null(mucmm_table_numbers(t, 1));
    check_codes(t, 1, (int64_t[]){0, 1, 0, -1});
    assert_int_equal(mucmm_table_levels(t, 1), 2);
    assert_string_equal(mucmm_table_level(t, 1, 0), "b");
    assert_string_equal(mucmm_table_level(t, 1, 1), "a");
    assert_null(mucmm_table_level(t, 1, 2));
    assert_non_null(mucmm_table_numbers(t, 2)); /* nothing there that is no number */
    assert_int_equal(mucmm_table_levels(t, 2), 0);
    assert_null(mucmm_table_numbers(t, 3)); /* hexadecimal is none */
    check_codes(t, 3, (int64_t[]){0, 1, 2, 3});
    check_codes(t, 4, (int64_t[]){0, 1, -1, 1});
    assert_string_equal(mucmm_table_level(t, 4, 0), "x, y");
    assert_int_equal(mucmm_table_find(t, "batch"), 1);
    assert_int_equal(mucmm_table_find(t, "Batch"), -1);
    assert_null(mucmm_table_column(t, 5));
    assert_null(mucmm_table_codes(t, -1));
    assert_null(mucmm_table_key(t, 0));
    mucmm_table_free(t);
}

static void test_table_of_keys(void **state)
{
    mucmm_table *t;

    (void)state;
    CHECK_OK(ctx, open_table(ctx, NULL, ",x\nP1,3\nP2,4\n", &t));
    assert_int_equal(mucmm_table_columns(t), 1);
    assert_string_equal(mucmm_table_key(t, 1), "P2");
    assert_null(mucmm_table_key(t, 2));
    mucmm_table_free(t);
    CHECK_OK(ctx, open_table(ctx, "id", ",x,id\nr1,3,P1\nr2,4,P2\n", &t));
    assert_int_equal(mucmm_table_columns(t), 1);
    assert_string_equal(mucmm_table_key(t, 0), "P1");
    mucmm_table_free(t);
}

static void test_table_refuses_what_is_malformed(void **state)
{
    static const struct {
        const char *key, *text;
        mucmm_status status;
        const char *message;
    } cases[] = {
        {"id", "a,b\n1,2\n", MUCMM_EARG, "no column is named 'id'; the columns are 'a', 'b'"},
        {"id", "id,b\nP1,2\nP1,3\n", MUCMM_EFORMAT, "m.csv:3: key 'P1' stands already in line 2"},
        {"id", "id,b\nP1,2\n,3\n", MUCMM_EFORMAT, "m.csv:3: the row has no key"},
        {"id", "id\nP1\n", MUCMM_EFORMAT, "no column beside the key"},
        {NULL, "a,b\n1,2\n1\n", MUCMM_EFORMAT, "m.csv:3: 1 fields, the header has 2"},
        {NULL, "a,a\n1,2\n", MUCMM_EFORMAT, "both named 'a'"},
        {NULL, "a\n", MUCMM_EFORMAT, "a header and no rows"},
        {NULL, "\n\n", MUCMM_EFORMAT, "only empty lines"},
        {NULL, "a,b\n1,\"2\n", MUCMM_EFORMAT, "never closed"},
        {NULL, "a,b\n1,2\n3,-Inf\n", MUCMM_ENUMERIC, "m.csv:3: column 'b': '-Inf' is not finite"},
        {NULL, "a\n1e999\n", MUCMM_ENUMERIC, "'1e999' is not finite"},
        {NULL, "\x93NUMPY\1\0", MUCMM_EUNSUPPORTED, "not a table of text"},
    };
    mucmm_table *t;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_message(open_table(ctx, cases[i].key, cases[i].text, &t), cases[i].status,
                      cases[i].message);
        assert_null(t);
    }
    CHECK_OK(ctx, open_table(ctx, NULL, "a\ninf\nx\n", &t)); /* a name like any other */
    assert_null(mucmm_table_numbers(t, 0));
    mucmm_table_free(t);
    check_message(mucmm_table_open_memory(ctx, "a\n\0\n", 4, NULL, NULL, &t), MUCMM_EFORMAT,
                  "table:2: a NUL byte");
    check_message(mucmm_table_open(ctx, in_folder("no.csv"), NULL, &t), MUCMM_EIO, "no.csv");
    check_message(mucmm_table_open(ctx, NULL, NULL, &t), MUCMM_EARG, "no file name");
    put_file("none.csv", "", 0);
    check_message(mucmm_table_open(ctx, in_folder("none.csv"), NULL, &t), MUCMM_EFORMAT, "empty");
    unlink(in_folder("none.csv"));
}

static void test_table_from_a_file_ignores_the_locale(void **state)
{
    static const char text[] = "id;x\r\nP1;2.5\r\n";
    mucmm_table *t;

    (void)state;
    put_file("t.csv", text, sizeof text - 1);
    CHECK_OK(ctx, mucmm_table_open(ctx, in_folder("t.csv"), NULL, &t));
    assert_true(mucmm_table_numbers(t, 1)[0] == 2.5);
    assert_true(strstr(mucmm_table_label(t), "t.csv") != NULL);
    mucmm_table_free(t);
    unlink(in_folder("t.csv"));
}

/* ---- matching with views ----------------------------------------------------------- */

static void test_table_matches_rows_by_key(void **state)
{
    mucmm_views *v = views_of("id", "id,x\nP1,1\nP2,2\nP3,3\n");
    mucmm_table *t, *rows;

    (void)state;
    CHECK_OK(ctx, open_table(ctx, "id", "id,age,sex\nP3,30,f\nP9,90,m\nP1,10,m\n", &t));
    CHECK_OK(ctx, mucmm_table_match(ctx, t, v, &rows));
    mucmm_table_free(t); /* what is matched keeps what it needs */
    assert_int_equal(mucmm_table_rows(rows), 3);
    assert_true(mucmm_table_numbers(rows, 0)[0] == 10 && mucmm_table_numbers(rows, 0)[2] == 30);
    assert_true(isnan(mucmm_table_numbers(rows, 0)[1]));
    check_codes(rows, 1, (int64_t[]){1, -1, 0});
    assert_string_equal(mucmm_table_level(rows, 1, 0), "f");
    assert_string_equal(mucmm_table_key(rows, 0), "P1");
    assert_null(mucmm_table_key(rows, 1));
    mucmm_table_free(rows);
    CHECK_OK(ctx, open_table(ctx, "id", "id,age\nQ3,30\n", &t));
    check_message(mucmm_table_match(ctx, t, v, &rows), MUCMM_EFORMAT,
                  "none of its keys is a key of the views' rows, such as 'P1'");
    assert_null(rows);
    mucmm_table_free(t);
    mucmm_views_free(v);
}

static void test_table_matches_rows_by_position(void **state)
{
    mucmm_views *v = views_of(NULL, "x\n1\n2\n3\n");
    mucmm_table *t, *rows;

    (void)state;
    CHECK_OK(ctx, open_table(ctx, NULL, "age\n10\n20\n30\n", &t));
    CHECK_OK(ctx, mucmm_table_match(ctx, t, v, &rows));
    assert_true(mucmm_table_numbers(rows, 0)[2] == 30);
    mucmm_table_free(rows);
    mucmm_table_free(t);
    CHECK_OK(ctx, open_table(ctx, NULL, "age\n10\n20\n", &t));
    check_message(mucmm_table_match(ctx, t, v, &rows), MUCMM_ESHAPE,
                  "m.csv has 2 rows and the views have 3");
    mucmm_table_free(t);
    CHECK_OK(ctx, open_table(ctx, "id", "id,age\nP1,10\nP2,20\nP3,30\n", &t));
    check_message(mucmm_table_match(ctx, t, v, &rows), MUCMM_EARG, "have none");
    mucmm_table_free(t);
    mucmm_views_free(v);
}

static void test_what_is_attached_goes_with_the_rows(void **state)
{
    mucmm_views *v = views_of(NULL, "x\n1\n2\n3\n"), *with;
    mucmm_table *t;
    mucmm_data *part, *other;
    const mucmm_table *c;
    float x[2];

    (void)state;
    CHECK_OK(ctx, open_table(ctx, NULL, "age\n10\n20\n30\n", &t));
    CHECK_OK(ctx, mucmm_views_attach(ctx, v, t, &with));
    assert_null(mucmm_data_covariates(mucmm_views_list(v)->data));
    mucmm_views_free(v);
    mucmm_table_free(t);
    CHECK_OK(ctx,
             mucmm_data_subset(ctx, mucmm_views_list(with)->data, (int64_t[]){2, -1, 0}, 3, &part));
    mucmm_views_free(with);
    c = mucmm_data_covariates(part);
    assert_true(mucmm_table_numbers(c, 0)[0] == 30 && mucmm_table_numbers(c, 0)[2] == 10);
    assert_true(isnan(mucmm_table_numbers(c, 0)[1]));
    CHECK_OK(ctx, mucmm_data_read(ctx, part, (int64_t[]){0, 2}, 2, &(mucmm_mat){x, 2, 1, 1}));
    assert_true(x[0] == 3 && x[1] == 1);
    CHECK_OK(ctx, open_table(ctx, NULL, "b\n1\n2\n", &t));
    check_message(mucmm_data_attach(ctx, part, t, &other), MUCMM_ESHAPE, "m.csv has 2 rows");
    assert_null(other);
    mucmm_table_free(t);
    mucmm_data_free(part);
}

/* ---- groups ------------------------------------------------------------------------ */

/* Rows of one cell have one number, in another table too; a cell that is missing has none. */
static void test_groups_by_the_cells_of_a_column(void **state)
{
    mucmm_views *v = views_of("id", "id,x\na,1\nb,2\nc,3\n");
    int64_t group[3], other[3];
    mucmm_table *t;

    (void)state;
    CHECK_OK(ctx, open_table(ctx, "id", "id,who\nc,7\nb,9\na,7\n", &t));
    CHECK_OK(ctx, mucmm_views_groups(ctx, v, t, "who", group));
    assert_true(group[0] == group[2] && group[0] != group[1] && group[0] >= 0 && group[1] >= 0);
    check_message(mucmm_views_groups(ctx, v, t, "site", other), MUCMM_EARG, "site");
    mucmm_table_free(t);
    CHECK_OK(ctx, open_table(ctx, "id", "id,who\nz,A\na,9\nb,7\nc,B\n", &t));
    CHECK_OK(ctx, mucmm_views_groups(ctx, v, t, "who", other));
    assert_true(other[0] == group[1] && other[1] == group[0] && other[2] != group[0]);
    mucmm_table_free(t);
    CHECK_OK(ctx, open_table(ctx, "id", "id,who\na,9\nb,NA\nc,B\n", &t));
    check_message(mucmm_views_groups(ctx, v, t, "who", other), MUCMM_EARG,
                  "row 1 of the views has no cell in column 'who' of m.csv");
    mucmm_table_free(t);
    check_message(mucmm_views_groups(ctx, v, NULL, "who", other), MUCMM_EARG, "'who'");
    mucmm_views_free(v);
}

/* A column that is left out need hold no numbers; of a table without it nothing is. */
static void test_a_column_is_left_out(void **state)
{
    const char text[] = "who,x,id,y\nA,1,p,2\nB,3,q,4\n";
    const char mixed[] = "who,x,id,y\n1,1,p,2\nA,3,q,4\n"; /* no column of texts alone */
    mucmm_data_params p;
    mucmm_data *d;

    (void)state;
    mucmm_data_params_init(&p);
    p.key = "id";
    check_message(mucmm__data_open_memory(ctx, "v.csv", &p, mixed, strlen(mixed), &d),
                  MUCMM_EFORMAT, "'A'");
    p.skip = "who";
    CHECK_OK(ctx, mucmm__data_open_memory(ctx, "v.csv", &p, mixed, strlen(mixed), &d));
    mucmm_data_free(d);
    CHECK_OK(ctx, mucmm__data_open_memory(ctx, "v.csv", &p, text, strlen(text), &d));
    check_values(d, (float[]){1, 2, 3, 4}, 2, 2);
    mucmm_data_free(d);
    p.skip = "site";
    CHECK_OK(ctx, mucmm__data_open_memory(ctx, "v.csv", &p, "x,id\n1,p\n", 9, &d));
    check_values(d, (float[]){1}, 1, 1);
    mucmm_data_free(d);
}

/* ---- out of memory ----------------------------------------------------------------- */

static mucmm_status sweep_table(mucmm_ctx *low)
{
    mucmm_views *v = views_of("id", "id,x\nP1,1\nP2,2\n"), *with = NULL;
    mucmm_table *t = NULL;
    mucmm_data *part = NULL;
    mucmm_status status =
        open_table(low, "id", "id,a,b\nP2,1,u\nP1,2,v\nP3,,w\nP4,4,x\nP5,,y\n", &t);

    if (status == MUCMM_OK)
        status = mucmm_views_attach(low, v, t, &with);
    if (status == MUCMM_OK)
        status = mucmm_views_groups(low, v, t, "b", (int64_t[2]){0});
    if (status == MUCMM_OK)
        status = mucmm_data_subset(low, mucmm_views_list(with)->data, NULL, 1, &part);
    assert_true((status == MUCMM_OK) == (part != NULL));
    mucmm_data_free(part);
    mucmm_views_free(with);
    mucmm_table_free(t);
    mucmm_views_free(v);
    return status;
}

static void test_tables_out_of_memory_leak_nothing(void **state)
{
    (void)state;
    sweep(sweep_table);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_tells_numbers_from_categories),
        cmocka_unit_test(test_table_of_keys),
        cmocka_unit_test(test_table_refuses_what_is_malformed),
        cmocka_unit_test(test_table_from_a_file_ignores_the_locale),
        cmocka_unit_test(test_table_matches_rows_by_key),
        cmocka_unit_test(test_table_matches_rows_by_position),
        cmocka_unit_test(test_what_is_attached_goes_with_the_rows),
        cmocka_unit_test(test_groups_by_the_cells_of_a_column),
        cmocka_unit_test(test_a_column_is_left_out),
        cmocka_unit_test(test_tables_out_of_memory_leak_nothing),
    };
    return cmocka_run_group_tests_name("covariates", tests, set_up, tear_down);
}
