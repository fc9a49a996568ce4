/* SPDX-License-Identifier: MIT */
#include "stubs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned stubs_of(pid_t parent, pid_t *out, bool zombies)
{
	DIR *d = opendir("/proc");
	unsigned n = 0;
	if (!d)
		fail("/proc: %s", strerror(errno));
	for (struct dirent *e; (e = readdir(d)) && n < STUBS_MOST;) {
		char path[300], text[256] = "", state;
		int ppid;
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof text - 1) > 0) {
			char *rest = strrchr(text, ')');
			if (rest && sscanf(rest + 1, " %c %d", &state, &ppid) == 2 && ppid == parent &&
			    (state != 'Z' || zombies))
				out[n++] = (pid_t)atoi(e->d_name);
		}
		close(fd);
	}
	closedir(d);
	return n;
}

pid_t stubs[STUBS_MOST];

unsigned find_stubs(void)
{
	return stubs_of(getpid(), stubs, false);
}

unsigned await_stubs_of(struct world *w, pid_t parent, pid_t *out, unsigned least)
{
	uint64_t until = now_ns() + 10000 * MS * w->slow;
	unsigned n;
	while ((n = stubs_of(parent, out, false)) < least) {
		if (now_ns() > until)
			fail("%u processes of guests, not %u", n, least);
		sleep_ms(5);
	}
	return n;
}

unsigned await_stubs(struct world *w, unsigned least)
{
	return await_stubs_of(w, getpid(), stubs, least);
}

void end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
}

void spawn_some(struct world *w, uint64_t *ids, unsigned n, const char *image, const char *args)
{
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof name, "%s%u", image, i);
		struct cassin_guest_spec s = spec_of(w, name, image, args);
		s.memory = UINT64_C(1) << 20;
		ids[i] = spawn_spec(w, &s);
	}
}

void create_engine(struct world *w, unsigned workers)
{
	struct cassin_error_text err = {0};
	struct cassin_engine_options options = {
		.workers = workers, .pool_bytes = POOL_DEFAULT, .backend = CASSIN_BACKEND_PROCESS};
	if (cassin_engine_create(&w->e, &options, &err))
		fail("engine: %s", err.text);
}

void in_child(struct world *w, void (*run)(struct world *w))
{
	int status = 0;
	engine_end(w);
	fflush(stdout);
	pid_t parent = getpid(), child = fork();
	if (!child) {
		end_with(parent);
		run(w);
		fflush(stdout);
		_exit(0);
	}
	EXPECT_IS(waitpid(child, &status, 0), child);
	EXPECT_IS(status, 0);
}
