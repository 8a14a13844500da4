/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "client/internal.h"

/* Asks what was not asked on this connection yet. */
int requests_greeted(lodge *bus) {
        int r;

        for (struct request *q = bus->requests; q; q = q->next) {
                if (q->sent)
                        continue;
                r = request_emit(bus, q);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What the consumers ask by themselves, and what nobody waits for, is dropped with the connection. */
static bool is_dropped(const struct request *q) {
        return q->muted || q->opcode == WIRE_CONSUME || q->opcode == WIRE_CANCEL || q->opcode == WIRE_ACK;
}

/* Fails a chain of requests that are in no list any more. Handlers may do anything, also to others of the chain: those
 * count as sent, so that they are muted and stay here. */
static void fail_chain(lodge *bus, struct request *chain, int number, const char *name, const char *text) {
        while (chain) {
                struct request *q = chain;

                chain = q->next;
                if (bus->closed && q->waiter) {
                        q->waiter->done = true;
                        q->waiter->result = -ENOTCONN;
                }
                if (bus->closed || is_dropped(q))
                        request_silence(q);
                request_tell(bus, q, q->muted ? NULL : error_local(number, name, text), true, 0);
        }
}

static struct request *take(lodge *bus, bool everything) {
        struct request *chain = NULL, **last = &chain, *next;

        for (struct request *q = bus->requests; q; q = next) {
                next = q->next;
                if (!everything && !q->sent)
                        continue;
                if (!everything && q->repeatable && !q->started && !q->muted) {
                        q->sent = false;
                        continue;
                }
                request_unlink(bus, q);
                if (q->opcode == WIRE_ACK) {
                        bus->settles_asked--;
                        bus->settles_lost = true;
                }
                q->sent = true;
                *last = q;
                last = &q->next;
        }
        return chain;
}

void requests_lost(lodge *bus) {
        fail_chain(bus, take(bus, false), -ECONNRESET, "connection-lost",
                   "the connection was lost before the answer came; it may have been done or not");
}

void requests_fail_all(lodge *bus, int number) {
        fail_chain(bus, take(bus, true), number, "connection-broken", "the connection cannot be used any more");
}

void requests_close(lodge *bus) {
        fail_chain(bus, take(bus, true), -ENOTCONN, "closed", "the connection was closed");
}
