/* SPDX-License-Identifier: MIT */
#include "gdb_registers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of GDB's features org.gnu.gdb.i386.core, .sse and .segments. */
enum {
	GENERAL = 0,
	RIP = 16,
	EFLAGS,
	SEGMENTS, /* cs ss ds es fs gs */
	ST = SEGMENTS + 6,
	FCTRL = ST + 8,
	FSTAT,
	FTAG,
	FISEG,
	FIOFF,
	FOSEG,
	FOOFF,
	FOP,
	XMM,
	MXCSR = XMM + 16,
	FS_BASE,
	GS_BASE,
	COUNT,
};
_Static_assert(COUNT == (int)GDB_REGISTERS && RIP == (int)GDB_RIP, "GDB's numbers");

size_t gdb_register_size(unsigned n)
{
	if (n <= RIP || n == FS_BASE || n == GS_BASE)
		return 8;
	if (n >= ST && n < FCTRL)
		return CASSIN_DEBUG_ST_BYTES;
	return n >= XMM && n < MXCSR ? CASSIN_DEBUG_XMM_BYTES : n < COUNT ? 4 : 0;
}

/* Two bits for a register in the full tag word: 0 it holds something, 3 it is empty. */
static uint16_t full_tag(uint8_t abridged)
{
	unsigned full = 0;
	for (int i = 0; i < 8; i++)
		full |= abridged >> i & 1 ? 0u : 3u << 2 * i;
	return (uint16_t)full;
}

static uint8_t abridged_tag(uint64_t full)
{
	unsigned abridged = 0;
	for (int i = 0; i < 8; i++)
		abridged |= (full >> 2 * i & 3) != 3 ? 1u << i : 0u;
	return (uint8_t)abridged;
}

static uint64_t number_of(const struct cassin_debug_registers *r, unsigned n)
{
	const uint16_t segments[] = {r->cs, r->ss, r->ds, r->es, r->fs, r->gs};
	if (n < RIP)
		return r->general[n];
	if (n >= SEGMENTS && n < ST)
		return segments[n - SEGMENTS];
	switch (n) {
	case RIP:
		return r->rip;
	case EFLAGS:
		return r->rflags;
	case FCTRL:
		return r->fctrl;
	case FSTAT:
		return r->fstat;
	case FTAG:
		return full_tag(r->ftag);
	case FISEG:
		return r->fip >> 32;
	case FIOFF:
		return r->fip & UINT32_MAX;
	case FOSEG:
		return r->fdp >> 32;
	case FOOFF:
		return r->fdp & UINT32_MAX;
	case FOP:
		return r->fop;
	case MXCSR:
		return r->mxcsr;
	case FS_BASE:
		return r->fs_base;
	default:
		return r->gs_base;
	}
}

size_t gdb_register_get(const struct cassin_debug_registers *r, unsigned n, unsigned char *out)
{
	size_t size = gdb_register_size(n);
	if (n >= ST && n < FCTRL) {
		memcpy(out, r->st[n - ST], size);
	} else if (n >= XMM && n < MXCSR) {
		memcpy(out, r->xmm[n - XMM], size);
	} else if (size) {
		uint64_t value = number_of(r, n);
		memcpy(out, &value, size);
	}
	return size;
}

static uint64_t with_low(uint64_t old, uint64_t low)
{
	return (old & ~(uint64_t)UINT32_MAX) | low;
}

static uint64_t with_high(uint64_t old, uint64_t high)
{
	return (old & UINT32_MAX) | high << 32;
}

static void set_number(struct cassin_debug_registers *r, unsigned n, uint64_t value)
{
	if (n < RIP)
		r->general[n] = value;
	switch (n) {
	case RIP:
		r->rip = value;
		break;
	case EFLAGS:
		r->rflags = value;
		break;
	case FCTRL:
		r->fctrl = (uint16_t)value;
		break;
	case FSTAT:
		r->fstat = (uint16_t)value;
		break;
	case FTAG:
		r->ftag = abridged_tag(value);
		break;
	case FISEG:
		r->fip = with_high(r->fip, value);
		break;
	case FIOFF:
		r->fip = with_low(r->fip, value);
		break;
	case FOSEG:
		r->fdp = with_high(r->fdp, value);
		break;
	case FOOFF:
		r->fdp = with_low(r->fdp, value);
		break;
	case FOP:
		r->fop = (uint16_t)value;
		break;
	case MXCSR:
		r->mxcsr = (uint32_t)value;
		break;
	case FS_BASE:
		r->fs_base = value;
		break;
	default:
		break;
	}
}

