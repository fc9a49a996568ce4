/* SPDX-License-Identifier: MIT */
/* Included before each source that is compiled with Lua for guests. */
#ifndef LUA_GUEST_H
#define LUA_GUEST_H
#ifndef __ASSEMBLER__

#define LUA_CORE /* its core's part of luaconf.h, too */
#include <luaconf.h>
#undef LUA_CORE

/* A tenth of Lua's own limit, so that an endless recursion reaches it in a guest of 16 MiB, and is reported as what it is. */
#undef LUAI_MAXSTACK
#define LUAI_MAXSTACK 100000

/* The seed of the hash of strings. */
unsigned lua_hash_seed(void);
#define luai_makeseed(lua) ((void)(lua), lua_hash_seed())

#endif
#endif
