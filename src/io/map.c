/* SPDX-License-Identifier: MIT
 *
 * map.c - a whole file as read-only memory. */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static mucmm_status fail_open(mucmm_ctx *ctx, const char *path, const char *why)
{
    return mucmm__fail(ctx, MUCMM_EIO, "cannot read %s: %s", path, why);
}

static mucmm_status map_file(mucmm_ctx *ctx, const char *path, int fd, mucmm__map *out)
{
    struct stat st;
    void *p;

    if (fstat(fd, &st) != 0)
        return fail_open(ctx, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail_open(ctx, path,
                         S_ISDIR(st.st_mode) ? "it is a folder"
                                             : "it is not a regular file, which is needed");
    if (st.st_size == 0)
        return MUCMM_OK;
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return fail_open(ctx, path, strerror(errno));
    out->data = p;
    out->size = (size_t)st.st_size;
    return MUCMM_OK;
}

/* The size is that of now. A file that another process cuts afterwards raises SIGBUS when
 * the lost part is read; a library cannot prevent that without reading every file whole.
 * Replacing a file by renaming, as our writer does, is safe. */
mucmm_status mucmm__map_open(mucmm_ctx *ctx, const char *path, mucmm__map *out)
{
    mucmm_status status;
    int fd;

    *out = (mucmm__map){NULL, 0};
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* does not wait for a pipe's other end */
    if (fd < 0)
        return fail_open(ctx, path, strerror(errno));
    status = map_file(ctx, path, fd, out);
    close(fd);
    return status;
}

/* Opens part after part, so that nothing can be exchanged between a check and its use. */
static int open_below(const char *folder, const char *path)
{
    char part[NAME_MAX + 1];
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

    while (at >= 0 && *path) {
        size_t n = strcspn(path, "/");
        bool last = path[n + strspn(path + n, "/")] == '\0';

        errno = n > NAME_MAX ? ENAMETOOLONG : ELOOP;
        if (n <= NAME_MAX) {
            memcpy(part, path, n);
            part[n] = '\0';
        }
        if (n > NAME_MAX || strcmp(part, "..") == 0)
            next = -1;
        else
            next = openat(at, n ? part : ".",
                          O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY));
        n = n + strspn(path + n, "/");
        path += n;
        int error = errno;
        close(at);
        errno = error;
        at = next;
    }
    return at;
}

mucmm_status mucmm__map_open_below(mucmm_ctx *ctx, const char *folder, const char *path,
                                   mucmm__map *out)
{
    char whole[PATH_MAX];
    mucmm_status status;
    int fd = open_below(folder, path);

    *out = (mucmm__map){NULL, 0};
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    if (fd < 0)
        return fail_open(ctx, whole,
                         errno == ELOOP || errno == ENOTDIR
                             ? "a part of the path is a symbolic link or no folder; what a file "
                               "asks for must lie in the file's own folder"
                             : strerror(errno));
    status = map_file(ctx, whole, fd, out);
    close(fd);
    return status;
}

void mucmm__map_close(mucmm__map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->size);
    *m = (mucmm__map){NULL, 0};
}
