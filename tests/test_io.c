/* SPDX-License-Identifier: MIT
 *
 * Files of every kind but tables: good ones, cut ones, and sizes that lie.
 */
#include "io/number.h"
#include "io_case.h"

#include <fcntl.h>
#include <png.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zlib.h>

/* ---- .npy -------------------------------------------------------------------------- */

static size_t encode(const char *type, int value, unsigned char *out)
{
    static const uint16_t halves[] = {0,      0x3c00, 0x4000, 0x4200, 0x4400, 0x4500,
                                      0x4600, 0x4700, 0x4800, 0x4880, 0x4900, 0x4980};
    size_t size = (size_t)(type[1] - '0');
    int64_t integer = value;
    float f = (float)value;
    double d = value;

    if (type[0] != 'f')
        memcpy(out, &integer, size);
    else if (size == 2)
        memcpy(out, &halves[value], size);
    else if (size == 4)
        memcpy(out, &f, size);
    else
        memcpy(out, &d, size);
    return size;
}

static void reverse(unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        unsigned char t = p[i];
        p[i] = p[n - 1 - i];
        p[n - 1 - i] = t;
    }
}

/* Shape (3, 2, 2), values 0..11 (bool: 0 and 1) in C order, in every spelling. */
static void check_npy_type(const char *type, char order, bool fortran, int version)
{
    unsigned char data[96], bytes[512];
    char header[128];
    float want[12];
    size_t size = 0;
    mucmm_data *d = NULL;
    int64_t shape[MUCMM_MAX_RANK];

    for (int i = 0; i < 12; i++) {
        int a = i / 4, b = i / 2 % 2, c = i % 2, value = type[0] == 'b' ? i % 2 : i;
        size_t n = (size_t)(type[1] - '0');
        size_t at = (size_t)(fortran ? a + 3 * (b + 2 * c) : i) * n;
        want[i] = (float)value;
        size += encode(type, value, data + at);
        if (order == '>')
            reverse(data + at, n);
    }
    snprintf(header, sizeof header, "{'shape': (3, 2, 2), \"descr\":'%c%s', 'fortran_order': %s}\n",
             order, type, fortran ? "True" : "False");
    size = make_npy(bytes, version, header, data, size);
    CHECK_OK(ctx, open_bytes("x.npy", NULL, bytes, size, &d));
    check_values(d, want, 3, 4);
    assert_int_equal(mucmm_data_shape(d, shape), 2);
    assert_int_equal(shape[0], 2);
    assert_int_equal(shape[1], 2);
    assert_null(mucmm_data_column(d, 0));
    assert_null(mucmm_data_key(d, 0));
    mucmm_data_free(d);
}

static void test_io_npy_reads_every_dtype(void **state)
{
    static const char *const types[] = {"b1", "i1", "i2", "i4", "i8", "u1",
                                        "u2", "u4", "u8", "f2", "f4", "f8"};
    (void)state;
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++)
        for (int version = 1; version <= 3; version++)
            for (int fortran = 0; fortran < 2; fortran++)
                for (const char *order = types[k][1] == '1' ? "<>|=" : "<>="; *order; order++)
                    check_npy_type(types[k], *order, fortran, version);
}

static void test_io_npy_reads_extreme_values(void **state)
{
    static const uint16_t halves[] = {0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff};
    static const float half_values[] = {0x1p-24f, -0x1p-24f, 1023 * 0x1p-24f,
                                        0x1p-14f, 65504,     -65504};
    static const int8_t small[] = {-128, 127};
    static const int64_t large[] = {INT64_MIN, INT64_MAX};
    unsigned char bytes[256];
    mucmm_data *d;
    size_t n;

    (void)state;
    n = make_npy(bytes, 1, "{'descr': '<f2', 'fortran_order': False, 'shape': (6,), }", halves, 12);
    CHECK_OK(ctx, open_bytes("x.npy", NULL, bytes, n, &d));
    check_values(d, half_values, 6, 1);
    mucmm_data_free(d);
    n = make_npy(bytes, 1, "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2L)}", small, 2);
    CHECK_OK(ctx, open_bytes("x.npy", NULL, bytes, n, &d));
    check_values(d, (float[]){-128, 127}, 1, 2);
    mucmm_data_free(d);
    n = make_npy(bytes, 1, "{'descr': '<i8', 'fortran_order': True, 'shape': (2, 1)}", large, 16);
    CHECK_OK(ctx, open_bytes("x.npy", NULL, bytes, n, &d));
    check_values(d, (float[]){-0x1p63f, 0x1p63f}, 2, 1);
    mucmm_data_free(d);
}

