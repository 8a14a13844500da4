/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consumers on the wire: channels, credit, deliveries, settling. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/session/internal.h"

/* A frame may look for so many ids in vain. */
#define SETTLE_STEPS_MIN 65536u

static struct channel *channel_find(struct session *s, uint32_t number) {
        struct channel *channel = NULL;

        if (s->channels)
                HASH_FIND(hh, s->channels, &number, sizeof(number), channel);
        return channel;
}

static void channel_free(struct channel *channel) {
        HASH_DELETE(hh, channel->session->channels, channel);
        core_cancel(channel->consumer);
        free(channel);
}

void channels_free(struct session *s) {
        struct channel *channel, *next;

        HASH_ITER (hh, s->channels, channel, next)
                channel_free(channel);
}

void channels_block(struct session *s, bool blocked) {
        s->blocked = blocked;
        for (struct channel *channel = s->channels; channel; channel = channel->hh.next)
                core_block(channel->consumer, blocked);
}

bool channel_is_free(struct session *s, const struct frame *frame) {
        struct refusal why;

        if (frame->header.channel != 0 && !channel_find(s, frame->header.channel))
                return true;
        if (frame->header.channel == 0)
                (void) refuse(&why, 0, WIRE_CODE_BAD_VALUE, "%s needs a channel other than 0",
                              wire_opcode_name(frame->header.opcode));
        else
                (void) refuse(&why, 0, WIRE_CODE_CHANNEL_BUSY, "channel %u is in use", frame->header.channel);
        answer_refusal(s, 0, frame->general.serial, &why);
        return false;
}

int handle_consume(struct session *s, const struct frame *frame) {
        struct channel *channel;
        struct wire_span name;
        struct refusal why;

        if (!field_name(s, frame, &name) || !channel_is_free(s, frame))
                return 0;
        channel = calloc(1, sizeof(*channel));
        if (!channel)
                return -ENOMEM;
        channel->session = s;
        channel->number = frame->header.channel;
        if (core_consume(s->host->core, name, channel, &channel->consumer, &why) < 0) {
                free(channel);
                answer_refusal(s, 0, frame->general.serial, &why);
                return 0;
        }
        HASH_ADD(hh, s->channels, number, sizeof(channel->number), channel);
        if (!channel->hh.tbl) {
                core_cancel(channel->consumer);
                free(channel);
                return -ENOMEM;
        }
        answer_ok(s, frame->general.serial);
        core_block(channel->consumer, s->blocked);
        core_credit(channel->consumer, (uint32_t) field_number(frame, WIRE_FIELD_CREDIT_MESSAGES, 0),
                    field_number(frame, WIRE_FIELD_CREDIT_BYTES, 0));
        return 0;
}

/* The channel of a frame that needs one; else answers. A channel that was cancelled meanwhile is no offence. */
static struct channel *channel_of(struct session *s, const struct frame *frame, uint32_t serial) {
        struct channel *channel = channel_find(s, frame->header.channel);
        struct refusal why;

        if (!channel) {
                (void) refuse(&why, 0, WIRE_CODE_NOT_FOUND, "channel %u has no consumer", frame->header.channel);
                answer_refusal(s, 0, serial, &why);
        }
        return channel;
}

int handle_cancel(struct session *s, const struct frame *frame) {
        struct channel *channel = channel_of(s, frame, frame->general.serial);

        if (channel) {
                channel_free(channel);
                answer_ok(s, frame->general.serial);
        }
        return 0;
}

int handle_credit(struct session *s, const struct frame *frame) {
        struct channel *channel = channel_find(s, frame->header.channel);
        struct wire_credit credit;
        struct wire_fault fault;

        if (wire_credit_parse(frame->data, frame->header.size, &credit, &fault) < 0)
                session_fail_fault(s, &fault);
        else if (channel)
                core_credit(channel->consumer, credit.messages, credit.bytes);
        return 0;
}

/* Settles the runs; *ret_missing: how many ids no lease was found for. Looking for them takes a bounded number of steps, which
 * no frame exceeds that settles what is leased. Returns whether it was enough. */
static bool settle_runs(struct channel *channel, const struct wire_settle *settle, enum core_settle how,
                        uint64_t *ret_missing) {
        uint64_t missing = 0, steps = 0, steps_max = SETTLE_STEPS_MIN + settle->n_runs;

        if (channel)
                steps_max += 2 * core_consumer_leases(channel->consumer);
        for (size_t i = 0; i < settle->n_runs; i++) {
                struct wire_settle_run run = wire_settle_run(settle, i);
                size_t leases = channel ? core_consumer_leases(channel->consumer) : 0;
                int64_t n;

                steps += 1 + (run.count < leases ? run.count : leases);
                if (steps > steps_max)
                        return false;
                n = channel ? core_settle(channel->consumer, run.id, run.count, how) : 0;
                missing += run.count - (uint64_t) (n < 0 ? 0 : n);
        }
        *ret_missing = missing;
        return true;
}

