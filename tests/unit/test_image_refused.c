/* SPDX-License-Identifier: MIT */
/* What is no guest is refused, with a message that says what, where and why. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_builder.h"
#include "image/image.h"

static void refuse_bytes(const struct elf *e, const char *why)
{
	struct cassin_error_text err = {{0}};
	struct image *image = NULL;
	cr_expect_eq(image_parse(&image, e->bytes, e->size, "dir/guest", &err), -ENOEXEC);
	cr_expect_str_eq(err.text, why);
	cr_expect_null(image);
}

static void refuse(struct elf *e, const char *why)
{
	elf_finish(e);
	refuse_bytes(e, why);
}

/* ---- The ELF header ---- */

Test(image_refused, an_empty_file)
{
	struct elf e;
	elf_init(&e);
	e.size = 0;
	refuse(&e, "guest: truncated: 0 bytes hold no ELF header");
}

Test(image_refused, a_file_that_ends_in_its_header)
{
	struct elf e;
	elf_init(&e);
	e.size = sizeof(Elf64_Ehdr) - 1;
	refuse(&e, "guest: truncated: 63 bytes hold no ELF header");
}

Test(image_refused, a_wrong_magic)
{
	struct elf e;
	elf_init(&e);
	e.header.e_ident[EI_MAG3] = 'G';
	refuse(&e, "guest: not an ELF file");
}

Test(image_refused, a_32_bit_class)
{
	struct elf e;
	elf_init(&e);
	e.header.e_ident[EI_CLASS] = ELFCLASS32;
	refuse(&e, "guest: ELF class 1: a guest is 64-bit (class 2)");
}

Test(image_refused, a_big_endian_file)
{
	struct elf e;
	elf_init(&e);
	e.header.e_ident[EI_DATA] = ELFDATA2MSB;
	refuse(&e, "guest: not little-endian");
}

Test(image_refused, another_machine)
{
	struct elf e;
	elf_init(&e);
	e.header.e_machine = EM_AARCH64;
	refuse(&e, "guest: machine 183: a guest is for x86-64 (machine 62)");
}

Test(image_refused, an_object_file_and_a_core_dump)
{
	struct elf e;
	elf_init(&e);
	e.header.e_type = ET_REL;
	refuse(&e, "guest: ELF type 1: a guest is an executable (type 2) or static-PIE (type 3)");
	e.header.e_type = ET_CORE;
	refuse(&e, "guest: ELF type 4: a guest is an executable (type 2) or static-PIE (type 3)");
}

Test(image_refused, program_headers_of_another_size)
{
	struct elf e;
	elf_init(&e);
	e.header.e_phentsize = 32;
	refuse(&e, "guest: no program headers of the usual size");
}

Test(image_refused, a_file_without_program_headers)
{
	struct elf e;
	elf_init(&e);
	e.nprogram = 0;
	refuse(&e, "guest: no program headers of the usual size");
}

Test(image_refused, a_file_that_ends_in_its_program_headers)
{
	struct elf e;
	elf_init(&e);
	e.size = sizeof(Elf64_Ehdr) + ELF_GOOD_HEADERS * sizeof(Elf64_Phdr) - 1;
	refuse(&e, "guest: truncated: the program headers at 0x40 pass the end of the file");
}

Test(image_refused, program_headers_beyond_the_file)
{
	struct elf e;
	elf_init(&e);
	e.header.e_phoff = ELF_FILE_SIZE + 1;
	refuse(&e, "guest: truncated: the program headers at 0x4001 pass the end of the file");
	e.header.e_phoff = UINT64_MAX;
	refuse(&e, "guest: truncated: the program headers at 0xffffffffffffffff pass the end of the file");
}

Test(image_refused, more_program_headers_than_the_file_holds)
{
	struct elf e;
	elf_init(&e);
	elf_finish(&e);
	Elf64_Half most = UINT16_MAX;
	memcpy(e.bytes + offsetof(Elf64_Ehdr, e_phnum), &most, sizeof most);
	refuse_bytes(&e, "guest: truncated: the program headers at 0x40 pass the end of the file");
}

/* ---- Segments ---- */

Test(image_refused, content_that_passes_the_end_of_the_file)
{
	struct elf e;
	elf_init(&e);
	e.size = ELF_DATA_AT + 0x40 + ELF_DATA_SIZE - 1;
	refuse(&e, "guest: segment 1: truncated: its content passes the end of the file");
}