static void test_io_npy_rejects_malformed(void **state)
{
    static const struct {
        const char *header;
        size_t data;
        mucmm_status status;
        const char *fragment;
    } cases[] = {
        {HEADER("'<f4'", "(2, 3)"), 20, MUCMM_EFORMAT,
         "x.npy: the header says 24 bytes of data, the file has 20 (it is truncated)"},
        {HEADER("'<f4'", "(2, 3)"), 25, MUCMM_EFORMAT, "more than one array"},
        {HEADER("'<c8'", "(2,)"), 16, MUCMM_EUNSUPPORTED,
         "dtype '<c8' is not supported (bool, integers, float16, float32 and float64 are); save it "
         "with np.save of a float array"},
        {HEADER("'|O'", "(2,)"), 16, MUCMM_EUNSUPPORTED, "dtype '|O'"},
        {HEADER("'<U3'", "(2,)"), 24, MUCMM_EUNSUPPORTED, "dtype '<U3'"},
        {HEADER("''", "(2,)"), 24, MUCMM_EUNSUPPORTED, "dtype ''"},
        {HEADER("[('a', '<f4')]", "(2,)"), 8, MUCMM_EUNSUPPORTED, "structured dtype"},
        {HEADER("4", "(2,)"), 8, MUCMM_EFORMAT, "should be a dtype such as '<f4'"},
        {HEADER("'<f4'", "(4611686018427387904, 4)"), 8, MUCMM_EFORMAT, "overflows"},
        {HEADER("'<f4'", "(99999999999999999999,)"), 8, MUCMM_EFORMAT, "should be a dimension"},
        {HEADER("'<f4'", "(-1,)"), 8, MUCMM_EFORMAT, "should be a dimension"},
        {HEADER("'<f4'", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), 4, MUCMM_EUNSUPPORTED,
         "more than 8 dimensions"},
        {HEADER("'<f4'", "(2)"), 8, MUCMM_EFORMAT, "should be ','"},
        {HEADER("'<f4'", "(2, 1"), 8, MUCMM_EFORMAT, "should be"},
        {HEADER("'<f4'", "()"), 4, MUCMM_EFORMAT, "a single number"},
        {HEADER("'<f4'", "(0, 5)"), 0, MUCMM_EFORMAT, "no values (a dimension is 0)"},
        {HEADER("'<f4'", "(5, 0)"), 0, MUCMM_EFORMAT, "no values (a dimension is 0)"},
        {"{'descr': '<f4', 'shape': (1,)}", 4, MUCMM_EFORMAT, "after the keys descr"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (1,)}", 4, MUCMM_EFORMAT, "each once"},
        {"{'what': 1}", 4, MUCMM_EFORMAT, "each once"},
        {"{'descr' '<f4'}", 4, MUCMM_EFORMAT, "should be ':'"},
        {"{'descr': '<f4' 'shape': (1,)}", 4, MUCMM_EFORMAT, "',' or '}'"},
        {"{'descr': '<f4', 'fortran_order': 1, 'shape': (1,)}", 4, MUCMM_EFORMAT, "True or False"},
        {HEADER("'<f4'", "(1,)") " x", 4, MUCMM_EFORMAT, "should be the end of the header"},
        {"", 4, MUCMM_EFORMAT, "should be '{'"},
        {"{'descr", 4, MUCMM_EFORMAT, "should be a key"},
        {"garbage", 4, MUCMM_EFORMAT, "malformed .npy header: byte 10 should be '{'"},
    };
    unsigned char bytes[512], zeros[64] = {0};
    mucmm_data *d;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        size_t n = make_npy(bytes, 1, cases[k].header, zeros, cases[k].data);
        check_message(open_bytes("x.npy", NULL, bytes, n, &d), cases[k].status, cases[k].fragment);
        assert_null(d);
    }
    check_message(open_bytes("x.npy", NULL, "", 0, &d), MUCMM_EFORMAT, "x.npy: the file is empty");
    check_message(open_bytes("x.npy", NULL, "\x93NUMPY\x01", 8, &d), MUCMM_EFORMAT,
                  "cut off after 8 bytes");
    check_message(open_bytes("x.npy", NULL, "\x93NUMPY\x04\0\0\0\0\0\0", 13, &d),
                  MUCMM_EUNSUPPORTED, "version 4.0 (1 to 3 are read)");
    check_message(open_bytes("x.npy", NULL, "\x93NUMPY\x01\0\xff\xff  ", 12, &d), MUCMM_EFORMAT,
                  "a .npy header of 65535 bytes, but the file has 12");
    check_message(open_bytes("x.npy", "id", "\x93NUMPY\x01\0\xff\xff  ", 12, &d), MUCMM_EARG,
                  "x.npy: has no key column");
}

static void test_io_npy_write_round_trip(void **state)
{
    static const int64_t shape[MUCMM_MAX_RANK] = {2, 1, 3, 1, 2, 1, 1, 2};
    float values[24];
    double *back;
    int64_t got[MUCMM_MAX_RANK], n = 1;
    int32_t got_rank;

    (void)state;
    for (int i = 0; i < 24; i++)
        values[i] = 0.1f * (float)i - 1;
    for (int32_t rank = 0; rank <= MUCMM_MAX_RANK; rank++) {
        n *= rank ? shape[rank - 1] : 1;
        CHECK_OK(ctx, mucmm_npy_write(ctx, in_folder("w.npy"), values, shape, rank));
        CHECK_OK(ctx, mucmm__npy_read_double(ctx, in_folder("w.npy"), &back, got, &got_rank));
        assert_int_equal(got_rank, rank);
        assert_memory_equal(got, shape, (size_t)rank * sizeof *got);
        for (int64_t i = 0; i < n; i++)
            CHECK_CLOSE(back[i], values[i], 0);
        mucmm__free(back);
    }
    check_message(mucmm_npy_write(ctx, in_folder("w.npy"), values, shape, 9), MUCMM_EARG,
                  "rank 9 is not in 0..8");
    check_message(mucmm_npy_write(ctx, in_folder("w.npy"), values, (int64_t[]){-1}, 1),
                  MUCMM_ESHAPE, "negative");
}

static void test_io_npy_tensors_keep_every_type(void **state)
{
    static const mucmm_dtype types[] = {MUCMM_BOOL, MUCMM_I8,  MUCMM_I16, MUCMM_I32,
                                        MUCMM_I64,  MUCMM_U8,  MUCMM_U16, MUCMM_U32,
                                        MUCMM_U64,  MUCMM_F16, MUCMM_F32, MUCMM_F64};
    static const unsigned char ones[48] = {[0] = 1, [1] = 1, [5] = 1, [17] = 1};
    mucmm_tensor back;

    (void)state;
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        mucmm_tensor t = {types[k], 3, {1, 2, 3}, (void *)ones};
        CHECK_OK(ctx, mucmm_npy_write_tensor(ctx, in_folder("t.npy"), &t));
        CHECK_OK(ctx, mucmm_npy_read(ctx, in_folder("t.npy"), 0, &back));
        assert_int_equal(back.dtype, types[k]);
        assert_int_equal(back.rank, 3);
        assert_memory_equal(back.shape, t.shape, sizeof t.shape);
        assert_memory_equal(back.data, ones, 6);
        mucmm_tensor_free(&back);
    }
    mucmm_tensor half = {MUCMM_BF16, 1, {2}, (uint16_t[]){0x3f80, 0xc000}};
    CHECK_OK(ctx, mucmm_npy_write_tensor(ctx, in_folder("t.npy"), &half));
    CHECK_OK(ctx, mucmm_npy_read(ctx, in_folder("t.npy"), 0, &back));
    assert_int_equal(back.dtype, MUCMM_F32);
    CHECK_CLOSE(((float *)back.data)[0], 1, 0);
    CHECK_CLOSE(((float *)back.data)[1], -2, 0);
    mucmm_tensor_free(&back);
    half.dtype = (mucmm_dtype)8;
    check_message(mucmm_npy_write_tensor(ctx, in_folder("t.npy"), &half), MUCMM_EARG, "no type");
    half = (mucmm_tensor){MUCMM_BF16, 9, {2}, ""};
    check_message(mucmm_npy_write_tensor(ctx, in_folder("t.npy"), &half), MUCMM_EARG, "rank 9");
    mucmm_tensor_free(NULL);
}

