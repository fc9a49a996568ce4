/* SPDX-License-Identifier: MIT */
/*
 * ELF images in memory, for tests: elf_init() makes a good guest, a test spoils what it wants to see refused,
 * elf_finish() puts the headers down. Bytes may be changed, or `size` cut, after that.
 */
#ifndef ELF_BUILDER_H
#define ELF_BUILDER_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include <cassin/abi.h>

#define ELF_BASE UINT64_C(0x400000)
#define ELF_NOTE_AT 0x800u /* file offsets */
#define ELF_TEXT_AT 0x1000u
#define ELF_DATA_AT 0x2000u
#define ELF_SYMBOLS_AT 0x3000u
#define ELF_STRINGS_AT 0x3800u
#define ELF_SECTIONS_AT 0x3c00u
#define ELF_FILE_SIZE 0x4000u

#define ELF_TEXT_SIZE 0x100u
#define ELF_DATA_SIZE 0x20u
#define ELF_BSS_SIZE 0x2100u /* data and what follows it in memory */

#define ELF_PROGRAM_HEADERS_MAX 32u

/* Program headers of the good guest. */
enum { ELF_TEXT, ELF_DATA, ELF_NOTE, ELF_STACK, ELF_GOOD_HEADERS };
/* Its sections. */
enum { ELF_NULL_SECTION, ELF_SYMTAB, ELF_STRTAB, ELF_NSECTIONS };

struct elf_note {
	Elf64_Nhdr header;
	char name[8];
	struct cassin_note_abi abi;
};

struct elf {
	Elf64_Ehdr header;
	Elf64_Phdr program[ELF_PROGRAM_HEADERS_MAX];
	unsigned nprogram;
	struct elf_note note;
	Elf64_Shdr section[ELF_NSECTIONS];
	Elf64_Sym symbols[32];
	unsigned nsymbols;
	size_t strings; /* bytes of names so far */
	size_t size;
	unsigned char bytes[ELF_FILE_SIZE];
};

/* A good ET_EXEC guest: text of 0xcc at ELF_BASE, data of 1, 2, 3, ... and zeros after it, a note, no symbols. */
void elf_init(struct elf *e);
/* The same as a static-PIE, linked at 0. */
void elf_init_pie(struct elf *e);
/* One more program header, all zero but for its type. */
Elf64_Phdr *elf_program(struct elf *e, uint32_t type);
/* One more symbol. */
void elf_symbol(struct elf *e, const char *name, uint64_t va, uint64_t size, unsigned type, uint16_t section);
/* Writes headers, note and symbols into `bytes`. */
void elf_finish(struct elf *e);

#endif
