/* SPDX-License-Identifier: MIT */
/* Writes seeds that are no text: make-seeds DIRECTORY makes DIRECTORY/NAME/FILE and prints what it wrote. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elf_builder.h"

#define PROGRAM_BASE UINT64_C(0x430000)

static void make_directory(const char *path)
{
	if (mkdir(path, 0777) && errno != EEXIST) {
		fprintf(stderr, "make-seeds: %s: %s\n", path, strerror(errno));
		exit(1);
	}
}

static void write_seed(const char *directory, const char *name, const char *file, const void *bytes, size_t size)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	make_directory(path);
	snprintf(path, sizeof path, "%s/%s/%s", directory, name, file);
	FILE *f = fopen(path, "w");
	if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) {
		fprintf(stderr, "make-seeds: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	puts(path);
}

static void write_image(const char *directory, const char *file, struct elf *e, uint64_t base)
{
	elf_symbol(e, "_start", base, 0x10, STT_FUNC, 1);
	elf_symbol(e, "main", base + 0x10, 0, STT_NOTYPE, 1);
	elf_finish(e);
	write_seed(directory, "image", file, e->bytes, e->size);
}

/* The same as a user program, which lies higher. */
static void write_program(const char *directory, struct elf *e)
{
	elf_init(e);
	for (unsigned i = 0; i < e->nprogram; i++)
		e->program[i].p_vaddr += PROGRAM_BASE - ELF_BASE;
	e->header.e_entry += PROGRAM_BASE - ELF_BASE;
	elf_finish(e);
	write_seed(directory, "program", "exec.elf", e->bytes, e->size);
}

/* Puts a file at the end of a cpio archive ("newc") of *size bytes. */
static void add_file(char *archive, size_t *size, unsigned mode, const char *name, const char *text)
{
	size_t length = strlen(name) + 1, data = (110 + length + 3) & ~(size_t)3;
	const unsigned numbers[13] = {[1] = mode, [6] = (unsigned)strlen(text), [11] = (unsigned)length};
	char *at = archive + *size, *number = at + sprintf(at, "070701");
	for (int i = 0; i < 13; i++)
		number += sprintf(number, "%08x", numbers[i]);
	strcpy(number, name);
	memcpy(at + data, text, strlen(text));
	*size += (data + strlen(text) + 3) & ~(size_t)3;
}

static void write_archive(const char *directory)
{
	static char archive[1024];
	size_t size = 0;
	add_file(archive, &size, 040755, "bin", "");
	add_file(archive, &size, 0100755, "./bin/init", "a program");
	add_file(archive, &size, 0100644, "motd", "hello\n");
	add_file(archive, &size, 0, "TRAILER!!!", "");
	write_seed(directory, "archive", "three.cpio", archive, size);
}

/* Rings of 8 and 16 entries; a random read, a console read and a timeout; an enter; input; time. See fuzz_ring.c. */
static const unsigned char ring_steps[] = {
	0, 0x00, 0x00, 0x00, 0x10, 0x00, 0x40, 3,    4, 2, CASSIN_OP_RANDOM,
	0, 0,    0x00, 0x80, 16,   0,    0,    0,    1, 2, CASSIN_OP_CONSOLE_READ,
	0, 0,    0x00, 0x90, 16,   0,    0,    0,    2, 2, CASSIN_OP_TIMEOUT,
	1, 0,    0x00, 0x00, 0,    0,    0xff, 0xff, 3, 4, 3,
	0, 6,    3,    'a',  'b',  'c',  5,    0,    0, 1, 0,
	0, 0,    0,    0,
};

int main(int argc, char **argv)
{
	static struct elf e;
	if (argc != 2) {
		fputs("usage: make-seeds DIRECTORY\n", stderr);
		return 2;
	}
	make_directory(argv[1]);
	elf_init(&e);
	write_image(argv[1], "exec.elf", &e, ELF_BASE);
	elf_init_pie(&e);
	write_image(argv[1], "pie.elf", &e, 0);
	write_program(argv[1], &e);
	write_archive(argv[1]);
	write_seed(argv[1], "ring", "steps", ring_steps, sizeof ring_steps);
	return 0;
}
