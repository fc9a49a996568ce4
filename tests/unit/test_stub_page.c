/* SPDX-License-Identifier: MIT */
/* The filter in a process cell's page, run by an interpreter of its few instructions over calls that are made up. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/types.h"
#include "process/page.h"

static unsigned char page[4096];

static uint32_t run(const struct seccomp_data *d)
{
	struct sock_fprog program;
	struct sock_filter filter[64];
	uint32_t a = 0;
	memcpy(&program, page + PAGE_FILTER, sizeof program);
	cr_assert_leq(program.len, 64);
	cr_assert_eq((uintptr_t)program.filter, PAGE_VA + PAGE_FILTER + sizeof program);
	memcpy(filter, page + PAGE_FILTER + sizeof program, program.len * sizeof *filter);
	for (unsigned i = 0; i < program.len; i++) {
		const struct sock_filter *f = &filter[i];
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			cr_assert_leq(f->k, sizeof *d - 4);
			memcpy(&a, (const unsigned char *)d + f->k, sizeof a);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			i += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			i += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			cr_assert_fail("instruction %u of the filter: code 0x%x", i, f->code);
		}
	}
	cr_assert_fail("the filter does not end");
	return 0;
}

static struct seccomp_data good_mmap(void)
{
	return (struct seccomp_data){
		.nr = SYS_mmap,
		.arch = AUDIT_ARCH_X86_64,
		.instruction_pointer = PAGE_VA + (uint64_t)(stub_call_end - stub_code),
		.args = {0x400000, 4096, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, STUB_MEMORY, 0x1000},
	};
}

static bool admitted(struct seccomp_data d)
{
	uint32_t action = run(&d);
	cr_assert(action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_TRAP);
	return action == SECCOMP_RET_ALLOW;
}

static bool admitted_with(unsigned argument, uint64_t value)
{
	struct seccomp_data d = good_mmap();
	d.args[argument] = value;
	return admitted(d);
}

static void setup(void)
{
	stub_page_build(page);
}

TestSuite(stub_page, .init = setup);

Test(stub_page, our_two_calls_are_admitted)
{
	struct seccomp_data d = good_mmap();
	cr_expect(admitted(d));
	d.nr = SYS_munmap;
	cr_expect(admitted(d));
	d.args[0] = 0;
	d.args[1] = UINT64_C(0x8000000000);
	cr_expect(admitted(d));
	for (uint64_t rights = 0; rights < 8; rights++)
		cr_expect_eq(admitted_with(2, rights), (rights & 6) != 6, "rights %d", (int)rights);
	cr_expect(admitted_with(3, MAP_SHARED | MAP_FIXED | MAP_POPULATE));
	cr_expect(admitted_with(5, UINT64_C(0x7ffff000)));
}

Test(stub_page, no_other_call_is)
{
	for (int nr = -1; nr < 1024; nr++) {
		struct seccomp_data d = good_mmap();
		d.nr = nr;
		cr_expect_eq(admitted(d), nr == SYS_mmap || nr == SYS_munmap, "call %d", nr);
		d.nr = nr | 0x40000000;
		cr_expect(nr < 0 || !admitted(d), "call %d of x32", nr);
	}
}

Test(stub_page, nor_from_elsewhere_nor_in_another_mode)
{
	struct seccomp_data d = good_mmap();
	const uint64_t right = d.instruction_pointer;
	for (unsigned bit = 0; bit < 64; bit++) {
		d.instruction_pointer = right ^ UINT64_C(1) << bit;
		cr_expect_not(admitted(d), "bit %u of the address", bit);
	}
	for (uint64_t at = PAGE_VA; at < PAGE_VA + 4096; at++) {
		d.instruction_pointer = at;
		cr_expect_eq(admitted(d), at == right);
	}
	d.instruction_pointer = UINT64_C(0xffffffffff600000);
	cr_expect_not(admitted(d));
	d = good_mmap();
	d.arch = AUDIT_ARCH_I386;
	cr_expect_not(admitted(d));
	d.arch = 0;
	cr_expect_not(admitted(d));
}

Test(stub_page, each_argument_must_be_ours)
{
	const uint64_t end = UINT64_C(0x8000000000);
	for (int nr = 0; nr < 2; nr++) {
		struct seccomp_data d = good_mmap();
		d.nr = nr ? SYS_mmap : SYS_munmap;
		d.args[0] = end - 4096;
		cr_expect(admitted(d));
		const uint64_t places[] = {end, PAGE_VA, STUB_VA, UINT64_MAX, UINT64_C(1) << 63};
		for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
			d.args[0] = places[i];
			cr_expect_not(admitted(d), "place %u", i);
		}
		d.args[0] = 0;
		/* Nothing that begins below the guests' end and is as long as may be reaches our page. */
		for (unsigned bit = 0; bit < 64; bit++) {
			d.args[1] = UINT64_C(1) << bit;
			cr_expect_eq(admitted(d), d.args[1] <= end, "2^%u bytes", bit);
			cr_expect(!admitted(d) || end - 1 + d.args[1] < STUB_VA);
		}
	}
	for (unsigned bit = 3; bit < 64; bit++)
		cr_expect_not(admitted_with(2, UINT64_C(1) << bit | PROT_READ), "right of bit %u", bit);
	for (unsigned bit = 0; bit < 32; bit++) {
		uint64_t flags = (MAP_SHARED | MAP_FIXED) ^ UINT64_C(1) << bit;
		cr_expect_eq(admitted_with(3, flags), UINT64_C(1) << bit == MAP_POPULATE, "flag of bit %u", bit);
	}
	for (int fd = -1; fd < 64; fd++)
		cr_expect_eq(admitted_with(4, (uint32_t)fd), fd == STUB_MEMORY, "descriptor %d", fd);
}
