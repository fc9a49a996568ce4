/* SPDX-License-Identifier: MIT */
/* Bytes of guests and of their images, as a person and JSON may see them. Pure. */
#ifndef CASSIN_TEXT_H
#define CASSIN_TEXT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CASSIN_TEXT_SHOWN 128u /* bytes of a foreign text that are shown; "..." stands for the rest */
#define CASSIN_TEXT_ESCAPED (4 * CASSIN_TEXT_SHOWN + sizeof "...") /* room for any text, escaped */

/*
 * Writes the first CASSIN_TEXT_SHOWN bytes of a text as C writes a string: printable ASCII as it is, but for '"' and '\', and all
 * else as \n, \r, \t or \xNN. So it is one line and UTF-8, and no terminal takes it for a command. Zero-terminated; the length.
 */
size_t cassin_text_escape(char out[CASSIN_TEXT_ESCAPED], const void *bytes, size_t len);

#ifdef __cplusplus
}
#endif

#endif
