/* SPDX-License-Identifier: MIT */
/* User processes: a space each, run by user_run, and their system calls. */
#include "kernel.h"

#define PROCESSES 4
#define USER_CODE UINT64_C(0x10000000)
#define USER_STACK UINT64_C(0x20000000)

enum system_call { SYSTEM_EXIT, SYSTEM_WRITE, SYSTEM_SLEEP };

struct process {
	uint8_t vectors[832] __attribute__((aligned(64))); /* as xsave has them */
	struct cassin_user_frame frame;
	const char *name; /* NULL: free */
	uint64_t space;
	uint8_t *code, *stack; /* pages; the stack comes with its first use */
};

static struct process processes[PROCESSES];
bool have_xsave;

int64_t user_run(uint64_t space, struct cassin_user_frame *frame, uint64_t deadline, uint8_t *vectors);

void process_start(void)
{
	uint32_t a = 1, b, c = 0, d;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	have_xsave = c >> 27 & 1;
}

static uint8_t *show_page(struct process *p, uint64_t va, uint64_t rights)
{
	uint8_t *page = page_alloc();
	if (page && call(CASSIN_CALL_MAP, p->space, va, page_number(page), 1, rights)) {
		page_free(page);
		return NULL;
	}
	return page;
}

/* A user's address as one of space 0, or NULL: never followed before it was looked up here. */
static const uint8_t *user_bytes(const struct process *p, uint64_t va, uint64_t length)
{
	uint64_t base = va & ~(uint64_t)(CASSIN_PAGE_SIZE - 1);
	const uint8_t *page = base == USER_CODE ? p->code : base == USER_STACK ? p->stack : NULL;
	return page && length <= CASSIN_PAGE_SIZE - (va - base) ? page + (va - base) : NULL;
}

/* True: the process goes on. */
static bool system_call(struct process *p)
{
	struct cassin_registers *r = &p->frame.regs;
	const uint8_t *bytes;
	switch (r->rax) {
	case SYSTEM_EXIT:
		say(p->name, "exit", r->rdi);
		return false;
	case SYSTEM_WRITE:
		bytes = user_bytes(p, r->rdi, r->rsi);
		if (bytes)
			console_write((const char *)bytes, r->rsi);
		r->rax = bytes ? r->rsi : (uint64_t)-CASSIN_EFAULT;
		return true;
	case SYSTEM_SLEEP:
		thread_sleep(r->rdi > CASSIN_FOREVER - 1 - now() ? CASSIN_FOREVER - 1 : now() + r->rdi);
		r->rax = 0;
		return true;
	default:
		r->rax = (uint64_t)-CASSIN_ENOSYS;
		return true;
	}
}

static bool fault(struct process *p)
{
	const struct cassin_user_frame *f = &p->frame;
	uint64_t base = f->address & ~(uint64_t)(CASSIN_PAGE_SIZE - 1);
	if (f->vector == 14 && base == USER_STACK && !p->stack) {
		p->stack = show_page(p, USER_STACK, CASSIN_READ | CASSIN_WRITE);
		return p->stack;
	}
	say(p->name, "ended by exception", f->vector);
	return false;
}

/* Interrupts are off from the load of the vector state to its store, so that it stays this process's. */
static void process_run(void *argument)
{
	struct process *p = argument;
	bool goes_on = true;
	uint64_t turns = 0;
	while (goes_on) {
		uint64_t mask = interrupts_off();
		int64_t reason = user_run(p->space, &p->frame, now() + SLICE_NS, p->vectors);
		interrupts_restore(mask);
		turns += reason == CASSIN_USER_DEADLINE;
		if (reason == CASSIN_USER_CALL)
			goes_on = system_call(p);
		else if (reason == CASSIN_USER_FAULT)
			goes_on = fault(p);
		else if (reason == CASSIN_USER_DEADLINE)
			thread_yield();
		else
			panic("user_run");
	}
	say(p->name, "turns that were cut short:", turns);
	call(CASSIN_CALL_SPACE_DESTROY, p->space, 0, 0, 0, 0);
	page_free(p->code);
	if (p->stack)
		page_free(p->stack);
	p->name = NULL;
}

void process_create(const char *name, const void *program, const void *program_end)
{
	struct process *p = processes;
	uint64_t size = (uint64_t)program_end - (uint64_t)program;
	while (p < processes + PROCESSES && p->name)
		p++;
	int64_t space = call(CASSIN_CALL_SPACE_CREATE, 0, 0, 0, 0, 0);
	if (p == processes + PROCESSES || space < 0 || size > CASSIN_PAGE_SIZE)
		panic("no room for a process");
	*p = (struct process){.name = name, .space = (uint64_t)space};
	p->code = show_page(p, USER_CODE, CASSIN_READ | CASSIN_EXEC);
	if (!p->code)
		panic("no page for a program");
	memcpy(p->code, program, size);
	p->frame.regs.rip = USER_CODE;
	p->frame.regs.rsp = USER_STACK + CASSIN_PAGE_SIZE;
	*(uint16_t *)p->vectors = 0x037f; /* control words as a processor starts with them */
	*(uint32_t *)(p->vectors + 24) = 0x1f80;
	thread_create(process_run, p);
}
