/* SPDX-License-Identifier: MIT */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void become(char *const *argv, const int *in, const int *out, int errors, const char *procs)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int group = procs && *procs ? open(procs, O_WRONLY | O_CLOEXEC) : -1;
	if (group >= 0 && write(group, "0", 1) < 0)
		close(group); /* it is counted with the host, then */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	dup2(in ? in[0] : null, STDIN_FILENO);
	dup2(out ? out[1] : errors >= 0 ? errors : null, STDOUT_FILENO);
	if (errors >= 0)
		dup2(errors, STDERR_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

int child_start(struct child *c, char *const *argv, bool pipes, int errors, const char *procs)
{
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	*c = (struct child){.in = -1, .out = -1};
	if (pipes && (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0))
		return -errno;
	c->pid = fork();
	int result = c->pid < 0 ? -errno : 0;
	if (c->pid == 0)
		become(argv, pipes ? in : NULL, pipes ? out : NULL, errors, procs);
	if (c->pid > 0)
		setpgid(c->pid, c->pid);
	else
		c->pid = 0;
	if (pipes) {
		close(in[0]);
		close(out[1]);
		c->in = in[1];
		c->out = out[0];
	}
	return result;
}

static void forget_pipes(struct child *c)
{
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0)
		close(c->out);
	c->in = c->out = -1;
}

bool child_ended(struct child *c)
{
	if (c->pid && waitpid(c->pid, &c->status, WNOHANG) == c->pid) {
		kill(-c->pid, SIGKILL); /* what it may have left behind */
		c->pid = 0;
	}
	return !c->pid;
}

void child_stop(struct child *c, int signal, unsigned patience_ms)
{
	if (c->pid)
		kill(-c->pid, signal);
	for (unsigned waited = 0; !child_ended(c) && waited < patience_ms; waited++)
		usleep(1000);
	if (c->pid) {
		kill(-c->pid, SIGKILL);
		waitpid(c->pid, &c->status, 0);
		c->pid = 0;
	}
	forget_pipes(c);
}

const char *child_fate(const struct child *c, char text[48])
{
	if (WIFSIGNALED(c->status))
		snprintf(text, 48, "was killed by signal %d", WTERMSIG(c->status));
	else
		snprintf(text, 48, "exited with %d", WEXITSTATUS(c->status));
	return text;
}
