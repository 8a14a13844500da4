/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/ctl/ctl.h"

uint64_t ctl_now_us(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static void on_state(lodge *bus, lodge_state state, void *userdata) {
        ctl *c = userdata;

        (void) bus;
        c->state = state;
}

int ctl_connect(ctl *c, const char **ret_where) {
        if (c->socket) {
                *ret_where = c->socket;
                return lodge_open_socket(&c->bus, c->socket);
        }
        if (ctl_given(c, CTL_OPTION_SYSTEM)) {
                *ret_where = "the system bus";
                return lodge_open_system(&c->bus);
        }
        if (ctl_given(c, CTL_OPTION_USER)) {
                *ret_where = "the user bus";
                return lodge_open_user(&c->bus);
        }
        *ret_where = getenv("LODGE_SOCKET");
        if (!*ret_where || !**ret_where)
                *ret_where = "the user bus or the system bus";
        return lodge_open(&c->bus);
}

int ctl_open(ctl *c) {
        const char *where;
        int r = ctl_connect(c, &where);

        if (r == -EACCES || r == -EPERM) {
                ctl_say("may not talk to %s: %s", where, strerror(-r));
                return CTL_DENIED;
        }
        if (r == -EPROTONOSUPPORT) {
                ctl_say("%s speaks another version of the protocol", where);
                return CTL_FAILED;
        }
        if (r < 0) {
                ctl_say("no bus to talk to: %s: %s", where, strerror(-r));
                ctl_say("hint: is lodged running? --socket=PATH or $LODGE_SOCKET names another bus");
                return CTL_NO_BUS;
        }
        lodge_set_state_handler(c->bus, on_state, c);
        if (ctl_given(c, CTL_OPTION_TIMEOUT))
                lodge_set_timeout(c->bus, c->timeout_us);
        return CTL_DONE;
}
