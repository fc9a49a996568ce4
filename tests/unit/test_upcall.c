/* SPDX-License-Identifier: MIT */
/* Events and upcalls over flat memory: delivery, masks, waits. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "fake_guest.h"
#include "guest/registers.h"

#define MASK (FAKE_BASE + 0x100)
#define STACK (FAKE_BASE + 0x4000)
#define STACK_SIZE 0x1000u
#define FRAME (FAKE_BASE + 0x8000)
#define ENTRY UINT64_C(0x400000)
#define SPACE 3u
#define NOW 1000u /* the fake clock's */

static struct fake_guest *guest(void)
{
	struct fake_guest *f = fake_guest_new();
	static frame_t roots[SPACES_MAX - 1] = {[SPACE - 1] = 77};
	f->guest.memory.tables.more = roots;
	f->guest.cpu.regs = (struct cpu_registers){
		.rip = 0x401000, .rsp = FAKE_BASE + 0x2000, .rax = 5, .rflags = 0x3246};
	f->guest.cpu.fs_base = 0x1234;
	return f;
}

static struct fake_guest *guest_with_upcalls(void)
{
	struct fake_guest *f = guest();
	const struct upcall_wanted wanted = {
		.entry = ENTRY, .stack = STACK, .stack_size = STACK_SIZE, .mask = gva(MASK)};
	cr_assert_eq(upcall_set(&f->guest, &wanted), 0);
	return f;
}

static uint64_t *mask_of(struct fake_guest *f)
{
	return fake_at(f, MASK);
}

static struct cassin_upcall_frame *delivered(struct fake_guest *f)
{
	upcall_deliver(&f->guest, upcall_due(&f->guest));
	cr_assert_null(f->guest.doomed);
	cr_assert_eq(f->guest.cpu.regs.rip, ENTRY);
	cr_assert_eq(f->guest.cpu.regs.rsi, f->guest.cpu.regs.rsp);
	return fake_at(f, f->guest.cpu.regs.rsp);
}

/* ---- Events ---- */

Test(upcall, an_event_is_one_bit_however_often_it_comes)
{
	struct fake_guest *f = guest();
	for (int i = 0; i < 100; i++)
		upcall_raise(&f->guest, CASSIN_EVENT_COMPLETION);
	upcall_raise(&f->guest, CASSIN_EVENT_STOP);
	cr_assert_eq(f->info.pending, CASSIN_EVENT_COMPLETION | CASSIN_EVENT_STOP);
	upcall_lower(&f->guest, CASSIN_EVENT_COMPLETION);
	cr_assert_eq(f->info.pending, CASSIN_EVENT_STOP);
	fake_guest_free(f);
}

Test(upcall, only_events_that_end_its_wait_wake_a_blocked_guest)
{
	struct fake_guest *f = guest_with_upcalls();
	*mask_of(f) = ~(uint64_t)CASSIN_EVENT_STOP;
	cr_assert(!upcall_before_wait(&f->guest, CASSIN_EVENT_TIMER));
	f->guest.run = RUN_BLOCKED;
	upcall_raise(&f->guest, CASSIN_EVENT_COMPLETION);
	cr_assert_eq(f->wakes, 0u);
	upcall_raise(&f->guest, CASSIN_EVENT_TIMER); /* masked, but named */
	cr_assert_eq(f->wakes, 1u);
	upcall_raise(&f->guest, CASSIN_EVENT_STOP); /* not masked */
	cr_assert_eq(f->wakes, 2u);
	cr_assert(upcall_before_wait(&f->guest, 0), "an upcall is due");
	fake_guest_free(f);
}

Test(upcall, the_timer_is_raised_when_it_is_due)
{
	struct fake_guest *f = guest();
	struct upcall_wanted timer = {.timer = NOW + 10};
	cr_assert_eq(upcall_set(&f->guest, &timer), 0);
	upcall_look(&f->guest, NOW + 9);
	cr_assert_eq(f->info.pending, 0u);
	cr_assert_eq(deadlines_run(&f->worker.deadlines, NOW + 10), 1u);
	cr_assert_eq(f->info.pending, CASSIN_EVENT_TIMER);
	timer.timer = NOW; /* set again: what it raised is withdrawn, and its deadline need not have fired to be seen */
	cr_assert_eq(upcall_set(&f->guest, &timer), 0);
	cr_assert_eq(f->info.pending, 0u);
	upcall_look(&f->guest, NOW);
	cr_assert_eq(f->info.pending, CASSIN_EVENT_TIMER);
	timer.timer = CASSIN_FOREVER;
	cr_assert_eq(upcall_set(&f->guest, &timer), 0);
	cr_assert_eq(f->info.pending, 0u);
	cr_assert_eq(deadlines_run(&f->worker.deadlines, UINT64_MAX - 1), 0u);
	fake_guest_free(f);
}

/* ---- Upcalls ---- */

