/* SPDX-License-Identifier: MIT */
/* All frames of a cell lie in a memory file, which its stubs have as their only descriptor. */
#include "process/process_cell.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "process/page.h"
#include "process/stubs.h"

static int make_pages(struct process_cell *p, struct cassin_error_text *err)
{
	struct cell *c = &p->cell;
	for (unsigned w = 0; w < c->workers; w++) {
		frame_t f;
		bool fresh;
		int r = frames_alloc(&c->frames, &f, &fresh);
		if (r)
			return cassin_error_set(err, r, "no memory for another cell: %s",
						r == -ENOMEM ? "the pool is exhausted" : strerror(-r));
		if (!w)
			p->pages = f;
		stub_page_build(cell_frame(c, f));
	}
	return 0;
}

int process_cell_open(struct cell *c, struct cassin_error_text *err)
{
	struct process_cell *p = process_cell(c);
	p->memory = memfd_create("cassin-cell", MFD_CLOEXEC);
	if (p->memory < 0)
		return cassin_error_set(err, -errno, "cannot make a memory file for a cell: %s", strerror(errno));
	if (ftruncate(p->memory, (off_t)c->size))
		return cassin_error_set(err, -errno, "cannot make a memory file of %llu MiB for a cell: %s%s",
					(unsigned long long)(c->size >> 20), strerror(errno),
					errno == EFBIG ? ": see RLIMIT_FSIZE (ulimit -f)" : "");
	c->memory = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, p->memory, 0);
	if (c->memory == MAP_FAILED)
		return cassin_error_set(
			err, -errno,
			"cannot reserve %llu MiB of address space for a cell: %s: see RLIMIT_AS (ulimit -v)",
			(unsigned long long)(c->size >> 20), strerror(errno));
	madvise(c->memory, c->size, MADV_NOHUGEPAGE);
	madvise(c->memory, c->size, MADV_DONTFORK);
	madvise(c->memory, c->size, MADV_DONTDUMP); /* guests' secrets are not the core dump's */
	return make_pages(p, err);
}

void process_cell_close(struct cell *c)
{
	if (process_cell(c)->memory >= 0)
		close(process_cell(c)->memory);
}

int process_cell_grow(struct cell *c, uint64_t *at, uint64_t *size)
{
	(void)c;
	(void)at;
	(void)size;
	return 0;
}

/* Guests at rest have their stubs; those that nobody has go. */
void process_cell_trim(struct cell *c)
{
	for (unsigned w = 0; w < c->workers; w++) {
		if (c->vcpus[w])
			stubs_trim(process_vcpu(c->vcpus[w]));
	}
}

int process_cell_give_back(struct cell *c, frame_t first, uint32_t n)
{
	return madvise(cell_frame(c, first), n * (size_t)PAGE_SIZE, MADV_REMOVE) ? -errno : 0;
}
