/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/json.h"
#include "client/ctl/text.h"

static void json_putp(json_object **object) {
        if (*object)
                json_object_put(*object);
}
#define _cleanup_json_ __attribute__((cleanup(json_putp)))

/* Adds a value and takes it over, also on failure. */
static int add(json_object *object, const char *key, json_object *value) {
        if (!value)
                return -ENOMEM;
        if (json_object_object_add(object, key, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

/* Like add(), but a second value under a key makes an array. */
static int add_repeated(json_object *object, const char *key, json_object *value, bool always_array) {
        json_object *there = NULL, *array;
        bool present = json_object_object_get_ex(object, key, &there);

        if (!value || (!present && !always_array))
                return add(object, key, value);
        if (present && json_object_is_type(there, json_type_array)) {
                if (json_object_array_add(there, value) == 0)
                        return 0;
                json_object_put(value);
                return -ENOMEM;
        }
        array = json_object_new_array();
        if (array && present && json_object_array_add(array, json_object_get(there)) < 0)
                json_object_put(there);
        if (!array || json_object_array_add(array, value) < 0) {
                json_object_put(value);
                json_object_put(array);
                return -ENOMEM;
        }
        return add(object, key, array);
}

static json_object *of_string(const char *text) {
        size_t size = strlen(text);

        return size <= INT32_MAX ? json_object_new_string_len(text, (int) size) : NULL;
}

static json_object *of_attribute(const lodge_attribute *a) {
        switch (a->type) {
        case LODGE_TYPE_U64:
                return json_object_new_uint64(a->number);
        case LODGE_TYPE_BOOL:
                return json_object_new_boolean(a->number != 0);
        case LODGE_TYPE_STRING:
                return of_string(a->string);
        }
        return json_object_new_string("?"); /* of a newer library */
}

json_object *json_of_record(const record *r) {
        _cleanup_json_ json_object *object = json_object_new_object();

        for (size_t i = 0; object && i < r->n_attributes; i++) {
                const lodge_attribute *a = &r->attributes[i];

                if (add_repeated(object, a->key, of_attribute(a), strcmp(a->key, "binding") == 0) < 0)
                        return NULL;
        }
        return json_object_get(object);
}

static int add_optional(json_object *object, const char *key, const char *text) {
        return text ? add(object, key, of_string(text)) : 0;
}

static int add_sender(json_object *object, lodge_message *m) {
        _cleanup_json_ json_object *sender = NULL;
        lodge_sender s;

        if (lodge_message_get_sender(m, &s) < 0)
                return 0;
        sender = json_object_new_object();
        if (!sender || add(sender, "uid", json_object_new_uint64(s.uid)) < 0 ||
            add(sender, "gid", json_object_new_uint64(s.gid)) < 0 ||
            add(sender, "pid", json_object_new_int64(s.pid)) < 0)
                return -ENOMEM;
        /* Always there, so that nobody has to ask whether it is; null without a unit. */
        if (s.unit ? add(sender, "unit", of_string(s.unit)) < 0 : json_object_object_add(sender, "unit", NULL) < 0)
                return -ENOMEM;
        if (add_optional(sender, "label", s.label) < 0)
                return -ENOMEM;
        return add(object, "sender", json_object_get(sender));
}

static int add_headers(json_object *object, lodge_message *m) {
        _cleanup_json_ json_object *headers = json_object_new_object();
        const char *key, *value;

        if (!headers)
                return -ENOMEM;
        for (size_t i = 0; lodge_message_get_header_at(m, i, &key, &value) > 0; i++)
                if (add_repeated(headers, key, of_string(value), false) < 0)
                        return -ENOMEM;
        return add(object, "headers", json_object_get(headers));
}

static int add_body(json_object *object, lodge_message *m) {
        size_t size = 0;
        const void *body = lodge_message_get_body(m, &size);
        char *text;
        int r;

        if (size > INT32_MAX / 2)
                return -EMSGSIZE;
        if (add(object, "size", json_object_new_uint64(size)) < 0)
                return -ENOMEM;
        if (text_is_utf8(body, size))
                return add(object, "body", json_object_new_string_len(size ? body : "", (int) size));
        text = text_base64(body, size);
        r = text ? add(object, "body_base64", json_object_new_string(text)) : -ENOMEM;
        free(text);
        return r;
}

json_object *json_of_message(lodge_message *m, const char *queue) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || add(object, "id", json_object_new_uint64(lodge_message_get_id(m))) < 0 ||
            add_optional(object, "queue", queue) < 0 ||
            add(object, "subject", of_string(lodge_message_get_subject(m))) < 0 ||
            add(object, "time_us", json_object_new_uint64(lodge_message_get_time(m))) < 0 ||
            add(object, "priority", json_object_new_uint64(lodge_message_get_priority(m))) < 0 ||
            add(object, "deliveries", json_object_new_uint64(lodge_message_get_deliveries(m))) < 0 ||
            add_sender(object, m) < 0 || add_headers(object, m) < 0 ||
            add_optional(object, "content_type", lodge_message_get_content_type(m)) < 0 ||
            add_optional(object, "reply_to", lodge_message_get_reply_to(m)) < 0 ||
            add_optional(object, "correlation", lodge_message_get_correlation(m)) < 0 ||
            add_optional(object, "thread", lodge_message_get_thread(m)) < 0 || add_body(object, m) < 0)
                return NULL;
        return json_object_get(object);
}

/* Inside an array lines are indented; a newline within a string is escaped, so each one found is a line's. */
static int add_indented(output *out, const char *text) {
        for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
                output_add(out, "  ", 2);
                output_add(out, text, (size_t) (end + 1 - text));
        }
        output_add(out, "  ", 2);
        return output_add_text(out, text);
}

int json_stream_add(json_stream *s, json_object *object) {
        _cleanup_json_ json_object *own = object;
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;
        size_t size;
        const char *text;

        if (s->mode == JSON_PRETTY)
                flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        text = own ? json_object_to_json_string_length(own, flags, &size) : NULL;
        if (!text)
                return -ENOMEM;
        if (s->mode != JSON_PRETTY || s->single) {
                output_add(s->out, text, size);
                output_add(s->out, "\n", 1);
        } else {
                output_add_text(s->out, s->n ? ",\n" : "[\n");
                add_indented(s->out, text);
        }
        s->n++;
        return s->out->error;
}

int json_stream_end(json_stream *s) {
        if (s->mode == JSON_PRETTY && !s->single)
                output_add_text(s->out, s->n ? "\n]\n" : "[]\n");
        return s->out->error;
}
