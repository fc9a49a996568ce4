/* SPDX-License-Identifier: MIT */
/* Starts itself as often as it can, as all its copies do. */
#include <cassin/user.h>

int main(void)
{
	static const char *const self[] = {"bomb", NULL};
	int n = 0;
	while (user_spawn(self) > 0)
		n++;
	while (user_wait(0, NULL, CASSIN_FOREVER) > 0)
		;
	return n;
}
