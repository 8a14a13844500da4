/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * send --lines: lines are sent as fast as they come, without waiting for the confirm of each; the library keeps what is
 * not confirmed and sends it again after a reconnect, in order. A line that is too long is reported and left out.
 * Anything else that is refused ends the sending behind it: a later line must not get in where an earlier one did not.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/lines.h"
#include "client/ctl/send.h"

#define CHUNK_BYTES        (256u * 1024)
#define REFUSALS_SHOWN_MAX 10

typedef struct sender {
        ctl *c;
        int fd;
        lines input;
        bool plain;   /* lines go out without a message object of their own */
        bool stopped; /* nothing more is sent */
        bool interrupted;
        bool blocked; /* a line waits for room in the window */
        uint64_t sent, confirmed, refused;
        uint64_t *left_out; /* numbers of lines that were not sent, rising */
        size_t n_left_out, left_out_passed;
        uint64_t line_answered;    /* number of the line that was answered last */
        uint64_t waiting_since_us; /* when something was confirmed last, or sent after nothing was outstanding */
        lodge_state state;         /* as told on stderr */
        int status;                /* of the first thing that went wrong */
} sender;

static uint64_t outstanding(const sender *s) {
        return s->sent - s->confirmed - s->refused;
}

static void note_failure(sender *s, int status) {
        if (s->status == CTL_DONE)
                s->status = status;
}

/* The line that the next answer is about: answers come in the order of sending. */
static uint64_t next_answered(sender *s) {
        s->line_answered++;
        while (s->left_out_passed < s->n_left_out && s->left_out[s->left_out_passed] == s->line_answered) {
                s->left_out_passed++;
                s->line_answered++;
        }
        return s->line_answered;
}

static void on_sent(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        sender *s = userdata;
        uint64_t line = next_answered(s);
        char what[64];

        (void) bus;
        (void) id;
        s->waiting_since_us = 0;
        if (!error) {
                s->confirmed++;
                return;
        }
        s->stopped = s->stopped || error->number != -EMSGSIZE;
        if (s->refused++ < REFUSALS_SHOWN_MAX) {
                snprintf(what, sizeof(what), "line %" PRIu64, line);
                note_failure(s, ctl_refused(s->c, error, s->refused == 1 ? s->c->arguments[0] : NULL, what));
        }
}

/* A line that is larger than any message. It takes part in nothing else. */
static int leave_out(sender *s, size_t size) {
        uint64_t *numbers = reallocarray(s->left_out, s->n_left_out + 1, sizeof(*numbers));

        if (!numbers)
                return -ENOMEM;
        s->left_out = numbers;
        numbers[s->n_left_out++] = s->input.number;
        if (s->n_left_out <= REFUSALS_SHOWN_MAX)
                ctl_say("line %" PRIu64 ": %zu bytes are more than a message may have, %zu (too-large)",
                        s->input.number, size, s->input.line_max);
        note_failure(s, CTL_FAILED);
        return 0;
}

static int send_line(sender *s, const char *line, size_t size) {
        __attribute__((cleanup(lodge_message_unrefp))) lodge_message *m = NULL;
        int r;

        if (s->plain)
                return lodge_send_async(s->c->bus, NULL, s->c->arguments[0], line, size, on_sent, s);
        r = send_make_message(s->c, line, size, &m);
        return r < 0 ? r : lodge_send_message_async(s->c->bus, NULL, m, on_sent, s);
}

