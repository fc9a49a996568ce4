/* SPDX-License-Identifier: MIT */
#include "elf_builder.h"

#include <string.h>

static void init_header(struct elf *e)
{
	e->header = (Elf64_Ehdr){
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = ELF_BASE + 0x10,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_shoff = ELF_SECTIONS_AT,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = ELF_NSECTIONS,
	};
}

Elf64_Phdr *elf_program(struct elf *e, uint32_t type)
{
	Elf64_Phdr *p = &e->program[e->nprogram++];
	*p = (Elf64_Phdr){.p_type = type};
	return p;
}

static void init_programs(struct elf *e)
{
	*elf_program(e, PT_LOAD) = (Elf64_Phdr){.p_type = PT_LOAD,
						.p_flags = PF_R | PF_X,
						.p_offset = ELF_TEXT_AT,
						.p_vaddr = ELF_BASE,
						.p_filesz = ELF_TEXT_SIZE,
						.p_memsz = ELF_TEXT_SIZE,
						.p_align = CASSIN_PAGE_SIZE};
	*elf_program(e, PT_LOAD) = (Elf64_Phdr){.p_type = PT_LOAD,
						.p_flags = PF_R | PF_W,
						.p_offset = ELF_DATA_AT + 0x40,
						.p_vaddr = ELF_BASE + 0x2040,
						.p_filesz = ELF_DATA_SIZE,
						.p_memsz = ELF_BSS_SIZE,
						.p_align = CASSIN_PAGE_SIZE};
	*elf_program(e, PT_NOTE) = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_flags = PF_R, .p_offset = ELF_NOTE_AT, .p_filesz = sizeof e->note, .p_align = 4};
	elf_program(e, PT_GNU_STACK)->p_flags = PF_R | PF_W;
}

static void init_sections(struct elf *e)
{
	e->section[ELF_SYMTAB] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
					      .sh_offset = ELF_SYMBOLS_AT,
					      .sh_link = ELF_STRTAB,
					      .sh_entsize = sizeof(Elf64_Sym)};
	e->section[ELF_STRTAB] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = ELF_STRINGS_AT};
	e->nsymbols = 1; /* the first is null */
	e->strings = 1;
}

void elf_init(struct elf *e)
{
	memset(e, 0, sizeof *e);
	init_header(e);
	init_programs(e);
	init_sections(e);
	e->note = (struct elf_note){
		.header = {.n_namesz = sizeof CASSIN_NOTE_NAME,
			   .n_descsz = sizeof e->note.abi,
			   .n_type = CASSIN_NOTE_ABI},
		.name = CASSIN_NOTE_NAME,
		.abi = {CASSIN_ABI_MAJOR, CASSIN_ABI_MINOR},
	};
	memset(e->bytes + ELF_TEXT_AT, 0xcc, CASSIN_PAGE_SIZE);
	for (unsigned i = 0; i < ELF_DATA_SIZE + 8; i++) /* 8 more that must not be read */
		e->bytes[ELF_DATA_AT + 0x40 + i] = (unsigned char)(i + 1);
	e->size = ELF_FILE_SIZE;
}

void elf_init_pie(struct elf *e)
{
	elf_init(e);
	e->header.e_type = ET_DYN;
	e->header.e_entry -= ELF_BASE;
	e->program[ELF_TEXT].p_vaddr -= ELF_BASE;
	e->program[ELF_DATA].p_vaddr -= ELF_BASE;
}

void elf_symbol(struct elf *e, const char *name, uint64_t va, uint64_t size, unsigned type, uint16_t section)
{
	size_t n = strlen(name) + 1;
	e->symbols[e->nsymbols++] = (Elf64_Sym){
		.st_name = (Elf64_Word)e->strings,
		.st_info = (unsigned char)ELF64_ST_INFO(STB_GLOBAL, type),
		.st_shndx = section,
		.st_value = va,
		.st_size = size,
	};
	memcpy(e->bytes + ELF_STRINGS_AT + e->strings, name, n);
	e->strings += n;
}

void elf_finish(struct elf *e)
{
	e->header.e_phnum = (Elf64_Half)e->nprogram;
	e->section[ELF_SYMTAB].sh_size = e->nsymbols * sizeof(Elf64_Sym);
	e->section[ELF_STRTAB].sh_size = e->strings;
	memcpy(e->bytes, &e->header, sizeof e->header);
	memcpy(e->bytes + sizeof e->header, e->program, e->nprogram * sizeof *e->program);
	memcpy(e->bytes + ELF_NOTE_AT, &e->note, sizeof e->note);
	memcpy(e->bytes + ELF_SYMBOLS_AT, e->symbols, e->nsymbols * sizeof *e->symbols);
	memcpy(e->bytes + ELF_SECTIONS_AT, e->section, sizeof e->section);
}
