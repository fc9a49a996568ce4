/* SPDX-License-Identifier: MIT */
/* The C library, as a program with one thread sees it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cassin/kernel.h>

#include "check.h"

#define CHECK_TEXT(is, want) CHECK(strcmp(is, want) == 0)

static void formats(int argc, char **argv)
{
	char text[128];
	(void)argc;
	(void)argv;
	CHECK_IS(snprintf(text, sizeof text, "%5d|%-5s|%#x|%+.3e|%g", 42, "ab", 255, 12345.678, 0.1), 31);
	CHECK_TEXT(text, "   42|ab   |0xff|+1.235e+04|0.1");
	snprintf(text, sizeof text, "%lld %zu %hhu %" PRIu64 " %.17g %a", -(1LL << 40), (size_t)7, (unsigned char)255,
		 UINT64_MAX, 0.1, 1.0);
	CHECK_TEXT(text, "-1099511627776 7 255 18446744073709551615 0.10000000000000001 0x1p+0");
	int number = 0, end = 0;
	char word[8] = "";
	double real = 0;
	CHECK_IS(sscanf("17 apples 2.5e3 rest", "%d %7s %lf%n", &number, word, &real, &end), 3);
	CHECK_IS(number, 17);
	CHECK_TEXT(word, "apples");
	CHECK(real == 2500.0);
	CHECK_IS(end, 15);
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void numbers(int argc, char **argv)
{
	volatile double two = 2.0;
	int sorted[] = {5, 3, 9, 1, 7};
	char *end;
	(void)argc;
	(void)argv;
	CHECK(sqrt(two) == 1.4142135623730951);
	CHECK(pow(two, 0.5) == 1.4142135623730951);
	CHECK(fabs(sin(two) - 0.9092974268256817) < 1e-15);
	CHECK(isnan(sqrt(-two)) && isinf(exp(two * 1000)));
	CHECK(strtod("0x1.8p1rest", &end) == 3.0 && strcmp(end, "rest") == 0);
	CHECK_IS(strtoll("-0x10", NULL, 0), -16);
	errno = 0;
	CHECK(strtoul("99999999999999999999", NULL, 10) == ULONG_MAX && errno == ERANGE);
	qsort(sorted, 5, sizeof *sorted, by_value);
	for (int i = 0; i < 5; i++)
		CHECK_IS(sorted[i], 2 * i + 1);
}

/* What does not fit gives NULL, and the guest lives on. */
static void memory(int argc, char **argv)
{
	struct chunk {
		struct chunk *next;
	} *all = NULL, *c;
	(void)argc;
	(void)argv;
	size_t before = cassin_heap_used();
	while ((c = malloc(1 << 20))) {
		c->next = all;
		all = c;
	}
	CHECK_IS(errno, ENOMEM);
	while ((c = all)) {
		all = c->next;
		free(c);
	}
	CHECK_IS(cassin_heap_used(), before);
	volatile size_t most = SIZE_MAX / 2;
	CHECK(!calloc(most, 3));
	char *text = strdup("kept");
	CHECK(text && (text = realloc(text, 100000)));
	CHECK_TEXT(text, "kept");
	free(text);
	void *aligned = NULL;
	CHECK_IS(posix_memalign(&aligned, 4096, 10), 0);
	CHECK_IS((uintptr_t)aligned % 4096, 0);
	free(aligned);
	CHECK_IS(posix_memalign(&aligned, 24, 10), EINVAL);
}

static jmp_buf place;

static _Noreturn void jump(int value)
{
	longjmp(place, value);
}

static void jumps(int argc, char **argv)
{
	volatile int local = 5;
	(void)argc;
	(void)argv;
	int value = setjmp(place);
	if (value < 3)
		jump(value + 1);
	CHECK_IS(value, 3);
	CHECK_IS(local, 5);
}

