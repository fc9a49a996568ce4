/* SPDX-License-Identifier: MIT */
/* How large a cell may be. */
#include <criterion/criterion.h>

#include "cell/reach.h"

#define GIB (UINT64_C(1) << 30)
#define TABLE_ENTRIES 512u

Test(reach, the_largest_cell_fills_one_table_of_the_direct_map_and_no_more)
{
	uint64_t size = cell_size(CELL_BYTES_MOST);
	cr_assert_gt(size, CELL_BYTES_MOST);
	cr_assert_leq((size + GIB - 1) / GIB, TABLE_ENTRIES);
	cr_assert_leq(size, CELL_REACH);
}

Test(reach, no_cell_is_larger)
{
	cr_assert_eq(cell_size(CELL_BYTES_MOST + 1), 0u);
	cr_assert_eq(cell_size(CELL_REACH), 0u);
	cr_assert_eq(cell_size(UINT64_MAX), 0u);
}

Test(reach, a_cell_has_room_for_tables_and_monitor_besides)
{
	for (uint64_t bytes = 4096; bytes <= CELL_BYTES_MOST; bytes *= 3) {
		cr_assert_geq(cell_size(bytes), bytes + bytes / 64 + CELL_OVERHEAD);
		cr_assert_eq(cell_size(bytes) % CELL_GRAIN, 0u);
	}
}

Test(reach, the_default_pool_of_a_large_host_is_cut)
{
	cr_assert_eq(cell_pool(0, 8 * GIB), 6 * GIB);
	cr_assert_eq(cell_pool(0, 4096 * GIB), CELL_BYTES_MOST);
	cr_assert_eq(cell_pool(GIB, 4096 * GIB), GIB);
	cr_assert_neq(cell_size(cell_pool(0, UINT64_MAX)), 0u);
}
