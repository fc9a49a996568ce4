/* SPDX-License-Identifier: MIT */
/* Good images: what the loader makes of them, page by page. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_builder.h"
#include "image/image.h"

static struct image *parse(struct elf *e)
{
	struct cassin_error_text err = {{0}};
	struct image *image = NULL;
	elf_finish(e);
	cr_assert_eq(image_parse(&image, e->bytes, e->size, "some/where/guest.elf", &err), 0, "%s", err.text);
	return image;
}

static void is_named(const struct image *m, uint64_t va, const char *name, uint64_t offset)
{
	struct image_symbol found;
	cr_assert(image_symbol(m, va, &found));
	cr_assert_eq(found.len, strlen(name));
	cr_assert_eq(memcmp(found.name, name, found.len), 0);
	cr_assert_eq(found.offset, offset);
}

static bool all_zero(const unsigned char *bytes, size_t n)
{
	while (n && !bytes[n - 1])
		n--;
	return n == 0;
}

Test(image, a_good_guest_is_accepted)
{
	struct elf e;
	elf_init(&e);
	struct image *m = parse(&e);
	cr_assert_str_eq(m->name, "guest.elf");
	cr_assert_eq(m->entry, ELF_BASE + 0x10);
	cr_assert_eq(m->low, ELF_BASE);
	cr_assert_eq(m->high, ELF_BASE + 0x5000);
	cr_assert_eq(m->nsegments, 2u);
	const struct image_segment *text = &m->segments[0], *data = &m->segments[1];
	cr_assert_eq(text->va, ELF_BASE);
	cr_assert_eq(text->pages, 1u);
	cr_assert_eq(text->rights, CASSIN_READ | CASSIN_EXEC);
	cr_assert_eq(data->va, ELF_BASE + 0x2000);
	cr_assert_eq(data->pages, 3u);
	cr_assert_eq(data->data_pages, 1u);
	cr_assert_eq(data->rights, CASSIN_READ | CASSIN_WRITE);
	image_put(m);
}

Test(image, one_that_needs_an_older_minor_version_is_accepted)
{
	struct elf e;
	elf_init(&e);
	e.note.abi = (struct cassin_note_abi){CASSIN_ABI_MAJOR, 0};
	image_put(parse(&e));
}

Test(image, a_segment_without_content_may_say_any_offset)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_filesz = 0;
	e.program[ELF_DATA].p_offset = ELF_FILE_SIZE + 0x100000 + 0x40;
	struct image *m = parse(&e);
	unsigned char page[PAGE_SIZE];
	memset(page, 1, sizeof page);
	cr_assert_eq(m->segments[1].data_pages, 0u);
	image_page(m, &m->segments[1], 0, page);
	cr_assert(all_zero(page, sizeof page));
	image_put(m);
}

Test(image, other_notes_may_stand_before_ours)
{
	struct elf e;
	elf_init(&e);
	Elf64_Phdr *note = elf_program(&e, PT_NOTE);
	*note = e.program[ELF_NOTE];
	e.program[ELF_NOTE].p_offset = ELF_TEXT_AT + 0x800; /* zeros: an empty note after another */
	e.program[ELF_NOTE].p_filesz = 0x800;
	memset(e.bytes + ELF_TEXT_AT + 0x800, 0, 0x800);
	*elf_program(&e, PT_NOTE) = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = UINT64_MAX};
	image_put(parse(&e));
}

Test(image, segments_are_sorted_by_address)
{
	struct elf e;
	elf_init(&e);
	Elf64_Phdr text = e.program[ELF_TEXT];
	e.program[ELF_TEXT] = e.program[ELF_DATA];
	e.program[ELF_DATA] = text;
	struct image *m = parse(&e);
	cr_assert_lt(m->segments[0].va, m->segments[1].va);
	cr_assert_eq(m->entry, ELF_BASE + 0x10);
	image_put(m);
}

