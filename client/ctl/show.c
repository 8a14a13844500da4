/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ctl/ctl.h"
#include "client/ctl/text.h"

/* The size of the terminal on standard output. Returns false when it is none. */
static bool terminal_size(size_t *ret_columns, size_t *ret_rows) {
        struct winsize size;

        if (!isatty(STDOUT_FILENO))
                return false;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
                size = (struct winsize){.ws_col = 80, .ws_row = 24};
        *ret_columns = size.ws_col;
        *ret_rows = size.ws_row;
        return true;
}

table_style ctl_table_style(const ctl *c) {
        table_style style = {.legend = !ctl_given(c, CTL_OPTION_NO_LEGEND)};
        const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");
        size_t rows;

        if (terminal_size(&style.width, &rows))
                style.colour = terminal && strcmp(terminal, "dumb") != 0 && (!no_colour || !*no_colour);
        return style;
}

void ctl_count_line(ctl *c, size_t n, const char *one, const char *many) {
        if (!ctl_given(c, CTL_OPTION_NO_LEGEND))
                output_printf(&c->out, "%s%zu %s.\n", n ? "\n" : "", n, n == 1 ? one : many);
}

/* Whether the text takes more rows than the terminal has, the prompt's own left free. */
static bool exceeds(const output *o, size_t rows) {
        size_t n = 0;

        for (size_t i = 0; i < o->size; i++)
                n += o->data[i] == '\n';
        return n >= rows;
}

/* The child: a shell runs the pager, as people put options into $PAGER. */
static void run_pager(const ctl *c, const char *pager, int fd) {
        signals_child(&c->signals);
        if (dup2(fd, STDIN_FILENO) < 0)
                _exit(127);
        setenv("LESS", "FRSXMK", 0);
        setenv("LESSCHARSET", "utf-8", 0);
        execl("/bin/sh", "sh", "-c", pager, (char *) NULL);
        _exit(127);
}

/* Hands what was collected to the pager and waits for it to end. Returns 0, or -ENOENT when there is none. */
static int page(ctl *c, const char *pager) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        output to_pager;
        int fds[2], status;
        pid_t pid;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                run_pager(c, pager, fds[0]);
        close(fds[0]);
        if (pid < 0) {
                close(fds[1]);
                return -EAGAIN;
        }
        /* Ctrl-C is the pager's while it runs; it may end before it has read everything. */
        sigaction(SIGINT, &ignore, NULL);
        output_init(&to_pager, fds[1], &c->signals);
        to_pager.data = c->out.data;
        to_pager.size = c->out.size;
        output_flush(&to_pager);
        close(fds[1]);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? -ENOENT : 0;
}

int ctl_show(ctl *c) {
        const char *pager = getenv("PAGER");
        size_t columns, rows;
        int r;

        if (!pager)
                pager = "less";
        if (c->out.error >= 0 && !ctl_given(c, CTL_OPTION_NO_PAGER) && *pager && strcmp(pager, "cat") != 0 &&
            terminal_size(&columns, &rows) && exceeds(&c->out, rows) && page(c, pager) >= 0)
                return CTL_DONE;
        r = output_flush(&c->out);
        if (r < 0 && r != -EPIPE)
                ctl_say("cannot write the output: %s", strerror(-r));
        return r < 0 ? CTL_FAILED : CTL_DONE;
}
