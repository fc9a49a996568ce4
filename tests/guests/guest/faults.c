/* SPDX-License-Identifier: MIT */
/* Each of these ends the guest, with a report. The line after the deed must never be reached. */
#include "check.h"

#define AT(address) ((volatile uint64_t *)(uint64_t)(address))
#define ASM(text) __asm__ volatile(text ::: "memory", "rax", "rcx", "rdx", "rbx", "rdi", "rsi")
#define MONITOR_VA CASSIN_VA_END /* its tables lie behind the guests' addresses */

static const uint64_t constant = 42;
static volatile uint64_t variable = UINT64_C(0xc3c3c3c3c3c3c3c3);

/* So that the compiler cannot see what is written. */
static volatile uint64_t *hidden(const uint64_t *p)
{
	__asm__("" : "+r"(p));
	return (volatile uint64_t *)(uint64_t)p;
}

static void fill(volatile char *p, size_t n)
{
	while (n--)
		*p++ = 1;
}

static unsigned __attribute__((noinline, used)) recurse(unsigned n)
{
	volatile char room[256];
	fill(room, sizeof room);
	if (!room[0])
		return 0;
	return recurse(n + 1) + (unsigned)room[n % sizeof room];
}

static void jump(uint64_t at)
{
	void (*volatile to)(void) = (void (*)(void))at;
	to();
}

static void memory_deed(const char *deed)
{
	if (strcmp(deed, "read-null") == 0)
		(void)*AT(0);
	else if (strcmp(deed, "write-null") == 0)
		*AT(0) = 1;
	else if (strcmp(deed, "write-code") == 0)
		*AT(recurse) = 1;
	else if (strcmp(deed, "write-constant") == 0)
		*hidden(&constant) = 1;
	else if (strcmp(deed, "exec-data") == 0)
		jump((uint64_t)&variable);
	else if (strcmp(deed, "exec-constant") == 0)
		jump((uint64_t)hidden(&constant));
	else if (strcmp(deed, "exec-heap") == 0)
		*AT(cassin_boot->heap) = variable, jump(cassin_boot->heap);
	else if (strcmp(deed, "exec-stack") == 0)
		jump((uint64_t)&deed);
	else if (strcmp(deed, "exec-clock") == 0)
		jump(cassin_boot->clock_page);
	else if (strcmp(deed, "jump-null") == 0)
		jump(0);
	else if (strcmp(deed, "guard") == 0)
		*AT(cassin_boot->stack_low - 8) = 1;
	else if (strcmp(deed, "recursion") == 0)
		recurse(0);
	else if (strcmp(deed, "write-clock") == 0)
		*AT(cassin_boot->clock_page) = 1;
	else if (strcmp(deed, "write-info") == 0)
		*AT(cassin_boot->info_page) = 1;
	else if (strcmp(deed, "past-heap") == 0)
		*AT(cassin_boot->heap + cassin_boot->heap_size) = 1;
	else if (strcmp(deed, "read-monitor") == 0)
		(void)*AT(MONITOR_VA);
	else if (strcmp(deed, "write-monitor") == 0)
		*AT(MONITOR_VA + 0x1000) = 1;
	else if (strcmp(deed, "jump-monitor") == 0)
		jump(MONITOR_VA);
	else if (strcmp(deed, "read-direct") == 0)
		(void)*AT(UINT64_C(0x10000000000)); /* what the monitor's own root shows there */
	else if (strcmp(deed, "read-high") == 0)
		(void)*AT(UINT64_C(0xffff800000000000));
	else if (strcmp(deed, "write-high") == 0)
		*AT(UINT64_C(0xfffffffffffff000)) = 1;
	else if (strcmp(deed, "non-canonical") == 0)
		(void)*AT(UINT64_C(0x0000900000000000));
	else if (strcmp(deed, "jump-non-canonical") == 0)
		jump(UINT64_C(0x0000900000000000));
}

