/* SPDX-License-Identifier: MIT
 *
 * Tables, and the rows of any data: reading, subsets, pairing by keys, rows that lack a view.
 */
#include "io_case.h"

#include <locale.h>

/* ---- csv --------------------------------------------------------------------------- */

static mucmm_status open_text(const char *name, const char *key, const char *text, mucmm_data **out)
{
    return open_bytes(name, key, text, strlen(text), out);
}

static void test_io_csv_reads_what_rfc4180_allows(void **state)
{
    mucmm_data *d;
    int64_t shape[MUCMM_MAX_RANK];

    (void)state;
    CHECK_OK(ctx, open_text("x.csv", NULL,
                            "\xef\xbb\xbf\"\",\"a \"\"b\"\"\",\"c\r\nd\"\r\n"
                            "r1,1,\" 2.5 \"\r\n\"r,2\",-3e2,+.5\r\nr3,0, 7. \r\n\r\n",
                            &d));
    check_values(d, (float[]){1, 2.5f, -300, .5f, 0, 7}, 3, 2);
    assert_string_equal(mucmm_data_column(d, 0), "a \"b\"");
    assert_string_equal(mucmm_data_column(d, 1), "c\r\nd");
    assert_null(mucmm_data_column(d, 2));
    assert_string_equal(mucmm_data_key(d, 1), "r,2");
    assert_null(mucmm_data_key(d, 3));
    assert_int_equal(mucmm_data_shape(d, shape), 1);
    assert_int_equal(shape[0], 2);
    mucmm_data_free(d);

    CHECK_OK(ctx, open_text("x.tsv", NULL, "a,b\tc\n1\t2", &d));
    check_values(d, (float[]){1, 2}, 1, 2);
    assert_string_equal(mucmm_data_column(d, 0), "a,b");
    mucmm_data_free(d);
    CHECK_OK(ctx, open_text("x.csv", NULL, "\"a,b\";c\r1;2\r3;4\r", &d));
    check_values(d, (float[]){1, 2, 3, 4}, 2, 2);
    mucmm_data_free(d);
    CHECK_OK(ctx, open_text("x.csv", NULL, "only\n1\n2\n", &d));
    check_values(d, (float[]){1, 2}, 2, 1);
    assert_null(mucmm_data_key(d, 0));
    mucmm_data_free(d);
}

static void test_io_csv_key_column_is_no_feature(void **state)
{
    mucmm_data *d;

    (void)state;
    CHECK_OK(ctx, open_text("x.csv", "id", ",x,id,y\n1,2,P1,3\n2,4,P2,5\n", &d));
    check_values(d, (float[]){2, 3, 4, 5}, 2, 2);
    assert_string_equal(mucmm_data_column(d, 1), "y");
    assert_string_equal(mucmm_data_key(d, 1), "P2");
    mucmm_data_free(d);
    CHECK_OK(ctx, open_text("x.csv", "", ",x\nP1,3\n", &d));
    assert_string_equal(mucmm_data_key(d, 0), "P1");
    mucmm_data_free(d);
}

/* The lines agree on it: a name or a number may have the other one in it. */
static void test_io_csv_finds_its_delimiter(void **state)
{
    static const char *const texts[] = {"a,b;\"say \"\"x\"\"\"\n1;2\n3;4\n",
                                        "x;a,b\n7;1,5\n8;-2,5\n",
                                        "a, b;d\n1,5;2,5\n3,5;4,5\n",
                                        "a;b,c\n1,2\n3,4\n",
                                        "\"a;b;c\",d\n1,2\n",
                                        "a,b,c\td;e\n1\t2\n",
                                        "x;y\n\"1\";2\n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        mucmm_data *d;
        CHECK_OK(ctx, open_text("x.csv", NULL, texts[i], &d));
        assert_int_equal(mucmm_data_cols(d), 2);
        mucmm_data_free(d);
    }
}

