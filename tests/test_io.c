/* SPDX-License-Identifier: MIT
 *
 * Files of every kind: good ones, cut ones, and sizes that lie. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <png.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <zlib.h>

static char folder[64] = "/tmp/mucmm-test-XXXXXX";
static mucmm_ctx *ctx;

/* ---- helpers ----------------------------------------------------------------------- */

/* A path in the folder; four at a time. */
static const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const void *bytes, size_t size)
{
    FILE *f = fopen(in_folder(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static size_t get_file(const char *name, char *out, size_t size)
{
    FILE *f = fopen(in_folder(name), "rb");
    size_t n;

    assert_non_null(f);
    n = fread(out, 1, size, f);
    fclose(f);
    return n;
}

static int count_files(void)
{
    DIR *d = opendir(folder);
    int n = -2; /* . and .. */

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void check_message(mucmm_status got, mucmm_status want, const char *fragment)
{
    const char *message = mucmm_ctx_message(ctx);

    if (got != want)
        fail_msg("status %s (%s), expected %s: %s", mucmm_status_text(got), message,
                 mucmm_status_text(want), fragment);
    if (!strstr(message, fragment))
        fail_msg("message \"%s\" lacks \"%s\"", message, fragment);
}

static mucmm_status open_bytes(const char *name, const char *key, const void *bytes, size_t size,
                               mucmm_data **out)
{
    mucmm_data_params p;

    mucmm_data_params_init(&p);
    p.key = key;
    return mucmm__data_open_memory(ctx, name, &p, bytes, size, out);
}

static void check_values(const mucmm_data *d, const float *want, int64_t n, int64_t cols)
{
    float *got = calloc((size_t)(n * cols), sizeof *got);

    assert_int_equal(mucmm_data_rows(d), n);
    assert_int_equal(mucmm_data_cols(d), cols);
    CHECK_OK(ctx, mucmm_data_read(ctx, d, NULL, n, &(mucmm_mat){got, n, cols, cols}));
    for (int64_t i = 0; i < n * cols; i++)
        CHECK_CLOSE(got[i], want[i], 0);
    free(got);
}

/* A .npy in out; returns its size. */
static size_t make_npy(unsigned char *out, int version, const char *header, const void *data,
                       size_t data_size)
{
    size_t n = strlen(header), prefix = version == 1 ? 10 : 12;

    memcpy(out, "\x93NUMPY", 6);
    memset(out + 6, 0, 6);
    out[6] = (unsigned char)version;
    out[8] = (unsigned char)(n & 255);
    out[9] = (unsigned char)(n >> 8);
    memcpy(out + prefix, header, n);
    memcpy(out + prefix + n, data, data_size);
    return prefix + n + data_size;
}

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

#define HEADER(descr, shape) "{'descr': " descr ", 'fortran_order': False, 'shape': " shape ", }"

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
    check_message(mucmm_data_open(ctx, folder, NULL, &d), MUCMM_EIO, "it is a folder");
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
                  "x.txt: not a kind this program reads (.npy, .csv, .tsv, .idx, .idx.gz)");
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
        {"a,b,age\n1,2,n/a\n", NULL, MUCMM_EFORMAT,
         "x.csv:2: column 3 ('age'): 'n/a' is not a number"},
        {"a,b\n1,2\n\"1\n\",0x10\n", NULL, MUCMM_EFORMAT, "x.csv:3: column 1 ('a'): '1?' is not"},
        {"a\n0x10\n", NULL, MUCMM_EFORMAT, "'0x10' is not a number"},
        {"a\n1e\n", NULL, MUCMM_EFORMAT, "'1e' is not a number"},
        {"a\n.\n", NULL, MUCMM_EFORMAT, "'.' is not a number"},
        {"a;b\n1;2,5\n", NULL, MUCMM_EFORMAT, "'2,5' is not a number"},
        {"a,b\n1,\n", NULL, MUCMM_EUNSUPPORTED,
         "x.csv:2: column 2 ('b'): '' is a missing value, and the row has others"},
        {"a,b\nNA,1\n", NULL, MUCMM_EUNSUPPORTED, "x.csv:2: column 1 ('a'): 'NA' is a missing"},
        {"a,b\n1,NaN\n", NULL, MUCMM_EUNSUPPORTED, "'NaN' is a missing value"},
        {"a,b\n1,\n,x\n", NULL, MUCMM_EUNSUPPORTED, "x.csv:2: column 2 ('b'): '' is a missing"},
        {"a,b\n,x\n", NULL, MUCMM_EFORMAT, "x.csv:2: column 2 ('b'): 'x' is not a number"},
        {"a,b\n1,2\nNA,\n3,4\n,\n", NULL, MUCMM_EUNSUPPORTED,
         "x.csv: 2 of 4 rows hold no value (the first is in line 3); remove them, or allow rows "
         "that lack a view (--missing allow)"},
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
    check_message(mucmm_data_read(ctx, d, (int64_t[]){2}, 1, &(mucmm_mat){out, 1, 2, 2}),
                  MUCMM_ENUMERIC, "row 2, column 1: nan is not finite");
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
    assert_int_equal(count_files(), files + 1);
    mucmm__writer_free(w); /* given up */
    assert_int_equal(get_file("keep.txt", text, sizeof text), 3);
    assert_memory_equal(text, "old", 3);
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
    {"a", MUCMM__F32, 2, {3, 1}, f32},        {"b", MUCMM__F64, 1, {2}, f64},
    {"scalar", MUCMM__I64, 0, {0}, i64},      {"none", MUCMM__F32, 2, {0, 7}, NULL},
    {"\xc3\xa9 \"", MUCMM__F32, 1, {1}, f32},
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
        size_t size = want->dtype == MUCMM__F32 ? 4 : 8;
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

static void test_io_safetensors_write_checks_names(void **state)
{
    mucmm__tensor twice[] = {some_tensors[0], some_tensors[0]};
    mucmm__tensor latin1 = {"\xe9", MUCMM__F32, 1, {1}, f32};
    mucmm__tensor negative = {"n", MUCMM__F32, 1, {-1}, f32};

    (void)state;
    check_message(mucmm__safetensors_write(ctx, in_folder("u.st"), twice, 2, NULL, 0), MUCMM_EARG,
                  "'a' stands twice");
    check_message(mucmm__safetensors_write(ctx, in_folder("u.st"), &latin1, 1, NULL, 0), MUCMM_EARG,
                  "'\xe9' cannot be stored: it is not UTF-8");
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
         MUCMM_EFORMAT, "duplicate"},
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
         "x: tensor 'a' has dtype 'BF16'; F32, F64 and I64 are read"},
        {"{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,4]}}", 4, MUCMM_EFORMAT, "no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, MUCMM_EFORMAT, "it is not {dtype"},
        {"{\"a\":1}", 0, MUCMM_EFORMAT, "it is not {dtype"},
        {"{\"__metadata__\":[]}", 0, MUCMM_EFORMAT, "is not an object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, MUCMM_EFORMAT, "a value is not text"},
        {"{", 0, MUCMM_EFORMAT, "the header, byte 1"},
        {"{} x", 0, MUCMM_EFORMAT, "the header, byte"},
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

typedef struct failing_heap {
    int64_t calls, fail_at, live;
} failing_heap;

static void *heap_alloc(void *user, size_t align, size_t size)
{
    failing_heap *h = user;
    void *p = NULL;

    if (h->calls++ == h->fail_at || posix_memalign(&p, align, size) != 0)
        return NULL;
    h->live++;
    return p;
}

static void heap_release(void *user, void *p)
{
    failing_heap *h = user;

    h->live -= p != NULL;
    free(p);
}

/* The k-th allocation fails, k = 0, 1, ... until none is left to fail. */
static void sweep(mucmm_status (*run)(mucmm_ctx *))
{
    for (int64_t k = 0;; k++) {
        failing_heap heap = {.fail_at = -1};
        mucmm_ctx_params p;
        mucmm_ctx *low;
        mucmm_status status;

        mucmm_ctx_params_init(&p);
        p.threads = 1;
        p.allocator = (mucmm_allocator){heap_alloc, heap_release, &heap};
        assert_int_equal(mucmm_ctx_create(&p, &low), MUCMM_OK);
        heap.calls = 0;
        heap.fail_at = k;
        status = run(low);
        assert_int_equal(heap.live, 1);
        if (status != MUCMM_OK && status != MUCMM_ENOMEM)
            fail_msg("allocation %d: %s", (int)k, mucmm_ctx_message(low));
        assert_true(status == MUCMM_OK || strstr(mucmm_ctx_message(low), "out of memory"));
        mucmm_ctx_free(low);
        if (status == MUCMM_OK) {
            assert_true(k > 0 && heap.calls <= k);
            return;
        }
    }
}

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
    sweep(sweep_csv);
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

static int set_up(void **state)
{
    (void)state;
    ctx = new_ctx();
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    (void)state;
    while ((e = readdir(d)))
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    mucmm_ctx_free(ctx);
    return rmdir(folder);
}

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
        cmocka_unit_test(test_io_csv_reads_what_rfc4180_allows),
        cmocka_unit_test(test_io_csv_key_column_is_no_feature),
        cmocka_unit_test(test_io_csv_rejects_malformed),
        cmocka_unit_test(test_io_csv_unknown_key_lists_many_columns),
        cmocka_unit_test(test_io_csv_ignores_the_locale),
        cmocka_unit_test(test_io_read_names_the_first_bad_value),
        cmocka_unit_test(test_io_read_checks_its_arguments),
        cmocka_unit_test(test_io_wrap_checks_shape_and_stride),
        cmocka_unit_test(test_io_subset_keeps_its_parent),
        cmocka_unit_test(test_io_pair_reorders_rows),
        cmocka_unit_test(test_io_pair_names_keys_that_do_not_match),
        cmocka_unit_test(test_io_rows_without_values),
        cmocka_unit_test(test_io_array_rows_without_values),
        cmocka_unit_test(test_io_pair_all_takes_every_key),
        cmocka_unit_test(test_io_writer_replaces_whole_files),
        cmocka_unit_test(test_io_writer_failure_keeps_the_old_file),
        cmocka_unit_test(test_io_writer_reports_places_it_cannot_write),
        cmocka_unit_test(test_io_png_round_trip),
        cmocka_unit_test(test_io_safetensors_round_trip),
        cmocka_unit_test(test_io_safetensors_write_checks_names),
        cmocka_unit_test(test_io_safetensors_rejects_malformed),
        cmocka_unit_test(test_io_safetensors_copies_unaligned_tensors),
        cmocka_unit_test(test_io_out_of_memory_leaks_nothing),
        cmocka_unit_test(test_io_hostile_bytes_do_no_harm),
        cmocka_unit_test(test_io_damaged_files_do_no_harm),
        cmocka_unit_test(test_io_reads_real_tables),
    };
    return cmocka_run_group_tests_name("io", tests, set_up, tear_down);
}
