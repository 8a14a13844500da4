/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads PROTOCOL.md for the tests that hold it against the codec: its tables and its byte examples. The tests run from
 * the root of the project. */

#include <ctype.h>

#include "tests/protocol/bytes.h"

#define DOCUMENT_PATH        "protocol/PROTOCOL.md"
#define DOCUMENT_CELLS_MAX   8
#define DOCUMENT_LINE_BYTES  1024
#define DOCUMENT_FRAME_BYTES 1024

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
}

#define _cleanup_file_ __attribute__((cleanup(fclosep)))

static inline FILE *document_open(void) {
        FILE *f = fopen(DOCUMENT_PATH, "re");

        if (!f)
                fail_msg("%s is not there; the tests run from the root of the project", DOCUMENT_PATH);
        return f;
}

/* Reads a line without its newline. Returns false at the end. */
static inline bool document_line(FILE *f, char line[static DOCUMENT_LINE_BYTES]) {
        size_t n;

        if (!fgets(line, DOCUMENT_LINE_BYTES, f))
                return false;
        n = strlen(line);
        assert_true(n > 0 && line[n - 1] == '\n');
        line[n - 1] = '\0';
        return true;
}

static inline char *trimmed(char *s) {
        size_t n;

        while (*s == ' ')
                s++;
        for (n = strlen(s); n > 0 && s[n - 1] == ' '; n--)
                s[n - 1] = '\0';
        return s;
}

/* ---- tables ------------------------------------------------------------ */

typedef void (*document_row)(char *const *cells, size_t n_cells, void *userdata);

/* Splits "| a | b |" in place. */
static inline size_t document_cells(char *line, char **cells) {
        size_t n = 0;

        assert_int_equal(line[0], '|');
        for (char *cell = line + 1, *end; (end = strchr(cell, '|')); cell = end + 1) {
                assert_true(n < DOCUMENT_CELLS_MAX);
                *end = '\0';
                cells[n++] = trimmed(cell);
        }
        return n;
}

/* Calls back for each row of the table whose head begins with these words. Returns their number. */
static inline size_t document_table(const char *head, document_row callback, void *userdata) {
        _cleanup_file_ FILE *f = document_open();
        char line[DOCUMENT_LINE_BYTES];
        char *cells[DOCUMENT_CELLS_MAX];
        size_t n = 0;

        do {
                if (!document_line(f, line))
                        fail_msg("%s has no table that begins \"%s\"", DOCUMENT_PATH, head);
        } while (strncmp(line, head, strlen(head)) != 0);

        assert_true(document_line(f, line)); /* the rule below the head */
        assert_int_equal(strncmp(line, "| ---", 5), 0);
        while (document_line(f, line) && line[0] == '|') {
                size_t n_cells = document_cells(line, cells);

                callback(cells, n_cells, userdata);
                n++;
        }
        return n;
}

/* ---- byte examples ----------------------------------------------------- */

struct document_frame {
        char name[64];
        uint8_t data[DOCUMENT_FRAME_BYTES];
        size_t size;
};

typedef void (*document_frame_function)(const struct document_frame *frame, void *userdata);

/* What a remark has in double quotes must be in the bytes that it stands beside. */
static inline void document_check_remark(const char *remark, const uint8_t *data, size_t size) {
        for (const char *from = strchr(remark, '"'); from; from = strchr(from, '"')) {
                const char *end = strchr(++from, '"');

                assert_non_null(end);
                if (!memmem(data, size, from, (size_t) (end - from)))
                        fail_msg("the remark does not agree with its bytes: %s", remark);
                from = end + 1;
        }
}

/* Appends the bytes of a line "0a 0b ; remark". Returns the remark, or NULL. */
static inline const char *document_bytes(char *line, struct document_frame *frame) {
        char *remark = strchr(line, ';'), *p = line, *end;

        if (remark)
                *remark++ = '\0';
        for (p = trimmed(p); *p; p = trimmed(end)) {
                unsigned long value = strtoul(p, &end, 16);

                if (end != p + 2 || !isxdigit((unsigned char) p[0]) || value > UINT8_MAX)
                        fail_msg("not a byte in example %s: %s", frame->name, p);
                assert_true(frame->size < sizeof(frame->data));
                frame->data[frame->size++] = (uint8_t) value;
        }
        return remark ? trimmed(remark) : NULL;
}

static inline void document_read_frame(FILE *f, struct document_frame *frame) {
        char line[DOCUMENT_LINE_BYTES], remark[DOCUMENT_LINE_BYTES] = "";
        size_t item = 0; /* where the bytes of the last remark begin */

        for (;;) {
                size_t before = frame->size;
                const char *next;

                assert_true(document_line(f, line));
                if (strcmp(line, "```") == 0)
                        break;
                next = document_bytes(line, frame);
                if (!next)
                        continue;
                document_check_remark(remark, frame->data + item, before - item);
                item = before;
                memmove(remark, next, strlen(next) + 1);
        }
        document_check_remark(remark, frame->data + item, frame->size - item);
}

/* Calls back for each block "```frame NAME". Returns their number. */
static inline size_t document_frames(document_frame_function callback, void *userdata) {
        _cleanup_file_ FILE *f = document_open();
        char line[DOCUMENT_LINE_BYTES];
        size_t n = 0;

        while (document_line(f, line)) {
                struct document_frame frame = {0};

                if (strncmp(line, "```", 3) != 0)
                        continue;
                if (sscanf(line, "```frame %63[a-z0-9-]", frame.name) != 1)
                        fail_msg("a block that is not a frame: %s", line);
                document_read_frame(f, &frame);
                callback(&frame, userdata);
                n++;
        }
        return n;
}
