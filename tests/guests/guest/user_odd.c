/* SPDX-License-Identifier: MIT */
/*
 * Instructions that are seldom met: of the host's kernel, of hypervisors, of processors to come; states that few programs have. User
 * code executes each with several sets of registers. It may work or be a fault, as the processor has it; a second user finds
 * all as it left it, and the kernel's own memory is untouched.
 */
#include "user_trial.h"

CASSIN_NEEDS_1_1;

#define BYTES(text) text, sizeof text - 1

struct odd {
	const char *name, *bytes;
	size_t n;
};

/* What only a kernel may do, and what no processor does: always a fault. */
static const struct odd forbidden[] = {
	{"hlt", BYTES("\xf4")},
	{"invd", BYTES("\x0f\x08")},
	{"wbnoinvd", BYTES("\xf3\x0f\x09")},
	{"rsm", BYTES("\x0f\xaa")},
	{"sysret", BYTES("\x0f\x07")},
	{"sysretq", BYTES("\x48\x0f\x07")},
	{"sysexit", BYTES("\x0f\x35")},
	{"sysexitq", BYTES("\x48\x0f\x35")},
	{"lldt", BYTES("\x0f\x00\xd0")},
	{"lmsw", BYTES("\x0f\x01\xf0")},
	{"read cr2", BYTES("\x0f\x20\xd0")},
	{"read cr4", BYTES("\x0f\x20\xe0")},
	{"read cr8", BYTES("\x44\x0f\x20\xc0")},
	{"write cr8", BYTES("\x44\x0f\x22\xc0")},
	{"read dr0", BYTES("\x0f\x21\xc0")},
	{"read dr7", BYTES("\x0f\x21\xf8")},
	{"write dr0", BYTES("\x0f\x23\xc0")},
	{"write dr7", BYTES("\x0f\x23\xf8")},
	{"monitor", BYTES("\x0f\x01\xc8")},
	{"mwait", BYTES("\x0f\x01\xc9")},
	{"stac", BYTES("\x0f\x01\xcb")},
	{"clac", BYTES("\x0f\x01\xca")},
	{"xsaves", BYTES("\x0f\xc7\x28")},
	{"xrstors", BYTES("\x0f\xc7\x18")},
	{"wrmsrns", BYTES("\x0f\x01\xc6")},
	{"rdmsrlist", BYTES("\xf2\x0f\x01\xc6")},
	{"wrmsrlist", BYTES("\xf3\x0f\x01\xc6")},
	{"lkgs", BYTES("\xf2\x0f\x00\xf0")},
	{"eretu", BYTES("\xf3\x0f\x01\xca")},
	{"erets", BYTES("\xf2\x0f\x01\xca")},
	{"encls", BYTES("\x0f\x01\xcf")},
	{"enclv", BYTES("\x0f\x01\xc0")},
	{"seamcall", BYTES("\x66\x0f\x01\xcf")},
	{"wrussq", BYTES("\x66\x48\x0f\x38\xf5\x00")},
	{"ud0", BYTES("\x0f\xff\xc0")},
	{"ud1", BYTES("\x0f\xb9\xc0")},
	{"lock nop", BYTES("\xf0\x90")},
	{"lock cmpxchg8b eax", BYTES("\xf0\x0f\xc7\xc8")},
	{"16 bytes", BYTES("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90")},
	{"into", BYTES("\xce")},
	{"daa", BYTES("\x27")},
	{"push es", BYTES("\x06")},
	{"les", BYTES("\xc4\x00")},
	{"far call direct", BYTES("\x9a\x00\x00\x40\x00\x33\x00")},
	{"far jump direct", BYTES("\xea\x00\x00\x40\x00\x33\x00")},
	{"int1", BYTES("\xf1")},
};

