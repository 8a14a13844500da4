/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include "daemon/store/cleanup.h"
#include "daemon/store/keys.h"
#include "daemon/store/layout.h"
#include "daemon/store/record.h"

#define BYTES_PER_SLOT 256u
#define SLOTS_MIN      2048u
#define SLOTS_MAX      (1u << 20) /* a table of 4 MiB is written in one go when TDB makes the file */

/* TDB's header of a block, free or taken. In the machine's byte order, as TDB writes it. */
struct block {
        uint32_t next;
        uint32_t bytes; /* without this header */
        uint32_t key_bytes;
        uint32_t data_bytes;
        uint32_t hash;
        uint32_t magic;
};

#define BLOCK_FREE_MAGIC 0xd9fee666u
/* Below this, TDB gives away a free block whole instead of shortening it. */
#define BLOCK_REST_BYTES_MIN (sizeof(struct block) + 4 + 8)

uint32_t layout_slots(uint64_t file_bytes) {
        uint64_t n = file_bytes / BYTES_PER_SLOT;

        return n < SLOTS_MIN ? SLOTS_MIN : n > SLOTS_MAX ? SLOTS_MAX : (uint32_t) n;
}

uint64_t layout_data_offset(uint32_t n_slots) {
        return LAYOUT_TABLE_OFFSET + 4ull * n_slots;
}

uint64_t layout_capacity_bytes(uint64_t file_bytes, uint32_t n_slots) {
        return file_bytes - layout_data_offset(n_slots) - sizeof(struct block) - BLOCK_REST_BYTES_MIN;
}

uint64_t layout_end_offset(uint64_t file_bytes, uint32_t n_slots, uint64_t free_bytes) {
        return file_bytes - (layout_capacity_bytes(file_bytes, n_slots) - free_bytes);
}

/* TDB adds a quarter against fragmentation, a 4-byte tailer, and rounds up to 4 bytes. */
uint64_t layout_entry_bytes(uint64_t payload_bytes) {
        uint64_t n = KEY_BYTES + RECORD_HEADER_BYTES + payload_bytes;

        return sizeof(struct block) + (((n + n / 4 + 4) + 3) & ~3ull);
}

uint64_t layout_entries_bytes_max(uint64_t n, uint64_t payload_bytes) {
        return n * (layout_entry_bytes(0) + 4) + payload_bytes + payload_bytes / 4;
}

static int write_at(int fd, const void *data, size_t size, uint64_t offset) {
        ssize_t n;

        errno = 0;
        n = pwrite(fd, data, size, (off_t) offset);
        if (n < 0)
                return last_error();
        return (size_t) n == size ? 0 : -ENOSPC;
}

int layout_write_free_list(int fd, uint64_t file_bytes, uint32_t n_slots) {
        uint32_t offset = (uint32_t) layout_data_offset(n_slots);
        uint32_t whole = (uint32_t) (file_bytes - offset);
        struct block block = {.bytes = whole - (uint32_t) sizeof block, .magic = BLOCK_FREE_MAGIC};
        int r;

        r = write_at(fd, &block, sizeof block, offset);
        if (r < 0)
                return r;
        r = write_at(fd, &whole, sizeof whole, file_bytes - sizeof whole);
        if (r < 0)
                return r;
        return write_at(fd, &offset, sizeof offset, LAYOUT_FREE_LIST_OFFSET);
}

uint64_t layout_used_offset(int fd, uint32_t n_slots, uint64_t file_bytes) {
        uint64_t data = layout_data_offset(n_slots);
        struct block block;
        uint64_t end;

        if (pread(fd, &block, sizeof block, (off_t) data) != sizeof block)
                return data;
        end = data + sizeof block + block.bytes;
        return block.magic == BLOCK_FREE_MAGIC && end <= file_bytes ? end : data;
}
