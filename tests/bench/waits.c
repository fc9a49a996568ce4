/* SPDX-License-Identifier: MIT */
#include "waits.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common.h"

void waits_open(struct waits *w)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	w->n = 0;
	while (tasks && w->n < WAITS_THREADS_MOST && (entry = readdir(tasks))) {
		char path[300];
		snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", entry->d_name);
		int fd = entry->d_name[0] == '.' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			w->fds[w->n++] = fd;
	}
	if (!tasks || !w->n)
		bench_die("/proc/self/task/*/schedstat cannot be read");
	closedir(tasks);
}

void waits_close(struct waits *w)
{
	for (unsigned i = 0; i < w->n; i++)
		close(w->fds[i]);
}

uint64_t waits_ns(const struct waits *w)
{
	uint64_t sum = 0, ran, waited;
	for (unsigned i = 0; i < w->n; i++) {
		char text[100];
		ssize_t n = pread(w->fds[i], text, sizeof text - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		if (sscanf(text, "%" SCNu64 " %" SCNu64, &ran, &waited) == 2)
			sum += waited;
	}
	return sum;
}