static void test_io_csv_rejects_malformed(void **state)
{
    static const struct {
        const char *text, *key;
        mucmm_status status;
        const char *fragment;
    } cases[] = {
        {"a,b,c,d,e,f\n1,2,3,4,5,6\n1,2,3,4,5\n", NULL, MUCMM_EFORMAT,
         "x.csv:3: 5 fields, the header has 6"},
        {"a,b,c\n1,\n", NULL, MUCMM_EFORMAT, "x.csv:2: 2 fields, the header has 3"},
        {"a,b\n1,2,3\n", NULL, MUCMM_EFORMAT, "x.csv:2: 3 fields, the header has 2"},
        {"a,b,age\n1,2,old\n1,2,3\n", NULL, MUCMM_EFORMAT,
         "x.csv:2: column 3 ('age'): 'old' is not a number"},
        {"a,b\n1,2\n\"1\n\",0x10\n", NULL, MUCMM_EFORMAT,
         "x.csv:3: column 1 ('a'): '1\\x0a' is not"},
        {"a\n0x10\n1\n", NULL, MUCMM_EFORMAT, "'0x10' is not a number"},
        {"a\n1e\n1\n", NULL, MUCMM_EFORMAT, "'1e' is not a number"},
        {"a\n.\n1\n", NULL, MUCMM_EFORMAT, "'.' is not a number"},
        {"a;b\n1;2,5,5\n1;1\n", NULL, MUCMM_EFORMAT, "'2,5,5' is not a number"},
        {"a,b\n1,\n", NULL, MUCMM_EUNSUPPORTED,
         "x.csv:2: column 2 ('b'): '' is a missing value, and the row has others"},
        {"a,b\nNA,1\n", NULL, MUCMM_EUNSUPPORTED, "x.csv:2: column 1 ('a'): 'NA' is a missing"},
        {"a,b\n1,NaN\n", NULL, MUCMM_EUNSUPPORTED, "'NaN' is a missing value"},
        {"a,b\n1,\n,x\n1,2\n", NULL, MUCMM_EFORMAT, "x.csv:3: column 2 ('b'): 'x' is not a number"},
        {"a,b\n,x\n1,2\n", NULL, MUCMM_EFORMAT, "x.csv:2: column 2 ('b'): 'x' is not a number"},
        {"a,b\n1,2\nNA,\n3,4\n,\n", NULL, MUCMM_EUNSUPPORTED,
         "x.csv: 2 of 4 rows hold no value (the first is in line 3); remove or drop them "
         "(`missing` drop), or allow rows that lack a view (`missing` allow)"},
        {"a,b\n,\nNA,nan\n", NULL, MUCMM_EFORMAT, "x.csv: no row holds a value"},
        {"a,b\n1,-Inf\n", NULL, MUCMM_ENUMERIC, "x.csv:2: column 2 ('b'): '-Inf' is infinite"},
        {"a,b\n1,1e39\n", NULL, MUCMM_ENUMERIC, "'1e39' is beyond the range of float"},
        {"a,b\n1,2\n\n3,4\n", NULL, MUCMM_EFORMAT, "x.csv:3: the line is empty"},
        {"a,b\n", NULL, MUCMM_EFORMAT, "x.csv: a header and no rows"},
        {"a,b", NULL, MUCMM_EFORMAT, "x.csv: a header and no rows"},
        {"\n\r\n", NULL, MUCMM_EFORMAT, "x.csv: the file has only empty lines"},
        {"a,age,b,age\n1,2,3,4\n", NULL, MUCMM_EFORMAT,
         "x.csv:1: columns 2 and 4 are both named 'age'"},
        {"a,,b\n1,2,3\n", NULL, MUCMM_EFORMAT, "x.csv:1: column 2 has no name"},
        {"a,b\n1,2\n", "id", MUCMM_EARG, "no column is named 'id'; the columns are 'a', 'b'"},
        {"a,b\n1,2\n", "", MUCMM_EARG, "no column is named ''"},
        {"id,x\nP1,1\n,2\n", "id", MUCMM_EFORMAT, "x.csv:3: column 1 ('id'): '' is no key"},
        {"id\nP1\n", "id", MUCMM_EFORMAT, "no column of numbers"},
        {"a,b\n1,\"2\n3,4\n", NULL, MUCMM_EFORMAT,
         "x.csv:2: a quote that is opened here is never closed"},
        {"a,b\n1,2\"3\n", NULL, MUCMM_EFORMAT, "x.csv:2: a stray quote"},
        {"a,b\n1,\"2\"3\n", NULL, MUCMM_EFORMAT, "x.csv:2: a stray quote"},
        {"\xff\xfe"
         "a",
         NULL, MUCMM_EFORMAT, "UTF-16"},
    };
    mucmm_data *d;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        check_message(open_text("x.csv", cases[k].key, cases[k].text, &d), cases[k].status,
                      cases[k].fragment);
        assert_null(d);
    }
    check_message(open_bytes("x.csv", NULL, "a\n1\0\n", 5, &d), MUCMM_EFORMAT,
                  "x.csv:2: a NUL byte");
}

