/* SPDX-License-Identifier: MIT */
/* Any bytes as the choices of a guest that pages, beside a model of what it must see. */
#include "fuzz.h"

#include "paging_model.h"

#define STEPS_MOST 1000u

struct input {
	const uint8_t *at;
	size_t left;
};

static uint8_t take(void *opaque)
{
	struct input *in = opaque;
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct paging_model *p = paging_model_new(take, &in);
	for (unsigned i = 0; in.left && i < STEPS_MOST; i++)
		paging_model_step(p);
	paging_model_free(p);
	return 0;
}
