/* SPDX-License-Identifier: MIT */
/* Time: the hypervisor's clocks. Sleeping lets the other threads run. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include <cassin/kernel.h>

#include "system.h"

#define SECOND UINT64_C(1000000000)

static struct timespec spec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};
}

int _gettimeofday(struct timeval *out, void *zone)
{
	uint64_t ns = cassin_wall();
	(void)zone;
	*out = (struct timeval){.tv_sec = (time_t)(ns / SECOND), .tv_usec = (suseconds_t)(ns % SECOND / 1000)};
	return 0;
}

/* Ticks of CLOCKS_PER_SEC that this guest has run. */
clock_t _times(struct tms *out)
{
	clock_t ran = (clock_t)(cassin_virtual() / (SECOND / CLOCKS_PER_SEC));
	*out = (struct tms){.tms_utime = ran};
	return ran;
}

int clock_gettime(clockid_t id, struct timespec *out)
{
	switch (id) {
	case CLOCK_REALTIME:
		*out = spec_of(cassin_wall());
		return 0;
	case CLOCK_MONOTONIC:
		*out = spec_of(cassin_now());
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		*out = spec_of(cassin_virtual());
		return 0;
	default:
		return system_failed(EINVAL);
	}
}

int clock_getres(clockid_t id, struct timespec *out)
{
	struct timespec now;
	if (clock_gettime(id, &now))
		return -1;
	if (out)
		*out = spec_of(1);
	return 0;
}

int nanosleep(const struct timespec *time, struct timespec *rest)
{
	uint64_t ns;
	if (time->tv_sec < 0 || time->tv_nsec < 0 || (uint64_t)time->tv_nsec >= SECOND)
		return system_failed(EINVAL);
	if (__builtin_mul_overflow((uint64_t)time->tv_sec, SECOND, &ns) ||
	    __builtin_add_overflow(ns, (uint64_t)time->tv_nsec, &ns) || ns == CASSIN_FOREVER)
		ns = CASSIN_FOREVER - 1;
	cassin_sleep(ns);
	if (rest)
		*rest = (struct timespec){0};
	return 0;
}

unsigned sleep(unsigned seconds)
{
	cassin_sleep(seconds * SECOND);
	return 0;
}

int usleep(useconds_t us)
{
	cassin_sleep((uint64_t)us * 1000);
	return 0;
}
