/* SPDX-License-Identifier: MIT */
/*
 * What SQLite stands on in a guest (its documentation: "The OS Backend (VFS) To SQLite"): a clock, randomness, and no files.
 * Databases are in memory, and so are journals and temporary tables, by the options in meson.build.
 */
#include <string.h>
#include <unistd.h>

#include <cassin/kernel.h>

#include <sqlite3.h>

#define PATH_MOST 128
#define JULIAN_EPOCH_MS (INT64_C(24405875) * 8640000) /* from the begin of the Julian days to 1970 */

static int open_file(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *given)
{
	(void)vfs;
	(void)path;
	(void)flags;
	(void)given;
	file->pMethods = NULL;
	return SQLITE_CANTOPEN;
}

static int remove_file(sqlite3_vfs *vfs, const char *path, int sync)
{
	(void)vfs;
	(void)path;
	(void)sync;
	return SQLITE_IOERR_DELETE_NOENT;
}

static int access_file(sqlite3_vfs *vfs, const char *path, int flags, int *yes)
{
	(void)vfs;
	(void)path;
	(void)flags;
	*yes = 0;
	return SQLITE_OK;
}

static int full_path(sqlite3_vfs *vfs, const char *path, int size, char *to)
{
	(void)vfs;
	if (strlen(path) >= (size_t)size)
		return SQLITE_CANTOPEN;
	strcpy(to, path);
	return SQLITE_OK;
}

static int randomness(sqlite3_vfs *vfs, int size, char *to)
{
	(void)vfs;
	return cassin_random(to, (uint32_t)size) ? 0 : size;
}

static int sleep_us(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	usleep((useconds_t)us);
	return us;
}

static int now_ms(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
	(void)vfs;
	*ms = JULIAN_EPOCH_MS + (sqlite3_int64)(cassin_wall() / 1000000);
	return SQLITE_OK;
}

static int now_days(sqlite3_vfs *vfs, double *days)
{
	sqlite3_int64 ms;
	now_ms(vfs, &ms);
	*days = (double)ms / 86400000;
	return SQLITE_OK;
}

static int last_error(sqlite3_vfs *vfs, int size, char *text)
{
	(void)vfs;
	(void)size;
	(void)text;
	return 0;
}

static sqlite3_vfs system_vfs = {
	.iVersion = 2,
	.szOsFile = sizeof(sqlite3_file),
	.mxPathname = PATH_MOST,
	.zName = "cassin",
	.xOpen = open_file,
	.xDelete = remove_file,
	.xAccess = access_file,
	.xFullPathname = full_path,
	.xRandomness = randomness,
	.xSleep = sleep_us,
	.xCurrentTime = now_days,
	.xGetLastError = last_error,
	.xCurrentTimeInt64 = now_ms,
};

int sqlite3_os_init(void);
int sqlite3_os_end(void);

int sqlite3_os_init(void)
{
	return sqlite3_vfs_register(&system_vfs, 1);
}

int sqlite3_os_end(void)
{
	return SQLITE_OK;
}
