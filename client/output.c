/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "client/internal.h"

/*
 * Two things are written: the log of sends, and a buffer of all other frames. A batch is what both hold when it begins,
 * the sends first, and it is finished before the next begins: so frames stay whole, and an ack is never ahead of a send
 * that was made before it.
 */

int output_reserve(lodge *bus, size_t bytes) {
        return buffer_reserve(&bus->control, bytes);
}

int output_general(lodge *bus, unsigned opcode, unsigned channel, uint32_t serial, struct wire_span fields) {
        struct buffer *out = &bus->control;
        int r;

        r = output_reserve(bus, WIRE_SERIAL_HEADER_BYTES + fields.size);
        if (r < 0)
                return r;
        out->end += wire_put_general(buffer_back(out), opcode, 0, channel, serial, fields.size);
        if (fields.size > 0)
                memcpy(buffer_back(out), fields.data, fields.size);
        out->end += fields.size;
        return 0;
}

static size_t unwritten_log(const lodge *bus) {
        return bus->state == CONNECTION_UP ? buffer_size(&bus->sending.log) - bus->sending.written : 0;
}

bool output_pending(lodge *bus) {
        if (bus->fd < 0 || bus->write_failed)
                return false;
        return bus->batch_log > 0 || buffer_size(&bus->control) > 0 || unwritten_log(bus) > 0;
}

static void batch_begin(lodge *bus) {
        if (bus->batch_log > 0 || bus->batch_control > 0)
                return;
        bus->batch_log = unwritten_log(bus);
        bus->batch_control = buffer_size(&bus->control);
}

/* Counts `n` bytes of the batch as written. */
static void batch_advance(lodge *bus, size_t n) {
        size_t log = n < bus->batch_log ? n : bus->batch_log;

        bus->sending.written += log;
        bus->batch_log -= log;
        n -= log;
        bus->batch_control -= n;
        buffer_take(&bus->control, n);
}

/* Writes what goes without waiting. Returns 1 when something was written, 0 when not. A connection that cannot be
 * written to is still read to its end: the last confirms may be on their way. */
int output_write(lodge *bus) {
        int written = 0;

        while (output_pending(bus)) {
                struct iovec iov[2];
                struct msghdr m = {.msg_iov = iov};
                ssize_t n;

                batch_begin(bus);
                if (bus->batch_log > 0)
                        iov[m.msg_iovlen++] = (struct iovec){
                                .iov_base = buffer_front(&bus->sending.log) + bus->sending.written,
                                .iov_len = bus->batch_log,
                        };
                if (bus->batch_control > 0)
                        iov[m.msg_iovlen++] = (struct iovec){
                                .iov_base = buffer_front(&bus->control),
                                .iov_len = bus->batch_control,
                        };

                n = sendmsg(bus->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        if (errno == EAGAIN)
                                break;
                        bus->write_failed = true;
                        break;
                }
                batch_advance(bus, (size_t) n);
                written = 1;
                bus->activity++;
        }
        bus->write_blocked = output_pending(bus);
        return written;
}

/* The connection is lost: frames that were for it are worth nothing. */
void output_reset(lodge *bus) {
        bus->batch_log = bus->batch_control = 0;
        bus->sending.written = 0;
        bus->write_failed = bus->write_blocked = false;
        buffer_release(&bus->control);
}
