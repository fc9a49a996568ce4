/* SPDX-License-Identifier: MIT */
#include "image/symbols.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct symbol {
	uint64_t va, size;
	uint32_t name; /* offset in names */
};

struct symbols {
	size_t count;
	const char *names; /* the file's */
	size_t names_size;
	struct symbol at[];
};

/* A section's bytes; NULL when they do not lie in the file. */
static const unsigned char *section_bytes(const unsigned char *bytes, size_t size, const Elf64_Shdr *s)
{
	if (s->sh_type == SHT_NOBITS || s->sh_offset > size || s->sh_size > size - s->sh_offset)
		return NULL;
	return bytes + s->sh_offset;
}

static int read_section(const unsigned char *bytes, size_t size, const Elf64_Ehdr *h, uint64_t i, Elf64_Shdr *out)
{
	if (h->e_shentsize != sizeof *out || i >= h->e_shnum || h->e_shoff > size ||
	    (size - h->e_shoff) / sizeof *out <= i)
		return -1;
	memcpy(out, bytes + h->e_shoff + i * sizeof *out, sizeof *out);
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;
	return x->va < y->va ? -1 : x->va > y->va;
}

/* A named function or label. */
static bool is_wanted(const Elf64_Sym *sym, const char *names, size_t names_size)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info);
	bool code = type == STT_FUNC || (type == STT_NOTYPE && sym->st_shndx < SHN_LORESERVE);
	return code && sym->st_shndx != SHN_UNDEF && sym->st_name < names_size && names[sym->st_name];
}

static struct symbols *collect(const unsigned char *table, size_t n, const char *names, size_t names_size,
			       uint64_t bias)
{
	Elf64_Sym sym;
	size_t wanted = 0;
	for (size_t i = 0; i < n; i++) {
		memcpy(&sym, table + i * sizeof sym, sizeof sym);
		wanted += is_wanted(&sym, names, names_size);
	}
	struct symbols *s = malloc(sizeof *s + wanted * sizeof *s->at);
	if (!s)
		return NULL;
	*s = (struct symbols){.names = names, .names_size = names_size};
	for (size_t i = 0; i < n; i++) {
		memcpy(&sym, table + i * sizeof sym, sizeof sym);
		if (is_wanted(&sym, names, names_size))
			s->at[s->count++] = (struct symbol){sym.st_value + bias, sym.st_size, sym.st_name};
	}
	qsort(s->at, s->count, sizeof *s->at, by_address);
	return s;
}

struct symbols *symbols_read(const unsigned char *bytes, size_t size, uint64_t bias)
{
	Elf64_Ehdr h;
	Elf64_Shdr table, names;
	memcpy(&h, bytes, sizeof h);
	for (uint64_t i = 0; i < h.e_shnum; i++) {
		if (read_section(bytes, size, &h, i, &table))
			return NULL;
		if (table.sh_type != SHT_SYMTAB)
			continue;
		const unsigned char *t = section_bytes(bytes, size, &table);
		if (!t || table.sh_entsize != sizeof(Elf64_Sym) || read_section(bytes, size, &h, table.sh_link, &names))
			return NULL;
		const unsigned char *n = section_bytes(bytes, size, &names);
		size_t count = table.sh_size / sizeof(Elf64_Sym);
		return n && count <= SYMBOLS_MOST ? collect(t, count, (const char *)n, names.sh_size, bias) : NULL;
	}
	return NULL;
}

void symbols_free(struct symbols *s)
{
	free(s);
}

uint64_t symbols_bytes(const struct symbols *s)
{
	return s ? sizeof *s + s->count * sizeof *s->at : 0;
}

bool symbols_find(const struct symbols *s, uint64_t va, struct image_symbol *out)
{
	size_t low = 0, high = s ? s->count : 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (s->at[middle].va <= va)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	const struct symbol *sym = &s->at[low - 1];
	if (sym->size && va - sym->va >= sym->size)
		return false;
	size_t room = s->names_size - sym->name;
	*out = (struct image_symbol){.name = s->names + sym->name, .offset = va - sym->va};
	out->len = strnlen(out->name, room < SYMBOL_NAME_MOST ? room : SYMBOL_NAME_MOST);
	return true;
}
