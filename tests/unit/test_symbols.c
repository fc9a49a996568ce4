/* SPDX-License-Identifier: MIT */
/* Symbols of images: addresses in words. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "elf_builder.h"
#include "image/symbols.h"

static struct symbols *read_all(struct elf *e, uint64_t bias)
{
	elf_finish(e);
	return symbols_read(e->bytes, e->size, bias);
}

/* The name, until the next call; NULL: none. */
static const char *name_at(const struct symbols *s, uint64_t va, uint64_t expect_offset)
{
	static char name[SYMBOL_NAME_MOST + 1];
	struct image_symbol found;
	if (!symbols_find(s, va, &found))
		return NULL;
	cr_expect_eq(found.offset, expect_offset);
	memcpy(name, found.name, found.len);
	name[found.len] = '\0';
	return name;
}

Test(symbols, a_function_is_found_by_any_of_its_addresses)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "second", 0x2000, 0x20, STT_FUNC, 1);
	elf_symbol(&e, "first", 0x1000, 0x10, STT_FUNC, 1);
	elf_symbol(&e, "third", 0x2020, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&e, 0);
	cr_assert_not_null(s);
	cr_assert_str_eq(name_at(s, 0x1000, 0), "first");
	cr_assert_str_eq(name_at(s, 0x100f, 0xf), "first");
	cr_assert_str_eq(name_at(s, 0x2000, 0), "second");
	cr_assert_str_eq(name_at(s, 0x201f, 0x1f), "second");
	cr_assert_str_eq(name_at(s, 0x2020, 0), "third");
	symbols_free(s);
}

Test(symbols, addresses_outside_functions_have_no_name)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "only", 0x1000, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&e, 0);
	cr_assert_null(name_at(s, 0, 0));
	cr_assert_null(name_at(s, 0xfff, 0));
	cr_assert_null(name_at(s, 0x1010, 0));
	cr_assert_null(name_at(s, UINT64_MAX, 0));
	symbols_free(s);
}

Test(symbols, a_label_without_a_size_reaches_to_the_next)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "label", 0x1000, 0, STT_NOTYPE, 1);
	elf_symbol(&e, "next", 0x1800, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&e, 0);
	cr_assert_str_eq(name_at(s, 0x17ff, 0x7ff), "label");
	cr_assert_str_eq(name_at(s, 0x1800, 0), "next");
	symbols_free(s);
}

Test(symbols, the_bias_is_added)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "main", 0x10, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&e, 0x400000);
	cr_assert_str_eq(name_at(s, 0x400018, 8), "main");
	cr_assert_null(name_at(s, 0x18, 0));
	symbols_free(s);
}

Test(symbols, data_and_nameless_symbols_are_left_out)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "variable", 0x1000, 0x10, STT_OBJECT, 1);
	elf_symbol(&e, "file.c", 0x1000, 0x10, STT_FILE, SHN_ABS);
	elf_symbol(&e, "absolute", 0x1000, 0, STT_NOTYPE, SHN_ABS);
	elf_symbol(&e, "", 0x1000, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&e, 0);
	cr_assert_null(name_at(s, 0x1008, 0));
	symbols_free(s);
}

/* A weak function that nobody defined has the value 0 and no size: it must not name every low address. */
Test(symbols, an_undefined_function_names_nothing)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "undefined", 0, 0, STT_FUNC, SHN_UNDEF);
	elf_symbol(&e, "main", 0x1000, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&e, 0);
	cr_assert_null(name_at(s, 0x10, 0));
	cr_assert_str_eq(name_at(s, 0x1000, 0), "main");
	symbols_free(s);
}

Test(symbols, a_stripped_file_has_none)
{
	struct elf e;
	elf_init(&e);
	e.header.e_shnum = 0;
	cr_assert_null(read_all(&e, 0));
	elf_init(&e);
	e.section[ELF_SYMTAB].sh_type = SHT_PROGBITS;
	cr_assert_null(read_all(&e, 0));
	struct image_symbol none;
	cr_assert_not(symbols_find(NULL, 0x1000, &none));
	cr_assert_eq(symbols_bytes(NULL), 0u);
	symbols_free(NULL);
}

Test(symbols, sections_beyond_the_file_are_ignored)
{
	struct elf e;
	elf_init(&e);
	e.header.e_shoff = ELF_FILE_SIZE + 1;
	cr_assert_null(read_all(&e, 0));
	e.header.e_shoff = UINT64_MAX;
	cr_assert_null(read_all(&e, 0));
	e.header.e_shoff = ELF_FILE_SIZE - sizeof(Elf64_Shdr);
	cr_assert_null(read_all(&e, 0));
}

