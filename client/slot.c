/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "client/internal.h"

lodge_slot *slot_new(lodge *bus) {
        lodge_slot *slot;

        slot = calloc(1, sizeof(*slot));
        if (!slot)
                return NULL;
        slot->n_ref = 1;
        slot->held = true;
        slot->bus = bus;
        slot->next = bus->slots;
        if (slot->next)
                slot->next->previous = slot;
        bus->slots = slot;
        return slot;
}

static void slot_unlink(lodge_slot *slot) {
        if (!slot->bus)
                return;
        if (slot->previous)
                slot->previous->next = slot->next;
        else
                slot->bus->slots = slot->next;
        if (slot->next)
                slot->next->previous = slot->previous;
        slot->next = slot->previous = NULL;
        slot->bus = NULL;
}

lodge_slot *slot_release(lodge_slot *slot) {
        if (!slot)
                return NULL;
        slot->held = false;
        slot->consumer = NULL;
        slot->request = NULL;
        slot->sent = NULL;
        if (slot->n_ref == 0) {
                slot_unlink(slot);
                free(slot);
        }
        return NULL;
}

/* The connection is closed: what the slots stood for is over, and the callers keep empty ones. */
void slots_close(lodge *bus) {
        while (bus->slots)
                slot_unlink(bus->slots);
}

PUBLIC lodge_slot *lodge_slot_ref(lodge_slot *slot) {
        if (slot)
                slot->n_ref++;
        return slot;
}

PUBLIC lodge_slot *lodge_slot_unref(lodge_slot *slot) {
        if (!slot)
                return NULL;
        if (slot->n_ref > 1) {
                slot->n_ref--;
                return NULL;
        }

        /* The last reference is kept during this, for what ends here at once. */
        slot->sent = NULL;
        if (slot->request)
                request_mute(slot->request);
        else if (slot->consumer)
                consumer_cancel(slot->consumer);
        slot->n_ref = 0;

        /* A thing that is still under way frees the slot when it is over. */
        if (!slot->held) {
                slot_unlink(slot);
                free(slot);
        }
        return NULL;
}

PUBLIC void lodge_slot_unrefp(lodge_slot **slot) {
        lodge_slot_unref(*slot);
}

PUBLIC lodge *lodge_slot_get_bus(lodge_slot *slot) {
        return slot ? slot->bus : NULL;
}
