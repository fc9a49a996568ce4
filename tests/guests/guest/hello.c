/* SPDX-License-Identifier: MIT */
/* The smallest guest: says its name and its arguments, and ends. */
#include <cassin/guest.h>

static const char *volatile greeting = "hello"; /* in a static-PIE this pointer is relocated */

int main(int argc, char **argv)
{
	cassin_print("%s, I am %s", greeting, cassin_name());
	for (int i = 0; i <= argc; i++)
		cassin_print(" [%s]", argv[i] ? argv[i] : "end");
	cassin_print("\n");
	return 0;
}
