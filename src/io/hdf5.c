/* SPDX-License-Identifier: MIT
 *
 * hdf5.c - one data set of an HDF5 file, read whole; of AnnData's files (.h5ad, .h5mu) also sparse
 * matrices and the names of rows and columns; in a process of its own (apart.c), silent, without
 * plugins, and without links into other files. */
#define H5_USE_110_API
#include "io/arrays.h"

#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Numbers that a file can hold by byte: of fill values there may be a million. */
enum { MAX_RATIO = 1100, FEW = 1 << 20 };
/* Numbers of a sparse matrix by one that is not 0. */
enum { MAX_SPARSE = 10000 };
enum { PATH = 512 };

typedef struct reading {
    mucmm_ctx *ctx;
    const char *file; /* for messages */
    hid_t h5, access;
    mucmm__choice *choice;
    char found[PATH];
    mucmm__array *out;
    int fd; /* where the numbers go */
    mucmm__table *names;
    int64_t text_size;
} reading;

/* ---- messages ---------------------------------------------------------------------- */

static herr_t first_text(unsigned n, const H5E_error2_t *e, void *arg)
{
    const char **text = arg;

    (void)n;
    if (!*text)
        *text = e->desc;
    return 0;
}

static mucmm_status fail_library(const reading *r, const char *what)
{
    const char *text = NULL;
    char quoted[MUCMM__QUOTE];

    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_text, (void *)&text);
    return mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: HDF5 cannot read %s: %s", r->file, what,
                       mucmm__quote(quoted, text ? text : "it is damaged"));
}

/* ---- types and shapes -------------------------------------------------------------- */

/* Of numbers, as they will be in memory; 0: none. Half floats become floats. */
static hid_t memory_type(hid_t set, mucmm_dtype *t)
{
    hid_t type = H5Dget_type(set), native = 0;
    H5T_class_t class = H5Tget_class(type);
    size_t size = H5Tget_size(type);
    bool sign = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;

    H5Tclose(type);
    if (class == H5T_FLOAT) {
        *t = size <= 4 ? MUCMM_F32 : MUCMM_F64;
        native = size <= 4 ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
    } else if (class == H5T_INTEGER && size <= 8) {
        const hid_t types[2][4] = {
            {H5T_NATIVE_UINT8, H5T_NATIVE_UINT16, H5T_NATIVE_UINT32, H5T_NATIVE_UINT64},
            {H5T_NATIVE_INT8, H5T_NATIVE_INT16, H5T_NATIVE_INT32, H5T_NATIVE_INT64}};
        static const mucmm_dtype own[2][4] = {{MUCMM_U8, MUCMM_U16, MUCMM_U32, MUCMM_U64},
                                              {MUCMM_I8, MUCMM_I16, MUCMM_I32, MUCMM_I64}};
        int at = size == 1 ? 0 : size == 2 ? 1 : size <= 4 ? 2 : 3;
        *t = own[sign][at];
        native = types[sign][at];
    }
    return native;
}

static bool is_whole(hid_t set)
{
    hid_t type = H5Dget_type(set);
    bool whole = H5Tget_class(type) == H5T_INTEGER;

    H5Tclose(type);
    return whole;
}

/* rank -1: no numbers, or of no shape. */
static void describe(hid_t set, mucmm__array *a)
{
    hid_t space = H5Dget_space(set);
    hsize_t dims[H5S_MAX_RANK];
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);

    *a = (mucmm__array){.rank = -1};
    if (rank > 0 && rank <= MUCMM_MAX_RANK && memory_type(set, &a->type) &&
        H5Sget_simple_extent_dims(space, dims, NULL) == rank) {
        a->rank = rank;
        for (int k = 0; k < rank; k++)
            a->shape[k] = dims[k] > INT64_MAX ? INT64_MAX : (int64_t)dims[k];
    }
    if (space >= 0)
        H5Sclose(space);
}

