/* SPDX-License-Identifier: MIT */
/*
 * The first program: a shell that reads lines of the console.
 *
 *     ls                  the programs
 *     ps                  the processes
 *     kill PID            ends a child
 *     NAME [ARG...] [&]   runs a program; with & without waiting for it
 */
#include <cassin/user.h>

#define LINE_MOST 256u
#define SHOWN_MOST 32u

static void say_end(const struct cassin_status *s)
{
	if (s->end == CASSIN_END_EXIT)
		user_print("[%d] exit %d\n", s->pid, s->code);
	else
		user_print("[%d] %s\n", s->pid, s->end == CASSIN_END_CRASH ? "crashed" : "killed");
}

/* Cuts a line into words. How many. */
static int split(char *line, const char **words, int most)
{
	int n = 0;
	for (char *at = line; *at;) {
		if (*at == ' ' || *at == '\n') {
			*at++ = 0;
			continue;
		}
		if (n < most)
			words[n++] = at;
		while (*at && *at != ' ' && *at != '\n')
			at++;
	}
	words[n] = NULL;
	return n;
}

static void ls(void)
{
	char name[64];
	for (unsigned i = 0; user_program(i, name, sizeof name) >= 0; i++)
		user_print("%s\n", name);
}

static void ps(void)
{
	static struct cassin_process_info all[SHOWN_MOST];
	int64_t n = user_processes(all, SHOWN_MOST);
	user_print("  PID PARENT PAGES    CALLS NAME\n");
	for (int64_t i = 0; i < n; i++)
		user_print("%5d %6d %5u %8lu %s%s\n", all[i].pid, all[i].parent, all[i].pages, all[i].calls,
			   all[i].name, all[i].ended ? " (ended)" : "");
}

static void kill_child(const char *word)
{
	long long pid = word ? cassin_parse(word, strlen(word)) : -1;
	if (pid < 1 || pid > INT32_MAX || user_kill((int)pid))
		user_print("kill: no such child\n");
}

static void run(const char **words, int n)
{
	struct cassin_status status;
	int beside = strcmp(words[n - 1], "&") == 0;
	if (beside)
		words[--n] = NULL;
	int64_t pid = n ? user_spawn(words) : -CASSIN_ENOENT;
	if (pid == -CASSIN_ENOENT)
		user_print("%s: no such program\n", n ? words[0] : "&");
	else if (pid < 0)
		user_print("%s: error %d\n", words[0], (int)-pid);
	else if (beside)
		user_print("[%d] %s\n", (int)pid, words[0]);
	else if (user_wait((int)pid, &status, CASSIN_FOREVER) > 0)
		say_end(&status);
}

static void obey(char *line)
{
	const char *words[CASSIN_ARGC_MAX + 1];
	int n = split(line, words, (int)CASSIN_ARGC_MAX);
	if (!n)
		return;
	if (strcmp(words[0], "ls") == 0)
		ls();
	else if (strcmp(words[0], "ps") == 0)
		ps();
	else if (strcmp(words[0], "kill") == 0)
		kill_child(words[1]);
	else
		run(words, n);
}

int main(void)
{
	char line[LINE_MOST];
	struct cassin_status status;
	int64_t n;
	user_print("ls, ps, kill PID, or a program: NAME [ARG...] [&]. Ctrl-D ends.\n");
	for (;;) {
		while (user_wait(0, &status, CASSIN_NOW) > 0)
			say_end(&status);
		user_print("$ ");
		n = user_read(0, line, sizeof line - 1);
		if (n <= 0)
			break;
		line[n] = 0;
		obey(line);
	}
	user_print("\n");
	return 0;
}
