/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 64

static const char help[] =
	"Usage: cassind [OPTION]...\n"
	"Runs guests and serves the HTTP/JSON API on a Unix socket, in the foreground.\n"
	"\n"
	"  --socket PATH   the API's socket; the gateway is at PATH.gw\n"
	"                  (default: $CASSIN_SOCKET, $XDG_RUNTIME_DIR/cassin.sock,\n"
	"                  /run/cassin.sock for root, /tmp/cassin-UID.sock)\n"
	"  --state DIR     keep templates and guests with the restart policy \"always\"\n"
	"                  here, and start them again with the daemon\n"
	"  --workers N     host threads that run guests (default, or 0: one per CPU)\n"
	"  --pool SIZE     memory that all guests together may touch, such as 8G; at most 504G\n"
	"                  (default: three quarters of what is available)\n"
	"  --max-guests N  no more guests run at once; further ones are refused, or wait\n"
	"                  with cassin spawn --wait\n"
	"  --no-overcommit refuse guests that could need more memory than the pool has if\n"
	"                  all of them took their most\n"
	"  --memory-wait SECONDS  how long a guest that finds the pool full waits for memory\n"
	"                  before it ends (default: 10)\n"
	"  --park SECONDS  compress the memory of guests that have waited for so long;\n"
	"                  they wake when something comes for them (default: never)\n"
	"  --swap FILE     move the memory of parked guests to this file; it is removed at\n"
	"                  the end\n"
	"  --swap-size SIZE  its greatest size (default: 16G; it grows as needed)\n"
	"  --backend WHAT  what runs guests: kvm, process (traced processes, without KVM) or\n"
	"                  auto: KVM where it opens, else process (default:\n"
	"                  $CASSIN_BACKEND, or auto); see cassin doctor\n"
	"  --sandbox MODE  on (default): system calls that the daemon does not need end it;\n"
	"                  log: they are only logged by the kernel; off: nothing is given up\n"
	"  --ready-fd N    write one byte to descriptor N when the socket answers\n"
	"  --version       print the version\n"
	"  --help          print this text\n"
	"\n"
	"Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failure, 2 usage, 3 cannot start.\n"
	"\n"
	"Examples:\n"
	"  cassind &                              the default socket\n"
	"  cassind --socket /tmp/c.sock --pool 4G\n"
	"  curl --unix-socket /tmp/c.sock http://cassin/v1/version\n";

static _Noreturn void usage_error(const char *option, const char *value, const char *must)
{
	struct cassin_error_text err;
	cassin_error_set(&err, 0, "%s %s: must be %s", option, value, must);
	fprintf(stderr, "cassind: %s\n", err.text);
	exit(2);
}

static _Noreturn void print_and_exit(const char *text)
{
	if (fputs(text, stdout) != EOF && !fflush(stdout))
		exit(0);
	fprintf(stderr, "cassind: cannot write to standard output: %s\n", strerror(errno));
	exit(1);
}

static unsigned number(const char *option, const char *text, unsigned long most, const char *must)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n > most)
		usage_error(option, text, must);
	return (unsigned)n;
}

void options_parse(struct options *o, int argc, char **argv)
{
	enum {
		SOCKET = 256,
		STATE,
		WORKERS,
		POOL,
		MAX_GUESTS,
		NO_OVERCOMMIT,
		MEMORY_WAIT,
		PARK,
		SWAP,
		SWAP_SIZE,
		SANDBOX,
		BACKEND,
		READY,
		VERSION,
		HELP
	};
	static const struct option longs[] = {
		{"socket", required_argument, NULL, SOCKET},
		{"state", required_argument, NULL, STATE},
		{"workers", required_argument, NULL, WORKERS},
		{"pool", required_argument, NULL, POOL},
		{"max-guests", required_argument, NULL, MAX_GUESTS},
		{"no-overcommit", no_argument, NULL, NO_OVERCOMMIT},
		{"memory-wait", required_argument, NULL, MEMORY_WAIT},
		{"park", required_argument, NULL, PARK},
		{"swap", required_argument, NULL, SWAP},
		{"swap-size", required_argument, NULL, SWAP_SIZE},
		{"sandbox", required_argument, NULL, SANDBOX},
		{"backend", required_argument, NULL, BACKEND},
		{"ready-fd", required_argument, NULL, READY},
		{"version", no_argument, NULL, VERSION},
		{"help", no_argument, NULL, HELP},
		{0},
	};
	int option;
	bool told = false;
	*o = (struct options){.ready_fd = -1, .sandbox = cassin_sandbox_mode_default(), .memory_wait_s = 10};
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (option) {
		case SOCKET:
			o->socket = optarg;
			break;
		case STATE:
			o->state = optarg;
			break;
		case WORKERS:
			o->workers = number("--workers", optarg, WORKERS_MAX, "a number from 0 to 64");
			break;
		case POOL:
			if (cassin_size_parse(optarg, &o->pool_bytes) < 0 || !o->pool_bytes)
				usage_error("--pool", optarg, "a size such as 512M or 8G");
			break;
		case MAX_GUESTS:
			o->max_guests = number("--max-guests", optarg, 1u << 30, "a number from 1 to 1073741824");
			if (!o->max_guests)
				usage_error("--max-guests", optarg, "a number from 1 to 1073741824");
			break;
		case NO_OVERCOMMIT:
			o->no_overcommit = true;
			break;
		case MEMORY_WAIT:
			o->memory_wait_s = number("--memory-wait", optarg, 1u << 30, "a number of seconds");
			break;
		case PARK:
			o->park_s = number("--park", optarg, 1u << 30, "a number of seconds");
			break;
		case SWAP:
			o->swap = optarg;
			break;
		case SWAP_SIZE:
			if (cassin_size_parse(optarg, &o->swap_bytes) < 0 || !o->swap_bytes)
				usage_error("--swap-size", optarg, "a size such as 512M or 8G");
			break;
		case SANDBOX:
			if (cassin_sandbox_mode_parse(optarg, &o->sandbox) < 0)
				usage_error("--sandbox", optarg, "on, log or off");
			break;
		case BACKEND:
			if (cassin_backend_parse(optarg, &o->backend) < 0)
				usage_error("--backend", optarg, "auto, kvm or process");
			told = true;
			break;
		case READY:
			o->ready_fd = (int)number("--ready-fd", optarg, 1u << 20, "a descriptor's number");
			break;
		case VERSION:
			print_and_exit("cassind " CASSIN_VERSION "\n");
		case 'h':
		case HELP:
			print_and_exit(help);
		default:
			fputs("Try: cassind --help\n", stderr);
			exit(2);
		}
	}
	struct cassin_error_text err;
	if (!told && cassin_backend_default(&o->backend, &err) < 0) {
		fprintf(stderr, "cassind: %s\n", err.text);
		exit(2);
	}
	if (optind < argc) {
		cassin_error_set(&err, 0, "unexpected argument: %s", argv[optind]);
		fprintf(stderr, "cassind: %s\nTry: cassind --help\n", err.text);
		exit(2);
	}
	if (o->swap_bytes && !o->swap) {
		fputs("cassind: --swap-size: needs --swap FILE\nTry: cassind --help\n", stderr);
		exit(2);
	}
}
