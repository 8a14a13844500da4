/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/internal.h"

#define SYSTEM_SOCKET         "/run/lodge/bus"
#define SOCKET_PATH_BYTES_MAX 108u

PUBLIC int lodge_open_socket(lodge **ret, const char *path) {
        CLEANUP(lodge_unrefp) lodge *bus = NULL;
        int r;

        if (!ret || !path || !*path)
                return -EINVAL;
        r = connection_new(&bus, path);
        if (r < 0)
                return r;
        r = connection_open(bus);
        if (r < 0)
                return r;
        *ret = bus;
        bus = NULL;
        return 0;
}

PUBLIC int lodge_open_system(lodge **ret) {
        return lodge_open_socket(ret, SYSTEM_SOCKET);
}

PUBLIC int lodge_open_user(lodge **ret) {
        const char *directory = secure_getenv("XDG_RUNTIME_DIR");
        char path[SOCKET_PATH_BYTES_MAX];
        int n;

        if (!directory || !*directory)
                return -ENXIO;
        n = snprintf(path, sizeof(path), "%s/lodge/bus", directory);
        if (n < 0 || (size_t) n >= sizeof(path))
                return -ENAMETOOLONG;
        return lodge_open_socket(ret, path);
}

PUBLIC int lodge_open(lodge **ret) {
        const char *path = secure_getenv("LODGE_SOCKET");
        int r;

        if (path && *path)
                return lodge_open_socket(ret, path);
        r = lodge_open_user(ret);
        if (r == -ENXIO || r == -ENOENT || r == -ECONNREFUSED)
                return lodge_open_system(ret);
        return r;
}

PUBLIC int lodge_set_timeout(lodge *bus, uint64_t timeout_us) {
        if (!bus)
                return -EINVAL;
        bus->timeout_us = timeout_us;
        return 0;
}

PUBLIC int lodge_set_state_handler(lodge *bus, lodge_state_handler handler, void *userdata) {
        if (!bus)
                return -EINVAL;
        bus->state_handler = handler;
        bus->state_userdata = userdata;
        return 0;
}

PUBLIC const char *lodge_get_server(lodge *bus) {
        return bus ? bus->server : NULL;
}

PUBLIC size_t lodge_get_message_max(lodge *bus) {
        return bus ? bus->message_bytes_max : 0;
}

PUBLIC const char *lodge_version(void) {
        return LODGE_VERSION;
}
