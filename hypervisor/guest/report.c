/* SPDX-License-Identifier: MIT */
/*
 * Crash reports: why, where, registers, backtrace with the image's symbols. Names are the image's, which is hostile: they are
 * escaped and cut, so that a report is text of at most REPORT_MOST bytes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cassin/text.h>

#include "guest/guest.h"

#define FRAMES_MOST 32

static void put_address(FILE *out, const struct guest *g, uint64_t va)
{
	struct image_symbol symbol;
	char name[CASSIN_TEXT_ESCAPED];
	fprintf(out, "0x%llx", (unsigned long long)va);
	if (!image_symbol(g->image, va, &symbol))
		return;
	cassin_text_escape(name, symbol.name, symbol.len);
	fprintf(out, " %s+0x%llx", name, (unsigned long long)symbol.offset);
}

static void put_registers(FILE *out, const struct cpu_registers *r)
{
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{"rax", r->rax}, {"rbx", r->rbx}, {"rcx", r->rcx}, {"rdx", r->rdx}, {"rsi", r->rsi}, {"rdi", r->rdi},
		{"rbp", r->rbp}, {"rsp", r->rsp}, {"r8", r->r8},   {"r9", r->r9},   {"r10", r->r10}, {"r11", r->r11},
		{"r12", r->r12}, {"r13", r->r13}, {"r14", r->r14}, {"r15", r->r15},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		fprintf(out, "%s%-3s 0x%016llx%s", "  ", all[i].name, (unsigned long long)all[i].value,
			i % 4 == 3 ? "\n" : "");
	fprintf(out, "  rflags 0x%llx\n", (unsigned long long)r->rflags);
}

/* Follows the chain of frame pointers; each must lie above the last, so that a hostile one ends soon. */
static void put_backtrace(FILE *out, struct guest *g)
{
	uint64_t frame[2], at = g->cpu.regs.rbp;
	fputs("backtrace:\n  #0 ", out);
	put_address(out, g, g->cpu.regs.rip);
	fputc('\n', out);
	for (int i = 1; i < FRAMES_MOST; i++) {
		if (at % 8 || memory_copyin(&g->memory, frame, gva(at), sizeof frame) || !frame[1])
			return;
		fprintf(out, "  #%d ", i);
		put_address(out, g, frame[1]);
		fputc('\n', out);
		if (frame[0] <= at)
			return;
		at = frame[0];
	}
}

/* It ends for want of memory: what was waited for, and what to do. */
static void put_pool(FILE *out, const struct frame_pool *p)
{
	fprintf(out,
		"\n  it waited %.1f s for memory: all of the pool of %llu MiB was in use (cassin stats: by what; "
		"cassind --pool)",
		(double)p->patience / 1e9, (unsigned long long)(p->limit * PAGE_SIZE >> 20));
}

void guest_crash(struct guest *g, const char *format, ...)
{
	char *text = calloc(1, REPORT_MAX), image[CASSIN_TEXT_ESCAPED];
	user_drop(g); /* the crash is the guest's own */
	FILE *out = text ? fmemopen(text, REPORT_MAX - 1, "w") : NULL;
	if (!out) {
		free(text);
		return;
	}
	cassin_text_escape(image, g->image->name, strlen(g->image->name));
	fprintf(out, "guest %s (%s) crashed: ", g->spec.name, image);
	va_list args;
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	if (guest_wants_late(g))
		put_pool(out, g->host->pool);
	fputs("\n  at ", out);
	put_address(out, g, g->cpu.regs.rip);
	fputc('\n', out);
	put_registers(out, &g->cpu.regs);
	put_backtrace(out, g);
	fclose(out);
	free(g->crash);
	g->crash = strdup(text); /* of its own size: it is kept until the guest is removed */
	free(text);
}