static void instruction_deed(const char *deed)
{
	if (strcmp(deed, "hlt") == 0)
		ASM("hlt");
	else if (strcmp(deed, "ud2") == 0)
		ASM("ud2");
	else if (strcmp(deed, "div0") == 0)
		ASM("xor %%ecx, %%ecx\n\txor %%edx, %%edx\n\tmov $1, %%eax\n\tdiv %%ecx");
	else if (strcmp(deed, "cr0") == 0)
		ASM("mov %%cr0, %%rax");
	else if (strcmp(deed, "cr3") == 0)
		ASM("xor %%eax, %%eax\n\tmov %%rax, %%cr3");
	else if (strcmp(deed, "rdmsr") == 0)
		ASM("mov $0xc0000080, %%ecx\n\trdmsr");
	else if (strcmp(deed, "wrmsr") == 0)
		ASM("mov $0xc0000080, %%ecx\n\txor %%eax, %%eax\n\txor %%edx, %%edx\n\twrmsr");
	else if (strcmp(deed, "lgdt") == 0)
		ASM("lgdt variable(%%rip)");
	else if (strcmp(deed, "lidt") == 0)
		ASM("lidt variable(%%rip)");
	else if (strcmp(deed, "ltr") == 0)
		ASM("mov $0x28, %%eax\n\tltr %%ax");
	else if (strcmp(deed, "invlpg") == 0)
		ASM("invlpg variable(%%rip)");
	else if (strcmp(deed, "wbinvd") == 0)
		ASM("wbinvd");
	else if (strcmp(deed, "xsetbv") == 0)
		ASM("xor %%ecx, %%ecx\n\txor %%edx, %%edx\n\tmov $1, %%eax\n\txsetbv");
	else if (strcmp(deed, "swapgs") == 0)
		ASM("swapgs");
	else if (strcmp(deed, "clts") == 0)
		ASM("clts");
	else if (strcmp(deed, "kernel-segment") == 0)
		ASM("pushq $8\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tlretq\n1:\thlt");
	else if (strcmp(deed, "code-of-32-bits") == 0)
		ASM("pushq $0x23\n\tlea 1f(%%rip), %%rax\n\tpush %%rax\n\tmov $1, %%eax\n\tlretq\n1:\tout %%al, $0xca");
	else if (strcmp(deed, "single-step") == 0)
		ASM("1: pushf\n\torl $0x100, (%%rsp)\n\tpopf\n\tnop\n\tjmp 1b");
	else if (strcmp(deed, "syscall") == 0)
		ASM("mov $60, %%eax\n\tsyscall");
	else if (strcmp(deed, "syscall-monitor-stack") == 0)
		ASM("mov $0x8000002000, %%rax\n\tmov %%rax, %%rsp\n\tsyscall");
	else if (strcmp(deed, "sysenter") == 0)
		ASM("sysenter");
	else if (strcmp(deed, "int80") == 0)
		ASM("int $0x80");
	else if (strcmp(deed, "int3") == 0)
		ASM("int3");
	else if (strcmp(deed, "int14") == 0)
		ASM("int $14");
	else if (strcmp(deed, "int0") == 0)
		ASM("int $0");
}

