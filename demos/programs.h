/* SPDX-License-Identifier: MIT
 *
 * Other programs, run by a command that needs them.
 */
#ifndef CLI_PROGRAMS_H
#define CLI_PROGRAMS_H

/* Runs argv[0] (found on PATH) in a folder and waits; output NULL = ours, else a file in that
 * folder that is written anew. An error line names the program, and `missing` says
 * what to install; NULL: this program itself, which has told its errors. */
int run_program(const char *folder, const char *const *argv, const char *output,
                const char *missing);

#endif