Test(image_refused, content_whose_offset_and_size_wrap)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_filesz = UINT64_MAX;
	e.program[ELF_DATA].p_memsz = UINT64_MAX;
	refuse(&e, "guest: segment 1: truncated: its content passes the end of the file");
	e.program[ELF_DATA].p_offset = UINT64_MAX;
	e.program[ELF_DATA].p_filesz = 2;
	refuse(&e, "guest: segment 1: truncated: its content passes the end of the file");
}

Test(image_refused, a_segment_smaller_in_memory_than_in_the_file)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_memsz = ELF_DATA_SIZE - 1;
	refuse(&e, "guest: segment 1: smaller in memory than in the file");
	e.program[ELF_DATA].p_memsz = 0;
	refuse(&e, "guest: segment 1: smaller in memory than in the file");
}

Test(image_refused, an_unaligned_segment)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_vaddr += 8;
	refuse(&e, "guest: segment 1: unaligned: address and offset must agree modulo 4096");
}

Test(image_refused, an_alignment_below_a_page)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_TEXT].p_align = 16;
	refuse(&e, "guest: segment 0: unaligned: its alignment (p_align) is 16, at least 4096 is needed");
}

Test(image_refused, a_segment_both_writable_and_executable)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_TEXT].p_flags |= PF_W;
	refuse(&e, "guest: segment 0: writable and executable");
}

Test(image_refused, an_executable_stack)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_STACK].p_flags |= PF_X;
	refuse(&e, "guest: wants an executable stack");
}

Test(image_refused, a_segment_below_the_lowest_address)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_TEXT].p_vaddr = CASSIN_VA_MIN - CASSIN_PAGE_SIZE;
	refuse(&e, "guest: segment 0: address 0xf000, size 0x100: out of range 0x10000 to 0x7ffc000000");
	e.program[ELF_TEXT].p_vaddr = 0;
	refuse(&e, "guest: segment 0: address 0x0, size 0x100: out of range 0x10000 to 0x7ffc000000");
}

Test(image_refused, a_segment_above_the_highest_address)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_vaddr = IMAGE_VA_END - CASSIN_PAGE_SIZE + 0x40;
	refuse(&e, "guest: segment 1: address 0x7ffbfff040, size 0x2100: out of range 0x10000 to 0x7ffc000000");
	e.program[ELF_DATA].p_vaddr = CASSIN_VA_END + 0x40;
	refuse(&e, "guest: segment 1: address 0x8000000040, size 0x2100: out of range 0x10000 to 0x7ffc000000");
}

Test(image_refused, a_segment_at_a_kernel_or_non_canonical_address)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_vaddr = UINT64_C(0xffff800000000040);
	refuse(&e, "guest: segment 1: address 0xffff800000000040, size 0x2100: out of range 0x10000 to 0x7ffc000000");
	e.program[ELF_DATA].p_vaddr = UINT64_C(0x0000800000000040);
	refuse(&e, "guest: segment 1: address 0x800000000040, size 0x2100: out of range 0x10000 to 0x7ffc000000");
}

Test(image_refused, a_segment_that_wraps)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_memsz = UINT64_MAX - 0x1000;
	refuse(&e, "guest: segment 1: address 0x402040, size 0xffffffffffffefff: out of range 0x10000 to 0x7ffc000000");
	e.program[ELF_DATA].p_vaddr = UINT64_C(0xfffffffffffff040);
	e.program[ELF_DATA].p_memsz = 0x2100;
	refuse(&e, "guest: segment 1: address 0xfffffffffffff040, size 0x2100: out of range 0x10000 to 0x7ffc000000");
}

Test(image_refused, a_static_pie_that_wraps_when_it_is_moved)
{
	struct elf e;
	elf_init_pie(&e);
	e.program[ELF_DATA].p_vaddr = UINT64_C(0xfffffffffffff040);
	refuse(&e, "guest: segment 1: address 0x3ff040, size 0x2100: out of range 0x10000 to 0x7ffc000000");
}

Test(image_refused, more_memory_than_any_guest_may_have)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_memsz = IMAGE_PAGES_MAX * CASSIN_PAGE_SIZE;
	refuse(&e, "guest: 16777218 pages: too large");
}

