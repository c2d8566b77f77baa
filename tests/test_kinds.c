/* SPDX-License-Identifier: MIT
 *
 * Files that hold several arrays, and rows in several files: .npz, safetensors, HDF5 and AnnData's
 * files, shards; their names, and damaged ones. */
#include "io/arrays.h"
#include "io_case.h"
#include "zip_writer.h"

#include <ftw.h>
#include <hdf5.h>
#include <sys/stat.h>

enum { N = 40, P = 3 };

static void fill(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(i * 7 % 31) / 4 - 3;
}

static void check_file(const char *name, const float *want, int64_t n, int64_t cols)
{
    mucmm_data *d = NULL;

    CHECK_OK(ctx, mucmm_data_open(ctx, in_folder(name), NULL, &d));
    check_values(d, want, n, cols);
    mucmm_data_free(d);
}

static void check_refused(const char *name, mucmm_status want, const char *fragment)
{
    mucmm_data *d = NULL;

    check_message(mucmm_data_open(ctx, in_folder(name), NULL, &d), want, fragment);
    assert_null(d);
}

static void write_bytes(const char *name, const void *bytes, size_t size)
{
    CHECK_OK(ctx, mucmm_file_write(ctx, in_folder(name), bytes, size));
}

/* ---- zip files of their own writer --------------------------------------------------- */

static size_t npy_of(unsigned char *out, const float *x)
{
    return make_npy(out, 1, HEADER("'<f4'", "(40, 3)"), x, N * P * sizeof *x);
}

/* x and y, both deflated or stored, and something that is no array. */
static zip_file make_npz(const float *x, const float *y, int method)
{
    static zip_file z;
    unsigned char npy[1024];

    z = (zip_file){0};
    zip_add(&z, "x.npy", npy, npy_of(npy, x), method);
    zip_add(&z, "readme.txt", (const unsigned char *)"text", 4, 0);
    zip_add(&z, "deep/y.npy", npy, npy_of(npy, y), method);
    zip_end(&z);
    return z;
}

static void test_npz(void **state)
{
    float x[N * P], y[N * P];

    (void)state;
    fill(x, N * P);
    for (int i = 0; i < N * P; i++)
        y[i] = 2 * x[i];
    for (int method = 0; method <= 8; method += 8) {
        zip_file z = make_npz(x, y, method);
        write_bytes("e.npz", z.bytes, z.size);
        check_file("e.npz:x", x, N, P);
        check_file("e.npz:deep/y", y, N, P);
        check_refused("e.npz", MUCMM_EARG,
                      "2 arrays; say which as FILE:NAME: 'x' (float32 40 x 3)");
        check_refused("e.npz:z", MUCMM_EARG, "no array is named 'z'; it holds 'x'");
        check_refused("e.npz:", MUCMM_EARG, "no array is named ''");
        write_bytes("e.npz:x", "a,b\n1,2\n3,4\n", 12); /* a file of that name wins */
        check_refused("e.npz:x", MUCMM_EUNSUPPORTED, "not a kind");
        unlink(in_folder("e.npz:x"));
    }
}

/* Every field of a directory and of a member set to others: an error or the right numbers, but
 * no crash; sizes that no bytes can hold, methods, encryption, names that stand twice. */
static void test_damaged_npz(void **state)
{
    static const uint64_t values[] = {0, 1, 0xffff, 0x7fffffff, 0xffffffff};
    float x[N * P];
    mucmm_data *d;

    (void)state;
    fill(x, N * P);
    for (int method = 0; method <= 8; method += 8) {
        zip_file z = make_npz(x, x, method), cut = z;
        for (size_t at = z.directory[0]; at + 4 <= z.size; at++)
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                zip_file bad = z;
                zip_put(bad.bytes + at, values[v], 4);
                if (open_bytes("b.npz", NULL, bad.bytes, bad.size, &d) == MUCMM_OK)
                    mucmm_data_free(d);
            }
        for (cut.size = 4; cut.size < z.size; cut.size++)
            assert_int_equal(open_bytes("b.npz", NULL, cut.bytes, cut.size, &d), MUCMM_EFORMAT);
    }
    zip_file z = {0};
    unsigned char npy[1024];
    zip_add(&z, "x.npy", npy, npy_of(npy, x), 8);
    zip_end(&z);
    CHECK_OK(ctx, open_bytes("b.npz", NULL, z.bytes, z.size, &d));
    mucmm_data_free(d);
    for (int k = 0; k < 4; k++) {
        static const struct {
            size_t at;
            uint64_t value;
            mucmm_status status;
            const char *text;
        } edits[] = {{24, 0x7fffffff, MUCMM_EFORMAT, "larger than its bytes can hold"},
                     {8, 1, MUCMM_EUNSUPPORTED, "encrypted"},
                     {10, 14, MUCMM_EUNSUPPORTED, "zip method 14"},
                     {16, 1, MUCMM_EFORMAT, "checksum"}};
        zip_file bad = z;
        zip_put(bad.bytes + z.directory[0] + edits[k].at, edits[k].value, edits[k].at < 16 ? 2 : 4);
        check_message(open_bytes("b.npz", NULL, bad.bytes, bad.size, &d), edits[k].status,
                      edits[k].text);
    }
    z = (zip_file){0};
    zip_add(&z, "x.npy", npy, npy_of(npy, x), 0);
    zip_end(&z);
    z.bytes[z.directory[0] - 1] ^= 4; /* the last number, which is stored as it is */
    check_message(open_bytes("b.npz", NULL, z.bytes, z.size, &d), MUCMM_EFORMAT, "checksum");
    z = (zip_file){0};
    zip_add(&z, "x.npy", npy, npy_of(npy, x), 0);
    zip_add(&z, "x.npy", npy, npy_of(npy, x), 0);
    zip_end(&z);
    write_bytes("twice.npz", z.bytes, z.size);
    check_refused("twice.npz:x", MUCMM_EFORMAT, "two arrays are named 'x'");
}

