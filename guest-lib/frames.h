/* SPDX-License-Identifier: MIT */
/* In front of each file that is compiled for guests, where the compiler has no option for it: what says how to unwind goes to the section
 * that only debuggers read, .debug_frame, and no page of the guest's holds any of it. Without it GDB guesses from the code, and shows
 * no caller of a function that sets its frame up late, cassin_wait() for one, where idle guests are. */
#ifndef FRAMES_H
#define FRAMES_H

#ifndef __ASSEMBLER__
__asm__(".cfi_sections .debug_frame");
#endif

#endif