static void test_io_csv_unknown_key_lists_many_columns(void **state)
{
    char text[20000] = "c0", value[16];
    mucmm_data *d;

    (void)state;
    for (int i = 1; i < 1000; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",c%d", i);
    strcat(text, "\n0");
    for (int i = 1; i < 1000; i++) {
        snprintf(value, sizeof value, ",%d", i);
        strcat(text, value);
    }
    check_message(open_text("x.csv", "id", text, &d), MUCMM_EARG, ", ...");
    CHECK_OK(ctx, open_text("x.csv", NULL, text, &d));
    assert_string_equal(mucmm_data_column(d, 999), "c999");
    mucmm_data_free(d);
}

static void test_io_csv_ignores_the_locale(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "fr_FR"};
    size_t k = 0;
    mucmm_data *d;

    (void)state;
    while (k < 4 && !setlocale(LC_ALL, names[k]))
        k++;
    if (k == 4) {
        print_message("# skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    CHECK_OK(ctx, open_text("x.csv", NULL, "a\n1.5\n", &d));
    check_values(d, (float[]){1.5f}, 1, 1);
    mucmm_data_free(d);
    setlocale(LC_ALL, "C");
}

/* ---- reading, wrapping, subsets ---------------------------------------------------- */

static void test_io_read_names_the_first_bad_value(void **state)
{
    enum { ROWS = 300000, COLS = 5 };
    mucmm_mat out = {calloc(ROWS * COLS, sizeof(float)), ROWS, COLS, COLS};
    float *x = calloc(ROWS * COLS, sizeof *x);
    mucmm_data *d, *part;
    double large[2] = {1, 1e300};
    unsigned char bytes[256];
    size_t n;

    (void)state;
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, ROWS, COLS, COLS}, "x", NULL, 0, &d));
    CHECK_OK(ctx, mucmm_data_read(ctx, d, NULL, ROWS, &out));
    x[250000 * COLS] = NAN;
    x[123456 * COLS + 3] = -INFINITY;
    x[123456 * COLS + 4] = NAN;
    x[200000 * COLS] = INFINITY;
    check_message(mucmm_data_read(ctx, d, NULL, ROWS, &out), MUCMM_ENUMERIC,
                  "x: row 123456, column 3: -inf is not finite; every value must be finite");
    CHECK_OK(ctx, mucmm_data_subset(ctx, d, (int64_t[]){0, 200000, 123456}, 3, &part));
    check_message(mucmm_data_read(ctx, part, NULL, 3, &out), MUCMM_ENUMERIC,
                  "x: row 200000, column 0: inf");
    CHECK_OK(ctx, mucmm_data_read(ctx, part, (int64_t[]){0}, 1, &out));
    mucmm_data_free(part);
    mucmm_data_free(d);
    n = make_npy(bytes, 1, HEADER("'<f8'", "(1, 2)"), large, 16);
    CHECK_OK(ctx, open_bytes("y.npy", NULL, bytes, n, &d));
    out.cols = 2;
    check_message(mucmm_data_read(ctx, d, NULL, 1, &out), MUCMM_ENUMERIC,
                  "y.npy: row 0, column 1: 1e+300 is beyond the range of float");
    mucmm_data_free(d);
    free(x);
    free(out.data);
}

