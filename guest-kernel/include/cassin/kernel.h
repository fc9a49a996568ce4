/* SPDX-License-Identifier: MIT */
/* Everything of guest-kernel, threads over guest-lib: docs/guest-kernel.md. Links with `cassin-cc --kernel`. */
#ifndef CASSIN_KERNEL_H
#define CASSIN_KERNEL_H

#include <cassin/guest.h>
#include <cassin/kernel/cond.h>
#include <cassin/kernel/console.h>
#include <cassin/kernel/error.h>
#include <cassin/kernel/event.h>
#include <cassin/kernel/log.h>
#include <cassin/kernel/mutex.h>
#include <cassin/kernel/panic.h>
#include <cassin/kernel/preempt.h>
#include <cassin/kernel/queue.h>
#include <cassin/kernel/semaphore.h>
#include <cassin/kernel/stop.h>
#include <cassin/kernel/stream.h>
#include <cassin/kernel/thread.h>
#include <cassin/kernel/timer.h>

#endif
