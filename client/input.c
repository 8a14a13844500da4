/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "client/internal.h"

/* After so many reads without a large frame, the memory that held the last one is given back. */
#define CALM_READS 64u

static int make_room(lodge *bus) {
        struct buffer *in = &bus->input;

        if (bus->input_needed > INPUT_BYTES)
                bus->input_calm = 0;
        else if (in->capacity > INPUT_BYTES && buffer_size(in) == 0 && ++bus->input_calm > CALM_READS)
                buffer_release(in);

        if (in->start == 0 && in->end < in->capacity && bus->input_needed <= in->capacity)
                return 0;
        return buffer_relocate(in, bus->input_needed > INPUT_BYTES ? bus->input_needed : INPUT_BYTES);
}

/* Reads once. Returns 1, 0 when nothing is there, or a negative errno when the connection is lost. */
int input_read(lodge *bus) {
        struct buffer *in = &bus->input;
        size_t room;
        ssize_t n;
        int r;

        r = make_room(bus);
        if (r < 0)
                return r;
        room = in->capacity - in->end;
        n = recv(bus->fd, buffer_back(in), room, MSG_DONTWAIT);
        if (n < 0) {
                if (errno == EAGAIN || errno == EINTR)
                        return 0;
                return -errno;
        }
        if (n == 0)
                return -ECONNRESET;
        in->end += (size_t) n;
        bus->read_drained = (size_t) n < room;
        bus->read_more = !bus->read_drained;
        bus->activity++;
        return 1;
}

static int dispatch_deliver(lodge *bus, const uint8_t *frame, size_t size) {
        struct wire_deliver d;
        struct channel *c;

        if (UNLIKELY(wire_deliver_parse(frame, size, &d, NULL) < 0))
                return -EPROTO;
        if (UNLIKELY(d.flags & WIRE_FLAG_DESCRIPTOR) || UNLIKELY(d.id == 0))
                return -EPROTO;
        if (UNLIKELY(d.channel >= bus->n_channels))
                return -EPROTO;
        c = &bus->channels[d.channel];
        if (LIKELY(d.opcode == WIRE_DELIVER))
                return c->consumer ? consumer_deliver(c->consumer, &d) : -EPROTO;
        return c->request ? request_browsed(c->request, bus, &d) : -EPROTO;
}

/* An ERROR for nothing in particular: the daemon will close. Some reasons would come again on each connection. */
static int dispatch_fatal(lodge *bus, struct wire_span fields) {
        struct error_box *box = error_from_fields(fields);
        int number = error_of(box)->number;

        error_keep(bus, box);
        if (number == -EBADMSG || number == -EPROTONOSUPPORT)
                connection_break(bus, number);
        return number;
}

static int dispatch_cancelled(lodge *bus, unsigned channel, struct wire_span fields) {
        struct consumer *c = channel < bus->n_channels ? bus->channels[channel].consumer : NULL;
        struct error_box *box;

        if (!c)
                return -EPROTO;
        if (c->state != CONSUMER_ACTIVE)
                return 0;
        box = error_from_fields(fields);
        consumer_over(c, error_of(box));
        error_free(box);
        return 0;
}

static int dispatch_ping(lodge *bus, uint32_t serial) {
        return output_general(bus, WIRE_PONG, 0, serial, (struct wire_span){0});
}

/* Frames of the general layout, once the connection was greeted. */
static int dispatch_general(lodge *bus, const struct wire_header *header, const struct wire_general *general) {
        switch (header->opcode) {
        case WIRE_SENDER:
                return sender_table_take(&bus->senders, general->fields);
        case WIRE_ERROR:
                if (general->serial == 0)
                        return dispatch_fatal(bus, general->fields);
                if (header->flags & WIRE_ERROR_OF_SEND)
                        return send_refused(bus, general->serial, general->fields);
                return request_answer(bus, header, general);
        case WIRE_OK:
        case WIRE_ITEM:
        case WIRE_END:
        case WIRE_PONG:
                return request_answer(bus, header, general);
        case WIRE_CANCELLED:
                return dispatch_cancelled(bus, header->channel, general->fields);
        case WIRE_PING:
                return dispatch_ping(bus, general->serial);
        case WIRE_GOODBYE:
                return -ESHUTDOWN;
        default:
                return -EPROTO;
        }
}

static int dispatch_greeting(lodge *bus, const struct wire_header *header, const struct wire_general *general) {
        switch (header->opcode) {
        case WIRE_WELCOME:
                return general->serial == bus->hello_serial ? connection_greeted(bus, general) : -EPROTO;
        case WIRE_ERROR:
                return dispatch_fatal(bus, general->fields);
        case WIRE_GOODBYE:
                return -ESHUTDOWN;
        default:
                return -EPROTO;
        }
}

static int dispatch(lodge *bus, const struct wire_header *header, const uint8_t *frame) {
        struct wire_general general;

        if (UNLIKELY(bus->state == CONNECTION_GREETING)) {
                if (wire_general_parse(frame, header->size, &general, NULL) < 0)
                        return -EPROTO;
                return dispatch_greeting(bus, header, &general);
        }
        switch (header->opcode) {
        case WIRE_DELIVER:
        case WIRE_BROWSED:
                return dispatch_deliver(bus, frame, header->size);
        case WIRE_CONFIRM:
                return send_confirmed(bus, frame, header->size);
        case WIRE_SEND:
        case WIRE_CREDIT:
        case WIRE_ACK:
        case WIRE_NACK:
                return -EPROTO;
        default:
                if (wire_general_parse(frame, header->size, &general, NULL) < 0)
                        return -EPROTO;
                return dispatch_general(bus, header, &general);
        }
}

/* Handles the whole frames that were read. Returns 1 when there was one, 0 when not, or a negative errno when the
 * connection is to be given up. */
int input_dispatch(lodge *bus) {
        struct buffer *in = &bus->input;
        int done = 0, r;

        while (!bus->closed && !bus->lost && bus->fd >= 0) {
                uint32_t max = bus->state == CONNECTION_UP ? FRAME_BYTES_MAX : WIRE_GREETING_BYTES_MAX;
                const uint8_t *frame = buffer_front(in);
                struct wire_header header;

                bus->input_needed = 0;
                r = wire_header_parse(frame, buffer_size(in), max, &header, NULL);
                if (r <= 0)
                        return r < 0 ? -EPROTO : done;
                if (header.size > buffer_size(in)) {
                        bus->input_needed = header.size;
                        return done;
                }
                /* Handlers look into the frame; nothing is read meanwhile, so that it stays where it is. */
                buffer_take(in, header.size);
                done = 1;
                r = dispatch(bus, &header, frame);
                if (UNLIKELY(r < 0))
                        return r;
        }
        return done;
}

void input_rest(lodge *bus) {
        if (buffer_size(&bus->input) == 0)
                buffer_release(&bus->input);
}