/* ---- safetensors --------------------------------------------------------------------- */

static void test_safetensors(void **state)
{
    float x[N * P], y[4] = {1, 2, 3, 4};
    const mucmm__tensor t[] = {{"x", MUCMM_F32, 2, {N, P}, x}, {"y", MUCMM_F32, 2, {2, 2}, y}};

    (void)state;
    fill(x, N * P);
    CHECK_OK(ctx, mucmm__safetensors_write(ctx, in_folder("t.safetensors"), t, 2, NULL, 0));
    CHECK_OK(ctx, mucmm__safetensors_write(ctx, in_folder("one.safetensors"), t, 1, NULL, 0));
    check_file("t.safetensors:x", x, N, P);
    check_file("t.safetensors:y", y, 2, 2);
    check_file("one.safetensors", x, N, P);
    check_refused("t.safetensors", MUCMM_EARG, "2 arrays");
}

/* ---- shards -------------------------------------------------------------------------- */

static void write_shard(const char *name, const float *x, int rows, const char *descr, int cols)
{
    unsigned char npy[1024];
    char header[128];

    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }",
             descr, rows, cols);
    write_bytes(
        name, npy,
        make_npy(npy, 1, header, x, (size_t)(rows * cols) * (descr[2] == '2' ? 2 : sizeof *x)));
}

static void test_shards(void **state)
{
    float x[N * P];
    const uint16_t half[] = {0x3c00, 0xc000, 0x3800, 0x4200}; /* 1, -2, .5, 3 */
    char name[64];

    (void)state;
    fill(x, N * P);
    mkdir(in_folder("parts"), 0700);
    for (int i = 0; i < 20; i++) { /* 10 comes after 9 */
        snprintf(name, sizeof name, "parts/part-%d.npy", i);
        write_shard(name, x + 2 * i * P, 2, "<f4", P);
    }
    write_bytes("parts/notes.txt", "x", 1);
    check_file("parts", x, N, P);
    check_file("parts/part-*.npy", x, N, P);
    check_file("parts/part-?.npy", x, 20, P);
    write_shard("parts/part-20.npy", x, 2, "<f4", 2);
    check_refused("parts", MUCMM_ESHAPE, "part-20.npy has rows of another shape");
    write_shard("parts/part-20.npy", (const float *)(const void *)half, 1, "<f2", P);
    check_refused("parts", MUCMM_ESHAPE, "part-20.npy is float16");
    write_bytes("parts/part-20.npy", "text", 4);
    check_refused("parts", MUCMM_EFORMAT, "part-20.npy: not a .npy file");
    mkdir(in_folder("half"), 0700);
    write_shard("half/1.npy", (const float *)(const void *)half, 1, "<f2", 2);
    write_shard("half/2.npy", (const float *)(const void *)(half + 2), 1, "<f2", 2);
    check_file("half", (const float[]){1, -2, .5F, 3}, 2, 2);
    mkdir(in_folder("empty"), 0700);
    check_refused("empty", MUCMM_EIO, "a folder without .npy files");
    check_refused("parts/none-*.npy", MUCMM_EIO, "no file fits this pattern");
}

/* ---- HDF5 ---------------------------------------------------------------------------- */

static void put_set(hid_t at, const char *name, hid_t type, int rank, const hsize_t *shape,
                    const void *data)
{
    hid_t space = H5Screate_simple(rank, shape, NULL);
    hid_t set = H5Dcreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    assert_true(set >= 0 && H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);

    H5Tset_size(type, H5T_VARIABLE);
    return type;
}

