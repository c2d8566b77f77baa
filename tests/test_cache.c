/* SPDX-License-Identifier: MIT
 *
 * Features in a file, when a run ends between any two changes of its files or in the middle of one:
 * whatever lies there then, the next run has the features of its own network. The calls that change
 * files are taken in this program's place, in a child process that ends at the k-th of them. */
#include "harness.h"

#include "encode/encode.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { ROWS = 3, COLS = 5, BATCH = 2, INTERRUPTED = 7 };

static char folder[] = "/tmp/test_cache_XXXXXX", path[64];

/* ---- the end of a process at a change of a file ------------------------------------ */

static struct {
    bool active;
    int64_t left; /* changes until the end                                    */
    bool middle;  /* half of a write is done before it; other changes are done */
} stop;

/* The calls of this process count down; true: the change is to be done, and then it ends. */
static bool ends_here(void)
{
    if (!stop.active || stop.left-- > 0)
        return false;
    if (!stop.middle)
        _exit(INTERRUPTED);
    return true;
}

#define CHANGE(...)                                                                                \
    do {                                                                                           \
        bool ends_ = ends_here();                                                                  \
        long result_ = (__VA_ARGS__);                                                              \
        if (ends_)                                                                                 \
            _exit(INTERRUPTED);                                                                    \
        return (int)result_;                                                                       \
    } while (0)

int open(const char *name, int flags, ...)
{
    mode_t mode = 0;

    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    if (!(flags & (O_CREAT | O_WRONLY | O_RDWR)))
        return (int)syscall(SYS_openat, AT_FDCWD, name, flags, mode);
    CHANGE(syscall(SYS_openat, AT_FDCWD, name, flags, mode));
}

ssize_t write(int fd, const void *data, size_t size)
{
    bool ends = ends_here();
    ssize_t n = syscall(SYS_write, fd, data, ends ? size / 2 : size);

    if (ends)
        _exit(INTERRUPTED);
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    bool ends = ends_here();
    ssize_t n = syscall(SYS_pwrite64, fd, data, ends ? size / 2 : size, at);

    if (ends)
        _exit(INTERRUPTED);
    return n;
}

int ftruncate(int fd, off_t size)
{
    CHANGE(syscall(SYS_ftruncate, fd, size));
}

int fsync(int fd)
{
    CHANGE((void)fd, 0L); /* the machine does not fail, so nothing has to reach the disk */
}

int fdatasync(int fd)
{
    CHANGE((void)fd, 0L);
}

int rename(const char *from, const char *to)
{
    CHANGE(syscall(SYS_rename, from, to));
}

int unlink(const char *name)
{
    CHANGE(syscall(SYS_unlink, name));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    CHANGE(syscall(SYS_linkat, from_fd, from, to_fd, to, flags));
}

/* Every look at the clock takes a minute, so that the side file is saved after every batch. */
int clock_gettime(clockid_t clock, struct timespec *out)
{
    static time_t minutes;

    (void)clock;
    *out = (struct timespec){.tv_sec = 60 * ++minutes};
    return 0;
}

/* ---- a run ------------------------------------------------------------------------- */

static float feature(uint64_t network, int64_t row, int64_t column)
{
    return (float)(1000 * (int64_t)network + 10 * row + column);
}

static mucmm_status encode(mucmm_ctx *ctx, uint64_t network)
{
    const int64_t shape[] = {COLS};
    mucmm_status status = MUCMM_OK;
    mucmm__cache c;
    float x[BATCH * COLS];

    TRY(mucmm__cache_open(ctx, path, network, ROWS, shape, 1, &c));
    while (c.fd >= 0 && c.done < ROWS) {
        int64_t n = ROWS - c.done < BATCH ? ROWS - c.done : BATCH;
        for (int64_t i = 0; i < n * COLS; i++)
            x[i] = feature(network, c.done + i / COLS, i % COLS);
        TRY(mucmm__cache_put(ctx, &c, x, n));
    }
    TRY(mucmm__cache_finish(ctx, &c));
done:
    mucmm__cache_drop(ctx, &c);
    return status;
}

