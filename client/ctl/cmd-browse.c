/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/ctl.h"
#include "client/ctl/format.h"
#include "client/ctl/text.h"
#include "client/ctl/user.h"

#define PAGE_MESSAGES    512u
#define BODY_COLUMNS_MAX 80

typedef struct browser {
        ctl *c;
        const char *queue;
        uint64_t seen;
        int error;
        table *table;
        json_stream stream;
        user user;
} browser;

static int add_number(table *t, uint64_t number) {
        char text[24];

        snprintf(text, sizeof(text), "%" PRIu64, number);
        return table_add(t, text);
}

/* The start of the body, on one line. */
static int add_body(browser *b, const void *body, size_t size) {
        bool terminal = ctl_table_style(b->c).width > 0, cut;
        char *text = text_printable(body, size, BODY_COLUMNS_MAX, &cut), *longer = NULL;
        int r;

        if (text && cut && terminal && asprintf(&longer, "%s\342\200\246", text) < 0)
                longer = NULL;
        r = text ? table_add(b->table, longer ? longer : text) : -ENOMEM;
        free(longer);
        free(text);
        return r;
}

static int add_row(browser *b, lodge_message *m) {
        char buffer[FORMAT_BYTES_MAX];
        lodge_sender sender;
        size_t size;
        const void *body = lodge_message_get_body(m, &size);
        int r = add_number(b->table, lodge_message_get_id(m));

        if (r >= 0)
                r = table_add(b->table, format_time(buffer, lodge_message_get_time(m)));
        if (r >= 0)
                r = add_number(b->table, lodge_message_get_priority(m));
        if (r >= 0)
                r = add_number(b->table, lodge_message_get_deliveries(m));
        if (r >= 0 && lodge_message_get_sender(m, &sender) >= 0)
                r = table_add(b->table, sender.unit ? sender.unit : user_name(&b->user, sender.uid));
        else if (r >= 0)
                r = table_add(b->table, NULL);
        if (r >= 0)
                r = table_add(b->table, lodge_message_get_subject(m));
        if (r >= 0)
                r = table_add(b->table, format_size(buffer, size));
        return r < 0 ? r : add_body(b, body, size);
}

static void on_message(lodge_message *m, void *userdata) {
        browser *b = userdata;
        size_t size;
        const void *body = lodge_message_get_body(m, &size);

        if (b->error < 0)
                return;
        b->seen++;
        if (b->c->json)
                b->error = json_stream_add(&b->stream, json_of_message(m, b->queue));
        else if (b->table)
                b->error = add_row(b, m);
        else {
                output_add(&b->c->out, body, size);
                if (!ctl_given(b->c, CTL_OPTION_RAW))
                        output_add(&b->c->out, "\n", 1);
                b->error = b->c->out.error;
        }
}

/* Writes what there is so far; to a terminal all goes at the end, maybe through the pager. */
static int page_done(browser *b, const table_style *style) {
        int r = b->table ? table_print(b->table, &b->c->out, style) : 0;

        if (r >= 0 && style->width == 0)
                r = output_flush(&b->c->out);
        return r;
}

static int make_table(browser *b) {
        static const struct {
                const char *title;
                unsigned flags;
        } columns[] = {
                {"ID", TABLE_RIGHT},      {"TIME", 0},    {"PRIORITY", TABLE_RIGHT}, {"DELIVERIES", TABLE_RIGHT},
                {"SENDER", TABLE_SHRINK}, {"SUBJECT", 0}, {"SIZE", TABLE_RIGHT},     {"BODY", TABLE_SHRINK},
        };
        int r = table_new(&b->table);

        for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]) && r >= 0; i++)
                r = table_add_column(b->table, columns[i].title, columns[i].flags);
        return r;
}

static int browse(browser *b) {
        const ctl *c = b->c;
        uint64_t wanted = ctl_given(c, CTL_OPTION_COUNT) ? c->count : UINT64_MAX, next = c->from;
        table_style style = ctl_table_style(c);
        int r = 0;

        do {
                uint64_t left = wanted - b->seen;

                r = lodge_browse(c->bus, b->queue, next, left < PAGE_MESSAGES ? (uint32_t) left : PAGE_MESSAGES,
                                 on_message, b, &next);
                if (r >= 0)
                        r = b->error;
                if (r >= 0)
                        r = page_done(b, &style);
        } while (r >= 0 && next != 0 && b->seen < wanted);
        return r;
}

int cmd_browse(ctl *c) {
        browser b = {.c = c, .queue = c->arguments[0], .stream = {.out = &c->out, .mode = c->json}};
        bool bodies = ctl_given(c, CTL_OPTION_BODY) || ctl_given(c, CTL_OPTION_RAW);
        int status, r = 0;

        if (bodies && c->json)
                return ctl_usage(c->command, "JSON has the bodies: no --body, no --raw");
        status = ctl_open(c);
        if (status != CTL_DONE)
                return status;
        if (!bodies && !c->json)
                r = make_table(&b);
        if (r >= 0)
                r = browse(&b);
        if (r >= 0 && c->json)
                r = json_stream_end(&b.stream);
        if (r >= 0 && b.table)
                ctl_count_line(c, b.seen, "message", "messages");
        b.table = table_free(b.table);
        if (r < 0 && c->out.error == 0)
                return ctl_fail(c, r, b.queue, "cannot browse %s", b.queue);
        status = ctl_show(c);
        return status == CTL_DONE && b.seen == 0 ? CTL_EMPTY : status;
}
