/* SPDX-License-Identifier: MIT */
/* A fuzzer's input as a list of steps of a hostile guest. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "fake_guest.h"

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next `n` bytes as a number; zeros where there are none left. */
static inline uint64_t take(struct input *in, size_t n)
{
	uint64_t v = 0;
	n = n < in->left ? n : in->left;
	if (n)
		memcpy(&v, in->at, n);
	in->at += n;
	in->left -= n;
	return v;
}

/* An address, mostly of the guest's memory. */
static inline uint64_t take_address(struct input *in)
{
	uint64_t v = take(in, 2);
	return v == 0xffff ? take(in, 8) : FAKE_BASE + v;
}

/* Bytes of the input into the guest's memory, anywhere. */
static inline void poke(struct fake_guest *f, struct input *in)
{
	size_t at = (size_t)take(in, 2), n = (size_t)take(in, 1);
	n = n < in->left ? n : in->left;
	n = n < FAKE_SIZE - at ? n : FAKE_SIZE - at;
	if (n)
		memcpy(f->bytes + at, in->at, n);
	in->at += n;
	in->left -= n;
}

#endif
