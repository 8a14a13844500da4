/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "client/internal.h"

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        lodge *bus = userdata;
        int r;

        (void) source;
        (void) fd;
        (void) events;
        if (bus_forked(bus))
                return -ECHILD;
        r = bus_step(bus, true);
        /* Closed by a handler: nothing went wrong, and `bus` is gone. */
        return r == -ENOTCONN || r > 0 ? 0 : r;
}

static int on_defer(sd_event_source *source, void *userdata) {
        lodge *bus = userdata;
        int r;

        (void) source;
        r = bus_step(bus, bus->read_more);
        return r == -ENOTCONN || r > 0 ? 0 : r;
}

/* Before the loop sleeps: what was queued meanwhile, by whatever else runs on it, is written. */
static int on_prepare(sd_event_source *source, void *userdata) {
        lodge *bus = userdata;

        (void) source;
        if (bus_forked(bus))
                return -ECHILD;
        if (bus_has_work(bus))
                return sd_event_source_set_enabled(bus->event_defer, SD_EVENT_ONESHOT);
        return 0;
}

static void source_close(sd_event_source **source) {
        if (*source)
                sd_event_source_set_enabled(*source, SD_EVENT_OFF);
        *source = sd_event_source_unref(*source);
}

void event_close(lodge *bus) {
        source_close(&bus->event_io);
        source_close(&bus->event_defer);
        bus->event = sd_event_unref(bus->event);
}

static int attach(lodge *bus, int fd, int64_t priority) {
        int r;

        r = sd_event_add_io(bus->event, &bus->event_io, fd, EPOLLIN, on_io, bus);
        if (r < 0)
                return r;
        r = sd_event_source_set_prepare(bus->event_io, on_prepare);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(bus->event_io, priority);
        if (r < 0)
                return r;
        r = sd_event_add_defer(bus->event, &bus->event_defer, on_defer, bus);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(bus->event_defer, priority);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(bus->event_io, "lodge");
        (void) sd_event_source_set_description(bus->event_defer, "lodge-output");
        return 0;
}

PUBLIC int lodge_attach_event(lodge *bus, struct sd_event *event, int64_t priority) {
        int fd, r;

        if (!bus)
                return -EINVAL;
        if (bus->event)
                return -EBUSY;
        fd = lodge_get_fd(bus);
        if (fd < 0)
                return fd;
        if (event)
                bus->event = sd_event_ref(event);
        else {
                r = sd_event_default(&bus->event);
                if (r < 0)
                        return r;
        }
        r = attach(bus, fd, priority);
        if (r < 0) {
                event_close(bus);
                return r;
        }
        return 0;
}

PUBLIC int lodge_detach_event(lodge *bus) {
        if (!bus)
                return -EINVAL;
        event_close(bus);
        return 0;
}
