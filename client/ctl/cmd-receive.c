/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/receive.h"

#define PREFETCH_MESSAGES 8192u
#define PREFETCH_BYTES    (8u << 20)
/* Collected output beyond this is written at once. */
#define OUTPUT_BYTES (256u * 1024)

void receive_note(receiver *r, int status) {
        if (r->status == CTL_DONE)
                r->status = status;
}

static bool is_done(const receiver *r) {
        return r->taken >= r->wanted || r->ended || r->status != CTL_DONE;
}

/* Writes what was collected, and only then acknowledges it. Returns how many messages, or a negative errno. */
static int write_and_ack(receiver *r) {
        size_t n = r->n_unsettled;
        int k = output_flush(&r->c->out);

        if (k < 0)
                return k;
        for (size_t i = 0; i < n; i++) {
                k = ctl_given(r->c, CTL_OPTION_NO_ACK) ? 0 : lodge_message_ack(r->unsettled[i]);
                if (k == -ESTALE)
                        r->n_stale++;
                else if (k < 0)
                        r->error = k;
                lodge_message_unref(r->unsettled[i]);
        }
        r->n_unsettled = 0;
        return r->error < 0 ? r->error : (int) n;
}

static int remember(receiver *r, lodge_message *m) {
        if (r->n_unsettled == r->unsettled_allocated) {
                size_t n = r->unsettled_allocated ? r->unsettled_allocated * 2 : 256;
                lodge_message **grown = reallocarray(r->unsettled, n, sizeof(lodge_message *));

                if (!grown)
                        return -ENOMEM;
                r->unsettled = grown;
                r->unsettled_allocated = n;
        }
        r->unsettled[r->n_unsettled++] = lodge_message_ref(m);
        return 0;
}

static int collect(receiver *r, lodge_message *m) {
        size_t size;
        const void *body = lodge_message_get_body(m, &size);
        int k;

        if (r->c->json)
                k = json_stream_add(&r->stream, json_of_message(m, r->queue));
        else {
                k = output_add(&r->c->out, body, size);
                if (k >= 0 && !ctl_given(r->c, CTL_OPTION_RAW))
                        k = output_add(&r->c->out, "\n", 1);
        }
        if (k >= 0)
                k = remember(r, m);
        if (k >= 0 && r->c->out.size >= OUTPUT_BYTES)
                k = write_and_ack(r);
        return k;
}

static void on_message(lodge_message *m, void *userdata) {
        receiver *r = userdata;
        int k = 0;

        /* What comes after the end goes back by itself. */
        if (is_done(r) || r->error < 0 || r->current)
                return;
        r->taken++;
        r->waiting_since_us = 0;
        if (r->c->exec)
                r->current = lodge_message_ref(m);
        else
                k = collect(r, m);
        if (k < 0)
                r->error = k;
}

static void on_ended(lodge *bus, const lodge_error *error, void *userdata) {
        receiver *r = userdata;

        (void) bus;
        r->ended = true;
        if (error)
                receive_note(r, ctl_refused(r->c, error, r->queue, "cannot receive"));
        else
                receive_note(r, CTL_FAILED);
}

static int start(receiver *r) {
        bool kept = ctl_given(r->c, CTL_OPTION_NO_ACK); /* nothing is settled, so no credit comes back */
        lodge_consume_options options = {
                .prefetch_messages = r->c->exec ? 1
                                     : kept     ? UINT32_MAX
                                                : PREFETCH_MESSAGES,
                .prefetch_bytes = kept ? UINT32_MAX : PREFETCH_BYTES,
                .messages_max = r->wanted == UINT64_MAX ? 0 : r->wanted,
                .ended = on_ended,
        };

        if (options.prefetch_messages > r->wanted)
                options.prefetch_messages = (uint32_t) r->wanted;
        return lodge_consume(r->c->bus, &r->consumer, r->queue, &options, on_message, r);
}

