/* SPDX-License-Identifier: MIT */
/* The smallest guest: prints a line and ends. */
#include <cassin/guest.h>

int main(void)
{
	cassin_print("hello from %s\n", cassin_name());
	return 0;
}
