/* SPDX-License-Identifier: MIT
 *
 * folder.h - a folder of its own for targets that read several files; it goes with the process. */
#ifndef MUCMM_FUZZ_FOLDER_H
#define MUCMM_FUZZ_FOLDER_H

#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>

static char fuzz_folder[64];

/* Takes files away, and folders of files. */
static inline void empty_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char inner[1024];

    if (!d)
        return;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            FUZZ_REQUIRE(snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) < 1024);
            if (unlink(inner) != 0) {
                empty_folder(inner);
                rmdir(inner);
            }
        }
    closedir(d);
}

static inline void drop_folder(void)
{
    empty_folder(fuzz_folder);
    rmdir(fuzz_folder);
}

static inline void make_folder(void)
{
    /* in memory where there is such a place: checkpoints and caches are synced */
    snprintf(fuzz_folder, sizeof fuzz_folder, "%s/mucmm-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_REQUIRE(mkdtemp(fuzz_folder) != NULL);
    atexit(drop_folder);
}

static inline const char *folder_path(const char *name)
{
    static char paths[4][160];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", fuzz_folder, name);
    return path;
}

static inline void put_in_folder(const char *name, const void *bytes, size_t size)
{
    int f = open(folder_path(name), O_CREAT | O_TRUNC | O_WRONLY, 0600);

    FUZZ_REQUIRE(f >= 0);
    FUZZ_REQUIRE(write(f, bytes, size) == (ssize_t)size);
    close(f);
}

#endif
