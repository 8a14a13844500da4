/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/* ---- the connection's own object, shown to handlers ---- */

lodge_message *
message_show(lodge *bus, const struct wire_deliver *deliver, struct consumer *consumer, struct wire_span subject) {
        lodge_message *m = bus->view;

        if (UNLIKELY(!m)) {
                m = calloc(1, sizeof(*m));
                if (!m)
                        return NULL;
                m->received = true;
                m->borrowed = true;
                bus->view = m;
        }
        m->n_ref = 1;
        m->settled = false;
        m->decoded = false;
        m->priority = deliver->priority;
        m->flags = deliver->flags;
        m->id = deliver->id;
        m->time_us = deliver->time_us;
        m->sender_number = deliver->sender;
        m->bus = bus;
        m->consumer = consumer;
        m->epoch = bus->epoch;
        m->subject = subject;
        m->fields = deliver->fields;
        m->body = deliver->body;
        return m;
}

static lodge_message *message_free(lodge_message *m) {
        table_release(&m->table);
        buffer_release(&m->draft);
        free(m->subject_text);
        free(m->memory);
        free(m);
        return NULL;
}

void message_hide(lodge *bus, lodge_message *m) {
        (void) bus;
        if (m->borrowed) {
                /* Nobody kept it; a reference dropped too often is not ours to mend. */
                m->consumer = NULL;
                m->bus = NULL;
                return;
        }
        lodge_message_unref(m);
}

void message_forget_view(lodge *bus) {
        if (bus->view)
                bus->view = message_free(bus->view);
}

/* Moves a borrowed message to memory of its own; the connection makes itself a new object to show. */
static int message_own(lodge_message *m) {
        size_t total = m->subject.size + 1 + m->fields.size + m->body.size;
        uint8_t *memory, *p;

        memory = malloc(total);
        if (!memory)
                return -ENOMEM;

        p = memory;
        memcpy(p, m->subject.data, m->subject.size);
        m->subject.data = p;
        p += m->subject.size;
        *p++ = 0;
        if (m->fields.size > 0)
                memcpy(p, m->fields.data, m->fields.size);
        m->fields.data = p;
        p += m->fields.size;
        if (m->body.size > 0)
                memcpy(p, m->body.data, m->body.size);
        m->body.data = p;

        /* Pointers that were handed out of the old places stay valid until the handler returns: the text of the
         * subject and the table are kept, and the receive buffer stands still while handlers run. */
        m->memory = memory;
        m->borrowed = false;
        m->sender = sender_ref(sender_table_find(&m->bus->senders, m->sender_number));
        if (m->consumer)
                consumer_ref(m->consumer);
        m->bus->view = NULL;
        m->bus = NULL;
        return 0;
}

PUBLIC lodge_message *lodge_message_ref(lodge_message *m) {
        if (!m)
                return NULL;
        if (m->borrowed && message_own(m) < 0)
                return NULL;
        m->n_ref++;
        return m;
}

PUBLIC lodge_message *lodge_message_unref(lodge_message *m) {
        if (!m || m->borrowed || --m->n_ref > 0)
                return NULL;
        sender_unref(m->sender);
        if (m->consumer)
                consumer_unref(m->consumer);
        return message_free(m);
}

PUBLIC void lodge_message_unrefp(lodge_message **m) {
        lodge_message_unref(*m);
}

/* ---- making ---- */

PUBLIC int lodge_message_new(lodge_message **ret, const char *subject) {
        size_t size;
        lodge_message *m;

        if (!ret || !subject)
                return -EINVAL;
        size = strlen(subject);
        if (wire_subject_check(subject, size, NULL) < 0)
                return -EINVAL;

        m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->memory = (uint8_t *) strdup(subject);
        if (!m->memory) {
                free(m);
                return -ENOMEM;
        }
        m->n_ref = 1;
        m->subject = (struct wire_span){m->memory, size};
        *ret = m;
        return 0;
}

PUBLIC int lodge_message_set_body(lodge_message *m, const void *body, size_t size) {
        uint8_t *memory;
        size_t head;

        if (!m || (!body && size > 0))
                return -EINVAL;
        if (m->received)
                return -EPERM;
        if (size > BODY_BYTES_MAX)
                return -EMSGSIZE;

        head = m->subject.size + 1;
        memory = malloc(head + size);
        if (!memory)
                return -ENOMEM;
        memcpy(memory, m->memory, head);
        if (size > 0)
                memcpy(memory + head, body, size);
        free(m->memory);
        m->memory = memory;
        m->subject.data = memory;
        m->body = (struct wire_span){memory + head, size};
        return 0;
}

