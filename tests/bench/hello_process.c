/* SPDX-License-Identifier: MIT */
/* What examples/hello.c is compared with: the same as a process. */
#include <stdio.h>

int main(int argc, char **argv)
{
	(void)argc;
	printf("hello from %s\n", argv[0]);
	return 0;
}
