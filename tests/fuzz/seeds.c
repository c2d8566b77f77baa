/* SPDX-License-Identifier: MIT
 *
 * seeds.c - writes sound small inputs for every fuzz target: seeds FOLDER makes FOLDER/TARGET/NAME.
 * Inputs that once failed are in tests/fuzz/found. */
#include "../zip_writer.h"
#include "fixtures.h"

#include <hdf5.h>
#include <jpeglib.h>
#include <sndfile.h>
#include <sys/stat.h>

static void put(const char *root, const char *target, const char *name, const void *bytes,
                size_t size)
{
    char path[1024];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", root, target);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
    f = fopen(path, "wb");
    FUZZ_REQUIRE(f != NULL);
    FUZZ_REQUIRE(fwrite(bytes, 1, size, f) == size);
    fclose(f);
}

static void put_string(const char *root, const char *target, const char *name, const char *text)
{
    put(root, target, name, text, strlen(text));
}

/* ---- rows -------------------------------------------------------------------------- */

static void seed_npy(const char *root)
{
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
        "{'descr': '>f8', 'fortran_order': True, 'shape': (2, 3), }",
        "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 3, 1), }",
        "{'descr': '<i8', 'fortran_order': False, 'shape': (6,), }",
        "{'descr': '<f2', 'fortran_order': False, 'shape': (), }",
        "{'descr': '<u2', 'fortran_order': True, 'shape': (3, 2, 1, 1), }",
    };

    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        uint8_t b[256] = "\x93NUMPY\1\0";
        size_t n = strlen(headers[i]);
        char name[16];
        b[8] = (uint8_t)n;
        memcpy(b + 10, headers[i], n);
        for (int k = 0; k < 48; k++)
            b[10 + n + (size_t)k] = (uint8_t)(k % 8 == 1 ? 0x3c : k & 1);
        snprintf(name, sizeof name, "%d", (int)i);
        put(root, "npy", name, b, 10 + n + 48);
    }
}

/* One and two arrays, stored and deflated. */
static void seed_npz(const char *root)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    uint8_t b[256] = "\x93NUMPY\1\0";
    size_t n = strlen(header), size = 10 + n + 24;
    static zip_file z;

    b[8] = (uint8_t)n;
    memcpy(b + 10, header, n);
    for (int method = 0; method <= 8; method += 8)
        for (int two = 0; two < 2; two++) {
            const char *const names[] = {"stored", "stored2", "packed", "packed2"};
            z = (zip_file){0};
            zip_add(&z, "x.npy", b, size, method);
            if (two)
                zip_add(&z, "y.npy", b, size, 8 - method);
            zip_end(&z);
            put(root, "npz", names[method / 4 + two], z.bytes, z.size);
        }
}