Test(upcall, a_delivery_puts_the_registers_on_the_stack_and_masks_everything)
{
	struct fake_guest *f = guest_with_upcalls();
	const struct cpu_registers was = f->guest.cpu.regs;
	*mask_of(f) = CASSIN_EVENT_TIMER;
	upcall_raise(&f->guest, CASSIN_EVENT_TIMER | CASSIN_EVENT_STOP);
	const struct cassin_upcall_frame *frame = delivered(f);
	cr_assert_eq(f->guest.cpu.regs.rsp % 16, 0u);
	cr_assert(f->guest.cpu.regs.rsp >= STACK && f->guest.cpu.regs.rsp + sizeof *frame <= STACK + STACK_SIZE);
	cr_assert_eq(f->guest.cpu.regs.rdi, CASSIN_EVENT_STOP);
	cr_assert_eq(frame->events, CASSIN_EVENT_STOP);
	cr_assert_eq(frame->mask, CASSIN_EVENT_TIMER);
	cr_assert_eq(frame->regs.rip, was.rip);
	cr_assert_eq(frame->regs.rsp, was.rsp);
	cr_assert_eq(frame->regs.rax, was.rax);
	cr_assert_eq(frame->regs.rflags, was.rflags & RFLAGS_KEPT);
	cr_assert_eq(frame->regs.fs_base, 0x1234u);
	cr_assert_eq(*mask_of(f), UINT64_MAX);
	cr_assert_eq(f->info.pending, CASSIN_EVENT_TIMER);
	cr_assert_eq(upcall_due(&f->guest), 0u);
	cr_assert_eq(upcall_return(&f->guest, gva(f->guest.cpu.regs.rsp), 0), 0);
	cr_assert_eq(f->guest.cpu.regs.rip, was.rip);
	cr_assert_eq(f->guest.cpu.regs.rsp, was.rsp);
	cr_assert_eq(*mask_of(f), CASSIN_EVENT_TIMER);
	fake_guest_free(f);
}

Test(upcall, one_that_interrupts_a_handler_goes_below_its_red_zone)
{
	struct fake_guest *f = guest_with_upcalls();
	f->guest.cpu.regs.rsp = STACK + STACK_SIZE; /* on it already */
	upcall_raise(&f->guest, CASSIN_EVENT_STOP);
	delivered(f);
	const uint64_t first = f->guest.cpu.regs.rsp;
	cr_assert(first + sizeof(struct cassin_upcall_frame) <= STACK + STACK_SIZE - CASSIN_RED_ZONE);
	*mask_of(f) = 0;
	upcall_raise(&f->guest, CASSIN_EVENT_TIMER);
	delivered(f);
	cr_assert(f->guest.cpu.regs.rsp + sizeof(struct cassin_upcall_frame) <= first - CASSIN_RED_ZONE);
	fake_guest_free(f);
}

Test(upcall, a_stack_without_room_or_memory_dooms_the_guest)
{
	struct fake_guest *f = guest_with_upcalls();
	for (uint64_t room = 1; room < CASSIN_RED_ZONE + sizeof(struct cassin_upcall_frame); room++) {
		f->guest.cpu.regs.rsp = STACK + room;
		upcall_raise(&f->guest, CASSIN_EVENT_STOP);
		upcall_deliver(&f->guest, upcall_due(&f->guest));
		cr_assert_str_eq(f->guest.doomed, "upcall stack overflow");
		f->guest.doomed = NULL;
	}
	f->guest.cpu.regs.rsp = STACK; /* not on it */
	f->limit = STACK + 8;
	upcall_deliver(&f->guest, upcall_due(&f->guest));
	cr_assert_str_eq(f->guest.doomed, "upcall stack or mask unmapped");
	f->guest.doomed = NULL;
	f->limit = FAKE_BASE;
	cr_assert_eq(upcall_due(&f->guest), 0u);
	cr_assert_str_eq(f->guest.doomed, "upcall mask unmapped");
	fake_guest_free(f);
}

Test(upcall, a_refused_return_changes_nothing)
{
	struct fake_guest *f = guest_with_upcalls();
	const struct cpu_registers was = f->guest.cpu.regs;
	struct cassin_upcall_frame *frame = fake_at(f, FRAME);
	*frame = (struct cassin_upcall_frame){.mask = 5, .rsv = 1};
	cr_assert_eq(upcall_return(&f->guest, gva(FRAME), NOW + 5), -EINVAL);
	*frame = (struct cassin_upcall_frame){.mask = 5, .regs.rip = CASSIN_VA_END};
	cr_assert_eq(upcall_return(&f->guest, gva(FRAME), NOW + 5), -EINVAL);
	cr_assert_eq(upcall_return(&f->guest, gva(0), NOW + 5), -EFAULT);
	*frame = (struct cassin_upcall_frame){.mask = 5};
	f->guest.upcalls.handler->is.mask = gva(FAKE_BASE + FAKE_SIZE);
	cr_assert_eq(upcall_return(&f->guest, gva(FRAME), NOW + 5), -EFAULT);
	cr_assert_eq(memcmp(&was, &f->guest.cpu.regs, sizeof was), 0);
	cr_assert_eq(*mask_of(f), 0u);
	cr_assert_eq(upcall_wanted(&f->guest.upcalls)->timer, 0u);
	fake_guest_free(f);
}