static void test_io_read_checks_its_arguments(void **state)
{
    float x[6] = {0}, y[6];
    mucmm_mat out = {y, 3, 2, 2};
    mucmm_data *d;

    (void)state;
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 3, 2, 2}, NULL, NULL, 0, &d));
    check_message(mucmm_data_read(ctx, d, (int64_t[]){0, 3}, 2, &out), MUCMM_EARG,
                  "data: row 3 asked for, the rows are 0 to 2");
    check_message(mucmm_data_read(ctx, d, (int64_t[]){-1}, 1, &out), MUCMM_EARG, "row -1");
    check_message(mucmm_data_read(ctx, d, NULL, -1, &out), MUCMM_EARG, "-1 rows");
    check_message(mucmm_data_read(ctx, d, NULL, 4, &(mucmm_mat){y, 4, 2, 2}), MUCMM_EARG,
                  "4 rows asked for, it has 3");
    check_message(mucmm_data_read(ctx, d, NULL, 4, &out), MUCMM_ESHAPE, "do not fit");
    check_message(mucmm_data_read(ctx, d, NULL, 1, &(mucmm_mat){y, 1, 3, 3}), MUCMM_ESHAPE, "fit");
    CHECK_OK(ctx, mucmm_data_read(ctx, d, NULL, 0, &out));
    mucmm_data_free(d);
}

static void test_io_wrap_checks_shape_and_stride(void **state)
{
    float x[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    mucmm_data *d;
    int64_t shape[MUCMM_MAX_RANK];

    (void)state;
    CHECK_OK(ctx, mucmm_data_wrap(ctx, &(mucmm_cmat){x, 2, 4, 6}, "x", (int64_t[]){2, 2}, 2, &d));
    check_values(d, (float[]){0, 1, 2, 3, 6, 7, 8, 9}, 2, 4);
    assert_int_equal(mucmm_data_shape(d, shape), 2);
    assert_int_equal(shape[1], 2);
    mucmm_data_free(d);
    mucmm_data_free(NULL);
    check_message(mucmm_data_wrap(ctx, &(mucmm_cmat){x, 2, 4, 3}, "x", NULL, 0, &d), MUCMM_EARG,
                  "x: a matrix of 2 x 4, stride 3");
    assert_null(d);
    check_message(mucmm_data_wrap(ctx, &(mucmm_cmat){x, 2, 4, 4}, "x", (int64_t[]){2, 3}, 2, &d),
                  MUCMM_ESHAPE, "is not its 4 columns");
    check_message(mucmm_data_wrap(ctx, &(mucmm_cmat){x, 2, 4, 4}, "x", (int64_t[]){-2, -2}, 2, &d),
                  MUCMM_ESHAPE, "is not its 4 columns");
}

/* ---- data from memory -------------------------------------------------------------- */

static void count_release(void *user)
{
    ++*(int *)user;
}

static mucmm_array array_of(mucmm_dtype dtype, const void *data, int *released)
{
    static const char *const columns[] = {"one", "two"}, *const keys[] = {"a", "b", "c"};
    mucmm_array a;

    mucmm_array_init(&a);
    a.dtype = dtype;
    a.data = data;
    a.rows = 3;
    a.cols = 2;
    a.columns = columns;
    a.keys = keys;
    a.label = "memory";
    a.release = count_release;
    a.user = released;
    return a;
}

static void test_io_memory_of_any_type_is_read_as_a_file_is(void **state)
{
    static const float f[] = {1, 2, 3, 4, 5, 6};
    static const double g[] = {1, 2, 3, 4, 5, 6};
    static const int64_t k[] = {1, 2, 3, 4, 5, 6};
    static const uint8_t b[] = {1, 2, 3, 4, 5, 6};
    const struct {
        mucmm_dtype dtype;
        const void *data;
    } kinds[] = {{MUCMM_F32, f}, {MUCMM_F64, g}, {MUCMM_I64, k}, {MUCMM_U8, b}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        int released = 0;
        mucmm_array a = array_of(kinds[i].dtype, kinds[i].data, &released);
        mucmm_data *d, *rows;
        float x[6];
        CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
        assert_string_equal(mucmm_data_column(d, 1), "two");
        assert_string_equal(mucmm_data_key(d, 2), "c");
        CHECK_OK(ctx, mucmm_data_subset(ctx, d, (int64_t[]){2, 0}, 2, &rows));
        mucmm_data_free(d);
        assert_int_equal(released, 0); /* the subset uses it */
        CHECK_OK(ctx, mucmm_data_read(ctx, rows, NULL, 2, &(mucmm_mat){x, 2, 2, 2}));
        CHECK_CLOSE((double)x[0], 5, 0);
        CHECK_CLOSE((double)x[3], 2, 0);
        mucmm_data_free(rows);
        assert_int_equal(released, 1);
    }
}

static void test_io_memory_with_keys_is_paired(void **state)
{
    static const float f[] = {1, 2, 3, 4, 5, 6};
    static const char *const other[] = {"c", "a", "b"}, *const twice[] = {"c", "a", "c"};
    int released = 0;
    mucmm_array a = array_of(MUCMM_F32, f, &released), b = a;
    mucmm_data *d[2];

    (void)state;
    b.keys = other;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d[0]));
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &b, &d[1]));
    CHECK_OK(ctx, mucmm_data_pair(ctx, d, 2));
    assert_int_equal(mucmm_data_source_row(d[1], 0), 1);
    mucmm_data_free(d[1]);
    b.keys = twice;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &b, &d[1]));
    check_message(mucmm_data_pair(ctx, d, 2), MUCMM_EFORMAT,
                  "memory: row 2: key 'c' stands already in row 0");
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
    assert_int_equal(released, 3);
}

