/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/format.h"
#include "client/ctl/record.h"
#include "client/ctl/text.h"
#include "client/ctl/user.h"

/* Spans are never so long (31 years), times of the calendar never so early. */
#define REALTIME_US_MIN UINT64_C(1000000000000000)

int record_add(record *r, const lodge_attribute *attribute) {
        lodge_attribute copy = *attribute, *attributes;

        attributes = reallocarray(r->attributes, r->n_attributes + 1, sizeof(*attributes));
        if (!attributes)
                return -ENOMEM;
        r->attributes = attributes;
        copy.key = strdup(attribute->key);
        copy.string = attribute->type == LODGE_TYPE_STRING ? strdup(attribute->string ? attribute->string : "") : NULL;
        if (!copy.key || (attribute->type == LODGE_TYPE_STRING && !copy.string)) {
                free((char *) copy.key);
                free((char *) copy.string);
                return -ENOMEM;
        }
        attributes[r->n_attributes++] = copy;
        return 0;
}

const lodge_attribute *record_get(const record *r, const char *key) {
        for (size_t i = 0; i < r->n_attributes; i++)
                if (strcmp(r->attributes[i].key, key) == 0)
                        return &r->attributes[i];
        return NULL;
}

void record_done(record *r) {
        for (size_t i = 0; i < r->n_attributes; i++) {
                free((char *) r->attributes[i].key);
                free((char *) r->attributes[i].string);
        }
        free(r->attributes);
        *r = (record){0};
}

record *records_new(records *list) {
        record *grown = reallocarray(list->list, list->n + 1, sizeof(*grown));

        if (!grown) {
                list->error = -ENOMEM;
                return NULL;
        }
        list->list = grown;
        grown[list->n] = (record){0};
        return &grown[list->n++];
}

void records_collect(const lodge_item *item, void *userdata) {
        records *list = userdata;
        record *r = records_new(list);
        lodge_attribute attribute;

        for (size_t i = 0; r && lodge_item_get_at(item, i, &attribute) > 0; i++)
                if (record_add(r, &attribute) < 0) {
                        list->error = -ENOMEM;
                        return;
                }
}

void records_done(records *list) {
        for (size_t i = 0; i < list->n; i++)
                record_done(&list->list[i]);
        free(list->list);
        *list = (records){0};
}

void records_add_users(records *list) {
        user cache = {0};

        for (size_t i = 0; i < list->n; i++) {
                record *r = &list->list[i];
                const lodge_attribute *uid = record_get(r, "uid");
                lodge_attribute name = {.key = "user", .type = LODGE_TYPE_STRING};

                if (!uid || uid->type != LODGE_TYPE_U64 || record_get(r, "user"))
                        continue;
                name.string = user_name(&cache, (uint32_t) uid->number);
                if (record_add(r, &name) < 0)
                        list->error = -ENOMEM;
        }
}

static bool ends_with(const char *text, const char *end) {
        size_t n = strlen(text), n_end = strlen(end);

        return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

char *record_format(const lodge_attribute *attribute) {
        char buffer[FORMAT_BYTES_MAX];
        char *text;

        switch (attribute->type) {
        case LODGE_TYPE_STRING:
                return text_printable(attribute->string, strlen(attribute->string), SIZE_MAX / 8, NULL);
        case LODGE_TYPE_BOOL:
                return strdup(attribute->number ? "yes" : "no");
        case LODGE_TYPE_U64:
                if (ends_with(attribute->key, "_us"))
                        return strdup(attribute->number >= REALTIME_US_MIN ? format_time(buffer, attribute->number)
                                                                           : format_span(buffer, attribute->number));
                if (strncmp(attribute->key, "max_", 4) == 0 && attribute->number == 0)
                        return strdup("none");
                if (strcmp(attribute->key, "bytes") == 0 || ends_with(attribute->key, "_bytes") ||
                    ends_with(attribute->key, "memory"))
                        return strdup(format_size(buffer, attribute->number));
                return asprintf(&text, "%" PRIu64, attribute->number) < 0 ? NULL : text;
        }
        return strdup("?"); /* of a newer library */
}

/* All values of a key, or the first one, as one text. *ret NULL: there is none. */
static int format_cell(const record *r, const record_column *column, char **ret) {
        char *joined = NULL;

        for (size_t i = 0; i < r->n_attributes; i++) {
                const lodge_attribute *a = &r->attributes[i];
                char *text, *longer = NULL;
                int n;

                if (strcmp(a->key, column->key) != 0)
                        continue;
                if (column->show & RECORD_ZERO_IS_NOTHING && a->type != LODGE_TYPE_STRING && a->number == 0)
                        continue;
                text = record_format(a);
                n = !text ? -1 : joined ? asprintf(&longer, "%s,%s", joined, text) : 0;
                if (n < 0 || joined) {
                        free(text);
                        free(joined);
                        text = n < 0 ? NULL : longer;
                }
                if (!text)
                        return -ENOMEM;
                joined = text;
                if (!(column->show & RECORD_LIST))
                        break;
        }
        *ret = joined;
        return 0;
}

static bool is_shown(const records *list, const record_column *column) {
        if (!(column->show & RECORD_IF_ANY))
                return true;
        for (size_t i = 0; i < list->n; i++)
                if (record_get(&list->list[i], column->key))
                        return true;
        return false;
}

static int add_row(table *t, const records *list, const record *r, const record_column *columns, size_t n_columns) {
        for (size_t i = 0; i < n_columns; i++) {
                const lodge_attribute *a = record_get(r, columns[i].key);
                bool warn = columns[i].show & RECORD_WARN && a && a->number > 0;
                char *text = NULL;
                int k;

                if (!is_shown(list, &columns[i]))
                        continue;
                k = format_cell(r, &columns[i], &text);
                if (k >= 0)
                        k = warn ? table_add_warning(t, text) : table_add(t, text);
                free(text);
                if (k < 0)
                        return k;
        }
        return 0;
}

int record_table(table **ret, const records *list, const record_column *columns, size_t n_columns) {
        __attribute__((cleanup(table_freep))) table *t = NULL;
        int r = table_new(&t);

        for (size_t i = 0; i < n_columns && r >= 0; i++)
                if (is_shown(list, &columns[i]))
                        r = table_add_column(t, columns[i].title, columns[i].flags);
        for (size_t i = 0; i < list->n && r >= 0; i++)
                r = add_row(t, list, &list->list[i], columns, n_columns);
        if (r < 0)
                return r;
        *ret = t;
        t = NULL;
        return 0;
}
