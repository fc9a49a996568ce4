/* SPDX-License-Identifier: MIT */
/* Registers as GDB numbers them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gdb_registers.h"

static unsigned number_of(const char *xml, const char *name)
{
	char wanted[32];
	unsigned n = 0;
	snprintf(wanted, sizeof wanted, "<reg name=\"%s\"", name);
	for (const char *at = strstr(xml, "<reg "); at; at = strstr(at + 1, "<reg "), n++) {
		if (!strncmp(at, wanted, strlen(wanted)))
			return n;
	}
	return UINT32_MAX;
}

Test(gdb_registers, the_description_has_all_of_them_with_their_sizes)
{
	char *xml = gdb_target_xml();
	unsigned n = 0;
	for (const char *at = strstr(xml, "<reg "); at; at = strstr(at + 1, "<reg "), n++)
		cr_assert_eq(strtoul(strstr(at, "bitsize=\"") + 9, NULL, 10), 8 * gdb_register_size(n), "register %u",
			     n);
	cr_assert_eq(n, GDB_REGISTERS);
	cr_assert_eq(gdb_register_size(GDB_REGISTERS), 0);
	cr_assert_eq(number_of(xml, "rip"), GDB_RIP);
	cr_assert_eq(number_of(xml, "rsp"), GDB_RSP);
	cr_assert_eq(number_of(xml, "rbp"), GDB_RBP);
	free(xml);
}

Test(gdb_registers, each_is_what_its_name_says)
{
	struct cassin_debug_registers r = {
		.rip = 1, .rflags = 2, .cs = 0x2b, .fs_base = 3, .mxcsr = 0x1f80, .fctrl = 0x37f};
	char *xml = gdb_target_xml();
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {{"rip", 1},        {"eflags", 2},    {"cs", 0x2b}, {"fs_base", 3},
		   {"mxcsr", 0x1f80}, {"fctrl", 0x37f}, {"r15", 15}};
	r.general[15] = 15;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		uint64_t value = 0;
		gdb_register_get(&r, number_of(xml, all[i].name), (unsigned char *)&value);
		cr_assert_eq(value, all[i].value, "%s is %lx", all[i].name, value);
	}
	free(xml);
}

Test(gdb_registers, what_is_set_is_got_back)
{
	struct cassin_debug_registers from, to;
	memset(&from, 0x5a, sizeof from);
	memset(&to, 0x5a, sizeof to); /* what cannot be set */
	for (int i = 0; i < 16; i++)
		from.general[i] = 0x1111111111111111u * (unsigned)i;
	from.st[7][9] = 1;
	from.xmm[15][15] = 2;
	from.rip = 0x401000;
	from.rflags = 0x246;
	from.ftag = 0x81;
	from.fip = 0x123456789abcdef0;
	from.fdp = 0xfedcba9876543210;
	for (unsigned n = 0; n < GDB_REGISTERS; n++) {
		unsigned char value[GDB_REGISTER_MAX];
		cr_assert_eq(gdb_register_get(&from, n, value), gdb_register_size(n));
		gdb_register_set(&to, n, value);
	}
	cr_assert_eq(memcmp(from.general, to.general, sizeof to.general), 0);
	cr_assert_eq(memcmp(from.st, to.st, sizeof to.st), 0);
	cr_assert_eq(memcmp(from.xmm, to.xmm, sizeof to.xmm), 0);
	cr_assert_eq(to.rip, from.rip);
	cr_assert_eq(to.rflags, from.rflags);
	cr_assert_eq(to.ftag, from.ftag);
	cr_assert_eq(to.fip, from.fip);
	cr_assert_eq(to.fdp, from.fdp);
	cr_assert_eq(to.cs, from.cs);
}
