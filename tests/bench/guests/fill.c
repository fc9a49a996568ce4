/* SPDX-License-Identifier: MIT */
/* fill MIB: writes to so much memory, says that it is ready, and waits for ever. */
#include <cassin/guest.h>

#define MIB (1ul << 20)

int main(int argc, char **argv)
{
	int64_t n = argc > 1 ? cassin_parse(argv[1], strlen(argv[1])) : 1;
	uint64_t *words = (uint64_t *)((cassin_boot->heap + MIB - 1) & ~(MIB - 1));
	for (uint64_t i = 0; i < (uint64_t)n * MIB / sizeof *words; i++)
		words[i] = i * UINT64_C(0x9e3779b97f4a7c15) >> 20; /* some of it can be compressed */
	cassin_call0(CASSIN_CALL_READY);
	for (;;)
		cassin_sleep_until(cassin_now() + 1000000000000ul);
}
