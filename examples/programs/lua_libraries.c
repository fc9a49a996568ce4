/* SPDX-License-Identifier: MIT */
/*
 * Lua's libraries for guests, in place of its linit.c, with random numbers that two guests do not share: Lua's own seeds are made
 * of the second and of addresses, which clones and guests that are spawned together have in common.
 *
 * math.random and math.randomseed are Lua's functions under closures that look first whether the guest is the one that the
 * numbers were seeded for. A script that gives a seed gets the numbers of that seed, in clones as well.
 */
#include <cassin/guest.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "lua_guest.h"

static struct cassin_birth birth;
static bool chosen; /* the script has given a seed */
static uint64_t drawn;
static lua_CFunction plain_random, plain_randomseed;

/* Two words of the boot record's seed are for numbers, the others for the hash of strings: a script may show its numbers. */
static uint64_t seed_word(unsigned at)
{
	uint64_t word;
	memcpy(&word, cassin_boot->seed + at * sizeof word, sizeof word);
	return word;
}

unsigned lua_hash_seed(void)
{
	uint64_t word = seed_word(2) ^ seed_word(3);
	return (unsigned)(word ^ word >> 32);
}

static void push_seed(lua_State *lua)
{
	lua_pushinteger(lua, (lua_Integer)(seed_word(0) + drawn++ * UINT64_C(0x9e3779b97f4a7c15)));
	lua_pushinteger(lua, (lua_Integer)seed_word(1));
}

/* Upvalues of both: the state of the generator, as Lua's own have it; and Lua's own randomseed. */
static int random_number(lua_State *lua)
{
	if (!chosen && cassin_reborn(&birth)) {
		lua_pushvalue(lua, lua_upvalueindex(2));
		push_seed(lua);
		lua_call(lua, 2, 0);
	}
	return plain_random(lua);
}

static int random_seed(lua_State *lua)
{
	chosen = !lua_isnone(lua, 1);
	if (!chosen) {
		cassin_reborn(&birth);
		push_seed(lua);
	}
	return plain_randomseed(lua);
}

/* On the stack: the table `math`, and Lua's own randomseed. Sets math[name] to `f`, over the function that was there. */
static lua_CFunction put(lua_State *lua, const char *name, lua_CFunction f)
{
	lua_getfield(lua, -2, name);
	lua_CFunction plain = lua_tocfunction(lua, -1);
	lua_getupvalue(lua, -1, 1);
	lua_pushvalue(lua, -3);
	lua_pushcclosure(lua, f, 2);
	lua_setfield(lua, -4, name);
	lua_pop(lua, 1);
	return plain;
}

static int open_math(lua_State *lua)
{
	luaopen_math(lua);
	lua_getfield(lua, -1, "randomseed");
	plain_random = put(lua, "random", random_number);
	plain_randomseed = put(lua, "randomseed", random_seed);
	lua_pop(lua, 1);
	return 1;
}

void luaL_openlibs(lua_State *lua)
{
	static const struct {
		const char *name;
		lua_CFunction open;
	} libraries[] = {
		{LUA_GNAME, luaopen_base},          {LUA_LOADLIBNAME, luaopen_package},
		{LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
		{LUA_IOLIBNAME, luaopen_io},        {LUA_OSLIBNAME, luaopen_os},
		{LUA_STRLIBNAME, luaopen_string},   {LUA_MATHLIBNAME, open_math},
		{LUA_UTF8LIBNAME, luaopen_utf8},    {LUA_DBLIBNAME, luaopen_debug},
	};
	for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
		luaL_requiref(lua, libraries[i].name, libraries[i].open, 1);
		lua_pop(lua, 1);
	}
}