/* Neither numbers of other files nor more of them than the file can hold. */
static mucmm_status check_storage(const reading *r, hid_t set, int64_t bytes)
{
    hid_t p = H5Dget_create_plist(set);
    bool elsewhere = p < 0 || H5Pget_external_count(p) != 0 || H5Pget_layout(p) == H5D_VIRTUAL;
    hsize_t stored = H5Dget_storage_size(set);

    if (p >= 0)
        H5Pclose(p);
    if (elsewhere)
        return mucmm__fail(r->ctx, MUCMM_EUNSUPPORTED,
                           "%s: the numbers lie in other files, which are not read", r->file);
    if (bytes > FEW && (uint64_t)bytes / MAX_RATIO > stored)
        return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                           "%s: its shape says %" PRId64 " bytes, the file has %" PRIu64
                           " for them",
                           r->file, bytes, (uint64_t)stored);
    return MUCMM_OK;
}

/* Room for all n bytes of the result, zeros, in memory that the program has too. */
static mucmm_status result_room(const reading *r, int64_t n, unsigned char **bytes)
{
    void *p = MAP_FAILED;

    *bytes = NULL;
    if (n == 0)
        return MUCMM_OK;
    if ((uint64_t)n <= r->ctx->max_alloc && ftruncate(r->fd, n) == 0)
        p = mmap(NULL, (size_t)n, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    if (p == MAP_FAILED)
        return mucmm__fail(r->ctx, MUCMM_ENOMEM, "%s: out of memory: %" PRId64 " bytes of numbers",
                           r->file, n);
    *bytes = p;
    return MUCMM_OK;
}

/* ---- reading ----------------------------------------------------------------------- */

/* All numbers, as they are, or as `want` (0: as they are); bytes NULL: they are the result. */
static mucmm_status read_set(const reading *r, const char *name, mucmm_dtype want, mucmm__array *a,
                             unsigned char **bytes)
{
    mucmm_status status = MUCMM_OK;
    hid_t set = H5Dopen2(r->h5, name, r->access), type;
    unsigned char *to = NULL;
    int64_t n;

    if (set < 0)
        return fail_library(r, name);
    describe(set, a);
    if (a->rank < 0)
        TRY(mucmm__fail(r->ctx, MUCMM_EUNSUPPORTED,
                        "%s: '%s' is no array of integers or floats of 1 to %d dimensions", r->file,
                        name, MUCMM_MAX_RANK));
    if (want && !is_whole(set))
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: '%s' holds no whole numbers", r->file, name));
    type = want ? H5T_NATIVE_INT64 : memory_type(set, &a->type);
    a->type = want ? want : a->type;
    if (!mucmm__array_bytes(a, &n))
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: its shape overflows", r->file));
    TRY(check_storage(r, set, n));
    TRY(bytes ? mucmm__alloc(r->ctx, n, 1, bytes) : result_room(r, n, &to));
    to = bytes ? *bytes : to;
    if (n > 0 && H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, to) < 0)
        TRY(fail_library(r, name));
done:
    H5Dclose(set);
    return status;
}

/* ---- AnnData's sparse matrices ----------------------------------------------------- */

static bool read_shape(const reading *r, const char *group, int64_t shape[2])
{
    hid_t a = H5Aopen_by_name(r->h5, group, "shape", H5P_DEFAULT, H5P_DEFAULT), space;
    bool good = false;

    if (a < 0)
        return false;
    space = H5Aget_space(a);
    good = space >= 0 && H5Sget_simple_extent_npoints(space) == 2 &&
           H5Aread(a, H5T_NATIVE_INT64, shape) >= 0 && shape[0] > 0 && shape[1] > 0;
    if (space >= 0)
        H5Sclose(space);
    H5Aclose(a);
    return good;
}