Test(image, a_static_pie_is_moved_to_the_load_base)
{
	struct elf e;
	elf_init_pie(&e);
	elf_symbol(&e, "main", 0x20, 0x10, STT_FUNC, 1);
	struct image *m = parse(&e);
	cr_assert_eq(m->low, IMAGE_PIE_BASE);
	cr_assert_eq(m->high, IMAGE_PIE_BASE + 0x5000);
	cr_assert_eq(m->entry, IMAGE_PIE_BASE + 0x10);
	is_named(m, IMAGE_PIE_BASE + 0x28, "main", 8);
	image_put(m);
}

Test(image, a_static_pie_linked_at_an_address_stays_there)
{
	struct elf e;
	elf_init(&e);
	e.header.e_type = ET_DYN;
	struct image *m = parse(&e);
	cr_assert_eq(m->low, ELF_BASE);
	cr_assert_eq(m->entry, ELF_BASE + 0x10);
	image_put(m);
}

Test(image, an_empty_loadable_segment_is_ignored)
{
	struct elf e;
	elf_init(&e);
	elf_program(&e, PT_LOAD); /* at 0, of size 0 */
	struct image *m = parse(&e);
	cr_assert_eq(m->nsegments, 2u);
	image_put(m);
}

Test(image, a_segment_of_zeros_has_no_data_pages)
{
	struct elf e;
	elf_init(&e);
	Elf64_Phdr *p = elf_program(&e, PT_LOAD);
	*p = (Elf64_Phdr){.p_type = PT_LOAD,
			  .p_flags = PF_R | PF_W,
			  .p_vaddr = ELF_BASE + 0x10000,
			  .p_memsz = 0x3000,
			  .p_align = CASSIN_PAGE_SIZE};
	struct image *m = parse(&e);
	const struct image_segment *s = &m->segments[2];
	cr_assert_eq(s->pages, 3u);
	cr_assert_eq(s->data_pages, 0u);
	unsigned char page[PAGE_SIZE];
	memset(page, 0xff, sizeof page);
	image_page(m, s, 0, page);
	cr_assert(all_zero(page, sizeof page));
	image_put(m);
}

Test(image, as_many_segments_as_allowed_are_accepted)
{
	struct elf e;
	elf_init(&e);
	for (unsigned i = 2; i < IMAGE_SEGMENTS_MAX; i++)
		*elf_program(&e, PT_LOAD) = (Elf64_Phdr){.p_type = PT_LOAD,
							 .p_flags = PF_R,
							 .p_vaddr = ELF_BASE + 0x10000 * i,
							 .p_memsz = 1,
							 .p_align = CASSIN_PAGE_SIZE};
	struct image *m = parse(&e);
	cr_assert_eq(m->nsegments, (size_t)IMAGE_SEGMENTS_MAX);
	image_put(m);
}

Test(image, the_lowest_and_the_highest_address_are_accepted)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_TEXT].p_vaddr = CASSIN_VA_MIN;
	e.header.e_entry = CASSIN_VA_MIN;
	e.program[ELF_DATA].p_vaddr = IMAGE_VA_END - 0x3000 + 0x40;
	e.program[ELF_DATA].p_memsz = 0x3000 - 0x40;
	struct image *m = parse(&e);
	cr_assert_eq(m->low, CASSIN_VA_MIN);
	cr_assert_eq(m->high, IMAGE_VA_END);
	image_put(m);
}

Test(image, pages_hold_the_file_then_zeros)
{
	struct elf e;
	elf_init(&e);
	struct image *m = parse(&e);
	unsigned char page[PAGE_SIZE];
	memset(page, 0xff, sizeof page);
	image_page(m, &m->segments[1], 0, page);
	cr_assert(all_zero(page, 0x40));
	for (unsigned i = 0; i < ELF_DATA_SIZE; i++)
		cr_assert_eq(page[0x40 + i], i + 1);
	cr_assert(all_zero(page + 0x40 + ELF_DATA_SIZE, PAGE_SIZE - 0x40 - ELF_DATA_SIZE));
	for (uint64_t i = 1; i < 3; i++) {
		memset(page, 0xff, sizeof page);
		image_page(m, &m->segments[1], i, page);
		cr_assert(all_zero(page, sizeof page));
	}
	image_put(m);
}

