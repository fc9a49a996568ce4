/* SPDX-License-Identifier: MIT */
/* An example service over guest-lib's buffers, without a guest: its clients are the fuzzer's. */
#ifndef SERVICE_H
#define SERVICE_H

#include <stddef.h>
#include <stdint.h>

/* Shows a new connection's input to the service, in pieces of `piece` bytes, until the service ends it or there is no more. What it
 * answers, as it comes, is for look(). The service's main() is run before the first. */
void service_talk(const uint8_t *bytes, size_t size, size_t piece, void (*look)(const char *out, size_t len));

#endif
