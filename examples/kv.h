/* SPDX-License-Identifier: MIT */
/* What the files of kv share: replies and the execution of a command. */
#ifndef KV_H
#define KV_H

#include "kv_store.h"

#define KV_ARGS_MAX 1024u

/* Carries a command out and replies. n is at least 1; args[0] is the command's name. */
void kv_execute(struct cassin_conn *c, const struct slice *args, uint32_t n);
/* "-TEXT"; at most 256 bytes. The text begins with an error code in capitals. */
void reply_error(struct cassin_conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
