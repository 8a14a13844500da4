/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The store's directory: names of segments, the lock, what is in it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_NAME_BYTES 40u
/* A segment that is being made or wiped has this name until it is whole, so that a segment's name always stands
 * for a whole one. */
#define DIRECTORY_WORK_NAME "spare.tmp"

struct directory {
        char *path; /* absolute, so that a later chdir() does no harm */
        int fd;
        int lock_fd;
};

struct directory_item {
        uint32_t number;
        uint64_t bytes;
};

/* Opens and locks a directory that exists. Returns 0; -EBUSY when somebody else holds it; another negative errno. */
int directory_open(struct directory *d, const char *path);
/* Releases it; fine on one that was never opened but is all zero with both descriptors -1. */
void directory_close(struct directory *d);

/* Writes the name of a segment's file, or, with aside, the one under which a damaged one is kept. */
void directory_segment_name(char name[SEGMENT_NAME_BYTES], uint32_t number, bool aside);
/* Returns: the number of the segment with that name, or 0 when it is not a segment's name. */
uint32_t directory_segment_number(const char *name);

/* Lists the segments, lowest number first; *ret is the caller's to free(). Files that look like segments but are not
 * are told to `strange` (may be NULL). Returns 0 or a negative errno. */
int directory_list(const struct directory *d,
                   struct directory_item **ret,
                   size_t *ret_n,
                   void (*strange)(void *userdata, const char *name),
                   void *userdata);

/* Makes creations, renames and removals durable. Returns 0 or a negative errno. */
int directory_sync(const struct directory *d);
