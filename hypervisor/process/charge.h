/* SPDX-License-Identifier: MIT */
/* What a stub takes of the host's memory, on the account of its guest, or of its cell while no guest has it. */
#ifndef PROCESS_CHARGE_H
#define PROCESS_CHARGE_H

#include "base/account.h"
#include "process/stub.h"

/* Of the kernel's memory, measured (docs/architecture.md): of a process, and of each of its mappings. */
#define STUB_BYTES (UINT64_C(92) << 10)
#define MAPPING_BYTES UINT64_C(256)
#define MAPPINGS_FREELY PAGE_STEPS /* so many a stub may always have, or its guest would not get on */
#define STUB_BYTES_MOST (STUB_BYTES + MAPPINGS_FREELY * MAPPING_BYTES) /* of one that has no more than these */

/* Puts a new one on an account. -ENOSPC: the pool is full, unless it is to be made whatever that has left. */
int stub_charge(struct stub *s, struct account *a, bool whatever);
void stub_uncharge(struct stub *s);
/* Puts it on another account. */
void stub_charge_to(struct stub *s, struct account *a);
/* It has, or is to have, `n` mappings. -ENOMEM: the pool is full; nothing is changed then. No lock is held, and s is its worker's
 * `pinned`: others' stubs may go for it. */
int stub_charge_mappings(struct stub *s, unsigned n);

#endif
