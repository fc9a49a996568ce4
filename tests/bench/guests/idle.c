/* SPDX-License-Identifier: MIT */
/* The least that a service is: it boots and waits for something that never comes. */
#include <cassin/guest.h>

int main(void)
{
	if (cassin_ring_init(4, 4))
		return 1;
	cassin_ready();
	return cassin_wait(1, CASSIN_FOREVER);
}
