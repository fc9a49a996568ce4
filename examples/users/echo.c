/* SPDX-License-Identifier: MIT */
/* echo [ARG...] */
#include <cassin/user.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		user_print("%s%s", i > 1 ? " " : "", argv[i]);
	user_print("\n");
	return 0;
}