/* Sends what is there, as far as the window lets it. Returns 0 or a negative errno. */
static int feed(sender *s) {
        s->blocked = false;
        while (!s->stopped) {
                const char *line = NULL;
                size_t size = 0;
                int r = lines_next(&s->input, &line, &size);

                if (r == 0)
                        return 0;
                if (r > 0)
                        r = send_line(s, line, size);
                if (r == -EAGAIN) {
                        lines_back(&s->input, line);
                        s->blocked = true;
                        return 0;
                }
                if (r == -EMSGSIZE)
                        r = leave_out(s, size);
                else if (r >= 0)
                        s->sent++;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_input(sender *s) {
        char *room;
        size_t size;
        ssize_t n;
        int r = lines_room(&s->input, &room, &size);

        if (r < 0)
                return r;
        n = read(s->fd, room, size);
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        lines_added(&s->input, (size_t) n);
        return 0;
}

/* Tells when the bus goes away and comes back: until then exactly so many lines are known to be safe. */
static void tell_state(sender *s) {
        if (s->state == s->c->state)
                return;
        s->state = s->c->state;
        if (s->state == LODGE_DISCONNECTED)
                ctl_say("the bus went away: sent %" PRIu64 " confirmed %" PRIu64 "; waiting for it to come back",
                        s->sent, s->confirmed);
        else
                ctl_say("the bus is back: sending %" PRIu64 " unconfirmed lines again", outstanding(s));
}

/* Until when an answer has to come: none is waited for longer than the timeout. */
static uint64_t deadline(sender *s, uint64_t now_us) {
        uint64_t timeout_us = ctl_given(s->c, CTL_OPTION_TIMEOUT) ? s->c->timeout_us : CTL_ANSWER_US;

        if (outstanding(s) == 0) {
                s->waiting_since_us = 0;
                return UINT64_MAX;
        }
        if (s->waiting_since_us == 0)
                s->waiting_since_us = now_us;
        return ctl_later(s->waiting_since_us, timeout_us);
}

/* Waits for bus or input, and reads the latter. `more`: there is something to do at once. Returns 0 or a negative
 * errno. */
static int wait_and_read(sender *s, bool more) {
        struct pollfd fds[2] = {
                {.fd = lodge_get_fd(s->c->bus), .events = (short) lodge_get_events(s->c->bus)},
                {.fd = s->fd, .events = POLLIN},
        };
        bool reading = !s->stopped && !s->blocked && !s->input.at_end;
        uint64_t now_us = ctl_now_us(), until_us = UINT64_MAX, end_us = deadline(s, now_us);
        int r = lodge_get_timeout(s->c->bus, &until_us);

        if (r < 0)
                return r;
        if (now_us >= end_us)
                return -ETIMEDOUT;
        until_us = until_us < end_us ? until_us : end_us;
        r = signals_poll(&s->c->signals, fds, reading ? 2 : 1,
                         more || until_us <= now_us ? 0
                         : until_us == UINT64_MAX   ? UINT64_MAX
                                                    : until_us - now_us);
        if (r < 0)
                return r;
        if (reading && fds[1].revents) {
                r = take_input(s);
                if (r < 0)
                        ctl_say("cannot read line %" PRIu64 ": %s", s->input.number + 1, strerror(-r));
                if (r < 0) {
                        note_failure(s, CTL_FAILED);
                        s->stopped = true;
                }
        }
        return 0;
}

/* A first signal ends the sending, and what is on its way is waited for, as confirms come soon. A second one, or one
 * while there is no bus, ends that too. */
static int take_interrupt(sender *s) {
        if (s->interrupted || s->state == LODGE_DISCONNECTED)
                return -EINTR;
        ctl_say("interrupted");
        note_failure(s, CTL_FAILED);
        s->interrupted = s->stopped = true;
        signals_forget();
        return 0;
}

static int run(sender *s) {
        for (;;) {
                int r = feed(s), processed;

                if (r < 0)
                        return r;
                processed = lodge_process(s->c->bus);
                if (processed < 0)
                        return processed;
                tell_state(s);
                if (outstanding(s) == 0 && (s->stopped || (s->input.at_end && s->input.begin == s->input.end)))
                        return 0;
                r = wait_and_read(s, processed > 0);
                if (r == -EINTR)
                        r = take_interrupt(s);
                if (r < 0)
                        return r;
        }
}

static void report(const sender *s) {
        fprintf(stderr, "sent %" PRIu64 " confirmed %" PRIu64, s->sent, s->confirmed);
        if (s->refused + s->n_left_out > 0)
                fprintf(stderr, " refused %" PRIu64, s->refused + s->n_left_out);
        if (outstanding(s) > 0)
                fprintf(stderr, " unconfirmed %" PRIu64, outstanding(s));
        fputc('\n', stderr);
        if (outstanding(s) > 0)
                ctl_say("unconfirmed lines may or may not be in the queue");
}

static int report_json(sender *s) {
        json_stream stream = {.out = &s->c->out, .mode = s->c->json, .single = true};
        json_object *object = json_object_new_object();

        json_object_object_add(object, "sent", json_object_new_uint64(s->sent));
        json_object_object_add(object, "confirmed", json_object_new_uint64(s->confirmed));
        json_object_object_add(object, "refused", json_object_new_uint64(s->refused + s->n_left_out));
        json_object_object_add(object, "unconfirmed", json_object_new_uint64(outstanding(s)));
        json_stream_add(&stream, object);
        return ctl_show(s->c);
}

int send_lines(ctl *c, int fd) {
        sender s = {.c = c, .fd = fd, .plain = !send_has_options(c), .state = c->state};
        int r = lines_init(&s.input, CHUNK_BYTES, lodge_get_message_max(c->bus));

        if (r >= 0) {
                signals_catch(&c->signals);
                r = run(&s);
                signals_release(&c->signals);
        }
        if (r == -EINTR)
                note_failure(&s, CTL_FAILED);
        else if (r < 0)
                note_failure(&s, ctl_fail(c, r, NULL, "cannot send to %s", c->arguments[0]));
        report(&s);
        if (c->json)
                note_failure(&s, report_json(&s));
        free(s.left_out);
        lines_done(&s.input);
        return s.status;
}
