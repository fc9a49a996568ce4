/* SPDX-License-Identifier: MIT */
/* The router's Lua source, as bytes of the image. */
	.section .rodata
	.globl router_source, router_source_end
router_source:
	.incbin "router.lua"
router_source_end:
	.section .note.GNU-stack, "", @progbits
