/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One entry of a segment as bytes: a header that says what it is and to which
 * commit it belongs, then the payload. The checksum covers both, so an entry is
 * either whole or not there. Pure: no I/O, no allocation.
 *
 * All integers little-endian, any alignment:
 *
 *    0  u32 magic            4  u8 format version    5  u8 kind    6  u16 zero
 *    8  u32 segment         12  u32 index           16  u64 commit
 *   24  u32 first           28  u32 n_records       32  u32 n_chunks
 *   36  u32 payload bytes   40  u64 XXH3-64 of the payload, seeded with that of bytes 0-39
 *
 * In every later version the magic, the version and the checksum stay where they are and mean the same, so that a
 * newer entry can be told from a torn one.
 */

#include <stddef.h>
#include <stdint.h>

#define RECORD_HEADER_BYTES   48u
#define RECORD_MAGIC          0x5247444cu /* "LDGR" */
#define RECORD_FORMAT_VERSION 1u

enum record_kind {
        RECORD_DATA = 1,       /* a record of a commit */
        RECORD_CHECKPOINT = 2, /* a chunk of the checkpoint at the segment's head */
        RECORD_CLEAN_STOP = 3, /* takes a record's place: the store was closed after what is before it */
};

struct record {
        enum record_kind kind;
        uint32_t segment;   /* number of the segment, which is also its generation */
        uint32_t index;     /* of the record in the segment, or of the chunk in the checkpoint */
        uint64_t commit;    /* number of the commit, counting up */
        uint32_t first;     /* index of the commit's first record */
        uint32_t n_records; /* how many records the commit has */
        uint32_t n_chunks;  /* how many checkpoint chunks it has */
};

/* Writes the header of `r` with this payload, which is below 4 GiB. */
void record_encode(uint8_t header[RECORD_HEADER_BYTES], const struct record *r, const uint8_t *payload, size_t size);

/*
 * Checks and reads an entry, header and payload together; the payload is what is behind the header.
 * Returns 0; -EBADMSG when it is not whole; -EPROTONOSUPPORT when it has a newer format version than this program
 * knows.
 */
int record_decode(struct record *ret, const uint8_t *data, size_t size);
