/* SPDX-License-Identifier: MIT */
/* Everything that a guest gets from guest-lib. A guest defines `int main(int argc, char **argv)`. */
#ifndef CASSIN_GUEST_H
#define CASSIN_GUEST_H

#include <cassin/abi.h>
#include <cassin/guest/boot.h>
#include <cassin/guest/call.h>
#include <cassin/guest/clock.h>
#include <cassin/guest/console.h>
#include <cassin/guest/file.h>
#include <cassin/guest/format.h>
#include <cassin/guest/heap.h>
#include <cassin/guest/ring.h>
#include <cassin/guest/stream.h>
#include <cassin/guest/string.h>
#include <cassin/guest/upcall.h>
#include <cassin/guest/user.h>
#include <cassin/guest/window.h>

#endif