/* Whatever this processor makes of them. */
static const struct odd allowed[] = {
	{"cli", BYTES("\xfa")},
	{"sti", BYTES("\xfb")},
	{"pause", BYTES("\xf3\x90")},
	{"cpuid", BYTES("\x0f\xa2")},
	{"rdtsc", BYTES("\x0f\x31")},
	{"rdtscp", BYTES("\x0f\x01\xf9")},
	{"rdpmc", BYTES("\x0f\x33")},
	{"rdpru", BYTES("\x0f\x01\xfd")},
	{"rdpid", BYTES("\xf3\x0f\xc7\xf8")},
	{"xgetbv", BYTES("\x0f\x01\xd0")},
	{"sgdt", BYTES("\x0f\x01\x00")},
	{"sidt", BYTES("\x0f\x01\x08")},
	{"sldt", BYTES("\x0f\x00\x00")},
	{"str", BYTES("\x0f\x00\xc8")},
	{"smsw", BYTES("\x0f\x01\xe0")},
	{"smsw memory", BYTES("\x0f\x01\x20")},
	{"verr", BYTES("\x0f\x00\xe0")},
	{"verw", BYTES("\x0f\x00\xe8")},
	{"lar", BYTES("\x0f\x02\xc0")},
	{"lsl", BYTES("\x0f\x03\xc0")},
	{"rdfsbase", BYTES("\xf3\x48\x0f\xae\xc0")},
	{"rdgsbase", BYTES("\xf3\x48\x0f\xae\xc8")},
	{"wrfsbase", BYTES("\xf3\x48\x0f\xae\xd0")},
	{"wrgsbase", BYTES("\xf3\x48\x0f\xae\xd8")},
	{"mov ds", BYTES("\x8e\xd8")},
	{"mov es", BYTES("\x8e\xc0")},
	{"mov fs", BYTES("\x8e\xe0")},
	{"mov gs", BYTES("\x8e\xe8")},
	{"mov ss", BYTES("\x8e\xd0")},
	{"lss", BYTES("\x0f\xb2\x00")},
	{"lfs", BYTES("\x0f\xb4\x00")},
	{"lgs", BYTES("\x0f\xb5\x00")},
	{"far call", BYTES("\xff\x18")},
	{"far call wide", BYTES("\x48\xff\x18")},
	{"far jump", BYTES("\xff\x28")},
	{"rdrand", BYTES("\x0f\xc7\xf0")},
	{"rdseed", BYTES("\x0f\xc7\xf8")},
	{"clzero", BYTES("\x0f\x01\xfc")},
	{"clflush", BYTES("\x0f\xae\x38")},
	{"clflushopt", BYTES("\x66\x0f\xae\x38")},
	{"clwb", BYTES("\x66\x0f\xae\x30")},
	{"cldemote", BYTES("\x0f\x1c\x00")},
	{"prefetcht0", BYTES("\x0f\x18\x08")},
	{"prefetchnta", BYTES("\x0f\x18\x00")},
	{"prefetchw", BYTES("\x0f\x0d\x08")},
	{"prefetchit0", BYTES("\x0f\x18\x3d\x00\x00\x00\x00")},
	{"movdiri", BYTES("\x0f\x38\xf9\x00")},
	{"movdir64b", BYTES("\x66\x0f\x38\xf8\x07")},
	{"enqcmd", BYTES("\xf2\x0f\x38\xf8\x07")},
	{"enqcmds", BYTES("\xf3\x0f\x38\xf8\x07")},
	{"umonitor", BYTES("\xf3\x0f\xae\xf0")},
	{"umwait", BYTES("\xf2\x0f\xae\xf1")},
	{"tpause", BYTES("\x66\x0f\xae\xf1")},
	{"monitorx", BYTES("\x0f\x01\xfa")},
	{"mwaitx", BYTES("\x0f\x01\xfa\x0f\x01\xfb")},
	{"serialize", BYTES("\x0f\x01\xe8")},
	{"xbegin", BYTES("\xc7\xf8\x00\x00\x00\x00")},
	{"xabort", BYTES("\xc6\xf8\x01")},
	{"xtest", BYTES("\x0f\x01\xd6")},
	{"xend", BYTES("\x0f\x01\xd5")},
	{"xsusldtrk", BYTES("\xf2\x0f\x01\xe8")},
	{"rdpkru", BYTES("\x0f\x01\xee")},
	{"wrpkru", BYTES("\x0f\x01\xef")},
	{"endbr64", BYTES("\xf3\x0f\x1e\xfa")},
	{"rdsspq", BYTES("\xf3\x48\x0f\x1e\xc8")},
	{"incsspq", BYTES("\xf3\x48\x0f\xae\xe8")},
	{"saveprevssp", BYTES("\xf3\x0f\x01\xea")},
	{"rstorssp", BYTES("\xf3\x0f\x01\x28")},
	{"wrssq", BYTES("\x48\x0f\x38\xf6\x00")},
	{"setssbsy", BYTES("\xf3\x0f\x01\xe8")},
	{"clrssbsy", BYTES("\xf3\x0f\xae\x30")},
	{"senduipi", BYTES("\xf3\x0f\xc7\xf0")},
	{"uiret", BYTES("\xf3\x0f\x01\xec")},
	{"testui", BYTES("\xf3\x0f\x01\xed")},
	{"clui", BYTES("\xf3\x0f\x01\xee")},
	{"stui", BYTES("\xf3\x0f\x01\xef")},
	{"ptwrite", BYTES("\xf3\x0f\xae\xe0")},
	{"hreset", BYTES("\xf3\x0f\x3a\xf0\xc0\x01")},
	{"mcommit", BYTES("\xf3\x0f\x01\xfa")},
	{"urdmsr", BYTES("\xf2\x0f\x38\xf8\xc0")},
	{"uwrmsr", BYTES("\xf3\x0f\x38\xf8\xc0")},
	{"enclu", BYTES("\x0f\x01\xd7")},
	{"tdcall", BYTES("\x66\x0f\x01\xcc")},
	{"getsec", BYTES("\x0f\x37")},
	{"vmcall", BYTES("\x0f\x01\xc1")},
	{"vmmcall", BYTES("\x0f\x01\xd9")},
	{"vmfunc", BYTES("\x0f\x01\xd4")},
	{"vmlaunch", BYTES("\x0f\x01\xc2")},
	{"vmresume", BYTES("\x0f\x01\xc3")},
	{"vmxoff", BYTES("\x0f\x01\xc4")},
	{"vmxon", BYTES("\xf3\x0f\xc7\x30")},
	{"vmptrld", BYTES("\x0f\xc7\x30")},
	{"vmread", BYTES("\x0f\x78\xc0")},
	{"vmwrite", BYTES("\x0f\x79\xc0")},
	{"invept", BYTES("\x66\x0f\x38\x80\x00")},
	{"invvpid", BYTES("\x66\x0f\x38\x81\x00")},
	{"invpcid", BYTES("\x66\x0f\x38\x82\x00")},
	{"vmrun", BYTES("\x0f\x01\xd8")},
	{"vmload", BYTES("\x0f\x01\xda")},
	{"vmsave", BYTES("\x0f\x01\xdb")},
	{"stgi", BYTES("\x0f\x01\xdc")},
	{"clgi", BYTES("\x0f\x01\xdd")},
	{"skinit", BYTES("\x0f\x01\xde")},
	{"invlpga", BYTES("\x0f\x01\xdf")},
	{"invlpgb", BYTES("\x0f\x01\xfe")},
	{"tlbsync", BYTES("\x0f\x01\xff")},
	{"psmash", BYTES("\xf3\x0f\x01\xff")},
	{"pvalidate", BYTES("\xf2\x0f\x01\xff")},
	{"rmpadjust", BYTES("\xf3\x0f\x01\xfe")},
	{"rmpupdate", BYTES("\xf2\x0f\x01\xfe")},
	{"rmpquery", BYTES("\xf3\x0f\x01\xfd")},
	{"pconfig", BYTES("\x0f\x01\xc5")},
	{"xsave", BYTES("\x48\x0f\xae\x20")},
	{"xsavec", BYTES("\x48\x0f\xc7\x20")},
	{"xsaveopt", BYTES("\x48\x0f\xae\x30")},
	{"xrstor", BYTES("\x48\x0f\xae\x28")},
	{"fxsave", BYTES("\x48\x0f\xae\x00")},
	{"fxrstor", BYTES("\x48\x0f\xae\x08")},
	{"ldmxcsr", BYTES("\x0f\xae\x10")},
	{"fldcw", BYTES("\xd9\x28")},
	{"fldenv", BYTES("\xd9\x20")},
	{"frstor", BYTES("\xdd\x20")},
	{"fwait", BYTES("\x9b")},
	{"emms", BYTES("\x0f\x77")},
	{"ldtilecfg", BYTES("\xc4\xe2\x78\x49\x00")},
	{"tileloadd", BYTES("\xc4\xe2\x7b\x4b\x04\x08")},
	{"kmovw", BYTES("\xc5\xf8\x92\xc8")},
	{"vzeroall", BYTES("\xc5\xfc\x77")},
	{"vpscatterdd", BYTES("\x62\xf2\x7d\x49\xa0\x04\x00")},
	{"popf", BYTES("\x50\x9d")},
	{"iretq", BYTES("\x48\xcf")},
	{"lretq", BYTES("\x48\xcb")},
	{"ret far", BYTES("\xcb")},
	{"std movs", BYTES("\xfd\xf3\xa4")},
};

