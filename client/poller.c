/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/internal.h"

/*
 * For loops of others: one descriptor that stays the same while sockets come and go, made of the socket and a timer. It
 * is made when somebody asks for it; whoever uses lodge_wait() or blocking calls only has no need of it.
 */

static uint32_t wanted_events(const lodge *bus) {
        return EPOLLIN | (bus->write_blocked && !bus->write_failed ? EPOLLOUT : 0u);
}

void poller_watch(lodge *bus) {
        struct epoll_event e = {.events = wanted_events(bus), .data.fd = bus->fd};

        if (bus->epoll_fd < 0 || bus->fd < 0)
                return;
        /* Without memory for the watch the connection is of no use. */
        if (epoll_ctl(bus->epoll_fd, EPOLL_CTL_ADD, bus->fd, &e) < 0)
                bus->lost = -errno;
        bus->epoll_events = e.events;
}

/* A child made by fork() may hold the socket open, so that closing it does not take it out of the set. */
void poller_unwatch(lodge *bus) {
        if (bus->epoll_fd >= 0 && bus->fd >= 0)
                (void) epoll_ctl(bus->epoll_fd, EPOLL_CTL_DEL, bus->fd, NULL);
}

static void set_timer(lodge *bus, uint64_t us) {
        struct itimerspec t = {0};

        if (bus->timer_us == us)
                return;
        if (us != UINT64_MAX) {
                t.it_value.tv_sec = (time_t) (us / USEC_PER_SEC);
                t.it_value.tv_nsec = (long) (us % USEC_PER_SEC * 1000);
                if (us == 0)
                        t.it_value.tv_nsec = 1;
        }
        if (timerfd_settime(bus->timer_fd, TFD_TIMER_ABSTIME, &t, NULL) == 0)
                bus->timer_us = us;
}

void poller_update(lodge *bus) {
        if (bus->epoll_fd < 0)
                return;
        if (bus->fd >= 0 && bus->epoll_events != wanted_events(bus)) {
                struct epoll_event e = {.events = wanted_events(bus), .data.fd = bus->fd};

                if (epoll_ctl(bus->epoll_fd, EPOLL_CTL_MOD, bus->fd, &e) == 0)
                        bus->epoll_events = e.events;
        }
        set_timer(bus, bus_deadline(bus));
}

void poller_close(lodge *bus) {
        if (bus->epoll_fd >= 0)
                close(bus->epoll_fd);
        if (bus->timer_fd >= 0)
                close(bus->timer_fd);
        bus->epoll_fd = bus->timer_fd = -1;
}

static int poller_open(lodge *bus) {
        struct epoll_event e = {.events = EPOLLIN};
        int r;

        bus->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (bus->epoll_fd < 0)
                return -errno;
        bus->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (bus->timer_fd < 0 || epoll_ctl(bus->epoll_fd, EPOLL_CTL_ADD, bus->timer_fd, &e) < 0) {
                r = -errno;
                poller_close(bus);
                return r;
        }
        bus->timer_us = UINT64_MAX;
        poller_watch(bus);
        poller_update(bus);
        return 0;
}

PUBLIC int lodge_get_fd(lodge *bus) {
        int r;

        if (!bus)
                return -EINVAL;
        if (bus_forked(bus))
                return -ECHILD;
        if (bus->epoll_fd < 0) {
                r = poller_open(bus);
                if (r < 0)
                        return r;
        }
        return bus->epoll_fd;
}

PUBLIC int lodge_get_events(lodge *bus) {
        return bus ? POLLIN : -EINVAL;
}

PUBLIC int lodge_get_timeout(lodge *bus, uint64_t *ret_us) {
        if (!bus || !ret_us)
                return -EINVAL;
        *ret_us = bus_has_work(bus) || bus->read_more ? 0 : bus_deadline(bus);
        return 0;
}