Test(image_refused, overlapping_segments)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_vaddr = ELF_BASE + 0x40;
	refuse(&e, "guest: segments at 0x400000 and 0x400000: overlapping (they share a page)");
	e.program[ELF_TEXT].p_memsz = 0x2001;
	e.program[ELF_DATA].p_vaddr = ELF_BASE + 0x2040;
	refuse(&e, "guest: segments at 0x400000 and 0x402000: overlapping (they share a page)");
}

Test(image_refused, segments_that_overlap_out_of_order)
{
	struct elf e;
	elf_init(&e);
	*elf_program(&e, PT_LOAD) = (Elf64_Phdr){.p_type = PT_LOAD,
						 .p_flags = PF_R,
						 .p_vaddr = ELF_BASE - 0x1000,
						 .p_memsz = 0x1001,
						 .p_align = CASSIN_PAGE_SIZE};
	refuse(&e, "guest: segments at 0x3ff000 and 0x400000: overlapping (they share a page)");
}

Test(image_refused, too_many_segments)
{
	struct elf e;
	elf_init(&e);
	for (unsigned i = 2; i <= IMAGE_SEGMENTS_MAX; i++)
		*elf_program(&e, PT_LOAD) = (Elf64_Phdr){.p_type = PT_LOAD,
							 .p_flags = PF_R,
							 .p_vaddr = ELF_BASE + 0x10000 * i,
							 .p_memsz = 1,
							 .p_align = CASSIN_PAGE_SIZE};
	refuse(&e, "guest: segment 18: more than 16 loadable segments");
}

Test(image_refused, no_segment_at_all)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_TEXT].p_type = PT_NULL;
	e.program[ELF_DATA].p_type = PT_NULL;
	refuse(&e, "guest: no loadable segment");
}

/* ---- Entry ---- */

Test(image_refused, an_entry_in_data)
{
	struct elf e;
	elf_init(&e);
	e.header.e_entry = ELF_BASE + 0x2040;
	refuse(&e, "guest: entry 0x402040: in no executable segment");
}

Test(image_refused, an_entry_nowhere)
{
	struct elf e;
	elf_init(&e);
	e.header.e_entry = 0;
	refuse(&e, "guest: entry 0x0: in no executable segment");
	e.header.e_entry = ELF_BASE + 0x1000;
	refuse(&e, "guest: entry 0x401000: in no executable segment");
	e.header.e_entry = UINT64_MAX;
	refuse(&e, "guest: entry 0xffffffffffffffff: in no executable segment");
}

/* ---- Dynamic linking ---- */

Test(image_refused, a_dynamically_linked_executable)
{
	struct elf e;
	elf_init(&e);
	elf_program(&e, PT_INTERP);
	refuse(&e, "guest: wants a dynamic loader: a guest is linked statically");
}

/* ---- The ABI note ---- */

#define NO_NOTE "guest: no Cassin ABI note: not a guest; build it with cassin-cc"

Test(image_refused, a_program_without_an_abi_note)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_NOTE].p_type = PT_NULL;
	refuse(&e, NO_NOTE);
}

Test(image_refused, somebody_elses_note)
{
	struct elf e;
	elf_init(&e);
	memcpy(e.note.name, "Linux\0\0", 8);
	refuse(&e, NO_NOTE);
	elf_init(&e);
	e.note.header.n_type = 2;
	refuse(&e, NO_NOTE);
	elf_init(&e);
	e.note.header.n_descsz = 4;
	refuse(&e, NO_NOTE);
	elf_init(&e);
	e.note.header.n_namesz = 6;
	refuse(&e, NO_NOTE);
}

Test(image_refused, a_note_longer_than_its_segment)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_NOTE].p_filesz = sizeof e.note - 1;
	refuse(&e, NO_NOTE);
	elf_init(&e);
	e.note.header.n_namesz = UINT32_MAX;
	e.note.header.n_descsz = UINT32_MAX;
	refuse(&e, NO_NOTE);
}

Test(image_refused, a_note_beyond_the_file)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_NOTE].p_offset = ELF_FILE_SIZE;
	refuse(&e, "guest: truncated: a note passes the end of the file");
	e.program[ELF_NOTE].p_offset = UINT64_MAX;
	refuse(&e, "guest: truncated: a note passes the end of the file");
}

/* Notes of 12 bytes that are none of ours, and as many headers as an ELF file can have that all show them: the work would be their
 * product. */
