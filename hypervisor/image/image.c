/* SPDX-License-Identifier: MIT */
/* System V ABI, "Object Files" and "Program Loading"; docs/abi.md, "Images". */
#include "image/image.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "image/symbols.h"

#define NOTE_ALIGN 4u

struct loading {
	struct image *image;
	Elf64_Ehdr header;
	uint64_t bias;
	uint64_t note_bytes; /* that were looked at, of all headers */
	struct cassin_error_text *err;
};

#define REFUSE(l, ...) cassin_error_set((l)->err, -ENOEXEC, __VA_ARGS__)

static int check_header(struct loading *l)
{
	struct image *m = l->image;
	const Elf64_Ehdr *h = &l->header;
	if (m->size < sizeof *h)
		return REFUSE(l, "%s: truncated: %zu bytes hold no ELF header", m->name, m->size);
	memcpy(&l->header, m->bytes, sizeof *h);
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return REFUSE(l, "%s: not an ELF file", m->name);
	if (h->e_ident[EI_CLASS] != ELFCLASS64)
		return REFUSE(l, "%s: ELF class %u: a guest is 64-bit (class 2)", m->name, h->e_ident[EI_CLASS]);
	if (h->e_ident[EI_DATA] != ELFDATA2LSB)
		return REFUSE(l, "%s: not little-endian", m->name);
	if (h->e_machine != EM_X86_64)
		return REFUSE(l, "%s: machine %u: a guest is for x86-64 (machine 62)", m->name, h->e_machine);
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return REFUSE(l, "%s: ELF type %u: a guest is an executable (type 2) or static-PIE (type 3)", m->name,
			      h->e_type);
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !h->e_phnum)
		return REFUSE(l, "%s: no program headers of the usual size", m->name);
	if (h->e_phoff > m->size || (m->size - h->e_phoff) / sizeof(Elf64_Phdr) < h->e_phnum)
		return REFUSE(l, "%s: truncated: the program headers at 0x%llx pass the end of the file", m->name,
			      (unsigned long long)h->e_phoff);
	return 0;
}

static Elf64_Phdr program_header(const struct loading *l, unsigned i)
{
	Elf64_Phdr p;
	memcpy(&p, l->image->bytes + l->header.e_phoff + i * sizeof p, sizeof p);
	return p;
}

static int check_load(struct loading *l, unsigned i, const Elf64_Phdr *p)
{
	const char *name = l->image->name;
	uint64_t va = p->p_vaddr + l->bias, end;
	if (l->image->nsegments == IMAGE_SEGMENTS_MAX)
		return REFUSE(l, "%s: segment %u: more than %u loadable segments", name, i, IMAGE_SEGMENTS_MAX);
	if (p->p_filesz && (p->p_offset > l->image->size || p->p_filesz > l->image->size - p->p_offset))
		return REFUSE(l, "%s: segment %u: truncated: its content passes the end of the file", name, i);
	if (p->p_memsz < p->p_filesz)
		return REFUSE(l, "%s: segment %u: smaller in memory than in the file", name, i);
	if (p->p_align < PAGE_SIZE)
		return REFUSE(l, "%s: segment %u: unaligned: its alignment (p_align) is %llu, at least 4096 is needed",
			      name, i, (unsigned long long)p->p_align);
	if (p->p_vaddr % PAGE_SIZE != p->p_offset % PAGE_SIZE)
		return REFUSE(l, "%s: segment %u: unaligned: address and offset must agree modulo 4096", name, i);
	if ((p->p_flags & PF_W) && (p->p_flags & PF_X))
		return REFUSE(l, "%s: segment %u: writable and executable", name, i);
	if (va < p->p_vaddr || va < CASSIN_VA_MIN || __builtin_add_overflow(va, p->p_memsz, &end) || end > IMAGE_VA_END)
		return REFUSE(l, "%s: segment %u: address 0x%llx, size 0x%llx: out of range 0x%llx to 0x%llx", name, i,
			      (unsigned long long)va, (unsigned long long)p->p_memsz, (unsigned long long)CASSIN_VA_MIN,
			      (unsigned long long)IMAGE_VA_END);
	return 0;
}

static void add_segment(struct loading *l, const Elf64_Phdr *p)
{
	uint64_t va = p->p_vaddr + l->bias, skew = va % PAGE_SIZE;
	l->image->segments[l->image->nsegments++] = (struct image_segment){
		.va = va - skew,
		.pages = page_up(skew + p->p_memsz) >> PAGE_SHIFT,
		.data_pages = p->p_filesz ? page_up(skew + p->p_filesz) >> PAGE_SHIFT : 0,
		.rights = CASSIN_READ | (p->p_flags & PF_W ? CASSIN_WRITE : 0) | (p->p_flags & PF_X ? CASSIN_EXEC : 0),
		.file_offset = p->p_filesz ? p->p_offset : 0,
		.file_size = p->p_filesz,
		.skew = skew,
	};
}

