#!/bin/sh
# SPDX-License-Identifier: MIT
# Linux 6.18, x86-64: to a tracer an `int $4` looks like a general protection fault: SIGSEGV, si_code SI_KERNEL, si_addr 0, and no word of
# ptrace(2) gives the vector. But it is a trap: rip is behind the instruction, so a tracer that emulates what failed (an `out`, a `hlt`)
# and finds such an instruction at rip takes for failed what was never executed. The bytes before rip do not settle it: `cd 04` may
# be the end of another instruction. RF does (bit 16 of eflags, as PTRACE_GETREGS shows it): the processor sets it in the image that it
# saves for a fault, and saves it clear for `int`. Linux passes it on, though its ABI for signals says nothing of it.
#
# Seen (Linux 6.18.44, gcc 12.2, AMD EPYC): "hlt: rf 1", "out: rf 1", "int $4, then hlt: rf 0", each with
# signal 11, code 128. Exit status 0 when it is so, 1 when it no longer is, 2 without gcc.
set -eu
command -v gcc >/dev/null || { echo "gcc is needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/probe.c" <<'END_OF_C'
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int rf_after(const char *name, void (*deed)(void), int want)
{
	int status;
	siginfo_t info;
	struct user_regs_struct regs;
	pid_t child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		deed();
		_exit(0);
	}
	waitpid(child, &status, 0);
	ptrace(PTRACE_CONT, child, 0, 0);
	waitpid(child, &status, 0);
	ptrace(PTRACE_GETREGS, child, 0, &regs);
	ptrace(PTRACE_GETSIGINFO, child, 0, &info);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	int rf = regs.eflags >> 16 & 1;
	printf("%s: rf %d, signal %d, code %d\n", name, rf, info.si_signo, info.si_code);
	return rf == want && info.si_signo == SIGSEGV && info.si_code == SI_KERNEL;
}

static void halt(void)
{
	__asm__ volatile("hlt");
}

static void out(void)
{
	__asm__ volatile("out %%al, $0xca" : : "a"(0));
}

static void interrupt(void)
{
	__asm__ volatile("int $4\n\thlt");
}

int main(void)
{
	int good = rf_after("hlt", halt, 1);
	good &= rf_after("out", out, 1);
	good &= rf_after("int $4, then hlt", interrupt, 0);
	return good ? 0 : 1;
}
END_OF_C
gcc -O1 -o "$folder/probe" "$folder/probe.c"
uname -sr
"$folder/probe"