PUBLIC int lodge_message_set_priority(lodge_message *m, unsigned priority) {
        if (!m || priority > LODGE_PRIORITY_MAX)
                return -EINVAL;
        if (m->received)
                return -EPERM;
        m->priority = (uint8_t) priority;
        return 0;
}

/* Takes the field `tag` out of a draft. */
static void draft_remove(lodge_message *m, unsigned tag) {
        struct wire_span fields = {buffer_front(&m->draft), buffer_size(&m->draft)};
        size_t offset = 0, before = 0;
        struct wire_field field;

        while (wire_field_next(fields, &offset, &field, NULL) == 1) {
                if (field.tag == tag) {
                        memmove(m->draft.data + m->draft.start + before, m->draft.data + m->draft.start + offset,
                                fields.size - offset);
                        m->draft.end -= offset - before;
                        return;
                }
                before = offset;
        }
}

static void draft_show(lodge_message *m) {
        m->fields = (struct wire_span){buffer_front(&m->draft), buffer_size(&m->draft)};
        m->decoded = false;
}

static int draft_put(lodge_message *m, unsigned tag, const char *key, const char *value) {
        size_t key_bytes = key ? strlen(key) : 0, value_bytes = strlen(value), size, room;
        struct wire_span added;
        int r;

        if (value_bytes + 1 + key_bytes > WIRE_FIELDS_BYTES_MAX)
                return -EMSGSIZE;
        size = key ? wire_field_size_pair(key_bytes, value_bytes) : wire_field_size_bytes(value_bytes);
        room = WIRE_FIELDS_BYTES_MAX - buffer_size(&m->draft);
        if (size > room)
                return -EMSGSIZE;
        r = buffer_reserve(&m->draft, size);
        if (r < 0)
                return r;

        added = (struct wire_span){buffer_back(&m->draft), size};
        if (key)
                wire_put_pair(buffer_back(&m->draft), tag, key, key_bytes, value, value_bytes);
        else
                wire_put_bytes(buffer_back(&m->draft), tag, value, value_bytes);
        /* The daemon would close the connection over text that is no UTF-8, so it does not get there. */
        if (wire_fields_check(added, NULL) < 0) {
                draft_show(m);
                return -EINVAL;
        }
        m->draft.end += size;
        draft_show(m);
        return 0;
}

static int message_set_string(lodge_message *m, unsigned tag, const char *value) {
        int r;

        if (!m)
                return -EINVAL;
        if (m->received)
                return -EPERM;
        if (value) {
                r = draft_put(m, tag, NULL, value);
                if (r < 0)
                        return r;
                /* The new one stands last: what is found first is the old one, if there is one. */
                size_t old = 0, offset = 0;
                struct wire_field field;

                while (wire_field_next(m->fields, &offset, &field, NULL) == 1)
                        old += field.tag == tag;
                if (old > 1)
                        draft_remove(m, tag);
        } else
                draft_remove(m, tag);
        draft_show(m);
        return 0;
}

PUBLIC int lodge_message_set_content_type(lodge_message *m, const char *type) {
        return message_set_string(m, WIRE_FIELD_CONTENT_TYPE, type);
}

PUBLIC int lodge_message_set_reply_to(lodge_message *m, const char *subject) {
        if (subject && wire_subject_check(subject, strlen(subject), NULL) < 0)
                return -EINVAL;
        return message_set_string(m, WIRE_FIELD_REPLY_TO, subject);
}

PUBLIC int lodge_message_set_correlation(lodge_message *m, const char *correlation) {
        return message_set_string(m, WIRE_FIELD_CORRELATION, correlation);
}

PUBLIC int lodge_message_set_thread(lodge_message *m, const char *thread) {
        return message_set_string(m, WIRE_FIELD_THREAD, thread);
}

PUBLIC int lodge_message_add_header(lodge_message *m, const char *key, const char *value) {
        if (!m || !key || !value || !*key || strlen(key) > UINT8_MAX)
                return -EINVAL;
        if (m->received)
                return -EPERM;
        return draft_put(m, WIRE_FIELD_HEADER, key, value);
}
