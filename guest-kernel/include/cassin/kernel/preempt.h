/* SPDX-License-Identifier: MIT */
/* Preemption: a thread that computes gives way to others when its slice is over, though it neither blocks nor yields. */
#ifndef CASSIN_KERNEL_PREEMPT_H
#define CASSIN_KERNEL_PREEMPT_H

#include <stdint.h>

#define CASSIN_SLICE_DEFAULT 10000000u /* nanoseconds */

/* From now on threads are preempted by slices of so many nanoseconds; 0: no longer, as at the start. Upcalls are the
 * kernel's while there are slices. Each thread's stack needs 1.5 KiB more. 0, or a negated code: -CASSIN_ENOSYS, the
 * hypervisor has no upcalls. Not to be called by a timer's function. */
int cassin_preempt(uint64_t slice_ns);

#endif
