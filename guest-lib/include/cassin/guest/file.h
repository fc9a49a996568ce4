/* SPDX-License-Identifier: MIT */
/*
 * The files that the guest's spec gives it, to be read. They are numbered from 0 and never change. A hypervisor older than
 * ABI 1.2 has none: -CASSIN_ENOSYS.
 */
#ifndef CASSIN_GUEST_FILE_H
#define CASSIN_GUEST_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <cassin/abi.h>

/* Name and size of a file. -CASSIN_ENOENT: there are fewer. */
int cassin_file_info(uint64_t file, struct cassin_file_info *out);
/* The number of the file of that name, and its info if `out` is not NULL. -CASSIN_ENOENT. One exit for each file looked at. */
int64_t cassin_file_find(const char *name, struct cassin_file_info *out);
/* Reads what there is from `offset`, at most `len` bytes: one exit for each MiB. Bytes read, 0 at the end. */
int64_t cassin_file_read(uint64_t file, uint64_t offset, void *to, size_t len);

#endif
