/* SPDX-License-Identifier: MIT */
/* Computes for ever. The others do not mind. */
int main(void)
{
	for (;;)
		__asm__ volatile("");
}
