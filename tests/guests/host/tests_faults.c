/* SPDX-License-Identifier: MIT */
/* Every fault ends its guest with a report, and nobody else. */
#include "runner.h"

#define GP "general protection fault"
#define PF "page fault"
#define FAULT(what, text)                                                                                              \
	{                                                                                                              \
		.name = "faults." what, .run = crashes, .image = "faults", .args = what, .says = text                  \
	}

/* QEMU's software CPU never raises SIMD exceptions: the guest then says that it goes on. */
static void crashes_if_raised(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, t->image, t->image, t->args);
	if (await_end(w, id, 10).state == CASSIN_GUEST_CRASHED)
		expect_crash(w, id, t->says);
	else
		expect_says("the console", console_of(w, id), "did not end me");
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
}

/* `syscall`, `sysenter` and `int n` are no way in. What they raise differs from one KVM to the next; the guest ends. */
const struct test tests_faults[] = {
	FAULT("read-null", PF ": read of 0x0|null|main"),
	FAULT("write-null", PF ": write to 0x0|null"),
	FAULT("write-code", PF ": write to"),
	FAULT("write-constant", PF ": write to"),
	FAULT("exec-data", PF ": execution of"),
	FAULT("exec-constant", PF ": execution of"),
	FAULT("exec-heap", PF ": execution of"),
	FAULT("exec-stack", PF ": execution of"),
	FAULT("exec-clock", PF ": execution of"),
	FAULT("jump-null", PF ": execution of 0x0"),
	FAULT("guard", PF ": write to|stack guard"),
	FAULT("recursion", "stack guard|recurse"),
	FAULT("write-clock", PF ": write to|read-only page of the hypervisor"),
	FAULT("write-info", PF ": write to|read-only page of the hypervisor"),
	FAULT("past-heap", PF ": write to|not mapped"),
	FAULT("read-monitor", PF ": read of 0x8000000000|outside a guest's addresses"),
	FAULT("write-monitor", PF ": write to 0x8000001000"),
	FAULT("jump-monitor", PF ": execution of 0x8000000000"),
	FAULT("read-direct", PF ": read of 0x10000000000"),
	FAULT("read-high", PF ": read of 0xffff800000000000"),
	FAULT("write-high", PF ": write to 0xfffffffffffff000"),
	FAULT("non-canonical", GP),
	FAULT("jump-non-canonical", GP),
	FAULT("hlt", GP),
	FAULT("ud2", "invalid opcode|main"),
	FAULT("div0", "divide error"),
	FAULT("cr0", GP),
	FAULT("cr3", GP),
	FAULT("rdmsr", GP),
	FAULT("wrmsr", GP),
	FAULT("lgdt", GP),
	FAULT("lidt", GP),
	FAULT("ltr", GP),
	FAULT("invlpg", GP),
	FAULT("wbinvd", GP),
	FAULT("xsetbv", GP),
	FAULT("swapgs", GP),
	FAULT("clts", GP),
	FAULT("kernel-segment", GP),
	FAULT("code-of-32-bits", GP),
	FAULT("single-step", "single step"),
	FAULT("syscall", NULL),
	FAULT("syscall-monitor-stack", NULL),
	FAULT("sysenter", NULL),
	FAULT("int80", NULL),
	FAULT("int3", NULL),
	FAULT("int14", NULL),
	FAULT("int0", NULL),
	FAULT("no-stack", "invalid opcode"),
	FAULT("monitor-stack", "invalid opcode"),
	FAULT("push-no-stack", PF ": write to 0xff8"),
	FAULT("non-canonical-stack", NULL),
	FAULT("frame-loop", "invalid opcode"),
	FAULT("frame-monitor", "invalid opcode"),
	FAULT("frame-non-canonical", "invalid opcode"),
	FAULT("frame-end", "invalid opcode"),
	{.name = "faults.simd",
	 .run = crashes_if_raised,
	 .image = "faults",
	 .args = "simd",
	 .says = "SIMD floating-point error"},
	FAULT("x87", "x87 floating-point error"),
	FAULT("segment", GP),
	FAULT("segment-past-gdt", GP),
	FAULT("icebp", NULL),
	FAULT("iret", NULL),
	FAULT("vmcall", NULL),
	FAULT("vmmcall", NULL),
	FAULT("in", NULL),
	FAULT("inl", NULL),
	FAULT("outw", NULL),
	FAULT("outl", NULL),
	FAULT("out-dx", NULL),
	FAULT("outsb", NULL),
	FAULT("rep-outsb", NULL),
	FAULT("insb", NULL),
	FAULT("port-80", NULL),
	FAULT("port-c9", NULL),
	FAULT("outw-c9", NULL),
	FAULT("port-cb", NULL),
	FAULT("port-cf8", NULL),
	FAULT("port-ffff", NULL),
	{.name = "faults.port-of-the-monitor", .run = crashes, .image = "faults", .args = "204"},
	{0},
};
