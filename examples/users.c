/* SPDX-License-Identifier: MIT */
/*
 * users: a kernel with user programs. It starts the program `init` of its archive, a little shell on the console, and
 * ends when that ends. The programs are in examples/users/; docs/user-programs.md tells how they are built and packed.
 */
#include <cassin/process.h>

int main(void)
{
	struct cassin_status status;
	int r = cassin_processes_start(cassin_archive, cassin_archive_size, NULL);
	int pid = r ? r : cassin_process_spawn("init", NULL, 0);
	if (pid < 0) {
		cassin_print("init cannot be started: error %d\n", -pid);
		return 1;
	}
	cassin_ready();
	cassin_process_wait(pid, &status, CASSIN_FOREVER);
	return status.end == CASSIN_END_EXIT ? status.code : 1;
}