static void put_text(hid_t at, const char *name, const char *text)
{
    hid_t type = text_type(), space = H5Screate(H5S_SCALAR);
    hid_t a = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);

    assert_true(H5Awrite(a, type, &text) >= 0);
    H5Aclose(a);
    H5Sclose(space);
    H5Tclose(type);
}

static void put_index(hid_t file, const char *group, const char *const *names, hsize_t n)
{
    hid_t g = H5Gcreate2(file, group, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), type = text_type();

    put_text(g, "_index", "id");
    put_set(g, "id", type, 1, &n, names);
    H5Tclose(type);
    H5Gclose(g);
}

static void put_shape(hid_t group, int64_t rows, int64_t cols)
{
    hid_t space = H5Screate_simple(1, (const hsize_t[]){2}, NULL);
    hid_t a = H5Acreate2(group, "shape", H5T_NATIVE_INT64, space, H5P_DEFAULT, H5P_DEFAULT);

    assert_true(H5Awrite(a, H5T_NATIVE_INT64, (const int64_t[]){rows, cols}) >= 0);
    H5Aclose(a);
    H5Sclose(space);
}

static void test_hdf5(void **state)
{
    float x[N * P];
    hid_t f = H5Fcreate(in_folder("a.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), g;

    (void)state;
    fill(x, N * P);
    put_set(f, "x", H5T_NATIVE_FLOAT, 2, (const hsize_t[]){N, P}, x);
    H5Fclose(f);
    check_file("a.h5", x, N, P);
    f = H5Fopen(in_folder("a.h5"), H5F_ACC_RDWR, H5P_DEFAULT);
    g = H5Gcreate2(f, "deep", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    put_set(g, "y", H5T_IEEE_F64BE, 2, (const hsize_t[]){2, 2},
            (const uint64_t[]){0xf83f, 0x40, 0x0840, 0x1040}); /* 1.5, 2, 3, 4 */
    H5Lcreate_external("other.h5", "/x", f, "out", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(g);
    H5Fclose(f);
    check_file("a.h5:/x", x, N, P);
    check_file("a.h5:deep/y", (const float[]){1.5F, 2, 3, 4}, 2, 2);
    check_refused("a.h5", MUCMM_EARG, "2 arrays; say which as FILE:NAME: 'deep/y' (float64 2 x 2)");
    check_refused("a.h5:deep", MUCMM_EUNSUPPORTED, "is a group");
    check_refused("a.h5:out", MUCMM_EARG, "no array is named 'out'");
}

/* Bytes changed all over the file, on which the library may crash: an error or numbers. */
static void test_damaged_hdf5(void **state)
{
    static unsigned char b[1 << 14];
    float x[N * P];
    hid_t f = H5Fcreate(in_folder("d.h5"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t p = H5Pcreate(H5P_DATASET_CREATE), set;
    hid_t space = H5Screate_simple(2, (const hsize_t[]){N, P}, NULL);
    FILE *file;
    size_t size;
    int failed = 0;

    (void)state;
    fill(x, N * P);
    H5Pset_chunk(p, 2, (const hsize_t[]){7, P});
    H5Pset_deflate(p, 6);
    set = H5Dcreate2(f, "x", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, p, H5P_DEFAULT);
    assert_true(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
    H5Dclose(set);
    H5Pclose(p);
    H5Sclose(space);
    H5Fclose(f);
    check_file("d.h5", x, N, P);
    file = fopen(in_folder("d.h5"), "rb");
    assert_non_null(file);
    size = fread(b, 1, sizeof b, file);
    fclose(file);
    for (size_t at = 8; at < size; at += at < 1024 ? 5 : 101) {
        mucmm_data *d = NULL;
        unsigned char kept = b[at];
        mucmm_status status;
        b[at] ^= 0x85;
        status = open_bytes("d.h5", NULL, b, size, &d);
        assert_true(status == MUCMM_OK || *mucmm_ctx_message(ctx));
        failed += status != MUCMM_OK;
        mucmm_data_free(d);
        b[at] = kept;
    }
    assert_true(failed > 10);
}

/* A matrix by rows [3, 2] with names of its rows and columns; indices of a type of the caller's. */
typedef struct annotated {
    int32_t index[3], start[4];
    int64_t cols;
    hsize_t rows_named, cols_named;
    bool fractions;
} annotated;

static void write_annotated(const annotated *a)
{
    static const char *const rows[] = {"c1", "c2", "c3"}, *const cols[] = {"g1", "g2", "g3"};
    const float data[] = {5, 6, 7}, parts[] = {1.5f, 0, 1};
    hid_t f = H5Fcreate(in_folder("s.h5ad"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t g = H5Gcreate2(f, "X", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);

    put_text(g, "encoding-type", "csr_matrix");
    put_shape(g, 3, a->cols);
    put_set(g, "data", H5T_NATIVE_FLOAT, 1, (const hsize_t[]){3}, data);
    if (a->fractions)
        put_set(g, "indices", H5T_NATIVE_FLOAT, 1, (const hsize_t[]){3}, parts);
    else
        put_set(g, "indices", H5T_NATIVE_INT32, 1, (const hsize_t[]){3}, a->index);
    put_set(g, "indptr", H5T_NATIVE_INT32, 1, (const hsize_t[]){4}, a->start);
    put_index(f, "obs", rows, a->rows_named);
    put_index(f, "var", cols, a->cols_named);
    H5Gclose(g);
    H5Fclose(f);
}

static void test_annotated_files(void **state)
{
    static const float dense[] = {0, 5, 0, 0, 6, 7};
    static const struct {
        annotated file;
        const char *fragment;
    } bad[] = {
        {{{1, 0, 9}, {0, 1, 1, 3}, 2, 3, 2, false}, "indices lie outside"},
        {{{1, 0, -1}, {0, 1, 1, 3}, 2, 3, 2, false}, "indices lie outside"},
        {{{1, 0, 0}, {0, 1, 1, 3}, 2, 3, 2, false}, "twice in one place"},
        {{{1, 0, 1}, {0, 1, 1, 3}, INT64_MAX / 8, 3, 2, false}, "sparse matrix"},
        {{{1, 0, 1}, {1, 1, 1, 3}, 2, 3, 2, false}, "'indptr' does not divide"},
        {{{1, 0, 1}, {0, 1, 1, 2}, 2, 3, 2, false}, "'indptr' does not divide"},
        {{{1, 0, 1}, {0, 1, 1, 4}, 2, 3, 2, false}, "'indptr' does not divide"},
        {{{1, 0, 1}, {0, 2, 1, 3}, 2, 3, 2, false}, "'indptr' does not divide"},
        {{{1, 0, 1}, {0, 1, 1, 3}, 2, 3, 2, true}, "no whole numbers"},
        {{{1, 0, 1}, {0, 1, 1, 3}, 2, 2, 2, false}, "'obs/id' names 2, but there are 3"},
        {{{1, 0, 1}, {0, 1, 1, 3}, 2, 3, 3, false}, "'var/id' names 3, but there are 2"},
    };
    mucmm_data *d = NULL;

    (void)state;
    write_annotated(&(annotated){{1, 0, 1}, {0, 1, 1, 3}, 2, 3, 2, false});
    CHECK_OK(ctx, mucmm_data_open(ctx, in_folder("s.h5ad"), NULL, &d));
    check_values(d, dense, 3, 2);
    assert_string_equal(mucmm_data_key(d, 2), "c3");
    assert_string_equal(mucmm_data_column(d, 1), "g2");
    mucmm_data_free(d);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_annotated(&bad[i].file);
        check_refused("s.h5ad", MUCMM_EFORMAT, bad[i].fragment);
    }
}

/* ---- what is not read, and memory ------------------------------------------------------ */

static void test_other_kinds(void **state)
{
    static const char *const names[] = {"a.xlsx", "a.pt",  "a.parquet", "a.feather", "a.mat",
                                        "a.rds",  "a.pkl", "a.bin",     "a.png"};
    mucmm_data *d;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) /* the first are zip files */
        check_message(
            open_bytes(names[i], NULL, i < 2 ? "PK\3\4 and more" : "PAR1 and more", 13, &d),
            MUCMM_EUNSUPPORTED, "not a kind this program reads (");
}

static mucmm_status open_all(mucmm_ctx *c)
{
    static const char *const names[] = {"e.npz:x", "t.safetensors:x", "half", "a.h5:x", "s2.h5ad"};
    mucmm_status status = MUCMM_OK;

    for (size_t i = 0; i < sizeof names / sizeof *names && status == MUCMM_OK; i++) {
        mucmm_data *d = NULL;
        status = mucmm_data_open(c, in_folder(names[i]), NULL, &d);
        mucmm_data_free(d);
    }
    return status;
}

static void test_out_of_memory(void **state)
{
    static const char *const names[] = {"c1", "c2"};
    hid_t f = H5Fcreate(in_folder("s2.h5ad"), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);

    (void)state;
    put_set(f, "X", H5T_NATIVE_DOUBLE, 2, (const hsize_t[]){2, 2}, (const double[]){1, 2, 3, 4});
    put_index(f, "obs", names, 2);
    put_index(f, "var", names, 2);
    H5Fclose(f);
    sweep(open_all);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int clear(void **state)
{
    (void)state;
    mucmm_ctx_free(ctx);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_npz),
        cmocka_unit_test(test_damaged_npz),
        cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_hdf5),
        cmocka_unit_test(test_damaged_hdf5),
        cmocka_unit_test(test_annotated_files),
        cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("kinds", tests, set_up, clear);
}
