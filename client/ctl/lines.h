/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cuts a stream of bytes into lines, in place. The caller reads into the room it is given and takes out whole lines,
 * which stay where they are until room is asked for again. A last line without a newline counts; a line may be empty
 * and may contain any byte but the newline. A line longer than allowed is skipped to its end and reported, and costs no
 * memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lines {
        char *data;
        size_t begin, end, capacity;
        size_t searched;  /* from begin on there is no newline in so many bytes */
        size_t line_max;  /* longest line that is handed out */
        uint64_t number;  /* of the line handed out or reported last, from 1 */
        uint64_t skipped; /* bytes of a line being skipped */
        bool at_end;      /* nothing more will come */
} lines;

/* Allocates room for chunk_bytes. Returns 0 or -ENOMEM. */
int lines_init(lines *l, size_t chunk_bytes, size_t line_max);
void lines_done(lines *l);

/* Where to read to, and how much fits there, at least one byte. Lines handed out before are gone. Returns 0 or -ENOMEM.
 */
int lines_room(lines *l, char **ret, size_t *ret_size);
/* So many bytes were read there. 0: the end of the input. */
void lines_added(lines *l, size_t size);

/* Takes out the next line, without its newline. Returns 1; 0 when there is no whole one before more is read (at_end:
 * when there is none any more); -EMSGSIZE when a line was too long: *ret_size is its size, *ret is untouched, and the
 * next call goes on behind it. */
int lines_next(lines *l, const char **ret, size_t *ret_size);
/* Puts the line that was taken out last back, so that the next call takes it again. */
void lines_back(lines *l, const char *line);