static int by_address(const void *a, const void *b)
{
	const struct image_segment *x = a, *y = b;
	return x->va < y->va ? -1 : x->va > y->va;
}

static int check_layout(struct loading *l)
{
	struct image *m = l->image;
	uint64_t pages = 0;
	bool entry = false;
	if (!m->nsegments)
		return REFUSE(l, "%s: no loadable segment", m->name);
	qsort(m->segments, m->nsegments, sizeof *m->segments, by_address);
	for (size_t i = 0; i < m->nsegments; i++) {
		const struct image_segment *s = &m->segments[i];
		uint64_t end = s->va + s->pages * PAGE_SIZE;
		if (i + 1 < m->nsegments && end > s[1].va)
			return REFUSE(l, "%s: segments at 0x%llx and 0x%llx: overlapping (they share a page)", m->name,
				      (unsigned long long)s->va, (unsigned long long)s[1].va);
		entry |= s->rights & CASSIN_EXEC && m->entry >= s->va && m->entry < end;
		pages += s->pages;
		m->high = end;
	}
	m->low = m->segments[0].va;
	if (pages > IMAGE_PAGES_MAX)
		return REFUSE(l, "%s: %llu pages: too large", m->name, (unsigned long long)pages);
	if (!entry)
		return REFUSE(l, "%s: entry 0x%llx: in no executable segment", m->name, (unsigned long long)m->entry);
	return 0;
}

static int check_version(struct loading *l, const struct cassin_note_abi *abi)
{
	if (abi->major != CASSIN_ABI_MAJOR || abi->minor > CASSIN_ABI_MINOR)
		return REFUSE(l, "%s: needs ABI %u.%u; this hypervisor has %u.%u", l->image->name, abi->major,
			      abi->minor, CASSIN_ABI_MAJOR, CASSIN_ABI_MINOR);
	return 0;
}

/* The size of a note, with what pads it. */
static uint64_t note_size(const Elf64_Nhdr *n, uint64_t *name)
{
	*name = ((uint64_t)n->n_namesz + NOTE_ALIGN - 1) & ~(uint64_t)(NOTE_ALIGN - 1);
	return sizeof *n + *name + (((uint64_t)n->n_descsz + NOTE_ALIGN - 1) & ~(uint64_t)(NOTE_ALIGN - 1));
}

static bool is_ours(const Elf64_Nhdr *n, const unsigned char *at)
{
	return n->n_type == CASSIN_NOTE_ABI && n->n_descsz == sizeof(struct cassin_note_abi) &&
	       n->n_namesz == sizeof CASSIN_NOTE_NAME &&
	       memcmp(at + sizeof *n, CASSIN_NOTE_NAME, sizeof CASSIN_NOTE_NAME) == 0;
}

/* Looks through one PT_NOTE. 1: found and good, 0: not here. Many headers may show the same bytes, so what is bounded is the sum
 * of what is looked at. */
static int find_note(struct loading *l, const Elf64_Phdr *p)
{
	const struct image *m = l->image;
	if (!p->p_filesz)
		return 0;
	if (p->p_offset > m->size || p->p_filesz > m->size - p->p_offset)
		return REFUSE(l, "%s: truncated: a note passes the end of the file", m->name);
	const unsigned char *at = m->bytes + p->p_offset;
	for (uint64_t left = p->p_filesz, name; left >= sizeof(Elf64_Nhdr);) {
		Elf64_Nhdr n;
		memcpy(&n, at, sizeof n);
		uint64_t size = note_size(&n, &name);
		if (size > left)
			return 0;
		if (l->note_bytes > IMAGE_NOTE_BYTES_MAX)
			return REFUSE(l, "%s: more than %llu KiB of notes in front of the Cassin ABI note", m->name,
				      (unsigned long long)(IMAGE_NOTE_BYTES_MAX >> 10));
		if (is_ours(&n, at)) {
			struct cassin_note_abi abi;
			memcpy(&abi, at + sizeof n + name, sizeof abi);
			int r = check_version(l, &abi);
			return r ? r : 1;
		}
		l->note_bytes += size;
		at += size;
		left -= size;
	}
	return 0;
}