/* "csc_matrix", else rows one after the other. */
static bool is_by_column(const reading *r, const char *group)
{
    hid_t a = H5Aopen_by_name(r->h5, group, "encoding-type", H5P_DEFAULT, H5P_DEFAULT), type;
    char *text = NULL, fixed[64] = "";
    bool by_column = false;

    if (a < 0)
        return false;
    type = H5Aget_type(a);
    if (type >= 0 && H5Tis_variable_str(type) > 0 && H5Aread(a, type, &text) >= 0 && text) {
        by_column = strcmp(text, "csc_matrix") == 0;
        H5free_memory(text);
    } else if (type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tget_size(type) < sizeof fixed &&
               H5Aread(a, type, fixed) >= 0)
        by_column = strncmp(fixed, "csc_matrix", 10) == 0;
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(a);
    return by_column;
}

typedef struct sparse {
    mucmm__array data, index, start;
    unsigned char *bytes[3];
} sparse;

/* Do the lines begin at 0, follow each other and end with the numbers? */
static bool lines_follow(const int64_t *start, int64_t lines, int64_t n)
{
    bool good = start[0] == 0 && start[lines] == n;

    for (int64_t i = 0; i < lines; i++)
        good = good && start[i] <= start[i + 1];
    return good;
}

/* Into dense [rows, cols]; no place has two numbers. */
static mucmm_status spread(const reading *r, const sparse *s, bool by_column, unsigned char *dense)
{
    mucmm_status status = MUCMM_OK;
    const int64_t *start = (const int64_t *)(const void *)s->bytes[2];
    const int64_t *index = (const int64_t *)(const void *)s->bytes[1];
    int64_t lines = r->out->shape[by_column], across = r->out->shape[!by_column];
    int64_t size = mucmm__number_types[s->data.type].size, *seen = NULL;

    if (!lines_follow(start, lines, s->data.shape[0]))
        return mucmm__fail(r->ctx, MUCMM_EFORMAT,
                           "%s: a sparse matrix whose 'indptr' does not divide its numbers",
                           r->file);
    TRY(mucmm__alloc(r->ctx, across, sizeof *seen, &seen)); /* the last line + 1 */
    for (int64_t i = 0; i < lines; i++)
        for (int64_t k = start[i]; k < start[i + 1]; k++) {
            int64_t j = index[k];
            if (j < 0 || j >= across || seen[j] == i + 1)
                TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                                "%s: a sparse matrix whose indices lie outside its shape, or twice "
                                "in one place",
                                r->file));
            seen[j] = i + 1;
            memcpy(dense + (by_column ? j * lines + i : i * across + j) * size,
                   s->bytes[0] + k * size, (size_t)size);
        }
done:
    mucmm__free(seen);
    return status;
}

static mucmm_status read_part(const reading *r, const char *group, const char *part,
                              mucmm_dtype want, mucmm__array *a, unsigned char **bytes)
{
    char path[PATH + 16];

    snprintf(path, sizeof path, "%s/%s", group, part);
    return read_set(r, path, want, a, bytes);
}

static mucmm_status read_sparse(reading *r, const char *group)
{
    mucmm_status status = MUCMM_OK;
    sparse s = {0};
    bool by_column = is_by_column(r, group);
    unsigned char *dense = NULL;
    int64_t shape[2], n;

    if (!read_shape(r, group, shape))
        return mucmm__fail(r->ctx, MUCMM_EUNSUPPORTED,
                           "%s: '%s' is a group, and no sparse matrix with a shape", r->file,
                           group);
    TRY(read_part(r, group, "data", 0, &s.data, &s.bytes[0]));
    TRY(read_part(r, group, "indices", MUCMM_I64, &s.index, &s.bytes[1]));
    TRY(read_part(r, group, "indptr", MUCMM_I64, &s.start, &s.bytes[2]));
    *r->out = (mucmm__array){.type = s.data.type, .rank = 2, .shape = {shape[0], shape[1]}};
    if (s.data.rank != 1 || s.index.rank != 1 || s.start.rank != 1 ||
        s.index.shape[0] != s.data.shape[0] || s.start.shape[0] - 1 != shape[by_column] ||
        !mucmm__array_bytes(r->out, &n))
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: a sparse matrix whose parts do not fit",
                        r->file));
    if (n / mucmm__number_types[s.data.type].size / MAX_SPARSE > s.data.shape[0] + FEW / MAX_SPARSE)
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT,
                        "%s: a sparse matrix of %" PRId64 " x %" PRId64 " with %" PRId64
                        " numbers; it would be nothing but zeros",
                        r->file, shape[0], shape[1], s.data.shape[0]));
    TRY(result_room(r, n, &dense));
    TRY(spread(r, &s, by_column, dense));
