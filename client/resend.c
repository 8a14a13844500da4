/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/* A frame of the log, taken apart as far as it is rewritten. */
struct frame {
        const uint8_t *data;
        size_t size;
        uint8_t subject_bytes;
};

static struct frame frame_at(const uint8_t *data) {
        return (struct frame){.data = data, .size = wire_get32(data), .subject_bytes = data[15]};
}

/* Moves a refused entry behind the one before it: serials of a connection count up by one, and it is not sent again. */
static void entry_detach(struct sending *s, struct entry *e, struct entry *before, struct refusal *refusal) {
        struct refusal **last = &before->after;

        *refusal = (struct refusal){
                .next = e->after,
                .error = e->error,
                .handler = e->handler,
                .userdata = e->userdata,
                .slot = e->slot,
        };
        while (*last)
                last = &(*last)->next;
        *last = refusal;
        s->extra++;
}

static struct refusal *spares_free(struct refusal *chain) {
        while (chain) {
                struct refusal *next = chain->next;

                free(chain);
                chain = next;
        }
        return NULL;
}

/* Makes one refusal for each refused entry. */
static int spares_new(const struct sending *s, struct refusal **ret) {
        struct refusal *chain = NULL;

        for (uint32_t i = 0; i < s->count; i++) {
                struct refusal *refusal;

                if (!send_entry(s, s->head + i)->refused)
                        continue;
                refusal = calloc(1, sizeof(*refusal));
                if (!refusal) {
                        spares_free(chain);
                        return -ENOMEM;
                }
                refusal->next = chain;
                chain = refusal;
        }
        *ret = chain;
        return 0;
}

/* Takes the refused entries out of the ring. The first one is never refused: it would have been told. */
static void ring_compact(struct sending *s, struct refusal *spares) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < s->count; i++) {
                struct entry *e = send_entry(s, s->head + i);

                if (e->refused) {
                        struct refusal *refusal = spares;

                        spares = refusal->next;
                        entry_detach(s, e, send_entry(s, s->head + kept - 1), refusal);
                } else
                        *send_entry(s, s->head + kept++) = *e;
        }
        s->count = kept;
}

/* Appends a frame, with its serial, and with a subject where it cannot lean on the one before. */
static size_t put_frame(uint8_t *out, const struct frame *f, uint32_t serial, const char *subject, uint8_t bytes) {
        memcpy(out, f->data, WIRE_SEND_HEADER_BYTES);
        memcpy(out + WIRE_SEND_HEADER_BYTES, subject, bytes);
        memcpy(out + WIRE_SEND_HEADER_BYTES + bytes, f->data + WIRE_SEND_HEADER_BYTES + f->subject_bytes,
               f->size - WIRE_SEND_HEADER_BYTES - f->subject_bytes);
        wire_set32(out, (uint32_t) (f->size - f->subject_bytes + bytes));
        wire_set32(out + 8, serial);
        out[15] = bytes;
        return f->size - f->subject_bytes + bytes;
}

struct subject {
        char text[WIRE_SUBJECT_BYTES_MAX];
        uint8_t bytes;
};

static void subject_set(struct subject *s, const void *text, uint8_t bytes) {
        memcpy(s->text, text, bytes);
        s->bytes = bytes;
}

/* Writes the frames that are not refused anew into `to`. The positions in the ring follow. */
static void log_rewrite(struct sending *s, struct buffer *to) {
        const uint8_t *from = buffer_front(&s->log);
        struct subject meant, said = {.bytes = 0};
        uint32_t serial = s->head;

        subject_set(&meant, s->head_subject, s->head_subject_bytes);
        for (uint32_t i = 0; i < s->count; i++) {
                struct entry *e = send_entry(s, s->head + i);
                struct frame f = frame_at(from);
                bool same;

                from += f.size;
                if (f.subject_bytes > 0)
                        subject_set(&meant, f.data + WIRE_SEND_HEADER_BYTES, f.subject_bytes);
                if (e->refused)
                        continue;
                same = said.bytes == meant.bytes && memcmp(said.text, meant.text, meant.bytes) == 0;
                to->end += put_frame(buffer_back(to), &f, serial++, meant.text, same ? 0 : meant.bytes);
                e->end = buffer_size(to);
                said = meant;
        }
        s->position = buffer_size(to);
        s->tail_subject_bytes = said.bytes;
        memcpy(s->tail_subject, said.text, said.bytes);
}

static size_t rewritten_bytes_max(const struct sending *s) {
        size_t bytes = buffer_size(&s->log) + WIRE_SUBJECT_BYTES_MAX;

        for (uint32_t i = 0; i < s->count; i++)
                if (send_entry(s, s->head + i)->refused)
                        bytes += WIRE_SUBJECT_BYTES_MAX;
        return bytes;
}

int send_rewind(lodge *bus) {
        struct sending *s = &bus->sending;
        struct refusal *spares;
        struct buffer fresh = {0};
        int r;

        if (s->count == 0) {
                s->tail_subject_bytes = 0;
                return 0;
        }
        r = spares_new(s, &spares);
        if (r < 0)
                return r;
        r = buffer_reserve(&fresh, rewritten_bytes_max(s));
        if (r < 0) {
                spares_free(spares);
                return r;
        }
        log_rewrite(s, &fresh);
        buffer_release(&s->log);
        s->log = fresh;
        ring_compact(s, spares);
        return 0;
}

void send_fail_all(lodge *bus, int number) {
        struct sending *s = &bus->sending;

        while (s->count > 0 && !bus->closed) {
                struct entry *e = send_entry(s, s->head);
                struct error_box *box = e->error;

                if (!box)
                        box = error_local(number, "connection-broken", "the connection cannot be used any more");
                send_resolve(bus, 0, error_of(box));
                free(box);
        }
}

static void chain_free(struct refusal *chain) {
        while (chain) {
                struct refusal *next = chain->next;

                slot_release(chain->slot);
                free(chain->error);
                free(chain);
                chain = next;
        }
}

/* Forgets everything; nobody is told. */
void send_close(lodge *bus) {
        struct sending *s = &bus->sending;

        for (uint32_t i = 0; i < s->count; i++) {
                struct entry *e = send_entry(s, s->head + i);

                slot_release(e->slot);
                free(e->error);
                chain_free(e->after);
        }
        s->count = 0;
        s->extra = 0;
        free(s->ring);
        s->ring = NULL;
        s->capacity = 0;
        buffer_release(&s->log);
}

/* Gives big buffers back that a burst has left. */
void send_rest(lodge *bus) {
        struct sending *s = &bus->sending;

        if (s->count > 0)
                return;
        if (s->log.capacity > IDLE_KEEP_BYTES)
                buffer_release(&s->log);
        if (s->capacity * sizeof(*s->ring) > IDLE_KEEP_BYTES) {
                free(s->ring);
                s->ring = NULL;
                s->capacity = 0;
        }
}
