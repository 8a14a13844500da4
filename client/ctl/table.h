/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tables in columns, aligned by the width that text shows with. */

#include <stdbool.h>
#include <stddef.h>

#include "client/ctl/output.h"

typedef struct table table;

enum table_column_flags {
        TABLE_RIGHT = 1 << 0,  /* numbers */
        TABLE_SHRINK = 1 << 1, /* is cut, with an ellipsis, when the table is wider than the terminal */
};

typedef struct table_style {
        bool legend;  /* the line with the titles */
        bool colour;  /* escape sequences are fine */
        size_t width; /* columns of the terminal, 0: no limit */
} table_style;

/* Makes a table without columns. Returns 0 or -ENOMEM. */
int table_new(table **ret);
/* NULL is fine. Returns NULL. */
table *table_free(table *t);
void table_freep(table **t);

/* Adds a column. All columns come before the first cell. Returns 0 or -ENOMEM. */
int table_add_column(table *t, const char *title, unsigned flags);
/* Adds the next cell of the row, row after row; the text is copied, NULL or "" shows as "-". Returns 0 or -ENOMEM. */
int table_add(table *t, const char *text);
/* The same, shown as a warning where there is colour. */
int table_add_warning(table *t, const char *text);

/* Rows that were added and not printed. */
size_t table_rows(const table *t);
/* Prints the rows, the legend before the first ones, and forgets them. Columns keep the widths they had, so that a long
 * table can be printed in pieces. Returns 0 or a negative errno. */
int table_print(table *t, output *o, const table_style *style);