/* When waiting for the next message is over, or UINT64_MAX. */
static uint64_t deadline(receiver *r, uint64_t now_us) {
        if (r->current || !ctl_given(r->c, CTL_OPTION_TIMEOUT))
                return UINT64_MAX;
        if (r->waiting_since_us == 0)
                r->waiting_since_us = now_us;
        return ctl_later(r->waiting_since_us, r->c->timeout_us);
}

static int wait_until(receiver *r, uint64_t now_us, uint64_t until_us) {
        struct pollfd fds[2] = {
                {.fd = lodge_get_fd(r->c->bus), .events = (short) lodge_get_events(r->c->bus)},
                {.fd = r->child_fd, .events = POLLIN},
        };
        uint64_t bus_us;
        int k = lodge_get_timeout(r->c->bus, &bus_us);

        if (k < 0)
                return k;
        if (bus_us < until_us)
                until_us = bus_us;
        return signals_poll(&r->c->signals, fds, r->child > 0 ? 2 : 1,
                            until_us == UINT64_MAX ? UINT64_MAX
                            : until_us > now_us    ? until_us - now_us
                                                   : 0);
}

/* --exec: starts the command for a message, or takes its end. Returns 1 when something happened, 0, or a negative
 * errno. */
static int run_command(receiver *r, uint64_t now_us, uint64_t *until_us) {
        int k;

        if (!r->current)
                return 0;
        if (r->child > 0)
                return exec_finish(r, now_us);
        if (now_us < r->pause_until_us) {
                *until_us = r->pause_until_us;
                return 0;
        }
        k = exec_start(r);
        return k < 0 ? k : 1;
}

/* What there is to do when the connection has nothing more. Returns 1 when it has to be run again, 0 when all is done
 * that could be, *until_us being when to go on at the latest; -ETIMEDOUT, -ENODATA when the queue is empty, or another
 * negative errno. */
static int idle(receiver *r, uint64_t *until_us) {
        uint64_t now_us = ctl_now_us(), wait_us, end_us;
        int k = run_command(r, now_us, until_us);

        if (k == 0)
                k = write_and_ack(r);
        if (k != 0)
                return k < 0 ? k : 1;
        if (r->until_empty && !r->current) {
                if (probe_is_empty(r, now_us, &wait_us))
                        return -ENODATA;
                if (wait_us == 0)
                        return 1;
                *until_us = wait_us < *until_us ? wait_us : *until_us;
        }
        end_us = deadline(r, now_us);
        if (end_us <= now_us && r->c->timeout_us > 0)
                return -ETIMEDOUT;
        if (r->c->timeout_us > 0 && end_us < *until_us)
                *until_us = end_us;
        return 0;
}

static int run(receiver *r) {
        while (!is_done(r) || r->current) {
                uint64_t until_us = UINT64_MAX;
                int k = lodge_process(r->c->bus);

                if (k >= 0 && r->error < 0)
                        k = r->error;
                if (k < 0)
                        return k;
                if (is_done(r) && !r->current)
                        break;
                if (signals_which(&r->c->signals))
                        return -EINTR;
                if (k > 0 && !r->current)
                        continue;
                k = idle(r, &until_us);
                if (k < 0)
                        return k;
                if (k > 0)
                        continue;
                k = wait_until(r, ctl_now_us(), until_us);
                if (k < 0)
                        return k;
        }
        return 0;
}