/* In a process of its own; true: it came to its end. */
static bool run(uint64_t network, int64_t left, bool middle)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        mucmm_ctx *ctx = NULL;
        if (mucmm_ctx_create(NULL, &ctx) != MUCMM_OK)
            _exit(1);
        stop.active = true;
        stop.left = left;
        stop.middle = middle;
        _exit(encode(ctx, network) == MUCMM_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == INTERRUPTED);
    return WEXITSTATUS(status) == 0;
}

/* The whole run gives the features of its network, and leaves no part behind. */
static void check_whole_run(mucmm_ctx *ctx, uint64_t network)
{
    int64_t shape[MUCMM_MAX_RANK];
    int32_t rank;
    double *x = NULL;

    assert_true(run(network, INT64_MAX, false));
    CHECK_OK(ctx, mucmm__npy_read_double(ctx, path, &x, shape, &rank));
    assert_int_equal(rank, 2);
    assert_int_equal(shape[0] * COLS + shape[1], ROWS * COLS + COLS);
    for (int64_t i = 0; i < ROWS * COLS; i++)
        CHECK_CLOSE(x[i], (double)feature(network, i / COLS, i % COLS), 0);
    mucmm__free(x);
}

static void remove_files(void)
{
    char name[80];
    static const char *const ends[] = {"", ".json", ".part"};

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

/* ---- tests ------------------------------------------------------------------------- */

/* From states that a run of the first network can leave (none, a part, the whole), a run of the
 * second that ends at every change; then whole runs of both. */
static int64_t sweep(mucmm_ctx *ctx, bool middle)
{
    int64_t states = 0;
    bool whole_before = false, whole_second;

    for (int64_t k = 0; !whole_before; k += 4) {
        whole_second = false;
        for (int64_t j = 0; !whole_second; j++, states++) {
            remove_files();
            whole_before = run(1, k, middle);
            whole_second = run(2, j, middle);
            check_whole_run(ctx, (uint64_t)(1 + j % 2));
            check_whole_run(ctx, (uint64_t)(2 - j % 2));
        }
    }
    return states;
}

static void test_a_run_that_ends_anywhere_leaves_no_features_of_another_network(void **state)
{
    mucmm_ctx *ctx = new_ctx();

    (void)state;
    assert_true(sweep(ctx, false) > 80);
    assert_true(sweep(ctx, true) > 80);
    mucmm_ctx_free(ctx);
}

static void copy_file(const char *from, const char *to)
{
    char bytes[4096], name[80];
    FILE *f;
    size_t n;

    snprintf(name, sizeof name, "%s%s", path, from);
    f = fopen(name, "rb");
    assert_non_null(f);
    n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    snprintf(name, sizeof name, "%s%s", path, to);
    f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Files of the right size and names, but of another run: copied, restored from a backup. */
static void test_files_of_other_runs_are_not_believed(void **state)
{
    static const char *const files[] = {"", ".part"};
    mucmm_ctx *ctx = new_ctx();
    char other[80];

    (void)state;
    for (int i = 0; i < 2; i++) {
        remove_files();
        check_whole_run(ctx, 1);
        copy_file("", ".other");
        check_whole_run(ctx, 2);
        copy_file(".other", files[i]); /* and the side file is of network 2 */
        check_whole_run(ctx, 2);
    }
    copy_file(".json", ".other");
    check_whole_run(ctx, 1);
    copy_file(".other", ".json"); /* of network 2, the features of network 1 */
    check_whole_run(ctx, 2);
    remove_files();
    snprintf(other, sizeof other, "%s.other", path);
    unlink(other);
    mucmm_ctx_free(ctx);
}

/* What is whole is not made again, and a run that was stopped goes on where it was. */
static void test_rows_that_are_done_are_kept(void **state)
{
    const int64_t shape[] = {COLS};
    mucmm_ctx *ctx = new_ctx();
    mucmm__cache c;
    int64_t most = 0;

    (void)state;
    remove_files();
    for (int64_t k = 0; !run(1, k, false); k++) {
        CHECK_OK(ctx, mucmm__cache_open(ctx, path, 1, ROWS, shape, 1, &c));
        most = c.done > most ? c.done : most;
        mucmm__cache_drop(ctx, &c);
    }
    assert_int_equal(most, ROWS);
    CHECK_OK(ctx, mucmm__cache_open(ctx, path, 1, ROWS, shape, 1, &c));
    assert_int_equal(c.fd, -1);
    assert_int_equal(c.done, ROWS);
    mucmm__cache_drop(ctx, &c);
    remove_files();
    mucmm_ctx_free(ctx);
}

static void test_two_runs_at_a_time_are_refused(void **state)
{
    const int64_t shape[] = {COLS};
    mucmm_ctx *ctx = new_ctx();
    mucmm__cache a, b;

    (void)state;
    CHECK_OK(ctx, mucmm__cache_open(ctx, path, 1, ROWS, shape, 1, &a));
    assert_int_equal(mucmm__cache_open(ctx, path, 2, ROWS, shape, 1, &b), MUCMM_EIO);
    assert_non_null(strstr(mucmm_ctx_message(ctx), "another run"));
    mucmm__cache_drop(ctx, &a);
    check_whole_run(ctx, 2);
    remove_files();
    mucmm_ctx_free(ctx);
}

/* Each of the three files as a link to another file, and as a pipe: refused, and nothing is
 * changed. */
static void test_what_is_no_file_of_its_own_is_refused(void **state)
{
    static const char *const ends[] = {"", ".json", ".part"};
    mucmm_ctx *ctx = new_ctx();
    char victim[300], name[300];
    struct stat found;

    (void)state;
    remove_files();
    snprintf(victim, sizeof victim, "%s/victim", folder);
    for (int i = 0; i < 6; i++) {
        FILE *f = fopen(victim, "w");
        assert_non_null(f);
        fputs("precious", f);
        fclose(f);
        snprintf(name, sizeof name, "%s%s", path, ends[i / 2]);
        assert_int_equal(i % 2 ? mkfifo(name, 0600) : symlink(victim, name), 0);
        assert_int_equal(encode(ctx, 1), MUCMM_EIO);
        assert_non_null(strstr(mucmm_ctx_message(ctx), i % 2 ? "pipe" : "symbolic link"));
        assert_int_equal(lstat(name, &found), 0);
        assert_true(i % 2 ? S_ISFIFO(found.st_mode) : S_ISLNK(found.st_mode));
        assert_int_equal(stat(victim, &found), 0);
        assert_int_equal(found.st_size, strlen("precious"));
        unlink(name);
    }
    unlink(victim);
    check_whole_run(ctx, 2);
    remove_files();
    mucmm_ctx_free(ctx);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/x.npy", folder);
    return 0;
}

static int tear_down(void **state)
{
    glob_t left; /* of runs that ended between the name and the rename */

    (void)state;
    snprintf(path, sizeof path, "%s/.mucmm-*.tmp", folder);
    if (glob(path, 0, NULL, &left) == 0) {
        for (size_t i = 0; i < left.gl_pathc; i++)
            unlink(left.gl_pathv[i]);
        globfree(&left);
    }
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_that_ends_anywhere_leaves_no_features_of_another_network),
        cmocka_unit_test(test_files_of_other_runs_are_not_believed),
        cmocka_unit_test(test_rows_that_are_done_are_kept),
        cmocka_unit_test(test_two_runs_at_a_time_are_refused),
        cmocka_unit_test(test_what_is_no_file_of_its_own_is_refused),
    };
    return cmocka_run_group_tests_name("cache", tests, set_up, tear_down);
}
