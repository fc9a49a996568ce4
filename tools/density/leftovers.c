/* SPDX-License-Identifier: MIT */
#include "leftovers.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void leftovers_folder(const char *folder)
{
	static const char *const files[] = {"cassind.log", "d.sock", "d.sock.gw", "d.sock.lock"};
	char path[256];
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
}

void leftovers_group(const char *path)
{
	for (unsigned i = 0; i < 100 && rmdir(path) < 0 && errno == EBUSY; i++)
		usleep(10000);
}

/* A folder of our own, whose process is gone. */
static bool stale(const char *path)
{
	struct stat st;
	const char *name = strrchr(path, '/') + 1;
	int pid = atoi(name + strlen(LEFTOVERS_NAME));
	return pid > 0 && kill(pid, 0) < 0 && errno == ESRCH && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid();
}

void leftovers_sweep(void)
{
	static const char *const patterns[] = {"/tmp/" LEFTOVERS_NAME "[0-9]*",
					       "/sys/fs/cgroup/memory/" LEFTOVERS_NAME "[0-9]*",
					       "/sys/fs/cgroup/" LEFTOVERS_NAME "[0-9]*"};
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
		glob_t found;
		if (glob(patterns[i], 0, NULL, &found) != 0)
			continue;
		for (size_t k = 0; k < found.gl_pathc; k++) {
			if (!stale(found.gl_pathv[k]))
				continue;
			if (i == 0)
				leftovers_folder(found.gl_pathv[k]);
			else
				leftovers_group(found.gl_pathv[k]);
		}
		globfree(&found);
	}
}
