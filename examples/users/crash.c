/* SPDX-License-Identifier: MIT */
/* Writes where nothing is: the end of this program, and of nothing else. */
#include <cassin/user.h>

int main(void)
{
	volatile int *volatile nowhere = (volatile int *)16;
	user_print("so long\n");
	*nowhere = 1;
	return 0;
}
