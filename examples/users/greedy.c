/* SPDX-License-Identifier: MIT */
/* Takes all the memory that it can have. */
#include <cassin/user.h>

int main(void)
{
	unsigned pages = 0;
	while (user_sbrk(CASSIN_PAGE_SIZE))
		pages++;
	user_print("%u pages, and no more\n", pages);
	return 0;
}
