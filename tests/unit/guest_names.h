/* SPDX-License-Identifier: MIT */
/* Gives guest-lib's string functions names of their own in a host program. Included before guest-lib's headers, and
 * forced into its sources with -include. */
#ifndef GUEST_NAMES_H
#define GUEST_NAMES_H

#define memcpy guest_memcpy
#define memmove guest_memmove
#define memset guest_memset
#define memcmp guest_memcmp
#define memchr guest_memchr
#define strlen guest_strlen
#define strcmp guest_strcmp
#define strncmp guest_strncmp

#endif
