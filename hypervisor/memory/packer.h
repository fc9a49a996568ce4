/* SPDX-License-Identifier: MIT */
/* Compression of parked memory, by zstd: frames of it, each unpacked without the others. Any thread, each with a workspace of its own. */
#ifndef PACKER_H
#define PACKER_H

#include <stddef.h>

/* Room in which so many bytes have place, however badly they compress. */
size_t packer_bound(size_t size);
/* The size of what `size` bytes have become; -ENOMEM. */
long packer_pack(void *to, size_t room, const void *from, size_t size);
/* What a frame at the beginning of *size bytes holds, in bytes, and its own size; 0: there is none. */
size_t packer_plain(const void *from, size_t *size);
/* Unpacks one. -ENOMEM; -EIO: it holds something else. */
int packer_unpack(void *to, size_t plain, const void *from, size_t size);

#endif
