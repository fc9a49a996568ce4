/* SPDX-License-Identifier: MIT */
#include <cassin/guest.h>

int main(void)
{
	cassin_print("hello from %s\n", cassin_name());
	return 0;
}