void gdb_register_set(struct cassin_debug_registers *r, unsigned n, const unsigned char *value)
{
	uint64_t number = 0;
	if (n >= ST && n < FCTRL) {
		memcpy(r->st[n - ST], value, CASSIN_DEBUG_ST_BYTES);
	} else if (n >= XMM && n < MXCSR) {
		memcpy(r->xmm[n - XMM], value, CASSIN_DEBUG_XMM_BYTES);
	} else if (n < COUNT) {
		memcpy(&number, value, gdb_register_size(n));
		set_number(r, n, number);
	}
}

/* ---- target.xml ---- */

static void put_list(FILE *out, const char *const *names, size_t count, unsigned bits, const char *type)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", names[i], bits, type);
}

static void put_row(FILE *out, const char *stem, unsigned count, unsigned bits, const char *type)
{
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "<reg name=\"%s%u\" bitsize=\"%u\" type=\"%s\"/>", stem, i, bits, type);
}

/* Names of the low bits, as `print $eflags` shows them. */
static void put_flags(FILE *out, const char *id, const char *const names[16])
{
	fprintf(out, "<flags id=\"%s\" size=\"4\">", id);
	for (unsigned bit = 0; bit < 16; bit++) {
		if (names[bit])
			fprintf(out, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", names[bit], bit, bit);
	}
	fputs("</flags>", out);
}

static void put_core(FILE *out)
{
	static const char *const numbers[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi"}, *const frames[] = {"rbp",
													    "rsp"};
	static const char *const late[] = {"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}, *const rip[] = {
													  "rip"};
	static const char *const segments[] = {"cs", "ss", "ds", "es", "fs", "gs"}, *const eflags[] = {"eflags"};
	static const char *const flags[16] = {"CF", NULL, "PF", NULL, "AF", NULL, "ZF", "SF", NULL, "IF", "DF", "OF"};
	static const char *const x87[] = {"fctrl", "fstat", "ftag", "fiseg", "fioff", "foseg", "fooff", "fop"};
	fputs("<feature name=\"org.gnu.gdb.i386.core\">", out);
	put_flags(out, "eflags", flags);
	put_list(out, numbers, 6, 64, "int64");
	put_list(out, frames, 2, 64, "data_ptr");
	put_list(out, late, 8, 64, "int64");
	put_list(out, rip, 1, 64, "code_ptr");
	put_list(out, eflags, 1, 32, "eflags");
	put_list(out, segments, 6, 32, "int32");
	put_row(out, "st", 8, 80, "i387_ext");
	put_list(out, x87, 8, 32, "int");
	fputs("</feature>", out);
}

static void put_vectors(FILE *out)
{
	static const struct {
		const char *field, *type;
		unsigned count;
	} views[] = {{"v4_float", "ieee_single", 4}, {"v2_double", "ieee_double", 2}, {"v16_int8", "int8", 16},
		     {"v8_int16", "int16", 8},       {"v4_int32", "int32", 4},        {"v2_int64", "int64", 2}};
	static const char *const mxcsr[] = {"mxcsr"}, *const bases[] = {"fs_base", "gs_base"};
	static const char *const flags[16] = {"IE", "DE", "ZE", "OE", "UE", "PE", "DAZ", "IM",
					      "DM", "ZM", "OM", "UM", "PM", NULL, NULL,  "FZ"};
	const size_t n = sizeof views / sizeof *views;
	fputs("<feature name=\"org.gnu.gdb.i386.sse\">", out);
	put_flags(out, "mxcsr", flags);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>", views[i].field, views[i].type,
			views[i].count);
	fputs("<union id=\"vec128\">", out);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "<field name=\"%s\" type=\"%s\"/>", views[i].field, views[i].field);
	fputs("<field name=\"uint128\" type=\"uint128\"/></union>", out);
	put_row(out, "xmm", 16, 128, "vec128");
	put_list(out, mxcsr, 1, 32, "mxcsr");
	fputs("</feature><feature name=\"org.gnu.gdb.i386.segments\">", out);
	put_list(out, bases, 2, 64, "int64");
	fputs("</feature>", out);
}

char *gdb_target_xml(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	fputs("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
	      "<architecture>i386:x86-64</architecture><osabi>none</osabi>",
	      out);
	put_core(out);
	put_vectors(out);
	fputs("</target>", out);
	fclose(out);
	return text;
}