static void test_io_npy_tensors_are_converted(void **state)
{
    unsigned char bytes[256];
    double numbers[4] = {3, -2, 0, 1e300}, *d;
    const int64_t large[2] = {INT64_MAX, 1};
    mucmm_tensor t;
    size_t n;

    (void)state;
    n = make_npy(bytes, 1, "{'descr': '<f8', 'fortran_order': True, 'shape': (1, 3)}", numbers, 24);
    put_file("c.npy", bytes, n);
    CHECK_OK(ctx, mucmm_npy_read(ctx, in_folder("c.npy"), MUCMM_I8, &t));
    assert_memory_equal(t.data, ((int8_t[]){3, -2, 0}), 3);
    mucmm_tensor_free(&t);
    check_message(mucmm_npy_read(ctx, in_folder("c.npy"), MUCMM_U8, &t), MUCMM_ENUMERIC,
                  "number 1 in C order is -2, which dtype 'u1' does not hold");
    assert_null(t.data);
    check_message(mucmm_npy_read(ctx, in_folder("c.npy"), MUCMM_BOOL, &t), MUCMM_ENUMERIC,
                  "number 0");
    check_message(mucmm_npy_read(ctx, in_folder("c.npy"), MUCMM_F16, &t), MUCMM_EUNSUPPORTED,
                  "not converted");
    n = make_npy(bytes, 1, "{'descr': '>f8', 'fortran_order': True, 'shape': (2, 2)}", numbers, 32);
    put_file("c.npy", bytes, n);
    CHECK_OK(ctx, mucmm_npy_read(ctx, in_folder("c.npy"), MUCMM_F64, &t));
    d = t.data; /* numbers 0, 2, 1, 3, their bytes turned round */
    assert_memory_equal(((unsigned char[]){0, 0, 0, 0, 0, 0, 8, 0x40}), &numbers[0], 8);
    assert_memory_equal(((unsigned char[]){0x40, 8, 0, 0, 0, 0, 0, 0}), &d[0], 8);
    CHECK_CLOSE(d[1], 0, 0);
    mucmm_tensor_free(&t);
    n = make_npy(bytes, 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}", large, 16);
    put_file("c.npy", bytes, n);
    check_message(mucmm_npy_read(ctx, in_folder("c.npy"), MUCMM_U64, &t), MUCMM_ENUMERIC,
                  "number 0");
    CHECK_OK(ctx, mucmm_npy_read(ctx, in_folder("c.npy"), MUCMM_I64, &t));
    assert_memory_equal(t.data, large, sizeof large);
    mucmm_tensor_free(&t);
    put_file("c.npy", "no", 2);
    check_message(mucmm_npy_read(ctx, in_folder("c.npy"), 0, &t), MUCMM_EFORMAT, "not a .npy file");
    check_message(mucmm_npy_read(ctx, in_folder("nosuch"), 0, &t), MUCMM_EIO, "nosuch");
}

static void test_io_open_reads_mapped_files(void **state)
{
    float values[6] = {1, 2, 3, 4, 5, 6};
    mucmm_data *d;

    (void)state;
    CHECK_OK(ctx, mucmm_npy_write(ctx, in_folder("m.npy"), values, (int64_t[]){3, 2}, 2));
    CHECK_OK(ctx, mucmm_data_open(ctx, in_folder("m.npy"), NULL, &d));
    /* A file that is replaced while it is mapped keeps its old values for us. */
    CHECK_OK(ctx, mucmm_npy_write(ctx, in_folder("m.npy"), values, (int64_t[]){1}, 1));
    check_values(d, values, 3, 2);
    assert_string_equal(mucmm_data_label(d), in_folder("m.npy"));
    mucmm_data_free(d);

    check_message(mucmm_data_open(ctx, in_folder("none.npy"), NULL, &d), MUCMM_EIO,
                  "none.npy: No such file or directory");
    check_message(mucmm_data_open(ctx, "/", NULL, &d), MUCMM_EIO, "it is a folder");
    check_message(mucmm_data_open(ctx, "/dev/null", NULL, &d), MUCMM_EIO, "not a regular file");
    check_message(mucmm_data_open(ctx, NULL, NULL, &d), MUCMM_EARG, "no file name");
    put_file("empty.csv", "", 0);
    check_message(mucmm_data_open(ctx, in_folder("empty.csv"), NULL, &d), MUCMM_EFORMAT,
                  "empty.csv: the file is empty");
    check_message(mucmm_data_open(ctx, in_folder("empty.csv"), &(mucmm_data_params){0}, &d),
                  MUCMM_EARG, "mucmm_data_params_init");
}

static void test_io_unknown_kinds_are_refused(void **state)
{
    mucmm_data *d;

    (void)state;
    check_message(open_bytes("x.txt", NULL, "a,b\n1,2\n", 8, &d), MUCMM_EUNSUPPORTED,
                  "x.txt: not a kind this program reads (.npy, .npz, .csv[.gz], .tsv[.gz],");
    check_message(open_bytes("x.idx", NULL, "\0\0\x07\x01\0\0\0\1", 8, &d), MUCMM_EUNSUPPORTED,
                  "not a kind");
    CHECK_OK(ctx, open_bytes("X.CSV", NULL, "a,b\n1,2\n", 8, &d));
    mucmm_data_free(d);
}

/* ---- IDX --------------------------------------------------------------------------- */

static size_t make_idx(unsigned char code, const char *type, unsigned char *out)
{
    size_t n = 4 + 4 * 3, size = (size_t)(type[1] - '0');

    memset(out, 0, 16);
    out[2] = code;
    out[3] = 3;
    out[7] = 3;
    out[11] = out[15] = 2;
    for (int i = 0; i < 12; i++) {
        n += encode(type, i, out + n);
        reverse(out + n - size, size);
    }
    return n;
}

