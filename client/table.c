/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

static size_t table_measure(struct wire_span fields, size_t *ret_rows) {
        size_t offset = 0, n = 0, bytes = 0;
        struct wire_field field;

        while (wire_field_next(fields, &offset, &field, NULL) == 1) {
                n++;
                bytes += field.key.size + field.value.size + 2;
        }
        *ret_rows = n;
        return n * sizeof(struct attribute) + bytes;
}

static char *copy_string(char **to, struct wire_span from) {
        char *start = *to;

        if (from.size > 0)
                memcpy(start, from.data, from.size);
        start[from.size] = 0;
        *to += from.size + 1;
        return start;
}

/* Copies the fields out, each with a NUL behind its strings: on the wire they have none. */
int table_decode(struct table *t, struct wire_span fields) {
        size_t n, bytes, offset = 0;
        struct wire_field field;
        char *strings;

        t->n_rows = 0;
        bytes = table_measure(fields, &n);
        if (n == 0)
                return 0;
        if (bytes > t->bytes) {
                void *rows = malloc(bytes);

                if (!rows)
                        return -ENOMEM;
                free(t->rows);
                t->rows = rows;
                t->bytes = bytes;
        }

        strings = (char *) (t->rows + n);
        for (; t->n_rows < n; t->n_rows++) {
                struct attribute *row = &t->rows[t->n_rows];

                if (wire_field_next(fields, &offset, &field, NULL) != 1)
                        break;
                row->tag = field.tag;
                row->type = field.type;
                row->attribute = field.attribute;
                row->number = field.number;
                row->key = copy_string(&strings, field.key);
                row->value = copy_string(&strings, field.value);
        }
        return 0;
}

void table_release(struct table *t) {
        free(t->rows);
        *t = (struct table){0};
}

const char *table_find(const struct table *t, unsigned tag) {
        for (size_t i = 0; i < t->n_rows; i++)
                if (t->rows[i].tag == tag)
                        return t->rows[i].value;
        return NULL;
}
