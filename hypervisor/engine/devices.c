/* SPDX-License-Identifier: MIT */
/* The devices that guests have: the only place that names them all. */
#include <pthread.h>

#include "device/basic.h"
#include "device/console.h"
#include "device/stream_table.h"
#include "engine/engine_private.h"

static void register_all(void)
{
	device_register(&basic_device);
	device_register(&console_device);
	device_register(&streams_device);
}

void devices_register(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, register_all);
}
