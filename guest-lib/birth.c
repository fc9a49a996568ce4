/* SPDX-License-Identifier: MIT */
/* Whether this incarnation is another than the one that asked last: a restart or a clone. */
#include <cassin/guest.h>

_Static_assert(sizeof(struct cassin_birth) == sizeof cassin_boot->seed,
	       "the boot record's seed tells incarnations apart");

bool cassin_reborn(struct cassin_birth *birth)
{
	if (memcmp(birth->seed, cassin_boot->seed, sizeof birth->seed) == 0)
		return false;
	memcpy(birth->seed, cassin_boot->seed, sizeof birth->seed);
	return true;
}
