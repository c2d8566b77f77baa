/* SPDX-License-Identifier: MIT
 *
 * fixtures.h - small sound files: what descriptions and studies can name, and seeds. */
#ifndef MUCMM_FUZZ_FIXTURES_H
#define MUCMM_FUZZ_FIXTURES_H

#include "../onnx_builder.h"
#include "folder.h"

static inline void put_text(const char *name, const char *text)
{
    put_in_folder(name, text, strlen(text));
}

static inline void put_net(net *n, const char *name)
{
    size_t size;
    uint8_t *bytes = net_bytes(n, &size);

    put_in_folder(name, bytes, size);
    net_drop(n);
}

/* Number i of a fixed sequence in [-1, 1]. */
static inline float fixed_number(int64_t i)
{
    return (float)(2 * mucmm__rng_uniform(mucmm__rng_key(9, 0), (uint64_t)i) - 1);
}

/* image [N, 3, 4, 4] -> map [N, 2, 4, 4] */
static inline net picture_net(void)
{
    net n = net_new(13);
    float w[2 * 3 * 3 * 3];

    for (int i = 0; i < 54; i++)
        w[i] = fixed_number(i);
    net_input(&n, "image", MUCMM_F32, "-1x3x4x4");
    net_floats(&n, "w", "2x3x3x3", w);
    net_node(&n, "Conv", "image w", "conv", "pads=[1,1,1,1]");
    net_node(&n, "Tanh", "conv", "map", "");
    net_output(&n, "map");
    return n;
}

/* ids, mask [N, 4] -> embeddings [N, 4, 2] -> hidden [N, 4, 2] */
static inline net word_net(void)
{
    net n = net_new(13);
    float table[12 * 2], w[4];

    for (int i = 0; i < 24; i++)
        table[i] = fixed_number(i);
    for (int i = 0; i < 4; i++)
        w[i] = fixed_number(24 + i);
    net_input(&n, "ids", MUCMM_I64, "-1x4");
    net_input(&n, "mask", MUCMM_F32, "-1x4");
    net_floats(&n, "table", "12x2", table);
    net_floats(&n, "w", "2x2", w);
    net_ints(&n, "axes", "1", (const int64_t[]){2});
    net_node(&n, "Gather", "table ids", "embeddings", "axis=0");
    net_node(&n, "Unsqueeze", "mask axes", "mask3", "");
    net_node(&n, "Mul", "embeddings mask3", "masked", "");
    net_node(&n, "MatMul", "masked w", "mixed", "");
    net_node(&n, "Tanh", "mixed", "hidden", "");
    net_output(&n, "hidden");
    return n;
}

/* sound [N, 64] -> out [N, 64] */
static inline net sound_net(void)
{
    net n = net_new(13);

    net_input(&n, "sound", MUCMM_F32, "-1x64");
    net_node(&n, "Tanh", "sound", "out", "");
    net_output(&n, "out");
    return n;
}

/* A mono WAV of 16-bit samples; its size. */
static inline size_t make_wav(uint8_t *out, uint32_t rate, uint32_t samples)
{
    uint32_t sizes[3] = {36 + 2 * samples, rate, 2 * samples}, bytes = 2 * rate, sixteen = 16;

    memcpy(out, "RIFF", 4);
    memcpy(out + 4, &sizes[0], 4);
    memcpy(out + 8, "WAVEfmt ", 8);
    memcpy(out + 16, &sixteen, 4);
    memcpy(out + 20, "\1\0\1\0", 4);
    memcpy(out + 24, &sizes[1], 4);
    memcpy(out + 28, &bytes, 4);
    memcpy(out + 32, "\2\0\20\0data", 8);
    memcpy(out + 40, &sizes[2], 4);
    for (uint32_t i = 0; i < samples; i++) {
        int16_t x = (int16_t)(20000 * fixed_number(i));
        memcpy(out + 44 + 2 * i, &x, 2);
    }
    return 44 + 2 * samples;
}

/* In the folder: a.png, b.png, s.wav, t.npy [4, 3], t.csv, words.tsv, wordpiece.txt, vocab.json,
 * merges.txt, picture.onnx, words.onnx, sound.onnx. */
static inline void make_fixtures(mucmm_ctx *ctx)
{
    unsigned char rgb[5 * 6 * 3];
    float numbers[12];
    uint8_t wav[1024];
    net nets[3] = {picture_net(), word_net(), sound_net()};

    for (int i = 0; i < 90; i++)
        rgb[i] = (unsigned char)(i * 37);
    for (int i = 0; i < 12; i++)
        numbers[i] = fixed_number(i);
    FUZZ_OK(ctx, mucmm__png_write(ctx, folder_path("a.png"), 6, 5, rgb));
    FUZZ_OK(ctx, mucmm__png_write(ctx, folder_path("b.png"), 5, 6, rgb));
    put_in_folder("s.wav", wav, make_wav(wav, 8000, 200));
    FUZZ_OK(ctx, mucmm_npy_write(ctx, folder_path("t.npy"), numbers, (int64_t[]){4, 3}, 2));
    put_text("t.csv", "a,b\n1,2\n3,4\n5,6\n7,9\n");
    put_text("words.tsv", "0\t0\t<unk>\n1\t-1\t\xe2\x96\x81"
                          "a\n2\t-2\tb\n3\t-3\tc\n4\t-4\tab\n");
    put_text("wordpiece.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\nb\nc\n");
    put_text("vocab.json", "{\"a\": 0, \"b\": 1, \"c\": 2, \"ab\": 3, \"\xc4\xa0\": 4}");
    put_text("merges.txt", "#version: 0.2\na b\n");
    put_net(&nets[0], "picture.onnx");
    put_net(&nets[1], "words.onnx");
    put_net(&nets[2], "sound.onnx");
}

/* Descriptions of views through them, open at the end. */
#define PICTURE                                                                                    \
    "{\"kind\": \"image\", \"size\": 4, \"encoder\": \"picture.onnx\", \"pool\": \"2x2\""
#define WORDS                                                                                      \
    "{\"kind\": \"text\", \"tokenizer\": \"wordpiece\", \"vocabulary\": \"wordpiece.txt\", "       \
    "\"length\": 4, \"truncate\": true, \"encoder\": \"words.onnx\", \"pool\": \"mean\", "         \
    "\"wrt\": \"embeddings\""
#define SOUND "{\"kind\": \"audio\", \"rate\": 8000, \"samples\": 64, \"encoder\": \"sound.onnx\""

#endif