/* What is refused stays the caller's, and so does what there was no memory for. */
static void test_io_memory_that_is_refused_is_not_released(void **state)
{
    static const double g[] = {NAN, NAN, 3, 4, NAN, NAN}, none[] = {NAN, NAN, NAN, NAN, NAN, NAN};
    static const char *const hole[] = {"a", NULL, "c"};
    int released = 0;
    mucmm_array a = array_of(MUCMM_F64, g, &released), bad = a;
    mucmm_data *d;

    (void)state;
    a.missing = 1;
    CHECK_OK(ctx, mucmm_data_adopt(ctx, &a, &d));
    assert_int_equal(mucmm_data_missing(d), 2);
    mucmm_data_free(d);
    assert_int_equal(released, 1);
    a.data = none;
    check_message(mucmm_data_adopt(ctx, &a, &d), MUCMM_EFORMAT, "no row holds a value");
    bad.keys = hole;
    check_message(mucmm_data_adopt(ctx, &bad, &d), MUCMM_EARG, "the key of row 1 is NULL");
    bad = array_of(MUCMM_BF16, g, &released);
    check_message(mucmm_data_adopt(ctx, &bad, &d), MUCMM_EARG, "type 16");
    bad = array_of(MUCMM_F64, g, &released);
    bad.stride = 1;
    check_message(mucmm_data_adopt(ctx, &bad, &d), MUCMM_EARG, "stride 1");
    assert_null(d);
    assert_int_equal(mucmm_data_adopt(ctx, NULL, &d), MUCMM_EARG);
    assert_int_equal(released, 1);
}

static void test_io_subset_keeps_its_parent(void **state)
{
    mucmm_data *d, *part, *part_of_part;

    (void)state;
    CHECK_OK(ctx, open_text("x.csv", NULL, ",a\np,1\nq,2\nr,3\n", &d));
    CHECK_OK(ctx, mucmm_data_subset(ctx, d, (int64_t[]){2, 0, 2}, 3, &part));
    mucmm_data_free(d);
    CHECK_OK(ctx, mucmm_data_subset(ctx, part, (int64_t[]){1, 2}, 2, &part_of_part));
    check_values(part, (float[]){3, 1, 3}, 3, 1);
    assert_string_equal(mucmm_data_key(part, 1), "p");
    mucmm_data_free(part);
    check_values(part_of_part, (float[]){1, 3}, 2, 1);
    assert_string_equal(mucmm_data_key(part_of_part, 1), "r");
    assert_string_equal(mucmm_data_label(part_of_part), "x.csv");
    assert_string_equal(mucmm_data_column(part_of_part, 0), "a");
    check_message(mucmm_data_subset(ctx, part_of_part, (int64_t[]){2}, 1, &d), MUCMM_EARG,
                  "row 2 asked for, the rows are 0 to 1");
    assert_null(d);
    mucmm_data_free(part_of_part);
}

/* ---- pairing ----------------------------------------------------------------------- */

