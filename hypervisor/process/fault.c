/* SPDX-License-Identifier: MIT */
/* The kernel keeps a fault's error code to itself: whether an access that failed was a write is read off its instruction. */
#include "process/fault.h"

#include <Zydis/Zydis.h>

#define VECTOR_DE 0u
#define VECTOR_MF 16u
#define VECTOR_XF 19u
#define X87_EXCEPTIONS 0x3fu

static bool decode(const unsigned char *bytes, size_t n, ZydisDecodedInstruction *i, ZydisDecodedOperand *operands)
{
	ZydisDecoder d;
	return ZYAN_SUCCESS(ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, n, i, operands));
}

static void give_registers(ZydisRegisterContext *to, const struct cpu_registers *r)
{
	const uint64_t all[16] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
				  r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};
	*to = (ZydisRegisterContext){0};
	for (unsigned i = 0; i < 16; i++) {
		to->values[ZYDIS_REGISTER_RAX + i] = all[i];
		to->values[ZYDIS_REGISTER_EAX + i] = (uint32_t)all[i];
	}
}

/* Whether a memory operand is at the address. What is pushed lies below the stack's pointer. */
static bool operand_at(const ZydisDecodedInstruction *i, const ZydisDecodedOperand *o, const struct cpu_registers *r,
		       uint64_t address)
{
	ZydisRegisterContext context;
	ZyanU64 at;
	uint64_t size = o->size / 8 ? o->size / 8 : 1;
	bool pushed = o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && o->mem.base == ZYDIS_REGISTER_RSP;
	uint64_t below = pushed ? size : 0;
	give_registers(&context, r);
	if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddressEx(i, o, r->rip, &context, &at)))
		return false;
	return address - (at - below) < size + below;
}

enum access instruction_access(const unsigned char *bytes, size_t n, const struct cpu_registers *r, uint64_t address)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	unsigned writes = 0, reads = 0;
	if (!decode(bytes, n, &i, operands))
		return ACCESS_READ;
	if (i.mnemonic == ZYDIS_MNEMONIC_CLZERO) /* its memory is no operand */
		return ACCESS_WRITE;
	for (unsigned o = 0; o < i.operand_count; o++) {
		if (operands[o].type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		bool write = operands[o].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
		if (operand_at(&i, &operands[o], r, address))
			return write ? ACCESS_WRITE : ACCESS_READ;
		writes += write;
		reads += !write;
	}
	return writes && !reads ? ACCESS_WRITE : ACCESS_READ;
}

bool instruction_whole(const unsigned char *bytes, size_t n)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	return decode(bytes, n, &i, operands);
}

bool instruction_port(const unsigned char *bytes, size_t n, uint16_t dx, uint8_t port)
{
	ZydisDecodedInstruction i;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	if (!decode(bytes, n, &i, operands))
		return false;
	switch (i.mnemonic) {
	case ZYDIS_MNEMONIC_IN:
	case ZYDIS_MNEMONIC_OUT:
		for (unsigned o = 0; o < i.operand_count; o++) {
			if (operands[o].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
				return operands[o].imm.value.u == port;
		}
		return dx == port;
	case ZYDIS_MNEMONIC_INSB:
	case ZYDIS_MNEMONIC_INSD:
	case ZYDIS_MNEMONIC_INSW:
	case ZYDIS_MNEMONIC_OUTSB:
	case ZYDIS_MNEMONIC_OUTSD:
	case ZYDIS_MNEMONIC_OUTSW:
		return dx == port;
	default:
		return false;
	}
}

/* Intel SDM volume 1, 8.6 and 11.5: an unmasked x87 exception is pending in the status word; else it was SSE's or AVX's. */
unsigned fpe_vector(int code, uint16_t fsw, uint16_t fcw)
{
	if (code == FPE_INTDIV)
		return VECTOR_DE;
	return fsw & ~fcw & X87_EXCEPTIONS ? VECTOR_MF : VECTOR_XF;
}