Test(image, content_may_span_pages)
{
	struct elf e;
	elf_init(&e);
	e.program[ELF_DATA].p_offset = ELF_TEXT_AT + 0x800;
	e.program[ELF_DATA].p_vaddr = ELF_BASE + 0x2800;
	e.program[ELF_DATA].p_filesz = 0x1000;
	struct image *m = parse(&e);
	const struct image_segment *s = &m->segments[1];
	unsigned char page[PAGE_SIZE];
	cr_assert_eq(s->data_pages, 2u);
	image_page(m, s, 0, page);
	cr_assert(all_zero(page, 0x800));
	cr_assert_arr_eq(page + 0x800, m->bytes + ELF_TEXT_AT + 0x800, 0x800);
	image_page(m, s, 1, page);
	cr_assert_arr_eq(page, m->bytes + ELF_DATA_AT, 0x800);
	cr_assert(all_zero(page + 0x800, 0x800));
	image_put(m);
}

Test(image, the_note_is_found_behind_others)
{
	struct elf e;
	elf_init(&e);
	elf_finish(&e);
	struct elf_note other = e.note;
	other.header.n_type = 3;
	memcpy(e.bytes + ELF_NOTE_AT, &other, sizeof other);
	memcpy(e.bytes + ELF_NOTE_AT + sizeof other, &e.note, sizeof e.note);
	e.program[ELF_NOTE].p_filesz = 2 * sizeof e.note;
	memcpy(e.bytes + sizeof e.header, e.program, sizeof e.program);
	struct image *image = NULL;
	cr_assert_eq(image_parse(&image, e.bytes, e.size, "guest", NULL), 0);
	image_put(image);
}

Test(image, the_bytes_are_copied)
{
	struct elf e;
	elf_init(&e);
	struct image *m = parse(&e);
	memset(e.bytes, 0, sizeof e.bytes);
	unsigned char page[PAGE_SIZE];
	image_page(m, &m->segments[0], 0, page);
	cr_assert_eq(page[0], 0xcc);
	image_put(m);
}

Test(image, references_are_counted)
{
	struct elf e;
	elf_init(&e);
	struct image *m = parse(&e);
	cr_assert_eq(image_get(m), m);
	image_put(m);
	cr_assert_eq(m->nsegments, 2u);
	image_put(m);
	image_put(NULL);
}

Test(image, symbols_name_functions)
{
	struct elf e;
	elf_init(&e);
	elf_symbol(&e, "_start", ELF_BASE + 0x10, 0x10, STT_FUNC, 1);
	struct image *m = parse(&e);
	struct image_symbol none;
	is_named(m, m->entry, "_start", 0);
	cr_assert_not(image_symbol(m, ELF_BASE + 0x20, &none));
	image_put(m);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(bytes, 1, size, f), size);
	cr_assert_eq(fclose(f), 0);
}

Test(image, a_file_is_loaded_and_told_from_its_successor)
{
	char dir[] = "/tmp/cassin-image-XXXXXX", path[64];
	struct file_id first, second;
	struct image *image = NULL;
	struct elf e;
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/a.elf", dir);
	elf_init(&e);
	elf_finish(&e);
	write_file(path, e.bytes, e.size);
	cr_assert_eq(image_load(&image, path, NULL, NULL), 0);
	cr_assert_str_eq(image->name, "a.elf");
	image_put(image);
	cr_assert_eq(file_identify(path, &first, NULL), 0);
	cr_assert_eq(file_identify(path, &second, NULL), 0);
	cr_assert_arr_eq(&first, &second, sizeof first);
	write_file(path, e.bytes, e.size - 1);
	cr_assert_eq(file_identify(path, &second, NULL), 0);
	cr_assert_neq(first.size, second.size);
	unlink(path);
	rmdir(dir);
}
