/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * TDB's jenkins hash is lookup3 (Bob Jenkins, public domain): for 16 bytes one
 * mix of the first three words and one final mix with the fourth. Both can be
 * run backwards. So a key with a wanted hash is not searched for but computed:
 * start from a final state that has the wanted hash, undo the final mix, take
 * off the entry word, undo the mix; what comes out is the nonce.
 */

#include "daemon/store/keys.h"

#define LOOKUP3_START (0xdeadbeefu + KEY_BYTES)

struct state {
        uint32_t a, b, c;
};

static uint32_t rotate(uint32_t x, unsigned n_bits) {
        return (x << n_bits) | (x >> (32 - n_bits));
}

static void undo_final(struct state *s) {
        s->c = (s->c + rotate(s->b, 24)) ^ s->b;
        s->b = (s->b + rotate(s->a, 14)) ^ s->a;
        s->a = (s->a + rotate(s->c, 4)) ^ s->c;
        s->c = (s->c + rotate(s->b, 16)) ^ s->b;
        s->b = (s->b + rotate(s->a, 25)) ^ s->a;
        s->a = (s->a + rotate(s->c, 11)) ^ s->c;
        s->c = (s->c + rotate(s->b, 14)) ^ s->b;
}

static void undo_mix(struct state *s) {
        s->b -= s->a;
        s->c = (s->c ^ rotate(s->b, 4)) + s->b;
        s->a -= s->c;
        s->b = (s->b ^ rotate(s->a, 19)) + s->a;
        s->c -= s->b;
        s->a = (s->a ^ rotate(s->c, 16)) + s->c;
        s->b -= s->a;
        s->c = (s->c ^ rotate(s->b, 8)) + s->b;
        s->a -= s->c;
        s->b = (s->b ^ rotate(s->a, 6)) + s->a;
        s->c -= s->b;
        s->a = (s->a ^ rotate(s->c, 4)) + s->c;
}

/* Key words are little-endian, as lookup3 reads them everywhere. */
static void put(uint8_t *p, uint32_t x) {
        p[0] = (uint8_t) x;
        p[1] = (uint8_t) (x >> 8);
        p[2] = (uint8_t) (x >> 16);
        p[3] = (uint8_t) (x >> 24);
}

struct key key_make(uint32_t entry, uint32_t slot) {
        struct state s = {.a = 0, .b = 0, .c = slot};
        struct key key;

        undo_final(&s);
        s.a -= entry;
        undo_mix(&s);
        put(key.bytes, s.a - LOOKUP3_START);
        put(key.bytes + 4, s.b - LOOKUP3_START);
        put(key.bytes + 8, s.c - LOOKUP3_START);
        put(key.bytes + 12, entry);
        return key;
}
