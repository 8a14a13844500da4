/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl/table.h"
#include "client/ctl/text.h"

#define SHRUNK_COLUMNS_MIN 8
#define GAP_COLUMNS        1
#define ELLIPSIS           "\342\200\246"
#define COLOUR_LEGEND      "\033[4m"
#define COLOUR_WARNING     "\033[1;31m"
#define COLOUR_OFF         "\033[0m"

typedef struct column {
        char *title;
        unsigned flags;
        size_t width; /* of the widest cell so far */
} column;

typedef struct cell {
        char *text;
        bool warning;
} cell;

struct table {
        column *columns;
        size_t n_columns;
        cell *cells; /* row after row */
        size_t n_cells, cells_allocated;
        bool legend_printed;
};

int table_new(table **ret) {
        table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        *ret = t;
        return 0;
}

static void forget_cells(table *t) {
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i].text);
        t->n_cells = 0;
}

table *table_free(table *t) {
        if (!t)
                return NULL;
        forget_cells(t);
        for (size_t i = 0; i < t->n_columns; i++)
                free(t->columns[i].title);
        free(t->columns);
        free(t->cells);
        free(t);
        return NULL;
}

void table_freep(table **t) {
        table_free(*t);
}

int table_add_column(table *t, const char *title, unsigned flags) {
        column *columns = realloc(t->columns, (t->n_columns + 1) * sizeof(*columns));
        char *copy;

        if (!columns)
                return -ENOMEM;
        t->columns = columns;
        copy = strdup(title);
        if (!copy)
                return -ENOMEM;
        columns[t->n_columns++] = (column){.title = copy, .flags = flags, .width = text_width(title)};
        return 0;
}

static int add_cell(table *t, const char *text, bool warning) {
        column *c = &t->columns[t->n_cells % t->n_columns];
        char *copy;
        size_t width;

        if (t->n_cells == t->cells_allocated) {
                size_t n = t->cells_allocated ? t->cells_allocated * 2 : 64;
                cell *cells = reallocarray(t->cells, n, sizeof(*cells));

                if (!cells)
                        return -ENOMEM;
                t->cells = cells;
                t->cells_allocated = n;
        }
        copy = strdup(text && *text ? text : "-");
        if (!copy)
                return -ENOMEM;
        width = text_width(copy);
        if (width > c->width)
                c->width = width;
        t->cells[t->n_cells++] = (cell){.text = copy, .warning = warning};
        return 0;
}

int table_add(table *t, const char *text) {
        return add_cell(t, text, false);
}

int table_add_warning(table *t, const char *text) {
        return add_cell(t, text, true);
}

size_t table_rows(const table *t) {
        return t->n_columns ? t->n_cells / t->n_columns : 0;
}

/* The widths to print with: those of the cells, less what columns that may shrink have to give. */
static void fit(const table *t, size_t width, size_t *ret_widths) {
        size_t total = 0;

        for (size_t i = 0; i < t->n_columns; i++) {
                ret_widths[i] = t->columns[i].width;
                total += ret_widths[i] + (i > 0 ? GAP_COLUMNS : 0);
        }
        for (size_t i = t->n_columns; i-- > 0 && width > 0 && total > width;) {
                size_t title = text_width(t->columns[i].title);
                size_t least = title > SHRUNK_COLUMNS_MIN ? title : SHRUNK_COLUMNS_MIN;
                size_t give = ret_widths[i] > least ? ret_widths[i] - least : 0;

                if (!(t->columns[i].flags & TABLE_SHRINK))
                        continue;
                if (give > total - width)
                        give = total - width;
                ret_widths[i] -= give;
                total -= give;
        }
}

static void print_spaces(output *o, size_t n) {
        while (n-- > 0)
                output_add(o, " ", 1);
}

/* Prints the text, shortened to `width` if it is wider. Returns the columns it took, or -ENOMEM. */
static int print_fitted(output *o, const char *text, size_t width) {
        size_t columns = text_width(text);
        char *cut;

        if (columns <= width) {
                output_add_text(o, text);
                return (int) columns;
        }
        cut = text_printable(text, strlen(text), width - 1, NULL);
        if (!cut)
                return -ENOMEM;
        columns = text_width(cut) + 1;
        output_printf(o, "%s" ELLIPSIS, cut);
        free(cut);
        return (int) columns;
}

static int print_cell(const table *t, output *o, size_t i, const char *text, const char *colour, size_t width) {
        size_t columns = text_width(text);
        bool right = t->columns[i].flags & TABLE_RIGHT, last = i + 1 == t->n_columns;
        int r;

        if (i > 0)
                print_spaces(o, GAP_COLUMNS);
        if (right && columns < width)
                print_spaces(o, width - columns);
        if (colour)
                output_add_text(o, colour);
        r = print_fitted(o, text, width);
        if (r < 0)
                return r;
        if (colour)
                output_add_text(o, COLOUR_OFF);
        /* No blanks at the end of a line. */
        if (!right && !last && (size_t) r < width)
                print_spaces(o, width - (size_t) r);
        return 0;
}

int table_print(table *t, output *o, const table_style *style) {
        size_t *widths = calloc(t->n_columns, sizeof(*widths));
        int r = 0;

        if (!widths)
                return -ENOMEM;
        fit(t, style->width, widths);
        if (style->legend && !t->legend_printed) {
                for (size_t i = 0; i < t->n_columns && r >= 0; i++)
                        r = print_cell(t, o, i, t->columns[i].title, style->colour ? COLOUR_LEGEND : NULL, widths[i]);
                output_add(o, "\n", 1);
                t->legend_printed = true;
        }
        for (size_t k = 0; k < t->n_cells && r >= 0; k++) {
                size_t i = k % t->n_columns;
                const cell *c = &t->cells[k];

                r = print_cell(t, o, i, c->text, style->colour && c->warning ? COLOUR_WARNING : NULL, widths[i]);
                if (i + 1 == t->n_columns)
                        output_add(o, "\n", 1);
        }
        forget_cells(t);
        free(widths);
        return r < 0 ? r : o->error;
}
