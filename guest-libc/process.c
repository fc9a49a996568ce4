/* SPDX-License-Identifier: MIT */
/* A guest is one process, with nobody to signal but itself and nothing to start. */
#include <signal.h>
#include <stdlib.h>

#include <cassin/kernel.h>

#include "system.h"

#define SELF 1

int _getpid(void)
{
	return SELF;
}

/* A signal that nobody handles, abort()'s among them, ends the guest with the hypervisor's report. */
int _kill(int pid, int signal)
{
	if (pid != SELF)
		return system_failed(ESRCH);
	if (signal)
		cassin_panic("ended by signal %d", signal);
	return 0;
}

int _fork(void)
{
	return system_failed(ENOSYS);
}

int _execve(const char *path, char *const argv[], char *const env[])
{
	(void)path;
	(void)argv;
	(void)env;
	return system_failed(ENOSYS);
}

int _wait(int *status)
{
	(void)status;
	return system_failed(ECHILD);
}

/* There is no shell, and who asks for one hears so. */
int system(const char *command)
{
	return command ? system_failed(ENOSYS) : 0;
}
