/* SPDX-License-Identifier: MIT */
/* Hashes for tables whose keys a guest chooses, and a checksum. */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

/* A number below 2^bits (1 to 32) for a key: by multiplication with two random odd numbers of this process, so that nobody can choose
 * keys that fall together. */
uint32_t hash_keyed(uint64_t key, unsigned bits);

/* FNV-1a, 64 bits (Fowler, Noll, Vo), http://www.isthe.com/chongo/tech/comp/fnv/ */
uint64_t hash_fnv(const void *bytes, size_t len);
/* The same in pieces: of what came before, HASH_FNV_FIRST of nothing. */
#define HASH_FNV_FIRST UINT64_C(0xcbf29ce484222325)
uint64_t hash_fnv_more(uint64_t before, const void *bytes, size_t len);

#endif
