/* SPDX-License-Identifier: MIT */
#include "base/host_text.h"

#include <fcntl.h>
#include <unistd.h>

bool host_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return n > 0;
}
