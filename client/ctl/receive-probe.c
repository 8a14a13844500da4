/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "client/ctl/receive.h"

/* When messages are ready and do not come (another consumer is being served), the answer is asked for again. */
#define AGAIN_US UINT64_C(100000)

static void on_item(const lodge_item *item, void *userdata) {
        receiver *r = userdata;
        lodge_attribute name, ready;

        if (lodge_item_get(item, "name", &name) > 0 && name.type == LODGE_TYPE_STRING &&
            strcmp(name.string, r->queue) == 0 && lodge_item_get(item, "ready", &ready) > 0)
                r->probe.ready = ready.number;
}

static void on_answer(lodge *bus, const lodge_error *error, void *userdata) {
        receiver *r = userdata;

        (void) bus;
        r->probe.answered = true;
        if (error)
                receive_note(r, ctl_refused(r->c, error, r->queue, "cannot ask for the queue"));
}

static void ask(receiver *r) {
        probe *p = &r->probe;

        probe_stop(p);
        p->taken_before = r->taken;
        p->ready = 0;
        p->answered = false;
        r->error = lodge_list_async(r->c->bus, &p->slot, r->queue, on_item, on_answer, r);
}

void probe_stop(probe *p) {
        p->slot = lodge_slot_unref(p->slot);
}

bool probe_is_empty(receiver *r, uint64_t now_us, uint64_t *ret_wait_us) {
        probe *p = &r->probe;

        *ret_wait_us = UINT64_MAX;
        if (!p->slot) {
                if (now_us < p->again_us) {
                        *ret_wait_us = p->again_us;
                        return false;
                }
        } else if (!p->answered)
                return false;
        else {
                bool nothing = r->taken == p->taken_before && p->ready == 0;

                probe_stop(p);
                /* Twice, as what was acknowledged or given back while the first one was answered may change it. */
                if (nothing && p->quiet)
                        return true;
                p->quiet = nothing;
                p->again_us = nothing || r->taken != p->taken_before ? 0 : now_us + AGAIN_US;
                if (p->again_us) {
                        *ret_wait_us = p->again_us;
                        return false;
                }
        }
        ask(r);
        *ret_wait_us = 0;
        return false;
}
