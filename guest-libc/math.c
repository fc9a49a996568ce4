/* SPDX-License-Identifier: MIT */
/* How newlib's mathematics tell of failures: by errno, as its math_errhandling says (C11, 7.12.1), which it leaves out else. */
#include <math.h>

_LIB_VERSION_TYPE _LIB_VERSION = _POSIX_;