static void dates(int argc, char **argv)
{
	char text[64];
	struct timespec a, b, pause = {.tv_nsec = 5000000};
	time_t then = 1000000000;
	(void)argc;
	(void)argv;
	CHECK(strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", gmtime(&then)) > 0);
	CHECK_TEXT(text, "2001-09-09 01:46:40");
	CHECK(time(NULL) > 1600000000);
	CHECK_IS(clock_gettime(CLOCK_MONOTONIC, &a), 0);
	CHECK_IS(nanosleep(&pause, NULL), 0);
	CHECK_IS(clock_gettime(CLOCK_MONOTONIC, &b), 0);
	CHECK((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 4800000);
	clock_t began = clock();
	CHECK(began != (clock_t)-1);
	while (clock() == began) {
	}
	CHECK_IS(nanosleep(&(struct timespec){.tv_nsec = -1}, NULL), -1);
	CHECK_IS(errno, EINVAL);
}

/* There is nothing but the console. */
static void files(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK(!fopen("/etc/passwd", "r"));
	CHECK_IS(errno, ENOENT);
	CHECK(!fopen("new", "w"));
	CHECK_IS(errno, EROFS);
	CHECK_IS(write(7, "x", 1), -1);
	CHECK_IS(errno, EBADF);
	CHECK_IS(lseek(0, 0, SEEK_SET), -1);
	CHECK_IS(errno, ESPIPE);
}

static int deep(int depth)
{
	volatile char room[1024];
	room[depth % 1024] = 1;
	return depth ? deep(depth - 1) + room[depth % 1024] : 0;
}

static void stack(int argc, char **argv)
{
	CHECK_IS(deep(argc > 1 ? 2000 : 800), 800); /* KiB, of 1 MiB */
	double on_it = 0.5;
	CHECK((uint64_t)&on_it % 8 == 0);
	char text[32];
	snprintf(text, sizeof text, "%s %.2f", argv[0], on_it);
	CHECK_TEXT(text, "stack 0.50");
}

/* As the runner makes them (files.c). */
static void named_files(int argc, char **argv)
{
	char text[32];
	(void)argc;
	(void)argv;
	FILE *in = fopen("./greeting", "r"), *same = fopen("/greeting", "r");
	CHECK(in && same);
	CHECK(fgets(text, sizeof text, in));
	CHECK_TEXT(text, "hello, guest");
	CHECK(!fgets(text, sizeof text, in) && feof(in));
	CHECK_IS(fseek(in, -5, SEEK_END), 0);
	CHECK_IS(ftell(in), 7);
	CHECK_IS(fgetc(in), 'g');
	CHECK_IS(fgetc(same), 'h');
	CHECK_IS(fclose(in), 0);
	CHECK_IS(fgetc(same), 'e');
	CHECK_IS(fseek(same, -1, SEEK_SET), -1);
	CHECK_IS(errno, EINVAL);
	CHECK_IS(write(fileno(same), "x", 1), -1);
	CHECK_IS(errno, EBADF);
	CHECK(!isatty(fileno(same)));
	CHECK_IS(fclose(same), 0);
	struct stat about;
	CHECK_IS(stat("lib/numbers", &about), 0);
	CHECK(S_ISREG(about.st_mode) && about.st_size == (1 << 20) + 1);
	in = fopen("lib/numbers", "rb");
	CHECK(in);
	for (long i = 0; i <= 1 << 20; i++)
		CHECK_IS(fgetc(in), (i * 7 + (i >> 12)) & 255);
	CHECK_IS(fgetc(in), EOF);
	CHECK(!fopen("lib/numbers", "r+"));
	CHECK_IS(errno, EROFS);
	CHECK_IS(open("greeting", O_RDWR | O_CREAT | O_EXCL, 0600), -1);
	CHECK_IS(errno, EEXIST);
	CHECK_IS(open("greeting", O_RDONLY | O_CREAT | O_EXCL, 0600), -1);
	CHECK_IS(errno, EEXIST);
	CHECK_IS(open("greeting", O_RDONLY | O_DIRECTORY), -1);
	CHECK_IS(errno, ENOTDIR);
	CHECK_IS(remove("greeting"), -1);
	CHECK_IS(errno, EROFS);
	int fd;
	while ((fd = open("greeting", O_RDONLY)) >= 0)
		CHECK(fd > 2);
	CHECK_IS(errno, EMFILE);
}

static void lines(int argc, char **argv)
{
	char line[64];
	int a = 0, b = 0;
	(void)argc;
	(void)argv;
	puts("waiting");
	while (fgets(line, sizeof line, stdin) && sscanf(line, "%d + %d", &a, &b) == 2)
		printf("%d\n", a + b);
	printf("%s", feof(stdin) ? "the end" : line);
}

static void says_third(void)
{
	printf("third");
}

static void says_second(void)
{
	printf("second ");
}

static int early;

__attribute__((constructor)) static void first(void)
{
	early = 1;
}

static void ends(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(early, 1);
	atexit(says_third);
	atexit(says_second);
	printf("first ");
	exit(7);
}

static void aborts(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	abort();
}

/* However far away a moment is, a thread may wait for it. */
static void sleeps(int argc, char **argv)
{
	static const struct timespec far[] = {
		{LONG_MAX, 999999999},   {18446744073, 709551614}, {18446744073, 709551615},
		{9223372036, 854775807}, {1000000000, 0},
	};
	int which = argc > 1 ? atoi(argv[1]) : 0;
	puts("sleeping");
	if (which < 5)
		nanosleep(&far[which], NULL);
	else if (which == 5)
		sleep(UINT_MAX);
	else if (which == 6)
		usleep(UINT_MAX);
	else
		cassin_sleep(CASSIN_FOREVER - 1);
	CHECK(!"it has slept");
}

/* A timer whose period ends beyond all time fires once. */
static unsigned fired;

static void fires(struct cassin_timer *t)
{
	(void)t;
	fired++;
}

static void periods(int argc, char **argv)
{
	struct cassin_timer t = {.fire = fires, .period = CASSIN_FOREVER - 5};
	(void)argc;
	(void)argv;
	cassin_timer_start(&t, cassin_now() + MS);
	for (int i = 0; i < 3; i++)
		cassin_sleep(2 * MS);
	CHECK_IS(fired, 1);
	CHECK(cassin_timer_stop(&t));
	CHECK_IS(cassin_after(CASSIN_FOREVER), CASSIN_FOREVER);
	CHECK_IS(cassin_after(CASSIN_FOREVER - 1), CASSIN_FOREVER - 1);
}

/* Numbers that nobody can guess, and none of them twice. */
static void random_numbers(int argc, char **argv)
{
	uint32_t seen[64];
	unsigned char large[1000] = {0}, bits = 0;
	(void)argc;
	(void)argv;
	for (int i = 0; i < 64; i++) { /* that two of them are the same: once in two million runs */
		seen[i] = arc4random();
		for (int j = 0; j < i; j++)
			CHECK(seen[j] != seen[i]);
		CHECK(arc4random_uniform(7) < 7);
	}
	CHECK_IS(arc4random_uniform(1) + arc4random_uniform(0), 0);
	for (int i = 0; i < 40; i++) {
		arc4random_buf(large, sizeof large);
		bits |= large[0] & large[999];
	}
	CHECK_IS(bits, 255);
	CHECK_IS(getentropy(large, 256), 0);
	CHECK_IS(getentropy(large, 257), -1);
	CHECK_IS(errno, EIO);
}

static const struct property all[] = {
	{"formats", formats},
	{"numbers", numbers},
	{"memory", memory},
	{"jumps", jumps},
	{"dates", dates},
	{"files", files},
	{"named-files", named_files},
	{"stack", stack},
	{"lines", lines},
	{"ends", ends},
	{"aborts", aborts},
	{"sleeps", sleeps},
	{"periods", periods},
	{"random", random_numbers},
};
PROPERTIES(all)
