/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "protocol/internal.h"

const char *wire_code_name(unsigned code) {
        static const char *const names[] = {
#define X(number, name, text, error) [number] = text,
                WIRE_CODES(X)
#undef X
        };

        if (code >= sizeof(names) / sizeof(names[0]) || !names[code])
                return "unknown";
        return names[code];
}

int wire_code_errno(unsigned code) {
        static const int numbers[] = {
#define X(number, name, text, error) [number] = error,
                WIRE_CODES(X)
#undef X
        };

        if (code >= sizeof(numbers) / sizeof(numbers[0]))
                return -EIO;
        return -numbers[code];
}

const char *wire_opcode_name(unsigned opcode) {
        static const char *const names[256] = {
#define X(number, name, direction, layout, needs) [number] = #name,
                WIRE_OPCODES(X)
#undef X
        };

        if (opcode >= 256 || !names[opcode])
                return "unknown";
        return names[opcode];
}
