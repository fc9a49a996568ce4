/* SPDX-License-Identifier: MIT */
/* hog: computes for ever, without a call. */
#include <cassin/guest.h>

int main(void)
{
	volatile uint64_t turns = 0;
	cassin_ready();
	for (;;)
		turns = turns + 1;
}
