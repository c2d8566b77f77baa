/* SPDX-License-Identifier: MIT
 *
 * Other programs, started and waited for. */
#include "programs.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_for(pid_t child, const char *name, bool told)
{
    int status;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return fail(EXIT_RUN, "%s: %s", name, strerror(errno));
    if (stop_signal())
        return 128 + stop_signal();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && told)
        return WEXITSTATUS(status);
    if (WIFEXITED(status))
        return fail(EXIT_RUN, "%s ended with status %d", name, WEXITSTATUS(status));
    return fail(EXIT_RUN, "%s was ended by signal %d", name, WTERMSIG(status));
}

int run_program(const char *folder, const char *const *argv, const char *output,
                const char *missing)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t child;
    int error;

    fflush(stdout);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return fail(EXIT_RUN, "out of memory");
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return fail(EXIT_RUN, "out of memory");
    }
    sigemptyset(&none); /* our own threads take no signals, the program does */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    error = posix_spawn_file_actions_addchdir_np(&actions, folder);
    if (error == 0 && output)
        error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output,
                                                 O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (error == 0) /* posix_spawnp only reads the arguments */
        error = posix_spawnp(&child, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv,
                             environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error == ENOENT)
        return fail(EXIT_RUN, "cannot run %s: %s", argv[0], missing ? missing : strerror(error));
    if (error != 0)
        return fail(EXIT_RUN, "cannot run %s: %s", argv[0], strerror(error));
    return wait_for(child, argv[0], missing == NULL);
}
