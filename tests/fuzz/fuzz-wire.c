/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libFuzzer target for the wire codec. */

#include "tests/fuzz/walk-wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        walk_wire(data, size);
        return 0;
}