/* Processor state that the exception stubs and the report must not trust. */
static void state_deed(const char *deed)
{
	if (strcmp(deed, "no-stack") == 0)
		ASM("xor %%esp, %%esp\n\tud2");
	else if (strcmp(deed, "monitor-stack") == 0)
		ASM("mov $0x8000002ff8, %%rax\n\tmov %%rax, %%rsp\n\tud2");
	else if (strcmp(deed, "push-no-stack") == 0)
		ASM("mov $0x1000, %%esp\n\tpush %%rax");
	else if (strcmp(deed, "non-canonical-stack") == 0)
		ASM("mov $0x900000000000, %%rax\n\tmov %%rax, %%rsp\n\tpush %%rax");
	else if (strcmp(deed, "frame-loop") == 0)
		ASM("push $0x401000\n\tpush %%rsp\n\tmov %%rsp, %%rbp\n\tmov %%rbp, (%%rsp)\n\tud2");
	else if (strcmp(deed, "frame-monitor") == 0)
		ASM("mov $0x8000001000, %%rbp\n\tud2");
	else if (strcmp(deed, "frame-non-canonical") == 0)
		ASM("mov $0x900000000000, %%rbp\n\tud2");
	else if (strcmp(deed, "frame-end") == 0)
		ASM("mov $0x7ffffffff8, %%rbp\n\tud2");
	else if (strcmp(deed, "simd") == 0)
		ASM("pushq $0x1d80\n\tldmxcsr (%%rsp)\n\tpop %%rax\n\txorps %%xmm0, %%xmm0\n\t"
		    "mov $0x3f800000, %%eax\n\tmovd %%eax, %%xmm1\n\tdivss %%xmm0, %%xmm1");
	else if (strcmp(deed, "x87") == 0)
		ASM("pushq $0x37b\n\tfldcw (%%rsp)\n\tpop %%rax\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait\n\tfldz\n\tfwait");
	else if (strcmp(deed, "segment") == 0)
		ASM("mov $0x8, %%eax\n\tmov %%eax, %%ds");
	else if (strcmp(deed, "segment-past-gdt") == 0)
		ASM("mov $0xfff3, %%eax\n\tmov %%eax, %%es");
	else if (strcmp(deed, "icebp") == 0)
		ASM(".byte 0xf1");
	else if (strcmp(deed, "iret") == 0)
		ASM("pushq $0x10\n\tpushq $0\n\tpushq $2\n\tpushq $8\n\tpushq $0x401000\n\tiretq");
	else if (strcmp(deed, "vmcall") == 0)
		ASM("mov $1, %%eax\n\tvmcall\n\tud2");
	else if (strcmp(deed, "vmmcall") == 0)
		ASM("mov $1, %%eax\n\tvmmcall\n\tud2");
}

static void port_deed(const char *deed)
{
	if (strcmp(deed, "in") == 0)
		ASM("in $0xca, %%al");
	else if (strcmp(deed, "inl") == 0)
		ASM("in $0xca, %%eax");
	else if (strcmp(deed, "outw") == 0)
		ASM("xor %%eax, %%eax\n\tout %%ax, $0xca");
	else if (strcmp(deed, "outl") == 0)
		ASM("xor %%eax, %%eax\n\tout %%eax, $0xca");
	else if (strcmp(deed, "out-dx") == 0)
		ASM("mov $0xca, %%edx\n\txor %%eax, %%eax\n\tout %%al, (%%dx)");
	else if (strcmp(deed, "outsb") == 0)
		ASM("mov $0xca, %%edx\n\tlea variable(%%rip), %%rsi\n\toutsb");
	else if (strcmp(deed, "rep-outsb") == 0)
		ASM("mov $0xca, %%edx\n\tlea variable(%%rip), %%rsi\n\tmov $8, %%ecx\n\trep outsb");
	else if (strcmp(deed, "insb") == 0)
		ASM("mov $0xca, %%edx\n\tlea variable(%%rip), %%rdi\n\tinsb");
	else if (strcmp(deed, "port-80") == 0)
		ASM("out %%al, $0x80");
	else if (strcmp(deed, "port-c9") == 0)
		ASM("out %%al, $0xc9");
	else if (strcmp(deed, "port-cb") == 0)
		ASM("out %%al, $0xcb");
	else if (strcmp(deed, "outw-c9") == 0)
		ASM("out %%ax, $0xc9");
	else if (strcmp(deed, "port-cf8") == 0)
		ASM("mov $0xcf8, %%edx\n\tin (%%dx), %%eax");
	else if (strcmp(deed, "port-ffff") == 0)
		ASM("mov $0xffff, %%edx\n\tout %%al, (%%dx)");
}

/* The ports that the monitor uses, by number. */
static void monitor_port_deed(const char *number)
{
	uint64_t port = (uint64_t)cassin_parse(number, strlen(number));
	__asm__ volatile("out %%al, (%%dx)" : : "a"(0), "d"(port) : "memory");
}

int main(int argc, char **argv)
{
	const char *deed = argc > 1 ? argv[1] : "";
	if (deed[0] >= '0' && deed[0] <= '9')
		monitor_port_deed(deed);
	memory_deed(deed);
	instruction_deed(deed);
	state_deed(deed);
	port_deed(deed);
	cassin_print("%s did not end me\n", deed);
	return 1;
}
