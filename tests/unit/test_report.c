/* SPDX-License-Identifier: MIT */
/* A crash report is text of bounded size, whatever the image calls its functions and itself. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <cassin/text.h>

#include "elf_builder.h"
#include "fake_guest.h"

#define DEEP 32u /* frames that a report shows */

static char name[] = "victim";

/* A guest of an image with one function, of that name, that crashes in it below a deep chain of calls. The report. */
static char *crash(const char *function, const char *path)
{
	static struct elf e;
	struct fake_guest *f = fake_guest_new();
	struct guest *g = &f->guest;
	elf_init(&e);
	elf_symbol(&e, function, ELF_BASE, 0x100, STT_FUNC, 1);
	elf_finish(&e);
	cr_assert_eq(image_parse(&g->image, e.bytes, e.size, path, NULL), 0);
	g->spec.name = name;
	g->cpu.regs.rip = ELF_BASE + 0x10;
	g->cpu.regs.rbp = FAKE_BASE;
	for (uint64_t i = 0; i < 2 * DEEP; i++) {
		uint64_t frame[2] = {FAKE_BASE + 16 * (i + 1), ELF_BASE + 0x20};
		memcpy(fake_at(f, FAKE_BASE + 16 * i), frame, sizeof frame);
	}
	guest_crash(g, "invalid instruction");
	char *report = g->crash;
	image_put(g->image);
	g->image = NULL;
	fake_guest_free(f);
	cr_assert_not_null(report);
	return report;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void is_plain(const char *report)
{
	cr_expect_lt(strlen(report), REPORT_MAX);
	for (const char *at = report; *at; at++)
		cr_expect((*at >= ' ' && *at < 0x7f) || *at == '\n');
}

Test(report, names_the_function_of_every_frame)
{
	char *report = crash("main", "some/where/guest.elf");
	cr_expect_not_null(
		strstr(report, "guest victim (guest.elf) crashed: invalid instruction\n  at 0x400010 main+0x10\n"));
	cr_expect_not_null(strstr(report, "\n  #31 0x400020 main+0x20\n"));
	cr_expect_null(strstr(report, "#32"));
	is_plain(report);
	free(report);
}

Test(report, a_long_name_is_cut_in_every_frame)
{
	char function[900], shown[CASSIN_TEXT_SHOWN + sizeof " ...+"];
	memset(function, 'A', sizeof function - 1);
	function[sizeof function - 1] = '\0';
	memset(shown, 'A', sizeof shown);
	shown[0] = ' ';
	strcpy(shown + 1 + CASSIN_TEXT_SHOWN, "...+");
	char *report = crash(function, "guest.elf"), *at = report;
	unsigned found = 0;
	while ((at = strstr(at, shown))) {
		at++;
		found++;
	}
	cr_expect_eq(found, DEEP + 1, "in the first line and in each frame");
	is_plain(report);
	free(report);
}

Test(report, a_name_forges_no_line_and_commands_no_terminal)
{
	char *plain = crash("main", "guest.elf"),
	     *report = crash("x\nguest other crashed\033[2J\302\233\377", "guest.elf");
	cr_expect_not_null(strstr(report, "x\\nguest other crashed\\x1b[2J\\xc2\\x9b\\xff+0x10"));
	cr_expect_eq(lines(report), lines(plain));
	is_plain(report);
	free(plain);
	free(report);
}

Test(report, an_image_named_to_deceive_is_escaped)
{
	char *plain = crash("main", "guest.elf"), *report = crash("main", "dir/a\nb\033]0;\377.elf");
	cr_expect_not_null(strstr(report, "guest victim (a\\nb\\x1b]0;\\xff.elf) crashed"));
	cr_expect_eq(lines(report), lines(plain));
	is_plain(report);
	free(plain);
	free(report);
}

Test(report, the_worst_names_fit)
{
	char function[900];
	memset(function, 1, sizeof function - 1);
	function[sizeof function - 1] = '\0';
	char *report = crash(function, function);
	cr_expect_not_null(strstr(report, "\n  #31 0x400020 \\x01"));
	cr_expect_eq(report[strlen(report) - 1], '\n', "the report is whole");
	is_plain(report);
	free(report);
}