static void test_io_pair_reorders_rows(void **state)
{
    mucmm_data *d[3];

    (void)state;
    CHECK_OK(ctx, open_text("a.csv", "id", "id,x\nP1,1\nP2,2\nP3,3\n", &d[0]));
    CHECK_OK(ctx, open_text("b.csv", "", ",y\nP3,30\nP1,10\nP2,20\n", &d[1]));
    CHECK_OK(ctx, open_text("c.tsv", "n", "z\tn\n200\tP2\n300\tP3\n100\tP1\n", &d[2]));
    CHECK_OK(ctx, mucmm_data_pair(ctx, d, 3));
    check_values(d[0], (float[]){1, 2, 3}, 3, 1);
    check_values(d[1], (float[]){10, 20, 30}, 3, 1);
    check_values(d[2], (float[]){100, 200, 300}, 3, 1);
    for (int m = 0; m < 3; m++)
        mucmm_data_free(d[m]);
}

static void check_pair(const char *a, const char *b, const char *fragment)
{
    mucmm_data *d[2], *before[2];

    CHECK_OK(ctx, open_text("a.csv", "id", a, &d[0]));
    CHECK_OK(ctx, open_text("b.csv", "id", b, &d[1]));
    memcpy(before, d, sizeof d);
    check_message(mucmm_data_pair(ctx, d, 2), MUCMM_EFORMAT, fragment);
    assert_memory_equal(before, d, sizeof d);
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
}

static void test_io_pair_names_keys_that_do_not_match(void **state)
{
    mucmm_data *d[2];

    (void)state;
    check_pair("id,x\nP1,1\nP2,2\n", "id,y\nP2,1\n\"P7\",2\n",
               "b.csv:3: key 'P7' is not in a.csv (1 of 2 keys are not)");
    check_pair("id,x\nP1,1\nP2,2\n", "id,y\nP2,1\n", "a.csv:2: key 'P1' is not in b.csv");
    check_pair("id,x\nP1,1\nP1,2\n", "id,y\nP1,1\n", "a.csv:3: key 'P1' stands already in line 2");
    check_pair("id,x\nP1,1\n", "id,y\nP1,1\nP1,2\n", "b.csv:3: key 'P1' stands already in line 2");
    CHECK_OK(ctx, open_text("a.csv", "id", "id,x\nP1,1\n", &d[0]));
    CHECK_OK(ctx, open_text("b.csv", NULL, ",x\nP1,1\n", &d[1]));
    check_message(mucmm_data_pair(ctx, d, 2), MUCMM_EARG, "b.csv was opened without a key");
    mucmm_data_free(d[1]);
    d[1] = d[0];
    check_message(mucmm_data_pair(ctx, d, 2), MUCMM_EARG, "the same object");
    check_message(mucmm_data_pair(ctx, d, 0), MUCMM_EARG, "at least one");
    mucmm_data_free(d[0]);
}

/* ---- rows that lack a view --------------------------------------------------------- */

static mucmm_data *open_missing(const char *name, const char *key, const char *text)
{
    mucmm_data_params p;
    mucmm_data *d = NULL;

    mucmm_data_params_init(&p);
    p.key = key;
    p.missing = 1;
    CHECK_OK(ctx, mucmm__data_open_memory(ctx, name, &p, text, strlen(text), &d));
    return d;
}

/* has: one digit a row */
static void check_has(const mucmm_data *d, const char *has)
{
    int64_t missing = 0;

    assert_int_equal(mucmm_data_rows(d), strlen(has));
    for (int64_t i = 0; has[i]; i++) {
        assert_int_equal(mucmm_data_has(d, i), has[i] == '1');
        missing += has[i] != '1';
    }
    assert_int_equal(mucmm_data_missing(d), missing);
    assert_int_equal(mucmm_data_has(d, -1), 0);
    assert_int_equal(mucmm_data_has(d, mucmm_data_rows(d)), 0);
}

