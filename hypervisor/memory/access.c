/* SPDX-License-Identifier: MIT */
/* The doors between the hypervisor and a guest's memory. */
#include <errno.h>
#include <string.h>

#include "cell/cell.h"
#include "memory/park.h"
#include "memory/space.h"

/* Whether [va, va+len) lies within guest addresses. */
static bool in_range(uint64_t va, size_t len)
{
	return va >= CASSIN_VA_MIN && va < CASSIN_VA_END && len <= CASSIN_VA_END - va;
}

static int check(struct memory *m, unsigned space, gva_t va, size_t len, unsigned want)
{
	if (!len)
		return 0;
	if (!in_range(va.v, len))
		return -EFAULT;
	int r = memory_unpark(m);
	if (r)
		return r;
	for (uint64_t at = page_down(va.v); at < va.v + len; at += PAGE_SIZE) {
		struct mapping map = mapping_of(m, space, at, space_entry(m, space, at, false));
		if (!map.mapped || !(map.rights & want))
			return -EFAULT;
	}
	return 0;
}

int memory_check_for(struct memory *m, gva_t va, size_t len, unsigned want)
{
	return check(m, 0, va, len, want);
}

/* The host's view of va, and how many bytes of `len` it is good for. */
static int piece(struct memory *m, unsigned space, uint64_t va, size_t len, unsigned want, struct iovec *out)
{
	frame_t f;
	int r = memory_touch(m, space, va, want, &f);
	if (r)
		return r;
	size_t offset = va % PAGE_SIZE, room = PAGE_SIZE - offset;
	out->iov_base = (unsigned char *)cell_frame(m->cell, f) + offset;
	out->iov_len = len < room ? len : room;
	return 0;
}

int memory_span_for(struct memory *m, gva_t va, size_t len, unsigned want, struct iovec *iov, int max)
{
	int n = 0, r = memory_check_for(m, va, len, want);
	if (r)
		return r;
	for (uint64_t at = va.v; len && n < max; n++) {
		r = piece(m, 0, at, len, want, &iov[n]);
		if (r)
			return r;
		at += iov[n].iov_len;
		len -= iov[n].iov_len;
	}
	return n;
}

static int copy(struct memory *m, unsigned space, uint64_t va, unsigned char *host, size_t len, unsigned want)
{
	int r = va % PAGE_SIZE + len > PAGE_SIZE ? check(m, space, gva(va), len, want) : 0;
	while (!r && len) {
		struct iovec p;
		r = piece(m, space, va, len, want, &p);
		if (r)
			break;
		if (want == CASSIN_WRITE)
			memcpy(p.iov_base, host, p.iov_len);
		else
			memcpy(host, p.iov_base, p.iov_len);
		va += p.iov_len;
		host += p.iov_len;
		len -= p.iov_len;
	}
	return r;
}

int memory_poke(struct memory *m, gva_t to, const void *from, size_t len)
{
	const unsigned char *bytes = from;
	for (size_t done = 0; done < len;) {
		uint64_t va = to.v + done;
		size_t room = PAGE_SIZE - va % PAGE_SIZE, take = len - done < room ? len - done : room;
		frame_t f;
		int r = memory_own(m, va, &f);
		if (r)
			return r;
		memcpy((unsigned char *)cell_frame(m->cell, f) + va % PAGE_SIZE, bytes + done, take);
		done += take;
	}
	return 0;
}

int memory_copyin(struct memory *m, void *to, gva_t from, size_t len)
{
	return copy(m, 0, from.v, to, len, CASSIN_READ);
}

int memory_copyin_from(struct memory *m, unsigned space, void *to, gva_t from, size_t len)
{
	return copy(m, space, from.v, to, len, CASSIN_READ);
}

int memory_copyout(struct memory *m, gva_t to, const void *from, size_t len)
{
	return copy(m, 0, to.v, (unsigned char *)from, len, CASSIN_WRITE);
}
