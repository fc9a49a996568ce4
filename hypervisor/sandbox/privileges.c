/* SPDX-License-Identifier: MIT */
#include "sandbox/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

/* From the bounding set goes what would come back by executing a file; a thread without CAP_SETPCAP cannot, and with
 * no_new_privs it need not. */
static void drop_bounds(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (cap != CAP_NET_BIND_SERVICE)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[WORDS];
	memset(sets, 0, sizeof sets);
	if (syscall(SYS_capget, &header, sets))
		return -errno;
	drop_bounds();
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	for (unsigned i = 0; i < WORDS; i++) {
		sets[i].permitted &= i == CAP_NET_BIND_SERVICE / 32 ? 1u << CAP_NET_BIND_SERVICE % 32 : 0;
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, sets) ? -errno : 0;
}

int privileges_drop(struct cassin_error_text *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return cassin_error_set(err, -errno, "cannot give up privileges: no_new_privs: %s", strerror(errno));
	int r = drop_capabilities();
	return r ? cassin_error_set(err, r, "cannot give up capabilities: %s", strerror(-r)) : 0;
}
