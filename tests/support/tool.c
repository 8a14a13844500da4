/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/tool.h"

#define ARGUMENTS_MAX 32

struct tool {
        pid_t pid;
        int input, output;      /* our ends of pipes */
        int kept_out, kept_err; /* files that it writes to */
};

void tool_result_done(struct tool_result *r) {
        free(r->out);
        free(r->err);
        *r = (struct tool_result){0};
}

static void close_fd(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
        *fd = -1;
}

static struct tool *tool_free(struct tool *t) {
        if (!t)
                return NULL;
        close_fd(&t->input);
        close_fd(&t->output);
        close_fd(&t->kept_out);
        close_fd(&t->kept_err);
        free(t);
        return NULL;
}

static int make_ends(struct tool *t, int *input, int *output) {
        int fds[2];

        if (*input == TOOL_PIPE) {
                if (pipe2(fds, O_CLOEXEC) < 0)
                        return -errno;
                *input = fds[0];
                t->input = fds[1];
        } else if (*input == TOOL_KEEP) {
                *input = open("/dev/null", O_RDONLY | O_CLOEXEC);
                if (*input < 0)
                        return -errno;
        }
        if (*output == TOOL_PIPE) {
                if (pipe2(fds, O_CLOEXEC) < 0)
                        return -errno;
                *output = fds[1];
                t->output = fds[0];
        } else if (*output == TOOL_KEEP) {
                *output = t->kept_out = memfd_create("stdout", MFD_CLOEXEC);
                if (*output < 0)
                        return -errno;
        }
        t->kept_err = memfd_create("stderr", MFD_CLOEXEC);
        return t->kept_err < 0 ? -errno : 0;
}

static void run_child(struct tool *t, const char *socket_path, int input, int output, const char *const *arguments) {
        const char *program = getenv("LODGECTL");
        const char *argv[ARGUMENTS_MAX + 2] = {program ? program : "build/lodgectl"};

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (size_t i = 0; i < ARGUMENTS_MAX && arguments[i]; i++)
                argv[i + 1] = arguments[i];
        if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(t->kept_err, STDERR_FILENO) < 0)
                _exit(126);
        setenv("LODGE_SOCKET", socket_path, 1);
        execv(argv[0], (char **) argv);
        _exit(127);
}

int tool_start(struct tool **ret, const char *socket_path, int input, int output, const char *const *arguments) {
        struct tool *t = calloc(1, sizeof(*t));
        int given_input = input, given_output = output, r;

        if (!t)
                return -ENOMEM;
        t->input = t->output = t->kept_out = t->kept_err = -1;
        r = make_ends(t, &input, &output);
        if (r >= 0) {
                t->pid = fork();
                r = t->pid < 0 ? -errno : 0;
        }
        if (r >= 0 && t->pid == 0)
                run_child(t, socket_path, input, output, arguments);
        if (given_input < 0)
                close_fd(&input);
        if (given_output == TOOL_PIPE)
                close_fd(&output);
        if (r < 0) {
                tool_free(t);
                return r;
        }
        *ret = t;
        return 0;
}

int tool_input(const struct tool *t) {
        return t->input;
}

int tool_output(const struct tool *t) {
        return t->output;
}

void tool_close_input(struct tool *t) {
        close_fd(&t->input);
}

pid_t tool_pid(const struct tool *t) {
        return t->pid;
}

/* All of a file, with a NUL behind. */
static int take_file(int fd, char **ret, size_t *ret_size) {
        off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
        char *data;

        if (size < 0)
                return -errno;
        data = calloc(1, (size_t) size + 1);
        if (!data)
                return -ENOMEM;
        if (size > 0 && pread(fd, data, (size_t) size, 0) != size) {
                free(data);
                return -EIO;
        }
        *ret = data;
        *ret_size = (size_t) size;
        return 0;
}

int tool_finish(struct tool *t, struct tool_result *ret) {
        struct tool_result result = {0};
        int status, r;

        close_fd(&t->input);
        while (waitpid(t->pid, &status, 0) < 0)
                if (errno != EINTR) {
                        r = -errno;
                        tool_free(t);
                        return r;
                }
        result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        r = take_file(t->kept_out, &result.out, &result.out_size);
        if (r >= 0)
                r = take_file(t->kept_err, &result.err, &result.err_size);
        tool_free(t);
        if (r < 0) {
                tool_result_done(&result);
                return r;
        }
        *ret = result;
        return 0;
}

int tool_run(struct tool_result *ret,
             const char *socket_path,
             const void *input,
             size_t size,
             const char *const *arguments) {
        int fd = memfd_create("stdin", MFD_CLOEXEC), r = 0;
        struct tool *t;

        if (fd < 0)
                return -errno;
        if (size > 0 && write(fd, input, size) != (ssize_t) size)
                r = -EIO;
        if (r >= 0 && lseek(fd, 0, SEEK_SET) < 0)
                r = -errno;
        if (r >= 0)
                r = tool_start(&t, socket_path, fd, TOOL_KEEP, arguments);
        (void) close(fd);
        return r < 0 ? r : tool_finish(t, ret);
}
