/* SPDX-License-Identifier: MIT
 *
 * workspace.h - what the programs that test fit and its model share: a folder of their own, a
 * context of one thread, and files as bytes. */
#ifndef MUCMM_TEST_WORKSPACE_H
#define MUCMM_TEST_WORKSPACE_H

#include "generators.h"

#include <dirent.h>

static char folder[64] = "/tmp/mucmm-test-XXXXXX";
static mucmm_ctx *ctx; /* one thread */

static inline const char *in_folder(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline int count_files(void)
{
    DIR *d = opendir(folder);
    int n = -2; /* . and .. */

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

static inline bytes get_file(const char *name)
{
    FILE *f = fopen(in_folder(name), "rb");
    bytes b = {malloc(1 << 22), 0};

    assert_non_null(f);
    b.size = fread(b.data, 1, 1 << 22, f);
    assert_true(b.size < 1 << 22);
    fclose(f);
    return b;
}

static inline void put_file(const char *name, const bytes *b)
{
    FILE *f = fopen(in_folder(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(b->data, 1, b->size, f), b->size);
    assert_int_equal(fclose(f), 0);
}

static inline void check_same_bytes(const bytes *a, const bytes *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->data, b->data, a->size);
}

/* The file that the model is saved as. */
static inline bytes saved(const mucmm_model *m)
{
    bytes b;

    CHECK_OK(ctx, mucmm_model_save(ctx, m, in_folder("saved")));
    b = get_file("saved");
    unlink(in_folder("saved"));
    return b;
}

static inline mucmm_ctx *threaded_ctx(int32_t threads)
{
    mucmm_ctx_params p;
    mucmm_ctx *c = NULL;

    mucmm_ctx_params_init(&p);
    p.threads = threads;
    assert_int_equal(mucmm_ctx_create(&p, &c), MUCMM_OK);
    return c;
}

/* ---- models and their files -------------------------------------------------------- */

static inline bool in_history(const mucmm_model *m, int32_t stage)
{
    for (int64_t i = 0; i < m->n_history; i++)
        if (m->history[i].stage == stage)
            return true;
    return false;
}

/* The file with one text of its header replaced by another of the same length. */
static inline bytes with_text(const bytes *b, const char *from, const char *to)
{
    bytes changed = {malloc(b->size), b->size};
    unsigned char *at;

    assert_int_equal(strlen(from), strlen(to));
    memcpy(changed.data, b->data, b->size);
    at = memmem(changed.data, changed.size, from, strlen(from));
    if (!at)
        fail_msg("no %s in the file", from);
    memcpy(at, to, strlen(to));
    return changed;
}

/* Where the numbers of a tensor begin. */
static inline size_t tensor_at(const bytes *b, const char *name)
{
    uint64_t header;
    char key[128];
    const char *at;
    long begin;

    memcpy(&header, b->data, sizeof header);
    snprintf(key, sizeof key, "\"%s\":", name);
    at = memmem(b->data, b->size, key, strlen(key));
    assert_non_null(at);
    at = strstr(at, "\"data_offsets\":");
    assert_int_equal(sscanf(at, "\"data_offsets\":[%ld", &begin), 1);
    return 8 + header + (size_t)begin;
}

/* Two views of a linear shared latent and one that the second view knows by cos(2 b) alone. The
 * square of the first is shared too, and more strongly than the second latent. */
static inline problem hidden_problem(int64_t n)
{
    problem q = new_problem(ctx, 2, n, false, 5);
    double *z = normals(6, 0, n * 17, 1);

    for (int64_t i = 0; i < n; i++) {
        const double *row = z + i * 17;
        float *one = q.x[0] + i * q.p[0], *two = q.x[1] + i * q.p[1];
        one[0] = (float)(row[0] + .1 * row[2]);
        one[1] = (float)row[1];
        two[0] = (float)(row[0] + .1 * row[3]);
        two[1] = (float)(cos(2 * row[1]) / sqrt(.5) + .8 * row[4]);
        for (int j = 2; j < 4; j++) {
            one[j] = (float)row[3 + j];
            two[j] = (float)row[5 + j];
        }
        q.shared[i * SHARED] = row[0];
        q.shared[i * SHARED + 1] = cos(2 * row[1]);
        for (int64_t j = 4; j < q.p[0]; j++)
            one[j] = (float)(.1 * row[9 + j % 4]);
        for (int64_t j = 4; j < q.p[1]; j++)
            two[j] = (float)(.1 * row[13 + j % 4]);
    }
    free(z);
    return q;
}

/* ---- set up ------------------------------------------------------------------------ */

static inline int set_up(void **state)
{
    (void)state;
    ctx = threaded_ctx(1);
    return mkdtemp(folder) ? 0 : -1;
}

static inline int tear_down(void **state)
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

#endif