Test(symbols, section_headers_of_another_size_are_ignored)
{
	struct elf e;
	elf_init(&e);
	e.header.e_shentsize = 40;
	cr_assert_null(read_all(&e, 0));
}

Test(symbols, a_table_beyond_the_file_is_ignored)
{
	struct elf e;
	elf_init(&e);
	e.section[ELF_SYMTAB].sh_offset = ELF_FILE_SIZE - 1;
	cr_assert_null(read_all(&e, 0));
	e.section[ELF_SYMTAB].sh_offset = UINT64_MAX;
	cr_assert_null(read_all(&e, 0));
}

Test(symbols, entries_of_another_size_are_ignored)
{
	struct elf e;
	elf_init(&e);
	e.section[ELF_SYMTAB].sh_entsize = 16;
	cr_assert_null(read_all(&e, 0));
	e.section[ELF_SYMTAB].sh_entsize = 0;
	cr_assert_null(read_all(&e, 0));
}

Test(symbols, a_string_table_that_is_not_there_is_ignored)
{
	struct elf e;
	elf_init(&e);
	e.section[ELF_SYMTAB].sh_link = 77;
	cr_assert_null(read_all(&e, 0));
	elf_init(&e);
	e.section[ELF_STRTAB].sh_type = SHT_NOBITS;
	cr_assert_null(read_all(&e, 0));
	elf_init(&e);
	e.section[ELF_STRTAB].sh_offset = ELF_FILE_SIZE;
	cr_assert_null(read_all(&e, 0));
}

Test(symbols, names_outside_the_string_table_are_left_out)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "good", 0x1000, 0x10, STT_FUNC, 1);
	elf_symbol(&e, "bad", 0x2000, 0x10, STT_FUNC, 1);
	e.symbols[2].st_name = (Elf64_Word)e.strings;
	struct symbols *s = read_all(&e, 0);
	cr_assert_str_eq(name_at(s, 0x1000, 0), "good");
	cr_assert_null(name_at(s, 0x2000, 0));
	symbols_free(s);
}

Test(symbols, a_string_table_without_an_end_is_closed)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "name", 0x1000, 0x10, STT_FUNC, 1);
	e.strings -= 3; /* the table ends behind "na" */
	elf_finish(&e);
	struct symbols *s = symbols_read(e.bytes, e.size, 0);
	cr_assert_str_eq(name_at(s, 0x1000, 0), "na");
	symbols_free(s);
}

Test(symbols, a_long_name_is_looked_at_no_further_than_it_is_shown)
{
	static struct elf e;
	char name[0x400];
	memset(name, 'A', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	elf_init(&e);
	elf_symbol(&e, name, 0x1000, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&e, 0);
	struct image_symbol found;
	cr_assert(symbols_find(s, 0x1000, &found));
	cr_expect_eq(found.len, SYMBOL_NAME_MOST);
	symbols_free(s);
}

/* The file's names are not copied: a symbol costs the same whatever its name. */
Test(symbols, their_memory_does_not_depend_on_names)
{
	static struct elf a, b;
	elf_init(&a);
	elf_symbol(&a, "x", 0x1000, 0x10, STT_FUNC, 1);
	elf_init(&b);
	elf_symbol(&b, "a_name_that_is_much_longer_than_the_other", 0x1000, 0x10, STT_FUNC, 1);
	struct symbols *s = read_all(&a, 0), *t = read_all(&b, 0);
	cr_expect_gt(symbols_bytes(s), 0u);
	cr_expect_eq(symbols_bytes(s), symbols_bytes(t));
	symbols_free(s);
	symbols_free(t);
}

Test(symbols, an_image_with_too_many_is_taken_for_one_without)
{
	static struct elf e;
	elf_init(&e);
	elf_symbol(&e, "main", 0x1000, 0x10, STT_FUNC, 1);
	elf_finish(&e);
	size_t table = (SYMBOLS_MOST + 1) * sizeof(Elf64_Sym), size = e.size + table;
	unsigned char *bytes = calloc(1, size);
	cr_assert_not_null(bytes);
	memcpy(bytes, e.bytes, e.size);
	memcpy(bytes + e.size, e.symbols, e.nsymbols * sizeof *e.symbols);
	Elf64_Shdr *symtab = &((Elf64_Shdr *)(void *)(bytes + ELF_SECTIONS_AT))[ELF_SYMTAB];
	symtab->sh_offset = e.size;
	symtab->sh_size = table;
	cr_expect_null(symbols_read(bytes, size, 0));
	symtab->sh_size = table - sizeof(Elf64_Sym);
	struct symbols *s = symbols_read(bytes, size, 0);
	cr_expect_str_eq(name_at(s, 0x1000, 0), "main");
	symbols_free(s);
	free(bytes);
}
