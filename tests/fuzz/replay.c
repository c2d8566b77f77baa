/* SPDX-License-Identifier: MIT
 *
 * replay.c - runs a fuzz target without libFuzzer: over every file of the folders, and over changed
 * copies of each, always the same ones.
 *
 *   replay_NAME VARIANTS FOLDER ...     prints TAP; folders that are not there count as empty */
#include "fuzz.h"

#include <dirent.h>

#define MAX_INPUTS 1024
#define MAX_SIZE (1 << 20)

typedef struct input {
    char *path;
    uint8_t *bytes;
    size_t size;
} input;

static uint64_t next_bits(uint64_t *state)
{
    return mucmm__rng_bits(1, (*state)++);
}

static size_t below(uint64_t *state, size_t n)
{
    return n ? (size_t)(next_bits(state) % n) : 0;
}

/* One change: a byte, a number of bytes, the end, a piece twice, a piece of another input. */
static size_t change(uint8_t *b, size_t size, const input *other, uint64_t *state)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '-', '9', '\n', '{'};
    size_t at = below(state, size), length = 1 + below(state, 16), from;

    if (size == 0)
        return 0;
    length = length < size - at ? length : size - at;
    switch (below(state, 6)) {
    case 0:
        b[at] ^= (uint8_t)(1u << below(state, 8));
        return size;
    case 1:
        b[at] = telling[below(state, sizeof telling)];
        return size;
    case 2:
        memset(b + at, telling[below(state, sizeof telling)], length);
        return size;
    case 3:
        return at;
    case 4:
        memmove(b + at + length, b + at, size - at);
        return size + length;
    default:
        from = below(state, other->size);
        length = length < other->size - from ? length : other->size - from;
        memcpy(b + at, other->bytes + from, length);
        return size;
    }
}

static void run_input(const input *in, int64_t n, int64_t i, int64_t variants)
{
    uint8_t *copy = fuzz_copy(in[i].bytes, in[i].size);

    LLVMFuzzerTestOneInput(copy, in[i].size);
    free(copy);
    for (int64_t v = 0; v < variants; v++) {
        uint64_t state = (uint64_t)(i * 100000 + v * 100);
        size_t size = in[i].size;
        uint8_t *changed = malloc(size + 4 * 16 + 1), *exact;
        int64_t changes = 1 + (int64_t)below(&state, 4);

        FUZZ_REQUIRE(changed != NULL);
        memcpy(changed, in[i].bytes, size);
        for (int64_t k = 0; k < changes; k++)
            size = change(changed, size, &in[below(&state, (size_t)n)], &state);
        exact = fuzz_copy(changed, size);
        free(changed);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const input *)a)->path, ((const input *)b)->path);
}

static void add_file(const char *path, input *in)
{
    FILE *f = fopen(path, "rb");

    FUZZ_REQUIRE(f != NULL);
    in->path = strdup(path);
    in->bytes = malloc(MAX_SIZE);
    in->size = fread(in->bytes, 1, MAX_SIZE, f);
    fclose(f);
}

static int64_t add_folder(const char *folder, input *in, int64_t n)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    char path[4096];

    if (!d)
        return n;
    while ((e = readdir(d)) && n < MAX_INPUTS)
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            add_file(path, &in[n++]);
        }
    closedir(d);
    return n;
}

int main(int argc, char **argv)
{
    static input in[MAX_INPUTS];
    int64_t n = 0, variants = argc > 1 ? atoll(argv[1]) : 0;
    const char *name = strrchr(argv[0], '/');

    for (int i = 2; i < argc; i++)
        n = add_folder(argv[i], in, n);
    qsort(in, (size_t)n, sizeof *in, by_name);
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    printf("1..1\n");
    fflush(stdout);
    for (int64_t i = 0; i < n; i++) {
        fprintf(stderr, "%s\n", in[i].path); /* the last one is the one that failed */
        run_input(in, n, i, variants);
    }
    printf("%s 1 - %s: %lld inputs and %lld changed copies\n", n ? "ok" : "not ok",
           name ? name + 1 : argv[0], (long long)n, (long long)(n * variants));
    for (int64_t i = 0; i < n; i++) {
        free(in[i].path);
        free(in[i].bytes);
    }
    return n ? 0 : 1;
}
