/* SPDX-License-Identifier: MIT */
/* Crash reports of guests with any stack, registers and names: text of a bounded size, of as many lines as it has parts. */
#include "fuzz.h"

#include "elf_builder.h"
#include "fuzz_input.h"

#define LINES_MOST 40u /* why, where, five of registers, a heading, 32 frames */

static void name_from(char *to, struct input *in, size_t most)
{
	size_t n = (size_t)take(in, 2) % most;
	for (size_t i = 0; i < n; i++) {
		to[i] = (char)take(in, 1);
		if (!to[i])
			to[i] = 'a';
	}
	to[n ? n : 1] = '\0';
	if (!n)
		to[0] = 'a';
}

static void check(const char *report)
{
	unsigned lines = 0;
	MUST(report && strlen(report) < REPORT_MAX);
	for (const char *at = report; *at; at++) {
		MUST((*at >= ' ' && *at < 0x7f) || *at == '\n');
		lines += *at == '\n';
	}
	MUST(lines >= 7 && lines <= LINES_MOST && report[strlen(report) - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct elf e;
	static char guest_name[] = "fuzz", name[512], path[512];
	struct input in = {data, size};
	struct fake_guest *f = fake_guest_new();
	struct guest *g = &f->guest;
	name_from(name, &in, 400);
	name_from(path, &in, 400);
	elf_init(&e);
	elf_symbol(&e, name, ELF_BASE + take(&in, 1), take(&in, 2), STT_FUNC, 1);
	elf_finish(&e);
	MUST(image_parse(&g->image, e.bytes, e.size, path, NULL) == 0);
	g->spec.name = guest_name;
	g->cpu.regs.rip = ELF_BASE + take(&in, 2);
	g->cpu.regs.rbp = take_address(&in);
	f->limit = FAKE_BASE + take(&in, 2);
	while (in.left)
		poke(f, &in);
	guest_crash(g, "page fault: read 0x%llx, %s", (unsigned long long)g->cpu.regs.rbp, "not mapped");
	check(g->crash);
	free(g->crash);
	image_put(g->image);
	fake_guest_free(f);
	return 0;
}
