/* SPDX-License-Identifier: MIT */
/* One check: a guest in a shell's command, and how it ended. */
#include "conformance.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/placeholders.h"
#include "../common/resource.h"

#define PATIENCE_S 20u
#define TAIL_BYTES 2048
#define LINE_BYTES 160

char *conformance_default_command(void)
{
	char self[PATH_MAX], *command = NULL;
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n <= 0 || asprintf(&command, "'%.*s' run {image} {args}", (int)n, self) < 0)
		return NULL;
	return command;
}

/* The command of a check, for a shell; malloc'd. */
static char *fill(const char *command, const char *image, const char *args)
{
	char *quoted = NULL, *whole = NULL;
	if (asprintf(&quoted, "'%s'", image) >= 0) {
		const struct placeholder words[] = {{"{image}", quoted}, {"{args}", args}};
		whole = placeholders_fill(command, words, 2);
		free(quoted);
	}
	return whole;
}

static void fails(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fails(struct check *check, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (vasprintf(&check->why, format, args) < 0)
		check->why = NULL;
	va_end(args);
	check->verdict = CHECK_FAILED;
}

static _Noreturn void become(const char *command, FILE *output)
{
	setpgid(0, 0);
	if (!freopen("/dev/null", "r", stdin))
		_exit(126);
	dup2(fileno(output), STDOUT_FILENO);
	dup2(fileno(output), STDERR_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static unsigned patience(void)
{
	const char *slow = getenv("CASSIN_TEST_SLOW");
	return PATIENCE_S * (slow && atoi(slow) > 0 ? (unsigned)atoi(slow) : 1);
}

/* How it ended, as waitpid(2) tells; false: not in time, and it is killed with all that it started. */
static bool await(pid_t pid, int *status)
{
	const struct timespec nap = {.tv_nsec = 2000000};
	time_t until = time(NULL) + (time_t)patience();
	for (;;) {
		pid_t r = waitpid(pid, status, WNOHANG);
		if (r == pid || (r < 0 && errno != EINTR))
			return r == pid;
		if (time(NULL) > until) {
			kill(-pid, SIGKILL);
			waitpid(pid, status, 0);
			return false;
		}
		nanosleep(&nap, NULL);
	}
}

/* The last line of what it has said. */
static void last_line(FILE *output, char *line)
{
	char tail[TAIL_BYTES + 1];
	long size = fseek(output, 0, SEEK_END) ? 0 : ftell(output);
	long from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
	size_t n = fseek(output, from, SEEK_SET) ? 0 : fread(tail, 1, TAIL_BYTES, output);
	while (n && tail[n - 1] == '\n')
		n--;
	tail[n] = '\0';
	char *begin = strrchr(tail, '\n');
	snprintf(line, LINE_BYTES, "%.*s", LINE_BYTES - 1, begin ? begin + 1 : tail);
}

static void judge(struct check *check, int status, FILE *output)
{
	char said[LINE_BYTES];
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (code == check->code) {
		check->verdict = CHECK_PASSED;
		return;
	}
	last_line(output, said);
	fails(check, "exit code %d, not %d%s%s", code, check->code, *said ? ": " : "", said);
}

void conformance_run(struct check *check, const char *command)
{
	char file[NAME_MAX];
	int status = 0;
	snprintf(file, sizeof file, "%.200s.elf", check->image);
	char *image = resource_conformance(file), *whole = image ? fill(command, image, check->args) : NULL;
	FILE *output = tmpfile();
	pid_t pid = whole && output ? fork() : -1;
	if (pid == 0)
		become(whole, output);
	if (!image)
		fails(check, "there is no image %s", file);
	else if (pid < 0)
		fails(check, "cannot be run: %s", strerror(errno));
	else if (!await(pid, &status))
		fails(check, "no end after %u s", patience());
	else
		judge(check, status, output);
	if (output)
		fclose(output);
	free(whole);
	free(image);
}
