/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

static struct {
	struct cassin_event asked;
	int code;
	struct cassin_stop_hook *hooks; /* the last one first */
} stop;

void cassin_stop_hook(struct cassin_stop_hook *hook)
{
	kernel_lock();
	hook->next = stop.hooks;
	stop.hooks = hook;
	kernel_unlock();
}

void cassin_stop(int code)
{
	kernel_lock();
	if (!stop.asked.set)
		stop.code = code;
	cassin_event_set(&stop.asked);
	kernel_unlock();
}

bool cassin_stopping(void)
{
	return stop.asked.set;
}

int cassin_stop_wait(uint64_t deadline)
{
	return cassin_event_wait(&stop.asked, deadline);
}

int cassin_stop_run(void)
{
	struct cassin_stop_hook *hook;
	cassin_stop_wait(CASSIN_FOREVER);
	while ((hook = stop.hooks)) {
		stop.hooks = hook->next;
		hook->run(hook->arg);
	}
	kernel_lock();
	kernel_hand_in(); /* what was sent and closed last */
	kernel_unlock();
	return stop.code;
}