static size_t gzip(const unsigned char *bytes, size_t size, unsigned char *out, size_t room)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    room = z.total_out;
    deflateEnd(&z);
    return room;
}

static void test_io_idx_reads_every_type(void **state)
{
    static const struct {
        unsigned char code;
        const char *type;
    } types[] = {{8, "u1"}, {9, "i1"}, {11, "i2"}, {12, "i4"}, {13, "f4"}, {14, "f8"}};
    unsigned char plain[256], packed[512];
    float want[12];
    mucmm_data *d;

    (void)state;
    for (int i = 0; i < 12; i++)
        want[i] = (float)i;
    for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
        size_t n = make_idx(types[k].code, types[k].type, plain), m;
        CHECK_OK(ctx, open_bytes("x-idx3-ubyte", NULL, plain, n, &d));
        check_values(d, want, 3, 4);
        mucmm_data_free(d);
        m = gzip(plain, 7, packed, sizeof packed); /* two members */
        m += gzip(plain + 7, n - 7, packed + m, sizeof packed - m);
        put_file("x-idx3-ubyte.gz", packed, m);
        CHECK_OK(ctx, mucmm_data_open(ctx, in_folder("x-idx3-ubyte.gz"), NULL, &d));
        check_values(d, want, 3, 4);
        mucmm_data_free(d);
    }
}

static void check_gzip(const unsigned char *plain, size_t size, mucmm_status status,
                       const char *fragment)
{
    unsigned char packed[4096];
    mucmm_data *d;

    check_message(open_bytes("x.gz", NULL, packed, gzip(plain, size, packed, sizeof packed), &d),
                  status, fragment);
    assert_null(d);
}

static void test_io_idx_rejects_malformed(void **state)
{
    unsigned char plain[256], packed[512];
    size_t n = make_idx(8, "u1", plain), m;
    mucmm_data *d;

    (void)state;
    check_message(open_bytes("x", NULL, plain, n - 1, &d), MUCMM_EFORMAT,
                  "x: the IDX header says 28 bytes, the file has 27");
    check_message(open_bytes("x", NULL, plain, n + 1, &d), MUCMM_EFORMAT, "has 29");
    check_message(open_bytes("x", NULL, plain, 10, &d), MUCMM_EFORMAT, "cut off after 10 bytes");
    check_gzip(plain, n - 1, MUCMM_EFORMAT, "says 28 bytes, the file has fewer");
    check_gzip(plain, n + 1, MUCMM_EFORMAT, "says 28 bytes, the file has more");
    check_gzip(plain, 10, MUCMM_EFORMAT, "cut off after 10 bytes");
    check_gzip((const unsigned char *)"a,b\n1,2\n", 8, MUCMM_EUNSUPPORTED, "gunzip");
    m = gzip(plain, n, packed, sizeof packed);
    for (size_t cut = 2; cut < m; cut++) {
        check_message(open_bytes("x.gz", NULL, packed, cut, &d), MUCMM_EFORMAT, "x.gz: ");
        assert_null(d);
    }
    check_message(open_bytes("x.gz", NULL, packed, m - 1, &d), MUCMM_EFORMAT, "cut off");
    packed[m - 5] ^= 1;
    check_message(open_bytes("x.gz", NULL, packed, m, &d), MUCMM_EFORMAT, "damaged");
    memset(plain + 4, 0xff, 12);
    check_gzip(plain, n, MUCMM_EFORMAT, "overflows");
    memset(plain + 4, 0, 12);
    plain[4] = plain[11] = plain[15] = 1; /* 2^24 bytes declared, few compressed */
    check_gzip(plain, n, MUCMM_EFORMAT, "compressed bytes can hold");
}

static void test_io_gzip_bomb_meets_max_alloc(void **state)
{
    mucmm_ctx_params p;
    mucmm_ctx *small;
    size_t n = 8 + 4000000;
    unsigned char *plain = calloc(1, n), packed[8192];
    mucmm_data *d;

    (void)state;
    memcpy(plain, "\0\0\x08\x01\0\x3d\x09\0", 8); /* 4,000,000 */
    mucmm_ctx_params_init(&p);
    p.max_alloc = 1 << 20;
    assert_int_equal(mucmm_ctx_create(&p, &small), MUCMM_OK);
    n = gzip(plain, n, packed, sizeof packed);
    assert_int_equal(mucmm__data_open_memory(small, "x.gz", NULL, packed, n, &d), MUCMM_ENOMEM);
    assert_null(d);
    CHECK_OK(ctx, mucmm__data_open_memory(ctx, "x.gz", NULL, packed, n, &d));
    assert_int_equal(mucmm_data_rows(d), 4000000);
    mucmm_data_free(d);
    mucmm_ctx_free(small);
    free(plain);
}

/* ---- writing ----------------------------------------------------------------------- */