int handle_settle(struct session *s, const struct frame *frame) {
        struct wire_settle settle;
        struct wire_fault fault;
        struct refusal why;
        uint64_t missing;
        int r;

        r = wire_settle_parse(frame->data, frame->header.size, &settle, &fault);
        if (r == -EOPNOTSUPP)
                answer_fault(s, 0, settle.serial, &fault);
        else if (r < 0)
                session_fail_fault(s, &fault);
        if (r < 0)
                return 0;
        if (!settle_runs(channel_find(s, frame->header.channel), &settle,
                         frame->header.opcode == WIRE_ACK ? CORE_ACK : CORE_NACK, &missing)) {
                (void) refuse(&why, 0, WIRE_CODE_MALFORMED, "%zu runs that settle far more than channel %u has leased",
                              settle.n_runs, frame->header.channel);
                session_fail(s, &why);
        } else if (missing > 0) {
                (void) refuse(&why, 0, WIRE_CODE_NOT_LEASED, "%" PRIu64 " of the messages are not leased by channel %u",
                              missing, frame->header.channel);
                why.use = missing;
                answer_refusal(s, 0, settle.serial, &why);
        } else if (frame->header.flags & WIRE_SETTLE_ANSWER) {
                core_urge(s->host->core);
                pending_ok(s, settle.serial);
        }
        return 0;
}

/* ---- on the way out ---- */

static void announce_sender(struct session *s, const struct sender *sender) {
        const struct entry_sender *who = &sender->identity;
        size_t size = 4 * 7 + 2 * WIRE_FIELD_HEADER_BYTES + who->unit.size + who->label.size;
        uint8_t *p;

        if (s->announced[sender->number % SENDERS_ANNOUNCED] == sender->number)
                return;
        s->announced[sender->number % SENDERS_ANNOUNCED] = sender->number;
        if (who->unit.size == 0)
                size -= WIRE_FIELD_HEADER_BYTES;
        if (who->label.size == 0)
                size -= WIRE_FIELD_HEADER_BYTES;
        p = session_append(s, WIRE_SERIAL_HEADER_BYTES + size);
        if (!p)
                return;
        p += wire_put_general(p, WIRE_SENDER, 0, 0, 0, size);
        p += wire_put_u32(p, WIRE_FIELD_SENDER, sender->number);
        p += wire_put_u32(p, WIRE_FIELD_UID, who->uid);
        p += wire_put_u32(p, WIRE_FIELD_GID, who->gid);
        p += wire_put_u32(p, WIRE_FIELD_PID, who->pid);
        if (who->unit.size > 0)
                p += wire_put_bytes(p, WIRE_FIELD_UNIT, who->unit.data, who->unit.size);
        if (who->label.size > 0)
                wire_put_bytes(p, WIRE_FIELD_LABEL, who->label.data, who->label.size);
}

void put_message(struct session *s, unsigned opcode, unsigned channel, const struct core_message *m) {
        struct wire_deliver deliver = {
                .opcode = (uint8_t) opcode,
                .flags = m->deliveries > 1 || (opcode == WIRE_BROWSED && m->deliveries > 0) ? WIRE_DELIVER_REDELIVERED
                                                                                            : 0,
                .channel = (uint16_t) channel,
                .id = m->id,
                .time_us = m->time_us,
                .sender = m->sender->number,
                .priority = m->priority,
                .subject = m->subject_is_queue ? (struct wire_span){0} : m->subject,
                .fields = m->fields,
                .body = m->body,
        };
        uint8_t deliveries[8];
        size_t extra = 0;
        uint8_t *p;

        announce_sender(s, m->sender);
        if (deliver.flags & WIRE_DELIVER_REDELIVERED)
                extra = wire_put_u32(deliveries, WIRE_FIELD_DELIVERIES, m->deliveries);
        deliver.fields.size += extra;
        p = session_append(s, wire_deliver_size(&deliver));
        if (!p)
                return;
        p += wire_put_deliver_header(p, &deliver);
        memcpy(p, deliver.subject.data ? deliver.subject.data : deliveries, deliver.subject.size);
        p += deliver.subject.size;
        memcpy(p, deliveries, extra);
        p += extra;
        memcpy(p, m->fields.data, m->fields.size);
        p += m->fields.size;
        memcpy(p, m->body.data, m->body.size);
}

void session_deliver(void *consumer_userdata, const struct core_message *message) {
        struct channel *channel = consumer_userdata;
        struct session *s = channel->session;

        put_message(s, WIRE_DELIVER, channel->number, message);
        s->delivered++;
        if (s->output.bytes > OUTPUT_HIGH_BYTES || s->state == SESSION_CLOSING)
                channels_block(s, true);
}

void session_cancelled(void *consumer_userdata, const struct refusal *why) {
        struct channel *channel = consumer_userdata;
        struct session *s = channel->session;
        uint8_t fields[512];
        size_t size;

        size = wire_put_u16(fields, WIRE_FIELD_CODE, why->code);
        size += wire_put_string(fields + size, WIRE_FIELD_TEXT, why->text);
        answer_general(s, WIRE_CANCELLED, channel->number, 0, fields, size);
        HASH_DELETE(hh, s->channels, channel);
        free(channel);
}
