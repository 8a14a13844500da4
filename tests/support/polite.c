/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lodge.h"
#include "tests/support/polite.h"

#define QUEUE    "polite.work"
#define MESSAGES 10u

struct polite {
        lodge *bus;
        bool lost;
        uint64_t sent, received;
};

static void state_changed(lodge *bus, lodge_state state, void *userdata) {
        struct polite *p = userdata;

        (void) bus;
        if (state == LODGE_DISCONNECTED)
                p->lost = true;
}

static int send_some(struct polite *p) {
        for (unsigned i = 0; i < MESSAGES; i++) {
                int r = lodge_send(p->bus, QUEUE, &p->sent, sizeof p->sent, NULL);

                if (r < 0)
                        return r;
                p->sent++;
        }
        return 0;
}

static int receive_one(struct polite *p) {
        __attribute__((cleanup(lodge_message_unrefp))) lodge_message *m = NULL;
        const void *body;
        uint64_t number;
        size_t size;
        int r;

        r = lodge_receive(p->bus, QUEUE, LODGE_FOREVER, &m);
        if (r < 0)
                return r;
        body = lodge_message_get_body(m, &size);
        if (size != sizeof number)
                return -EPROTO;
        memcpy(&number, body, size);
        if (number != p->received) {
                fprintf(stderr, "the polite client got message %llu instead of %llu\n", (unsigned long long) number,
                        (unsigned long long) p->received);
                return -EPROTO;
        }
        p->received++;
        return lodge_message_ack(m);
}

static struct polite *polite_free(struct polite *p) {
        lodge_unref(p->bus);
        free(p);
        return NULL;
}

int polite_begin(struct polite **ret, const char *socket_path) {
        struct polite *p = calloc(1, sizeof *p);
        int r;

        if (!p)
                return -ENOMEM;
        r = lodge_open_socket(&p->bus, socket_path);
        if (r >= 0)
                r = lodge_set_state_handler(p->bus, state_changed, p);
        if (r >= 0)
                r = lodge_declare(p->bus, QUEUE, NULL, NULL, 0);
        if (r >= 0)
                r = send_some(p);
        if (r < 0) {
                polite_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

int polite_go_on(struct polite *p) {
        int r = send_some(p);

        for (unsigned i = 0; i < MESSAGES / 2 && r >= 0; i++)
                r = receive_one(p);
        return r < 0 ? r : p->lost ? -ENOTCONN : 0;
}

static void take_unsettled(const lodge_item *item, void *userdata) {
        lodge_attribute a;

        if (lodge_item_get(item, "ready", &a) > 0)
                *(uint64_t *) userdata += a.number;
        if (lodge_item_get(item, "leased", &a) > 0)
                *(uint64_t *) userdata += a.number;
}

int polite_end(struct polite *p) {
        uint64_t left = 0;
        int r = send_some(p);

        while (r >= 0 && p->received < p->sent)
                r = receive_one(p);
        if (r >= 0)
                r = lodge_flush(p->bus);
        if (r >= 0)
                r = lodge_status(p->bus, QUEUE, take_unsettled, &left);
        if (r >= 0 && left > 0) {
                fprintf(stderr, "%llu messages more than were sent\n", (unsigned long long) left);
                r = -EPROTO;
        }
        if (r >= 0 && p->lost)
                r = -ENOTCONN;
        polite_free(p);
        return r;
}
