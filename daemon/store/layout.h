/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How a segment's file is laid out: TDB's header, the pointer to the free list,
 * the hash table, and from there on one free block, which TDB shortens from its
 * end with every entry. An empty segment is written here byte by byte, because
 * TDB itself can only grow a file in one long call; what comes out is what any
 * TDB tool expects.
 *
 * The size of the table. A commit dirties the pages of its data, of its bucket
 * and of the free block's head, which is behind the table. With about 950
 * buckets the last two are the same page; measured, each commit paired with a
 * zero-filled append + fdatasync in the same run, that is 0.83 of the raw rate for
 * 160-byte commits and 0.93 for 16-KiB ones, against 0.81 and 0.88 with a table of any
 * larger size. But then 950 small commits would fill a segment of any size: four
 * checkpoints a second at 4,000 commits a second, and 64 MiB of disk for 150 KB of
 * waiting messages. So the table is made such that a segment of one-message
 * commits runs out of buckets and of bytes at about the same time: 4 bytes of table
 * in every 256.
 */

#include <stddef.h>
#include <stdint.h>

/* Offset of an empty table's first bucket; before it is the pointer to the free list. */
#define LAYOUT_FREE_LIST_OFFSET 168u
#define LAYOUT_TABLE_OFFSET     (LAYOUT_FREE_LIST_OFFSET + 4u)

/* Returns: how many buckets a segment of this size has. */
uint32_t layout_slots(uint64_t file_bytes);

/* Returns: where the table ends and the free block begins. */
uint64_t layout_data_offset(uint32_t n_slots);

/* Returns: the bytes that entries can take in an empty segment, with the last bit of the free block left alone,
 * so that it is always shortened and never unlinked. */
uint64_t layout_capacity_bytes(uint64_t file_bytes, uint32_t n_slots);

/* Returns: the offset up to which a segment with so much of its capacity left is free. */
uint64_t layout_end_offset(uint64_t file_bytes, uint32_t n_slots, uint64_t free_bytes);

/* Returns: what an entry with this payload takes of that, to the byte. */
uint64_t layout_entry_bytes(uint64_t payload_bytes);

/* Returns: an upper bound of what n entries with so much payload in all take. */
uint64_t layout_entries_bytes_max(uint64_t n, uint64_t payload_bytes);

/* Writes the free list of an empty segment: one block that takes all behind the table. The table must be zero.
 * Returns 0 or a negative errno. */
int layout_write_free_list(int fd, uint64_t file_bytes, uint32_t n_slots);

/* Returns: the offset behind the free block as the file has it, or where that would begin if it has no sensible one. */
uint64_t layout_used_offset(int fd, uint32_t n_slots, uint64_t file_bytes);
