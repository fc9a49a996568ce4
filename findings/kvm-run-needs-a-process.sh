#!/bin/sh
# SPDX-License-Identifier: MIT
# Linux 6.18, x86-64: the first KVM_RUN of a virtual machine makes a process (its "kvm-nx-lpage-recovery" thread, which is a
# task of the caller here, in the caller's control group; with Debian's Linux 6.1 it is not). Where that may have no more (pids.max, or
# RLIMIT_NPROC of an ordinary user) KVM_RUN fails with EAGAIN, for ever, as it also fails for reasons that pass: a monitor that runs the
# vCPU again at EAGAIN spins.
# KVM_CREATE_VM and KVM_CREATE_VCPU have succeeded by then, and KVM's documentation of KVM_RUN names no such error. With
# kvm_run.immediate_exit set the thread is made too, so that a monitor can find out before it runs anything.
#
# Seen (Linux 6.18.44, kvm_pvm): with room "EINTR" at once; in a full group "EAGAIN" 1000 times of 1000; with room again "EINTR". Exit
# status 0 when it is so, 1 when it no longer is, 2 where it cannot be tried (no gcc, no /dev/kvm, not root, no pids controller).
set -eu
command -v gcc >/dev/null || { echo "gcc is needed" >&2; exit 2; }
[ -w /dev/kvm ] || { echo "/dev/kvm is needed" >&2; exit 2; }
groups=/sys/fs/cgroup
[ ! -e $groups/pids/cgroup.procs ] || groups=$groups/pids
group=$groups/kvm-run-$$
mkdir "$group" 2>/dev/null || { echo "control groups and root are needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"; rmdir "$group"' EXIT
[ -e "$group/pids.max" ] || { echo "a pids controller is needed" >&2; exit 2; }
cat >"$folder/probe.c" <<'END'
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRIES 1000

static void put(const char *folder, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(path);
		exit(2);
	}
	close(fd);
}

static int tries(int vcpu, int wanted)
{
	int n = 0;
	for (int i = 0; i < TRIES; i++)
		n += ioctl(vcpu, KVM_RUN, 0) && errno == wanted;
	return n;
}

static int make(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	struct kvm_run *run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (vm < 0 || vcpu < 0 || run == MAP_FAILED) {
		perror("making a virtual machine");
		exit(2);
	}
	run->immediate_exit = 1;
	return vcpu;
}

int main(int argc, char **argv)
{
	(void)argc;
	int kvm = open("/dev/kvm", O_RDWR), first = make(kvm);
	int room = tries(first, EINTR);
	put(argv[1], "cgroup.procs", "0");
	put(argv[1], "pids.max", "1");
	int second = make(kvm), full = tries(second, EAGAIN), old = tries(first, EINTR);
	put(argv[1], "pids.max", "max");
	int again = tries(second, EINTR);
	printf("of %d runs: EINTR with room %d; EAGAIN in a full group %d, EINTR there of a machine that has run before %d; "
	       "EINTR with room again %d\n", TRIES, room, full, old, again);
	return room == TRIES && full == TRIES && old == TRIES && again == TRIES ? 0 : 1;
}
END
gcc -O1 -o "$folder/probe" "$folder/probe.c"
"$folder/probe" "$group"
