/* SPDX-License-Identifier: MIT */
/* Small files of the host. */
#include <cassin/host_facts.h>

#include <fcntl.h>
#include <unistd.h>

bool cassin_host_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return n > 0;
}
