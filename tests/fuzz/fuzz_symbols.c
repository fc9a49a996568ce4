/* SPDX-License-Identifier: MIT */
/* Any bytes as the notes, the symbol table and the names of an otherwise good image: all that is accepted is looked up and shown. */
#include "fuzz.h"

#include <cassin/text.h>

#include "elf_builder.h"
#include "fuzz_input.h"
#include "image/image.h"

#define NOTES_SIZE (ELF_TEXT_AT - ELF_NOTE_AT)
#define SYMBOLS_SIZE (ELF_STRINGS_AT - ELF_SYMBOLS_AT)
#define STRINGS_SIZE (ELF_SECTIONS_AT - ELF_STRINGS_AT)

static void pour(struct elf *e, struct input *in, size_t at, size_t most)
{
	size_t n = (size_t)take(in, 2) % (most + 1);
	n = n < in->left ? n : in->left;
	if (n)
		memcpy(e->bytes + at, in->at, n);
	in->at += n;
	in->left -= n;
}

/* Headers that may show the same notes, of any part of them; ours comes last, if the input wants it. */
static void add_notes(struct elf *e, struct input *in)
{
	Elf64_Phdr own = e->program[ELF_NOTE];
	bool wanted = take(in, 1) & 1;
	e->program[ELF_NOTE].p_type = PT_NULL;
	for (unsigned n = (unsigned)take(in, 1) % 8; n; n--) {
		Elf64_Phdr *p = elf_program(e, PT_NOTE);
		p->p_offset = ELF_NOTE_AT + take(in, 2);
		p->p_filesz = take(in, 2);
	}
	if (wanted)
		*elf_program(e, PT_NOTE) = own;
}

static void check_shown(const struct image *m, uint64_t va)
{
	struct image_symbol s;
	char out[CASSIN_TEXT_ESCAPED];
	if (!image_symbol(m, va, &s))
		return;
	const unsigned char *name = (const unsigned char *)s.name;
	MUST(s.len && s.len <= SYMBOL_NAME_MOST && name >= m->bytes && name + s.len <= m->bytes + m->size);
	size_t n = cassin_text_escape(out, s.name, s.len);
	MUST(n && n < sizeof out && strlen(out) == n);
	for (size_t i = 0; i < n; i++)
		MUST(out[i] >= ' ' && out[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct elf e;
	struct input in = {data, size};
	struct cassin_error_text err = {{0}};
	struct image *image = NULL;
	elf_init(&e);
	add_notes(&e, &in);
	elf_finish(&e);
	e.section[ELF_SYMTAB].sh_size = take(&in, 2);
	e.section[ELF_STRTAB].sh_size = take(&in, 2);
	memcpy(e.bytes + ELF_SECTIONS_AT, e.section, sizeof e.section);
	pour(&e, &in, ELF_NOTE_AT + sizeof e.note, NOTES_SIZE - sizeof e.note);
	pour(&e, &in, ELF_STRINGS_AT, STRINGS_SIZE);
	pour(&e, &in, ELF_SYMBOLS_AT, SYMBOLS_SIZE);
	int r = image_parse(&image, e.bytes, e.size, "fuzz", &err);
	MUST((r != 0) == (image == NULL) && (r != 0) == (err.text[0] != 0));
	for (uint64_t at = 0; image && at < 2 * PAGE_SIZE; at += 16)
		check_shown(image, ELF_BASE + at);
	if (image)
		MUST(image_bytes(image) < (1u << 20));
	image_put(image);
	return 0;
}
