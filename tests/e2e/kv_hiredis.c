/* SPDX-License-Identifier: MIT */
/* kv_hiredis PORT: what a program says that uses hiredis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

static redisContext *server;

/* A command's reply must be of this type, and say this. */
static void expect(int type, const char *text, const char *command)
{
	redisReply *r = redisCommand(server, command);
	char number[32];
	if (!r) {
		printf("%s: %s\n", command, server->errstr);
		exit(1);
	}
	snprintf(number, sizeof number, "%lld", r->integer);
	const char *says = r->type == REDIS_REPLY_INTEGER ? number : r->str ? r->str : "";
	if (r->type != type || (text && strcmp(says, text) != 0)) {
		printf("%s: type %d, \"%s\"\n", command, r->type, says);
		exit(1);
	}
	freeReplyObject(r);
}

int main(int argc, char **argv)
{
	redisReply *r = NULL;
	server = redisConnect("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0);
	if (!server || server->err)
		return 2;
	expect(REDIS_REPLY_ARRAY, NULL, "HELLO 2");
	expect(REDIS_REPLY_STATUS, "OK", "SET a one");
	expect(REDIS_REPLY_STRING, "one", "GET a");
	expect(REDIS_REPLY_NIL, NULL, "GET b");
	expect(REDIS_REPLY_INTEGER, "7", "INCRBY n 7");
	expect(REDIS_REPLY_STATUS, "OK", "MULTI");
	expect(REDIS_REPLY_STATUS, "QUEUED", "INCR n");
	expect(REDIS_REPLY_ARRAY, NULL, "EXEC");
	expect(REDIS_REPLY_INTEGER, "9", "INCR n");
	for (int i = 0; i < 100; i++) /* pipelined */
		redisAppendCommand(server, "SET key-%d %b", i, "a\0b", (size_t)3);
	for (int i = 0; i < 100; i++) {
		if (redisGetReply(server, (void **)&r) || r->type != REDIS_REPLY_STATUS)
			return 3;
		freeReplyObject(r);
	}
	expect(REDIS_REPLY_INTEGER, "102", "DBSIZE");
	redisFree(server);
	puts("fine");
	return 0;
}
