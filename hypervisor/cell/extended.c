/* SPDX-License-Identifier: MIT */
/* What every backend needs to know of the extended state: its image at reset, and where protection keys lie in one. */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/backend.h"

#define FCW_RESET 0x37fu
#define MXCSR_RESET 0x1f80u
#define MXCSR_AT 24u

int extended_make(struct extended *e, size_t size, uint64_t always)
{
	const uint16_t fcw = FCW_RESET;
	const uint32_t mxcsr = MXCSR_RESET;
	unsigned char *image = calloc(1, size);
	if (!image)
		return -ENOMEM;
	/* Intel SDM volume 1, 13.6: components whose XSTATE_BV bit is 0 are loaded with their initial state. MXCSR is not:
	 * Linux copies it only from an image that says it holds x87, SSE or AVX state, and leaves the old one else. */
	memcpy(image, &fcw, sizeof fcw);
	memcpy(image + MXCSR_AT, &mxcsr, sizeof mxcsr);
	memcpy(image + XSTATE_BV_AT, &always, sizeof always);
	*e = (struct extended){.size = size, .initial = image, .always = always};
	return 0;
}

size_t extended_keys_at(size_t size)
{
	unsigned room, at, c, d;
	if (!__get_cpuid_count(0xd, XSTATE_PKRU_LEAF, &room, &at, &c, &d))
		return 0;
	return room >= sizeof(uint32_t) && at <= size - room ? at : 0;
}