Test(image_refused, many_headers_that_show_the_same_notes)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_NOTE].p_type = PT_NULL;
	elf_finish(&e);
	const size_t notes = 1000, count = 60000, at = ELF_FILE_SIZE + count * sizeof(Elf64_Phdr);
	const size_t size = at + notes * sizeof(Elf64_Nhdr);
	unsigned char *bytes = calloc(1, size);
	cr_assert_not_null(bytes);
	memcpy(bytes, e.bytes, ELF_FILE_SIZE);
	Elf64_Ehdr *header = (Elf64_Ehdr *)(void *)bytes;
	header->e_phoff = ELF_FILE_SIZE;
	header->e_phnum = (Elf64_Half)count;
	Elf64_Phdr *program = (Elf64_Phdr *)(void *)(bytes + ELF_FILE_SIZE);
	memcpy(program, e.program, 2 * sizeof *program);
	for (size_t i = 2; i < count; i++)
		program[i] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = at, .p_filesz = size - at};
	struct cassin_error_text err = {{0}};
	struct image *image = NULL;
	cr_expect_eq(image_parse(&image, bytes, size, "guest", &err), -ENOEXEC);
	cr_expect_str_eq(err.text, "guest: more than 256 KiB of notes in front of the Cassin ABI note");
	free(bytes);
}

/* The messages name this hypervisor's version by its macros: a new version changes no test. */
static void refuse_abi(unsigned major, unsigned minor)
{
	struct elf e;
	elf_init(&e);
	e.note.abi = (struct cassin_note_abi){major, minor};
	char why[96];
	snprintf(why, sizeof why, "guest: needs ABI %u.%u; this hypervisor has %d.%d", major, minor, CASSIN_ABI_MAJOR,
		 CASSIN_ABI_MINOR);
	refuse(&e, why);
}

Test(image_refused, another_major_version)
{
	refuse_abi(CASSIN_ABI_MAJOR + 1, 0);
	refuse_abi(CASSIN_ABI_MAJOR - 1, 0);
}

Test(image_refused, a_newer_minor_version)
{
	refuse_abi(CASSIN_ABI_MAJOR, CASSIN_ABI_MINOR + 1);
}

/* ---- Files ---- */

Test(image_refused, a_file_that_is_not_there)
{
	struct cassin_error_text err;
	struct image *image = NULL;
	cr_expect_eq(image_load(&image, "/nonexistent/guest.elf", NULL, &err), -ENOENT);
	cr_expect_str_eq(err.text, "/nonexistent/guest.elf: No such file or directory");
	struct file_id id;
	cr_expect_eq(file_identify("/nonexistent/guest.elf", &id, &err), -ENOENT);
	cr_expect_str_eq(err.text, "/nonexistent/guest.elf: No such file or directory");
}

Test(image_refused, a_directory_and_a_device)
{
	struct cassin_error_text err;
	struct image *image = NULL;
	cr_expect_eq(image_load(&image, "/tmp", NULL, &err), -ENOEXEC);
	cr_expect_str_eq(err.text, "/tmp: not a regular file, but a folder");
	cr_expect_eq(image_load(&image, "/dev/null", NULL, &err), -ENOEXEC);
	cr_expect_str_eq(err.text, "/dev/null: not a regular file, but a device");
}

Test(image_refused, a_file_that_is_too_large)
{
	char path[] = "/tmp/cassin-large-XXXXXX";
	struct cassin_error_text err;
	struct image *image = NULL;
	int fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, (off_t)IMAGE_BYTES_MAX + 1), 0);
	cr_expect_eq(image_load(&image, path, NULL, &err), -ENOEXEC);
	cr_expect_not_null(strstr(err.text, ": 67108865 bytes: larger than 64 MiB"));
	close(fd);
	unlink(path);
}

/* ---- All of it at once ---- */

Test(image_refused, every_truncation_of_a_good_file_is_survived)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "main", ELF_BASE, 0x10, STT_FUNC, 1);
	elf_finish(&e);
	for (size_t size = 0; size < ELF_FILE_SIZE; size += 7) {
		struct image *image = NULL;
		unsigned char *exact = malloc(size ? size : 1);
		cr_assert_not_null(exact);
		memcpy(exact, e.bytes, size);
		if (!image_parse(&image, exact, size, "guest", NULL))
			image_put(image);
		free(exact);
	}
}
