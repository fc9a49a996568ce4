/* SPDX-License-Identifier: MIT */
/* Codes that the kernel gives beside those of the ABI; the numbers are Linux's. */
#ifndef CASSIN_KERNEL_ERROR_H
#define CASSIN_KERNEL_ERROR_H

#include <cassin/abi.h>

#define CASSIN_EPERM 1      /* the mutex is not the caller's */
#define CASSIN_EDEADLK 35   /* the caller would wait for itself */
#define CASSIN_EOVERFLOW 75 /* the semaphore counts no further */
#define CASSIN_ETIMEDOUT 110

#endif
