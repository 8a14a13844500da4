/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Rows of a listing, kept: copies of the library's items, which live only as long as their handler runs. */

#include <stddef.h>

#include "client/lodge.h"

#include "client/ctl/table.h"

typedef struct record {
        lodge_attribute *attributes; /* in the daemon's order; strings are the record's own */
        size_t n_attributes;
} record;

typedef struct records {
        record *list;
        size_t n;
        int error; /* -ENOMEM when a row is missing */
} records;

/* Adds a copy of the attribute. Returns 0 or -ENOMEM. */
int record_add(record *r, const lodge_attribute *attribute);
/* The first attribute with this key, or NULL. */
const lodge_attribute *record_get(const record *r, const char *key);
/* Frees what it holds, not itself. */
void record_done(record *r);

/* A lodge_item_handler whose userdata is the struct records to add to. */
void records_collect(const lodge_item *item, void *userdata);
/* Adds an empty record. Returns it, the list's, until the next one is added; or NULL when there is no memory. */
record *records_new(records *list);
void records_done(records *list);
/* Adds "user", the name for "uid", to records that have no name yet: the bus itself knows numbers. */
void records_add_users(records *list);

/* An attribute's value for people: sizes, ages and times are recognised by their key. Returns it, the caller's to
 * free(), or NULL when there is no memory. */
char *record_format(const lodge_attribute *attribute);

/* A column of a table of records. */
typedef struct record_column {
        const char *key;
        const char *title;
        unsigned flags; /* of the table's column */
        enum {
                RECORD_PLAIN = 0,
                RECORD_ZERO_IS_NOTHING = 1 << 0, /* 0 shows as "-" */
                RECORD_WARN = 1 << 1,            /* anything but 0 is a warning */
                RECORD_IF_ANY = 1 << 2,          /* the column is there only if some record has the attribute */
                RECORD_LIST = 1 << 3,            /* all values of a repeated key, not the first one */
        } show;
} record_column;

/* Makes a table of the records, which stay untouched. Returns 0 or -ENOMEM. */
int record_table(table **ret, const records *list, const record_column *columns, size_t n_columns);
