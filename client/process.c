/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/internal.h"

uint64_t bus_now(lodge *bus) {
        return bus->clockwork.now_us(bus->clockwork.userdata);
}

bool bus_forked(lodge *bus) {
        return getpid() != bus->pid;
}

uint64_t bus_deadline(lodge *bus) {
        uint64_t reconnect_us = bus->state == CONNECTION_DOWN ? bus->reconnect_us : UINT64_MAX;

        return reconnect_us < bus->idle_us ? reconnect_us : bus->idle_us;
}

bool bus_has_work(lodge *bus) {
        if (bus->lost)
                return true;
        if (bus->state == CONNECTION_UP && bus->dirty)
                return true;
        return output_pending(bus) && !bus->write_blocked;
}

uint64_t bus_call_deadline(lodge *bus) {
        return time_after(bus_now(bus), bus->timeout_us);
}

/* ---- resting ---- */

static bool has_big_buffers(const lodge *bus) {
        return bus->input.capacity > 0 || bus->sending.log.capacity > IDLE_KEEP_BYTES ||
               bus->sending.capacity * sizeof(struct entry) > IDLE_KEEP_BYTES ||
               bus->control.capacity > IDLE_KEEP_BYTES;
}

static void rest(lodge *bus) {
        input_rest(bus);
        send_rest(bus);
        if (buffer_size(&bus->control) == 0)
                buffer_release(&bus->control);
}

/* Gives memory back when nothing happened for a while. The clock is set once in a while only, not on each step. */
static void watch_idleness(lodge *bus) {
        uint64_t now_us;

        if (bus->idle_us == UINT64_MAX && !has_big_buffers(bus))
                return;
        now_us = bus_now(bus);
        if (bus->idle_us != UINT64_MAX) {
                if (now_us < bus->idle_us)
                        return;
                if (bus->activity == bus->idle_activity)
                        rest(bus);
                bus->idle_us = UINT64_MAX;
                if (bus->activity == bus->idle_activity)
                        return;
        }
        bus->idle_us = now_us + IDLE_AFTER_US;
        bus->idle_activity = bus->activity;
}

/* ---- one step ---- */

/* Whether it is time to try, and the try. */
static int step_connect(lodge *bus) {
        int r;

        if (bus->state != CONNECTION_DOWN || bus_now(bus) < bus->reconnect_us)
                return 0;
        r = connection_try(bus, SOCK_NONBLOCK);
        if (r < 0)
                connection_schedule(bus);
        return 1;
}

static int step_write(lodge *bus) {
        int r;

        if (bus->fd < 0 || bus->lost)
                return 0;
        if (bus->state == CONNECTION_UP && bus->dirty) {
                r = settle_write(bus);
                if (r < 0) {
                        bus->lost = r;
                        return 0;
                }
        }
        return output_write(bus);
}

static int step_read(lodge *bus) {
        int done, r;

        bus->read_ready = bus->read_more = bus->read_drained = false;
        done = input_read(bus);
        if (done < 0) {
                bus->lost = done;
                return 0;
        }
        r = input_dispatch(bus);
        if (r < 0)
                bus->lost = r;
        return done || r > 0;
}

/* What is left to say when a connection was lost. */
static int step_lose(lodge *bus) {
        int why = bus->lost;

        connection_lose(bus);
        if (bus->closed)
                return -ENOTCONN;
        if (bus->opening)
                return why;
        if (bus->state == CONNECTION_BROKEN)
                return bus->broken;
        return why == -ENOMEM ? why : 1;
}

static int step(lodge *bus, bool try_read) {
        int done, r;

        if (bus->state == CONNECTION_BROKEN && !bus->lost)
                return bus->broken;
        done = step_connect(bus);
        done |= step_write(bus);
        if (try_read && bus->fd >= 0 && !bus->lost) {
                done |= step_read(bus);
                if (bus->closed)
                        return -ENOTCONN;
                done |= step_write(bus);
        }
        if (bus->lost) {
                r = step_lose(bus);
                if (r < 0)
                        return r;
                done = 1;
        }
        watch_idleness(bus);
        poller_update(bus);
        return done;
}