#define ROWS(array) (array), sizeof(array) / sizeof *(array)

/* ---- One trial ---- */

static const uint64_t usual_registers[] = {USER_DATA, 0, HOST_KERNEL, UINT64_MAX, 0x2b, 7, USER_DATA + 1};
#define SETS (sizeof usual_registers / sizeof *usual_registers)

static void set_registers(struct user *u, unsigned set)
{
	uint64_t a = usual_registers[set];
	u->frame.regs = (struct cassin_registers){.rip = USER_CODE,
						  .rsp = USER_DATA + 4096,
						  .rax = a,
						  .rdi = a,
						  .rsi = USER_DATA + 512,
						  .rbx = 1000,
						  .rcx = set == 1   ? 2
							 : set == 3 ? UINT64_MAX
								    : 0,
						  .rdx = set == 3 ? UINT64_MAX : 0,
						  .r8 = a,
						  .rbp = a};
	cassin_vectors_init(&u->vectors);
}

static void try_rows(const struct odd *rows, size_t n, bool must_fault)
{
	unsigned failed = 0;
	struct user u;
	USER_MAKE(&u, 0, look);
	other_begins();
	for (size_t i = 0; i < n; i++) {
		for (unsigned set = 0; set < SETS; set++) {
			put_code(&u, rows[i].bytes, rows[i].n);
			fill(&u, set ? PATTERN : 0);
			set_registers(&u, set);
			int64_t r = user_go(&u, cassin_now() + (SECOND));
			bool sane = is_sane(&u, r) && (!must_fault || r == CASSIN_USER_FAULT);
			if (sane && other_finds_all())
				continue;
			cassin_print("%s, registers %u: result %d, vector %llu, rflags 0x%llx, rip 0x%llx\n",
				     rows[i].name, set, (int)r, (unsigned long long)u.frame.vector,
				     (unsigned long long)u.frame.regs.rflags, (unsigned long long)u.frame.regs.rip);
			failed++;
		}
	}
	CHECK_IS(failed, 0);
}

static void run_forbidden(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	try_rows(ROWS(forbidden), true);
}

static void run_allowed(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	try_rows(ROWS(allowed), false);
}

static const struct property all[] = {
	{"forbidden", run_forbidden},
	{"allowed", run_allowed},
};
PROPERTIES(all)