/* A plain data set, a chunked one, and a sparse matrix. */
static void seed_hdf5(const char *root)
{
    static const char *const names[] = {"plain", "chunked", "sparse"};
    const float x[6] = {1, 2, 3, 4, 5, 6};
    const int32_t at[3] = {0, 1, 2};

    for (int kind = 0; kind < 3; kind++) {
        char path[1024];
        hid_t file, group, space = H5Screate_simple(2, (const hsize_t[]){2, 3}, NULL);
        hid_t line = H5Screate_simple(1, (const hsize_t[]){3}, NULL);
        hid_t p = H5Pcreate(H5P_DATASET_CREATE), a;

        put_string(root, "hdf5", names[kind], "");
        snprintf(path, sizeof path, "%s/hdf5/%s", root, names[kind]);
        file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
        if (kind == 1) {
            H5Pset_chunk(p, 2, (const hsize_t[]){1, 3});
            H5Pset_deflate(p, 6);
        }
        if (kind < 2) {
            a = H5Dcreate2(file, "x", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, p, H5P_DEFAULT);
            FUZZ_REQUIRE(H5Dwrite(a, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) >= 0);
            H5Dclose(a);
        } else {
            static const char *const parts[] = {"data", "indices", "indptr"};
            hid_t pair = H5Screate_simple(1, (const hsize_t[]){2}, NULL);
            H5Gclose(H5Gcreate2(file, "obs", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
            H5Gclose(H5Gcreate2(file, "var", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
            group = H5Gcreate2(file, "X", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
            a = H5Acreate2(group, "shape", H5T_NATIVE_INT64, pair, H5P_DEFAULT, H5P_DEFAULT);
            H5Awrite(a, H5T_NATIVE_INT64, (const int64_t[]){2, 3});
            H5Aclose(a);
            for (int i = 0; i < 3; i++) {
                a = H5Dcreate2(group, parts[i], H5T_NATIVE_INT32, line, H5P_DEFAULT, H5P_DEFAULT,
                               H5P_DEFAULT);
                H5Dwrite(a, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, at);
                H5Dclose(a);
            }
            H5Sclose(pair);
            H5Gclose(group);
        }
        H5Pclose(p);
        H5Sclose(space);
        H5Sclose(line);
        H5Fclose(file);
    }
}

static void seed_table(const char *root)
{
    put_string(root, "table", "plain", "a,b\n1,2\n3.5,-4e-2\n");
    put_string(root, "table", "keys", "id,x,y\nP1,1,2\nP2,,NA\nP3,3,4\n");
    put_string(root, "table", "tabs", "id\tx\nr1\t1\nr2\t2\n");
    put_string(root, "table", "names", "\xef\xbb\xbf\"\",\"a \"\"b\"\"\",c\r\nr1,1, 2.5 \r\n");
    put_string(root, "table", "empty", "x\n");
    put_string(root, "table", "mixed", "id,age,batch\nP1, 3.5,a\nP2,NA,b \nP3,1,a\n");
    put_string(root, "table", "commas", "n;a;b\nx;1,5;2\ny;-0,25;1,234\n");
    put_string(root, "table", "no_header", "0.5,1\n2,3\n4,5\n");
    put_string(root, "table", "categories", "a,b,c\nu,1,\"v=1\"\nw,2,NA\nu,3,\n");
    put_string(root, "table", "missing", "id,a,b\n1,NaN,NA\n2,,\n3,inf,1\n");
}

static void seed_idx(const char *root)
{
    static const uint8_t codes[] = {8, 9, 11, 12, 13, 14};
    uint8_t b[128], packed[256];
    uLongf n_packed = sizeof packed;

    for (size_t i = 0; i < sizeof codes; i++) {
        char name[16];
        memset(b, 0, sizeof b);
        b[2] = codes[i];
        b[3] = 2;
        b[7] = 2;
        b[11] = 3;
        snprintf(name, sizeof name, "%d", codes[i]);
        put(root, "idx", name, b, 12 + 48);
    }
    FUZZ_REQUIRE(compress(packed, &n_packed, b, 60) == Z_OK);
    memmove(packed + 10, packed + 2, n_packed - 2); /* zlib's frame becomes gzip's */
    memcpy(packed, "\x1f\x8b\x08\0\0\0\0\0\0\3", 10);
    put(root, "idx", "gz", packed, n_packed + 8);
}

/* ---- containers -------------------------------------------------------------------- */

static void seed_safetensors(mucmm_ctx *ctx, const char *root)
{
    const float a[4] = {1, 2, 3, 4};
    const double b[1] = {.5};
    const mucmm__tensor tensors[] = {{"a", MUCMM_F32, 2, {2, 2}, a}, {"b", MUCMM_F64, 1, {1}, b}};
    const char *const metadata[] = {"format", "1"};
    char path[1024];

    put_string(root, "safetensors", "two", "");
    snprintf(path, sizeof path, "%s/safetensors/two", root);
    FUZZ_OK(ctx, mucmm__safetensors_write(ctx, path, tensors, 2, metadata, 1));
    put(root, "safetensors", "empty", "\2\0\0\0\0\0\0\0{}", 10);
}

/* Lists of changes: none, one of each kind, many. */
static void seed_edits(const char *root, const char *target, int bases)
{
    for (int base = 0; base < bases; base++) {
        uint8_t b[1 + 4 * 16] = {(uint8_t)base};
        char name[16];
        snprintf(name, sizeof name, "%d", base);
        put(root, target, name, b, 1);
        for (int kind = 1; kind < 8; kind++) {
            for (int i = 0; i < 16; i++) {
                uint64_t x = mucmm__rng_bits(mucmm__rng_key(3, (uint64_t)kind), (uint64_t)i);
                b[1 + 4 * i] = (uint8_t)kind;
                memcpy(b + 2 + 4 * i, &x, 3);
            }
            snprintf(name, sizeof name, "%d.%d", base, kind);
            put(root, target, name, b, kind % 2 ? 1 + 4 * 2 : 1 + 4);
        }
    }
}

/* ---- raw inputs -------------------------------------------------------------------- */

static void put_jpeg(const char *root, const char *name, int components)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL, row[8 * 3];
    unsigned long size = 0;

    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &size);
    c.image_width = c.image_height = 8;
    c.input_components = components;
    c.in_color_space = components == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < 8; y++) {
        JSAMPROW rows[1] = {row};
        memset(row, 20 * y, sizeof row);
        jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    put(root, "picture", name, bytes, size);
    jpeg_destroy_compress(&c);
    free(bytes);
}

static void seed_picture(mucmm_ctx *ctx, const char *root)
{
    unsigned char rgb[5 * 6 * 3];
    char path[1024];

    for (int i = 0; i < 90; i++)
        rgb[i] = (unsigned char)(i * 41);
    put_jpeg(root, "grey.jpg", 1);
    put_jpeg(root, "colour.jpg", 3);
    snprintf(path, sizeof path, "%s/picture/rgb.png", root);
    FUZZ_OK(ctx, mucmm__png_write(ctx, path, 6, 5, rgb));
}

static void seed_sound(const char *root)
{
    static const struct {
        const char *name;
        int format;
    } kinds[] = {{"pcm.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                 {"float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT},
                 {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16}};
    short samples[2 * 64];
    char path[1024];

    for (int i = 0; i < 128; i++)
        samples[i] = (short)(9000 * fixed_number(i));
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        SF_INFO info = {.samplerate = 16000, .channels = 2, .format = kinds[i].format};
        SNDFILE *f;
        put_string(root, "sound", kinds[i].name, "");
        snprintf(path, sizeof path, "%s/sound/%s", root, kinds[i].name);
        f = sf_open(path, SFM_WRITE, &info);
        FUZZ_REQUIRE(f != NULL);
        FUZZ_REQUIRE(sf_writef_short(f, samples, 64) == 64);
        sf_close(f);
    }
}

/* Literals whose parts are separated by NUL bytes. */
#define PUT_PARTS(root, target, name, literal) put(root, target, name, literal, sizeof(literal) - 1)

static void seed_tokenizer(const char *root)
{
    PUT_PARTS(root, "tokenizer", "sentencepiece",
              "\x40\x07"
              "0\t0\t<unk>\n1\t-1\t\xe2\x96\x81"
              "a\n2\t-2\tb\n3\t-1\tab\0\0a ab \xc3\xa9");
    PUT_PARTS(root, "tokenizer", "wordpiece",
              "\x51\x09[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\n,\0\0"
              "Ab, a b \xc3\x84"
              "b");
    PUT_PARTS(root, "tokenizer", "bpe",
              "\x42\x09{\"a\": 0, \"b\": 1, \"ab\": 2, \"\xc4\xa0\": 3}\0#version: 0.2\na b\0"
              "ab a");
    PUT_PARTS(root, "tokenizer", "clip",
              "\x02\x05{\"a</w>\": 0, \"a\": 1, \"<|startoftext|>\": 2, \"<|endoftext|>\": 3}\0"
              "#version: 0.2\na a</w>\0aa a");
}

static void seed_description(const char *root)
{
    PUT_PARTS(root, "description", "picture", PICTURE "}\0a.png\nb.png\n");
    PUT_PARTS(root, "description", "more",
              "{\"kind\": \"image\", \"size\": [4, 4], \"fit\": \"pad\", \"filter\": \"bicubic\", "
              "\"mean\": [0.5, 0.4, 0.3], \"std\": 0.2, \"background\": [1, 2, 3], \"encoder\": "
              "\"picture.onnx\", \"tensor\": \"conv\", \"batch\": 1}\0a.png\nnone.png\n");
    PUT_PARTS(root, "description", "words", WORDS "}\0a b\nab c\n");
    PUT_PARTS(root, "description", "pieces",
              "{\"kind\": \"text\", \"tokenizer\": \"bpe\", \"vocabulary\": \"vocab.json\", "
              "\"merges\": \"merges.txt\", \"length\": 4, \"pad\": 0, \"encoder\": \"words.onnx\", "
              "\"wrt\": \"embeddings\"}\0ab\na\n");
    PUT_PARTS(root, "description", "sound", SOUND "}\0s.wav\ns.wav\n");
    PUT_PARTS(root, "description", "chain",
              "{\"kind\": \"audio\", \"rate\": 4000, \"samples\": 64, \"offset\": 0.001, "
              "\"encoder\": [{\"file\": \"sound.onnx\", \"scale\": 0.5, \"shift\": 1, "
              "\"reshape\": [64]}, {\"file\": \"sound.onnx\"}]}\0s.wav\n");
    PUT_PARTS(root, "description", "tf-idf",
              "{\"kind\": \"text\", \"tokenizer\": \"words\", \"encoder\": \"tf-idf\", "
              "\"min_rows\": 1, \"max_words\": 8}\0a b c\nb c\nA\n");
}

static void seed_study(const char *root)
{
    PUT_PARTS(
        root, "study", "whole",
        "{\"table\": \"t.tsv\", \"split\": {\"column\": \"group\", \"test\": 0.5, \"seed\": 2}, "
        "\"views\": {\"picture\": " PICTURE ", \"column\": \"file\"}, \"words\": " WORDS
        ", \"column\": [\"text\", \"more\"]}}}\0"
        "file\ttext\tmore\tgroup\na.png\ta b\tc\tx\nb.png\tab\tb\ty\na.png\tc\ta\tz\n"
        "b.png\tb\tb\tx\n");
    PUT_PARTS(root, "study", "numbers",
              "{\"views\": {\"rows\": {\"kind\": \"table\", \"file\": \"t.csv\"}, \"array\": "
              "{\"kind\": \"features\", \"file\": \"t.npy\"}}}");
    PUT_PARTS(root, "study", "sound",
              "{\"table\": \"t.tsv\", \"views\": {\"sound\": " SOUND
              ", \"column\": \"file\", \"suffix\": \".wav\"}, \"bag\": {\"kind\": \"text\", "
              "\"column\": \"text\", \"tokenizer\": \"words\", \"encoder\": \"tf-idf\", "
              "\"min_rows\": 1}}}\0file\ttext\ns\ta b\ns\tb c\nnone\tc\n");
}

/* ---- networks ---------------------------------------------------------------------- */

static void put_graph(const char *root, const char *name, net *n)
{
    size_t size;
    uint8_t *bytes = net_bytes(n, &size);

    put(root, "graph", name, bytes, size);
    net_drop(n);
}

/* One node of x [2, 4, 5, 5] a seed, as one line: operator, other inputs, attributes. */
static void seed_nodes(const char *root)
{
    static const char *const nodes[][3] = {
        {"MaxPool", "", "kernel_shape=[2,2] strides=[2,1]"},
        {"AveragePool", "", "kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1"},
        {"LpPool", "", "kernel_shape=[2,2]"},
        {"GlobalAveragePool", "", ""},
        {"Softmax", "", "axis=1"},
        {"LogSoftmax", "", "axis=3"},
        {"Transpose", "", "perm=[3,1,0,2]"},
        {"Reshape", "shape", ""},
        {"Slice", "zero two axis", ""},
        {"Gather", "index", "axis=2"},
        {"Pad", "pads", "mode=reflect"},
        {"ReduceMean", "", "axes=[1,2] keepdims=0"},
        {"ReduceMax", "", "axes=[3]"},
        {"Concat", "x", "axis=1"},
        {"Split", "halves", "axis=1"},
        {"Expand", "wide", ""},
        {"Tile", "wide", ""},
        {"MatMul", "square", ""},
        {"Conv", "kernel", "pads=[1,1,1,1] group=2"},
        {"ConvTranspose", "back", "strides=[2,2]"},
        {"BatchNormalization", "four four four four", "epsilon=0.1"},
        {"InstanceNormalization", "four four", ""},
        {"PRelu", "slope", ""},
        {"Clip", "", ""},
        {"Resize", "_ scales", "mode=linear"},
        {"TopK", "one", "axis=3"},
        {"ArgMax", "", "axis=1"},
        {"NonZero", "", ""},
        {"CumSum", "one", ""},
        {"Einsum", "", "equation=abcd->adc"},
        {"DepthToSpace", "", "blocksize=2"},
        {"Flatten", "", "axis=2"},
        {"QuantizeLinear", "half", ""},
        {"Gelu", "", ""},
        {"Erf", "", ""},
        {"LRN", "", "size=3"},
        {"Trilu", "", "upper=0"},
        {"ScatterND", "place update", ""},
        {"OneHot", "", ""},
    };
    float w[4 * 4 * 9];

    for (int i = 0; i < 144; i++)
        w[i] = .1f * (float)(i % 7 + 1);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        net n = net_new(13);
        char in[128];
        net_input(&n, "x", MUCMM_F32, "2x4x5x5");
        net_floats(&n, "kernel", "4x2x3x3", w);
        net_floats(&n, "back", "4x2x2x2", w);
        net_floats(&n, "square", "5x5", w);
        net_floats(&n, "four", "4", w);
        net_floats(&n, "slope", "4x1x1", w);
        net_floats(&n, "half", "", w);
        net_floats(&n, "scales", "4", (const float[]){1, 1, 2, .6f});
        net_floats(&n, "update", "1x4x5x5", (const float[100]){0});
        net_ints(&n, "shape", "3", (const int64_t[]){0, -1, 5});
        net_ints(&n, "zero", "1", (const int64_t[]){0});
        net_ints(&n, "one", "1", (const int64_t[]){1});
        net_ints(&n, "two", "1", (const int64_t[]){2});
        net_ints(&n, "axis", "1", (const int64_t[]){-1});
        net_ints(&n, "index", "3", (const int64_t[]){0, 4, -1});
        net_ints(&n, "pads", "8", (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 2});
        net_ints(&n, "halves", "2", (const int64_t[]){1, 3});
        net_ints(&n, "wide", "4", (const int64_t[]){1, 1, 1, 1});
        net_ints(&n, "place", "1x1", (const int64_t[]){1});
        snprintf(in, sizeof in, "x %s", nodes[i][1]);
        net_node(&n, nodes[i][0], in, "y", nodes[i][2]);
        net_node(&n, "Relu", "y", "z", "");
        net_output(&n, "z");
        put_graph(root, nodes[i][0], &n);
    }
}

static void seed_graph(const char *root)
{
    net nets[2] = {picture_net(), word_net()}, lstm = net_new(14);
    float w[1 * 8 * 3];

    for (int i = 0; i < 24; i++)
        w[i] = fixed_number(i);
    put_graph(root, "picture", &nets[0]);
    put_graph(root, "words", &nets[1]);
    net_input(&lstm, "x", MUCMM_F32, "3x2x3");
    net_floats(&lstm, "w", "1x8x3", w);
    net_floats(&lstm, "r", "1x8x2", w);
    net_node(&lstm, "LSTM", "x w r", "y h c", "hidden_size=2");
    net_output(&lstm, "y");
    put_graph(root, "lstm", &lstm);
    seed_nodes(root);
}

int main(int argc, char **argv)
{
    mucmm_ctx *ctx = fuzz_ctx();
    const char *root = argc > 1 ? argv[1] : "seeds";

    mkdir(root, 0777);
    seed_npy(root);
    seed_npz(root);
    seed_hdf5(root);
    seed_table(root);
    seed_idx(root);
    seed_safetensors(ctx, root);
    seed_edits(root, "model", 3);
    seed_edits(root, "checkpoint", 4);
    seed_picture(ctx, root);
    seed_sound(root);
    seed_tokenizer(root);
    seed_description(root);
    seed_study(root);
    seed_graph(root);
    mucmm_ctx_free(ctx);
    return 0;
}