static void test_io_writer_replaces_whole_files(void **state)
{
    char text[100], big[200000];
    struct stat st;
    mode_t mask = umask(027);
    int files = count_files();

    (void)state;
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("o.txt"), "first", 5));
    assert_int_equal(stat(in_folder("o.txt"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    umask(mask);
    assert_int_equal(chmod(in_folder("o.txt"), 0600), 0);
    assert_int_equal(symlink("o.txt", in_folder("link")), 0);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("link"), "second", 6));
    assert_int_equal(get_file("o.txt", text, sizeof text), 6);
    assert_memory_equal(text, "second", 6);
    assert_int_equal(lstat(in_folder("link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(in_folder("o.txt"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    memset(big, 'x', sizeof big);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("o.txt"), big, sizeof big));
    assert_int_equal(stat(in_folder("o.txt"), &st), 0);
    assert_int_equal(st.st_size, sizeof big);
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder("o.txt"), NULL, 0));
    assert_int_equal(get_file("o.txt", text, sizeof text), 0);
    assert_int_equal(count_files(), files + 2);
}

static void test_io_writer_failure_keeps_the_old_file(void **state)
{
    struct rlimit old, low;
    static char big[300000];
    char text[100];
    mucmm__writer *w;
    int files;

    (void)state;
    put_file("keep.txt", "old", 3);
    files = count_files();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){100000, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    check_message(mucmm_file_write(ctx, in_folder("keep.txt"), big, sizeof big), MUCMM_EIO,
                  "keep.txt: File too large");
    CHECK_OK(ctx, mucmm__writer_create(ctx, in_folder("keep.txt"), &w));
    assert_int_equal(mucmm__writer_put(ctx, w, big, sizeof big), MUCMM_EIO);
    check_message(mucmm__writer_commit(ctx, w), MUCMM_EIO, "keep.txt: File too large");
    mucmm__writer_free(w);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    CHECK_OK(ctx, mucmm__writer_create(ctx, in_folder("keep.txt"), &w));
    CHECK_OK(ctx, mucmm__writer_put(ctx, w, "new", 3));
    mucmm__writer_free(w); /* given up */
    assert_int_equal(get_file("keep.txt", text, sizeof text), 3);
    assert_memory_equal(text, "old", 3);
    assert_int_equal(count_files(), files);
}

/* A process that is killed while it writes; false where the file system has only files with names.
 */
static bool write_and_be_killed(const char *name)
{
    int probe = open(folder, O_WRONLY | O_TMPFILE, 0600), status = 0;
    pid_t child;

    if (probe < 0)
        return false;
    close(probe);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static char big[300000];
        mucmm__writer *w;
        if (mucmm__writer_create(ctx, name, &w) == MUCMM_OK &&
            mucmm__writer_put(ctx, w, big, sizeof big) == MUCMM_OK)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return true;
}

static void test_io_writer_that_is_killed_leaves_nothing(void **state)
{
    char text[100];
    int files;

    (void)state;
    put_file("kept.txt", "old", 3);
    files = count_files();
    if (!write_and_be_killed(in_folder("kept.txt")) || !write_and_be_killed(in_folder("new.txt")))
        skip();
    assert_int_equal(count_files(), files);
    assert_int_equal(get_file("kept.txt", text, sizeof text), 3);
}

static void test_io_writer_takes_any_name_that_a_file_may_have(void **state)
{
    char name[260], whole[400];
    int files = count_files();

    (void)state;
    for (size_t n = 255; n <= 256; n++) {
        mucmm__writer *w = NULL;
        memset(name, 'n', n);
        name[n] = '\0';
        snprintf(whole, sizeof whole, "%s/%s", folder, name);
        if (n == 255) {
            CHECK_OK(ctx, mucmm_file_write(ctx, whole, "x", 1));
            assert_int_equal(unlink(whole), 0);
        } else /* told before anything is written */
            check_message(mucmm__writer_create(ctx, whole, &w), MUCMM_EIO, "File name too long");
    }
    assert_int_equal(count_files(), files);
}

static void test_io_writer_reports_places_it_cannot_write(void **state)
{
    static char big[300000];

    (void)state;
    CHECK_OK(ctx, mucmm_file_write(ctx, "/dev/null", big, sizeof big));
    check_message(mucmm_file_write(ctx, "/dev/full", "x", 1), MUCMM_EIO,
                  "cannot write /dev/full: No space left on device");
    check_message(mucmm_file_write(ctx, "/dev/full", big, sizeof big), MUCMM_EIO, "No space left");
    check_message(mucmm_file_write(ctx, folder, "x", 1), MUCMM_EIO, "Is a directory");
    check_message(mucmm_file_write(ctx, in_folder("none/x"), "x", 1), MUCMM_EIO,
                  "none/x: No such file or directory");
    check_message(mucmm_file_write(ctx, "", "x", 1), MUCMM_EIO, "cannot write ");
}

static void test_io_png_round_trip(void **state)
{
    unsigned char rgb[5 * 3 * 3], back[5 * 3 * 3];
    png_image image = {.version = PNG_IMAGE_VERSION};

    (void)state;
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (unsigned char)(i * 37);
    CHECK_OK(ctx, mucmm__png_write(ctx, in_folder("p.png"), 5, 3, rgb));
    assert_true(png_image_begin_read_from_file(&image, in_folder("p.png")));
    assert_int_equal(image.width, 5);
    assert_int_equal(image.height, 3);
    image.format = PNG_FORMAT_RGB;
    assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
    assert_memory_equal(rgb, back, sizeof rgb);
    check_message(mucmm__png_write(ctx, "p.png", 0, 3, rgb), MUCMM_EARG, "0 x 3 pixels");
    check_message(mucmm__png_write(ctx, "p.png", 1000000, 1000000, rgb), MUCMM_EARG, "2 GB");
    check_message(mucmm__png_write(ctx, "/dev/full", 5, 3, rgb), MUCMM_EIO, "No space left");
}

/* ---- safetensors ------------------------------------------------------------------- */

static const float f32[3] = {1, 2, 3};
static const double f64[2] = {1.5, -2.5};
static const int64_t i64[1] = {INT64_MIN};
static const mucmm__tensor some_tensors[] = {
    {"a", MUCMM_F32, 2, {3, 1}, f32},        {"b", MUCMM_F64, 1, {2}, f64},
    {"scalar", MUCMM_I64, 0, {0}, i64},      {"none", MUCMM_F32, 2, {0, 7}, NULL},
    {"\xc3\xa9 \"", MUCMM_F32, 1, {1}, f32},
};
static const char *const some_metadata[] = {"format", "1", "text", "{\"x\": \"\xc3\xa9\"}"};

static void test_io_safetensors_round_trip(void **state)
{
    mucmm__safetensors *s;
    char length[8];

    (void)state;
    CHECK_OK(ctx,
             mucmm__safetensors_write(ctx, in_folder("t.st"), some_tensors, 5, some_metadata, 2));
    assert_int_equal(get_file("t.st", length, 1), 1);
    assert_int_equal(length[0] % 8, 0); /* so that the data begin aligned */
    CHECK_OK(ctx, mucmm__safetensors_open(ctx, in_folder("t.st"), &s));
    for (int k = 0; k < 5; k++) {
        const mucmm__tensor *want = &some_tensors[k];
        const mucmm__tensor *got = mucmm__safetensors_find(s, want->name);
        size_t size = want->dtype == MUCMM_F32 ? 4 : 8;
        assert_non_null(got);
        assert_int_equal(got->dtype, want->dtype);
        assert_int_equal(got->rank, want->rank);
        assert_memory_equal(got->shape, want->shape, (size_t)want->rank * sizeof *want->shape);
        assert_int_equal((uintptr_t)got->data % size, 0);
        for (int j = 0; j < want->rank; j++)
            size *= (size_t)want->shape[j];
        if (size)
            assert_memory_equal(got->data, want->data, size);
    }
    assert_null(mucmm__safetensors_find(s, "c"));
    assert_string_equal(mucmm__safetensors_metadata(s, "text"), some_metadata[3]);
    assert_null(mucmm__safetensors_metadata(s, "none"));
    mucmm__safetensors_free(s);
    CHECK_OK(ctx, mucmm__safetensors_write(ctx, in_folder("t.st"), NULL, 0, NULL, 0));
    CHECK_OK(ctx, mucmm__safetensors_open(ctx, in_folder("t.st"), &s));
    assert_null(mucmm__safetensors_metadata(s, "text"));
    mucmm__safetensors_free(s);
}

/* Each type has a name, a size, its place is ONNX's number, and it can be written. */
static void test_io_every_type_of_numbers(void **state)
{
    static const char *const names[] = {"float32", "uint8",  "int8",    "uint16",  "int16",
                                        "int32",   "int64",  "bool",    "float16", "float64",
                                        "uint32",  "uint64", "bfloat16"};
    static const mucmm_dtype types[] = {MUCMM_F32, MUCMM_U8,  MUCMM_I8,   MUCMM_U16, MUCMM_I16,
                                        MUCMM_I32, MUCMM_I64, MUCMM_BOOL, MUCMM_F16, MUCMM_F64,
                                        MUCMM_U32, MUCMM_U64, MUCMM_BF16};
    static const int64_t sizes[] = {4, 1, 1, 2, 2, 4, 8, 1, 2, 8, 4, 8, 2};
    int n = 0;

    (void)state;
    for (int k = 0; k < 13; k++) {
        mucmm__tensor t = {"t", types[k], 1, {1}, i64};
        float one;
        const unsigned char ones[3][8] = {{1}, {0, 0x3c}, {0x80, 0x3f}};

        assert_string_equal(mucmm_dtype_name(types[k]), names[k]);
        assert_int_equal(mucmm_dtype_size(types[k]), sizes[k]);
        CHECK_OK(ctx, mucmm__safetensors_write(ctx, in_folder("t.st"), &t, 1, NULL, 0));
        if (!mucmm__dtype_is_float(types[k]) || sizes[k] == 2) {
            mucmm__number_types[types[k]].convert(ones[types[k] == MUCMM_F16    ? 1
                                                       : types[k] == MUCMM_BF16 ? 2
                                                                                : 0],
                                                  1, false, 1, &one);
            assert_true(one == 1);
        }
    }
    for (int t = -2; t < 70; t++) {
        assert_non_null(mucmm_dtype_name((mucmm_dtype)t));
        n += mucmm_dtype_size((mucmm_dtype)t) > 0;
        assert_true(mucmm_dtype_size((mucmm_dtype)t) >= 0);
    }
    assert_int_equal(n, 13);
}

static void test_io_safetensors_write_checks_names(void **state)
{
    mucmm__tensor twice[] = {some_tensors[0], some_tensors[0]};
    mucmm__tensor latin1 = {"\xe9", MUCMM_F32, 1, {1}, f32};
    mucmm__tensor negative = {"n", MUCMM_F32, 1, {-1}, f32};

    (void)state;
    check_message(mucmm__safetensors_write(ctx, in_folder("u.st"), twice, 2, NULL, 0), MUCMM_EARG,
                  "'a' stands twice");
    check_message(mucmm__safetensors_write(ctx, in_folder("u.st"), &latin1, 1, NULL, 0), MUCMM_EARG,
                  "'\\xe9' cannot be stored: it is not UTF-8");
    check_message(mucmm__safetensors_write(ctx, in_folder("u.st"), &negative, 1, NULL, 0),
                  MUCMM_ESHAPE, "the shape of tensor 'n'");
    check_message(mucmm__safetensors_write(ctx, "/dev/full", twice, 1, NULL, 0), MUCMM_EIO,
                  "No space left");
    assert_int_not_equal(access(in_folder("u.st"), F_OK), 0);
}

static size_t make_safetensors(const char *json, size_t data, unsigned char *out)
{
    size_t n = strlen(json);

    memset(out, 0, 8);
    out[0] = (unsigned char)(n & 255);
    out[1] = (unsigned char)(n >> 8);
    memcpy(out + 8, json, n);
    memset(out + 8 + n, 0, data);
    return 8 + n + data;
}

#define TENSOR(name, dtype, shape, offsets)                                                        \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_io_safetensors_rejects_malformed(void **state)
{
    static const struct {
        const char *json;
        size_t data;
        mucmm_status status;
        const char *fragment;
    } cases[] = {
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 7, MUCMM_EFORMAT, "outside the file"},
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "}", 9, MUCMM_EFORMAT, "after the last tensor"},
        {"{" TENSOR("a", "F32", "[2]", "[4,12]") "}", 12, MUCMM_EFORMAT, "a gap"},
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("b", "F32", "[2]", "[4,12]") "}", 12,
         MUCMM_EFORMAT, "tensors overlap"},
        {"{" TENSOR("a", "F32", "[2]", "[0,8]") "," TENSOR("a", "F32", "[2]", "[8,16]") "}", 16,
         MUCMM_EFORMAT, "stands twice"},
        {"{" TENSOR("a", "F32", "[3]", "[0,8]") "}", 8, MUCMM_EFORMAT,
         "x: not a sound safetensors file: tensor 'a': data_offsets do not match shape and dtype"},
        {"{" TENSOR("a", "F32", "[4611686018427387904,4]", "[0,0]") "}", 0, MUCMM_EFORMAT,
         "do not match"},
        {"{" TENSOR("a", "F32", "[-1]", "[0,8]") "}", 8, MUCMM_EFORMAT, "whole number"},
        {"{" TENSOR("a", "F32", "[1.0]", "[0,8]") "}", 8, MUCMM_EFORMAT, "whole number"},
        {"{" TENSOR("a", "F32", "2", "[0,8]") "}", 8, MUCMM_EFORMAT, "no shape"},
        {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4, MUCMM_EFORMAT,
         "more than 8 dimensions"},
        {"{" TENSOR("a", "F32", "[2]", "[8,0]") "}", 8, MUCMM_EFORMAT, "outside the file"},
        {"{" TENSOR("a", "F32", "[2]", "[-8,0]") "}", 8, MUCMM_EFORMAT, "outside the file"},
        {"{" TENSOR("a", "F32", "[2]", "[0]") "}", 8, MUCMM_EFORMAT, "two whole numbers"},
        {"{" TENSOR("a", "BF16", "[2]", "[0,4]") "}", 4, MUCMM_EUNSUPPORTED,
         "x: tensor 'a' has dtype 'BF16'; F32, F64, I64 and U32 are read"},
        {"{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4, MUCMM_EFORMAT, "no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, MUCMM_EFORMAT, "it is not {dtype"},
        {"{\"a\":1}", 0, MUCMM_EFORMAT, "it is not {dtype"},
        {"{\"__metadata__\":[]}", 0, MUCMM_EFORMAT, "is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, MUCMM_EFORMAT, "a value is not text"},
        {"{", 0, MUCMM_EFORMAT, "the header: line 1"},
        {"{} x", 0, MUCMM_EFORMAT, "the header: line 1"},
        {"[]", 0, MUCMM_EFORMAT, "does not begin with '{'"},
        {" {}", 0, MUCMM_EFORMAT, "does not begin with '{'"},
        {"", 0, MUCMM_EFORMAT, "does not begin with '{'"},
    };
    unsigned char bytes[1024];
    mucmm__safetensors *s;

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        size_t n = make_safetensors(cases[k].json, cases[k].data, bytes);
        check_message(mucmm__safetensors_open_memory(ctx, "x", bytes, n, &s), cases[k].status,
                      cases[k].fragment);
        assert_null(s);
    }
    check_message(mucmm__safetensors_open_memory(ctx, "x", "1234567", 7, &s), MUCMM_EFORMAT,
                  "shorter than 8 bytes");
    memset(bytes, 0xff, 8);
    check_message(mucmm__safetensors_open_memory(ctx, "x", bytes, 9, &s), MUCMM_EFORMAT,
                  "the header is longer than the file");
    check_message(mucmm__safetensors_open(ctx, in_folder("none.st"), &s), MUCMM_EIO, "No such");
}

