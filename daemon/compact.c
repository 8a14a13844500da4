/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Giving disk space back. A segment stays as long as one message in it is unsettled; when the segments together take
 * much more than what waits in them, the emptiest one is emptied, a small step with each commit.
 */

#include "daemon/bus.h"

/* Segments may take this many times what waits, and so many segments besides: the running one, spares, one in the
 * making. */
#define DISK_FACTOR   2u
#define DISK_SEGMENTS 4u
/* What a message takes on disk besides its body, about. */
#define MESSAGE_OVERHEAD_BYTES 64u
/* How often the figures are looked at. */
#define LOOK_US 1000u
/* How many times a step looks on before it takes a segment for emptied; each look passes over a thousand blocks. */
#define LOOKS_PER_STEP 16u

bool compact_wanted(const struct bus *bus) {
        return bus->compact.segment != 0 || bus->compact.due;
}

static bool
takes_too_much(const struct bus *bus, const struct store_counters *store, const struct core_counters *core) {
        uint64_t live = core->bytes + core->messages * MESSAGE_OVERHEAD_BYTES;

        return store->disk_bytes > DISK_FACTOR * live + DISK_SEGMENTS * bus->segment_bytes;
}

static void choose(struct bus *bus) {
        struct store_counters store;
        struct core_counters core;
        uint64_t bytes;
        uint32_t segment;

        if (bus->host.now_us - bus->compact.looked_us < LOOK_US)
                return;
        bus->compact.looked_us = bus->host.now_us;
        bus->compact.due = false;
        store_counters(bus->store, &store);
        core_counters(bus->core, &core);
        if (!takes_too_much(bus, &store, &core))
                return;
        segment = core_emptiest_segment(bus->core, store_next(bus->store).segment, &bytes);
        if (segment == 0 || bytes > bus->segment_bytes / DISK_FACTOR)
                return; /* what could be won is on its way back, or is less than the work */
        bus->compact.segment = segment;
}

int compact_step(struct bus *bus) {
        int r;

        if (bus->compact.segment == 0)
                choose(bus);
        if (bus->compact.segment == 0)
                return core_merge(bus->core, 0);
        for (unsigned i = 0; i < LOOKS_PER_STEP; i++) {
                r = core_merge(bus->core, bus->compact.segment);
                if (r != 0)
                        return r;
        }
        bus->compact.segment = 0; /* nothing is left in it that can be moved */
        bus->compact.due = true;
        return 0;
}
