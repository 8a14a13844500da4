/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* receive --exec: the command gets the body on its standard input and the rest in its environment. */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ctl/receive.h"

/* With --follow, a command that fails again and again is not run more often than this. */
#define PAUSE_FIRST_US UINT64_C(100000)
#define PAUSE_LAST_US  UINT64_C(30000000)

static void set_number(const char *name, uint64_t value) {
        char text[24];

        snprintf(text, sizeof(text), "%" PRIu64, value);
        setenv(name, text, 1);
}

/* What there is not must not be taken over from whoever started this. */
static void set_text(const char *name, const char *value) {
        if (value)
                setenv(name, value, 1);
        else
                unsetenv(name);
}

/* Header "Content-Language" is LODGE_HEADER_CONTENT_LANGUAGE. */
static void set_headers(lodge_message *m) {
        const char *key, *value;

        for (size_t i = 0; lodge_message_get_header_at(m, i, &key, &value) > 0; i++) {
                char *name;

                if (asprintf(&name, "LODGE_HEADER_%s", key) < 0)
                        _exit(126);
                for (char *p = name; *p; p++)
                        *p = isalnum((unsigned char) *p) ? (char) toupper((unsigned char) *p) : '_';
                setenv(name, value, 1);
                free(name);
        }
}

/* In the child. */
static void set_environment(const receiver *r) {
        lodge_message *m = r->current;
        lodge_sender sender;

        set_number("LODGE_ID", lodge_message_get_id(m));
        set_text("LODGE_SUBJECT", lodge_message_get_subject(m));
        set_text("LODGE_QUEUE", r->queue);
        set_number("LODGE_TIME_US", lodge_message_get_time(m));
        set_number("LODGE_PRIORITY", lodge_message_get_priority(m));
        set_number("LODGE_DELIVERIES", lodge_message_get_deliveries(m));
        set_text("LODGE_CONTENT_TYPE", lodge_message_get_content_type(m));
        set_text("LODGE_REPLY_TO", lodge_message_get_reply_to(m));
        set_text("LODGE_CORRELATION", lodge_message_get_correlation(m));
        set_text("LODGE_THREAD", lodge_message_get_thread(m));
        set_headers(m);
        if (lodge_message_get_sender(m, &sender) < 0)
                return;
        set_number("LODGE_SENDER_UID", sender.uid);
        set_number("LODGE_SENDER_GID", sender.gid);
        set_number("LODGE_SENDER_PID", (uint64_t) sender.pid);
        set_text("LODGE_SENDER_UNIT", sender.unit);
        set_text("LODGE_SENDER_LABEL", sender.label);
}

/* The body as a file, which the command may read at its leisure, or not at all. */
static int body_file(lodge_message *m) {
        size_t size, written = 0;
        const char *body = lodge_message_get_body(m, &size);
        int fd = memfd_create("body", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        while (written < size) {
                ssize_t n = write(fd, body + written, size - written);

                if (n < 0 && errno != EINTR) {
                        n = -errno;
                        close(fd);
                        return (int) n;
                }
                written += n > 0 ? (size_t) n : 0;
        }
        lseek(fd, 0, SEEK_SET);
        return fd;
}

int exec_start(receiver *r) {
        int fd = body_file(r->current);
        pid_t pid;

        if (fd < 0)
                return fd;
        pid = fork();
        if (pid == 0) {
                signals_child(&r->c->signals);
                if (dup2(fd, STDIN_FILENO) < 0)
                        _exit(126);
                set_environment(r);
                execvp(r->c->exec[0], r->c->exec);
                ctl_say("cannot run %s: %s", r->c->exec[0], strerror(errno));
                _exit(errno == ENOENT ? 127 : 126);
        }
        if (pid < 0) {
                pid = -errno;
                close(fd);
                return pid;
        }
        close(fd);
        r->child = pid;
        r->child_fd = pidfd_open(pid, 0);
        if (r->child_fd < 0)
                exec_wait(r);
        return 0;
}

/* Settles the message by how the command ended. */
static int settle(receiver *r, int wait_status, uint64_t now_us) {
        bool done = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
        int k = done ? lodge_message_ack(r->current) : lodge_message_nack(r->current);

        if (!done) {
                if (WIFSIGNALED(wait_status))
                        ctl_say("%s died of signal %d; message %" PRIu64 " goes back", r->c->exec[0],
                                WTERMSIG(wait_status), lodge_message_get_id(r->current));
                else
                        ctl_say("%s exited with %d; message %" PRIu64 " goes back", r->c->exec[0],
                                WEXITSTATUS(wait_status), lodge_message_get_id(r->current));
        }
        r->current = lodge_message_unref(r->current);
        if (k == -ESTALE) {
                r->n_stale++;
                k = 0;
        }
        if (done) {
                r->n_failures = 0;
                return k;
        }
        if (ctl_given(r->c, CTL_OPTION_FOLLOW)) {
                uint64_t pause_us = PAUSE_FIRST_US << (r->n_failures < 16 ? r->n_failures : 16);

                r->n_failures++;
                r->pause_until_us = now_us + (pause_us < PAUSE_LAST_US ? pause_us : PAUSE_LAST_US);
        } else {
                /* The message is the first one again: going on would run the command for it without end. */
                receive_note(r, CTL_FAILED);
                r->wanted = r->taken;
        }
        return k;
}

int exec_finish(receiver *r, uint64_t now_us) {
        int status, k;
        pid_t pid = waitpid(r->child, &status, WNOHANG);

        if (pid == 0)
                return 0;
        if (pid < 0)
                return errno == EINTR ? 0 : -errno;
        if (r->child_fd >= 0)
                close(r->child_fd);
        r->child_fd = -1;
        r->child = 0;
        k = settle(r, status, now_us);
        return k < 0 ? k : 1;
}

void exec_wait(receiver *r) {
        siginfo_t info;

        if (r->child <= 0)
                return;
        /* Left to be taken by exec_finish(). */
        while (waitid(P_PID, (id_t) r->child, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
                ;
}
