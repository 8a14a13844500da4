/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "client/internal.h"

/* Asks each consumer that settled something whether it is durable. */
static int ask_consumers(lodge *bus) {
        int r;

        if (bus->state != CONNECTION_UP || bus->lost)
                return 0;
        r = settle_write(bus);
        if (r < 0)
                return r;
        for (struct consumer *c = bus->consumers; c; c = c->next) {
                if (c->state != CONSUMER_ACTIVE || !c->unanswered)
                        continue;
                r = settle_ask(c);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_clean(const lodge *bus, uint64_t queued_total) {
        return bus->closed || (bus->sending.resolved_total >= queued_total && bus->settles_asked == 0);
}

/* What went wrong that nobody was told of. */
static int reckon(lodge *bus) {
        bool stale = bus->settles_lost || bus->settles_refused > 0;

        if (bus->closed)
                return -ENOTCONN;
        bus->settles_lost = false;
        bus->settles_refused = 0;
        if (bus->unheard) {
                error_keep(bus, bus->unheard);
                bus->unheard = NULL;
                return bus->error->error.number;
        }
        return stale ? -ESTALE : 0;
}

static int flush(lodge *bus) {
        uint64_t deadline_us = bus_call_deadline(bus), queued_total = bus->sending.queued_total;
        int r;

        r = ask_consumers(bus);
        if (r < 0)
                return r;
        while (!is_clean(bus, queued_total)) {
                r = bus_turn(bus, deadline_us);
                if (r < 0 && r != -EINTR && !is_clean(bus, queued_total))
                        return r;
        }
        return reckon(bus);
}

PUBLIC int lodge_flush(lodge *bus) {
        int r;

        if (!bus)
                return -EINVAL;
        r = bus_enter(bus);
        if (r < 0)
                return r;
        r = flush(bus);
        bus_leave(bus);
        return r;
}