static void test_io_safetensors_copies_unaligned_tensors(void **state)
{
    unsigned char bytes[1024];
    size_t n = make_safetensors(
        "{" TENSOR("a", "F32", "[1]", "[0,4]") "," TENSOR("b", "F64", "[1]", "[4,12]") "}", 12,
        bytes + 1);
    mucmm__safetensors *s;
    double want = 0.75;

    (void)state;
    memcpy(bytes + 1 + n - 8, &want, 8);
    CHECK_OK(ctx, mucmm__safetensors_open_memory(ctx, "x", bytes + 1, n, &s));
    CHECK_CLOSE(*(const double *)mucmm__safetensors_find(s, "b")->data, 0.75, 0);
    CHECK_CLOSE(*(const float *)mucmm__safetensors_find(s, "a")->data, 0, 0);
    mucmm__safetensors_free(s);
}

/* ---- out of memory ----------------------------------------------------------------- */

static mucmm_status sweep_npy(mucmm_ctx *low)
{
    static const float zeros[8];
    unsigned char bytes[256];
    size_t n = make_npy(bytes, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2, 2)}",
                        zeros, 32);
    mucmm_data *d = (mucmm_data *)bytes, *part = NULL;
    mucmm_status status = mucmm__data_open_memory(low, "x.npy", NULL, bytes, n, &d);

    assert_true((status == MUCMM_OK) == (d != NULL));
    if (status == MUCMM_OK)
        status = mucmm_data_subset(low, d, (int64_t[]){1}, 1, &part);
    mucmm_data_free(d);
    mucmm_data_free(part);
    return status;
}

