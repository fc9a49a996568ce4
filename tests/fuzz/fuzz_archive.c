/* SPDX-License-Identifier: MIT */
/* Any bytes as an archive of user programs: files lie in it, and all ways of reading it find the same ones. */
#include "fuzz.h"

#include "../../guest-user/archive.h"

static void check_file(const struct archive *a, const struct archive_file *f)
{
	const uint8_t *end = a->bytes + a->size, *name = (const uint8_t *)f->name;
	MUST(name >= a->bytes && name < end && memchr(name, 0, (size_t)(end - name)));
	MUST(f->bytes >= a->bytes && f->bytes <= end && f->size <= (size_t)(end - f->bytes));
}

/* Regular files by number are those of the walk, in its order; the first of a name is found by it. */
static void check_regular(const struct archive *a, const struct archive_file *f, unsigned n)
{
	struct archive_file nth, found;
	MUST(archive_nth(a, n, &nth) && nth.bytes == f->bytes && nth.name == f->name);
	MUST(archive_find(a, f->name, &found) && found.regular && !strcmp(found.name, f->name) &&
	     found.bytes <= f->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct archive a = {data, size};
	struct archive_file f;
	size_t at = 0, before = 0;
	unsigned regular = 0;
	int r;
	while ((r = archive_next(&a, &at, &f)) > 0) {
		MUST(at > before);
		before = at;
		check_file(&a, &f);
		if (f.regular && regular < 16)
			check_regular(&a, &f, regular);
		regular += f.regular;
	}
	MUST((r == 0) == archive_good(&a));
	MUST(!archive_nth(&a, regular, &f));
	return 0;
}
