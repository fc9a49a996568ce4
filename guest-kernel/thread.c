/* SPDX-License-Identifier: MIT */
/* The lives of threads. A thread's structure lies at the top of its stack. */
#include "kernel_private.h"

#define STACK_MOST (UINT64_C(1) << 30)
#define EXTRA_WITHIN 1024u /* so many bytes of the C library's are taken from a stack's size */
#define MXCSR_INITIAL 0x1f80u
#define X87_INITIAL 0x037fu

/* What kernel_context_switch() pops. */
struct frame {
	uint32_t mxcsr, x87;
	uint64_t r15, r14, r13, r12, rbx, rbp;
	void (*rip)(void);
	uint64_t caller; /* of that: none, where backtraces end */
};

struct cassin_thread *cassin_self(void)
{
	return kernel.current;
}

const char *cassin_thread_name(const struct cassin_thread *t)
{
	return t->name;
}

/* Seen in crash reports: whose backtrace ends here has run on a thread's stack. */
static void cassin_thread_begin(void)
{
	struct cassin_thread *self = kernel.current;
	kernel_switched();
	kernel_local(self);
	kernel.locked = 1; /* whatever the one had that ran before */
	kernel_unlock();
	if (self->local)
		cassin_local_begin(self->local);
	cassin_thread_exit(self->run(self->arg));
}

static void set_name(struct cassin_thread *t, const char *name)
{
	for (size_t i = 0; i + 1 < sizeof t->name && name[i]; i++)
		t->name[i] = name[i];
}

static void enlist(struct cassin_thread *t)
{
	t->all_next = kernel.all;
	t->all_link = &kernel.all;
	if (t->all_next)
		t->all_next->all_link = &t->all_next;
	kernel.all = t;
	kernel.threads++;
}

static void delist(struct cassin_thread *t)
{
	*t->all_link = t->all_next;
	if (t->all_next)
		t->all_next->all_link = t->all_link;
}

static uint64_t below(uint64_t top, size_t size)
{
	return (top - size) & ~(uint64_t)(CASSIN_LOCAL_ALIGN - 1);
}

static struct cassin_thread *make(size_t size)
{
	size_t extra = cassin_local_size ? cassin_local_size() : 0;
	size_t pages = (size + (extra > EXTRA_WITHIN ? extra : 0) + CASSIN_PAGE_SIZE - 1) / CASSIN_PAGE_SIZE;
	char *stack = kernel_stack_alloc(pages);
	if (!stack)
		return NULL;
	uint64_t top = (uint64_t)stack + kernel_stack_bytes(pages);
	if (extra)
		top = below(top, extra);
	struct cassin_thread *t = (struct cassin_thread *)below(top, sizeof(struct cassin_thread));
	struct frame *f = (struct frame *)t - 1;
	memset(t, 0, sizeof *t);
	*f = (struct frame){.mxcsr = MXCSR_INITIAL, .x87 = X87_INITIAL, .rip = cassin_thread_begin};
	if (extra)
		t->local = memset((void *)top, 0, extra);
	t->stack = stack;
	t->stack_pages = pages;
	t->sp = f;
	return t;
}

void kernel_thread_free(struct cassin_thread *t)
{
	delist(t);
	if (t->stack) /* not main's */
		kernel_stack_free(t->stack, t->stack_pages);
}

int cassin_thread_create(struct cassin_thread **out, const struct cassin_thread_options *options, int (*run)(void *arg),
			 void *arg)
{
	static const struct cassin_thread_options usual;
	const struct cassin_thread_options *o = options ? options : &usual;
	size_t size = o->stack_size ? o->stack_size : CASSIN_STACK_DEFAULT;
	if (o->priority > CASSIN_PRIORITY_MOST || size > STACK_MOST)
		return -CASSIN_EINVAL;
	kernel_lock();
	struct cassin_thread *t = make(size);
	if (t) {
		set_name(t, o->name ? o->name : "thread");
		t->priority = t->base = o->priority ? (uint8_t)o->priority : CASSIN_PRIORITY_DEFAULT;
		t->detached = o->detached;
		t->run = run;
		t->arg = arg;
		enlist(t);
		ready_put(&kernel.ready, t);
		if (out)
			*out = t;
	}
	kernel_unlock();
	return t ? 0 : -CASSIN_ENOMEM;
}

int cassin_thread_join(struct cassin_thread *t, int *result, uint64_t deadline)
{
	struct cassin_thread *self = kernel.current;
	int r = 0;
	if (t == self)
		return -CASSIN_EDEADLK;
	kernel_lock();
	if (t->detached || t->joiner)
		r = t->detached ? -CASSIN_EINVAL : -CASSIN_EBUSY;
	else if (t->state != THREAD_ENDED) {
		t->joiner = self;
		r = kernel_block(NULL, deadline, "a thread to end");
		if (r)
			t->joiner = NULL;
	}
	if (!r) {
		if (result)
			*result = t->result;
		kernel_thread_free(t);
	}
	kernel_unlock();
	return r;
}

int cassin_thread_detach(struct cassin_thread *t)
{
	int r = 0;
	kernel_lock();
	if (t->detached) {
		r = -CASSIN_EINVAL;
	} else if (t->joiner) {
		r = -CASSIN_EBUSY;
	} else {
		t->detached = true;
		if (t->state == THREAD_ENDED)
			kernel_thread_free(t);
	}
	kernel_unlock();
	return r;
}

void cassin_thread_exit(int result)
{
	struct cassin_thread *self = kernel.current;
	if (self->held)
		cassin_panic("thread %s ended with a mutex locked", self->name);
	if (kernel.threads == 1 && cassin_main_end)
		cassin_main_end(self->stack ? kernel.code : result);
	kernel_lock();
	if (self->local)
		cassin_local_end(self->local);
	self->result = result;
	self->state = THREAD_ENDED;
	if (!self->stack)
		kernel.code = result;
	if (!--kernel.threads)
		cassin_exit(kernel.code);
	if (self->joiner)
		kernel_wake(self->joiner, 0);
	else if (self->detached)
		kernel.ended = self;
	kernel_switch();
	__builtin_unreachable();
}

unsigned cassin_thread_priority(const struct cassin_thread *t)
{
	return t->base;
}

int cassin_thread_set_priority(struct cassin_thread *t, unsigned priority)
{
	if (priority > CASSIN_PRIORITY_MOST)
		return -CASSIN_EINVAL;
	kernel_lock();
	t->base = (uint8_t)priority;
	kernel_reprioritise(t);
	kernel_unlock();
	return 0;
}

void *cassin_thread_slot(unsigned i)
{
	return i < CASSIN_THREAD_SLOTS ? kernel.current->slots[i] : NULL;
}

void cassin_thread_slot_set(unsigned i, void *value)
{
	if (i < CASSIN_THREAD_SLOTS)
		kernel.current->slots[i] = value;
}