done:
    for (int k = 0; k < 3; k++)
        mucmm__free(s.bytes[k]);
    return status;
}

/* ---- AnnData's names --------------------------------------------------------------- */

/* What the attribute "_index" of a group says, else "_index". */
static void index_name(const reading *r, const char *group, char *out, size_t size)
{
    hid_t a = H5Aopen_by_name(r->h5, group, "_index", H5P_DEFAULT, H5P_DEFAULT), type;
    char *text = NULL;

    snprintf(out, size, "%s/_index", group);
    if (a < 0)
        return;
    type = H5Aget_type(a);
    if (type >= 0 && H5Tis_variable_str(type) > 0 && H5Aread(a, type, &text) >= 0 && text) {
        snprintf(out, size, "%s/%s", group, text);
        H5free_memory(text);
    }
    if (type >= 0)
        H5Tclose(type);
    H5Aclose(a);
}

/* texts [n] behind what is in the table; *at [n] where. */
static mucmm_status keep_texts(reading *r, char *const *texts, int64_t n, int64_t **at)
{
    mucmm_status status = MUCMM_OK;
    int64_t size = 0;

    for (int64_t i = 0; i < n; i++)
        size += (int64_t)(texts[i] ? strlen(texts[i]) : 0) + 1;
    TRY(mucmm__realloc(r->ctx, r->text_size, r->text_size + size, 1, &r->names->text));
    TRY(mucmm__alloc(r->ctx, n, sizeof **at, at));
    for (int64_t i = 0; i < n; i++) {
        size_t length = texts[i] ? strlen(texts[i]) : 0;
        (*at)[i] = r->text_size;
        memcpy(r->names->text + r->text_size, texts[i] ? texts[i] : "", length + 1);
        r->text_size += (int64_t)length + 1;
    }
done:
    return status;
}

/* The index of group base/which: n texts; nothing if it is none of texts. */
static mucmm_status read_names(reading *r, const char *base, const char *which, int64_t n,
                               int64_t **at)
{
    mucmm_status status = MUCMM_OK;
    char group[PATH + 8], path[2 * PATH];
    char **texts = NULL;
    hid_t set, type, space;

    snprintf(group, sizeof group, "%s/%s", base, which);
    index_name(r, group, path, sizeof path);
    set = H5Dopen2(r->h5, path, r->access);
    if (set < 0)
        return MUCMM_OK;
    type = H5Dget_type(set);
    space = H5Dget_space(set);
    if (H5Tget_class(type) != H5T_STRING || H5Tis_variable_str(type) <= 0)
        goto done;
    if (H5Sget_simple_extent_npoints(space) != n)
        TRY(mucmm__fail(r->ctx, MUCMM_EFORMAT, "%s: '%s' names %" PRId64 ", but there are %" PRId64,
                        r->file, path + 1, (int64_t)H5Sget_simple_extent_npoints(space), n));
    TRY(check_storage(r, set, n));
    TRY(mucmm__alloc(r->ctx, n, sizeof *texts, &texts));
    if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) < 0)
        TRY(fail_library(r, path));
    status = keep_texts(r, texts, n, at);
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
done:
    mucmm__free(texts);
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(set);
    return status;
}

/* Names of obs for the rows of X, of layers and of obsm, of var for the columns of the former. */
static mucmm_status read_all_names(reading *r)
{
    mucmm_status status = MUCMM_OK;
    char base[PATH + 1], *slash;
    bool wide;

    snprintf(base, sizeof base, "/%s", r->found);
    slash = strrchr(base, '/');
    wide = strcmp(slash, "/X") == 0;
    *slash = '\0';
    slash = strrchr(base, '/');
    if (slash && !wide && (strcmp(slash, "/layers") == 0 || strcmp(slash, "/obsm") == 0)) {
        wide = slash[1] == 'l';
        *slash = '\0';
    } else if (!wide)
        return MUCMM_OK;
    TRY(read_names(r, base, "obs", r->out->shape[0], &r->names->key_at));
    if (wide && r->out->rank == 2)
        TRY(read_names(r, base, "var", r->out->shape[1], &r->names->column_at));
done:
    return status;
}

