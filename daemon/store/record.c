/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <xxhash.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* the same checksum, with the widest vectors that the processor has */
#endif

#include "daemon/store/record.h"

#define AT_VERSION  4u
#define AT_CHECKSUM 40u

/* TDB aligns what it stores to 4 bytes only, so nothing is read or written in place. */
static void put32(uint8_t *p, uint32_t x) {
        x = htole32(x);
        memcpy(p, &x, sizeof x);
}

static void put64(uint8_t *p, uint64_t x) {
        x = htole64(x);
        memcpy(p, &x, sizeof x);
}

static uint32_t get32(const uint8_t *p) {
        uint32_t x;

        memcpy(&x, p, sizeof x);
        return le32toh(x);
}

static uint64_t get64(const uint8_t *p) {
        uint64_t x;

        memcpy(&x, p, sizeof x);
        return le64toh(x);
}

static uint64_t checksum(const uint8_t *header, const uint8_t *payload, size_t size) {
        return XXH3_64bits_withSeed(payload, size, XXH3_64bits(header, AT_CHECKSUM));
}

void record_encode(uint8_t header[RECORD_HEADER_BYTES], const struct record *r, const uint8_t *payload, size_t size) {
        put32(header, RECORD_MAGIC);
        header[AT_VERSION] = RECORD_FORMAT_VERSION;
        header[5] = (uint8_t) r->kind;
        header[6] = header[7] = 0;
        put32(header + 8, r->segment);
        put32(header + 12, r->index);
        put64(header + 16, r->commit);
        put32(header + 24, r->first);
        put32(header + 28, r->n_records);
        put32(header + 32, r->n_chunks);
        put32(header + 36, (uint32_t) size);
        put64(header + AT_CHECKSUM, checksum(header, payload, size));
}

/* What is torn, or damaged in the version, must not look like a newer format: a header's end may be what its place held in
 * an earlier life of the file. Every version has its checksum in the same place, and only what is whole has one that fits. */
static int check_version(const uint8_t *data, size_t size) {
        if (data[AT_VERSION] == RECORD_FORMAT_VERSION)
                return 0;
        if (data[AT_VERSION] < RECORD_FORMAT_VERSION ||
            get64(data + AT_CHECKSUM) != checksum(data, data + RECORD_HEADER_BYTES, size - RECORD_HEADER_BYTES))
                return -EBADMSG;
        return -EPROTONOSUPPORT;
}

int record_decode(struct record *ret, const uint8_t *data, size_t size) {
        int r;

        if (size < RECORD_HEADER_BYTES || get32(data) != RECORD_MAGIC)
                return -EBADMSG;
        r = check_version(data, size);
        if (r < 0)
                return r;
        if (get32(data + 36) != size - RECORD_HEADER_BYTES ||
            get64(data + AT_CHECKSUM) != checksum(data, data + RECORD_HEADER_BYTES, size - RECORD_HEADER_BYTES))
                return -EBADMSG;
        if (data[5] < RECORD_DATA || data[5] > RECORD_CLEAN_STOP || data[6] || data[7])
                return -EBADMSG;
        *ret = (struct record){
                .kind = data[5],
                .segment = get32(data + 8),
                .index = get32(data + 12),
                .commit = get64(data + 16),
                .first = get32(data + 24),
                .n_records = get32(data + 28),
                .n_chunks = get32(data + 32),
        };
        return 0;
}
