/* SPDX-License-Identifier: MIT */
/* cassin-load: asks many servers, as a job on standard input says, and prints what it measured. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "client.h"

static const char help[] =
	"Usage: cassin-load <JOB.json\n"
	"Asks many servers at once and prints latencies. `cassin density` starts it; docs/density.md tells its job.\n";

/* What could not be written was not done. */
static int written(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	fprintf(stderr, "cassin-load: cannot write to standard output: %s\n", strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	struct job job;
	struct rlimit limit;
	char why[256];
	if (argc != 1) {
		bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;
		fputs(help, asked ? stdout : stderr);
		return asked ? written() : 2;
	}
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	int r = job_read(&job, stdin, why, sizeof why);
	if (r == 0 && (r = client_run(&job)) < 0)
		snprintf(why, sizeof why, "%s", strerror(-r));
	if (r < 0) {
		fprintf(stderr, "cassin-load: %s\n", why);
		return 1;
	}
	job_free(&job);
	return written();
}
