/* SPDX-License-Identifier: MIT */
/* The initial state of the vector registers, and how it is saved on this CPU. */
#include <cassin/guest.h>

/* Intel SDM volume 1, 13.1 to 13.4. */
#define CPUID_OSXSAVE (1u << 27)
#define LEGACY_FCW 0x37fu
#define LEGACY_MXCSR 0x1f80u
#define MXCSR_AT 24u

void cassin_vectors_find(void);

bool cassin_vectors_xsave; /* for vectors.S */

/* Whether there is XSAVE. */
void cassin_vectors_find(void)
{
	uint32_t a = 1, b, c = 0, d;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	cassin_vectors_xsave = c & CPUID_OSXSAVE;
}

void cassin_vectors_init(struct cassin_vectors *v)
{
	static const uint16_t fcw = LEGACY_FCW;
	static const uint32_t mxcsr = LEGACY_MXCSR;
	cassin_vectors_find();
	memset(v, 0, sizeof *v);
	memcpy(v->bytes, &fcw, sizeof fcw);
	memcpy(v->bytes + MXCSR_AT, &mxcsr, sizeof mxcsr);
}
