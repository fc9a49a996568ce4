/* SPDX-License-Identifier: MIT */
/* System V ABI, chapters 4 and 5. The bytes may lie at any address, so all is copied out of them first. */
#include "image.h"

#include <cassin/guest.h>
#include <cassin/user_abi.h>

#define ET_EXEC 2
#define EM_X86_64 62
#define PT_LOAD 1
#define PT_INTERP 3
#define PF_X 1u
#define PF_W 2u
#define PF_R 4u
#define HEADERS_MOST 32u

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct program_header {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

static uint64_t page_down(uint64_t va)
{
	return va & ~(uint64_t)(CASSIN_PAGE_SIZE - 1);
}

static bool header_good(const struct elf_header *h, size_t size)
{
	static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1}; /* 64 bits, little endian, version 1 */
	uint64_t table = (uint64_t)h->phnum * sizeof(struct program_header);
	return memcmp(h->ident, ident, sizeof ident) == 0 && h->type == ET_EXEC && h->machine == EM_X86_64 &&
	       h->phentsize == sizeof(struct program_header) && h->phnum && h->phnum <= HEADERS_MOST &&
	       h->phoff <= size && table <= size - h->phoff;
}

static uint64_t rights_of(uint32_t flags)
{
	return CASSIN_READ | (flags & PF_W ? CASSIN_WRITE : 0) | (flags & PF_X ? CASSIN_EXEC : 0);
}

/* Above the last one, on pages of its own. */
static bool add(struct image *i, const struct program_header *p, const uint8_t *bytes, size_t size)
{
	const struct segment *last = i->n ? &i->segments[i->n - 1] : NULL;
	uint64_t least = last ? last->va + last->size : CASSIN_USER_STACK_TOP, end;
	if (i->n == SEGMENTS_MOST || p->filesz > p->memsz || p->offset > size || p->filesz > size - p->offset)
		return false;
	if (__builtin_add_overflow(p->vaddr, p->memsz, &end) || end > CASSIN_USER_END || page_down(p->vaddr) < least)
		return false;
	if (!(p->flags & PF_R) || (p->flags & PF_W && p->flags & PF_X))
		return false;
	i->segments[i->n++] = (struct segment){
		.va = p->vaddr,
		.size = p->memsz,
		.bytes = bytes + p->offset,
		.file_size = p->filesz,
		.rights = rights_of(p->flags),
	};
	return true;
}

static bool entry_good(const struct image *i)
{
	for (unsigned n = 0; n < i->n; n++) {
		const struct segment *s = &i->segments[n];
		if (s->rights & CASSIN_EXEC && i->entry >= s->va && i->entry - s->va < s->size)
			return true;
	}
	return false;
}

int image_read(struct image *i, const uint8_t *bytes, size_t size)
{
	struct elf_header h;
	if (size < sizeof h)
		return -CASSIN_ENOEXEC;
	memcpy(&h, bytes, sizeof h);
	if (!header_good(&h, size))
		return -CASSIN_ENOEXEC;
	i->entry = h.entry;
	i->n = 0;
	for (unsigned n = 0; n < h.phnum; n++) {
		struct program_header p;
		memcpy(&p, bytes + h.phoff + n * sizeof p, sizeof p);
		if (p.type == PT_INTERP || (p.type == PT_LOAD && p.memsz && !add(i, &p, bytes, size)))
			return -CASSIN_ENOEXEC;
	}
	return entry_good(i) ? 0 : -CASSIN_ENOEXEC;
}
