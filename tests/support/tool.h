/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs lodgectl in tests: the program is $LODGECTL, else build/lodgectl, and it talks to the socket given. It dies with
 * the thread that started it.
 */

#include <stddef.h>
#include <sys/types.h>

struct tool;

/* How its standard input and output are set up. A descriptor is passed as it is and stays the caller's. */
#define TOOL_PIPE (-1) /* a pipe: see tool_input(), tool_output() */
#define TOOL_KEEP (-2) /* input: nothing; output: kept until the end */

/* What it left behind. Texts end with a NUL that size does not count. */
struct tool_result {
        int status; /* of exit, or 128 + signal */
        char *out, *err;
        size_t out_size, err_size;
};
void tool_result_done(struct tool_result *r);

/* Starts it with these arguments, NULL-terminated. Returns 0 or a negative errno. */
int tool_start(struct tool **ret, const char *socket_path, int input, int output, const char *const *arguments);
/* The caller's ends of its pipes, or -1. tool_close_input() tells it that no more comes. */
int tool_input(const struct tool *t);
int tool_output(const struct tool *t);
void tool_close_input(struct tool *t);
pid_t tool_pid(const struct tool *t);
/* Waits for its end and frees it. Returns 0 or a negative errno. */
int tool_finish(struct tool *t, struct tool_result *ret);

/* All at once, with this input. Returns 0 or a negative errno. */
int tool_run(
        struct tool_result *ret, const char *socket_path, const void *input, size_t size, const char *const *arguments);
