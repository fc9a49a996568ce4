/* SPDX-License-Identifier: MIT */
/* Starts itself as often as it can, and its copies do the same; theirs do not, so that it ends some day. */
#include <cassin/user.h>

int main(int argc, char **argv)
{
	const char *const copy[] = {"bomb", argc == 1 ? "again" : "enough", NULL};
	int n = 0;
	if (argc > 1 && strcmp(argv[1], "enough") == 0)
		return 0;
	while (user_spawn(copy) > 0)
		n++;
	while (user_wait(0, NULL, CASSIN_FOREVER) > 0)
		;
	return n;
}
