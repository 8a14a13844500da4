/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text of others: what is UTF-8, how wide it shows, and how it is shown without harm. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one character. Returns its length in bytes, or -EILSEQ when there is no well-formed one (overlong forms,
 * surrogates and cut ones are none). */
int text_decode(const void *data, size_t size, uint32_t *ret);

/* Whether it is well-formed UTF-8 throughout. NUL is a character like any other. */
bool text_is_utf8(const void *data, size_t size);

/* Columns that the text takes on a terminal. Needs a UTF-8 LC_CTYPE to know of wide characters. */
size_t text_width(const char *text);

/* Makes a line that can be shown: control characters and what is not UTF-8 as "\n", "\x1b"; at most columns_max wide,
 * then *ret_cut tells that something was left out (may be NULL). Returns it, the caller's to free(), or NULL when there
 * is no memory. */
char *text_printable(const void *data, size_t size, size_t columns_max, bool *ret_cut);

/* Base64 with padding. Returns it, the caller's to free(), or NULL when there is no memory. */
char *text_base64(const void *data, size_t size);
