/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/* Most handlers look at the body only, so the fields are decoded when first asked for. */
int message_decode(lodge_message *m) {
        int r;

        if (m->decoded)
                return 0;
        r = table_decode(&m->table, m->fields);
        if (r < 0)
                return r;
        m->decoded = true;
        return 0;
}

static const char *message_string(lodge_message *m, unsigned tag) {
        return m && message_decode(m) == 0 ? table_find(&m->table, tag) : NULL;
}

uint64_t message_number(const lodge_message *m, unsigned tag, uint64_t otherwise) {
        struct wire_field field;

        return wire_field_find(m->fields, tag, &field) ? field.number : otherwise;
}

PUBLIC uint64_t lodge_message_get_id(lodge_message *m) {
        return m ? m->id : 0;
}

PUBLIC const char *lodge_message_get_subject(lodge_message *m) {
        if (!m)
                return NULL;
        if (!m->borrowed)
                return (const char *) m->subject.data;
        if (!m->subject_text) {
                m->subject_text = malloc(WIRE_SUBJECT_BYTES_MAX + 1);
                if (!m->subject_text)
                        return NULL;
        }
        memcpy(m->subject_text, m->subject.data, m->subject.size);
        m->subject_text[m->subject.size] = 0;
        return m->subject_text;
}

PUBLIC uint64_t lodge_message_get_time(lodge_message *m) {
        return m ? m->time_us : 0;
}

PUBLIC unsigned lodge_message_get_priority(lodge_message *m) {
        return m ? m->priority : 0;
}

PUBLIC unsigned lodge_message_get_deliveries(lodge_message *m) {
        if (!m || !m->received)
                return 0;
        return (unsigned) message_number(m, WIRE_FIELD_DELIVERIES, m->consumer ? 1 : 0);
}

PUBLIC const void *lodge_message_get_body(lodge_message *m, size_t *ret_size) {
        if (ret_size)
                *ret_size = m ? m->body.size : 0;
        return m ? m->body.data : NULL;
}

PUBLIC const char *lodge_message_get_content_type(lodge_message *m) {
        return message_string(m, WIRE_FIELD_CONTENT_TYPE);
}

PUBLIC const char *lodge_message_get_reply_to(lodge_message *m) {
        return message_string(m, WIRE_FIELD_REPLY_TO);
}

PUBLIC const char *lodge_message_get_correlation(lodge_message *m) {
        return message_string(m, WIRE_FIELD_CORRELATION);
}

PUBLIC const char *lodge_message_get_thread(lodge_message *m) {
        return message_string(m, WIRE_FIELD_THREAD);
}

PUBLIC const char *lodge_message_get_header(lodge_message *m, const char *key) {
        if (!m || !key || message_decode(m) < 0)
                return NULL;
        for (size_t i = 0; i < m->table.n_rows; i++)
                if (m->table.rows[i].tag == WIRE_FIELD_HEADER && strcmp(m->table.rows[i].key, key) == 0)
                        return m->table.rows[i].value;
        return NULL;
}

PUBLIC int lodge_message_get_header_at(lodge_message *m, size_t index, const char **ret_key, const char **ret_value) {
        int r;

        if (!m)
                return -EINVAL;
        r = message_decode(m);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->table.n_rows; i++) {
                if (m->table.rows[i].tag != WIRE_FIELD_HEADER || index-- > 0)
                        continue;
                if (ret_key)
                        *ret_key = m->table.rows[i].key;
                if (ret_value)
                        *ret_value = m->table.rows[i].value;
                return 1;
        }
        return 0;
}

PUBLIC int lodge_message_get_sender(lodge_message *m, lodge_sender *ret) {
        struct sender *s;

        if (!m || !ret)
                return -EINVAL;
        if (!m->received)
                return -ENODATA;
        s = m->borrowed ? sender_table_find(&m->bus->senders, m->sender_number) : m->sender;
        if (!s)
                return -ENODATA;
        *ret = s->public;
        return 0;
}

PUBLIC int lodge_message_ack(lodge_message *m) {
        return m && m->received ? message_settle(m, false) : -EINVAL;
}

PUBLIC int lodge_message_nack(lodge_message *m) {
        return m && m->received ? message_settle(m, true) : -EINVAL;
}
