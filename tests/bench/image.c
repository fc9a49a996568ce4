/* SPDX-License-Identifier: MIT */
/*
 * image FOLDER ROUNDS: nanoseconds to read a file of 64 MiB, and to load it as an image that costs as much as an image may: 65,000
 * note headers, as many notes and symbols as are looked at, the symbols in no order. And nanoseconds until one is refused whose
 * headers all show the same notes, of most of the file.
 */
#include "common.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"

#define HEADERS 65000u
#define TEXT_AT 0x1000u
#define TABLE_AT 0x2000u
#define SYMBOLS_AT ((TABLE_AT + HEADERS * sizeof(Elf64_Phdr) + 4095) & ~(size_t)4095)
#define SECTIONS_AT (SYMBOLS_AT + SYMBOLS_MOST * sizeof(Elf64_Sym))
#define NOTES_AT (SECTIONS_AT + 4096)
#define OWN_AT (IMAGE_BYTES_MAX - sizeof(struct note)) /* the end of the file */
#define EACH sizeof(Elf64_Nhdr)                        /* bytes of a note of nothing */
#define BASE UINT64_C(0x400000)

struct note {
	Elf64_Nhdr header;
	char name[8];
	struct cassin_note_abi abi;
};

static void put_header(unsigned char *file)
{
	const Elf64_Ehdr header = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = BASE,
		.e_phoff = TABLE_AT,
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = HEADERS,
		.e_shoff = SECTIONS_AT,
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 3,
	};
	memcpy(file, &header, sizeof header);
}

static void put_symbols(unsigned char *file)
{
	Elf64_Shdr sections[3] = {
		[1] = {.sh_type = SHT_SYMTAB, .sh_offset = SYMBOLS_AT, .sh_size = SYMBOLS_MOST * sizeof(Elf64_Sym)},
		[2] = {.sh_type = SHT_STRTAB, .sh_offset = NOTES_AT, .sh_size = IMAGE_BYTES_MAX - NOTES_AT},
	};
	sections[1].sh_link = 2;
	sections[1].sh_entsize = sizeof(Elf64_Sym);
	memcpy(file + SECTIONS_AT, sections, sizeof sections);
	uint64_t random = 1;
	for (size_t i = 0; i < SYMBOLS_MOST; i++) {
		random = random * UINT64_C(6364136223846793005) + 1;
		Elf64_Sym symbol = {.st_name = (Elf64_Word)(OWN_AT - NOTES_AT + offsetof(struct note, name)),
				    .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				    .st_shndx = 1,
				    .st_value = random >> 16};
		memcpy(file + SYMBOLS_AT + i * sizeof symbol, &symbol, sizeof symbol);
	}
}

/* The first `showing` of the note headers show `bytes` of notes that are none of ours, the others nothing; the last one ours. */
static void put_programs(unsigned char *file, unsigned showing, uint64_t bytes)
{
	const struct note note = {{7, 8, CASSIN_NOTE_ABI}, "Cassin\0", {CASSIN_ABI_MAJOR, CASSIN_ABI_MINOR}};
	const Elf64_Nhdr other = {0, 0, 2};
	for (uint64_t at = NOTES_AT; at + EACH <= OWN_AT; at += EACH)
		memcpy(file + at, &other, EACH);
	memcpy(file + OWN_AT, &note, sizeof note);
	Elf64_Phdr *program = (Elf64_Phdr *)(void *)(file + TABLE_AT);
	for (unsigned i = 0; i < HEADERS - 2; i++)
		program[i] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = i < showing ? bytes : 0};
	program[HEADERS - 2] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = OWN_AT, .p_filesz = sizeof note};
	program[HEADERS - 1] = (Elf64_Phdr){.p_type = PT_LOAD,
					    .p_flags = PF_R | PF_X,
					    .p_offset = TEXT_AT,
					    .p_vaddr = BASE,
					    .p_filesz = PAGE_SIZE,
					    .p_memsz = PAGE_SIZE,
					    .p_align = PAGE_SIZE};
}

static void write_file(const char *path, unsigned showing, uint64_t bytes)
{
	unsigned char *file = calloc(1, IMAGE_BYTES_MAX);
	FILE *out = fopen(path, "w");
	if (!file || !out)
		bench_die("%s: cannot be written", path);
	put_header(file);
	put_symbols(file);
	put_programs(file, showing, bytes);
	if (fwrite(file, 1, IMAGE_BYTES_MAX, out) != IMAGE_BYTES_MAX || fclose(out))
		bench_die("%s: cannot be written", path);
	free(file);
}

/* As a program would that wants the file in its memory. */
static double read_ns(const char *path)
{
	struct stat st;
	uint64_t start = bench_ns();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		bench_die("%s: cannot be opened", path);
	char *bytes = malloc((size_t)st.st_size);
	for (size_t at = 0; bytes && at < (size_t)st.st_size;) {
		ssize_t n = read(fd, bytes + at, (size_t)st.st_size - at);
		if (n <= 0)
			bench_die("%s: cannot be read", path);
		at += (size_t)n;
	}
	close(fd);
	free(bytes);
	return (double)(bench_ns() - start);
}

static double load_ns(const char *path, bool refused)
{
	struct cassin_error_text err = {""};
	struct image *image = NULL;
	uint64_t start = bench_ns();
	int r = image_load(&image, path, NULL, &err);
	image_put(image);
	double ns = (double)(bench_ns() - start);
	if (refused != (r != 0))
		bench_die("%s: %s", path, r ? err.text : "is not refused");
	return ns;
}

int main(int argc, char **argv)
{
	char costly[4096], endless[4096];
	if (argc != 3)
		bench_die("usage: image FOLDER ROUNDS");
	unsigned rounds = bench_number(argv[2]);
	double *read = calloc(rounds, sizeof *read), *load = calloc(rounds, sizeof *load);
	double *refuse = calloc(rounds, sizeof *refuse);
	if (!read || !load || !refuse)
		bench_die("no memory");
	snprintf(costly, sizeof costly, "%s/costly.elf", argv[1]);
	snprintf(endless, sizeof endless, "%s/endless.elf", argv[1]);
	write_file(costly, IMAGE_NOTE_BYTES_MAX / EACH, EACH);
	write_file(endless, HEADERS - 2, OWN_AT - NOTES_AT);
	read_ns(costly);
	for (unsigned i = 0; i < rounds; i++) {
		read[i] = read_ns(costly);
		load[i] = load_ns(costly, false);
		refuse[i] = load_ns(endless, true);
	}
	printf("{");
	bench_print("read_ns", read, rounds, ", ");
	bench_print("load_ns", load, rounds, ", ");
	bench_print("refuse_ns", refuse, rounds, "}\n");
	unlink(costly);
	unlink(endless);
	free(read);
	free(load);
	free(refuse);
	return 0;
}