static mucmm_status sweep_idx(mucmm_ctx *low)
{
    unsigned char plain[256], packed[512];
    size_t n = gzip(plain, make_idx(8, "u1", plain), packed, sizeof packed);
    mucmm_data *d = (mucmm_data *)plain;
    mucmm_status status;

    put_file("s.gz", packed, n);
    status = mucmm_data_open(low, in_folder("s.gz"), NULL, &d);
    assert_true((status == MUCMM_OK) == (d != NULL));
    mucmm_data_free(d);
    return status;
}

static mucmm_status sweep_safetensors(mucmm_ctx *low)
{
    unsigned char bytes[1024];
    size_t n = make_safetensors(
        "{" TENSOR("a", "F32", "[1]", "[0,4]") "," TENSOR("b", "F64", "[1]", "[4,12]") "}", 12,
        bytes + 1);
    mucmm__safetensors *s = (mucmm__safetensors *)bytes;
    mucmm_status status = mucmm__safetensors_open_memory(low, "x", bytes + 1, n, &s);

    assert_true((status == MUCMM_OK) == (s != NULL));
    mucmm__safetensors_free(s);
    return status;
}

static mucmm_status sweep_write(mucmm_ctx *low)
{
    unsigned char rgb[3] = {1, 2, 3};
    mucmm_tensor half = {MUCMM_BF16, 1, {2}, (uint16_t[]){0x3f80, 0}}, back = {0};
    int files = count_files();
    mucmm_status status =
        mucmm__safetensors_write(low, in_folder("oom"), some_tensors, 5, some_metadata, 2);

    if (status == MUCMM_OK)
        status = mucmm__png_write(low, in_folder("oom"), 1, 1, rgb);
    if (status == MUCMM_OK)
        status = mucmm_npy_write(low, in_folder("oom"), f32, (int64_t[]){3}, 1);
    if (status == MUCMM_OK)
        status = mucmm_npy_write_tensor(low, in_folder("oom"), &half);
    if (status == MUCMM_OK)
        status = mucmm_npy_read(low, in_folder("oom"), MUCMM_I16, &back);
    mucmm_tensor_free(&back);
    unlink(in_folder("oom"));
    assert_int_equal(count_files(), files);
    return status;
}

