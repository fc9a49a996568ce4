/* SPDX-License-Identifier: MIT */
#include "process/charge.h"

#include <errno.h>

static uint64_t bytes(const struct stub *s)
{
	return STUB_BYTES + s->mappings * MAPPING_BYTES;
}

int stub_charge(struct stub *s, struct account *a, bool whatever)
{
	if (whatever)
		account_force(a, ACCOUNT_PROCESSES, bytes(s));
	else if (account_try(a, ACCOUNT_PROCESSES, bytes(s)))
		return -ENOSPC;
	s->account = a;
	return 0;
}

void stub_uncharge(struct stub *s)
{
	account_uncharge(s->account, ACCOUNT_PROCESSES, bytes(s));
	s->account = NULL;
}

void stub_charge_to(struct stub *s, struct account *a)
{
	if (s->account == a)
		return;
	stub_uncharge(s);
	account_force(a, ACCOUNT_PROCESSES, bytes(s));
	s->account = a;
}

int stub_charge_mappings(struct stub *s, unsigned n)
{
	unsigned has = s->mappings;
	if (n < has)
		account_uncharge(s->account, ACCOUNT_PROCESSES, (has - n) * MAPPING_BYTES);
	else if (n <= MAPPINGS_FREELY)
		account_force(s->account, ACCOUNT_PROCESSES, (n - has) * MAPPING_BYTES);
	else if (n > has && account_charge(s->account, ACCOUNT_PROCESSES, (n - has) * MAPPING_BYTES))
		return -ENOMEM;
	s->mappings = n;
	return 0;
}
