/* SPDX-License-Identifier: MIT */
/* What the guest was started with, and how it ends. */
#ifndef CASSIN_GUEST_BOOT_H
#define CASSIN_GUEST_BOOT_H

#include <stdbool.h>

#include <cassin/abi.h>

/* The boot record; good for the guest's whole life. */
extern const struct cassin_boot *cassin_boot;

/* The guest's name, as its spec has it. */
static inline const char *cassin_name(void)
{
	return (const char *)cassin_boot->name;
}

/* Ends the guest; the low eight bits are its exit code. */
_Noreturn void cassin_exit(int code);
/* Says that the guest has booted: `cassin spawn` waits for this. */
void cassin_ready(void);
/* The same; clones of the guest begin where it waits next, and do not run before something comes for them. */
void cassin_ready_at_wait(void);
/* Figures about this guest. */
void cassin_info(struct cassin_info *out);
/* Fills with random bytes. 0, -CASSIN_EFAULT. */
int cassin_random(void *to, uint32_t len);

/* Which incarnation something belongs to; all zero: none. */
struct cassin_birth {
	uint8_t seed[32]; /* the boot record's */
};
/* Whether `birth` is another incarnation's than this guest's, which it is from then on. A clone goes on with all that its
 * template had, and so with what that had drawn as random: true is the sign to draw other values. It costs no exit. */
bool cassin_reborn(struct cassin_birth *birth);

#endif
