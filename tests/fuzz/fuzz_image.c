/* SPDX-License-Identifier: MIT */
/* Any bytes as an image. What is accepted must keep every promise that the engine relies on. */
#include "fuzz.h"

#include "image/image.h"

static void check_segment(const struct image *m, size_t i)
{
	const struct image_segment *s = &m->segments[i];
	unsigned char page[PAGE_SIZE];
	uint64_t end = s->va + s->pages * PAGE_SIZE;
	MUST(s->pages && s->va % PAGE_SIZE == 0 && s->va >= CASSIN_VA_MIN && end <= IMAGE_VA_END && end > s->va);
	MUST(s->data_pages <= s->pages && s->skew < PAGE_SIZE);
	MUST(!(s->rights & CASSIN_WRITE && s->rights & CASSIN_EXEC));
	MUST(i + 1 == m->nsegments || end <= s[1].va);
	MUST(s->va >= m->low && end <= m->high);
	image_page(m, s, 0, page);
	image_page(m, s, s->pages - 1, page);
	if (s->data_pages)
		image_page(m, s, s->data_pages - 1, page);
	if (s->data_pages < s->pages) {
		image_page(m, s, s->data_pages, page);
		for (size_t at = 0; at < PAGE_SIZE; at++)
			MUST(!page[at]);
	}
}

/* A name lies in the file, and is never empty or longer than what is looked at. */
static void check_symbol(const struct image *m, uint64_t va)
{
	struct image_symbol s;
	if (!image_symbol(m, va, &s))
		return;
	const unsigned char *name = (const unsigned char *)s.name;
	MUST(s.len && s.len <= SYMBOL_NAME_MOST);
	MUST(name >= m->bytes && s.len <= m->size && name <= m->bytes + m->size - s.len);
	MUST(!memchr(name, 0, s.len));
}

static void check_image(const struct image *m)
{
	bool entry = false;
	struct image_symbol symbol;
	MUST(m->nsegments && m->nsegments <= IMAGE_SEGMENTS_MAX);
	for (size_t i = 0; i < m->nsegments; i++) {
		const struct image_segment *s = &m->segments[i];
		check_segment(m, i);
		entry |= s->rights & CASSIN_EXEC && m->entry >= s->va && m->entry - s->va < s->pages * PAGE_SIZE;
		for (uint64_t at = 0; at < PAGE_SIZE; at += 64)
			check_symbol(m, s->va + at);
	}
	MUST(entry);
	image_symbol(m, 0, &symbol);
	image_symbol(m, UINT64_MAX, &symbol);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cassin_error_text err = {{0}};
	struct image *image = NULL;
	int r = image_parse(&image, data, size, "fuzz", &err);
	MUST(r <= 0 && (r != 0) == (image == NULL) && (r != 0) == (err.text[0] != 0));
	if (image)
		check_image(image);
	image_put(image);
	return 0;
}