static uint64_t load_bias(const struct loading *l)
{
	uint64_t low = UINT64_MAX;
	for (unsigned i = 0; i < l->header.e_phnum; i++) {
		Elf64_Phdr p = program_header(l, i);
		if (p.p_type == PT_LOAD && p.p_vaddr < low)
			low = p.p_vaddr;
	}
	return l->header.e_type == ET_DYN && low < CASSIN_VA_MIN ? IMAGE_PIE_BASE : 0;
}

static int read_headers(struct loading *l)
{
	int noted = 0, r = 0;
	l->bias = load_bias(l);
	l->image->entry = l->header.e_entry + l->bias;
	for (unsigned i = 0; !r && i < l->header.e_phnum; i++) {
		Elf64_Phdr p = program_header(l, i);
		if (p.p_type == PT_INTERP)
			return REFUSE(l, "%s: wants a dynamic loader: a guest is linked statically", l->image->name);
		if (p.p_type == PT_GNU_STACK && p.p_flags & PF_X)
			return REFUSE(l, "%s: wants an executable stack", l->image->name);
		if (p.p_type == PT_NOTE && noted != 1) {
			noted = find_note(l, &p);
			r = noted < 0 ? noted : 0;
		}
		if (p.p_type == PT_LOAD && (p.p_memsz || p.p_filesz)) {
			r = check_load(l, i, &p);
			if (!r)
				add_segment(l, &p);
		}
	}
	if (!r && noted != 1)
		return REFUSE(l, "%s: no Cassin ABI note: not a guest; build it with cassin-cc", l->image->name);
	return r;
}

/* Checks image->bytes and fills in the rest. */
static int image_check(struct image *image, struct cassin_error_text *err)
{
	struct loading l = {.image = image, .err = err};
	int r = check_header(&l);
	if (!r)
		r = read_headers(&l);
	if (!r)
		r = check_layout(&l);
	image->moved = l.bias;
	if (!r)
		image->symbols = symbols_read(image->bytes, image->size, l.bias);
	return r;
}

/* Takes the reference to the file over. NULL stands for no memory, and is reported as that. */
static int image_make(struct image **out, struct cassin_blob *file, const char *path, struct cassin_error_text *err)
{
	const char *slash = strrchr(path, '/');
	struct image *image = calloc(1, sizeof *image);
	if (image) {
		atomic_init(&image->refs, 1);
		image->name = strdup(slash ? slash + 1 : path);
		image->file = file;
	}
	if (!file || !image || !image->name) {
		if (image)
			image_put(image);
		else
			blob_put(file);
		return cassin_error_set(err, -ENOMEM, "%s: no memory", path);
	}
	image->bytes = file->bytes;
	image->size = file->size;
	int r = image_check(image, err);
	if (r)
		image_put(image);
	else
		*out = image;
	return r;
}

int image_parse(struct image **out, const void *bytes, size_t size, const char *name, struct cassin_error_text *err)
{
	struct cassin_blob *file = blob_new(size);
	if (file)
		memcpy(file->bytes, bytes, size);
	return image_make(out, file, name, err);
}

int image_load(struct image **out, const char *path, struct file_id *id, struct cassin_error_text *err)
{
	struct cassin_blob *file;
	int r = blob_read(&file, path, IMAGE_BYTES_MAX, id, err);
	if (r)
		return r == -EISDIR || r == -EFBIG ? -ENOEXEC : r;
	return image_make(out, file, path, err);
}

struct image *image_get(struct image *image)
{
	atomic_fetch_add(&image->refs, 1);
	return image;
}

void image_put(struct image *image)
{
	if (!image || atomic_fetch_sub(&image->refs, 1) != 1)
		return;
	symbols_free(image->symbols);
	blob_put(image->file);
	free(image->name);
	free(image);
}

uint64_t image_bytes(const struct image *image)
{
	return sizeof *image + strlen(image->name) + 1 + sizeof *image->file + image->size +
	       symbols_bytes(image->symbols);
}

void image_page(const struct image *image, const struct image_segment *s, uint64_t page, void *to)
{
	uint64_t start = page * PAGE_SIZE, from = start > s->skew ? start : s->skew;
	uint64_t end = s->skew + s->file_size;
	if (end > start + PAGE_SIZE)
		end = start + PAGE_SIZE;
	memset(to, 0, PAGE_SIZE);
	if (from < end)
		memcpy((unsigned char *)to + (from - start), image->bytes + s->file_offset + (from - s->skew),
		       end - from);
}

bool image_symbol(const struct image *image, uint64_t va, struct image_symbol *out)
{
	return symbols_find(image->symbols, va, out);
}