static void test_io_out_of_memory_leaks_nothing(void **state)
{
    (void)state;
    sweep(sweep_npy);
    sweep(sweep_idx);
    sweep(sweep_safetensors);
    sweep(sweep_write);
}

/* ---- inputs made to hurt ----------------------------------------------------------- */

#define BYTES(s)                                                                                   \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }

/* Any status but a crash; under the sanitizers this is the fuzzer's memory. */
static void test_io_hostile_bytes_do_no_harm(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } inputs[] = {
        BYTES("\x93NUMPY"),
        BYTES("\x93NUMPY\x02\0\xff\xff\xff\xff{}"),
        BYTES("\x93NUMPY\x01\0\x06\0{'desc"),
        BYTES("\x93NUMPY\x01\0\x02\0{'"),
        BYTES("\0\0\x08\x08"),
        BYTES("\0\0\x0e\x01\xff\xff\xff\xff"),
        BYTES("\0\0\x08\x02\0\0\0\0\xff\xff\xff\xff"),
        BYTES("\x1f\x8b"),
        BYTES("\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0"),
        BYTES("\""),
        BYTES("\"\"\""),
        BYTES("\"\"\"\""),
        BYTES(","),
        BYTES("\xef\xbb\xbf"),
        BYTES("\xef\xbb\xbf\n1"),
        BYTES("a\n\"\r"),
        BYTES("a\n1\r"),
        BYTES("a\n\"1\"\r\n\""),
        BYTES("a\0b,c\n1,2"),
        BYTES("a\n-\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
              "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
              "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"),
        BYTES("\x01\0\0\0\0\0\0\0{"),
        BYTES("\x02\0\0\0\0\0\0\0{}"),
        BYTES("\x02\0\0\0\0\0\0\x80{}"),
        BYTES("\x0e\0\0\0\0\0\0\0{\"\\u0000\": {}}"),
    };

    (void)state;
    for (size_t k = 0; k < sizeof inputs / sizeof inputs[0]; k++) {
        /* A copy of the exact size, so that reading past its end is noticed. */
        char *bytes = malloc(inputs[k].size);
        mucmm_data *d;
        mucmm__safetensors *s;
        memcpy(bytes, inputs[k].bytes, inputs[k].size);
        open_bytes("x.csv", NULL, bytes, inputs[k].size, &d);
        mucmm_data_free(d);
        open_bytes("x.csv", "", bytes, inputs[k].size, &d);
        mucmm_data_free(d);
        mucmm__safetensors_open_memory(ctx, "x", bytes, inputs[k].size, &s);
        mucmm__safetensors_free(s);
        free(bytes);
    }
}

/* Every prefix of a sound file, and every byte of it changed. */
static void test_io_damaged_files_do_no_harm(void **state)
{
    unsigned char sound[1024], *bytes;
    char file[1024];
    size_t n, n_file;
    mucmm_data *d;
    mucmm__safetensors *s;

    (void)state;
    CHECK_OK(ctx,
             mucmm__safetensors_write(ctx, in_folder("d.st"), some_tensors, 5, some_metadata, 2));
    n_file = get_file("d.st", file, sizeof file);
    n = make_npy(sound, 1, HEADER("'<f8'", "(2, 2)"), (double[4]){0}, 32);
    for (size_t k = 0; k < n_file; k++) {
        bytes = malloc(k + 1);
        memcpy(bytes, file, k);
        assert_int_not_equal(mucmm__safetensors_open_memory(ctx, "x", bytes, k, &s), MUCMM_OK);
        free(bytes);
        file[k] ^= 0x10;
        mucmm__safetensors_open_memory(ctx, "x", file, n_file, &s);
        mucmm__safetensors_free(s);
        file[k] ^= 0x10;
    }
    for (size_t k = 0; k < n; k++) {
        bytes = malloc(k + 1);
        memcpy(bytes, sound, k);
        assert_int_not_equal(open_bytes("x.npy", NULL, bytes, k, &d), MUCMM_OK);
        free(bytes);
        sound[k] ^= 0x10;
        open_bytes("x.npy", NULL, sound, n, &d);
        mucmm_data_free(d);
        sound[k] ^= 0x10;
    }
}

/* ---- main -------------------------------------------------------------------------- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_io_npy_reads_every_dtype),
        cmocka_unit_test(test_io_npy_reads_extreme_values),
        cmocka_unit_test(test_io_npy_rejects_malformed),
        cmocka_unit_test(test_io_npy_write_round_trip),
        cmocka_unit_test(test_io_npy_tensors_keep_every_type),
        cmocka_unit_test(test_io_npy_tensors_are_converted),
        cmocka_unit_test(test_io_open_reads_mapped_files),
        cmocka_unit_test(test_io_unknown_kinds_are_refused),
        cmocka_unit_test(test_io_idx_reads_every_type),
        cmocka_unit_test(test_io_idx_rejects_malformed),
        cmocka_unit_test(test_io_gzip_bomb_meets_max_alloc),
        cmocka_unit_test(test_io_writer_replaces_whole_files),
        cmocka_unit_test(test_io_writer_failure_keeps_the_old_file),
        cmocka_unit_test(test_io_writer_that_is_killed_leaves_nothing),
        cmocka_unit_test(test_io_writer_takes_any_name_that_a_file_may_have),
        cmocka_unit_test(test_io_writer_reports_places_it_cannot_write),
        cmocka_unit_test(test_io_png_round_trip),
        cmocka_unit_test(test_io_safetensors_round_trip),
        cmocka_unit_test(test_io_every_type_of_numbers),
        cmocka_unit_test(test_io_safetensors_write_checks_names),
        cmocka_unit_test(test_io_safetensors_rejects_malformed),
        cmocka_unit_test(test_io_safetensors_copies_unaligned_tensors),
        cmocka_unit_test(test_io_out_of_memory_leaks_nothing),
        cmocka_unit_test(test_io_hostile_bytes_do_no_harm),
        cmocka_unit_test(test_io_damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests_name("io", tests, set_up, tear_down);
}