int bus_step(lodge *bus, bool try_read) {
        int r;

        if (bus->closed)
                return -ENOTCONN;
        bus_hold(bus);
        bus->dispatching = true;
        r = step(bus, try_read);
        bus->dispatching = false;
        bus_release(bus);
        return r;
}

int bus_poll(lodge *bus, uint64_t deadline_us) {
        struct pollfd fd = {.fd = bus->fd, .events = POLLIN};
        uint64_t until_us = bus_deadline(bus), now_us;
        struct timespec t, *timeout = NULL;
        int n;

        if (bus->write_blocked && !bus->write_failed)
                fd.events |= POLLOUT;
        if (deadline_us < until_us)
                until_us = deadline_us;
        if (until_us != UINT64_MAX) {
                now_us = bus_now(bus);
                until_us = until_us > now_us ? until_us - now_us : 0;
                t = (struct timespec){
                        .tv_sec = (time_t) (until_us / USEC_PER_SEC),
                        .tv_nsec = (long) (until_us % USEC_PER_SEC * 1000),
                };
                timeout = &t;
        }
        n = bus->clockwork.poll(bus->clockwork.userdata, &fd, bus->fd >= 0 ? 1 : 0, timeout);
        if (n < 0)
                return -errno;
        bus->read_drained = false;
        if (n > 0 && (fd.revents & ~POLLOUT))
                bus->read_ready = true;
        return n > 0;
}

int bus_turn(lodge *bus, uint64_t deadline_us) {
        int r;

        r = bus_step(bus, bus->read_ready || bus->read_more);
        if (r < 0)
                return r;
        bus->read_drained = false;
        if (bus_now(bus) >= deadline_us)
                return -ETIMEDOUT;
        if (r > 0 || bus_has_work(bus))
                return 0;
        r = bus_poll(bus, deadline_us);
        return r < 0 ? r : 0;
}

int bus_enter(lodge *bus) {
        if (bus->dispatching)
                return -EBUSY;
        if (bus_forked(bus))
                return -ECHILD;
        if (bus->state == CONNECTION_BROKEN)
                return bus->broken;
        error_keep(bus, NULL);
        bus_hold(bus);
        return 0;
}

void bus_leave(lodge *bus) {
        bus_release(bus);
}

void bus_release(lodge *bus) {
        if (--bus->n_busy > 0 || !bus->closed)
                return;
        receivers_free(bus);
        message_forget_view(bus);
        table_release(&bus->items);
        sender_table_release(&bus->senders);
        buffer_release(&bus->input);
        buffer_release(&bus->control);
        error_free(bus->error);
        error_free(bus->unheard);
        free(bus->channels);
        free(bus->server);
        free(bus->path);
        free(bus);
}

/* ---- what callers see ---- */

PUBLIC int lodge_process(lodge *bus) {
        bool try_read;

        if (!bus)
                return -EINVAL;
        if (bus->dispatching)
                return -EBUSY;
        if (bus_forked(bus))
                return -ECHILD;
        /* After a read that left nothing, the next call need not find that out again: whoever calls until 0 is returned
         * is spared a system call for each time it wakes. */
        try_read = bus->read_ready || !bus->read_drained;
        bus->read_drained = false;
        return bus_step(bus, try_read);
}

PUBLIC int lodge_wait(lodge *bus, uint64_t timeout_us) {
        int r;

        if (!bus)
                return -EINVAL;
        if (bus->dispatching)
                return -EBUSY;
        if (bus_forked(bus))
                return -ECHILD;
        if (bus->state == CONNECTION_BROKEN && !bus->lost)
                return bus->broken;
        if (bus->read_more || bus_has_work(bus))
                return 1;
        r = bus_poll(bus, timeout_us == LODGE_FOREVER ? UINT64_MAX : time_after(bus_now(bus), timeout_us));
        if (r != 0)
                return r;
        return bus_now(bus) >= bus_deadline(bus);
}

PUBLIC lodge *lodge_ref(lodge *bus) {
        if (bus)
                bus->n_ref++;
        return bus;
}

PUBLIC lodge *lodge_unref(lodge *bus) {
        if (!bus || --bus->n_ref > 0)
                return NULL;
        bus_hold(bus);
        connection_close(bus);
        bus_release(bus);
        return NULL;
}

PUBLIC void lodge_unrefp(lodge **bus) {
        lodge_unref(*bus);
}
