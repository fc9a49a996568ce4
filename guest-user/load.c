/* SPDX-License-Identifier: MIT */
/* From a file of the archive to memory that can run. */
#include "image.h"
#include "processes.h"

#define STACK_SIZE (8u * CASSIN_PAGE_SIZE)
#define RW (CASSIN_READ | CASSIN_WRITE)

static int load_segments(struct space *s, const struct image *i)
{
	uint8_t *at;
	for (unsigned n = 0; n < i->n; n++) {
		const struct segment *g = &i->segments[n];
		if (space_add(s, g->va, g->size, g->rights, &at))
			return -CASSIN_ENOMEM;
		memcpy(at, g->bytes, g->file_size);
		s->heap_end = (g->va + g->size + CASSIN_PAGE_SIZE - 1) & ~(uint64_t)(CASSIN_PAGE_SIZE - 1);
	}
	s->heap_mapped = s->heap_end;
	return 0;
}

/* Arguments end in a zero each. How many there are, with the name; -CASSIN_EINVAL. */
static int count_args(const char *args, size_t size)
{
	int n = 1;
	if (size > CASSIN_ARGS_MAX || (size && args[size - 1]))
		return -CASSIN_EINVAL;
	for (size_t i = 0; i < size; i++)
		n += !args[i];
	return n <= (int)CASSIN_ARGC_MAX ? n : -CASSIN_EINVAL;
}

/* From the top down: the strings, then argv. */
static int load_args(struct process *p, const char *args, size_t size, int argc)
{
	uint64_t argv[CASSIN_ARGC_MAX + 1] = {0};
	size_t name_size = strlen(p->name) + 1;
	uint64_t strings = CASSIN_USER_STACK_TOP - name_size - size, at = strings + name_size;
	uint64_t table = (strings - sizeof argv) & ~UINT64_C(15);
	argv[0] = strings;
	for (int i = 1; i < argc; i++) {
		argv[i] = at;
		at += strlen(args + (at - strings - name_size)) + 1;
	}
	int r = space_write(&p->space, strings, p->name, name_size);
	if (!r)
		r = space_write(&p->space, strings + name_size, args, size);
	if (!r)
		r = space_write(&p->space, table, argv, sizeof argv);
	p->frame.regs.rdi = (uint64_t)argc;
	p->frame.regs.rsi = table;
	p->frame.regs.rsp = table;
	return r;
}

int process_load(struct process *p, const char *name, const char *args, size_t size)
{
	struct archive_file f;
	struct image i;
	uint8_t *stack;
	int argc = count_args(args, size);
	if (argc < 0)
		return argc;
	if (strlen(name) >= sizeof p->name || !archive_find(&processes.archive, name, &f))
		return -CASSIN_ENOENT;
	memcpy(p->name, name, strlen(name) + 1);
	int r = image_read(&i, f.bytes, f.size);
	if (!r)
		r = space_make(&p->space, processes.limits.pages);
	if (r)
		return r;
	r = load_segments(&p->space, &i);
	if (!r)
		r = space_add(&p->space, CASSIN_USER_STACK_TOP - STACK_SIZE, STACK_SIZE, RW, &stack);
	if (!r)
		r = load_args(p, args, size, argc);
	if (r)
		space_free(&p->space);
	p->frame.regs.rip = i.entry;
	cassin_vectors_init(&p->vectors);
	return r;
}