/* Whatever happened: what was collected is written, what was written is acknowledged, the rest goes back. */
static int finish(receiver *r, int k) {
        int ended;

        if (r->child > 0) {
                /* Ctrl-C went to the command too; its message is settled by how it ends. */
                exec_wait(r);
                exec_finish(r, ctl_now_us());
        }
        probe_stop(&r->probe);
        if (r->c->json)
                json_stream_end(&r->stream);
        ended = write_and_ack(r);
        if (ended < 0 && (k >= 0 || k == -ETIMEDOUT || k == -ENODATA))
                k = ended;
        for (size_t i = 0; i < r->n_unsettled; i++)
                lodge_message_unref(r->unsettled[i]);
        free(r->unsettled);
        r->current = lodge_message_unref(r->current);
        r->consumer = lodge_slot_unref(r->consumer);
        signals_release(&r->c->signals);
        ended = r->taken > 0 && !ctl_given(r->c, CTL_OPTION_NO_ACK) ? lodge_flush(r->c->bus) : 0;
        if (ended == -ESTALE) /* acknowledged in vain: nobody knows whether the bus had taken notice */
                r->n_stale += r->n_stale == 0;
        else if (ended < 0)
                receive_note(r, ctl_fail(r->c, ended, NULL, "cannot acknowledge"));
        return k;
}

/* The exit status for how the loop ended. */
static int conclude(receiver *r, int k) {
        const ctl *c = r->c;

        if (r->n_stale > 0)
                ctl_say("the bus went away: messages that were taken may come again");
        if (k == -ENODATA) {
                if (c->timeout_us == 0 && r->taken == 0)
                        receive_note(r, CTL_TIMED_OUT);
                else if (r->taken == 0)
                        receive_note(r, CTL_EMPTY);
                else if (c->timeout_us == 0 && !ctl_given(c, CTL_OPTION_ALL))
                        receive_note(r, CTL_TIMED_OUT);
        } else if (k == -EINTR)
                receive_note(r, ctl_given(c, CTL_OPTION_FOLLOW) ? CTL_DONE : CTL_FAILED);
        else if (k == -ETIMEDOUT)
                receive_note(r, c->state == LODGE_CONNECTED ? CTL_TIMED_OUT : CTL_NO_BUS);
        else if (c->out.error < 0) {
                if (c->out.error != -EPIPE)
                        ctl_say("cannot write the output: %s", strerror(-c->out.error));
                receive_note(r, CTL_FAILED);
        } else if (k < 0)
                receive_note(r, ctl_fail(r->c, k, NULL, "cannot receive from %s", r->queue));
        return r->status;
}

int cmd_receive(ctl *c) {
        bool many = ctl_given(c, CTL_OPTION_ALL) || ctl_given(c, CTL_OPTION_FOLLOW),
             counted = ctl_given(c, CTL_OPTION_COUNT);
        receiver r = {
                .c = c,
                .queue = c->arguments[0],
                .wanted = counted ? c->count
                          : many  ? UINT64_MAX
                                  : 1,
                /* Not to wait at all is to look until there is nothing. */
                .until_empty = ctl_given(c, CTL_OPTION_ALL) || c->timeout_us == 0,
                .stream = {.out = &c->out, .mode = c->json, .single = !many && !counted},
                .child_fd = -1,
        };
        int status, k;

        if (ctl_given(c, CTL_OPTION_ALL) && ctl_given(c, CTL_OPTION_FOLLOW))
                return ctl_usage(c->command, "--all and --follow exclude each other");
        if (c->exec && (c->json || ctl_given(c, CTL_OPTION_RAW)))
                return ctl_usage(c->command, "--exec leaves the output to the command: no --raw, no JSON");
        if (c->exec && ctl_given(c, CTL_OPTION_NO_ACK))
                return ctl_usage(c->command, "--exec settles by the exit status of the command: no --no-ack");
        status = ctl_open(c);
        if (status != CTL_DONE)
                return status;
        /* Here --timeout is about messages; however short, acknowledging takes the time that it takes. */
        lodge_set_timeout(c->bus, c->timeout_us > CTL_ANSWER_US && ctl_given(c, CTL_OPTION_TIMEOUT) ? c->timeout_us
                                                                                                    : CTL_ANSWER_US);
        signals_catch(&c->signals);
        k = start(&r);
        if (k >= 0)
                k = run(&r);
        return conclude(&r, finish(&r, k));
}