static void test_io_rows_without_values(void **state)
{
    mucmm_data *d = open_missing("x.csv", NULL, "a,b\n1,2\n,NA\n3,4\n nan ,\n5,6\n"), *part;
    float out[6];

    (void)state;
    check_has(d, "10101");
    CHECK_OK(ctx, mucmm_data_read(ctx, d, (int64_t[]){0, 2, 4}, 3, &(mucmm_mat){out, 3, 2, 2}));
    assert_memory_equal(out, ((float[]){1, 2, 3, 4, 5, 6}), sizeof out);
    check_message(mucmm_data_read(ctx, d, NULL, 2, &(mucmm_mat){out, 3, 2, 2}), MUCMM_EARG,
                  "x.csv: row 1 lacks this view");
    CHECK_OK(ctx, mucmm_data_subset(ctx, d, (int64_t[]){4, -1, 3}, 3, &part));
    check_has(part, "100");
    check_message(mucmm_data_read(ctx, part, (int64_t[]){1}, 1, &(mucmm_mat){out, 1, 2, 2}),
                  MUCMM_EARG, "row 1 lacks this view");
    mucmm_data_free(part);
    check_message(mucmm_data_subset(ctx, d, (int64_t[]){-2}, 1, &part), MUCMM_EARG, "row -2");
    mucmm_data_free(d);
    d = open_missing("x.csv", NULL, "a\n1\n2\n");
    check_has(d, "11");
    mucmm_data_free(d);
}

static void test_io_array_rows_without_values(void **state)
{
    float x[] = {1, 2, NAN, NAN, 3, NAN, NAN, NAN, 5, 6}, out[4];
    mucmm_data_params p;
    mucmm_data *d = NULL;

    (void)state;
    CHECK_OK(ctx, mucmm_npy_write(ctx, in_folder("x.npy"), x, (int64_t[]){5, 2}, 2));
    mucmm_data_params_init(&p);
    CHECK_OK(ctx, mucmm_data_open(ctx, in_folder("x.npy"), &p, &d));
    check_has(d, "11111");
    check_message(mucmm_data_read(ctx, d, (int64_t[]){0, 3}, 2, &(mucmm_mat){out, 2, 2, 2}),
                  MUCMM_EUNSUPPORTED, "2 of 5 rows hold no value (the first is row 1); remove");
    mucmm_data_free(d);
    p.missing = 1;
    CHECK_OK(ctx, mucmm_data_open(ctx, in_folder("x.npy"), &p, &d));
    check_has(d, "10101");
    CHECK_OK(ctx, mucmm_data_read(ctx, d, (int64_t[]){0, 4}, 2, &(mucmm_mat){out, 2, 2, 2}));
    assert_memory_equal(out, ((float[]){1, 2, 5, 6}), sizeof out);
    CHECK_OK(ctx, mucmm_data_read(ctx, d, (int64_t[]){2}, 1, &(mucmm_mat){out, 1, 2, 2}));
    assert_true(out[0] == 3 && isnan(out[1]) && mucmm_data_empty(d, 2) == 1);
    mucmm_data_free(d);
    x[0] = x[1] = x[4] = x[8] = x[9] = NAN;
    CHECK_OK(ctx, mucmm_npy_write(ctx, in_folder("x.npy"), x, (int64_t[]){5, 2}, 2));
    check_message(mucmm_data_open(ctx, in_folder("x.npy"), &p, &d), MUCMM_EFORMAT,
                  "no row holds a value");
    assert_null(d);
    unlink(in_folder("x.npy"));
}

static void test_io_pair_all_takes_every_key(void **state)
{
    static const char *const keys[] = {"P1", "P2", "P3", "P9", "P0"};
    mucmm_data *d[3], *before[3];

    (void)state;
    d[0] = open_missing("a.csv", "id", "id,x\nP1,1\nP2,NA\nP3,3\n");
    d[1] = open_missing("b.csv", "id", "id,y\nP9,90\nP3,30\n");
    d[2] = open_missing("c.csv", "id", "id,z\nP0,7\nP2,200\nP9,900\nP1,100\n");
    CHECK_OK(ctx, mucmm_data_pair_all(ctx, d, 3));
    check_has(d[0], "10100");
    check_has(d[1], "00110");
    check_has(d[2], "11011");
    for (int64_t i = 0; i < 5; i++)
        for (int m = 0; m < 3; m++) {
            const char *key = mucmm_data_key(d[m], i);
            if (key || mucmm_data_has(d[m], i))
                assert_string_equal(key, keys[i]);
        }
    memcpy(before, d, sizeof d);
    check_message(mucmm_data_pair_all(ctx, d, 3), MUCMM_EARG, "a.csv has been paired already");
    assert_memory_equal(before, d, sizeof d);
    for (int m = 0; m < 3; m++)
        mucmm_data_free(d[m]);
    d[0] = open_missing("a.csv", "id", "id,x\nP1,1\n");
    d[1] = open_missing("b.csv", "id", "id,y\nP2,1\nP3,1\nP2,4\n");
    check_message(mucmm_data_pair_all(ctx, d, 2), MUCMM_EFORMAT,
                  "b.csv:4: key 'P2' stands already in line 2");
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
}

