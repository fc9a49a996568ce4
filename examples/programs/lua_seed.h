/* SPDX-License-Identifier: MIT */
/* Included before each of Lua's sources for guests: where the seed of its strings' hash comes from. */
#ifndef LUA_SEED_H
#define LUA_SEED_H

unsigned lua_hash_seed(void);

#define luai_makeseed(lua) ((void)(lua), lua_hash_seed())

#endif
