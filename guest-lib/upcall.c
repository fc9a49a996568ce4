/* SPDX-License-Identifier: MIT */
#include <cassin/guest.h>

void cassin_vectors_find(void);
void cassin_upcall_entry(void); /* vectors.S */

cassin_upcall_fn cassin_upcall_handler; /* for it */

volatile uint64_t cassin_upcall_mask = UINT64_MAX;

int cassin_upcall_set(cassin_upcall_fn fn, void *stack, uint64_t size, uint64_t timer)
{
	uint64_t entry = fn ? (uint64_t)cassin_upcall_entry : 0;
	cassin_vectors_find();
	if (fn)
		cassin_upcall_handler = fn;
	return (int)cassin_call(CASSIN_CALL_UPCALL_SET, entry, (uint64_t)stack, size, (uint64_t)&cassin_upcall_mask,
				timer);
}

uint64_t cassin_upcall_pending(void)
{
	return ((const volatile struct cassin_info_page *)cassin_boot->info_page)->pending;
}

void cassin_upcall_unmask(uint64_t mask)
{
	cassin_upcall_mask = mask;
	if (cassin_upcall_pending() & ~mask)
		cassin_call0(CASSIN_CALL_NULL);
}