/* ---- which ------------------------------------------------------------------------- */

static herr_t visit(hid_t h5, const char *name, const H5O_info_t *info, void *arg)
{
    reading *r = arg;
    mucmm__array a;
    hid_t set;

    if (info->type != H5O_TYPE_DATASET || strlen(name) >= PATH)
        return 0;
    set = H5Dopen2(h5, name, r->access);
    if (set < 0)
        return 0;
    describe(set, &a);
    H5Dclose(set);
    if (a.rank > 0 && mucmm__choice_offer(r->choice, name, strlen(name), &a))
        snprintf(r->found, sizeof r->found, "%s", name);
    return 0;
}

static bool has(const reading *r, const char *name)
{
    return H5Lexists(r->h5, name, H5P_DEFAULT) > 0;
}

static mucmm_status find_and_read(reading *r)
{
    mucmm_status status = MUCMM_OK;
    mucmm__choice *c = r->choice;
    H5O_info_t info;

    while (c->name && *c->name == '/')
        c->name++;
    if (!c->name && has(r, "X") && has(r, "obs") && has(r, "var"))
        c->name = "X";
    if (c->name && *c->name && strlen(c->name) < PATH &&
        H5Oget_info_by_name(r->h5, c->name, &info, r->access) >= 0 && info.type == H5O_TYPE_GROUP) {
        snprintf(r->found, sizeof r->found, "%s", c->name);
        TRY(read_sparse(r, r->found));
    } else {
        H5Ovisit(r->h5, H5_INDEX_NAME, H5_ITER_INC, visit, r);
        TRY(mucmm__choice_check(r->ctx, c));
        TRY(read_set(r, r->found, 0, r->out, NULL));
    }
    TRY(read_all_names(r));
done:
    return status;
}

/* ---- the file ---------------------------------------------------------------------- */

bool mucmm__is_hdf5(const unsigned char *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) == 0;
}

static herr_t refuse_link(const char *parent, const char *group, const char *file,
                          const char *object, unsigned *flags, hid_t access, void *user)
{
    (void)parent, (void)group, (void)file, (void)object, (void)flags, (void)access, (void)user;
    return -1;
}

static mucmm_status read_file(reading *r, const char *path, const unsigned char *bytes, size_t size)
{
    mucmm_status status = MUCMM_OK;
    hid_t how = H5Pcreate(H5P_FILE_ACCESS);

    r->access = H5Pcreate(H5P_DATASET_ACCESS); /* which is one of link access, too */
    H5Pset_elink_cb(r->access, refuse_link, NULL);
    if (!path) {
        H5Pset_fapl_core(how, 1 << 20, false);
        H5Pset_file_image(how, (void *)(uintptr_t)bytes, size);
    }
    r->h5 = H5Fopen(path ? path : "memory.h5", H5F_ACC_RDONLY, how);
    if (r->h5 < 0)
        TRY(fail_library(r, "it"));
    TRY(find_and_read(r));
done:
    H5Pclose(how);
    H5Pclose(r->access);
    if (r->h5 >= 0)
        H5Fclose(r->h5);
    return status;
}

mucmm_status mucmm__hdf5_read(mucmm_ctx *ctx, const mucmm__found *f, int fd, mucmm__array *out,
                              mucmm__table *names)
{
    mucmm__choice choice = {.file = f->label, .name = f->name};
    reading r = {
        .ctx = ctx, .file = f->label, .choice = &choice, .out = out, .fd = fd, .names = names};

    H5open();
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    H5PLset_loading_state(0);
    return read_file(&r, f->path, f->bytes, f->size);
}