/* ---- real files -------------------------------------------------------------------- */

static void test_io_reads_real_tables(void **state)
{
    char path[1024];
    mucmm_data *d;

    (void)state;
    shared_path(path, sizeof path, "data/omics/nutrimouse_lipid.csv");
    if (access(path, R_OK) != 0) {
        print_message("# skipped: %s is not there\n", path);
        skip();
    }
    CHECK_OK(ctx, mucmm_data_open(ctx, path, NULL, &d));
    assert_int_equal(mucmm_data_rows(d), 40);
    assert_int_equal(mucmm_data_cols(d), 21);
    assert_string_equal(mucmm_data_column(d, 0), "C14.0");
    assert_string_equal(mucmm_data_key(d, 39), "40");
    mucmm_data_free(d);
}

/* ---- out of memory ----------------------------------------------------------------- */

static mucmm_status sweep_csv(mucmm_ctx *low)
{
    static const char a[] = "id,x\nP1,1\nP2,2\n", b[] = "id,x\nP2,1\nP1,2\n";
    mucmm_data_params p;
    mucmm_data *d[2] = {(mucmm_data *)&p, (mucmm_data *)&p};
    mucmm_status status;

    mucmm_data_params_init(&p);
    p.key = "id";
    status = mucmm__data_open_memory(low, "a.csv", &p, a, sizeof a - 1, &d[0]);
    assert_true((status == MUCMM_OK) == (d[0] != NULL));
    if (status == MUCMM_OK)
        status = mucmm__data_open_memory(low, "b.csv", &p, b, sizeof b - 1, &d[1]);
    else
        d[1] = NULL;
    assert_true((status == MUCMM_OK) == (d[1] != NULL));
    if (status == MUCMM_OK)
        status = mucmm_data_pair(low, d, 2);
    mucmm_data_free(d[0]);
    mucmm_data_free(d[1]);
    return status;
}

static void test_io_tables_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    sweep(sweep_csv);
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io_csv_reads_what_rfc4180_allows),
        cmocka_unit_test(test_io_csv_key_column_is_no_feature),
        cmocka_unit_test(test_io_csv_finds_its_delimiter),
        cmocka_unit_test(test_io_csv_rejects_malformed),
        cmocka_unit_test(test_io_csv_unknown_key_lists_many_columns),
        cmocka_unit_test(test_io_csv_ignores_the_locale),
        cmocka_unit_test(test_io_read_names_the_first_bad_value),
        cmocka_unit_test(test_io_read_checks_its_arguments),
        cmocka_unit_test(test_io_wrap_checks_shape_and_stride),
        cmocka_unit_test(test_io_memory_of_any_type_is_read_as_a_file_is),
        cmocka_unit_test(test_io_memory_with_keys_is_paired),
        cmocka_unit_test(test_io_memory_that_is_refused_is_not_released),
        cmocka_unit_test(test_io_subset_keeps_its_parent),
        cmocka_unit_test(test_io_pair_reorders_rows),
        cmocka_unit_test(test_io_pair_names_keys_that_do_not_match),
        cmocka_unit_test(test_io_rows_without_values),
        cmocka_unit_test(test_io_array_rows_without_values),
        cmocka_unit_test(test_io_pair_all_takes_every_key),
        cmocka_unit_test(test_io_reads_real_tables),
        cmocka_unit_test(test_io_tables_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests_name("tables", tests, set_up, tear_down);
}
