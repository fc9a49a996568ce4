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

static void check_image(const struct image *m)
{
	bool entry = false;
	uint64_t offset;
	MUST(m->nsegments && m->nsegments <= IMAGE_SEGMENTS_MAX);
	for (size_t i = 0; i < m->nsegments; i++) {
		const struct image_segment *s = &m->segments[i];
		check_segment(m, i);
		entry |= s->rights & CASSIN_EXEC && m->entry >= s->va && m->entry - s->va < s->pages * PAGE_SIZE;
		for (uint64_t at = 0; at < PAGE_SIZE; at += 64) {
			const char *name = image_symbol(m, s->va + at, &offset);
			MUST(!name || *name);
		}
	}
	MUST(entry);
	image_symbol(m, 0, &offset);
	image_symbol(m, UINT64_MAX, &offset);
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
