/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "client/ctl/text.h"

int text_decode(const void *data, size_t size, uint32_t *ret) {
        const uint8_t *p = data;
        uint32_t value, lowest;
        size_t length;

        if (size == 0)
                return -EILSEQ;
        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }
        if (p[0] >= 0xc2 && p[0] <= 0xdf)
                length = 2, value = p[0] & 0x1fu, lowest = 0x80;
        else if ((p[0] & 0xf0) == 0xe0)
                length = 3, value = p[0] & 0x0fu, lowest = 0x800;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
                length = 4, value = p[0] & 0x07u, lowest = 0x10000;
        else
                return -EILSEQ;
        if (size < length)
                return -EILSEQ;
        for (size_t i = 1; i < length; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return -EILSEQ;
                value = value << 6 | (p[i] & 0x3fu);
        }
        if (value < lowest || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
                return -EILSEQ;
        *ret = value;
        return (int) length;
}

bool text_is_utf8(const void *data, size_t size) {
        const uint8_t *p = data;

        while (size > 0) {
                uint64_t word;
                uint32_t character;
                int n;

                /* Most bodies are ASCII: eight bytes at a time as long as no high bit is set. */
                while (size >= sizeof(word)) {
                        memcpy(&word, p, sizeof(word));
                        if (word & UINT64_C(0x8080808080808080))
                                break;
                        p += sizeof(word);
                        size -= sizeof(word);
                }
                if (size == 0)
                        break;
                n = text_decode(p, size, &character);
                if (n < 0)
                        return false;
                p += n;
                size -= (size_t) n;
        }
        return true;
}

/* Columns of one character that is shown as it is, or -1 when it cannot be. */
static int character_width(uint32_t character) {
        if (character < 0x80)
                return character < 0x20 || character == 0x7f ? -1 : 1;
        return wcwidth((wchar_t) character);
}

size_t text_width(const char *text) {
        size_t size = strlen(text), width = 0;

        while (size > 0) {
                uint32_t character = 0;
                int n = text_decode(text, size, &character);
                int columns = n < 0 ? 1 : character_width(character);

                width += columns < 0 ? 1 : (size_t) columns;
                n = n < 0 ? 1 : n;
                text += n;
                size -= (size_t) n;
        }
        return width;
}

/* Writes a byte that cannot be shown as it is. Returns how many bytes that takes, at most four. */
static int escape(char *to, uint8_t byte) {
        static const char named[][2] = {{'\n', 'n'}, {'\t', 't'}, {'\r', 'r'}, {'\0', '0'}};

        for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
                if ((char) byte == named[i][0]) {
                        to[0] = '\\';
                        to[1] = named[i][1];
                        return 2;
                }
        return snprintf(to, 5, "\\x%02x", byte);
}

char *text_printable(const void *data, size_t size, size_t columns_max, bool *ret_cut) {
        const uint8_t *p = data, *end = p + size;
        /* Beyond four bytes a column only what takes no column can come: marks set above a character. Those are kept as
         * long as there is room. */
        size_t room = (size < columns_max ? size : columns_max) * 4 + 5, used = 0, columns = 0;
        char *text = malloc(room);
        bool cut = false;

        if (!text)
                return NULL;
        while (p < end && !cut) {
                uint32_t character = 0;
                int n = text_decode(p, (size_t) (end - p), &character);
                int width = n < 0 ? -1 : character_width(character);
                char escaped[5];
                const void *shown = p;
                size_t length = (size_t) n;

                if (width < 0) {
                        n = 1;
                        width = escape(escaped, *p);
                        shown = escaped;
                        length = (size_t) width;
                }
                cut = columns + (size_t) width > columns_max || used + length >= room;
                if (cut)
                        break;
                memcpy(text + used, shown, length);
                used += length;
                columns += (size_t) width;
                p += n;
        }
        text[used] = '\0';
        if (ret_cut)
                *ret_cut = cut;
        return text;
}

char *text_base64(const void *data, size_t size) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const uint8_t *p = data;
        char *text = malloc((size + 2) / 3 * 4 + 1), *to = text;

        if (!text)
                return NULL;
        for (; size > 0; p += 3) {
                size_t n = size < 3 ? size : 3;
                uint32_t three = (uint32_t) p[0] << 16 | (n > 1 ? (uint32_t) p[1] << 8 : 0) | (n > 2 ? p[2] : 0);

                *to++ = digits[three >> 18];
                *to++ = digits[three >> 12 & 63];
                *to++ = n > 1 ? digits[three >> 6 & 63] : '=';
                *to++ = n > 2 ? digits[three & 63] : '=';
                size -= n;
        }
        *to = '\0';
        return text;
}
