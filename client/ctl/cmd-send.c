/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/send.h"

bool send_has_options(const ctl *c) {
        return c->given &
               (CTL_BIT(CTL_OPTION_HEADER) | CTL_BIT(CTL_OPTION_PRIORITY) | CTL_BIT(CTL_OPTION_CONTENT_TYPE) |
                CTL_BIT(CTL_OPTION_REPLY_TO) | CTL_BIT(CTL_OPTION_CORRELATION) | CTL_BIT(CTL_OPTION_THREAD));
}

static int add_header(lodge_message *m, const char *header) {
        const char *equals = strchr(header, '=');
        char *key = strndup(header, (size_t) (equals - header));
        int r = key ? lodge_message_add_header(m, key, equals + 1) : -ENOMEM;

        free(key);
        return r;
}

int send_make_message(ctl *c, const void *body, size_t size, lodge_message **ret) {
        __attribute__((cleanup(lodge_message_unrefp))) lodge_message *m = NULL;
        int r = lodge_message_new(&m, c->arguments[0]);

        if (r >= 0)
                r = lodge_message_set_body(m, body, size);
        if (r >= 0 && c->priority > 0)
                r = lodge_message_set_priority(m, c->priority);
        if (r >= 0 && c->content_type)
                r = lodge_message_set_content_type(m, c->content_type);
        if (r >= 0 && c->reply_to)
                r = lodge_message_set_reply_to(m, c->reply_to);
        if (r >= 0 && c->correlation)
                r = lodge_message_set_correlation(m, c->correlation);
        if (r >= 0 && c->thread)
                r = lodge_message_set_thread(m, c->thread);
        for (size_t i = 0; i < c->n_headers && r >= 0; i++)
                r = add_header(m, c->headers[i]);
        if (r < 0)
                return r;
        *ret = m;
        m = NULL;
        return 0;
}

/* Reads to the end, into memory that is the caller's to free(), also on failure. More than size_max is -EMSGSIZE. */
static int read_all(int fd, size_t size_max, char **data, size_t *ret_size) {
        size_t size = 0, capacity = 0;

        for (;;) {
                ssize_t n;

                if (size == capacity) {
                        char *grown = realloc(*data, capacity = capacity ? capacity * 2 : 65536);

                        if (!grown)
                                return -ENOMEM;
                        *data = grown;
                }
                n = read(fd, *data + size, capacity - size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                size += (size_t) n;
                if (size > size_max)
                        return -EMSGSIZE;
                if (n == 0)
                        break;
        }
        *ret_size = size;
        return 0;
}

static int show_sent(ctl *c, uint64_t id) {
        json_stream stream = {.out = &c->out, .mode = c->json, .single = true};
        json_object *object;

        if (c->json) {
                object = json_object_new_object();
                json_object_object_add(object, "id", json_object_new_uint64(id));
                json_object_object_add(object, "subject", json_object_new_string(c->arguments[0]));
                json_stream_add(&stream, object);
        } else
                output_printf(&c->out, "%" PRIu64 "\n", id);
        return ctl_show(c);
}

static int send_one(ctl *c, const void *body, size_t size) {
        __attribute__((cleanup(lodge_message_unrefp))) lodge_message *m = NULL;
        const char *subject = c->arguments[0];
        uint64_t id = 0;
        int r = send_make_message(c, body, size, &m);

        if (r >= 0)
                r = lodge_send_message(c->bus, m, &id);
        if (r < 0)
                return ctl_fail(c, r, subject, "cannot send to %s", subject);
        return show_sent(c, id);
}

static int send_input(ctl *c, int fd) {
        char *data = NULL;
        size_t size = 0, size_max = lodge_get_message_max(c->bus);
        int r = read_all(fd, size_max, &data, &size), status;

        if (r == -EMSGSIZE) {
                ctl_say("cannot send to %s: the input is larger than a message may be (%zu bytes)", c->arguments[0],
                        size_max);
                status = CTL_FAILED;
        } else if (r < 0) {
                ctl_say("cannot read %s: %s", c->file ? c->file : "standard input", strerror(-r));
                status = CTL_FAILED;
        } else
                status = send_one(c, data, size);
        free(data);
        return status;
}

int cmd_send(ctl *c) {
        const char *body = c->n_arguments > 1 && strcmp(c->arguments[1], "-") != 0 ? c->arguments[1] : NULL;
        int fd = STDIN_FILENO, status;

        if (body && c->file)
                return ctl_usage(c->command, "--file and a BODY exclude each other");
        if (body && ctl_given(c, CTL_OPTION_LINES))
                return ctl_usage(c->command, "--lines and a BODY exclude each other");
        if (c->file && strcmp(c->file, "-") != 0) {
                fd = open(c->file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0) {
                        ctl_say("cannot open %s: %s", c->file, strerror(errno));
                        return CTL_FAILED;
                }
        }
        status = ctl_open(c);
        if (status == CTL_DONE)
                status = body                             ? send_one(c, body, strlen(body))
                         : ctl_given(c, CTL_OPTION_LINES) ? send_lines(c, fd)
                                                          : send_input(c, fd);
        if (fd != STDIN_FILENO)
                close(fd);
        return status;
}