/* ---- User mode ---- */

static struct cassin_user_frame *user_frame(struct fake_guest *f)
{
	struct cassin_user_frame *frame = fake_at(f, FRAME);
	*frame = (struct cassin_user_frame){
		.regs = {.rip = 0x10, .rsp = 0x20, .rax = 9, .rflags = UINT64_MAX, .fs_base = 7}};
	return frame;
}

Test(user, a_run_swaps_the_registers_and_its_end_swaps_them_back)
{
	struct fake_guest *f = guest();
	const struct cpu_registers was = f->guest.cpu.regs;
	struct cassin_user_frame *frame = user_frame(f);
	cr_assert_null(f->guest.user.caller, "a guest without user code has no room for its caller's registers");
	cr_assert_eq(user_enter(&f->guest, SPACE, gva(FRAME), CASSIN_FOREVER), 0);
	cr_assert_eq(f->guest.cpu.regs.rip, 0x10u);
	cr_assert_eq(f->guest.cpu.regs.rflags, RFLAGS_KEPT);
	cr_assert_eq(f->guest.cpu.fs_base, 7u);
	cr_assert_eq(f->guest.user.space, SPACE);
	f->guest.cpu.regs.rax = 10;
	user_leave(&f->guest, CASSIN_USER_FAULT, &(struct user_end){.vector = 6});
	cr_assert_eq(f->guest.user.space, 0u);
	cr_assert_eq(f->guest.cpu.regs.rip, was.rip);
	cr_assert_eq(f->guest.cpu.regs.rax, CASSIN_USER_FAULT);
	cr_assert_eq(f->guest.cpu.fs_base, 0x1234u);
	cr_assert_eq(frame->regs.rax, 10u);
	cr_assert_eq(frame->regs.rflags, RFLAGS_KEPT);
	cr_assert_eq(frame->vector, 6u);
	cr_assert_null(f->guest.doomed);
	fake_guest_free(f);
}

Test(user, deadline_and_events_end_a_run_and_nothing_else_does)
{
	struct fake_guest *f = guest_with_upcalls();
	struct cassin_user_frame *frame = user_frame(f);
	frame->wake = CASSIN_EVENT_TIMER;
	cr_assert_eq(user_enter(&f->guest, SPACE, gva(FRAME), NOW + 5), 0);
	upcall_raise(&f->guest, CASSIN_EVENT_COMPLETION);
	user_end_if_due(&f->guest, NOW, 0);
	cr_assert_eq(f->guest.user.space, SPACE);
	upcall_raise(&f->guest, CASSIN_EVENT_TIMER);
	user_end_if_due(&f->guest, NOW, 0);
	cr_assert_eq(f->guest.cpu.regs.rax, CASSIN_USER_EVENT);
	cr_assert_eq(frame->events, CASSIN_EVENT_TIMER);
	cr_assert_eq(f->guest.upcalls.pending, CASSIN_EVENT_COMPLETION, "what it was told is no longer pending");
	cr_assert_eq(user_enter(&f->guest, SPACE, gva(FRAME), NOW + 5), 0);
	user_end_if_due(&f->guest, NOW, CASSIN_EVENT_COMPLETION);
	cr_assert_eq(f->guest.cpu.regs.rax, CASSIN_USER_EVENT);
	cr_assert_eq(frame->events, 0u, "the upcall tells");
	cr_assert_eq(user_enter(&f->guest, SPACE, gva(FRAME), NOW + 5), 0);
	user_end_if_due(&f->guest, NOW + 5, 0);
	cr_assert_eq(f->guest.cpu.regs.rax, CASSIN_USER_DEADLINE);
	fake_guest_free(f);
}

Test(user, a_frame_that_goes_away_dooms_the_guest)
{
	struct fake_guest *f = guest();
	user_frame(f);
	cr_assert_eq(user_enter(&f->guest, SPACE, gva(FRAME), CASSIN_FOREVER), 0);
	f->limit = FRAME;
	user_leave(&f->guest, CASSIN_USER_CALL, NULL);
	cr_assert_str_eq(f->guest.doomed, "user frame unmapped");
	fake_guest_free(f);
}

Test(user, a_space_that_is_not_there_is_refused)
{
	static const uint64_t bad[] = {0, 1, SPACES_MAX, SPACES_MAX + SPACE, UINT64_C(1) << 32 | SPACE, UINT64_MAX};
	struct fake_guest *f = guest();
	user_frame(f);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(user_enter(&f->guest, bad[i], gva(FRAME), CASSIN_FOREVER), -EINVAL);
	fake_guest_free(f);
}
